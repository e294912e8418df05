/* The allow-list's rows and the guards' ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config/settings.h"
#include "base/service.h"

static void test_rows(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint8_t prefix, protocol;
		uint16_t port;
	} rows[] = {
		{ "192.0.2.7", true, 128, 0, 0 },
		{ "192.0.2.0/24", true, 120, 0, 0 },
		{ "192.0.2.7/32 tcp/22", true, 128, NJ_PROTOCOL_TCP, 22 },
		{ "128.0.0.0/1 udp/65535", true, 97, NJ_PROTOCOL_UDP, 65535 },
		{ "2001:db8::/32 udp/123", true, 32, NJ_PROTOCOL_UDP, 123 },
		{ "::1", true, 128, 0, 0 },
		{ "any tcp/1", true, 0, NJ_PROTOCOL_TCP, 1 },
		{ "any", false, 0, 0, 0 },
		{ "", false, 0, 0, 0 },
		{ " tcp/22", false, 0, 0, 0 },
		{ "192.0.2.7 ", false, 0, 0, 0 },
		{ "192.0.2.7  tcp/22", false, 0, 0, 0 },
		{ "192.0.2.7:22", false, 0, 0, 0 },
		{ "192.0.2.0/0", false, 0, 0, 0 },
		{ "192.0.2.0/33", false, 0, 0, 0 },
		{ "192.0.2.1/24", false, 0, 0, 0 },
		{ "2001:db8::1/64", false, 0, 0, 0 },
		{ "2001:db8::/129", false, 0, 0, 0 },
		{ "192.0.2.7 tcp/0", false, 0, 0, 0 },
		{ "192.0.2.7 tcp/65536", false, 0, 0, 0 },
		{ "192.0.2.7 sctp/22", false, 0, 0, 0 },
		{ "192.0.2.7 22", false, 0, 0, 0 },
		{ "192.0.2.7; accept", false, 0, 0, 0 },
		{ "example.org", false, 0, 0, 0 },
	};
	struct nj_allow allow;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((nj_allow_parse(rows[i].text, &allow) == NJ_OK) != rows[i].good)
			fail_msg("'%s'", rows[i].text);
		if (!rows[i].good)
			continue;
		assert_int_equal(allow.prefix, rows[i].prefix);
		assert_int_equal(allow.protocol, rows[i].protocol);
		assert_int_equal(allow.port, rows[i].port);
	}
}

static bool covers(const char *row, const char *source, uint8_t protocol, uint16_t port)
{
	struct nj_allow allow;
	struct nj_addr addr;

	assert_int_equal(nj_allow_parse(row, &allow), NJ_OK);
	assert_int_equal(nj_addr_parse(source, &addr), NJ_OK);
	return nj_allow_covers(&allow, 1, &addr, protocol, port);
}

static void test_what_a_row_covers(void **state)
{
	assert_true(covers("192.0.2.0/23 tcp/22", "192.0.3.255", NJ_PROTOCOL_TCP, 22));
	assert_false(covers("192.0.2.0/23 tcp/22", "192.0.4.0", NJ_PROTOCOL_TCP, 22));
	assert_false(covers("192.0.2.0/23 tcp/22", "192.0.2.1", NJ_PROTOCOL_UDP, 22));
	assert_false(covers("192.0.2.0/23 tcp/22", "192.0.2.1", NJ_PROTOCOL_TCP, 23));
	assert_true(covers("192.0.2.1", "192.0.2.1", NJ_PROTOCOL_UDP, 9));
	assert_false(covers("192.0.2.1", "192.0.2.0", NJ_PROTOCOL_UDP, 9));
	assert_true(covers("any udp/9", "2001:db8::1", NJ_PROTOCOL_UDP, 9));
	assert_true(covers("any udp/9", "192.0.2.1", NJ_PROTOCOL_UDP, 9));
	/* IPv4 addresses are not in the net that their v4-mapped form begins with. */
	assert_true(covers("::/1", "2001:db8::1", NJ_PROTOCOL_TCP, 22));
	assert_false(covers("::/1", "192.0.2.1", NJ_PROTOCOL_TCP, 22));
}

static enum nj_err parse(const char *text, struct nj_settings *settings, struct nj_why *why)
{
	return nj_settings_parse("test", text, strlen(text), settings, why);
}

static void test_guards(void **state)
{
	static struct nj_settings s;
	struct nj_why why;

	assert_int_equal(parse("guard:\n  - {name: ssh, port: 22, parties: [main/laptop]}\n"
			       "  - {name: dns, protocol: udp, port: 53, id: 256, profiles: [office], grant: 5s}\n",
			       &s, &why),
			 NJ_OK);
	assert_int_equal(s.guard_count, 2);
	assert_int_equal(s.guard[0].id, nj_service_guard_id("ssh"));
	assert_true(s.guard[0].id >= NJ_SERVICE_GUARD_NAMED);
	assert_int_equal(s.guard[1].id, 256);
	assert_int_equal(s.guard[1].grant_ms, 5000);
	/* What was filled in reads back. */
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	nj_settings_print(&s, out);
	assert_int_equal(fclose(out), 0);
	static struct nj_settings again;
	assert_int_equal(nj_settings_parse("again", text, len, &again, &why), NJ_OK);
	assert_memory_equal(again.guard, s.guard, sizeof(s.guard));
	free(text);
}

static void test_wrong_guards(void **state)
{
	static const char *const rows[] = {
		"guard:\n  - {name: ssh, port: 22}\n",
		"guard:\n  - {name: ssh, profiles: [a]}\n",
		"guard:\n  - {name: 'a b', port: 22, profiles: [a]}\n",
		"guard:\n  - {name: ssh, port: 22, id: 255, profiles: [a]}\n",
		"guard:\n  - {name: ssh, port: 22, id: 32768, profiles: [a]}\n",
		"guard:\n  - {name: ssh, port: 0, profiles: [a]}\n",
		"guard:\n  - {name: k, protocol: udp, port: 62201, profiles: [a]}\n",
		"guard:\n  - {name: k, port: 8883, profiles: [a]}\n",
		"guard:\n  - {name: k, port: 8844, profiles: [a]}\n",
		"guard:\n  - {name: k, port: 22, parties: [a/b/c]}\n",
		"guard: [{name: k, port: 22, parties: [a]}, {name: k, port: 23, parties: [a]}]\n",
		"guard: [{name: k, port: 22, parties: [a]}, {name: l, port: 22, parties: [a]}]\n",
		"guard: [{name: k, port: 22, id: 300, parties: [a]}, {name: l, port: 23, id: 300, parties: [a]}]\n",
		"perimeter:\n  allow: ['10.0.0.0/8', 'nonsense']\n",
		"perimeter:\n  mode: on\n",
	};
	static struct nj_settings s;
	struct nj_why why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(rows[i], &s, &why) != NJ_ERR_CONFIG)
			fail_msg("taken: %s", rows[i]);
}

/* Devices compute it too: it must never change. */
static void test_ids_of_names(void **state)
{
	assert_int_equal(nj_service_guard_id("ssh"), 0x832e);
	assert_int_equal(nj_service_guard_id("shell"), 0xdfc2);
	assert_int_equal(nj_service_guard_id("plc-7"), 0xc483);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),         cmocka_unit_test(test_what_a_row_covers),
		cmocka_unit_test(test_guards),       cmocka_unit_test(test_wrong_guards),
		cmocka_unit_test(test_ids_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
