#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

static void copies_at_the_limit(void **state)
{
	char out[4];

	assert_int_equal(nj_text_copy(out, sizeof(out), "abc"), NJ_OK);
	assert_string_equal(out, "abc");
	assert_int_equal(nj_text_copy(out, sizeof(out), "abcd"), NJ_ERR_TOO_LARGE);
	assert_string_equal(out, "");
	assert_int_equal(nj_text_copy_view(out, sizeof(out), nj_view_of("a\0b", 3)), NJ_ERR_MALFORMED);
	assert_string_equal(out, "");
	assert_int_equal(nj_text_copy_view(out, sizeof(out), nj_view_of(NULL, 0)), NJ_OK);
	assert_int_equal(nj_text_format(out, sizeof(out), "%d", 999), NJ_OK);
	assert_int_equal(nj_text_format(out, sizeof(out), "%d", 1000), NJ_ERR_TOO_LARGE);
}

static void hex(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		enum nj_err want;
	} rows[] = {
		{ "", 0, NJ_OK },
		{ "00ff7A", 3, NJ_OK },
		{ "00ff7", 3, NJ_ERR_MALFORMED },
		{ "00ff7a0", 3, NJ_ERR_MALFORMED },
		{ "00ff7a00", 3, NJ_ERR_MALFORMED },
		{ "00fg7a", 3, NJ_ERR_MALFORMED },
		{ "00 f7a", 3, NJ_ERR_MALFORMED },
	};
	char text[7];
	uint8_t out[4] = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_hex_decode(nj_view_str(rows[i].text), out, rows[i].len), rows[i].want);
	assert_memory_equal(out, "\x00\xff\x7a\x00", 4);
	nj_hex_encode(out, 3, text);
	assert_string_equal(text, "00ff7a");
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		enum nj_err want;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 9, NJ_OK, 0 },
		{ "9", 9, 9, NJ_OK, 9 },
		{ "8", 9, 11, NJ_ERR_RANGE, 0 },
		{ "12", 9, 11, NJ_ERR_RANGE, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, NJ_OK, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, NJ_ERR_RANGE, 0 },
		{ "99999999999999999999999", 0, UINT64_MAX, NJ_ERR_RANGE, 0 },
		{ "", 0, 9, NJ_ERR_MALFORMED, 0 },
		{ "-1", 0, 9, NJ_ERR_MALFORMED, 0 },
		{ "+1", 0, 9, NJ_ERR_MALFORMED, 0 },
		{ " 1", 0, 9, NJ_ERR_MALFORMED, 0 },
		{ "1 ", 0, 9, NJ_ERR_MALFORMED, 0 },
		{ "0x1", 0, 9, NJ_ERR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 77;

		assert_int_equal(nj_number_parse(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].want);
		assert_true(value == (rows[i].want == NJ_OK ? rows[i].value : 77));
	}
}

static void durations_and_sizes(void **state)
{
	static const struct {
		enum nj_err (*parse)(const char *text, uint64_t *out_value);
		const char *text;
		enum nj_err want;
		uint64_t value;
	} rows[] = {
		{ nj_duration_parse, "90", NJ_OK, 90000 },
		{ nj_duration_parse, "500ms", NJ_OK, 500 },
		{ nj_duration_parse, "30s", NJ_OK, 30000 },
		{ nj_duration_parse, "10min", NJ_OK, 600000 },
		{ nj_duration_parse, "2h", NJ_OK, 7200000 },
		{ nj_duration_parse, "7d", NJ_OK, 604800000 },
		{ nj_duration_parse, "7 d", NJ_ERR_MALFORMED, 0 },
		{ nj_duration_parse, "7m", NJ_ERR_MALFORMED, 0 },
		{ nj_duration_parse, "s", NJ_ERR_MALFORMED, 0 },
		{ nj_duration_parse, "1.5s", NJ_ERR_MALFORMED, 0 },
		{ nj_duration_parse, "18446744073709551s", NJ_OK, UINT64_C(18446744073709551000) },
		{ nj_duration_parse, "18446744073709552s", NJ_ERR_RANGE, 0 },
		{ nj_bytes_parse, "4096", NJ_OK, 4096 },
		{ nj_bytes_parse, "64KiB", NJ_OK, 65536 },
		{ nj_bytes_parse, "16MiB", NJ_OK, 16777216 },
		{ nj_bytes_parse, "1GiB", NJ_OK, 1073741824 },
		{ nj_bytes_parse, "1GB", NJ_ERR_MALFORMED, 0 },
		{ nj_bytes_parse, "1kib", NJ_ERR_MALFORMED, 0 },
		{ nj_bytes_parse, "17179869183GiB", NJ_OK, UINT64_C(17179869183) << 30 },
		{ nj_bytes_parse, "17179869184GiB", NJ_ERR_RANGE, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 77;

		assert_int_equal(rows[i].parse(rows[i].text, &value), rows[i].want);
		assert_true(value == (rows[i].want == NJ_OK ? rows[i].value : 77));
	}
}

static void names(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "a", true },
		{ "pump-7_a.b:c", true },
		{ "_x", true },
		{ "", false },
		{ "-x", false },
		{ ".x", false },
		{ "a b", false },
		{ "a/b", false },
		{ "\xc3\xa4", false },
		{ "a\n", false },
		{ "0123456789012345678901234567890123456789012345678901234567890123", true },
		{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_name_valid(rows[i].text), rows[i].want);
}

