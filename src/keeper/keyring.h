/*
 * The keys of devices that knocked lately: root keys are opened from the vault on demand, the six keys derived once,
 * and the last few kept in locked memory with what the device's row says. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_KEYRING_H
#define NJ_KEEPER_KEYRING_H

#include "crypto/secret.h"
#include "identity/vault.h"
#include "keeper/spares.h"
#include "store/keeper_store.h"
#include "wire/knock.h"

#define NJ_KEYRING_PLACES 64

struct nj_keyring;

/* Which key of a device: its current one, or one of its spares. */
struct nj_keyring_id {
	uint32_t place; /* in the window, or in the spares' table */
	bool spare;
};

/* What is known of one key; keys lie in locked memory. Borrowed until the next nj_keyring_get or _forget. */
struct nj_keyring_entry {
	struct nj_keyring_id id;
	uint64_t used; /* 0: free */
	uint32_t epoch;
	uint64_t rekeyed_ms;
	bool recovered; /* the pending key of a recovery */
	const struct nj_knock_keys *keys;
	char customer[NJ_STORE_NAME_BYTES];
	char name[NJ_STORE_NAME_BYTES];
	char profile[NJ_STORE_NAME_BYTES];
};

/* While the operator's window is open: the private half of the pair that the devices' recovery keys are sealed to,
 * NJ_KEY_BYTES, borrowed. NULL shuts them: what is remembered of them must be forgotten by the caller. */
void nj_keyring_set_recovery(struct nj_keyring *keyring, struct nj_secret *private_key);
NJ_MUST_USE enum nj_err nj_keyring_new(struct nj_vault *vault, struct nj_keyring **out_keyring);
void nj_keyring_free(struct nj_keyring *keyring);
/* `spare` is NULL for the current key; of a tombstone only the keys for hint, seal and mac are set. NJ_ERR_NOT_FOUND:
 * not a live device, or no such key; errors of the store; NJ_ERR_FORGED: its sealed key is damaged. */
NJ_MUST_USE enum nj_err nj_keyring_get(struct nj_keyring *keyring, uint32_t device, const uint8_t uid[NJ_UID_BYTES],
				       const struct nj_spare *spare, const struct nj_keyring_entry **out_entry);
void nj_keyring_forget(struct nj_keyring *keyring, struct nj_keyring_id id);

#endif
