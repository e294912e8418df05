#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "sms/text/septet.h"

#define SEPTETS_MAX 170

/* Packed by hand from TS 23.038 6.1.2.1: "hello" is the field's own example. */
static void known_packings(void **state)
{
	static const struct {
		const char *text;
		const char *hex;
	} rows[] = {
		{ "", "" },
		{ "1", "31" },
		{ "12", "3119" },
		{ "hello", "e8329bfd06" },
		{ "hellohello", "e8329bfd4697d9ec37" },
		{ "1234567", "31d98c56b3dd00" },
		{ "12345678", "31d98c56b3dd70" },
		{ "123456789", "31d98c56b3dd7039" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t packed[32];
		char hex[65];
		struct nj_writer w = nj_writer_of(packed, sizeof(packed));
		nj_septet_pack(&w, (const uint8_t *)rows[i].text, strlen(rows[i].text), 0);
		nj_hex_encode(packed, w.pos, hex);
		assert_string_equal(hex, rows[i].hex);
	}
}

/* A header of 6 octets (concatenation): 7 septets, 1 fill bit. Of 7 octets: 8 septets and none. */
static void headers_and_fill(void **state)
{
	static const struct {
		size_t octets, septets;
		unsigned fill;
	} rows[] = { { 0, 0, 0 }, { 1, 2, 6 }, { 3, 4, 4 },  { 5, 6, 2 },
		     { 6, 7, 1 }, { 7, 8, 0 }, { 8, 10, 6 }, { 140, 160, 0 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(nj_septet_header(rows[i].octets), rows[i].septets);
		assert_int_equal(nj_septet_fill(rows[i].octets), rows[i].fill);
	}
	assert_int_equal(nj_septet_octets(160, 0), 140);
	assert_int_equal(nj_septet_octets(153, 1), 134);
	assert_int_equal(nj_septet_octets(154, 1), 135);
	assert_int_equal(nj_septet_octets(0, 6), 0);
}

static void every_length_and_fill_comes_back(void **state)
{
	uint8_t in[SEPTETS_MAX];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 37 + 5) & 0x7F;
	for (unsigned fill = 0; fill < 7; fill++) {
		for (size_t count = 0; count <= SEPTETS_MAX; count++) {
			uint8_t packed[SEPTETS_MAX];
			uint8_t out[SEPTETS_MAX + 1] = { 0 };
			struct nj_writer w = nj_writer_of(packed, sizeof(packed));
			nj_septet_pack(&w, in, count, fill);
			assert_int_equal(w.err, NJ_OK);
			assert_int_equal(w.pos, nj_septet_octets(count, fill));
			struct nj_reader r = nj_reader_of(packed, w.pos);
			nj_septet_unpack(&r, count, fill, out);
			assert_int_equal(nj_reader_end(&r), NJ_OK);
			assert_memory_equal(in, out, count);
			assert_int_equal(out[count], 0);
		}
	}
}

static void short_input_fails_and_zeroes(void **state)
{
	static const uint8_t packed[] = { 0xff, 0xff };
	uint8_t out[3] = { 1, 1, 1 };
	struct nj_reader r = nj_reader_of(packed, sizeof(packed));
	nj_septet_unpack(&r, 3, 0, out);
	assert_int_equal(nj_reader_end(&r), NJ_ERR_TRUNCATED);
	assert_int_equal(out[0] | out[1] | out[2], 0);
}

static void what_does_not_fit_fails(void **state)
{
	uint8_t packed[2];
	size_t len = 77;
	struct nj_writer w = nj_writer_of(packed, sizeof(packed));
	nj_septet_pack(&w, (const uint8_t *)"123", 3, 0);
	assert_int_equal(nj_writer_end(&w, &len), NJ_ERR_FULL);
	assert_int_equal(len, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_packings),
		cmocka_unit_test(headers_and_fill),
		cmocka_unit_test(every_length_and_fill_comes_back),
		cmocka_unit_test(short_input_fails_and_zeroes),
		cmocka_unit_test(what_does_not_fit_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
