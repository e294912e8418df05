/*
 * A small store of messages in memory for the targets that feed a durable broker: a group waits until it is committed,
 * or fails, or the gateway dies; what was committed survives. One thread.
 */
#ifndef NJ_FUZZ_MQTT_DISK_H
#define NJ_FUZZ_MQTT_DISK_H

#include "fuzz/mqtt/gate.h"
#include "mqtt/restore.h"

#define DISK_ROWS 192
#define DISK_ROW_BYTES 640 /* more than a packet */

struct disk_row {
	uint8_t type; /* SESSION_PUT, SUBSCRIBE, ENQUEUE, RECEIVE, RETAIN; 0: free */
	uint8_t flags;
	uint32_t session;
	uint64_t position; /* or packet id */
	uint64_t value;
	struct nj_messages_body body; /* its bytes are `data` */
	struct nj_messages_session row;
	size_t bytes;
	uint8_t data[DISK_ROW_BYTES];      /* body, client id or filter */
	uint8_t will_data[DISK_ROW_BYTES]; /* of a session */
};

struct disk {
	struct disk_row rows[DISK_ROWS];
	struct nj_messages_group *under_way;
	struct nj_messages_group *finished;
	uint32_t last_session;
	uint64_t last_shared;
};

static inline void disk_submit(void *arg, struct nj_messages_group *group)
{
	struct disk *disk = arg;

	CHECK(disk->under_way == NULL);
	disk->under_way = group;
}

static inline struct nj_messages_group *disk_finished(void *arg)
{
	struct disk *disk = arg;
	struct nj_messages_group *group = disk->finished;

	disk->finished = NULL;
	return group;
}

static inline uint32_t disk_next_session(void *arg)
{
	return ++((struct disk *)arg)->last_session;
}

static inline uint64_t disk_next_shared(void *arg)
{
	return ++((struct disk *)arg)->last_shared;
}

/* ---- rows ---- */

/* `name`: what the data must begin with; empty: anything. */
static inline struct disk_row *disk_find(struct disk *disk, uint8_t type, uint32_t session, uint64_t position,
					 struct nj_view name)
{
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];

		if (row->type == type && row->session == session && row->position == position &&
		    (name.len == 0 || (row->bytes >= name.len && memcmp(row->data, name.data, name.len) == 0)))
			return row;
	}
	return NULL;
}

static inline void disk_keep(struct disk_row *row, const void *bytes, size_t len)
{
	CHECK(len <= sizeof(row->data));
	row->bytes = len;
	if (len > 0)
		memcpy(row->data, bytes, len);
}

static inline struct disk_row *disk_put(struct disk *disk, uint8_t type, const struct nj_messages_op *op,
					struct nj_view name)
{
	uint64_t position = type == NJ_MESSAGES_RECEIVE ? op->value : op->position;
	struct disk_row *row = disk_find(disk, type, op->session, position, name);

	if (row == NULL)
		row = disk_find(disk, 0, 0, 0, nj_view_of(NULL, 0));
	CHECK(row != NULL);
	row->type = type;
	row->session = op->session;
	row->position = position;
	row->flags = op->flags;
	row->value = op->value;
	return row;
}

static inline void disk_put_body(struct disk_row *row, const struct nj_messages_body *body)
{
	disk_keep(row, body->bytes, nj_messages_body_bytes(body));
	row->body = *body;
	row->body.bytes = row->data;
}

static inline void disk_forget(struct disk_row *row)
{
	if (row != NULL)
		memset(row, 0, offsetof(struct disk_row, data));
}

static inline void disk_put_session(struct disk *disk, const struct nj_messages_op *op)
{
	struct disk_row *row = disk_put(disk, NJ_MESSAGES_SESSION_PUT, op, nj_view_of(NULL, 0));
	uint64_t tail = row->row.tail;
	struct nj_messages_body *will = &row->row.will.body;

	row->row = *op->row;
	row->row.tail = tail;
	disk_keep(row, op->row->client_id.data, op->row->client_id.len);
	row->row.client_id = nj_view_of(row->data, row->bytes);
	if (!row->row.will.present)
		return;
	CHECK(nj_messages_body_bytes(will) <= sizeof(row->will_data));
	memcpy(row->will_data, will->bytes, nj_messages_body_bytes(will));
	will->bytes = row->will_data;
}

