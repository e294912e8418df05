/*
 * Tombstones of 90 days, however many there are, without memory for each: in the store they are found by their hints
 * (store/keeper_keys.h), in memory (keeper/spares.h) lie the newest of each device, and for a minute those whose hint
 * was seen. The kernel's filter knows the hints of all. A hint that no key in memory has is looked up in the store at a
 * pace that no flood moves. Included by the keeper's files; its main thread only.
 */
#ifndef NJ_KEEPER_GRAVES_H
#define NJ_KEEPER_GRAVES_H

#include "keeper/window.h"
#include "store/keeper_keys.h"

#define NJ_GRAVES_RESIDENT 2   /* the newest of a device, in memory: what is found at once, also in a flood */
#define NJ_GRAVES_DIG_BURST 64 /* look-ups at once … */
#define NJ_GRAVES_DIG_MS 250   /* … and then one in this time */
#define NJ_GRAVES_DUG_MS 60000 /* what was found stays in memory for this time */
#define NJ_GRAVES_DUG_MAX 4096 /* at one time */

struct nj_keeper;
struct nj_spare;

/* A part of the keeper. */
struct nj_keeper_graves {
	uint64_t count; /* tombstones stored */
	uint64_t dig_at_ms;
	uint32_t spent; /* look-ups that were not given back yet */
	uint64_t look_ups;
	bool filling; /* the filter is told of hints, after the start */
	struct nj_store_hint_at fill_at;
	struct nj_store_hint_at walk_at; /* of a rebuild of the filter */
	uint64_t burial_due_ms;          /* when old ones are looked for again */
};

/* The newest of each device into memory; the filter hears of the others' hints from nj_keeper_graves_fill. */
NJ_MUST_USE enum nj_err nj_keeper_graves_load(struct nj_keeper *keeper);
/* A new one, which is stored, enters memory; the oldest in excess of NJ_GRAVES_RESIDENT leaves it. */
void nj_keeper_graves_enter(struct nj_keeper *keeper, const struct nj_tombstone *tombstone,
			    const uint8_t hint_key[NJ_KNOCK_KEY_BYTES]);
/* Looks a hint up that no key in memory has, if it may. True when a tombstone with it entered memory. */
bool nj_keeper_graves_dig(struct nj_keeper *keeper, const uint8_t hint[NJ_KNOCK_HINT_BYTES]);
/* Every second: what was dug out leaves memory, what is 90 days old goes. In slices. */
void nj_keeper_graves_tick(struct nj_keeper *keeper);
/* A slice of all hints, for a rebuild of the filter. NJ_ERR_AGAIN: there is more. */
void nj_keeper_graves_walk_begin(struct nj_keeper *keeper);
NJ_MUST_USE enum nj_err nj_keeper_graves_walk(struct nj_keeper *keeper, nj_window_hint_fn fn, void *arg);
/* A slice of the same after the start. */
void nj_keeper_graves_fill(struct nj_keeper *keeper, nj_window_hint_fn fn, void *arg);

/* Out of memory, with its keys; nothing of it may be staged. NULL is harmless. */
void nj_keeper_spare_forget(struct nj_keeper *keeper, struct nj_spare *spare);

#endif
