#include "daemon/vault_ops.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config/settings.h"
#include "base/file.h"
#include "base/text.h"
#include "daemon/keeper_config.h"
#include "identity/audit.h"
#include "identity/vault_recovery.h"
#include "store/keeper_vault.h"

struct work {
	struct nj_settings settings;
	int lock;
	struct nj_keeper_store *store;
	struct nj_vault *vault;
	struct nj_audit *audit;
};

static void work_done(struct work **at)
{
	struct work *work = *at;

	if (work == NULL)
		return;
	nj_audit_close(work->audit);
	nj_vault_free(work->vault);
	nj_keeper_store_close(work->store);
	if (work->lock >= 0)
		close(work->lock);
	free(work);
}
#define CLEANUP_WORK __attribute__((cleanup(work_done)))

/* Settings, lock and the keeper's store. */
static enum nj_err work_open(const struct nj_paths *paths, struct work **out_work, struct nj_why *why)
{
	CLEANUP_WORK struct work *work = calloc(1, sizeof(*work));

	if (work == NULL)
		return NJ_ERR_NO_MEMORY;
	work->lock = -1;
	NJ_TRY(nj_settings_load(paths->config, &work->settings, why));
	NJ_TRY(nj_paths_lock(paths, &work->lock, why));
	NJ_TRY(nj_keeper_store_open(paths->keeper_db, NJ_STORE_OPEN, &work->store, why));
	*out_work = work;
	work = NULL;
	return NJ_OK;
}

/* ---- recovery ---- */

static enum nj_err refuse_working_file(struct work *work, const char *key_file, struct nj_why *why)
{
	struct nj_vault *vault = NULL;
	struct nj_why ignored;

	if (nj_vault_unlock_file(work->store, key_file, nj_random_system(), &vault, NULL, &ignored) != NJ_OK)
		return NJ_OK;
	nj_vault_free(vault);
	return nj_why(why, NJ_ERR_EXISTS,
		      "%s opens the vault: there is nothing to recover (nightjar vault rekey makes new keys)",
		      key_file);
}

/* Whatever stands there is not ours to throw away. */
static enum nj_err set_aside(const char *key_file, char out_aside[NJ_VAULT_PATH_BYTES], struct nj_why *why)
{
	out_aside[0] = '\0';
	if (access(key_file, F_OK) != 0)
		return NJ_OK;
	NJ_TRY(nj_text_format(out_aside, NJ_VAULT_PATH_BYTES, "%s.replaced-%llu", key_file,
			      (unsigned long long)(nj_clock_wall_ms(nj_clock_system()) / 1000)));
	if (rename(key_file, out_aside) != 0)
		return nj_why(why, nj_err_from_errno(errno), "%s cannot be moved aside: %s", key_file, strerror(errno));
	return NJ_OK;
}

struct old_slots {
	uint32_t ids[16];
	uint32_t count;
};

static enum nj_err collect_key_file(void *arg, const struct nj_vault_slot *slot)
{
	struct old_slots *old = arg;

	if (!slot->damaged && slot->kind == NJ_SLOT_KEY_FILE && old->count < sizeof(old->ids) / sizeof(old->ids[0]))
		old->ids[old->count++] = slot->id;
	return NJ_OK;
}

static enum nj_err replace_slots(struct work *work, const char *key_file, struct nj_recovered *recovered,
				 struct nj_why *why)
{
	struct old_slots old = { .count = 0 };

	NJ_TRY(nj_keeper_store_slot_each(work->store, collect_key_file, &old));
	for (uint32_t i = 0; i < old.count; i++)
		NJ_TRY(nj_keeper_store_slot_remove(work->store, old.ids[i]));
	recovered->replaced = old.count;
	NJ_TRY(nj_vault_add_key_file(work->vault, key_file, why));
	return nj_audit_append(work->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_RECOVERED,
								       .source = "local",
								       .detail = "a new key file and its slot" });
}

struct opened {
	struct work *work;
	struct nj_recovered *recovered;
};

/* A damaged one does not bar the way to all others: whose it is can be revoked once the vault is open. */
static enum nj_err open_device(void *arg, const struct nj_keeper_device *row)
{
	struct opened *opened = arg;
	struct nj_recovered *recovered = opened->recovered;
	uint8_t root_key[NJ_KEY_BYTES];

