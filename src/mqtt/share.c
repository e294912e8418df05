#include "mqtt/share.h"

#include "mqtt/keep.h"
#include "mqtt/post.h"

#define GROUPS_MAX 1024 /* of one filter, of one customer */

/* --- labels --- */

static struct nj_mqtt_label *label_new(struct nj_view topics, struct nj_view name)
{
	struct nj_mqtt_label *label = malloc(sizeof(*label) + topics.len + name.len);
	if (label == NULL)
		return NULL;
	*label =
	    (struct nj_mqtt_label){ .refs = 1, .topics_bytes = (uint32_t)topics.len, .name_bytes = (uint32_t)name.len };
	memcpy(label->bytes, topics.data, topics.len);
	memcpy(label->bytes + topics.len, name.data, name.len);
	return label;
}

struct nj_mqtt_label *nj_mqtt_label_ref(struct nj_mqtt_label *label)
{
	atomic_fetch_add_explicit(&label->refs, 1, memory_order_relaxed);
	return label;
}

void nj_mqtt_label_unref(struct nj_mqtt_label *label)
{
	if (label != NULL && atomic_fetch_sub_explicit(&label->refs, 1, memory_order_acq_rel) == 1)
		free(label);
}

struct nj_view nj_mqtt_label_topics(const struct nj_mqtt_label *label)
{
	return nj_view_of(label->bytes, label->topics_bytes);
}

struct nj_view nj_mqtt_label_name(const struct nj_mqtt_label *label)
{
	return nj_view_of(label->bytes + label->topics_bytes, label->name_bytes);
}

/* --- groups --- */

static size_t places_of(const struct nj_mqtt_broker *broker)
{
	return broker->fabric != NULL ? NJ_MQTT_REACTORS_MAX : 0;
}

static size_t group_bytes(const struct nj_mqtt_broker *broker, size_t topics_bytes, size_t name_bytes)
{
	return sizeof(struct nj_mqtt_group) + places_of(broker) * sizeof(struct nj_mqtt_members) +
	       sizeof(struct nj_mqtt_label) + topics_bytes + name_bytes;
}

static size_t bytes_of(const struct nj_mqtt_broker *broker, const struct nj_mqtt_label *label)
{
	return group_bytes(broker, label->topics_bytes, label->name_bytes);
}

struct nj_mqtt_group *nj_mqtt_group_find(const struct nj_mqtt_node *node, struct nj_view name)
{
	struct nj_mqtt_group *group = node->groups;
	while (group != NULL && !nj_view_equal(nj_mqtt_label_name(group->label), name))
		group = group->next;
	return group;
}

bool nj_mqtt_group_room(const struct nj_mqtt_node *node)
{
	size_t count = 0;
	for (const struct nj_mqtt_group *group = node->groups; group != NULL && count < GROUPS_MAX; group = group->next)
		count++;
	return count < GROUPS_MAX;
}

struct nj_mqtt_group *nj_mqtt_group_make(struct nj_mqtt_broker *broker, struct nj_mqtt_node *node, struct nj_view name,
					 struct nj_view topics)
{
	size_t bytes = group_bytes(broker, topics.len, name.len);
	if (nj_mqtt_budget_take(&broker->shared->budget, bytes) != NJ_OK)
		return NULL;
	struct nj_mqtt_group *group = calloc(1, sizeof(*group) + places_of(broker) * sizeof(struct nj_mqtt_members));
	if (group != NULL)
		group->label = label_new(topics, name);
	if (group == NULL || group->label == NULL) {
		nj_mqtt_budget_give(&broker->shared->budget, bytes);
		free(group);
		return NULL;
	}
	nj_list_init(&group->members);
	group->id = ++broker->ids;
	group->node = node;
	group->next = node->groups;
	node->groups = group;
	return group;
}

static bool is_elsewhere(const struct nj_mqtt_broker *broker, const struct nj_mqtt_group *group)
{
	for (size_t i = 0; i < places_of(broker); i++)
		if (group->elsewhere[i].all > 0)
			return true;
	return false;
}

void nj_mqtt_group_prune(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group)
{
	if (nj_list_empty(&group->members) && !is_elsewhere(broker, group))
		nj_mqtt_group_forget(broker, group);
}

void nj_mqtt_group_forget(struct nj_mqtt_broker *broker, struct nj_mqtt_group *group)
{
	struct nj_mqtt_group **at = &group->node->groups;
	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	nj_mqtt_budget_give(&broker->shared->budget, bytes_of(broker, group->label));
	nj_mqtt_label_unref(group->label);
	free(group);
}

enum nj_err nj_mqtt_group_count(struct nj_mqtt_subscription *s, int members, int connected)
{
	struct nj_mqtt_group *group = s->group;
	if (group == NULL)
		return NJ_OK;
	group->members_here.all += (uint32_t)members;
	group->members_here.connected += (uint32_t)connected;
	return nj_mqtt_group_tell(s->session->space, s->session->broker, group);
}

/* --- choosing --- */

enum rank { RANK_NONE, RANK_FULL, RANK_AWAY, RANK_READY };

static struct nj_mqtt_subscription *member_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_subscription, by_node);
}

static bool is_kept(const struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	return s->qos > 0 && s->max_qos > 0 && content->qos > 0;
}

bool nj_mqtt_member_full(const struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	const struct nj_mqtt_session *session = s->session;
	return is_kept(s, content) &&
	       (nj_mqtt_lasts(session) ? nj_mqtt_keep_full(session) : nj_mqtt_flow_full(&session->flow));
}

static enum rank rank_of(struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	const struct nj_mqtt_session *session = s->session;
	bool connected = session->client != NULL && !session->client->doomed;
	if (!nj_mqtt_may_deliver(s, content) || (!connected && !is_kept(s, content)))
		return RANK_NONE;
	if (nj_mqtt_member_full(s, content))
		return RANK_FULL;
	return connected ? RANK_READY : RANK_AWAY;
}

uint64_t nj_mqtt_group_mix(uint64_t a, uint64_t b)
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
		return nj_mqtt_group_mix(stick, s->session->id);
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
	struct nj_mqtt_choice choice = { .stick = nj_mqtt_group_stick(session->broker, &message->content, NULL) };
	if (group != NULL)
		(void)nj_mqtt_group_give(session->space, session->broker, group, message, &choice, session);
}

void nj_mqtt_group_hand_over(struct nj_mqtt_session *session)
{
	struct nj_mqtt_flow *flow = &session->flow;
	NJ_LIST_EACH (&flow->inflight, at)
		hand_over_one(session, NJ_CONTAINER(at, struct nj_mqtt_delivery, link));
	NJ_LIST_EACH (&flow->waiting, at)
		hand_over_one(session, NJ_CONTAINER(at, struct nj_mqtt_delivery, link));
}
