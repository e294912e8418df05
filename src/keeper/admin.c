#include <unistd.h>

#include "keeper/internal.h"
#include "store/keeper_keys.h"
#include "store/keeper_vault.h"

const struct nj_admin_verb nj_keeper_verbs[] = {
	{ "profile.set", nj_keeper_verb_profile_set },
	{ "profile.list", nj_keeper_verb_profile_list },
	{ "profile.show", nj_keeper_verb_profile_show },
	{ "device.add", nj_keeper_verb_device_add },
	{ "device.import", nj_keeper_verb_device_import },
	{ "device.list", nj_keeper_verb_device_list },
	{ "device.show", nj_keeper_verb_device_show },
	{ "device.revoke", nj_keeper_verb_device_revoke },
	{ "device.raise", nj_keeper_verb_device_raise },
	{ "device.certificate", nj_keeper_verb_device_certificate },
	{ "application.certificate", nj_keeper_verb_application_certificate },
	{ "application.raise", nj_keeper_verb_application_raise },
	{ "application.add", nj_keeper_verb_application_add },
	{ "application.list", nj_keeper_verb_application_list },
	{ "application.show", nj_keeper_verb_application_show },
	{ "application.revoke", nj_keeper_verb_application_revoke },
	{ "ca.show", nj_keeper_verb_ca_show },
	{ "ca.crl", nj_keeper_verb_ca_crl },
	{ "ca.renew", nj_keeper_verb_ca_renew },
	{ "ca.revoke", nj_keeper_verb_ca_revoke },
	{ "customer.ca.set", nj_keeper_verb_customer_ca_set },
	{ "customer.ca.show", nj_keeper_verb_customer_ca_show },
	{ "customer.ca.remove", nj_keeper_verb_customer_ca_remove },
	{ "customer.crl.set", nj_keeper_verb_customer_crl_set },
	{ "audit.tail", nj_keeper_verb_audit_tail },
	{ "audit.verify", nj_keeper_verb_audit_verify },
	{ "vault.slot.list", nj_keeper_verb_slot_list },
	{ "vault.slot.add", nj_keeper_verb_slot_add },
	{ "vault.slot.remove", nj_keeper_verb_slot_remove },
	{ "vault.unlock", nj_keeper_verb_unlock },
	{ "recovery.open", nj_keeper_verb_recovery_open },
	{ "recovery.close", nj_keeper_verb_recovery_close },
	{ "recovery.status", nj_keeper_verb_recovery_status },
	{ "backup.copy", nj_keeper_verb_backup_copy },
	{ "reload", nj_keeper_verb_reload },
	{ "mqtt.kick", nj_keeper_verb_kick },
	{ "keeper.metrics", nj_keeper_verb_metrics },
	{ "status", nj_keeper_verb_status },
};
const size_t nj_keeper_verb_count = sizeof(nj_keeper_verbs) / sizeof(nj_keeper_verbs[0]);

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *status_cannot(const struct nj_cloak_ops *ops)
{
	json_t *list = json_array();

	for (const char *const *one = ops->cannot; one != NULL && *one != NULL; one++)
		json_array_append_new(list, json_string(*one));
	return list;
}

static json_t *status_cloak(const struct nj_keeper *keeper)
{
	struct nj_cloak_stats stats = { 0 };

	if (keeper->cloak == NULL)
		return json_null();
	keeper->cloak->ops->stats(keeper->cloak, &stats);
	return json_pack("{s:s, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", keeper->cloak->ops->name, "dark",
			 (int)keeper->cloak->ops->dark, "cannot", status_cannot(keeper->cloak->ops), "syn_passed",
			 (json_int_t)stats.syn_passed, "syn_dropped", (json_int_t)stats.syn_dropped, "other_dropped",
			 (json_int_t)stats.other_dropped, "knock_passed", (json_int_t)stats.knock_passed,
			 "knock_dropped", (json_int_t)stats.knock_dropped, "hint_bits", (json_int_t)stats.hint_bits,
			 "hints_added", (json_int_t)stats.hints_added);
}

static json_t *status_knocks(const struct nj_keeper *keeper)
{
	const struct nj_knocks_counters *c;

	if (keeper->knocks == NULL)
		return json_null();
	c = nj_knocks_counters(keeper->knocks);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted", (json_int_t)c->accepted, "refused",
			 (json_int_t)c->refused, "forged", (json_int_t)c->forged, "unknown", (json_int_t)c->unknown,
			 "replayed", (json_int_t)c->replayed, "limited", (json_int_t)c->limited, "rolled_back",
			 (json_int_t)c->rolled_back);
}

