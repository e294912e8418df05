/* CSV by RFC 4180: text in, first fields out; then names with their rules. */
#include "cli/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/names.h"

/* "first@line " for each record, then what ended it. */
static void read_all(const char *text, size_t len, char *out, size_t cap)
{
	struct nj_csv csv = nj_csv_of(nj_view_of(text, len));
	struct nj_why why = { 0 };
	char first[9];
	uint32_t line;
	size_t at = 0;
	enum nj_err err;

	while ((err = nj_csv_next(&csv, first, sizeof(first), &line, &why)) == NJ_OK)
		at += (size_t)snprintf(out + at, cap - at, "%s@%u ", first, line);
	snprintf(out + at, cap - at, "%s", err == NJ_ERR_CLOSED ? "." : why.text);
}

static void test_records(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		const char *want;
	} rows[] = {
		{ "nothing", "", "." },
		{ "no end of line", "a", "a@1 ." },
		{ "LF and CRLF", "a\nb\r\nc\n", "a@1 b@2 c@3 ." },
		{ "empty lines", "\n\na\n\r\n\nb\n\n", "a@3 b@6 ." },
		{ "more columns", "a,1,2\nb,\"x,y\"\n", "a@1 b@2 ." },
		{ "empty first field is a record", ",x\n", "@1 ." },
		{ "quoted empty field is a record", "\"\"\n", "@1 ." },
		{ "quoted", "\"a,b\"\n", "a,b@1 ." },
		{ "doubled quote", "\"a\"\"b\"\n", "a\"b@1 ." },
		{ "line feed in quotes", "x,\"1\n2\"\ny\n", "x@1 y@3 ." },
		{ "byte order mark",
		  "\xef\xbb\xbf"
		  "a\n",
		  "a@1 ." },
		{ "lone CR stays", "a\rb\n", "a\rb@1 ." },
		{ "CR at the end", "a\r", "a@1 ." },
		{ "at the limit", "12345678\n", "12345678@1 ." },
		{ "past the limit", "a\n123456789\n", "a@1 line 2: the first field is longer than 8 bytes" },
		{ "long later field", "a,1234567890123\n", "a@1 ." },
		{ "unended quote", "a\n\"b\n\nc", "a@1 line 2: a quoted field has no end" },
		{ "text after a quote", "\"a\"b\n", "line 1: text after a closing quote" },
		{ "text after a later quote", "x,\"a\"b\n", "line 1: text after a closing quote" },
		{ "quote inside", "a\"b\n", "line 1: a quote inside a field that does not begin with one" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[256];

		read_all(rows[i].text, strlen(rows[i].text), got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: got %s, want %s", rows[i].what, got, rows[i].want);
	}
}

static void test_zero_byte(void **state)
{
	char got[256];

	(void)state;
	read_all("a\0b\n", 4, got, sizeof(got));
	assert_string_equal(got, "line 1: a zero byte: is this a text file?");
}

static void test_names(void **state)
{
	static const struct {
		const char *text;
		enum nj_err want;
		size_t count;
		const char *why;
	} rows[] = {
		{ "name\nd1\nd2\n", NJ_OK, 2, "" },
		{ "Name,place\nd1,x\n", NJ_OK, 1, "" },
		{ "d1\nname\n", NJ_OK, 2, "" },
		{ "name\n", NJ_ERR_TRUNCATED, 0, "the file has no names in its first column" },
		{ "", NJ_ERR_TRUNCATED, 0, "the file has no names in its first column" },
		{ "d1\nd2\nd1\n", NJ_ERR_EXISTS, 2, "line 3: \"d1\" is there already, on line 1" },
		{ "d1\n-x\n", NJ_ERR_MALFORMED, 1,
		  "line 2: a name is 1 to 64 of A-Z a-z 0-9 . _ : - and begins with none of . and -" },
		{ "d1\n,x\n", NJ_ERR_MALFORMED, 1,
		  "line 2: a name is 1 to 64 of A-Z a-z 0-9 . _ : - and begins with none of . and -" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_names names;
		struct nj_why why = { 0 };

		nj_names_init(&names);
		assert_int_equal(nj_names_from_csv(&names, nj_view_str(rows[i].text), &why), rows[i].want);
		assert_string_equal(why.text, rows[i].why);
		assert_int_equal(names.count, rows[i].count);
		nj_names_done(&names);
	}
}

static void test_counted(void **state)
{
	struct nj_names names;
	struct nj_why why;

	(void)state;
	nj_names_init(&names);
	assert_int_equal(nj_names_from_count(&names, "d-", 3000, &why), NJ_OK);
	assert_int_equal(names.count, 3000);
	assert_string_equal(names.at[0]->text, "d-1");
	assert_string_equal(names.at[2999]->text, "d-3000");
	assert_true(nj_names_has(&names, "d-1500"));
	assert_false(nj_names_has(&names, "d-3001"));
	assert_int_equal(nj_names_add(&names, "d-7", 0), NJ_ERR_EXISTS);
	nj_names_done(&names);
	nj_names_init(&names);
	assert_int_equal(nj_names_from_count(&names, "-", 1, &why), NJ_ERR_USAGE);
	nj_names_done(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_zero_byte),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
