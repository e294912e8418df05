/* The gateway's messages on disk: the store, its committer, and what the broker is told of them at the start. */
#ifndef NJ_DAEMON_GATEWAY_MESSAGES_H
#define NJ_DAEMON_GATEWAY_MESSAGES_H

#include "daemon/gateway_state.h"
#include "mqtt/restore.h"
#include "store/committer.h"

/* Opens the store (makes it where there is none yet), makes the broker durable, and restores what it had. After
 * gateway_mqtt_init. */
NJ_MUST_USE enum nj_err gateway_messages_open(struct gateway *g, struct nj_why *why);
/* For struct nj_sandbox: starts the committer's thread. `arg` is the gateway. */
NJ_MUST_USE enum nj_err gateway_messages_start(void *arg, struct nj_why *why);
/* Writes what the broker still has to say, while it is there. */
void gateway_messages_close(struct gateway *g);
/* After the broker. */
void gateway_messages_free(struct gateway *g);
/* What the broker has on disk, and how that goes: for metrics. */
void gateway_messages_count(const struct gateway *g, struct nj_mqtt_durable_state *out_state,
			    struct nj_committer_stats *out_stats);
/* For `status`. */
json_t *gateway_messages_state(const struct gateway *g);

#endif
