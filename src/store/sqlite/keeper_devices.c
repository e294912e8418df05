#include "store/keeper_keys.h"
#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_device_insert(struct nj_keeper_store *store, const struct nj_keeper_device *device)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_INSERT);

	nj_bind_blob(&q, device->uid, sizeof(device->uid));
	nj_bind_u64(&q, device->kind);
	nj_bind_u64(&q, device->state);
	nj_bind_u64(&q, device->cut_done);
	nj_bind_u64(&q, device->epoch);
	nj_bind_u64(&q, device->floor);
	nj_bind_u64(&q, device->created_ms);
	nj_bind_u64(&q, device->revoked_ms);
	nj_bind_u64(&q, device->rekeyed_ms);
	nj_bind_u64(&q, device->cloned_ms);
	nj_bind_text(&q, device->customer);
	nj_bind_text(&q, device->name);
	nj_bind_text(&q, device->profile);
	nj_bind_blob(&q, device->sealed_key, device->sealed_key_len);
	nj_bind_blob(&q, device->sealed_pending, device->sealed_pending_len);
	nj_bind_blob(&q, device->sealed_recovery, device->sealed_recovery_len);
	nj_bind_blob(&q, device->sealed_offer, device->sealed_offer_len);
	nj_bind_u64(&q, device->recovery_floor);
	return nj_query_run(&q);
}

/* The statements that change one device by its uid. */
static enum nj_err change(struct nj_keeper_store *store, enum nj_keeper_statement statement,
			  const uint8_t uid[NJ_STORE_UID_BYTES])
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_device_set_live(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	return change(store, NJ_KEEPER_DEVICE_SET_LIVE, uid);
}

enum nj_err nj_keeper_store_device_delete_pending(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	return change(store, NJ_KEEPER_DEVICE_DELETE_PENDING, uid);
}

enum nj_err nj_keeper_store_device_set_cut_done(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	return change(store, NJ_KEEPER_DEVICE_SET_CUT_DONE, uid);
}

enum nj_err nj_keeper_store_device_revoke(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					  uint64_t now_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_REVOKE);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, now_ms);
	NJ_TRY(nj_query_run_one(&q, NJ_ERR_NOT_FOUND));
	NJ_TRY(nj_keeper_store_restored_clear(store, uid));
	return nj_keeper_store_tombstones_delete(store, uid);
}

enum nj_err nj_keeper_store_device_raise_floor(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					       uint64_t floor)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_RAISE_FLOOR);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, floor);
	return nj_query_run_one(&q, NJ_ERR_REPLAYED);
}

/* A sealed key of any length that fits; the row is corrupt otherwise. */
static void col_sealed(struct nj_query *q, uint8_t out[NJ_SEALED_KEY_MAX], uint8_t *out_len)
{
	struct nj_view sealed = nj_col_blob(q);

	*out_len = 0;
	if (sealed.len > NJ_SEALED_KEY_MAX) {
		q->err = NJ_ERR_CORRUPT;
		return;
	}
	if (sealed.len > 0)
		memcpy(out, sealed.data, sealed.len);
	*out_len = (uint8_t)sealed.len;
}

static enum nj_err read_device(struct nj_query *q, struct nj_keeper_device *out_device)
{
	nj_col_bytes(q, out_device->uid, sizeof(out_device->uid));
	out_device->kind = (uint8_t)nj_col_u64(q, UINT8_MAX);
	out_device->state = (uint8_t)nj_col_u64(q, NJ_DEVICE_REVOKED);
	out_device->cut_done = nj_col_bool(q);
	out_device->epoch = (uint32_t)nj_col_u64(q, UINT32_MAX);
	out_device->floor = nj_col_u64(q, INT64_MAX);
	out_device->created_ms = nj_col_u64(q, INT64_MAX);
	out_device->revoked_ms = nj_col_u64(q, INT64_MAX);
	out_device->rekeyed_ms = nj_col_u64(q, INT64_MAX);
	out_device->cloned_ms = nj_col_u64(q, INT64_MAX);
	nj_col_text(q, out_device->customer, sizeof(out_device->customer));
	nj_col_text(q, out_device->name, sizeof(out_device->name));
	nj_col_text(q, out_device->profile, sizeof(out_device->profile));
	col_sealed(q, out_device->sealed_key, &out_device->sealed_key_len);
	col_sealed(q, out_device->sealed_pending, &out_device->sealed_pending_len);
	col_sealed(q, out_device->sealed_recovery, &out_device->sealed_recovery_len);
	col_sealed(q, out_device->sealed_offer, &out_device->sealed_offer_len);
	out_device->recovery_floor = nj_col_u64(q, INT64_MAX);
	return nj_col_end(q);
}

