/* A bridge between a broker, with a disk of the test's, and a peer that the test plays. */
#include "mqtt/bridge.h"
#include "unit/mqtt/fake_disk.h"

#define ID "$bridge/b"

static struct disk disk;

struct bridged {
	struct gate gate;
	struct nj_mqtt_bridge *bridge;
	struct nj_mqtt_bridge_config config;
	struct nj_mqtt_bridge_topic topics[4];
	struct peer there; /* the peer's side of the connection; fd -1: none */
	struct nj_mqtt_entry entry;
	unsigned dials;
	int narrow; /* of what a socket takes at once; 0: as it comes */
	bool dialling;
	unsigned told[4];
	char said[256];
};

/* --- what the gateway does for a bridge --- */

static void dial(void *arg)
{
	struct bridged *t = arg;
	t->dials++;
	t->dialling = true;
}

static void local_opened(struct nj_conn *conn)
{
	struct bridged *t = nj_conn_user(conn);
	assert_int_equal(nj_mqtt_fabric_accept(t->gate.fabric, conn, &t->entry), NJ_OK);
}

static enum nj_err open_local(void *arg, int *out_fd)
{
	static const struct nj_conn_ops ops = { .on_open = local_opened, .on_close = closed_early };
	struct bridged *t = arg;
	struct nj_conn *conn;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	struct nj_conn_config config = { .fd = fds[1],
					 .max_in_bytes = gate_limits.max_packet_bytes,
					 .max_out_bytes = t->gate.max_out_bytes,
					 .ops = &ops,
					 .user = t };
	assert_int_equal(nj_conn_new(t->gate.reactor, &config, &conn), NJ_OK);
	*out_fd = fds[0];
	return NJ_OK;
}

static void look(void *arg)
{
	struct bridged *t = arg;
	struct nj_mqtt_session_state state;
	for (size_t i = 0; i < nj_mqtt_fabric_count(t->gate.fabric); i++) {
		if (!nj_mqtt_see_session(nj_mqtt_fabric_broker(t->gate.fabric, i), &t->gate.parties[ALICE],
					 nj_view_str(ID), &state))
			continue;
		nj_mqtt_bridge_looked(t->bridge, &state);
		nj_buf_done(&state.filters);
		return;
	}
	nj_mqtt_bridge_looked(t->bridge, NULL);
}

static void told(void *arg, enum nj_mqtt_bridge_event event, const char *text)
{
	struct bridged *t = arg;
	t->told[event]++;
	snprintf(t->said, sizeof(t->said), "%s", text);
}

/* --- the test's side --- */

static void wait_ms(struct bridged *t, uint64_t ms)
{
	settle_for(&t->gate, &disk, ms);
}

static void topic(struct bridged *t, const char *filter, const char *local, const char *remote, bool out, bool in,
		  uint8_t qos)
{
	struct nj_mqtt_bridge_topic *topic = &t->topics[t->config.topic_count++];
	assert_int_equal(nj_mqtt_bridge_topic_init(filter, local, remote, topic), NJ_OK);
	topic->out = out;
	topic->in = in;
	topic->qos = qos;
}

static int setup(void **state)
{
	struct bridged *t = calloc(1, sizeof(*t));
	struct nj_mqtt_limits limits = disk_limits();
	assert_non_null(t);
	memset(&disk, 0, sizeof(disk));
	gate_open_with(&t->gate, &limits);
	disk_restore(&t->gate, &disk);
	t->there.fd = -1;
	t->there.gate = &t->gate;
	t->there.version = V5;
	t->entry = (struct nj_mqtt_entry){ .party = &t->gate.parties[ALICE], .local = true, .lasting = true };
	t->config = (struct nj_mqtt_bridge_config){
		.reactor = t->gate.reactor,
		.random = &t->gate.random.random,
		.ops = { .arg = t, .dial = dial, .open_local = open_local, .look = look, .told = told },
		.local_id = ID,
		.client_id = "nightjar-b",
		.keep_alive_s = 60,
		.session_expiry_s = 3600,
		.retry_min_ms = 1000,
		.retry_max_ms = 8000,
		.topics = t->topics,
		.max_packet_bytes = gate_limits.max_packet_bytes,
		.max_out_bytes = gate_limits.max_out_bytes,
		.max_topic_bytes = gate_limits.max_topic_bytes,
		.max_topic_levels = gate_limits.max_topic_levels,
	};
	*state = t;
	return 0;
}

static void hang_up(struct bridged *t)
{
	if (t->there.fd >= 0)
		close(t->there.fd);
	t->there.fd = -1;
	t->there.held = t->there.packet_bytes = 0;
	turns(&t->gate);
}

static void stop(struct bridged *t, bool forget)
{
	nj_mqtt_bridge_free(t->bridge, forget);
	t->bridge = NULL;
	turns(&t->gate);
}

