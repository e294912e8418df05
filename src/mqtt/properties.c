#include "mqtt/properties.h"

#include "base/text.h"
#include "identity/rights.h"

static const struct row {
	uint8_t id;
	uint8_t type;
	const char *text;
	uint32_t min;
	uint32_t max;
	unsigned legal;
	unsigned many;
} rows[NJ_MQTT_P_COUNT] = {
#define ROW(name, id, text, type, min, max, legal, many) { id, type, text, min, max, legal, many },
	NJ_MQTT_PROPERTY_TABLE(ROW)
#undef ROW
};

#define ID_LIMIT 0x2B
static const uint8_t row_of_id[ID_LIMIT] = { /* index + 1; 0: no such property */
#define BY_ID(name, id, text, type, min, max, legal, many) [id] = NJ_MQTT_P_##name + 1,
					     NJ_MQTT_PROPERTY_TABLE(BY_ID)
#undef BY_ID
};

enum nj_mqtt_fault nj_mqtt_varint_read(struct nj_reader *r, uint32_t *out_value)
{
	uint32_t value = 0;
	for (unsigned shift = 0; shift < 28; shift += 7) {
		uint8_t byte = nj_read_u8(r);
		value |= (uint32_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) != 0)
			continue;
		if (byte == 0 && shift > 0)
			return NJ_MQTT_FAULT_LENGTH;
		*out_value = value;
		return r->err == NJ_OK ? NJ_MQTT_FAULT_NONE : NJ_MQTT_FAULT_TRUNCATED;
	}
	return NJ_MQTT_FAULT_LENGTH;
}

void nj_mqtt_varint_write(struct nj_writer *w, uint32_t value)
{
	do {
		uint8_t byte = value & 0x7f;
		value >>= 7;
		nj_write_u8(w, value > 0 ? byte | 0x80 : byte);
	} while (value > 0);
}

