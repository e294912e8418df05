#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "sms/number.h"

/* What a row expects: "+" and an E.164 number, "#" and a short code, "'" and a name, or the name of an error. */
static void is(enum nj_err err, const struct nj_sms_party *party, const char *input, const char *want)
{
	static const char signs[] = {
		[NJ_SMS_PARTY_NUMBER] = '+', [NJ_SMS_PARTY_SHORT_CODE] = '#', [NJ_SMS_PARTY_NAME] = '\''
	};
	char got[64];
	if (err == NJ_OK)
		assert_int_equal(nj_text_format(got, sizeof(got), "%c%s", signs[party->kind], party->text), NJ_OK);
	else
		assert_int_equal(nj_text_copy(got, sizeof(got), nj_err_name(err)), NJ_OK);
	if (strcmp(got, want) != 0)
		fail_msg("%s: got %s, want %s", input, got, want);
}

static struct nj_sms_numbering of(const char *region, bool national)
{
	return (struct nj_sms_numbering){ .home = nj_country_of(nj_view_str(region)), .national = national };
}

static void types_of_number(void **state)
{
	static const struct {
		uint8_t ton;
		const char *home;
		const char *text;
		const char *want;
	} rows[] = {
		/* unknown */
		{ 0, "DE", "+4915123456789", "+4915123456789" },
		{ 0, "DE", "004915123456789", "+4915123456789" },
		{ 0, "DE", "015123456789", "+4915123456789" },
		{ 0, "DE", "4915123456789", "+4915123456789" },
		{ 0, "", "4915123456789", "+4915123456789" },
		{ 0, "", "004915123456789", "+4915123456789" },
		{ 0, "", "015123456789", "range" },
		{ 0, "US", "0114915123456789", "+4915123456789" },
		{ 0, "US", "2025550123", "+2025550123" }, /* Egypt: see the next test */
		{ 0, "US", "12025550123", "+12025550123" },
		{ 0, "ES", "612345678", "+34612345678" },
		{ 0, "IT", "0612345678", "+390612345678" }, /* its nought is part of the number */
		{ 0, "RU", "89123456789", "+79123456789" },
		{ 0, "RU", "79123456789", "+79123456789" },
		{ 0, "HU", "06201234567", "+36201234567" },
		/* international */
		{ 1, "", "4915123456789", "+4915123456789" },
		{ 1, "", "+4915123456789", "+4915123456789" },
		{ 1, "DE", "004915123456789", "+4915123456789" },
		{ 1, "DE", "015123456789", "range" },
		{ 1, "", "882161234567", "+882161234567" },
		{ 1, "", "883120000000010", "+883120000000010" },
		{ 1, "", "999123456789", "range" }, /* a code that no country has */
		/* national */
		{ 2, "DE", "15123456789", "+4915123456789" },
		{ 2, "DE", "015123456789", "+4915123456789" },
		{ 2, "", "15123456789", "range" },
		{ 2, "GB", "7911123456", "+447911123456" },
		/* short codes, whatever their type */
		{ 0, "", "123", "#123" },
		{ 1, "", "12345", "#12345" },
		{ 2, "DE", "123456", "#123456" },
		{ 3, "", "1234", "#1234" },
		{ 6, "", "1234", "#1234" },
		{ 0, "", "12", "range" },
		{ 0, "", "+12345", "range" },
		{ 2, "AT", "1234567", "+431234567" },
		/* alphanumeric */
		{ 5, "", "Nightjar", "'Nightjar" },
		{ 5, "", "A", "'A" },
		{ 5, "", "12345678901", "+12345678901" },
		{ 5, "", "Abcdefghijk", "'Abcdefghijk" },
		{ 5, "", "Abcdefghijkl", "malformed" },
		{ 5, "", "Abcdefghij[", "malformed" },
		{ 5, "", "Größe", "'Größe" },
		{ 5, "", "имя", "malformed" },
		{ 5, "", "a\nb", "malformed" },
		{ 5, "", "", "malformed" },
		{ 5, "", "4915123456789", "+4915123456789" },
		{ 5, "", "12345", "#12345" },
		{ 5, "", "+49 151-2345", "+491512345" }, /* no name that looks like a number */
		/* no digits */
		{ 0, "", "", "malformed" },
		{ 0, "", "+", "malformed" },
		{ 0, "", "49151*3456789", "malformed" },
		{ 1, "", "Nightjar", "malformed" },
		{ 0, "", "+49 151", "malformed" },
		{ 1, "", "0", "range" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_address address = { .ton = rows[i].ton };
		struct nj_sms_numbering numbering = of(rows[i].home, false);
		struct nj_sms_party party;
		assert_int_equal(nj_text_copy(address.text, sizeof(address.text), rows[i].text), NJ_OK);
		is(nj_sms_party_normalise(&address, &numbering, &party), &party, rows[i].text, rows[i].want);
	}
}

/* The same digits, read the one way and the other. */
static void accounts_that_write_national_numbers(void **state)
{
	struct nj_address address = { .text = "4123456789" };
	struct nj_sms_numbering international = of("US", false);
	struct nj_sms_numbering national = of("US", true);
	struct nj_sms_party party;
	is(nj_sms_party_normalise(&address, &national, &party), &party, address.text, "+14123456789");
	assert_int_equal(nj_text_copy(address.text, sizeof(address.text), "4712345678"), NJ_OK);
	is(nj_sms_party_normalise(&address, &international, &party), &party, address.text, "+4712345678");
	is(nj_sms_party_normalise(&address, &national, &party), &party, address.text, "+14712345678");
	assert_int_equal(nj_text_copy(address.text, sizeof(address.text), "2025550123"), NJ_OK);
	is(nj_sms_party_normalise(&address, &national, &party), &party, address.text, "+12025550123");
}

static void as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "+49 (151) 234-567 89", "+4915123456789" },
		{ "0151/23456789", "+4915123456789" },
		{ "0049.151.23456789", "+4915123456789" },
		{ "12 345", "#12345" },
		{ "Nightjar", "'Nightjar" },
		{ "My Shop", "'My Shop" },
		{ "+49 151 CALL", "malformed" },
		{ "", "malformed" },
		{ " ", "malformed" },
		{ " Shop", "malformed" },
		{ "Shop ", "malformed" },
		{ "*100#", "malformed" },
		{ "€€", "malformed" },
		{ "Ω", "'Ω" },
		{ "a\xff", "malformed" },
		{ "0000000000000000000000000000000000000000000", "malformed" },
	};
	struct nj_sms_numbering numbering = of("de", false);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_sms_party party;
		is(nj_sms_party_parse(nj_view_str(rows[i].text), &numbering, &party), &party, rows[i].text,
		   rows[i].want);
	}
}

