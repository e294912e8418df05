#include "sms/centre/state.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_MS UINT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)

/* How long a lane waits after so many tries in vain; the last one repeats. */
static const uint64_t later_ms[] = { 5 * SECOND_MS,  15 * SECOND_MS, MINUTE_MS,     5 * MINUTE_MS,
				     15 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS };
/* One that is away says so when it is back; who cannot is asked. */
static const uint64_t absent_ms[] = { 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS };

static uint64_t back_off_ms(const uint64_t *steps, size_t count, uint16_t tries)
{
	return steps[tries < count ? tries : count - 1];
}

/* ---- going out ---- */

static void hand_to(struct nj_sms_held *held)
{
	struct nj_sms_queue *queue = held->queue;
	struct nj_sms_centre *c = queue->centre;
	const struct nj_sms_outcome none = { .what = NJ_SMS_SENT_ABSENT };

	held->bearer = c->owner.route(c->owner.arg, &held->row->message, queue->lane.kind, held->turn++);
	held->send.part = held->row->message.parts_done;
	if (held->bearer == NULL)
		nj_sms_sent(c, &held->send, &none);
	else
		held->bearer->send(held->bearer->arg, &held->send);
}

bool nj_sms_attempt(struct nj_sms_held *held)
{
	struct nj_sms_queue *queue = held->queue;

	held->record = nj_sms_record_new(NJ_SMS_OP_CHANGE, queue);
	if (held->record == NULL)
		return false;
	held->record->held = held;
	held->turn = 0;
	held->sending = true;
	queue->under_way++;
	queue->centre->under_way++;
	hand_to(held);
	return true;
}

/* ---- outcomes ---- */

static struct nj_sms_record *take_record(struct nj_sms_held *held, uint8_t state, uint16_t parts_done, uint32_t cause)
{
	struct nj_sms_record *record = held->record;
	const struct nj_sms_message *m = &held->row->message;

	held->record = NULL;
	held->settling = true;
	record->change = (struct nj_sms_change){ .id = m->id,
						 .state = state,
						 .parts_done = parts_done,
						 .tries = (uint16_t)(m->tries + 1),
						 .cause = cause,
						 .changed_ms = nj_sms_now_ms(held->queue->centre) };
	if (held->bearer != NULL)
		record->change.bearer = nj_view_str(held->bearer->name);
	record->op.change = &record->change;
	record->op.lane = held->queue->lane.no;
	return record;
}

static void end_as(struct nj_sms_held *held, uint8_t state, uint16_t parts_done, uint32_t cause)
{
	struct nj_sms_centre *c = held->queue->centre;
	struct nj_sms_record *record = take_record(held, state, parts_done, cause);

	record->op.type = NJ_SMS_OP_FINISH;
	nj_sms_record_add(c, record);
	nj_sms_receipt(c, &held->row->message, &record->change);
}

static void part_done(struct nj_sms_held *held, uint32_t cause)
{
	const struct nj_sms_message *m = &held->row->message;
	uint16_t done = (uint16_t)(m->parts_done + 1);

	if (done < m->parts)
		nj_sms_record_add(held->queue->centre, take_record(held, NJ_SMS_IS_ENROUTE, done, cause));
	else
		end_as(held, NJ_SMS_IS_DELIVERED, done, cause);
}

/* By its name the bearer will speak of this part. Without memory for it nobody will know: it ends as unknown. */
static void note_name(struct nj_sms_held *held, struct nj_view name)
{
	struct nj_sms_record *record = nj_sms_record_new(NJ_SMS_OP_REF_PUT, held->queue);

	if (record == NULL)
		return;
	record->op.id = held->row->message.id;
	record->op.value = held->send.part;
	size_t len = name.len < sizeof(record->name) ? name.len : sizeof(record->name);
	memcpy(record->name, name.data, len);
	record->op.text = nj_view_of(record->name, len);
	nj_sms_record_add(held->queue->centre, record);
}

/* The end is known later: it makes room for the next one. */
static void part_accepted(struct nj_sms_held *held, const struct nj_sms_outcome *outcome)
{
	struct nj_sms_centre *c = held->queue->centre;
	const struct nj_sms_message *m = &held->row->message;
	uint16_t done = (uint16_t)(m->parts_done + 1);
	uint64_t until_ms = (m->expires_ms != 0 ? m->expires_ms : nj_sms_now_ms(c)) + c->limits.report_ms;
	struct nj_sms_record *record;

	note_name(held, outcome->name);
	if (done < m->parts) {
		nj_sms_record_add(c, take_record(held, NJ_SMS_IS_ENROUTE, done, outcome->cause));
		return;
	}
	record = take_record(held, NJ_SMS_IS_ACCEPTED, 0, outcome->cause);
	record->op.type = NJ_SMS_OP_WAIT;
	record->op.value = until_ms;
	nj_sms_record_add(c, record);
	nj_sms_schedule_note(c, until_ms);
}

