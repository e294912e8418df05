/*
 * What all brokers of a gateway have together: the memory budget, counts against limits, what queues take in the store.
 * Any thread. Included in src/mqtt alone.
 */
#ifndef NJ_MQTT_SHARED_H
#define NJ_MQTT_SHARED_H

#include <pthread.h>

#include "base/map.h"
#include "mqtt/broker.h"
#include "mqtt/retained.h"

/* What the queues of a customer's sessions take in the store, on all brokers. */
struct nj_mqtt_kept_bytes {
	_Atomic uint64_t bytes;
	char customer[];
};

/* What all brokers of a gateway have together; any thread. */
struct nj_mqtt_shared {
	struct nj_mqtt_budget budget;
	struct nj_mqtt_retained_quota retained;
	_Atomic uint32_t sessions;
	_Atomic uint64_t kept_bytes; /* of all queues in the store */
	pthread_mutex_t lock;        /* of `kept`, taken when a broker hears of a customer for the first time */
	struct nj_map kept;          /* of struct nj_mqtt_kept_bytes, by customer */
};
void nj_mqtt_shared_init(struct nj_mqtt_shared *shared, const struct nj_mqtt_limits *limits, struct nj_random *random);
void nj_mqtt_shared_done(struct nj_mqtt_shared *shared);

void nj_mqtt_share_limits(struct nj_mqtt_shared *shared, const struct nj_mqtt_limits *limits);
/* The customer's, made where absent; NULL without memory. */
struct nj_mqtt_kept_bytes *nj_mqtt_kept_of(struct nj_mqtt_shared *shared, const char *customer);

/* Adds to one of the broker's counters, which other threads may read meanwhile. */
static inline void nj_mqtt_count(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

#endif
