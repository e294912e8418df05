/*
 * An index from 32 evenly spread bits to small numbers: open addressing with linear probing, 8 bytes a place. It keeps
 * the bits alone, so that two entries can look alike: the caller compares the rest of its key. It grows a little with
 * each insertion and never at once, so that no call takes long however large it is, and gives the old table's memory
 * back on the way. Pure but for memory; one thread.
 */
#ifndef NJ_KEEPER_INDEX_H
#define NJ_KEEPER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct nj_index_place {
	uint32_t bits;
	uint32_t value; /* 0: free */
};

struct nj_index_table {
	struct nj_index_place *places; /* `homes`, a tail so that no run wraps round, and one that is always free */
	size_t homes;
};

struct nj_index {
	struct nj_index_table now;
	struct nj_index_table old; /* while it grows: entries whose old home is `moved` or later are still there */
	size_t moved;
	size_t returned_bytes; /* of `old`, given back to the system */
	size_t count;
};

/* Room for `expected` entries before it grows. NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_index_init(struct nj_index *index, size_t expected);
/* Harmless for one that is all zero. */
void nj_index_done(struct nj_index *index);
/* `value` is not 0. NJ_ERR_NO_MEMORY: not inserted. */
NJ_MUST_USE enum nj_err nj_index_insert(struct nj_index *index, uint32_t bits, uint32_t value);
/* False when there is no such entry. */
bool nj_index_remove(struct nj_index *index, uint32_t bits, uint32_t value);
/* The next entry with these bits after `after` (NULL: the first), or NULL. Valid until the index changes. */
const struct nj_index_place *nj_index_find(const struct nj_index *index, uint32_t bits,
					   const struct nj_index_place *after);
/* Asks the processor for the memory that a following call with these bits will touch. */
void nj_index_prefetch(const struct nj_index *index, uint32_t bits);
/* Goes on with growing, if it grows, by about so many places. */
void nj_index_settle(struct nj_index *index, size_t places);
/* Memory held, in bytes. */
size_t nj_index_bytes(const struct nj_index *index);

#endif
