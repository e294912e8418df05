#include "keeper/recovery.h"

#include "base/text.h"
#include "crypto/crypto.h"
#include "identity/vault_device.h"
#include "identity/vault_recovery.h"
#include "keeper/internal.h"

#define SLICE 32 /* devices let in at one go: their boxes take some milliseconds to open */
#define LEFT_KEY "recovery.open"
#define OFFER_BYTES (8 + NJ_RECOVER_NONCE_BYTES)
_Static_assert(OFFER_BYTES + NJ_VAULT_OVERHEAD <= NJ_SEALED_KEY_MAX, "a row holds a sealed offer");

static const uint8_t *private_key_of(const struct nj_keeper *keeper)
{
	return nj_secret_bytes(keeper->recovery.private_key);
}

/* ---- who is let in ---- */

static enum nj_err open_key(const struct nj_keeper *keeper, const struct nj_keeper_device *row,
			    uint8_t out_key[NJ_KEY_BYTES])
{
	return nj_vault_recovery_open(keeper->vault, private_key_of(keeper), row->uid,
				      nj_view_of(row->sealed_recovery, row->sealed_recovery_len), out_key);
}

static void let_in(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	struct nj_spare model = { .recovery = true };
	struct nj_keeper_device row;
	uint8_t key[NJ_KEY_BYTES];
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	enum nj_err err;

	if (nj_keeper_store_device_get(keeper->store, uid, &row) != NJ_OK || row.state != NJ_DEVICE_LIVE)
		return;
	err = open_key(keeper, &row, key);
	if (err == NJ_OK) {
		memcpy(model.uid, uid, sizeof(model.uid));
		nj_knock_derive_hint_key(key, uid, hint_key);
		err = nj_spares_add(keeper->rekeying.spares, &model, row.recovery_floor, hint_key, NULL);
		nj_wipe(hint_key, sizeof(hint_key));
		nj_wipe(key, sizeof(key));
	}
	if (err != NJ_OK && err != NJ_ERR_EXISTS)
		keeper->recovery.left_out++;
}

static enum nj_err next_ones(const struct nj_keeper *keeper, uint8_t (*out)[NJ_UID_BYTES], size_t *out_count)
{
	if (keeper->recovery.whom == NJ_RECOVERY_ALL)
		return nj_keeper_store_device_after(keeper->store, keeper->recovery.after, SLICE, out, out_count);
	return nj_keeper_store_restored_after(keeper->store, keeper->recovery.after, SLICE, out, out_count);
}

static bool has_room(const struct nj_keeper *keeper)
{
	return nj_spares_recovery_count(keeper->rekeying.spares) + SLICE <= NJ_RECOVERY_DEVICES_MAX;
}

static void fill(struct nj_keeper *keeper)
{
	uint8_t uids[SLICE][NJ_UID_BYTES];
	size_t count = 0;

	/* A store that cannot be read is tried again with the next tick. */
	if (next_ones(keeper, uids, &count) != NJ_OK)
		return;
	for (size_t i = 0; i < count; i++)
		let_in(keeper, uids[i]);
	if (count > 0)
		memcpy(keeper->recovery.after, uids[count - 1], NJ_UID_BYTES);
	keeper->recovery.filling = count == SLICE;
}

bool nj_keeper_recovery_busy(const struct nj_keeper *keeper)
{
	return keeper->recovery.private_key != NULL && keeper->recovery.filling && has_room(keeper);
}

static void let_out(struct nj_keeper *keeper, struct nj_spare *spare)
{
	nj_knocks_forget_spare(keeper->knocks, spare);
	nj_spares_remove(keeper->rekeying.spares, spare);
}

void nj_keeper_recovery_served(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	struct nj_spare *spare = nj_spares_recovery(keeper->rekeying.spares, uid);

	if (spare != NULL)
		let_out(keeper, spare);
}

/* ---- open and shut ---- */

static enum nj_err write_opened(struct nj_keeper *keeper, const struct nj_recovery_asked *asked)
{
	const char *whom = asked->whom == NJ_RECOVERY_ALL        ? "all devices"
			   : asked->whom == NJ_RECOVERY_RESTORED ? "who has not been seen since the restore"
								 : asked->name;
	char detail[160];
	enum nj_err err;

	NJ_TRY(nj_text_format(detail, sizeof(detail), "for %u minutes, for %s", asked->minutes, whom));
	NJ_TRY(nj_keeper_begin(keeper));
	err = nj_keeper_store_meta_put(keeper->store, LEFT_KEY, "open");
	if (err == NJ_OK)
		err = nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_RECOVERY_OPENED,
										.source = asked->caller,
										.detail = detail });
	return nj_keeper_end(keeper, err);
}

