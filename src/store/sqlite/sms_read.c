#include "store/sqlite/sms.h"

#define LIST_ROWS_MAX 4096 /* that a list looks at, until it says what it has found so far */

/* ---- rows ---- */

static void read_message(struct nj_query *q, struct nj_sms_message *m)
{
	m->id = nj_col_u64(q, INT64_MAX);
	m->lane = (uint32_t)nj_col_u64(q, UINT32_MAX);
	m->kind = (uint8_t)nj_col_u64(q, UINT8_MAX);
	m->state = (uint8_t)nj_col_u64(q, NJ_SMS_STATES - 1);
	m->flags = (uint32_t)nj_col_u64(q, UINT32_MAX);
	m->parts = (uint16_t)nj_col_u64(q, UINT16_MAX);
	m->parts_done = (uint16_t)nj_col_u64(q, UINT16_MAX);
	m->tries = (uint16_t)nj_col_u64(q, UINT16_MAX);
	m->cause = (uint32_t)nj_col_u64(q, UINT32_MAX);
	m->about = nj_col_u64(q, INT64_MAX);
	m->campaign = nj_col_u64(q, INT64_MAX);
	m->created_ms = nj_col_u64(q, INT64_MAX);
	m->due_ms = nj_col_u64(q, INT64_MAX);
	m->expires_ms = nj_col_u64(q, INT64_MAX);
	m->changed_ms = nj_col_u64(q, INT64_MAX);
	m->customer = nj_col_text_view(q);
	m->account = nj_col_text_view(q);
	m->source = nj_col_text_view(q);
	m->destination = nj_col_text_view(q);
	m->bearer = nj_col_text_view(q);
	m->options = nj_col_blob(q);
	m->body = nj_col_blob(q);
}

static enum nj_err add_row(struct nj_sms_ask *ask, const struct nj_sms_message *m)
{
	struct nj_sms_row *row = nj_sms_row_new(m);

	if (row == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_list_push_back(&ask->rows, &row->link);
	return NJ_OK;
}

/* ---- what a lane or the schedule holds ---- */

/* One more than asked for tells whether there is more. */
static enum nj_err read_page(struct nj_query *q, struct nj_sms_ask *ask)
{
	struct nj_sms_message m;
	uint64_t bytes = 0;
	uint32_t rows = 0;
	enum nj_err err;

	while ((err = nj_query_next(q)) == NJ_OK) {
		read_message(q, &m);
		NJ_TRY(nj_col_end(q));
		bytes += m.body.len + m.options.len;
		if (rows == ask->max_rows || (rows > 0 && bytes > ask->max_bytes)) {
			ask->more = true;
			return NJ_OK;
		}
		NJ_TRY(add_row(ask, &m));
		rows++;
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err ask_lane(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_QUEUE_PAGE);

	nj_bind_u64(&q, ask->lane);
	nj_bind_u64(&q, ask->id);
	nj_bind_u64(&q, (uint64_t)ask->max_rows + 1);
	return read_page(&q, ask);
}

static enum nj_err next_due(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_SCHEDULE_NEXT);

	nj_bind_u64(&q, ask->until_ms);
	NJ_TRY(nj_query_next(&q));
	ask->value = nj_col_u64(&q, INT64_MAX);
	return nj_col_end(&q);
}

static enum nj_err ask_schedule(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_SCHEDULE_PAGE);

	nj_bind_u64(&q, ask->until_ms);
	nj_bind_u64(&q, (uint64_t)ask->max_rows + 1);
	NJ_TRY(read_page(&q, ask));
	return ask->more ? NJ_OK : next_due(store, ask);
}

/* ---- one message ---- */

static enum nj_err ask_one(struct nj_sms_store *store, struct nj_sms_ask *ask, uint64_t id)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_MESSAGE_ONE);
	struct nj_sms_message m;

	nj_bind_u64(&q, id);
	NJ_TRY(nj_query_next(&q));
	read_message(&q, &m);
	NJ_TRY(nj_col_end(&q));
	return add_row(ask, &m);
}

static enum nj_err ask_ref(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_REF_ONE);
	uint64_t id, part;

	nj_bind_text_view(&q, ask->text);
	NJ_TRY(nj_query_next(&q));
	id = nj_col_u64(&q, INT64_MAX);
	part = nj_col_u64(&q, UINT16_MAX);
	NJ_TRY(nj_col_end(&q));
	NJ_TRY(ask_one(store, ask, id));
	ask->value = part;
	return NJ_OK;
}

static enum nj_err ask_key(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_KEY_ONE);
	uint64_t id;

	nj_bind_text_view(&q, ask->text);
	nj_bind_u64(&q, ask->until_ms);
	NJ_TRY(nj_query_next(&q));
	id = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	return ask_one(store, ask, id);
}

/* ---- lists ---- */

static bool is(struct nj_view wanted, struct nj_view seen)
{
	return wanted.len == 0 || nj_view_equal(wanted, seen);
}

