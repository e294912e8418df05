#include "base/text.h"
#include "identity/rights.h"
#include "mqtt/codec.h"

/* A body being read. The first fault stays; truncation is the reader's own. */
struct body {
	struct nj_reader r;
	enum nj_mqtt_fault fault;
	uint8_t flags;
	uint8_t version;
	enum nj_mqtt_side side;
};

enum connect_flag {
	CONNECT_RESERVED = 0x01,
	CONNECT_CLEAN = 0x02,
	CONNECT_WILL = 0x04,
	CONNECT_WILL_QOS = 0x18,
	CONNECT_WILL_RETAIN = 0x20,
	CONNECT_PASSWORD = 0x40,
	CONNECT_USERNAME = 0x80,
};

enum subscribe_option {
	OPTION_QOS = 0x03,
	OPTION_NO_LOCAL = 0x04,
	OPTION_RETAIN_AS_PUBLISHED = 0x08,
	OPTION_RETAIN_HANDLING = 0x30,
	OPTION_RESERVED = 0xC0,
	OPTION_RESERVED_V311 = 0xFC,
};

static void fail(struct body *b, enum nj_mqtt_fault fault)
{
	if (b->fault == NJ_MQTT_FAULT_NONE && b->r.err == NJ_OK)
		b->fault = fault;
}

static void fail_if(struct body *b, bool wrong, enum nj_mqtt_fault fault)
{
	if (wrong)
		fail(b, fault);
}

static bool healthy(const struct body *b)
{
	return b->fault == NJ_MQTT_FAULT_NONE && b->r.err == NJ_OK;
}

static struct nj_view read_text(struct body *b)
{
	struct nj_view text = nj_read_view16(&b->r);
	fail_if(b, !nj_utf8_valid(text), NJ_MQTT_FAULT_UTF8);
	return text;
}

/* What ends up in logs and listings: 1.5.4 lets a receiver refuse characters that nobody can read. */
static struct nj_view read_plain(struct body *b)
{
	struct nj_view text = nj_read_view16(&b->r);
	fail_if(b, !nj_utf8_plain(text), NJ_MQTT_FAULT_UTF8);
	return text;
}

static struct nj_view read_topic_name(struct body *b)
{
	struct nj_view topic = read_plain(b);
	fail_if(b, !nj_topic_name_valid(topic), NJ_MQTT_FAULT_TOPIC_NAME);
	return topic;
}

static uint16_t read_packet_id(struct body *b)
{
	uint16_t id = nj_read_u16(&b->r);
	fail_if(b, id == 0, NJ_MQTT_FAULT_PACKET_ID);
	return id;
}

static void read_properties(struct body *b, unsigned where, struct nj_mqtt_properties *set)
{
	nj_mqtt_properties_clear(set);
	if (b->version < NJ_MQTT_V5 || !healthy(b))
		return;
	fail(b, nj_mqtt_properties_read(&b->r, where, set));
}

static void read_protocol(struct body *b, struct nj_mqtt_connect *c)
{
	struct nj_view name = nj_read_view16(&b->r);
	fail_if(b, !nj_view_equal(name, nj_view_str("MQTT")), NJ_MQTT_FAULT_PROTOCOL_NAME);
	uint8_t level = nj_read_u8(&b->r);
	fail_if(b, level != NJ_MQTT_V311 && level != NJ_MQTT_V5, NJ_MQTT_FAULT_PROTOCOL_LEVEL);
	c->version = healthy(b) ? level : 0;
	b->version = c->version;
}

/* 3.1.2.2 – 3.1.2.9 */
static void read_connect_flags(struct body *b, struct nj_mqtt_connect *c)
{
	uint8_t flags = nj_read_u8(&b->r);
	c->clean_start = (flags & CONNECT_CLEAN) != 0;
	c->has_will = (flags & CONNECT_WILL) != 0;
	c->will_qos = (flags & CONNECT_WILL_QOS) >> 3;
	c->will_retain = (flags & CONNECT_WILL_RETAIN) != 0;
	c->has_password = (flags & CONNECT_PASSWORD) != 0;
	c->has_username = (flags & CONNECT_USERNAME) != 0;
	fail_if(b, (flags & CONNECT_RESERVED) != 0, NJ_MQTT_FAULT_CONNECT_FLAGS);
	fail_if(b, !c->has_will && (c->will_qos != 0 || c->will_retain), NJ_MQTT_FAULT_CONNECT_FLAGS);
	fail_if(b, c->will_qos > 2, NJ_MQTT_FAULT_QOS);
	fail_if(b, c->version == NJ_MQTT_V311 && c->has_password && !c->has_username, NJ_MQTT_FAULT_CONNECT_FLAGS);
}