	if (row->state == NJ_DEVICE_REVOKED)
		return NJ_OK;
	if (nj_vault_open_root_key(opened->work->vault, row->uid, row->epoch,
				   nj_view_of(row->sealed_key, row->sealed_key_len), root_key) == NJ_OK)
		recovered->devices++;
	else if (recovered->damaged++ == 0)
		(void)!nj_text_copy(recovered->damaged_name, sizeof(recovered->damaged_name), row->name);
	nj_wipe(root_key, sizeof(root_key));
	return NJ_OK;
}

static enum nj_err recover(struct work *work, const char *key_file, struct nj_recovered *recovered, struct nj_why *why)
{
	struct opened opened = { .work = work, .recovered = recovered };
	enum nj_err err;

	NJ_TRY(nj_audit_open(work->vault, nj_clock_system(), &work->audit, why));
	NJ_TRY(nj_keeper_store_device_each(work->store, open_device, &opened));
	NJ_TRY(nj_text_copy(recovered->key_file, sizeof(recovered->key_file), key_file));
	NJ_TRY(set_aside(key_file, recovered->set_aside, why));
	err = nj_audit_begin(work->audit);
	if (err == NJ_OK) {
		err = replace_slots(work, key_file, recovered, why);
		if (err == NJ_OK) {
			err = nj_audit_commit(work->audit);
			if (err != NJ_OK)
				(void)unlink(key_file);
		} else {
			nj_audit_rollback(work->audit);
		}
	}
	/* What stood there is put back: the vault is as it was. */
	if (err != NJ_OK && recovered->set_aside[0] != '\0')
		(void)rename(recovered->set_aside, key_file);
	return err;
}

enum nj_err nj_daemon_recover(const struct nj_paths *paths, const char *recovery_key,
			      struct nj_recovered *out_recovered, struct nj_why *why)
{
	CLEANUP_WORK struct work *work = NULL;
	struct nj_recovered recovered = { .replaced = 0 };
	const char *key_file;
	enum nj_err err;

	why->text[0] = '\0';
	NJ_TRY(work_open(paths, &work, why));
	key_file = nj_key_file_of(&work->settings, paths);
	NJ_TRY(refuse_working_file(work, key_file, why));
	NJ_TRY(nj_vault_unlock_recovery(work->store, recovery_key, nj_random_system(), &work->vault, NULL, why));
	err = recover(work, key_file, &recovered, why);
	if (err == NJ_OK)
		*out_recovered = recovered;
	else if (why->text[0] == '\0')
		(void)nj_why(why, err, "the recovery was not written, nothing was changed: %s", nj_err_text(err));
	return err;
}

/* ---- rekey ---- */

#define PASSPHRASES_MAX 16 /* as many as a vault has slots */

struct passphrases {
	uint32_t count;
	struct nj_vault_slot slots[PASSPHRASES_MAX];
	struct nj_passphrase_params params[PASSPHRASES_MAX];
	uint8_t keys[PASSPHRASES_MAX][NJ_KEY_BYTES];
};

static void passphrases_wipe(struct passphrases *passphrases)
{
	nj_wipe(passphrases, sizeof(*passphrases));
}
#define CLEANUP_PASSPHRASES __attribute__((cleanup(passphrases_wipe)))

/* A slot that is damaged cannot be kept: it opens nothing now. */
static enum nj_err collect_passphrase(void *arg, const struct nj_vault_slot *slot)
{
	struct passphrases *found = arg;

	if (slot->damaged || slot->kind != NJ_SLOT_PASSPHRASE || found->count == PASSPHRASES_MAX)
		return NJ_OK;
	found->slots[found->count++] = *slot;
	return NJ_OK;
}

static enum nj_err ask_one(const struct nj_vault_rekey_options *options, struct passphrases *found, uint32_t i,
			   struct nj_why *why)
{
	const struct nj_vault_slot *slot = &found->slots[i];
	char text[NJ_PASSPHRASE_MAX_BYTES + 1];
	enum nj_err err = nj_passphrase_params_read(nj_view_of(slot->params, slot->params_len), &found->params[i]);

	NJ_TRY(err);
	NJ_TRY(options->ask(options->arg, slot->id, text, why));
	err = nj_passphrase_key(&found->params[i], text, found->keys[i]);
	nj_wipe(text, sizeof(text));
	if (err == NJ_OK && !nj_vault_slot_fits(slot, found->keys[i]))
		err =
		    nj_why(why, NJ_ERR_FORGED, "this is not the passphrase of slot %u: nothing was changed", slot->id);
	return err;
}

