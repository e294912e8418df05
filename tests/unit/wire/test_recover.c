/* Recovery: messages, derivation, and both sides' rules: every loss and power cut of the exchange, in every order with
 * sessions under the root keys, for a device that changed its key after the backup that its gateway is from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/recover.h"

static const uint8_t uid[NJ_UID_BYTES] = { 1, 2, 3 };
static const uint8_t recovery_key[32] = { 77 };

/* ---- messages ---- */

static struct nj_recover_message message_of(enum nj_recover_type type)
{
	struct nj_recover_message message = { .type = type, .epoch = 0x01020304 };

	if (type == NJ_RECOVER_OFFER) {
		message.floor = 0x0102030405060708;
		memset(message.nonce, 0x5a, sizeof(message.nonce));
	} else {
		memset(message.proof, 0xa5, sizeof(message.proof));
	}
	return message;
}

static void messages_round_trip(void **state)
{
	(void)state;
	for (int type = NJ_RECOVER_OFFER; type <= NJ_RECOVER_DONE; type++) {
		const struct nj_recover_message in = message_of((enum nj_recover_type)type);
		struct nj_recover_message out;
		uint8_t bytes[NJ_RECOVER_MESSAGE_MAX_BYTES + 1] = { 0 };
		size_t len = nj_recover_encode(&in, bytes);
		size_t taken = 0;

		assert_int_equal(len, type == NJ_RECOVER_OFFER ? NJ_RECOVER_OFFER_BYTES : NJ_RECOVER_PROVEN_BYTES);
		assert_int_equal(bytes[0], type);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(nj_recover_decode(nj_view_of(bytes, cut), &out, &taken), NJ_ERR_TRUNCATED);
		assert_int_equal(nj_recover_decode(nj_view_of(bytes, len), &out, &taken), NJ_OK);
		assert_int_equal(taken, len);
		assert_memory_equal(&out, &in, sizeof(in));
		/* What follows is the next message's. */
		assert_int_equal(nj_recover_decode(nj_view_of(bytes, len + 1), &out, &taken), NJ_OK);
		assert_int_equal(taken, len);
		memset(bytes + 1, 0, 4);
		assert_int_equal(nj_recover_decode(nj_view_of(bytes, len), &out, &taken), NJ_ERR_RANGE);
	}
}

static void messages_that_are_none(void **state)
{
	struct nj_recover_message offer = message_of(NJ_RECOVER_OFFER);
	struct nj_recover_message out;
	uint8_t bytes[NJ_RECOVER_MESSAGE_MAX_BYTES];
	size_t taken = 0;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bytes[0] = (uint8_t)type;
		if (type < NJ_RECOVER_OFFER || type > NJ_RECOVER_DONE)
			assert_int_equal(nj_recover_decode(nj_view_of(bytes, 1), &out, &taken), NJ_ERR_UNSUPPORTED);
	}
	offer.floor = NJ_KNOCK_COUNTER_MAX;
	assert_int_equal(nj_recover_decode(nj_view_of(bytes, nj_recover_encode(&offer, bytes)), &out, &taken), NJ_OK);
	offer.floor++;
	assert_int_equal(nj_recover_decode(nj_view_of(bytes, nj_recover_encode(&offer, bytes)), &out, &taken),
			 NJ_ERR_RANGE);
}

/* Values of an implementation of its own (Python's hmac and hashlib). */
static void derivation_has_its_values(void **state)
{
	struct nj_recover_message offer = { .type = NJ_RECOVER_OFFER, .epoch = 3, .floor = 300 };
	uint8_t key[32];
	uint8_t salt[16];
	uint8_t made[32];
	char hex[65];

	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		key[i] = i;
		offer.nonce[i] = (uint8_t)(0x40 + i);
		salt[i % 16] = (uint8_t)(0x11 * (i % 16));
	}
	nj_recover_derive(key, &offer, salt, made);
	nj_hex_encode(made, sizeof(made), hex);
	assert_string_equal(hex, "c04a64ba094454f99258d3fd2b047ea2a0a00890742cfa19c4a075458cb44a8e");
	offer.floor++;
	nj_recover_derive(key, &offer, salt, key);
	assert_memory_not_equal(key, made, sizeof(made));
}

