/* The gateway's store: customers, profiles with their rules, parties. */
#include "unit/store/store_fixture.h"

#include <sqlite3.h>

static struct nj_gateway_store *create(struct fixture *f)
{
	struct nj_gateway_store *store = NULL;

	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_CREATE, &store, NULL), NJ_OK);
	assert_int_equal(nj_gateway_store_customer_insert(store, "acme", 1), NJ_OK);
	return store;
}

static const struct nj_profile_rule_row rules[] = { { 0, false, "a/#", "{\"max_qos\":1}" },
						    { 1, true, "b", "" },
						    { 1, false, "c/+", "{}" } };

struct expected {
	uint32_t version;
	size_t rule_count;
	int seen;
	bool old; /* written before there were contracts */
};

static enum nj_err check_profile(void *arg, const struct nj_profile_row *row)
{
	struct expected *want = arg;

	assert_string_equal(row->name, "p");
	assert_int_equal(row->version, want->version);
	assert_int_equal(row->rule_count, want->rule_count);
	for (size_t i = 0; i < row->rule_count; i++) {
		assert_string_equal(row->rules[i].pattern, rules[i].pattern);
		assert_string_equal(row->rules[i].contract, want->old ? "" : rules[i].contract);
		assert_int_equal(row->rules[i].deny, rules[i].deny);
		assert_int_equal(row->rules[i].direction, rules[i].direction);
	}
	want->seen++;
	return NJ_OK;
}

static enum nj_err not_found(void *arg, const struct nj_profile_row *row)
{
	return NJ_ERR_NOT_FOUND;
}

static void profiles_keep_their_rules_in_order(void **state)
{
	struct nj_gateway_store *store = create(*state);
	struct nj_profile_row row = {
		.name = "p", .services = 2, .grant_ms = 5, .version = 1, .rules = rules, .rule_count = 3
	};
	struct expected want = { .version = 1, .rule_count = 3 };

	assert_int_equal(nj_gateway_store_profile_put(store, &row), NJ_OK);
	assert_int_equal(nj_gateway_store_profile_each(store, check_profile, &want), NJ_OK);
	row.version = want.version = 2;
	row.rule_count = want.rule_count = 2;
	assert_int_equal(nj_gateway_store_profile_put(store, &row), NJ_OK);
	assert_int_equal(nj_gateway_store_profile_each(store, check_profile, &want), NJ_OK);
	assert_int_equal(want.seen, 2);
	assert_int_equal(nj_gateway_store_profile_each(store, not_found, NULL), NJ_ERR_NOT_FOUND);
	row.rule_count = NJ_PROFILE_RULES_MAX + 1;
	assert_int_equal(nj_gateway_store_profile_put(store, &row), NJ_ERR_LIMIT);
	nj_gateway_store_close(store);
}

