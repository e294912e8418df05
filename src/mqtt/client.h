/*
 * A client: a connection from its hand-over to its end, with a session from CONNECT on. Included in src/mqtt alone.
 * One thread, see broker.h.
 */
#ifndef NJ_MQTT_CLIENT_H
#define NJ_MQTT_CLIENT_H

#include "mqtt/internal.h"

#define NJ_MQTT_CLIENT_ID_MAX 1024 /* bytes; 3.1.3.1 demands 23 */

enum nj_mqtt_phase { NJ_MQTT_AWAITS_CONNECT, NJ_MQTT_CONNECTED, NJ_MQTT_ENDED };

/* One a connection: what is not always needed is not in it. */
struct nj_mqtt_client {
	struct nj_list link;
	struct nj_list pledges; /* acknowledgements that it waits for, in order (pledge.h) */
	struct nj_conn *conn;
	struct nj_mqtt_broker *broker;
	struct nj_mqtt_entry *entry; /* how it is bound; NULL once it is welcomed */
	const struct nj_scram_verifier *verifier;
	uint64_t tag;
	struct nj_party *party; /* NULL before plain binding */
	struct nj_mqtt_session *session;
	struct nj_mqtt_space *space; /* once it is welcomed */
	struct nj_timer limit;       /* CONNECT's, then keep alive */
	uint8_t phase;               /* enum nj_mqtt_phase */
	uint8_t version;
	uint8_t reason; /* of the end */
	bool local : 1;
	bool problem_info : 1;
	bool wants_response_info : 1;
	bool welcomed : 1; /* CONNACK 0 was sent */
	bool clean_start : 1;
	bool session_present : 1;
	bool expiry_was_zero : 1;
	bool doomed : 1;       /* its connection was aborted; the end comes with on_close */
	bool by_method : 1;    /* CONNECT named an authentication method */
	uint16_t keep_alive_s; /* in force */
	uint16_t out_alias_max;
	uint16_t send_max; /* the client's Receive Maximum */
	uint16_t client_id_bytes;
	uint16_t denied; /* no further than it can count */
	uint32_t max_packet_bytes;
	uint32_t owes_us;                  /* of a pause, near the memory ceiling */
	uint32_t pledged_pubacks;          /* of `pledges`: QoS 1 messages of its receive maximum */
	uint32_t pledged_items;            /* one for each of `pledges`, and one for each of their codes */
	uint32_t last_in_ms;               /* cut to 32 bits */
	uint8_t *client_id;                /* while it has no session; see nj_mqtt_client_id */
	struct nj_mqtt_alias *aliases;     /* topic_alias_max of them, made with the first */
	struct nj_mqtt_alias *out_aliases; /* towards the client: out_alias_max of them, likewise */
	struct nj_mqtt_auth *auth;         /* an exchange under way; NULL: none */
};

struct nj_mqtt_alias {
	uint8_t *topic;
	size_t topic_bytes;
};

extern const struct nj_conn_ops nj_mqtt_client_ops;
void nj_mqtt_client_free(struct nj_mqtt_client *client);
struct nj_mqtt_seen nj_mqtt_client_seen(struct nj_mqtt_client *client);
/* Its identifier: the session's, as long as it has one; empty before CONNECT. */
struct nj_view nj_mqtt_client_id(const struct nj_mqtt_client *client);
/* Keeps a copy as its identifier; false without memory: then it has none. */
bool nj_mqtt_client_take_id(struct nj_mqtt_client *client, struct nj_view client_id);
/* Has a session, whose identifier is its own. */
void nj_mqtt_client_join(struct nj_mqtt_client *client, struct nj_mqtt_session *session);
/* Has none any more: takes a copy of the identifier, to be named by; without memory it has no name. */
void nj_mqtt_client_part(struct nj_mqtt_client *client);
/* The key of `tagged`. */
struct nj_view nj_mqtt_client_tag(const void *client);
/* Encodes and queues a packet. What the client's Maximum Packet Size has no room for is said without properties; if it
 * has none for that either, an answer is missing, and the connection ends (0x95). A client that ends so, or does not
 * read, is doomed: its session is left at the end of the turn, as the caller may be in the middle of a match. */
void nj_mqtt_client_send(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
void nj_mqtt_client_ack(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code);
/* The same with words for people, where the client wants them; `text` may be NULL. */
void nj_mqtt_client_ack_why(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code,
			    const char *text);
/* Empties a packet's properties and gives it a reason string, likewise. */
void nj_mqtt_client_say_why(const struct nj_mqtt_client *client, struct nj_mqtt_packet *packet, const char *text);
/* Ends it for a fault: tells hook and peer (where the version can), closes. */
void nj_mqtt_client_fault(struct nj_mqtt_client *client, enum nj_mqtt_fault fault);
/* Ends it at the end of the turn, for its own good: it will send again what it has no answer to. */
void nj_mqtt_client_doom(struct nj_mqtt_client *client, enum nj_mqtt_fault fault);
/* Refuses CONNECT with a reason; before the binding without an answer. */
void nj_mqtt_client_refuse(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text);
/* Ends it: leaves the session, says DISCONNECT with `reason` where the version can, closes. */
void nj_mqtt_client_close(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, enum nj_close why, bool with_will);
/* After something that other brokers get: where they have enough to do, the client's next packet waits. */
void nj_mqtt_client_slow(struct nj_mqtt_client *client);
/* A connection that was detached from another reactor; its CONNECT is unread. */
void nj_mqtt_accept_moved(struct nj_mqtt_broker *broker, struct nj_conn *conn, const struct nj_mqtt_entry *entry);
extern const struct nj_conn_ops nj_mqtt_orphan_ops; /* of a connection whose broker is gone, or has no room */
void nj_mqtt_client_watch(struct nj_mqtt_client *client, uint64_t idle_ms);

/* A CONNECT whose sender has proved who it is. */
void nj_mqtt_connect_go_on(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);

/* connect.c, subscribe.c, publish.c: a packet of a client, decoded and well-formed */
/* `body`: the packet's bytes behind its fixed header. */
void nj_mqtt_on_connect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view body);
void nj_mqtt_on_subscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_unsubscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_publish(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_puback(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_pubrec(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_pubrel(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
void nj_mqtt_on_pubcomp(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);

/* alias.c: 3.3.2.3.4, both ways */
void nj_mqtt_aliases_free(struct nj_mqtt_client *client);
/* The topic that a PUBLISH means; remembers an alias that it sets. */
NJ_MUST_USE enum nj_mqtt_fault nj_mqtt_alias_resolve(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet,
						     struct nj_view *out_topic);
/* Fills `alias` and `alias_known` where the client takes aliases and the topic is worth one. */
void nj_mqtt_alias_choose(struct nj_mqtt_client *client, struct nj_view topic, struct nj_mqtt_sending *sending);
/* The message is on its way to the client. */
void nj_mqtt_alias_said(struct nj_mqtt_client *client, struct nj_view topic, const struct nj_mqtt_sending *sending);

#endif
