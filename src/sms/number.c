#include "sms/number.h"

#include "base/text.h"
#include "sms/text/gsm7.h"

#define ICCID_DIGITS_MIN 18
#define ICCID_DIGITS_MAX 20
#define IMSI_DIGITS_MIN 6
#define IMSI_DIGITS_MAX 15

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool all_digits(struct nj_view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_digit(text.data[i]))
			return false;
	return text.len > 0;
}

static bool begins(struct nj_view text, const char *with)
{
	size_t len = strlen(with);
	return len > 0 && text.len > len && memcmp(text.data, with, len) == 0;
}

static struct nj_view behind(struct nj_view text, size_t len)
{
	return nj_view_of(text.data + len, text.len - len);
}

/* ---- countries ---- */

/* Digits of the country code at the start of `digits` if it is `code`, else 0. */
static size_t code_len(struct nj_view digits, uint16_t code)
{
	unsigned value = 0;
	for (size_t i = 0; i < 3 && i < digits.len; i++) {
		value = value * 10 + (digits.data[i] - '0');
		if (value == code)
			return i + 1;
	}
	return 0;
}

#define NORTH_AMERICA 1 /* its plan is closed: no number is longer than the others */

/* Numbers of things are longer than those of people in many countries: 15 digits bound them, not the plan's usual. */
static bool possible(size_t digits, const struct nj_country *country)
{
	return digits >= country->digits_min && (country->code != NORTH_AMERICA || digits <= country->digits_max);
}

static bool usual(size_t digits, const struct nj_country *country)
{
	return digits >= country->digits_min && digits <= country->digits_max;
}

bool nj_msisdn_valid(struct nj_view digits)
{
	if (!all_digits(digits) || digits.len < NJ_E164_DIGITS_MIN || digits.len > NJ_E164_DIGITS_MAX)
		return false;
	if (digits.data[0] == '0')
		return false;
	for (size_t i = 0; i < nj_countries_count; i++) {
		size_t code = code_len(digits, nj_countries[i].code);
		if (code > 0 && possible(digits.len - code, &nj_countries[i]))
			return true;
	}
	return false;
}

/* ---- numbers ---- */

static enum nj_err set(struct nj_sms_party *out, enum nj_sms_party_kind kind, struct nj_view text)
{
	struct nj_sms_party party = { .kind = kind };
	NJ_TRY(nj_text_copy_view(party.text, sizeof(party.text), text));
	*out = party;
	return NJ_OK;
}

static enum nj_err international(struct nj_view digits, struct nj_sms_party *out)
{
	if (!all_digits(digits))
		return NJ_ERR_MALFORMED;
	return nj_msisdn_valid(digits) ? set(out, NJ_SMS_PARTY_NUMBER, digits) : NJ_ERR_RANGE;
}

/* A national number without its trunk prefix. */
static enum nj_err compose(struct nj_view digits, const struct nj_country *home, struct nj_sms_party *out)
{
	char whole[NJ_E164_DIGITS_MAX + 1];
	if (!possible(digits.len, home))
		return NJ_ERR_RANGE;
	if (nj_text_format(whole, sizeof(whole), "%u%.*s", home->code, (int)digits.len, (const char *)digits.data) !=
	    NJ_OK)
		return NJ_ERR_RANGE;
	return international(nj_view_str(whole), out);
}

static enum nj_err national(struct nj_view digits, const struct nj_country *home, struct nj_sms_party *out)
{
	if (home == NULL)
		return NJ_ERR_RANGE;
	if (begins(digits, home->trunk) && compose(behind(digits, strlen(home->trunk)), home, out) == NJ_OK)
		return NJ_OK;
	return compose(digits, home, out);
}

static const char *exit_of(const struct nj_country *home)
{
	return home == NULL ? "00" : home->international;
}

static enum nj_err unknown(struct nj_view digits, const struct nj_sms_numbering *numbering, struct nj_sms_party *out)
{
	const struct nj_country *home = numbering->home;
	const char *exit = exit_of(home);
	if (begins(digits, exit) && international(behind(digits, strlen(exit)), out) == NJ_OK)
		return NJ_OK;
	bool trunk = home != NULL && begins(digits, home->trunk);
	if (trunk && compose(behind(digits, strlen(home->trunk)), home, out) == NJ_OK)
		return NJ_OK;
	if (home == NULL)
		return international(digits, out);
	if (numbering->national && usual(digits.len, home) && compose(digits, home, out) == NJ_OK)
		return NJ_OK;
	return international(digits, out) == NJ_OK ? NJ_OK : compose(digits, home, out);
}

static enum nj_err digits_of(unsigned ton, struct nj_view text, const struct nj_sms_numbering *numbering,
			     struct nj_sms_party *out)
{
	if (begins(text, "+"))
		return international(behind(text, 1), out);
	if (!all_digits(text))
		return NJ_ERR_MALFORMED;
	if (text.len >= NJ_SHORT_CODE_DIGITS_MIN && text.len <= NJ_SHORT_CODE_DIGITS_MAX)
		return set(out, NJ_SMS_PARTY_SHORT_CODE, text);
	if (ton == NJ_TON_NATIONAL)
		return national(text, numbering->home, out);
	if (ton != NJ_TON_INTERNATIONAL)
		return unknown(text, numbering, out);
	enum nj_err err = international(text, out);
	const char *exit = exit_of(numbering->home);
	/* Many write the prefix all the same. */
	return err != NJ_OK && begins(text, exit) ? international(behind(text, strlen(exit)), out) : err;
}