/* The file as the release before contracts wrote it: its rules come back without one, and one can be added. */
static void a_store_of_version_2_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct nj_gateway_store *store = create(f);
	struct nj_profile_row row = { .name = "p", .version = 7, .rules = rules, .rule_count = 3 };
	struct expected want = { .version = 7, .rule_count = 3, .old = true };
	sqlite3 *sql = NULL;

	assert_int_equal(nj_gateway_store_profile_put(store, &row), NJ_OK);
	nj_gateway_store_close(store);
	assert_int_equal(sqlite3_open(f->path, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "ALTER TABLE rules DROP COLUMN contract; PRAGMA user_version = 2", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(sql);
	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	assert_int_equal(nj_gateway_store_profile_each(store, check_profile, &want), NJ_OK);
	assert_int_equal(nj_gateway_store_profile_put(store, &row), NJ_OK);
	want.old = false;
	assert_int_equal(nj_gateway_store_profile_each(store, check_profile, &want), NJ_OK);
	assert_int_equal(want.seen, 2);
	nj_gateway_store_close(store);
}

static enum nj_err count_party(void *arg, const struct nj_party_row *row)
{
	++*(int *)arg;
	return NJ_OK;
}

static void parties(void **state)
{
	struct nj_gateway_store *store = create(*state);
	struct nj_profile_row profile = { .name = "p", .version = 1 };
	struct nj_party_row party = { .uid = { 1 }, .kind = 1, .customer = "acme", .name = "d", .profile = "p" };
	size_t rows = 0;
	int count = 0;

	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_gateway_store_profile_put(store, &profile), NJ_OK);
	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_OK);
	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_ERR_EXISTS);
	party.uid[0] = 2;
	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_ERR_EXISTS);
	party.customer = "nobody";
	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_ERR_NOT_FOUND);
	party.customer = "acme";
	party.uid[0] = 1;
	assert_int_equal(nj_gateway_store_party_revoke(store, party.uid, 7), NJ_OK);
	assert_int_equal(nj_gateway_store_party_revoke(store, party.uid, 8), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_gateway_store_party_each(store, count_party, &count), NJ_OK);
	assert_int_equal(count, 0);
	party.uid[0] = 2;
	assert_int_equal(nj_gateway_store_party_insert(store, &party), NJ_OK);
	assert_int_equal(nj_gateway_store_party_get(store, party.uid, count_party, &count), NJ_OK);
	assert_int_equal(nj_gateway_store_party_named(store, "acme", 1, "d", count_party, &count), NJ_OK);
	assert_int_equal(nj_gateway_store_party_named(store, "acme", 2, "d", count_party, &count), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_gateway_store_party_get(store, (const uint8_t[16]){ 1 }, count_party, &count),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(count, 2);
	assert_int_equal(nj_gateway_store_party_count(store, &rows), NJ_OK);
	assert_int_equal(rows, 1);
	assert_int_equal(nj_gateway_store_party_delete(store, party.uid), NJ_OK);
	assert_int_equal(nj_gateway_store_party_delete(store, party.uid), NJ_ERR_NOT_FOUND);
	nj_gateway_store_close(store);
}

static enum nj_err take_tls(void *arg, const struct nj_tls_row *row)
{
	uint64_t *seen_ms = arg;

	*seen_ms = row->seen_ms;
	assert_string_equal(row->version, "TLSv1.3");
	assert_string_equal(row->proof, "key");
	assert_int_equal(row->offer.len, 3);
	return NJ_OK;
}

static uint64_t tls_seen(struct nj_gateway_store *store, const struct nj_tls_row *row)
{
	uint64_t seen_ms = 0;

	assert_int_equal(nj_gateway_store_tls_put(store, row), NJ_OK);
	assert_int_equal(nj_gateway_store_tls_get(store, row->uid, take_tls, &seen_ms), NJ_OK);
	return seen_ms;
}

static void tls_rows_change_when_they_say_something_new(void **state)
{
	struct fixture *f = *state;
	struct nj_gateway_store *store = NULL;
	struct nj_tls_row row = { .uid = { 1 },
				  .seen_ms = 1000,
				  .version = "TLSv1.3",
				  .cipher = "c",
				  .group = "g",
				  .proof = "key",
				  .offer = nj_view_of("abc", 3) };
	uint64_t seen_ms;

	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_CREATE, &store, NULL), NJ_OK);
	assert_int_equal(nj_gateway_store_tls_get(store, row.uid, take_tls, &seen_ms), NJ_ERR_NOT_FOUND);
	assert_int_equal(tls_seen(store, &row), 1000);
	row.seen_ms = 999 + NJ_TLS_ROW_FRESH_MS;
	assert_int_equal(tls_seen(store, &row), 1000);
	row.offer = nj_view_of("abd", 3);
	assert_int_equal(tls_seen(store, &row), 999 + NJ_TLS_ROW_FRESH_MS);
	row.seen_ms += NJ_TLS_ROW_FRESH_MS;
	assert_int_equal(tls_seen(store, &row), 999 + 2 * NJ_TLS_ROW_FRESH_MS);
	assert_int_equal(nj_gateway_store_tls_delete(store, row.uid), NJ_OK);
	assert_int_equal(nj_gateway_store_tls_delete(store, row.uid), NJ_OK);
	assert_int_equal(nj_gateway_store_tls_get(store, row.uid, take_tls, &seen_ms), NJ_ERR_NOT_FOUND);
	nj_gateway_store_close(store);
}

static void the_keepers_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct nj_gateway_store *store = NULL;
	struct nj_why why;

	nj_keeper_store_close(create_keeper(f));
	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_OPEN, &store, &why), NJ_ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(profiles_keep_their_rules_in_order),
		TEST(a_store_of_version_2_is_brought_up_to_date),
		TEST(parties),
		TEST(tls_rows_change_when_they_say_something_new),
		TEST(the_keepers_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
