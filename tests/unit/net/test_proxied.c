/* Waiting for PROXY headers on real socket pairs: cut anywhere, late, too many, and never a byte too far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/proxied.h"

#define HEADER "0d0a0d0a000d0a515549540a2111000fcb007107c633640112345678040000"
#define HEADER_BYTES 31
#define TIMEOUT_MS 3000
#define ROOM 4

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_proxied *room;
	struct nj_addr proxy;
	uint8_t header[HEADER_BYTES];
	int theirs; /* the proxy's end of the last pair */
	size_t come, refused;
	void *origin;
	int fd;
	struct nj_addr from; /* who was told */
	struct nj_proxy header_got;
	enum nj_err err;
} f;

static void on_come(void *arg, void *origin, int fd, const struct nj_addr *proxy, const struct nj_proxy *header)
{
	assert_ptr_equal(arg, &f);
	f.come++;
	f.origin = origin;
	f.fd = fd;
	f.from = *proxy;
	f.header_got = *header;
}

static void on_refused(void *arg, void *origin, const struct nj_addr *proxy, enum nj_err err)
{
	assert_ptr_equal(arg, &f);
	f.refused++;
	f.origin = origin;
	f.from = *proxy;
	f.err = err;
}

static int setup(void **state)
{
	struct nj_proxied_config config = { .max = ROOM, .arg = &f, .come = on_come, .refused = on_refused };

	memset(&f, 0, sizeof(f));
	f.fd = f.theirs = -1;
	nj_clock_fake_init(&f.clock, 0, 0);
	if (nj_reactor_new(&f.clock.clock, &f.reactor) != NJ_OK)
		return -1;
	config.reactor = f.reactor;
	return nj_addr_parse("192.0.2.9:4000", &f.proxy) == NJ_OK &&
		       nj_hex_decode(nj_view_str(HEADER), f.header, sizeof(f.header)) == NJ_OK &&
		       nj_proxied_new(&config, &f.room) == NJ_OK
		   ? 0
		   : -1;
}

static int teardown(void **state)
{
	nj_proxied_free(f.room);
	nj_reactor_free(f.reactor);
	if (f.fd >= 0)
		close(f.fd);
	if (f.theirs >= 0)
		close(f.theirs);
	return 0;
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(f.reactor, 0), NJ_OK);
}

static void later(uint64_t ms)
{
	nj_clock_fake_advance_ms(&f.clock, ms);
	turn();
}

static void pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

/* A connection comes, with `len` bytes of the header sent already. */
static void connect_with(size_t len)
{
	int ends[2];

	pair(ends);
	if (f.theirs >= 0)
		close(f.theirs);
	f.theirs = ends[1];
	if (len > 0)
		assert_int_equal(write(ends[1], f.header, len), len);
	nj_proxied_take(f.room, &f.clock, ends[0], &f.proxy, TIMEOUT_MS);
}

static void assert_come(void)
{
	char text[NJ_ADDR_TEXT_BYTES];

	assert_int_equal(f.come, 1);
	assert_int_equal(f.refused, 0);
	assert_ptr_equal(f.origin, &f.clock);
	assert_string_equal(nj_addr_text(&f.from, text), "192.0.2.9:4000");
	assert_string_equal(nj_addr_text(&f.header_got.source, text), "203.0.113.7:4660");
	assert_int_equal(nj_proxied_count(f.room), 0);
}

static void assert_refused(enum nj_err err)
{
	char byte;

	assert_int_equal(f.come, 0);
	assert_int_equal(f.refused, 1);
	assert_int_equal(f.err, err);
	assert_int_equal(nj_proxied_count(f.room), 0);
	if (err != NJ_ERR_CLOSED)
		assert_true(read(f.theirs, &byte, 1) <= 0);
}

static void a_header_in_two_pieces(void **state)
{
	for (size_t cut = 0; cut <= HEADER_BYTES; cut++) {
		connect_with(cut);
		turn();
		assert_int_equal(f.come, cut == HEADER_BYTES);
		if (cut < HEADER_BYTES)
			assert_int_equal(write(f.theirs, f.header + cut, HEADER_BYTES - cut), HEADER_BYTES - cut);
		turn();
		assert_come();
		close(f.fd);
		f.come = 0;
	}
}

