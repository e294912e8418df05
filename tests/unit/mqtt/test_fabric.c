/* Several brokers that are one: where sessions live, what brokers tell each other, what happens when one is slow. Turn
 * by turn in one thread, so that every order of events can be made. */
#include "mqtt/post.h"

#include "unit/mqtt/client.h"

#define BROKERS 3

static void open_fabric(struct gate *gate, const struct nj_mqtt_limits *limits)
{
	setenv("NJ_TEST_REACTORS", "3", 1);
	gate_open_with(gate, limits);
	assert_int_equal(gate->reactor_count, BROKERS);
}

/* A client identifier whose session is at home at `place`, the `nth` of them. */
static const char *id_at(const struct gate *gate, size_t party, size_t place, unsigned nth)
{
	static char ids[64][16];
	static unsigned used;
	char *id = ids[used++ % 64];
	for (unsigned n = 0;; n++) {
		snprintf(id, sizeof(ids[0]), "c%u", n);
		if (nj_mqtt_home(gate->fabric, gate->parties[party].uid, nj_view_str(id)) == place && nth-- == 0)
			return id;
	}
}

static struct peer *joined_at(struct gate *gate, size_t party, size_t place)
{
	static unsigned nth;
	return joined(gate, party, V5, id_at(gate, party, place, nth++ % 8));
}

static struct nj_mqtt_broker *broker_at(const struct gate *gate, size_t place)
{
	return gate->fabric->brokers[place];
}

static void turn_at(const struct gate *gate, size_t place)
{
	assert_int_equal(nj_reactor_turn(gate->reactors[place], 0), NJ_OK);
}

/* To the socket alone: no reactor turns. */
static void say(struct peer *peer, const struct nj_mqtt_packet *packet)
{
	size_t len;
	assert_int_equal(nj_mqtt_encode(packet, peer->version, peer->out, sizeof(peer->out), &len), NJ_OK);
	assert_int_equal(send(peer->fd, peer->out, len, MSG_NOSIGNAL), len);
}

static void say_retained(struct peer *peer, const char *topic, const char *payload)
{
	struct nj_mqtt_packet packet = publish_packet(topic, payload, 0, 0);
	packet.as.publish.retain = true;
	say(peer, &packet);
}

/* --- homes --- */

static void a_session_is_found_again_wherever_its_client_comes_in(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	for (size_t place = 0; place < BROKERS; place++) {
		const char *id = id_at(&gate, ALICE, place, 0);
		for (int again = 0; again < 3; again++) {
			struct peer *a = peer_open(&gate, ALICE, V5);
			assert_int_equal(join(a, id, false, 100), again > 0);
			assert_int_equal(nj_mqtt_counters_of(broker_at(&gate, place)).connections, 1);
			peer_close(a);
		}
		assert_int_equal(nj_mqtt_counters_of(broker_at(&gate, place)).sessions, 1);
	}
	gate_close(&gate);
}

static void an_assigned_identifier_leads_home(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	for (int i = 0; i < 4; i++) {
		struct peer *a = peer_open(&gate, ALICE, V5);
		struct nj_mqtt_packet hello = connect_packet(a, "", true);
		nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_SESSION_EXPIRY, 100);
		const struct nj_mqtt_packet *welcome = connect_with(a, &hello);
		struct nj_view given = welcome->properties.values[NJ_MQTT_P_ASSIGNED_CLIENT_ID].data;
		char id[64] = "";
		memcpy(id, given.data, given.len);
		peer_close(a);
		a = peer_open(&gate, ALICE, V5);
		assert_true(join(a, id, false, 0));
		peer_close(a);
	}
	gate_close(&gate);
}

static void a_connection_that_says_nothing_is_ended(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = peer_open(&gate, ALICE, V5);
	assert_int_equal(gate_counters(&gate).connections, 1);
	advance(&gate, gate_limits.connect_timeout_ms - 1);
	expect_nothing(a);
	advance(&gate, 1);
	expect_closed(a);
	assert_int_equal(gate.errors, 1);
	assert_int_equal(gate_counters(&gate).connections, 0);
	peer_close(a);
	gate_close(&gate);
}

