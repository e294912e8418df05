#include "store/sqlite/messages.h"

/* "NJms" */
#define APPLICATION_ID 0x4e4a6d73
#define FIRST_TALLIES 256

/* The index over dropped sessions is empty but while one is purged. */
static const char *const migrations[] = {
	"CREATE TABLE sessions("
	"  no INTEGER PRIMARY KEY,"
	"  uid BLOB NOT NULL CHECK(length(uid) = 16),"
	"  client_id BLOB NOT NULL,"
	"  expiry_s INTEGER NOT NULL,"
	"  ends_ms INTEGER NOT NULL,"
	"  sent INTEGER NOT NULL,"
	"  tail INTEGER NOT NULL,"
	"  messages INTEGER NOT NULL,"
	"  bytes INTEGER NOT NULL,"
	"  will_head INTEGER NOT NULL,"
	"  will_expiry_s INTEGER,"
	"  will_delay_s INTEGER NOT NULL,"
	"  will_due_ms INTEGER NOT NULL,"
	"  will BLOB,"
	"  dropped INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE INDEX sessions_dropped ON sessions(no) WHERE dropped = 1;"
	"CREATE TABLE subscriptions("
	"  session INTEGER NOT NULL,"
	"  filter BLOB NOT NULL,"
	"  options INTEGER NOT NULL,"
	"  id INTEGER NOT NULL,"
	"  PRIMARY KEY(session, filter)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE queue("
	"  key INTEGER PRIMARY KEY,"
	"  head INTEGER NOT NULL,"
	"  expires_ms INTEGER,"
	"  ids BLOB,"
	"  shared INTEGER,"
	"  body BLOB"
	") STRICT;"
	"CREATE TABLE bodies(id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
	"CREATE TABLE received(key INTEGER PRIMARY KEY) STRICT;"
	"CREATE TABLE retained("
	"  customer BLOB NOT NULL,"
	"  topic BLOB NOT NULL,"
	"  head INTEGER NOT NULL,"
	"  expires_ms INTEGER,"
	"  body BLOB NOT NULL,"
	"  PRIMARY KEY(customer, topic)"
	") STRICT, WITHOUT ROWID;",
	"ALTER TABLE sessions ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;",
};

static const char *const statements[] = {
#define STATEMENT(name, text) text,
	NJ_MESSAGES_STATEMENTS(STATEMENT)
#undef STATEMENT
};

static const struct nj_db_schema schema = {
	.what = "the store of messages",
	.application_id = APPLICATION_ID,
	.count = sizeof(migrations) / sizeof(migrations[0]),
	.migrations = migrations,
	.statement_count = NJ_SQL_MESSAGES_COUNT,
	.statements = statements,
};

void nj_messages_group_init(struct nj_messages_group *group)
{
	*group = (struct nj_messages_group){ .commit = { .operations = 0 } };
	nj_list_init(&group->commit.link);
	nj_list_init(&group->ops);
	nj_list_init(&group->pages);
}

/* ---- open and close ---- */

enum nj_err nj_messages_store_open(const char *path, enum nj_store_mode mode, struct nj_messages_store **out_store,
				   struct nj_why *why)
{
	struct nj_messages_store *store = calloc(1, sizeof(*store));
	enum nj_err err;

	if (store == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_db_open(path, mode, &schema, &store->db, why);
	if (err == NJ_OK)
		err = nj_db_keep_log(store->db);
	if (err != NJ_OK) {
		nj_messages_store_close(store);
		return err;
	}
	*out_store = store;
	return NJ_OK;
}

void nj_messages_store_close(struct nj_messages_store *store)
{
	if (store == NULL)
		return;
	nj_db_close(store->db);
	free(store->tallies);
	free(store);
}

/* ---- values ---- */

void nj_messages_bind_some(struct nj_query *q, uint64_t value)
{
	if (value == 0)
		q->at++;
	else
		nj_bind_u64(q, value);
}

void nj_messages_bind_bytes(struct nj_query *q, const void *data, size_t len)
{
	if (len == 0)
		q->at++;
	else
		nj_bind_blob(q, data, len);
}

static void bind_body(struct nj_query *q, const struct nj_messages_body *body)
{
	nj_bind_blob(q, body->bytes, nj_messages_body_bytes(body));
}

/* ---- tallies ---- */

static size_t slot_of(uint64_t key, size_t cap)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);
}

