#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "identity/vault_recovery.h"
#include "identity/vault_state.h"

#define SLOT_LABEL "nightjar/1 slot"
#define SLOT_AD_BYTES (sizeof(SLOT_LABEL) + NJ_SLOT_PARAMS_MAX)

_Static_assert(NJ_SLOT_SEALED_BYTES == NJ_KEY_BYTES + NJ_VAULT_OVERHEAD, "a slot holds one sealed key");
_Static_assert(NJ_SLOT_PARAMS_MAX >= NJ_PASSPHRASE_PARAMS_BYTES, "a slot holds the parameters of its passphrase");

static const struct {
	const char *name;
	const char *key_label;
	const char *check_label;
} kinds[] = {
	[NJ_SLOT_KEY_FILE] = { "key-file", "nightjar/1 slot key-file", "nightjar/1 slot key-file check" },
	[NJ_SLOT_RECOVERY] = { "recovery", "nightjar/1 slot recovery", "nightjar/1 slot recovery check" },
	[NJ_SLOT_PASSPHRASE] = { "passphrase", "nightjar/1 slot passphrase", "nightjar/1 slot passphrase check" },
};

const char *nj_vault_slot_kind_name(uint8_t kind)
{
	return kind >= NJ_SLOT_KEY_FILE && kind <= NJ_SLOT_PASSPHRASE ? kinds[kind].name : "unknown";
}

/* What a slot's seal covers besides the key: another kind, or weaker parameters, do not open it. */
static struct nj_view slot_ad(const struct nj_vault_slot *slot, uint8_t buffer[SLOT_AD_BYTES])
{
	struct nj_writer w = nj_writer_of(buffer, SLOT_AD_BYTES);

	nj_write_bytes(&w, SLOT_LABEL, sizeof(SLOT_LABEL) - 1);
	nj_write_u8(&w, slot->kind);
	nj_write_bytes(&w, slot->params, slot->params_len);
	return nj_view_of(buffer, w.pos);
}

static void slot_keys(uint8_t kind, const uint8_t secret[NJ_KEY_BYTES], uint8_t out_key[NJ_KEY_BYTES],
		      uint8_t out_check[NJ_SLOT_CHECK_BYTES])
{
	struct nj_view ikm = nj_view_of(secret, NJ_KEY_BYTES);

	nj_hkdf_sha256(ikm, nj_view_of(NULL, 0), nj_view_str(kinds[kind].key_label), out_key, NJ_KEY_BYTES);
	nj_hkdf_sha256(ikm, nj_view_of(NULL, 0), nj_view_str(kinds[kind].check_label), out_check, NJ_SLOT_CHECK_BYTES);
}

/* `slot` has kind and parameters. */
static enum nj_err seal_slot(struct nj_vault *vault, struct nj_vault_slot *slot, const uint8_t secret[NJ_KEY_BYTES],
			     uint32_t *out_id)
{
	uint8_t key[NJ_KEY_BYTES];
	uint8_t ad[SLOT_AD_BYTES];

	slot_keys(slot->kind, secret, key, slot->check);
	nj_vault_seal_with(vault->random, key, slot_ad(slot, ad), nj_view_of(nj_secret_bytes(vault->key), NJ_KEY_BYTES),
			   slot->sealed);
	nj_wipe(key, sizeof(key));
	return nj_keeper_store_slot_put(vault->store, slot, out_id);
}

static enum nj_err add_slot(struct nj_vault *vault, uint8_t kind, const uint8_t secret[NJ_KEY_BYTES])
{
	struct nj_vault_slot slot = { .kind = kind };

	return seal_slot(vault, &slot, secret, NULL);
}

enum nj_err nj_vault_make_key_file(struct nj_vault *vault, const char *path, struct nj_why *why)
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

enum nj_err nj_vault_make_recovery(struct nj_vault *vault, char out_text[NJ_RECOVERY_TEXT_BYTES],
				   uint8_t out_private[NJ_KEY_BYTES])
{
	uint8_t secret[NJ_KEY_BYTES];
	char text[NJ_RECOVERY_TEXT_BYTES];
	enum nj_err err;

	nj_random_fill(vault->random, secret, sizeof(secret));
	nj_recovery_format(secret, text);
	err = add_slot(vault, NJ_SLOT_RECOVERY, secret);
	if (err == NJ_OK)
		err = nj_recovery_private(nj_view_str(text), out_private);
	if (err == NJ_OK)
		memcpy(out_text, text, sizeof(text));
	nj_wipe(secret, sizeof(secret));
	nj_wipe(text, sizeof(text));
	return err;
}

