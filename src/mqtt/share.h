/*
 * Shared subscriptions (5.0 section 4.8.2): the members of one group get each message once between them. A group hangs
 * on the node of its filter, lives as long as any broker has a member of it, and chooses by the broker's policy among
 * those who may have the message: who is connected and has room first, then whoever keeps a session, then one whose
 * queue is full. Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_SHARE_H
#define NJ_MQTT_SHARE_H

#include "mqtt/internal.h"

/* What all brokers know a group by: immutable, any thread. */
struct nj_mqtt_label {
	_Atomic uint32_t refs;
	uint32_t topics_bytes;
	uint32_t name_bytes;
	uint8_t bytes[]; /* the filter's topics, the group's name */
};
struct nj_mqtt_label *nj_mqtt_label_ref(struct nj_mqtt_label *label);
void nj_mqtt_label_unref(struct nj_mqtt_label *label);
struct nj_view nj_mqtt_label_topics(const struct nj_mqtt_label *label);
struct nj_view nj_mqtt_label_name(const struct nj_mqtt_label *label);

/* How many a broker has. */
struct nj_mqtt_members {
	uint32_t all;
	uint32_t connected;
};

struct nj_mqtt_group {
	struct nj_mqtt_group *next;         /* of the same node */
	struct nj_mqtt_group *next_matched; /* during one match */
	struct nj_mqtt_node *node;
	struct nj_list members; /* subscriptions of this broker, by their by_node */
	uint64_t id;            /* of all nodes, sessions and groups of a broker */
	uint64_t turn;          /* of brokers */
	struct nj_mqtt_label *label;
	struct nj_mqtt_members members_here;
	struct nj_mqtt_members members_told; /* to the others */
	struct nj_mqtt_members elsewhere[];  /* by place; none for a broker that is alone */
};

/* NULL when there is none. */
struct nj_mqtt_group *nj_mqtt_group_find(const struct nj_mqtt_node *node, struct nj_view name);
/* Whether another may be made here: groups of one filter are gone through one by one. */
bool nj_mqtt_group_room(const struct nj_mqtt_node *node);
/* An empty group, to be filled or pruned. NULL without room. */
struct nj_mqtt_group *nj_mqtt_group_make(struct nj_mqtt_broker *broker, struct nj_mqtt_node *node, struct nj_view name,
					 struct nj_view topics);
/* Frees it if nobody is in it, on any broker. */
void nj_mqtt_group_prune(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group);
/* What the two sticky policies go by: the publisher, or the topic where there is none or the policy says so. */
uint64_t nj_mqtt_group_stick(const struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
			     const struct nj_mqtt_session *publisher);
/* Who gets this message; NULL where nobody may. `except` may be NULL: a session that is on its way out. */
struct nj_mqtt_subscription *nj_mqtt_group_pick(struct nj_mqtt_group *group, const struct nj_mqtt_content *content,
						uint64_t stick, const struct nj_mqtt_session *except);
/* Its queue has no room for this message. */
bool nj_mqtt_member_full(const struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content);
/* Frees one that has no member here. */
void nj_mqtt_group_forget(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group);
/* A number that looks random and is the same for the same two. */
uint64_t nj_mqtt_group_mix(uint64_t a, uint64_t b);
/* Members came (1) or went (-1), with a connection or without, or only their connections did. The other brokers learn
 * it; NJ_ERR_NO_MEMORY when they cannot. */
NJ_MUST_USE enum nj_err nj_mqtt_group_count(struct nj_mqtt_subscription *subscription, int members, int connected);

/* spread.c: a group over several brokers */
NJ_MUST_USE enum nj_err nj_mqtt_group_tell(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
					   struct nj_mqtt_group *group);
/* A message on its way to one member. */
struct nj_mqtt_choice {
	struct nj_mqtt_label *label;
	uint64_t stick;
	uint16_t tried; /* brokers, a bit each, that had nobody for it */
};
/* The broker that chooses the member; false where there is none. */
bool nj_mqtt_group_where(const struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			 const struct nj_mqtt_content *content, uint64_t stick, uint16_t tried, size_t *out_place);
/* Gives it to a member here, or else to another broker. False: nobody may have it. */
bool nj_mqtt_group_give(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			struct nj_mqtt_message *message, const struct nj_mqtt_choice *choice,
			const struct nj_mqtt_session *except);
/* The same with one that another broker gave. */
void nj_mqtt_group_take(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
			const struct nj_mqtt_choice *choice);
/* A session ends: what its groups gave it and it did not acknowledge goes to another member, except QoS 2 messages
 * that were sent (4.8.2-5). */
void nj_mqtt_group_hand_over(struct nj_mqtt_session *session);

/* route.c */
/* Sends what waits, and retained messages that are to come, as far as the client takes it. */
void nj_mqtt_pump(struct nj_mqtt_session *session);
/* May this subscriber have this message by the rights of now? */
bool nj_mqtt_may_deliver(struct nj_mqtt_subscription *subscription, const struct nj_mqtt_content *content);
/* A message that a group gives to this member. */
void nj_mqtt_deliver_shared(struct nj_mqtt_subscription *subscription, struct nj_mqtt_message *message);

#endif
