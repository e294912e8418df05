#include "base/config/value.h"

#include <inttypes.h>

#include "base/text.h"

/* YAML 1.1 takes U+0085, U+2028 and U+2029 for line breaks; U+FEFF, U+FFFE and U+FFFF stand for no character. */
static bool clean(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && code != 0x2028 && code != 0x2029 && code != 0xfeff &&
	       code != 0xfffe && code != 0xffff;
}

bool nj_config_text_clean(struct nj_view text)
{
	while (text.len > 0) {
		uint32_t code;
		size_t len = nj_utf8_decode(text, &code);

		if (len == 0 || !clean(code))
			return false;
		text = nj_view_of(text.data + len, text.len - len);
	}
	return true;
}

uint64_t nj_config_uint_get(const struct nj_config_row *row, const void *at)
{
	switch (row->size) {
	case sizeof(uint8_t):
		return *(const uint8_t *)at;
	case sizeof(uint16_t):
		return *(const uint16_t *)at;
	case sizeof(uint32_t):
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void uint_set(const struct nj_config_row *row, void *at, uint64_t value)
{
	switch (row->size) {
	case sizeof(uint8_t):
		*(uint8_t *)at = (uint8_t)value;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)at = (uint16_t)value;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)at = value;
		break;
	}
}

static enum nj_err parse_string(const struct nj_config_row *row, const char *text, void *at)
{
	struct nj_view view = nj_view_str(text);

	if (!nj_config_text_clean(view))
		return NJ_ERR_MALFORMED;
	if (view.len < row->min || view.len > row->max || view.len >= row->size)
		return NJ_ERR_RANGE;
	return nj_text_copy_view(at, row->size, view);
}

static enum nj_err parse_bool(const char *text, void *at)
{
	if (strcmp(text, "true") == 0)
		*(bool *)at = true;
	else if (strcmp(text, "false") == 0)
		*(bool *)at = false;
	else
		return NJ_ERR_MALFORMED;
	return NJ_OK;
}

static enum nj_err parse_enum(const struct nj_config_row *row, const char *text, void *at)
{
	for (size_t i = 0; row->names[i] != NULL; i++) {
		if (strcmp(text, row->names[i]) != 0)
			continue;
		uint_set(row, at, i);
		return NJ_OK;
	}
	return NJ_ERR_MALFORMED;
}

/* 010 is eight in YAML 1.1 and ten to most people: neither is accepted. */
static enum nj_err parse_number(const struct nj_config_row *row, const char *text, void *at)
{
	uint64_t value;

	if (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
		return NJ_ERR_MALFORMED;
	if (row->type == NJ_CONFIG_DURATION)
		NJ_TRY(nj_duration_parse(text, &value));
	else if (row->type == NJ_CONFIG_BYTES)
		NJ_TRY(nj_bytes_parse(text, &value));
	else
		NJ_TRY(nj_number_parse(text, 0, UINT64_MAX, &value));
	if (value < row->min || value > row->max)
		return NJ_ERR_RANGE;
	uint_set(row, at, value);
	return NJ_OK;
}

enum nj_err nj_config_value_parse(const struct nj_config_row *row, const char *text, void *at)
{
	switch (row->type) {
	case NJ_CONFIG_STRING:
	case NJ_CONFIG_STRINGS:
		return parse_string(row, text, at);
	case NJ_CONFIG_BOOL:
		return parse_bool(text, at);
	case NJ_CONFIG_UINT:
	case NJ_CONFIG_DURATION:
	case NJ_CONFIG_BYTES:
		return parse_number(row, text, at);
	case NJ_CONFIG_ENUM:
		return parse_enum(row, text, at);
	case NJ_CONFIG_SECTION:
	case NJ_CONFIG_SECTIONS:
		break;
	}
	return NJ_ERR_STATE;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first; the last one's factor is 1. */
static const struct unit *units_of(enum nj_config_type type)
{
	static const struct unit durations[] = {
		{ "d", 24 * 3600 * 1000 }, { "h", 3600 * 1000 }, { "min", 60 * 1000 }, { "s", 1000 }, { "ms", 1 },
	};
	static const struct unit sizes[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "", 1 } };
	static const struct unit plain[] = { { "", 1 } };

