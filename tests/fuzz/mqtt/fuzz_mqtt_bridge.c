/*
 * What a peer may send to a bridge of this gateway: any bytes in any order, over real connections, while messages go
 * out: the input is a list of {what happens, how many bytes, bytes}. Held: no crash, no leak, memory under its ceiling;
 * a bridge that fails comes back; when all is gone, nothing is left.
 */
#include "fuzz/mqtt/gate.h"
#include "mqtt/bridge.h"

#define PEER_STEP_CLOSE 0x01
#define PEER_STEP_TIME 0x02
#define PEER_STEP_WELCOME 0x04 /* a good CONNACK comes first … */
#define PEER_STEP_PRESENT 0x08 /* … that knows the session */
#define PEER_STEP_PUBLISH 0x10

static struct gate gate;
static struct nj_mqtt_bridge *bridge;
static int there = -1;
static bool dialling;

static void dial(void *arg)
{
	dialling = true;
}

static enum nj_err open_local(void *arg, int *out_fd)
{
	gate_open_client(&gate, 0);
	*out_fd = gate.fds[0];
	gate.fds[0] = -1;
	return NJ_OK;
}

static void look(void *arg)
{
	struct nj_mqtt_session_state state;

	if (!nj_mqtt_see_session(gate.broker, &gate.party, nj_view_str("$bridge/b"), &state)) {
		nj_mqtt_bridge_looked(bridge, NULL);
		return;
	}
	nj_mqtt_bridge_looked(bridge, &state);
	nj_buf_done(&state.filters);
}

/* What the bridge says is of no interest; it must not stop for want of a reader. */
static void hear(void)
{
	uint8_t bytes[16384];

	while (there >= 0 && recv(there, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++) {
		gate_turn(&gate);
		hear();
	}
}

static void hang_up(void)
{
	if (there >= 0)
		close(there);
	there = -1;
	turn();
}

static void pick_up(void)
{
	int fds[2];

	if (!dialling)
		return;
	hang_up();
	dialling = false;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	there = fds[0];
	nj_mqtt_bridge_dialled(bridge, fds[1], NULL, NULL);
	turn();
}

static void say(struct nj_view bytes)
{
	if (bytes.len > 0 && there >= 0)
		(void)!send(there, bytes.data, bytes.len, MSG_NOSIGNAL);
	turn();
}

static void step(uint8_t what, struct nj_view bytes)
{
	uint8_t connack[] = { 0x20, 3, (what & PEER_STEP_PRESENT) != 0, 0, 0 };

	if ((what & PEER_STEP_CLOSE) != 0)
		hang_up();
	if ((what & PEER_STEP_TIME) != 0)
		nj_clock_fake_advance_ms(&gate.clock, (what >> 5) * UINT64_C(1000));
	turn();
	pick_up();
	if ((what & PEER_STEP_WELCOME) != 0)
		say(nj_view_of(connack, sizeof(connack)));
	if ((what & PEER_STEP_PUBLISH) != 0)
		(void)!nj_mqtt_publish(gate.broker, "c", nj_view_str("a/x"), bytes, (what >> 5) % 3, false);
	say(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nj_mqtt_bridge_topic topics[2] = { { .out = true, .in = true, .qos = 2 },
							 { .in = true, .qos = 1 } };
	struct nj_reader r = nj_reader_of(data, size);

	CHECK(nj_mqtt_bridge_topic_init("#", "a/", "b/", &topics[0]) == NJ_OK);
	CHECK(nj_mqtt_bridge_topic_init("", "one", "x/y", &topics[1]) == NJ_OK);
	gate_open(&gate);
	const struct nj_mqtt_bridge_config config = {
		.reactor = gate.reactor,
		.random = &gate.random.random,
		.ops = { .dial = dial, .open_local = open_local, .look = look },
		.local_id = "$bridge/b",
		.client_id = "b",
		.keep_alive_s = 3,
		.session_expiry_s = 60,
		.retry_min_ms = 500,
		.retry_max_ms = 2000,
		.topics = topics,
		.topic_count = 2,
		.max_packet_bytes = limits.max_packet_bytes,
		.max_out_bytes = limits.max_out_bytes,
		.max_topic_bytes = limits.max_topic_bytes,
		.max_topic_levels = limits.max_topic_levels,
	};
	dialling = false;
	CHECK(nj_mqtt_bridge_new(&config, &bridge) == NJ_OK);
	nj_mqtt_bridge_start(bridge);
	turn();
	while (nj_reader_left(&r) > 0) {
		uint8_t what = nj_read_u8(&r);
		size_t len = nj_read_u8(&r);

		step(what, nj_read_view(&r, len < nj_reader_left(&r) ? len : nj_reader_left(&r)));
	}
	/* Left alone, it tries again. */
	hang_up();
	for (int i = 0; i < 30 && !dialling; i++) {
		nj_clock_fake_advance_ms(&gate.clock, 1000);
		turn();
	}
	CHECK(dialling);
	nj_mqtt_bridge_free(bridge, (size & 1) != 0);
	turn();
	gate_close(&gate);
	return 0;
}
