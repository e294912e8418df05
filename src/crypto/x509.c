#include "crypto/x509.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <time.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/x509_internal.h"

#define SERIAL_BITS 128
#define YEAR_9999_ENDS_S UINT64_C(253402300799) /* RFC 5280 4.1.2.5 knows no later time */
#define COMMON_NAME_MAX 64                      /* RFC 5280 ub-common-name */
#define DNS_NAME_MAX 253                        /* RFC 1035 2.3.4, as text */
#define DNS_LABEL_MAX 63
#define PEM_MAX_BYTES (2u << 20)

static const struct nj_x509_profile profile_ca = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL };
static const struct nj_x509_profile profile_server = { "critical,CA:FALSE", "critical,digitalSignature", "serverAuth" };
const struct nj_x509_profile nj_x509_client_profile = { "critical,CA:FALSE", "critical,digitalSignature",
							"clientAuth" };

void nj_x509_issuer_done(struct nj_x509_issuer *issuer)
{
	X509_free(issuer->cert);
	EVP_PKEY_free(issuer->key);
}

/* OpenSSL's error queue belongs to the thread, and TLS reads it: nothing of ours may stay in it. */
enum nj_err nj_x509_failed(enum nj_err err)
{
	ERR_clear_error();
	return err;
}

enum nj_err nj_x509_read_cert(const char *pem, X509 **out_cert)
{
	OWNED(BIO) bio = BIO_new_mem_buf(pem, -1);
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!cert)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	*out_cert = cert;
	return NJ_OK;
}

/* A key behind a passphrase is refused rather than asked for at the terminal. */
static int no_passphrase(char *out, int cap, int writing, void *user)
{
	return -1;
}

static enum nj_err read_key(const char *pem, EVP_PKEY **out_key)
{
	OWNED(BIO) bio = BIO_new_mem_buf(pem, -1);
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (!key)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	*out_key = key;
	return NJ_OK;
}

/* Fills what it could read also on failure; nj_x509_issuer_done frees that. */
enum nj_err nj_x509_read_issuer(const struct nj_x509_pair *ca, struct nj_x509_issuer *issuer)
{
	NJ_TRY(nj_x509_read_cert(ca->cert_pem, &issuer->cert));
	NJ_TRY(read_key(ca->key_pem, &issuer->key));
	if (X509_check_private_key(issuer->cert, issuer->key) != 1)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	return NJ_OK;
}

static enum nj_err cert_not_after(const X509 *cert, time_t *out_time)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	*out_time = timegm(&tm);
	return NJ_OK;
}

static enum nj_err make_validity(uint64_t now_s, uint32_t days, struct nj_x509_validity *out_validity)
{
	if (days == 0 || now_s > YEAR_9999_ENDS_S)
		return NJ_ERR_RANGE;
	uint64_t before = nj_x509_backdated(now_s);
	uint64_t after = now_s + (uint64_t)days * NJ_X509_DAY_S;
	if (after > YEAR_9999_ENDS_S)
		return NJ_ERR_RANGE;
	*out_validity = (struct nj_x509_validity){ (time_t)before, (time_t)after };
	return NJ_OK;
}

/* A certificate outlives its issuer to no purpose: its end is the earlier of both. */
enum nj_err nj_x509_leaf_validity(const struct nj_x509_issuer *issuer, uint64_t now_s, uint32_t days,
				  struct nj_x509_validity *out_validity)
{
	struct nj_x509_validity validity = { 0 };
	time_t issuer_end = 0;
	NJ_TRY(make_validity(now_s, days, &validity));
	NJ_TRY(cert_not_after(issuer->cert, &issuer_end));
	if (issuer_end <= (time_t)now_s)
		return NJ_ERR_EXPIRED;
	if (validity.not_after > issuer_end)
		validity.not_after = issuer_end;
	*out_validity = validity;
	return NJ_OK;
}

static enum nj_err set_serial(X509 *cert)
{
	OWNED(BIGNUM) serial = BN_new();
	if (!serial || BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
	    !BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)))
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return NJ_OK;
}

static enum nj_err set_validity(X509 *cert, struct nj_x509_validity validity)
{
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), validity.not_before) ||
	    !ASN1_TIME_set(X509_getm_notAfter(cert), validity.not_after))
		return nj_x509_failed(NJ_ERR_RANGE);
	return NJ_OK;
}

/* RFC 5280 limits a name's length and OpenSSL checks it, with its UTF-8. */
enum nj_err nj_x509_add_name(X509 *cert, int nid, const char *text)
{
	if (X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), nid, MBSTRING_UTF8, (const unsigned char *)text, -1,
				       -1, 0) != 1)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	return NJ_OK;
}

