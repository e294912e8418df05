#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static void fake_repeats_and_depends_on_its_seed(void **state)
{
	struct nj_random_fake a;
	struct nj_random_fake b;
	uint64_t first;

	nj_random_fake_init(&a, 7);
	nj_random_fake_init(&b, 7);
	first = nj_random_u64(&a.random);
	assert_true(first == nj_random_u64(&b.random));
	assert_true(nj_random_u64(&a.random) != first);
	nj_random_fake_init(&b, 8);
	assert_true(first != nj_random_u64(&b.random));
}

/* Every byte of every length is filled and none behind it is touched. */
static void system_fills_exactly(void **state)
{
	for (size_t len = 0; len <= 300; len += 37) {
		uint8_t seen[301] = { 0 };

		for (int round = 0; round < 20; round++) {
			uint8_t out[301] = { 0 };

			nj_random_fill(nj_random_system(), out, len);
			for (size_t i = 0; i < sizeof(out); i++)
				seen[i] |= out[i];
		}
		for (size_t i = 0; i < sizeof(seen); i++)
			assert_int_equal(seen[i] != 0, i < len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fake_repeats_and_depends_on_its_seed),
		cmocka_unit_test(system_fills_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
