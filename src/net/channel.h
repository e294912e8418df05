/*
 * A message channel between processes of this machine: Unix SOCK_SEQPACKET, whole messages, with descriptors where
 * wanted. Non-blocking with a bounded outgoing queue. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_CHANNEL_H
#define NJ_NET_CHANNEL_H

#include "base/buf.h"
#include "net/reactor.h"

#define NJ_CHANNEL_MAX_BYTES (64 * 1024)
#define NJ_CHANNEL_MAX_FDS 96

struct nj_channel {
	struct nj_io io;
	struct nj_list queue;
	size_t queued_bytes;
	size_t max_queued_bytes;
	/* A whole message and the descriptors that came with it (now the callee's). */
	void (*on_message)(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count);
	/* The other side is gone, or broke the rules; the channel is stopped already. */
	void (*on_closed)(struct nj_channel *channel);
	void *user;
};

NJ_MUST_USE enum nj_err nj_channel_pair(int out_fds[2]);
/* Takes over `fd`. */
NJ_MUST_USE enum nj_err nj_channel_start(struct nj_reactor *reactor, struct nj_channel *channel, int fd,
					 size_t max_queued_bytes);
void nj_channel_stop(struct nj_channel *channel);
/* Sends or queues; NJ_ERR_LIMIT when the queue is full, NJ_ERR_CLOSED. */
NJ_MUST_USE enum nj_err nj_channel_send(struct nj_channel *channel, struct nj_view message);
/* Blocking, for start-up before a reactor runs: descriptors are duplicated to the other side. */
NJ_MUST_USE enum nj_err nj_channel_send_fds(int fd, struct nj_view message, const int *fds, size_t fd_count);
/* Blocking receive of one message with its descriptors. */
NJ_MUST_USE enum nj_err nj_channel_receive_fds(int fd, void *out, size_t cap, size_t *out_len, int *out_fds,
					       size_t fd_cap, size_t *out_fd_count);

#endif
