#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

#define SUITES "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
/* TLS 1.2: forward secrecy and authenticated encryption, nothing else. */
#define SUITES_12                                                      \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"   \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
#define READ_BYTES (64 * 1024) /* four records; OpenSSL takes the memory while it reads, and gives it back */
#define GROUPS "X25519:P-256"
#define SIGNATURES                                                                   \
	"ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:rsa_pss_rsae_sha256:" \
	"rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"

static int no_passphrase(char *out, int cap, int writing, void *arg)
{
	return -1;
}

static bool use_chain(SSL_CTX *ssl_ctx, BIO *pem)
{
	X509 *leaf = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL);
	bool ok = leaf != NULL && SSL_CTX_use_certificate(ssl_ctx, leaf) == 1;
	X509_free(leaf);
	while (ok) {
		X509 *issuer = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL);
		if (issuer == NULL)
			break;
		ok = SSL_CTX_add0_chain_cert(ssl_ctx, issuer) == 1;
		if (!ok)
			X509_free(issuer);
	}
	return ok;
}

static enum nj_err load_certificate(SSL_CTX *ssl_ctx, const char *cert_pem, const char *whose, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(cert_pem, -1);
	bool ok = pem != NULL && use_chain(ssl_ctx, pem);
	BIO_free(pem);
	return ok ? NJ_OK : nj_why(why, NJ_ERR_CONFIG, "the %s certificate is not a chain of PEM certificates", whose);
}

static enum nj_err load_key(SSL_CTX *ssl_ctx, const char *key_pem, const char *whose, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = pem == NULL ? NULL : PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
	BIO_free(pem);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1 && SSL_CTX_check_private_key(ssl_ctx) == 1;
	EVP_PKEY_free(key);
	if (ok)
		return NJ_OK;
	return nj_why(why, NJ_ERR_CONFIG, "the %s key is not an unencrypted PEM key of the %s certificate", whose,
		      whose);
}

enum nj_err nj_tls_ctx_load(SSL_CTX *ssl_ctx, const char *cert_pem, const char *key_pem, const char *whose,
			    struct nj_why *why)
{
	if (cert_pem == NULL && key_pem == NULL)
		return NJ_OK;
	if (cert_pem == NULL || key_pem == NULL)
		return nj_why(why, NJ_ERR_CONFIG, "a %s certificate and its key go together", whose);
	NJ_TRY(load_certificate(ssl_ctx, cert_pem, whose, why));
	return load_key(ssl_ctx, key_pem, whose, why);
}

bool nj_tls_ctx_restrict(SSL_CTX *ssl_ctx, int min_version)
{
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_min_proto_version(ssl_ctx, min_version) == 1 &&
	       SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ssl_ctx, SUITES) == 1 && SSL_CTX_set_cipher_list(ssl_ctx, SUITES_12) == 1 &&
	       SSL_CTX_set1_groups_list(ssl_ctx, GROUPS) == 1 && SSL_CTX_set1_sigalgs_list(ssl_ctx, SIGNATURES) == 1 &&
	       SSL_CTX_set_num_tickets(ssl_ctx, 0) == 1 && SSL_CTX_set_max_early_data(ssl_ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ssl_ctx, 0) == 1;
}

static void tune(SSL_CTX *ssl_ctx)
{
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One recv for a record's header and body, and for several records. */
	SSL_CTX_set_read_ahead(ssl_ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ssl_ctx, READ_BYTES);
}

enum nj_err nj_tls_ctx_new(const SSL_METHOD *method, struct nj_tls_ctx **out_ctx, struct nj_why *why)
{
	if (!nj_tls_ready())
		return nj_why(why, NJ_ERR_STATE, "TLS is not initialised");
	struct nj_tls_ctx *ctx = calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "no memory for a TLS context");
	atomic_init(&ctx->references, 1);
	ctx->ssl_ctx = SSL_CTX_new(method);
	if (ctx->ssl_ctx == NULL) {
		nj_tls_ctx_free(ctx);
		return nj_why(why, NJ_ERR_NO_MEMORY, "OpenSSL cannot make a TLS context");
	}
	tune(ctx->ssl_ctx);
	*out_ctx = ctx;
	return NJ_OK;
}

/* Connections hold references: a reload may free the context under them. */
void nj_tls_ctx_free(struct nj_tls_ctx *ctx)
{
	if (ctx == NULL || atomic_fetch_sub(&ctx->references, 1) != 1)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	OPENSSL_cleanse(ctx, sizeof *ctx);
	free(ctx);
}

/* --- server --- */

static enum nj_err configure_server(struct nj_tls_ctx *ctx, const struct nj_tls_server_config *config,
				    struct nj_why *why)
{
	static const unsigned char session_context[] = "nightjar";
	SSL_CTX *ssl_ctx = ctx->ssl_ctx;
	if (!nj_tls_ctx_restrict(ssl_ctx, ctx->certificates.admit != NULL ? TLS1_2_VERSION : TLS1_3_VERSION) ||
	    SSL_CTX_set_session_id_context(ssl_ctx, session_context, sizeof session_context - 1) != 1)
		return nj_why(why, NJ_ERR_CRYPTO, "this OpenSSL lacks %s or %s", SUITES, GROUPS);
	SSL_CTX_set_client_hello_cb(ssl_ctx, nj_tls_on_hello, NULL);
	if (!ctx->unproven) {
		SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_cert_verify_callback(ssl_ctx, nj_tls_on_verify, NULL);
		SSL_CTX_set_psk_find_session_callback(ssl_ctx, nj_tls_on_psk);
		SSL_CTX_set_cert_cb(ssl_ctx, nj_tls_on_certificate_wanted, NULL);
	}
	return nj_tls_ctx_load(ssl_ctx, config->cert_pem, config->key_pem, "server", why);
}

