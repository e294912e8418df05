#include "mqtt/auth.h"
#include "mqtt/pledge.h"
#include "mqtt/post.h"

#define SLOWED_MS 1 /* until it is looked again whether other brokers, or the disk, have caught up */
#define PLEDGED_ITEMS_MAX                                                                          \
	1024 /* past this many a client's next packet waits: each takes memory until it is on disk \
	      */

struct nj_mqtt_seen nj_mqtt_client_seen(struct nj_mqtt_client *client)
{
	return (struct nj_mqtt_seen){ .party = client->party,
				      .peer = nj_conn_peer(client->conn),
				      .client_id = nj_mqtt_client_id(client),
				      .version = client->version,
				      .keep_alive_s = client->keep_alive_s,
				      .clean_start = client->clean_start,
				      .session_present = client->session_present,
				      .local = client->local,
				      .tag = client->tag,
				      .conn = client->conn };
}

struct nj_view nj_mqtt_client_tag(const void *client)
{
	const uint64_t *tag = &((const struct nj_mqtt_client *)client)->tag;
	return nj_view_of(tag, sizeof(*tag));
}

struct nj_view nj_mqtt_client_id(const struct nj_mqtt_client *client)
{
	return client->session != NULL ? nj_mqtt_session_client_id(client->session)
				       : nj_view_of(client->client_id, client->client_id_bytes);
}

static void drop_client_id(struct nj_mqtt_client *client)
{
	free(client->client_id);
	client->client_id = NULL;
	client->client_id_bytes = 0;
}

bool nj_mqtt_client_take_id(struct nj_mqtt_client *client, struct nj_view client_id)
{
	uint8_t *copy = malloc(client_id.len > 0 ? client_id.len : 1);
	drop_client_id(client);
	if (copy == NULL)
		return false;
	if (client_id.len > 0)
		memcpy(copy, client_id.data, client_id.len);
	client->client_id = copy;
	client->client_id_bytes = (uint16_t)client_id.len;
	return true;
}

void nj_mqtt_client_join(struct nj_mqtt_client *client, struct nj_mqtt_session *session)
{
	drop_client_id(client);
	client->session = session;
}

void nj_mqtt_client_part(struct nj_mqtt_client *client)
{
	(void)nj_mqtt_client_take_id(client, nj_mqtt_session_client_id(client->session));
	client->session = NULL;
}

/* --- sending --- */

static void doom(struct nj_mqtt_client *client, enum nj_close why)
{
	client->doomed = true;
	nj_conn_abort(client->conn, why);
}

/* An answer that the client has no room for: saying nothing would leave it waiting for ever. */
static void end_unanswered(struct nj_mqtt_client *client)
{
	static const uint8_t disconnect[] = { NJ_MQTT_DISCONNECT << 4, 1, NJ_MQTT_R_TOO_LARGE };
	bool heard = client->phase == NJ_MQTT_CONNECTED && client->max_packet_bytes >= sizeof(disconnect) &&
		     nj_conn_send(client->conn, disconnect, sizeof(disconnect)) == NJ_OK;
	client->reason = NJ_MQTT_R_TOO_LARGE;
	client->doomed = true;
	if (heard)
		nj_conn_finish(client->conn, NJ_CLOSE_PROTOCOL);
	else
		nj_conn_abort(client->conn, NJ_CLOSE_PROTOCOL);
}

void nj_mqtt_client_send(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_broker *broker = client->broker;
	size_t len = 0;
	if (client->doomed)
		return;
	enum nj_err err = nj_mqtt_encode(packet, client->version, broker->packet, broker->packet_cap, &len);
	if (err == NJ_OK && len > client->max_packet_bytes && packet->properties.present != 0) {
		/* What is said beside the point goes before the client's limit does (3.1.2.11.4). */
		struct nj_mqtt_packet bare = *packet;
		nj_mqtt_properties_clear(&bare.properties);
		err = nj_mqtt_encode(&bare, client->version, broker->packet, broker->packet_cap, &len);
	}
	if (err == NJ_OK && len > client->max_packet_bytes) {
		end_unanswered(client);
		return;
	}
	if (err == NJ_OK)
		err = nj_conn_send(client->conn, broker->packet, len);
	if (err != NJ_OK && err != NJ_ERR_CLOSED)
		doom(client, NJ_CLOSE_OVERFLOW);
}

