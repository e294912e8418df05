#include "daemon/gateway_metrics.h"

#include "daemon/gateway_bridge.h"
#include "daemon/gateway_messages.h"
#include "daemon/gateway_state.h"

struct snapshot {
	uint64_t one;
	uint64_t started_s;
	struct nj_mqtt_counters mqtt;
	uint64_t memory_limit_bytes;
	uint64_t connections_limit;
	uint64_t unproven;
	uint64_t grants;
	uint64_t bound;
	uint64_t bind_failed;
	uint64_t proxy_refused;
	uint64_t proxy_strangers;
	uint64_t origins_refused;
	uint64_t keeper_up;
	uint64_t audit_queued;
	uint64_t audit_lost;
	uint64_t parties;
	uint64_t listening;
	uint64_t disk_works;
	struct nj_mqtt_durable_state disk;
	struct nj_committer_stats commits;
};

#define COUNTER(metric, text, at)                                                                \
	{                                                                                        \
		.name = "nightjar_" metric, .type = NJ_METRIC_COUNTER, .unit = "", .help = text, \
		.offset = offsetof(struct snapshot, at)                                          \
	}
#define GAUGE(metric, text, at)                                                                \
	{                                                                                      \
		.name = "nightjar_" metric, .type = NJ_METRIC_GAUGE, .unit = "", .help = text, \
		.offset = offsetof(struct snapshot, at)                                        \
	}
#define UNIT(metric, kind, of, text, at)                                                        \
	{                                                                                       \
		.name = "nightjar_" metric, .type = NJ_METRIC_##kind, .unit = of, .help = text, \
		.offset = offsetof(struct snapshot, at)                                         \
	}
#define LABELLED(metric, kind, label, text, at)                                                                  \
	{                                                                                                        \
		.name = "nightjar_" metric, .type = NJ_METRIC_##kind, .unit = "", .help = text, .labels = label, \
		.offset = offsetof(struct snapshot, at)                                                          \
	}

