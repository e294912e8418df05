#include "mqtt/keep.h"
#include "mqtt/post.h"
#include "mqtt/replay.h"
#include "mqtt/share.h"

/* One message on its way to all its receivers. */
struct route {
	struct nj_mqtt_broker *broker;
	const struct nj_mqtt_content *content;
	const struct nj_mqtt_session *publisher;
	struct nj_mqtt_message *message;  /* made for the first receiver that must keep it */
	struct nj_mqtt_session *sessions; /* that match, linked by next_matched */
	struct nj_mqtt_group *groups;     /* likewise */
	uint64_t now_ms;
	size_t head_bytes[2]; /* of broker->head; 0: not written yet */
	uint16_t reactors;    /* brokers whose subscribers match */
};

/* What one receiver's matching subscriptions come to: one copy, the highest QoS, all identifiers (3.3.4). */
struct share {
	bool any;
	bool retain;
	uint8_t qos;
	uint32_t rights_version; /* for which the receiver may have it */
	size_t id_count;
	bool replayed;     /* a retained message, whose place in the queue was seen to */
	uint64_t group_id; /* a shared subscription's copy: apart from others */
};

static void collect(void *arg, struct nj_mqtt_node *node)
{
	struct route *route = arg;
	route->reactors |= node->reactors;
	for (struct nj_mqtt_group *group = node->groups; group != NULL; group = group->next) {
		group->next_matched = route->groups;
		route->groups = group;
	}
	NJ_LIST_EACH (&node->entries, at) {
		struct nj_mqtt_subscription *s = NJ_CONTAINER(at, struct nj_mqtt_subscription, by_node);
		if (s->no_local && s->session == route->publisher)
			continue;
		if (s->session->matched == NULL) {
			s->session->next_matched = route->sessions;
			route->sessions = s->session;
		}
		s->next_matched = s->session->matched;
		s->session->matched = s;
	}
}

/* The verdict on the filter is cached as long as the party's rights are what they were. */
static void refresh_verdict(struct nj_mqtt_subscription *s)
{
	const struct nj_party *party = s->session->party;
	uint32_t version = party->rights_version;
	if (s->rights_version == version)
		return;
	struct nj_verdict verdict =
	    nj_rights_check(nj_party_rights(party), &party->names, NJ_SUBSCRIBE, nj_mqtt_subscription_topics(s));
	nj_mqtt_subscription_judge(s, &verdict, version);
}

bool nj_mqtt_may_deliver(struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	if (s->session->party->revoked)
		return false;
	refresh_verdict(s);
	return s->allowed && content->payload.len <= s->max_bytes &&
	       (!s->partly || nj_mqtt_may_receive(s->session->party, content));
}

static bool may_deliver(struct nj_mqtt_subscription *s, const struct nj_mqtt_content *content)
{
	bool allowed = nj_mqtt_may_deliver(s, content);
	nj_mqtt_count(&s->session->broker->counters.messages_denied, !allowed);
	return allowed;
}

