#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/ports.h"

struct row {
	const char *what;
	const char *line;
	const char *addr;
	bool want;
};

/* Lines as proc_net_tcp(5) prints them on a little-endian machine. */
static const struct row rows[] = {
	{ "the same address and port", "   0: 0100007F:22B3 00000000:0000 0A 0:0 0 0", "127.0.0.1:8883", true },
	{ "another port", "   0: 0100007F:22B4 00000000:0000 0A 0:0 0 0", "127.0.0.1:8883", false },
	{ "another address", "   0: 0200007F:22B3 00000000:0000 0A 0:0 0 0", "127.0.0.1:8883", false },
	{ "listens on any address", "   0: 00000000:22B3 00000000:0000 0A 0:0 0 0", "127.0.0.1:8883", true },
	{ "we want any address", "   0: 0100007F:22B3 00000000:0000 0A 0:0 0 0", "0.0.0.0:8883", true },
	{ "a connection, no listener", "   0: 0100007F:22B3 0100007F:9999 01 0:0 0 0", "127.0.0.1:8883", false },
	{ "IPv6 loopback", "   0: 00000000000000000000000001000000:22B3 00000000000000000000000000000000:0000 0A",
	  "[::1]:8883", true },
	{ "the heading", "  sl  local_address rem_address   st tx_queue", "127.0.0.1:8883", false },
	{ "nothing", "", "127.0.0.1:8883", false },
	{ "cut short", "   0: 0100007F:22", "127.0.0.1:8883", false },
	{ "no hexadecimal", "   0: 0100007G:22B3 00000000:0000 0A", "127.0.0.1:8883", false },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_addr addr;
		assert_int_equal(nj_addr_parse(rows[i].addr, &addr), NJ_OK);
		if (nj_port_line_matches(rows[i].line, &addr, 0x0a) != rows[i].want)
			fail_msg("%s: wanted %d", rows[i].what, rows[i].want);
	}
}

static void test_real_socket(void **state)
{
	struct nj_addr addr;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd = -1;

	(void)state;
	assert_int_equal(nj_addr_parse("127.0.0.1", &addr), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_TCP, &addr, &fd, NULL), NJ_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &addr), NJ_OK);
	assert_false(nj_port_taken(NJ_SOCKET_TCP, &addr));
	assert_int_equal(listen(fd, 1), 0);
	assert_true(nj_port_taken(NJ_SOCKET_TCP, &addr));
	close(fd);
	assert_false(nj_port_taken(NJ_SOCKET_TCP, &addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_real_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