static void stop_sending(struct nj_sms_held *held)
{
	held->sending = false;
	held->queue->under_way--;
	held->queue->centre->under_way--;
}

static void put_off(struct nj_sms_held *held, uint32_t cause, uint64_t wait_ms)
{
	struct nj_sms_queue *queue = held->queue;

	nj_sms_record_free(held->record);
	held->record = NULL;
	stop_sending(held);
	queue->lane.cause = cause;
	queue->lane.due_ms = nj_sms_now_ms(queue->centre) + wait_ms;
	if (queue->lane.tries < UINT16_MAX)
		queue->lane.tries++;
	/* Without memory it is remembered until the next start alone. */
	(void)nj_sms_queue_write(queue);
	nj_timer_arm(queue->centre->reactor, &queue->timer, 0);
}

void nj_sms_sent(struct nj_sms_centre *c, struct nj_sms_send *send, const struct nj_sms_outcome *outcome)
{
	struct nj_sms_held *held = NJ_CONTAINER(send, struct nj_sms_held, send);
	uint16_t tries = held->queue->lane.tries;

	switch (outcome->what) {
	case NJ_SMS_SENT_DELIVERED:
		part_done(held, outcome->cause);
		return;
	case NJ_SMS_SENT_ACCEPTED:
		part_accepted(held, outcome);
		return;
	case NJ_SMS_SENT_LATER:
		put_off(held, outcome->cause, back_off_ms(later_ms, sizeof(later_ms) / sizeof(later_ms[0]), tries));
		return;
	case NJ_SMS_SENT_ABSENT:
		put_off(held, outcome->cause, back_off_ms(absent_ms, sizeof(absent_ms) / sizeof(absent_ms[0]), tries));
		return;
	case NJ_SMS_SENT_NEVER:
		end_as(held, NJ_SMS_IS_UNDELIVERABLE, held->row->message.parts_done, outcome->cause);
		return;
	case NJ_SMS_SENT_ELSEWHERE:
		hand_to(held);
		return;
	}
}

bool nj_sms_expire(struct nj_sms_held *held)
{
	struct nj_sms_queue *queue = held->queue;

	held->record = nj_sms_record_new(NJ_SMS_OP_FINISH, queue);
	if (held->record == NULL)
		return false;
	held->record->held = held;
	held->bearer = NULL;
	held->sending = true;
	queue->under_way++;
	queue->centre->under_way++;
	end_as(held, NJ_SMS_IS_EXPIRED, held->row->message.parts_done, queue->lane.cause);
	return true;
}

/* ---- when it is on disk ---- */

/* Whoever was reached is there. */
static void reached(struct nj_sms_queue *queue)
{
	if (queue->lane.tries == 0 && queue->lane.due_ms == 0)
		return;
	queue->lane.tries = 0;
	queue->lane.due_ms = 0;
	queue->lane.cause = 0;
	(void)nj_sms_queue_write(queue);
}

static void apply(struct nj_sms_message *m, const struct nj_sms_change *change)
{
	m->state = change->state;
	m->parts_done = change->parts_done;
	m->tries = change->tries;
	m->cause = change->cause;
	m->changed_ms = change->changed_ms;
}

void nj_sms_outcome_done(struct nj_sms_centre *c, struct nj_sms_record *record, enum nj_err err)
{
	struct nj_sms_held *held = record->held;
	struct nj_sms_queue *queue = record->queue;
	struct nj_sms_message *message = held != NULL ? &held->row->message : &record->row->message;

	apply(message, &record->change);
	if (err == NJ_OK && c->owner.on_state != NULL)
		c->owner.on_state(c->owner.arg, message);
	/* One of the schedule has no lane that waits for it. */
	if (held == NULL) {
		c->scheduled--;
		return;
	}
	stop_sending(held);
	held->settling = false;
	if (record->change.state != NJ_SMS_IS_EXPIRED)
		reached(queue);
	c->scheduled += record->op.type == NJ_SMS_OP_WAIT;
	if (record->op.type != NJ_SMS_OP_CHANGE)
		nj_sms_held_gone(held);
	nj_sms_queue_advance(queue);
}
