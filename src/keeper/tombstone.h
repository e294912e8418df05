/*
 * What is kept sealed of a device's replaced root key: the keys of its tombstone, enough to verify a knock, not to bind
 * a connection. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_TOMBSTONE_H
#define NJ_KEEPER_TOMBSTONE_H

#include "identity/vault.h"
#include "store/keeper_keys.h"
#include "wire/knock.h"

#define NJ_TOMBSTONE_MS (UINT64_C(90) * 24 * 60 * 60 * 1000)

/* Seals the keys for hint, seal and mac of the root key `key` into `tombstone`, whose uid and epoch are set. */
void nj_tombstone_seal(struct nj_vault *vault, const uint8_t key[NJ_KEY_BYTES], struct nj_tombstone *tombstone);
/* From the store; the other keys are zero. Errors of the store, NJ_ERR_FORGED. */
NJ_MUST_USE enum nj_err nj_tombstone_open(const struct nj_vault *vault, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch,
					  struct nj_knock_keys *out_keys);
/* The same from a row. */
NJ_MUST_USE enum nj_err nj_tombstone_open_row(const struct nj_vault *vault, const struct nj_tombstone *tombstone,
					      struct nj_knock_keys *out_keys);

/* Stores it, found by the next NJ_KNOCK_WINDOW hints above its floor. In a transaction. */
NJ_MUST_USE enum nj_err nj_tombstone_bury(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
					  const uint8_t hint_key[NJ_KNOCK_KEY_BYTES]);
/* The same hints for one that is stored. */
NJ_MUST_USE enum nj_err nj_tombstone_index(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
					   const uint8_t hint_key[NJ_KNOCK_KEY_BYTES]);
/* Its floor rises, and the hints follow; NJ_ERR_REPLAYED when it was as high already, or there is none. In a
 * transaction. */
NJ_MUST_USE enum nj_err nj_tombstone_raise(struct nj_keeper_store *store, const uint8_t uid[NJ_UID_BYTES],
					   uint32_t epoch, const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t floor);

#endif