static enum nj_err read_one(struct nj_query *q, struct nj_keeper_device *out_device)
{
	struct nj_keeper_device device;

	NJ_TRY(nj_query_next(q));
	NJ_TRY(read_device(q, &device));
	*out_device = device;
	return NJ_OK;
}

static enum nj_err read_all(struct nj_query *q, nj_keeper_device_fn fn, void *arg)
{
	struct nj_keeper_device device;
	enum nj_err err;

	while ((err = nj_query_next(q)) == NJ_OK) {
		NJ_TRY(read_device(q, &device));
		NJ_TRY(fn(arg, &device));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_device_get(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
				       struct nj_keeper_device *out_device)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_GET);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return read_one(&q, out_device);
}

enum nj_err nj_keeper_store_device_find(struct nj_keeper_store *store, const char *customer, uint8_t kind,
					const char *name, struct nj_keeper_device *out_device)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_FIND);

	nj_bind_text(&q, customer);
	nj_bind_u64(&q, kind);
	nj_bind_text(&q, name);
	return read_one(&q, out_device);
}

enum nj_err nj_keeper_store_device_each(struct nj_keeper_store *store, nj_keeper_device_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_EACH);

	return read_all(&q, fn, arg);
}

enum nj_err nj_keeper_store_device_unsettled_each(struct nj_keeper_store *store, nj_keeper_device_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_UNSETTLED);

	return read_all(&q, fn, arg);
}

enum nj_err nj_keeper_store_device_each_rekeying(struct nj_keeper_store *store, nj_keeper_device_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_EACH_REKEYING);

	return read_all(&q, fn, arg);
}

enum nj_err nj_keeper_store_device_page(struct nj_keeper_store *store, const char *customer, uint8_t kind,
					const char *after, uint32_t limit, nj_keeper_device_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_PAGE);

	nj_bind_text(&q, customer);
	nj_bind_u64(&q, kind);
	nj_bind_text(&q, after);
	nj_bind_u64(&q, limit);
	return read_all(&q, fn, arg);
}

enum nj_err nj_keeper_store_device_count(struct nj_keeper_store *store, uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_COUNT);
	uint64_t count;

	NJ_TRY(nj_query_next(&q));
	count = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	*out_count = count;
	return NJ_OK;
}

enum nj_err nj_keeper_store_policy_put(struct nj_keeper_store *store, const struct nj_door_policy *policy)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_POLICY_PUT);

	nj_bind_text(&q, policy->profile);
	nj_bind_u64(&q, policy->services);
	nj_bind_u64(&q, policy->plain);
	nj_bind_u64(&q, policy->grant_ms);
	nj_bind_u64(&q, policy->source_bits_v4);
	nj_bind_u64(&q, policy->source_bits_v6);
	nj_bind_u64(&q, policy->bind);
	nj_bind_u64(&q, policy->tls12);
	nj_bind_u64(&q, policy->bind_ms);
	return nj_query_run(&q);
}

static enum nj_err read_policy(struct nj_query *q, struct nj_door_policy *out_policy)
{
	struct nj_door_policy policy;

	NJ_TRY(nj_query_next(q));
	nj_col_text(q, policy.profile, sizeof(policy.profile));
	policy.services = (uint32_t)nj_col_u64(q, UINT32_MAX);
	policy.plain = nj_col_bool(q);
	policy.grant_ms = (uint32_t)nj_col_u64(q, UINT32_MAX);
	policy.source_bits_v4 = (uint8_t)nj_col_u64(q, 32);
	policy.source_bits_v6 = (uint8_t)nj_col_u64(q, 128);
	policy.bind = (uint8_t)nj_col_u64(q, NJ_BINDING_TLS);
	policy.tls12 = nj_col_bool(q);
	policy.bind_ms = (uint32_t)nj_col_u64(q, UINT32_MAX);
	NJ_TRY(nj_col_end(q));
	*out_policy = policy;
	return NJ_OK;
}

enum nj_err nj_keeper_store_policy_get(struct nj_keeper_store *store, const char *profile,
				       struct nj_door_policy *out_policy)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_POLICY_GET);

	nj_bind_text(&q, profile);
	return read_policy(&q, out_policy);
}

