#include "store/sqlite/query.h"

static void fail(struct nj_query *q, enum nj_err err)
{
	if (q->err == NJ_OK)
		q->err = err;
}

struct nj_query nj_query_of(struct nj_db *db, uint32_t statement)
{
	sqlite3_stmt **stmt = &db->statements[statement];
	struct nj_query q = { .db = db };

	if (db->in_transaction && sqlite3_get_autocommit(db->sql) != 0) {
		fail(&q, NJ_ERR_STATE);
		return q;
	}
	if (*stmt == NULL)
		fail(&q, nj_db_err(sqlite3_prepare_v3(db->sql, db->schema->statements[statement], -1,
						      SQLITE_PREPARE_PERSISTENT, stmt, NULL)));
	else if (sqlite3_stmt_busy(*stmt) != 0)
		fail(&q, NJ_ERR_STATE);
	if (q.err == NJ_OK)
		q.stmt = *stmt;
	return q;
}

void nj_query_done(struct nj_query *q)
{
	if (q->stmt == NULL)
		return;
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
}

void nj_bind_u64(struct nj_query *q, uint64_t value)
{
	if (value > INT64_MAX)
		fail(q, NJ_ERR_RANGE);
	if (q->err == NJ_OK)
		fail(q, nj_db_err(sqlite3_bind_int64(q->stmt, ++q->at, (int64_t)value)));
}

void nj_bind_text_view(struct nj_query *q, struct nj_view text)
{
	const char *data = text.len == 0 ? "" : (const char *)text.data;

	if (q->err == NJ_OK)
		fail(q, nj_db_err(sqlite3_bind_text64(q->stmt, ++q->at, data, text.len, SQLITE_STATIC, SQLITE_UTF8)));
}

void nj_bind_text(struct nj_query *q, const char *text)
{
	nj_bind_text_view(q, nj_view_of(text, text == NULL ? 0 : strlen(text)));
}

void nj_bind_blob(struct nj_query *q, const void *data, size_t len)
{
	if (q->err == NJ_OK)
		fail(q, nj_db_err(sqlite3_bind_blob64(q->stmt, ++q->at, len == 0 ? "" : data, len, SQLITE_STATIC)));
}

enum nj_err nj_query_run(struct nj_query *q)
{
	int code;

	if (q->err != NJ_OK)
		return q->err;
	do
		code = sqlite3_step(q->stmt);
	while (code == SQLITE_ROW);
	return nj_db_err(code);
}

enum nj_err nj_query_run_one(struct nj_query *q, enum nj_err none)
{
	NJ_TRY(nj_query_run(q));
	return sqlite3_changes(q->db->sql) > 0 ? NJ_OK : none;
}

enum nj_err nj_query_next(struct nj_query *q)
{
	int code;

	if (q->err != NJ_OK)
		return q->err;
	code = sqlite3_step(q->stmt);
	q->at = 0;
	return code == SQLITE_DONE ? NJ_ERR_NOT_FOUND : nj_db_err(code);
}

/* The index of the next column when it has this type, else −1. */
static int column(struct nj_query *q, int type)
{
	int i = q->at++;

	if (q->err == NJ_OK && sqlite3_column_type(q->stmt, i) != type)
		fail(q, NJ_ERR_CORRUPT);
	return q->err == NJ_OK ? i : -1;
}

uint64_t nj_col_u64(struct nj_query *q, uint64_t max)
{
	int i = column(q, SQLITE_INTEGER);
	int64_t value = i < 0 ? 0 : sqlite3_column_int64(q->stmt, i);

	if (value >= 0 && (uint64_t)value <= max)
		return (uint64_t)value;
	fail(q, NJ_ERR_CORRUPT);
	return 0;
}

bool nj_col_bool(struct nj_query *q)
{
	return nj_col_u64(q, 1) == 1;
}

/* The bytes before their number: asking the other way round could convert the text. */
static struct nj_view column_view(struct nj_query *q, int type)
{
	int i = column(q, type);
	const void *data = i < 0 ? NULL : sqlite3_column_blob(q->stmt, i);
	int len = i < 0 ? 0 : sqlite3_column_bytes(q->stmt, i);

	if (data == NULL && len > 0)
		fail(q, NJ_ERR_NO_MEMORY);
	return nj_view_of(data, data == NULL ? 0 : (size_t)len);
}

struct nj_view nj_col_text_view(struct nj_query *q)
{
	return column_view(q, SQLITE_TEXT);
}

struct nj_view nj_col_blob(struct nj_query *q)
{
	return column_view(q, SQLITE_BLOB);
}

void nj_col_text(struct nj_query *q, char *out, size_t out_bytes)
{
	struct nj_view text = nj_col_text_view(q);

	if (nj_text_copy_view(out, out_bytes, text) != NJ_OK)
		fail(q, NJ_ERR_CORRUPT);
}

const char *nj_col_str(struct nj_query *q)
{
	int i = column(q, SQLITE_TEXT);
	const char *text = i < 0 ? NULL : (const char *)sqlite3_column_text(q->stmt, i);

	if (text == NULL)
		fail(q, NJ_ERR_NO_MEMORY);
	else if (strlen(text) != (size_t)sqlite3_column_bytes(q->stmt, i))
		fail(q, NJ_ERR_CORRUPT);
	return q->err == NJ_OK ? text : "";
}

void nj_col_bytes(struct nj_query *q, void *out, size_t len)
{
	struct nj_view blob = nj_col_blob(q);

	memset(out, 0, len);
	if (q->err == NJ_OK && blob.len == len)
		memcpy(out, blob.data, len);
	else
		fail(q, NJ_ERR_CORRUPT);
}

enum nj_err nj_col_end(const struct nj_query *q)
{
	return q->err;
}

bool nj_col_forgive(struct nj_query *q)
{
	bool damaged = q->err == NJ_ERR_CORRUPT;

	if (damaged)
		q->err = NJ_OK;
	return damaged;
}
