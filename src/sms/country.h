/*
 * Countries' numbering plans, as far as a national number needs them: calling code, international and trunk prefix, and
 * how many digits a number has. A table; constant. Any thread.
 */
#ifndef NJ_SMS_COUNTRY_H
#define NJ_SMS_COUNTRY_H

#include "base/wire.h"

struct nj_country {
	char region[4]; /* two letters of ISO 3166; "001" for codes of no country (882, 883: networks of things) */
	uint16_t code;  /* E.164 country code */
	char international[5]; /* dialled before a country code */
	char trunk[3];         /* dialled before a national number, and not part of it */
	uint8_t digits_min;    /* of a national number of people: fixed or mobile */
	uint8_t digits_max;    /* those of things are longer in many countries */
};

/* Sorted by region, those of no country last. */
extern const struct nj_country nj_countries[];
extern const size_t nj_countries_count;

/* By the two letters, of either case; NULL when there is none. */
const struct nj_country *nj_country_of(struct nj_view region);

#endif