static int teardown(void **state)
{
	struct bridged *t = *state;
	stop(t, false);
	hang_up(t);
	gate_close(&t->gate);
	free(t);
	return 0;
}

static void start(struct bridged *t)
{
	assert_int_equal(nj_mqtt_bridge_new(&t->config, &t->bridge), NJ_OK);
	nj_mqtt_bridge_start(t->bridge);
	wait_ms(t, 200);
	assert_true(t->dialling);
}

static const struct nj_mqtt_packet *hear(struct bridged *t, uint8_t type)
{
	return expect_from(&t->there, type, NJ_MQTT_FROM_CLIENT);
}

/* Takes the call: its CONNECT is what was heard last. */
static const struct nj_mqtt_connect *pick_up(struct bridged *t)
{
	int fds[2];
	assert_true(t->dialling);
	t->dialling = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	if (t->narrow > 0)
		assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &t->narrow, sizeof(t->narrow)), 0);
	t->there.fd = fds[0];
	nj_mqtt_bridge_dialled(t->bridge, fds[1], NULL, NULL);
	return &hear(t, NJ_MQTT_CONNECT)->as.connect;
}

static struct nj_mqtt_packet connack_packet(bool present, uint8_t code)
{
	return (struct nj_mqtt_packet){ .type = NJ_MQTT_CONNACK,
					.as.connack = { .session_present = present, .code = code } };
}

static void welcome_with(struct bridged *t, const struct nj_mqtt_packet *connack)
{
	send_packet(&t->there, connack);
	wait_ms(t, 20);
}

static void suback(struct bridged *t, uint16_t id, const char *codes)
{
	const struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBACK,
					       .as.list = { .packet_id = id, .items = nj_view_str(codes) } };
	send_packet(&t->there, &packet);
	wait_ms(t, 5);
}

static enum nj_mqtt_bridge_stage stage(const struct bridged *t)
{
	return nj_mqtt_bridge_status_of(t->bridge).stage;
}

/* A peer that takes everything; one with topics to come in hears SUBSCRIBE, too. */
static void come_up(struct bridged *t, bool present, bool subscribes)
{
	struct nj_mqtt_packet connack = connack_packet(present, 0);
	(void)pick_up(t);
	welcome_with(t, &connack);
	if (subscribes)
		suback(t, hear(t, NJ_MQTT_SUBSCRIBE)->as.list.packet_id, "\1");
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_UP);
}

/* The next try, whenever it is. */
static void redial(struct bridged *t)
{
	for (int i = 0; i < 100 && !t->dialling; i++)
		wait_ms(t, 100);
	assert_true(t->dialling);
}

static const struct nj_mqtt_publish *hear_message(struct bridged *t, const char *name, const char *payload, uint8_t qos)
{
	const struct nj_mqtt_publish *m = &hear(t, NJ_MQTT_PUBLISH)->as.publish;
	if (!nj_view_equal(m->topic, nj_view_str(name)) || !nj_view_equal(m->payload, nj_view_str(payload)))
		fail_msg("'%.*s' on %.*s, not '%s' on %s", (int)m->payload.len, (const char *)m->payload.data,
			 (int)m->topic.len, (const char *)m->topic.data, payload, name);
	assert_int_equal(m->qos, qos);
	return m;
}

static uint8_t hear_ack(struct bridged *t, uint8_t type, uint16_t id)
{
	const struct nj_mqtt_ack *ack = &hear(t, type)->as.ack;
	assert_int_equal(ack->packet_id, id);
	return ack->code;
}

static uint64_t queued(struct bridged *t)
{
	look(t);
	struct nj_mqtt_bridge_status status = nj_mqtt_bridge_status_of(t->bridge);
	return status.queued > status.inflight ? status.queued : status.inflight;
}

static struct peer *client(struct bridged *t, const char *id)
{
	return joined(&t->gate, BOB, V5, id);
}

static struct nj_mqtt_bridge_counters counters(const struct bridged *t)
{
	return nj_mqtt_bridge_status_of(t->bridge).counters;
}

/* --- out --- */

static void what_goes_out_is_renamed_and_kept_until_the_peer_has_it(void **state)
{
	struct bridged *t = *state;
	topic(t, "#", "plant/", "site7/", true, false, 2);
	start(t);
	come_up(t, false, false);
	struct peer *bob = client(t, "bob");
	publish(bob, "plant/a/b", "zero", 0, 0);
	(void)hear_message(t, "site7/a/b", "zero", 0);
	publish(bob, "plant/a", "one", 1, 5);
	wait_ms(t, 200);
	uint16_t id = hear_message(t, "site7/a", "one", 1)->packet_id;
	assert_int_equal(queued(t), 1);
	acknowledge(&t->there, NJ_MQTT_PUBACK, id);
	wait_ms(t, 20);
	assert_int_equal(queued(t), 0);
	publish(bob, "plant/a", "two", 2, 6);
	wait_ms(t, 200);
	id = hear_message(t, "site7/a", "two", 2)->packet_id;
	acknowledge(&t->there, NJ_MQTT_PUBREC, id);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREL, id), 0);
	assert_int_equal(queued(t), 1);
	acknowledge(&t->there, NJ_MQTT_PUBCOMP, id);
	wait_ms(t, 20);
	assert_int_equal(queued(t), 0);
	assert_int_equal(counters(t).messages_out, 3);
	assert_int_equal(counters(t).bytes_out, 10);
	peer_close(bob);
}

