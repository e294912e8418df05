/*
 * Random clients against a simple model of the standard: who connects, cleanly or not, subscribes, publishes,
 * acknowledges, drops, is taken over, and lets time pass. After each step every client must have got exactly what the
 * model says, in its order, with its flags and packet identifiers.
 * Steps are few in `make test`; THOROUGH=1 makes them many.
 */
#include "unit/mqtt/client.h"

#include "base/text.h"

#define CLIENTS 4
#define SUBS 8
#define OWED_MAX 256
#define WANTED_MAX 512

static const char *const topics[] = { "t/1", "t/2", "t", "u" };
static const char *const filters[SUBS] = { "t/1", "t/2", "t/+", "t/#", "#", "u", "+", "t" };
#define TOPICS (sizeof(topics) / sizeof(topics[0]))

/* --- the model --- */

struct sub {
	bool there;
	uint8_t qos;
	bool no_local;
	bool as_published;
	uint32_t id;
};

enum state { QUEUED, SENT, RELEASED };

/* A message of QoS 1 or 2 that a session is owed. */
struct owed {
	enum state state;
	uint32_t payload;
	size_t topic;
	uint8_t qos;
	bool retain;
	uint32_t id_sum;
	uint16_t packet_id;
};

/* A packet that a client must get now. */
struct wanted {
	uint8_t type;
	bool dup;
	bool any_order;      /* with its neighbours that say so too */
	struct owed message; /* QoS 0 too; `packet_id` is checked when it is not 0 */
};

struct model_client {
	struct peer *peer; /* NULL: away */
	bool session;
	uint8_t version;
	uint32_t expiry_s;
	uint64_t ends_ms; /* when away */
	bool has_will;
	size_t will_topic;
	uint8_t will_qos;
	uint32_t will_payload;
	struct sub subs[SUBS];
	size_t owed_count;
	struct owed owed[OWED_MAX];
	uint16_t unreleased; /* packet id of a QoS 2 message that it sent; 0: none */
	size_t unreleased_topic;
	uint8_t unreleased_code;
	size_t wanted_count;
	struct wanted wanted[WANTED_MAX];
};

struct retained {
	bool there;
	uint32_t payload;
	uint8_t qos;
};

struct world {
	struct gate gate;
	struct model_client clients[CLIENTS];
	struct retained retained[TOPICS];
	uint64_t now_ms;
	uint32_t payloads;
	uint32_t random;
	unsigned step;
	unsigned delivered;
};

static uint32_t roll(struct world *world, uint32_t sides)
{
	world->random = world->random * 1664525u + 1013904223u;
	return (world->random >> 8) % sides;
}

static bool chance(struct world *world, uint32_t one_in)
{
	return roll(world, one_in) == 0;
}

static void want(struct model_client *c, const struct wanted *wanted)
{
	assert_true(c->wanted_count < WANTED_MAX);
	c->wanted[c->wanted_count++] = *wanted;
}

static void want_message(struct model_client *c, const struct owed *message, bool dup, bool any_order)
{
	struct wanted wanted = { .type = NJ_MQTT_PUBLISH, .dup = dup, .any_order = any_order, .message = *message };
	want(c, &wanted);
}

/* One more message for a session: now, if it is connected, and owed above QoS 0. */
static void owe(struct model_client *c, struct owed message, bool any_order)
{
	message.state = c->peer != NULL ? SENT : QUEUED;
	if (c->peer != NULL)
		want_message(c, &message, false, any_order);
	if (message.qos == 0)
		return;
	assert_true(c->owed_count < OWED_MAX);
	c->owed[c->owed_count++] = message;
}

