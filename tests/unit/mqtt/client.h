/*
 * A test's side of a broker: a gateway of two customers on a clock of the test's own, and clients over socket pairs
 * that read as "send, then expect". Everything runs in the test's thread: a turn of every reactor whenever the test
 * waits. NJ_TEST_REACTORS in the environment says how many brokers the gateway has: all must look like one.
 */
#ifndef TESTS_UNIT_MQTT_CLIENT_H
#define TESTS_UNIT_MQTT_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "identity/profile.h"
#include "mqtt/broker.h"
#include "mqtt/codec.h"
#include "mqtt/fabric.h"

#define GATE_PARTIES 4
#define V4 NJ_MQTT_V311
#define V5 NJ_MQTT_V5
#define PEER_BYTES (256 * 1024)

struct gate {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_reactor *reactor; /* where connections come in */
	struct nj_reactor *reactors[NJ_MQTT_REACTORS_MAX];
	size_t reactor_count; /* of brokers on reactors of their own; 0: one broker, on `reactor` */
	struct nj_mqtt_fabric *fabric;
	struct nj_mqtt_broker *broker; /* the first of them */
	struct nj_profile profiles[GATE_PARTIES];
	struct nj_party parties[GATE_PARTIES];
	size_t max_out_bytes;
	unsigned connected;
	unsigned disconnected;
	unsigned denied;
	unsigned errors;
	uint8_t last_reason;
	enum nj_close last_close;
	bool takes_own; /* messages to the gateway's own topics */
	unsigned own;
	uint64_t last_tag;
};

struct peer {
	struct gate *gate;
	struct nj_mqtt_entry entry;
	int fd;
	uint8_t version;
	size_t held;
	uint8_t in[PEER_BYTES];
	uint8_t out[PEER_BYTES];
	struct nj_mqtt_packet packet; /* the last that was expected */
	size_t packet_bytes;
};

/* Parties of the gate: alice and bob of one customer, carol of another; dave may do little. */
enum { ALICE, BOB, CAROL, DAVE };

static void seen_connected(void *arg, const struct nj_mqtt_seen *seen)
{
	struct gate *gate = arg;
	gate->connected++;
	gate->last_tag = seen->tag;
}

static bool seen_own(void *arg, const struct nj_mqtt_seen *seen, struct nj_view topic, struct nj_view payload)
{
	struct gate *gate = arg;
	gate->own++;
	return gate->takes_own && nj_view_equal(payload, nj_view_str("x"));
}

static void seen_disconnected(void *arg, const struct nj_mqtt_seen *seen, enum nj_close why, uint8_t reason)
{
	struct gate *gate = arg;
	gate->disconnected++;
	gate->last_close = why;
	gate->last_reason = reason;
}

static void seen_denied(void *arg, const struct nj_mqtt_seen *seen, enum nj_direction direction, struct nj_view topic,
			struct nj_verdict verdict)
{
	((struct gate *)arg)->denied++;
}

static void seen_error(void *arg, const struct nj_mqtt_seen *seen, uint8_t reason, const char *text)
{
	struct gate *gate = arg;
	gate->errors++;
	gate->last_reason = reason;
}

static const struct nj_mqtt_limits gate_limits = {
	.max_packet_bytes = 4096,
	.max_out_bytes = 16384,
	.max_memory_bytes = 1 << 20,
	.max_queued_messages = 10,
	.max_queued_bytes = 1 << 16,
	.max_inflight = 4,
	.max_topic_levels = 8,
	.max_topic_bytes = 128,
	.max_subscriptions = 5,
	.max_sessions = 6,
	.session_expiry_max_s = 3600,
	.retained_max_count = 10,
	.retained_max_bytes = 1 << 16,
	.topic_alias_max = 2,
	.response_topic = "reply/{name}",
	.denied_publish_limit = 3,
	.connect_timeout_ms = 10000,
};

static void gate_party(struct gate *gate, size_t which, const char *customer, const char *name,
		       const struct nj_rights_rule *rules, size_t count)
{
	struct nj_party *party = &gate->parties[which];
	struct nj_profile *profile = &gate->profiles[which];
	struct nj_rights *fresh;
	struct nj_why why;
	if (profile->rights != NULL)
		nj_rights_unref(profile->rights);
	assert_int_equal(nj_rights_new(rules, count, &fresh, &why), NJ_OK);
	profile->rights = fresh;
	profile->refs = 1;
	memset(party->uid, (int)which + 1, sizeof(party->uid));
	party->refs = party->refs == 0 ? 1 : party->refs;
	party->kind = NJ_PARTY_DEVICE;
	party->profile = profile;
	party->names = (struct nj_names){ .customer = customer, .name = name };
	party->rights_version++;
}

