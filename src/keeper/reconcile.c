#include "crypto/crypto.h"
#include "keeper/internal.h"

/*
 * What a crash, or a gateway that died in between, left half-made: devices that the gateway may or may not have stored,
 * revocations that it has not confirmed, one profile. Asked and settled one after the other whenever a gateway is
 * reached; what fails stays for the next time.
 */

struct collecting {
	struct nj_keeper_reconcile *reconcile;
	size_t cap;
	bool cuts_alone; /* what is pending may be on its way in just now */
};

static enum nj_err collect(void *arg, const struct nj_keeper_device *row)
{
	struct collecting *collecting = arg;
	struct nj_keeper_reconcile *r = collecting->reconcile;

	if (collecting->cuts_alone && row->state == NJ_DEVICE_PENDING)
		return NJ_OK;
	if (r->count == collecting->cap) {
		size_t cap = collecting->cap == 0 ? 64 : collecting->cap * 2;
		struct nj_keeper_unsettled *rows = reallocarray(r->rows, cap, sizeof(*rows));

		if (rows == NULL)
			return NJ_ERR_NO_MEMORY;
		r->rows = rows;
		collecting->cap = cap;
	}
	r->rows[r->count].pending = row->state == NJ_DEVICE_PENDING;
	memcpy(r->rows[r->count].uid, row->uid, NJ_UID_BYTES);
	r->count++;
	return NJ_OK;
}

static void finish(struct nj_keeper *keeper)
{
	free(keeper->reconcile.rows);
	keeper->reconcile = (struct nj_keeper_reconcile){ 0 };
}

static enum nj_err audit_settled(struct nj_keeper *keeper, const struct nj_keeper_device *row, const char *what)
{
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_RECONCILED,
									 .customer = row->customer,
									 .subject = row->name,
									 .source = "keeper",
									 .detail = what });
}

static enum nj_err admit_row(struct nj_keeper *keeper, const struct nj_keeper_device *row)
{
	uint8_t root_key[NJ_KEY_BYTES];
	enum nj_err err;

	NJ_TRY(nj_vault_open_root_key(keeper->vault, row->uid, row->epoch,
				      nj_view_of(row->sealed_key, row->sealed_key_len), root_key));
	err = nj_keeper_admit(keeper, row, root_key);
	nj_wipe(root_key, sizeof(root_key));
	return err;
}

/* The gateway's answer decides: finish what it stored, undo what it did not. */
static enum nj_err settle(struct nj_keeper *keeper, const struct nj_keeper_unsettled *item, enum nj_err answer,
			  struct nj_keeper_device *row, const char **out_what)
{
	NJ_TRY(nj_keeper_store_device_get(keeper->store, item->uid, row));
	if (!item->pending) {
		*out_what = "revocation confirmed";
		NJ_TRY(nj_keeper_store_device_set_cut_done(keeper->store, item->uid));
	} else if (answer == NJ_OK) {
		*out_what = "made live";
		NJ_TRY(nj_keeper_store_device_set_live(keeper->store, item->uid));
	} else {
		*out_what = "undone";
		NJ_TRY(nj_keeper_store_device_delete_pending(keeper->store, item->uid));
	}
	return audit_settled(keeper, row, *out_what);
}

static enum nj_err settle_commit(struct nj_keeper *keeper, const struct nj_keeper_unsettled *item, enum nj_err answer)
{
	struct nj_keeper_device row;
	const char *what = "";
	enum nj_err err = nj_keeper_begin(keeper);

	if (err != NJ_OK)
		return err;
	NJ_TRY(nj_keeper_end(keeper, settle(keeper, item, answer, &row, &what)));
	if (item->pending && answer == NJ_OK)
		NJ_TRY(admit_row(keeper, &row));
	if (keeper->watch.reconciled != NULL)
		keeper->watch.reconciled(keeper->watch.arg, row.name, what);
	return NJ_OK;
}

static void pump(struct nj_keeper *keeper);

static void on_answer(void *arg, enum nj_err err, const char *text)
{
	struct nj_keeper *keeper = arg;
	struct nj_keeper_reconcile *r = &keeper->reconcile;
	const struct nj_keeper_unsettled *item;

	if (!r->running)
		return;
	item = &r->rows[r->next++];
	r->waiting = false;
	if (err == NJ_OK || (item->pending && err == NJ_ERR_NOT_FOUND))
		err = settle_commit(keeper, item, err);
	/* Settled by somebody else meanwhile (revoked while it was pending): not ours any more. */
	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND) {
		keeper->unsettled = true;
		keeper->uncut |= !item->pending;
	}
	if (err == NJ_ERR_CLOSED) {
		finish(keeper);
		return;
	}
	pump(keeper);
}

/* A loop, not a recursion: in place every request is answered before it returns. */
static void pump(struct nj_keeper *keeper)
{
	struct nj_keeper_reconcile *r = &keeper->reconcile;
	struct nj_ipc message;

	if (r->pumping)
		return;
	r->pumping = true;
	while (r->running && !r->waiting && r->next < r->count) {
		message.type = r->rows[r->next].pending ? NJ_IPC_PARTY_QUERY : NJ_IPC_PARTY_CUT;
		memcpy(message.as.uid.uid, r->rows[r->next].uid, NJ_UID_BYTES);
		r->waiting = true;
		keeper->link->ops->request(keeper->link, &message, on_answer, keeper);
	}
	r->pumping = false;
	if (r->running && !r->waiting)
		finish(keeper);
}

static void begin(struct nj_keeper *keeper, bool cuts_alone)
{
	struct collecting collecting = { .reconcile = &keeper->reconcile, .cuts_alone = cuts_alone };

	keeper->uncut = false;
	if (nj_keeper_store_device_unsettled_each(keeper->store, collect, &collecting) != NJ_OK) {
		keeper->unsettled = true;
		keeper->uncut = true;
	}
	keeper->reconcile.running = true;
	pump(keeper);
}

void nj_keeper_gateway_here(struct nj_keeper *keeper)
{
	nj_keeper_trust_all(keeper);
	nj_keeper_profile_resume(keeper);
	if (!keeper->unsettled || keeper->reconcile.running)
		return;
	keeper->unsettled = false;
	begin(keeper, false);
}

void nj_keeper_reconcile_tick(struct nj_keeper *keeper)
{
	if (keeper->uncut && !keeper->reconcile.running && keeper->link != NULL &&
	    keeper->link->ops->connected(keeper->link))
		begin(keeper, true);
}
