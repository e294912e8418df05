/*
 * The hint table: every hint that a knock may carry now, by device. Devices lie in chunks of a dense array, the first
 * half of their next NJ_KNOCK_WINDOW hints in one index (keeper/index.h); together at most 270 bytes a device. Hints
 * are outputs of HMAC under secret keys, so that their own bits place them evenly. No call takes long, however many
 * devices there are. Pure: no I/O, no clock. The keeper's main thread only, but for nj_window_hints_of.
 */
#ifndef NJ_KEEPER_WINDOW_H
#define NJ_KEEPER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/knock.h"

#define NJ_WINDOW_CANDIDATES 4 /* devices whose hints collide, at most; of 2^64 two hardly ever do */
#define NJ_WINDOW_NO_DEVICE UINT32_MAX

struct nj_window;

/* What the window keeps a device. The bucket belongs to the knock pipeline. */
struct nj_window_device {
	uint8_t uid[NJ_UID_BYTES];
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	uint64_t floor; /* counters ≤ floor are burnt; UINT64_MAX marks a free place */
	uint32_t bucket_at_ms;
	uint8_t bucket;
	uint8_t kind; /* enum nj_party_kind */
};

/* The hints of the counters after a floor; `count` is less than NJ_KNOCK_WINDOW at the end of the counters alone. */
struct nj_window_hints {
	size_t count;
	uint8_t at[NJ_KNOCK_WINDOW][NJ_KNOCK_HINT_BYTES];
};

struct nj_window_candidate {
	uint32_t device;
	uint64_t counter;
};

/* Makes room for `expected` devices at once; grows up to `max`. */
NJ_MUST_USE enum nj_err nj_window_new(size_t expected, size_t max, struct nj_window **out_window);
/* Wipes the keys. */
void nj_window_free(struct nj_window *window);

/* Called with each hint that enters. */
typedef void (*nj_window_hint_fn)(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES]);
void nj_window_on_hint(struct nj_window *window, nj_window_hint_fn fn, void *arg);

/* Adds a device with its next hints. NJ_ERR_EXISTS (uid), NJ_ERR_RANGE (floor over the counters' maximum),
 * NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY; nothing changed then. Of the model only uid, hint_key, floor and kind are read. */
NJ_MUST_USE enum nj_err nj_window_add(struct nj_window *window, const struct nj_window_device *model,
				      uint32_t *out_device);
/* The costly part of an addition, apart: any thread. */
void nj_window_hints_of(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t floor, struct nj_window_hints *out_hints);
/* nj_window_add with hints that are known already. */
NJ_MUST_USE enum nj_err nj_window_add_hinted(struct nj_window *window, const struct nj_window_device *model,
					     const struct nj_window_hints *hints, uint32_t *out_device);
/* The device's hints are those of another key from now on; its floor stays. NJ_ERR_NO_MEMORY: some are missing. */
NJ_MUST_USE enum nj_err nj_window_rekey(struct nj_window *window, uint32_t device,
					const uint8_t hint_key[NJ_KNOCK_KEY_BYTES]);
/* Harmless for a free place. */
void nj_window_remove(struct nj_window *window, uint32_t device);
/* NJ_WINDOW_NO_DEVICE when absent. */
uint32_t nj_window_find(const struct nj_window *window, const uint8_t uid[NJ_UID_BYTES]);
/* Valid until the device is removed. */
struct nj_window_device *nj_window_device(const struct nj_window *window, uint32_t device);

/* Fills up to NJ_WINDOW_CANDIDATES; 0 for an unknown hint. No allocation; one HMAC for a hint whose first half is
 * known: with a million devices, for one unknown hint in 250. */
size_t nj_window_lookup(const struct nj_window *window, const uint8_t hint[NJ_KNOCK_HINT_BYTES],
			struct nj_window_candidate out[NJ_WINDOW_CANDIDATES]);
/* Raises the floor (never lowers it): hints ≤ floor leave, the next ones up to floor + NJ_KNOCK_WINDOW enter.
 * NJ_ERR_NO_MEMORY: the floor is raised and old hints are gone, some of the next ones are missing. */
NJ_MUST_USE enum nj_err nj_window_slide(struct nj_window *window, uint32_t device, uint64_t floor);

size_t nj_window_count(const struct nj_window *window);
size_t nj_window_hints(const struct nj_window *window);
/* Memory held, in bytes. */
size_t nj_window_bytes(const struct nj_window *window);

/* Goes on with what an addition has left to do; called now and then. */
void nj_window_settle(struct nj_window *window);

/* A walk over all hints in slices, for rebuilding the kernel's filter, during which the window may change: a hint that
 * was there at the beginning and stays is seen. */
struct nj_window_walk {
	uint32_t next;
};
void nj_window_walk_begin(struct nj_window_walk *out_walk);
/* Up to `devices` more. NJ_OK: finished; NJ_ERR_AGAIN: call again. */
NJ_MUST_USE enum nj_err nj_window_walk_step(const struct nj_window *window, struct nj_window_walk *walk, size_t devices,
					    nj_window_hint_fn fn, void *arg);

#endif
