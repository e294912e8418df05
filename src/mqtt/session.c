#include "mqtt/session.h"

#define FIRST_SLOTS 8
#define IDS 65535
#define RECEIVED_BYTES (65536 / 8)

void nj_mqtt_flow_init(struct nj_mqtt_flow *flow, const struct nj_mqtt_flow_limits *limits)
{
	*flow = (struct nj_mqtt_flow){ .limits = limits };
	nj_list_init(&flow->waiting);
	nj_list_init(&flow->inflight);
}

static struct nj_mqtt_delivery *delivery_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_mqtt_delivery, link);
}

static void free_list(struct nj_mqtt_flow *flow, struct nj_list *list)
{
	while (!nj_list_empty(list))
		nj_mqtt_delivery_free(flow, delivery_at(list->next));
}

static void free_received(struct nj_mqtt_flow *flow)
{
	if (flow->received == NULL)
		return;
	nj_mqtt_budget_give(flow->limits->budget, RECEIVED_BYTES);
	free(flow->received);
	flow->received = NULL;
}

void nj_mqtt_flow_done(struct nj_mqtt_flow *flow)
{
	free_list(flow, &flow->waiting);
	free_list(flow, &flow->inflight);
	free(flow->slots);
	flow->slots = NULL;
	free_received(flow);
}

static size_t delivery_bytes(size_t id_count)
{
	return sizeof(struct nj_mqtt_delivery) + id_count * sizeof(uint32_t);
}

struct nj_mqtt_delivery *nj_mqtt_delivery_new(struct nj_mqtt_flow *flow, struct nj_mqtt_message *message,
					      const uint32_t *ids, size_t id_count)
{
	size_t bytes = delivery_bytes(id_count);
	if (nj_mqtt_budget_take(flow->limits->budget, bytes) != NJ_OK)
		return NULL;
	struct nj_mqtt_delivery *delivery = calloc(1, bytes);
	if (delivery == NULL) {
		nj_mqtt_budget_give(flow->limits->budget, bytes);
		return NULL;
	}
	nj_list_init(&delivery->link);
	delivery->message = nj_mqtt_message_ref(message);
	delivery->id_count = (uint32_t)id_count;
	if (id_count > 0)
		memcpy(delivery->ids, ids, id_count * sizeof(uint32_t));
	return delivery;
}

static uint64_t bytes_waiting(const struct nj_mqtt_delivery *delivery)
{
	return delivery->message != NULL ? nj_mqtt_content_bytes(&delivery->message->content) : 0;
}

static void leave(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	nj_list_remove(&delivery->link);
	if (delivery->place == NJ_MQTT_INFLIGHT)
		flow->inflight_count--;
	if (delivery->place == NJ_MQTT_WAITING) {
		flow->waiting_count--;
		flow->waiting_bytes -= bytes_waiting(delivery);
	}
	delivery->place = NJ_MQTT_NOWHERE;
}

static void enter_waiting(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	delivery->place = NJ_MQTT_WAITING;
	flow->waiting_count++;
	flow->waiting_bytes += bytes_waiting(delivery);
}

void nj_mqtt_delivery_free(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	leave(flow, delivery);
	if (delivery->packet_id != 0 && !flow->positional)
		flow->slots[delivery->packet_id - 1] = NULL;
	nj_mqtt_message_unref(delivery->message);
	nj_mqtt_budget_give(flow->limits->budget, delivery_bytes(delivery->id_count));
	free(delivery);
}

void nj_mqtt_flow_append(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	nj_list_push_back(&flow->waiting, &delivery->link);
	enter_waiting(flow, delivery);
}

/* One message fits whatever its size is: what a publisher may send must reach a session that waits for nothing. */
static bool fits(const struct nj_mqtt_flow *flow, size_t count, uint64_t bytes, uint64_t more)
{
	return count == 0 || (count < flow->limits->max_waiting && bytes + more <= flow->limits->max_waiting_bytes);
}

