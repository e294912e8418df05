#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config/config.h"
#include "base/config/settings.h"

static enum nj_err parse(const char *text, struct nj_settings *out, struct nj_why *why)
{
	return nj_settings_parse("f", text, strlen(text), out, why);
}

static void defaults(void **state)
{
	struct nj_settings s;

	nj_settings_default(&s);
	assert_string_equal(s.host, "localhost");
	assert_int_equal(s.listen_count, 2);
	assert_string_equal(s.listen[0], "0.0.0.0");
	assert_true(nj_addr_is_any(&s.listen_addr[1]));
	assert_int_equal(s.ports.knock, 62201);
	assert_int_equal(s.ports.mqtts, 8883);
	assert_int_equal(s.ports.mqtt, 1883);
	assert_int_equal(s.ports.smpp, 2775);
	assert_int_equal(s.ports.smpps, 3550);
	assert_int_equal(s.ports.https, 8443);
	assert_int_equal(s.cloak, NJ_SETTINGS_CLOAK_BPF);
	assert_int_equal(s.log.level, NJ_LOG_INFO);
	assert_int_equal(s.knock.grant_ms, 30000);
	assert_int_equal(s.knock.time_window_ms, 60000);
	assert_int_equal(s.limits.devices, 100000);
	assert_true(s.limits.memory_bytes == UINT64_C(256) << 20);
	assert_int_equal(s.mqtt.max_packet_bytes, 256 << 10);
	assert_true(s.mqtt.session_expiry_max_ms == 86400000);
	assert_int_equal(s.local_count, 0);
}

/* An integer member must hold its row's maximum, a text member its longest text and the end. */
static void assert_rows_fit(const struct nj_config_section *section)
{
	assert_in_range(section->count, 1, NJ_CONFIG_MAX_KEYS);
	for (size_t i = 0; i < section->count; i++) {
		const struct nj_config_row *row = &section->rows[i];

		assert_true(strlen(row->help) > 0 && strlen(row->key) < 64);
		assert_true(row->offset + row->size <= section->bytes);
		switch (row->type) {
		case NJ_CONFIG_STRING:
		case NJ_CONFIG_STRINGS:
			assert_true(row->max < row->size && row->min <= row->max);
			break;
		case NJ_CONFIG_UINT:
		case NJ_CONFIG_DURATION:
		case NJ_CONFIG_BYTES:
			assert_true(row->size == 8 || row->max < UINT64_C(1) << (8 * row->size));
			assert_true(row->min <= row->max);
			break;
		case NJ_CONFIG_SECTION:
		case NJ_CONFIG_SECTIONS:
			assert_int_equal(row->section->bytes, row->size);
			assert_rows_fit(row->section);
			break;
		case NJ_CONFIG_BOOL:
		case NJ_CONFIG_ENUM:
			break;
		}
	}
}

static void every_row_fits_its_member(void **state)
{
	assert_rows_fit(nj_settings_schema());
}

#define LOCAL(address) "local: [{ service: mqtt, as: app, address: \"" address "\" }]"

