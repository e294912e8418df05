#include "mqtt/keep_state.h"

#include "mqtt/share.h"

#define PATIENCE_MS 50  /* so long a message waits for its receiver's acknowledgement before it is written */
#define HOPELESS_MS 30  /* whose receiver takes longer than this as a rule is written at once */
#define RELAXED_MS 500  /* with `durability: relaxed` */
#define SHARE_BYTES 512 /* bodies that are longer are written once for all their receivers */

/* ---- a message for the session ---- */

/* From its second receiver on a long body is written once. */
static uint64_t shared_number(struct nj_mqtt_journal *journal, const struct nj_mqtt_message *message)
{
	if (journal->kept_last != message)
		journal->kept_times = 0;
	journal->kept_last = message;
	if (keep_row_bytes(message) <= SHARE_BYTES || journal->kept_times++ == 0)
		return 0;
	if (journal->kept_times == 2)
		journal->kept_shared = journal->durable.next_shared(journal->durable.arg);
	return journal->kept_shared;
}

static void lend_ids(struct nj_mqtt_record *record, const struct nj_mqtt_kept *kept)
{
	if (kept->id_count == 0)
		return;
	memcpy(nj_mqtt_record_more(record), kept->ids, kept->id_count * sizeof(uint32_t));
	record->op.ids = nj_mqtt_record_more(record);
	record->op.id_count = (uint16_t)kept->id_count;
}

static struct nj_mqtt_record *enqueue_record(struct nj_mqtt_session *session, struct nj_mqtt_message *message,
					     const struct nj_mqtt_kept *kept)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	struct nj_mqtt_record *record =
	    nj_mqtt_record_new(journal, NJ_MESSAGES_ENQUEUE, session, kept->id_count * sizeof(uint32_t));
	if (record == NULL)
		return NULL;
	nj_mqtt_record_carry(record, message);
	lend_ids(record, kept);
	record->op.flags = (uint8_t)(kept->qos | (kept->retain ? NJ_MESSAGES_RETAINED : 0));
	record->op.position = ++session->keep->tail;
	record->op.body.expires_ms = nj_mqtt_wall_of(session->broker, message->content.expires_ms);
	record->op.shared = shared_number(journal, message);
	return record;
}

/* How long it may wait for what would make it needless. */
static uint32_t wait_of(const struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery, bool replayed)
{
	const struct nj_mqtt_journal *journal = keep_journal(session);
	if (replayed || journal->together || (delivery != NULL && delivery->qos == 2))
		return 0;
	if (journal->durable.relaxed)
		return RELAXED_MS;
	return delivery != NULL && session->keep->answer_ms / 8 <= HOPELESS_MS ? PATIENCE_MS : 0;
}

enum nj_err nj_mqtt_keep_message(struct nj_mqtt_session *session, struct nj_mqtt_message *message,
				 const struct nj_mqtt_kept *kept)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	uint64_t bytes = keep_row_bytes(message) + NJ_MESSAGES_ROW_BYTES;
	NJ_TRY(nj_mqtt_keep_row_ahead(session));
	if (!nj_mqtt_keep_admit(session, bytes)) {
		nj_mqtt_queue_full(session, 0);
		return NJ_ERR_FULL;
	}
	struct nj_mqtt_record *record = enqueue_record(session, message, kept);
	if (record == NULL) {
		keep_count(session, -1, -(int64_t)bytes);
		return NJ_ERR_NO_MEMORY;
	}
	struct nj_mqtt_delivery *delivery = nj_mqtt_keep_in_window(session, record, kept);
	session->keep->behind |= delivery == NULL;
	if (journal->pledge != NULL && (!journal->durable.relaxed || journal->together)) {
		record->pledge = journal->pledge;
		nj_mqtt_pledge_hold(record->pledge);
	}
	nj_mqtt_record_gather(journal, record, wait_of(session, delivery, kept->replayed));
	return NJ_OK;
}

bool nj_mqtt_keep_waits(const struct nj_mqtt_delivery *delivery)
{
	return delivery->qos == 2 && delivery->record != NULL;
}

void nj_mqtt_keep_sent(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position > session->keep->sent)
		session->keep->sent = delivery->position;
	delivery->sent_ms = (uint32_t)nj_reactor_now_ms(session->broker->reactor);
}

/* ---- its end ---- */

static struct nj_mqtt_record *row_record(struct nj_mqtt_session *session, enum nj_messages_op_type type,
					 const struct nj_mqtt_delivery *delivery)
{
	struct nj_mqtt_record *record = nj_mqtt_record_new(keep_journal(session), type, session, 0);
	if (record == NULL)
		return NULL;
	record->op.position = delivery->position;
	if (delivery->message == NULL)
		return record;
	const struct nj_mqtt_content *content = &delivery->message->content;
	record->op.shared = delivery->shared;
	record->op.body = (struct nj_messages_body){ .topic_bytes = (uint32_t)content->topic.len,
						     .properties_bytes = (uint32_t)content->properties.len,
						     .payload_bytes = (uint32_t)content->payload.len };
	return record;
}

