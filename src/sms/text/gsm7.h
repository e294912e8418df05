/*
 * The GSM 7 bit alphabets (3GPP TS 23.038 6.2.1 and Annex A): the default alphabet with its extension, and the national
 * locking and single shift tables. A septet is a byte of 0–127; a character of a single shift table is an escape and a
 * septet. Characters outside the Basic Multilingual Plane are in none of them.
 * Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_GSM7_H
#define NJ_SMS_TEXT_GSM7_H

#include "base/wire.h"

#define NJ_GSM7_ESCAPE 0x1B

/* National language identifiers, 6.2.1.2.4. */
enum nj_gsm7_language {
	NJ_GSM7_DEFAULT,
	NJ_GSM7_TURKISH,
	NJ_GSM7_SPANISH, /* single shift only: its locking table is the default alphabet */
	NJ_GSM7_PORTUGUESE,
	NJ_GSM7_BENGALI,
	NJ_GSM7_GUJARATI,
	NJ_GSM7_HINDI,
	NJ_GSM7_KANNADA,
	NJ_GSM7_MALAYALAM,
	NJ_GSM7_ORIYA,
	NJ_GSM7_PUNJABI,
	NJ_GSM7_TAMIL,
	NJ_GSM7_TELUGU,
	NJ_GSM7_URDU,
	NJ_GSM7_LANGUAGES,
};

/* Sets of languages: bit n is language n. */
#define NJ_GSM7_BIT(language) ((uint16_t)(1U << (language)))
#define NJ_GSM7_ALL_SINGLE ((uint16_t)((1U << NJ_GSM7_LANGUAGES) - 1))
#define NJ_GSM7_ALL_LOCKING ((uint16_t)(NJ_GSM7_ALL_SINGLE & ~(1U << NJ_GSM7_SPANISH)))

/* The two tables that a text is written with. */
struct nj_gsm7_tables {
	uint8_t locking; /* enum nj_gsm7_language, as is the next; an unknown one means the default (6.2.1.2.1) */
	uint8_t single;
};

/* The language's tag of BCP 47 ("tr"), "" for the default alphabet and what is unknown. */
const char *nj_gsm7_language_tag(unsigned language);
/* The other way round; "" is the default. NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_gsm7_language_of(struct nj_view tag, enum nj_gsm7_language *out);
/* The languages whose tables have the character. */
void nj_gsm7_reach(uint32_t code, uint16_t *out_locking, uint16_t *out_single);
/* Septets of the character, 1 or 2, in `out`; 0 when neither table has it. */
size_t nj_gsm7_encode(struct nj_gsm7_tables tables, uint32_t code, uint8_t out[2]);
/*
 * Appends the text of `septets` as UTF-8, at most 3 octets a septet. What no table defines: behind an escape the
 * character of the locking table, an escape behind an escape or at the end a space (6.2.1.1), elsewhere U+FFFD.
 */
void nj_gsm7_decode(struct nj_gsm7_tables tables, struct nj_view septets, struct nj_writer *utf8);

#endif
