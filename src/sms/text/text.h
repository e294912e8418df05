/*
 * Text of any language as a short message, and back. Planning chooses the cheapest way that the rules allow: fewest
 * parts; of those the default alphabet, which everybody reads; then fewest octets. Encoding follows the plan. Text is
 * UTF-8; a code point stands whole in one part. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_TEXT_H
#define NJ_SMS_TEXT_TEXT_H

#include "sms/text/split.h"

struct nj_sms_text_rules {
	bool gsm7;
	bool ucs2;
	uint16_t locking;   /* national tables that the receiver knows: NJ_GSM7_BIT(…) */
	uint16_t single;    /* the default is always among them */
	bool transliterate; /* rather than leave the default alphabet: “ becomes ", ā a, Ж ZH */
	bool wide_reference;
	struct nj_view elements; /* further elements of every part's header */
};

struct nj_sms_text_plan {
	struct nj_sms_layout layout;
	size_t units; /* septets or octets, without headers */
	size_t parts;
	bool transliterated;
};

/* The first thing that is in the way. */
struct nj_sms_text_fault {
	size_t at;     /* its first byte */
	uint32_t code; /* the code point; of ill-formed text the byte */
};

/*
 * NJ_ERR_MALFORMED: not UTF-8, or U+0000; NJ_ERR_UNSUPPORTED: a character that nothing allowed can write; both say
 * which. NJ_ERR_TOO_LARGE: over 255 parts. `out_fault` may be NULL and is touched only for the first two.
 */
NJ_MUST_USE enum nj_err nj_sms_text_plan(const struct nj_sms_text_rules *rules, struct nj_view text,
					 struct nj_sms_text_plan *out_plan, struct nj_sms_text_fault *out_fault);
/* Writes the plan's units for the same text. NJ_ERR_FULL; else as planned. */
NJ_MUST_USE enum nj_err nj_sms_text_encode(const struct nj_sms_text_plan *plan, struct nj_view text, uint8_t *out,
					   size_t cap, size_t *out_units);
/* Appends units as UTF-8, at most 3 octets a septet and 3 for 2 octets. What is no character becomes U+FFFD: half a
 * surrogate pair, an odd octet. NJ_ERR_UNSUPPORTED for NJ_SMS_BINARY; NJ_ERR_FULL. */
NJ_MUST_USE enum nj_err nj_sms_text_decode(enum nj_sms_charset charset, struct nj_gsm7_tables tables,
					   struct nj_view units, struct nj_writer *utf8);
/* What stands for `code` in the default alphabet, 1–4 characters of ASCII; NULL when nothing does. */
const char *nj_sms_transliterate(uint32_t code);

#endif
