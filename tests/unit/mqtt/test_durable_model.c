/*
 * Random clients over a gateway that dies at random points: between the submission of a group and its commit, between a
 * commit and its return, with groups that fail. Whatever was acknowledged to its publisher reaches every subscriber,
 * and what was published with QoS 2 reaches a QoS 2 subscriber once.
 */
#include "unit/mqtt/fake_disk.h"

#define MESSAGES 60
#define WINDOW 3
#define SUBSCRIBERS 3

struct sent {
	bool used, acknowledged, refused;
	uint8_t qos;
	uint16_t packet_id; /* 0: done */
	bool released;      /* PUBREC came */
};

struct publisher {
	struct peer *peer;
	struct sent sent[MESSAGES];
	unsigned next;
	uint16_t next_id;
};

struct subscriber {
	struct peer *peer;
	uint8_t qos;
	unsigned got[MESSAGES];
	bool ids[65536];   /* QoS 2, not released */
	uint16_t owed[64]; /* acknowledgements that it takes its time with */
	uint8_t owed_type[64];
	unsigned owed_count;
};

struct world {
	struct gate gate;
	struct disk disk;
	struct publisher publisher;
	struct subscriber subscribers[SUBSCRIBERS];
	uint64_t seed;
};

static unsigned draw(struct world *w, unsigned below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(w->seed >> 33) % below;
}

/* The next packet that has come whole. */
static bool take(struct peer *peer, struct nj_mqtt_packet *out_packet)
{
	struct nj_mqtt_frame frame;
	size_t need = 1;
	peer->held -= peer->packet_bytes;
	memmove(peer->in, peer->in + peer->packet_bytes, peer->held);
	peer->packet_bytes = 0;
	read_more(peer);
	if (peer->held == 0)
		return false;
	assert_int_equal(nj_mqtt_frame(nj_view_of(peer->in, peer->held), PEER_BYTES, &frame, &need), 0);
	if (need > 0)
		return false;
	assert_int_equal(nj_mqtt_decode(&frame, peer->version, NJ_MQTT_FROM_SERVER, out_packet), 0);
	peer->packet_bytes = frame.total;
	return true;
}

static void say(struct peer *peer, const struct nj_mqtt_packet *packet)
{
	size_t len;
	assert_int_equal(nj_mqtt_encode(packet, peer->version, peer->out, sizeof(peer->out), &len), NJ_OK);
	(void)!send(peer->fd, peer->out, len, MSG_NOSIGNAL);
	turns(peer->gate);
}

static void answer(struct peer *peer, uint8_t type, uint16_t id)
{
	struct nj_mqtt_packet packet = { .type = type, .as.ack = { .packet_id = id } };
	say(peer, &packet);
}

static struct peer *back(struct world *w, size_t party, const char *id)
{
	struct peer *peer = peer_open(&w->gate, party, V5);
	(void)join(peer, id, false, 100000);
	return peer;
}

/* ---- the publisher ---- */

static void publish_one(struct world *w, unsigned which, bool dup)
{
	struct publisher *p = &w->publisher;
	struct sent *sent = &p->sent[which];
	char text[8];
	snprintf(text, sizeof(text), "%u", which);
	if (sent->released) {
		answer(p->peer, NJ_MQTT_PUBREL, sent->packet_id);
		return;
	}
	struct nj_mqtt_packet packet = publish_packet("t", text, sent->qos, sent->packet_id);
	packet.as.publish.dup = dup;
	say(p->peer, &packet);
}

static unsigned outstanding(const struct publisher *p)
{
	unsigned count = 0;
	for (unsigned i = 0; i < p->next; i++)
		count += p->sent[i].packet_id != 0;
	return count;
}

static void publish_next(struct world *w)
{
	struct publisher *p = &w->publisher;
	if (p->next == MESSAGES || outstanding(p) >= WINDOW)
		return;
	p->next_id = p->next_id % 10 + 1;
	for (unsigned i = 0; i < p->next; i++)
		if (p->sent[i].packet_id == p->next_id)
			return;
	p->sent[p->next] = (struct sent){ .used = true, .qos = (uint8_t)(1 + draw(w, 2)), .packet_id = p->next_id };
	publish_one(w, p->next++, false);
}

