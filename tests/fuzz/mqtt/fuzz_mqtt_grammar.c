/*
 * Whole sessions: the input chooses well-formed packets of two clients of one broker, in any order and cut anywhere;
 * the broker keeps all in memory, or is durable over a disk that commits, fails, waits, or sees the gateway die.
 * Topics, client ids and packet ids come from small sets, so that sessions meet, queue, retry and are taken over. Held:
 * whatever the broker sends to a client is a stream of well-formed packets of that client's version; to a client that
 * acknowledges what it got, no packet id is in flight twice, never more than its Receive Maximum; memory stays under
 * its ceiling; when all is gone, nothing is left.
 */
#include "fuzz/mqtt/disk.h"
#include "mqtt/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKET_BYTES 512
#define STREAM_BYTES 32768
#define IDS 16 /* of unacknowledged messages that a client remembers; more than max_inflight */

/* A client as it sees itself. */
struct peer {
	uint8_t version;
	uint16_t receive_max;
	uint16_t in_flight[IDS]; /* ids of the broker's messages that it has not acknowledged; 0: free */
	uint8_t stream[STREAM_BYTES];
	size_t have;
	bool spoke; /* a CONNECT was made: what it said is for good */
	bool wild;  /* it acknowledged what it had not got: the broker may have sent it by then */
};

static struct {
	struct gate gate;
	struct peer peers[CLIENTS];
	struct disk disk;
} fz;

static struct nj_view pick(struct nj_reader *r, const char *const *texts, size_t count)
{
	return nj_view_str(texts[nj_read_u8(r) % count]);
}
#define PICK(r, texts) pick(r, texts, sizeof(texts) / sizeof((texts)[0]))

static const char *const topics[] = { "a/b", "a/b/c", "a", "a/b/d", "x", "no/right", "$nightjar/x", "a//", "" };
static const char *const filters[] = { "a/#",          "a/b",        "+",  "+/b/+",  "#",     "a/b/#",    "x",
				       "$share/g/a/#", "$share/h/+", "no", "$SYS/#", "a/b/d", "$share//x" };
static const char *const client_ids[] = { "", "c1", "c2", "c3" };

/* ---- what the broker says ---- */

static size_t place_of(const struct peer *peer, uint16_t id)
{
	for (size_t i = 0; i < IDS; i++)
		if (peer->in_flight[i] == id)
			return i;
	return IDS;
}

static void delivered(struct peer *peer, const struct nj_mqtt_publish *publish)
{
	size_t count = 1;
	size_t at = place_of(peer, 0);

	if (publish->qos == 0 || peer->wild)
		return;
	CHECK(place_of(peer, publish->packet_id) == IDS && at < IDS);
	for (size_t i = 0; i < IDS; i++)
		count += peer->in_flight[i] != 0;
	CHECK(count <= peer->receive_max);
	peer->in_flight[at] = publish->packet_id;
}

static void take_packet(struct peer *peer, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_packet packet;

	CHECK(nj_mqtt_decode(frame, peer->version, NJ_MQTT_FROM_SERVER, &packet) == NJ_MQTT_FAULT_NONE);
	if (packet.type == NJ_MQTT_PUBLISH)
		delivered(peer, &packet.as.publish);
}

static void heard(struct gate *gate, size_t which, struct nj_view bytes)
{
	struct peer *peer = &fz.peers[which];
	size_t at = 0;

	CHECK(bytes.len <= sizeof(peer->stream) - peer->have);
	memcpy(peer->stream + peer->have, bytes.data, bytes.len);
	peer->have += bytes.len;
	while (at < peer->have) {
		struct nj_mqtt_frame frame;
		size_t need = 0;

		CHECK(nj_mqtt_frame(nj_view_of(peer->stream + at, peer->have - at), PACKET_BYTES, &frame, &need) ==
		      NJ_MQTT_FAULT_NONE);
		if (need > 0)
			break;
		take_packet(peer, &frame);
		at += frame.total;
	}
	memmove(peer->stream, peer->stream + at, peer->have - at);
	peer->have -= at;
}

/* ---- what clients say ---- */

