/*
 * The gateway process: listeners, entry, services, directory, and its side of the keeper's messages. Parses what
 * strangers and devices send, and therefore holds no capability and no key but its TLS key and one-time PSKs.
 */
#ifndef NJ_DAEMON_GATEWAY_H
#define NJ_DAEMON_GATEWAY_H

#include "daemon/role.h"

/* Returns when the supervisor says stop, or with the reason why it cannot serve. */
NJ_MUST_USE enum nj_err nj_gateway_role_run(struct nj_role_config *config, struct nj_why *why);

#endif
