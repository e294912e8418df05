#include <errno.h>
#include <unistd.h>

#include "base/text.h"
#include "identity/vault_state.h"

/* Both keys at once: the vault's own becomes the new one at the end. */
struct rekey {
	struct nj_vault *vault;
	struct nj_vault *fresh; /* the same store under the new key */
	uint64_t sealed;
	struct nj_why *why;
};

static enum nj_err device_again(void *arg, const struct nj_keeper_device *row)
{
	struct rekey *rekey = arg;
	uint8_t root_key[NJ_KEY_BYTES];
	uint8_t sealed[NJ_KEY_BYTES + NJ_VAULT_OVERHEAD];

	if (row->sealed_key_len == 0)
		return NJ_OK;
	if (nj_vault_open_root_key(rekey->vault, row->uid, row->epoch, nj_view_of(row->sealed_key, row->sealed_key_len),
				   root_key) != NJ_OK)
		return nj_why(rekey->why, NJ_ERR_CORRUPT, "the sealed key of %s is damaged: nothing was changed",
			      row->name);
	nj_vault_seal_root_key(rekey->fresh, row->uid, row->epoch, root_key, sealed);
	nj_wipe(root_key, sizeof(root_key));
	rekey->sealed++;
	return nj_keeper_store_device_reseal(rekey->vault->store, row->uid, nj_view_of(sealed, sizeof(sealed)));
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

static enum nj_err slots_again(struct rekey *rekey, const char *key_file, struct nj_vault_rekeyed *rekeyed)
{
	struct nj_vault_slot_list list;
	char successor[NJ_VAULT_PATH_BYTES];

	NJ_TRY(nj_vault_slot_list(rekey->vault->store, &list));
	for (uint32_t i = 0; i < list.count; i++) {
		rekeyed->dropped += list.slots[i].kind == NJ_SLOT_PASSPHRASE;
		NJ_TRY(nj_keeper_store_slot_remove(rekey->vault->store, list.slots[i].id));
	}
	NJ_TRY(nj_text_format(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, key_file));
	/* One of a rekey that never committed. */
	if (unlink(successor) != 0 && errno != ENOENT)
		return nj_why(rekey->why, nj_err_from_errno(errno), "%s is in the way: %s", successor, strerror(errno));
	NJ_TRY(nj_vault_make_key_file(rekey->fresh, successor, rekey->why));
	return nj_vault_make_recovery(rekey->fresh, rekeyed->recovery);
}

enum nj_err nj_vault_rekey(struct nj_vault *vault, const char *key_file, struct nj_vault_rekeyed *out_rekeyed,
			   struct nj_why *why)
{
	struct nj_vault_rekeyed rekeyed = { 0 };
	struct rekey rekey = { .vault = vault, .why = why };
	enum nj_err err;

	NJ_TRY(nj_vault_new(vault->store, vault->random, &rekey.fresh));
	nj_random_fill(vault->random, nj_secret_bytes(rekey.fresh->key), NJ_KEY_BYTES);
	err = nj_keeper_store_device_each(vault->store, device_again, &rekey);
	if (err == NJ_OK)
		err = nj_keeper_store_record_each(vault->store, record_again, &rekey);
	if (err == NJ_OK)
		err = slots_again(&rekey, key_file, &rekeyed);
	if (err == NJ_OK) {
		memcpy(nj_secret_bytes(vault->key), nj_secret_bytes(rekey.fresh->key), NJ_KEY_BYTES);
		rekeyed.sealed = rekey.sealed;
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
