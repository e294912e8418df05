/* Durability: what is acknowledged when, what need not be written, what is there after the gateway died at any point,
 * and a disk without room. */
#include "unit/mqtt/fake_disk.h"

static struct disk disk;

static int setup(void **state)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	struct nj_mqtt_limits limits = disk_limits();
	memset(&disk, 0, sizeof(disk));
	gate_open_with(gate, &limits);
	disk_restore(gate, &disk);
	*state = gate;
	return 0;
}

static int teardown(void **state)
{
	gate_close(*state);
	free(*state);
	return 0;
}

static struct peer *lasting(struct gate *gate, size_t party, uint8_t version, const char *id)
{
	struct peer *peer = peer_open(gate, party, version);
	(void)join(peer, id, false, 1000);
	settle_for(gate, &disk, 150);
	return peer;
}

static void subscribe_kept(struct peer *peer, const char *filter, uint8_t qos)
{
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = qos };
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	send_packet(peer, &packet);
	expect_nothing(peer); /* not before it is on disk */
	settle_for(peer->gate, &disk, 5);
	assert_int_equal(expect(peer, NJ_MQTT_SUBACK)->as.list.items.data[0], qos);
}

/* A subscriber that went away. */
static void away(struct gate *gate, const char *filter, uint8_t qos)
{
	struct peer *peer = lasting(gate, BOB, V5, "away");
	subscribe_kept(peer, filter, qos);
	peer_close(peer);
	settle_for(gate, &disk, 150);
}

/* A client that comes back with a will for which there is no memory is refused, and its session stays as it was. */
static void no_room_for_a_will_costs_no_session(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	away(gate, "a/#", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a/1", "kept", 1, 1);
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 1), 0);
	limits.max_memory_bytes = gate_counters(gate).memory_bytes;
	gate_limit(gate, &limits);
	struct peer *bob = peer_open(gate, BOB, V5);
	struct nj_mqtt_packet hello = with_will(bob, "will", 0, 1000);
	hello.as.connect.client_id = nj_view_str("away");
	assert_int_equal(connect_with(bob, &hello)->as.connack.code, NJ_MQTT_R_QUOTA_EXCEEDED);
	peer_close(bob);
	limits.max_memory_bytes = disk_limits().max_memory_bytes;
	gate_limit(gate, &limits);
	settle_for(gate, &disk, 200);
	peer_close(alice);
	gate_crash(gate, &disk, 0);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 20);
	expect_message(bob, "a/1", "kept", 1);
	peer_close(bob);
}

/* At whatever step memory ends: what is refused leaves nothing behind, neither memory nor a retained message. */
static void what_is_refused_leaves_nothing(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	struct nj_mqtt_packet packet = publish_packet("r", "x", 2, 1);
	packet.as.publish.retain = true;
	uint8_t code = NJ_MQTT_R_QUOTA_EXCEEDED;
	unsigned refused = 0;
	publish(alice, "warm", "x", 2, 7);
	settle_for(gate, &disk, 10);
	(void)expect_ack(alice, NJ_MQTT_PUBREC, 7);
	uint64_t used = gate_counters(gate).memory_bytes;
	for (size_t more = 0; code == NJ_MQTT_R_QUOTA_EXCEEDED && more < 4096; more += 8) {
		limits.max_memory_bytes = used + more;
		gate_limit(gate, &limits);
		send_packet(alice, &packet);
		settle_for(gate, &disk, 25);
		code = expect_ack(alice, NJ_MQTT_PUBREC, 1);
		refused += code == NJ_MQTT_R_QUOTA_EXCEEDED;
		/* Of several brokers one may have it that the one that writes has not. */
		if (code == NJ_MQTT_R_QUOTA_EXCEEDED && gate->reactor_count == 0) {
			assert_int_equal(gate_counters(gate).memory_bytes, used);
			assert_int_equal(gate_counters(gate).retained, 0);
		}
	}
	assert_int_equal(code, NJ_MQTT_R_NO_SUBSCRIBERS);
	assert_in_range(refused, 10, 500);
	/* Of several brokers the one that counts may not have had room. */
	assert_in_range(gate_counters(gate).retained, gate->reactor_count == 0, 1);
	limits.max_memory_bytes = disk_limits().max_memory_bytes;
	gate_limit(gate, &limits);
	peer_close(alice);
}

