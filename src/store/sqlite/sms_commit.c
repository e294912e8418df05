#include "store/sqlite/sms.h"

#define PURGE_ROWS 256 /* messages, and keys, between two commits */

static void close_store(void *store)
{
	nj_sms_store_close(store);
}

static enum nj_err begin(void *store)
{
	return nj_sms_store_begin(store);
}

static enum nj_err apply(void *store, struct nj_commit_group *group)
{
	NJ_LIST_EACH (&nj_sms_group_of(group)->ops, at)
		NJ_TRY(nj_sms_store_apply(store, NJ_CONTAINER(at, struct nj_sms_op, link)));
	return NJ_OK;
}

static enum nj_err commit(void *store)
{
	return nj_sms_store_commit(store);
}

static void rollback(void *store)
{
	nj_sms_store_rollback(store);
}

static void answer(void *store, struct nj_commit_group *group)
{
	NJ_LIST_EACH (&nj_sms_group_of(group)->asks, at) {
		struct nj_sms_ask *ask = NJ_CONTAINER(at, struct nj_sms_ask, link);

		ask->result = nj_sms_store_ask(store, ask);
	}
}

/* ---- what is old ---- */

void nj_sms_store_keep_since(struct nj_sms_store *store, uint64_t until_ms)
{
	atomic_store(&store->keep_since_ms, until_ms);
}

static enum nj_err remove_message(struct nj_sms_store *store, uint64_t id)
{
	static const enum nj_sms_statement all[] = { NJ_SQL_SMS_REF_DROP_ALL, NJ_SQL_SMS_MESSAGE_DELETE };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, all[i]);

		nj_bind_u64(&q, id);
		NJ_TRY(nj_query_run(&q));
	}
	return NJ_OK;
}

/* A row is not removed while a statement that reads its table stands on it. */
static enum nj_err old_messages(struct nj_sms_store *store, uint64_t before_ms, uint64_t *ids, size_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_MESSAGE_OLD);
	size_t count = 0;
	enum nj_err err = NJ_OK;

	nj_bind_u64(&q, before_ms);
	nj_bind_u64(&q, PURGE_ROWS);
	while (count < PURGE_ROWS && (err = nj_query_next(&q)) == NJ_OK) {
		ids[count++] = nj_col_u64(&q, INT64_MAX);
		NJ_TRY(nj_col_end(&q));
	}
	*out_count = count;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err purge_keys(struct nj_sms_store *store, uint64_t before_ms, bool *out_more)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_KEY_OLD);

	nj_bind_u64(&q, before_ms);
	nj_bind_u64(&q, PURGE_ROWS);
	NJ_TRY(nj_query_run(&q));
	*out_more = sqlite3_changes(store->db->sql) == PURGE_ROWS;
	return NJ_OK;
}

static enum nj_err tidy(void *arg, bool *out_more)
{
	struct nj_sms_store *store = arg;
	uint64_t before_ms = atomic_load(&store->keep_since_ms);
	uint64_t ids[PURGE_ROWS];
	size_t count = 0;

	store->tidied_ms = before_ms;
	if (before_ms == 0)
		return NJ_OK;
	NJ_TRY(old_messages(store, before_ms, ids, &count));
	for (size_t i = 0; i < count; i++)
		NJ_TRY(remove_message(store, ids[i]));
	NJ_TRY(purge_keys(store, before_ms, out_more));
	*out_more |= count == PURGE_ROWS;
	return NJ_OK;
}

static bool wants(const void *arg)
{
	const struct nj_sms_store *store = arg;

	return atomic_load(&store->keep_since_ms) > store->tidied_ms;
}

/* ---- the log ---- */

static uint32_t log_pages(const void *store)
{
	return ((const struct nj_sms_store *)store)->db->log_pages;
}

static enum nj_err checkpoint(void *store)
{
	return nj_db_checkpoint(((struct nj_sms_store *)store)->db);
}

struct nj_committed nj_sms_store_committed(struct nj_sms_store *store)
{
	static const struct nj_committed_ops ops = {
		.close = close_store,
		.begin = begin,
		.apply = apply,
		.commit = commit,
		.rollback = rollback,
		.read = answer,
		.tidy = tidy,
		.wants = wants,
		.log_pages = log_pages,
		.checkpoint = checkpoint,
	};

	return (struct nj_committed){ .store = store, .ops = &ops };
}
