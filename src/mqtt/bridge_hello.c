/* How a bridge greets its two sides, what they answer, and what it subscribes to. */
#include "mqtt/bridge_internal.h"

#define RECEIVE_MAX_OLDER 20 /* of a peer that cannot tell: Mosquitto's, and below everybody's */
#define RECEIVE_MAX_DEFAULT 65535
#define EXPIRES_NEVER UINT32_MAX

/* Of neither side's messages in flight by plan: ids are the sessions', and random ones meet theirs but once in a while,
 * which the next try mends. */
static uint16_t random_id(const struct nj_mqtt_bridge *b)
{
	return (uint16_t)(1 + nj_random_u64(b->config.random) % UINT16_MAX);
}

static size_t less(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- CONNECT ---- */

void bridge_hello_local(struct nj_mqtt_bridge *b)
{
	const struct nj_mqtt_bridge_config *config = &b->config;
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_CONNECT };
	struct nj_mqtt_properties *p = &packet.properties;
	size_t growth = nj_mqtt_bridge_topic_growth(config->topics, config->topic_count, true);

	packet.as.connect.version = NJ_MQTT_V5;
	packet.as.connect.client_id = nj_view_str(config->local_id);
	nj_mqtt_set_number(p, NJ_MQTT_P_SESSION_EXPIRY, EXPIRES_NEVER);
	if (b->stage == NJ_MQTT_BRIDGE_PREPARING) {
		nj_mqtt_set_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, 1);
	} else {
		size_t most = less(b->peer.max_packet_bytes, config->max_packet_bytes);
		nj_mqtt_set_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, b->peer_receive_max);
		/* What the peer would not take stays behind here. */
		nj_mqtt_set_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, (uint32_t)(most > growth ? most - growth : 1));
	}
	bridge_say(&b->local, &packet);
}

void bridge_hello_peer(struct nj_mqtt_bridge *b)
{
	const struct nj_mqtt_bridge_config *config = &b->config;
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_CONNECT };
	struct nj_mqtt_connect *c = &packet.as.connect;
	size_t growth = nj_mqtt_bridge_topic_growth(config->topics, config->topic_count, false);

	b->peer.version = config->version != NJ_MQTT_NEVER ? config->version : NJ_MQTT_V5;
	if (config->version == NJ_MQTT_NEVER && b->older)
		b->peer.version = NJ_MQTT_V311;
	c->version = b->peer.version;
	c->clean_start = b->asked_clean = config->clean || (b->fresh && !b->cleared);
	c->keep_alive_s = config->keep_alive_s;
	c->client_id = nj_view_str(config->client_id);
	c->has_username = config->username != NULL;
	c->has_password = config->password.len > 0;
	c->username = nj_view_str(config->username != NULL ? config->username : "");
	c->password = config->password;
	if (c->version >= NJ_MQTT_V5) {
		struct nj_mqtt_properties *p = &packet.properties;
		size_t most = config->max_packet_bytes > growth ? config->max_packet_bytes - growth : 1;
		nj_mqtt_set_number(p, NJ_MQTT_P_SESSION_EXPIRY, config->clean ? 0 : config->session_expiry_s);
		nj_mqtt_set_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, b->receive_max);
		nj_mqtt_set_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, (uint32_t)most);
	}
	bridge_say(&b->peer, &packet);
}

/* ---- CONNACK ---- */

static void note_keep_alive(struct nj_mqtt_bridge *b, const struct nj_mqtt_properties *p)
{
	uint32_t told_s = nj_mqtt_number(p, NJ_MQTT_P_SERVER_KEEP_ALIVE, 0);

	if (told_s > 0 && told_s * UINT32_C(1000) < b->keep_alive_ms)
		b->keep_alive_ms = told_s * UINT32_C(1000);
}

/* What the peer has forgotten is released here; PUBCOMP says that it was. */
static void release_stale(struct nj_mqtt_bridge *b)
{
	if (b->stale_count == 0)
		return;
	for (uint32_t id = 1; id <= UINT16_MAX && b->local.conn != NULL; id++)
		if (bridge_id_is(b->stale, (uint16_t)id))
			bridge_say_ack(&b->local, NJ_MQTT_PUBREL, (uint16_t)id, NJ_MQTT_R_SUCCESS);
}

static void subscribe_local(struct nj_mqtt_bridge *b);