/* ---- the device alone ---- */

static struct nj_rekey_device device_of(uint8_t count)
{
	struct nj_rekey_device device = { .counter = 1000, .count = count, .recovery = { .held = true } };

	memcpy(device.uid, uid, sizeof(uid));
	memcpy(device.recovery.key, recovery_key, sizeof(recovery_key));
	for (uint8_t i = 0; i < count; i++)
		device.keys[i] = (struct nj_rekey_key){ .epoch = 5u - i, .key = { (uint8_t)(5 - i) } };
	return device;
}

static void blocks_of_16_in_turn(void **state)
{
	struct nj_rekey_device device = device_of(2);
	struct nj_rekey_attempt attempt;
	uint64_t want;

	(void)state;
	for (unsigned i = 0; i < 128; i++) {
		bool recovery = i / 16 % 2 == 1;

		assert_int_equal(nj_recover_device_next(&device, &attempt), NJ_OK);
		assert_int_equal(attempt.recovery, recovery);
		if (!recovery) {
			/* The root keys among themselves as ever: newest, older, newest, … */
			assert_int_equal(attempt.which, i / 32 % 2);
			continue;
		}
		assert_int_equal(nj_knock_attempt_counter(0, i % 16 + i / 32 * 16, &want), NJ_OK);
		assert_int_equal(attempt.counter, want);
		assert_ptr_equal(nj_rekey_device_key(&device, &attempt), device.recovery.key);
	}
	device = device_of(1);
	device.recovery.held = false;
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(nj_recover_device_next(&device, &attempt), NJ_OK);
		assert_false(attempt.recovery);
	}
}

static void a_binding_under_it_moves_its_own_counter(void **state)
{
	struct nj_rekey_device device = device_of(2);
	struct nj_rekey_attempt attempt = { .recovery = true, .counter = 9 };

	(void)state;
	device.recovery.turn = 40;
	assert_false(nj_rekey_device_bound(&device, &attempt));
	assert_int_equal(device.recovery.counter, 9);
	assert_int_equal(device.recovery.turn, 0);
	assert_int_equal(device.counter, 1000);
	assert_int_equal(device.count, 2);
}

static void offers_that_are_none(void **state)
{
	struct nj_rekey_device device = device_of(2);
	const struct nj_rekey_device before = device;
	struct nj_rekey_attempt session = { .which = 0, .epoch = 5 };
	struct nj_recover_message offer = message_of(NJ_RECOVER_OFFER);
	struct nj_rekey_message other = { .type = NJ_REKEY_OFFER, .epoch = 1 };
	struct nj_rekey_message other_stored;
	struct nj_recover_message stored;
	uint8_t exporter[32] = { 0 };

	(void)state;
	/* In a session of a root key. */
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_ERR_STATE);
	session = (struct nj_rekey_attempt){ .recovery = true };
	offer.type = NJ_RECOVER_DONE;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_ERR_STATE);
	/* That of a rekey, in a session of the recovery key. */
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &other, &other_stored), NJ_ERR_STATE);
	assert_memory_equal(&device, &before, sizeof(device));
	/* Once a session. */
	offer.type = NJ_RECOVER_OFFER;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_OK);
	assert_int_equal(device.count, 3);
	assert_memory_equal(device.keys[1].key, before.keys[0].key, 32);
	assert_memory_equal(device.keys[2].key, before.keys[1].key, 32);
	offer.epoch++;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_ERR_STATE);
	/* The same offer in the next session takes no further place. */
	offer.epoch--;
	session.offered = false;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_OK);
	assert_int_equal(device.count, 3);
	assert_memory_equal(device.keys[1].key, before.keys[0].key, 32);
	/* Another one: the oldest goes, and the key that may be in force stays. */
	offer.epoch++;
	session.offered = false;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_OK);
	assert_int_equal(device.count, 3);
	assert_memory_equal(device.keys[2].key, before.keys[0].key, 32);
	assert_memory_equal(device.recovery.key, recovery_key, 32);
}

