/*
 * Nothing locks a device out: histories of lost, duplicated, delayed and replayed knocks, failed commits, failed
 * connections, power cuts and crashes, drawn at random, against the real window and the real attempt rule; and some
 * through the whole keeper. After each the network is good, and the device must be in again within WITHIN attempts.
 */
#include "unit/keeper/keeper_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HISTORIES 300
#else
#define HISTORIES 10000
#endif
#define FAILURES_MAX 1000
#define WITHIN 500
#define HELD_MAX 256
#define WHOLE_HISTORIES 12
#define WHOLE_FAILURES 120

enum fate {
	LOST,
	HALFWAY,      /* burnt, and the connection fails */
	UNBURNT,      /* taken up, and the commit fails */
	TWICE,        /* it arrives twice, and the connection fails */
	HELD,         /* somebody keeps it */
	RELEASED,     /* what was kept arrives, in any order, and stays kept for later replays */
	DEVICE_CRASH, /* after the attempt was stored, before the knock went out */
	POWER_CUT,    /* with a device that cannot store its attempts */
	GATEWAY_CRASH,
	FATES,
};

struct side {
	uint8_t uid[NJ_UID_BYTES];
	uint8_t hint_key[NJ_KNOCK_KEY_BYTES];
	uint64_t bound;
	uint64_t attempt;
	struct nj_window *window;
	uint32_t at;
	uint64_t floor; /* as on disk */
	uint64_t held[HELD_MAX];
	size_t held_count;
	uint64_t last_opened;
	struct nj_random *random;
};

static void window_make(struct side *s)
{
	struct nj_window_device model = { .floor = s->floor, .kind = 1 };

	memcpy(model.uid, s->uid, sizeof(model.uid));
	memcpy(model.hint_key, s->hint_key, sizeof(model.hint_key));
	assert_int_equal(nj_window_new(1, 1, &s->window), NJ_OK);
	assert_int_equal(nj_window_add(s->window, &model, &s->at), NJ_OK);
}

static uint64_t next_counter(struct side *s)
{
	uint64_t counter = 0;

	assert_int_equal(nj_knock_attempt_counter(s->bound, s->attempt, &counter), NJ_OK);
	s->attempt++;
	return counter;
}

/* As the wire would: the hint alone. True when it was burnt just now. */
static bool arrives(struct side *s, uint64_t counter, bool commits)
{
	struct nj_window_candidate found[NJ_WINDOW_CANDIDATES];
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	nj_knock_hint(s->hint_key, counter, hint);
	if (nj_window_lookup(s->window, hint, found) == 0 || !commits)
		return false;
	assert_true(found[0].counter == counter);
	/* Never twice. */
	assert_true(counter > s->last_opened);
	s->last_opened = counter;
	s->floor = counter;
	assert_int_equal(nj_window_slide(s->window, found[0].device, counter), NJ_OK);
	return true;
}

static void fail_once(struct side *s, enum fate fate)
{
	const uint64_t counter = next_counter(s);

	if (fate == HALFWAY || fate == TWICE)
		(void)arrives(s, counter, true);
	if (fate == TWICE)
		assert_false(arrives(s, counter, true));
	if (fate == UNBURNT)
		(void)arrives(s, counter, false);
	if (fate == HELD)
		s->held[s->held_count++ % HELD_MAX] = counter;
	for (size_t i = 0; fate == RELEASED && i < s->held_count && i < HELD_MAX; i++)
		(void)arrives(
		    s, s->held[nj_random_u64(s->random) % (s->held_count < HELD_MAX ? s->held_count : HELD_MAX)], true);
	if (fate == POWER_CUT)
		s->attempt = 0;
	if (fate == GATEWAY_CRASH) {
		nj_window_free(s->window);
		window_make(s);
	}
}

static uint64_t attempts_to_get_in(struct side *s)
{
	for (uint64_t tries = 1; tries <= WITHIN; tries++) {
		const uint64_t counter = next_counter(s);

		if (arrives(s, counter, true)) {
			s->bound = counter;
			s->attempt = 0;
			return tries;
		}
	}
	fail_msg("bound %llu, floor %llu: locked out", (unsigned long long)s->bound, (unsigned long long)s->floor);
	return 0;
}

static enum fate choose(const uint64_t weight[FATES], struct nj_random *random)
{
	uint64_t total = 0;
	uint64_t at;
	int i = 0;

	for (int f = 0; f < FATES; f++)
		total += weight[f];
	for (at = nj_random_u64(random) % total; at >= weight[i]; i++)
		at -= weight[i];
	return (enum fate)i;
}

