/* The gateway's own topics: between one client and the gateway, and nobody else. */
#include "unit/mqtt/client.h"

#define OWN "$nightjar/rekey/stored"

static const struct nj_rights_rule everything[] = {
	{ NJ_PUBLISH, false, "#" },
	{ NJ_PUBLISH, false, "$nightjar/#" },
	{ NJ_SUBSCRIBE, false, "#" },
	{ NJ_SUBSCRIBE, false, "$nightjar/#" },
};

static void open_all(struct gate *gate)
{
	gate_open(gate);
	gate_party(gate, ALICE, "acme", "alice", everything, 4);
	gate_party(gate, BOB, "acme", "bob", everything, 4);
}

static void told_to_the_gateway_alone(void **state)
{
	struct gate gate;
	open_all(&gate);
	gate.takes_own = true;
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V4, "b");
	subscribe(b, "#", 0);
	/* No rule of a profile gives it. */
	assert_int_equal(subscribe(b, OWN, 0), NJ_MQTT_R_UNSPECIFIED);
	assert_int_equal(subscribe(a, "$nightjar/#", 0), NJ_MQTT_R_NOT_AUTHORIZED);
	publish(a, OWN, "x", 1, 1);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_SUCCESS);
	publish(a, OWN, "x", 0, 0);
	turns(&gate);
	assert_int_equal(gate.own, 2);
	expect_nothing(a);
	expect_nothing(b);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void what_the_gateway_does_not_take_is_denied(void **state)
{
	struct gate gate;
	open_all(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	publish(a, OWN, "x", 1, 1);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(gate.own, 1);
	gate.takes_own = true;
	/* Not QoS 2, not retained. */
	publish(a, OWN, "x", 2, 2);
	assert_int_equal(expect_ack(a, NJ_MQTT_PUBREC, 2), NJ_MQTT_R_NOT_AUTHORIZED);
	retain(a, OWN, "x");
	turns(&gate);
	assert_int_equal(gate.own, 1);
	assert_int_equal(gate.denied, 3);
	assert_int_equal(gate_counters(&gate).retained, 0);
	peer_close(a);
	gate_close(&gate);
}

static void a_will_to_them_is_not_published(void **state)
{
	struct gate gate;
	open_all(&gate);
	gate.takes_own = true;
	struct peer *b = with_will_joined(&gate, BOB, OWN, 0, 0);
	peer_close(b);
	turns(&gate);
	assert_int_equal(gate.own, 0);
	assert_int_equal(gate_counters(&gate).wills, 0);
	gate_close(&gate);
}

static void the_gateway_tells_one_client(void **state)
{
	static const uint8_t versions[] = { V4, V5 };
	for (size_t i = 0; i < 2; i++) {
		struct gate gate;
		open_all(&gate);
		struct nj_mqtt_entry entry = { .party = &gate.parties[ALICE], .tag = 77 };
		struct peer *b = joined(&gate, BOB, versions[i], "b");
		assert_int_equal(gate.last_tag, 0);
		subscribe(b, "#", 0);
		struct peer *a = peer_open_as(&gate, &entry, versions[i]);
		join(a, "a", true, 0);
		assert_int_equal(gate.last_tag, 77);
		assert_int_equal(gate_tell(&gate, 77, nj_view_str("$nightjar/rekey/offer"), nj_view_str("hello")),
				 NJ_OK);
		assert_int_equal(gate_tell(&gate, 78, nj_view_str("t"), nj_view_str("hello")), NJ_ERR_NOT_FOUND);
		expect_message(a, "$nightjar/rekey/offer", "hello", 0);
		expect_nothing(b);
		peer_close(a);
		peer_close(b);
		gate_close(&gate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_to_the_gateway_alone),
		cmocka_unit_test(what_the_gateway_does_not_take_is_denied),
		cmocka_unit_test(a_will_to_them_is_not_published),
		cmocka_unit_test(the_gateway_tells_one_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
