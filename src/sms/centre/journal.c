#include "sms/centre/state.h"

#include <stdlib.h>

#define COMMIT_MS 1  /* from the first operation to its group */
#define RETRY_MS 200 /* before a group that failed is tried again */
#define ASKS_MAX 64  /* of a group: who waits for a commit waits for its answers' predecessors */

static struct nj_sms_record *record_at(struct nj_list *link)
{
	return NJ_CONTAINER(NJ_CONTAINER(link, struct nj_sms_op, link), struct nj_sms_record, op);
}

/* ---- records ---- */

struct nj_sms_record *nj_sms_record_new(enum nj_sms_op_type type, struct nj_sms_queue *queue)
{
	struct nj_sms_record *record = calloc(1, sizeof(*record));

	if (record == NULL)
		return NULL;
	nj_list_init(&record->op.link);
	record->op.type = (uint8_t)type;
	record->queue = queue;
	if (queue != NULL)
		queue->records++;
	return record;
}

void nj_sms_record_free(struct nj_sms_record *record)
{
	nj_list_remove(&record->op.link);
	if (record->queue != NULL)
		record->queue->records--;
	free(record->row);
	free(record);
}

static void move(struct nj_list *from, struct nj_list *to, size_t max)
{
	for (; max > 0 && !nj_list_empty(from); max--) {
		struct nj_list *first = from->next;

		nj_list_remove(first);
		nj_list_push_back(to, first);
	}
}

/* ---- out ---- */

static bool waits(const struct nj_sms_centre *c)
{
	return !nj_list_empty(&c->open) || !nj_list_empty(&c->retry) || !nj_list_empty(&c->asks);
}

static void plan(struct nj_sms_centre *c, uint64_t in_ms)
{
	if (!c->out && waits(c) && nj_timer_due_ms(&c->commit) == 0)
		nj_timer_arm(c->reactor, &c->commit, in_ms);
}

void nj_sms_record_add(struct nj_sms_centre *c, struct nj_sms_record *record)
{
	nj_list_push_back(&c->open, &record->op.link);
	plan(c, COMMIT_MS);
}

void nj_sms_ask_add(struct nj_sms_centre *c, struct nj_sms_ask *ask)
{
	nj_list_push_back(&c->asks, &ask->link);
	plan(c, COMMIT_MS);
}

static size_t length(const struct nj_list *list)
{
	size_t count = 0;

	NJ_LIST_EACH ((struct nj_list *)list, at)
		count++;
	return count;
}

/* After a failure what must be written goes by itself, so that what may be refused does not keep it from the disk. */
static void hand_over(struct nj_sms_centre *c)
{
	bool alone = c->troubled && !nj_list_empty(&c->retry);

	nj_sms_group_init(&c->group);
	move(&c->retry, &c->group.ops, SIZE_MAX);
	if (!alone)
		move(&c->open, &c->group.ops, SIZE_MAX);
	move(&c->asks, &c->group.asks, ASKS_MAX);
	c->group.commit.operations = length(&c->group.ops);
	c->group.commit.reads = !nj_list_empty(&c->group.asks);
	c->out = true;
	c->disk.submit(c->disk.arg, &c->group);
}

static void on_commit(struct nj_timer *timer)
{
	struct nj_sms_centre *c = NJ_CONTAINER(timer, struct nj_sms_centre, commit);

	if (!c->out && waits(c))
		hand_over(c);
}

/* ---- back ---- */

/* A submission that somebody waits for is refused; everything else has happened already. */
static bool worth_another(const struct nj_sms_record *record, enum nj_err err)
{
	return record->ticket == NULL && (err == NJ_ERR_FULL || err == NJ_ERR_IO || err == NJ_ERR_NO_MEMORY);
}

static void finish(struct nj_sms_centre *c, struct nj_sms_record *record, enum nj_err err)
{
	c->refused += err != NJ_OK;
	switch ((enum nj_sms_op_type)record->op.type) {
	case NJ_SMS_OP_PUT:
	case NJ_SMS_OP_ENTER:
		nj_sms_put_done(c, record, err);
		break;
	case NJ_SMS_OP_CHANGE:
	case NJ_SMS_OP_WAIT:
	case NJ_SMS_OP_FINISH:
		nj_sms_outcome_done(c, record, err);
		break;
	case NJ_SMS_OP_REPLACE:
	case NJ_SMS_OP_LANE_PUT:
	case NJ_SMS_OP_LANE_DROP:
	case NJ_SMS_OP_REF_PUT:
	case NJ_SMS_OP_REF_DROP:
	case NJ_SMS_OP_KEY_PUT:
		break;
	}
	nj_sms_record_free(record);
}

static void settle(struct nj_sms_centre *c, struct nj_list *ops, enum nj_err err)
{
	while (!nj_list_empty(ops)) {
		struct nj_sms_record *record = record_at(ops->next);

		nj_list_remove(&record->op.link);
		if (worth_another(record, err))
			nj_list_push_back(&c->retry, &record->op.link);
		else
			finish(c, record, err);
	}
}

static void answer(struct nj_sms_centre *c, struct nj_list *asks, enum nj_err err)
{
	while (!nj_list_empty(asks)) {
		struct nj_sms_ask *ask = NJ_CONTAINER(asks->next, struct nj_sms_ask, link);

		nj_list_remove(&ask->link);
		/* What has ended may still be in what was read. */
		if (err != NJ_OK)
			ask->result = err;
		if (ask == &c->due)
			nj_sms_schedule_answered(c);
		else
			nj_sms_queue_answered(NJ_CONTAINER(ask, struct nj_sms_queue, ask));
	}
}

static void come_back(struct nj_sms_centre *c)
{
	struct nj_list ops;
	struct nj_list asks;
	enum nj_err err = c->group.commit.result;

	nj_list_init(&ops);
	nj_list_init(&asks);
	move(&c->group.ops, &ops, SIZE_MAX);
	move(&c->group.asks, &asks, SIZE_MAX);
	if (c->group.commit.operations > 0)
		c->troubled = err != NJ_OK;
	settle(c, &ops, err);
	answer(c, &asks, err);
	c->out = false;
	nj_timer_cancel(&c->commit);
	/* What has gathered meanwhile waited long enough. */
	plan(c, err == NJ_OK ? 0 : RETRY_MS);
}

void nj_sms_centre_collect(struct nj_sms_centre *c)
{
	while (c->disk.finished(c->disk.arg) != NULL)
		come_back(c);
}

static void on_event(struct nj_io *io, uint32_t events)
{
	nj_sms_centre_collect(NJ_CONTAINER(io, struct nj_sms_centre, io));
}

/* ---- the journal ---- */

enum nj_err nj_sms_journal_open(struct nj_sms_centre *c)
{
	nj_list_init(&c->open);
	nj_list_init(&c->retry);
	nj_list_init(&c->asks);
	nj_sms_group_init(&c->group);
	c->commit.on_timer = on_commit;
	c->io = (struct nj_io){ .fd = c->disk.fd, .on_event = on_event };
	return c->disk.fd < 0 ? NJ_OK : nj_io_add(c->reactor, &c->io, EPOLLIN);
}

static void forget(struct nj_list *list)
{
	while (!nj_list_empty(list))
		nj_sms_record_free(record_at(list->next));
}

/* The disk has given back what it had, or never will. */
void nj_sms_journal_close(struct nj_sms_centre *c)
{
	nj_timer_cancel(&c->commit);
	nj_io_remove(&c->io);
	forget(&c->open);
	forget(&c->retry);
	forget(&c->group.ops);
}
