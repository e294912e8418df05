/* Topic contracts as clients see them: each breach with its reason code, in both versions, and at each delivery. */
#include "unit/mqtt/client.h"

static const struct nj_rights_rule rules[] = {
	{ NJ_PUBLISH, false, "q", "{\"max_qos\":1}" },
	{ NJ_PUBLISH, false, "r", "{\"retain\":false}" },
	{ NJ_PUBLISH, false, "s", "{\"max_bytes\":3}" },
	{ NJ_PUBLISH, false, "n", "{\"rate\":\"1/s\",\"burst\":2}" },
	{ NJ_PUBLISH, false, "p",
	  "{\"json\":{\"type\":\"object\",\"required\":[\"t\"],\"properties\":"
	  "{\"t\":{\"type\":\"number\",\"maximum\":125,\"unit\":\"Cel\"}}}}" },
	{ NJ_PUBLISH, false, "free" },
	{ NJ_SUBSCRIBE, false, "low/#", "{\"max_qos\":1}" },
	{ NJ_SUBSCRIBE, false, "fresh/#", "{\"retain\":false}" },
	{ NJ_SUBSCRIBE, false, "small/#", "{\"max_bytes\":3}" },
	{ NJ_SUBSCRIBE, false, "free" },
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static void open_with_contracts(struct gate *gate)
{
	gate_open(gate);
	gate_party(gate, DAVE, "acme", "dave", rules, RULES);
}

static void close_with_contracts(struct gate *gate)
{
	free(gate->parties[DAVE].meters);
	gate_close(gate);
}

static const struct {
	const char *topic;
	const char *good;
	const char *bad;
	uint8_t bad_qos;
	bool bad_retain;
	enum nj_breach breach;
	uint8_t ack;  /* PUBACK's and PUBREC's reason */
	uint8_t last; /* DISCONNECT's, past the limit */
} breaches[] = {
	{ "q", "x", "x", 2, false, NJ_BREACH_QOS, NJ_MQTT_R_NOT_AUTHORIZED, NJ_MQTT_R_NO_QOS },
	{ "r", "x", "x", 1, true, NJ_BREACH_RETAIN, NJ_MQTT_R_NOT_AUTHORIZED, NJ_MQTT_R_NO_RETAIN },
	{ "s", "123", "1234", 1, false, NJ_BREACH_SIZE, NJ_MQTT_R_QUOTA_EXCEEDED, NJ_MQTT_R_TOO_LARGE },
	{ "p", "{\"t\":125}", "{\"t\":126}", 1, false, NJ_BREACH_PAYLOAD, NJ_MQTT_R_BAD_PAYLOAD_FORMAT,
	  NJ_MQTT_R_BAD_PAYLOAD_FORMAT },
};

static void publish_bad(struct peer *peer, size_t i, uint8_t qos, uint16_t id)
{
	struct nj_mqtt_packet packet = publish_packet(breaches[i].topic, breaches[i].bad, qos, id);

	packet.as.publish.retain = breaches[i].bad_retain;
	send_packet(peer, &packet);
}

/* Reason codes are such as the packet may carry, the good message passes, the bad one reaches nobody. */
static void each_breach_has_its_reason(void **state)
{
	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		struct gate gate;
		open_with_contracts(&gate);
		struct peer *hears = joined(&gate, ALICE, V5, "a");
		struct peer *says = joined(&gate, DAVE, V5, "d");
		uint8_t qos = breaches[i].bad_qos;

		subscribe(hears, "#", 0);
		publish(says, breaches[i].topic, breaches[i].good, 1, 1);
		assert_int_equal(expect_ack(says, NJ_MQTT_PUBACK, 1), 0);
		expect_message(hears, breaches[i].topic, breaches[i].good, 0);
		publish_bad(says, i, qos, 2);
		assert_int_equal(expect_ack(says, qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, 2), breaches[i].ack);
		assert_true(nj_mqtt_reason_legal(breaches[i].ack, NJ_MQTT_IN_PUBLISH_ACKS));
		assert_int_equal(gate.denied, 1);
		expect_nothing(hears);
		assert_int_equal(gate_counters(&gate).messages_denied, 1);
		peer_close(hears);
		peer_close(says);
		close_with_contracts(&gate);
	}
}

