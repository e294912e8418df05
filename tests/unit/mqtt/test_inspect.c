/* What an operator sees and does: sessions, subscriptions, retained messages, kicks and taps, of one customer alone. */
#include "mqtt/inspect.h"

#include "unit/mqtt/client.h"

struct seen {
	unsigned sessions, connected, subscriptions, allowed, retained, messages;
	char text[256];
};

static void count_session(void *arg, const struct nj_mqtt_sight *sight)
{
	struct seen *seen = arg;

	seen->sessions++;
	seen->connected += sight->conn != NULL;
	snprintf(seen->text, sizeof(seen->text), "%s %.*s v%u q%u f%u", sight->party->names.name,
		 (int)sight->client_id.len, (const char *)sight->client_id.data, sight->version,
		 (unsigned)sight->queued, sight->subscriptions);
}

static void count_subscription(void *arg, const struct nj_mqtt_sight *session,
			       const struct nj_mqtt_subscription_sight *subscription)
{
	struct seen *seen = arg;

	seen->subscriptions++;
	seen->allowed += subscription->allowed;
	snprintf(seen->text, sizeof(seen->text), "%.*s %u", (int)subscription->filter.len,
		 (const char *)subscription->filter.data, subscription->qos);
}

static void count_retained(void *arg, const struct nj_mqtt_retained_sight *retained)
{
	struct seen *seen = arg;

	seen->retained++;
	snprintf(seen->text, sizeof(seen->text), "%.*s %zu", (int)retained->topic.len,
		 (const char *)retained->topic.data, retained->payload_bytes);
}

/* --- of a gateway: all its brokers --- */

static void see_sessions(struct gate *gate, const char *customer, struct seen *seen)
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		nj_mqtt_see_sessions(nj_mqtt_fabric_broker(gate->fabric, i), customer, count_session, seen);
}

static void see_subscriptions(struct gate *gate, const char *customer, struct seen *seen)
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		nj_mqtt_see_subscriptions(nj_mqtt_fabric_broker(gate->fabric, i), customer, count_subscription, seen);
}

static size_t kick(struct gate *gate, size_t party, const struct nj_view *client_id, bool forget)
{
	size_t count = 0;
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		count +=
		    nj_mqtt_kick(nj_mqtt_fabric_broker(gate->fabric, i), gate->parties[party].uid, client_id, forget);
	nj_mqtt_fabric_settle(gate->fabric);
	return count;
}

static void sessions_and_subscriptions_of_a_customer(void **state)
{
	static const struct nj_rights_rule less[] = { { NJ_SUBSCRIBE, false, "t/#", "{\"max_qos\":0}" } };
	struct gate gate;
	gate_open(&gate);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct peer *c = joined(&gate, CAROL, V4, "carols");
	struct seen seen = { 0 };

	join(a, "one", true, 3600);
	subscribe(a, "t/#", 1);
	see_sessions(&gate, "acme", &seen);
	assert_int_equal(seen.sessions, 1);
	assert_int_equal(seen.connected, 1);
	assert_string_equal(seen.text, "alice one v5 q0 f1");
	peer_close(a);
	assert_int_equal(gate_publish(&gate, "acme", nj_view_str("t/1"), nj_view_str("x"), 1, false), NJ_OK);
	see_sessions(&gate, "acme", &seen);
	assert_int_equal(seen.connected, 1);
	assert_string_equal(seen.text, "alice one v0 q1 f1");
	see_subscriptions(&gate, "acme", &seen);
	assert_string_equal(seen.text, "t/# 1");
	/* By the rights of now. */
	gate_party(&gate, ALICE, "acme", "alice", less, 1);
	see_subscriptions(&gate, "acme", &seen);
	assert_string_equal(seen.text, "t/# 0");
	gate_party(&gate, ALICE, "acme", "alice", less, 0);
	see_subscriptions(&gate, "acme", &seen);
	assert_int_equal(seen.subscriptions, 3);
	assert_int_equal(seen.allowed, 2);
	see_subscriptions(&gate, "nobody", &seen);
	assert_int_equal(seen.subscriptions, 3);
	peer_close(c);
	gate_close(&gate);
}

static void retained_messages_of_a_filter(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *c = joined(&gate, CAROL, V5, "c");
	struct seen seen = { 0 };

	retain(a, "r/1", "123");
	retain(a, "s/1", "1");
	retain(c, "r/2", "1");
	nj_mqtt_see_retained(gate.broker, "acme", nj_view_str("r/+"), count_retained, &seen);
	assert_int_equal(seen.retained, 1);
	assert_string_equal(seen.text, "r/1 3");
	nj_mqtt_see_retained(gate.broker, "acme", nj_view_str("#"), count_retained, &seen);
	assert_int_equal(seen.retained, 3);
	peer_close(a);
	peer_close(c);
	gate_close(&gate);
}

