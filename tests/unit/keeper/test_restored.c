/* After a restore: raised floors, refused times, marks that go with proof, a counter moved on by hand. */
#include "unit/keeper/keeper_fixture.h"

#include "store/keeper_store.h"

static struct fixture f;
static struct device pump;

static void put_back(uint64_t raise)
{
	struct nj_keeper_store *store = NULL;
	char at[32];

	fixture_drop(&f);
	assert_int_equal(nj_keeper_store_open(f.store, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_mark(store, raise), NJ_OK);
	(void)snprintf(at, sizeof(at), "%llu", (unsigned long long)nj_clock_wall_ms(&f.clock.clock));
	assert_int_equal(nj_keeper_store_meta_put(store, "restored.at_ms", at), NJ_OK);
	assert_int_equal(nj_keeper_store_meta_put(store, "restored.unrecorded", "a backup"), NJ_OK);
	nj_keeper_store_close(store);
	fixture_start(&f);
}

static int set_up(void **state)
{
	fixture_new(&f);
	fixture_start(&f);
	set_profile(&f, "p", "mqtts", false);
	add_device(&f, "pump", "p", &pump);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&f);
	return 0;
}

static uint64_t status(const char *key)
{
	json_t *ok = NULL;
	uint64_t value;

	assert_int_equal(ask(&f, "status", json_object(), &ok), NJ_OK);
	value = (uint64_t)json_integer_value(json_object_get(ok, key));
	json_decref(ok);
	return value;
}

static uint64_t accepted(void)
{
	return nj_keeper_counters(f.keeper)->accepted;
}

static void knock(uint64_t counter)
{
	deliver_new(&f, &pump, counter, "192.0.2.7");
	advance(&f, 30);
}

static void what_was_recorded_is_dead(void **state)
{
	put_back(256);
	knock(1);
	knock(16);
	knock(256);
	assert_int_equal(accepted(), 0);
	knock(257);
	assert_int_equal(accepted(), 1);
	knock(272);
	assert_int_equal(accepted(), 2);
	knock(289);
	assert_int_equal(accepted(), 2);
}

/* What remains, unless the restore is strict: of a counter beyond, a recorded knock opens the port of whoever sends it,
 * once. No session comes of it: the one-time key is the device's. */
static void what_was_recorded_beyond_opens_a_port_once(void **state)
{
	struct knock recorded;
	struct nj_knock_keys keys;
	uint8_t psk[32];

	knock_make(&f, &pump, 260, "192.0.2.7", &recorded);
	put_back(256);
	recorded.datagram.source = address("198.51.100.66");
	deliver(&f, &recorded);
	assert_int_equal(accepted(), 1);
	nj_keeper_ack(f.keeper, f.gateway.grants[0].id);
	assert_true(passes(&f, "198.51.100.66", PORT));
	assert_false(passes(&f, "192.0.2.7", PORT));
	/* Whoever comes must know the key of this very knock. */
	nj_knock_derive(pump.root_key, pump.uid, &keys);
	nj_knock_psk(&keys, recorded.bytes, psk);
	assert_memory_equal(f.gateway.grants[0].psk, psk, sizeof(psk));
	assert_int_equal(status("restored_left"), 1);
	deliver(&f, &recorded);
	assert_int_equal(accepted(), 1);
	/* Raised further, it would have opened nothing. */
	assert_int_equal(ask(&f, "device.raise", json_pack("{s:s, s:i}", "name", "pump", "by", 100), NULL), NJ_OK);
	knock_make(&f, &pump, 300, "192.0.2.7", &recorded);
	deliver(&f, &recorded);
	assert_int_equal(accepted(), 1);
}

static void count_item(void *arg, const json_t *item)
{
	++*(unsigned *)arg;
}

static unsigned records(void)
{
	json_t *args = json_pack("{s:s}", "event", "restored");
	struct nj_why why;
	unsigned count = 0;

	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, f.keeper, "audit.tail", args,
					   count_item, &count, NULL, &why),
			 NJ_OK);
	json_decref(args);
	return count;
}

static void it_is_recorded_once(void **state)
{
	assert_int_equal(records(), 0);
	put_back(0);
	assert_int_equal(records(), 1);
	assert_int_equal(status("restored_left"), 1);
	fixture_drop(&f);
	fixture_start(&f);
	assert_int_equal(records(), 1);
	assert_int_equal(status("restored_left"), 1);
}

static void times_before_it_are_refused(void **state)
{
	put_back(0);
	pump.body.time_ms = nj_clock_wall_ms(&f.clock.clock) - 1;
	knock(1);
	assert_int_equal(nj_keeper_counters(f.keeper)->refused, 1);
	pump.body.time_ms = nj_clock_wall_ms(&f.clock.clock);
	knock(2);
	assert_int_equal(accepted(), 1);
	/* None is no lie. */
	pump.body.time_ms = 0;
	knock(3);
	assert_int_equal(accepted(), 2);
}

static void the_mark_goes_with_proof(void **state)
{
	struct nj_ipc_bound bound = { .local_port = PORT };

	put_back(0);
	knock(1);
	assert_int_equal(accepted(), 1);
	/* An accepted knock may be a copy. */
	assert_int_equal(status("restored_left"), 1);
	bound.grant_id = f.gateway.grants[f.gateway.grant_count - 1].id;
	bound.peer = address("192.0.2.7");
	nj_keeper_ack(f.keeper, bound.grant_id);
	nj_keeper_bound(f.keeper, &bound);
	assert_int_equal(status("restored_left"), 0);
}

static void a_counter_is_moved_on(void **state)
{
	put_back(0);
	knock(5);
	assert_int_equal(accepted(), 1);
	assert_int_equal(ask(&f, "device.raise", json_pack("{s:s, s:i}", "name", "pump", "by", 0), NULL), NJ_ERR_RANGE);
	assert_int_equal(ask(&f, "device.raise", json_pack("{s:s, s:i}", "name", "pump", "by", 1000001), NULL),
			 NJ_ERR_USAGE);
	assert_int_equal(ask(&f, "device.raise", json_pack("{s:s, s:i}", "name", "none", "by", 5), NULL),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(ask(&f, "device.raise", json_pack("{s:s, s:i}", "name", "pump", "by", 100), NULL), NJ_OK);
	knock(6);
	knock(105);
	assert_int_equal(accepted(), 1);
	knock(106);
	assert_int_equal(accepted(), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_recorded_is_dead), TEST(what_was_recorded_beyond_opens_a_port_once),
		TEST(it_is_recorded_once),       TEST(times_before_it_are_refused),
		TEST(the_mark_goes_with_proof),  TEST(a_counter_is_moved_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
