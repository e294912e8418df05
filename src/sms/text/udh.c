#include "sms/text/udh.h"

bool nj_udh_next(struct nj_reader *r, struct nj_udh_element *out)
{
	struct nj_udh_element element;
	if (nj_reader_left(r) == 0)
		return false;
	element.id = nj_read_u8(r);
	element.value = nj_read_view(r, nj_read_u8(r));
	if (r->err != NJ_OK)
		return false;
	*out = element;
	return true;
}

static void read_concatenation(struct nj_reader *value, bool wide, struct nj_udh *out)
{
	uint16_t reference = wide ? nj_read_u16(value) : nj_read_u8(value);
	uint8_t total = nj_read_u8(value);
	uint8_t sequence = nj_read_u8(value);
	if (nj_reader_end(value) != NJ_OK || total == 0 || sequence == 0 || sequence > total)
		return;
	out->concatenated = true;
	out->wide = wide;
	out->reference = reference;
	out->total = total;
	out->sequence = sequence;
}

static void read_ports(struct nj_reader *value, bool wide, struct nj_udh *out)
{
	uint16_t destination = wide ? nj_read_u16(value) : nj_read_u8(value);
	uint16_t source = wide ? nj_read_u16(value) : nj_read_u8(value);
	if (nj_reader_end(value) != NJ_OK)
		return;
	out->has_ports = true;
	out->destination_port = destination;
	out->source_port = source;
}

static void read_table(struct nj_reader *value, uint8_t *out)
{
	uint8_t language = nj_read_u8(value);
	if (nj_reader_end(value) == NJ_OK)
		*out = language;
}

static void read_element(const struct nj_udh_element *element, struct nj_udh *out)
{
	struct nj_reader value = nj_reader_view(element->value);
	switch (element->id) {
	case NJ_IE_CONCAT_8:
	case NJ_IE_CONCAT_16:
		read_concatenation(&value, element->id == NJ_IE_CONCAT_16, out);
		return;
	case NJ_IE_PORT_8:
	case NJ_IE_PORT_16:
		read_ports(&value, element->id == NJ_IE_PORT_16, out);
		return;
	case NJ_IE_SINGLE_SHIFT:
		read_table(&value, &out->tables.single);
		return;
	case NJ_IE_LOCKING_SHIFT:
		read_table(&value, &out->tables.locking);
		return;
	case NJ_IE_WIRELESS_CONTROL:
		out->wireless_control = true;
		return;
	default:
		out->sim = out->sim || (element->id >= NJ_IE_SIM_FIRST && element->id <= NJ_IE_SIM_LAST);
		return;
	}
}

enum nj_err nj_udh_read(struct nj_view elements, struct nj_udh *out)
{
	struct nj_reader r = nj_reader_view(elements);
	struct nj_udh_element element;
	struct nj_udh header = { 0 };
	while (nj_udh_next(&r, &element))
		read_element(&element, &header);
	NJ_TRY(nj_reader_end(&r));
	*out = header;
	return NJ_OK;
}

void nj_udh_write_concatenation(struct nj_writer *w, bool wide, uint16_t reference, uint8_t total, uint8_t sequence)
{
	nj_write_u8(w, wide ? NJ_IE_CONCAT_16 : NJ_IE_CONCAT_8);
	nj_write_u8(w, wide ? 4 : 3);
	if (wide)
		nj_write_u16(w, reference);
	else
		nj_write_u8(w, (uint8_t)reference);
	nj_write_u8(w, total);
	nj_write_u8(w, sequence);
}

void nj_udh_write_ports(struct nj_writer *w, uint16_t destination, uint16_t source)
{
	nj_write_u8(w, NJ_IE_PORT_16);
	nj_write_u8(w, 4);
	nj_write_u16(w, destination);
	nj_write_u16(w, source);
}

static void write_table(struct nj_writer *w, enum nj_ie id, uint8_t language)
{
	if (language == NJ_GSM7_DEFAULT)
		return;
	nj_write_u8(w, (uint8_t)id);
	nj_write_u8(w, 1);
	nj_write_u8(w, language);
}

void nj_udh_write_tables(struct nj_writer *w, struct nj_gsm7_tables tables)
{
	write_table(w, NJ_IE_SINGLE_SHIFT, tables.single);
	write_table(w, NJ_IE_LOCKING_SHIFT, tables.locking);
}
