/* The broker as its clients see it: messages and sessions, over real connections. */
#include "unit/mqtt/client.h"

/* --- messages --- */

static void messages_reach_subscribers_of_both_versions(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V4, "b");
	assert_int_equal(subscribe(b, "t/+", 1), 1);
	assert_int_equal(subscribe(a, "t/#", 2), 2);
	publish(a, "t/1", "zero", 0, 0);
	expect_message(a, "t/1", "zero", 0);
	expect_message(b, "t/1", "zero", 0);
	publish(b, "t/2", "one", 1, 7);
	expect_message(b, "t/2", "one", 1);
	acknowledge(b, NJ_MQTT_PUBACK, b->packet.as.publish.packet_id);
	assert_int_equal(expect_ack(b, NJ_MQTT_PUBACK, 7), 0);
	expect_message(a, "t/2", "one", 1);
	publish(a, "other", "x", 1, 5);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 5), NJ_MQTT_R_NO_SUBSCRIBERS);
	unsubscribe(b, "t/+");
	publish(a, "t/1", "gone", 0, 0);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void qos_2_is_delivered_once(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V4, "b");
	subscribe(b, "t", 2);
	publish(a, "t", "x", 2, 3);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBREC, 3), 0);
	struct nj_mqtt_packet again = publish_packet("t", "x", 2, 3);
	again.as.publish.dup = true;
	send_packet(a, &again);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBREC, 3), 0);
	uint16_t id = expect_message(b, "t", "x", 2)->packet_id;
	expect_nothing(b);
	acknowledge(a, NJ_MQTT_PUBREL, 3);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBCOMP, 3), 0);
	acknowledge(a, NJ_MQTT_PUBREL, 3);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBCOMP, 3), NJ_MQTT_R_PACKET_ID_UNKNOWN);
	acknowledge(b, NJ_MQTT_PUBREC, id);
	expect_ack(b, NJ_MQTT_PUBREL, id);
	acknowledge(b, NJ_MQTT_PUBCOMP, id);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void nothing_crosses_customers(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "same");
	struct peer *c = joined(&gate, CAROL, V5, "same");
	subscribe(c, "#", 0);
	publish(a, "t", "x", 0, 0);
	retain(a, "r", "x");
	expect_nothing(c);
	subscribe(c, "#", 0);
	expect_nothing(c);
	assert_int_equal(gate_publish(&gate, "zeta", nj_view_str("t"), nj_view_str("own"), 0, false), NJ_OK);
	expect_message(c, "t", "own", 0);
	peer_close(a);
	peer_close(c);
	gate_close(&gate);
}

static void overlapping_subscriptions_give_one_copy(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct nj_mqtt_filter low = { .filter = nj_view_str("t/#"), .qos = 0 };
	struct nj_mqtt_filter high = { .filter = nj_view_str("t/+"), .qos = 1 };
	subscribe_with(a, &low, 11);
	subscribe_with(a, &high, 300);
	publish(a, "t/x", "m", 1, 1);
	expect_message(a, "t/x", "m", 1);
	uint32_t ids = 0;
	struct nj_mqtt_item item;
	for (size_t cursor = 0; nj_mqtt_properties_next(&a->packet.properties, &cursor, &item);)
		ids += item.number;
	assert_int_equal(ids, 311);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	expect_nothing(a);
	peer_close(a);
	gate_close(&gate);
}