static uint8_t lesser(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

/* What all subscriptions of a session come to. False: none matches. */
static bool match(const struct model_client *c, const struct model_client *publisher, bool published_retain,
		  struct owed *message)
{
	uint8_t qos = 0;
	bool any = false;
	bool retain = false;
	uint32_t sum = 0;
	for (size_t i = 0; i < SUBS; i++) {
		const struct sub *s = &c->subs[i];
		if (!s->there || (s->no_local && c == publisher) ||
		    !nj_topic_matches(nj_view_str(filters[i]), nj_view_str(topics[message->topic])))
			continue;
		any = true;
		qos = s->qos > qos ? s->qos : qos;
		retain |= s->as_published && published_retain;
		sum += s->id;
	}
	message->qos = lesser(message->qos, qos);
	message->retain = retain;
	message->id_sum = sum;
	return any;
}

static bool model_publish(struct world *world, const struct model_client *publisher, size_t topic, uint8_t qos,
			  bool retain, uint32_t payload)
{
	bool any = false;
	if (retain)
		world->retained[topic] = (struct retained){ .there = payload != 0, .payload = payload, .qos = qos };
	for (size_t i = 0; i < CLIENTS; i++) {
		struct owed message = { .payload = payload, .topic = topic, .qos = qos };
		if (!world->clients[i].session || !match(&world->clients[i], publisher, retain, &message))
			continue;
		any = true;
		owe(&world->clients[i], message, false);
	}
	return any;
}

static void model_forget(struct model_client *c)
{
	c->session = false;
	c->owed_count = 0;
	c->unreleased = 0;
	memset(c->subs, 0, sizeof(c->subs));
}

/* The connection is gone. */
static void model_leave(struct world *world, struct model_client *c, bool with_will)
{
	c->peer = NULL;
	c->ends_ms = world->now_ms + UINT64_C(1000) * c->expiry_s;
	if (c->has_will && with_will)
		model_publish(world, c, c->will_topic, c->will_qos, false, c->will_payload);
	c->has_will = false;
	if (c->expiry_s == 0)
		model_forget(c);
}

/* What was sent comes again, then what waited. */
static void model_resume(struct model_client *c)
{
	for (size_t i = 0; i < c->owed_count; i++) {
		struct owed *o = &c->owed[i];
		struct wanted release = { .type = NJ_MQTT_PUBREL, .message = *o };
		if (o->state == RELEASED)
			want(c, &release);
		else
			want_message(c, o, o->state == SENT, false);
		if (o->state == QUEUED)
			o->state = SENT;
	}
}

/* --- comparing --- */

static uint32_t payload_of(const struct nj_mqtt_publish *m)
{
	uint32_t payload = 0;
	if (m->payload.len == sizeof(payload))
		memcpy(&payload, m->payload.data, sizeof(payload));
	return payload;
}

static uint32_t id_sum_of(const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_item item;
	uint32_t sum = 0;
	for (size_t cursor = 0; nj_mqtt_properties_next(&packet->properties, &cursor, &item);)
		sum += item.which == NJ_MQTT_P_SUBSCRIPTION_ID ? item.number : 0;
	return sum;
}

static bool is_wanted(const struct model_client *c, const struct wanted *w, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_publish *m = &packet->as.publish;
	const struct owed *o = &w->message;
	if (w->type != packet->type)
		return false;
	if (w->type == NJ_MQTT_PUBREL)
		return packet->as.ack.packet_id == o->packet_id && packet->as.ack.code == 0;
	return m->dup == w->dup && m->qos == o->qos && m->retain == o->retain && payload_of(m) == o->payload &&
	       nj_view_equal(m->topic, nj_view_str(topics[o->topic])) &&
	       (o->packet_id == 0 || o->packet_id == m->packet_id) &&
	       (c->version < V5 || id_sum_of(packet) == o->id_sum);
}

/* What was sent with a packet id comes before what is still to get one: retained messages come in any order. */
static void learn_packet_id(struct model_client *c, const struct wanted *w, uint16_t packet_id)
{
	size_t first = c->owed_count;
	for (size_t i = 0; i < c->owed_count; i++) {
		struct owed o = c->owed[i];
		if (o.packet_id == 0 && first == c->owed_count)
			first = i;
		if (w->message.qos == 0 || w->message.packet_id != 0 || o.payload != w->message.payload ||
		    o.topic != w->message.topic || o.packet_id != 0 || o.state != SENT)
			continue;
		o.packet_id = packet_id;
		memmove(&c->owed[first + 1], &c->owed[first], (i - first) * sizeof(o));
		c->owed[first] = o;
		return;
	}
}

static const char *wanted_text(const struct wanted *w)
{
	static char text[160];
	const struct owed *o = &w->message;
	assert_int_equal(nj_text_format(text, sizeof(text), "%s %s payload %u QoS %u dup %u retain %u id %u ids %u",
					nj_mqtt_type_name(w->type), topics[o->topic], o->payload, o->qos, w->dup,
					o->retain, o->packet_id, o->id_sum),
			 NJ_OK);
	return text;
}

static void take_wanted(struct world *world, struct model_client *c, const struct nj_mqtt_packet *packet)
{
	size_t at = 0;
	while (at < c->wanted_count && !is_wanted(c, &c->wanted[at], packet) && c->wanted[at].any_order)
		at++;
	if (at == c->wanted_count || !is_wanted(c, &c->wanted[at], packet)) {
		for (size_t i = 0; i < c->wanted_count && i < 8; i++)
			print_message("wanted: %s\n", wanted_text(&c->wanted[i]));
		const struct nj_mqtt_publish *m = &packet->as.publish;
		struct wanted came = { .type = packet->type };
		if (packet->type == NJ_MQTT_PUBLISH)
			came = (struct wanted){ .type = packet->type,
						.dup = m->dup,
						.message = { .payload = payload_of(m),
							     .qos = m->qos,
							     .retain = m->retain,
							     .packet_id = m->packet_id,
							     .id_sum = id_sum_of(packet) } };
		print_message("came: %s\n", wanted_text(&came));
		fail_msg("step %u, client %zu", world->step, (size_t)(c - world->clients));
	}
	if (packet->type == NJ_MQTT_PUBLISH)
		learn_packet_id(c, &c->wanted[at], packet->as.publish.packet_id);
	c->wanted_count--;
	memmove(&c->wanted[at], &c->wanted[at + 1], (c->wanted_count - at) * sizeof(c->wanted[0]));
	world->delivered++;
}

/* The next packet, of any type. */
static const struct nj_mqtt_packet *next_packet(const struct world *world, struct peer *peer)
{
	read_more(peer);
	if (peer->held <= peer->packet_bytes)
		fail_msg("step %u: nothing came", world->step);
	return expect(peer, peer->in[peer->packet_bytes] >> 4);
}

/* Every client has got what it must have, and no more. */
static void compare(struct world *world)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct model_client *c = &world->clients[i];
		if (c->peer == NULL) {
			c->wanted_count = 0;
			continue;
		}
		while (c->wanted_count > 0)
			take_wanted(world, c, next_packet(world, c->peer));
		expect_nothing(c->peer);
	}
}

