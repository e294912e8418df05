/* The vault's slots and its unlocking. Passphrases never come here: the caller makes the slot's key of them. */
#include "base/text.h"
#include "keeper/internal.h"
#include "store/keeper_vault.h"

#define FREE_TRIES 5
#define TRY_EVERY_MS 30000
#define KEYS_MAX 16 /* as many as a vault has slots */

/* ---- arguments ---- */

static bool take_hex(struct nj_admin_call *call, const char *name, uint8_t *out, size_t len)
{
	const char *text;

	if (!nj_admin_text(call, name, true, &text))
		return false;
	if (strlen(text) == len * 2 && nj_hex_decode(nj_view_str(text), out, len) == NJ_OK)
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"%s\" must be %zu bytes in hex", name, len);
	return false;
}

static bool take_id(struct nj_admin_call *call, uint32_t *out_id)
{
	uint64_t id;

	if (!nj_admin_uint(call, "id", 0, UINT32_MAX, &id))
		return false;
	if (id == 0) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"id\" is missing: the number of a slot");
		return false;
	}
	*out_id = (uint32_t)id;
	return true;
}

/* ---- slots ---- */

struct listing {
	struct nj_keeper *keeper;
	struct nj_admin_call *call;
};

static enum nj_err slot_item(void *arg, const struct nj_vault_slot *slot)
{
	const struct listing *listing = arg;
	struct nj_passphrase_params params;
	char salt[NJ_ARGON2_SALT_BYTES * 2 + 1];
	json_t *item = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)slot->id, "kind",
				 slot->damaged ? "unknown" : nj_vault_slot_kind_name(slot->kind), "state",
				 nj_keeper_slot_state(&listing->keeper->vault_report, slot));

	if (!slot->damaged && slot->kind == NJ_SLOT_PASSPHRASE &&
	    nj_passphrase_params_read(nj_view_of(slot->params, slot->params_len), &params) == NJ_OK) {
		nj_hex_encode(params.salt, sizeof(params.salt), salt);
		json_object_set_new(item, "salt", json_string(salt));
		json_object_set_new(item, "memory_kib", json_integer(params.memory_kib));
		json_object_set_new(item, "passes", json_integer(params.passes));
	}
	nj_admin_item(listing->call, item);
	return NJ_OK;
}

void nj_keeper_verb_slot_list(void *arg, struct nj_admin_call *call)
{
	struct listing listing = { .keeper = arg, .call = call };
	enum nj_err err = nj_keeper_store_slot_each(listing.keeper->store, slot_item, &listing);

	if (err != NJ_OK)
		nj_admin_fail(call, err, "the vault's slots cannot be read: %s", nj_err_text(err));
	else
		nj_admin_ok(call, json_pack("{s:b}", "locked", (int)nj_keeper_locked(listing.keeper)));
}

static bool take_params(struct nj_admin_call *call, struct nj_passphrase_params *params)
{
	uint64_t memory_kib;
	uint64_t passes;

	if (!take_hex(call, "salt", params->salt, sizeof(params->salt)) ||
	    !nj_admin_uint(call, "memory_kib", 0, UINT32_MAX, &memory_kib) ||
	    !nj_admin_uint(call, "passes", 0, UINT32_MAX, &passes))
		return false;
	params->memory_kib = (uint32_t)memory_kib;
	params->passes = (uint32_t)passes;
	return true;
}

void nj_keeper_verb_slot_add(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_passphrase_params params;
	struct nj_why why = { "" };
	uint8_t key[NJ_KEY_BYTES];
	uint32_t id = 0;
	char detail[96];
	enum nj_err err;

	if (!take_params(call, &params) || !take_hex(call, "key", key, sizeof(key)))
		return;
	err = nj_keeper_begin(keeper);
	if (err == NJ_OK) {
		err = nj_vault_add_passphrase(keeper->vault, &params, key, &id, &why);
		if (err == NJ_OK)
			err = nj_text_format(detail, sizeof(detail), "slot %u: passphrase, Argon2id %u MiB, %u passes",
					     id, params.memory_kib / 1024, params.passes);
		if (err == NJ_OK)
			err = nj_audit_append(keeper->audit,
					      &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_SLOT_ADDED,
									 .source = nj_admin_caller(call),
									 .detail = detail });
		err = nj_keeper_end(keeper, err);
	}
	nj_wipe(key, sizeof(key));
	if (err == NJ_OK)
		nj_admin_ok(call, json_pack("{s:I}", "id", (json_int_t)id));
	else
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
}

