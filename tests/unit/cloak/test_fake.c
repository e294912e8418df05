/* The fake is the contract in user space: what opens, what shuts, who is meant by a prefix, when hints count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper/cloak/cloak.h"

#define MS UINT64_C(1000000)
#define NOW (UINT64_C(5000) * MS)
#define PORT 8883

static struct nj_addr addr(const char *text)
{
	struct nj_addr parsed;

	assert_int_equal(nj_addr_parse(text, &parsed), NJ_OK);
	return parsed;
}

static int set_up(void **state)
{
	struct nj_cloak *cloak;

	if (nj_cloak_fake_new(&cloak) != NJ_OK || cloak->ops->renew(cloak, NOW) != NJ_OK)
		return -1;
	*state = cloak;
	return 0;
}

static int tear_down(void **state)
{
	struct nj_cloak *cloak = *state;

	cloak->ops->free(cloak);
	return 0;
}

static enum nj_err open_for(struct nj_cloak *cloak, const char *source, uint8_t prefix, uint64_t expires)
{
	struct nj_addr from = addr(source);

	return cloak->ops->open(cloak, &from, prefix, PORT, expires);
}

static bool passes(struct nj_cloak *cloak, const char *source, uint64_t now)
{
	struct nj_addr from = addr(source);

	return nj_cloak_fake_would_pass(cloak, &from, PORT, now);
}

static void it_says_that_ports_are_not_dark(void **state)
{
	struct nj_cloak *cloak = *state;

	assert_false(cloak->ops->dark);
	assert_string_equal(cloak->ops->name, "fake");
}

static void a_grant_names_source_and_port(void **state)
{
	struct nj_cloak *cloak = *state;
	struct nj_addr device = addr("192.0.2.1");

	assert_false(passes(cloak, "192.0.2.1", NOW));
	assert_int_equal(open_for(cloak, "192.0.2.1", 128, NOW + MS), NJ_OK);
	assert_true(passes(cloak, "192.0.2.1", NOW));
	assert_false(passes(cloak, "192.0.2.2", NOW));
	assert_false(passes(cloak, "2001:db8::1", NOW));
	assert_false(nj_cloak_fake_would_pass(cloak, &device, PORT + 1, NOW));
	assert_int_equal(cloak->ops->shut(cloak, &device, 128, PORT), NJ_OK);
	assert_false(passes(cloak, "192.0.2.1", NOW));
	assert_int_equal(cloak->ops->shut(cloak, &device, 128, PORT), NJ_OK);
}

static void it_ends_at_its_expiry(void **state)
{
	struct nj_cloak *cloak = *state;

	assert_int_equal(open_for(cloak, "2001:db8::1", 128, NOW + 10), NJ_OK);
	assert_true(passes(cloak, "2001:db8::1", NOW + 9));
	assert_false(passes(cloak, "2001:db8::1", NOW + 10));
	assert_false(passes(cloak, "2001:db8::1", NOW + 11));
	assert_int_equal(open_for(cloak, "2001:db8::1", 128, NOW + 20), NJ_OK);
	assert_true(passes(cloak, "2001:db8::1", NOW + 19));
	assert_int_equal(open_for(cloak, "2001:db8::1", 128, NOW + 5), NJ_OK);
	assert_false(passes(cloak, "2001:db8::1", NOW + 5));
}

static void without_a_fresh_lease_nothing_passes(void **state)
{
	struct nj_cloak *cloak = *state;
	uint64_t end = NOW + NJ_CLOAK_LEASE_VALID_MS * MS;

	assert_int_equal(open_for(cloak, "192.0.2.1", 128, UINT64_MAX), NJ_OK);
	assert_true(passes(cloak, "192.0.2.1", end - 1));
	assert_false(passes(cloak, "192.0.2.1", end));
	assert_int_equal(cloak->ops->renew(cloak, end), NJ_OK);
	assert_true(passes(cloak, "192.0.2.1", end));
	assert_int_equal(cloak->ops->clear(cloak), NJ_OK);
	assert_false(passes(cloak, "192.0.2.1", end));
	assert_int_equal(cloak->ops->renew(cloak, end), NJ_OK);
	assert_false(passes(cloak, "192.0.2.1", end));
}

static void prefixes(void **state)
{
	static const struct {
		const char *what;
		const char *source;
		uint8_t prefix;
		enum nj_err want;
		const char *inside;
		const char *outside;
	} rows[] = {
		{ "exact", "192.0.2.7", 128, NJ_OK, "192.0.2.7", "192.0.2.6" },
		{ "IPv4 /24", "192.0.2.7", 120, NJ_OK, "192.0.2.255", "192.0.3.0" },
		{ "IPv4 /1, the widest", "192.0.2.7", 97, NJ_OK, "128.0.0.0", "127.255.255.255" },
		{ "all of IPv4", "192.0.2.7", 96, NJ_ERR_RANGE, NULL, "192.0.2.7" },
		{ "IPv6 /64", "2001:db8::7", 64, NJ_OK, "2001:db8::ffff:0:0:1", "2001:db8:0:1::7" },
		{ "IPv6 /65", "2001:db8::7", 65, NJ_OK, "2001:db8::7fff:0:0:1", "2001:db8::8000:0:0:1" },
		{ "IPv6 /63", "2001:db8::7", 63, NJ_OK, "2001:db8:0:1::7", "2001:db8:0:2::7" },
		{ "IPv6 /1", "2001:db8::7", 1, NJ_OK, "7fff::1", "8000::" },
		{ "IPv6 that has IPv4 inside", "::1", 80, NJ_OK, "::ffff", "192.0.2.7" },
		{ "nothing compared", "2001:db8::7", 0, NJ_ERR_RANGE, NULL, "2001:db8::7" },
		{ "more than there is", "2001:db8::7", 129, NJ_ERR_RANGE, NULL, "2001:db8::7" },
	};
	struct nj_cloak *cloak = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum nj_err err = open_for(cloak, rows[i].source, rows[i].prefix, UINT64_MAX);
		bool in = rows[i].inside == NULL || passes(cloak, rows[i].inside, NOW);

		if (err != rows[i].want || !in || passes(cloak, rows[i].outside, NOW))
			fail_msg("%s: %s", rows[i].what, nj_err_name(err));
		assert_int_equal(cloak->ops->clear(cloak), NJ_OK);
		assert_int_equal(cloak->ops->renew(cloak, NOW), NJ_OK);
	}
}

static void port_zero_is_refused(void **state)
{
	struct nj_cloak *cloak = *state;
	struct nj_addr device = addr("192.0.2.1");

	assert_int_equal(cloak->ops->open(cloak, &device, 128, 0, UINT64_MAX), NJ_ERR_RANGE);
	assert_int_equal(cloak->ops->shut(cloak, &device, 128, 0), NJ_ERR_RANGE);
}

static void hints_count_from_the_first_rebuild_on(void **state)
{
	static const uint8_t a[8] = "hint-a", b[8] = "hint-b", c[8] = "hint-c";
	struct nj_cloak *cloak = *state;
	struct nj_cloak_stats stats;

	cloak->ops->hint_add(cloak, a);
	assert_false(nj_cloak_fake_has_hint(cloak, a));
	assert_int_equal(cloak->ops->rebuild_end(cloak), NJ_ERR_STATE);
	assert_int_equal(cloak->ops->rebuild_begin(cloak, 2), NJ_OK);
	cloak->ops->rebuild_add(cloak, a);
	assert_false(nj_cloak_fake_has_hint(cloak, a));
	assert_int_equal(cloak->ops->rebuild_end(cloak), NJ_OK);
	assert_true(nj_cloak_fake_has_hint(cloak, a));
	cloak->ops->rebuild_add(cloak, c);
	assert_false(nj_cloak_fake_has_hint(cloak, c));

	assert_int_equal(cloak->ops->rebuild_begin(cloak, 2), NJ_OK);
	cloak->ops->hint_add(cloak, b);
	assert_true(nj_cloak_fake_has_hint(cloak, b));
	assert_int_equal(cloak->ops->rebuild_end(cloak), NJ_OK);
	assert_true(nj_cloak_fake_has_hint(cloak, b));
	assert_false(nj_cloak_fake_has_hint(cloak, a));
	cloak->ops->stats(cloak, &stats);
	assert_int_equal(stats.hints_added, 1);
	assert_int_equal(stats.hint_bits, 64);
}

static void a_second_begin_starts_again(void **state)
{
	static const uint8_t a[8] = "hint-a", b[8] = "hint-b";
	struct nj_cloak *cloak = *state;

	assert_int_equal(cloak->ops->rebuild_begin(cloak, 1), NJ_OK);
	cloak->ops->rebuild_add(cloak, a);
	assert_int_equal(cloak->ops->rebuild_begin(cloak, 1), NJ_OK);
	cloak->ops->rebuild_add(cloak, b);
	assert_int_equal(cloak->ops->rebuild_end(cloak), NJ_OK);
	assert_false(nj_cloak_fake_has_hint(cloak, a));
	assert_true(nj_cloak_fake_has_hint(cloak, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_says_that_ports_are_not_dark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_grant_names_source_and_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_at_its_expiry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_fresh_lease_nothing_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(prefixes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(port_zero_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hints_count_from_the_first_rebuild_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_begin_starts_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
