#include "mqtt/keep.h"
#include "mqtt/post.h"
#include "mqtt/share.h"
#include "mqtt/sys.h"

#define SPACES_MAX 10000
#define SUBSCRIPTIONS_MAX (16u << 20)
/* What a PUBLISH head has beside topic and properties: fixed header, lengths, packet id, expiry. */
#define HEAD_MORE 64

static struct nj_view space_key(const void *entry)
{
	return nj_view_str(((const struct nj_mqtt_space *)entry)->customer);
}

static struct nj_view session_key(const void *entry)
{
	const struct nj_mqtt_session *session = entry;
	return nj_view_of(session->key, session->key_bytes);
}

static struct nj_view subscription_key(const void *entry)
{
	const struct nj_mqtt_subscription *s = entry;
	return nj_view_of(&s->key, sizeof(s->key));
}

/* --- spaces --- */

/* Groups whose members were all on other brokers. */
static void free_groups(void *arg, struct nj_mqtt_node *node)
{
	while (node->groups != NULL)
		nj_mqtt_group_forget(arg, node->groups);
}

static void free_space(struct nj_mqtt_broker *broker, struct nj_mqtt_space *space)
{
	if (space->subscriptions.root != NULL)
		nj_mqtt_tree_walk(&space->subscriptions, free_groups, broker);
	nj_mqtt_retained_done(&space->retained);
	nj_mqtt_tree_done(&space->subscriptions);
	free(space->twins);
	free(space);
}

static enum nj_err fill_space(struct nj_mqtt_broker *broker, struct nj_mqtt_space *space)
{
	uint32_t max_topic_bytes = broker->limits.max_topic_bytes;
	struct nj_mqtt_budget *budget = &broker->shared->budget;
	space->kept = nj_mqtt_kept_of(broker->shared, space->customer);
	if (space->kept == NULL)
		return NJ_ERR_NO_MEMORY;
	if (broker->fabric != NULL) {
		space->twins = calloc(NJ_MQTT_REACTORS_MAX, sizeof(struct nj_mqtt_space *));
		if (space->twins == NULL)
			return NJ_ERR_NO_MEMORY;
	}
	NJ_TRY(nj_mqtt_tree_init(&space->subscriptions, budget, &broker->ids, max_topic_bytes, broker->random));
	NJ_TRY(nj_mqtt_retained_init(&space->retained, &broker->shared->retained, budget, &broker->ids, max_topic_bytes,
				     broker->random));
	/* Every broker has every change; the first one counts. */
	space->retained.counts = broker->place == 0;
	return NJ_OK;
}

enum nj_err nj_mqtt_space_of(struct nj_mqtt_broker *broker, const char *customer, struct nj_mqtt_space **out_space)
{
	struct nj_view name = nj_view_str(customer);
	struct nj_mqtt_space *space = nj_map_get(&broker->spaces, name);
	if (space != NULL) {
		*out_space = space;
		return NJ_OK;
	}
	space = calloc(1, sizeof(*space) + name.len + 1);
	if (space == NULL)
		return NJ_ERR_NO_MEMORY;
	memcpy(space->customer, customer, name.len);
	space->count.tally = nj_mqtt_tally_of(broker->tallies, customer);
	enum nj_err err = fill_space(broker, space);
	if (err == NJ_OK)
		err = nj_map_put(&broker->spaces, space);
	if (err != NJ_OK) {
		free_space(broker, space);
		return err;
	}
	*out_space = space;
	return NJ_OK;
}

bool nj_mqtt_topic_fits(const struct nj_mqtt_broker *broker, struct nj_view topic)
{
	return topic.len <= broker->limits.max_topic_bytes &&
	       nj_mqtt_topic_levels(topic) <= broker->limits.max_topic_levels;
}

bool nj_mqtt_topic_own(struct nj_view topic)
{
	struct nj_view prefix = nj_view_str(NJ_MQTT_OWN_TOPICS);
	return topic.len >= prefix.len && memcmp(topic.data, prefix.data, prefix.len) == 0;
}

