/* PROXY headers, version 2: each row whole, cut at every byte, and with bytes behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/proxy.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"
#define HEAD4 SIGNATURE "2111000c"
#define ADDR4 "cb007107c633640112345678" /* 203.0.113.7:4660 to 198.51.100.1:22136 */
#define ADDR6                              \
	"20010db8000000000000000000000007" \
	"20010db8000000000000000000000001" \
	"12345678"
#define X64                                                                                                            \
	"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
	"00000000000000000000"
#define X128 X64 X64

struct row {
	const char *what;
	const char *hex;
	enum nj_err want;
	size_t known_at; /* a refusal comes with this many bytes; 0: with the last */
	const char *source;
	const char *destination;
};

static const struct row rows[] = {
	{ "TCP over IPv4", HEAD4 ADDR4, NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "TCP over IPv6", SIGNATURE "21210024" ADDR6, NJ_OK, 0, "[2001:db8::7]:4660", "[2001:db8::1]:22136" },
	{ "IPv4 in IPv6",
	  SIGNATURE "21210024"
		    "00000000000000000000ffffcb007107"
		    "00000000000000000000ffffc6336401"
		    "12345678",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "LOCAL, nothing more", SIGNATURE "20000000", NJ_OK, 0, NULL, NULL },
	{ "LOCAL, addresses to be skipped", SIGNATURE "2011000c" ADDR4, NJ_OK, 0, NULL, NULL },
	{ "LOCAL, bytes that are nothing",
	  SIGNATURE "20000003"
		    "ffffff",
	  NJ_OK, 0, NULL, NULL },
	{ "LOCAL for UDP", SIGNATURE "20120000", NJ_OK, 0, NULL, NULL },
	/* Extensions. */
	{ "an empty NOOP", SIGNATURE "2111000f" ADDR4 "040000", NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "ALPN, authority, name space",
	  SIGNATURE "2111001e" ADDR4 "010002"
		    "6832"
		    "020003"
		    "612e62"
		    "300004"
		    "6e657431",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "one of our own kind, one of the future",
	  SIGNATURE "21110013" ADDR4 "e00001"
		    "01"
		    "ff0000",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "a checksum that holds",
	  SIGNATURE "21110013" ADDR4 "030004"
		    "6e2f2b76",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "a checksum between others",
	  SIGNATURE "21110019" ADDR4 "040000"
		    "030004"
		    "04c2fdcf"
		    "040000",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "a checksum with one bit wrong",
	  SIGNATURE "21110013" ADDR4 "030004"
		    "6e2f2b77",
	  NJ_ERR_FORGED, 0, NULL, NULL },
	{ "a checksum of another port",
	  SIGNATURE "21110013"
		    "cb007107c633640112355678"
		    "030004"
		    "6e2f2b76",
	  NJ_ERR_FORGED, 0, NULL, NULL },
	{ "a checksum of 3 bytes",
	  SIGNATURE "21110012" ADDR4 "030003"
		    "000000",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "a checksum of 5 bytes",
	  SIGNATURE "21110014" ADDR4 "030005"
		    "0000000000",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "two checksums",
	  SIGNATURE "2111001a" ADDR4 "030004"
		    "00000000"
		    "030004"
		    "00000000",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "an id of 128 bytes", SIGNATURE "2111008f" ADDR4 "050080" X128, NJ_OK, 0, "203.0.113.7:4660",
	  "198.51.100.1:22136" },
	{ "an id of 129 bytes", SIGNATURE "21110090" ADDR4 "050081" X128 "00", NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "TLS without more",
	  SIGNATURE "21110014" ADDR4 "200005"
		    "0100000000",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "TLS with its version",
	  SIGNATURE "2111001a" ADDR4 "20000b"
		    "0100000000"
		    "210003"
		    "312e33",
	  NJ_OK, 0, "203.0.113.7:4660", "198.51.100.1:22136" },
	{ "TLS too short",
	  SIGNATURE "21110013" ADDR4 "200004"
		    "01000000",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "TLS with a part beyond its end",
	  SIGNATURE "2111001a" ADDR4 "20000b"
		    "0100000000"
		    "210004"
		    "312e33",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "TLS with half a part",
	  SIGNATURE "21110016" ADDR4 "200007"
		    "0100000000"
		    "2100",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "an extension beyond the end",
	  SIGNATURE "21110010" ADDR4 "040002"
		    "00",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "half the head of an extension", SIGNATURE "2111000e" ADDR4 "0400", NJ_ERR_MALFORMED, 0, NULL, NULL },
	/* Addresses. */
	{ "IPv4, a byte short",
	  SIGNATURE "2111000b"
		    "cb007107c6336401123456",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "IPv6, a byte short",
	  SIGNATURE "21210023"
		    "20010db8000000000000000000000007"
		    "20010db8000000000000000000000001"
		    "123456",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "no addresses", SIGNATURE "21110000", NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "from nowhere", HEAD4 "00000000c633640112345678", NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "from a group", HEAD4 "e0000001c633640112345678", NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "from everybody", HEAD4 "ffffffffc633640112345678", NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "from a group, IPv6",
	  SIGNATURE "21210024"
		    "ff020000000000000000000000000001"
		    "20010db8000000000000000000000001"
		    "12345678",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	{ "from nowhere, IPv6",
	  SIGNATURE "21210024"
		    "00000000000000000000000000000000"
		    "20010db8000000000000000000000001"
		    "12345678",
	  NJ_ERR_MALFORMED, 0, NULL, NULL },
	/* Heads: known at once. */
	{ "version 1", "50524f585920544350342031302e302e302e31", NJ_ERR_MALFORMED, 1, NULL, NULL },
	{ "a ClientHello", "16030100c8010000c40303aabbccdd", NJ_ERR_MALFORMED, 1, NULL, NULL },
	{ "a CONNECT", "101000044d5154540502003c00", NJ_ERR_MALFORMED, 1, NULL, NULL },
	{ "a signature with its last byte wrong", "0d0a0d0a000d0a515549540b21", NJ_ERR_MALFORMED, 12, NULL, NULL },
	{ "version 1 in this form", SIGNATURE "11", NJ_ERR_MALFORMED, 13, NULL, NULL },
	{ "version 3", SIGNATURE "31", NJ_ERR_MALFORMED, 13, NULL, NULL },
	{ "an unknown command", SIGNATURE "22", NJ_ERR_MALFORMED, 13, NULL, NULL },
	{ "an unknown family", SIGNATURE "2141", NJ_ERR_MALFORMED, 14, NULL, NULL },
	{ "an unknown transport", SIGNATURE "2113", NJ_ERR_MALFORMED, 14, NULL, NULL },
	{ "an unknown family with LOCAL", SIGNATURE "2040", NJ_ERR_MALFORMED, 14, NULL, NULL },
	{ "no family", SIGNATURE "2100", NJ_ERR_UNSUPPORTED, 14, NULL, NULL },
	{ "UDP over IPv4", SIGNATURE "2112", NJ_ERR_UNSUPPORTED, 14, NULL, NULL },
	{ "UDP over IPv6", SIGNATURE "2122", NJ_ERR_UNSUPPORTED, 14, NULL, NULL },
	{ "a Unix socket", SIGNATURE "2131", NJ_ERR_UNSUPPORTED, 14, NULL, NULL },
	{ "a byte too long", SIGNATURE "211105f1", NJ_ERR_TOO_LARGE, 16, NULL, NULL },
	{ "as long as can be said", SIGNATURE "2111ffff", NJ_ERR_TOO_LARGE, 16, NULL, NULL },
	{ "LOCAL too long", SIGNATURE "200005f1", NJ_ERR_TOO_LARGE, 16, NULL, NULL },
};

static void assert_addr(const char *want, const struct nj_addr *got)
{
	char text[NJ_ADDR_TEXT_BYTES];

	if (want == NULL)
		assert_int_equal(got->port, 0);
	else
		assert_string_equal(nj_addr_text(got, text), want);
}

static void check(const struct row *row, const uint8_t *bytes, size_t len)
{
	size_t end = row->known_at != 0 ? row->known_at : len;

	for (size_t have = 0; have <= len + 3; have++) {
		/* A copy of its own, so that a read beyond is seen. */
		uint8_t *copy = malloc(have + 1);
		struct nj_proxy got;
		size_t used = 77;

		memset(copy, 0x5a, have);
		memcpy(copy, bytes, have < len ? have : len);
		memset(&got, 0x5a, sizeof(got));
		uint8_t *exact = realloc(copy, have > 0 ? have : 1);
		enum nj_err err = nj_proxy_parse(nj_view_of(exact, have), &got, &used);
		enum nj_err want = have < end ? NJ_ERR_AGAIN : row->want;
		if (err != want)
			fail_msg("%s, %zu of %zu bytes: %s, not %s", row->what, have, len, nj_err_text(err),
				 nj_err_text(want));
		assert_int_equal(used, err == NJ_OK ? len : 77);
		if (err == NJ_OK) {
			assert_int_equal(got.local, row->source == NULL);
			assert_addr(row->source, &got.source);
			assert_addr(row->destination, &got.destination);
		}
		if (have < len && want == NJ_ERR_AGAIN)
			assert_in_range(nj_proxy_wants(nj_view_of(exact, have)), have + 1,
					len > NJ_PROXY_HEAD_BYTES ? len : NJ_PROXY_HEAD_BYTES);
		free(exact);
	}
}

static void every_row_at_every_split(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[512];
		size_t len = strlen(rows[i].hex) / 2;

		assert_int_equal(nj_hex_decode(nj_view_str(rows[i].hex), bytes, len), NJ_OK);
		check(&rows[i], bytes, len);
	}
}

/* The largest that is taken, and each length beyond the addresses up to it, filled with one NOOP. */
static void lengths_up_to_the_limit(void **state)
{
	static uint8_t bytes[NJ_PROXY_MAX_BYTES + 8];
	struct nj_proxy got;
	size_t used;

	assert_int_equal(nj_hex_decode(nj_view_str(HEAD4 ADDR4), bytes, 28), NJ_OK);
	for (size_t extra = 1; extra <= NJ_PROXY_MAX_BYTES - 28 + 1; extra++) {
		nj_put_u16(bytes + 14, (uint16_t)(12 + extra));
		bytes[28] = 0x04;
		if (extra >= 3)
			nj_put_u16(bytes + 29, (uint16_t)(extra - 3));
		enum nj_err want = extra > NJ_PROXY_MAX_BYTES - 28 ? NJ_ERR_TOO_LARGE
				   : extra < 3                     ? NJ_ERR_MALFORMED
								   : NJ_OK;
		assert_int_equal(nj_proxy_parse(nj_view_of(bytes, 28 + extra), &got, &used), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_at_every_split),
		cmocka_unit_test(lengths_up_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
