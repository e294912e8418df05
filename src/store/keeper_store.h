/*
 * The keeper's file (keeper.db), typed: devices and applications with sealed root keys and knock floors, door policies,
 * sealed secrets, vault slots, and the rows of the audit log. Secrets are sealed before they come here; what a row
 * means is the caller's (identity, keeper). The keeper's main thread only; common rules and errors: store/store.h.
 */
#ifndef NJ_STORE_KEEPER_STORE_H
#define NJ_STORE_KEEPER_STORE_H

#include "base/service.h"
#include "store/store.h"

struct nj_keeper_store;

NJ_MUST_USE enum nj_err nj_keeper_store_open(const char *path, enum nj_store_mode mode,
					     struct nj_keeper_store **out_store, struct nj_why *why);
void nj_keeper_store_close(struct nj_keeper_store *store);
NJ_MUST_USE enum nj_err nj_keeper_store_begin(struct nj_keeper_store *store);
NJ_MUST_USE enum nj_err nj_keeper_store_commit(struct nj_keeper_store *store);
void nj_keeper_store_rollback(struct nj_keeper_store *store);

/* ---- devices and applications ---- */

enum nj_device_state { NJ_DEVICE_PENDING = 1, NJ_DEVICE_LIVE = 2, NJ_DEVICE_REVOKED = 3 };

#define NJ_SEALED_KEY_MAX 128

struct nj_keeper_device {
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint8_t kind; /* enum nj_party_kind */
	uint8_t state;
	bool cut_done; /* revoked: the gateway has confirmed that no session is left */
	uint8_t sealed_key_len;
	uint32_t epoch;
	uint64_t floor; /* counters ≤ floor are burnt */
	uint64_t created_ms;
	uint64_t revoked_ms; /* 0: never */
	uint64_t rekeyed_ms; /* when `epoch` began; 0: with the device */
	uint64_t cloned_ms;  /* when a replaced key was last used; 0: never */
	char customer[NJ_STORE_NAME_BYTES];
	char name[NJ_STORE_NAME_BYTES];
	char profile[NJ_STORE_NAME_BYTES];
	uint8_t sealed_key[NJ_SEALED_KEY_MAX];
	uint8_t sealed_pending_len; /* 0: no key is pending; else it is that of `epoch` + 1 */
	uint8_t sealed_recovery_len;
	uint8_t sealed_offer_len; /* 0: what is pending, if anything, is not of a recovery */
	uint8_t sealed_pending[NJ_SEALED_KEY_MAX];
	uint8_t sealed_recovery[NJ_SEALED_KEY_MAX];
	uint8_t sealed_offer[NJ_SEALED_KEY_MAX];
	uint64_t recovery_floor; /* counters ≤ it are burnt under the recovery key, which has its own */
};

/* Anything but NJ_OK stops the iteration, which returns it. The row lives until the call returns. */
typedef enum nj_err (*nj_keeper_device_fn)(void *arg, const struct nj_keeper_device *device);

/* Inserts with state, floor, epoch as given. NJ_ERR_EXISTS: the uid, or the name among those not revoked. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_insert(struct nj_keeper_store *store,
						      const struct nj_keeper_device *device);
/* pending → live; NJ_ERR_NOT_FOUND when there is no such pending device. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_set_live(struct nj_keeper_store *store,
							const uint8_t uid[NJ_STORE_UID_BYTES]);
/* Deletes a pending device; NJ_ERR_NOT_FOUND when there is none. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_delete_pending(struct nj_keeper_store *store,
							      const uint8_t uid[NJ_STORE_UID_BYTES]);
/* pending or live → revoked; its sealed keys, its tombstones and its mark of a restore are gone; NJ_ERR_NOT_FOUND
 * otherwise. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_revoke(struct nj_keeper_store *store,
						      const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t now_ms);
NJ_MUST_USE enum nj_err nj_keeper_store_device_set_cut_done(struct nj_keeper_store *store,
							    const uint8_t uid[NJ_STORE_UID_BYTES]);
/* Burns: floor becomes `floor` if it was lower, else (or without such a live device) NJ_ERR_REPLAYED. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_raise_floor(struct nj_keeper_store *store,
							   const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t floor);
NJ_MUST_USE enum nj_err nj_keeper_store_device_get(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
						   struct nj_keeper_device *out_device);
/* Among those not revoked. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_find(struct nj_keeper_store *store, const char *customer, uint8_t kind,
						    const char *name, struct nj_keeper_device *out_device);
/* All of them, revoked ones too. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_each(struct nj_keeper_store *store, nj_keeper_device_fn fn, void *arg);
/* Those that a crash left half-made: pending, or revoked and not cut. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_unsettled_each(struct nj_keeper_store *store, nj_keeper_device_fn fn,
							      void *arg);
/* Those with a pending key. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_each_rekeying(struct nj_keeper_store *store, nj_keeper_device_fn fn,
							     void *arg);
/* A page for lists: up to `limit` of one kind in order of name, after the name `after` ("" = from the start). */
NJ_MUST_USE enum nj_err nj_keeper_store_device_page(struct nj_keeper_store *store, const char *customer, uint8_t kind,
						    const char *after, uint32_t limit, nj_keeper_device_fn fn,
						    void *arg);
