/*
 * What passes from one side to the other. An acknowledgement is passed on as it is, so that who received a message is
 * who acknowledged it; a failure that may pass by itself (no room, 0x97) is none, but ends the connection, and what was
 * not acknowledged is sent again later.
 */
#include "mqtt/bridge_internal.h"

/* What goes on with a message; aliases and subscription identifiers are of one connection. */
#define PASSED                                                                               \
	(NJ_MQTT_P_BIT(NJ_MQTT_P_PAYLOAD_FORMAT) | NJ_MQTT_P_BIT(NJ_MQTT_P_MESSAGE_EXPIRY) | \
	 NJ_MQTT_P_BIT(NJ_MQTT_P_CONTENT_TYPE) | NJ_MQTT_P_BIT(NJ_MQTT_P_RESPONSE_TOPIC) |   \
	 NJ_MQTT_P_BIT(NJ_MQTT_P_CORRELATION_DATA) | NJ_MQTT_P_BIT(NJ_MQTT_P_USER))

static bool is_failure(uint8_t code)
{
	return code >= NJ_MQTT_R_UNSPECIFIED;
}

/* A message that cannot go on is acknowledged to who sent it, and counted. */
static void drop(struct nj_mqtt_bridge *b, struct bridge_leg *from, const struct nj_mqtt_publish *m)
{
	b->counters.dropped++;
	if (m->qos > 0)
		bridge_say_ack(from, m->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, m->packet_id,
			       NJ_MQTT_R_IMPLEMENTATION);
}

/* The packet as the other side is to have it. False: it cannot be. */
static bool renamed(struct nj_mqtt_bridge *b, bool out, const struct nj_mqtt_packet *packet,
		    struct nj_mqtt_packet *out_packet)
{
	const struct nj_mqtt_bridge_topic *topic =
	    nj_mqtt_bridge_topic_find(b->config.topics, b->config.topic_count, out, packet->as.publish.topic);

	*out_packet = *packet;
	out_packet->properties.present &= PASSED;
	return topic != NULL &&
	       nj_mqtt_bridge_topic_rename(topic, out, packet->as.publish.topic, &out_packet->as.publish.topic,
					   b->topic, UINT16_MAX) == NJ_OK;
}

/* ---- out ---- */

static bool publish_out(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_publish *m = &packet->as.publish;
	struct nj_mqtt_packet there;

	/* An identifier that a SUBSCRIBE has is not another's. */
	if (m->qos > 0 && m->packet_id == b->subscribe_id)
		return bridge_hold(&b->local);
	if (!renamed(b, true, packet, &there)) {
		drop(b, &b->local, m);
		return true;
	}
	if (there.as.publish.qos > b->peer_max_qos) {
		there.as.publish.qos = b->peer_max_qos;
		there.as.publish.dup &= b->peer_max_qos > 0;
	}
	there.as.publish.retain &= b->peer_retains;
	enum nj_err err = bridge_send(&b->peer, &there);
	if (err == NJ_ERR_LIMIT)
		return bridge_hold(&b->local);
	if (err == NJ_ERR_TOO_LARGE) {
		drop(b, &b->local, m);
		return true;
	}
	b->counters.messages_out++;
	b->counters.bytes_out += m->payload.len;
	bridge_id_set(b->lowered, m->packet_id, m->qos == 2 && there.as.publish.qos == 1);
	/* A peer that takes QoS 0 alone acknowledges nothing. */
	if (m->qos > 0 && there.as.publish.qos == 0)
		bridge_say_ack(&b->local, m->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC, m->packet_id,
			       NJ_MQTT_R_SUCCESS);
	return true;
}

/* The gateway's word on a message that came in. */
static bool judge_in(struct nj_mqtt_bridge *b, const struct nj_mqtt_ack *ack)
{
	if (ack->code == NJ_MQTT_R_QUOTA_EXCEEDED) {
		bridge_fail(b, "the gateway has no room for what comes in");
		return false;
	}
	if (is_failure(ack->code)) {
		b->counters.refused_in++;
		bridge_note(b, "the gateway refuses a message of the peer: %s", nj_mqtt_reason_text(ack->code));
	}
	return true;
}

/* An answer on its way; there is room for it, or it waits. */
static bool pass(struct nj_mqtt_bridge *b, struct bridge_leg *from, struct bridge_leg *to, uint8_t type,
		 const struct nj_mqtt_ack *ack)
{
	struct nj_mqtt_packet packet = { .type = type, .as.ack = { .packet_id = ack->packet_id } };
	/* That nobody subscribes here is nobody's business there. */
	if (is_failure(ack->code))
		packet.as.ack.code = ack->code;
	enum nj_err err = bridge_send(to, &packet);
	if (err == NJ_ERR_LIMIT)
		return bridge_hold(from);
	if (err != NJ_OK)
		bridge_fail(b, "a connection ended");
	return true;
}