/* gate_limits.denied_publish_limit is 3: a fourth on the same connection ends it. A QoS breach has no QoS 0. */
static void many_breaches_disconnect(void **state)
{
	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		struct gate gate;
		open_with_contracts(&gate);
		struct peer *says = joined(&gate, DAVE, V5, "d");
		uint8_t qos = breaches[i].breach == NJ_BREACH_QOS ? 2 : 0;

		for (uint16_t n = 1; n <= 3; n++) {
			publish_bad(says, i, qos, qos > 0 ? n : 0);
			if (qos > 0)
				assert_int_equal(expect_ack(says, NJ_MQTT_PUBREC, n), breaches[i].ack);
		}
		expect_nothing(says);
		publish_bad(says, i, qos, qos > 0 ? 4 : 0);
		expect_closed_with(says, breaches[i].last);
		peer_close(says);
		close_with_contracts(&gate);
	}
}

/* 3.1.1 can only acknowledge or close: an acknowledgement would be a lie. */
static void version_311_is_closed(void **state)
{
	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		struct gate gate;
		open_with_contracts(&gate);
		struct peer *says = joined(&gate, DAVE, V4, "d");

		publish_bad(says, i, breaches[i].bad_qos, 2);
		expect_closed(says);
		assert_int_equal(gate.last_reason, breaches[i].last);
		peer_close(says);
		close_with_contracts(&gate);
	}
}

/* All connections of a party use one bucket; a message that repeats a QoS 2 id uses none. */
static void a_rate_is_the_partys(void **state)
{
	struct gate gate;
	open_with_contracts(&gate);
	struct peer *one = joined(&gate, DAVE, V5, "1");
	struct peer *two = joined(&gate, DAVE, V5, "2");

	publish(one, "n", "x", 2, 1);
	assert_int_equal(expect_ack(one, NJ_MQTT_PUBREC, 1), NJ_MQTT_R_NO_SUBSCRIBERS);
	publish(one, "n", "x", 2, 1);
	assert_int_equal(expect_ack(one, NJ_MQTT_PUBREC, 1), 0);
	publish(two, "n", "x", 1, 1);
	assert_int_equal(expect_ack(two, NJ_MQTT_PUBACK, 1), NJ_MQTT_R_NO_SUBSCRIBERS);
	publish(two, "n", "x", 1, 2);
	assert_int_equal(expect_ack(two, NJ_MQTT_PUBACK, 2), NJ_MQTT_R_QUOTA_EXCEEDED);
	advance(&gate, 999);
	publish(one, "n", "x", 1, 3);
	assert_int_equal(expect_ack(one, NJ_MQTT_PUBACK, 3), NJ_MQTT_R_QUOTA_EXCEEDED);
	advance(&gate, 1);
	publish(one, "n", "x", 1, 4);
	assert_int_equal(expect_ack(one, NJ_MQTT_PUBACK, 4), NJ_MQTT_R_NO_SUBSCRIBERS);
	publish(one, "n", "x", 0, 0);
	publish(one, "n", "x", 0, 0);
	publish(one, "n", "x", 0, 0);
	expect_closed_with(one, NJ_MQTT_R_RATE_TOO_HIGH);
	peer_close(one);
	peer_close(two);
	close_with_contracts(&gate);
}