/* A mean over some eight answers. */
static void note_answer(struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery)
{
	uint32_t took_ms = (uint32_t)nj_reactor_now_ms(session->broker->reactor) - delivery->sent_ms;
	if (delivery->packet_id == 0 || delivery->place != NJ_MQTT_INFLIGHT)
		return;
	took_ms = took_ms < 10000 ? took_ms : 10000;
	session->keep->answer_ms += took_ms - session->keep->answer_ms / 8;
}

static void remove_row(struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery, bool discarded)
{
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_DEQUEUE, delivery);
	if (record == NULL)
		return;
	record->over = true;
	record->op.flags = discarded ? NJ_MESSAGES_DISCARDED : 0;
	nj_mqtt_record_open(keep_journal(session), record, discarded ? 0 : KEEP_LAZY_MS);
}

/* The delivery goes before its pledge is released: that may end connections. */
static void end_kept(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery, bool discarded)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	struct nj_mqtt_record *record = delivery->record;
	bool open = record != NULL && record->op.type == NJ_MESSAGES_ENQUEUE && !record->handed_over;
	note_answer(session, delivery);
	keep_count(session, -1, -(int64_t)keep_bytes_of(delivery));
	if (delivery->position > session->keep->passed)
		session->keep->passed = delivery->position;
	/* A row that is on its way goes when it is there: another broker's group may bring it. What is discarded is
	 * counted, though it never was there. */
	if ((!open && delivery->stored) || (open && discarded))
		remove_row(session, delivery, discarded);
	if (record != NULL) {
		record->delivery = NULL;
		record->discarded = discarded;
		record->over = true;
	}
	nj_mqtt_delivery_free(&session->flow, delivery);
	if (open)
		nj_mqtt_record_elide(journal, record);
}

void nj_mqtt_delivery_over(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position != 0 && keep_journal(session) != NULL)
		end_kept(session, delivery, false);
	else
		nj_mqtt_delivery_free(&session->flow, delivery);
}

void nj_mqtt_keep_discard(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	end_kept(session, delivery, true);
}

bool nj_mqtt_keep_release(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position == 0 || keep_journal(session) == NULL || !delivery->stored)
		return false;
	if (delivery->record != NULL || delivery->released)
		return delivery->record != NULL;
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_RELEASE, delivery);
	if (record == NULL)
		return true; /* the client asks again on its next connection */
	record->delivery = delivery;
	delivery->record = record;
	nj_mqtt_record_open(keep_journal(session), record, 0);
	return true;
}

bool nj_mqtt_keep_complete(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position == 0 || keep_journal(session) == NULL || !delivery->stored)
		return false;
	if (delivery->record != NULL)
		return true;
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_DEQUEUE, delivery);
	if (record == NULL)
		return true;
	record->delivery = delivery;
	delivery->record = record;
	nj_mqtt_record_open(keep_journal(session), record, 0);
	return true;
}

/* ---- QoS 2 from the client ---- */

static struct nj_mqtt_record *received_record(struct nj_mqtt_session *session, enum nj_messages_op_type type,
					      uint16_t packet_id)
{
	struct nj_mqtt_record *record = nj_mqtt_record_new(keep_journal(session), type, session, 0);
	if (record != NULL)
		record->op.value = packet_id;
	return record;
}

enum nj_err nj_mqtt_keep_received(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	if (journal == NULL || !nj_mqtt_lasts(session))
		return NJ_OK;
	struct nj_mqtt_record *record = received_record(session, NJ_MESSAGES_RECEIVE, packet_id);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	record->pledge = journal->pledge;
	if (record->pledge != NULL)
		nj_mqtt_pledge_hold(record->pledge);
	nj_mqtt_record_gather(journal, record, 0);
	return NJ_OK;
}

void nj_mqtt_keep_unreceived(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	if (journal == NULL || nj_list_empty(&session->keep->records))
		return;
	struct nj_mqtt_record *last = NJ_CONTAINER(session->keep->records.prev, struct nj_mqtt_record, by_session);
	if (last->op.type == NJ_MESSAGES_RECEIVE && last->op.value == packet_id)
		nj_mqtt_record_elide(journal, last);
}

void nj_mqtt_keep_repeated(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	struct nj_mqtt_pledge *pledge = journal != NULL ? journal->pledge : NULL;
	if (pledge == NULL)
		return;
	NJ_LIST_EACH (&session->keep->records, at) {
		struct nj_mqtt_record *record = NJ_CONTAINER(at, struct nj_mqtt_record, by_session);
		struct nj_mqtt_pledge *former = record->pledge;
		if (record->op.type != NJ_MESSAGES_RECEIVE || record->op.value != packet_id ||
		    (former != NULL && former->client != NULL))
			continue;
		nj_mqtt_pledge_hold(pledge);
		record->pledge = pledge;
		nj_mqtt_pledge_release(former, true);
	}
}

