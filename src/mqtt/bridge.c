#include "mqtt/bridge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mqtt/bridge_internal.h"
#include "mqtt/client.h"

#define STEP_MS 20000     /* of a stage between waiting and being up */
#define STEADY_MS 10000   /* up for so long, the next failure is the first again */
#define FRAME_SLACK 16    /* of an input buffer, over the largest packet */
#define PACKET_SLACK 1024 /* of a packet that is made, over the largest */

const char *nj_mqtt_bridge_stage_name(enum nj_mqtt_bridge_stage stage)
{
	static const char *const names[] = {
#define STAGE_NAME(name, text) [name] = (text),
		NJ_MQTT_BRIDGE_TABLE(STAGE_NAME)
#undef STAGE_NAME
	};

	return names[stage];
}

static uint64_t wall_ms(const struct nj_mqtt_bridge *b)
{
	return nj_clock_wall_ms(nj_reactor_clock(b->config.reactor));
}

static uint64_t now_ms(const struct nj_mqtt_bridge *b)
{
	return nj_reactor_now_ms(b->config.reactor);
}

void bridge_enter(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_stage stage)
{
	b->stage = stage;
	b->since_ms = wall_ms(b);
	if (stage == NJ_MQTT_BRIDGE_IDLE || stage == NJ_MQTT_BRIDGE_UP)
		nj_timer_cancel(&b->step);
	else if (stage != NJ_MQTT_BRIDGE_WAITING)
		nj_timer_arm(b->config.reactor, &b->step, STEP_MS);
}

static void tell(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_event event, const char *text)
{
	if (b->config.ops.told != NULL)
		b->config.ops.told(b->config.ops.arg, event, text);
}

/* ---- legs ---- */

void bridge_drop(struct bridge_leg *leg)
{
	struct nj_conn *conn = leg->conn;

	leg->conn = NULL;
	leg->held = leg->asked = false;
	if (conn == NULL)
		return;
	nj_conn_set_ops(conn, &nj_mqtt_orphan_ops, NULL);
	nj_conn_abort(conn, NJ_CLOSE_LOCAL);
}

/* The mark by which Mosquitto knows a bridge, and sends it neither what it said itself nor retained messages without
 * their flag: the highest bit of the protocol level, which no standard speaks of. */
static void mark(uint8_t *connect)
{
	size_t head = 1;

	while ((connect[head] & 0x80) != 0)
		head++;
	connect[head + 1 + sizeof("..MQTT") - 1] |= 0x80;
}

enum nj_err bridge_send(struct bridge_leg *leg, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_bridge *b = leg->bridge;
	size_t len = 0;

	if (leg->conn == NULL)
		return NJ_ERR_CLOSED;
	enum nj_err err = nj_mqtt_encode(packet, leg->version, b->packet, b->packet_cap, &len);
	if (err != NJ_OK || len > leg->max_packet_bytes)
		return NJ_ERR_TOO_LARGE;
	if (packet->type == NJ_MQTT_CONNECT && leg->version == NJ_MQTT_V311 && !b->unmarked && leg == &b->peer)
		mark(b->packet);
	return nj_conn_send(leg->conn, b->packet, len);
}

void bridge_say(struct bridge_leg *leg, const struct nj_mqtt_packet *packet)
{
	if (leg->conn != NULL && bridge_send(leg, packet) != NJ_OK)
		bridge_fail(leg->bridge, "%s does not read",
			    leg == &leg->bridge->peer ? "the peer" : "the gateway's broker");
}

void bridge_say_ack(struct bridge_leg *leg, uint8_t type, uint16_t packet_id, uint8_t code)
{
	const struct nj_mqtt_packet packet = { .type = type, .as.ack = { .packet_id = packet_id, .code = code } };

	bridge_say(leg, &packet);
}

void bridge_part(struct bridge_leg *leg, bool forget)
{
	struct nj_mqtt_packet goodbye = { .type = NJ_MQTT_DISCONNECT };
	struct nj_conn *conn = leg->conn;

	if (conn == NULL)
		return;
	if (forget && leg->version >= NJ_MQTT_V5)
		nj_mqtt_set_number(&goodbye.properties, NJ_MQTT_P_SESSION_EXPIRY, 0);
	(void)!bridge_send(leg, &goodbye);
	leg->conn = NULL;
	nj_conn_set_ops(conn, &nj_mqtt_orphan_ops, NULL);
	nj_conn_finish(conn, NJ_CLOSE_LOCAL);
}

