#include "sms/text/split.h"

#include "sms/text/septet.h"

#define SHIFT_OCTETS 3
#define NARROW_OCTETS 5
#define WIDE_OCTETS 6
#define SEPTETS_MAX 160

size_t nj_sms_header_octets(const struct nj_sms_layout *layout, bool concatenated)
{
	size_t octets = layout->elements.len;
	if (layout->charset == NJ_SMS_GSM7) {
		octets += layout->tables.locking != NJ_GSM7_DEFAULT ? SHIFT_OCTETS : 0;
		octets += layout->tables.single != NJ_GSM7_DEFAULT ? SHIFT_OCTETS : 0;
	}
	if (concatenated)
		octets += layout->wide_reference ? WIDE_OCTETS : NARROW_OCTETS;
	return octets == 0 ? 0 : octets + 1;
}

size_t nj_sms_capacity(enum nj_sms_charset charset, size_t header_octets)
{
	if (header_octets > NJ_SMS_USER_DATA_MAX)
		return 0;
	size_t octets = NJ_SMS_USER_DATA_MAX - header_octets;
	if (charset == NJ_SMS_GSM7)
		return SEPTETS_MAX - nj_septet_header(header_octets);
	return charset == NJ_SMS_UCS2 ? octets & ~(size_t)1 : octets;
}

static bool is_surrogate(struct nj_view units, size_t at, uint8_t kind)
{
	return at + 1 < units.len && (units.data[at] & 0xFC) == kind;
}

size_t nj_sms_unit_width(enum nj_sms_charset charset, struct nj_view units, size_t at)
{
	size_t width = 1;
	if (charset == NJ_SMS_GSM7)
		width = units.data[at] == NJ_GSM7_ESCAPE ? 2 : 1;
	else if (charset == NJ_SMS_UCS2)
		width = is_surrogate(units, at, 0xD8) && is_surrogate(units, at + 2, 0xDC) ? 4 : 2;
	return width < units.len - at ? width : units.len - at;
}

void nj_sms_tally_begin(struct nj_sms_tally *tally, const struct nj_sms_layout *layout)
{
	*tally = (struct nj_sms_tally){
		.alone = nj_sms_capacity(layout->charset, nj_sms_header_octets(layout, false)),
		.each = nj_sms_capacity(layout->charset, nj_sms_header_octets(layout, true)),
		.parts = 1,
	};
}

void nj_sms_tally_add(struct nj_sms_tally *tally, size_t width)
{
	tally->units += width;
	if (tally->used + width > tally->each) {
		tally->parts++;
		tally->used = 0;
	}
	tally->used += width;
}

size_t nj_sms_tally_parts(const struct nj_sms_tally *tally)
{
	return tally->units <= tally->alone ? 1 : tally->parts;
}

#define WIDEST 4

enum nj_err nj_sms_split_begin(struct nj_sms_split *split, const struct nj_sms_layout *layout, struct nj_view units)
{
	struct nj_sms_tally tally;
	size_t width = 0;
	nj_sms_tally_begin(&tally, layout);
	if (units.len > tally.alone && tally.each < WIDEST)
		return NJ_ERR_RANGE;
	for (size_t at = 0; at < units.len; at += width) {
		width = nj_sms_unit_width(layout->charset, units, at);
		nj_sms_tally_add(&tally, width);
	}
	size_t parts = nj_sms_tally_parts(&tally);
	if (parts > NJ_SMS_PARTS_MAX)
		return NJ_ERR_TOO_LARGE;
	*split = (struct nj_sms_split){
		.units = units,
		.charset = layout->charset,
		.each = parts == 1 ? tally.alone : tally.each,
		.parts = parts,
	};
	return NJ_OK;
}

bool nj_sms_split_next(struct nj_sms_split *split, struct nj_view *out_units)
{
	if (split->given == split->parts)
		return false;
	size_t end = split->at;
	while (end < split->units.len) {
		size_t width = nj_sms_unit_width(split->charset, split->units, end);
		if (end + width - split->at > split->each)
			break;
		end += width;
	}
	*out_units = nj_view_of(split->units.data + split->at, end - split->at);
	split->at = end;
	split->given++;
	return true;
}
