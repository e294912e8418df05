#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/udp.h"

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_udp udp;
	int fd;
	int client;
	struct nj_addr client_addr;
	size_t batches;
	size_t count;
	size_t largest_batch;
	size_t last_len;
	uint8_t last[NJ_UDP_MAX_BYTES];
	struct nj_addr last_source;
	bool stops;
} f;

static void on_datagrams(struct nj_udp *udp, const struct nj_udp_datagram *datagrams, size_t count)
{
	if (f.stops)
		nj_udp_stop(udp);
	f.batches++;
	f.count += count;
	f.largest_batch = count > f.largest_batch ? count : f.largest_batch;
	const struct nj_udp_datagram *last = &datagrams[count - 1];
	f.last_len = last->bytes.len;
	memcpy(f.last, last->bytes.data, last->bytes.len);
	f.last_source = last->source;
}

static struct nj_addr own_addr(int fd)
{
	struct sockaddr_storage sa;
	struct nj_addr addr;
	socklen_t len = sizeof sa;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &addr), NJ_OK);
	return addr;
}

static int setup_on(const char *host)
{
	struct nj_addr addr;
	struct sockaddr_storage sa;
	memset(&f, 0, sizeof f);
	nj_clock_fake_init(&f.clock, 0, 0);
	assert_int_equal(nj_reactor_new(&f.clock.clock, &f.reactor), NJ_OK);
	assert_int_equal(nj_addr_parse(host, &addr), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_UDP, &addr, &f.fd, NULL), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_UDP, &addr, &f.client, NULL), NJ_OK);
	f.client_addr = own_addr(f.client);
	addr = own_addr(f.fd);
	socklen_t len = nj_addr_to_sockaddr(&addr, &sa);
	assert_int_equal(connect(f.client, (struct sockaddr *)&sa, len), 0);
	f.udp.on_datagrams = on_datagrams;
	assert_int_equal(nj_udp_start(f.reactor, &f.udp, f.fd), NJ_OK);
	return 0;
}

static int setup(void **state)
{
	return setup_on("127.0.0.1");
}

static int setup_v6(void **state)
{
	return setup_on("::1");
}

static int teardown(void **state)
{
	nj_udp_stop(&f.udp);
	close(f.fd);
	close(f.client);
	nj_reactor_free(f.reactor);
	return 0;
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(f.reactor, 0), NJ_OK);
}

static void datagrams_come_with_their_source(void **state)
{
	assert_int_equal(send(f.client, "knock", 5, 0), 5);
	turn();
	assert_int_equal(f.count, 1);
	assert_int_equal(f.last_len, 5);
	assert_memory_equal(f.last, "knock", 5);
	assert_true(nj_addr_same_host(&f.last_source, &f.client_addr));
	assert_int_equal(f.last_source.port, f.client_addr.port);
}

static void lengths(void **state)
{
	static const struct {
		size_t sent;
		size_t want;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 127, 127 }, { 128, 128 }, { 129, 0 }, { 1500, 0 }, { 112, 112 } };
	static uint8_t zeros[1500];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(send(f.client, zeros, rows[i].sent, 0), rows[i].sent);
		turn();
		assert_int_equal(f.count, i + 1);
		assert_int_equal(f.last_len, rows[i].want);
	}
}

static void a_batch_is_bounded_and_nothing_is_lost(void **state)
{
	for (uint32_t i = 0; i < NJ_UDP_BATCH + 1; i++)
		assert_int_equal(send(f.client, &i, sizeof i, 0), sizeof i);
	turn();
	assert_int_equal(f.count, NJ_UDP_BATCH);
	turn();
	assert_int_equal(f.count, NJ_UDP_BATCH + 1);
	assert_int_equal(f.largest_batch, NJ_UDP_BATCH);
}

/* The datagrams stay valid for the rest of the call. */
static void stopping_in_the_callback(void **state)
{
	f.stops = true;
	assert_int_equal(send(f.client, "knock", 5, 0), 5);
	turn();
	assert_memory_equal(f.last, "knock", 5);
	assert_int_equal(send(f.client, "knock", 5, 0), 5);
	turn();
	assert_int_equal(f.batches, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_come_with_their_source, setup, teardown),
		cmocka_unit_test_setup_teardown(datagrams_come_with_their_source, setup_v6, teardown),
		cmocka_unit_test_setup_teardown(lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_is_bounded_and_nothing_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_in_the_callback, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
