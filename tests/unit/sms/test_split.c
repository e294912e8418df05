#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/text/split.h"

static uint8_t units[NJ_SMS_UNITS_MAX + 1];

static void cuts(const struct nj_sms_layout *layout, size_t len, const size_t *lengths, size_t parts)
{
	struct nj_sms_split split;
	struct nj_view part;
	size_t at = 0;
	assert_int_equal(nj_sms_split_begin(&split, layout, nj_view_of(units, len)), NJ_OK);
	assert_int_equal(split.parts, parts);
	for (size_t i = 0; i < parts; i++) {
		assert_true(nj_sms_split_next(&split, &part));
		assert_ptr_equal(part.data, units + at);
		assert_int_equal(part.len, lengths[i]);
		at += part.len;
	}
	assert_false(nj_sms_split_next(&split, &part));
	assert_int_equal(at, len);
}

static void an_escape_stays_with_its_septet(void **state)
{
	struct nj_sms_layout layout = { .charset = NJ_SMS_GSM7 };
	memset(units, 'a', sizeof(units));
	units[152] = NJ_GSM7_ESCAPE;
	cuts(&layout, 170, (const size_t[]){ 152, 18 }, 2);
	units[152] = 'a';
	units[151] = NJ_GSM7_ESCAPE;
	cuts(&layout, 170, (const size_t[]){ 153, 17 }, 2);
	cuts(&layout, 160, (const size_t[]){ 160 }, 1);
	cuts(&layout, 0, (const size_t[]){ 0 }, 1);
	/* An escape that ends the text is one unit. */
	units[160] = NJ_GSM7_ESCAPE;
	cuts(&layout, 161, (const size_t[]){ 153, 8 }, 2);
}

static void a_surrogate_pair_stays_whole(void **state)
{
	struct nj_sms_layout layout = { .charset = NJ_SMS_UCS2 };
	memset(units, 0x20, sizeof(units));
	units[132] = 0xD8;
	units[134] = 0xDC;
	cuts(&layout, 142, (const size_t[]){ 132, 10 }, 2);
	units[134] = 0x20; /* half a pair is a character of its own */
	cuts(&layout, 142, (const size_t[]){ 134, 8 }, 2);
	layout.wide_reference = true;
	cuts(&layout, 142, (const size_t[]){ 132, 10 }, 2);
}

static void binary_is_cut_anywhere(void **state)
{
	struct nj_sms_layout layout = { .charset = NJ_SMS_BINARY };
	cuts(&layout, 140, (const size_t[]){ 140 }, 1);
	cuts(&layout, 141, (const size_t[]){ 134, 7 }, 2);
	layout.wide_reference = true;
	cuts(&layout, 141, (const size_t[]){ 133, 8 }, 2);
	layout.elements = nj_view_of("\x05\x04\x0b\x84\x23\xf0", 6);
	cuts(&layout, 133, (const size_t[]){ 133 }, 1);
	cuts(&layout, 134, (const size_t[]){ 127, 7 }, 2);
}

static void parts_and_room_are_limited(void **state)
{
	struct nj_sms_layout layout = { .charset = NJ_SMS_BINARY };
	struct nj_sms_split split = { .parts = 7 };
	uint8_t elements[140] = { 0 };
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 134 * 254 + 1)), NJ_OK);
	assert_int_equal(split.parts, 255);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 134 * 255)), NJ_OK);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 134 * 255 + 1)), NJ_ERR_TOO_LARGE);
	layout.elements = nj_view_of(elements, 130);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 9)), NJ_OK);
	assert_int_equal(split.parts, 1);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 10)), NJ_OK);
	assert_int_equal(split.parts, 3);
	layout.elements = nj_view_of(elements, 131);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 10)), NJ_ERR_RANGE);
	layout.elements = nj_view_of(elements, 140);
	assert_int_equal(nj_sms_split_begin(&split, &layout, nj_view_of(units, 1)), NJ_ERR_RANGE);
	assert_int_equal(split.parts, 3);
}

static void capacities(void **state)
{
	static const struct {
		size_t header, gsm7, octets, ucs2;
	} rows[] = { { 0, 160, 140, 140 }, { 4, 155, 136, 136 }, { 6, 153, 134, 134 }, { 7, 152, 133, 132 },
		     { 9, 149, 131, 130 }, { 140, 0, 0, 0 },     { 141, 0, 0, 0 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(nj_sms_capacity(NJ_SMS_GSM7, rows[i].header), rows[i].gsm7);
		assert_int_equal(nj_sms_capacity(NJ_SMS_BINARY, rows[i].header), rows[i].octets);
		assert_int_equal(nj_sms_capacity(NJ_SMS_UCS2, rows[i].header), rows[i].ucs2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_escape_stays_with_its_septet),
		cmocka_unit_test(a_surrogate_pair_stays_whole),
		cmocka_unit_test(binary_is_cut_anywhere),
		cmocka_unit_test(parts_and_room_are_limited),
		cmocka_unit_test(capacities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
