/*
 * A store of messages in memory for tests: groups wait until the test commits them, or fails them, or lets the gateway
 * die; what was committed survives. Tests only.
 */
#ifndef TESTS_UNIT_MQTT_FAKE_DISK_H
#define TESTS_UNIT_MQTT_FAKE_DISK_H

#include <string.h>

#include "mqtt/restore.h"
#include "unit/mqtt/client.h"

#define DISK_ROWS 4096

struct disk_row {
	uint8_t type; /* SESSION_PUT, SUBSCRIBE, ENQUEUE, RECEIVE, RETAIN; 0: free */
	uint32_t session;
	uint64_t position; /* or packet id */
	uint8_t flags;
	uint64_t value;
	uint64_t expires_ms;
	uint32_t lens[3];
	size_t bytes;
	uint8_t data[256]; /* client id, filter, or body */
	uint8_t text[16];
	struct nj_messages_session row;
};

/* One broker's groups. */
struct disk_way {
	struct disk *disk;
	struct nj_messages_group *under_way;
	struct nj_messages_group *finished;
};

struct disk {
	struct disk_row rows[DISK_ROWS];
	struct disk_way ways[NJ_MQTT_REACTORS_MAX];
	uint32_t last_session;
	uint64_t last_shared;
	unsigned commits, enqueued; /* rows of queues that were written */
	enum nj_err fails;          /* what commits come to */
	bool relaxed;
};

static void disk_submit(void *arg, struct nj_messages_group *group)
{
	struct disk_way *way = arg;
	assert_null(way->under_way);
	way->under_way = group;
}

static struct nj_messages_group *disk_finished(void *arg)
{
	struct disk_way *way = arg;
	struct nj_messages_group *group = way->finished;
	way->finished = NULL;
	return group;
}

static uint32_t disk_next_session(void *arg)
{
	return ++((struct disk_way *)arg)->disk->last_session;
}

static uint64_t disk_next_shared(void *arg)
{
	return ++((struct disk_way *)arg)->disk->last_shared;
}

static struct disk_row *disk_find(struct disk *disk, uint8_t type, uint32_t session, uint64_t position,
				  struct nj_view name)
{
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];
		if (row->type == type && row->session == session && row->position == position &&
		    (name.len == 0 ||
		     nj_view_equal(nj_view_of(row->data, row->bytes < name.len ? row->bytes : name.len), name)))
			return row;
	}
	return NULL;
}

static struct disk_row *disk_put(struct disk *disk, uint8_t type, const struct nj_messages_op *op, struct nj_view name)
{
	uint64_t position = type == NJ_MESSAGES_RECEIVE ? op->value : op->position;
	struct disk_row *row = disk_find(disk, type, op->session, position, name);
	if (row == NULL)
		row = disk_find(disk, 0, 0, 0, nj_view_of(NULL, 0));
	assert_non_null(row);
	*row = (struct disk_row){ .type = type,
				  .session = op->session,
				  .position = position,
				  .flags = op->flags,
				  .value = op->value,
				  .expires_ms = op->body.expires_ms };
	return row;
}

static void disk_fill(struct disk_row *row, const struct nj_messages_body *body)
{
	row->lens[0] = body->topic_bytes;
	row->lens[1] = body->properties_bytes;
	row->lens[2] = body->payload_bytes;
	row->bytes = nj_messages_body_bytes(body);
	assert_true(row->bytes <= sizeof(row->data));
	memcpy(row->data, body->bytes, row->bytes);
}

static void disk_name(struct disk_row *row, struct nj_view name)
{
	row->bytes = name.len;
	memcpy(row->data, name.data, name.len);
}

static void disk_drop(struct disk *disk, uint32_t session)
{
	for (size_t i = 0; i < DISK_ROWS; i++)
		if (disk->rows[i].type != 0 && disk->rows[i].type != NJ_MESSAGES_RETAIN &&
		    disk->rows[i].session == session)
			disk->rows[i] = (struct disk_row){ .type = 0 };
}

static void disk_forget(struct disk_row *row)
{
	if (row != NULL)
		*row = (struct disk_row){ .type = 0 };
}