static void subscription_options_are_kept(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V5, "b");
	struct nj_mqtt_filter mute = { .filter = nj_view_str("t"), .no_local = true, .retain_as_published = true };
	subscribe_with(a, &mute, 0);
	publish(a, "t", "own", 0, 0);
	expect_nothing(a);
	retain(b, "t", "kept");
	assert_true(expect_message(a, "t", "kept", 0)->retain);
	subscribe(a, "t", 0);
	assert_true(expect_message(a, "t", "kept", 0)->retain);
	retain(b, "t", "again");
	assert_false(expect_message(a, "t", "again", 0)->retain);
	struct nj_mqtt_filter if_new = { .filter = nj_view_str("t"), .retain_handling = 1 };
	subscribe_with(a, &if_new, 0);
	expect_nothing(a);
	subscribe_with(b, &if_new, 0);
	expect_message(b, "t", "again", 0);
	struct nj_mqtt_filter never = { .filter = nj_view_str("#"), .retain_handling = 2 };
	subscribe_with(b, &never, 0);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void properties_are_forwarded_and_expiry_runs(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = peer_open(&gate, BOB, V5);
	join(b, "b", true, 100);
	subscribe(b, "t", 1);
	peer_close(b);
	struct nj_mqtt_packet m = publish_packet("t", "m", 1, 1);
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_MESSAGE_EXPIRY, 10);
	nj_mqtt_set_data(&m.properties, NJ_MQTT_P_CONTENT_TYPE, nj_view_str("text/plain"));
	nj_mqtt_set_data(&m.properties, NJ_MQTT_P_RESPONSE_TOPIC, nj_view_str("r"));
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 1);
	send_packet(a, &m);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	m.as.publish.packet_id = 2;
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_MESSAGE_EXPIRY, 3);
	send_packet(a, &m);
	expect_ack(a, NJ_MQTT_PUBACK, 2);
	advance(&gate, 4000);
	b = peer_open(&gate, BOB, V5);
	assert_true(join(b, "b", false, 100));
	expect_message(b, "t", "m", 1);
	assert_int_equal(nj_mqtt_number(&b->packet.properties, NJ_MQTT_P_MESSAGE_EXPIRY, 0), 6);
	assert_true(nj_mqtt_has(&b->packet.properties, NJ_MQTT_P_RESPONSE_TOPIC));
	assert_false(nj_mqtt_has(&b->packet.properties, NJ_MQTT_P_TOPIC_ALIAS));
	expect_nothing(b);
	assert_int_equal(gate_counters(&gate).messages_dropped, 1);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void topic_aliases_of_clients(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "#", 0);
	struct nj_mqtt_packet m = publish_packet("first", "1", 0, 0);
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 2);
	send_packet(a, &m);
	expect_message(a, "first", "1", 0);
	m.as.publish.topic = nj_view_of(NULL, 0);
	send_packet(a, &m);
	expect_message(a, "first", "1", 0);
	m.as.publish.topic = nj_view_str("second");
	send_packet(a, &m);
	expect_message(a, "second", "1", 0);
	m.as.publish.topic = nj_view_of(NULL, 0);
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 3);
	send_packet(a, &m);
	expect_closed_with(a, NJ_MQTT_R_BAD_TOPIC_ALIAS);
	struct peer *b = joined(&gate, ALICE, V5, "b");
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 1);
	send_packet(b, &m);
	expect_closed_with(b, NJ_MQTT_R_BAD_TOPIC_ALIAS);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

/* --- sessions --- */