static enum nj_err add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (!extension)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	int added = X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return added == 1 ? NJ_OK : nj_x509_failed(NJ_ERR_CRYPTO);
}

static enum nj_err add_profile(X509 *cert, X509 *issuer, const struct nj_x509_profile *profile)
{
	NJ_TRY(add_extension(cert, issuer, NID_basic_constraints, profile->basic_constraints));
	NJ_TRY(add_extension(cert, issuer, NID_key_usage, profile->key_usage));
	if (profile->extended_key_usage)
		NJ_TRY(add_extension(cert, issuer, NID_ext_key_usage, profile->extended_key_usage));
	NJ_TRY(add_extension(cert, issuer, NID_subject_key_identifier, "hash"));
	return add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
}

/* Version 3, serial, validity, public key: what every certificate of ours has before its names. */
enum nj_err nj_x509_begin(EVP_PKEY *key, struct nj_x509_validity validity, X509 **out_cert)
{
	OWNED(X509) cert = X509_new();
	if (!cert)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	if (X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_pubkey(cert, key) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	NJ_TRY(set_serial(cert));
	NJ_TRY(set_validity(cert, validity));
	*out_cert = cert;
	cert = NULL;
	return NJ_OK;
}

enum nj_err nj_x509_sign(X509 *cert, const struct nj_x509_issuer *issuer, const struct nj_x509_profile *profile)
{
	if (X509_set_issuer_name(cert, X509_get_subject_name(issuer->cert)) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	NJ_TRY(add_profile(cert, issuer->cert, profile));
	if (X509_sign(cert, issuer->key, EVP_sha256()) == 0)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return NJ_OK;
}

/* Copies what was written to a new text of the caller's allocator. */
enum nj_err nj_x509_take_text(BIO *bio, char **out_text)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	if (len <= 0)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	if (len > (long)PEM_MAX_BYTES)
		return nj_x509_failed(NJ_ERR_TOO_LARGE);
	char *text = malloc((size_t)len + 1);
	if (!text)
		return NJ_ERR_NO_MEMORY;
	memcpy(text, data, (size_t)len);
	text[len] = '\0';
	*out_text = text;
	return NJ_OK;
}

static enum nj_err write_pair(X509 *cert, EVP_PKEY *key, struct nj_x509_pair *out_pair)
{
	struct nj_x509_pair pair = { 0 };
	OWNED(BIO) cert_bio = BIO_new(BIO_s_mem());
	OWNED(BIO) key_bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	if (!cert_bio || !key_bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	if (PEM_write_bio_X509(cert_bio, cert) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	NJ_TRY(nj_x509_take_text(cert_bio, &pair.cert_pem));
	enum nj_err err = nj_x509_take_text(key_bio, &pair.key_pem);
	if (err != NJ_OK) {
		nj_x509_pair_done(&pair);
		return err;
	}
	*out_pair = pair;
	return NJ_OK;
}

static bool dns_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* RFC 1123 2.1, and the underscore that real networks use; no wildcard. */
static bool dns_name_valid(const char *name)
{
	size_t label = 0;
	size_t len = strlen(name);
	if (len == 0 || len > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.' && label == 0)
			return false;
		if (name[i] != '.' && !dns_label_char(name[i]))
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > DNS_LABEL_MAX)
			return false;
	}
	return label > 0;
}

/* The bytes of an iPAddress or dNSName (RFC 5280 4.2.1.6). Returns its GEN_ type, or -1 when it is neither. */
static int name_bytes(const char *name, uint8_t ip[16], const void **out_data, int *out_len)
{
	*out_data = ip;
	*out_len = 4;
	if (inet_pton(AF_INET, name, ip) == 1)
		return GEN_IPADD;
	*out_len = 16;
	if (inet_pton(AF_INET6, name, ip) == 1)
		return GEN_IPADD;
	*out_data = name;
	*out_len = (int)strlen(name);
	return dns_name_valid(name) ? GEN_DNS : -1;
}

static enum nj_err push_alt_name(GENERAL_NAMES *names, const char *text)
{
	uint8_t ip[16];
	const void *data = NULL;
	int len = 0;
	int type = name_bytes(text, ip, &data, &len);
	if (type < 0)
		return NJ_ERR_MALFORMED;
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
	if (!name || !value || ASN1_STRING_set(value, data, len) != 1) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) == 0) {
		GENERAL_NAME_free(name);
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	}
	return NJ_OK;
}