	if (type == NJ_CONFIG_DURATION)
		return durations;
	return type == NJ_CONFIG_BYTES ? sizes : plain;
}

const char *nj_config_number_text(enum nj_config_type type, uint64_t value, char out[NJ_CONFIG_VALUE_BYTES])
{
	const struct unit *unit = units_of(type);

	while (unit->factor > 1 && (value < unit->factor || value % unit->factor != 0))
		unit++;
	snprintf(out, NJ_CONFIG_VALUE_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
	return out;
}

static void join_names(const struct nj_config_row *row, char out[NJ_CONFIG_ALLOWED_BYTES])
{
	size_t used = (size_t)snprintf(out, NJ_CONFIG_ALLOWED_BYTES, "%s", row->names[1] == NULL ? "" : "one of ");

	for (size_t i = 0; row->names[i] != NULL && used < NJ_CONFIG_ALLOWED_BYTES; i++)
		used += (size_t)snprintf(out + used, NJ_CONFIG_ALLOWED_BYTES - used, "%s%s", i == 0 ? "" : ", ",
					 row->names[i]);
}

const char *nj_config_value_allowed(const struct nj_config_row *row, char out[NJ_CONFIG_ALLOWED_BYTES])
{
	static const char *const nouns[] = {
		[NJ_CONFIG_STRING] = "text of",
		[NJ_CONFIG_STRINGS] = "text of",
		[NJ_CONFIG_BOOL] = "true or false",
		[NJ_CONFIG_UINT] = "a whole number from",
		[NJ_CONFIG_DURATION] = "a duration from",
		[NJ_CONFIG_BYTES] = "a size from",
		[NJ_CONFIG_ENUM] = "",
		[NJ_CONFIG_SECTION] = "a section with keys of its own",
		[NJ_CONFIG_SECTIONS] = "a list of sections",
	};
	char min[NJ_CONFIG_VALUE_BYTES];
	char max[NJ_CONFIG_VALUE_BYTES];

	nj_config_number_text(row->type, row->min, min);
	nj_config_number_text(row->type, row->max, max);
	switch (row->type) {
	case NJ_CONFIG_ENUM:
		join_names(row, out);
		break;
	case NJ_CONFIG_STRING:
	case NJ_CONFIG_STRINGS:
		snprintf(out, NJ_CONFIG_ALLOWED_BYTES, "%s %s to %s bytes without control characters", nouns[row->type],
			 min, max);
		break;
	case NJ_CONFIG_UINT:
	case NJ_CONFIG_DURATION:
	case NJ_CONFIG_BYTES:
		snprintf(out, NJ_CONFIG_ALLOWED_BYTES, "%s %s to %s", nouns[row->type], min, max);
		break;
	case NJ_CONFIG_BOOL:
	case NJ_CONFIG_SECTION:
	case NJ_CONFIG_SECTIONS:
		snprintf(out, NJ_CONFIG_ALLOWED_BYTES, "%s", nouns[row->type]);
		break;
	}
	return out;
}

static void print_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

void nj_config_value_print(const struct nj_config_row *row, const void *at, FILE *out)
{
	char number[NJ_CONFIG_VALUE_BYTES];

	switch (row->type) {
	case NJ_CONFIG_STRING:
	case NJ_CONFIG_STRINGS:
		print_quoted(at, out);
		break;
	case NJ_CONFIG_BOOL:
		fputs(*(const bool *)at ? "true" : "false", out);
		break;
	case NJ_CONFIG_UINT:
	case NJ_CONFIG_DURATION:
	case NJ_CONFIG_BYTES:
		fputs(nj_config_number_text(row->type, nj_config_uint_get(row, at), number), out);
		break;
	case NJ_CONFIG_ENUM:
		fputs(row->names[nj_config_uint_get(row, at)], out);
		break;
	case NJ_CONFIG_SECTION:
	case NJ_CONFIG_SECTIONS:
		break;
	}
}