static void a_session_waits_for_its_client(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = peer_open(&gate, BOB, V4);
	assert_false(join(b, "b", false, 0));
	subscribe(b, "t", 1);
	publish(a, "t", "sent", 1, 1);
	expect_ack(a, NJ_MQTT_PUBACK, 1);
	uint16_t id = expect_message(b, "t", "sent", 1)->packet_id;
	peer_close(b);
	publish(a, "t", "queued", 1, 2);
	expect_ack(a, NJ_MQTT_PUBACK, 2);
	publish(a, "t", "not queued", 0, 0);
	b = peer_open(&gate, BOB, V4);
	assert_true(join(b, "b", false, 0));
	const struct nj_mqtt_publish *m = expect_message(b, "t", "sent", 1);
	assert_true(m->dup);
	assert_int_equal(m->packet_id, id);
	assert_false(expect_message(b, "t", "queued", 1)->dup);
	expect_nothing(b);
	peer_close(b);
	b = peer_open(&gate, BOB, V4);
	assert_false(join(b, "b", true, 0));
	publish(a, "t", "no subscription now", 0, 0);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void qos_2_goes_on_after_a_reconnect(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V4, "a");
	struct peer *b = peer_open(&gate, BOB, V5);
	join(b, "b", true, 100);
	subscribe(b, "t", 2);
	publish(a, "t", "x", 2, 1);
	expect_ack(a, NJ_MQTT_PUBREC, 1);
	uint16_t id = expect_message(b, "t", "x", 2)->packet_id;
	acknowledge(b, NJ_MQTT_PUBREC, id);
	expect_ack(b, NJ_MQTT_PUBREL, id);
	peer_close(b);
	b = peer_open(&gate, BOB, V5);
	assert_true(join(b, "b", false, 100));
	expect_ack(b, NJ_MQTT_PUBREL, id);
	acknowledge(b, NJ_MQTT_PUBCOMP, id);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void sessions_expire(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *b = peer_open(&gate, BOB, V5);
	join(b, "b", true, 10);
	peer_close(b);
	advance(&gate, 9999);
	assert_int_equal(gate_counters(&gate).sessions, 1);
	advance(&gate, 1);
	assert_int_equal(gate_counters(&gate).sessions, 0);
	b = peer_open(&gate, BOB, V5);
	assert_false(join(b, "b", false, UINT32_MAX));
	assert_int_equal(nj_mqtt_number(&b->packet.properties, NJ_MQTT_P_SESSION_EXPIRY, 0), 3600);
	struct nj_mqtt_packet bye = { .type = NJ_MQTT_DISCONNECT };
	nj_mqtt_set_number(&bye.properties, NJ_MQTT_P_SESSION_EXPIRY, 0);
	send_packet(b, &bye);
	assert_int_equal(gate_counters(&gate).sessions, 0);
	expect_closed(b);
	peer_close(b);
	gate_close(&gate);
}

static void a_second_connection_takes_over(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct peer *other = joined(&gate, BOB, V5, "a");
	join(a, "a", true, 100);
	subscribe(a, "t", 1);
	struct peer *b = peer_open(&gate, ALICE, V4);
	assert_true(join(b, "a", false, 0));
	expect_closed_with(a, NJ_MQTT_R_TAKEN_OVER);
	assert_int_equal(gate.last_close, NJ_CLOSE_EVICTED);
	publish(b, "t", "x", 0, 0);
	expect_message(b, "t", "x", 0);
	expect_nothing(other);
	peer_close(a);
	peer_close(b);
	peer_close(other);
	gate_close(&gate);
}

static void flow_control_and_the_queue(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V4, "a");
	struct peer *b = peer_open(&gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(b, "b", true);
	nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 2);
	assert_int_equal(connect_with(b, &hello)->as.connack.code, 0);
	assert_int_equal(nj_mqtt_number(&b->packet.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 0), 4);
	subscribe(b, "t", 1);
	for (uint16_t i = 1; i <= 2 + 10 + 1; i++) {
		publish(a, "t", "x", 1, i);
		expect_ack(a, NJ_MQTT_PUBACK, i);
	}
	uint16_t first = expect_message(b, "t", "x", 1)->packet_id;
	uint16_t second = expect_message(b, "t", "x", 1)->packet_id;
	assert_int_not_equal(first, second);
	expect_nothing(b);
	assert_int_equal(gate_counters(&gate).messages_dropped, 1);
	for (int i = 0; i < 10; i++) {
		acknowledge(b, NJ_MQTT_PUBACK, i % 2 == 0 ? second : first);
		uint16_t next = expect_message(b, "t", "x", 1)->packet_id;
		if (i % 2 == 0)
			second = next;
		else
			first = next;
		expect_nothing(b);
	}
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void the_clients_receive_maximum_is_ours(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	for (uint16_t i = 1; i <= 4; i++) {
		publish(a, "t", "x", 2, i);
		expect_ack(a, NJ_MQTT_PUBREC, i);
	}
	publish(a, "t", "x", 2, 5);
	expect_closed_with(a, NJ_MQTT_R_RECEIVE_MAXIMUM);
	peer_close(a);
	gate_close(&gate);
}

static void limits_of_subscriptions_sessions_and_topics(void **state)
{
	static const char *const filters[] = { "1", "2", "3", "4", "5" };
	struct gate gate;
	struct peer *peers[6];
	gate_open(&gate);
	for (size_t i = 0; i < 6; i++) {
		char id[2] = { (char)('a' + i), '\0' };
		peers[i] = joined(&gate, ALICE, V5, id);
	}
	struct peer *over = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(over, "one more", true);
	assert_int_equal(connect_with(over, &hello)->as.connack.code, NJ_MQTT_R_QUOTA_EXCEEDED);
	expect_closed(over);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(subscribe(peers[0], filters[i], 0), 0);
	assert_int_equal(subscribe(peers[0], "6", 0), NJ_MQTT_R_QUOTA_EXCEEDED);
	assert_int_equal(subscribe(peers[0], "5", 1), 1);
	assert_int_equal(subscribe(peers[1], "1/2/3/4/5/6/7/8", 1), 1);
	assert_int_equal(subscribe(peers[1], "1/2/3/4/5/6/7/8/9", 1), NJ_MQTT_R_BAD_TOPIC_FILTER);
	publish(peers[1], "1/2/3/4/5/6/7/8", "x", 0, 0);
	expect_message(peers[1], "1/2/3/4/5/6/7/8", "x", 0);
	publish(peers[1], "1/2/3/4/5/6/7/8/9", "x", 0, 0);
	expect_closed_with(peers[1], NJ_MQTT_R_BAD_TOPIC_NAME);
	for (size_t i = 0; i < 6; i++)
		peer_close(peers[i]);
	peer_close(over);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_reach_subscribers_of_both_versions),
		cmocka_unit_test(qos_2_is_delivered_once),
		cmocka_unit_test(nothing_crosses_customers),
		cmocka_unit_test(overlapping_subscriptions_give_one_copy),
		cmocka_unit_test(subscription_options_are_kept),
		cmocka_unit_test(properties_are_forwarded_and_expiry_runs),
		cmocka_unit_test(topic_aliases_of_clients),
		cmocka_unit_test(a_session_waits_for_its_client),
		cmocka_unit_test(qos_2_goes_on_after_a_reconnect),
		cmocka_unit_test(sessions_expire),
		cmocka_unit_test(a_second_connection_takes_over),
		cmocka_unit_test(flow_control_and_the_queue),
		cmocka_unit_test(the_clients_receive_maximum_is_ours),
		cmocka_unit_test(limits_of_subscriptions_sessions_and_topics),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
