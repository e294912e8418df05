/*
 * The vault: one random key that seals every secret of the keeper (XChaCha20-Poly1305, random nonce, associated data =
 * record id and version). The key itself is stored only in slots, sealed under a key file and under the printed
 * recovery key; each slot has a key check value. In memory it lies in a struct nj_secret. The keeper's main thread only
 * (and `init`); the gateway process never opens it. Never logs.
 */
#ifndef NJ_IDENTITY_VAULT_H
#define NJ_IDENTITY_VAULT_H

#include "base/random.h"
#include "crypto/crypto.h"
#include "crypto/secret.h"
#include "identity/passphrase.h"
#include "store/keeper_store.h"

struct nj_vault;

enum nj_vault_slot_kind { NJ_SLOT_KEY_FILE = 1, NJ_SLOT_RECOVERY = 2, NJ_SLOT_PASSPHRASE = 3 };
const char *nj_vault_slot_kind_name(uint8_t kind);

#define NJ_VAULT_OVERHEAD 40      /* a sealed record is this much longer: nonce 24, tag 16 */
#define NJ_RECOVERY_TEXT_BYTES 64 /* 56 characters in groups of seven, dashes, the end */
#define NJ_VAULT_DEGRADED_MAX 8
#define NJ_VAULT_PATH_BYTES 1024
#define NJ_VAULT_SUCCESSOR ".new" /* the key file of a rekey, until it has taken the old one's name */

/* Slots that should have opened and did not: to be audited and shown. */
struct nj_vault_report {
	uint32_t slots;    /* all in the store */
	uint32_t opened;   /* id of the slot that gave the key, 0 = none */
	uint32_t degraded; /* how many failed before it */
	uint32_t degraded_ids[NJ_VAULT_DEGRADED_MAX];
};

/* Makes the vault in an empty store: a key file (created, mode 0600) and a recovery slot. `out_recovery` is shown once
 * and wiped by the caller. NJ_ERR_EXISTS when there are slots or the file is there. The caller may hold a transaction;
 * after a failure of the store the key file is gone again. */
NJ_MUST_USE enum nj_err nj_vault_create(struct nj_keeper_store *store, const char *key_file, struct nj_random *random,
					struct nj_vault **out_vault, char out_recovery[NJ_RECOVERY_TEXT_BYTES],
					struct nj_why *why);
/* NJ_ERR_FORGED: the key fits no slot; NJ_ERR_CORRUPT: it fits, and the slots are damaged; NJ_ERR_DENIED: others can
 * read the file. `out_report` (may be NULL) is filled also on failure. */
NJ_MUST_USE enum nj_err nj_vault_unlock_file(struct nj_keeper_store *store, const char *key_file,
					     struct nj_random *random, struct nj_vault **out_vault,
					     struct nj_vault_report *out_report, struct nj_why *why);
NJ_MUST_USE enum nj_err nj_vault_unlock_recovery(struct nj_keeper_store *store, const char *recovery_text,
						 struct nj_random *random, struct nj_vault **out_vault,
						 struct nj_vault_report *out_report, struct nj_why *why);
/* With the key that nj_passphrase_key made for the slot `id`. NJ_ERR_FORGED: not the passphrase, or no such slot. */
NJ_MUST_USE enum nj_err nj_vault_unlock_passphrase(struct nj_keeper_store *store, uint32_t id,
						   const uint8_t key[NJ_KEY_BYTES], struct nj_random *random,
						   struct nj_vault **out_vault, struct nj_vault_report *out_report,
						   struct nj_why *why);
/* Is there a sound passphrase slot, so that a person can open what the key file does not? */
NJ_MUST_USE enum nj_err nj_vault_has_passphrase(struct nj_keeper_store *store, bool *out_has);
void nj_vault_free(struct nj_vault *vault);
/* A further key file for an unlocked vault, in place of a lost one. */
NJ_MUST_USE enum nj_err nj_vault_add_key_file(struct nj_vault *vault, const char *key_file, struct nj_why *why);
/* A slot under `key`, which nj_passphrase_key made with these parameters. NJ_ERR_RANGE, NJ_ERR_LIMIT. */
NJ_MUST_USE enum nj_err nj_vault_add_passphrase(struct nj_vault *vault, const struct nj_passphrase_params *params,
						const uint8_t key[NJ_KEY_BYTES], uint32_t *out_id, struct nj_why *why);
/* NJ_ERR_NOT_FOUND; NJ_ERR_STATE when what is left could not open the vault at start, or has no second way in.
 * `out_kind` is 0 for a damaged slot. */
