#include "mqtt/client.h"

static struct nj_mqtt_subscription *find(struct nj_mqtt_session *session, struct nj_view filter)
{
	struct nj_mqtt_node *node = nj_mqtt_tree_get(&session->space->subscriptions, filter);
	if (node == NULL)
		return NULL;
	uint64_t key[2] = { node->id, session->id };
	return nj_map_get(&session->broker->subscriptions, nj_view_of(key, sizeof(key)));
}

static struct nj_mqtt_subscription *alloc(struct nj_mqtt_session *session, struct nj_view filter)
{
	struct nj_mqtt_budget *budget = &session->broker->budget;
	struct nj_mqtt_subscription *s;
	size_t bytes = sizeof(*s) + filter.len;
	if (nj_mqtt_budget_take(budget, bytes) != NJ_OK)
		return NULL;
	s = calloc(1, bytes);
	if (s == NULL) {
		nj_mqtt_budget_give(budget, bytes);
		return NULL;
	}
	s->session = session;
	s->filter_bytes = (uint32_t)filter.len;
	memcpy(s->filter, filter.data, filter.len);
	nj_list_init(&s->by_node);
	nj_list_init(&s->by_session);
	return s;
}

static struct nj_mqtt_subscription *add(struct nj_mqtt_session *session, struct nj_view filter)
{
	struct nj_mqtt_broker *broker = session->broker;
	struct nj_mqtt_tree *tree = &session->space->subscriptions;
	struct nj_mqtt_node *node;
	if (session->subscription_count >= broker->limits.max_subscriptions ||
	    nj_mqtt_tree_make(tree, filter, &node) != NJ_OK)
		return NULL;
	struct nj_mqtt_subscription *s = alloc(session, filter);
	if (s == NULL) {
		nj_mqtt_tree_prune(tree, node);
		return NULL;
	}
	s->node = node;
	s->key.node_id = node->id;
	s->key.session_id = session->id;
	if (nj_map_put(&broker->subscriptions, s) != NJ_OK) {
		nj_mqtt_budget_give(&broker->budget, sizeof(*s) + filter.len);
		free(s);
		nj_mqtt_tree_prune(tree, node);
		return NULL;
	}
	nj_list_push_back(&node->entries, &s->by_node);
	nj_list_push_back(&session->subscriptions, &s->by_session);
	session->subscription_count++;
	broker->counters.subscriptions++;
	return s;
}

static bool is_shared(struct nj_view filter)
{
	struct nj_view prefix = nj_view_str("$share/");
	return filter.len >= prefix.len && memcmp(filter.data, prefix.data, prefix.len) == 0;
}

static uint8_t refuse(struct nj_mqtt_client *client, enum nj_mqtt_reason reason)
{
	return client->version >= NJ_MQTT_V5 ? (uint8_t)reason : NJ_MQTT_R_UNSPECIFIED;
}

/* One filter of a SUBSCRIBE: makes or changes the subscription, and gives SUBACK's code for it. */
static uint8_t subscribe_one(struct nj_mqtt_client *client, const struct nj_mqtt_filter *f, uint32_t id, bool *out_new)
{
	struct nj_mqtt_broker *broker = client->broker;
	const struct nj_party *party = client->party;
	*out_new = false;
	if (is_shared(f->filter))
		return refuse(client, NJ_MQTT_R_NO_SHARED);
	if (!nj_mqtt_topic_fits(broker, f->filter))
		return refuse(client, NJ_MQTT_R_BAD_TOPIC_FILTER);
	struct nj_verdict verdict = nj_rights_check(nj_party_rights(party), &party->names, NJ_SUBSCRIBE, f->filter);
	if (!verdict.allowed || party->revoked || nj_mqtt_topic_own(f->filter)) {
		broker->counters.subscribes_denied++;
		nj_mqtt_tell_denied(broker, client, party, NJ_SUBSCRIBE, f->filter, verdict);
		return refuse(client, NJ_MQTT_R_NOT_AUTHORIZED);
	}
	struct nj_mqtt_subscription *s = find(client->session, f->filter);
	*out_new = s == NULL;
	if (s == NULL)
		s = add(client->session, f->filter);
	if (s == NULL)
		return refuse(client, NJ_MQTT_R_QUOTA_EXCEEDED);
	s->id = id;
	s->qos = f->qos;
	s->no_local = f->no_local;
	s->retain_as_published = f->retain_as_published;
	s->allowed = true;
	s->partly = verdict.partly;
	s->rights_version = party->rights_version;
	return f->qos;
}

static void answer(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, struct nj_view codes)
{
	struct nj_mqtt_packet packet;
	packet.type = type;
	packet.as.list = (struct nj_mqtt_list){ .packet_id = packet_id, .items = codes };
	nj_mqtt_properties_clear(&packet.properties);
	nj_mqtt_client_send(client, &packet);
}

/* Retained messages follow SUBACK (3.3.1.3, 3.8.3.1). */
static void send_retained(struct nj_mqtt_client *client, const struct nj_mqtt_list *list, const uint8_t *codes,
			  const uint8_t *fresh)
{
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	for (size_t i = 0; nj_mqtt_filter_next(list, NJ_MQTT_SUBSCRIBE, &cursor, &filter); i++) {
		if (codes[i] > 2 || filter.retain_handling == 2 || (filter.retain_handling == 1 && !fresh[i]))
			continue;
		struct nj_mqtt_subscription *s = find(client->session, filter.filter);
		if (s != NULL)
			nj_mqtt_send_retained(s);
	}
}

void nj_mqtt_on_subscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	uint32_t id = nj_mqtt_number(&packet->properties, NJ_MQTT_P_SUBSCRIPTION_ID, 0);
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	size_t count = 0;
	/* A filter takes four bytes at least: both arrays fit a packet's room. */
	uint8_t *codes = client->broker->codes;
	uint8_t *fresh = codes + client->broker->limits.max_packet_bytes / 2;
	while (nj_mqtt_filter_next(list, NJ_MQTT_SUBSCRIBE, &cursor, &filter)) {
		bool is_new;
		codes[count] = subscribe_one(client, &filter, id, &is_new);
		fresh[count++] = is_new;
	}
	answer(client, NJ_MQTT_SUBACK, list->packet_id, nj_view_of(codes, count));
	send_retained(client, list, codes, fresh);
}

void nj_mqtt_on_unsubscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	size_t count = 0;
	uint8_t *codes = client->broker->codes;
	while (nj_mqtt_filter_next(list, NJ_MQTT_UNSUBSCRIBE, &cursor, &filter)) {
		struct nj_mqtt_subscription *s = find(client->session, filter.filter);
		codes[count++] = s != NULL ? NJ_MQTT_R_SUCCESS : NJ_MQTT_R_NO_SUBSCRIPTION;
		if (s != NULL)
			nj_mqtt_subscription_free(s);
	}
	answer(client, NJ_MQTT_UNSUBACK, list->packet_id, nj_view_of(codes, client->version >= NJ_MQTT_V5 ? count : 0));
}