static struct nj_messages_tally *find_tally(struct nj_messages_tally *tallies, size_t cap, uint64_t key)
{
	size_t at = slot_of(key, cap);

	while (tallies[at].key != 0 && tallies[at].key != key)
		at = (at + 1) & (cap - 1);
	return &tallies[at];
}

static enum nj_err grow_tallies(struct nj_messages_store *store)
{
	size_t cap = store->tally_cap == 0 ? FIRST_TALLIES : store->tally_cap * 2;
	struct nj_messages_tally *tallies = calloc(cap, sizeof(*tallies));

	if (tallies == NULL)
		return NJ_ERR_NO_MEMORY;
	for (size_t i = 0; i < store->tally_cap; i++)
		if (store->tallies[i].key != 0)
			*find_tally(tallies, cap, store->tallies[i].key) = store->tallies[i];
	free(store->tallies);
	store->tallies = tallies;
	store->tally_cap = cap;
	return NJ_OK;
}

static enum nj_err tally_of(struct nj_messages_store *store, uint64_t key, struct nj_messages_tally **out_tally)
{
	if (store->tally_count * 2 >= store->tally_cap)
		NJ_TRY(grow_tallies(store));
	struct nj_messages_tally *tally = find_tally(store->tallies, store->tally_cap, key);
	if (tally->key == 0) {
		tally->key = key;
		store->tally_count++;
	}
	*out_tally = tally;
	return NJ_OK;
}

enum nj_err nj_messages_tally_discarded(struct nj_messages_store *store, uint32_t session, uint64_t count)
{
	struct nj_messages_tally *tally;

	NJ_TRY(tally_of(store, session, &tally));
	tally->discarded += count;
	return NJ_OK;
}

enum nj_err nj_messages_tally_add(struct nj_messages_store *store, uint64_t key, int64_t count, int64_t bytes,
				  uint64_t tail)
{
	struct nj_messages_tally *tally;

	NJ_TRY(tally_of(store, key, &tally));
	tally->count += count;
	tally->bytes += bytes;
	tally->tail = tail > tally->tail ? tail : tally->tail;
	return NJ_OK;
}

static void clear_tallies(struct nj_messages_store *store)
{
	if (store->tally_count > 0)
		memset(store->tallies, 0, store->tally_cap * sizeof(*store->tallies));
	store->tally_count = 0;
}

static void bind_signed(struct nj_query *q, int64_t value)
{
	if (q->err == NJ_OK)
		q->err = nj_db_err(sqlite3_bind_int64(q->stmt, ++q->at, value));
}

/* Rows that came after their session was purged would stay for ever. */
static enum nj_err drop_orphans(struct nj_messages_store *store, uint64_t session)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_QUEUE_DROP);

	nj_bind_u64(&q, nj_messages_key((uint32_t)session, 0));
	nj_bind_u64(&q, nj_messages_key((uint32_t)session, NJ_MESSAGES_POSITION_MAX));
	return nj_query_run(&q);
}

static enum nj_err settle_session(struct nj_messages_store *store, const struct nj_messages_tally *tally)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SESSION_TALLY);

	nj_bind_u64(&q, tally->key);
	bind_signed(&q, tally->count);
	bind_signed(&q, tally->bytes);
	nj_bind_u64(&q, tally->tail);
	nj_bind_u64(&q, tally->discarded);
	NJ_TRY(nj_query_run(&q));
	return sqlite3_changes(store->db->sql) > 0 || tally->count <= 0 ? NJ_OK : drop_orphans(store, tally->key);
}

static enum nj_err run_with(struct nj_messages_store *store, enum nj_messages_statement statement, uint64_t value)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_u64(&q, value);
	return nj_query_run(&q);
}

static enum nj_err settle_body(struct nj_messages_store *store, uint64_t id, int64_t refs)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_BODY_TALLY);

	nj_bind_u64(&q, id);
	bind_signed(&q, refs);
	NJ_TRY(nj_query_run(&q));
	return refs > 0 ? NJ_OK : run_with(store, NJ_SQL_BODY_DELETE, id);
}

