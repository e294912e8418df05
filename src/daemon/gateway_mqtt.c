#include "daemon/gateway_mqtt.h"

#include "daemon/gateway_crowd.h"
#include "daemon/gateway_fabric.h"
#include "daemon/gateway_rekey.h"

#include "base/log.h"
#include "base/text.h"

#define TOPIC_ALIAS_MAX 16
#define DENIED_PUBLISH_LIMIT 100
#define CLIENT_SHOWN_BYTES 64

static struct nj_log_brake denied_brake = NJ_LOG_BRAKE(50, 200);
static struct nj_log_brake closed_brake = NJ_LOG_BRAKE(50, 200);
static struct nj_log_brake error_brake = NJ_LOG_BRAKE(20, 1000);
static struct nj_log_brake full_brake = NJ_LOG_BRAKE(20, 1000);

static const char *party_name(const struct nj_party *party)
{
	return party != NULL ? party->names.name : "";
}

static void on_connected(void *arg, const struct nj_mqtt_seen *seen)
{
	gateway_rekey_ready(arg, seen);
	NJ_LOG(NJ_LOG_INFO, "mqtt.connected", NJ_S("name", party_name(seen->party)), NJ_V("client", seen->client_id),
	       NJ_A("peer", seen->peer), NJ_U("version", seen->version), NJ_U("keep_alive_s", seen->keep_alive_s),
	       NJ_B("clean", seen->clean_start), NJ_B("present", seen->session_present));
}

/* What the connection was bound by, as the records of its knock or certificate name it. */
static void proof_of(const struct nj_mqtt_seen *seen, char *out, size_t cap)
{
	const struct nj_tls_facts *tls = seen->conn != NULL ? nj_conn_tls_facts(seen->conn) : NULL;
	const char *how = seen->local ? "local" : "password";

	if (tls == NULL)
		snprintf(out, cap, "%s", how);
	else if (tls->psk_bound)
		snprintf(out, cap, "knock %s", tls->psk_identity);
	else
		snprintf(out, cap, "certificate %s", tls->certificate);
}

/* Whoever comes and goes all the time fills the log no faster than the brake lets him. */
static void tell_end(struct gateway_notice *notice)
{
	uint64_t suppressed = 0;

	if (notice->text[0] != '\0' && nj_log_brake_pass(&closed_brake, nj_clock_system(), &suppressed))
		gateway_audit_write(notice->gateway, NJ_AUDIT_SESSION_CLOSED, notice->party,
				    notice->has_peer ? &notice->peer : NULL, notice->text);
}

static void record_end(struct gateway *g, const struct nj_mqtt_seen *seen, enum nj_close why, uint8_t reason)
{
	struct nj_view client = nj_utf8_cut(seen->client_id, CLIENT_SHOWN_BYTES);
	char detail[CLIENT_SHOWN_BYTES + 256];
	char proof[128];
	struct gateway_notice *notice = gateway_notice_new(g, seen, true, tell_end);

	if (notice == NULL)
		return;
	proof_of(seen, proof, sizeof(proof));
	if (nj_text_format(detail, sizeof(detail), "client %.*s, %s, %s, reason 0x%02x %s", (int)client.len,
			   (const char *)client.data, proof, nj_close_name(why), reason,
			   nj_mqtt_reason_text(reason)) == NJ_OK)
		gateway_notice_text(notice->text, sizeof(notice->text), nj_view_str(detail));
	gateway_notice_send(notice);
}

static void on_disconnected(void *arg, const struct nj_mqtt_seen *seen, enum nj_close why, uint8_t reason)
{
	NJ_LOG(NJ_LOG_INFO, "mqtt.disconnected", NJ_S("name", party_name(seen->party)), NJ_V("client", seen->client_id),
	       NJ_A("peer", seen->peer), NJ_S("why", nj_close_name(why)), NJ_U("reason", reason));
	record_end(arg, seen, why, reason);
}