/* While the disk stands still a client cannot have any number of packets taken that wait for it. */
static void what_waits_for_the_disk_is_bounded(void **state)
{
	struct gate *gate = *state;
	static const uint8_t packet[] = { 0x82, 7, 0, 1, 0, 0, 1, 'a', 0 };
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	uint8_t many[100 * sizeof(packet)];
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = packet[i % sizeof(packet)];
	for (int i = 0; i < 11; i++)
		send_bytes(alice, many, sizeof(many));
	uint64_t in = gate_counters(gate).messages_in;
	publish(alice, "nobody", "x", 0, 0);
	advance(gate, 100);
	assert_int_equal(gate_counters(gate).messages_in, in);
	settle_for(gate, &disk, 20);
	for (int i = 0; i < 1100; i++)
		(void)expect(alice, NJ_MQTT_SUBACK);
	assert_int_equal(gate_counters(gate).messages_in, in + 1);
	peer_close(alice);
}

/* 4.9: the receive maximum is a connection's: what an earlier one left unreleased does not count. */
static void an_earlier_connection_uses_no_quota(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	for (uint16_t i = 1; i <= 4; i++) {
		publish(alice, "a", "x", 2, i);
		settle_for(gate, &disk, 5);
		(void)expect_ack(alice, NJ_MQTT_PUBREC, i);
	}
	peer_close(alice);
	alice = peer_open(gate, ALICE, V5);
	assert_true(join(alice, "alice", false, 1000));
	for (uint16_t i = 11; i <= 14; i++) {
		publish(alice, "a", "x", 2, i);
		settle_for(gate, &disk, 5);
		(void)expect_ack(alice, NJ_MQTT_PUBREC, i);
	}
	publish(alice, "a", "x", 2, 15);
	expect_closed_with(alice, NJ_MQTT_R_RECEIVE_MAXIMUM);
	peer_close(alice);
}

/* 3.3.1-1: what was sent before a crash is marked when it is sent again, though a connection between did not get to it.
 */
static void what_was_sent_before_a_crash_stays_marked(void **state)
{
	struct gate *gate = *state;
	struct peer *bob = lasting(gate, BOB, V5, "bob");
	subscribe_kept(bob, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (uint16_t i = 1; i <= 3; i++)
		publish(alice, "a", "x", 1, i);
	settle_for(gate, &disk, 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(expect_message(bob, "a", "x", 1)->dup, 0);
	gate_crash(gate, &disk, 0);
	peer_close(bob);
	peer_close(alice);
	bob = peer_open(gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(bob, "bob", false);
	nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_SESSION_EXPIRY, 1000);
	nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 1);
	assert_true(connect_with(bob, &hello)->as.connack.session_present);
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_message(bob, "a", "x", 1)->dup, 1);
	peer_close(bob);
	settle_for(gate, &disk, 200);
	for (int crashes = 0; crashes < 2; crashes++) {
		bob = peer_open(gate, BOB, V5);
		assert_true(join(bob, "bob", false, 1000));
		settle_for(gate, &disk, 20);
		for (int i = 0; i < 3; i++)
			assert_int_equal(expect_message(bob, "a", "x", 1)->dup, 1);
		peer_close(bob);
		settle_for(gate, &disk, 200);
		gate_crash(gate, &disk, 0);
	}
}

/* 3.3.4-7: what waits for its commit is unacknowledged, and counts. */
static void who_does_not_wait_for_acknowledgements_is_ended(void **state)
{
	struct gate *gate = *state;
	away(gate, "a/#", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (uint16_t i = 1; i <= 4; i++)
		publish(alice, "a/1", "x", 1, i);
	expect_nothing(alice);
	settle_for(gate, &disk, 5);
	for (uint16_t i = 1; i <= 4; i++)
		assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, i), 0);
	publish(alice, "b", "x", 2, 9);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 9), NJ_MQTT_R_NO_SUBSCRIBERS);
	for (uint16_t i = 1; i <= 3; i++)
		publish(alice, "a/1", "x", 1, i);
	publish(alice, "a/1", "x", 0, 0);
	expect_nothing(alice);
	publish(alice, "a/1", "x", 1, 4);
	expect_closed_with(alice, NJ_MQTT_R_RECEIVE_MAXIMUM);
	peer_close(alice);
}

