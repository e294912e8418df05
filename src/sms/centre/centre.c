#include "sms/centre/state.h"

#include <stdlib.h>

#define QUEUES_MAX (1u << 26)

static struct nj_view key_of(const void *entry)
{
	const struct nj_sms_queue *queue = entry;

	return nj_view_of(queue->key, queue->key_bytes);
}

enum nj_err nj_sms_centre_new(struct nj_reactor *reactor, struct nj_random *random, const struct nj_sms_disk *disk,
			      const struct nj_sms_owner *owner, const struct nj_sms_centre_limits *limits,
			      struct nj_sms_centre **out_centre)
{
	struct nj_sms_centre *c = calloc(1, sizeof(*c));
	enum nj_err err;

	if (c == NULL)
		return NJ_ERR_NO_MEMORY;
	c->reactor = reactor;
	c->disk = *disk;
	c->owner = *owner;
	c->limits = *limits;
	nj_map_init(&c->queues, key_of, QUEUES_MAX, random);
	nj_sms_schedule_init(c);
	err = nj_sms_journal_open(c);
	if (err != NJ_OK) {
		nj_sms_centre_free(c);
		return err;
	}
	*out_centre = c;
	return NJ_OK;
}

void nj_sms_centre_numbers(struct nj_sms_centre *c, const struct nj_sms_numbers *numbers)
{
	c->last_message = numbers->message;
	c->last_lane = numbers->lane;
	c->scheduled = numbers->scheduled;
	if (numbers->first_due_ms != 0)
		nj_sms_schedule_note(c, numbers->first_due_ms);
}

enum nj_err nj_sms_centre_lane(struct nj_sms_centre *c, const struct nj_sms_lane *lane, uint64_t messages)
{
	struct nj_sms_queue *queue = nj_sms_queue_restore(c, lane, messages);

	if (queue == NULL)
		return NJ_ERR_NO_MEMORY;
	/* Not within the reading of the store. */
	nj_timer_arm(c->reactor, &queue->timer, 0);
	return NJ_OK;
}

void nj_sms_centre_free(struct nj_sms_centre *c)
{
	struct nj_sms_queue *queue;
	size_t cursor = 0;

	if (c == NULL)
		return;
	nj_sms_journal_close(c);
	nj_timer_cancel(&c->wake);
	nj_sms_ask_done(&c->due);
	while ((queue = nj_map_next(&c->queues, &cursor)) != NULL) {
		nj_sms_queue_free(queue);
		cursor = 0;
	}
	nj_map_done(&c->queues);
	free(c);
}

void nj_sms_centre_ready(struct nj_sms_centre *c, uint8_t target, struct nj_view customer, struct nj_view name)
{
	struct nj_sms_queue *queue = nj_sms_queue_of(c, target, customer, name, false);

	if (queue == NULL)
		return;
	queue->lane.due_ms = 0;
	nj_sms_queue_advance(queue);
}

struct nj_sms_counters nj_sms_counters_of(const struct nj_sms_centre *c)
{
	return (struct nj_sms_counters){ .messages = c->messages,
					 .scheduled = c->scheduled,
					 .lanes = c->queues.count,
					 .under_way = c->under_way,
					 .refused = c->refused };
}
