/* All 256 octets of TS 23.038 section 4, group by group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/text/dcs.h"

static void check(unsigned octet, enum nj_sms_charset charset, enum nj_sms_class class)
{
	struct nj_dcs dcs = nj_dcs_decode((uint8_t)octet);
	assert_int_equal(dcs.charset, charset);
	assert_int_equal(dcs.class, class);
}

static void general_and_automatic_deletion(void **state)
{
	static const enum nj_sms_charset charsets[] = { NJ_SMS_GSM7, NJ_SMS_BINARY, NJ_SMS_UCS2, NJ_SMS_GSM7 };
	for (unsigned octet = 0; octet < 0x80; octet++) {
		struct nj_dcs dcs = nj_dcs_decode((uint8_t)octet);
		check(octet, charsets[octet >> 2 & 3],
		      octet & 0x10 ? (enum nj_sms_class)(octet & 3) : NJ_SMS_CLASS_NONE);
		assert_int_equal(dcs.auto_delete, octet >= 0x40);
		assert_int_equal(dcs.compressed, (octet & 0x20) != 0);
		assert_int_equal(dcs.waiting, NJ_DCS_WAITING_NONE);
		assert_int_equal(nj_dcs_in_septets(dcs),
				 charsets[octet >> 2 & 3] == NJ_SMS_GSM7 && (octet & 0x20) == 0);
	}
}

static void reserved_groups_are_the_default_alphabet(void **state)
{
	for (unsigned octet = 0x80; octet < 0xC0; octet++)
		check(octet, NJ_SMS_GSM7, NJ_SMS_CLASS_NONE);
}

static void waiting_messages(void **state)
{
	for (unsigned octet = 0xC0; octet < 0xF0; octet++) {
		struct nj_dcs dcs = nj_dcs_decode((uint8_t)octet);
		check(octet, octet < 0xE0 ? NJ_SMS_GSM7 : NJ_SMS_UCS2, NJ_SMS_CLASS_NONE);
		assert_int_equal(dcs.waiting, octet < 0xD0 ? NJ_DCS_WAITING_DISCARD : NJ_DCS_WAITING_STORE);
		assert_int_equal(dcs.indicate, (octet & 8) != 0);
		assert_int_equal(dcs.waiting_type, octet & 3);
	}
}

static void data_coding_and_class(void **state)
{
	for (unsigned octet = 0xF0; octet < 0x100; octet++)
		check(octet, octet & 4 ? NJ_SMS_BINARY : NJ_SMS_GSM7, (enum nj_sms_class)(octet & 3));
}

static void what_is_encoded_reads_the_same(void **state)
{
	for (unsigned octet = 0; octet < 0x100; octet++) {
		struct nj_dcs dcs = nj_dcs_decode((uint8_t)octet);
		uint8_t again = 0;
		assert_int_equal(nj_dcs_encode(dcs, &again), NJ_OK);
		struct nj_dcs back = nj_dcs_decode(again);
		assert_int_equal(back.charset, dcs.charset);
		assert_int_equal(back.class, dcs.class);
		assert_int_equal(back.compressed, dcs.compressed);
		assert_int_equal(back.auto_delete, dcs.auto_delete);
		assert_int_equal(back.waiting, dcs.waiting);
		assert_int_equal(back.indicate, dcs.indicate);
		assert_int_equal(back.waiting_type, dcs.waiting_type);
	}
}

static void usual_octets(void **state)
{
	uint8_t octet = 0xAA;
	assert_int_equal(nj_dcs_encode((struct nj_dcs){ .charset = NJ_SMS_GSM7, .class = NJ_SMS_CLASS_NONE }, &octet),
			 NJ_OK);
	assert_int_equal(octet, 0x00);
	assert_int_equal(nj_dcs_encode((struct nj_dcs){ .charset = NJ_SMS_UCS2, .class = NJ_SMS_CLASS_NONE }, &octet),
			 NJ_OK);
	assert_int_equal(octet, 0x08);
	assert_int_equal(nj_dcs_encode((struct nj_dcs){ .charset = NJ_SMS_UCS2, .class = NJ_SMS_CLASS_FLASH }, &octet),
			 NJ_OK);
	assert_int_equal(octet, 0x18);
	assert_int_equal(nj_dcs_encode((struct nj_dcs){ .charset = NJ_SMS_BINARY, .class = NJ_SMS_CLASS_SIM }, &octet),
			 NJ_OK);
	assert_int_equal(octet, 0x16);
}

static void what_no_octet_says(void **state)
{
	static const struct nj_dcs rows[] = {
		{ .charset = NJ_SMS_BINARY, .class = NJ_SMS_CLASS_NONE, .waiting = NJ_DCS_WAITING_STORE },
		{ .charset = NJ_SMS_UCS2, .class = NJ_SMS_CLASS_NONE, .waiting = NJ_DCS_WAITING_DISCARD },
		{ .charset = NJ_SMS_GSM7, .class = NJ_SMS_CLASS_FLASH, .waiting = NJ_DCS_WAITING_STORE },
		{ .charset = NJ_SMS_GSM7,
		  .class = NJ_SMS_CLASS_NONE,
		  .waiting = NJ_DCS_WAITING_STORE,
		  .compressed = true },
		{ .charset = NJ_SMS_GSM7,
		  .class = NJ_SMS_CLASS_NONE,
		  .waiting = NJ_DCS_WAITING_STORE,
		  .auto_delete = true },
		{ .charset = NJ_SMS_GSM7,
		  .class = NJ_SMS_CLASS_NONE,
		  .waiting = NJ_DCS_WAITING_STORE,
		  .waiting_type = 4 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t octet = 0xAA;
		assert_int_equal(nj_dcs_encode(rows[i], &octet), NJ_ERR_RANGE);
		assert_int_equal(octet, 0xAA);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(general_and_automatic_deletion),
		cmocka_unit_test(reserved_groups_are_the_default_alphabet),
		cmocka_unit_test(waiting_messages),
		cmocka_unit_test(data_coding_and_class),
		cmocka_unit_test(what_is_encoded_reads_the_same),
		cmocka_unit_test(usual_octets),
		cmocka_unit_test(what_no_octet_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
