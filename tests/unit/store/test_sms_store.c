/* The SMS store: lanes, the schedule, final states, names and keys, lists, what is old, and numbers that are never
 * given again; and the committer over it. */
#include "store/committer.h"
#include "store/sms_store.h"
#include "unit/store/store_fixture.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>

static struct nj_sms_store *create(struct fixture *f)
{
	struct nj_sms_store *store = NULL;
	struct nj_why why = { "" };

	if (nj_sms_store_open(f->path, NJ_STORE_CREATE, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return store;
}

static struct nj_sms_store *reopen(struct fixture *f, struct nj_sms_store *store)
{
	struct nj_sms_store *again = NULL;

	nj_sms_store_close(store);
	assert_int_equal(nj_sms_store_open(f->path, NJ_STORE_OPEN, &again, NULL), NJ_OK);
	return again;
}

/* All of them, or none. */
static enum nj_err try_all(struct nj_sms_store *store, const struct nj_sms_op *ops, size_t count)
{
	enum nj_err err = nj_sms_store_begin(store);

	for (size_t i = 0; i < count && err == NJ_OK; i++)
		err = nj_sms_store_apply(store, &ops[i]);
	if (err == NJ_OK)
		err = nj_sms_store_commit(store);
	if (err != NJ_OK)
		nj_sms_store_rollback(store);
	return err;
}

static enum nj_err try(struct nj_sms_store *store, struct nj_sms_op op)
{
	return try_all(store, &op, 1);
}

static struct nj_sms_message message_of(uint64_t id, uint32_t lane, const char *body)
{
	return (struct nj_sms_message){ .id = id,
					.lane = lane,
					.kind = 1,
					.state = lane != 0 ? NJ_SMS_IS_ENROUTE : NJ_SMS_IS_SCHEDULED,
					.flags = 0xf00000ff,
					.parts = 2,
					.created_ms = 1000 + id,
					.due_ms = 5000 - id,
					.expires_ms = 9000,
					.customer = nj_view_str("acme"),
					.account = nj_view_str("meters"),
					.source = nj_view_str("12345"),
					.destination = nj_view_str("4915112345678"),
					.options = nj_view_str("o"),
					.body = nj_view_str(body) };
}

static enum nj_err put(struct nj_sms_store *store, uint64_t id, uint32_t lane, const char *body)
{
	struct nj_sms_message m = message_of(id, lane, body);

	return try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_PUT, .message = &m });
}

static enum nj_err move(struct nj_sms_store *store, uint8_t type, uint64_t id, uint32_t lane, uint8_t state)
{
	struct nj_sms_change change = { .id = id,
					.state = state,
					.parts_done = 1,
					.tries = 3,
					.cause = 77,
					.changed_ms = 6000 + id,
					.bearer = nj_view_str("modem") };

	return try(store, (struct nj_sms_op){ .type = type, .lane = lane, .change = &change });
}

static enum nj_err finish(struct nj_sms_store *store, uint64_t id, uint32_t lane)
{
	return move(store, NJ_SMS_OP_FINISH, id, lane, NJ_SMS_IS_DELIVERED);
}

static enum nj_err put_lane(struct nj_sms_store *store, uint32_t no, uint16_t tries)
{
	struct nj_sms_lane lane = { .no = no,
				    .kind = 2,
				    .tries = tries,
				    .cause = 5,
				    .due_ms = 100 * no,
				    .customer = nj_view_str("acme"),
				    .target = nj_view_str("4915112345678") };

	return try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_LANE_PUT, .row = &lane });
}

static struct nj_sms_ask ask_of(uint8_t type)
{
	return (struct nj_sms_ask){ .type = type, .max_rows = 100, .max_bytes = 10000 };
}

/* The answer as text: number and body of each row, and whether there is more. */
static const char *answer(struct nj_sms_store *store, struct nj_sms_ask ask)
{
	static char text[512];
	size_t len = 0;
	enum nj_err err = nj_sms_store_ask(store, &ask);

	text[0] = '\0';
	NJ_LIST_EACH (&ask.rows, at) {
		const struct nj_sms_message *m = &NJ_CONTAINER(at, struct nj_sms_row, link)->message;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%llu:%.*s ", (unsigned long long)m->id,
					(int)m->body.len, (const char *)m->body.data);
	}
	nj_sms_ask_done(&ask);
	if (err != NJ_OK)
		return nj_err_name(err);
	snprintf(text + len, sizeof(text) - len, ask.more ? "more" : "end");
	return text;
}