static void what_waits_for_the_peer_goes_out_in_order_when_it_comes(void **state)
{
	struct bridged *t = *state;
	char text[8];
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	struct peer *bob = client(t, "bob");
	for (uint16_t i = 1; i <= 9; i++) {
		snprintf(text, sizeof(text), "%u", i);
		publish(bob, "q/1", text, 1, i);
		wait_ms(t, 5);
		assert_int_equal(expect_ack(bob, NJ_MQTT_PUBACK, i), 0);
	}
	assert_int_equal(queued(t), 9);
	come_up(t, false, false);
	for (unsigned i = 1; i <= 9; i++) {
		snprintf(text, sizeof(text), "%u", i);
		acknowledge(&t->there, NJ_MQTT_PUBACK, hear_message(t, "q/1", text, 1)->packet_id);
		wait_ms(t, 20);
	}
	assert_int_equal(queued(t), 0);
	expect_nothing(&t->there);
	peer_close(bob);
}

static void what_the_peer_did_not_acknowledge_comes_again(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 2);
	start(t);
	come_up(t, false, false);
	struct peer *bob = client(t, "bob");
	publish(bob, "q/1", "x", 2, 1);
	wait_ms(t, 200);
	uint16_t id = hear_message(t, "q/1", "x", 2)->packet_id;
	hang_up(t);
	assert_int_equal(t->told[NJ_MQTT_BRIDGE_WENT_DOWN], 1);
	redial(t);
	come_up(t, true, false);
	const struct nj_mqtt_publish *again = hear_message(t, "q/1", "x", 2);
	assert_true(again->dup);
	assert_int_equal(again->packet_id, id);
	acknowledge(&t->there, NJ_MQTT_PUBREC, id);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREL, id), 0);
	hang_up(t);
	redial(t);
	come_up(t, true, false);
	/* The message itself is not said a third time. */
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREL, id), 0);
	acknowledge(&t->there, NJ_MQTT_PUBCOMP, id);
	wait_ms(t, 20);
	assert_int_equal(queued(t), 0);
	peer_close(bob);
}

/* The gateway dies at each point of a QoS 2 message's way out: the peer gets it under one identifier alone. */
static void the_gateway_may_die_while_it_goes_out(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 2);
	for (int point = 0; point < 3; point++) {
		start(t);
		come_up(t, point > 0, false);
		struct peer *bob = client(t, "bob");
		publish(bob, "q/1", "x", 2, 1);
		wait_ms(t, 200);
		assert_int_equal(expect_ack(bob, NJ_MQTT_PUBREC, 1), 0);
		uint16_t id = hear_message(t, "q/1", "x", 2)->packet_id;
		if (point > 0)
			acknowledge(&t->there, NJ_MQTT_PUBREC, id);
		if (point > 1) {
			wait_ms(t, 20);
			assert_int_equal(hear_ack(t, NJ_MQTT_PUBREL, id), 0);
		}
		stop(t, false);
		peer_close(bob);
		hang_up(t);
		gate_crash(&t->gate, &disk, 10);
		start(t);
		come_up(t, true, false);
		wait_ms(t, 50);
		if (point < 2) {
			assert_int_equal(hear_message(t, "q/1", "x", 2)->packet_id, id);
			acknowledge(&t->there, NJ_MQTT_PUBREC, id);
			wait_ms(t, 20);
		}
		assert_int_equal(hear_ack(t, NJ_MQTT_PUBREL, id), 0);
		acknowledge(&t->there, NJ_MQTT_PUBCOMP, id);
		wait_ms(t, 20);
		expect_nothing(&t->there);
		assert_int_equal(queued(t), 0);
		stop(t, false);
		hang_up(t);
	}
}

