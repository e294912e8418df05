#include "mqtt/keep.h"
#include "mqtt/post.h"

/*
 * Retained messages: every broker keeps all of them, the messages themselves are shared. A change gets a number, larger
 * than any before it on any broker, is kept at once where it was published, and goes to all others in the same letter
 * as the message for their subscribers: so that a subscriber gets it once, as a live or as a retained message, however
 * close its SUBSCRIBE comes. The greatest number wins, everywhere alike, in whatever order changes arrive.
 *
 * A removal is kept as an empty message for as long as an older change may still be on its way, or that would come
 * back to life. Each of the others answers once its own changes so far are posted; after the last answer nothing older
 * can arrive anywhere, and the empty messages go.
 */

struct ending {
	struct nj_mqtt_letter letter;
	struct removal *removal;
};

struct removal {
	struct nj_mqtt_message *message; /* the empty one */
	struct nj_mqtt_space *space;     /* the sender's */
	size_t waiting;
	struct ending endings[];
};

static void purge(struct nj_mqtt_space *space, const struct nj_mqtt_message *message)
{
	const struct nj_mqtt_node *node = nj_mqtt_tree_get(&space->retained.tree, message->content.topic);
	if (node != NULL && node->retained == message)
		nj_mqtt_retained_remove(&space->retained, message->content.topic);
}

static void deliver_purge(struct nj_mqtt_letter *letter)
{
	const struct removal *removal = NJ_CONTAINER(letter, struct ending, letter)->removal;
	struct nj_mqtt_space *space;
	if (nj_mqtt_space_of(letter->to, removal->space->customer, &space) == NJ_OK)
		purge(space, removal->message);
}

static void purge_returned(struct nj_mqtt_letter *letter)
{
	struct removal *removal = NJ_CONTAINER(letter, struct ending, letter)->removal;
	if (--removal->waiting > 0)
		return;
	nj_mqtt_message_unref(removal->message);
	free(removal);
}

/* What was changed here before this is on its way before the answer is. */
static void deliver_question(struct nj_mqtt_letter *letter)
{
	nj_mqtt_dispatch(&letter->to->dispatch);
}

static void question_returned(struct nj_mqtt_letter *letter);

static void send_all(struct removal *removal, struct nj_mqtt_broker *broker, bool question)
{
	size_t count = 0;
	removal->waiting = broker->fabric->count - 1;
	for (size_t i = 0; i < broker->fabric->count; i++) {
		if (i == broker->place)
			continue;
		struct ending *ending = &removal->endings[count++];
		ending->removal = removal;
		ending->letter = (struct nj_mqtt_letter){ .from = broker,
							  .to = broker->fabric->brokers[i],
							  .bytes = sizeof(*ending),
							  .deliver = question ? deliver_question : deliver_purge,
							  .returned = question ? question_returned : purge_returned };
		nj_mqtt_letter_send(&ending->letter);
	}
}

static void question_returned(struct nj_mqtt_letter *letter)
{
	struct removal *removal = NJ_CONTAINER(letter, struct ending, letter)->removal;
	struct nj_mqtt_broker *broker = letter->from;
	if (--removal->waiting > 0)
		return;
	purge(removal->space, removal->message);
	send_all(removal, broker, false);
}

void nj_mqtt_retain_pass_on(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message)
{
	nj_mqtt_forward(space, broker, message, UINT16_MAX, true);
	if (message->content.payload.len > 0)
		return;
	size_t others = broker->fabric->count - 1;
	struct removal *removal = calloc(1, sizeof(*removal) + others * sizeof(removal->endings[0]));
	/* Without memory the empty messages stay. */
	if (removal == NULL)
		return;
	removal->message = nj_mqtt_message_ref(message);
	removal->space = space;
	nj_mqtt_dispatch(&broker->dispatch);
	send_all(removal, broker, true);
}

/* One broker writes all changes of a topic, in the order in which they win. */
static bool writes(const struct nj_mqtt_broker *broker, struct nj_view topic)
{
	return broker->fabric == NULL ||
	       nj_siphash13(broker->fabric->seed, topic.data, topic.len) % broker->fabric->count == broker->place;
}

static bool is_current(struct nj_mqtt_space *space, const struct nj_mqtt_message *message)
{
	const struct nj_mqtt_node *node = nj_mqtt_tree_get(&space->retained.tree, message->content.topic);
	return node != NULL && node->retained == message;
}

void nj_mqtt_retain_forwarded(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			      struct nj_mqtt_message *message)
{
	bool is_writer = writes(broker, message->content.topic);
	bool kept = nj_mqtt_retained_keep(&space->retained, message) == NJ_OK;
	/* A replica without room has one message fewer; what does not come to the disk is refused. */
	nj_mqtt_count(&broker->counters.messages_dropped, !kept);
	if (!kept && is_writer && broker->journal != NULL && broker->journal->pledge != NULL)
		broker->journal->pledge->failed = true;
	else if (kept && is_writer && is_current(space, message))
		nj_mqtt_keep_retained(space, broker, message);
}

static enum nj_err retain_here(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			       struct nj_mqtt_message *message)
{
	if (broker->fabric != NULL)
		message->change = atomic_fetch_add(&broker->fabric->last_change, 1) + 1;
	if (message->content.payload.len > 0)
		return nj_mqtt_retained_put(&space->retained, message);
	if (broker->fabric != NULL)
		return nj_mqtt_retained_keep(&space->retained, message);
	nj_mqtt_retained_remove(&space->retained, message->content.topic);
	return NJ_OK;
}

enum nj_err nj_mqtt_retain(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			   const struct nj_mqtt_content *content, struct nj_mqtt_message **out_message)
{
	struct nj_mqtt_message *message;
	/* Without room on disk it would be forgotten by the next start. */
	if (content->payload.len > 0 && broker->journal != NULL && broker->journal->troubled)
		return NJ_ERR_FULL;
	NJ_TRY(nj_mqtt_message_new(&broker->shared->budget, content, &message));
	enum nj_err err = retain_here(space, broker, message);
	if (err != NJ_OK) {
		nj_mqtt_message_unref(message);
		return err;
	}
	if (writes(broker, content->topic))
		nj_mqtt_keep_retained(space, broker, message);
	*out_message = message;
	return NJ_OK;
}
