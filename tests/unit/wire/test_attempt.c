/*
 * The device's attempt rule against the gateway's window rule. The gateway accepts c iff floor < c ≤ floor + 16, and
 * its floor moves to c. The device's bound counter moves only when knock and connection both got through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/knock.h"

#define FAILURES_MAX 1000
#define FURTHER_MAX 500
#define RUNS 3000
#define HELD_MAX 64

struct world {
	uint64_t bound;          /* device */
	uint64_t attempt;        /* device */
	uint64_t floor;          /* gateway */
	uint64_t held[HELD_MAX]; /* knocks that somebody keeps back, to deliver later */
	size_t held_count;
};

enum fate {
	LOST,     /* the knock never arrives */
	HALFWAY,  /* the knock is accepted, the connection fails */
	HELD,     /* the knock is kept back */
	RELEASED, /* all that was kept back arrives, the last first or last; this knock is lost */
	FATES,
};

static bool gateway_accepts(struct world *w, uint64_t c)
{
	if (c <= w->floor || c - w->floor > NJ_KNOCK_WINDOW)
		return false;
	w->floor = c;
	return true;
}

static uint64_t device_knocks(struct world *w)
{
	uint64_t c = 0;
	assert_int_equal(nj_knock_attempt_counter(w->bound, w->attempt, &c), NJ_OK);
	w->attempt++;
	return c;
}

static void release(struct world *w, bool backwards)
{
	for (size_t i = 0; i < w->held_count; i++)
		gateway_accepts(w, w->held[backwards ? w->held_count - 1 - i : i]);
	w->held_count = 0;
}

static void fail_once(struct world *w, enum fate fate, bool backwards)
{
	uint64_t c = device_knocks(w);
	if (fate == HALFWAY)
		gateway_accepts(w, c);
	else if (fate == HELD && w->held_count < HELD_MAX)
		w->held[w->held_count++] = c;
	else if (fate == RELEASED)
		release(w, backwards);
}

/* Attempts until one is bound, of at most `max`. */
static uint64_t recover(struct world *w, uint64_t max)
{
	for (uint64_t tries = 1; tries <= max; tries++) {
		uint64_t c = device_knocks(w);
		if (!gateway_accepts(w, c))
			continue;
		w->bound = c;
		w->attempt = 0;
		return tries;
	}
	fail_msg("bound %llu, floor %llu: locked out", (unsigned long long)w->bound, (unsigned long long)w->floor);
	return 0;
}

/* A mix of its own a run: how likely each fate is. */
static enum fate choose(const uint64_t weight[FATES], struct nj_random *random)
{
	uint64_t total = 0;
	for (int i = 0; i < FATES; i++)
		total += weight[i];
	uint64_t at = nj_random_u64(random) % total;
	for (int i = 0; i < FATES; i++) {
		if (at < weight[i])
			return (enum fate)i;
		at -= weight[i];
	}
	return LOST;
}

static void test_any_mix_of_failures(void **state)
{
	struct nj_random_fake fake;
	nj_random_fake_init(&fake, 20260101);
	uint64_t worst = 0;
	for (int run = 0; run < RUNS; run++) {
		struct world w = { .bound = 1000, .floor = 1000 };
		uint64_t weight[FATES];
		for (int i = 0; i < FATES; i++)
			weight[i] = nj_random_u64(&fake.random) % 8;
		weight[LOST]++;
		uint64_t failures = nj_random_u64(&fake.random) % (FAILURES_MAX + 1);
		for (uint64_t i = 0; i < failures; i++)
			fail_once(&w, choose(weight, &fake.random), nj_random_u64(&fake.random) % 2);
		uint64_t tries = recover(&w, FURTHER_MAX);
		worst = tries > worst ? tries : worst;
		/* After a success the very next knock gets in again. */
		assert_int_equal(recover(&w, 1), 1);
	}
	print_message("worst of %d runs: %llu attempts\n", RUNS, (unsigned long long)worst);
}

static void test_one_kind_of_failure(void **state)
{
	for (int fate = 0; fate < FATES; fate++)
		for (int failures = 0; failures <= FAILURES_MAX; failures++) {
			struct world w = { 0 };
			for (int i = 0; i < failures; i++)
				fail_once(&w, (enum fate)fate, false);
			recover(&w, FURTHER_MAX);
		}
}

