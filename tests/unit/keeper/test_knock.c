#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "unit/keeper/keeper_fixture.h"

static struct fixture fx;

static int set_up(void **state)
{
	fixture_serve(&fx);
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

static void opens_after_commit_and_ack(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(counters()->accepted, 1);
	/* Not before the gateway holds the key. */
	assert_false(passes(&fx, "192.0.2.1", PORT));
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	assert_true(passes(&fx, "192.0.2.1", PORT));
	assert_false(passes(&fx, "192.0.2.2", PORT));
	assert_false(passes(&fx, "192.0.2.1", 8443));
	advance(&fx, 30000);
	assert_false(passes(&fx, "192.0.2.1", PORT));
	assert_int_equal(nj_keeper_grants(fx.keeper), 0);
	assert_int_equal(fx.gateway.ended_count, 1);
}

static void key_is_the_device_s(void **state)
{
	struct device d;
	struct knock knock;
	uint8_t psk[32];

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 3, "192.0.2.1", &knock);
	deliver(&fx, &knock);
	nj_knock_psk(&d.keys, knock.bytes, psk);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_memory_equal(fx.gateway.grants[0].psk, psk, 32);
	assert_memory_equal(fx.gateway.grants[0].hint, knock.bytes, NJ_KNOCK_HINT_BYTES);
	assert_memory_equal(fx.gateway.grants[0].uid, d.uid, NJ_UID_BYTES);
}

static void replay_opens_nothing(void **state)
{
	struct device d;
	struct knock knock;

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	deliver(&fx, &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(counters()->unknown, 1);
	/* Stopped in order and started again. */
	assert_int_equal(nj_keeper_stop(fx.keeper), NJ_OK);
	fixture_drop(&fx);
	fixture_start(&fx);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	/* Killed. */
	knock_make(&fx, &d, 2, "192.0.2.1", &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 2);
	fixture_drop(&fx);
	fixture_start(&fx);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 2);
	deliver_new(&fx, &d, 3, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 3);
}

