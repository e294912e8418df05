/* Messages, derivation, and both sides' rules: every loss and power cut of the exchange, four sessions deep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/rekey.h"

static const uint8_t uid[NJ_UID_BYTES] = { 1, 2, 3 };

/* ---- messages ---- */

static void messages_round_trip(void **state)
{
	(void)state;
	for (int type = NJ_REKEY_OFFER; type <= NJ_REKEY_DONE; type++) {
		struct nj_rekey_message in = { .type = (enum nj_rekey_type)type, .epoch = 0x01020304 };
		struct nj_rekey_message out;
		uint8_t bytes[NJ_REKEY_MESSAGE_MAX_BYTES + 1] = { 0 };

		memset(in.proof, type == NJ_REKEY_OFFER ? 0 : 0xa5, sizeof(in.proof));
		size_t len = nj_rekey_encode(&in, bytes);
		struct nj_view topic = nj_view_str(nj_rekey_topic(in.type));
		assert_int_equal(len, type == NJ_REKEY_OFFER ? NJ_REKEY_OFFER_BYTES : NJ_REKEY_PROVEN_BYTES);
		assert_int_equal(bytes[0], 1);
		assert_int_equal(nj_rekey_decode(topic, nj_view_of(bytes, len), &out), NJ_OK);
		assert_int_equal(out.type, in.type);
		assert_int_equal(out.epoch, in.epoch);
		assert_memory_equal(out.proof, in.proof, sizeof(in.proof));
		assert_int_equal(nj_rekey_decode(topic, nj_view_of(bytes, len - 1), &out), NJ_ERR_TRUNCATED);
		assert_int_equal(nj_rekey_decode(topic, nj_view_of(bytes, len + 1), &out), NJ_ERR_TRAILING);
		memset(bytes, 0, 4);
		assert_int_equal(nj_rekey_decode(topic, nj_view_of(bytes, len), &out), NJ_ERR_RANGE);
		assert_int_equal(nj_rekey_decode(nj_view_str("$nightjar/rekey/x"), nj_view_of(bytes, len), &out),
				 NJ_ERR_UNSUPPORTED);
	}
}

/* Values of an implementation of its own (Python's hmac and hashlib). */
static void derivation_has_its_values(void **state)
{
	uint8_t key[32];
	uint8_t exporter[32];
	uint8_t salt[16];
	uint8_t next[32];
	uint8_t proof[32];
	char hex[65];

	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		key[i] = i;
		exporter[i] = (uint8_t)(0x80 + i);
		salt[i % 16] = (uint8_t)(0x11 * (i % 16));
	}
	nj_rekey_derive(key, exporter, salt, 2, next);
	nj_hex_encode(next, sizeof(next), hex);
	assert_string_equal(hex, "27004c25d06a2fdf43136c197bc81509e5d4cf1734db958eb38dffce3476235c");
	nj_rekey_prove(next, salt, NJ_REKEY_STORED, 2, proof);
	nj_hex_encode(proof, sizeof(proof), hex);
	assert_string_equal(hex, "9e3daec5d7679d337f720f2eff40c6faf032417db61ed52496df265135163df8");
	nj_rekey_prove(next, salt, NJ_REKEY_DONE, 2, proof);
	nj_hex_encode(proof, sizeof(proof), hex);
	assert_string_equal(hex, "31b494af8204e775d1eaba0820665c065a51ad1e568bee5dbe261f04063bef94");
}

