#include "net/proxy.h"

#include <string.h>

#define SIGNATURE_BYTES 12
#define VERSION 0x20
#define VERSION_BITS 0xf0
#define COMMAND_BITS 0x0f
#define COMMAND_LOCAL 0x0
#define COMMAND_PROXY 0x1
#define LENGTH_OFFSET 14
#define TCP4 0x11
#define TCP6 0x21
#define UNIX_FAMILY 0x3
#define DATAGRAM 0x2

#define TYPE_CRC32C 0x03
#define TYPE_UNIQUE_ID 0x05
#define TYPE_SSL 0x20
#define CRC_BYTES 4
#define UNIQUE_ID_MAX 128
#define SSL_HEAD_BYTES 5 /* which parts are there, and whether the certificate was verified */

static const uint8_t signature[SIGNATURE_BYTES] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
						    0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

/* CRC-32C (RFC 4960 appendix B), four bits at a time. */
static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t len)
{
	static const uint32_t by_nibble[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
						0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
						0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		crc = crc >> 4 ^ by_nibble[crc & 0xf];
		crc = crc >> 4 ^ by_nibble[crc & 0xf];
	}
	return crc;
}

/* As if the four bytes at `crc_at` were zero (2.2.3). */
static bool checksum_holds(struct nj_view header, struct nj_view checksum)
{
	static const uint8_t zero[CRC_BYTES] = { 0 };
	size_t before = (size_t)(checksum.data - header.data);
	struct nj_reader r = nj_reader_view(checksum);
	uint32_t crc = crc32c(UINT32_MAX, header.data, before);

	crc = crc32c(crc, zero, sizeof(zero));
	crc = crc32c(crc, checksum.data + CRC_BYTES, header.len - before - CRC_BYTES);
	return nj_read_u32(&r) == ~crc;
}

/* Types and lengths down to the second level; what they say is not ours to know. */
static void skip_ssl(struct nj_reader *r, struct nj_view value)
{
	struct nj_reader inside = nj_reader_view(value);

	(void)nj_read_view(&inside, SSL_HEAD_BYTES);
	while (inside.err == NJ_OK && nj_reader_left(&inside) > 0) {
		(void)nj_read_u8(&inside);
		(void)nj_read_view16(&inside);
	}
	if (nj_reader_end(&inside) != NJ_OK)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
}

/* The extensions (2.2): each whole, none beyond the header. `out_checksum` stays empty where there is none. */
static void read_extensions(struct nj_reader *r, struct nj_view *out_checksum)
{
	while (r->err == NJ_OK && nj_reader_left(r) > 0) {
		uint8_t type = nj_read_u8(r);
		struct nj_view value = nj_read_view16(r);

		if (r->err != NJ_OK)
			return;
		if (type == TYPE_SSL)
			skip_ssl(r, value);
		if ((type == TYPE_UNIQUE_ID && value.len > UNIQUE_ID_MAX) ||
		    (type == TYPE_CRC32C && (value.len != CRC_BYTES || out_checksum->len > 0)))
			nj_reader_fail(r, NJ_ERR_MALFORMED);
		if (type == TYPE_CRC32C)
			*out_checksum = value;
	}
}

static void read_host(struct nj_reader *r, bool v6, struct nj_addr *out)
{
	*out = (struct nj_addr){ .port = 0 };
	if (!v6)
		out->ip[10] = out->ip[11] = 0xff;
	nj_read_bytes(r, v6 ? out->ip : out->ip + 12, v6 ? 16 : 4);
}

static bool is_host(const struct nj_addr *addr)
{
	bool multicast = nj_addr_is_v4(addr) ? addr->ip[12] >= 224 : addr->ip[0] == 0xff;

	return !multicast && !nj_addr_is_any(addr);
}

static void read_addresses(struct nj_reader *r, uint8_t family, struct nj_proxy *out)
{
	read_host(r, family == TCP6, &out->source);
	read_host(r, family == TCP6, &out->destination);
	out->source.port = nj_read_u16(r);
	out->destination.port = nj_read_u16(r);
	if (!is_host(&out->source))
		nj_reader_fail(r, NJ_ERR_MALFORMED);
}

/* Which byte of the head is wrong is known as soon as it is there. */
static enum nj_err check_head(struct nj_view in)
{
	size_t common = in.len < SIGNATURE_BYTES ? in.len : SIGNATURE_BYTES;

	if (memcmp(in.data, signature, common) != 0)
		return NJ_ERR_MALFORMED;
	if (in.len > SIGNATURE_BYTES && ((in.data[SIGNATURE_BYTES] & VERSION_BITS) != VERSION ||
					 (in.data[SIGNATURE_BYTES] & COMMAND_BITS) > COMMAND_PROXY))
		return NJ_ERR_MALFORMED;
	if (in.len > SIGNATURE_BYTES + 1) {
		uint8_t family = in.data[SIGNATURE_BYTES + 1];
		if (family >> 4 > UNIX_FAMILY || (family & 0xf) > DATAGRAM)
			return NJ_ERR_MALFORMED;
		if ((in.data[SIGNATURE_BYTES] & COMMAND_BITS) == COMMAND_PROXY && family != TCP4 && family != TCP6)
			return NJ_ERR_UNSUPPORTED;
	}
	return NJ_OK;
}

size_t nj_proxy_wants(struct nj_view in)
{
	if (in.len < NJ_PROXY_HEAD_BYTES)
		return NJ_PROXY_HEAD_BYTES;
	struct nj_reader r = nj_reader_of(in.data + LENGTH_OFFSET, 2);
	return NJ_PROXY_HEAD_BYTES + nj_read_u16(&r);
}

/* With LOCAL whatever stands in the place of addresses is skipped (2.2): a checksum in it cannot be told apart. */
static enum nj_err read_body(struct nj_view header, struct nj_proxy *out)
{
	struct nj_reader r = nj_reader_of(header.data + NJ_PROXY_HEAD_BYTES, header.len - NJ_PROXY_HEAD_BYTES);
	struct nj_view checksum = nj_view_of(NULL, 0);

	if ((header.data[SIGNATURE_BYTES] & COMMAND_BITS) == COMMAND_LOCAL) {
		out->local = true;
		return NJ_OK;
	}
	read_addresses(&r, header.data[SIGNATURE_BYTES + 1], out);
	read_extensions(&r, &checksum);
	if (nj_reader_end(&r) != NJ_OK)
		return NJ_ERR_MALFORMED;
	return checksum.len == 0 || checksum_holds(header, checksum) ? NJ_OK : NJ_ERR_FORGED;
}

enum nj_err nj_proxy_parse(struct nj_view in, struct nj_proxy *out_proxy, size_t *out_len)
{
	struct nj_proxy proxy = { .local = false };
	size_t len = nj_proxy_wants(in);

	if (in.len == 0)
		return NJ_ERR_AGAIN;
	NJ_TRY(check_head(in));
	if (len > NJ_PROXY_MAX_BYTES)
		return NJ_ERR_TOO_LARGE;
	if (in.len < len)
		return NJ_ERR_AGAIN;
	NJ_TRY(read_body(nj_view_of(in.data, len), &proxy));
	*out_proxy = proxy;
	*out_len = len;
	return NJ_OK;
}
