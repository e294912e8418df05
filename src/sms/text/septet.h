/*
 * Septets in octets (3GPP TS 23.038 6.1.2.1): seven bits a character, the first character in the lowest bits of the
 * first octet. Behind a user data header of H octets the text begins on the next septet border counted from the
 * header's start (3GPP TS 23.040 9.2.3.24), so that fill bits lie between. A septet here is a byte of 0–127.
 * Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_SEPTET_H
#define NJ_SMS_TEXT_SEPTET_H

#include "base/wire.h"

#define NJ_SEPTET_BITS 7

/* Septets that a header of `header_octets` takes with its fill bits. */
size_t nj_septet_header(size_t header_octets);
/* Zero bits between such a header and the first septet of text: 0–6. */
unsigned nj_septet_fill(size_t header_octets);
/* Octets of `count` septets behind `fill` bits. */
size_t nj_septet_octets(size_t count, unsigned fill);
/* Appends `count` septets behind `fill` zero bits; the last octet is filled up with zero bits. */
void nj_septet_pack(struct nj_writer *w, const uint8_t *septets, size_t count, unsigned fill);
/* Reads what nj_septet_pack wrote: `count` septets to `out`, whatever the fill bits hold. Zeroes `out` after failure.
 */
void nj_septet_unpack(struct nj_reader *r, size_t count, unsigned fill, uint8_t *out);

#endif
