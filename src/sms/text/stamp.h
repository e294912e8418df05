/*
 * Times of a TPDU: the time stamp of the service centre (3GPP TS 23.040 9.2.3.11), which the discharge time (9.2.3.13)
 * and the absolute validity period share, and the three validity periods (9.2.3.12). Kept as they are sent, so that
 * what nobody can read is passed on unchanged. Pure: the time now is given. Any thread.
 */
#ifndef NJ_SMS_TEXT_STAMP_H
#define NJ_SMS_TEXT_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NJ_STAMP_OCTETS 7
#define NJ_STAMP_QUARTERS_MAX 79 /* of an hour, either side of UTC: what two digits and a sign say */

struct nj_stamp {
	uint8_t raw[NJ_STAMP_OCTETS];
};

/* Local time at `quarters` of an hour east of UTC. NJ_ERR_RANGE: before 1970 or after 2069, or no such zone. */
NJ_MUST_USE enum nj_err nj_stamp_make(int64_t unix_s, int quarters, struct nj_stamp *out);
/* Years 70–99 are of the last century. NJ_ERR_RANGE for what is no time. */
NJ_MUST_USE enum nj_err nj_stamp_read(struct nj_stamp stamp, int64_t *out_unix_s, int *out_quarters);

/* Validity period formats: the two bits of TP-VPF. */
enum nj_validity_format {
	NJ_VALIDITY_NONE = 0,
	NJ_VALIDITY_ENHANCED = 1,
	NJ_VALIDITY_RELATIVE = 2,
	NJ_VALIDITY_ABSOLUTE = 3,
};

struct nj_validity {
	enum nj_validity_format format;
	uint8_t raw[NJ_STAMP_OCTETS]; /* 1 octet of it when relative, none without a format */
};

/* Octets on the wire. */
size_t nj_validity_octets(enum nj_validity_format format);
/* How long the message stays valid from `now_unix_s` on. An absolute time that is past is 0. NJ_ERR_NOT_FOUND: the
 * sender said nothing; NJ_ERR_RANGE: no time; NJ_ERR_UNSUPPORTED: a reserved enhanced format. */
NJ_MUST_USE enum nj_err nj_validity_read(const struct nj_validity *validity, int64_t now_unix_s, uint64_t *out_s);
/* The shortest relative period that is not shorter than `seconds`; the longest (63 weeks) for more. */
struct nj_validity nj_validity_relative(uint64_t seconds);
/* The octet of it. */
uint8_t nj_validity_relative_octet(uint64_t seconds);
uint64_t nj_validity_relative_seconds(uint8_t octet);

#endif
