/* What publishers and subscribers do with what arrives, and when they send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define CONNACK 0x20
#define PUBLISH 0x30
#define PUBACK 0x40
#define PUBREC 0x50
#define PUBREL 0x62
#define PUBCOMP 0x70
#define SUBSCRIBE 0x82
#define SUBACK 0x90
#define DISCONNECT 0xe0

#define ID_BYTES 64
#define FILTER_BYTES 256
#define FILTERS_AT_ONCE 100
#define BATCH_BYTES (32 * 1024) /* that one publisher writes at once */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void send_ack(struct conn *conn, uint8_t first, uint16_t id)
{
	conn_queued(conn, packet_ack(conn_room(conn, 4), first, id));
}

/* Says goodbye and goes. */
static void leave(struct conn *conn)
{
	static const uint8_t goodbye[] = { DISCONNECT, 0 };
	memcpy(conn_room(conn, sizeof(goodbye)), goodbye, sizeof(goodbye));
	conn->out_end += sizeof(goodbye);
	conn_flush(conn);
	conn_close(conn);
	conn->worker->gone++;
}

void role_connected(struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	char id[ID_BYTES];
	snprintf(id, sizeof(id), "%s-%c%u", plan->id, conn->publisher ? 'p' : 's', conn->index);
	conn_queued(conn, packet_connect(conn_room(conn, 128), id, !plan->lasting));
}

/* --- subscribing --- */

/* How many of the shared-out filters are this subscriber's: those whose number is its own, modulo all. */
static uint32_t filters_of(const struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	if (plan->filters == 0 || plan->filter != NULL)
		return 1;
	return plan->filters / plan->subscribers + (conn->index < plan->filters % plan->subscribers);
}

static void filter_text(const struct conn *conn, uint32_t which, char out[FILTER_BYTES])
{
	const struct plan *plan = conn->worker->plan;
	if (plan->filter != NULL) {
		snprintf(out, FILTER_BYTES, "%s", plan->filter);
	} else if (plan->filters > 0) {
		packet_spread_topic(out, which * plan->subscribers + conn->index);
		out[PACKET_SPREAD_BYTES] = '\0';
	} else {
		snprintf(out, FILTER_BYTES, "bench/%u", conn->index % plan->topics);
	}
}

static void become_ready(struct conn *conn)
{
	conn->state = STATE_READY;
	conn->worker->opening--;
	conn->worker->ready++;
}

/* The next batch of filters; ready when there are no more. */
static void subscribe_on(struct conn *conn)
{
	uint8_t body[FILTERS_AT_ONCE * (FILTER_BYTES / 4) + FILTER_BYTES + 8];
	uint32_t all = filters_of(conn);
	size_t n = 2;
	body[0] = 0;
	body[1] = 1;
	if (conn->subscribed >= all) {
		become_ready(conn);
		return;
	}
	for (uint32_t i = 0; i < FILTERS_AT_ONCE && conn->subscribed < all; i++) {
		char filter[FILTER_BYTES];
		filter_text(conn, conn->subscribed++, filter);
		n += packet_filter(body + n, filter, conn->worker->plan->subscribed_qos);
	}
	conn->state = STATE_SUBACK;
	conn_queued(conn, packet_frame(conn_room(conn, n + 5), SUBSCRIBE, body, n));
}

static void on_connack(struct conn *conn, const uint8_t *body)
{
	enum phase phase = conn->worker->load->phase;
	if (body[1] != 0) {
		fprintf(stderr, "load: CONNACK %u\n", body[1]);
		exit(1);
	}
	if (conn->worker->plan->mode == MODE_CONNECT) {
		conn->worker->opening--;
		leave(conn);
	} else if (conn->publisher || conn->worker->plan->mode == MODE_IDLE || phase == PHASE_RETURN) {
		become_ready(conn);
	} else {
		subscribe_on(conn);
	}
}

static void on_suback(struct conn *conn, const uint8_t *body, size_t len)
{
	for (size_t i = 2; i < len; i++)
		conn->worker->refused_filters += body[i] > 2;
	subscribe_on(conn);
}

/* --- receiving --- */

static void check_number(struct conn *conn, const uint8_t *stamp)
{
	const struct plan *plan = conn->worker->plan;
	uint32_t who[2];
	memcpy(who, stamp + sizeof(uint64_t), sizeof(who));
	if (who[0] >= plan->publishers || conn->expected == NULL)
		return;
	uint32_t *next = &conn->expected[who[0]];
	if (who[1] < *next) {
		conn->worker->repeated++;
		return;
	}
	conn->worker->missing += plan->spread == 0 ? who[1] - *next : 0;
	*next = who[1] + 1;
}

