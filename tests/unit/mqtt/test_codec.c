/* MQTT packets: bytes, who sent them in which version, and the fault or reason code that they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mqtt/codec.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define MAX_BYTES 1024

static const struct row {
	const char *what;
	uint8_t version;
	enum nj_mqtt_side side;
	const uint8_t *bytes;
	size_t len;
	enum nj_mqtt_fault want;
} rows[] = {
#define CLIENT(what, version, bytes, want)                                             \
	{                                                                              \
		what, version, NJ_MQTT_FROM_CLIENT, BYTES(bytes), NJ_MQTT_FAULT_##want \
	}
#define SERVER(what, version, bytes, want)                                             \
	{                                                                              \
		what, version, NJ_MQTT_FROM_SERVER, BYTES(bytes), NJ_MQTT_FAULT_##want \
	}
	CLIENT("CONNECT 3.1.1", 0, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a", NONE),
	CLIENT("CONNECT 5.0", 0, "\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1a", NONE),
	CLIENT("CONNECT with everything", 0,
	       "\x10\x29\0\4MQTT\5\xee\0\x3c\0\0\1a\5\x18\0\0\0\5\0\1w\0\4gone\0\4user\0\4pass", NONE),
	CLIENT("CONNECT 3.1", 0, "\x10\x0f\0\6MQIsdp\3\2\0\x3c\0\1a", PROTOCOL_NAME),
	CLIENT("CONNECT level 6", 0, "\x10\x0e\0\4MQTT\6\2\0\x3c\0\0\1a", PROTOCOL_LEVEL),
	CLIENT("CONNECT with the reserved flag", 0, "\x10\x0d\0\4MQTT\4\3\0\x3c\0\1a", CONNECT_FLAGS),
	CLIENT("CONNECT with will QoS and no will", 0, "\x10\x0d\0\4MQTT\4\x0a\0\x3c\0\1a", CONNECT_FLAGS),
	CLIENT("CONNECT with will retain and no will", 0, "\x10\x0d\0\4MQTT\4\x22\0\x3c\0\1a", CONNECT_FLAGS),
	CLIENT("CONNECT with will QoS 3", 0, "\x10\x13\0\4MQTT\4\x1e\0\x3c\0\1a\0\1w\0\1x", QOS),
	CLIENT("CONNECT 3.1.1 with a password alone", 0, "\x10\x10\0\4MQTT\4\x42\0\x3c\0\1a\0\1p", CONNECT_FLAGS),
	CLIENT("CONNECT 5.0 with a password alone", 0, "\x10\x11\0\4MQTT\5\x42\0\x3c\0\0\1a\0\1p", NONE),
	CLIENT("CONNECT 3.1.1 without id and clean session", 0, "\x10\x0c\0\4MQTT\4\0\0\x3c\0\0", CLIENT_ID),
	CLIENT("CONNECT 3.1.1 without id, clean session", 0, "\x10\x0c\0\4MQTT\4\2\0\x3c\0\0", NONE),
	CLIENT("CONNECT whose will topic has a wildcard", 0, "\x10\x15\0\4MQTT\4\6\0\x3c\0\1a\0\3a/#\0\1x", TOPIC_NAME),
	CLIENT("CONNECT with a client id that is not UTF-8", 0, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1\xff", UTF8),
	CLIENT("CONNECT that ends in the client id", 0, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\2a", TRUNCATED),
	CLIENT("CONNECT that goes on", 0, "\x10\x0e\0\4MQTT\4\2\0\x3c\0\1ab", TRAILING),
	CLIENT("CONNECT with flag bits", 0, "\x11\x0d\0\4MQTT\4\2\0\x3c\0\1a", FLAGS),
	CLIENT("type 0", 4, "\0\0", TYPE),
	CLIENT("CONNACK from a client", 5, "\x20\2\0\0", TYPE),
	CLIENT("AUTH in 3.1.1", 4, "\xf0\0", TYPE),
	CLIENT("AUTH in 5.0", 5, "\xf0\0", NONE),
	SERVER("DISCONNECT from a 3.1.1 server", 4, "\xe0\0", TYPE),
	SERVER("DISCONNECT from a 5.0 server", 5, "\xe0\1\x8e", NONE),
	CLIENT("DISCONNECT with a server's reason", 5, "\xe0\1\x01", REASON_CODE),
	SERVER("CONNACK 3.1.1", 4, "\x20\2\1\0", NONE),
	SERVER("CONNACK 3.1.1 code 6", 4, "\x20\2\0\6", REASON_CODE),
	SERVER("CONNACK with reserved flags", 4, "\x20\2\2\0", CONNACK_FLAGS),
	CLIENT("PUBLISH QoS 0", 4, "\x30\6\0\1ahey", NONE),
	CLIENT("PUBLISH QoS 0, empty payload", 4, "\x30\3\0\1a", NONE),
	CLIENT("PUBLISH QoS 3", 4, "\x36\5\0\1a\0\1", QOS),
	CLIENT("PUBLISH DUP with QoS 0", 4, "\x38\3\0\1a", DUP),
	CLIENT("PUBLISH QoS 1 with packet id 0", 4, "\x32\5\0\1a\0\0", PACKET_ID),
	CLIENT("PUBLISH QoS 1 without packet id", 4, "\x32\3\0\1a", TRUNCATED),
	CLIENT("PUBLISH with '#' in its topic", 4, "\x30\5\0\3a/#", TOPIC_NAME),
	CLIENT("PUBLISH with '+' in its topic", 4, "\x30\3\0\1+", TOPIC_NAME),
	CLIENT("PUBLISH with an empty topic", 4, "\x30\2\0\0", TOPIC_NAME),
	CLIENT("PUBLISH with an empty topic and an alias", 5, "\x30\6\0\0\3\x23\0\1", NONE),
	CLIENT("PUBLISH with an empty topic and no alias", 5, "\x30\3\0\0\0", TOPIC_NAME),
	CLIENT("PUBLISH with U+0000 in its topic", 4, "\x30\5\0\3a\0b", UTF8),
	CLIENT("PUBLISH with an overlong character", 4, "\x30\4\0\2\xc0\xaf", UTF8),
	CLIENT("PUBLISH with a subscription id", 5, "\x30\6\0\1a\2\xb\1", PROPERTY_PLACE),
	SERVER("the same from a server", 5, "\x30\6\0\1a\2\xb\1", NONE),
	CLIENT("PUBACK", 4, "\x40\2\0\1", NONE),
	CLIENT("PUBACK with a code in 3.1.1", 4, "\x40\3\0\1\0", TRAILING),
	CLIENT("PUBACK with a code in 5.0", 5, "\x40\3\0\1\x10", NONE),
	CLIENT("PUBACK with an unknown code", 5, "\x40\3\0\1\x11", REASON_CODE),
	CLIENT("PUBACK with packet id 0", 4, "\x40\2\0\0", PACKET_ID),
	CLIENT("PUBREL with the flags of PUBACK", 4, "\x60\2\0\1", FLAGS),
	CLIENT("PUBREL", 4, "\x62\2\0\1", NONE),
	CLIENT("PUBREL id unknown", 5, "\x62\3\0\1\x92", NONE),
	CLIENT("SUBSCRIBE", 4, "\x82\6\0\1\0\1a\2", NONE),
	CLIENT("SUBSCRIBE with flags 0", 4, "\x80\6\0\1\0\1a\2", FLAGS),
	CLIENT("SUBSCRIBE without filters", 4, "\x82\2\0\1", EMPTY),
	CLIENT("SUBSCRIBE with packet id 0", 4, "\x82\6\0\0\0\1a\2", PACKET_ID),
	CLIENT("SUBSCRIBE QoS 3", 4, "\x82\6\0\1\0\1a\3", QOS),
	CLIENT("SUBSCRIBE 3.1.1 with the options of 5.0", 4, "\x82\6\0\1\0\1a\4", SUBSCRIBE_OPTIONS),
	CLIENT("SUBSCRIBE 5.0 with all options", 5, "\x82\7\0\1\0\0\1a\x2e", NONE),
	CLIENT("SUBSCRIBE 5.0 with reserved options", 5, "\x82\7\0\1\0\0\1a\x40", SUBSCRIBE_OPTIONS),
	CLIENT("SUBSCRIBE 5.0 with retain handling 3", 5, "\x82\7\0\1\0\0\1a\x30", RETAIN_HANDLING),
	CLIENT("SUBSCRIBE to 'a/#/b'", 4,
	       "\x82\xa\0\1\0\5"
	       "a/#/b\0",
	       TOPIC_FILTER),
	CLIENT("SUBSCRIBE to 'a+'", 4, "\x82\7\0\1\0\2a+\0", TOPIC_FILTER),
	CLIENT("SUBSCRIBE to an empty filter", 4, "\x82\5\0\1\0\0\0", TOPIC_FILTER),
	CLIENT("SUBSCRIBE whose second filter is cut", 4, "\x82\x9\0\1\0\1a\2\0\2b", TRUNCATED),
	CLIENT("UNSUBSCRIBE", 4, "\xa2\5\0\1\0\1a", NONE),
	CLIENT("UNSUBSCRIBE without filters", 4, "\xa2\2\0\1", EMPTY),
	SERVER("SUBACK", 4, "\x90\4\0\1\x80\2", NONE),
	SERVER("SUBACK code 3", 4, "\x90\3\0\1\3", REASON_CODE),
	SERVER("UNSUBACK 3.1.1", 4, "\xb0\2\0\1", NONE),
	SERVER("UNSUBACK 5.0", 5, "\xb0\4\0\1\0\x11", NONE),
	CLIENT("PINGREQ", 4, "\xc0\0", NONE),
	CLIENT("PINGREQ with a body", 4, "\xc0\1\0", TRAILING),
	CLIENT("a remaining length of five bytes", 4, "\x30\x80\x80\x80\x80\1", LENGTH),
	CLIENT("a remaining length that is not minimal", 4, "\x30\x83\0\0\1a", LENGTH),
	CLIENT("a packet over the limit", 4, "\x30\xff\x7f", TOO_LARGE),
};

static enum nj_mqtt_fault read_row(const struct row *row, struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_frame frame;
	size_t need = 0;
	enum nj_mqtt_fault fault = nj_mqtt_frame(nj_view_of(row->bytes, row->len), MAX_BYTES, &frame, &need);
	if (fault != NJ_MQTT_FAULT_NONE)
		return fault;
	if (need > 0)
		fail_msg("%s: %zu bytes missing", row->what, need);
	return nj_mqtt_decode(&frame, row->version, row->side, packet);
}

static void each_row_gives_its_fault(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_mqtt_packet packet;
		enum nj_mqtt_fault got = read_row(&rows[i], &packet);
		if (got != rows[i].want)
			fail_msg("%s: %s, not %s", rows[i].what, nj_mqtt_fault_text(got),
				 nj_mqtt_fault_text(rows[i].want));
	}
}

static void good_rows_are_written_as_they_were_read(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_mqtt_packet packet;
		uint8_t wire[MAX_BYTES];
		size_t len = 0;
		if (rows[i].want != NJ_MQTT_FAULT_NONE)
			continue;
		assert_int_equal(read_row(&rows[i], &packet), NJ_MQTT_FAULT_NONE);
		assert_int_equal(nj_mqtt_encode(&packet, rows[i].version, wire, sizeof(wire), &len), NJ_OK);
		if (len != rows[i].len || memcmp(wire, rows[i].bytes, len) != 0)
			fail_msg("%s: written otherwise", rows[i].what);
	}
}

static void a_frame_tells_how_much_is_missing(void **state)
{
	static const uint8_t packet[] = "\x30\6\0\1ahey";
	static const size_t want[] = { 2, 1, 6, 5, 4, 3, 2, 1, 0 };
	for (size_t len = 0; len < sizeof(packet); len++) {
		struct nj_mqtt_frame frame;
		size_t need = 99;
		assert_int_equal(nj_mqtt_frame(nj_view_of(packet, len), MAX_BYTES, &frame, &need), NJ_MQTT_FAULT_NONE);
		assert_int_equal(need, want[len]);
	}
}

static void a_packet_at_the_limit_of_size(void **state)
{
	static const uint8_t packet[] = "\x30\6\0\1ahey";
	struct nj_mqtt_frame frame;
	size_t need = 99;
	struct nj_view in = nj_view_of(packet, sizeof(packet) - 1);
	assert_int_equal(nj_mqtt_frame(in, in.len - 1, &frame, &need), NJ_MQTT_FAULT_TOO_LARGE);
	assert_int_equal(nj_mqtt_frame(in, in.len, &frame, &need), NJ_MQTT_FAULT_NONE);
	assert_int_equal(nj_mqtt_frame(in, in.len + 1, &frame, &need), NJ_MQTT_FAULT_NONE);
	assert_int_equal(need, 0);
	assert_int_equal(frame.total, in.len);
}

static void filters_are_walked(void **state)
{
	static const struct row row = { "SUBSCRIBE", 5, NJ_MQTT_FROM_CLIENT, BYTES("\x82\xd\0\7\0\0\3a/#\x2d\0\1+\0"),
					NJ_MQTT_FAULT_NONE };
	struct nj_mqtt_packet packet;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	assert_int_equal(read_row(&row, &packet), NJ_MQTT_FAULT_NONE);
	assert_int_equal(packet.as.list.packet_id, 7);
	assert_true(nj_mqtt_filter_next(&packet.as.list, packet.type, &cursor, &filter));
	assert_true(nj_view_equal(filter.filter, nj_view_str("a/#")));
	assert_int_equal(filter.qos, 1);
	assert_true(filter.no_local);
	assert_true(filter.retain_as_published);
	assert_int_equal(filter.retain_handling, 2);
	assert_true(nj_mqtt_filter_next(&packet.as.list, packet.type, &cursor, &filter));
	assert_true(nj_view_equal(filter.filter, nj_view_str("+")));
	assert_false(filter.no_local);
	assert_false(nj_mqtt_filter_next(&packet.as.list, packet.type, &cursor, &filter));
}

static void faults_have_their_reason_codes(void **state)
{
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_UTF8), 0x81);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_SECOND_CONNECT), 0x82);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_PROTOCOL_LEVEL), 0x84);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_TOPIC_NAME), 0x90);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_TOPIC_ALIAS), 0x94);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_TOO_LARGE), 0x95);
	assert_int_equal(nj_mqtt_fault_reason(NJ_MQTT_FAULT_KEEP_ALIVE), 0x8d);
	assert_int_equal(nj_mqtt_connack_v311(NJ_MQTT_R_NOT_AUTHORIZED), 5);
	assert_string_equal(nj_mqtt_type_name(3), "PUBLISH");
	assert_string_equal(nj_mqtt_reason_text(0x8e), "session taken over");
}

static void a_connect_without_a_version_says_so(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		uint8_t want;
	} connects[] = {
		{ BYTES("\x11\x0d\0\4MQTT\4\2\0\x3c\0\1a"), 0 },
		{ BYTES("\x10\x0d\0\4MQTX\4\2\0\x3c\0\1a"), 0 },
		{ BYTES("\x10\x0d\0\4MQTT\4\3\0\x3c\0\1a"), NJ_MQTT_V311 },
	};
	for (size_t i = 0; i < sizeof(connects) / sizeof(connects[0]); i++) {
		struct nj_mqtt_packet packet;
		struct nj_mqtt_frame frame;
		size_t need = 0;
		memset(&packet, 0xff, sizeof(packet));
		assert_int_equal(nj_mqtt_frame(nj_view_of(connects[i].bytes, connects[i].len), MAX_BYTES, &frame,
					       &need),
				 NJ_MQTT_FAULT_NONE);
		assert_int_not_equal(nj_mqtt_decode(&frame, 0, NJ_MQTT_FROM_CLIENT, &packet), NJ_MQTT_FAULT_NONE);
		assert_int_equal(packet.as.connect.version, connects[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_gives_its_fault),
		cmocka_unit_test(good_rows_are_written_as_they_were_read),
		cmocka_unit_test(a_connect_without_a_version_says_so),
		cmocka_unit_test(a_frame_tells_how_much_is_missing),
		cmocka_unit_test(a_packet_at_the_limit_of_size),
		cmocka_unit_test(filters_are_walked),
		cmocka_unit_test(faults_have_their_reason_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
