/* Knocks for services that are not Nightjar's: who may, for how long, and what ends it. */
#include "unit/keeper/keeper_fixture.h"

#include "base/service.h"

#define SHELL 0x0100
#define QUERY 0xdfc2

static struct fixture fx;
static struct nj_cloak *guard_cloak;

static int set_up(void **state)
{
	static const struct nj_settings_guard guards[] = {
		{ .name = "shell",
		  .port = 22,
		  .id = SHELL,
		  .grant_ms = 5000,
		  .profile_count = 1,
		  .profiles = { "meter" },
		  .party_count = 2,
		  .parties = { "other/laptop", "main/tablet" } },
		{ .name = "query", .port = 53, .id = QUERY, .grant_ms = 9000, .party_count = 1, .parties = { "pump" } },
	};
	struct nj_keeper_config config;
	struct nj_why why = { "" };

	fixture_new(&fx);
	fixture_drop(&fx);
	config = fixture_config(&fx);
	config.guards = guards;
	config.guard_count = 2;
	assert_int_equal(nj_keeper_open(&config, &fx.keeper, NULL, &why), NJ_OK);
	nj_keeper_set_link(fx.keeper, &fx.gateway.link);
	assert_int_equal(nj_cloak_fake_new(&guard_cloak), NJ_OK);
	nj_keeper_set_guards(fx.keeper, guard_cloak);
	assert_int_equal(nj_cloak_fake_new(&fx.cloak), NJ_OK);
	assert_int_equal(nj_keeper_start(fx.keeper, fx.cloak, &why), NJ_OK);
	nj_keeper_gateway_here(fx.keeper);
	set_profile(&fx, "meter", "mqtts", false);
	set_profile(&fx, "visitor", "mqtts", false);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&fx);
	guard_cloak->ops->free(guard_cloak);
	return 0;
}

static bool open_to(const char *from, uint16_t guard)
{
	struct nj_addr source = address(from);

	return nj_cloak_fake_would_pass(guard_cloak, &source, guard, nj_clock_boot_ns(&fx.clock.clock));
}

static void knock_for(struct device *device, uint16_t service, uint64_t counter)
{
	device->body.service = service;
	deliver_new(&fx, device, counter, "192.0.2.7");
	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
}

static void test_a_profile_opens_its_guard(void **state)
{
	struct device pump;

	add_device(&fx, "pump", "meter", &pump);
	knock_for(&pump, SHELL, 1);
	assert_true(open_to("192.0.2.7", SHELL));
	assert_false(open_to("192.0.2.8", SHELL));
	assert_false(open_to("192.0.2.7", QUERY));
	/* Nothing of ours opened, and the gateway process was not told. */
	assert_false(passes(&fx, "192.0.2.7", PORT));
	assert_int_equal(nj_keeper_grants(fx.keeper), 0);
	advance(&fx, 4600);
	assert_true(open_to("192.0.2.7", SHELL));
	advance(&fx, 600);
	assert_false(open_to("192.0.2.7", SHELL));
}

static void test_a_party_by_name(void **state)
{
	struct device pump, tablet, laptop;

	add_device(&fx, "pump", "visitor", &pump);
	add_device(&fx, "tablet", "visitor", &tablet);
	add_device(&fx, "laptop", "visitor", &laptop);
	knock_for(&pump, SHELL, 1);
	knock_for(&laptop, SHELL, 1); /* another customer's of this name may */
	assert_false(open_to("192.0.2.7", SHELL));
	knock_for(&pump, QUERY, 2);
	assert_true(open_to("192.0.2.7", QUERY));
	knock_for(&tablet, SHELL, 1);
	assert_true(open_to("192.0.2.7", SHELL));
	assert_int_equal(nj_keeper_counters(fx.keeper)->accepted, 2);
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, 2);
}

static void test_no_such_guard(void **state)
{
	struct device pump;

	add_device(&fx, "pump", "meter", &pump);
	knock_for(&pump, SHELL + 1, 1);
	knock_for(&pump, SHELL - 1, 2);
	knock_for(&pump, UINT16_MAX, 3);
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, 3);
}

static void test_revocation_shuts(void **state)
{
	struct device pump;

	add_device(&fx, "pump", "meter", &pump);
	knock_for(&pump, SHELL, 1);
	assert_true(open_to("192.0.2.7", SHELL));
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "pump"), NULL), NJ_OK);
	assert_false(open_to("192.0.2.7", SHELL));
}

static void test_the_wish_only_shortens(void **state)
{
	struct device pump;

	add_device(&fx, "pump", "meter", &pump);
	pump.body.wanted_seconds = 2;
	knock_for(&pump, SHELL, 1);
	advance(&fx, 2100);
	assert_false(open_to("192.0.2.7", SHELL));
	pump.body.wanted_seconds = 600;
	knock_for(&pump, SHELL, 2);
	advance(&fx, 5100);
	assert_false(open_to("192.0.2.7", SHELL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_profile_opens_its_guard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_party_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_such_guard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_revocation_shuts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_wish_only_shortens, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
