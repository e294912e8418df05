/*
 * What a session keeps between packets and connections: messages that wait, messages in flight with their packet ids,
 * and the packet ids of QoS 2 messages that the client has sent (4.3, 4.4, 4.6). Knows no connection and sends nothing.
 * Belongs to one broker's thread.
 *
 * A delivery is in one of two lists: `waiting` (to be sent on this connection; with a packet id it is a repetition) or
 * `inflight` (sent on this connection and not acknowledged).
 */
#ifndef NJ_MQTT_SESSION_H
#define NJ_MQTT_SESSION_H

#include "base/list.h"
#include "mqtt/message.h"

enum nj_mqtt_place { NJ_MQTT_NOWHERE, NJ_MQTT_WAITING, NJ_MQTT_INFLIGHT };

struct nj_mqtt_record;

struct nj_mqtt_delivery {
	struct nj_list link;
	struct nj_mqtt_message *message; /* NULL once released */
	struct nj_mqtt_record *record;   /* of it that is on its way to the disk; NULL: none (keep.h) */
	uint64_t position;               /* in a queue on disk; 0: it has none */
	uint64_t shared;                 /* its body's number there */
	uint64_t group_id;               /* the shared subscription that gave it; 0: none */
	uint32_t rights_version;         /* of the party when it was checked */
	uint32_t sent_ms;                /* cut to 32 bits */
	uint16_t packet_id;              /* 0: none yet */
	uint8_t place;
	uint8_t qos;
	bool retain;
	bool dup;
	bool released; /* QoS 2: PUBREC came, PUBREL is what is sent */
	bool stored;   /* its row is on disk */
	uint32_t id_count;
	uint32_t ids[]; /* subscription identifiers */
};

/* What many flows have together; borrowed by them, and may change but for `max_inflight`. */
struct nj_mqtt_flow_limits {
	struct nj_mqtt_budget *budget;
	uint64_t max_waiting_bytes;
	uint32_t max_waiting;
	uint32_t max_inflight;
};

struct nj_mqtt_flow {
	const struct nj_mqtt_flow_limits *limits;
	struct nj_list waiting;
	struct nj_list inflight;
	uint64_t waiting_bytes;
	struct nj_mqtt_delivery **slots; /* by packet id − 1 */
	uint8_t *received;               /* one bit a packet id, made with the first QoS 2 message */
	uint64_t discarded; /* messages that were never sent, for want of room: the oldest went for newer ones */
	uint32_t waiting_count;
	uint32_t inflight_count;
	uint16_t slot_count;
	uint16_t last_slot;
	uint16_t received_here; /* QoS 2, on this connection: what its receive maximum counts (4.9) */
	bool positional;        /* packet ids are functions of positions; there are no slots */
};

void nj_mqtt_flow_init(struct nj_mqtt_flow *flow, const struct nj_mqtt_flow_limits *limits);
void nj_mqtt_flow_done(struct nj_mqtt_flow *flow);

/* A delivery with a reference of its own; NULL without room. */
struct nj_mqtt_delivery *nj_mqtt_delivery_new(struct nj_mqtt_flow *flow, struct nj_mqtt_message *message,
					      const uint32_t *ids, size_t id_count);
/* Takes it off its list, gives its packet id back and frees it. */
void nj_mqtt_delivery_free(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery);

/* Puts a new delivery at the end of `waiting`; NJ_ERR_LIMIT past the limits, unless it would be
 * the only one there: it stays the caller's. */
NJ_MUST_USE enum nj_err nj_mqtt_flow_wait(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery);
/* The same at the cost of the oldest that were never sent; how many went. NJ_ERR_LIMIT, and none goes, where that would
 * not do. */
NJ_MUST_USE enum nj_err nj_mqtt_flow_displace(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery,
					      uint64_t *out_gone);
/* The same without limits: for whoever looks after them otherwise. */
void nj_mqtt_flow_append(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery);
/* Whether the next would be refused. */
bool nj_mqtt_flow_full(const struct nj_mqtt_flow *flow);
/* The first that waits, or NULL. */
struct nj_mqtt_delivery *nj_mqtt_flow_next(const struct nj_mqtt_flow *flow);
/* The packet id that goes with a position: two positions that are in flight at once are never so far apart that theirs
 * is the same. */
uint16_t nj_mqtt_position_id(uint64_t position);
/* Gives a packet id that is not in use, unless it has one. NJ_ERR_LIMIT when all are. */
NJ_MUST_USE enum nj_err nj_mqtt_flow_number(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery);
/* From nowhere or `waiting` to the end of `inflight`: it was sent. */
void nj_mqtt_flow_sent(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery);
/* The delivery of a packet id that is in flight; NULL when there is none. */
struct nj_mqtt_delivery *nj_mqtt_flow_find(const struct nj_mqtt_flow *flow, uint16_t packet_id);
/* PUBREC came: the message is not needed any more. */
void nj_mqtt_flow_release(struct nj_mqtt_delivery *delivery);
/* The connection is gone: what is in flight waits again, in its order, before all else. */
void nj_mqtt_flow_rewind(struct nj_mqtt_flow *flow);

/* QoS 2 from the client. NJ_ERR_EXISTS: a repetition; NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_flow_receive(struct nj_mqtt_flow *flow, uint16_t packet_id);
bool nj_mqtt_flow_received(const struct nj_mqtt_flow *flow, uint16_t packet_id);
/* PUBREL came. False: unknown. */
bool nj_mqtt_flow_forget(struct nj_mqtt_flow *flow, uint16_t packet_id);

#endif
