/* Shared subscriptions: who of the members gets a message, by each policy; and limits, rights and ends of groups. */
#include "unit/mqtt/client.h"

#define MEMBERS 3

static void open_with_policy(struct gate *gate, enum nj_mqtt_share_policy policy)
{
	struct nj_mqtt_limits limits = gate_limits;
	limits.share_policy = policy;
	gate_open_with(gate, &limits);
}

static void open_members(struct gate *gate, struct peer *members[MEMBERS], const char *filter)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		char id[] = { 'm', (char)('0' + i), '\0' };
		members[i] = joined(gate, ALICE, V5, id);
		assert_int_equal(subscribe(members[i], filter, 1), 1);
	}
}

static void close_members(struct peer *members[MEMBERS])
{
	for (size_t i = 0; i < MEMBERS; i++)
		peer_close(members[i]);
}

static void publish_one(struct peer *from, const char *topic, uint16_t id)
{
	publish(from, topic, "x", 1, id);
	assert_int_equal(expect_ack(from, NJ_MQTT_PUBACK, id), 0);
}

/* Which member got the message; one alone must have. It acknowledges, unless `keep`. */
static size_t who_of(struct peer **members, size_t count, bool keep)
{
	size_t who = count;
	for (size_t i = 0; i < count; i++) {
		read_more(members[i]);
		if (members[i]->held == members[i]->packet_bytes)
			continue;
		assert_int_equal(who, count);
		who = i;
	}
	assert_true(who < count);
	uint16_t id = expect(members[who], NJ_MQTT_PUBLISH)->as.publish.packet_id;
	if (!keep)
		acknowledge(members[who], NJ_MQTT_PUBACK, id);
	return who;
}

static size_t who_got_it(struct peer *members[MEMBERS], bool keep)
{
	return who_of(members, MEMBERS, keep);
}

static void round_robin_goes_round(void **state)
{
	struct gate gate;
	struct peer *members[MEMBERS];
	open_with_policy(&gate, NJ_MQTT_SHARE_ROUND_ROBIN);
	open_members(&gate, members, "$share/g/t/#");
	struct peer *p = joined(&gate, BOB, V5, "p");
	size_t order[MEMBERS];
	unsigned seen = 0;
	for (uint16_t i = 0; i < MEMBERS; i++) {
		publish_one(p, "t", i + 1);
		order[i] = who_got_it(members, false);
		seen |= 1u << order[i];
	}
	assert_int_equal(seen, (1u << MEMBERS) - 1);
	for (uint16_t i = 0; i < 2 * MEMBERS; i++) {
		publish_one(p, "t", i + 1);
		assert_int_equal(who_got_it(members, false), order[i % MEMBERS]);
	}
	peer_close(p);
	close_members(members);
	gate_close(&gate);
}

static void least_queued_spares_the_slow(void **state)
{
	struct gate gate;
	struct peer *members[MEMBERS];
	open_with_policy(&gate, NJ_MQTT_SHARE_LEAST_QUEUED);
	open_members(&gate, members, "$share/g/t/#");
	struct peer *p = joined(&gate, BOB, V5, "p");
	publish_one(p, "t", 1);
	size_t slow = who_got_it(members, true);
	for (uint16_t i = 2; i < 10; i++) {
		publish_one(p, "t", i);
		assert_int_not_equal(who_got_it(members, false), slow);
	}
	peer_close(p);
	close_members(members);
	gate_close(&gate);
}

static void a_publisher_stays_with_its_member(void **state)
{
	struct gate gate;
	struct peer *members[MEMBERS];
	unsigned used = 0;
	struct nj_mqtt_limits limits = gate_limits;
	limits.share_policy = NJ_MQTT_SHARE_PUBLISHER;
	limits.max_sessions = 64;
	gate_open_with(&gate, &limits);
	open_members(&gate, members, "$share/g/t/#");
	for (char c = 'a'; c <= 'p'; c++) {
		char id[] = { c, '\0' };
		struct peer *p = joined(&gate, BOB, V5, id);
		publish_one(p, "t/1", 1);
		size_t who = who_got_it(members, false);
		publish_one(p, "t/2", 2);
		assert_int_equal(who_got_it(members, false), who);
		used |= 1u << who;
		peer_close(p);
	}
	assert_int_equal(used, (1u << MEMBERS) - 1);
	close_members(members);
	gate_close(&gate);
}

static void a_topic_stays_with_its_member(void **state)
{
	struct gate gate;
	struct peer *members[MEMBERS];
	size_t first[16];
	open_with_policy(&gate, NJ_MQTT_SHARE_TOPIC);
	open_members(&gate, members, "$share/g/t/#");
	struct peer *p = joined(&gate, BOB, V5, "p");
	for (uint16_t i = 0; i < 16; i++) {
		char topic[] = { 't', '/', (char)('a' + i), '\0' };
		publish_one(p, topic, i + 1);
		first[i] = who_got_it(members, false);
	}
	/* A member goes: only its topics move. */
	peer_close(members[0]);
	for (uint16_t i = 0; i < 16; i++) {
		char topic[] = { 't', '/', (char)('a' + i), '\0' };
		publish_one(p, topic, i + 1);
		size_t who = who_of(members + 1, MEMBERS - 1, false) + 1;
		if (first[i] != 0)
			assert_int_equal(who, first[i]);
	}
	peer_close(p);
	peer_close(members[1]);
	peer_close(members[2]);
	gate_close(&gate);
}

