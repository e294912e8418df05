/*
 * The way of many devices into memory at start: root keys are opened and hints derived by two threads of their own,
 * while the caller's thread reads the store and fills the window. The threads are gone when nj_loader_finish returns:
 * the keeper enters its sandbox with one thread (docs/adr/0007). Few devices need no thread and get none.
 */
#ifndef NJ_KEEPER_LOADER_H
#define NJ_KEEPER_LOADER_H

#include "identity/vault.h"
#include "keeper/window.h"
#include "store/keeper_store.h"

struct nj_loader;

/* What became of a row. */
struct nj_loaded {
	enum nj_err err; /* of opening the sealed key; without NJ_OK only name is set */
	char name[NJ_STORE_NAME_BYTES];
	struct nj_window_device model;
	struct nj_window_hints hints;
};

/* Called in the order of the rows, on the thread that calls put and finish. An error ends the loading. */
typedef enum nj_err (*nj_loaded_fn)(void *arg, const struct nj_loaded *loaded);

NJ_MUST_USE enum nj_err nj_loader_new(const struct nj_vault *vault, nj_loaded_fn fn, void *arg,
				      struct nj_loader **out_loader);
/* Copies what it needs. The error of `fn` for an earlier row, as it is. */
NJ_MUST_USE enum nj_err nj_loader_put(struct nj_loader *loader, const struct nj_keeper_device *row);
/* Takes up what is under way, ends the threads, frees the loader; wipes. With `err` not NJ_OK nothing more is taken up,
 * and it is returned. */
NJ_MUST_USE enum nj_err nj_loader_finish(struct nj_loader *loader, enum nj_err err);

#endif