const struct nj_metric gateway_metrics[] = {
	LABELLED("build", INFO, "version=\"" NJ_VERSION "\"", "The program", one),
	UNIT("gateway_start_time_seconds", GAUGE, "seconds", "When the gateway process started, Unix time", started_s),
	/* the broker */
	GAUGE("mqtt_connections", "Connections that MQTT holds", mqtt.connections),
	GAUGE("mqtt_sessions", "Sessions, connected or not", mqtt.sessions),
	GAUGE("mqtt_subscriptions", "Subscriptions of all sessions", mqtt.subscriptions),
	GAUGE("mqtt_retained_messages", "Retained messages", mqtt.retained),
	UNIT("mqtt_memory_bytes", GAUGE, "bytes",
	     "Memory of messages, sessions, subscriptions and connections' buffers", mqtt.memory_bytes),
	UNIT("mqtt_memory_limit_bytes", GAUGE, "bytes", "The ceiling of that memory (limits.memory)",
	     memory_limit_bytes),
	LABELLED("mqtt_messages", COUNTER, "direction=\"in\"", "PUBLISH packets", mqtt.messages_in),
	LABELLED("mqtt_messages", COUNTER, "direction=\"out\"", "PUBLISH packets", mqtt.messages_out),
	{ "nightjar_mqtt_payload_bytes", NJ_METRIC_COUNTER, "bytes", "Payloads of PUBLISH packets", "direction=\"in\"",
	  offsetof(struct snapshot, mqtt.payload_bytes_in) },
	{ "nightjar_mqtt_payload_bytes", NJ_METRIC_COUNTER, "bytes", "Payloads of PUBLISH packets", "direction=\"out\"",
	  offsetof(struct snapshot, mqtt.payload_bytes_out) },
	COUNTER("mqtt_messages_dropped", "Deliveries given up: no room, expired, too large for the receiver",
		mqtt.messages_dropped),
	COUNTER("mqtt_messages_discarded", "Of those: they waited in a full queue, and went for newer ones",
		mqtt.messages_discarded),
	COUNTER("mqtt_messages_denied", "Publishes and deliveries that no rule, or its contract, allows",
		mqtt.messages_denied),
	COUNTER("mqtt_subscribes_denied", "Filters of SUBSCRIBE that no rule allows", mqtt.subscribes_denied),
	COUNTER("mqtt_wills", "Wills published", mqtt.wills),
	COUNTER("mqtt_faults", "Connections ended for what they sent", mqtt.faults),
	/* the entry */
	GAUGE("entry_connections_limit", "The most connections at once (limits.connections)", connections_limit),
	GAUGE("entry_unproven_connections", "Connections that have proved nothing yet", unproven),
	GAUGE("entry_grants", "Knocks whose connection has not come yet", grants),
	LABELLED("entry_proofs", COUNTER, "outcome=\"bound\"", "Connections that were to prove a knock", bound),
	LABELLED("entry_proofs", COUNTER, "outcome=\"failed\"", "Connections that were to prove a knock", bind_failed),
	LABELLED("entry_proxied_refused", COUNTER, "reason=\"header\"",
		 "Connections of listed proxies that were closed before any proof", proxy_refused),
	LABELLED("entry_proxied_refused", COUNTER, "reason=\"no_knock\"",
		 "Connections of listed proxies that were closed before any proof", proxy_strangers),
	COUNTER("entry_origins_refused", "Requests of web pages that are not listed for a WebSocket", origins_refused),
	GAUGE("listeners", "Listeners that accept connections", listening),
	/* the link to the keeper, and the store */
	GAUGE("keeper_link_up", "1 while the keeper is reached", keeper_up),
	GAUGE("audit_queue_records", "Audit records on their way to the keeper", audit_queued),
	COUNTER("audit_records_lost", "Audit records dropped because the queue was full", audit_lost),
	GAUGE("store_works", "1 while the store of messages takes commits", disk_works),
	UNIT("store_queued_bytes", GAUGE, "bytes", "Messages that wait on disk for sessions", disk.queued_bytes),
	COUNTER("store_refused", "Records that the store of messages had no room for", disk.refused),
	COUNTER("store_commits", "Commits of the store of messages", commits.commits),
	COUNTER("store_operations", "Operations in those commits", commits.operations),
	COUNTER("store_failures", "Commits of the store of messages that failed", commits.failures),
	COUNTER("store_checkpoints", "Times that its log was moved into its file", commits.checkpoints),
	GAUGE("directory_parties", "Devices and applications that the store holds", parties),
};
const size_t gateway_metric_count = sizeof(gateway_metrics) / sizeof(gateway_metrics[0]);

static struct snapshot snapshot_of(const struct gateway *g)
{
	struct snapshot s = {
		.one = 1,
		.started_s = g->started_ms / 1000,
		.mqtt = nj_mqtt_fabric_counters(g->fabric),
		.memory_limit_bytes = g->config->settings.limits.memory_bytes,
		.connections_limit = g->config->settings.limits.connections,
		.unproven = nj_entry_count(g->entry),
		.grants = nj_door_count(g->door),
		.bound = g->proofs.bound,
		.bind_failed = g->proofs.failed,
		.proxy_refused = g->proxied.refused,
		.proxy_strangers = g->proxied.strangers,
		.origins_refused = g->origins_refused,
		.keeper_up = g->keeper_up,
		.audit_queued = g->audit.count,
		.audit_lost = g->audit.lost_ever,
		.parties = nj_directory_count(g->directory),
	};

	gateway_messages_count(g, &s.disk, &s.commits);
	s.disk_works = !s.disk.troubled;
	for (size_t i = 0; i < g->listener_count; i++)
		s.listening += g->listeners[i].running;
	return s;
}

void gateway_handle_metrics(void *arg, struct nj_admin_call *call)
{
	const struct snapshot s = snapshot_of(arg);
	char *text = nj_metrics_text(gateway_metrics, gateway_metric_count, &s);
	char *bridges = gateway_bridges_metrics(arg);

	/* Of a part without memory the other is told. */
	nj_admin_ok(call, text != NULL ? json_pack("{s:s+}", "text", text, bridges != NULL ? bridges : "") : NULL);
	free(text);
	free(bridges);
}
