/* $SYS topics: a customer's own numbers, for those who have a right to them, and nobody else's to publish. */
#include "unit/mqtt/client.h"

#include "base/text.h"
#include "mqtt/tally.h"

static const struct nj_rights_rule curious[] = {
	{ NJ_PUBLISH, false, "#" },
	{ NJ_PUBLISH, false, "$SYS/#" },
	{ NJ_SUBSCRIBE, false, "#" },
	{ NJ_SUBSCRIBE, false, "$SYS/#" },
};

static void open_curious(struct gate *gate, uint64_t interval_ms)
{
	struct nj_mqtt_limits limits = gate_limits;
	limits.sys_interval_ms = interval_ms;
	gate_open_with(gate, &limits);
	gate_party(gate, ALICE, "acme", "alice", curious, 4);
	gate_party(gate, CAROL, "zeta", "carol", curious, 4);
}

static void told(struct peer *peer, const char *name, const char *value)
{
	char topic[64];
	assert_int_equal(nj_text_format(topic, sizeof(topic), "$SYS/broker/%s", name), NJ_OK);
	expect_message(peer, topic, value, 0);
}

static void a_customer_hears_its_own_numbers(void **state)
{
	struct gate gate;
	open_curious(&gate, 10000);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V4, "b");
	struct peer *c = joined(&gate, CAROL, V5, "c");
	assert_int_equal(subscribe(a, "$SYS/broker/+", 0), 0);
	assert_int_equal(subscribe(a, "$SYS/broker/clients/#", 0), 0);
	assert_int_equal(subscribe(c, "$SYS/broker/clients/connected", 0), 0);
	subscribe(b, "#", 0);
	advance(&gate, 9999);
	expect_nothing(a);
	advance(&gate, 1);
	told(a, "version", "nightjar " NJ_VERSION);
	told(a, "uptime", "10");
	told(a, "clients/connected", "2");
	told(a, "clients/total", "2");
	expect_nothing(a);
	told(c, "clients/connected", "1");
	expect_nothing(c);
	expect_nothing(b);
	peer_close(b);
	advance(&gate, 5000);
	advance(&gate, 5000);
	told(a, "version", "nightjar " NJ_VERSION);
	told(a, "uptime", "20");
	told(a, "clients/connected", "1");
	told(a, "clients/total", "1");
	peer_close(a);
	peer_close(c);
	gate_close(&gate);
}

static void what_is_counted(void **state)
{
	struct gate gate;
	open_curious(&gate, 1000);
	struct peer *b = joined(&gate, BOB, V5, "b");
	subscribe(b, "t", 0);
	publish(b, "t", "1234", 1, 1);
	expect_message(b, "t", "1234", 0);
	expect_ack(b, NJ_MQTT_PUBACK, 1);
	retain(b, "r", "x");
	struct peer *a = joined(&gate, ALICE, V5, "a");
	assert_int_equal(subscribe(a, "$SYS/broker/publish/#", 0), 0);
	assert_int_equal(subscribe(a, "$SYS/broker/subscriptions/count", 0), 0);
	assert_int_equal(subscribe(a, "$SYS/broker/retained messages/count", 0), 0);
	advance(&gate, 500); /* other brokers' numbers are a little older */
	advance(&gate, 500);
	told(a, "subscriptions/count", "4");
	told(a, "publish/messages/received", "2");
	told(a, "publish/messages/sent", "1");
	told(a, "publish/bytes/received", "5");
	told(a, "publish/bytes/sent", "4");
	told(a, "retained messages/count", "1");
	expect_nothing(a);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void only_by_a_right_of_their_own(void **state)
{
	struct gate gate;
	open_curious(&gate, 1000);
	struct peer *b = joined(&gate, BOB, V5, "b");
	assert_int_equal(subscribe(b, "$SYS/#", 0), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(subscribe(b, "#", 0), 0);
	advance(&gate, 1000);
	expect_nothing(b);
	peer_close(b);
	gate_close(&gate);
}

static void nobody_publishes_there(void **state)
{
	struct gate gate;
	open_curious(&gate, 0);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	assert_int_equal(subscribe(a, "$SYS/#", 0), 0);
	publish(a, "$SYS/broker/uptime", "0", 1, 1);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_NOT_AUTHORIZED);
	struct peer *w = with_will_joined(&gate, ALICE, "$SYS/broker/uptime", 0, 0);
	peer_close(w);
	expect_nothing(a);
	advance(&gate, 1000000);
	expect_nothing(a);
	struct nj_mqtt_limits limits = gate_limits;
	limits.sys_interval_ms = 2000;
	nj_mqtt_fabric_set_limits(gate.fabric, &limits);
	nj_mqtt_fabric_settle(gate.fabric);
	advance(&gate, 2000);
	told(a, "version", "nightjar " NJ_VERSION);
	peer_close(a);
	gate_close(&gate);
}

static void brokers_may_count_together(void **state)
{
	struct gate gates[2];
	struct peer *peers[2];
	if (reactors_wanted() > 0)
		skip(); /* those of one gateway do */
	struct nj_mqtt_tallies *tallies = nj_mqtt_tallies_new();
	for (size_t i = 0; i < 2; i++) {
		open_curious(&gates[i], 1000);
		nj_mqtt_broker_share_tallies(nj_mqtt_fabric_broker(gates[i].fabric, 0), tallies, i == 1);
		peers[i] = joined(&gates[i], ALICE, V5, "a");
		subscribe(peers[i], "$SYS/broker/clients/connected", 0);
	}
	advance(&gates[0], 1000);
	expect_nothing(peers[0]);
	advance(&gates[1], 1000);
	told(peers[1], "clients/connected", "2");
	for (size_t i = 0; i < 2; i++) {
		peer_close(peers[i]);
		gate_close(&gates[i]);
	}
	nj_mqtt_tallies_free(tallies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_customer_hears_its_own_numbers), cmocka_unit_test(what_is_counted),
		cmocka_unit_test(only_by_a_right_of_their_own),     cmocka_unit_test(nobody_publishes_there),
		cmocka_unit_test(brokers_may_count_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