static const char *lane_reads(struct nj_sms_store *store, uint32_t lane, uint64_t after, uint32_t rows, uint64_t bytes)
{
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_LANE);

	ask.lane = lane;
	ask.id = after;
	ask.max_rows = rows;
	ask.max_bytes = bytes;
	return answer(store, ask);
}

static const char *schedule_reads(struct nj_sms_store *store, uint64_t until_ms, uint32_t rows)
{
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_SCHEDULE);

	ask.until_ms = until_ms;
	ask.max_rows = rows;
	return answer(store, ask);
}

static struct nj_sms_row *one(struct nj_sms_store *store, uint64_t id)
{
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_ONE);

	ask.id = id;
	assert_int_equal(nj_sms_store_ask(store, &ask), NJ_OK);
	struct nj_sms_row *row = NJ_CONTAINER(ask.rows.next, struct nj_sms_row, link);
	nj_list_remove(&row->link);
	assert_true(nj_list_empty(&ask.rows));
	return row;
}

static uint64_t number(struct fixture *f, const char *query)
{
	sqlite3 *sql;
	sqlite3_stmt *stmt;
	uint64_t value;

	assert_int_equal(sqlite3_open_v2(f->path, &sql, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(sql, query, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(sql);
	return value;
}

/* ---- lanes ---- */

static void a_lane_is_read_back_in_order(void **state)
{
	struct nj_sms_store *store = create(*state);

	assert_int_equal(put(store, 3, 1, "ccc"), NJ_OK);
	assert_int_equal(put(store, 1, 1, "aaa"), NJ_OK);
	assert_int_equal(put(store, 2, 2, "bbb"), NJ_OK);
	assert_int_equal(put(store, 4, 1, ""), NJ_OK);
	store = reopen(*state, store);
	assert_string_equal(lane_reads(store, 1, 0, 9, 999), "1:aaa 3:ccc 4: end");
	assert_string_equal(lane_reads(store, 1, 1, 9, 999), "3:ccc 4: end");
	assert_string_equal(lane_reads(store, 1, 0, 2, 999), "1:aaa 3:ccc more");
	assert_string_equal(lane_reads(store, 1, 0, 3, 999), "1:aaa 3:ccc 4: end");
	/* A row counts with its options' byte. */
	assert_string_equal(lane_reads(store, 1, 0, 9, 7), "1:aaa more");
	assert_string_equal(lane_reads(store, 1, 0, 9, 8), "1:aaa 3:ccc more");
	assert_string_equal(lane_reads(store, 1, 0, 9, 9), "1:aaa 3:ccc 4: end");
	assert_string_equal(lane_reads(store, 1, 0, 9, 0), "1:aaa more");
	assert_string_equal(lane_reads(store, 3, 0, 9, 999), "end");
	nj_sms_store_close(store);
}

static void every_column_comes_back(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_message m = message_of(UINT64_C(1) << 62, UINT32_MAX, "b\xff");
	struct nj_sms_row *row;

	m.due_ms = 8;
	m.about = 7;
	m.campaign = 8;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_PUT, .message = &m }), NJ_OK);
	assert_int_equal(move(store, NJ_SMS_OP_CHANGE, m.id, 0, NJ_SMS_IS_ACCEPTED), NJ_OK);
	store = reopen(*state, store);
	row = one(store, m.id);
	assert_int_equal(row->message.lane, UINT32_MAX);
	assert_int_equal(row->message.kind, 1);
	assert_int_equal(row->message.state, NJ_SMS_IS_ACCEPTED);
	assert_int_equal(row->message.flags, 0xf00000ff);
	assert_int_equal(row->message.parts, 2);
	assert_int_equal(row->message.parts_done, 1);
	assert_int_equal(row->message.tries, 3);
	assert_int_equal(row->message.cause, 77);
	assert_int_equal(row->message.about, 7);
	assert_int_equal(row->message.campaign, 8);
	assert_int_equal(row->message.created_ms, m.created_ms);
	assert_int_equal(row->message.due_ms, m.due_ms);
	assert_int_equal(row->message.expires_ms, m.expires_ms);
	assert_int_equal(row->message.changed_ms, 6000 + m.id);
	assert_true(nj_view_equal(row->message.customer, m.customer));
	assert_true(nj_view_equal(row->message.account, m.account));
	assert_true(nj_view_equal(row->message.source, m.source));
	assert_true(nj_view_equal(row->message.destination, m.destination));
	assert_true(nj_view_equal(row->message.bearer, nj_view_str("modem")));
	assert_true(nj_view_equal(row->message.options, m.options));
	assert_true(nj_view_equal(row->message.body, m.body));
	free(row);
	nj_sms_store_close(store);
}

