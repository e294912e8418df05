/*
 * A broker with small limits and two clients over socket pairs, for the targets that feed it. Its clock, randomness and
 * rights are its own; everything is gone, and checked to be gone, when the gate closes. One thread.
 */
#ifndef NJ_FUZZ_MQTT_GATE_H
#define NJ_FUZZ_MQTT_GATE_H

#include <sys/socket.h>
#include <unistd.h>

#include "identity/profile.h"
#include "mqtt/broker.h"

#define CLIENTS 2
#define MEMORY (64 * 1024)

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct gate {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_reactor *reactor;
	struct nj_mqtt_broker *broker;
	struct nj_profile profile;
	struct nj_party party;
	int fds[CLIENTS];
	/* What the broker sent to a client, at most 16 KiB at once; may be NULL. */
	void (*heard)(struct gate *gate, size_t which, struct nj_view bytes);
	/* Everything on its way to a disk arrives; may be NULL. */
	void (*settle)(struct gate *gate);
};

static const struct nj_mqtt_limits limits = {
	.max_packet_bytes = 512,
	.max_out_bytes = 4096,
	.max_memory_bytes = MEMORY,
	.max_queued_messages = 4,
	.max_queued_bytes = 2048,
	.customer_queued_bytes = 4096,
	.total_queued_bytes = 4096,
	.max_inflight = 2,
	.max_topic_levels = 6,
	.max_topic_bytes = 64,
	.max_subscriptions = 4,
	.max_sessions = 3,
	.session_expiry_max_s = 20,
	.retained_max_count = 3,
	.retained_max_bytes = 4096,
	.topic_alias_max = 2,
	.denied_publish_limit = 2,
	.connect_timeout_ms = 5000,
};

/* All that an input can make the broker say fits into a socket's buffer, and what comes at once comes in one piece. */
static inline void gate_hear(struct gate *gate)
{
	uint8_t bytes[16384];

	for (size_t c = 0; c < CLIENTS; c++) {
		ssize_t n = gate->fds[c] < 0 ? 0 : recv(gate->fds[c], bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n > 0)
			gate->heard(gate, c, nj_view_of(bytes, (size_t)n));
	}
}

/* Without somebody who hears, the clients read nothing. */
static inline void gate_turn(struct gate *gate)
{
	CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
	if (gate->heard != NULL)
		gate_hear(gate);
	CHECK(nj_mqtt_counters_of(gate->broker).memory_bytes <= MEMORY);
}

static inline void gate_opened(struct nj_conn *conn)
{
	struct gate *gate = nj_conn_user(conn);
	struct nj_mqtt_entry entry = { .party = &gate->party };

	CHECK(nj_mqtt_accept(gate->broker, conn, &entry) == NJ_OK);
}

static inline void gate_closed(struct nj_conn *conn, enum nj_close why)
{
}

static inline void gate_open_client(struct gate *gate, size_t which)
{
	static const struct nj_conn_ops ops = { .on_open = gate_opened, .on_close = gate_closed };
	struct nj_conn *conn;
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	struct nj_conn_config config = { .fd = fds[1],
					 .max_in_bytes = limits.max_packet_bytes,
					 .max_out_bytes = limits.max_out_bytes,
					 .ops = &ops,
					 .user = gate };
	CHECK(nj_conn_new(gate->reactor, &config, &conn) == NJ_OK);
	gate->fds[which] = fds[0];
}

static inline void gate_close_client(struct gate *gate, size_t which)
{
	if (gate->fds[which] < 0)
		return;
	close(gate->fds[which]);
	gate->fds[which] = -1;
	gate_turn(gate);
}

static inline void gate_send(struct gate *gate, size_t which, struct nj_view bytes)
{
	if (bytes.len > 0)
		(void)!send(gate->fds[which], bytes.data, bytes.len, MSG_NOSIGNAL);
	gate_turn(gate);
}

/* The reactor and the rights live as long as the process: they are not what is under test. */
static inline void gate_open(struct gate *gate)
{
	static const struct nj_rights_rule rules[] = { { NJ_PUBLISH, false, "a/#" },
						       { NJ_PUBLISH, false, "+" },
						       { NJ_SUBSCRIBE, false, "#" },
						       { NJ_SUBSCRIBE, true, "a/b/#" } };
	struct nj_why why;

	if (gate->reactor == NULL) {
		nj_clock_fake_init(&gate->clock, 1000000000, 1700000000000);
		struct nj_rights *rights;
		CHECK(nj_rights_new(rules, 4, &rights, &why) == NJ_OK);
		gate->profile.rights = rights;
		CHECK(nj_reactor_new(&gate->clock.clock, &gate->reactor) == NJ_OK);
	}
	for (size_t c = 0; c < CLIENTS; c++)
		gate->fds[c] = -1;
	nj_random_fake_init(&gate->random, 1);
	gate->party = (struct nj_party){
		.refs = 1, .profile = &gate->profile, .names = { .customer = "c", .name = "n" }, .rights_version = 1
	};
	CHECK(nj_mqtt_broker_new(gate->reactor, &gate->random.random, &limits, NULL, &gate->broker) == NJ_OK);
}

static inline void gate_close(struct gate *gate)
{
	for (size_t c = 0; c < CLIENTS; c++)
		gate_close_client(gate, c);
	for (int i = 0; i < 3; i++) {
		nj_clock_fake_advance_ms(&gate->clock, 10000);
		for (int turns = 0; turns < 2; turns++) {
			gate_turn(gate);
			if (gate->settle != NULL)
				gate->settle(gate);
		}
	}
	struct nj_mqtt_counters left = nj_mqtt_counters_of(gate->broker);
	CHECK(left.connections == 0 && left.sessions == 0 && left.subscriptions == 0);
	nj_mqtt_broker_free(gate->broker);
	CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
	CHECK(gate->party.refs == 1);
}

/* The first byte of a step: client, then what happens. */
enum step { STEP_CLIENT = 0x01, STEP_CLOSE = 0x02, STEP_TIME = 0x04, STEP_RIGHTS = 0x08, STEP_CUT = 0x10 };

/* What happens before the client of the step speaks; it is connected afterwards. Returns which it is. */
static inline size_t gate_step(struct gate *gate, uint8_t step)
{
	size_t which = step & STEP_CLIENT;

	if ((step & STEP_CUT) != 0 && (step & 0xe0) == 0xe0)
		nj_mqtt_cut(gate->broker, gate->party.uid);
	if ((step & STEP_RIGHTS) != 0)
		gate->party.rights_version++;
	if ((step & STEP_CLOSE) != 0)
		gate_close_client(gate, which);
	if ((step & STEP_TIME) != 0)
		nj_clock_fake_advance_ms(&gate->clock, (step >> 5) * UINT64_C(1000));
	if (gate->fds[which] < 0)
		gate_open_client(gate, which);
	return which;
}

#endif
