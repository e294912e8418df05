/*
 * TLS for accepted connections, over OpenSSL (included in net/tls.c alone): memory-cheap server contexts, TLS 1.3
 * external PSK (RFC 8446 2.2, 4.2.11) with (EC)DHE as the knock binds it. On PSK contexts: TLS 1.3 alone, suites
 * TLS_CHACHA20_POLY1305_SHA256 and TLS_AES_128_GCM_SHA256 alone (an external PSK is tied to SHA-256; with a SHA-384
 * suite OpenSSL ignores it), no tickets, no session cache, no early data, no compression, peer certificate demanded so
 * that there is no third way in. One thread a connection; a context is shared read-only.
 */
#ifndef NJ_NET_TLS_H
#define NJ_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"

struct nj_tls_ctx;
struct nj_tls; /* one connection's state; owned by its nj_conn */

#define NJ_TLS_IDENTITY_MAX 64
#define NJ_TLS_PSK_BYTES 32

/* Looks up the key of a PSK identity. Has no side effect: it may run twice in a handshake (HelloRetryRequest). */
typedef bool (*nj_tls_psk_fn)(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES]);

struct nj_tls_server_config {
	const char *cert_pem; /* chain, server first */
	const char *key_pem;
	nj_tls_psk_fn psk;
	void *psk_arg;
};

/* Initialises OpenSSL so that it opens no file afterwards; before the sandbox. */
NJ_MUST_USE enum nj_err nj_tls_init(void);
NJ_MUST_USE enum nj_err nj_tls_server_ctx_new(const struct nj_tls_server_config *config, struct nj_tls_ctx **out_ctx,
					      struct nj_why *why);
void nj_tls_ctx_free(struct nj_tls_ctx *ctx);

/* What a finished handshake proved. */
struct nj_tls_facts {
	bool psk_bound; /* finished ∧ session reused ∧ TLS 1.3 ∧ the callback supplied exactly one identity */
	char psk_identity[NJ_TLS_IDENTITY_MAX + 1];
	const char *version; /* static text, "TLSv1.3" */
	const char *cipher;  /* static text */
};

#endif
