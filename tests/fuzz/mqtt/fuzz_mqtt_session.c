/*
 * Two clients of one broker, fed with any bytes in any order over real connections: the input is a list of
 * {who, how many bytes, bytes}; who also opens, closes and lets time pass. Held: no crash, no leak, memory under its
 * ceiling, nothing counted twice; when all is gone, nothing is left.
 */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct gate {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_reactor *reactor;
	struct nj_mqtt_broker *broker;
	struct nj_profile profile;
	struct nj_party party;
	int fds[CLIENTS];
};

static const struct nj_mqtt_limits limits = {
	.max_packet_bytes = 512,
	.max_out_bytes = 4096,
	.max_memory_bytes = MEMORY,
	.max_queued_messages = 4,
	.max_queued_bytes = 2048,
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

static void turns(struct gate *gate)
{
	uint8_t drain[4096];
	for (int i = 0; i < 3; i++) {
		CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
		for (size_t c = 0; c < CLIENTS; c++)
			while (gate->fds[c] >= 0 && recv(gate->fds[c], drain, sizeof(drain), MSG_DONTWAIT) > 0)
				;
	}
	CHECK(nj_mqtt_counters_of(gate->broker).memory_bytes <= MEMORY);
}

static void opened(struct nj_conn *conn)
{
	struct gate *gate = nj_conn_user(conn);
	struct nj_mqtt_entry entry = { .party = &gate->party };
	CHECK(nj_mqtt_accept(gate->broker, conn, &entry) == NJ_OK);
}

static void closed(struct nj_conn *conn, enum nj_close why)
{
}

static void open_client(struct gate *gate, size_t which)
{
	static const struct nj_conn_ops ops = { .on_open = opened, .on_close = closed };
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
	turns(gate);
}

static void close_client(struct gate *gate, size_t which)
{
	if (gate->fds[which] >= 0)
		close(gate->fds[which]);
	gate->fds[which] = -1;
	turns(gate);
}

static void open_gate(struct gate *gate)
{
	static const struct nj_rights_rule rules[] = { { NJ_PUBLISH, false, "a/#" },
						       { NJ_PUBLISH, false, "+" },
						       { NJ_SUBSCRIBE, false, "#" },
						       { NJ_SUBSCRIBE, true, "a/b/#" } };
	struct nj_why why;
	*gate = (struct gate){ .fds = { -1, -1 } };
	nj_clock_fake_init(&gate->clock, 1000000000, 1700000000000);
	nj_random_fake_init(&gate->random, 1);
	CHECK(nj_rights_new(rules, 4, &gate->profile.rights, &why) == NJ_OK);
	gate->party = (struct nj_party){
		.refs = 1, .profile = &gate->profile, .names = { .customer = "c", .name = "n" }, .rights_version = 1
	};
	CHECK(nj_reactor_new(&gate->clock.clock, &gate->reactor) == NJ_OK);
	CHECK(nj_mqtt_broker_new(gate->reactor, &gate->random.random, &limits, NULL, &gate->broker) == NJ_OK);
}

static void close_gate(struct gate *gate)
{
	for (size_t c = 0; c < CLIENTS; c++)
		close_client(gate, c);
	nj_clock_fake_advance_ms(&gate->clock, 30000);
	turns(gate);
	struct nj_mqtt_counters left = nj_mqtt_counters_of(gate->broker);
	CHECK(left.connections == 0 && left.sessions == 0 && left.subscriptions == 0);
	nj_mqtt_broker_free(gate->broker);
	CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
	nj_reactor_free(gate->reactor);
	CHECK(gate->party.refs == 1);
	nj_rights_unref(gate->profile.rights);
}

/* The first byte of a step: client, then what happens. */
enum step { STEP_CLIENT = 0x01, STEP_CLOSE = 0x02, STEP_TIME = 0x04, STEP_RIGHTS = 0x08, STEP_CUT = 0x10 };

static void take_step(struct gate *gate, uint8_t step, struct nj_view bytes)
{
	size_t which = step & STEP_CLIENT;
	if ((step & STEP_CUT) != 0 && (step & 0xe0) == 0xe0)
		nj_mqtt_cut(gate->broker, gate->party.uid);
	if ((step & STEP_RIGHTS) != 0)
		gate->party.rights_version++;
	if ((step & STEP_CLOSE) != 0)
		close_client(gate, which);
	if ((step & STEP_TIME) != 0)
		nj_clock_fake_advance_ms(&gate->clock, (step >> 5) * UINT64_C(1000));
	if (gate->fds[which] < 0)
		open_client(gate, which);
	(void)!send(gate->fds[which], bytes.data, bytes.len, MSG_NOSIGNAL);
	turns(gate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gate gate;
	struct nj_reader r = nj_reader_of(data, size);
	open_gate(&gate);
	while (nj_reader_left(&r) > 0) {
		uint8_t step = nj_read_u8(&r);
		size_t len = nj_read_u8(&r);
		if (len > nj_reader_left(&r))
			len = nj_reader_left(&r);
		take_step(&gate, step, nj_read_view(&r, len));
	}
	close_gate(&gate);
	return 0;
}