/* --- steps --- */

/* Whatever the model wants of this client comes before the answer that `type` is. */
static const struct nj_mqtt_packet *answer(struct world *world, struct model_client *c, uint8_t type)
{
	size_t before = c->wanted_count;
	for (size_t i = 0; i < before && type != NJ_MQTT_SUBACK && type != NJ_MQTT_CONNACK; i++)
		take_wanted(world, c, next_packet(world, c->peer));
	return expect(c->peer, type);
}

static void step_connect(struct world *world, struct model_client *c)
{
	static const uint32_t expiries[] = { 0, 5, 100 };
	size_t who = (size_t)(c - world->clients);
	char id[] = { 'c', (char)('0' + who), '\0' };
	struct peer *former = c->peer;
	uint8_t version = chance(world, 3) ? V4 : V5;
	bool clean = chance(world, 3);
	uint32_t expiry_s = version == V5 ? expiries[roll(world, 3)] : clean ? 0 : 3600;
	if (former != NULL)
		model_leave(world, c, true);
	if (clean && c->session)
		model_forget(c);
	c->has_will = chance(world, 3);
	c->will_topic = roll(world, TOPICS);
	c->will_qos = (uint8_t)roll(world, 3);
	c->will_payload = ++world->payloads;
	struct peer *peer = peer_open(&world->gate, who % 2, version);
	struct nj_mqtt_packet hello = connect_packet(peer, id, clean);
	hello.as.connect.has_will = c->has_will;
	hello.as.connect.will_topic = nj_view_str(topics[c->will_topic]);
	hello.as.connect.will_payload = nj_view_of(&c->will_payload, sizeof(c->will_payload));
	hello.as.connect.will_qos = c->will_qos;
	if (!c->has_will)
		hello.as.connect.will_qos = 0;
	if (version == V5)
		nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_SESSION_EXPIRY, expiry_s);
	const struct nj_mqtt_packet *welcome = connect_with(peer, &hello);
	assert_int_equal(welcome->as.connack.code, 0);
	assert_int_equal(welcome->as.connack.session_present, c->session);
	c->peer = peer;
	c->version = version;
	c->session = true;
	c->expiry_s = expiry_s;
	model_resume(c);
	if (former != NULL)
		peer_close(former);
}

