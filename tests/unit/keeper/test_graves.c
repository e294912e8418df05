/* Tombstones of 90 days: all of them are known, few lie in memory, and no flood has them looked up faster. */
#include "unit/keeper/keeper_fixture.h"

#include "keeper/internal.h"
#include "keeper/tombstone.h"

#define HOUR_MS (60 * 60 * 1000)
#define DAY_MS (24 * UINT64_C(60) * 60 * 1000)
#define MOST 2160 /* a rekey an hour for 90 days */
#define FLOOR 5   /* of each tombstone */
#define HERE "198.51.100.9"

static struct fixture fx;
static uint8_t keys[MOST + 2][NJ_KEY_BYTES]; /* by epoch */
static struct device device;

static int set_up(void **state)
{
	fixture_new(&fx);
	fixture_open(&fx);
	set_profile(&fx, "sensor", "mqtts", false);
	add_device(&fx, "d1", "sensor", &device);
	memcpy(keys[1], device.root_key, NJ_KEY_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&fx);
	return 0;
}

static void restart(void)
{
	fixture_drop(&fx);
	fixture_start(&fx);
}

static void bury_one(uint32_t epoch, uint64_t buried_ms, bool indexed)
{
	struct nj_tombstone tombstone = { .epoch = epoch, .buried_ms = buried_ms, .floor = FLOOR, .proven = true };
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];

	memcpy(tombstone.uid, device.uid, sizeof(tombstone.uid));
	nj_tombstone_seal(fx.keeper->vault, keys[epoch], &tombstone);
	nj_knock_derive_hint_key(keys[epoch], device.uid, hint_key);
	if (indexed)
		assert_int_equal(nj_tombstone_bury(fx.keeper->store, &tombstone, hint_key), NJ_OK);
	else
		assert_int_equal(nj_keeper_store_tombstone_insert(fx.keeper->store, &tombstone), NJ_OK);
}

/* The device as it is after `count` rekeys, one an hour, the last one now. */
static void rekeyed(uint32_t count, bool indexed)
{
	uint64_t now_ms = nj_clock_wall_ms(&fx.clock.clock);
	uint8_t sealed[NJ_KEY_BYTES + NJ_VAULT_OVERHEAD];
	struct nj_keeper_store *store = fx.keeper->store;

	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	for (uint32_t epoch = 1; epoch <= count; epoch++) {
		uint64_t buried_ms = now_ms - (count - epoch) * (uint64_t)HOUR_MS;

		bury_one(epoch, buried_ms, indexed);
		nj_random_fill(&fx.random.random, keys[epoch + 1], NJ_KEY_BYTES);
		nj_vault_seal_root_key(fx.keeper->vault, device.uid, epoch + 1, keys[epoch + 1], sealed);
		assert_int_equal(nj_keeper_store_device_set_pending(
				     store, device.uid, nj_view_of(sealed, sizeof(sealed)), nj_view_of(NULL, 0)),
				 NJ_OK);
		assert_int_equal(nj_keeper_store_device_rekey(store, device.uid, epoch, buried_ms), NJ_OK);
	}
	assert_int_equal(nj_keeper_store_commit(store), NJ_OK);
	restart();
}

static void knock_under(uint32_t epoch, uint64_t counter)
{
	struct device sender = device;

	nj_knock_derive(keys[epoch], device.uid, &sender.keys);
	deliver_new(&fx, &sender, counter, HERE);
}

static uint64_t alarms(void)
{
	return nj_keeper_counters(fx.keeper)->cloned;
}

static size_t in_memory(void)
{
	return nj_spares_count(nj_keeper_spares(fx.keeper));
}

static bool filter_knows(uint32_t epoch, uint64_t counter)
{
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	nj_knock_derive_hint_key(keys[epoch], device.uid, hint_key);
	nj_knock_hint(hint_key, counter, hint);
	return nj_cloak_fake_has_hint(fx.cloak, hint);
}

