/*
 * The typed messages between keeper and gateway: fixed layouts, bounds-checked, one message a datagram of
 * net/channel.h. What is not in this table cannot be asked for: the gateway has no message that opens a door, lifts a
 * filter or reads a key. Views borrow the received datagram. Pure; any thread.
 */
#ifndef NJ_BUS_IPC_H
#define NJ_BUS_IPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"
#include "bus/door.h"
#include "identity/rights.h"

#define NJ_IPC_MAX_BYTES (60 * 1024)
#define NJ_IPC_PARTIES_MAX 256 /* rows in one NJ_IPC_PARTIES_PUT */
#define NJ_IPC_TEXT_MAX 1024
#define NJ_IPC_AUDIT_MAX 64 /* records in one NJ_IPC_AUDIT */

/* X(name, number, who sends it) */
#define NJ_IPC_TABLE(X)                                                                                                \
	X(NJ_IPC_HELLO, 1, "keeper: certificate and key for the gateway's listeners; the first message")               \
	X(NJ_IPC_GRANT, 2, "keeper: a one-time key; answered by NJ_IPC_GRANT_ACK before the cloak opens")              \
	X(NJ_IPC_GRANT_END, 3, "keeper: a grant expired or was withdrawn")                                             \
	X(NJ_IPC_PROFILE_PUT, 4, "keeper: store a profile; answered by NJ_IPC_RESULT")                                 \
	X(NJ_IPC_PARTIES_PUT, 5, "keeper: store devices or applications; answered by NJ_IPC_RESULT")                   \
	X(NJ_IPC_PARTY_CUT, 6, "keeper: a party was revoked: forget it, cut its sessions; answered by NJ_IPC_RESULT")  \
	X(NJ_IPC_PARTY_QUERY, 7, "keeper at start: is this party stored? answered by NJ_IPC_RESULT")                   \
	X(NJ_IPC_TRUST_PUT, 8, "keeper: what certifies a customer's parties; answered by NJ_IPC_RESULT")               \
	X(NJ_IPC_CERTIFICATE_PUT, 9, "keeper: a newer certificate and key; answered by NJ_IPC_RESULT")                 \
	X(NJ_IPC_REKEY_OFFER, 10, "keeper: OFFER for the session of a grant")                                          \
	X(NJ_IPC_REKEY_DONE, 11, "keeper: DONE for the session of a grant")                                            \
	X(NJ_IPC_REKEY_CUT, 12, "keeper: a device's key was replaced: cut its sessions but one; no answer")            \
	X(NJ_IPC_KICK, 13, "keeper: end a party's connections; answered by NJ_IPC_RESULT, whose text is their number") \
	X(NJ_IPC_REKEY_READY, 26, "gateway: a session that may rekey takes messages; its exporter")                    \
	X(NJ_IPC_REKEY_STORED, 27, "gateway: STORED came in the session of a grant")                                   \
	X(NJ_IPC_GRANT_ACK, 16, "gateway: the one-time key is in place")                                               \
	X(NJ_IPC_BOUND, 17, "gateway: a connection proved itself; the grant is consumed")                              \
	X(NJ_IPC_FLOW_END, 18, "gateway: a connection of a cloaked listener ended")                                    \
	X(NJ_IPC_AUDIT, 19, "gateway: records for the audit log")                                                      \
	X(NJ_IPC_RESULT, 20, "gateway: the outcome of a request")

enum nj_ipc_type {
#define NJ_IPC_ENUM(name, number, text) name = number,
	NJ_IPC_TABLE(NJ_IPC_ENUM)
#undef NJ_IPC_ENUM
};

struct nj_ipc_hello {
	struct nj_view cert_pem, key_pem, ca_pem;
};

struct nj_ipc_certificate {
	uint32_t request;
	struct nj_view cert_pem, key_pem;
};

struct nj_ipc_rule {
	uint8_t direction; /* enum nj_direction */
	bool deny;
	struct nj_view pattern;
	struct nj_view contract; /* empty: none */
};

struct nj_ipc_profile {
	uint32_t request;
	struct nj_view customer, name;
	uint32_t services; /* NJ_SERVICE_BIT */
	bool plain;
	uint16_t rule_count;
	struct nj_ipc_rule rules[NJ_RIGHTS_MAX_PATTERNS * 4];
};