enum nj_err nj_tls_server_ctx_new(const struct nj_tls_server_config *config, struct nj_tls_ctx **out_ctx,
				  struct nj_why *why)
{
	struct nj_tls_ctx *ctx = NULL;
	/* Without a PSK there would be no proof at all: that has to be meant. */
	if ((config->psk == NULL) != config->unproven || (config->unproven && config->certificates != NULL))
		return nj_why(why, NJ_ERR_USAGE, "a TLS server either looks up keys or asks for no proof");
	NJ_TRY(nj_tls_ctx_new(TLS_server_method(), &ctx, why));
	ctx->unproven = config->unproven;
	ctx->psk = config->psk;
	ctx->psk_arg = config->psk_arg;
	if (config->certificates != NULL)
		ctx->certificates = *config->certificates;
	enum nj_err err = configure_server(ctx, config, why);
	ERR_clear_error();
	if (err != NJ_OK) {
		nj_tls_ctx_free(ctx);
		return err;
	}
	*out_ctx = ctx;
	return NJ_OK;
}

/* --- client --- */

/* RFC 8446 4.2.11, offered in every hello of this connection. */
static int offer_psk(SSL *ssl, const EVP_MD *md, const unsigned char **identity, size_t *identity_len,
		     SSL_SESSION **out_session)
{
	struct nj_tls *tls = nj_tls_of(ssl);
	const char *own = tls->ctx->own_identity;
	*out_session = nj_tls_session_of_key(ssl, tls->ctx->own_psk);
	if (*out_session == NULL)
		return 0;
	tls->psk_identities = 1;
	memcpy(tls->facts.psk_identity, own, strlen(own) + 1);
	*identity = (const unsigned char *)own;
	*identity_len = strlen(own);
	return 1;
}

static enum nj_err take_psk(struct nj_tls_ctx *ctx, const struct nj_tls_client_config *config)
{
	size_t len = strlen(config->psk_identity);
	if (len == 0 || len > NJ_TLS_IDENTITY_MAX)
		return NJ_ERR_RANGE;
	memcpy(ctx->own_identity, config->psk_identity, len + 1);
	memcpy(ctx->own_psk, config->psk, sizeof ctx->own_psk);
	SSL_CTX_set_psk_use_session_callback(ctx->ssl_ctx, offer_psk);
	return NJ_OK;
}

static bool add_anchors(X509_STORE *store, BIO *pem)
{
	size_t count = 0;
	X509 *cert;
	while ((cert = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	return count > 0;
}

static enum nj_err pin_ca(SSL_CTX *ssl_ctx, const char *ca_pem, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(ca_pem, -1);
	bool ok = pem != NULL && add_anchors(SSL_CTX_get_cert_store(ssl_ctx), pem);
	BIO_free(pem);
	return ok ? NJ_OK : nj_why(why, NJ_ERR_CONFIG, "the CA is not a PEM certificate");
}

static enum nj_err pin_name(SSL_CTX *ssl_ctx, const char *name, struct nj_why *why)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);
	if (name == NULL || name[0] == '\0')
		return nj_why(why, NJ_ERR_CONFIG, "a server's certificate needs a name to be checked against");
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 || X509_VERIFY_PARAM_set1_host(param, name, 0) == 1)
		return NJ_OK;
	return nj_why(why, NJ_ERR_CONFIG, "the server's name cannot be checked");
}

/* Without a CA no certificate is accepted at all: the server has to choose the PSK. */
static enum nj_err configure_client(struct nj_tls_ctx *ctx, const struct nj_tls_client_config *config,
				    struct nj_why *why)
{
	if (!nj_tls_ctx_restrict(ctx->ssl_ctx, TLS1_3_VERSION))
		return nj_why(why, NJ_ERR_CRYPTO, "this OpenSSL lacks %s or %s", SUITES, GROUPS);
	SSL_CTX_set_verify(ctx->ssl_ctx, SSL_VERIFY_PEER, NULL);
	if (config->psk_identity != NULL)
		NJ_TRY(take_psk(ctx, config));
	if (config->ca_pem != NULL) {
		NJ_TRY(pin_ca(ctx->ssl_ctx, config->ca_pem, why));
		NJ_TRY(pin_name(ctx->ssl_ctx, config->server_name, why));
	}
	return nj_tls_ctx_load(ctx->ssl_ctx, config->cert_pem, config->key_pem, "client", why);
}

enum nj_err nj_tls_client_ctx_new(const struct nj_tls_client_config *config, struct nj_tls_ctx **out_ctx,
				  struct nj_why *why)
{
	struct nj_tls_ctx *ctx = NULL;
	if (config->psk_identity == NULL && config->ca_pem == NULL)
		return nj_why(why, NJ_ERR_USAGE, "a TLS client needs a way to know its server");
	NJ_TRY(nj_tls_ctx_new(TLS_client_method(), &ctx, why));
	ctx->client = true;
	enum nj_err err = configure_client(ctx, config, why);
	ERR_clear_error();
	if (err != NJ_OK) {
		nj_tls_ctx_free(ctx);
		return err;
	}
	*out_ctx = ctx;
	return NJ_OK;
}