static void done_is_believed_with_its_proof(void **state)
{
	struct nj_rekey_device device = device_of(1);
	struct nj_rekey_attempt session = { .recovery = true };
	struct nj_recover_message offer = message_of(NJ_RECOVER_OFFER);
	struct nj_recover_message done = message_of(NJ_RECOVER_DONE);
	struct nj_recover_message stored;

	(void)state;
	assert_int_equal(nj_recover_device_done(&device, &done), NJ_ERR_STATE);
	offer.floor = 300;
	assert_int_equal(nj_recover_device_offered(&device, &session, &offer, &stored), NJ_OK);
	assert_int_equal(nj_recover_device_done(&device, &done), NJ_ERR_FORGED);
	nj_rekey_prove(device.keys[0].key, uid, NJ_REKEY_DONE, done.epoch, done.proof);
	done.epoch++;
	assert_int_equal(nj_recover_device_done(&device, &done), NJ_ERR_STATE);
	done.epoch--;
	assert_int_equal(nj_recover_device_done(&device, &done), NJ_OK);
	assert_int_equal(device.count, 1);
	assert_false(device.keys[0].recovered);
	assert_int_equal(device.counter, 300);
	assert_memory_equal(device.recovery.key, recovery_key, 32);
}

/* ---- both together ---- */

/* Where a session stops: everything before has happened, nothing after. */
enum stop {
	STOP_SILENT, /* the knocks of 16 attempts never arrive */
	STOP_KNOCKED,
	STOP_GATEWAY_BOUND,
	STOP_DEVICE_BOUND,
	STOP_BOTH_BOUND,
	STOP_PENDING,
	STOP_DEVICE_STORED,
	STOP_GATEWAY_STORED,
	STOP_NOWHERE,
	STOPS
};

/* The gateway, restored: it holds a key that the device gave up (or not), and a floor behind its counter. */
struct gateway {
	uint32_t epoch;
	bool pending, by_recovery;
	bool window;
	uint64_t floor, recovery_floor;
	uint8_t key[32];
	uint8_t next[32];
	struct nj_recover_message offer;
};

struct world {
	struct gateway gateway;
	struct nj_rekey_device device;
	uint8_t made;
};

static bool in_window(uint64_t *floor, uint64_t counter)
{
	if (counter <= *floor || counter > *floor + NJ_KNOCK_WINDOW)
		return false;
	*floor = counter;
	return true;
}

/* Which key the gateway finds behind a knock: 0 none, its epoch, or UINT32_MAX for the recovery key. */
static uint32_t knock(struct gateway *g, const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt)
{
	const uint8_t *key = nj_rekey_device_key(device, attempt);

	if (attempt->recovery)
		return g->window && in_window(&g->recovery_floor, attempt->counter) ? UINT32_MAX : 0;
	if (memcmp(key, g->key, 32) == 0)
		return in_window(&g->floor, attempt->counter) ? g->epoch : 0;
	if (g->pending && memcmp(key, g->next, 32) == 0)
		return in_window(&g->floor, attempt->counter) ? g->epoch + 1 : 0;
	return 0;
}

static void gateway_bound(struct gateway *g, uint32_t epoch)
{
	if (epoch == UINT32_MAX)
		return; /* says nothing about keys */
	if (nj_rekey_on_bound(g->epoch, g->pending, epoch) == NJ_REKEY_PROMOTE) {
		memcpy(g->key, g->next, 32);
		g->epoch++;
	}
	g->pending = false;
	g->by_recovery = false;
}