static uint64_t history(struct nj_random *random)
{
	struct side s = { .random = random };
	uint64_t weight[FATES];
	uint64_t tries;

	nj_random_fill(random, s.uid, sizeof(s.uid));
	nj_random_fill(random, s.hint_key, sizeof(s.hint_key));
	s.bound = s.floor = s.last_opened = nj_random_u64(random) % 100000;
	window_make(&s);
	/* Each mix of its own; a kind of fault may be absent, and most devices store their attempts. */
	for (int f = 0; f < FATES; f++)
		weight[f] = nj_random_u64(random) % 8;
	weight[LOST]++;
	if (nj_random_u64(random) % 4 != 0)
		weight[POWER_CUT] = 0;
	for (uint64_t left = nj_random_u64(random) % (FAILURES_MAX + 1); left > 0; left--)
		fail_once(&s, choose(weight, random));
	tries = attempts_to_get_in(&s);
	/* And at once from then on. */
	assert_int_equal(attempts_to_get_in(&s), 1);
	nj_window_free(s.window);
	return tries;
}

static void any_history(void **state)
{
	struct nj_random_fake random;
	uint64_t worst = 0;
	uint64_t sum = 0;

	nj_random_fake_init(&random, 20260401);
	for (int i = 0; i < HISTORIES; i++) {
		const uint64_t tries = history(&random.random);

		sum += tries;
		worst = tries > worst ? tries : worst;
	}
	print_message("%d histories of up to %d failures: in again after %.1f attempts on average, %llu at worst\n",
		      HISTORIES, FAILURES_MAX, (double)sum / HISTORIES, (unsigned long long)worst);
}

/* ---- through the whole keeper: store, seal, buckets, kill ---- */

static bool keeper_takes(struct fixture *f, const struct knock *knock)
{
	const size_t before = f->gateway.grant_count;
	bool took;

	/* Buckets refuse what comes too fast; a device's back-off is longer than that. */
	nj_clock_fake_advance_ms(&f->clock, 6000);
	deliver(f, knock);
	took = f->gateway.grant_count > before;
	if (took)
		f->gateway.grant_count = 0;
	return took;
}

static uint64_t whole_history(struct fixture *f, struct device *device, struct nj_random *random)
{
	uint64_t bound = 0;
	uint64_t attempt = 0;
	uint64_t counter;
	struct knock knock;
	struct knock kept = { .datagram.bytes.len = 0 };

	for (uint64_t left = nj_random_u64(random) % WHOLE_FAILURES; left > 0; left--) {
		assert_int_equal(nj_knock_attempt_counter(bound, attempt++, &counter), NJ_OK);
		knock_make(f, device, counter, "192.0.2.1", &knock);
		switch (nj_random_u64(random) % 5) {
		case 0:
			break;
		case 1:
			(void)keeper_takes(f, &knock);
			assert_false(keeper_takes(f, &knock));
			break;
		case 2:
			kept = knock;
			kept.datagram.bytes.data = kept.bytes;
			break;
		case 3:
			if (kept.datagram.bytes.len != 0)
				(void)keeper_takes(f, &kept);
			break;
		default:
			if (left % 16 == 0) {
				fixture_drop(f);
				fixture_start(f);
			}
		}
	}
	for (uint64_t tries = 1; tries <= WITHIN; tries++) {
		assert_int_equal(nj_knock_attempt_counter(bound, attempt++, &counter), NJ_OK);
		knock_make(f, device, counter, "192.0.2.1", &knock);
		if (keeper_takes(f, &knock))
			return tries;
	}
	fail_msg("locked out");
	return 0;
}

static void through_the_keeper(void **state)
{
	struct fixture f;
	struct nj_random_fake random;
	uint64_t worst = 0;
	char name[16];

	nj_random_fake_init(&random, 20260402);
	fixture_new(&f);
	fixture_start(&f);
	set_profile(&f, "sensor", "mqtts", false);
	for (int i = 0; i < WHOLE_HISTORIES; i++) {
		struct device device;
		uint64_t tries;

		(void)snprintf(name, sizeof(name), "d%d", i);
		add_device(&f, name, "sensor", &device);
		tries = whole_history(&f, &device, &random.random);
		worst = tries > worst ? tries : worst;
	}
	print_message("%d histories through the keeper: in again after %llu attempts at worst\n", WHOLE_HISTORIES,
		      (unsigned long long)worst);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_history),
		cmocka_unit_test(through_the_keeper),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
