/*
 * One SQLite connection with its schema and its prepared statements: what both stores are built on. Statements are
 * prepared at first use and kept. Rules of threads and transactions: store/store.h. Only store/sqlite includes this.
 */
#ifndef NJ_STORE_SQLITE_DB_H
#define NJ_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "store/store.h"

/* What a file must be: migrations[i] leads from schema i to i + 1; the newest version is `count`. */
struct nj_db_schema {
	const char *what; /* for people: "the keeper's store" */
	uint32_t application_id;
	uint32_t count;
	const char *const *migrations;
	uint32_t statement_count;
	const char *const *statements;
};

struct nj_db {
	sqlite3 *sql;
	const struct nj_db_schema *schema;
	uint32_t log_pages;         /* that the log has taken since its start, when it is moved by hand */
	bool in_transaction;        /* between begin and commit or rollback, as the caller sees it */
	sqlite3_stmt *statements[]; /* schema->statement_count, NULL until first use */
};

NJ_MUST_USE enum nj_err nj_db_open(const char *path, enum nj_store_mode mode, const struct nj_db_schema *schema,
				   struct nj_db **out_db, struct nj_why *why);
void nj_db_close(struct nj_db *db);
NJ_MUST_USE enum nj_err nj_db_begin(struct nj_db *db);
NJ_MUST_USE enum nj_err nj_db_commit(struct nj_db *db);
void nj_db_rollback(struct nj_db *db);
/* For a store that commits all the time: a larger cache, as pages of many queues' ends are hot at once, and a log that
 * is moved into the file when its owner says so, not in a commit. */
NJ_MUST_USE enum nj_err nj_db_keep_log(struct nj_db *db);
/* Moves it, so that it is used again from its start. Not inside a transaction. */
NJ_MUST_USE enum nj_err nj_db_checkpoint(struct nj_db *db);
/* Statements without results, several at once. */
NJ_MUST_USE enum nj_err nj_db_exec(struct nj_db *db, const char *text);
/* The fact that a SQLite result code stands for. */
enum nj_err nj_db_err(int code);

#endif