static void a_final_state_never_changes(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_row *row;

	assert_int_equal(put(store, 1, 1, "a"), NJ_OK);
	assert_int_equal(put(store, 2, 1, "b"), NJ_OK);
	/* A final state comes with leaving the lane, and nothing else does. */
	assert_int_equal(move(store, NJ_SMS_OP_CHANGE, 1, 1, NJ_SMS_IS_EXPIRED), NJ_ERR_STATE);
	assert_int_equal(move(store, NJ_SMS_OP_FINISH, 1, 1, NJ_SMS_IS_ACCEPTED), NJ_ERR_STATE);
	assert_int_equal(move(store, NJ_SMS_OP_FINISH, 1, 2, NJ_SMS_IS_DELIVERED), NJ_ERR_STATE);
	assert_int_equal(move(store, NJ_SMS_OP_FINISH, 1, 0, NJ_SMS_IS_DELIVERED), NJ_ERR_STATE);
	assert_int_equal(finish(store, 1, 1), NJ_OK);
	assert_int_equal(finish(store, 1, 1), NJ_ERR_STATE);
	assert_int_equal(move(store, NJ_SMS_OP_CHANGE, 1, 1, NJ_SMS_IS_ENROUTE), NJ_ERR_STATE);
	assert_int_equal(finish(store, 9, 1), NJ_ERR_STATE);
	row = one(store, 1);
	assert_int_equal(row->message.state, NJ_SMS_IS_DELIVERED);
	assert_int_equal(row->message.lane, 0);
	free(row);
	assert_string_equal(lane_reads(store, 1, 0, 9, 999), "2:b end");
	nj_sms_store_close(store);
}

static void a_group_is_whole_or_nothing(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_message a = message_of(1, 1, "a");
	struct nj_sms_message twice = message_of(1, 1, "b");
	struct nj_sms_message nowhere = message_of(2, 0, "c");
	const struct nj_sms_op ops[] = { { .type = NJ_SMS_OP_PUT, .message = &a },
					 { .type = NJ_SMS_OP_PUT, .message = &twice } };

	assert_int_equal(try_all(store, ops, 2), NJ_ERR_EXISTS);
	assert_string_equal(lane_reads(store, 1, 0, 9, 999), "end");
	/* What is to be delivered is in a lane. */
	nowhere.state = NJ_SMS_IS_ENROUTE;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_PUT, .message = &nowhere }), NJ_ERR_STATE);
	nowhere.state = NJ_SMS_IS_REJECTED;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_PUT, .message = &nowhere }), NJ_OK);
	assert_string_equal(schedule_reads(store, INT64_MAX, 9), "end");
	nj_sms_store_close(store);
}

static enum nj_err take_lane(void *arg, const struct nj_sms_lane *lane, uint64_t messages)
{
	char *text = arg;
	size_t len = strlen(text);

	assert_int_equal(lane->kind, 2);
	assert_int_equal(lane->cause, 5);
	assert_true(nj_view_equal(lane->customer, nj_view_str("acme")));
	assert_true(nj_view_equal(lane->target, nj_view_str("4915112345678")));
	snprintf(text + len, 128 - len, "%u:%u@%llu=%llu ", lane->no, lane->tries, (unsigned long long)lane->due_ms,
		 (unsigned long long)messages);
	return NJ_OK;
}

static void lanes_are_there_after_a_start(void **state)
{
	struct nj_sms_store *store = create(*state);
	char text[128] = "";

	assert_int_equal(put_lane(store, 1, 0), NJ_OK);
	assert_int_equal(put_lane(store, 2, 0), NJ_OK);
	assert_int_equal(put_lane(store, 3, 0), NJ_OK);
	assert_int_equal(put(store, 1, 1, "a"), NJ_OK);
	assert_int_equal(put(store, 2, 1, "b"), NJ_OK);
	assert_int_equal(put(store, 3, 3, "c"), NJ_OK);
	assert_int_equal(put_lane(store, 3, 4), NJ_OK);
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_LANE_DROP, .lane = 3 }), NJ_ERR_STATE);
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_LANE_DROP, .lane = 2 }), NJ_OK);
	store = reopen(*state, store);
	assert_int_equal(nj_sms_store_lane_each(store, take_lane, text), NJ_OK);
	assert_string_equal(text, "1:0@100=2 3:4@300=1 ");
	nj_sms_store_close(store);
}