static enum nj_err add_alt_names(X509 *cert, const char *const *texts, size_t count)
{
	OWNED(GENERAL_NAMES) names = GENERAL_NAMES_new();
	if (!names)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	for (size_t i = 0; i < count; i++)
		NJ_TRY(push_alt_name(names, texts[i]));
	if (X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return NJ_OK;
}

enum nj_err nj_x509_make_ca(const char *common_name, uint64_t now_s, uint32_t days, struct nj_x509_pair *out_pair)
{
	struct nj_x509_validity validity = { 0 };
	NJ_TRY(make_validity(now_s, days, &validity));
	OWNED(EVP_PKEY) key = EVP_EC_gen("P-256");
	if (!key)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	OWNED(X509) cert = NULL;
	NJ_TRY(nj_x509_begin(key, validity, &cert));
	NJ_TRY(nj_x509_add_name(cert, NID_commonName, common_name));
	struct nj_x509_issuer self = { cert, key };
	NJ_TRY(nj_x509_sign(cert, &self, &profile_ca));
	return write_pair(cert, key, out_pair);
}

/* A new key, and a certificate for it that lacks its names and signature. */
static enum nj_err begin_leaf(const struct nj_x509_issuer *issuer, uint64_t now_s, uint32_t days, EVP_PKEY **out_key,
			      X509 **out_cert)
{
	struct nj_x509_validity validity = { 0 };
	NJ_TRY(nj_x509_leaf_validity(issuer, now_s, days, &validity));
	OWNED(EVP_PKEY) key = EVP_EC_gen("P-256");
	if (!key)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	NJ_TRY(nj_x509_begin(key, validity, out_cert));
	*out_key = key;
	key = NULL;
	return NJ_OK;
}

enum nj_err nj_x509_issue_server(const struct nj_x509_pair *ca, const char *const *names, size_t name_count,
				 uint64_t now_s, uint32_t days, struct nj_x509_pair *out_pair)
{
	if (name_count == 0)
		return NJ_ERR_MALFORMED;
	OWNED_ISSUER issuer = { 0 };
	OWNED(EVP_PKEY) key = NULL;
	OWNED(X509) cert = NULL;
	NJ_TRY(nj_x509_read_issuer(ca, &issuer));
	NJ_TRY(begin_leaf(&issuer, now_s, days, &key, &cert));
	/* Peers match the subjectAltName; the subject is for people, and a common name may be too short for the host.
	 */
	NJ_TRY(nj_x509_add_name(cert, NID_commonName, strlen(names[0]) <= COMMON_NAME_MAX ? names[0] : "nightjar"));
	NJ_TRY(add_alt_names(cert, names, name_count));
	NJ_TRY(nj_x509_sign(cert, &issuer, &profile_server));
	return write_pair(cert, key, out_pair);
}

enum nj_err nj_x509_issue_client(const struct nj_x509_pair *ca, const char *common_name, const uint8_t uid[16],
				 uint64_t now_s, uint32_t days, struct nj_x509_pair *out_pair)
{
	char uid_hex[NJ_X509_UID_HEX_BYTES];
	nj_hex_encode(uid, 16, uid_hex);
	OWNED_ISSUER issuer = { 0 };
	OWNED(EVP_PKEY) key = NULL;
	OWNED(X509) cert = NULL;
	NJ_TRY(nj_x509_read_issuer(ca, &issuer));
	NJ_TRY(begin_leaf(&issuer, now_s, days, &key, &cert));
	NJ_TRY(nj_x509_add_name(cert, NID_commonName, common_name));
	NJ_TRY(nj_x509_add_name(cert, NID_serialNumber, uid_hex));
	NJ_TRY(nj_x509_sign(cert, &issuer, &nj_x509_client_profile));
	return write_pair(cert, key, out_pair);
}

enum nj_err nj_x509_not_after(const char *cert_pem, uint64_t *out_not_after_s)
{
	OWNED(X509) cert = NULL;
	time_t end = 0;
	NJ_TRY(nj_x509_read_cert(cert_pem, &cert));
	NJ_TRY(cert_not_after(cert, &end));
	if (end < 0)
		return NJ_ERR_RANGE;
	*out_not_after_s = (uint64_t)end;
	return NJ_OK;
}

void nj_x509_pair_done(struct nj_x509_pair *pair)
{
	if (pair->key_pem)
		nj_wipe(pair->key_pem, strlen(pair->key_pem));
	free(pair->key_pem);
	free(pair->cert_pem);
	*pair = (struct nj_x509_pair){ 0 };
}
