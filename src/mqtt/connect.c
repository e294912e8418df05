#include "base/text.h"
#include "mqtt/auth.h"
#include "mqtt/keep.h"
#include "mqtt/post.h"
#include "mqtt/replay.h"
#include "mqtt/will.h"

#define ASSIGNED_RANDOM 8
#define ASSIGNED_BYTES (sizeof("nj-") + 2 * ASSIGNED_RANDOM)
#define RECEIVE_MAXIMUM_DEFAULT 65535

/* What CONNECT and the limits come to. */
struct terms {
	struct nj_view client_id;
	char assigned[ASSIGNED_BYTES];
	bool is_assigned;
	uint32_t expiry_s;
	uint32_t asked_expiry_s;
};

/* Binds a plain connection by user name and password. False: it is not who knocked. */
static bool bind_plain(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c)
{
	const struct nj_mqtt_entry *entry = client->entry;
	struct nj_party *party = NULL;
	if (client->party != NULL)
		return true;
	if (entry->authenticate == NULL ||
	    entry->authenticate(entry->arg, client->conn, c->username, c->password, &party) != NJ_OK)
		return false;
	client->party = party;
	return true;
}

static void draw_client_id(struct nj_mqtt_broker *broker, struct terms *terms)
{
	uint8_t bytes[ASSIGNED_RANDOM];
	nj_random_fill(broker->random, bytes, sizeof(bytes));
	memcpy(terms->assigned, "nj-", 3);
	nj_hex_encode(bytes, sizeof(bytes), terms->assigned + 3);
	terms->client_id = nj_view_str(terms->assigned);
	terms->is_assigned = true;
}

/* One whose home is here, so that the client finds its session when it comes back. */
static void assign_client_id(const struct nj_mqtt_client *client, struct terms *terms)
{
	struct nj_mqtt_broker *broker = client->broker;
	do
		draw_client_id(broker, terms);
	while (broker->fabric != NULL &&
	       nj_mqtt_home(broker->fabric, client->party->uid, terms->client_id) != broker->place);
}

static void find_terms(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct terms *terms)
{
	const struct nj_mqtt_connect *c = &packet->as.connect;
	const struct nj_mqtt_limits *limits = &client->broker->limits;
	*terms = (struct terms){ .client_id = c->client_id };
	if (c->client_id.len == 0)
		assign_client_id(client, terms);
	if (c->version >= NJ_MQTT_V5)
		terms->asked_expiry_s = nj_mqtt_number(&packet->properties, NJ_MQTT_P_SESSION_EXPIRY, 0);
	else
		terms->asked_expiry_s = c->clean_start ? 0 : limits->session_expiry_max_s;
	uint32_t most_s = client->entry->lasting ? UINT32_MAX : limits->session_expiry_max_s;
	terms->expiry_s = terms->asked_expiry_s < most_s ? terms->asked_expiry_s : most_s;
}

static uint16_t keep_alive_of(const struct nj_mqtt_limits *limits, uint16_t asked_s)
{
	if (limits->keep_alive_max_s == 0 || (asked_s != 0 && asked_s <= limits->keep_alive_max_s))
		return asked_s;
	return limits->keep_alive_max_s < UINT16_MAX ? (uint16_t)limits->keep_alive_max_s : UINT16_MAX;
}

/* Keeps what the connection goes by. */
static enum nj_err keep_terms(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet,
			      const struct terms *terms)
{
	const struct nj_mqtt_connect *c = &packet->as.connect;
	const struct nj_mqtt_properties *p = &packet->properties;
	uint32_t send_max = nj_mqtt_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM_DEFAULT);
	if (!nj_mqtt_client_take_id(client, terms->client_id))
		return NJ_ERR_NO_MEMORY;
	client->clean_start = c->clean_start;
	client->expiry_was_zero = terms->asked_expiry_s == 0;
	if (send_max > client->broker->limits.max_inflight)
		send_max = client->broker->limits.max_inflight;
	client->send_max = (uint16_t)send_max;
	client->out_alias_max = (uint16_t)nj_mqtt_number(p, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM, 0);
	if (client->out_alias_max > client->broker->limits.topic_alias_max)
		client->out_alias_max = client->broker->limits.topic_alias_max;
	client->wants_response_info = nj_mqtt_number(p, NJ_MQTT_P_REQUEST_RESPONSE_INFO, 0) != 0;
	client->keep_alive_s = keep_alive_of(&client->broker->limits, c->keep_alive_s);
	return NJ_OK;
}

static bool will_refused(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c)
{
	const struct nj_party *party = client->party;
	if (!c->has_will)
		return false;
	if (!nj_mqtt_topic_fits(client->broker, c->will_topic)) {
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_TOPIC_NAME);
		return true;
	}
	struct nj_verdict verdict = nj_rights_check(nj_party_rights(party), &party->names, NJ_PUBLISH, c->will_topic);
	if (verdict.allowed)
		return false;
	nj_mqtt_tell_denied(client->broker, client, party, NJ_PUBLISH, c->will_topic, verdict);
	nj_mqtt_client_refuse(client, NJ_MQTT_R_NOT_AUTHORIZED, "the will's topic is not allowed");
	return true;
}