static const struct {
	const char *text;
	const char *want; /* NULL: accepted */
} cases[] = {
	{ "host: gateway.example.net", NULL },
	{ "host: \"2001:db8::1\"", NULL },
	{ "host: \"a b\"", "f: host: 'a b' is neither a host name nor an address" },
	{ "listen: []", "f: listen: at least one address is needed" },
	{ "listen: [192.0.2.1, \"2001:db8::1\"]", NULL },
	{ "listen: [\"192.0.2.1:80\"]", "f: listen: '192.0.2.1:80' is not an IP address without port" },
	{ "listen: [example.net]", "f: listen: 'example.net' is not an IP address without port" },
	{ "listen: [\"::1\", \"0::1\"]", "f: listen: '0::1' is there twice" },
	{ "ports: { mqtt: 8883 }", "f: ports: mqtts and mqtt are both 8883" },
	{ "ports: { mqtt: 0, smpp: 0 }", NULL },
	{ "ports: { mqtt: 65536 }", "f: line 1: 'mqtt' must be a whole number from 0 to 65535" },
	{ "prots:\n  knock: 1", "f: line 1: unknown key 'prots', did you mean 'ports'?" },
	{ "knock: { grant: 300s }", NULL },
	{ "knock: { grant: 301s }", "f: line 1: 'grant' must be a duration from 1s to 5min" },
	{ "knock: { grant: 999ms }", "f: line 1: 'grant' must be a duration from 1s to 5min" },
	{ "limits: { devices: 4000000 }", NULL },
	{ "limits: { devices: 4000001 }", "f: line 1: 'devices' must be a whole number from 1 to 4000000" },
	{ "limits: { hello_timeout: 11s }", "f: limits: hello_timeout is longer than bind_timeout" },
	{ "mqtt: { max_packet: 255MiB }", NULL },
	{ "mqtt: { max_packet: 256MiB }", "f: line 1: 'max_packet' must be a size from 1KiB to 255MiB" },
	{ "users: { keeper: a, gateway: b }", NULL },
	{ "users: { keeper: 1001, gateway: 1002 }", NULL },
	{ "users: { keeper: a, gateway: a }", "f: users: keeper and gateway must differ, both are 'a'" },
	{ "vault: { key_file: /etc/key }", NULL },
	{ "vault: { key_file: key }", "f: vault: key_file: 'key' is not an absolute path" },
	{ LOCAL("127.0.0.1:1883"), NULL },
	{ LOCAL("[::1]:1883"), NULL },
	{ LOCAL("unix:/run/app.sock"), NULL },
	{ LOCAL("192.0.2.1:1883"), "f: local: '192.0.2.1:1883': cloak: none is refused on any address but loopback or "
				   "a Unix socket, unless `exposed: true` "
				   "says that others may come" },
	{ LOCAL("0.0.0.0:1883"), "f: local: '0.0.0.0:1883': cloak: none is refused on any address but loopback or a "
				 "Unix socket, unless `exposed: true` "
				 "says that others may come" },
	{ LOCAL("[::]:1883"), "f: local: '[::]:1883': cloak: none is refused on any address but loopback or a Unix "
			      "socket, unless `exposed: true` "
			      "says that others may come" },
	{ LOCAL("127.0.0.1"), "f: local: '127.0.0.1' is neither an IP address with port nor unix:/path" },
	{ LOCAL("unix:app"), "f: local: 'unix:app' needs an absolute path of at most 107 bytes" },
	{ "local: [{ service: mqtt, address: \"[::1]:1\", as: -x }]", "f: local: as: '-x' is not a valid name" },
	{ "local: [{ service: mqtt, address: \"[::1]:1\" }]", "f: line 1: the key 'as' is missing" },
	{ "local: [{ service: mqtt, address: \"[::1]:1\", as: a, cloak: bpf }]", "f: line 1: 'cloak' must be none" },
	{ "local: [{ service: mqtt, address: \"[::1]:1\", as: a }, { service: smpp, address: \"[0::1]:1\", as: b }]",
	  "f: local: '[0::1]:1' is there twice" },
	{ "local: [{ service: mqtt, address: \"0.0.0.0:1883\", as: a, exposed: true }]", NULL },
	{ "local: [{ service: mqtt, address: \"[2001:db8::1]:1883\", as: a, exposed: true }]", NULL },
	{ "local: [{ service: mqtt, address: \"127.0.0.1:1883\", as: a, exposed: true }]",
	  "f: local: '127.0.0.1:1883': exposed: nobody else can reach that address" },
	{ "local: [{ service: mqtt, address: \"unix:/a\", as: a, exposed: true }]",
	  "f: local: 'unix:/a': exposed: nobody else can reach that address" },
	{ "local: [{ service: mqtt, address: \"unix:/a\", as: a, proxy: [127.0.0.1] }]",
	  "f: local: 'unix:/a': proxy: a Unix socket tells no address" },
	{ "local: [{ service: mqtt, address: \"127.0.0.1:1\", as: a, proxy: [127.0.0.1, 10.0.0.0/8] }]", NULL },
	{ "local: [{ service: mqtt, address: \"127.0.0.1:1\", as: a, proxy: [localhost] }]",
	  "f: local: proxy: 'localhost' is neither ADDRESS nor ADDRESS/BITS (no bits beyond the prefix)" },
	{ "local: [{ service: mqtt, address: \"127.0.0.1:1\", as: a, origins: [\"http://localhost:3000\"] }]", NULL },
	{ "local: [{ service: mqtt, address: \"127.0.0.1:1\", as: a, origins: [\"*\"] }]",
	  "f: local: origins: '*' is not an origin as browsers send it: scheme://host in lower case, :port only where "
	  "it is "
	  "not the scheme's own, nothing behind it" },
	{ "mqtt: { origins: [\"https://app.example\"] }", NULL },
	{ "mqtt: { origins: [\"null\"] }", "f: mqtt: origins: 'null' is not an origin as browsers send it: "
					   "scheme://host in lower case, :port only where it is "
					   "not the scheme's own, nothing behind it" },
	{ "proxy: [{ service: mqtts, from: [10.0.0.0/8, 192.0.2.7] }, { service: mqtt, from: [\"2001:db8::/32\"] }]",
	  NULL },
	{ "proxy: [{ service: mqtts, from: [10.0.0.1/8] }]",
	  "f: proxy: from: '10.0.0.1/8' is neither ADDRESS nor ADDRESS/BITS (no bits beyond the prefix)" },
	{ "proxy: [{ service: mqtts, from: [10.0.0.0/7] }]",
	  "f: proxy: from: '10.0.0.0/7' is too wide: name your proxies" },
	{ "proxy: [{ service: mqtts, from: [\"2001::/16\"] }]", NULL },
	{ "proxy: [{ service: mqtts, from: [\"2000::/15\"] }]",
	  "f: proxy: from: '2000::/15' is too wide: name your proxies" },
	{ "proxy: [{ service: mqtts, from: [] }]", "f: proxy: mqtts: from: at least one address is needed" },
	{ "proxy: [{ service: mqtts, from: [\"::1\"] }, { service: mqtts, from: [\"::1\"] }]",
	  "f: proxy: mqtts is there twice" },
	{ "ports: { mqtts: 0 }\nproxy: [{ service: mqtts, from: [\"::1\"] }]", "f: proxy: mqtts: the service is off" },
	{ "proxy: [{ service: https, from: [\"::1\"] }]",
	  "f: line 1: 'service' must be one of mqtts, mqtt, enrolment" },
	{ "proxy: [{ service: mqtts, from: [10.0.0.0/8, 10.0.0.0/16] }, { service: mqtt, from: [10.0.0.0/24, "
	  "10.0.0.0/8, "
	  "\"2001:db8::/64\", 10.0.0.1] }]",
	  NULL },
	{ "proxy: [{ service: mqtts, from: [10.0.0.0/8, 10.0.0.0/16] }, { service: mqtt, from: [10.0.0.0/24, "
	  "\"2001:db8::/64\", 10.0.0.0/12] }]",
	  "f: proxy: from: more than 4 lengths of prefixes: make some alike" },
};