/* ---- names ---- */

#define EURO_SIGN 0x20AC

/* Of the default alphabet: beyond ASCII it holds signs up to U+00BF and the euro's, else letters. */
static bool is_letter(uint32_t code)
{
	return (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') || (code >= 0xC0 && code != EURO_SIGN);
}

/* Well-formed up to its first letter. */
static bool has_letter(struct nj_view text)
{
	uint32_t code = 0;
	size_t len = 0;
	for (size_t at = 0; at < text.len; at += len) {
		len = nj_utf8_decode(behind(text, at), &code);
		if (len == 0)
			return false;
		if (is_letter(code))
			return true;
	}
	return false;
}

static enum nj_err name_of(struct nj_view text, struct nj_sms_party *out)
{
	size_t septets = 0;
	for (size_t at = 0; at < text.len;) {
		uint32_t code = 0;
		uint8_t one[2];
		size_t len = nj_utf8_decode(behind(text, at), &code);
		size_t width = len == 0 ? 0 : nj_gsm7_encode((struct nj_gsm7_tables){ 0, 0 }, code, one);
		if (width == 0 || code < ' ')
			return NJ_ERR_MALFORMED;
		septets += width;
		at += len;
	}
	bool blank_ends = text.data[0] == ' ' || text.data[text.len - 1] == ' ';
	if (septets > NJ_ADDRESS_TEXT_SEPTETS_MAX || blank_ends)
		return NJ_ERR_MALFORMED;
	return set(out, NJ_SMS_PARTY_NAME, text);
}

#define PEOPLE_BYTES 40

static bool is_separator(uint8_t byte)
{
	return byte == ' ' || byte == '-' || byte == '.' || byte == '/' || byte == '(' || byte == ')';
}

/* What holds a letter is a name; nothing else is, as a reader would take it for a number. */
enum nj_err nj_sms_party_parse(struct nj_view text, const struct nj_sms_numbering *numbering, struct nj_sms_party *out)
{
	uint8_t digits[PEOPLE_BYTES];
	struct nj_writer w = nj_writer_of(digits, sizeof(digits));
	if (has_letter(text))
		return name_of(text, out);
	for (size_t i = 0; i < text.len; i++)
		if (!is_separator(text.data[i]))
			nj_write_u8(&w, text.data[i]);
	if (w.err != NJ_OK)
		return NJ_ERR_MALFORMED;
	return digits_of(NJ_TON_UNKNOWN, nj_view_of(digits, w.pos), numbering, out);
}

enum nj_err nj_sms_party_normalise(const struct nj_address *address, const struct nj_sms_numbering *numbering,
				   struct nj_sms_party *out)
{
	struct nj_view text = nj_view_of(address->text, strnlen(address->text, sizeof(address->text)));
	if (address->ton == NJ_TON_ALPHANUMERIC)
		return nj_sms_party_parse(text, numbering, out);
	return digits_of(address->ton, text, numbering, out);
}

struct nj_address nj_sms_party_address(const struct nj_sms_party *party)
{
	static const struct {
		uint8_t ton, npi;
	} types[] = {
		[NJ_SMS_PARTY_NUMBER] = { NJ_TON_INTERNATIONAL, NJ_NPI_E164 },
		[NJ_SMS_PARTY_SHORT_CODE] = { NJ_TON_UNKNOWN, NJ_NPI_E164 },
		[NJ_SMS_PARTY_NAME] = { NJ_TON_ALPHANUMERIC, NJ_NPI_UNKNOWN },
	};
	struct nj_address address = { .ton = types[party->kind].ton, .npi = types[party->kind].npi };
	memcpy(address.text, party->text, sizeof(address.text));
	return address;
}

/* ---- numbers of SIMs ---- */

bool nj_luhn_valid(struct nj_view digits)
{
	unsigned sum = 0;
	if (!all_digits(digits))
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		unsigned digit = digits.data[digits.len - 1 - i] - '0';
		unsigned doubled = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += i % 2 == 1 ? doubled : digit;
	}
	return sum % 10 == 0;
}

bool nj_iccid_valid(struct nj_view digits)
{
	return digits.len >= ICCID_DIGITS_MIN && digits.len <= ICCID_DIGITS_MAX && begins(digits, "89") &&
	       nj_luhn_valid(digits);
}

/* Country codes begin with 2–7 and 9; 001 is that of test networks. */
bool nj_imsi_valid(struct nj_view digits)
{
	if (!all_digits(digits) || digits.len < IMSI_DIGITS_MIN || digits.len > IMSI_DIGITS_MAX)
		return false;
	uint8_t first = digits.data[0];
	return (first >= '2' && first <= '7') || first == '9' || begins(digits, "001");
}
