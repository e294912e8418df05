/*
 * The knock pipeline: datagrams in, burnt counters and grants out. Look-up, authentication, token buckets and the
 * body's checks happen at once and change nothing outside; accepted and refused knocks are staged until the owner
 * writes the whole group in one commit, floors and audit records together. Only then the window slides and events are
 * told: a failed commit opens nothing and burns nothing. Junk costs one look-up: no allocation, no log line, no reply.
 * The keeper's main thread only. Never logs: it counts and tells facts.
 */
#ifndef NJ_KEEPER_KNOCK_H
#define NJ_KEEPER_KNOCK_H

#include "base/clock.h"
#include "base/config/perimeter.h"
#include "identity/audit.h"
#include "identity/vault.h"
#include "keeper/spares.h"
#include "keeper/window.h"
#include "net/udp.h"
#include "store/keeper_store.h"

#define NJ_KNOCKS_STAGED_MAX 256
#define NJ_KNOCK_SERVICE_BYTES (NJ_NAME_BYTES + 8)

/* Zero: the default. */
struct nj_knock_limits {
	uint32_t device_burst;     /* authentic knocks of one device at once (8, at most 255) … */
	uint32_t device_refill_ms; /* … and then one in this time (5 s) */
	uint32_t global_per_s;     /* authentic knocks over all devices (20,000) */
	uint32_t time_window_ms;   /* a time that a knock carries may be this far off (60 s) */
};

/* X(name, text): what became of an authentic knock. */
#define NJ_KNOCK_VERDICT_TABLE(X)                                                        \
	X(NJ_KNOCK_ACCEPTED, "accepted")                                                 \
	X(NJ_KNOCK_BAD_BODY, "version or reserved fields are wrong")                     \
	X(NJ_KNOCK_OTHER_UID, "it names another device")                                 \
	X(NJ_KNOCK_NOT_SERVED, "this gateway does not offer the service")                \
	X(NJ_KNOCK_NOT_ALLOWED, "the profile does not allow the service")                \
	X(NJ_KNOCK_NOT_GUARDED, "this guard is not for that profile or party")           \
	X(NJ_KNOCK_OTHER_SOURCE, "it claims an address that it did not come from")       \
	X(NJ_KNOCK_CLOCK_OFF, "its time is too far off")                                 \
	X(NJ_KNOCK_NOT_ENROLMENT, "recovery keys open enrolment, and nothing else does") \
	X(NJ_KNOCK_NOT_FRESH, "it may be from before the restore")                       \
	X(NJ_KNOCK_BURNT, "its counter is burnt in the store already")                   \
	X(NJ_KNOCK_OLD_KEY, "it was made with a key that has been replaced")             \
	X(NJ_KNOCK_CLONED, "somebody else holds a key that has been replaced")

enum nj_knock_verdict {
#define NJ_KNOCK_VERDICT_ENUM(name, text) name,
	NJ_KNOCK_VERDICT_TABLE(NJ_KNOCK_VERDICT_ENUM)
#undef NJ_KNOCK_VERDICT_ENUM
};
const char *nj_knock_verdict_text(enum nj_knock_verdict verdict);

/* Borrowed until the callback returns. Keys are set for accepted knocks alone. */
struct nj_knock_fact {
	enum nj_knock_verdict verdict;
	uint8_t uid[NJ_UID_BYTES];
	uint8_t kind; /* enum nj_party_kind */
	const char *customer, *name;
	struct nj_addr source; /* port 0 */
	uint8_t source_prefix; /* of 128 bits, by the door's policy */
	uint16_t service;
	const struct nj_settings_guard *guard; /* what it is for, when it is no service of Nightjar's; else NULL */
	uint64_t counter;
	uint32_t epoch; /* of the key that it was made with; 0: the recovery key */
	bool recovery;  /* made with the recovery key, for the enrolment service */
	uint8_t hint[NJ_KNOCK_HINT_BYTES];
	uint32_t lifetime_ms;
	bool plain;
	uint8_t bind; /* NJ_BINDING_…, of a TLS service */
	bool tls12;
	uint32_t bind_ms;        /* the connection's time for its proof; 0: the gateway's */
	bool can_rekey;          /* the device says so */
	uint64_t rekeyed_ms;     /* when its current key came to be; 0: with the device */
	const uint8_t *psk;      /* 32 bytes */
	const uint8_t *password; /* 32 bytes; zero without the plain binding */
};