static void a_kick_ends_connections_and_leaves_sessions(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *one = peer_open(&gate, ALICE, V5);
	struct peer *two = joined(&gate, ALICE, V4, "two");
	struct peer *other = joined(&gate, BOB, V5, "one");
	const struct nj_view id = nj_view_str("one");

	join(one, "one", true, 3600);
	assert_int_equal(kick(&gate, ALICE, &id, false), 1);
	expect_closed_with(one, NJ_MQTT_R_ADMINISTRATIVE);
	assert_int_equal(gate.last_close, NJ_CLOSE_KICKED);
	expect_nothing(two);
	peer_close(one);
	one = peer_open(&gate, ALICE, V5);
	assert_true(join(one, "one", false, 3600));
	assert_int_equal(kick(&gate, ALICE, NULL, true), 2);
	expect_closed_with(one, NJ_MQTT_R_ADMINISTRATIVE);
	expect_closed(two);
	peer_close(one);
	peer_close(two);
	one = peer_open(&gate, ALICE, V5);
	assert_false(join(one, "one", false, 3600));
	peer_close(one);
	/* Without a connection there is a session to forget. */
	assert_int_equal(gate_counters(&gate).sessions, 2);
	assert_int_equal(kick(&gate, ALICE, NULL, false), 0);
	assert_int_equal(gate_counters(&gate).sessions, 2);
	assert_int_equal(kick(&gate, ALICE, NULL, true), 0);
	assert_int_equal(gate_counters(&gate).sessions, 1);
	expect_nothing(other);
	peer_close(other);
	gate_close(&gate);
}

static void a_kick_publishes_the_will(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *hears = joined(&gate, BOB, V5, "b");
	struct peer *dies = with_will_joined(&gate, ALICE, "t/will", 0, 0);

	subscribe(hears, "t/#", 0);
	assert_int_equal(kick(&gate, ALICE, NULL, false), 1);
	expect_message(hears, "t/will", "died", 0);
	peer_close(dies);
	peer_close(hears);
	gate_close(&gate);
}

static void see_message(void *arg, const struct nj_party *party, struct nj_view client_id, struct nj_view topic,
			struct nj_view payload, uint8_t qos, bool retain)
{
	struct seen *seen = arg;

	seen->messages++;
	snprintf(seen->text, sizeof(seen->text), "%s %.*s %.*s %.*s %u %d", party != NULL ? party->names.name : "-",
		 (int)client_id.len, (const char *)client_id.data, (int)topic.len, (const char *)topic.data,
		 (int)payload.len, (const char *)payload.data, qos, (int)retain);
}

/* One at each broker. */
static void tap_all(struct gate *gate, struct nj_mqtt_tap taps[NJ_MQTT_REACTORS_MAX], struct nj_mqtt_tap tap)
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++) {
		taps[i] = tap;
		nj_mqtt_tap_add(nj_mqtt_fabric_broker(gate->fabric, i), &taps[i]);
	}
}

static void untap_all(struct gate *gate, const struct nj_mqtt_tap taps[NJ_MQTT_REACTORS_MAX])
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		nj_mqtt_tap_remove(nj_mqtt_fabric_broker(gate->fabric, i), &taps[i]);
}

static void a_tap_sees_what_comes_in_once(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = joined(&gate, BOB, V5, "b");
	struct peer *c = joined(&gate, CAROL, V5, "c");
	struct peer *d = joined(&gate, DAVE, V5, "d");
	struct seen seen = { 0 };
	struct seen all = { 0 };
	struct nj_mqtt_tap taps[NJ_MQTT_REACTORS_MAX];
	struct nj_mqtt_tap others[NJ_MQTT_REACTORS_MAX];

	tap_all(&gate, taps, (struct nj_mqtt_tap){ "acme", nj_view_str("t/+"), &seen, see_message, NULL });
	tap_all(&gate, others, (struct nj_mqtt_tap){ "acme", nj_view_str("#"), &all, see_message, NULL });
	subscribe(b, "t/#", 0);
	subscribe(a, "t/#", 0);
	publish(a, "t/1", "x", 1, 1);
	assert_int_equal(seen.messages, 1);
	assert_string_equal(seen.text, "alice a t/1 x 1 0");
	publish(a, "u", "x", 0, 0);
	publish(c, "t/1", "x", 0, 0);
	publish(d, "t/1", "denied", 0, 0);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(all.messages, 2);
	assert_int_equal(gate_publish(&gate, "acme", nj_view_str("t/2"), nj_view_str("own"), 0, true), NJ_OK);
	assert_string_equal(seen.text, "-  t/2 own 0 1");
	untap_all(&gate, taps);
	untap_all(&gate, taps);
	publish(a, "t/1", "x", 0, 0);
	assert_int_equal(seen.messages, 2);
	assert_int_equal(all.messages, 4);
	untap_all(&gate, others);
	peer_close(a);
	peer_close(b);
	peer_close(c);
	peer_close(d);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_and_subscriptions_of_a_customer),
		cmocka_unit_test(retained_messages_of_a_filter),
		cmocka_unit_test(a_kick_ends_connections_and_leaves_sessions),
		cmocka_unit_test(a_kick_publishes_the_will),
		cmocka_unit_test(a_tap_sees_what_comes_in_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
