/* Continuous keys in the keeper's store: the pending key, tombstones, and a store of before they were there. */
#include "unit/store/store_fixture.h"

#include <sqlite3.h>

#include "store/keeper_keys.h"

static struct nj_tombstone tombstone_row(const struct nj_keeper_device *device, uint32_t epoch, uint64_t buried_ms)
{
	struct nj_tombstone row = { .epoch = epoch, .buried_ms = buried_ms, .floor = 10 };

	memcpy(row.uid, device->uid, sizeof(row.uid));
	memset(row.sealed, (int)epoch, sizeof(row.sealed));
	return row;
}

static enum nj_err count_device(void *arg, const struct nj_keeper_device *device)
{
	++*(unsigned *)arg;
	return NJ_OK;
}

static void pending_key_becomes_the_key(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;
	uint8_t sealed[72];
	unsigned rekeying = 0;

	memset(sealed, 0x5a, sizeof(sealed));
	memset(in.sealed_recovery, 0x77, 72);
	in.sealed_recovery_len = 72;
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72), nj_view_of(NULL, 0)),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 500), NJ_ERR_NOT_FOUND);
	assert_int_equal(
	    nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72), nj_view_of("offer", 5)), NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 2, 500), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.epoch, 1);
	assert_int_equal(out.sealed_pending_len, 72);
	assert_int_equal(out.sealed_offer_len, 5);
	assert_int_equal(nj_keeper_store_device_each_rekeying(store, count_device, &rekeying), NJ_OK);
	assert_int_equal(rekeying, 1);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 500), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.epoch, 2);
	assert_int_equal(out.rekeyed_ms, 500);
	assert_int_equal(out.sealed_pending_len, 0);
	assert_int_equal(out.sealed_offer_len, 0);
	assert_int_equal(out.sealed_key_len, 72);
	assert_memory_equal(out.sealed_key, sealed, 72);
	assert_int_equal(out.sealed_recovery_len, 72);
	assert_memory_equal(out.sealed_recovery, in.sealed_recovery, 72);
	assert_int_equal(nj_keeper_store_device_each_rekeying(store, count_device, &rekeying), NJ_OK);
	assert_int_equal(rekeying, 1);
	/* Dropped, there is nothing to take. */
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72), nj_view_of(NULL, 0)),
			 NJ_OK);
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(NULL, 0), nj_view_of(NULL, 0)),
			 NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 2, 600), NJ_ERR_NOT_FOUND);
	nj_keeper_store_close(store);
}

static enum nj_err count_one(void *arg, const struct nj_tombstone *tombstone)
{
	++*(unsigned *)arg;
	return NJ_OK;
}

static unsigned tombstones(struct nj_keeper_store *store)
{
	unsigned count = 0;

	assert_int_equal(nj_keeper_store_tombstone_each(store, count_one, &count), NJ_OK);
	return count;
}

