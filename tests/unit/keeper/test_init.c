#include "unit/keeper/keeper_fixture.h"

static struct fixture fx;

static int set_up(void **state)
{
	fixture_new(&fx);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&fx);
	return 0;
}

static struct nj_keeper_init_config config_for(const char *store, const char *key_file)
{
	return (struct nj_keeper_init_config){ .store_path = store,
					       .key_file = key_file,
					       .host = "gateway.test",
					       .clock = &fx.clock.clock,
					       .random = &fx.random.random };
}

static void files_are_ours_alone(void **state)
{
	struct stat st;

	assert_int_equal(stat(fx.store, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(fx.key_file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void never_twice(void **state)
{
	struct nj_keeper_init_config config = config_for(fx.store, fx.key_file);
	struct nj_keeper_init_result result;
	struct nj_why why;

	assert_int_equal(nj_keeper_init(&config, &result, &why), NJ_ERR_EXISTS);
	fixture_open(&fx);
}

/* A key file in the way: nothing new is left, the file stays. */
static void failure_leaves_nothing(void **state)
{
	struct nj_keeper_init_config config;
	struct nj_keeper_init_result result;
	struct nj_why why;
	char other[96];

	(void)snprintf(other, sizeof(other), "%s/other.db", fx.dir);
	config = config_for(other, fx.key_file);
	assert_int_not_equal(nj_keeper_init(&config, &result, &why), NJ_OK);
	assert_int_not_equal(access(other, F_OK), 0);
	assert_int_equal(access(fx.key_file, F_OK), 0);
	assert_true(strlen(why.text) > 0);
	fixture_open(&fx);
}

static void token_is_stored_as_its_hash(void **state)
{
	struct nj_keeper_init_result result;
	struct nj_keeper_init_config config;
	struct nj_keeper_store *store;
	struct nj_why why;
	struct nj_view part;
	uint8_t digest[NJ_SHA256_BYTES];
	char want[NJ_SHA256_BYTES * 2 + 1];
	char got[128];

	(void)unlink(fx.store);
	(void)unlink(fx.key_file);
	config = config_for(fx.store, fx.key_file);
	assert_int_equal(nj_keeper_init(&config, &result, &why), NJ_OK);
	assert_int_equal(strlen(result.setup_token), 32);
	part = nj_view_str(result.setup_token);
	nj_sha256(&part, 1, digest);
	nj_hex_encode(digest, sizeof(digest), want);
	assert_int_equal(nj_keeper_store_open(fx.store, NJ_STORE_OPEN, &store, &why), NJ_OK);
	assert_int_equal(nj_keeper_store_meta_get(store, "setup.token", got, sizeof(got)), NJ_OK);
	assert_string_equal(got, want);
	nj_keeper_store_close(store);
}

static void first_records(void **state)
{
	json_t *ok = NULL;

	fixture_open(&fx);
	assert_int_equal(ask(&fx, "audit.verify", json_object(), &ok), NJ_OK);
	assert_int_equal(json_integer_value(json_object_get(ok, "records")), 3);
	assert_int_equal(json_integer_value(json_object_get(ok, "checkpoints")), 1);
	json_decref(ok);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(files_are_ours_alone),        ROW(never_twice),   ROW(failure_leaves_nothing),
		ROW(token_is_stored_as_its_hash), ROW(first_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