static inline size_t reactors_wanted(void)
{
	const char *text = getenv("NJ_TEST_REACTORS");
	unsigned long count = text != NULL ? strtoul(text, NULL, 10) : 1;
	assert_in_range(count, 1, NJ_MQTT_REACTORS_MAX);
	return count > 1 ? count : 0;
}

static inline void gate_fabric(struct gate *gate, const struct nj_mqtt_limits *limits,
			       const struct nj_mqtt_hooks *hooks)
{
	size_t count = gate->reactor_count > 0 ? gate->reactor_count : 1;
	assert_int_equal(nj_mqtt_fabric_new(gate->reactor, gate->reactors, count, &gate->random.random, limits, hooks,
					    &gate->fabric),
			 NJ_OK);
	gate->broker = nj_mqtt_fabric_broker(gate->fabric, 0);
}

static inline void gate_open_with(struct gate *gate, const struct nj_mqtt_limits *limits)
{
	static const struct nj_rights_rule all[] = { { NJ_PUBLISH, false, "#" },
						     { NJ_SUBSCRIBE, false, "#" },
						     { NJ_PUBLISH, false, "$share/#" } };
	static const struct nj_rights_rule few[] = { { NJ_PUBLISH, false, "dev/{device}/#" },
						     { NJ_SUBSCRIBE, false, "cmd/#" },
						     { NJ_SUBSCRIBE, true, "cmd/secret/#" } };
	struct nj_mqtt_hooks hooks = { .arg = gate,
				       .on_connected = seen_connected,
				       .on_disconnected = seen_disconnected,
				       .on_denied = seen_denied,
				       .on_own_topic = seen_own,
				       .on_error = seen_error };
	*gate = (struct gate){ .max_out_bytes = limits->max_out_bytes, .reactor_count = reactors_wanted() };
	nj_clock_fake_init(&gate->clock, UINT64_C(1000000000000), UINT64_C(1700000000000));
	nj_random_fake_init(&gate->random, 1);
	gate_party(gate, ALICE, "acme", "alice", all, 2);
	gate_party(gate, BOB, "acme", "bob", all, 2);
	gate_party(gate, CAROL, "zeta", "carol", all, 2);
	gate_party(gate, DAVE, "acme", "dave", few, 3);
	assert_int_equal(nj_reactor_new(&gate->clock.clock, &gate->reactor), NJ_OK);
	for (size_t i = 0; i < gate->reactor_count; i++)
		assert_int_equal(nj_reactor_new(&gate->clock.clock, &gate->reactors[i]), NJ_OK);
	gate_fabric(gate, limits, &hooks);
}

static inline void gate_open(struct gate *gate)
{
	gate_open_with(gate, &gate_limits);
}

static inline void turns(struct gate *gate)
{
	for (int i = 0; i < 4; i++) {
		assert_int_equal(nj_reactor_turn(gate->reactor, 0), NJ_OK);
		for (size_t n = 0; n < gate->reactor_count; n++)
			assert_int_equal(nj_reactor_turn(gate->reactors[n], 0), NJ_OK);
	}
}

static inline void gate_close(struct gate *gate)
{
	nj_mqtt_fabric_free(gate->fabric);
	turns(gate);
	nj_reactor_free(gate->reactor);
	for (size_t i = 0; i < gate->reactor_count; i++)
		nj_reactor_free(gate->reactors[i]);
	for (size_t i = 0; i < GATE_PARTIES; i++) {
		assert_int_equal(gate->parties[i].refs, 1);
		nj_rights_unref(gate->profiles[i].rights);
	}
}

/* --- what the gateway does to all its brokers --- */

static inline struct nj_mqtt_counters gate_counters(const struct gate *gate)
{
	return nj_mqtt_fabric_counters(gate->fabric);
}

/* A call for every broker, or for the first alone; it is over when the round is. */
struct gate_call {
	struct nj_mqtt_round round;
	const uint8_t *uid;
	uint64_t tag;
	const char *customer;
	struct nj_view topic, payload;
	uint8_t qos;
	bool retain;
	size_t count;
	enum nj_err err;
	bool done;
};

static void call_done(struct nj_mqtt_round *round)
{
	NJ_CONTAINER(round, struct gate_call, round)->done = true;
}