static void proof_is_of_key_type_and_epoch(void **state)
{
	uint8_t key[32] = { 7 };
	uint8_t other[32] = { 8 };
	struct nj_rekey_message message = { .type = NJ_REKEY_STORED, .epoch = 5 };

	(void)state;
	nj_rekey_prove(key, uid, NJ_REKEY_STORED, 5, message.proof);
	assert_true(nj_rekey_proves(key, uid, &message));
	assert_false(nj_rekey_proves(other, uid, &message));
	message.epoch = 6;
	assert_false(nj_rekey_proves(key, uid, &message));
	message.epoch = 5;
	message.type = NJ_REKEY_DONE;
	assert_false(nj_rekey_proves(key, uid, &message));
	message.type = NJ_REKEY_OFFER;
	assert_false(nj_rekey_proves(key, uid, &message));
	message.type = NJ_REKEY_STORED;
	for (size_t bit = 0; bit < NJ_REKEY_PROOF_BYTES * 8; bit++) {
		message.proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(nj_rekey_proves(key, uid, &message));
		message.proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void gateway_changes_at_a_binding(void **state)
{
	static const struct {
		uint32_t epoch;
		bool pending;
		uint32_t bound;
		enum nj_rekey_change want;
	} rows[] = {
		{ 5, false, 5, NJ_REKEY_KEEP },  { 5, true, 5, NJ_REKEY_DROP },  { 5, true, 6, NJ_REKEY_PROMOTE },
		{ 5, false, 6, NJ_REKEY_STALE }, { 5, true, 4, NJ_REKEY_STALE }, { 5, true, 7, NJ_REKEY_STALE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_rekey_on_bound(rows[i].epoch, rows[i].pending, rows[i].bound), rows[i].want);
}

/* ---- the device alone ---- */

static struct nj_rekey_device device_with(uint8_t count)
{
	struct nj_rekey_device device = { .counter = 100, .count = count };

	memcpy(device.uid, uid, sizeof(uid));
	device.keys[0] = (struct nj_rekey_key){ .epoch = 3, .key = { 3 } };
	if (count == 1)
		return device;
	device.keys[1] = (struct nj_rekey_key){ .epoch = 2, .key = { 2 } };
	return device;
}

static void newest_key_first_the_older_after_16(void **state)
{
	struct nj_rekey_device device = device_with(2);
	struct nj_rekey_attempt attempt;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		bool older = (i / 16) % 2 == 1;
		uint64_t want;

		assert_int_equal(nj_knock_attempt_counter(100, i % 16 + 16 * (i / 32), &want), NJ_OK);
		assert_int_equal(nj_rekey_device_next(&device, &attempt), NJ_OK);
		assert_int_equal(attempt.which, older);
		assert_int_equal(attempt.epoch, older ? 2 : 3);
		assert_int_equal(attempt.flags, older ? 3 : 1);
		assert_int_equal(attempt.counter, want);
	}
}

static void bound_drops_the_older_only_under_the_newest(void **state)
{
	struct nj_rekey_device device = device_with(2);
	struct nj_rekey_attempt attempt = { .which = 1, .epoch = 2, .counter = 111 };

	(void)state;
	assert_false(nj_rekey_device_bound(&device, &attempt));
	assert_int_equal(device.count, 2);
	assert_int_equal(device.counter, 111);
	attempt = (struct nj_rekey_attempt){ .which = 0, .epoch = 3, .counter = 112 };
	assert_true(nj_rekey_device_bound(&device, &attempt));
	assert_int_equal(device.count, 1);
	assert_int_equal(device.keys[0].epoch, 3);
	assert_int_equal(device.keys[1].key[0], 0);
	assert_false(nj_rekey_device_bound(&device, &attempt));
}

static void offers_that_are_none(void **state)
{
	struct nj_rekey_device device = device_with(2);
	struct nj_rekey_device before = device;
	struct nj_rekey_attempt session = { .which = 1, .epoch = 2 };
	struct nj_rekey_message offer = { .type = NJ_REKEY_OFFER, .epoch = 4 };
	struct nj_rekey_message stored;
	uint8_t exporter[32] = { 9 };

	(void)state;
	/* The epoch after a key that is not the session's would have the session's key dropped. */
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &offer, &stored), NJ_ERR_STATE);
	offer.epoch = 2;
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &offer, &stored), NJ_ERR_STATE);
	assert_memory_equal(&device, &before, sizeof(device));
	offer.epoch = 3;
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &offer, &stored), NJ_OK);
	assert_int_equal(device.keys[1].epoch, 2);
	assert_memory_equal(device.keys[1].key, before.keys[1].key, 32);
	before = device;
	/* Once a session. */
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &offer, &stored), NJ_ERR_STATE);
	assert_memory_equal(&device, &before, sizeof(device));
	device.keys[0].epoch = UINT32_MAX;
	session = (struct nj_rekey_attempt){ .epoch = UINT32_MAX };
	offer.epoch = 0;
	assert_int_equal(nj_rekey_device_offered(&device, &session, exporter, &offer, &stored), NJ_ERR_STATE);
}

