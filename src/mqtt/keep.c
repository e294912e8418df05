#include "mqtt/keep.h"

#include "mqtt/share.h"

#define PATIENCE_MS 50 /* so long a message waits for its receiver's acknowledgement before it is written */
#define HOPELESS_MS 30 /* whose receiver takes longer than this as a rule is written at once */
#define RELAXED_MS 500 /* with `durability: relaxed` */
#define LAZY_MS 100    /* what was acknowledged is taken off the disk when it is convenient */
#define WINDOW_MESSAGES 512
#define WINDOW_BYTES (256u * 1024)
#define SHARE_BYTES 512 /* bodies that are longer are written once for all their receivers */
#define AGAIN_MS 100

static uint64_t row_bytes(const struct nj_mqtt_message *message)
{
	const struct nj_mqtt_content *content = &message->content;
	return content->topic.len + content->properties.len + content->payload.len;
}

static uint64_t bytes_of(const struct nj_mqtt_delivery *delivery)
{
	return NJ_MESSAGES_ROW_BYTES + (delivery->message != NULL ? row_bytes(delivery->message) : 0);
}

static void count(struct nj_mqtt_session *session, int64_t messages, int64_t bytes)
{
	session->keep->messages += (uint64_t)messages;
	session->keep->bytes += (uint64_t)bytes;
	atomic_fetch_add_explicit(&session->space->kept->bytes, (uint64_t)bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&session->broker->shared->kept_bytes, (uint64_t)bytes, memory_order_relaxed);
}

static struct nj_mqtt_journal *journal_of(const struct nj_mqtt_session *session)
{
	return session->broker->journal;
}

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
		.client_id = nj_view_of(session->key + NJ_PARTY_UID_BYTES, session->key_bytes - NJ_PARTY_UID_BYTES),
		.expiry_s = session->expiry_s,
		.ends_ms = session->keep->ends_ms,
		.sent = session->keep->sent,
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
	    nj_mqtt_record_new(journal_of(session), NJ_MESSAGES_SESSION_PUT, session, session->key_bytes);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_mqtt_record_open(journal_of(session), record, wait_ms);
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

enum nj_err nj_mqtt_keep_session(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = journal_of(session);
	if (journal == NULL || (session->expiry_s == 0 && !nj_mqtt_lasts(session)))
		return NJ_OK;
	NJ_TRY(make(session));
	session->keep->ends_ms = 0;
	session->keep->will_due_ms = 0;
	if (nj_mqtt_lasts(session))
		return put_row(session, LAZY_MS);
	session->keep->no = journal->durable.next_session(journal->durable.arg);
	session->flow.positional = nj_mqtt_lasts(session);
	/* Before all that hangs on it. */
	return nj_mqtt_lasts(session) ? put_row(session, 0) : NJ_ERR_LIMIT;
}

void nj_mqtt_keep_changed(struct nj_mqtt_session *session)
{
	if (journal_of(session) != NULL && nj_mqtt_lasts(session) && put_row(session, LAZY_MS) != NJ_OK)
		nj_mqtt_count(&journal_of(session)->refused, 1);
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
	session->flow.positional = true;
	count(session, (int64_t)row->messages, (int64_t)row->bytes);
	return NJ_OK;
}

/* ---- the window ---- */

static void on_again(struct nj_timer *timer)
{
	nj_mqtt_keep_refill(NJ_CONTAINER(timer, struct nj_mqtt_keep, again)->session);
}

static bool window_has_room(const struct nj_mqtt_flow *flow)
{
	return flow->waiting_count < WINDOW_MESSAGES && flow->waiting_bytes < WINDOW_BYTES;
}

