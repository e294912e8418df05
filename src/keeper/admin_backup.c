/* The keeper's part of a backup: a copy of its store, made in slices beside it while knocks are served. */
#include "keeper/internal.h"

/* The record is in the copy too: a restored log says of which backup it is. */
static enum nj_err note_backup(struct nj_keeper *keeper, struct nj_admin_call *call)
{
	NJ_TRY(nj_keeper_flush(keeper));
	NJ_TRY(nj_audit_write(keeper->audit,
			      &(struct nj_audit_record){ .event = NJ_AUDIT_BACKUP, .source = nj_admin_caller(call) }));
	return nj_audit_checkpoint(keeper->audit);
}

static void finish(struct nj_keeper *keeper, enum nj_err err)
{
	struct nj_admin_call *call = keeper->copy_call;
	struct nj_store_copy *copy = keeper->copy;

	keeper->copy_call = NULL;
	keeper->copy = NULL;
	if (err == NJ_OK)
		nj_admin_ok(call, json_object());
	else
		nj_admin_fail(call, err, "the keeper's store cannot be copied: %s", nj_err_text(err));
	nj_store_copy_free(copy);
}

void nj_keeper_copy_step(struct nj_keeper *keeper)
{
	enum nj_err err;

	if (keeper->copy == NULL)
		return;
	err = nj_store_copy_step(keeper->copy, NJ_STORE_COPY_PAGES);
	if (err != NJ_ERR_AGAIN)
		finish(keeper, err);
}

void nj_keeper_copy_abort(struct nj_keeper *keeper)
{
	if (keeper->copy != NULL)
		finish(keeper, NJ_ERR_CLOSED);
}

void nj_keeper_verb_backup_copy(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_why why = { "" };
	enum nj_err err;

	if (keeper->copy != NULL) {
		nj_admin_fail(call, NJ_ERR_BUSY, "a backup is being made: try again");
		return;
	}
	err = note_backup(keeper, call);
	if (err == NJ_OK)
		err = nj_keeper_store_copy(keeper->store, &keeper->copy, &why);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
		return;
	}
	keeper->copy_call = call;
	/* Stopped, nobody ticks: all of it at once. */
	if (keeper->started_ms == 0)
		finish(keeper, nj_store_copy_step(keeper->copy, -1));
}
