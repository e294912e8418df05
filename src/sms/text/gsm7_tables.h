/*
 * The data behind sms/text/gsm7.h: the tables of TS 23.038 6.2.1 and Annex A, and an index over them. Constant.
 */
#ifndef NJ_SMS_TEXT_GSM7_TABLES_H
#define NJ_SMS_TEXT_GSM7_TABLES_H

#include "sms/text/gsm7.h"

#define NJ_GSM7_SEPTETS 128

struct nj_gsm7_reach {
	uint16_t code;
	uint16_t locking; /* bit n: the locking shift table of language n has it */
	uint16_t single;  /* the same of the single shift tables */
};

extern const uint16_t nj_gsm7_locking[NJ_GSM7_LANGUAGES][NJ_GSM7_SEPTETS];
extern const uint16_t nj_gsm7_single[NJ_GSM7_LANGUAGES][NJ_GSM7_SEPTETS];
/* Sorted by code point. */
extern const struct nj_gsm7_reach nj_gsm7_index[];
extern const size_t nj_gsm7_index_count;

#endif
