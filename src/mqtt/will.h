/*
 * Wills: what a session publishes when its client went without saying so, at once or after a delay, at the latest when
 * the session ends (3.1.2.5, 3.1.3.2.2). A will belongs to its session. Included in src/mqtt alone; one broker's
 * thread.
 */
#ifndef NJ_MQTT_WILL_H
#define NJ_MQTT_WILL_H

#include "mqtt/internal.h"

struct nj_mqtt_will {
	struct nj_mqtt_session *session;
	struct nj_mqtt_message *message;
	struct nj_timer due;
	uint32_t delay_s;
	uint32_t expiry_s; /* of the message, from its publication */
	bool expires;
};

/* CONNECT's will, for a session that is not there yet; NULL where it has none. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_will_of(struct nj_mqtt_broker *broker, const struct nj_mqtt_connect *connect,
					struct nj_mqtt_will **out_will);
/* In place of the one that the session has. `will` may be NULL. */
void nj_mqtt_will_set(struct nj_mqtt_session *session, struct nj_mqtt_will *will);
/* One that no session has; may be NULL. */
void nj_mqtt_will_free(struct nj_mqtt_broker *broker, struct nj_mqtt_will *will);
/* A will told by `terms` (their message is not looked at); the session has none. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_will_put(struct nj_mqtt_session *session, const struct nj_mqtt_content *content,
					 struct nj_mqtt_will terms);
void nj_mqtt_will_drop(struct nj_mqtt_session *session);
/* Checked against the rights of now. */
void nj_mqtt_will_publish(struct nj_mqtt_session *session);

#endif
