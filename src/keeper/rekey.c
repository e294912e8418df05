#include "keeper/rekey.h"

#include "crypto/crypto.h"
#include "keeper/internal.h"
#include "keeper/tombstone.h"
#include "wire/rekey.h"

/*
 * Continuous keys. A device's key state changes at a bound handshake and on STORED, never on a knock; every change is
 * one commit with its audit record, and memory follows the commit. What a crash leaves half-done is a state of its own
 * from which the next session goes on (docs/protocol/knock.md, "Continuous keys").
 */

#define EXCHANGES_MAX 8192
#define EXCHANGE_MS (10 * 60 * 1000) /* from the binding to STORED, for the slowest device */

/* A session that may rekey. */
struct exchange {
	uint64_t grant_id;
	uint64_t ends_ms;
	uint32_t epoch; /* of the key that the session was bound under; of a recovery: that the offer replaces */
	bool offered;
	bool recovery; /* bound under the recovery key, in the enrolment service */
	uint8_t uid[NJ_UID_BYTES];
};

static struct nj_view exchange_key(const void *entry)
{
	const struct exchange *exchange = entry;

	return nj_view_of(&exchange->grant_id, sizeof(exchange->grant_id));
}

/* Sessions that the gateway is yet to cut: one entry a device. */
struct cut {
	struct nj_ipc_rekey_cut message;
};

static struct nj_view cut_key(const void *entry)
{
	return nj_view_of(((const struct cut *)entry)->message.uid, NJ_UID_BYTES);
}

void nj_keeper_rekey_init(struct nj_keeper *keeper)
{
	nj_map_init(&keeper->rekeying.exchanges, exchange_key, EXCHANGES_MAX, keeper->random);
	nj_map_init(&keeper->rekeying.cuts, cut_key, EXCHANGES_MAX, keeper->random);
}

void nj_keeper_rekey_gone(struct nj_keeper *keeper)
{
	struct exchange *exchange;
	struct cut *cut;
	size_t cursor = 0;

	while ((exchange = nj_map_next(&keeper->rekeying.exchanges, &cursor)) != NULL)
		free(exchange);
	nj_map_done(&keeper->rekeying.exchanges);
	cursor = 0;
	/* Its sessions are gone with it. */
	while ((cut = nj_map_next(&keeper->rekeying.cuts, &cursor)) != NULL)
		free(cut);
	nj_map_done(&keeper->rekeying.cuts);
	nj_keeper_rekey_init(keeper);
}

void nj_keeper_rekey_done(struct nj_keeper *keeper)
{
	nj_keeper_rekey_gone(keeper);
	nj_map_done(&keeper->rekeying.exchanges);
	nj_map_done(&keeper->rekeying.cuts);
	nj_spares_free(keeper->rekeying.spares);
}

bool nj_keeper_rekey_due(const struct nj_keeper *keeper, const struct nj_knock_fact *fact)
{
	uint64_t now_ms = nj_clock_wall_ms(keeper->clock);

	if (fact->recovery)
		return true;
	if (!fact->can_rekey || keeper->rekeying.rekey_ms == 0 || fact->kind != NJ_PARTY_DEVICE ||
	    fact->service != NJ_SERVICE_MQTTS)
		return false;
	return now_ms < fact->rekeyed_ms || now_ms - fact->rekeyed_ms >= keeper->rekeying.rekey_ms ||
	       fact->rekeyed_ms == 0;
}

/* ---- a change of one device's keys ---- */

struct change {
	struct nj_keeper *keeper;
	struct nj_keeper_device row; /* read inside the transaction */
	uint8_t old_key[NJ_KEY_BYTES];
	uint8_t new_key[NJ_KEY_BYTES];
	struct nj_tombstone tombstone;
	uint64_t grant_id; /* of the session that proved the new key */
};

static void change_wipe(struct change *change)
{
	nj_wipe(change, sizeof(*change));
}
#define CLEANUP_CHANGE __attribute__((cleanup(change_wipe)))