void nj_mqtt_client_say_why(const struct nj_mqtt_client *client, struct nj_mqtt_packet *packet, const char *text)
{
	nj_mqtt_properties_clear(&packet->properties);
	if (text != NULL && client->version >= NJ_MQTT_V5 && client->problem_info)
		nj_mqtt_set_data(&packet->properties, NJ_MQTT_P_REASON_STRING, nj_view_str(text));
}

void nj_mqtt_client_ack_why(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code,
			    const char *text)
{
	struct nj_mqtt_packet packet;
	packet.type = type;
	packet.as.ack = (struct nj_mqtt_ack){ .packet_id = packet_id, .code = code };
	nj_mqtt_client_say_why(client, &packet, text);
	nj_mqtt_client_send(client, &packet);
}

void nj_mqtt_client_ack(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code)
{
	nj_mqtt_client_ack_why(client, type, packet_id, code, NULL);
}

/* --- the end --- */

/* 4.11 */
static void add_server_reference(const struct nj_mqtt_client *client, struct nj_mqtt_packet *packet,
				 enum nj_mqtt_reason reason)
{
	if (reason == NJ_MQTT_R_USE_ANOTHER_SERVER && client->version >= NJ_MQTT_V5)
		nj_mqtt_set_data(&packet->properties, NJ_MQTT_P_SERVER_REFERENCE,
				 nj_view_str(client->broker->limits.server_reference));
}

static void send_disconnect(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_DISCONNECT };
	if (client->version < NJ_MQTT_V5 || !nj_mqtt_reason_legal((uint8_t)reason, NJ_MQTT_IN_DISCONNECT))
		return;
	packet.as.ack.code = (uint8_t)reason;
	nj_mqtt_client_say_why(client, &packet, text);
	add_server_reference(client, &packet, reason);
	nj_mqtt_client_send(client, &packet);
}

static void leave_session(struct nj_mqtt_client *client, bool with_will)
{
	nj_mqtt_pledges_leave(client);
	nj_timer_cancel(&client->limit);
	client->phase = NJ_MQTT_ENDED;
	if (client->session != NULL)
		nj_mqtt_session_detach(client->session, with_will);
}

static void close_with(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text, enum nj_close why,
		       bool with_will)
{
	if (client->phase == NJ_MQTT_ENDED)
		return;
	if (client->phase == NJ_MQTT_CONNECTED && reason != NJ_MQTT_R_SUCCESS)
		send_disconnect(client, reason, text);
	client->reason = (uint8_t)reason;
	leave_session(client, with_will);
	nj_conn_finish(client->conn, why);
}

void nj_mqtt_client_close(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, enum nj_close why, bool with_will)
{
	close_with(client, reason, NULL, why, with_will);
}

static void tell_error(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text)
{
	const struct nj_mqtt_hooks *hooks = &client->broker->hooks;
	struct nj_mqtt_seen seen = nj_mqtt_client_seen(client);
	nj_mqtt_count(&client->broker->counters.faults, 1);
	if (hooks->on_error != NULL)
		hooks->on_error(hooks->arg, &seen, (uint8_t)reason, text);
}

static void send_refusal(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_CONNACK };
	packet.as.connack.code = client->version >= NJ_MQTT_V5 ? (uint8_t)reason : nj_mqtt_connack_v311(reason);
	nj_mqtt_client_say_why(client, &packet, text);
	add_server_reference(client, &packet, reason);
	nj_mqtt_client_send(client, &packet);
}

