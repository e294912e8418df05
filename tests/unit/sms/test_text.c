#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "sms/text/text.h"

static const struct nj_sms_text_rules usual = { .gsm7 = true, .ucs2 = true };
static const struct nj_sms_text_rules all_tables = {
	.gsm7 = true,
	.ucs2 = true,
	.locking = NJ_GSM7_ALL_LOCKING,
	.single = NJ_GSM7_ALL_SINGLE,
};

static struct nj_view repeat(const char *text, size_t count)
{
	static char out[200 * 1024];
	size_t len = strlen(text);
	assert_true(len * count < sizeof(out));
	for (size_t i = 0; i < count; i++)
		memcpy(out + i * len, text, len);
	return nj_view_of(out, len * count);
}

static void plans(const struct nj_sms_text_rules *rules, struct nj_view text, enum nj_sms_charset charset, size_t units,
		  size_t parts)
{
	struct nj_sms_text_plan plan;
	assert_int_equal(nj_sms_text_plan(rules, text, &plan, NULL), NJ_OK);
	assert_int_equal(plan.layout.charset, charset);
	assert_int_equal(plan.units, units);
	assert_int_equal(plan.parts, parts);
}

static void parts_at_their_limits(void **state)
{
	plans(&usual, nj_view_str(""), NJ_SMS_GSM7, 0, 1);
	plans(&usual, repeat("a", 160), NJ_SMS_GSM7, 160, 1);
	plans(&usual, repeat("a", 161), NJ_SMS_GSM7, 161, 2);
	plans(&usual, repeat("a", 306), NJ_SMS_GSM7, 306, 2);
	plans(&usual, repeat("a", 307), NJ_SMS_GSM7, 307, 3);
	plans(&usual, repeat("€", 80), NJ_SMS_GSM7, 160, 1);
	plans(&usual, repeat("€", 81), NJ_SMS_GSM7, 162, 2);
	/* 76 pairs a part of 153: the odd septet stays empty rather than cut a pair. */
	plans(&usual, repeat("€", 152), NJ_SMS_GSM7, 304, 2);
	plans(&usual, repeat("€", 153), NJ_SMS_GSM7, 306, 3);
	plans(&usual, repeat("я", 70), NJ_SMS_UCS2, 140, 1);
	plans(&usual, repeat("я", 71), NJ_SMS_UCS2, 142, 2);
	plans(&usual, repeat("я", 134), NJ_SMS_UCS2, 268, 2);
	plans(&usual, repeat("я", 135), NJ_SMS_UCS2, 270, 3);
	plans(&usual, repeat("😀", 35), NJ_SMS_UCS2, 140, 1);
	/* 33 pairs of 4 octets a part of 134. */
	plans(&usual, repeat("😀", 66), NJ_SMS_UCS2, 264, 2);
	plans(&usual, repeat("😀", 67), NJ_SMS_UCS2, 268, 3);
}

static void a_wide_reference_costs_room(void **state)
{
	struct nj_sms_text_rules wide = usual;
	wide.wide_reference = true;
	plans(&wide, repeat("a", 160), NJ_SMS_GSM7, 160, 1);
	plans(&wide, repeat("a", 304), NJ_SMS_GSM7, 304, 2);
	plans(&wide, repeat("a", 305), NJ_SMS_GSM7, 305, 3);
	plans(&wide, repeat("я", 132), NJ_SMS_UCS2, 264, 2);
	plans(&wide, repeat("я", 133), NJ_SMS_UCS2, 266, 3);
}

