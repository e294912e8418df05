/*
 * Proxies before listeners, the gateway process's part: who is listed speaks first of who is behind it, and that
 * address is the connection's from then on, for limits, for the door, for log and audit. A cloaked service answers only
 * those who have knocked: what comes for an address without an open grant is closed without a word. Main thread.
 */
#ifndef NJ_DAEMON_GATEWAY_PROXY_H
#define NJ_DAEMON_GATEWAY_PROXY_H

#include "daemon/gateway_state.h"

NJ_MUST_USE enum nj_err gateway_proxy_init(struct gateway *g);
void gateway_proxy_done(struct gateway *g);
/* A connection was accepted from `peer`: true when that is a listed proxy of the listener, and `fd` is taken over. */
bool gateway_proxy_take(struct gateway_listener *here, int fd, const struct nj_addr *peer);

#endif