static void disk_put_session(struct disk *disk, const struct nj_messages_op *op)
{
	struct disk_row *row = disk_find(disk, NJ_MESSAGES_SESSION_PUT, op->session, 0, nj_view_of(NULL, 0));
	uint64_t tail = row != NULL ? row->row.tail : 0;
	row = disk_put(disk, NJ_MESSAGES_SESSION_PUT, op, nj_view_of(NULL, 0));
	row->row = *op->row;
	row->row.tail = tail;
	disk_name(row, op->row->client_id);
	if (!op->row->will.present)
		return;
	row->row.will.body.bytes = row->data + 64;
	memcpy(row->data + 64, op->row->will.body.bytes, nj_messages_body_bytes(&op->row->will.body));
}

static void disk_enqueue(struct disk *disk, const struct nj_messages_op *op)
{
	struct disk_row *session = disk_find(disk, NJ_MESSAGES_SESSION_PUT, op->session, 0, nj_view_of(NULL, 0));
	assert_non_null(session); /* its row came first */
	assert_null(disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, nj_view_of(NULL, 0)));
	disk_fill(disk_put(disk, NJ_MESSAGES_ENQUEUE, op, nj_view_of(NULL, 0)), &op->body);
	if (op->position > session->row.tail)
		session->row.tail = op->position;
	disk->enqueued++;
}

static void disk_apply(struct disk *disk, const struct nj_messages_op *op)
{
	struct nj_view none = nj_view_of(NULL, 0);
	struct disk_row *row;
	switch ((enum nj_messages_op_type)op->type) {
	case NJ_MESSAGES_SESSION_PUT:
		disk_put_session(disk, op);
		return;
	case NJ_MESSAGES_SESSION_DROP:
		disk_drop(disk, op->session);
		return;
	case NJ_MESSAGES_SUBSCRIBE:
		disk_name(disk_put(disk, NJ_MESSAGES_SUBSCRIBE, op, op->text), op->text);
		return;
	case NJ_MESSAGES_UNSUBSCRIBE:
		disk_forget(disk_find(disk, NJ_MESSAGES_SUBSCRIBE, op->session, 0, op->text));
		return;
	case NJ_MESSAGES_ENQUEUE:
		disk_enqueue(disk, op);
		return;
	case NJ_MESSAGES_RELEASE:
		row = disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, none);
		if (row == NULL)
			return;
		row->flags |= NJ_MESSAGES_RELEASED;
		row->bytes = row->lens[0] = row->lens[1] = row->lens[2] = 0;
		return;
	case NJ_MESSAGES_DEQUEUE:
		disk_forget(disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, none));
		return;
	case NJ_MESSAGES_RECEIVE:
		(void)disk_put(disk, NJ_MESSAGES_RECEIVE, op, none);
		return;
	case NJ_MESSAGES_FORGET:
		disk_forget(disk_find(disk, NJ_MESSAGES_RECEIVE, op->session, op->value, none));
		return;
	case NJ_MESSAGES_RETAIN:
		disk_fill(disk_put(disk, NJ_MESSAGES_RETAIN, op, nj_view_of(op->body.bytes, op->body.topic_bytes)),
			  &op->body);
		return;
	case NJ_MESSAGES_UNRETAIN:
		disk_forget(
		    disk_find(disk, NJ_MESSAGES_RETAIN, 0, 0, nj_view_of(op->body.bytes, op->body.topic_bytes)));
		return;
	}
}

static void disk_page(struct disk *disk, struct nj_messages_page *page)
{
	uint64_t after = page->after;
	nj_list_init(&page->rows);
	page->more = false;
	for (uint32_t count = 0;; count++) {
		struct disk_row *next = NULL;
		for (size_t i = 0; i < DISK_ROWS; i++) {
			struct disk_row *row = &disk->rows[i];
			if (row->type == NJ_MESSAGES_ENQUEUE && row->session == page->session &&
			    row->position > after && (next == NULL || row->position < next->position))
				next = row;
		}
		page->more = next != NULL;
		if (next == NULL || count == page->max_rows || count == 3) /* small pages are harder */
			return;
		struct nj_messages_row *copy = calloc(1, sizeof(*copy) + next->bytes);
		memcpy(copy + 1, next->data, next->bytes);
		copy->position = after = next->position;
		copy->flags = next->flags;
		copy->body = (struct nj_messages_body){ (const uint8_t *)(copy + 1), next->lens[0], next->lens[1],
							next->lens[2], next->expires_ms };
		nj_list_push_back(&page->rows, &copy->link);
	}
}

