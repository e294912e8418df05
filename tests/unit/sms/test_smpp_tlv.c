/* SMPP's optional parameters: each one's limits, what is unknown, what goes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/smpp/table.h"

#define CAP 4096
#define ITEMS(text) text, sizeof(text) - 1

static struct nj_smpp_fault submit_with(const char *tlvs, size_t len, const char *text, struct nj_smpp_pdu *out_pdu)
{
	static uint8_t bytes[CAP];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	uint8_t *length = nj_write_reserve(&w, 4);
	nj_write_u32(&w, NJ_SMPP_SUBMIT_SM);
	nj_write_u64(&w, 1);
	nj_write_bytes(&w,
		       "\0\0\0\0\1\1"
		       "49\0\0\0\0\0\0\0\0\0",
		       17);
	nj_write_u8(&w, 0);
	nj_write_u8(&w, (uint8_t)strlen(text));
	nj_write_bytes(&w, text, strlen(text));
	nj_write_bytes(&w, tlvs, len);
	nj_put_u32(length, (uint32_t)w.pos);
	struct nj_smpp_fault fault = nj_smpp_decode(nj_view_of(bytes, w.pos), out_pdu);
	return fault.kind != NJ_SMPP_FAULT_NONE ? fault : nj_smpp_check(out_pdu, NJ_SMPP_ESME);
}

static void optional_parameters(void **state)
{
	static const struct {
		const char *what;
		const char *tlvs;
		size_t len;
		const char *text;
		uint32_t want;
	} rows[] = {
		{ "none", ITEMS(""), "x", 0 },
		{ "one", ITEMS("\2\4\0\2\0\1"), "x", 0 },
		{ "half a tag", ITEMS("\2"), "x", NJ_SMPP_RINVOPTPARSTREAM },
		{ "no length", ITEMS("\2\4"), "x", NJ_SMPP_RINVOPTPARSTREAM },
		{ "half a length", ITEMS("\2\4\0"), "x", NJ_SMPP_RINVOPTPARSTREAM },
		{ "half a value", ITEMS("\2\4\0\2\0"), "x", NJ_SMPP_RINVOPTPARSTREAM },
		{ "a length behind the end", ITEMS("\2\4\xff\xff\0\1"), "x", NJ_SMPP_RINVOPTPARSTREAM },
		{ "a number too short", ITEMS("\2\4\0\1\0"), "x", NJ_SMPP_RINVPARLEN },
		{ "a number too long", ITEMS("\2\4\0\3\0\0\1"), "x", NJ_SMPP_RINVPARLEN },
		{ "octets too short", ITEMS("\3\x81\0\3\1\1\1"), "x", NJ_SMPP_RINVPARLEN },
		{ "octets at their least", ITEMS("\3\x81\0\4\1\1\1\1"), "x", 0 },
		{ "octets at their most",
		  ITEMS("\3\x81\0\x13\1\1\1"
			"1234567890123456"),
		  "x", 0 },
		{ "octets too long",
		  ITEMS("\3\x81\0\x14\1\1\1"
			"12345678901234567"),
		  "x", NJ_SMPP_RINVPARLEN },
		{ "a value at its limit", ITEMS("\2\1\0\1\3"), "x", 0 },
		{ "a value over its limit", ITEMS("\2\1\0\1\4"), "x", NJ_SMPP_RINVOPTPARAMVAL },
		{ "99 messages", ITEMS("\3\4\0\1\x63"), "x", 0 },
		{ "100 messages", ITEMS("\3\4\0\1\x64"), "x", NJ_SMPP_RINVOPTPARAMVAL },
		{ "all of sar", ITEMS("\2\xc\0\2\0\1\2\xe\0\1\2\2\xf\0\1\2"), "x", 0 },
		{ "sar without a number", ITEMS("\2\xc\0\2\0\1\2\xe\0\1\2"), "x", NJ_SMPP_RMISSINGOPTPARAM },
		{ "sar without a total", ITEMS("\2\xc\0\2\0\1\2\xf\0\1\2"), "x", NJ_SMPP_RMISSINGOPTPARAM },
		{ "sar without a reference", ITEMS("\2\xe\0\1\2\2\xf\0\1\2"), "x", NJ_SMPP_RMISSINGOPTPARAM },
		{ "part 3 of 2", ITEMS("\2\xc\0\2\0\1\2\xe\0\1\2\2\xf\0\1\3"), "x", NJ_SMPP_RINVOPTPARAMVAL },
		{ "part 0", ITEMS("\2\xc\0\2\0\1\2\xe\0\1\2\2\xf\0\1\0"), "x", NJ_SMPP_RINVOPTPARAMVAL },
		{ "a payload", ITEMS("\4\x24\0\1x"), "", 0 },
		{ "an empty payload", ITEMS("\4\x24\0\0"), "", 0 },
		{ "a payload and a message", ITEMS("\4\x24\0\1x"), "x", NJ_SMPP_ROPTPARNOTALLWD },
		{ "an unknown one", ITEMS("\x3f\xff\0\1x"), "x", 0 },
		{ "one that this PDU does not have, wrong", ITEMS("\4\x23\0\1x"), "x", 0 },
		{ "twice", ITEMS("\2\4\0\2\0\1\2\4\0\2\0\2"), "x", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_smpp_pdu pdu;
		struct nj_smpp_fault fault = submit_with(rows[i].tlvs, rows[i].len, rows[i].text, &pdu);
		if (fault.status != rows[i].want)
			fail_msg("%s: %s", rows[i].what, nj_smpp_status_name(fault.status));
	}
}

static void what_is_unknown_is_kept(void **state)
{
	static const char tlvs[] = "\x3f\xff\0\2vt\2\4\0\2\0\7\4\x23\0\3abc\2\4\0\2\0\x8\x14\0\0\0";
	struct nj_smpp_pdu pdu;
	struct nj_smpp_tlv_item item;
	uint8_t out[CAP];
	size_t cursor = 0;
	size_t len = 0;
	unsigned count = 0;
	assert_int_equal(submit_with(tlvs, sizeof(tlvs) - 1, "x", &pdu).status, 0);
	assert_int_equal(nj_smpp_tlv_number(&pdu.tlvs, NJ_SMPP_TLV_USER_MESSAGE_REFERENCE, 0), 7);
	assert_false(nj_smpp_has(&pdu.tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE));
	assert_int_equal(nj_smpp_tlv_data(&pdu.tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE).len, 0);
	while (nj_smpp_tlv_next(&pdu.tlvs, &cursor, &item))
		count++;
	assert_int_equal(count, 5);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_OK);
	/* What is expected goes first, the rest as it stood. */
	static const char want[] = "\2\4\0\2\0\7\x3f\xff\0\2vt\4\x23\0\3abc\2\4\0\2\0\x8\x14\0\0\0";
	assert_memory_equal(out + len - (sizeof(want) - 1), want, sizeof(want) - 1);
}