static void byte_by_byte(void **state)
{
	connect_with(0);
	for (size_t i = 0; i < HEADER_BYTES; i++) {
		turn();
		assert_int_equal(f.come, 0);
		assert_int_equal(write(f.theirs, f.header + i, 1), 1);
	}
	turn();
	assert_come();
}

static void what_follows_is_left_in_the_socket(void **state)
{
	uint8_t bytes[HEADER_BYTES + 5];
	char rest[16];
	int ends[2];

	memcpy(bytes, f.header, HEADER_BYTES);
	memcpy(bytes + HEADER_BYTES, "hello", 5);
	pair(ends);
	f.theirs = ends[1];
	assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
	nj_proxied_take(f.room, &f.clock, ends[0], &f.proxy, TIMEOUT_MS);
	turn();
	assert_come();
	assert_int_equal(read(f.fd, rest, sizeof(rest)), 5);
	assert_memory_equal(rest, "hello", 5);
}

static void the_time_limit(void **state)
{
	connect_with(HEADER_BYTES - 1);
	later(TIMEOUT_MS - 1);
	assert_int_equal(f.refused, 0);
	later(1);
	assert_refused(NJ_ERR_TIMEOUT);
}

static void slow_bytes_do_not_buy_time(void **state)
{
	connect_with(0);
	for (size_t i = 0; i < 30; i++) {
		later(TIMEOUT_MS / 30 - 1);
		assert_int_equal(write(f.theirs, f.header + i, 1), 1);
	}
	turn();
	assert_int_equal(f.refused, 0);
	later(TIMEOUT_MS);
	assert_refused(NJ_ERR_TIMEOUT);
}

static void what_is_no_header_is_refused_at_once(void **state)
{
	f.header[0] = 'P';
	connect_with(1);
	turn();
	assert_refused(NJ_ERR_MALFORMED);
}

static void too_long_is_refused_before_it_is_read(void **state)
{
	nj_put_u16(f.header + 14, NJ_PROXY_MAX_BYTES - NJ_PROXY_HEAD_BYTES + 1);
	connect_with(NJ_PROXY_HEAD_BYTES);
	turn();
	assert_refused(NJ_ERR_TOO_LARGE);
}

static void a_proxy_that_goes_away(void **state)
{
	connect_with(HEADER_BYTES - 1);
	shutdown(f.theirs, SHUT_WR);
	turn();
	assert_refused(NJ_ERR_CLOSED);
}

static void the_oldest_gives_way(void **state)
{
	int ends[ROOM + 1][2];
	char byte;

	for (size_t i = 0; i <= ROOM; i++) {
		pair(ends[i]);
		nj_proxied_take(f.room, ends[i], ends[i][0], &f.proxy, TIMEOUT_MS);
		assert_int_equal(nj_proxied_count(f.room), i < ROOM ? i + 1 : ROOM);
		assert_int_equal(f.refused, i < ROOM ? 0 : 1);
	}
	assert_int_equal(f.err, NJ_ERR_LIMIT);
	assert_ptr_equal(f.origin, ends[0]);
	assert_int_equal(read(ends[0][1], &byte, 1), 0);
	assert_int_equal(write(ends[ROOM][1], f.header, HEADER_BYTES), HEADER_BYTES);
	turn();
	assert_int_equal(f.come, 1);
	assert_ptr_equal(f.origin, ends[ROOM]);
	for (size_t i = 0; i <= ROOM; i++)
		close(ends[i][1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_header_in_two_pieces),
		TEST(byte_by_byte),
		TEST(what_follows_is_left_in_the_socket),
		TEST(the_time_limit),
		TEST(slow_bytes_do_not_buy_time),
		TEST(what_is_no_header_is_refused_at_once),
		TEST(too_long_is_refused_before_it_is_read),
		TEST(a_proxy_that_goes_away),
		TEST(the_oldest_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
