/* One thread of the generator: its connections and its loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

#define EVENTS 256

static void make_conn(struct worker *worker, struct conn *conn, uint32_t number)
{
	const struct plan *plan = worker->plan;
	uint32_t which = number * plan->workers + worker->number; /* among all */
	*conn = (struct conn){ .worker = worker, .fd = -1 };
	conn->publisher = plan->mode != MODE_RUN || which < plan->publishers;
	conn->index = conn->publisher ? which : which - plan->publishers;
	if (plan->mode != MODE_RUN)
		return;
	if (conn->publisher) {
		packet_template(conn);
		conn->sent_ns = plan->qos > 0 ? calloc(UINT16_MAX + 1, sizeof(*conn->sent_ns)) : NULL;
	} else if (plan->publishers > 0) {
		conn->expected = calloc(plan->publishers, sizeof(*conn->expected));
	}
}

static uint32_t share(const struct plan *plan, uint32_t number)
{
	uint64_t all = plan->mode == MODE_RUN ? plan->publishers + plan->subscribers : plan->count;
	return (uint32_t)(all / plan->workers + (number < all % plan->workers));
}

static void prepare(struct worker *worker)
{
	worker->conn_count = share(worker->plan, worker->number);
	worker->conns = calloc(worker->conn_count + 1, sizeof(*worker->conns));
	worker->dirty = calloc(worker->conn_count + 1, sizeof(struct conn *));
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->conns == NULL || worker->dirty == NULL || worker->epoll < 0)
		load_die("memory");
	worker->tls = worker->plan->tls ? conn_tls(worker->plan) : NULL;
	for (uint32_t i = 0; i < worker->conn_count; i++)
		make_conn(worker, &worker->conns[i], i);
}

/* Those that knock are let in in groups, as each of their one-time keys is for a moment. */
static void open_more(struct worker *worker)
{
	const struct plan *plan = worker->plan;
	uint32_t left = worker->conn_count - worker->opened;
	uint32_t room = plan->opening > worker->opening ? plan->opening - worker->opening : 0;
	uint32_t count = left < room ? left : room;
	if (plan->credentials != NULL && worker->opening > 0)
		return;
	if (plan->credentials != NULL && count > 0)
		knock_for(worker->conns + worker->opened, count);
	for (uint32_t i = 0; i < count; i++)
		conn_open(&worker->conns[worker->opened++]);
}

static void leave_all(struct worker *worker)
{
	static const uint8_t goodbye[] = { 0xe0, 0 };
	for (uint32_t i = 0; i < worker->conn_count; i++) {
		struct conn *conn = &worker->conns[i];
		if (conn->publisher || conn->state != STATE_READY)
			continue;
		memcpy(conn_room(conn, sizeof(goodbye)), goodbye, sizeof(goodbye));
		conn->out_end += sizeof(goodbye);
		conn_flush(conn);
		conn_close(conn);
		worker->gone++;
	}
}

static void return_all(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->conn_count; i++)
		if (!worker->conns[i].publisher)
			conn_open(&worker->conns[i]);
}

static void enter(struct worker *worker, enum phase phase)
{
	if (phase == PHASE_LEAVE)
		leave_all(worker);
	if (phase == PHASE_RETURN)
		return_all(worker);
}

/* One round over the publishers, beginning with another each time. True when some sent and may again. */
static bool publish_all(struct worker *worker)
{
	bool any = false;
	for (uint32_t i = 0; i < worker->conn_count; i++) {
		struct conn *conn = &worker->conns[(worker->publishing + i) % worker->conn_count];
		if (conn->publisher)
			any |= role_publish(conn);
	}
	worker->publishing++;
	return any;
}

static void flush_dirty(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->dirty_count; i++) {
		worker->dirty[i]->queued = false;
		conn_flush(worker->dirty[i]);
	}
	worker->dirty_count = 0;
}

void *worker_main(void *arg)
{
	struct worker *worker = arg;
	enum phase was = PHASE_OPEN;
	struct epoll_event events[EVENTS];
	int wait_ms = 0;
	prepare(worker);
	for (;;) {
		enum phase phase = worker->load->phase;
		if (phase == PHASE_END)
			return NULL;
		if (phase != was)
			enter(worker, phase);
		was = phase;
		if (phase == PHASE_OPEN)
			open_more(worker);
		flush_dirty(worker);
		int count = epoll_wait(worker->epoll, events, EVENTS, wait_ms);
		if (count < 0 && errno != EINTR)
			load_die("epoll");
		worker->now_ns = load_now_ns();
		for (int i = 0; i < count; i++)
			conn_event(events[i].data.ptr, events[i].events);
		bool more = phase == PHASE_PUBLISH && publish_all(worker);
		flush_dirty(worker);
		wait_ms = more ? 0 : 1;
	}
}