/* PUBCOMP for an identifier that was cleared away, or for a message. */
static bool complete_in(struct nj_mqtt_bridge *b, const struct nj_mqtt_ack *ack)
{
	if (b->stale_count == 0 || !bridge_id_is(b->stale, ack->packet_id))
		return pass(b, &b->local, &b->peer, NJ_MQTT_PUBCOMP, ack);
	bridge_id_set(b->stale, ack->packet_id, false);
	if (--b->stale_count == 0)
		bridge_resume(&b->peer);
	return true;
}

bool bridge_relay_out(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_ack *ack = &packet->as.ack;

	switch (packet->type) {
	case NJ_MQTT_PUBLISH:
		return publish_out(b, packet);
	case NJ_MQTT_PUBACK:
	case NJ_MQTT_PUBREC:
		return !judge_in(b, ack) || pass(b, &b->local, &b->peer, packet->type, ack);
	case NJ_MQTT_PUBREL:
		/* Of a message that the peer had with less. */
		if (b->peer_max_qos < 2) {
			bridge_say_ack(&b->local, NJ_MQTT_PUBCOMP, ack->packet_id, NJ_MQTT_R_SUCCESS);
			return true;
		}
		return pass(b, &b->local, &b->peer, NJ_MQTT_PUBREL, ack);
	case NJ_MQTT_PUBCOMP:
		return complete_in(b, ack);
	default:
		bridge_fail(b, "the gateway's broker sent %s", nj_mqtt_type_name(packet->type));
		return true;
	}
}

/* ---- in ---- */

static bool fits_here(const struct nj_mqtt_bridge *b, struct nj_view topic)
{
	uint32_t levels = 1;

	for (size_t i = 0; i < topic.len; i++)
		levels += topic.data[i] == '/';
	return topic.len <= b->config.max_topic_bytes && levels <= b->config.max_topic_levels;
}

static bool publish_in(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_publish *m = &packet->as.publish;
	struct nj_mqtt_packet here;

	/* It was told that there are none (3.1.2-26, 3.3.2.3.4). */
	if (nj_mqtt_has(&packet->properties, NJ_MQTT_P_TOPIC_ALIAS) || m->topic.len == 0) {
		bridge_fail(b, "the peer sent a topic alias");
		return true;
	}
	if (!renamed(b, false, packet, &here) || !fits_here(b, here.as.publish.topic)) {
		drop(b, &b->peer, m);
		return true;
	}
	enum nj_err err = bridge_send(&b->local, &here);
	if (err == NJ_ERR_LIMIT)
		return bridge_hold(&b->peer);
	if (err == NJ_ERR_TOO_LARGE) {
		drop(b, &b->peer, m);
		return true;
	}
	b->counters.messages_in++;
	b->counters.bytes_in += m->payload.len;
	return true;
}

/* PUBACK or PUBREC: the peer's word on a message that went out. */
static bool judge_out(struct nj_mqtt_bridge *b, uint8_t type, const struct nj_mqtt_ack *ack)
{
	if (ack->code == NJ_MQTT_R_QUOTA_EXCEEDED) {
		bridge_fail(b, "the peer has no room for what goes out");
		return true;
	}
	if (type == NJ_MQTT_PUBACK && bridge_id_is(b->lowered, ack->packet_id))
		type = NJ_MQTT_PUBREC;
	if (!pass(b, &b->peer, &b->local, type, ack))
		return false;
	bridge_id_set(b->lowered, ack->packet_id, false);
	if (is_failure(ack->code)) {
		b->counters.refused_out++;
		bridge_note(b, "the peer refuses a message: %s", nj_mqtt_reason_text(ack->code));
	}
	return true;
}

bool bridge_relay_in(struct nj_mqtt_bridge *b, const struct nj_mqtt_packet *packet)
{
	const struct nj_mqtt_ack *ack = &packet->as.ack;

	switch (packet->type) {
	case NJ_MQTT_PUBLISH:
		return publish_in(b, packet);
	case NJ_MQTT_PUBACK:
	case NJ_MQTT_PUBREC:
		return judge_out(b, packet->type, ack);
	default:
		return pass(b, &b->peer, &b->local, packet->type, ack);
	}
}
