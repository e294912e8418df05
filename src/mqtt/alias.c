#include "mqtt/client.h"

/* Shorter topics cost less than the alias. */
#define WORTH_BYTES 4

static void forget(struct nj_mqtt_client *client, struct nj_mqtt_alias *alias)
{
	if (alias->topic == NULL)
		return;
	nj_mqtt_budget_give(&client->broker->shared->budget, alias->topic_bytes);
	free(alias->topic);
	*alias = (struct nj_mqtt_alias){ .topic = NULL };
}

static bool keep(struct nj_mqtt_client *client, struct nj_mqtt_alias *alias, struct nj_view topic)
{
	struct nj_mqtt_budget *budget = &client->broker->shared->budget;
	if (nj_mqtt_budget_take(budget, topic.len) != NJ_OK)
		return false;
	uint8_t *copy = malloc(topic.len);
	if (copy == NULL) {
		nj_mqtt_budget_give(budget, topic.len);
		return false;
	}
	memcpy(copy, topic.data, topic.len);
	forget(client, alias);
	*alias = (struct nj_mqtt_alias){ .topic = copy, .topic_bytes = topic.len };
	return true;
}

static struct nj_view topic_of(const struct nj_mqtt_alias *alias)
{
	return nj_view_of(alias->topic, alias->topic_bytes);
}

static void free_table(struct nj_mqtt_client *client, struct nj_mqtt_alias *table, size_t count)
{
	for (size_t i = 0; table != NULL && i < count; i++)
		forget(client, &table[i]);
	free(table);
}

void nj_mqtt_aliases_free(struct nj_mqtt_client *client)
{
	free_table(client, client->aliases, client->broker->limits.topic_alias_max);
	free_table(client, client->out_aliases, client->out_alias_max);
	client->aliases = NULL;
	client->out_aliases = NULL;
}

static enum nj_mqtt_fault set_in(struct nj_mqtt_client *client, uint32_t alias, struct nj_view topic)
{
	if (client->aliases == NULL)
		client->aliases = calloc(client->broker->limits.topic_alias_max, sizeof(*client->aliases));
	bool kept = client->aliases != NULL && keep(client, &client->aliases[alias - 1], topic);
	return kept ? NJ_MQTT_FAULT_NONE : NJ_MQTT_FAULT_NO_MEMORY;
}

enum nj_mqtt_fault nj_mqtt_alias_resolve(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet,
					 struct nj_view *out_topic)
{
	uint32_t alias = nj_mqtt_number(&packet->properties, NJ_MQTT_P_TOPIC_ALIAS, 0);
	struct nj_view topic = packet->as.publish.topic;
	if (alias > client->broker->limits.topic_alias_max)
		return NJ_MQTT_FAULT_TOPIC_ALIAS;
	if (topic.len > 0 && !nj_mqtt_topic_fits(client->broker, topic))
		return NJ_MQTT_FAULT_TOPIC_NAME;
	*out_topic = topic;
	if (alias == 0)
		return NJ_MQTT_FAULT_NONE;
	if (topic.len > 0)
		return set_in(client, alias, topic);
	if (client->aliases == NULL || client->aliases[alias - 1].topic == NULL)
		return NJ_MQTT_FAULT_TOPIC_ALIAS;
	*out_topic = topic_of(&client->aliases[alias - 1]);
	return NJ_MQTT_FAULT_NONE;
}

/* Each topic has one alias that it may go by, so that looking is one hash and nothing is ever searched. */
void nj_mqtt_alias_choose(struct nj_mqtt_client *client, struct nj_view topic, struct nj_mqtt_sending *sending)
{
	if (client->out_alias_max == 0 || topic.len < WORTH_BYTES)
		return;
	if (client->out_aliases == NULL)
		client->out_aliases = calloc(client->out_alias_max, sizeof(*client->out_aliases));
	if (client->out_aliases == NULL)
		return;
	uint64_t hash = nj_siphash13(client->broker->seed, topic.data, topic.len);
	uint16_t alias = (uint16_t)(hash % client->out_alias_max + 1);
	const struct nj_mqtt_alias *entry = &client->out_aliases[alias - 1];
	sending->alias_known = entry->topic != NULL && nj_view_equal(topic_of(entry), topic);
	sending->alias = alias;
}

void nj_mqtt_alias_said(struct nj_mqtt_client *client, struct nj_view topic, const struct nj_mqtt_sending *sending)
{
	if (sending->alias == 0 || sending->alias_known)
		return;
	/* The client knows the alias by its new topic now, whether or not there is room to remember that. */
	struct nj_mqtt_alias *entry = &client->out_aliases[sending->alias - 1];
	if (!keep(client, entry, topic))
		forget(client, entry);
}
