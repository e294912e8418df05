#include "crypto/crypto.h"
#include "identity/profile.h"
#include "keeper/internal.h"

#define MAX_DEVICES 2000000
#define MAX_GRANTS 8192
#define GUARD_GRANTS 4096
#define FLUSH_AT (NJ_KNOCKS_STAGED_MAX - NJ_UDP_BATCH) /* staged knocks: a whole batch still fits */
#define SECOND_MS 1000
#define REKEY_MS 3600000

/* ---- opening ---- */

static enum nj_err names_take(struct nj_keeper *keeper, const struct nj_keeper_config *config)
{
	NJ_TRY(nj_text_copy(keeper->host, sizeof(keeper->host), config->host));
	if (config->name_count >= NJ_AUTHORITY_NAMES_MAX)
		return NJ_ERR_LIMIT;
	NJ_TRY(nj_text_copy(keeper->names[0], sizeof(keeper->names[0]), config->host));
	keeper->name_count = 1;
	for (size_t i = 0; i < config->name_count; i++) {
		if (strcmp(config->names[i], config->host) == 0)
			continue;
		NJ_TRY(nj_text_copy(keeper->names[keeper->name_count], sizeof(keeper->names[0]), config->names[i]));
		keeper->name_count++;
	}
	return NJ_OK;
}

static struct nj_view policy_key(const void *entry)
{
	return nj_view_str(((const struct nj_keeper_policy *)entry)->door.profile);
}

static void keeper_init(struct nj_keeper *keeper, const struct nj_keeper_config *config)
{
	static const struct nj_log_brake forged_brake = NJ_LOG_BRAKE(5, 10000);
	static const struct nj_log_brake report_brake = NJ_LOG_BRAKE(NJ_KEEPER_REPORTS_BURST, NJ_KEEPER_REPORT_MS);

	keeper->clock = config->clock;
	keeper->random = config->random;
	keeper->knock_port = config->knock_port;
	memcpy(keeper->ports, config->ports, sizeof(keeper->ports));
	keeper->max_devices = config->max_devices == 0 ? MAX_DEVICES : config->max_devices;
	keeper->max_grants = config->max_grants == 0 ? MAX_GRANTS : config->max_grants;
	keeper->grant_ms = config->grant_ms == 0 ? NJ_PROFILE_GRANT_MS_DEFAULT : config->grant_ms;
	keeper->rekeying.rekey_ms = config->rekey_ms == 0 ? REKEY_MS : config->rekey_ms;
	if (config->rekey_off)
		keeper->rekeying.rekey_ms = 0;
	keeper->limits = config->limits;
	keeper->guard.count = config->guard_count;
	if (config->guard_count > 0)
		memcpy(keeper->guard.at, config->guards, config->guard_count * sizeof(keeper->guard.at[0]));
	nj_keeper_reach_init(keeper, config);
	keeper->store_works = true;
	keeper->unsettled = true;
	keeper->forged_brake = forged_brake;
	keeper->limited_brake = forged_brake;
	keeper->report_brake = report_brake;
	nj_map_init(&keeper->policies, policy_key, 10000, config->random);
	nj_journal_init(&keeper->journal);
	nj_keeper_rekey_init(keeper);
}

static enum nj_err open_parts(struct nj_keeper *keeper, const struct nj_keeper_config *config, struct nj_why *why)
{
	NJ_TRY(nj_keeper_store_open(config->store_path, NJ_STORE_OPEN, &keeper->store, why));
	enum nj_err err = nj_vault_unlock_file(keeper->store, config->key_file, config->random, &keeper->vault,
					       &keeper->vault_report, why);
	bool has_passphrase = false;

	if (err == NJ_OK)
		return nj_keeper_open_unlocked(keeper, why);
	if (config->may_lock && nj_vault_has_passphrase(keeper->store, &has_passphrase) == NJ_OK && has_passphrase)
		return NJ_OK;
	return err;
}

