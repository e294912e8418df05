#include "sms/centre/state.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_MS 60000 /* that an empty lane stays */
#define PAGE_BYTES (256 * 1024)
#define KEY_MAX (2 + NJ_NAME_BYTES + NJ_SMS_TARGET_MAX)
#define LATER_MS 1000 /* until what could not be read is asked for again */

static struct nj_sms_held *held_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_sms_held, link);
}

/* ---- lanes by their target ---- */

static size_t make_key(uint8_t out[KEY_MAX], uint8_t target, struct nj_view customer, struct nj_view name)
{
	struct nj_writer w = nj_writer_of(out, KEY_MAX);
	size_t len = 0;

	nj_write_u8(&w, target);
	nj_write_bytes(&w, customer.data, customer.len);
	nj_write_u8(&w, 0);
	nj_write_bytes(&w, name.data, name.len);
	return nj_writer_end(&w, &len) == NJ_OK ? len : 0;
}

static void on_timer(struct nj_timer *timer);

static struct nj_sms_queue *make(struct nj_sms_centre *c, const uint8_t *key, size_t key_bytes, size_t customer_bytes)
{
	struct nj_sms_queue *queue = calloc(1, sizeof(*queue) + key_bytes);

	if (queue == NULL)
		return NULL;
	queue->centre = c;
	queue->key_bytes = key_bytes;
	memcpy(queue->key, key, key_bytes);
	queue->timer.on_timer = on_timer;
	nj_list_init(&queue->held);
	nj_list_init(&queue->ask.link);
	nj_list_init(&queue->ask.rows);
	queue->lane.kind = key[0];
	queue->lane.customer = nj_view_of(queue->key + 1, customer_bytes);
	queue->lane.target = nj_view_of(queue->key + 2 + customer_bytes, key_bytes - 2 - customer_bytes);
	if (nj_map_put(&c->queues, queue) == NJ_OK)
		return queue;
	free(queue);
	return NULL;
}

struct nj_sms_queue *nj_sms_queue_of(struct nj_sms_centre *c, uint8_t target, struct nj_view customer,
				     struct nj_view name, bool may_make)
{
	uint8_t key[KEY_MAX];
	struct nj_view own = target == NJ_SMS_TO_NUMBER ? nj_view_of(NULL, 0) : customer;
	size_t len = make_key(key, target, own, name);
	struct nj_sms_queue *queue = len == 0 ? NULL : nj_map_get(&c->queues, nj_view_of(key, len));

	if (queue != NULL || len == 0 || !may_make)
		return queue;
	queue = make(c, key, len, own.len);
	if (queue != NULL)
		queue->lane.no = ++c->last_lane;
	return queue;
}

struct nj_sms_queue *nj_sms_queue_restore(struct nj_sms_centre *c, const struct nj_sms_lane *lane, uint64_t messages)
{
	uint8_t key[KEY_MAX];
	size_t len = make_key(key, lane->kind, lane->customer, lane->target);
	struct nj_sms_queue *queue = len == 0 ? NULL : make(c, key, len, lane->customer.len);

	if (queue == NULL)
		return NULL;
	queue->lane.no = lane->no;
	queue->lane.tries = lane->tries;
	queue->lane.cause = lane->cause;
	queue->lane.due_ms = lane->due_ms;
	queue->known = true;
	queue->count = queue->landed = messages;
	c->messages += messages;
	return queue;
}

void nj_sms_queue_free(struct nj_sms_queue *queue)
{
	nj_timer_cancel(&queue->timer);
	nj_list_remove(&queue->ask.link);
	nj_sms_ask_done(&queue->ask);
	while (!nj_list_empty(&queue->held)) {
		struct nj_sms_held *held = held_at(queue->held.next);

		nj_list_remove(&held->link);
		if (held->record != NULL)
			nj_sms_record_free(held->record);
		free(held->row);
		free(held);
	}
	(void)nj_map_remove(&queue->centre->queues, nj_view_of(queue->key, queue->key_bytes));
	free(queue);
}

bool nj_sms_queue_write(struct nj_sms_queue *queue)
{
	struct nj_sms_record *record = nj_sms_record_new(NJ_SMS_OP_LANE_PUT, queue);

	if (record == NULL)
		return false;
	record->lane = queue->lane;
	record->op.row = &record->lane;
	queue->known = true;
	nj_sms_record_add(queue->centre, record);
	return true;
}

/* Nothing waits in it, and nothing is on its way: its row goes, and it with it. Without memory it stays for a while. */
static void drop(struct nj_sms_queue *queue)
{
	struct nj_sms_record *record = nj_sms_record_new(NJ_SMS_OP_LANE_DROP, NULL);

	if (record == NULL) {
		nj_timer_arm(queue->centre->reactor, &queue->timer, IDLE_MS);
		return;
	}
	record->op.lane = queue->lane.no;
	nj_sms_record_add(queue->centre, record);
	nj_sms_queue_free(queue);
}

/* ---- messages in memory ---- */

/* Its place is by its number; one that is there already is not taken again. */
static struct nj_list *place_of(struct nj_sms_queue *queue, uint64_t id)
{
	struct nj_list *at = &queue->held;

	while (at->prev != &queue->held && held_at(at->prev)->row->message.id > id)
		at = at->prev;
	if (at->prev != &queue->held && held_at(at->prev)->row->message.id == id)
		return NULL;
	return at;
}