/* A process that burns, tells so and is gone in the same moment: no checkpoint, no close. */
static void replay_after_kill_opens_nothing(void **state)
{
	struct device d;
	struct knock knock;
	pid_t child;
	int status;

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	fixture_drop(&fx);
	child = fork();
	if (child == 0) {
		fixture_start(&fx);
		nj_keeper_datagrams(fx.keeper, &knock.datagram, 1);
		(void)kill(getpid(), fx.gateway.grant_count == 1 ? SIGKILL : SIGTERM);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fixture_start(&fx);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 0);
	deliver_new(&fx, &d, 2, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
}

static void duplicates_of_one_batch_open_once(void **state)
{
	struct device d;
	struct knock knock;
	struct nj_udp_datagram batch[10];

	add_device(&fx, "d1", "sensor", &d);
	/* The first of a quiet time is committed at once; the rest of its time waits as a group. */
	deliver_new(&fx, &d, 1, "192.0.2.9");
	knock_make(&fx, &d, 2, "192.0.2.1", &knock);
	for (size_t i = 0; i < 10; i++)
		batch[i] = knock.datagram;
	nj_keeper_datagrams(fx.keeper, batch, 10);
	nj_clock_fake_advance_ms(&fx.clock, NJ_KEEPER_GROUP_MS);
	nj_keeper_tick(fx.keeper);
	assert_int_equal(fx.gateway.grant_count, 2);
	assert_int_equal(counters()->replayed, 9);
}

static void window_ends(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 17, "192.0.2.1"); /* floor 0: 1 … 16 */
	deliver_new(&fx, &d, 0, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 0);
	deliver_new(&fx, &d, 16, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
	deliver_new(&fx, &d, 15, "192.0.2.1"); /* late */
	assert_int_equal(fx.gateway.grant_count, 1);
	deliver_new(&fx, &d, 32, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 2);
}

static void last_counter(void **state)
{
	struct device d;
	struct nj_keeper_store *store;
	struct nj_why why;

	add_device(&fx, "d1", "sensor", &d);
	fixture_drop(&fx);
	assert_int_equal(nj_keeper_store_open(fx.store, NJ_STORE_OPEN, &store, &why), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, d.uid, NJ_KNOCK_COUNTER_MAX - 1), NJ_OK);
	nj_keeper_store_close(store);
	fixture_start(&fx);
	assert_int_equal(nj_window_hints(nj_keeper_window(fx.keeper)), 1);
	deliver_new(&fx, &d, NJ_KNOCK_COUNTER_MAX, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(nj_window_hints(nj_keeper_window(fx.keeper)), 0);
}

static void forged_leaves_the_hint(void **state)
{
	struct device d;
	struct knock knock;

	add_device(&fx, "d1", "sensor", &d);
	for (size_t at = NJ_KNOCK_HINT_BYTES; at < NJ_KNOCK_BYTES; at++) {
		knock_make(&fx, &d, 1, "192.0.2.1", &knock);
		knock.bytes[at] ^= 1;
		deliver(&fx, &knock);
	}
	assert_int_equal(counters()->forged, NJ_KNOCK_BYTES - NJ_KNOCK_HINT_BYTES);
	assert_int_equal(fx.gateway.grant_count, 0);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
}

static void other_lengths_are_unknown(void **state)
{
	struct device d;
	struct knock knock;

	add_device(&fx, "d1", "sensor", &d);
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	knock.datagram.bytes.len = NJ_KNOCK_BYTES - 1;
	deliver(&fx, &knock);
	knock.datagram.bytes.len = 0;
	deliver(&fx, &knock);
	assert_int_equal(counters()->unknown, 2);
}

/* Each fault burns its counter and opens nothing. */
static void body_faults_burn(void **state)
{
	struct device d;
	struct knock knock;
	uint64_t counter = 1;
	struct nj_knock_body bodies[6];

	add_device(&fx, "d1", "sensor", &d);
	for (size_t i = 0; i < 6; i++)
		bodies[i] = d.body;
	bodies[0].version = 2;
	bodies[1].uid[0] ^= 1;
	bodies[2].service = NJ_SERVICE_HTTPS; /* served, not of the profile */
	bodies[3].service = 40000;
	bodies[4].source[15] = 9;
	bodies[5].time_ms = nj_clock_wall_ms(&fx.clock.clock) - 120000;
	for (size_t i = 0; i < 6; i++, counter++) {
		struct device liar = d;

		liar.body = bodies[i];
		knock_make(&fx, &liar, counter, "192.0.2.1", &knock);
		deliver(&fx, &knock);
		assert_int_equal(counters()->refused, i + 1);
		deliver(&fx, &knock);
		assert_int_equal(counters()->unknown, i + 1);
	}
	assert_int_equal(fx.gateway.grant_count, 0);
	d.body.time_ms = nj_clock_wall_ms(&fx.clock.clock) - 59000;
	memcpy(d.body.source, address("192.0.2.1").ip, 16);
	deliver_new(&fx, &d, counter, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
}

static void wanted_time_only_shortens(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	d.body.wanted_seconds = 5;
	deliver_new(&fx, &d, 1, "192.0.2.1");
	d.body.wanted_seconds = 3000;
	deliver_new(&fx, &d, 2, "192.0.2.1");
	assert_int_equal(fx.gateway.grants[0].lifetime_ms, 5000);
	assert_int_equal(fx.gateway.grants[1].lifetime_ms, 30000);
}

static void plain_binding_needs_the_profile(void **state)
{
	struct device d;
	struct knock knock;
	uint8_t password[32];

	set_profile(&fx, "old", "mqtt", true);
	add_device(&fx, "d1", "old", &d);
	d.body.service = NJ_SERVICE_MQTT;
	knock_make(&fx, &d, 1, "192.0.2.1", &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_true(fx.gateway.grants[0].plain_allowed);
	nj_knock_password(&d.keys, 1, knock.bytes, NJ_SERVICE_MQTT, password);
	assert_memory_equal(fx.gateway.grants[0].password, password, 32);
}

static void two_devices_behind_one_address(void **state)
{
	const struct nj_ipc_bound bound = { .peer = address("192.0.2.1"), .local_port = PORT };
	struct nj_ipc_bound first = bound;
	struct device a;
	struct device b;

	add_device(&fx, "a", "sensor", &a);
	add_device(&fx, "b", "sensor", &b);
	deliver_new(&fx, &a, 1, "192.0.2.1");
	deliver_new(&fx, &b, 1, "192.0.2.1");
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	nj_keeper_ack(fx.keeper, fx.gateway.grants[1].id);
	first.grant_id = fx.gateway.grants[0].id;
	nj_keeper_bound(fx.keeper, &first);
	assert_true(passes(&fx, "192.0.2.1", PORT));
	first.grant_id = fx.gateway.grants[1].id;
	nj_keeper_bound(fx.keeper, &first);
	assert_false(passes(&fx, "192.0.2.1", PORT));
}

static void silent_gateway_opens_nothing(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	advance(&fx, 2200);
	assert_int_equal(nj_keeper_grants(fx.keeper), 0);
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	assert_false(passes(&fx, "192.0.2.1", PORT));
	/* And none at all. */
	fx.gateway.connected = false;
	deliver_new(&fx, &d, 2, "192.0.2.1");
	assert_int_equal(nj_keeper_grants(fx.keeper), 0);
	assert_int_equal(counters()->accepted, 2);
	/* And one that takes no more: the grant ends at once. */
	fx.gateway.connected = true;
	fx.gateway.granting = NJ_ERR_LIMIT;
	deliver_new(&fx, &d, 3, "192.0.2.1");
	assert_int_equal(counters()->accepted, 3);
	assert_int_equal(nj_keeper_grants(fx.keeper), 0);
}

static void dead_gateway_shuts(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	assert_true(passes(&fx, "192.0.2.1", PORT));
	nj_keeper_gateway_gone(fx.keeper);
	assert_false(passes(&fx, "192.0.2.1", PORT));
}

/* The store takes no writes: nothing opens, nothing is burnt, the lease dies. */
static void failed_commit_opens_nothing(void **state)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = RLIM_INFINITY };
	const struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	struct device d;
	struct knock knock;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	(void)signal(SIGXFSZ, SIG_IGN);
	knock_make(&fx, &d, 2, "192.0.2.1", &knock);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(counters()->rolled_back, 1);
	assert_false(nj_keeper_store_works(fx.keeper));
	for (int i = 0; i < 6; i++) {
		nj_clock_fake_advance_ms(&fx.clock, NJ_CLOAK_LEASE_MS);
		nj_keeper_tick(fx.keeper);
	}
	assert_false(passes(&fx, "192.0.2.1", PORT));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	advance(&fx, 1200);
	assert_true(nj_keeper_store_works(fx.keeper));
	assert_true(passes(&fx, "192.0.2.1", PORT));
	/* Its counter is as good as before. */
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 2);
}

