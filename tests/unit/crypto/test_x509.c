#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"

#define NOW_S UINT64_C(1800000000)
#define DAY_S UINT64_C(86400)

static const uint8_t uid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
				 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
static struct nj_x509_pair ca;

static X509 *parse(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

/* 1 when a peer that trusts the CA accepts `pem` for `purpose` at `when_s`. */
static int verifies(const char *pem, int purpose, uint64_t when_s)
{
	X509 *root = parse(ca.cert_pem);
	X509 *cert = parse(pem);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509_STORE_add_cert(store, root);
	assert_int_equal(X509_STORE_CTX_init(context, store, cert, NULL), 1);
	X509_STORE_CTX_set_purpose(context, purpose);
	X509_STORE_CTX_set_time(context, 0, (time_t)when_s);
	X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
	int ok = X509_verify_cert(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	X509_free(cert);
	X509_free(root);
	ERR_clear_error();
	return ok;
}

static void test_ca(void **state)
{
	X509 *cert = parse(ca.cert_pem);
	assert_int_equal(X509_check_ca(cert), 1);
	assert_int_equal(X509_get_pathlen(cert), 0);
	assert_int_equal(X509_get_key_usage(cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_non_null(X509_get0_subject_key_id(cert));
	assert_non_null(X509_get0_authority_key_id(cert));
	assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), 256);
	assert_int_equal(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
	int critical = 0;
	BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(cert, NID_basic_constraints, &critical, NULL);
	assert_int_equal(critical, 1);
	BASIC_CONSTRAINTS_free(basic);
	X509_free(cert);
}

static void test_server(void **state)
{
	const char *names[] = { "gw.example.com", "192.0.2.7", "2001:db8::7", "localhost" };
	struct nj_x509_pair pair = { 0 };
	assert_int_equal(nj_x509_issue_server(&ca, names, 4, NOW_S, 90, &pair), NJ_OK);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, NOW_S), 1);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_CLIENT, NOW_S), 0);
	X509 *cert = parse(pair.cert_pem);
	assert_int_equal(X509_check_ca(cert), 0);
	assert_int_equal(X509_check_host(cert, "gw.example.com", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(cert, "other.example.com", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.7", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "2001:db8::7", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.8", 0), 0);
	X509_free(cert);
	assert_non_null(strstr(pair.key_pem, "-----BEGIN PRIVATE KEY-----"));
	nj_x509_pair_done(&pair);
	assert_null(pair.key_pem);
	assert_null(pair.cert_pem);
}

/* Five minutes for a slow clock at the start; OpenSSL refuses from the last second itself on. */
static void test_validity(void **state)
{
	const char *name = "gw";
	struct nj_x509_pair pair = { 0 };
	uint64_t end = 0;
	assert_int_equal(nj_x509_issue_server(&ca, &name, 1, NOW_S, 1, &pair), NJ_OK);
	assert_int_equal(nj_x509_not_after(pair.cert_pem, &end), NJ_OK);
	assert_int_equal(end, NOW_S + DAY_S);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, NOW_S - 301), 0);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, NOW_S - 300), 1);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, end - 1), 1);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, end + 1), 0);
	nj_x509_pair_done(&pair);
	/* A leaf never outlives the CA (3650 days here), and an ended CA issues nothing. */
	assert_int_equal(nj_x509_issue_server(&ca, &name, 1, NOW_S, 10000, &pair), NJ_OK);
	assert_int_equal(nj_x509_not_after(pair.cert_pem, &end), NJ_OK);
	assert_int_equal(end, NOW_S + 3650 * DAY_S);
	nj_x509_pair_done(&pair);
	assert_int_equal(nj_x509_issue_server(&ca, &name, 1, NOW_S + 3650 * DAY_S, 1, &pair), NJ_ERR_EXPIRED);
	assert_int_equal(nj_x509_issue_server(&ca, &name, 1, NOW_S, 0, &pair), NJ_ERR_RANGE);
	assert_int_equal(nj_x509_make_ca("x", UINT64_MAX, 1, &pair), NJ_ERR_RANGE);
	/* The last second that a certificate can name is 9999-12-31 23:59:59. */
	const uint64_t last_s = UINT64_C(253402300799);
	assert_int_equal(nj_x509_make_ca("x", last_s - DAY_S + 1, 1, &pair), NJ_ERR_RANGE);
	assert_null(pair.cert_pem);
	assert_int_equal(nj_x509_make_ca("x", last_s - DAY_S, 1, &pair), NJ_OK);
	assert_int_equal(nj_x509_not_after(pair.cert_pem, &end), NJ_OK);
	assert_int_equal(end, last_s);
	nj_x509_pair_done(&pair);
}

static void subject_text(X509 *cert, int nid, char *out, int cap)
{
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), nid, out, cap) > 0);
}

static void test_client(void **state)
{
	struct nj_x509_pair pair = { 0 };
	assert_int_equal(nj_x509_issue_client(&ca, "pump-7", uid, NOW_S, 30, &pair), NJ_OK);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_CLIENT, NOW_S), 1);
	assert_int_equal(verifies(pair.cert_pem, X509_PURPOSE_SSL_SERVER, NOW_S), 0);
	X509 *cert = parse(pair.cert_pem);
	char text[65];
	subject_text(cert, NID_commonName, text, sizeof(text));
	assert_string_equal(text, "pump-7");
	subject_text(cert, NID_serialNumber, text, sizeof(text));
	assert_string_equal(text, "00112233445566778899aabbccddeeff");
	X509_free(cert);
	nj_x509_pair_done(&pair);
}

