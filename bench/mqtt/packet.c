/* The packets that a client sends, MQTT 3.1.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define CONNECT 0x10
#define PUBLISH 0x30
#define RETAIN 0x01
#define CLEAN_SESSION 0x02

static size_t put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return 2;
}

static size_t put_bytes(uint8_t *at, const void *bytes, size_t len)
{
	put16(at, len);
	memcpy(at + 2, bytes, len);
	return len + 2;
}

static size_t put_length(uint8_t *at, size_t len)
{
	size_t n = 0;
	do {
		at[n] = (uint8_t)(len & 0x7f);
		len >>= 7;
		if (len > 0)
			at[n] |= 0x80;
		n++;
	} while (len > 0);
	return n;
}

size_t packet_frame(uint8_t *at, uint8_t first, const uint8_t *body, size_t len)
{
	at[0] = first;
	size_t head = 1 + put_length(at + 1, len);
	memcpy(at + head, body, len);
	return head + len;
}

size_t packet_connect(uint8_t *at, const char *id, bool clean)
{
	uint8_t body[128];
	size_t n = put_bytes(body, "MQTT", 4);
	body[n++] = 4;
	body[n++] = clean ? CLEAN_SESSION : 0;
	n += put16(body + n, 0);
	n += put_bytes(body + n, id, strlen(id));
	return packet_frame(at, CONNECT, body, n);
}

size_t packet_filter(uint8_t *at, const char *filter, uint8_t qos)
{
	size_t n = put_bytes(at, filter, strlen(filter));
	at[n] = qos;
	return n + 1;
}

size_t packet_ack(uint8_t *at, uint8_t first, uint16_t id)
{
	at[0] = first;
	at[1] = 2;
	put16(at + 2, id);
	return 4;
}

void packet_spread_topic(char *at, uint32_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "s/%05u/%03u", number / 1000 % 100000, number % 1000);
	memcpy(at, text, PACKET_SPREAD_BYTES);
}

void packet_template(struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	char topic[64];
	uint8_t *body = malloc(plan->size + sizeof(topic) + 4);
	conn->template = malloc(plan->size + sizeof(topic) + 16);
	if (body == NULL || conn->template == NULL)
		load_die("memory");
	if (plan->spread > 0) {
		packet_spread_topic(topic, 0);
		topic[PACKET_SPREAD_BYTES] = '\0';
	} else {
		snprintf(topic, sizeof(topic), "bench/%u", conn->index % plan->topics);
	}
	size_t n = put_bytes(body, topic, strlen(topic));
	size_t id = n;
	n += plan->qos > 0 ? put16(body + n, 0) : 0;
	size_t stamp = n;
	memset(body + n, 'x', plan->size);
	n += plan->size;
	conn->template_len =
	    packet_frame(conn->template, (uint8_t)(PUBLISH | plan->qos << 1 | (plan->retain ? RETAIN : 0)), body, n);
	size_t head = conn->template_len - n;
	conn->topic_at = head + 2;
	conn->id_at = head + id;
	conn->stamp_at = head + stamp;
	free(body);
}

void packet_publish(struct conn *conn, uint64_t stamp_ns)
{
	const struct plan *plan = conn->worker->plan;
	uint8_t *at = conn_room(conn, conn->template_len);
	const uint32_t who[2] = { conn->index, (uint32_t)conn->sent };
	memcpy(at, conn->template, conn->template_len);
	if (plan->spread > 0)
		packet_spread_topic((char *)at + conn->topic_at,
				    (uint32_t)((conn->sent * plan->publishers + conn->index) % plan->spread));
	if (plan->qos > 0) {
		conn->next_id = conn->next_id == UINT16_MAX ? 1 : (uint16_t)(conn->next_id + 1);
		put16(at + conn->id_at, conn->next_id);
		conn->sent_ns[conn->next_id] = stamp_ns;
		conn->inflight++;
	}
	memcpy(at + conn->stamp_at, &stamp_ns, sizeof(stamp_ns));
	memcpy(at + conn->stamp_at + sizeof(stamp_ns), who, sizeof(who));
	conn->sent++;
	conn_queued(conn, conn->template_len);
}

size_t packet_whole(const uint8_t *in, size_t len, size_t *out_body)
{
	size_t rest = 0;
	size_t at = 1;
	for (unsigned shift = 0;; shift += 7, at++) {
		if (at >= len || shift > 21)
			return 0;
		rest |= (size_t)(in[at] & 0x7f) << shift;
		if ((in[at] & 0x80) == 0)
			break;
	}
	at++;
	*out_body = at;
	return rest <= len - at ? at + rest : 0;
}
