#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"

#define NOW_S UINT64_C(1800000000)
#define DAY_S UINT64_C(86400)

static const uint8_t uid[16] = { 0x00, 0xff };
static struct nj_x509_pair ca;
static struct nj_x509_pair other_ca;

static int set_up(void **state)
{
	return nj_x509_make_ca("ca", NOW_S, 30, &ca) == NJ_OK && nj_x509_make_ca("other", NOW_S, 30, &other_ca) == NJ_OK
		   ? 0
		   : 1;
}

static int tear_down(void **state)
{
	nj_x509_pair_done(&ca);
	nj_x509_pair_done(&other_ca);
	return 0;
}

static X509 *parse(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static void a_request_becomes_a_certificate_of_its_key(void **state)
{
	struct nj_x509_pair request = { 0 };
	char *pem = NULL;
	char serial[NJ_X509_SERIAL_BYTES];
	char text[128];
	assert_int_equal(nj_x509_make_request("asked-for", &request), NJ_OK);
	assert_int_equal(nj_x509_issue_for_request(&ca, request.cert_pem, "pump-7", uid, NOW_S, 10, &pem), NJ_OK);
	X509 *cert = parse(pem);
	BIO *bio = BIO_new_mem_buf(request.key_pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert_int_equal(X509_check_private_key(cert, key), 1);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof text) > 0);
	assert_string_equal(text, "pump-7");
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_serialNumber, text, sizeof text) > 0);
	assert_string_equal(text, "00ff0000000000000000000000000000");
	assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
	assert_int_equal(X509_check_ca(cert), 0);
	assert_int_equal(nj_x509_serial(pem, serial), NJ_OK);
	assert_int_equal(strlen(serial), 32);
	EVP_PKEY_free(key);
	BIO_free(bio);
	X509_free(cert);
	free(pem);
	nj_x509_pair_done(&request);
}

static char *request_of(EVP_PKEY *key, EVP_PKEY *signer, const EVP_MD *md)
{
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	X509_REQ_set_pubkey(request, key);
	assert_true(X509_REQ_sign(request, signer, md) > 0);
	PEM_write_bio_X509_REQ(bio, request);
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);
	BIO_free(bio);
	X509_REQ_free(request);
	return text;
}

static void keys_and_proofs_are_judged(void **state)
{
	EVP_PKEY *p256 = EVP_EC_gen("P-256");
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *another = EVP_EC_gen("P-256");
	const struct {
		const char *what;
		EVP_PKEY *key, *signer;
		const EVP_MD *md;
		enum nj_err want;
	} rows[] = {
		{ "P-256", p256, p256, EVP_sha256(), NJ_OK },
		{ "Ed25519", ed, ed, NULL, NJ_OK },
		{ "P-384", p384, p384, EVP_sha256(), NJ_ERR_UNSUPPORTED },
		{ "RSA", rsa, rsa, EVP_sha256(), NJ_ERR_UNSUPPORTED },
		{ "signed by another key", p256, another, EVP_sha256(), NJ_ERR_FORGED },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *request = request_of(rows[i].key, rows[i].signer, rows[i].md);
		char *pem = NULL;
		enum nj_err err = nj_x509_issue_for_request(&ca, request, "x", uid, NOW_S, 10, &pem);
		if (err != rows[i].want || (pem != NULL) != (err == NJ_OK))
			fail_msg("%s: %s", rows[i].what, nj_err_name(err));
		free(pem);
		free(request);
	}
	char *none = NULL;
	assert_int_equal(nj_x509_issue_for_request(&ca, "x", "x", uid, NOW_S, 10, &none), NJ_ERR_MALFORMED);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(another);
}