void nj_keeper_verb_slot_remove(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_why why = { "" };
	uint8_t kind = 0;
	char detail[64];
	uint32_t id;
	enum nj_err err;

	if (!take_id(call, &id))
		return;
	err = nj_keeper_begin(keeper);
	if (err == NJ_OK) {
		err = nj_vault_remove_slot(keeper->vault, id, &kind, &why);
		if (err == NJ_OK)
			err = nj_text_format(detail, sizeof(detail), "slot %u: %s", id,
					     kind == 0 ? "damaged" : nj_vault_slot_kind_name(kind));
		if (err == NJ_OK)
			err = nj_audit_append(keeper->audit,
					      &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_SLOT_REMOVED,
									 .source = nj_admin_caller(call),
									 .detail = detail });
		err = nj_keeper_end(keeper, err);
	}
	if (err == NJ_OK)
		nj_admin_ok(call, json_pack("{s:I, s:s}", "id", (json_int_t)id, "kind",
					    kind == 0 ? "damaged" : nj_vault_slot_kind_name(kind)));
	else
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
}

/* ---- unlocking ---- */

/* Slows guessing down and never shuts anybody out. A try that comes too early is not looked at. */
static bool may_try(struct nj_keeper *keeper, struct nj_admin_call *call)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);

	if (now_ms >= keeper->unlocking.next_try_ms)
		return true;
	nj_admin_fail(call, NJ_ERR_LIMIT, "after %u wrong passphrases there is one try in %d s: the next in %u s",
		      keeper->unlocking.failures, TRY_EVERY_MS / 1000,
		      (unsigned)((keeper->unlocking.next_try_ms - now_ms + 999) / 1000));
	return false;
}

static void failed_try(struct nj_keeper *keeper)
{
	struct nj_keeper_unlocking *unlocking = &keeper->unlocking;

	unlocking->failures++;
	unlocking->unrecorded++;
	if (unlocking->failures >= FREE_TRIES)
		unlocking->next_try_ms = nj_clock_boot_ms(keeper->clock) + TRY_EVERY_MS;
	if (keeper->watch.unlock_failed != NULL)
		keeper->watch.unlock_failed(keeper->watch.arg, unlocking->failures);
}

/* Slots that failed at start stay in the report: they are audited now that the log is open. */
static enum nj_err unlock(struct nj_keeper *keeper, uint32_t id, const uint8_t key[NJ_KEY_BYTES], struct nj_why *why)
{
	struct nj_vault_report report;
	enum nj_err err =
	    nj_vault_unlock_passphrase(keeper->store, id, key, keeper->random, &keeper->vault, &report, why);

	if (err != NJ_OK)
		return err;
	err = nj_keeper_open_unlocked(keeper, why);
	if (err != NJ_OK) {
		nj_audit_close(keeper->audit);
		nj_authority_free(keeper->authority);
		nj_vault_free(keeper->vault);
		keeper->audit = NULL;
		keeper->authority = NULL;
		keeper->vault = NULL;
		return err;
	}
	keeper->vault_report.slots = report.slots;
	keeper->vault_report.opened = report.opened;
	return NJ_OK;
}

/* One passphrase as the keys that it gives in several slots: one try, whatever their number. */
struct tries {
	uint32_t ids[KEYS_MAX];
	uint8_t keys[KEYS_MAX][NJ_KEY_BYTES];
	size_t count;
};

