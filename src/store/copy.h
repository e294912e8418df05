/*
 * A consistent copy of an open store, made in slices beside it ("keeper.db.copy", mode 0600) while the store goes on
 * being read and written: the copy is the store as it is when the last slice is done. By SQLite's backup interface.
 * Thread rule and errors: store/store.h. Never logs.
 */
#ifndef NJ_STORE_COPY_H
#define NJ_STORE_COPY_H

#include "store/gateway_store.h"
#include "store/keeper_store.h"

#define NJ_STORE_COPY_SUFFIX ".copy"
#define NJ_STORE_COPY_PAGES 256 /* of a slice that a loop can bear */

struct nj_store_copy;

/* A copy that an earlier attempt left is replaced. Not inside a transaction. */
NJ_MUST_USE enum nj_err nj_keeper_store_copy(struct nj_keeper_store *store, struct nj_store_copy **out_copy,
					     struct nj_why *why);
NJ_MUST_USE enum nj_err nj_gateway_store_copy(struct nj_gateway_store *store, struct nj_store_copy **out_copy,
					      struct nj_why *why);
/* Up to `pages` more, -1 = all. NJ_OK: the file is whole and on disk; NJ_ERR_AGAIN: call again. */
NJ_MUST_USE enum nj_err nj_store_copy_step(struct nj_store_copy *copy, int pages);
/* Removes the file when it is not whole. */
void nj_store_copy_free(struct nj_store_copy *copy);

#endif
