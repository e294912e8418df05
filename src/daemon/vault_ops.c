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
	uint64_t devices;
	struct nj_why *why;
};

static enum nj_err open_device(void *arg, const struct nj_keeper_device *row)
{
	struct opened *opened = arg;
	uint8_t root_key[NJ_KEY_BYTES];
	enum nj_err err;

	if (row->state == NJ_DEVICE_REVOKED)
		return NJ_OK;
	err = nj_vault_open_root_key(opened->work->vault, row->uid, row->epoch,
				     nj_view_of(row->sealed_key, row->sealed_key_len), root_key);
	nj_wipe(root_key, sizeof(root_key));
	if (err != NJ_OK)
		return nj_why(opened->why, NJ_ERR_CORRUPT, "the sealed key of %s does not open: nothing was changed",
			      row->name);
	opened->devices++;
	return NJ_OK;
}

static enum nj_err recover(struct work *work, const char *key_file, struct nj_recovered *recovered, struct nj_why *why)
{
	struct opened opened = { .work = work, .why = why };
	enum nj_err err;

	NJ_TRY(nj_audit_open(work->vault, nj_clock_system(), &work->audit, why));
	NJ_TRY(nj_keeper_store_device_each(work->store, open_device, &opened));
	recovered->devices = opened.devices;
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

static enum nj_err rekey(struct work *work, const char *key_file, struct nj_vault_rekeyed *rekeyed, struct nj_why *why)
{
	char detail[96];

	NJ_TRY(nj_vault_rekey(work->vault, key_file, rekeyed, why));
	NJ_TRY(nj_audit_rekeyed(work->audit, work->vault));
	(void)!nj_text_format(detail, sizeof(detail), "%llu secrets sealed anew, %u passphrase slots dropped",
			      (unsigned long long)rekeyed->sealed, rekeyed->dropped);
	return nj_audit_append(work->audit, &(struct nj_audit_record){
						.event = NJ_AUDIT_VAULT_REKEYED, .source = "local", .detail = detail });
}

enum nj_err nj_daemon_vault_rekey(const struct nj_paths *paths, struct nj_vault_rekeyed *out_rekeyed,
				  struct nj_why *why)
{
	CLEANUP_WORK struct work *work = NULL;
	struct nj_vault_rekeyed rekeyed = { 0 };
	const char *key_file;
	enum nj_err err;

	why->text[0] = '\0';
	NJ_TRY(work_open(paths, &work, why));
	key_file = nj_key_file_of(&work->settings, paths);
	NJ_TRY(nj_vault_unlock_file(work->store, key_file, nj_random_system(), &work->vault, NULL, why));
	NJ_TRY(nj_audit_open(work->vault, nj_clock_system(), &work->audit, why));
	NJ_TRY(nj_audit_begin(work->audit));
	err = rekey(work, key_file, &rekeyed, why);
	if (err == NJ_OK) {
		err = nj_audit_commit(work->audit);
	} else {
		nj_audit_rollback(work->audit);
	}
	if (err == NJ_OK) {
		*out_rekeyed = rekeyed;
		err = nj_vault_rekey_finish(key_file, why);
	} else {
		nj_vault_rekey_undo(key_file);
		if (why->text[0] == '\0')
			(void)nj_why(why, err, "the new keys were not written, nothing was changed: %s",
				     nj_err_text(err));
	}
	nj_wipe(&rekeyed, sizeof(rekeyed));
	return err;
}
