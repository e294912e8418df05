#include "identity/vault.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "store/keeper_vault.h"

#define SLOTS_MAX 16
#define ID_MAX_BYTES 128
#define RECORD_LABEL "nightjar/1 record"
#define SLOT_LABEL "nightjar/1 slot"

_Static_assert(NJ_SLOT_SEALED_BYTES == NJ_KEY_BYTES + NJ_VAULT_OVERHEAD, "a slot holds one sealed key");

struct nj_vault {
	struct nj_keeper_store *store;
	struct nj_random *random;
	struct nj_secret *key;
};

static const struct {
	const char *name;
	const char *key_label;
	const char *check_label;
} kinds[] = {
	[NJ_SLOT_KEY_FILE] = { "key-file", "nightjar/1 slot key-file", "nightjar/1 slot key-file check" },
	[NJ_SLOT_RECOVERY] = { "recovery", "nightjar/1 slot recovery", "nightjar/1 slot recovery check" },
};

const char *nj_vault_slot_kind_name(uint8_t kind)
{
	return kind >= NJ_SLOT_KEY_FILE && kind <= NJ_SLOT_RECOVERY ? kinds[kind].name : "unknown";
}

/* ---- sealing under any key ---- */

static void seal_with(struct nj_random *random, const uint8_t key[NJ_KEY_BYTES], struct nj_view ad,
		      struct nj_view plain, uint8_t *out)
{
	nj_random_fill(random, out, NJ_XCHACHA_NONCE_BYTES);
	nj_xchacha_seal(key, out, ad, plain, out + NJ_XCHACHA_NONCE_BYTES);
}

static enum nj_err open_with(const uint8_t key[NJ_KEY_BYTES], struct nj_view ad, struct nj_view sealed, uint8_t *out)
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

static struct nj_view slot_ad(uint8_t kind, uint8_t buffer[sizeof(SLOT_LABEL)])
{
	memcpy(buffer, SLOT_LABEL, sizeof(SLOT_LABEL) - 1);
	buffer[sizeof(SLOT_LABEL) - 1] = kind;
	return nj_view_of(buffer, sizeof(SLOT_LABEL));
}

/* ---- slots ---- */

static void slot_keys(uint8_t kind, const uint8_t secret[NJ_KEY_BYTES], uint8_t out_key[NJ_KEY_BYTES],
		      uint8_t out_check[NJ_SLOT_CHECK_BYTES])
{
	struct nj_view ikm = nj_view_of(secret, NJ_KEY_BYTES);

	nj_hkdf_sha256(ikm, nj_view_of(NULL, 0), nj_view_str(kinds[kind].key_label), out_key, NJ_KEY_BYTES);
	nj_hkdf_sha256(ikm, nj_view_of(NULL, 0), nj_view_str(kinds[kind].check_label), out_check, NJ_SLOT_CHECK_BYTES);
}

static enum nj_err add_slot(struct nj_vault *vault, uint8_t kind, const uint8_t secret[NJ_KEY_BYTES])
{
	struct nj_vault_slot slot = { .kind = kind };
	uint8_t key[NJ_KEY_BYTES];
	uint8_t ad[sizeof(SLOT_LABEL)];

	slot_keys(kind, secret, key, slot.check);
	seal_with(vault->random, key, slot_ad(kind, ad), nj_view_of(nj_secret_bytes(vault->key), NJ_KEY_BYTES),
		  slot.sealed);
	nj_wipe(key, sizeof(key));
	return nj_keeper_store_slot_put(vault->store, &slot, NULL);
}

static enum nj_err new_vault(struct nj_keeper_store *store, struct nj_random *random, struct nj_vault **out_vault)
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

/* A fresh secret in a file of its own, and its slot; without the slot the file goes again. */
static enum nj_err make_key_file(struct nj_vault *vault, const char *path, struct nj_why *why)
{
	uint8_t secret[NJ_KEY_BYTES];
	enum nj_err err;

	nj_random_fill(vault->random, secret, sizeof(secret));
	err = nj_file_create(path, secret, sizeof(secret), 0600, why);
	if (err == NJ_OK) {
		err = add_slot(vault, NJ_SLOT_KEY_FILE, secret);
		if (err != NJ_OK)
			unlink(path);
	}
	nj_wipe(secret, sizeof(secret));
	return err;
}

static enum nj_err make_recovery(struct nj_vault *vault, char out_text[NJ_RECOVERY_TEXT_BYTES])
{
	uint8_t secret[NJ_KEY_BYTES];
	enum nj_err err;

