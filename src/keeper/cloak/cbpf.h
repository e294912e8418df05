/*
 * The backend `cbpf`: a classic filter on each listener, compiled anew at each change of its grants. Needs no
 * capability on most kernels, which is its one merit; what it cannot do is nj_cloak_cbpf_cannot, and `status` says it.
 * A connection keeps the filter that its listener had when it was accepted, and that one knows its source: no later
 * change cuts it. Belongs to the warden's thread, but for the two functions of the set-up stage.
 */
#ifndef NJ_KEEPER_CLOAK_CBPF_H
#define NJ_KEEPER_CLOAK_CBPF_H

#include "keeper/cloak/cloak.h"

#define NJ_CLOAK_CBPF_GRANTS_MAX 256
#define NJ_CLOAK_CBPF_LISTENERS_MAX 64

/* Sentences, ended by NULL. */
extern const char *const nj_cloak_cbpf_cannot[];

struct nj_cloak_listener {
	int fd; /* borrowed; stays open as long as the cloak */
	struct nj_addr addr;
};

/* Set-up, and whenever no keeper is there: every segment to the listener is dropped from now on. */
NJ_MUST_USE enum nj_err nj_cloak_cbpf_shut(int listener_fd, struct nj_why *why);
/* Set-up: a knock socket takes datagrams of a knock's length alone; locked for the socket's life. */
NJ_MUST_USE enum nj_err nj_cloak_cbpf_knock(int socket_fd, struct nj_why *why);

/* NJ_ERR_LIMIT for more listeners than NJ_CLOAK_CBPF_LISTENERS_MAX. What the listeners carry stays until `clear`. */
NJ_MUST_USE enum nj_err nj_cloak_cbpf_new(const struct nj_cloak_listener *listeners, size_t count,
					  struct nj_cloak **out_cloak);

#endif
