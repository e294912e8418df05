/* Attacks on the knock itself, by the whole keeper; docs/protocol/attacks.md says where the others are. */
#include <malloc.h>

#include "unit/keeper/keeper_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#define JUNK 200000
#else
#define SANITIZED 0
#define JUNK 10000000
#endif
#define JUNK_MAX_BYTES 1500
#define DAY_MS UINT64_C(86400000)

static struct fixture fx;
static unsigned told; /* what a watcher would log */

static void tell(void *arg, const struct nj_knock_fact *fact)
{
	told++;
}

static int set_up(void **state)
{
	const struct nj_keeper_watch watch = { .knock = tell, .forged = tell, .limited = tell };

	fixture_new(&fx);
	fixture_start(&fx);
	nj_keeper_watch(fx.keeper, &watch);
	set_profile(&fx, "sensor", "mqtts", false);
	told = 0;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&fx);
	return 0;
}

static const struct nj_knocks_counters *counters(void)
{
	return nj_keeper_counters(fx.keeper);
}

/* A true knock cut short or made longer, at every length; then the same, untouched. */
static void every_length(void **state)
{
	struct device d;
	struct knock knock;
	uint8_t bytes[JUNK_MAX_BYTES] = { 0 };

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	memcpy(bytes, knock.bytes, sizeof(knock.bytes));
	for (size_t len = 0; len <= JUNK_MAX_BYTES; len++) {
		struct nj_udp_datagram datagram = { nj_view_of(bytes, len), knock.datagram.source };

		if (len != NJ_KNOCK_BYTES)
			nj_keeper_datagrams(fx.keeper, &datagram, 1);
	}
	assert_int_equal(counters()->unknown, JUNK_MAX_BYTES);
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(told, 0);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
}