static void rules(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nj_settings s;
		struct nj_why why = { "" };
		enum nj_err err;

		memset(&s, 0x5a, sizeof(s));
		err = parse(cases[i].text, &s, &why);
		assert_string_equal(why.text, cases[i].want == NULL ? "" : cases[i].want);
		assert_int_equal(err, cases[i].want == NULL ? NJ_OK : NJ_ERR_CONFIG);
		if (err != NJ_OK)
			assert_int_equal((unsigned char)s.host[0], 0x5a);
	}
}

static void local_addresses_are_parsed(void **state)
{
	struct nj_settings s;

	assert_int_equal(parse(LOCAL("unix:/run/app.sock"), &s, NULL), NJ_OK);
	assert_string_equal(s.local[0].address + s.local[0].unix_path_at, "/run/app.sock");
	assert_int_equal(parse(LOCAL("127.0.0.1:11883"), &s, NULL), NJ_OK);
	assert_int_equal(s.local[0].unix_path_at, 0);
	assert_int_equal(s.local[0].addr.port, 11883);
	assert_int_equal(s.local[0].cloak, NJ_SETTINGS_LOCAL_CLOAK_NONE);
	assert_string_equal(s.local[0].as, "app");
}

static void assert_prints_back(const struct nj_settings *s)
{
	static char page[32768];
	struct nj_settings again;
	FILE *out;

	memset(page, 0, sizeof(page));
	out = fmemopen(page, sizeof(page), "w");
	assert_non_null(out);
	nj_settings_print(s, out);
	assert_int_equal(ferror(out), 0);
	fclose(out);
	assert_int_equal(parse(page, &again, NULL), NJ_OK);
	assert_memory_equal(s, &again, sizeof(*s));
}

static void the_reference_reads_back_as_the_defaults(void **state)
{
	struct nj_settings s;

	nj_settings_default(&s);
	assert_prints_back(&s);
	assert_int_equal(
	    parse(LOCAL("unix:/run/app.sock") "\nhost: a.example\nusers: { keeper: k }\ncloak: fake", &s, NULL), NJ_OK);
	assert_prints_back(&s);
}

static void loads_a_file(void **state)
{
	char path[] = "/tmp/nj-test-settings.XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct nj_settings s;
	struct nj_why why = { "" };

	assert_non_null(file);
	nj_settings_print_reference(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(nj_settings_load(path, &s, &why), NJ_OK);
	assert_string_equal(s.host, "localhost");
	remove(path);
	assert_int_equal(nj_settings_load(path, &s, &why), NJ_ERR_NOT_FOUND);
	assert_non_null(strstr(why.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_row_fits_its_member),
		cmocka_unit_test(rules),
		cmocka_unit_test(local_addresses_are_parsed),
		cmocka_unit_test(the_reference_reads_back_as_the_defaults),
		cmocka_unit_test(loads_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
