#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/origin.h"

static void what_is_an_origin(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {
		{ "https://app.example", true },
		{ "http://localhost:8080", true },
		{ "http://192.0.2.7", true },
		{ "https://[2001:db8::1]:8443", true },
		{ "capacitor://localhost", true },
		{ "chrome-extension://abcdefghijklmnop", true },
		{ "https://a:1", true },
		{ "https://a:65535", true },
		{ "https://a:80", true },
		{ "http://a:443", true },
		{ "https://a:443", false },
		{ "http://a:80", false },
		{ "https://a:0", false },
		{ "https://a:65536", false },
		{ "https://a:", false },
		{ "https://a:08", false },
		{ "https://a:1x", false },
		{ "https://app.example/", false },
		{ "https://app.example/x", false },
		{ "https://App.example", false },
		{ "HTTPS://app.example", false },
		{ "https://*.example", false },
		{ "*", false },
		{ "null", false },
		{ "", false },
		{ "https://", false },
		{ "https:///", false },
		{ "https:app.example", false },
		{ "https://u@app.example", false },
		{ "https://a b", false },
		{ "https://[]", false },
		{ "https://[::1", false },
		{ "://a", false },
		{ "1a://a", false },
		{ "app.example", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (nj_origin_valid(rows[i].text) != rows[i].valid)
			fail_msg("'%s' is%s one", rows[i].text, rows[i].valid ? " not" : "");
}

static void how_long_it_may_be(void **state)
{
	char text[NJ_ORIGIN_BYTES + 2] = "https://";

	memset(text + 8, 'a', sizeof(text) - 9);
	for (size_t len = NJ_ORIGIN_BYTES - 2; len <= NJ_ORIGIN_BYTES; len++) {
		text[len] = '\0';
		assert_int_equal(nj_origin_valid(text), len < NJ_ORIGIN_BYTES);
		text[len] = 'a';
	}
}

/* None, one, the most: the listed ones and nothing that looks like one. */
static void only_what_is_listed(void **state)
{
	static const char *const near[] = { "",
					    "null",
					    "https://app7.example.evil",
					    "https://app7.exampl",
					    "https://App7.example",
					    "http://app7.example",
					    "https://app7.example/",
					    "https://app7.example:8443",
					    "https://app7.example https://app7.example" };
	struct nj_origins origins = { .count = 0 };

	for (size_t count = 0; count <= NJ_ORIGINS_MAX; count++) {
		origins.count = count;
		for (size_t i = 0; i < NJ_ORIGINS_MAX; i++) {
			snprintf(origins.at[i], NJ_ORIGIN_BYTES, "https://app%zu.example", i);
			assert_int_equal(nj_origins_have(&origins, nj_view_str(origins.at[i])), i < count);
		}
		for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
			assert_false(nj_origins_have(&origins, nj_view_str(near[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_an_origin),
		cmocka_unit_test(how_long_it_may_be),
		cmocka_unit_test(only_what_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