void nj_mqtt_tell_denied(struct nj_mqtt_broker *broker, struct nj_mqtt_client *client, const struct nj_party *party,
			 enum nj_direction direction, struct nj_view topic, struct nj_verdict verdict)
{
	struct nj_mqtt_seen seen = { .party = party };
	if (broker->hooks.on_denied == NULL)
		return;
	if (client != NULL)
		seen = nj_mqtt_client_seen(client);
	broker->hooks.on_denied(broker->hooks.arg, &seen, direction, topic, verdict);
}

/* --- the broker --- */

static bool limits_agree(const struct nj_mqtt_limits *limits)
{
	return limits->max_packet_bytes >= 64 && limits->max_packet_bytes <= NJ_MQTT_VARINT_MAX &&
	       limits->max_out_bytes / 2 >= limits->max_packet_bytes && limits->max_inflight > 0 &&
	       limits->max_topic_levels > 0 && limits->max_topic_levels <= 1024 && limits->max_topic_bytes > 0 &&
	       limits->max_topic_bytes <= UINT16_MAX && limits->max_subscriptions <= 1u << 20;
}

void nj_mqtt_limit_flows(struct nj_mqtt_broker *broker)
{
	broker->flow_limits = (struct nj_mqtt_flow_limits){ .budget = &broker->shared->budget,
							    .max_waiting_bytes = broker->limits.max_queued_bytes,
							    .max_waiting = broker->limits.max_queued_messages,
							    .max_inflight = broker->limits.max_inflight };
}

static enum nj_err alloc_scratch(struct nj_mqtt_broker *broker)
{
	const struct nj_mqtt_limits *limits = &broker->limits;
	/* A head holds the topic and properties of one received packet, and a receiver's subscription ids. */
	broker->packet_cap = (size_t)limits->max_packet_bytes + limits->max_topic_bytes + HEAD_MORE +
			     5 * (size_t)limits->max_subscriptions;
	broker->packet = malloc(broker->packet_cap);
	broker->head[0] = malloc(broker->packet_cap);
	broker->head[1] = malloc(broker->packet_cap);
	broker->codes = malloc(limits->max_packet_bytes);
	broker->forward = malloc(limits->max_packet_bytes);
	broker->match_ids = calloc((size_t)limits->max_subscriptions + 1, sizeof(uint32_t));
	bool all = broker->packet != NULL && broker->head[0] != NULL && broker->head[1] != NULL &&
		   broker->codes != NULL && broker->forward != NULL && broker->match_ids != NULL;
	return all ? NJ_OK : NJ_ERR_NO_MEMORY;
}

enum nj_err nj_mqtt_broker_new(struct nj_reactor *reactor, struct nj_random *random,
			       const struct nj_mqtt_limits *limits, const struct nj_mqtt_hooks *hooks,
			       struct nj_mqtt_broker **out_broker)
{
	if (!limits_agree(limits))
		return NJ_ERR_RANGE;
	struct nj_mqtt_broker *broker = calloc(1, sizeof(*broker));
	if (broker == NULL)
		return NJ_ERR_NO_MEMORY;
	broker->reactor = reactor;
	broker->random = random;
	broker->limits = *limits;
	broker->shared = &broker->own;
	broker->own.budget.beside = nj_reactor_held_bytes(reactor);
	nj_mqtt_shared_init(broker->shared, limits, random);
	nj_mqtt_limit_flows(broker);
	if (hooks != NULL)
		broker->hooks = *hooks;
	nj_random_fill(random, broker->seed, sizeof(broker->seed));
	nj_list_init(&broker->sessions);
	nj_list_init(&broker->no_keep.records);
	nj_list_init(&broker->clients);
	nj_map_init(&broker->spaces, space_key, SPACES_MAX, random);
	nj_map_init(&broker->session_map, session_key, limits->max_sessions, random);
	nj_map_init(&broker->subscriptions, subscription_key, SUBSCRIPTIONS_MAX, random);
	nj_map_init(&broker->tagged, nj_mqtt_client_tag, SUBSCRIPTIONS_MAX, random);
	broker->own_tallies = broker->tallies = nj_mqtt_tallies_new();
	broker->tells_sys = true;
	enum nj_err err = broker->tallies != NULL ? alloc_scratch(broker) : NJ_ERR_NO_MEMORY;
	if (err != NJ_OK) {
		nj_mqtt_broker_free(broker);
		return err;
	}
	nj_mqtt_sys_begin(broker);
	*out_broker = broker;
	return NJ_OK;
}

