#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void grows_to_its_maximum_and_not_past_it(void **state)
{
	static const uint8_t in[1000] = { 1 };
	struct nj_buf b;

	nj_buf_init(&b, 1000);
	assert_int_equal(nj_buf_append(&b, in, 999), NJ_OK);
	assert_int_equal(nj_buf_append(&b, in, 2), NJ_ERR_LIMIT);
	assert_int_equal(nj_buf_len(&b), 999);
	assert_int_equal(nj_buf_append(&b, in, 1), NJ_OK);
	assert_int_equal(nj_buf_append(&b, in, 1), NJ_ERR_LIMIT);
	assert_int_equal(nj_buf_append(&b, NULL, 0), NJ_OK);
	assert_int_equal(nj_buf_append(&b, in, SIZE_MAX), NJ_ERR_LIMIT);
	nj_buf_eat(&b, 1);
	assert_int_equal(nj_buf_append(&b, in, 1), NJ_OK);
	assert_int_equal(b.cap, 1000);
	nj_buf_done(&b);
}

/* A long run of appends and eats of odd lengths keeps every byte in order. */
static void keeps_the_order_of_bytes(void **state)
{
	struct nj_buf b;
	uint8_t next_in = 0;
	uint8_t next_out = 0;

	nj_buf_init(&b, 777);
	for (size_t step = 0; step < 5000; step++) {
		uint8_t in[97];
		size_t len = step * 31 % sizeof(in);
		size_t eat = step * 17 % 101;

		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)(next_in + i);
		if (nj_buf_append(&b, in, len) == NJ_OK)
			next_in = (uint8_t)(next_in + len);
		if (eat > nj_buf_len(&b))
			eat = nj_buf_len(&b);
		for (size_t i = 0; i < eat; i++)
			assert_int_equal(nj_buf_view(&b).data[i], next_out++);
		nj_buf_eat(&b, eat);
		assert_true(b.cap <= 777);
	}
	nj_buf_done(&b);
}

static void reserved_room_never_passes_the_maximum(void **state)
{
	struct nj_buf b;
	uint8_t *at = NULL;
	size_t room = 0;

	nj_buf_init(&b, 300);
	assert_int_equal(nj_buf_reserve(&b, 301, &at, &room), NJ_ERR_LIMIT);
	assert_null(at);
	assert_int_equal(nj_buf_reserve(&b, 1, &at, &room), NJ_OK);
	assert_in_range(room, 1, 300);
	memset(at, 5, room);
	nj_buf_commit(&b, 1);
	assert_int_equal(nj_buf_len(&b), 1);
	assert_int_equal(nj_buf_view(&b).data[0], 5);
	assert_int_equal(nj_buf_reserve(&b, 299, &at, &room), NJ_OK);
	assert_int_equal(room, 299);
	nj_buf_done(&b);
}

static void gives_memory_back_only_when_empty(void **state)
{
	struct nj_buf b;

	nj_buf_init(&b, 10);
	assert_int_equal(nj_buf_view(&b).len, 0);
	assert_int_equal(nj_buf_append(&b, "ab", 2), NJ_OK);
	nj_buf_release(&b);
	assert_int_equal(nj_buf_len(&b), 2);
	nj_buf_eat(&b, 2);
	assert_non_null(b.data);
	nj_buf_release(&b);
	assert_null(b.data);
	assert_int_equal(nj_buf_append(&b, "0123456789", 10), NJ_OK);
	nj_buf_done(&b);
}

static void begins_as_large_as_it_was_needed_before(void **state)
{
	static const uint8_t in[5000] = { 1 };
	struct nj_buf b;

	nj_buf_init(&b, 6000);
	assert_int_equal(nj_buf_append(&b, in, 5000), NJ_OK);
	nj_buf_eat(&b, 5000);
	nj_buf_release(&b);
	nj_buf_release(&b);
	assert_int_equal(nj_buf_append(&b, in, 1), NJ_OK);
	assert_true(b.cap >= 5000 && b.cap <= 6000);
	nj_buf_eat(&b, 1);
	nj_buf_release(&b);
	assert_int_equal(nj_buf_append(&b, in, 1), NJ_OK);
	assert_true(b.cap < 1000);
	nj_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_maximum_and_not_past_it),
		cmocka_unit_test(keeps_the_order_of_bytes),
		cmocka_unit_test(reserved_room_never_passes_the_maximum),
		cmocka_unit_test(gives_memory_back_only_when_empty),
		cmocka_unit_test(begins_as_large_as_it_was_needed_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