enum nj_err nj_mqtt_flow_wait(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	if (!fits(flow, flow->waiting_count, flow->waiting_bytes, bytes_waiting(delivery)))
		return NJ_ERR_LIMIT;
	nj_mqtt_flow_append(flow, delivery);
	return NJ_OK;
}

/* How many of the oldest that were never sent must go for so many more bytes; NJ_ERR_LIMIT: there are not enough. */
static enum nj_err count_displaced(struct nj_mqtt_flow *flow, uint64_t more, uint64_t *out_count)
{
	size_t count = flow->waiting_count;
	uint64_t bytes = flow->waiting_bytes;
	uint64_t gone = 0;
	if (more > flow->limits->max_waiting_bytes)
		return NJ_ERR_LIMIT;
	NJ_LIST_EACH (&flow->waiting, at) {
		if (fits(flow, count, bytes, more))
			break;
		if (delivery_at(at)->packet_id != 0)
			continue;
		count--;
		bytes -= bytes_waiting(delivery_at(at));
		gone++;
	}
	if (!fits(flow, count, bytes, more))
		return NJ_ERR_LIMIT;
	*out_count = gone;
	return NJ_OK;
}

enum nj_err nj_mqtt_flow_displace(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery, uint64_t *out_gone)
{
	uint64_t left = 0;
	NJ_TRY(count_displaced(flow, bytes_waiting(delivery), &left));
	*out_gone = left;
	NJ_LIST_EACH (&flow->waiting, at) {
		if (left == 0)
			break;
		if (delivery_at(at)->packet_id != 0)
			continue;
		nj_mqtt_delivery_free(flow, delivery_at(at));
		left--;
	}
	nj_mqtt_flow_append(flow, delivery);
	return NJ_OK;
}

bool nj_mqtt_flow_full(const struct nj_mqtt_flow *flow)
{
	return flow->waiting_count > 0 && (flow->waiting_count >= flow->limits->max_waiting ||
					   flow->waiting_bytes >= flow->limits->max_waiting_bytes);
}

struct nj_mqtt_delivery *nj_mqtt_flow_next(const struct nj_mqtt_flow *flow)
{
	return nj_list_empty(&flow->waiting) ? NULL : delivery_at(flow->waiting.next);
}

static enum nj_err grow_slots(struct nj_mqtt_flow *flow)
{
	uint32_t count = flow->slot_count == 0 ? FIRST_SLOTS : flow->slot_count * UINT32_C(2);
	if (count > flow->limits->max_inflight)
		count = flow->limits->max_inflight;
	if (count <= flow->slot_count)
		return NJ_ERR_LIMIT;
	struct nj_mqtt_delivery **slots = realloc(flow->slots, count * sizeof(struct nj_mqtt_delivery *));
	if (slots == NULL)
		return NJ_ERR_NO_MEMORY;
	memset(slots + flow->slot_count, 0, (count - flow->slot_count) * sizeof(struct nj_mqtt_delivery *));
	flow->last_slot = (uint16_t)((flow->slot_count > 0 ? flow->slot_count : count) - 1);
	flow->slots = slots;
	flow->slot_count = (uint16_t)count;
	return NJ_OK;
}

/* Goes round the slots, so that an id rests as long as can be before it is used again. */
static bool free_slot(struct nj_mqtt_flow *flow, uint32_t *out_slot)
{
	for (uint32_t i = 1; i <= flow->slot_count; i++) {
		uint32_t slot = (flow->last_slot + i) % flow->slot_count;
		if (flow->slots[slot] != NULL)
			continue;
		*out_slot = slot;
		return true;
	}
	return false;
}

uint16_t nj_mqtt_position_id(uint64_t position)
{
	return (uint16_t)(1 + (position - 1) % IDS);
}

static enum nj_err number_by_position(const struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	if (!nj_list_empty(&flow->inflight) && delivery->position - delivery_at(flow->inflight.next)->position >= IDS)
		return NJ_ERR_LIMIT;
	delivery->packet_id = nj_mqtt_position_id(delivery->position);
	return NJ_OK;
}