size_t nj_mqtt_varint_size(uint32_t value)
{
	return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

void nj_mqtt_properties_clear(struct nj_mqtt_properties *set)
{
	set->present = 0;
	set->raw = nj_view_of(NULL, 0);
}

static enum nj_mqtt_fault read_text(struct nj_reader *r, struct nj_view *out)
{
	struct nj_view text = nj_read_view16(r);
	if (!nj_utf8_valid(text))
		return NJ_MQTT_FAULT_UTF8;
	*out = text;
	return NJ_MQTT_FAULT_NONE;
}

static enum nj_mqtt_fault read_value(struct nj_reader *r, struct nj_mqtt_item *item)
{
	switch ((enum nj_mqtt_property_type)rows[item->which].type) {
	case NJ_MQTT_BYTE:
		item->number = nj_read_u8(r);
		return NJ_MQTT_FAULT_NONE;
	case NJ_MQTT_TWO:
		item->number = nj_read_u16(r);
		return NJ_MQTT_FAULT_NONE;
	case NJ_MQTT_FOUR:
		item->number = nj_read_u32(r);
		return NJ_MQTT_FAULT_NONE;
	case NJ_MQTT_VARINT:
		return nj_mqtt_varint_read(r, &item->number);
	case NJ_MQTT_BINARY:
		item->data = nj_read_view16(r);
		return NJ_MQTT_FAULT_NONE;
	case NJ_MQTT_STRING:
	case NJ_MQTT_TOPIC:
		return read_text(r, &item->data);
	case NJ_MQTT_PAIR: {
		enum nj_mqtt_fault fault = read_text(r, &item->name);
		return fault != NJ_MQTT_FAULT_NONE ? fault : read_text(r, &item->data);
	}
	}
	return NJ_MQTT_FAULT_PROPERTY_UNKNOWN;
}

static enum nj_mqtt_fault read_item(struct nj_reader *r, struct nj_mqtt_item *item)
{
	uint32_t id = 0;
	enum nj_mqtt_fault fault = nj_mqtt_varint_read(r, &id);
	if (fault != NJ_MQTT_FAULT_NONE)
		return fault;
	if (id >= ID_LIMIT || row_of_id[id] == 0)
		return NJ_MQTT_FAULT_PROPERTY_UNKNOWN;
	*item = (struct nj_mqtt_item){ .which = row_of_id[id] - 1 };
	fault = read_value(r, item);
	return r->err != NJ_OK ? NJ_MQTT_FAULT_TRUNCATED : fault;
}

static bool is_number(const struct row *row)
{
	return row->type <= NJ_MQTT_VARINT;
}

static enum nj_mqtt_fault check_value(const struct row *row, const struct nj_mqtt_item *item)
{
	if (row->type == NJ_MQTT_TOPIC && !nj_topic_name_valid(item->data))
		return NJ_MQTT_FAULT_PROPERTY_VALUE;
	if (!is_number(row) || (item->number >= row->min && item->number <= row->max))
		return NJ_MQTT_FAULT_NONE;
	return item->which == NJ_MQTT_P_TOPIC_ALIAS ? NJ_MQTT_FAULT_TOPIC_ALIAS : NJ_MQTT_FAULT_PROPERTY_VALUE;
}

static enum nj_mqtt_fault keep_item(struct nj_mqtt_properties *set, unsigned where, const struct nj_mqtt_item *item)
{
	const struct row *row = &rows[item->which];
	if ((row->legal & where) == 0)
		return NJ_MQTT_FAULT_PROPERTY_PLACE;
	if (nj_mqtt_has(set, item->which) && (row->many & where) == 0)
		return NJ_MQTT_FAULT_PROPERTY_REPEATED;
	enum nj_mqtt_fault fault = check_value(row, item);
	if (fault != NJ_MQTT_FAULT_NONE)
		return fault;
	if (is_number(row))
		nj_mqtt_set_number(set, item->which, item->number);
	else
		nj_mqtt_set_data(set, item->which, item->data);
	return NJ_MQTT_FAULT_NONE;
}

enum nj_mqtt_fault nj_mqtt_properties_read(struct nj_reader *r, unsigned where, struct nj_mqtt_properties *out_set)
{
	uint32_t len = 0;
	nj_mqtt_properties_clear(out_set);
	enum nj_mqtt_fault fault = nj_mqtt_varint_read(r, &len);
	if (fault != NJ_MQTT_FAULT_NONE)
		return fault;
	struct nj_view raw = nj_read_view(r, len);
	if (r->err != NJ_OK)
		return NJ_MQTT_FAULT_TRUNCATED;
	out_set->raw = raw;
	struct nj_reader block = nj_reader_view(raw);
	while (nj_reader_left(&block) > 0) {
		struct nj_mqtt_item item;
		fault = read_item(&block, &item);
		if (fault == NJ_MQTT_FAULT_NONE)
			fault = keep_item(out_set, where, &item);
		if (fault != NJ_MQTT_FAULT_NONE)
			return fault;
	}
	return NJ_MQTT_FAULT_NONE;
}

bool nj_mqtt_properties_next(const struct nj_mqtt_properties *set, size_t *cursor, struct nj_mqtt_item *out_item)
{
	struct nj_reader r = nj_reader_view(set->raw);
	struct nj_mqtt_item item;
	(void)nj_read_view(&r, *cursor);
	if (nj_reader_left(&r) == 0 || read_item(&r, &item) != NJ_MQTT_FAULT_NONE)
		return false;
	*cursor = r.pos;
	*out_item = item;
	return true;
}

bool nj_mqtt_has(const struct nj_mqtt_properties *set, enum nj_mqtt_property which)
{
	return (set->present & NJ_MQTT_P_BIT(which)) != 0;
}

uint32_t nj_mqtt_number(const struct nj_mqtt_properties *set, enum nj_mqtt_property which, uint32_t otherwise)
{
	return nj_mqtt_has(set, which) ? set->values[which].number : otherwise;
}

void nj_mqtt_set_number(struct nj_mqtt_properties *set, enum nj_mqtt_property which, uint32_t number)
{
	set->present |= NJ_MQTT_P_BIT(which);
	set->values[which].number = number;
}

void nj_mqtt_set_data(struct nj_mqtt_properties *set, enum nj_mqtt_property which, struct nj_view data)
{
	set->present |= NJ_MQTT_P_BIT(which);
	set->values[which].data = data;
}

static size_t item_size(const struct nj_mqtt_item *item)
{
	switch ((enum nj_mqtt_property_type)rows[item->which].type) {
	case NJ_MQTT_BYTE:
		return 2;
	case NJ_MQTT_TWO:
		return 3;
	case NJ_MQTT_FOUR:
		return 5;
	case NJ_MQTT_VARINT:
		return 1 + nj_mqtt_varint_size(item->number);
	case NJ_MQTT_BINARY:
	case NJ_MQTT_STRING:
	case NJ_MQTT_TOPIC:
		return 3 + item->data.len;
	case NJ_MQTT_PAIR:
		return 5 + item->name.len + item->data.len;
	}
	return 0;
}

static void item_write(const struct nj_mqtt_item *item, struct nj_writer *w)
{
	nj_write_u8(w, rows[item->which].id);
	switch ((enum nj_mqtt_property_type)rows[item->which].type) {
	case NJ_MQTT_BYTE:
		nj_write_u8(w, (uint8_t)item->number);
		break;
	case NJ_MQTT_TWO:
		nj_write_u16(w, (uint16_t)item->number);
		break;
	case NJ_MQTT_FOUR:
		nj_write_u32(w, item->number);
		break;
	case NJ_MQTT_VARINT:
		nj_mqtt_varint_write(w, item->number);
		break;
	case NJ_MQTT_PAIR:
		nj_write_view16(w, item->name);
		nj_write_view16(w, item->data);
		break;
	case NJ_MQTT_BINARY:
	case NJ_MQTT_STRING:
	case NJ_MQTT_TOPIC:
		nj_write_view16(w, item->data);
		break;
	}
}

/* The members of a set in the table's order: single ones from `values`, those that can repeat from `raw`. */
struct walk {
	const struct nj_mqtt_properties *set;
	uint32_t mask;
	unsigned which;
	size_t cursor;
};

static bool next_repeated(struct walk *walk, struct nj_mqtt_item *out_item)
{
	while (nj_mqtt_properties_next(walk->set, &walk->cursor, out_item))
		if (out_item->which == (enum nj_mqtt_property)walk->which)
			return true;
	return false;
}

static bool walk_next(struct walk *walk, struct nj_mqtt_item *out_item)
{
	for (; walk->which < NJ_MQTT_P_COUNT; walk->which++, walk->cursor = 0) {
		if ((walk->set->present & walk->mask & NJ_MQTT_P_BIT(walk->which)) == 0)
			continue;
		if (rows[walk->which].many != 0 && walk->set->raw.len > 0) {
			if (next_repeated(walk, out_item))
				return true;
			continue;
		}
		*out_item = (struct nj_mqtt_item){ .which = walk->which };
		if (is_number(&rows[walk->which]))
			out_item->number = walk->set->values[walk->which].number;
		else
			out_item->data = walk->set->values[walk->which].data;
		walk->which++;
		walk->cursor = 0;
		return true;
	}
	return false;
}

size_t nj_mqtt_properties_size(const struct nj_mqtt_properties *set, uint32_t mask)
{
	struct walk walk = { .set = set, .mask = mask };
	struct nj_mqtt_item item;
	size_t size = 0;
	while (walk_next(&walk, &item))
		size += item_size(&item);
	return size;
}

void nj_mqtt_properties_copy(const struct nj_mqtt_properties *set, uint32_t mask, struct nj_writer *w)
{
	struct walk walk = { .set = set, .mask = mask };
	struct nj_mqtt_item item;
	while (walk_next(&walk, &item))
		item_write(&item, w);
}

void nj_mqtt_properties_write(const struct nj_mqtt_properties *set, struct nj_writer *w)
{
	nj_mqtt_varint_write(w, (uint32_t)nj_mqtt_properties_size(set, NJ_MQTT_P_ALL));
	nj_mqtt_properties_copy(set, NJ_MQTT_P_ALL, w);
}

/* A text that is cut where its room ends. */
struct line {
	char *out;
	size_t cap;
	size_t len;
};

static void add_view(struct line *line, struct nj_view view)
{
	for (size_t i = 0; i < view.len && line->len + 1 < line->cap; i++) {
		uint8_t c = view.data[i];
		line->out[line->len++] = c > 0x20 && c < 0x7f ? (char)c : '.';
	}
}

static void add_item(struct line *line, const struct nj_mqtt_item *item)
{
	char number[16];
	if (line->len > 0 && line->len + 1 < line->cap)
		line->out[line->len++] = ' ';
	add_view(line, nj_view_str(rows[item->which].text));
	add_view(line, nj_view_str("="));
	if (is_number(&rows[item->which])) {
		(void)!nj_text_format(number, sizeof(number), "%u", item->number);
		add_view(line, nj_view_str(number));
		return;
	}
	if (rows[item->which].type == NJ_MQTT_PAIR) {
		add_view(line, item->name);
		add_view(line, nj_view_str(":"));
	}
	add_view(line, item->data);
}

const char *nj_mqtt_properties_text(const struct nj_mqtt_properties *set, char *out, size_t cap)
{
	struct walk walk = { .set = set, .mask = NJ_MQTT_P_ALL };
	struct line line = { .out = out, .cap = cap };
	struct nj_mqtt_item item;
	while (walk_next(&walk, &item))
		add_item(&line, &item);
	if (cap > 0)
		out[line.len] = '\0';
	return out;
}
