#include "store/keeper_vault.h"

#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_record_put(struct nj_keeper_store *store, const char *id, uint64_t version,
				       struct nj_view sealed)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RECORD_PUT);

	if (sealed.len > NJ_RECORD_MAX_BYTES)
		return NJ_ERR_TOO_LARGE;
	nj_bind_text(&q, id);
	nj_bind_u64(&q, version);
	nj_bind_blob(&q, sealed.data, sealed.len);
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_record_get(struct nj_keeper_store *store, const char *id, uint64_t *out_version,
				       uint8_t **out_sealed, size_t *out_len)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RECORD_GET);
	uint64_t version;
	struct nj_view sealed;
	uint8_t *copy;

	nj_bind_text(&q, id);
	NJ_TRY(nj_query_next(&q));
	version = nj_col_u64(&q, INT64_MAX);
	sealed = nj_col_blob(&q);
	NJ_TRY(nj_col_end(&q));
	if (sealed.len == 0 || sealed.len > NJ_RECORD_MAX_BYTES)
		return NJ_ERR_CORRUPT;
	copy = malloc(sealed.len);
	if (copy == NULL)
		return NJ_ERR_NO_MEMORY;
	memcpy(copy, sealed.data, sealed.len);
	*out_version = version;
	*out_sealed = copy;
	*out_len = sealed.len;
	return NJ_OK;
}

enum nj_err nj_keeper_store_slot_put(struct nj_keeper_store *store, const struct nj_vault_slot *slot, uint32_t *out_id)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_SLOT_PUT);

	nj_bind_u64(&q, slot->kind);
	nj_bind_blob(&q, slot->check, sizeof(slot->check));
	nj_bind_blob(&q, slot->sealed, sizeof(slot->sealed));
	NJ_TRY(nj_query_run(&q));
	if (out_id != NULL)
		*out_id = (uint32_t)sqlite3_last_insert_rowid(store->db->sql);
	return NJ_OK;
}

enum nj_err nj_keeper_store_slot_remove(struct nj_keeper_store *store, uint32_t id)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_SLOT_REMOVE);

	nj_bind_u64(&q, id);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

/* A damaged slot is shown, not an error: another one may open the vault. */
static enum nj_err read_slot(struct nj_query *q, struct nj_vault_slot *out_slot)
{
	out_slot->id = (uint32_t)nj_col_u64(q, UINT32_MAX);
	out_slot->kind = (uint8_t)nj_col_u64(q, UINT8_MAX);
	nj_col_bytes(q, out_slot->check, sizeof(out_slot->check));
	nj_col_bytes(q, out_slot->sealed, sizeof(out_slot->sealed));
	out_slot->damaged = nj_col_forgive(q);
	return nj_col_end(q);
}

enum nj_err nj_keeper_store_slot_each(struct nj_keeper_store *store, nj_vault_slot_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_SLOT_EACH);
	struct nj_vault_slot slot;
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		NJ_TRY(read_slot(&q, &slot));
		NJ_TRY(fn(arg, &slot));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}
