#include "keeper/tombstone.h"

#include "identity/vault_device.h"
#include "keeper/window.h"

#define KEPT_BYTES (3 * NJ_KNOCK_KEY_BYTES)
_Static_assert(KEPT_BYTES + NJ_VAULT_OVERHEAD == NJ_TOMBSTONE_SEALED_BYTES, "the store keeps what is sealed here");

void nj_tombstone_seal(struct nj_vault *vault, const uint8_t key[NJ_KEY_BYTES], struct nj_tombstone *tombstone)
{
	struct nj_knock_keys keys;
	uint8_t kept[KEPT_BYTES];

	nj_knock_derive(key, tombstone->uid, &keys);
	memcpy(kept, keys.hint, sizeof(keys.hint));
	memcpy(kept + NJ_KNOCK_KEY_BYTES, keys.seal, sizeof(keys.seal));
	memcpy(kept + 2 * NJ_KNOCK_KEY_BYTES, keys.mac, sizeof(keys.mac));
	nj_vault_seal_of(vault, NJ_VAULT_TOMBSTONE, tombstone->uid, tombstone->epoch, nj_view_of(kept, sizeof(kept)),
			 tombstone->sealed);
	nj_wipe(kept, sizeof(kept));
	nj_wipe(&keys, sizeof(keys));
}

enum nj_err nj_tombstone_open_row(const struct nj_vault *vault, const struct nj_tombstone *tombstone,
				  struct nj_knock_keys *out_keys)
{
	uint8_t kept[KEPT_BYTES];

	NJ_TRY(nj_vault_open_of(vault, NJ_VAULT_TOMBSTONE, tombstone->uid, tombstone->epoch,
				nj_view_of(tombstone->sealed, sizeof(tombstone->sealed)), kept));
	*out_keys = (struct nj_knock_keys){ 0 };
	memcpy(out_keys->hint, kept, sizeof(out_keys->hint));
	memcpy(out_keys->seal, kept + NJ_KNOCK_KEY_BYTES, sizeof(out_keys->seal));
	memcpy(out_keys->mac, kept + 2 * NJ_KNOCK_KEY_BYTES, sizeof(out_keys->mac));
	nj_wipe(kept, sizeof(kept));
	return NJ_OK;
}

enum nj_err nj_tombstone_open(const struct nj_vault *vault, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch,
			      struct nj_knock_keys *out_keys)
{
	struct nj_tombstone tombstone;

	NJ_TRY(nj_keeper_store_tombstone_get(nj_vault_store(vault), uid, epoch, &tombstone));
	return nj_tombstone_open_row(vault, &tombstone, out_keys);
}

enum nj_err nj_tombstone_index(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
			       const uint8_t hint_key[NJ_KNOCK_KEY_BYTES])
{
	struct nj_window_hints hints;

	nj_window_hints_of(hint_key, tombstone->floor, &hints);
	return nj_keeper_store_hints_put(store, tombstone, hints.at, hints.count);
}

enum nj_err nj_tombstone_bury(struct nj_keeper_store *store, const struct nj_tombstone *tombstone,
			      const uint8_t hint_key[NJ_KNOCK_KEY_BYTES])
{
	NJ_TRY(nj_keeper_store_tombstone_insert(store, tombstone));
	return nj_tombstone_index(store, tombstone, hint_key);
}

enum nj_err nj_tombstone_raise(struct nj_keeper_store *store, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch,
			       const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t floor)
{
	struct nj_tombstone tombstone;
	struct nj_window_hints old;
	enum nj_err err = nj_keeper_store_tombstone_get(store, uid, epoch, &tombstone);

	if (err != NJ_OK)
		return err == NJ_ERR_NOT_FOUND ? NJ_ERR_REPLAYED : err;
	NJ_TRY(nj_keeper_store_tombstone_raise_floor(store, uid, epoch, floor));
	nj_window_hints_of(hint_key, tombstone.floor, &old);
	NJ_TRY(nj_keeper_store_hints_remove(store, &tombstone, old.at, old.count));
	tombstone.floor = floor;
	return nj_tombstone_index(store, &tombstone, hint_key);
}
