#include "sms/text/stamp.h"

#define SIGN 0x08 /* in the zone's first semi-octet */
#define YEAR_MIN 1970
#define YEAR_MAX 2069
#define QUARTER_S 900
#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400
#define WEEK_S (7 * DAY_S)

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, ZONE };

/* ---- the calendar (proleptic Gregorian; days since 1970-01-01) ---- */

static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

/* ---- stamps ---- */

static uint8_t swapped(int value)
{
	return (uint8_t)(value % 10 << 4 | value / 10);
}

/* -1 when a half is no digit. */
static int unswapped(uint8_t octet)
{
	int tens = octet & 15;
	int ones = octet >> 4;
	return tens > 9 || ones > 9 ? -1 : tens * 10 + ones;
}

enum nj_err nj_stamp_make(int64_t unix_s, int quarters, struct nj_stamp *out)
{
	if (quarters < -NJ_STAMP_QUARTERS_MAX || quarters > NJ_STAMP_QUARTERS_MAX)
		return NJ_ERR_RANGE;
	if (unix_s < 0 || unix_s >= days_of(YEAR_MAX + 1, 1, 1) * DAY_S)
		return NJ_ERR_RANGE;
	int64_t local = unix_s + (int64_t)quarters * QUARTER_S;
	if (local < 0 || local >= days_of(YEAR_MAX + 1, 1, 1) * DAY_S)
		return NJ_ERR_RANGE;
	int year = YEAR_MIN + (int)(local / DAY_S / 366);
	int month = 1;
	while (days_of(year + 1, 1, 1) <= local / DAY_S)
		year++;
	int64_t day = local / DAY_S - days_of(year, 1, 1);
	while (day >= month_days(year, month))
		day -= month_days(year, month++);
	int64_t second = local % DAY_S;
	struct nj_stamp stamp = { .raw = {
				      [YEAR] = swapped(year % 100),
				      [MONTH] = swapped(month),
				      [DAY] = swapped((int)day + 1),
				      [HOUR] = swapped((int)(second / HOUR_S)),
				      [MINUTE] = swapped((int)(second / MINUTE_S % 60)),
				      [SECOND] = swapped((int)(second % MINUTE_S)),
				      [ZONE] = swapped(quarters < 0 ? -quarters : quarters),
				  } };
	if (quarters < 0)
		stamp.raw[ZONE] |= SIGN;
	*out = stamp;
	return NJ_OK;
}

enum nj_err nj_stamp_read(struct nj_stamp stamp, int64_t *out_unix_s, int *out_quarters)
{
	int f[NJ_STAMP_OCTETS];
	bool west = (stamp.raw[ZONE] & SIGN) != 0;
	stamp.raw[ZONE] &= (uint8_t)~SIGN;
	for (size_t i = 0; i < NJ_STAMP_OCTETS; i++) {
		f[i] = unswapped(stamp.raw[i]);
		if (f[i] < 0)
			return NJ_ERR_RANGE;
	}
	int year = f[YEAR] + (f[YEAR] < YEAR_MIN % 100 ? 2000 : 1900);
	if (f[MONTH] < 1 || f[MONTH] > 12 || f[DAY] < 1 || f[DAY] > month_days(year, f[MONTH]))
		return NJ_ERR_RANGE;
	if (f[HOUR] > 23 || f[MINUTE] > 59 || f[SECOND] > 59)
		return NJ_ERR_RANGE;
	int quarters = west ? -f[ZONE] : f[ZONE];
	*out_unix_s = days_of(year, f[MONTH], f[DAY]) * DAY_S + f[HOUR] * HOUR_S + f[MINUTE] * MINUTE_S + f[SECOND] -
		      quarters * QUARTER_S;
	*out_quarters = quarters;
	return NJ_OK;
}

/* ---- validity periods ---- */