static void make_connect(struct nj_reader *r, struct peer *peer, struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_connect *connect = &packet->as.connect;
	uint8_t flags = nj_read_u8(r);

	packet->type = NJ_MQTT_CONNECT;
	connect->version = (flags & 1) != 0 ? NJ_MQTT_V5 : NJ_MQTT_V311;
	connect->clean_start = (flags & 2) != 0;
	connect->keep_alive_s = (flags & 4) != 0 ? 2 : 0;
	connect->client_id = PICK(r, client_ids);
	connect->has_will = (flags & 8) != 0;
	if (connect->has_will) {
		connect->will_topic = PICK(r, topics);
		connect->will_qos = nj_read_u8(r) % 3;
		connect->will_retain = (flags & 16) != 0;
		connect->will_payload = nj_view_str("will");
		if ((flags & 32) != 0)
			nj_mqtt_set_number(&connect->will, NJ_MQTT_P_WILL_DELAY, nj_read_u8(r) % 8);
	}
	if ((flags & 64) != 0)
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_SESSION_EXPIRY, nj_read_u8(r) % 16);
	if ((flags & 128) != 0) {
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_RECEIVE_MAXIMUM, nj_read_u8(r) % 3 + 1);
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM, nj_read_u8(r) % 4);
	}
	if (peer->spoke)
		return;
	peer->spoke = true;
	peer->version = connect->version;
	if (connect->version == NJ_MQTT_V5)
		peer->receive_max =
		    (uint16_t)nj_mqtt_number(&packet->properties, NJ_MQTT_P_RECEIVE_MAXIMUM, UINT16_MAX);
}

static void make_publish(struct nj_reader *r, const struct peer *peer, struct nj_mqtt_packet *packet)
{
	static const uint8_t payload[64] = { 'p' };
	struct nj_mqtt_publish *publish = &packet->as.publish;
	uint8_t flags = nj_read_u8(r);

	packet->type = NJ_MQTT_PUBLISH;
	publish->qos = flags & 3;
	if (publish->qos == 3)
		publish->qos = 1;
	publish->retain = (flags & 4) != 0;
	publish->dup = publish->qos > 0 && (flags & 8) != 0;
	publish->packet_id = publish->qos > 0 ? nj_read_u8(r) % 4 + 1 : 0;
	publish->topic = PICK(r, topics);
	publish->payload = nj_view_of(payload, nj_read_u8(r) % sizeof(payload));
	if (peer->version != NJ_MQTT_V5)
		return;
	if ((flags & 16) != 0)
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_TOPIC_ALIAS, nj_read_u8(r) % 4);
	if ((flags & 32) != 0)
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_MESSAGE_EXPIRY, nj_read_u8(r) % 4);
	if ((flags & 64) != 0)
		nj_mqtt_set_data(&packet->properties, NJ_MQTT_P_RESPONSE_TOPIC, PICK(r, topics));
}

static void make_list(struct nj_reader *r, const struct peer *peer, uint8_t type, struct nj_mqtt_packet *packet)
{
	static uint8_t room[256];
	struct nj_writer w = nj_writer_of(room, sizeof(room));

	packet->type = type;
	packet->as.list.packet_id = nj_read_u8(r) % 4 + 1;
	for (int left = nj_read_u8(r) % 4 + 1; left > 0; left--) {
		uint8_t options = nj_read_u8(r);
		struct nj_mqtt_filter filter = { .filter = PICK(r, filters), .qos = options % 3 };

		if (peer->version == NJ_MQTT_V5) {
			filter.no_local = (options & 4) != 0;
			filter.retain_as_published = (options & 8) != 0;
			filter.retain_handling = (options >> 4) % 3;
		}
		nj_mqtt_filter_write(&w, type, &filter);
	}
	CHECK(w.err == NJ_OK);
	packet->as.list.items = nj_view_of(room, w.pos);
	if (type == NJ_MQTT_SUBSCRIBE && peer->version == NJ_MQTT_V5 && nj_read_u8(r) % 2 == 0)
		nj_mqtt_set_number(&packet->properties, NJ_MQTT_P_SUBSCRIPTION_ID, nj_read_u8(r));
}

/* Mostly of messages of the broker's, else (and PUBREL) of any. */
static void make_ack(struct nj_reader *r, struct peer *peer, uint8_t type, struct nj_mqtt_packet *packet)
{
	uint8_t which = nj_read_u8(r);
	size_t at = which % IDS;

	packet->type = type;
	packet->as.ack.packet_id = which < 192 && type != NJ_MQTT_PUBREL ? peer->in_flight[at] : which % 4 + 1;
	if (packet->as.ack.packet_id == 0)
		packet->as.ack.packet_id = peer->in_flight[0] != 0 ? peer->in_flight[0] : 1;
	packet->as.ack.code = peer->version == NJ_MQTT_V5 && which % 32 == 31 ? 0x80 : 0;
	if (type == NJ_MQTT_PUBREL || type == NJ_MQTT_PUBCOMP)
		packet->as.ack.code = 0;
}

