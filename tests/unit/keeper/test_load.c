/* What the keeper costs: junk, knocks, memory. Times are checked only where no sanitizer slows them down. */
#include <malloc.h>
#include <time.h>

#include "unit/keeper/keeper_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define JUNK 1000000
#define DEVICES 10000
#define KNOCKS 5000

static struct fixture fx;
static struct device devices[DEVICES];
static size_t device_count;

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void take_device(void *arg, const json_t *item)
{
	device_from(&devices[device_count++], item);
}

static void import(size_t from, size_t count)
{
	json_t *names = json_array();
	json_t *args;
	struct nj_why why;
	char name[24];

	for (size_t i = from; i < from + count; i++) {
		(void)snprintf(name, sizeof(name), "d%zu", i);
		json_array_append_new(names, json_string(name));
	}
	args = json_pack("{s:s, s:o}", "profile", "sensor", "names", names);
	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, fx.keeper, "device.import", args,
					   take_device, NULL, NULL, &why),
			 NJ_OK);
	json_decref(args);
}

static int set_up(void **state)
{
	uint64_t at;

	fixture_serve(&fx);
	at = wall_ns();
	for (size_t i = 0; i < DEVICES; i += 1000)
		import(i, 1000);
	print_message("import: %u devices in %llu ms\n", DEVICES, (unsigned long long)((wall_ns() - at) / 1000000));
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&fx);
	return 0;
}

static void restart_is_fast(void **state)
{
	uint64_t at;

	fixture_drop(&fx);
	at = wall_ns();
	fixture_start(&fx);
	print_message("start: %u devices in %llu ms\n", DEVICES, (unsigned long long)((wall_ns() - at) / 1000000));
	if (!SANITIZED)
		assert_true(wall_ns() - at < UINT64_C(2000000000));
	assert_int_equal(nj_window_count(nj_keeper_window(fx.keeper)), DEVICES);
}

static void send_junk(size_t count, const struct nj_udp_datagram batch[NJ_UDP_BATCH],
		      uint8_t junk[NJ_UDP_BATCH][NJ_KNOCK_BYTES])
{
	for (size_t done = 0; done < count; done += NJ_UDP_BATCH) {
		for (size_t i = 0; i < NJ_UDP_BATCH; i++)
			nj_put_u64(junk[i], nj_random_u64(&fx.random.random));
		nj_keeper_datagrams(fx.keeper, batch, NJ_UDP_BATCH);
	}
}

static void junk_costs_nothing(void **state)
{
	static uint8_t junk[NJ_UDP_BATCH][NJ_KNOCK_BYTES];
	struct nj_udp_datagram batch[NJ_UDP_BATCH];
	struct mallinfo2 before;
	uint64_t at;

	for (size_t i = 0; i < NJ_UDP_BATCH; i++)
		batch[i] = (struct nj_udp_datagram){ nj_view_of(junk[i], NJ_KNOCK_BYTES), address("192.0.2.1") };
	/* What the libraries keep ready for themselves is there after the first ones. */
	send_junk(JUNK / 10, batch, junk);
	before = mallinfo2();
	at = cpu_ns();
	send_junk(JUNK, batch, junk);
	at = cpu_ns() - at;
	print_message("junk: %llu ns each\n", (unsigned long long)(at / JUNK));
	assert_true(nj_keeper_counters(fx.keeper)->unknown >= JUNK);
	assert_int_equal(fx.gateway.grant_count, 0);
	if (SANITIZED)
		return;
	assert_int_equal(mallinfo2().uordblks, before.uordblks);
	assert_true(at / JUNK <= 1000);
}

/* Knocks of many devices in groups, every one on disk before its grant. */
static void knocks_a_second(void **state)
{
	struct knock knocks[NJ_UDP_BATCH];
	struct nj_udp_datagram batch[NJ_UDP_BATCH];
	uint64_t at;

	fx.gateway.granting = NJ_ERR_CLOSED;
	at = wall_ns();
	for (size_t done = 0; done < KNOCKS;) {
		size_t n = 0;

		for (; n < NJ_UDP_BATCH && done < KNOCKS; n++, done++) {
			knock_make(&fx, &devices[done], 1, "192.0.2.1", &knocks[n]);
			batch[n] = knocks[n].datagram;
			batch[n].bytes.data = knocks[n].bytes;
		}
		nj_keeper_datagrams(fx.keeper, batch, n);
		nj_clock_fake_advance_ms(&fx.clock, 6);
		nj_keeper_tick(fx.keeper);
	}
	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	at = wall_ns() - at;
	print_message("knocks: %llu a second, durable (sealing them included)\n",
		      (unsigned long long)(UINT64_C(1000000000) * KNOCKS / at));
	assert_int_equal(nj_keeper_counters(fx.keeper)->accepted, KNOCKS);
}

static void bytes_a_device(void **state)
{
	print_message("window: %zu bytes a device\n", nj_window_bytes(nj_keeper_window(fx.keeper)) / DEVICES);
	assert_true(nj_window_bytes(nj_keeper_window(fx.keeper)) <= (size_t)DEVICES * 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_is_fast),
		cmocka_unit_test(junk_costs_nothing),
		cmocka_unit_test(knocks_a_second),
		cmocka_unit_test(bytes_a_device),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