static bool chosen(const struct nj_sms_filter *f, const struct nj_sms_message *m)
{
	return is(f->customer, m->customer) && is(f->account, m->account) && is(f->source, m->source) &&
	       is(f->destination, m->destination) && (f->campaign == 0 || f->campaign == m->campaign) &&
	       (f->states == 0 || (f->states & 1u << m->state) != 0) &&
	       (f->kinds == 0 || (m->kind < 16 && (f->kinds & 1u << m->kind) != 0)) && m->created_ms >= f->from_ms &&
	       (f->until_ms == 0 || m->created_ms < f->until_ms);
}

/* Whoever commits waits meanwhile: so it looks at some, and says where to go on. */
static enum nj_err ask_list(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_MESSAGE_LIST);
	struct nj_sms_message m;
	uint32_t found = 0;
	enum nj_err err = NJ_OK;

	nj_bind_u64(&q, ask->id == 0 ? INT64_MAX : ask->id);
	for (uint32_t looked = 0; looked < LIST_ROWS_MAX && found < ask->max_rows; looked++) {
		err = nj_query_next(&q);
		if (err != NJ_OK)
			return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
		read_message(&q, &m);
		NJ_TRY(nj_col_end(&q));
		ask->id = m.id;
		if (!chosen(&ask->filter, &m))
			continue;
		NJ_TRY(add_row(ask, &m));
		found++;
	}
	ask->more = true;
	return NJ_OK;
}

enum nj_err nj_sms_store_ask(struct nj_sms_store *store, struct nj_sms_ask *ask)
{
	nj_list_init(&ask->rows);
	ask->more = false;
	switch ((enum nj_sms_ask_type)ask->type) {
	case NJ_SMS_ASK_LANE:
		return ask_lane(store, ask);
	case NJ_SMS_ASK_SCHEDULE:
		return ask_schedule(store, ask);
	case NJ_SMS_ASK_ONE:
		return ask_one(store, ask, ask->id);
	case NJ_SMS_ASK_REF:
		return ask_ref(store, ask);
	case NJ_SMS_ASK_KEY:
		return ask_key(store, ask);
	case NJ_SMS_ASK_LIST:
		return ask_list(store, ask);
	}
	return NJ_ERR_STATE;
}

/* ---- what start-up reads ---- */

enum nj_err nj_sms_store_lane_each(struct nj_sms_store *store, nj_sms_lane_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_LANE_EACH);
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_sms_lane lane = { .no = (uint32_t)nj_col_u64(&q, UINT32_MAX),
					    .kind = (uint8_t)nj_col_u64(&q, UINT8_MAX),
					    .tries = (uint16_t)nj_col_u64(&q, UINT16_MAX),
					    .cause = (uint32_t)nj_col_u64(&q, UINT32_MAX),
					    .due_ms = nj_col_u64(&q, INT64_MAX) };
		uint64_t messages;

		lane.customer = nj_col_text_view(&q);
		lane.target = nj_col_text_view(&q);
		messages = nj_col_u64(&q, INT64_MAX);
		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, &lane, messages));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err read_two(struct nj_sms_store *store, enum nj_sms_statement statement, uint64_t *out_a,
			    uint64_t *out_b)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, statement);

	NJ_TRY(nj_query_next(&q));
	*out_a = nj_col_u64(&q, INT64_MAX);
	if (out_b != NULL)
		*out_b = nj_col_u64(&q, INT64_MAX);
	return nj_col_end(&q);
}

/* The number that was written down, or the highest that is in use, whichever is higher. */
static enum nj_err read_number(struct nj_sms_store *store, const char *name, enum nj_sms_statement last,
			       uint64_t *out_value)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_SQL_SMS_NUMBER_GET);
	uint64_t written = 0;
	uint64_t used = 0;
	enum nj_err err;

	NJ_TRY(read_two(store, last, &used, NULL));
	nj_bind_text(&q, name);
	err = nj_query_next(&q);
	if (err == NJ_OK) {
		written = nj_col_u64(&q, INT64_MAX);
		NJ_TRY(nj_col_end(&q));
	} else if (err != NJ_ERR_NOT_FOUND) {
		return err;
	}
	*out_value = written > used ? written : used;
	return NJ_OK;
}

enum nj_err nj_sms_store_numbers(struct nj_sms_store *store, struct nj_sms_numbers *out_numbers)
{
	struct nj_sms_numbers numbers = { .message = 0 };
	uint64_t lane = 0;

	NJ_TRY(read_number(store, "message", NJ_SQL_SMS_MESSAGE_LAST, &numbers.message));
	NJ_TRY(read_number(store, "lane", NJ_SQL_SMS_LANE_LAST, &lane));
	NJ_TRY(read_two(store, NJ_SQL_SMS_SCHEDULE_COUNT, &numbers.scheduled, &numbers.first_due_ms));
	if (lane > UINT32_MAX)
		return NJ_ERR_CORRUPT;
	numbers.lane = (uint32_t)lane;
	store->last_message = numbers.message;
	store->last_lane = numbers.lane;
	*out_numbers = numbers;
	return NJ_OK;
}