	nj_random_fill(vault->random, secret, sizeof(secret));
	err = add_slot(vault, NJ_SLOT_RECOVERY, secret);
	if (err == NJ_OK)
		nj_recovery_format(secret, out_text);
	nj_wipe(secret, sizeof(secret));
	return err;
}

enum nj_err nj_vault_create(struct nj_keeper_store *store, const char *key_file, struct nj_random *random,
			    struct nj_vault **out_vault, char out_recovery[NJ_RECOVERY_TEXT_BYTES], struct nj_why *why)
{
	struct nj_vault_report report;
	struct nj_vault *vault;
	char recovery[NJ_RECOVERY_TEXT_BYTES];
	enum nj_err err;

	NJ_TRY(nj_vault_slots(store, &report));
	if (report.slots > 0)
		return nj_why(why, NJ_ERR_EXISTS, "the store has a vault already");
	NJ_TRY(new_vault(store, random, &vault));
	nj_random_fill(random, nj_secret_bytes(vault->key), NJ_KEY_BYTES);
	err = make_key_file(vault, key_file, why);
	if (err == NJ_OK) {
		err = make_recovery(vault, recovery);
		if (err != NJ_OK)
			unlink(key_file);
	}
	if (err == NJ_OK) {
		memcpy(out_recovery, recovery, sizeof(recovery));
		*out_vault = vault;
	} else {
		nj_vault_free(vault);
	}
	nj_wipe(recovery, sizeof(recovery));
	return err;
}

enum nj_err nj_vault_add_key_file(struct nj_vault *vault, const char *key_file, struct nj_why *why)
{
	return make_key_file(vault, key_file, why);
}

struct slot_list {
	struct nj_vault_slot slots[SLOTS_MAX];
	uint32_t count;
};

static enum nj_err collect_slot(void *arg, const struct nj_vault_slot *slot)
{
	struct slot_list *list = arg;

	if (list->count == SLOTS_MAX)
		return NJ_ERR_LIMIT;
	list->slots[list->count++] = *slot;
	return NJ_OK;
}

static void report_degraded(struct nj_vault_report *report, uint32_t id)
{
	if (report->degraded < NJ_VAULT_DEGRADED_MAX)
		report->degraded_ids[report->degraded] = id;
	report->degraded++;
}

enum nj_err nj_vault_slots(struct nj_keeper_store *store, struct nj_vault_report *out_report)
{
	struct slot_list list = { .count = 0 };
	struct nj_vault_report report = { 0 };

	NJ_TRY(nj_keeper_store_slot_each(store, collect_slot, &list));
	report.slots = list.count;
	for (uint32_t i = 0; i < list.count; i++)
		if (list.slots[i].damaged)
			report_degraded(&report, list.slots[i].id);
	*out_report = report;
	return NJ_OK;
}

/* One slot with the key made from `secret`: NJ_ERR_FORGED when it is another's, NJ_ERR_CORRUPT when it is damaged. */
static enum nj_err try_slot(struct nj_vault *vault, const struct nj_vault_slot *slot,
			    const uint8_t secret[NJ_KEY_BYTES])
{
	uint8_t key[NJ_KEY_BYTES];
	uint8_t check[NJ_SLOT_CHECK_BYTES];
	uint8_t ad[sizeof(SLOT_LABEL)];
	enum nj_err err = NJ_ERR_FORGED;

	if (slot->damaged)
		return NJ_ERR_CORRUPT;
	slot_keys(slot->kind, secret, key, check);
	if (nj_equal_ct(check, slot->check, sizeof(check))) {
		err = open_with(key, slot_ad(slot->kind, ad), nj_view_of(slot->sealed, sizeof(slot->sealed)),
				nj_secret_bytes(vault->key));
		if (err != NJ_OK)
			err = NJ_ERR_CORRUPT;
	}
	nj_wipe(key, sizeof(key));
	return err;
}

/* Every slot of the kind in turn. A key that fits none makes each of them a slot that should have opened. */
static enum nj_err try_slots(struct nj_vault *vault, uint8_t kind, const uint8_t secret[NJ_KEY_BYTES],
			     struct nj_vault_report *report)
{
	struct slot_list list = { .count = 0 };
	enum nj_err result = NJ_ERR_FORGED;

	NJ_TRY(nj_keeper_store_slot_each(vault->store, collect_slot, &list));
	report->slots = list.count;
	for (uint32_t i = 0; i < list.count; i++) {
		enum nj_err err = list.slots[i].kind == kind ? try_slot(vault, &list.slots[i], secret) : NJ_ERR_FORGED;

		if (err == NJ_OK) {
			report->opened = list.slots[i].id;
			return NJ_OK;
		}
		if (err == NJ_ERR_CORRUPT) {
			report_degraded(report, list.slots[i].id);
			result = NJ_ERR_CORRUPT;
		}
	}
	for (uint32_t i = 0; i < list.count && result == NJ_ERR_FORGED; i++)
		if (list.slots[i].kind == kind)
			report_degraded(report, list.slots[i].id);
	return result;
}