static enum nj_err make_recovery(struct nj_vault *vault, char out_text[NJ_RECOVERY_TEXT_BYTES])
{
	uint8_t private_key[NJ_KEY_BYTES];
	enum nj_err err = nj_vault_make_recovery(vault, out_text, private_key);

	if (err == NJ_OK)
		err = nj_vault_recovery_pair_set(vault, private_key, false);
	nj_wipe(private_key, sizeof(private_key));
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
	NJ_TRY(nj_vault_new(store, random, &vault));
	nj_random_fill(random, nj_secret_bytes(vault->key), NJ_KEY_BYTES);
	err = nj_vault_make_key_file(vault, key_file, why);
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
	return nj_vault_make_key_file(vault, key_file, why);
}

static enum nj_err collect_slot(void *arg, const struct nj_vault_slot *slot)
{
	struct nj_vault_slot_list *list = arg;

	if (list->count == NJ_VAULT_SLOTS_MAX)
		return NJ_ERR_LIMIT;
	list->slots[list->count++] = *slot;
	return NJ_OK;
}

enum nj_err nj_vault_slot_list(struct nj_keeper_store *store, struct nj_vault_slot_list *out_list)
{
	out_list->count = 0;
	return nj_keeper_store_slot_each(store, collect_slot, out_list);
}

static void report_degraded(struct nj_vault_report *report, uint32_t id)
{
	if (report->degraded < NJ_VAULT_DEGRADED_MAX)
		report->degraded_ids[report->degraded] = id;
	report->degraded++;
}

enum nj_err nj_vault_slots(struct nj_keeper_store *store, struct nj_vault_report *out_report)
{
	struct nj_vault_slot_list list;
	struct nj_vault_report report = { 0 };

	NJ_TRY(nj_vault_slot_list(store, &list));
	report.slots = list.count;
	for (uint32_t i = 0; i < list.count; i++)
		if (list.slots[i].damaged)
			report_degraded(&report, list.slots[i].id);
	*out_report = report;
	return NJ_OK;
}

bool nj_vault_slot_fits(const struct nj_vault_slot *slot, const uint8_t key[NJ_KEY_BYTES])
{
	uint8_t slot_key[NJ_KEY_BYTES];
	uint8_t check[NJ_SLOT_CHECK_BYTES];

	if (slot->damaged)
		return false;
	slot_keys(slot->kind, key, slot_key, check);
	nj_wipe(slot_key, sizeof(slot_key));
	return nj_equal_ct(check, slot->check, sizeof(check));
}

/* One slot with the key made from `secret`: NJ_ERR_FORGED when it is another's, NJ_ERR_CORRUPT when it is damaged. */
static enum nj_err try_slot(struct nj_vault *vault, const struct nj_vault_slot *slot,
			    const uint8_t secret[NJ_KEY_BYTES])
{
	uint8_t key[NJ_KEY_BYTES];
	uint8_t check[NJ_SLOT_CHECK_BYTES];
	uint8_t ad[SLOT_AD_BYTES];
	enum nj_err err = NJ_ERR_FORGED;

	if (slot->damaged)
		return NJ_ERR_CORRUPT;
	slot_keys(slot->kind, secret, key, check);
	if (nj_equal_ct(check, slot->check, sizeof(check))) {
		err = nj_vault_open_with(key, slot_ad(slot, ad), nj_view_of(slot->sealed, sizeof(slot->sealed)),
					 nj_secret_bytes(vault->key));
		if (err != NJ_OK)
			err = NJ_ERR_CORRUPT;
	}
	nj_wipe(key, sizeof(key));
	return err;
}

/* Every slot of the kind (and of this id, where it is not 0) in turn. A key that fits none makes each of them a slot
 * that should have opened. */
static enum nj_err try_slots(struct nj_vault *vault, uint8_t kind, uint32_t id, const uint8_t secret[NJ_KEY_BYTES],
			     struct nj_vault_report *report)
{
	struct nj_vault_slot_list list;
	enum nj_err result = NJ_ERR_FORGED;