enum nj_err nj_mqtt_flow_number(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	uint32_t slot;
	if (flow->positional && delivery->position != 0)
		return number_by_position(flow, delivery);
	if (delivery->packet_id != 0)
		return NJ_OK;
	if (!free_slot(flow, &slot)) {
		NJ_TRY(grow_slots(flow));
		if (!free_slot(flow, &slot))
			return NJ_ERR_LIMIT;
	}
	flow->slots[slot] = delivery;
	flow->last_slot = slot;
	delivery->packet_id = (uint16_t)(slot + 1);
	return NJ_OK;
}

void nj_mqtt_flow_sent(struct nj_mqtt_flow *flow, struct nj_mqtt_delivery *delivery)
{
	leave(flow, delivery);
	nj_list_push_back(&flow->inflight, &delivery->link);
	delivery->place = NJ_MQTT_INFLIGHT;
	flow->inflight_count++;
}

/* Acknowledgements come in order (4.6): it is the first, or near it. */
static struct nj_mqtt_delivery *find_in_order(const struct nj_mqtt_flow *flow, uint16_t packet_id)
{
	NJ_LIST_EACH ((struct nj_list *)&flow->inflight, at) {
		if (delivery_at(at)->packet_id == packet_id)
			return delivery_at(at);
	}
	return NULL;
}

struct nj_mqtt_delivery *nj_mqtt_flow_find(const struct nj_mqtt_flow *flow, uint16_t packet_id)
{
	if (flow->positional)
		return find_in_order(flow, packet_id);
	if (packet_id == 0 || packet_id > flow->slot_count)
		return NULL;
	struct nj_mqtt_delivery *delivery = flow->slots[packet_id - 1];
	return delivery != NULL && delivery->place == NJ_MQTT_INFLIGHT ? delivery : NULL;
}

void nj_mqtt_flow_release(struct nj_mqtt_delivery *delivery)
{
	nj_mqtt_message_unref(delivery->message);
	delivery->message = NULL;
	delivery->released = true;
}

void nj_mqtt_flow_rewind(struct nj_mqtt_flow *flow)
{
	while (!nj_list_empty(&flow->inflight)) {
		struct nj_mqtt_delivery *delivery = delivery_at(flow->inflight.prev);
		leave(flow, delivery);
		delivery->dup = true;
		nj_list_push_front(&flow->waiting, &delivery->link);
		enter_waiting(flow, delivery);
	}
}

enum nj_err nj_mqtt_flow_receive(struct nj_mqtt_flow *flow, uint16_t packet_id)
{
	if (nj_mqtt_flow_received(flow, packet_id))
		return NJ_ERR_EXISTS;
	if (flow->received == NULL) {
		NJ_TRY(nj_mqtt_budget_take(flow->limits->budget, RECEIVED_BYTES));
		flow->received = calloc(1, RECEIVED_BYTES);
		if (flow->received == NULL) {
			nj_mqtt_budget_give(flow->limits->budget, RECEIVED_BYTES);
			return NJ_ERR_NO_MEMORY;
		}
	}
	flow->received[packet_id / 8] |= (uint8_t)(1u << packet_id % 8);
	flow->received_here++;
	return NJ_OK;
}

bool nj_mqtt_flow_received(const struct nj_mqtt_flow *flow, uint16_t packet_id)
{
	return flow->received != NULL && (flow->received[packet_id / 8] & 1u << packet_id % 8) != 0;
}

bool nj_mqtt_flow_forget(struct nj_mqtt_flow *flow, uint16_t packet_id)
{
	if (!nj_mqtt_flow_received(flow, packet_id))
		return false;
	flow->received[packet_id / 8] &= (uint8_t) ~(1u << packet_id % 8);
	flow->received_here -= flow->received_here > 0;
	return true;
}