static void test_serials_differ(void **state)
{
	BIGNUM *seen[8];
	for (size_t i = 0; i < 8; i++) {
		struct nj_x509_pair pair = { 0 };
		assert_int_equal(nj_x509_issue_client(&ca, "d", uid, NOW_S, 30, &pair), NJ_OK);
		X509 *cert = parse(pair.cert_pem);
		seen[i] = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
		assert_int_equal(BN_num_bits(seen[i]), 128);
		assert_false(BN_is_negative(seen[i]));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(BN_cmp(seen[i], seen[j]), 0);
		X509_free(cert);
		nj_x509_pair_done(&pair);
	}
	for (size_t i = 0; i < 8; i++)
		BN_free(seen[i]);
}

struct name_row {
	const char *what;
	const char *name;
	enum nj_err want;
};

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"
#define DNS_252                                \
	LABEL_63 "." LABEL_63 "." LABEL_63 "." \
		 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
static const struct name_row name_rows[] = {
	{ "label of 62", &(LABEL_63)[1], NJ_OK },
	{ "label of 63", LABEL_63, NJ_OK },
	{ "label of 64", LABEL_63 "4", NJ_ERR_MALFORMED },
	{ "252 characters", DNS_252, NJ_OK },
	{ "253 characters", DNS_252 "1", NJ_OK },
	{ "254 characters", DNS_252 "12", NJ_ERR_MALFORMED },
	{ "empty", "", NJ_ERR_MALFORMED },
	{ "empty label", "a..b", NJ_ERR_MALFORMED },
	{ "leading dot", ".a", NJ_ERR_MALFORMED },
	{ "trailing dot", "a.", NJ_ERR_MALFORMED },
	{ "wildcard", "*.example.com", NJ_ERR_MALFORMED },
	{ "a list", "a,DNS:b", NJ_ERR_MALFORMED },
	{ "space", "a b", NJ_ERR_MALFORMED },
	{ "not ASCII", "caf\xc3\xa9", NJ_ERR_MALFORMED },
	{ "bracketed IPv6", "[::1]", NJ_ERR_MALFORMED },
};

static void test_names(void **state)
{
	for (size_t i = 0; i < sizeof(name_rows) / sizeof(name_rows[0]); i++) {
		struct nj_x509_pair pair = { 0 };
		enum nj_err err = nj_x509_issue_server(&ca, &name_rows[i].name, 1, NOW_S, 1, &pair);
		if (err != name_rows[i].want)
			fail_msg("%s: %s", name_rows[i].what, nj_err_name(err));
		nj_x509_pair_done(&pair);
	}
	struct nj_x509_pair pair = { 0 };
	assert_int_equal(nj_x509_issue_server(&ca, NULL, 0, NOW_S, 1, &pair), NJ_ERR_MALFORMED);
	assert_int_equal(nj_x509_issue_client(&ca, LABEL_63 "4", uid, NOW_S, 1, &pair), NJ_OK);
	nj_x509_pair_done(&pair);
	assert_int_equal(nj_x509_issue_client(&ca, LABEL_63 "45", uid, NOW_S, 1, &pair), NJ_ERR_MALFORMED);
	assert_int_equal(nj_x509_issue_client(&ca, "\xff", uid, NOW_S, 1, &pair), NJ_ERR_MALFORMED);
	assert_int_equal(nj_x509_issue_client(&ca, "", uid, NOW_S, 1, &pair), NJ_ERR_MALFORMED);
}

static void test_damaged_ca(void **state)
{
	struct nj_x509_pair other = { 0 };
	struct nj_x509_pair out = { 0 };
	assert_int_equal(nj_x509_make_ca("other", NOW_S, 1, &other), NJ_OK);
	struct nj_x509_pair mixed = { ca.cert_pem, other.key_pem };
	assert_int_equal(nj_x509_issue_client(&mixed, "d", uid, NOW_S, 1, &out), NJ_ERR_MALFORMED);
	mixed = (struct nj_x509_pair){ (char *)"junk", ca.key_pem };
	assert_int_equal(nj_x509_issue_client(&mixed, "d", uid, NOW_S, 1, &out), NJ_ERR_MALFORMED);
	mixed = (struct nj_x509_pair){ ca.cert_pem, (char *)"" };
	assert_int_equal(nj_x509_issue_client(&mixed, "d", uid, NOW_S, 1, &out), NJ_ERR_MALFORMED);
	uint64_t end = 42;
	assert_int_equal(nj_x509_not_after("junk", &end), NJ_ERR_MALFORMED);
	assert_int_equal(end, 42);
	assert_null(out.cert_pem);
	assert_int_equal(ERR_peek_error(), 0); /* nothing left for TLS to trip over */
	nj_x509_pair_done(&other);
}

static int make_ca(void **state)
{
	return nj_x509_make_ca("Nightjar test CA", NOW_S, 3650, &ca) == NJ_OK ? 0 : -1;
}

static int drop_ca(void **state)
{
	nj_x509_pair_done(&ca);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ca),         cmocka_unit_test(test_server), cmocka_unit_test(test_validity),
		cmocka_unit_test(test_client),     cmocka_unit_test(test_names),  cmocka_unit_test(test_serials_differ),
		cmocka_unit_test(test_damaged_ca),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
