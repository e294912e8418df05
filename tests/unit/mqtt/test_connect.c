/* How a connection begins and ends: terms, binding, faults with their reason codes, wills. */
#include "unit/mqtt/client.h"

/* --- connecting --- */

static void connect_is_answered_by_its_terms(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.keep_alive_max_s = 30;
	gate_open_with(&gate, &limits);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(a, "", true);
	assert_int_equal(connect_with(a, &hello)->as.connack.code, 0);
	const struct nj_mqtt_properties *p = &a->packet.properties;
	assert_true(nj_mqtt_has(p, NJ_MQTT_P_ASSIGNED_CLIENT_ID));
	assert_int_equal(nj_mqtt_number(p, NJ_MQTT_P_SERVER_KEEP_ALIVE, 0), 30);
	assert_int_equal(nj_mqtt_number(p, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM, 0), 2);
	assert_int_equal(nj_mqtt_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, 0), 4096);
	assert_false(nj_mqtt_has(p, NJ_MQTT_P_SHARED_AVAILABLE));
	struct nj_mqtt_packet ping = { .type = NJ_MQTT_PINGREQ };
	advance(&gate, 44000);
	send_packet(a, &ping);
	expect(a, NJ_MQTT_PINGRESP);
	advance(&gate, 44999);
	expect_nothing(a);
	advance(&gate, 1);
	expect_closed_with(a, NJ_MQTT_R_KEEP_ALIVE_TIMEOUT);
	peer_close(a);
	gate_close(&gate);
}

static void another_server_is_named_when_this_one_is_full_or_stops(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_sessions = 1;
	memcpy(limits.server_reference, "other:8883", sizeof("other:8883"));
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	struct peer *b = peer_open(&gate, BOB, V5);
	struct nj_mqtt_packet hello = connect_packet(b, "b", true);
	assert_int_equal(connect_with(b, &hello)->as.connack.code, NJ_MQTT_R_USE_ANOTHER_SERVER);
	assert_true(
	    nj_view_equal(b->packet.properties.values[NJ_MQTT_P_SERVER_REFERENCE].data, nj_view_str("other:8883")));
	expect_closed(b);
	gate_shut(&gate);
	assert_int_equal(expect(a, NJ_MQTT_DISCONNECT)->as.ack.code, NJ_MQTT_R_USE_ANOTHER_SERVER);
	assert_true(
	    nj_view_equal(a->packet.properties.values[NJ_MQTT_P_SERVER_REFERENCE].data, nj_view_str("other:8883")));
	expect_closed(a);
	peer_close(a);
	peer_close(b);
	gate_close(&gate);
}

static void a_client_identifier_has_a_greatest_length(void **state)
{
	struct gate gate;
	char id[1026];
	gate_open(&gate);
	memset(id, 'x', sizeof(id));
	id[1024] = '\0';
	struct peer *a = joined(&gate, ALICE, V5, id);
	id[1024] = 'x';
	id[1025] = '\0';
	struct peer *b = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(b, id, true);
	assert_int_equal(connect_with(b, &hello)->as.connack.code, NJ_MQTT_R_BAD_CLIENT_ID);
	expect_closed(b);
	struct peer *c = peer_open(&gate, ALICE, V4);
	hello = connect_packet(c, id, true);
	assert_int_equal(connect_with(c, &hello)->as.connack.code, 2);
	expect_closed(c);
	peer_close(a);
	peer_close(b);
	peer_close(c);
	gate_close(&gate);
}

static void assigned_client_identifiers_differ(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *peers[2];
	struct nj_view ids[2];
	for (size_t i = 0; i < 2; i++) {
		peers[i] = peer_open(&gate, ALICE, V5);
		struct nj_mqtt_packet hello = connect_packet(peers[i], "", true);
		assert_int_equal(connect_with(peers[i], &hello)->as.connack.code, 0);
		ids[i] = peers[i]->packet.properties.values[NJ_MQTT_P_ASSIGNED_CLIENT_ID].data;
		assert_true(ids[i].len > 0 && ids[i].len <= 23);
	}
	assert_false(nj_view_equal(ids[0], ids[1]));
	peer_close(peers[0]);
	peer_close(peers[1]);
	gate_close(&gate);
}

