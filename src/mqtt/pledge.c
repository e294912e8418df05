#include "mqtt/pledge.h"

#include "mqtt/keep.h"
#include "mqtt/post.h"

struct nj_mqtt_pledge *nj_mqtt_pledge_new(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id,
					  struct nj_view items)
{
	struct nj_mqtt_pledge *pledge = malloc(sizeof(*pledge) + items.len);
	if (pledge == NULL)
		return NULL;
	*pledge = (struct nj_mqtt_pledge){
		.client = client,
		.broker = client->broker,
		.holds = 1,
		.type = type,
		.packet_id = packet_id,
		.item_bytes = (uint32_t)items.len,
	};
	nj_list_init(&pledge->unit);
	if (items.len > 0)
		memcpy(pledge->items, items.data, items.len);
	nj_list_push_back(&client->pledges, &pledge->link);
	client->pledged_pubacks += type == NJ_MQTT_PUBACK;
	client->pledged_items += 1 + pledge->item_bytes;
	return pledge;
}

struct nj_mqtt_pledge *nj_mqtt_pledge_part(struct nj_mqtt_broker *broker, struct nj_mqtt_broker *whole_at,
					   struct nj_mqtt_pledge *whole)
{
	struct nj_mqtt_pledge *part = calloc(1, sizeof(*part));
	if (part == NULL)
		return NULL;
	part->broker = broker;
	part->holds = 1;
	part->whole_at = whole_at;
	part->whole = whole;
	part->gathers = whole->gathers;
	part->routing = 1;
	nj_list_init(&part->unit);
	return part;
}

static void take_off(struct nj_mqtt_client *client, struct nj_mqtt_pledge *pledge)
{
	nj_list_remove(&pledge->link);
	client->pledged_pubacks -= pledge->type == NJ_MQTT_PUBACK;
	client->pledged_items -= 1 + pledge->item_bytes;
}

void nj_mqtt_pledge_hold(struct nj_mqtt_pledge *pledge)
{
	pledge->holds++;
}

static void send_list(struct nj_mqtt_client *client, const struct nj_mqtt_pledge *pledge)
{
	struct nj_mqtt_packet packet;
	packet.type = pledge->type;
	packet.as.list = (struct nj_mqtt_list){ .packet_id = pledge->packet_id,
						.items = nj_view_of(pledge->items, pledge->item_bytes) };
	nj_mqtt_client_say_why(client, &packet, pledge->why);
	nj_mqtt_client_send(client, &packet);
}

/* 3.1.1 has no refusal of a message: the connection ends, and the client sends it again on the next (3.3.5). */
static void send_answer(struct nj_mqtt_client *client, const struct nj_mqtt_pledge *pledge)
{
	if (pledge->type == NJ_MQTT_SUBACK || pledge->type == NJ_MQTT_UNSUBACK)
		send_list(client, pledge);
	else if (!pledge->failed)
		nj_mqtt_client_ack_why(client, pledge->type, pledge->packet_id, pledge->code, pledge->why);
	else if (client->version >= NJ_MQTT_V5)
		nj_mqtt_client_ack_why(client, pledge->type, pledge->packet_id, NJ_MQTT_R_QUOTA_EXCEEDED,
				       "no room for the message");
	else
		nj_mqtt_client_doom(client, NJ_MQTT_FAULT_QUOTA);
}

/* Those at the head that wait for nothing any more. */
static void send_ready(struct nj_mqtt_client *client)
{
	while (!nj_list_empty(&client->pledges)) {
		struct nj_mqtt_pledge *pledge = NJ_CONTAINER(client->pledges.next, struct nj_mqtt_pledge, link);
		if (pledge->holds > 0)
			return;
		take_off(client, pledge);
		if (client->phase == NJ_MQTT_CONNECTED)
			send_answer(client, pledge);
		free(pledge);
	}
}

/* ---- parts ---- */

static void give_back(struct nj_mqtt_pledge *part)
{
	struct nj_mqtt_pledge *whole = part->whole;
	if (!part->gathers) {
		whole->taken += part->taken;
		whole->full += part->full;
	}
	nj_mqtt_pledge_release(whole, !part->failed);
	free(part);
}

