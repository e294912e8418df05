/*
 * A topic contract: what one allow rule of a profile asks of the messages that it lets through, beside their topic:
 * QoS, retain, size, rate, and a payload contract (identity/schema.h). Written as a JSON object; compiled once and
 * immutable then. Rates are counted in meters of the party, lock-free, so that every thread counts in the same ones.
 * Any thread.
 *
 *   {"max_qos":1, "retain":false, "max_bytes":256, "rate":"10/s", "burst":20, "json":{…}}
 *
 * "rate" is N/s, N/min or N/h; "burst" (default: a second's worth, at least 1) is how many may come at once; "json" or
 * "cbor" is the payload's. A subscribe rule has max_qos, retain (false: no retained messages at SUBSCRIBE) and
 * max_bytes alone. An empty retained message takes the retained one away and is asked for its payload contract by
 * nobody.
 */
#ifndef NJ_IDENTITY_CONTRACT_H
#define NJ_IDENTITY_CONTRACT_H

#include <stdatomic.h>

#include "identity/schema.h"

#define NJ_CONTRACT_TEXT_MAX 8192
#define NJ_CONTRACT_METERS 16 /* rules with a rate in one profile */

/* What a message, or a topic, was denied for. */
enum nj_breach {
	NJ_BREACH_NONE,
	NJ_BREACH_TOPIC,
	NJ_BREACH_QOS,
	NJ_BREACH_RETAIN,
	NJ_BREACH_SIZE,
	NJ_BREACH_RATE,
	NJ_BREACH_PAYLOAD,
};
/* For logs and JSON: "topic", "qos", … */
const char *nj_breach_name(enum nj_breach breach);

struct nj_contract {
	struct nj_schema *schema; /* NULL: any payload */
	uint32_t max_bytes;       /* of the payload; UINT32_MAX: any */
	uint32_t interval_us;     /* between messages at the full rate; 0: any rate */
	uint32_t burst;
	uint8_t max_qos;
	uint8_t meter; /* whose rate; set by the rights that hold it */
	bool retain;   /* may be set */
};

/* A party's rates: when each is used up to, in µs of the boot clock. Zeroed at first. */
struct nj_meters {
	atomic_uint_least64_t due_us[NJ_CONTRACT_METERS];
};

struct nj_offer {
	uint8_t qos;
	bool retain;
	struct nj_view payload;
	uint64_t now_ms;          /* boot clock */
	struct nj_meters *meters; /* NULL: the rate is not counted */
};

/* `why` names the member and the fault. */
NJ_MUST_USE enum nj_err nj_contract_new(const char *text, bool subscribe, struct nj_contract **out_contract,
					struct nj_why *why);
void nj_contract_free(struct nj_contract *contract);
/* One message against the contract. On a breach `out_fault` says what is wrong, in a line without any of the payload.
 */
enum nj_breach nj_contract_check(const struct nj_contract *contract, const struct nj_offer *offer,
				 char out_fault[NJ_SCHEMA_FAULT_BYTES]);

#endif