static void done_is_believed_with_its_proof(void **state)
{
	struct nj_rekey_device device = device_with(2);
	struct nj_rekey_message done = { .type = NJ_REKEY_DONE, .epoch = 3 };

	(void)state;
	assert_int_equal(nj_rekey_device_done(&device, &done), NJ_ERR_FORGED);
	nj_rekey_prove(device.keys[0].key, uid, NJ_REKEY_DONE, 3, done.proof);
	done.epoch = 2;
	assert_int_equal(nj_rekey_device_done(&device, &done), NJ_ERR_STATE);
	done.epoch = 3;
	assert_int_equal(nj_rekey_device_done(&device, &done), NJ_OK);
	assert_int_equal(device.count, 1);
	assert_int_equal(nj_rekey_device_done(&device, &done), NJ_ERR_STATE);
}

/* ---- both together: every point at which a session may end ---- */

/* Where a session stops: everything before has happened, nothing after. */
enum stop {
	STOP_SILENT,         /* 16 knocks never arrive: the device turns to its other key */
	STOP_BEFORE_BINDING, /* the knock or the connection is lost */
	STOP_GATEWAY_BOUND,  /* the gateway commits the binding, the device is cut before it notes it */
	STOP_DEVICE_BOUND,   /* the device notes the binding, its Finished is lost */
	STOP_BOTH_BOUND,     /* the gateway is cut before it commits the pending key */
	STOP_PENDING,        /* OFFER is lost, or the device is cut before its write */
	STOP_DEVICE_STORED, /* cut before it sends STORED, or STORED is lost, or the gateway is cut before its commit */
	STOP_GATEWAY_STORED, /* the gateway is cut before DONE, or DONE is lost, or the device cut before its wipe */
	STOP_NOWHERE,
	STOPS
};

struct gateway {
	uint32_t epoch;
	bool pending;
	uint64_t floor;
	uint8_t key[32];
	uint8_t next[32];
};

struct world {
	struct gateway gateway;
	struct nj_rekey_device device;
	uint8_t sessions; /* makes exporters differ */
};

static const uint8_t *gateway_key(const struct gateway *g, uint32_t epoch)
{
	if (epoch == g->epoch)
		return g->key;
	return g->pending && epoch == g->epoch + 1 ? g->next : NULL;
}

/* Under the rule of the window, both keys' windows above one floor. */
static bool knock(struct gateway *g, const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt)
{
	const uint8_t *held = gateway_key(g, attempt->epoch);

	if (held == NULL || memcmp(held, device->keys[attempt->which].key, 32) != 0)
		return false;
	if (attempt->counter <= g->floor || attempt->counter > g->floor + NJ_KNOCK_WINDOW)
		return false;
	g->floor = attempt->counter;
	return true;
}

static void gateway_bound(struct gateway *g, uint32_t epoch)
{
	switch (nj_rekey_on_bound(g->epoch, g->pending, epoch)) {
	case NJ_REKEY_PROMOTE:
		memcpy(g->key, g->next, 32);
		g->epoch++;
		g->pending = false;
		return;
	case NJ_REKEY_DROP:
		g->pending = false;
		return;
	case NJ_REKEY_KEEP:
		return;
	case NJ_REKEY_STALE:
		break;
	}
	fail_msg("bound under a key that the gateway does not hold");
}

