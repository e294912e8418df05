#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/gateway_mqtt.h"
#include "daemon/gateway_proxy.h"
#include "daemon/gateway_recover.h"
#include "daemon/gateway_state.h"

#define FRAME_SLACK_BYTES 16 /* fixed header of an MQTT packet, beside its largest body */
#define OUT_MIN_BYTES (1024 * 1024)

static struct nj_log_brake failed_brake = NJ_LOG_BRAKE(20, 1000);
static struct nj_log_brake page_brake = NJ_LOG_BRAKE(5, 60000);

/* ---- what the entry reports ---- */

static void end_flow(struct gateway *g, const struct nj_addr *peer, uint16_t local_port)
{
	struct nj_ipc message = { .type = NJ_IPC_FLOW_END };

	message.as.flow.peer = *peer;
	message.as.flow.local_port = local_port;
	/* A flow that is not reported ends by itself after 64 s. */
	(void)!gateway_keeper_send(g, &message);
}

void gateway_report_bound(void *arg, const struct nj_entry_event *event)
{
	struct gateway *g = arg;
	bool weak = event->tls == NULL;
	struct nj_ipc message = { .type = NJ_IPC_BOUND };
	char via[NJ_ADDR_TEXT_BYTES];

	g->proofs.bound++;
	message.as.bound.grant_id = event->grant->id;
	message.as.bound.peer = *event->peer;
	message.as.bound.local_port = event->local->port;
	message.as.bound.weak = weak;
	if (event->via != NULL)
		message.as.bound.via = *event->via;
	gateway_posture_note(g, event->party, event->tls);
	if (gateway_keeper_send(g, &message) != NJ_OK)
		NJ_LOG(NJ_LOG_WARN, "keeper.unreported", NJ_S("name", event->party->names.name));
	NJ_LOG(NJ_LOG_INFO, "bound", NJ_S("kind", nj_party_kind_name(event->party->kind)),
	       NJ_S("name", event->party->names.name), NJ_S("service", nj_service_name(event->service)),
	       NJ_A("peer", event->peer), NJ_S("tls", weak ? "none" : event->tls->version),
	       NJ_S("cipher", weak ? "none" : event->tls->cipher),
	       NJ_S("by", weak                    ? "password"
			  : event->tls->psk_bound ? "key"
						  : "certificate"),
	       NJ_S("proxy", event->via != NULL ? nj_addr_text(event->via, via) : "none"));
}

void gateway_report_failed(void *arg, const struct nj_entry_event *event)
{
	struct gateway *g = arg;
	uint64_t suppressed = 0;

	end_flow(g, event->peer, event->local->port);
	g->proofs.failed++;
	if (!nj_log_brake_pass(&failed_brake, nj_clock_system(), &suppressed))
		return;
	NJ_LOG(NJ_LOG_WARN, "bind.failed", NJ_A("peer", event->peer), NJ_S("service", nj_service_name(event->service)),
	       NJ_S("reason", event->reason), NJ_U("suppressed", suppressed));
	gateway_audit_write(g, NJ_AUDIT_BIND_FAILED, NULL, event->peer, event->reason);
}

static size_t served(void *arg)
{
	const struct gateway *g = arg;

	return gateway_mqtt_connections(g) + gateway_recover_connections(g);
}

static size_t max_in_bytes(const struct gateway *g)
{
	return g->config->settings.mqtt.max_packet_bytes + FRAME_SLACK_BYTES;
}

uint32_t gateway_out_bytes(const struct gateway *g)
{
	uint32_t want = g->config->settings.mqtt.max_packet_bytes * 4;

	return want < OUT_MIN_BYTES ? OUT_MIN_BYTES : want;
}

/* ---- accepting ---- */

/* A connection that needs no knock. */
static struct nj_conn *open_local(struct gateway_listener *here, int fd, const struct nj_addr *peer)
{
	struct gateway *g = here->gateway;
	const int one = 1;
	struct nj_conn *conn = NULL;
	struct nj_ticket *ticket = NULL;
	struct nj_conn_config config = {
		.fd = fd,
		.peer = *peer,
		.local = here->listener.local,
		.tls = nj_service_is_tls(here->service) ? g->tls_local : NULL,
		.websocket = &here->websocket,
		.max_in_bytes = max_in_bytes(g),
		.max_out_bytes = gateway_out_bytes(g),
		.hello_timeout_ms = g->config->settings.limits.hello_timeout_ms,
		.ops = gateway_mqtt_idle_ops(),
	};

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (gateway_mqtt_connections(g) >= g->config->settings.limits.connections ||
	    nj_crowd_toll(g->crowd, &here->listener.local, peer, &ticket) != NJ_OK) {
		close(fd);
		return NULL;
	}
	if (nj_conn_new(g->reactor, &config, &conn) != NJ_OK) {
		nj_crowd_leave(ticket);
		return NULL;
	}
	/* Without TLS there is nothing that could be proved here. */
	if (config.tls == NULL)
		nj_crowd_proven(ticket);
	nj_crowd_pay(ticket, conn);
	return conn;
}

static void serve_local(struct gateway_listener *here, int fd, const struct nj_addr *peer, const struct nj_addr *via)
{
	struct gateway *g = here->gateway;
	struct nj_party *party =
	    nj_directory_by_name(g->directory, NJ_CUSTOMER_DEFAULT, NJ_PARTY_APPLICATION, here->local->as);

	if (party == NULL) {
		close(fd);
		return;
	}
	struct nj_conn *conn = open_local(here, fd, peer);
	if (conn != NULL)
		gateway_mqtt_serve_local(g, conn, party, here->asks ? &here->verifier : NULL);
}

