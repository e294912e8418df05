/* CBOR (RFC 8949) against a schema, in one pass. Tags are read over; a key is a text in one piece or a whole number. */
#include "base/text.h"
#include "identity/schema_check.h"

enum major { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

#define INDEFINITE 31

/* An item's head: 3. */
struct head {
	enum major major;
	uint8_t info;
	uint64_t value; /* of the argument; bits of a float */
};

static bool read_value(struct nj_schema_run *run, uint16_t node);
static bool read_item(struct nj_schema_run *run, uint16_t node, const struct head *head);

static bool malformed(struct nj_schema_run *run)
{
	return nj_schema_fail(run, NJ_SCHEMA_ANY, "not well-formed CBOR");
}

static bool read_head(struct nj_schema_run *run, struct head *out_head)
{
	struct nj_reader *r = &run->reader;
	uint8_t first = nj_read_u8(r);

	out_head->major = (enum major)(first >> 5);
	out_head->info = first & 31;
	out_head->value = out_head->info;
	if (out_head->info == 24)
		out_head->value = nj_read_u8(r);
	else if (out_head->info == 25)
		out_head->value = nj_read_u16(r);
	else if (out_head->info == 26)
		out_head->value = nj_read_u32(r);
	else if (out_head->info == 27)
		out_head->value = nj_read_u64(r);
	else if (out_head->info > 27 && out_head->info < INDEFINITE)
		return malformed(run);
	return r->err == NJ_OK ? true : malformed(run);
}

static bool is_break(const struct head *head)
{
	return head->major == SIMPLE && head->info == INDEFINITE;
}

/* ---- texts and bytes ---- */

static size_t characters(struct nj_view text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

/* RFC 3629, and U+0000, which a text of ours never has but this one may. */
static bool well_formed(struct nj_view text)
{
	while (text.len > 0) {
		uint32_t code;
		size_t len = text.data[0] < 0x80 ? 1 : nj_utf8_decode(text, &code);

		if (len == 0)
			return false;
		text = nj_view_of(text.data + len, text.len - len);
	}
	return true;
}

static bool read_piece(struct nj_schema_run *run, const struct head *head, struct nj_schema_text *text)
{
	struct nj_view piece;

	if (head->value > nj_reader_left(&run->reader))
		return malformed(run);
	piece = nj_read_view(&run->reader, (size_t)head->value);
	if (head->major == TEXT && !well_formed(piece))
		return malformed(run);
	nj_schema_text_add(text, piece.data, piece.len);
	text->length += head->major == TEXT ? characters(piece) : piece.len;
	return true;
}

/* 3.2.3: pieces of definite length, of the same kind, to a break. */
static bool read_pieces(struct nj_schema_run *run, const struct head *head, struct nj_schema_text *text)
{
	struct head piece;

	for (;;) {
		if (!read_head(run, &piece))
			return false;
		if (is_break(&piece))
			return true;
		if (piece.major != head->major || piece.info == INDEFINITE)
			return malformed(run);
		if (!read_piece(run, &piece, text))
			return false;
	}
}

static bool read_string(struct nj_schema_run *run, uint16_t node, const struct head *head)
{
	struct nj_schema_text text;

	text.head_bytes = 0;
	text.bytes = 0;
	text.length = 0;
	if (head->info == INDEFINITE ? !read_pieces(run, head, &text) : !read_piece(run, head, &text))
		return false;
	return nj_schema_text(run, node, head->major == TEXT ? NJ_SCHEMA_STRING : NJ_SCHEMA_BYTES, &text);
}

/* ---- numbers and simple values ---- */

static double half_value(uint16_t bits)
{
	unsigned exponent = bits >> 10 & 31;
	double mantissa = bits & 1023;
	double value;

	if (exponent == 31)
		return mantissa > 0 ? __builtin_nan("") : __builtin_inf();
	value = exponent == 0 ? mantissa : mantissa + 1024;
	for (unsigned i = exponent == 0 ? 1 : exponent; i < 25; i++)
		value /= 2;
	for (unsigned i = 25; i < exponent; i++)
		value *= 2;
	return (bits & 0x8000) != 0 ? -value : value;
}

static double float_value(const struct head *head)
{
	uint32_t bits = (uint32_t)head->value;
	float single;
	double full;

	if (head->info == 25)
		return half_value((uint16_t)head->value);
	if (head->info == 26) {
		memcpy(&single, &bits, sizeof(single));
		return (double)single;
	}
	memcpy(&full, &head->value, sizeof(full));
	return full;
}

static bool read_simple(struct nj_schema_run *run, uint16_t node, const struct head *head)
{
	switch (head->info) {
	case 20:
	case 21:
		return nj_schema_plain(run, node, NJ_SCHEMA_BOOLEAN, head->info == 21);
	case 22:
	case 23:
		return nj_schema_plain(run, node, NJ_SCHEMA_NULL, false);
	case 25:
	case 26:
	case 27:
		return nj_schema_number(run, node, float_value(head));
	default:
		return nj_schema_fail(run, node, "a simple value that has no meaning here");
	}
}

/* ---- arrays, maps, tags ---- */

/* The next item of a container that has `*left` more; false in `out_more` at its end. */
static bool next_head(struct nj_schema_run *run, const struct head *container, uint64_t *left, struct head *out_head,
		      bool *out_more)
{
	*out_more = container->info == INDEFINITE || *left > 0;
	if (!*out_more)
		return true;
	if (!read_head(run, out_head))
		return false;
	(*left)--;
	if (is_break(out_head) && container->info != INDEFINITE)
		return malformed(run);
	*out_more = !is_break(out_head);
	return true;
}

static bool read_array(struct nj_schema_run *run, uint16_t node, const struct head *head)
{
	uint16_t items = nj_schema_items(run, node);
	uint64_t left = head->value;
	uint32_t count = 0;
	struct head item;
	bool more;

	if (!nj_schema_is(run, node, NJ_SCHEMA_ARRAY) || !nj_schema_enter(run, node))
		return false;
	for (;;) {
		if (!next_head(run, head, &left, &item, &more))
			return false;
		if (!more)
			break;
		if (!read_item(run, items, &item))
			return false;
		count++;
	}
	nj_schema_leave(run);
	return nj_schema_array_end(run, node, count);
}

static bool read_key(struct nj_schema_run *run, struct nj_schema_object *object, const struct head *head,
		     uint16_t *out_node)
{
	struct nj_schema_text name;

	if (head->major == UNSIGNED || head->major == NEGATIVE) {
		/* A schema names no key that does not fit. */
		int64_t number = head->value > INT64_MAX ? INT64_MAX : (int64_t)head->value;

		return nj_schema_key(run, object, NULL, head->major == UNSIGNED ? number : -1 - number, out_node);
	}
	if (head->major != TEXT || head->info == INDEFINITE)
		return nj_schema_fail(run, object->node,
				      "a key that is neither a text in one piece nor a whole number");
	name.head_bytes = 0;
	name.bytes = 0;
	name.length = 0;
	return read_piece(run, head, &name) && nj_schema_key(run, object, &name, 0, out_node);
}

static bool read_map(struct nj_schema_run *run, uint16_t node, const struct head *head)
{
	struct nj_schema_object object = { .node = node };
	uint64_t left = head->value;
	struct head key;
	uint16_t value;
	bool more;

	if (!nj_schema_is(run, node, NJ_SCHEMA_OBJECT) || !nj_schema_enter(run, node))
		return false;
	for (;;) {
		if (!next_head(run, head, &left, &key, &more))
			return false;
		if (!more)
			break;
		if (!read_key(run, &object, &key, &value) || !read_value(run, value))
			return false;
	}
	nj_schema_leave(run);
	return nj_schema_object_end(run, &object);
}

static bool read_tagged(struct nj_schema_run *run, uint16_t node)
{
	bool sound = nj_schema_enter(run, node) && read_value(run, node);

	if (sound)
		nj_schema_leave(run);
	return sound;
}

static bool read_item(struct nj_schema_run *run, uint16_t node, const struct head *head)
{
	if (head->info == INDEFINITE && (head->major < BYTES || head->major > MAP))
		return malformed(run);
	switch (head->major) {
	case UNSIGNED:
		return nj_schema_number(run, node, (double)head->value);
	case NEGATIVE:
		return nj_schema_number(run, node, -1.0 - (double)head->value);
	case BYTES:
	case TEXT:
		return read_string(run, node, head);
	case ARRAY:
		return read_array(run, node, head);
	case MAP:
		return read_map(run, node, head);
	case TAG:
		return read_tagged(run, node);
	case SIMPLE:
		return read_simple(run, node, head);
	}
	return malformed(run);
}

static bool read_value(struct nj_schema_run *run, uint16_t node)
{
	struct head head;

	return read_head(run, &head) && read_item(run, node, &head);
}

bool nj_schema_read_cbor(struct nj_schema_run *run)
{
	if (!read_value(run, 0))
		return false;
	return nj_reader_end(&run->reader) == NJ_OK ? true : malformed(run);
}
