/*
 * A broker's start over a store: it is made durable, then told what the store has (sessions, then their subscriptions
 * and received packet identifiers, retained messages), before the first connection. Queues are not read. On the
 * broker's thread, or before it runs.
 */
#ifndef NJ_MQTT_RESTORE_H
#define NJ_MQTT_RESTORE_H

#include "mqtt/broker.h"
#include "mqtt/durable.h"

struct nj_mqtt_restore;

/* `durable` is copied. NJ_ERR_NO_MEMORY, or what the reactor gives. */
NJ_MUST_USE enum nj_err nj_mqtt_durable_begin(struct nj_mqtt_broker *broker, const struct nj_mqtt_durable *durable);
/* Takes groups that have come back, where there is no descriptor that tells. */
void nj_mqtt_durable_collect(struct nj_mqtt_broker *broker);
/* Hands over all that is open, due or not; false when nothing is open or under way. For the end. */
bool nj_mqtt_durable_flush(struct nj_mqtt_broker *broker);
struct nj_mqtt_durable_state {
	uint64_t queued_bytes;
	uint64_t refused; /* operations */
	bool troubled;    /* the last group failed: what must be on disk is refused until one does not */
	bool relaxed;
};
/* All zero for a broker that is not durable; `queued_bytes` of all brokers. Any thread. */
struct nj_mqtt_durable_state nj_mqtt_durable_state_of(const struct nj_mqtt_broker *broker);

/* `broker`: any of a fabric, for all of them, before their threads run. */
NJ_MUST_USE enum nj_err nj_mqtt_restore_new(struct nj_mqtt_broker *broker, struct nj_random *random,
					    struct nj_mqtt_restore **out_restore);
void nj_mqtt_restore_free(struct nj_mqtt_restore *restore);
/* `party` NULL: it is gone, and so is the session. One that there is no room for is dropped too, and counted. */
void nj_mqtt_restore_session(struct nj_mqtt_restore *restore, struct nj_party *party,
			     const struct nj_messages_session *row);
/* Those of sessions that were not restored are passed over. */
void nj_mqtt_restore_subscription(struct nj_mqtt_restore *restore, uint32_t session, struct nj_view filter,
				  uint8_t options, uint32_t id);
void nj_mqtt_restore_received(struct nj_mqtt_restore *restore, uint32_t session, uint16_t packet_id);
void nj_mqtt_restore_retained(struct nj_mqtt_restore *restore, const char *customer, uint8_t flags,
			      const struct nj_messages_body *body);
struct nj_mqtt_restored {
	uint64_t sessions, subscriptions, retained, lost;
};
struct nj_mqtt_restored nj_mqtt_restored_of(const struct nj_mqtt_restore *restore);

#endif
