/*
 * What brokers of one fabric say to each other. A letter goes to one broker and comes back to its sender, which frees
 * it: so memory is given back where it was taken, and a sender knows how much it has under way to each of the others.
 * Where that is much, whoever publishes or subscribes is slowed; where it is too much, QoS 0 is dropped and counted.
 * Nobody waits for anybody, so two brokers that have much for each other cannot stop.
 * Included in src/mqtt alone; every function on the thread of the broker that it is given.
 */
#ifndef NJ_MQTT_POST_H
#define NJ_MQTT_POST_H

#include "mqtt/client.h"
#include "mqtt/fabric.h"
#include "mqtt/share.h"

/* Under way from one broker to another. */
#define NJ_MQTT_POST_HIGH_BYTES (4u << 20) /* publishers are slowed */
#define NJ_MQTT_POST_MAX_BYTES (8u << 20)  /* QoS 0 is dropped */

struct nj_mqtt_fabric {
	struct nj_mqtt_shared shared;
	struct nj_reactor *main_reactor;
	struct nj_random *random;
	struct nj_mqtt_hooks hooks;
	struct nj_mqtt_limits limits;
	size_t count;
	struct nj_mqtt_broker *brokers[NJ_MQTT_REACTORS_MAX];
	uint8_t seed[16];               /* of homes */
	uint32_t next_home;             /* for clients that have no name yet */
	_Atomic uint64_t last_change;   /* of retained messages */
	struct nj_list waiting;         /* connections before CONNECT (greeter.c) */
	_Atomic uint64_t waiting_count; /* of them, with those on their way */
	_Atomic uint64_t errands;       /* rounds and connections on their way */
};

struct nj_mqtt_letter {
	struct nj_post post;
	struct nj_mqtt_broker *from;
	struct nj_mqtt_broker *to;
	uint64_t bytes; /* what it counts for */
	void (*deliver)(struct nj_mqtt_letter *letter);
	void (*returned)(struct nj_mqtt_letter *letter); /* on the sender's thread; frees it */
};

/* What a broker has under way to another. */
struct nj_mqtt_peer {
	struct nj_mqtt_parcel *filling; /* leaves before this turn's output does */
	uint64_t under_way_bytes;
};

/* post.c */
void nj_mqtt_letter_send(struct nj_mqtt_letter *letter);
/* Some peer has so much to do that whoever makes more of it waits. */
bool nj_mqtt_post_high(const struct nj_mqtt_broker *broker);
/* Which broker is the home of a session. */
size_t nj_mqtt_home(const struct nj_mqtt_fabric *fabric, const uint8_t uid[NJ_PARTY_UID_BYTES],
		    struct nj_view client_id);

/* forward.c */
/* Gives a message to the brokers of `reactors` (bits), which route it. With `store` they keep it as their topic's
 * retained message, too. */
void nj_mqtt_forward(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
		     uint16_t reactors, bool store);
/* Gives a message to the broker at `place`, which chooses a member of a group. */
void nj_mqtt_forward_shared(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
			    size_t place, const struct nj_mqtt_choice *choice);
/* Posts what was gathered for others: a deferred call, before output. */
void nj_mqtt_dispatch(struct nj_deferred *work);
/* The node may have got its first entry, or lost its last: the others learn it. NJ_ERR_NO_MEMORY: not all of them. */
NJ_MUST_USE enum nj_err nj_mqtt_interest(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
					 struct nj_mqtt_node *node, struct nj_view filter);

/* route.c */
/* One that another broker gave on, to subscribers of this one. */
void nj_mqtt_route_forwarded(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			     struct nj_mqtt_message *message);

/* replica.c: retained messages */
/* Stores or removes the topic's retained message, for nj_mqtt_route to pass on. `out_message` gets a reference. */
NJ_MUST_USE enum nj_err nj_mqtt_retain(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
				       const struct nj_mqtt_content *content, struct nj_mqtt_message **out_message);
void nj_mqtt_retain_pass_on(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			    struct nj_mqtt_message *message);
/* A change that another broker passed on. */
void nj_mqtt_retain_forwarded(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			      struct nj_mqtt_message *message);

/* greeter.c: resets the connections that wait. */
void nj_mqtt_greeter_done(struct nj_mqtt_fabric *fabric);

#endif
