#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static void texts(void **state)
{
	static const struct {
		const char *text;
		enum nj_err want;
		const char *canonical;
	} rows[] = {
		{ "192.0.2.1", NJ_OK, "192.0.2.1" },
		{ "192.0.2.1:80", NJ_OK, "192.0.2.1:80" },
		{ "192.0.2.1:65535", NJ_OK, "192.0.2.1:65535" },
		{ "192.0.2.1:65536", NJ_ERR_RANGE, NULL },
		{ "192.0.2.1:0", NJ_ERR_RANGE, NULL },
		{ "192.0.2.1:", NJ_ERR_MALFORMED, NULL },
		{ "192.0.2.1:8o", NJ_ERR_MALFORMED, NULL },
		{ "192.0.2", NJ_ERR_MALFORMED, NULL },
		{ "192.0.2.256", NJ_ERR_MALFORMED, NULL },
		{ "192.0.2.1 ", NJ_ERR_MALFORMED, NULL },
		{ "2001:DB8::1", NJ_OK, "2001:db8::1" },
		{ "[2001:db8::1]", NJ_OK, "2001:db8::1" },
		{ "[2001:db8::1]:80", NJ_OK, "[2001:db8::1]:80" },
		{ "[2001:db8::1]80", NJ_ERR_MALFORMED, NULL },
		{ "[2001:db8::1", NJ_ERR_MALFORMED, NULL },
		{ "[192.0.2.1]:80", NJ_ERR_MALFORMED, NULL },
		{ "2001:db8::1::2", NJ_ERR_MALFORMED, NULL },
		{ "::ffff:192.0.2.1", NJ_OK, "192.0.2.1" },
		{ "[::ffff:192.0.2.1]:80", NJ_OK, "192.0.2.1:80" },
		{ "::", NJ_OK, "::" },
		{ "fe80::1%7", NJ_OK, "fe80::1%7" },
		{ "[fe80::1%7]:80", NJ_OK, "[fe80::1%7]:80" },
		{ "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535", NJ_OK,
		  "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535" },
		{ "fe80::1%", NJ_ERR_NOT_FOUND, NULL },
		{ "fe80::1%no-such-interface", NJ_ERR_NOT_FOUND, NULL },
		{ "2001:db8::1%7", NJ_ERR_MALFORMED, NULL },
		{ "", NJ_ERR_MALFORMED, NULL },
		{ ":80", NJ_ERR_MALFORMED, NULL },
		{ "[]:80", NJ_ERR_MALFORMED, NULL },
		{ "localhost", NJ_ERR_MALFORMED, NULL },
		{ "1111111111111111111111111111111111111111111111111111111111111111", NJ_ERR_MALFORMED, NULL },
	};
	char text[NJ_ADDR_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_addr addr = { .port = 4711 };

		assert_int_equal(nj_addr_parse(rows[i].text, &addr), rows[i].want);
		if (rows[i].want == NJ_OK)
			assert_string_equal(nj_addr_text(&addr, text), rows[i].canonical);
		else
			assert_int_equal(addr.port, 4711);
	}
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		bool v4, loopback, any;
	} rows[] = {
		{ "127.0.0.1", true, true, false },
		{ "127.255.255.255", true, true, false },
		{ "128.0.0.1", true, false, false },
		{ "0.0.0.0", true, false, true },
		{ "0.0.0.1", true, false, false },
		{ "::", false, false, true },
		{ "::1", false, true, false },
		{ "::2", false, false, false },
		{ "::ffff:127.0.0.1", true, true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_addr addr;

		assert_int_equal(nj_addr_parse(rows[i].text, &addr), NJ_OK);
		assert_int_equal(nj_addr_is_v4(&addr), rows[i].v4);
		assert_int_equal(nj_addr_is_loopback(&addr), rows[i].loopback);
		assert_int_equal(nj_addr_is_any(&addr), rows[i].any);
	}
}

static void sockaddrs_go_there_and_back(void **state)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%3]:80" };

	for (size_t i = 0; i < 3; i++) {
		struct nj_addr addr;
		struct nj_addr back;
		struct sockaddr_storage sa;
		socklen_t len;

		assert_int_equal(nj_addr_parse(texts[i], &addr), NJ_OK);
		len = nj_addr_to_sockaddr(&addr, &sa);
		assert_int_equal(sa.ss_family, i == 0 ? AF_INET : AF_INET6);
		assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &back), NJ_OK);
		assert_true(nj_addr_same_host(&addr, &back));
		assert_int_equal(back.port, 80);
		assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, len - 1, &back), NJ_ERR_TRUNCATED);
	}
}

static void other_families_are_refused(void **state)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	struct nj_addr addr;

	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, sizeof(sa), &addr), NJ_ERR_UNSUPPORTED);
	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, 1, &addr), NJ_ERR_TRUNCATED);
}

static void hosts_compare_without_ports(void **state)
{
	struct nj_addr a;
	struct nj_addr b;
	char text[NJ_ADDR_TEXT_BYTES];

	assert_int_equal(nj_addr_parse("[fe80::1%3]:80", &a), NJ_OK);
	assert_int_equal(nj_addr_parse("[fe80::1%3]:81", &b), NJ_OK);
	assert_true(nj_addr_same_host(&a, &b));
	b.scope = 4;
	assert_false(nj_addr_same_host(&a, &b));
	assert_string_equal(nj_addr_host_text(&a, text), "fe80::1%3");
}

static void networks(void **state)
{
	static const struct {
		const char *net;
		const char *in, *out;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7", "192.0.2.6" },
		{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
		{ "128.0.0.0/1", "255.0.0.1", "127.0.0.1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "2001:db8::/32", "2001:db8:ffff::", "10.0.0.1" },
		{ "::1", "::1", "127.0.0.1" },
		{ "::/1", "2001:db8::1", "10.0.0.1" },
	};
	static const char *const bad[] = { "",          "10.0.0.0/0", "10.0.0.0/33", "10.0.0.1/8", "::/0",
					   "::1/127",   "::/129",     "10.0.0.1:80", "10/8",       "fe80::1%1",
					   "10.0.0.0/", "a/8",        "10.0.0.0/ 8" };
	struct nj_net nets[sizeof(rows) / sizeof(rows[0])];
	struct nj_addr addr;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(nj_net_parse(rows[i].net, &nets[i]), NJ_OK);
		assert_int_equal(nj_addr_parse(rows[i].in, &addr), NJ_OK);
		addr.port = 77;
		assert_true(nj_net_has(&nets[i], &addr));
		assert_true(nj_nets_have(nets, i + 1, &addr));
		assert_int_equal(nj_addr_parse(rows[i].out, &addr), NJ_OK);
		assert_false(nj_net_has(&nets[i], &addr));
		assert_false(nj_nets_have(nets, 0, &addr));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (nj_net_parse(bad[i], &nets[0]) != NJ_ERR_MALFORMED)
			fail_msg("'%s' is no network", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(kinds),
		cmocka_unit_test(sockaddrs_go_there_and_back),
		cmocka_unit_test(other_families_are_refused),
		cmocka_unit_test(hosts_compare_without_ports),
		cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
