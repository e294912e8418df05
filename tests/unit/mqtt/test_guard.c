/* What the broker refuses: rights, checked again whenever something is delivered, and limits of memory. */
#include "unit/mqtt/client.h"

/* --- rights --- */

static void what_is_not_allowed_is_said(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *d = joined(&gate, DAVE, V5, "d");
	struct peer *old = joined(&gate, DAVE, V4, "old");
	assert_int_equal(subscribe(d, "other/#", 1), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(subscribe(old, "#", 1), 0x80);
	assert_int_equal(subscribe(d, "cmd/secret/#", 1), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(gate.denied, 3);
	publish(d, "dev/other/x", "x", 1, 1);
	assert_int_equal(expect_ack(d, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_NOT_AUTHORIZED);
	publish(d, "dev/other/x", "x", 2, 1);
	assert_int_equal(expect_ack(d, NJ_MQTT_PUBREC, 1), NJ_MQTT_R_NOT_AUTHORIZED);
	publish(d, "dev/other/x", "x", 0, 0);
	expect_nothing(d);
	publish(d, "dev/other/x", "x", 0, 0);
	expect_closed_with(d, NJ_MQTT_R_NOT_AUTHORIZED);
	publish(old, "dev/dave/x", "x", 1, 1);
	expect_ack(old, NJ_MQTT_PUBACK, 1);
	publish(old, "dev/other/x", "x", 0, 0);
	expect_nothing(old);
	publish(old, "dev/other/x", "x", 1, 2);
	expect_closed(old);
	struct peer *w = peer_open(&gate, DAVE, V5);
	struct nj_mqtt_packet hello = with_will(w, "dev/other", 0, 0);
	assert_int_equal(connect_with(w, &hello)->as.connack.code, NJ_MQTT_R_NOT_AUTHORIZED);
	peer_close(d);
	peer_close(old);
	peer_close(w);
	gate_close(&gate);
}

static void a_part_that_is_denied_is_not_delivered(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *d = joined(&gate, DAVE, V5, "d");
	retain(a, "cmd/secret/r", "kept");
	retain(a, "cmd/r", "kept");
	assert_int_equal(subscribe(d, "cmd/#", 1), 1);
	expect_message(d, "cmd/r", "kept", 0);
	publish(a, "cmd/secret/1", "x", 0, 0);
	publish(a, "cmd/1", "y", 0, 0);
	expect_message(d, "cmd/1", "y", 0);
	expect_nothing(d);
	peer_close(a);
	peer_close(d);
	gate_close(&gate);
}

static void a_right_that_is_taken_acts_at_once(void **state)
{
	static const struct nj_rights_rule less[] = { { NJ_SUBSCRIBE, false, "cmd/{device}" } };
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *d = peer_open(&gate, DAVE, V5);
	struct nj_mqtt_packet hello = with_will(d, "dev/dave/w", 0, 50);
	assert_int_equal(connect_with(d, &hello)->as.connack.code, 0);
	subscribe(a, "dev/#", 0);
	assert_int_equal(subscribe(d, "cmd/#", 1), 1);
	assert_int_equal(subscribe(d, "cmd/dave", 1), 1);
	peer_close(d);
	expect_message(a, "dev/dave/w", "died", 0);
	publish(a, "cmd/1", "queued before", 1, 1);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	publish(a, "cmd/dave", "still mine", 1, 2);
	expect_ack(a, NJ_MQTT_PUBACK, 2);
	gate_party(&gate, DAVE, "acme", "dave", less, 1);
	d = peer_open(&gate, DAVE, V5);
	assert_true(join(d, "w", false, 50));
	expect_message(d, "cmd/dave", "still mine", 1);
	publish(a, "cmd/1", "after", 0, 0);
	publish(a, "cmd/dave", "after", 0, 0);
	expect_message(d, "cmd/dave", "after", 0);
	expect_nothing(d);
	peer_close(d);
	peer_close(a);
	gate_close(&gate);
}

/* What the rule of now allows less of, a subscription that is older gets less of: a member of a group too. */
static void a_limit_that_is_lowered_acts_at_once(void **state)
{
	static const struct nj_rights_rule less[] = { { NJ_SUBSCRIBE, false, "cmd/#", "{\"max_qos\": 0}" } };
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *d = peer_open(&gate, DAVE, V5);
	(void)join(d, "d", true, 50);
	assert_int_equal(subscribe(d, "cmd/1", 2), 2);
	assert_int_equal(subscribe(d, "$share/g/cmd/2", 2), 2);
	publish(a, "cmd/2", "before", 1, 1);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	expect_message(d, "cmd/2", "before", 1);
	gate_party(&gate, DAVE, "acme", "dave", less, 1);
	publish(a, "cmd/1", "alone", 1, 1);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	expect_message(d, "cmd/1", "alone", 0);
	publish(a, "cmd/2", "shared", 1, 1);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	expect_message(d, "cmd/2", "shared", 0);
	peer_close(d);
	publish(a, "cmd/2", "nobody", 1, 1);
	assert_true(expect_ack(a, NJ_MQTT_PUBACK, 1) < NJ_MQTT_R_UNSPECIFIED);
	peer_close(a);
	gate_close(&gate);
}

static void a_will_is_checked_when_it_is_published(void **state)
{
	static const struct nj_rights_rule none[] = { { NJ_SUBSCRIBE, false, "cmd/#" } };
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "dev/#", 0);
	struct peer *d = with_will_joined(&gate, DAVE, "dev/dave/w", 0, 0);
	gate_party(&gate, DAVE, "acme", "dave", none, 1);
	peer_close(d);
	expect_nothing(a);
	assert_int_equal(gate.denied, 1);
	peer_close(a);
	gate_close(&gate);
}

static void a_cut_party_is_gone(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "#", 0);
	struct peer *d = with_will_joined(&gate, DAVE, "dev/dave/w", 0, 100);
	struct peer *d2 = peer_open(&gate, DAVE, V5);
	subscribe(d, "cmd/#", 1);
	gate.parties[DAVE].revoked = true;
	publish(a, "cmd/1", "x", 1, 1);
	expect_message(a, "cmd/1", "x", 0);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	gate_cut(&gate, gate.parties[DAVE].uid);
	expect_closed(d);
	expect_closed(d2);
	assert_int_equal(gate.last_close, NJ_CLOSE_REVOKED);
	expect_nothing(a);
	assert_int_equal(gate_counters(&gate).sessions, 1);
	struct peer *again = peer_open(&gate, DAVE, V5);
	struct nj_mqtt_packet hello = connect_packet(again, "d", true);
	assert_int_equal(connect_with(again, &hello)->as.connack.code, NJ_MQTT_R_NOT_AUTHORIZED);
	peer_close(a);
	peer_close(d);
	peer_close(d2);
	peer_close(again);
	gate_close(&gate);
}

/* --- no room --- */

/* `count` filters in one packet; SUBACK is expected. */
static const struct nj_mqtt_list *subscribe_many(struct peer *peer, const char *filter, size_t count, bool wait)
{
	uint8_t items[4096];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = 0 };
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	for (size_t i = 0; i < count; i++)
		nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 9, .items = nj_view_of(items, w.pos) };
	send_packet(peer, &packet);
	return wait ? &expect(peer, NJ_MQTT_SUBACK)->as.list : NULL;
}