/* 3.1.4: an older connection of the session goes; its session stays, or not, as both CONNECTs want it. Its will is
 * published, unless it has a delay in which this client came back to the session (3.1.3.2.2). */
static struct nj_mqtt_session *take_over(struct nj_mqtt_client *client, const struct terms *terms)
{
	struct nj_mqtt_broker *broker = client->broker;
	struct nj_mqtt_session *session = nj_mqtt_session_find(broker, client->party, terms->client_id);
	if (session == NULL)
		return NULL;
	if (session->client != NULL) {
		nj_mqtt_client_close(session->client, NJ_MQTT_R_TAKEN_OVER, NJ_CLOSE_EVICTED, true);
		session = nj_mqtt_session_find(broker, client->party, terms->client_id);
	}
	if (session != NULL && client->clean_start) {
		nj_mqtt_session_end(session);
		session = NULL;
	}
	return session;
}

/* The session cannot be opened after all: one that was there before stays, with what it has and until when it had. */
static void leave_unopened(struct nj_mqtt_session *session, bool fresh, uint32_t former_expiry_s)
{
	if (fresh) {
		nj_mqtt_session_free(session);
		return;
	}
	session->expiry_s = former_expiry_s;
	nj_mqtt_session_detach(session, false);
}

/* What may fail for want of room comes before an older connection or session is touched. */
static enum nj_err open_session(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c,
				const struct terms *terms)
{
	struct nj_mqtt_broker *broker = client->broker;
	struct nj_mqtt_will *will;
	enum nj_err err = NJ_OK;
	NJ_TRY(nj_mqtt_will_of(broker, c, &will));
	struct nj_mqtt_session *session = take_over(client, terms);
	client->session_present = session != NULL;
	if (session == NULL)
		err = nj_mqtt_session_new(broker, client->party, terms->client_id, &session);
	if (err != NJ_OK) {
		nj_mqtt_will_free(broker, will);
		return err;
	}
	uint32_t former_expiry_s = session->expiry_s;
	nj_mqtt_session_attach(session, client);
	session->expiry_s = terms->expiry_s;
	nj_mqtt_will_set(session, will);
	err = nj_mqtt_keep_session(session);
	if (err != NJ_OK)
		leave_unopened(session, !client->session_present, former_expiry_s);
	return err;
}

static void put_text(struct nj_writer *w, struct nj_view text)
{
	nj_write_bytes(w, text.data, text.len);
}

/* The configured topic with the party's names in it; empty where it does not fit. */
static struct nj_view fill_names(const char *pattern, const struct nj_names *names, uint8_t *out, size_t cap)
{
	struct nj_writer w = nj_writer_of(out, cap);
	struct nj_view rest = nj_view_str(pattern);
	size_t len = 0;
	while (rest.len > 0) {
		static const char customer[] = "{customer}";
		static const char name[] = "{name}";
		size_t eaten = 1;
		if (rest.len >= sizeof(customer) - 1 && memcmp(rest.data, customer, sizeof(customer) - 1) == 0) {
			put_text(&w, nj_view_str(names->customer));
			eaten = sizeof(customer) - 1;
		} else if (rest.len >= sizeof(name) - 1 && memcmp(rest.data, name, sizeof(name) - 1) == 0) {
			put_text(&w, nj_view_str(names->name));
			eaten = sizeof(name) - 1;
		} else {
			nj_write_u8(&w, rest.data[0]);
		}
		rest = nj_view_of(rest.data + eaten, rest.len - eaten);
	}
	return nj_writer_end(&w, &len) == NJ_OK ? nj_view_of(out, len) : nj_view_of(out, 0);
}

/* 4.10: where a client may ask for responses; told to those alone who may subscribe there. */
static struct nj_view response_information(const struct nj_mqtt_client *client, uint8_t *out, size_t cap)
{
	const struct nj_party *party = client->party;
	struct nj_view topic = fill_names(client->broker->limits.response_topic, &party->names, out, cap - 2);
	if (!client->wants_response_info || topic.len == 0)
		return nj_view_of(out, 0);
	memcpy(out + topic.len, "/#", 2);
	struct nj_verdict verdict =
	    nj_rights_check(nj_party_rights(party), &party->names, NJ_SUBSCRIBE, nj_view_of(out, topic.len + 2));
	return verdict.allowed ? topic : nj_view_of(out, 0);
}

