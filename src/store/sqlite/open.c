#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite/db.h"

/* Up to this size the whole file is checked at open; a larger one page by page, when it is read. */
#define QUICK_CHECK_MAX_BYTES (16 << 20)

#define RESTORE_HINT "restore the latest backup of this file; nothing was changed"

/* One thread a connection, no statistics: without their mutexes. */
static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
}

static enum nj_err query_number(struct nj_db *db, const char *text, int64_t *out_value)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->sql, text, -1, &statement, NULL);
	int64_t value = 0;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? NJ_ERR_CORRUPT : nj_db_err(code);
	*out_value = value;
	return NJ_OK;
}

/* Tells a person about a failure to open or to read the file for the first time. */
static enum nj_err explain(const struct nj_db_schema *schema, const char *path, enum nj_err err, struct nj_why *why)
{
	switch (err) {
	case NJ_ERR_CORRUPT:
		return nj_why(why, err, "%s: %s is damaged or is no store of Nightjar: " RESTORE_HINT, path,
			      schema->what);
	case NJ_ERR_BUSY:
		return nj_why(why, err, "%s: %s is in use by another process: is the gateway running?", path,
			      schema->what);
	case NJ_ERR_NOT_FOUND:
		return nj_why(why, err, "%s: %s is not there: has `nightjar init` been run?", path, schema->what);
	case NJ_ERR_DENIED:
		return nj_why(why, err, "%s: no permission to read and write %s", path, schema->what);
	default:
		return nj_why(why, err, "%s: cannot open %s: %s", path, schema->what, nj_err_text(err));
	}
}

/* A new, empty file, readable by nobody else; SQLite gives its WAL the same mode. */
static enum nj_err create_file(const char *path)
{
	NJ_CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? nj_err_from_errno(errno) : NJ_OK;
}

static enum nj_err connect_file(struct nj_db *db, const char *path)
{
	int code =
	    sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	if (code == SQLITE_OK)
		return sqlite3_db_readonly(db->sql, "main") == 0 ? NJ_OK : NJ_ERR_DENIED;
	if ((code & 0xff) == SQLITE_CANTOPEN && db->sql != NULL && sqlite3_system_errno(db->sql) != 0)
		return nj_err_from_errno(sqlite3_system_errno(db->sql));
	return nj_db_err(code);
}

/*
 * Before the file is accepted nothing may be written to it: no checkpoint at close, no change of journal mode.
 * The lock is taken by the first read and kept; with it the index of the WAL lies in our own memory, not in a file.
 */
static enum nj_err prepare_connection(struct nj_db *db)
{
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return nj_db_exec(db, "PRAGMA locking_mode = EXCLUSIVE;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA mmap_size = 0;"
			      "PRAGMA cache_size = -512;"
			      "PRAGMA foreign_keys = ON;");
}

static enum nj_err quick_check(struct nj_db *db)
{
	sqlite3_stmt *statement = NULL;
	int64_t pages = 0;
	int64_t page_bytes = 0;
	int code;
	bool sound;

	NJ_TRY(query_number(db, "PRAGMA page_count", &pages));
	NJ_TRY(query_number(db, "PRAGMA page_size", &page_bytes));
	if (pages * page_bytes > QUICK_CHECK_MAX_BYTES)
		return NJ_OK;
	code = sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	sound = code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
	sqlite3_finalize(statement);
	if (code != SQLITE_ROW)
		return nj_db_err(code);
	return sound ? NJ_OK : NJ_ERR_CORRUPT;
}

/* Reads who wrote the file, and refuses what is not ours to read. */
static enum nj_err accept_file(struct nj_db *db, const char *path, uint32_t *out_version, struct nj_why *why)
{
	const struct nj_db_schema *schema = db->schema;
	int64_t version = 0;
	int64_t application_id = 0;
	enum nj_err err = query_number(db, "PRAGMA user_version", &version);

