/* Continuous keys in the keeper, against the device's own state machine: every point at which the exchange may break,
 * from both sides; the alarm of cloned credentials; limits. */
#include "unit/keeper/keeper_fixture.h"

#include "keeper/internal.h"
#include "wire/rekey.h"

#define HOUR_MS (60 * 60 * 1000)
#define DAY_MS (24 * UINT64_C(60) * 60 * 1000)
#define HERE "192.0.2.1"
#define ELSEWHERE "198.51.100.9"

static struct fixture fx;
static uint8_t exporters;

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

static void pass(uint64_t ms)
{
	nj_clock_fake_advance_ms(&fx.clock, ms);
	nj_keeper_tick(fx.keeper);
}

static void restart(void)
{
	fixture_drop(&fx);
	fixture_start(&fx);
}

/* ---- a device ---- */

static struct nj_rekey_device enrol_kind(const char *verb, const char *name)
{
	struct nj_rekey_device device = { .count = 1, .keys = { { .epoch = 1 } } };
	struct device basics;
	json_t *ok = NULL;

	assert_int_equal(ask(&fx, verb, json_pack("{s:s, s:s}", "name", name, "profile", "sensor"), &ok), NJ_OK);
	device_from(&basics, ok);
	json_decref(ok);
	memcpy(device.uid, basics.uid, sizeof(device.uid));
	memcpy(device.keys[0].key, basics.root_key, sizeof(device.keys[0].key));
	return device;
}

static struct nj_rekey_device enrol(const char *name)
{
	return enrol_kind("device.add", name);
}

static void knock_with(const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt, const char *from,
		       struct knock *knock)
{
	struct device sender = {
		.body = { .version = NJ_KNOCK_VERSION, .flags = attempt->flags, .service = NJ_SERVICE_MQTTS }
	};

	memcpy(sender.uid, device->uid, sizeof(sender.uid));
	memcpy(sender.body.uid, device->uid, sizeof(sender.uid));
	nj_knock_derive(device->keys[attempt->which].key, device->uid, &sender.keys);
	knock_make(&fx, &sender, attempt->counter, from, knock);
}

/* One attempt; true when a grant came of it, and the key in it is the device's. */
static bool try_knock(struct nj_rekey_device *device, const char *from, struct nj_rekey_attempt *out_attempt)
{
	struct nj_knock_keys keys;
	struct knock knock;
	uint8_t psk[32];

	assert_int_equal(nj_rekey_device_next(device, out_attempt), NJ_OK);
	knock_with(device, out_attempt, from, &knock);
	fx.gateway.grant_count = 0;
	pass(5000); /* so that no bucket is empty */
	deliver(&fx, &knock);
	if (fx.gateway.grant_count == 0)
		return false;
	nj_knock_derive(device->keys[out_attempt->which].key, device->uid, &keys);
	nj_knock_psk(&keys, knock.bytes, psk);
	assert_memory_equal(fx.gateway.grants[0].psk, psk, sizeof(psk));
	return true;
}

/* Attempts until one is granted; returns how many. */
static unsigned knock_in(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt)
{
	for (unsigned tries = 1; tries <= 200; tries++)
		if (try_knock(device, HERE, out_attempt))
			return tries;
	fail_msg("locked out");
	return 0;
}

static uint64_t grant_id(void)
{
	return fx.gateway.grants[0].id;
}

static void bind_it(void)
{
	const struct nj_ipc_bound bound = { .grant_id = grant_id(), .peer = address(HERE), .local_port = PORT };

	nj_keeper_ack(fx.keeper, grant_id());
	nj_keeper_bound(fx.keeper, &bound);
}

static struct nj_ipc_rekey ready(void)
{
	struct nj_ipc_rekey message = { .grant_id = grant_id() };

	memset(message.value, ++exporters, sizeof(message.value));
	fx.gateway.offer = (struct nj_ipc_rekey){ 0 };
	fx.gateway.done = (struct nj_ipc_rekey){ 0 };
	nj_keeper_rekey_ready(fx.keeper, &message);
	return message;
}

static struct nj_rekey_message offer(void)
{
	assert_int_equal(fx.gateway.offer.grant_id, grant_id());
	return (struct nj_rekey_message){ .type = NJ_REKEY_OFFER, .epoch = fx.gateway.offer.epoch };
}

