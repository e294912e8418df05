/*
 * The keys of devices that knocked lately: root keys are opened from the vault on demand, the six keys derived once,
 * and the last few kept in locked memory with what the device's row says. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_KEYRING_H
#define NJ_KEEPER_KEYRING_H

#include "identity/vault.h"
#include "store/keeper_store.h"
#include "wire/knock.h"

#define NJ_KEYRING_PLACES 64

struct nj_keyring;

/* What is known of one device; keys lie in locked memory. Borrowed until the next nj_keyring_get or _forget. */
struct nj_keyring_entry {
	uint32_t device;
	uint64_t used; /* 0: free */
	const struct nj_knock_keys *keys;
	char customer[NJ_STORE_NAME_BYTES];
	char name[NJ_STORE_NAME_BYTES];
	char profile[NJ_STORE_NAME_BYTES];
};

NJ_MUST_USE enum nj_err nj_keyring_new(struct nj_vault *vault, struct nj_keyring **out_keyring);
void nj_keyring_free(struct nj_keyring *keyring);
/* NJ_ERR_NOT_FOUND: not a live device; errors of the store; NJ_ERR_FORGED: its sealed key is damaged. */
NJ_MUST_USE enum nj_err nj_keyring_get(struct nj_keyring *keyring, uint32_t device, const uint8_t uid[NJ_UID_BYTES],
				       const struct nj_keyring_entry **out_entry);
void nj_keyring_forget(struct nj_keyring *keyring, uint32_t device);

#endif