static void make_offer(struct world *w)
{
	struct gateway *g = &w->gateway;

	if (g->pending && g->by_recovery)
		return; /* the same again */
	g->offer = (struct nj_recover_message){ .type = NJ_RECOVER_OFFER, .epoch = g->epoch + 1, .floor = g->floor };
	g->offer.nonce[0] = ++w->made;
	nj_recover_derive(recovery_key, &g->offer, uid, g->next);
	g->pending = true;
	g->by_recovery = true;
}

static void recovery(struct world *w, struct nj_rekey_attempt *attempt, enum stop stop)
{
	struct gateway *g = &w->gateway;
	struct nj_recover_message done = { .type = NJ_RECOVER_DONE };
	struct nj_recover_message stored;
	struct nj_rekey_message proof = { .type = NJ_REKEY_STORED };

	make_offer(w);
	if (stop == STOP_PENDING)
		return;
	assert_int_equal(nj_recover_device_offered(&w->device, attempt, &g->offer, &stored), NJ_OK);
	if (stop == STOP_DEVICE_STORED)
		return;
	proof.epoch = stored.epoch;
	memcpy(proof.proof, stored.proof, sizeof(proof.proof));
	assert_true(nj_rekey_proves(g->next, uid, &proof));
	gateway_bound(g, stored.epoch);
	if (stop == STOP_GATEWAY_STORED)
		return;
	done.epoch = stored.epoch;
	nj_rekey_prove(g->key, uid, NJ_REKEY_DONE, done.epoch, done.proof);
	assert_int_equal(nj_recover_device_done(&w->device, &done), NJ_OK);
}

static void rekey(struct world *w, struct nj_rekey_attempt *attempt, enum stop stop)
{
	struct gateway *g = &w->gateway;
	struct nj_rekey_message offer = { .type = NJ_REKEY_OFFER, .epoch = g->epoch + 1 };
	struct nj_rekey_message done = { .type = NJ_REKEY_DONE, .epoch = g->epoch + 1 };
	struct nj_rekey_message stored;
	uint8_t exporter[32] = { ++w->made };

	nj_rekey_derive(g->key, exporter, uid, offer.epoch, g->next);
	g->pending = true;
	g->by_recovery = false;
	if (stop == STOP_PENDING)
		return;
	if (nj_rekey_device_offered(&w->device, attempt, exporter, &offer, &stored) != NJ_OK)
		return; /* a device whose own count of epochs is another keeps its key */
	if (stop == STOP_DEVICE_STORED)
		return;
	assert_true(nj_rekey_proves(g->next, uid, &stored));
	gateway_bound(g, offer.epoch);
	if (stop == STOP_GATEWAY_STORED)
		return;
	nj_rekey_prove(g->key, uid, NJ_REKEY_DONE, done.epoch, done.proof);
	assert_int_equal(nj_rekey_device_done(&w->device, &done), NJ_OK);
}

/* One attempt after the other until a knock is accepted; 0 when none is within `most`. */
static unsigned session(struct world *w, enum stop stop, unsigned most, bool *out_recovery)
{
	struct nj_rekey_attempt attempt;
	unsigned tries = 0;
	uint32_t epoch;

	for (unsigned i = 0; stop == STOP_SILENT && i < NJ_KNOCK_WINDOW; i++)
		assert_int_equal(nj_recover_device_next(&w->device, &attempt), NJ_OK);
	*out_recovery = false;
	if (stop == STOP_SILENT)
		return 0;
	do {
		if (tries++ == most)
			return 0;
		assert_int_equal(nj_recover_device_next(&w->device, &attempt), NJ_OK);
		epoch = knock(&w->gateway, &w->device, &attempt);
	} while (epoch == 0);
	*out_recovery = attempt.recovery;
	if (stop == STOP_KNOCKED)
		return tries;
	if (stop != STOP_DEVICE_BOUND)
		gateway_bound(&w->gateway, epoch);
	if (stop != STOP_GATEWAY_BOUND)
		(void)nj_rekey_device_bound(&w->device, &attempt);
	if (stop <= STOP_BOTH_BOUND)
		return tries;
	if (attempt.recovery)
		recovery(w, &attempt, stop);
	else
		rekey(w, &attempt, stop);
	return tries;
}

