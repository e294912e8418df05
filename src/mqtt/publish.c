#include "mqtt/keep.h"
#include "mqtt/post.h"

/* Near the memory ceiling publishers are slowed: what a byte costs there, and how a message counts beside its bytes. */
#define SLOWEST_BYTES 262144 /* a second, of each publisher, at the ceiling */
#define MESSAGE_BYTES 64
#define PAUSE_MAX_US 100000
#define PRESSURE_MAX 1024

static const char no_room[] = "no room for the message";

/* PUBACK or PUBREC for a message of the client's. */
static void acknowledge(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m, uint8_t code, const char *why)
{
	uint8_t type = m->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC;
	if (m->qos > 0)
		nj_mqtt_pledge_answer(client, type, m->packet_id, code, why);
}

/* 3.1.1 can only acknowledge or close (3.3.5): an acknowledgement would be a lie. */
static void refuse(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m, enum nj_mqtt_reason reason,
		   enum nj_mqtt_fault fault, const char *why)
{
	if (m->qos > 0 && client->version < NJ_MQTT_V5)
		nj_mqtt_client_fault(client, fault);
	else
		acknowledge(client, m, (uint8_t)reason, why);
}

static void deny(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m, struct nj_view topic,
		 struct nj_verdict verdict)
{
	nj_mqtt_count(&client->broker->counters.messages_denied, 1);
	client->denied += client->denied < UINT16_MAX;
	nj_mqtt_tell_denied(client->broker, client, client->party, NJ_PUBLISH, topic, verdict);
	if (client->denied > client->broker->limits.denied_publish_limit)
		nj_mqtt_client_fault(client, nj_mqtt_breach_fault(verdict.breach, true));
	else
		refuse(client, m, nj_mqtt_breach_reason(verdict.breach), nj_mqtt_breach_fault(verdict.breach, false),
		       verdict.fault != NULL ? verdict.fault : "no rule allows this topic");
}