static void note(struct nj_keeper *keeper, const struct nj_keeper_device *row, enum nj_audit_event event,
		 const char *detail)
{
	nj_keeper_note(keeper, &(struct nj_audit_record){ .event = event,
							  .customer = row->customer,
							  .subject = row->name,
							  .source = "keeper",
							  .detail = detail });
}

static enum nj_err append(struct change *change, enum nj_audit_event event, const char *detail)
{
	return nj_audit_append(change->keeper->audit, &(struct nj_audit_record){ .event = event,
										 .customer = change->row.customer,
										 .subject = change->row.name,
										 .source = "keeper",
										 .detail = detail });
}

/* Begins a transaction and reads the device in it. Rolled back on NJ_ERR_NOT_FOUND, when it does not live any more. */
static enum nj_err change_begin(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES], struct change *change)
{
	enum nj_err err = nj_keeper_begin(keeper);

	change->keeper = keeper;
	if (err != NJ_OK)
		return err;
	err = nj_keeper_store_device_get(keeper->store, uid, &change->row);
	if (err == NJ_OK && change->row.state != NJ_DEVICE_LIVE)
		err = NJ_ERR_NOT_FOUND;
	return err == NJ_OK ? NJ_OK : nj_keeper_end(keeper, err);
}

static enum nj_err open_keys(struct change *change)
{
	const struct nj_keeper_device *row = &change->row;
	struct nj_vault *vault = change->keeper->vault;

	NJ_TRY(nj_vault_open_root_key(vault, row->uid, row->epoch, nj_view_of(row->sealed_key, row->sealed_key_len),
				      change->old_key));
	if (row->sealed_pending_len == 0)
		return NJ_OK;
	return nj_vault_open_root_key(vault, row->uid, row->epoch + 1,
				      nj_view_of(row->sealed_pending, row->sealed_pending_len), change->new_key);
}

static void forget_device(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	uint32_t device = nj_window_find(keeper->window, uid);

	if (device != NJ_WINDOW_NO_DEVICE)
		nj_knocks_forget(keeper->knocks, device);
}

/* ---- the pending key goes ---- */

static enum nj_err drop_write(struct change *change, const char *why)
{
	NJ_TRY(nj_keeper_store_device_set_pending(change->keeper->store, change->row.uid, nj_view_of(NULL, 0),
						  nj_view_of(NULL, 0)));
	return append(change, NJ_AUDIT_KEY_DROPPED, why);
}

static enum nj_err drop(struct change *change, const char *why)
{
	struct nj_keeper *keeper = change->keeper;
	enum nj_err err = nj_keeper_end(keeper, drop_write(change, why));

	if (err == NJ_OK)
		nj_keeper_spare_forget(keeper, nj_spares_pending(keeper->rekeying.spares, change->row.uid));
	return err;
}

/* ---- the pending key becomes the key ---- */

/* A recovered device is seen again with its new key: knocks under the one before are doubtful no more, but dead. */
static enum nj_err recovered_write(struct change *change)
{
	if (change->row.sealed_offer_len == 0)
		return NJ_OK;
	return nj_keeper_store_restored_clear(change->keeper->store, change->row.uid);
}

static enum nj_err promote_write(struct change *change, enum nj_audit_event event, bool proven)
{
	struct nj_keeper *keeper = change->keeper;
	const struct nj_keeper_device *row = &change->row;
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	char detail[64];
	enum nj_err err;

	NJ_TRY(open_keys(change));
	change->tombstone = (struct nj_tombstone){
		.epoch = row->epoch, .proven = proven, .buried_ms = nj_clock_wall_ms(keeper->clock), .floor = row->floor
	};
	memcpy(change->tombstone.uid, row->uid, sizeof(change->tombstone.uid));
	nj_tombstone_seal(keeper->vault, change->old_key, &change->tombstone);
	nj_knock_derive_hint_key(change->old_key, row->uid, hint_key);
	err = nj_tombstone_bury(keeper->store, &change->tombstone, hint_key);
	nj_wipe(hint_key, sizeof(hint_key));
	if (err != NJ_OK)
		return err;
	NJ_TRY(nj_keeper_store_device_rekey(keeper->store, row->uid, row->epoch, change->tombstone.buried_ms));
	NJ_TRY(recovered_write(change));
	(void)!nj_text_format(detail, sizeof(detail), "key %u replaced key %u", row->epoch + 1, row->epoch);
	return append(change, event, detail);
}

