#include "daemon/gateway_proxy.h"

#include <unistd.h>

#include "base/log.h"
#include "net/proxied.h"

#define WAITING_MAX 1024

/* A public proxy lets every stranger come as far as here: what is told of them does not grow with their number. */
#define TOLD_AT_ONCE 5
#define TOLD_EVERY_MS 60000
static struct nj_log_brake stranger_brake = NJ_LOG_BRAKE(TOLD_AT_ONCE, TOLD_EVERY_MS);
static struct nj_log_brake refused_brake = NJ_LOG_BRAKE(TOLD_AT_ONCE, TOLD_EVERY_MS);

static void tell_stranger(struct gateway *g, uint16_t service, const struct nj_addr *peer, const struct nj_addr *proxy)
{
	static const char reason[] = "came by a proxy, and nobody has knocked from there";
	uint64_t suppressed = 0;

	g->proxied.strangers++;
	if (!nj_log_brake_pass(&stranger_brake, nj_clock_system(), &suppressed))
		return;
	NJ_LOG(NJ_LOG_WARN, "bind.failed", NJ_A("peer", peer), NJ_S("service", nj_service_name(service)),
	       NJ_A("proxy", proxy), NJ_S("reason", reason), NJ_U("suppressed", suppressed));
	gateway_audit_write(g, NJ_AUDIT_BIND_FAILED, NULL, peer, reason);
}

static const char *refusal(enum nj_err err)
{
	switch (err) {
	case NJ_ERR_MALFORMED:
		return "what it sent is no PROXY header of version 2";
	case NJ_ERR_UNSUPPORTED:
		return "its PROXY header is not for TCP over IPv4 or IPv6";
	case NJ_ERR_TOO_LARGE:
		return "its PROXY header is too long";
	case NJ_ERR_FORGED:
		return "the checksum of its PROXY header is wrong";
	case NJ_ERR_TIMEOUT:
		return "its PROXY header did not come in time";
	case NJ_ERR_CLOSED:
		return "it went away before its PROXY header had come";
	case NJ_ERR_LIMIT:
		return "too many connections wait for their PROXY headers";
	case NJ_ERR_DENIED:
		return "its PROXY header names an address of this machine";
	default:
		return nj_err_text(err);
	}
}

static void on_refused(void *arg, void *origin, const struct nj_addr *proxy, enum nj_err err)
{
	const struct gateway_listener *here = origin;
	struct gateway *g = arg;
	uint64_t suppressed = 0;

	g->proxied.refused++;
	if (!nj_log_brake_pass(&refused_brake, nj_clock_system(), &suppressed))
		return;
	NJ_LOG(NJ_LOG_WARN, "proxy.refused", NJ_A("proxy", proxy), NJ_S("service", nj_service_name(here->service)),
	       NJ_S("reason", refusal(err)), NJ_U("suppressed", suppressed));
	gateway_audit_write(g, NJ_AUDIT_PROXY_REFUSED, NULL, proxy, refusal(err));
}

/* LOCAL is the proxy itself, to see whether somebody listens: it is answered by nothing but the handshake of TCP,
 * unless somebody at its address has knocked. */
static void on_come(void *arg, void *origin, int fd, const struct nj_addr *proxy, const struct nj_proxy *header)
{
	struct gateway_listener *here = origin;
	const struct nj_addr *peer = header->local ? proxy : &header->source;
	struct gateway *g = arg;

	if (!header->local && nj_addr_is_loopback(peer) && !nj_addr_is_loopback(proxy)) {
		close(fd);
		on_refused(g, here, proxy, NJ_ERR_DENIED);
		return;
	}
	if (here->local == NULL && !nj_door_expects(g->door, here->service, peer)) {
		close(fd);
		if (!header->local)
			tell_stranger(g, here->service, peer, proxy);
		return;
	}
	here->serve(here, fd, peer, header->local ? NULL : proxy);
}

/* The cloak noted the handshake, which is over. */
static void end_flow(struct gateway *g, const struct nj_addr *proxy, uint16_t local_port)
{
	struct nj_ipc message = { .type = NJ_IPC_FLOW_END };

	message.as.flow.peer = *proxy;
	message.as.flow.local_port = local_port;
	/* A flow that is not reported ends by itself after 64 s. */
	(void)!gateway_keeper_send(g, &message);
}

bool gateway_proxy_take(struct gateway_listener *here, int fd, const struct nj_addr *peer)
{
	struct gateway *g = here->gateway;

	if (here->proxies == NULL || !nj_nets_have(here->proxies->net, here->proxies->count, peer))
		return false;
	if (here->local == NULL)
		end_flow(g, peer, here->listener.local.port);
	nj_proxied_take(g->proxied.room, here, fd, peer, g->config->settings.limits.hello_timeout_ms);
	return true;
}

enum nj_err gateway_proxy_init(struct gateway *g)
{
	const struct nj_proxied_config config = {
		.reactor = g->reactor, .max = WAITING_MAX, .arg = g, .come = on_come, .refused = on_refused
	};

	return nj_proxied_new(&config, &g->proxied.room);
}

void gateway_proxy_done(struct gateway *g)
{
	nj_proxied_free(g->proxied.room);
}