static void step_leave(struct world *world, struct model_client *c)
{
	struct peer *peer = c->peer;
	struct nj_mqtt_packet bye = { .type = NJ_MQTT_DISCONNECT };
	bool politely = chance(world, 2);
	if (politely)
		send_packet(peer, &bye);
	peer_close(peer);
	model_leave(world, c, !politely);
}

static void step_subscribe(struct world *world, struct model_client *c)
{
	size_t which = roll(world, SUBS);
	struct sub *s = &c->subs[which];
	bool v5 = c->version == V5;
	bool fresh = !s->there;
	struct nj_mqtt_filter filter = { .filter = nj_view_str(filters[which]),
					 .qos = (uint8_t)roll(world, 3),
					 .no_local = v5 && chance(world, 3),
					 .retain_as_published = v5 && chance(world, 2),
					 .retain_handling = v5 ? (uint8_t)roll(world, 3) : 0 };
	uint32_t id = v5 ? roll(world, 3) * (1u << which) : 0;
	*s = (struct sub){ true, filter.qos, filter.no_local, filter.retain_as_published, id };
	assert_int_equal(subscribe_with(c->peer, &filter, id), filter.qos);
	if (filter.retain_handling == 2 || (filter.retain_handling == 1 && !fresh))
		return;
	for (size_t t = 0; t < TOPICS; t++) {
		const struct retained *r = &world->retained[t];
		struct owed message = { .payload = r->payload,
					.topic = t,
					.qos = lesser(r->qos, filter.qos),
					.retain = true,
					.id_sum = id };
		if (r->there && nj_topic_matches(filter.filter, nj_view_str(topics[t])))
			owe(c, message, true);
	}
}

static void step_unsubscribe(struct world *world, struct model_client *c)
{
	size_t which = roll(world, SUBS);
	unsubscribe(c->peer, filters[which]);
	c->subs[which].there = false;
}

static void release(struct world *world, struct model_client *c)
{
	acknowledge(c->peer, NJ_MQTT_PUBREL, c->unreleased);
	assert_int_equal(answer(world, c, NJ_MQTT_PUBCOMP)->as.ack.packet_id, c->unreleased);
	c->unreleased = 0;
}

/* A QoS 2 message again that is not released: acknowledged, and nobody gets it. */
static void repeat(struct world *world, struct model_client *c)
{
	struct nj_mqtt_packet again = publish_packet(topics[c->unreleased_topic], "again", 2, c->unreleased);
	again.as.publish.dup = true;
	send_packet(c->peer, &again);
	assert_int_equal(answer(world, c, NJ_MQTT_PUBREC)->as.ack.packet_id, c->unreleased);
}