/* A connection whose broker is gone until its last call. */
static void orphan_close(struct nj_conn *conn, enum nj_close why)
{
}

const struct nj_conn_ops nj_mqtt_orphan_ops = { .on_close = orphan_close };

static void orphan(struct nj_mqtt_client *client)
{
	nj_conn_set_ops(client->conn, &nj_mqtt_orphan_ops, NULL);
	nj_conn_abort(client->conn, NJ_CLOSE_SHUTDOWN);
	nj_mqtt_client_free(client);
}

static struct nj_mqtt_client *client_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_client, link);
}

static struct nj_mqtt_session *session_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_session, link);
}

void nj_mqtt_broker_set_limits(struct nj_mqtt_broker *broker, const struct nj_mqtt_limits *limits)
{
	struct nj_mqtt_limits taken = broker->limits;

	taken.max_memory_bytes = limits->max_memory_bytes;
	taken.max_queued_messages = limits->max_queued_messages;
	taken.max_queued_bytes = limits->max_queued_bytes;
	taken.max_topic_levels = limits->max_topic_levels;
	taken.max_sessions = limits->max_sessions;
	taken.keep_alive_max_s = limits->keep_alive_max_s;
	taken.session_expiry_max_s = limits->session_expiry_max_s;
	taken.customer_queued_bytes = limits->customer_queued_bytes;
	taken.total_queued_bytes = limits->total_queued_bytes;
	taken.retained_max_count = limits->retained_max_count;
	taken.retained_max_bytes = limits->retained_max_bytes;
	taken.sys_interval_ms = limits->sys_interval_ms;
	taken.share_policy = limits->share_policy;
	taken.queue_full = limits->queue_full;
	memcpy(taken.server_reference, limits->server_reference, sizeof(taken.server_reference));
	memcpy(taken.response_topic, limits->response_topic, sizeof(taken.response_topic));
	taken.connect_timeout_ms = limits->connect_timeout_ms;
	if (!limits_agree(&taken))
		return;
	broker->limits = taken;
	nj_mqtt_limit_flows(broker);
	nj_mqtt_share_limits(broker->shared, &taken);
	broker->session_map.max = taken.max_sessions;
	nj_mqtt_sys_changed(broker);
}

void nj_mqtt_broker_hush(struct nj_mqtt_broker *broker)
{
	NJ_LIST_EACH (&broker->clients, at)
		nj_mqtt_pledges_leave(client_at(at));
}

void nj_mqtt_broker_close_journal(struct nj_mqtt_broker *broker)
{
	if (broker == NULL)
		return;
	nj_mqtt_journal_free(broker->journal);
	broker->journal = NULL;
}

void nj_mqtt_broker_free(struct nj_mqtt_broker *broker)
{
	if (broker == NULL)
		return;
	nj_mqtt_broker_hush(broker);
	nj_mqtt_broker_close_journal(broker);
	while (!nj_list_empty(&broker->sessions))
		nj_mqtt_session_free(session_at(broker->sessions.next));
	while (!nj_list_empty(&broker->clients))
		orphan(client_at(broker->clients.next));
	size_t cursor = 0;
	struct nj_mqtt_space *space;
	while ((space = nj_map_next(&broker->spaces, &cursor)) != NULL)
		free_space(broker, space);
	nj_map_done(&broker->spaces);
	nj_map_done(&broker->session_map);
	nj_map_done(&broker->subscriptions);
	nj_map_done(&broker->tagged);
	nj_timer_cancel(&broker->sys);
	nj_mqtt_tallies_free(broker->own_tallies);
	free(broker->packet);
	free(broker->head[0]);
	free(broker->head[1]);
	free(broker->codes);
	free(broker->forward);
	free(broker->match_ids);
	free(broker->peers);
	nj_mqtt_shared_done(&broker->own);
	free(broker);
}