/* The client comes back before its QoS 2 message's identifier is on disk: PUBREC still waits for that. */
static void a_repetition_is_not_acknowledged_sooner(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	publish(alice, "a/1", "x", 2, 7);
	expect_nothing(alice);
	peer_close(alice);
	alice = peer_open(gate, ALICE, V5);
	assert_true(join(alice, "alice", false, 1000));
	struct nj_mqtt_packet again = publish_packet("a/1", "x", 2, 7);
	again.as.publish.dup = true;
	send_packet(alice, &again);
	expect_nothing(alice);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 7), 0);
	gate_crash(gate, &disk, 0);
	peer_close(alice);
	alice = peer_open(gate, ALICE, V5);
	assert_true(join(alice, "alice", false, 1000));
	acknowledge(alice, NJ_MQTT_PUBREL, 7);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBCOMP, 7), 0);
	peer_close(alice);
}

static void acknowledged_when_on_disk(void **state)
{
	struct gate *gate = *state;
	away(gate, "a/#", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a/1", "one", 1, 11);
	publish(alice, "a/2", "two", 1, 12);
	expect_nothing(alice);
	gate_crash(gate, &disk, 0); /* before the group left */
	peer_close(alice);
	alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a/1", "one", 1, 11);
	publish(alice, "a/2", "two", 1, 12);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 11), 0);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 12), 0);
	gate_crash(gate, &disk, 0);
	peer_close(alice);
	struct peer *bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_message(bob, "a/1", "one", 1)->dup, 0);
	acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	expect_message(bob, "a/2", "two", 1);
	acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	settle_for(gate, &disk, 200);
	peer_close(bob);
	gate_crash(gate, &disk, 0);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 20);
	expect_nothing(bob);
	peer_close(bob);
}

/* What its receiver acknowledged in time never comes to the disk. */
static void acknowledged_by_the_receiver(void **state)
{
	struct gate *gate = *state;
	struct peer *bob = lasting(gate, BOB, V5, "bob");
	subscribe_kept(bob, "a", 1);
	struct peer *alice = joined(gate, ALICE, V4, "alice");
	for (uint16_t i = 1; i <= 20; i++) {
		publish(alice, "a", "x", 1, i);
		settle_for(gate, &disk, 10);
		expect_nothing(alice);
		expect_message(bob, "a", "x", 1);
		acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
		assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, i), 0);
	}
	assert_int_equal(disk.enqueued, 0);
	publish(alice, "a", "late", 1, 99);
	settle_for(gate, &disk, 60); /* longer than its receiver is waited for */
	assert_int_equal(disk.enqueued, 1);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 99), 0);
	expect_message(bob, "a", "late", 1);
	acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	settle_for(gate, &disk, 150);
	assert_null(disk_find(disk.rows, NJ_MESSAGES_ENQUEUE, 1, 21, nj_view_of(NULL, 0)));
	peer_close(alice);
	peer_close(bob);
}

/* 4.6: in the order of receipt, although the second was ready first. */
static void acknowledgements_keep_their_order(void **state)
{
	struct gate *gate = *state;
	away(gate, "slow", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "slow", "1", 1, 5);
	publish(alice, "nobody", "2", 1, 6);
	publish(alice, "$nightjar/none", "3", 1, 7);
	expect_nothing(alice);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 5), 0);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 6), NJ_MQTT_R_NO_SUBSCRIBERS);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 7), NJ_MQTT_R_NOT_AUTHORIZED);
	peer_close(alice);
}

/* Each step of QoS 2 is on disk before its answer leaves. */
static void exactly_once_step_by_step(void **state)
{
	struct gate *gate = *state;
	struct peer *bob = lasting(gate, BOB, V5, "bob");
	subscribe_kept(bob, "a", 2);
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 2, 3);
	expect_nothing(alice);
	expect_nothing(bob);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), 0);
	expect_message(bob, "a", "x", 2);
	uint16_t id = bob->packet.as.publish.packet_id;
	acknowledge(alice, NJ_MQTT_PUBREL, 3);
	acknowledge(bob, NJ_MQTT_PUBREC, id);
	expect_nothing(alice);
	expect_nothing(bob);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBCOMP, 3), 0);
	assert_int_equal(expect_ack(bob, NJ_MQTT_PUBREL, id), 0);
	/* The release outlives the gateway, under the same identifier. */
	gate_crash(gate, &disk, 0);
	peer_close(bob);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_ack(bob, NJ_MQTT_PUBREL, id), 0);
	acknowledge(bob, NJ_MQTT_PUBCOMP, id);
	settle_for(gate, &disk, 20);
	peer_close(bob);
	gate_crash(gate, &disk, 0);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	settle_for(gate, &disk, 20);
	expect_nothing(bob);
	peer_close(alice);
	peer_close(bob);
}

