/* YAML of any shape as JSON text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config/yaml_json.h"

static enum nj_err convert(const char *yaml, char *out, size_t out_bytes, struct nj_why *why)
{
	FILE *file = fmemopen(out, out_bytes, "w");
	enum nj_err err;

	assert_non_null(file);
	memset(out, 0, out_bytes);
	err = nj_yaml_to_json("f", yaml, strlen(yaml), file, why);
	fclose(file);
	return err;
}

static void values(void **state)
{
	static const struct {
		const char *yaml;
		const char *json; /* NULL: refused */
	} rows[] = {
		{ "a: 1", "{\"a\":1}" },
		{ "{\"a\": [1, -2.5e3, true, null, \"x\"]}", "{\"a\":[1,-2.5e3,true,null,\"x\"]}" },
		{ "- topic: dev/{device}/t\n  max_qos: 1\n- b",
		  "[{\"topic\":\"dev/{device}/t\",\"max_qos\":1},\"b\"]" },
		{ "a: '1'\nb: \"true\"\nc: ~\nd:", "{\"a\":\"1\",\"b\":\"true\",\"c\":null,\"d\":null}" },
		{ "1: x", "{\"1\":\"x\"}" },
		{ "a: 01", "{\"a\":\"01\"}" },
		{ "a: 1.", "{\"a\":\"1.\"}" },
		{ "a: .5", "{\"a\":\".5\"}" },
		{ "a: 1e", "{\"a\":\"1e\"}" },
		{ "a: -0", "{\"a\":-0}" },
		{ "a: +1", "{\"a\":\"+1\"}" },
		{ "a: 10/s", "{\"a\":\"10/s\"}" },
		{ "a: yes", "{\"a\":\"yes\"}" },
		{ "a: \"q\\\"\\\\ \\n\\x01\"", "{\"a\":\"q\\\"\\\\ \\u000a\\u0001\"}" },
		{ "[]", "[]" },
		{ "{}", "{}" },
		{ "x", "\"x\"" },
		{ "", NULL },
		{ "a: &x 1\nb: *x", NULL },
		{ "a: !!str 1", NULL },
		{ "%YAML 1.1\n---\na: 1", NULL },
		{ "%TAG ! tag:x,2000:\n---\na: 1", NULL },
		{ "a: 1\n---\nb: 1", NULL },
		{ "a: [1", NULL },
		{ "? [a]\n: 1", NULL },
		{ "\xff", NULL },
	};
	char out[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_why why = { "" };
		enum nj_err err = convert(rows[i].yaml, out, sizeof(out), &why);

		if ((err == NJ_OK) != (rows[i].json != NULL))
			fail_msg("%s: %s", rows[i].yaml, why.text);
		if (err == NJ_OK)
			assert_string_equal(out, rows[i].json);
		else
			assert_non_null(strstr(why.text, "f: line "));
	}
}

static enum nj_err nested(unsigned depth)
{
	char yaml[256] = "";
	char out[256];
	struct nj_why why;

	memset(yaml, '[', depth);
	memset(yaml + depth, ']', depth);
	return convert(yaml, out, sizeof(out), &why);
}

static void depth(void **state)
{
	assert_int_equal(nested(NJ_YAML_JSON_DEPTH_MAX), NJ_OK);
	assert_int_equal(nested(NJ_YAML_JSON_DEPTH_MAX + 1), NJ_ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(depth) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