static inline enum nj_err gate_call(struct gate *gate, struct gate_call *call,
				    void (*visit)(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker))
{
	call->round.visit = visit;
	call->round.done = call_done;
	nj_mqtt_fabric_round(gate->fabric, &call->round);
	nj_mqtt_fabric_settle(gate->fabric);
	assert_true(call->done);
	return call->err;
}

static void visit_cut(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gate_call *call = NJ_CONTAINER(round, struct gate_call, round);
	call->count += nj_mqtt_cut(broker, call->uid);
}

static bool is_party(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	return memcmp(party->uid, arg, sizeof(party->uid)) == 0;
}

static inline size_t gate_cut(struct gate *gate, uint8_t uid[NJ_PARTY_UID_BYTES])
{
	struct gate_call call = { .uid = uid };
	call.count = nj_mqtt_fabric_cut_waiting(gate->fabric, is_party, uid);
	(void)!gate_call(gate, &call, visit_cut);
	return call.count;
}

static void seen_cut(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
}

static void visit_reset(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gate_call *call = NJ_CONTAINER(round, struct gate_call, round);
	call->count += nj_mqtt_cut_chosen(broker, is_party, seen_cut, (void *)(uintptr_t)call->uid);
}

/* Connections alone: sessions stay. */
static inline size_t gate_reset(struct gate *gate, const uint8_t uid[NJ_PARTY_UID_BYTES])
{
	struct gate_call call = { .uid = uid };
	(void)!gate_call(gate, &call, visit_reset);
	return call.count;
}

static void visit_close(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	nj_mqtt_broker_close(broker);
}

static inline void gate_shut(struct gate *gate)
{
	struct gate_call call = { .err = NJ_OK };
	(void)!gate_call(gate, &call, visit_close);
}

static inline void gate_limit(struct gate *gate, const struct nj_mqtt_limits *limits)
{
	nj_mqtt_fabric_set_limits(gate->fabric, limits);
	nj_mqtt_fabric_settle(gate->fabric);
}

static void visit_tell(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gate_call *call = NJ_CONTAINER(round, struct gate_call, round);
	if (call->err == NJ_ERR_NOT_FOUND)
		call->err = nj_mqtt_tell(broker, call->tag, call->topic, call->payload);
}

static inline enum nj_err gate_tell(struct gate *gate, uint64_t tag, struct nj_view topic, struct nj_view payload)
{
	struct gate_call call = { .err = NJ_ERR_NOT_FOUND, .tag = tag, .topic = topic, .payload = payload };
	return gate_call(gate, &call, visit_tell);
}

static void visit_publish(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gate_call *call = NJ_CONTAINER(round, struct gate_call, round);
	if (call->err == NJ_ERR_NOT_FOUND)
		call->err =
		    nj_mqtt_publish(broker, call->customer, call->topic, call->payload, call->qos, call->retain);
}

static inline enum nj_err gate_publish(struct gate *gate, const char *customer, struct nj_view topic,
				       struct nj_view payload, uint8_t qos, bool retain)
{
	struct gate_call call = { .err = NJ_ERR_NOT_FOUND,
				  .customer = customer,
				  .topic = topic,
				  .payload = payload,
				  .qos = qos,
				  .retain = retain };
	return gate_call(gate, &call, visit_publish);
}

static inline void advance(struct gate *gate, uint64_t ms)
{
	nj_clock_fake_advance_ms(&gate->clock, ms);
	turns(gate);
}

/* --- a client --- */

static void opened(struct nj_conn *conn)
{
	struct peer *peer = nj_conn_user(conn);
	assert_int_equal(nj_mqtt_fabric_accept(peer->gate->fabric, conn, &peer->entry), NJ_OK);
}

static void closed_early(struct nj_conn *conn, enum nj_close why)
{
}

static inline struct peer *peer_open_as(struct gate *gate, const struct nj_mqtt_entry *entry, uint8_t version)
{
	static const struct nj_conn_ops ops = { .on_open = opened, .on_close = closed_early };
	struct nj_conn *conn;
	int fds[2];
	struct peer *peer = calloc(1, sizeof(*peer));
	assert_non_null(peer);
	*peer = (struct peer){ .gate = gate, .version = version, .entry = *entry };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	peer->fd = fds[0];
	struct nj_conn_config config = { .fd = fds[1],
					 .max_in_bytes = gate_limits.max_packet_bytes,
					 .max_out_bytes = gate->max_out_bytes,
					 .ops = &ops,
					 .user = peer };
	assert_int_equal(nj_conn_new(gate->reactor, &config, &conn), NJ_OK);
	turns(gate);
	return peer;
}

