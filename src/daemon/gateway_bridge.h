/*
 * The gateway's bridges to other brokers: makes them from the configuration, gives each its stream to the gateway's own
 * broker and, by the dialler, one to its peer, and writes log and audit. A reload starts, stops and changes single
 * ones; the others do not notice. The session of one that is no longer there ends with it. The gateway's main thread.
 */
#ifndef NJ_DAEMON_GATEWAY_BRIDGE_H
#define NJ_DAEMON_GATEWAY_BRIDGE_H

#include "daemon/gateway_state.h"
#include "mqtt/bridge.h"

#define GATEWAY_BRIDGE_ID "$bridge/" /* before the name: the client identifier of a bridge's session */

struct gateway_bridge_look;

struct gateway_bridge {
	struct gateway *gateway;
	struct nj_settings_bridge settings;
	char local_id[sizeof(GATEWAY_BRIDGE_ID) + NJ_NAME_BYTES];
	char client_id[NJ_BRIDGE_TEXT_BYTES + NJ_NAME_BYTES];
	struct nj_mqtt_bridge_topic topics[NJ_BRIDGE_TOPICS_MAX];
	uint8_t *secrets; /* a copy of what its files hold */
	size_t secret_bytes;
	struct nj_tls_ctx *tls;
	struct nj_mqtt_bridge *bridge;    /* NULL: it cannot be made */
	struct gateway_bridge_look *look; /* under way; NULL: none */
	struct nj_addr peer;
	char said[256]; /* the last failure that was logged */
};

struct gateway_bridges {
	size_t count;
	struct gateway_bridge *at[NJ_BRIDGES_MAX];
	bool running;
	struct nj_channel dialler;
	bool dialler_up;
	struct nj_timer sample; /* how full the queues are */
};

NJ_MUST_USE enum nj_err gateway_bridges_init(struct gateway *g);
/* When the gateway listens. */
void gateway_bridges_start(struct gateway *g);
void gateway_bridges_stop(struct gateway *g);
void gateway_bridges_done(struct gateway *g);
/* After a reload; `fd` holds what the files hold now, and stays the caller's. */
void gateway_bridges_changed(struct gateway *g, int fd);
/* A channel to the dialler; takes over `fd`, and the place of the one before. */
void gateway_bridges_dialler(struct gateway *g, int fd);

/* gateway_bridge_look.c: what the brokers know of a bridge's session. */
void gateway_bridge_look(struct gateway_bridge *bridge);
/* The answer of one that is under way is not waited for. */
void gateway_bridge_look_forget(struct gateway_bridge *bridge);
/* Ends the sessions of bridges that are not there any more. */
void gateway_bridges_sweep(struct gateway *g);
/* The families of all bridges as OpenMetrics text, to be freed; NULL without memory, or without bridges. */
char *gateway_bridges_metrics(const struct gateway *g);

#endif