static void tombstones_come_and_go(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device a = device_row(1);
	struct nj_keeper_device b = device_row(2);
	struct nj_tombstone row = tombstone_row(&a, 1, 1000);
	struct nj_tombstone out;
	uint64_t cloned = 9;
	uint64_t count;
	unsigned old = 0;

	assert_int_equal(nj_keeper_store_device_insert(store, &a), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &row), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &row), NJ_ERR_EXISTS);
	row = tombstone_row(&a, 2, 2000);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &row), NJ_OK);
	row = tombstone_row(&b, 1, 3000);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &row), NJ_OK);
	assert_int_equal(tombstones(store), 3);
	assert_int_equal(nj_keeper_store_tombstone_raise_floor(store, a.uid, 1, 10), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_tombstone_raise_floor(store, a.uid, 1, 11), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_raise_floor(store, a.uid, 9, 11), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_tombstones_set_proven(store, a.uid), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_get(store, a.uid, 1, &out), NJ_OK);
	assert_true(out.proven);
	assert_int_equal(out.floor, 11);
	assert_int_equal(out.sealed[0], 1);
	assert_int_equal(nj_keeper_store_tombstone_get(store, b.uid, 1, &out), NJ_OK);
	assert_false(out.proven);
	assert_int_equal(nj_keeper_store_tombstones_count(store, &count), NJ_OK);
	assert_int_equal(count, 3);
	assert_int_equal(nj_keeper_store_tombstones_before(store, 3000, 10, count_one, &old), NJ_OK);
	assert_int_equal(old, 2);
	assert_int_equal(nj_keeper_store_tombstones_before(store, 3001, 2, count_one, &old), NJ_OK);
	assert_int_equal(old, 4);
	assert_int_equal(nj_keeper_store_tombstone_delete(store, a.uid, 1), NJ_OK);
	assert_int_equal(tombstones(store), 2);
	assert_int_equal(nj_keeper_store_tombstone_delete(store, b.uid, 1), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_delete(store, b.uid, 1), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_count_cloned(store, &cloned), NJ_OK);
	assert_int_equal(cloned, 0);
	assert_int_equal(nj_keeper_store_device_set_cloned(store, a.uid, 77), NJ_OK);
	assert_int_equal(nj_keeper_store_device_count_cloned(store, &cloned), NJ_OK);
	assert_int_equal(cloned, 1);
	/* A revoked device keeps no key of any kind. */
	assert_int_equal(nj_keeper_store_device_set_pending(store, a.uid, nj_view_of("k", 1), nj_view_of(NULL, 0)),
			 NJ_OK);
	assert_int_equal(nj_keeper_store_device_revoke(store, a.uid, 5000), NJ_OK);
	assert_int_equal(tombstones(store), 0);
	assert_int_equal(nj_keeper_store_device_get(store, a.uid, &a), NJ_OK);
	assert_int_equal(a.sealed_pending_len + a.sealed_key_len + a.sealed_recovery_len, 0);
	nj_keeper_store_close(store);
}

static enum nj_err note_epoch(void *arg, const struct nj_tombstone *tombstone)
{
	*(uint32_t *)arg = *(uint32_t *)arg * 10 + tombstone->epoch;
	return NJ_OK;
}

static uint32_t found(struct nj_keeper_store *store, uint8_t hint, uint64_t since_ms, uint64_t now_ms)
{
	const uint8_t bytes[8] = { hint };
	uint32_t epochs = 0;

	assert_int_equal(nj_keeper_store_hints_find(store, bytes, since_ms, now_ms, note_epoch, &epochs), NJ_OK);
	return epochs;
}

/* By week and hint, to the tombstone; two devices whose uids begin alike are told apart by nobody here. */
static void hints_lead_to_tombstones(void **state)
{
	static const uint8_t hints[3][8] = { { 1 }, { 2 }, { 3 } };
	const uint64_t week_ms = NJ_TOMBSTONE_WEEK_MS;
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device a = device_row(1);
	struct nj_keeper_device b = device_row(2);
	struct nj_tombstone first = tombstone_row(&a, 1, 10 * week_ms);
	struct nj_tombstone second = tombstone_row(&b, 2, 11 * week_ms - 1);
	struct nj_store_hint_at at = { 0 };
	uint64_t deleted;

	memcpy(b.uid, a.uid, 4);
	b.uid[15] ^= 1;
	memcpy(second.uid, b.uid, sizeof(second.uid));
	assert_int_equal(nj_keeper_store_device_insert(store, &a), NJ_OK);
	assert_int_equal(nj_keeper_store_device_insert(store, &b), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &first), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_insert(store, &second), NJ_OK);
	assert_int_equal(nj_keeper_store_hints_put(store, &first, hints, 2), NJ_OK);
	assert_int_equal(nj_keeper_store_hints_put(store, &first, hints, 2), NJ_OK);
	assert_int_equal(nj_keeper_store_hints_put(store, &second, hints + 1, 2), NJ_OK);
	assert_int_equal(found(store, 1, 0, 12 * week_ms), 1);
	assert_int_equal(found(store, 2, 0, 12 * week_ms), 12);
	assert_int_equal(found(store, 3, 10 * week_ms + 5, 11 * week_ms), 2);
	assert_int_equal(found(store, 3, 11 * week_ms, 12 * week_ms), 0);
	assert_int_equal(found(store, 3, 0, 10 * week_ms - 1), 0);
	assert_int_equal(found(store, 4, 0, 12 * week_ms), 0);
	assert_int_equal(nj_keeper_store_hints_remove(store, &first, hints + 1, 1), NJ_OK);
	assert_int_equal(found(store, 2, 0, 12 * week_ms), 2);
	/* A tombstone that is gone is not found, whatever its hints say. */
	assert_int_equal(nj_keeper_store_tombstone_delete(store, b.uid, 2), NJ_OK);
	assert_int_equal(found(store, 3, 0, 12 * week_ms), 0);
	assert_int_equal(nj_keeper_store_hints_delete_before(store, 11 * week_ms - 1, 10, &deleted), NJ_OK);
	assert_int_equal(deleted, 0);
	assert_int_equal(nj_keeper_store_hints_delete_before(store, 11 * week_ms, 2, &deleted), NJ_OK);
	assert_int_equal(deleted, 2);
	assert_int_equal(nj_keeper_store_hints_delete_before(store, 11 * week_ms, 2, &deleted), NJ_OK);
	assert_int_equal(deleted, 1);
	assert_int_equal(nj_keeper_store_hints_walk(store, &at, 10, NULL, NULL), NJ_OK);
	nj_keeper_store_close(store);
}