/* 9.2.3.12.1: from `first` on, `base_s` + (octet − first + 1) · step_s. */
static const struct {
	uint8_t first;
	uint32_t base_s;
	uint32_t step_s;
} steps[] = {
	{ 0, 0, 5 * MINUTE_S },
	{ 144, 12 * HOUR_S, 30 * MINUTE_S },
	{ 168, DAY_S, DAY_S },
	{ 197, 4 * WEEK_S, WEEK_S },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

uint64_t nj_validity_relative_seconds(uint8_t octet)
{
	size_t i = STEPS - 1;
	while (steps[i].first > octet)
		i--;
	return steps[i].base_s + (uint64_t)(octet - steps[i].first + 1) * steps[i].step_s;
}

uint8_t nj_validity_relative_octet(uint64_t seconds)
{
	unsigned octet = 0;
	while (octet < UINT8_MAX && nj_validity_relative_seconds((uint8_t)octet) < seconds)
		octet++;
	return (uint8_t)octet;
}

struct nj_validity nj_validity_relative(uint64_t seconds)
{
	return (struct nj_validity){ .format = NJ_VALIDITY_RELATIVE, .raw = { nj_validity_relative_octet(seconds) } };
}

size_t nj_validity_octets(enum nj_validity_format format)
{
	static const uint8_t octets[] = {
		[NJ_VALIDITY_NONE] = 0,
		[NJ_VALIDITY_ENHANCED] = NJ_STAMP_OCTETS,
		[NJ_VALIDITY_RELATIVE] = 1,
		[NJ_VALIDITY_ABSOLUTE] = NJ_STAMP_OCTETS,
	};
	return octets[format];
}

enum enhanced { ENHANCED_NONE, ENHANCED_RELATIVE, ENHANCED_SECONDS, ENHANCED_CLOCK };
#define ENHANCED_MASK 0x07
#define ENHANCED_EXTENDED 0x80

static enum nj_err read_clock(const uint8_t raw[3], uint64_t *out_s)
{
	int hours = unswapped(raw[0]);
	int minutes = unswapped(raw[1]);
	int seconds = unswapped(raw[2]);
	if (hours < 0 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
		return NJ_ERR_RANGE;
	*out_s = (uint64_t)hours * HOUR_S + (uint64_t)minutes * MINUTE_S + (uint64_t)seconds;
	return NJ_OK;
}

/* 9.2.3.12.3. Behind an extension bit stands another indicator octet, which moves the period. */
static enum nj_err read_enhanced(const uint8_t raw[NJ_STAMP_OCTETS], uint64_t *out_s)
{
	size_t at = 0;
	while ((raw[at] & ENHANCED_EXTENDED) != 0)
		if (++at >= NJ_STAMP_OCTETS - 3)
			return NJ_ERR_UNSUPPORTED;
	const uint8_t *value = &raw[at + 1];
	switch (raw[0] & ENHANCED_MASK) {
	case ENHANCED_NONE:
		return NJ_ERR_NOT_FOUND;
	case ENHANCED_RELATIVE:
		*out_s = nj_validity_relative_seconds(value[0]);
		return NJ_OK;
	case ENHANCED_SECONDS:
		if (value[0] == 0)
			return NJ_ERR_RANGE;
		*out_s = value[0];
		return NJ_OK;
	case ENHANCED_CLOCK:
		return read_clock(value, out_s);
	default:
		return NJ_ERR_UNSUPPORTED;
	}
}

enum nj_err nj_validity_read(const struct nj_validity *validity, int64_t now_unix_s, uint64_t *out_s)
{
	struct nj_stamp stamp;
	int64_t until = 0;
	int quarters = 0;
	switch (validity->format) {
	case NJ_VALIDITY_RELATIVE:
		*out_s = nj_validity_relative_seconds(validity->raw[0]);
		return NJ_OK;
	case NJ_VALIDITY_ENHANCED:
		return read_enhanced(validity->raw, out_s);
	case NJ_VALIDITY_ABSOLUTE:
		memcpy(stamp.raw, validity->raw, sizeof(stamp.raw));
		NJ_TRY(nj_stamp_read(stamp, &until, &quarters));
		*out_s = until > now_unix_s ? (uint64_t)(until - now_unix_s) : 0;
		return NJ_OK;
	case NJ_VALIDITY_NONE:
		break;
	}
	return NJ_ERR_NOT_FOUND;
}
