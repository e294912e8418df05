/*
 * Listening sockets. nj_listen_socket only makes sockets (used before the sandbox, by the process whose uid owns the
 * port); struct nj_listener accepts from one that was handed over. Accepts at most a batch a turn; out of descriptors
 * it pauses instead of spinning. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_LISTENER_H
#define NJ_NET_LISTENER_H

#include "base/addr.h"
#include "net/reactor.h"

enum nj_socket_kind { NJ_SOCKET_TCP, NJ_SOCKET_UDP };

/* A non-blocking, close-on-exec socket bound to `addr` with SO_REUSEPORT and without SO_REUSEADDR; IPv6 ones are
 * V6ONLY. Not yet listening. */
NJ_MUST_USE enum nj_err nj_socket_bind(enum nj_socket_kind kind, const struct nj_addr *addr, int *out_fd,
				       struct nj_why *why);
/* The same for a Unix stream socket at `path` (an old socket file is replaced), mode bits as given; listening. */
NJ_MUST_USE enum nj_err nj_socket_unix(const char *path, unsigned mode, int *out_fd, struct nj_why *why);

struct nj_listener {
	struct nj_io io;
	struct nj_timer pause;
	struct nj_addr local;
	/* Takes over `fd` (non-blocking, close-on-exec). For Unix sockets `peer` is all zero. */
	void (*on_accept)(struct nj_listener *listener, int fd, const struct nj_addr *peer);
	void *user;
};

/* Starts accepting on `fd` (owned by the caller). */
NJ_MUST_USE enum nj_err nj_listener_start(struct nj_reactor *reactor, struct nj_listener *listener, int fd);
void nj_listener_stop(struct nj_listener *listener);

#endif
