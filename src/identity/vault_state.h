/* The open vault's inside, for the files of the vault alone. */
#ifndef NJ_IDENTITY_VAULT_STATE_H
#define NJ_IDENTITY_VAULT_STATE_H

#include "identity/vault.h"
#include "store/keeper_vault.h"

struct nj_vault {
	struct nj_keeper_store *store;
	struct nj_random *random;
	struct nj_secret *key;
};

/* With a key of zeros, to be filled. */
NJ_MUST_USE enum nj_err nj_vault_new(struct nj_keeper_store *store, struct nj_random *random,
				     struct nj_vault **out_vault);

/* Under any key: nonce, then what nj_xchacha_seal makes. */
void nj_vault_seal_with(struct nj_random *random, const uint8_t key[NJ_KEY_BYTES], struct nj_view ad,
			struct nj_view plain, uint8_t *out);
NJ_MUST_USE enum nj_err nj_vault_open_with(const uint8_t key[NJ_KEY_BYTES], struct nj_view ad, struct nj_view sealed,
					   uint8_t *out);

/* A fresh secret in a new file and its slot; without the slot the file goes again. */
NJ_MUST_USE enum nj_err nj_vault_make_key_file(struct nj_vault *vault, const char *path, struct nj_why *why);
/* A fresh recovery key and its slot, and the private half of the pair that follows from it. */
NJ_MUST_USE enum nj_err nj_vault_make_recovery(struct nj_vault *vault, char out_text[NJ_RECOVERY_TEXT_BYTES],
					       uint8_t out_private[NJ_KEY_BYTES]);

#define NJ_VAULT_SLOTS_MAX 16

struct nj_vault_slot_list {
	struct nj_vault_slot slots[NJ_VAULT_SLOTS_MAX];
	uint32_t count;
};

/* NJ_ERR_LIMIT: more slots than a vault can have. */
NJ_MUST_USE enum nj_err nj_vault_slot_list(struct nj_keeper_store *store, struct nj_vault_slot_list *out_list);

#endif
