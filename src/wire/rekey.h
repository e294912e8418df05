/*
 * Continuous keys: how a device and the keeper agree on the next root key over a bound TLS 1.3 session, and which keys
 * each side holds after every event (docs/protocol/knock.md, "Continuous keys"). Both sides are data and functions on
 * it: whoever calls them stores the result before it acts on it. Pure: no I/O, no clock, no allocation; shared by
 * keeper, device library and tests. Any thread. Structs with keys are wiped by their owner.
 */
#ifndef NJ_WIRE_REKEY_H
#define NJ_WIRE_REKEY_H

#include "wire/knock.h"

#define NJ_REKEY_EXPORTER_LABEL "EXPORTER-nightjar-rekey"
#define NJ_REKEY_EXPORTER_BYTES 32
#define NJ_REKEY_PROOF_BYTES 32
#define NJ_REKEY_OFFER_BYTES 4                           /* epoch */
#define NJ_REKEY_PROVEN_BYTES (4 + NJ_REKEY_PROOF_BYTES) /* STORED and DONE: epoch, proof */
#define NJ_REKEY_MESSAGE_MAX_BYTES NJ_REKEY_PROVEN_BYTES

/* X(name, topic on an MQTT session, from the gateway) */
#define NJ_REKEY_MESSAGE_TABLE(X)                           \
	X(NJ_REKEY_OFFER, "$nightjar/rekey/offer", true)    \
	X(NJ_REKEY_STORED, "$nightjar/rekey/stored", false) \
	X(NJ_REKEY_DONE, "$nightjar/rekey/done", true)

enum nj_rekey_type {
#define NJ_REKEY_ENUM(name, topic, from_gateway) name,
	NJ_REKEY_MESSAGE_TABLE(NJ_REKEY_ENUM)
#undef NJ_REKEY_ENUM
};
const char *nj_rekey_topic(enum nj_rekey_type type);

struct nj_rekey_message {
	enum nj_rekey_type type;
	uint32_t epoch;                      /* of the new key */
	uint8_t proof[NJ_REKEY_PROOF_BYTES]; /* STORED, DONE */
};

/* A payload, by its topic. NJ_ERR_UNSUPPORTED for another topic; NJ_ERR_RANGE for epoch 0; what a reader says. */
NJ_MUST_USE enum nj_err nj_rekey_decode(struct nj_view topic, struct nj_view payload, struct nj_rekey_message *out);
/* Returns the length. */
size_t nj_rekey_encode(const struct nj_rekey_message *message, uint8_t out[NJ_REKEY_MESSAGE_MAX_BYTES]);

/* K' = HKDF(K ‖ exporter, salt = uid, info = "nightjar/1 rekey" ‖ epoch); `epoch` is the new key's. */
void nj_rekey_derive(const uint8_t key[NJ_KNOCK_KEY_BYTES], const uint8_t exporter[NJ_REKEY_EXPORTER_BYTES],
		     const uint8_t uid[NJ_UID_BYTES], uint32_t epoch, uint8_t out_key[NJ_KNOCK_KEY_BYTES]);
/* HMAC(K'_mac, "stored" or "done" ‖ epoch): that the sender holds K'. */
void nj_rekey_prove(const uint8_t new_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES], enum nj_rekey_type type,
		    uint32_t epoch, uint8_t out_proof[NJ_REKEY_PROOF_BYTES]);
/* In constant time. */
bool nj_rekey_proves(const uint8_t new_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
		     const struct nj_rekey_message *message);

/* ---- the gateway's side ---- */

enum nj_rekey_change {
	NJ_REKEY_KEEP,    /* nothing changes */
	NJ_REKEY_DROP,    /* {K, K'} → {K} */
	NJ_REKEY_PROMOTE, /* {K, K'} → {K'}, and a tombstone of K */
	NJ_REKEY_STALE,   /* the key is not held any more */
};
/* A connection was bound under the key of `bound`; the keeper holds `epoch`, and `epoch` + 1 where `pending`. */
enum nj_rekey_change nj_rekey_on_bound(uint32_t epoch, bool pending, uint32_t bound);

/* ---- the device's side ---- */

#define NJ_REKEY_DEVICE_KEYS 3 /* two, and one more after a recovery that did not come to its end */

struct nj_rekey_key {
	uint32_t epoch;
	bool recovered;   /* of a recovery (wire/recover.h), not yet bound: its counters begin after `base` */
	uint64_t attempt; /* failed ones since a connection was bound */
	uint64_t base;
	uint8_t key[NJ_KNOCK_KEY_BYTES];
};

/* The recovery key, with its own line of counters. Never replaced, never wiped. */
struct nj_rekey_recovery {
	bool held;
	uint64_t counter; /* of its last knock whose connection was bound */
	uint64_t attempt; /* failed ones since */
	uint64_t turn;    /* attempts of either kind since it is tried at all */
	uint8_t key[NJ_KNOCK_KEY_BYTES];
};

/* What a device stores, atomically. */
struct nj_rekey_device {
	uint8_t uid[NJ_UID_BYTES];
	uint64_t counter; /* of the last knock whose connection was bound, under whichever key */
	uint8_t count;    /* of keys, at least 1 */
	struct nj_rekey_key keys[NJ_REKEY_DEVICE_KEYS]; /* the newest first */
	struct nj_rekey_recovery recovery;
};

/* One knock to make (`flags` are those of its body), and the session that comes of it. */
struct nj_rekey_attempt {
	uint8_t which; /* of the keys, when the attempt was made */
	uint8_t flags;
	bool recovery; /* with the recovery key, for the enrolment service; `which` and `epoch` are 0 */
	bool offered;  /* this session has had its OFFER */
	uint32_t epoch;
	uint64_t counter;
};

/* The next attempt, counted in `device` as failed until nj_rekey_device_bound says otherwise: the newest key first, the
 * older after 16 failures, alternating; each key goes through the attempt rule on its own. NJ_ERR_RANGE: the counters
 * are used up. */
NJ_MUST_USE enum nj_err nj_rekey_device_next(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt);
/* The key of an attempt. Borrowed from `device`. */
const uint8_t *nj_rekey_device_key(const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt);
/* The attempt's connection was bound. True when an older key was dropped: store before anything else. */
bool nj_rekey_device_bound(struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt);
/* OFFER came in the attempt's session, whose exporter this is. NJ_OK: `device` holds the new key and the one of the
 * session; store it, then send `out_stored`. NJ_ERR_STATE, nothing changed: not the epoch after the session's key, or a
 * second OFFER in one session (whoever ends the TLS could otherwise have a key dropped that the keeper has taken). */
NJ_MUST_USE enum nj_err nj_rekey_device_offered(struct nj_rekey_device *device, struct nj_rekey_attempt *session,
						const uint8_t exporter[NJ_REKEY_EXPORTER_BYTES],
						const struct nj_rekey_message *offer,
						struct nj_rekey_message *out_stored);
/* DONE came. NJ_OK: `device` holds the new key alone; store it. NJ_ERR_STATE, NJ_ERR_FORGED: nothing changed. */
NJ_MUST_USE enum nj_err nj_rekey_device_done(struct nj_rekey_device *device, const struct nj_rekey_message *done);

#endif
