#include "identity/vault_state.h"
#include "store/keeper_vault.h"

#define ID_MAX_BYTES 128
#define RECORD_LABEL "nightjar/1 record"

/* ---- sealing under any key ---- */

void nj_vault_seal_with(struct nj_random *random, const uint8_t key[NJ_KEY_BYTES], struct nj_view ad,
			struct nj_view plain, uint8_t *out)
{
	nj_random_fill(random, out, NJ_XCHACHA_NONCE_BYTES);
	nj_xchacha_seal(key, out, ad, plain, out + NJ_XCHACHA_NONCE_BYTES);
}

enum nj_err nj_vault_open_with(const uint8_t key[NJ_KEY_BYTES], struct nj_view ad, struct nj_view sealed, uint8_t *out)
{
	if (sealed.len < NJ_VAULT_OVERHEAD)
		return NJ_ERR_TRUNCATED;
	return nj_xchacha_open(key, sealed.data, ad,
			       nj_view_of(sealed.data + NJ_XCHACHA_NONCE_BYTES, sealed.len - NJ_XCHACHA_NONCE_BYTES),
			       out);
}

/* What a record's seal covers besides its content: a record cannot take another's place. */
static struct nj_view record_ad(struct nj_view id, uint64_t version, uint8_t *buffer, size_t cap)
{
	struct nj_writer w = nj_writer_of(buffer, cap);

	nj_write_bytes(&w, RECORD_LABEL, strlen(RECORD_LABEL));
	nj_write_view16(&w, id);
	nj_write_u64(&w, version);
	return nj_view_of(buffer, w.pos);
}

#define AD_BYTES (sizeof(RECORD_LABEL) + 2 + ID_MAX_BYTES + 8)

/* ---- the vault itself ---- */

enum nj_err nj_vault_new(struct nj_keeper_store *store, struct nj_random *random, struct nj_vault **out_vault)
{
	struct nj_vault *vault = calloc(1, sizeof(*vault));
	enum nj_err err;

	if (vault == NULL)
		return NJ_ERR_NO_MEMORY;
	vault->store = store;
	vault->random = random;
	err = nj_secret_new(NJ_KEY_BYTES, &vault->key);
	if (err != NJ_OK) {
		free(vault);
		return err;
	}
	*out_vault = vault;
	return NJ_OK;
}

void nj_vault_free(struct nj_vault *vault)
{
	if (vault == NULL)
		return;
	nj_secret_free(vault->key);
	free(vault);
}

/* ---- records ---- */

void nj_vault_seal(struct nj_vault *vault, struct nj_view id, uint64_t version, struct nj_view plain, uint8_t *out)
{
	uint8_t ad[AD_BYTES];

	nj_vault_seal_with(vault->random, nj_secret_bytes(vault->key), record_ad(id, version, ad, sizeof(ad)), plain,
			   out);
}

enum nj_err nj_vault_open(const struct nj_vault *vault, struct nj_view id, uint64_t version, struct nj_view sealed,
			  uint8_t *out)
{
	uint8_t ad[AD_BYTES];

	return nj_vault_open_with(nj_secret_bytes(vault->key), record_ad(id, version, ad, sizeof(ad)), sealed, out);
}

#define DEVICE_ID_PREFIX "device/"
#define DEVICE_ID_BYTES (sizeof(DEVICE_ID_PREFIX) - 1 + 16)

static struct nj_view device_id(const uint8_t uid[16], uint8_t buffer[DEVICE_ID_BYTES])
{
	memcpy(buffer, DEVICE_ID_PREFIX, sizeof(DEVICE_ID_PREFIX) - 1);
	memcpy(buffer + sizeof(DEVICE_ID_PREFIX) - 1, uid, 16);
	return nj_view_of(buffer, DEVICE_ID_BYTES);
}

void nj_vault_seal_root_key(struct nj_vault *vault, const uint8_t uid[16], uint32_t epoch,
			    const uint8_t root_key[NJ_KEY_BYTES], uint8_t *out)
{
	uint8_t id[DEVICE_ID_BYTES];

	nj_vault_seal(vault, device_id(uid, id), epoch, nj_view_of(root_key, NJ_KEY_BYTES), out);
}

enum nj_err nj_vault_open_root_key(const struct nj_vault *vault, const uint8_t uid[16], uint32_t epoch,
				   struct nj_view sealed, uint8_t out_root_key[NJ_KEY_BYTES])
{
	uint8_t id[DEVICE_ID_BYTES];

	if (sealed.len != NJ_KEY_BYTES + NJ_VAULT_OVERHEAD)
		return NJ_ERR_TRUNCATED;
	return nj_vault_open(vault, device_id(uid, id), epoch, sealed, out_root_key);
}

static enum nj_err next_version(struct nj_vault *vault, const char *id, uint64_t *out_version)
{
	uint64_t version = 0;
	uint8_t *sealed = NULL;
	size_t len;
	enum nj_err err = nj_keeper_store_record_get(vault->store, id, &version, &sealed, &len);

	free(sealed);
	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND)
		return err;
	*out_version = version + 1;
	return NJ_OK;
}

enum nj_err nj_vault_put(struct nj_vault *vault, const char *id, struct nj_view plain)
{
	uint64_t version;
	uint8_t *sealed;
	enum nj_err err;

	if (strlen(id) > ID_MAX_BYTES)
		return NJ_ERR_TOO_LARGE;
	NJ_TRY(next_version(vault, id, &version));
	sealed = malloc(plain.len + NJ_VAULT_OVERHEAD);
	if (sealed == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_vault_seal(vault, nj_view_str(id), version, plain, sealed);
	err = nj_keeper_store_record_put(vault->store, id, version, nj_view_of(sealed, plain.len + NJ_VAULT_OVERHEAD));
	free(sealed);
	return err;
}

/* An empty secret has no memory to lie in: a record holds at least one byte. */
static enum nj_err open_record(const struct nj_vault *vault, const char *id, uint64_t version, struct nj_view sealed,
			       struct nj_secret **out_plain)
{
	struct nj_secret *plain;
	enum nj_err err;

	if (sealed.len <= NJ_VAULT_OVERHEAD || strlen(id) > ID_MAX_BYTES)
		return NJ_ERR_CORRUPT;
	NJ_TRY(nj_secret_new(sealed.len - NJ_VAULT_OVERHEAD, &plain));
	err = nj_vault_open(vault, nj_view_str(id), version, sealed, nj_secret_bytes(plain));
	if (err != NJ_OK) {
		nj_secret_free(plain);
		return NJ_ERR_CORRUPT;
	}
	*out_plain = plain;
	return NJ_OK;
}

enum nj_err nj_vault_get(const struct nj_vault *vault, const char *id, struct nj_secret **out_plain)
{
	uint64_t version;
	uint8_t *sealed;
	size_t len;
	enum nj_err err;

	NJ_TRY(nj_keeper_store_record_get(vault->store, id, &version, &sealed, &len));
	err = open_record(vault, id, version, nj_view_of(sealed, len), out_plain);
	free(sealed);
	return err;
}

void nj_vault_derive(const struct nj_vault *vault, const char *label, uint8_t out_key[NJ_KEY_BYTES])
{
	nj_hkdf_sha256(nj_view_of(nj_secret_bytes(vault->key), NJ_KEY_BYTES), nj_view_of(NULL, 0), nj_view_str(label),
		       out_key, NJ_KEY_BYTES);
}

struct nj_keeper_store *nj_vault_store(const struct nj_vault *vault)
{
	return vault->store;
}
