/*
 * Random bytes as an ops table, so that a test owns them. The system source is getrandom(2), which blocks until
 * the kernel is seeded and never fails afterwards; a failure ends the process. Any thread.
 */
#ifndef NJ_BASE_RANDOM_H
#define NJ_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct nj_random {
	void (*fill)(struct nj_random *random, void *out, size_t len);
};

struct nj_random *nj_random_system(void);

/* A repeatable stream from a seed. Tests only: its bytes are predictable. */
struct nj_random_fake {
	struct nj_random random; /* first: pass &fake.random */
	uint64_t state;
};
void nj_random_fake_init(struct nj_random_fake *fake, uint64_t seed);

void nj_random_fill(struct nj_random *random, void *out, size_t len);
uint64_t nj_random_u64(struct nj_random *random);

#endif