void nj_mqtt_broker_close(struct nj_mqtt_broker *broker)
{
	enum nj_mqtt_reason reason =
	    broker->limits.server_reference[0] != '\0' ? NJ_MQTT_R_USE_ANOTHER_SERVER : NJ_MQTT_R_SHUTTING_DOWN;
	NJ_LIST_EACH (&broker->clients, at)
		nj_mqtt_client_close(client_at(at), reason, NJ_CLOSE_SHUTDOWN, false);
}

static bool is_uid(const uint8_t a[NJ_PARTY_UID_BYTES], const uint8_t b[NJ_PARTY_UID_BYTES])
{
	return memcmp(a, b, NJ_PARTY_UID_BYTES) == 0;
}

size_t nj_mqtt_cut(struct nj_mqtt_broker *broker, const uint8_t uid[NJ_PARTY_UID_BYTES])
{
	size_t count = 0;

	NJ_LIST_EACH (&broker->sessions, at) {
		if (!is_uid(session_at(at)->key, uid))
			continue;
		nj_mqtt_group_hand_over(session_at(at));
		nj_mqtt_session_free(session_at(at));
	}
	NJ_LIST_EACH (&broker->clients, at) {
		struct nj_mqtt_client *client = client_at(at);
		if (client->party == NULL || !is_uid(client->party->uid, uid))
			continue;
		client->phase = NJ_MQTT_ENDED;
		client->reason = NJ_MQTT_R_NOT_AUTHORIZED;
		nj_conn_abort(client->conn, NJ_CLOSE_REVOKED);
		count++;
	}
	return count;
}

size_t nj_mqtt_cut_chosen(struct nj_mqtt_broker *broker,
			  bool (*chosen)(void *arg, const struct nj_conn *conn, const struct nj_party *party),
			  void (*cut)(void *arg, const struct nj_conn *conn, const struct nj_party *party), void *arg)
{
	size_t count = 0;

	NJ_LIST_EACH (&broker->clients, at) {
		struct nj_mqtt_client *client = client_at(at);
		if (client->party == NULL || client->phase == NJ_MQTT_ENDED || client->doomed ||
		    !chosen(arg, client->conn, client->party))
			continue;
		cut(arg, client->conn, client->party);
		/* Its session learns of the end with on_close, and may outlive it. */
		client->doomed = true;
		client->reason = NJ_MQTT_R_NOT_AUTHORIZED;
		nj_conn_abort(client->conn, NJ_CLOSE_REVOKED);
		count++;
	}
	return count;
}

enum nj_err nj_mqtt_publish(struct nj_mqtt_broker *broker, const char *customer, struct nj_view topic,
			    struct nj_view payload, uint8_t qos, bool retain)
{
	struct nj_mqtt_space *space;
	struct nj_mqtt_content content = { .topic = topic, .payload = payload, .qos = qos, .retain = retain };
	if (qos > 2 || !nj_topic_name_valid(topic) || !nj_mqtt_topic_fits(broker, topic))
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_mqtt_space_of(broker, customer, &space));
	struct nj_mqtt_message *retained = NULL;
	if (retain)
		NJ_TRY(nj_mqtt_retain(space, broker, &content, &retained));
	(void)nj_mqtt_route(space, broker, &content, retained, NULL);
	return NJ_OK;
}

struct nj_mqtt_counters nj_mqtt_counters_of(const struct nj_mqtt_broker *broker)
{
	struct nj_mqtt_counters counters;
	const uint64_t *from = (const uint64_t *)&broker->counters;
	uint64_t *to = (uint64_t *)&counters;
	_Static_assert(sizeof(counters) % sizeof(*to) == 0, "counters alone");
	for (size_t i = 0; i < sizeof(counters) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	counters.retained = broker->shared->retained.count;
	counters.memory_bytes = nj_mqtt_budget_total(&broker->shared->budget);
	return counters;
}
