#include "store/sqlite/messages.h"

#define TOPIC_BITS 16
#define PROPERTIES_BITS 28
#define HEAD_MAX ((UINT64_C(1) << (8 + TOPIC_BITS + PROPERTIES_BITS)) - 1)

bool nj_messages_unhead(uint64_t head, struct nj_view bytes, uint8_t *out_flags, struct nj_messages_body *out_body)
{
	struct nj_messages_body body = {
		.bytes = bytes.data,
		.topic_bytes = (uint32_t)(head >> 8) & ((1u << TOPIC_BITS) - 1),
		.properties_bytes = (uint32_t)(head >> (8 + TOPIC_BITS)) & ((1u << PROPERTIES_BITS) - 1),
	};
	uint64_t named = (uint64_t)body.topic_bytes + body.properties_bytes;

	if (named > bytes.len || bytes.len - named > UINT32_MAX)
		return false;
	body.payload_bytes = (uint32_t)(bytes.len - named);
	*out_flags = (uint8_t)head;
	*out_body = body;
	return true;
}

/* ---- columns that may be NULL ---- */

static bool column_null(struct nj_query *q)
{
	if (q->err != NJ_OK || sqlite3_column_type(q->stmt, q->at) != SQLITE_NULL)
		return false;
	q->at++;
	return true;
}

uint64_t nj_messages_col_some(struct nj_query *q)
{
	return column_null(q) ? 0 : nj_col_u64(q, INT64_MAX);
}

struct nj_view nj_messages_col_bytes(struct nj_query *q)
{
	return column_null(q) ? nj_view_of(NULL, 0) : nj_col_blob(q);
}

/* ---- pages of a queue ---- */

/* One allocation: the row, its identifiers, its body. */
static struct nj_messages_row *make_row(const struct nj_messages_row *seen, struct nj_view ids)
{
	uint64_t bytes = nj_messages_body_bytes(&seen->body);
	struct nj_messages_row *row = malloc(sizeof(*row) + ids.len + bytes);

	if (row == NULL)
		return NULL;
	*row = *seen;
	nj_list_init(&row->link);
	row->ids = (uint32_t *)(void *)(row + 1);
	row->id_count = (uint16_t)(ids.len / sizeof(uint32_t));
	if (ids.len > 0)
		memcpy(row->ids, ids.data, ids.len);
	uint8_t *body = (uint8_t *)(row + 1) + ids.len;
	if (bytes > 0)
		memcpy(body, seen->body.bytes, bytes);
	row->body.bytes = body;
	return row;
}

static enum nj_err read_row(struct nj_query *q, struct nj_messages_row **out_row)
{
	struct nj_messages_row row = { .position = nj_col_u64(q, INT64_MAX) & NJ_MESSAGES_POSITION_MAX };
	uint64_t head = nj_col_u64(q, HEAD_MAX);
	uint64_t expires_ms = nj_messages_col_some(q);
	struct nj_view ids = nj_messages_col_bytes(q);
	struct nj_view body;

	row.shared = nj_messages_col_some(q);
	body = nj_messages_col_bytes(q);
	NJ_TRY(nj_col_end(q));
	if (!nj_messages_unhead(head, body, &row.flags, &row.body) || ids.len % sizeof(uint32_t) != 0 ||
	    ids.len / sizeof(uint32_t) > UINT16_MAX ||
	    (row.body.topic_bytes == 0) != ((row.flags & NJ_MESSAGES_RELEASED) != 0))
		return NJ_ERR_CORRUPT;
	row.body.expires_ms = expires_ms;
	*out_row = make_row(&row, ids);
	return *out_row != NULL ? NJ_OK : NJ_ERR_NO_MEMORY;
}

static void bind_rest_of_queue(struct nj_query *q, uint32_t session, uint64_t after)
{
	nj_bind_u64(q, nj_messages_key(session, after));
	nj_bind_u64(q, nj_messages_key(session, NJ_MESSAGES_POSITION_MAX));
}

static enum nj_err read_page(struct nj_messages_store *store, struct nj_messages_page *page)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_QUEUE_PAGE);
	uint64_t bytes = 0;
	uint32_t count = 0;
	enum nj_err err;

	bind_rest_of_queue(&q, page->session, page->after);
	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_messages_row *row;

		if (count == page->max_rows || (count > 0 && bytes >= page->max_bytes)) {
			page->more = true;
			return NJ_OK;
		}
		NJ_TRY(read_row(&q, &row));
		nj_list_push_back(&page->rows, &row->link);
		bytes += nj_messages_body_bytes(&row->body);
		count++;
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_messages_store_page(struct nj_messages_store *store, struct nj_messages_page *page)
{
	nj_list_init(&page->rows);
	page->more = false;
	return read_page(store, page);
}

