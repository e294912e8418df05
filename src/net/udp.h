/*
 * Datagram receiving in batches (recvmmsg). Never sends. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_UDP_H
#define NJ_NET_UDP_H

#include "base/addr.h"
#include "base/wire.h"
#include "net/reactor.h"

#define NJ_UDP_BATCH 64
#define NJ_UDP_MAX_BYTES 128 /* longer datagrams are reported as too long, not cut silently */

struct nj_udp_datagram {
	struct nj_view bytes; /* borrowed for the call; empty when it was longer than NJ_UDP_MAX_BYTES */
	struct nj_addr source;
};

struct nj_udp {
	struct nj_io io;
	void (*on_datagrams)(struct nj_udp *udp, const struct nj_udp_datagram *datagrams, size_t count);
	void *user;
	void *batch; /* owned buffers */
};

NJ_MUST_USE enum nj_err nj_udp_start(struct nj_reactor *reactor, struct nj_udp *udp, int fd);
void nj_udp_stop(struct nj_udp *udp);

#endif