/* A brake's share of what is told at all, with what was lost before it. */
static bool passes(struct gateway *g, struct nj_log_brake *brake, uint64_t *out_suppressed)
{
	if (!nj_log_brake_pass(brake, nj_clock_system(), out_suppressed))
		return false;
	*out_suppressed += atomic_exchange(&g->notices_lost, 0);
	return true;
}

static void tell_denied(struct gateway_notice *notice)
{
	struct gateway *g = notice->gateway;
	const char *what = notice->direction == NJ_PUBLISH ? "publish" : "subscribe";
	const struct nj_addr *peer = notice->has_peer ? &notice->peer : NULL;
	char detail[GATEWAY_AUDIT_DETAIL_BYTES + NJ_SCHEMA_FAULT_BYTES]; /* shortened as text */
	uint64_t suppressed = 0;

	if (!passes(g, &denied_brake, &suppressed))
		return;
	NJ_LOG(NJ_LOG_WARN, "denied", NJ_S("name", party_name(notice->party)), NJ_S("action", what),
	       NJ_S("topic", notice->topic), NJ_S("rule", notice->text[0] != '\0' ? notice->text : "no rule allows it"),
	       NJ_S("breach", nj_breach_name(notice->breach)), NJ_S("fault", notice->fault),
	       NJ_U("suppressed", suppressed));
	if (nj_text_format(detail, sizeof(detail), "%s %s%s%s", what, notice->topic,
			   notice->fault[0] != '\0' ? ": " : "", notice->fault) == NJ_OK)
		gateway_audit_write(g, NJ_AUDIT_DENIED, notice->party, peer, detail);
}

static void on_denied(void *arg, const struct nj_mqtt_seen *seen, enum nj_direction direction, struct nj_view topic,
		      struct nj_verdict verdict)
{
	struct gateway_notice *notice = gateway_notice_new(arg, seen, true, tell_denied);

	if (notice == NULL)
		return;
	notice->direction = direction;
	notice->breach = verdict.breach;
	/* The keeper takes nothing that is not text. */
	gateway_notice_text(notice->topic, sizeof(notice->topic), topic);
	if (verdict.pattern != NULL)
		gateway_notice_text(notice->text, sizeof(notice->text), nj_view_str(verdict.pattern));
	if (verdict.fault != NULL)
		gateway_notice_text(notice->fault, sizeof(notice->fault), nj_view_str(verdict.fault));
	gateway_notice_send(notice);
}

static void tell_error(struct gateway_notice *notice)
{
	uint64_t suppressed = 0;

	if (!passes(notice->gateway, &error_brake, &suppressed))
		return;
	NJ_LOG(NJ_LOG_WARN, "mqtt.error", NJ_S("name", party_name(notice->party)), NJ_S("client", notice->client),
	       NJ_A("peer", &notice->peer), NJ_U("reason", notice->reason), NJ_S("text", notice->text),
	       NJ_U("suppressed", suppressed));
}

static void on_error(void *arg, const struct nj_mqtt_seen *seen, uint8_t reason, const char *text)
{
	struct gateway_notice *notice = gateway_notice_new(arg, seen, true, tell_error);

	if (notice == NULL)
		return;
	notice->reason = reason;
	gateway_notice_text(notice->text, sizeof(notice->text), nj_view_str(text));
	gateway_notice_send(notice);
}

static void tell_full(struct gateway_notice *notice)
{
	uint64_t suppressed = 0;

	if (passes(notice->gateway, &full_brake, &suppressed))
		NJ_LOG(NJ_LOG_WARN, "mqtt.queue_full", NJ_S("name", party_name(notice->party)),
		       NJ_S("client", notice->client), NJ_U("discarded", notice->tag), NJ_U("suppressed", suppressed));
}

