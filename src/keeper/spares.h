/*
 * Keys beside a device's current one: the pending key of an offer, which opens the door like the current one;
 * tombstones of replaced keys, which open nothing: of each device the newest, and those dug out of the store because
 * their hint was seen (keeper/graves.h); and, while the operator's window is open, the recovery key. Their hints lie in
 * a table of their own, so that the many devices without any pay nothing for them. Bounded: NJ_SPARES_OF_ONE a device,
 * and the recovery key. Pure: no I/O, no clock. The keeper's main
 * thread only.
 */
#ifndef NJ_KEEPER_SPARES_H
#define NJ_KEEPER_SPARES_H

#include "base/list.h"
#include "base/random.h"
#include "keeper/window.h"

#define NJ_SPARES_OF_ONE 64 /* of a device: a pending key and tombstones */

struct nj_spares;

/* Valid until it is removed. */
struct nj_spare {
	struct nj_list of_owner;
	struct nj_list of_dug;
	uint64_t until_ms;         /* a tombstone that was dug out of the store: until then; 0: it stays */
	uint8_t uid[NJ_UID_BYTES]; /* whose */
	uint32_t epoch;
	uint32_t place; /* in the table: a name for it while it lives */
	bool pending;   /* neither this … */
	bool recovery;  /* … nor that (then with epoch 0): a tombstone */
	bool proven;    /* a tombstone: a session under a newer key has been bound since */
};

struct nj_spare_candidate {
	struct nj_spare *spare;
	uint64_t counter;
};

/* At most `max` in all. */
NJ_MUST_USE enum nj_err nj_spares_new(size_t max, struct nj_random *random, struct nj_spares **out_spares);
void nj_spares_free(struct nj_spares *spares);
void nj_spares_on_hint(struct nj_spares *spares, nj_window_hint_fn fn, void *arg);

/* Of the model uid, epoch, pending, recovery, proven and until_ms are read. NJ_ERR_EXISTS (uid and epoch),
 * NJ_ERR_LIMIT, NJ_ERR_RANGE, NJ_ERR_NO_MEMORY; nothing changed then. `out_spare` may be NULL. */
NJ_MUST_USE enum nj_err nj_spares_add(struct nj_spares *spares, const struct nj_spare *model, uint64_t floor,
				      const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], struct nj_spare **out_spare);
void nj_spares_remove(struct nj_spares *spares, struct nj_spare *spare);
/* NULL without one. */
struct nj_spare *nj_spares_pending(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);
struct nj_spare *nj_spares_recovery(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);
struct nj_spare *nj_spares_oldest_tombstone(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);
/* The tombstone of an epoch, or NULL. */
struct nj_spare *nj_spares_tombstone(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch);
/* The one that was dug out first, or NULL; and their number. */
struct nj_spare *nj_spares_first_dug(const struct nj_spares *spares);
size_t nj_spares_dug_count(const struct nj_spares *spares);
size_t nj_spares_count_of(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);
/* Marks every tombstone of a device; true when one was not marked before. */
bool nj_spares_set_proven(struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);
bool nj_spares_unproven(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES]);

/* As nj_window_lookup. */
size_t nj_spares_lookup(const struct nj_spares *spares, const uint8_t hint[NJ_KNOCK_HINT_BYTES],
			struct nj_spare_candidate out[NJ_WINDOW_CANDIDATES]);
/* As nj_window_slide. */
NJ_MUST_USE enum nj_err nj_spares_slide(struct nj_spares *spares, struct nj_spare *spare, uint64_t floor);
/* Its row of the table, with a token bucket of its own. */
struct nj_window_device *nj_spares_row(const struct nj_spares *spares, const struct nj_spare *spare);

/* As nj_window_settle. */
void nj_spares_settle(struct nj_spares *spares);

/* For the filter, for status and tests. */
const struct nj_window *nj_spares_window(const struct nj_spares *spares);
size_t nj_spares_count(const struct nj_spares *spares);
size_t nj_spares_pending_count(const struct nj_spares *spares);
size_t nj_spares_recovery_count(const struct nj_spares *spares);
/* One recovery key after the other: *cursor is 0 at first, NULL comes at the end. Each may be removed at once. */
struct nj_spare *nj_spares_next_recovery(const struct nj_spares *spares, size_t *cursor);
bool nj_spare_is_tombstone(const struct nj_spare *spare);

#endif
