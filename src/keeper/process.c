#include "keeper/process.h"

#include <unistd.h>

#include "base/log.h"
#include "bus/control.h"
#include "identity/party.h"
#include "keeper/ward.h"

#define KNOCK_SOCKETS_MAX 32
#define GATEWAY_AGAIN_MS 1000 /* between two tries to greet a gateway */

struct process {
	struct nj_reactor *reactor;
	struct nj_keeper *keeper;
	struct nj_link *link;
	struct nj_ward_link *ward;
	struct nj_channel control;
	bool control_up;
	struct nj_admin_server *admin;
	struct nj_admin_verb *locked_verbs; /* while the vault is locked */
	const struct nj_keeper_process_config *config;
	struct nj_why *why;
	enum nj_err failed; /* what ended the loop, other than the supervisor */
	struct nj_udp udp[KNOCK_SOCKETS_MAX];
	size_t udp_count;
	struct nj_timer tick;
	const struct nj_clock *clock;
	bool had_gateway;
	int gateway_waits; /* its channel, while what it is greeted with cannot be had; -1: none waits */
	uint64_t gateway_again_ms;
	struct nj_log_brake unreached;
	struct nj_log_brake forged;
	struct nj_log_brake limited;
	struct nj_log_brake cloak;
};

/* ---- what the keeper tells ---- */

static void log_knock(void *arg, const struct nj_knock_fact *fact)
{
	char service[NJ_KNOCK_SERVICE_BYTES];
	bool accepted = fact->verdict == NJ_KNOCK_ACCEPTED;
	bool cloned = fact->verdict == NJ_KNOCK_CLONED;

	NJ_LOG(accepted ? NJ_LOG_INFO
	       : cloned ? NJ_LOG_ERROR
			: NJ_LOG_WARN,
	       accepted ? "knock.accepted"
	       : cloned ? "key.cloned"
			: "knock.refused",
	       NJ_S("customer", fact->customer), NJ_S(nj_party_kind_name(fact->kind), fact->name),
	       NJ_A("source", &fact->source), NJ_S("service", nj_knock_service_text(fact, service)),
	       NJ_S("verdict", nj_knock_verdict_text(fact->verdict)), NJ_U("counter", fact->counter),
	       NJ_U("grant_ms", fact->lifetime_ms));
}

static void log_braked(struct process *p, struct nj_log_brake *brake, const char *event,
		       const struct nj_knock_fact *fact)
{
	uint64_t held_back;

	if (nj_log_brake_pass(brake, p->clock, &held_back))
		NJ_LOG(NJ_LOG_WARN, event, NJ_S("customer", fact->customer),
		       NJ_S(nj_party_kind_name(fact->kind), fact->name), NJ_A("source", &fact->source),
		       NJ_U("suppressed", held_back));
}

static void log_forged(void *arg, const struct nj_knock_fact *fact)
{
	struct process *p = arg;

	log_braked(p, &p->forged, "knock.forged", fact);
}

static void log_limited(void *arg, const struct nj_knock_fact *fact)
{
	struct process *p = arg;

	log_braked(p, &p->limited, "knock.limited", fact);
}

static void log_not_granted(void *arg, const struct nj_knock_fact *fact, enum nj_err err)
{
	NJ_LOG(NJ_LOG_WARN, "grant.failed", NJ_S(nj_party_kind_name(fact->kind), fact->name),
	       NJ_A("source", &fact->source), NJ_E(err));
}

static void log_opened(void *arg, uint64_t grant_id)
{
	NJ_LOG(NJ_LOG_DEBUG, "grant.opened", NJ_U("grant", grant_id));
}

static void log_ended(void *arg, uint64_t grant_id, const struct nj_grant_spec *spec, enum nj_grant_end end)
{
	const char *event = end == NJ_GRANT_BOUND ? "bound" : end == NJ_GRANT_EXPIRED ? "grant.expired" : "grant.ended";

	/* The gateway logs a binding too, and knows more of it. */
	NJ_LOG(end == NJ_GRANT_BOUND ? NJ_LOG_DEBUG : NJ_LOG_INFO, event, NJ_S("name", spec->name),
	       NJ_A("source", &spec->source), NJ_S("service", nj_service_name(spec->service)),
	       NJ_S("reason", nj_grant_end_text(end)));
}