static void read_will(struct body *b, struct nj_mqtt_connect *c)
{
	nj_mqtt_properties_clear(&c->will);
	if (!c->has_will)
		return;
	read_properties(b, NJ_MQTT_IN_WILL, &c->will);
	c->will_topic = read_topic_name(b);
	c->will_payload = nj_read_view16(&b->r);
}

static void read_connect(struct body *b, struct nj_mqtt_packet *p)
{
	struct nj_mqtt_connect *c = &p->as.connect;
	*c = (struct nj_mqtt_connect){ .version = 0 };
	read_protocol(b, c);
	if (!healthy(b))
		return;
	read_connect_flags(b, c);
	c->keep_alive_s = nj_read_u16(&b->r);
	read_properties(b, NJ_MQTT_IN_CONNECT, &p->properties);
	c->client_id = read_plain(b);
	fail_if(b, c->client_id.len == 0 && c->version == NJ_MQTT_V311 && !c->clean_start, NJ_MQTT_FAULT_CLIENT_ID);
	read_will(b, c);
	if (c->has_username)
		c->username = read_text(b);
	if (c->has_password)
		c->password = nj_read_view16(&b->r);
}

static void read_connack(struct body *b, struct nj_mqtt_packet *p)
{
	uint8_t flags = nj_read_u8(&b->r);
	fail_if(b, (flags & 0xfe) != 0, NJ_MQTT_FAULT_CONNACK_FLAGS);
	p->as.connack.session_present = flags == 1;
	p->as.connack.code = nj_read_u8(&b->r);
	if (b->version >= NJ_MQTT_V5)
		fail_if(b, !nj_mqtt_reason_legal(p->as.connack.code, NJ_MQTT_IN_CONNACK), NJ_MQTT_FAULT_REASON_CODE);
	else
		fail_if(b, p->as.connack.code > 5, NJ_MQTT_FAULT_REASON_CODE);
	read_properties(b, NJ_MQTT_IN_CONNACK, &p->properties);
}

/* A topic may be empty where an alias stands for it (3.3.2.3.4). */
static void check_publish_topic(struct body *b, const struct nj_mqtt_packet *p)
{
	if (p->as.publish.topic.len == 0)
		fail_if(b, !nj_mqtt_has(&p->properties, NJ_MQTT_P_TOPIC_ALIAS), NJ_MQTT_FAULT_TOPIC_NAME);
	else
		fail_if(b, !nj_topic_name_valid(p->as.publish.topic), NJ_MQTT_FAULT_TOPIC_NAME);
}

static void read_publish(struct body *b, struct nj_mqtt_packet *p)
{
	struct nj_mqtt_publish *m = &p->as.publish;
	m->dup = (b->flags & 0x08) != 0;
	m->qos = (b->flags >> 1) & 0x03;
	m->retain = (b->flags & 0x01) != 0;
	fail_if(b, m->qos == 3, NJ_MQTT_FAULT_QOS);
	fail_if(b, m->qos == 0 && m->dup, NJ_MQTT_FAULT_DUP);
	m->topic = read_plain(b);
	m->packet_id = m->qos > 0 ? read_packet_id(b) : 0;
	read_properties(b, NJ_MQTT_IN_PUBLISH, &p->properties);
	check_publish_topic(b, p);
	/* 3.3.4-6 */
	fail_if(b, b->side == NJ_MQTT_FROM_CLIENT && nj_mqtt_has(&p->properties, NJ_MQTT_P_SUBSCRIPTION_ID),
		NJ_MQTT_FAULT_PROPERTY_PLACE);
	m->payload = nj_read_view(&b->r, nj_reader_left(&b->r));
}

/* Reason code and properties, which a 5.0 sender may leave out when the code is 0 (3.4.2.1, 3.14.2.1, 3.15.2.1). */
static void read_code(struct body *b, struct nj_mqtt_packet *p)
{
	unsigned where = 1u << p->type;
	nj_mqtt_properties_clear(&p->properties);
	p->as.ack.code = 0;
	if (b->version < NJ_MQTT_V5 || nj_reader_left(&b->r) == 0)
		return;
	p->as.ack.code = nj_read_u8(&b->r);
	fail_if(b, !nj_mqtt_reason_legal(p->as.ack.code, where), NJ_MQTT_FAULT_REASON_CODE);
	if (nj_reader_left(&b->r) > 0)
		read_properties(b, where, &p->properties);
}

