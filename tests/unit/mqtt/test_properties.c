/* MQTT 5.0 2.2.2: a block of properties, the packet it stands in, and what is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mqtt/properties.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static const struct row {
	const char *what;
	unsigned where;
	const uint8_t *bytes;
	size_t len;
	enum nj_mqtt_fault want;
} rows[] = {
	{ "an empty block", NJ_MQTT_IN_CONNECT, BYTES("\0"), NJ_MQTT_FAULT_NONE },
	{ "no length", NJ_MQTT_IN_CONNECT, BYTES(""), NJ_MQTT_FAULT_TRUNCATED },
	{ "a length of five bytes", NJ_MQTT_IN_CONNECT, BYTES("\x80\x80\x80\x80\x01"), NJ_MQTT_FAULT_LENGTH },
	{ "a length that is not minimal", NJ_MQTT_IN_CONNECT, BYTES("\x80\0"), NJ_MQTT_FAULT_LENGTH },
	{ "a block longer than the packet", NJ_MQTT_IN_CONNECT, BYTES("\5\x11\0\0\0"), NJ_MQTT_FAULT_TRUNCATED },
	{ "session expiry", NJ_MQTT_IN_CONNECT, BYTES("\5\x11\0\0\0\x1e"), NJ_MQTT_FAULT_NONE },
	{ "session expiry cut by the block", NJ_MQTT_IN_CONNECT, BYTES("\4\x11\0\0\0\x1e"), NJ_MQTT_FAULT_TRUNCATED },
	{ "session expiry twice", NJ_MQTT_IN_CONNECT, BYTES("\xa\x11\0\0\0\1\x11\0\0\0\1"),
	  NJ_MQTT_FAULT_PROPERTY_REPEATED },
	{ "session expiry in PUBLISH", NJ_MQTT_IN_PUBLISH, BYTES("\5\x11\0\0\0\x1e"), NJ_MQTT_FAULT_PROPERTY_PLACE },
	{ "identifier 0", NJ_MQTT_IN_CONNECT, BYTES("\1\0"), NJ_MQTT_FAULT_PROPERTY_UNKNOWN },
	{ "identifier 4", NJ_MQTT_IN_CONNECT, BYTES("\2\4\0"), NJ_MQTT_FAULT_PROPERTY_UNKNOWN },
	{ "identifier 0x2b", NJ_MQTT_IN_CONNACK, BYTES("\2\x2b\0"), NJ_MQTT_FAULT_PROPERTY_UNKNOWN },
	{ "identifier 0x81 0x00, not minimal", NJ_MQTT_IN_PUBLISH, BYTES("\3\x81\0\1"), NJ_MQTT_FAULT_LENGTH },
	{ "payload format 1", NJ_MQTT_IN_WILL, BYTES("\2\1\1"), NJ_MQTT_FAULT_NONE },
	{ "payload format 2", NJ_MQTT_IN_WILL, BYTES("\2\1\2"), NJ_MQTT_FAULT_PROPERTY_VALUE },
	{ "receive maximum 0", NJ_MQTT_IN_CONNECT, BYTES("\3\x21\0\0"), NJ_MQTT_FAULT_PROPERTY_VALUE },
	{ "receive maximum 1", NJ_MQTT_IN_CONNECT, BYTES("\3\x21\0\1"), NJ_MQTT_FAULT_NONE },
	{ "maximum packet size 0", NJ_MQTT_IN_CONNECT, BYTES("\5\x27\0\0\0\0"), NJ_MQTT_FAULT_PROPERTY_VALUE },
	{ "topic alias 0", NJ_MQTT_IN_PUBLISH, BYTES("\3\x23\0\0"), NJ_MQTT_FAULT_TOPIC_ALIAS },
	{ "subscription id 0", NJ_MQTT_IN_SUBSCRIBE, BYTES("\2\xb\0"), NJ_MQTT_FAULT_PROPERTY_VALUE },
	{ "subscription id 268435455", NJ_MQTT_IN_SUBSCRIBE, BYTES("\5\xb\xff\xff\xff\x7f"), NJ_MQTT_FAULT_NONE },
	{ "two subscription ids in SUBSCRIBE", NJ_MQTT_IN_SUBSCRIBE, BYTES("\4\xb\1\xb\2"),
	  NJ_MQTT_FAULT_PROPERTY_REPEATED },
	{ "two subscription ids in PUBLISH", NJ_MQTT_IN_PUBLISH, BYTES("\4\xb\1\xb\2"), NJ_MQTT_FAULT_NONE },
	{ "two user properties of one name", NJ_MQTT_IN_SUBACK, BYTES("\xe\x26\0\1a\0\1b\x26\0\1a\0\1c"),
	  NJ_MQTT_FAULT_NONE },
	{ "a user property without a value", NJ_MQTT_IN_SUBACK, BYTES("\4\x26\0\1a"), NJ_MQTT_FAULT_TRUNCATED },
	{ "a content type with U+0000", NJ_MQTT_IN_PUBLISH, BYTES("\4\3\0\1\0"), NJ_MQTT_FAULT_UTF8 },
	{ "a reason string with a surrogate", NJ_MQTT_IN_PUBACK, BYTES("\6\x1f\0\3\xed\xa0\x80"), NJ_MQTT_FAULT_UTF8 },
	{ "correlation data with any bytes", NJ_MQTT_IN_PUBLISH, BYTES("\5\x9\0\2\0\xff"), NJ_MQTT_FAULT_NONE },
	{ "a response topic with a wildcard", NJ_MQTT_IN_PUBLISH, BYTES("\6\x8\0\3a/#"), NJ_MQTT_FAULT_PROPERTY_VALUE },
	{ "an empty response topic", NJ_MQTT_IN_PUBLISH, BYTES("\3\x8\0\0"), NJ_MQTT_FAULT_PROPERTY_VALUE },
};

static void each_row_gives_its_fault(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_mqtt_properties set;
		struct nj_reader r = nj_reader_of(rows[i].bytes, rows[i].len);
		enum nj_mqtt_fault got = nj_mqtt_properties_read(&r, rows[i].where, &set);
		if (got != rows[i].want)
			fail_msg("%s: %s, not %s", rows[i].what, nj_mqtt_fault_text(got),
				 nj_mqtt_fault_text(rows[i].want));
	}
}

static void what_is_written_is_read_back(void **state)
{
	uint8_t wire[128];
	struct nj_mqtt_properties in;
	struct nj_mqtt_properties out;
	nj_mqtt_properties_clear(&in);
	nj_mqtt_set_number(&in, NJ_MQTT_P_SESSION_EXPIRY, 7);
	nj_mqtt_set_number(&in, NJ_MQTT_P_RECEIVE_MAXIMUM, 65535);
	nj_mqtt_set_number(&in, NJ_MQTT_P_SHARED_AVAILABLE, 0);
	nj_mqtt_set_data(&in, NJ_MQTT_P_ASSIGNED_CLIENT_ID, nj_view_str("nj-1"));
	struct nj_writer w = nj_writer_of(wire, sizeof(wire));
	nj_mqtt_properties_write(&in, &w);
	assert_int_equal(w.pos, 1 + nj_mqtt_properties_size(&in, NJ_MQTT_P_ALL));
	struct nj_reader r = nj_reader_of(wire, w.pos);
	assert_int_equal(nj_mqtt_properties_read(&r, NJ_MQTT_IN_CONNACK, &out), NJ_MQTT_FAULT_NONE);
	assert_int_equal(nj_reader_end(&r), NJ_OK);
	assert_int_equal(out.present, in.present);
	assert_int_equal(nj_mqtt_number(&out, NJ_MQTT_P_SESSION_EXPIRY, 0), 7);
	assert_int_equal(nj_mqtt_number(&out, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM, 9), 9);
	assert_true(nj_view_equal(out.values[NJ_MQTT_P_ASSIGNED_CLIENT_ID].data, nj_view_str("nj-1")));
}

static void repeated_ones_are_walked_in_their_order(void **state)
{
	static const char block[] = "\x14\xb\5\x26\0\1a\0\1b\xb\6\x26\0\1a\0\1c\1\1";
	struct nj_mqtt_properties set;
	struct nj_mqtt_item item;
	struct nj_reader r = nj_reader_of(block, sizeof(block) - 1);
	assert_int_equal(nj_mqtt_properties_read(&r, NJ_MQTT_IN_PUBLISH, &set), NJ_MQTT_FAULT_NONE);
	size_t cursor = 0;
	static const enum nj_mqtt_property want[] = { NJ_MQTT_P_SUBSCRIPTION_ID, NJ_MQTT_P_USER,
						      NJ_MQTT_P_SUBSCRIPTION_ID, NJ_MQTT_P_USER,
						      NJ_MQTT_P_PAYLOAD_FORMAT };
	for (size_t i = 0; i < 5; i++) {
		assert_true(nj_mqtt_properties_next(&set, &cursor, &item));
		assert_int_equal(item.which, want[i]);
	}
	assert_false(nj_mqtt_properties_next(&set, &cursor, &item));
}

static void a_set_reads_as_text(void **state)
{
	static const char block[] = "\xd\x26\0\2\x1b[\0\1v\x11\0\0\0\x1e";
	struct nj_mqtt_properties set;
	char text[64];
	struct nj_reader r = nj_reader_of(block, sizeof(block) - 1);
	assert_int_equal(nj_mqtt_properties_read(&r, NJ_MQTT_IN_CONNECT, &set), NJ_MQTT_FAULT_NONE);
	assert_string_equal(nj_mqtt_properties_text(&set, text, sizeof(text)), "session-expiry=30 user-property=.[:v");
	assert_string_equal(nj_mqtt_properties_text(&set, text, 8), "session");
}

static void varints_at_their_limits(void **state)
{
	static const struct {
		uint32_t value;
		size_t size;
	} limits[] = { { 0, 1 },     { 127, 1 },     { 128, 2 },     { 16383, 2 },
		       { 16384, 3 }, { 2097151, 3 }, { 2097152, 4 }, { NJ_MQTT_VARINT_MAX, 4 } };
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint8_t wire[4];
		uint32_t back = 0;
		struct nj_writer w = nj_writer_of(wire, sizeof(wire));
		nj_mqtt_varint_write(&w, limits[i].value);
		assert_int_equal(w.pos, limits[i].size);
		assert_int_equal(nj_mqtt_varint_size(limits[i].value), limits[i].size);
		struct nj_reader r = nj_reader_of(wire, w.pos);
		assert_int_equal(nj_mqtt_varint_read(&r, &back), NJ_MQTT_FAULT_NONE);
		assert_int_equal(back, limits[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_gives_its_fault),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(repeated_ones_are_walked_in_their_order),
		cmocka_unit_test(a_set_reads_as_text),
		cmocka_unit_test(varints_at_their_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
