#include "base/text.h"

#include <stdarg.h>

enum nj_err nj_text_copy_view(char *out, size_t out_bytes, struct nj_view view)
{
	if (out_bytes == 0)
		return NJ_ERR_TOO_LARGE;
	out[0] = '\0';
	if (view.len >= out_bytes)
		return NJ_ERR_TOO_LARGE;
	if (view.len == 0)
		return NJ_OK;
	if (memchr(view.data, '\0', view.len) != NULL)
		return NJ_ERR_MALFORMED;
	memcpy(out, view.data, view.len);
	out[view.len] = '\0';
	return NJ_OK;
}

enum nj_err nj_text_copy(char *out, size_t out_bytes, const char *text)
{
	return nj_text_copy_view(out, out_bytes, nj_view_str(text));
}

enum nj_err nj_text_format(char *out, size_t out_bytes, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(out, out_bytes, format, args);
	va_end(args);
	return len >= 0 && (size_t)len < out_bytes ? NJ_OK : NJ_ERR_TOO_LARGE;
}

void nj_hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum nj_err nj_hex_decode(struct nj_view text, void *out, size_t len)
{
	uint8_t *to = out;

	if (text.len % 2 != 0 || text.len / 2 != len)
		return NJ_ERR_MALFORMED;
	for (size_t i = 0; i < text.len; i++)
		if (hex_digit(text.data[i]) < 0)
			return NJ_ERR_MALFORMED;
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(hex_digit(text.data[2 * i]) << 4 | hex_digit(text.data[2 * i + 1]));
	return NJ_OK;
}

/* Reads the digits at `text`; *out_end is where they stop. */
static enum nj_err parse_digits(const char *text, uint64_t *out_value, const char **out_end)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return NJ_ERR_RANGE;
	}
	if (at == text)
		return NJ_ERR_MALFORMED;
	*out_value = value;
	*out_end = at;
	return NJ_OK;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void nj_base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *bytes = data;

	for (size_t at = 0; at < len; at += 3) {
		size_t have = len - at < 3 ? len - at : 3;
		uint32_t group = 0;

		for (size_t i = 0; i < 3; i++)
			group = group << 8 | (i < have ? bytes[at + i] : 0);
		for (size_t i = 0; i < 4; i++)
			*out++ = i <= have ? base64_digits[group >> (18 - 6 * i) & 0x3f] : '=';
	}
	*out = '\0';
}

/* One group of four: how many bytes it holds; 0 when it is none. */
static size_t base64_group(const uint8_t *text, bool last, uint8_t out[3])
{
	size_t pads = !last ? 0 : (text[3] == '=') + (text[3] == '=' && text[2] == '=');
	uint32_t group = 0;

	for (size_t i = 0; i < 4 - pads; i++) {
		const char *digit = text[i] != '\0' ? strchr(base64_digits, text[i]) : NULL;

		if (digit == NULL)
			return 0;
		group |= (uint32_t)(digit - base64_digits) << (18 - 6 * i);
	}
	if ((group & ((UINT32_C(1) << 8 * pads) - 1)) != 0)
		return 0;
	for (size_t i = 0; i < 3; i++)
		out[i] = (uint8_t)(group >> (16 - 8 * i));
	return 3 - pads;
}

enum nj_err nj_base64_decode(struct nj_view text, void *out, size_t cap, size_t *out_len)
{
	size_t len = 0;

	if (text.len % 4 != 0)
		return NJ_ERR_MALFORMED;
	for (size_t at = 0; at < text.len; at += 4) {
		uint8_t bytes[3];
		size_t count = base64_group(text.data + at, at + 4 == text.len, bytes);

		if (count == 0)
			return NJ_ERR_MALFORMED;
		if (count > cap - len)
			return NJ_ERR_TOO_LARGE;
		memcpy((uint8_t *)out + len, bytes, count);
		len += count;
	}
	*out_len = len;
	return NJ_OK;
}

enum nj_err nj_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out_value)
{
	uint64_t value;
	const char *end;

	NJ_TRY(parse_digits(text, &value, &end));
	if (*end != '\0')
		return NJ_ERR_MALFORMED;
	if (value < min || value > max)
		return NJ_ERR_RANGE;
	*out_value = value;
	return NJ_OK;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static enum nj_err parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out_value)
{
	uint64_t value;
	const char *end;

	NJ_TRY(parse_digits(text, &value, &end));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return NJ_ERR_RANGE;
		*out_value = value;
		return NJ_OK;
	}
	return NJ_ERR_MALFORMED;
}

