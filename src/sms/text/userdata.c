#include "sms/text/userdata.h"

#include "sms/text/septet.h"

static size_t header_octets(const struct nj_user_data *data)
{
	return data->has_header && data->octets.len > 0 ? data->octets.data[0] + 1U : 0;
}

void nj_user_data_read(struct nj_reader *r, uint8_t dcs, bool has_header, struct nj_user_data *out)
{
	struct nj_user_data data = { .has_header = has_header };
	bool septets = nj_dcs_in_septets(nj_dcs_decode(dcs));
	data.length = nj_read_u8(r);
	size_t octets = septets ? nj_septet_octets(data.length, 0) : data.length;
	if (octets > NJ_SMS_USER_DATA_MAX)
		nj_reader_fail(r, NJ_ERR_RANGE);
	data.octets = nj_read_view(r, octets);
	if (r->err != NJ_OK)
		return;
	size_t header = header_octets(&data);
	if ((has_header && octets == 0) || (septets ? nj_septet_header(header) : header) > data.length)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
	else
		*out = data;
}

void nj_user_data_write(struct nj_writer *w, const struct nj_user_data *data)
{
	nj_write_u8(w, data->length);
	nj_write_bytes(w, data->octets.data, data->octets.len);
}

struct nj_view nj_user_data_elements(const struct nj_user_data *data)
{
	size_t header = header_octets(data);
	if (header == 0 || header > data->octets.len)
		return nj_view_of(NULL, 0);
	return nj_view_of(data->octets.data + 1, header - 1);
}

size_t nj_user_data_units(const struct nj_user_data *data, uint8_t dcs, uint8_t out[NJ_SMS_PART_UNITS_MAX])
{
	size_t header = header_octets(data);
	struct nj_reader r = nj_reader_view(data->octets);
	nj_read_view(&r, header);
	if (!nj_dcs_in_septets(nj_dcs_decode(dcs))) {
		size_t count = nj_reader_left(&r);
		nj_read_bytes(&r, out, count);
		return count;
	}
	size_t taken = nj_septet_header(header);
	size_t count = data->length > taken ? data->length - taken : 0;
	nj_septet_unpack(&r, count, nj_septet_fill(header), out);
	return r.err == NJ_OK ? count : 0;
}

enum nj_err nj_user_data_make(const struct nj_sms_layout *layout, struct nj_sms_place place, struct nj_view units,
			      uint8_t octets[NJ_SMS_USER_DATA_MAX], struct nj_user_data *out)
{
	size_t header = nj_sms_header_octets(layout, place.total > 1);
	struct nj_writer w = nj_writer_of(octets, NJ_SMS_USER_DATA_MAX);
	size_t len = 0;
	if (units.len > nj_sms_capacity(layout->charset, header))
		return NJ_ERR_FULL;
	if (header > 0)
		nj_write_u8(&w, (uint8_t)(header - 1));
	if (place.total > 1)
		nj_udh_write_concatenation(&w, layout->wide_reference, place.reference, place.total, place.sequence);
	if (layout->charset == NJ_SMS_GSM7)
		nj_udh_write_tables(&w, layout->tables);
	nj_write_bytes(&w, layout->elements.data, layout->elements.len);
	if (layout->charset == NJ_SMS_GSM7)
		nj_septet_pack(&w, units.data, units.len, nj_septet_fill(header));
	else
		nj_write_bytes(&w, units.data, units.len);
	NJ_TRY(nj_writer_end(&w, &len));
	size_t length = layout->charset == NJ_SMS_GSM7 ? nj_septet_header(header) + units.len : len;
	*out = (struct nj_user_data){
		.octets = nj_view_of(octets, len),
		.length = (uint8_t)length,
		.has_header = header > 0,
	};
	return NJ_OK;
}