static inline void disk_drop(struct disk *disk, uint32_t session)
{
	for (size_t i = 0; i < DISK_ROWS; i++)
		if (disk->rows[i].type != NJ_MESSAGES_RETAIN && disk->rows[i].session == session)
			disk_forget(&disk->rows[i]);
}

static inline void disk_enqueue(struct disk *disk, const struct nj_messages_op *op)
{
	struct nj_view any = nj_view_of(NULL, 0);
	struct disk_row *session = disk_find(disk, NJ_MESSAGES_SESSION_PUT, op->session, 0, any);

	/* Its row came first, and its position never before. */
	CHECK(session != NULL && disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, any) == NULL);
	disk_put_body(disk_put(disk, NJ_MESSAGES_ENQUEUE, op, any), &op->body);
	if (op->position > session->row.tail)
		session->row.tail = op->position;
}

static inline void disk_apply(struct disk *disk, const struct nj_messages_op *op)
{
	struct nj_view any = nj_view_of(NULL, 0);
	struct nj_view topic = nj_view_of(op->body.bytes, op->body.topic_bytes);
	struct disk_row *row;

	switch ((enum nj_messages_op_type)op->type) {
	case NJ_MESSAGES_SESSION_PUT:
		disk_put_session(disk, op);
		return;
	case NJ_MESSAGES_SESSION_DROP:
		disk_drop(disk, op->session);
		return;
	case NJ_MESSAGES_SUBSCRIBE:
		disk_keep(disk_put(disk, NJ_MESSAGES_SUBSCRIBE, op, op->text), op->text.data, op->text.len);
		return;
	case NJ_MESSAGES_UNSUBSCRIBE:
		disk_forget(disk_find(disk, NJ_MESSAGES_SUBSCRIBE, op->session, 0, op->text));
		return;
	case NJ_MESSAGES_ENQUEUE:
		disk_enqueue(disk, op);
		return;
	case NJ_MESSAGES_RELEASE:
		row = disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, any);
		if (row == NULL)
			return;
		row->flags |= NJ_MESSAGES_RELEASED;
		row->bytes = row->body.topic_bytes = row->body.properties_bytes = row->body.payload_bytes = 0;
		return;
	case NJ_MESSAGES_DEQUEUE:
		disk_forget(disk_find(disk, NJ_MESSAGES_ENQUEUE, op->session, op->position, any));
		return;
	case NJ_MESSAGES_RECEIVE:
		disk_keep(disk_put(disk, NJ_MESSAGES_RECEIVE, op, any), NULL, 0);
		return;
	case NJ_MESSAGES_FORGET:
		disk_forget(disk_find(disk, NJ_MESSAGES_RECEIVE, op->session, op->value, any));
		return;
	case NJ_MESSAGES_RETAIN:
		disk_put_body(disk_put(disk, NJ_MESSAGES_RETAIN, op, topic), &op->body);
		return;
	case NJ_MESSAGES_UNRETAIN:
		disk_forget(disk_find(disk, NJ_MESSAGES_RETAIN, 0, 0, topic));
		return;
	}
}

static inline struct disk_row *disk_after(struct disk *disk, uint32_t session, uint64_t position)
{
	struct disk_row *next = NULL;

	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];

		if (row->type == NJ_MESSAGES_ENQUEUE && row->session == session && row->position > position &&
		    (next == NULL || row->position < next->position))
			next = row;
	}
	return next;
}