static enum nj_err check(struct nj_keeper *keeper, const struct nj_recovery_asked *asked, struct nj_why *why)
{
	enum nj_err err;

	if (keeper->started_ms == 0)
		return nj_why(why, NJ_ERR_STATE, "the gateway must run: the window lives in the keeper's memory alone");
	if (keeper->ports[NJ_SERVICE_ENROLMENT] == 0)
		return nj_why(why, NJ_ERR_STATE, "the enrolment service is off: give ports.enrolment a port");
	if (asked->whom == NJ_RECOVERY_RESTORED && keeper->restored_left == 0)
		return nj_why(why, NJ_ERR_NOT_FOUND,
			      "there was no restore since which somebody is missing: name a device, or say --all");
	err = nj_vault_recovery_pair_check(keeper->vault, asked->private_key);
	if (err == NJ_ERR_FORGED) {
		nj_keeper_note(keeper, &(struct nj_audit_record){ .event = NJ_AUDIT_RECOVERY_REFUSED,
								  .source = asked->caller,
								  .detail = "not the vault's recovery key" });
		return nj_why(why, err, "this is not the vault's recovery key");
	}
	if (err == NJ_ERR_NOT_FOUND)
		return nj_why(why, NJ_ERR_STATE,
			      "this vault is older than recovery windows: nightjar vault rekey makes it ready for one");
	return err;
}

enum nj_err nj_keeper_recovery_open(struct nj_keeper *keeper, const struct nj_recovery_asked *asked, struct nj_why *why)
{
	struct nj_keeper_recovery *recovery = &keeper->recovery;
	const uint64_t ms = (uint64_t)asked->minutes * 60 * 1000;
	struct nj_secret *private_key = NULL;

	NJ_TRY(check(keeper, asked, why));
	nj_keeper_recovery_shut(keeper, asked->caller, "a new one replaces it");
	NJ_TRY(nj_secret_new(NJ_KEY_BYTES, &private_key));
	enum nj_err err = write_opened(keeper, asked);
	if (err != NJ_OK) {
		nj_secret_free(private_key);
		return err;
	}
	memcpy(nj_secret_bytes(private_key), asked->private_key, NJ_KEY_BYTES);
	*recovery = (struct nj_keeper_recovery){
		.private_key = private_key,
		.whom = asked->whom,
		.filling = asked->whom != NJ_RECOVERY_ONE,
		.ends_ms = nj_clock_boot_ms(keeper->clock) + ms,
		.ends_wall_ms = nj_clock_wall_ms(keeper->clock) + ms,
	};
	nj_knocks_set_recovery(keeper->knocks, private_key);
	if (asked->whom == NJ_RECOVERY_ONE)
		let_in(keeper, asked->uid);
	return NJ_OK;
}

static enum nj_err write_shut(struct nj_keeper *keeper, const char *caller, const char *detail)
{
	enum nj_err err;

	NJ_TRY(nj_keeper_begin(keeper));
	err = nj_keeper_store_meta_put(keeper->store, LEFT_KEY, "");
	if (err == NJ_OK)
		err = nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_RECOVERY_SHUT,
										.source = caller,
										.detail = detail });
	return nj_keeper_end(keeper, err);
}

void nj_keeper_recovery_shut(struct nj_keeper *keeper, const char *caller, const char *reason)
{
	struct nj_keeper_recovery *recovery = &keeper->recovery;
	struct nj_spare *spare;
	size_t cursor = 0;
	char detail[96];

	if (recovery->private_key == NULL)
		return;
	/* What is staged may point at a key that goes. */
	(void)!nj_keeper_flush(keeper);
	while ((spare = nj_spares_next_recovery(keeper->rekeying.spares, &cursor)) != NULL)
		let_out(keeper, spare);
	nj_knocks_set_recovery(keeper->knocks, NULL);
	nj_secret_free(recovery->private_key);
	recovery->private_key = NULL;
	nj_grants_end_service(keeper->grants, NJ_SERVICE_ENROLMENT, NJ_GRANT_REVOKED);
	(void)!nj_text_format(detail, sizeof(detail), "%s; %llu recovered, %llu left out", reason,
			      (unsigned long long)recovery->recovered, (unsigned long long)recovery->left_out);
	/* It is shut whether or not that can be written; what is not is said at the next start. */
	(void)!write_shut(keeper, caller, detail);
}

