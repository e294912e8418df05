/* After a restore: which devices have not been seen since, and what is refused until they have (knock.md, Restore). */
#include "keeper/internal.h"

#define AT_KEY "restored.at_ms"
#define NOTE_KEY "restored.unrecorded"
#define NOTE_BYTES 256

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

enum nj_err nj_keeper_restored_open(struct nj_keeper *keeper)
{
	NJ_TRY(read_time(keeper));
	NJ_TRY(write_note(keeper));
	return nj_keeper_store_restored_count(keeper->store, &keeper->restored_left);
}

void nj_keeper_restored_seen(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	uint64_t left;

	if (keeper->restored_left == 0)
		return;
	/* A mark that stays is taken away by the next session. */
	if (nj_keeper_store_restored_clear(keeper->store, uid) == NJ_OK &&
	    nj_keeper_store_restored_count(keeper->store, &left) == NJ_OK)
		keeper->restored_left = left;
}