static void a_peer_may_take_less(void **state)
{
	struct bridged *t = *state;
	struct nj_mqtt_packet connack = connack_packet(false, 0);
	topic(t, "q/#", "", "", true, false, 2);
	start(t);
	(void)pick_up(t);
	nj_mqtt_set_number(&connack.properties, NJ_MQTT_P_MAXIMUM_QOS, 1);
	nj_mqtt_set_number(&connack.properties, NJ_MQTT_P_RETAIN_AVAILABLE, 0);
	nj_mqtt_set_number(&connack.properties, NJ_MQTT_P_RECEIVE_MAXIMUM, 1);
	nj_mqtt_set_number(&connack.properties, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, 40);
	welcome_with(t, &connack);
	struct peer *bob = client(t, "bob");
	struct nj_mqtt_packet kept = publish_packet("q/1", "kept", 2, 1);
	kept.as.publish.retain = true;
	send_packet(bob, &kept);
	publish(bob, "q/2", "a payload that is much too long for such a peer", 1, 2);
	publish(bob, "q/3", "last", 1, 3);
	wait_ms(t, 200);
	const struct nj_mqtt_publish *m = hear_message(t, "q/1", "kept", 1);
	assert_false(m->retain);
	expect_nothing(&t->there);
	acknowledge(&t->there, NJ_MQTT_PUBACK, m->packet_id);
	wait_ms(t, 200);
	m = hear_message(t, "q/3", "last", 1);
	acknowledge(&t->there, NJ_MQTT_PUBACK, m->packet_id);
	wait_ms(t, 200);
	assert_int_equal(queued(t), 0);
	hang_up(t);
	/* Nothing but QoS 0. */
	redial(t);
	(void)pick_up(t);
	connack = connack_packet(true, 0);
	nj_mqtt_set_number(&connack.properties, NJ_MQTT_P_MAXIMUM_QOS, 0);
	welcome_with(t, &connack);
	publish(bob, "q/1", "one", 1, 4);
	publish(bob, "q/1", "two", 2, 5);
	wait_ms(t, 200);
	(void)hear_message(t, "q/1", "one", 0);
	(void)hear_message(t, "q/1", "two", 0);
	wait_ms(t, 200);
	assert_int_equal(queued(t), 0);
	peer_close(bob);
}

static void a_refusal_is_final_but_for_want_of_room(void **state)
{
	struct bridged *t = *state;
	struct nj_mqtt_packet no = { .type = NJ_MQTT_PUBACK };
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	come_up(t, false, false);
	struct peer *bob = client(t, "bob");
	publish(bob, "q/1", "x", 1, 1);
	wait_ms(t, 200);
	no.as.ack.packet_id = hear_message(t, "q/1", "x", 1)->packet_id;
	no.as.ack.code = NJ_MQTT_R_QUOTA_EXCEEDED;
	send_packet(&t->there, &no);
	wait_ms(t, 5);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_WAITING);
	hang_up(t);
	redial(t);
	come_up(t, true, false);
	no.as.ack.packet_id = hear_message(t, "q/1", "x", 1)->packet_id;
	no.as.ack.code = NJ_MQTT_R_NOT_AUTHORIZED;
	send_packet(&t->there, &no);
	wait_ms(t, 20);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_UP);
	assert_int_equal(counters(t).refused_out, 1);
	assert_int_equal(queued(t), 0);
	assert_non_null(strstr(t->said, "not authorized"));
	peer_close(bob);
}

/* --- in --- */

static void what_comes_in_is_acknowledged_when_it_is_kept_here(void **state)
{
	struct bridged *t = *state;
	topic(t, "#", "plant/", "site7/", false, true, 2);
	struct peer *away = peer_open(&t->gate, BOB, V5);
	(void)join(away, "away", false, 1000);
	wait_ms(t, 5);
	struct nj_mqtt_filter f = { .filter = nj_view_str("plant/#"), .qos = 2 };
	uint8_t items[64];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &f);
	struct nj_mqtt_packet subscribe = { .type = NJ_MQTT_SUBSCRIBE,
					    .as.list = { .packet_id = 1, .items = nj_view_of(items, w.pos) } };
	send_packet(away, &subscribe);
	wait_ms(t, 5);
	peer_close(away);
	wait_ms(t, 150);
	start(t);
	come_up(t, false, true);
	struct nj_mqtt_packet m = publish_packet("site7/x", "one", 1, 7);
	send_packet(&t->there, &m);
	for (int i = 0; i < 3; i++)
		turns(&t->gate);
	expect_nothing(&t->there);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBACK, 7), 0);
	m = publish_packet("site7/x", "two", 2, 8);
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREC, 8), 0);
	/* Again, before it was released. */
	m.as.publish.dup = true;
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREC, 8), 0);
	acknowledge(&t->there, NJ_MQTT_PUBREL, 8);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBCOMP, 8), 0);
	struct peer *bob = peer_open(&t->gate, BOB, V5);
	assert_true(join(bob, "away", false, 1000));
	wait_ms(t, 20);
	acknowledge(bob, NJ_MQTT_PUBACK, expect_message(bob, "plant/x", "one", 1)->packet_id);
	(void)expect_message(bob, "plant/x", "two", 2);
	wait_ms(t, 20);
	expect_nothing(bob);
	peer_close(bob);
}

