#include "mqtt/inspect.h"

#include "mqtt/client.h"

static struct nj_mqtt_session *session_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_session, link);
}

static struct nj_mqtt_sight sight_of(const struct nj_mqtt_session *session)
{
	const struct nj_mqtt_client *client = session->client;
	/* What is on disk holds what is in memory of it, too. */
	bool kept = session->keep->messages > session->flow.waiting_count;
	struct nj_mqtt_sight sight = {
		.party = session->party,
		.client_id = nj_mqtt_session_client_id(session),
		.subscriptions = session->subscription_count,
		.queued = kept ? session->keep->messages : session->flow.waiting_count,
		.queued_bytes = kept ? session->keep->bytes : session->flow.waiting_bytes,
		.inflight = session->flow.inflight_count,
		.discarded = session->flow.discarded,
		.expiry_s = session->expiry_s,
		.has_will = session->will != NULL,
	};
	if (client == NULL)
		return sight;
	sight.conn = client->conn;
	sight.version = client->version;
	sight.keep_alive_s = client->keep_alive_s;
	sight.silent_ms = (uint32_t)nj_reactor_now_ms(session->broker->reactor) - client->last_in_ms;
	sight.local = client->local;
	return sight;
}

static bool is_of(const struct nj_mqtt_session *session, const char *customer)
{
	return strcmp(session->space->customer, customer) == 0;
}

void nj_mqtt_see_sessions(struct nj_mqtt_broker *broker, const char *customer, nj_mqtt_sight_fn fn, void *arg)
{
	NJ_LIST_EACH (&broker->sessions, at) {
		if (!is_of(session_at(at), customer))
			continue;
		struct nj_mqtt_sight sight = sight_of(session_at(at));
		fn(arg, &sight);
	}
}

static void see_subscription(const struct nj_mqtt_subscription *s, const struct nj_mqtt_sight *session,
			     nj_mqtt_subscription_fn fn, void *arg)
{
	const struct nj_party *party = s->session->party;
	struct nj_verdict verdict =
	    nj_rights_check(nj_party_rights(party), &party->names, NJ_SUBSCRIBE, nj_mqtt_subscription_topics(s));
	uint8_t most = verdict.contract != NULL ? verdict.contract->max_qos : 2;
	struct nj_mqtt_subscription_sight sight = {
		.filter = nj_view_of(s->filter, s->filter_bytes),
		.qos = s->qos < most ? s->qos : most,
		.id = s->id,
		.allowed = verdict.allowed && !party->revoked,
	};
	fn(arg, session, &sight);
}

void nj_mqtt_see_subscriptions(struct nj_mqtt_broker *broker, const char *customer, nj_mqtt_subscription_fn fn,
			       void *arg)
{
	NJ_LIST_EACH (&broker->sessions, at) {
		struct nj_mqtt_session *session = session_at(at);
		if (!is_of(session, customer))
			continue;
		struct nj_mqtt_sight sight = sight_of(session);
		NJ_LIST_EACH (&session->subscriptions, s)
			see_subscription(NJ_CONTAINER(s, struct nj_mqtt_subscription, by_session), &sight, fn, arg);
	}
}

/* What does not fit is not told. */
static void tell_filter(struct nj_buf *filters, const struct nj_mqtt_subscription *s)
{
	uint8_t len[2];
	nj_put_u16(len, (uint16_t)s->filter_bytes);
	if (nj_buf_len(filters) + sizeof(len) + s->filter_bytes > NJ_MQTT_FILTERS_BYTES ||
	    nj_buf_append(filters, len, sizeof(len)) != NJ_OK)
		return;
	(void)!nj_buf_append(filters, s->filter, s->filter_bytes);
}

bool nj_mqtt_see_session(struct nj_mqtt_broker *broker, const struct nj_party *party, struct nj_view client_id,
			 struct nj_mqtt_session_state *out_state)
{
	struct nj_mqtt_session *session = nj_mqtt_session_find(broker, party, client_id);
	if (session == NULL)
		return false;
	struct nj_mqtt_sight sight = sight_of(session);
	*out_state = (struct nj_mqtt_session_state){ .queued = sight.queued,
						     .queued_bytes = sight.queued_bytes,
						     .inflight = sight.inflight };
	if (session->flow.received != NULL)
		memcpy(out_state->received, session->flow.received, NJ_MQTT_IDS_BYTES);
	nj_buf_init(&out_state->filters, NJ_MQTT_FILTERS_BYTES);
	NJ_LIST_EACH (&session->subscriptions, s)
		tell_filter(&out_state->filters, NJ_CONTAINER(s, struct nj_mqtt_subscription, by_session));
	return true;
}