/* A power cut that loses n costs at most the sweeps up to the floor once more. */
static void test_lost_attempt_number(void **state)
{
	for (int failures = 0; failures <= FAILURES_MAX; failures++) {
		struct world w = { 0 };
		for (int i = 0; i < failures; i++)
			fail_once(&w, HALFWAY, false);
		w.attempt = 0;
		uint64_t rounds = w.floor / NJ_KNOCK_WINDOW + 1;
		recover(&w, NJ_KNOCK_WINDOW + (rounds + 1) * (rounds + 2) / 2);
	}
}

/* For every floor from the bound counter on, exactly one anchor lies in the window. */
static void test_one_anchor_in_every_window(void **state)
{
	for (uint64_t floor = 100; floor < 1100; floor++) {
		int inside = 0;
		for (uint64_t anchor = 116; anchor <= 1200; anchor += NJ_KNOCK_WINDOW)
			inside += anchor > floor && anchor <= floor + NJ_KNOCK_WINDOW;
		assert_int_equal(inside, 1);
	}
}

struct row {
	const char *what;
	uint64_t bound, attempt;
	enum nj_err err;
	uint64_t want;
};

static const struct row rows[] = {
	{ "first", 0, 0, NJ_OK, 1 },
	{ "last of the near ones", 0, 15, NJ_OK, 16 },
	{ "round 1, anchor 1", 0, 16, NJ_OK, 16 },
	{ "round 1, anchor 2", 0, 17, NJ_OK, 32 },
	{ "round 2, anchor 1", 0, 18, NJ_OK, 16 },
	{ "round 2, anchor 2", 0, 19, NJ_OK, 32 },
	{ "round 2, anchor 3", 0, 20, NJ_OK, 48 },
	{ "round 3, anchor 1", 0, 21, NJ_OK, 16 },
	{ "round 3, anchor 4", 0, 24, NJ_OK, 64 },
	{ "round 4, anchor 1", 1000, 25, NJ_OK, 1016 },
	{ "the greatest attempt", 0, NJ_KNOCK_ATTEMPT_MAX, NJ_OK, 16 * 37060 },
	{ "one more", 0, (uint64_t)NJ_KNOCK_ATTEMPT_MAX + 1, NJ_ERR_RANGE, 0 },
	{ "any", 0, UINT64_MAX, NJ_ERR_RANGE, 0 },
	{ "the last counter", NJ_KNOCK_COUNTER_MAX - 1, 0, NJ_OK, NJ_KNOCK_COUNTER_MAX },
	{ "one past it", NJ_KNOCK_COUNTER_MAX, 0, NJ_ERR_RANGE, 0 },
	{ "the last counter by attempt 15", NJ_KNOCK_COUNTER_MAX - 16, 15, NJ_OK, NJ_KNOCK_COUNTER_MAX },
	{ "one past it by attempt 15", NJ_KNOCK_COUNTER_MAX - 15, 15, NJ_ERR_RANGE, 0 },
	{ "the last counter by a sweep", NJ_KNOCK_COUNTER_MAX - 32, 17, NJ_OK, NJ_KNOCK_COUNTER_MAX },
	{ "one past it by a sweep", NJ_KNOCK_COUNTER_MAX - 31, 17, NJ_ERR_RANGE, 0 },
	{ "a bound counter past the last", NJ_KNOCK_COUNTER_MAX + 1, 0, NJ_ERR_RANGE, 0 },
	{ "an absurd bound counter", UINT64_MAX, 0, NJ_ERR_RANGE, 0 },
};

static void test_limits(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t c = 0;
		enum nj_err err = nj_knock_attempt_counter(rows[i].bound, rows[i].attempt, &c);
		if (err != rows[i].err || c != rows[i].want)
			fail_msg("%s: %s, %llu", rows[i].what, nj_err_name(err), (unsigned long long)c);
	}
}

/* Against the rule written the slow way. */
static void test_sweep_by_counting(void **state)
{
	uint64_t attempt = NJ_KNOCK_WINDOW;
	for (uint64_t round = 1; round <= 2000; round++)
		for (uint64_t anchor = 1; anchor <= round + 1; anchor++, attempt++) {
			uint64_t c = 0;
			assert_int_equal(nj_knock_attempt_counter(7, attempt, &c), NJ_OK);
			assert_true(c == 7 + 16 * anchor);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_mix_of_failures),
		cmocka_unit_test(test_one_kind_of_failure),
		cmocka_unit_test(test_lost_attempt_number),
		cmocka_unit_test(test_one_anchor_in_every_window),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sweep_by_counting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