/* ---- sessions under a key that is no more ---- */

static bool cut_tell(struct nj_keeper *keeper, const struct nj_ipc_rekey_cut *cut)
{
	const struct nj_ipc message = { .type = NJ_IPC_REKEY_CUT, .as.rekey_cut = *cut };

	return keeper->link->ops->rekey(keeper->link, &message);
}

/* Whoever holds the replaced key may be in a session still. A gateway that cannot be told now is told later. */
static void cut_others(const struct change *change)
{
	struct nj_keeper *keeper = change->keeper;
	struct nj_ipc_rekey_cut message = { .grant_id = change->grant_id };
	struct cut *cut;

	memcpy(message.uid, change->row.uid, sizeof(message.uid));
	free(nj_map_remove(&keeper->rekeying.cuts, nj_view_of(message.uid, sizeof(message.uid))));
	if (keeper->link == NULL || !keeper->link->ops->connected(keeper->link) || cut_tell(keeper, &message))
		return;
	cut = calloc(1, sizeof(*cut));
	if (cut == NULL)
		return;
	cut->message = message;
	if (nj_map_put(&keeper->rekeying.cuts, cut) != NJ_OK)
		free(cut);
}

static void cuts_again(struct nj_keeper *keeper)
{
	struct cut *cut;
	size_t cursor = 0;

	while ((cut = nj_map_next(&keeper->rekeying.cuts, &cursor)) != NULL) {
		if (!cut_tell(keeper, &cut->message))
			return;
		(void)nj_map_remove(&keeper->rekeying.cuts, cut_key(cut));
		free(cut);
		cursor = 0;
	}
}

static void promote_enter(struct change *change)
{
	struct nj_keeper *keeper = change->keeper;
	const uint8_t *uid = change->row.uid;
	uint32_t device = nj_window_find(keeper->window, uid);
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];

	nj_keeper_spare_forget(keeper, nj_spares_pending(keeper->rekeying.spares, uid));
	forget_device(keeper, uid);
	nj_knock_derive_hint_key(change->new_key, uid, hint_key);
	if (device != NJ_WINDOW_NO_DEVICE)
		(void)!nj_window_rekey(keeper->window, device, hint_key);
	nj_knock_derive_hint_key(change->old_key, uid, hint_key);
	nj_keeper_graves_enter(keeper, &change->tombstone, hint_key);
	nj_wipe(hint_key, sizeof(hint_key));
	nj_grants_end_other_keys(keeper->grants, uid, change->row.epoch + 1);
	cut_others(change);
	nj_keeper_recovery_served(keeper, uid);
	if (change->row.sealed_offer_len > 0) {
		keeper->recovery.recovered++;
		nj_keeper_restored_recount(keeper);
	}
}

static enum nj_err promote(struct change *change, enum nj_audit_event event, bool proven)
{
	enum nj_err err = nj_keeper_end(change->keeper, promote_write(change, event, proven));

	if (err == NJ_OK)
		promote_enter(change);
	return err;
}

/* ---- a binding ---- */

/* From now on a replaced key is in a stranger's hands: its device has no need of it. */
static void set_proven(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	if (nj_keeper_store_tombstones_set_proven(keeper->store, uid) == NJ_OK)
		(void)nj_spares_set_proven(keeper->rekeying.spares, uid);
}

static enum nj_err follow(struct nj_keeper *keeper, uint64_t grant_id, const struct nj_grant_spec *spec)
{
	CLEANUP_CHANGE struct change change = { .grant_id = grant_id };
	char detail[64];

