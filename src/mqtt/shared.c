#include "mqtt/shared.h"

#include <string.h>

#define CUSTOMERS_MAX 10000

void nj_mqtt_share_limits(struct nj_mqtt_shared *shared, const struct nj_mqtt_limits *limits)
{
	shared->budget.max = limits->max_memory_bytes;
	shared->retained.max_count = limits->retained_max_count;
	shared->retained.max_bytes = limits->retained_max_bytes;
}

static struct nj_view kept_key(const void *entry)
{
	return nj_view_str(((const struct nj_mqtt_kept_bytes *)entry)->customer);
}

void nj_mqtt_shared_init(struct nj_mqtt_shared *shared, const struct nj_mqtt_limits *limits, struct nj_random *random)
{
	(void)pthread_mutex_init(&shared->lock, NULL);
	nj_map_init(&shared->kept, kept_key, CUSTOMERS_MAX, random);
	nj_mqtt_share_limits(shared, limits);
}

void nj_mqtt_shared_done(struct nj_mqtt_shared *shared)
{
	struct nj_mqtt_kept_bytes *kept;
	size_t cursor = 0;
	while ((kept = nj_map_next(&shared->kept, &cursor)) != NULL)
		free(kept);
	nj_map_done(&shared->kept);
	(void)pthread_mutex_destroy(&shared->lock);
}

static struct nj_mqtt_kept_bytes *find_kept(struct nj_map *map, const char *customer)
{
	struct nj_mqtt_kept_bytes *kept = nj_map_get(map, nj_view_str(customer));
	size_t bytes = strlen(customer) + 1;
	if (kept != NULL)
		return kept;
	kept = calloc(1, sizeof(*kept) + bytes);
	if (kept == NULL)
		return NULL;
	memcpy(kept->customer, customer, bytes);
	if (nj_map_put(map, kept) == NJ_OK)
		return kept;
	free(kept);
	return NULL;
}

struct nj_mqtt_kept_bytes *nj_mqtt_kept_of(struct nj_mqtt_shared *shared, const char *customer)
{
	(void)pthread_mutex_lock(&shared->lock);
	struct nj_mqtt_kept_bytes *kept = find_kept(&shared->kept, customer);
	(void)pthread_mutex_unlock(&shared->lock);
	return kept;
}