void nj_mqtt_keep_refill(struct nj_mqtt_session *session)
{
	struct nj_mqtt_keep *keep = session->keep;
	const struct nj_mqtt_flow *flow = &session->flow;
	if (!keep->behind || keep->page != NULL || keep->waits_for_row || session->client == NULL ||
	    journal_of(session) == NULL || flow->waiting_count > WINDOW_MESSAGES / 2 ||
	    flow->waiting_bytes > WINDOW_BYTES / 2)
		return;
	struct nj_mqtt_page *page = calloc(1, sizeof(*page));
	if (page == NULL) {
		keep->again.on_timer = on_again;
		nj_timer_arm(session->broker->reactor, &keep->again, AGAIN_MS);
		return;
	}
	page->session = session;
	page->page = (struct nj_messages_page){ .session = keep->no,
						.after = keep->window_last,
						.max_rows = WINDOW_MESSAGES / 2,
						.max_bytes = WINDOW_BYTES / 2 };
	nj_list_init(&page->page.rows);
	keep->page = page;
	keep->tail_asked = keep->tail;
	nj_mqtt_page_ask(journal_of(session), page);
}

static enum nj_err message_of_row(struct nj_mqtt_session *session, const struct nj_messages_row *row,
				  struct nj_mqtt_message **out_message)
{
	const struct nj_messages_body *body = &row->body;
	struct nj_mqtt_content content = {
		.topic = nj_view_of(body->bytes, body->topic_bytes),
		.properties = nj_view_of(body->bytes + body->topic_bytes, body->properties_bytes),
		.payload = nj_view_of(body->bytes + body->topic_bytes + body->properties_bytes, body->payload_bytes),
		.expires_ms = nj_mqtt_boot_of(session->broker, body->expires_ms),
		.qos = row->flags & NJ_MESSAGES_QOS,
		.retain = (row->flags & NJ_MESSAGES_RETAINED) != 0,
	};
	return nj_mqtt_message_new(&session->broker->shared->budget, &content, out_message);
}

/* The rights that it was stored under may be others' now: it is judged again before it leaves. */
static enum nj_err take_row(struct nj_mqtt_session *session, const struct nj_messages_row *row)
{
	struct nj_mqtt_flow *flow = &session->flow;
	struct nj_mqtt_message *message = NULL;
	bool released = (row->flags & NJ_MESSAGES_RELEASED) != 0;
	NJ_TRY(message_of_row(session, row, &message));
	struct nj_mqtt_delivery *delivery = nj_mqtt_delivery_new(flow, message, row->ids, row->id_count);
	nj_mqtt_message_unref(message);
	if (delivery == NULL)
		return NJ_ERR_NO_MEMORY;
	delivery->qos = row->flags & NJ_MESSAGES_QOS;
	delivery->retain = (row->flags & NJ_MESSAGES_RETAINED) != 0;
	delivery->rights_version = ~session->party->rights_version;
	delivery->position = row->position;
	delivery->shared = row->shared;
	delivery->stored = true;
	delivery->dup = row->position <= session->keep->sent || row->position <= session->keep->doubtful;
	if (row->position <= session->keep->sent || released)
		delivery->packet_id = nj_mqtt_position_id(row->position);
	if (released)
		nj_mqtt_flow_release(delivery);
	nj_mqtt_flow_append(flow, delivery);
	session->keep->window_last = row->position;
	return NJ_OK;
}

/* The first row that is still on its way to the disk: younger ones may be there before it, and wait for it. */
static uint64_t first_open(const struct nj_mqtt_session *session)
{
	uint64_t first = UINT64_MAX;
	NJ_LIST_EACH ((struct nj_list *)&session->keep->records, at) {
		const struct nj_mqtt_record *record = NJ_CONTAINER(at, struct nj_mqtt_record, by_session);
		if (record->op.type == NJ_MESSAGES_ENQUEUE && record->delivery == NULL &&
		    record->op.position > session->keep->window_last && record->op.position < first)
			first = record->op.position;
	}
	return first;
}

