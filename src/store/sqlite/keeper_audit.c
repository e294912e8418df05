#include "store/keeper_audit.h"

#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_audit_append(struct nj_keeper_store *store, const struct nj_audit_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_AUDIT_APPEND);

	nj_bind_u64(&q, row->seq);
	nj_bind_u64(&q, row->time_ms);
	nj_bind_text_view(&q, row->event);
	nj_bind_text_view(&q, row->customer);
	nj_bind_text_view(&q, row->subject);
	nj_bind_text_view(&q, row->source);
	nj_bind_text_view(&q, row->detail);
	nj_bind_blob(&q, row->hash, sizeof(row->hash));
	return nj_query_run(&q);
}

/* A damaged row is passed on as such: the audit's reader names it. */
static enum nj_err read_row(struct nj_query *q, struct nj_audit_row *out_row)
{
	out_row->seq = nj_col_u64(q, INT64_MAX);
	out_row->time_ms = nj_col_u64(q, INT64_MAX);
	out_row->event = nj_col_text_view(q);
	out_row->customer = nj_col_text_view(q);
	out_row->subject = nj_col_text_view(q);
	out_row->source = nj_col_text_view(q);
	out_row->detail = nj_col_text_view(q);
	nj_col_bytes(q, out_row->hash, sizeof(out_row->hash));
	out_row->damaged = nj_col_forgive(q);
	return nj_col_end(q);
}

static enum nj_err read_rows(struct nj_keeper_store *store, enum nj_keeper_statement statement, uint64_t from,
			     uint32_t limit, nj_audit_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);
	struct nj_audit_row row;
	enum nj_err err;

	nj_bind_u64(&q, from > INT64_MAX ? INT64_MAX : from);
	nj_bind_u64(&q, limit);
	while ((err = nj_query_next(&q)) == NJ_OK) {
		NJ_TRY(read_row(&q, &row));
		NJ_TRY(fn(arg, &row));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_audit_after(struct nj_keeper_store *store, uint64_t after, uint32_t limit,
					nj_audit_row_fn fn, void *arg)
{
	return read_rows(store, NJ_KEEPER_AUDIT_AFTER, after, limit, fn, arg);
}

enum nj_err nj_keeper_store_audit_before(struct nj_keeper_store *store, uint64_t before, uint32_t limit,
					 nj_audit_row_fn fn, void *arg)
{
	return read_rows(store, NJ_KEEPER_AUDIT_BEFORE, before, limit, fn, arg);
}

enum nj_err nj_keeper_store_checkpoint_append(struct nj_keeper_store *store, const struct nj_audit_checkpoint_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CHECKPOINT_APPEND);

	nj_bind_u64(&q, row->seq);
	nj_bind_u64(&q, row->previous_seq);
	nj_bind_u64(&q, row->time_ms);
	nj_bind_blob(&q, row->hash, sizeof(row->hash));
	nj_bind_blob(&q, row->signature, sizeof(row->signature));
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_checkpoint_after(struct nj_keeper_store *store, uint64_t after,
					     struct nj_audit_checkpoint_row *out_row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CHECKPOINT_AFTER);
	struct nj_audit_checkpoint_row row;

	nj_bind_u64(&q, after);
	NJ_TRY(nj_query_next(&q));
	row.seq = nj_col_u64(&q, INT64_MAX);
	row.previous_seq = nj_col_u64(&q, INT64_MAX);
	row.time_ms = nj_col_u64(&q, INT64_MAX);
	nj_col_bytes(&q, row.hash, sizeof(row.hash));
	nj_col_bytes(&q, row.signature, sizeof(row.signature));
	row.damaged = nj_col_forgive(&q);
	NJ_TRY(nj_col_end(&q));
	*out_row = row;
	return NJ_OK;
}

enum nj_err nj_keeper_store_head_put(struct nj_keeper_store *store, const struct nj_audit_head_row *head)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HEAD_PUT);

	nj_bind_u64(&q, head->seq);
	nj_bind_u64(&q, head->checkpoint_seq);
	nj_bind_blob(&q, head->hash, sizeof(head->hash));
	nj_bind_blob(&q, head->mac, sizeof(head->mac));
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_head_get(struct nj_keeper_store *store, struct nj_audit_head_row *out_head)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HEAD_GET);
	struct nj_audit_head_row head;

	NJ_TRY(nj_query_next(&q));
	head.seq = nj_col_u64(&q, INT64_MAX);
	head.checkpoint_seq = nj_col_u64(&q, INT64_MAX);
	nj_col_bytes(&q, head.hash, sizeof(head.hash));
	nj_col_bytes(&q, head.mac, sizeof(head.mac));
	NJ_TRY(nj_col_end(&q));
	*out_head = head;
	return NJ_OK;
}
