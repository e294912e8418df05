#include "mqtt/journal.h"
#include "mqtt/post.h"

#define PARCEL_ITEMS 64

struct item {
	struct nj_mqtt_space *theirs; /* the receiver's own space, NULL when it is not known */
	const char *customer;
	struct nj_mqtt_message *message;
	bool store;
	struct nj_mqtt_choice choice;  /* with a label: for one member of a group */
	struct nj_mqtt_pledge *pledge; /* held for it; NULL: it needs none, or its part there holds it now */
	uint32_t taken, full;          /* of a pledge that needed no part */
};

/* Messages for one broker, gathered in a turn. */
struct nj_mqtt_parcel {
	struct nj_mqtt_letter letter;
	size_t count;
	struct item items[PARCEL_ITEMS];
};

/* That a broker has subscribers at a node, or no longer. */
struct interest {
	struct nj_mqtt_letter letter;
	struct nj_mqtt_space *space; /* the sender's */
	bool on;
	uint32_t filter_bytes;
	uint8_t filter[];
};

/* ---- messages ---- */

static void route_item(struct nj_mqtt_broker *broker, const struct item *item)
{
	struct nj_mqtt_space *space = item->theirs;
	if (space == NULL && nj_mqtt_space_of(broker, item->customer, &space) != NJ_OK) {
		nj_mqtt_count(&broker->counters.messages_dropped, 1);
		if (broker->journal != NULL && broker->journal->pledge != NULL)
			broker->journal->pledge->failed = true;
		return;
	}
	if (item->choice.label != NULL) {
		nj_mqtt_group_take(space, broker, item->message, &item->choice);
		return;
	}
	if (item->store)
		nj_mqtt_retain_forwarded(space, broker, item->message);
	nj_mqtt_route_forwarded(space, broker, item->message);
}

/* What must be on disk here first holds the acknowledgement back there. */
static void take_item(struct nj_mqtt_broker *broker, struct nj_mqtt_broker *from, struct item *item)
{
	struct nj_mqtt_journal *journal = broker->journal;
	if (item->pledge == NULL || journal == NULL) {
		route_item(broker, item);
		return;
	}
	struct nj_mqtt_pledge *part = nj_mqtt_pledge_part(broker, from, item->pledge);
	/* Without memory nobody is promised anything: it is refused, and not taken here. */
	if (part == NULL) {
		item->full++;
		return;
	}
	journal->pledge = part;
	journal->together = item->message->content.qos == 2;
	journal->taken = journal->full = 0;
	route_item(broker, item);
	journal->pledge = NULL;
	journal->together = false;
	if (part->holds == 1 && !part->failed) {
		item->taken = journal->taken;
		item->full = journal->full;
		free(part);
		return;
	}
	part->taken = journal->taken;
	part->full = journal->full;
	item->pledge = NULL;
	nj_mqtt_pledge_routed(part);
	nj_mqtt_pledge_release(part, true);
}

static void deliver_parcel(struct nj_mqtt_letter *letter)
{
	struct nj_mqtt_parcel *parcel = NJ_CONTAINER(letter, struct nj_mqtt_parcel, letter);
	for (size_t i = 0; i < parcel->count; i++)
		take_item(letter->to, letter->from, &parcel->items[i]);
}

static void release_item(const struct item *item)
{
	if (item->pledge == NULL)
		return;
	item->pledge->taken += item->taken;
	item->pledge->full += item->full;
	nj_mqtt_pledge_routed(item->pledge);
	nj_mqtt_pledge_release(item->pledge, true);
}

static void free_parcel(struct nj_mqtt_letter *letter)
{
	struct nj_mqtt_parcel *parcel = NJ_CONTAINER(letter, struct nj_mqtt_parcel, letter);
	for (size_t i = 0; i < parcel->count; i++) {
		release_item(&parcel->items[i]);
		nj_mqtt_message_unref(parcel->items[i].message);
		nj_mqtt_label_unref(parcel->items[i].choice.label);
	}
	free(parcel);
}

static struct nj_mqtt_parcel *new_parcel(struct nj_mqtt_broker *from, struct nj_mqtt_broker *to)
{
	struct nj_mqtt_parcel *parcel = malloc(sizeof(*parcel));
	if (parcel == NULL)
		return NULL;
	parcel->letter = (struct nj_mqtt_letter){
		.from = from, .to = to, .bytes = sizeof(*parcel), .deliver = deliver_parcel, .returned = free_parcel
	};
	parcel->count = 0;
	return parcel;
}

static void post_filling(struct nj_mqtt_peer *peer)
{
	struct nj_mqtt_parcel *parcel = peer->filling;
	if (parcel == NULL)
		return;
	peer->filling = NULL;
	nj_mqtt_letter_send(&parcel->letter);
}

void nj_mqtt_dispatch(struct nj_deferred *work)
{
	struct nj_mqtt_broker *broker = NJ_CONTAINER(work, struct nj_mqtt_broker, dispatch);
	for (size_t i = 0; i < broker->fabric->count; i++)
		post_filling(&broker->peers[i]);
}

