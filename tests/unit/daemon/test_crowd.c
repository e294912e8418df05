/* Limits by address, listener, device and customer: at n − 1, n and n + 1, and what is told of them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "daemon/crowd.h"

static struct nj_clock_fake fake;
static struct nj_random_fake dice;
static struct nj_crowd *crowd;
static struct nj_settings_limits limits;
static struct nj_crowd_verdict verdict;

static int set_up(void **state)
{
	limits = (struct nj_settings_limits){ 0 };
	nj_clock_fake_init(&fake, UINT64_C(5000000000), 0);
	nj_random_fake_init(&dice, 3);
	return nj_crowd_new(&fake.clock, &dice.random, &crowd) == NJ_OK ? 0 : 1;
}

static int tear_down(void **state)
{
	nj_crowd_free(crowd);
	return 0;
}

static void take_limits(void)
{
	nj_crowd_set_limits(crowd, &limits);
}

static struct nj_ticket *enter(uint16_t listener, const char *from)
{
	struct nj_ticket *ticket = NULL;
	struct nj_addr peer;

	assert_int_equal(nj_addr_parse(from, &peer), NJ_OK);
	if (nj_crowd_enter(crowd, listener, &peer, &ticket, &verdict) == NJ_ERR_LIMIT)
		assert_false(verdict.within);
	return ticket;
}

static enum nj_err admit(struct nj_ticket *ticket, uint8_t uid, const char *client_id, bool takes_over)
{
	const uint8_t bytes[16] = { uid };
	char name[8];
	const struct nj_crowd_who who = {
		.uid = bytes,
		.customer = "main",
		.name = name,
		.device = true,
		.client_id = nj_view_str(client_id),
		.takes_over = takes_over,
	};

	(void)snprintf(name, sizeof(name), "d%u", uid);
	return nj_crowd_admit(ticket, &who, &verdict);
}

static bool was(enum nj_crowd_scope scope, enum nj_crowd_what what)
{
	return !verdict.within && verdict.scope == scope && verdict.what == what;
}

static void connections_of_an_address(void **state)
{
	struct nj_ticket *at[4];

	limits.address.connections = 3;
	take_limits();
	for (size_t i = 0; i < 3; i++)
		assert_non_null(at[i] = enter(8883, "192.0.2.1"));
	assert_null(enter(8883, "192.0.2.1"));
	assert_true(was(NJ_CROWD_ADDRESS, NJ_CROWD_CONNECTIONS));
	assert_null(enter(1883, "192.0.2.1"));
	assert_non_null(at[3] = enter(8883, "192.0.2.2"));
	nj_crowd_leave(at[0]);
	assert_non_null(at[0] = enter(8883, "192.0.2.1"));
	assert_null(enter(8883, "192.0.2.1"));
	assert_int_equal(nj_crowd_count(crowd, NJ_CROWD_ADDRESS, NJ_CROWD_CONNECTIONS), 3);
	for (size_t i = 0; i < 4; i++)
		nj_crowd_leave(at[i]);
}

/* An IPv6 host has a /64 to itself; an IPv4 address is one host. */
static void what_an_address_is(void **state)
{
	struct nj_ticket *at[4];

	limits.address.connections = 1;
	take_limits();
	assert_non_null(at[0] = enter(1, "2001:db8:1:2::1"));
	assert_null(enter(1, "2001:db8:1:2:ffff::9"));
	assert_non_null(at[1] = enter(1, "2001:db8:1:3::1"));
	assert_non_null(at[2] = enter(1, "192.0.2.1"));
	assert_non_null(at[3] = enter(1, "192.0.2.0"));
	for (size_t i = 0; i < 4; i++)
		nj_crowd_leave(at[i]);
}

static void connects_in_a_second(void **state)
{
	limits.address.connects = 5;
	take_limits();
	for (size_t i = 0; i < 5; i++)
		nj_crowd_leave(enter(1, "192.0.2.1"));
	assert_null(enter(1, "192.0.2.1"));
	assert_true(was(NJ_CROWD_ADDRESS, NJ_CROWD_CONNECTS));
	nj_clock_fake_advance_ms(&fake, 199);
	assert_null(enter(1, "192.0.2.1"));
	nj_clock_fake_advance_ms(&fake, 1);
	nj_crowd_leave(enter(1, "192.0.2.1"));
	assert_null(enter(1, "192.0.2.1"));
	nj_clock_fake_advance_ms(&fake, 1000);
	for (size_t i = 0; i < 5; i++)
		nj_crowd_leave(enter(1, "192.0.2.1"));
	assert_null(enter(1, "192.0.2.1"));
}

