/* The operator's window and the exchange in it, in the keeper, against the device's own state machine: who is let in
 * and what opens, every point at which the exchange may break, from both sides; what the running keeper can read. */
#include "unit/keeper/keeper_fixture.h"

#include <sqlite3.h>

#include "identity/vault_device.h"
#include "identity/vault_recovery.h"
#include "keeper/internal.h"
#include "store/keeper_vault.h"
#include "wire/recover.h"

#define ENROLMENT 8844
#define HERE "192.0.2.1"
#define MINUTE_MS (60 * 1000)
#define FAR_ON 5000 /* counters that the device has used since the backup */

static struct fixture fx;

static void pass(uint64_t ms)
{
	nj_clock_fake_advance_ms(&fx.clock, ms);
	nj_keeper_tick(fx.keeper);
}

static void put_back(bool strict)
{
	struct nj_keeper_store *store = NULL;
	char at[32];

	fixture_drop(&fx);
	assert_int_equal(nj_keeper_store_open(fx.store, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_mark(store, 256), NJ_OK);
	(void)snprintf(at, sizeof(at), "%llu", (unsigned long long)nj_clock_wall_ms(&fx.clock.clock));
	assert_int_equal(nj_keeper_store_meta_put(store, "restored.at_ms", at), NJ_OK);
	if (strict)
		assert_int_equal(nj_keeper_store_meta_put(store, "restored.strict", "yes"), NJ_OK);
	nj_keeper_store_close(store);
	fixture_start(&fx);
}

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

/* ---- the window ---- */

static enum nj_err open_with(const char *printed, const char *device, bool all, unsigned minutes)
{
	uint8_t private_key[NJ_KEY_BYTES];
	char hex[NJ_KEY_BYTES * 2 + 1];
	json_t *args;

	assert_int_equal(nj_recovery_private(nj_view_str(printed), private_key), NJ_OK);
	nj_hex_encode(private_key, sizeof(private_key), hex);
	args = json_pack("{s:s, s:b, s:i}", "private", hex, "all", (int)all, "minutes", (int)minutes);
	if (device != NULL)
		json_object_set_new(args, "device", json_string(device));
	return ask(&fx, "recovery.open", args, NULL);
}

static void open_all(void)
{
	assert_int_equal(open_with(fx.recovery, NULL, true, 0), NJ_OK);
	for (unsigned i = 0; i < 1000 && nj_keeper_recovery_busy(fx.keeper); i++)
		pass(1);
}

static json_int_t window(const char *key)
{
	json_t *ok = NULL;
	json_int_t value;

	assert_int_equal(ask(&fx, "recovery.status", json_object(), &ok), NJ_OK);
	value = json_is_boolean(json_object_get(ok, key)) ? json_is_true(json_object_get(ok, key))
							  : json_integer_value(json_object_get(ok, key));
	json_decref(ok);
	return value;
}

static void count_item(void *arg, const json_t *item)
{
	++*(unsigned *)arg;
}

static unsigned audited(const char *event)
{
	struct nj_why why = { "" };
	unsigned count = 0;
	json_t *args = json_pack("{s:s, s:i}", "event", event, "count", 1000);

	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, fx.keeper, "audit.tail", args,
					   count_item, &count, NULL, &why),
			 NJ_OK);
	json_decref(args);
	return count;
}

/* ---- a device ---- */

/* One that has changed its key and gone on far since the backup. */
static struct nj_rekey_device enrol(const char *name)
{
	struct nj_rekey_device device = { .count = 1, .counter = FAR_ON, .keys = { { .epoch = 3 } } };
	struct device basics;
	json_t *ok = NULL;

