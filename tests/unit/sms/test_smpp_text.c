/* SMPP's times, the meaning of its octets, receipts and message ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/smpp/receipt.h"
#include "sms/smpp/time.h"

#define SECOND UINT64_C(1000)
#define DAY (UINT64_C(86400) * SECOND)
#define NOW (UINT64_C(1795358400) * SECOND) /* 2026-11-22 14:40:00 UTC */
#define VIEW(text) nj_view_of(text, sizeof(text) - 1)

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		enum nj_err want;
		uint64_t ms;
	} rows[] = {
		{ "261122144000000+", NJ_OK, NOW },
		{ "261122144000700+", NJ_OK, NOW + 700 },
		{ "261122154000004+", NJ_OK, NOW },
		{ "261122134000004-", NJ_OK, NOW },
		{ "000101000000000+", NJ_OK, UINT64_C(946684800) * SECOND },
		{ "000101000000048+", NJ_OK, (UINT64_C(946684800) - 43200) * SECOND },
		{ "000101000000049+", NJ_ERR_RANGE, 0 },
		{ "991231235959900+", NJ_OK, UINT64_C(4102444799) * SECOND + 900 },
		{ "240229000000000+", NJ_OK, UINT64_C(1709164800) * SECOND },
		{ "230229000000000+", NJ_ERR_RANGE, 0 },
		{ "261322000000000+", NJ_ERR_RANGE, 0 },
		{ "260022000000000+", NJ_ERR_RANGE, 0 },
		{ "261100000000000+", NJ_ERR_RANGE, 0 },
		{ "261131000000000+", NJ_ERR_RANGE, 0 },
		{ "261122240000000+", NJ_ERR_RANGE, 0 },
		{ "261122236000000+", NJ_ERR_RANGE, 0 },
		{ "261122235960000+", NJ_ERR_RANGE, 0 },
		{ "261122144000000", NJ_ERR_MALFORMED, 0 },
		{ "261122144000000+0", NJ_ERR_MALFORMED, 0 },
		{ "261122144000000Z", NJ_ERR_MALFORMED, 0 },
		{ "26112214400000a+", NJ_ERR_MALFORMED, 0 },
		{ "", NJ_ERR_MALFORMED, 0 },
		{ "000000000000000R", NJ_OK, NOW },
		{ "000000000030000R", NJ_OK, NOW + 30 * SECOND },
		{ "000001000000000R", NJ_OK, NOW + DAY },
		{ "000031235959000R", NJ_OK, NOW + 32 * DAY - SECOND },
		{ "000032000000000R", NJ_ERR_RANGE, 0 },
		{ "000100000000000R", NJ_OK, NOW + 30 * DAY },
		{ "001200000000000R", NJ_OK, NOW + 365 * DAY },
		{ "010000000000000R", NJ_OK, NOW + 365 * DAY },
		{ "001300000000000R", NJ_ERR_RANGE, 0 },
		{ "000000240000000R", NJ_ERR_RANGE, 0 },
		{ "000000000000100R", NJ_ERR_RANGE, 0 },
		{ "000000000000001R", NJ_ERR_RANGE, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = 1;
		enum nj_err err = nj_smpp_time_parse(nj_view_str(rows[i].text), NOW, &ms);
		if (err != rows[i].want || ms != (err == NJ_OK ? rows[i].ms : 1))
			fail_msg("%s: %s, %llu", rows[i].text, nj_err_name(err), (unsigned long long)ms);
	}
}

