#include "mqtt/keep.h"
#include "mqtt/post.h"
#include "mqtt/replay.h"
#include "mqtt/share.h"

/* Filters of one SUBSCRIBE: so many more than a session may have subscriptions, as some may be refused or repeated. */
#define FILTERS_MORE 1000
/* Nodes of retained topics that one SUBSCRIBE may look at: so many times all there are, and some. */
#define LOOKS_OVER_ALL 8
#define LOOKS_FREE 4096
/* What looks cost the client: its next packet waits a millisecond for so many nodes, about a tenth of which they take.
 */
#define NODES_PER_MS 1024

/* What a filter names: topics, and the group that shares them. */
struct target {
	struct nj_view filter; /* as written */
	struct nj_view topics;
	struct nj_view group;
	bool shared;
};

/* False for a shared filter that lacks a part (4.8.2-1, 4.8.2-2). */
static bool find_target(struct nj_view filter, struct target *out_target)
{
	struct target target = { .filter = filter, .topics = filter, .shared = nj_mqtt_filter_shared(filter) };
	if (target.shared && !nj_mqtt_filter_split(filter, &target.group, &target.topics))
		return false;
	*out_target = target;
	return true;
}

static struct nj_mqtt_subscription *find(struct nj_mqtt_session *session, const struct target *target)
{
	struct nj_mqtt_node *node = nj_mqtt_tree_get(&session->space->subscriptions, target->topics);
	struct nj_mqtt_group *group = NULL;
	if (node == NULL)
		return NULL;
	if (target->shared && (group = nj_mqtt_group_find(node, target->group)) == NULL)
		return NULL;
	uint64_t key[2] = { group != NULL ? group->id : node->id, session->id };
	return nj_map_get(&session->broker->subscriptions, nj_view_of(key, sizeof(key)));
}

