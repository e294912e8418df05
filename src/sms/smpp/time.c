#include "sms/smpp/time.h"

#include "base/text.h"

#define DAY_S 86400
#define QUARTER_S 900
#define QUARTERS_MAX 48
#define EPOCH_YEAR 2000
#define EPOCH_DAYS 10957 /* from 1970 */

struct moment {
	unsigned year; /* 0 is 2000; behind 99 only in sums */
	unsigned month;
	unsigned day;
	unsigned hour;
	unsigned minute;
	unsigned second;
};

static bool leap(unsigned year)
{
	year += EPOCH_YEAR;
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of(unsigned year, unsigned month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && leap(year) ? 1u : 0u);
}

/* Seconds since 1970. */
static uint64_t seconds_of(const struct moment *m)
{
	uint64_t days = EPOCH_DAYS + m->day - 1;
	for (unsigned year = 0; year < m->year; year++)
		days += leap(year) ? 366 : 365;
	for (unsigned month = 1; month < m->month; month++)
		days += days_of(m->year, month);
	return days * DAY_S + m->hour * 3600u + m->minute * 60u + m->second;
}

/* False before 2000 or behind 2199. */
static bool moment_of(uint64_t seconds, struct moment *out_moment)
{
	struct moment m = { .month = 1 };
	uint64_t days = seconds / DAY_S;
	unsigned rest = (unsigned)(seconds % DAY_S);
	if (days < EPOCH_DAYS || days > EPOCH_DAYS + 200 * 365)
		return false;
	unsigned left = (unsigned)(days - EPOCH_DAYS);
	for (; left >= (leap(m.year) ? 366u : 365u); m.year++)
		left -= leap(m.year) ? 366 : 365;
	for (; left >= days_of(m.year, m.month); m.month++)
		left -= days_of(m.year, m.month);
	m.day = left + 1;
	m.hour = rest / 3600;
	m.minute = rest / 60 % 60;
	m.second = rest % 60;
	*out_moment = m;
	return true;
}

static bool digits(struct nj_view text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static unsigned two(struct nj_view text, size_t at)
{
	return (unsigned)(text.data[at] - '0') * 10 + (unsigned)(text.data[at + 1] - '0');
}

static struct moment read_moment(struct nj_view text, bool seconds)
{
	return (struct moment){ two(text, 0), two(text, 2), two(text, 4),
				two(text, 6), two(text, 8), seconds ? two(text, 10) : 0 };
}

static bool possible(const struct moment *m)
{
	return m->month >= 1 && m->month <= 12 && m->day >= 1 && m->day <= days_of(m->year, m->month) && m->hour < 24 &&
	       m->minute < 60 && m->second < 60;
}

static enum nj_err add_period(const struct moment *period, uint64_t now_ms, uint64_t *out_ms)
{
	struct moment m;
	if (period->month > 12 || period->day > 31 || period->hour > 23 || period->minute > 59 || period->second > 59)
		return NJ_ERR_RANGE;
	if (!moment_of(now_ms / 1000, &m))
		return NJ_ERR_RANGE;
	unsigned months = m.month - 1 + period->month;
	m.year += period->year + months / 12;
	m.month = months % 12 + 1;
	if (m.day > days_of(m.year, m.month))
		m.day = days_of(m.year, m.month);
	uint64_t rest = period->day * (uint64_t)DAY_S + period->hour * 3600u + period->minute * 60u + period->second;
	*out_ms = (seconds_of(&m) + rest) * 1000 + now_ms % 1000;
	return NJ_OK;
}

enum nj_err nj_smpp_time_parse(struct nj_view text, uint64_t now_ms, uint64_t *out_ms)
{
	if (text.len != NJ_SMPP_TIME_BYTES - 1 || !digits(text, 15))
		return NJ_ERR_MALFORMED;
	struct moment m = read_moment(text, true);
	unsigned tenths = (unsigned)(text.data[12] - '0');
	unsigned quarters = two(text, 13);
	switch (text.data[15]) {
	case 'R':
		return tenths != 0 || quarters != 0 ? NJ_ERR_RANGE : add_period(&m, now_ms, out_ms);
	case '+':
	case '-':
		break;
	default:
		return NJ_ERR_MALFORMED;
	}
	if (!possible(&m) || quarters > QUARTERS_MAX)
		return NJ_ERR_RANGE;
	/* What is ahead of UTC is earlier in UTC. */
	uint64_t seconds = seconds_of(&m);
	uint64_t offset = (uint64_t)quarters * QUARTER_S;
	seconds = text.data[15] == '+' ? seconds - offset : seconds + offset;
	*out_ms = seconds * 1000 + tenths * 100u;
	return NJ_OK;
}

/* The remainders tell the compiler that two digits are enough. */
static enum nj_err print(char *out, size_t cap, const struct moment *m, const char *tail)
{
	return nj_text_format(out, cap, "%02u%02u%02u%02u%02u%02u%s", m->year % 100, m->month % 100, m->day % 100,
			      m->hour % 100, m->minute % 100, m->second % 100, tail);
}

enum nj_err nj_smpp_time_write(uint64_t ms, char out_text[NJ_SMPP_TIME_BYTES])
{
	struct moment m;
	char tail[] = "000+";
	if (!moment_of(ms / 1000, &m) || m.year > 99)
		return NJ_ERR_RANGE;
	tail[0] = (char)('0' + ms / 100 % 10);
	return print(out_text, NJ_SMPP_TIME_BYTES, &m, tail);
}

enum nj_err nj_smpp_period_write(uint64_t ms, char out_text[NJ_SMPP_TIME_BYTES])
{
	if (ms > 31 * (uint64_t)DAY_S * 1000)
		return NJ_ERR_RANGE;
	unsigned seconds = (unsigned)((ms + 999) / 1000);
	struct moment m = {
		.day = seconds / DAY_S, .hour = seconds / 3600 % 24, .minute = seconds / 60 % 60, .second = seconds % 60
	};
	return print(out_text, NJ_SMPP_TIME_BYTES, &m, "000R");
}

enum nj_err nj_smpp_date_parse(struct nj_view text, uint64_t *out_ms)
{
	bool none = text.len == 0 || text.len == 10 || text.len == 12;
	for (size_t i = 0; i < text.len && none; i++)
		none = text.data[i] == '0';
	if (none) {
		*out_ms = 0;
		return NJ_OK;
	}
	if ((text.len != 10 && text.len != 12) || !digits(text, text.len))
		return NJ_ERR_MALFORMED;
	struct moment m = read_moment(text, text.len == 12);
	if (!possible(&m))
		return NJ_ERR_RANGE;
	*out_ms = seconds_of(&m) * 1000;
	return NJ_OK;
}

void nj_smpp_date_write(uint64_t ms, char out_text[NJ_SMPP_DATE_BYTES])
{
	struct moment m;
	if (!moment_of(ms / 1000, &m) || m.year > 99)
		m = (struct moment){ 0 };
	(void)!nj_text_format(out_text, NJ_SMPP_DATE_BYTES, "%02u%02u%02u%02u%02u", m.year % 100, m.month % 100,
			      m.day % 100, m.hour % 100, m.minute % 100);
}
