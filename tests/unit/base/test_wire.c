#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/wire.h"

static void readers_are_big_endian(void **state)
{
	static const uint8_t in[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct nj_reader r = nj_reader_of(in, sizeof(in));

	assert_int_equal(nj_read_u8(&r), 1);
	assert_int_equal(nj_read_u16(&r), 0x0203);
	assert_int_equal(nj_read_u32(&r), 0x04050607);
	assert_int_equal(nj_reader_end(&r), NJ_ERR_TRAILING);
	assert_true(nj_read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(nj_reader_left(&r), 0);
	assert_int_equal(nj_reader_end(&r), NJ_OK);
}

/* One byte too few, exactly enough, one byte too many, for each width. */
static void widths_at_their_limits(void **state)
{
	static const uint8_t in[9] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const size_t widths[] = { 1, 2, 4, 8 };

	for (size_t i = 0; i < 4; i++) {
		for (size_t len = widths[i] - 1; len <= widths[i] + 1; len++) {
			struct nj_reader r = nj_reader_of(in, len);
			uint64_t got = widths[i] == 1   ? nj_read_u8(&r)
				       : widths[i] == 2 ? nj_read_u16(&r)
				       : widths[i] == 4 ? nj_read_u32(&r)
							: nj_read_u64(&r);

			assert_true(len < widths[i] ? got == 0 : got != 0);
			assert_int_equal(nj_reader_end(&r), len < widths[i]    ? NJ_ERR_TRUNCATED
							    : len == widths[i] ? NJ_OK
									       : NJ_ERR_TRAILING);
		}
	}
}

static void a_failed_reader_stays_failed(void **state)
{
	static const uint8_t in[] = { 0xaa, 0xbb, 0xcc };
	uint8_t out[2] = { 1, 1 };
	struct nj_reader r = nj_reader_of(in, sizeof(in));

	assert_int_equal(nj_read_u32(&r), 0);
	assert_int_equal(nj_read_u8(&r), 0);
	assert_int_equal(nj_read_view(&r, 1).len, 0);
	nj_read_bytes(&r, out, sizeof(out));
	assert_int_equal(out[0] | out[1], 0);
	assert_int_equal(nj_reader_left(&r), 0);
	nj_reader_fail(&r, NJ_ERR_RANGE);
	assert_int_equal(nj_reader_end(&r), NJ_ERR_TRUNCATED);
}

static void a_length_near_the_maximum_does_not_wrap(void **state)
{
	static const uint8_t in[] = { 1, 2 };
	struct nj_reader r = nj_reader_of(in, sizeof(in));

	nj_read_u8(&r);
	assert_int_equal(nj_read_view(&r, SIZE_MAX).len, 0);
	assert_int_equal(nj_reader_end(&r), NJ_ERR_TRUNCATED);
}

static void nested_lengths(void **state)
{
	static const uint8_t in[] = { 0, 2, 'h', 'i', 9, 8, 7 };
	struct nj_reader r = nj_reader_of(in, sizeof(in));
	struct nj_reader sub;

	assert_true(nj_view_equal(nj_read_view16(&r), nj_view_str("hi")));
	sub = nj_read_sub(&r, 2);
	assert_int_equal(nj_read_u8(&sub), 9);
	assert_int_equal(nj_reader_end(&sub), NJ_ERR_TRAILING);
	assert_int_equal(nj_read_u8(&sub), 8);
	assert_int_equal(nj_reader_end(&sub), NJ_OK);
	assert_int_equal(nj_read_u8(&sub), 0);
	assert_int_equal(nj_reader_end(&sub), NJ_ERR_TRUNCATED);
	sub = nj_read_sub(&r, 2);
	assert_int_equal(nj_reader_end(&sub), NJ_ERR_TRUNCATED);
	assert_int_equal(nj_reader_end(&r), NJ_ERR_TRUNCATED);
}

static void empty_views(void **state)
{
	struct nj_reader r = nj_reader_of(NULL, 0);

	assert_int_equal(nj_read_view(&r, 0).len, 0);
	assert_int_equal(nj_reader_end(&r), NJ_OK);
	assert_true(nj_view_equal(nj_view_of(NULL, 0), nj_view_str("")));
	assert_false(nj_view_equal(nj_view_str("a"), nj_view_str("b")));
	assert_false(nj_view_equal(nj_view_str("a"), nj_view_str("ab")));
}

static void what_is_written_reads_back(void **state)
{
	uint8_t room[24];
	size_t len = 0;
	struct nj_writer w = nj_writer_of(room, sizeof(room));
	struct nj_reader r;

	nj_write_u8(&w, 0x12);
	nj_write_u16(&w, 0x3456);
	nj_write_u32(&w, 0x789abcde);
	nj_write_u64(&w, UINT64_C(0xf0123456789abcde));
	nj_write_view16(&w, nj_view_str("abc"));
	nj_write_bytes(&w, NULL, 0);
	nj_write_zero(&w, 4);
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	assert_int_equal(len, 24);
	r = nj_reader_of(room, len);
	assert_int_equal(nj_read_u8(&r), 0x12);
	assert_int_equal(nj_read_u16(&r), 0x3456);
	assert_int_equal(nj_read_u32(&r), 0x789abcde);
	assert_true(nj_read_u64(&r) == UINT64_C(0xf0123456789abcde));
	assert_true(nj_view_equal(nj_read_view16(&r), nj_view_str("abc")));
	assert_int_equal(nj_read_u32(&r), 0);
	assert_int_equal(nj_reader_end(&r), NJ_OK);
}

static void a_full_writer_writes_nothing_more(void **state)
{
	uint8_t room[4] = { 7, 7, 7, 7 };
	size_t len = 99;
	struct nj_writer w = nj_writer_of(room, 3);

	nj_write_u16(&w, 0x0101);
	nj_write_u16(&w, 0x0202);
	nj_write_u8(&w, 3);
	assert_null(nj_write_reserve(&w, 1));
	assert_int_equal(nj_writer_end(&w, &len), NJ_ERR_FULL);
	assert_int_equal(len, 99);
	assert_int_equal(room[2], 7);
	assert_int_equal(room[3], 7);
}

static void view16_at_its_limit(void **state)
{
	static uint8_t in[65536];
	static uint8_t room[65540];
	size_t len = 0;
	struct nj_writer w = nj_writer_of(room, sizeof(room));

	nj_write_view16(&w, nj_view_of(in, 65535));
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	assert_int_equal(len, 65537);
	w = nj_writer_of(room, sizeof(room));
	nj_write_view16(&w, nj_view_of(in, 65536));
	assert_int_equal(nj_writer_end(&w, &len), NJ_ERR_TOO_LARGE);
}

static void a_reserved_field_is_filled_later(void **state)
{
	uint8_t room[14];
	size_t len = 0;
	struct nj_writer w = nj_writer_of(room, sizeof(room));
	uint8_t *at = nj_write_reserve(&w, 14);

	assert_ptr_equal(at, room);
	nj_put_u16(at, 0x0102);
	nj_put_u32(at + 2, 0x03040506);
	nj_put_u64(at + 6, UINT64_C(0x0708090a0b0c0d0e));
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(room[i], i + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_are_big_endian),
		cmocka_unit_test(widths_at_their_limits),
		cmocka_unit_test(a_failed_reader_stays_failed),
		cmocka_unit_test(a_length_near_the_maximum_does_not_wrap),
		cmocka_unit_test(nested_lengths),
		cmocka_unit_test(empty_views),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(a_full_writer_writes_nothing_more),
		cmocka_unit_test(view16_at_its_limit),
		cmocka_unit_test(a_reserved_field_is_filled_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