static void on_publish(struct conn *conn, const uint8_t *at, size_t body, size_t len)
{
	struct worker *worker = conn->worker;
	uint8_t qos = (at[0] >> 1) & 3;
	size_t id_at = body + 2 + get16(at + body);
	size_t stamp_at = id_at + (qos > 0 ? 2 : 0);
	uint64_t stamp_ns;
	if (stamp_at + LOAD_STAMP_BYTES <= len) {
		memcpy(&stamp_ns, at + stamp_at, sizeof(stamp_ns));
		load_note(worker->latency, worker->now_ns > stamp_ns ? worker->now_ns - stamp_ns : 0);
		check_number(conn, at + stamp_at);
	}
	atomic_store_explicit(&worker->received, worker->received + 1, memory_order_relaxed);
	if (qos > 0)
		send_ack(conn, qos == 1 ? PUBACK : PUBREC, get16(at + id_at));
}

static void on_acknowledged(struct conn *conn, uint16_t id)
{
	struct worker *worker = conn->worker;
	uint64_t sent_ns = conn->sent_ns[id];
	conn->inflight--;
	conn->acked++;
	atomic_store_explicit(&worker->acked, worker->acked + 1, memory_order_relaxed);
	load_note(worker->ack_latency, worker->now_ns > sent_ns ? worker->now_ns - sent_ns : 0);
}

void role_packet(struct conn *conn, const uint8_t *at, size_t body, size_t len)
{
	switch (at[0] & 0xf0) {
	case CONNACK:
		on_connack(conn, at + body);
		return;
	case SUBACK:
		on_suback(conn, at + body, len - body);
		return;
	case PUBLISH:
		on_publish(conn, at, body, len);
		return;
	case PUBACK:
	case PUBCOMP:
		if (conn->publisher)
			on_acknowledged(conn, get16(at + body));
		return;
	case PUBREC:
		send_ack(conn, PUBREL, get16(at + body));
		return;
	case PUBREL & 0xf0:
		send_ack(conn, PUBCOMP, get16(at + body));
		return;
	default:
		return;
	}
}

/* --- publishing --- */

static uint64_t sum(const struct load *load, bool sent)
{
	uint64_t all = 0;
	for (uint32_t w = 0; w < load->plan.workers; w++)
		all += sent ? atomic_load_explicit(&load->workers[w].sent, memory_order_relaxed)
			    : atomic_load_explicit(&load->workers[w].received, memory_order_relaxed);
	return all;
}

uint64_t role_outstanding(const struct load *load)
{
	uint64_t due = sum(load, true) * load->fan;
	uint64_t had = sum(load, false) + load->forgiven;
	return due > had ? due - had : 0;
}

/* How many messages a publisher may send now. */
static uint64_t allowance(const struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	const struct load *load = conn->worker->load;
	uint64_t left = plan->count - conn->sent;
	uint64_t may = left;
	if (plan->rate > 0) {
		uint64_t since_ns = conn->worker->now_ns - load->begin_ns;
		if (since_ns > plan->seconds * UINT64_C(1000000000))
			return 0;
		uint64_t due = (uint64_t)((double)since_ns * (double)plan->rate / 1e9 / plan->publishers);
		may = due > conn->sent ? due - conn->sent : 0;
	} else if (plan->qos > 0) {
		may = plan->window > conn->inflight ? plan->window - conn->inflight : 0;
	} else if (plan->window > 0) {
		uint64_t limit = (uint64_t)plan->window * 1000;
		uint64_t outstanding = role_outstanding(load);
		may = outstanding < limit ? (limit - outstanding) / (load->fan > 0 ? load->fan : 1) + 1 : 0;
	}
	uint64_t batch = BATCH_BYTES / conn->template_len + 1;
	may = may < left ? may : left;
	return may < batch ? may : batch;
}

/* When the message was due, so that waiting for the broker counts (open loop); else now. */
static uint64_t stamp(const struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	if (plan->rate == 0)
		return conn->worker->now_ns;
	return conn->worker->load->begin_ns +
	       (uint64_t)((double)conn->sent * plan->publishers * 1e9 / (double)plan->rate);
}

bool role_publish(struct conn *conn)
{
	struct worker *worker = conn->worker;
	if (conn->state != STATE_READY || conn->out_end - conn->out_start >= BATCH_BYTES)
		return false;
	uint64_t count = allowance(conn);
	for (uint64_t i = 0; i < count; i++)
		packet_publish(conn, stamp(conn));
	atomic_store_explicit(&worker->sent, worker->sent + count, memory_order_relaxed);
	return count > 0;
}