void nj_messages_page_done(struct nj_messages_page *page)
{
	while (!nj_list_empty(&page->rows)) {
		struct nj_messages_row *row = NJ_CONTAINER(page->rows.next, struct nj_messages_row, link);

		nj_list_remove(&row->link);
		free(row);
	}
}

/* ---- rows that go unread ---- */

#define VICTIMS 64

struct victim {
	uint64_t key, bytes, shared;
};

/* The first rows of a session after a position: what removes must not run under what reads. */
static enum nj_err find_victims(struct nj_messages_store *store, uint32_t session, uint64_t after,
				struct victim victims[VICTIMS], size_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_QUEUE_OLDEST);
	size_t count = 0;
	enum nj_err err = NJ_OK;

	bind_rest_of_queue(&q, session, after);
	while (count < VICTIMS && (err = nj_query_next(&q)) == NJ_OK) {
		struct victim *victim = &victims[count++];

		victim->key = nj_col_u64(&q, INT64_MAX);
		victim->shared = nj_messages_col_some(&q);
		victim->bytes = nj_messages_col_some(&q);
		NJ_TRY(nj_col_end(&q));
	}
	*out_count = count;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static bool trimmed(const struct nj_messages_trim *trim)
{
	return trim->gone_messages >= trim->messages && trim->gone_bytes >= trim->bytes;
}

enum nj_err nj_messages_trim(struct nj_messages_store *store, const struct nj_messages_op *op)
{
	struct victim victims[VICTIMS];
	struct nj_messages_trim *trim = op->trim;
	size_t count = VICTIMS;

	/* A group may be tried again. */
	trim->gone_messages = trim->gone_bytes = 0;
	while (count == VICTIMS && !trimmed(trim)) {
		NJ_TRY(find_victims(store, op->session, op->position, victims, &count));
		for (size_t i = 0; i < count && !trimmed(trim); i++) {
			NJ_TRY(nj_messages_remove_row(store, victims[i].key, victims[i].bytes, victims[i].shared));
			trim->gone_messages++;
			trim->gone_bytes += victims[i].bytes + NJ_MESSAGES_ROW_BYTES;
		}
	}
	return trim->gone_messages == 0 ? NJ_OK : nj_messages_tally_discarded(store, op->session, trim->gone_messages);
}

static enum nj_err dropped_session(struct nj_messages_store *store, uint32_t *out_no)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SESSION_DROPPED);

	NJ_TRY(nj_query_next(&q));
	*out_no = (uint32_t)nj_col_u64(&q, UINT32_MAX);
	return nj_col_end(&q);
}

static enum nj_err delete_session(struct nj_messages_store *store, uint32_t no)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SESSION_DELETE);

	nj_bind_u64(&q, no);
	return nj_query_run(&q);
}

enum nj_err nj_messages_store_purge(struct nj_messages_store *store, uint32_t rows, bool *out_more)
{
	struct victim victims[VICTIMS];
	size_t count = VICTIMS;
	uint32_t no = 0;
	enum nj_err err = dropped_session(store, &no);

	*out_more = false;
	if (err != NJ_OK)
		return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
	*out_more = true;
	for (uint32_t done = 0; done < rows && count == VICTIMS; done += VICTIMS) {
		NJ_TRY(find_victims(store, no, 0, victims, &count));
		for (size_t i = 0; i < count; i++)
			NJ_TRY(nj_messages_remove_row(store, victims[i].key, victims[i].bytes, victims[i].shared));
	}
	return count == VICTIMS ? NJ_OK : delete_session(store, no);
}

/* ---- start-up ---- */

static bool read_will(struct nj_query *q, struct nj_messages_will *will)
{
	uint64_t head = nj_col_u64(q, HEAD_MAX);

	will->expires = !column_null(q);
	if (will->expires)
		will->expiry_s = (uint32_t)nj_col_u64(q, UINT32_MAX);
	will->delay_s = (uint32_t)nj_col_u64(q, UINT32_MAX);
	will->due_ms = nj_col_u64(q, INT64_MAX);
	will->present = !column_null(q);
	return !will->present || nj_messages_unhead(head, nj_col_blob(q), &will->flags, &will->body);
}