/* ---- the schedule ---- */

static void the_schedule_is_by_time(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_message m;
	struct nj_sms_numbers numbers;

	/* Due at 5000 − number. */
	for (uint64_t id = 1; id <= 4; id++)
		assert_int_equal(put(store, id, 0, "x"), NJ_OK);
	store = reopen(*state, store);
	assert_int_equal(nj_sms_store_numbers(store, &numbers), NJ_OK);
	assert_int_equal(numbers.scheduled, 4);
	assert_int_equal(numbers.first_due_ms, 4996);
	assert_string_equal(schedule_reads(store, 4995, 9), "end");
	assert_string_equal(schedule_reads(store, 4996, 9), "4:x end");
	assert_string_equal(schedule_reads(store, 4999, 3), "4:x 3:x 2:x more");
	/* One enters a lane, one is cancelled, one is replaced. */
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_ENTER, .id = 4, .lane = 7 }), NJ_OK);
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_ENTER, .id = 4, .lane = 7 }), NJ_ERR_STATE);
	assert_int_equal(move(store, NJ_SMS_OP_FINISH, 3, 0, NJ_SMS_IS_DELETED), NJ_OK);
	m = message_of(2, 0, "new");
	m.due_ms = 6000;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_REPLACE, .message = &m }), NJ_OK);
	assert_string_equal(schedule_reads(store, 9999, 9), "1:x 2:new end");
	assert_string_equal(lane_reads(store, 7, 0, 9, 999), "4:x end");
	/* What is final is not replaced. */
	m.id = 3;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_REPLACE, .message = &m }), NJ_ERR_STATE);
	m = message_of(4, 7, "other");
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_REPLACE, .message = &m }), NJ_OK);
	assert_string_equal(lane_reads(store, 7, 0, 9, 999), "4:other end");
	nj_sms_store_close(store);
}

static enum nj_err wait_until(struct nj_sms_store *store, uint64_t id, uint32_t lane, uint8_t state, uint64_t until_ms)
{
	struct nj_sms_change change = { .id = id, .state = state, .changed_ms = 6000, .bearer = nj_view_str("up") };

	return try(store,
		   (struct nj_sms_op){ .type = NJ_SMS_OP_WAIT, .lane = lane, .value = until_ms, .change = &change });
}

static void what_a_bearer_has_accepted_leaves_the_lane(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_row *row;

	assert_int_equal(put(store, 1, 1, "a"), NJ_OK);
	assert_int_equal(put(store, 2, 1, "b"), NJ_OK);
	assert_int_equal(wait_until(store, 1, 1, NJ_SMS_IS_DELIVERED, 7000), NJ_ERR_STATE);
	assert_int_equal(wait_until(store, 1, 2, NJ_SMS_IS_ACCEPTED, 7000), NJ_ERR_STATE);
	assert_int_equal(wait_until(store, 1, 1, NJ_SMS_IS_ACCEPTED, 7000), NJ_OK);
	assert_int_equal(wait_until(store, 1, 1, NJ_SMS_IS_ACCEPTED, 8000), NJ_ERR_STATE);
	assert_string_equal(lane_reads(store, 1, 0, 9, 999), "2:b end");
	assert_string_equal(schedule_reads(store, 6999, 9), "end");
	assert_string_equal(schedule_reads(store, 7000, 9), "1:a end");
	/* It does not go back into a lane; its report ends it. */
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_ENTER, .id = 1, .lane = 1 }), NJ_ERR_STATE);
	assert_string_equal(schedule_reads(store, 7000, 9), "1:a end");
	assert_int_equal(finish(store, 1, 0), NJ_OK);
	assert_string_equal(schedule_reads(store, 9999, 9), "end");
	row = one(store, 1);
	assert_int_equal(row->message.state, NJ_SMS_IS_DELIVERED);
	free(row);
	nj_sms_store_close(store);
}

/* ---- names and keys ---- */

static enum nj_err name(struct nj_sms_store *store, uint8_t type, const char *text, uint64_t id, uint64_t value)
{
	return try(store, (struct nj_sms_op){ .type = type, .text = nj_view_str(text), .id = id, .value = value });
}

static const char *by_name(struct nj_sms_store *store, uint8_t type, const char *text, uint64_t until_ms)
{
	struct nj_sms_ask ask = ask_of(type);

	ask.text = nj_view_str(text);
	ask.until_ms = until_ms;
	return answer(store, ask);
}

