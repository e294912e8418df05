/*
 * Brokers on threads of their own, under load from clients on others: what a thread sanitizer is to see. Subscribers
 * with sessions check that nothing is lost, repeated or out of order, while others connect, take over, subscribe,
 * unsubscribe, break off, are cut and kicked, and lose and get rights, and somebody looks at what passes now and then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "identity/profile.h"
#include "mqtt/codec.h"
#include "mqtt/fabric.h"
#include "mqtt/inspect.h"

#define BROKERS 3
#define PUBLISHERS 4
#define SUBSCRIBERS 4
#define MESSAGES 4000 /* of each publisher */
#define WINDOW 20
#define CHURNERS 2
#define CUTS 40

/* Not on cmocka's thread: a failure ends the process. */
#define MUST(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* --- the gateway --- */

enum { STEADY, RESTLESS, PARTIES };

struct side {
	struct nj_reactor *reactor;
	pthread_t thread;
};

static struct {
	struct side main;
	struct side brokers[BROKERS];
	struct nj_mqtt_fabric *fabric;
	struct nj_profile profiles[PARTIES];
	struct nj_party parties[PARTIES];
	pthread_barrier_t subscribed;
	sem_t done; /* what the governor asked for */
	atomic_bool over;
	atomic_uint seen; /* hooks called */
	struct nj_mqtt_tap taps[BROKERS];
	atomic_uint sightings;
} w;

static void on_connected(void *arg, const struct nj_mqtt_seen *seen)
{
	atomic_fetch_add(&w.seen, 1);
}

static void on_disconnected(void *arg, const struct nj_mqtt_seen *seen, enum nj_close why, uint8_t reason)
{
	atomic_fetch_add(&w.seen, 1);
}

static void on_denied(void *arg, const struct nj_mqtt_seen *seen, enum nj_direction direction, struct nj_view topic,
		      struct nj_verdict verdict)
{
	atomic_fetch_add(&w.seen, 1);
}

static const struct nj_mqtt_limits limits = {
	.max_packet_bytes = 4096,
	.max_out_bytes = 1 << 20,
	.max_memory_bytes = 1 << 28,
	.max_queued_messages = 100000,
	.max_queued_bytes = 1 << 26,
	.max_inflight = 100,
	.max_topic_levels = 8,
	.max_topic_bytes = 128,
	.max_subscriptions = 10,
	.max_sessions = 1000,
	.session_expiry_max_s = 3600,
	.retained_max_count = 1000,
	.retained_max_bytes = 1 << 20,
	.denied_publish_limit = 1000000,
	.connect_timeout_ms = 60000,
};

static struct nj_rights *make_rights(bool all)
{
	static const struct nj_rights_rule rules[] = { { NJ_SUBSCRIBE, false, "#" }, { NJ_PUBLISH, false, "#" } };
	struct nj_rights *rights;
	struct nj_why why;

	MUST(nj_rights_new(rules, all ? 2 : 1, &rights, &why) == NJ_OK);
	return rights;
}

static void make_party(size_t which)
{
	struct nj_party *party = &w.parties[which];

	w.profiles[which].refs = 1;
	w.profiles[which].rights = make_rights(true);
	memset(party->uid, (int)which + 1, sizeof(party->uid));
	party->refs = 1;
	party->rights_version = 1;
	party->kind = NJ_PARTY_DEVICE;
	party->profile = &w.profiles[which];
	party->names = (struct nj_names){ .customer = "acme", .name = which == STEADY ? "steady" : "restless" };
}

static void *serve(void *reactor)
{
	MUST(nj_reactor_run(reactor) == NJ_OK);
	return NULL;
}

static void start(struct side *side)
{
	MUST(pthread_create(&side->thread, NULL, serve, side->reactor) == 0);
}

static void stop(struct side *side)
{
	nj_reactor_stop(side->reactor);
	MUST(pthread_join(side->thread, NULL) == 0);
}

static void open_gateway(void)
{
	const struct nj_mqtt_hooks hooks = { .on_connected = on_connected,
					     .on_disconnected = on_disconnected,
					     .on_denied = on_denied };
	struct nj_reactor *reactors[BROKERS];

	make_party(STEADY);
	make_party(RESTLESS);
	MUST(nj_reactor_new(nj_clock_system(), &w.main.reactor) == NJ_OK);
	for (size_t i = 0; i < BROKERS; i++) {
		MUST(nj_reactor_new(nj_clock_system(), &w.brokers[i].reactor) == NJ_OK);
		reactors[i] = w.brokers[i].reactor;
	}
	MUST(nj_mqtt_fabric_new(w.main.reactor, reactors, BROKERS, nj_random_system(), &limits, &hooks, &w.fabric) ==
	     NJ_OK);
	start(&w.main);
	for (size_t i = 0; i < BROKERS; i++)
		start(&w.brokers[i]);
}

