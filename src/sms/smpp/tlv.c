#include "sms/smpp/tlv.h"

#include "sms/smpp/table.h"

#define VENDOR_FIRST 0x1400 /* 5.3.2: reserved for SMSC vendors */
#define VENDOR_LAST 0x3fff

static const struct tlv_row {
	uint16_t tag;
	uint8_t type;
	uint8_t where;
	uint32_t min;
	uint32_t max;
	const char *name;
} rows[NJ_SMPP_TLV_COUNT] = {
#define TLV_ROW(name, tag, text, type, min, max, where) { tag, NJ_SMPP_TLV_##type, where, min, max, text },
	NJ_SMPP_TLV_TABLE(TLV_ROW)
#undef TLV_ROW
};

/* The table is in the order of its tags. NJ_SMPP_TLV_COUNT: no such parameter. */
static unsigned row_of(uint16_t tag)
{
	unsigned low = 0;
	unsigned high = NJ_SMPP_TLV_COUNT;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (rows[middle].tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return low < NJ_SMPP_TLV_COUNT && rows[low].tag == tag ? low : NJ_SMPP_TLV_COUNT;
}

static bool is_number(unsigned which)
{
	return rows[which].type <= NJ_SMPP_TLV_U32;
}

static size_t number_bytes(unsigned which)
{
	return rows[which].type == NJ_SMPP_TLV_U8 ? 1 : rows[which].type == NJ_SMPP_TLV_U16 ? 2 : 4;
}

void nj_smpp_tlvs_clear(struct nj_smpp_tlvs *set)
{
	set->present = 0;
	set->raw = nj_view_of(NULL, 0);
}

bool nj_smpp_has(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which)
{
	return (set->present & NJ_SMPP_TLV_BIT(which)) != 0;
}

uint32_t nj_smpp_tlv_number(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, uint32_t otherwise)
{
	return nj_smpp_has(set, which) ? set->values[which].number : otherwise;
}

struct nj_view nj_smpp_tlv_data(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which)
{
	return nj_smpp_has(set, which) ? set->values[which].data : nj_view_of(NULL, 0);
}

void nj_smpp_tlv_set_number(struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, uint32_t number)
{
	set->present |= NJ_SMPP_TLV_BIT(which);
	set->values[which].number = number;
}

void nj_smpp_tlv_set_data(struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, struct nj_view data)
{
	set->present |= NJ_SMPP_TLV_BIT(which);
	set->values[which].data = data;
}

static bool read_item(struct nj_reader *r, struct nj_smpp_tlv_item *out_item)
{
	out_item->tag = nj_read_u16(r);
	out_item->data = nj_read_view16(r);
	return r->err == NJ_OK;
}

bool nj_smpp_tlv_next(const struct nj_smpp_tlvs *set, size_t *cursor, struct nj_smpp_tlv_item *out_item)
{
	struct nj_reader r = nj_reader_view(set->raw);
	struct nj_smpp_tlv_item item;
	(void)nj_read_view(&r, *cursor);
	if (nj_reader_left(&r) == 0 || !read_item(&r, &item))
		return false;
	*cursor = r.pos;
	*out_item = item;
	return true;
}

void nj_smpp_tlv_append(struct nj_writer *w, uint16_t tag, struct nj_view data)
{
	nj_write_u16(w, tag);
	nj_write_view16(w, data);
}

void nj_smpp_tlv_vendors(const struct nj_smpp_tlvs *set, struct nj_writer *w)
{
	struct nj_smpp_tlv_item item;
	for (size_t cursor = 0; nj_smpp_tlv_next(set, &cursor, &item);)
		if (item.tag >= VENDOR_FIRST && item.tag <= VENDOR_LAST)
			nj_smpp_tlv_append(w, item.tag, item.data);
}

const char *nj_smpp_tlv_name(uint16_t tag)
{
	unsigned which = row_of(tag);
	return which < NJ_SMPP_TLV_COUNT ? rows[which].name : NULL;
}

/* Many senders leave a string's zero out; none may stand inside. */
static bool take_string(struct nj_view data, struct nj_view *out_text)
{
	const uint8_t *zero = data.len > 0 ? memchr(data.data, 0, data.len) : NULL;
	if (zero != NULL && zero != data.data + data.len - 1)
		return false;
	*out_text = nj_view_of(data.data, zero != NULL ? data.len - 1 : data.len);
	return true;
}

static uint8_t take(struct nj_smpp_tlvs *set, unsigned which, struct nj_view data)
{
	struct nj_reader r = nj_reader_view(data);
	if (is_number(which)) {
		if (data.len != number_bytes(which))
			return NJ_SMPP_FAULT_TLV_LENGTH;
		nj_smpp_tlv_set_number(set, which,
				       data.len == 1   ? nj_read_u8(&r)
				       : data.len == 2 ? nj_read_u16(&r)
						       : nj_read_u32(&r));
		return NJ_SMPP_FAULT_NONE;
	}
	if (data.len < rows[which].min || data.len > rows[which].max)
		return NJ_SMPP_FAULT_TLV_LENGTH;
	if (rows[which].type == NJ_SMPP_TLV_STRING && !take_string(data, &data))
		return NJ_SMPP_FAULT_TLV_VALUE;
	nj_smpp_tlv_set_data(set, which, data);
	return NJ_SMPP_FAULT_NONE;
}

uint8_t nj_smpp_tlvs_read(struct nj_reader *r, unsigned where, struct nj_smpp_tlvs *out_set, const char **out_field)
{
	struct nj_view raw = nj_read_view(r, nj_reader_left(r));
	struct nj_reader block = nj_reader_view(raw);
	nj_smpp_tlvs_clear(out_set);
	while (nj_reader_left(&block) > 0) {
		struct nj_smpp_tlv_item item;
		if (!read_item(&block, &item))
			return NJ_SMPP_FAULT_TLV_STREAM;
		unsigned which = row_of(item.tag);
		if (which == NJ_SMPP_TLV_COUNT || (rows[which].where & where) == 0 || nj_smpp_has(out_set, which))
			continue;
		uint8_t fault = take(out_set, which, item.data);
		if (fault != NJ_SMPP_FAULT_NONE) {
			*out_field = rows[which].name;
			return fault;
		}
	}
	out_set->raw = raw;
	return NJ_SMPP_FAULT_NONE;
}

uint8_t nj_smpp_tlvs_check(const struct nj_smpp_tlvs *set, const char **out_field)
{
	static const uint64_t sar = NJ_SMPP_TLV_BIT(NJ_SMPP_TLV_SAR_MSG_REF_NUM) |
				    NJ_SMPP_TLV_BIT(NJ_SMPP_TLV_SAR_TOTAL_SEGMENTS) |
				    NJ_SMPP_TLV_BIT(NJ_SMPP_TLV_SAR_SEGMENT_SEQNUM);
	for (uint64_t left = set->present; left != 0; left &= left - 1) {
		unsigned which = (unsigned)__builtin_ctzll(left);
		if (!is_number(which) ||
		    (set->values[which].number >= rows[which].min && set->values[which].number <= rows[which].max))
			continue;
		*out_field = rows[which].name;
		return NJ_SMPP_FAULT_TLV_VALUE;
	}
	if ((set->present & sar) == 0)
		return NJ_SMPP_FAULT_NONE;
	if ((set->present & sar) != sar) {
		*out_field = rows[__builtin_ctzll(sar & ~set->present)].name;
		return NJ_SMPP_FAULT_TLV_MISSING;
	}
	*out_field = "sar_segment_seqnum";
	return set->values[NJ_SMPP_TLV_SAR_SEGMENT_SEQNUM].number <= set->values[NJ_SMPP_TLV_SAR_TOTAL_SEGMENTS].number
		   ? NJ_SMPP_FAULT_NONE
		   : NJ_SMPP_FAULT_TLV_VALUE;
}

static void write_number(struct nj_writer *w, unsigned which, uint32_t number)
{
	size_t bytes = number_bytes(which);
	nj_write_u16(w, (uint16_t)bytes);
	if (bytes == 1)
		nj_write_u8(w, (uint8_t)number);
	else if (bytes == 2)
		nj_write_u16(w, (uint16_t)number);
	else
		nj_write_u32(w, number);
}

static enum nj_err write_data(struct nj_writer *w, unsigned which, struct nj_view data)
{
	bool string = rows[which].type == NJ_SMPP_TLV_STRING;
	size_t len = data.len + (string ? 1 : 0);
	if (len < rows[which].min || len > rows[which].max)
		return NJ_ERR_TOO_LARGE;
	if (string && data.len > 0 && memchr(data.data, 0, data.len) != NULL)
		return NJ_ERR_MALFORMED;
	nj_write_u16(w, (uint16_t)len);
	nj_write_bytes(w, data.data, data.len);
	nj_write_zero(w, len - data.len);
	return NJ_OK;
}

/* What is not in `values`: unknown, unexpected, or the second and further times of one that is there. */
static void write_rest(struct nj_writer *w, unsigned where, const struct nj_smpp_tlvs *set)
{
	struct nj_smpp_tlv_item item;
	uint64_t seen = 0;
	for (size_t cursor = 0; nj_smpp_tlv_next(set, &cursor, &item);) {
		unsigned which = row_of(item.tag);
		bool expected = which < NJ_SMPP_TLV_COUNT && (rows[which].where & where) != 0;
		bool again = expected && (seen & NJ_SMPP_TLV_BIT(which)) != 0;
		if (expected)
			seen |= NJ_SMPP_TLV_BIT(which);
		if (expected && !(again && nj_smpp_has(set, which)))
			continue;
		nj_smpp_tlv_append(w, item.tag, item.data);
	}
}

enum nj_err nj_smpp_tlvs_write(const struct nj_smpp_tlvs *set, unsigned where, struct nj_writer *w)
{
	for (uint64_t left = set->present; left != 0; left &= left - 1) {
		unsigned which = (unsigned)__builtin_ctzll(left);
		if (which >= NJ_SMPP_TLV_COUNT || (rows[which].where & where) == 0)
			return NJ_ERR_RANGE;
		nj_write_u16(w, rows[which].tag);
		if (is_number(which))
			write_number(w, which, set->values[which].number);
		else
			NJ_TRY(write_data(w, which, set->values[which].data));
	}
	write_rest(w, where, set);
	return NJ_OK;
}