enum nj_err nj_duration_parse(const char *text, uint64_t *out_ms)
{
	static const struct unit units[] = {
		{ "", 1000 },         { "ms", 1 },          { "s", 1000 },
		{ "min", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 },
	};

	return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_ms);
}

enum nj_err nj_bytes_parse(const char *text, uint64_t *out_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "GiB", UINT64_C(1) << 30 },
	};

	return parse_with_unit(text, units, sizeof(units) / sizeof(units[0]), out_bytes);
}

static bool alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool nj_name_valid(const char *text)
{
	size_t len = strnlen(text, NJ_NAME_BYTES);

	if (len == 0 || len == NJ_NAME_BYTES || text[0] == '-' || text[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!alphanumeric(text[i]) && strchr("._:-", text[i]) == NULL)
			return false;
	return true;
}

/* RFC 3629 4: the second byte's range is narrower after E0, ED, F0 and F4. */
static bool utf8_second_ok(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return (second & 0xc0) == 0x80;
	}
}

static size_t utf8_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

size_t nj_utf8_decode(struct nj_view text, uint32_t *out_code)
{
	size_t len = text.len == 0 ? 0 : utf8_len(text.data[0]);
	uint32_t code;

	if (len == 0 || len > text.len)
		return 0;
	if (len == 1) {
		*out_code = text.data[0];
		return 1;
	}
	if (!utf8_second_ok(text.data[0], text.data[1]))
		return 0;
	code = text.data[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text.data[i] & 0x3fU);
	}
	*out_code = code;
	return len;
}

void nj_utf8_write(struct nj_writer *w, uint32_t code)
{
	if (code < 0x80) {
		nj_write_u8(w, (uint8_t)code);
	} else if (code < 0x800) {
		nj_write_u8(w, (uint8_t)(0xC0 | code >> 6));
		nj_write_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
	} else if (code < 0x10000) {
		nj_write_u8(w, (uint8_t)(0xE0 | code >> 12));
		nj_write_u8(w, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
		nj_write_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
	} else {
		nj_write_u8(w, (uint8_t)(0xF0 | code >> 18));
		nj_write_u8(w, (uint8_t)(0x80 | (code >> 12 & 0x3F)));
		nj_write_u8(w, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
		nj_write_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
	}
}

static bool is_plain(uint32_t code)
{
	bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
	bool not_a_character = (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);

	return !control && !not_a_character;
}

static bool is_graphic_ascii(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f;
}

static bool utf8_check(struct nj_view text, bool plain)
{
	size_t at = 0;

	while (at < text.len) {
		uint32_t code;
		size_t len = 1;

		if (!is_graphic_ascii(text.data[at])) {
			len = nj_utf8_decode(nj_view_of(text.data + at, text.len - at), &code);
			if (len == 0 || code == 0 || (plain && !is_plain(code)))
				return false;
		}
		at += len;
	}
	return true;
}

bool nj_utf8_valid(struct nj_view text)
{
	return utf8_check(text, false);
}

bool nj_utf8_plain(struct nj_view text)
{
	return utf8_check(text, true);
}

struct nj_view nj_utf8_cut(struct nj_view text, size_t max)
{
	size_t len = text.len < max ? text.len : max;

	if (len < text.len)
		while (len > 0 && (text.data[len] & 0xc0) == 0x80)
			len--;
	return nj_view_of(text.data, len);
}

#define NEAREST_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Optimal string alignment: as Levenshtein, and two swapped neighbours ("prots") count as one slip. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = rows[i % 3];
		const size_t *last = rows[(i + 2) % 3];
		const size_t *before = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

const char *nj_text_nearest(const char *text, const char *const *candidates, size_t count)
{
	size_t len = strnlen(text, NEAREST_MAX + 1);
	size_t best = len / 3 + 1;
	const char *nearest = NULL;

	if (len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t other = strnlen(candidates[i], NEAREST_MAX + 1);
		size_t distance;

		if (other > NEAREST_MAX)
			continue;
		distance = edit_distance(text, len, candidates[i], other);
		if (distance < best) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