static void disk_commit_way(struct disk_way *way)
{
	struct disk *disk = way->disk;
	struct nj_messages_group *group = way->under_way;
	way->under_way = NULL;
	disk->commits++;
	group->result = disk->fails;
	if (disk->fails == NJ_OK)
		NJ_LIST_EACH (&group->ops, at)
			disk_apply(disk, NJ_CONTAINER(at, struct nj_messages_op, link));
	NJ_LIST_EACH (&group->pages, at)
		disk_page(disk, NJ_CONTAINER(at, struct nj_messages_page, link));
	way->finished = group;
}

/* Whether something was under way. */
static bool disk_commit(struct disk *disk)
{
	bool any = false;
	for (size_t i = 0; i < NJ_MQTT_REACTORS_MAX; i++) {
		if (disk->ways[i].under_way == NULL)
			continue;
		any = true;
		disk_commit_way(&disk->ways[i]);
	}
	return any;
}

static inline void disk_collect(struct gate *gate)
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		nj_mqtt_durable_collect(nj_mqtt_fabric_broker(gate->fabric, i));
}

/* Passes this much time, with everything that comes up meanwhile written. */
static inline void settle_for(struct gate *gate, struct disk *disk, uint64_t ms)
{
	for (uint64_t i = 0; i <= ms; i++) {
		turns(gate);
		if (disk_commit(disk))
			disk_collect(gate);
		turns(gate);
		nj_clock_fake_advance_ms(&gate->clock, 1);
	}
}

static inline void disk_restore(struct gate *gate, struct disk *disk)
{
	struct nj_mqtt_durable durable = { .fd = -1,
					   .submit = disk_submit,
					   .finished = disk_finished,
					   .next_session = disk_next_session,
					   .next_shared = disk_next_shared,
					   .relaxed = disk->relaxed };
	struct nj_mqtt_restore *restore;
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++) {
		disk->ways[i] = (struct disk_way){ .disk = disk };
		durable.arg = &disk->ways[i];
		assert_int_equal(nj_mqtt_durable_begin(nj_mqtt_fabric_broker(gate->fabric, i), &durable), NJ_OK);
	}
	assert_int_equal(nj_mqtt_restore_new(nj_mqtt_fabric_broker(gate->fabric, 0), &gate->random.random, &restore),
			 NJ_OK);
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];
		if (row->type != NJ_MESSAGES_SESSION_PUT)
			continue;
		row->row.messages = row->row.bytes = 0;
		for (size_t k = 0; k < DISK_ROWS; k++)
			if (disk->rows[k].type == NJ_MESSAGES_ENQUEUE && disk->rows[k].session == row->session) {
				row->row.messages++;
				row->row.bytes += disk->rows[k].bytes + NJ_MESSAGES_ROW_BYTES;
			}
		row->row.client_id = nj_view_of(row->data, row->bytes);
		nj_mqtt_restore_session(restore, &gate->parties[row->row.uid[0] - 1], &row->row);
	}
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];
		struct nj_messages_body body = { row->data, row->lens[0], row->lens[1], row->lens[2], row->expires_ms };
		if (row->type == NJ_MESSAGES_SUBSCRIBE)
			nj_mqtt_restore_subscription(restore, row->session, nj_view_of(row->data, row->bytes),
						     row->flags, (uint32_t)row->value);
		if (row->type == NJ_MESSAGES_RECEIVE)
			nj_mqtt_restore_received(restore, row->session, (uint16_t)row->position);
		if (row->type == NJ_MESSAGES_RETAIN)
			nj_mqtt_restore_retained(restore, "acme", row->flags, &body);
	}
	nj_mqtt_restore_free(restore);
}

static inline struct nj_mqtt_limits disk_limits(void)
{
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_memory_bytes = 4 << 20;
	limits.max_queued_messages = 1000;
	limits.customer_queued_bytes = limits.total_queued_bytes = 1 << 20;
	return limits;
}

/* The gateway dies and comes back: what was not committed never was. `down_ms` pass on every clock. */
static inline void gate_crash(struct gate *gate, struct disk *disk, uint64_t down_ms)
{
	struct nj_mqtt_limits limits = disk_limits();
	struct nj_mqtt_hooks hooks = { .arg = gate, .on_connected = seen_connected, .on_error = seen_error };
	memset(disk->ways, 0, sizeof(disk->ways));
	nj_mqtt_fabric_free(gate->fabric);
	turns(gate);
	nj_clock_fake_advance_ms(&gate->clock, down_ms);
	gate_fabric(gate, &limits, &hooks);
	disk_restore(gate, disk);
	turns(gate);
}

#endif