static struct sent *sent_as(struct publisher *p, uint16_t packet_id)
{
	for (unsigned i = 0; i < p->next; i++)
		if (p->sent[i].packet_id == packet_id)
			return &p->sent[i];
	return NULL;
}

static void publisher_hears(struct world *w)
{
	struct publisher *p = &w->publisher;
	struct nj_mqtt_packet packet;
	while (take(p->peer, &packet)) {
		struct sent *sent = sent_as(p, packet.as.ack.packet_id);
		assert_non_null(sent);
		if (packet.as.ack.code == NJ_MQTT_R_QUOTA_EXCEEDED) {
			sent->refused = true;
			sent->packet_id = 0;
			continue;
		}
		sent->acknowledged = true;
		if (packet.type == NJ_MQTT_PUBREC) {
			sent->released = true;
			answer(p->peer, NJ_MQTT_PUBREL, sent->packet_id);
		} else {
			sent->packet_id = 0;
		}
	}
}

/* 4.4 */
static void publisher_back(struct world *w)
{
	struct publisher *p = &w->publisher;
	p->peer = back(w, ALICE, "pub");
	for (unsigned i = 0; i < p->next; i++)
		if (p->sent[i].packet_id != 0)
			publish_one(w, i, true);
}

/* ---- subscribers ---- */

static void owe(struct subscriber *s, uint8_t type, uint16_t id)
{
	assert_in_range(s->owed_count, 0, 63);
	s->owed[s->owed_count] = id;
	s->owed_type[s->owed_count++] = type;
}

static void heard_message(struct subscriber *s, const struct nj_mqtt_publish *m)
{
	char text[8] = "";
	memcpy(text, m->payload.data, m->payload.len);
	unsigned which = (unsigned)strtoul(text, NULL, 10);
	assert_in_range(which, 0, MESSAGES - 1);
	if (m->qos < 2 || !s->ids[m->packet_id])
		s->got[which]++;
	if (m->qos == 2)
		s->ids[m->packet_id] = true;
	owe(s, m->qos == 2 ? NJ_MQTT_PUBREC : NJ_MQTT_PUBACK, m->packet_id);
}

static void subscriber_hears(struct subscriber *s)
{
	struct nj_mqtt_packet packet;
	while (take(s->peer, &packet)) {
		if (packet.type == NJ_MQTT_PUBLISH) {
			heard_message(s, &packet.as.publish);
		} else if (packet.type == NJ_MQTT_PUBREL) {
			s->ids[packet.as.ack.packet_id] = false;
			owe(s, NJ_MQTT_PUBCOMP, packet.as.ack.packet_id);
		}
	}
}

static void subscriber_answers(struct subscriber *s, unsigned count)
{
	for (unsigned i = 0; i < count && s->owed_count > 0; i++) {
		answer(s->peer, s->owed_type[0], s->owed[0]);
		s->owed_count--;
		memmove(s->owed, s->owed + 1, s->owed_count * sizeof(s->owed[0]));
		memmove(s->owed_type, s->owed_type + 1, s->owed_count);
	}
}

static const char *const names[SUBSCRIBERS] = { "s1", "s2", "s3" };

static void subscriber_back(struct world *w, unsigned which)
{
	w->subscribers[which].owed_count = 0;
	w->subscribers[which].peer = back(w, BOB, names[which]);
}

static void subscriber_leaves(struct world *w, unsigned which)
{
	struct subscriber *s = &w->subscribers[which];
	if (s->peer != NULL)
		peer_close(s->peer);
	s->peer = NULL;
}

/* ---- the world ---- */

static void crash(struct world *w)
{
	gate_crash(&w->gate, &w->disk, draw(w, 3) * 100);
	peer_close(w->publisher.peer);
	publisher_back(w);
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		bool here = w->subscribers[i].peer != NULL;
		subscriber_leaves(w, i);
		if (here)
			subscriber_back(w, i);
	}
}

static void step_subscriber(struct world *w, unsigned which)
{
	struct subscriber *s = &w->subscribers[which];
	if (s->peer == NULL && draw(w, 4) == 0)
		subscriber_back(w, which);
	if (s->peer == NULL)
		return;
	subscriber_hears(s);
	subscriber_answers(s, draw(w, 4));
	if (draw(w, 40) == 0)
		subscriber_leaves(w, which);
}

