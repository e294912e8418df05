#include "sms/text/address.h"

#include "base/text.h"
#include "sms/text/gsm7.h"
#include "sms/text/septet.h"

#define EXTENSION 0x80
#define TON_SHIFT 4
#define TON_MASK 7
#define NPI_MASK 15
#define FILLER 15
#define VALUE_OCTETS_MAX 10
#define SEMI_OCTET_BITS 4
#define SEMI_OCTETS_OF_7 14

static const char digits_of[] = "0123456789*#abc";

/* ---- semi-octets ---- */

static void read_digit(struct nj_reader *r, unsigned half, char *out)
{
	if (half >= FILLER)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
	*out = half < FILLER ? digits_of[half] : '\0';
}

void nj_semi_octets_read(struct nj_reader *r, size_t count, char *out)
{
	struct nj_view value = nj_read_view(r, (count + 1) / 2);
	out[0] = '\0';
	for (size_t i = 0; i < count && value.len > 0; i++)
		read_digit(r, i % 2 == 0 ? value.data[i / 2] & 15U : value.data[i / 2] >> 4, &out[i]);
	if (r->err == NJ_OK)
		out[count] = '\0';
	else
		out[0] = '\0';
}

static unsigned half_of(struct nj_writer *w, char digit)
{
	const char *at = strchr(digits_of, digit);
	if (at == NULL && w->err == NJ_OK)
		w->err = NJ_ERR_RANGE;
	return at == NULL ? 0 : (unsigned)(at - digits_of);
}

void nj_semi_octets_write(struct nj_writer *w, const char *digits)
{
	for (const char *at = digits; *at != '\0'; at += at[1] == '\0' ? 1 : 2) {
		unsigned low = half_of(w, at[0]);
		unsigned high = at[1] == '\0' ? FILLER : half_of(w, at[1]);
		nj_write_u8(w, (uint8_t)(high << 4 | low));
	}
}

/* ---- addresses ---- */

static void read_type(struct nj_reader *r, struct nj_address *out)
{
	uint8_t type = nj_read_u8(r);
	if ((type & EXTENSION) == 0)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
	out->ton = type >> TON_SHIFT & TON_MASK;
	out->npi = type & NPI_MASK;
}

static void write_type(struct nj_writer *w, const struct nj_address *address)
{
	if (address->ton > TON_MASK || address->npi > NPI_MASK)
		w->err = w->err == NJ_OK ? NJ_ERR_RANGE : w->err;
	nj_write_u8(w, (uint8_t)(EXTENSION | address->ton << TON_SHIFT | address->npi));
}

/* The length says how many semi-octets are used, so that it says how many septets there are (9.1.2.5). */
static void read_alphanumeric(struct nj_reader *r, size_t semi_octets, struct nj_address *out)
{
	uint8_t septets[NJ_ADDRESS_TEXT_SEPTETS_MAX];
	size_t count = semi_octets * SEMI_OCTET_BITS / NJ_SEPTET_BITS;
	struct nj_reader value = nj_read_sub(r, (semi_octets + 1) / 2);
	struct nj_writer w = nj_writer_of(out->text, sizeof(out->text) - 1);
	nj_septet_unpack(&value, count, 0, septets);
	/* Some count whole octets, so that 7 characters look like 8 of which the last is an '@'. */
	if (semi_octets == SEMI_OCTETS_OF_7 && septets[count - 1] == 0)
		count--;
	nj_gsm7_decode((struct nj_gsm7_tables){ 0, 0 }, nj_view_of(septets, count), &w);
	out->text[w.pos] = '\0';
}

void nj_address_read(struct nj_reader *r, struct nj_address *out)
{
	struct nj_address address = { 0 };
	size_t semi_octets = nj_read_u8(r);
	read_type(r, &address);
	if (semi_octets > NJ_ADDRESS_DIGITS_MAX)
		nj_reader_fail(r, NJ_ERR_RANGE);
	if (r->err == NJ_OK && address.ton == NJ_TON_ALPHANUMERIC)
		read_alphanumeric(r, semi_octets, &address);
	else if (r->err == NJ_OK)
		nj_semi_octets_read(r, semi_octets, address.text);
	if (r->err == NJ_OK)
		*out = address;
}

static void write_alphanumeric(struct nj_writer *w, const struct nj_address *address)
{
	uint8_t septets[NJ_ADDRESS_TEXT_SEPTETS_MAX + 1];
	struct nj_view left = nj_view_str(address->text);
	size_t count = 0;
	while (left.len > 0 && w->err == NJ_OK) {
		uint8_t one[2];
		uint32_t code = 0;
		size_t bytes = nj_utf8_decode(left, &code);
		size_t width = bytes == 0 ? 0 : nj_gsm7_encode((struct nj_gsm7_tables){ 0, 0 }, code, one);
		if (width == 0 || count + width > NJ_ADDRESS_TEXT_SEPTETS_MAX) {
			w->err = NJ_ERR_RANGE;
			return;
		}
		for (size_t i = 0; i < width; i++)
			septets[count++] = one[i];
		left = nj_view_of(left.data + bytes, left.len - bytes);
	}
	size_t semi_octets = (count * NJ_SEPTET_BITS + SEMI_OCTET_BITS - 1) / SEMI_OCTET_BITS;
	/* 8 of which the last is an '@' indeed: one more says so. */
	bool padded = semi_octets == SEMI_OCTETS_OF_7 && septets[count - 1] == 0;
	nj_write_u8(w, (uint8_t)(semi_octets + padded));
	write_type(w, address);
	nj_septet_pack(w, septets, count, 0);
	nj_write_zero(w, padded);
}

void nj_address_write(struct nj_writer *w, const struct nj_address *address)
{
	size_t len = strnlen(address->text, sizeof(address->text));
	if (address->ton == NJ_TON_ALPHANUMERIC) {
		write_alphanumeric(w, address);
		return;
	}
	if (len > NJ_ADDRESS_DIGITS_MAX && w->err == NJ_OK)
		w->err = NJ_ERR_RANGE;
	nj_write_u8(w, (uint8_t)len);
	write_type(w, address);
	nj_semi_octets_write(w, address->text);
}

void nj_address_read_rp(struct nj_reader *r, struct nj_address *out)
{
	struct nj_address address = { 0 };
	size_t octets = nj_read_u8(r);
	struct nj_reader value = nj_read_sub(r, octets);
	if (octets > 1 + VALUE_OCTETS_MAX)
		nj_reader_fail(r, NJ_ERR_RANGE);
	if (r->err == NJ_OK && octets > 0) {
		read_type(&value, &address);
		size_t semi_octets = 2 * (octets - 1);
		if (octets > 1 && value.err == NJ_OK && value.data[value.len - 1] >> 4 == FILLER)
			semi_octets--;
		nj_semi_octets_read(&value, semi_octets, address.text);
		if (value.err != NJ_OK)
			nj_reader_fail(r, value.err);
	}
	if (r->err == NJ_OK)
		*out = address;
}

void nj_address_write_rp(struct nj_writer *w, const struct nj_address *address)
{
	size_t len = strnlen(address->text, sizeof(address->text));
	if (len > NJ_ADDRESS_DIGITS_MAX && w->err == NJ_OK)
		w->err = NJ_ERR_RANGE;
	nj_write_u8(w, (uint8_t)(len == 0 ? 0 : 1 + (len + 1) / 2));
	if (len == 0)
		return;
	write_type(w, address);
	nj_semi_octets_write(w, address->text);
}