static void close_gateway(void)
{
	stop(&w.main);
	for (size_t i = 0; i < BROKERS; i++)
		stop(&w.brokers[i]);
	nj_mqtt_fabric_free(w.fabric);
	MUST(nj_reactor_turn(w.main.reactor, 0) == NJ_OK);
	nj_reactor_free(w.main.reactor);
	for (size_t i = 0; i < BROKERS; i++) {
		MUST(nj_reactor_turn(w.brokers[i].reactor, 0) == NJ_OK);
		nj_reactor_free(w.brokers[i].reactor);
	}
	for (size_t i = 0; i < PARTIES; i++) {
		MUST(w.parties[i].refs == 1);
		MUST(w.parties[i].sessions == 0);
		nj_rights_unref(w.profiles[i].rights);
	}
}

/* --- coming in: on the main thread --- */

struct arrival {
	struct nj_post post;
	int fd;
	size_t party;
};

static void on_event(struct nj_conn *conn)
{
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	return 0;
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
}

static void on_arrival(struct nj_post *post)
{
	static const struct nj_conn_ops ops = {
		.on_open = on_event, .on_data = on_data, .on_drained = on_event, .on_close = on_close
	};
	struct arrival *arrival = NJ_CONTAINER(post, struct arrival, post);
	const struct nj_mqtt_entry entry = { .party = &w.parties[arrival->party] };
	struct nj_conn_config config = { .fd = arrival->fd,
					 .max_in_bytes = limits.max_packet_bytes,
					 .max_out_bytes = limits.max_out_bytes,
					 .ops = &ops };
	struct nj_conn *conn;

	MUST(nj_conn_new(w.main.reactor, &config, &conn) == NJ_OK);
	MUST(nj_mqtt_fabric_accept(w.fabric, conn, &entry) == NJ_OK);
	free(arrival);
}

/* --- a client, that blocks --- */

struct client {
	int fd;
	size_t held;
	size_t eaten;
	uint8_t in[16384];
	struct nj_mqtt_packet packet;
};