static void send_stored(const struct nj_rekey_message *stored)
{
	struct nj_ipc_rekey message = { .grant_id = grant_id(), .epoch = stored->epoch };

	memcpy(message.value, stored->proof, sizeof(message.value));
	nj_keeper_rekey_stored(fx.keeper, &message);
}

static struct nj_rekey_message done(void)
{
	struct nj_rekey_message message = { .type = NJ_REKEY_DONE, .epoch = fx.gateway.done.epoch };

	assert_int_equal(fx.gateway.done.grant_id, grant_id());
	memcpy(message.proof, fx.gateway.done.value, sizeof(message.proof));
	return message;
}

/* ---- sessions that break ---- */

/* X(point): everything before it has happened, nothing after. */
#define POINT_TABLE(X)                                                                  \
	X(KNOCK_LOST)                                                                   \
	X(KNOCK_BURNT)   /* the grant is lost, or the connection */                     \
	X(GATEWAY_BOUND) /* the keeper commits it, the device is cut before it knows */ \
	X(DEVICE_BOUND)  /* the device knows, its Finished is lost */                   \
	X(BOTH_BOUND)    /* the gateway cannot say that the session is ready */         \
	X(OFFERED)       /* OFFER is lost, or the device is cut before its write */     \
	X(DEVICE_STORED) /* the device is cut before it sends, or STORED is lost */     \
	X(KEEPER_STORED) /* DONE is lost, or the device is cut before its wipe */       \
	X(FINISHED)

enum point {
#define POINT_ENUM(name) name,
	POINT_TABLE(POINT_ENUM)
#undef POINT_ENUM
	    POINTS
};

static void exchange(struct nj_rekey_device *device, struct nj_rekey_attempt *attempt, enum point until)
{
	struct nj_rekey_message stored;
	struct nj_rekey_message offered;
	struct nj_rekey_message end;
	struct nj_ipc_rekey exporter = ready();

	if (fx.gateway.offer.grant_id == 0 || until == OFFERED)
		return;
	offered = offer();
	assert_int_equal(nj_rekey_device_offered(device, attempt, exporter.value, &offered, &stored), NJ_OK);
	if (until == DEVICE_STORED)
		return;
	send_stored(&stored);
	if (until == KEEPER_STORED)
		return;
	end = done();
	assert_int_equal(nj_rekey_device_done(device, &end), NJ_OK);
}

/* Returns the attempts that it took to be granted. */
static unsigned session(struct nj_rekey_device *device, enum point until)
{
	struct nj_rekey_attempt attempt;
	unsigned tries;

	pass(HOUR_MS);
	if (until == KNOCK_LOST) {
		for (unsigned i = 0; i < NJ_KNOCK_WINDOW; i++)
			assert_int_equal(nj_rekey_device_next(device, &attempt), NJ_OK);
		return 0;
	}
	tries = knock_in(device, &attempt);
	if (until == KNOCK_BURNT)
		return tries;
	if (until != DEVICE_BOUND)
		bind_it();
	if (until != GATEWAY_BOUND)
		(void)nj_rekey_device_bound(device, &attempt);
	if (until > BOTH_BOUND)
		exchange(device, &attempt, until);
	return tries;
}

enum breaking { A_MESSAGE, THE_KEEPER, THE_GATEWAY, BREAKINGS };

static void break_down(enum breaking what)
{
	if (what == THE_KEEPER)
		restart();
	if (what == THE_GATEWAY)
		nj_keeper_gateway_gone(fx.keeper);
}

static uint32_t epoch_of(const char *name)
{
	json_t *ok = NULL;
	uint32_t epoch;

	assert_int_equal(ask(&fx, "device.show", json_pack("{s:s}", "name", name), &ok), NJ_OK);
	epoch = (uint32_t)json_integer_value(json_object_get(ok, "epoch"));
	json_decref(ok);
	return epoch;
}

static void agree(const char *name, const struct nj_rekey_device *device)
{
	assert_int_equal(device->count, 1);
	assert_null(nj_spares_pending(nj_keeper_spares(fx.keeper), device->uid));
	assert_int_equal(device->keys[0].epoch, epoch_of(name));
}