struct nj_ipc_party {
	uint8_t uid[16];
	uint8_t kind; /* enum nj_party_kind */
	struct nj_view name;
};

struct nj_ipc_parties {
	uint32_t request;
	struct nj_view customer, profile;
	uint64_t created_ms;
	uint16_t count;
	struct nj_ipc_party rows[NJ_IPC_PARTIES_MAX];
};

struct nj_ipc_uid {
	uint32_t request;
	uint8_t uid[16];
};

struct nj_ipc_kick {
	uint32_t request;
	uint8_t uid[16];
	bool forget; /* their sessions too */
	bool one;    /* this client identifier alone */
	struct nj_view client_id;
};

#define NJ_IPC_TRUST_CA_MAX (16 * 1024)
#define NJ_IPC_TRUST_LIST_MAX (40 * 1024)

struct nj_ipc_trust {
	uint32_t request;
	struct nj_view customer; /* empty: the built-in CA */
	struct nj_view ca_pem;   /* empty: the customer has no CA of its own any more */
	struct nj_view list_pem; /* revocation lists; may be empty */
};

struct nj_ipc_bound {
	uint64_t grant_id;
	struct nj_addr peer;
	uint16_t local_port;
	bool weak;          /* by a password, not by a key */
	struct nj_addr via; /* the proxy that named `peer`; all zero: nobody stood between */
};

/* What the gateway process learns of a rekey: nothing of it yields a key without the device's root key. */
struct nj_ipc_rekey {
	uint64_t grant_id; /* names the session that it bound */
	uint32_t epoch;    /* of the new key; 0 in READY */
	uint64_t floor;    /* OFFER of a recovery: counters of the new key begin after it; else 0 */
	uint8_t value[32]; /* READY: the exporter; STORED, DONE: the proof; OFFER: of a recovery its nonce, else zero */
};

struct nj_ipc_rekey_cut {
	uint64_t grant_id; /* what bound the session that stays: it proved the new key */
	uint8_t uid[16];
};

struct nj_ipc_flow {
	struct nj_addr peer;
	uint16_t local_port;
};

struct nj_ipc_audit_record {
	uint16_t
	    event; /* enum nj_audit_event of identity/audit.h; the keeper accepts only those a gateway may report */
	struct nj_view customer, subject, source, detail;
};

struct nj_ipc_audit {
	uint16_t count;
	struct nj_ipc_audit_record records[NJ_IPC_AUDIT_MAX];
};

struct nj_ipc_result {
	uint32_t request;
	uint16_t err; /* enum nj_err */
	struct nj_view text;
};

struct nj_ipc {
	enum nj_ipc_type type;
	union {
		struct nj_ipc_hello hello;
		struct nj_ipc_certificate certificate;
		struct nj_grant grant;
		uint64_t grant_id; /* GRANT_END, GRANT_ACK */
		struct nj_ipc_profile profile;
		struct nj_ipc_parties parties;
		struct nj_ipc_uid uid; /* PARTY_CUT, PARTY_QUERY */
		struct nj_ipc_trust trust;
		struct nj_ipc_kick kick;
		struct nj_ipc_bound bound;
		struct nj_ipc_flow flow;
		struct nj_ipc_rekey rekey; /* REKEY_READY, …_OFFER, …_STORED, …_DONE */
		struct nj_ipc_rekey_cut rekey_cut;
		struct nj_ipc_audit audit;
		struct nj_ipc_result result;
	} as;
};

/* NJ_ERR_FULL when `w` is too small; lengths over their limits are NJ_ERR_TOO_LARGE. */
NJ_MUST_USE enum nj_err nj_ipc_encode(const struct nj_ipc *message, struct nj_writer *w);
/* Refuses unknown types, wrong enum values, counts over their limit and trailing bytes. */
NJ_MUST_USE enum nj_err nj_ipc_decode(struct nj_view bytes, struct nj_ipc *out_message);
const char *nj_ipc_name(enum nj_ipc_type type);
/* True for the messages that the gateway may send; everything else from it is a violation. */
bool nj_ipc_from_gateway(enum nj_ipc_type type);

#endif