/* `cloned`: live devices whose replaced key was used by somebody else. */
static json_t *status_keys(const struct nj_keeper *keeper, uint64_t cloned)
{
	const struct nj_spares *spares = keeper->rekeying.spares;
	uint64_t pending = spares == NULL ? 0 : nj_spares_pending_count(spares);

	return json_pack("{s:I, s:I, s:I, s:I}", "cloned", (json_int_t)cloned, "pending", (json_int_t)pending,
			 "tombstones", (json_int_t)keeper->graves.count, "damaged",
			 (json_int_t)keeper->rekeying.damaged);
}

static json_t *status_guards(const struct nj_keeper *keeper)
{
	json_t *list = json_array();

	for (size_t i = 0; i < keeper->guard.count; i++) {
		const struct nj_settings_guard *guard = &keeper->guard.at[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "name", guard->name, "protocol",
						      guard->protocol == NJ_SETTINGS_GUARD_UDP ? "udp" : "tcp", "port",
						      (int)guard->port, "id", (int)guard->id));
	}
	return list;
}

struct slots {
	const struct nj_vault_report *report;
	json_t *list;
};

const char *nj_keeper_slot_state(const struct nj_vault_report *report, const struct nj_vault_slot *slot)
{
	if (slot->damaged)
		return "damaged";
	if (slot->id == report->opened)
		return "in use";
	for (uint32_t i = 0; i < report->degraded && i < NJ_VAULT_DEGRADED_MAX; i++)
		if (report->degraded_ids[i] == slot->id)
			return "degraded";
	return "ok";
}

static enum nj_err slot_add(void *arg, const struct nj_vault_slot *slot)
{
	struct slots *slots = arg;
	json_t *item = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)slot->id, "kind",
				 slot->damaged ? "unknown" : nj_vault_slot_kind_name(slot->kind), "state",
				 nj_keeper_slot_state(slots->report, slot));

	return json_array_append_new(slots->list, item) == 0 ? NJ_OK : NJ_ERR_NO_MEMORY;
}

static enum nj_err count_kind(void *arg, const struct nj_keeper_device *row)
{
	uint64_t *kinds = arg;

	if (row->state == NJ_DEVICE_LIVE && row->kind <= NJ_PARTY_APPLICATION)
		kinds[row->kind]++;
	return NJ_OK;
}

void nj_keeper_verb_status(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct slots slots = { .report = &keeper->vault_report, .list = json_array() };
	uint64_t counted[NJ_PARTY_APPLICATION + 1] = { 0 };
	const uint64_t *kinds = keeper->kinds;
	uint64_t cloned = 0;
	json_t *ok = json_object();
	enum nj_err err = nj_keeper_store_slot_each(keeper->store, slot_add, &slots);

	if (keeper->window == NULL) {
		kinds = counted;
		if (err == NJ_OK)
			err = nj_keeper_store_device_each(keeper->store, count_kind, counted);
	}
	if (err == NJ_OK)
		err = nj_keeper_store_device_count_cloned(keeper->store, &cloned);
	json_object_set_new(ok, "keys", status_keys(keeper, cloned));
	json_object_set_new(ok, "pid", number((uint64_t)getpid()));
	json_object_set_new(ok, "cloak", status_cloak(keeper));
	json_object_set_new(ok, "grants", number(keeper->grants == NULL ? 0 : nj_grants_count(keeper->grants)));
	json_object_set_new(ok, "guards", status_guards(keeper));
	json_object_set_new(ok, "devices", number(kinds[NJ_PARTY_DEVICE]));
	json_object_set_new(ok, "applications", number(kinds[NJ_PARTY_APPLICATION]));
	json_object_set_new(ok, "knocks", status_knocks(keeper));
	json_object_set_new(ok, "vault",
			    json_pack("{s:o, s:b}", "slots", slots.list, "locked", (int)nj_keeper_locked(keeper)));
	json_object_set_new(ok, "audit",
			    json_pack("{s:I}", "last_seq",
				      (json_int_t)(keeper->audit == NULL ? 0 : nj_audit_seq(keeper->audit))));
	json_object_set_new(ok, "restored_left", number(keeper->restored_left));
	json_object_set_new(ok, "recovery", nj_keeper_recovery_json(keeper));
	json_object_set_new(ok, "store_works", json_boolean(keeper->store_works));
	json_object_set_new(ok, "gateway_connected",
			    json_boolean(keeper->started_ms != 0 && keeper->link != NULL &&
					 keeper->link->ops->connected(keeper->link)));
	json_object_set_new(ok, "started_ms", number(keeper->started_ms));
	if (err == NJ_OK) {
		nj_admin_ok(call, ok);
		return;
	}
	json_decref(ok);
	nj_admin_fail(call, err, "the keeper's store cannot be read: %s", nj_err_text(err));
}
