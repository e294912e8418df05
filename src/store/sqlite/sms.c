#include "store/sqlite/sms.h"

/* "NJsm" */
#define APPLICATION_ID 0x4e4a736d

/* A queue's rows are what its lane still waits for, and nothing else: small, and together in the file. */
static const char *const migrations[] = {
	"CREATE TABLE messages("
	"  id INTEGER PRIMARY KEY,"
	"  lane INTEGER NOT NULL,"
	"  kind INTEGER NOT NULL,"
	"  state INTEGER NOT NULL,"
	"  flags INTEGER NOT NULL,"
	"  parts INTEGER NOT NULL,"
	"  parts_done INTEGER NOT NULL,"
	"  tries INTEGER NOT NULL,"
	"  cause INTEGER NOT NULL,"
	"  about INTEGER NOT NULL,"
	"  campaign INTEGER NOT NULL,"
	"  created_ms INTEGER NOT NULL,"
	"  due_ms INTEGER NOT NULL,"
	"  expires_ms INTEGER NOT NULL,"
	"  changed_ms INTEGER NOT NULL,"
	"  customer TEXT NOT NULL,"
	"  account TEXT NOT NULL,"
	"  source TEXT NOT NULL,"
	"  destination TEXT NOT NULL,"
	"  bearer TEXT NOT NULL,"
	"  options BLOB NOT NULL,"
	"  body BLOB NOT NULL"
	") STRICT;"
	"CREATE INDEX messages_final ON messages(changed_ms) WHERE state NOT IN (0, 1, 6);"
	"CREATE TABLE queue(lane INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(lane, id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE schedule(due_ms INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(due_ms, id)) "
	"STRICT, WITHOUT ROWID;"
	"CREATE TABLE lanes("
	"  no INTEGER PRIMARY KEY,"
	"  kind INTEGER NOT NULL,"
	"  tries INTEGER NOT NULL,"
	"  cause INTEGER NOT NULL,"
	"  due_ms INTEGER NOT NULL,"
	"  customer TEXT NOT NULL,"
	"  target TEXT NOT NULL"
	") STRICT;"
	"CREATE TABLE refs(name TEXT PRIMARY KEY, id INTEGER NOT NULL, part INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX refs_by_message ON refs(id);"
	"CREATE TABLE keys(name TEXT PRIMARY KEY, id INTEGER NOT NULL, until_ms INTEGER NOT NULL) "
	"STRICT, WITHOUT ROWID;"
	"CREATE INDEX keys_by_end ON keys(until_ms);"
	"CREATE TABLE numbers(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

static const char *const statements[] = {
#define STATEMENT(name, text) text,
	NJ_SMS_STATEMENTS(STATEMENT)
#undef STATEMENT
};

static const struct nj_db_schema schema = {
	.what = "the SMS store",
	.application_id = APPLICATION_ID,
	.count = sizeof(migrations) / sizeof(migrations[0]),
	.migrations = migrations,
	.statement_count = NJ_SQL_SMS_COUNT,
	.statements = statements,
};

/* ---- open and close ---- */

enum nj_err nj_sms_store_open(const char *path, enum nj_store_mode mode, struct nj_sms_store **out_store,
			      struct nj_why *why)
{
	struct nj_sms_store *store = calloc(1, sizeof(*store));
	enum nj_err err;

	if (store == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_db_open(path, mode, &schema, &store->db, why);
	if (err == NJ_OK)
		err = nj_db_keep_log(store->db);
	if (err != NJ_OK) {
		nj_sms_store_close(store);
		return err;
	}
	*out_store = store;
	return NJ_OK;
}

void nj_sms_store_close(struct nj_sms_store *store)
{
	if (store == NULL)
		return;
	nj_db_close(store->db);
	free(store);
}

/* ---- transactions ---- */

static enum nj_err put_number(struct nj_sms_store *store, const char *name, uint64_t value)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_NUMBER_PUT);

	nj_bind_text(&q, name);
	nj_bind_u64(&q, value);
	return nj_query_run(&q);
}

enum nj_err nj_sms_store_begin(struct nj_sms_store *store)
{
	return nj_db_begin(store->db);
}

/* Numbers outlive the rows that had them: what is purged gives none back. */
enum nj_err nj_sms_store_commit(struct nj_sms_store *store)
{
	if (store->numbers_changed) {
		NJ_TRY(put_number(store, "message", store->last_message));
		NJ_TRY(put_number(store, "lane", store->last_lane));
	}
	NJ_TRY(nj_db_commit(store->db));
	store->numbers_changed = false;
	return NJ_OK;
}

void nj_sms_store_rollback(struct nj_sms_store *store)
{
	nj_db_rollback(store->db);
}

