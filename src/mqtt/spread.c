#include "mqtt/post.h"
#include "mqtt/share.h"

/*
 * A group whose members live on several brokers: each broker knows how many members the others have, connected and in
 * all. Where a message is published one broker is chosen for it, as many times as it has members, and that one chooses
 * the member. Should none there be able to take it, or have room, it is given on to a broker that was not asked yet.
 */

#define STICKY_SLOTS_MAX 64 /* of one broker: more members do not give it a larger share */

struct group_letter {
	struct nj_mqtt_letter letter;
	struct nj_mqtt_space *space; /* the sender's */
	struct nj_mqtt_label *label;
	struct nj_mqtt_members members;
};

/* ---- what others know ---- */

static bool knows(const struct nj_mqtt_members *a, const struct nj_mqtt_members *b)
{
	return a->all == b->all && a->connected == b->connected;
}

static void note_members(struct nj_mqtt_broker *broker, struct nj_mqtt_space *space, const struct group_letter *told)
{
	struct nj_mqtt_tree *tree = &space->subscriptions;
	struct nj_mqtt_node *node;
	/* Without room its members are not chosen from here. */
	if (nj_mqtt_tree_make(tree, nj_mqtt_label_topics(told->label), &node) != NJ_OK)
		return;
	struct nj_mqtt_group *group = nj_mqtt_group_find(node, nj_mqtt_label_name(told->label));
	if (group == NULL && told->members.all > 0)
		group = nj_mqtt_group_make(broker, node, nj_mqtt_label_name(told->label),
					   nj_mqtt_label_topics(told->label));
	if (group != NULL) {
		group->elsewhere[told->letter.from->place] = told->members;
		nj_mqtt_group_prune(broker, group);
	}
	nj_mqtt_tree_prune(tree, node);
}

static void deliver_members(struct nj_mqtt_letter *letter)
{
	const struct group_letter *told = NJ_CONTAINER(letter, struct group_letter, letter);
	struct nj_mqtt_space *space;
	if (nj_mqtt_space_of(letter->to, told->space->customer, &space) != NJ_OK)
		return;
	space->twins[letter->from->place] = told->space;
	note_members(letter->to, space, told);
}

static void free_group_letter(struct nj_mqtt_letter *letter)
{
	struct group_letter *told = NJ_CONTAINER(letter, struct group_letter, letter);
	nj_mqtt_label_unref(told->label);
	free(told);
}

static enum nj_err tell_one(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			    size_t place)
{
	struct group_letter *told = malloc(sizeof(*told));
	if (told == NULL)
		return NJ_ERR_NO_MEMORY;
	*told = (struct group_letter){ .letter = { .from = broker,
						   .to = broker->fabric->brokers[place],
						   .bytes = sizeof(*told),
						   .deliver = deliver_members,
						   .returned = free_group_letter },
				       .space = space,
				       .label = nj_mqtt_label_ref(group->label),
				       .members = group->members_here };
	nj_mqtt_letter_send(&told->letter);
	return NJ_OK;
}

enum nj_err nj_mqtt_group_tell(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_group *group)
{
	if (broker->fabric == NULL || knows(&group->members_here, &group->members_told))
		return NJ_OK;
	for (size_t i = 0; i < broker->fabric->count; i++)
		if (i != broker->place)
			NJ_TRY(tell_one(space, broker, group, i));
	group->members_told = group->members_here;
	return NJ_OK;
}

/* ---- choosing a broker ---- */

/* The members of a broker that count for this choice. */
struct weights {
	uint32_t of[NJ_MQTT_REACTORS_MAX];
	uint64_t total;
};

static struct nj_mqtt_members members_of(const struct nj_mqtt_broker *broker, const struct nj_mqtt_group *group,
					 size_t place)
{
	return place == broker->place ? group->members_here : group->elsewhere[place];
}

