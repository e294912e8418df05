/* The rules as text: their order is the perimeter's meaning. That the kernel takes them is tests/integration's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/cloak/nft.h"

static struct nj_allow allow_of(const char *text)
{
	struct nj_allow allow;

	assert_int_equal(nj_allow_parse(text, &allow), NJ_OK);
	return allow;
}

static struct nj_addr addr_of(const char *text)
{
	struct nj_addr addr;

	assert_int_equal(nj_addr_parse(text, &addr), NJ_OK);
	return addr;
}

/* Each piece stands after the one before it. */
static void in_order(const char *text, const char *const pieces[])
{
	for (size_t i = 0; pieces[i] != NULL; i++) {
		const char *at = strstr(text, pieces[i]);
		if (at == NULL)
			fail_msg("'%s' is missing, or in the wrong place, in:\n%s", pieces[i], text);
		text = at + strlen(pieces[i]);
	}
}

static void test_the_perimeter_in_its_order(void **state)
{
	static const uint16_t cloaked[] = { 8883, 1883 };
	const struct nj_settings_guard guards[] = { { .port = 161, .protocol = NJ_SETTINGS_GUARD_UDP } };
	const struct nj_allow allow[] = { allow_of("192.0.2.0/24 tcp/22"), allow_of("2001:db8::/32"),
					  allow_of("any udp/53") };
	const struct nj_nft_caller caller = { addr_of("203.0.113.5:50000"), addr_of("198.51.100.1:22") };
	const struct nj_nft_perimeter perimeter = {
		.knock_port = 62201,
		.cloaked = cloaked,
		.cloaked_count = 2,
		.guards = guards,
		.guard_count = 1,
		.allow = allow,
		.allow_count = 3,
		.caller = &caller,
	};
	static const char *const pieces[] = {
		"delete table inet nightjar_perimeter\n",
		"flags owner;",
		"hook prerouting priority -300",
		"fib daddr type local udp dport 62201 notrack",
		"fib daddr type local tcp dport { 8883, 1883 } notrack",
		"hook output priority -300",
		"udp sport 62201 notrack",
		"tcp sport { 8883, 1883 } notrack",
		"hook input priority 0; policy drop;",
		"iifname \"lo\" accept",
		"ip saddr 203.0.113.5 ip daddr 198.51.100.1 tcp sport 50000 tcp dport 22 accept",
		"ct state established,related accept",
		"ip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
		"icmpv6 type packet-too-big accept",
		"icmp type destination-unreachable icmp code 4 accept",
		"exthdr dst exists drop",
		"exthdr rt exists drop",
		"exthdr hbh exists drop",
		"udp sport 67 udp dport 68 accept",
		"ip6 saddr fe80::/10 udp dport 546 accept",
		"udp dport 62201 accept",
		"tcp dport { 8883, 1883 } accept",
		"udp dport 161 accept",
		"ip saddr 192.0.2.0/24 tcp dport 22 accept",
		"ip6 saddr 2001:db8::/32 accept",
		"udp dport 53 accept",
		"hook output priority 0; policy accept;",
		"oifname \"lo\" accept",
		"icmp type { destination-unreachable, time-exceeded, parameter-problem } drop",
		"icmpv6 type { destination-unreachable, time-exceeded, parameter-problem } drop",
		NULL,
	};
	char *text = nj_nft_perimeter_text(&perimeter);

	in_order(text, pieces);
	free(text);
}

static void test_without_caller_ports_and_list(void **state)
{
	const struct nj_nft_perimeter perimeter = { .knock_port = 1 };
	char *text = nj_nft_perimeter_text(&perimeter);

	assert_null(strstr(text, "daddr 1"));
	assert_null(strstr(text, "{ }"));
	assert_null(strstr(text, "tcp dport"));
	free(text);
}

static void test_guards(void **state)
{
	const struct nj_settings_guard guards[] = { { .port = 22 },
						    { .port = 161, .protocol = NJ_SETTINGS_GUARD_UDP } };
	static const char *const pieces[] = {
		"delete table inet nightjar_guard\n",
		"set open4",
		"set wide4",
		"set open6",
		"set wide6",
		"ct state established,related accept",
		"@open4 accept",
		"@open6 accept",
		"@wide4 accept",
		"@wide6 accept",
		"drop",
		"hook input priority -1",
		"tcp dport 22 jump ask",
		"udp dport 161 jump ask",
		NULL,
	};
	char *text = nj_nft_guards_text(guards, 2);

	in_order(text, pieces);
	assert_null(strstr(text, "flags owner"));
	free(text);
	text = nj_nft_guards_text(NULL, 0);
	assert_string_equal(text, "table inet nightjar_guard\ndelete table inet nightjar_guard\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_perimeter_in_its_order),
		cmocka_unit_test(test_without_caller_ports_and_list),
		cmocka_unit_test(test_guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