void bridge_on_connack_local(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_properties *p = &packet->properties;
	const struct nj_mqtt_connack *connack = &packet->as.connack;

	if (connack->code != NJ_MQTT_R_SUCCESS) {
		b->prepared = false;
		bridge_fail(b, "the gateway's broker refuses: %s", nj_mqtt_reason_text(connack->code));
		return;
	}
	b->local.max_packet_bytes = nj_mqtt_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, UINT32_MAX);
	b->receive_max = nj_mqtt_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, RECEIVE_MAX_DEFAULT);
	if (b->stage == NJ_MQTT_BRIDGE_PREPARING) {
		b->fresh |= !connack->session_present;
		subscribe_local(b);
		return;
	}
	if (!connack->session_present) {
		b->prepared = false;
		bridge_fail(b, "its session here was ended");
		return;
	}
	note_keep_alive(b, p);
	/* Both ends are of one age from here on. */
	b->fresh = b->cleared = false;
	bridge_came_up(b);
	release_stale(b);
	if (b->stale_count == 0)
		bridge_resume(&b->peer);
}

static void subscribe_peer(struct nj_mqtt_bridge *b);

/* A refusal may be about the version alone, in words of 3.1.1. */
static void refused(struct nj_mqtt_bridge *b, uint8_t code)
{
	static const char *const older[] = { "success",
					     "unsupported protocol version",
					     "client identifier not valid",
					     "server unavailable",
					     "bad user name or password",
					     "not authorized" };
	bool version = code == 1 || code == NJ_MQTT_R_BAD_VERSION;
	bool known = code < sizeof(older) / sizeof(older[0]);

	if (version && b->peer.version == NJ_MQTT_V311 && !b->unmarked)
		b->unmarked = true;
	else if (version && b->config.version == NJ_MQTT_NEVER)
		b->older = !b->older;
	bridge_fail(b, "the peer refuses: %s", known ? older[code] : nj_mqtt_reason_text(code));
}

static void take_peers_word(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_properties *p = &packet->properties;
	bool newer = b->peer.version >= NJ_MQTT_V5;

	b->peer_present = packet->as.connack.session_present;
	b->peer_max_qos = (uint8_t)nj_mqtt_number(p, NJ_MQTT_P_MAXIMUM_QOS, 2);
	b->peer_retains = nj_mqtt_number(p, NJ_MQTT_P_RETAIN_AVAILABLE, 1) != 0;
	b->peer.max_packet_bytes = nj_mqtt_number(p, NJ_MQTT_P_MAXIMUM_PACKET_SIZE, UINT32_MAX);
	b->peer_receive_max =
	    newer ? nj_mqtt_number(p, NJ_MQTT_P_RECEIVE_MAXIMUM, RECEIVE_MAX_DEFAULT) : RECEIVE_MAX_OLDER;
	b->keep_alive_ms = b->config.keep_alive_s * UINT32_C(1000);
	note_keep_alive(b, p);
	memset(b->lowered, 0, sizeof(b->lowered));
}

void bridge_on_connack_peer(struct nj_mqtt_bridge *b, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_packet packet;
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, b->peer.version, NJ_MQTT_FROM_SERVER, &packet);

	if (fault != NJ_MQTT_FAULT_NONE && frame->type == NJ_MQTT_CONNACK && frame->body.len == 2)
		fault = nj_mqtt_decode(frame, NJ_MQTT_V311, NJ_MQTT_FROM_SERVER, &packet);
	if (fault != NJ_MQTT_FAULT_NONE || packet.type != NJ_MQTT_CONNACK)
		bridge_fail(b, "the peer sent no proper CONNACK: %s", nj_mqtt_fault_text(fault));
	else if (packet.as.connack.code != NJ_MQTT_R_SUCCESS)
		refused(b, packet.as.connack.code);
	else if (packet.as.connack.session_present && b->asked_clean)
		bridge_fail(b, "the peer kept a session that it was to forget");
	else if (b->peer.version < NJ_MQTT_V5 && b->asked_clean && !b->config.clean) {
		/* 3.1.1 has one word for "begin anew" and "do not keep it". */
		b->cleared = true;
		bridge_dial_again(b);
	} else {
		take_peers_word(b, &packet);
		subscribe_peer(b);
		if (b->stage == NJ_MQTT_BRIDGE_GREETING)
			bridge_greeted(b);
	}
}

/* ---- subscriptions ---- */

static bool is_wanted(const struct nj_mqtt_bridge *b, struct nj_view filter)
{
	for (size_t i = 0; i < b->config.topic_count; i++) {
		const struct nj_mqtt_bridge_topic *t = &b->config.topics[i];
		if (t->out && nj_view_equal(filter, nj_view_str(t->local.filter)))
			return true;
	}
	return false;
}