static void a_message_is_found_by_its_name_at_a_bearer(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_REF);

	assert_int_equal(put(store, 5, 1, "a"), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_REF_PUT, "up\n0A", 5, 2), NJ_OK);
	ask.text = nj_view_str("up\n0A");
	assert_int_equal(nj_sms_store_ask(store, &ask), NJ_OK);
	assert_int_equal(ask.value, 2);
	nj_sms_ask_done(&ask);
	assert_string_equal(by_name(store, NJ_SMS_ASK_REF, "up\n0B", 0), nj_err_name(NJ_ERR_NOT_FOUND));
	/* Bearers repeat names. */
	assert_int_equal(put(store, 6, 1, "b"), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_REF_PUT, "up\n0A", 6, 0), NJ_OK);
	assert_string_equal(by_name(store, NJ_SMS_ASK_REF, "up\n0A", 0), "6:b end");
	assert_int_equal(name(store, NJ_SMS_OP_REF_DROP, "up\n0A", 0, 0), NJ_OK);
	assert_string_equal(by_name(store, NJ_SMS_ASK_REF, "up\n0A", 0), nj_err_name(NJ_ERR_NOT_FOUND));
	nj_sms_store_close(store);
}

static void a_key_counts_once_until_its_end(void **state)
{
	struct nj_sms_store *store = create(*state);

	assert_int_equal(put(store, 5, 1, "a"), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_KEY_PUT, "app\nk", 5, 100), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_KEY_PUT, "app\nk", 6, 200), NJ_ERR_EXISTS);
	assert_string_equal(by_name(store, NJ_SMS_ASK_KEY, "app\nk", 99), "5:a end");
	assert_string_equal(by_name(store, NJ_SMS_ASK_KEY, "app\nk", 100), nj_err_name(NJ_ERR_NOT_FOUND));
	nj_sms_store_close(store);
}

/* ---- lists ---- */

static void a_list_is_chosen_by_what_is_asked(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_LIST);
	struct nj_sms_message other = message_of(4, 1, "d");

	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(put(store, id, 1, (const char *[]){ "", "a", "b", "c" }[id]), NJ_OK);
	other.customer = nj_view_str("beta");
	other.destination = nj_view_str("33612345678");
	other.campaign = 3;
	other.kind = 2;
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_PUT, .message = &other }), NJ_OK);
	assert_int_equal(finish(store, 2, 1), NJ_OK);
	assert_string_equal(answer(store, ask), "4:d 3:c 2:b 1:a end");
	ask.filter.customer = nj_view_str("acme");
	assert_string_equal(answer(store, ask), "3:c 2:b 1:a end");
	ask.filter.states = 1u << NJ_SMS_IS_ENROUTE;
	assert_string_equal(answer(store, ask), "3:c 1:a end");
	ask.id = 3;
	assert_string_equal(answer(store, ask), "1:a end");
	ask.id = 0;
	ask.max_rows = 1;
	assert_string_equal(answer(store, ask), "3:c more");
	ask = ask_of(NJ_SMS_ASK_LIST);
	ask.filter.campaign = 3;
	assert_string_equal(answer(store, ask), "4:d end");
	ask.filter.campaign = 0;
	ask.filter.kinds = 1u << 1;
	ask.filter.from_ms = 1002;
	assert_string_equal(answer(store, ask), "3:c 2:b end");
	ask.filter.until_ms = 1003;
	assert_string_equal(answer(store, ask), "2:b end");
	ask = ask_of(NJ_SMS_ASK_LIST);
	ask.filter.destination = nj_view_str("33612345678");
	assert_string_equal(answer(store, ask), "4:d end");
	nj_sms_store_close(store);
}

/* ---- what is old ---- */

static void tidy_up(struct nj_sms_store *store, uint64_t before_ms)
{
	struct nj_committed committed = nj_sms_store_committed(store);
	bool more = true;

	nj_sms_store_keep_since(store, before_ms);
	assert_true(committed.ops->wants(store));
	while (more) {
		more = false;
		assert_int_equal(committed.ops->begin(store), NJ_OK);
		assert_int_equal(committed.ops->tidy(store, &more), NJ_OK);
		assert_int_equal(committed.ops->commit(store), NJ_OK);
	}
	assert_false(committed.ops->wants(store));
}

