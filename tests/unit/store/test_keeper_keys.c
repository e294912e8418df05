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
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72)), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 500), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72)), NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 2, 500), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.epoch, 1);
	assert_int_equal(out.sealed_pending_len, 72);
	assert_int_equal(nj_keeper_store_device_each_rekeying(store, count_device, &rekeying), NJ_OK);
	assert_int_equal(rekeying, 1);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 500), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.epoch, 2);
	assert_int_equal(out.rekeyed_ms, 500);
	assert_int_equal(out.sealed_pending_len, 0);
	assert_int_equal(out.sealed_key_len, 72);
	assert_memory_equal(out.sealed_key, sealed, 72);
	assert_int_equal(out.sealed_recovery_len, 72);
	assert_memory_equal(out.sealed_recovery, in.sealed_recovery, 72);
	assert_int_equal(nj_keeper_store_device_each_rekeying(store, count_device, &rekeying), NJ_OK);
	assert_int_equal(rekeying, 1);
	/* Dropped, there is nothing to take. */
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(sealed, 72)), NJ_OK);
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of(NULL, 0)), NJ_OK);
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
	assert_int_equal(nj_keeper_store_tombstones_delete_before(store, 2000), NJ_OK);
	assert_int_equal(tombstones(store), 2);
	assert_int_equal(nj_keeper_store_tombstone_delete(store, b.uid, 1), NJ_OK);
	assert_int_equal(nj_keeper_store_tombstone_delete(store, b.uid, 1), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_count_cloned(store, &cloned), NJ_OK);
	assert_int_equal(cloned, 0);
	assert_int_equal(nj_keeper_store_device_set_cloned(store, a.uid, 77), NJ_OK);
	assert_int_equal(nj_keeper_store_device_count_cloned(store, &cloned), NJ_OK);
	assert_int_equal(cloned, 1);
	/* A revoked device keeps no key of any kind. */
	assert_int_equal(nj_keeper_store_device_set_pending(store, a.uid, nj_view_of("k", 1)), NJ_OK);
	assert_int_equal(nj_keeper_store_device_revoke(store, a.uid, 5000), NJ_OK);
	assert_int_equal(tombstones(store), 0);
	assert_int_equal(nj_keeper_store_device_get(store, a.uid, &a), NJ_OK);
	assert_int_equal(a.sealed_pending_len + a.sealed_key_len + a.sealed_recovery_len, 0);
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
	assert_int_equal(sqlite3_exec(sql, UNDO_VERSION_6 UNDO_VERSION_5 "PRAGMA user_version = 4", NULL, NULL, NULL),
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
	assert_int_equal(nj_keeper_store_device_set_pending(store, in.uid, nj_view_of("key", 3)), NJ_OK);
	assert_int_equal(nj_keeper_store_device_rekey(store, in.uid, 1, 1), NJ_OK);
	nj_keeper_store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(pending_key_becomes_the_key),
		TEST(tombstones_come_and_go),
		TEST(store_of_version_4_is_migrated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