enum nj_err nj_messages_store_session_each(struct nj_messages_store *store, nj_messages_session_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SESSION_EACH);
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_messages_session row = { .no = (uint32_t)nj_col_u64(&q, NJ_MESSAGES_SESSION_MAX) };

		nj_col_bytes(&q, row.uid, sizeof(row.uid));
		row.client_id = nj_col_blob(&q);
		row.expiry_s = (uint32_t)nj_col_u64(&q, UINT32_MAX);
		row.ends_ms = nj_col_u64(&q, INT64_MAX);
		row.sent = nj_col_u64(&q, NJ_MESSAGES_POSITION_MAX);
		row.tail = nj_col_u64(&q, NJ_MESSAGES_POSITION_MAX);
		row.messages = nj_col_u64(&q, INT64_MAX);
		row.bytes = nj_col_u64(&q, INT64_MAX);
		row.discarded = nj_col_u64(&q, INT64_MAX);
		bool whole = read_will(&q, &row.will);
		NJ_TRY(nj_col_end(&q));
		if (!whole)
			return NJ_ERR_CORRUPT;
		NJ_TRY(fn(arg, &row));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_messages_store_subscription_each(struct nj_messages_store *store, nj_messages_subscription_fn fn,
						void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SUBSCRIPTION_EACH);
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_messages_subscription row = { .session = (uint32_t)nj_col_u64(&q, UINT32_MAX) };

		row.filter = nj_col_blob(&q);
		row.options = (uint8_t)nj_col_u64(&q, UINT8_MAX);
		row.id = (uint32_t)nj_col_u64(&q, UINT32_MAX);
		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, &row));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_messages_store_received_each(struct nj_messages_store *store, nj_messages_received_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_RECEIVED_EACH);
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		uint64_t key = nj_col_u64(&q, INT64_MAX);

		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, (uint32_t)(key >> 16), (uint16_t)key));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

/* Topic and rest come as two columns and leave as one piece; `piece` grows as need be. */
static enum nj_err join(struct nj_view topic, struct nj_view rest, uint8_t **piece, size_t *cap)
{
	if (topic.len + rest.len > *cap) {
		uint8_t *grown = realloc(*piece, topic.len + rest.len);

		if (grown == NULL)
			return NJ_ERR_NO_MEMORY;
		*piece = grown;
		*cap = topic.len + rest.len;
	}
	if (topic.len > 0)
		memcpy(*piece, topic.data, topic.len);
	if (rest.len > 0)
		memcpy(*piece + topic.len, rest.data, rest.len);
	return NJ_OK;
}

static enum nj_err retained_each(struct nj_messages_store *store, nj_messages_retained_fn fn, void *arg,
				 uint8_t **piece)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_RETAINED_EACH);
	size_t cap = 0;
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_messages_body body = { .bytes = NULL };
		struct nj_view customer = nj_col_blob(&q);
		struct nj_view topic = nj_col_blob(&q);
		uint64_t head = nj_col_u64(&q, HEAD_MAX);
		uint64_t expires_ms = nj_messages_col_some(&q);
		struct nj_view rest = nj_col_blob(&q);
		uint8_t flags = 0;

		NJ_TRY(nj_col_end(&q));
		NJ_TRY(join(topic, rest, piece, &cap));
		if (topic.len == 0 ||
		    !nj_messages_unhead(head, nj_view_of(*piece, topic.len + rest.len), &flags, &body) ||
		    body.topic_bytes != topic.len)
			return NJ_ERR_CORRUPT;
		body.expires_ms = expires_ms;
		NJ_TRY(fn(arg, customer, flags, &body));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_messages_store_retained_each(struct nj_messages_store *store, nj_messages_retained_fn fn, void *arg)
{
	uint8_t *piece = NULL;
	enum nj_err err = retained_each(store, fn, arg, &piece);

	free(piece);
	return err;
}

static enum nj_err last_of(struct nj_messages_store *store, enum nj_messages_statement statement, uint64_t *out_last)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	NJ_TRY(nj_query_next(&q));
	*out_last = nj_col_u64(&q, INT64_MAX);
	return nj_col_end(&q);
}

enum nj_err nj_messages_store_numbers(struct nj_messages_store *store, uint32_t *out_session, uint64_t *out_shared)
{
	uint64_t session = 0;
	uint64_t shared = 0;

	NJ_TRY(last_of(store, NJ_SQL_SESSION_LAST, &session));
	NJ_TRY(last_of(store, NJ_SQL_BODY_LAST, &shared));
	*out_session = (uint32_t)session;
	*out_shared = shared;
	return NJ_OK;
}