/* A message of QoS 2 is on its way in when the gateway dies, or the connection: it is here once. */
static void it_comes_in_once_whoever_dies(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", false, true, 2);
	for (int dies = 0; dies < 2; dies++) {
		start(t);
		come_up(t, dies > 0, true);
		struct peer *bob = client(t, "bob");
		(void)subscribe(bob, "q/#", 0);
		struct nj_mqtt_packet m = publish_packet("q/1", "x", 2, 3);
		send_packet(&t->there, &m);
		wait_ms(t, 200);
		(void)expect_message(bob, "q/1", "x", 0);
		hang_up(t);
		if (dies > 0) {
			stop(t, false);
			peer_close(bob);
			gate_crash(&t->gate, &disk, 10);
			start(t);
			bob = client(t, "bob");
			(void)subscribe(bob, "q/#", 0);
		} else {
			redial(t);
		}
		come_up(t, true, dies > 0);
		m.as.publish.dup = true;
		send_packet(&t->there, &m);
		wait_ms(t, 50);
		assert_int_equal(hear_ack(t, NJ_MQTT_PUBREC, 3), 0);
		expect_nothing(bob);
		acknowledge(&t->there, NJ_MQTT_PUBREL, 3);
		wait_ms(t, 50);
		assert_int_equal(hear_ack(t, NJ_MQTT_PUBCOMP, 3), 0);
		peer_close(bob);
		stop(t, false);
		hang_up(t);
	}
}

/* A peer without its session gives identifiers anew: what is left of the old ones here must not swallow new messages.
 */
static void a_peer_that_forgot_begins_anew(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", false, true, 2);
	start(t);
	come_up(t, false, true);
	struct peer *bob = client(t, "bob");
	(void)subscribe(bob, "q/#", 0);
	for (uint16_t id = 3; id <= 4; id++) {
		struct nj_mqtt_packet m = publish_packet("q/1", "old", 2, id);
		send_packet(&t->there, &m);
		wait_ms(t, 50);
		(void)expect_message(bob, "q/1", "old", 0);
		(void)hear_ack(t, NJ_MQTT_PUBREC, id);
	}
	hang_up(t);
	redial(t);
	struct nj_mqtt_packet connack = connack_packet(false, 0);
	(void)pick_up(t);
	send_packet(&t->there, &connack);
	/* At once, before anybody here had time. */
	struct nj_mqtt_packet m = publish_packet("q/1", "new", 2, 3);
	send_packet(&t->there, &m);
	suback(t, hear(t, NJ_MQTT_SUBSCRIBE)->as.list.packet_id, "\2");
	wait_ms(t, 50);
	(void)expect_message(bob, "q/1", "new", 0);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBREC, 3), 0);
	acknowledge(&t->there, NJ_MQTT_PUBREL, 3);
	wait_ms(t, 50);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBCOMP, 3), 0);
	expect_nothing(&t->there);
	peer_close(bob);
}

static void a_new_session_here_makes_the_peer_begin_anew(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 1);
	t->config.version = V5;
	start(t);
	assert_true(pick_up(t)->clean_start);
	hang_up(t);
	redial(t);
	/* Not yet: it was never up. */
	assert_true(pick_up(t)->clean_start);
	struct nj_mqtt_packet connack = connack_packet(false, 0);
	welcome_with(t, &connack);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_UP);
	hang_up(t);
	redial(t);
	assert_false(pick_up(t)->clean_start);
	connack = connack_packet(true, 0);
	welcome_with(t, &connack);
	hang_up(t);
	stop(t, false);
	start(t);
	assert_false(pick_up(t)->clean_start);
}

static void what_the_gateway_refuses_is_told(void **state)
{
	struct bridged *t = *state;
	t->entry.party = &t->gate.parties[DAVE]; /* may publish below dev/dave alone */
	topic(t, "#", "", "", false, true, 1);
	topic(t, "secret/x", "cmd/", "cmd/", true, false, 1);
	start(t);
	assert_int_equal(t->told[NJ_MQTT_BRIDGE_NOTED], 1); /* the subscription here */
	come_up(t, false, true);
	struct nj_mqtt_packet m = publish_packet("dev/dave/x", "x", 1, 1);
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBACK, 1), 0);
	m = publish_packet("elsewhere", "x", 1, 2);
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBACK, 2), NJ_MQTT_R_NOT_AUTHORIZED);
	assert_int_equal(counters(t).refused_in, 1);
	m = publish_packet("a/b/c/d/e/f/g/h/i", "too deep", 1, 3);
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBACK, 3), NJ_MQTT_R_IMPLEMENTATION);
	assert_int_equal(counters(t).dropped, 1);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_UP);
}

/* --- both ways --- */