static void who_waits_for_connect_is_cut_too(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct peer *b = peer_open(&gate, BOB, V5);
	assert_int_equal(gate_cut(&gate, gate.parties[ALICE].uid), 1);
	expect_closed(a);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

/* --- messages --- */

static void every_broker_reaches_every_other(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_sessions = 20;
	open_fabric(&gate, &limits);
	struct peer *publishers[BROKERS], *subscribers[BROKERS];
	for (size_t i = 0; i < BROKERS; i++) {
		publishers[i] = joined_at(&gate, ALICE, i);
		subscribers[i] = joined_at(&gate, BOB, i);
		assert_int_equal(subscribe(subscribers[i], "t/+", 1), 1);
	}
	struct peer *stranger = joined_at(&gate, CAROL, 1);
	subscribe(stranger, "#", 1);
	for (size_t from = 0; from < BROKERS; from++) {
		publish(publishers[from], "t/x", "hello", 1, 7);
		assert_int_equal(expect_ack(publishers[from], NJ_MQTT_PUBACK, 7), NJ_MQTT_R_SUCCESS);
		for (size_t to = 0; to < BROKERS; to++)
			acknowledge(subscribers[to], NJ_MQTT_PUBACK,
				    expect_message(subscribers[to], "t/x", "hello", 1)->packet_id);
	}
	expect_nothing(stranger);
	for (size_t i = 0; i < BROKERS; i++) {
		peer_close(publishers[i]);
		peer_close(subscribers[i]);
	}
	peer_close(stranger);
	gate_close(&gate);
}

static void only_who_is_interested_gets_a_message(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *b = joined_at(&gate, BOB, 1);
	struct peer *b2 = joined_at(&gate, BOB, 1);
	publish(a, "t", "nobody", 1, 1);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_NO_SUBSCRIBERS);
	subscribe(b, "t", 0);
	subscribe(b2, "t", 0);
	unsubscribe(b, "t");
	/* One of two is left. */
	publish(a, "t", "one", 1, 2);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 2), NJ_MQTT_R_SUCCESS);
	expect_message(b2, "t", "one", 0);
	expect_nothing(b);
	peer_close(b2);
	publish(a, "t", "none", 1, 3);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 3), NJ_MQTT_R_NO_SUBSCRIBERS);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

/* SUBACK has been seen by the subscriber: whatever is published then reaches it, though the publisher's broker has not
 * had a turn since. */
static void interest_is_known_before_suback_can_lead_to_anything(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *b = joined_at(&gate, BOB, 1);
	struct nj_mqtt_packet hello = publish_packet("t", "x", 0, 0);
	uint8_t items[16];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &(struct nj_mqtt_filter){ .filter = nj_view_str("t") });
	struct nj_mqtt_packet ask = { .type = NJ_MQTT_SUBSCRIBE,
				      .as.list = { .packet_id = 9, .items = nj_view_of(items, w.pos) } };
	say(b, &ask);
	turn_at(&gate, 1);
	say(a, &hello);
	turn_at(&gate, 0);
	expect(b, NJ_MQTT_SUBACK);
	expect_message(b, "t", "x", 0);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

/* --- retained messages --- */

static void expect_retained(struct gate *gate, const char *payload)
{
	for (size_t i = 0; i < BROKERS; i++) {
		struct peer *reader = joined_at(gate, BOB, i);
		subscribe(reader, "r", 0);
		if (payload != NULL)
			assert_true(expect_message(reader, "r", payload, 0)->retain);
		expect_nothing(reader);
		peer_close(reader);
	}
}

static void all_keep_the_same_retained_message(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *c = joined_at(&gate, ALICE, 2);
	retain(a, "r", "one");
	expect_retained(&gate, "one");
	assert_int_equal(gate_counters(&gate).retained, 1);
	/* At the same time, in whatever order they arrive where. */
	say_retained(a, "r", "from a");
	say_retained(c, "r", "from c");
	turn_at(&gate, 0);
	turn_at(&gate, 2);
	turns(&gate);
	expect_retained(&gate, "from c");
	say_retained(c, "r", "c again");
	say_retained(a, "r", "a again");
	turn_at(&gate, 2);
	turn_at(&gate, 0);
	turns(&gate);
	expect_retained(&gate, "a again");
	assert_int_equal(gate_counters(&gate).retained, 1);
	peer_close(a);
	peer_close(c);
	gate_close(&gate);
}