static void every_key_of_90_days_is_known(void **state)
{
	static const uint32_t epochs[] = { 1, 2, MOST / 2, MOST - 2, MOST - 1, MOST };

	rekeyed(MOST, true);
	assert_int_equal(in_memory(), NJ_GRAVES_RESIDENT);
	advance(&fx, 10000);
	for (uint32_t epoch = 1; epoch <= MOST; epoch++) {
		assert_true(filter_knows(epoch, FLOOR + 1));
		assert_true(filter_knows(epoch, FLOOR + NJ_KNOCK_WINDOW));
	}
	for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		knock_under(epochs[i], FLOOR + 1 + i);
		assert_int_equal(alarms(), i + 1);
	}
	/* What was dug out does not stay. */
	assert_int_equal(in_memory(), NJ_GRAVES_RESIDENT + 4);
	advance(&fx, NJ_GRAVES_DUG_MS + 1200);
	assert_int_equal(in_memory(), NJ_GRAVES_RESIDENT);
	/* The device itself opens as ever. */
	knock_under(MOST + 1, 1);
	assert_int_equal(fx.gateway.grant_count, 1);
}

/* Each counter is told of once, whether the tombstone stays in memory, leaves it, or the keeper starts anew. */
static void its_window_slides_in_the_store(void **state)
{
	rekeyed(10, true);
	knock_under(1, FLOOR);
	knock_under(1, FLOOR + NJ_KNOCK_WINDOW + 1);
	assert_int_equal(alarms(), 0);
	knock_under(1, FLOOR + NJ_KNOCK_WINDOW);
	assert_int_equal(alarms(), 1);
	knock_under(1, FLOOR + NJ_KNOCK_WINDOW);
	advance(&fx, NJ_GRAVES_DUG_MS + 1200);
	assert_int_equal(in_memory(), NJ_GRAVES_RESIDENT);
	for (uint64_t counter = 1; counter <= FLOOR + NJ_KNOCK_WINDOW; counter++)
		knock_under(1, counter);
	assert_int_equal(alarms(), 1);
	restart();
	advance(&fx, 1200);
	knock_under(1, FLOOR + NJ_KNOCK_WINDOW);
	knock_under(1, FLOOR + 2 * NJ_KNOCK_WINDOW + 1);
	assert_int_equal(alarms(), 0);
	assert_true(filter_knows(1, FLOOR + 2 * NJ_KNOCK_WINDOW));
	knock_under(1, FLOOR + 2 * NJ_KNOCK_WINDOW);
	assert_int_equal(alarms(), 1);
}

static void junk(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct knock knock;

		nj_random_fill(&fx.random.random, knock.bytes, sizeof(knock.bytes));
		knock.datagram.bytes = nj_view_of(knock.bytes, sizeof(knock.bytes));
		knock.datagram.source = address(HERE);
		nj_keeper_datagrams(fx.keeper, &knock.datagram, 1);
	}
}

/* Junk that passes the filter has few looked up; the newest are found all the same. */
static void look_ups_have_a_pace(void **state)
{
	struct device sender = device;
	struct knock old;

	rekeyed(10, true);
	nj_knock_derive(keys[1], device.uid, &sender.keys);
	knock_make(&fx, &sender, FLOOR + 1, HERE, &old);
	junk(NJ_GRAVES_DIG_BURST - 1);
	assert_int_equal(fx.keeper->graves.look_ups, NJ_GRAVES_DIG_BURST - 1);
	junk(1);
	assert_int_equal(fx.keeper->graves.look_ups, NJ_GRAVES_DIG_BURST);
	junk(100000);
	assert_int_equal(fx.keeper->graves.look_ups, NJ_GRAVES_DIG_BURST);
	deliver(&fx, &old);
	assert_int_equal(alarms(), 0);
	knock_under(10, FLOOR + 1);
	assert_int_equal(alarms(), 1);
	nj_clock_fake_advance_ms(&fx.clock, NJ_GRAVES_DIG_MS);
	deliver(&fx, &old);
	assert_int_equal(alarms(), 2);
}

