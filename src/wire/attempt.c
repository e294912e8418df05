#include "wire/knock.h"

#define ROUND_MAX 92682 /* its sweep begins past NJ_KNOCK_ATTEMPT_MAX */

/* Attempts of the sweep that come before round j ≥ 1: rounds 1 … j−1 have 2 … j attempts. */
static uint64_t sweep_before(uint64_t round)
{
	return (round - 1) * (round + 2) / 2;
}

/* The round to which attempt `k` of the sweep belongs, by bisection. */
static uint64_t sweep_round(uint64_t k)
{
	uint64_t low = 1;
	uint64_t high = ROUND_MAX;
	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;
		if (sweep_before(middle) <= k)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* How far above the bound counter attempt n lies. */
static uint64_t attempt_step(uint64_t attempt)
{
	if (attempt < NJ_KNOCK_WINDOW)
		return attempt + 1;
	uint64_t k = attempt - NJ_KNOCK_WINDOW;
	uint64_t anchor = k - sweep_before(sweep_round(k)) + 1;
	return anchor * NJ_KNOCK_WINDOW;
}

enum nj_err nj_knock_attempt_counter(uint64_t bound, uint64_t attempt, uint64_t *out_counter)
{
	if (bound > NJ_KNOCK_COUNTER_MAX || attempt > NJ_KNOCK_ATTEMPT_MAX)
		return NJ_ERR_RANGE;
	uint64_t step = attempt_step(attempt);
	if (step > NJ_KNOCK_COUNTER_MAX - bound)
		return NJ_ERR_RANGE;
	*out_counter = bound + step;
	return NJ_OK;
}
