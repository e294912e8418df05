#include "mqtt/message.h"

uint64_t nj_mqtt_budget_total(const struct nj_mqtt_budget *budget)
{
	return atomic_load_explicit(&budget->used, memory_order_relaxed) +
	       (budget->beside != NULL ? *budget->beside : 0);
}

uint64_t nj_mqtt_budget_left(const struct nj_mqtt_budget *budget)
{
	uint64_t total = nj_mqtt_budget_total(budget);
	uint64_t max = atomic_load_explicit(&budget->max, memory_order_relaxed);
	return total < max ? max - total : 0;
}

enum nj_err nj_mqtt_budget_take(struct nj_mqtt_budget *budget, uint64_t bytes)
{
	if (bytes > nj_mqtt_budget_left(budget))
		return NJ_ERR_LIMIT;
	/* Another thread may have taken the same room meanwhile: then the ceiling is passed, and it is given back. */
	atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed);
	if (nj_mqtt_budget_total(budget) <= atomic_load_explicit(&budget->max, memory_order_relaxed))
		return NJ_OK;
	nj_mqtt_budget_give(budget, bytes);
	return NJ_ERR_LIMIT;
}

void nj_mqtt_budget_give(struct nj_mqtt_budget *budget, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

size_t nj_mqtt_content_bytes(const struct nj_mqtt_content *content)
{
	return sizeof(struct nj_mqtt_message) + content->topic.len + content->properties.len + content->payload.len;
}

bool nj_mqtt_content_expired(const struct nj_mqtt_content *content, uint64_t now_ms)
{
	return content->expires_ms != 0 && content->expires_ms < now_ms;
}

static struct nj_view put_view(struct nj_writer *w, struct nj_view view)
{
	struct nj_view kept = nj_view_of(w->data + w->pos, view.len);
	nj_write_bytes(w, view.data, view.len);
	return kept;
}

enum nj_err nj_mqtt_message_new(struct nj_mqtt_budget *budget, const struct nj_mqtt_content *content,
				struct nj_mqtt_message **out_message)
{
	size_t bytes = nj_mqtt_content_bytes(content);
	NJ_TRY(nj_mqtt_budget_take(budget, bytes));
	struct nj_mqtt_message *message = malloc(bytes);
	if (message == NULL) {
		nj_mqtt_budget_give(budget, bytes);
		return NJ_ERR_NO_MEMORY;
	}
	*message = (struct nj_mqtt_message){ .refs = 1, .budget = budget, .content = *content };
	struct nj_writer w = nj_writer_of(message->bytes, bytes - sizeof(*message));
	message->content.topic = put_view(&w, content->topic);
	message->content.properties = put_view(&w, content->properties);
	message->content.payload = put_view(&w, content->payload);
	*out_message = message;
	return NJ_OK;
}

struct nj_mqtt_message *nj_mqtt_message_ref(struct nj_mqtt_message *message)
{
	atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
	return message;
}

void nj_mqtt_message_unref(struct nj_mqtt_message *message)
{
	if (message == NULL || atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) > 1)
		return;
	nj_mqtt_budget_give(message->budget, nj_mqtt_content_bytes(&message->content));
	free(message);
}

/* The message expiry that is left, in seconds, for receivers that know it (3.3.2.3.3). */
static uint32_t expiry_left_s(const struct nj_mqtt_content *content, uint64_t now_ms)
{
	return content->expires_ms > now_ms ? (uint32_t)((content->expires_ms - now_ms + 999) / 1000) : 0;
}

static size_t properties_size(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending)
{
	size_t size = content->properties.len + (content->expires_ms != 0 ? 5 : 0) + (sending->alias != 0 ? 3 : 0);
	for (size_t i = 0; i < sending->id_count; i++)
		size += 1 + nj_mqtt_varint_size(sending->ids[i]);
	return size;
}

static struct nj_view topic_of(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending)
{
	return sending->alias_known ? nj_view_of(NULL, 0) : content->topic;
}

static size_t body_size(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending)
{
	size_t size = 2 + topic_of(content, sending).len + (sending->qos > 0 ? 2 : 0) + content->payload.len;
	if (sending->version < NJ_MQTT_V5)
		return size;
	size_t properties = properties_size(content, sending);
	return size + nj_mqtt_varint_size((uint32_t)properties) + properties;
}

size_t nj_mqtt_publish_size(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending)
{
	size_t body = body_size(content, sending);
	return 1 + nj_mqtt_varint_size((uint32_t)body) + body;
}

static void write_properties(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending,
			     struct nj_writer *w)
{
	struct nj_mqtt_properties own;
	nj_mqtt_varint_write(w, (uint32_t)properties_size(content, sending));
	nj_mqtt_properties_clear(&own);
	if (content->expires_ms != 0)
		nj_mqtt_set_number(&own, NJ_MQTT_P_MESSAGE_EXPIRY, expiry_left_s(content, sending->now_ms));
	if (sending->alias != 0)
		nj_mqtt_set_number(&own, NJ_MQTT_P_TOPIC_ALIAS, sending->alias);
	nj_mqtt_properties_copy(&own, NJ_MQTT_P_ALL, w);
	for (size_t i = 0; i < sending->id_count; i++) {
		nj_mqtt_properties_clear(&own);
		nj_mqtt_set_number(&own, NJ_MQTT_P_SUBSCRIPTION_ID, sending->ids[i]);
		nj_mqtt_properties_copy(&own, NJ_MQTT_P_ALL, w);
	}
	nj_write_bytes(w, content->properties.data, content->properties.len);
}

void nj_mqtt_publish_head(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending,
			  struct nj_writer *w)
{
	uint8_t flags = (uint8_t)(sending->dup << 3 | sending->qos << 1 | sending->retain);
	nj_write_u8(w, (uint8_t)(NJ_MQTT_PUBLISH << 4 | flags));
	nj_mqtt_varint_write(w, (uint32_t)body_size(content, sending));
	nj_write_view16(w, topic_of(content, sending));
	if (sending->qos > 0)
		nj_write_u16(w, sending->packet_id);
	if (sending->version >= NJ_MQTT_V5)
		write_properties(content, sending, w);
}