/* What the client may forget once it has said this: the broker may use the id again. */
static void note_said(struct peer *peer, const struct nj_mqtt_packet *packet)
{
	if (packet->type != NJ_MQTT_PUBACK && packet->type != NJ_MQTT_PUBREC && packet->type != NJ_MQTT_PUBCOMP)
		return;
	size_t at = place_of(peer, packet->as.ack.packet_id);
	if (at == IDS)
		peer->wild = true;
	else if (packet->type != NJ_MQTT_PUBREC || packet->as.ack.code >= 0x80)
		peer->in_flight[at] = 0;
}

static bool make_packet(struct nj_reader *r, struct peer *peer, struct nj_mqtt_packet *packet)
{
	static const uint8_t acks[] = { NJ_MQTT_PUBACK, NJ_MQTT_PUBREC, NJ_MQTT_PUBREL, NJ_MQTT_PUBCOMP };
	uint8_t what = nj_read_u8(r) % 16;

	*packet = (struct nj_mqtt_packet){ 0 };
	switch (what) {
	case 0:
		make_connect(r, peer, packet);
		return true;
	case 1:
	case 2:
	case 3:
	case 4:
		make_publish(r, peer, packet);
		return true;
	case 5:
	case 6:
		make_list(r, peer, NJ_MQTT_SUBSCRIBE, packet);
		return true;
	case 7:
		make_list(r, peer, NJ_MQTT_UNSUBSCRIBE, packet);
		return true;
	case 8:
	case 9:
	case 10:
	case 11:
		make_ack(r, peer, acks[what - 8], packet);
		return true;
	case 12:
		packet->type = NJ_MQTT_PINGREQ;
		return true;
	case 13:
		packet->type = NJ_MQTT_DISCONNECT;
		packet->as.ack.code = peer->version == NJ_MQTT_V5 && nj_read_u8(r) % 2 == 0 ? 0x04 : 0;
		return true;
	default:
		return false;
	}
}

/* ---- an input ---- */

static void forget(struct peer *peer)
{
	*peer = (struct peer){ .version = NJ_MQTT_V311, .receive_max = UINT16_MAX };
}

/* Packets until one of the choices says that the step ends; sent in two pieces. */
static void speak(struct nj_reader *r, size_t which)
{
	struct peer *peer = &fz.peers[which];
	uint8_t bytes[4 * PACKET_BYTES];
	size_t len = 0;
	struct nj_mqtt_packet packet;

	for (int i = 0; i < 4 && nj_reader_left(r) > 0 && make_packet(r, peer, &packet); i++) {
		size_t n = 0;

		if (nj_mqtt_encode(&packet, peer->version, bytes + len, sizeof(bytes) - len, &n) != NJ_OK)
			break;
		len += n;
		note_said(peer, &packet);
	}
	size_t cut = len * nj_read_u8(r) / 256;
	if (cut > 0)
		gate_send(&fz.gate, which, nj_view_of(bytes, cut));
	gate_send(&fz.gate, which, nj_view_of(bytes + cut, len - cut));
}

static void settle(struct gate *gate)
{
	disk_commit(gate, &fz.disk, false);
}

/* What comes of the step's writes: they wait, fail, go with the gateway, or are committed. */
static void meet_fate(uint8_t step)
{
	enum { FAIL = 1, WAIT, CRASH } fate = step >> 5;

	nj_clock_fake_advance_ms(&fz.gate.clock, 3);
	gate_turn(&fz.gate);
	if (fate == CRASH) {
		disk_crash(&fz.gate, &fz.disk);
		for (size_t i = 0; i < CLIENTS; i++)
			forget(&fz.peers[i]);
	} else if (fate != WAIT) {
		disk_commit(&fz.gate, &fz.disk, fate == FAIL);
		gate_turn(&fz.gate);
	}
}

static void start(bool durable)
{
	fz.gate.heard = heard;
	fz.gate.settle = durable ? settle : NULL;
	gate_open(&fz.gate);
	if (!durable)
		return;
	for (size_t i = 0; i < DISK_ROWS; i++)
		disk_forget(&fz.disk.rows[i]);
	fz.disk.under_way = fz.disk.finished = NULL;
	fz.disk.last_session = 0;
	fz.disk.last_shared = 0;
	disk_restore(&fz.gate, &fz.disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader r = nj_reader_of(data, size);
	bool durable = nj_read_u8(&r) % 2 == 0;

	start(durable);
	while (nj_reader_left(&r) > 0) {
		uint8_t step = nj_read_u8(&r);
		size_t which = step & STEP_CLIENT;

		if (fz.gate.fds[which] < 0 || (step & STEP_CLOSE) != 0) {
			gate_close_client(&fz.gate, which);
			forget(&fz.peers[which]);
		}
		(void)gate_step(&fz.gate, step);
		speak(&r, which);
		if (durable)
			meet_fate(step);
	}
	gate_close(&fz.gate);
	return 0;
}