static void serve_cloaked(struct gateway_listener *here, int fd, const struct nj_addr *peer, const struct nj_addr *via)
{
	const struct nj_arrival arrival = {
		.fd = fd, .peer = peer, .local = &here->listener.local, .via = via, .service = here->service
	};
	struct gateway *g = here->gateway;

	if (nj_service_is_tls(here->service)) {
		nj_entry_accept(g->entry, &arrival, g->tls);
		return;
	}
	struct nj_conn *conn = NULL;
	struct nj_visitor *visitor = nj_entry_lend(g->entry, &arrival, &conn);
	if (visitor != NULL)
		gateway_mqtt_serve_plain(g, conn, visitor);
}

static void on_accept(struct nj_listener *listener, int fd, const struct nj_addr *peer)
{
	struct gateway_listener *here = listener->user;

	if (!gateway_proxy_take(here, fd, peer))
		here->serve(here, fd, peer, NULL);
}

static void serve_bound(void *arg, struct nj_conn *conn, const struct nj_grant *grant, struct nj_party *party)
{
	struct gateway *g = arg;

	switch (grant->service) {
	case NJ_SERVICE_MQTTS:
		gateway_mqtt_serve(g, conn, party, grant->rekey ? grant->id : 0);
		return;
	case NJ_SERVICE_ENROLMENT:
		gateway_recover_serve(g, conn, grant);
		return;
	default:
		nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
	}
}

/* Whatever page somebody's browser has open can cause it. */
static void on_page_refused(void *arg, const struct nj_addr *peer, struct nj_view origin)
{
	struct gateway *g = arg;
	char page[NJ_ORIGIN_BYTES] = "?";
	char detail[NJ_ORIGIN_BYTES + 64];
	uint64_t suppressed = 0;

	g->origins_refused++;
	if (!nj_log_brake_pass(&page_brake, nj_clock_system(), &suppressed))
		return;
	if (nj_utf8_valid(origin))
		(void)!nj_text_copy_view(page, sizeof(page), nj_utf8_cut(origin, sizeof(page) - 1));
	NJ_LOG(NJ_LOG_WARN, "origin.refused", NJ_S("origin", page), NJ_A("peer", peer), NJ_U("suppressed", suppressed));
	(void)!nj_text_format(detail, sizeof(detail), "%s, and %llu more before it", page,
			      (unsigned long long)suppressed);
	gateway_audit_write(g, NJ_AUDIT_ORIGIN_REFUSED, NULL, peer, detail);
}

static struct nj_ws_policy pages_of(struct gateway *g, const struct nj_origins *origins)
{
	return (struct nj_ws_policy){ .origins = origins, .refused = on_page_refused, .arg = g };
}

enum nj_err gateway_listen_init(struct gateway *g, struct nj_random *random)
{
	const struct nj_handles *handles = &g->config->handles;
	struct nj_entry_config config = {
		.reactor = g->reactor,
		.door = g->door,
		.directory = g->directory,
		.crowd = g->crowd,
		.limits = &g->config->settings.limits,
		.max_in_bytes = max_in_bytes(g),
		.max_out_bytes = gateway_out_bytes(g),
		.websocket = &g->websocket,
		.arg = g,
		.serve = serve_bound,
		.on_bound = gateway_report_bound,
		.on_failed = gateway_report_failed,
		.trust = gateway_trust_of,
		.served = served,
	};

	g->websocket = pages_of(g, &g->config->settings.mqtt.origins);
	for (size_t i = 0; i < handles->count; i++) {
		const struct nj_handle *handle = &handles->at[i];
		if (handle->kind != NJ_HANDLE_LISTENER && handle->kind != NJ_HANDLE_LOCAL)
			continue;
		struct gateway_listener *here = &g->listeners[g->listener_count++];
		here->gateway = g;
		here->fd = handle->fd;
		here->service = handle->service;
		here->listener.local = handle->addr;
		here->listener.user = here;
		here->listener.on_accept = on_accept;
		here->serve = serve_cloaked;
		here->proxies = nj_settings_proxies_of(&g->config->settings, handle->service);
		if (handle->kind == NJ_HANDLE_LOCAL) {
			here->local = &g->config->settings.local[handle->index];
			here->serve = serve_local;
			here->proxies = &here->local->proxy;
			here->websocket = pages_of(g, &here->local->origins);
			/* It was checked when the gateway started. */
			here->asks = here->local->verifier[0] != '\0';
			if (here->asks)
				NJ_TRY(nj_scram_verifier_parse(here->local->verifier, &here->verifier));
		}
	}
	return nj_entry_new(&config, random, &g->entry);
}

enum nj_err gateway_listen_start(struct gateway *g)
{
	for (size_t i = 0; i < g->listener_count; i++) {
		struct gateway_listener *here = &g->listeners[i];
		NJ_TRY(nj_listener_start(g->reactor, &here->listener, here->fd));
		here->running = true;
	}
	return NJ_OK;
}

void gateway_listen_stop(struct gateway *g)
{
	for (size_t i = 0; i < g->listener_count; i++) {
		if (g->listeners[i].running)
			nj_listener_stop(&g->listeners[i].listener);
		g->listeners[i].running = false;
	}
}