/* callback_num may stand several times; whoever takes it out takes all out. */
static void what_stands_twice_goes_together(void **state)
{
	static const char tlvs[] = "\3\x81\0\4\1\1\1a\3\x81\0\4\1\1\1b\x14\0\0\1v";
	struct nj_smpp_pdu pdu;
	uint8_t out[CAP];
	size_t len = 0;
	assert_int_equal(submit_with(tlvs, sizeof(tlvs) - 1, "x", &pdu).status, 0);
	assert_int_equal(nj_smpp_tlv_data(&pdu.tlvs, NJ_SMPP_TLV_CALLBACK_NUM).data[3], 'a');
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_OK);
	assert_memory_equal(out + len - (sizeof(tlvs) - 1), tlvs, sizeof(tlvs) - 1);
	pdu.tlvs.present = 0;
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_OK);
	assert_memory_equal(out + len - 6, "x\x14\0\0\1v", 6);
}

static void vendors_parameters_go_through(void **state)
{
	static const char tlvs[] = "\x13\xff\0\1a\x14\0\0\1b\2\4\0\2\0\7\x3f\xff\0\1c\x40\0\0\1d";
	struct nj_smpp_pdu pdu;
	uint8_t out[64];
	struct nj_writer w = nj_writer_of(out, sizeof(out));
	assert_int_equal(submit_with(tlvs, sizeof(tlvs) - 1, "x", &pdu).status, 0);
	nj_smpp_tlv_vendors(&pdu.tlvs, &w);
	assert_int_equal(w.pos, 10);
	assert_memory_equal(out, "\x14\0\0\1b\x3f\xff\0\1c", 10);
}