static void step_publish(struct world *world, struct model_client *c)
{
	size_t topic = roll(world, TOPICS);
	uint8_t qos = (uint8_t)roll(world, 3);
	bool retain = chance(world, 4);
	uint32_t payload = retain && chance(world, 3) ? 0 : ++world->payloads;
	uint16_t id = qos > 0 ? (uint16_t)(100 + roll(world, 50)) : 0;
	if (qos == 2 && c->unreleased != 0) {
		if (chance(world, 2))
			repeat(world, c);
		release(world, c);
	}
	if (qos == 1 && id == c->unreleased)
		id = 99;
	struct nj_mqtt_packet packet = publish_packet(topics[topic], "", qos, id);
	packet.as.publish.retain = retain;
	packet.as.publish.payload = nj_view_of(&payload, payload != 0 ? sizeof(payload) : 0);
	send_packet(c->peer, &packet);
	bool any = model_publish(world, c, topic, qos, retain, payload);
	if (qos == 0)
		return;
	const struct nj_mqtt_ack *ack = &answer(world, c, qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC)->as.ack;
	assert_int_equal(ack->packet_id, id);
	if (c->version == V5)
		assert_int_equal(ack->code, any ? NJ_MQTT_R_SUCCESS : NJ_MQTT_R_NO_SUBSCRIBERS);
	if (qos == 2) {
		c->unreleased = id;
		c->unreleased_topic = topic;
		if (chance(world, 2))
			release(world, c);
	}
}

static void step_acknowledge(struct world *world, struct model_client *c)
{
	for (size_t i = 0; i < c->owed_count; i++) {
		struct owed *o = &c->owed[i];
		if (o->state == QUEUED || !chance(world, 2))
			continue;
		if (o->qos == 2 && o->state == SENT) {
			acknowledge(c->peer, NJ_MQTT_PUBREC, o->packet_id);
			assert_int_equal(expect_ack(c->peer, NJ_MQTT_PUBREL, o->packet_id), 0);
			o->state = RELEASED;
			continue;
		}
		acknowledge(c->peer, o->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBCOMP, o->packet_id);
		c->owed_count--;
		memmove(o, o + 1, (c->owed_count - i) * sizeof(*o));
		i--;
	}
}

static void step_time(struct world *world)
{
	uint64_t ms = UINT64_C(1000) * roll(world, 8);
	world->now_ms += ms;
	advance(&world->gate, ms);
	for (size_t i = 0; i < CLIENTS; i++) {
		struct model_client *c = &world->clients[i];
		if (c->session && c->peer == NULL && c->ends_ms <= world->now_ms)
			model_forget(c);
	}
}

static bool crowded(const struct world *world)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (world->clients[i].owed_count > OWED_MAX / 2)
			return true;
	return false;
}

static void one_step(struct world *world)
{
	struct model_client *c = &world->clients[roll(world, CLIENTS)];
	uint32_t what = roll(world, 100);
	if (what < 3)
		step_time(world);
	else if (c->peer == NULL || what < 6)
		step_connect(world, c);
	else if (what < 12)
		step_leave(world, c);
	else if (what < 25)
		step_subscribe(world, c);
	else if (what < 32)
		step_unsubscribe(world, c);
	else if (what < 55 || crowded(world))
		step_acknowledge(world, c);
	else
		step_publish(world, c);
	compare(world);
}

static void run(uint32_t seed, unsigned steps)
{
	struct nj_mqtt_limits limits = gate_limits;
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	limits.max_inflight = 2 * OWED_MAX;
	limits.max_queued_messages = 4 * OWED_MAX;
	limits.max_memory_bytes = 64 << 20;
	limits.max_queued_bytes = 1 << 20;
	limits.max_out_bytes = 1 << 20;
	limits.max_subscriptions = SUBS;
	gate_open_with(&world->gate, &limits);
	world->random = seed;
	for (world->step = 0; world->step < steps; world->step++)
		one_step(world);
	assert_true(world->delivered > steps / 4);
	for (size_t i = 0; i < CLIENTS; i++)
		if (world->clients[i].peer != NULL)
			peer_close(world->clients[i].peer);
	assert_int_equal(gate_counters(&world->gate).messages_dropped, 0);
	gate_close(&world->gate);
	free(world);
}

static void random_clients_get_what_the_model_says(void **state)
{
	unsigned seeds = getenv("THOROUGH") != NULL ? 200 : 8;
	for (unsigned seed = 1; seed <= seeds; seed++)
		run(seed, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_clients_get_what_the_model_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
