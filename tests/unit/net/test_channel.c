#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/channel.h"

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_channel *channel;
	int other;
	int messages;
	int closes;
	size_t last_len;
	uint8_t last[NJ_CHANNEL_MAX_BYTES];
	int fds[NJ_CHANNEL_MAX_FDS];
	size_t fd_count;
	bool stops;
	bool frees;
} f;

static void on_message(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	f.messages++;
	f.last_len = message.len;
	memcpy(f.last, message.data, message.len);
	memcpy(f.fds + f.fd_count, fds, fd_count * sizeof *fds);
	f.fd_count += fd_count;
	if (f.stops || f.frees)
		nj_channel_stop(channel);
	if (f.frees) {
		free(channel);
		f.channel = NULL;
	}
}

static void on_closed(struct nj_channel *channel)
{
	f.closes++;
	assert_null(channel->io.reactor);
	assert_int_equal(nj_channel_send(channel, nj_view_str("x")), NJ_ERR_CLOSED);
}

static int setup(void **state)
{
	int fds[2];
	memset(&f, 0, sizeof f);
	nj_clock_fake_init(&f.clock, 0, 0);
	assert_int_equal(nj_reactor_new(&f.clock.clock, &f.reactor), NJ_OK);
	assert_int_equal(nj_channel_pair(fds), NJ_OK);
	f.channel = calloc(1, sizeof *f.channel);
	f.channel->on_message = on_message;
	f.channel->on_closed = on_closed;
	assert_int_equal(nj_channel_start(f.reactor, f.channel, fds[0], NJ_CHANNEL_MAX_BYTES), NJ_OK);
	f.other = fds[1];
	return 0;
}

static int teardown(void **state)
{
	if (f.channel != NULL)
		nj_channel_stop(f.channel);
	free(f.channel);
	for (size_t i = 0; i < f.fd_count; i++)
		close(f.fds[i]);
	if (f.other >= 0)
		close(f.other);
	nj_reactor_free(f.reactor);
	return 0;
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(f.reactor, 0), NJ_OK);
}

static size_t open_descriptors(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void messages_keep_their_bounds(void **state)
{
	assert_int_equal(send(f.other, "abc", 3, 0), 3);
	assert_int_equal(send(f.other, "de", 2, 0), 2);
	turn();
	assert_int_equal(f.messages, 2);
	assert_int_equal(f.last_len, 2);
	assert_memory_equal(f.last, "de", 2);
}

static void sends_arrive(void **state)
{
	char out[8];
	assert_int_equal(nj_channel_send(f.channel, nj_view_str("abc")), NJ_OK);
	assert_int_equal(recv(f.other, out, sizeof out, MSG_DONTWAIT), 3);
}

static void lengths(void **state)
{
	static uint8_t zeros[NJ_CHANNEL_MAX_BYTES + 1];
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(zeros, 0)), NJ_ERR_RANGE);
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(zeros, 1)), NJ_OK);
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(zeros, NJ_CHANNEL_MAX_BYTES)), NJ_OK);
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(zeros, NJ_CHANNEL_MAX_BYTES + 1)), NJ_ERR_TOO_LARGE);
}

static void the_longest_message_arrives_whole(void **state)
{
	static uint8_t bytes[NJ_CHANNEL_MAX_BYTES];
	memset(bytes, 7, sizeof bytes);
	assert_int_equal(send(f.other, bytes, sizeof bytes, 0), sizeof bytes);
	turn();
	assert_int_equal(f.last_len, sizeof bytes);
	assert_memory_equal(f.last, bytes, sizeof bytes);
}

static void a_longer_message_breaks_the_channel(void **state)
{
	static uint8_t bytes[NJ_CHANNEL_MAX_BYTES + 1];
	assert_int_equal(send(f.other, bytes, sizeof bytes, 0), sizeof bytes);
	turn();
	assert_int_equal(f.messages, 0);
	assert_int_equal(f.closes, 1);
}

static void the_others_end_is_told_once_after_its_last_message(void **state)
{
	assert_int_equal(send(f.other, "abc", 3, 0), 3);
	close(f.other);
	f.other = -1;
	turn();
	turn();
	assert_int_equal(f.messages, 1);
	assert_int_equal(f.closes, 1);
}

