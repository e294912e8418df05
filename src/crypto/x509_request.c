/* Certificate requests: made where the key stays, and judged where the CA is. */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/x509_internal.h"

static enum nj_err write_request(X509_REQ *request, EVP_PKEY *key, struct nj_x509_pair *out_pair)
{
	struct nj_x509_pair pair = { 0 };
	OWNED(BIO) request_bio = BIO_new(BIO_s_mem());
	OWNED(BIO) key_bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	if (!request_bio || !key_bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	if (PEM_write_bio_X509_REQ(request_bio, request) != 1 ||
	    PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	NJ_TRY(nj_x509_take_text(request_bio, &pair.cert_pem));
	enum nj_err err = nj_x509_take_text(key_bio, &pair.key_pem);
	if (err != NJ_OK) {
		nj_x509_pair_done(&pair);
		return err;
	}
	*out_pair = pair;
	return NJ_OK;
}

enum nj_err nj_x509_make_request(const char *common_name, struct nj_x509_pair *out_pair)
{
	OWNED(EVP_PKEY) key = EVP_EC_gen("P-256");
	OWNED(X509_REQ) request = X509_REQ_new();
	if (!key || !request)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	if (X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request), NID_commonName, MBSTRING_UTF8,
				       (const unsigned char *)common_name, -1, -1, 0) != 1)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	if (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(request, key) != 1 ||
	    X509_REQ_sign(request, key, EVP_sha256()) == 0)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return write_request(request, key, out_pair);
}

static bool key_allowed(EVP_PKEY *key)
{
	char group[32] = "";
	size_t len = 0;
	if (EVP_PKEY_is_a(key, "ED25519") == 1)
		return true;
	return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

static enum nj_err read_request(const char *pem, X509_REQ **out_request)
{
	OWNED(BIO) bio = BIO_new_mem_buf(pem, -1);
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	if (!request)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	*out_request = request;
	return NJ_OK;
}

/* The signature proves that whoever asks holds the private key (RFC 2986 1). */
static enum nj_err read_key_of_request(const char *pem, EVP_PKEY **out_key)
{
	OWNED(X509_REQ) request = NULL;
	NJ_TRY(read_request(pem, &request));
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	if (!key)
		return nj_x509_failed(NJ_ERR_MALFORMED);
	if (!key_allowed(key))
		return nj_x509_failed(NJ_ERR_UNSUPPORTED);
	if (X509_REQ_verify(request, key) != 1)
		return nj_x509_failed(NJ_ERR_FORGED);
	if (EVP_PKEY_up_ref(key) != 1)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	*out_key = key;
	ERR_clear_error();
	return NJ_OK;
}

static enum nj_err write_cert(X509 *cert, char **out_cert_pem)
{
	OWNED(BIO) bio = BIO_new(BIO_s_mem());
	if (!bio)
		return nj_x509_failed(NJ_ERR_NO_MEMORY);
	if (PEM_write_bio_X509(bio, cert) != 1)
		return nj_x509_failed(NJ_ERR_CRYPTO);
	return nj_x509_take_text(bio, out_cert_pem);
}

enum nj_err nj_x509_issue_for_request(const struct nj_x509_pair *ca, const char *request_pem, const char *common_name,
				      const uint8_t uid[16], uint64_t now_s, uint32_t days, char **out_cert_pem)
{
	char uid_hex[NJ_X509_UID_HEX_BYTES];
	struct nj_x509_validity validity = { 0 };
	OWNED_ISSUER issuer = { 0 };
	OWNED(EVP_PKEY) key = NULL;
	OWNED(X509) cert = NULL;
	nj_hex_encode(uid, 16, uid_hex);
	NJ_TRY(read_key_of_request(request_pem, &key));
	NJ_TRY(nj_x509_read_issuer(ca, &issuer));
	NJ_TRY(nj_x509_leaf_validity(&issuer, now_s, days, &validity));
	NJ_TRY(nj_x509_begin(key, validity, &cert));
	NJ_TRY(nj_x509_add_name(cert, NID_commonName, common_name));
	NJ_TRY(nj_x509_add_name(cert, NID_serialNumber, uid_hex));
	NJ_TRY(nj_x509_sign(cert, &issuer, &nj_x509_client_profile));
	return write_cert(cert, out_cert_pem);
}

enum nj_err nj_x509_serial(const char *cert_pem, char out_serial[NJ_X509_SERIAL_BYTES])
{
	OWNED(X509) cert = NULL;
	NJ_TRY(nj_x509_read_cert(cert_pem, &cert));
	OWNED(BIGNUM) number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	uint8_t bytes[20];
	if (!number || BN_is_negative(number) || BN_num_bytes(number) > (int)sizeof(bytes))
		return nj_x509_failed(NJ_ERR_RANGE);
	int len = BN_bn2bin(number, bytes);
	nj_hex_encode(bytes, (size_t)len, out_serial);
	return NJ_OK;
}
