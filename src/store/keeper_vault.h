/*
 * The keeper store's rows for the vault: sealed records and the slots that hold the vault key. Used by identity/vault
 * alone. Thread rule and errors: store/keeper_store.h.
 */
#ifndef NJ_STORE_KEEPER_VAULT_H
#define NJ_STORE_KEEPER_VAULT_H

#include "store/keeper_store.h"

#define NJ_RECORD_MAX_BYTES 65536
#define NJ_SLOT_CHECK_BYTES 16
#define NJ_SLOT_SEALED_BYTES 72 /* nonce 24, key 32, tag 16 */
#define NJ_SLOT_PARAMS_MAX 64

/* Inserts or replaces. */
NJ_MUST_USE enum nj_err nj_keeper_store_record_put(struct nj_keeper_store *store, const char *id, uint64_t version,
						   struct nj_view sealed);
/* `out_sealed` is a new block, freed by the caller. */
NJ_MUST_USE enum nj_err nj_keeper_store_record_get(struct nj_keeper_store *store, const char *id, uint64_t *out_version,
						   uint8_t **out_sealed, size_t *out_len);
/* Borrowed until the call returns; the callback may replace the record that it is given. */
typedef enum nj_err (*nj_record_fn)(void *arg, const char *id, uint64_t version, struct nj_view sealed);
NJ_MUST_USE enum nj_err nj_keeper_store_record_each(struct nj_keeper_store *store, nj_record_fn fn, void *arg);
/* The same keys of a device (its own, pending and recovery), sealed anew; NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_device_reseal(struct nj_keeper_store *store,
						      const struct nj_keeper_device *device);

struct nj_vault_slot {
	uint32_t id;  /* from 1 */
	uint8_t kind; /* enum nj_vault_slot_kind */
	uint8_t check[NJ_SLOT_CHECK_BYTES];
	uint8_t sealed[NJ_SLOT_SEALED_BYTES];
	uint8_t params_len;
	uint8_t params[NJ_SLOT_PARAMS_MAX]; /* what its kind needs to make the key; covered by the seal */
	bool damaged;                       /* reading only: the row has not these shapes */
};
typedef enum nj_err (*nj_vault_slot_fn)(void *arg, const struct nj_vault_slot *slot);

/* Inserts; `slot->id` is ignored, and returned in `out_id` (may be NULL). */
NJ_MUST_USE enum nj_err nj_keeper_store_slot_put(struct nj_keeper_store *store, const struct nj_vault_slot *slot,
						 uint32_t *out_id);
NJ_MUST_USE enum nj_err nj_keeper_store_slot_remove(struct nj_keeper_store *store, uint32_t id);
/* In order of id. */
NJ_MUST_USE enum nj_err nj_keeper_store_slot_each(struct nj_keeper_store *store, nj_vault_slot_fn fn, void *arg);

#endif
