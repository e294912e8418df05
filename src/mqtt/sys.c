#include "mqtt/sys.h"
#include "base/text.h"
#include "mqtt/client.h"

#define TOPIC_BYTES 64
#define VALUE_BYTES 32

bool nj_mqtt_topic_sys(struct nj_view topic)
{
	struct nj_view prefix = nj_view_str(NJ_MQTT_SYS);
	return topic.len >= prefix.len && memcmp(topic.data, prefix.data, prefix.len) == 0;
}

static void tell(struct nj_mqtt_broker *broker, const char *customer, const char *name, const char *value)
{
	char topic[TOPIC_BYTES];
	if (nj_text_format(topic, sizeof(topic), NJ_MQTT_SYS "broker/%s", name) == NJ_OK)
		(void)!nj_mqtt_publish(broker, customer, nj_view_str(topic), nj_view_str(value), 0, false);
}

static void tell_number(struct nj_mqtt_broker *broker, const char *customer, const char *name, uint64_t number)
{
	char value[VALUE_BYTES];
	if (nj_text_format(value, sizeof(value), "%llu", (unsigned long long)number) == NJ_OK)
		tell(broker, customer, name, value);
}

static void tell_customer(struct nj_mqtt_broker *broker, struct nj_mqtt_tally *tally)
{
	uint64_t up_ms = nj_reactor_now_ms(broker->reactor) - broker->began_ms;
	struct nj_mqtt_space *space = nj_map_get(&broker->spaces, nj_view_str(tally->customer));
	/* Of thousands of customers few listen. */
	if (space == NULL || nj_mqtt_tree_get(&space->subscriptions, nj_view_str("$SYS")) == NULL)
		return;
	tell(broker, tally->customer, "version", "nightjar " NJ_VERSION);
	tell_number(broker, tally->customer, "uptime", up_ms / 1000);
	for (unsigned i = 0; i < NJ_MQTT_TALLY_COUNT; i++)
		tell_number(broker, tally->customer, nj_mqtt_tally_topic(i),
			    atomic_load_explicit(&tally->values[i], memory_order_relaxed));
	tell_number(broker, tally->customer, "retained messages/count", space->retained.count);
}

/* Who does not tell counts more often than it is told: what is told is not much older than it seems. */
static void arm(struct nj_mqtt_broker *broker)
{
	uint64_t interval_ms = broker->limits.sys_interval_ms;
	if (interval_ms > 0)
		nj_timer_arm(broker->reactor, &broker->sys, broker->tells_sys ? interval_ms : (interval_ms + 3) / 4);
	else
		nj_timer_cancel(&broker->sys);
}

static void on_sys(struct nj_timer *timer)
{
	struct nj_mqtt_broker *broker = NJ_CONTAINER(timer, struct nj_mqtt_broker, sys);
	struct nj_mqtt_space *space;
	struct nj_mqtt_tally *tally = NULL;
	for (size_t cursor = 0; (space = nj_map_next(&broker->spaces, &cursor)) != NULL;)
		nj_mqtt_tell_count(&space->count);
	while (broker->tells_sys && (tally = nj_mqtt_tally_next(broker->tallies, tally)) != NULL)
		tell_customer(broker, tally);
	arm(broker);
}

void nj_mqtt_sys_begin(struct nj_mqtt_broker *broker)
{
	broker->began_ms = nj_reactor_now_ms(broker->reactor);
	broker->sys.on_timer = on_sys;
	arm(broker);
}

void nj_mqtt_sys_changed(struct nj_mqtt_broker *broker)
{
	arm(broker);
}

void nj_mqtt_broker_share_tallies(struct nj_mqtt_broker *broker, struct nj_mqtt_tallies *tallies, bool tells)
{
	nj_mqtt_tallies_free(broker->own_tallies);
	broker->own_tallies = NULL;
	broker->tallies = tallies;
	broker->tells_sys = tells;
	arm(broker);
}
