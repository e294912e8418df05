/*
 * The audit log: append-only, each record's hash covers the one before it; every 1,000 records or 60 s, and at stop, a
 * checkpoint is signed (Ed25519); in every commit the head row is authenticated, so that a cut tail is found between
 * checkpoints too. It drives the keeper store's transactions, so that a burn and its record are one commit. The
 * keeper's main thread only: nobody else writes audit records. Never logs.
 */
#ifndef NJ_IDENTITY_AUDIT_H
#define NJ_IDENTITY_AUDIT_H

#include "base/clock.h"
#include "identity/audit_events.h"
#include "identity/vault.h"

#define NJ_AUDIT_CHECKPOINT_RECORDS 1000
#define NJ_AUDIT_CHECKPOINT_MS 60000
#define NJ_AUDIT_TEXT_MAX 1024 /* longer texts are cut here, at a character's border */

/* NULL texts are empty ones. Times are the log's own. */
struct nj_audit_record {
	enum nj_audit_event event;
	const char *customer;
	const char *subject; /* whom it is about: a device's name, a profile, a user */
	const char *source;  /* where it came from: an address, "cli", "keeper" */
	const char *detail;
};

struct nj_audit;

/* Makes the keys and an empty log in a new vault. */
NJ_MUST_USE enum nj_err nj_audit_create(struct nj_vault *vault, struct nj_random *random);
/* NJ_ERR_CORRUPT (with what to do) when the head row does not fit its MAC or the newest record. */
NJ_MUST_USE enum nj_err nj_audit_open(struct nj_vault *vault, const struct nj_clock *clock, struct nj_audit **out_audit,
				      struct nj_why *why);
/* Does not write: call nj_audit_checkpoint first at an orderly stop. */
void nj_audit_close(struct nj_audit *audit);

/* The vault has a new key: from now on the head row is authenticated with what is derived of that. Inside the
 * transaction of the rekey, before a record of it is appended. */
NJ_MUST_USE enum nj_err nj_audit_rekeyed(struct nj_audit *audit, struct nj_vault *vault);

/* One commit of the keeper's store: begin, appends and any store operations, commit. A failed commit, and rollback,
 * leave the chain as it was before begin. */
NJ_MUST_USE enum nj_err nj_audit_begin(struct nj_audit *audit);
NJ_MUST_USE enum nj_err nj_audit_append(struct nj_audit *audit, const struct nj_audit_record *record);
NJ_MUST_USE enum nj_err nj_audit_commit(struct nj_audit *audit);
void nj_audit_rollback(struct nj_audit *audit);
/* A commit with this one record. */
NJ_MUST_USE enum nj_err nj_audit_write(struct nj_audit *audit, const struct nj_audit_record *record);

/* Signs a checkpoint if one is due by time; call every second or so, outside a transaction. */
NJ_MUST_USE enum nj_err nj_audit_tick(struct nj_audit *audit);
/* Signs one now if there are records since the last. */
NJ_MUST_USE enum nj_err nj_audit_checkpoint(struct nj_audit *audit);
/* Sequence number of the newest record, 0 = none. */
uint64_t nj_audit_seq(const struct nj_audit *audit);

/* ---- reading ---- */

struct nj_audit_filter {
	const char *event_prefix; /* "knock." */
	const char *customer;
	const char *subject;
};
struct nj_audit_entry {
	uint64_t seq;
	uint64_t time_ms;
	const char *event, *customer, *subject, *source, *detail;
	uint8_t hash[NJ_SHA256_BYTES];
};
typedef enum nj_err (*nj_audit_entry_fn)(void *arg, const struct nj_audit_entry *entry);
/* Records with seq > `after` that pass `filter` (NULL: all), oldest first, at most `limit`, looking at no more than
 * `scan_max` rows; `out_next` (the new `after`) is where to go on. */
NJ_MUST_USE enum nj_err nj_audit_list(struct nj_audit *audit, uint64_t after, const struct nj_audit_filter *filter,
				      uint32_t limit, uint32_t scan_max, nj_audit_entry_fn fn, void *arg,
				      uint64_t *out_next);
/* The `after` from which nj_audit_list yields the newest `count` records that pass, looking at ≤ scan_max rows. */
NJ_MUST_USE enum nj_err nj_audit_tail_start(struct nj_audit *audit, const struct nj_audit_filter *filter,
					    uint32_t count, uint32_t scan_max, uint64_t *out_after);

#endif