static void client_open(struct client *client, size_t party)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));
	int fds[2];

	MUST(arrival != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	*client = (struct client){ .fd = fds[0] };
	/* What the restless wait for need not come. */
	const struct timeval patience = { .tv_usec = 100000 };
	if (party == RESTLESS)
		MUST(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	*arrival = (struct arrival){ .post = { .on_post = on_arrival }, .fd = fds[1], .party = party };
	nj_reactor_post(w.main.reactor, &arrival->post);
}

static bool client_send(struct client *client, const struct nj_mqtt_packet *packet)
{
	uint8_t bytes[4096];
	size_t len;

	MUST(nj_mqtt_encode(packet, NJ_MQTT_V5, bytes, sizeof(bytes), &len) == NJ_OK);
	return send(client->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The next packet; NULL at the end of the connection. */
static const struct nj_mqtt_packet *client_next(struct client *client)
{
	struct nj_mqtt_frame frame;
	size_t need = 1;

	for (;;) {
		struct nj_view rest = nj_view_of(client->in + client->eaten, client->held - client->eaten);
		MUST(nj_mqtt_frame(rest, sizeof(client->in), &frame, &need) == NJ_MQTT_FAULT_NONE);
		if (need == 0)
			break;
		memmove(client->in, rest.data, rest.len);
		client->held = rest.len;
		client->eaten = 0;
		ssize_t got = recv(client->fd, client->in + client->held, sizeof(client->in) - client->held, 0);
		if (got <= 0)
			return NULL;
		client->held += (size_t)got;
	}
	client->eaten += frame.total;
	MUST(nj_mqtt_decode(&frame, NJ_MQTT_V5, NJ_MQTT_FROM_SERVER, &client->packet) == NJ_MQTT_FAULT_NONE);
	return &client->packet;
}

static bool client_join(struct client *client, size_t party, const char *id, uint32_t expiry_s)
{
	struct nj_mqtt_packet hello = { .type = NJ_MQTT_CONNECT };
	const struct nj_mqtt_packet *welcome;

	client_open(client, party);
	hello.as.connect = (struct nj_mqtt_connect){ .version = NJ_MQTT_V5, .client_id = nj_view_str(id) };
	if (expiry_s > 0)
		nj_mqtt_set_number(&hello.properties, NJ_MQTT_P_SESSION_EXPIRY, expiry_s);
	welcome = client_send(client, &hello) ? client_next(client) : NULL;
	return welcome != NULL && welcome->type == NJ_MQTT_CONNACK && welcome->as.connack.code == 0;
}

static bool client_ask(struct client *client, uint8_t type, const char *filter)
{
	uint8_t items[64];
	struct nj_writer out = nj_writer_of(items, sizeof(items));
	const struct nj_mqtt_filter f = { .filter = nj_view_str(filter), .qos = 1 };
	struct nj_mqtt_packet packet = { .type = type };

	nj_mqtt_filter_write(&out, type, &f);
	packet.as.list = (struct nj_mqtt_list){ .packet_id = 9, .items = nj_view_of(items, out.pos) };
	return client_send(client, &packet);
}

static bool client_ack(struct client *client, uint16_t packet_id)
{
	const struct nj_mqtt_packet packet = { .type = NJ_MQTT_PUBACK, .as.ack = { .packet_id = packet_id } };

	return client_send(client, &packet);
}

/* --- those who keep count --- */

static unsigned number_in(struct nj_view payload)
{
	char text[16] = "";

	MUST(payload.len < sizeof(text));
	memcpy(text, payload.data, payload.len);
	return (unsigned)strtoul(text, NULL, 10);
}

static void *subscriber(void *arg)
{
	unsigned next[PUBLISHERS] = { 0 };
	unsigned left = PUBLISHERS * MESSAGES;
	struct client client;
	char id[16];

	snprintf(id, sizeof(id), "s%zu", (size_t)(uintptr_t)arg);
	MUST(client_join(&client, STEADY, id, 1000));
	MUST(client_ask(&client, NJ_MQTT_SUBSCRIBE, "t/+"));
	MUST(client_next(&client)->type == NJ_MQTT_SUBACK);
	pthread_barrier_wait(&w.subscribed);
	while (left > 0) {
		const struct nj_mqtt_packet *packet = client_next(&client);
		MUST(packet != NULL && packet->type == NJ_MQTT_PUBLISH);
		const struct nj_mqtt_publish *m = &packet->as.publish;
		unsigned from = (unsigned)(m->topic.data[2] - '0');
		MUST(m->qos == 1 && from < PUBLISHERS);
		MUST(number_in(m->payload) == next[from]++);
		left--;
		MUST(client_ack(&client, m->packet_id));
	}
	close(client.fd);
	return NULL;
}

static void take_ack(struct client *client, uint16_t want)
{
	const struct nj_mqtt_packet *packet = client_next(client);

	MUST(packet != NULL && packet->type == NJ_MQTT_PUBACK);
	/* In the order of receipt. */
	MUST(packet->as.ack.packet_id == want && packet->as.ack.code == NJ_MQTT_R_SUCCESS);
}

static void *publisher(void *arg)
{
	struct client client;
	char id[16], topic[8], payload[16];

	snprintf(id, sizeof(id), "p%zu", (size_t)(uintptr_t)arg);
	snprintf(topic, sizeof(topic), "t/%zu", (size_t)(uintptr_t)arg);
	MUST(client_join(&client, STEADY, id, 0));
	pthread_barrier_wait(&w.subscribed);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct nj_mqtt_packet packet = { .type = NJ_MQTT_PUBLISH };
		snprintf(payload, sizeof(payload), "%u", i);
		packet.as.publish = (struct nj_mqtt_publish){ .topic = nj_view_str(topic),
							      .payload = nj_view_str(payload),
							      .qos = 1,
							      .retain = i % 50 == 0,
							      .packet_id = (uint16_t)(i % 60000 + 1) };
		MUST(client_send(&client, &packet));
		if (i + 1 >= WINDOW)
			take_ack(&client, (uint16_t)((i + 1 - WINDOW) % 60000 + 1));
	}
	for (unsigned i = MESSAGES - WINDOW + 1; i < MESSAGES; i++)
		take_ack(&client, (uint16_t)(i % 60000 + 1));
	close(client.fd);
	return NULL;
}

/* --- those who do not --- */

/* One life of a connection: it may end at any point, by itself, by a takeover, or cut. */
static void live(unsigned turn)
{
	struct client client;
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_PUBLISH };
	char id[16];

	snprintf(id, sizeof(id), "c%u", turn % 3);
	if (client_join(&client, RESTLESS, id, turn % 2 * 100) && client_ask(&client, NJ_MQTT_SUBSCRIBE, "t/+")) {
		packet.as.publish = (struct nj_mqtt_publish){ .topic = nj_view_str("noise"),
							      .payload = nj_view_str("x"),
							      .retain = true };
		bool going = client_ask(&client, NJ_MQTT_SUBSCRIBE, "$share/g/t/#");
		for (unsigned i = 0; i < 20 && going; i++)
			going = client_send(&client, &packet) && client_next(&client) != NULL;
		packet.as.publish.payload = nj_view_str("");
		(void)(going && client_send(&client, &packet) && client_ask(&client, NJ_MQTT_UNSUBSCRIBE, "t/+") &&
		       client_next(&client) != NULL);
	}
	close(client.fd);
}

static void *churner(void *arg)
{
	for (unsigned turn = (unsigned)(uintptr_t)arg; !atomic_load(&w.over); turn++)
		live(turn);
	return NULL;
}

/* What the gateway does to them, on its main thread. */
struct doing {
	struct nj_post post;
	struct nj_mqtt_round round;
	struct nj_rights *former;
};

static void on_sighting(void *arg, const struct nj_party *party, struct nj_view client_id, struct nj_view topic,
			struct nj_view payload, uint8_t qos, bool retain)
{
	atomic_fetch_add(&w.sightings, 1);
}

/* Looks, or looks away. */
static void toggle_tap(struct nj_mqtt_broker *broker)
{
	size_t place = 0;
	while (nj_mqtt_fabric_broker(w.fabric, place) != broker)
		place++;
	struct nj_mqtt_tap *tap = &w.taps[place];
	if (tap->seen != NULL) {
		nj_mqtt_tap_remove(broker, tap);
		tap->seen = NULL;
		return;
	}
	*tap = (struct nj_mqtt_tap){ .customer = "acme", .filter = nj_view_str("t/+"), .seen = on_sighting };
	nj_mqtt_tap_add(broker, tap);
}

static void visit_cut(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	(void)nj_mqtt_cut(broker, w.parties[RESTLESS].uid);
	toggle_tap(broker);
}

static void visit_kick(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	const struct nj_view id = nj_view_str("c1");
	(void)nj_mqtt_kick(broker, w.parties[RESTLESS].uid, &id, false);
	(void)nj_mqtt_kick(broker, w.parties[RESTLESS].uid, NULL, true);
}

static void on_done(struct nj_mqtt_round *round)
{
	struct doing *doing = NJ_CONTAINER(round, struct doing, round);

	nj_rights_unref(doing->former);
	MUST(sem_post(&w.done) == 0);
}

static void on_do(struct nj_post *post)
{
	static unsigned turn;
	struct doing *doing = NJ_CONTAINER(post, struct doing, post);

	doing->former = w.profiles[RESTLESS].rights;
	w.profiles[RESTLESS].rights = make_rights(++turn % 2 == 0);
	w.parties[RESTLESS].rights_version++;
	doing->round.visit = turn % 2 == 0 ? visit_cut : visit_kick;
	doing->round.done = on_done;
	nj_mqtt_fabric_round(w.fabric, &doing->round);
	MUST(nj_mqtt_fabric_counters(w.fabric).sessions <= limits.max_sessions);
}

static void *governor(void *arg)
{
	for (unsigned i = 0; i < CUTS && !atomic_load(&w.over); i++) {
		struct doing doing = { .post = { .on_post = on_do } };
		nj_reactor_post(w.main.reactor, &doing.post);
		while (sem_wait(&w.done) != 0)
			MUST(errno == EINTR);
		usleep(5000);
	}
	return NULL;
}

static void nothing_is_lost_repeated_or_out_of_order(void **state)
{
	pthread_t counting[PUBLISHERS + SUBSCRIBERS], churning[CHURNERS + 1];

	open_gateway();
	MUST(pthread_barrier_init(&w.subscribed, NULL, PUBLISHERS + SUBSCRIBERS) == 0);
	MUST(sem_init(&w.done, 0, 0) == 0);
	for (size_t i = 0; i < SUBSCRIBERS; i++)
		MUST(pthread_create(&counting[i], NULL, subscriber, (void *)i) == 0);
	for (size_t i = 0; i < PUBLISHERS; i++)
		MUST(pthread_create(&counting[SUBSCRIBERS + i], NULL, publisher, (void *)i) == 0);
	for (size_t i = 0; i < CHURNERS; i++)
		MUST(pthread_create(&churning[i], NULL, churner, (void *)i) == 0);
	MUST(pthread_create(&churning[CHURNERS], NULL, governor, NULL) == 0);
	for (size_t i = 0; i < PUBLISHERS + SUBSCRIBERS; i++)
		MUST(pthread_join(counting[i], NULL) == 0);
	atomic_store(&w.over, true);
	for (size_t i = 0; i < CHURNERS + 1; i++)
		MUST(pthread_join(churning[i], NULL) == 0);
	MUST(w.seen > PUBLISHERS + SUBSCRIBERS);
	MUST(w.sightings > 0);
	pthread_barrier_destroy(&w.subscribed);
	sem_destroy(&w.done);
	close_gateway();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_repeated_or_out_of_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