static void read_ack(struct body *b, struct nj_mqtt_packet *p)
{
	p->as.ack.packet_id = read_packet_id(b);
	read_code(b, p);
}

static void read_last_words(struct body *b, struct nj_mqtt_packet *p)
{
	p->as.ack.packet_id = 0;
	read_code(b, p);
}

static void read_empty(struct body *b, struct nj_mqtt_packet *p)
{
	nj_mqtt_properties_clear(&p->properties);
}

bool nj_mqtt_filter_shared(struct nj_view filter)
{
	struct nj_view prefix = nj_view_str(NJ_MQTT_SHARE);
	return filter.len >= prefix.len && memcmp(filter.data, prefix.data, prefix.len) == 0;
}

bool nj_mqtt_filter_split(struct nj_view filter, struct nj_view *out_name, struct nj_view *out_topics)
{
	size_t head = sizeof(NJ_MQTT_SHARE) - 1;
	size_t at = head;
	while (at < filter.len && filter.data[at] != '/' && filter.data[at] != '+' && filter.data[at] != '#')
		at++;
	if (at == head || at + 1 >= filter.len || filter.data[at] != '/')
		return false;
	*out_name = nj_view_of(filter.data + head, at - head);
	*out_topics = nj_view_of(filter.data + at + 1, filter.len - at - 1);
	return true;
}

static void check_options(struct body *b, struct nj_view filter, uint8_t options)
{
	uint8_t reserved = b->version >= NJ_MQTT_V5 ? OPTION_RESERVED : OPTION_RESERVED_V311;
	fail_if(b, (options & reserved) != 0, NJ_MQTT_FAULT_SUBSCRIBE_OPTIONS);
	fail_if(b, (options & OPTION_QOS) == 3, NJ_MQTT_FAULT_QOS);
	fail_if(b, (options & OPTION_RETAIN_HANDLING) == OPTION_RETAIN_HANDLING, NJ_MQTT_FAULT_RETAIN_HANDLING);
	/* 3.8.3-4 */
	fail_if(b, (options & OPTION_NO_LOCAL) != 0 && nj_mqtt_filter_shared(filter), NJ_MQTT_FAULT_SHARED_NO_LOCAL);
}

static void read_filters(struct body *b, struct nj_mqtt_packet *p)
{
	p->as.list.packet_id = read_packet_id(b);
	read_properties(b, 1u << p->type, &p->properties);
	struct body list = *b;
	size_t len = nj_reader_left(&b->r);
	p->as.list.items = nj_read_view(&b->r, len);
	fail_if(b, len == 0, NJ_MQTT_FAULT_EMPTY);
	while (healthy(&list) && nj_reader_left(&list.r) > 0) {
		struct nj_view filter = read_plain(&list);
		fail_if(&list, !nj_topic_filter_valid(filter), NJ_MQTT_FAULT_TOPIC_FILTER);
		if (p->type == NJ_MQTT_SUBSCRIBE)
			check_options(&list, filter, nj_read_u8(&list.r));
	}
	fail_if(b, list.r.err != NJ_OK, NJ_MQTT_FAULT_TRUNCATED);
	fail(b, list.fault);
}

static void read_codes(struct body *b, struct nj_mqtt_packet *p)
{
	p->as.list.packet_id = read_packet_id(b);
	read_properties(b, 1u << p->type, &p->properties);
	struct nj_view codes = nj_read_view(&b->r, nj_reader_left(&b->r));
	p->as.list.items = codes;
	bool none_wanted = b->version < NJ_MQTT_V5 && p->type == NJ_MQTT_UNSUBACK;
	fail_if(b, none_wanted && codes.len > 0, NJ_MQTT_FAULT_TRAILING);
	fail_if(b, !none_wanted && codes.len == 0, NJ_MQTT_FAULT_EMPTY);
	for (size_t i = 0; i < codes.len; i++)
		fail_if(b, !nj_mqtt_reason_legal(codes.data[i], 1u << p->type), NJ_MQTT_FAULT_REASON_CODE);
}

typedef void (*read_fn)(struct body *b, struct nj_mqtt_packet *p);