enum nj_err nj_keeper_open_unlocked(struct nj_keeper *keeper, struct nj_why *why)
{
	NJ_TRY(nj_audit_open(keeper->vault, keeper->clock, &keeper->audit, why));
	NJ_TRY(nj_authority_open(keeper->vault, &keeper->authority));
	NJ_TRY(nj_keeper_restored_open(keeper));
	NJ_TRY(nj_keeper_recovery_left(keeper));
	return nj_keeper_load_policies(keeper);
}

bool nj_keeper_locked(const struct nj_keeper *keeper)
{
	return keeper->vault == NULL;
}

enum nj_err nj_keeper_open(const struct nj_keeper_config *config, struct nj_keeper **out_keeper,
			   struct nj_vault_report *out_report, struct nj_why *why)
{
	struct nj_keeper *keeper = calloc(1, sizeof(*keeper));
	enum nj_err err;

	if (keeper == NULL)
		return NJ_ERR_NO_MEMORY;
	if (why != NULL)
		why->text[0] = '\0';
	keeper_init(keeper, config);
	err = names_take(keeper, config);
	if (err == NJ_OK)
		err = open_parts(keeper, config, why);
	if (out_report != NULL)
		*out_report = keeper->vault_report;
	if (err != NJ_OK) {
		nj_keeper_close(keeper);
		if (why != NULL && why->text[0] == '\0')
			(void)nj_why(why, err, "%s: the keeper's store cannot be used: %s", config->store_path,
				     nj_err_text(err));
		return err;
	}
	*out_keeper = keeper;
	return NJ_OK;
}

static void policies_free(struct nj_keeper *keeper)
{
	size_t cursor = 0;
	struct nj_keeper_policy *policy;

	while ((policy = nj_map_next(&keeper->policies, &cursor)) != NULL)
		free(policy);
	nj_map_done(&keeper->policies);
}

void nj_keeper_close(struct nj_keeper *keeper)
{
	if (keeper == NULL)
		return;
	nj_audit_verifier_free(keeper->verifier);
	nj_store_copy_free(keeper->copy);
	free(keeper->reconcile.rows);
	nj_keeper_recovery_done(keeper);
	nj_grants_free(keeper->grants);
	nj_grants_free(keeper->guard.grants);
	nj_knocks_free(keeper->knocks);
	nj_window_free(keeper->window);
	nj_keeper_rekey_done(keeper);
	nj_journal_done(&keeper->journal);
	policies_free(keeper);
	nj_audit_close(keeper->audit);
	nj_authority_free(keeper->authority);
	nj_vault_free(keeper->vault);
	nj_keeper_store_close(keeper->store);
	free(keeper);
}

void nj_keeper_watch(struct nj_keeper *keeper, const struct nj_keeper_watch *watch)
{
	keeper->watch = *watch;
}

void nj_keeper_set_link(struct nj_keeper *keeper, struct nj_link *link)
{
	keeper->link = link;
}

void nj_keeper_set_guards(struct nj_keeper *keeper, struct nj_cloak *cloak)
{
	keeper->guard.cloak = cloak;
}

/* ---- the store's health, and group commits ---- */

void nj_keeper_store_result(struct nj_keeper *keeper, enum nj_err err)
{
	bool works = err == NJ_OK;

	if (works == keeper->store_works)
		return;
	keeper->store_works = works;
	if (keeper->watch.store != NULL)
		keeper->watch.store(keeper->watch.arg, err);
}

static enum nj_err write_group(struct nj_keeper *keeper)
{
	enum nj_err err = nj_audit_begin(keeper->audit);

	if (err != NJ_OK)
		return err;
	err = nj_journal_write(&keeper->journal, keeper->audit);
	if (err == NJ_OK && keeper->knocks != NULL)
		err = nj_knocks_write(keeper->knocks);
	if (err == NJ_OK)
		return nj_audit_commit(keeper->audit);
	nj_audit_rollback(keeper->audit);
	return err;
}

enum nj_err nj_keeper_flush(struct nj_keeper *keeper)
{
	enum nj_err err;