/* All pairs of points, each first one with every way to break, followed by a session that runs through. */
static void every_break_ends_in_agreement(void **state)
{
	unsigned histories = 0;
	unsigned worst = 0;

	for (unsigned first = 0; first < POINTS * BREAKINGS; first++) {
		for (unsigned second = 0; second < POINTS; second++) {
			struct nj_rekey_device device;
			struct nj_rekey_device old;
			struct nj_rekey_attempt attempt;
			unsigned tries;
			char name[32];

			(void)snprintf(name, sizeof(name), "d%u-%u", first, second);
			device = enrol(name);
			old = device;
			(void)session(&device, (enum point)(first % POINTS));
			break_down((enum breaking)(first / POINTS));
			(void)session(&device, (enum point)second);
			break_down((enum breaking)((first + second) % BREAKINGS));
			tries = session(&device, FINISHED);
			worst = tries > worst ? tries : worst;
			agree(name, &device);
			/* And under the new key from now on, never under the first. */
			(void)knock_in(&device, &attempt);
			assert_int_equal(attempt.epoch, device.keys[0].epoch);
			old.counter = device.counter;
			for (unsigned i = 0; i < 2 && device.keys[0].epoch > 1; i++)
				assert_false(try_knock(&old, ELSEWHERE, &attempt));
			assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", name), NULL), NJ_OK);
			histories++;
		}
	}
	print_message("%u histories, at most %u attempts to be in again\n", histories, worst);
	assert_true(worst <= 144);
}

/* ---- the rest of the rules ---- */

static void limited_to_once_an_hour(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt;

	(void)session(&device, FINISHED);
	assert_int_equal(device.keys[0].epoch, 2);
	pass(HOUR_MS - 60000);
	(void)knock_in(&device, &attempt);
	assert_false(fx.gateway.grants[0].rekey);
	bind_it();
	(void)nj_rekey_device_bound(&device, &attempt);
	(void)ready();
	assert_int_equal(fx.gateway.offer.grant_id, 0);
	pass(60000);
	(void)knock_in(&device, &attempt);
	assert_true(fx.gateway.grants[0].rekey);
	bind_it();
	(void)nj_rekey_device_bound(&device, &attempt);
	(void)ready();
	assert_int_equal(fx.gateway.offer.epoch, 3);
	/* Once a session. */
	fx.gateway.offer.grant_id = 0;
	nj_keeper_rekey_ready(fx.keeper, &(struct nj_ipc_rekey){ .grant_id = grant_id() });
	assert_int_equal(fx.gateway.offer.grant_id, 0);
}

static void for_devices_that_can(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device application = enrol_kind("application.add", "a1");
	struct nj_rekey_attempt attempt;
	struct knock knock;

	assert_int_equal(nj_rekey_device_next(&device, &attempt), NJ_OK);
	attempt.flags = 0;
	knock_with(&device, &attempt, HERE, &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_false(fx.gateway.grants[0].rekey);
	bind_it();
	(void)ready();
	assert_int_equal(fx.gateway.offer.grant_id, 0);
	assert_true(try_knock(&application, HERE, &attempt));
	assert_false(fx.gateway.grants[0].rekey);
	assert_true(try_knock(&device, HERE, &attempt));
	assert_true(fx.gateway.grants[0].rekey);
}

static void answer_must_prove_the_key(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_message stored = { .type = NJ_REKEY_STORED, .epoch = 2 };
	struct nj_rekey_attempt attempt;

	(void)session(&device, OFFERED);
	/* Before the right one can come: the exchange is over, the pending key stays until the next binding. */
	send_stored(&stored);
	assert_int_equal(epoch_of("d1"), 1);
	assert_int_equal(fx.gateway.done.grant_id, 0);
	assert_non_null(nj_spares_pending(nj_keeper_spares(fx.keeper), device.uid));
	(void)knock_in(&device, &attempt);
	bind_it();
	assert_null(nj_spares_pending(nj_keeper_spares(fx.keeper), device.uid));
	/* Of a session that there never was. */
	nj_keeper_rekey_stored(fx.keeper, &(struct nj_ipc_rekey){ .grant_id = 12345, .epoch = 2 });
	nj_keeper_rekey_ready(fx.keeper, &(struct nj_ipc_rekey){ .grant_id = 12345 });
	assert_int_equal(epoch_of("d1"), 1);
}

static void both_keys_share_one_floor(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .which = 1, .counter = 5 };
	struct knock under_old;
	struct knock under_new;

	(void)session(&device, DEVICE_STORED);
	assert_int_equal(device.count, 2);
	attempt.counter = device.counter + 3;
	knock_with(&device, &attempt, HERE, &under_old);
	attempt.which = 0;
	knock_with(&device, &attempt, HERE, &under_new);
	fx.gateway.grant_count = 0;
	deliver(&fx, &under_new);
	assert_int_equal(fx.gateway.grant_count, 1);
	deliver(&fx, &under_old);
	deliver(&fx, &under_new);
	assert_int_equal(fx.gateway.grant_count, 1);
	/* Nor in one batch. */
	attempt.counter++;
	knock_with(&device, &attempt, HERE, &under_new);
	attempt.which = 1;
	knock_with(&device, &attempt, HERE, &under_old);
	nj_keeper_datagrams(fx.keeper, &under_old.datagram, 1);
	nj_keeper_datagrams(fx.keeper, &under_new.datagram, 1);
	pass(NJ_KEEPER_GROUP_MS);
	assert_int_equal(fx.gateway.grant_count, 2);
}

