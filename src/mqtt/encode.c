#include "mqtt/codec.h"

static void write_properties(const struct nj_mqtt_properties *set, uint8_t version, struct nj_writer *w)
{
	if (version >= NJ_MQTT_V5)
		nj_mqtt_properties_write(set, w);
}

static void write_connect(const struct nj_mqtt_packet *p, struct nj_writer *w)
{
	const struct nj_mqtt_connect *c = &p->as.connect;
	uint8_t flags = (uint8_t)(c->has_username << 7 | c->has_password << 6 | c->clean_start << 1);
	if (c->has_will)
		flags |= (uint8_t)(c->will_retain << 5 | c->will_qos << 3 | 1 << 2);
	nj_write_view16(w, nj_view_str("MQTT"));
	nj_write_u8(w, c->version);
	nj_write_u8(w, flags);
	nj_write_u16(w, c->keep_alive_s);
	write_properties(&p->properties, c->version, w);
	nj_write_view16(w, c->client_id);
	if (c->has_will) {
		write_properties(&c->will, c->version, w);
		nj_write_view16(w, c->will_topic);
		nj_write_view16(w, c->will_payload);
	}
	if (c->has_username)
		nj_write_view16(w, c->username);
	if (c->has_password)
		nj_write_view16(w, c->password);
}

static void write_connack(const struct nj_mqtt_packet *p, uint8_t version, struct nj_writer *w)
{
	nj_write_u8(w, p->as.connack.session_present);
	nj_write_u8(w, p->as.connack.code);
	write_properties(&p->properties, version, w);
}

static void write_publish(const struct nj_mqtt_packet *p, uint8_t version, struct nj_writer *w)
{
	const struct nj_mqtt_publish *m = &p->as.publish;
	nj_write_view16(w, m->topic);
	if (m->qos > 0)
		nj_write_u16(w, m->packet_id);
	write_properties(&p->properties, version, w);
	nj_write_bytes(w, m->payload.data, m->payload.len);
}

/* The shortest form: without code and properties where they say nothing (3.4.2.1). */
static void write_code(const struct nj_mqtt_packet *p, uint8_t version, struct nj_writer *w)
{
	bool said = p->properties.present != 0;
	if (version < NJ_MQTT_V5 || (p->as.ack.code == 0 && !said))
		return;
	nj_write_u8(w, p->as.ack.code);
	if (said)
		nj_mqtt_properties_write(&p->properties, w);
}

static void write_list(const struct nj_mqtt_packet *p, uint8_t version, struct nj_writer *w)
{
	nj_write_u16(w, p->as.list.packet_id);
	write_properties(&p->properties, version, w);
	nj_write_bytes(w, p->as.list.items.data, p->as.list.items.len);
}

static void write_body(const struct nj_mqtt_packet *p, uint8_t version, struct nj_writer *w)
{
	switch ((enum nj_mqtt_type)p->type) {
	case NJ_MQTT_CONNECT:
		write_connect(p, w);
		break;
	case NJ_MQTT_CONNACK:
		write_connack(p, version, w);
		break;
	case NJ_MQTT_PUBLISH:
		write_publish(p, version, w);
		break;
	case NJ_MQTT_PUBACK:
	case NJ_MQTT_PUBREC:
	case NJ_MQTT_PUBREL:
	case NJ_MQTT_PUBCOMP:
		nj_write_u16(w, p->as.ack.packet_id);
		write_code(p, version, w);
		break;
	case NJ_MQTT_SUBSCRIBE:
	case NJ_MQTT_UNSUBSCRIBE:
	case NJ_MQTT_SUBACK:
	case NJ_MQTT_UNSUBACK:
		write_list(p, version, w);
		break;
	case NJ_MQTT_DISCONNECT:
	case NJ_MQTT_AUTH:
		write_code(p, version, w);
		break;
	case NJ_MQTT_PINGREQ:
	case NJ_MQTT_PINGRESP:
	case NJ_MQTT_RESERVED:
		break;
	}
}

static uint8_t first_byte(const struct nj_mqtt_packet *p)
{
	uint8_t flags = 0;
	if (p->type == NJ_MQTT_PUBLISH)
		flags = (uint8_t)(p->as.publish.dup << 3 | p->as.publish.qos << 1 | p->as.publish.retain);
	else if (!nj_mqtt_flags_allowed(p->type, 0))
		flags = 2;
	return (uint8_t)(p->type << 4 | flags);
}

enum nj_err nj_mqtt_encode(const struct nj_mqtt_packet *packet, uint8_t version, void *out, size_t cap, size_t *out_len)
{
	if (cap < NJ_MQTT_FIXED_MAX)
		return NJ_ERR_FULL;
	/* The body goes behind the longest header there is, and moves up to the one that it needs. */
	uint8_t *at = out;
	size_t body_len;
	struct nj_writer body = nj_writer_of(at + NJ_MQTT_FIXED_MAX, cap - NJ_MQTT_FIXED_MAX);
	write_body(packet, version, &body);
	NJ_TRY(nj_writer_end(&body, &body_len));
	if (body_len > NJ_MQTT_VARINT_MAX)
		return NJ_ERR_RANGE;
	struct nj_writer head = nj_writer_of(at, NJ_MQTT_FIXED_MAX);
	nj_write_u8(&head, first_byte(packet));
	nj_mqtt_varint_write(&head, (uint32_t)body_len);
	memmove(at + head.pos, at + NJ_MQTT_FIXED_MAX, body_len);
	*out_len = head.pos + body_len;
	return NJ_OK;
}

void nj_mqtt_filter_write(struct nj_writer *w, uint8_t type, const struct nj_mqtt_filter *filter)
{
	nj_write_view16(w, filter->filter);
	if (type == NJ_MQTT_SUBSCRIBE)
		nj_write_u8(w, (uint8_t)(filter->retain_handling << 4 | filter->retain_as_published << 3 |
					 filter->no_local << 2 | filter->qos));
}
