/*
 * A pledge: the acknowledgement that a client waits for, and how much it still waits for. Holds are taken by whatever
 * must be on disk, or acknowledged by its receivers, first. Acknowledgements leave in the order in which what they
 * acknowledge came (4.6): one that is ready waits for those before it. Belongs to one broker's thread; what another
 * broker does for the message is a part there, which is a hold here.
 */
#ifndef NJ_MQTT_PLEDGE_H
#define NJ_MQTT_PLEDGE_H

#include "mqtt/client.h"

struct nj_mqtt_pledge {
	struct nj_list link;           /* of its client, in order */
	struct nj_mqtt_client *client; /* NULL: the connection is gone */
	uint32_t holds;
	uint8_t type; /* of the packet: PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK */
	uint8_t code;
	uint16_t packet_id;
	const char *why;     /* of a refusal, for people; NULL: nothing is said */
	bool failed;         /* a hold was not kept: the answer is a refusal */
	bool gathers;        /* QoS 2: its records are one group, wherever the sessions are */
	uint32_t taken;      /* sessions that keep the message, on all brokers */
	uint32_t full;       /* and those that had no room */
	uint32_t routing;    /* brokers that still look for receivers; then the group is whole */
	struct nj_list unit; /* records of the group */
	struct nj_mqtt_broker *broker;
	struct nj_mqtt_broker *whole_at; /* of a part: the broker of the pledge that it holds */
	struct nj_mqtt_pledge *whole;    /* NULL: it is no part */
	struct nj_post over;             /* of a part: it holds the whole no longer */
	struct nj_post ready;            /* and: its records are all there */
	uint32_t item_bytes;
	uint8_t items[]; /* SUBACK's and UNSUBACK's codes */
};

/* With one hold, which is its maker's. NULL without memory. */
struct nj_mqtt_pledge *nj_mqtt_pledge_new(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id,
					  struct nj_view items);
/* A part of `whole`, which is of `whole_at`; with one hold. It is the hold on the whole that its maker has taken over.
 * NULL without memory. */
struct nj_mqtt_pledge *nj_mqtt_pledge_part(struct nj_mqtt_broker *broker, struct nj_mqtt_broker *whole_at,
					   struct nj_mqtt_pledge *whole);
void nj_mqtt_pledge_hold(struct nj_mqtt_pledge *pledge);
/* With the last hold it is sent, or waits for its turn. `pledge` may be NULL. */
void nj_mqtt_pledge_release(struct nj_mqtt_pledge *pledge, bool kept);
/* QoS 2: another broker looks for receivers; one has none left to look for. With the last, the identifier of the
 * message and every row that it has on any broker go to the disk as one group: what the publisher sends again, as it
 * has no answer, was taken whole or not at all. */
void nj_mqtt_pledge_route(struct nj_mqtt_pledge *pledge);
void nj_mqtt_pledge_routed(struct nj_mqtt_pledge *pledge);
/* Its maker takes it back unanswered; holds on it go on in vain. */
void nj_mqtt_pledge_withdraw(struct nj_mqtt_pledge *pledge);
/* The connection ends: what it waited for goes on without it. */
void nj_mqtt_pledges_leave(struct nj_mqtt_client *client);
/* Answers at once where nothing is before it, else in its turn. */
void nj_mqtt_pledge_answer(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code,
			   const char *why);

#endif
