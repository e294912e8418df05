#include "cli/csv.h"

#include <stdbool.h>
#include <string.h>

/* The first field as it grows; later fields go nowhere. */
struct field {
	char *out;
	size_t cap;
	size_t len;
	uint32_t index;
	bool quoted;
};

struct nj_csv nj_csv_of(struct nj_view text)
{
	struct nj_csv csv = { .in = nj_reader_view(text), .line = 1 };

	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		(void)nj_read_view(&csv.in, 3);
	return csv;
}

/* The next byte without eating it; -1 at the end. */
static int peek(const struct nj_csv *csv)
{
	struct nj_reader ahead = csv->in;

	return nj_reader_left(&ahead) > 0 ? nj_read_u8(&ahead) : -1;
}

static int eat(struct nj_csv *csv)
{
	uint8_t c = nj_read_u8(&csv->in);

	if (c == '\n')
		csv->line++;
	return c;
}

static enum nj_err put(struct field *field, int c, uint32_t line, struct nj_why *why)
{
	if (c == '\0')
		return nj_why(why, NJ_ERR_MALFORMED, "line %u: a zero byte: is this a text file?", line);
	if (field->index > 0)
		return NJ_OK;
	if (field->len + 1 >= field->cap)
		return nj_why(why, NJ_ERR_TOO_LARGE, "line %u: the first field is longer than %zu bytes", line,
			      field->cap - 1);
	field->out[field->len++] = (char)c;
	return NJ_OK;
}

/* After the opening quote, up to and with the closing one. */
static enum nj_err read_quoted(struct nj_csv *csv, struct field *field, struct nj_why *why)
{
	uint32_t opened = csv->line;

	for (;;) {
		if (peek(csv) < 0)
			return nj_why(why, NJ_ERR_MALFORMED, "line %u: a quoted field has no end", opened);
		uint32_t line = csv->line;
		int c = eat(csv);
		if (c == '"') {
			if (peek(csv) != '"')
				return NJ_OK;
			(void)eat(csv);
		}
		NJ_TRY(put(field, c, line, why));
	}
}

static bool at_record_end(const struct nj_csv *csv)
{
	struct nj_csv ahead = *csv;
	int c = peek(&ahead);

	if (c == '\r') {
		(void)eat(&ahead);
		c = peek(&ahead) == '\n' || peek(&ahead) < 0 ? '\n' : 0;
	}
	return c < 0 || c == '\n';
}

static void eat_record_end(struct nj_csv *csv)
{
	if (peek(csv) == '\r')
		(void)eat(csv);
	if (peek(csv) == '\n')
		(void)eat(csv);
}

static enum nj_err read_field(struct nj_csv *csv, struct field *field, struct nj_why *why)
{
	if (peek(csv) == '"') {
		(void)eat(csv);
		field->quoted = true;
		NJ_TRY(read_quoted(csv, field, why));
		if (peek(csv) == ',' || at_record_end(csv))
			return NJ_OK;
		return nj_why(why, NJ_ERR_MALFORMED, "line %u: text after a closing quote", csv->line);
	}
	while (peek(csv) != ',' && !at_record_end(csv)) {
		if (peek(csv) == '"')
			return nj_why(why, NJ_ERR_MALFORMED,
				      "line %u: a quote inside a field that does not begin with one", csv->line);
		NJ_TRY(put(field, eat(csv), csv->line, why));
	}
	return NJ_OK;
}

static enum nj_err read_record(struct nj_csv *csv, struct field *field, struct nj_why *why)
{
	for (;;) {
		NJ_TRY(read_field(csv, field, why));
		if (peek(csv) != ',')
			break;
		(void)eat(csv);
		field->index++;
	}
	eat_record_end(csv);
	return NJ_OK;
}

enum nj_err nj_csv_next(struct nj_csv *csv, char *out_first, size_t out_bytes, uint32_t *out_line, struct nj_why *why)
{
	while (peek(csv) >= 0) {
		struct field field = { .out = out_first, .cap = out_bytes };
		uint32_t line = csv->line;

		NJ_TRY(read_record(csv, &field, why));
		if (field.len == 0 && field.index == 0 && !field.quoted)
			continue;
		out_first[field.len] = '\0';
		*out_line = line;
		return NJ_OK;
	}
	return NJ_ERR_CLOSED;
}
