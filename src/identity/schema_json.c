/* JSON (RFC 8259) against a schema, in one pass. */
#include "base/text.h"
#include "identity/schema_check.h"

#define NUMBER_MAX_BYTES 63
#define PLAIN_DIGITS 15
#define PLAIN_BELOW UINT64_C(1000000000000000)

static bool read_value(struct nj_schema_run *run, uint16_t node);

static bool malformed(struct nj_schema_run *run)
{
	return nj_schema_fail(run, NJ_SCHEMA_ANY, "not well-formed JSON");
}

/* The next byte without taking it; −1 at the end. */
static int peek(const struct nj_schema_run *run)
{
	return run->reader.pos < run->reader.len ? run->reader.data[run->reader.pos] : -1;
}

static void skip(struct nj_schema_run *run)
{
	(void)nj_read_u8(&run->reader);
}

static int peek_after_space(struct nj_schema_run *run)
{
	int c = peek(run);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		skip(run);
		c = peek(run);
	}
	return c;
}

static bool take(struct nj_schema_run *run, char want)
{
	if (peek_after_space(run) != want)
		return false;
	skip(run);
	return true;
}

/* ---- texts ---- */

static bool hex4(struct nj_schema_run *run, uint32_t *out_code)
{
	struct nj_view digits = nj_read_view(&run->reader, 4);
	uint8_t bytes[2];

	if (digits.len != 4 || nj_hex_decode(digits, bytes, sizeof(bytes)) != NJ_OK)
		return false;
	*out_code = (uint32_t)bytes[0] << 8 | bytes[1];
	return true;
}

static void add_code(struct nj_schema_text *text, uint32_t code)
{
	uint8_t utf8[4];
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len; i-- > 1; code >>= 6)
		utf8[i] = (uint8_t)(0x80 | (code & 0x3f));
	utf8[0] = (uint8_t)(leads[len] | code);
	nj_schema_text_add(text, utf8, len);
	text->length++;
}

