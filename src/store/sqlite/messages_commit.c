#include "store/sqlite/messages.h"

#define PURGE_ROWS 512 /* of dropped sessions, between two commits */

static void close_store(void *store)
{
	nj_messages_store_close(store);
}

static enum nj_err begin(void *store)
{
	return nj_messages_store_begin(store);
}

static enum nj_err apply(void *arg, struct nj_commit_group *group)
{
	struct nj_messages_store *store = arg;

	NJ_LIST_EACH (&nj_messages_group_of(group)->ops, at) {
		struct nj_messages_op *op = NJ_CONTAINER(at, struct nj_messages_op, link);

		NJ_TRY(nj_messages_store_apply(store, op));
		store->dropped |= op->type == NJ_MESSAGES_SESSION_DROP;
	}
	return NJ_OK;
}

static enum nj_err commit(void *store)
{
	return nj_messages_store_commit(store);
}

static void rollback(void *store)
{
	nj_messages_store_rollback(store);
}

static void read_pages(void *store, struct nj_commit_group *group)
{
	NJ_LIST_EACH (&nj_messages_group_of(group)->pages, at) {
		struct nj_messages_page *page = NJ_CONTAINER(at, struct nj_messages_page, link);

		page->result = nj_messages_store_page(store, page);
	}
}

static enum nj_err tidy(void *arg, bool *out_more)
{
	struct nj_messages_store *store = arg;

	store->dropped = false;
	return nj_messages_store_purge(store, PURGE_ROWS, out_more);
}

static bool wants(const void *store)
{
	return ((const struct nj_messages_store *)store)->dropped;
}

static uint32_t log_pages(const void *store)
{
	return ((const struct nj_messages_store *)store)->db->log_pages;
}

static enum nj_err checkpoint(void *store)
{
	return nj_db_checkpoint(((struct nj_messages_store *)store)->db);
}

struct nj_committed nj_messages_store_committed(struct nj_messages_store *store)
{
	static const struct nj_committed_ops ops = {
		.close = close_store,
		.begin = begin,
		.apply = apply,
		.commit = commit,
		.rollback = rollback,
		.read = read_pages,
		.tidy = tidy,
		.wants = wants,
		.log_pages = log_pages,
		.checkpoint = checkpoint,
	};

	return (struct nj_committed){ .store = store, .ops = &ops };
}
