/*
 * TLS over OpenSSL (included in net/tls*.c alone): memory-cheap server contexts, TLS 1.3 external PSK (RFC 8446 2.2,
 * 4.2.11) with (EC)DHE as the knock binds it. In TLS 1.3: suites TLS_CHACHA20_POLY1305_SHA256 and
 * TLS_AES_128_GCM_SHA256 alone (an external PSK is tied to SHA-256; with a SHA-384 suite OpenSSL ignores it), no
 * tickets, no session cache, no early data, no compression, peer certificate demanded so that there is no third way in.
 * The client's side takes a server by the PSK that only it can know, or by a certificate of the CA that it pins; by
 * nothing else. One thread a connection; a context is shared read-only.
 */
#ifndef NJ_NET_TLS_H
#define NJ_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "net/tls_offer.h"

struct nj_tls_ctx;
struct nj_tls; /* one connection's state; owned by its nj_conn */

#define NJ_TLS_IDENTITY_MAX 64
#define NJ_TLS_PSK_BYTES 32

/* Looks up the key of a PSK identity. Has no side effect: it may run twice in a handshake (HelloRetryRequest). */
typedef bool (*nj_tls_psk_fn)(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES]);

/* How far a ClientHello without a usable PSK may go: not at all, or on to a client certificate. */
enum nj_tls_admission {
	NJ_TLS_REFUSE,  /* closed before ServerHello */
	NJ_TLS_FROM_13, /* TLS 1.3 */
	NJ_TLS_FROM_12, /* TLS 1.3 or 1.2 */
};

/* What a client certificate says of its holder; "" when absent, repeated or not printable. Claims until verified. */
struct nj_tls_subject {
	char serial_number[NJ_TLS_IDENTITY_MAX +
			   1]; /* the attribute 2.5.4.5 of the subject, not the certificate's number */
	char common_name[NJ_TLS_IDENTITY_MAX + 1];
};

/* CA certificates and revocation lists, immutable; any thread gives and takes references. */
struct nj_tls_trust;
/* `ca_pem`: one or more CA certificates, each of them an anchor. `crl_pem`: NULL or "", or a list of each CA whose
 * certificates may be used. NJ_ERR_CONFIG for what is not that. */
NJ_MUST_USE enum nj_err nj_tls_trust_new(const char *ca_pem, const char *crl_pem, struct nj_tls_trust **out_trust,
					 struct nj_why *why);
struct nj_tls_trust *nj_tls_trust_ref(struct nj_tls_trust *trust);
void nj_tls_trust_unref(struct nj_tls_trust *trust);

/* The client-certificate side of a server. `who` is the connection's `user` at its making. No call has a side effect
 * that outlives the handshake: each may run twice. */
struct nj_tls_certificates {
	enum nj_tls_admission (*admit)(void *arg, void *who);
	/* By what a certificate with this subject is verified; NULL: by nothing. Valid until the next turn. */
	const struct nj_tls_trust *(*trust)(void *arg, void *who, const struct nj_tls_subject *subject);
	/* A certificate was not accepted; static text. */
	void (*rejected)(void *arg, void *who, const char *reason);
	void *arg;
};

struct nj_tls_server_config {
	const char *cert_pem; /* chain, server first */
	const char *key_pem;
	nj_tls_psk_fn psk;
	void *psk_arg;
	const struct nj_tls_certificates *certificates; /* copied; NULL: PSK alone, TLS 1.3 alone */
	/* A local listener's: TLS 1.3 by the server's certificate, and nobody has to prove anything; `psk` and
	 * `certificates` are NULL. */
	bool unproven;
};

/* Initialises OpenSSL so that it opens no file afterwards; before the sandbox. */
NJ_MUST_USE enum nj_err nj_tls_init(void);
NJ_MUST_USE enum nj_err nj_tls_server_ctx_new(const struct nj_tls_server_config *config, struct nj_tls_ctx **out_ctx,
					      struct nj_why *why);
void nj_tls_ctx_free(struct nj_tls_ctx *ctx);

/* A client's context for one connection: what it proves and what it accepts as the server. */
struct nj_tls_client_config {
	const char *psk_identity; /* NULL: no PSK is offered */
	uint8_t psk[NJ_TLS_PSK_BYTES];
	const char *cert_pem; /* chain, client first; NULL: none */
	const char *key_pem;
	const char *ca_pem; /* what a server that does not choose the PSK must be certified by; NULL: it is refused */
	const char *server_name; /* DNS name or address in the server's certificate; with `ca_pem` only */
};

/* TLS 1.3 alone. Copies what it needs; the caller wipes `config`. NJ_ERR_CONFIG for a PEM that cannot be used. */
NJ_MUST_USE enum nj_err nj_tls_client_ctx_new(const struct nj_tls_client_config *config, struct nj_tls_ctx **out_ctx,
					      struct nj_why *why);

/* What a finished handshake proved. On a client's side `psk_bound` is the server's proof that it holds the PSK. */
struct nj_tls_facts {
	bool psk_bound; /* finished ∧ session reused ∧ TLS 1.3 ∧ the callback supplied exactly one identity */
	/* finished ∧ no PSK ∧ the peer's certificate verified ∧ (TLS 1.3 ∨ 1.2 with extended master secret, RFC 7627)
	 */
	bool certificate_bound;
	char psk_identity[NJ_TLS_IDENTITY_MAX + 1];
	char certificate[2 * 20 + 1]; /* its serial number in hex, where it bound; else "" */
	const char *version;          /* static text, "TLSv1.3" */
	const char *cipher;           /* static text */
	const char *group;            /* static text; "" when none was agreed */
	/* What the ClientHello offered; NULL on a client's side, where no proof is asked for, once forgotten, or
	 * without memory. */
	const struct nj_tls_offer *offer;
};

#endif