static void without_an_alias_maximum_no_alias_is_taken(void **state)
{
	struct gate gate;
	struct nj_mqtt_limits limits = gate_limits;
	limits.topic_alias_max = 0;
	gate_open_with(&gate, &limits);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	assert_false(nj_mqtt_has(&a->packet.properties, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM));
	struct nj_mqtt_packet m = publish_packet("t", "x", 0, 0);
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 1);
	send_packet(a, &m);
	expect_closed_with(a, NJ_MQTT_R_BAD_TOPIC_ALIAS);
	peer_close(a);
	gate_close(&gate);
}

static void authentication_methods_are_refused(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = peer_open(&gate, ALICE, V5);
	struct nj_mqtt_packet hello = connect_packet(a, "a", true);
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_METHOD, nj_view_str("SCRAM-SHA-1"));
	assert_int_equal(connect_with(a, &hello)->as.connack.code, NJ_MQTT_R_BAD_AUTH_METHOD);
	expect_closed(a);
	peer_close(a);
	gate_close(&gate);
}

static void no_connect_in_time(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = peer_open(&gate, ALICE, V5);
	advance(&gate, 9999);
	assert_int_equal(gate_counters(&gate).connections, 1);
	advance(&gate, 1);
	assert_int_equal(gate.errors, 1);
	assert_int_equal(gate_counters(&gate).connections, 0);
	peer_close(a);
	gate_close(&gate);
}

struct door {
	struct nj_party *party;
	unsigned asked;
};

static enum nj_err knock_password(void *arg, struct nj_conn *conn, struct nj_view username, struct nj_view password,
				  struct nj_party **out_party)
{
	struct door *door = arg;
	door->asked++;
	if (!nj_view_equal(username, nj_view_str("hint")) || !nj_view_equal(password, nj_view_str("once")))
		return NJ_ERR_FORGED;
	*out_party = nj_party_ref(door->party);
	return NJ_OK;
}

static void plain_binding_by_password_or_silence(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct door door = { .party = &gate.parties[ALICE] };
	struct nj_mqtt_entry entry = { .authenticate = knock_password, .arg = &door };
	struct peer *a = peer_open_as(&gate, &entry, V4);
	struct nj_mqtt_packet hello = connect_packet(a, "a", true);
	hello.as.connect.has_username = true;
	hello.as.connect.has_password = true;
	hello.as.connect.username = nj_view_str("hint");
	hello.as.connect.password = nj_view_str("once");
	assert_int_equal(connect_with(a, &hello)->as.connack.code, 0);
	struct peer *b = peer_open_as(&gate, &entry, V5);
	hello.as.connect.version = V5;
	hello.as.connect.password = nj_view_str("twice");
	send_packet(b, &hello);
	expect_closed(b);
	struct peer *c = peer_open_as(&gate, &entry, V4);
	send_bytes(c, "\x10\x0d\0\4MQTT\4\3\0\x3c\0\1a", 15);
	expect_closed(c);
	assert_int_equal(door.asked, 2);
	assert_int_equal(gate.connected, 1);
	peer_close(a);
	peer_close(b);
	peer_close(c);
	gate_close(&gate);
}

