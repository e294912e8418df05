/* The ceilings of queues, of a session, a customer and all, and what happens at each: the new message is refused, or
 * the oldest goes. Over restarts, whatever the number of brokers, and with what is in flight left alone. */
#include "mqtt/inspect.h"
#include "unit/mqtt/fake_disk.h"

#define ROW (2 + NJ_MESSAGES_ROW_BYTES) /* "a", and one byte */

static struct disk disk;
static unsigned told;
static uint64_t told_discarded;

static void see_full(void *arg, const struct nj_mqtt_seen *seen, uint64_t discarded)
{
	assert_int_equal(seen->client_id.len, 1);
	told++;
	told_discarded = discarded;
}

/* Limits without any ceiling in the way. */
static struct nj_mqtt_limits wide(enum nj_mqtt_queue_full queue_full)
{
	struct nj_mqtt_limits limits = disk_limits();
	limits.max_inflight = 4;
	limits.max_sessions = 20;
	limits.queue_full = queue_full;
	return limits;
}

static void limit(struct gate *gate, const struct nj_mqtt_limits *limits)
{
	nj_mqtt_fabric_set_limits(gate->fabric, limits);
	nj_mqtt_fabric_settle(gate->fabric);
}

static void open_hearing(struct gate *gate)
{
	const struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	const struct nj_mqtt_hooks hooks = { .arg = gate, .on_queue_full = see_full };
	gate_fabric(gate, &limits, &hooks);
}

static int setup(void **state)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	const struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	memset(&disk, 0, sizeof(disk));
	told = 0;
	told_discarded = 0;
	gate_open_with(gate, &limits);
	nj_mqtt_fabric_free(gate->fabric);
	turns(gate);
	open_hearing(gate);
	disk_restore(gate, &disk);
	*state = gate;
	return 0;
}

static int teardown(void **state)
{
	gate_close(*state);
	free(*state);
	return 0;
}

static void crash(struct gate *gate)
{
	memset(disk.ways, 0, sizeof(disk.ways));
	nj_mqtt_fabric_free(gate->fabric);
	turns(gate);
	open_hearing(gate);
	disk_restore(gate, &disk);
	turns(gate);
}

/* Takes Receive Maximum `window`. */
static struct peer *comes(struct gate *gate, size_t party, const char *id, uint16_t window)
{
	struct peer *peer = peer_open(gate, party, V5);
	struct nj_mqtt_packet packet = connect_packet(peer, id, false);
	nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_SESSION_EXPIRY, 1000);
	nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, window);
	assert_int_equal(connect_with(peer, &packet)->as.connack.code, 0);
	settle_for(gate, &disk, 150);
	return peer;
}

static void wants(struct peer *peer, const char *filter, uint8_t qos)
{
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = qos };
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 7, .items = nj_view_of(items, w.pos) };
	send_packet(peer, &packet);
	settle_for(peer->gate, &disk, 5);
	assert_int_equal(expect(peer, NJ_MQTT_SUBACK)->as.list.items.data[0], qos);
}

static void away(struct gate *gate, size_t party, const char *id, const char *filter)
{
	struct peer *peer = comes(gate, party, id, 4);
	wants(peer, filter, 2);
	peer_close(peer);
	settle_for(gate, &disk, 150);
}

/* Publishes and returns the answer. */
static uint8_t says(struct peer *peer, const char *topic, const char *payload, uint8_t qos)
{
	publish(peer, topic, payload, qos, 1);
	settle_for(peer->gate, &disk, 60); /* a receiver that is there is waited for */
	uint8_t code = expect_ack(peer, qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, 1);
	if (qos == 1 || code >= 0x80)
		return code;
	acknowledge(peer, NJ_MQTT_PUBREL, 1);
	settle_for(peer->gate, &disk, 10);
	expect_ack(peer, NJ_MQTT_PUBCOMP, 1);
	return code;
}

static uint64_t total(const struct gate *gate)
{
	return nj_mqtt_durable_state_of(nj_mqtt_fabric_broker(gate->fabric, 0)).queued_bytes;
}

static struct disk_row *row_of(const char *id)
{
	for (size_t i = 0; i < DISK_ROWS; i++)
		if (disk.rows[i].type == NJ_MESSAGES_SESSION_PUT &&
		    nj_view_equal(disk_name(&disk.rows[i]), nj_view_str(id)))
			return &disk.rows[i];
	fail_msg("no session %s", id);
	abort();
}

