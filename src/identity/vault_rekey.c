#include <errno.h>
#include <unistd.h>

#include "base/text.h"
#include "identity/vault_device.h"
#include "identity/vault_recovery.h"
#include "identity/vault_state.h"
#include "store/keeper_keys.h"

/* Both keys at once: the vault's own becomes the new one at the end. */
struct rekey {
	struct nj_vault *vault;
	struct nj_vault *fresh; /* the same store under the new key */
	const uint8_t *old_private;
	uint64_t sealed;
	uint64_t recovery_left;
	struct nj_why *why;
};

static enum nj_err root_key_again(struct rekey *rekey, const uint8_t uid[16], uint32_t epoch, uint8_t *sealed,
				  size_t sealed_len)
{
	uint8_t root_key[NJ_KEY_BYTES];

	if (sealed_len == 0)
		return NJ_OK;
	NJ_TRY(nj_vault_open_root_key(rekey->vault, uid, epoch, nj_view_of(sealed, sealed_len), root_key));
	nj_vault_seal_root_key(rekey->fresh, uid, epoch, root_key, sealed);
	nj_wipe(root_key, sizeof(root_key));
	rekey->sealed++;
	return NJ_OK;
}

static enum nj_err recovery_again(struct rekey *rekey, struct nj_keeper_device *device)
{
	uint8_t again[NJ_RECOVERY_SEALED_BYTES];
	bool left = false;

	if (device->sealed_recovery_len == 0)
		return NJ_OK;
	NJ_TRY(nj_vault_recovery_again(rekey->vault, rekey->fresh, rekey->old_private, device->uid,
				       nj_view_of(device->sealed_recovery, device->sealed_recovery_len), again, &left));
	memcpy(device->sealed_recovery, again, sizeof(again));
	device->sealed_recovery_len = sizeof(again);
	rekey->recovery_left += left;
	rekey->sealed++;
	return NJ_OK;
}

/* What a recovery has offered, and the device not yet stored. */
static enum nj_err offer_again(struct rekey *rekey, struct nj_keeper_device *device)
{
	uint8_t plain[NJ_SEALED_KEY_MAX];
	size_t len = device->sealed_offer_len;

	if (len == 0)
		return NJ_OK;
	if (len < NJ_VAULT_OVERHEAD)
		return NJ_ERR_CORRUPT;
	NJ_TRY(nj_vault_open_of(rekey->vault, NJ_VAULT_OFFER, device->uid, device->epoch + 1,
				nj_view_of(device->sealed_offer, len), plain));
	nj_vault_seal_of(rekey->fresh, NJ_VAULT_OFFER, device->uid, device->epoch + 1,
			 nj_view_of(plain, len - NJ_VAULT_OVERHEAD), device->sealed_offer);
	nj_wipe(plain, sizeof(plain));
	rekey->sealed++;
	return NJ_OK;
}

static enum nj_err device_again(void *arg, const struct nj_keeper_device *row)
{
	struct rekey *rekey = arg;
	struct nj_keeper_device device = *row;

	if (root_key_again(rekey, row->uid, row->epoch, device.sealed_key, row->sealed_key_len) != NJ_OK ||
	    root_key_again(rekey, row->uid, row->epoch + 1, device.sealed_pending, row->sealed_pending_len) != NJ_OK ||
	    recovery_again(rekey, &device) != NJ_OK || offer_again(rekey, &device) != NJ_OK)
		return nj_why(rekey->why, NJ_ERR_CORRUPT, "a sealed key of %s is damaged: nothing was changed",
			      row->name);
	if (row->sealed_key_len + row->sealed_pending_len + row->sealed_recovery_len == 0)
		return NJ_OK;
	return nj_keeper_store_device_reseal(rekey->vault->store, &device);
}

static enum nj_err tombstone_again(void *arg, const struct nj_tombstone *row)
{
	struct rekey *rekey = arg;
	struct nj_tombstone tombstone = *row;
	uint8_t keys[NJ_TOMBSTONE_SEALED_BYTES - NJ_VAULT_OVERHEAD];

	if (nj_vault_open_of(rekey->vault, NJ_VAULT_TOMBSTONE, row->uid, row->epoch,
			     nj_view_of(row->sealed, sizeof(row->sealed)), keys) != NJ_OK)
		return nj_why(rekey->why, NJ_ERR_CORRUPT,
			      "what is kept of a replaced key is damaged: nothing was changed");
	nj_vault_seal_of(rekey->fresh, NJ_VAULT_TOMBSTONE, row->uid, row->epoch, nj_view_of(keys, sizeof(keys)),
			 tombstone.sealed);
	nj_wipe(keys, sizeof(keys));
	rekey->sealed++;
	return nj_keeper_store_tombstone_reseal(rekey->vault->store, &tombstone);
}

static enum nj_err record_again(void *arg, const char *id, uint64_t version, struct nj_view sealed)
{
	struct rekey *rekey = arg;
	NJ_CLEANUP_SECRET struct nj_secret *plain = NULL;
	uint8_t again[NJ_RECORD_MAX_BYTES];
	enum nj_err err;