/* Whether the row is on its way off the disk: it was read before it was off. */
static bool going(const struct nj_mqtt_session *session, uint64_t position)
{
	NJ_LIST_EACH ((struct nj_list *)&session->keep->records, at) {
		const struct nj_mqtt_record *record = NJ_CONTAINER(at, struct nj_mqtt_record, by_session);
		if (record->op.type == NJ_MESSAGES_DEQUEUE && record->op.position == position)
			return true;
	}
	return false;
}

/* Rows that were in the window of this connection are behind the page. */
static bool any_going(const struct nj_mqtt_session *session, uint64_t after)
{
	NJ_LIST_EACH ((struct nj_list *)&session->keep->records, at) {
		const struct nj_mqtt_record *record = NJ_CONTAINER(at, struct nj_mqtt_record, by_session);
		if (record->op.type == NJ_MESSAGES_DEQUEUE && record->op.position > after)
			return true;
	}
	return false;
}

static enum nj_err take_rows(struct nj_mqtt_session *session, const struct nj_messages_page *page, uint64_t first)
{
	NJ_TRY(page->result);
	bool some_go = any_going(session, page->after);
	NJ_LIST_EACH ((struct nj_list *)&page->rows, at) {
		const struct nj_messages_row *row = NJ_CONTAINER(at, struct nj_messages_row, link);
		if (row->position >= first)
			return NJ_ERR_AGAIN;
		if (some_go && going(session, row->position))
			session->keep->window_last = row->position;
		else
			NJ_TRY(take_row(session, row));
	}
	return !page->more && first != UINT64_MAX ? NJ_ERR_AGAIN : NJ_OK;
}

/* NJ_ERR_AGAIN: the row that it waits for asks again when it is there. */
static void take_page(struct nj_mqtt_session *session, struct nj_messages_page *page)
{
	struct nj_mqtt_keep *keep = session->keep;
	enum nj_err err = take_rows(session, page, first_open(session));
	keep->page = NULL;
	keep->waits_for_row = err == NJ_ERR_AGAIN;
	if (err != NJ_OK && err != NJ_ERR_AGAIN) {
		keep->again.on_timer = on_again;
		nj_timer_arm(session->broker->reactor, &keep->again, AGAIN_MS);
	} else if (err == NJ_OK && !page->more && keep->tail == keep->tail_asked) {
		keep->behind = false;
	}
	nj_mqtt_pump(session);
}

static void free_rows(struct nj_messages_page *page)
{
	while (!nj_list_empty(&page->rows)) {
		struct nj_messages_row *row = NJ_CONTAINER(page->rows.next, struct nj_messages_row, link);
		nj_list_remove(&row->link);
		free(row);
	}
}

void nj_mqtt_page_done(struct nj_mqtt_page *page)
{
	if (page->session != NULL && page->session->client != NULL)
		take_page(page->session, &page->page);
	else if (page->session != NULL)
		page->session->keep->page = NULL;
	free_rows(&page->page);
	free(page);
}

static void leave_page(struct nj_mqtt_session *session)
{
	if (session->keep->page != NULL)
		session->keep->page->session = NULL;
	session->keep->page = NULL;
	nj_timer_cancel(&session->keep->again);
}

void nj_mqtt_keep_attach(struct nj_mqtt_session *session)
{
	struct nj_mqtt_keep *keep = session->keep;
	keep->behind = keep->messages > 0;
	keep->waits_for_row = false;
	keep->window_last = 0;
	nj_mqtt_keep_refill(session);
}

/* Rows that are not on disk yet leave with the next group, and are read back like the others; what could not be
 * written is lost to this session, as its publisher was told. */
static void drop_window(struct nj_mqtt_session *session, struct nj_list *list)
{
	while (!nj_list_empty(list)) {
		struct nj_mqtt_delivery *delivery = NJ_CONTAINER(list->next, struct nj_mqtt_delivery, link);
		if (delivery->record != NULL)
			delivery->record->delivery = NULL;
		else if (delivery->position != 0 && !delivery->stored)
			count(session, -1, -(int64_t)bytes_of(delivery));
		nj_mqtt_delivery_free(&session->flow, delivery);
	}
}

