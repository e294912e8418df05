/*
 * One run of a prepared statement: values are bound in order, then columns read in order. Sticky like the cursors of
 * base/wire.h: after the first failure everything does nothing, and the caller asks once. A column of another type,
 * sign or length than the store writes makes the row NJ_ERR_CORRUPT. Only store/sqlite includes this.
 *
 *   NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(db, STATEMENT);
 *   nj_bind_blob(&q, uid, 16);
 *   return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
 */
#ifndef NJ_STORE_SQLITE_QUERY_H
#define NJ_STORE_SQLITE_QUERY_H

#include "store/sqlite/db.h"

struct nj_query {
	struct nj_db *db;
	sqlite3_stmt *stmt;
	int at;
	enum nj_err err;
};

/* NJ_ERR_STATE when the statement is running already (an iteration calls itself), or when SQLite has rolled back the
 * caller's transaction: then nothing may be written until the caller has rolled back too. */
struct nj_query nj_query_of(struct nj_db *db, uint32_t statement);
void nj_query_done(struct nj_query *q);
#define NJ_CLEANUP_QUERY __attribute__((cleanup(nj_query_done)))

/* NJ_ERR_RANGE past 2^63 − 1, which a column cannot hold. */
void nj_bind_u64(struct nj_query *q, uint64_t value);
/* Borrowed until done. NULL stands for the empty text. */
void nj_bind_text(struct nj_query *q, const char *text);
void nj_bind_text_view(struct nj_query *q, struct nj_view text);
void nj_bind_blob(struct nj_query *q, const void *data, size_t len);

/* Runs to the end. */
NJ_MUST_USE enum nj_err nj_query_run(struct nj_query *q);
/* The same, and `none` when no row was changed. */
NJ_MUST_USE enum nj_err nj_query_run_one(struct nj_query *q, enum nj_err none);
/* The next row; NJ_ERR_NOT_FOUND at the end. */
NJ_MUST_USE enum nj_err nj_query_next(struct nj_query *q);

uint64_t nj_col_u64(struct nj_query *q, uint64_t max);
bool nj_col_bool(struct nj_query *q);
/* Copies a text without zeros that fits with its end; "" after failure. */
void nj_col_text(struct nj_query *q, char *out, size_t out_bytes);
/* Borrowed until the next row; never NULL. */
const char *nj_col_str(struct nj_query *q);
struct nj_view nj_col_text_view(struct nj_query *q);
struct nj_view nj_col_blob(struct nj_query *q);
/* A blob of exactly `len` bytes. */
void nj_col_bytes(struct nj_query *q, void *out, size_t len);
/* NJ_ERR_CORRUPT when a column of this row was not as it must be. */
NJ_MUST_USE enum nj_err nj_col_end(const struct nj_query *q);
/* The same, and the query goes on with the next row. */
bool nj_col_forgive(struct nj_query *q);

#endif