void nj_mqtt_client_refuse(struct nj_mqtt_client *client, enum nj_mqtt_reason reason, const char *text)
{
	tell_error(client, reason, text);
	client->reason = (uint8_t)reason;
	if (client->party == NULL) {
		/* Whoever has not proved a knock hears nothing. */
		leave_session(client, false);
		doom(client, NJ_CLOSE_UNBOUND);
		return;
	}
	/* 3.1.1 has an answer to a wrong version and to a refusal, none to a malformed packet (3.2.2.3, 4.8). */
	if (nj_mqtt_reason_legal((uint8_t)reason, NJ_MQTT_IN_CONNACK) &&
	    (client->version >= NJ_MQTT_V5 || (reason != NJ_MQTT_R_MALFORMED && reason != NJ_MQTT_R_PROTOCOL_ERROR)))
		send_refusal(client, reason, text);
	leave_session(client, false);
	nj_conn_finish(client->conn, NJ_CLOSE_PROTOCOL);
}

static enum nj_close close_of(enum nj_mqtt_fault fault)
{
	return fault == NJ_MQTT_FAULT_KEEP_ALIVE || fault == NJ_MQTT_FAULT_CONNECT_TIMEOUT ? NJ_CLOSE_IDLE
											   : NJ_CLOSE_PROTOCOL;
}

void nj_mqtt_client_fault(struct nj_mqtt_client *client, enum nj_mqtt_fault fault)
{
	enum nj_mqtt_reason reason = nj_mqtt_fault_reason(fault);
	const char *text = nj_mqtt_fault_text(fault);
	if (client->phase == NJ_MQTT_AWAITS_CONNECT) {
		nj_mqtt_client_refuse(client, reason, text);
		return;
	}
	if (client->phase == NJ_MQTT_ENDED)
		return;
	tell_error(client, reason, text);
	close_with(client, reason, text, close_of(fault), true);
}

void nj_mqtt_client_doom(struct nj_mqtt_client *client, enum nj_mqtt_fault fault)
{
	if (client->phase == NJ_MQTT_ENDED || client->doomed)
		return;
	client->reason = (uint8_t)nj_mqtt_fault_reason(fault);
	tell_error(client, nj_mqtt_fault_reason(fault), nj_mqtt_fault_text(fault));
	doom(client, NJ_CLOSE_PROTOCOL);
}

/* --- time --- */

static void on_limit(struct nj_timer *timer)
{
	struct nj_mqtt_client *client = NJ_CONTAINER(timer, struct nj_mqtt_client, limit);
	struct nj_reactor *reactor = client->broker->reactor;
	if (client->phase == NJ_MQTT_AWAITS_CONNECT) {
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_CONNECT_TIMEOUT);
		return;
	}
	/* What is not read, as it came too fast or costs too much, may be a sign of life. */
	if (nj_conn_held(client->conn))
		client->last_in_ms = (uint32_t)nj_reactor_now_ms(reactor);
	/* Packets only note their time; the timer catches up when it rings. 3.1.2.10: one and a half. */
	uint64_t limit_ms = client->keep_alive_s * UINT64_C(1500);
	uint32_t idle_ms = (uint32_t)nj_reactor_now_ms(reactor) - client->last_in_ms;
	if (idle_ms >= limit_ms)
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_KEEP_ALIVE);
	else
		nj_timer_arm(reactor, timer, limit_ms - idle_ms);
}

void nj_mqtt_client_watch(struct nj_mqtt_client *client, uint64_t idle_ms)
{
	if (idle_ms == 0)
		nj_timer_cancel(&client->limit);
	else
		nj_timer_arm(client->broker->reactor, &client->limit, idle_ms);
}

void nj_mqtt_client_slow(struct nj_mqtt_client *client)
{
	if (nj_mqtt_post_high(client->broker) && !client->doomed)
		nj_conn_pause_for(client->conn, SLOWED_MS);
}

/* --- packets --- */

static void on_pingreq(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_packet answer = { .type = NJ_MQTT_PINGRESP };
	nj_mqtt_client_send(client, &answer);
}

