#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <unistd.h>

#define TIME "2023-11-14T22:13:20.007Z"

static struct nj_log_line line_of(enum nj_log_format format, const struct nj_log_field *fields, size_t count)
{
	return (struct nj_log_line){
		.level = NJ_LOG_WARN,
		.format = format,
		.wall_ms = 1700000000007,
		.process = "keeper",
		.event = "knock.refused",
		.fields = fields,
		.count = count,
	};
}

/* One field after the four that every line has. */
static void assert_field(enum nj_log_format format, struct nj_log_field field, const char *want)
{
	struct nj_log_line line = line_of(format, &field, 1);
	char out[NJ_LOG_LINE_BYTES];
	char whole[512];
	size_t len = nj_log_line_format(&line, out, sizeof(out));

	if (format == NJ_LOG_LOGFMT)
		snprintf(whole, sizeof(whole), "time=" TIME " level=warn event=knock.refused process=keeper %s\n",
			 want);
	else
		snprintf(whole, sizeof(whole),
			 "{\"time\":\"" TIME "\",\"level\":\"warn\",\"event\":\"knock.refused\","
			 "\"process\":\"keeper\",%s}\n",
			 want);
	assert_int_equal(len, strlen(whole));
	assert_memory_equal(out, whole, len);
}

static void every_type_in_both_formats(void **state)
{
	struct nj_addr addr = { 0 };
	const uint8_t bytes[] = { 0x00, 0xff };

	assert_int_equal(nj_addr_parse("[2001:db8::1]:80", &addr), NJ_OK);
	const struct {
		struct nj_log_field field;
		const char *logfmt;
		const char *json;
	} rows[] = {
		{ NJ_S("a", "b"), "a=b", "\"a\":\"b\"" },
		{ NJ_S("a", NULL), "a=\"\"", "\"a\":\"\"" },
		{ NJ_V("a", nj_view_str("b c")), "a=\"b c\"", "\"a\":\"b c\"" },
		{ NJ_U("a", UINT64_MAX), "a=18446744073709551615", "\"a\":18446744073709551615" },
		{ NJ_I("a", INT64_MIN), "a=-9223372036854775808", "\"a\":-9223372036854775808" },
		{ NJ_B("a", true), "a=true", "\"a\":true" },
		{ NJ_B("a", false), "a=false", "\"a\":false" },
		{ NJ_X("a", bytes, 2), "a=00ff", "\"a\":\"00ff\"" },
		{ NJ_A("a", &addr), "a=[2001:db8::1]:80", "\"a\":\"[2001:db8::1]:80\"" },
		{ NJ_E(NJ_ERR_FORGED), "error=\"authentication failed\"", "\"error\":\"authentication failed\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_field(NJ_LOG_LOGFMT, rows[i].field, rows[i].logfmt);
		assert_field(NJ_LOG_JSON, rows[i].field, rows[i].json);
	}
}

static void values_cannot_break_out(void **state)
{
	static const struct {
		const char *value;
		const char *logfmt;
		const char *json;
	} rows[] = {
		{ "a\nlevel=error", "\"a\\nlevel=error\"", "\"a\\nlevel=error\"" },
		{ "\r\t", "\"\\r\\t\"", "\"\\r\\t\"" },
		{ "a=b", "\"a=b\"", "\"a=b\"" },
		{ "\"\\", "\"\\\"\\\\\"", "\"\\\"\\\\\"" },
		{ "\x1b[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\"" },
		{ "\x7f", "\"\\u007f\"", "\"\\u007f\"" },
		{ "\xc2\x9b"
		  "2J",
		  "\"\\u009b2J\"", "\"\\u009b2J\"" },
		{ "\xe2\x80\xae", "\"\\u202e\"", "\"\\u202e\"" },
		{ "\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"", "\"\\udb40\\udc41\"" },
		{ "\xff!", "\"\\xff!\"", "\"\\\\xff!\"" },
		{ "\xe2\x82", "\"\\xe2\\x82\"", "\"\\\\xe2\\\\x82\"" },
		{ "\xc3\xa4", "\"\xc3\xa4\"", "\"\xc3\xa4\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[128];

		snprintf(want, sizeof(want), "a=%s", rows[i].logfmt);
		assert_field(NJ_LOG_LOGFMT, NJ_S("a", rows[i].value), want);
		snprintf(want, sizeof(want), "\"a\":%s", rows[i].json);
		assert_field(NJ_LOG_JSON, NJ_S("a", rows[i].value), want);
	}
	assert_field(NJ_LOG_LOGFMT, NJ_V("a", nj_view_of("\0", 1)), "a=\"\\u0000\"");
}

/* The line fits, ends with its mark when it was cut, and its quotes are closed. */
static void assert_closed(enum nj_log_format format, struct nj_view value)
{
	static const char *const tails[] = { " truncated=true\n", ",\"truncated\":true}\n" };
	const struct nj_log_field fields[] = { NJ_V("a", value), NJ_U("b", 123456), NJ_V("c", value),
					       NJ_X("d", value.data, value.len) };
	struct nj_log_line line = line_of(format, fields, 4);
	char out[NJ_LOG_LINE_BYTES] = { 0 };
	size_t quotes = 0;
	size_t len = nj_log_line_format(&line, out, NJ_LOG_LINE_MIN);

	assert_in_range(len, 1, NJ_LOG_LINE_MIN);
	assert_int_equal(out[len - 1], '\n');
	for (size_t i = 0; i < len; i++)
		quotes += out[i] == '"';
	assert_int_equal(quotes % 2, 0);
	if (value.len > 200)
		assert_string_equal(out + len - strlen(tails[format]), tails[format]);
	if (value.len < 5)
		assert_null(strstr(out, "truncated"));
}

/* Every length, so that every piece once ends exactly at the limit and once on each side of it. */
static void long_lines_are_cut_and_closed(void **state)
{
	static const char fills[] = { 'x', ' ', '\x1b', '\xff', '\n' };
	static char value[512];

	for (size_t fill = 0; fill < sizeof(fills); fill++) {
		memset(value, fills[fill], sizeof(value));
		for (size_t len = 0; len < sizeof(value); len++) {
			assert_closed(NJ_LOG_LOGFMT, nj_view_of(value, len));
			assert_closed(NJ_LOG_JSON, nj_view_of(value, len));
		}
	}
}

/* Runs with standard error in a pipe; what is graver than the level passes, as one line. */
static void writes_one_line_to_standard_error(void **state)
{
	char got[256] = { 0 };
	int saved = dup(STDERR_FILENO);
	int ends[2];
	ssize_t len;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	nj_log_setup(NJ_LOG_WARN, NJ_LOG_LOGFMT, "test");
	NJ_LOG(NJ_LOG_INFO, "not.written", NJ_U("n", 1));
	NJ_LOG(NJ_LOG_WARN, "written", NJ_U("n", 2), NJ_S("m", "x"));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	len = read(ends[0], got, sizeof(got) - 1);
	close(ends[0]);
	assert_true(len > 0);
	assert_null(strstr(got, "not.written"));
	assert_string_equal(strstr(got, " level="), " level=warn event=written process=test n=2 m=x\n");
}

static void brake_holds_back_and_counts(void **state)
{
	struct nj_log_brake brake = NJ_LOG_BRAKE(3, 1000);
	struct nj_clock_fake clock;
	uint64_t suppressed = 99;

	nj_clock_fake_init(&clock, UINT64_C(5000000000), 0);
	for (int i = 0; i < 3; i++)
		assert_true(nj_log_brake_pass(&brake, &clock.clock, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 7; i++)
		assert_false(nj_log_brake_pass(&brake, &clock.clock, &suppressed));
	nj_clock_fake_advance_ms(&clock, 999);
	assert_false(nj_log_brake_pass(&brake, &clock.clock, &suppressed));
	nj_clock_fake_advance_ms(&clock, 1);
	assert_true(nj_log_brake_pass(&brake, &clock.clock, &suppressed));
	assert_int_equal(suppressed, 8);
	assert_false(nj_log_brake_pass(&brake, &clock.clock, &suppressed));
	nj_clock_fake_advance_ms(&clock, 1000000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(nj_log_brake_pass(&brake, &clock.clock, &suppressed), i < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_in_both_formats),    cmocka_unit_test(values_cannot_break_out),
		cmocka_unit_test(long_lines_are_cut_and_closed), cmocka_unit_test(writes_one_line_to_standard_error),
		cmocka_unit_test(brake_holds_back_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