static bool hold(struct nj_sms_queue *queue, struct nj_sms_row *row)
{
	struct nj_list *at = place_of(queue, row->message.id);
	struct nj_sms_held *held = at == NULL ? NULL : calloc(1, sizeof(*held));

	if (held == NULL)
		return false;
	held->queue = queue;
	held->row = row;
	nj_list_init(&held->send.link);
	held->send.message = &row->message;
	nj_list_insert_before(at, &held->link);
	queue->loaded++;
	if (row->message.id > queue->read_id)
		queue->read_id = row->message.id;
	return true;
}

void nj_sms_queue_landed(struct nj_sms_queue *queue, struct nj_sms_row *row)
{
	bool all = queue->landed == queue->loaded;

	queue->landed++;
	/* What is being asked for comes with the answer. */
	if (!queue->asking && all && queue->loaded < NJ_SMS_LANE_ROWS && hold(queue, row)) {
		nj_sms_queue_advance(queue);
		return;
	}
	/* One that was scheduled is older than some that were read. */
	if (row->message.id <= queue->read_id)
		queue->read_id = row->message.id - 1;
	free(row);
	nj_sms_queue_advance(queue);
}

void nj_sms_held_gone(struct nj_sms_held *held)
{
	struct nj_sms_queue *queue = held->queue;

	nj_list_remove(&held->link);
	queue->loaded--;
	queue->landed--;
	queue->count--;
	queue->centre->messages--;
	free(held->row);
	free(held);
}

static void ask(struct nj_sms_queue *queue)
{
	if (queue->asking)
		return;
	queue->asking = true;
	queue->ask.type = NJ_SMS_ASK_LANE;
	queue->ask.lane = queue->lane.no;
	queue->ask.id = queue->read_id;
	queue->ask.max_rows = NJ_SMS_LANE_ROWS;
	queue->ask.max_bytes = PAGE_BYTES;
	nj_sms_ask_add(queue->centre, &queue->ask);
}

void nj_sms_queue_answered(struct nj_sms_queue *queue)
{
	queue->asking = false;
	while (queue->ask.result == NJ_OK && !nj_list_empty(&queue->ask.rows)) {
		struct nj_sms_row *row = NJ_CONTAINER(queue->ask.rows.next, struct nj_sms_row, link);

		nj_list_remove(&row->link);
		if (!hold(queue, row))
			free(row);
	}
	nj_sms_ask_done(&queue->ask);
	if (queue->ask.result == NJ_OK)
		nj_sms_queue_advance(queue);
	else
		nj_timer_arm(queue->centre->reactor, &queue->timer, LATER_MS);
}

/* ---- what goes next ---- */

static struct nj_sms_held *first_idle(struct nj_sms_queue *queue)
{
	NJ_LIST_EACH (&queue->held, at) {
		struct nj_sms_held *held = held_at(at);

		if (!held->sending && !held->settling)
			return held;
	}
	return NULL;
}

static bool expired(const struct nj_sms_held *held, uint64_t now_ms)
{
	uint64_t expires_ms = held->row->message.expires_ms;

	return expires_ms != 0 && expires_ms <= now_ms;
}

/* What waits needs no memory but its lane's; it is read again. */
static void unload(struct nj_sms_queue *queue)
{
	NJ_LIST_EACH (&queue->held, at) {
		struct nj_sms_held *held = held_at(at);

		if (held->sending || held->settling)
			continue;
		if (held->row->message.id <= queue->read_id)
			queue->read_id = held->row->message.id - 1;
		nj_list_remove(&held->link);
		queue->loaded--;
		free(held->row);
		free(held);
	}
}

/* Until the lane is due, or its first message ends by itself. */
static void rest(struct nj_sms_queue *queue, const struct nj_sms_held *first)
{
	uint64_t expires_ms = first->row->message.expires_ms;

	queue->rests_ms = queue->lane.due_ms;
	if (expires_ms != 0 && expires_ms < queue->rests_ms)
		queue->rests_ms = expires_ms;
	unload(queue);
}

static bool rests(struct nj_sms_queue *queue, uint64_t now_ms)
{
	if (queue->lane.due_ms <= now_ms || queue->rests_ms <= now_ms) {
		queue->rests_ms = 0;
		return false;
	}
	nj_timer_arm(queue->centre->reactor, &queue->timer, queue->rests_ms - now_ms);
	return true;
}

void nj_sms_queue_advance(struct nj_sms_queue *queue)
{
	struct nj_sms_centre *c = queue->centre;
	uint64_t now_ms = nj_sms_now_ms(c);
	uint32_t window = c->owner.window(c->owner.arg, queue->lane.kind, queue->lane.customer, queue->lane.target);

	nj_timer_cancel(&queue->timer);
	if (queue->count == 0) {
		nj_timer_arm(c->reactor, &queue->timer, IDLE_MS);
		return;
	}
	while (!rests(queue, now_ms) && queue->under_way < window) {
		struct nj_sms_held *held = first_idle(queue);

		if (held == NULL && queue->landed > queue->loaded)
			ask(queue);
		if (held == NULL)
			return;
		bool over = expired(held, now_ms);
		if (!over && queue->lane.due_ms > now_ms) {
			rest(queue, held);
		} else if (!(over ? nj_sms_expire(held) : nj_sms_attempt(held))) {
			nj_timer_arm(c->reactor, &queue->timer, LATER_MS);
			return;
		}
	}
}

static void on_timer(struct nj_timer *timer)
{
	struct nj_sms_queue *queue = NJ_CONTAINER(timer, struct nj_sms_queue, timer);

	if (queue->count == 0 && queue->records == 0)
		drop(queue);
	else
		nj_sms_queue_advance(queue);
}
