/* Certificates at the keeper: issued for a request, listed when revoked; customers' own CAs, whole or not at all. */
#include "unit/keeper/keeper_fixture.h"

#include "keeper/internal.h"

static struct fixture f;
static struct nj_x509_pair request;
static struct nj_x509_pair mine;
static struct nj_x509_pair theirs;

static uint64_t now_s(void)
{
	return nj_clock_wall_ms(&f.clock.clock) / 1000;
}

static int set_up(void **state)
{
	memset(&f, 0, sizeof(f));
	fixture_new(&f);
	fixture_open(&f);
	assert_int_equal(nj_x509_make_request("d1", &request), NJ_OK);
	assert_int_equal(nj_x509_make_ca("mine", now_s(), 30, &mine), NJ_OK);
	assert_int_equal(nj_x509_make_ca("theirs", now_s(), 30, &theirs), NJ_OK);
	return 0;
}

static int tear_down(void **state)
{
	nj_x509_pair_done(&request);
	nj_x509_pair_done(&mine);
	nj_x509_pair_done(&theirs);
	fixture_drop(&f);
	fixture_free(&f);
	return 0;
}

static enum nj_err profile(const char *bind, const char *floor, const char *source, const char *source6)
{
	return ask(&f, "profile.set",
		   json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "name", "p", "bind", bind, "tls_floor", floor, "source",
			     source, "source6", source6),
		   NULL);
}

static enum nj_err add(const char *name, const char *csr, json_t **out_ok)
{
	return ask(&f, "device.add", json_pack("{s:s, s:s, s:s*}", "name", name, "profile", "p", "csr", csr), out_ok);
}