	if (!keeper->group_waits)
		return NJ_OK;
	keeper->group_waits = false;
	err = write_group(keeper);
	keeper->group_last_ms = nj_clock_boot_ms(keeper->clock);
	nj_keeper_store_result(keeper, err);
	if (err == NJ_OK) {
		/* First: what is granted now may already be noted for the next group. */
		nj_journal_clear(&keeper->journal);
		if (keeper->knocks != NULL)
			nj_knocks_committed(keeper->knocks);
	} else if (keeper->knocks != NULL) {
		nj_knocks_rolled_back(keeper->knocks);
	}
	return err;
}

static void group_wait(struct nj_keeper *keeper, uint64_t due_ms)
{
	if (keeper->group_waits && keeper->group_due_ms <= due_ms)
		return;
	keeper->group_waits = true;
	keeper->group_due_ms = due_ms;
}

enum nj_err nj_keeper_begin(struct nj_keeper *keeper)
{
	NJ_TRY(nj_keeper_flush(keeper));
	return nj_audit_begin(keeper->audit);
}

enum nj_err nj_keeper_end(struct nj_keeper *keeper, enum nj_err err)
{
	if (err == NJ_OK) {
		err = nj_audit_commit(keeper->audit);
		nj_keeper_store_result(keeper, err);
		return err;
	}
	nj_audit_rollback(keeper->audit);
	if (err == NJ_ERR_FULL || err == NJ_ERR_IO || err == NJ_ERR_CORRUPT)
		nj_keeper_store_result(keeper, err);
	return err;
}

void nj_keeper_note(struct nj_keeper *keeper, const struct nj_audit_record *record)
{
	nj_journal_add(&keeper->journal, record);
	group_wait(keeper, nj_clock_boot_ms(keeper->clock) + NJ_KEEPER_GROUP_MS);
}

/* ---- knocks ---- */

static enum nj_err grant_give(struct nj_keeper *keeper, const struct nj_knock_fact *fact)
{
	struct nj_grant_spec spec = {
		.source = fact->source,
		.source_prefix = fact->source_prefix,
		.port = keeper->ports[fact->service],
		.service = fact->service,
		.lifetime_ms = fact->lifetime_ms,
		.epoch = fact->epoch,
		.rekey = nj_keeper_rekey_due(keeper, fact),
	};
	struct nj_grant grant = {
		.service = fact->service,
		.plain_allowed = fact->plain,
		.bind = fact->bind,
		.tls12 = fact->tls12,
		.bind_ms = fact->bind_ms,
		.rekey = spec.rekey,
		.source = fact->source,
		.source_prefix = fact->source_prefix,
		.lifetime_ms = fact->lifetime_ms,
	};
	uint64_t id;
	enum nj_err err;

	if (keeper->link == NULL || !keeper->link->ops->connected(keeper->link))
		return NJ_ERR_CLOSED;
	memcpy(spec.uid, fact->uid, sizeof(spec.uid));
	NJ_TRY(nj_text_copy(spec.customer, sizeof(spec.customer), fact->customer));
	NJ_TRY(nj_text_copy(spec.name, sizeof(spec.name), fact->name));
	NJ_TRY(nj_grants_add(keeper->grants, &spec, &id));
	grant.id = id;
	memcpy(grant.uid, fact->uid, sizeof(grant.uid));
	memcpy(grant.hint, fact->hint, sizeof(grant.hint));
	memcpy(grant.psk, fact->psk, sizeof(grant.psk));
	memcpy(grant.password, fact->password, sizeof(grant.password));
	err = keeper->link->ops->grant(keeper->link, &grant);
	nj_wipe(&grant, sizeof(grant));
	if (err != NJ_OK)
		nj_grants_end(keeper->grants, id, NJ_GRANT_UNANSWERED);
	return err;
}