struct retained_look {
	uint64_t now_ms;
	nj_mqtt_retained_fn fn;
	void *arg;
};

static void see_retained(void *arg, struct nj_mqtt_node *node)
{
	const struct retained_look *look = arg;
	const struct nj_mqtt_content *content = &node->retained->content;
	if (content->payload.len == 0 || nj_mqtt_content_expired(content, look->now_ms))
		return;
	struct nj_mqtt_retained_sight sight = {
		.topic = content->topic,
		.payload_bytes = content->payload.len,
		.qos = content->qos,
		.expires_in_ms = content->expires_ms == 0 ? 0 : content->expires_ms - look->now_ms,
	};
	look->fn(look->arg, &sight);
}

void nj_mqtt_see_retained(struct nj_mqtt_broker *broker, const char *customer, struct nj_view filter,
			  nj_mqtt_retained_fn fn, void *arg)
{
	struct retained_look look = { .now_ms = nj_reactor_now_ms(broker->reactor), .fn = fn, .arg = arg };
	struct nj_mqtt_space *space = nj_map_get(&broker->spaces, nj_view_str(customer));
	if (space != NULL)
		nj_mqtt_tree_find(&space->retained.tree, filter, see_retained, &look);
}

/* --- a kick --- */

static bool is_meant(const struct nj_mqtt_session *session, const uint8_t uid[NJ_PARTY_UID_BYTES],
		     const struct nj_view *client_id)
{
	return memcmp(session->key, uid, NJ_PARTY_UID_BYTES) == 0 &&
	       (client_id == NULL || nj_view_equal(nj_mqtt_session_client_id(session), *client_id));
}

/* Closing leaves the session, which may end it: what is still wanted of it comes before. */
static size_t kick_one(struct nj_mqtt_session *session, bool forget)
{
	struct nj_mqtt_client *client = session->client;
	if (client == NULL) {
		if (forget)
			nj_mqtt_session_end(session);
		return 0;
	}
	if (forget)
		session->expiry_s = 0;
	nj_mqtt_client_close(client, NJ_MQTT_R_ADMINISTRATIVE, NJ_CLOSE_KICKED, true);
	return 1;
}

size_t nj_mqtt_kick(struct nj_mqtt_broker *broker, const uint8_t uid[NJ_PARTY_UID_BYTES],
		    const struct nj_view *client_id, bool forget)
{
	size_t count = 0;
	NJ_LIST_EACH (&broker->sessions, at) {
		if (is_meant(session_at(at), uid, client_id))
			count += kick_one(session_at(at), forget);
	}
	return count;
}

/* --- taps --- */

void nj_mqtt_tap_add(struct nj_mqtt_broker *broker, struct nj_mqtt_tap *tap)
{
	tap->next = broker->taps;
	broker->taps = tap;
}

void nj_mqtt_tap_remove(struct nj_mqtt_broker *broker, const struct nj_mqtt_tap *tap)
{
	for (struct nj_mqtt_tap **at = &broker->taps; *at != NULL; at = &(*at)->next) {
		if (*at != tap)
			continue;
		*at = tap->next;
		return;
	}
}

void nj_mqtt_taps_see(const struct nj_mqtt_broker *broker, const struct nj_mqtt_space *space,
		      const struct nj_mqtt_content *content, const struct nj_mqtt_session *publisher)
{
	for (const struct nj_mqtt_tap *tap = broker->taps; tap != NULL; tap = tap->next) {
		if (strcmp(tap->customer, space->customer) == 0 && nj_topic_matches(tap->filter, content->topic))
			tap->seen(tap->arg, publisher != NULL ? publisher->party : NULL,
				  publisher != NULL ? nj_mqtt_session_client_id(publisher) : nj_view_of(NULL, 0),
				  content->topic, content->payload, content->qos, content->retain);
	}
}