	NJ_TRY(nj_vault_slot_list(vault->store, &list));
	report->slots = list.count;
	for (uint32_t i = 0; i < list.count; i++) {
		const struct nj_vault_slot *slot = &list.slots[i];
		bool asked = slot->kind == kind && (id == 0 || slot->id == id);
		enum nj_err err = asked ? try_slot(vault, slot, secret) : NJ_ERR_FORGED;

		if (err == NJ_OK) {
			report->opened = slot->id;
			return NJ_OK;
		}
		if (err == NJ_ERR_CORRUPT) {
			report_degraded(report, slot->id);
			result = NJ_ERR_CORRUPT;
		}
	}
	/* A passphrase that fits no slot is a slip of a person's finger, not a slot's fault. */
	for (uint32_t i = 0; i < list.count && result == NJ_ERR_FORGED && kind != NJ_SLOT_PASSPHRASE; i++)
		if (list.slots[i].kind == kind)
			report_degraded(report, list.slots[i].id);
	return result;
}

static const char *key_text(uint8_t kind)
{
	return kind == NJ_SLOT_KEY_FILE ? "key-file key" : kind == NJ_SLOT_RECOVERY ? "recovery key" : "passphrase";
}

static enum nj_err unlock(struct nj_keeper_store *store, uint8_t kind, uint32_t id, const uint8_t secret[NJ_KEY_BYTES],
			  struct nj_random *random, struct nj_vault **out_vault, struct nj_vault_report *out_report,
			  struct nj_why *why)
{
	struct nj_vault_report report = { 0 };
	struct nj_vault *vault;
	enum nj_err err;

	NJ_TRY(nj_vault_new(store, random, &vault));
	err = try_slots(vault, kind, id, secret, &report);
	if (out_report != NULL)
		*out_report = report;
	if (err == NJ_OK) {
		*out_vault = vault;
		return NJ_OK;
	}
	nj_vault_free(vault);
	if (err == NJ_ERR_FORGED)
		return nj_why(why, err, "this %s fits no slot of the vault%s", key_text(kind),
			      kind == NJ_SLOT_PASSPHRASE ? "" : ": is it another gateway's?");
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

static enum nj_err unlock_path(struct nj_keeper_store *store, const char *path, struct nj_random *random,
			       struct nj_vault **out_vault, struct nj_vault_report *report, struct nj_why *why)
{
	uint8_t secret[NJ_KEY_BYTES];
	enum nj_err err;

	NJ_TRY(read_key_file(path, secret, why));
	err = unlock(store, NJ_SLOT_KEY_FILE, 0, secret, random, out_vault, report, why);
	nj_wipe(secret, sizeof(secret));
	return err;
}

/* A rekey that was interrupted between its commit and the last rename leaves the right key beside the file. */
static bool unlock_successor(struct nj_keeper_store *store, const char *path, struct nj_random *random,
			     struct nj_vault **out_vault, struct nj_vault_report *report)
{
	char successor[NJ_VAULT_PATH_BYTES];
	struct nj_why ignored;

	if (nj_text_format(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, path) != NJ_OK ||
	    access(successor, F_OK) != 0 || unlock_path(store, successor, random, out_vault, report, &ignored) != NJ_OK)
		return false;
	/* A folder that is not ours to write leaves it where it is: it is found there again. */
	(void)rename(successor, path);
	return true;
}

/* Without its file every slot of the kind is one that should have opened. */
static void report_missing(struct nj_keeper_store *store, struct nj_vault_report *report)
{
	struct nj_vault_slot_list list;

	if (report->slots != 0 || nj_vault_slot_list(store, &list) != NJ_OK)
		return;
	report->slots = list.count;
	for (uint32_t i = 0; i < list.count; i++)
		if (list.slots[i].damaged || list.slots[i].kind == NJ_SLOT_KEY_FILE)
			report_degraded(report, list.slots[i].id);
}

enum nj_err nj_vault_unlock_file(struct nj_keeper_store *store, const char *key_file, struct nj_random *random,
				 struct nj_vault **out_vault, struct nj_vault_report *out_report, struct nj_why *why)
{
	struct nj_vault_report report = { 0 };
	struct nj_vault_report second = { 0 };
	enum nj_err err = unlock_path(store, key_file, random, out_vault, &report, why);

