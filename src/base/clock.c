#include "base/clock.h"

#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Neither clock can fail on a kernel that this program supports; a zero time would only open nothing. */
static uint64_t read_ns(clockid_t id)
{
	struct timespec now = { 0 };

	if (clock_gettime(id, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t real_boot_ns(const struct nj_clock *clock)
{
	return read_ns(CLOCK_BOOTTIME);
}

static uint64_t real_wall_ms(const struct nj_clock *clock)
{
	return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

const struct nj_clock *nj_clock_system(void)
{
	static const struct nj_clock real = { .boot_ns = real_boot_ns, .wall_ms = real_wall_ms };

	return &real;
}

static uint64_t fake_boot_ns(const struct nj_clock *clock)
{
	return ((const struct nj_clock_fake *)clock)->boot_ns;
}

static uint64_t fake_wall_ms(const struct nj_clock *clock)
{
	return ((const struct nj_clock_fake *)clock)->wall_ms;
}

void nj_clock_fake_init(struct nj_clock_fake *fake, uint64_t boot_ns, uint64_t wall_ms)
{
	*fake = (struct nj_clock_fake){
		.clock = { .boot_ns = fake_boot_ns, .wall_ms = fake_wall_ms },
		.boot_ns = boot_ns,
		.wall_ms = wall_ms,
	};
}

void nj_clock_fake_advance_ms(struct nj_clock_fake *fake, uint64_t ms)
{
	fake->boot_ns += ms * NS_PER_MS;
	fake->wall_ms += ms;
}

uint64_t nj_clock_boot_ns(const struct nj_clock *clock)
{
	return clock->boot_ns(clock);
}

uint64_t nj_clock_boot_ms(const struct nj_clock *clock)
{
	return clock->boot_ns(clock) / NS_PER_MS;
}

uint64_t nj_clock_wall_ms(const struct nj_clock *clock)
{
	return clock->wall_ms(clock);
}
