/*
 * The MQTT broker: takes over connections that are bound (or whose CONNECT binds them), keeps sessions, subscriptions
 * and retained messages in memory, and moves messages between the parties of one customer; nothing crosses customers.
 * Every PUBLISH, SUBSCRIBE, will and delivery is checked against the party's rights.
 * Thread rule: a broker belongs to the thread of its reactor, with all its connections and sessions; every function
 * here is called on that thread alone, hooks are called on it, and there is no state outside the object. Never logs,
 * never resolves names, never writes to disk.
 *
 * What happens when there is no room: where max_sessions are kept, a new one takes the place of one without a
 * connection, of the party that has most (or is refused, 0x97); a message for a session whose queue is full, or the
 * oldest that waits there (`queue_full`), is dropped for that session and counted; QoS 0 to a client that does not read
 * is dropped and counted; near the memory ceiling publishers are slowed, at the ceiling QoS 1 and 2 are refused
 * (0x97; 3.1.1: the connection is closed, which makes the client send again) and QoS 0 is dropped and counted.
 */
#ifndef NJ_MQTT_BROKER_H
#define NJ_MQTT_BROKER_H

#include "base/random.h"
#include "identity/party.h"
#include "identity/scram.h"
#include "mqtt/fault.h"
#include "net/conn.h"

struct nj_mqtt_broker;

/* Topics of the gateway's own: whatever begins so is never routed, retained or subscribed to. */
#define NJ_MQTT_OWN_TOPICS "$nightjar/"

/* Who of a shared subscription's members gets a message. */
enum nj_mqtt_share_policy {
	NJ_MQTT_SHARE_ROUND_ROBIN,  /* one after the other */
	NJ_MQTT_SHARE_LEAST_QUEUED, /* whoever has the fewest messages waiting or unacknowledged */
	NJ_MQTT_SHARE_PUBLISHER,    /* a publisher's messages stay with one member */
	NJ_MQTT_SHARE_TOPIC,        /* a topic's messages stay with one member */
};

/* What happens to a message for a session whose queue is full. */
enum nj_mqtt_queue_full {
	NJ_MQTT_QUEUE_REFUSES,      /* it does not get it; a publisher whom nobody takes it from is told 0x97 */
	NJ_MQTT_QUEUE_DROPS_OLDEST, /* what waits longest and was never sent goes for it, and is counted */
};

#define NJ_MQTT_TEXT_BYTES 256

struct nj_mqtt_limits {
	uint32_t max_packet_bytes;      /* whole packets, both ways; a connection's input limit must be as large */
	uint32_t max_out_bytes;         /* the connections' output limit; at least twice max_packet_bytes */
	uint64_t max_memory_bytes;      /* messages, subscriptions, sessions and the reactor's connections' buffers */
	uint32_t max_queued_messages;   /* of a session */
	uint64_t max_queued_bytes;      /* of a session */
	uint64_t customer_queued_bytes; /* on disk, of all sessions of a customer */
	uint64_t total_queued_bytes;    /* on disk, of all */
	uint16_t max_inflight;          /* unacknowledged messages of a session, each way; told as Receive Maximum */
	uint32_t max_topic_levels;
	uint32_t max_topic_bytes;
	uint32_t max_subscriptions; /* of a session */
	uint32_t max_sessions;
	uint32_t keep_alive_max_s;     /* 0: as the client likes; else told as Server Keep Alive */
	uint32_t session_expiry_max_s; /* what 3.1.1 sessions without clean session get */
	uint32_t retained_max_count;   /* of all customers */
	uint64_t retained_max_bytes;
	uint16_t topic_alias_max;      /* from clients */
	uint32_t denied_publish_limit; /* denied messages on one connection before it is closed */
	uint64_t sys_interval_ms;      /* of $SYS topics; 0: none */
	enum nj_mqtt_share_policy share_policy;
	enum nj_mqtt_queue_full queue_full;
	char server_reference[NJ_MQTT_TEXT_BYTES]; /* where else clients may go, when this one stops or is full */
	char response_topic[NJ_MQTT_TEXT_BYTES];   /* told as Response Information, {customer} and {name} filled in */
	uint32_t connect_timeout_ms;               /* from nj_mqtt_accept to CONNECT; 0 = none */
};

