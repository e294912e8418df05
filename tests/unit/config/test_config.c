#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config/config.h"

enum colour { RED, GREEN };
static const char *const colours[] = { [RED] = "red", [GREEN] = "green", NULL };

struct inner {
	uint8_t small;
	uint64_t wait_ms;
};

struct item {
	char name[8];
	enum colour colour;
	size_t tag_count;
	char tags[2][4];
	struct inner inner;
};

struct target {
	char text[6];
	bool flag;
	uint16_t number;
	uint32_t size;
	enum colour colour;
	size_t word_count;
	char words[3][8];
	struct inner inner;
	size_t item_count;
	struct item items[2];
};

static const struct nj_config_row inner_rows[] = {
	{ "small", "A small number.", "7", .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct inner, small), .max = 255 },
	{ "wait", "A time.", "30s", .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct inner, wait_ms), .min = 1000,
	  .max = 60000 },
};
static const struct nj_config_section inner = NJ_CONFIG_SECTION_OF(struct inner, inner_rows);

static const struct nj_config_row item_rows[] = {
	{ "name", "A name.", .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct item, name), .min = 1, .max = 7,
	  .required = true, .example = "x" },
	{ "colour", "A colour.", "green", .names = colours, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct item, colour) },
	{ "tags", "Tags.", .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct item, tags, tag_count), .max = 3 },
	{ "inner", "A section in an item.", .type = NJ_CONFIG_SECTION, .section = &inner,
	  NJ_CONFIG_AT(struct item, inner) },
};
static const struct nj_config_section item = NJ_CONFIG_SECTION_OF(struct item, item_rows);

static const struct nj_config_row rows[] = {
	{ "text", "A text.", "abc", .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct target, text), .min = 2, .max = 5 },
	{ "flag", "A flag.", "true", .type = NJ_CONFIG_BOOL, NJ_CONFIG_AT(struct target, flag) },
	{ "number", "A number.", "10", .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct target, number), .min = 10,
	  .max = 65535 },
	{ "size", "A size.", "64KiB", .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct target, size), .max = 1 << 20 },
	{ "colour", "A colour.", "red", .names = colours, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct target, colour) },
	{ "words", "Words.", "one two", .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct target, words, word_count),
	  .min = 1, .max = 7 },
	{ "inner", "A section.", .type = NJ_CONFIG_SECTION, .section = &inner, NJ_CONFIG_AT(struct target, inner) },
	{ "items", "Items.", .type = NJ_CONFIG_SECTIONS, .section = &item,
	  NJ_CONFIG_LIST_AT(struct target, items, item_count) },
};
static const struct nj_config_section schema = NJ_CONFIG_SECTION_OF(struct target, rows);

static enum nj_err parse(const char *text, struct target *out, struct nj_why *why)
{
	return nj_config_parse(&schema, "f", text, strlen(text), out, why);
}

static void defaults_come_from_the_table(void **state)
{
	struct target t;

	assert_int_equal(parse("{}", &t, NULL), NJ_OK);
	assert_string_equal(t.text, "abc");
	assert_true(t.flag);
	assert_int_equal(t.number, 10);
	assert_int_equal(t.size, 65536);
	assert_int_equal(t.colour, RED);
	assert_int_equal(t.word_count, 2);
	assert_string_equal(t.words[1], "two");
	assert_int_equal(t.inner.small, 7);
	assert_true(t.inner.wait_ms == 30000);
	assert_int_equal(t.item_count, 0);
}

static void every_type_is_read(void **state)
{
	struct target t;
	struct nj_why why = { "" };

	assert_int_equal(parse("text: \"a\\\"b\"\n"
			       "flag: false\n"
			       "number: 65535\n"
			       "size: 1MiB\n"
			       "colour: green\n"
			       "words: [x]\n"
			       "inner:\n"
			       "  small: 255\n"
			       "items:\n"
			       "  - name: first\n"
			       "    tags: [a, b]\n"
			       "    inner: { wait: 1s }\n"
			       "  - { name: second, colour: red }\n",
			       &t, &why),
			 NJ_OK);
	assert_string_equal(t.text, "a\"b");
	assert_false(t.flag);
	assert_int_equal(t.number, 65535);
	assert_int_equal(t.size, 1 << 20);
	assert_int_equal(t.colour, GREEN);
	assert_int_equal(t.word_count, 1);
	assert_string_equal(t.words[0], "x");
	assert_int_equal(t.inner.small, 255);
	assert_true(t.inner.wait_ms == 30000);
	assert_int_equal(t.item_count, 2);
	assert_int_equal(t.items[0].colour, GREEN);
	assert_int_equal(t.items[0].tag_count, 2);
	assert_true(t.items[0].inner.wait_ms == 1000);
	assert_int_equal(t.items[0].inner.small, 7);
	assert_string_equal(t.items[1].name, "second");
	assert_int_equal(t.items[1].colour, RED);
	assert_int_equal(t.items[1].tag_count, 0);
}

