/* Placeholders in a command's words. */
#include "cli/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_expansion(void **state)
{
	static const struct {
		const char *word;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "{host}", "192.0.2.1" },
		{ "{host}:{port}", "192.0.2.1:8883" },
		{ "{{host}}", "{192.0.2.1}" },
		{ "{\"a\":1}", "{\"a\":1}" },
		{ "{hos", "{hos" },
		{ "{host", "{host" },
		{ "{hosts}", "{hosts}" },
		{ "{HOST}", "{HOST}" },
		{ "{}", "{}" },
		{ "{", "{" },
		{ "{certkey}", "c" },
		{ "{cert}", NULL },
		{ "a{key}", NULL },
	};
	struct nj_placeholders values = { 0 };

	(void)state;
	values.value[NJ_PLACEHOLDER_host] = "192.0.2.1";
	values.value[NJ_PLACEHOLDER_port] = "8883";
	values.value[NJ_PLACEHOLDER_certkey] = "c";
	values.lacks[NJ_PLACEHOLDER_key] = "because";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[] = { rows[i].word, "last", NULL };
		struct nj_why why = { 0 };
		char **expanded = NULL;
		enum nj_err err = nj_template_expand(words, &values, &expanded, &why);

		if (rows[i].want == NULL) {
			assert_int_equal(err, NJ_ERR_USAGE);
			assert_null(expanded);
			assert_non_null(strchr(why.text, '{'));
			continue;
		}
		assert_int_equal(err, NJ_OK);
		assert_string_equal(expanded[0], rows[i].want);
		assert_string_equal(expanded[1], "last");
		assert_null(expanded[2]);
		nj_template_free(expanded);
	}
	nj_template_free(NULL);
}

static void test_uses(void **state)
{
	const char *words[] = { "x", "--cafile={ca}", "{cert", NULL };

	(void)state;
	assert_true(nj_template_uses(words, NJ_PLACEHOLDER_ca));
	assert_false(nj_template_uses(words, NJ_PLACEHOLDER_cert));
	assert_false(nj_template_uses(words + 2, NJ_PLACEHOLDER_ca));
}

static void test_values_are_not_expanded_again(void **state)
{
	const char *words[] = { "{host}", NULL };
	struct nj_placeholders values = { 0 };
	char **expanded = NULL;

	(void)state;
	values.value[NJ_PLACEHOLDER_host] = "{port}";
	assert_int_equal(nj_template_expand(words, &values, &expanded, NULL), NJ_OK);
	assert_string_equal(expanded[0], "{port}");
	nj_template_free(expanded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_values_are_not_expanded_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
