#include "sms/centre/state.h"

#include <stdlib.h>

#define ROWS 64
#define PAGE_BYTES (256 * 1024)
#define LATER_MS 1000
#define NEVER UINT64_MAX

static void arm(struct nj_sms_centre *c)
{
	uint64_t now_ms = nj_sms_now_ms(c);

	if (c->waking || c->wake_ms == NEVER)
		return;
	nj_timer_arm(c->reactor, &c->wake, c->wake_ms > now_ms ? c->wake_ms - now_ms : 0);
}

void nj_sms_schedule_note(struct nj_sms_centre *c, uint64_t due_ms)
{
	if (due_ms >= c->wake_ms)
		return;
	c->wake_ms = due_ms;
	arm(c);
}

static void ask(struct nj_sms_centre *c)
{
	c->waking = true;
	c->wake_ms = NEVER;
	c->due.type = NJ_SMS_ASK_SCHEDULE;
	c->due.until_ms = nj_sms_now_ms(c);
	c->due.max_rows = ROWS;
	c->due.max_bytes = PAGE_BYTES;
	nj_sms_ask_add(c, &c->due);
}

static void on_wake(struct nj_timer *timer)
{
	ask(NJ_CONTAINER(timer, struct nj_sms_centre, wake));
}

/* Its time has come: it enters its lane. False without memory. */
static bool enter(struct nj_sms_centre *c, struct nj_sms_row *row)
{
	struct nj_sms_message *m = &row->message;
	struct nj_sms_queue *queue = nj_sms_queue_of(c, NJ_SMS_TO_NUMBER, m->customer, m->destination, true);
	struct nj_sms_record *record;

	if (queue == NULL || (!queue->known && !nj_sms_queue_write(queue)))
		return false;
	record = nj_sms_record_new(NJ_SMS_OP_ENTER, queue);
	if (record == NULL)
		return false;
	m->lane = queue->lane.no;
	m->state = NJ_SMS_IS_ENROUTE;
	record->op.id = m->id;
	record->op.lane = m->lane;
	record->row = row;
	queue->count++;
	c->messages++;
	c->scheduled--;
	nj_sms_record_add(c, record);
	return true;
}

/* Nobody has said what became of it, and nobody will. */
static bool give_up(struct nj_sms_centre *c, struct nj_sms_row *row)
{
	struct nj_sms_record *record = nj_sms_record_new(NJ_SMS_OP_FINISH, NULL);

	if (record == NULL)
		return false;
	record->row = row;
	record->change = (struct nj_sms_change){ .id = row->message.id,
						 .state = NJ_SMS_IS_UNKNOWN,
						 .parts_done = row->message.parts_done,
						 .tries = row->message.tries,
						 .cause = row->message.cause,
						 .changed_ms = nj_sms_now_ms(c),
						 .bearer = row->message.bearer };
	record->op.change = &record->change;
	nj_sms_record_add(c, record);
	nj_sms_receipt(c, &row->message, &record->change);
	return true;
}

void nj_sms_schedule_answered(struct nj_sms_centre *c)
{
	bool whole = c->due.result == NJ_OK;

	while (whole && !nj_list_empty(&c->due.rows)) {
		struct nj_sms_row *row = NJ_CONTAINER(c->due.rows.next, struct nj_sms_row, link);

		nj_list_remove(&row->link);
		whole = row->message.state == NJ_SMS_IS_SCHEDULED ? enter(c, row) : give_up(c, row);
		if (!whole)
			free(row);
	}
	nj_sms_ask_done(&c->due);
	c->waking = false;
	/* What is asked now is answered when these are where they belong. */
	if (!whole)
		nj_sms_schedule_note(c, nj_sms_now_ms(c) + LATER_MS);
	else if (c->due.more)
		nj_sms_schedule_note(c, nj_sms_now_ms(c));
	else if (c->due.value != 0)
		nj_sms_schedule_note(c, c->due.value);
	arm(c);
}

void nj_sms_schedule_init(struct nj_sms_centre *c)
{
	c->wake.on_timer = on_wake;
	c->wake_ms = NEVER;
	nj_list_init(&c->due.link);
	nj_list_init(&c->due.rows);
}
