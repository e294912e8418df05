/* Bridges in the configuration: addresses, the rules between keys, and that all of it prints back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config/config.h"
#include "base/config/settings.h"

static struct nj_settings settings;

/* A bridge with these lines in it. */
static enum nj_err parse(const char *lines, struct nj_why *why)
{
	char text[4096];
	int len = snprintf(text, sizeof(text),
			   "bridges:\n  - name: plant\n    as: site\n    topics:\n"
			   "      - filter: \"a/#\"\n        direction: out\n%s",
			   lines);

	return nj_settings_parse("test", text, (size_t)len, &settings, why);
}

static void addresses(void **state)
{
	static const struct {
		const char *address, *host;
		unsigned port;
		bool tls;
	} rows[] = {
		{ "broker.example", "broker.example", 1883, false },
		{ "broker.example", "broker.example", 8883, true },
		{ "broker.example:1", "broker.example", 1, true },
		{ "192.0.2.1", "192.0.2.1", 1883, false },
		{ "192.0.2.1:65535", "192.0.2.1", 65535, false },
		{ "2001:db8::1", "2001:db8::1", 1883, false },
		{ "[2001:db8::1]:77", "2001:db8::1", 77, false },
		{ "under_score-1", "under_score-1", 1883, false },
		{ "broker.example:0", NULL, 0, false },
		{ "broker.example:65536", NULL, 0, false },
		{ "broker.example:", NULL, 0, false },
		{ ":1883", NULL, 0, false },
		{ "-x", NULL, 0, false },
		{ "a b", NULL, 0, false },
		{ "user@host", NULL, 0, false },
	};
	char lines[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_why why = { "" };
		snprintf(lines, sizeof(lines), "    address: \"%s\"\n%s", rows[i].address,
			 rows[i].tls ? "    tls: true\n    ca_file: /ca\n" : "");
		enum nj_err err = parse(lines, &why);
		if ((err == NJ_OK) != (rows[i].host != NULL))
			fail_msg("'%s': %s", rows[i].address, why.text);
		if (err != NJ_OK)
			continue;
		assert_string_equal(settings.bridges[0].host, rows[i].host);
		assert_int_equal(settings.bridges[0].port, rows[i].port);
	}
}

static void rules(void **state)
{
	static const struct {
		const char *lines, *says;
	} rows[] = {
		{ "", "'address' is missing" },
		{ "    address: h\n    retry_min: 5s\n    retry_max: 4s\n", "retry_min is longer" },
		{ "    address: h\n    tls: true\n", "ca_file or psk_file" },
		{ "    address: h\n    ca_file: /ca\n", "without `tls: true`" },
		{ "    address: h\n    tls: true\n    ca_file: ca\n", "not an absolute path" },
		{ "    address: h\n    tls: true\n    ca_file: /ca\n    key_file: /k\n", "go together" },
		{ "    address: h\n    tls: true\n    psk_file: /k\n", "go together" },
		{ "    address: h\n    tls: true\n    ca_file: /ca\n    psk_file: /k\n    psk_identity: i\n",
		  "one of them" },
		{ "    address: h\n    password_file: /p\n", "without username" },
		{ "    address: h\n    keep_alive: 999ms\n", "keep_alive" },
		{ "    address: h\n    keep_alive: 65536s\n", "keep_alive" },
		{ "      - direction: in\n        local: x\n    address: h\n", "both needed" },
		{ "      - filter: x\n        direction: sideways\n    address: h\n", "direction" },
		{ "      - filter: x\n        direction: in\n        qos: 3\n    address: h\n", "qos" },
		{ "      - filter: x\n    address: h\n", "'direction' is missing" },
		{ "    address: h\n  - name: plant\n    as: b\n    address: h\n    topics: [{filter: x, direction: "
		  "in}]\n",
		  "there twice" },
		{ "    address: h\n  - name: other\n    as: b\n    address: h\n", "at least one" },
		{ "    address: h\n  - name: \"a b\"\n    as: b\n    address: h\n    topics: [{filter: x, direction: "
		  "in}]\n",
		  "not a valid name" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_why why = { "" };
		if (parse(rows[i].lines, &why) != NJ_ERR_CONFIG || strstr(why.text, rows[i].says) == NULL)
			fail_msg("row %zu says '%s'", i, why.text);
	}
}

static void all_of_it_prints_back(void **state)
{
	struct nj_why why = { "" };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct nj_settings back;

	assert_int_equal(
	    parse(
		"        local: l/\n        remote: r/\n        qos: 2\n      - local: one\n        remote: two\n"
		"        direction: both\n    address: h:1\n    tls: true\n    ca_file: /ca\n    certificate_file: /c\n"
		"    key_file: /k\n    server_name: n\n    username: \"u # :\"\n    password_file: /p\n    clean: "
		"true\n"
		"    protocol: v311\n    client_id: c\n  - name: b\n    as: x\n    address: \"[::1]:5\"\n"
		"    topics: [{filter: y, direction: in}]\n",
		&why),
	    NJ_OK);
	nj_settings_print(&settings, out);
	fclose(out);
	assert_int_equal(nj_settings_parse("back", text, len, &back, &why), NJ_OK);
	assert_true(nj_config_same(nj_settings_schema(), &settings, &back));
	assert_int_equal(back.bridge_count, 2);
	assert_int_equal(back.bridges[0].topic_count, 2);
	assert_string_equal(back.bridges[0].topics[1].remote, "two");
	assert_int_equal(back.bridges[0].topics[0].qos, 2);
	free(text);
}

/* A list is live: a reload takes it whole. */
static void a_reload_takes_them(void **state)
{
	struct nj_settings running, wanted, mixed;
	struct nj_settings_changes changes;
	struct nj_why why = { "" };

	assert_int_equal(parse("    address: h\n", &why), NJ_OK);
	running = wanted = settings;
	wanted.bridges[0].topics[0].qos = 0;
	wanted.bridges[1] = wanted.bridges[0];
	wanted.bridges[1].name[0] = 'q';
	wanted.bridge_count = 2;
	nj_settings_changes(&running, &wanted, &changes);
	assert_string_equal(changes.live, "bridges");
	assert_int_equal(nj_settings_merge(&running, &wanted, &mixed, &why), NJ_OK);
	assert_int_equal(mixed.bridge_count, 2);
	assert_int_equal(mixed.bridges[0].topics[0].qos, 0);
	assert_string_equal(mixed.bridges[1].name, "qlant");
	assert_int_equal(nj_settings_merge(&wanted, &running, &mixed, &why), NJ_OK);
	assert_int_equal(mixed.bridge_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(rules),
		cmocka_unit_test(all_of_it_prints_back),
		cmocka_unit_test(a_reload_takes_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