static struct nj_mqtt_subscription *alloc(struct nj_mqtt_session *session, struct nj_view filter)
{
	struct nj_mqtt_budget *budget = &session->broker->shared->budget;
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

/* Gives it its place in the tree and in the table. */
static enum nj_err place(struct nj_mqtt_subscription *s, const struct target *target)
{
	struct nj_mqtt_broker *broker = s->session->broker;
	if (target->shared) {
		s->group = nj_mqtt_group_find(s->node, target->group);
		if (s->group == NULL && nj_mqtt_group_room(s->node))
			s->group = nj_mqtt_group_make(broker, s->node, target->group, target->topics);
		if (s->group == NULL)
			return NJ_ERR_LIMIT;
	}
	s->key.place_id = s->group != NULL ? s->group->id : s->node->id;
	s->key.session_id = s->session->id;
	NJ_TRY(nj_map_put(&broker->subscriptions, s));
	nj_list_push_back(s->group != NULL ? &s->group->members : &s->node->entries, &s->by_node);
	return NJ_OK;
}

static struct nj_mqtt_subscription *add(struct nj_mqtt_session *session, const struct target *target)
{
	struct nj_mqtt_broker *broker = session->broker;
	struct nj_mqtt_tree *tree = &session->space->subscriptions;
	struct nj_mqtt_node *node;
	if (session->subscription_count >= broker->limits.max_subscriptions ||
	    nj_mqtt_tree_make(tree, target->topics, &node) != NJ_OK)
		return NULL;
	struct nj_mqtt_subscription *s = alloc(session, target->filter);
	if (s == NULL) {
		nj_mqtt_tree_prune(tree, node);
		return NULL;
	}
	s->node = node;
	if (place(s, target) != NJ_OK) {
		if (s->group != NULL)
			nj_mqtt_group_prune(broker, s->group);
		nj_mqtt_budget_give(&broker->shared->budget, sizeof(*s) + target->filter.len);
		free(s);
		nj_mqtt_tree_prune(tree, node);
		return NULL;
	}
	nj_list_push_back(&session->subscriptions, &s->by_session);
	session->subscription_count++;
	nj_mqtt_count(&broker->counters.subscriptions, 1);
	session->space->count.values[NJ_MQTT_TALLY_SUBSCRIPTIONS]++;
	enum nj_err err = nj_mqtt_group_count(s, 1, session->client != NULL);
	if (err == NJ_OK)
		err = nj_mqtt_interest(session->space, broker, node, target->topics);
	if (err == NJ_OK)
		return s;
	nj_mqtt_subscription_free(s);
	return NULL;
}

enum nj_err nj_mqtt_subscription_restore(struct nj_mqtt_session *session, struct nj_view filter, uint8_t options,
					 uint32_t id)
{
	struct target target;
	struct nj_mqtt_subscription *s;
	if (!find_target(filter, &target))
		return NJ_ERR_CORRUPT;
	s = find(session, &target);
	if (s == NULL)
		s = add(session, &target);
	if (s == NULL)
		return NJ_ERR_LIMIT;
	s->id = id;
	s->qos = options & NJ_MESSAGES_QOS;
	s->no_local = (options & NJ_MQTT_KEPT_NO_LOCAL) != 0;
	s->retain_as_published = (options & NJ_MQTT_KEPT_RETAIN_AS_PUBLISHED) != 0;
	s->rights_version = ~session->party->rights_version;
	s->replays_again = (options & NJ_MQTT_KEPT_REPLAYS) != 0;
	session->keep->replays_again |= s->replays_again;
	return NJ_OK;
}

/* One filter's fate. */
struct outcome {
	uint8_t code;    /* for SUBACK */
	const char *why; /* of a refusal, for people */
};

static struct outcome refuse(const struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *why)
{
	uint8_t code = client->version >= NJ_MQTT_V5 ? (uint8_t)reason : NJ_MQTT_R_UNSPECIFIED;
	return (struct outcome){ .code = code, .why = why };
}

/* 3.8.3.1; a shared subscription gets none (4.8.2). */
static bool wants_retained(const struct nj_mqtt_filter *f, const struct target *target, bool fresh)
{
	return !target->shared && (f->retain_handling == 0 || (f->retain_handling == 1 && fresh));
}

/* One filter of a SUBSCRIBE: makes or changes the subscription. */
static struct outcome subscribe_one(struct nj_mqtt_client *client, const struct nj_mqtt_filter *f, uint32_t id)
{
	struct nj_mqtt_broker *broker = client->broker;
	const struct nj_party *party = client->party;
	struct target target;
	if (!find_target(f->filter, &target))
		return refuse(client, NJ_MQTT_R_BAD_TOPIC_FILTER, "a shared filter is $share/NAME/FILTER");
	if (!nj_mqtt_topic_fits(broker, target.topics))
		return refuse(client, NJ_MQTT_R_BAD_TOPIC_FILTER, "the filter is too long or has too many levels");
	uint32_t version = party->rights_version;
	struct nj_verdict verdict = nj_rights_check(nj_party_rights(party), &party->names, NJ_SUBSCRIBE, target.topics);
	if (!verdict.allowed || party->revoked || nj_mqtt_topic_own(target.topics)) {
		nj_mqtt_count(&broker->counters.subscribes_denied, 1);
		nj_mqtt_tell_denied(broker, client, party, NJ_SUBSCRIBE, f->filter, verdict);
		return refuse(client, NJ_MQTT_R_NOT_AUTHORIZED, "no rule allows this filter");
	}
	struct nj_mqtt_subscription *s = find(client->session, &target);
	bool fresh = s == NULL;
	if (s == NULL)
		s = add(client->session, &target);
	if (s == NULL)
		return refuse(client, NJ_MQTT_R_QUOTA_EXCEEDED, "no room for another subscription");
	nj_mqtt_subscription_judge(s, &verdict, version);
	if (!s->no_retained && wants_retained(f, &target, fresh) && nj_mqtt_replay_take(s) != NJ_OK) {
		if (fresh)
			nj_mqtt_subscription_free(s);
		return refuse(client, NJ_MQTT_R_QUOTA_EXCEEDED, "no room for the retained messages");
	}
	s->id = id;
	/* A higher QoS than the rule allows is granted lower (3.8.4). */
	s->qos = f->qos < s->max_qos ? f->qos : s->max_qos;
	s->no_local = f->no_local;
	s->retain_as_published = f->retain_as_published;
	return (struct outcome){ .code = s->qos };
}

static void answer(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, struct nj_view codes,
		   const char *why)
{
	struct nj_mqtt_packet packet;
	packet.type = type;
	packet.as.list = (struct nj_mqtt_list){ .packet_id = packet_id, .items = codes };
	nj_mqtt_client_say_why(client, &packet, why);
	nj_mqtt_client_send(client, &packet);
}

/* 2.2.1-3: a packet identifier of a QoS 2 message that is not released cannot be another packet's. */
static bool id_in_use(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	uint8_t type = packet->type == NJ_MQTT_SUBSCRIBE ? NJ_MQTT_SUBACK : NJ_MQTT_UNSUBACK;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	size_t count = 0;
	if (!nj_mqtt_flow_received(&client->session->flow, list->packet_id))
		return false;
	while (nj_mqtt_filter_next(list, packet->type, &cursor, &filter))
		client->broker->codes[count++] = NJ_MQTT_R_PACKET_ID_IN_USE;
	if (client->version >= NJ_MQTT_V5)
		answer(client, type, list->packet_id, nj_view_of(client->broker->codes, count), NULL);
	else
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_PACKET_ID_IN_USE);
	return true;
}

