/*
 * SMPP's times (3.4 section 7.1.1): "YYMMDDhhmmsstnnp", absolute with quarters of an hour from UTC, or relative to now;
 * and the shorter dates of a delivery receipt (Appendix B). Years are 2000 to 2099. Wall time as milliseconds since
 * 1970. The caller gives what "now" is. No state, any thread, no time zone data.
 */
#ifndef NJ_SMS_SMPP_TIME_H
#define NJ_SMS_SMPP_TIME_H

#include "base/wire.h"

#define NJ_SMPP_TIME_BYTES 17 /* with its zero */
#define NJ_SMPP_DATE_BYTES 13 /* likewise, with seconds */

/* The 16 characters of either format; an absolute one is what it says, a relative one is added to `now_ms` by the
 * calendar (a day that the month has not is its last). NJ_ERR_MALFORMED: neither format; NJ_ERR_RANGE: an hour 24, a
 * day that the month has not, more than 48 quarters. */
NJ_MUST_USE enum nj_err nj_smpp_time_parse(struct nj_view text, uint64_t now_ms, uint64_t *out_ms);
/* Absolute, in UTC, tenths cut. NJ_ERR_RANGE outside of the years. */
NJ_MUST_USE enum nj_err nj_smpp_time_write(uint64_t ms, char out_text[NJ_SMPP_TIME_BYTES]);
/* Relative, rounded up to seconds; NJ_ERR_RANGE over 31 days, which need a calendar. */
NJ_MUST_USE enum nj_err nj_smpp_period_write(uint64_t ms, char out_text[NJ_SMPP_TIME_BYTES]);
/* "YYMMDDhhmm" or with "ss", as UTC; all zeros, or empty: 0. NJ_ERR_MALFORMED, NJ_ERR_RANGE. */
NJ_MUST_USE enum nj_err nj_smpp_date_parse(struct nj_view text, uint64_t *out_ms);
/* "YYMMDDhhmm" in UTC; ten zeros outside of the years. */
void nj_smpp_date_write(uint64_t ms, char out_text[NJ_SMPP_DATE_BYTES]);

#endif