/* --- what is malformed or forbidden, and the reason that is given --- */

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static const struct {
	const char *what;
	const uint8_t *bytes;
	size_t len;
	uint8_t want;
} faults[] = {
	{ "a second CONNECT", BYTES("\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1a"), 0x82 },
	{ "type 0", BYTES("\0\0"), 0x82 },
	{ "CONNACK from a client", BYTES("\x20\3\0\0\0"), 0x82 },
	{ "AUTH without a method", BYTES("\xf0\0"), 0x82 },
	{ "SUBSCRIBE with flags 0", BYTES("\x80\7\0\1\0\0\1a\0"), 0x81 },
	{ "SUBSCRIBE without filters", BYTES("\x82\3\0\1\0"), 0x82 },
	{ "SUBSCRIBE to 'a#'", BYTES("\x82\x8\0\1\0\0\2a#\0"), 0x8f },
	{ "PUBLISH QoS 3", BYTES("\x36\6\0\1t\0\1\0"), 0x81 },
	{ "PUBLISH to '+'", BYTES("\x30\4\0\1+\0"), 0x90 },
	{ "PUBLISH with topic alias 0", BYTES("\x30\7\0\1t\3\x23\0\0"), 0x94 },
	{ "PUBLISH with two content types", BYTES("\x30\xc\0\1t\x8\3\0\1a\3\0\1b"), 0x82 },
	{ "PUBLISH with a will delay", BYTES("\x30\x9\0\1t\5\x18\0\0\0\1"), 0x81 },
	{ "PUBLISH with packet id 0", BYTES("\x32\6\0\1t\0\0\0"), 0x82 },
	{ "a packet too large", BYTES("\x30\xfe\x1f"), 0x95 },
	{ "a length of five bytes", BYTES("\x30\xff\xff\xff\xff\1"), 0x81 },
	{ "DISCONNECT that revives the session", BYTES("\xe0\7\0\5\x11\0\0\0\1"), 0x82 },
};

static void faults_get_their_reason_and_end_the_connection(void **state)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct gate gate;
		gate_open(&gate);
		struct peer *a = joined(&gate, ALICE, V5, "a");
		send_bytes(a, faults[i].bytes, faults[i].len);
		if (gate.errors != 1 || gate.last_reason != faults[i].want)
			fail_msg("%s: 0x%02x, not 0x%02x", faults[i].what, gate.last_reason, faults[i].want);
		expect_closed_with(a, faults[i].want);
		assert_int_equal(gate.disconnected, 1);
		peer_close(a);
		gate_close(&gate);
	}
}

static void version_3_is_closed_without_words(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V4, "a");
	send_bytes(a, "\x30\3\0\1+", 5);
	expect_closed(a);
	struct peer *b = peer_open(&gate, ALICE, V4);
	send_bytes(b, "\x30\3\0\1t", 5);
	expect_closed(b);
	struct peer *c = peer_open(&gate, ALICE, V4);
	send_bytes(c, "\x10\x0f\0\6MQIsdp\3\2\0\x3c\0\1a", 17);
	assert_int_equal(expect(c, NJ_MQTT_CONNACK)->as.connack.code, 1);
	expect_closed(c);
	struct peer *d = peer_open(&gate, ALICE, V4);
	struct nj_mqtt_packet hello = connect_packet(d, "", false);
	assert_int_equal(connect_with(d, &hello)->as.connack.code, 2);
	expect_closed(d);
	peer_close(a);
	peer_close(b);
	peer_close(c);
	peer_close(d);
	gate_close(&gate);
}

static void packets_arrive_in_pieces(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V4, "a");
	subscribe(a, "t", 0);
	static const uint8_t bytes[] = "\x30\6\0\1txyz\xc0\0\x30\4\0\1tw";
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		send_bytes(a, bytes + i, 1);
	expect_message(a, "t", "xyz", 0);
	expect(a, NJ_MQTT_PINGRESP);
	expect_message(a, "t", "w", 0);
	peer_close(a);
	gate_close(&gate);
}

/* --- wills --- */