static void grants_of_the_old_key_end(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device thief = device;
	struct nj_rekey_attempt attempt;
	struct nj_rekey_attempt stolen;
	uint64_t stolen_id;
	uint64_t id;
	struct nj_ipc_rekey exporter;
	struct nj_rekey_message stored;
	struct nj_rekey_message offered;

	pass(HOUR_MS);
	(void)knock_in(&device, &attempt);
	bind_it();
	(void)nj_rekey_device_bound(&device, &attempt);
	id = grant_id();
	thief.counter = device.counter;
	assert_true(try_knock(&thief, ELSEWHERE, &stolen));
	stolen_id = grant_id();
	nj_keeper_ack(fx.keeper, stolen_id);
	assert_true(passes(&fx, ELSEWHERE, PORT));
	fx.gateway.grants[0].id = id;
	exporter = ready();
	offered = offer();
	assert_int_equal(nj_rekey_device_offered(&device, &attempt, exporter.value, &offered, &stored), NJ_OK);
	send_stored(&stored);
	assert_false(passes(&fx, ELSEWHERE, PORT));
	/* A binding that was under way changes nothing any more. */
	nj_keeper_bound(fx.keeper, &(struct nj_ipc_bound){ .grant_id = stolen_id, .peer = address(ELSEWHERE) });
	assert_int_equal(epoch_of("d1"), 2);
}

/* ---- sessions under the replaced key ---- */

/* Whoever else is in a session of this device got in with the old key: all are cut but the one that proved the new. */
static void sessions_of_the_old_key_are_cut(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt;

	(void)session(&device, BOTH_BOUND);
	assert_int_equal(fx.gateway.cuts, 0);
	(void)session(&device, FINISHED);
	assert_int_equal(fx.gateway.cuts, 1);
	assert_int_equal(fx.gateway.cut.grant_id, grant_id());
	assert_memory_equal(fx.gateway.cut.uid, device.uid, NJ_UID_BYTES);
	/* STORED is lost: the next binding proves the new key, and its session is the one that stays. */
	(void)session(&device, DEVICE_STORED);
	assert_int_equal(fx.gateway.cuts, 1);
	(void)session(&device, BOTH_BOUND);
	assert_int_equal(fx.gateway.cuts, 2);
	assert_int_equal(fx.gateway.cut.grant_id, grant_id());
	/* A session without an exchange cuts nobody, an offer that is given up neither. */
	(void)session(&device, OFFERED);
	(void)knock_in(&device, &attempt);
	bind_it();
	assert_int_equal(fx.gateway.cuts, 2);
}

static void a_cut_that_does_not_get_through_is_said_again(void **state)
{
	struct nj_rekey_device device = enrol("d1");

	(void)session(&device, DEVICE_STORED);
	fx.gateway.deaf = true;
	(void)session(&device, BOTH_BOUND);
	pass(1000);
	assert_int_equal(fx.gateway.cuts, 0);
	fx.gateway.deaf = false;
	pass(1000);
	assert_int_equal(fx.gateway.cuts, 1);
	assert_memory_equal(fx.gateway.cut.uid, device.uid, NJ_UID_BYTES);
	pass(1000);
	assert_int_equal(fx.gateway.cuts, 1);
	/* A gateway that is gone took its sessions with it. */
	(void)session(&device, DEVICE_STORED);
	fx.gateway.deaf = true;
	(void)session(&device, BOTH_BOUND);
	nj_keeper_gateway_gone(fx.keeper);
	fx.gateway.deaf = false;
	pass(1000);
	assert_int_equal(fx.gateway.cuts, 1);
}