static uint8_t lesser(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static void add_id(struct route *route, struct share *share, const struct nj_mqtt_subscription *s)
{
	if (s->id != 0)
		route->broker->match_ids[share->id_count++] = s->id;
}

static struct share share_of(struct route *route, struct nj_mqtt_session *session)
{
	struct share share = { .rights_version = session->party->rights_version };
	for (struct nj_mqtt_subscription *s = session->matched; s != NULL; s = s->next_matched) {
		if (!may_deliver(s, route->content))
			continue;
		uint8_t qos = lesser(lesser(s->qos, s->max_qos), route->content->qos);
		share.any = true;
		share.qos = qos > share.qos ? qos : share.qos;
		share.retain |= s->retain_as_published && route->content->retain;
		add_id(route, &share, s);
	}
	return share;
}

static bool is_plain(const struct nj_mqtt_sending *sending)
{
	return sending->qos == 0 && !sending->retain && sending->id_count == 0 && sending->alias == 0;
}

/* The packet's part before the payload: the same for every plain receiver of one version, so written once. */
static struct nj_view head_of(struct route *route, const struct nj_mqtt_sending *sending)
{
	size_t which = sending->version >= NJ_MQTT_V5;
	uint8_t *at = is_plain(sending) ? route->broker->head[which] : route->broker->packet;
	if (is_plain(sending) && route->head_bytes[which] > 0)
		return nj_view_of(at, route->head_bytes[which]);
	size_t len = 0;
	struct nj_writer w = nj_writer_of(at, route->broker->packet_cap);
	nj_mqtt_publish_head(route->content, sending, &w);
	if (nj_writer_end(&w, &len) != NJ_OK)
		return nj_view_of(at, 0);
	if (is_plain(sending))
		route->head_bytes[which] = len;
	return nj_view_of(at, len);
}

static bool has_room(const struct nj_mqtt_client *client)
{
	return !client->doomed && nj_conn_unsent(client->conn) <= client->broker->limits.max_out_bytes / 2;
}

/* With a topic alias where that is possible and the packet fits (3.1.2-25). */
static bool settle(struct nj_mqtt_client *client, const struct nj_mqtt_content *content,
		   struct nj_mqtt_sending *sending)
{
	nj_mqtt_alias_choose(client, content->topic, sending);
	if (nj_mqtt_publish_size(content, sending) <= client->max_packet_bytes)
		return true;
	bool told_now = sending->alias != 0 && !sending->alias_known;
	sending->alias = 0;
	sending->alias_known = false;
	return told_now && nj_mqtt_publish_size(content, sending) <= client->max_packet_bytes;
}

static enum nj_err send_now(struct route *route, struct nj_mqtt_client *client, struct nj_mqtt_sending *sending)
{
	const struct nj_mqtt_content *content = route->content;
	if (!settle(client, content, sending))
		return NJ_ERR_TOO_LARGE;
	struct nj_view head = head_of(route, sending);
	if (head.len == 0)
		return NJ_ERR_TOO_LARGE;
	NJ_TRY(nj_conn_send2(client->conn, head, content->payload));
	nj_mqtt_alias_said(client, content->topic, sending);
	nj_mqtt_count(&route->broker->counters.messages_out, 1);
	nj_mqtt_count(&route->broker->counters.payload_bytes_out, content->payload.len);
	client->space->count.values[NJ_MQTT_TALLY_MESSAGES_OUT]++;
	client->space->count.values[NJ_MQTT_TALLY_BYTES_OUT] += content->payload.len;
	return NJ_OK;
}

static struct nj_mqtt_sending sending_to(const struct route *route, const struct nj_mqtt_client *client,
					 const struct share *share)
{
	return (struct nj_mqtt_sending){ .version = client->version,
					 .qos = share->qos,
					 .retain = share->retain,
					 .now_ms = route->now_ms,
					 .ids = route->broker->match_ids,
					 .id_count = share->id_count };
}

static void drop(struct nj_mqtt_broker *broker)
{
	nj_mqtt_count(&broker->counters.messages_dropped, 1);
}

/* NULL without room. */
static struct nj_mqtt_message *message_of(struct route *route)
{
	if (route->message == NULL &&
	    nj_mqtt_message_new(&route->broker->shared->budget, route->content, &route->message) != NJ_OK)
		route->message = NULL;
	return route->message;
}

/* Receivers elsewhere that do not get it: a publisher that is to be answered learns that they had no room. */
static void lose(struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content)
{
	drop(broker);
	if (broker->journal != NULL && content->qos > 0)
		broker->journal->full++;
}

/* In the queue of a session that lasts. */
static void keep_for(struct route *route, struct nj_mqtt_session *session, const struct share *share)
{
	struct nj_mqtt_journal *journal = route->broker->journal;
	struct nj_mqtt_kept kept = { .qos = share->qos,
				     .retain = share->retain,
				     .rights_version = share->rights_version,
				     .replayed = share->replayed,
				     .group_id = share->group_id,
				     .ids = route->broker->match_ids,
				     .id_count = share->id_count };
	struct nj_mqtt_message *message = message_of(route);
	if (message != NULL && nj_mqtt_keep_message(session, message, &kept) == NJ_OK) {
		journal->taken++;
		return;
	}
	journal->full++;
	drop(route->broker);
}

/* A queue in memory that has no room. */
static void wait_full(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	uint64_t gone = 0;
	if (limits->queue_full != NJ_MQTT_QUEUE_DROPS_OLDEST ||
	    nj_mqtt_flow_displace(&session->flow, delivery, &gone) != NJ_OK) {
		nj_mqtt_delivery_free(&session->flow, delivery);
		drop(session->broker);
	}
	nj_mqtt_queue_full(session, gone);
}

/* Keeps the message for the session, behind what waits already. */
static void queue_for(struct route *route, struct nj_mqtt_session *session, const struct share *share)
{
	struct nj_mqtt_flow *flow = &session->flow;
	struct nj_mqtt_delivery *delivery = NULL;
	if (route->broker->journal != NULL && nj_mqtt_lasts(session) && share->qos > 0) {
		keep_for(route, session, share);
		return;
	}
	if (message_of(route) != NULL)
		delivery = nj_mqtt_delivery_new(flow, route->message, route->broker->match_ids, share->id_count);
	if (delivery == NULL) {
		drop(route->broker);
		return;
	}
	delivery->qos = share->qos;
	delivery->retain = share->retain;
	delivery->group_id = share->group_id;
	delivery->rights_version = share->rights_version;
	if (share->replayed)
		nj_mqtt_flow_append(flow, delivery);
	else if (nj_mqtt_flow_wait(flow, delivery) != NJ_OK)
		wait_full(session, delivery);
}

/* What is queued for clients that do not read takes memory too. */
static bool at_ceiling(const struct route *route, const struct nj_mqtt_sending *sending)
{
	return nj_mqtt_publish_size(route->content, sending) > nj_mqtt_budget_left(&route->broker->shared->budget);
}

static void deliver(struct route *route, struct nj_mqtt_session *session, const struct share *share)
{
	struct nj_mqtt_client *client = session->client;
	if (share->qos > 0) {
		queue_for(route, session, share);
		nj_mqtt_pump(session);
		return;
	}
	if (client == NULL)
		return;
	struct nj_mqtt_sending sending = sending_to(route, client, share);
	if (!has_room(client) || at_ceiling(route, &sending) || send_now(route, client, &sending) != NJ_OK)
		drop(route->broker);
}

static void deliver_to_member(struct route *route, struct nj_mqtt_subscription *s)
{
	struct share share = { .qos = lesser(lesser(s->qos, s->max_qos), route->content->qos),
			       .rights_version = s->rights_version,
			       .retain = s->retain_as_published && route->content->retain,
			       .group_id = s->group->id };
	add_id(route, &share, s);
	deliver(route, s->session, &share);
}

/* To a member here, if it is this broker's turn. */
static bool deliver_to_group(struct nj_mqtt_space *space, struct route *route, struct nj_mqtt_group *group)
{
	struct nj_mqtt_broker *broker = route->broker;
	struct nj_mqtt_choice choice = { .label = group->label,
					 .stick = nj_mqtt_group_stick(broker, route->content, route->publisher) };
	size_t place = broker->place;
	if (broker->fabric != NULL && !nj_mqtt_group_where(broker, group, route->content, choice.stick, 0, &place))
		return false;
	if (place == broker->place) {
		struct nj_mqtt_subscription *s = nj_mqtt_group_pick(group, route->content, choice.stick, NULL);
		bool here = s != NULL && (broker->fabric == NULL || !nj_mqtt_member_full(s, route->content));
		if (here)
			deliver_to_member(route, s);
		if (here || broker->fabric == NULL)
			return here;
	}
	if (message_of(route) == NULL) {
		lose(broker, route->content);
		return true;
	}
	if (place == broker->place)
		return nj_mqtt_group_give(space, broker, group, route->message, &choice, NULL);
	nj_mqtt_forward_shared(space, broker, route->message, place, &choice);
	return true;
}

void nj_mqtt_deliver_shared(struct nj_mqtt_subscription *s, struct nj_mqtt_message *message)
{
	struct nj_mqtt_broker *broker = s->session->broker;
	struct route route = { .broker = broker,
			       .content = &message->content,
			       .message = nj_mqtt_message_ref(message),
			       .now_ms = nj_reactor_now_ms(broker->reactor) };
	deliver_to_member(&route, s);
	nj_mqtt_message_unref(route.message);
}

/* To the subscribers of this broker. */
static bool route_here(struct nj_mqtt_space *space, struct route *route)
{
	bool any = false;
	nj_mqtt_tree_match(&space->subscriptions, route->content->topic, collect, route);
	while (route->sessions != NULL) {
		struct nj_mqtt_session *session = route->sessions;
		struct share share = share_of(route, session);
		route->sessions = session->next_matched;
		session->matched = NULL;
		session->next_matched = NULL;
		any |= share.any;
		if (share.any)
			deliver(route, session, &share);
	}
	return any;
}

/* To one member of each group, wherever it is. */
static bool route_to_groups(struct nj_mqtt_space *space, struct route *route)
{
	bool any = false;
	for (struct nj_mqtt_group *group = route->groups; group != NULL; group = group->next_matched)
		any |= deliver_to_group(space, route, group);
	return any;
}

/* To those of the others. */
static bool route_on(struct nj_mqtt_space *space, struct route *route)
{
	struct nj_mqtt_broker *broker = route->broker;
	uint16_t reactors = (uint16_t)((route->reactors | broker->flooded) & ~(1u << broker->place));
	if (route->message != NULL && route->message->change != 0)
		nj_mqtt_retain_pass_on(space, broker, route->message);
	else if (reactors != 0 && message_of(route) != NULL)
		nj_mqtt_forward(space, broker, route->message, reactors, false);
	else if (reactors != 0)
		lose(broker, route->content);
	return reactors != 0;
}

bool nj_mqtt_route(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
		   struct nj_mqtt_message *retained, const struct nj_mqtt_session *publisher)
{
	struct route route = { .broker = broker,
			       .content = content,
			       .publisher = publisher,
			       .message = retained,
			       .now_ms = nj_reactor_now_ms(broker->reactor) };
	if (broker->taps != NULL)
		nj_mqtt_taps_see(broker, space, content, publisher);
	bool any = route_here(space, &route);
	/* A subscriber's own copy goes before that of its group, wherever it is. */
	if (broker->fabric != NULL)
		any |= route_on(space, &route);
	any |= route_to_groups(space, &route);
	nj_mqtt_message_unref(route.message);
	return any;
}

void nj_mqtt_route_forwarded(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker,
			     struct nj_mqtt_message *message)
{
	struct route route = { .broker = broker,
			       .content = &message->content,
			       .message = message,
			       .now_ms = nj_reactor_now_ms(broker->reactor) };
	(void)route_here(space, &route);
}

/* QoS 0 too waits its turn: a retained message is what the subscriber asked for. */
static void queue_retained(struct nj_mqtt_subscription *s, struct nj_mqtt_message *message)
{
	struct nj_mqtt_broker *broker = s->session->broker;
	struct route route = { .broker = broker,
			       .content = &message->content,
			       .message = message,
			       .now_ms = nj_reactor_now_ms(broker->reactor) };
	if (!may_deliver(s, &message->content) || s->no_retained)
		return;
	struct share share = { .qos = lesser(lesser(s->qos, s->max_qos), message->content.qos),
			       .rights_version = s->rights_version,
			       .retain = true,
			       .replayed = true };
	add_id(&route, &share, s);
	queue_for(&route, s->session, &share);
}

/* In the store what is in flight counts too. */
static bool half_empty(const struct nj_mqtt_session *session)
{
	const struct nj_mqtt_flow *flow = &session->flow;
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	const struct nj_mqtt_keep *keep = session->keep;
	if (nj_mqtt_lasts(session) && keep->messages > 0 &&
	    (keep->messages >= limits->max_queued_messages / 2 || keep->bytes >= limits->max_queued_bytes / 2))
		return false;
	return flow->waiting_count == 0 || (flow->waiting_count < flow->limits->max_waiting / 2 &&
					    flow->waiting_bytes < flow->limits->max_waiting_bytes / 2);
}

/* Turns retained messages into deliveries, as far as half of the queue has room: the rest is for what comes. */
static void feed(struct nj_mqtt_session *session)
{
	while (!nj_list_empty(&session->replays) && !session->keep->behind && half_empty(session)) {
		struct nj_mqtt_subscription *s;
		struct nj_mqtt_message *message = nj_mqtt_replay_next(session, &s);
		if (message == NULL)
			return;
		queue_retained(s, message);
		nj_mqtt_message_unref(message);
	}
}

/* A message that waited: is it still to be sent? What was sent once already is repeated in any case (4.4). */
static bool still_wanted(struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery, uint64_t now_ms)
{
	const struct nj_mqtt_content *content = &delivery->message->content;
	if (session->party->revoked || (delivery->rights_version != session->party->rights_version &&
					!nj_mqtt_may_receive(session->party, content))) {
		nj_mqtt_count(&session->broker->counters.messages_denied, 1);
		return false;
	}
	if (delivery->packet_id != 0 || !nj_mqtt_content_expired(content, now_ms))
		return true;
	drop(session->broker);
	return false;
}

static enum nj_err send_waiting(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery, uint64_t now_ms)
{
	struct nj_mqtt_client *client = session->client;
	struct route route = { .broker = session->broker, .content = &delivery->message->content, .now_ms = now_ms };
	struct nj_mqtt_sending sending = { .version = client->version,
					   .qos = delivery->qos,
					   .retain = delivery->retain,
					   .dup = delivery->dup && delivery->qos > 0,
					   .packet_id = delivery->packet_id,
					   .now_ms = now_ms,
					   .ids = delivery->ids,
					   .id_count = delivery->id_count };
	return send_now(&route, client, &sending);
}

/* Sends or drops the first that waits. False: no more now. */
static bool pump_one(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery, uint64_t now_ms)
{
	struct nj_mqtt_flow *flow = &session->flow;
	if (delivery->released) {
		nj_mqtt_flow_sent(flow, delivery);
		nj_mqtt_client_ack(session->client, NJ_MQTT_PUBREL, delivery->packet_id, 0);
		return true;
	}
	if (nj_mqtt_keep_waits(delivery))
		return false;
	if (!still_wanted(session, delivery, now_ms)) {
		nj_mqtt_delivery_over(session, delivery);
		return true;
	}
	if (delivery->qos > 0 && nj_mqtt_flow_number(flow, delivery) != NJ_OK)
		return false;
	enum nj_err err = send_waiting(session, delivery, now_ms);
	if (err == NJ_ERR_CLOSED)
		return false;
	if (err != NJ_OK) {
		drop(session->broker);
		nj_mqtt_delivery_over(session, delivery);
	} else if (delivery->qos > 0) {
		nj_mqtt_flow_sent(flow, delivery);
		nj_mqtt_keep_sent(session, delivery);
	} else {
		nj_mqtt_delivery_over(session, delivery);
	}
	return true;
}

void nj_mqtt_pump(struct nj_mqtt_session *session)
{
	uint64_t now_ms = nj_reactor_now_ms(session->broker->reactor);
	struct nj_mqtt_delivery *delivery;
	bool more = true;
	feed(session);
	while (more && session->client != NULL && has_room(session->client) &&
	       session->flow.inflight_count < session->client->send_max &&
	       (delivery = nj_mqtt_flow_next(&session->flow)) != NULL) {
		more = pump_one(session, delivery, now_ms);
		feed(session);
	}
	nj_mqtt_keep_refill(session);
}

enum nj_err nj_mqtt_tell(struct nj_mqtt_broker *broker, uint64_t tag, struct nj_view topic, struct nj_view payload)
{
	struct nj_mqtt_client *client = nj_map_get(&broker->tagged, nj_view_of(&tag, sizeof(tag)));
	struct nj_mqtt_content content = { .topic = topic, .payload = payload };
	struct route route = { .broker = broker, .content = &content };
	if (client == NULL)
		return NJ_ERR_NOT_FOUND;
	struct nj_mqtt_sending sending = { .version = client->version };
	if (client->phase != NJ_MQTT_CONNECTED || client->doomed)
		return NJ_ERR_CLOSED;
	if (!has_room(client))
		return NJ_ERR_LIMIT;
	return send_now(&route, client, &sending);
}

struct nj_view nj_mqtt_forwarded(struct nj_mqtt_broker *broker, const struct nj_mqtt_properties *properties)
{
	if ((properties->present & ~NJ_MQTT_FORWARDED) == 0)
		return properties->raw;
	struct nj_writer w = nj_writer_of(broker->forward, broker->limits.max_packet_bytes);
	nj_mqtt_properties_copy(properties, NJ_MQTT_FORWARDED, &w);
	return nj_view_of(broker->forward, w.pos);
}
