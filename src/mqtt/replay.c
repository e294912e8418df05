#include "mqtt/replay.h"

#include "mqtt/keep.h"

/* What is being taken. */
struct take {
	struct nj_mqtt_budget *budget;
	struct nj_mqtt_replay *replay;
	enum nj_err err;
};

static struct nj_mqtt_replay_chunk *chunk_new(struct nj_mqtt_budget *budget)
{
	if (nj_mqtt_budget_take(budget, sizeof(struct nj_mqtt_replay_chunk)) != NJ_OK)
		return NULL;
	struct nj_mqtt_replay_chunk *chunk = malloc(sizeof(*chunk));
	if (chunk == NULL) {
		nj_mqtt_budget_give(budget, sizeof(*chunk));
		return NULL;
	}
	chunk->next = NULL;
	chunk->count = 0;
	chunk->done = 0;
	return chunk;
}

static void chunk_free(struct nj_mqtt_budget *budget, struct nj_mqtt_replay_chunk *chunk)
{
	while (chunk->done < chunk->count)
		nj_mqtt_message_unref(chunk->messages[chunk->done++]);
	nj_mqtt_budget_give(budget, sizeof(*chunk));
	free(chunk);
}

static void take_one(void *arg, struct nj_mqtt_message *message)
{
	struct take *take = arg;
	struct nj_mqtt_replay *replay = take->replay;
	if (take->err != NJ_OK)
		return;
	if (replay->last == NULL || replay->last->count == NJ_MQTT_REPLAY_CHUNK) {
		struct nj_mqtt_replay_chunk *chunk = chunk_new(take->budget);
		if (chunk == NULL) {
			take->err = NJ_ERR_LIMIT;
			return;
		}
		if (replay->last != NULL)
			replay->last->next = chunk;
		else
			replay->first = chunk;
		replay->last = chunk;
	}
	replay->last->messages[replay->last->count++] = nj_mqtt_message_ref(message);
}

enum nj_err nj_mqtt_replay_take(struct nj_mqtt_subscription *s)
{
	struct nj_mqtt_session *session = s->session;
	struct nj_mqtt_broker *broker = session->broker;
	nj_mqtt_replay_drop(s);
	s->replays_again = false;
	NJ_TRY(nj_mqtt_budget_take(&broker->shared->budget, sizeof(struct nj_mqtt_replay)));
	s->replay = calloc(1, sizeof(*s->replay));
	if (s->replay == NULL) {
		nj_mqtt_budget_give(&broker->shared->budget, sizeof(struct nj_mqtt_replay));
		return NJ_ERR_NO_MEMORY;
	}
	s->replay->subscription = s;
	nj_list_push_back(&session->replays, &s->replay->link);
	struct take take = { .budget = &broker->shared->budget, .replay = s->replay, .err = NJ_OK };
	nj_mqtt_retained_each(&session->space->retained, nj_mqtt_subscription_topics(s),
			      nj_reactor_now_ms(broker->reactor), take_one, &take);
	if (take.err != NJ_OK || s->replay->first == NULL)
		nj_mqtt_replay_drop(s);
	return take.err;
}

void nj_mqtt_replay_drop(struct nj_mqtt_subscription *s)
{
	struct nj_mqtt_replay *replay = s->replay;
	struct nj_mqtt_budget *budget = &s->session->broker->shared->budget;
	if (replay == NULL)
		return;
	while (replay->first != NULL) {
		struct nj_mqtt_replay_chunk *next = replay->first->next;
		chunk_free(budget, replay->first);
		replay->first = next;
	}
	nj_list_remove(&replay->link);
	nj_mqtt_budget_give(budget, sizeof(*replay));
	free(replay);
	s->replay = NULL;
}

/* The next message of one subscription; NULL, and nothing of it is left, at the end. */
static struct nj_mqtt_message *next_of(struct nj_mqtt_subscription *s)
{
	struct nj_mqtt_replay *replay = s->replay;
	struct nj_mqtt_replay_chunk *chunk = replay->first;
	if (chunk->done == chunk->count) {
		replay->first = chunk->next;
		chunk_free(&s->session->broker->shared->budget, chunk);
		chunk = replay->first;
	}
	if (chunk != NULL)
		return chunk->messages[chunk->done++];
	nj_mqtt_replay_drop(s);
	/* Behind the rows of all that came. */
	nj_mqtt_keep_subscription(s, NULL);
	return NULL;
}

void nj_mqtt_replay_again(struct nj_mqtt_session *session)
{
	if (!session->keep->replays_again)
		return;
	session->keep->replays_again = false;
	NJ_LIST_EACH (&session->subscriptions, at) {
		struct nj_mqtt_subscription *s = NJ_CONTAINER(at, struct nj_mqtt_subscription, by_session);
		if (!s->replays_again)
			continue;
		/* Without room it waits for the client's next connection. */
		s->replays_again = nj_mqtt_replay_take(s) != NJ_OK;
		session->keep->replays_again |= s->replays_again;
		if (s->replay == NULL && !s->replays_again)
			nj_mqtt_keep_subscription(s, NULL);
	}
}

static bool is_current(struct nj_mqtt_session *session, const struct nj_mqtt_message *message)
{
	struct nj_mqtt_node *node = nj_mqtt_tree_get(&session->space->retained.tree, message->content.topic);
	return node != NULL && node->retained == message;
}

struct nj_mqtt_message *nj_mqtt_replay_next(struct nj_mqtt_session *session,
					    struct nj_mqtt_subscription **out_subscription)
{
	while (!nj_list_empty(&session->replays)) {
		struct nj_mqtt_subscription *s =
		    NJ_CONTAINER(session->replays.next, struct nj_mqtt_replay, link)->subscription;
		struct nj_mqtt_message *message = next_of(s);
		if (message == NULL)
			continue;
		if (is_current(session, message)) {
			*out_subscription = s;
			return message;
		}
		nj_mqtt_message_unref(message);
	}
	return NULL;
}
