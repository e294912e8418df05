/*
 * The gateway's brokers and their threads, and what the main thread has them all do. With one broker there is no
 * thread, and everything happens within the call. The gateway's main thread, but for notices.
 */
#ifndef NJ_DAEMON_GATEWAY_FABRIC_H
#define NJ_DAEMON_GATEWAY_FABRIC_H

#include "daemon/gateway_state.h"

/* Makes the brokers, by the configuration; no thread runs yet. */
NJ_MUST_USE enum nj_err gateway_fabric_init(struct gateway *g, const struct nj_mqtt_limits *limits,
					    const struct nj_mqtt_hooks *hooks);
/* Starts the threads, inside the sandbox of files and before the filter of system calls. `gateway`: struct gateway. */
NJ_MUST_USE enum nj_err gateway_fabric_start(void *gateway, struct nj_why *why);
/* Ends the threads; what they were still to do is done. */
void gateway_fabric_stop(struct gateway *g);
void gateway_fabric_done(struct gateway *g);

/* Says goodbye to every client. */
void gateway_fabric_close(struct gateway *g);
/* Ends a party's sessions. `done` gets how many connections that were, when it is over. */
struct gateway_cut {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	uint8_t uid[NJ_UID_BYTES];
	struct nj_party *party; /* referenced; NULL: not known any more */
	size_t count;
	uint32_t request; /* of the keeper */
	enum nj_err err;
	struct nj_why why;
};
void gateway_fabric_cut(struct gateway_cut *cut, void (*done)(struct nj_mqtt_round *round));
/* A message of the gateway's own to the client with this tag, if it is there. */
void gateway_fabric_tell(struct gateway *g, uint64_t tag, const char *topic, struct nj_view payload);

/* Work of a broker's thread for the main thread, with copies of what it needs: `act` is called there once, and the
 * notice freed. With one broker it is called at once. What peers can cause at will is `optional`: past
 * GATEWAY_NOTICES_MAX under way it is lost, and counted. Takes a reference to the party (may be NULL). Any thread of a
 * broker. */
#define GATEWAY_NOTICES_MAX 256
struct gateway_notice {
	struct nj_post post;
	struct gateway *gateway;
	void (*act)(struct gateway_notice *notice);
	struct nj_party *party;
	struct nj_addr peer;
	bool has_peer;
	bool optional;
	uint8_t reason;
	enum nj_direction direction;
	enum nj_breach breach;
	uint64_t tag;
	uint32_t epoch;
	uint8_t value[32]; /* a secret: wiped */
	char client[129];
	char topic[129];
	char text[NJ_PATTERN_MAX_BYTES + 1];
	char fault[NJ_SCHEMA_FAULT_BYTES];
};
/* NULL without memory, or where it is lost. */
struct gateway_notice *gateway_notice_new(struct gateway *g, const struct nj_mqtt_seen *seen, bool optional,
					  void (*act)(struct gateway_notice *notice));
void gateway_notice_send(struct gateway_notice *notice);
/* Text of a notice, cut where it does not fit. */
void gateway_notice_text(char *out, size_t cap, struct nj_view text);

#endif