NJ_MUST_USE enum nj_err nj_vault_remove_slot(struct nj_vault *vault, uint32_t id, uint8_t *out_kind,
					     struct nj_why *why);

/* What a rekey did; the caller wipes it. */
struct nj_vault_rekeyed {
	uint64_t sealed;        /* devices' keys and records, sealed anew */
	uint32_t dropped;       /* passphrase slots that went with the old key */
	uint64_t recovery_left; /* devices' recovery keys that stay in boxes of a recovery key before this one */
	char recovery[NJ_RECOVERY_TEXT_BYTES];
};
/* A new vault key: every secret is sealed anew, every slot replaced. Inside the caller's transaction; the new key file
 * is made as `key_file` + NJ_VAULT_SUCCESSOR, and takes its name by nj_vault_rekey_finish after the commit. With
 * `old_private` (nj_recovery_private of the printed key until now; may be NULL) the devices' recovery keys are sealed
 * to the new printed key. After a failure the vault is not to be used again. */
NJ_MUST_USE enum nj_err nj_vault_rekey(struct nj_vault *vault, const char *key_file, const uint8_t *old_private,
				       struct nj_vault_rekeyed *out_rekeyed, struct nj_why *why);
NJ_MUST_USE enum nj_err nj_vault_rekey_finish(const char *key_file, struct nj_why *why);
/* The transaction failed: the new key file goes. */
void nj_vault_rekey_undo(const char *key_file);
/* Is it this slot's key (nj_passphrase_key with its parameters)? By its key check value; false for a damaged one. */
struct nj_vault_slot;
bool nj_vault_slot_fits(const struct nj_vault_slot *slot, const uint8_t key[NJ_KEY_BYTES]);
/* Which slots are damaged in themselves; keys of other slots cannot be tried. */
NJ_MUST_USE enum nj_err nj_vault_slots(struct nj_keeper_store *store, struct nj_vault_report *out_report);

/* `out` holds plain.len + NJ_VAULT_OVERHEAD bytes. */
void nj_vault_seal(struct nj_vault *vault, struct nj_view id, uint64_t version, struct nj_view plain, uint8_t *out);
/* `out` holds sealed.len − NJ_VAULT_OVERHEAD bytes, zeroed on NJ_ERR_FORGED (damaged, or another id or version);
 * NJ_ERR_TRUNCATED for fewer bytes than the overhead. */
NJ_MUST_USE enum nj_err nj_vault_open(const struct nj_vault *vault, struct nj_view id, uint64_t version,
				      struct nj_view sealed, uint8_t *out);
/* A device's root key: id = "device/" and the uid, version = epoch. `out` holds NJ_KEY_BYTES + NJ_VAULT_OVERHEAD. */
void nj_vault_seal_root_key(struct nj_vault *vault, const uint8_t uid[16], uint32_t epoch,
			    const uint8_t root_key[NJ_KEY_BYTES], uint8_t *out);
NJ_MUST_USE enum nj_err nj_vault_open_root_key(const struct nj_vault *vault, const uint8_t uid[16], uint32_t epoch,
					       struct nj_view sealed, uint8_t out_root_key[NJ_KEY_BYTES]);
/* Stores a named secret in the store's records, its version one higher than the one there. */
NJ_MUST_USE enum nj_err nj_vault_put(struct nj_vault *vault, const char *id, struct nj_view plain);
/* NJ_ERR_NOT_FOUND; NJ_ERR_CORRUPT when the record does not open. */
NJ_MUST_USE enum nj_err nj_vault_get(const struct nj_vault *vault, const char *id, struct nj_secret **out_plain);
/* A key for one purpose: HKDF of the vault key, info = label. */
void nj_vault_derive(const struct nj_vault *vault, const char *label, uint8_t out_key[NJ_KEY_BYTES]);
struct nj_keeper_store *nj_vault_store(const struct nj_vault *vault);

/* The printed form: Crockford's base32 of 32 bytes (52 characters), then 4 check characters, groups of seven. */
void nj_recovery_format(const uint8_t key[NJ_KEY_BYTES], char out[NJ_RECOVERY_TEXT_BYTES]);
/* Either case, O for 0, I and L for 1, dashes and blanks anywhere. NJ_ERR_TRUNCATED, NJ_ERR_TOO_LARGE,
 * NJ_ERR_MALFORMED (a character that cannot be), NJ_ERR_FORGED (check characters do not fit: a slip of the finger). */
NJ_MUST_USE enum nj_err nj_recovery_parse(struct nj_view text, uint8_t out_key[NJ_KEY_BYTES]);

#endif
