/*
 * Shared subscriptions (5.0 section 4.8.2): the members of one group get each message once between them. A group hangs
 * on the node of its filter, lives as long as it has a member, and chooses by the broker's policy among those who may
 * have the message: who is connected and has room first, then whoever keeps a session, then one whose queue is full.
 * Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_SHARE_H
#define NJ_MQTT_SHARE_H

#include "mqtt/internal.h"

struct nj_mqtt_group {
	struct nj_mqtt_group *next;         /* of the same node */
	struct nj_mqtt_group *next_matched; /* during one match */
	struct nj_mqtt_node *node;
	struct nj_list members; /* subscriptions, by their by_node */
	uint64_t id;            /* of all nodes, sessions and groups of a broker */
	uint32_t name_bytes;
	uint8_t name[];
};

/* NULL when there is none. */
struct nj_mqtt_group *nj_mqtt_group_find(const struct nj_mqtt_node *node, struct nj_view name);
/* An empty group, to be filled or pruned. NULL without room. */
struct nj_mqtt_group *nj_mqtt_group_make(struct nj_mqtt_broker *broker, struct nj_mqtt_node *node, struct nj_view name);
/* Frees it if nobody is in it. */
void nj_mqtt_group_prune(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group);
/* What the two sticky policies go by: the publisher, or the topic where there is none or the policy says so. */
uint64_t nj_mqtt_group_stick(const struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
			     const struct nj_mqtt_session *publisher);
/* Who gets this message; NULL where nobody may. `except` may be NULL: a session that is on its way out. */
struct nj_mqtt_subscription *nj_mqtt_group_pick(struct nj_mqtt_group *group, const struct nj_mqtt_content *content,
						uint64_t stick, const struct nj_mqtt_session *except);
/* A session ends: what its groups gave it and it did not acknowledge goes to another member, except QoS 2 messages
 * that were sent (4.8.2-5). */
void nj_mqtt_group_hand_over(struct nj_mqtt_session *session);

#endif