/* After "\u": a character, or a pair of surrogates; half a pair is no character. */
static bool read_escaped_code(struct nj_schema_run *run, struct nj_schema_text *text)
{
	uint32_t code;
	uint32_t low;

	if (!hex4(run, &code) || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (nj_read_u8(&run->reader) != '\\' || nj_read_u8(&run->reader) != 'u' || !hex4(run, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return false;
		code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
	}
	add_code(text, code);
	return true;
}

static bool read_escape(struct nj_schema_run *run, struct nj_schema_text *text)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	uint8_t c = nj_read_u8(&run->reader);
	const char *at = c != 0 ? strchr(from, c) : NULL;

	if (c == 'u')
		return read_escaped_code(run, text);
	if (at == NULL)
		return false;
	add_code(text, (uint32_t)to[at - from]);
	return true;
}

/* Characters up to the next quote or escape. False: one that cannot stand there. */
static bool read_run(struct nj_schema_run *run, struct nj_schema_text *text)
{
	const struct nj_reader *r = &run->reader;
	const uint8_t *from = r->data + r->pos;
	struct nj_view rest = nj_view_of(from, nj_reader_left(r));
	size_t len = 0;

	while (len < rest.len && from[len] != '"' && from[len] != '\\') {
		uint32_t code;
		size_t bytes = from[len] < 0x80 ? 1 : nj_utf8_decode(nj_view_of(from + len, rest.len - len), &code);

		if (bytes == 0 || from[len] < 0x20)
			return false;
		len += bytes;
		text->length++;
	}
	nj_schema_text_add(text, nj_read_view(&run->reader, len).data, len);
	return true;
}

/* From the opening quote on. */
static bool read_text(struct nj_schema_run *run, struct nj_schema_text *out_text)
{
	out_text->head_bytes = 0;
	out_text->bytes = 0;
	out_text->length = 0;
	skip(run);
	for (;;) {
		int c = peek(run);

		if (c < 0)
			return malformed(run);
		if (c == '"') {
			skip(run);
			return true;
		}
		if (c == '\\')
			skip(run);
		if (c == '\\' ? !read_escape(run, out_text) : !read_run(run, out_text))
			return malformed(run);
	}
}

static bool read_string(struct nj_schema_run *run, uint16_t node)
{
	struct nj_schema_text text;

	return read_text(run, &text) && nj_schema_text(run, node, NJ_SCHEMA_STRING, &text);
}

/* ---- numbers ---- */

struct number {
	char text[NUMBER_MAX_BYTES + 1];
	size_t len;
};

/* Takes one character of a number; false when there is no more room. */
static bool take_char(struct nj_schema_run *run, struct number *number)
{
	if (number->len == NUMBER_MAX_BYTES)
		return false;
	number->text[number->len++] = (char)nj_read_u8(&run->reader);
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool take_digits(struct nj_schema_run *run, struct number *number)
{
	if (!is_digit(peek(run)))
		return false;
	while (is_digit(peek(run)))
		if (!take_char(run, number))
			return false;
	return true;
}

static bool take_number(struct nj_schema_run *run, struct number *number)
{
	if (peek(run) == '-' && !take_char(run, number))
		return false;
	if (peek(run) == '0' ? !take_char(run, number) : !take_digits(run, number))
		return false;
	if (peek(run) == '.' && (!take_char(run, number) || !take_digits(run, number)))
		return false;
	if (peek(run) != 'e' && peek(run) != 'E')
		return true;
	if (!take_char(run, number))
		return false;
	if ((peek(run) == '+' || peek(run) == '-') && !take_char(run, number))
		return false;
	return take_digits(run, number);
}

/*
 * What most numbers are: at most 15 digits, no exponent. Mantissa and power of ten are exact doubles then, so that one
 * division rounds as strtod does.
 */
static double value_of(const struct number *number)
{
	static const double tens[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	bool negative = number->text[0] == '-';
	size_t point = number->len;
	uint64_t digits = 0;

	if (number->len - negative > PLAIN_DIGITS + 1)
		return strtod(number->text, NULL);
	for (size_t i = negative; i < number->len; i++) {
		if (number->text[i] == '.')
			point = i + 1;
		else if (number->text[i] <= '9' && number->text[i] >= '0')
			digits = digits * 10 + (uint64_t)(number->text[i] - '0');
		else
			return strtod(number->text, NULL);
	}
	if (digits >= PLAIN_BELOW)
		return strtod(number->text, NULL);
	return (negative ? -1.0 : 1.0) * ((double)digits / tens[number->len - point]);
}

static bool read_number(struct nj_schema_run *run, uint16_t node)
{
	struct number number;

	number.len = 0;
	if (!take_number(run, &number))
		return malformed(run);
	number.text[number.len] = '\0';
	return nj_schema_number(run, node, value_of(&number));
}

/* ---- the rest ---- */

static bool read_word(struct nj_schema_run *run, uint16_t node, const char *word, enum nj_schema_type type, bool value)
{
	struct nj_view want = nj_view_str(word);

	if (!nj_view_equal(nj_read_view(&run->reader, want.len), want))
		return malformed(run);
	return nj_schema_plain(run, node, type, value);
}

static bool read_array(struct nj_schema_run *run, uint16_t node)
{
	uint16_t items = nj_schema_items(run, node);
	uint32_t count = 0;

	skip(run);
	if (!nj_schema_is(run, node, NJ_SCHEMA_ARRAY) || !nj_schema_enter(run, node))
		return false;
	while (!take(run, ']')) {
		if (count > 0 && !take(run, ','))
			return malformed(run);
		if (!read_value(run, items))
			return false;
		count++;
	}
	nj_schema_leave(run);
	return nj_schema_array_end(run, node, count);
}

static bool read_member(struct nj_schema_run *run, struct nj_schema_object *object)
{
	struct nj_schema_text name;
	uint16_t node;

	if (peek_after_space(run) != '"')
		return malformed(run);
	if (!read_text(run, &name) || !nj_schema_key(run, object, &name, 0, &node))
		return false;
	return take(run, ':') ? read_value(run, node) : malformed(run);
}

static bool read_object(struct nj_schema_run *run, uint16_t node)
{
	struct nj_schema_object object = { .node = node };

	skip(run);
	if (!nj_schema_is(run, node, NJ_SCHEMA_OBJECT) || !nj_schema_enter(run, node))
		return false;
	while (!take(run, '}')) {
		if (object.count > 0 && !take(run, ','))
			return malformed(run);
		if (!read_member(run, &object))
			return false;
	}
	nj_schema_leave(run);
	return nj_schema_object_end(run, &object);
}

static bool read_value(struct nj_schema_run *run, uint16_t node)
{
	switch (peek_after_space(run)) {
	case '{':
		return read_object(run, node);
	case '[':
		return read_array(run, node);
	case '"':
		return read_string(run, node);
	case 't':
		return read_word(run, node, "true", NJ_SCHEMA_BOOLEAN, true);
	case 'f':
		return read_word(run, node, "false", NJ_SCHEMA_BOOLEAN, false);
	case 'n':
		return read_word(run, node, "null", NJ_SCHEMA_NULL, false);
	default:
		return read_number(run, node);
	}
}

bool nj_schema_read_json(struct nj_schema_run *run)
{
	if (!read_value(run, 0))
		return false;
	return peek_after_space(run) < 0 ? true : malformed(run);
}
