#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "sms/text/stamp.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define WEEK (7 * DAY)

static void stamps(void **state)
{
	static const struct {
		int64_t unix_s;
		int quarters;
		const char *hex;
	} rows[] = {
		{ 0, 0, "07101000000000" },           { 951782400, 0, "00209200000000" }, /* 29 February 2000 */
		{ 951868799, 0, "00209232959500" },   { 951868800, 0, "00301000000000" },
		{ 922713419, 8, "99309251619580" },   { 1795354055, -20, "6211228072530a" }, /* 08:27:35 there */
		{ 1795354055, 79, "62113290215397" }, { 1795354055, -79, "6211127124539f" },
		{ 3155759999, 0, "96211332959500" }, /* the last second of 2069 */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_stamp stamp;
		char hex[2 * NJ_STAMP_OCTETS + 1];
		int64_t unix_s = -1;
		int quarters = 99;
		assert_int_equal(nj_stamp_make(rows[i].unix_s, rows[i].quarters, &stamp), NJ_OK);
		nj_hex_encode(stamp.raw, sizeof(stamp.raw), hex);
		assert_string_equal(hex, rows[i].hex);
		assert_int_equal(nj_stamp_read(stamp, &unix_s, &quarters), NJ_OK);
		assert_int_equal(unix_s, rows[i].unix_s);
		assert_int_equal(quarters, rows[i].quarters);
	}
}

/* Noon of every day of a hundred years, in each zone in turn. */
static void every_day(void **state)
{
	for (int64_t day = 1; day < 36524; day++) {
		int zone = (int)(day % (2 * NJ_STAMP_QUARTERS_MAX + 1)) - NJ_STAMP_QUARTERS_MAX;
		struct nj_stamp stamp;
		int64_t unix_s = 0;
		int quarters = 0;
		assert_int_equal(nj_stamp_make(day * DAY + 43200, zone, &stamp), NJ_OK);
		assert_int_equal(nj_stamp_read(stamp, &unix_s, &quarters), NJ_OK);
		assert_int_equal(unix_s, day * DAY + 43200);
		assert_int_equal(quarters, zone);
	}
}

static void what_is_no_time(void **state)
{
	static const char *const rows[] = {
		"62002200000000", /* month 0 */
		"62312200000000", /* month 13 */
		"62110000000000", /* day 0 */
		"62111300000000", /* 31 November */
		"62209200000000", /* 29 February 2026 */
		"62112242000000", /* hour 24 */
		"62112200060000", /* minute 60 */
		"62112200000600", /* second 60 */
		"a2112200000000", "2a112200000000", "621122000000a0",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_stamp stamp;
		int64_t unix_s = 77;
		int quarters = 77;
		assert_int_equal(nj_hex_decode(nj_view_str(rows[i]), stamp.raw, sizeof(stamp.raw)), NJ_OK);
		assert_int_equal(nj_stamp_read(stamp, &unix_s, &quarters), NJ_ERR_RANGE);
		assert_int_equal(unix_s, 77);
		assert_int_equal(quarters, 77);
	}
}