bool bridge_hold(struct bridge_leg *leg)
{
	leg->held = true;
	nj_conn_pause(leg->conn, true);
	return false;
}

void bridge_resume(struct bridge_leg *leg)
{
	if (!leg->held || leg->conn == NULL)
		return;
	leg->held = false;
	nj_conn_pause(leg->conn, false);
}

/* ---- up and down ---- */

static void take_down(struct nj_mqtt_bridge *b)
{
	nj_timer_cancel(&b->beat);
	bridge_drop(&b->local);
	bridge_drop(&b->peer);
	b->subscribe_id = 0;
	b->stale_count = 0;
}

/* Twice as long each time, and anything from half of it up, so that many do not come back at once. */
static uint32_t next_wait_ms(const struct nj_mqtt_bridge *b)
{
	uint64_t wait_ms = b->config.retry_min_ms;

	for (uint32_t i = 1; i < b->failures && wait_ms < b->config.retry_max_ms; i++)
		wait_ms *= 2;
	if (wait_ms > b->config.retry_max_ms)
		wait_ms = b->config.retry_max_ms;
	return (uint32_t)(wait_ms - nj_random_u64(b->config.random) % (wait_ms / 2 + 1));
}

static void NJ_PRINTF(2, 0) set_error(struct nj_mqtt_bridge *b, const char *format, va_list args)
{
	(void)vsnprintf(b->error, sizeof(b->error), format, args);
	b->error_at_ms = wall_ms(b);
}

void bridge_fail(struct nj_mqtt_bridge *b, const char *format, ...)
{
	bool was_up = b->stage == NJ_MQTT_BRIDGE_UP;
	va_list args;

	if (b->stage == NJ_MQTT_BRIDGE_WAITING || b->stage == NJ_MQTT_BRIDGE_IDLE)
		return;
	va_start(args, format);
	set_error(b, format, args);
	va_end(args);
	take_down(b);
	if (was_up && now_ms(b) - b->up_ms >= STEADY_MS)
		b->failures = 0;
	b->failures++;
	b->counters.failures++;
	bridge_enter(b, NJ_MQTT_BRIDGE_WAITING);
	nj_timer_arm(b->config.reactor, &b->step, next_wait_ms(b));
	tell(b, was_up ? NJ_MQTT_BRIDGE_WENT_DOWN : NJ_MQTT_BRIDGE_FAILED, b->error);
}

void bridge_note(struct nj_mqtt_bridge *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_error(b, format, args);
	va_end(args);
	tell(b, NJ_MQTT_BRIDGE_NOTED, b->error);
}

void bridge_came_up(struct nj_mqtt_bridge *b)
{
	char text[96];

	bridge_enter(b, NJ_MQTT_BRIDGE_UP);
	b->up_ms = now_ms(b);
	b->counters.connects++;
	nj_timer_arm(b->config.reactor, &b->beat, b->keep_alive_ms);
	(void)snprintf(text, sizeof(text), "MQTT %s, the peer %s", b->peer.version >= NJ_MQTT_V5 ? "5.0" : "3.1.1",
		       b->peer_present ? "knew the session" : "begins a session");
	tell(b, NJ_MQTT_BRIDGE_CAME_UP, text);
}

/* ---- stages ---- */

static void dial(struct nj_mqtt_bridge *b)
{
	bridge_enter(b, NJ_MQTT_BRIDGE_DIALLING);
	b->config.ops.dial(b->config.ops.arg);
}

static void look(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_stage stage)
{
	bridge_enter(b, stage);
	b->config.ops.look(b->config.ops.arg);
}

static void go_on(struct nj_mqtt_bridge *b)
{
	if (b->prepared)
		dial(b);
	else
		look(b, NJ_MQTT_BRIDGE_PREPARING);
}