static void log_store(void *arg, enum nj_err err)
{
	if (err == NJ_OK)
		NJ_LOG(NJ_LOG_WARN, "store.works", NJ_S("meaning", "the door may open again"));
	else
		NJ_LOG(NJ_LOG_ERROR, "store.failed", NJ_E(err),
		       NJ_S("meaning", "nothing opens until the keeper's store takes writes"));
}

static void log_cloak(void *arg, enum nj_err err)
{
	struct process *p = arg;
	uint64_t held_back;

	if (nj_log_brake_pass(&p->cloak, p->clock, &held_back))
		NJ_LOG(NJ_LOG_ERROR, "cloak.failed", NJ_E(err), NJ_U("suppressed", held_back));
}

static void log_reconciled(void *arg, const char *name, const char *what)
{
	NJ_LOG(NJ_LOG_WARN, "reconciled", NJ_S("name", name), NJ_S("outcome", what));
}

/* ---- the gateway ---- */

/* After whatever may have left something for the next group commit. */
static void rearm(struct process *p)
{
	nj_timer_arm(p->reactor, &p->tick, nj_keeper_wait_ms(p->keeper));
}

static void on_ack(void *arg, uint64_t grant_id)
{
	nj_keeper_ack(((struct process *)arg)->keeper, grant_id);
}

static void on_bound(void *arg, const struct nj_ipc_bound *bound)
{
	struct process *p = arg;

	nj_keeper_bound(p->keeper, bound);
	rearm(p);
}

static void on_rekey_ready(void *arg, const struct nj_ipc_rekey *ready)
{
	struct process *p = arg;

	nj_keeper_rekey_ready(p->keeper, ready);
	rearm(p);
}

static void on_rekey_stored(void *arg, const struct nj_ipc_rekey *stored)
{
	struct process *p = arg;

	nj_keeper_rekey_stored(p->keeper, stored);
	rearm(p);
}

static void on_flow_end(void *arg, const struct nj_ipc_flow *flow)
{
	nj_keeper_flow_end(((struct process *)arg)->keeper, flow);
}

static bool on_audit(void *arg, const struct nj_ipc_audit *audit)
{
	struct process *p = arg;
	bool allowed = nj_keeper_gateway_audit(p->keeper, audit);

	rearm(p);
	return allowed;
}

static void replace_gateway(struct process *p)
{
	static const uint8_t broke = NJ_CONTROL_PEER_BROKE;

	/* A supervisor that is gone ends both of us. */
	if (p->control_up)
		(void)!nj_channel_send(&p->control, nj_view_of(&broke, 1));
}

static void on_gone(void *arg, const char *violation)
{
	struct process *p = arg;

	if (violation != NULL) {
		NJ_LOG(NJ_LOG_ERROR, "gateway.violation", NJ_S("what", violation));
		replace_gateway(p);
	} else {
		NJ_LOG(NJ_LOG_INFO, "gateway.gone", NJ_U("grants", nj_keeper_grants(p->keeper)));
	}
	nj_keeper_gateway_gone(p->keeper);
}

/* Greets the gateway at the other end of `fd`, which is taken over unless this is NJ_ERR_AGAIN. */
static enum nj_err gateway_greet(struct process *p, int fd)
{
	struct nj_x509_pair pair = { 0 };
	struct nj_ipc_hello hello;
	const char *ca_pem;
	enum nj_err err = nj_keeper_server_pair(p->keeper, &pair, &ca_pem);
	uint64_t suppressed;

	if (err != NJ_OK) {
		if (nj_log_brake_pass(&p->unreached, p->clock, &suppressed))
			NJ_LOG(NJ_LOG_ERROR, "gateway.ungreeted", NJ_E(err), NJ_U("suppressed", suppressed));
		return NJ_ERR_AGAIN;
	}
	hello.cert_pem = nj_view_str(pair.cert_pem);
	hello.key_pem = nj_view_str(pair.key_pem);
	hello.ca_pem = nj_view_str(ca_pem);
	err = nj_link_ipc_connect(p->link, fd, &hello);
	nj_x509_pair_done(&pair);
	return err == NJ_ERR_AGAIN ? NJ_ERR_IO : err;
}