static void buckets(void **state)
{
	struct device d;
	struct knock knock;
	uint64_t counter = 1;

	add_device(&fx, "d1", "sensor", &d);
	for (; counter <= 8; counter++) {
		knock_make(&fx, &d, counter, "192.0.2.1", &knock);
		nj_keeper_datagrams(fx.keeper, &knock.datagram, 1);
	}
	knock_make(&fx, &d, counter, "192.0.2.1", &knock);
	nj_keeper_datagrams(fx.keeper, &knock.datagram, 1);
	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	assert_int_equal(fx.gateway.grant_count, 8);
	assert_int_equal(counters()->limited, 1);
	/* Not burnt: the same knock opens when its time has come. */
	advance(&fx, 4800);
	deliver(&fx, &knock);
	assert_int_equal(counters()->limited, 2);
	advance(&fx, 200);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 9);
}

static void revoked_opens_nothing(void **state)
{
	struct device d;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_OK);
	assert_int_equal(fx.gateway.last.type, NJ_IPC_PARTY_CUT);
	assert_false(passes(&fx, "192.0.2.1", PORT));
	deliver_new(&fx, &d, 2, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(nj_window_count(nj_keeper_window(fx.keeper)), 0);
	fixture_drop(&fx);
	fixture_start(&fx);
	deliver_new(&fx, &d, 3, "192.0.2.1");
	assert_int_equal(fx.gateway.grant_count, 1);
}

/* A gateway whose queue was full when it should cut is asked again, without being new; what is pending is let be. */
static void a_cut_that_was_refused_is_asked_again(void **state)
{
	struct device d;
	unsigned requests;

	add_device(&fx, "d1", "sensor", &d);
	fx.gateway.answer = NJ_ERR_LIMIT;
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_OK);
	requests = fx.gateway.requests;
	advance(&fx, 1200);
	assert_true(fx.gateway.requests > requests);
	assert_int_equal(fx.gateway.last.type, NJ_IPC_PARTY_CUT);
	assert_memory_equal(fx.gateway.last.as.uid.uid, d.uid, NJ_UID_BYTES);
	fx.gateway.answer = NJ_OK;
	advance(&fx, 1200);
	requests = fx.gateway.requests;
	advance(&fx, 5000);
	assert_int_equal(fx.gateway.requests, requests);
}

static void new_keeper_empties_the_grants(void **state)
{
	struct device d;
	struct nj_cloak *cloak = fx.cloak;
	struct nj_why why;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	nj_keeper_ack(fx.keeper, fx.gateway.grants[0].id);
	nj_keeper_close(fx.keeper);
	assert_true(passes(&fx, "192.0.2.1", PORT));
	fixture_open(&fx);
	assert_int_equal(nj_keeper_start(fx.keeper, cloak, &why), NJ_OK);
	assert_false(passes(&fx, "192.0.2.1", PORT));
}

static void records_and_burn_are_one_commit(void **state)
{
	struct device d;
	json_t *ok = NULL;

	add_device(&fx, "d1", "sensor", &d);
	deliver_new(&fx, &d, 1, "192.0.2.1");
	assert_int_equal(ask(&fx, "audit.tail", json_pack("{s:s}", "event", "knock."), &ok), NJ_OK);
	json_decref(ok);
	fixture_drop(&fx);
	fixture_open(&fx);
	assert_int_equal(ask(&fx, "audit.verify", json_object(), &ok), NJ_OK);
	json_decref(ok);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(opens_after_commit_and_ack),
		ROW(key_is_the_device_s),
		ROW(replay_opens_nothing),
		ROW(replay_after_kill_opens_nothing),
		ROW(duplicates_of_one_batch_open_once),
		ROW(window_ends),
		ROW(last_counter),
		ROW(forged_leaves_the_hint),
		ROW(other_lengths_are_unknown),
		ROW(body_faults_burn),
		ROW(wanted_time_only_shortens),
		ROW(plain_binding_needs_the_profile),
		ROW(two_devices_behind_one_address),
		ROW(silent_gateway_opens_nothing),
		ROW(dead_gateway_shuts),
		ROW(failed_commit_opens_nothing),
		ROW(buckets),
		ROW(revoked_opens_nothing),
		ROW(a_cut_that_was_refused_is_asked_again),
		ROW(new_keeper_empties_the_grants),
		ROW(records_and_burn_are_one_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
