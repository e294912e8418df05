/*
 * Limits by address, listener, device and customer, the gateway process's part: it makes the crowd, asks it at each
 * CONNECT, and tells log and audit, once a second, which limits were met. The main thread, but for
 * gateway_crowd_may_connect, which any reactor's thread may call.
 */
#ifndef NJ_DAEMON_GATEWAY_CROWD_H
#define NJ_DAEMON_GATEWAY_CROWD_H

#include <jansson.h>

#include "daemon/gateway_state.h"

NJ_MUST_USE enum nj_err gateway_crowd_init(struct gateway *g);
/* After every connection. */
void gateway_crowd_done(struct gateway *g);
/* The configuration was read again. */
void gateway_crowd_limits_changed(struct gateway *g);
/* Hook of the broker: the reason code of a refusal, or 0. */
uint8_t gateway_crowd_may_connect(void *gateway, const struct nj_mqtt_seen *seen, bool takes_over);
/* For `status`: how often each limit was met. */
json_t *gateway_crowd_json(const struct gateway *g);

#endif