/* RFC 3629: the borders of every length, what is overlong, surrogates, and sequences cut short. */
/* "a", "é" (2 bytes), "€" (3), U+1F319 (4): every cut falls on a border. */
/* Each length at its limits. */
static void utf8_is_written_as_it_is_read(void **state)
{
	static const uint32_t codes[] = { 1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		uint8_t bytes[4];
		uint32_t code = 0;
		struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

		nj_utf8_write(&w, codes[i]);
		assert_int_equal(w.err, NJ_OK);
		assert_int_equal(nj_utf8_decode(nj_view_of(bytes, w.pos), &code), w.pos);
		assert_int_equal(code, codes[i]);
	}
}

static void utf8_cut(void **state)
{
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
	const struct nj_view text = nj_view_str("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x99");

	for (size_t max = 0; max < sizeof(want) / sizeof(want[0]); max++) {
		struct nj_view cut = nj_utf8_cut(text, max);

		assert_ptr_equal(cut.data, text.data);
		assert_int_equal(cut.len, want[max]);
		assert_true(nj_utf8_valid(cut));
	}
}

static void utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool want;
	} rows[] = {
		{ "", 0, true },
		{ "plain", 5, true },
		{ "\x00", 1, false },
		{ "a\x00", 2, false },
		{ "\x7f", 1, true },
		{ "\x80", 1, false },
		{ "\xc0\x80", 2, false },
		{ "\xc1\xbf", 2, false },
		{ "\xc2\x80", 2, true },
		{ "\xdf\xbf", 2, true },
		{ "\xc2", 1, false },
		{ "\xc2\x41", 2, false },
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xe0\xa0\x80", 3, true },
		{ "\xed\x9f\xbf", 3, true },
		{ "\xed\xa0\x80", 3, false },
		{ "\xed\xbf\xbf", 3, false },
		{ "\xee\x80\x80", 3, true },
		{ "\xef\xbf\xbf", 3, true },
		{ "\xef\xbf", 2, false },
		{ "\xef\xbf\x41", 3, false },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xf0\x90\x80\x80", 4, true },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xff", 1, false },
	};
	uint32_t code = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_utf8_valid(nj_view_of(rows[i].bytes, rows[i].len)), rows[i].want);
	assert_int_equal(nj_utf8_decode(nj_view_str("\xf0\x9f\x8c\x99!"), &code), 4);
	assert_int_equal(code, 0x1f319);
	assert_int_equal(nj_utf8_decode(nj_view_str("\xe2\x82\xac"), &code), 3);
	assert_int_equal(code, 0x20ac);
}

static void text_without_what_nobody_can_read(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool want;
	} rows[] = {
		{ "", 0, true },
		{ "\0", 1, false },
		{ "\x1f", 1, false },
		{ " ~", 2, true },
		{ "\x7f", 1, false },
		{ "\xc2\x9f", 2, false },
		{ "\xc2\xa0", 2, true },
		{ "\xef\xb7\x8f", 3, true },
		{ "\xef\xb7\x90", 3, false },
		{ "\xef\xb7\xaf", 3, false },
		{ "\xef\xb7\xb0", 3, true },
		{ "\xef\xbb\xbf", 3, true },
		{ "\xef\xbf\xbd", 3, true },
		{ "\xef\xbf\xbe", 3, false },
		{ "\xf0\x9f\xbf\xbf", 4, false },
		{ "\xf0\x9f\x8c\x99", 4, true },
		{ "ab\xff", 3, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_utf8_plain(nj_view_of(rows[i].bytes, rows[i].len)), rows[i].want);
}

static void base64_there_and_back(void **state)
{
	static const struct {
		const char *plain;
		const char *text;
	} rows[] = {
		/* RFC 4648 section 10 */
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff", "+/8=" },
	};
	static const char *const wrong[] = { "Z",    "Zg",   "Zg=",      "Zg===",    "Zh==",
					     "Zm9=", "=m9v", "Zm9v====", "Zg==Zg==", "Zm9\n" };
	char text[16];
	uint8_t plain[8];
	size_t len;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		nj_base64_encode(rows[i].plain, strlen(rows[i].plain), text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(nj_base64_decode(nj_view_str(text), plain, sizeof(plain), &len), NJ_OK);
		assert_int_equal(len, strlen(rows[i].plain));
		assert_memory_equal(plain, rows[i].plain, len);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(nj_base64_decode(nj_view_str(wrong[i]), plain, sizeof(plain), &len), NJ_ERR_MALFORMED);
	assert_int_equal(nj_base64_decode(nj_view_str("Zm9vYmFy"), plain, 6, &len), NJ_OK);
	assert_int_equal(nj_base64_decode(nj_view_str("Zm9vYmFy"), plain, 5, &len), NJ_ERR_TOO_LARGE);
}

static void nearest_names(void **state)
{
	static const char *const known[] = { "ports", "host", "limits", "mqtt", "x" };
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "prots", "ports" },
		{ "port", "ports" },
		{ "limit", "limits" },
		{ "lmiits", "limits" },
		{ "mqttt", "mqtt" },
		{ "ho", NULL },
		{ "y", NULL },
		{ "entirely", NULL },
		{ "", NULL },
		{ "ports", "ports" },
		{ "portsportsportsportsportsportsportsportsportsportsportsportsportsx", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = nj_text_nearest(rows[i].text, known, 5);

		if (rows[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].want);
	}
	assert_null(nj_text_nearest("ports", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_at_the_limit),
		cmocka_unit_test(hex),
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations_and_sizes),
		cmocka_unit_test(names),
		cmocka_unit_test(utf8),
		cmocka_unit_test(utf8_is_written_as_it_is_read),
		cmocka_unit_test(utf8_cut),
		cmocka_unit_test(text_without_what_nobody_can_read),
		cmocka_unit_test(base64_there_and_back),
		cmocka_unit_test(nearest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