static void strangers_at_a_listener(void **state)
{
	struct nj_ticket *first;
	struct nj_ticket *second;
	struct nj_ticket *third;

	limits.listener.unproven = 2;
	limits.listener.connections = 3;
	take_limits();
	assert_non_null(first = enter(1, "192.0.2.1"));
	assert_non_null(second = enter(1, "192.0.2.2"));
	assert_null(enter(1, "192.0.2.3"));
	assert_true(was(NJ_CROWD_LISTENER, NJ_CROWD_UNPROVEN));
	nj_crowd_proven(first);
	nj_crowd_proven(first);
	assert_non_null(third = enter(1, "192.0.2.3"));
	assert_null(enter(1, "192.0.2.4"));
	assert_true(was(NJ_CROWD_LISTENER, NJ_CROWD_CONNECTIONS));
	nj_crowd_proven(second);
	assert_null(enter(1, "192.0.2.4"));
	nj_crowd_leave(third);
	nj_crowd_leave(second);
	nj_crowd_leave(first);
}

static void connections_of_a_device(void **state)
{
	struct nj_ticket *at[4];

	limits.device.connections = 2;
	take_limits();
	for (size_t i = 0; i < 4; i++)
		assert_non_null(at[i] = enter(1, "192.0.2.1"));
	assert_int_equal(admit(at[0], 1, "a", false), NJ_OK);
	assert_int_equal(admit(at[1], 1, "b", false), NJ_OK);
	assert_int_equal(admit(at[2], 1, "c", false), NJ_ERR_LIMIT);
	assert_true(was(NJ_CROWD_DEVICE, NJ_CROWD_CONNECTIONS));
	assert_int_equal(admit(at[2], 2, "c", false), NJ_OK);
	/* A client that comes back in the place of its old connection is not one more. */
	assert_int_equal(admit(at[3], 1, "a", true), NJ_OK);
	for (size_t i = 0; i < 4; i++)
		nj_crowd_leave(at[i]);
}

static void connections_of_a_customer(void **state)
{
	struct nj_ticket *at[3];

	limits.customer.connections = 2;
	take_limits();
	for (size_t i = 0; i < 3; i++)
		assert_non_null(at[i] = enter(1, "192.0.2.1"));
	assert_int_equal(admit(at[0], 1, "", false), NJ_OK);
	assert_int_equal(admit(at[1], 2, "", false), NJ_OK);
	assert_int_equal(admit(at[2], 3, "", false), NJ_ERR_LIMIT);
	assert_true(was(NJ_CROWD_CUSTOMER, NJ_CROWD_CONNECTIONS));
	nj_crowd_leave(at[0]);
	assert_int_equal(admit(at[2], 3, "", false), NJ_OK);
	nj_crowd_leave(at[1]);
	nj_crowd_leave(at[2]);
}

static enum nj_err come_and_go(uint8_t uid, const char *client_id)
{
	struct nj_ticket *ticket = enter(1, "192.0.2.1");
	enum nj_err err = admit(ticket, uid, client_id, false);

	nj_crowd_leave(ticket);
	return err;
}

static void who_flaps_is_put_off_for_longer_each_time(void **state)
{
	static const uint64_t off_ms[] = { 1000, 2000, 4000, 8000, 16000, 20000, 20000 };

	limits.flapping = 10;
	limits.flapping_max_ms = 20000;
	take_limits();
	for (size_t i = 0; i < sizeof(off_ms) / sizeof(off_ms[0]); i++) {
		/* As often as it may, and once more. */
		while (come_and_go(1, "pump") == NJ_OK)
			;
		assert_true(was(NJ_CROWD_DEVICE, NJ_CROWD_FLAPPING));
		nj_clock_fake_advance_ms(&fake, off_ms[i] - 1);
		assert_int_equal(come_and_go(1, "pump"), NJ_ERR_LIMIT);
		nj_clock_fake_advance_ms(&fake, 1);
	}
	/* Others are not meant: another client, another device, one without a name. */
	assert_int_equal(come_and_go(1, "valve"), NJ_OK);
	assert_int_equal(come_and_go(2, "pump"), NJ_OK);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(come_and_go(1, ""), NJ_OK);
	/* A quiet minute, and it begins with a second again. */
	nj_clock_fake_advance_ms(&fake, 60000);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(come_and_go(1, "pump"), NJ_OK);
	assert_int_equal(come_and_go(1, "pump"), NJ_ERR_LIMIT);
	nj_clock_fake_advance_ms(&fake, 999);
	assert_int_equal(come_and_go(1, "pump"), NJ_ERR_LIMIT);
	nj_clock_fake_advance_ms(&fake, 5001);
	assert_int_equal(come_and_go(1, "pump"), NJ_OK);
}

