/*
 * Topics of a bridge: which filter is subscribed to on either side, and how the topic of a message becomes the other
 * side's: one prefix is cut off, the other put before the rest. Plain data, pure; any thread.
 */
#ifndef NJ_MQTT_BRIDGE_TOPIC_H
#define NJ_MQTT_BRIDGE_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"

#define NJ_MQTT_BRIDGE_FILTER_BYTES 512

struct nj_mqtt_bridge_side {
	char filter[NJ_MQTT_BRIDGE_FILTER_BYTES]; /* with its prefix */
	size_t prefix_bytes;
};

struct nj_mqtt_bridge_topic {
	struct nj_mqtt_bridge_side local, remote;
	bool out, in;
	uint8_t qos;
};

/* `filter` may be empty: then the prefixes are a topic each. NJ_ERR_MALFORMED where a side is no topic filter, is
 * shared, or would be the gateway's own; NJ_ERR_TOO_LARGE. Sets the sides alone. */
NJ_MUST_USE enum nj_err nj_mqtt_bridge_topic_init(const char *filter, const char *local, const char *remote,
						  struct nj_mqtt_bridge_topic *out_topic);
/* The first topic that carries `name` this way, or NULL. */
const struct nj_mqtt_bridge_topic *nj_mqtt_bridge_topic_find(const struct nj_mqtt_bridge_topic *topics, size_t count,
							     bool out, struct nj_view name);
/* The name on the other side, written to `room`. NJ_ERR_FULL. */
NJ_MUST_USE enum nj_err nj_mqtt_bridge_topic_rename(const struct nj_mqtt_bridge_topic *topic, bool out,
						    struct nj_view name, struct nj_view *out_name, uint8_t *room,
						    size_t cap);
/* By how much a name may grow on its way. */
size_t nj_mqtt_bridge_topic_growth(const struct nj_mqtt_bridge_topic *topics, size_t count, bool out);

#endif
