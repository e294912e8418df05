/* What the store has of a session beside its queue: its row, from its beginning to its end, and its subscriptions; and
 * retained messages. */
#include "mqtt/keep_state.h"
#include "mqtt/will.h"

/* ---- the session's row ---- */

static void fill_will(const struct nj_mqtt_session *session, struct nj_messages_will *out_will)
{
	const struct nj_mqtt_will *will = session->will;
	if (will == NULL)
		return;
	const struct nj_mqtt_message *message = will->message;
	*out_will = (struct nj_messages_will){
		.present = true,
		.flags = (uint8_t)(message->content.qos | (message->content.retain ? NJ_MESSAGES_RETAINED : 0)),
		.expires = will->expires,
		.expiry_s = will->expiry_s,
		.delay_s = will->delay_s,
		.due_ms = session->keep->will_due_ms,
		.body = { .bytes = message->bytes,
			  .topic_bytes = (uint32_t)message->content.topic.len,
			  .properties_bytes = (uint32_t)message->content.properties.len,
			  .payload_bytes = (uint32_t)message->content.payload.len },
	};
}

static void session_row(const struct nj_mqtt_session *session, struct nj_messages_session *out_row)
{
	*out_row = (struct nj_messages_session){
		.no = session->keep->no,
		.client_id = nj_mqtt_session_client_id(session),
		.expiry_s = session->expiry_s,
		.ends_ms = session->keep->ends_ms,
		/* What may have been sent before a crash may be sent again after the next. */
		.sent = session->keep->doubtful > session->keep->sent ? session->keep->doubtful : session->keep->sent,
	};
	memcpy(out_row->uid, session->key, NJ_PARTY_UID_BYTES);
	fill_will(session, &out_row->will);
}

/* It is filled when it leaves: an older record that is tried again must not undo a newer one. What it lends is its
 * own: the session may be gone before it is written. */
void nj_mqtt_record_fill_row(struct nj_mqtt_record *record)
{
	const struct nj_mqtt_session *session = record->session;
	uint8_t *client_id = nj_mqtt_record_more(record);
	session_row(session, &record->row);
	memcpy(client_id, record->row.client_id.data, record->row.client_id.len);
	record->row.client_id.data = client_id;
	if (session->will != NULL)
		nj_mqtt_record_carry(record, session->will->message);
	record->op.row = &record->row;
}

static enum nj_err put_row(struct nj_mqtt_session *session, uint32_t wait_ms)
{
	struct nj_mqtt_record *record =
	    nj_mqtt_record_new(keep_journal(session), NJ_MESSAGES_SESSION_PUT, session, session->key_bytes);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_mqtt_record_open(keep_journal(session), record, wait_ms);
	return NJ_OK;
}

static enum nj_err make(struct nj_mqtt_session *session)
{
	struct nj_mqtt_broker *broker = session->broker;
	if (session->keep != &broker->no_keep)
		return NJ_OK;
	NJ_TRY(nj_mqtt_budget_take(&broker->shared->budget, sizeof(*session->keep)));
	struct nj_mqtt_keep *keep = calloc(1, sizeof(*keep));
	if (keep == NULL) {
		nj_mqtt_budget_give(&broker->shared->budget, sizeof(*keep));
		return NJ_ERR_NO_MEMORY;
	}
	keep->session = session;
	nj_list_init(&keep->records);
	session->keep = keep;
	return NJ_OK;
}

void nj_mqtt_keep_free(struct nj_mqtt_session *session)
{
	struct nj_mqtt_broker *broker = session->broker;
	if (session->keep == &broker->no_keep)
		return;
	nj_mqtt_budget_give(&broker->shared->budget, sizeof(*session->keep));
	free(session->keep);
	session->keep = &broker->no_keep;
}

enum nj_err nj_mqtt_keep_row_ahead(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	bool elsewhere = journal->pledge != NULL && journal->pledge->gathers && journal->pledge->whole != NULL;
	if (session->keep->row_stored || !elsewhere)
		return NJ_OK;
	struct nj_mqtt_record *record =
	    nj_mqtt_record_new(journal, NJ_MESSAGES_SESSION_PUT, session, session->key_bytes);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_mqtt_record_open_ahead(journal, record);
	return NJ_OK;
}

enum nj_err nj_mqtt_keep_session(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	if (journal == NULL || (session->expiry_s == 0 && !nj_mqtt_lasts(session)))
		return NJ_OK;
	NJ_TRY(make(session));
	session->keep->ends_ms = 0;
	session->keep->will_due_ms = 0;
	if (nj_mqtt_lasts(session))
		return put_row(session, KEEP_LAZY_MS);
	session->keep->no = journal->durable.next_session(journal->durable.arg);
	session->flow.positional = nj_mqtt_lasts(session);
	/* Before all that hangs on it. */
	return nj_mqtt_lasts(session) ? put_row(session, 0) : NJ_ERR_LIMIT;
}

void nj_mqtt_keep_changed(struct nj_mqtt_session *session)
{
	if (keep_journal(session) != NULL && nj_mqtt_lasts(session) && put_row(session, KEEP_LAZY_MS) != NJ_OK)
		nj_mqtt_count(&keep_journal(session)->refused, 1);
}

void nj_mqtt_keep_away(struct nj_mqtt_session *session, uint64_t ends_in_ms, uint64_t will_in_ms)
{
	uint64_t now_ms = nj_clock_wall_ms(nj_reactor_clock(session->broker->reactor));
	if (!nj_mqtt_lasts(session))
		return;
	session->keep->ends_ms = ends_in_ms == UINT64_MAX ? NJ_MESSAGES_NEVER : now_ms + ends_in_ms;
	session->keep->will_due_ms = now_ms + will_in_ms;
	nj_mqtt_keep_changed(session);
}