/* All connections of a device share its rate. */
static void messages_and_bytes(void **state)
{
	struct nj_ticket *one = enter(1, "192.0.2.1");
	struct nj_ticket *two = enter(1, "192.0.2.2");
	struct nj_ticket *other = enter(1, "192.0.2.2");

	limits.device.messages = 10;
	limits.device.bytes = 1000;
	take_limits();
	assert_int_equal(nj_crowd_charge(one, 100, 100000), 0);
	assert_int_equal(admit(one, 1, "a", false), NJ_OK);
	assert_int_equal(admit(two, 1, "b", false), NJ_OK);
	assert_int_equal(admit(other, 2, "b", false), NJ_OK);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(nj_crowd_charge(one, 1, 0), 0);
		assert_int_equal(nj_crowd_charge(two, 1, 0), 0);
	}
	assert_int_equal(nj_crowd_charge(one, 1, 0), 100);
	assert_int_equal(nj_crowd_charge(two, 1, 0), 200);
	assert_int_equal(nj_crowd_charge(other, 10, 0), 0);
	nj_clock_fake_advance_ms(&fake, 300);
	assert_int_equal(nj_crowd_charge(one, 1, 0), 0);
	assert_int_equal(nj_crowd_charge(one, 0, 999), 0);
	assert_int_equal(nj_crowd_charge(one, 0, 1), 0);
	assert_int_equal(nj_crowd_charge(one, 0, 1), 1);
	/* What is owed for long is waited for in parts. */
	assert_int_equal(nj_crowd_charge(one, 0, 1000000), 5000);
	assert_int_equal(nj_crowd_count(crowd, NJ_CROWD_DEVICE, NJ_CROWD_MESSAGES), 2);
	assert_int_equal(nj_crowd_count(crowd, NJ_CROWD_DEVICE, NJ_CROWD_BYTES), 2);
	nj_crowd_leave(one);
	nj_crowd_leave(two);
	nj_crowd_leave(other);
}

static struct {
	unsigned calls;
	uint64_t times;
	char who[80];
} told;

static void tell(void *arg, enum nj_crowd_scope scope, enum nj_crowd_what what, uint64_t times, const char *who)
{
	told.calls++;
	told.times += times;
	(void)snprintf(told.who, sizeof(told.who), "%s %s %s", nj_crowd_what_name(what), nj_crowd_scope_name(scope),
		       who);
}

static void one_word_for_many(void **state)
{
	struct nj_ticket *first;

	limits.address.connections = 1;
	take_limits();
	first = enter(1, "192.0.2.1");
	for (size_t i = 0; i < 1000; i++)
		assert_null(enter(1, "192.0.2.1"));
	nj_crowd_notes(crowd, tell, NULL);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.times, 1000);
	assert_string_equal(told.who, "connections address 192.0.2.1");
	nj_crowd_notes(crowd, tell, NULL);
	assert_int_equal(told.calls, 1);
	nj_crowd_leave(first);
}

/* Who is gone is forgotten, but not before what he owes is over. */
static void sweeping(void **state)
{
	limits.address.connects = 1;
	take_limits();
	nj_crowd_leave(enter(1, "192.0.2.1"));
	nj_crowd_sweep(crowd);
	assert_null(enter(1, "192.0.2.1"));
	nj_clock_fake_advance_ms(&fake, 1000);
	nj_crowd_sweep(crowd);
	nj_crowd_leave(enter(1, "192.0.2.1"));
	for (unsigned i = 0; i < 300; i++) {
		char from[32];

		(void)snprintf(from, sizeof(from), "10.0.%u.%u", i / 250, i % 250);
		nj_crowd_leave(enter(1, from));
	}
	nj_clock_fake_advance_ms(&fake, 2000);
	nj_crowd_sweep(crowd);
	nj_crowd_sweep(crowd);
}

static void *comer(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		struct nj_crowd_verdict mine;
		struct nj_ticket *ticket = NULL;
		const uint8_t uid[16] = { 7 };
		struct nj_addr peer = { 0 };
		const struct nj_crowd_who who = {
			.uid = uid, .customer = "main", .name = "d", .device = true, .client_id = nj_view_str("")
		};

		peer.ip[15] = (uint8_t)(i % 5);
		if (nj_crowd_enter(crowd, 1, &peer, &ticket, &mine) != NJ_OK)
			continue;
		(void)!nj_crowd_admit(ticket, &who, &mine);
		(void)nj_crowd_charge(ticket, 1, 10);
		nj_crowd_leave(ticket);
	}
	return NULL;
}

static void many_threads(void **state)
{
	pthread_t threads[4];

	limits.device.messages = 100;
	limits.address.connections = 2;
	take_limits();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, comer, NULL), 0);
	for (unsigned i = 0; i < 100; i++)
		nj_crowd_sweep(crowd);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	/* Nobody is left: there is room for two again. */
	nj_crowd_leave(enter(1, "192.0.2.1"));
	nj_crowd_leave(enter(1, "192.0.2.1"));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(connections_of_an_address),
		ROW(what_an_address_is),
		ROW(connects_in_a_second),
		ROW(strangers_at_a_listener),
		ROW(connections_of_a_device),
		ROW(connections_of_a_customer),
		ROW(who_flaps_is_put_off_for_longer_each_time),
		ROW(messages_and_bytes),
		ROW(one_word_for_many),
		ROW(sweeping),
		ROW(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