/* The example of 7.1.1.2: 2 years, 6 months, 10 days, 23 hours, 34 minutes and 29 seconds. */
static void a_period_goes_by_the_calendar(void **state)
{
	uint64_t ms = 0;
	uint64_t want = 0;
	assert_int_equal(nj_smpp_time_parse(nj_view_str("020610233429000R"), NOW, &ms), NJ_OK);
	assert_int_equal(nj_smpp_time_parse(nj_view_str("290602141429000+"), NOW, &want), NJ_OK);
	assert_int_equal(ms, want);
	/* From a month's last day to a month that has not so many. */
	uint64_t end_of_january = UINT64_C(1801353600) * SECOND; /* 2027-01-31 00:00 */
	assert_int_equal(nj_smpp_time_parse(nj_view_str("000100000000000R"), end_of_january, &ms), NJ_OK);
	assert_int_equal(nj_smpp_time_parse(nj_view_str("270228000000000+"), NOW, &want), NJ_OK);
	assert_int_equal(ms, want);
	/* 2100 is no leap year: a year from 2099-03-01. */
	assert_int_equal(nj_smpp_time_parse(nj_view_str("010000000000000R"), UINT64_C(4076006400) * SECOND, &ms),
			 NJ_OK);
	assert_int_equal(ms, UINT64_C(4107542400) * SECOND);
	/* A clock that was never set has no calendar here. */
	assert_int_equal(nj_smpp_time_parse(nj_view_str("000001000000000R"), 0, &ms), NJ_ERR_RANGE);
}

static void times_are_written(void **state)
{
	char text[NJ_SMPP_TIME_BYTES];
	assert_int_equal(nj_smpp_time_write(NOW + 789, text), NJ_OK);
	assert_string_equal(text, "261122144000700+");
	assert_int_equal(nj_smpp_time_write(UINT64_C(946684800) * SECOND - 1, text), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_time_write(UINT64_C(4102444800) * SECOND - 1, text), NJ_OK);
	assert_string_equal(text, "991231235959900+");
	assert_int_equal(nj_smpp_time_write(UINT64_C(4102444800) * SECOND, text), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_time_write(UINT64_MAX, text), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_period_write(0, text), NJ_OK);
	assert_string_equal(text, "000000000000000R");
	assert_int_equal(nj_smpp_period_write(1, text), NJ_OK);
	assert_string_equal(text, "000000000001000R");
	assert_int_equal(nj_smpp_period_write(7 * DAY + 3661 * SECOND, text), NJ_OK);
	assert_string_equal(text, "000007010101000R");
	assert_int_equal(nj_smpp_period_write(31 * DAY, text), NJ_OK);
	assert_int_equal(nj_smpp_period_write(31 * DAY + 1, text), NJ_ERR_RANGE);
}

/* Each day of the years, there and back. */
static void every_day_is_itself(void **state)
{
	for (uint64_t ms = UINT64_C(946684800) * SECOND; ms < UINT64_C(4102444800) * SECOND; ms += DAY) {
		char text[NJ_SMPP_TIME_BYTES];
		uint64_t back = 0;
		assert_int_equal(nj_smpp_time_write(ms, text), NJ_OK);
		assert_int_equal(nj_smpp_time_parse(nj_view_str(text), 0, &back), NJ_OK);
		assert_int_equal(back, ms);
	}
}

static void dates_of_receipts(void **state)
{
	static const struct {
		const char *text;
		enum nj_err want;
		uint64_t ms;
	} rows[] = {
		{ "2611221440", NJ_OK, NOW },
		{ "261122144030", NJ_OK, NOW + 30 * SECOND },
		{ "0000000000", NJ_OK, 0 },
		{ "000000000000", NJ_OK, 0 },
		{ "", NJ_OK, 0 },
		{ "00000000000", NJ_ERR_MALFORMED, 0 },
		{ "26112214400", NJ_ERR_MALFORMED, 0 },
		{ "2611221460", NJ_ERR_RANGE, 0 },
		{ "26-11-2214", NJ_ERR_MALFORMED, 0 },
	};
	char text[NJ_SMPP_DATE_BYTES];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = 1;
		assert_int_equal(nj_smpp_date_parse(nj_view_str(rows[i].text), &ms), rows[i].want);
		if (rows[i].want == NJ_OK)
			assert_int_equal(ms, rows[i].ms);
	}
	nj_smpp_date_write(NOW + 59 * SECOND, text);
	assert_string_equal(text, "2611221440");
	nj_smpp_date_write(0, text);
	assert_string_equal(text, "0000000000");
}

