/* What the files of a bridge share. Included by bridge*.c alone. One thread, see bridge.h. */
#ifndef NJ_MQTT_BRIDGE_INTERNAL_H
#define NJ_MQTT_BRIDGE_INTERNAL_H

#include "mqtt/bridge.h"
#include "mqtt/codec.h"

#define NJ_MQTT_BRIDGE_ERROR_BYTES 200

/* A connection of a bridge. */
struct bridge_leg {
	struct nj_mqtt_bridge *bridge;
	struct nj_conn *conn; /* NULL: none */
	bool held;            /* not read, as the other side has no room */
	bool asked;           /* PINGREQ is unanswered */
	uint64_t heard_bytes; /* when it was asked */
	uint8_t version;
	size_t max_packet_bytes; /* that it takes */
};

struct nj_mqtt_bridge {
	struct nj_mqtt_bridge_config config;
	enum nj_mqtt_bridge_stage stage;
	struct bridge_leg local, peer;
	struct nj_timer step; /* of a stage that must come to an end, and of waiting */
	struct nj_timer beat; /* keep-alive of both */
	uint32_t keep_alive_ms;

	/* of the session here */
	bool prepared;      /* it is there with its subscriptions */
	bool fresh;         /* it was made anew: the peer's must be, too */
	bool cleared;       /* a peer of 3.1.1 has thrown its old one away */
	bool unsubscribing; /* while preparing: UNSUBACK is to come */
	bool subscribing;   /* likewise */
	uint32_t receive_max;
	size_t max_packet_bytes;
	struct nj_buf leftover; /* filters of it that are not wanted any more, as UNSUBSCRIBE has them */

	/* of the peer */
	bool older;        /* 3.1.1 is what it takes, as far as is known */
	bool unmarked;     /* it does not know the mark of bridges */
	bool subscribed;   /* since the start it has been told what is wanted */
	bool asked_clean;  /* CONNECT said that it is not to know the session */
	bool peer_present; /* it did */
	bool peer_retains;
	uint8_t peer_max_qos;
	uint32_t peer_receive_max;
	uint16_t subscribe_id; /* SUBSCRIBE is unanswered; 0: none */

	/* Ids of messages of a session that the peer has forgotten: released here before anything new comes in. */
	uint32_t stale_count;
	uint8_t stale[NJ_MQTT_IDS_BYTES];
	/* Ids of QoS 2 messages that went out with QoS 1, as the peer takes no more. */
	uint8_t lowered[NJ_MQTT_IDS_BYTES];

	uint32_t failures; /* in a row */
	uint64_t since_ms; /* Unix */
	uint64_t up_ms;    /* reactor's: since when it is up */
	struct nj_mqtt_bridge_counters counters;
	uint64_t queued, queued_bytes, inflight;
	char error[NJ_MQTT_BRIDGE_ERROR_BYTES];
	uint64_t error_at_ms;
	uint8_t *packet; /* scratch: one packet on its way out */
	size_t packet_cap;
	uint8_t *topic; /* scratch: its topic */
};

/* bridge.c */
void bridge_enter(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_stage stage);
/* Both sides end, and are tried again later. */
void bridge_fail(struct nj_mqtt_bridge *b, const char *format, ...) NJ_PRINTF(2, 3);
/* Tells what is wrong without an end. */
void bridge_note(struct nj_mqtt_bridge *b, const char *format, ...) NJ_PRINTF(2, 3);
/* The session here is in order: on to the peer. */
void bridge_prepared(struct nj_mqtt_bridge *b);
/* Says goodbye to the peer, and hello once more. */
void bridge_dial_again(struct nj_mqtt_bridge *b);
/* Makes the stream to this gateway's broker, which is greeted when it is open. */
void bridge_open_local(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_stage stage);
/* The peer took us: on to the session here. */
void bridge_greeted(struct nj_mqtt_bridge *b);
void bridge_came_up(struct nj_mqtt_bridge *b);
/* Ends a connection without hearing of it again. */
void bridge_drop(struct bridge_leg *leg);
/* The same after a goodbye. `forget`: the session is to end with it. */
void bridge_part(struct bridge_leg *leg, bool forget);
/* NJ_ERR_LIMIT: it has no room now. NJ_ERR_TOO_LARGE: it takes no such packet. Others: it is gone. */
NJ_MUST_USE enum nj_err bridge_send(struct bridge_leg *leg, const struct nj_mqtt_packet *packet);
/* A packet that there must be room for. */
void bridge_say(struct bridge_leg *leg, const struct nj_mqtt_packet *packet);
void bridge_say_ack(struct bridge_leg *leg, uint8_t type, uint16_t packet_id, uint8_t code);
bool bridge_hold(struct bridge_leg *leg);
void bridge_resume(struct bridge_leg *leg);

static inline bool bridge_id_is(const uint8_t *ids, uint16_t id)
{
	return (ids[id / 8] & 1u << id % 8) != 0;
}

static inline void bridge_id_set(uint8_t *ids, uint16_t id, bool on)
{
	if (on)
		ids[id / 8] |= (uint8_t)(1u << id % 8);
	else
		ids[id / 8] &= (uint8_t) ~(1u << id % 8);
}

/* bridge_hello.c: CONNECT, CONNACK, subscriptions. */
void bridge_hello_local(struct nj_mqtt_bridge *b);
void bridge_hello_peer(struct nj_mqtt_bridge *b);
/* The first answer on a leg. */
void bridge_on_connack_local(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet);
void bridge_on_connack_peer(struct nj_mqtt_bridge *b, const struct nj_mqtt_frame *frame);
/* SUBACK and UNSUBACK here while preparing. */
void bridge_on_prepared(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet);
void bridge_on_suback_peer(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet);
/* Which of the session's subscriptions here are not wanted. */
void bridge_find_leftover(struct nj_mqtt_bridge *b, struct nj_view filters);

/* bridge_relay.c: what passes. False: it stays, as the other side has no room. */
bool bridge_relay_out(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet);
bool bridge_relay_in(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet);

#endif