static enum nj_err settle(struct nj_messages_store *store)
{
	for (size_t i = 0; i < store->tally_cap && store->tally_count > 0; i++) {
		const struct nj_messages_tally *tally = &store->tallies[i];

		if (tally->key == 0)
			continue;
		if ((tally->key & NJ_MESSAGES_TALLY_SHARED) != 0)
			NJ_TRY(settle_body(store, tally->key & ~NJ_MESSAGES_TALLY_SHARED, tally->count));
		else
			NJ_TRY(settle_session(store, tally));
	}
	return NJ_OK;
}

/* ---- transactions ---- */

enum nj_err nj_messages_store_begin(struct nj_messages_store *store)
{
	return nj_db_begin(store->db);
}

enum nj_err nj_messages_store_commit(struct nj_messages_store *store)
{
	NJ_TRY(settle(store));
	NJ_TRY(nj_db_commit(store->db));
	clear_tallies(store);
	return NJ_OK;
}

void nj_messages_store_rollback(struct nj_messages_store *store)
{
	nj_db_rollback(store->db);
	clear_tallies(store);
}

/* ---- operations ---- */

static enum nj_err session_put(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SESSION_PUT);
	const struct nj_messages_session *row = op->row;
	const struct nj_messages_will *will = &row->will;

	nj_bind_u64(&q, op->session);
	nj_bind_blob(&q, row->uid, sizeof(row->uid));
	nj_bind_blob(&q, row->client_id.data, row->client_id.len);
	nj_bind_u64(&q, row->expiry_s);
	nj_bind_u64(&q, row->ends_ms);
	nj_bind_u64(&q, row->sent);
	nj_bind_u64(&q, will->present ? nj_messages_head(will->flags, &will->body) : 0);
	if (will->expires)
		nj_bind_u64(&q, will->expiry_s);
	else
		q.at++;
	nj_bind_u64(&q, will->delay_s);
	nj_bind_u64(&q, will->due_ms);
	if (will->present)
		bind_body(&q, &will->body);
	return nj_query_run(&q);
}

static enum nj_err forget_all(struct nj_messages_store *store, uint32_t session)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_FORGET_ALL);

	nj_bind_u64(&q, (uint64_t)session << 16);
	nj_bind_u64(&q, (uint64_t)session << 16 | UINT16_MAX);
	return nj_query_run(&q);
}

static enum nj_err session_drop(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_TRY(run_with(store, NJ_SQL_SESSION_DROP, op->session));
	NJ_TRY(run_with(store, NJ_SQL_UNSUBSCRIBE_ALL, op->session));
	return forget_all(store, op->session);
}

static enum nj_err subscribe(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SUBSCRIBE);

	nj_bind_u64(&q, op->session);
	nj_bind_blob(&q, op->text.data, op->text.len);
	nj_bind_u64(&q, op->flags);
	nj_bind_u64(&q, op->value);
	return nj_query_run(&q);
}

static enum nj_err unsubscribe(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_UNSUBSCRIBE);

	nj_bind_u64(&q, op->session);
	nj_bind_blob(&q, op->text.data, op->text.len);
	return nj_query_run(&q);
}

static enum nj_err put_body(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_BODY_PUT);

	nj_bind_u64(&q, op->shared);
	bind_body(&q, &op->body);
	return nj_query_run(&q);
}

static enum nj_err share_body(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	uint64_t key = op->shared | NJ_MESSAGES_TALLY_SHARED;

	if (store->tally_cap == 0 || find_tally(store->tallies, store->tally_cap, key)->key == 0)
		NJ_TRY(put_body(store, op));
	return nj_messages_tally_add(store, key, 1, 0, 0);
}

static enum nj_err enqueue(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_ENQUEUE);

	if (op->shared != 0)
		NJ_TRY(share_body(store, op));
	nj_bind_u64(&q, nj_messages_key(op->session, op->position));
	nj_bind_u64(&q, nj_messages_head(op->flags, &op->body));
	nj_messages_bind_some(&q, op->body.expires_ms);
	nj_messages_bind_bytes(&q, op->ids, op->id_count * sizeof(*op->ids));
	nj_messages_bind_some(&q, op->shared);
	if (op->shared == 0)
		bind_body(&q, &op->body);
	NJ_TRY(nj_query_run(&q));
	return nj_messages_tally_add(
	    store, op->session, 1, (int64_t)(nj_messages_body_bytes(&op->body) + NJ_MESSAGES_ROW_BYTES), op->position);
}