static void wills_are_published_when_the_connection_is_lost(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "dev/#", 0);
	struct peer *w = with_will_joined(&gate, BOB, "dev/w", 0, 0);
	peer_close(w);
	expect_message(a, "dev/w", "died", 0);
	w = with_will_joined(&gate, BOB, "dev/w", 0, 0);
	struct nj_mqtt_packet bye = { .type = NJ_MQTT_DISCONNECT };
	send_packet(w, &bye);
	expect_nothing(a);
	peer_close(w);
	w = with_will_joined(&gate, BOB, "dev/w", 0, 0);
	bye.as.ack.code = NJ_MQTT_R_WITH_WILL;
	send_packet(w, &bye);
	expect_message(a, "dev/w", "died", 0);
	peer_close(w);
	w = with_will_joined(&gate, BOB, "dev/w", 0, 0);
	send_bytes(w, "\0\0", 2);
	expect_message(a, "dev/w", "died", 0);
	peer_close(w);
	peer_close(a);
	gate_close(&gate);
}

static void wills_wait_for_their_delay(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "dev/#", 0);
	peer_close(with_will_joined(&gate, BOB, "dev/w", 5, 100));
	advance(&gate, 4999);
	expect_nothing(a);
	advance(&gate, 1);
	expect_message(a, "dev/w", "died", 0);
	peer_close(with_will_joined(&gate, BOB, "dev/w", 5, 100));
	advance(&gate, 1000);
	struct peer *w = with_will_joined(&gate, BOB, "dev/w", 5, 3);
	advance(&gate, 60000);
	expect_nothing(a);
	peer_close(w);
	advance(&gate, 3000);
	expect_message(a, "dev/w", "died", 0);
	advance(&gate, 60000);
	expect_nothing(a);
	peer_close(a);
	gate_close(&gate);
}

/* 3.1.3.2.2: coming back to the session in time cancels a delayed will; any other take-over publishes it. */
static void wills_of_a_connection_that_is_taken_over(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = joined(&gate, ALICE, V5, "a");
	subscribe(a, "dev/#", 0);
	struct peer *first = with_will_joined(&gate, BOB, "dev/delayed", 5, 100);
	struct peer *second = with_will_joined(&gate, BOB, "dev/prompt", 0, 100);
	expect_closed_with(first, NJ_MQTT_R_TAKEN_OVER);
	expect_nothing(a);
	struct peer *third = with_will_joined(&gate, BOB, "dev/delayed", 5, 100);
	expect_message(a, "dev/prompt", "died", 0);
	struct peer *clean = peer_open(&gate, BOB, V5);
	assert_false(join(clean, "w", true, 0));
	expect_message(a, "dev/delayed", "died", 0);
	struct peer *short_lived = with_will_joined(&gate, BOB, "dev/ended", 5, 0);
	struct peer *last = peer_open(&gate, BOB, V5);
	assert_false(join(last, "w", false, 0));
	expect_message(a, "dev/ended", "died", 0);
	peer_close(short_lived);
	peer_close(last);
	advance(&gate, 10000);
	expect_nothing(a);
	peer_close(first);
	peer_close(second);
	peer_close(third);
	peer_close(clean);
	peer_close(a);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_is_answered_by_its_terms),
		cmocka_unit_test(another_server_is_named_when_this_one_is_full_or_stops),
		cmocka_unit_test(a_client_identifier_has_a_greatest_length),
		cmocka_unit_test(assigned_client_identifiers_differ),
		cmocka_unit_test(without_an_alias_maximum_no_alias_is_taken),
		cmocka_unit_test(authentication_methods_are_refused),
		cmocka_unit_test(no_connect_in_time),
		cmocka_unit_test(plain_binding_by_password_or_silence),
		cmocka_unit_test(faults_get_their_reason_and_end_the_connection),
		cmocka_unit_test(version_3_is_closed_without_words),
		cmocka_unit_test(packets_arrive_in_pieces),
		cmocka_unit_test(wills_are_published_when_the_connection_is_lost),
		cmocka_unit_test(wills_wait_for_their_delay),
		cmocka_unit_test(wills_of_a_connection_that_is_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