/* One client as hooks see it; views are borrowed for the call. */
struct nj_mqtt_seen {
	const struct nj_party *party; /* NULL before it is known */
	const struct nj_addr *peer;   /* NULL for a will whose connection is gone */
	struct nj_view client_id;
	uint8_t version; /* enum nj_mqtt_version; 0 before CONNECT */
	uint16_t keep_alive_s;
	bool clean_start;
	bool session_present;
	bool local;                 /* of its entry */
	uint64_t tag;               /* of its entry */
	const struct nj_conn *conn; /* NULL for a will */
};

/* All may be NULL. They must not call back into the broker. */
struct nj_mqtt_hooks {
	void *arg;
	void (*on_connected)(void *arg, const struct nj_mqtt_seen *seen);
	/* `reason`: the MQTT reason code that ended it, 0 for an ordinary DISCONNECT or close. */
	void (*on_disconnected)(void *arg, const struct nj_mqtt_seen *seen, enum nj_close why, uint8_t reason);
	void (*on_denied)(void *arg, const struct nj_mqtt_seen *seen, enum nj_direction direction, struct nj_view topic,
			  struct nj_verdict verdict);
	/* A message to one of the gateway's own topics, QoS 0 or 1, acknowledged after this returned true; false: the
	 * topic is not there for this client, which is told so as for any topic that it may not use. */
	bool (*on_own_topic)(void *arg, const struct nj_mqtt_seen *seen, struct nj_view topic, struct nj_view payload);
	/* A CONNECT that is about to be answered with success: the reason code of a refusal, or 0. The client id is as
	 * the client sent it; `takes_over`: another connection of the same session ends by it. */
	uint8_t (*may_connect)(void *arg, const struct nj_mqtt_seen *seen, bool takes_over);
	/* A session's queue is full, at most once a second for each: how many messages it has discarded so far, for
	 * newer ones. */
	void (*on_queue_full)(void *arg, const struct nj_mqtt_seen *seen, uint64_t discarded);
	/* A refused CONNECT, a malformed or forbidden packet: text for people. */
	void (*on_error)(void *arg, const struct nj_mqtt_seen *seen, uint8_t reason, const char *text);
};

/* How a connection is bound. */
struct nj_mqtt_entry {
	struct nj_party *party; /* the broker takes a reference of its own; NULL: `authenticate` tells */
	/* Plain binding, once, at CONNECT: gives a reference to the party, or an error: the connection is then reset
	 * without an answer. */
	enum nj_err (*authenticate)(void *arg, struct nj_conn *conn, struct nj_view username, struct nj_view password,
				    struct nj_party **out_party);
	/* The connection ended without being bound; may be NULL. */
	void (*unbound)(void *arg, enum nj_close why);
	void *arg;
	/* A password is demanded: for the user of the party's name, by SCRAM-SHA-256 or as it is; borrowed for the
	 * connection's life. NULL: none is. */
	const struct nj_scram_verifier *verifier;
	uint32_t connect_timeout_ms; /* 0: the limits' */
	uint64_t tag;                /* the owner's name for the connection, for hooks and nj_mqtt_tell; 0: none */
	bool local;   /* a local listener: many clients are one party; shown to nobody, kept for hooks and listings */
	bool lasting; /* a session of the gateway's own: it may outlive any connection, whatever the limits say */
};

