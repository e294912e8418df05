#include "base/meter.h"

static bool swap(struct nj_meter *meter, uint64_t *seen, uint64_t until)
{
	return atomic_compare_exchange_weak_explicit(&meter->paid_until_ns, seen, until, memory_order_relaxed,
						     memory_order_relaxed);
}

static uint64_t after(uint64_t seen, uint64_t now_ns, uint64_t cost_ns)
{
	return (seen > now_ns ? seen : now_ns) + cost_ns;
}

uint64_t nj_meter_charge(struct nj_meter *meter, uint64_t cost_ns, uint64_t burst_ns, uint64_t now_ns)
{
	uint64_t seen = atomic_load_explicit(&meter->paid_until_ns, memory_order_relaxed);
	uint64_t until;

	do
		until = after(seen, now_ns, cost_ns);
	while (!swap(meter, &seen, until));
	return until > now_ns + burst_ns ? until - now_ns - burst_ns : 0;
}

bool nj_meter_try(struct nj_meter *meter, uint64_t cost_ns, uint64_t burst_ns, uint64_t now_ns)
{
	uint64_t seen = atomic_load_explicit(&meter->paid_until_ns, memory_order_relaxed);
	uint64_t until;

	do {
		until = after(seen, now_ns, cost_ns);
		if (until > now_ns + burst_ns)
			return false;
	} while (!swap(meter, &seen, until));
	return true;
}

bool nj_meter_idle(const struct nj_meter *meter, uint64_t now_ns)
{
	return atomic_load_explicit(&meter->paid_until_ns, memory_order_relaxed) <= now_ns;
}