/* Ten million datagrams of random length and content, among them many of the right length. */
static void random_packets(void **state)
{
	static uint8_t noise[1 << 20];
	struct nj_udp_datagram batch[NJ_UDP_BATCH];
	struct mallinfo2 before;
	struct device d;
	uint64_t counter = 1;
	size_t sent = 0;

	add_device(&fx, "d1", "sensor", &d);
	nj_random_fill(&fx.random.random, noise, sizeof(noise));
	nj_keeper_datagrams(fx.keeper, &(struct nj_udp_datagram){ nj_view_of(noise, 100), address("198.51.100.7") }, 1);
	before = mallinfo2();
	while (sent < JUNK) {
		for (size_t i = 0; i < NJ_UDP_BATCH; i++, sent++) {
			const uint64_t random = nj_random_u64(&fx.random.random);
			const size_t len = random % 2 == 0 ? NJ_KNOCK_BYTES : random / 2 % (JUNK_MAX_BYTES + 1);

			batch[i].bytes = nj_view_of(noise + random / 4096 % (sizeof(noise) - JUNK_MAX_BYTES), len);
			batch[i].source = address("198.51.100.7");
		}
		nj_keeper_datagrams(fx.keeper, batch, NJ_UDP_BATCH);
	}
	if (!SANITIZED)
		assert_int_equal(mallinfo2().uordblks, before.uordblks);
	assert_int_equal(counters()->unknown, sent + 1);
	assert_int_equal(told, 0);
	/* A true one among them. */
	deliver_new(&fx, &d, counter, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(told, 1);
	print_message("%zu datagrams\n", sent);
}

/* A day off in either direction: refused, and burnt. A device that does not know the time says so, and gets in. */
static void clock_off_by_a_day(void **state)
{
	struct device d;
	struct device slow;
	struct device fast;

	add_device(&fx, "d1", "sensor", &d);
	slow = fast = d;
	slow.body.time_ms = nj_clock_wall_ms(&fx.clock.clock) - DAY_MS;
	fast.body.time_ms = nj_clock_wall_ms(&fx.clock.clock) + DAY_MS;
	deliver_new(&fx, &slow, 1, "192.0.2.1");
	deliver_new(&fx, &fast, 2, "192.0.2.1");
	assert_int_equal(counters()->refused, 2);
	assert_int_equal(fx.gateway.grant_count, 0);
	deliver_new(&fx, &d, 3, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
}

/* A genuine knock of a device whose clock runs ahead, kept until its time has come. */
static void refused_knock_a_day_later(void **state)
{
	struct device d;
	struct knock knock;

	add_device(&fx, "d1", "sensor", &d);
	d.body.time_ms = nj_clock_wall_ms(&fx.clock.clock) + DAY_MS;
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	deliver(&fx, &knock);
	assert_int_equal(counters()->refused, 1);
	nj_clock_fake_advance_ms(&fx.clock, DAY_MS);
	nj_keeper_tick(fx.keeper);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(counters()->unknown, 1);
}

/* A knock blocked on its way and sent on from elsewhere opens for its new source, for the device's key alone; one that
 * names its source opens nothing. */
static void used_from_another_source(void **state)
{
	struct device d;
	struct knock knock;
	uint8_t psk[32];

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 1, "198.51.100.7", &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	assert_true(passes(&fx, "198.51.100.7", PORT));
	assert_false(passes(&fx, "192.0.2.1", PORT));
	nj_knock_psk(&d.keys, knock.bytes, psk);
	assert_memory_equal(fx.gateway.grants[0].psk, psk, sizeof(psk));
	assert_memory_equal(fx.gateway.grants[0].uid, d.uid, sizeof(d.uid));
	memcpy(d.body.source, address("192.0.2.1").ip, sizeof(d.body.source));
	deliver_new(&fx, &d, 2, "198.51.100.7");
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(counters()->refused, 1);
}

/* Sixteen knocks under way arrive in every rotation, or only the last of them, or the first past the window. */
static void reordered_up_to_and_past_the_window(void **state)
{
	for (uint64_t first = 1; first <= NJ_KNOCK_WINDOW + 1; first++) {
		struct device d;
		char name[16];
		size_t before = fx.gateway.grant_count;

		(void)snprintf(name, sizeof(name), "d%u", (unsigned)first);
		add_device(&fx, name, "sensor", &d);
		deliver_new(&fx, &d, first, "192.0.2.1");
		assert_int_equal(fx.gateway.grant_count - before, first <= NJ_KNOCK_WINDOW);
		/* What comes late is dead, what is above the floor is not. */
		for (uint64_t late = 1; late < first && first <= NJ_KNOCK_WINDOW; late++)
			deliver_new(&fx, &d, late, "192.0.2.1");
		assert_int_equal(fx.gateway.grant_count - before, first <= NJ_KNOCK_WINDOW);
		nj_clock_fake_advance_ms(&fx.clock, 60000);
		nj_keeper_tick(fx.keeper);
		deliver_new(&fx, &d, first <= NJ_KNOCK_WINDOW ? first + 1 : 1, "192.0.2.1");
		assert_int_equal(fx.gateway.grant_count - before, first <= NJ_KNOCK_WINDOW ? 2 : 1);
	}
}

/* Every knock from the same sixteen "random" bytes: each differs where it must, and each opens once. */
static void constant_random_generator(void **state)
{
	const uint8_t dead[NJ_KNOCK_RANDOM_BYTES] = { 0 };
	struct device d;
	uint8_t bytes[3][NJ_KNOCK_BYTES];

	add_device(&fx, "d1", "sensor", &d);
	for (uint64_t i = 0; i < 3; i++) {
		struct nj_udp_datagram datagram = { nj_view_of(bytes[i], NJ_KNOCK_BYTES), address("192.0.2.1") };

		d.body.wanted_seconds = i == 2 ? 7 : 0;
		/* The third uses the second's counter again, with another body. */
		nj_knock_seal(&d.keys, i == 0 ? 1 : 2, dead, &d.body, bytes[i]);
		for (uint64_t j = 0; j < i; j++)
			assert_memory_not_equal(bytes[i] + NJ_KNOCK_HINT_BYTES, bytes[j] + NJ_KNOCK_HINT_BYTES,
						NJ_KNOCK_RANDOM_BYTES);
		nj_keeper_datagrams(fx.keeper, &datagram, 1);
		nj_clock_fake_advance_ms(&fx.clock, NJ_KEEPER_GROUP_MS);
		nj_keeper_tick(fx.keeper);
	}
	assert_int_equal(fx.gateway.grant_count, 2);
}

/* At the end of the counters nothing wraps round: no hint, no knock, nothing on the device's side. */
static void counter_at_the_end(void **state)
{
	struct device d;
	struct nj_keeper_store *store;
	struct nj_why why;
	uint64_t counter = 0;

	add_device(&fx, "d1", "sensor", &d);
	fixture_drop(&fx);
	assert_int_equal(nj_keeper_store_open(fx.store, NJ_STORE_OPEN, &store, &why), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, d.uid, NJ_KNOCK_COUNTER_MAX), NJ_OK);
	nj_keeper_store_close(store);
	fixture_start(&fx);
	assert_int_equal(nj_window_hints(nj_keeper_window(fx.keeper)), 0);
	for (counter = 0; counter <= NJ_KNOCK_WINDOW; counter++)
		deliver_new(&fx, &d, counter, "192.0.2.1");
	deliver_new(&fx, &d, NJ_KNOCK_COUNTER_MAX, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(nj_knock_attempt_counter(NJ_KNOCK_COUNTER_MAX, 0, &counter), NJ_ERR_RANGE);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(every_length),
		ROW(random_packets),
		ROW(clock_off_by_a_day),
		ROW(refused_knock_a_day_later),
		ROW(used_from_another_source),
		ROW(reordered_up_to_and_past_the_window),
		ROW(constant_random_generator),
		ROW(counter_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
