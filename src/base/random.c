#include "base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

static void real_fill(struct nj_random *random, void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* Going on without randomness would mean predictable keys. */
		if (got <= 0)
			abort();
		at += got;
		len -= (size_t)got;
	}
}

struct nj_random *nj_random_system(void)
{
	static struct nj_random real = { .fill = real_fill };

	return &real;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t fake_next(struct nj_random_fake *fake)
{
	uint64_t z = fake->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void fake_fill(struct nj_random *random, void *out, size_t len)
{
	struct nj_random_fake *fake = (struct nj_random_fake *)random;
	uint8_t *at = out;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)fake_next(fake);
}

void nj_random_fake_init(struct nj_random_fake *fake, uint64_t seed)
{
	*fake = (struct nj_random_fake){ .random = { .fill = fake_fill }, .state = seed };
}

void nj_random_fill(struct nj_random *random, void *out, size_t len)
{
	random->fill(random, out, len);
}

uint64_t nj_random_u64(struct nj_random *random)
{
	uint64_t value = 0;

	nj_random_fill(random, &value, sizeof(value));
	return value;
}