enum nj_err nj_keeper_store_policy_each(struct nj_keeper_store *store, nj_door_policy_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_POLICY_EACH);
	struct nj_door_policy policy;
	enum nj_err err;

	while ((err = read_policy(&q, &policy)) == NJ_OK)
		NJ_TRY(fn(arg, &policy));
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

/* ---- after a restore ---- */

/* A store that is only looked at keeps the shape that the release before wrote. */
static struct nj_query peek_query(struct nj_keeper_store *store)
{
	struct nj_query q = nj_query_of(store->db, NJ_KEEPER_DEVICE_PEEK);

	return q.err == NJ_OK ? q : nj_query_of(store->db, NJ_KEEPER_DEVICE_PEEK_OLD);
}

enum nj_err nj_keeper_store_peek_each(struct nj_keeper_store *store, nj_keeper_peek_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = peek_query(store);
	struct nj_keeper_peek row;
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		nj_col_bytes(&q, row.uid, sizeof(row.uid));
		row.state = (uint8_t)nj_col_u64(&q, NJ_DEVICE_REVOKED);
		row.epoch = (uint32_t)nj_col_u64(&q, UINT32_MAX);
		row.floor = nj_col_u64(&q, INT64_MAX);
		row.recovery_floor = nj_col_u64(&q, INT64_MAX);
		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, &row));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_restored_mark(struct nj_keeper_store *store, uint64_t raise)
{
	NJ_CLEANUP_QUERY struct nj_query raise_all = nj_query_of(store->db, NJ_KEEPER_RESTORED_RAISE);
	NJ_CLEANUP_QUERY struct nj_query mark = nj_query_of(store->db, NJ_KEEPER_RESTORED_MARK);

	if (raise > UINT32_MAX)
		return NJ_ERR_RANGE;
	nj_bind_u64(&raise_all, raise);
	NJ_TRY(nj_query_run(&raise_all));
	return nj_query_run(&mark);
}

enum nj_err nj_keeper_store_restored_clear(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RESTORED_CLEAR);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return nj_query_run(&q);
}

/* Up to `limit` uids of a statement that goes on after one. */
static enum nj_err uids_after(struct nj_keeper_store *store, enum nj_keeper_statement statement,
			      const uint8_t after[NJ_STORE_UID_BYTES], size_t limit, uint8_t (*out)[NJ_STORE_UID_BYTES],
			      size_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);
	size_t count = 0;
	enum nj_err err;

	nj_bind_blob(&q, after, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, limit);
	while ((err = nj_query_next(&q)) == NJ_OK && count < limit) {
		nj_col_bytes(&q, out[count++], NJ_STORE_UID_BYTES);
		NJ_TRY(nj_col_end(&q));
	}
	*out_count = count;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_device_after(struct nj_keeper_store *store, const uint8_t after[NJ_STORE_UID_BYTES],
					 size_t limit, uint8_t (*out)[NJ_STORE_UID_BYTES], size_t *out_count)
{
	return uids_after(store, NJ_KEEPER_DEVICE_AFTER, after, limit, out, out_count);
}

enum nj_err nj_keeper_store_restored_after(struct nj_keeper_store *store, const uint8_t after[NJ_STORE_UID_BYTES],
					   size_t limit, uint8_t (*out)[NJ_STORE_UID_BYTES], size_t *out_count)
{
	return uids_after(store, NJ_KEEPER_RESTORED_AFTER, after, limit, out, out_count);
}

enum nj_err nj_keeper_store_restored_has(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					 bool *out_has)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RESTORED_HAS);
	bool has;

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	NJ_TRY(nj_query_next(&q));
	has = nj_col_u64(&q, 1) != 0;
	NJ_TRY(nj_col_end(&q));
	*out_has = has;
	return NJ_OK;
}

enum nj_err nj_keeper_store_restored_each(struct nj_keeper_store *store, nj_uid_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RESTORED_EACH);
	uint8_t uid[NJ_STORE_UID_BYTES];
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		nj_col_bytes(&q, uid, sizeof(uid));
		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, uid));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_restored_count(struct nj_keeper_store *store, uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_RESTORED_COUNT);
	uint64_t count;

	NJ_TRY(nj_query_next(&q));
	count = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	*out_count = count;
	return NJ_OK;
}
