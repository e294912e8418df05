/* Rates: what a second gives at once, what is owed beyond it, and when it is paid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/meter.h"

#define S NJ_METER_SECOND_NS
#define START (1000 * S)

/* Of `per_s` units a second, n−1 and n go at once, and the next one costs a unit's time. */
static void a_second_at_once(void **state)
{
	static const uint64_t rates[] = { 1, 2, 3, 7, 1000, 1000000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const uint64_t cost_ns = nj_meter_cost_ns(1, rates[i]);
		struct nj_meter meter = { 0 };

		for (uint64_t n = 0; n < rates[i]; n++)
			assert_int_equal(nj_meter_charge(&meter, cost_ns, S, START), 0);
		/* Costs are whole nanoseconds, rounded down. */
		assert_true(nj_meter_charge(&meter, cost_ns, S, START) + rates[i] > cost_ns);
	}
}

static void debts_are_paid_by_time(void **state)
{
	struct nj_meter meter = { 0 };

	assert_int_equal(nj_meter_charge(&meter, nj_meter_cost_ns(30, 10), S, START), 2 * S);
	assert_int_equal(nj_meter_charge(&meter, 0, S, START + 2 * S - 1), 1);
	assert_int_equal(nj_meter_charge(&meter, 0, S, START + 2 * S), 0);
	assert_false(nj_meter_idle(&meter, START + 3 * S - 1));
	assert_true(nj_meter_idle(&meter, START + 3 * S));
	/* Rest is not saved up: after an hour a second's worth goes at once, no more. */
	assert_int_equal(nj_meter_charge(&meter, nj_meter_cost_ns(10, 10), S, START + 3600 * S), 0);
	assert_int_equal(nj_meter_charge(&meter, nj_meter_cost_ns(1, 10), S, START + 3600 * S), S / 10);
}

/* What is refused costs nothing. */
static void tries(void **state)
{
	struct nj_meter meter = { 0 };

	for (int i = 0; i < 5; i++)
		assert_true(nj_meter_try(&meter, S / 5, S, START));
	for (int i = 0; i < 1000; i++)
		assert_false(nj_meter_try(&meter, S / 5, S, START + S / 5 - 1));
	assert_true(nj_meter_try(&meter, S / 5, S, START + S / 5));
	assert_false(nj_meter_try(&meter, S / 5, S, START + S / 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_at_once),
		cmocka_unit_test(debts_are_paid_by_time),
		cmocka_unit_test(tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
