/*
 * Hash table of pointers keyed by bytes inside the stored object: SipHash-1-3 with a random key, so that nobody
 * outside can choose collisions. Open addressing, grows by doubling up to a mandatory maximum of entries.
 * Borrows its entries: the caller owns the objects and keeps their keys unchanged while stored. One owner, no locking.
 */
#ifndef NJ_BASE_MAP_H
#define NJ_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/wire.h"

typedef struct nj_view (*nj_map_key_fn)(const void *entry);

struct nj_map {
	void **slots;
	size_t cap; /* power of two, or 0 */
	size_t count;
	size_t max;
	nj_map_key_fn key_of;
	uint8_t seed[16];
};

void nj_map_init(struct nj_map *map, nj_map_key_fn key_of, size_t max_entries, struct nj_random *random);
/* Frees the table, not the entries. */
void nj_map_done(struct nj_map *map);
/* NULL when absent. */
void *nj_map_get(const struct nj_map *map, struct nj_view key);
/* NJ_ERR_EXISTS, NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY; the map is unchanged then. */
NJ_MUST_USE enum nj_err nj_map_put(struct nj_map *map, void *entry);
/* The entry that was removed, or NULL. */
void *nj_map_remove(struct nj_map *map, struct nj_view key);
/* Iteration in no order: start with *cursor = 0; NULL at the end. Do not change the map meanwhile. */
void *nj_map_next(const struct nj_map *map, size_t *cursor);

uint64_t nj_siphash13(const uint8_t seed[16], const void *data, size_t len);

#endif
