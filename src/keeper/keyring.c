#include "keeper/keyring.h"

#include "crypto/crypto.h"
#include "identity/vault_recovery.h"
#include "keeper/tombstone.h"

struct nj_keyring {
	struct nj_vault *vault;
	struct nj_secret *keys;     /* NJ_KEYRING_PLACES × struct nj_knock_keys */
	struct nj_secret *recovery; /* NULL: the window is shut */
	uint64_t clock;
	struct nj_keyring_entry entries[NJ_KEYRING_PLACES];
};

static struct nj_knock_keys *keys_at(struct nj_keyring *keyring, size_t place)
{
	return (struct nj_knock_keys *)(void *)nj_secret_bytes(keyring->keys) + place;
}

enum nj_err nj_keyring_new(struct nj_vault *vault, struct nj_keyring **out_keyring)
{
	struct nj_keyring *keyring = calloc(1, sizeof(*keyring));
	enum nj_err err;

	if (keyring == NULL)
		return NJ_ERR_NO_MEMORY;
	keyring->vault = vault;
	err = nj_secret_new(NJ_KEYRING_PLACES * sizeof(struct nj_knock_keys), &keyring->keys);
	if (err != NJ_OK) {
		free(keyring);
		return err;
	}
	for (size_t i = 0; i < NJ_KEYRING_PLACES; i++)
		keyring->entries[i].keys = keys_at(keyring, i);
	*out_keyring = keyring;
	return NJ_OK;
}

void nj_keyring_free(struct nj_keyring *keyring)
{
	if (keyring == NULL)
		return;
	nj_secret_free(keyring->keys);
	free(keyring);
}

void nj_keyring_set_recovery(struct nj_keyring *keyring, struct nj_secret *private_key)
{
	keyring->recovery = private_key;
}

static struct nj_keyring_entry *find(struct nj_keyring *keyring, struct nj_keyring_id id)
{
	for (size_t i = 0; i < NJ_KEYRING_PLACES; i++) {
		struct nj_keyring_entry *entry = &keyring->entries[i];

		if (entry->used != 0 && entry->id.place == id.place && entry->id.spare == id.spare)
			return entry;
	}
	return NULL;
}

static size_t oldest(const struct nj_keyring *keyring)
{
	size_t at = 0;

	for (size_t i = 1; i < NJ_KEYRING_PLACES; i++)
		if (keyring->entries[i].used < keyring->entries[at].used)
			at = i;
	return at;
}

static enum nj_err fill_recovery(struct nj_keyring *keyring, const struct nj_keeper_device *row,
				 struct nj_knock_keys *keys)
{
	struct nj_view sealed = nj_view_of(row->sealed_recovery, row->sealed_recovery_len);
	uint8_t recovery_key[NJ_KEY_BYTES];

	if (keyring->recovery == NULL)
		return NJ_ERR_NOT_FOUND;
	NJ_TRY(
	    nj_vault_recovery_open(keyring->vault, nj_secret_bytes(keyring->recovery), row->uid, sealed, recovery_key));
	nj_knock_derive(recovery_key, row->uid, keys);
	nj_wipe(recovery_key, sizeof(recovery_key));
	return NJ_OK;
}

static enum nj_err fill_keys(struct nj_keyring *keyring, const struct nj_keeper_device *row,
			     const struct nj_spare *spare, struct nj_knock_keys *keys)
{
	struct nj_view sealed = spare == NULL ? nj_view_of(row->sealed_key, row->sealed_key_len)
					      : nj_view_of(row->sealed_pending, row->sealed_pending_len);
	uint8_t root_key[NJ_KEY_BYTES];

	if (spare != NULL && spare->recovery)
		return fill_recovery(keyring, row, keys);
	if (spare != NULL && !spare->pending)
		return nj_tombstone_open(keyring->vault, spare->uid, spare->epoch, keys);
	if (spare != NULL && (sealed.len == 0 || spare->epoch != row->epoch + 1))
		return NJ_ERR_NOT_FOUND;
	NJ_TRY(nj_vault_open_root_key(keyring->vault, row->uid, row->epoch + (spare != NULL), sealed, root_key));
	nj_knock_derive(root_key, row->uid, keys);
	nj_wipe(root_key, sizeof(root_key));
	return NJ_OK;
}

static enum nj_err fill(struct nj_keyring *keyring, const uint8_t uid[NJ_UID_BYTES], const struct nj_spare *spare,
			size_t place)
{
	struct nj_keyring_entry *entry = &keyring->entries[place];
	struct nj_keeper_device row;

	NJ_TRY(nj_keeper_store_device_get(nj_vault_store(keyring->vault), uid, &row));
	if (row.state != NJ_DEVICE_LIVE)
		return NJ_ERR_NOT_FOUND;
	NJ_TRY(fill_keys(keyring, &row, spare, keys_at(keyring, place)));
	entry->epoch = spare != NULL ? spare->epoch : row.epoch;
	entry->rekeyed_ms = row.rekeyed_ms;
	entry->recovered = spare != NULL && spare->pending && row.sealed_offer_len > 0;
	memcpy(entry->customer, row.customer, sizeof(entry->customer));
	memcpy(entry->name, row.name, sizeof(entry->name));
	memcpy(entry->profile, row.profile, sizeof(entry->profile));
	return NJ_OK;
}

enum nj_err nj_keyring_get(struct nj_keyring *keyring, uint32_t device, const uint8_t uid[NJ_UID_BYTES],
			   const struct nj_spare *spare, const struct nj_keyring_entry **out_entry)
{
	struct nj_keyring_id id = { .place = spare != NULL ? spare->place : device, .spare = spare != NULL };
	struct nj_keyring_entry *entry = find(keyring, id);

	if (entry == NULL) {
		size_t place = oldest(keyring);

		entry = &keyring->entries[place];
		entry->used = 0;
		NJ_TRY(fill(keyring, uid, spare, place));
		entry->id = id;
	}
	entry->used = ++keyring->clock;
	*out_entry = entry;
	return NJ_OK;
}

void nj_keyring_forget(struct nj_keyring *keyring, struct nj_keyring_id id)
{
	struct nj_keyring_entry *entry = find(keyring, id);

	if (entry == NULL)
		return;
	nj_wipe(keys_at(keyring, (size_t)(entry - keyring->entries)), sizeof(struct nj_knock_keys));
	entry->used = 0;
}
