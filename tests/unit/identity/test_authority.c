/* The built-in CA: made once, and a server certificate that is kept while it is good. */
#include "unit/identity/identity_fixture.h"

#include "identity/authority.h"

#define NOW UINT64_C(1800000000)
#define DAY UINT64_C(86400)

static const char *const names[] = { "gw.example", "192.0.2.1", "2001:db8::1" };

static void made_once(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_authority *authority = NULL;
	char *pem;

	assert_int_equal(nj_authority_open(f->vault, &authority), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_authority_create(f->vault, "Nightjar test", NOW, &authority), NJ_OK);
	pem = strdup(nj_authority_ca_pem(authority));
	assert_non_null(strstr(pem, "BEGIN CERTIFICATE"));
	nj_authority_free(authority);
	assert_int_equal(nj_authority_create(f->vault, "again", NOW, &authority), NJ_ERR_EXISTS);
	vault_reopen(f);
	assert_int_equal(nj_authority_open(f->vault, &authority), NJ_OK);
	assert_string_equal(nj_authority_ca_pem(authority), pem);
	free(pem);
	nj_authority_free(authority);
}

/* Asks at `now_s` for `count` names, and tells whether a new certificate came. */
static bool ask(struct nj_authority *authority, size_t count, uint64_t now_s)
{
	struct nj_x509_pair pair = { 0 };
	bool renewed = false;
	uint64_t not_after_s;

	assert_int_equal(nj_authority_server(authority, names, count, now_s, &pair, &renewed), NJ_OK);
	assert_non_null(strstr(pair.key_pem, "PRIVATE KEY"));
	assert_int_equal(nj_x509_not_after(pair.cert_pem, &not_after_s), NJ_OK);
	assert_true(not_after_s > now_s);
	nj_x509_pair_done(&pair);
	return renewed;
}

static void server_certificate_is_renewed_in_time(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_authority *authority = NULL;
	const uint64_t life_s = NJ_AUTHORITY_SERVER_DAYS * DAY;

	assert_int_equal(nj_authority_create(f->vault, "Nightjar test", NOW, &authority), NJ_OK);
	assert_true(ask(authority, 2, NOW));
	assert_false(ask(authority, 2, NOW));
	assert_true(ask(authority, 3, NOW));
	assert_false(ask(authority, 3, NOW + 1));
	assert_true(ask(authority, 1, NOW));
	nj_authority_free(authority);
	vault_reopen(f);
	assert_int_equal(nj_authority_open(f->vault, &authority), NJ_OK);
	assert_false(ask(authority, 1, NOW + life_s * 2 / 3 - DAY));
	assert_true(ask(authority, 1, NOW + life_s * 2 / 3 + DAY));
	assert_false(ask(authority, 1, NOW + life_s));
	nj_authority_free(authority);
}

static void names_have_a_limit(void **state)
{
	static const char *many[NJ_AUTHORITY_NAMES_MAX + 1];
	struct vault_fixture *f = *state;
	struct nj_authority *authority = NULL;
	struct nj_x509_pair pair = { 0 };

	assert_int_equal(nj_authority_create(f->vault, "Nightjar test", NOW, &authority), NJ_OK);
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = "gw.example";
	assert_int_equal(nj_authority_server(authority, many, NJ_AUTHORITY_NAMES_MAX + 1, NOW, &pair, NULL),
			 NJ_ERR_LIMIT);
	assert_int_equal(nj_authority_server(authority, many, NJ_AUTHORITY_NAMES_MAX, NOW, &pair, NULL), NJ_OK);
	nj_x509_pair_done(&pair);
	nj_authority_free(authority);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_once),
		TEST(server_certificate_is_renewed_in_time),
		TEST(names_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
