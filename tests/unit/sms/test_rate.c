#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/rate.h"

#define S UINT64_C(1000000000)

static const struct nj_sms_rate per_minute = { .count = 6, .per_s = 60 };

/* So many pass now, one after another. */
static unsigned pass(struct nj_sms_bucket *party, struct nj_sms_rate rate, uint64_t now_ns)
{
	struct nj_sms_bucket customer = { 0 };
	struct nj_sms_charge charge = { .party = party, .customer = &customer, .party_rate = rate };
	unsigned count = 0;
	while (count < 1000 && nj_sms_rate_charge(&charge, 1, now_ns) == NJ_RULE_ALLOWED)
		count++;
	return count;
}

static void six_a_minute(void **state)
{
	struct nj_sms_bucket bucket = { 0 };
	assert_int_equal(pass(&bucket, per_minute, 1000 * S), 6);
	assert_int_equal(nj_sms_rate_wait_ns(&bucket, per_minute, 1, 1000 * S), 10 * S);
	assert_int_equal(pass(&bucket, per_minute, 1010 * S - 1), 0);
	assert_int_equal(pass(&bucket, per_minute, 1010 * S), 1);
	assert_int_equal(pass(&bucket, per_minute, 1030 * S), 2);
	assert_false(nj_sms_bucket_idle(&bucket, 1030 * S));
	assert_true(nj_sms_bucket_idle(&bucket, 1090 * S));
	assert_int_equal(pass(&bucket, per_minute, 9000 * S), 6);
	/* A clock that stood still, or went back, gives nothing away. */
	assert_int_equal(pass(&bucket, per_minute, 9000 * S), 0);
	assert_int_equal(pass(&bucket, per_minute, 8000 * S), 0);
}

static void rates_that_do_not_divide(void **state)
{
	static const struct nj_sms_rate rates[] = { { 7, 1 }, { 3, 60 }, { 999, 86400 }, { 1, 1 }, { 1000, 1 } };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct nj_sms_bucket bucket = { 0 };
		assert_int_equal(pass(&bucket, rates[i], S), rates[i].count);
		assert_int_equal(pass(&bucket, rates[i], S + rates[i].per_s * S), rates[i].count);
	}
}

static void no_limit(void **state)
{
	struct nj_sms_bucket bucket = { 0 };
	assert_int_equal(pass(&bucket, (struct nj_sms_rate){ 0 }, 0), 1000);
	assert_true(nj_sms_bucket_idle(&bucket, 0));
}

static void several_at_once(void **state)
{
	struct nj_sms_bucket bucket = { 0 };
	struct nj_sms_bucket customer = { 0 };
	struct nj_sms_charge charge = { .party = &bucket, .customer = &customer, .party_rate = per_minute };
	assert_int_equal(nj_sms_rate_charge(&charge, 7, 0), NJ_RULE_RATE_PARTY);
	assert_int_equal(nj_sms_rate_wait_ns(&bucket, per_minute, 7, 0), UINT64_MAX);
	assert_int_equal(nj_sms_rate_charge(&charge, 6, 0), NJ_RULE_ALLOWED);
	assert_int_equal(nj_sms_rate_wait_ns(&bucket, per_minute, 6, 0), 60 * S);
	assert_int_equal(nj_sms_rate_charge(&charge, 0, 0), NJ_RULE_ALLOWED);
	assert_int_equal(nj_sms_rate_wait_ns(&bucket, (struct nj_sms_rate){ UINT32_MAX, UINT32_MAX }, UINT32_MAX, 0),
			 60 * S);
}

/* Who is refused by one bucket is not charged in the other. */
static void both_or_neither(void **state)
{
	struct nj_sms_bucket party = { 0 };
	struct nj_sms_bucket customer = { 0 };
	struct nj_sms_charge charge = {
		.party = &party,
		.customer = &customer,
		.party_rate = { 3, 60 },
		.customer_rate = { 2, 60 },
	};
	assert_int_equal(nj_sms_rate_peek(&charge, 1, 0), NJ_RULE_ALLOWED);
	assert_int_equal(nj_sms_rate_charge(&charge, 2, 0), NJ_RULE_ALLOWED);
	assert_int_equal(nj_sms_rate_charge(&charge, 1, 0), NJ_RULE_RATE_CUSTOMER);
	assert_int_equal(party.paid_until_ns, 40 * S);
	charge.customer_rate.count = 100;
	customer.paid_until_ns = 0;
	assert_int_equal(nj_sms_rate_charge(&charge, 1, 0), NJ_RULE_ALLOWED);
	uint64_t before = customer.paid_until_ns;
	assert_int_equal(nj_sms_rate_charge(&charge, 1, 0), NJ_RULE_RATE_PARTY);
	assert_int_equal(customer.paid_until_ns, before);
}

static void the_stricter_of_two(void **state)
{
	static const struct {
		struct nj_sms_rate a, b, want;
	} rows[] = {
		{ { 0, 0 }, { 6, 60 }, { 6, 60 } }, { { 6, 60 }, { 0, 1 }, { 6, 60 } },
		{ { 1, 1 }, { 6, 60 }, { 6, 60 } }, { { 6, 60 }, { 6, 61 }, { 6, 61 } },
		{ { 60, 60 }, { 1, 1 }, { 1, 1 } }, { { 1, 1 }, { 60, 60 }, { 1, 1 } },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_sms_rate got = nj_sms_rate_stricter(rows[i].a, rows[i].b);
		assert_int_equal(got.count, rows[i].want.count);
		assert_int_equal(got.per_s, rows[i].want.per_s);
	}
	struct nj_sms_bucket party = { 0 };
	struct nj_sms_bucket customer = { 0 };
	struct nj_sms_charge charge = {
		.party = &party, .customer = &customer, .party_rate = { 6, 60 }, .profile_rate = { 1, 60 }
	};
	assert_int_equal(nj_sms_rate_charge(&charge, 1, 0), NJ_RULE_ALLOWED);
	assert_int_equal(nj_sms_rate_charge(&charge, 1, 0), NJ_RULE_RATE_PARTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_a_minute),    cmocka_unit_test(rates_that_do_not_divide),
		cmocka_unit_test(no_limit),        cmocka_unit_test(several_at_once),
		cmocka_unit_test(both_or_neither), cmocka_unit_test(the_stricter_of_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
