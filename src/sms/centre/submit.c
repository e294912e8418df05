#include "sms/centre/state.h"

#include <string.h>

#define RECEIPT_MS (UINT64_C(7) * 24 * 3600 * 1000) /* that a receipt is kept for its account */
#define RECEIPT_TEXT 20                             /* of the message, that a receipt repeats (SMPP 3.4, appendix B) */

uint64_t nj_sms_now_ms(const struct nj_sms_centre *c)
{
	return nj_clock_wall_ms(nj_reactor_clock(c->reactor));
}

static struct nj_sms_record *put_record(struct nj_sms_queue *queue, const struct nj_sms_message *message)
{
	struct nj_sms_record *record = nj_sms_record_new(NJ_SMS_OP_PUT, queue);

	if (record == NULL)
		return NULL;
	record->row = nj_sms_row_new(message);
	if (record->row == NULL) {
		nj_sms_record_free(record);
		return NULL;
	}
	record->op.message = &record->row->message;
	return record;
}

static bool write_first(struct nj_sms_queue *queue)
{
	return queue->known || nj_sms_queue_write(queue);
}

static enum nj_err put_in_lane(struct nj_sms_centre *c, struct nj_sms_queue *queue, struct nj_sms_message *message,
			       struct nj_sms_ticket *ticket)
{
	struct nj_sms_record *record;

	message->lane = queue->lane.no;
	message->state = NJ_SMS_IS_ENROUTE;
	record = put_record(queue, message);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	if (!write_first(queue)) {
		nj_sms_record_free(record);
		return NJ_ERR_NO_MEMORY;
	}
	record->ticket = ticket;
	queue->count++;
	c->messages++;
	c->last_message = message->id;
	nj_sms_record_add(c, record);
	return NJ_OK;
}

static enum nj_err put_in_schedule(struct nj_sms_centre *c, struct nj_sms_message *message,
				   struct nj_sms_ticket *ticket)
{
	struct nj_sms_record *record;

	message->lane = 0;
	message->state = NJ_SMS_IS_SCHEDULED;
	record = put_record(NULL, message);
	if (record == NULL)
		return NJ_ERR_NO_MEMORY;
	record->ticket = ticket;
	c->scheduled++;
	c->last_message = message->id;
	nj_sms_record_add(c, record);
	return NJ_OK;
}

enum nj_err nj_sms_submit(struct nj_sms_centre *c, const struct nj_sms_submission *s, struct nj_sms_ticket *ticket)
{
	struct nj_sms_message message = s->message;
	struct nj_sms_queue *queue;

	if (c->messages + c->scheduled >= c->limits.max_messages)
		return NJ_ERR_LIMIT;
	message.id = c->last_message + 1;
	if (message.due_ms > nj_sms_now_ms(c))
		return put_in_schedule(c, &message, ticket);
	queue = nj_sms_queue_of(c, s->target, message.customer, s->name, true);
	if (queue == NULL)
		return NJ_ERR_NO_MEMORY;
	if (queue->count >= c->limits.max_lane)
		return NJ_ERR_LIMIT;
	return put_in_lane(c, queue, &message, ticket);
}

static void put_failed(struct nj_sms_centre *c, struct nj_sms_record *record)
{
	if (record->queue == NULL) {
		c->scheduled--;
		return;
	}
	record->queue->count--;
	c->messages--;
	nj_sms_queue_advance(record->queue);
}

void nj_sms_put_done(struct nj_sms_centre *c, struct nj_sms_record *record, enum nj_err err)
{
	struct nj_sms_row *row = record->row;
	struct nj_sms_ticket *ticket = record->ticket;
	uint64_t id = row->message.id;

	if (ticket != NULL)
		ticket->on_done(ticket, err, id);
	if (err != NJ_OK) {
		put_failed(c, record);
		return;
	}
	if (c->owner.on_state != NULL)
		c->owner.on_state(c->owner.arg, &row->message);
	if (record->queue == NULL) {
		nj_sms_schedule_note(c, row->message.due_ms);
		return;
	}
	record->row = NULL;
	nj_sms_queue_landed(record->queue, row);
}

/* ---- receipts ---- */

static bool wanted(const struct nj_sms_message *m, uint8_t state)
{
	uint32_t bit = state == NJ_SMS_IS_DELIVERED ? NJ_SMS_RECEIPT_SUCCESS : NJ_SMS_RECEIPT_FAILURE;

	return m->kind != NJ_SMS_RECEIPT && (m->flags & bit) != 0;
}

/* What a receipt says of its message, it carries: the message may be purged before the receipt is delivered. */
static struct nj_sms_message receipt_of(const struct nj_sms_message *m, const struct nj_sms_change *change)
{
	size_t text = m->body.len < RECEIPT_TEXT ? m->body.len : RECEIPT_TEXT;

	return (struct nj_sms_message){ .kind = NJ_SMS_RECEIPT,
					.flags = change->state,
					.parts = 1,
					.cause = change->cause,
					.about = m->id,
					.due_ms = m->created_ms,
					.created_ms = change->changed_ms,
					.expires_ms = change->changed_ms + RECEIPT_MS,
					.customer = m->customer,
					.account = m->account,
					.source = m->destination,
					.destination = m->source,
					.options = m->options,
					.body = nj_view_of(m->body.data, text) };
}

void nj_sms_receipt(struct nj_sms_centre *c, const struct nj_sms_message *m, const struct nj_sms_change *change)
{
	struct nj_sms_message receipt = receipt_of(m, change);
	struct nj_sms_queue *queue;
	struct nj_view name;
	uint8_t target;

	if (!wanted(m, change->state) || !c->owner.receipt_target(c->owner.arg, m, &target, &name))
		return;
	receipt.id = c->last_message + 1;
	queue = nj_sms_queue_of(c, target, m->customer, name, true);
	if (queue == NULL || put_in_lane(c, queue, &receipt, NULL) != NJ_OK)
		c->refused++;
}
