#include "unit/net/conn_fixture.h"

static int setup(void **state)
{
	server_init();
	return 0;
}

static int setup_started(void **state)
{
	server_init();
	server_start(NULL);
	return 0;
}

static int teardown(void **state)
{
	server_done();
	return 0;
}

static void opens_and_reads(void **state)
{
	turn();
	assert_int_equal(s.opens, 1);
	assert_false(s.has_facts);
	client_write("hello", 5);
	turn();
	assert_int_equal(s.got_len, 5);
	assert_memory_equal(s.got, "hello", 5);
	assert_int_equal(nj_conn_bytes_in(s.conn), 5);
	assert_ptr_equal(nj_conn_user(s.conn), &s);
}

static void sends_of_one_turn_leave_together(void **state)
{
	char out[16];
	turn();
	assert_int_equal(nj_conn_send(s.conn, "ab", 2), NJ_OK);
	assert_int_equal(nj_conn_send2(s.conn, nj_view_str("cd"), nj_view_str("ef")), NJ_OK);
	assert_int_equal(nj_conn_unsent(s.conn), 6);
	assert_int_equal(client_read(out, sizeof out), -EAGAIN);
	turn();
	assert_int_equal(client_read(out, sizeof out), 6);
	assert_memory_equal(out, "abcdef", 6);
	assert_int_equal(nj_conn_unsent(s.conn), 0);
	assert_int_equal(nj_conn_bytes_out(s.conn), 6);
}

static void what_is_sent_before_opening_waits(void **state)
{
	char out[4];
	assert_int_equal(nj_conn_send(s.conn, "ab", 2), NJ_OK);
	turns(2);
	assert_int_equal(client_read(out, sizeof out), 2);
}

static void uneaten_bytes_are_offered_again_with_the_next(void **state)
{
	turn();
	s.eats_at_most = 2;
	client_write("abcde", 5);
	turn();
	assert_int_equal(s.datas, 1);
	turn();
	assert_int_equal(s.datas, 1);
	s.eats_at_most = SIZE_MAX;
	client_write("f", 1);
	turn();
	assert_int_equal(s.last_offer, 4);
	assert_memory_equal(s.got, "abcdef", 6);
}

/* A message of exactly the input limit passes if it is eaten whole; one that is never eaten ends the connection. */
static void input_limit(void **state)
{
	static const uint8_t zeros[SERVER_IN_MAX];
	turn();
	s.eats_at_most = 0;
	client_write(zeros, SERVER_IN_MAX - 1);
	turns(3);
	assert_int_equal(s.closes, 0);
	client_write(zeros, 1);
	turns(3);
	assert_closed_by_reset(NJ_CLOSE_PROTOCOL);
}

static void input_limit_eaten_at_once(void **state)
{
	static const uint8_t zeros[SERVER_IN_MAX];
	turn();
	s.eats_at_most = 0;
	client_write(zeros, SERVER_IN_MAX - 1);
	turn();
	s.eats_at_most = SIZE_MAX;
	client_write(zeros, 1);
	turn();
	assert_int_equal(s.last_offer, SERVER_IN_MAX);
	assert_int_equal(s.closes, 0);
}

static void output_limit(void **state)
{
	char *bytes = calloc(1, SERVER_OUT_MAX);
	turn();
	assert_int_equal(nj_conn_send(s.conn, bytes, SERVER_OUT_MAX - 1), NJ_OK);
	assert_int_equal(nj_conn_send2(s.conn, nj_view_of(bytes, 1), nj_view_of(bytes, 1)), NJ_ERR_LIMIT);
	assert_int_equal(nj_conn_unsent(s.conn), SERVER_OUT_MAX - 1);
	assert_int_equal(nj_conn_send(s.conn, bytes, 1), NJ_OK);
	assert_int_equal(nj_conn_send(s.conn, bytes, 1), NJ_ERR_LIMIT);
	free(bytes);
}

static size_t client_drain(void)
{
	static uint8_t sink[65536];
	size_t total = 0;
	ssize_t n;
	while ((n = client_read(sink, sizeof sink)) > 0)
		total += (size_t)n;
	return total;
}

