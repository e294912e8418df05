/*
 * Damaged, foreign and newer files; the n-th write or sync that fails; a full disk; death in the middle of a
 * transaction. Faults come from a VFS shim over SQLite's own, which counts down.
 */
#include "store/keeper_certificates.h"
#include "unit/store/fault_vfs.h"
#include "unit/store/store_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "store/sqlite/db.h"

static int shim_setup(void **state)
{
	fault_vfs_begin();
	return fixture_setup(state);
}

static int shim_teardown(void **state)
{
	fault_vfs_end();
	return fixture_teardown(state);
}

/* ---- helpers ---- */

static void edit(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, real_vfs->zName), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void edit_and_die(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	if (sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, real_vfs->zName) == SQLITE_OK &&
	    sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		kill(getpid(), SIGKILL);
}

static void poke(struct fixture *f, off_t at, const char *bytes, size_t len)
{
	int fd = open(f->path, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

/* Opening must fail so, say what to do, and leave every byte of the file as it was. */
static void refused(struct fixture *f, enum nj_err want, const char *words)
{
	struct nj_keeper_store *store = NULL;
	struct nj_why why = { "" };
	char *before;
	char *after;
	size_t before_len;
	size_t after_len;

	assert_int_equal(nj_file_read(f->path, 1 << 26, &before, &before_len, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_open(f->path, NJ_STORE_OPEN, &store, &why), want);
	assert_null(store);
	if (strstr(why.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", why.text, words);
	assert_int_equal(nj_file_read(f->path, 1 << 26, &after, &after_len, NULL), NJ_OK);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
	free(before);
	free(after);
}

static void fill(struct fixture *f, uint32_t count)
{
	struct nj_keeper_store *store = create_keeper(f);

	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	for (uint32_t i = 0; i < count; i++) {
		struct nj_keeper_device device = device_row(i);

		assert_int_equal(nj_keeper_store_device_insert(store, &device), NJ_OK);
	}
	assert_int_equal(nj_keeper_store_commit(store), NJ_OK);
	nj_keeper_store_close(store);
}

/* ---- what is refused ---- */

static void newer(void **state)
{
	fill(*state, 1);
	edit(*state, "PRAGMA user_version = 1000");
	refused(*state, NJ_ERR_NEWER, "newer Nightjar");
}

static void foreign(void **state)
{
	struct fixture *f = *state;

	fill(f, 1);
	edit(f, "PRAGMA application_id = 7");
	refused(f, NJ_ERR_CORRUPT, "restore");
	assert_int_equal(truncate(f->path, 0), 0);
	refused(f, NJ_ERR_CORRUPT, "restore");
	poke(f, 0, "this is a text, not a database: no magic, no pages", 50);
	refused(f, NJ_ERR_CORRUPT, "restore");
}

static void damaged(void **state)
{
	struct fixture *f = *state;
	static char noise[4096];
	struct stat status;

	fill(f, 300);
	assert_int_equal(stat(f->path, &status), 0);
	memset(noise, 0xa5, sizeof(noise));
	poke(f, status.st_size / 2 / 4096 * 4096, noise, sizeof(noise));
	refused(f, NJ_ERR_CORRUPT, "restore");
}

static void cut_short(void **state)
{
	struct fixture *f = *state;
	struct stat status;

	fill(f, 300);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(truncate(f->path, status.st_size / 2 / 4096 * 4096), 0);
	refused(f, NJ_ERR_CORRUPT, "restore");
}

/* Another process asks for the store: busy, and it says why. */
static void ask_from_outside(struct fixture *f)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct nj_keeper_store *second = NULL;
		struct nj_why why;
		enum nj_err err = nj_keeper_store_open(f->path, NJ_STORE_OPEN, &second, &why);

		_exit(err == NJ_ERR_BUSY && strstr(why.text, "running") != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void in_use(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);

	ask_from_outside(*state);
	nj_keeper_store_close(store);
	store = open_keeper(*state);
	ask_from_outside(*state);
	nj_keeper_store_close(store);
}

/* The newer version stands in the WAL alone: refusing must not move it into the database. */
static void newer_in_the_wal(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	fill(f, 1);
	child = fork();
	if (child == 0) {
		edit_and_die(f, "PRAGMA user_version = 1000");
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	refused(f, NJ_ERR_NEWER, "newer Nightjar");
	refused(f, NJ_ERR_NEWER, "newer Nightjar");
}

/* ---- crashes ---- */

/* A child commits devices 0…9, then writes 10…19 and dies before the commit. */
static void die_in_transaction(struct fixture *f)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct nj_keeper_store *store = create_keeper(f);

		for (uint32_t i = 0; i < 20; i++) {
			struct nj_keeper_device device = device_row(i);

			if (i % 10 == 0 && nj_keeper_store_begin(store) != NJ_OK)
				_exit(2);
			if (nj_keeper_store_device_insert(store, &device) != NJ_OK)
				_exit(3);
			if (i == 9 && nj_keeper_store_commit(store) != NJ_OK)
				_exit(4);
		}
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint64_t device_count(struct fixture *f)
{
	struct nj_keeper_store *store = open_keeper(f);
	uint64_t count = 0;

	assert_int_equal(nj_keeper_store_device_count(store, &count), NJ_OK);
	nj_keeper_store_close(store);
	return count;
}

static void killed_in_transaction(void **state)
{
	die_in_transaction(*state);
	assert_int_equal(device_count(*state), 10);
}

/* Whatever is left of the WAL, the store is as some commit left it, or is refused. */
static void truncated_wal(void **state)
{
	struct fixture *f = *state;
	char wal[128];
	char *bytes;
	size_t len;

	die_in_transaction(f);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	assert_int_equal(nj_file_read(wal, 1 << 24, &bytes, &len, NULL), NJ_OK);
	free(bytes);
	for (off_t size = (off_t)len; size >= 0; size -= 1031) {
		struct nj_keeper_store *store = NULL;
		char database[128];
		char *copy;
		size_t copy_len;

		/* Each size starts from the same database, which opening may have changed. */
		snprintf(database, sizeof(database), "%s/copy.db", f->folder);
		assert_int_equal(nj_file_read(f->path, 1 << 24, &copy, &copy_len, NULL), NJ_OK);
		assert_int_equal(nj_file_write(database, copy, copy_len, 0600, NULL), NJ_OK);
		free(copy);
		snprintf(database, sizeof(database), "%s/copy.db-wal", f->folder);
		assert_int_equal(nj_file_read(wal, 1 << 24, &copy, &copy_len, NULL), NJ_OK);
		assert_int_equal(nj_file_write(database, copy, (size_t)size, 0600, NULL), NJ_OK);
		free(copy);
		snprintf(database, sizeof(database), "%s/copy.db", f->folder);
		if (nj_keeper_store_open(database, NJ_STORE_OPEN, &store, NULL) == NJ_OK) {
			uint64_t count = 99;

			assert_int_equal(nj_keeper_store_device_count(store, &count), NJ_OK);
			assert_true(count == 0 || count == 10);
			nj_keeper_store_close(store);
		}
	}
}

/* ---- disks that fail ---- */

/* Burns two devices in one commit while the n-th write or sync fails. Returns whether any fault was met. */
static bool burn_with_fault(struct fixture *f, int nth, int code)
{
	struct nj_keeper_store *store = open_keeper(f);
	const struct nj_keeper_device a = device_row(0);
	const struct nj_keeper_device b = device_row(1);
	struct nj_keeper_device out_a;
	struct nj_keeper_device out_b;
	uint64_t floor = (uint64_t)nth;
	enum nj_err err;

	assert_int_equal(nj_keeper_store_device_get(store, a.uid, &out_a), NJ_OK);
	floor += out_a.floor;
	fault.code = code;
	fault.failed = 0;
	fault.countdown = nth;
	err = nj_keeper_store_begin(store);
	if (err == NJ_OK)
		err = nj_keeper_store_device_raise_floor(store, a.uid, floor);
	if (err == NJ_OK)
		err = nj_keeper_store_device_raise_floor(store, b.uid, floor);
	if (err == NJ_OK)
		err = nj_keeper_store_commit(store);
	else
		nj_keeper_store_rollback(store);
	fault.countdown = 0;
	if (fault.failed == 0)
		assert_int_equal(err, NJ_OK);
	else if (err != NJ_OK)
		assert_true(err == NJ_ERR_IO || err == NJ_ERR_FULL);
	nj_keeper_store_close(store);

	store = open_keeper(f);
	assert_int_equal(nj_keeper_store_device_get(store, a.uid, &out_a), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, b.uid, &out_b), NJ_OK);
	assert_int_equal(out_a.floor, out_b.floor);
	if (err == NJ_OK)
		assert_int_equal(out_a.floor, floor);
	nj_keeper_store_close(store);
	return fault.failed > 0;
}

static void nth_write_fails(void **state)
{
	static const int codes[] = { SQLITE_IOERR_WRITE, SQLITE_FULL };

	fill(*state, 2);
	for (size_t i = 0; i < 2; i++) {
		int nth = 1;

		while (burn_with_fault(*state, nth, codes[i]))
			nth++;
		assert_true(nth > 2);
	}
}

/* After SQLite has rolled back by itself nothing may slip in as a commit of its own. */
static void nothing_is_written_after_a_lost_transaction(void **state)
{
	struct nj_keeper_store *store;
	uint64_t count = 0;
	uint32_t i = 0;
	enum nj_err err = NJ_OK;

	fill(*state, 1);
	store = open_keeper(*state);
	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	fault.code = SQLITE_FULL;
	fault.countdown = 1;
	/* More than the page cache holds: it spills into the WAL before the commit. */
	while (err == NJ_OK && ++i < 100000) {
		struct nj_keeper_device device = device_row(i);

		err = nj_keeper_store_device_insert(store, &device);
	}
	assert_int_equal(err, NJ_ERR_FULL);
	fault.countdown = 0;
	for (uint32_t n = 0; n < 3; n++) {
		struct nj_keeper_device device = device_row(200000 + n);

		assert_int_equal(nj_keeper_store_device_insert(store, &device), NJ_ERR_STATE);
	}
	assert_int_equal(nj_keeper_store_commit(store), NJ_ERR_STATE);
	assert_int_equal(nj_keeper_store_device_count(store, &count), NJ_OK);
	assert_int_equal(count, 1);
	nj_keeper_store_close(store);
}

/* ---- migrations ---- */

static const char *const steps[] = { "CREATE TABLE t(a INTEGER) STRICT; INSERT INTO t VALUES(1);",
				     "ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 5;" };
static const char *const bad_steps[] = { "CREATE TABLE t(a INTEGER) STRICT;",
					 "UPDATE t SET a = 2; CREATE TABLE t(a INTEGER);" };

static struct nj_db_schema schema_of(const char *const *migrations, uint32_t count)
{
	return (struct nj_db_schema){
		.what = "the test's store", .application_id = 42, .count = count, .migrations = migrations
	};
}

static void migrates_one_step_a_transaction(void **state)
{
	struct fixture *f = *state;
	const struct nj_db_schema one = schema_of(steps, 1);
	const struct nj_db_schema two = schema_of(steps, 2);
	const struct nj_db_schema bad = schema_of(bad_steps, 2);
	struct nj_db *db = NULL;

	assert_int_equal(nj_db_open(f->path, NJ_STORE_CREATE, &one, &db, NULL), NJ_OK);
	nj_db_close(db);
	assert_int_not_equal(nj_db_open(f->path, NJ_STORE_OPEN, &bad, &db, NULL), NJ_OK);
	assert_int_equal(nj_db_open(f->path, NJ_STORE_OPEN, &two, &db, NULL), NJ_OK);
	assert_int_equal(nj_db_exec(db, "UPDATE t SET a = 1 / (a = 1 AND b = 5) WHERE a = 1 AND b = 5"), NJ_OK);
	assert_int_equal(sqlite3_changes(db->sql), 1);
	nj_db_close(db);
	assert_int_equal(nj_db_open(f->path, NJ_STORE_OPEN, &one, &db, NULL), NJ_ERR_NEWER);
}

/* What the second version of the store holds is read by this one: profiles bind by key alone, as they did. */
static void a_keepers_store_of_version_2_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_certificate_row certificate = { .serial = "01ff", .not_after_s = 5 };
	struct nj_keeper_device device = device_row(7);
	struct nj_door_policy policy;

	assert_int_equal(nj_keeper_store_device_insert(store, &device), NJ_OK);
	nj_keeper_store_close(store);
	edit(f, UNDO_VERSION_8 UNDO_VERSION_7 UNDO_VERSION_6 UNDO_VERSION_5 UNDO_VERSION_4 UNDO_VERSION_3
	     "INSERT INTO policies VALUES('p', 2, 0, 30000, 32, 128); PRAGMA user_version = 2;");
	store = open_keeper(f);
	assert_int_equal(nj_keeper_store_policy_get(store, "p", &policy), NJ_OK);
	assert_int_equal(policy.bind, NJ_BINDING_PSK);
	assert_false(policy.tls12);
	assert_int_equal(policy.bind_ms, 0);
	assert_int_equal(policy.source_bits_v4, 32);
	assert_int_equal(nj_keeper_store_device_get(store, device.uid, &device), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_put(store, &certificate), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_put(store, &certificate), NJ_ERR_EXISTS);
	nj_keeper_store_close(store);
}

static void a_gateways_store_of_version_1_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct nj_gateway_store *store = NULL;
	struct nj_tls_row row = { .version = "v", .cipher = "c", .group = "", .proof = "key" };

	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_CREATE, &store, NULL), NJ_OK);
	assert_int_equal(nj_gateway_store_customer_insert(store, "acme", 5), NJ_OK);
	nj_gateway_store_close(store);
	edit(f, "ALTER TABLE rules DROP COLUMN contract; DROP TABLE tls; PRAGMA user_version = 1;");
	assert_int_equal(nj_gateway_store_open(f->path, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	assert_int_equal(nj_gateway_store_customer_insert(store, "acme", 5), NJ_ERR_EXISTS);
	assert_int_equal(nj_gateway_store_tls_put(store, &row), NJ_OK);
	nj_gateway_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shim_setup, shim_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(newer),
		TEST(newer_in_the_wal),
		TEST(foreign),
		TEST(damaged),
		TEST(cut_short),
		TEST(in_use),
		TEST(killed_in_transaction),
		TEST(truncated_wal),
		TEST(nth_write_fails),
		TEST(nothing_is_written_after_a_lost_transaction),
		TEST(migrates_one_step_a_transaction),
		TEST(a_keepers_store_of_version_2_is_brought_up_to_date),
		TEST(a_gateways_store_of_version_1_is_brought_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