static void at_least_a_look_up(void *arg, const uint8_t hint[8])
{
	(*(size_t *)arg)++;
}

static size_t hints_stored(void)
{
	struct nj_store_hint_at at = { 0 };
	size_t count = 0;

	while (nj_keeper_store_hints_walk(fx.keeper->store, &at, 100, at_least_a_look_up, &count) == NJ_ERR_AGAIN)
		;
	return count;
}

static void they_go_after_90_days(void **state)
{
	uint64_t count;

	rekeyed(1000, true);
	assert_int_equal(hints_stored(), 1000 * NJ_KNOCK_WINDOW);
	/* The first was buried 999 hours ago: to the day before its 90th, it is there. */
	nj_clock_fake_advance_ms(&fx.clock, 90 * DAY_MS - 1001 * (uint64_t)HOUR_MS);
	advance(&fx, 2000);
	knock_under(1, FLOOR + 1);
	assert_int_equal(alarms(), 1);
	nj_clock_fake_advance_ms(&fx.clock, 2 * HOUR_MS);
	advance(&fx, 5000);
	advance(&fx, NJ_GRAVES_DUG_MS);
	knock_under(1, FLOOR + 2);
	assert_int_equal(alarms(), 1);
	knock_under(3, FLOOR + 1);
	assert_int_equal(alarms(), 2);
	nj_clock_fake_advance_ms(&fx.clock, 1001 * (uint64_t)HOUR_MS);
	advance(&fx, 10000);
	assert_int_equal(nj_keeper_store_tombstones_count(fx.keeper->store, &count), NJ_OK);
	assert_int_equal(count, 0);
	assert_int_equal(in_memory(), 0);
	/* Hints go by weeks. */
	nj_clock_fake_advance_ms(&fx.clock, NJ_TOMBSTONE_WEEK_MS);
	advance(&fx, 10000);
	assert_int_equal(hints_stored(), 0);
}

/* A store of the release before: its tombstones had no hints beside them. */
static void older_stores_are_indexed(void **state)
{
	rekeyed(60, false);
	assert_int_equal(hints_stored(), 60 * NJ_KNOCK_WINDOW);
	advance(&fx, 1200);
	knock_under(1, FLOOR + 1);
	assert_int_equal(alarms(), 1);
	restart();
	assert_int_equal(hints_stored(), 60 * NJ_KNOCK_WINDOW);
}

static void a_rebuilt_filter_knows_them(void **state)
{
	rekeyed(300, true);
	fx.keeper->rebuild_part = NJ_REBUILD_DEVICES;
	assert_int_equal(fx.cloak->ops->rebuild_begin(fx.cloak, 100000), NJ_OK);
	nj_window_walk_begin(&fx.keeper->walk);
	fx.keeper->rebuilding = true;
	advance(&fx, 5000);
	assert_false(fx.keeper->rebuilding);
	for (uint32_t epoch = 1; epoch <= 300; epoch++)
		assert_true(filter_knows(epoch, FLOOR + 16));
}

static void revoked_devices_have_none(void **state)
{
	rekeyed(10, true);
	knock_under(1, FLOOR + 1);
	assert_int_equal(alarms(), 1);
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_OK);
	assert_int_equal(in_memory(), 0);
	knock_under(2, FLOOR + 1);
	knock_under(10, FLOOR + 1);
	assert_int_equal(alarms(), 1);
	restart();
	knock_under(2, FLOOR + 2);
	assert_int_equal(alarms(), 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(every_key_of_90_days_is_known), ROW(its_window_slides_in_the_store),
		ROW(look_ups_have_a_pace),          ROW(they_go_after_90_days),
		ROW(older_stores_are_indexed),      ROW(a_rebuilt_filter_knows_them),
		ROW(revoked_devices_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