	assert_int_equal(ask(&fx, "device.add", json_pack("{s:s, s:s}", "name", name, "profile", "sensor"), &ok),
			 NJ_OK);
	device_from(&basics, ok);
	memcpy(device.uid, basics.uid, sizeof(device.uid));
	memcpy(device.keys[0].key, basics.root_key, sizeof(device.keys[0].key));
	device.keys[0].key[0] ^= 1;
	device.recovery.held = true;
	assert_int_equal(nj_hex_decode(nj_view_str(json_string_value(json_object_get(ok, "recovery"))),
				       device.recovery.key, sizeof(device.recovery.key)),
			 NJ_OK);
	json_decref(ok);
	return device;
}

static void knock_with(const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt, uint16_t service,
		       struct knock *knock)
{
	struct device sender = { .body = { .version = NJ_KNOCK_VERSION, .flags = attempt->flags, .service = service } };

	memcpy(sender.uid, device->uid, sizeof(sender.uid));
	memcpy(sender.body.uid, device->uid, sizeof(sender.uid));
	nj_knock_derive(nj_rekey_device_key(device, attempt), device->uid, &sender.keys);
	knock_make(&fx, &sender, attempt->counter, HERE, knock);
}

static uint16_t service_of(const struct nj_rekey_attempt *attempt)
{
	return attempt->recovery ? NJ_SERVICE_ENROLMENT : NJ_SERVICE_MQTTS;
}

/* One attempt; true when a grant came of it. */
static bool try_knock(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt)
{
	struct nj_knock_keys keys;
	struct knock knock;
	uint8_t psk[32];

	assert_int_equal(nj_recover_device_next(device, out_attempt), NJ_OK);
	knock_with(device, out_attempt, service_of(out_attempt), &knock);
	fx.gateway.grant_count = 0;
	pass(5000);
	deliver(&fx, &knock);
	if (fx.gateway.grant_count == 0)
		return false;
	assert_int_equal(fx.gateway.grants[0].service, service_of(out_attempt));
	nj_knock_derive(nj_rekey_device_key(device, out_attempt), device->uid, &keys);
	nj_knock_psk(&keys, knock.bytes, psk);
	assert_memory_equal(fx.gateway.grants[0].psk, psk, sizeof(psk));
	return true;
}

static bool knock_in(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt, unsigned most)
{
	for (unsigned tries = 0; tries < most; tries++)
		if (try_knock(device, out_attempt))
			return true;
	return false;
}

static uint64_t grant_id(void)
{
	return fx.gateway.grants[0].id;
}

static void bind_it(uint16_t port)
{
	const struct nj_ipc_bound bound = { .grant_id = grant_id(), .peer = address(HERE), .local_port = port };

	nj_keeper_ack(fx.keeper, grant_id());
	assert_true(passes(&fx, HERE, port));
	nj_keeper_bound(fx.keeper, &bound);
}

static bool offered(struct nj_recover_message *out_offer)
{
	const struct nj_ipc_rekey ready = { .grant_id = grant_id() };

	fx.gateway.offer = (struct nj_ipc_rekey){ 0 };
	fx.gateway.done = (struct nj_ipc_rekey){ 0 };
	nj_keeper_rekey_ready(fx.keeper, &ready);
	if (fx.gateway.offer.grant_id != grant_id())
		return false;
	*out_offer = (struct nj_recover_message){ .type = NJ_RECOVER_OFFER,
						  .epoch = fx.gateway.offer.epoch,
						  .floor = fx.gateway.offer.floor };
	memcpy(out_offer->nonce, fx.gateway.offer.value, sizeof(out_offer->nonce));
	return true;
}

static void send_stored(const struct nj_recover_message *stored)
{
	struct nj_ipc_rekey message = { .grant_id = grant_id(), .epoch = stored->epoch };

	memcpy(message.value, stored->proof, sizeof(message.value));
	nj_keeper_rekey_stored(fx.keeper, &message);
}

static struct nj_recover_message done(void)
{
	struct nj_recover_message message = { .type = NJ_RECOVER_DONE, .epoch = fx.gateway.done.epoch };