/* A filter takes few bytes, and may cost a walk over all retained messages. */
static void one_subscribe_asks_for_so_much(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	char topic[16];
	limits.retained_max_count = 3000;
	limits.retained_max_bytes = limits.max_memory_bytes = 8 << 20;
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	const struct nj_mqtt_list *codes = subscribe_many(a, "x", 1006, true);
	assert_int_equal(codes->items.len, 1006);
	assert_int_equal(codes->items.data[0], 0);
	assert_int_equal(codes->items.data[1004], 0);
	assert_int_equal(codes->items.data[1005], NJ_MQTT_R_QUOTA_EXCEEDED);
	for (int i = 0; i < 3000; i++) {
		snprintf(topic, sizeof(topic), "r/%d", i);
		assert_int_equal(gate_publish(&gate, "acme", nj_view_str(topic), nj_view_str("x"), 0, true), NJ_OK);
	}
	codes = subscribe_many(a, "+/none", 100, true);
	assert_int_equal(codes->items.data[99], 0);
	peer_close(a);
	a = joined(&gate, ALICE, V5, "a");
	(void)subscribe_many(a, "+/+/+", 100, false);
	send_packet(a, &(struct nj_mqtt_packet){ .type = NJ_MQTT_PINGREQ });
	codes = &expect(a, NJ_MQTT_SUBACK)->as.list;
	assert_int_equal(codes->items.data[9], 0);
	assert_int_equal(codes->items.data[20], NJ_MQTT_R_QUOTA_EXCEEDED);
	expect_nothing(a);
	advance(&gate, 20);
	expect_nothing(a);
	advance(&gate, 20);
	(void)expect(a, NJ_MQTT_PINGRESP);
	peer_close(a);
	gate_close(&gate);
}