static void on_queue_full(void *arg, const struct nj_mqtt_seen *seen, uint64_t discarded)
{
	struct gateway_notice *notice = gateway_notice_new(arg, seen, true, tell_full);

	if (notice == NULL)
		return;
	notice->tag = discarded;
	gateway_notice_send(notice);
}

static enum nj_mqtt_share_policy share_policy(enum nj_settings_share share)
{
	switch (share) {
	case NJ_SETTINGS_SHARE_LEAST_QUEUED:
		return NJ_MQTT_SHARE_LEAST_QUEUED;
	case NJ_SETTINGS_SHARE_PUBLISHER:
		return NJ_MQTT_SHARE_PUBLISHER;
	case NJ_SETTINGS_SHARE_TOPIC:
		return NJ_MQTT_SHARE_TOPIC;
	case NJ_SETTINGS_SHARE_ROUND_ROBIN:
		break;
	}
	return NJ_MQTT_SHARE_ROUND_ROBIN;
}

static struct nj_mqtt_limits limits_of(const struct gateway *g)
{
	const struct nj_settings *settings = &g->config->settings;
	const struct nj_settings_mqtt *mqtt = &settings->mqtt;

	struct nj_mqtt_limits limits = {
		.max_packet_bytes = mqtt->max_packet_bytes,
		.max_out_bytes = gateway_out_bytes(g),
		.max_memory_bytes = settings->limits.memory_bytes,
		.max_queued_messages = mqtt->max_queued_messages,
		.max_queued_bytes = mqtt->max_queued_bytes,
		.customer_queued_bytes = mqtt->customer_queued_bytes,
		.total_queued_bytes = mqtt->total_queued_bytes,
		.max_inflight = mqtt->max_inflight,
		.max_topic_levels = mqtt->max_topic_levels,
		.max_topic_bytes = mqtt->max_topic_bytes,
		.max_subscriptions = mqtt->max_subscriptions,
		.max_sessions = mqtt->max_sessions,
		.keep_alive_max_s = (uint32_t)(mqtt->keep_alive_max_ms / 1000),
		.session_expiry_max_s = (uint32_t)(mqtt->session_expiry_max_ms / 1000),
		.retained_max_count = mqtt->retained_max,
		.retained_max_bytes = mqtt->retained_max_bytes,
		.topic_alias_max = TOPIC_ALIAS_MAX,
		.denied_publish_limit = DENIED_PUBLISH_LIMIT,
		.sys_interval_ms = mqtt->sys_interval_ms,
		.share_policy = share_policy(mqtt->share),
		.queue_full = mqtt->queue_full == NJ_SETTINGS_QUEUE_DROP_OLDEST ? NJ_MQTT_QUEUE_DROPS_OLDEST
										: NJ_MQTT_QUEUE_REFUSES,
		.connect_timeout_ms = settings->limits.bind_timeout_ms,
	};
	_Static_assert(sizeof(limits.server_reference) >= sizeof(mqtt->server_reference), "cut short");
	_Static_assert(sizeof(limits.response_topic) >= sizeof(mqtt->response_topic), "cut short");
	memcpy(limits.server_reference, mqtt->server_reference, sizeof(mqtt->server_reference));
	memcpy(limits.response_topic, mqtt->response_topic, sizeof(mqtt->response_topic));
	return limits;
}

void gateway_mqtt_limits_changed(struct gateway *g)
{
	struct nj_mqtt_limits limits = limits_of(g);

	nj_mqtt_fabric_set_limits(g->fabric, &limits);
}

/* ---- rights that were replaced ---- */

struct retirement {
	struct nj_mqtt_round round;
	struct nj_rights *rights;
};

static void done_retire(struct nj_mqtt_round *round)
{
	struct retirement *retirement = NJ_CONTAINER(round, struct retirement, round);

	nj_rights_unref(retirement->rights);
	free(retirement);
}