static void on_step(struct nj_timer *timer)
{
	struct nj_mqtt_bridge *b = NJ_CONTAINER(timer, struct nj_mqtt_bridge, step);

	if (b->stage == NJ_MQTT_BRIDGE_WAITING)
		go_on(b);
	else
		bridge_fail(b, "no answer in %d s while %s", STEP_MS / 1000, nj_mqtt_bridge_stage_name(b->stage));
}

void bridge_prepared(struct nj_mqtt_bridge *b)
{
	b->prepared = true;
	dial(b);
}

void bridge_dial_again(struct nj_mqtt_bridge *b)
{
	bridge_part(&b->peer, false);
	b->subscribe_id = 0;
	dial(b);
}

void bridge_greeted(struct nj_mqtt_bridge *b)
{
	/* What it says from here on waits for the session here. */
	(void)bridge_hold(&b->peer);
	if (b->peer_present)
		bridge_open_local(b, NJ_MQTT_BRIDGE_JOINING);
	else
		look(b, NJ_MQTT_BRIDGE_COMPARING);
}

static void find_stale(struct nj_mqtt_bridge *b, const struct nj_mqtt_session_state *state)
{
	b->stale_count = 0;
	memset(b->stale, 0, sizeof(b->stale));
	if (state == NULL)
		return;
	memcpy(b->stale, state->received, sizeof(b->stale));
	for (size_t i = 0; i < sizeof(b->stale); i++)
		b->stale_count += (uint32_t)__builtin_popcount(b->stale[i]);
}

void nj_mqtt_bridge_looked(struct nj_mqtt_bridge *b, const struct nj_mqtt_session_state *state)
{
	b->queued = state != NULL ? state->queued : 0;
	b->queued_bytes = state != NULL ? state->queued_bytes : 0;
	b->inflight = state != NULL ? state->inflight : 0;
	if (b->stage == NJ_MQTT_BRIDGE_PREPARING && b->local.conn == NULL) {
		bridge_find_leftover(b, state != NULL ? nj_buf_view(&state->filters) : nj_view_of(NULL, 0));
		bridge_open_local(b, NJ_MQTT_BRIDGE_PREPARING);
	} else if (b->stage == NJ_MQTT_BRIDGE_COMPARING) {
		find_stale(b, state);
		bridge_open_local(b, NJ_MQTT_BRIDGE_JOINING);
	}
}

/* ---- connections ---- */

static void on_open(struct nj_conn *conn)
{
	struct bridge_leg *leg = nj_conn_user(conn);

	if (leg == &leg->bridge->peer)
		bridge_hello_peer(leg->bridge);
	else
		bridge_hello_local(leg->bridge);
}

static void on_drained(struct nj_conn *conn)
{
	struct bridge_leg *leg = nj_conn_user(conn);
	struct nj_mqtt_bridge *b = leg->bridge;

	if (leg == &b->peer)
		bridge_resume(&b->local);
	else if (b->stage == NJ_MQTT_BRIDGE_UP && b->stale_count == 0)
		bridge_resume(&b->peer);
}

/* What a close says of who closed, where nothing better is known. */
static void on_close(struct nj_conn *conn, enum nj_close why)
{
	struct bridge_leg *leg = nj_conn_user(conn);
	struct nj_mqtt_bridge *b = leg->bridge;
	bool peers = leg == &b->peer;

	leg->conn = NULL;
	/* Brokers of old hang up on a version that they do not know. */
	if (peers && b->stage == NJ_MQTT_BRIDGE_GREETING && why == NJ_CLOSE_PEER && b->config.version == NJ_MQTT_NEVER)
		b->older = !b->older;
	bridge_fail(b, "%s: %s", peers ? "the peer" : "the gateway's broker", nj_close_name(why));
}

/* False: it stays. */
static bool on_packet_local(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	switch (packet->type) {
	case NJ_MQTT_CONNACK:
		bridge_on_connack_local(b, packet);
		return true;
	case NJ_MQTT_SUBACK:
	case NJ_MQTT_UNSUBACK:
		bridge_on_prepared(b, packet);
		return true;
	case NJ_MQTT_PINGRESP:
		b->local.asked = false;
		return true;
	case NJ_MQTT_DISCONNECT:
		/* Somebody ended the session, or took it over. */
		b->prepared = false;
		bridge_fail(b, "the gateway's broker: %s", nj_mqtt_reason_text(packet->as.ack.code));
		return true;
	default:
		/* While preparing, messages stay where they are: unacknowledged. */
		return b->stage != NJ_MQTT_BRIDGE_UP || bridge_relay_out(b, packet);
	}
}