static void gateway_connect(struct process *p, int fd)
{
	enum nj_err err = gateway_greet(p, fd);

	if (err == NJ_ERR_AGAIN) {
		p->gateway_waits = fd;
		p->gateway_again_ms = nj_clock_boot_ms(p->clock) + GATEWAY_AGAIN_MS;
		return;
	}
	if (err != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "gateway.unreached", NJ_E(err));
		replace_gateway(p);
		return;
	}
	if (p->had_gateway)
		nj_keeper_note(p->keeper, &(struct nj_audit_record){
					      .event = NJ_AUDIT_RESTART, .subject = "gateway", .source = "keeper" });
	p->had_gateway = true;
	nj_keeper_gateway_here(p->keeper);
}

/* The one that waits, if it is time; another one takes its place. */
static int gateway_take_waiting(struct process *p)
{
	int fd = p->gateway_waits;

	p->gateway_waits = -1;
	return fd;
}

static void gateway_again(struct process *p)
{
	if (p->gateway_waits >= 0 && nj_clock_boot_ms(p->clock) >= p->gateway_again_ms)
		gateway_connect(p, gateway_take_waiting(p));
}

static void gateway_new(struct process *p, int fd)
{
	if (p->gateway_waits >= 0)
		(void)close(gateway_take_waiting(p));
	gateway_connect(p, fd);
}

/* ---- the warden ---- */

static void on_ward_failed(void *arg, enum nj_ward_kind kind, uint16_t port, enum nj_err err)
{
	log_cloak(arg, err);
}

static void on_ward_changed(void *arg, struct nj_view caller, struct nj_view detail)
{
	struct process *p = arg;
	char by[NJ_WARD_TEXT_MAX + 1];
	char what[NJ_WARD_TEXT_MAX + 1];

	if (!nj_utf8_valid(caller) || !nj_utf8_valid(detail) || nj_text_copy_view(by, sizeof(by), caller) != NJ_OK ||
	    nj_text_copy_view(what, sizeof(what), detail) != NJ_OK)
		return;
	nj_keeper_perimeter_changed(p->keeper, by, what);
	rearm(p);
}

static void on_ward_gone(void *arg, const char *violation)
{
	if (violation != NULL)
		NJ_LOG(NJ_LOG_ERROR, "warden.violation", NJ_S("what", violation));
}

static void ward_connect(struct process *p, int fd)
{
	enum nj_err err = nj_ward_link_connect(p->ward, fd);

	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "warden.unreached", NJ_E(err));
	else
		nj_keeper_let_proxies_in(p->keeper);
}

/* ---- the supervisor ---- */

static void ask_reload(void *arg)
{
	static const uint8_t type = NJ_CONTROL_RELOAD;
	struct process *p = arg;

	if (p->control_up)
		(void)!nj_channel_send(&p->control, nj_view_of(&type, 1));
}

static void take_config(struct process *p, int fd, struct nj_view changes)
{
	struct nj_keeper_config config;
	struct nj_why why = { "" };

	if (p->config->read_config == NULL)
		return;
	if (p->config->read_config(p->config->read_config_arg, fd, &config, &why) == NJ_OK) {
		nj_keeper_reconfigure(p->keeper, &config);
		nj_keeper_reloaded(p->keeper, changes);
	} else {
		NJ_LOG(NJ_LOG_ERROR, "reload.failed", NJ_S("reason", why.text));
		nj_keeper_reload_refused(p->keeper, nj_view_str(why.text));
	}
	if (p->link != NULL)
		rearm(p);
}

static void on_control(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	struct process *p = channel->user;
	uint8_t type = message.len >= 1 ? message.data[0] : 0;
	struct nj_view text = message.len >= 1 ? nj_view_of(message.data + 1, message.len - 1) : message;

	if (type == NJ_CONTROL_PEER && fd_count == 1) {
		gateway_new(p, fds[0]);
		return;
	}
	if (type == NJ_CONTROL_WARDEN && fd_count == 1) {
		ward_connect(p, fds[0]);
		return;
	}
	if (type == NJ_CONTROL_CONFIG && fd_count == 1)
		take_config(p, fds[0], text);
	else if (type == NJ_CONTROL_CONFIG_REFUSED)
		nj_keeper_reload_refused(p->keeper, text);
	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]);
	if (type == NJ_CONTROL_STOP)
		nj_reactor_stop(p->reactor);
	else if (type != NJ_CONTROL_CONFIG && type != NJ_CONTROL_CONFIG_REFUSED)
		NJ_LOG(NJ_LOG_ERROR, "supervisor.unknown", NJ_U("message", type));
}

