/* A connection whose stream is carried by a WebSocket. */
#include "unit/net/conn_fixture.h"

#include "crypto/crypto.h"

static const struct nj_origins pages = { .count = 1, .at = { "https://app.example" } };
static struct {
	size_t count;
	char origin[64];
} refused;

static void on_refused(void *arg, const struct nj_addr *peer, struct nj_view origin)
{
	assert_ptr_equal(arg, &refused);
	assert_non_null(peer);
	refused.count++;
	assert_true(origin.len < sizeof(refused.origin));
	memcpy(refused.origin, origin.data, origin.len);
	refused.origin[origin.len] = '\0';
}

static const struct nj_ws_policy policy = { .origins = &pages, .refused = on_refused, .arg = &refused };

#define REQUEST                                                                                                       \
	"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

static int setup(void **state)
{
	server_init();
	memset(&refused, 0, sizeof(refused));
	s.websocket = &policy;
	server_start(NULL);
	turn();
	return 0;
}

static int teardown(void **state)
{
	server_done();
	return 0;
}

/* What the server said, until it says no more. */
static size_t hear(uint8_t *out, size_t cap)
{
	size_t len = 0;
	ssize_t n;
	turns(3);
	while ((n = client_read(out + len, cap - len)) > 0) {
		len += (size_t)n;
		turn();
	}
	return len;
}

static void open_stream(void)
{
	uint8_t said[512];
	client_write(REQUEST, strlen(REQUEST));
	size_t len = hear(said, sizeof said);
	assert_true(len > 12);
	assert_memory_equal(said, "HTTP/1.1 101", 12);
}

/* Masked by zeros. */
static void send_frame(uint8_t first, const char *text)
{
	uint8_t bytes[256] = { first, (uint8_t)(0x80 | strlen(text)) };
	memcpy(bytes + 6, text, strlen(text));
	client_write(bytes, 6 + strlen(text));
}

#define PAGE(origin)                                                                                                  \
	"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\nOrigin: " origin "\r\n\r\n"

static void a_listed_page_comes_in(void **state)
{
	uint8_t said[512];
	client_write(PAGE("https://app.example"), strlen(PAGE("https://app.example")));
	assert_true(hear(said, sizeof said) > 12);
	assert_memory_equal(said, "HTTP/1.1 101", 12);
	assert_int_equal(refused.count, 0);
}

/* Told once, with the name that it gave, and nothing that comes behind it is carried. */
static void another_page_is_told_of(void **state)
{
	uint8_t said[512];
	client_write(PAGE("https://evil.example"), strlen(PAGE("https://evil.example")));
	assert_true(hear(said, sizeof said) > 12);
	assert_memory_equal(said, "HTTP/1.1 403", 12);
	assert_int_equal(refused.count, 1);
	assert_string_equal(refused.origin, "https://evil.example");
	assert_int_equal(s.got_len, 0);
}

static void another_stream_is_not_carried(void **state)
{
	client_write("\x10\x00", 2);
	turns(2);
	assert_int_equal(s.got_len, 2);
	client_write("GET", 3);
	turns(2);
	assert_int_equal(s.got_len, 5);
}

static void messages_go_both_ways(void **state)
{
	uint8_t said[512];
	open_stream();
	assert_int_equal(s.got_len, 0);
	s.echoes = true;
	send_frame(0x82, "one");
	send_frame(0x89, "p");
	send_frame(0x82, "two");
	size_t len = hear(said, sizeof said);
	assert_int_equal(s.got_len, 6);
	assert_memory_equal(s.got, "onetwo", 6);
	/* Ours leave as one frame a turn; a pong stands between frames. */
	assert_true(len == 11 || len == 13);
	assert_non_null(memmem(said, len, "\x8a\x01p", 3));
	assert_non_null(memmem(said, len, "\x82", 1));
}

static void a_request_may_come_with_the_first_message(void **state)
{
	uint8_t bytes[512];
	size_t len = strlen(REQUEST);
	memcpy(bytes, REQUEST, len);
	memcpy(bytes + len, "\x82\x83\0\0\0\0abc", 9);
	client_write(bytes, len + 9);
	turns(3);
	assert_int_equal(s.got_len, 3);
	assert_memory_equal(s.got, "abc", 3);
}