static void what_is_sent_on_reads_the_same(void **state)
{
	static const char *const texts[] = { "+4915123456789", "12345", "Nightjar" };
	struct nj_sms_numbering numbering = { 0 };
	for (size_t i = 0; i < 3; i++) {
		struct nj_sms_party party;
		struct nj_sms_party again;
		assert_int_equal(nj_sms_party_parse(nj_view_str(texts[i]), &numbering, &party), NJ_OK);
		struct nj_address address = nj_sms_party_address(&party);
		assert_int_equal(nj_sms_party_normalise(&address, &numbering, &again), NJ_OK);
		assert_int_equal(again.kind, party.kind);
		assert_string_equal(again.text, party.text);
	}
}

static void msisdns(void **state)
{
	static const struct {
		const char *digits;
		bool valid;
	} rows[] = {
		{ "4915123456789", true },     { "12025550123", true },  { "1202555012", false },
		{ "120255501234", false },     { "6834000", true },      { "34590123456789", true },
		{ "349012345", false },        { "683400", false },      { "883120000000010", true },
		{ "8831200000000101", false }, { "04915123456", false }, { "", false },
		{ "49151234x", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (nj_msisdn_valid(nj_view_str(rows[i].digits)) != rows[i].valid)
			fail_msg("%s", rows[i].digits);
}

/* Every region's own shortest and longest number, as it is dialled at home. */
static void every_country(void **state)
{
	for (size_t i = 0; i < nj_countries_count; i++) {
		const struct nj_country *c = &nj_countries[i];
		struct nj_sms_numbering numbering = { .home = c, .national = true };
		if (i > 0)
			assert_true(strcmp(c->region, "001") == 0 || strcmp(nj_countries[i - 1].region, c->region) < 0);
		if (strcmp(c->region, "001") == 0)
			continue;
		assert_ptr_equal(nj_country_of(nj_view_str(c->region)), c);
		for (unsigned digits = c->digits_min; digits <= c->digits_max; digits++) {
			struct nj_address address = { .ton = NJ_TON_NATIONAL };
			struct nj_sms_party party;
			char want[32];
			if (digits <= NJ_SHORT_CODE_DIGITS_MAX || digits + 3 > NJ_E164_DIGITS_MAX)
				continue;
			assert_int_equal(nj_text_format(want, sizeof(want), "+%u%0*d", c->code, (int)digits, 5), NJ_OK);
			want[strlen(want) - digits] = '5';
			assert_int_equal(nj_text_format(address.text, sizeof(address.text), "%s%s", c->trunk,
							want + strlen(want) - digits),
					 NJ_OK);
			is(nj_sms_party_normalise(&address, &numbering, &party), &party, c->region, want);
		}
	}
	assert_null(nj_country_of(nj_view_str("XX")));
	assert_null(nj_country_of(nj_view_str("DEU")));
	assert_null(nj_country_of(nj_view_str("")));
}

static void numbers_of_sims(void **state)
{
	assert_true(nj_luhn_valid(nj_view_str("79927398713")));
	for (char last = '0'; last <= '9'; last++) {
		char digits[] = "79927398710";
		digits[10] = last;
		assert_int_equal(nj_luhn_valid(nj_view_str(digits)), last == '3');
	}
	assert_false(nj_luhn_valid(nj_view_str("")));
	assert_false(nj_luhn_valid(nj_view_str("7992739871x")));
	assert_true(nj_iccid_valid(nj_view_str("8991101200003204514")));
	assert_false(nj_iccid_valid(nj_view_str("8991101200003204510")));
	assert_false(nj_iccid_valid(nj_view_str("8991101200003204514F")));
	assert_true(nj_iccid_valid(nj_view_str("89441000300185264201")));
	assert_false(nj_iccid_valid(nj_view_str("899110120000320451012")));
	assert_false(nj_iccid_valid(nj_view_str("79927398713")));
	assert_false(nj_iccid_valid(nj_view_str("789110120000320458")));
	assert_true(nj_imsi_valid(nj_view_str("262011234567890")));
	assert_true(nj_imsi_valid(nj_view_str("901280000000001")));
	assert_true(nj_imsi_valid(nj_view_str("001010000000001")));
	assert_true(nj_imsi_valid(nj_view_str("262011")));
	assert_false(nj_imsi_valid(nj_view_str("26201")));
	assert_false(nj_imsi_valid(nj_view_str("2620112345678901")));
	assert_false(nj_imsi_valid(nj_view_str("162011234567890")));
	assert_false(nj_imsi_valid(nj_view_str("002010000000001")));
	assert_false(nj_imsi_valid(nj_view_str("26201123456789a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_of_number),
		cmocka_unit_test(accounts_that_write_national_numbers),
		cmocka_unit_test(as_people_write_them),
		cmocka_unit_test(what_is_sent_on_reads_the_same),
		cmocka_unit_test(msisdns),
		cmocka_unit_test(every_country),
		cmocka_unit_test(numbers_of_sims),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
