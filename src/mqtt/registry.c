#include "mqtt/keep.h"
#include "mqtt/pledge.h"
#include "mqtt/post.h"
#include "mqtt/replay.h"
#include "mqtt/share.h"
#include "mqtt/will.h"

#define FOREVER UINT32_MAX

static size_t session_bytes(uint32_t key_bytes)
{
	return offsetof(struct nj_mqtt_session, key) + key_bytes;
}

struct nj_mqtt_session *nj_mqtt_session_find(struct nj_mqtt_broker *broker, const struct nj_party *party,
					     struct nj_view client_id)
{
	struct nj_writer w = nj_writer_of(broker->packet, broker->packet_cap);
	nj_write_bytes(&w, party->uid, sizeof(party->uid));
	nj_write_bytes(&w, client_id.data, client_id.len);
	return nj_map_get(&broker->session_map, nj_view_of(broker->packet, w.pos));
}

struct nj_view nj_mqtt_session_client_id(const struct nj_mqtt_session *session)
{
	return nj_view_of(session->key + NJ_PARTY_UID_BYTES, session->key_bytes - NJ_PARTY_UID_BYTES);
}

static void on_expiry(struct nj_timer *timer)
{
	nj_mqtt_session_end(NJ_CONTAINER(timer, struct nj_mqtt_session, expiry));
}

/* Brokers that take the last place at once give it back, both. */
static bool take_place(struct nj_mqtt_broker *broker)
{
	if (atomic_fetch_add(&broker->shared->sessions, 1) < broker->limits.max_sessions)
		return true;
	atomic_fetch_sub(&broker->shared->sessions, 1);
	return false;
}

static struct nj_mqtt_session *alloc_memory(struct nj_mqtt_broker *broker, uint32_t key_bytes)
{
	if (nj_mqtt_budget_take(&broker->shared->budget, session_bytes(key_bytes)) != NJ_OK)
		return NULL;
	struct nj_mqtt_session *session = calloc(1, session_bytes(key_bytes));
	if (session == NULL)
		nj_mqtt_budget_give(&broker->shared->budget, session_bytes(key_bytes));
	return session;
}

static struct nj_mqtt_session *alloc_session(struct nj_mqtt_broker *broker, uint32_t key_bytes)
{
	if (!take_place(broker))
		return NULL;
	struct nj_mqtt_session *session = alloc_memory(broker, key_bytes);
	if (session == NULL)
		atomic_fetch_sub(&broker->shared->sessions, 1);
	return session;
}

static void free_memory(struct nj_mqtt_session *session)
{
	nj_mqtt_keep_free(session);
	atomic_fetch_sub(&session->broker->shared->sessions, 1);
	nj_mqtt_budget_give(&session->broker->shared->budget, session_bytes(session->key_bytes));
	free(session);
}

/* Whom a full table takes a place from: a session without a connection, the oldest of the party that has most, if
 * that is the newcomer itself or has more than it would have then. */
static struct nj_mqtt_session *spare_session(struct nj_mqtt_broker *broker, const struct nj_party *newcomer)
{
	struct nj_mqtt_session *spare = NULL;
	NJ_LIST_EACH (&broker->sessions, at) {
		struct nj_mqtt_session *session = NJ_CONTAINER(at, struct nj_mqtt_session, link);
		const struct nj_party *party = session->party;
		bool may_go =
		    session->client == NULL && (party == newcomer || party->sessions > newcomer->sessions + 1);
		if (may_go && (spare == NULL || party->sessions > spare->party->sessions))
			spare = session;
	}
	return spare;
}

/* One party cannot keep the others out by sessions that it leaves behind. */
static void make_place(struct nj_mqtt_broker *broker, const struct nj_party *newcomer)
{
	struct nj_mqtt_session *spare = NULL;
	if (broker->shared->sessions >= broker->limits.max_sessions)
		spare = spare_session(broker, newcomer);
	if (spare != NULL)
		nj_mqtt_session_end(spare);
}

enum nj_err nj_mqtt_session_new(struct nj_mqtt_broker *broker, struct nj_party *party, struct nj_view client_id,
				struct nj_mqtt_session **out_session)
{
	struct nj_mqtt_space *space;
	NJ_TRY(nj_mqtt_space_of(broker, party->names.customer, &space));
	uint32_t key_bytes = (uint32_t)(sizeof(party->uid) + client_id.len);
	make_place(broker, party);
	struct nj_mqtt_session *session = alloc_session(broker, key_bytes);
	if (session == NULL)
		return NJ_ERR_LIMIT;
	session->broker = broker;
	session->space = space;
	session->key_bytes = (uint16_t)key_bytes;
	session->keep = &broker->no_keep;
	session->id = ++broker->ids;
	session->expiry.on_timer = on_expiry;
	memcpy(session->key, party->uid, sizeof(party->uid));
	if (client_id.len > 0)
		memcpy(session->key + sizeof(party->uid), client_id.data, client_id.len);
	enum nj_err err = nj_map_put(&broker->session_map, session);
	if (err != NJ_OK) {
		free_memory(session);
		return err;
	}
	session->party = nj_party_ref(party);
	party->sessions++;
	nj_list_init(&session->subscriptions);
	nj_list_init(&session->replays);
	nj_list_push_back(&broker->sessions, &session->link);
	nj_mqtt_flow_init(&session->flow, &broker->flow_limits);
	nj_mqtt_count(&broker->counters.sessions, 1);
	space->count.values[NJ_MQTT_TALLY_SESSIONS]++;
	*out_session = session;
	return NJ_OK;
}

