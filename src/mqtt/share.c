#include "mqtt/share.h"

#include "mqtt/client.h"

static size_t group_bytes(size_t name_bytes)
{
	return sizeof(struct nj_mqtt_group) + name_bytes;
}

struct nj_mqtt_group *nj_mqtt_group_find(const struct nj_mqtt_node *node, struct nj_view name)
{
	struct nj_mqtt_group *group = node->groups;
	while (group != NULL && !nj_view_equal(nj_view_of(group->name, group->name_bytes), name))
		group = group->next;
	return group;
}

struct nj_mqtt_group *nj_mqtt_group_make(struct nj_mqtt_broker *broker, struct nj_mqtt_node *node, struct nj_view name)
{
	size_t bytes = group_bytes(name.len);
	if (nj_mqtt_budget_take(&broker->budget, bytes) != NJ_OK)
		return NULL;
	struct nj_mqtt_group *group = calloc(1, bytes);
	if (group == NULL) {
		nj_mqtt_budget_give(&broker->budget, bytes);
		return NULL;
	}
	nj_list_init(&group->members);
	group->id = ++broker->ids;
	group->name_bytes = (uint32_t)name.len;
	memcpy(group->name, name.data, name.len);
	group->node = node;
	group->next = node->groups;
	node->groups = group;
	return group;
}

void nj_mqtt_group_prune(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group)
{
	if (!nj_list_empty(&group->members))
		return;
	struct nj_mqtt_group **at = &group->node->groups;
	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	nj_mqtt_budget_give(&broker->budget, group_bytes(group->name_bytes));
	free(group);
}

/* --- choosing --- */

enum rank { RANK_NONE, RANK_FULL, RANK_AWAY, RANK_READY };

static struct nj_mqtt_subscription *member_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_subscription, by_node);
}

static enum rank rank_of(struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	const struct nj_mqtt_session *session = s->session;
	bool connected = session->client != NULL && !session->client->doomed;
	bool kept = s->qos > 0 && content->qos > 0;
	if ((!connected && !kept) || !nj_mqtt_may_deliver(s, content))
		return RANK_NONE;
	if (kept && nj_mqtt_flow_full(&session->flow))
		return RANK_FULL;
	return connected ? RANK_READY : RANK_AWAY;
}

/* A number that looks random and is the same for the same two. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ (b * UINT64_C(0x9e3779b97f4a7c15));
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The least wins, the first of equals. Sticky: whoever has the least number for this key (rendezvous hashing): when a
 * member comes or goes, only its own share moves. */
static uint64_t score_of(const struct nj_mqtt_subscription *s, enum nj_mqtt_share_policy policy, uint64_t stick)
{
	const struct nj_mqtt_flow *flow = &s->session->flow;
	switch (policy) {
	case NJ_MQTT_SHARE_ROUND_ROBIN:
		return 0;
	case NJ_MQTT_SHARE_LEAST_QUEUED:
		return flow->waiting_count + flow->inflight_count;
	case NJ_MQTT_SHARE_PUBLISHER:
	case NJ_MQTT_SHARE_TOPIC:
		return mix(stick, s->session->id);
	}
	return 0;
}

uint64_t nj_mqtt_group_stick(const struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
			     const struct nj_mqtt_session *publisher)
{
	if (broker->limits.share_policy == NJ_MQTT_SHARE_PUBLISHER && publisher != NULL)
		return nj_siphash13(broker->seed, publisher->key, publisher->key_bytes);
	return nj_siphash13(broker->seed, content->topic.data, content->topic.len);
}

struct nj_mqtt_subscription *nj_mqtt_group_pick(struct nj_mqtt_group *group, const struct nj_mqtt_content *content,
						uint64_t stick, const struct nj_mqtt_session *except)
{
	struct nj_mqtt_subscription *best = NULL;
	enum rank best_rank = RANK_NONE;
	uint64_t best_score = 0;
	NJ_LIST_EACH (&group->members, at) {
		struct nj_mqtt_subscription *s = member_at(at);
		enum nj_mqtt_share_policy policy = s->session->broker->limits.share_policy;
		enum rank rank = s->session != except ? rank_of(s, content) : RANK_NONE;
		uint64_t score = score_of(s, policy, stick);
		if (rank < best_rank || rank == RANK_NONE || (rank == best_rank && score >= best_score))
			continue;
		best = s;
		best_rank = rank;
		best_score = score;
		if (rank == RANK_READY && policy == NJ_MQTT_SHARE_ROUND_ROBIN)
			break;
	}
	if (best != NULL) {
		nj_list_remove(&best->by_node);
		nj_list_push_back(&group->members, &best->by_node);
	}
	return best;
}

/* --- handing over --- */

static struct nj_mqtt_group *group_of(struct nj_mqtt_session *session, uint64_t group_id)
{
	NJ_LIST_EACH (&session->subscriptions, at) {
		struct nj_mqtt_subscription *s = NJ_CONTAINER(at, struct nj_mqtt_subscription, by_session);
		if (s->group != NULL && s->group->id == group_id)
			return s->group;
	}
	return NULL;
}

static void hand_over_one(struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery)
{
	struct nj_mqtt_message *message = delivery->message;
	bool begun = delivery->qos == 2 && delivery->packet_id != 0;
	if (delivery->group_id == 0 || message == NULL || begun)
		return;
	struct nj_mqtt_group *group = group_of(session, delivery->group_id);
	uint64_t stick = nj_mqtt_group_stick(session->broker, &message->content, NULL);
	struct nj_mqtt_subscription *heir =
	    group != NULL ? nj_mqtt_group_pick(group, &message->content, stick, session) : NULL;
	if (heir != NULL)
		nj_mqtt_deliver_shared(heir, message);
}

void nj_mqtt_group_hand_over(struct nj_mqtt_session *session)
{
	struct nj_mqtt_flow *flow = &session->flow;
	NJ_LIST_EACH (&flow->inflight, at)
		hand_over_one(session, NJ_CONTAINER(at, struct nj_mqtt_delivery, link));
	NJ_LIST_EACH (&flow->waiting, at)
		hand_over_one(session, NJ_CONTAINER(at, struct nj_mqtt_delivery, link));
}
