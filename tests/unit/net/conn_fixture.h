/*
 * One server connection under test and the client's socket: over TCP on the loopback, driven turn by turn with a fake
 * clock. The server side records what it is told. Included by one test file each.
 */
#ifndef NJ_TESTS_NET_CONN_FIXTURE_H
#define NJ_TESTS_NET_CONN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define SERVER_IN_MAX 4096
#define SERVER_OUT_MAX (1024 * 1024)
#define HELLO_TIMEOUT_MS 3000

struct server {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_conn *conn;
	int opens;
	int datas;
	int draineds;
	int closes;
	enum nj_close why;
	struct nj_tls_facts facts;
	bool has_facts;
	uint8_t *got;
	size_t got_len;
	size_t got_cap;
	size_t last_offer;
	/* Behaviour */
	size_t eats_at_most;
	bool echoes;
	bool pauses;
	const struct nj_ws_policy *websocket;
	size_t in_max;
	size_t out_max;
	int client; /* the peer's socket */
};

static struct server s;

static void server_on_open(struct nj_conn *conn)
{
	s.opens++;
	const struct nj_tls_facts *facts = nj_conn_tls_facts(conn);
	s.has_facts = facts != NULL;
	if (facts != NULL)
		s.facts = *facts;
}

static void server_record(struct nj_view in)
{
	if (in.len == 0)
		return;
	if (s.got_len + in.len > s.got_cap) {
		s.got_cap = (s.got_len + in.len) * 2;
		s.got = realloc(s.got, s.got_cap);
	}
	memcpy(s.got + s.got_len, in.data, in.len);
	s.got_len += in.len;
}

static size_t server_on_data(struct nj_conn *conn, struct nj_view in)
{
	s.datas++;
	s.last_offer = in.len;
	if (in.len > s.eats_at_most)
		in.len = s.eats_at_most;
	server_record(in);
	if (s.echoes)
		assert_int_equal(nj_conn_send(conn, in.data, in.len), NJ_OK);
	if (s.pauses)
		nj_conn_pause(conn, true);
	return in.len;
}

static void server_on_drained(struct nj_conn *conn)
{
	s.draineds++;
}

static void server_on_close(struct nj_conn *conn, enum nj_close why)
{
	s.closes++;
	s.why = why;
	s.conn = NULL;
}

static const struct nj_conn_ops server_ops = {
	.on_open = server_on_open,
	.on_data = server_on_data,
	.on_drained = server_on_drained,
	.on_close = server_on_close,
};

static void server_init(void)
{
	s = (struct server){
		.eats_at_most = SIZE_MAX, .in_max = SERVER_IN_MAX, .out_max = SERVER_OUT_MAX, .client = -1
	};
	nj_clock_fake_init(&s.clock, 1000ULL * 1000000, 0);
	assert_int_equal(nj_reactor_new(&s.clock.clock, &s.reactor), NJ_OK);
}

/* A connected pair over TCP, both ends non-blocking. */
static void tcp_pair(int *out_client, int *out_server)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	*out_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*out_client, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(fcntl(*out_client, F_SETFL, O_NONBLOCK), 0);
	/* Nagle would hold a small write back until the other side's delayed ACK. */
	const int on = 1;
	assert_int_equal(setsockopt(*out_client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	*out_server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*out_server >= 0);
	close(listener);
}

static void server_start(struct nj_tls_ctx *tls)
{
	int fd;
	tcp_pair(&s.client, &fd);
	const struct nj_conn_config config = { .fd = fd,
					       .tls = tls,
					       .max_in_bytes = s.in_max,
					       .max_out_bytes = s.out_max,
					       .hello_timeout_ms = HELLO_TIMEOUT_MS,
					       .websocket = s.websocket,
					       .ops = &server_ops,
					       .user = &s };
	assert_int_equal(nj_conn_new(s.reactor, &config, &s.conn), NJ_OK);
	assert_int_equal(s.opens + s.closes, 0);
}

static void server_done(void)
{
	if (s.conn != NULL)
		nj_conn_abort(s.conn, NJ_CLOSE_SHUTDOWN);
	assert_int_equal(nj_reactor_turn(s.reactor, 0), NJ_OK);
	assert_int_equal(s.closes, 1);
	nj_reactor_free(s.reactor);
	if (s.client >= 0)
		close(s.client);
	free(s.got);
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(s.reactor, 0), NJ_OK);
}

static void turns(int count)
{
	for (int i = 0; i < count; i++)
		turn();
}

/* What the client meets next: bytes (> 0), an orderly end (0), or −errno. */
static ssize_t client_read(void *out, size_t cap)
{
	ssize_t n = recv(s.client, out, cap, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static void client_write(const void *data, size_t len)
{
	assert_int_equal(send(s.client, data, len, MSG_NOSIGNAL), len);
}

__attribute__((unused)) static void assert_closed_by_reset(enum nj_close why)
{
	uint8_t byte;
	assert_int_equal(s.closes, 1);
	assert_string_equal(nj_close_name(s.why), nj_close_name(why));
	assert_int_equal(client_read(&byte, 1), -ECONNRESET);
}

#endif