struct nj_knocks_counters {
	uint64_t unknown;  /* no such hint, or another length */
	uint64_t forged;   /* a known hint that failed authentication */
	uint64_t replayed; /* authentic, but the counter was staged already */
	uint64_t limited;  /* authentic, but faster than a bucket allows; not burnt */
	uint64_t accepted;
	uint64_t refused;
	uint64_t rolled_back; /* staged, and their commit failed */
	uint64_t old_key;     /* authentic under a replaced key */
	uint64_t cloned;      /* of these, those that raised the alarm */
};

struct nj_knocks_config {
	const struct nj_clock *clock;
	struct nj_window *window;
	struct nj_spares *spares;
	struct nj_vault *vault;
	struct nj_audit *audit;
	uint32_t served;                        /* NJ_SERVICE_BIT of each service with a cloaked listener */
	const struct nj_settings_guard *guards; /* borrowed */
	size_t guard_count;
	struct nj_knock_limits limits;
	uint64_t restored_ms; /* times before it are refused; 0: the store was never restored */
	/* Must a knock of this device say by its time that it is newer than the restore? May be NULL. */
	bool (*doubtful)(void *arg, const uint8_t uid[NJ_UID_BYTES]);
	/* The door policy of a profile, or NULL. */
	const struct nj_door_policy *(*policy)(void *arg, const char *profile);
	/* A hint that no key in memory has: true when one has it now. May be NULL. */
	bool (*unknown)(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES]);
	/* After the commit. */
	void (*accepted)(void *arg, const struct nj_knock_fact *fact);
	void (*refused)(void *arg, const struct nj_knock_fact *fact);
	/* At once; strangers can cause `forged` at any rate. Only uid, kind, names and source are set. */
	void (*forged)(void *arg, const struct nj_knock_fact *fact);
	void (*limited)(void *arg, const struct nj_knock_fact *fact);
	void *arg;
};

struct nj_knocks;

/* What people call the service of a fact: "mqtts", "guard:ssh", "unknown". */
const char *nj_knock_service_text(const struct nj_knock_fact *fact, char out[NJ_KNOCK_SERVICE_BYTES]);

NJ_MUST_USE enum nj_err nj_knocks_new(const struct nj_knocks_config *config, struct nj_knocks **out_knocks);
void nj_knocks_free(struct nj_knocks *knocks);
/* Stages what is authentic. At most NJ_KNOCKS_STAGED_MAX may be staged: what goes beyond is dropped unburnt. */
void nj_knocks_take(struct nj_knocks *knocks, const struct nj_udp_datagram *datagrams, size_t count);
size_t nj_knocks_staged(const struct nj_knocks *knocks);
/* Floors and audit records of all that is staged, inside the caller's audit transaction. */
NJ_MUST_USE enum nj_err nj_knocks_write(struct nj_knocks *knocks);
/* After the commit: slides the window and tells what became of each. */
void nj_knocks_committed(struct nj_knocks *knocks);
/* After a failed commit: forgets what is staged. */
void nj_knocks_rolled_back(struct nj_knocks *knocks);
/* From the next knock on; zero: the default. What devices have spent of their buckets stays spent. */
void nj_knocks_set_limits(struct nj_knocks *knocks, const struct nj_knock_limits *limits);
/* As nj_keyring_set_recovery. */
void nj_knocks_set_recovery(struct nj_knocks *knocks, struct nj_secret *private_key);
/* Wipes what is remembered of a device, or of one of its spares. Nothing of it may be staged. */
void nj_knocks_forget(struct nj_knocks *knocks, uint32_t device);
void nj_knocks_forget_spare(struct nj_knocks *knocks, const struct nj_spare *spare);
const struct nj_knocks_counters *nj_knocks_counters(const struct nj_knocks *knocks);

#endif