static inline struct peer *peer_open(struct gate *gate, size_t party, uint8_t version)
{
	struct nj_mqtt_entry entry = { .party = &gate->parties[party] };
	return peer_open_as(gate, &entry, version);
}

static inline void peer_close(struct peer *peer)
{
	struct gate *gate = peer->gate;
	close(peer->fd);
	free(peer);
	turns(gate);
}

static inline void send_bytes(struct peer *peer, const void *bytes, size_t len)
{
	assert_int_equal(send(peer->fd, bytes, len, MSG_NOSIGNAL), len);
	turns(peer->gate);
}

static inline void send_packet(struct peer *peer, const struct nj_mqtt_packet *packet)
{
	size_t len;
	assert_int_equal(nj_mqtt_encode(packet, peer->version, peer->out, sizeof(peer->out), &len), NJ_OK);
	send_bytes(peer, peer->out, len);
}

static inline void read_more(struct peer *peer)
{
	turns(peer->gate);
	ssize_t got = recv(peer->fd, peer->in + peer->held, sizeof(peer->in) - peer->held, 0);
	if (got > 0)
		peer->held += (size_t)got;
	turns(peer->gate);
}

/* The next packet, which must be of this type; it stays readable until the next is expected. */
static inline const struct nj_mqtt_packet *expect_from(struct peer *peer, uint8_t type, enum nj_mqtt_side side)
{
	struct nj_mqtt_frame frame;
	size_t need = 1;
	peer->held -= peer->packet_bytes;
	memmove(peer->in, peer->in + peer->packet_bytes, peer->held);
	peer->packet_bytes = 0;
	for (int tries = 0; tries < 3 && need > 0; tries++) {
		read_more(peer);
		assert_int_equal(nj_mqtt_frame(nj_view_of(peer->in, peer->held), PEER_BYTES, &frame, &need), 0);
	}
	if (need > 0)
		fail_msg("%s did not come", nj_mqtt_type_name(type));
	if (frame.type != type)
		fail_msg("%s came, not %s", nj_mqtt_type_name(frame.type), nj_mqtt_type_name(type));
	assert_int_equal(nj_mqtt_decode(&frame, peer->version, side, &peer->packet), 0);
	peer->packet_bytes = frame.total;
	return &peer->packet;
}

static inline const struct nj_mqtt_packet *expect(struct peer *peer, uint8_t type)
{
	return expect_from(peer, type, NJ_MQTT_FROM_SERVER);
}

static inline void expect_nothing(struct peer *peer)
{
	read_more(peer);
	if (peer->held > peer->packet_bytes)
		fail_msg("%s came", nj_mqtt_type_name(peer->in[peer->packet_bytes] >> 4));
}

static inline void expect_closed(struct peer *peer)
{
	uint8_t byte;
	expect_nothing(peer);
	ssize_t got = recv(peer->fd, &byte, 1, 0);
	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static inline void expect_closed_with(struct peer *peer, uint8_t reason)
{
	if (peer->version >= NJ_MQTT_V5)
		assert_int_equal(expect(peer, NJ_MQTT_DISCONNECT)->as.ack.code, reason);
	expect_closed(peer);
}

/* --- packets of a client --- */

static inline struct nj_mqtt_packet connect_packet(struct peer *peer, const char *id, bool clean)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_CONNECT };
	packet.as.connect.version = peer->version;
	packet.as.connect.client_id = nj_view_str(id);
	packet.as.connect.clean_start = clean;
	return packet;
}

static inline const struct nj_mqtt_packet *connect_with(struct peer *peer, const struct nj_mqtt_packet *packet)
{
	send_packet(peer, packet);
	return expect(peer, NJ_MQTT_CONNACK);
}

/* Connects; a 5.0 session lives on for `expiry_s`, a 3.1.1 session where that is not 0. Returns session present. */
static inline bool join(struct peer *peer, const char *id, bool clean, uint32_t expiry_s)
{
	struct nj_mqtt_packet packet = connect_packet(peer, id, clean);
	if (expiry_s > 0)
		nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_SESSION_EXPIRY, expiry_s);
	assert_int_equal(connect_with(peer, &packet)->as.connack.code, 0);
	return peer->packet.as.connack.session_present;
}

static inline struct peer *joined(struct gate *gate, size_t party, uint8_t version, const char *id)
{
	struct peer *peer = peer_open(gate, party, version);
	assert_false(join(peer, id, true, 0));
	return peer;
}