static void step_disk(struct world *w)
{
	nj_clock_fake_advance_ms(&w->gate.clock, draw(w, 30));
	turns(&w->gate);
	for (size_t i = 0; i < nj_mqtt_fabric_count(w->gate.fabric); i++) {
		if (w->disk.ways[i].under_way == NULL || draw(w, 3) == 0)
			continue;
		w->disk.fails = draw(w, 15) == 0 ? NJ_ERR_FULL : NJ_OK;
		disk_commit_way(&w->disk.ways[i]);
		if (draw(w, 8) != 0)
			nj_mqtt_durable_collect(nj_mqtt_fabric_broker(w->gate.fabric, i));
	}
	w->disk.fails = NJ_OK;
}

static void step(struct world *w)
{
	publisher_hears(w);
	if (draw(w, 2) == 0)
		publish_next(w);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		step_subscriber(w, i);
	disk_collect(&w->gate);
	step_disk(w);
	if (draw(w, 25) == 0)
		crash(w);
}

/* Everybody is there and answers, nothing fails: whatever is still under way arrives. */
static void come_to_rest(struct world *w)
{
	for (int i = 0; i < 200; i++) {
		for (unsigned k = 0; k < SUBSCRIBERS; k++) {
			if (w->subscribers[k].peer == NULL)
				subscriber_back(w, k);
			subscriber_hears(&w->subscribers[k]);
			subscriber_answers(&w->subscribers[k], 64);
		}
		publisher_hears(w);
		disk_collect(&w->gate);
		settle_for(&w->gate, &w->disk, 5);
	}
}

static void open_world(struct world *w, uint64_t seed)
{
	struct nj_mqtt_limits limits = disk_limits();
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	gate_open_with(&w->gate, &limits);
	disk_restore(&w->gate, &w->disk);
	publisher_back(w);
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		struct nj_mqtt_filter f = { .filter = nj_view_str("t"), .qos = (uint8_t)(i == 0 ? 1 : 2) };
		uint8_t items[16];
		struct nj_writer writer = nj_writer_of(items, sizeof(items));
		struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
		nj_mqtt_filter_write(&writer, NJ_MQTT_SUBSCRIBE, &f);
		packet.as.list = (struct nj_mqtt_list){ .packet_id = 1, .items = nj_view_of(items, writer.pos) };
		w->subscribers[i].qos = f.qos;
		subscriber_back(w, i);
		say(w->subscribers[i].peer, &packet);
		settle_for(&w->gate, &w->disk, 5);
		(void)expect(w->subscribers[i].peer, NJ_MQTT_SUBACK);
	}
	settle_for(&w->gate, &w->disk, 150);
}

static void close_world(struct world *w)
{
	peer_close(w->publisher.peer);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		subscriber_leaves(w, i);
	gate_close(&w->gate);
}

static void judge(const struct world *w, uint64_t seed)
{
	for (unsigned k = 0; k < SUBSCRIBERS; k++) {
		const struct subscriber *s = &w->subscribers[k];
		for (unsigned i = 0; i < MESSAGES; i++) {
			const struct sent *sent = &w->publisher.sent[i];
			if (sent->acknowledged && s->got[i] == 0)
				fail_msg("seed %llu: message %u was acknowledged and did not reach %s",
					 (unsigned long long)seed, i, names[k]);
			if (sent->qos == 2 && s->qos == 2 && s->got[i] > 1)
				fail_msg("seed %llu: message %u came %u times to %s", (unsigned long long)seed, i,
					 s->got[i], names[k]);
		}
	}
}

static void nothing_acknowledged_is_lost_and_nothing_comes_twice(void **state)
{
	struct world *w = malloc(sizeof(*w));
	const char *thorough = getenv("THOROUGH");
	uint64_t seeds = thorough != NULL && thorough[0] != '\0' ? 600 : 60;
	assert_non_null(w);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		open_world(w, seed);
		for (int i = 0; i < 400; i++)
			step(w);
		come_to_rest(w);
		judge(w, seed);
		close_world(w);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_acknowledged_is_lost_and_nothing_comes_twice) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
