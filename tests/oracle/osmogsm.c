#include "osmogsm.h"

#include <string.h>

#include <osmocom/gsm/gsm0411_utils.h>
#include <osmocom/gsm/gsm_utils.h>
#include <osmocom/gsm/protocol/gsm_03_40.h>
#include <osmocom/gsm/protocol/gsm_04_11.h>

int oracle_septets(const char *latin1, uint8_t *out)
{
	return gsm_septet_encode(out, latin1);
}

int oracle_pack(const uint8_t *septets, size_t count, uint8_t fill, uint8_t *out)
{
	return gsm_septet_pack(out, septets, count, fill);
}

int oracle_text(const uint8_t *octets, uint8_t septets, int has_header, char *out, size_t cap)
{
	return gsm_7bit_decode_n_hdr(out, cap, octets, septets, (uint8_t)has_header);
}

void oracle_stamp(int64_t unix_s, uint8_t out[7])
{
	gsm340_gen_scts(out, (time_t)unix_s);
}

int64_t oracle_stamp_read(const uint8_t stamp[7])
{
	/* 1.7.0 reads the zone one octet too far. */
	uint8_t copy[8];
	memcpy(copy, stamp, 7);
	copy[7] = stamp[6];
	return gsm340_scts(copy);
}

uint64_t oracle_validity(uint8_t format, const uint8_t value[7])
{
	uint8_t copy[7];
	memcpy(copy, value, sizeof(copy));
	return 60 * (uint64_t)gsm340_validity_period(format, copy);
}

int oracle_alphabet(uint8_t dcs)
{
	switch (gsm338_get_sms_alphabet(dcs)) {
	case DCS_7BIT_DEFAULT:
		return 0;
	case DCS_8BIT_DATA:
		return 1;
	case DCS_UCS2:
		return 2;
	default:
		return 3;
	}
}

int oracle_address(uint8_t ton, uint8_t npi, const char *digits, uint8_t out[12])
{
	return gsm340_gen_oa(out, 12, ton, npi, digits);
}