void nj_mqtt_keep_forgotten(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	struct nj_mqtt_client *client = session->client;
	struct nj_mqtt_pledge *pledge = NULL;
	struct nj_mqtt_record *record = NULL;
	if (journal != NULL && nj_mqtt_lasts(session))
		record = received_record(session, NJ_MESSAGES_FORGET, packet_id);
	if (record != NULL)
		pledge = nj_mqtt_pledge_new(client, NJ_MQTT_PUBCOMP, packet_id, nj_view_of(NULL, 0));
	if (record == NULL) {
		nj_mqtt_pledge_answer(client, NJ_MQTT_PUBCOMP, packet_id, NJ_MQTT_R_SUCCESS, NULL);
		return;
	}
	record->pledge = pledge;
	nj_mqtt_record_open(journal, record, 0);
}

/* ---- what came back ---- */

static uint64_t record_bytes(const struct nj_mqtt_record *record)
{
	return nj_messages_body_bytes(&record->op.body) + NJ_MESSAGES_ROW_BYTES;
}

/* Younger rows may have waited for it. */
static void row_settled(struct nj_mqtt_record *record)
{
	record->session->keep->waits_for_row = false;
	nj_mqtt_keep_refill(record->session);
}

/* Not on disk: whoever published was told so, or will be. A QoS 1 message that was sent already goes on from memory. */
static void enqueue_failed(struct nj_mqtt_record *record)
{
	struct nj_mqtt_session *session = record->session;
	struct nj_mqtt_delivery *delivery = record->delivery;
	nj_mqtt_count(&session->broker->counters.messages_dropped, 1);
	if (delivery != NULL)
		delivery->record = NULL;
	if (delivery != NULL && delivery->place == NJ_MQTT_INFLIGHT)
		return;
	if (!record->over)
		keep_count(session, -1, -(int64_t)record_bytes(record));
	if (delivery != NULL)
		nj_mqtt_delivery_free(&session->flow, delivery);
	else
		row_settled(record);
}

/* It was acknowledged before it was on disk. What is read of the queue from now on is read behind this. */
static void remove_late(const struct nj_mqtt_record *row)
{
	struct nj_mqtt_session *session = row->session;
	struct nj_mqtt_record *record = nj_mqtt_record_new(keep_journal(session), NJ_MESSAGES_DEQUEUE, session, 0);
	if (record == NULL)
		return;
	record->op.position = row->op.position;
	record->op.shared = row->op.shared;
	record->op.body = row->op.body;
	record->op.flags = row->discarded ? NJ_MESSAGES_DISCARDED : 0;
	record->over = true;
	bool again = session->client == NULL || row->discarded || row->op.position > session->keep->window_last;
	nj_mqtt_record_open(keep_journal(session), record, again ? 0 : KEEP_LAZY_MS);
}

static void enqueue_done(struct nj_mqtt_record *record)
{
	struct nj_mqtt_delivery *delivery = record->delivery;
	if (delivery == NULL) {
		if (record->over)
			remove_late(record);
		row_settled(record);
		return;
	}
	delivery->record = NULL;
	delivery->stored = true;
	if (delivery->qos == 2)
		nj_mqtt_pump(record->session);
}

static void release_done(struct nj_mqtt_record *record)
{
	struct nj_mqtt_session *session = record->session;
	struct nj_mqtt_delivery *delivery = record->delivery;
	if (!record->over)
		keep_count(session, 0, -(int64_t)nj_messages_body_bytes(&record->op.body));
	if (delivery == NULL)
		return;
	delivery->record = NULL;
	nj_mqtt_flow_release(delivery);
	if (session->client != NULL)
		nj_mqtt_client_ack(session->client, NJ_MQTT_PUBREL, delivery->packet_id, NJ_MQTT_R_SUCCESS);
}

static void dequeue_done(struct nj_mqtt_record *record)
{
	struct nj_mqtt_session *session = record->session;
	struct nj_mqtt_delivery *delivery = record->delivery;
	if (!record->over)
		keep_count(session, -1, -(int64_t)record_bytes(record));
	if (delivery == NULL)
		return;
	delivery->record = NULL;
	nj_mqtt_delivery_free(&session->flow, delivery);
	nj_mqtt_pump(session);
}

void nj_mqtt_record_done(struct nj_mqtt_record *record, enum nj_err err)
{
	struct nj_mqtt_session *session = record->session;
	if (session == NULL)
		return;
	switch (record->op.type) {
	case NJ_MESSAGES_ENQUEUE:
		if (err == NJ_OK)
			enqueue_done(record);
		else
			enqueue_failed(record);
		return;
	case NJ_MESSAGES_RELEASE:
		release_done(record);
		return;
	case NJ_MESSAGES_DEQUEUE:
		dequeue_done(record);
		return;
	case NJ_MESSAGES_TRIM:
		if (err == NJ_OK)
			nj_mqtt_keep_trimmed(session, record->op.trim);
		return;
	case NJ_MESSAGES_SESSION_PUT:
		session->keep->row_stored |= err == NJ_OK;
		return;
	case NJ_MESSAGES_RECEIVE:
		if (err != NJ_OK)
			(void)nj_mqtt_flow_forget(&session->flow, (uint16_t)record->op.value);
		return;
	default:
		return;
	}
}
