#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/internal.h"

struct batch {
	struct mmsghdr messages[NJ_UDP_BATCH];
	struct iovec iov[NJ_UDP_BATCH];
	struct sockaddr_storage sources[NJ_UDP_BATCH];
	struct nj_udp_datagram datagrams[NJ_UDP_BATCH];
	uint8_t bytes[NJ_UDP_BATCH][NJ_UDP_MAX_BYTES];
};

static void batch_prepare(struct batch *batch)
{
	for (size_t i = 0; i < NJ_UDP_BATCH; i++) {
		batch->iov[i] = (struct iovec){ .iov_base = batch->bytes[i], .iov_len = NJ_UDP_MAX_BYTES };
		batch->messages[i].msg_hdr = (struct msghdr){ .msg_name = &batch->sources[i],
							      .msg_namelen = sizeof batch->sources[i],
							      .msg_iov = &batch->iov[i],
							      .msg_iovlen = 1 };
	}
}

/* Lists what was received; a source that is no IP address cannot be answered for and is left out. */
static size_t batch_list(struct batch *batch, size_t received)
{
	size_t count = 0;
	for (size_t i = 0; i < received; i++) {
		const struct msghdr *header = &batch->messages[i].msg_hdr;
		struct nj_udp_datagram *datagram = &batch->datagrams[count];
		bool whole = (header->msg_flags & MSG_TRUNC) == 0;
		datagram->bytes = nj_view_of(batch->bytes[i], whole ? batch->messages[i].msg_len : 0);
		const struct sockaddr *sa = (const struct sockaddr *)&batch->sources[i];
		if (nj_addr_from_sockaddr(sa, header->msg_namelen, &datagram->source) == NJ_OK)
			count++;
	}
	return count;
}

/* One batch an event: level-triggered, so what is left comes back after everybody else had a turn. */
static void on_readable(struct nj_io *io, uint32_t events)
{
	struct nj_udp *udp = NJ_CONTAINER(io, struct nj_udp, io);
	struct batch *batch = udp->batch;
	batch_prepare(batch);
	int received = recvmmsg(io->fd, batch->messages, NJ_UDP_BATCH, MSG_DONTWAIT, NULL);
	size_t count = received > 0 ? batch_list(batch, (size_t)received) : 0;
	if (count == 0)
		return;
	/* The callee may stop us, and goes on reading what it borrowed. */
	struct nj_io_token token = nj_io_token(io);
	udp->batch = NULL;
	udp->on_datagrams(udp, batch->datagrams, count);
	if (nj_io_token_alive(token))
		udp->batch = batch;
	else
		free(batch);
}

enum nj_err nj_udp_start(struct nj_reactor *reactor, struct nj_udp *udp, int fd)
{
	udp->io = (struct nj_io){ .fd = fd, .on_event = on_readable };
	udp->batch = calloc(1, sizeof(struct batch));
	if (udp->batch == NULL)
		return NJ_ERR_NO_MEMORY;
	enum nj_err err = nj_io_add(reactor, &udp->io, EPOLLIN);
	if (err != NJ_OK)
		nj_udp_stop(udp);
	return err;
}

void nj_udp_stop(struct nj_udp *udp)
{
	nj_io_remove(&udp->io);
	free(udp->batch);
	udp->batch = NULL;
}