/* A removal overtakes an older change on its way to a third broker: that one must not bring it back to life. */
static void what_was_removed_stays_removed(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *c = joined_at(&gate, ALICE, 2);
	retain(a, "r", "to be removed");
	retain(a, "r", "");
	expect_retained(&gate, NULL);
	uint64_t before = gate_counters(&gate).memory_bytes;
	say_retained(a, "r", "old");
	turn_at(&gate, 0);
	turn_at(&gate, 2);
	say_retained(c, "r", "");
	turn_at(&gate, 2);
	expect_retained(&gate, NULL);
	assert_int_equal(gate_counters(&gate).retained, 0);
	/* Nor is anything left of it. */
	nj_mqtt_fabric_settle(gate.fabric);
	turns(&gate);
	assert_int_equal(gate_counters(&gate).memory_bytes, before);
	peer_close(a);
	peer_close(c);
	gate_close(&gate);
}

/* SUBSCRIBE and a retained PUBLISH at the same time on two brokers: once, live or retained, never not at all. */
static void a_new_subscriber_misses_no_change(void **state)
{
	for (int order = 0; order < 4; order++) {
		struct gate gate;
		open_fabric(&gate, &gate_limits);
		struct peer *a = joined_at(&gate, ALICE, 0);
		struct peer *b = joined_at(&gate, BOB, 1);
		uint8_t items[16];
		struct nj_writer w = nj_writer_of(items, sizeof(items));
		nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &(struct nj_mqtt_filter){ .filter = nj_view_str("r") });
		struct nj_mqtt_packet ask = { .type = NJ_MQTT_SUBSCRIBE,
					      .as.list = { .packet_id = 9, .items = nj_view_of(items, w.pos) } };
		say_retained(a, "r", "x");
		say(b, &ask);
		turn_at(&gate, order % 2);
		turn_at(&gate, order / 2);
		turns(&gate);
		expect(b, NJ_MQTT_SUBACK);
		expect_message(b, "r", "x", 0);
		expect_nothing(b);
		peer_close(a);
		peer_close(b);
		gate_close(&gate);
	}
}

static void the_quota_of_retained_messages_is_everybodys(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *publishers[BROKERS];
	for (size_t i = 0; i < BROKERS; i++)
		publishers[i] = joined_at(&gate, ALICE, i);
	for (uint16_t i = 0; i <= gate_limits.retained_max_count; i++) {
		char topic[16];
		snprintf(topic, sizeof(topic), "r/%u", i);
		struct nj_mqtt_packet packet = publish_packet(topic, "x", 1, (uint16_t)(i + 1));
		packet.as.publish.retain = true;
		send_packet(publishers[i % BROKERS], &packet);
		uint8_t code = expect_ack(publishers[i % BROKERS], NJ_MQTT_PUBACK, (uint16_t)(i + 1));
		assert_int_equal(code, i < gate_limits.retained_max_count ? NJ_MQTT_R_NO_SUBSCRIBERS
									  : NJ_MQTT_R_QUOTA_EXCEEDED);
	}
	assert_int_equal(gate_counters(&gate).retained, gate_limits.retained_max_count);
	for (size_t i = 0; i < BROKERS; i++)
		peer_close(publishers[i]);
	gate_close(&gate);
}