/* ---- cloned credentials ---- */

static uint64_t cloned(void)
{
	json_t *ok = NULL;
	uint64_t count;

	assert_int_equal(ask(&fx, "status", json_object(), &ok), NJ_OK);
	count = (uint64_t)json_integer_value(json_object_get(json_object_get(ok, "keys"), "cloned"));
	json_decref(ok);
	return count;
}

static void count_item(void *arg, const json_t *item)
{
	++*(unsigned *)arg;
}

static unsigned audited(const char *event)
{
	json_t *ok = NULL;
	unsigned count = 0;
	struct nj_why why = { "" };
	json_t *args = json_pack("{s:s, s:i}", "event", event, "count", 1000);

	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, fx.keeper, "audit.tail", args,
					   count_item, &count, &ok, &why),
			 NJ_OK);
	json_decref(args);
	json_decref(ok);
	return count;
}

/* The device rekeys, then somebody knocks with what he copied before. */
static void device_before_thief(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device thief = device;
	struct nj_rekey_attempt attempt;
	unsigned hits = 0;

	(void)session(&device, FINISHED);
	for (unsigned i = 0; i < 40; i++)
		assert_false(try_knock(&thief, ELSEWHERE, &attempt));
	assert_true(audited("key.cloned") > 0);
	assert_int_equal(audited("key.old"), 0);
	assert_int_equal(cloned(), 1);
	/* The device itself is not hindered, and the alarm stays on it. */
	assert_true(try_knock(&device, HERE, &attempt));
	restart();
	assert_int_equal(cloned(), 1);
	hits = audited("key.cloned");
	/* The tombstone outlives a restart; what has been told of is not told again. */
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 1);
	assert_int_equal(audited("key.cloned"), hits);
}

/* The thief comes first, rekeys in the device's place, and the device's own knock raises the alarm. */
static void thief_before_device(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device thief = device;
	struct nj_rekey_attempt attempt;

	(void)session(&thief, FINISHED);
	assert_int_equal(thief.keys[0].epoch, 2);
	assert_int_equal(cloned(), 0);
	for (unsigned i = 0; i < 17; i++)
		assert_false(try_knock(&device, HERE, &attempt));
	assert_int_equal(cloned(), 1);
	assert_true(audited("key.cloned") > 0);
}

/* A device whose DONE was lost tries its old key once more: a note, until it was bound under the new one. */
static void its_own_device_is_no_thief(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .which = 1, .flags = 3 };
	struct knock knock;

	(void)session(&device, KEEPER_STORED);
	assert_int_equal(device.count, 2);
	attempt.counter = device.counter + 1;
	knock_with(&device, &attempt, HERE, &knock);
	fx.gateway.grant_count = 0;
	deliver(&fx, &knock);
	deliver(&fx, &knock); /* again: not told twice */
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(audited("key.old"), 1);
	assert_int_equal(cloned(), 0);
	attempt.counter++;
	knock_with(&device, &attempt, ELSEWHERE, &knock);
	(void)session(&device, BOTH_BOUND);
	assert_int_equal(device.count, 1);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(audited("key.cloned"), 1);
	assert_int_equal(cloned(), 1);
}

static void replay_under_the_old_key(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .counter = 9, .flags = 1 };
	struct knock first;
	struct knock ahead;

	attempt.counter = 1;
	knock_with(&device, &attempt, HERE, &first);
	attempt.counter = 9;
	knock_with(&device, &attempt, HERE, &ahead);
	(void)session(&device, FINISHED);
	fx.gateway.grant_count = 0;
	deliver(&fx, &first);
	deliver(&fx, &ahead);
	assert_int_equal(fx.gateway.grant_count, 0);
	restart();
	deliver(&fx, &first);
	deliver(&fx, &ahead);
	assert_int_equal(fx.gateway.grant_count, 0);
	/* The one that never came before is a knock under a replaced key; the other is unknown. */
	assert_int_equal(audited("key.cloned"), 1);
}

