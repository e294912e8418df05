/* What a store that is replaced knows of the time since the backup: exactly, not at all, or not to be believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/restore.h"
#include "daemon/since.h"
#include "store/keeper_keys.h"

#define RAISE 256

struct fixture {
	char dir[64];
	char backup[96], old[96];
	struct nj_keeper_store *store; /* the backup's */
};

static struct fixture f;

static struct nj_keeper_device row_of(uint8_t number, uint32_t epoch, uint64_t floor)
{
	struct nj_keeper_device row = { .uid = { number },
					.kind = 1,
					.state = NJ_DEVICE_LIVE,
					.epoch = epoch,
					.floor = floor,
					.sealed_key_len = 4 };

	(void)snprintf(row.customer, sizeof(row.customer), "main");
	(void)snprintf(row.name, sizeof(row.name), "d%u", number);
	(void)snprintf(row.profile, sizeof(row.profile), "p");
	return row;
}

static void put(struct nj_keeper_store *store, uint8_t number, uint32_t epoch, uint64_t floor)
{
	const struct nj_keeper_device row = row_of(number, epoch, floor);

	assert_int_equal(nj_keeper_store_device_insert(store, &row), NJ_OK);
}

static struct nj_keeper_store *make(const char *path)
{
	struct nj_keeper_store *store = NULL;

	assert_int_equal(nj_keeper_store_open(path, NJ_STORE_CREATE, &store, NULL), NJ_OK);
	return store;
}

/* Three devices: one still, one that had changed its key already, one that had not. */
static int set_up(void **state)
{
	f = (struct fixture){ .store = NULL };
	(void)snprintf(f.dir, sizeof(f.dir), "/tmp/nj-since-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	(void)snprintf(f.backup, sizeof(f.backup), "%s/backup.db", f.dir);
	(void)snprintf(f.old, sizeof(f.old), "%s/old.db", f.dir);
	f.store = make(f.backup);
	put(f.store, 1, 1, 10);
	put(f.store, 2, 5, 20);
	put(f.store, 3, 1, 30);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "backup.db", "backup.db-wal", "old.db", "old.db-wal" };
	char path[128];

	nj_keeper_store_close(f.store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f.dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(f.dir);
	return 0;
}

static struct nj_since settle(void)
{
	struct nj_since since;

	assert_int_equal(nj_keeper_store_begin(f.store), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_mark(f.store, RAISE), NJ_OK);
	assert_int_equal(nj_since_settle(f.store, RAISE, f.old, &since), NJ_OK);
	assert_int_equal(nj_keeper_store_commit(f.store), NJ_OK);
	return since;
}

static uint64_t floor_of(uint8_t number)
{
	const uint8_t uid[NJ_STORE_UID_BYTES] = { number };
	struct nj_keeper_device row;

	assert_int_equal(nj_keeper_store_device_get(f.store, uid, &row), NJ_OK);
	return row.floor;
}

static void nothing_is_there(void **state)
{
	struct nj_since since = settle();

	assert_false(since.known);
	assert_int_equal(since.may_rekey, 1);
	assert_int_equal(floor_of(1), 10 + RAISE);
	/* Nor made. */
	assert_int_not_equal(access(f.old, F_OK), 0);
}

static void it_is_known_exactly(void **state)
{
	struct nj_keeper_store *old = make(f.old);
	const uint8_t third[NJ_STORE_UID_BYTES] = { 3 };
	struct nj_since since;

	put(old, 1, 1, 10);
	put(old, 2, 7, 5000);
	put(old, 3, 1, 31);
	put(old, 4, 1, 0);
	assert_int_equal(nj_keeper_store_device_revoke(old, third, 1), NJ_OK);
	nj_keeper_store_close(old);
	since = settle();
	assert_true(since.known);
	assert_int_equal(since.rekeyed, 1);
	assert_int_equal(since.revoked, 1);
	assert_int_equal(since.added, 1);
	assert_int_equal(since.moved_most, 4980);
	/* What it has burnt stays burnt; what it knows less of rises all the same. */
	assert_int_equal(floor_of(1), 10 + RAISE);
	assert_int_equal(floor_of(2), 5000);
	assert_int_equal(floor_of(3), 30 + RAISE);
}

static uint64_t recovery_floor_of(uint8_t number)
{
	const uint8_t uid[NJ_STORE_UID_BYTES] = { number };
	struct nj_keeper_device row;

	assert_int_equal(nj_keeper_store_device_get(f.store, uid, &row), NJ_OK);
	return row.recovery_floor;
}

/* A recovery key has a line of counters of its own, and a replay under it opens a port too. */
static void what_a_recovery_key_has_burnt_stays_burnt(void **state)
{
	const uint8_t first[NJ_STORE_UID_BYTES] = { 1 };
	const uint8_t second[NJ_STORE_UID_BYTES] = { 2 };
	struct nj_keeper_store *old = make(f.old);

	put(old, 1, 1, 10);
	put(old, 2, 5, 20);
	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(old, first, 70), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_recovery_floor(old, second, NJ_RESTORE_RAISE_MAX + 17), NJ_OK);
	nj_keeper_store_close(old);
	assert_true(settle().known);
	assert_int_equal(recovery_floor_of(1), 70);
	assert_int_equal(recovery_floor_of(2), 16);
	assert_int_equal(recovery_floor_of(3), 16);
}