static void the_255th_part_is_the_last(void **state)
{
	struct nj_sms_text_plan plan = { .parts = 7 };
	plans(&usual, repeat("a", 153 * 254), NJ_SMS_GSM7, 153 * 254, 254);
	plans(&usual, repeat("a", 153 * 255), NJ_SMS_GSM7, 153 * 255, 255);
	assert_int_equal(nj_sms_text_plan(&usual, repeat("a", 153 * 255 + 1), &plan, NULL), NJ_ERR_TOO_LARGE);
	assert_int_equal(plan.parts, 7);
	plans(&usual, repeat("я", 67 * 255), NJ_SMS_UCS2, 134 * 255, 255);
	assert_int_equal(nj_sms_text_plan(&usual, repeat("я", 67 * 255 + 1), &plan, NULL), NJ_ERR_TOO_LARGE);
}

static void shift_tables_only_where_they_are_allowed_and_cheaper(void **state)
{
	struct nj_sms_text_rules turkish = usual;
	struct nj_sms_text_plan plan;
	turkish.single = NJ_GSM7_BIT(NJ_GSM7_TURKISH);
	plans(&usual, repeat("aş", 71), NJ_SMS_UCS2, 284, 3);
	assert_int_equal(nj_sms_text_plan(&turkish, repeat("aş", 50), &plan, NULL), NJ_OK);
	assert_int_equal(plan.layout.charset, NJ_SMS_GSM7);
	assert_int_equal(plan.layout.tables.single, NJ_GSM7_TURKISH);
	assert_int_equal(plan.layout.tables.locking, NJ_GSM7_DEFAULT);
	assert_int_equal(plan.units, 150);
	assert_int_equal(plan.parts, 1);
	/* One letter: its header would cost more than two octets. */
	plans(&turkish, nj_view_str("ş"), NJ_SMS_UCS2, 2, 1);
	/* 155 septets behind a header of four octets. */
	assert_int_equal(nj_sms_text_plan(&turkish, repeat("ş", 77), &plan, NULL), NJ_OK);
	assert_int_equal(plan.parts, 1);
	assert_int_equal(nj_sms_text_plan(&turkish, repeat("ş", 78), &plan, NULL), NJ_OK);
	assert_int_equal(plan.parts, 2);
}

