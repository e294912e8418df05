/* Durability across brokers: one message's rows are on several, and each writes when it may. */
#include "mqtt/post.h"

#include "unit/mqtt/fake_disk.h"

#define BROKERS 2

static struct disk disk;

static int setup(void **state)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	struct nj_mqtt_limits limits = disk_limits();
	setenv("NJ_TEST_REACTORS", "2", 1);
	memset(&disk, 0, sizeof(disk));
	gate_open_with(gate, &limits);
	assert_int_equal(gate->reactor_count, BROKERS);
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

/* A client identifier whose session is at home at `place`. */
static const char *id_at(const struct gate *gate, size_t party, size_t place)
{
	static char ids[16][16];
	static unsigned used;
	char *id = ids[used++ % 16];
	for (unsigned n = 0;; n++) {
		snprintf(id, sizeof(ids[0]), "c%u", n);
		if (nj_mqtt_home(gate->fabric, gate->parties[party].uid, nj_view_str(id)) == place)
			return id;
	}
}

/* A topic whose retained messages the broker at `place` writes, as the gateway hashes now. */
static const char *topic_at(const struct gate *gate, size_t place)
{
	static char topic[16];
	for (unsigned n = 0;; n++) {
		int len = snprintf(topic, sizeof(topic), "t%u", n);
		if (nj_siphash13(gate->fabric->seed, topic, (size_t)len) % BROKERS == place)
			return topic;
	}
}

static void pass(struct gate *gate, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++)
		advance(gate, 1);
}

/* What the broker at `place` has handed over comes to the disk; the others' does not. */
static void commit_at(struct gate *gate, size_t place)
{
	pass(gate, 3);
	if (disk.ways[place].under_way != NULL)
		disk_commit_way(&disk.ways[place]);
	disk_collect(gate);
	turns(gate);
}

static void subscribe_unheard(struct peer *peer, const char *filter, uint8_t qos)
{
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = qos };
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	send_packet(peer, &packet);
}

/* The store drops rows of sessions that it does not know: a message that another broker writes waits for the session's
 * own row. */
static void a_session_is_on_disk_before_its_messages_are(void **state)
{
	struct gate *gate = *state;
	const char *bobs = id_at(gate, BOB, 1);
	struct peer *bob = peer_open(gate, BOB, V5);
	(void)join(bob, bobs, false, 1000);
	subscribe_unheard(bob, "a", 2);
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
	commit_at(gate, 0);
	publish(alice, "a", "x", 2, 3);
	for (int i = 0; i < 3; i++)
		commit_at(gate, 0);
	expect_nothing(alice);
	expect_nothing(bob);
	settle_for(gate, &disk, 200);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), 0);
	(void)expect(bob, NJ_MQTT_SUBACK);
	expect_message(bob, "a", "x", 2);
	gate_crash(gate, &disk, 0);
	peer_close(bob);
	bob = peer_open(gate, BOB, V5);
	assert_true(join(bob, bobs, false, 1000));
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_message(bob, "a", "x", 2)->dup, 1);
	peer_close(alice);
	peer_close(bob);
}

/* The same where the session ends first: nobody waits for ever. */
static void a_session_that_ends_holds_nothing_back(void **state)
{
	struct gate *gate = *state;
	struct peer *bob = peer_open(gate, BOB, V5);
	(void)join(bob, id_at(gate, BOB, 1), false, 1000);
	subscribe_unheard(bob, "a", 2);
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
	publish(alice, "a", "x", 2, 3);
	gate_cut(gate, gate->parties[BOB].uid);
	commit_at(gate, 1);
	settle_for(gate, &disk, 200);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), 0);
	peer_close(alice);
	peer_close(bob);
}

/* A retained message with QoS 2 is on disk before its identifier is: its repetition after a crash is not retained
 * again. */
static void a_retained_message_is_on_disk_before_its_identifier(void **state)
{
	struct gate *gate = *state;
	const char *alices = id_at(gate, ALICE, 0);
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, alices, false, 1000);
	settle_for(gate, &disk, 150);
	struct nj_mqtt_packet packet = publish_packet(topic_at(gate, 1), "kept", 2, 3);
	packet.as.publish.retain = true;
	send_packet(alice, &packet);
	for (int i = 0; i < 3; i++)
		commit_at(gate, 0);
	expect_nothing(alice);
	gate_crash(gate, &disk, 0);
	peer_close(alice);
	alice = peer_open(gate, ALICE, V5);
	assert_true(join(alice, alices, false, 1000));
	packet.as.publish.dup = true;
	send_packet(alice, &packet);
	settle_for(gate, &disk, 20);
	assert_true(expect_ack(alice, NJ_MQTT_PUBREC, 3) < NJ_MQTT_R_UNSPECIFIED);
	gate_crash(gate, &disk, 0);
	assert_int_equal(gate_counters(gate).retained, 1);
	peer_close(alice);
}

