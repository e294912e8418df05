/* What a server's handshake asks on its way: who may go on, by which key or certificate. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

/* Identities looked up a connection: a hello of 8 KiB could name a thousand. */
#define PSK_LOOKUPS_MAX 8

/* --- external PSK --- */

/* Counts what the callback supplied. A second hello (HelloRetryRequest) asks again: the same identity is one. */
static void note_supplied(struct nj_tls *tls, struct nj_view identity)
{
	const char *noted = tls->facts.psk_identity;

	if (tls->psk_identities == 1 && nj_view_equal(nj_view_str(noted), identity))
		return;
	tls->psk_identities = tls->psk_identities == 0 ? 1 : 2;
	memcpy(tls->facts.psk_identity, identity.data, identity.len);
	tls->facts.psk_identity[identity.len] = '\0';
}

SSL_SESSION *nj_tls_session_of_key(SSL *ssl, const uint8_t key[NJ_TLS_PSK_BYTES])
{
	/* The suite stands for its hash alone: SHA-256 serves both suites that we allow. */
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *session = SSL_SESSION_new();

	if (session != NULL && cipher != NULL && SSL_SESSION_set1_master_key(session, key, NJ_TLS_PSK_BYTES) == 1 &&
	    SSL_SESSION_set_cipher(session, cipher) == 1 &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* RFC 8446 4.2.11. An identity that is not ours leaves *out_session NULL, which is no error: the next one is asked. */
int nj_tls_on_psk(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **out_session)
{
	struct nj_tls *tls = nj_tls_of(ssl);

	*out_session = NULL;
	if (len == 0 || len > NJ_TLS_IDENTITY_MAX || memchr(identity, 0, len) != NULL)
		return 1;
	if (tls->psk_lookups >= PSK_LOOKUPS_MAX)
		return 1;
	tls->psk_lookups++;
	uint8_t key[NJ_TLS_PSK_BYTES];
	struct nj_view view = nj_view_of(identity, len);
	if (!tls->ctx->psk(tls->ctx->psk_arg, view, key))
		return 1;
	*out_session = nj_tls_session_of_key(ssl, key);
	OPENSSL_cleanse(key, sizeof key);
	if (*out_session == NULL)
		return 0;
	note_supplied(tls, view);
	return 1;
}

/* --- the hello --- */

static struct nj_view extension(SSL *ssl, unsigned type)
{
	const unsigned char *data = NULL;
	size_t len = 0;

	if (SSL_client_hello_get0_ext(ssl, type, &data, &len) != 1)
		return nj_view_of(NULL, 0);
	return nj_view_of(data, len);
}

static void note_offer(struct nj_tls *tls)
{
	const unsigned char *suites = NULL;
	size_t suites_len = SSL_client_hello_get0_ciphers(tls->ssl, &suites);
	const struct nj_tls_hello hello = {
		.legacy_version = (uint16_t)SSL_client_hello_get0_legacy_version(tls->ssl),
		.suites = nj_view_of(suites, suites_len),
		.supported_versions = extension(tls->ssl, TLSEXT_TYPE_supported_versions),
		.supported_groups = extension(tls->ssl, TLSEXT_TYPE_supported_groups),
		.signatures = extension(tls->ssl, TLSEXT_TYPE_signature_algorithms),
	};

	if (tls->offer == NULL)
		tls->offer = calloc(1, sizeof *tls->offer);
	/* A list that is not whole ends the handshake in OpenSSL, which reads it too. */
	if (tls->offer != NULL)
		(void)!nj_tls_offer_read(&hello, tls->offer);
}

static enum nj_tls_admission admission(const struct nj_tls *tls)
{
	const struct nj_tls_certificates *certificates = &tls->ctx->certificates;

	return certificates->admit == NULL ? NJ_TLS_REFUSE : certificates->admit(certificates->arg, tls->who);
}

/* Runs before the version is chosen: TLS 1.2 exists only for whom it was allowed. */
int nj_tls_on_hello(SSL *ssl, int *alert, void *arg)
{
	struct nj_tls *tls = nj_tls_of(ssl);

	tls->hello_seen = true;
	if (!tls->ctx->unproven)
		note_offer(tls);
	if (admission(tls) != NJ_TLS_FROM_12 && SSL_set_min_proto_version(ssl, TLS1_3_VERSION) != 1)
		return SSL_CLIENT_HELLO_ERROR;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* OpenSSL asks for our certificate only when no PSK was accepted: unless a certificate of the client may bind, there is
 * nothing to go on with, and a stranger does not even see ours. */
int nj_tls_on_certificate_wanted(SSL *ssl, void *arg)
{
	return admission(nj_tls_of(ssl)) == NJ_TLS_REFUSE ? 0 : 1;
}

/* --- the client's certificate --- */

/* The only value of an attribute, as printable text; else "". */
static void attribute(X509 *cert, int nid, char out[NJ_TLS_IDENTITY_MAX + 1])
{
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	unsigned char *text = NULL;

	out[0] = '\0';
	if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0)
		return;
	int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	bool fits = len > 0 && len <= NJ_TLS_IDENTITY_MAX;
	for (int i = 0; fits && i < len; i++)
		fits = text[i] > ' ' && text[i] <= '~';
	if (fits) {
		memcpy(out, text, (size_t)len);
		out[len] = '\0';
	}
	OPENSSL_free(text);
}

static int verify_peer(struct nj_tls *tls, X509 *leaf, STACK_OF(X509) * untrusted)
{
	const struct nj_tls_certificates *certificates = &tls->ctx->certificates;
	struct nj_tls_subject subject;

	if (certificates->trust == NULL)
		return X509_V_ERR_CERT_REJECTED;
	attribute(leaf, NID_serialNumber, subject.serial_number);
	attribute(leaf, NID_commonName, subject.common_name);
	const struct nj_tls_trust *trust = certificates->trust(certificates->arg, tls->who, &subject);
	return trust == NULL ? X509_V_ERR_CERT_REJECTED : nj_tls_trust_verify(trust, leaf, untrusted);
}

static const char *reason_text(int result)
{
	if (result == X509_V_ERR_CERT_REJECTED)
		return "the certificate names no device that has knocked";
	return X509_verify_cert_error_string(result);
}

int nj_tls_on_verify(X509_STORE_CTX *store_ctx, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct nj_tls *tls = nj_tls_of(ssl);
	const struct nj_tls_certificates *certificates = &tls->ctx->certificates;
	int result = verify_peer(tls, X509_STORE_CTX_get0_cert(store_ctx), X509_STORE_CTX_get0_untrusted(store_ctx));

	ERR_clear_error();
	X509_STORE_CTX_set_error(store_ctx, result);
	tls->peer_certified = result == X509_V_OK;
	if (!tls->peer_certified && certificates->rejected != NULL)
		certificates->rejected(certificates->arg, tls->who, reason_text(result));
	return tls->peer_certified ? 1 : 0;
}