/* A repetition of what was committed is answered, and goes no further. */
static void a_packet_identifier_is_remembered(void **state)
{
	struct gate *gate = *state;
	away(gate, "a", 2);
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 2, 3);
	settle_for(gate, &disk, 5);
	gate_crash(gate, &disk, 0);
	peer_close(alice);
	alice = peer_open(gate, ALICE, V5);
	assert_true(join(alice, "alice", false, 1000));
	struct nj_mqtt_packet again = publish_packet("a", "x", 2, 3);
	again.as.publish.dup = true;
	send_packet(alice, &again);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), 0);
	assert_int_equal(disk.enqueued, 1);
	peer_close(alice);
}

static void no_room(void **state)
{
	struct gate *gate = *state;
	away(gate, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	struct peer *old = joined(gate, ALICE, V4, "old");
	struct peer *here = joined(gate, BOB, V5, "here");
	assert_int_equal(subscribe(here, "#", 0), 0);
	disk.fails = NJ_ERR_FULL;
	publish(alice, "a", "1", 1, 1);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	expect_message(here, "a", "1", 0);
	publish(alice, "a", "2", 2, 2);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 2), NJ_MQTT_R_QUOTA_EXCEEDED);
	expect_message(here, "a", "2", 0);
	publish(alice, "a", "3", 0, 0);
	expect_message(here, "a", "3", 0);
	publish(old, "a", "4", 1, 4);
	settle_for(gate, &disk, 5);
	expect_closed(old);
	expect_message(here, "a", "4", 0);
	disk.fails = NJ_OK;
	publish(alice, "a", "5", 1, 5);
	settle_for(gate, &disk, 300);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 5), 0);
	struct peer *bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 20);
	expect_message(bob, "a", "5", 1);
	peer_close(bob);
	peer_close(alice);
	peer_close(old);
	peer_close(here);
}

/* What ends something is not refused: it waits for room, and its answer with it. */
static void an_end_waits_for_room(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 2, 3);
	settle_for(gate, &disk, 5);
	expect_ack(alice, NJ_MQTT_PUBREC, 3);
	disk.fails = NJ_ERR_FULL;
	acknowledge(alice, NJ_MQTT_PUBREL, 3);
	settle_for(gate, &disk, 1000);
	expect_nothing(alice);
	disk.fails = NJ_OK;
	settle_for(gate, &disk, 300);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBCOMP, 3), 0);
	peer_close(alice);
}

static void a_long_queue_comes_page_by_page(void **state)
{
	struct gate *gate = *state;
	char text[8];
	away(gate, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		publish(alice, "a", text, 1, (uint16_t)(i % 50 + 1));
		if (i % 4 == 3)
			settle_for(gate, &disk, 5);
	}
	gate_crash(gate, &disk, 1000);
	struct peer *bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	for (int i = 0; i < 100; i++) {
		settle_for(gate, &disk, 5);
		snprintf(text, sizeof(text), "%d", i);
		expect_message(bob, "a", text, 1);
		acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	}
	settle_for(gate, &disk, 300);
	expect_nothing(bob);
	assert_int_equal(nj_mqtt_durable_state_of(nj_mqtt_fabric_broker(gate->fabric, 0)).queued_bytes, 0);
	peer_close(bob);
	peer_close(alice);
}

static void what_is_late_expires_over_a_restart(void **state)
{
	struct gate *gate = *state;
	away(gate, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	struct nj_mqtt_packet packet = publish_packet("a", "short", 1, 1);
	nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_MESSAGE_EXPIRY, 10);
	send_packet(alice, &packet);
	publish(alice, "a", "long", 1, 2);
	settle_for(gate, &disk, 5);
	gate_crash(gate, &disk, 20000);
	peer_close(alice);
	struct peer *bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 10);
	expect_message(bob, "a", "long", 1);
	acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	peer_close(bob);
	gate_crash(gate, &disk, 1001000); /* the session's own end */
	settle_for(gate, &disk, 10);
	bob = peer_open(gate, BOB, V5);
	assert_false(join(bob, "away", false, 0));
	peer_close(bob);
}