static void note_message(struct nj_sms_store *store, uint64_t id)
{
	store->numbers_changed |= id > store->last_message;
	store->last_message = id > store->last_message ? id : store->last_message;
}

static void note_lane(struct nj_sms_store *store, uint32_t no)
{
	store->numbers_changed |= no > store->last_lane;
	store->last_lane = no > store->last_lane ? no : store->last_lane;
}

/* ---- operations ---- */

static enum nj_err run_with(struct nj_sms_store *store, enum nj_sms_statement statement, uint64_t a, uint64_t b,
			    enum nj_err none)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_u64(&q, a);
	if (sqlite3_bind_parameter_count(q.stmt) > 1)
		nj_bind_u64(&q, b);
	return nj_query_run_one(&q, none);
}

static enum nj_err put_row(struct nj_sms_store *store, const struct nj_sms_message *m)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_MESSAGE_PUT);

	nj_bind_u64(&q, m->id);
	nj_bind_u64(&q, m->lane);
	nj_bind_u64(&q, m->kind);
	nj_bind_u64(&q, m->state);
	nj_bind_u64(&q, m->flags);
	nj_bind_u64(&q, m->parts);
	nj_bind_u64(&q, m->parts_done);
	nj_bind_u64(&q, m->tries);
	nj_bind_u64(&q, m->cause);
	nj_bind_u64(&q, m->about);
	nj_bind_u64(&q, m->campaign);
	nj_bind_u64(&q, m->created_ms);
	nj_bind_u64(&q, m->due_ms);
	nj_bind_u64(&q, m->expires_ms);
	nj_bind_u64(&q, m->changed_ms);
	nj_bind_text_view(&q, m->customer);
	nj_bind_text_view(&q, m->account);
	nj_bind_text_view(&q, m->source);
	nj_bind_text_view(&q, m->destination);
	nj_bind_text_view(&q, m->bearer);
	nj_bind_blob(&q, m->options.data, m->options.len);
	nj_bind_blob(&q, m->body.data, m->body.len);
	return nj_query_run(&q);
}

static enum nj_err put_message(struct nj_sms_store *store, const struct nj_sms_message *m)
{
	if (m->id == 0 || (m->lane != 0) != (m->state == NJ_SMS_IS_ENROUTE))
		return NJ_ERR_STATE;
	NJ_TRY(put_row(store, m));
	note_message(store, m->id);
	if (m->lane != 0)
		return run_with(store, NJ_SQL_SMS_QUEUE_PUT, m->lane, m->id, NJ_ERR_STATE);
	if (m->state == NJ_SMS_IS_SCHEDULED)
		return run_with(store, NJ_SQL_SMS_SCHEDULE_PUT, m->due_ms, m->id, NJ_ERR_STATE);
	return NJ_OK;
}

/* NJ_ERR_STATE: it is not there, or final: a final state never changes. */
static enum nj_err change(struct nj_sms_store *store, enum nj_sms_statement statement, const struct nj_sms_change *c,
			  uint64_t until_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_u64(&q, c->id);
	nj_bind_u64(&q, c->state);
	nj_bind_u64(&q, c->parts_done);
	nj_bind_u64(&q, c->tries);
	nj_bind_u64(&q, c->cause);
	nj_bind_u64(&q, c->changed_ms);
	nj_bind_text_view(&q, c->bearer);
	if (until_ms != 0)
		nj_bind_u64(&q, until_ms);
	return nj_query_run_one(&q, NJ_ERR_STATE);
}

static enum nj_err accept_until(struct nj_sms_store *store, const struct nj_sms_op *op)
{
	uint64_t id = op->change->id;

	if (op->change->state != NJ_SMS_IS_ACCEPTED || op->value == 0)
		return NJ_ERR_STATE;
	NJ_TRY(run_with(store, NJ_SQL_SMS_QUEUE_DROP, op->lane, id, NJ_ERR_STATE));
	NJ_TRY(change(store, NJ_SQL_SMS_MESSAGE_WAIT, op->change, op->value));
	return run_with(store, NJ_SQL_SMS_SCHEDULE_PUT, op->value, id, NJ_ERR_STATE);
}

static enum nj_err finish(struct nj_sms_store *store, const struct nj_sms_op *op)
{
	uint64_t id = op->change->id;

	if (!nj_sms_final(op->change->state))
		return NJ_ERR_STATE;
	if (op->lane == 0)
		NJ_TRY(run_with(store, NJ_SQL_SMS_SCHEDULE_DROP, id, 0, NJ_ERR_STATE));
	else
		NJ_TRY(run_with(store, NJ_SQL_SMS_QUEUE_DROP, op->lane, id, NJ_ERR_STATE));
	return change(store, NJ_SQL_SMS_MESSAGE_FINISH, op->change, 0);
}