struct newest {
	size_t count;
	struct {
		uint8_t uid;
		uint32_t epoch;
	} at[16];
};

static enum nj_err note_newest(void *arg, const struct nj_tombstone *tombstone)
{
	struct newest *newest = arg;

	assert_true(newest->count < 16);
	newest->at[newest->count].uid = tombstone->uid[0];
	newest->at[newest->count++].epoch = tombstone->epoch;
	return NJ_OK;
}

/* Of each device that lives, as many as it has, up to those that were asked for. */
static void the_newest_of_each_device(void **state)
{
	static const struct {
		uint8_t uid;
		uint32_t epoch;
	} want[] = { { 2, 1 }, { 3, 8 }, { 3, 9 }, { 9, 4 }, { 9, 5 } };
	static const uint32_t epochs[10] = { [1] = 1, [2] = 2, [3] = 10, [5] = 7, [9] = 6 };
	struct nj_keeper_store *store = create_keeper(*state);
	struct newest newest = { 0 };

	assert_int_equal(nj_keeper_store_tombstones_newest(store, 2, note_newest, &newest), NJ_OK);
	assert_int_equal(newest.count, 0);
	for (uint8_t n = 0; n < 10; n++) {
		struct nj_keeper_device device = device_row(n);

		if (epochs[n] == 0)
			continue;
		memset(device.uid, n, sizeof(device.uid));
		device.epoch = epochs[n];
		assert_int_equal(nj_keeper_store_device_insert(store, &device), NJ_OK);
		for (uint32_t epoch = 1; epoch < epochs[n]; epoch++) {
			struct nj_tombstone row = tombstone_row(&device, epoch, 1000 * epoch);

			assert_int_equal(nj_keeper_store_tombstone_insert(store, &row), NJ_OK);
		}
		if (n == 5)
			assert_int_equal(nj_keeper_store_device_revoke(store, device.uid, 1), NJ_OK);
	}
	assert_int_equal(nj_keeper_store_tombstones_newest(store, 2, note_newest, &newest), NJ_OK);
	assert_int_equal(newest.count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < newest.count; i++) {
		assert_int_equal(newest.at[i].uid, want[i].uid);
		assert_int_equal(newest.at[i].epoch, want[i].epoch);
	}
	nj_keeper_store_close(store);
}

