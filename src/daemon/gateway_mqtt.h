/* The gateway's MQTT service: the broker with this gateway's limits, and what its hooks log and audit. */
#ifndef NJ_DAEMON_GATEWAY_MQTT_H
#define NJ_DAEMON_GATEWAY_MQTT_H

#include "daemon/gateway_state.h"

NJ_MUST_USE enum nj_err gateway_mqtt_init(struct gateway *g);
/* After a reload: the broker takes over what it can without cutting a session. */
void gateway_mqtt_limits_changed(struct gateway *g);
/* A connection whose party is known: bound by a key. */
void gateway_mqtt_serve(struct gateway *g, struct nj_conn *conn, struct nj_party *party, uint64_t rekey_grant);
/* A connection of a local listener; `verifier` may be NULL: no password is asked. */
void gateway_mqtt_serve_local(struct gateway *g, struct nj_conn *conn, struct nj_party *party,
			      const struct nj_scram_verifier *verifier);
/* A connection of the gateway's own, a bridge's. */
void gateway_mqtt_serve_bridge(struct gateway *g, struct nj_conn *conn, struct nj_party *party);
/* A connection of the plain service: its CONNECT brings the one-time password. */
void gateway_mqtt_serve_plain(struct gateway *g, struct nj_conn *conn, struct nj_visitor *visitor);
size_t gateway_mqtt_connections(const struct gateway *g);
/* For the moment between accepting and serving. */
const struct nj_conn_ops *gateway_mqtt_idle_ops(void);

#endif