	assert_int_equal(fx.gateway.done.grant_id, grant_id());
	memcpy(message.proof, fx.gateway.done.value, sizeof(message.proof));
	return message;
}

/* ---- sessions that break ---- */

/* Everything before a point has happened, nothing after. */
enum point {
	KNOCK_LOST,
	KNOCK_BURNT,   /* the grant is lost, or the connection */
	GATEWAY_BOUND, /* the device is cut before it knows */
	DEVICE_BOUND,  /* its Finished is lost */
	BOTH_BOUND,    /* the gateway cannot say that the session is ready */
	OFFERED,       /* OFFER is lost, or the device is cut before its write */
	DEVICE_STORED, /* it is cut before it sends, or STORED is lost */
	KEEPER_STORED, /* DONE is lost, or the device is cut before its wipe */
	FINISHED,
	POINTS
};

static void exchange(struct nj_rekey_device *device, struct nj_rekey_attempt *attempt, enum point until)
{
	struct nj_recover_message offer;
	struct nj_recover_message stored;
	struct nj_recover_message end;

	if (!offered(&offer) || until == OFFERED)
		return;
	assert_int_equal(nj_recover_device_offered(device, attempt, &offer, &stored), NJ_OK);
	if (until == DEVICE_STORED)
		return;
	send_stored(&stored);
	if (until == KEEPER_STORED)
		return;
	end = done();
	assert_int_equal(nj_recover_device_done(device, &end), NJ_OK);
}

/* Sessions under root keys end with their binding here: the rekey in them is test_rekey.c's. */
static bool session(struct nj_rekey_device *device, enum point until)
{
	struct nj_rekey_attempt attempt = { .which = 0 };

	if (until == KNOCK_LOST) {
		assert_int_equal(nj_recover_device_next(device, &attempt), NJ_OK);
		return false;
	}
	if (!knock_in(device, &attempt, 100))
		fail_msg("locked out");
	if (until == KNOCK_BURNT)
		return attempt.recovery;
	if (until != DEVICE_BOUND)
		bind_it(attempt.recovery ? ENROLMENT : PORT);
	if (until != GATEWAY_BOUND)
		(void)nj_rekey_device_bound(device, &attempt);
	if (until > BOTH_BOUND && attempt.recovery)
		exchange(device, &attempt, until);
	return attempt.recovery;
}

enum breaking { A_MESSAGE, THE_KEEPER, THE_GATEWAY, BREAKINGS };

static void break_down(enum breaking what)
{
	if (what == THE_KEEPER) {
		fixture_drop(&fx);
		fixture_start(&fx);
		open_all(); /* the operator, again */
	}
	if (what == THE_GATEWAY)
		nj_keeper_gateway_gone(fx.keeper);
}

static void agree(const struct nj_rekey_device *device)
{
	struct nj_keeper_device row;
	uint8_t key[NJ_KEY_BYTES];

	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(fx.keeper->store, device->uid, &row), NJ_OK);
	assert_int_equal(row.sealed_pending_len, 0);
	assert_int_equal(row.sealed_offer_len, 0);
	assert_int_equal(device->count, 1);
	assert_int_equal(device->keys[0].epoch, row.epoch);
	assert_int_equal(nj_vault_open_root_key(fx.keeper->vault, row.uid, row.epoch,
						nj_view_of(row.sealed_key, row.sealed_key_len), key),
			 NJ_OK);
	assert_memory_equal(key, device->keys[0].key, sizeof(key));
	assert_true(device->counter <= row.floor);
}