	if (err == NJ_OK)
		err = query_number(db, "PRAGMA application_id", &application_id);
	if (err != NJ_OK)
		return explain(schema, path, err, why);
	if (application_id != (int64_t)schema->application_id || version < 1)
		return explain(schema, path, NJ_ERR_CORRUPT, why);
	if (version > (int64_t)schema->count)
		return nj_why(why, NJ_ERR_NEWER,
			      "%s: %s was written by a newer Nightjar (schema %lld, this one knows %u): install that "
			      "version or newer, or restore a backup made by this one",
			      path, schema->what, (long long)version, schema->count);
	err = quick_check(db);
	if (err != NJ_OK)
		return explain(schema, path, err, why);
	*out_version = (uint32_t)version;
	return NJ_OK;
}

static enum nj_err migrate_step(struct nj_db *db, uint32_t from)
{
	char pragma[96];
	enum nj_err err;

	NJ_TRY(nj_text_format(pragma, sizeof(pragma), "PRAGMA application_id = %u; PRAGMA user_version = %u;",
			      db->schema->application_id, from + 1));
	NJ_TRY(nj_db_begin(db));
	err = nj_db_exec(db, db->schema->migrations[from]);
	if (err == NJ_OK)
		err = nj_db_exec(db, pragma);
	if (err == NJ_OK)
		return nj_db_commit(db);
	nj_db_rollback(db);
	return err;
}

/* Each step is one transaction: a crash leaves the version before or after it. */
static enum nj_err migrate(struct nj_db *db, uint32_t version)
{
	for (uint32_t from = version; from < db->schema->count; from++)
		NJ_TRY(migrate_step(db, from));
	return NJ_OK;
}

/*
 * From here on the file is ours. The WAL stays when the store is closed, emptied, because a sandbox forbids to unlink
 * it; the generator of random numbers is seeded now, because later it could not read its seed.
 */
static enum nj_err settle(struct nj_db *db, uint32_t version)
{
	int persist = 1;
	uint8_t seed;

	NJ_TRY(nj_db_exec(
	    db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608;"));
	sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	sqlite3_randomness(sizeof(seed), &seed);
	NJ_TRY(migrate(db, version));
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return NJ_OK;
}

static enum nj_err open_connection(struct nj_db *db, const char *path, enum nj_store_mode mode, struct nj_why *why)
{
	uint32_t version = 0;
	enum nj_err err = connect_file(db, path);

	if (err == NJ_OK)
		err = prepare_connection(db);
	if (err != NJ_OK)
		return explain(db->schema, path, err, why);
	if (mode != NJ_STORE_CREATE)
		NJ_TRY(accept_file(db, path, &version, why));
	if (mode == NJ_STORE_PEEK)
		return NJ_OK;
	err = settle(db, version);
	if (err == NJ_OK && mode == NJ_STORE_CREATE)
		err = nj_file_sync_folder(path, NULL);
	return err == NJ_OK ? NJ_OK : explain(db->schema, path, err, why);
}

static void remove_created(const char *path)
{
	char wal[4096];

	unlink(path);
	if (nj_text_format(wal, sizeof(wal), "%s-wal", path) == NJ_OK)
		unlink(wal);
}

enum nj_err nj_db_open(const char *path, enum nj_store_mode mode, const struct nj_db_schema *schema,
		       struct nj_db **out_db, struct nj_why *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct nj_db *db;
	enum nj_err err;

	pthread_once(&once, configure_sqlite);
	if (mode == NJ_STORE_CREATE) {
		err = create_file(path);
		if (err != NJ_OK)
			return nj_why(why, err, "%s: cannot create %s: %s", path, schema->what, nj_err_text(err));
	}
	db = calloc(1, sizeof(*db) + schema->statement_count * sizeof(db->statements[0]));
	if (db == NULL) {
		err = NJ_ERR_NO_MEMORY;
	} else {
		db->schema = schema;
		err = open_connection(db, path, mode, why);
	}
	if (err != NJ_OK) {
		nj_db_close(db);
		if (mode == NJ_STORE_CREATE)
			remove_created(path);
		return err;
	}
	*out_db = db;
	return NJ_OK;
}