NJ_MUST_USE enum nj_err nj_keeper_store_device_count(struct nj_keeper_store *store, uint64_t *out_count);

/* ---- a store put back from a backup: devices whose counters may have moved on since ---- */

/* What a store that is to be replaced knows of a device; also of one opened by NJ_STORE_PEEK. */
struct nj_keeper_peek {
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint8_t state;
	uint32_t epoch;
	uint64_t floor;
	uint64_t recovery_floor; /* 0 also in a store that is older than it */
};
typedef enum nj_err (*nj_keeper_peek_fn)(void *arg, const struct nj_keeper_peek *row);
NJ_MUST_USE enum nj_err nj_keeper_store_peek_each(struct nj_keeper_store *store, nj_keeper_peek_fn fn, void *arg);
/* Every live device: its floor rises by `raise` (≤ 2^32), that of its recovery key by 16 at most; what a recovery
 * offered is not offered again; it is marked as restored. In a transaction. */
NJ_MUST_USE enum nj_err nj_keeper_store_restored_mark(struct nj_keeper_store *store, uint64_t raise);
/* The device has proved where it is; NJ_OK also when it was not marked. */
NJ_MUST_USE enum nj_err nj_keeper_store_restored_clear(struct nj_keeper_store *store,
						       const uint8_t uid[NJ_STORE_UID_BYTES]);
NJ_MUST_USE enum nj_err nj_keeper_store_restored_has(struct nj_keeper_store *store,
						     const uint8_t uid[NJ_STORE_UID_BYTES], bool *out_has);
/* In pages: up to `limit` uids after one (zeros: from the start), in their order; of marked ones, or of live ones. */
NJ_MUST_USE enum nj_err nj_keeper_store_restored_after(struct nj_keeper_store *store,
						       const uint8_t after[NJ_STORE_UID_BYTES], size_t limit,
						       uint8_t (*out)[NJ_STORE_UID_BYTES], size_t *out_count);
NJ_MUST_USE enum nj_err nj_keeper_store_device_after(struct nj_keeper_store *store,
						     const uint8_t after[NJ_STORE_UID_BYTES], size_t limit,
						     uint8_t (*out)[NJ_STORE_UID_BYTES], size_t *out_count);
typedef enum nj_err (*nj_uid_fn)(void *arg, const uint8_t uid[NJ_STORE_UID_BYTES]);
NJ_MUST_USE enum nj_err nj_keeper_store_restored_each(struct nj_keeper_store *store, nj_uid_fn fn, void *arg);
NJ_MUST_USE enum nj_err nj_keeper_store_restored_count(struct nj_keeper_store *store, uint64_t *out_count);

/* ---- door policies: the part of a profile that decides about knocks ---- */

struct nj_door_policy {
	char profile[NJ_STORE_NAME_BYTES];
	uint32_t services; /* NJ_SERVICE_BIT each */
	bool plain;        /* the plain MQTT binding is allowed */
	uint32_t grant_ms;
	uint8_t source_bits_v4; /* compared bits of the source, 32 = exact */
	uint8_t source_bits_v6; /* 128 = exact */
	uint8_t bind;           /* NJ_BINDING_PSK, NJ_BINDING_CERTIFICATE or both, for TLS services */
	bool tls12;             /* with a certificate, TLS 1.2 may do */
	uint32_t bind_ms;       /* from the connection to its proof; 0: as the gateway's configuration says */
};
typedef enum nj_err (*nj_door_policy_fn)(void *arg, const struct nj_door_policy *policy);

/* Inserts or replaces. */
NJ_MUST_USE enum nj_err nj_keeper_store_policy_put(struct nj_keeper_store *store, const struct nj_door_policy *policy);
NJ_MUST_USE enum nj_err nj_keeper_store_policy_get(struct nj_keeper_store *store, const char *profile,
						   struct nj_door_policy *out_policy);
NJ_MUST_USE enum nj_err nj_keeper_store_policy_each(struct nj_keeper_store *store, nj_door_policy_fn fn, void *arg);

/* ---- small values by key, not secret ---- */

NJ_MUST_USE enum nj_err nj_keeper_store_meta_put(struct nj_keeper_store *store, const char *key, const char *value);
/* NJ_ERR_NOT_FOUND, NJ_ERR_TOO_LARGE. */
NJ_MUST_USE enum nj_err nj_keeper_store_meta_get(struct nj_keeper_store *store, const char *key, char *out_value,
						 size_t out_bytes);

#endif
