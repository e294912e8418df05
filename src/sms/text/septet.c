#include "sms/text/septet.h"

#define OCTET_BITS 8
#define SEPTET_MASK 0x7F

size_t nj_septet_header(size_t header_octets)
{
	return (header_octets * OCTET_BITS + NJ_SEPTET_BITS - 1) / NJ_SEPTET_BITS;
}

unsigned nj_septet_fill(size_t header_octets)
{
	return (unsigned)(nj_septet_header(header_octets) * NJ_SEPTET_BITS - header_octets * OCTET_BITS);
}

size_t nj_septet_octets(size_t count, unsigned fill)
{
	if (count == 0)
		return 0;
	return (fill + count * NJ_SEPTET_BITS + OCTET_BITS - 1) / OCTET_BITS;
}

void nj_septet_pack(struct nj_writer *w, const uint8_t *septets, size_t count, unsigned fill)
{
	unsigned held = 0;
	unsigned bits = fill;
	for (size_t i = 0; i < count; i++) {
		held |= (unsigned)(septets[i] & SEPTET_MASK) << bits;
		bits += NJ_SEPTET_BITS;
		while (bits >= OCTET_BITS) {
			nj_write_u8(w, (uint8_t)held);
			held >>= OCTET_BITS;
			bits -= OCTET_BITS;
		}
	}
	if (count > 0 && bits > 0)
		nj_write_u8(w, (uint8_t)held);
}

void nj_septet_unpack(struct nj_reader *r, size_t count, unsigned fill, uint8_t *out)
{
	struct nj_view packed = nj_read_view(r, nj_septet_octets(count, fill));
	for (size_t i = 0; i < count; i++) {
		size_t bit = fill + i * NJ_SEPTET_BITS;
		size_t at = bit / OCTET_BITS;
		unsigned pair = 0;
		if (at < packed.len)
			pair = packed.data[at];
		if (at + 1 < packed.len)
			pair |= (unsigned)packed.data[at + 1] << OCTET_BITS;
		out[i] = (uint8_t)(pair >> bit % OCTET_BITS) & SEPTET_MASK;
	}
}