void nj_mqtt_keep_detach(struct nj_mqtt_session *session)
{
	struct nj_mqtt_keep *keep = session->keep;
	if (!nj_mqtt_lasts(session))
		return;
	leave_page(session);
	drop_window(session, &session->flow.inflight);
	drop_window(session, &session->flow.waiting);
	NJ_LIST_EACH (&keep->records, at)
		nj_mqtt_record_hurry(journal_of(session), NJ_CONTAINER(at, struct nj_mqtt_record, by_session));
	keep->doubtful = 0;
	keep->behind = keep->messages > 0;
}

void nj_mqtt_keep_end(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = journal_of(session);
	if (!nj_mqtt_lasts(session))
		return;
	leave_page(session);
	count(session, -(int64_t)session->keep->messages, -(int64_t)session->keep->bytes);
	while (!nj_list_empty(&session->keep->records)) {
		struct nj_mqtt_record *record =
		    NJ_CONTAINER(session->keep->records.next, struct nj_mqtt_record, by_session);
		if (record->delivery != NULL)
			record->delivery->record = NULL;
		record->delivery = NULL;
		nj_list_remove(&record->by_session);
		record->session = NULL;
		if (!record->handed_over && journal != NULL)
			nj_mqtt_record_elide(journal, record);
	}
	if (journal == NULL)
		return;
	struct nj_mqtt_record *drop = nj_mqtt_record_new(journal, NJ_MESSAGES_SESSION_DROP, NULL, 0);
	if (drop == NULL)
		return;
	drop->op.session = session->keep->no;
	nj_mqtt_record_open(journal, drop, 0);
}

/* ---- a message for the session ---- */

static bool fits(const struct nj_mqtt_session *session, uint64_t bytes)
{
	const struct nj_mqtt_broker *broker = session->broker;
	const struct nj_mqtt_limits *limits = &broker->limits;
	const struct nj_mqtt_keep *keep = session->keep;
	/* One message fits a session that waits for nothing, whatever its size is. */
	bool session_fits = keep->messages == 0 || (keep->messages < limits->max_queued_messages &&
						    keep->bytes + bytes <= limits->max_queued_bytes);
	return session_fits && keep->tail < NJ_MESSAGES_POSITION_MAX &&
	       session->space->kept->bytes + bytes <= limits->customer_queued_bytes &&
	       broker->shared->kept_bytes + bytes <= limits->total_queued_bytes;
}