/* Numbers of 64 bits, nothing else. */
struct nj_mqtt_counters {
	uint64_t connections; /* now */
	uint64_t sessions;    /* now, connected or not */
	uint64_t subscriptions;
	uint64_t retained;
	uint64_t memory_bytes;
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t payload_bytes_in;
	uint64_t payload_bytes_out;
	uint64_t messages_dropped;   /* no room, expired in the queue, too large for the receiver */
	uint64_t messages_discarded; /* of those: they waited, and went for newer ones */
	uint64_t messages_denied;    /* publishes and deliveries */
	uint64_t subscribes_denied;
	uint64_t wills;
	uint64_t faults; /* connections ended for what they sent */
};

/* Limits and hooks are copied. NJ_ERR_RANGE for limits that contradict each other. */
NJ_MUST_USE enum nj_err nj_mqtt_broker_new(struct nj_reactor *reactor, struct nj_random *random,
					   const struct nj_mqtt_limits *limits, const struct nj_mqtt_hooks *hooks,
					   struct nj_mqtt_broker **out_broker);
/* Resets every connection and forgets every session; no will is published, no hook is called. The reactor outlives it
 * by a turn at least. */
/* Takes over memory, queues, topic levels, sessions, keep-alive, expiry and retained
 * messages. What buffers were sized for, or clients were told (packets, topics, subscriptions, in-flight), stays. */
void nj_mqtt_broker_set_limits(struct nj_mqtt_broker *broker, const struct nj_mqtt_limits *limits);
void nj_mqtt_broker_free(struct nj_mqtt_broker *broker);
/* Sends DISCONNECT where the version has it (0x8B, or 0x9C with a server reference) and closes; wills are not
 * published. */
void nj_mqtt_broker_close(struct nj_mqtt_broker *broker);

/* Brokers that are one to the world count into the same tallies, which outlive them, and one of them tells. Before the
 * first connection. */
struct nj_mqtt_tallies;
void nj_mqtt_broker_share_tallies(struct nj_mqtt_broker *broker, struct nj_mqtt_tallies *tallies, bool tells);

/* Takes over a connection: its ops become the broker's. On an error it is aborted. */
NJ_MUST_USE enum nj_err nj_mqtt_accept(struct nj_mqtt_broker *broker, struct nj_conn *conn,
				       const struct nj_mqtt_entry *entry);
/* Resets every connection of a party (NJ_CLOSE_REVOKED) and drops its sessions and their wills. Returns how many
 * connections it were; their closing is seen at the end of the turn. */
size_t nj_mqtt_cut(struct nj_mqtt_broker *broker, const uint8_t uid[NJ_PARTY_UID_BYTES]);
/* Resets the connections that `chosen` picks, after telling `cut` of each; their sessions stay for those who may come
 * back. Both are asked during the call and must not call the broker. Returns how many. */
size_t nj_mqtt_cut_chosen(struct nj_mqtt_broker *broker,
			  bool (*chosen)(void *arg, const struct nj_conn *conn, const struct nj_party *party),
			  void (*cut)(void *arg, const struct nj_conn *conn, const struct nj_party *party), void *arg);
/* A message of the gateway's own, to a customer's subscribers. NJ_ERR_MALFORMED (topic), NJ_ERR_LIMIT. */
NJ_MUST_USE enum nj_err nj_mqtt_publish(struct nj_mqtt_broker *broker, const char *customer, struct nj_view topic,
					struct nj_view payload, uint8_t qos, bool retain);
/* A message to the connected client with this tag alone, QoS 0: it lives and dies with its connection. Not to be called
 * from hooks. NJ_ERR_NOT_FOUND, NJ_ERR_CLOSED, NJ_ERR_TOO_LARGE, NJ_ERR_LIMIT (it does not read). */
NJ_MUST_USE enum nj_err nj_mqtt_tell(struct nj_mqtt_broker *broker, uint64_t tag, struct nj_view topic,
				     struct nj_view payload);
/* Any thread. */
struct nj_mqtt_counters nj_mqtt_counters_of(const struct nj_mqtt_broker *broker);

#endif