static bool on_packet_peer(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	switch (packet->type) {
	case NJ_MQTT_SUBACK:
		bridge_on_suback_peer(b, packet);
		return true;
	case NJ_MQTT_PINGRESP:
		b->peer.asked = false;
		return true;
	case NJ_MQTT_DISCONNECT:
		bridge_fail(b, "the peer: %s", nj_mqtt_reason_text(packet->as.ack.code));
		return true;
	case NJ_MQTT_PUBLISH:
	case NJ_MQTT_PUBACK:
	case NJ_MQTT_PUBREC:
	case NJ_MQTT_PUBREL:
	case NJ_MQTT_PUBCOMP:
		return bridge_relay_in(b, packet);
	default:
		bridge_fail(b, "the peer sent %s, which nobody asked for", nj_mqtt_type_name(packet->type));
		return true;
	}
}

static bool on_frame(struct bridge_leg *leg, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_bridge *b = leg->bridge;
	struct nj_mqtt_packet packet;

	if (leg == &b->peer && b->stage == NJ_MQTT_BRIDGE_GREETING) {
		bridge_on_connack_peer(b, frame);
		return true;
	}
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, leg->version, NJ_MQTT_FROM_SERVER, &packet);
	if (fault == NJ_MQTT_FAULT_NONE)
		return leg == &b->peer ? on_packet_peer(b, &packet) : on_packet_local(b, &packet);
	bridge_fail(b, "%s sent a malformed %s: %s", leg == &b->peer ? "the peer" : "the gateway's broker",
		    nj_mqtt_type_name(frame->type), nj_mqtt_fault_text(fault));
	return true;
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	struct bridge_leg *leg = nj_conn_user(conn);
	struct nj_mqtt_bridge *b = leg->bridge;
	size_t eaten = 0;

	while (leg->conn == conn && !leg->held && eaten < in.len) {
		struct nj_mqtt_frame frame;
		size_t need = 0;
		enum nj_mqtt_fault fault = nj_mqtt_frame(nj_view_of(in.data + eaten, in.len - eaten),
							 b->config.max_packet_bytes + PACKET_SLACK, &frame, &need);
		if (fault != NJ_MQTT_FAULT_NONE) {
			bridge_fail(b, "%s: %s", leg == &b->peer ? "the peer" : "the gateway's broker",
				    nj_mqtt_fault_text(fault));
			break;
		}
		if (need > 0 || !on_frame(leg, &frame))
			break;
		eaten += frame.total;
	}
	return eaten;
}

static const struct nj_conn_ops leg_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_drained = on_drained,
	.on_close = on_close,
};

static enum nj_err open_leg(struct bridge_leg *leg, int fd, const struct nj_addr *peer, struct nj_tls_ctx *tls)
{
	const struct nj_mqtt_bridge_config *config = &leg->bridge->config;
	struct nj_conn_config conn = {
		.fd = fd,
		.tls = tls,
		.max_in_bytes = config->max_packet_bytes + PACKET_SLACK + FRAME_SLACK,
		.max_out_bytes = config->max_out_bytes + PACKET_SLACK,
		.ops = &leg_ops,
		.user = leg,
	};

	if (peer != NULL)
		conn.peer = *peer;
	leg->held = leg->asked = false;
	leg->max_packet_bytes = SIZE_MAX;
	return nj_conn_new(config->reactor, &conn, &leg->conn);
}

void bridge_open_local(struct nj_mqtt_bridge *b, enum nj_mqtt_bridge_stage stage)
{
	int fd = -1;

	bridge_enter(b, stage);
	b->local.version = NJ_MQTT_V5;
	enum nj_err err = b->config.ops.open_local(b->config.ops.arg, &fd);
	if (err == NJ_OK)
		err = open_leg(&b->local, fd, NULL, NULL);
	if (err != NJ_OK)
		bridge_fail(b, "%s: %s", err == NJ_ERR_NOT_FOUND ? "its application" : "the gateway's broker",
			    nj_err_text(err));
}

