#include "identity/vault_recovery.h"

#include "identity/vault_device.h"

#define PRIVATE_LABEL "nightjar/1 recovery pair"
#define NAME_LABEL "nightjar/1 recovery pair name"
#define PAIRS_RECORD "recovery.pairs"
#define BOX_BYTES (NJ_RECOVERY_PAIR_BYTES + NJ_KEY_BYTES + NJ_BOX_OVERHEAD)
#define OLD_SEALED_BYTES (NJ_KEY_BYTES + NJ_VAULT_OVERHEAD) /* under the vault's key alone */
#define OLD_VERSION 1
#define BOX_VERSION 2

#define PAIRS_ROOM (NJ_RECOVERY_PAIRS_MAX + 1) /* while a new one has come and it is not known what is left */

/* Public halves, the present one first. */
struct pairs {
	size_t count;
	uint8_t keys[PAIRS_ROOM][NJ_KEY_BYTES];
};

enum nj_err nj_recovery_private(struct nj_view printed, uint8_t out_private[NJ_KEY_BYTES])
{
	uint8_t key[NJ_KEY_BYTES];

	NJ_TRY(nj_recovery_parse(printed, key));
	nj_hkdf_sha256(nj_view_of(key, sizeof(key)), nj_view_of(NULL, 0), nj_view_str(PRIVATE_LABEL), out_private,
		       NJ_KEY_BYTES);
	nj_wipe(key, sizeof(key));
	return NJ_OK;
}

static void pair_name(const uint8_t public_key[NJ_KEY_BYTES], uint8_t out_name[NJ_RECOVERY_PAIR_BYTES])
{
	const struct nj_view parts[] = { nj_view_str(NAME_LABEL), nj_view_of(public_key, NJ_KEY_BYTES) };
	uint8_t hash[NJ_SHA256_BYTES];

	nj_sha256(parts, 2, hash);
	memcpy(out_name, hash, NJ_RECOVERY_PAIR_BYTES);
}

static enum nj_err pairs_read(const struct nj_vault *vault, struct pairs *out_pairs)
{
	NJ_CLEANUP_SECRET struct nj_secret *record = NULL;
	size_t len;

	NJ_TRY(nj_vault_get(vault, PAIRS_RECORD, &record));
	len = nj_secret_len(record);
	if (len == 0 || len % NJ_KEY_BYTES != 0 || len > sizeof(out_pairs->keys))
		return NJ_ERR_CORRUPT;
	out_pairs->count = len / NJ_KEY_BYTES;
	memcpy(out_pairs->keys, nj_secret_bytes(record), len);
	return NJ_OK;
}

enum nj_err nj_vault_recovery_pair_set(struct nj_vault *vault, const uint8_t private_key[NJ_KEY_BYTES], bool keep)
{
	struct pairs before = { .count = 0 };
	struct pairs pairs = { .count = 1 };
	enum nj_err err = keep ? pairs_read(vault, &before) : NJ_OK;

	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND)
		return err;
	if (before.count == PAIRS_ROOM)
		return NJ_ERR_LIMIT;
	nj_box_public(private_key, pairs.keys[0]);
	for (size_t i = 0; i < before.count; i++)
		memcpy(pairs.keys[pairs.count++], before.keys[i], NJ_KEY_BYTES);
	return nj_vault_put(vault, PAIRS_RECORD, nj_view_of(pairs.keys[0], pairs.count * NJ_KEY_BYTES));
}

enum nj_err nj_vault_recovery_pairs_fit(const struct nj_vault *vault)
{
	struct pairs pairs;

	NJ_TRY(pairs_read(vault, &pairs));
	return pairs.count > NJ_RECOVERY_PAIRS_MAX ? NJ_ERR_LIMIT : NJ_OK;
}

enum nj_err nj_vault_recovery_pair_check(const struct nj_vault *vault, const uint8_t private_key[NJ_KEY_BYTES])
{
	uint8_t public_key[NJ_KEY_BYTES];
	struct pairs pairs;

	NJ_TRY(pairs_read(vault, &pairs));
	nj_box_public(private_key, public_key);
	for (size_t i = 0; i < pairs.count; i++)
		if (nj_equal_ct(pairs.keys[i], public_key, sizeof(public_key)))
			return NJ_OK;
	return NJ_ERR_FORGED;
}

enum nj_err nj_vault_recovery_seal(struct nj_vault *vault, const uint8_t uid[16], const uint8_t key[NJ_KEY_BYTES],
				   uint8_t *out)
{
	uint8_t box[BOX_BYTES];
	struct pairs pairs;

	NJ_TRY(pairs_read(vault, &pairs));
	pair_name(pairs.keys[0], box);
	NJ_TRY(nj_box_seal(pairs.keys[0], nj_view_of(key, NJ_KEY_BYTES), box + NJ_RECOVERY_PAIR_BYTES));
	nj_vault_seal_of(vault, NJ_VAULT_RECOVERY, uid, BOX_VERSION, nj_view_of(box, sizeof(box)), out);
	return NJ_OK;
}

static enum nj_err box_open(const uint8_t box[BOX_BYTES], const uint8_t private_key[NJ_KEY_BYTES],
			    uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t public_key[NJ_KEY_BYTES];
	uint8_t name[NJ_RECOVERY_PAIR_BYTES];

	nj_box_public(private_key, public_key);
	pair_name(public_key, name);
	if (memcmp(box, name, sizeof(name)) != 0)
		return NJ_ERR_STATE;
	return nj_box_open(private_key, nj_view_of(box + sizeof(name), BOX_BYTES - sizeof(name)), out_key);
}

enum nj_err nj_vault_recovery_open(const struct nj_vault *vault, const uint8_t private_key[NJ_KEY_BYTES],
				   const uint8_t uid[16], struct nj_view sealed, uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t box[BOX_BYTES];

	if (sealed.len == OLD_SEALED_BYTES)
		return nj_vault_open_of(vault, NJ_VAULT_RECOVERY, uid, OLD_VERSION, sealed, out_key);
	if (sealed.len != NJ_RECOVERY_SEALED_BYTES)
		return sealed.len == 0 ? NJ_ERR_NOT_FOUND : NJ_ERR_FORGED;
	NJ_TRY(nj_vault_open_of(vault, NJ_VAULT_RECOVERY, uid, BOX_VERSION, sealed, box));
	return box_open(box, private_key, out_key);
}

enum nj_err nj_vault_recovery_again(const struct nj_vault *from, struct nj_vault *to, const uint8_t *old_private,
				    const uint8_t uid[16], struct nj_view sealed, uint8_t out[NJ_RECOVERY_SEALED_BYTES],
				    bool *out_left)
{
	static const uint8_t none[NJ_KEY_BYTES];
	uint8_t key[NJ_KEY_BYTES];
	uint8_t box[BOX_BYTES];
	enum nj_err err = nj_vault_recovery_open(from, old_private == NULL ? none : old_private, uid, sealed, key);

	if (err == NJ_ERR_STATE) {
		*out_left = true;
		NJ_TRY(nj_vault_open_of(from, NJ_VAULT_RECOVERY, uid, BOX_VERSION, sealed, box));
		nj_vault_seal_of(to, NJ_VAULT_RECOVERY, uid, BOX_VERSION, nj_view_of(box, sizeof(box)), out);
		return NJ_OK;
	}
	if (err != NJ_OK)
		return NJ_ERR_CORRUPT;
	*out_left = false;
	err = nj_vault_recovery_seal(to, uid, key, out);
	nj_wipe(key, sizeof(key));
	return err;
}