/* A guarded service knows its people by itself: there is no key to hand over, and nothing to bind. */
static enum nj_err guard_open(struct nj_keeper *keeper, const struct nj_knock_fact *fact)
{
	struct nj_grant_spec spec = {
		.source = fact->source,
		.source_prefix = fact->source_prefix,
		.port = fact->service,
		.service = fact->service,
		.lifetime_ms = fact->lifetime_ms,
	};
	uint64_t id;

	memcpy(spec.uid, fact->uid, sizeof(spec.uid));
	NJ_TRY(nj_text_copy(spec.customer, sizeof(spec.customer), fact->customer));
	NJ_TRY(nj_text_copy(spec.name, sizeof(spec.name), fact->name));
	NJ_TRY(nj_grants_add(keeper->guard.grants, &spec, &id));
	return nj_grants_ack(keeper->guard.grants, id);
}

static void on_accepted(void *arg, const struct nj_knock_fact *fact)
{
	struct nj_keeper *keeper = arg;
	enum nj_err err;

	if (keeper->watch.knock != NULL)
		keeper->watch.knock(keeper->watch.arg, fact);
	err = fact->guard != NULL ? guard_open(keeper, fact) : grant_give(keeper, fact);
	if (err != NJ_OK && keeper->watch.not_granted != NULL)
		keeper->watch.not_granted(keeper->watch.arg, fact, err);
}

static void on_refused(void *arg, const struct nj_knock_fact *fact)
{
	struct nj_keeper *keeper = arg;

	if (keeper->watch.knock != NULL)
		keeper->watch.knock(keeper->watch.arg, fact);
}

/* One record for many: a stranger must not fill the log. */
static void note_braked(struct nj_keeper *keeper, const struct nj_knock_fact *fact, enum nj_audit_event event,
			struct nj_log_brake *brake)
{
	char source[NJ_ADDR_TEXT_BYTES];
	char detail[64] = "";
	uint64_t held_back;

	if (!nj_log_brake_pass(brake, keeper->clock, &held_back))
		return;
	if (held_back > 0)
		(void)!nj_text_format(detail, sizeof(detail), "and %llu more", (unsigned long long)held_back);
	nj_keeper_note(keeper, &(struct nj_audit_record){ .event = event,
							  .customer = fact->customer,
							  .subject = fact->name,
							  .source = nj_addr_host_text(&fact->source, source),
							  .detail = detail });
}

static void on_forged(void *arg, const struct nj_knock_fact *fact)
{
	struct nj_keeper *keeper = arg;

	note_braked(keeper, fact, NJ_AUDIT_KNOCK_FORGED, &keeper->forged_brake);
	if (keeper->watch.forged != NULL)
		keeper->watch.forged(keeper->watch.arg, fact);
}

static void on_limited(void *arg, const struct nj_knock_fact *fact)
{
	struct nj_keeper *keeper = arg;

	note_braked(keeper, fact, NJ_AUDIT_KNOCK_LIMITED, &keeper->limited_brake);
	if (keeper->watch.limited != NULL)
		keeper->watch.limited(keeper->watch.arg, fact);
}

static const struct nj_door_policy *on_policy(void *arg, const char *profile)
{
	return nj_keeper_policy(arg, profile);
}

static bool on_unknown(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	return nj_keeper_graves_dig(arg, hint);
}

void nj_keeper_datagrams(struct nj_keeper *keeper, const struct nj_udp_datagram *datagrams, size_t count)
{
	while (count > 0) {
		size_t batch = count < NJ_UDP_BATCH ? count : NJ_UDP_BATCH;

		nj_knocks_take(keeper->knocks, datagrams, batch);
		datagrams += batch;
		count -= batch;
		if (nj_knocks_staged(keeper->knocks) == 0)
			continue;
		group_wait(keeper, keeper->group_last_ms + NJ_KEEPER_GROUP_MS);
		if (nj_knocks_staged(keeper->knocks) > FLUSH_AT ||
		    nj_clock_boot_ms(keeper->clock) >= keeper->group_due_ms)
			(void)!nj_keeper_flush(keeper); /* told through nj_keeper_store_result */
	}
}

/* ---- grants ---- */

