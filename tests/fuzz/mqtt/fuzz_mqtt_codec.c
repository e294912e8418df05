/*
 * Any bytes as a stream of packets. Held: a frame never reaches past its input, feeding byte by byte finds the same
 * frames and faults as feeding all, and what is decoded, written and decoded again is written the same.
 */
#include "mqtt/codec.h"

#define MAX_BYTES 4096

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The prefixes of a whole frame must all be incomplete, and ask for no more than is missing. */
static void check_split(struct nj_view in, const struct nj_mqtt_frame *whole)
{
	size_t last = whole->total < 64 ? whole->total : 64;
	for (size_t len = 0; len < last; len++) {
		struct nj_mqtt_frame frame;
		size_t need = 0;
		CHECK(nj_mqtt_frame(nj_view_of(in.data, len), MAX_BYTES, &frame, &need) == NJ_MQTT_FAULT_NONE);
		CHECK(need > 0 && len + need <= whole->total);
	}
}

static void check_filters(const struct nj_mqtt_packet *packet)
{
	uint8_t wire[MAX_BYTES];
	struct nj_mqtt_filter filter;
	struct nj_writer w = nj_writer_of(wire, sizeof(wire));
	size_t cursor = 0;
	while (nj_mqtt_filter_next(&packet->as.list, packet->type, &cursor, &filter))
		nj_mqtt_filter_write(&w, packet->type, &filter);
	CHECK(nj_view_equal(nj_view_of(wire, w.pos), packet->as.list.items));
}

static void check_round(const struct nj_mqtt_packet *packet, uint8_t version, enum nj_mqtt_side side)
{
	uint8_t once[MAX_BYTES + 16];
	uint8_t twice[MAX_BYTES + 16];
	char text[128];
	size_t once_len = 0;
	size_t twice_len = 0;
	size_t need = 0;
	struct nj_mqtt_frame frame;
	struct nj_mqtt_packet again;
	CHECK(nj_mqtt_encode(packet, version, once, sizeof(once), &once_len) == NJ_OK);
	CHECK(nj_mqtt_frame(nj_view_of(once, once_len), sizeof(once), &frame, &need) == NJ_MQTT_FAULT_NONE);
	CHECK(need == 0 && frame.total == once_len);
	CHECK(nj_mqtt_decode(&frame, version, side, &again) == NJ_MQTT_FAULT_NONE);
	CHECK(nj_mqtt_encode(&again, version, twice, sizeof(twice), &twice_len) == NJ_OK);
	CHECK(nj_view_equal(nj_view_of(once, once_len), nj_view_of(twice, twice_len)));
	(void)nj_mqtt_properties_text(&packet->properties, text, sizeof(text));
	if (packet->type == NJ_MQTT_SUBSCRIBE || packet->type == NJ_MQTT_UNSUBSCRIBE)
		check_filters(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint8_t version = (data[0] & 1) != 0 ? NJ_MQTT_V5 : NJ_MQTT_V311;
	enum nj_mqtt_side side = (data[0] & 2) != 0 ? NJ_MQTT_FROM_SERVER : NJ_MQTT_FROM_CLIENT;
	struct nj_view in = nj_view_of(data + 1, size - 1);
	while (in.len > 0) {
		struct nj_mqtt_frame frame;
		struct nj_mqtt_packet packet;
		size_t need = 0;
		if (nj_mqtt_frame(in, MAX_BYTES, &frame, &need) != NJ_MQTT_FAULT_NONE || need > 0)
			break;
		CHECK(frame.total >= 2 && frame.total <= in.len);
		check_split(in, &frame);
		if (nj_mqtt_decode(&frame, version, side, &packet) == NJ_MQTT_FAULT_NONE)
			check_round(&packet, version, side);
		in = nj_view_of(in.data + frame.total, in.len - frame.total);
	}
	return 0;
}