static void nothing_comes_back(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, true, 1);
	start(t);
	(void)pick_up(t);
	struct nj_mqtt_packet connack = connack_packet(false, 0);
	welcome_with(t, &connack);
	const struct nj_mqtt_packet *subscribe = hear(t, NJ_MQTT_SUBSCRIBE);
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	assert_true(nj_mqtt_filter_next(&subscribe->as.list, NJ_MQTT_SUBSCRIBE, &cursor, &filter));
	assert_true(filter.no_local && filter.retain_as_published);
	suback(t, subscribe->as.list.packet_id, "\1");
	struct nj_mqtt_packet m = publish_packet("q/1", "in", 1, 1);
	send_packet(&t->there, &m);
	wait_ms(t, 200);
	assert_int_equal(hear_ack(t, NJ_MQTT_PUBACK, 1), 0);
	expect_nothing(&t->there);
	struct peer *bob = client(t, "bob");
	publish(bob, "q/1", "out", 1, 1);
	wait_ms(t, 200);
	(void)hear_message(t, "q/1", "out", 1);
	peer_close(bob);
}

static void properties_pass_and_those_of_a_connection_do_not(void **state)
{
	struct bridged *t = *state;
	static const uint8_t user[] = { 0x26, 0, 1, 'k', 0, 1, 'v' };
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	come_up(t, false, false);
	struct peer *bob = client(t, "bob");
	struct nj_mqtt_packet m = publish_packet("q/1", "x", 0, 0);
	nj_mqtt_set_data(&m.properties, NJ_MQTT_P_CONTENT_TYPE, nj_view_str("text/plain"));
	nj_mqtt_set_number(&m.properties, NJ_MQTT_P_TOPIC_ALIAS, 1);
	m.properties.present |= NJ_MQTT_P_BIT(NJ_MQTT_P_USER);
	m.properties.raw = nj_view_of(user, sizeof(user));
	m.as.publish.retain = true;
	send_packet(bob, &m);
	wait_ms(t, 20);
	const struct nj_mqtt_publish *there = hear_message(t, "q/1", "x", 0);
	assert_true(there->retain);
	const struct nj_mqtt_properties *p = &t->there.packet.properties;
	struct nj_mqtt_item item;
	size_t cursor = 0;
	assert_true(nj_view_equal(p->values[NJ_MQTT_P_CONTENT_TYPE].data, nj_view_str("text/plain")));
	assert_false(nj_mqtt_has(p, NJ_MQTT_P_TOPIC_ALIAS));
	while (nj_mqtt_properties_next(p, &cursor, &item) && item.which != NJ_MQTT_P_USER)
		;
	assert_true(item.which == NJ_MQTT_P_USER && nj_view_equal(item.data, nj_view_str("v")));
	peer_close(bob);
}

/* What a side does not read waits in order on the other; of QoS 0, as much as there is room for. */
static void who_does_not_read_holds_the_other_up(void **state)
{
	struct bridged *t = *state;
	static char payload[3001];
	unsigned came = 0;
	char text[8];
	memset(payload, 'x', sizeof(payload) - 1);
	topic(t, "q/#", "", "", true, false, 1);
	t->narrow = 2048;
	start(t);
	come_up(t, false, false);
	struct peer *bob = client(t, "bob");
	for (unsigned i = 0; i < 60; i++)
		publish(bob, "q/0", payload, 0, 0);
	for (uint16_t i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "%u", i);
		publish(bob, "q/1", text, 1, i);
		wait_ms(t, 200);
		(void)expect_ack(bob, NJ_MQTT_PUBACK, i);
	}
	const struct nj_mqtt_publish *m = &hear(t, NJ_MQTT_PUBLISH)->as.publish;
	for (; m->qos == 0; came++)
		m = &hear(t, NJ_MQTT_PUBLISH)->as.publish;
	assert_in_range(came, 5, 59);
	for (uint16_t i = 1; i <= 5; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_true(nj_view_equal(m->payload, nj_view_str(text)));
		acknowledge(&t->there, NJ_MQTT_PUBACK, m->packet_id);
		wait_ms(t, 20);
		if (i < 5)
			m = &hear(t, NJ_MQTT_PUBLISH)->as.publish;
	}
	assert_int_equal(queued(t), 0);
	assert_int_equal(counters(t).failures, 0);
	peer_close(bob);
}

/* --- greetings --- */