/* From its second receiver on a long body is written once. */
static uint64_t shared_number(struct nj_mqtt_journal *journal, const struct nj_mqtt_message *message)
{
	if (journal->kept_last != message)
		journal->kept_times = 0;
	journal->kept_last = message;
	if (row_bytes(message) <= SHARE_BYTES || journal->kept_times++ == 0)
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
	struct nj_mqtt_journal *journal = journal_of(session);
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

/* In the window too, where the client is there and nothing older is on disk alone. NULL: not. */
static struct nj_mqtt_delivery *window_delivery(struct nj_mqtt_session *session, struct nj_mqtt_record *record,
						const struct nj_mqtt_kept *kept)
{
	struct nj_mqtt_flow *flow = &session->flow;
	if (session->client == NULL || session->keep->behind || !window_has_room(flow))
		return NULL;
	struct nj_mqtt_delivery *delivery = nj_mqtt_delivery_new(flow, record->message, kept->ids, kept->id_count);
	if (delivery == NULL)
		return NULL;
	delivery->qos = kept->qos;
	delivery->retain = kept->retain;
	delivery->group_id = kept->group_id;
	delivery->rights_version = session->party->rights_version;
	delivery->position = record->op.position;
	delivery->shared = record->op.shared;
	delivery->record = record;
	record->delivery = delivery;
	nj_mqtt_flow_append(flow, delivery);
	session->keep->window_last = delivery->position;
	return delivery;
}

/* How long it may wait for what would make it needless. */
static uint32_t wait_of(const struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery)
{
	const struct nj_mqtt_journal *journal = journal_of(session);
	if (journal->together || (delivery != NULL && delivery->qos == 2))
		return 0;
	if (journal->durable.relaxed)
		return RELAXED_MS;
	return delivery != NULL && session->keep->answer_ms / 8 <= HOPELESS_MS ? PATIENCE_MS : 0;
}

enum nj_err nj_mqtt_keep_message(struct nj_mqtt_session *session, struct nj_mqtt_message *message,
				 const struct nj_mqtt_kept *kept)
{
	struct nj_mqtt_journal *journal = journal_of(session);
	uint64_t bytes = row_bytes(message) + NJ_MESSAGES_ROW_BYTES;
	if (!fits(session, bytes))
		return NJ_ERR_FULL;
	struct nj_mqtt_record *record = enqueue_record(session, message, kept);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	struct nj_mqtt_delivery *delivery = window_delivery(session, record, kept);
	session->keep->behind |= delivery == NULL;
	count(session, 1, (int64_t)bytes);
	if (journal->pledge != NULL && (!journal->durable.relaxed || journal->together)) {
		record->pledge = journal->pledge;
		nj_mqtt_pledge_hold(record->pledge);
	}
	nj_mqtt_record_gather(journal, record, wait_of(session, delivery));
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
	struct nj_mqtt_record *record = nj_mqtt_record_new(journal_of(session), type, session, 0);
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

static void remove_row(struct nj_mqtt_session *session, const struct nj_mqtt_delivery *delivery)
{
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_DEQUEUE, delivery);
	if (record == NULL)
		return;
	record->over = true;
	nj_mqtt_record_open(journal_of(session), record, LAZY_MS);
}

/* The delivery goes before its pledge is released: that may end connections. */
static void end_kept(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	struct nj_mqtt_journal *journal = journal_of(session);
	struct nj_mqtt_record *record = delivery->record;
	bool open = record != NULL && record->op.type == NJ_MESSAGES_ENQUEUE && !record->handed_over;
	note_answer(session, delivery);
	count(session, -1, -(int64_t)bytes_of(delivery));
	/* A row that is on its way goes when it is there: another broker's group may bring it. */
	if (!open && delivery->stored)
		remove_row(session, delivery);
	if (record != NULL) {
		record->delivery = NULL;
		record->over = true;
	}
	nj_mqtt_delivery_free(&session->flow, delivery);
	if (open)
		nj_mqtt_record_elide(journal, record);
}

void nj_mqtt_delivery_over(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position != 0 && journal_of(session) != NULL)
		end_kept(session, delivery);
	else
		nj_mqtt_delivery_free(&session->flow, delivery);
}

bool nj_mqtt_keep_release(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position == 0 || journal_of(session) == NULL || !delivery->stored)
		return false;
	if (delivery->record != NULL || delivery->released)
		return delivery->record != NULL;
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_RELEASE, delivery);
	if (record == NULL)
		return true; /* the client asks again on its next connection */
	record->delivery = delivery;
	delivery->record = record;
	nj_mqtt_record_open(journal_of(session), record, 0);
	return true;
}

bool nj_mqtt_keep_complete(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery)
{
	if (delivery->position == 0 || journal_of(session) == NULL || !delivery->stored)
		return false;
	if (delivery->record != NULL)
		return true;
	struct nj_mqtt_record *record = row_record(session, NJ_MESSAGES_DEQUEUE, delivery);
	if (record == NULL)
		return true;
	record->delivery = delivery;
	delivery->record = record;
	nj_mqtt_record_open(journal_of(session), record, 0);
	return true;
}

/* ---- QoS 2 from the client ---- */

