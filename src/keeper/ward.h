/*
 * The keeper's view of the warden, the process that may change what the kernel lets in. It looks like two cloaks: the
 * listeners' (`cbpf`) and the guards' (`nft`), for which a port is a guard's id. Calls only send: what the warden could
 * not do it says later. Without a warden openings fail and everything is shut already: it begins by shutting all, and
 * shuts all when it hears nothing for a second. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_WARD_H
#define NJ_KEEPER_WARD_H

#include "bus/ward.h"
#include "keeper/cloak/cloak.h"
#include "net/channel.h"

struct nj_ward_link;

struct nj_ward_events {
	/* An opening that was asked for is not there. */
	void (*failed)(void *arg, enum nj_ward_kind kind, uint16_t port, enum nj_err err);
	/* Somebody turned the perimeter; borrowed texts. */
	void (*changed)(void *arg, struct nj_view caller, struct nj_view detail);
	/* The warden is gone, or (violation not NULL) was dropped because it broke the rules. */
	void (*gone)(void *arg, const char *violation);
	void *arg;
};

/* Without a warden at first. */
NJ_MUST_USE enum nj_err nj_ward_link_new(struct nj_reactor *reactor, const struct nj_ward_events *events,
					 struct nj_ward_link **out_link);
void nj_ward_link_free(struct nj_ward_link *link);
/* A new warden at the other end of `fd` (taken over, also on failure). */
NJ_MUST_USE enum nj_err nj_ward_link_connect(struct nj_ward_link *link, int fd);
/* Borrowed; its `free` does nothing. */
struct nj_cloak *nj_ward_link_cloak(struct nj_ward_link *link, enum nj_ward_kind kind);

#endif