static bool forward_one(struct nj_mqtt_broker *broker, size_t place, const struct item *item)
{
	struct nj_mqtt_peer *peer = &broker->peers[place];
	bool may_drop = item->message->content.qos == 0 && !item->store;
	if (may_drop && peer->under_way_bytes >= NJ_MQTT_POST_MAX_BYTES)
		return false;
	if (peer->filling == NULL)
		peer->filling = new_parcel(broker, broker->fabric->brokers[place]);
	struct nj_mqtt_parcel *parcel = peer->filling;
	if (parcel == NULL)
		return false;
	parcel->items[parcel->count] = *item;
	if (item->pledge != NULL) {
		nj_mqtt_pledge_hold(item->pledge);
		nj_mqtt_pledge_route(item->pledge);
	}
	nj_mqtt_message_ref(item->message);
	if (item->choice.label != NULL)
		nj_mqtt_label_ref(item->choice.label);
	parcel->letter.bytes += nj_mqtt_content_bytes(&item->message->content);
	if (++parcel->count == PARCEL_ITEMS)
		post_filling(peer);
	else
		nj_defer_first(broker->reactor, &broker->dispatch);
	return true;
}

/* That of the message that is being routed. */
static struct nj_mqtt_pledge *pledge_of(const struct nj_mqtt_broker *broker, const struct nj_mqtt_message *message)
{
	bool may = broker->journal != NULL && message->content.qos > 0;
	return may ? broker->journal->pledge : NULL;
}

/* As if the receivers there had no room. */
static void lose(struct nj_mqtt_broker *broker, const struct nj_mqtt_message *message)
{
	nj_mqtt_count(&broker->counters.messages_dropped, 1);
	if (broker->journal != NULL && message->content.qos > 0)
		broker->journal->full++;
}

void nj_mqtt_forward(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
		     uint16_t reactors, bool store)
{
	for (size_t i = 0; i < broker->fabric->count; i++) {
		struct item item = { .theirs = space->twins[i],
				     .customer = space->customer,
				     .message = message,
				     .store = store,
				     .pledge = pledge_of(broker, message) };
		if (i != broker->place && (reactors & 1u << i) != 0 && !forward_one(broker, i, &item))
			lose(broker, message);
	}
}

void nj_mqtt_forward_shared(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message,
			    size_t place, const struct nj_mqtt_choice *choice)
{
	struct item item = { .theirs = space->twins[place],
			     .customer = space->customer,
			     .message = message,
			     .choice = *choice,
			     .pledge = pledge_of(broker, message) };
	if (!forward_one(broker, place, &item))
		lose(broker, message);
}

/* ---- interest ---- */

static void note_interest(struct nj_mqtt_space *space, uint16_t bit, struct nj_view filter,
			  struct nj_mqtt_broker *broker)
{
	struct nj_mqtt_node *node;
	if (nj_mqtt_tree_make(&space->subscriptions, filter, &node) == NJ_OK)
		node->reactors |= bit;
	else
		broker->flooded |= bit;
}

static void forget_interest(struct nj_mqtt_space *space, uint16_t bit, struct nj_view filter)
{
	struct nj_mqtt_node *node = nj_mqtt_tree_get(&space->subscriptions, filter);
	if (node == NULL)
		return;
	node->reactors &= (uint16_t)~bit;
	nj_mqtt_tree_prune(&space->subscriptions, node);
}

static void deliver_interest(struct nj_mqtt_letter *letter)
{
	struct interest *interest = NJ_CONTAINER(letter, struct interest, letter);
	struct nj_mqtt_broker *broker = letter->to;
	struct nj_view filter = nj_view_of(interest->filter, interest->filter_bytes);
	uint16_t bit = (uint16_t)(1u << letter->from->place);
	struct nj_mqtt_space *space;
	if (nj_mqtt_space_of(broker, interest->space->customer, &space) != NJ_OK) {
		broker->flooded |= bit;
		return;
	}
	space->twins[letter->from->place] = interest->space;
	if (interest->on)
		note_interest(space, bit, filter, broker);
	else
		forget_interest(space, bit, filter);
}

static void free_interest(struct nj_mqtt_letter *letter)
{
	free(NJ_CONTAINER(letter, struct interest, letter));
}

static enum nj_err tell_one(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, size_t place, bool on,
			    struct nj_view filter)
{
	struct interest *interest = malloc(sizeof(*interest) + filter.len);
	if (interest == NULL)
		return NJ_ERR_NO_MEMORY;
	interest->letter = (struct nj_mqtt_letter){ .from = broker,
						    .to = broker->fabric->brokers[place],
						    .bytes = sizeof(*interest) + filter.len,
						    .deliver = deliver_interest,
						    .returned = free_interest };
	interest->space = space;
	interest->on = on;
	interest->filter_bytes = (uint32_t)filter.len;
	memcpy(interest->filter, filter.data, filter.len);
	nj_mqtt_letter_send(&interest->letter);
	return NJ_OK;
}

enum nj_err nj_mqtt_interest(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_node *node,
			     struct nj_view filter)
{
	if (broker->fabric == NULL)
		return NJ_OK;
	uint16_t own = (uint16_t)(1u << broker->place);
	bool on = !nj_list_empty(&node->entries);
	if (on == ((node->reactors & own) != 0))
		return NJ_OK;
	/* Whoever believes in interest that is not there only sends in vain. */
	node->reactors &= (uint16_t)~own;
	for (size_t i = 0; i < broker->fabric->count; i++)
		if (i != broker->place)
			NJ_TRY(tell_one(space, broker, i, on, filter));
	if (on)
		node->reactors |= own;
	return NJ_OK;
}
