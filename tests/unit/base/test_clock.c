#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void fake_stands_still(void **state)
{
	struct nj_clock_fake fake;

	nj_clock_fake_init(&fake, 5000000, 1700000000000);
	assert_true(nj_clock_boot_ns(&fake.clock) == 5000000);
	assert_true(nj_clock_boot_ms(&fake.clock) == 5);
	assert_true(nj_clock_wall_ms(&fake.clock) == 1700000000000);
	nj_clock_fake_advance_ms(&fake, 1500);
	assert_true(nj_clock_boot_ns(&fake.clock) == 1505000000);
	assert_true(nj_clock_wall_ms(&fake.clock) == 1700000001500);
}

static void the_machines_clock_goes_forward(void **state)
{
	const struct nj_clock *clock = nj_clock_system();
	uint64_t before = nj_clock_boot_ns(clock);

	assert_true(before > 0);
	assert_true(nj_clock_boot_ns(clock) >= before);
	/* 2020 … 2100: milliseconds, not seconds or microseconds. */
	assert_true(nj_clock_wall_ms(clock) > UINT64_C(1577836800000));
	assert_true(nj_clock_wall_ms(clock) < UINT64_C(4102444800000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fake_stands_still),
		cmocka_unit_test(the_machines_clock_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