static void the_number_of_sessions_is_everybodys(void **state)
{
	struct gate gate;
	struct peer *peers[BROKERS * 3];
	open_fabric(&gate, &gate_limits);
	for (size_t i = 0; i < gate_limits.max_sessions; i++)
		peers[i] = joined_at(&gate, ALICE, i % BROKERS);
	struct peer *late = peer_open(&gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(late, "late", true);
	assert_int_equal(connect_with(late, &hello)->as.connack.code, NJ_MQTT_R_QUOTA_EXCEEDED);
	peer_close(late);
	peer_close(peers[0]);
	peers[0] = joined_at(&gate, BOB, 2);
	for (size_t i = 0; i < gate_limits.max_sessions; i++)
		peer_close(peers[i]);
	gate_close(&gate);
}

/* --- a broker that has no time --- */

static void where_one_is_behind_publishers_wait_and_nothing_is_lost(void **state)
{
	enum { MESSAGES = 6000 };
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_memory_bytes = 1 << 28;
	limits.max_queued_messages = 100000;
	limits.max_queued_bytes = 1 << 28;
	limits.max_inflight = 1000;
	open_fabric(&gate, &limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *b = joined_at(&gate, BOB, 1);
	static char big[1501];
	memset(big, 'x', sizeof(big) - 1);
	subscribe(b, "t", 1);
	/* Reactor 1 has no turn: what is under way to it grows, up to a bound. */
	unsigned said = 0, waits = 0;
	for (unsigned i = 0; i < MESSAGES && waits < 100; i++) {
		struct nj_mqtt_packet packet = publish_packet("t", big, 1, (uint16_t)(i % 1000 + 1));
		size_t len;
		assert_int_equal(nj_mqtt_encode(&packet, V5, a->out, sizeof(a->out), &len), NJ_OK);
		if (send(a->fd, a->out, len, MSG_NOSIGNAL) == (ssize_t)len)
			said++;
		else
			waits++;
		turn_at(&gate, 0);
		while (recv(a->fd, a->in, sizeof(a->in), MSG_DONTWAIT) > 0)
			;
		nj_clock_fake_advance_ms(&gate.clock, 1);
	}
	/* The socket is full, as nobody reads it. */
	assert_int_equal(waits, 100);
	uint64_t under_way = broker_at(&gate, 0)->peers[1].under_way_bytes;
	assert_in_range(under_way, NJ_MQTT_POST_HIGH_BYTES, NJ_MQTT_POST_HIGH_BYTES + 16 * 1024);
	/* It comes back: all of it arrives. */
	for (unsigned i = 0; i < said; i++) {
		advance(&gate, 1);
		acknowledge(b, NJ_MQTT_PUBACK, expect_message(b, "t", big, 1)->packet_id);
		while (recv(a->fd, a->in, sizeof(a->in), MSG_DONTWAIT) > 0)
			;
	}
	expect_nothing(b);
	assert_int_equal(gate_counters(&gate).messages_dropped, 0);
	a->held = a->packet_bytes = 0;
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void a_round_visits_all_and_ends_once(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct gate_call calls[2] = { { .err = NJ_OK }, { .err = NJ_OK } };
	for (int i = 0; i < 2; i++) {
		calls[i].round.done = call_done;
		nj_mqtt_fabric_round(gate.fabric, &calls[i].round);
		assert_false(calls[i].done);
	}
	nj_mqtt_fabric_settle(gate.fabric);
	assert_true(calls[0].done && calls[1].done);
	gate_close(&gate);
}

/* What subscriptions tell the others counts, packet by packet: as many as one read brings do not pass the bound. */
static void where_one_is_behind_subscribers_wait(void **state)
{
	static const uint8_t both[] = { 0x82, 7, 0, 1, 0, 0, 1, 'a', 0, 0xa2, 6, 0, 2, 0, 0, 1, 'a' };
	struct gate gate;
	uint8_t many[200 * sizeof(both)];
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	const uint64_t *under_way = &broker_at(&gate, 0)->peers[1].under_way_bytes;
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = both[i % sizeof(both)];
	/* As if so much were under way already. */
	broker_at(&gate, 0)->peers[1].under_way_bytes += NJ_MQTT_POST_HIGH_BYTES - 1000;
	assert_int_equal(send(a->fd, many, sizeof(many), MSG_NOSIGNAL), sizeof(many));
	turn_at(&gate, 0);
	assert_in_range(*under_way, NJ_MQTT_POST_HIGH_BYTES, NJ_MQTT_POST_HIGH_BYTES + 1000);
	broker_at(&gate, 0)->peers[1].under_way_bytes -= NJ_MQTT_POST_HIGH_BYTES - 1000;
	for (int i = 0; i < 200; i++) {
		advance(&gate, 1);
		(void)expect(a, NJ_MQTT_SUBACK);
		(void)expect(a, NJ_MQTT_UNSUBACK);
	}
	peer_close(a);
	gate_close(&gate);
}

/* Who is read no more for a while, as it sent too much, is not ended as silent. */
static void who_is_not_read_is_not_silent(void **state)
{
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(a, id_at(&gate, ALICE, 0, 0), true);
	hello.as.connect.keep_alive_s = 2;
	assert_int_equal(connect_with(a, &hello)->as.connack.code, 0);
	struct nj_mqtt_client *client = NJ_CONTAINER(broker_at(&gate, 0)->clients.next, struct nj_mqtt_client, link);
	nj_conn_pause_for(client->conn, 10000);
	for (int s = 0; s < 10; s++) {
		say(a, &(struct nj_mqtt_packet){ .type = NJ_MQTT_PINGREQ });
		advance(&gate, 1000);
	}
	for (int s = 0; s < 10; s++)
		(void)expect(a, NJ_MQTT_PINGRESP);
	advance(&gate, 2999);
	expect_nothing(a);
	advance(&gate, 1);
	expect_closed_with(a, NJ_MQTT_R_KEEP_ALIVE_TIMEOUT);
	peer_close(a);
	gate_close(&gate);
}

/* Rights are replaced on the main thread while a broker asks them: what it was told holds for those it asked. */
static void a_verdict_is_of_the_rights_that_were_asked(void **state)
{
	static const struct nj_rights_rule none[] = { { NJ_SUBSCRIBE, false, "other/#" } };
	struct gate gate;
	open_fabric(&gate, &gate_limits);
	struct peer *a = joined_at(&gate, ALICE, 0);
	struct peer *d = joined_at(&gate, DAVE, 1);
	assert_int_equal(subscribe(d, "cmd/#", 1), 1);
	struct nj_mqtt_session *session =
	    NJ_CONTAINER(broker_at(&gate, 1)->sessions.next, struct nj_mqtt_session, link);
	struct nj_mqtt_subscription *s =
	    NJ_CONTAINER(session->subscriptions.next, struct nj_mqtt_subscription, by_session);
	const struct nj_verdict before = { .allowed = true };
	uint32_t version = gate.parties[DAVE].rights_version;
	gate_party(&gate, DAVE, "acme", "dave", none, 1);
	nj_mqtt_subscription_judge(s, &before, version);
	publish(a, "cmd/1", "x", 0, 0);
	expect_nothing(d);
	assert_int_equal(gate_counters(&gate).messages_denied, 1);
	peer_close(a);
	peer_close(d);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_found_again_wherever_its_client_comes_in),
		cmocka_unit_test(an_assigned_identifier_leads_home),
		cmocka_unit_test(a_connection_that_says_nothing_is_ended),
		cmocka_unit_test(who_waits_for_connect_is_cut_too),
		cmocka_unit_test(every_broker_reaches_every_other),
		cmocka_unit_test(only_who_is_interested_gets_a_message),
		cmocka_unit_test(interest_is_known_before_suback_can_lead_to_anything),
		cmocka_unit_test(all_keep_the_same_retained_message),
		cmocka_unit_test(what_was_removed_stays_removed),
		cmocka_unit_test(a_new_subscriber_misses_no_change),
		cmocka_unit_test(the_quota_of_retained_messages_is_everybodys),
		cmocka_unit_test(the_number_of_sessions_is_everybodys),
		cmocka_unit_test(where_one_is_behind_publishers_wait_and_nothing_is_lost),
		cmocka_unit_test(a_round_visits_all_and_ends_once),
		cmocka_unit_test(where_one_is_behind_subscribers_wait),
		cmocka_unit_test(who_is_not_read_is_not_silent),
		cmocka_unit_test(a_verdict_is_of_the_rights_that_were_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