	if (sealed.len <= NJ_VAULT_OVERHEAD)
		return nj_why(rekey->why, NJ_ERR_CORRUPT, "the sealed record %s is damaged: nothing was changed", id);
	NJ_TRY(nj_secret_new(sealed.len - NJ_VAULT_OVERHEAD, &plain));
	err = nj_vault_open(rekey->vault, nj_view_str(id), version, sealed, nj_secret_bytes(plain));
	if (err != NJ_OK)
		return nj_why(rekey->why, NJ_ERR_CORRUPT, "the sealed record %s is damaged: nothing was changed", id);
	nj_vault_seal(rekey->fresh, nj_view_str(id), version, nj_view_of(nj_secret_bytes(plain), nj_secret_len(plain)),
		      again);
	rekey->sealed++;
	return nj_keeper_store_record_put(rekey->vault->store, id, version, nj_view_of(again, sealed.len));
}

static enum nj_err slots_drop(struct rekey *rekey, struct nj_vault_rekeyed *rekeyed)
{
	struct nj_vault_slot_list list;

	NJ_TRY(nj_vault_slot_list(rekey->vault->store, &list));
	for (uint32_t i = 0; i < list.count; i++) {
		rekeyed->dropped += list.slots[i].kind == NJ_SLOT_PASSPHRASE;
		NJ_TRY(nj_keeper_store_slot_remove(rekey->vault->store, list.slots[i].id));
	}
	return NJ_OK;
}

static enum nj_err key_file_again(struct rekey *rekey, const char *key_file)
{
	char successor[NJ_VAULT_PATH_BYTES];

	NJ_TRY(nj_text_format(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, key_file));
	/* One of a rekey that never committed. */
	if (unlink(successor) != 0 && errno != ENOENT)
		return nj_why(rekey->why, nj_err_from_errno(errno), "%s is in the way: %s", successor, strerror(errno));
	return nj_vault_make_key_file(rekey->fresh, successor, rekey->why);
}

/* Records first: the new recovery key's pair is one of them, and boxes of the new pair follow. */
static enum nj_err all_again(struct rekey *rekey, const char *key_file, struct nj_vault_rekeyed *rekeyed)
{
	struct nj_keeper_store *store = rekey->vault->store;
	uint8_t private_key[NJ_KEY_BYTES];
	enum nj_err err;

	NJ_TRY(nj_keeper_store_record_each(store, record_again, rekey));
	NJ_TRY(slots_drop(rekey, rekeyed));
	NJ_TRY(nj_vault_make_recovery(rekey->fresh, rekeyed->recovery, private_key));
	err = nj_vault_recovery_pair_set(rekey->fresh, private_key, true);
	if (err == NJ_OK)
		err = nj_keeper_store_device_each(store, device_again, rekey);
	/* Nothing is left for the recovery keys before this one. */
	if (err == NJ_OK && rekey->recovery_left == 0)
		err = nj_vault_recovery_pair_set(rekey->fresh, private_key, false);
	if (err == NJ_OK)
		err = nj_vault_recovery_pairs_fit(rekey->fresh);
	nj_wipe(private_key, sizeof(private_key));
	if (err == NJ_ERR_LIMIT)
		return nj_why(rekey->why, err, "too many recovery keys are in use: give the present one (--recovery)");
	NJ_TRY(err);
	NJ_TRY(nj_keeper_store_tombstone_each(store, tombstone_again, rekey));
	return key_file_again(rekey, key_file);
}

enum nj_err nj_vault_rekey(struct nj_vault *vault, const char *key_file, const uint8_t *old_private,
			   struct nj_vault_rekeyed *out_rekeyed, struct nj_why *why)
{
	struct nj_vault_rekeyed rekeyed = { 0 };
	struct rekey rekey = { .vault = vault, .old_private = old_private, .why = why };
	enum nj_err err;

	NJ_TRY(nj_vault_new(vault->store, vault->random, &rekey.fresh));
	nj_random_fill(vault->random, nj_secret_bytes(rekey.fresh->key), NJ_KEY_BYTES);
	err = all_again(&rekey, key_file, &rekeyed);
	if (err == NJ_OK) {
		memcpy(nj_secret_bytes(vault->key), nj_secret_bytes(rekey.fresh->key), NJ_KEY_BYTES);
		rekeyed.sealed = rekey.sealed;
		rekeyed.recovery_left = rekey.recovery_left;
		*out_rekeyed = rekeyed;
	} else {
		nj_vault_rekey_undo(key_file);
	}
	nj_wipe(&rekeyed, sizeof(rekeyed));
	nj_vault_free(rekey.fresh);
	return err;
}

enum nj_err nj_vault_rekey_finish(const char *key_file, struct nj_why *why)
{
	char successor[NJ_VAULT_PATH_BYTES];

	NJ_TRY(nj_text_format(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, key_file));
	if (rename(successor, key_file) != 0)
		return nj_why(why, nj_err_from_errno(errno),
			      "the vault has its new key, and its file could not take its name (%s): move %s to %s",
			      strerror(errno), successor, key_file);
	return NJ_OK;
}

void nj_vault_rekey_undo(const char *key_file)
{
	char successor[NJ_VAULT_PATH_BYTES];

	if (nj_text_format(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, key_file) == NJ_OK)
		(void)unlink(successor);
}