/* From three quarters of the memory on: how much of the last quarter is taken. */
static uint64_t pressure_of(const struct nj_mqtt_budget *budget)
{
	uint64_t last = budget->max / 4 + 1;
	uint64_t left = nj_mqtt_budget_left(budget);
	return left >= last ? 0 : (last - left) * PRESSURE_MAX / last;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whoever publishes is read the more slowly the less memory is left, so that receivers can keep up. Nobody is stopped:
 * whatever else a publisher says gets its turn, and what it acknowledges gives memory back. */
static void slow_down(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m)
{
	nj_mqtt_client_slow(client);
	uint64_t pressure = pressure_of(&client->broker->shared->budget);
	if (pressure == 0) {
		client->owes_us = 0;
		return;
	}
	uint64_t us = (m->payload.len + MESSAGE_BYTES) * 1000000 / SLOWEST_BYTES * pressure / PRESSURE_MAX;
	us = lesser(us + client->owes_us, PAUSE_MAX_US);
	client->owes_us = (uint32_t)(us % 1000);
	if (us >= 1000 && !client->doomed)
		nj_conn_pause_for(client->conn, (uint32_t)(us / 1000));
}

static bool has_room(const struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content)
{
	return nj_mqtt_content_bytes(content) <= nj_mqtt_budget_left(&broker->shared->budget);
}

static struct nj_mqtt_content content_of(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet,
					 struct nj_view topic)
{
	const struct nj_mqtt_publish *m = &packet->as.publish;
	struct nj_mqtt_content content = { .topic = topic,
					   .properties = nj_mqtt_forwarded(client->broker, &packet->properties),
					   .payload = m->payload,
					   .qos = m->qos,
					   .retain = m->retain };
	if (nj_mqtt_has(&packet->properties, NJ_MQTT_P_MESSAGE_EXPIRY))
		content.expires_ms = nj_reactor_now_ms(client->broker->reactor) +
				     UINT64_C(1000) * nj_mqtt_number(&packet->properties, NJ_MQTT_P_MESSAGE_EXPIRY, 0);
	return content;
}

/* A QoS 2 message's identifier, in memory and on its way to the disk. */
static enum nj_err receive(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m)
{
	if (m->qos < 2)
		return NJ_OK;
	NJ_TRY(nj_mqtt_flow_receive(&client->session->flow, m->packet_id));
	enum nj_err err = nj_mqtt_keep_received(client->session, m->packet_id);
	if (err != NJ_OK)
		(void)nj_mqtt_flow_forget(&client->session->flow, m->packet_id);
	return err;
}

/* Everything that may fail comes before what others see: a retained message is the last. */
static enum nj_err store(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m,
			 const struct nj_mqtt_content *content, struct nj_mqtt_message **out_retained)
{
	if (m->qos > 0 && !has_room(client->broker, content))
		return NJ_ERR_LIMIT;
	NJ_TRY(receive(client, m));
	if (!m->retain)
		return NJ_OK;
	enum nj_err err = nj_mqtt_retain(client->session->space, client->broker, content, out_retained);
	if (err != NJ_OK && m->qos == 2) {
		(void)nj_mqtt_flow_forget(&client->session->flow, m->packet_id);
		nj_mqtt_keep_unreceived(client->session, m->packet_id);
	}
	return err;
}

/* What is done for this message from here on holds its acknowledgement back, where it must be on disk first. */
static enum nj_err begin_pledge(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m)
{
	struct nj_mqtt_journal *journal = client->broker->journal;
	uint8_t type = m->qos == 1 ? NJ_MQTT_PUBACK : NJ_MQTT_PUBREC;
	if (journal == NULL || m->qos == 0)
		return NJ_OK;
	journal->pledge = nj_mqtt_pledge_new(client, type, m->packet_id, nj_view_of(NULL, 0));
	if (journal->pledge == NULL)
		return NJ_ERR_NO_MEMORY;
	journal->together = m->qos == 2;
	journal->taken = journal->full = 0;
	journal->pledge->gathers = journal->together;
	journal->pledge->routing = 1;
	return NJ_OK;
}

/* A message that no session has kept, as none had room, is refused. */
static void end_pledge(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m, uint8_t code)
{
	struct nj_mqtt_journal *journal = client->broker->journal;
	struct nj_mqtt_pledge *pledge = journal != NULL ? journal->pledge : NULL;
	if (pledge == NULL) {
		acknowledge(client, m, code, NULL);
		return;
	}
	journal->pledge = NULL;
	journal->together = false;
	pledge->code = code;
	pledge->taken += journal->taken;
	pledge->full += journal->full;
	nj_mqtt_pledge_routed(pledge);
	nj_mqtt_pledge_release(pledge, true);
}

/* It is answered otherwise. */
static void drop_pledge(struct nj_mqtt_client *client)
{
	struct nj_mqtt_journal *journal = client->broker->journal;
	if (journal == NULL || journal->pledge == NULL)
		return;
	nj_mqtt_pledge_withdraw(journal->pledge);
	journal->pledge = NULL;
	journal->together = false;
}

/* A QoS 2 message again: the connection of the first may have ended before its PUBREC, as it was not on disk. Nor is
 * this one answered before it is. */
static void repeat(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m)
{
	if (begin_pledge(client, m) != NJ_OK) {
		refuse(client, m, NJ_MQTT_R_QUOTA_EXCEEDED, NJ_MQTT_FAULT_QUOTA, no_room);
		return;
	}
	nj_mqtt_keep_repeated(client->session, m->packet_id);
	end_pledge(client, m, NJ_MQTT_R_SUCCESS);
}

/* QoS 2: a repetition is answered and goes no further (4.3.3). True when the message is new. A packet identifier that
 * is in use for a QoS 2 message cannot be another's (2.2.1). */
static bool receive_once(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m)
{
	struct nj_mqtt_flow *flow = &client->session->flow;
	bool in_use = m->qos > 0 && nj_mqtt_flow_received(flow, m->packet_id);
	if (in_use && m->qos == 1)
		refuse(client, m, NJ_MQTT_R_PACKET_ID_IN_USE, NJ_MQTT_FAULT_PACKET_ID_IN_USE, NULL);
	else if (in_use)
		repeat(client, m);
	if (in_use || m->qos == 0)
		return !in_use;
	if (client->version >= NJ_MQTT_V5 &&
	    flow->received_here + client->pledged_pubacks >= client->broker->limits.max_inflight) {
		nj_mqtt_client_fault(client, NJ_MQTT_FAULT_RECEIVE_MAXIMUM);
		return false;
	}
	return true;
}

static void forward(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view topic)
{
	struct nj_mqtt_broker *broker = client->broker;
	const struct nj_mqtt_publish *m = &packet->as.publish;
	struct nj_mqtt_content content = content_of(client, packet, topic);
	struct nj_mqtt_message *retained = NULL;
	enum nj_err err = begin_pledge(client, m);
	if (err == NJ_OK)
		err = store(client, m, &content, &retained);
	if (err != NJ_OK) {
		nj_mqtt_count(&broker->counters.messages_dropped, 1);
		drop_pledge(client);
		if (m->qos > 0) {
			refuse(client, m, NJ_MQTT_R_QUOTA_EXCEEDED, NJ_MQTT_FAULT_QUOTA, no_room);
			slow_down(client, m);
			return;
		}
	}
	bool any = nj_mqtt_route(client->session->space, broker, &content, retained, client->session);
	end_pledge(client, m, any ? NJ_MQTT_R_SUCCESS : NJ_MQTT_R_NO_SUBSCRIBERS);
	slow_down(client, m);
}

/* What a client says to the gateway itself: no profile speaks of it, and nobody else hears it. */
static void take_own(struct nj_mqtt_client *client, const struct nj_mqtt_publish *m, struct nj_view topic)
{
	const struct nj_mqtt_hooks *hooks = &client->broker->hooks;
	struct nj_mqtt_seen seen = nj_mqtt_client_seen(client);
	bool taken = m->qos < 2 && !m->retain && !client->party->revoked && hooks->on_own_topic != NULL &&
		     hooks->on_own_topic(hooks->arg, &seen, topic, m->payload);
	if (taken)
		acknowledge(client, m, NJ_MQTT_R_SUCCESS, NULL);
	else
		deny(client, m, topic, (struct nj_verdict){ .breach = NJ_BREACH_TOPIC });
}

void nj_mqtt_on_publish(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_broker *broker = client->broker;
	const struct nj_mqtt_publish *m = &packet->as.publish;
	struct nj_view topic;
	enum nj_mqtt_fault fault = nj_mqtt_alias_resolve(client, packet, &topic);
	if (fault != NJ_MQTT_FAULT_NONE) {
		nj_mqtt_client_fault(client, fault);
		return;
	}
	nj_mqtt_count(&broker->counters.messages_in, 1);
	nj_mqtt_count(&broker->counters.payload_bytes_in, m->payload.len);
	client->space->count.values[NJ_MQTT_TALLY_MESSAGES_IN]++;
	client->space->count.values[NJ_MQTT_TALLY_BYTES_IN] += m->payload.len;
	if (nj_mqtt_topic_own(topic)) {
		take_own(client, m, topic);
		return;
	}
	if (!receive_once(client, m))
		return;
	const struct nj_mqtt_content offered = {
		.topic = topic, .payload = m->payload, .qos = m->qos, .retain = m->retain
	};
	struct nj_verdict verdict = nj_mqtt_judge(broker, client->party, &offered);
	if (verdict.allowed)
		forward(client, packet, topic);
	else
		deny(client, m, topic, verdict);
}

void nj_mqtt_on_puback(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_session *session = client->session;
	struct nj_mqtt_delivery *delivery = nj_mqtt_flow_find(&session->flow, packet->as.ack.packet_id);
	if (delivery == NULL || delivery->qos != 1)
		return;
	nj_mqtt_delivery_over(session, delivery);
	nj_mqtt_pump(session);
}

void nj_mqtt_on_pubrec(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_session *session = client->session;
	const struct nj_mqtt_ack *ack = &packet->as.ack;
	struct nj_mqtt_delivery *delivery = nj_mqtt_flow_find(&session->flow, ack->packet_id);
	bool known = delivery != NULL && delivery->qos == 2;
	if (known && ack->code >= NJ_MQTT_R_UNSPECIFIED) {
		nj_mqtt_delivery_over(session, delivery);
		nj_mqtt_pump(session);
		return;
	}
	/* PUBREL follows when the release is on disk. */
	if (known && nj_mqtt_keep_release(session, delivery))
		return;
	if (known)
		nj_mqtt_flow_release(delivery);
	nj_mqtt_client_ack(client, NJ_MQTT_PUBREL, ack->packet_id,
			   known ? NJ_MQTT_R_SUCCESS : NJ_MQTT_R_PACKET_ID_UNKNOWN);
}

void nj_mqtt_on_pubrel(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	uint16_t packet_id = packet->as.ack.packet_id;
	if (nj_mqtt_flow_forget(&client->session->flow, packet_id))
		nj_mqtt_keep_forgotten(client->session, packet_id);
	else
		nj_mqtt_pledge_answer(client, NJ_MQTT_PUBCOMP, packet_id, NJ_MQTT_R_PACKET_ID_UNKNOWN, NULL);
}

void nj_mqtt_on_pubcomp(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet)
{
	struct nj_mqtt_session *session = client->session;
	struct nj_mqtt_delivery *delivery = nj_mqtt_flow_find(&session->flow, packet->as.ack.packet_id);
	if (delivery == NULL || !delivery->released || nj_mqtt_keep_complete(session, delivery))
		return;
	nj_mqtt_delivery_over(session, delivery);
	nj_mqtt_pump(session);
}
