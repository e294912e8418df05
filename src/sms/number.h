/*
 * Who sends and who receives: an E.164 number, a short code of 3–6 digits, or a name (an alphanumeric sender).
 * Addresses come in as types of number and digits, or as people write them, and are brought into one form each; numbers
 * of SIMs are checked. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_NUMBER_H
#define NJ_SMS_NUMBER_H

#include "sms/country.h"
#include "sms/text/address.h"

#define NJ_E164_DIGITS_MIN 7 /* with the country code */
#define NJ_E164_DIGITS_MAX 15
#define NJ_SHORT_CODE_DIGITS_MIN 3
#define NJ_SHORT_CODE_DIGITS_MAX 6

enum nj_sms_party_kind {
	NJ_SMS_PARTY_NUMBER,     /* E.164 digits without a plus sign */
	NJ_SMS_PARTY_SHORT_CODE, /* digits */
	NJ_SMS_PARTY_NAME,       /* 1–11 characters of the default alphabet, at least one a letter; senders only */
};

struct nj_sms_party {
	enum nj_sms_party_kind kind;
	char text[NJ_ADDRESS_BYTES];
};

/* How an account writes numbers. */
struct nj_sms_numbering {
	const struct nj_country *home; /* of national numbers; NULL: there are none */
	bool national; /* digits without any prefix are a national number before they are an international */
};

/*
 * 3–6 digits without a plus sign are a short code, whatever their type. Else, by type of number: international is
 * that; national is of `home`; unknown is international behind a plus sign or the international prefix, national
 * behind the trunk prefix, and without any of them what the digits can be (a country's code and length), international
 * first unless `national`. An alphanumeric address without a letter is of unknown type, and separators in it do not
 * count: a name is never read as a number.
 * NJ_ERR_MALFORMED: not digits, or no name; NJ_ERR_RANGE: no such number.
 */
NJ_MUST_USE enum nj_err nj_sms_party_normalise(const struct nj_address *address,
					       const struct nj_sms_numbering *numbering, struct nj_sms_party *out);
/* The same for text of people, CLI and REST: "+49 (151) 234-56", "0151/23456", "12345", "Nightjar". */
NJ_MUST_USE enum nj_err nj_sms_party_parse(struct nj_view text, const struct nj_sms_numbering *numbering,
					   struct nj_sms_party *out);
/* How it is sent on: international, unknown or alphanumeric. */
struct nj_address nj_sms_party_address(const struct nj_sms_party *party);

/* E.164 with a country code that exists and a length that occurs there; digits only. */
bool nj_msisdn_valid(struct nj_view digits);
/* E.212: 6–15 digits that begin with a mobile country code's digit. */
bool nj_imsi_valid(struct nj_view digits);
/* ITU-T E.118: 18–20 digits, 89 first, the last one checks the others (Luhn). A filler F at the end is not allowed. */
bool nj_iccid_valid(struct nj_view digits);
/* ISO/IEC 7812-1: the sum with every second digit from the right doubled is a multiple of 10. */
bool nj_luhn_valid(struct nj_view digits);

#endif