static void times_that_have_no_stamp(void **state)
{
	struct nj_stamp stamp;
	assert_int_equal(nj_stamp_make(-1, 0, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(3155760000, 0, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(3155759999, 1, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(0, -1, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(DAY, 80, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(DAY, -80, &stamp), NJ_ERR_RANGE);
	assert_int_equal(nj_stamp_make(INT64_MAX, 0, &stamp), NJ_ERR_RANGE);
}

/* 9.2.3.12.1. */
static void relative_periods(void **state)
{
	static const struct {
		uint8_t octet;
		uint64_t seconds;
	} rows[] = {
		{ 0, 5 * MINUTE },  { 1, 10 * MINUTE }, { 143, 12 * HOUR }, { 144, 12 * HOUR + 30 * MINUTE },
		{ 167, 24 * HOUR }, { 168, 2 * DAY },   { 196, 30 * DAY },  { 197, 5 * WEEK },
		{ 255, 63 * WEEK },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(nj_validity_relative_seconds(rows[i].octet), rows[i].seconds);
		assert_int_equal(nj_validity_relative_octet(rows[i].seconds), rows[i].octet);
		assert_int_equal(nj_validity_relative_octet(rows[i].seconds - 1), rows[i].octet);
		assert_int_equal(nj_validity_relative_octet(rows[i].seconds + 1),
				 rows[i].octet + (rows[i].octet < 255));
	}
	assert_int_equal(nj_validity_relative_octet(0), 0);
	assert_int_equal(nj_validity_relative_octet(UINT64_MAX), 255);
	assert_int_equal(nj_validity_relative(DAY).format, NJ_VALIDITY_RELATIVE);
	assert_int_equal(nj_validity_relative(DAY).raw[0], 167);
}

static void every_format(void **state)
{
	static const struct {
		struct nj_validity validity;
		enum nj_err err;
		uint64_t seconds;
	} rows[] = {
		{ { NJ_VALIDITY_NONE, { 0 } }, NJ_ERR_NOT_FOUND, 0 },
		{ { NJ_VALIDITY_RELATIVE, { 167 } }, NJ_OK, DAY },
		{ { NJ_VALIDITY_ABSOLUTE, { 0x62, 0x11, 0x22, 0x31, 0x72, 0x53, 0 } }, NJ_OK, 55 },
		{ { NJ_VALIDITY_ABSOLUTE, { 0x62, 0x11, 0x22, 0x31, 0x62, 0x53, 0 } }, NJ_OK, 0 },
		{ { NJ_VALIDITY_ABSOLUTE, { 0x62, 0x11, 0x22, 0x31, 0x72, 0x53, 0x0A } }, NJ_OK, 55 + 5 * HOUR },
		{ { NJ_VALIDITY_ABSOLUTE, { 0xFF } }, NJ_ERR_RANGE, 0 },
		{ { NJ_VALIDITY_ENHANCED, { 0 } }, NJ_ERR_NOT_FOUND, 0 },
		{ { NJ_VALIDITY_ENHANCED, { 1, 167 } }, NJ_OK, DAY },
		{ { NJ_VALIDITY_ENHANCED, { 0x41, 167 } }, NJ_OK, DAY }, /* and a single shot */
		{ { NJ_VALIDITY_ENHANCED, { 2, 0 } }, NJ_ERR_RANGE, 0 },
		{ { NJ_VALIDITY_ENHANCED, { 2, 255 } }, NJ_OK, 255 },
		{ { NJ_VALIDITY_ENHANCED, { 3, 0x99, 0x95, 0x95 } }, NJ_OK, 99 * HOUR + 59 * MINUTE + 59 },
		{ { NJ_VALIDITY_ENHANCED, { 3, 0x99, 0x06, 0x95 } }, NJ_ERR_RANGE, 0 },
		{ { NJ_VALIDITY_ENHANCED, { 4 } }, NJ_ERR_UNSUPPORTED, 0 },
		{ { NJ_VALIDITY_ENHANCED, { 0x82, 0, 9 } }, NJ_OK, 9 },
		{ { NJ_VALIDITY_ENHANCED, { 0x83, 0x80, 0x80, 0, 0x10, 0, 0 } }, NJ_OK, HOUR },
		{ { NJ_VALIDITY_ENHANCED, { 0x83, 0x80, 0x80, 0x80, 0, 0x10, 0 } }, NJ_ERR_UNSUPPORTED, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t seconds = 0;
		assert_int_equal(nj_validity_read(&rows[i].validity, 1795354000, &seconds), rows[i].err);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps),           cmocka_unit_test(every_day),
		cmocka_unit_test(what_is_no_time),  cmocka_unit_test(times_that_have_no_stamp),
		cmocka_unit_test(relative_periods), cmocka_unit_test(every_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