static bool take_tries(struct nj_admin_call *call, struct tries *tries)
{
	const json_t *list = json_object_get(nj_admin_args(call), "tries");
	size_t count = json_array_size(list);

	tries->count = 0;
	for (size_t i = 0; i < count && count <= KEYS_MAX; i++) {
		const json_t *item = json_array_get(list, i);
		const char *key = json_string_value(json_object_get(item, "key"));
		json_int_t id = json_integer_value(json_object_get(item, "id"));

		if (key == NULL || id < 1 || id > UINT32_MAX ||
		    nj_hex_decode(nj_view_str(key), tries->keys[i], NJ_KEY_BYTES) != NJ_OK)
			break;
		tries->ids[i] = (uint32_t)id;
		tries->count++;
	}
	if (tries->count > 0 && tries->count == count)
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"tries\" must be 1 to %d objects with \"id\" and \"key\"",
		      KEYS_MAX);
	return false;
}

void nj_keeper_verb_unlock(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_why why = { "" };
	struct tries tries;
	enum nj_err err = NJ_ERR_FORGED;
	uint32_t id = 0;

	if (!nj_keeper_locked(keeper)) {
		nj_admin_fail(call, NJ_ERR_STATE, "the vault is open");
		return;
	}
	if (!may_try(keeper, call) || !take_tries(call, &tries))
		return;
	for (size_t i = 0; i < tries.count && (err == NJ_ERR_FORGED || err == NJ_ERR_CORRUPT); i++) {
		id = tries.ids[i];
		err = unlock(keeper, id, tries.keys[i], &why);
	}
	nj_wipe(&tries, sizeof(tries));
	if (err == NJ_ERR_FORGED)
		failed_try(keeper);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
		return;
	}
	keeper->unlocking.opened_by = id;
	(void)!nj_text_copy(keeper->unlocking.caller, sizeof(keeper->unlocking.caller), nj_admin_caller(call));
	nj_admin_ok(call, json_pack("{s:I}", "id", (json_int_t)id));
	if (keeper->watch.unlocked != NULL)
		keeper->watch.unlocked(keeper->watch.arg);
}

static void refuse_locked(void *arg, struct nj_admin_call *call)
{
	(void)arg;
	nj_admin_fail(call, NJ_ERR_STATE, "the vault is locked, and every port stays dark: nightjar vault unlock");
}

void nj_keeper_locked_verbs(struct nj_admin_verb *out_verbs)
{
	static const char *const open[] = { "status", "keeper.metrics", "vault.slot.list", "vault.unlock" };

	for (size_t i = 0; i < nj_keeper_verb_count; i++) {
		out_verbs[i] = (struct nj_admin_verb){ nj_keeper_verbs[i].name, refuse_locked };
		for (size_t o = 0; o < sizeof(open) / sizeof(open[0]); o++)
			if (strcmp(open[o], nj_keeper_verbs[i].name) == 0)
				out_verbs[i].handle = nj_keeper_verbs[i].handle;
	}
}

/* ---- the records ---- */

static enum nj_err note_degraded(struct nj_keeper *keeper)
{
	const struct nj_vault_report *report = &keeper->vault_report;
	char detail[64];

	for (uint32_t i = 0; i < report->degraded && i < NJ_VAULT_DEGRADED_MAX; i++) {
		(void)!nj_text_format(detail, sizeof(detail), "slot %u did not open", report->degraded_ids[i]);
		NJ_TRY(nj_audit_write(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_DEGRADED,
										.source = "keeper",
										.detail = detail }));
	}
	return NJ_OK;
}

enum nj_err nj_keeper_note_vault(struct nj_keeper *keeper)
{
	struct nj_keeper_unlocking *unlocking = &keeper->unlocking;
	char detail[64];

	NJ_TRY(note_degraded(keeper));
	if (unlocking->unrecorded > 0) {
		(void)!nj_text_format(detail, sizeof(detail), "%u wrong passphrases", unlocking->unrecorded);
		NJ_TRY(nj_audit_write(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_UNLOCK_FAILED,
										.source = "keeper",
										.detail = detail }));
	}
	unlocking->unrecorded = 0;
	if (unlocking->opened_by == 0)
		return NJ_OK;
	(void)!nj_text_format(detail, sizeof(detail), "slot %u: passphrase", unlocking->opened_by);
	return nj_audit_write(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_UNLOCKED,
									.source = unlocking->caller,
									.detail = detail });
}
