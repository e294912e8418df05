/*
 * What the vault seals for a device beside its root key, each under an id of its label and the device's uid. Thread
 * rule: identity/vault.h.
 */
#ifndef NJ_IDENTITY_VAULT_DEVICE_H
#define NJ_IDENTITY_VAULT_DEVICE_H

#include "identity/vault.h"

#define NJ_VAULT_TOMBSTONE "tombstone/" /* keys of a replaced root key; version = its epoch */
#define NJ_VAULT_RECOVERY "recovery/"   /* the recovery key (identity/vault_recovery.h) */
#define NJ_VAULT_OFFER "offer/"         /* what a recovery offered; version = the epoch of the new key */

/* `out` holds plain.len + NJ_VAULT_OVERHEAD bytes. */
void nj_vault_seal_of(struct nj_vault *vault, const char *label, const uint8_t uid[16], uint64_t version,
		      struct nj_view plain, uint8_t *out);
/* As nj_vault_open. */
NJ_MUST_USE enum nj_err nj_vault_open_of(const struct nj_vault *vault, const char *label, const uint8_t uid[16],
					 uint64_t version, struct nj_view sealed, uint8_t *out);

#endif
