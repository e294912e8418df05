/* Revocation lists (RFC 5280 5) that the built-in CA makes, and the check of what customers bring. */
#include <openssl/err.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/x509_internal.h"

#define CAS_MAX 16

/* ---- the built-in CA's list ---- */

static bool add_row(X509_CRL *list, const struct nj_x509_revoked *row)
{
	BIGNUM *number = NULL;
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *serial = BN_hex2bn(&number, row->serial) > 0 ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)row->revoked_s);
	bool ok = entry && serial && when && X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
		  X509_REVOKED_set_revocationDate(entry, when) == 1 && X509_CRL_add0_revoked(list, entry) == 1;
	if (!ok)
		X509_REVOKED_free(entry);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	BN_free(number);
	return ok;
}

static bool set_times(X509_CRL *list, uint64_t now_s, uint32_t days)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)nj_x509_backdated(now_s));
	ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)(now_s + (uint64_t)days * NJ_X509_DAY_S));
	bool ok = from && to && X509_CRL_set1_lastUpdate(list, from) == 1 && X509_CRL_set1_nextUpdate(list, to) == 1;
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return ok;
}

/* RFC 5280 5.2.1 and 5.2.3 want both extensions; the number rises with time. */
static bool add_extensions(X509_CRL *list, X509 *issuer, uint64_t now_s)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, NULL, NULL, list, 0);
	X509_EXTENSION *key_id = X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	bool ok = key_id && number && X509_CRL_add_ext(list, key_id, -1) == 1 &&
		  ASN1_INTEGER_set_uint64(number, now_s) == 1 &&
		  X509_CRL_add1_ext_i2d(list, NID_crl_number, number, 0, 0) == 1;
	X509_EXTENSION_free(key_id);
	ASN1_INTEGER_free(number);
	return ok;
}

enum nj_err nj_x509_make_list(const struct nj_x509_pair *ca, const struct nj_x509_revoked *rows, size_t count,
			      uint64_t now_s, uint32_t days, char **out_list_pem)
{
	OWNED_ISSUER issuer = { 0 };
	OWNED(X509_CRL) list = X509_CRL_new();
	OWNED(BIO) bio = BIO_new(BIO_s_mem());
	NJ_TRY(nj_x509_read_issuer(ca, &issuer));
	if (!list || !bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	bool ok = X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.cert)) == 1 &&
		  set_times(list, now_s, days) && add_extensions(list, issuer.cert, now_s);
	for (size_t i = 0; ok && i < count; i++)
		ok = add_row(list, &rows[i]);
	if (!ok || X509_CRL_sort(list) != 1 || X509_CRL_sign(list, issuer.key, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509_CRL(bio, list) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return nj_x509_take_text(bio, out_list_pem);
}

/* ---- what a customer brings ---- */

struct cas {
	X509 *at[CAS_MAX];
	size_t count;
};

static void cas_done(struct cas *cas)
{
	for (size_t i = 0; i < cas->count; i++)
		X509_free(cas->at[i]);
}
#define OWNED_CAS __attribute__((cleanup(cas_done))) struct cas

static int no_passphrase(char *out, int cap, int writing, void *user)
{
	return -1;
}

/* After the last object nothing may stand that looks like another. */
static bool pem_ended(BIO *bio)
{
	unsigned long error = ERR_peek_last_error();
	ERR_clear_error();
	return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE && BIO_eof(bio);
}

static enum nj_err read_cas(const char *pem, struct cas *cas, struct nj_why *why)
{
	OWNED(BIO) bio = BIO_new_mem_buf(pem, -1);
	X509 *cert;
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	ERR_clear_error();
	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		if (cas->count == CAS_MAX) {
			X509_free(cert);
			return nj_why(why, NJ_ERR_LIMIT, "more than %d CA certificates", CAS_MAX);
		}
		cas->at[cas->count++] = cert;
	}
	if (!pem_ended(bio) || cas->count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "not PEM certificates, or other things among them");
	return NJ_OK;
}

enum nj_err nj_x509_check_ca(const char *ca_pem, uint64_t now_s, struct nj_why *why)
{
	OWNED_CAS cas = { 0 };
	time_t now = (time_t)now_s;
	NJ_TRY(read_cas(ca_pem, &cas, why));
	for (size_t i = 0; i < cas.count; i++) {
		bool is_ca = X509_check_ca(cas.at[i]) == 1;
		int from = X509_cmp_time(X509_get0_notBefore(cas.at[i]), &now);
		int to = X509_cmp_time(X509_get0_notAfter(cas.at[i]), &now);
		ERR_clear_error();
		if (!is_ca)
			return nj_why(why, NJ_ERR_CONFIG, "certificate %zu is not a CA's", i + 1);
		if (from >= 0 || to <= 0)
			return nj_why(why, NJ_ERR_EXPIRED, "certificate %zu is %s", i + 1,
				      to <= 0 ? "expired" : "not valid yet");
	}
	return NJ_OK;
}

static enum nj_err check_list(X509_CRL *list, const struct cas *cas, time_t now, bool covered[CAS_MAX],
			      struct nj_why *why)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
	bool found = false;
	for (size_t i = 0; i < cas->count; i++) {
		EVP_PKEY *key = X509_get0_pubkey(cas->at[i]);
		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(cas->at[i])) != 0 || !key ||
		    X509_CRL_verify(list, key) != 1)
			continue;
		covered[i] = found = true;
	}
	ERR_clear_error();
	if (!found)
		return nj_why(why, NJ_ERR_CONFIG, "a revocation list is not signed by this CA");
	if (X509_cmp_time(X509_CRL_get0_lastUpdate(list), &now) >= 0)
		return nj_why(why, NJ_ERR_EXPIRED, "a revocation list is not valid yet");
	if (!next || X509_cmp_time(next, &now) <= 0)
		return nj_why(why, NJ_ERR_EXPIRED, "a revocation list is out of date");
	return NJ_OK;
}

static enum nj_err check_all(BIO *bio, const struct cas *cas, time_t now, struct nj_why *why)
{
	bool covered[CAS_MAX] = { false };
	size_t count = 0;
	X509_CRL *list;
	ERR_clear_error();
	while ((list = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
		enum nj_err err = check_list(list, cas, now, covered, why);
		X509_CRL_free(list);
		NJ_TRY(err);
		count++;
	}
	if (!pem_ended(bio) || count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "not PEM revocation lists, or other things among them");
	for (size_t i = 0; i < cas->count; i++)
		if (!covered[i])
			return nj_why(why, NJ_ERR_CONFIG, "there is no revocation list of CA certificate %zu", i + 1);
	return NJ_OK;
}

enum nj_err nj_x509_check_lists(const char *lists_pem, const char *ca_pem, uint64_t now_s, struct nj_why *why)
{
	OWNED_CAS cas = { 0 };
	OWNED(BIO) bio = BIO_new_mem_buf(lists_pem, -1);
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	NJ_TRY(read_cas(ca_pem, &cas, why));
	return check_all(bio, &cas, (time_t)now_s, why);
}