/* What the socket does not take waits in order, up to the limit to the byte. */
static void the_queue_is_bounded_and_drains_in_order(void **state)
{
	static uint8_t bytes[1000];
	uint32_t sent = 0;
	uint32_t received = 0;
	size_t queued = 0;
	while (queued + sizeof bytes <= NJ_CHANNEL_MAX_BYTES) {
		memcpy(bytes, &sent, sizeof sent);
		assert_int_equal(nj_channel_send(f.channel, nj_view_of(bytes, sizeof bytes)), NJ_OK);
		queued = f.channel->queued_bytes;
		sent++;
	}
	size_t left = NJ_CHANNEL_MAX_BYTES - queued;
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(bytes, left + 1)), NJ_ERR_LIMIT);
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(bytes, left)), NJ_OK);
	assert_int_equal(nj_channel_send(f.channel, nj_view_of(bytes, 1)), NJ_ERR_LIMIT);
	ssize_t n;
	while (received < sent) {
		while (received < sent && (n = recv(f.other, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
			assert_int_equal(n, sizeof bytes);
			assert_memory_equal(bytes, &received, sizeof received);
			received++;
		}
		turn();
	}
	assert_int_equal(recv(f.other, bytes, sizeof bytes, MSG_DONTWAIT), left);
	assert_int_equal(f.channel->queued_bytes, 0);
}

static void a_channel_with_a_queue_may_stop(void **state)
{
	static uint8_t bytes[1000];
	while (nj_channel_send(f.channel, nj_view_of(bytes, sizeof bytes)) == NJ_OK)
		continue;
	nj_channel_stop(f.channel);
	nj_channel_stop(f.channel);
	assert_int_equal(f.channel->queued_bytes, 0);
	assert_int_equal(f.closes, 0);
}

static void descriptors_travel_and_close_on_exec(void **state)
{
	int pipe_fds[2];
	struct stat was;
	struct stat is;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(fstat(pipe_fds[0], &was), 0);
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("two"), pipe_fds, 2), NJ_OK);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	turn();
	assert_int_equal(f.fd_count, 2);
	assert_int_equal(fstat(f.fds[0], &is), 0);
	assert_int_equal(was.st_ino, is.st_ino);
	assert_int_equal(fcntl(f.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void descriptors_received_at_start_up(void **state)
{
	char out[8];
	size_t len;
	size_t count;
	int fds[2];
	int two[2] = { 0, 1 };
	int own = dup(f.channel->io.fd);
	nj_io_remove(&f.channel->io);
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("two"), two, 2), NJ_OK);
	assert_int_equal(nj_channel_receive_fds(own, out, sizeof out, &len, fds, 2, &count), NJ_OK);
	assert_int_equal(len, 3);
	assert_int_equal(count, 2);
	close(fds[0]);
	close(fds[1]);
	/* More descriptors than asked for, or a longer message: nothing stays open, the outputs are untouched. */
	size_t open_before = open_descriptors();
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("two"), two, 2), NJ_OK);
	assert_int_equal(nj_channel_receive_fds(own, out, sizeof out, &len, fds, 1, &count), NJ_ERR_TOO_LARGE);
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("123456789"), two, 2), NJ_OK);
	assert_int_equal(nj_channel_receive_fds(own, out, sizeof out, &len, fds, 2, &count), NJ_ERR_TOO_LARGE);
	assert_int_equal(len, 3);
	assert_int_equal(count, 2);
	assert_int_equal(open_descriptors(), open_before);
	shutdown(f.other, SHUT_RDWR);
	assert_int_equal(nj_channel_receive_fds(own, out, sizeof out, &len, fds, 2, &count), NJ_ERR_CLOSED);
	close(own);
}

static void descriptor_limit(void **state)
{
	int many[NJ_CHANNEL_MAX_FDS + 1] = { 0 };
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("x"), many, NJ_CHANNEL_MAX_FDS), NJ_OK);
	turn();
	assert_int_equal(f.fd_count, NJ_CHANNEL_MAX_FDS);
	assert_int_equal(nj_channel_send_fds(f.other, nj_view_str("x"), many, NJ_CHANNEL_MAX_FDS + 1),
			 NJ_ERR_TOO_LARGE);
}

/* A peer that is not ours sends one more than we have room for. */
static void too_many_descriptors_break_the_channel_and_leak_none(void **state)
{
	int many[NJ_CHANNEL_MAX_FDS + 1] = { 0 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof many)];
	} control = { 0 };
	char byte = 1;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof many);
	memcpy(CMSG_DATA(c), many, sizeof many);
	assert_int_equal(sendmsg(f.other, &header, 0), 1);
	size_t open_before = open_descriptors();
	turn();
	assert_int_equal(f.messages, 0);
	assert_int_equal(f.closes, 1);
	/* Only the channel's own end is gone. */
	assert_int_equal(open_descriptors(), open_before - 1);
}

static void stopping_in_a_callback_leaves_the_rest_unread(void **state)
{
	f.stops = true;
	assert_int_equal(send(f.other, "abc", 3, 0), 3);
	assert_int_equal(send(f.other, "de", 2, 0), 2);
	turn();
	turn();
	assert_int_equal(f.messages, 1);
}

static void the_owner_may_free_the_channel_in_a_callback(void **state)
{
	f.frees = true;
	assert_int_equal(send(f.other, "abc", 3, 0), 3);
	assert_int_equal(send(f.other, "de", 2, 0), 2);
	turn();
	turn();
	assert_int_equal(f.messages, 1);
}

static void a_channel_never_started_may_be_stopped(void **state)
{
	struct nj_channel never = { 0 };
	nj_channel_stop(&never);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_keep_their_bounds),
		TEST(sends_arrive),
		TEST(lengths),
		TEST(the_longest_message_arrives_whole),
		TEST(a_longer_message_breaks_the_channel),
		TEST(the_others_end_is_told_once_after_its_last_message),
		TEST(the_queue_is_bounded_and_drains_in_order),
		TEST(a_channel_with_a_queue_may_stop),
		TEST(descriptors_travel_and_close_on_exec),
		TEST(descriptors_received_at_start_up),
		TEST(descriptor_limit),
		TEST(too_many_descriptors_break_the_channel_and_leak_none),
		TEST(stopping_in_a_callback_leaves_the_rest_unread),
		TEST(the_owner_may_free_the_channel_in_a_callback),
		TEST(a_channel_never_started_may_be_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