static void alarms_are_limited(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device thief = device;
	struct nj_rekey_attempt attempt = { .flags = 1 };
	struct knock knock;

	(void)session(&device, FINISHED);
	for (unsigned i = 1; i <= 100; i++) {
		attempt.counter = device.counter + i;
		knock_with(&thief, &attempt, ELSEWHERE, &knock);
		deliver(&fx, &knock);
	}
	assert_true(audited("key.cloned") <= 9);
	fx.gateway.grant_count = 0;
	assert_true(try_knock(&device, HERE, &attempt));
}

static void tombstones_last_90_days(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device thief = device;
	struct nj_rekey_attempt attempt = { .flags = 1 };
	struct knock knock;

	(void)session(&device, FINISHED);
	pass(90 * DAY_MS - 2 * HOUR_MS);
	pass(HOUR_MS);
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 1);
	attempt.counter = device.counter + 1;
	knock_with(&thief, &attempt, ELSEWHERE, &knock);
	deliver(&fx, &knock);
	assert_int_equal(audited("key.cloned"), 1);
	pass(HOUR_MS + 1000);
	pass(HOUR_MS);
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 0);
	restart();
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 0);
	assert_true(try_knock(&device, HERE, &attempt));
}

/* The newest lie in memory, the others in the store. */
static void few_tombstones_lie_in_memory(void **state)
{
	struct nj_rekey_device device = enrol("d1");

	for (unsigned i = 1; i <= NJ_GRAVES_RESIDENT + 1; i++) {
		(void)session(&device, FINISHED);
		assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)),
				 i < NJ_GRAVES_RESIDENT ? i : NJ_GRAVES_RESIDENT);
		assert_int_equal(fx.keeper->graves.count, i);
	}
	restart();
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), NJ_GRAVES_RESIDENT);
	assert_int_equal(fx.keeper->graves.count, NJ_GRAVES_RESIDENT + 1);
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "d1"), NULL), NJ_OK);
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 0);
	restart();
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 0);
	assert_int_equal(fx.keeper->graves.count, 0);
}

static void recovery_key_is_made_and_sealed(void **state)
{
	json_t *ok = NULL;
	const char *key;
	const char *recovery;

	assert_int_equal(ask(&fx, "device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "sensor"), &ok),
			 NJ_OK);
	key = json_string_value(json_object_get(ok, "key"));
	recovery = json_string_value(json_object_get(ok, "recovery"));
	assert_int_equal(strlen(recovery), 64);
	assert_string_not_equal(key, recovery);
	json_decref(ok);
}

/* Everything that is sealed for a device follows the vault to its new key. */
static void a_new_vault_key_keeps_them_all(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_vault_rekeyed rekeyed;
	struct nj_why why = { "" };

	(void)session(&device, FINISHED);
	(void)session(&device, DEVICE_STORED);
	assert_int_equal(nj_keeper_begin(fx.keeper), NJ_OK);
	if (nj_vault_rekey(fx.keeper->vault, fx.key_file, NULL, &rekeyed, &why) != NJ_OK)
		fail_msg("%s", why.text);
	assert_int_equal(nj_audit_rekeyed(fx.keeper->audit, fx.keeper->vault), NJ_OK);
	assert_int_equal(
	    nj_audit_append(fx.keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_REKEYED }), NJ_OK);
	assert_int_equal(nj_keeper_end(fx.keeper, NJ_OK), NJ_OK);
	assert_int_equal(nj_vault_rekey_finish(fx.key_file, &why), NJ_OK);
	restart();
	assert_int_equal(fx.keeper->rekeying.damaged, 0);
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 2);
	(void)session(&device, FINISHED);
	agree("d1", &device);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(every_break_ends_in_agreement),
		ROW(limited_to_once_an_hour),
		ROW(for_devices_that_can),
		ROW(answer_must_prove_the_key),
		ROW(both_keys_share_one_floor),
		ROW(grants_of_the_old_key_end),
		ROW(sessions_of_the_old_key_are_cut),
		ROW(a_cut_that_does_not_get_through_is_said_again),
		ROW(device_before_thief),
		ROW(thief_before_device),
		ROW(its_own_device_is_no_thief),
		ROW(replay_under_the_old_key),
		ROW(alarms_are_limited),
		ROW(tombstones_last_90_days),
		ROW(few_tombstones_lie_in_memory),
		ROW(recovery_key_is_made_and_sealed),
		ROW(a_new_vault_key_keeps_them_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