static void note_end(struct nj_keeper *keeper, const struct nj_grant_spec *spec, enum nj_grant_end end)
{
	const struct nj_ipc_bound *bound = keeper->binding;
	bool proxied = bound != NULL && !nj_addr_is_any(&bound->via);
	char source[NJ_ADDR_TEXT_BYTES];
	char via[NJ_ADDR_TEXT_BYTES];
	char detail[192];

	(void)!nj_text_format(detail, sizeof(detail), "service %s%s%s%s%s", nj_service_name(spec->service),
			      end == NJ_GRANT_BOUND ? (bound != NULL && bound->weak ? ", weak: by a password" : "")
						    : ", ",
			      end == NJ_GRANT_BOUND ? "" : nj_grant_end_text(end), proxied ? ", by the proxy " : "",
			      proxied ? nj_addr_text(&bound->via, via) : "");
	nj_keeper_note(keeper, &(struct nj_audit_record){
				   .event = end == NJ_GRANT_BOUND ? NJ_AUDIT_BOUND : NJ_AUDIT_GRANT_EXPIRED,
				   .customer = spec->customer,
				   .subject = spec->name,
				   .source = bound != NULL ? nj_addr_text(&bound->peer, source)
							   : nj_addr_host_text(&spec->source, source),
				   .detail = detail,
			       });
}

static void on_grant_ended(void *arg, uint64_t id, const struct nj_grant_spec *spec, enum nj_grant_end end)
{
	struct nj_keeper *keeper = arg;

	if (end == NJ_GRANT_BOUND) {
		keeper->rekeying.was_bound = true;
		keeper->rekeying.bound_spec = *spec;
	}
	if (end != NJ_GRANT_BOUND && end != NJ_GRANT_GATEWAY_GONE && keeper->link != NULL)
		keeper->link->ops->grant_end(keeper->link, id);
	if (end == NJ_GRANT_BOUND && spec->service != NJ_SERVICE_ENROLMENT)
		nj_keeper_restored_seen(keeper, spec->uid);
	note_end(keeper, spec, end);
	if (keeper->watch.ended != NULL)
		keeper->watch.ended(keeper->watch.arg, id, spec, end);
}

static void on_guard_ended(void *arg, uint64_t id, const struct nj_grant_spec *spec, enum nj_grant_end end)
{
	struct nj_keeper *keeper = arg;
	const char *name = "?";
	char source[NJ_ADDR_TEXT_BYTES];
	char detail[128];

	for (size_t i = 0; i < keeper->guard.count; i++)
		if (keeper->guard.at[i].id == spec->service)
			name = keeper->guard.at[i].name;
	(void)!nj_text_format(detail, sizeof(detail), "guard:%s, %s", name,
			      end == NJ_GRANT_EXPIRED ? "its time is over" : nj_grant_end_text(end));
	nj_keeper_note(keeper, &(struct nj_audit_record){
				   .event = NJ_AUDIT_GUARD_SHUT,
				   .customer = spec->customer,
				   .subject = spec->name,
				   .source = nj_addr_host_text(&spec->source, source),
				   .detail = detail,
			       });
}

void nj_keeper_perimeter_changed(struct nj_keeper *keeper, const char *caller, const char *detail)
{
	nj_keeper_note(keeper,
		       &(struct nj_audit_record){ .event = NJ_AUDIT_PERIMETER, .source = caller, .detail = detail });
}

void nj_keeper_cloak_result(struct nj_keeper *keeper, enum nj_err err)
{
	if (err != NJ_OK && keeper->watch.cloak_failed != NULL)
		keeper->watch.cloak_failed(keeper->watch.arg, err);
}

void nj_keeper_ack(struct nj_keeper *keeper, uint64_t grant_id)
{
	enum nj_err err = nj_grants_ack(keeper->grants, grant_id);

	/* An answer to a grant that has ended meanwhile is no fault. */
	if (err == NJ_ERR_NOT_FOUND)
		return;
	nj_keeper_cloak_result(keeper, err);
	if (err == NJ_OK && keeper->watch.opened != NULL)
		keeper->watch.opened(keeper->watch.arg, grant_id);
}

