/*
 * What a store of messages holds, in memory, for tests and fuzz targets of a durable broker: rows, and what each
 * operation does to them. Whoever includes it says how many rows there are (DISK_ROWS), how many bytes one may have
 * (DISK_ROW_BYTES), and what happens when a check fails (DISK_CHECK).
 */
#ifndef TESTS_UNIT_MQTT_DISK_ROWS_H
#define TESTS_UNIT_MQTT_DISK_ROWS_H

#include <string.h>

#include "mqtt/restore.h"

#define DISK_PAGE_ROWS 3 /* at most: small pages are harder */

struct disk_row {
	uint8_t type; /* SESSION_PUT, SUBSCRIBE, ENQUEUE, RECEIVE, RETAIN, SESSION_DROP (it was there); 0: free */
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

/* A filter, a client identifier, or a topic. */
static inline struct nj_view disk_name(const struct disk_row *row)
{
	return nj_view_of(row->data, row->type == NJ_MESSAGES_RETAIN ? row->body.topic_bytes : row->bytes);
}

/* `name`: empty: anything. */
static inline struct disk_row *disk_find(struct disk_row *rows, uint8_t type, uint32_t session, uint64_t position,
					 struct nj_view name)
{
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &rows[i];

		if (row->type == type && row->session == session && row->position == position &&
		    (name.len == 0 || nj_view_equal(disk_name(row), name)))
			return row;
	}
	return NULL;
}

static inline struct disk_row *disk_free(struct disk_row *rows)
{
	struct disk_row *row = disk_find(rows, 0, 0, 0, nj_view_of(NULL, 0));

	for (size_t i = 0; i < DISK_ROWS && row == NULL; i++)
		row = rows[i].type == NJ_MESSAGES_SESSION_DROP ? &rows[i] : NULL;
	DISK_CHECK(row != NULL);
	return row;
}

static inline void disk_keep(struct disk_row *row, const void *bytes, size_t len)
{
	DISK_CHECK(len <= sizeof(row->data));
	row->bytes = len;
	if (len > 0)
		memcpy(row->data, bytes, len);
}

static inline struct disk_row *disk_put(struct disk_row *rows, uint8_t type, const struct nj_messages_op *op,
					struct nj_view name)
{
	uint64_t position = type == NJ_MESSAGES_RECEIVE ? op->value : op->position;
	struct disk_row *row = disk_find(rows, type, op->session, position, name);

	if (row == NULL)
		row = disk_free(rows);
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

static inline void disk_put_session(struct disk_row *rows, const struct nj_messages_op *op)
{
	struct disk_row *row = disk_put(rows, NJ_MESSAGES_SESSION_PUT, op, nj_view_of(NULL, 0));
	uint64_t tail = row->row.tail;
	uint64_t discarded = row->row.discarded;
	struct nj_messages_body *will = &row->row.will.body;

	row->row = *op->row;
	row->row.tail = tail;
	row->row.discarded = discarded;
	disk_keep(row, op->row->client_id.data, op->row->client_id.len);
	row->row.client_id = nj_view_of(row->data, row->bytes);
	if (!row->row.will.present)
		return;
	DISK_CHECK(nj_messages_body_bytes(will) <= sizeof(row->will_data));
	memcpy(row->will_data, will->bytes, nj_messages_body_bytes(will));
	will->bytes = row->will_data;
}

static inline void disk_drop(struct disk_row *rows, uint32_t session)
{
	for (size_t i = 0; i < DISK_ROWS; i++)
		if (rows[i].type != NJ_MESSAGES_RETAIN && rows[i].session == session)
			disk_forget(&rows[i]);
	struct disk_row *gone = disk_free(rows);
	if (gone == NULL)
		return;
	gone->type = NJ_MESSAGES_SESSION_DROP;
	gone->session = session;
}

static inline void disk_enqueue(struct disk_row *rows, const struct nj_messages_op *op)
{
	struct nj_view any = nj_view_of(NULL, 0);
	struct disk_row *session = disk_find(rows, NJ_MESSAGES_SESSION_PUT, op->session, 0, any);

	/* What another broker wrote may come after the end. */
	if (session == NULL && disk_find(rows, NJ_MESSAGES_SESSION_DROP, op->session, 0, any) != NULL)
		return;
	/* Its row came first, and its position never before. */
	DISK_CHECK(session != NULL && disk_find(rows, NJ_MESSAGES_ENQUEUE, op->session, op->position, any) == NULL);
	disk_put_body(disk_put(rows, NJ_MESSAGES_ENQUEUE, op, any), &op->body);
	if (op->position > session->row.tail)
		session->row.tail = op->position;
}

static inline struct disk_row *disk_after(struct disk_row *rows, uint32_t session, uint64_t position)
{
	struct disk_row *next = NULL;

	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &rows[i];

		if (row->type == NJ_MESSAGES_ENQUEUE && row->session == session && row->position > position &&
		    (next == NULL || row->position < next->position))
			next = row;
	}
	return next;
}

static inline void disk_discard(struct disk_row *rows, uint32_t session, uint64_t count)
{
	struct disk_row *row = disk_find(rows, NJ_MESSAGES_SESSION_PUT, session, 0, nj_view_of(NULL, 0));

	if (row != NULL)
		row->row.discarded += count;
}

