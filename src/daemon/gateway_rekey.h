/*
 * Continuous keys, the gateway process's part: it passes the exporter of a session to the keeper, and messages between
 * keeper and device. It decides nothing and learns no root key: the exporter is worth nothing without one. What clients
 * do is seen on their brokers' threads; the keeper is spoken to on the main thread.
 */
#ifndef NJ_DAEMON_GATEWAY_REKEY_H
#define NJ_DAEMON_GATEWAY_REKEY_H

#include "daemon/gateway_state.h"

/* An MQTT session began; without a tag nothing happens. */
void gateway_rekey_ready(struct gateway *g, const struct nj_mqtt_seen *seen);
/* Hook of the broker: a message to one of the gateway's own topics. */
bool gateway_rekey_message(void *gateway, const struct nj_mqtt_seen *seen, struct nj_view topic,
			   struct nj_view payload);
/* OFFER or DONE from the keeper, for a session that may be gone. */
void gateway_rekey_tell(struct gateway *g, const struct nj_ipc *message);

/* A key was replaced: cuts the device's sessions but the one that proved the new key. */
void gateway_rekey_cut(struct gateway *g, const struct nj_ipc_rekey_cut *cut);

#endif
