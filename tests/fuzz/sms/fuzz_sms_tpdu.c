/*
 * Any bytes as a TPDU of either direction, and as the elements of a header. Held: what is decoded, encoded and decoded
 * again is encoded the same; views stay inside the input; elements and units of user data fit what they are copied to;
 * what a header says lies within its limits.
 */
#include "base/text.h"
#include "sms/text/status.h"
#include "sms/text/text.h"
#include "sms/text/tpdu.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(struct nj_view elements)
{
	struct nj_reader r = nj_reader_view(elements);
	struct nj_udh_element element;
	struct nj_udh header;
	size_t eaten = 0;
	while (nj_udh_next(&r, &element))
		eaten += 2 + element.value.len;
	CHECK(eaten <= elements.len);
	if (nj_udh_read(elements, &header) != NJ_OK)
		return;
	CHECK(eaten == elements.len);
	if (header.concatenated)
		CHECK(header.sequence >= 1 && header.sequence <= header.total);
}

static void check_user_data(const struct nj_tpdu *tpdu, struct nj_view in)
{
	const struct nj_user_data *data = &tpdu->user_data;
	uint8_t units[NJ_SMS_PART_UNITS_MAX];
	uint8_t utf8[3 * NJ_SMS_PART_UNITS_MAX];
	if (data->octets.len == 0)
		return;
	CHECK(data->octets.data >= in.data && data->octets.data + data->octets.len <= in.data + in.len);
	check_header(nj_user_data_elements(data));
	if (tpdu->type == NJ_TPDU_COMMAND)
		return;
	size_t count = nj_user_data_units(data, tpdu->coding, units);
	CHECK(count <= sizeof(units));
	struct nj_writer w = nj_writer_of(utf8, sizeof(utf8));
	enum nj_sms_charset charset = nj_dcs_decode(tpdu->coding).charset;
	enum nj_err err = nj_sms_text_decode(charset, (struct nj_gsm7_tables){ 4, 4 }, nj_view_of(units, count), &w);
	CHECK(err == (charset == NJ_SMS_BINARY ? NJ_ERR_UNSUPPORTED : NJ_OK));
}

static void check_times(const struct nj_tpdu *tpdu)
{
	struct nj_stamp again;
	int64_t unix_s = 0;
	int quarters = 0;
	uint64_t seconds = 0;
	(void)!nj_validity_read(&tpdu->validity, 1795354055, &seconds);
	(void)nj_sms_status_text(tpdu->status);
	(void)nj_sms_cause_text(tpdu->cause);
	(void)nj_sms_pid_kind(tpdu->protocol);
	if (nj_stamp_read(tpdu->time, &unix_s, &quarters) != NJ_OK)
		return;
	if (nj_stamp_make(unix_s, quarters, &again) == NJ_OK && (tpdu->time.raw[6] & ~8) != 0)
		CHECK(memcmp(again.raw, tpdu->time.raw, sizeof(again.raw)) == 0);
}

static void check_tpdu(struct nj_view in, enum nj_tpdu_from from, bool failed)
{
	struct nj_tpdu tpdu;
	struct nj_tpdu again;
	uint8_t once[NJ_TPDU_BYTES_MAX];
	uint8_t twice[NJ_TPDU_BYTES_MAX];
	size_t once_len = 0;
	size_t twice_len = 0;
	if (nj_tpdu_decode(in, from, failed, &tpdu) != NJ_OK)
		return;
	CHECK(nj_utf8_valid(nj_view_str(tpdu.address.text)));
	check_user_data(&tpdu, in);
	check_times(&tpdu);
	CHECK(nj_tpdu_encode(&tpdu, once, sizeof(once), &once_len) == NJ_OK);
	CHECK(nj_tpdu_decode(nj_view_of(once, once_len), from, failed, &again) == NJ_OK);
	CHECK(again.type == tpdu.type && strcmp(again.address.text, tpdu.address.text) == 0);
	CHECK(nj_tpdu_encode(&again, twice, sizeof(twice), &twice_len) == NJ_OK);
	CHECK(nj_view_equal(nj_view_of(once, once_len), nj_view_of(twice, twice_len)));
}

static void check_service_centre(struct nj_view in)
{
	struct nj_reader r = nj_reader_view(in);
	struct nj_address address;
	struct nj_address again;
	uint8_t octets[16];
	nj_address_read_rp(&r, &address);
	if (r.err != NJ_OK)
		return;
	struct nj_writer w = nj_writer_of(octets, sizeof(octets));
	nj_address_write_rp(&w, &address);
	CHECK(w.err == NJ_OK);
	r = nj_reader_of(octets, w.pos);
	nj_address_read_rp(&r, &again);
	CHECK(nj_reader_end(&r) == NJ_OK && strcmp(address.text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct nj_view in = nj_view_of(data + 1, size - 1);
	check_tpdu(in, (data[0] & 1) != 0 ? NJ_TPDU_FROM_CENTRE : NJ_TPDU_FROM_DEVICE, (data[0] & 2) != 0);
	check_header(in);
	check_service_centre(in);
	return 0;
}