static void on_control_closed(struct nj_channel *channel)
{
	struct process *p = channel->user;

	p->control_up = false;
	NJ_LOG(NJ_LOG_ERROR, "supervisor.gone");
	nj_reactor_stop(p->reactor);
}

/* ---- time and knocks ---- */

static void on_tick(struct nj_timer *timer)
{
	struct process *p = NJ_CONTAINER(timer, struct process, tick);

	nj_keeper_tick(p->keeper);
	gateway_again(p);
	rearm(p);
}

static void on_datagrams(struct nj_udp *udp, const struct nj_udp_datagram *datagrams, size_t count)
{
	struct process *p = udp->user;

	nj_keeper_datagrams(p->keeper, datagrams, count);
	rearm(p);
}

/* ---- start, end ---- */

static void process_init(struct process *p, const struct nj_keeper_process_config *config)
{
	static const struct nj_log_brake brake = NJ_LOG_BRAKE(5, 10000);

	*p = (struct process){
		.config = config, .clock = config->keeper.clock, .forged = brake, .limited = brake, .cloak = brake
	};
	p->unreached = brake;
	p->gateway_waits = -1;
	p->tick.on_timer = on_tick;
	p->control = (struct nj_channel){ .on_message = on_control, .on_closed = on_control_closed, .user = p };
}

static void on_unlocked(void *arg);

static void log_unlock_failed(void *arg, uint32_t failures)
{
	NJ_LOG(NJ_LOG_WARN, "vault.unlock-failed", NJ_U("failures", failures));
}

static enum nj_err open_keeper(struct process *p, const struct nj_keeper_process_config *config, struct nj_why *why)
{
	struct nj_keeper_config keeper = config->keeper;
	const struct nj_keeper_watch watch = {
		.knock = log_knock,
		.forged = log_forged,
		.limited = log_limited,
		.not_granted = log_not_granted,
		.opened = log_opened,
		.ended = log_ended,
		.store = log_store,
		.cloak_failed = log_cloak,
		.reconciled = log_reconciled,
		.reload = ask_reload,
		.unlocked = on_unlocked,
		.unlock_failed = log_unlock_failed,
		.arg = p,
	};
	struct nj_vault_report report = { 0 };

	keeper.may_lock = true;
	NJ_TRY(nj_keeper_open(&keeper, &p->keeper, &report, why));
	if (report.degraded > 0)
		NJ_LOG(NJ_LOG_ERROR, "vault.degraded", NJ_U("slots", report.slots), NJ_U("failed", report.degraded));
	nj_keeper_watch(p->keeper, &watch);
	return NJ_OK;
}

static enum nj_err open_sockets(struct process *p, const struct nj_keeper_process_config *config)
{
	if (config->knock_fd_count > KNOCK_SOCKETS_MAX)
		return NJ_ERR_LIMIT;
	for (size_t i = 0; i < config->knock_fd_count; i++) {
		p->udp[i] = (struct nj_udp){ .on_datagrams = on_datagrams, .user = p };
		NJ_TRY(nj_udp_start(p->reactor, &p->udp[i], config->knock_fds[i]));
		p->udp_count++;
	}
	return NJ_OK;
}

/* With the vault open: everything that answers a device. */
static enum nj_err begin_serving(struct process *p, struct nj_why *why)
{
	const struct nj_link_events events = {
		.ack = on_ack,
		.bound = on_bound,
		.flow_end = on_flow_end,
		.rekey_ready = on_rekey_ready,
		.rekey_stored = on_rekey_stored,
		.audit = on_audit,
		.gone = on_gone,
		.arg = p,
	};
	const struct nj_ward_events ward = {
		.failed = on_ward_failed, .changed = on_ward_changed, .gone = on_ward_gone, .arg = p
	};
	struct nj_cloak *cloak = p->config->cloak;
	enum nj_err err;

	NJ_TRY(nj_link_ipc_new(p->reactor, &events, &p->link));
	nj_keeper_set_link(p->keeper, p->link);
	NJ_TRY(nj_ward_link_new(p->reactor, &ward, &p->ward));
	nj_keeper_set_guards(p->keeper, nj_ward_link_cloak(p->ward, NJ_WARD_GUARDS));
	if (cloak == NULL)
		cloak = nj_ward_link_cloak(p->ward, NJ_WARD_LISTENERS);
	NJ_TRY(nj_keeper_start(p->keeper, cloak, why));
	nj_admin_server_set_verbs(p->admin, nj_keeper_verbs, nj_keeper_verb_count);
	err = open_sockets(p, p->config);
	if (err != NJ_OK)
		return nj_why(why, err, "the knock sockets cannot be used: %s", nj_err_text(err));
	return NJ_OK;
}

