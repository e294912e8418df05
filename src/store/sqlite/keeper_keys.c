#include "store/keeper_keys.h"

#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_device_set_pending(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					       struct nj_view sealed, struct nj_view sealed_offer)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_SET_PENDING);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_blob(&q, sealed.data, sealed.len);
	nj_bind_blob(&q, sealed_offer.data, sealed_offer.len);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_device_raise_recovery_floor(struct nj_keeper_store *store,
							const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t floor)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_RAISE_RECOVERY);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, floor);
	return nj_query_run_one(&q, NJ_ERR_REPLAYED);
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

static enum nj_err read_tombstones(struct nj_query *q, nj_tombstone_fn fn, void *arg)
{
	struct nj_tombstone tombstone;
	enum nj_err err;

	while ((err = read_tombstone(q, &tombstone)) == NJ_OK)
		NJ_TRY(fn(arg, &tombstone));
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_tombstone_each(struct nj_keeper_store *store, nj_tombstone_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_EACH);

	return read_tombstones(&q, fn, arg);
}

enum nj_err nj_keeper_store_tombstones_before(struct nj_keeper_store *store, uint64_t buried_ms, uint32_t limit,
					      nj_tombstone_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_BEFORE);

	nj_bind_u64(&q, buried_ms);
	nj_bind_u64(&q, limit);
	return read_tombstones(&q, fn, arg);
}

enum nj_err nj_keeper_store_tombstones_newest(struct nj_keeper_store *store, uint32_t newest, nj_tombstone_fn fn,
					      void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TOMBSTONE_NEWEST);

	nj_bind_u64(&q, newest);
	return read_tombstones(&q, fn, arg);
}

static enum nj_err count_of(struct nj_keeper_store *store, enum nj_keeper_statement statement, uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);
	uint64_t count;

	NJ_TRY(nj_query_next(&q));
	count = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	*out_count = count;
	return NJ_OK;
}

enum nj_err nj_keeper_store_tombstones_count(struct nj_keeper_store *store, uint64_t *out_count)
{
	return count_of(store, NJ_KEEPER_TOMBSTONE_COUNT, out_count);
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

enum nj_err nj_keeper_store_device_count_cloned(struct nj_keeper_store *store, uint64_t *out_count)
{
	return count_of(store, NJ_KEEPER_DEVICE_COUNT_CLONED, out_count);
}

/* ---- hints ---- */

#define HINT_BYTES 8
#define OWNER_BYTES 8
#define PREFIX_BYTES 4 /* of a uid, which is random */

static uint64_t week_of(uint64_t ms)
{
	return ms / NJ_TOMBSTONE_WEEK_MS;
}

/* The beginning of the uid, and the epoch: enough to find the row, which says the rest. */
static void owner_of(const struct nj_tombstone *tombstone, uint8_t out_owner[OWNER_BYTES])
{
	memcpy(out_owner, tombstone->uid, PREFIX_BYTES);
	nj_put_u32(out_owner + PREFIX_BYTES, tombstone->epoch);
}

static enum nj_err hints_change(struct nj_keeper_store *store, enum nj_keeper_statement statement,
				const struct nj_tombstone *tombstone, const uint8_t (*hints)[HINT_BYTES], size_t count)
{
	uint8_t owner[OWNER_BYTES];

	owner_of(tombstone, owner);
	for (size_t i = 0; i < count; i++) {
		NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

		nj_bind_u64(&q, week_of(tombstone->buried_ms));
		nj_bind_blob(&q, hints[i], HINT_BYTES);
		nj_bind_blob(&q, owner, sizeof(owner));
		NJ_TRY(nj_query_run(&q));
	}
	return NJ_OK;
}

enum nj_err nj_keeper_store_hints_put(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
				      const uint8_t (*hints)[8], size_t count)
{
	return hints_change(store, NJ_KEEPER_HINT_PUT, tombstone, hints, count);
}

enum nj_err nj_keeper_store_hints_remove(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
					 const uint8_t (*hints)[8], size_t count)
{
	return hints_change(store, NJ_KEEPER_HINT_REMOVE, tombstone, hints, count);
}

static enum nj_err owner_find(struct nj_keeper_store *store, const uint8_t owner[OWNER_BYTES], nj_tombstone_fn fn,
			      void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HINT_OWNER);
	uint8_t first[NJ_STORE_UID_BYTES] = { 0 };
	uint8_t last[NJ_STORE_UID_BYTES];
	struct nj_reader epoch = nj_reader_of(owner + PREFIX_BYTES, OWNER_BYTES - PREFIX_BYTES);

	memset(last, 0xff, sizeof(last));
	memcpy(first, owner, PREFIX_BYTES);
	memcpy(last, owner, PREFIX_BYTES);
	nj_bind_blob(&q, first, sizeof(first));
	nj_bind_blob(&q, last, sizeof(last));
	nj_bind_u64(&q, nj_read_u32(&epoch));
	return read_tombstones(&q, fn, arg);
}

static enum nj_err week_find(struct nj_keeper_store *store, uint64_t week, const uint8_t hint[HINT_BYTES],
			     nj_tombstone_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HINT_FIND);
	uint8_t owner[OWNER_BYTES];
	enum nj_err err;

	nj_bind_u64(&q, week);
	nj_bind_blob(&q, hint, HINT_BYTES);
	while ((err = nj_query_next(&q)) == NJ_OK) {
		nj_col_bytes(&q, owner, sizeof(owner));
		NJ_TRY(nj_col_end(&q));
		NJ_TRY(owner_find(store, owner, fn, arg));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_hints_find(struct nj_keeper_store *store, const uint8_t hint[8], uint64_t since_ms,
				       uint64_t now_ms, nj_tombstone_fn fn, void *arg)
{
	for (uint64_t week = week_of(since_ms); week <= week_of(now_ms); week++)
		NJ_TRY(week_find(store, week, hint, fn, arg));
	return NJ_OK;
}

enum nj_err nj_keeper_store_hints_delete_before(struct nj_keeper_store *store, uint64_t before_ms, uint32_t limit,
						uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HINT_DELETE_BEFORE);

	nj_bind_u64(&q, week_of(before_ms));
	nj_bind_u64(&q, limit);
	NJ_TRY(nj_query_run(&q));
	*out_count = (uint64_t)sqlite3_changes(store->db->sql);
	return NJ_OK;
}

enum nj_err nj_keeper_store_hints_walk(struct nj_keeper_store *store, struct nj_store_hint_at *at, uint32_t limit,
				       nj_store_hint_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_HINT_WALK);
	struct nj_store_hint_at start = *at;
	enum nj_err err;

	nj_bind_u64(&q, start.week);
	nj_bind_blob(&q, start.hint, sizeof(start.hint));
	nj_bind_blob(&q, start.owner, sizeof(start.owner));
	nj_bind_u64(&q, limit);
	for (; (err = nj_query_next(&q)) == NJ_OK; limit--) {
		at->week = nj_col_u64(&q, INT64_MAX);
		nj_col_bytes(&q, at->hint, sizeof(at->hint));
		nj_col_bytes(&q, at->owner, sizeof(at->owner));
		NJ_TRY(nj_col_end(&q));
		fn(arg, at->hint);
	}
	if (err != NJ_ERR_NOT_FOUND)
		return err;
	return limit > 0 ? NJ_OK : NJ_ERR_AGAIN;
}