static void a_peer_of_old_is_spoken_to_in_its_version(void **state)
{
	struct bridged *t = *state;
	static const uint8_t old_no[] = { 0x20, 2, 0, 1 };
	topic(t, "q/#", "", "", true, true, 1);
	start(t);
	assert_int_equal(pick_up(t)->version, V5);
	send_bytes(&t->there, old_no, sizeof(old_no));
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_WAITING);
	hang_up(t);
	redial(t);
	/* The bridge's mark, which no decoder of the standard takes. */
	int fds[2];
	uint8_t bytes[64];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	t->dialling = false;
	t->there.fd = fds[0];
	t->there.version = V4;
	nj_mqtt_bridge_dialled(t->bridge, fds[1], NULL, NULL);
	turns(&t->gate);
	assert_true(recv(fds[0], bytes, sizeof(bytes), 0) > 10);
	assert_int_equal(bytes[8], 0x84);
	send_bytes(&t->there, old_no, sizeof(old_no));
	hang_up(t);
	redial(t);
	const struct nj_mqtt_connect *c = pick_up(t);
	assert_int_equal(c->version, V4);
	/* The session here is new: what the peer may have kept is thrown away, and a lasting one begun. */
	assert_true(c->clean_start);
	struct nj_mqtt_packet connack = connack_packet(false, 0);
	send_packet(&t->there, &connack);
	(void)hear(t, NJ_MQTT_DISCONNECT);
	hang_up(t);
	assert_false(pick_up(t)->clean_start);
	welcome_with(t, &connack);
	suback(t, hear(t, NJ_MQTT_SUBSCRIBE)->as.list.packet_id, "\1");
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_UP);
	struct nj_mqtt_packet m = publish_packet("q/1", "in", 2, 1);
	send_packet(&t->there, &m);
	wait_ms(t, 20);
	(void)hear_ack(t, NJ_MQTT_PUBREC, 1);
	acknowledge(&t->there, NJ_MQTT_PUBREL, 1);
	wait_ms(t, 20);
	(void)hear_ack(t, NJ_MQTT_PUBCOMP, 1);
}

static void a_peer_that_hangs_up_is_tried_in_the_other_version(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	assert_int_equal(pick_up(t)->version, V5);
	hang_up(t);
	redial(t);
	int fds[2];
	uint8_t bytes[64];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	t->dialling = false;
	nj_mqtt_bridge_dialled(t->bridge, fds[1], NULL, NULL);
	turns(&t->gate);
	assert_true(recv(fds[0], bytes, sizeof(bytes), 0) > 10);
	assert_int_equal(bytes[8] & 0x7f, V4);
	close(fds[0]);
	wait_ms(t, 2100);
	assert_int_equal(pick_up(t)->version, V5);
}

static void tries_come_later_and_later(void **state)
{
	static const uint64_t most_ms[] = { 1000, 2000, 4000, 8000, 8000 };
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	for (size_t i = 0; i < sizeof(most_ms) / sizeof(most_ms[0]); i++) {
		t->dialling = false;
		nj_mqtt_bridge_dialled(t->bridge, -1, NULL, "no route");
		struct nj_mqtt_bridge_status status = nj_mqtt_bridge_status_of(t->bridge);
		assert_int_equal(status.stage, NJ_MQTT_BRIDGE_WAITING);
		assert_string_equal(status.error, "no route");
		assert_in_range(status.retry_in_ms, most_ms[i] / 2, most_ms[i]);
		wait_ms(t, most_ms[i] / 2 - 10);
		assert_false(t->dialling);
		wait_ms(t, most_ms[i] / 2 + 20);
		assert_true(t->dialling);
	}
	assert_int_equal(t->told[NJ_MQTT_BRIDGE_FAILED], 5);
	come_up(t, false, false);
	wait_ms(t, 10001);
	hang_up(t);
	assert_in_range(nj_mqtt_bridge_status_of(t->bridge).retry_in_ms, 500, 1000);
}

static void a_peer_that_says_nothing_is_left(void **state)
{
	struct bridged *t = *state;
	struct nj_mqtt_packet pong = { .type = NJ_MQTT_PINGRESP };
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	(void)pick_up(t);
	wait_ms(t, 20001);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_WAITING);
	hang_up(t);
	redial(t);
	come_up(t, false, false);
	for (int i = 0; i < 2; i++) {
		advance(&t->gate, 60000);
		(void)hear(t, NJ_MQTT_PINGREQ);
		send_packet(&t->there, &pong);
		wait_ms(t, 5);
	}
	advance(&t->gate, 60000);
	(void)hear(t, NJ_MQTT_PINGREQ);
	advance(&t->gate, 60000);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_WAITING);
	assert_non_null(strstr(nj_mqtt_bridge_status_of(t->bridge).error, "does not answer"));
}

