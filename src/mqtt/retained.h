/*
 * Retained messages of one customer, by topic, with limits that all customers of a gateway share. An empty message is
 * one that was removed, kept while older ones may be on their way (replica.c). Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_RETAINED_H
#define NJ_MQTT_RETAINED_H

#include "mqtt/tree.h"

/* Any thread. */
struct nj_mqtt_retained_quota {
	_Atomic uint64_t count;
	_Atomic uint64_t max_count;
	_Atomic uint64_t bytes;
	_Atomic uint64_t max_bytes;
};

struct nj_mqtt_retained {
	struct nj_mqtt_tree tree;
	struct nj_mqtt_retained_quota *quota;
	uint64_t count;
	bool counts; /* for `quota`: one of several replicas does */
};

typedef void (*nj_mqtt_message_fn)(void *arg, struct nj_mqtt_message *message);

NJ_MUST_USE enum nj_err nj_mqtt_retained_init(struct nj_mqtt_retained *retained, struct nj_mqtt_retained_quota *quota,
					      struct nj_mqtt_budget *budget, uint64_t *ids, size_t max_topic_bytes,
					      struct nj_random *random);
void nj_mqtt_retained_done(struct nj_mqtt_retained *retained);
/* Keeps a reference, in place of the topic's former message. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY: the former one stays. */
NJ_MUST_USE enum nj_err nj_mqtt_retained_put(struct nj_mqtt_retained *retained, struct nj_mqtt_message *message);
/* The same without asking the limits, unless what is there is a newer change. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_retained_keep(struct nj_mqtt_retained *retained, struct nj_mqtt_message *message);
/* Harmless when there is none. */
void nj_mqtt_retained_remove(struct nj_mqtt_retained *retained, struct nj_view topic);
/* Messages whose topic the filter matches; expired ones are skipped, and some of them removed on the way. */
void nj_mqtt_retained_each(struct nj_mqtt_retained *retained, struct nj_view filter, uint64_t now_ms,
			   nj_mqtt_message_fn fn, void *arg);

#endif
