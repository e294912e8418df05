/*
 * Several brokers, each on a reactor and a thread of its own, that are one broker to the world. A session lives on one
 * of them, which its party and client identifier choose; a connection moves there once, with its CONNECT unread. What
 * they say to each other are posts (net/reactor.h): where there are subscribers, messages for them, changes of retained
 * messages. They share nothing else but messages, the memory budget and a few counts, all atomic; no lock.
 * Thread rule: the functions here are called on the main thread, where connections come in, but for those that say
 * otherwise. A fabric of one broker has it on the main thread, and everything happens within the call.
 */
#ifndef NJ_MQTT_FABRIC_H
#define NJ_MQTT_FABRIC_H

#include "mqtt/broker.h"

struct nj_mqtt_fabric;

#define NJ_MQTT_REACTORS_MAX 16

/* `reactors`: of the brokers, one each; for one broker the main thread's, NULL. Limits are of all of them together.
 * Hooks are called on the brokers' threads. Before any thread runs. NJ_ERR_RANGE, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_fabric_new(struct nj_reactor *main_reactor, struct nj_reactor *const *reactors,
					   size_t count, struct nj_random *random, const struct nj_mqtt_limits *limits,
					   const struct nj_mqtt_hooks *hooks, struct nj_mqtt_fabric **out_fabric);
/* Once every broker's thread has ended: as nj_mqtt_broker_free for all of them. Rounds that are under way end first. */
void nj_mqtt_fabric_free(struct nj_mqtt_fabric *fabric);

/* As nj_mqtt_broker_set_limits, for all of them. */
void nj_mqtt_fabric_set_limits(struct nj_mqtt_fabric *fabric, const struct nj_mqtt_limits *limits);

/* Takes over a connection: waits for its CONNECT, binds it if it is not bound (on the main thread), and hands it to its
 * broker. As nj_mqtt_accept. */
NJ_MUST_USE enum nj_err nj_mqtt_fabric_accept(struct nj_mqtt_fabric *fabric, struct nj_conn *conn,
					      const struct nj_mqtt_entry *entry);
/* Resets the connections that have not said CONNECT yet and that `chosen` picks; for the others there are rounds.
 * Returns how many. */
size_t nj_mqtt_fabric_cut_waiting(struct nj_mqtt_fabric *fabric,
				  bool (*chosen)(void *arg, const struct nj_conn *conn, const struct nj_party *party),
				  void *arg);
/* The sum of all brokers, with connections that have not said CONNECT yet. Any thread. */
struct nj_mqtt_counters nj_mqtt_fabric_counters(const struct nj_mqtt_fabric *fabric);

/* One of them, for what is done before any thread runs, and after all have ended. */
size_t nj_mqtt_fabric_count(const struct nj_mqtt_fabric *fabric);
struct nj_mqtt_broker *nj_mqtt_fabric_broker(const struct nj_mqtt_fabric *fabric, size_t place);

/* Work for every broker, one after the other, embedded in its owner: `visit` on each broker's thread, then `done`,
 * which frees it, on the main thread. When it is done, nothing that a broker had looked up before it began is still in
 * use there. */
struct nj_mqtt_round {
	struct nj_post post;
	struct nj_mqtt_fabric *fabric;
	size_t next;
	void (*visit)(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker); /* NULL: nothing to do there */
	void (*done)(struct nj_mqtt_round *round);
};
void nj_mqtt_fabric_round(struct nj_mqtt_fabric *fabric, struct nj_mqtt_round *round);

/* Waits until no post between brokers and main thread is under way, when all reactors are driven by this thread. */
void nj_mqtt_fabric_settle(struct nj_mqtt_fabric *fabric);

#endif
