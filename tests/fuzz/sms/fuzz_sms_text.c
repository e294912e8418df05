/*
 * Any bytes as UTF-8 to be planned, encoded, cut and read back, and as septets to be packed and read. Held: a plan's
 * units and parts are what encoding and cutting give; no part exceeds its room or begins within a character; what was
 * encoded without transliteration reads the same; packed septets come back.
 */
#include "base/text.h"
#include "sms/text/septet.h"
#include "sms/text/text.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t units[NJ_SMS_UNITS_MAX];
static uint8_t text_again[3 * NJ_SMS_UNITS_MAX];

static void check_parts(const struct nj_sms_text_plan *plan, struct nj_view all)
{
	struct nj_sms_split split;
	struct nj_view part;
	size_t given = 0;
	size_t at = 0;
	CHECK(nj_sms_split_begin(&split, &plan->layout, all) == NJ_OK);
	CHECK(split.parts == plan->parts);
	size_t room = nj_sms_capacity(plan->layout.charset, nj_sms_header_octets(&plan->layout, plan->parts > 1));
	while (nj_sms_split_next(&split, &part)) {
		size_t inside = 0;
		CHECK(part.len <= room);
		while (inside < part.len)
			inside += nj_sms_unit_width(plan->layout.charset, all, at + inside);
		CHECK(inside == part.len);
		at += part.len;
		given++;
	}
	CHECK(given == plan->parts && at == all.len);
}

static void check_text(const struct nj_sms_text_rules *rules, struct nj_view text)
{
	struct nj_sms_text_plan plan;
	struct nj_sms_text_fault fault = { 0, 0 };
	size_t count = 0;
	enum nj_err err = nj_sms_text_plan(rules, text, &plan, &fault);
	if (err == NJ_ERR_UNSUPPORTED || err == NJ_ERR_MALFORMED)
		CHECK(fault.at < text.len);
	CHECK((err == NJ_ERR_MALFORMED) == !nj_utf8_valid(text) || err == NJ_ERR_UNSUPPORTED || err == NJ_ERR_USAGE);
	if (err != NJ_OK)
		return;
	CHECK(nj_sms_text_encode(&plan, text, units, sizeof(units), &count) == NJ_OK);
	CHECK(count == plan.units);
	check_parts(&plan, nj_view_of(units, count));
	struct nj_writer w = nj_writer_of(text_again, sizeof(text_again));
	CHECK(nj_sms_text_decode(plan.layout.charset, plan.layout.tables, nj_view_of(units, count), &w) == NJ_OK);
	if (!plan.transliterated)
		CHECK(nj_view_equal(nj_view_of(text_again, w.pos), text));
}

static void check_septets(struct nj_view in, unsigned fill)
{
	uint8_t packed[256];
	uint8_t again[256];
	struct nj_view some = nj_view_of(in.data, in.len < 200 ? in.len : 200);
	struct nj_writer w = nj_writer_of(packed, sizeof(packed));
	nj_septet_pack(&w, some.data, some.len, fill);
	CHECK(w.err == NJ_OK && w.pos == nj_septet_octets(some.len, fill));
	struct nj_reader r = nj_reader_of(packed, w.pos);
	nj_septet_unpack(&r, some.len, fill, again);
	CHECK(nj_reader_end(&r) == NJ_OK);
	for (size_t i = 0; i < some.len; i++)
		CHECK(again[i] == (some.data[i] & 0x7F));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6)
		return 0;
	struct nj_view in = nj_view_of(data + 6, size - 6);
	struct nj_sms_text_rules rules = {
		.gsm7 = (data[0] & 1) != 0,
		.ucs2 = (data[0] & 2) != 0,
		.transliterate = (data[0] & 4) != 0,
		.wide_reference = (data[0] & 8) != 0,
		.locking = (uint16_t)(data[1] << 8 | data[2]),
		.single = (uint16_t)(data[3] << 8 | data[4]),
	};
	struct nj_gsm7_tables tables = { data[1], data[3] };
	check_text(&rules, in);
	check_septets(in, data[5] % 7);
	struct nj_writer w = nj_writer_of(text_again, sizeof(text_again));
	nj_gsm7_decode(tables, nj_view_of(in.data, in.len < NJ_SMS_UNITS_MAX ? in.len : NJ_SMS_UNITS_MAX), &w);
	CHECK(w.err == NJ_OK && nj_utf8_valid(nj_view_of(text_again, w.pos)));
	w = nj_writer_of(text_again, sizeof(text_again));
	CHECK(nj_sms_text_decode(NJ_SMS_UCS2, tables, nj_view_of(in.data, in.len < 4096 ? in.len : 4096), &w) == NJ_OK);
	return 0;
}