/* Two rows at most: small pages are harder. */
static inline void disk_page(struct disk *disk, struct nj_messages_page *page)
{
	struct disk_row *next = disk_after(disk, page->session, page->after);

	nj_list_init(&page->rows);
	for (uint32_t count = 0; next != NULL && count < page->max_rows && count < 2; count++) {
		struct nj_messages_row *copy = calloc(1, sizeof(*copy) + next->bytes);

		CHECK(copy != NULL);
		memcpy(copy + 1, next->data, next->bytes);
		copy->position = next->position;
		copy->flags = next->flags;
		copy->body = next->body;
		copy->body.bytes = (const uint8_t *)(copy + 1);
		nj_list_push_back(&page->rows, &copy->link);
		next = disk_after(disk, page->session, copy->position);
	}
	page->more = next != NULL;
}

/* ---- what happens to it ---- */

/* What is under way is written, or fails. A disk without room for it fails too. */
static inline void disk_commit(struct gate *gate, struct disk *disk, bool fails)
{
	struct nj_messages_group *group = disk->under_way;
	size_t left = 0;

	if (group == NULL)
		return;
	for (size_t i = 0; i < DISK_ROWS; i++)
		left += disk->rows[i].type == 0;
	disk->under_way = NULL;
	group->result = fails || left < group->count ? NJ_ERR_FULL : NJ_OK;
	if (group->result == NJ_OK)
		NJ_LIST_EACH (&group->ops, at)
			disk_apply(disk, NJ_CONTAINER(at, struct nj_messages_op, link));
	NJ_LIST_EACH (&group->pages, at)
		disk_page(disk, NJ_CONTAINER(at, struct nj_messages_page, link));
	disk->finished = group;
	nj_mqtt_durable_collect(gate->broker);
}

static inline void disk_restore_row(struct gate *gate, struct nj_mqtt_restore *restore, struct disk_row *row)
{
	if (row->type == NJ_MESSAGES_SUBSCRIBE)
		nj_mqtt_restore_subscription(restore, row->session, nj_view_of(row->data, row->bytes), row->flags,
					     (uint32_t)row->value);
	else if (row->type == NJ_MESSAGES_RECEIVE)
		nj_mqtt_restore_received(restore, row->session, (uint16_t)row->position);
	else if (row->type == NJ_MESSAGES_RETAIN)
		nj_mqtt_restore_retained(restore, gate->party.names.customer, row->flags, &row->body);
}

/* Makes a new broker durable, and tells it what is there. */
static inline void disk_restore(struct gate *gate, struct disk *disk)
{
	const struct nj_mqtt_durable durable = { .arg = disk,
						 .fd = -1,
						 .submit = disk_submit,
						 .finished = disk_finished,
						 .next_session = disk_next_session,
						 .next_shared = disk_next_shared };
	struct nj_mqtt_restore *restore;

	CHECK(nj_mqtt_durable_begin(gate->broker, &durable) == NJ_OK);
	CHECK(nj_mqtt_restore_new(gate->broker, &gate->random.random, &restore) == NJ_OK);
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &disk->rows[i];

		if (row->type != NJ_MESSAGES_SESSION_PUT)
			continue;
		row->row.messages = row->row.bytes = 0;
		for (struct disk_row *queued = disk_after(disk, row->session, 0); queued != NULL;
		     queued = disk_after(disk, row->session, queued->position)) {
			row->row.messages++;
			row->row.bytes += queued->bytes + NJ_MESSAGES_ROW_BYTES;
		}
		nj_mqtt_restore_session(restore, &gate->party, &row->row);
	}
	for (size_t i = 0; i < DISK_ROWS; i++)
		disk_restore_row(gate, restore, &disk->rows[i]);
	nj_mqtt_restore_free(restore);
}

/* The gateway dies and comes back: what was not committed never was. */
static inline void disk_crash(struct gate *gate, struct disk *disk)
{
	disk->under_way = disk->finished = NULL;
	nj_mqtt_broker_free(gate->broker);
	CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
	for (size_t c = 0; c < CLIENTS; c++) {
		if (gate->fds[c] >= 0)
			close(gate->fds[c]);
		gate->fds[c] = -1;
	}
	CHECK(nj_mqtt_broker_new(gate->reactor, &gate->random.random, &limits, NULL, &gate->broker) == NJ_OK);
	disk_restore(gate, disk);
}

#endif
