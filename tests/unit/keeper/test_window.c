#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/random.h"
#include "crypto/crypto.h"
#include "keeper/window.h"

#define MODEL_DEVICES 200
#define GROWN_DEVICES 100000

static struct nj_window_device model_device(struct nj_random *random, uint64_t floor)
{
	struct nj_window_device d = { .floor = floor, .kind = 1 };

	nj_random_fill(random, d.uid, sizeof(d.uid));
	nj_random_fill(random, d.hint_key, sizeof(d.hint_key));
	return d;
}

static bool knows(const struct nj_window *window, const struct nj_window_device *d, uint32_t device, uint64_t counter)
{
	struct nj_window_candidate found[NJ_WINDOW_CANDIDATES];
	uint8_t hint[NJ_KNOCK_HINT_BYTES];
	size_t count;

	nj_knock_hint(d->hint_key, counter, hint);
	count = nj_window_lookup(window, hint, found);
	for (size_t i = 0; i < count; i++)
		if (found[i].device == device && found[i].counter == counter)
			return true;
	return false;
}

/* Exactly floor+1 … floor+16 are known, a few beyond either side are not. */
static void check_device(const struct nj_window *window, const struct nj_window_device *d, uint32_t device)
{
	for (uint64_t c = d->floor > 2 ? d->floor - 2 : 0; c <= d->floor; c++)
		assert_false(knows(window, d, device, c));
	for (uint64_t c = d->floor + 1; c <= d->floor + 16; c++)
		assert_true(knows(window, d, device, c));
	assert_false(knows(window, d, device, d->floor + 17));
}

static void by_model(void **state)
{
	struct nj_random_fake random;
	struct nj_window *window;
	struct nj_window_device devices[MODEL_DEVICES];
	uint32_t at[MODEL_DEVICES];
	bool live[MODEL_DEVICES] = { false };
	size_t count = 0;

	nj_random_fake_init(&random, 1);
	assert_int_equal(nj_window_new(3, MODEL_DEVICES, &window), NJ_OK);
	for (int step = 0; step < 4000; step++) {
		size_t i = nj_random_u64(&random.random) % MODEL_DEVICES;

		if (!live[i]) {
			devices[i] = model_device(&random.random, nj_random_u64(&random.random) % 1000);
			assert_int_equal(nj_window_add(window, &devices[i], &at[i]), NJ_OK);
			assert_int_equal(nj_window_add(window, &devices[i], &at[i]), NJ_ERR_EXISTS);
			live[i] = true;
			count++;
		} else if (nj_random_u64(&random.random) % 4 == 0) {
			nj_window_remove(window, at[i]);
			for (uint64_t c = devices[i].floor + 1; c <= devices[i].floor + 16; c++)
				assert_false(knows(window, &devices[i], at[i], c));
			assert_int_equal(nj_window_find(window, devices[i].uid), NJ_WINDOW_NO_DEVICE);
			live[i] = false;
			count--;
		} else {
			devices[i].floor += nj_random_u64(&random.random) % 40;
			assert_int_equal(nj_window_slide(window, at[i], devices[i].floor), NJ_OK);
		}
		if (live[i]) {
			check_device(window, &devices[i], at[i]);
			assert_int_equal(nj_window_find(window, devices[i].uid), at[i]);
		}
		assert_int_equal(nj_window_count(window), count);
		assert_int_equal(nj_window_hints(window), count * 16);
	}
	for (size_t i = 0; i < MODEL_DEVICES; i++)
		if (live[i])
			check_device(window, &devices[i], at[i]);
	nj_window_free(window);
}

/* Two devices with one hint key: every hint collides. */
static void collisions(void **state)
{
	struct nj_random_fake random;
	struct nj_window *window;
	struct nj_window_device a;
	struct nj_window_device b;
	uint32_t at_a;
	uint32_t at_b;

	nj_random_fake_init(&random, 2);
	a = model_device(&random.random, 0);
	b = a;
	b.uid[0] ^= 1;
	assert_int_equal(nj_window_new(2, 2, &window), NJ_OK);
	assert_int_equal(nj_window_add(window, &a, &at_a), NJ_OK);
	assert_int_equal(nj_window_add(window, &b, &at_b), NJ_OK);
	assert_true(knows(window, &a, at_a, 5));
	assert_true(knows(window, &b, at_b, 5));
	assert_int_equal(nj_window_slide(window, at_a, 5), NJ_OK);
	assert_false(knows(window, &a, at_a, 5));
	assert_true(knows(window, &b, at_b, 5));
	nj_window_remove(window, at_a);
	assert_true(knows(window, &b, at_b, 5));
	nj_window_free(window);
}

static void counter_limit(void **state)
{
	struct nj_random_fake random;
	struct nj_window *window;
	struct nj_window_device d;
	uint32_t at;

	nj_random_fake_init(&random, 3);
	assert_int_equal(nj_window_new(1, 1, &window), NJ_OK);
	d = model_device(&random.random, NJ_KNOCK_COUNTER_MAX + 1);
	assert_int_equal(nj_window_add(window, &d, &at), NJ_ERR_RANGE);
	d.floor = NJ_KNOCK_COUNTER_MAX - 16;
	assert_int_equal(nj_window_add(window, &d, &at), NJ_OK);
	assert_int_equal(nj_window_hints(window), 16);
	assert_true(knows(window, &d, at, NJ_KNOCK_COUNTER_MAX));
	assert_int_equal(nj_window_slide(window, at, NJ_KNOCK_COUNTER_MAX - 15), NJ_OK);
	assert_int_equal(nj_window_hints(window), 15);
	assert_int_equal(nj_window_slide(window, at, NJ_KNOCK_COUNTER_MAX), NJ_OK);
	assert_int_equal(nj_window_hints(window), 0);
	assert_int_equal(nj_window_slide(window, at, NJ_KNOCK_COUNTER_MAX + 1), NJ_ERR_RANGE);
	nj_window_free(window);
}