void nj_mqtt_bridge_dialled(struct nj_mqtt_bridge *b, int fd, const struct nj_addr *peer, const char *why)
{
	if (b->stage != NJ_MQTT_BRIDGE_DIALLING) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		bridge_fail(b, "%s", why);
		return;
	}
	bridge_enter(b, NJ_MQTT_BRIDGE_GREETING);
	enum nj_err err = open_leg(&b->peer, fd, peer, b->config.tls);
	if (err != NJ_OK)
		bridge_fail(b, "no connection: %s", nj_err_text(err));
}

/* ---- keep-alive ---- */

/* Whoever said anything since it was asked is there. */
static bool is_silent(struct bridge_leg *leg)
{
	return leg->asked && !leg->held && nj_conn_bytes_in(leg->conn) == leg->heard_bytes;
}

static void ask(struct bridge_leg *leg)
{
	const struct nj_mqtt_packet ping = { .type = NJ_MQTT_PINGREQ };

	leg->asked = true;
	leg->heard_bytes = nj_conn_bytes_in(leg->conn);
	/* Where there is no room, it is asked already. */
	(void)!bridge_send(leg, &ping);
}

static void on_beat(struct nj_timer *timer)
{
	struct nj_mqtt_bridge *b = NJ_CONTAINER(timer, struct nj_mqtt_bridge, beat);

	if (is_silent(&b->peer) || is_silent(&b->local)) {
		bridge_fail(b, "%s does not answer", is_silent(&b->peer) ? "the peer" : "the gateway's broker");
		return;
	}
	ask(&b->peer);
	ask(&b->local);
	nj_timer_arm(b->config.reactor, &b->beat, b->keep_alive_ms);
}

/* ---- beginning and end ---- */

enum nj_err nj_mqtt_bridge_new(const struct nj_mqtt_bridge_config *config, struct nj_mqtt_bridge **out_bridge)
{
	struct nj_mqtt_bridge *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NJ_ERR_NO_MEMORY;
	b->config = *config;
	b->packet_cap = config->max_packet_bytes + PACKET_SLACK + NJ_MQTT_FIXED_MAX;
	b->packet = malloc(b->packet_cap);
	b->topic = malloc(UINT16_MAX);
	b->local.bridge = b->peer.bridge = b;
	b->step.on_timer = on_step;
	b->beat.on_timer = on_beat;
	nj_buf_init(&b->leftover, NJ_MQTT_FILTERS_BYTES);
	if (b->packet == NULL || b->topic == NULL) {
		nj_mqtt_bridge_free(b, false);
		return NJ_ERR_NO_MEMORY;
	}
	*out_bridge = b;
	return NJ_OK;
}

void nj_mqtt_bridge_free(struct nj_mqtt_bridge *b, bool forget)
{
	if (b == NULL)
		return;
	if (b->stage == NJ_MQTT_BRIDGE_UP) {
		bridge_part(&b->peer, forget);
		bridge_part(&b->local, false);
	}
	take_down(b);
	nj_timer_cancel(&b->step);
	nj_buf_done(&b->leftover);
	free(b->packet);
	free(b->topic);
	free(b);
}

void nj_mqtt_bridge_start(struct nj_mqtt_bridge *b)
{
	if (b->stage == NJ_MQTT_BRIDGE_IDLE)
		go_on(b);
}

struct nj_mqtt_bridge_status nj_mqtt_bridge_status_of(const struct nj_mqtt_bridge *b)
{
	uint64_t due_ms = b->stage == NJ_MQTT_BRIDGE_WAITING ? nj_timer_due_ms(&b->step) : 0;

	return (struct nj_mqtt_bridge_status){
		.stage = b->stage,
		.since_ms = b->since_ms,
		.retry_in_ms = due_ms > now_ms(b) ? due_ms - now_ms(b) : 0,
		.version = b->stage == NJ_MQTT_BRIDGE_UP ? b->peer.version : 0,
		.session_present = b->stage == NJ_MQTT_BRIDGE_UP && b->peer_present,
		.queued = b->queued,
		.queued_bytes = b->queued_bytes,
		.inflight = b->inflight,
		.counters = b->counters,
		.error = b->error,
		.error_at_ms = b->error_at_ms,
	};
}