static void of_all_tables_the_right_pair(void **state)
{
	static const struct {
		const char *text;
		unsigned locking, single;
	} rows[] = {
		{ "plain text", 0, 0 },
		{ "€€€€€€€€€€€€", 0, 0 }, /* shorter with a table, but no cheaper */
		{ "çığ düştü, İstanbul'da ağaçlar şaşkın", NJ_GSM7_TURKISH, 0 },
		{ "mañana comeré más jamón, así está bién", 0, NJ_GSM7_SPANISH },
		{ "Não há pão de açúcar às três, João", NJ_GSM7_PORTUGUESE, 0 },
		{ "আমি বাংলায় গান গাই ৯৯৯", NJ_GSM7_BENGALI, NJ_GSM7_BENGALI },
		{ "नमस्ते दुनिया, आप कैसे हैं", NJ_GSM7_HINDI, 0 },
		{ "வணக்கம் உலகம்", NJ_GSM7_TAMIL, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_sms_text_plan plan;
		assert_int_equal(nj_sms_text_plan(&all_tables, nj_view_str(rows[i].text), &plan, NULL), NJ_OK);
		assert_int_equal(plan.layout.charset, NJ_SMS_GSM7);
		assert_int_equal(plan.layout.tables.locking, rows[i].locking);
		assert_int_equal(plan.layout.tables.single, rows[i].single);
	}
	/* Two parts in the default alphabet, one with a table. */
	struct nj_sms_text_plan plan;
	assert_int_equal(nj_sms_text_plan(&all_tables, repeat("€", 100), &plan, NULL), NJ_OK);
	assert_int_equal(plan.parts, 1);
	assert_int_equal(plan.layout.tables.locking, NJ_GSM7_TURKISH);
	/* Arabic letters that Urdu has not. */
	plans(&all_tables, nj_view_str("ي"), NJ_SMS_UCS2, 2, 1);
}

static void says_what_is_in_the_way(void **state)
{
	struct nj_sms_text_rules narrow = { .gsm7 = true };
	static const struct {
		const char *text;
		enum nj_err err;
		size_t at;
		uint32_t code;
	} rows[] = {
		{ "ok я", NJ_ERR_UNSUPPORTED, 3, 0x44F },      { "é 😀 я", NJ_ERR_UNSUPPORTED, 3, 0x1F600 },
		{ "a\xff", NJ_ERR_MALFORMED, 1, 0xFF },        { "a\xc3", NJ_ERR_MALFORMED, 1, 0xC3 },
		{ "\xed\xa0\x80", NJ_ERR_MALFORMED, 0, 0xED },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_sms_text_fault fault = { 99, 99 };
		struct nj_sms_text_plan plan = { .parts = 7 };
		assert_int_equal(nj_sms_text_plan(&narrow, nj_view_str(rows[i].text), &plan, &fault), rows[i].err);
		assert_int_equal(fault.at, rows[i].at);
		assert_int_equal(fault.code, rows[i].code);
		assert_int_equal(plan.parts, 7);
	}
	struct nj_sms_text_fault fault = { 99, 99 };
	struct nj_sms_text_plan plan;
	assert_int_equal(nj_sms_text_plan(&usual, nj_view_str("я"), &plan, &fault), NJ_OK);
	assert_int_equal(fault.at, 99);
	assert_int_equal(nj_sms_text_plan(&usual, nj_view_of("a\0b", 3), &plan, &fault), NJ_ERR_MALFORMED);
	assert_int_equal(fault.at, 1);
	assert_int_equal(nj_sms_text_plan(&(struct nj_sms_text_rules){ 0 }, nj_view_str("a"), &plan, NULL),
			 NJ_ERR_USAGE);
}

static void transliterates_only_when_asked(void **state)
{
	static const struct {
		const char *text;
		const char *becomes;
	} rows[] = {
		{ "“Hello” – it’s…", "\"Hello\" - it's..." },
		{ "Škoda Łódź", "Skoda Lodz" },
		{ "Ünïcödé", "Ünicödé" },
		{ "Жизнь", "ZHizn'" },
	};
	struct nj_sms_text_rules rules = usual;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_sms_text_plan plan;
		uint8_t units[64];
		char utf8[65] = "";
		size_t count = 0;
		rules.transliterate = false;
		assert_int_equal(nj_sms_text_plan(&rules, nj_view_str(rows[i].text), &plan, NULL), NJ_OK);
		assert_int_equal(plan.layout.charset, NJ_SMS_UCS2);
		assert_false(plan.transliterated);
		rules.transliterate = true;
		assert_int_equal(nj_sms_text_plan(&rules, nj_view_str(rows[i].text), &plan, NULL), NJ_OK);
		assert_int_equal(plan.layout.charset, NJ_SMS_GSM7);
		assert_true(plan.transliterated);
		assert_int_equal(nj_sms_text_encode(&plan, nj_view_str(rows[i].text), units, sizeof(units), &count),
				 NJ_OK);
		assert_int_equal(count, plan.units);
		struct nj_writer w = nj_writer_of(utf8, sizeof(utf8) - 1);
		assert_int_equal(nj_sms_text_decode(NJ_SMS_GSM7, plan.layout.tables, nj_view_of(units, count), &w),
				 NJ_OK);
		assert_string_equal(utf8, rows[i].becomes);
	}
	/* What nothing stands for leaves the text as it is. */
	rules.transliterate = true;
	plans(&rules, nj_view_str("ā漢"), NJ_SMS_UCS2, 4, 1);
	assert_string_equal(nj_sms_transliterate(0x101), "a");
	assert_null(nj_sms_transliterate('a'));
}