static void every_break_ends_in_agreement(void **state)
{
	unsigned histories = 0;

	for (unsigned first = 0; first < POINTS * BREAKINGS; first++) {
		for (unsigned second = 0; second < POINTS; second++) {
			struct nj_rekey_device device;
			unsigned sessions = 0;
			char name[32];

			(void)snprintf(name, sizeof(name), "d%u-%u", first, second);
			device = enrol(name);
			open_all();
			(void)session(&device, (enum point)(first % POINTS));
			break_down((enum breaking)(first / POINTS));
			(void)session(&device, (enum point)second);
			break_down((enum breaking)((first + second) % BREAKINGS));
			/* A recovery where one is needed still, then a session under the new key. */
			while (session(&device, FINISHED))
				assert_true(++sessions < 3);
			agree(&device);
			assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", name), NULL), NJ_OK);
			histories++;
		}
	}
	print_message("%u histories\n", histories);
}

/* ---- who is let in, and where ---- */

static void shut_unless_opened(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt;

	assert_int_equal(window("open"), 0);
	assert_false(knock_in(&device, &attempt, 64));
	/* Not even known: junk costs what junk costs. */
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, 0);
	open_all();
	assert_int_equal(window("waiting"), 1);
	assert_true(session(&device, FINISHED));
	assert_int_equal(audited("key.recovered"), 1);
	assert_int_equal(window("recovered"), 1);
	assert_int_equal(window("waiting"), 0);
	assert_false(session(&device, FINISHED));
	agree(&device);
}

static void it_opens_enrolment_alone_and_nothing_else_does(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .recovery = true, .counter = 1 };
	struct device ordinary;
	struct knock knock;

	add_device(&fx, "d2", "sensor", &ordinary);
	open_all();
	fx.gateway.grant_count = 0;
	for (uint16_t service = 1; service < NJ_SERVICE_END; service++) {
		if (service == NJ_SERVICE_ENROLMENT)
			continue;
		attempt.counter = service;
		knock_with(&device, &attempt, service, &knock);
		pass(5000);
		deliver(&fx, &knock);
	}
	attempt.counter++;
	knock_with(&device, &attempt, 0x8123, &knock); /* a guard */
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, NJ_SERVICE_END - 1);
	/* A root key, though its profile be given that service. */
	assert_int_equal(ask(&fx, "profile.set",
			     json_pack("{s:s, s:[s, s], s:[s]}", "name", "sensor", "services", "mqtts", "enrolment",
				       "publish", "dev/{device}/#"),
			     NULL),
			 NJ_OK);
	ordinary.body.service = NJ_SERVICE_ENROLMENT;
	deliver_new(&fx, &ordinary, 1, HERE);
	assert_int_equal(fx.gateway.grant_count, 0);
	ordinary.body.service = NJ_SERVICE_MQTTS;
	deliver_new(&fx, &ordinary, 2, HERE);
	assert_int_equal(fx.gateway.grant_count, 1);
}

static void a_replay_opens_nothing(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .recovery = true, .counter = 3 };
	struct knock knock;

	open_all();
	fx.gateway.grant_count = 0;
	knock_with(&device, &attempt, NJ_SERVICE_ENROLMENT, &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	deliver(&fx, &knock);
	/* Nor after the keeper's end, nor in the next window. */
	break_down(THE_KEEPER);
	deliver(&fx, &knock);
	assert_int_equal(ask(&fx, "recovery.close", json_object(), NULL), NJ_OK);
	open_all();
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
}

static void the_window_is_for_whom_it_says(void **state)
{
	struct nj_rekey_device first = enrol("d1");
	struct nj_rekey_device second = enrol("d2");
	struct nj_rekey_attempt attempt;

	assert_int_equal(open_with(fx.recovery, NULL, false, 0), NJ_ERR_NOT_FOUND); /* no restore */
	assert_int_equal(open_with(fx.recovery, "nobody", false, 0), NJ_ERR_NOT_FOUND);
	assert_int_equal(open_with(fx.recovery, "d2", false, 0), NJ_OK);
	assert_int_equal(window("waiting"), 1);
	assert_false(knock_in(&first, &attempt, 64));
	assert_true(session(&second, FINISHED));
	/* After a restore: who is missed. */
	put_back(false);
	assert_int_equal(open_with(fx.recovery, NULL, false, 0), NJ_OK);
	while (nj_keeper_recovery_busy(fx.keeper))
		pass(1);
	assert_int_equal(window("waiting"), 2);
	assert_int_equal(ask(&fx, "device.revoke", json_pack("{s:s}", "name", "d2"), NULL), NJ_OK);
	assert_int_equal(window("waiting"), 1);
	assert_true(session(&first, FINISHED));
	assert_int_equal(window("waiting"), 0);
}