/* 3.14: the client may change how long its session lives, not make a session that was to end live on. */
static void on_disconnect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_session *session = client->session;
	uint32_t expiry_s = nj_mqtt_number(&packet->properties, NJ_MQTT_P_SESSION_EXPIRY, session->expiry_s);
	if (client->expiry_was_zero && expiry_s != 0) {
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_SESSION_EXPIRY);
		return;
	}
	uint32_t max_s = client->broker->limits.session_expiry_max_s;
	session->expiry_s = expiry_s < max_s ? expiry_s : max_s;
	bool with_will = packet->as.ack.code != NJ_MQTT_R_SUCCESS;
	close_with(client, NJ_MQTT_R_SUCCESS, NULL, NJ_CLOSE_PEER, with_will);
}

static void on_second_connect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	nj_mqtt_client_fault(client, NJ_MQTT_FAULT_SECOND_CONNECT);
}

typedef void (*packet_fn)(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);

static const packet_fn handlers[16] = {
	[NJ_MQTT_CONNECT] = on_second_connect,
	[NJ_MQTT_PUBLISH] = nj_mqtt_on_publish,
	[NJ_MQTT_PUBACK] = nj_mqtt_on_puback,
	[NJ_MQTT_PUBREC] = nj_mqtt_on_pubrec,
	[NJ_MQTT_PUBREL] = nj_mqtt_on_pubrel,
	[NJ_MQTT_PUBCOMP] = nj_mqtt_on_pubcomp,
	[NJ_MQTT_SUBSCRIBE] = nj_mqtt_on_subscribe,
	[NJ_MQTT_UNSUBSCRIBE] = nj_mqtt_on_unsubscribe,
	[NJ_MQTT_PINGREQ] = on_pingreq,
	[NJ_MQTT_DISCONNECT] = on_disconnect,
	[NJ_MQTT_AUTH] = nj_mqtt_on_auth,
};

static void handle_first(struct nj_mqtt_client *client, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_packet packet;
	if (client->auth != NULL) {
		nj_mqtt_auth_waiting(client, frame);
		return;
	}
	if (frame->type != NJ_MQTT_CONNECT) {
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_NOT_CONNECTED);
		return;
	}
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, 0, NJ_MQTT_FROM_CLIENT, &packet);
	client->version = packet.as.connect.version;
	if (fault != NJ_MQTT_FAULT_NONE)
		nj_mqtt_client_fault(client, fault);
	else
		nj_mqtt_on_connect(client, &packet, frame->body);
}

static void handle(struct nj_mqtt_client *client, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_packet packet;
	if (client->phase == NJ_MQTT_AWAITS_CONNECT) {
		handle_first(client, frame);
		return;
	}
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, client->version, NJ_MQTT_FROM_CLIENT, &packet);
	if (fault != NJ_MQTT_FAULT_NONE)
		nj_mqtt_client_fault(client, fault);
	else
		handlers[packet.type](client, &packet);
}

static bool is_over(const struct nj_mqtt_client *client)
{
	return client->phase == NJ_MQTT_ENDED || client->doomed;
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	struct nj_mqtt_client *client = nj_conn_user(conn);
	uint32_t max_bytes = client->broker->limits.max_packet_bytes;
	size_t eaten = 0;
	client->last_in_ms = (uint32_t)nj_reactor_now_ms(client->broker->reactor);
	nj_mqtt_client_slow(client);
	while (!is_over(client)) {
		if (client->pledged_items >= PLEDGED_ITEMS_MAX)
			nj_conn_pause_for(conn, SLOWED_MS);
		if (nj_conn_held(conn))
			return eaten;
		struct nj_mqtt_frame frame;
		size_t need = 0;
		struct nj_view rest = nj_view_of(in.data + eaten, in.len - eaten);
		enum nj_mqtt_fault fault = nj_mqtt_frame(rest, max_bytes, &frame, &need);
		if (fault != NJ_MQTT_FAULT_NONE) {
			nj_mqtt_client_fault(client, fault);
			break;
		}
		if (need > 0)
			return eaten;
		eaten += frame.total;
		handle(client, &frame);
		if (frame.type == NJ_MQTT_PUBLISH)
			nj_conn_charge(conn, 1);
		else if (frame.type == NJ_MQTT_SUBSCRIBE || frame.type == NJ_MQTT_UNSUBSCRIBE)
			nj_mqtt_client_slow(client);
	}
	return is_over(client) ? in.len : eaten;
}