static void a_higher_qos_is_granted_lower(void **state)
{
	struct gate gate;
	open_with_contracts(&gate);
	struct peer *says = joined(&gate, ALICE, V5, "a");
	struct peer *hears = joined(&gate, DAVE, V5, "d");
	struct peer *old = joined(&gate, DAVE, V4, "e");

	assert_int_equal(subscribe(hears, "low/1", 0), 0);
	assert_int_equal(subscribe(hears, "low/1", 1), 1);
	assert_int_equal(subscribe(hears, "low/1", 2), 1);
	assert_int_equal(subscribe(old, "low/#", 2), 1);
	assert_int_equal(subscribe(hears, "other", 2), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(subscribe(old, "other", 2), NJ_MQTT_R_UNSPECIFIED);
	publish(says, "low/1", "x", 2, 1);
	expect_message(hears, "low/1", "x", 1);
	expect_message(old, "low/1", "x", 1);
	peer_close(says);
	peer_close(hears);
	peer_close(old);
	close_with_contracts(&gate);
}

static void deliveries_are_checked(void **state)
{
	struct gate gate;
	open_with_contracts(&gate);
	struct peer *says = joined(&gate, ALICE, V5, "a");
	struct peer *hears = joined(&gate, DAVE, V5, "d");

	retain(says, "fresh/1", "old");
	retain(says, "small/1", "1234");
	retain(says, "small/2", "123");
	subscribe(hears, "fresh/1", 1);
	expect_nothing(hears);
	publish(says, "fresh/1", "new", 0, 0);
	expect_message(hears, "fresh/1", "new", 0);
	subscribe(hears, "small/#", 1);
	expect_message(hears, "small/2", "123", 0);
	expect_nothing(hears);
	publish(says, "small/1", "1234", 1, 1);
	expect_nothing(hears);
	publish(says, "small/1", "321", 1, 2);
	expect_message(hears, "small/1", "321", 1);
	peer_close(says);
	peer_close(hears);
	close_with_contracts(&gate);
}

/* What waits for a session is asked for the contract of the moment at which it is sent. */
static void a_changed_contract_acts_on_what_is_queued(void **state)
{
	static const struct nj_rights_rule tighter[] = { { NJ_SUBSCRIBE, false, "small/#", "{\"max_bytes\":2}" } };
	struct gate gate;
	open_with_contracts(&gate);
	struct peer *says = joined(&gate, ALICE, V5, "a");
	struct peer *hears = peer_open(&gate, DAVE, V5);

	join(hears, "d", true, 3600);
	subscribe(hears, "small/#", 1);
	peer_close(hears);
	publish(says, "small/1", "123", 1, 1);
	publish(says, "small/1", "12", 1, 2);
	gate_party(&gate, DAVE, "acme", "dave", tighter, 1);
	hears = peer_open(&gate, DAVE, V5);
	assert_true(join(hears, "d", false, 3600));
	expect_message(hears, "small/1", "12", 1);
	expect_nothing(hears);
	publish(says, "small/1", "123", 1, 3);
	expect_nothing(hears);
	peer_close(says);
	peer_close(hears);
	close_with_contracts(&gate);
}

static struct nj_mqtt_packet will_packet(struct peer *peer, const char *topic, const char *payload)
{
	struct nj_mqtt_packet packet = with_will(peer, topic, 0, 0);

	packet.as.connect.will_payload = nj_view_str(payload);
	return packet;
}

/* A will is judged when it is published, by the contract of then. */
static void wills_keep_the_contract(void **state)
{
	static const char *const payloads[] = { "{\"t\":1}", "{\"t\":126}" };
	struct gate gate;
	open_with_contracts(&gate);
	struct peer *hears = joined(&gate, ALICE, V5, "a");

	subscribe(hears, "#", 0);
	for (int i = 0; i < 2; i++) {
		struct peer *dies = peer_open(&gate, DAVE, V5);
		struct nj_mqtt_packet hello = will_packet(dies, "p", payloads[i]);

		assert_int_equal(connect_with(dies, &hello)->as.connack.code, 0);
		peer_close(dies);
		if (i == 0)
			expect_message(hears, "p", payloads[0], 0);
		else
			expect_nothing(hears);
	}
	assert_int_equal(gate.denied, 1);
	peer_close(hears);
	close_with_contracts(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_breach_has_its_reason),
		cmocka_unit_test(many_breaches_disconnect),
		cmocka_unit_test(version_311_is_closed),
		cmocka_unit_test(a_rate_is_the_partys),
		cmocka_unit_test(a_higher_qos_is_granted_lower),
		cmocka_unit_test(deliveries_are_checked),
		cmocka_unit_test(a_changed_contract_acts_on_what_is_queued),
		cmocka_unit_test(wills_keep_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