static void what_is_not_eaten_is_offered_again(void **state)
{
	open_stream();
	s.eats_at_most = 0;
	send_frame(0x02, "ab");
	turns(2);
	send_frame(0x80, "c");
	turns(2);
	assert_int_equal(s.last_offer, 3);
	s.eats_at_most = SIZE_MAX;
	send_frame(0x82, "d");
	turns(2);
	assert_memory_equal(s.got, "abcd", 4);
}

static void a_refused_request_is_answered_and_closed(void **state)
{
	uint8_t said[512];
	client_write("GET /x HTTP/1.1\r\n\r\n", 19);
	size_t len = hear(said, sizeof said);
	assert_true(len > 12);
	assert_memory_equal(said, "HTTP/1.1 404", 12);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PROTOCOL);
	assert_int_equal(s.datas, 0);
}

static void goodbyes(void **state)
{
	uint8_t said[64];
	open_stream();
	assert_int_equal(nj_conn_send(s.conn, "bye", 3), NJ_OK);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	size_t len = hear(said, sizeof said);
	assert_int_equal(len, 9);
	assert_memory_equal(said,
			    "\x82\x03"
			    "bye\x88\x02\x03\xe8",
			    9);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_LOCAL);
}

static void the_peers_goodbye_is_answered(void **state)
{
	uint8_t said[64];
	open_stream();
	send_frame(0x88, "");
	size_t len = hear(said, sizeof said);
	assert_int_equal(len, 2);
	assert_memory_equal(said, "\x88\x00", 2);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PEER);
}

static void a_breach_is_answered(void **state)
{
	uint8_t said[64];
	open_stream();
	send_frame(0x81, "text");
	size_t len = hear(said, sizeof said);
	assert_int_equal(len, 4);
	assert_memory_equal(said, "\x88\x02\x03\xeb", 4);
	assert_int_equal(s.why, NJ_CLOSE_PROTOCOL);
	assert_int_equal(s.got_len, 0);
}

/* Through a full socket: heads and payload keep their places, and a pong comes between frames. */
static void a_slow_reader_gets_whole_frames(void **state)
{
	enum { TOTAL = SERVER_OUT_MAX - 1, ROUNDS = 4 };
	uint8_t *bytes = malloc(TOTAL);
	uint8_t *said = malloc(ROUNDS * (TOTAL + 64));
	size_t len = 0;
	memset(bytes, 'x', TOTAL);
	open_stream();
	for (int round = 0; round < ROUNDS; round++) {
		assert_int_equal(nj_conn_send(s.conn, bytes, TOTAL), NJ_OK);
		turn();
		send_frame(0x89, "p");
		len += hear(said + len, (size_t)ROUNDS * (TOTAL + 64) - len);
	}
	size_t at = 0;
	size_t payload = 0;
	int pongs = 0;
	while (at < len) {
		size_t n = said[at + 1];
		size_t head = n < 126 ? 2 : n == 126 ? 4 : 10;
		if (n == 126)
			n = (size_t)said[at + 2] << 8 | said[at + 3];
		else if (n == 127)
			n = (size_t)said[at + 7] << 16 | (size_t)said[at + 8] << 8 | said[at + 9];
		pongs += said[at] == 0x8a;
		assert_true(said[at] == 0x8a || said[at] == 0x82);
		payload += said[at] == 0x82 ? n : 0;
		at += head + n;
	}
	assert_int_equal(at, len);
	assert_int_equal(payload, (size_t)ROUNDS * TOTAL);
	assert_int_equal(pongs, ROUNDS);
	free(bytes);
	free(said);
}

static int init(void **state)
{
	return nj_crypto_init() == NJ_OK ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_stream_is_not_carried),
		TEST(a_listed_page_comes_in),
		TEST(another_page_is_told_of),
		TEST(messages_go_both_ways),
		TEST(a_request_may_come_with_the_first_message),
		TEST(what_is_not_eaten_is_offered_again),
		TEST(a_refused_request_is_answered_and_closed),
		TEST(goodbyes),
		TEST(the_peers_goodbye_is_answered),
		TEST(a_breach_is_answered),
		TEST(a_slow_reader_gets_whole_frames),
	};
	return cmocka_run_group_tests(tests, init, NULL);
}