/* A backup whose floors cannot be raised is not put in place as if they were. */
static void a_backup_that_cannot_be_written_fails(void **state)
{
	static const char broken[] = "CREATE TRIGGER t BEFORE UPDATE ON devices WHEN new.floor = 5000 "
				     "BEGIN SELECT RAISE(ABORT, 'broken'); END;";
	struct nj_keeper_store *old = make(f.old);
	struct nj_since since;
	sqlite3 *sql = NULL;

	put(old, 2, 5, 5000);
	nj_keeper_store_close(old);
	nj_keeper_store_close(f.store);
	assert_int_equal(sqlite3_open(f.backup, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, broken, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(sql), SQLITE_OK);
	assert_int_equal(nj_keeper_store_open(f.backup, NJ_STORE_OPEN, &f.store, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_begin(f.store), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_mark(f.store, RAISE), NJ_OK);
	assert_int_not_equal(nj_since_settle(f.store, RAISE, f.old, &since), NJ_OK);
	nj_keeper_store_rollback(f.store);
}

static void one_that_is_behind_says_nothing_of_since(void **state)
{
	struct nj_keeper_store *old = make(f.old);

	put(old, 1, 1, 9);
	put(old, 2, 5, 900);
	nj_keeper_store_close(old);
	assert_false(settle().known);
	assert_int_equal(floor_of(1), 10 + RAISE);
	assert_int_equal(floor_of(2), 900);
}

static void anothers_is_not_believed(void **state)
{
	struct nj_keeper_store *old = make(f.old);

	put(old, 9, 1, 9);
	nj_keeper_store_close(old);
	assert_false(settle().known);
	assert_int_equal(floor_of(1), 10 + RAISE);
}

static void a_counter_out_of_all_reason_shuts_nobody_out(void **state)
{
	struct nj_keeper_store *old = make(f.old);

	put(old, 1, 1, 10 + RAISE + NJ_RESTORE_RAISE_MAX);
	put(old, 2, 5, 20 + RAISE + NJ_RESTORE_RAISE_MAX + 1);
	nj_keeper_store_close(old);
	(void)settle();
	assert_int_equal(floor_of(1), 10 + RAISE + NJ_RESTORE_RAISE_MAX);
	assert_int_equal(floor_of(2), 20 + RAISE);
}

static void damage_is_no_error_and_nothing_is_written(void **state)
{
	struct stat before;
	struct stat after;
	FILE *file = fopen(f.old, "w");

	assert_non_null(file);
	for (int i = 0; i < 4096; i++)
		(void)fputc(i, file);
	(void)fclose(file);
	assert_int_equal(stat(f.old, &before), 0);
	assert_false(settle().known);
	assert_int_equal(stat(f.old, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

/* One of the first version, which is read as it is: an older program may want it back. */
static void an_older_version_is_read_and_not_brought_up_to_date(void **state)
{
	struct nj_keeper_store *old = make(f.old);
	sqlite3 *sql = NULL;

	put(old, 1, 2, 500);
	nj_keeper_store_close(old);
	assert_int_equal(sqlite3_open(f.old, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql,
				      "ALTER TABLE devices DROP COLUMN recovery_floor;"
				      "ALTER TABLE devices DROP COLUMN sealed_offer; PRAGMA user_version = 7",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(sql);
	assert_int_equal(settle().rekeyed, 1);
	assert_int_equal(floor_of(1), 500);
	assert_int_equal(sqlite3_open(f.old, &sql), SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(sql, "SELECT recovery_floor FROM devices", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(nothing_is_there),
		ROW(it_is_known_exactly),
		ROW(what_a_recovery_key_has_burnt_stays_burnt),
		ROW(a_backup_that_cannot_be_written_fails),
		ROW(one_that_is_behind_says_nothing_of_since),
		ROW(anothers_is_not_believed),
		ROW(a_counter_out_of_all_reason_shuts_nobody_out),
		ROW(damage_is_no_error_and_nothing_is_written),
		ROW(an_older_version_is_read_and_not_brought_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
