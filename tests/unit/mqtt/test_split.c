/* A stream is the same stream however it is cut: a session of every kind of packet, cut in two at each of its bytes and
 * fed byte by byte, gets the same answers, to the byte, as when it comes whole. */
#include "unit/mqtt/client.h"

struct stream {
	uint8_t bytes[2048];
	size_t len;
};

static void add(struct stream *stream, uint8_t version, const struct nj_mqtt_packet *packet)
{
	size_t len;

	assert_int_equal(nj_mqtt_encode(packet, version, stream->bytes + stream->len,
					sizeof(stream->bytes) - stream->len, &len),
			 NJ_OK);
	stream->len += len;
}

static void add_list(struct stream *stream, uint8_t version, uint8_t type, const char *filter)
{
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = 2 };
	struct nj_mqtt_packet packet = { .type = type };

	nj_mqtt_filter_write(&w, type, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	add(stream, version, &packet);
}

static void add_ack(struct stream *stream, uint8_t version, uint8_t type, uint16_t id)
{
	struct nj_mqtt_packet packet = { .type = type, .as.ack = { .packet_id = id } };

	add(stream, version, &packet);
}

static void add_publish(struct stream *stream, uint8_t version, uint8_t qos, uint16_t id, uint16_t alias)
{
	struct nj_mqtt_packet packet = publish_packet("a/b", "a payload", qos, id);

	if (version == V5 && alias > 0)
		nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_TOPIC_ALIAS, alias);
	if (version == V5)
		nj_mqtt_set_data(&packet.properties, NJ_MQTT_P_CONTENT_TYPE, nj_view_str("text/plain"));
	add(stream, version, &packet);
}

/* The client gets what it publishes; its acknowledgements are of the ids that the broker gives first. */
static void make_stream(uint8_t version, struct stream *out)
{
	struct nj_mqtt_packet connect = { .type = NJ_MQTT_CONNECT };
	struct nj_mqtt_packet ping = { .type = NJ_MQTT_PINGREQ };

	*out = (struct stream){ .len = 0 };
	connect.as.connect = (struct nj_mqtt_connect){ .version = version,
						       .clean_start = true,
						       .has_will = true,
						       .will_topic = nj_view_str("w"),
						       .will_payload = nj_view_str("gone"),
						       .client_id = nj_view_str("split") };
	add(out, version, &connect);
	add_list(out, version, NJ_MQTT_SUBSCRIBE, "a/+");
	add_publish(out, version, 0, 0, 1);
	add_publish(out, version, 1, 1, 1);
	add_ack(out, version, NJ_MQTT_PUBACK, 1);
	add_publish(out, version, 2, 2, 0);
	add_ack(out, version, NJ_MQTT_PUBREL, 2);
	add(out, version, &ping);
	add_list(out, version, NJ_MQTT_UNSUBSCRIBE, "a/+");
	add_ack(out, version, NJ_MQTT_DISCONNECT, 0);
}

/* What the broker answers when the stream comes in pieces of these lengths, the last of which repeats. */
static size_t answers(const struct stream *stream, size_t first, size_t then, uint8_t version, uint8_t out[PEER_BYTES])
{
	struct gate gate;
	struct peer *peer;
	size_t got = 0;
	size_t piece = first;

	gate_open(&gate);
	peer = peer_open(&gate, ALICE, version);
	for (size_t at = 0; at < stream->len; at += piece, piece = then) {
		if (piece > stream->len - at)
			piece = stream->len - at;
		send_bytes(peer, stream->bytes + at, piece);
		peer->held = 0;
		read_more(peer);
		memcpy(out + got, peer->in, peer->held);
		got += peer->held;
	}
	assert_int_equal(gate.disconnected, 1);
	assert_int_equal(gate.last_reason, 0);
	peer_close(peer);
	gate_close(&gate);
	return got;
}

static void same_however_cut(uint8_t version)
{
	static uint8_t whole[PEER_BYTES];
	static uint8_t cut[PEER_BYTES];
	struct stream stream;

	make_stream(version, &stream);
	size_t len = answers(&stream, stream.len, stream.len, version, whole);
	assert_true(len > 40);
	for (size_t at = 1; at < stream.len; at++) {
		assert_int_equal(answers(&stream, at, stream.len, version, cut), len);
		assert_memory_equal(cut, whole, len);
	}
	assert_int_equal(answers(&stream, 1, 1, version, cut), len);
	assert_memory_equal(cut, whole, len);
}

static void version_311(void **state)
{
	same_however_cut(V4);
}

static void version_5(void **state)
{
	same_however_cut(V5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_311),
		cmocka_unit_test(version_5),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