static void what_is_encoded_reads_the_same(void **state)
{
	static const char *const texts[] = {
		"",         "@",        "plain",    "[brackets] {and} €uro\f",
		"çığ İŞĞ",  "Ωmega ΔΦ", "नमस्ते ABC", "\xf0\x9f\x98\x80 smile",
		"اردو میں", "ಕನ್ನಡ",     "മലയാളം",   "ଓଡ଼ିଆ",
		"ਪੰਜਾਬੀ",    "తెలుగు",    "ગુજરાતી",   "line\r\nline",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (unsigned wide = 0; wide < 2; wide++) {
			struct nj_sms_text_rules rules = wide ? all_tables : usual;
			struct nj_sms_text_plan plan;
			uint8_t units[512];
			char utf8[512] = "";
			size_t count = 0;
			assert_int_equal(nj_sms_text_plan(&rules, nj_view_str(texts[i]), &plan, NULL), NJ_OK);
			assert_int_equal(nj_sms_text_encode(&plan, nj_view_str(texts[i]), units, sizeof(units), &count),
					 NJ_OK);
			assert_int_equal(count, plan.units);
			struct nj_writer w = nj_writer_of(utf8, sizeof(utf8) - 1);
			assert_int_equal(nj_sms_text_decode(plan.layout.charset, plan.layout.tables,
							    nj_view_of(units, count), &w),
					 NJ_OK);
			assert_string_equal(utf8, texts[i]);
		}
}

static void broken_utf16(void **state)
{
	static const struct {
		uint8_t units[6];
		size_t len;
		const char *want;
	} rows[] = {
		{ { 0xd8, 0x3d, 0xde, 0x00 }, 4, "😀" },
		{ { 0xd8, 0x3d }, 2, "\xef\xbf\xbd" },
		{ { 0xde, 0x00, 0x00, 'a' },
		  4,
		  "\xef\xbf\xbd"
		  "a" },
		{ { 0xd8, 0x3d, 0x00, 'a' },
		  4,
		  "\xef\xbf\xbd"
		  "a" },
		{ { 0xd8, 0x3d, 0xd8, 0x3d, 0xde, 0x00 }, 6, "\xef\xbf\xbd😀" },
		{ { 0x00, 'a', 0x00 }, 3, "a\xef\xbf\xbd" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char utf8[32] = "";
		struct nj_writer w = nj_writer_of(utf8, sizeof(utf8) - 1);
		struct nj_gsm7_tables none = { 0, 0 };
		assert_int_equal(nj_sms_text_decode(NJ_SMS_UCS2, none, nj_view_of(rows[i].units, rows[i].len), &w),
				 NJ_OK);
		assert_string_equal(utf8, rows[i].want);
	}
}

static void buffers_that_are_too_small(void **state)
{
	struct nj_sms_text_plan plan;
	uint8_t units[3];
	size_t count = 99;
	struct nj_gsm7_tables none = { 0, 0 };
	assert_int_equal(nj_sms_text_plan(&usual, nj_view_str("abcd"), &plan, NULL), NJ_OK);
	assert_int_equal(nj_sms_text_encode(&plan, nj_view_str("abcd"), units, sizeof(units), &count), NJ_ERR_FULL);
	assert_int_equal(count, 99);
	struct nj_writer w = nj_writer_of(units, sizeof(units));
	assert_int_equal(nj_sms_text_decode(NJ_SMS_GSM7, none, nj_view_str("abcd"), &w), NJ_ERR_FULL);
	assert_int_equal(nj_sms_text_decode(NJ_SMS_BINARY, none, nj_view_str("abcd"), &w), NJ_ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_at_their_limits),
		cmocka_unit_test(a_wide_reference_costs_room),
		cmocka_unit_test(the_255th_part_is_the_last),
		cmocka_unit_test(shift_tables_only_where_they_are_allowed_and_cheaper),
		cmocka_unit_test(of_all_tables_the_right_pair),
		cmocka_unit_test(says_what_is_in_the_way),
		cmocka_unit_test(transliterates_only_when_asked),
		cmocka_unit_test(what_is_encoded_reads_the_same),
		cmocka_unit_test(broken_utf16),
		cmocka_unit_test(buffers_that_are_too_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