static struct nj_view subscription_key(const struct nj_mqtt_subscription *s)
{
	return nj_view_of(&s->key, sizeof(s->key));
}

struct nj_view nj_mqtt_subscription_topics(const struct nj_mqtt_subscription *s)
{
	size_t head = s->group != NULL ? sizeof(NJ_MQTT_SHARE) + s->group->label->name_bytes : 0;
	return nj_view_of(s->filter + head, s->filter_bytes - head);
}

void nj_mqtt_subscription_free(struct nj_mqtt_subscription *s)
{
	struct nj_mqtt_session *session = s->session;
	struct nj_mqtt_broker *broker = session->broker;
	nj_mqtt_replay_drop(s);
	(void)nj_map_remove(&broker->subscriptions, subscription_key(s));
	nj_list_remove(&s->by_node);
	nj_list_remove(&s->by_session);
	/* Without memory to say so, messages come that nobody wants any more. */
	(void)!nj_mqtt_interest(session->space, broker, s->node, nj_mqtt_subscription_topics(s));
	(void)!nj_mqtt_group_count(s, -1, session->client != NULL ? -1 : 0);
	if (s->group != NULL)
		nj_mqtt_group_prune(broker, s->group);
	nj_mqtt_tree_prune(&session->space->subscriptions, s->node);
	session->subscription_count--;
	nj_mqtt_count(&broker->counters.subscriptions, UINT64_MAX);
	session->space->count.values[NJ_MQTT_TALLY_SUBSCRIPTIONS]--;
	nj_mqtt_budget_give(&broker->shared->budget, sizeof(*s) + s->filter_bytes);
	free(s);
}

void nj_mqtt_session_free(struct nj_mqtt_session *session)
{
	struct nj_mqtt_broker *broker = session->broker;
	if (session->client != NULL)
		nj_mqtt_client_part(session->client);
	nj_timer_cancel(&session->expiry);
	nj_mqtt_will_drop(session);
	while (!nj_list_empty(&session->subscriptions))
		nj_mqtt_subscription_free(
		    NJ_CONTAINER(session->subscriptions.next, struct nj_mqtt_subscription, by_session));
	nj_mqtt_keep_end(session);
	nj_mqtt_flow_done(&session->flow);
	(void)nj_map_remove(&broker->session_map, nj_view_of(session->key, session->key_bytes));
	nj_list_remove(&session->link);
	session->party->sessions--;
	nj_party_unref(session->party);
	nj_mqtt_count(&broker->counters.sessions, UINT64_MAX);
	session->space->count.values[NJ_MQTT_TALLY_SESSIONS]--;
	free_memory(session);
}

void nj_mqtt_session_end(struct nj_mqtt_session *session)
{
	nj_mqtt_will_publish(session);
	nj_mqtt_group_hand_over(session);
	nj_mqtt_session_free(session);
}

static void count_connected(struct nj_mqtt_session *session, int connected)
{
	NJ_LIST_EACH (&session->subscriptions, at)
		(void)!nj_mqtt_group_count(NJ_CONTAINER(at, struct nj_mqtt_subscription, by_session), 0, connected);
}

void nj_mqtt_session_attach(struct nj_mqtt_session *session, struct nj_mqtt_client *client)
{
	struct nj_party *former = session->party;
	nj_timer_cancel(&session->expiry);
	session->party = nj_party_ref(client->party);
	session->party->sessions++;
	former->sessions--;
	nj_party_unref(former);
	session->client = client;
	session->flow.received_here = 0;
	nj_mqtt_client_join(client, session);
	count_connected(session, 1);
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void nj_mqtt_session_detach(struct nj_mqtt_session *session, bool with_will)
{
	struct nj_reactor *reactor = session->broker->reactor;
	nj_mqtt_client_part(session->client);
	nj_mqtt_keep_leaves(session);
	session->client = NULL;
	count_connected(session, -1);
	if (nj_mqtt_lasts(session))
		nj_mqtt_keep_detach(session);
	else
		nj_mqtt_flow_rewind(&session->flow);
	if (!with_will)
		nj_mqtt_will_drop(session);
	if (session->expiry_s == 0) {
		nj_mqtt_session_end(session);
		return;
	}
	uint32_t delay_s = session->will != NULL ? session->will->delay_s : 0;
	uint64_t will_in_ms = UINT64_C(1000) * lesser(delay_s, session->expiry_s);
	if (delay_s > 0)
		nj_timer_arm(reactor, &session->will->due, will_in_ms);
	else
		nj_mqtt_will_publish(session);
	uint64_t ends_in_ms = UINT64_C(1000) * session->expiry_s;
	if (session->expiry_s != FOREVER)
		nj_timer_arm(reactor, &session->expiry, ends_in_ms);
	nj_mqtt_keep_away(session, session->expiry_s != FOREVER ? ends_in_ms : UINT64_MAX, will_in_ms);
}