/* NULL: accepted. Everything else is the whole sentence. */
static const struct {
	const char *text;
	const char *want;
} cases[] = {
	/* keys */
	{ "nubmer: 11", "f: line 1: unknown key 'nubmer', did you mean 'number'?" },
	{ "\n\ninner:\n  smal: 1", "f: line 4: unknown key 'smal', did you mean 'small'?" },
	{ "entirely: 1", "f: line 1: unknown key 'entirely'" },
	{ "<<: {}", "f: line 1: unknown key '<<'" },
	{ "number: 11\nflag: true\nnumber: 12", "f: line 3: the key 'number' is there twice, first on line 1" },
	{ "? [a]\n: 1", "f: line 1: a key must be a plain name" },
	{ "\"a\\0b\": 1", "f: line 1: a key must be a plain name" },
	/* numbers: n−1, n, n+1 at both ends, and what is no number */
	{ "number: 9", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: 10", NULL },
	{ "number: 65535", NULL },
	{ "number: 65536", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: 0777", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: -1", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: \"11\"", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: 11.5", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number:", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "number: [11]", "f: line 1: 'number' must be a whole number from 10 to 65535" },
	{ "inner: { wait: 999ms }", "f: line 1: 'wait' must be a duration from 1s to 1min" },
	{ "inner: { wait: 1s }", NULL },
	{ "inner: { wait: 60 }", NULL },
	{ "inner: { wait: 61s }", "f: line 1: 'wait' must be a duration from 1s to 1min" },
	{ "size: 1025KiB", "f: line 1: 'size' must be a size from 0 to 1MiB" },
	/* text */
	{ "text: a", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: ab", NULL },
	{ "text: abcde", NULL },
	{ "text: abcdef", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: no", NULL },
	{ "text: ~", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: null", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: \"null\"", NULL },
	{ "text: \"a\\nb\"", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: \"ab\\0\"", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	{ "text: \"a\\Lb\"", "f: line 1: 'text' must be text of 2 to 5 bytes without control characters" },
	/* truth and choice */
	{ "flag: yes", "f: line 1: 'flag' must be true or false" },
	{ "flag: \"true\"", "f: line 1: 'flag' must be true or false" },
	{ "colour: gren", "f: line 1: 'colour' must be one of red, green; did you mean 'green'?" },
	{ "colour: blue", "f: line 1: 'colour' must be one of red, green" },
	{ "colour: {}", "f: line 1: 'colour' must be one of red, green" },
	/* lists and sections */
	{ "words: one", "f: line 1: 'words' must be a list" },
	{ "words: []", NULL },
	{ "words: [a, b, c]", NULL },
	{ "words:\n  - a\n  - b\n  - c\n  - d", "f: line 5: 'words' may have at most 3 items" },
	{ "words: [[a]]", "f: line 1: 'words' must be text of 1 to 7 bytes without control characters" },
	{ "words: [12345678]", "f: line 1: 'words' must be text of 1 to 7 bytes without control characters" },
	{ "inner: 1", "f: line 1: 'inner' must be a section with keys of its own" },
	{ "inner: []", "f: line 1: 'inner' must be a section with keys of its own" },
	{ "inner:", NULL },
	{ "inner: {}", NULL },
	{ "items: [a]", "f: line 1: an item of 'items' must be a section with keys of its own" },
	{ "items:\n  - colour: red", "f: line 2: the key 'name' is missing" },
	{ "items: {}", "f: line 1: 'items' must be a list" },
	{ "items: [{name: a}, {name: b}]", NULL },
	{ "items: [{name: a}, {name: b}, {name: c}]", "f: line 1: 'items' may have at most 2 items" },
	/* the file */
	{ "", "f: the file is empty" },
	{ "# only a comment\n", "f: the file is empty" },
	{ "---\n", "f: the file is empty" },
	{ "---\n...\n", "f: the file is empty" },
	{ "~", "f: the file is empty" },
	{ "just text", "f: line 1: a configuration is a list of 'key: value' lines" },
	{ "- flag: true", "f: line 1: a configuration is a list of 'key: value' lines" },
	{ "---\nflag: true\n...\n", NULL },
	{ "flag: true\n---\nflag: false", "f: line 2: a second document is not allowed" },
	{ "%YAML 1.1\n---\nflag: true", "f: line 1: directives (%) are not allowed" },
	{ "%TAG ! tag:x,2000:\n---\nflag: true", "f: line 1: directives (%) are not allowed" },
	{ "text: &a abc", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "&a flag: true", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "&a\nflag: true", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "text: *a", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "number: !!int 11", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "words: !x [a]", "f: line 1: anchors (&), aliases (*) and tags (!) are not allowed" },
	{ "flag: true\ntext: \"abc", "f: line 2: found unexpected end of stream" },
	{ "flag: true\r\nnumber: 11\r\n", NULL },
	{ "flag: true\rnumber: 11", "f: line 1: the control character U+000D is not allowed" },
	{ "flag: true\n\x1b", "f: line 2: the control character U+001B is not allowed" },
	{ "\xef\xbb\xbf"
	  "flag: true",
	  "f: line 1: the control character U+FEFF is not allowed" },
	{ "# \xff", "f: line 1: a byte that is no UTF-8" },
};

static void what_is_wrong_is_told_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target t;
		struct target before;
		struct nj_why why = { "" };

		memset(&t, 0x5a, sizeof(t));
		before = t;
		if (cases[i].want == NULL) {
			enum nj_err err = parse(cases[i].text, &t, &why);

			assert_string_equal(why.text, "");
			assert_int_equal(err, NJ_OK);
			continue;
		}
		assert_int_equal(parse(cases[i].text, &t, &why), NJ_ERR_CONFIG);
		assert_string_equal(why.text, cases[i].want);
		assert_memory_equal(&t, &before, sizeof(t));
		assert_int_equal(parse(cases[i].text, &t, NULL), NJ_ERR_CONFIG);
	}
}

static void a_zero_byte_is_refused(void **state)
{
	static const char text[] = "flag: true\n\0number: 1";
	struct target t;
	struct nj_why why;

	assert_int_equal(nj_config_parse(&schema, "f", text, sizeof(text) - 1, &t, &why), NJ_ERR_CONFIG);
	assert_string_equal(why.text, "f: line 2: the control character U+0000 is not allowed");
}

static void size_at_its_limit(void **state)
{
	static char text[NJ_CONFIG_MAX_BYTES + 1];
	struct target t;

	memset(text, ' ', sizeof(text));
	memcpy(text, "flag: true\n", 11);
	assert_int_equal(nj_config_parse(&schema, "f", text, NJ_CONFIG_MAX_BYTES, &t, NULL), NJ_OK);
	assert_int_equal(nj_config_parse(&schema, "f", text, NJ_CONFIG_MAX_BYTES + 1, &t, NULL), NJ_ERR_CONFIG);
}

/* A megabyte of brackets ends at the first one that no row asks for. */
static void depth_ends_with_the_schema(void **state)
{
	static char text[NJ_CONFIG_MAX_BYTES];
	static const char opening[] = { '[', '{', '-', '?' };
	struct target t;

	for (size_t i = 0; i < sizeof(opening); i++) {
		memset(text, opening[i], sizeof(text));
		assert_int_equal(nj_config_parse(&schema, "f", text, sizeof(text), &t, NULL), NJ_ERR_CONFIG);
		memcpy(text, "inner: ", 7);
		assert_int_equal(nj_config_parse(&schema, "f", text, sizeof(text), &t, NULL), NJ_ERR_CONFIG);
	}
}

static void assert_prints_back(const char *text)
{
	struct target t;
	struct target again;
	char page[8192] = { 0 };
	FILE *out = fmemopen(page, sizeof(page), "w");
	struct nj_why why = { "" };

	assert_non_null(out);
	assert_int_equal(parse(text, &t, &why), NJ_OK);
	nj_config_print(&schema, &t, out);
	assert_int_equal(ferror(out), 0);
	fclose(out);
	if (parse(page, &again, &why) != NJ_OK)
		fail_msg("%s in:\n%s", why.text, page);
	assert_memory_equal(&t, &again, sizeof(t));
}

static void what_is_printed_reads_back(void **state)
{
	assert_prints_back("{}");
	assert_prints_back("words: []");
	assert_prints_back("words: [\"- a\", \"#b\", \"c: d\"]");
	assert_prints_back(
	    "text: '\"\\a'\nflag: false\nnumber: 4711\nsize: 1000\ncolour: green\ninner: { wait: 1500ms }\n");
	assert_prints_back("items: [{name: a, tags: [x, y], colour: red, inner: {small: 0}}, {name: \"b:\"}]");
}

static void the_page_names_help_limits_and_defaults(void **state)
{
	static const char *const wanted[] = {
		"# A text.\n# Allowed: text of 2 to 5 bytes without control characters. Default: abc.\ntext: \"abc\"\n",
		"\nwords:\n  - \"one\"\n  - \"two\"\n",
		"\ninner:\n  # A small number.\n  # Allowed: a whole number from 0 to 255. Default: 7.\n  small: 7\n",
		"\n#items:\n#  - name: x\n#    colour: green\n",
		"#   name\n#     A name.\n#     Allowed: text of 1 to 7 bytes without control characters. Required.\n",
	};
	struct target t;
	char page[8192] = { 0 };
	FILE *out = fmemopen(page, sizeof(page), "w");

	assert_non_null(out);
	nj_config_defaults(&schema, &t);
	nj_config_print(&schema, &t, out);
	fclose(out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(page, wanted[i]));
}

static void files_are_named_in_errors(void **state)
{
	struct target t;
	struct nj_why why = { "" };

	assert_int_equal(nj_config_load(&schema, "/nonexistent/x.yaml", &t, &why), NJ_ERR_NOT_FOUND);
	assert_non_null(strstr(why.text, "/nonexistent/x.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_come_from_the_table),
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(a_zero_byte_is_refused),
		cmocka_unit_test(size_at_its_limit),
		cmocka_unit_test(depth_ends_with_the_schema),
		cmocka_unit_test(what_is_printed_reads_back),
		cmocka_unit_test(the_page_names_help_limits_and_defaults),
		cmocka_unit_test(files_are_named_in_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