static struct nj_mqtt_record *received_record(struct nj_mqtt_session *session, enum nj_messages_op_type type,
					      uint16_t packet_id)
{
	struct nj_mqtt_record *record = nj_mqtt_record_new(journal_of(session), type, session, 0);
	if (record != NULL)
		record->op.value = packet_id;
	return record;
}

enum nj_err nj_mqtt_keep_received(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = journal_of(session);
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

void nj_mqtt_keep_repeated(struct nj_mqtt_session *session, uint16_t packet_id)
{
	struct nj_mqtt_journal *journal = journal_of(session);
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
	struct nj_mqtt_journal *journal = journal_of(session);
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

/* ---- subscriptions, retained messages ---- */

static void open_with_text(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, struct nj_view text,
			   struct nj_mqtt_pledge *pledge)
{
	memcpy(nj_mqtt_record_more(record), text.data, text.len);
	record->op.text = nj_view_of(nj_mqtt_record_more(record), text.len);
	record->pledge = pledge;
	if (pledge != NULL)
		nj_mqtt_pledge_hold(pledge);
	nj_mqtt_record_open(journal, record, 0);
}

void nj_mqtt_keep_subscription(struct nj_mqtt_subscription *s, struct nj_mqtt_pledge *pledge)
{
	struct nj_mqtt_session *session = s->session;
	struct nj_mqtt_record *record = NULL;
	if (journal_of(session) != NULL && nj_mqtt_lasts(session))
		record = nj_mqtt_record_new(journal_of(session), NJ_MESSAGES_SUBSCRIBE, session, s->filter_bytes);
	if (record == NULL)
		return;
	record->op.flags = (uint8_t)(s->qos | (s->no_local ? NJ_MQTT_KEPT_NO_LOCAL : 0) |
				     (s->retain_as_published ? NJ_MQTT_KEPT_RETAIN_AS_PUBLISHED : 0));
	record->op.value = s->id;
	open_with_text(journal_of(session), record, nj_view_of(s->filter, s->filter_bytes), pledge);
}

void nj_mqtt_keep_unsubscribed(struct nj_mqtt_session *session, struct nj_view filter, struct nj_mqtt_pledge *pledge)
{
	struct nj_mqtt_record *record = NULL;
	if (journal_of(session) != NULL && nj_mqtt_lasts(session))
		record = nj_mqtt_record_new(journal_of(session), NJ_MESSAGES_UNSUBSCRIBE, session, filter.len);
	if (record != NULL)
		open_with_text(journal_of(session), record, filter, pledge);
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
	open_with_text(journal, record, customer, hold ? journal->pledge : NULL);
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
		count(session, -1, -(int64_t)record_bytes(record));
	if (delivery != NULL)
		nj_mqtt_delivery_free(&session->flow, delivery);
	else
		row_settled(record);
}

/* It was acknowledged before it was on disk. What is read of the queue from now on is read behind this. */
static void remove_late(const struct nj_mqtt_record *row)
{
	struct nj_mqtt_session *session = row->session;
	struct nj_mqtt_record *record = nj_mqtt_record_new(journal_of(session), NJ_MESSAGES_DEQUEUE, session, 0);
	if (record == NULL)
		return;
	record->op.position = row->op.position;
	record->op.shared = row->op.shared;
	record->op.body = row->op.body;
	record->over = true;
	bool again = session->client == NULL || row->op.position > session->keep->window_last;
	nj_mqtt_record_open(journal_of(session), record, again ? 0 : LAZY_MS);
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
		count(session, 0, -(int64_t)nj_messages_body_bytes(&record->op.body));
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
		count(session, -1, -(int64_t)record_bytes(record));
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
	case NJ_MESSAGES_RECEIVE:
		if (err != NJ_OK)
			(void)nj_mqtt_flow_forget(&session->flow, (uint16_t)record->op.value);
		return;
	default:
		return;
	}
}
