/* What a reload finds different, and what of it it takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config/settings.h"

static struct nj_settings running;
static struct nj_settings wanted;

static int set_up(void **state)
{
	nj_settings_default(&running);
	nj_settings_default(&wanted);
	return 0;
}

static void expect(const char *live, const char *restart)
{
	struct nj_settings_changes changes;

	nj_settings_changes(&running, &wanted, &changes);
	assert_string_equal(changes.live, live);
	assert_string_equal(changes.restart, restart);
}

static void nothing_differs(void **state)
{
	/* Behind its end a text may hold what it likes. */
	running.host[sizeof(running.host) - 1] = 'x';
	running.log.format = wanted.log.format;
	expect("", "");
}

static void each_kind_of_key(void **state)
{
	wanted.knock.grant_ms++;
	expect("knock.grant", "");
	wanted.log.level = NJ_LOG_DEBUG;
	expect("log.level, knock.grant", "");
	wanted.ports.mqtts++;
	expect("log.level, knock.grant", "ports.mqtts");
	(void)!nj_text_copy(wanted.host, sizeof(wanted.host), "other");
	expect("log.level, knock.grant", "host, ports.mqtts");
	wanted.listen_count = 1;
	expect("log.level, knock.grant", "host, listen, ports.mqtts");
	wanted.local_count = 1;
	expect("log.level, knock.grant", "host, listen, ports.mqtts, local");
}

static void items_of_lists(void **state)
{
	running.local_count = wanted.local_count = 1;
	(void)!nj_text_copy(running.local[0].as, sizeof(running.local[0].as), "a");
	(void)!nj_text_copy(wanted.local[0].as, sizeof(wanted.local[0].as), "a");
	expect("", "");
	(void)!nj_text_copy(wanted.local[0].as, sizeof(wanted.local[0].as), "b");
	expect("", "local");
	wanted.local[0] = running.local[0];
	(void)!nj_text_copy(wanted.listen[1], sizeof(wanted.listen[1]), "::1");
	expect("", "listen");
}

static void live_values_are_taken(void **state)
{
	struct nj_settings mixed;

	wanted.knock.rate_device_burst = 3;
	wanted.limits.connections = 77;
	wanted.limits.devices = 5;
	wanted.mqtt.max_inflight = 5;
	wanted.ports.knock = 7;
	assert_int_equal(nj_settings_merge(&running, &wanted, &mixed, NULL), NJ_OK);
	assert_int_equal(mixed.knock.rate_device_burst, 3);
	assert_int_equal(mixed.limits.connections, 77);
	assert_int_equal(mixed.limits.devices, running.limits.devices);
	assert_int_equal(mixed.mqtt.max_inflight, running.mqtt.max_inflight);
	assert_int_equal(mixed.ports.knock, running.ports.knock);
	/* A mixture is checked as a whole. */
	wanted.limits.hello_timeout_ms = wanted.limits.bind_timeout_ms + 1;
	assert_int_equal(nj_settings_merge(&running, &wanted, &mixed, NULL), NJ_ERR_CONFIG);
	assert_int_equal(mixed.knock.rate_device_burst, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_differs, set_up),
		cmocka_unit_test_setup(each_kind_of_key, set_up),
		cmocka_unit_test_setup(items_of_lists, set_up),
		cmocka_unit_test_setup(live_values_are_taken, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