	if ((err == NJ_ERR_NOT_FOUND || err == NJ_ERR_FORGED) &&
	    unlock_successor(store, key_file, random, out_vault, &second)) {
		report = second;
		err = NJ_OK;
	}
	if (err != NJ_OK)
		report_missing(store, &report);
	if (out_report != NULL)
		*out_report = report;
	return err;
}

enum nj_err nj_vault_unlock_passphrase(struct nj_keeper_store *store, uint32_t id, const uint8_t key[NJ_KEY_BYTES],
				       struct nj_random *random, struct nj_vault **out_vault,
				       struct nj_vault_report *out_report, struct nj_why *why)
{
	if (out_report != NULL)
		*out_report = (struct nj_vault_report){ 0 };
	return unlock(store, NJ_SLOT_PASSPHRASE, id, key, random, out_vault, out_report, why);
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
	err = unlock(store, NJ_SLOT_RECOVERY, 0, secret, random, out_vault, out_report, why);
	nj_wipe(secret, sizeof(secret));
	return err;
}

/* ---- slots of an open vault ---- */

enum nj_err nj_vault_add_passphrase(struct nj_vault *vault, const struct nj_passphrase_params *params,
				    const uint8_t key[NJ_KEY_BYTES], uint32_t *out_id, struct nj_why *why)
{
	struct nj_vault_slot slot = { .kind = NJ_SLOT_PASSPHRASE, .params_len = NJ_PASSPHRASE_PARAMS_BYTES };
	struct nj_vault_slot_list list;

	if (nj_passphrase_params_check(params) != NJ_OK)
		return nj_why(why, NJ_ERR_RANGE,
			      "a passphrase slot takes from %u to %u MiB of memory, and from 1 to %d passes",
			      NJ_PASSPHRASE_MEMORY_MIN_KIB / 1024, NJ_PASSPHRASE_MEMORY_MAX_KIB / 1024,
			      NJ_PASSPHRASE_PASSES_MAX);
	NJ_TRY(nj_vault_slot_list(vault->store, &list));
	if (list.count == NJ_VAULT_SLOTS_MAX)
		return nj_why(why, NJ_ERR_LIMIT, "a vault has at most %d slots: remove one first", NJ_VAULT_SLOTS_MAX);
	nj_passphrase_params_write(params, slot.params);
	return seal_slot(vault, &slot, key, out_id);
}

static bool opens_at_start(const struct nj_vault_slot *slot)
{
	return !slot->damaged && (slot->kind == NJ_SLOT_KEY_FILE || slot->kind == NJ_SLOT_PASSPHRASE);
}

enum nj_err nj_vault_remove_slot(struct nj_vault *vault, uint32_t id, uint8_t *out_kind, struct nj_why *why)
{
	struct nj_vault_slot_list list;
	const struct nj_vault_slot *found = NULL;
	uint32_t starters = 0;
	uint32_t sound = 0;

	NJ_TRY(nj_vault_slot_list(vault->store, &list));
	for (uint32_t i = 0; i < list.count; i++) {
		const struct nj_vault_slot *slot = &list.slots[i];

		if (slot->id == id)
			found = slot;
		else
			sound += !slot->damaged;
		if (slot->id != id)
			starters += opens_at_start(slot);
	}
	if (found == NULL)
		return nj_why(why, NJ_ERR_NOT_FOUND, "the vault has no slot %u", id);
	if (sound < 2 || starters == 0)
		return nj_why(why, NJ_ERR_STATE, "slot %u stays: without it %s; add another one first", id,
			      starters == 0 ? "no key file and no passphrase could open the vault"
					    : "a single slot would be left");
	*out_kind = found->damaged ? 0 : found->kind;
	return nj_keeper_store_slot_remove(vault->store, id);
}

enum nj_err nj_vault_has_passphrase(struct nj_keeper_store *store, bool *out_has)
{
	struct nj_vault_slot_list list;
	bool has = false;

	NJ_TRY(nj_vault_slot_list(store, &list));
	for (uint32_t i = 0; i < list.count; i++)
		has = has || (list.slots[i].kind == NJ_SLOT_PASSPHRASE && !list.slots[i].damaged);
	*out_has = has;
	return NJ_OK;
}
