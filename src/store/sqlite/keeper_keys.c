#include "store/keeper_keys.h"

#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_device_set_pending(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					       struct nj_view sealed)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_SET_PENDING);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_blob(&q, sealed.data, sealed.len);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_device_rekey(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					 uint32_t epoch, uint64_t now_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_REKEY);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, epoch);
	nj_bind_u64(&q, now_ms);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_device_set_cloned(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					      uint64_t now_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_SET_CLONED);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, now_ms);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_device_count_cloned(struct nj_keeper_store *store, uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_COUNT_CLONED);
	uint64_t count;

	NJ_TRY(nj_query_next(&q));
	count = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	*out_count = count;
	return NJ_OK;
}

/* ---- tombstones ---- */

enum nj_err nj_keeper_store_tombstone_insert(struct nj_keeper_store *store, const struct nj_tombstone *tombstone)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_INSERT);

	nj_bind_blob(&q, tombstone->uid, sizeof(tombstone->uid));
	nj_bind_u64(&q, tombstone->epoch);
	nj_bind_u64(&q, tombstone->buried_ms);
	nj_bind_u64(&q, tombstone->floor);
	nj_bind_u64(&q, tombstone->proven);
	nj_bind_blob(&q, tombstone->sealed, sizeof(tombstone->sealed));
	return nj_query_run(&q);
}

static enum nj_err read_tombstone(struct nj_query *q, struct nj_tombstone *out_tombstone)
{
	struct nj_tombstone tombstone;

	NJ_TRY(nj_query_next(q));
	nj_col_bytes(q, tombstone.uid, sizeof(tombstone.uid));
	tombstone.epoch = (uint32_t)nj_col_u64(q, UINT32_MAX);
	tombstone.buried_ms = nj_col_u64(q, INT64_MAX);
	tombstone.floor = nj_col_u64(q, INT64_MAX);
	tombstone.proven = nj_col_bool(q);
	nj_col_bytes(q, tombstone.sealed, sizeof(tombstone.sealed));
	NJ_TRY(nj_col_end(q));
	*out_tombstone = tombstone;
	return NJ_OK;
}

enum nj_err nj_keeper_store_tombstone_get(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					  uint32_t epoch, struct nj_tombstone *out_tombstone)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_GET);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, epoch);
	return read_tombstone(&q, out_tombstone);
}

enum nj_err nj_keeper_store_tombstone_each(struct nj_keeper_store *store, nj_tombstone_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_EACH);
	struct nj_tombstone tombstone;
	enum nj_err err;

	while ((err = read_tombstone(&q, &tombstone)) == NJ_OK)
		NJ_TRY(fn(arg, &tombstone));
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_tombstone_raise_floor(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
						  uint32_t epoch, uint64_t floor)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_RAISE_FLOOR);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, epoch);
	nj_bind_u64(&q, floor);
	return nj_query_run_one(&q, NJ_ERR_REPLAYED);
}

enum nj_err nj_keeper_store_tombstone_reseal(struct nj_keeper_store *store, const struct nj_tombstone *tombstone)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_RESEAL);

	nj_bind_blob(&q, tombstone->uid, sizeof(tombstone->uid));
	nj_bind_u64(&q, tombstone->epoch);
	nj_bind_blob(&q, tombstone->sealed, sizeof(tombstone->sealed));
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_tombstone_delete(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					     uint32_t epoch)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_DELETE);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, epoch);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

static enum nj_err change_all(struct nj_keeper_store *store, enum nj_keeper_statement statement,
			      const uint8_t uid[NJ_STORE_UID_BYTES])
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_tombstones_set_proven(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	return change_all(store, NJ_KEEPER_TOMBSTONE_SET_PROVEN, uid);
}

enum nj_err nj_keeper_store_tombstones_delete(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	return change_all(store, NJ_KEEPER_TOMBSTONE_DELETE_UID, uid);
}

enum nj_err nj_keeper_store_tombstones_delete_before(struct nj_keeper_store *store, uint64_t buried_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_DELETE_BEFORE);

	nj_bind_u64(&q, buried_ms);
	return nj_query_run(&q);
}