/* What the store has of a client's queue: payloads in order, and what its row says that it has discarded. */
static void stored(const char *id, const char *want, uint64_t discarded)
{
	char text[256] = "";
	size_t len = 0;
	const struct disk_row *session = row_of(id);
	for (struct disk_row *row = disk_after(disk.rows, session->session, 0); row != NULL;
	     row = disk_after(disk.rows, session->session, row->position))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ", (int)row->body.payload_bytes,
					(const char *)row->data + row->body.topic_bytes + row->body.properties_bytes);
	assert_string_equal(text, want);
	assert_int_equal(session->row.discarded, discarded);
}

/* A client comes and gets these, no more. */
static void receives(struct gate *gate, size_t party, const char *id, const char *topic, const char *const *want)
{
	struct peer *peer = comes(gate, party, id, 1);
	for (; *want != NULL; want++) {
		settle_for(gate, &disk, 20);
		const struct nj_mqtt_publish *m = &expect(peer, NJ_MQTT_PUBLISH)->as.publish;
		assert_true(nj_view_equal(m->topic, nj_view_str(topic)));
		assert_true(nj_view_equal(m->payload, nj_view_str(*want)));
		uint16_t packet_id = m->packet_id;
		if (m->qos == 1) {
			acknowledge(peer, NJ_MQTT_PUBACK, packet_id);
			continue;
		}
		acknowledge(peer, NJ_MQTT_PUBREC, packet_id);
		settle_for(gate, &disk, 10);
		expect_ack(peer, NJ_MQTT_PUBREL, packet_id);
		acknowledge(peer, NJ_MQTT_PUBCOMP, packet_id);
	}
	settle_for(gate, &disk, 200);
	expect_nothing(peer);
	peer_close(peer);
	settle_for(gate, &disk, 150);
}
#define GETS(gate, party, id, topic, ...) receives(gate, party, id, topic, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- refusing ---- */

/* Each ceiling alone, one below, at and one above what `count` messages take. */
static void refuses_past(struct gate *gate, struct nj_mqtt_limits *limits, uint64_t *ceiling, uint64_t exactly)
{
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (int more = -1; more <= 1; more++) {
		*ceiling = exactly + (uint64_t)more;
		limit(gate, limits);
		unsigned fit = more < 0 ? 2 : 3;
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(says(alice, "a", "x", 1), i < fit ? 0 : NJ_MQTT_R_QUOTA_EXCEEDED);
		assert_int_equal(total(gate), fit * ROW);
		crash(gate);
		limit(gate, limits);
		assert_int_equal(total(gate), fit * ROW);
		peer_close(alice);
		alice = joined(gate, ALICE, V5, "alice");
		if (more >= 0)
			assert_int_equal(says(alice, "a", "x", 2), NJ_MQTT_R_QUOTA_EXCEEDED);
		GETS(gate, BOB, "b", "a", "x", "x", more < 0 ? NULL : "x");
		assert_int_equal(total(gate), 0);
	}
	peer_close(alice);
}

static void a_session_refuses_past_its_bytes(void **state)
{
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	away(*state, BOB, "b", "a");
	refuses_past(*state, &limits, &limits.max_queued_bytes, UINT64_C(3) * ROW);
}

static void a_customer_refuses_past_its_bytes(void **state)
{
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	away(*state, BOB, "b", "a");
	refuses_past(*state, &limits, &limits.customer_queued_bytes, UINT64_C(3) * ROW);
}

static void all_refuse_past_theirs(void **state)
{
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	away(*state, BOB, "b", "a");
	refuses_past(*state, &limits, &limits.total_queued_bytes, UINT64_C(3) * ROW);
}