static void lists_are_judged(void **state)
{
	const struct nj_x509_revoked rows[] = { { "0102", NOW_S }, { "ff", NOW_S } };
	char *list = NULL;
	char *empty = NULL;
	char *foreign = NULL;
	char *both;
	char *cas;
	assert_int_equal(nj_x509_make_list(&ca, rows, 2, NOW_S, 7, &list), NJ_OK);
	assert_int_equal(nj_x509_make_list(&ca, NULL, 0, NOW_S, 7, &empty), NJ_OK);
	assert_int_equal(nj_x509_make_list(&other_ca, NULL, 0, NOW_S, 7, &foreign), NJ_OK);
	assert_true(asprintf(&both, "%s%s", list, foreign) > 0);
	assert_true(asprintf(&cas, "%s%s", ca.cert_pem, other_ca.cert_pem) > 0);
	const struct {
		const char *what, *list, *ca;
		uint64_t at_s;
		enum nj_err want;
	} checks[] = {
		{ "with rows", list, ca.cert_pem, NOW_S + 1, NJ_OK },
		{ "empty", empty, ca.cert_pem, NOW_S + 1, NJ_OK },
		{ "one for each CA", both, cas, NOW_S + 1, NJ_OK },
		{ "of another CA", foreign, ca.cert_pem, NOW_S + 1, NJ_ERR_CONFIG },
		{ "one CA lacks its own", list, cas, NOW_S + 1, NJ_ERR_CONFIG },
		{ "by a clock that is behind", list, ca.cert_pem, NOW_S - 300, NJ_OK },
		{ "before its time", list, ca.cert_pem, NOW_S - 301, NJ_ERR_EXPIRED },
		{ "on its last second", list, ca.cert_pem, NOW_S + 7 * DAY_S - 1, NJ_OK },
		{ "after it", list, ca.cert_pem, NOW_S + 7 * DAY_S, NJ_ERR_EXPIRED },
		{ "nothing", "", ca.cert_pem, NOW_S + 1, NJ_ERR_CONFIG },
		{ "nonsense", "nonsense", ca.cert_pem, NOW_S + 1, NJ_ERR_CONFIG },
		{ "a certificate", ca.cert_pem, ca.cert_pem, NOW_S + 1, NJ_ERR_CONFIG },
	};
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		struct nj_why why = { "" };
		enum nj_err err = nj_x509_check_lists(checks[i].list, checks[i].ca, checks[i].at_s, &why);
		if (err != checks[i].want)
			fail_msg("%s: %s %s", checks[i].what, nj_err_name(err), why.text);
	}
	free(list);
	free(empty);
	free(foreign);
	free(both);
	free(cas);
}

static enum nj_err make_list_of(size_t count)
{
	struct nj_x509_revoked *rows = calloc(count, sizeof *rows);
	char *list = NULL;
	assert_non_null(rows);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(rows[i].serial, sizeof rows[i].serial, "f%031zx", i);
		rows[i].revoked_s = NOW_S;
	}
	enum nj_err err = nj_x509_make_list(&ca, rows, count, NOW_S, 7, &list);
	free(rows);
	free(list);
	return err;
}

static void lists_have_a_limit(void **state)
{
	assert_int_equal(make_list_of(20000), NJ_OK);
	assert_int_equal(make_list_of(60000), NJ_ERR_TOO_LARGE);
}

static void cas_are_judged(void **state)
{
	struct nj_x509_pair leaf = { 0 };
	assert_int_equal(nj_x509_issue_client(&ca, "x", uid, NOW_S, 10, &leaf), NJ_OK);
	const struct {
		const char *what, *ca;
		uint64_t at_s;
		enum nj_err want;
	} checks[] = {
		{ "a CA", ca.cert_pem, NOW_S, NJ_OK },
		{ "its last day", ca.cert_pem, NOW_S + 30 * DAY_S - 1, NJ_OK },
		{ "expired", ca.cert_pem, NOW_S + 30 * DAY_S + 1, NJ_ERR_EXPIRED },
		{ "not yet", ca.cert_pem, NOW_S - 10000, NJ_ERR_EXPIRED },
		{ "a leaf", leaf.cert_pem, NOW_S, NJ_ERR_CONFIG },
		{ "nothing", "", NOW_S, NJ_ERR_CONFIG },
		{ "a key", ca.key_pem, NOW_S, NJ_ERR_CONFIG },
	};
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
		if (nj_x509_check_ca(checks[i].ca, checks[i].at_s, NULL) != checks[i].want)
			fail_msg("%s", checks[i].what);
	nj_x509_pair_done(&leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_becomes_a_certificate_of_its_key),
		cmocka_unit_test(keys_and_proofs_are_judged),
		cmocka_unit_test(lists_are_judged),
		cmocka_unit_test(lists_have_a_limit),
		cmocka_unit_test(cas_are_judged),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
