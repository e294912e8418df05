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
	nj_bind_blob(&q, slot->params, slot->params_len);
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

static void read_params(struct nj_query *q, struct nj_vault_slot *out_slot)
{
	struct nj_view params = nj_col_blob(q);

	out_slot->params_len = (uint8_t)(params.len <= sizeof(out_slot->params) ? params.len : 0);
	if (out_slot->params_len > 0)
		memcpy(out_slot->params, params.data, out_slot->params_len);
}

/* A damaged slot is shown, not an error: another one may open the vault. */
static enum nj_err read_slot(struct nj_query *q, struct nj_vault_slot *out_slot)
{
	out_slot->id = (uint32_t)nj_col_u64(q, UINT32_MAX);
	out_slot->kind = (uint8_t)nj_col_u64(q, UINT8_MAX);
	nj_col_bytes(q, out_slot->check, sizeof(out_slot->check));
	nj_col_bytes(q, out_slot->sealed, sizeof(out_slot->sealed));
	read_params(q, out_slot);
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

static enum nj_err read_record(struct nj_query *q, nj_record_fn fn, void *arg)
{
	const char *id = nj_col_str(q);
	uint64_t version = nj_col_u64(q, INT64_MAX);
	struct nj_view sealed = nj_col_blob(q);
	uint8_t copy[NJ_RECORD_MAX_BYTES];
	char *name;
	enum nj_err err;

	NJ_TRY(nj_col_end(q));
	if (sealed.len > sizeof(copy))
		return NJ_ERR_CORRUPT;
	/* Copied: the callback may write the row that the columns point into. */
	if (sealed.len > 0)
		memcpy(copy, sealed.data, sealed.len);
	name = strdup(id);
	if (name == NULL)
		return NJ_ERR_NO_MEMORY;
	err = fn(arg, name, version, nj_view_of(copy, sealed.len));
	free(name);
	return err;
}

/* Each row by a query of its own, in order of id: the callback may replace it meanwhile. */
enum nj_err nj_keeper_store_record_each(struct nj_keeper_store *store, nj_record_fn fn, void *arg)
{
	for (uint64_t place = 0;; place++) {
		NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RECORD_AT);
		enum nj_err err;

		nj_bind_u64(&q, place);
		err = nj_query_next(&q);
		if (err == NJ_ERR_NOT_FOUND)
			return NJ_OK;
		NJ_TRY(err);
		NJ_TRY(read_record(&q, fn, arg));
	}
}

enum nj_err nj_keeper_store_device_reseal(struct nj_keeper_store *store, const struct nj_keeper_device *device)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_RESEAL);

	nj_bind_blob(&q, device->uid, sizeof(device->uid));
	nj_bind_blob(&q, device->sealed_key, device->sealed_key_len);
	nj_bind_blob(&q, device->sealed_pending, device->sealed_pending_len);
	nj_bind_blob(&q, device->sealed_recovery, device->sealed_recovery_len);
	nj_bind_blob(&q, device->sealed_offer, device->sealed_offer_len);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}