/* More than the socket takes: on_drained comes once, when the queue has fallen below half. */
static void drained_is_told_once(void **state)
{
	enum { TOTAL = 16 * 1024 * 1024 };
	s.out_max = TOTAL;
	server_start(NULL);
	turn();
	char *bytes = calloc(1, TOTAL);
	assert_int_equal(nj_conn_send(s.conn, bytes, TOTAL), NJ_OK);
	free(bytes);
	turn();
	assert_true(nj_conn_unsent(s.conn) > TOTAL / 2);
	assert_int_equal(s.draineds, 0);
	size_t total = 0;
	while (total < TOTAL) {
		total += client_drain();
		turn();
		assert_int_equal(s.draineds, nj_conn_unsent(s.conn) < TOTAL / 2);
	}
	assert_int_equal(s.draineds, 1);
}

static void big_transfer_both_ways(void **state)
{
	enum { TOTAL = 4 * 1024 * 1024 };
	uint8_t *out = malloc(TOTAL);
	uint8_t *back = malloc(TOTAL + 1);
	size_t sent = 0;
	size_t received = 0;
	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (uint8_t)(i * 2654435761U >> 13);
	s.in_max = 100 * 1000;
	s.echoes = true;
	server_start(NULL);
	while (received < TOTAL) {
		ssize_t n = send(s.client, out + sent, TOTAL - sent < 50000 ? TOTAL - sent : 50000, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		turn();
		n = client_read(back + received, TOTAL + 1 - received);
		received += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(out, back, TOTAL);
	assert_memory_equal(out, s.got, TOTAL);
	assert_int_equal(nj_conn_bytes_in(s.conn), TOTAL);
	assert_int_equal(nj_conn_bytes_out(s.conn), TOTAL);
	free(out);
	free(back);
}

/* A turn reads at most 256 KiB of one connection, and the rest without any new event. */
static void one_connection_does_not_take_the_whole_turn(void **state)
{
	enum { TOTAL = 700 * 1024 };
	uint8_t *zeros = calloc(1, TOTAL);
	s.in_max = 1024 * 1024;
	server_start(NULL);
	turn();
	nj_conn_pause(s.conn, true);
	int big = 4 * 1024 * 1024;
	setsockopt(s.client, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
	size_t sent = 0;
	ssize_t n;
	while (sent < TOTAL && (n = send(s.client, zeros, TOTAL - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	/* What the socket's buffers take is enough, if it is more than one turn's share. */
	assert_true(sent > 300 * 1024);
	turn();
	nj_conn_pause(s.conn, false);
	size_t before = 0;
	for (int i = 0; i < 50 && s.got_len < sent; i++) {
		turn();
		assert_true(s.got_len - before <= 256 * 1024);
		before = s.got_len;
	}
	assert_int_equal(s.got_len, sent);
	free(zeros);
}

static void a_paused_connection_reads_nothing(void **state)
{
	turn();
	nj_conn_pause(s.conn, true);
	client_write("abc", 3);
	turns(3);
	assert_int_equal(s.datas, 0);
	nj_conn_pause(s.conn, false);
	assert_int_equal(s.datas, 0);
	turn();
	assert_int_equal(s.got_len, 3);
}

/* What arrives meanwhile neither ends the pause nor makes it endless. */
static void a_pause_for_a_time_ends_by_itself(void **state)
{
	turn();
	nj_conn_pause_for(s.conn, 20);
	client_write("abc", 3);
	turns(3);
	nj_clock_fake_advance_ms(&s.clock, 19);
	client_write("def", 3);
	turns(3);
	assert_int_equal(s.datas, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_int_equal(s.got_len, 6);
}

/* Back-pressure from inside on_data: what was left is offered when reading resumes, with nothing new arriving. */
static void what_a_pausing_callee_left_is_offered_on_resuming(void **state)
{
	turn();
	s.eats_at_most = 1;
	s.pauses = true;
	client_write("abc", 3);
	turns(3);
	assert_int_equal(s.datas, 1);
	nj_conn_pause(s.conn, false);
	turn();
	assert_int_equal(s.datas, 2);
	s.pauses = false;
	s.eats_at_most = SIZE_MAX;
	nj_conn_pause(s.conn, false);
	turn();
	assert_memory_equal(s.got, "abc", 3);
	assert_int_equal(s.got_len, 3);
}

static void a_paused_full_buffer_is_no_protocol_error(void **state)
{
	static const uint8_t zeros[SERVER_IN_MAX];
	turn();
	s.eats_at_most = 0;
	s.pauses = true;
	client_write(zeros, SERVER_IN_MAX);
	turns(3);
	assert_int_equal(s.closes, 0);
	s.eats_at_most = SIZE_MAX;
	nj_conn_pause(s.conn, false);
	turn();
	assert_int_equal(s.got_len, SERVER_IN_MAX);
}

/* ---- tolls ---- */

static struct {
	uint32_t wait_ms; /* what is said to the next bytes, or messages */
	size_t bytes;
	uint32_t messages;
	int left;
} toll;

static uint32_t toll_charge(void *arg, uint32_t messages, size_t bytes)
{
	toll.bytes += bytes;
	toll.messages += messages;
	return toll.wait_ms;
}

static void toll_left(void *arg)
{
	assert_ptr_equal(arg, &toll);
	toll.left++;
}

static void set_toll(uint32_t wait_ms)
{
	memset(&toll, 0, sizeof(toll));
	toll.wait_ms = wait_ms;
	static const struct nj_conn_toll charged = { toll_charge, toll_left };
	nj_conn_set_toll(s.conn, &charged, &toll);
}

static void pass(uint64_t ms)
{
	nj_clock_fake_advance_ms(&s.clock, ms);
	turns(2);
}

static void what_is_too_fast_is_read_later(void **state)
{
	turn();
	set_toll(100);
	client_write("abc", 3);
	turns(3);
	assert_int_equal(s.got_len, 3);
	assert_int_equal(toll.bytes, 3);
	assert_true(nj_conn_held(s.conn));
	client_write("def", 3);
	pass(99);
	assert_int_equal(s.got_len, 3);
	toll.wait_ms = 0;
	pass(1);
	assert_int_equal(s.got_len, 6);
	assert_false(nj_conn_held(s.conn));
	/* A pause does not pay, and paying does not resume. */
	toll.wait_ms = 50;
	client_write("g", 1);
	turn();
	nj_conn_pause(s.conn, true);
	toll.wait_ms = 0;
	client_write("h", 1);
	nj_conn_pause(s.conn, false);
	turns(2);
	assert_int_equal(s.got_len, 7);
	nj_conn_pause(s.conn, true);
	pass(50);
	assert_int_equal(s.got_len, 7);
	nj_conn_pause(s.conn, false);
	turns(2);
	assert_memory_equal(s.got, "abcdefgh", 8);
	assert_int_equal(toll.left, 0);
	nj_conn_abort(s.conn, NJ_CLOSE_LOCAL);
	turn();
	assert_int_equal(toll.left, 1);
}

/* One byte is a message here; whoever parses them stops when the toll says so. */
static size_t charging_on_data(struct nj_conn *conn, struct nj_view in)
{
	size_t eaten = 0;
	while (eaten < in.len && !nj_conn_held(conn)) {
		server_record(nj_view_of(in.data + eaten++, 1));
		nj_conn_charge(conn, 1);
	}
	return eaten;
}

static void messages_of_one_read_wait_for_each_other(void **state)
{
	static const struct nj_conn_ops ops = { .on_data = charging_on_data, .on_close = server_on_close };
	turn();
	set_toll(0);
	nj_conn_set_ops(s.conn, &ops, NULL);
	client_write("ab", 2);
	turn();
	assert_int_equal(s.got_len, 2);
	toll.wait_ms = 100;
	client_write("cdef", 4);
	turn();
	/* Their bytes are charged before any of them. */
	assert_int_equal(s.got_len, 2);
	pass(100);
	assert_int_equal(s.got_len, 3);
	pass(99);
	assert_int_equal(s.got_len, 3);
	pass(1);
	assert_int_equal(s.got_len, 4);
	pass(100);
	pass(100);
	assert_memory_equal(s.got, "abcdef", 6);
	assert_int_equal(s.got_len, 6);
	assert_int_equal(toll.messages, 6);
}

static void a_full_buffer_that_waits_is_no_protocol_error(void **state)
{
	static const uint8_t zeros[SERVER_IN_MAX];
	static const struct nj_conn_ops ops = { .on_data = charging_on_data, .on_close = server_on_close };
	turn();
	set_toll(1000);
	nj_conn_set_ops(s.conn, &ops, NULL);
	client_write(zeros, SERVER_IN_MAX);
	turns(3);
	assert_int_equal(s.got_len, 0);
	assert_int_equal(s.closes, 0);
	toll.wait_ms = 0;
	pass(1000);
	assert_int_equal(s.got_len, SERVER_IN_MAX);
}

static void a_paused_connection_learns_of_a_reset(void **state)
{
	turn();
	nj_conn_pause(s.conn, true);
	const struct linger reset = { .l_onoff = 1 };
	setsockopt(s.client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(s.client);
	s.client = -1;
	turn();
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PEER);
}

static void the_peers_end_comes_after_its_last_bytes(void **state)
{
	turn();
	client_write("bye", 3);
	shutdown(s.client, SHUT_WR);
	turn();
	assert_memory_equal(s.got, "bye", 3);
	turn();
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PEER);
}

/* A client that sends and half-closes still gets its answer. */
static void an_answer_reaches_a_half_closed_peer(void **state)
{
	char out[8];
	s.echoes = true;
	client_write("ping", 4);
	shutdown(s.client, SHUT_WR);
	turns(3);
	assert_int_equal(client_read(out, sizeof out), 4);
	assert_int_equal(client_read(out, sizeof out), 0);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PEER);
}

static void a_reset_is_an_io_error(void **state)
{
	turn();
	const struct linger reset = { .l_onoff = 1 };
	setsockopt(s.client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(s.client);
	s.client = -1;
	turn();
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_IO);
}

static void finish_writes_then_ends_in_order(void **state)
{
	char out[8];
	turn();
	client_write("never read", 10);
	assert_int_equal(nj_conn_send(s.conn, "last", 4), NJ_OK);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	assert_int_equal(s.closes, 0);
	assert_int_equal(nj_conn_send(s.conn, "x", 1), NJ_ERR_CLOSED);
	turn();
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_LOCAL);
	assert_int_equal(s.datas, 0);
	assert_int_equal(client_read(out, sizeof out), 4);
	assert_int_equal(client_read(out, sizeof out), 0);
	/* Unread input would have made the close a reset, which shows only here behind the end. */
	int error = -1;
	socklen_t len = sizeof error;
	assert_int_equal(getsockopt(s.client, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
}

/* The peer does not read: two seconds, then the rest is lost. */
static void finish_does_not_wait_for_ever(void **state)
{
	enum { TOTAL = 16 * 1024 * 1024 };
	s.out_max = TOTAL;
	server_start(NULL);
	turn();
	char *bytes = calloc(1, TOTAL);
	assert_int_equal(nj_conn_send(s.conn, bytes, TOTAL), NJ_OK);
	free(bytes);
	nj_conn_finish(s.conn, NJ_CLOSE_SHUTDOWN);
	turn();
	nj_clock_fake_advance_ms(&s.clock, 1999);
	turn();
	assert_int_equal(s.closes, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_SHUTDOWN);
}

static void finish_writes_all_to_a_slow_reader(void **state)
{
	enum { TOTAL = 16 * 1024 * 1024 };
	s.out_max = TOTAL;
	server_start(NULL);
	turn();
	char *bytes = calloc(1, TOTAL);
	assert_int_equal(nj_conn_send(s.conn, bytes, TOTAL), NJ_OK);
	free(bytes);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	size_t total = 0;
	while (s.closes == 0) {
		turn();
		total += client_drain();
	}
	total += client_drain();
	assert_int_equal(total, TOTAL);
}

static void abort_resets_at_once(void **state)
{
	turn();
	assert_int_equal(nj_conn_send(s.conn, "lost", 4), NJ_OK);
	nj_conn_abort(s.conn, NJ_CLOSE_REVOKED);
	assert_int_equal(s.closes, 0);
	nj_conn_abort(s.conn, NJ_CLOSE_LOCAL);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	nj_conn_pause(s.conn, true);
	turn();
	assert_closed_by_reset(NJ_CLOSE_REVOKED);
}

static void abort_overtakes_finish(void **state)
{
	turn();
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	nj_conn_abort(s.conn, NJ_CLOSE_REVOKED);
	turn();
	assert_closed_by_reset(NJ_CLOSE_REVOKED);
}

static void silence_ends_at_the_hello_timeout(void **state)
{
	turn();
	nj_clock_fake_advance_ms(&s.clock, HELLO_TIMEOUT_MS - 1);
	turn();
	assert_int_equal(s.closes, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_closed_by_reset(NJ_CLOSE_HELLO_TIMEOUT);
}

static void the_first_byte_ends_the_hello_timeout(void **state)
{
	turn();
	client_write("x", 1);
	turn();
	nj_clock_fake_advance_ms(&s.clock, 100 * HELLO_TIMEOUT_MS);
	turn();
	assert_int_equal(s.closes, 0);
}

static void binding_has_its_own_limit(void **state)
{
	nj_conn_bind_deadline(s.conn, 10000);
	turn();
	client_write("x", 1);
	turn();
	nj_clock_fake_advance_ms(&s.clock, 9999);
	turn();
	assert_int_equal(s.closes, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_closed_by_reset(NJ_CLOSE_BIND_TIMEOUT);
}

static void the_earlier_limit_counts(void **state)
{
	nj_conn_bind_deadline(s.conn, HELLO_TIMEOUT_MS - 1);
	turn();
	nj_clock_fake_advance_ms(&s.clock, HELLO_TIMEOUT_MS - 1);
	turn();
	assert_closed_by_reset(NJ_CLOSE_BIND_TIMEOUT);
}

static void what_is_proven_has_no_limit(void **state)
{
	nj_conn_bind_deadline(s.conn, 10000);
	turn();
	client_write("x", 1);
	turn();
	nj_conn_proven(s.conn);
	nj_clock_fake_advance_ms(&s.clock, 1000000);
	turn();
	assert_int_equal(s.closes, 0);
}

/* --- another protocol layer takes over --- */

static size_t next_layer_got;

static size_t next_on_data(struct nj_conn *conn, struct nj_view in)
{
	next_layer_got += in.len;
	return in.len;
}

static const struct nj_conn_ops next_ops = {
	.on_open = server_on_open,
	.on_data = next_on_data,
	.on_drained = server_on_drained,
	.on_close = server_on_close,
};

static size_t handing_on_data(struct nj_conn *conn, struct nj_view in)
{
	nj_conn_set_ops(conn, &next_ops, &s);
	return 2;
}

static const struct nj_conn_ops handing_ops = {
	.on_open = server_on_open,
	.on_data = handing_on_data,
	.on_drained = server_on_drained,
	.on_close = server_on_close,
};

static void the_next_layer_gets_the_rest_at_once(void **state)
{
	next_layer_got = 0;
	nj_conn_set_ops(s.conn, &handing_ops, &s);
	client_write("abcde", 5);
	turns(2);
	assert_int_equal(next_layer_got, 3);
}

static void the_next_layer_gets_what_was_buffered(void **state)
{
	next_layer_got = 0;
	s.eats_at_most = 0;
	client_write("abcde", 5);
	turns(2);
	nj_conn_set_ops(s.conn, &next_ops, &s);
	assert_int_equal(next_layer_got, 0);
	turn();
	assert_int_equal(next_layer_got, 5);
}

/* --- closing from inside the callbacks --- */

static void aborting_on_open(struct nj_conn *conn)
{
	nj_conn_abort(conn, NJ_CLOSE_EVICTED);
}

static size_t aborting_on_data(struct nj_conn *conn, struct nj_view in)
{
	nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
	return 0;
}

static size_t finishing_on_data(struct nj_conn *conn, struct nj_view in)
{
	nj_conn_finish(conn, NJ_CLOSE_LOCAL);
	return 0;
}

static void assert_ends_from(struct nj_conn_ops ops, enum nj_close why)
{
	ops.on_close = server_on_close;
	nj_conn_set_ops(s.conn, &ops, &s);
	client_write("abc", 3);
	turns(2);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, why);
}

static void abort_from_on_open(void **state)
{
	assert_ends_from((struct nj_conn_ops){ .on_open = aborting_on_open, .on_data = server_on_data },
			 NJ_CLOSE_EVICTED);
	assert_int_equal(s.datas, 0);
}

static void abort_from_on_data(void **state)
{
	assert_ends_from((struct nj_conn_ops){ .on_open = server_on_open, .on_data = aborting_on_data },
			 NJ_CLOSE_UNBOUND);
}

static void finish_from_on_data(void **state)
{
	assert_ends_from((struct nj_conn_ops){ .on_open = server_on_open, .on_data = finishing_on_data },
			 NJ_CLOSE_LOCAL);
}

static void the_socket_is_taken_also_on_failure(void **state)
{
	server_start(NULL);
	/* epoll refuses a regular file. */
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const struct nj_conn_config config = { .fd = fd, .max_in_bytes = 1, .max_out_bytes = 1, .ops = &server_ops };
	struct nj_conn *conn = NULL;
	assert_int_not_equal(nj_conn_new(s.reactor, &config, &conn), NJ_OK);
	assert_null(conn);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void every_close_reason_has_its_text(void **state)
{
	server_start(NULL);
	assert_string_equal(nj_close_name(NJ_CLOSE_PEER), "peer-closed");
	assert_string_equal(nj_close_name(NJ_CLOSE_SHUTDOWN), "shutdown");
	assert_string_equal(nj_close_name((enum nj_close)99), "unknown");
}

/* --- other threads --- */

static char order[8];

static void happened(char what)
{
	order[strlen(order)] = what;
}

static void on_said(struct nj_post *post)
{
	happened('p');
}

static void on_said_end(struct nj_post *post)
{
	nj_conn_abort(s.conn, NJ_CLOSE_REVOKED);
}

static void on_said_pause(struct nj_post *post)
{
	nj_conn_pause(s.conn, true);
}

static size_t on_heard(struct nj_conn *conn, struct nj_view in)
{
	happened('d');
	return in.len;
}

/* Posts when epoll tells of it, after the turn has taken its posts. */
struct teller {
	struct nj_io io;
	struct nj_post post;
	int other_end;
};

static void on_told(struct nj_io *io, uint32_t events)
{
	nj_io_remove(io);
	nj_reactor_post(s.reactor, &NJ_CONTAINER(io, struct teller, io)->post);
}

/* Ready before the connection is, so that epoll tells of it first. */
static void tell_between(struct teller *teller, void (*on_post)(struct nj_post *post))
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	*teller = (struct teller){ .io = { .fd = fds[0], .on_event = on_told },
				   .post = { .on_post = on_post },
				   .other_end = fds[1] };
	assert_int_equal(nj_io_add(s.reactor, &teller->io, EPOLLIN), NJ_OK);
	client_write("hello", 5);
	turn();
	close(fds[0]);
	close(fds[1]);
}

static void what_was_posted_comes_before_what_was_read(void **state)
{
	static const struct nj_conn_ops ops = { .on_data = on_heard, .on_close = server_on_close };
	struct teller teller;
	turns(2);
	nj_conn_set_ops(s.conn, &ops, &s);
	memset(order, 0, sizeof order);
	tell_between(&teller, on_said);
	assert_string_equal(order, "pd");
}

static void a_post_ends_it_before_what_was_read(void **state)
{
	struct teller teller;
	turns(2);
	tell_between(&teller, on_said_end);
	assert_int_equal(s.got_len, 0);
	assert_int_equal(s.closes, 1);
}

static void a_post_pauses_it_before_what_was_read(void **state)
{
	struct teller teller;
	turns(2);
	tell_between(&teller, on_said_pause);
	client_write("!", 1);
	turns(2);
	assert_int_equal(s.got_len, 0);
	nj_conn_pause(s.conn, false);
	turns(2);
	assert_int_equal(s.got_len, 6);
	assert_memory_equal(s.got, "hello!", 6);
}

/* --- moving --- */

static struct nj_reactor *home;

static void home_turns(int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(nj_reactor_turn(home, 0), NJ_OK);
}

static void move(void)
{
	assert_int_equal(nj_reactor_new(&s.clock.clock, &home), NJ_OK);
	assert_int_equal(nj_conn_detach(s.conn), NJ_OK);
	assert_int_equal(*nj_reactor_held_bytes(s.reactor), 0);
	nj_conn_attach(s.conn, home, &server_ops, &s);
}

static void moved_done(void)
{
	if (s.conn != NULL)
		nj_conn_abort(s.conn, NJ_CLOSE_SHUTDOWN);
	home_turns(1);
	assert_int_equal(*nj_reactor_held_bytes(home), 0);
	nj_reactor_free(home);
}

static void a_moved_connection_takes_all_along(void **state)
{
	char buffer[16];
	turns(2);
	s.eats_at_most = 2;
	client_write("abcdef", 6);
	turns(2);
	s.eats_at_most = 0;
	nj_conn_pause(s.conn, true);
	assert_int_equal(nj_conn_send(s.conn, "out", 3), NJ_OK);
	size_t before = s.got_len;
	move();
	s.eats_at_most = SIZE_MAX;
	/* Nothing happens on the old reactor any more, everything on the new one. */
	client_write("gh", 2);
	turns(2);
	assert_int_equal(s.got_len, before);
	assert_true(*nj_reactor_held_bytes(home) > 0);
	home_turns(2);
	assert_int_equal(s.got_len, 8);
	assert_memory_equal(s.got, "abcdefgh", 8);
	assert_int_equal(client_read(buffer, sizeof buffer), 3);
	s.echoes = true;
	client_write("i", 1);
	home_turns(2);
	assert_int_equal(client_read(buffer, sizeof buffer), 1);
	moved_done();
}

static void a_moved_connection_learns_of_its_end(void **state)
{
	turns(2);
	close(s.client);
	s.client = -1;
	move();
	home_turns(3);
	assert_int_equal(s.closes, 1);
	moved_done();
}

static void what_is_ending_does_not_move(void **state)
{
	turns(2);
	nj_conn_abort(s.conn, NJ_CLOSE_REVOKED);
	assert_int_equal(nj_conn_detach(s.conn), NJ_ERR_STATE);
	turn();
	assert_int_equal(s.closes, 1);
}

static void what_is_not_open_does_not_move(void **state)
{
	assert_int_equal(nj_conn_detach(s.conn), NJ_ERR_STATE);
	turns(2);
	assert_int_equal(s.opens, 1);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	assert_int_equal(nj_conn_detach(s.conn), NJ_ERR_STATE);
}

#define STARTED(name) cmocka_unit_test_setup_teardown(name, setup_started, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(opens_and_reads),
		STARTED(sends_of_one_turn_leave_together),
		STARTED(what_is_sent_before_opening_waits),
		STARTED(uneaten_bytes_are_offered_again_with_the_next),
		STARTED(input_limit),
		STARTED(input_limit_eaten_at_once),
		STARTED(output_limit),
		TEST(drained_is_told_once),
		TEST(big_transfer_both_ways),
		TEST(one_connection_does_not_take_the_whole_turn),
		STARTED(a_paused_connection_reads_nothing),
		STARTED(a_pause_for_a_time_ends_by_itself),
		STARTED(what_a_pausing_callee_left_is_offered_on_resuming),
		STARTED(a_paused_full_buffer_is_no_protocol_error),
		STARTED(what_is_too_fast_is_read_later),
		STARTED(messages_of_one_read_wait_for_each_other),
		STARTED(a_full_buffer_that_waits_is_no_protocol_error),
		STARTED(a_paused_connection_learns_of_a_reset),
		STARTED(the_peers_end_comes_after_its_last_bytes),
		STARTED(an_answer_reaches_a_half_closed_peer),
		STARTED(a_reset_is_an_io_error),
		STARTED(finish_writes_then_ends_in_order),
		TEST(finish_does_not_wait_for_ever),
		TEST(finish_writes_all_to_a_slow_reader),
		STARTED(abort_resets_at_once),
		STARTED(abort_overtakes_finish),
		STARTED(silence_ends_at_the_hello_timeout),
		STARTED(the_first_byte_ends_the_hello_timeout),
		STARTED(binding_has_its_own_limit),
		STARTED(the_earlier_limit_counts),
		STARTED(what_is_proven_has_no_limit),
		STARTED(the_next_layer_gets_the_rest_at_once),
		STARTED(the_next_layer_gets_what_was_buffered),
		STARTED(abort_from_on_open),
		STARTED(abort_from_on_data),
		STARTED(finish_from_on_data),
		TEST(the_socket_is_taken_also_on_failure),
		TEST(every_close_reason_has_its_text),
		STARTED(what_was_posted_comes_before_what_was_read),
		STARTED(a_post_ends_it_before_what_was_read),
		STARTED(a_post_pauses_it_before_what_was_read),
		STARTED(a_moved_connection_takes_all_along),
		STARTED(a_moved_connection_learns_of_its_end),
		STARTED(what_is_ending_does_not_move),
		STARTED(what_is_not_open_does_not_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