/* What the release before continuous keys wrote: brought up to date with every device as it was. */
static void store_of_version_4_is_migrated(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;
	sqlite3 *sql = NULL;

	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	nj_keeper_store_close(store);
	assert_int_equal(sqlite3_open(f->path, &sql), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(sql, UNDO_VERSION_8 UNDO_VERSION_7 UNDO_VERSION_6 UNDO_VERSION_5 "PRAGMA user_version = 4",
			 NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(sql);
	store = open_keeper(f);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_string_equal(out.name, in.name);
	assert_memory_equal(out.sealed_key, in.sealed_key, 72);
	assert_int_equal(out.rekeyed_ms, 0);
	assert_int_equal(out.sealed_pending_len, 0);
	assert_int_equal(out.sealed_recovery_len, 0);
	assert_int_equal(tombstones(store), 0);
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of("key", 3), nj_view_of(NULL, 0)),
			 NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 1), NJ_OK);
	nj_keeper_store_close(store);
}

/* The recovery key has its own floor, which moves for itself, and with a restore by 16 at most. */
static void recovery_has_its_own_floor(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;
	uint64_t before;

	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(store, in.uid, 1), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(store, in.uid, 5), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(store, in.uid, 5), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.recovery_floor, 5);
	assert_int_equal(out.floor, in.floor);
	before = out.floor;
	assert_int_equal(nj_keeper_store_restored_mark(store, 256), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.recovery_floor, 21);
	assert_int_equal(out.floor, before + 256);
	assert_int_equal(nj_keeper_store_restored_mark(store, 3), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.recovery_floor, 24);
	nj_keeper_store_close(store);
}

static void uids_come_in_pages(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	uint8_t after[NJ_STORE_UID_BYTES] = { 0 };
	uint8_t page[2][NJ_STORE_UID_BYTES];
	struct nj_keeper_device row;
	size_t count = 9;
	bool has = false;

	assert_int_equal(nj_keeper_store_restored_after(store, after, 2, page, &count), NJ_OK);
	assert_int_equal(count, 0);
	for (uint8_t i = 1; i <= 3; i++) {
		row = device_row(i);
		assert_int_equal(nj_keeper_store_device_insert(store, &row), NJ_OK);
	}
	assert_int_equal(nj_keeper_store_restored_mark(store, 0), NJ_OK);
	for (unsigned round = 0; round < 2; round++) {
		bool marked = round == 0;

		memset(after, 0, sizeof(after));
		for (unsigned want = 2; want < 3; want--) {
			assert_int_equal(marked ? nj_keeper_store_restored_after(store, after, 2, page, &count)
						: nj_keeper_store_device_after(store, after, 2, page, &count),
					 NJ_OK);
			assert_int_equal(count, want == 2 ? 2 : want == 1 ? 1 : 0);
			if (count > 0)
				memcpy(after, page[count - 1], sizeof(after));
		}
	}
	assert_int_equal(nj_keeper_store_restored_has(store, row.uid, &has), NJ_OK);
	assert_true(has);
	/* Who is revoked is waited for no more. */
	assert_int_equal(nj_keeper_store_device_revoke(store, row.uid, 1), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_has(store, row.uid, &has), NJ_OK);
	assert_false(has);
	nj_keeper_store_close(store);
}

/* What the release before recovery wrote. */
static void store_of_version_7_is_migrated(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;
	sqlite3 *sql = NULL;

	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	nj_keeper_store_close(store);
	assert_int_equal(sqlite3_open(f->path, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, UNDO_VERSION_8 "PRAGMA user_version = 7", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
	store = open_keeper(f);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_memory_equal(out.sealed_key, in.sealed_key, 72);
	assert_int_equal(out.recovery_floor, 0);
	assert_int_equal(out.sealed_offer_len, 0);
	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(store, in.uid, 1), NJ_OK);
	nj_keeper_store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(pending_key_becomes_the_key),    TEST(tombstones_come_and_go),
		TEST(hints_lead_to_tombstones),       TEST(the_newest_of_each_device),
		TEST(recovery_has_its_own_floor),     TEST(uids_come_in_pages),
		TEST(store_of_version_4_is_migrated), TEST(store_of_version_7_is_migrated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