void nj_keeper_bound(struct nj_keeper *keeper, const struct nj_ipc_bound *bound)
{
	keeper->binding = bound;
	keeper->rekeying.was_bound = false;
	/* A grant that expired in the same moment: the connection stands, the record says expired. */
	(void)!nj_grants_bound(keeper->grants, bound->grant_id);
	keeper->binding = NULL;
	nj_keeper_flow_end(keeper, &(struct nj_ipc_flow){ bound->peer, bound->local_port });
	if (keeper->rekeying.was_bound)
		nj_keeper_rekey_bound(keeper, bound->grant_id, &keeper->rekeying.bound_spec);
}

void nj_keeper_flow_end(struct nj_keeper *keeper, const struct nj_ipc_flow *flow)
{
	nj_keeper_cloak_result(keeper, keeper->cloak->ops->flow_end(keeper->cloak, &flow->peer, flow->local_port));
}

void nj_keeper_gateway_gone(struct nj_keeper *keeper)
{
	if (keeper->grants != NULL)
		nj_grants_end_all(keeper->grants, NJ_GRANT_GATEWAY_GONE);
	nj_keeper_rekey_gone(keeper);
}

/* ---- start, stop ---- */

static enum nj_err start_parts(struct nj_keeper *keeper, struct nj_why *why)
{
	struct nj_knocks_config knocks = {
		.clock = keeper->clock,
		.vault = keeper->vault,
		.audit = keeper->audit,
		.limits = keeper->limits,
		.restored_ms = keeper->restored_ms,
		.guards = keeper->guard.at,
		.guard_count = keeper->guard.cloak == NULL ? 0 : keeper->guard.count,
		.doubtful = nj_keeper_restored_doubtful,
		.policy = on_policy,
		.unknown = on_unknown,
		.accepted = on_accepted,
		.refused = on_refused,
		.forged = on_forged,
		.limited = on_limited,
		.arg = keeper,
	};

	for (uint16_t service = 1; service < NJ_SERVICE_END; service++)
		if (keeper->ports[service] != 0)
			knocks.served |= NJ_SERVICE_BIT(service);
	NJ_TRY(nj_keeper_load(keeper, why));
	knocks.window = keeper->window;
	knocks.spares = keeper->rekeying.spares;
	NJ_TRY(nj_knocks_new(&knocks, &keeper->knocks));
	if (knocks.guard_count > 0)
		NJ_TRY(nj_grants_new(keeper->clock, keeper->guard.cloak, GUARD_GRANTS, on_guard_ended, keeper,
				     &keeper->guard.grants));
	return nj_grants_new(keeper->clock, keeper->cloak, keeper->max_grants, on_grant_ended, keeper, &keeper->grants);
}

enum nj_err nj_keeper_start(struct nj_keeper *keeper, struct nj_cloak *cloak, struct nj_why *why)
{
	enum nj_err err = cloak->ops->clear(cloak);

	if (err != NJ_OK)
		return nj_why(why, err, "the cloak cannot be cleared: %s", nj_err_text(err));
	keeper->cloak = cloak;
	err = start_parts(keeper, why);
	if (err != NJ_OK)
		return err;
	nj_keeper_let_proxies_in(keeper);
	err = nj_keeper_note_start(keeper);
	if (err != NJ_OK)
		return nj_why(why, err, "the audit log cannot be written: %s", nj_err_text(err));
	keeper->started_ms = nj_clock_wall_ms(keeper->clock);
	nj_keeper_tick(keeper);
	return NJ_OK;
}

enum nj_err nj_keeper_stop(struct nj_keeper *keeper)
{
	enum nj_err err;