	NJ_TRY(change_begin(keeper, spec->uid, &change));
	switch (nj_rekey_on_bound(change.row.epoch, change.row.sealed_pending_len > 0, spec->epoch)) {
	case NJ_REKEY_PROMOTE:
		return promote(&change, NJ_AUDIT_KEY_PROMOTED, true);
	case NJ_REKEY_DROP:
		(void)!nj_text_format(detail, sizeof(detail), "bound under key %u, key %u is given up", spec->epoch,
				      spec->epoch + 1);
		return drop(&change, detail);
	case NJ_REKEY_KEEP:
		return nj_keeper_end(keeper, NJ_OK);
	case NJ_REKEY_STALE:
		break;
	}
	return nj_keeper_end(keeper, NJ_ERR_STATE);
}

static void exchange_add(struct nj_keeper *keeper, uint64_t grant_id, const struct nj_grant_spec *spec)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return;
	exchange->grant_id = grant_id;
	exchange->epoch = spec->epoch;
	exchange->recovery = spec->service == NJ_SERVICE_ENROLMENT;
	exchange->ends_ms = nj_clock_boot_ms(keeper->clock) + EXCHANGE_MS;
	memcpy(exchange->uid, spec->uid, sizeof(exchange->uid));
	/* Too many at one time: this session keeps its key. */
	if (nj_map_put(&keeper->rekeying.exchanges, exchange) != NJ_OK)
		free(exchange);
}

void nj_keeper_rekey_bound(struct nj_keeper *keeper, uint64_t grant_id, const struct nj_grant_spec *spec)
{
	/* Who has the recovery key is the device, and says nothing about its other keys. */
	if (spec->service == NJ_SERVICE_ENROLMENT) {
		exchange_add(keeper, grant_id, spec);
		return;
	}
	if (nj_spares_recovery(keeper->rekeying.spares, spec->uid) != NULL) {
		(void)!nj_keeper_flush(keeper);
		nj_keeper_recovery_served(keeper, spec->uid);
	}
	/* Without spares there is one key, and nothing that could change. */
	if (nj_spares_pending(keeper->rekeying.spares, spec->uid) != NULL && follow(keeper, grant_id, spec) != NJ_OK)
		return;
	if (nj_spares_unproven(keeper->rekeying.spares, spec->uid))
		set_proven(keeper, spec->uid);
	if (spec->rekey)
		exchange_add(keeper, grant_id, spec);
}

/* ---- OFFER ---- */

static struct exchange *exchange_of(const struct nj_keeper *keeper, uint64_t grant_id)
{
	return nj_map_get(&keeper->rekeying.exchanges, nj_view_of(&grant_id, sizeof(grant_id)));
}

static void exchange_end(struct nj_keeper *keeper, struct exchange *exchange)
{
	(void)nj_map_remove(&keeper->rekeying.exchanges, exchange_key(exchange));
	free(exchange);
}

/* Promoted or replaced by another session since the knock: no offer. */
static bool still_due(const struct nj_keeper *keeper, const struct exchange *exchange,
		      const struct nj_keeper_device *row)
{
	const struct nj_knock_fact fact = {
		.kind = row->kind,
		.service = NJ_SERVICE_MQTTS,
		.can_rekey = true,
		.rekeyed_ms = row->rekeyed_ms,
	};

	return row->epoch == exchange->epoch && row->epoch < UINT32_MAX && nj_keeper_rekey_due(keeper, &fact);
}

/* The recovery's offer, into `message`; what the device needs to make the new key of its recovery key. */
static enum nj_err recovery_write(struct change *change, struct exchange *exchange, struct nj_ipc_rekey *message)
{
	struct nj_keeper *keeper = change->keeper;
	const struct nj_keeper_device *row = &change->row;
	uint8_t sealed[NJ_KEY_BYTES + NJ_VAULT_OVERHEAD];
	uint8_t sealed_offer[NJ_SEALED_KEY_MAX];
	struct nj_recover_message offer;
	size_t offer_len = 0;
	char detail[48];

