#include "net/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"

#define MESSAGES_PER_EVENT 32

struct queued_message {
	struct nj_list link;
	size_t len;
	uint8_t bytes[];
};

/* Room for the control message that carries the most descriptors we take. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(NJ_CHANNEL_MAX_FDS * sizeof(int))];
};

struct received {
	size_t len;
	int fds[NJ_CHANNEL_MAX_FDS];
	size_t fd_count;
};

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static void take_fds(struct msghdr *header, struct received *received)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* All of them share one control buffer of NJ_CHANNEL_MAX_FDS, so they always fit. */
		memcpy(received->fds + received->fd_count, CMSG_DATA(c), count * sizeof(int));
		received->fd_count += count;
	}
}

/* One whole message or nothing: no descriptor is left open on failure. */
static enum nj_err receive(int fd, void *out, size_t cap, int flags, struct received *out_received)
{
	union control control;
	struct iovec iov = { .iov_base = out, .iov_len = cap };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
	};
	ssize_t n;
	do
		n = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return nj_err_from_errno(errno);
	out_received->len = (size_t)n;
	out_received->fd_count = 0;
	take_fds(&header, out_received);
	bool cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
	if (!cut && n > 0)
		return NJ_OK;
	close_all(out_received->fds, out_received->fd_count);
	return cut ? NJ_ERR_TOO_LARGE : NJ_ERR_CLOSED;
}

/* SOCK_SEQPACKET cannot tell an empty message from the end, so there are none. */
static enum nj_err check_length(struct nj_view message)
{
	if (message.len == 0)
		return NJ_ERR_RANGE;
	return message.len > NJ_CHANNEL_MAX_BYTES ? NJ_ERR_TOO_LARGE : NJ_OK;
}

static enum nj_err send_now(int fd, struct nj_view message)
{
	ssize_t n;
	do
		n = send(fd, message.data, message.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return NJ_OK;
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		return NJ_ERR_AGAIN;
	return errno == EPIPE || errno == ECONNRESET ? NJ_ERR_CLOSED : nj_err_from_errno(errno);
}

static void drop_queued(struct nj_channel *channel, struct queued_message *queued)
{
	nj_list_remove(&queued->link);
	channel->queued_bytes -= queued->len;
	free(queued);
}

/* A failure is left to the reading side, which meets the same end and reports it once. */
static void flush(struct nj_channel *channel)
{
	while (!nj_list_empty(&channel->queue)) {
		struct queued_message *queued = NJ_CONTAINER(channel->queue.next, struct queued_message, link);
		if (send_now(channel->io.fd, nj_view_of(queued->bytes, queued->len)) != NJ_OK)
			return;
		drop_queued(channel, queued);
	}
	/* Cannot fail for a registered descriptor; the cost would be wakeups without work. */
	(void)!nj_io_change(&channel->io, EPOLLIN);
}

static void closed_by_peer(struct nj_channel *channel)
{
	nj_channel_stop(channel);
	channel->on_closed(channel);
}

/* One message. False when there is none or the channel is gone. */
static bool receive_one(struct nj_channel *channel)
{
	uint8_t *bytes = nj_reactor_scratch(channel->io.reactor);
	struct received received;
	enum nj_err err = receive(channel->io.fd, bytes, NJ_CHANNEL_MAX_BYTES, MSG_DONTWAIT, &received);
	if (err == NJ_ERR_AGAIN)
		return false;
	if (err != NJ_OK) {
		closed_by_peer(channel);
		return false;
	}
	channel->on_message(channel, nj_view_of(bytes, received.len), received.fds, received.fd_count);
	return true;
}

static void on_event(struct nj_io *io, uint32_t events)
{
	struct nj_channel *channel = NJ_CONTAINER(io, struct nj_channel, io);
	struct nj_io_token token = nj_io_token(io);
	if (events & EPOLLOUT)
		flush(channel);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	for (int i = 0; i < MESSAGES_PER_EVENT; i++)
		if (!receive_one(channel) || !nj_io_token_alive(token))
			return;
}

enum nj_err nj_channel_pair(int out_fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out_fds) != 0)
		return nj_err_from_errno(errno);
	return NJ_OK;
}

enum nj_err nj_channel_start(struct nj_reactor *reactor, struct nj_channel *channel, int fd, size_t max_queued_bytes)
{
	channel->io = (struct nj_io){ .fd = fd, .on_event = on_event };
	nj_list_init(&channel->queue);
	channel->queued_bytes = 0;
	channel->max_queued_bytes = max_queued_bytes;
	enum nj_err err = nj_io_add(reactor, &channel->io, EPOLLIN);
	if (err != NJ_OK)
		nj_channel_stop(channel);
	return err;
}

void nj_channel_stop(struct nj_channel *channel)
{
	/* Never started (zero-initialised), or stopped before. */
	if (channel->queue.next == NULL || channel->io.fd < 0)
		return;
	nj_io_remove(&channel->io);
	NJ_LIST_EACH (&channel->queue, node)
		drop_queued(channel, NJ_CONTAINER(node, struct queued_message, link));
	close(channel->io.fd);
	channel->io.fd = -1;
}

static enum nj_err enqueue(struct nj_channel *channel, struct nj_view message)
{
	if (message.len > channel->max_queued_bytes - channel->queued_bytes)
		return NJ_ERR_LIMIT;
	struct queued_message *queued = malloc(sizeof *queued + message.len);
	if (queued == NULL)
		return NJ_ERR_NO_MEMORY;
	queued->len = message.len;
	memcpy(queued->bytes, message.data, message.len);
	if (nj_list_empty(&channel->queue)) {
		enum nj_err err = nj_io_change(&channel->io, EPOLLIN | EPOLLOUT);
		if (err != NJ_OK) {
			free(queued);
			return err;
		}
	}
	nj_list_push_back(&channel->queue, &queued->link);
	channel->queued_bytes += message.len;
	return NJ_OK;
}

enum nj_err nj_channel_send(struct nj_channel *channel, struct nj_view message)
{
	if (channel->io.reactor == NULL)
		return NJ_ERR_CLOSED;
	NJ_TRY(check_length(message));
	if (!nj_list_empty(&channel->queue))
		return enqueue(channel, message);
	enum nj_err err = send_now(channel->io.fd, message);
	return err == NJ_ERR_AGAIN ? enqueue(channel, message) : err;
}

enum nj_err nj_channel_send_fds(int fd, struct nj_view message, const int *fds, size_t fd_count)
{
	NJ_TRY(check_length(message));
	if (fd_count > NJ_CHANNEL_MAX_FDS)
		return NJ_ERR_TOO_LARGE;
	union control control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)message.data, .iov_len = message.len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd_count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(fd, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return NJ_OK;
	return errno == EPIPE || errno == ECONNRESET ? NJ_ERR_CLOSED : nj_err_from_errno(errno);
}

enum nj_err nj_channel_receive_fds(int fd, void *out, size_t cap, size_t *out_len, int *out_fds, size_t fd_cap,
				   size_t *out_fd_count)
{
	struct received received;
	NJ_TRY(receive(fd, out, cap, 0, &received));
	if (received.fd_count > fd_cap) {
		close_all(received.fds, received.fd_count);
		return NJ_ERR_TOO_LARGE;
	}
	if (received.fd_count > 0)
		memcpy(out_fds, received.fds, received.fd_count * sizeof(int));
	*out_fd_count = received.fd_count;
	*out_len = received.len;
	return NJ_OK;
}