static void many_are_let_in_by_and_by(void **state)
{
	json_t *names = json_array();
	unsigned ticks = 0;

	for (unsigned i = 0; i < 100; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "d%u", i);
		json_array_append_new(names, json_string(name));
	}
	assert_int_equal(ask(&fx, "device.import", json_pack("{s:o, s:s}", "names", names, "profile", "sensor"), NULL),
			 NJ_OK);
	assert_int_equal(open_with(fx.recovery, NULL, true, 0), NJ_OK);
	assert_int_equal(nj_keeper_wait_ms(fx.keeper), 1);
	for (; nj_keeper_recovery_busy(fx.keeper); ticks++)
		pass(1);
	assert_int_equal(window("waiting"), 100);
	assert_in_range(ticks, 4, 5);
	assert_int_equal(ask(&fx, "recovery.close", json_object(), NULL), NJ_OK);
	assert_int_equal(nj_spares_count(nj_keeper_spares(fx.keeper)), 0);
}

/* ---- its end ---- */

static void it_ends_by_itself(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt = { .recovery = true, .counter = 1 };
	struct knock knock;

	assert_int_equal(open_with(fx.recovery, "d1", false, 43201), NJ_ERR_USAGE);
	assert_int_equal(open_with(fx.recovery, "d1", false, 5), NJ_OK);
	pass(5 * MINUTE_MS - 100);
	assert_int_equal(window("open"), 1);
	knock_with(&device, &attempt, NJ_SERVICE_ENROLMENT, &knock);
	fx.gateway.grant_count = 0;
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	nj_keeper_ack(fx.keeper, grant_id());
	assert_true(passes(&fx, HERE, ENROLMENT));
	pass(100);
	assert_int_equal(window("open"), 0);
	assert_null(fx.keeper->recovery.private_key);
	assert_false(passes(&fx, HERE, ENROLMENT));
	attempt.counter = 2;
	knock_with(&device, &attempt, NJ_SERVICE_ENROLMENT, &knock);
	deliver(&fx, &knock);
	assert_int_equal(fx.gateway.grant_count, 1);
	assert_int_equal(audited("recovery.opened"), 1);
	assert_int_equal(audited("recovery.shut"), 1);
}

static void a_session_of_a_shut_window_is_offered_nothing(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt;
	struct nj_recover_message offer;

	open_all();
	assert_true(knock_in(&device, &attempt, 64));
	bind_it(ENROLMENT);
	assert_int_equal(ask(&fx, "recovery.close", json_object(), NULL), NJ_OK);
	assert_false(offered(&offer));
}

/* What was offered before may be answered: the key is in the store then, and the recovery key needed no more. */
static void an_answer_may_come_after_its_end(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_attempt attempt;
	struct nj_recover_message offer;
	struct nj_recover_message stored;
	struct nj_recover_message end;

	open_all();
	assert_true(knock_in(&device, &attempt, 64));
	bind_it(ENROLMENT);
	(void)nj_rekey_device_bound(&device, &attempt);
	assert_true(offered(&offer));
	assert_int_equal(ask(&fx, "recovery.close", json_object(), NULL), NJ_OK);
	assert_int_equal(nj_recover_device_offered(&device, &attempt, &offer, &stored), NJ_OK);
	send_stored(&stored);
	end = done();
	assert_int_equal(nj_recover_device_done(&device, &end), NJ_OK);
	assert_false(session(&device, FINISHED));
	agree(&device);
}

