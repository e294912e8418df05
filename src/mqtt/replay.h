/*
 * Retained messages on their way to a new subscription: a list of references, taken when the subscription is made, of
 * which only as many as the queue has room for are deliveries at a time. So a filter that matches more than a queue
 * holds is served whole, and a subscription that cannot be is refused before it is granted.
 * Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_REPLAY_H
#define NJ_MQTT_REPLAY_H

#include "mqtt/internal.h"

#define NJ_MQTT_REPLAY_CHUNK 62 /* messages; a chunk takes 512 bytes */

struct nj_mqtt_replay_chunk {
	struct nj_mqtt_replay_chunk *next;
	uint32_t count;
	uint32_t done;
	struct nj_mqtt_message *messages[NJ_MQTT_REPLAY_CHUNK];
};

struct nj_mqtt_replay {
	struct nj_list link; /* of its session */
	struct nj_mqtt_subscription *subscription;
	struct nj_mqtt_replay_chunk *first;
	struct nj_mqtt_replay_chunk *last;
};

/* Takes what the subscription's filter matches now, in place of what it had to come. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY:
 * it has nothing to come then. */
NJ_MUST_USE enum nj_err nj_mqtt_replay_take(struct nj_mqtt_subscription *subscription);
void nj_mqtt_replay_drop(struct nj_mqtt_subscription *subscription);
/* The client of a session is there whose subscriptions had retained messages to come when the gateway ended: they come
 * anew. */
void nj_mqtt_replay_again(struct nj_mqtt_session *session);
/* The session's next message and whose it is, with a reference for the caller; NULL at the end. A message that is not
 * the retained one of its topic any more is skipped: the subscription got the newer one as it came. */
struct nj_mqtt_message *nj_mqtt_replay_next(struct nj_mqtt_session *session,
					    struct nj_mqtt_subscription **out_subscription);

#endif
