/*
 * Any bytes as an address of any type, and as text of people, for an account at home anywhere. Held: what comes out is
 * a number, a short code or a name by its own rules; brought into form once more it stays what it is, also for another
 * account; checks of SIM numbers read nothing outside.
 */
#include "base/text.h"
#include "sms/number.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_party(const struct nj_sms_party *party, const struct nj_sms_numbering *other)
{
	struct nj_view text = nj_view_str(party->text);
	struct nj_address address = nj_sms_party_address(party);
	struct nj_sms_party again;
	uint8_t octets[16];
	CHECK(nj_sms_party_normalise(&address, other, &again) == NJ_OK);
	CHECK(again.kind == party->kind && strcmp(again.text, party->text) == 0);
	CHECK(nj_utf8_valid(text));
	switch (party->kind) {
	case NJ_SMS_PARTY_NUMBER:
		CHECK(nj_msisdn_valid(text));
		break;
	case NJ_SMS_PARTY_SHORT_CODE:
		CHECK(text.len >= NJ_SHORT_CODE_DIGITS_MIN && text.len <= NJ_SHORT_CODE_DIGITS_MAX);
		break;
	case NJ_SMS_PARTY_NAME:
		CHECK(text.len >= 1);
		break;
	}
	struct nj_writer w = nj_writer_of(octets, sizeof(octets));
	nj_address_write(&w, &address);
	CHECK(w.err == NJ_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	struct nj_view in = nj_view_of(data + 4, size - 4);
	struct nj_sms_numbering here = { .home = &nj_countries[data[1] % nj_countries_count], .national = data[3] & 1 };
	struct nj_sms_numbering there = { .home = &nj_countries[data[2] % nj_countries_count],
					  .national = data[3] & 2 };
	struct nj_address address = { .ton = data[0] & 7, .npi = data[0] >> 4 };
	struct nj_sms_party party;
	if (data[3] & 4)
		here.home = NULL;
	if (nj_text_copy_view(address.text, sizeof(address.text), in) == NJ_OK &&
	    nj_sms_party_normalise(&address, &here, &party) == NJ_OK)
		check_party(&party, &there);
	if (nj_sms_party_parse(in, &here, &party) == NJ_OK)
		check_party(&party, &there);
	(void)nj_iccid_valid(in);
	(void)nj_imsi_valid(in);
	(void)nj_msisdn_valid(in);
	(void)nj_country_of(in);
	return 0;
}
