/*
 * A party's address as it travels: a type of number, a numbering plan and digits or text (3GPP TS 23.040 9.1.2.5, the
 * same codes as SMPP 3.4 5.2.5 and 5.2.6 where both have them). What the number means is sms/number.h's.
 * Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_ADDRESS_H
#define NJ_SMS_TEXT_ADDRESS_H

#include "base/wire.h"

enum nj_ton {
	NJ_TON_UNKNOWN,
	NJ_TON_INTERNATIONAL,
	NJ_TON_NATIONAL,
	NJ_TON_NETWORK,
	NJ_TON_SUBSCRIBER,
	NJ_TON_ALPHANUMERIC,
	NJ_TON_ABBREVIATED,
	NJ_TON_RESERVED,
};

enum nj_npi { NJ_NPI_UNKNOWN = 0, NJ_NPI_E164 = 1, NJ_NPI_NATIONAL = 8, NJ_NPI_PRIVATE = 9 };

#define NJ_ADDRESS_DIGITS_MAX 20                               /* 10 octets of semi-octets */
#define NJ_ADDRESS_TEXT_SEPTETS_MAX 11                         /* what 10 octets hold */
#define NJ_ADDRESS_BYTES (3 * NJ_ADDRESS_TEXT_SEPTETS_MAX + 1) /* as UTF-8 with its end */

struct nj_address {
	uint8_t ton;                 /* enum nj_ton: 0–7 */
	uint8_t npi;                 /* enum nj_npi: 0–15 */
	char text[NJ_ADDRESS_BYTES]; /* digits, also * # a b c; or UTF-8 for NJ_TON_ALPHANUMERIC */
};

/* Reads a TP-DA, TP-OA or TP-RA: length in semi-octets, type, value. Fails the reader with NJ_ERR_RANGE over 20
 * semi-octets and with NJ_ERR_MALFORMED for a filler that is none. */
void nj_address_read(struct nj_reader *r, struct nj_address *out);
/* Fails the writer with NJ_ERR_RANGE for what has no such form. */
void nj_address_write(struct nj_writer *w, const struct nj_address *address);
/* The same behind a length in octets that counts the type, as in an RP-address and AT+CMGS's service centre
 * (3GPP TS 24.011 8.2.5): 0 octets are no address, an empty text. Digits only. */
void nj_address_read_rp(struct nj_reader *r, struct nj_address *out);
void nj_address_write_rp(struct nj_writer *w, const struct nj_address *address);
/* Digits as semi-octets, low half first, an odd one filled up with 1111. `digits` ends with 0. */
void nj_semi_octets_write(struct nj_writer *w, const char *digits);
/* Reads `count` semi-octets into `out`, which ends with 0 and holds count + 1 bytes. */
void nj_semi_octets_read(struct nj_reader *r, size_t count, char *out);

#endif