/* Each row of the table: its limits, where it is expected and where it is not. */
static void every_row_of_the_parameters(void **state)
{
	static const struct {
		uint16_t tag;
		uint8_t type;
		uint32_t min;
		uint32_t max;
		uint8_t where;
		const char *name;
	} rows[] = {
#define ROW(name, tag, text, type, min, max, where) { tag, NJ_SMPP_TLV_##type, min, max, where, text },
		NJ_SMPP_TLV_TABLE(ROW)
#undef ROW
	};
	static const uint8_t value[70000] = { 'x', 'y', 'z', '1' };
	static uint8_t bytes[70000];
	uint16_t last = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t exact = rows[i].type == NJ_SMPP_TLV_U8 ? 1 : rows[i].type == NJ_SMPP_TLV_U16 ? 2 : 4;
		bool number = rows[i].type <= NJ_SMPP_TLV_U32;
		size_t min = number ? exact : rows[i].min;
		size_t max = number ? exact : rows[i].max;
		assert_true(rows[i].tag > last);
		last = rows[i].tag;
		assert_string_equal(nj_smpp_tlv_name(rows[i].tag), rows[i].name);
		for (size_t len = min > 0 ? min - 1 : 0; len <= max + 1 && len < 0xffff; len = len < min   ? min
											       : len < max ? max
													   : max + 1) {
			struct nj_smpp_tlvs set;
			const char *field = "";
			struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
			/* A string's zero at its end. */
			bool string = rows[i].type == NJ_SMPP_TLV_STRING;
			nj_smpp_tlv_append(&w, rows[i].tag,
					   nj_view_of(string && len > 0 ? value + sizeof(value) - len : value, len));
			if (string && len > 1)
				memset(bytes + 4, 'x', len - 1);
			struct nj_reader r = nj_reader_of(bytes, w.pos);
			uint8_t fault = nj_smpp_tlvs_read(&r, rows[i].where, &set, &field);
			uint8_t want = len >= min && len <= max ? NJ_SMPP_FAULT_NONE : NJ_SMPP_FAULT_TLV_LENGTH;
			if (fault != want)
				fail_msg("%s, %zu octets: %s", rows[i].name, len, nj_smpp_fault_text(fault));
			r = nj_reader_of(bytes, w.pos);
			assert_int_equal(nj_smpp_tlvs_read(&r, (unsigned)(0x7f & ~rows[i].where), &set, &field), 0);
			assert_int_equal(set.present, 0);
			if (len > max)
				break;
		}
	}
	assert_null(nj_smpp_tlv_name(0x1400));
}

static void strings_of_parameters(void **state)
{
	static const struct {
		const char *value;
		size_t len;
		uint8_t want;
		size_t got;
	} rows[] = { { ITEMS("abc\0"), 0, 3 },
		     { ITEMS("abc"), 0, 3 },
		     { ITEMS("\0"), 0, 0 },
		     { ITEMS("a\0c"), NJ_SMPP_FAULT_TLV_VALUE, 0 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[32];
		struct nj_smpp_tlvs set;
		const char *field = "";
		struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
		nj_smpp_tlv_append(&w, 0x001e, nj_view_of(rows[i].value, rows[i].len));
		struct nj_reader r = nj_reader_of(bytes, w.pos);
		assert_int_equal(nj_smpp_tlvs_read(&r, NJ_SMPP_IN_DELIVER, &set, &field), rows[i].want);
		if (rows[i].want == 0)
			assert_int_equal(nj_smpp_tlv_data(&set, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID).len, rows[i].got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(optional_parameters),
		cmocka_unit_test(what_is_unknown_is_kept),
		cmocka_unit_test(what_stands_twice_goes_together),
		cmocka_unit_test(vendors_parameters_go_through),
		cmocka_unit_test(every_row_of_the_parameters),
		cmocka_unit_test(strings_of_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