/* `held`: what the restored gateway holds is the device's older key; else one that it has wiped. */
static struct world world_new(bool two_keys, bool held)
{
	struct world w = { .gateway = { .epoch = 4, .floor = 300, .window = true, .key = { 4 } } };

	w.device = device_of(two_keys ? 2 : 1);
	w.device.counter = 2000; /* far past the restored floor and its window */
	if (!held)
		w.gateway.key[1] = 1;
	return w;
}

static void in_again(struct world *w, unsigned *worst)
{
	unsigned sessions = 0;
	bool recovery_used = true;

	/* A recovery, where it is needed still, and then an ordinary session; both run through. */
	while (recovery_used && sessions++ < 3) {
		unsigned tries = session(w, STOP_NOWHERE, 500, &recovery_used);

		if (tries == 0)
			fail_msg("locked out");
		*worst = tries > *worst ? tries : *worst;
	}
	assert_false(recovery_used);
	assert_int_equal(w->device.count, 1);
	assert_false(w->gateway.pending);
	assert_memory_equal(w->device.keys[0].key, w->gateway.key, 32);
	assert_true(w->device.counter <= w->gateway.floor);
}

#define DEEP 4

static void every_history_ends_in_agreement(void **state)
{
	unsigned histories = 1;
	unsigned worst = 0;

	(void)state;
	for (unsigned i = 0; i < DEEP; i++)
		histories *= STOPS;
	for (unsigned history = 0; history < 4 * histories; history++) {
		struct world w = world_new((history & 1) != 0, (history & 2) != 0);
		unsigned rest = history / 4;
		bool recovery_used;

		for (unsigned i = 0; i < DEEP; i++, rest /= STOPS) {
			unsigned tries = session(&w, (enum stop)(rest % STOPS), 500, &recovery_used);

			worst = tries > worst ? tries : worst;
		}
		in_again(&w, &worst);
	}
	print_message("%u histories, at most %u attempts to the next session\n", 4 * histories, worst);
}

/* Once the device has stored the new key, it needs the window no more, wherever the exchange broke. */
static void the_window_may_shut_once_the_key_is_stored(void **state)
{
	(void)state;
	for (unsigned first = 0; first < STOPS; first++) {
		for (unsigned second = STOP_DEVICE_STORED; second < STOPS; second++) {
			struct world w = world_new(true, false);
			bool recovery_used;
			unsigned worst = 0;

			(void)session(&w, (enum stop)first, 500, &recovery_used);
			/* The first may have been a recovery that ran through: then this one is a rekey. */
			(void)session(&w, (enum stop)second, 500, &recovery_used);
			w.gateway.window = false;
			in_again(&w, &worst);
		}
	}
}

static void shut_it_lets_nobody_in(void **state)
{
	struct world w = world_new(false, false);
	bool recovery_used;

	(void)state;
	w.gateway.window = false;
	assert_int_equal(session(&w, STOP_NOWHERE, 2000, &recovery_used), 0);
	w.gateway.window = true;
	assert_true(session(&w, STOP_NOWHERE, 500, &recovery_used) > 0);
	assert_true(recovery_used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_round_trip),
		cmocka_unit_test(messages_that_are_none),
		cmocka_unit_test(derivation_has_its_values),
		cmocka_unit_test(blocks_of_16_in_turn),
		cmocka_unit_test(a_binding_under_it_moves_its_own_counter),
		cmocka_unit_test(offers_that_are_none),
		cmocka_unit_test(done_is_believed_with_its_proof),
		cmocka_unit_test(every_history_ends_in_agreement),
		cmocka_unit_test(the_window_may_shut_once_the_key_is_stored),
		cmocka_unit_test(shut_it_lets_nobody_in),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
