/*
 * What the broker's files share: its objects, and how they call each other. Included in src/mqtt alone.
 * One customer has a space; a space has subscriptions and retained messages; a session belongs to a space and a party;
 * a client is a connection, and has a session from CONNECT to its end. One thread, see broker.h.
 */
#ifndef NJ_MQTT_INTERNAL_H
#define NJ_MQTT_INTERNAL_H

#include "mqtt/broker.h"
#include "mqtt/kept.h"
#include "mqtt/retained.h"
#include "mqtt/session.h"
#include "mqtt/shared.h"
#include "mqtt/tally.h"

struct nj_mqtt_space {
	struct nj_mqtt_tree subscriptions;
	struct nj_mqtt_retained retained;
	struct nj_mqtt_own_count count;
	struct nj_mqtt_kept_bytes *kept; /* of its sessions' queues in the store, those of other brokers too */
	struct nj_mqtt_space *
	    *twins; /* the same customer's at each of the other brokers, once they told; NULL: alone */
	char customer[];
};

struct nj_mqtt_subscription {
	struct nj_list by_node;
	struct nj_list by_session;
	struct nj_mqtt_subscription *next_matched; /* of the same session, during one match */
	struct nj_mqtt_session *session;
	struct nj_mqtt_node *node;
	struct nj_mqtt_group *group;   /* shared: by_node is in its members; NULL: in the node's entries */
	struct nj_mqtt_replay *replay; /* retained messages still to come; NULL: none */
	uint32_t id;                   /* subscription identifier; 0: none */
	uint32_t rights_version;       /* for which the verdicts and limits of the rule below hold */
	bool allowed;
	bool partly;
	uint8_t qos;        /* granted */
	uint8_t max_qos;    /* of the rule of now */
	bool no_retained;   /* none at SUBSCRIBE */
	bool replays_again; /* a restart came before its retained messages did */
	uint32_t max_bytes; /* of a payload */
	bool no_local;
	bool retain_as_published;
	uint32_t filter_bytes;
	struct {
		uint64_t place_id; /* the node's, or the group's */
		uint64_t session_id;
	} key;
	uint8_t filter[]; /* as the client wrote it */
};

struct nj_mqtt_session {
	struct nj_mqtt_broker *broker;
	struct nj_mqtt_space *space;
	struct nj_party *party;
	struct nj_mqtt_client *client; /* NULL while not connected */
	struct nj_list link;
	struct nj_list subscriptions;
	struct nj_list replays; /* retained messages still to come: replay.h */
	uint32_t subscription_count;
	uint32_t expiry_s;
	struct nj_timer expiry;
	struct nj_mqtt_will *will; /* NULL: none */
	struct nj_mqtt_flow flow;
	struct nj_mqtt_keep *keep;            /* never NULL: the broker's `no_keep` while it does not last */
	struct nj_mqtt_subscription *matched; /* during one match */
	struct nj_mqtt_session *next_matched;
	uint64_t id;
	uint32_t told_ms; /* when its full queue was spoken of; cut to 32 bits */
	uint16_t key_bytes;
	uint8_t key[]; /* party uid ‖ client identifier */
};

struct nj_mqtt_broker {
	struct nj_reactor *reactor;
	struct nj_random *random;
	struct nj_mqtt_limits limits;
	struct nj_mqtt_hooks hooks;
	struct nj_mqtt_flow_limits flow_limits; /* of all sessions: a part of `limits` */
	struct nj_mqtt_counters counters;
	struct nj_mqtt_journal *journal; /* NULL: nothing is on disk */
	struct nj_mqtt_shared *shared;
	struct nj_mqtt_shared own;     /* what `shared` is for a broker that is alone */
	struct nj_mqtt_fabric *fabric; /* NULL: alone */
	struct nj_mqtt_peer *peers;    /* of the fabric */
	uint16_t place;                /* in the fabric */
	uint16_t flooded;              /* brokers that get everything, as their interest could not be kept */
	struct nj_deferred dispatch;
	struct nj_map spaces;        /* by customer */
	struct nj_map session_map;   /* by key */
	struct nj_mqtt_keep no_keep; /* of all sessions that do not last: number 0, holds nothing */
	struct nj_map subscriptions; /* by (node id, session id) */
	struct nj_map tagged;        /* clients by the tag of their entry, those that have one */
	struct nj_list sessions;
	struct nj_list clients;
	struct nj_mqtt_tap *taps; /* of operators who look; NULL: nobody */
	struct nj_timer sys;      /* sys.h */
	uint64_t began_ms;
	struct nj_mqtt_tallies *tallies;
	struct nj_mqtt_tallies *own_tallies; /* the same, if nobody shares them; NULL: not its own */
	bool tells_sys;
	uint64_t ids;     /* of nodes, sessions and groups */
	uint8_t seed[16]; /* of hashes that choose a group's member */
	uint8_t *packet;  /* scratch: one packet on its way out */
	uint8_t *head[2]; /* scratch: a PUBLISH's head for all receivers of one version */
	size_t packet_cap;
	uint8_t *codes;                    /* scratch: SUBACK's and UNSUBACK's codes */
	uint8_t *forward;                  /* scratch: forwarded properties */
	uint32_t *match_ids;               /* scratch: subscription ids of one receiver */
	char fault[NJ_SCHEMA_FAULT_BYTES]; /* scratch: what is wrong with a message that was judged last */
};