static struct weights weigh(const struct nj_mqtt_broker *broker, const struct nj_mqtt_group *group, uint16_t tried,
			    bool absent_too)
{
	struct weights weights = { .total = 0 };
	for (size_t i = 0; i < broker->fabric->count; i++) {
		struct nj_mqtt_members members = members_of(broker, group, i);
		if ((tried & 1u << i) == 0)
			weights.of[i] = absent_too ? members.all : members.connected;
		weights.total += weights.of[i];
	}
	return weights;
}

static size_t by_turn(const struct weights *weights, uint64_t turn)
{
	size_t place = 0;
	for (turn %= weights->total; turn >= weights->of[place]; place++)
		turn -= weights->of[place];
	return place;
}

/* Rendezvous hashing over as many slots as there are members: when one comes or goes, only its share moves. */
static size_t by_stick(const struct weights *weights, uint64_t stick)
{
	size_t best = 0;
	uint64_t best_score = UINT64_MAX;
	for (size_t i = 0; i < NJ_MQTT_REACTORS_MAX; i++)
		for (uint32_t slot = 0; slot < weights->of[i] && slot < STICKY_SLOTS_MAX; slot++) {
			uint64_t score = nj_mqtt_group_mix(stick, (uint64_t)slot << 8 | i);
			if (score >= best_score)
				continue;
			best_score = score;
			best = i;
		}
	return best;
}

bool nj_mqtt_group_where(const struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			 const struct nj_mqtt_content *content, uint64_t stick, uint16_t tried, size_t *out_place)
{
	enum nj_mqtt_share_policy policy = broker->limits.share_policy;
	struct weights weights = weigh(broker, group, tried, false);
	if (weights.total == 0 && content->qos > 0)
		weights = weigh(broker, group, tried, true);
	if (weights.total == 0)
		return false;
	bool sticky = policy == NJ_MQTT_SHARE_PUBLISHER || policy == NJ_MQTT_SHARE_TOPIC;
	*out_place = sticky ? by_stick(&weights, stick) : by_turn(&weights, group->turn++);
	return true;
}

/* ---- a message that came from another broker ---- */

static struct nj_mqtt_group *group_of(struct nj_mqtt_space *space, const struct nj_mqtt_label *label)
{
	const struct nj_mqtt_node *node = nj_mqtt_tree_get(&space->subscriptions, nj_mqtt_label_topics(label));
	return node != NULL ? nj_mqtt_group_find(node, nj_mqtt_label_name(label)) : NULL;
}

void nj_mqtt_group_take(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
			const struct nj_mqtt_choice *choice)
{
	struct nj_mqtt_group *group = group_of(space, choice->label);
	if (group == NULL || !nj_mqtt_group_give(space, broker, group, message, choice, NULL))
		nj_mqtt_count(&broker->counters.messages_dropped, 1);
}

static bool give_elsewhere(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			   struct nj_mqtt_message *message, const struct nj_mqtt_choice *choice)
{
	struct nj_mqtt_choice next = { .label = group->label, .stick = choice->stick, .tried = choice->tried };
	size_t place;
	if (broker->fabric == NULL)
		return false;
	next.tried |= (uint16_t)(1u << broker->place);
	if (!nj_mqtt_group_where(broker, group, &message->content, next.stick, next.tried, &place))
		return false;
	nj_mqtt_forward_shared(space, broker, message, place, &next);
	return true;
}

bool nj_mqtt_group_give(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_group *group,
			struct nj_mqtt_message *message, const struct nj_mqtt_choice *choice,
			const struct nj_mqtt_session *except)
{
	struct nj_mqtt_subscription *s = nj_mqtt_group_pick(group, &message->content, choice->stick, except);
	bool full = s != NULL && nj_mqtt_member_full(s, &message->content);
	if ((s == NULL || full) && give_elsewhere(space, broker, group, message, choice))
		return true;
	if (s != NULL)
		nj_mqtt_deliver_shared(s, message);
	return s != NULL;
}
