#include "daemon/gateway_fabric.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/log.h"
#include "crypto/crypto.h"

#define STACK_BYTES (512 * 1024)

/* ---- threads ---- */

static size_t broker_count(const struct gateway *g)
{
	size_t count = g->config->settings.mqtt.reactors;
	cpu_set_t cores;

	if (count == 0)
		count = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (size_t)CPU_COUNT(&cores) : 1;
	return count < NJ_MQTT_REACTORS_MAX ? count : NJ_MQTT_REACTORS_MAX;
}

enum nj_err gateway_fabric_init(struct gateway *g, const struct nj_mqtt_limits *limits,
				const struct nj_mqtt_hooks *hooks)
{
	struct nj_reactor *reactors[NJ_MQTT_REACTORS_MAX] = { NULL };
	size_t count = broker_count(g);

	for (size_t i = 0; i < count && count > 1; i++) {
		NJ_TRY(nj_reactor_new(nj_clock_system(), &g->threads[i].reactor));
		reactors[i] = g->threads[i].reactor;
		g->thread_count++;
	}
	return nj_mqtt_fabric_new(g->reactor, reactors, count, nj_random_system(), limits, hooks, &g->fabric);
}

static void *run(void *arg)
{
	struct gateway_thread *thread = arg;

	(void)pthread_setname_np(pthread_self(), "mqtt");
	(void)pthread_barrier_wait(&thread->gateway->started);
	thread->err = nj_reactor_run(thread->reactor);
	/* Without one of its brokers the gateway is none. */
	if (thread->err != NJ_OK)
		nj_reactor_stop(thread->gateway->reactor);
	return NULL;
}

static enum nj_err start_one(struct gateway *g, struct gateway_thread *thread, const pthread_attr_t *attr)
{
	thread->gateway = g;
	if (pthread_create(&thread->id, attr, run, thread) != 0)
		return NJ_ERR_LIMIT;
	thread->running = true;
	return NJ_OK;
}

static enum nj_err start_all(struct gateway *g)
{
	enum nj_err err = NJ_OK;
	pthread_attr_t attr;

	if (pthread_attr_init(&attr) != 0)
		return NJ_ERR_NO_MEMORY;
	if (pthread_attr_setstacksize(&attr, STACK_BYTES) != 0)
		err = NJ_ERR_LIMIT;
	for (size_t i = 0; i < g->thread_count && err == NJ_OK; i++)
		err = start_one(g, &g->threads[i], &attr);
	(void)pthread_attr_destroy(&attr);
	return err;
}

/* Returns when all of them run, past what a thread of glibc's does at its start: the filter would refuse it. */
enum nj_err gateway_fabric_start(void *gateway, struct nj_why *why)
{
	struct gateway *g = gateway;
	sigset_t all;
	sigset_t former;

	if (g->thread_count == 0)
		return NJ_OK;
	if (pthread_barrier_init(&g->started, NULL, (unsigned)g->thread_count + 1) != 0)
		return NJ_ERR_NO_MEMORY;
	sigfillset(&all);
	/* Signals are the main thread's. */
	(void)pthread_sigmask(SIG_SETMASK, &all, &former);
	enum nj_err err = start_all(g);
	(void)pthread_sigmask(SIG_SETMASK, &former, NULL);
	/* Those that did start wait for the others: the process ends. */
	if (err != NJ_OK)
		return nj_why(why, err, "no threads for the brokers: %s", nj_err_text(err));
	(void)pthread_barrier_wait(&g->started);
	return NJ_OK;
}

void gateway_fabric_stop(struct gateway *g)
{
	for (size_t i = 0; i < g->thread_count; i++)
		if (g->threads[i].running)
			nj_reactor_stop(g->threads[i].reactor);
	for (size_t i = 0; i < g->thread_count; i++) {
		if (!g->threads[i].running)
			continue;
		(void)pthread_join(g->threads[i].id, NULL);
		if (g->threads[i].err != NJ_OK && g->failed == NJ_OK)
			g->failed = g->threads[i].err;
	}
	nj_mqtt_fabric_settle(g->fabric);
}

void gateway_fabric_done(struct gateway *g)
{
	nj_mqtt_fabric_free(g->fabric);
	for (size_t i = 0; i < g->thread_count; i++)
		nj_reactor_free(g->threads[i].reactor);
}

/* ---- rounds ---- */

static void done_free(struct nj_mqtt_round *round)
{
	free(round);
}

