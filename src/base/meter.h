/*
 * A rate, charged from any thread without a lock: so many units a second, a second's worth of them at once. What is
 * taken beyond that is a debt, and the meter says how long paying it back takes (GCRA in its form of virtual
 * scheduling, ITU-T I.371 A.1). All zero is a meter that nothing was charged to. Times are of its user's clock.
 */
#ifndef NJ_BASE_METER_H
#define NJ_BASE_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NJ_METER_SECOND_NS UINT64_C(1000000000)

struct nj_meter {
	_Atomic uint64_t paid_until_ns;
};

/* What a unit costs at `per_s` of them a second. `per_s` is not 0; at most 2^34 units. */
static inline uint64_t nj_meter_cost_ns(uint64_t units, uint64_t per_s)
{
	return units * NJ_METER_SECOND_NS / per_s;
}

/* Charges, and returns the nanoseconds until what exceeds `burst_ns` is paid back: 0 within the rate. */
uint64_t nj_meter_charge(struct nj_meter *meter, uint64_t cost_ns, uint64_t burst_ns, uint64_t now_ns);
/* Charges, or returns false and charges nothing where that would exceed `burst_ns`. */
bool nj_meter_try(struct nj_meter *meter, uint64_t cost_ns, uint64_t burst_ns, uint64_t now_ns);
/* Nothing is owed: as if nothing had ever been charged. */
bool nj_meter_idle(const struct nj_meter *meter, uint64_t now_ns);

#endif
