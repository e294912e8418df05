/*
 * What a lasting session has on disk: its row, its subscriptions, its queue, the packet identifiers it has received.
 * Every message for it has a position; the queue is in the store, and only a window of it in memory, which is read when
 * the client is there and has room (so a client that is away costs no memory, and a start reads no queue). A packet
 * identifier is a function of the position: what is sent again after a restart goes under the one that it had.
 *
 * A QoS 2 message is on disk before it is sent for the first time, and its release before PUBREL is; a QoS 1 message is
 * sent at once, and if it is acknowledged before its group leaves it never comes to the disk.
 * Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_KEEP_H
#define NJ_MQTT_KEEP_H

#include "mqtt/journal.h"

/* How a session gets a message. */
struct nj_mqtt_kept {
	uint8_t qos; /* 1 or 2 */
	bool retain;
	uint32_t rights_version; /* for which it may have it */
	bool replayed;           /* a retained message: on disk with its subscription, so it does not wait */
	uint64_t group_id;
	const uint32_t *ids;
	size_t id_count;
};

static inline bool nj_mqtt_lasts(const struct nj_mqtt_session *session)
{
	return session->keep->no != 0;
}

/* CONNECT made or found a session: gives it a number if it is to last, and writes its row. NJ_ERR_LIMIT,
 * NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_keep_session(struct nj_mqtt_session *session);
/* The client went: how long the session and its will have. UINT64_MAX: for ever. */
void nj_mqtt_keep_away(struct nj_mqtt_session *session, uint64_t ends_in_ms, uint64_t will_in_ms);
/* A session as the store has it, without its client. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_keep_restore(struct nj_mqtt_session *session, const struct nj_messages_session *row);
/* Its memory; the last of all. */
void nj_mqtt_keep_free(struct nj_mqtt_session *session);
/* The row is not what it was. */
void nj_mqtt_keep_changed(struct nj_mqtt_session *session);
/* The client is there: its queue is read. */
void nj_mqtt_keep_attach(struct nj_mqtt_session *session);
/* The client goes, and is still there. */
void nj_mqtt_keep_leaves(struct nj_mqtt_session *session);
/* The client is gone: nothing of the queue stays in memory. */
void nj_mqtt_keep_detach(struct nj_mqtt_session *session);
/* The session ends, on disk too. */
void nj_mqtt_keep_end(struct nj_mqtt_session *session);

/* A message for a session that lasts. NJ_ERR_FULL: past a ceiling; NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_keep_message(struct nj_mqtt_session *session, struct nj_mqtt_message *message,
					     const struct nj_mqtt_kept *kept);
/* Whether the next one would find no room in the session's own queue. */
bool nj_mqtt_keep_full(const struct nj_mqtt_session *session);
/* Whether a delivery may not be sent yet. */
bool nj_mqtt_keep_waits(const struct nj_mqtt_delivery *delivery);
/* It was sent. */
void nj_mqtt_keep_sent(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery);
/* It is over, acknowledged or dropped: frees it, and takes it off the disk. Of any session. */
void nj_mqtt_delivery_over(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery);
/* PUBREC and PUBCOMP came. False: the session does not last, or has nothing on disk of it: act at once. */
bool nj_mqtt_keep_release(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery);
bool nj_mqtt_keep_complete(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery);
/* The window has room. */
void nj_mqtt_keep_refill(struct nj_mqtt_session *session);

/* QoS 2 from the client: it came, it was released. NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_keep_received(struct nj_mqtt_session *session, uint16_t packet_id);
/* It is refused after all, before its group was opened. */
void nj_mqtt_keep_unreceived(struct nj_mqtt_session *session, uint16_t packet_id);
/* It came again: its answer waits for what the first one waited for, if that is not on disk yet. */
void nj_mqtt_keep_repeated(struct nj_mqtt_session *session, uint16_t packet_id);
/* Answers PUBREL when that is on disk. */
void nj_mqtt_keep_forgotten(struct nj_mqtt_session *session, uint16_t packet_id);

/* Options of a subscription in the store, beside its QoS. */
#define NJ_MQTT_KEPT_NO_LOCAL 0x04
#define NJ_MQTT_KEPT_RETAIN_AS_PUBLISHED 0x08
#define NJ_MQTT_KEPT_REPLAYS 0x10 /* retained messages are still to come */

/* `pledge` may be NULL. */
void nj_mqtt_keep_subscription(struct nj_mqtt_subscription *s, struct nj_mqtt_pledge *pledge);
void nj_mqtt_keep_unsubscribed(struct nj_mqtt_session *session, struct nj_view filter, struct nj_mqtt_pledge *pledge);
/* As the store has it; its rights are found when the first message comes. NJ_ERR_CORRUPT, NJ_ERR_LIMIT. */
NJ_MUST_USE enum nj_err nj_mqtt_subscription_restore(struct nj_mqtt_session *session, struct nj_view filter,
						     uint8_t options, uint32_t id);
/* A retained message was set, or (an empty payload) removed. */
void nj_mqtt_keep_retained(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message);

#endif