void nj_keeper_recovery_done(struct nj_keeper *keeper)
{
	nj_secret_free(keeper->recovery.private_key);
	keeper->recovery.private_key = NULL;
}

enum nj_err nj_keeper_recovery_left(struct nj_keeper *keeper)
{
	char text[16];
	enum nj_err err = nj_keeper_store_meta_get(keeper->store, LEFT_KEY, text, sizeof(text));

	if (err == NJ_ERR_NOT_FOUND || (err == NJ_OK && text[0] == '\0'))
		return NJ_OK;
	NJ_TRY(err);
	return write_shut(keeper, "keeper", "it ended with the keeper that it was opened in");
}

void nj_keeper_recovery_tick(struct nj_keeper *keeper)
{
	if (keeper->recovery.private_key == NULL)
		return;
	if (nj_clock_boot_ms(keeper->clock) >= keeper->recovery.ends_ms)
		nj_keeper_recovery_shut(keeper, "keeper", "its time is over");
	else if (nj_keeper_recovery_busy(keeper))
		fill(keeper);
}

/* ---- the offer ---- */

/* What was offered and not yet proven is offered again as it was: a device that has stored it must not lose it. */
static enum nj_err offer_again(struct nj_keeper *keeper, const struct nj_keeper_device *row,
			       struct nj_recover_message *offer, uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t plain[OFFER_BYTES] = { 0 };
	struct nj_reader r = nj_reader_of(plain, sizeof(plain));

	if (row->sealed_offer_len != OFFER_BYTES + NJ_VAULT_OVERHEAD)
		return NJ_ERR_CORRUPT;
	NJ_TRY(nj_vault_open_of(keeper->vault, NJ_VAULT_OFFER, row->uid, offer->epoch,
				nj_view_of(row->sealed_offer, row->sealed_offer_len), plain));
	offer->floor = nj_read_u64(&r);
	nj_read_bytes(&r, offer->nonce, sizeof(offer->nonce));
	nj_wipe(plain, sizeof(plain));
	NJ_TRY(nj_reader_end(&r));
	return nj_vault_open_root_key(keeper->vault, row->uid, offer->epoch,
				      nj_view_of(row->sealed_pending, row->sealed_pending_len), out_key);
}

static enum nj_err offer_fresh(struct nj_keeper *keeper, const struct nj_keeper_device *row,
			       struct nj_recover_message *offer, uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t recovery_key[NJ_KEY_BYTES];

	NJ_TRY(open_key(keeper, row, recovery_key));
	offer->floor = row->floor;
	nj_random_fill(keeper->random, offer->nonce, sizeof(offer->nonce));
	nj_recover_derive(recovery_key, offer, row->uid, out_key);
	nj_wipe(recovery_key, sizeof(recovery_key));
	return NJ_OK;
}

static void seal_offer(struct nj_keeper *keeper, const struct nj_keeper_device *row,
		       const struct nj_recover_message *offer, uint8_t *out_sealed)
{
	uint8_t plain[OFFER_BYTES];
	struct nj_writer w = nj_writer_of(plain, sizeof(plain));

	nj_write_u64(&w, offer->floor);
	nj_write_bytes(&w, offer->nonce, sizeof(offer->nonce));
	nj_vault_seal_of(keeper->vault, NJ_VAULT_OFFER, row->uid, offer->epoch, nj_view_of(plain, w.pos), out_sealed);
	nj_wipe(plain, sizeof(plain));
}

enum nj_err nj_keeper_recovery_offer(struct nj_keeper *keeper, const struct nj_keeper_device *row,
				     struct nj_recover_message *out_offer, uint8_t out_key[NJ_KEY_BYTES],
				     uint8_t *out_sealed, size_t *out_sealed_len)
{
	struct nj_recover_message offer = { .type = NJ_RECOVER_OFFER, .epoch = row->epoch + 1 };
	bool again = row->sealed_offer_len > 0 && row->sealed_pending_len > 0;

	if (keeper->recovery.private_key == NULL || row->epoch == UINT32_MAX)
		return NJ_ERR_STATE;
	NJ_TRY(again ? offer_again(keeper, row, &offer, out_key) : offer_fresh(keeper, row, &offer, out_key));
	seal_offer(keeper, row, &offer, out_sealed);
	*out_sealed_len = OFFER_BYTES + NJ_VAULT_OVERHEAD;
	*out_offer = offer;
	nj_wipe(&offer, sizeof(offer));
	return NJ_OK;
}
