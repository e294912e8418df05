/* After a restore: which devices have not been seen since, and what is refused until they have (knock.md, Restore). */
#include "base/text.h"
#include "identity/customer.h"
#include "keeper/internal.h"

#define AT_KEY "restored.at_ms"
#define NOTE_KEY "restored.unrecorded"
#define STRICT_KEY "restored.strict"
#define NOTE_BYTES 256
#define RAISE_MAX 1000000

static enum nj_err read_time(struct nj_keeper *keeper)
{
	char text[32];
	enum nj_err err = nj_keeper_store_meta_get(keeper->store, AT_KEY, text, sizeof(text));

	keeper->restored_ms = 0;
	if (err == NJ_ERR_NOT_FOUND)
		return NJ_OK;
	if (err == NJ_OK)
		err = nj_number_parse(text, 0, INT64_MAX, &keeper->restored_ms);
	return err == NJ_OK ? NJ_OK : NJ_ERR_CORRUPT;
}

/* The command that restored could not open the vault, and so not write the log. */
static enum nj_err write_note(struct nj_keeper *keeper)
{
	char text[NOTE_BYTES];
	enum nj_err err = nj_keeper_store_meta_get(keeper->store, NOTE_KEY, text, sizeof(text));

	if (err == NJ_ERR_NOT_FOUND || (err == NJ_OK && text[0] == '\0'))
		return NJ_OK;
	NJ_TRY(err);
	NJ_TRY(nj_audit_begin(keeper->audit));
	err = nj_audit_append(keeper->audit, &(struct nj_audit_record){
						 .event = NJ_AUDIT_RESTORED, .source = "restore", .detail = text });
	if (err == NJ_OK)
		err = nj_keeper_store_meta_put(keeper->store, NOTE_KEY, "");
	if (err == NJ_OK)
		return nj_audit_commit(keeper->audit);
	nj_audit_rollback(keeper->audit);
	return err;
}

static enum nj_err read_strict(struct nj_keeper *keeper)
{
	char text[8];
	enum nj_err err = nj_keeper_store_meta_get(keeper->store, STRICT_KEY, text, sizeof(text));

	keeper->restored_strict = err == NJ_OK && strcmp(text, "yes") == 0;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_restored_open(struct nj_keeper *keeper)
{
	NJ_TRY(read_time(keeper));
	NJ_TRY(read_strict(keeper));
	NJ_TRY(write_note(keeper));
	return nj_keeper_store_restored_count(keeper->store, &keeper->restored_left);
}

void nj_keeper_restored_recount(struct nj_keeper *keeper)
{
	uint64_t left;

	if (nj_keeper_store_restored_count(keeper->store, &left) == NJ_OK)
		keeper->restored_left = left;
}

void nj_keeper_restored_seen(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	if (keeper->restored_left == 0)
		return;
	/* A mark that stays is taken away by the next session. */
	if (nj_keeper_store_restored_clear(keeper->store, uid) == NJ_OK)
		nj_keeper_restored_recount(keeper);
}

bool nj_keeper_restored_doubtful(void *arg, const uint8_t uid[NJ_UID_BYTES])
{
	struct nj_keeper *keeper = arg;
	bool marked = true;

	if (!keeper->restored_strict || keeper->restored_left == 0)
		return false;
	return nj_keeper_store_restored_has(keeper->store, uid, &marked) != NJ_OK || marked;
}

/* ---- a device that has moved on further than the restore raised ---- */

static enum nj_err raise_row(struct nj_keeper *keeper, const struct nj_keeper_device *row, uint64_t by,
			     const char *caller)
{
	char detail[64];
	enum nj_err err;

	NJ_TRY(nj_text_format(detail, sizeof(detail), "counter from %llu to %llu", (unsigned long long)row->floor,
			      (unsigned long long)(row->floor + by)));
	NJ_TRY(nj_keeper_begin(keeper));
	err = nj_keeper_store_device_raise_floor(keeper->store, row->uid, row->floor + by);
	if (err == NJ_OK)
		err = nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_DEVICE_RAISED,
										.customer = row->customer,
										.subject = row->name,
										.source = caller,
										.detail = detail });
	return nj_keeper_end(keeper, err);
}

static void slide(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES], uint64_t floor)
{
	uint32_t device = keeper->window != NULL ? nj_window_find(keeper->window, uid) : NJ_WINDOW_NO_DEVICE;
	struct nj_spare *pending = keeper->window != NULL ? nj_spares_pending(keeper->rekeying.spares, uid) : NULL;

	/* Without memory some of the next hints are missing until a later slide or start: that fails closed. */
	if (device != NJ_WINDOW_NO_DEVICE)
		(void)!nj_window_slide(keeper->window, device, floor);
	if (pending != NULL)
		(void)!nj_spares_slide(keeper->rekeying.spares, pending, floor);
}

static void raise_verb(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct nj_keeper_device row;
	const char *name;
	const char *customer;
	uint64_t by;
	enum nj_err err;

	if (!nj_admin_text(call, "name", true, &name) || !nj_admin_text(call, "customer", false, &customer) ||
	    !nj_admin_uint(call, "by", 0, RAISE_MAX, &by))
		return;
	/* What is staged first: the row's floor is then the window's. */
	err = nj_keeper_flush(keeper);
	if (err == NJ_OK)
		err = nj_keeper_store_device_find(keeper->store, customer != NULL ? customer : NJ_CUSTOMER_DEFAULT,
						  kind, name, &row);
	if (err == NJ_OK && (by == 0 || row.floor > NJ_KNOCK_COUNTER_MAX - NJ_KNOCK_WINDOW - by))
		err = NJ_ERR_RANGE;
	if (err == NJ_OK)
		err = raise_row(keeper, &row, by, nj_admin_caller(call));
	if (err == NJ_OK) {
		slide(keeper, row.uid, row.floor + by);
		nj_admin_ok(call,
			    json_pack("{s:s, s:I}", "name", row.name, "knocks_floor", (json_int_t)(row.floor + by)));
	} else if (err == NJ_ERR_NOT_FOUND) {
		nj_admin_fail(call, err, "there is no %s named %.64s", nj_party_kind_name(kind), name);
	} else {
		nj_admin_fail(call, err, "the counter cannot be raised by that: %s", nj_err_text(err));
	}
}

void nj_keeper_verb_device_raise(void *keeper, struct nj_admin_call *call)
{
	raise_verb(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_raise(void *keeper, struct nj_admin_call *call)
{
	raise_verb(keeper, call, NJ_PARTY_APPLICATION);
}