static void what_is_final_for_long_goes_and_no_number_comes_again(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_numbers numbers;

	for (uint64_t id = 1; id <= 600; id++) {
		assert_int_equal(put(store, id, 1, "a"), NJ_OK);
		if (id != 300)
			assert_int_equal(finish(store, id, 1), NJ_OK);
	}
	assert_int_equal(name(store, NJ_SMS_OP_REF_PUT, "up\n1", 1, 0), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_REF_PUT, "up\n600", 600, 0), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_KEY_PUT, "old", 1, 60000), NJ_OK);
	assert_int_equal(name(store, NJ_SMS_OP_KEY_PUT, "new", 1, 90000), NJ_OK);
	assert_int_equal(put_lane(store, 9, 0), NJ_OK);
	assert_int_equal(try(store, (struct nj_sms_op){ .type = NJ_SMS_OP_LANE_DROP, .lane = 9 }), NJ_OK);
	/* Final at 6000 + number: it is 599 that is 6599. */
	tidy_up(store, 6600);
	assert_int_equal(number(*state, "SELECT 1"), 1);
	nj_sms_store_close(store);
	assert_int_equal(number(*state, "SELECT count(*) FROM messages"), 2);
	assert_int_equal(number(*state, "SELECT sum(id) FROM messages"), 900);
	assert_int_equal(number(*state, "SELECT count(*) FROM refs WHERE id = 600"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM refs"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM keys"), 2);
	assert_int_equal(nj_sms_store_open(((struct fixture *)*state)->path, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	tidy_up(store, 70000);
	assert_string_equal(lane_reads(store, 1, 0, 9, 999), "300:a end");
	assert_string_equal(by_name(store, NJ_SMS_ASK_REF, "up\n600", 0), nj_err_name(NJ_ERR_NOT_FOUND));
	store = reopen(*state, store);
	assert_int_equal(nj_sms_store_numbers(store, &numbers), NJ_OK);
	assert_int_equal(numbers.message, 600);
	assert_int_equal(numbers.lane, 9);
	nj_sms_store_close(store);
	assert_int_equal(number(*state, "SELECT count(*) FROM keys"), 1);
}

/* ---- the committer ---- */

static void groups_and_questions_come_back(void **state)
{
	struct nj_sms_store *store = create(*state);
	struct nj_sms_message m = message_of(1, 1, "a");
	struct nj_sms_op op = { .type = NJ_SMS_OP_PUT, .message = &m };
	struct nj_sms_ask ask = ask_of(NJ_SMS_ASK_LANE);
	struct nj_sms_group group;
	struct nj_sms_group *back = NULL;
	struct nj_committer *committer;
	struct nj_committer_port *port;

	ask.lane = 1;
	nj_sms_group_init(&group);
	nj_list_push_back(&group.ops, &op.link);
	nj_list_push_back(&group.asks, &ask.link);
	group.commit.operations = 1;
	group.commit.reads = true;
	assert_int_equal(nj_committer_new(nj_sms_store_committed(store), &committer), NJ_OK);
	assert_int_equal(nj_committer_port_new(committer, &port), NJ_OK);
	assert_int_equal(nj_committer_start(committer), NJ_OK);
	nj_committer_submit(port, &group.commit);
	struct pollfd ready = { .fd = nj_committer_port_fd(port), .events = POLLIN };
	while ((back = nj_sms_group_of(nj_committer_finished(port))) == NULL)
		assert_int_equal(poll(&ready, 1, 60000), 1);
	assert_ptr_equal(back, &group);
	assert_int_equal(group.commit.result, NJ_OK);
	assert_int_equal(ask.result, NJ_OK);
	assert_int_equal(NJ_CONTAINER(ask.rows.next, struct nj_sms_row, link)->message.id, 1);
	nj_sms_ask_done(&ask);
	nj_committer_free(committer);
	assert_int_equal(number(*state, "SELECT count(*) FROM queue"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_lane_is_read_back_in_order),
		TEST(every_column_comes_back),
		TEST(a_final_state_never_changes),
		TEST(a_group_is_whole_or_nothing),
		TEST(lanes_are_there_after_a_start),
		TEST(the_schedule_is_by_time),
		TEST(what_a_bearer_has_accepted_leaves_the_lane),
		TEST(a_message_is_found_by_its_name_at_a_bearer),
		TEST(a_key_counts_once_until_its_end),
		TEST(a_list_is_chosen_by_what_is_asked),
		TEST(what_is_final_for_long_goes_and_no_number_comes_again),
		TEST(groups_and_questions_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