	NJ_TRY(nj_keeper_recovery_offer(keeper, row, &offer, change->new_key, sealed_offer, &offer_len));
	nj_vault_seal_root_key(keeper->vault, row->uid, offer.epoch, change->new_key, sealed);
	NJ_TRY(nj_keeper_store_device_set_pending(keeper->store, row->uid, nj_view_of(sealed, sizeof(sealed)),
						  nj_view_of(sealed_offer, offer_len)));
	exchange->epoch = row->epoch;
	message->floor = offer.floor;
	memcpy(message->value, offer.nonce, sizeof(message->value));
	nj_wipe(&offer, sizeof(offer));
	(void)!nj_text_format(detail, sizeof(detail), "key %u, by its recovery key", row->epoch + 1);
	return append(change, NJ_AUDIT_KEY_OFFERED, detail);
}

static enum nj_err offer_write(struct change *change, const struct exchange *exchange, const uint8_t exporter[32])
{
	struct nj_keeper *keeper = change->keeper;
	struct nj_keeper_device *row = &change->row;
	uint8_t sealed[NJ_KEY_BYTES + NJ_VAULT_OVERHEAD];
	char detail[32];

	if (!still_due(keeper, exchange, row))
		return NJ_ERR_STATE;
	/* What another session was offered and did not store goes with this. */
	row->sealed_pending_len = 0;
	NJ_TRY(open_keys(change));
	nj_rekey_derive(change->old_key, exporter, row->uid, row->epoch + 1, change->new_key);
	nj_vault_seal_root_key(keeper->vault, row->uid, row->epoch + 1, change->new_key, sealed);
	NJ_TRY(nj_keeper_store_device_set_pending(keeper->store, row->uid, nj_view_of(sealed, sizeof(sealed)),
						  nj_view_of(NULL, 0)));
	(void)!nj_text_format(detail, sizeof(detail), "key %u", row->epoch + 1);
	return append(change, NJ_AUDIT_KEY_OFFERED, detail);
}

static enum nj_err pending_enter(struct nj_keeper *keeper, const struct nj_keeper_device *row,
				 const uint8_t key[NJ_KEY_BYTES])
{
	struct nj_spare model = { .epoch = row->epoch + 1, .pending = true };
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	enum nj_err err;

	nj_keeper_spare_forget(keeper, nj_spares_pending(keeper->rekeying.spares, row->uid));
	memcpy(model.uid, row->uid, sizeof(model.uid));
	nj_knock_derive_hint_key(key, row->uid, hint_key);
	err = nj_spares_add(keeper->rekeying.spares, &model, row->floor, hint_key, NULL);
	nj_wipe(hint_key, sizeof(hint_key));
	return err;
}

void nj_keeper_rekey_ready(struct nj_keeper *keeper, const struct nj_ipc_rekey *ready)
{
	CLEANUP_CHANGE struct change change = { 0 };
	struct exchange *exchange = exchange_of(keeper, ready->grant_id);
	struct nj_ipc message = { .type = NJ_IPC_REKEY_OFFER };
	enum nj_err err;

	if (exchange == NULL || exchange->offered || change_begin(keeper, exchange->uid, &change) != NJ_OK)
		return;
	err = exchange->recovery ? recovery_write(&change, exchange, &message.as.rekey)
				 : offer_write(&change, exchange, ready->value);
	if (nj_keeper_end(keeper, err) != NJ_OK || pending_enter(keeper, &change.row, change.new_key) != NJ_OK) {
		exchange_end(keeper, exchange);
		return;
	}
	exchange->offered = true;
	message.as.rekey.grant_id = ready->grant_id;
	message.as.rekey.epoch = change.row.epoch + 1;
	(void)keeper->link->ops->rekey(keeper->link, &message);
}

/* ---- STORED and DONE ---- */

/* Does the answer prove the key that is pending? Inside the change's transaction. */
static bool proves(struct change *change, const struct exchange *exchange, const struct nj_ipc_rekey *stored)
{
	struct nj_rekey_message message = { .type = NJ_REKEY_STORED, .epoch = stored->epoch };

	memcpy(message.proof, stored->value, sizeof(message.proof));
	return change->row.epoch == exchange->epoch && change->row.sealed_pending_len > 0 &&
	       stored->epoch == exchange->epoch + 1 && open_keys(change) == NJ_OK &&
	       nj_rekey_proves(change->new_key, change->row.uid, &message);
}