static void send_connack(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c, const struct terms *terms)
{
	const struct nj_mqtt_limits *limits = &client->broker->limits;
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_CONNACK };
	struct nj_mqtt_properties *p = &packet.properties;
	packet.as.connack.session_present = client->session_present;
	if (terms->expiry_s != terms->asked_expiry_s)
		nj_mqtt_set_number(p, NJ_MQTT_P_SESSION_EXPIRY, terms->expiry_s);
	if (terms->is_assigned)
		nj_mqtt_set_data(p, NJ_MQTT_P_ASSIGNED_CLIENT_ID, terms->client_id);
	if (client->keep_alive_s != c->keep_alive_s)
		nj_mqtt_set_number(p, NJ_MQTT_P_SERVER_KEEP_ALIVE, client->keep_alive_s);
	if (limits->topic_alias_max > 0)
		nj_mqtt_set_number(p, NJ_MQTT_P_TOPIC_ALIAS_MAXIMUM, limits->topic_alias_max);
	nj_mqtt_set_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, limits->max_inflight);
	nj_mqtt_set_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, limits->max_packet_bytes);
	uint8_t room[NJ_MQTT_TEXT_BYTES + 2 * NJ_NAME_BYTES];
	struct nj_view information = response_information(client, room, sizeof(room));
	nj_mqtt_auth_properties(client, p);
	if (information.len > 0)
		nj_mqtt_set_data(p, NJ_MQTT_P_RESPONSE_INFO, information);
	nj_mqtt_client_send(client, &packet);
}

static void welcome(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c, const struct terms *terms)
{
	const struct nj_mqtt_hooks *hooks = &client->broker->hooks;
	struct nj_mqtt_seen seen;
	client->phase = NJ_MQTT_CONNECTED;
	client->welcomed = true;
	free(client->entry);
	client->entry = NULL;
	client->space = client->session->space;
	client->space->count.values[NJ_MQTT_TALLY_CONNECTED]++;
	/* Without memory nobody can tell it anything: as if it did not read. */
	if (client->tag != 0)
		(void)!nj_map_put(&client->broker->tagged, client);
	nj_mqtt_client_watch(client, client->keep_alive_s * UINT64_C(1500));
	send_connack(client, c, terms);
	seen = nj_mqtt_client_seen(client);
	if (hooks->on_connected != NULL)
		hooks->on_connected(hooks->arg, &seen);
	nj_mqtt_keep_attach(client->session);
	nj_mqtt_replay_again(client->session);
	nj_mqtt_pump(client->session);
}

/* Whether there is room for it, as whoever owns the broker counts. */
static bool turned_away(struct nj_mqtt_client *client, const struct nj_mqtt_connect *c, const struct terms *terms)
{
	const struct nj_mqtt_hooks *hooks = &client->broker->hooks;
	const struct nj_mqtt_session *session = nj_mqtt_session_find(client->broker, client->party, terms->client_id);
	struct nj_mqtt_seen seen = nj_mqtt_client_seen(client);
	seen.client_id = c->client_id;
	uint8_t reason = hooks->may_connect == NULL
			     ? NJ_MQTT_R_SUCCESS
			     : hooks->may_connect(hooks->arg, &seen, session != NULL && session->client != NULL);
	if (reason == NJ_MQTT_R_SUCCESS)
		return false;
	nj_mqtt_client_refuse(client, (enum nj_mqtt_reason)reason,
			      reason == NJ_MQTT_R_CONNECT_RATE ? "too many connects, come back later"
							       : "too many connections");
	return true;
}

void nj_mqtt_on_connect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view body)
{
	const struct nj_mqtt_connect *c = &packet->as.connect;
	/* These two hold for a refusal too. */
	client->problem_info = nj_mqtt_number(&packet->properties, NJ_MQTT_P_REQUEST_PROBLEM_INFO, 1) != 0;
	client->max_packet_bytes = nj_mqtt_number(&packet->properties, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, UINT32_MAX);
	if (!bind_plain(client, c)) {
		nj_mqtt_client_refuse(client, NJ_MQTT_R_BAD_LOGIN, "not the party that knocked");
		return;
	}
	if (client->party->revoked) {
		nj_mqtt_client_refuse(client, NJ_MQTT_R_NOT_AUTHORIZED, "the party is revoked");
		return;
	}
	if (nj_mqtt_auth_connect(client, packet, body))
		nj_mqtt_connect_go_on(client, packet);
}

void nj_mqtt_connect_go_on(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_connect *c = &packet->as.connect;
	struct terms terms;
	if (c->client_id.len > NJ_MQTT_CLIENT_ID_MAX) {
		nj_mqtt_client_refuse(client, NJ_MQTT_R_BAD_CLIENT_ID, "the client identifier is too long");
		return;
	}
	if (will_refused(client, c))
		return;
	find_terms(client, packet, &terms);
	enum nj_err err = keep_terms(client, packet, &terms);
	if (err == NJ_OK && turned_away(client, c, &terms))
		return;
	if (err == NJ_OK)
		err = open_session(client, c, &terms);
	if (err != NJ_OK && client->broker->limits.server_reference[0] != '\0')
		nj_mqtt_client_refuse(client, NJ_MQTT_R_USE_ANOTHER_SERVER, "no room for another session here");
	else if (err != NJ_OK)
		nj_mqtt_client_refuse(client, NJ_MQTT_R_QUOTA_EXCEEDED, "no room for another session");
	else
		welcome(client, c, &terms);
}
