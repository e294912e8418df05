/*
 * Pool of objects of one size, with a mandatory maximum: taken and given back in constant time, zeroed when taken.
 * Memory comes in chunks and stays with the pool. One owner, no locking.
 */
#ifndef NJ_BASE_POOL_H
#define NJ_BASE_POOL_H

#include <stddef.h>

#include "base/err.h"

struct nj_pool {
	size_t object_bytes;
	size_t max_objects;
	size_t made;
	size_t in_use;
	void *free_list;
	void *chunks;
};

void nj_pool_init(struct nj_pool *pool, size_t object_bytes, size_t max_objects);
void nj_pool_done(struct nj_pool *pool);
/* A zeroed object; NULL at the maximum or without memory. */
void *nj_pool_take(struct nj_pool *pool);
void nj_pool_give(struct nj_pool *pool, void *object);

#endif
