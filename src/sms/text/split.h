/*
 * How much of a message one part holds, and where a long one is cut: 140 octets of user data a part (3GPP TS 23.040
 * 9.2.3.24), less the header's; never between an escape and its septet, nor within a surrogate pair. Units are septets
 * (one a byte) for the 7 bit alphabets, octets else. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_SPLIT_H
#define NJ_SMS_TEXT_SPLIT_H

#include "base/wire.h"
#include "sms/text/dcs.h"
#include "sms/text/gsm7.h"

#define NJ_SMS_USER_DATA_MAX 140 /* octets */
#define NJ_SMS_PARTS_MAX 255
/* Units of the longest message: 255 parts of 153 septets. */
#define NJ_SMS_UNITS_MAX (NJ_SMS_PARTS_MAX * 153)

/* What every part of a message has in common. */
struct nj_sms_layout {
	enum nj_sms_charset charset;
	struct nj_gsm7_tables tables; /* of NJ_SMS_GSM7: each that is not the default costs 3 octets a part */
	struct nj_view elements;      /* further information elements of the header, as they are sent; usually none */
	bool wide_reference;          /* 16 bits (1 octet more a part), else 8 */
};

/* Octets of the header with its length octet, 0 when there is none. */
size_t nj_sms_header_octets(const struct nj_sms_layout *layout, bool concatenated);
/* Units that fit behind such a header. */
size_t nj_sms_capacity(enum nj_sms_charset charset, size_t header_octets);
/* Units of the character that begins at `at` (< units.len): 1 or 2 septets, 2 or 4 octets, 1 octet of binary. */
size_t nj_sms_unit_width(enum nj_sms_charset charset, struct nj_view units, size_t at);

/* Counts parts as characters come. */
struct nj_sms_tally {
	size_t alone; /* capacity of a message of one part */
	size_t each;  /* of each part of several */
	size_t units;
	size_t used; /* of the last part of several */
	size_t parts;
};
void nj_sms_tally_begin(struct nj_sms_tally *tally, const struct nj_sms_layout *layout);
void nj_sms_tally_add(struct nj_sms_tally *tally, size_t width);
/* At least 1. */
size_t nj_sms_tally_parts(const struct nj_sms_tally *tally);

struct nj_sms_split {
	struct nj_view units;
	enum nj_sms_charset charset;
	size_t each;
	size_t at;
	size_t parts;
	size_t given;
};
/* NJ_ERR_TOO_LARGE: more than 255 parts; NJ_ERR_RANGE: the header leaves no room for a character. An empty message is
 * one empty part. */
NJ_MUST_USE enum nj_err nj_sms_split_begin(struct nj_sms_split *split, const struct nj_sms_layout *layout,
					   struct nj_view units);
/* The next part's units; false after the last. */
bool nj_sms_split_next(struct nj_sms_split *split, struct nj_view *out_units);

#endif