static enum nj_err say_ready(struct process *p)
{
	static const uint8_t ready = NJ_CONTROL_READY;

	return nj_channel_send(&p->control, nj_view_of(&ready, 1));
}

static void on_unlocked(void *arg)
{
	struct process *p = arg;
	enum nj_err err = begin_serving(p, p->why);

	NJ_LOG(NJ_LOG_INFO, "vault.unlocked", NJ_B("serving", err == NJ_OK));
	if (err == NJ_OK)
		err = say_ready(p);
	if (err == NJ_OK) {
		rearm(p);
		return;
	}
	p->failed = err;
	nj_reactor_stop(p->reactor);
}

static enum nj_err open_admin(struct process *p)
{
	p->locked_verbs = calloc(nj_keeper_verb_count, sizeof(*p->locked_verbs));
	if (p->locked_verbs == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_keeper_locked_verbs(p->locked_verbs);
	return nj_admin_server_new(p->reactor, p->config->admin_fd, p->config->owner_uid, p->locked_verbs,
				   nj_keeper_verb_count, p->keeper, &p->admin);
}

static enum nj_err open_all(struct process *p, const struct nj_keeper_process_config *config, struct nj_why *why)
{
	bool locked;

	NJ_TRY(nj_reactor_new(config->keeper.clock, &p->reactor));
	NJ_TRY(open_keeper(p, config, why));
	NJ_TRY(open_admin(p));
	NJ_TRY(nj_channel_start(p->reactor, &p->control, config->control_fd, NJ_CHANNEL_MAX_BYTES));
	p->control_up = true;
	locked = nj_keeper_locked(p->keeper);
	if (!locked)
		NJ_TRY(begin_serving(p, why));
	if (config->before_loop != NULL)
		NJ_TRY(config->before_loop(config->before_loop_arg, why));
	if (!locked)
		return say_ready(p);
	NJ_LOG(NJ_LOG_WARN, "vault.locked", NJ_S("meaning", "every port stays dark until nightjar vault unlock"),
	       NJ_S("reason", why->text));
	why->text[0] = '\0';
	return NJ_OK;
}

/* Requests fail first, so that whoever waits for an answer gets it while the socket is still served. */
static enum nj_err end_in_order(struct process *p)
{
	enum nj_err err;

	if (p->link != NULL)
		nj_link_ipc_drop(p->link, NULL);
	err = nj_keeper_stop(p->keeper);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "stop.unrecorded", NJ_E(err));
	return err;
}

static void process_done(struct process *p)
{
	for (size_t i = 0; i < p->udp_count; i++)
		nj_udp_stop(&p->udp[i]);
	nj_timer_cancel(&p->tick);
	if (p->control_up)
		nj_channel_stop(&p->control);
	nj_admin_server_free(p->admin);
	if (p->gateway_waits >= 0)
		(void)close(gateway_take_waiting(p));
	if (p->link != NULL)
		p->link->ops->free(p->link);
	nj_keeper_close(p->keeper);
	free(p->locked_verbs);
	nj_ward_link_free(p->ward);
	nj_reactor_free(p->reactor);
}

enum nj_err nj_keeper_serve(const struct nj_keeper_process_config *config, struct nj_why *why)
{
	struct process *p = calloc(1, sizeof(*p));
	enum nj_err err;

	if (p == NULL)
		return NJ_ERR_NO_MEMORY;
	process_init(p, config);
	p->why = why;
	why->text[0] = '\0';
	err = open_all(p, config, why);
	if (err == NJ_OK) {
		if (p->link != NULL)
			rearm(p);
		err = nj_reactor_run(p->reactor);
		if (err == NJ_OK)
			err = p->failed;
		if (end_in_order(p) != NJ_OK && err == NJ_OK)
			err = NJ_ERR_IO;
	}
	process_done(p);
	free(p);
	if (err != NJ_OK && why->text[0] == '\0')
		(void)nj_why(why, err, "the keeper cannot serve: %s", nj_err_text(err));
	return err;
}