static void proofs_of_profiles_are_judged(void **state)
{
	static const struct {
		const char *bind, *floor, *source, *source6;
		enum nj_err want;
	} rows[] = {
		{ NULL, NULL, NULL, NULL, NJ_OK },           { "psk", "1.3", "exact", "exact", NJ_OK },
		{ "certificate", "1.2", NULL, NULL, NJ_OK }, { "either", "1.2", NULL, NULL, NJ_OK },
		{ "both", NULL, NULL, NULL, NJ_ERR_USAGE },  { "", NULL, NULL, NULL, NJ_ERR_USAGE },
		{ "psk", "1.2", NULL, NULL, NJ_ERR_USAGE },  { NULL, "1.1", NULL, NULL, NJ_ERR_USAGE },
		{ NULL, NULL, "/7", NULL, NJ_ERR_USAGE },    { NULL, NULL, "/8", NULL, NJ_OK },
		{ NULL, NULL, "/32", NULL, NJ_OK },          { NULL, NULL, "/33", NULL, NJ_ERR_USAGE },
		{ NULL, NULL, "24", NULL, NJ_ERR_USAGE },    { NULL, NULL, NULL, "/31", NJ_ERR_USAGE },
		{ NULL, NULL, NULL, "/32", NJ_OK },          { NULL, NULL, NULL, "/128", NJ_OK },
		{ NULL, NULL, NULL, "/129", NJ_ERR_USAGE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (profile(rows[i].bind, rows[i].floor, rows[i].source, rows[i].source6) != rows[i].want)
			fail_msg("row %zu", i);
}

static void a_certified_profile_wants_a_request(void **state)
{
	json_t *ok = NULL;

	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", NULL, NULL), NJ_ERR_USAGE);
	assert_int_equal(add("d1", "nonsense", NULL), NJ_ERR_MALFORMED);
	assert_int_equal(add("d1", request.cert_pem, &ok), NJ_OK);
	assert_non_null(strstr(json_string_value(json_object_get(ok, "cert")), "BEGIN CERTIFICATE"));
	json_decref(ok);
	assert_int_equal(ask(&f, "device.import", json_pack("{s:[s], s:s}", "names", "d2", "profile", "p"), NULL),
			 NJ_ERR_USAGE);
}

static void other_profiles_make_none(void **state)
{
	json_t *ok = NULL;

	assert_int_equal(profile("either", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", NULL, &ok), NJ_OK);
	assert_null(json_object_get(ok, "cert"));
	json_decref(ok);
	assert_int_equal(profile("psk", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d2", request.cert_pem, &ok), NJ_OK);
	assert_null(json_object_get(ok, "cert"));
	json_decref(ok);
}

static void a_revocation_reaches_list_and_gateway(void **state)
{
	json_t *ok = NULL;

	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", request.cert_pem, NULL), NJ_OK);
	assert_int_equal(ask(&f, "ca.revoke", json_object(), NULL), NJ_ERR_USAGE);
	assert_int_equal(ask(&f, "ca.revoke", json_pack("{s:s}", "name", "nobody"), NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(ask(&f, "ca.revoke", json_pack("{s:s}", "name", "d1"), &ok), NJ_OK);
	json_decref(ok);
	assert_int_equal(f.gateway.last.type, NJ_IPC_TRUST_PUT);
	assert_int_equal(f.gateway.last.as.trust.customer.len, 0);
	assert_true(f.gateway.last.as.trust.list_pem.len > 0);
	assert_int_equal(ask(&f, "ca.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(ask(&f, "ca.show", json_object(), &ok), NJ_OK);
	assert_int_equal(json_integer_value(json_object_get(ok, "certificates")), 0);
	json_decref(ok);
}

/* Whether a second later a list goes to the gateway. */
static bool a_list_is_sent(void)
{
	f.gateway.last.type = NJ_IPC_HELLO;
	nj_clock_fake_advance_ms(&f.clock, 1000);
	nj_keeper_tick(f.keeper);
	return f.gateway.last.type == NJ_IPC_TRUST_PUT;
}

/* Its times are of the wall clock: when that is set, a list of before would shut everybody out. */
static void a_list_follows_the_clock(void **state)
{
	fixture_drop(&f);
	fixture_start(&f);
	assert_false(a_list_is_sent());
	f.clock.wall_ms -= 60 * 60 * 1000;
	assert_true(a_list_is_sent());
	assert_false(a_list_is_sent());
	f.clock.wall_ms += UINT64_C(100) * 24 * 60 * 60 * 1000;
	assert_true(a_list_is_sent());
	assert_false(a_list_is_sent());
}

/* ---- a new certificate for a party that lives ---- */

static enum nj_err renew(const char *name, const char *csr, bool revoke_old, json_t **out_ok)
{
	return ask(&f, "device.certificate",
		   json_pack("{s:s, s:s*, s:b}", "name", name, "csr", csr, "revoke_old", (int)revoke_old), out_ok);
}

static json_int_t valid(void)
{
	json_t *ok = NULL;
	json_int_t count;

	assert_int_equal(ask(&f, "ca.show", json_object(), &ok), NJ_OK);
	count = json_integer_value(json_object_get(ok, "certificates"));
	json_decref(ok);
	return count;
}

/* The old ones lapse; of one party so many are valid at a time, and no more. */
static void a_new_certificate_beside_the_old(void **state)
{
	json_t *ok = NULL;

	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", request.cert_pem, NULL), NJ_OK);
	assert_int_equal(renew("d1", request.cert_pem, false, &ok), NJ_OK);
	assert_non_null(strstr(json_string_value(json_object_get(ok, "cert")), "BEGIN CERTIFICATE"));
	assert_int_equal(json_integer_value(json_object_get(ok, "revoked")), 0);
	json_decref(ok);
	for (int i = 3; i <= NJ_KEEPER_CERTIFICATES_OF_ONE; i++)
		assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_OK);
	assert_int_equal(valid(), NJ_KEEPER_CERTIFICATES_OF_ONE);
	assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_ERR_LIMIT);
	/* What has lapsed does not count. */
	nj_clock_fake_advance_ms(&f.clock, (NJ_AUTHORITY_CLIENT_DAYS + 1) * UINT64_C(86400000));
	assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_OK);
	assert_int_equal(valid(), 1);
}

static void a_new_certificate_in_the_place_of_the_old(void **state)
{
	json_t *ok = NULL;

	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", request.cert_pem, NULL), NJ_OK);
	for (int i = 2; i <= NJ_KEEPER_CERTIFICATES_OF_ONE; i++)
		assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_OK);
	assert_int_equal(renew("d1", request.cert_pem, true, &ok), NJ_OK);
	assert_int_equal(json_integer_value(json_object_get(ok, "revoked")), NJ_KEEPER_CERTIFICATES_OF_ONE);
	json_decref(ok);
	assert_int_equal(valid(), 1);
	/* The gateway has the list that names them before the answer comes. */
	assert_int_equal(f.gateway.last.type, NJ_IPC_TRUST_PUT);
	assert_true(f.gateway.last.as.trust.list_pem.len > 0);
	assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_OK);
	assert_int_equal(valid(), 2);
}

static void what_gets_no_certificate(void **state)
{
	assert_int_equal(profile("psk", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", NULL, NULL), NJ_OK);
	assert_int_equal(renew("d1", request.cert_pem, true, NULL), NJ_ERR_USAGE);
	assert_int_equal(profile("either", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(renew("nobody", request.cert_pem, false, NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(renew("d1", NULL, false, NULL), NJ_ERR_USAGE);
	assert_int_equal(renew("d1", "nonsense", true, NULL), NJ_ERR_MALFORMED);
	assert_int_equal(valid(), 0);
	/* A device that bound by its key alone gets its first one. */
	assert_int_equal(renew("d1", request.cert_pem, true, NULL), NJ_OK);
	assert_int_equal(valid(), 1);
	/* A refused request revokes nothing. */
	assert_int_equal(renew("d1", "nonsense", true, NULL), NJ_ERR_MALFORMED);
	assert_int_equal(valid(), 1);
	assert_int_equal(ask(&f, "application.certificate",
			     json_pack("{s:s, s:s}", "name", "d1", "csr", request.cert_pem), NULL),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(ask(&f, "customer.ca.set", json_pack("{s:s}", "ca", mine.cert_pem), NULL), NJ_OK);
	assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_ERR_USAGE);
	assert_int_equal(ask(&f, "device.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_OK);
	assert_int_equal(renew("d1", request.cert_pem, false, NULL), NJ_ERR_NOT_FOUND);
}

static void an_import_brings_a_request_a_name(void **state)
{
	json_t *args = json_pack("{s:[s,s], s:s, s:[s]}", "names", "a", "b", "profile", "p", "csrs", request.cert_pem);

	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(ask(&f, "device.import", json_incref(args), NULL), NJ_ERR_USAGE);
	json_array_append_new(json_object_get(args, "csrs"), json_integer(7));
	assert_int_equal(ask(&f, "device.import", json_incref(args), NULL), NJ_ERR_USAGE);
	json_array_set_new(json_object_get(args, "csrs"), 1, json_string("nonsense"));
	assert_int_equal(ask(&f, "device.import", json_incref(args), NULL), NJ_ERR_MALFORMED);
	json_array_set_new(json_object_get(args, "csrs"), 1, json_string(request.cert_pem));
	assert_int_equal(ask(&f, "device.import", args, NULL), NJ_OK);
	assert_int_equal(valid(), 2);
}

static enum nj_err set_ca(const char *ca, const char *crl)
{
	return ask(&f, "customer.ca.set", json_pack("{s:s, s:s*}", "ca", ca, "crl", crl), NULL);
}

static enum nj_err set_crl(const char *crl)
{
	return ask(&f, "customer.crl.set", json_pack("{s:s}", "crl", crl), NULL);
}

static char *stored(const char *key)
{
	json_t *ok = NULL;
	char *text;

	if (ask(&f, "customer.ca.show", json_object(), &ok) != NJ_OK)
		return NULL;
	text = strdup(json_string_value(json_object_get(ok, key)));
	json_decref(ok);
	return text;
}

static void assert_stored(const char *key, const char *want)
{
	char *text = stored(key);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void a_customers_ca_is_whole_or_not_at_all(void **state)
{
	char *list = NULL;
	char *foreign = NULL;
	json_t *ok = NULL;

	assert_int_equal(nj_x509_make_list(&mine, NULL, 0, now_s() - 10, 7, &list), NJ_OK);
	assert_int_equal(nj_x509_make_list(&theirs, NULL, 0, now_s() - 10, 7, &foreign), NJ_OK);
	assert_int_equal(set_crl(list), NJ_ERR_NOT_FOUND);
	assert_int_equal(set_ca("nonsense", NULL), NJ_ERR_CONFIG);
	assert_null(stored("ca"));
	assert_int_equal(set_ca(mine.cert_pem, NULL), NJ_OK);
	assert_int_equal(f.gateway.last.type, NJ_IPC_TRUST_PUT);
	assert_int_equal(set_crl(foreign), NJ_ERR_CONFIG);
	assert_int_equal(set_crl(""), NJ_ERR_CONFIG);
	assert_stored("crl", "");
	assert_int_equal(set_crl(list), NJ_OK);
	assert_stored("crl", list);
	/* A CA that the list does not fit would undo what is revoked. */
	assert_int_equal(set_ca(theirs.cert_pem, NULL), NJ_ERR_CONFIG);
	assert_stored("ca", mine.cert_pem);
	assert_int_equal(set_ca(theirs.cert_pem, foreign), NJ_OK);
	assert_stored("ca", theirs.cert_pem);
	assert_stored("crl", foreign);
	assert_int_equal(profile("certificate", NULL, NULL, NULL), NJ_OK);
	assert_int_equal(add("d1", NULL, &ok), NJ_OK);
	assert_null(json_object_get(ok, "cert"));
	json_decref(ok);
	assert_int_equal(ask(&f, "customer.ca.remove", json_object(), NULL), NJ_OK);
	assert_int_equal(ask(&f, "customer.ca.remove", json_object(), NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(f.gateway.last.as.trust.ca_pem.len, 0);
	free(list);
	free(foreign);
}

static void too_large_is_refused(void **state)
{
	char *large = calloc(1, NJ_IPC_TRUST_CA_MAX + 2);

	memset(large, 'x', NJ_IPC_TRUST_CA_MAX + 1);
	assert_int_equal(set_ca(large, NULL), NJ_ERR_TOO_LARGE);
	large[NJ_IPC_TRUST_CA_MAX] = '\0';
	assert_int_equal(set_ca(large, NULL), NJ_ERR_CONFIG);
	free(large);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(proofs_of_profiles_are_judged),
		ROW(a_certified_profile_wants_a_request),
		ROW(other_profiles_make_none),
		ROW(a_revocation_reaches_list_and_gateway),
		ROW(a_list_follows_the_clock),
		ROW(a_new_certificate_beside_the_old),
		ROW(a_new_certificate_in_the_place_of_the_old),
		ROW(what_gets_no_certificate),
		ROW(an_import_brings_a_request_a_name),
		ROW(a_customers_ca_is_whole_or_not_at_all),
		ROW(too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