static inline void disk_trim(struct disk_row *rows, const struct nj_messages_op *op)
{
	struct nj_messages_trim *trim = op->trim;
	struct disk_row *row;

	trim->gone_messages = trim->gone_bytes = 0;
	while ((trim->gone_messages < trim->messages || trim->gone_bytes < trim->bytes) &&
	       (row = disk_after(rows, op->session, op->position)) != NULL) {
		DISK_CHECK((row->flags & NJ_MESSAGES_RELEASED) == 0);
		trim->gone_messages++;
		trim->gone_bytes += row->bytes + NJ_MESSAGES_ROW_BYTES;
		disk_forget(row);
	}
	disk_discard(rows, op->session, trim->gone_messages);
}

static inline struct nj_view disk_topic(const struct nj_messages_op *op)
{
	return nj_view_of(op->body.bytes, op->body.topic_bytes);
}

static inline void disk_apply(struct disk_row *rows, const struct nj_messages_op *op)
{
	struct nj_view any = nj_view_of(NULL, 0);
	struct disk_row *row;

	switch ((enum nj_messages_op_type)op->type) {
	case NJ_MESSAGES_SESSION_PUT:
		disk_put_session(rows, op);
		return;
	case NJ_MESSAGES_SESSION_DROP:
		disk_drop(rows, op->session);
		return;
	case NJ_MESSAGES_SUBSCRIBE:
		disk_keep(disk_put(rows, NJ_MESSAGES_SUBSCRIBE, op, op->text), op->text.data, op->text.len);
		return;
	case NJ_MESSAGES_UNSUBSCRIBE:
		disk_forget(disk_find(rows, NJ_MESSAGES_SUBSCRIBE, op->session, 0, op->text));
		return;
	case NJ_MESSAGES_ENQUEUE:
		disk_enqueue(rows, op);
		return;
	case NJ_MESSAGES_RELEASE:
		row = disk_find(rows, NJ_MESSAGES_ENQUEUE, op->session, op->position, any);
		if (row == NULL)
			return;
		row->flags |= NJ_MESSAGES_RELEASED;
		row->bytes = row->body.topic_bytes = row->body.properties_bytes = row->body.payload_bytes = 0;
		return;
	case NJ_MESSAGES_TRIM:
		disk_trim(rows, op);
		return;
	case NJ_MESSAGES_DEQUEUE:
		if ((op->flags & NJ_MESSAGES_DISCARDED) != 0)
			disk_discard(rows, op->session, 1);
		disk_forget(disk_find(rows, NJ_MESSAGES_ENQUEUE, op->session, op->position, any));
		return;
	case NJ_MESSAGES_RECEIVE:
		disk_keep(disk_put(rows, NJ_MESSAGES_RECEIVE, op, any), NULL, 0);
		return;
	case NJ_MESSAGES_FORGET:
		disk_forget(disk_find(rows, NJ_MESSAGES_RECEIVE, op->session, op->value, any));
		return;
	case NJ_MESSAGES_RETAIN:
		disk_put_body(disk_put(rows, NJ_MESSAGES_RETAIN, op, disk_topic(op)), &op->body);
		return;
	case NJ_MESSAGES_UNRETAIN:
		disk_forget(disk_find(rows, NJ_MESSAGES_RETAIN, 0, 0, disk_topic(op)));
		return;
	}
}

static inline void disk_page(struct disk_row *rows, struct nj_messages_page *page)
{
	struct disk_row *next = disk_after(rows, page->session, page->after);

	nj_list_init(&page->rows);
	for (uint32_t count = 0; next != NULL && count < page->max_rows && count < DISK_PAGE_ROWS; count++) {
		struct nj_messages_row *copy = calloc(1, sizeof(*copy) + next->bytes);

		DISK_CHECK(copy != NULL);
		memcpy(copy + 1, next->data, next->bytes);
		copy->position = next->position;
		copy->flags = next->flags;
		copy->body = next->body;
		copy->body.bytes = (const uint8_t *)(copy + 1);
		nj_list_push_back(&page->rows, &copy->link);
		next = disk_after(rows, page->session, copy->position);
	}
	page->more = next != NULL;
}

/* Tells a broker that begins what is there. `party_of`: whose a session is. */
static inline void disk_restore_rows(struct disk_row *rows, struct nj_mqtt_restore *restore, const char *customer,
				     struct nj_party *(*party_of)(void *arg, const uint8_t *uid), void *arg)
{
	for (size_t i = 0; i < DISK_ROWS; i++) {
		struct disk_row *row = &rows[i];

		if (row->type != NJ_MESSAGES_SESSION_PUT)
			continue;
		row->row.messages = row->row.bytes = 0;
		for (size_t k = 0; k < DISK_ROWS; k++)
			if (rows[k].type == NJ_MESSAGES_ENQUEUE && rows[k].session == row->session) {
				row->row.messages++;
				row->row.bytes += rows[k].bytes + NJ_MESSAGES_ROW_BYTES;
			}
		nj_mqtt_restore_session(restore, party_of(arg, row->row.uid), &row->row);
	}
	for (size_t i = 0; i < DISK_ROWS; i++) {
		const struct disk_row *row = &rows[i];

		if (row->type == NJ_MESSAGES_SUBSCRIBE)
			nj_mqtt_restore_subscription(restore, row->session, disk_name(row), row->flags,
						     (uint32_t)row->value);
		else if (row->type == NJ_MESSAGES_RECEIVE)
			nj_mqtt_restore_received(restore, row->session, (uint16_t)row->position);
		else if (row->type == NJ_MESSAGES_RETAIN)
			nj_mqtt_restore_retained(restore, customer, row->flags, &row->body);
	}
}

#endif