static void limit_and_slide_back(void **state)
{
	struct nj_random_fake random;
	struct nj_window *window;
	struct nj_window_device d[3];
	uint32_t at;

	nj_random_fake_init(&random, 4);
	assert_int_equal(nj_window_new(0, 2, &window), NJ_OK);
	for (int i = 0; i < 3; i++) {
		d[i] = model_device(&random.random, 100);
		assert_int_equal(nj_window_add(window, &d[i], &at), i < 2 ? NJ_OK : NJ_ERR_LIMIT);
	}
	assert_int_equal(nj_window_slide(window, 0, 50), NJ_OK);
	check_device(window, &d[0], 0);
	nj_window_free(window);
}

static void bytes_a_device(void **state)
{
	static const size_t counts[] = { 10000, 20000, 60000 };
	struct nj_random_fake random;

	nj_random_fake_init(&random, 5);
	for (size_t i = 0; i < 3; i++) {
		struct nj_window *window;
		uint32_t at;

		assert_int_equal(nj_window_new(10000, 100000, &window), NJ_OK);
		for (size_t n = 0; n < counts[i]; n++) {
			struct nj_window_device d = model_device(&random.random, 0);

			assert_int_equal(nj_window_add(window, &d, &at), NJ_OK);
		}
		print_message("%zu devices: %zu bytes each\n", counts[i], nj_window_bytes(window) / counts[i]);
		assert_true(nj_window_bytes(window) <= counts[i] * 400);
		nj_window_free(window);
	}
}

struct seen {
	struct nj_window *window;
	uint32_t count;
	uint8_t by_device[MODEL_DEVICES * 2];
};

static void see(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	struct seen *seen = arg;
	struct nj_window_candidate found[NJ_WINDOW_CANDIDATES];

	assert_int_equal(nj_window_lookup(seen->window, hint, found), 1);
	seen->by_device[found[0].device]++;
	seen->count++;
}

/* Devices that stay are seen whole, though others come and go between the slices. */
static void walk_while_changing(void **state)
{
	struct nj_random_fake random;
	struct seen seen = { 0 };
	struct nj_window_walk walk;
	struct nj_window_device d;
	uint32_t at;
	uint32_t next_gone = 0;
	int added = 0;
	enum nj_err err;

	nj_random_fake_init(&random, 6);
	assert_int_equal(nj_window_new(MODEL_DEVICES, MODEL_DEVICES * 2, &seen.window), NJ_OK);
	for (int i = 0; i < MODEL_DEVICES; i++) {
		d = model_device(&random.random, 0);
		assert_int_equal(nj_window_add(seen.window, &d, &at), NJ_OK);
	}
	nj_window_walk_begin(&walk);
	while ((err = nj_window_walk_step(seen.window, &walk, 3, see, &seen)) == NJ_ERR_AGAIN) {
		if (next_gone < MODEL_DEVICES / 2)
			nj_window_remove(seen.window, next_gone++);
		/* It grows meanwhile. */
		for (int i = 0; i < 4 && added < MODEL_DEVICES; i++, added++) {
			d = model_device(&random.random, 0);
			assert_int_equal(nj_window_add(seen.window, &d, &at), NJ_OK);
		}
	}
	assert_int_equal(err, NJ_OK);
	for (uint32_t i = MODEL_DEVICES / 2; i < MODEL_DEVICES; i++)
		assert_true(seen.by_device[i] >= 16);
	nj_window_free(seen.window);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The table outgrows its first size a hundredfold, and no single addition takes anywhere near the cloak's lease. */
static void growing_is_spread(void **state)
{
	struct nj_random_fake random;
	struct nj_window *window;
	uint64_t slowest_ns = 0;
	uint32_t at;

	nj_random_fake_init(&random, 7);
	assert_int_equal(nj_window_new(1000, GROWN_DEVICES, &window), NJ_OK);
	for (int i = 0; i < GROWN_DEVICES; i++) {
		struct nj_window_device d = model_device(&random.random, 0);
		uint64_t took_ns = cpu_ns();

		assert_int_equal(nj_window_add(window, &d, &at), NJ_OK);
		took_ns = cpu_ns() - took_ns;
		slowest_ns = took_ns > slowest_ns ? took_ns : slowest_ns;
	}
	print_message("%d devices, one by one: the slowest took %llu us\n", GROWN_DEVICES,
		      (unsigned long long)(slowest_ns / 1000));
	assert_true(slowest_ns < 100 * 1000 * 1000);
	assert_true(nj_window_bytes(window) <= (size_t)GROWN_DEVICES * 400);
	nj_window_free(window);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_model),          cmocka_unit_test(collisions),
		cmocka_unit_test(counter_limit),     cmocka_unit_test(limit_and_slide_back),
		cmocka_unit_test(bytes_a_device),    cmocka_unit_test(walk_while_changing),
		cmocka_unit_test(growing_is_spread),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