static inline uint8_t subscribe_with(struct peer *peer, const struct nj_mqtt_filter *filter, uint32_t id)
{
	uint8_t items[512];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, filter);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 9, .items = nj_view_of(items, w.pos) };
	if (id > 0)
		nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_SUBSCRIPTION_ID, id);
	send_packet(peer, &packet);
	const struct nj_mqtt_list *suback = &expect(peer, NJ_MQTT_SUBACK)->as.list;
	assert_int_equal(suback->packet_id, 9);
	assert_int_equal(suback->items.len, 1);
	return suback->items.data[0];
}

static inline uint8_t subscribe(struct peer *peer, const char *filter, uint8_t qos)
{
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = qos };
	return subscribe_with(peer, &f, 0);
}

static inline void unsubscribe(struct peer *peer, const char *filter)
{
	uint8_t items[512];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_UNSUBSCRIBE };
	struct nj_mqtt_filter f = { .filter = nj_view_str(filter) };
	nj_mqtt_filter_write(&w, NJ_MQTT_UNSUBSCRIBE, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 8, .items = nj_view_of(items, w.pos) };
	send_packet(peer, &packet);
	assert_int_equal(expect(peer, NJ_MQTT_UNSUBACK)->as.list.packet_id, 8);
}

static inline struct nj_mqtt_packet publish_packet(const char *topic, const char *payload, uint8_t qos, uint16_t id)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_PUBLISH };
	packet.as.publish = (struct nj_mqtt_publish){
		.topic = nj_view_str(topic), .payload = nj_view_str(payload), .qos = qos, .packet_id = id
	};
	return packet;
}

static inline void publish(struct peer *peer, const char *topic, const char *payload, uint8_t qos, uint16_t id)
{
	struct nj_mqtt_packet packet = publish_packet(topic, payload, qos, id);
	send_packet(peer, &packet);
}

static inline void retain(struct peer *peer, const char *topic, const char *payload)
{
	struct nj_mqtt_packet packet = publish_packet(topic, payload, 0, 0);
	packet.as.publish.retain = true;
	send_packet(peer, &packet);
}

static inline void acknowledge(struct peer *peer, uint8_t type, uint16_t id)
{
	struct nj_mqtt_packet packet = { .type = type, .as.ack = { .packet_id = id } };
	send_packet(peer, &packet);
}

static inline uint8_t expect_ack(struct peer *peer, uint8_t type, uint16_t id)
{
	const struct nj_mqtt_ack *ack = &expect(peer, type)->as.ack;
	assert_int_equal(ack->packet_id, id);
	return ack->code;
}

/* Returns the message for a closer look. */
static inline const struct nj_mqtt_publish *expect_message(struct peer *peer, const char *topic, const char *payload,
							   uint8_t qos)
{
	const struct nj_mqtt_publish *m = &expect(peer, NJ_MQTT_PUBLISH)->as.publish;
	if (!nj_view_equal(m->topic, nj_view_str(topic)) || !nj_view_equal(m->payload, nj_view_str(payload)))
		fail_msg("'%.*s' on %.*s came, not '%s' on %s", (int)m->payload.len, (const char *)m->payload.data,
			 (int)m->topic.len, (const char *)m->topic.data, payload, topic);
	assert_int_equal(m->qos, qos);
	return m;
}

/* Client "w" with a will; it does not start clean. */
static inline struct nj_mqtt_packet with_will(struct peer *peer, const char *topic, uint32_t delay_s, uint32_t expiry_s)
{
	struct nj_mqtt_packet packet = connect_packet(peer, "w", false);
	packet.as.connect.has_will = true;
	packet.as.connect.will_topic = nj_view_str(topic);
	packet.as.connect.will_payload = nj_view_str("died");
	if (delay_s > 0)
		nj_mqtt_set_number(&packet.as.connect.will, NJ_MQTT_P_WILL_DELAY, delay_s);
	if (expiry_s > 0)
		nj_mqtt_set_number(&packet.properties, NJ_MQTT_P_SESSION_EXPIRY, expiry_s);
	return packet;
}

static inline struct peer *with_will_joined(struct gate *gate, size_t party, const char *topic, uint32_t delay_s,
					    uint32_t expiry_s)
{
	struct peer *peer = peer_open(gate, party, V5);
	struct nj_mqtt_packet hello = with_will(peer, topic, delay_s, expiry_s);
	assert_int_equal(connect_with(peer, &hello)->as.connack.code, 0);
	return peer;
}

#endif