static void on_open(struct nj_conn *conn)
{
}

static void on_drained(struct nj_conn *conn)
{
	struct nj_mqtt_client *client = nj_conn_user(conn);
	if (client->session != NULL)
		nj_mqtt_pump(client->session);
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	struct nj_mqtt_client *client = nj_conn_user(conn);
	const struct nj_mqtt_hooks *hooks = &client->broker->hooks;
	if (client->phase != NJ_MQTT_ENDED)
		leave_session(client, why != NJ_CLOSE_REVOKED);
	struct nj_mqtt_seen seen = nj_mqtt_client_seen(client);
	if (client->welcomed)
		client->space->count.values[NJ_MQTT_TALLY_CONNECTED]--;
	if (client->welcomed && hooks->on_disconnected != NULL)
		hooks->on_disconnected(hooks->arg, &seen, why, client->reason);
	if (client->party == NULL && client->entry->unbound != NULL)
		client->entry->unbound(client->entry->arg, why);
	nj_mqtt_client_free(client);
}

const struct nj_conn_ops nj_mqtt_client_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_drained = on_drained,
	.on_close = on_close,
};

static struct nj_mqtt_client *new_client(struct nj_mqtt_broker *broker, struct nj_conn *conn,
					 const struct nj_mqtt_entry *entry)
{
	struct nj_mqtt_client *client = calloc(1, sizeof(*client));
	struct nj_mqtt_entry *own = malloc(sizeof(*own));
	if (client == NULL || own == NULL) {
		free(client);
		free(own);
		return NULL;
	}
	*own = *entry;
	client->conn = conn;
	client->broker = broker;
	client->entry = own;
	client->verifier = entry->verifier;
	client->tag = entry->tag;
	client->local = entry->local;
	client->party = entry->party != NULL ? nj_party_ref(entry->party) : NULL;
	nj_list_init(&client->pledges);
	client->limit.on_timer = on_limit;
	client->problem_info = true;
	client->max_packet_bytes = UINT32_MAX;
	nj_list_push_back(&broker->clients, &client->link);
	nj_mqtt_count(&broker->counters.connections, 1);
	nj_mqtt_client_watch(client, entry->connect_timeout_ms != 0 ? entry->connect_timeout_ms
								    : broker->limits.connect_timeout_ms);
	return client;
}

enum nj_err nj_mqtt_accept(struct nj_mqtt_broker *broker, struct nj_conn *conn, const struct nj_mqtt_entry *entry)
{
	struct nj_mqtt_client *client = new_client(broker, conn, entry);
	if (client == NULL) {
		nj_conn_abort(conn, NJ_CLOSE_IO);
		return NJ_ERR_NO_MEMORY;
	}
	nj_conn_set_ops(conn, &nj_mqtt_client_ops, client);
	return NJ_OK;
}

void nj_mqtt_accept_moved(struct nj_mqtt_broker *broker, struct nj_conn *conn, const struct nj_mqtt_entry *entry)
{
	struct nj_mqtt_client *client = new_client(broker, conn, entry);
	nj_conn_attach(conn, broker->reactor, client != NULL ? &nj_mqtt_client_ops : &nj_mqtt_orphan_ops, client);
	if (client == NULL)
		nj_conn_abort(conn, NJ_CLOSE_IO);
}

void nj_mqtt_client_free(struct nj_mqtt_client *client)
{
	nj_timer_cancel(&client->limit);
	nj_list_remove(&client->link);
	if (nj_map_get(&client->broker->tagged, nj_mqtt_client_tag(client)) == client)
		(void)nj_map_remove(&client->broker->tagged, nj_mqtt_client_tag(client));
	nj_mqtt_count(&client->broker->counters.connections, UINT64_MAX);
	nj_mqtt_pledges_leave(client);
	nj_mqtt_aliases_free(client);
	nj_mqtt_auth_end(client);
	if (client->party != NULL)
		nj_party_unref(client->party);
	drop_client_id(client);
	free(client->entry);
	free(client);
}