static void a_full_queue_is_the_last_choice(void **state)
{
	struct gate gate;
	open_with_policy(&gate, NJ_MQTT_SHARE_ROUND_ROBIN);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(a, "a", true);
	nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 1);
	assert_int_equal(connect_with(a, &hello)->as.connack.code, 0);
	subscribe(a, "$share/g/t", 1);
	struct peer *p = joined(&gate, BOB, V5, "p");
	for (uint16_t i = 1; i <= 1 + 10; i++)
		publish_one(p, "t", i);
	expect_message(a, "t", "x", 1);
	struct peer *b = joined(&gate, BOB, V5, "b");
	subscribe(b, "$share/g/t", 1);
	for (uint16_t i = 1; i <= 3; i++) {
		publish_one(p, "t", i);
		acknowledge(b, NJ_MQTT_PUBACK, expect_message(b, "t", "x", 1)->packet_id);
	}
	assert_int_equal(gate_counters(&gate).messages_dropped, 0);
	peer_close(a);
	peer_close(b);
	peer_close(p);
	gate_close(&gate);
}

/* Rights are those of now, and a member that has none is passed over. */
static void members_without_the_right_are_passed_over(void **state)
{
	/* What other brokers hold is not known that well. */
	if (reactors_wanted() > 0)
		skip();
	static const struct nj_rights_rule none[] = { { NJ_SUBSCRIBE, false, "other" } };
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V5, "b");
	struct peer *d = joined(&gate, DAVE, V5, "d");
	assert_int_equal(subscribe(d, "$share/g/cmd/#", 1), 1);
	assert_int_equal(subscribe(d, "$share/g/mine", 1), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(subscribe(a, "$share/g/cmd/#", 1), 1);
	for (uint16_t i = 1; i <= 2; i++) {
		publish_one(b, "cmd/secret/x", i);
		acknowledge(a, NJ_MQTT_PUBACK, expect_message(a, "cmd/secret/x", "x", 1)->packet_id);
	}
	gate_party(&gate, ALICE, "acme", "alice", none, 1);
	publish_one(b, "cmd/x", 3);
	expect_message(d, "cmd/x", "x", 1);
	publish(b, "cmd/secret/x", "x", 1, 4);
	assert_int_equal(expect_ack(b, NJ_MQTT_PUBACK, 4), NJ_MQTT_R_NO_SUBSCRIBERS);
	expect_nothing(a);
	expect_nothing(d);
	peer_close(a);
	peer_close(b);
	peer_close(d);
	gate_close(&gate);
}

static void a_revoked_member_leaves_its_work_to_others(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V5, "b");
	subscribe(a, "$share/g/t", 1);
	publish_one(b, "t", 1);
	expect_message(a, "t", "x", 1);
	subscribe(b, "$share/g/t", 1);
	assert_int_equal(gate_cut(&gate, gate.parties[ALICE].uid), 1);
	turns(&gate);
	assert_false(expect_message(b, "t", "x", 1)->dup);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void groups_are_counted_and_end_with_their_last_member(void **state)
{
	struct gate gate;
	gate_open(&gate);
	uint64_t before = gate_counters(&gate).memory_bytes;
	struct peer *a = joined(&gate, ALICE, V5, "a");
	for (char c = '1'; c <= '5'; c++) {
		char filter[] = "$share/g0/t";
		filter[8] = c;
		assert_int_equal(subscribe(a, filter, 0), 0);
	}
	assert_int_equal(subscribe(a, "$share/g6/t", 0), NJ_MQTT_R_QUOTA_EXCEEDED);
	assert_int_equal(subscribe(a, "t", 0), NJ_MQTT_R_QUOTA_EXCEEDED);
	unsubscribe(a, "$share/g1/t");
	unsubscribe(a, "t");
	assert_int_equal(subscribe(a, "t", 0), 0);
	publish(a, "t", "x", 0, 0);
	for (int i = 0; i < 5; i++)
		expect_message(a, "t", "x", 0);
	expect_nothing(a);
	peer_close(a);
	assert_int_equal(gate_counters(&gate).subscriptions, 0);
	assert_true(gate_counters(&gate).memory_bytes <= before + 4096);
	gate_close(&gate);
}

/* Whoever makes groups without end cannot make every SUBSCRIBE and every message go through all of them. */
static void so_many_groups_share_a_filter(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	char filter[32];
	limits.max_subscriptions = 2000;
	limits.max_memory_bytes = 8 << 20;
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	for (int i = 0; i < 1024; i++) {
		snprintf(filter, sizeof(filter), "$share/g%d/t", i);
		assert_int_equal(subscribe(a, filter, 0), 0);
	}
	assert_int_equal(subscribe(a, "$share/more/t", 0), NJ_MQTT_R_QUOTA_EXCEEDED);
	assert_int_equal(subscribe(a, "$share/more/u", 0), 0);
	assert_int_equal(subscribe(a, "$share/g7/t", 0), 0);
	unsubscribe(a, "$share/g7/t");
	assert_int_equal(subscribe(a, "$share/more/t", 0), 0);
	peer_close(a);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_groups_share_a_filter),
		cmocka_unit_test(round_robin_goes_round),
		cmocka_unit_test(least_queued_spares_the_slow),
		cmocka_unit_test(a_publisher_stays_with_its_member),
		cmocka_unit_test(a_topic_stays_with_its_member),
		cmocka_unit_test(a_full_queue_is_the_last_choice),
		cmocka_unit_test(members_without_the_right_are_passed_over),
		cmocka_unit_test(a_revoked_member_leaves_its_work_to_others),
		cmocka_unit_test(groups_are_counted_and_end_with_their_last_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