/* What the writer of retained messages cannot write is refused as a whole: the identifier is free again. */
static void a_retained_message_without_room_is_refused_whole(void **state)
{
	struct gate *gate = *state;
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
	settle_for(gate, &disk, 150);
	struct nj_mqtt_packet packet = publish_packet(topic_at(gate, 1), "", 2, 3);
	packet.as.publish.retain = true;
	disk.fails = NJ_ERR_FULL;
	send_packet(alice, &packet);
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), NJ_MQTT_R_QUOTA_EXCEEDED);
	disk.fails = NJ_OK;
	settle_for(gate, &disk, 500);
	publish(alice, "b", "new", 2, 3);
	settle_for(gate, &disk, 20);
	assert_int_equal(expect_ack(alice, NJ_MQTT_PUBREC, 3), NJ_MQTT_R_NO_SUBSCRIBERS);
	peer_close(alice);
}

/* At whatever step memory ends: what is acknowledged reaches its receiver, on the other broker too. */
static void without_memory_nothing_is_acknowledged(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	struct peer *bob = peer_open(gate, BOB, V5);
	(void)join(bob, id_at(gate, BOB, 1), false, 1000);
	subscribe_unheard(bob, "a", 2);
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
	settle_for(gate, &disk, 150);
	(void)expect(bob, NJ_MQTT_SUBACK);
	uint64_t used = gate_counters(gate).memory_bytes;
	uint8_t code = NJ_MQTT_R_QUOTA_EXCEEDED;
	for (size_t more = 0; code == NJ_MQTT_R_QUOTA_EXCEEDED && more < 32768; more += 16) {
		limits.max_memory_bytes = used + more;
		gate_limit(gate, &limits);
		publish(alice, "a", "x", 2, 1);
		settle_for(gate, &disk, 25);
		code = expect_ack(alice, NJ_MQTT_PUBREC, 1);
	}
	assert_int_equal(code, 0);
	expect_message(bob, "a", "x", 2);
	peer_close(alice);
	peer_close(bob);
}

/* The same for a retained message and the broker that writes it. */
static void without_memory_nothing_is_retained(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = disk_limits();
	struct peer *alice = peer_open(gate, ALICE, V5);
	(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
	settle_for(gate, &disk, 150);
	uint64_t used = gate_counters(gate).memory_bytes;
	uint8_t code = NJ_MQTT_R_QUOTA_EXCEEDED;
	struct nj_mqtt_packet packet = publish_packet(topic_at(gate, 1), "x", 1, 1);
	packet.as.publish.retain = true;
	for (size_t more = 0; code == NJ_MQTT_R_QUOTA_EXCEEDED && more < 32768; more += 16) {
		limits.max_memory_bytes = used + more;
		gate_limit(gate, &limits);
		send_packet(alice, &packet);
		settle_for(gate, &disk, 25);
		code = expect_ack(alice, NJ_MQTT_PUBACK, 1);
	}
	assert_true(code < NJ_MQTT_R_UNSPECIFIED);
	gate_crash(gate, &disk, 0);
	assert_int_equal(gate_counters(gate).retained, 1);
	peer_close(alice);
}

/* The end comes while one broker waits for another's disk: nothing is left behind. */
static void the_end_while_a_group_waits(void **state)
{
	struct gate *gate = *state;
	for (size_t place = 0; place < BROKERS; place++) {
		struct peer *alice = peer_open(gate, ALICE, V5);
		(void)join(alice, id_at(gate, ALICE, 0), false, 1000);
		struct peer *bob = peer_open(gate, BOB, V5);
		(void)join(bob, id_at(gate, BOB, 1), false, 1000);
		subscribe_unheard(bob, "#", 2);
		struct nj_mqtt_packet packet = publish_packet(topic_at(gate, place), "x", 2, 3);
		packet.as.publish.retain = true;
		send_packet(alice, &packet);
		pass(gate, 3);
		gate_crash(gate, &disk, 0);
		peer_close(alice);
		peer_close(bob);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_is_on_disk_before_its_messages_are, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_that_ends_holds_nothing_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_retained_message_is_on_disk_before_its_identifier, setup, teardown),
		cmocka_unit_test_setup_teardown(a_retained_message_without_room_is_refused_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_retained, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_while_a_group_waits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
