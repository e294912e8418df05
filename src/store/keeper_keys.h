/*
 * The keeper store's rows for continuous keys: the pending key of a device, and tombstones, what is left of a replaced
 * key for 90 days. Thread rule and errors: store/keeper_store.h.
 */
#ifndef NJ_STORE_KEEPER_KEYS_H
#define NJ_STORE_KEEPER_KEYS_H

#include "store/keeper_store.h"

#define NJ_TOMBSTONE_SEALED_BYTES 136 /* nonce 24, keys for hint, seal and mac, tag 16 */

struct nj_tombstone {
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint32_t epoch; /* of the replaced key */
	bool proven;    /* a session under a newer key has been bound since */
	uint64_t buried_ms;
	uint64_t floor; /* knocks with counters ≤ floor have been told of */
	uint8_t sealed[NJ_TOMBSTONE_SEALED_BYTES];
};
typedef enum nj_err (*nj_tombstone_fn)(void *arg, const struct nj_tombstone *tombstone);

/* Sets, or (empty) drops, the pending key of a live device, with the offer of a recovery that it is of, or none;
 * NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_set_pending(struct nj_keeper_store *store,
							   const uint8_t uid[NJ_STORE_UID_BYTES], struct nj_view sealed,
							   struct nj_view sealed_offer);
/* Burns a counter of the recovery key, as nj_keeper_store_device_raise_floor. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_raise_recovery_floor(struct nj_keeper_store *store,
								    const uint8_t uid[NJ_STORE_UID_BYTES],
								    uint64_t floor);
/* The pending key becomes the device's, its epoch one more. NJ_ERR_NOT_FOUND unless it is at `epoch` with a pending
 * key. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_rekey(struct nj_keeper_store *store,
						     const uint8_t uid[NJ_STORE_UID_BYTES], uint32_t epoch,
						     uint64_t now_ms);
NJ_MUST_USE enum nj_err nj_keeper_store_device_set_cloned(struct nj_keeper_store *store,
							  const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t now_ms);
/* Live devices whose replaced key was used. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_count_cloned(struct nj_keeper_store *store, uint64_t *out_count);

/* NJ_ERR_EXISTS: (uid, epoch). */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_insert(struct nj_keeper_store *store,
							 const struct nj_tombstone *tombstone);
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_get(struct nj_keeper_store *store,
						      const uint8_t uid[NJ_STORE_UID_BYTES], uint32_t epoch,
						      struct nj_tombstone *out_tombstone);
/* NJ_ERR_REPLAYED when it was as high already, or there is none. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_raise_floor(struct nj_keeper_store *store,
							      const uint8_t uid[NJ_STORE_UID_BYTES], uint32_t epoch,
							      uint64_t floor);
/* All of a device; harmless without any. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstones_set_proven(struct nj_keeper_store *store,
							      const uint8_t uid[NJ_STORE_UID_BYTES]);
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_delete(struct nj_keeper_store *store,
							 const uint8_t uid[NJ_STORE_UID_BYTES], uint32_t epoch);
NJ_MUST_USE enum nj_err nj_keeper_store_tombstones_delete(struct nj_keeper_store *store,
							  const uint8_t uid[NJ_STORE_UID_BYTES]);
/* Up to `limit` of those that were buried before. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstones_before(struct nj_keeper_store *store, uint64_t buried_ms,
							  uint32_t limit, nj_tombstone_fn fn, void *arg);
/* The newest `newest` of each live device. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstones_newest(struct nj_keeper_store *store, uint32_t newest,
							  nj_tombstone_fn fn, void *arg);
NJ_MUST_USE enum nj_err nj_keeper_store_tombstones_count(struct nj_keeper_store *store, uint64_t *out_count);
/* The same keys, sealed anew; NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_reseal(struct nj_keeper_store *store,
							 const struct nj_tombstone *tombstone);
/* In order of device and epoch. */
NJ_MUST_USE enum nj_err nj_keeper_store_tombstone_each(struct nj_keeper_store *store, nj_tombstone_fn fn, void *arg);

/* ---- whose tombstone a hint is of ----
 * A row a hint, in order of time: rows of one week lie together, so that they are added beside each other and deleted
 * as one run. A row whose tombstone is gone does no harm, and goes with its week. */

#define NJ_TOMBSTONE_WEEK_MS (UINT64_C(7) * 24 * 60 * 60 * 1000)

/* Adds, or takes away, the hints of a tombstone; of the model uid, epoch and buried_ms are read. */
NJ_MUST_USE enum nj_err nj_keeper_store_hints_put(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
						  const uint8_t (*hints)[8], size_t count);
NJ_MUST_USE enum nj_err nj_keeper_store_hints_remove(struct nj_keeper_store *store,
						     const struct nj_tombstone *tombstone, const uint8_t (*hints)[8],
						     size_t count);
/* The tombstones of live devices that a hint may be of, buried since `since_ms`; `fn` must not write. */
NJ_MUST_USE enum nj_err nj_keeper_store_hints_find(struct nj_keeper_store *store, const uint8_t hint[8],
						   uint64_t since_ms, uint64_t now_ms, nj_tombstone_fn fn, void *arg);
/* Rows of weeks that ended before `before_ms`, at most `limit` of them. */
NJ_MUST_USE enum nj_err nj_keeper_store_hints_delete_before(struct nj_keeper_store *store, uint64_t before_ms,
							    uint32_t limit, uint64_t *out_count);

/* Where a walk over all hints is; all zero at the start. */
struct nj_store_hint_at {
	uint64_t week;
	uint8_t hint[8];
	uint8_t owner[8];
};
typedef void (*nj_store_hint_fn)(void *arg, const uint8_t hint[8]);
/* Up to `limit` more. NJ_OK: that was the last; NJ_ERR_AGAIN: call again. */
NJ_MUST_USE enum nj_err nj_keeper_store_hints_walk(struct nj_keeper_store *store, struct nj_store_hint_at *at,
						   uint32_t limit, nj_store_hint_fn fn, void *arg);

#endif