static void what_no_broker_says_ends_the_connection(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len;
	} rows[] = {
		{ "a client's packet", "\xc0\0", 2 },
		{ "no packet", "\xff\xff\xff\xff\xff", 5 },
		{ "too large", "\x30\xff\xff\xff\x7f", 5 },
		{ "QoS 3", "\x36\6\0\1q\0\1\0", 8 },
		{ "a topic alias", "\x30\7\0\1q\3\x23\0\1", 9 },
		{ "no topic", "\x30\3\0\0\0", 5 },
		{ "a wildcard", "\x30\4\0\1#\0", 6 },
		{ "SUBACK for nothing", "\x90\4\0\1\0\0", 6 },
		{ "a second CONNACK", "\x20\3\0\0\0", 5 },
		{ "DISCONNECT", "\xe0\1\x8b", 3 },
		{ "AUTH", "\xf0\0", 2 },
	};
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		come_up(t, i > 0, false);
		(void)!send(t->there.fd, rows[i].bytes, rows[i].len, MSG_NOSIGNAL);
		turns(&t->gate);
		if (stage(t) != NJ_MQTT_BRIDGE_WAITING)
			fail_msg("%s was taken", rows[i].what);
		hang_up(t);
		wait_ms(t, 8100);
	}
	assert_int_equal(t->told[NJ_MQTT_BRIDGE_WENT_DOWN], sizeof(rows) / sizeof(rows[0]));
}

static void a_refused_greeting_says_why(void **state)
{
	struct bridged *t = *state;
	struct nj_mqtt_packet connack = connack_packet(false, NJ_MQTT_R_BAD_LOGIN);
	t->config.username = "user";
	t->config.password = nj_view_str("word");
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	const struct nj_mqtt_connect *c = pick_up(t);
	assert_true(nj_view_equal(c->username, nj_view_str("user")));
	assert_true(nj_view_equal(c->password, nj_view_str("word")));
	assert_true(nj_view_equal(c->client_id, nj_view_str("nightjar-b")));
	welcome_with(t, &connack);
	assert_non_null(strstr(nj_mqtt_bridge_status_of(t->bridge).error, "bad user name or password"));
	hang_up(t);
	redial(t);
	(void)pick_up(t);
	connack = connack_packet(true, 0);
	welcome_with(t, &connack);
	assert_non_null(strstr(nj_mqtt_bridge_status_of(t->bridge).error, "was to forget"));
}

static void what_is_not_wanted_any_more_is_unsubscribed(void **state)
{
	struct bridged *t = *state;
	topic(t, "old/#", "", "", true, false, 1);
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	come_up(t, false, false);
	stop(t, false);
	hang_up(t);
	t->topics[0] = t->topics[1];
	t->config.topic_count = 1;
	start(t);
	come_up(t, true, false);
	struct peer *bob = client(t, "bob");
	publish(bob, "old/1", "x", 1, 1);
	publish(bob, "q/1", "x", 1, 2);
	wait_ms(t, 200);
	(void)hear_message(t, "q/1", "x", 1);
	peer_close(bob);
}

static void a_kicked_bridge_comes_back(void **state)
{
	struct bridged *t = *state;
	const struct nj_view id = nj_view_str(ID);
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	come_up(t, false, false);
	for (size_t i = 0; i < nj_mqtt_fabric_count(t->gate.fabric); i++)
		nj_mqtt_kick(nj_mqtt_fabric_broker(t->gate.fabric, i), t->gate.parties[ALICE].uid, &id, true);
	wait_ms(t, 20);
	assert_int_equal(stage(t), NJ_MQTT_BRIDGE_WAITING);
	hang_up(t);
	wait_ms(t, 1500);
	assert_true(pick_up(t)->clean_start);
}

static void forgetting_is_said(void **state)
{
	struct bridged *t = *state;
	topic(t, "q/#", "", "", true, false, 1);
	start(t);
	come_up(t, false, false);
	stop(t, true);
	const struct nj_mqtt_packet *goodbye = hear(t, NJ_MQTT_DISCONNECT);
	assert_true(nj_mqtt_has(&goodbye->properties, NJ_MQTT_P_SESSION_EXPIRY));
	assert_int_equal(goodbye->properties.values[NJ_MQTT_P_SESSION_EXPIRY].number, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_goes_out_is_renamed_and_kept_until_the_peer_has_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_waits_for_the_peer_goes_out_in_order_when_it_comes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_the_peer_did_not_acknowledge_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_gateway_may_die_while_it_goes_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_may_take_less, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_is_final_but_for_want_of_room, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_in_is_acknowledged_when_it_is_kept_here, setup, teardown),
		cmocka_unit_test_setup_teardown(it_comes_in_once_whoever_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_forgot_begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_session_here_makes_the_peer_begin_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_gateway_refuses_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(properties_pass_and_those_of_a_connection_do_not, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_read_holds_the_other_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_of_old_is_spoken_to_in_its_version, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_hangs_up_is_tried_in_the_other_version, setup, teardown),
		cmocka_unit_test_setup_teardown(tries_come_later_and_later, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_says_nothing_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_broker_says_ends_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_greeting_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_wanted_any_more_is_unsubscribed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kicked_bridge_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(forgetting_is_said, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