static void on_part_over(struct nj_post *post)
{
	struct nj_mqtt_pledge *part = NJ_CONTAINER(post, struct nj_mqtt_pledge, over);
	atomic_fetch_sub(&part->whole_at->fabric->errands, 1);
	give_back(part);
}

static void tell_whole(struct nj_mqtt_pledge *part, struct nj_post *post, void (*on_post)(struct nj_post *post))
{
	atomic_fetch_add(&part->whole_at->fabric->errands, 1);
	post->on_post = on_post;
	nj_reactor_post(part->whole_at->reactor, post);
}

/* To where the whole is; when all is taken down, by one thread, at once. */
static void part_over(struct nj_mqtt_pledge *part)
{
	if (part->broker->fabric != NULL) {
		tell_whole(part, &part->over, on_part_over);
		return;
	}
	if (part->gathers)
		nj_mqtt_journal_forget_unit(part->broker, part->whole);
	give_back(part);
}

static void on_part_ready(struct nj_post *post)
{
	struct nj_mqtt_pledge *part = NJ_CONTAINER(post, struct nj_mqtt_pledge, ready);
	struct nj_mqtt_pledge *whole = part->whole;
	atomic_fetch_sub(&part->whole_at->fabric->errands, 1);
	while (!nj_list_empty(&part->unit)) {
		struct nj_list *first = part->unit.next;
		nj_list_remove(first);
		nj_list_push_back(&whole->unit, first);
	}
	whole->taken += part->taken;
	whole->full += part->full;
	whole->failed |= part->failed;
	nj_mqtt_pledge_routed(whole);
}

void nj_mqtt_pledge_route(struct nj_mqtt_pledge *pledge)
{
	pledge->routing++;
}

/* A message that nobody could take is refused: its identifier is free again. */
void nj_mqtt_pledge_routed(struct nj_mqtt_pledge *pledge)
{
	if (!pledge->gathers || --pledge->routing > 0)
		return;
	if (pledge->whole != NULL) {
		tell_whole(pledge, &pledge->ready, on_part_ready);
		return;
	}
	bool refused = pledge->failed || (pledge->full > 0 && pledge->taken == 0);
	if (refused && pledge->client != NULL && pledge->client->session != NULL)
		(void)nj_mqtt_flow_forget(&pledge->client->session->flow, pledge->packet_id);
	nj_mqtt_journal_open_unit(pledge->broker->journal, &pledge->unit, refused);
}

/* ---- the end ---- */

void nj_mqtt_pledge_release(struct nj_mqtt_pledge *pledge, bool kept)
{
	if (pledge == NULL)
		return;
	pledge->failed |= !kept;
	if (--pledge->holds > 0)
		return;
	if (pledge->whole != NULL) {
		part_over(pledge);
		return;
	}
	pledge->failed |= pledge->full > 0 && pledge->taken == 0;
	if (pledge->client != NULL)
		send_ready(pledge->client);
	else
		free(pledge);
}

void nj_mqtt_pledge_withdraw(struct nj_mqtt_pledge *pledge)
{
	take_off(pledge->client, pledge);
	pledge->client = NULL;
	nj_mqtt_pledge_release(pledge, false);
}

void nj_mqtt_pledges_leave(struct nj_mqtt_client *client)
{
	while (!nj_list_empty(&client->pledges)) {
		struct nj_mqtt_pledge *pledge = NJ_CONTAINER(client->pledges.next, struct nj_mqtt_pledge, link);
		take_off(client, pledge);
		pledge->client = NULL;
		if (pledge->holds == 0)
			free(pledge);
	}
}

void nj_mqtt_pledge_answer(struct nj_mqtt_client *client, uint8_t type, uint16_t packet_id, uint8_t code,
			   const char *why)
{
	struct nj_mqtt_pledge *pledge = NULL;
	if (!nj_list_empty(&client->pledges))
		pledge = nj_mqtt_pledge_new(client, type, packet_id, nj_view_of(NULL, 0));
	if (pledge == NULL) {
		nj_mqtt_client_ack_why(client, type, packet_id, code, why);
		return;
	}
	pledge->code = code;
	pledge->why = why;
	nj_mqtt_pledge_release(pledge, true);
}
