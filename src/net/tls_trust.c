#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"

#define DEPTH_MAX 4

struct nj_tls_trust {
	atomic_uint references;
	X509_STORE *store;
	STACK_OF(X509_CRL) * lists;
};

static int no_passphrase(char *out, int cap, int writing, void *arg)
{
	return -1;
}

/* Whether the text ended where an object could have begun. */
static bool pem_ended(void)
{
	unsigned long error = ERR_peek_last_error();

	ERR_clear_error();
	return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static enum nj_err read_cas(struct nj_tls_trust *trust, BIO *pem, struct nj_why *why)
{
	size_t count = 0;
	X509 *cert;

	ERR_clear_error();
	while ((cert = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL)) != NULL) {
		bool ok = X509_check_ca(cert) == 1 && X509_STORE_add_cert(trust->store, cert) == 1;

		X509_free(cert);
		if (!ok)
			return nj_why(why, NJ_ERR_CONFIG, "a certificate is not a CA's");
		count++;
	}
	if (!pem_ended() || count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "not PEM certificates");
	return NJ_OK;
}

static enum nj_err read_lists(struct nj_tls_trust *trust, BIO *pem, struct nj_why *why)
{
	size_t count = 0;
	X509_CRL *list;

	ERR_clear_error();
	while ((list = PEM_read_bio_X509_CRL(pem, NULL, no_passphrase, NULL)) != NULL) {
		bool ok = X509_STORE_add_crl(trust->store, list) == 1 && sk_X509_CRL_push(trust->lists, list) > 0;

		if (!ok) {
			X509_CRL_free(list);
			return nj_why(why, NJ_ERR_CONFIG, "a revocation list cannot be used");
		}
		count++;
	}
	if (!pem_ended() || count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "not PEM revocation lists");
	return NJ_OK;
}

typedef enum nj_err (*read_fn)(struct nj_tls_trust *trust, BIO *pem, struct nj_why *why);

static enum nj_err read_text(struct nj_tls_trust *trust, const char *text, read_fn read, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(text, -1);
	enum nj_err err = pem == NULL ? NJ_ERR_NO_MEMORY : read(trust, pem, why);

	BIO_free(pem);
	ERR_clear_error();
	return err;
}

static enum nj_err fill(struct nj_tls_trust *trust, const char *ca_pem, const char *crl_pem, struct nj_why *why)
{
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;

	trust->store = X509_STORE_new();
	trust->lists = sk_X509_CRL_new_null();
	if (trust->store == NULL || trust->lists == NULL)
		return NJ_ERR_NO_MEMORY;
	NJ_TRY(read_text(trust, ca_pem, read_cas, why));
	if (crl_pem != NULL && crl_pem[0] != '\0') {
		NJ_TRY(read_text(trust, crl_pem, read_lists, why));
		flags |= X509_V_FLAG_CRL_CHECK;
	}
	return X509_STORE_set_flags(trust->store, flags) == 1 ? NJ_OK : NJ_ERR_CRYPTO;
}

enum nj_err nj_tls_trust_new(const char *ca_pem, const char *crl_pem, struct nj_tls_trust **out_trust,
			     struct nj_why *why)
{
	struct nj_tls_trust *trust = calloc(1, sizeof *trust);
	enum nj_err err;

	if (trust == NULL)
		return NJ_ERR_NO_MEMORY;
	trust->references = 1;
	err = fill(trust, ca_pem, crl_pem, why);
	if (err == NJ_OK)
		*out_trust = trust;
	else
		nj_tls_trust_unref(trust);
	return err;
}

struct nj_tls_trust *nj_tls_trust_ref(struct nj_tls_trust *trust)
{
	trust->references++;
	return trust;
}

void nj_tls_trust_unref(struct nj_tls_trust *trust)
{
	if (trust == NULL || --trust->references > 0)
		return;
	X509_STORE_free(trust->store);
	sk_X509_CRL_pop_free(trust->lists, X509_CRL_free);
	free(trust);
}

static int verify(X509_STORE_CTX *store_ctx, const struct nj_tls_trust *trust, X509 *leaf, STACK_OF(X509) * untrusted)
{
	if (X509_STORE_CTX_init(store_ctx, trust->store, leaf, untrusted) != 1 ||
	    X509_STORE_CTX_set_default(store_ctx, "ssl_client") != 1)
		return X509_V_ERR_OUT_OF_MEM;
	X509_STORE_CTX_set_depth(store_ctx, DEPTH_MAX);
	if (X509_verify_cert(store_ctx) == 1)
		return X509_V_OK;
	int error = X509_STORE_CTX_get_error(store_ctx);
	return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

int nj_tls_trust_verify(const struct nj_tls_trust *trust, X509 *leaf, STACK_OF(X509) * untrusted)
{
	X509_STORE_CTX *store_ctx = X509_STORE_CTX_new();

	if (store_ctx == NULL)
		return X509_V_ERR_OUT_OF_MEM;
	int result = verify(store_ctx, trust, leaf, untrusted);
	X509_STORE_CTX_free(store_ctx);
	return result;
}

/* A list speaks for the certificates of its own issuer (RFC 5280 5.3: no indirect lists here). */
bool nj_tls_trust_lists(const struct nj_tls_trust *trust, X509 *cert)
{
	for (int i = 0; i < sk_X509_CRL_num(trust->lists); i++) {
		X509_CRL *list = sk_X509_CRL_value(trust->lists, i);
		X509_REVOKED *entry = NULL;

		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(cert)) == 0 &&
		    X509_CRL_get0_by_cert(list, &entry, cert) == 1)
			return true;
	}
	return false;
}
