/*
 * Time as an ops table, so that a test owns it. `boot_ns` is CLOCK_BOOTTIME (what the kernel's cloak compares
 * with), `wall_ms` Unix time. Any thread.
 */
#ifndef NJ_BASE_CLOCK_H
#define NJ_BASE_CLOCK_H

#include <stdint.h>

struct nj_clock {
	uint64_t (*boot_ns)(const struct nj_clock *clock);
	uint64_t (*wall_ms)(const struct nj_clock *clock);
};

/* The machine's own clocks. */
const struct nj_clock *nj_clock_system(void);

/* A clock that stands still until the test moves it. */
struct nj_clock_fake {
	struct nj_clock clock; /* first: pass &fake.clock */
	uint64_t boot_ns;
	uint64_t wall_ms;
};
void nj_clock_fake_init(struct nj_clock_fake *fake, uint64_t boot_ns, uint64_t wall_ms);
void nj_clock_fake_advance_ms(struct nj_clock_fake *fake, uint64_t ms);

uint64_t nj_clock_boot_ns(const struct nj_clock *clock);
uint64_t nj_clock_boot_ms(const struct nj_clock *clock);
uint64_t nj_clock_wall_ms(const struct nj_clock *clock);

#endif
