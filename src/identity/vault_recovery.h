/*
 * The devices' recovery keys in the vault. Each lies in a box that only the printed recovery key of the vault opens,
 * and the box under the vault's key: whoever has the vault open (the running keeper) can write one and read none, and
 * whoever has the printed key alone reads nothing either. The pair of the boxes follows from the printed key: its
 * private half is nowhere but with whoever types that key. Thread rule: identity/vault.h. (docs/adr/0016)
 */
#ifndef NJ_IDENTITY_VAULT_RECOVERY_H
#define NJ_IDENTITY_VAULT_RECOVERY_H

#include "identity/vault.h"

/* Pair's name, box, the vault's seal. */
#define NJ_RECOVERY_PAIR_BYTES 8
#define NJ_RECOVERY_SEALED_BYTES (NJ_RECOVERY_PAIR_BYTES + NJ_KEY_BYTES + NJ_BOX_OVERHEAD + NJ_VAULT_OVERHEAD)
#define NJ_RECOVERY_PAIRS_MAX 8 /* the present one, and those before it of which boxes are left */

/* The private half of the pair, from the printed form. The errors of nj_recovery_parse. */
NJ_MUST_USE enum nj_err nj_recovery_private(struct nj_view printed, uint8_t out_private[NJ_KEY_BYTES]);

/* From now on boxes are made for this printed key; `keep` says that boxes of the pairs before it are left, or may be:
 * nj_vault_recovery_pairs_fit is NJ_ERR_LIMIT when there are then more pairs than a vault keeps. */
NJ_MUST_USE enum nj_err nj_vault_recovery_pair_set(struct nj_vault *vault, const uint8_t private_key[NJ_KEY_BYTES],
						   bool keep);
NJ_MUST_USE enum nj_err nj_vault_recovery_pairs_fit(const struct nj_vault *vault);
/* Is it the private half of the present pair, or of one before it? NJ_ERR_FORGED: of none; NJ_ERR_NOT_FOUND: the vault
 * has no pair (it was made before there were any). */
NJ_MUST_USE enum nj_err nj_vault_recovery_pair_check(const struct nj_vault *vault,
						     const uint8_t private_key[NJ_KEY_BYTES]);

/* `out` holds NJ_RECOVERY_SEALED_BYTES; in a vault without a pair NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_vault_recovery_seal(struct nj_vault *vault, const uint8_t uid[16],
					       const uint8_t key[NJ_KEY_BYTES], uint8_t *out);
/* NJ_ERR_NOT_FOUND: there is none; NJ_ERR_STATE: it is in another pair's box; NJ_ERR_FORGED: damaged. `private_key` is
 * not looked at for one of a vault without a pair, which lies under the vault's key alone. */
NJ_MUST_USE enum nj_err nj_vault_recovery_open(const struct nj_vault *vault, const uint8_t private_key[NJ_KEY_BYTES],
					       const uint8_t uid[16], struct nj_view sealed,
					       uint8_t out_key[NJ_KEY_BYTES]);

/* For a new vault key: what `from` sealed, sealed under `to`, which has its pair. With the private half of the pair
 * that it lies in it goes into a box of the new pair; else the box stays as it is, and `out_left` is true.
 * NJ_ERR_CORRUPT. */
NJ_MUST_USE enum nj_err nj_vault_recovery_again(const struct nj_vault *from, struct nj_vault *to,
						const uint8_t *old_private, const uint8_t uid[16],
						struct nj_view sealed, uint8_t out[NJ_RECOVERY_SEALED_BYTES],
						bool *out_left);

#endif