static void data_codings(void **state)
{
	static const struct {
		uint8_t value;
		uint8_t alphabet;
		int message_class;
		bool waiting;
	} rows[] = {
		{ 0x00, NJ_SMPP_ALPHABET_DEFAULT, -1, false },  { 0x01, NJ_SMPP_ALPHABET_ASCII, -1, false },
		{ 0x02, NJ_SMPP_ALPHABET_OCTETS, -1, false },   { 0x03, NJ_SMPP_ALPHABET_LATIN1, -1, false },
		{ 0x04, NJ_SMPP_ALPHABET_OCTETS, -1, false },   { 0x05, NJ_SMPP_ALPHABET_OTHER, -1, false },
		{ 0x06, NJ_SMPP_ALPHABET_CYRILLIC, -1, false }, { 0x07, NJ_SMPP_ALPHABET_HEBREW, -1, false },
		{ 0x08, NJ_SMPP_ALPHABET_UCS2, -1, false },     { 0x09, NJ_SMPP_ALPHABET_OTHER, -1, false },
		{ 0x0f, NJ_SMPP_ALPHABET_OTHER, -1, false },    { 0x10, NJ_SMPP_ALPHABET_DEFAULT, 0, false },
		{ 0x15, NJ_SMPP_ALPHABET_OCTETS, 1, false },    { 0x18, NJ_SMPP_ALPHABET_UCS2, 0, false },
		{ 0x1f, NJ_SMPP_ALPHABET_OTHER, 3, false },     { 0x20, NJ_SMPP_ALPHABET_OTHER, -1, false },
		{ 0xbf, NJ_SMPP_ALPHABET_OTHER, -1, false },    { 0xc0, NJ_SMPP_ALPHABET_DEFAULT, -1, true },
		{ 0xdf, NJ_SMPP_ALPHABET_DEFAULT, -1, true },   { 0xe0, NJ_SMPP_ALPHABET_OTHER, -1, false },
		{ 0xf0, NJ_SMPP_ALPHABET_DEFAULT, 0, false },   { 0xf2, NJ_SMPP_ALPHABET_DEFAULT, 2, false },
		{ 0xf5, NJ_SMPP_ALPHABET_OCTETS, 1, false },    { 0xff, NJ_SMPP_ALPHABET_OCTETS, 3, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_smpp_coding coding = nj_smpp_coding_of(rows[i].value);
		assert_int_equal(coding.alphabet, rows[i].alphabet);
		assert_int_equal(coding.has_class ? coding.message_class : -1, rows[i].message_class);
		assert_int_equal(coding.waiting, rows[i].waiting);
	}
	for (unsigned message_class = 0; message_class <= 4; message_class++) {
		static const enum nj_smpp_alphabet ours[] = { NJ_SMPP_ALPHABET_DEFAULT, NJ_SMPP_ALPHABET_OCTETS,
							      NJ_SMPP_ALPHABET_UCS2 };
		for (size_t i = 0; i < 3; i++) {
			struct nj_smpp_coding coding = nj_smpp_coding_of(nj_smpp_coding_make(ours[i], message_class));
			assert_int_equal(coding.alphabet, ours[i]);
			assert_int_equal(coding.has_class, message_class < 4);
			if (message_class < 4)
				assert_int_equal(coding.message_class, message_class);
		}
	}
}

static void message_states(void **state)
{
	static const char *const words[] = { "ENROUTE", "DELIVRD", "EXPIRED", "DELETED",
					     "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD" };
	for (uint8_t i = 0; i < 8; i++) {
		assert_string_equal(nj_smpp_state_word(i + 1), words[i]);
		assert_int_equal(nj_smpp_state_of(nj_view_str(words[i])), i + 1);
	}
	assert_int_equal(nj_smpp_state_of(VIEW("delivrd")), NJ_SMPP_STATE_DELIVERED);
	assert_int_equal(nj_smpp_state_of(VIEW("Delivered")), NJ_SMPP_STATE_DELIVERED);
	assert_int_equal(nj_smpp_state_of(VIEW("DELIVR")), NJ_SMPP_STATE_UNKNOWN);
	assert_int_equal(nj_smpp_state_of(VIEW("")), NJ_SMPP_STATE_UNKNOWN);
	assert_string_equal(nj_smpp_state_word(200), "UNKNOWN");
	assert_false(nj_smpp_state_final(NJ_SMPP_STATE_ENROUTE));
	assert_false(nj_smpp_state_final(NJ_SMPP_STATE_ACCEPTED));
	assert_true(nj_smpp_state_final(NJ_SMPP_STATE_UNDELIVERABLE));
	assert_string_equal(nj_smpp_esm_type_text(0x04), "delivery-receipt");
	assert_string_equal(nj_smpp_esm_type_text(0x3c), "reserved");
	assert_string_equal(nj_smpp_esm_mode_text(0x43), "store-and-forward");
}

static void receipts_are_read(void **state)
{
	static const struct {
		const char *text;
		const char *id;
		unsigned sub;
		unsigned dlvrd;
		uint64_t submit;
		uint64_t done;
		uint8_t state;
		const char *err;
		const char *rest;
	} rows[] = {
		/* Appendix B */
		{ "id:0123456789 sub:001 dlvrd:001 submit date:2611221440 done date:2611221441 stat:DELIVRD err:000 "
		  "Text:hi you",
		  "0123456789", 1, 1, NOW, NOW + 60 * SECOND, 2, "000", "hi you" },
		{ "ID:AB SUB:1 DLVRD:0 SUBMIT DATE:2611221440 DONE DATE:261122144059 STAT:undeliv ERR:1B TEXT:", "AB",
		  1, 0, NOW, NOW + 59 * SECOND, 5, "1B", "" },
		{ "stat:EXPIRED err:034 id:7f done date:0000000000 submit date:2611221440", "7f", 0, 0, NOW, 0, 3,
		  "034", "" },
		{ "id: 12 sub: 003 stat: REJECTD err: text:x", "12", 3, 0, 0, 0, 8, "", "x" },
		{ "text:stat id:9 stat:DELETED", "9", 0, 0, 0, 0, 4, "", "stat id:9 stat:DELETED" },
		{ "id:9 stat:DELIVRD text:id:8 stat:EXPIRED", "9", 0, 0, 0, 0, 2, "", "id:8 stat:EXPIRED" },
		{ "id:a submit_date:2611221440 donedate:2611221440 status:ACCEPTD error:9 msg:m", "a", 0, 0, NOW, NOW,
		  6, "9", "m" },
		{ "id:a\tstat:DELIVRD\r\nerr:1", "a", 0, 0, 0, 0, 2, "1", "" },
		{ "id:first id:second stat:DELIVRD", "first", 0, 0, 0, 0, 2, "", "" },
		{ "stat:DELIVRD", "", 0, 0, 0, 0, 2, "", "" },
		{ "id:a sub:99999 dlvrd:x1 submit date:9 stat:WHATEVER", "a", 0, 0, 0, 0, 7, "", "" },
		{ "id:stat:1 stat:DELIVRD", "stat:1", 0, 0, 0, 0, 2, "", "" },
		{ "paid:1 id:2 restat:EXPIRED", "2", 0, 0, 0, 0, 7, "", "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_smpp_receipt r;
		if (nj_smpp_receipt_parse(nj_view_str(rows[i].text), &r) != NJ_OK)
			fail_msg("%s", rows[i].text);
		bool same = nj_view_equal(r.id, nj_view_str(rows[i].id)) && r.submitted == rows[i].sub &&
			    r.delivered == rows[i].dlvrd && r.submit_ms == rows[i].submit &&
			    r.done_ms == rows[i].done && r.state == rows[i].state &&
			    nj_view_equal(r.error, nj_view_str(rows[i].err)) &&
			    nj_view_equal(r.text, nj_view_str(rows[i].rest));
		if (!same)
			fail_msg("%s: id %.*s, state %u, err %.*s, text %.*s", rows[i].text, (int)r.id.len, r.id.data,
				 r.state, (int)r.error.len, r.error.data, (int)r.text.len, r.text.data);
	}
}

static void texts_that_are_no_receipt(void **state)
{
	static const char *const texts[] = {
		"", " ", "hello", "id", "id:", "sub:001", "id:  stat: ", "xid:1", "submit date:2611221440"
	};
	struct nj_smpp_receipt r;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(nj_smpp_receipt_parse(nj_view_str(texts[i]), &r), NJ_ERR_MALFORMED);
}

static void a_receipt_is_written_exactly(void **state)
{
	struct nj_smpp_receipt receipt = {
		.id = VIEW("0123456789"),
		.submitted = 1,
		.delivered = 1,
		.submit_ms = NOW,
		.done_ms = NOW + 61 * SECOND,
		.state = NJ_SMPP_STATE_DELIVERED,
		.network = 3,
		.network_code = 27,
		.text = VIEW("twenty octets and not one more"),
	};
	struct nj_smpp_receipt_room room = { 0 };
	struct nj_smpp_receipt back;
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, 0, 1);
	assert_int_equal(nj_smpp_receipt_fill(&receipt, &room, &pdu), NJ_OK);
	assert_true(nj_view_equal(pdu.short_message,
				  VIEW("id:0123456789 sub:001 dlvrd:001 submit date:2611221440 done date:2611221441 "
				       "stat:DELIVRD err:000 Text:twenty octets and no")));
	assert_int_equal(pdu.esm_class, 0x04);
	assert_true(nj_view_equal(nj_smpp_tlv_data(&pdu.tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID), VIEW("0123456789")));
	assert_int_equal(nj_smpp_tlv_number(&pdu.tlvs, NJ_SMPP_TLV_MESSAGE_STATE, 0), 2);
	assert_true(nj_view_equal(nj_smpp_tlv_data(&pdu.tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE), VIEW("\3\0\x1b")));
	assert_int_equal(nj_smpp_receipt_read(&pdu, &back), NJ_OK);
	assert_int_equal(back.done_ms, NOW + 60 * SECOND);
	assert_int_equal(back.network_code, 27);
	receipt.submitted = 1000;
	receipt.delivered = 999;
	assert_int_equal(nj_smpp_receipt_fill(&receipt, &room, &pdu), NJ_OK);
	assert_non_null(strstr(room.text, " sub:999 dlvrd:999 "));
	receipt.intermediate = true;
	receipt.error = VIEW("12345");
	receipt.state = NJ_SMPP_STATE_ENROUTE;
	receipt.id = VIEW("1234567890123456789012345678901234567890123456789012345678901234");
	assert_int_equal(nj_smpp_receipt_fill(&receipt, &room, &pdu), NJ_OK);
	assert_int_equal(pdu.esm_class, 0x20);
	assert_int_equal(nj_smpp_receipt_read(&pdu, &back), NJ_OK);
	assert_true(back.intermediate);
	assert_true(nj_view_equal(back.error, VIEW("123")));
	receipt.id = VIEW("12345678901234567890123456789012345678901234567890123456789012345");
	assert_int_equal(nj_smpp_receipt_fill(&receipt, &room, &pdu), NJ_ERR_TOO_LARGE);
}

static void a_receipts_parameters_go_before_its_text(void **state)
{
	struct nj_smpp_receipt r;
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, 0, 1);
	pdu.short_message = VIEW("id:1 stat:DELIVRD err:1");
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_ERR_NOT_FOUND);
	pdu.esm_class = NJ_SMPP_ESM_RECEIPT;
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_OK);
	assert_true(nj_view_equal(r.id, VIEW("1")));
	nj_smpp_tlv_set_data(&pdu.tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID, VIEW("2"));
	nj_smpp_tlv_set_number(&pdu.tlvs, NJ_SMPP_TLV_MESSAGE_STATE, NJ_SMPP_STATE_EXPIRED);
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_OK);
	assert_true(nj_view_equal(r.id, VIEW("2")));
	assert_int_equal(r.state, NJ_SMPP_STATE_EXPIRED);
	/* Parameters alone: the text in message_payload, or none, and an esm_class that does not say it. */
	pdu.short_message = VIEW("");
	pdu.esm_class = 0;
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_OK);
	assert_true(nj_view_equal(r.id, VIEW("2")));
	nj_smpp_tlv_set_data(&pdu.tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD, VIEW("err:7 stat:DELIVRD"));
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_OK);
	assert_true(nj_view_equal(r.error, VIEW("7")));
	pdu.esm_class = NJ_SMPP_ESM_SME_ACK;
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_ERR_NOT_FOUND);
	nj_smpp_tlvs_clear(&pdu.tlvs);
	pdu.esm_class = NJ_SMPP_ESM_RECEIPT;
	assert_int_equal(nj_smpp_receipt_read(&pdu, &r), NJ_ERR_MALFORMED);
}