static void say_done(struct nj_keeper *keeper, const struct change *change, uint64_t grant_id)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_DONE };
	char detail[32];

	message.as.rekey.grant_id = grant_id;
	message.as.rekey.epoch = change->row.epoch + 1;
	nj_rekey_prove(change->new_key, change->row.uid, NJ_REKEY_DONE, message.as.rekey.epoch, message.as.rekey.value);
	(void)!nj_text_format(detail, sizeof(detail), "key %u", message.as.rekey.epoch);
	if (keeper->link->ops->rekey(keeper->link, &message))
		note(keeper, &change->row, NJ_AUDIT_KEY_DONE, detail);
}

void nj_keeper_rekey_stored(struct nj_keeper *keeper, const struct nj_ipc_rekey *stored)
{
	CLEANUP_CHANGE struct change change = { .grant_id = stored->grant_id };
	struct exchange *exchange = exchange_of(keeper, stored->grant_id);

	if (exchange == NULL || !exchange->offered || change_begin(keeper, exchange->uid, &change) != NJ_OK)
		return;
	if (!proves(&change, exchange, stored)) {
		(void)!nj_keeper_end(keeper, NJ_ERR_FORGED); /* rolls back */
		note(keeper, &change.row, NJ_AUDIT_KEY_REJECTED, "the answer to an offer does not prove the new key");
	} else if (promote(&change, exchange->recovery ? NJ_AUDIT_KEY_RECOVERED : NJ_AUDIT_KEY_STORED, false) ==
		   NJ_OK) {
		say_done(keeper, &change, stored->grant_id);
	}
	exchange_end(keeper, exchange);
}

/* ---- start, time, end ---- */

static enum nj_err pending_loaded(void *arg, const struct nj_keeper_device *row)
{
	struct nj_keeper *keeper = arg;
	uint8_t key[NJ_KEY_BYTES];
	enum nj_err err;

	if (row->state != NJ_DEVICE_LIVE)
		return NJ_OK;
	if (nj_vault_open_root_key(keeper->vault, row->uid, row->epoch + 1,
				   nj_view_of(row->sealed_pending, row->sealed_pending_len), key) != NJ_OK) {
		keeper->rekeying.damaged++;
		return NJ_OK;
	}
	err = pending_enter(keeper, row, key);
	nj_wipe(key, sizeof(key));
	return err;
}

enum nj_err nj_keeper_rekey_load(struct nj_keeper *keeper)
{
	NJ_TRY(nj_keeper_store_device_each_rekeying(keeper->store, pending_loaded, keeper));
	return nj_keeper_graves_load(keeper);
}

void nj_keeper_rekey_expel(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	struct nj_spare *spare;

	while ((spare = nj_spares_oldest_tombstone(keeper->rekeying.spares, uid)) != NULL)
		nj_keeper_spare_forget(keeper, spare);
	nj_keeper_spare_forget(keeper, nj_spares_pending(keeper->rekeying.spares, uid));
	nj_keeper_spare_forget(keeper, nj_spares_recovery(keeper->rekeying.spares, uid));
}

static void exchanges_expire(struct nj_keeper *keeper, uint64_t now_ms)
{
	struct exchange *exchange;
	size_t cursor = 0;

	while ((exchange = nj_map_next(&keeper->rekeying.exchanges, &cursor)) != NULL) {
		if (now_ms < exchange->ends_ms)
			continue;
		exchange_end(keeper, exchange);
		cursor = 0;
	}
}

void nj_keeper_rekey_tick(struct nj_keeper *keeper)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);

	if (keeper->rekeying.exchanges.count > 0)
		exchanges_expire(keeper, now_ms);
	if (keeper->rekeying.cuts.count > 0)
		cuts_again(keeper);
	nj_keeper_graves_tick(keeper);
}
