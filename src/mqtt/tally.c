#include "mqtt/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct nj_mqtt_tallies {
	pthread_mutex_t lock;
	_Atomic(struct nj_mqtt_tally *) first; /* never taken out before the end */
};

static const char *const topics[] = {
#define TOPIC(name, topic) topic,
	NJ_MQTT_TALLY_TABLE(TOPIC)
#undef TOPIC
};

const char *nj_mqtt_tally_topic(enum nj_mqtt_tally_what what)
{
	return topics[what];
}

struct nj_mqtt_tallies *nj_mqtt_tallies_new(void)
{
	struct nj_mqtt_tallies *tallies = calloc(1, sizeof(*tallies));
	if (tallies != NULL)
		pthread_mutex_init(&tallies->lock, NULL);
	return tallies;
}

void nj_mqtt_tallies_free(struct nj_mqtt_tallies *tallies)
{
	struct nj_mqtt_tally *at = tallies != NULL ? atomic_load(&tallies->first) : NULL;
	while (at != NULL) {
		struct nj_mqtt_tally *next = at->next;
		free(at);
		at = next;
	}
	if (tallies != NULL)
		pthread_mutex_destroy(&tallies->lock);
	free(tallies);
}

static struct nj_mqtt_tally *find(struct nj_mqtt_tallies *tallies, const char *customer)
{
	struct nj_mqtt_tally *at = atomic_load(&tallies->first);
	while (at != NULL && strcmp(at->customer, customer) != 0)
		at = at->next;
	return at;
}

static struct nj_mqtt_tally *add(struct nj_mqtt_tallies *tallies, const char *customer)
{
	size_t len = strlen(customer);
	struct nj_mqtt_tally *tally = calloc(1, sizeof(*tally) + len + 1);
	if (tally == NULL)
		return NULL;
	memcpy(tally->customer, customer, len);
	tally->next = atomic_load(&tallies->first);
	atomic_store(&tallies->first, tally);
	return tally;
}

struct nj_mqtt_tally *nj_mqtt_tally_of(struct nj_mqtt_tallies *tallies, const char *customer)
{
	pthread_mutex_lock(&tallies->lock);
	struct nj_mqtt_tally *tally = find(tallies, customer);
	if (tally == NULL)
		tally = add(tallies, customer);
	pthread_mutex_unlock(&tallies->lock);
	return tally;
}

struct nj_mqtt_tally *nj_mqtt_tally_next(struct nj_mqtt_tallies *tallies, const struct nj_mqtt_tally *tally)
{
	return tally == NULL ? atomic_load(&tallies->first) : tally->next;
}
