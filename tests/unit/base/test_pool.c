#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pool.h"

static void stops_at_its_maximum(void **state)
{
	struct nj_pool pool;
	void *objects[101];

	nj_pool_init(&pool, 40, 100);
	for (int i = 0; i < 101; i++)
		objects[i] = nj_pool_take(&pool);
	assert_non_null(objects[99]);
	assert_null(objects[100]);
	assert_int_equal(pool.in_use, 100);
	nj_pool_give(&pool, objects[50]);
	nj_pool_give(&pool, NULL);
	assert_int_equal(pool.in_use, 99);
	assert_ptr_equal(nj_pool_take(&pool), objects[50]);
	nj_pool_done(&pool);
	assert_int_equal(pool.made, 0);
	assert_non_null(nj_pool_take(&pool));
	nj_pool_done(&pool);
}

static void objects_are_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = { 1, 8, 17, 4096, 100000 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct nj_pool pool;
		unsigned char *objects[20];

		nj_pool_init(&pool, sizes[s], 20);
		for (int round = 0; round < 2; round++) {
			for (int i = 0; i < 20; i++) {
				objects[i] = nj_pool_take(&pool);
				assert_non_null(objects[i]);
				assert_int_equal((uintptr_t)objects[i] % _Alignof(max_align_t), 0);
				for (size_t b = 0; b < sizes[s]; b++)
					assert_int_equal(objects[i][b], 0);
				memset(objects[i], i + 1, sizes[s]);
			}
			for (int i = 0; i < 20; i++) {
				assert_int_equal(objects[i][0], i + 1);
				assert_int_equal(objects[i][sizes[s] - 1], i + 1);
				nj_pool_give(&pool, objects[i]);
			}
		}
		assert_int_equal(pool.made, 20);
		nj_pool_done(&pool);
	}
}

static void an_empty_pool_gives_nothing(void **state)
{
	struct nj_pool pool;

	nj_pool_init(&pool, 8, 0);
	assert_null(nj_pool_take(&pool));
	nj_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_at_its_maximum),
		cmocka_unit_test(objects_are_zeroed_aligned_and_apart),
		cmocka_unit_test(an_empty_pool_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