void bridge_find_leftover(struct nj_mqtt_bridge *b, struct nj_view filters)
{
	struct nj_reader r = nj_reader_view(filters);

	nj_buf_done(&b->leftover);
	nj_buf_init(&b->leftover, NJ_MQTT_FILTERS_BYTES);
	while (nj_reader_left(&r) > 0) {
		struct nj_view filter = nj_read_view16(&r);
		uint8_t len[2];
		/* What one packet does not hold is found again at the next start; its messages are dropped. */
		if (is_wanted(b, filter) ||
		    nj_buf_len(&b->leftover) + filter.len + sizeof(len) > b->config.max_packet_bytes / 2)
			continue;
		nj_put_u16(len, (uint16_t)filter.len);
		if (nj_buf_append(&b->leftover, len, sizeof(len)) != NJ_OK ||
		    nj_buf_append(&b->leftover, filter.data, filter.len) != NJ_OK)
			break;
	}
}

/* The list of what is subscribed to on one side; its length. */
static struct nj_view filters_of(struct nj_mqtt_bridge *b, const struct bridge_leg *leg)
{
	bool out = leg == &b->local;
	bool newer = leg->version >= NJ_MQTT_V5;
	struct nj_writer w = nj_writer_of(b->topic, UINT16_MAX);

	for (size_t i = 0; i < b->config.topic_count; i++) {
		const struct nj_mqtt_bridge_topic *t = &b->config.topics[i];
		struct nj_mqtt_filter filter = {
			.filter = nj_view_str(out ? t->local.filter : t->remote.filter),
			.qos = t->qos,
			.no_local = newer,
			.retain_as_published = newer,
			.retain_handling = newer ? 1 : 0,
		};
		if (out ? t->out : t->in)
			nj_mqtt_filter_write(&w, NJ_MQTT_SUBSCRIBE, &filter);
	}
	size_t len = 0;
	return nj_writer_end(&w, &len) == NJ_OK ? nj_view_of(b->topic, len) : nj_view_of(b->topic, 0);
}

static void subscribe_local(struct nj_mqtt_bridge *b)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_UNSUBSCRIBE };

	packet.as.list.packet_id = random_id(b);
	packet.as.list.items = nj_buf_view(&b->leftover);
	b->unsubscribing = packet.as.list.items.len > 0;
	if (b->unsubscribing)
		bridge_say(&b->local, &packet);
	packet.type = NJ_MQTT_SUBSCRIBE;
	packet.as.list.packet_id = packet.as.list.packet_id % UINT16_MAX + 1;
	packet.as.list.items = filters_of(b, &b->local);
	b->subscribing = packet.as.list.items.len > 0;
	if (b->subscribing)
		bridge_say(&b->local, &packet);
	bridge_on_prepared(b, NULL);
}

/* Says which filters of a SUBSCRIBE were refused. */
static void note_refusals(struct nj_mqtt_bridge *b, bool out, struct nj_view codes)
{
	size_t at = 0;

	for (size_t i = 0; i < b->config.topic_count && at < codes.len; i++) {
		const struct nj_mqtt_bridge_topic *t = &b->config.topics[i];
		if (!(out ? t->out : t->in))
			continue;
		uint8_t code = codes.data[at++];
		if (code >= NJ_MQTT_R_UNSPECIFIED)
			bridge_note(b, "%s refuses the subscription %.128s: %s", out ? "the gateway" : "the peer",
				    out ? t->local.filter : t->remote.filter, nj_mqtt_reason_text(code));
	}
}

void bridge_on_prepared(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	if (b->stage != NJ_MQTT_BRIDGE_PREPARING)
		return;
	if (packet != NULL && packet->type == NJ_MQTT_SUBACK) {
		note_refusals(b, true, packet->as.list.items);
		b->subscribing = false;
	} else if (packet != NULL) {
		b->unsubscribing = false;
	}
	if (b->subscribing || b->unsubscribing || b->local.conn == NULL)
		return;
	bridge_part(&b->local, false);
	bridge_prepared(b);
}

/* Once told, a peer that kept the session knows it. */
static void subscribe_peer(struct nj_mqtt_bridge *b)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_SUBSCRIBE };

	if (b->subscribed && b->peer_present)
		return;
	packet.as.list.items = filters_of(b, &b->peer);
	b->subscribed = true;
	if (packet.as.list.items.len == 0)
		return;
	b->subscribe_id = packet.as.list.packet_id = random_id(b);
	bridge_say(&b->peer, &packet);
}

void bridge_on_suback_peer(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	if (b->subscribe_id == 0 || packet->as.list.packet_id != b->subscribe_id) {
		bridge_fail(b, "the peer sent SUBACK, which nobody asked for");
		return;
	}
	b->subscribe_id = 0;
	note_refusals(b, false, packet->as.list.items);
	bridge_resume(&b->local);
}