static enum nj_err unlock(struct nj_keeper_store *store, uint8_t kind, const uint8_t secret[NJ_KEY_BYTES],
			  struct nj_random *random, struct nj_vault **out_vault, struct nj_vault_report *out_report,
			  struct nj_why *why)
{
	struct nj_vault_report report = { 0 };
	struct nj_vault *vault;
	enum nj_err err;

	NJ_TRY(new_vault(store, random, &vault));
	err = try_slots(vault, kind, secret, &report);
	if (out_report != NULL)
		*out_report = report;
	if (err == NJ_OK) {
		*out_vault = vault;
		return NJ_OK;
	}
	nj_vault_free(vault);
	if (err == NJ_ERR_FORGED)
		return nj_why(why, err, "this %s key fits no slot of the vault: is it another gateway's?",
			      kinds[kind].name);
	if (err == NJ_ERR_CORRUPT)
		return nj_why(why, err, "the vault's %s slot is damaged: unlock it with another slot's key",
			      kinds[kind].name);
	return nj_why(why, err, "cannot read the vault's slots: %s", nj_err_text(err));
}

static enum nj_err read_key_file(const char *path, uint8_t out_secret[NJ_KEY_BYTES], struct nj_why *why)
{
	NJ_CLEANUP_FREE char *data = NULL;
	struct stat status;
	size_t len;

	if (stat(path, &status) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the vault's key file %s: %s", path,
			      nj_err_text(nj_err_from_errno(errno)));
	if ((status.st_mode & 077) != 0)
		return nj_why(why, NJ_ERR_DENIED,
			      "the vault's key file %s can be read by others: chmod 600 it, or replace it", path);
	NJ_TRY(nj_file_read(path, NJ_KEY_BYTES, &data, &len, why));
	if (len == NJ_KEY_BYTES)
		memcpy(out_secret, data, NJ_KEY_BYTES);
	nj_wipe(data, len);
	return len == NJ_KEY_BYTES ? NJ_OK
				   : nj_why(why, NJ_ERR_MALFORMED, "the vault's key file %s is not 32 bytes", path);
}

enum nj_err nj_vault_unlock_file(struct nj_keeper_store *store, const char *key_file, struct nj_random *random,
				 struct nj_vault **out_vault, struct nj_vault_report *out_report, struct nj_why *why)
{
	uint8_t secret[NJ_KEY_BYTES];
	enum nj_err err;

	if (out_report != NULL)
		*out_report = (struct nj_vault_report){ 0 };
	NJ_TRY(read_key_file(key_file, secret, why));
	err = unlock(store, NJ_SLOT_KEY_FILE, secret, random, out_vault, out_report, why);
	nj_wipe(secret, sizeof(secret));
	return err;
}

enum nj_err nj_vault_unlock_recovery(struct nj_keeper_store *store, const char *recovery_text, struct nj_random *random,
				     struct nj_vault **out_vault, struct nj_vault_report *out_report,
				     struct nj_why *why)
{
	uint8_t secret[NJ_KEY_BYTES];
	enum nj_err err = nj_recovery_parse(nj_view_str(recovery_text), secret);

	if (out_report != NULL)
		*out_report = (struct nj_vault_report){ 0 };
	if (err != NJ_OK)
		return nj_why(why, err,
			      "the recovery key is 56 letters and digits in groups of seven; please check it");
	err = unlock(store, NJ_SLOT_RECOVERY, secret, random, out_vault, out_report, why);
	nj_wipe(secret, sizeof(secret));
	return err;
}

/* ---- records ---- */

void nj_vault_seal(struct nj_vault *vault, struct nj_view id, uint64_t version, struct nj_view plain, uint8_t *out)
{
	uint8_t ad[AD_BYTES];

	seal_with(vault->random, nj_secret_bytes(vault->key), record_ad(id, version, ad, sizeof(ad)), plain, out);
}

enum nj_err nj_vault_open(const struct nj_vault *vault, struct nj_view id, uint64_t version, struct nj_view sealed,
			  uint8_t *out)
{
	uint8_t ad[AD_BYTES];

	return open_with(nj_secret_bytes(vault->key), record_ad(id, version, ad, sizeof(ad)), sealed, out);
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