enum nj_err nj_mqtt_keep_restore(struct nj_mqtt_session *session, const struct nj_messages_session *row)
{
	NJ_TRY(make(session));
	struct nj_mqtt_keep *keep = session->keep;
	keep->no = row->no;
	keep->tail = row->tail;
	keep->sent = row->sent;
	keep->doubtful = row->ends_ms == 0 ? row->tail : 0;
	keep->ends_ms = row->ends_ms;
	keep->will_due_ms = row->will.due_ms;
	keep->behind = row->messages > 0;
	keep->row_stored = true;
	session->flow.positional = true;
	session->flow.discarded = row->discarded;
	keep_count(session, (int64_t)row->messages, (int64_t)row->bytes);
	return NJ_OK;
}

/* What comes back is nobody's any more; `out_idle`: what need not leave. */
static void leave_records(struct nj_mqtt_session *session, struct nj_list *out_idle)
{
	nj_list_init(out_idle);
	NJ_LIST_EACH (&session->keep->records, at) {
		struct nj_mqtt_record *record = NJ_CONTAINER(at, struct nj_mqtt_record, by_session);
		if (record->delivery != NULL)
			record->delivery->record = NULL;
		record->delivery = NULL;
		record->session = NULL;
		nj_list_remove(at);
		if (!record->handed_over)
			nj_list_push_back(out_idle, at);
	}
}

void nj_mqtt_keep_end(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	if (!nj_mqtt_lasts(session))
		return;
	nj_mqtt_keep_leave_page(session);
	keep_count(session, -(int64_t)session->keep->messages, -(int64_t)session->keep->bytes);
	struct nj_list idle;
	leave_records(session, &idle);
	if (journal == NULL)
		return;
	while (!nj_list_empty(&idle))
		nj_mqtt_record_elide(journal, NJ_CONTAINER(idle.next, struct nj_mqtt_record, by_session));
	struct nj_mqtt_record *drop = nj_mqtt_record_new(journal, NJ_MESSAGES_SESSION_DROP, NULL, 0);
	if (drop == NULL)
		return;
	drop->op.session = session->keep->no;
	nj_mqtt_record_open(journal, drop, 0);
}

/* ---- subscriptions, retained messages ---- */

static void lend_text(struct nj_mqtt_record *record, struct nj_view text, struct nj_mqtt_pledge *pledge)
{
	memcpy(nj_mqtt_record_more(record), text.data, text.len);
	record->op.text = nj_view_of(nj_mqtt_record_more(record), text.len);
	record->pledge = pledge;
	if (pledge != NULL)
		nj_mqtt_pledge_hold(pledge);
}

static void open_with_text(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, struct nj_view text,
			   struct nj_mqtt_pledge *pledge)
{
	lend_text(record, text, pledge);
	nj_mqtt_record_open(journal, record, 0);
}

void nj_mqtt_keep_subscription(struct nj_mqtt_subscription *s, struct nj_mqtt_pledge *pledge)
{
	struct nj_mqtt_session *session = s->session;
	struct nj_mqtt_record *record = NULL;
	if (keep_journal(session) != NULL && nj_mqtt_lasts(session))
		record = nj_mqtt_record_new(keep_journal(session), NJ_MESSAGES_SUBSCRIBE, session, s->filter_bytes);
	if (record == NULL)
		return;
	record->op.flags = (uint8_t)(s->qos | (s->no_local ? NJ_MQTT_KEPT_NO_LOCAL : 0) |
				     (s->retain_as_published ? NJ_MQTT_KEPT_RETAIN_AS_PUBLISHED : 0) |
				     (s->replay != NULL || s->replays_again ? NJ_MQTT_KEPT_REPLAYS : 0));
	record->op.value = s->id;
	open_with_text(keep_journal(session), record, nj_view_of(s->filter, s->filter_bytes), pledge);
}

void nj_mqtt_keep_unsubscribed(struct nj_mqtt_session *session, struct nj_view filter, struct nj_mqtt_pledge *pledge)
{
	struct nj_mqtt_record *record = NULL;
	if (keep_journal(session) != NULL && nj_mqtt_lasts(session))
		record = nj_mqtt_record_new(keep_journal(session), NJ_MESSAGES_UNSUBSCRIBE, session, filter.len);
	if (record != NULL)
		open_with_text(keep_journal(session), record, filter, pledge);
}

void nj_mqtt_keep_retained(struct nj_mqtt_space *space, struct nj_mqtt_broker *broker, struct nj_mqtt_message *message)
{
	struct nj_mqtt_journal *journal = broker->journal;
	const struct nj_mqtt_content *content = &message->content;
	struct nj_view customer = nj_view_str(space->customer);
	if (journal == NULL)
		return;
	bool removed = content->payload.len == 0;
	struct nj_mqtt_record *record =
	    nj_mqtt_record_new(journal, removed ? NJ_MESSAGES_UNRETAIN : NJ_MESSAGES_RETAIN, NULL, customer.len);
	if (record == NULL)
		return;
	nj_mqtt_record_carry(record, message);
	record->op.flags = content->qos;
	record->op.body.expires_ms = nj_mqtt_wall_of(broker, content->expires_ms);
	bool hold = !journal->durable.relaxed || journal->together;
	lend_text(record, customer, hold ? journal->pledge : NULL);
	/* On disk before the message's identifier is: what comes again is not retained again. */
	nj_mqtt_record_open_ahead(journal, record);
}