/* broker.c */
NJ_MUST_USE enum nj_err nj_mqtt_space_of(struct nj_mqtt_broker *broker, const char *customer,
					 struct nj_mqtt_space **out_space);
/* After a change of its limits, or of what it shares with others. */
void nj_mqtt_limit_flows(struct nj_mqtt_broker *broker);
bool nj_mqtt_topic_fits(const struct nj_mqtt_broker *broker, struct nj_view topic);
/* Whether it is one of NJ_MQTT_OWN_TOPICS. */
bool nj_mqtt_topic_own(struct nj_view topic);
/* Tells the hook. `client` may be NULL (a will), `party` not. */
void nj_mqtt_tell_denied(struct nj_mqtt_broker *broker, struct nj_mqtt_client *client, const struct nj_party *party,
			 enum nj_direction direction, struct nj_view topic, struct nj_verdict verdict);

/* contract.c */
/* A message that the party would publish, by the rights of now: its topic, then the contract of the rule that allows
 * it. Words about a fault hold until the next call. */
struct nj_verdict nj_mqtt_judge(struct nj_mqtt_broker *broker, struct nj_party *party,
				const struct nj_mqtt_content *content);
/* What a denial is in PUBACK and PUBREC, and as a connection's end. */
enum nj_mqtt_reason nj_mqtt_breach_reason(enum nj_breach breach);
enum nj_mqtt_fault nj_mqtt_breach_fault(enum nj_breach breach, bool often);
/* Keeps the verdict on the subscription's filter. `version`: of the party's rights, read before they were asked: they
 * may be others by now. */
void nj_mqtt_subscription_judge(struct nj_mqtt_subscription *s, const struct nj_verdict *verdict, uint32_t version);
/* Delivery of this message to the party, by the rights of now. */
bool nj_mqtt_may_receive(const struct nj_party *party, const struct nj_mqtt_content *content);

/* inspect.c: shows a message that comes in to who looks. */
void nj_mqtt_taps_see(const struct nj_mqtt_broker *broker, const struct nj_mqtt_space *space,
		      const struct nj_mqtt_content *content, const struct nj_mqtt_session *publisher);

/* keep_room.c: messages went unsent for want of room (0: one was refused). Told once a second and session. */
void nj_mqtt_queue_full(struct nj_mqtt_session *session, uint64_t discarded);

/* registry.c: sessions */
struct nj_view nj_mqtt_session_client_id(const struct nj_mqtt_session *session);
struct nj_mqtt_session *nj_mqtt_session_find(struct nj_mqtt_broker *broker, const struct nj_party *party,
					     struct nj_view client_id);
/* NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_session_new(struct nj_mqtt_broker *broker, struct nj_party *party,
					    struct nj_view client_id, struct nj_mqtt_session **out_session);
/* Forgets it with all it holds; a will that waits is not published. */
void nj_mqtt_session_free(struct nj_mqtt_session *session);
/* The session's end by its own rules: a will that waits is published first (3.1.2.5). */
void nj_mqtt_session_end(struct nj_mqtt_session *session);
void nj_mqtt_session_attach(struct nj_mqtt_session *session, struct nj_mqtt_client *client);
/* The connection is gone. May end the session. */
void nj_mqtt_session_detach(struct nj_mqtt_session *session, bool with_will);
void nj_mqtt_subscription_free(struct nj_mqtt_subscription *subscription);
/* Its filter without what makes it shared. */
struct nj_view nj_mqtt_subscription_topics(const struct nj_mqtt_subscription *subscription);

/* route.c */
/* Gives a message to every subscriber, of other brokers too. True when there was one. `retained`: what nj_mqtt_retain
 * made of the content, or NULL; its reference is taken. */
bool nj_mqtt_route(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
		   struct nj_mqtt_message *retained, const struct nj_mqtt_session *publisher);
/* The forwarded properties of a PUBLISH or will as one block; borrowed from the packet or the broker's scratch. */
struct nj_view nj_mqtt_forwarded(struct nj_mqtt_broker *broker, const struct nj_mqtt_properties *properties);

#endif