static void keep_one(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view filter,
		     struct nj_mqtt_pledge *pledge)
{
	struct target target;
	struct nj_mqtt_subscription *s = find_target(filter, &target) ? find(client->session, &target) : NULL;
	if (packet->type == NJ_MQTT_UNSUBSCRIBE)
		nj_mqtt_keep_unsubscribed(client->session, filter, pledge);
	else if (s != NULL)
		nj_mqtt_keep_subscription(s, pledge);
}

/* A session that lasts has its answer when what it says is on disk. False: answer at once. */
static bool keep_list(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, size_t count, const char *why)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	const uint8_t *codes = client->broker->codes;
	bool subscribed = packet->type == NJ_MQTT_SUBSCRIBE;
	size_t shown = subscribed || client->version >= NJ_MQTT_V5 ? count : 0;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	if (client->broker->journal == NULL || !nj_mqtt_lasts(client->session))
		return false;
	struct nj_mqtt_pledge *pledge = nj_mqtt_pledge_new(client, subscribed ? NJ_MQTT_SUBACK : NJ_MQTT_UNSUBACK,
							   list->packet_id, nj_view_of(codes, shown));
	if (pledge == NULL)
		return false;
	pledge->why = why;
	for (size_t i = 0; nj_mqtt_filter_next(list, packet->type, &cursor, &filter); i++)
		if (codes[i] <= 2)
			keep_one(client, packet, filter.filter, pledge);
	nj_mqtt_pledge_release(pledge, true);
	return true;
}

/* Few bytes name a filter, and each may have a walk over all retained messages, a record, a subscription. */
static bool asks_too_much(const struct nj_mqtt_client *client, size_t filters, uint64_t visited)
{
	const struct nj_mqtt_tree *retained = &client->session->space->retained.tree;
	return filters >= client->broker->limits.max_subscriptions + FILTERS_MORE ||
	       visited > retained->nodes.count * LOOKS_OVER_ALL + LOOKS_FREE;
}

void nj_mqtt_on_subscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	uint32_t id = nj_mqtt_number(&packet->properties, NJ_MQTT_P_SUBSCRIPTION_ID, 0);
	const struct nj_mqtt_tree *retained = &client->session->space->retained.tree;
	uint64_t visited = retained->visited;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	size_t count = 0;
	uint8_t *codes = client->broker->codes;
	const char *why = NULL;
	if (id_in_use(client, packet))
		return;
	while (nj_mqtt_filter_next(list, NJ_MQTT_SUBSCRIBE, &cursor, &filter)) {
		struct outcome outcome = asks_too_much(client, count, retained->visited - visited)
					     ? refuse(client, NJ_MQTT_R_QUOTA_EXCEEDED, "too much for one SUBSCRIBE")
					     : subscribe_one(client, &filter, id);
		codes[count++] = outcome.code;
		why = why == NULL ? outcome.why : why;
	}
	if (!keep_list(client, packet, count, why))
		answer(client, NJ_MQTT_SUBACK, list->packet_id, nj_view_of(codes, count), why);
	nj_conn_pause_for(client->conn, (uint32_t)((retained->visited - visited) / NODES_PER_MS));
	/* Retained messages follow SUBACK. */
	nj_mqtt_pump(client->session);
}

void nj_mqtt_on_unsubscribe(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_list *list = &packet->as.list;
	struct nj_mqtt_filter filter;
	size_t cursor = 0;
	size_t count = 0;
	uint8_t *codes = client->broker->codes;
	if (id_in_use(client, packet))
		return;
	while (nj_mqtt_filter_next(list, NJ_MQTT_UNSUBSCRIBE, &cursor, &filter)) {
		struct target target;
		struct nj_mqtt_subscription *s =
		    find_target(filter.filter, &target) ? find(client->session, &target) : NULL;
		codes[count++] = s != NULL ? NJ_MQTT_R_SUCCESS : NJ_MQTT_R_NO_SUBSCRIPTION;
		if (s != NULL)
			nj_mqtt_subscription_free(s);
	}
	if (!keep_list(client, packet, count, NULL))
		answer(client, NJ_MQTT_UNSUBACK, list->packet_id,
		       nj_view_of(codes, client->version >= NJ_MQTT_V5 ? count : 0), NULL);
}