static void visit_close(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	(void)round;
	nj_mqtt_broker_close(broker);
}

void gateway_fabric_close(struct gateway *g)
{
	struct nj_mqtt_round *round = calloc(1, sizeof(*round));

	/* Without memory clients learn it by the end of their connections. */
	if (round == NULL)
		return;
	round->visit = visit_close;
	round->done = done_free;
	nj_mqtt_fabric_round(g->fabric, round);
}

static void visit_cut(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gateway_cut *cut = NJ_CONTAINER(round, struct gateway_cut, round);

	cut->count += nj_mqtt_cut(broker, cut->uid);
}

static bool is_party(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct gateway_cut *cut = arg;

	(void)conn;
	return memcmp(party->uid, cut->uid, sizeof(cut->uid)) == 0;
}

void gateway_fabric_cut(struct gateway_cut *cut, void (*done)(struct nj_mqtt_round *round))
{
	struct nj_mqtt_fabric *fabric = cut->gateway->fabric;

	cut->count += nj_mqtt_fabric_cut_waiting(fabric, is_party, cut);
	cut->round.visit = visit_cut;
	cut->round.done = done;
	nj_mqtt_fabric_round(fabric, &cut->round);
}

struct telling {
	struct nj_mqtt_round round;
	uint64_t tag;
	const char *topic;
	size_t len;
	uint8_t payload[];
};

static void visit_tell(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	const struct telling *telling = NJ_CONTAINER(round, struct telling, round);

	/* One that is gone, or does not read, is asked anew in its next session. */
	(void)!nj_mqtt_tell(broker, telling->tag, nj_view_str(telling->topic),
			    nj_view_of(telling->payload, telling->len));
}

static void done_tell(struct nj_mqtt_round *round)
{
	free(NJ_CONTAINER(round, struct telling, round));
}

void gateway_fabric_tell(struct gateway *g, uint64_t tag, const char *topic, struct nj_view payload)
{
	struct telling *telling = calloc(1, sizeof(*telling) + payload.len);

	if (telling == NULL)
		return;
	telling->tag = tag;
	telling->topic = topic;
	telling->len = payload.len;
	memcpy(telling->payload, payload.data, payload.len);
	telling->round.visit = visit_tell;
	telling->round.done = done_tell;
	nj_mqtt_fabric_round(g->fabric, &telling->round);
}

/* ---- notices ---- */

static bool has_place(struct gateway *g)
{
	if (atomic_fetch_add(&g->notices, 1) < GATEWAY_NOTICES_MAX)
		return true;
	atomic_fetch_sub(&g->notices, 1);
	atomic_fetch_add(&g->notices_lost, 1);
	return false;
}

struct gateway_notice *gateway_notice_new(struct gateway *g, const struct nj_mqtt_seen *seen, bool optional,
					  void (*act)(struct gateway_notice *notice))
{
	if (optional && !has_place(g))
		return NULL;
	struct gateway_notice *notice = calloc(1, sizeof(*notice));
	if (notice == NULL) {
		atomic_fetch_sub(&g->notices, optional ? 1 : 0);
		return NULL;
	}
	notice->gateway = g;
	notice->act = act;
	notice->optional = optional;
	notice->party = seen->party == NULL ? NULL : nj_party_ref((struct nj_party *)(uintptr_t)seen->party);
	notice->has_peer = seen->peer != NULL;
	if (notice->has_peer)
		notice->peer = *seen->peer;
	notice->tag = seen->tag;
	gateway_notice_text(notice->client, sizeof(notice->client), seen->client_id);
	return notice;
}

void gateway_notice_text(char *out, size_t cap, struct nj_view text)
{
	struct nj_view cut = nj_utf8_cut(text, cap - 1);

	if (cut.len > 0)
		memcpy(out, cut.data, cut.len);
	out[cut.len] = '\0';
}

static void on_notice(struct nj_post *post)
{
	struct gateway_notice *notice = NJ_CONTAINER(post, struct gateway_notice, post);

	notice->act(notice);
	if (notice->optional)
		atomic_fetch_sub(&notice->gateway->notices, 1);
	if (notice->party != NULL)
		nj_party_unref(notice->party);
	nj_wipe(notice->value, sizeof(notice->value));
	free(notice);
}

void gateway_notice_send(struct gateway_notice *notice)
{
	notice->post.on_post = on_notice;
	if (notice->gateway->thread_count == 0)
		on_notice(&notice->post);
	else
		nj_reactor_post(notice->gateway->reactor, &notice->post);
}
