#include "store/sqlite/db.h"

enum nj_err nj_db_err(int code)
{
	switch (code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return NJ_ERR_EXISTS;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return NJ_ERR_NOT_FOUND;
	default:
		break;
	}
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return NJ_OK;
	case SQLITE_NOMEM:
		return NJ_ERR_NO_MEMORY;
	case SQLITE_FULL:
		return NJ_ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return NJ_ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return NJ_ERR_BUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return NJ_ERR_DENIED;
	case SQLITE_TOOBIG:
		return NJ_ERR_TOO_LARGE;
	case SQLITE_RANGE:
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
		return NJ_ERR_MALFORMED;
	case SQLITE_MISUSE:
		return NJ_ERR_STATE;
	default:
		return NJ_ERR_IO;
	}
}

enum nj_err nj_db_exec(struct nj_db *db, const char *text)
{
	return nj_db_err(sqlite3_exec(db->sql, text, NULL, NULL, NULL));
}

enum nj_err nj_db_begin(struct nj_db *db)
{
	if (db->in_transaction)
		return NJ_ERR_STATE;
	NJ_TRY(nj_db_exec(db, "BEGIN IMMEDIATE"));
	db->in_transaction = true;
	return NJ_OK;
}

enum nj_err nj_db_commit(struct nj_db *db)
{
	enum nj_err err;

	/* SQLite has rolled back by itself after some errors (disk full, I/O): there is nothing left to commit. */
	if (!db->in_transaction || sqlite3_get_autocommit(db->sql) != 0) {
		nj_db_rollback(db);
		return NJ_ERR_STATE;
	}
	err = nj_db_exec(db, "COMMIT");
	if (err != NJ_OK)
		nj_db_rollback(db);
	db->in_transaction = false;
	return err;
}

void nj_db_rollback(struct nj_db *db)
{
	/* A ROLLBACK that fails has rolled back all the same; the connection is outside a transaction after it. */
	if (sqlite3_get_autocommit(db->sql) == 0)
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	db->in_transaction = false;
}

static int on_log(void *arg, sqlite3 *sql, const char *name, int pages)
{
	((struct nj_db *)arg)->log_pages = (uint32_t)pages;
	return SQLITE_OK;
}

enum nj_err nj_db_keep_log(struct nj_db *db)
{
	NJ_TRY(nj_db_exec(db, "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0;"
			      "PRAGMA journal_size_limit = 67108864;"));
	sqlite3_wal_hook(db->sql, on_log, db);
	return NJ_OK;
}

enum nj_err nj_db_checkpoint(struct nj_db *db)
{
	enum nj_err err = nj_db_err(sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL));

	if (err == NJ_OK)
		db->log_pages = 0;
	return err;
}

void nj_db_close(struct nj_db *db)
{
	if (db == NULL)
		return;
	for (uint32_t i = 0; i < db->schema->statement_count; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->sql);
	free(db);
}