static void it_ends_with_the_keeper(void **state)
{
	(void)enrol("d1");
	open_all();
	fixture_drop(&fx);
	fixture_start(&fx);
	assert_int_equal(window("open"), 0);
	assert_int_equal(audited("recovery.shut"), 1);
	fixture_drop(&fx);
	fixture_start(&fx);
	assert_int_equal(audited("recovery.shut"), 1);
	open_all();
	assert_int_equal(nj_keeper_stop(fx.keeper), NJ_OK);
	fixture_drop(&fx);
	fixture_start(&fx);
	assert_int_equal(audited("recovery.shut"), 2);
}

/* ---- keys ---- */

static void only_the_printed_key_opens_it(void **state)
{
	char other[NJ_RECOVERY_TEXT_BYTES];
	uint8_t key[NJ_KEY_BYTES] = { 9 };

	(void)enrol("d1");
	nj_recovery_format(key, other);
	assert_int_equal(open_with(other, NULL, true, 0), NJ_ERR_FORGED);
	assert_int_equal(window("open"), 0);
	assert_int_equal(audited("recovery.refused"), 1);
	assert_int_equal(ask(&fx, "recovery.open", json_pack("{s:s}", "private", "00"), NULL), NJ_ERR_USAGE);
}

/* What the vault alone opens of a device's row is not its recovery key. */
static void the_keeper_cannot_read_it(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_keeper_device row;
	uint8_t private_key[NJ_KEY_BYTES] = { 1 };
	uint8_t key[NJ_KEY_BYTES];

	assert_int_equal(nj_keeper_store_device_get(fx.keeper->store, device.uid, &row), NJ_OK);
	assert_int_equal(row.sealed_recovery_len, NJ_RECOVERY_SEALED_BYTES);
	assert_int_equal(nj_vault_recovery_open(fx.keeper->vault, private_key, row.uid,
						nj_view_of(row.sealed_recovery, row.sealed_recovery_len), key),
			 NJ_ERR_STATE);
	assert_int_equal(nj_recovery_private(nj_view_str(fx.recovery), private_key), NJ_OK);
	assert_int_equal(nj_vault_recovery_open(fx.keeper->vault, private_key, row.uid,
						nj_view_of(row.sealed_recovery, row.sealed_recovery_len), key),
			 NJ_OK);
	assert_memory_equal(key, device.recovery.key, sizeof(key));
	/* Another device's place, and every bit of it. */
	row.uid[0] ^= 1;
	assert_int_equal(nj_vault_recovery_open(fx.keeper->vault, private_key, row.uid,
						nj_view_of(row.sealed_recovery, row.sealed_recovery_len), key),
			 NJ_ERR_FORGED);
	row.uid[0] ^= 1;
	for (size_t bit = 0; bit < NJ_RECOVERY_SEALED_BYTES * 8; bit++) {
		row.sealed_recovery[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(nj_vault_recovery_open(fx.keeper->vault, private_key, row.uid,
							nj_view_of(row.sealed_recovery, row.sealed_recovery_len), key),
				 NJ_ERR_FORGED);
		row.sealed_recovery[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void rekey_vault(const char *old_printed, struct nj_vault_rekeyed *out_rekeyed)
{
	uint8_t private_key[NJ_KEY_BYTES];
	struct nj_why why = { "" };

	if (old_printed != NULL)
		assert_int_equal(nj_recovery_private(nj_view_str(old_printed), private_key), NJ_OK);
	assert_int_equal(nj_keeper_begin(fx.keeper), NJ_OK);
	if (nj_vault_rekey(fx.keeper->vault, fx.key_file, old_printed != NULL ? private_key : NULL, out_rekeyed,
			   &why) != NJ_OK)
		fail_msg("%s", why.text);
	assert_int_equal(nj_audit_rekeyed(fx.keeper->audit, fx.keeper->vault), NJ_OK);
	assert_int_equal(
	    nj_audit_append(fx.keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_VAULT_REKEYED }), NJ_OK);
	assert_int_equal(nj_keeper_end(fx.keeper, NJ_OK), NJ_OK);
	assert_int_equal(nj_vault_rekey_finish(fx.key_file, &why), NJ_OK);
	fixture_drop(&fx);
	fixture_start(&fx);
}

static void a_new_vault_key_leaves_them_to_the_old_printed_key(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_rekey_device later;
	struct nj_vault_rekeyed rekeyed;

	/* In the midst of a recovery, whose offer goes on as it was. */
	open_all();
	(void)session(&device, OFFERED);
	while (device.recovery.attempt == 0 && fx.gateway.offer.grant_id == 0)
		(void)session(&device, OFFERED);
	rekey_vault(NULL, &rekeyed);
	assert_int_equal(rekeyed.recovery_left, 1);
	later = enrol("d2");
	/* Each printed key lets its own in. */
	assert_int_equal(open_with(rekeyed.recovery, NULL, true, 0), NJ_OK);
	while (nj_keeper_recovery_busy(fx.keeper))
		pass(1);
	assert_int_equal(window("waiting"), 1);
	assert_int_equal(window("left_out"), 1);
	assert_true(session(&later, FINISHED));
	open_all();
	assert_int_equal(window("waiting"), 1);
	assert_true(session(&device, FINISHED));
	assert_false(session(&device, FINISHED));
	agree(&device);
}

static void a_new_vault_key_takes_them_along(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_vault_rekeyed rekeyed;

	rekey_vault(fx.recovery, &rekeyed);
	assert_int_equal(rekeyed.recovery_left, 0);
	/* Nothing is left for the old one. */
	assert_int_equal(open_with(fx.recovery, NULL, true, 0), NJ_ERR_FORGED);
	assert_int_equal(open_with(rekeyed.recovery, NULL, true, 0), NJ_OK);
	while (nj_keeper_recovery_busy(fx.keeper))
		pass(1);
	assert_int_equal(window("waiting"), 1);
	assert_true(session(&device, FINISHED));
}

static void many_new_vault_keys_have_their_limit(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_vault_rekeyed rekeyed;
	struct nj_why why = { "" };

	for (unsigned i = 1; i < NJ_RECOVERY_PAIRS_MAX; i++) {
		rekey_vault(NULL, &rekeyed);
		assert_int_equal(rekeyed.recovery_left, 1);
	}
	assert_int_equal(nj_keeper_begin(fx.keeper), NJ_OK);
	assert_int_equal(nj_vault_rekey(fx.keeper->vault, fx.key_file, NULL, &rekeyed, &why), NJ_ERR_LIMIT);
	assert_int_equal(nj_keeper_end(fx.keeper, NJ_ERR_LIMIT), NJ_ERR_LIMIT);
	fixture_drop(&fx);
	fixture_start(&fx);
	/* The first printed key lets the device in all the same, and then takes it along. */
	open_all();
	assert_int_equal(window("waiting"), 1);
	rekey_vault(fx.recovery, &rekeyed);
	assert_int_equal(rekeyed.recovery_left, 0);
	memcpy(fx.recovery, rekeyed.recovery, sizeof(fx.recovery));
	open_all();
	assert_true(session(&device, FINISHED));
}

static void forget_pairs(void)
{
	sqlite3 *sql = NULL;

	fixture_drop(&fx);
	assert_int_equal(sqlite3_open(fx.store, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "DELETE FROM records WHERE id = 'recovery.pairs'", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(sql);
	fixture_start(&fx);
}

/* A vault of before there were pairs: its recovery keys lie under its key alone. A rekey makes boxes of them. */
static void an_older_vault_is_made_ready(void **state)
{
	struct nj_rekey_device device = enrol("d1");
	struct nj_keeper_device row;
	struct nj_vault_rekeyed rekeyed;

	assert_int_equal(nj_keeper_store_device_get(fx.keeper->store, device.uid, &row), NJ_OK);
	nj_vault_seal_of(fx.keeper->vault, NJ_VAULT_RECOVERY, row.uid, 1,
			 nj_view_of(device.recovery.key, sizeof(device.recovery.key)), row.sealed_recovery);
	row.sealed_recovery_len = NJ_KEY_BYTES + NJ_VAULT_OVERHEAD;
	assert_int_equal(nj_keeper_store_device_reseal(fx.keeper->store, &row), NJ_OK);
	forget_pairs();
	assert_int_equal(open_with(fx.recovery, NULL, true, 0), NJ_ERR_STATE);
	rekey_vault(NULL, &rekeyed);
	assert_int_equal(rekeyed.recovery_left, 0);
	memcpy(fx.recovery, rekeyed.recovery, sizeof(fx.recovery));
	open_all();
	assert_true(session(&device, FINISHED));
}

/* ---- after a strict restore ---- */

static void a_doubtful_knock_opens_nothing(void **state)
{
	struct nj_rekey_device moved_on = enrol("d1");
	struct device still;
	struct device clocked;

	add_device(&fx, "d2", "sensor", &still);
	add_device(&fx, "d3", "sensor", &clocked);
	put_back(true);
	fx.gateway.grant_count = 0;
	deliver_new(&fx, &still, 257, HERE);
	assert_int_equal(fx.gateway.grant_count, 0);
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, 1);
	/* A time proves what a counter cannot. */
	clocked.body.time_ms = nj_clock_wall_ms(&fx.clock.clock);
	deliver_new(&fx, &clocked, 257, HERE);
	assert_int_equal(fx.gateway.grant_count, 1);
	bind_it(PORT);
	clocked.body.time_ms = 0;
	deliver_new(&fx, &clocked, 258, HERE);
	assert_int_equal(fx.gateway.grant_count, 2);
	/* Who has no clock comes in by its recovery key, and with its new key is doubted no more. */
	open_all();
	assert_true(session(&moved_on, FINISHED));
	assert_false(session(&moved_on, FINISHED));
	agree(&moved_on);
	deliver_new(&fx, &still, 258, HERE);
	assert_int_equal(nj_keeper_counters(fx.keeper)->refused, 2);
}

/* The window shut, and STORED lost: the new key is the recovery's, and newer than the restore. */
static void a_key_of_a_recovery_is_not_doubted(void **state)
{
	struct nj_rekey_device device = enrol("d1");

	open_all();
	(void)session(&device, DEVICE_STORED);
	/* Of before the restore it proves nothing: then the device is recovered once more. */
	put_back(true);
	open_all();
	assert_true(session(&device, DEVICE_STORED));
	assert_int_equal(ask(&fx, "recovery.close", json_object(), NULL), NJ_OK);
	assert_false(session(&device, FINISHED));
	agree(&device);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(every_break_ends_in_agreement),
		ROW(shut_unless_opened),
		ROW(it_opens_enrolment_alone_and_nothing_else_does),
		ROW(a_replay_opens_nothing),
		ROW(the_window_is_for_whom_it_says),
		ROW(many_are_let_in_by_and_by),
		ROW(it_ends_by_itself),
		ROW(a_session_of_a_shut_window_is_offered_nothing),
		ROW(an_answer_may_come_after_its_end),
		ROW(it_ends_with_the_keeper),
		ROW(only_the_printed_key_opens_it),
		ROW(the_keeper_cannot_read_it),
		ROW(a_new_vault_key_leaves_them_to_the_old_printed_key),
		ROW(a_new_vault_key_takes_them_along),
		ROW(many_new_vault_keys_have_their_limit),
		ROW(an_older_vault_is_made_ready),
		ROW(a_doubtful_knock_opens_nothing),
		ROW(a_key_of_a_recovery_is_not_doubted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