static void a_will_waits_over_a_restart(void **state)
{
	struct gate *gate = *state;
	struct peer *dying = with_will_joined(gate, ALICE, "will", 30, 1000);
	settle_for(gate, &disk, 150);
	peer_close(dying);
	settle_for(gate, &disk, 150);
	gate_crash(gate, &disk, 10000);
	struct peer *bob = joined(gate, BOB, V5, "bob");
	assert_int_equal(subscribe(bob, "will", 0), 0);
	settle_for(gate, &disk, 100);
	expect_nothing(bob);
	advance(gate, 20000);
	expect_message(bob, "will", "died", 0);
	settle_for(gate, &disk, 150);
	gate_crash(gate, &disk, 100000);
	settle_for(gate, &disk, 10);
	expect_closed(bob);
	peer_close(bob);
}

static void retained_messages_stay(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	struct nj_mqtt_packet packet = publish_packet("kept", "here", 1, 1);
	packet.as.publish.retain = true;
	send_packet(alice, &packet);
	expect_nothing(alice);
	settle_for(gate, &disk, 5);
	expect_ack(alice, NJ_MQTT_PUBACK, 1);
	retain(alice, "gone", "x");
	retain(alice, "gone", "");
	settle_for(gate, &disk, 5);
	gate_crash(gate, &disk, 0);
	peer_close(alice);
	alice = joined(gate, ALICE, V5, "alice");
	assert_int_equal(subscribe(alice, "#", 1), 1);
	expect_message(alice, "kept", "here", 1);
	expect_nothing(alice);
	peer_close(alice);
}

static void retain_kept(struct peer *peer, const char *topic, uint8_t qos)
{
	struct nj_mqtt_packet packet = publish_packet(topic, "kept", qos, 1);
	packet.as.publish.retain = true;
	send_packet(peer, &packet);
	settle_for(peer->gate, &disk, 60);
	expect_ack(peer, qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, 1);
	if (qos == 1)
		return;
	acknowledge(peer, NJ_MQTT_PUBREL, 1);
	settle_for(peer->gate, &disk, 10);
	expect_ack(peer, NJ_MQTT_PUBCOMP, 1);
}

/* Acknowledges what comes until nothing does; which of r/0, r/1, … came, a bit each. */
static unsigned take_retained(struct peer *bob, bool twice_too)
{
	unsigned came = 0;
	for (int quiet = 0; quiet < 10; quiet++) {
		settle_for(bob->gate, &disk, 20);
		read_more(bob);
		if (bob->held == bob->packet_bytes)
			continue;
		quiet = 0;
		uint8_t type = bob->in[bob->packet_bytes] >> 4;
		const struct nj_mqtt_packet *packet = expect(bob, type);
		if (type == NJ_MQTT_PUBREL) {
			acknowledge(bob, NJ_MQTT_PUBCOMP, packet->as.ack.packet_id);
			continue;
		}
		const struct nj_mqtt_publish *m = &packet->as.publish;
		unsigned bit = 1u << (m->topic.data[2] - '0');
		assert_true(m->retain);
		assert_true(twice_too || (came & bit) == 0);
		came |= bit;
		acknowledge(bob, m->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, m->packet_id);
	}
	return came;
}

/* Retained messages are on disk with the subscription that they are for: neither lost nor sent twice. */
static void what_a_subscription_is_to_get_outlives_a_crash(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	retain_kept(alice, "r/0", 1);
	retain_kept(alice, "r/1", 2);
	struct peer *bob = lasting(gate, BOB, V5, "bob");
	struct nj_mqtt_filter f = { .filter = nj_view_str("r/#"), .qos = 2 };
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	send_packet(bob, &packet);
	settle_for(gate, &disk, 3); /* one group */
	gate_crash(gate, &disk, 0);
	peer_close(bob);
	peer_close(alice);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	assert_int_equal(take_retained(bob, false), 3);
	settle_for(gate, &disk, 200);
	peer_close(bob);
	gate_crash(gate, &disk, 0);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	assert_int_equal(take_retained(bob, false), 0);
	peer_close(bob);
}

/* More of them than the queue takes at once come anew after a crash: some twice, none not at all. */
static void more_of_it_than_a_queue_holds_too(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	struct peer *alice = lasting(gate, ALICE, V5, "alice");
	for (char c = '0'; c < '8'; c++)
		retain_kept(alice, (char[]){ 'r', '/', c, '\0' }, 1);
	limits.max_queued_messages = 4;
	nj_mqtt_fabric_set_limits(gate->fabric, &limits);
	nj_mqtt_fabric_settle(gate->fabric);
	struct peer *bob = lasting(gate, BOB, V5, "bob");
	struct nj_mqtt_filter f = { .filter = nj_view_str("r/#"), .qos = 1 };
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	send_packet(bob, &packet);
	settle_for(gate, &disk, 100);
	gate_crash(gate, &disk, 0);
	peer_close(bob);
	peer_close(alice);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	assert_int_equal(take_retained(bob, true), 0xff);
	settle_for(gate, &disk, 200);
	peer_close(bob);
	gate_crash(gate, &disk, 0);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "bob", false, 1000));
	assert_int_equal(take_retained(bob, false), 0);
	peer_close(bob);
}

