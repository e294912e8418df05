/* A session's window: the part of its queue that is in memory, read from the store while the client is there. */
#include "mqtt/keep_state.h"

#include "mqtt/share.h"

#define WINDOW_MESSAGES 512
#define WINDOW_BYTES (256u * 1024)
#define AGAIN_MS 100

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
	    keep_journal(session) == NULL || flow->waiting_count > WINDOW_MESSAGES / 2 ||
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
	nj_mqtt_page_ask(keep_journal(session), page);
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

void nj_mqtt_keep_leave_page(struct nj_mqtt_session *session)
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
			keep_count(session, -1, -(int64_t)keep_bytes_of(delivery));
		nj_mqtt_delivery_free(&session->flow, delivery);
	}
}

void nj_mqtt_keep_leaves(struct nj_mqtt_session *session)
{
	if (nj_mqtt_lasts(session))
		session->keep->held = nj_mqtt_keep_held(session);
}

void nj_mqtt_keep_detach(struct nj_mqtt_session *session)
{
	struct nj_mqtt_keep *keep = session->keep;
	if (!nj_mqtt_lasts(session))
		return;
	nj_mqtt_keep_leave_page(session);
	drop_window(session, &session->flow.inflight);
	drop_window(session, &session->flow.waiting);
	NJ_LIST_EACH (&keep->records, at)
		nj_mqtt_record_hurry(keep_journal(session), NJ_CONTAINER(at, struct nj_mqtt_record, by_session));
	/* What was not sent again on this connection is as doubtful as before. */
	if (keep->doubtful <= keep->sent)
		keep->doubtful = 0;
	keep->behind = keep->messages > 0;
}

struct nj_mqtt_delivery *nj_mqtt_keep_in_window(struct nj_mqtt_session *session, struct nj_mqtt_record *record,
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
	delivery->rights_version = kept->rights_version;
	delivery->position = record->op.position;
	delivery->shared = record->op.shared;
	delivery->record = record;
	record->delivery = delivery;
	nj_mqtt_flow_append(flow, delivery);
	session->keep->window_last = delivery->position;
	return delivery;
}