/* Before anything is changed: the keys of the slots that stay. */
static enum nj_err settle_passphrases(struct work *work, const struct nj_vault_rekey_options *options,
				      struct passphrases *found, struct nj_why *why)
{
	NJ_TRY(nj_keeper_store_slot_each(work->store, collect_passphrase, found));
	if (found->count > 0 && !options->keep && !options->drop)
		return nj_why(why, NJ_ERR_STATE,
			      "the vault has %u passphrase slots: --keep asks for each passphrase and keeps it, --drop "
			      "lets them go",
			      found->count);
	if (!options->keep)
		found->count = 0;
	for (uint32_t i = 0; i < found->count; i++)
		NJ_TRY(ask_one(options, found, i, why));
	return NJ_OK;
}

static enum nj_err old_private_key(struct work *work, const char *recovery, uint8_t out_private[NJ_KEY_BYTES],
				   struct nj_why *why)
{
	enum nj_err err = nj_recovery_private(nj_view_str(recovery), out_private);

	if (err == NJ_OK)
		err = nj_vault_recovery_pair_check(work->vault, out_private);
	if (err == NJ_OK || err == NJ_ERR_NOT_FOUND)
		return NJ_OK;
	nj_wipe(out_private, NJ_KEY_BYTES);
	return nj_why(why, err, "this is not the vault's recovery key: nothing was changed");
}

static enum nj_err rekey(struct work *work, const char *key_file, const uint8_t *old_private,
			 const struct passphrases *kept, struct nj_vault_rekey_result *result, struct nj_why *why)
{
	char detail[128];

	NJ_TRY(nj_vault_rekey(work->vault, key_file, old_private, &result->vault, why));
	for (uint32_t i = 0; i < kept->count; i++)
		NJ_TRY(nj_vault_add_passphrase(work->vault, &kept->params[i], kept->keys[i], NULL, why));
	result->kept = kept->count;
	result->vault.dropped -= kept->count;
	NJ_TRY(nj_audit_rekeyed(work->audit, work->vault));
	(void)!nj_text_format(detail, sizeof(detail), "%llu secrets sealed anew, passphrase slots: %u kept, %u dropped",
			      (unsigned long long)result->vault.sealed, result->kept, result->vault.dropped);
	return nj_audit_append(work->audit, &(struct nj_audit_record){
						.event = NJ_AUDIT_VAULT_REKEYED, .source = "local", .detail = detail });
}

/* Returns also where the keys are the new ones and the file could not take its name; `out_result` is filled then. */
static enum nj_err rekey_in_one(struct work *work, const uint8_t *old_private, const struct passphrases *kept,
				const char *key_file, struct nj_vault_rekey_result *out_result, struct nj_why *why)
{
	struct nj_vault_rekey_result result = { .kept = 0 };
	enum nj_err err = nj_audit_begin(work->audit);

	if (err == NJ_OK) {
		err = rekey(work, key_file, old_private, kept, &result, why);
		if (err == NJ_OK)
			err = nj_audit_commit(work->audit);
		else
			nj_audit_rollback(work->audit);
	}
	if (err == NJ_OK) {
		*out_result = result;
		err = nj_vault_rekey_finish(key_file, why);
	} else {
		nj_vault_rekey_undo(key_file);
		if (why->text[0] == '\0')
			(void)nj_why(why, err, "the new keys were not written, nothing was changed: %s",
				     nj_err_text(err));
	}
	nj_wipe(&result, sizeof(result));
	return err;
}

enum nj_err nj_daemon_vault_rekey(const struct nj_paths *paths, const struct nj_vault_rekey_options *options,
				  struct nj_vault_rekey_result *out_result, struct nj_why *why)
{
	CLEANUP_WORK struct work *work = NULL;
	CLEANUP_PASSPHRASES struct passphrases kept = { .count = 0 };
	uint8_t old_private[NJ_KEY_BYTES];
	const char *key_file;
	enum nj_err err;

	why->text[0] = '\0';
	NJ_TRY(work_open(paths, &work, why));
	key_file = nj_key_file_of(&work->settings, paths);
	NJ_TRY(nj_vault_unlock_file(work->store, key_file, nj_random_system(), &work->vault, NULL, why));
	NJ_TRY(nj_audit_open(work->vault, nj_clock_system(), &work->audit, why));
	NJ_TRY(settle_passphrases(work, options, &kept, why));
	if (options->recovery != NULL)
		NJ_TRY(old_private_key(work, options->recovery, old_private, why));
	err = rekey_in_one(work, options->recovery != NULL ? old_private : NULL, &kept, key_file, out_result, why);
	nj_wipe(old_private, sizeof(old_private));
	return err;
}