/* As for a replaced key or a revoked certificate: whoever may come back finds its session. */
static void a_session_outlives_the_connection_that_is_cut(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "#", 0);
	struct peer *b = with_will_joined(&gate, BOB, "will", 0, 100);
	subscribe(b, "kept", 1);
	struct peer *b2 = joined(&gate, BOB, V5, "short");
	subscribe(b2, "kept", 1);
	assert_int_equal(gate_reset(&gate, gate.parties[BOB].uid), 2);
	turns(&gate);
	expect_closed(b);
	expect_closed(b2);
	assert_int_equal(gate.last_close, NJ_CLOSE_REVOKED);
	assert_int_equal(gate_reset(&gate, gate.parties[BOB].uid), 0);
	assert_int_equal(gate_counters(&gate).sessions, 2);
	publish(a, "kept", "x", 1, 1);
	expect_message(a, "kept", "x", 0);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	expect_nothing(a);
	struct peer *again = peer_open(&gate, BOB, V5);
	assert_true(join(again, "w", false, 100));
	expect_message(again, "kept", "x", 1);
	peer_close(a);
	peer_close(b);
	peer_close(b2);
	peer_close(again);
	gate_close(&gate);
}

static void a_client_that_does_not_read_loses_qos_0_alone(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_queued_messages = 1000;
	limits.max_queued_bytes = 1 << 24;
	limits.max_memory_bytes = 1 << 26;
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V5, "b");
	char big[2001];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	int size = 4096;
	subscribe(b, "t/0", 0);
	subscribe(b, "t/1", 1);
	assert_int_equal(setsockopt(b->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	for (int i = 0; i < 300; i++)
		publish(a, "t/0", big, 0, 0);
	uint64_t dropped = gate_counters(&gate).messages_dropped;
	assert_true(dropped > 0);
	for (uint16_t i = 1; i <= 8; i++) {
		publish(a, "t/1", big, 1, i);
		expect_ack(a, NJ_MQTT_PUBACK, i);
	}
	assert_int_equal(gate_counters(&gate).messages_dropped, dropped);
	for (uint64_t i = 0; i < 300 - dropped; i++)
		expect_message(b, "t/0", big, 0);
	for (int i = 0; i < 8; i++) {
		uint16_t id = expect_message(b, "t/1", big, 1)->packet_id;
		acknowledge(b, NJ_MQTT_PUBACK, id);
	}
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void one_party_cannot_keep_all_sessions(void **state)
{
	/* What other brokers hold is not known that well. */
	if (reactors_wanted() > 0)
		skip();
	struct gate gate;
	gate_open(&gate);
	for (uint32_t i = 0; i <= gate_limits.max_sessions; i++) {
		struct peer *a = peer_open(&gate, ALICE, V5);
		join(a, (const char *[]){ "a0", "a1", "a2", "a3", "a4", "a5", "a6" }[i], true, 100);
		peer_close(a);
	}
	assert_int_equal(gate.parties[ALICE].sessions, gate_limits.max_sessions);
	struct peer *c = joined(&gate, CAROL, V5, "c");
	assert_int_equal(gate.parties[ALICE].sessions, gate_limits.max_sessions - 1);
	assert_int_equal(gate.parties[CAROL].sessions, 1);
	/* The oldest two are gone, the others are kept. */
	struct peer *a = peer_open(&gate, ALICE, V5);
	assert_true(join(a, "a2", false, 100));
	/* Who is connected stays, and a party with as many takes nothing from another. */
	struct peer *b[2] = { joined(&gate, BOB, V5, "b0"), joined(&gate, BOB, V5, "b1") };
	assert_int_equal(gate.parties[ALICE].sessions, 3);
	struct peer *d = peer_open(&gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(d, "b2", true);
	assert_int_equal(connect_with(d, &hello)->as.connack.code, NJ_MQTT_R_QUOTA_EXCEEDED);
	assert_int_equal(gate_counters(&gate).sessions, gate_limits.max_sessions);
	peer_close(a);
	peer_close(b[0]);
	peer_close(b[1]);
	peer_close(c);
	peer_close(d);
	gate_close(&gate);
	for (size_t i = 0; i < GATE_PARTIES; i++)
		assert_int_equal(gate.parties[i].sessions, 0);
}

static void buffers_of_clients_that_do_not_read_count(void **state)
{
	enum { SLOW = 4 };
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	struct peer *slow[SLOW];
	char big[2001];
	int size = 4096;
	limits.max_memory_bytes = 32 * 1024;
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	for (int i = 0; i < SLOW; i++) {
		slow[i] = joined(&gate, BOB, V5, (const char *[]){ "b0", "b1", "b2", "b3" }[i]);
		subscribe(slow[i], "t", 0);
		assert_int_equal(setsockopt(slow[i]->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	}
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 300; i++) {
		publish(a, "t", big, 0, 0);
		advance(&gate, 100);
	}
	struct nj_mqtt_counters full = gate_counters(&gate);
	assert_in_range(full.memory_bytes, 16 * 1024, limits.max_memory_bytes + 4096);
	assert_true(full.messages_dropped > 0);
	publish(a, "t", big, 1, 1);
	advance(&gate, 100);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	for (int i = 0; i < SLOW; i++)
		peer_close(slow[i]);
	advance(&gate, 100);
	assert_true(gate_counters(&gate).memory_bytes < 16 * 1024);
	peer_close(a);
	gate_close(&gate);
}

static void at_the_memory_ceiling_messages_are_refused(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_queued_messages = 1000;
	limits.max_queued_bytes = 1 << 24;
	limits.max_memory_bytes = 24 * 1024;
	gate_open_with(&gate, &limits);
	struct peer *b = peer_open(&gate, BOB, V5);
	join(b, "b", true, 100);
	subscribe(b, "t", 1);
	peer_close(b);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *old = joined(&gate, ALICE, V4, "old");
	char big[2001];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	uint8_t code = 0;
	for (uint16_t i = 1; i <= 20 && code == 0; i++) {
		publish(a, "t", big, 1, i);
		advance(&gate, 100);
		code = expect_ack(a, NJ_MQTT_PUBACK, i);
	}
	assert_int_equal(code, NJ_MQTT_R_QUOTA_EXCEEDED);
	publish(old, "t", big, 1, 1);
	expect_closed(old);
	assert_true(gate_counters(&gate).memory_bytes <= limits.max_memory_bytes);
	peer_close(a);
	peer_close(old);
	gate_close(&gate);
}

/* ---- publishers near the memory ceiling ---- */

static uint64_t memory_left(const struct gate *gate, const struct nj_mqtt_limits *limits)
{
	return limits->max_memory_bytes - gate_counters(gate).memory_bytes;
}

/* Fills the queue of a session that is away, until no more than this is left. */
static void fill_to(struct gate *gate, const struct nj_mqtt_limits *limits, struct peer *from, uint64_t left)
{
	char text[501];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while (memory_left(gate, limits) > left) {
		publish(from, "away", text, 1, 1);
		advance(gate, 100);
		assert_int_equal(expect_ack(from, NJ_MQTT_PUBACK, 1), 0);
	}
}

/* How many of 200 messages that are there already are taken within 20 ms; takes them all, then. */
static uint64_t taken_at(struct gate *gate, struct peer *from)
{
	enum { MANY = 200 };
	uint8_t all[MANY * 64];
	const struct nj_mqtt_packet ping = { .type = NJ_MQTT_PINGREQ };
	struct nj_mqtt_packet packet = publish_packet("nobody", "a payload of some forty bytes or so....", 0, 0);
	size_t len = 0;
	for (int i = 0; i < MANY; i++) {
		size_t one;
		assert_int_equal(nj_mqtt_encode(&packet, V5, all + len, sizeof(all) - len, &one), NJ_OK);
		len += one;
	}
	uint64_t before = gate_counters(gate).messages_in;
	send_bytes(from, all, len);
	for (int i = 0; i < 20; i++)
		advance(gate, 1);
	uint64_t taken = gate_counters(gate).messages_in - before;
	/* What is said behind them is answered, in as long as they take at the ceiling. */
	send_packet(from, &ping);
	for (int i = 0; i < 150; i++)
		advance(gate, 1);
	expect(from, NJ_MQTT_PINGRESP);
	assert_int_equal(gate_counters(gate).messages_in - before, MANY);
	return taken;
}

static void publishers_are_slowed_before_memory_runs_out(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	uint64_t last = 200;
	limits.max_queued_messages = 10000;
	limits.max_queued_bytes = 1 << 24;
	limits.max_memory_bytes = 256 * 1024;
	gate_open_with(&gate, &limits);
	struct peer *away = peer_open(&gate, BOB, V5);
	join(away, "away", true, 100);
	subscribe(away, "away", 1);
	peer_close(away);
	struct peer *fills = joined(&gate, ALICE, V5, "fills");
	struct peer *a = joined(&gate, ALICE, V5, "a");
	const uint64_t quarter = limits.max_memory_bytes / 4;
	fill_to(&gate, &limits, fills, quarter + 2048);
	assert_int_equal(taken_at(&gate, a), 200);
	for (uint64_t parts = 3; parts > 0; parts--) {
		fill_to(&gate, &limits, fills, quarter * parts / 4);
		uint64_t taken = taken_at(&gate, a);
		assert_in_range(taken, 20, last - 1);
		last = taken;
	}
	/* The session ends: there is room again. */
	advance(&gate, 100000);
	assert_true(memory_left(&gate, &limits) > quarter);
	assert_int_equal(taken_at(&gate, a), 200);
	peer_close(fills);
	peer_close(a);
	gate_close(&gate);
}

static void what_is_too_large_for_a_client_is_not_sent(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = peer_open(&gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(b, "b", true);
	nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, 20);
	assert_int_equal(connect_with(b, &hello)->as.connack.code, 0);
	subscribe(b, "t", 1);
	publish(a, "t", "123456789012", 1, 1);
	publish(a, "t", "1234567890123", 1, 2);
	publish(a, "t", "short", 1, 3);
	expect_message(b, "t", "123456789012", 1);
	expect_message(b, "t", "short", 1);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void closing_says_goodbye(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	gate_shut(&gate);
	expect_closed_with(a, NJ_MQTT_R_SHUTTING_DOWN);
	peer_close(a);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_allowed_is_said),
		cmocka_unit_test(a_part_that_is_denied_is_not_delivered),
		cmocka_unit_test(a_right_that_is_taken_acts_at_once),
		cmocka_unit_test(a_limit_that_is_lowered_acts_at_once),
		cmocka_unit_test(a_will_is_checked_when_it_is_published),
		cmocka_unit_test(one_subscribe_asks_for_so_much),
		cmocka_unit_test(a_cut_party_is_gone),
		cmocka_unit_test(a_session_outlives_the_connection_that_is_cut),
		cmocka_unit_test(a_client_that_does_not_read_loses_qos_0_alone),
		cmocka_unit_test(one_party_cannot_keep_all_sessions),
		cmocka_unit_test(buffers_of_clients_that_do_not_read_count),
		cmocka_unit_test(at_the_memory_ceiling_messages_are_refused),
		cmocka_unit_test(publishers_are_slowed_before_memory_runs_out),
		cmocka_unit_test(what_is_too_large_for_a_client_is_not_sent),
		cmocka_unit_test(closing_says_goodbye),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