	if (keeper->started_ms == 0)
		return NJ_OK;
	nj_keeper_recovery_shut(keeper, "keeper", "the keeper stops");
	nj_grants_end_all(keeper->grants, NJ_GRANT_EXPIRED);
	if (keeper->guard.grants != NULL)
		nj_grants_end_all(keeper->guard.grants, NJ_GRANT_EXPIRED);
	keeper->started_ms = 0;
	nj_keeper_verify_abort(keeper);
	nj_keeper_reload_abort(keeper);
	nj_keeper_copy_abort(keeper);
	err = keeper->cloak->ops->clear(keeper->cloak);
	NJ_TRY(nj_keeper_flush(keeper));
	NJ_TRY(nj_audit_write(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_STOP, .source = "keeper" }));
	NJ_TRY(nj_audit_checkpoint(keeper->audit));
	return err;
}

/* ---- time ---- */

/* While writes fail, tries a small one: the first that succeeds lets the lease live again. */
static void every_second(struct nj_keeper *keeper)
{
	enum nj_err err = nj_audit_tick(keeper->audit);

	if (err == NJ_OK && !keeper->store_works)
		err = nj_keeper_store_meta_put(keeper->store, "probe", "written");
	nj_keeper_store_result(keeper, err);
	nj_keeper_trust_tick(keeper);
	nj_keeper_server_tick(keeper);
	nj_keeper_rekey_tick(keeper);
	nj_keeper_reconcile_tick(keeper);
	if (!nj_journal_empty(&keeper->journal))
		group_wait(keeper, nj_clock_boot_ms(keeper->clock));
}

void nj_keeper_tick(struct nj_keeper *keeper)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);

	if (keeper->link != NULL)
		keeper->link->ops->tick(keeper->link);
	if (keeper->group_waits && now_ms >= keeper->group_due_ms)
		(void)!nj_keeper_flush(keeper); /* told through nj_keeper_store_result */
	nj_grants_tick(keeper->grants);
	if (keeper->guard.grants != NULL)
		nj_grants_tick(keeper->guard.grants);
	if (now_ms >= keeper->second_due_ms) {
		keeper->second_due_ms = now_ms + SECOND_MS;
		every_second(keeper);
	}
	if (keeper->store_works && now_ms >= keeper->renew_due_ms) {
		keeper->renew_due_ms = now_ms + NJ_CLOAK_LEASE_MS;
		nj_keeper_cloak_result(keeper,
				       keeper->cloak->ops->renew(keeper->cloak, nj_clock_boot_ns(keeper->clock)));
		if (keeper->guard.grants != NULL)
			nj_keeper_cloak_result(keeper, keeper->guard.cloak->ops->renew(
							   keeper->guard.cloak, nj_clock_boot_ns(keeper->clock)));
	}
	nj_keeper_rebuild_step(keeper);
	nj_keeper_verify_step(keeper);
	nj_keeper_copy_step(keeper);
	nj_keeper_recovery_tick(keeper);
}

uint32_t nj_keeper_wait_ms(const struct nj_keeper *keeper)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);
	uint64_t due_ms = keeper->store_works ? keeper->renew_due_ms : keeper->second_due_ms;

	if (keeper->rebuilding || keeper->graves.filling || keeper->verifier != NULL || keeper->copy != NULL ||
	    nj_keeper_recovery_busy(keeper))
		return 1;
	if (keeper->group_waits && keeper->group_due_ms < due_ms)
		due_ms = keeper->group_due_ms;
	return due_ms > now_ms ? (uint32_t)(due_ms - now_ms) : 0;
}

/* ---- small answers ---- */

const struct nj_window *nj_keeper_window(const struct nj_keeper *keeper)
{
	return keeper->window;
}

const struct nj_spares *nj_keeper_spares(const struct nj_keeper *keeper)
{
	return keeper->rekeying.spares;
}

const struct nj_knocks_counters *nj_keeper_counters(const struct nj_keeper *keeper)
{
	return nj_knocks_counters(keeper->knocks);
}

uint32_t nj_keeper_grants(const struct nj_keeper *keeper)
{
	return nj_grants_count(keeper->grants);
}

bool nj_keeper_store_works(const struct nj_keeper *keeper)
{
	return keeper->store_works;
}
