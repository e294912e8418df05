/* Command lines against a set of options. */
#include "cli/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct nj_option options[] = {
	{ "name", "NAME", "", NJ_OPTION_TEXT },
	{ "many", "X", "", NJ_OPTION_TEXT, .repeatable = true },
	{ "need", "X", "", NJ_OPTION_TEXT, .required = true },
	{ "flag", NULL, "", NJ_OPTION_FLAG },
	{ "count", "N", "", NJ_OPTION_NUMBER, .max = 10 },
	{ "then", "COMMAND", "", NJ_OPTION_REST },
};
static const struct nj_option_set set = {
	.options = options, .option_count = 6, .operands = "NAME", .min_operands = 1, .max_operands = 2
};

static struct nj_args args;
static struct nj_why why;

#define PARSE(...) parse((const char *[]){ __VA_ARGS__, NULL })

static enum nj_err parse(const char *const *argv)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	why.text[0] = '\0';
	return nj_args_parse(&set, argc, argv, &args, &why);
}

static void test_forms(void **state)
{
	size_t cursor = 0;

	(void)state;
	assert_int_equal(PARSE("--need", "a", "op", "--name=b", "--flag", "--many", "1", "--count=10", "--many=2"),
			 NJ_OK);
	assert_string_equal(nj_args_text(&args, "need"), "a");
	assert_string_equal(nj_args_text(&args, "name"), "b");
	assert_true(nj_args_flag(&args, "flag"));
	assert_int_equal(nj_args_number(&args, "count", 3), 10);
	assert_string_equal(nj_args_next(&args, "many", &cursor), "1");
	assert_string_equal(nj_args_next(&args, "many", &cursor), "2");
	assert_null(nj_args_next(&args, "many", &cursor));
	assert_string_equal(args.operands[0], "op");
	assert_int_equal(args.operand_count, 1);
	assert_null(args.rest);
}

static void test_absent(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--need=", "op"), NJ_OK);
	assert_string_equal(nj_args_text(&args, "need"), "");
	assert_null(nj_args_text(&args, "name"));
	assert_false(nj_args_flag(&args, "flag"));
	assert_int_equal(nj_args_number(&args, "count", 3), 3);
}

static void test_rest(void **state)
{
	(void)state;
	assert_int_equal(PARSE("op", "--need", "x", "--then", "run", "--need", "--", "--nonsense"), NJ_OK);
	assert_string_equal(args.rest[0], "run");
	assert_string_equal(args.rest[3], "--nonsense");
	assert_null(args.rest[4]);
	assert_string_equal(nj_args_text(&args, "need"), "x");
}

static void test_end_of_options(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--need=x", "--", "--flag", "-"), NJ_OK);
	assert_string_equal(args.operands[0], "--flag");
	assert_string_equal(args.operands[1], "-");
	assert_false(nj_args_flag(&args, "flag"));
}

static void test_help(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), NJ_OK);
	assert_true(args.help);
	assert_int_equal(PARSE("-h"), NJ_OK);
	assert_true(args.help);
	/* After --then it is the command's own. */
	assert_int_equal(PARSE("op", "--need=x", "--then", "run", "--help"), NJ_OK);
	assert_false(args.help);
}

static void test_faults(void **state)
{
	static const struct {
		const char *what;
		const char *argv[6];
		const char *text;
	} rows[] = {
		{ "missing option", { "op" }, "--need X is missing" },
		{ "missing operand", { "--need=x" }, "NAME is missing" },
		{ "an operand too many", { "a", "b", "c", "--need=x" }, "\"c\" is one word too many" },
		{ "misspelt", { "op", "--ned=x" }, "there is no option --ned; did you mean --need?" },
		{ "misspelt help", { "--hlep" }, "there is no option --hlep; did you mean --help?" },
		{ "unknown", { "--zzzzzzzzz" }, "there is no option --zzzzzzzzz" },
		{ "prefix is not the option", { "op", "--fla" }, "there is no option --fla; did you mean --flag?" },
		{ "twice", { "op", "--need=x", "--need=x" }, "--need is given twice" },
		{ "flag twice", { "op", "--flag", "--flag" }, "--flag is given twice" },
		{ "flag with a value", { "op", "--flag=yes" }, "--flag takes no value" },
		{ "no value", { "op", "--need" }, "--need wants X" },
		{ "short", { "-x" }, "there is no option -x: options begin with two dashes" },
		{ "number past its limit", { "--count=11" }, "--count wants a whole number from 0 to 10, not \"11\"" },
		{ "not a number", { "--count", "1x" }, "--count wants a whole number from 0 to 10, not \"1x\"" },
		{ "negative", { "--count=-1" }, "--count wants a whole number from 0 to 10, not \"-1\"" },
		{ "then without words", { "--then" }, "--then wants COMMAND" },
		{ "then inlined", { "--then=x" }, "--then takes the words that follow it: write --then COMMAND" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].argv) != NJ_ERR_USAGE || strcmp(why.text, rows[i].text) != 0)
			fail_msg("%s: %s", rows[i].what, why.text);
	}
}

static void test_many_given(void **state)
{
	const char *argv[NJ_ARGS_MAX_GIVEN + 4] = { "op" };

	(void)state;
	for (size_t i = 1; i <= NJ_ARGS_MAX_GIVEN - 1; i++)
		argv[i] = "--many=x";
	argv[NJ_ARGS_MAX_GIVEN] = "--need=x";
	assert_int_equal(parse(argv), NJ_OK);
	argv[NJ_ARGS_MAX_GIVEN + 1] = "--flag";
	assert_int_equal(parse(argv), NJ_ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),          cmocka_unit_test(test_absent), cmocka_unit_test(test_rest),
		cmocka_unit_test(test_end_of_options), cmocka_unit_test(test_help),   cmocka_unit_test(test_faults),
		cmocka_unit_test(test_many_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