/* Whoever keeps the sessions, and wherever. */
static void a_ceiling_is_for_all_of_them(void **state)
{
	static const char *const names[] = { "1", "2", "3", "4", "5" };
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	for (size_t i = 0; i < 5; i++)
		away(gate, BOB, names[i], names[i]);
	away(gate, CAROL, "c", "c");
	limits.customer_queued_bytes = UINT64_C(4) * ROW;
	limits.total_queued_bytes = UINT64_C(6) * ROW;
	limit(gate, &limits);
	for (int round = 0; round < 2; round++) {
		struct peer *alice = joined(gate, ALICE, V5, "alice");
		struct peer *carol = joined(gate, CAROL, V5, "carol");
		for (size_t i = 0; i < 5 && round == 0; i++)
			assert_int_equal(says(alice, names[i], "x", 1), i < 4 ? 0 : NJ_MQTT_R_QUOTA_EXCEEDED);
		for (size_t i = 0; i < 3 && round == 0; i++)
			assert_int_equal(says(carol, "c", "x", 1), i < 2 ? 0 : NJ_MQTT_R_QUOTA_EXCEEDED);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(says(alice, names[i], "x", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
		assert_int_equal(says(carol, "c", "x", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
		assert_int_equal(total(gate), 6 * ROW);
		crash(gate);
		limit(gate, &limits);
		peer_close(alice);
		peer_close(carol);
	}
	GETS(gate, BOB, "2", "2", "x");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	assert_int_equal(says(alice, "5", "x", 1), 0);
	assert_int_equal(says(alice, "5", "x", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	peer_close(alice);
}

static void a_session_refuses_past_its_number(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_REFUSES);
	away(gate, BOB, "b", "a");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	limits.max_queued_messages = 3;
	limit(gate, &limits);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(says(alice, "a", "x", 1), i < 3 ? 0 : NJ_MQTT_R_QUOTA_EXCEEDED);
	assert_true(told > 0);
	assert_int_equal(told_discarded, 0);
	GETS(gate, BOB, "b", "a", "x", "x", "x");
	peer_close(alice);
}

/* ---- dropping the oldest ---- */

static void the_oldest_go(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	away(gate, BOB, "b", "a");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	limits.max_queued_messages = 3;
	limit(gate, &limits);
	for (uint8_t i = 1; i <= 3; i++)
		assert_int_equal(says(alice, "a", (char[]){ (char)('0' + i), '\0' }, 1), 0);
	stored("b", "1 2 3 ", 0);
	assert_int_equal(told, 0);
	assert_int_equal(says(alice, "a", "4", 1), 0);
	stored("b", "2 3 4 ", 1);
	assert_int_equal(says(alice, "a", "5", 2), 0);
	stored("b", "3 4 5 ", 2);
	crash(gate);
	limit(gate, &limits);
	assert_int_equal(total(gate), 3 * ROW);
	peer_close(alice);
	alice = joined(gate, ALICE, V5, "alice");
	assert_int_equal(says(alice, "a", "6", 1), 0);
	stored("b", "4 5 6 ", 3);
	assert_int_equal(told_discarded, 3);
	assert_int_equal(gate_counters(gate).messages_discarded, 1); /* since the start */
	GETS(gate, BOB, "b", "a", "4", "5", "6");
	stored("b", "", 3);
	assert_int_equal(total(gate), 0);
	peer_close(alice);
}

static void a_large_one_takes_the_place_of_several(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	away(gate, BOB, "b", "a");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	limits.max_queued_bytes = UINT64_C(3) * ROW;
	limit(gate, &limits);
	for (uint8_t i = 1; i <= 3; i++)
		assert_int_equal(says(alice, "a", (char[]){ (char)('0' + i), '\0' }, 1), 0);
	char large[2 * ROW - NJ_MESSAGES_ROW_BYTES]; /* with its topic as much as two */
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(says(alice, "a", large, 1), 0);
	assert_int_equal(total(gate), 3 * ROW);
	crash(gate);
	limit(gate, &limits);
	/* What no queue holds drops nothing. */
	char too_large[3 * ROW - NJ_MESSAGES_ROW_BYTES + 1];
	memset(too_large, 'y', sizeof(too_large));
	too_large[sizeof(too_large) - 1] = '\0';
	peer_close(alice);
	alice = joined(gate, ALICE, V5, "alice");
	assert_int_equal(says(alice, "a", too_large, 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	too_large[sizeof(too_large) - 2] = '\0';
	GETS(gate, BOB, "b", "a", "3", large);
	assert_int_equal(says(alice, "a", "4", 1), 0);
	assert_int_equal(says(alice, "a", too_large, 1), 0);
	GETS(gate, BOB, "b", "a", too_large);
	peer_close(alice);
}

/* For the ceilings of many a session gives of its own. */
static void of_the_session_itself(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	away(gate, BOB, "b", "a");
	away(gate, BOB, "d", "d");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (int i = 0; i < 2; i++) {
		uint64_t *ceiling = i == 0 ? &limits.customer_queued_bytes : &limits.total_queued_bytes;
		uint64_t former = *ceiling;
		*ceiling = UINT64_C(3) * ROW;
		limit(gate, &limits);
		for (uint8_t n = 1; n <= 5; n++)
			assert_int_equal(says(alice, "a", (char[]){ (char)('0' + n), '\0' }, 1), 0);
		assert_int_equal(total(gate), 3 * ROW);
		assert_int_equal(says(alice, "d", "x", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
		stored("b", "3 4 5 ", 2 + 2 * (unsigned)i);
		stored("d", "", 0);
		GETS(gate, BOB, "b", "a", "3", "4", "5");
		*ceiling = former;
	}
	peer_close(alice);
}

static void what_is_in_flight_stays(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	limits.max_queued_messages = 4;
	limit(gate, &limits);
	struct peer *bob = comes(gate, BOB, "b", 2);
	wants(bob, "a", 2);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (uint8_t i = 1; i <= 8; i++)
		assert_int_equal(says(alice, "a", (char[]){ (char)('0' + i), '\0' }, i == 2 ? 2 : 1), 0);
	expect_message(bob, "a", "1", 1);
	uint16_t second = expect_message(bob, "a", "2", 2)->packet_id;
	acknowledge(bob, NJ_MQTT_PUBREC, second);
	settle_for(gate, &disk, 10);
	expect_ack(bob, NJ_MQTT_PUBREL, second);
	stored("b", "1  7 8 ", 4);
	limits.max_queued_messages = 2;
	limit(gate, &limits);
	assert_int_equal(says(alice, "a", "9", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	stored("b", "1  7 8 ", 4);
	peer_close(bob);
	settle_for(gate, &disk, 150);
	assert_int_equal(says(alice, "a", "9", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	limits.max_queued_messages = 4;
	limit(gate, &limits);
	assert_int_equal(says(alice, "a", "9", 1), 0);
	stored("b", "1  8 9 ", 5);
	crash(gate);
	limit(gate, &limits);
	peer_close(alice);
	bob = comes(gate, BOB, "b", 4);
	assert_true(expect_message(bob, "a", "1", 1)->dup);
	expect_ack(bob, NJ_MQTT_PUBREL, second);
	expect_message(bob, "a", "8", 1);
	expect_message(bob, "a", "9", 1);
	expect_nothing(bob);
	peer_close(bob);
}

/* A client that was there when the gateway died may have got all of it. */
static void what_is_doubtful_stays(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	struct peer *bob = comes(gate, BOB, "b", 1);
	wants(bob, "a", 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	assert_int_equal(says(alice, "a", "1", 1), 0);
	assert_int_equal(says(alice, "a", "2", 1), 0);
	limits.max_queued_messages = 3;
	crash(gate);
	limit(gate, &limits);
	peer_close(bob);
	peer_close(alice);
	alice = joined(gate, ALICE, V5, "alice");
	for (uint8_t i = 3; i <= 5; i++)
		assert_int_equal(says(alice, "a", (char[]){ (char)('0' + i), '\0' }, 1), 0);
	stored("b", "1 2 5 ", 2);
	GETS(gate, BOB, "b", "a", "1", "2", "5");
	peer_close(alice);
}

/* A queue of which the window is a part: first it goes, then what is on disk alone. */
static void behind_the_window_too(void **state)
{
	enum { MANY = 700 };
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	char text[8];
	limits.max_queued_messages = MANY;
	away(gate, BOB, "b", "a");
	limit(gate, &limits);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	struct peer *bob = NULL;
	for (int i = 1; i <= 3 * MANY; i++) {
		if (i == MANY) {
			bob = comes(gate, BOB, "b", 1);
			settle_for(gate, &disk, 300);
			expect_message(bob, "a", "1", 1);
		}
		snprintf(text, sizeof(text), "%d", i);
		publish(alice, "a", text, 1, 1);
		settle_for(gate, &disk, 2);
		assert_int_equal(expect_ack(alice, NJ_MQTT_PUBACK, 1), 0);
	}
	settle_for(gate, &disk, 100);
	assert_true(total(gate) <= MANY * (ROW + 4));
	assert_int_equal(gate_counters(gate).messages_discarded, 2 * MANY);
	acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	for (int i = 2 * MANY + 2; i <= 3 * MANY; i++) {
		settle_for(gate, &disk, 1);
		snprintf(text, sizeof(text), "%d", i);
		expect_message(bob, "a", text, 1);
		acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
	}
	settle_for(gate, &disk, 200);
	expect_nothing(bob);
	assert_int_equal(total(gate), 0);
	peer_close(bob);
	peer_close(alice);
}

static void not_while_the_disk_takes_nothing(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	away(gate, BOB, "b", "a");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	limits.max_queued_messages = 2;
	limit(gate, &limits);
	assert_int_equal(says(alice, "a", "1", 1), 0);
	assert_int_equal(says(alice, "a", "2", 1), 0);
	disk.fails = NJ_ERR_FULL;
	for (int i = 0; i < 5; i++)
		assert_int_equal(says(alice, "a", "3", 1), NJ_MQTT_R_QUOTA_EXCEEDED);
	disk.fails = NJ_OK;
	settle_for(gate, &disk, 300);
	stored("b", "1 2 ", 0);
	/* The first that finds room tells. */
	(void)says(alice, "b", "x", 1);
	peer_close(alice);
}

static void told_once_a_second(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	away(gate, BOB, "b", "a");
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	limits.max_queued_messages = 1;
	limit(gate, &limits);
	for (int i = 0; i < 10; i++)
		assert_int_equal(says(alice, "a", "x", 1), 0);
	assert_int_equal(told, 1);
	advance(gate, 1000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(says(alice, "a", "x", 1), 0);
	assert_int_equal(told, 2);
	stored("b", "x ", 19);
	peer_close(alice);
}

/* ---- at random ---- */

#define CLIENTS 3

struct random_client {
	char id[2];
	struct peer *peer; /* NULL: away */
	unsigned next;     /* number of the next message */
	unsigned accepted, received;
	int last; /* number of the last that came for the first time */
};

static struct {
	struct gate *gate;
	struct peer *publisher;
	struct random_client clients[CLIENTS];
	uint32_t state;
	bool waits; /* for an answer to a message for `asked` */
	struct random_client *asked;
} r;

static uint32_t any(uint32_t below)
{
	r.state = r.state * 1103515245 + 12345;
	return (r.state >> 8) % below;
}

static void take_answer(void)
{
	read_more(r.publisher);
	if (!r.waits || r.publisher->held == r.publisher->packet_bytes)
		return;
	uint8_t code = expect_ack(r.publisher, NJ_MQTT_PUBACK, 1);
	assert_true(code == 0 || code == NJ_MQTT_R_QUOTA_EXCEEDED);
	r.asked->accepted += code == 0;
	r.waits = false;
}

static void random_publish(void)
{
	struct random_client *client = &r.clients[any(CLIENTS)];
	char text[16];
	take_answer();
	if (r.waits)
		return;
	snprintf(text, sizeof(text), "%u", client->next++);
	publish(r.publisher, client->id, text, 1, 1);
	r.waits = true;
	r.asked = client;
}

/* In order, each once or again with DUP. */
static void take_message(struct random_client *client)
{
	struct peer *peer = client->peer;
	char text[16] = "";
	read_more(peer);
	if (peer->held == peer->packet_bytes)
		return;
	const struct nj_mqtt_publish *m = &expect(peer, NJ_MQTT_PUBLISH)->as.publish;
	memcpy(text, m->payload.data, m->payload.len);
	int number = (int)strtol(text, NULL, 10);
	if (number > client->last) {
		client->last = number;
		client->received++;
	} else {
		assert_true(m->dup);
	}
	if (any(4) > 0)
		acknowledge(peer, NJ_MQTT_PUBACK, m->packet_id);
}

static void random_client(void)
{
	struct random_client *client = &r.clients[any(CLIENTS)];
	if (client->peer == NULL) {
		client->peer = comes(r.gate, BOB, client->id, (uint16_t)(1 + any(4)));
	} else if (any(8) == 0) {
		peer_close(client->peer);
		client->peer = NULL;
	} else {
		take_message(client);
	}
}

/* What the brokers count is what is there, and within the ceilings. */
static void counted(const struct nj_mqtt_limits *limits)
{
	uint64_t bytes = 0;
	settle_for(r.gate, &disk, 700);
	take_answer();
	assert_false(r.waits);
	for (size_t i = 0; i < DISK_ROWS; i++)
		if (disk.rows[i].type == NJ_MESSAGES_ENQUEUE)
			bytes += disk.rows[i].bytes + NJ_MESSAGES_ROW_BYTES;
	assert_int_equal(total(r.gate), bytes);
	assert_true(bytes <= limits->customer_queued_bytes);
	for (size_t i = 0; i < CLIENTS; i++) {
		const struct disk_row *row = row_of(r.clients[i].id);
		unsigned left = 0;
		for (const struct disk_row *at = disk_after(disk.rows, row->session, 0); at != NULL;
		     at = disk_after(disk.rows, row->session, at->position))
			left++;
		assert_true(left <= limits->max_queued_messages);
	}
}

/* Each that was accepted came, or is counted as discarded. */
static void all_accounted_for(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct random_client *client = &r.clients[i];
		if (client->peer != NULL)
			peer_close(client->peer);
		client->peer = comes(r.gate, BOB, client->id, 4);
		for (int quiet = 0; quiet < 5; quiet++) {
			settle_for(r.gate, &disk, 50);
			for (read_more(client->peer); client->peer->held > client->peer->packet_bytes; quiet = 0) {
				uint32_t state = r.state;
				take_message(client);
				acknowledge(client->peer, NJ_MQTT_PUBACK, client->peer->packet.as.publish.packet_id);
				r.state = state;
			}
		}
		settle_for(r.gate, &disk, 300);
		assert_int_equal(client->received + row_of(client->id)->row.discarded, client->accepted);
		peer_close(client->peer);
	}
	assert_int_equal(total(r.gate), 0);
}

static void nothing_is_unaccounted_for(void **state)
{
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	memset(&r, 0, sizeof(r));
	r.gate = *state;
	r.state = 7;
	limits.max_queued_messages = 6;
	limits.customer_queued_bytes = UINT64_C(14) * ROW;
	limit(r.gate, &limits);
	r.publisher = joined(r.gate, ALICE, V5, "p");
	for (size_t i = 0; i < CLIENTS; i++) {
		r.clients[i] = (struct random_client){ .id = { (char)('x' + i), '\0' }, .next = 1 };
		away(r.gate, BOB, r.clients[i].id, r.clients[i].id);
	}
	for (int i = 0; i < 4000; i++) {
		if (any(3) > 0)
			random_publish();
		else
			random_client();
		settle_for(r.gate, &disk, any(3) == 0 ? any(60) : any(3));
		if (i % 500 == 499)
			counted(&limits);
	}
	assert_true(gate_counters(r.gate).messages_discarded > 100);
	all_accounted_for();
	peer_close(r.publisher);
}

/* ---- a queue in memory alone ---- */

static void in_memory_too(void **state)
{
	struct gate *gate = *state;
	struct nj_mqtt_limits limits = wide(NJ_MQTT_QUEUE_DROPS_OLDEST);
	limits.max_queued_messages = 3;
	limit(gate, &limits);
	struct peer *bob = peer_open(gate, BOB, V5);
	struct nj_mqtt_packet packet = connect_packet(bob, "b", true);
	nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 1);
	assert_int_equal(connect_with(bob, &packet)->as.connack.code, 0);
	assert_int_equal(subscribe(bob, "a", 1), 1);
	struct peer *alice = joined(gate, ALICE, V5, "alice");
	for (uint8_t i = 1; i <= 9; i++)
		assert_int_equal(says(alice, "a", (char[]){ (char)('0' + i), '\0' }, 1), 0);
	assert_int_equal(gate_counters(gate).messages_discarded, 5);
	expect_message(bob, "a", "1", 1);
	for (uint8_t i = 7; i <= 9; i++) {
		acknowledge(bob, NJ_MQTT_PUBACK, bob->packet.as.publish.packet_id);
		expect_message(bob, "a", (char[]){ (char)('0' + i), '\0' }, 1);
	}
	peer_close(bob);
	peer_close(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_refuses_past_its_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_customer_refuses_past_its_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(all_refuse_past_theirs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ceiling_is_for_all_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_refuses_past_its_number, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_go, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_one_takes_the_place_of_several, setup, teardown),
		cmocka_unit_test_setup_teardown(of_the_session_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_in_flight_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_doubtful_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_the_window_too, setup, teardown),
		cmocka_unit_test_setup_teardown(not_while_the_disk_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(told_once_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_unaccounted_for, setup, teardown),
		cmocka_unit_test_setup_teardown(in_memory_too, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