/* They are let go when no broker can be in the midst of asking them. */
static void retire(void *arg, struct nj_rights *rights)
{
	const struct gateway *g = arg;
	struct retirement *retirement = calloc(1, sizeof(*retirement));

	/* Without memory they stay. */
	if (retirement == NULL)
		return;
	retirement->rights = rights;
	retirement->round.done = done_retire;
	nj_mqtt_fabric_round(g->fabric, &retirement->round);
}

enum nj_err gateway_mqtt_init(struct gateway *g)
{
	struct nj_mqtt_limits limits = limits_of(g);
	struct nj_mqtt_hooks hooks = {
		.arg = g,
		.may_connect = gateway_crowd_may_connect,
		.on_connected = on_connected,
		.on_disconnected = on_disconnected,
		.on_denied = on_denied,
		.on_own_topic = gateway_rekey_message,
		.on_queue_full = on_queue_full,
		.on_error = on_error,
	};

	nj_directory_on_retired(g->directory, retire, g);
	return gateway_fabric_init(g, &limits, &hooks);
}

static void serve(struct gateway *g, struct nj_conn *conn, const struct nj_mqtt_entry *entry)
{
	enum nj_err err = nj_mqtt_fabric_accept(g->fabric, conn, entry);

	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_WARN, "mqtt.refused", NJ_S("name", entry->party->names.name), NJ_E(err));
}

void gateway_mqtt_serve(struct gateway *g, struct nj_conn *conn, struct nj_party *party, uint64_t rekey_grant)
{
	struct nj_mqtt_entry entry = { .party = party, .tag = rekey_grant };

	serve(g, conn, &entry);
}

void gateway_mqtt_serve_local(struct gateway *g, struct nj_conn *conn, struct nj_party *party,
			      const struct nj_scram_verifier *verifier)
{
	struct nj_mqtt_entry entry = { .party = party, .verifier = verifier, .local = true };

	serve(g, conn, &entry);
}

void gateway_mqtt_serve_bridge(struct gateway *g, struct nj_conn *conn, struct nj_party *party)
{
	struct nj_mqtt_entry entry = { .party = party, .local = true, .lasting = true };

	serve(g, conn, &entry);
}

/* ---- the plain binding ---- */

static enum nj_err authenticate(void *arg, struct nj_conn *conn, struct nj_view username, struct nj_view password,
				struct nj_party **out_party)
{
	struct nj_party *party;

	(void)conn;
	NJ_TRY(nj_visitor_prove(arg, username, password, &party));
	*out_party = nj_party_ref(party);
	return NJ_OK;
}

static void unbound(void *arg, enum nj_close why)
{
	nj_visitor_ended(arg, why);
}

void gateway_mqtt_serve_plain(struct gateway *g, struct nj_conn *conn, struct nj_visitor *visitor)
{
	struct nj_mqtt_entry entry = {
		.authenticate = authenticate,
		.unbound = unbound,
		.arg = visitor,
		.connect_timeout_ms = nj_visitor_bind_ms(visitor),
	};
	enum nj_err err = nj_mqtt_fabric_accept(g->fabric, conn, &entry);

	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_WARN, "mqtt.refused", NJ_A("peer", nj_conn_peer(conn)), NJ_E(err));
}

size_t gateway_mqtt_connections(const struct gateway *g)
{
	return (size_t)nj_mqtt_fabric_counters(g->fabric).connections;
}

/* ---- between accepting and serving nothing can come ---- */

static void idle_event(struct nj_conn *conn)
{
	(void)conn;
}

static size_t idle_data(struct nj_conn *conn, struct nj_view in)
{
	(void)conn;
	(void)in;
	return 0;
}

static void idle_close(struct nj_conn *conn, enum nj_close why)
{
	(void)conn;
	(void)why;
}

const struct nj_conn_ops *gateway_mqtt_idle_ops(void)
{
	static const struct nj_conn_ops ops = {
		.on_open = idle_event,
		.on_data = idle_data,
		.on_drained = idle_event,
		.on_close = idle_close,
	};

	return &ops;
}
