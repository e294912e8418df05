/*
 * What a customer's clients do, in numbers, for its own eyes: $SYS topics. Each broker counts for itself and adds what
 * is new to the customer's tally now and then; the tallies, which brokers may share, live as long as their set.
 * Counting belongs to one broker's thread; tallies are atomic, and finding one takes a lock, once a customer and
 * broker.
 */
#ifndef NJ_MQTT_TALLY_H
#define NJ_MQTT_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

/* X(name, topic below $SYS/broker/) */
#define NJ_MQTT_TALLY_TABLE(X)                      \
	X(CONNECTED, "clients/connected")           \
	X(SESSIONS, "clients/total")                \
	X(SUBSCRIPTIONS, "subscriptions/count")     \
	X(MESSAGES_IN, "publish/messages/received") \
	X(MESSAGES_OUT, "publish/messages/sent")    \
	X(BYTES_IN, "publish/bytes/received")       \
	X(BYTES_OUT, "publish/bytes/sent")

enum nj_mqtt_tally_what {
#define NJ_MQTT_TALLY_ENUM(name, topic) NJ_MQTT_TALLY_##name,
	NJ_MQTT_TALLY_TABLE(NJ_MQTT_TALLY_ENUM)
#undef NJ_MQTT_TALLY_ENUM
	    NJ_MQTT_TALLY_COUNT,
};
const char *nj_mqtt_tally_topic(enum nj_mqtt_tally_what what);

struct nj_mqtt_tally {
	struct nj_mqtt_tally *next;
	atomic_uint_fast64_t values[NJ_MQTT_TALLY_COUNT];
	char customer[];
};

/* One broker's part, in its space of the customer. */
struct nj_mqtt_own_count {
	struct nj_mqtt_tally *tally;
	uint64_t values[NJ_MQTT_TALLY_COUNT];
	uint64_t told[NJ_MQTT_TALLY_COUNT];
};

struct nj_mqtt_tallies;
/* NULL without memory. */
struct nj_mqtt_tallies *nj_mqtt_tallies_new(void);
void nj_mqtt_tallies_free(struct nj_mqtt_tallies *tallies);
/* The customer's, made where absent; NULL without memory. Any thread. */
struct nj_mqtt_tally *nj_mqtt_tally_of(struct nj_mqtt_tallies *tallies, const char *customer);
/* Walks them: NULL begins, NULL ends. Any thread. */
struct nj_mqtt_tally *nj_mqtt_tally_next(struct nj_mqtt_tallies *tallies, const struct nj_mqtt_tally *tally);

static inline void nj_mqtt_tell_count(struct nj_mqtt_own_count *count)
{
	for (unsigned i = 0; count->tally != NULL && i < NJ_MQTT_TALLY_COUNT; i++) {
		atomic_fetch_add_explicit(&count->tally->values[i], count->values[i] - count->told[i],
					  memory_order_relaxed);
		count->told[i] = count->values[i];
	}
}

#endif
