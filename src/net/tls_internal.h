/*
 * What the files of TLS share (net/tls*.c alone): contexts, a connection's state, and the callbacks of the certificate
 * side. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_TLS_INTERNAL_H
#define NJ_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/internal.h"

/* TLS record header (RFC 8446 5.1) and handshake header (4). */
#define NJ_TLS_RECORD_HEAD_BYTES 5
#define NJ_TLS_HELLO_HEAD_BYTES (NJ_TLS_RECORD_HEAD_BYTES + 4)

struct nj_tls_ctx {
	SSL_CTX *ssl_ctx;
	bool client;
	bool unproven; /* a server that asks for no proof */
	nj_tls_psk_fn psk;
	void *psk_arg;
	struct nj_tls_certificates certificates; /* `admit` NULL: none */
	uint8_t own_psk[NJ_TLS_PSK_BYTES];       /* of a client, with its identity; "" = none */
	char own_identity[NJ_TLS_IDENTITY_MAX + 1];
	atomic_uint references;
};

struct nj_tls {
	SSL *ssl;
	struct nj_tls_ctx *ctx;
	void *who;
	int fd;
	struct nj_buf held;
	size_t handshake_in_bytes;
	uint8_t hello_head[NJ_TLS_HELLO_HEAD_BYTES];
	uint8_t hello_head_len;
	uint8_t psk_lookups;
	uint8_t psk_identities; /* different ones that the callback supplied; 2 means more than one */
	bool holding;           /* output goes to `held` until the call is known not to have failed */
	bool gathering;         /* output goes to `held` until there is enough of it */
	bool hello_seen;
	bool finished;
	bool eof;
	bool io_failed;
	bool refused;        /* by us, below OpenSSL */
	bool peer_certified; /* our verification accepted the peer's certificate */
	struct nj_tls_offer *offer;
	struct nj_tls_facts facts;
};

/* Whose it is: its socket knows. Application data would take memory of each. */
struct nj_tls *nj_tls_of(SSL *ssl);
/* nj_tls_init was called. */
bool nj_tls_ready(void);
/* A key as OpenSSL wants it; NULL without memory. */
SSL_SESSION *nj_tls_session_of_key(SSL *ssl, const uint8_t key[NJ_TLS_PSK_BYTES]);

/* tls_context.c: made with one reference, tuned, nothing decided. */
NJ_MUST_USE enum nj_err nj_tls_ctx_new(const SSL_METHOD *method, struct nj_tls_ctx **out_ctx, struct nj_why *why);
NJ_MUST_USE enum nj_err nj_tls_ctx_load(SSL_CTX *ssl_ctx, const char *cert_pem, const char *key_pem, const char *whose,
					struct nj_why *why);
bool nj_tls_ctx_restrict(SSL_CTX *ssl_ctx, int min_version);

/* tls_peer.c: the server's callbacks, as OpenSSL wants them. */
int nj_tls_on_hello(SSL *ssl, int *alert, void *arg);
int nj_tls_on_psk(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **out_session);
int nj_tls_on_certificate_wanted(SSL *ssl, void *arg);
int nj_tls_on_verify(X509_STORE_CTX *store_ctx, void *arg);

/* tls_trust.c: X509_V_OK, or why not. */
int nj_tls_trust_verify(const struct nj_tls_trust *trust, X509 *leaf, STACK_OF(X509) * untrusted);
bool nj_tls_trust_lists(const struct nj_tls_trust *trust, X509 *cert);

#endif
