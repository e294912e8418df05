/* A keeper whose key file is gone: what it answers, how fast it may be asked, and what it records once it is open. */
#include "unit/keeper/keeper_fixture.h"

#define KEY_HEX "0101010101010101010101010101010101010101010101010101010101010101"
#define WRONG_HEX "0202020202020202020202020202020202020202020202020202020202020202"
#define SALT_HEX "00112233445566778899aabbccddeeff"

static struct fixture f;
static struct nj_admin_verb verbs[64];
static int unlocked;

static void on_unlocked(void *arg)
{
	unlocked++;
}

static json_t *slot_args(json_int_t memory_kib)
{
	return json_pack("{s:s, s:s, s:I, s:i}", "key", KEY_HEX, "salt", SALT_HEX, "memory_kib", memory_kib, "passes",
			 3);
}

static int set_up(void **state)
{
	const struct nj_keeper_watch watch = { .unlocked = on_unlocked };
	struct nj_keeper_config config;
	struct nj_why why = { "" };
	json_t *ok = NULL;

	unlocked = 0;
	fixture_new(&f);
	fixture_open(&f);
	assert_int_equal(ask(&f, "vault.slot.add", slot_args(65536), &ok), NJ_OK);
	assert_int_equal(json_integer_value(json_object_get(ok, "id")), 3);
	json_decref(ok);
	fixture_drop(&f);
	assert_int_equal(unlink(f.key_file), 0);
	config = fixture_config(&f);
	assert_int_equal(nj_keeper_open(&config, &f.keeper, NULL, &why), NJ_ERR_NOT_FOUND);
	config.may_lock = true;
	assert_int_equal(nj_keeper_open(&config, &f.keeper, NULL, &why), NJ_OK);
	assert_true(nj_keeper_locked(f.keeper));
	nj_keeper_watch(f.keeper, &watch);
	nj_keeper_locked_verbs(verbs);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&f);
	return 0;
}

static enum nj_err ask_locked(const char *verb, json_t *args, json_t **out_ok)
{
	struct nj_why why;
	enum nj_err err =
	    nj_admin_ask_here(verbs, nj_keeper_verb_count, f.keeper, verb, args, NULL, NULL, out_ok, &why);

	json_decref(args);
	return err;
}

static json_t *tries(const char *first, const char *second)
{
	json_t *list = json_pack("[{s:i, s:s}]", "id", 3, "key", first);

	if (second != NULL)
		json_array_append_new(list, json_pack("{s:i, s:s}", "id", 4, "key", second));
	return json_pack("{s:o}", "tries", list);
}

static void keep_item(void *arg, const json_t *item)
{
	assert_int_equal(json_array_append((json_t *)arg, (json_t *)item), 0);
}

static size_t records_of(const char *event)
{
	json_t *items = json_array();
	json_t *args = json_pack("{s:s, s:i}", "event", event, "count", 100);
	struct nj_why why;
	size_t count;

	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, f.keeper, "audit.tail", args,
					   keep_item, items, NULL, &why),
			 NJ_OK);
	json_decref(args);
	count = json_array_size(items);
	json_decref(items);
	return count;
}

static void only_four_verbs_answer(void **state)
{
	json_t *ok = NULL;
	size_t refused = 0;

	for (size_t i = 0; i < nj_keeper_verb_count; i++)
		refused += ask_locked(nj_keeper_verbs[i].name, json_object(), NULL) == NJ_ERR_STATE;
	assert_int_equal(refused, nj_keeper_verb_count - 4);
	assert_int_equal(ask_locked("status", json_object(), &ok), NJ_OK);
	assert_true(json_is_true(json_object_get(json_object_get(ok, "vault"), "locked")));
	json_decref(ok);
	assert_int_equal(ask_locked("vault.unlock", json_object(), NULL), NJ_ERR_USAGE);
	assert_int_equal(ask_locked("vault.unlock", json_pack("{s:[{s:i, s:s}]}", "tries", "id", 3, "key", "00"), NULL),
			 NJ_ERR_USAGE);
}

static void five_tries_then_one_in_thirty_seconds(void **state)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask_locked("vault.unlock", tries(WRONG_HEX, NULL), NULL), NJ_ERR_FORGED);
	/* The right one is not looked at before its time either, and its being early costs nothing. */
	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_ERR_LIMIT);
	nj_clock_fake_advance_ms(&f.clock, 29999);
	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_ERR_LIMIT);
	nj_clock_fake_advance_ms(&f.clock, 1);
	assert_int_equal(ask_locked("vault.unlock", tries(WRONG_HEX, NULL), NULL), NJ_ERR_FORGED);
	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_ERR_LIMIT);
	nj_clock_fake_advance_ms(&f.clock, 30000);
	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_OK);
	assert_int_equal(unlocked, 1);
}

static void what_happened_is_recorded(void **state)
{
	struct nj_why why = { "" };

	assert_int_equal(ask_locked("vault.unlock", tries(WRONG_HEX, WRONG_HEX), NULL), NJ_ERR_FORGED);
	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, WRONG_HEX), NULL), NJ_OK);
	assert_false(nj_keeper_locked(f.keeper));
	nj_keeper_set_link(f.keeper, &f.gateway.link);
	assert_int_equal(nj_cloak_fake_new(&f.cloak), NJ_OK);
	assert_int_equal(nj_keeper_start(f.keeper, f.cloak, &why), NJ_OK);
	assert_int_equal(records_of("vault.degraded"), 1);
	assert_int_equal(records_of("vault.unlock-failed"), 1);
	assert_int_equal(records_of("vault.unlocked"), 1);
	assert_int_equal(records_of("vault.slot-added"), 1);
	assert_int_equal(ask(&f, "vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_ERR_STATE);
}

static void weak_slots_are_refused(void **state)
{
	json_t *args = json_pack("{s:i}", "id", 1);

	assert_int_equal(ask_locked("vault.unlock", tries(KEY_HEX, NULL), NULL), NJ_OK);
	assert_int_equal(ask(&f, "vault.slot.add", slot_args(65535), NULL), NJ_ERR_RANGE);
	assert_int_equal(ask(&f, "vault.slot.add", slot_args(65536), NULL), NJ_OK);
	assert_int_equal(ask(&f, "vault.slot.remove", args, NULL), NJ_OK);
	assert_int_equal(ask(&f, "vault.slot.remove", json_pack("{s:i}", "id", 1), NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(ask(&f, "vault.slot.remove", json_object(), NULL), NJ_ERR_USAGE);
	assert_int_equal(records_of("vault.slot-removed"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_four_verbs_answer),
		TEST(five_tries_then_one_in_thirty_seconds),
		TEST(what_happened_is_recorded),
		TEST(weak_slots_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
