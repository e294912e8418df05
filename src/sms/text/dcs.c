#include "sms/text/dcs.h"

enum {
	GROUP_AUTO_DELETE = 0x40,
	GROUP_GENERAL_LAST = 0x7F,
	GROUP_DISCARD = 0xC0,
	GROUP_STORE = 0xD0,
	GROUP_STORE_UCS2 = 0xE0,
	GROUP_CLASS = 0xF0,
	GROUP_MASK = 0xF0,
	COMPRESSED = 0x20,
	HAS_CLASS = 0x10,
	CLASS_MASK = 0x03,
	CHARSET_SHIFT = 2,
	INDICATE = 0x08,
	BINARY = 0x04,
};

static struct nj_dcs general(uint8_t octet)
{
	unsigned charset = octet >> CHARSET_SHIFT & 3;
	return (struct nj_dcs){
		.charset = charset == 1   ? NJ_SMS_BINARY
			   : charset == 2 ? NJ_SMS_UCS2
					  : NJ_SMS_GSM7,
		.class = octet & HAS_CLASS ? (enum nj_sms_class)(octet & CLASS_MASK) : NJ_SMS_CLASS_NONE,
		.compressed = (octet & COMPRESSED) != 0,
		.auto_delete = (octet & GROUP_AUTO_DELETE) != 0,
	};
}

static struct nj_dcs waiting(uint8_t octet)
{
	unsigned group = octet & GROUP_MASK;
	return (struct nj_dcs){
		.charset = group == GROUP_STORE_UCS2 ? NJ_SMS_UCS2 : NJ_SMS_GSM7,
		.class = NJ_SMS_CLASS_NONE,
		.waiting = group == GROUP_DISCARD ? NJ_DCS_WAITING_DISCARD : NJ_DCS_WAITING_STORE,
		.indicate = (octet & INDICATE) != 0,
		.waiting_type = octet & CLASS_MASK,
	};
}

struct nj_dcs nj_dcs_decode(uint8_t octet)
{
	if (octet <= GROUP_GENERAL_LAST)
		return general(octet);
	if ((octet & GROUP_MASK) == GROUP_CLASS)
		return (struct nj_dcs){
			.charset = octet & BINARY ? NJ_SMS_BINARY : NJ_SMS_GSM7,
			.class = (enum nj_sms_class)(octet & CLASS_MASK),
		};
	if (octet >= GROUP_DISCARD)
		return waiting(octet);
	return (struct nj_dcs){ .charset = NJ_SMS_GSM7, .class = NJ_SMS_CLASS_NONE };
}

static enum nj_err encode_waiting(struct nj_dcs dcs, uint8_t *out)
{
	bool ucs2 = dcs.charset == NJ_SMS_UCS2;
	bool discard = dcs.waiting == NJ_DCS_WAITING_DISCARD;
	if (dcs.charset == NJ_SMS_BINARY || dcs.class != NJ_SMS_CLASS_NONE || dcs.compressed || dcs.auto_delete ||
	    (ucs2 && discard) || dcs.waiting_type > CLASS_MASK)
		return NJ_ERR_RANGE;
	unsigned group = discard ? GROUP_DISCARD : ucs2 ? GROUP_STORE_UCS2 : GROUP_STORE;
	*out = (uint8_t)(group | (dcs.indicate ? INDICATE : 0U) | dcs.waiting_type);
	return NJ_OK;
}

enum nj_err nj_dcs_encode(struct nj_dcs dcs, uint8_t *out)
{
	static const uint8_t charsets[] = { [NJ_SMS_GSM7] = 0, [NJ_SMS_BINARY] = 1, [NJ_SMS_UCS2] = 2 };
	if (dcs.waiting != NJ_DCS_WAITING_NONE)
		return encode_waiting(dcs, out);
	unsigned octet = (unsigned)charsets[dcs.charset] << CHARSET_SHIFT;
	if (dcs.class != NJ_SMS_CLASS_NONE)
		octet |= HAS_CLASS | (unsigned)dcs.class;
	if (dcs.compressed)
		octet |= COMPRESSED;
	if (dcs.auto_delete)
		octet |= GROUP_AUTO_DELETE;
	*out = (uint8_t)octet;
	return NJ_OK;
}

bool nj_dcs_in_septets(struct nj_dcs dcs)
{
	return dcs.charset == NJ_SMS_GSM7 && !dcs.compressed;
}