static void ids_are_the_same(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool want;
	} rows[] = {
		{ "812FC7470000001B", "9308878062554710043", true }, /* seen */
		{ "abc123", "ABC123", true },
		{ "00ff", "FF", true },
		{ "00ff", "255", true },
		{ "255", "0000000000FF", true },
		{ "1", "01", true },
		{ "0", "000", true },
		{ "10", "16", true },
		{ "10", "a", true },
		{ "10", "11", false },
		{ "a", "b", false },
		{ "msg-1", "MSG-1", true },
		{ "msg-1", "msg-2", false },
		{ "18446744073709551615", "ffffffffffffffff", true },
		{ "18446744073709551616", "10000000000000000", false }, /* over 64 bits: as text */
		{ "", "", false },
		{ "", "0", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (nj_smpp_id_same(nj_view_str(rows[i].a), nj_view_str(rows[i].b)) != rows[i].want ||
		    nj_smpp_id_same(nj_view_str(rows[i].b), nj_view_str(rows[i].a)) != rows[i].want)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

static void ids_limits(void **state)
{
	struct nj_smpp_id_forms forms;
	char id[NJ_SMPP_MESSAGE_ID_BYTES + 1];
	memset(id, 'z', sizeof(id));
	assert_int_equal(nj_smpp_id_forms(nj_view_of(id, 64), &forms), NJ_OK);
	assert_int_equal(forms.count, 1);
	assert_int_equal(nj_smpp_id_forms(nj_view_of(id, 65), &forms), NJ_ERR_TOO_LARGE);
	assert_false(nj_smpp_id_same(nj_view_of(id, 65), nj_view_of(id, 65)));
	assert_int_equal(nj_smpp_id_forms(nj_view_of("a\0b", 3), &forms), NJ_ERR_MALFORMED);
	assert_int_equal(nj_smpp_id_forms(VIEW("0012"), &forms), NJ_OK);
	assert_int_equal(forms.count, 3);
	assert_string_equal(forms.text[0], "12");
	assert_string_equal(forms.text[1], "c");
	assert_string_equal(forms.text[2], "18");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(a_period_goes_by_the_calendar),
		cmocka_unit_test(times_are_written),
		cmocka_unit_test(every_day_is_itself),
		cmocka_unit_test(dates_of_receipts),
		cmocka_unit_test(data_codings),
		cmocka_unit_test(message_states),
		cmocka_unit_test(receipts_are_read),
		cmocka_unit_test(texts_that_are_no_receipt),
		cmocka_unit_test(a_receipt_is_written_exactly),
		cmocka_unit_test(a_receipts_parameters_go_before_its_text),
		cmocka_unit_test(ids_are_the_same),
		cmocka_unit_test(ids_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