static const read_fn readers[16] = {
	[NJ_MQTT_CONNECT] = read_connect, [NJ_MQTT_CONNACK] = read_connack,
	[NJ_MQTT_PUBLISH] = read_publish, [NJ_MQTT_PUBACK] = read_ack,
	[NJ_MQTT_PUBREC] = read_ack,      [NJ_MQTT_PUBREL] = read_ack,
	[NJ_MQTT_PUBCOMP] = read_ack,     [NJ_MQTT_SUBSCRIBE] = read_filters,
	[NJ_MQTT_SUBACK] = read_codes,    [NJ_MQTT_UNSUBSCRIBE] = read_filters,
	[NJ_MQTT_UNSUBACK] = read_codes,  [NJ_MQTT_PINGREQ] = read_empty,
	[NJ_MQTT_PINGRESP] = read_empty,  [NJ_MQTT_DISCONNECT] = read_last_words,
	[NJ_MQTT_AUTH] = read_last_words,
};

enum nj_mqtt_fault nj_mqtt_frame(struct nj_view in, size_t max_bytes, struct nj_mqtt_frame *out_frame, size_t *out_need)
{
	struct nj_reader r = nj_reader_view(in);
	uint8_t first = nj_read_u8(&r);
	uint32_t len = 0;
	enum nj_mqtt_fault fault = nj_mqtt_varint_read(&r, &len);
	if (r.err != NJ_OK) {
		*out_need = in.len < 2 ? 2 - in.len : 1;
		return NJ_MQTT_FAULT_NONE;
	}
	if (fault != NJ_MQTT_FAULT_NONE)
		return fault;
	size_t total = r.pos + len;
	if (total > max_bytes)
		return NJ_MQTT_FAULT_TOO_LARGE;
	if (nj_reader_left(&r) < len) {
		*out_need = len - nj_reader_left(&r);
		return NJ_MQTT_FAULT_NONE;
	}
	*out_frame = (struct nj_mqtt_frame){ .type = first >> 4, .flags = first & 0x0f, .total = total };
	out_frame->body = nj_read_view(&r, len);
	*out_need = 0;
	return NJ_MQTT_FAULT_NONE;
}

enum nj_mqtt_fault nj_mqtt_decode(const struct nj_mqtt_frame *frame, uint8_t version, enum nj_mqtt_side side,
				  struct nj_mqtt_packet *out_packet)
{
	struct body body = {
		.r = nj_reader_view(frame->body), .flags = frame->flags, .version = version, .side = side
	};
	out_packet->type = frame->type;
	if (frame->type == NJ_MQTT_CONNECT)
		out_packet->as.connect.version = 0;
	if (!nj_mqtt_type_allowed(frame->type, side, frame->type == NJ_MQTT_CONNECT ? NJ_MQTT_V5 : version))
		return NJ_MQTT_FAULT_TYPE;
	if (!nj_mqtt_flags_allowed(frame->type, frame->flags))
		return NJ_MQTT_FAULT_FLAGS;
	readers[frame->type](&body, out_packet);
	if (body.fault != NJ_MQTT_FAULT_NONE)
		return body.fault;
	if (body.r.err != NJ_OK)
		return NJ_MQTT_FAULT_TRUNCATED;
	return nj_reader_left(&body.r) > 0 ? NJ_MQTT_FAULT_TRAILING : NJ_MQTT_FAULT_NONE;
}

bool nj_mqtt_filter_next(const struct nj_mqtt_list *list, uint8_t type, size_t *cursor,
			 struct nj_mqtt_filter *out_filter)
{
	struct nj_reader r = nj_reader_view(list->items);
	(void)nj_read_view(&r, *cursor);
	if (nj_reader_left(&r) == 0)
		return false;
	struct nj_mqtt_filter filter = { .filter = nj_read_view16(&r) };
	uint8_t options = type == NJ_MQTT_SUBSCRIBE ? nj_read_u8(&r) : 0;
	if (r.err != NJ_OK)
		return false;
	filter.qos = options & OPTION_QOS;
	filter.no_local = (options & OPTION_NO_LOCAL) != 0;
	filter.retain_as_published = (options & OPTION_RETAIN_AS_PUBLISHED) != 0;
	filter.retain_handling = (options & OPTION_RETAIN_HANDLING) >> 4;
	*cursor = r.pos;
	*out_filter = filter;
	return true;
}