static void exchange(struct world *w, struct nj_rekey_attempt *attempt, enum stop stop)
{
	struct gateway *g = &w->gateway;
	struct nj_rekey_message offer = { .type = NJ_REKEY_OFFER, .epoch = g->epoch + 1 };
	struct nj_rekey_message done = { .type = NJ_REKEY_DONE, .epoch = g->epoch + 1 };
	struct nj_rekey_message stored;
	uint8_t exporter[32] = { ++w->sessions };

	nj_rekey_derive(g->key, exporter, uid, offer.epoch, g->next);
	g->pending = true;
	if (stop == STOP_PENDING)
		return;
	assert_int_equal(nj_rekey_device_offered(&w->device, attempt, exporter, &offer, &stored), NJ_OK);
	if (stop == STOP_DEVICE_STORED)
		return;
	assert_true(nj_rekey_proves(g->next, uid, &stored));
	gateway_bound(g, offer.epoch);
	if (stop == STOP_GATEWAY_STORED)
		return;
	nj_rekey_prove(g->key, uid, NJ_REKEY_DONE, done.epoch, done.proof);
	assert_int_equal(nj_rekey_device_done(&w->device, &done), NJ_OK);
}

/* One attempt after the other until a knock is accepted; returns how many it took. */
static unsigned session(struct world *w, enum stop stop)
{
	struct nj_rekey_attempt attempt;
	unsigned tries = 0;

	for (unsigned i = 0; stop == STOP_SILENT && i < NJ_KNOCK_WINDOW; i++)
		assert_int_equal(nj_rekey_device_next(&w->device, &attempt), NJ_OK);
	if (stop == STOP_SILENT)
		return 0;
	do {
		assert_int_equal(nj_rekey_device_next(&w->device, &attempt), NJ_OK);
		if (++tries > 500)
			fail_msg("locked out");
	} while (!knock(&w->gateway, &w->device, &attempt));
	if (stop == STOP_BEFORE_BINDING)
		return tries;
	if (stop != STOP_DEVICE_BOUND)
		gateway_bound(&w->gateway, attempt.epoch);
	if (stop != STOP_GATEWAY_BOUND)
		(void)nj_rekey_device_bound(&w->device, &attempt);
	if (stop > STOP_BOTH_BOUND)
		exchange(w, &attempt, stop);
	return tries;
}

static struct world world_new(void)
{
	struct world w = { .gateway = { .epoch = 1, .floor = 0, .key = { 42 } }, .device = { .count = 1 } };

	memcpy(w.device.uid, uid, sizeof(uid));
	w.device.keys[0] = (struct nj_rekey_key){ .epoch = 1, .key = { 42 } };
	return w;
}

static void agree(const struct world *w)
{
	assert_int_equal(w->device.count, 1);
	assert_false(w->gateway.pending);
	assert_int_equal(w->device.keys[0].epoch, w->gateway.epoch);
	assert_memory_equal(w->device.keys[0].key, w->gateway.key, 32);
}

#define DEEP 4

static void every_history_ends_in_agreement(void **state)
{
	unsigned histories = 1;
	unsigned worst = 0;

	(void)state;
	for (unsigned i = 0; i < DEEP; i++)
		histories *= STOPS;
	for (unsigned history = 0; history < histories; history++) {
		struct world w = world_new();
		unsigned rest = history;

		for (unsigned i = 0; i < DEEP; i++, rest /= STOPS) {
			unsigned tries = session(&w, (enum stop)(rest % STOPS));

			worst = tries > worst ? tries : worst;
		}
		(void)session(&w, STOP_NOWHERE);
		agree(&w);
	}
	print_message("%u histories, at most %u attempts to be in again\n", histories, worst);
	assert_true(worst <= 144);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_round_trip),
		cmocka_unit_test(derivation_has_its_values),
		cmocka_unit_test(proof_is_of_key_type_and_epoch),
		cmocka_unit_test(gateway_changes_at_a_binding),
		cmocka_unit_test(newest_key_first_the_older_after_16),
		cmocka_unit_test(bound_drops_the_older_only_under_the_newest),
		cmocka_unit_test(offers_that_are_none),
		cmocka_unit_test(done_is_believed_with_its_proof),
		cmocka_unit_test(every_history_ends_in_agreement),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