static void a_cut_party_leaves_nothing(void **state)
{
	struct gate *gate = *state;
	away(gate, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 1, 1);
	settle_for(gate, &disk, 5);
	publish(alice, "a", "y", 1, 2);
	gate_cut(gate, gate->parties[BOB].uid);
	settle_for(gate, &disk, 5);
	for (size_t i = 0; i < DISK_ROWS; i++)
		assert_true(disk.rows[i].type == 0 || disk.rows[i].type == NJ_MESSAGES_SESSION_DROP);
	assert_int_equal(nj_mqtt_durable_state_of(nj_mqtt_fabric_broker(gate->fabric, 0)).queued_bytes, 0);
	peer_close(alice);
}

static void a_right_that_was_taken_holds_for_what_waits(void **state)
{
	static const struct nj_rights_rule few[] = { { NJ_SUBSCRIBE, false, "b" } };
	struct gate *gate = *state;
	away(gate, "#", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 1, 1);
	publish(alice, "b", "y", 1, 2);
	settle_for(gate, &disk, 5);
	gate_party(gate, BOB, "acme", "bob", few, 1);
	gate_crash(gate, &disk, 0);
	struct peer *bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	settle_for(gate, &disk, 10);
	expect_message(bob, "b", "y", 1);
	expect_nothing(bob);
	peer_close(bob);
	peer_close(alice);
}

static void relaxed_acknowledges_at_once(void **state)
{
	struct gate *gate = *state;
	away(gate, "a", 2);
	disk.relaxed = true;
	gate_crash(gate, &disk, 0);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	publish(alice, "a", "x", 1, 1);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 1), 0);
	settle_for(gate, &disk, 1000);
	assert_int_equal(disk.enqueued, 1);
	publish(alice, "a", "x", 2, 2); /* never twice, relaxed or not */
	expect_nothing(alice);
	settle_for(gate, &disk, 5);
	expect_ack(alice, NJ_MQTT_PUBREC, 2);
	peer_close(alice);
}

/* A session past its ceiling takes no more, and a publisher that nobody takes from hears so. */
static void ceilings(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	away(gate, "a", 1);
	limits.max_queued_messages = 2;
	nj_mqtt_fabric_set_limits(gate->fabric, &limits);
	nj_mqtt_fabric_settle(gate->fabric);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (uint16_t i = 1; i <= 3; i++)
		publish(alice, "a", "x", 1, i);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 1), 0);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 2), 0);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 3), NJ_MQTT_R_QUOTA_EXCEEDED);
	limits.max_queued_messages = 10;
	limits.customer_queued_bytes = 3 * (2 + NJ_MESSAGES_ROW_BYTES) - 1;
	nj_mqtt_fabric_set_limits(gate->fabric, &limits);
	nj_mqtt_fabric_settle(gate->fabric);
	publish(alice, "a", "x", 1, 4);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 4), NJ_MQTT_R_QUOTA_EXCEEDED);
	limits.customer_queued_bytes++;
	nj_mqtt_fabric_set_limits(gate->fabric, &limits);
	nj_mqtt_fabric_settle(gate->fabric);
	publish(alice, "a", "x", 1, 5);
	settle_for(gate, &disk, 5);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 5), 0);
	peer_close(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acknowledged_when_on_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(a_repetition_is_not_acknowledged_sooner, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_wait_for_acknowledgements_is_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_for_a_will_costs_no_session, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_refused_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_for_the_disk_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(an_earlier_connection_uses_no_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_sent_before_a_crash_stays_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(acknowledged_by_the_receiver, setup, teardown),
		cmocka_unit_test_setup_teardown(acknowledgements_keep_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(exactly_once_step_by_step, setup, teardown),
		cmocka_unit_test_setup_teardown(a_packet_identifier_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_waits_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_queue_comes_page_by_page, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_late_expires_over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(a_will_waits_over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(retained_messages_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_subscription_is_to_get_outlives_a_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(more_of_it_than_a_queue_holds_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_party_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_right_that_was_taken_holds_for_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(relaxed_acknowledges_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(ceilings, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