static enum nj_err replace_row(struct nj_sms_store *store, const struct nj_sms_message *m)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_MESSAGE_REPLACE);

	nj_bind_u64(&q, m->id);
	nj_bind_u64(&q, m->flags);
	nj_bind_u64(&q, m->due_ms);
	nj_bind_u64(&q, m->expires_ms);
	nj_bind_blob(&q, m->options.data, m->options.len);
	nj_bind_blob(&q, m->body.data, m->body.len);
	nj_bind_u64(&q, m->parts);
	return nj_query_run_one(&q, NJ_ERR_STATE);
}

/* Its place in the schedule may be another one. */
static enum nj_err replace(struct nj_sms_store *store, const struct nj_sms_message *m)
{
	if (m->lane != 0)
		return replace_row(store, m);
	NJ_TRY(run_with(store, NJ_SQL_SMS_SCHEDULE_DROP, m->id, 0, NJ_ERR_STATE));
	NJ_TRY(replace_row(store, m));
	return run_with(store, NJ_SQL_SMS_SCHEDULE_PUT, m->due_ms, m->id, NJ_ERR_STATE);
}

static enum nj_err enter(struct nj_sms_store *store, const struct nj_sms_op *op)
{
	NJ_TRY(run_with(store, NJ_SQL_SMS_SCHEDULE_DROP, op->id, 0, NJ_ERR_STATE));
	NJ_TRY(run_with(store, NJ_SQL_SMS_MESSAGE_ENTER, op->id, op->lane, NJ_ERR_STATE));
	return run_with(store, NJ_SQL_SMS_QUEUE_PUT, op->lane, op->id, NJ_ERR_STATE);
}

static enum nj_err put_lane(struct nj_sms_store *store, const struct nj_sms_lane *lane)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_LANE_PUT);

	nj_bind_u64(&q, lane->no);
	nj_bind_u64(&q, lane->kind);
	nj_bind_u64(&q, lane->tries);
	nj_bind_u64(&q, lane->cause);
	nj_bind_u64(&q, lane->due_ms);
	nj_bind_text_view(&q, lane->customer);
	nj_bind_text_view(&q, lane->target);
	NJ_TRY(nj_query_run(&q));
	note_lane(store, lane->no);
	return NJ_OK;
}

/* NJ_ERR_STATE: something waits in it. */
static enum nj_err drop_lane(struct nj_sms_store *store, uint32_t no)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_QUEUE_ANY);
	enum nj_err err;

	nj_bind_u64(&q, no);
	err = nj_query_next(&q);
	if (err != NJ_ERR_NOT_FOUND)
		return err == NJ_OK ? NJ_ERR_STATE : err;
	return run_with(store, NJ_SQL_SMS_LANE_DROP, no, 0, NJ_OK);
}

static enum nj_err put_name(struct nj_sms_store *store, enum nj_sms_statement statement, const struct nj_sms_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_text_view(&q, op->text);
	nj_bind_u64(&q, op->id);
	nj_bind_u64(&q, op->value);
	return nj_query_run(&q);
}

static enum nj_err drop_ref(struct nj_sms_store *store, struct nj_view name)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_REF_DROP);

	nj_bind_text_view(&q, name);
	return nj_query_run(&q);
}

enum nj_err nj_sms_store_apply(struct nj_sms_store *store, const struct nj_sms_op *op)
{
	switch ((enum nj_sms_op_type)op->type) {
	case NJ_SMS_OP_PUT:
		return put_message(store, op->message);
	case NJ_SMS_OP_CHANGE:
		return nj_sms_final(op->change->state) ? NJ_ERR_STATE
						       : change(store, NJ_SQL_SMS_MESSAGE_CHANGE, op->change, 0);
	case NJ_SMS_OP_WAIT:
		return accept_until(store, op);
	case NJ_SMS_OP_FINISH:
		return finish(store, op);
	case NJ_SMS_OP_REPLACE:
		return replace(store, op->message);
	case NJ_SMS_OP_ENTER:
		return enter(store, op);
	case NJ_SMS_OP_LANE_PUT:
		return put_lane(store, op->row);
	case NJ_SMS_OP_LANE_DROP:
		return drop_lane(store, op->lane);
	case NJ_SMS_OP_REF_PUT:
		return put_name(store, NJ_SQL_SMS_REF_PUT, op);
	case NJ_SMS_OP_REF_DROP:
		return drop_ref(store, op->text);
	case NJ_SMS_OP_KEY_PUT:
		return put_name(store, NJ_SQL_SMS_KEY_PUT, op);
	}
	return NJ_ERR_STATE;
}