static enum nj_err unshare(struct nj_messages_store *store, uint64_t shared)
{
	return shared == 0 ? NJ_OK : nj_messages_tally_add(store, shared | NJ_MESSAGES_TALLY_SHARED, -1, 0, 0);
}

static bool changed(const struct nj_messages_store *store)
{
	return sqlite3_changes(store->db->sql) > 0;
}

/* From now on the row counts for itself alone. */
static enum nj_err release(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_TRY(run_with(store, NJ_SQL_RELEASE, nj_messages_key(op->session, op->position)));
	if (!changed(store))
		return NJ_OK;
	NJ_TRY(nj_messages_tally_add(store, op->session, 0, -(int64_t)nj_messages_body_bytes(&op->body), 0));
	return unshare(store, op->shared);
}

/* A row that is not there changes nothing: its enqueuing may have failed. */
enum nj_err nj_messages_remove_row(struct nj_messages_store *store, uint64_t key, uint64_t body_bytes, uint64_t shared)
{
	NJ_TRY(run_with(store, NJ_SQL_DEQUEUE, key));
	if (!changed(store))
		return NJ_OK;
	NJ_TRY(nj_messages_tally_add(store, key >> NJ_MESSAGES_POSITION_BITS, -1,
				     -(int64_t)(body_bytes + NJ_MESSAGES_ROW_BYTES), 0));
	return unshare(store, shared);
}

static enum nj_err dequeue(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	if ((op->flags & NJ_MESSAGES_DISCARDED) != 0)
		NJ_TRY(nj_messages_tally_discarded(store, op->session, 1));
	return nj_messages_remove_row(store, nj_messages_key(op->session, op->position),
				      nj_messages_body_bytes(&op->body), op->shared);
}

static uint64_t received_key(const struct nj_messages_op *op)
{
	return (uint64_t)op->session << 16 | (op->value & UINT16_MAX);
}

static enum nj_err receive(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	return run_with(store, NJ_SQL_RECEIVE, received_key(op));
}

static enum nj_err forget(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	return run_with(store, NJ_SQL_FORGET, received_key(op));
}

static enum nj_err retain(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_RETAIN);
	const struct nj_messages_body *body = &op->body;

	nj_bind_blob(&q, op->text.data, op->text.len);
	nj_bind_blob(&q, body->bytes, body->topic_bytes);
	nj_bind_u64(&q, nj_messages_head(op->flags, body));
	nj_messages_bind_some(&q, body->expires_ms);
	nj_bind_blob(&q, body->bytes + body->topic_bytes, nj_messages_body_bytes(body) - body->topic_bytes);
	return nj_query_run(&q);
}

static enum nj_err unretain(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_UNRETAIN);

	nj_bind_blob(&q, op->text.data, op->text.len);
	nj_bind_blob(&q, op->body.bytes, op->body.topic_bytes);
	return nj_query_run(&q);
}

enum nj_err nj_messages_store_apply(struct nj_messages_store *store, struct nj_messages_op *op)
{
	switch ((enum nj_messages_op_type)op->type) {
	case NJ_MESSAGES_SESSION_PUT:
		return session_put(store, op);
	case NJ_MESSAGES_SESSION_DROP:
		return session_drop(store, op);
	case NJ_MESSAGES_SUBSCRIBE:
		return subscribe(store, op);
	case NJ_MESSAGES_UNSUBSCRIBE:
		return unsubscribe(store, op);
	case NJ_MESSAGES_ENQUEUE:
		return enqueue(store, op);
	case NJ_MESSAGES_RELEASE:
		return release(store, op);
	case NJ_MESSAGES_DEQUEUE:
		return dequeue(store, op);
	case NJ_MESSAGES_TRIM:
		return nj_messages_trim(store, op);
	case NJ_MESSAGES_RECEIVE:
		return receive(store, op);
	case NJ_MESSAGES_FORGET:
		return forget(store, op);
	case NJ_MESSAGES_RETAIN:
		return retain(store, op);
	case NJ_MESSAGES_UNRETAIN:
		return unretain(store, op);
	}
	return NJ_ERR_RANGE;
}
