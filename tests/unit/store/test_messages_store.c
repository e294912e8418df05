/* The store of messages: queues with their counters, shared bodies, what start-up reads, dropped sessions; a full disk;
 * and the committer over it. */
#include "store/committer.h"
#include "store/messages_store.h"
#include "unit/store/store_fixture.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>

static struct nj_messages_store *create(struct fixture *f)
{
	struct nj_messages_store *store = NULL;
	struct nj_why why = { "" };

	if (nj_messages_store_open(f->path, NJ_STORE_CREATE, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return store;
}

static struct nj_messages_store *reopen(struct fixture *f, struct nj_messages_store *store)
{
	struct nj_messages_store *again = NULL;

	nj_messages_store_close(store);
	assert_int_equal(nj_messages_store_open(f->path, NJ_STORE_OPEN, &again, NULL), NJ_OK);
	return again;
}

static enum nj_err try(struct nj_messages_store *store, struct nj_messages_op *ops, size_t count)
{
	enum nj_err err = nj_messages_store_begin(store);

	for (size_t i = 0; i < count && err == NJ_OK; i++)
		err = nj_messages_store_apply(store, &ops[i]);
	if (err == NJ_OK)
		err = nj_messages_store_commit(store);
	if (err != NJ_OK)
		nj_messages_store_rollback(store);
	return err;
}

static void apply(struct nj_messages_store *store, struct nj_messages_op op)
{
	assert_int_equal(try(store, &op, 1), NJ_OK);
}

static struct nj_messages_body body_of(const char *text, uint32_t topic, uint32_t properties)
{
	return (struct nj_messages_body){ .bytes = (const uint8_t *)text,
					  .topic_bytes = topic,
					  .properties_bytes = properties,
					  .payload_bytes = (uint32_t)strlen(text) - topic - properties };
}

static void put_session(struct nj_messages_store *store, uint32_t no)
{
	struct nj_messages_session row = {
		.no = no, .uid = { (uint8_t)no }, .client_id = nj_view_str("client"), .expiry_s = 60, .ends_ms = 7000
	};

	apply(store, (struct nj_messages_op){ .type = NJ_MESSAGES_SESSION_PUT, .session = no, .row = &row });
}

static struct nj_messages_op enqueue_op(uint32_t session, uint64_t position, const char *text, uint64_t shared)
{
	return (struct nj_messages_op){ .type = NJ_MESSAGES_ENQUEUE,
					.session = session,
					.position = position,
					.flags = 1,
					.shared = shared,
					.body = body_of(text, 1, 2) };
}

static void enqueue(struct nj_messages_store *store, uint32_t session, uint64_t position, const char *text,
		    uint64_t shared)
{
	apply(store, enqueue_op(session, position, text, shared));
}

static enum nj_err take_session(void *arg, const struct nj_messages_session *row)
{
	struct nj_messages_session *rows = arg;

	assert_in_range(row->no, 1, 7);
	assert_int_equal(row->client_id.len, 6);
	rows[row->no] = *row;
	return NJ_OK;
}

static struct nj_messages_session session_of(struct nj_messages_store *store, uint32_t no)
{
	struct nj_messages_session rows[8] = { { 0 } };

	assert_int_equal(nj_messages_store_session_each(store, take_session, rows), NJ_OK);
	return rows[no];
}

static void counted(struct nj_messages_store *store, uint32_t no, uint64_t messages, uint64_t bytes)
{
	struct nj_messages_session row = session_of(store, no);

	assert_int_equal(row.messages, messages);
	assert_int_equal(row.bytes, bytes + messages * NJ_MESSAGES_ROW_BYTES);
}

static struct nj_messages_page page_of(struct nj_messages_store *store, uint32_t session, uint64_t after, uint32_t rows,
				       uint64_t bytes)
{
	static struct nj_messages_page page;

	page = (struct nj_messages_page){ .session = session, .after = after, .max_rows = rows, .max_bytes = bytes };
	assert_int_equal(nj_messages_store_page(store, &page), NJ_OK);
	return page;
}

/* What a page of this session after `after` holds, as text: position, flags and body of each row. */
static void page_reads(struct nj_messages_store *store, uint32_t session, uint64_t after, uint32_t rows,
		       const char *want)
{
	static struct nj_messages_page page;
	char text[512] = "";
	size_t len = 0;

	page = (struct nj_messages_page){ .session = session, .after = after, .max_rows = rows, .max_bytes = 1 << 20 };
	assert_int_equal(nj_messages_store_page(store, &page), NJ_OK);
	NJ_LIST_EACH (&page.rows, at) {
		struct nj_messages_row *row = NJ_CONTAINER(at, struct nj_messages_row, link);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%llu:%u:%.*s ",
					(unsigned long long)row->position, row->flags,
					(int)nj_messages_body_bytes(&row->body), (const char *)row->body.bytes);
	}
	snprintf(text + len, sizeof(text) - len, "%s", page.more ? "more" : "end");
	nj_messages_page_done(&page);
	assert_string_equal(text, want);
}

static void a_queue_is_read_back_in_order(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op with_ids = enqueue_op(2, 5, "tppbody", 0);
	uint32_t ids[2] = { 7, 300000 };
	struct nj_messages_page page;

	put_session(store, 1);
	put_session(store, 2);
	enqueue(store, 2, 3, "tppthree", 0);
	enqueue(store, 1, 1, "tppother", 0);
	with_ids.ids = ids;
	with_ids.id_count = 2;
	with_ids.body.expires_ms = 99;
	apply(store, with_ids);
	store = reopen(*state, store);
	page_reads(store, 2, 0, 10, "3:1:tppthree 5:1:tppbody end");
	page_reads(store, 2, 0, 1, "3:1:tppthree more");
	page_reads(store, 2, 3, 10, "5:1:tppbody end");
	page_reads(store, 2, 5, 10, "end");
	page_reads(store, 3, 0, 10, "end");
	page = page_of(store, 2, 3, 10, 0);
	struct nj_messages_row *row = NJ_CONTAINER(page.rows.next, struct nj_messages_row, link);
	assert_int_equal(row->id_count, 2);
	assert_int_equal(row->ids[1], 300000);
	assert_int_equal(row->body.expires_ms, 99);
	assert_int_equal(row->body.topic_bytes, 1);
	assert_int_equal(row->body.properties_bytes, 2);
	assert_int_equal(row->body.payload_bytes, 4);
	free(row);
	counted(store, 1, 1, 8);
	counted(store, 2, 2, 15);
	assert_int_equal(session_of(store, 2).tail, 5);
	nj_messages_store_close(store);
}

static struct nj_messages_trim trim(struct nj_messages_store *store, uint32_t session, uint64_t spared,
				    uint64_t messages, uint64_t bytes)
{
	struct nj_messages_trim trim = { .messages = messages, .bytes = bytes, .gone_messages = 99, .gone_bytes = 99 };

	apply(store, (struct nj_messages_op){
			 .type = NJ_MESSAGES_TRIM, .session = session, .position = spared, .trim = &trim });
	return trim;
}

/* The oldest behind what is spared, as many as are asked for, and so many bytes. */
static void the_oldest_go_for_want_of_room(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op op;
	struct nj_messages_trim gone;

	put_session(store, 1);
	put_session(store, 2);
	enqueue(store, 2, 1, "tppother", 0);
	for (uint64_t i = 1; i <= 6; i++)
		enqueue(store, 1, i, "tpp", i == 3 ? 9 : 0);
	gone = trim(store, 1, 2, 0, 0);
	assert_int_equal(gone.gone_messages, 0);
	assert_int_equal(gone.gone_bytes, 0);
	gone = trim(store, 1, 2, 1, 0);
	assert_int_equal(gone.gone_messages, 1);
	page_reads(store, 1, 0, 10, "1:1:tpp 2:1:tpp 4:1:tpp 5:1:tpp 6:1:tpp end");
	gone = trim(store, 1, 2, 0, NJ_MESSAGES_ROW_BYTES + 3 + 1);
	assert_int_equal(gone.gone_messages, 2);
	assert_int_equal(gone.gone_bytes, 2 * (NJ_MESSAGES_ROW_BYTES + 3));
	counted(store, 1, 3, 9);
	assert_int_equal(session_of(store, 1).discarded, 3);
	/* In one group with what it is for; and no more than there is. */
	struct nj_messages_trim all = { .messages = 100 };
	struct nj_messages_op both[2] = { enqueue_op(1, 7, "tppnew", 0),
					  { .type = NJ_MESSAGES_TRIM, .session = 1, .position = 2, .trim = &all } };
	assert_int_equal(try(store, both, 2), NJ_OK);
	assert_int_equal(all.gone_messages, 2);
	store = reopen(*state, store);
	page_reads(store, 1, 0, 10, "1:1:tpp 2:1:tpp end");
	counted(store, 1, 2, 6);
	counted(store, 2, 1, 8);
	assert_int_equal(session_of(store, 1).discarded, 5);
	assert_int_equal(session_of(store, 1).tail, 7);
	/* One that is taken back by itself, whether its row is there or not. */
	op = enqueue_op(1, 1, "tpp", 0);
	op.type = NJ_MESSAGES_DEQUEUE;
	op.flags = NJ_MESSAGES_DISCARDED;
	apply(store, op);
	apply(store, op);
	counted(store, 1, 1, 3);
	assert_int_equal(session_of(store, 1).discarded, 7);
	nj_messages_store_close(store);
}

/* More than are found at a time. */
static void many_go_for_want_of_room(void **state)
{
	struct nj_messages_store *store = create(*state);

	put_session(store, 1);
	for (uint64_t i = 1; i <= 300; i++)
		enqueue(store, 1, i, "tpp", 0);
	assert_int_equal(trim(store, 1, 0, 256, 0).gone_messages, 256);
	counted(store, 1, 44, 3 * 44);
	page_reads(store, 1, 0, 1, "257:1:tpp more");
	nj_messages_store_close(store);
}

static void what_is_acknowledged_is_gone_and_not_counted(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op op = enqueue_op(1, 1, "tppone", 0);

	put_session(store, 1);
	apply(store, op);
	enqueue(store, 1, 2, "tpptwo2", 0);
	op.type = NJ_MESSAGES_RELEASE;
	apply(store, op);
	apply(store, op); /* a second PUBREC changes nothing */
	counted(store, 1, 2, 7);
	page_reads(store, 1, 0, 10, "1:9: 2:1:tpptwo2 end");
	op.type = NJ_MESSAGES_DEQUEUE;
	op.body = body_of("", 0, 0);
	apply(store, op);
	apply(store, op); /* nor does it twice */
	counted(store, 1, 1, 7);
	op = enqueue_op(1, 2, "tpptwo2", 0);
	op.type = NJ_MESSAGES_DEQUEUE;
	apply(store, op);
	counted(store, 1, 0, 0);
	assert_int_equal(session_of(store, 1).tail, 2);
	nj_messages_store_close(store);
}

static int64_t number(struct fixture *f, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

/* A store that the first version made. */
static void an_older_store_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct nj_messages_store *store = create(f);
	sqlite3 *db;

	put_session(store, 1);
	enqueue(store, 1, 1, "tppone", 0);
	nj_messages_store_close(store);
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE sessions DROP COLUMN discarded; PRAGMA user_version = 1", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(nj_messages_store_open(f->path, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	counted(store, 1, 1, 6);
	assert_int_equal(session_of(store, 1).discarded, 0);
	assert_int_equal(trim(store, 1, 0, 1, 0).gone_messages, 1);
	assert_int_equal(session_of(store, 1).discarded, 1);
	nj_messages_store_close(store);
	assert_int_equal(number(f, "PRAGMA user_version"), 2);
}

static void a_shared_body_lives_as_long_as_its_last_row(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op both[2] = { enqueue_op(1, 1, "tppshared", 9), enqueue_op(2, 1, "tppshared", 9) };

	put_session(store, 1);
	put_session(store, 2);
	put_session(store, 3);
	assert_int_equal(try(store, both, 2), NJ_OK);
	enqueue(store, 3, 4, "tppshared", 9); /* in a later group */
	page_reads(store, 2, 0, 10, "1:1:tppshared end");
	both[0].type = both[1].type = NJ_MESSAGES_DEQUEUE;
	assert_int_equal(try(store, both, 2), NJ_OK);
	page_reads(store, 3, 0, 10, "4:1:tppshared end");
	counted(store, 3, 1, 9);
	nj_messages_store_close(store);
	assert_int_equal(number(*state, "SELECT refs FROM bodies"), 1);
	assert_int_equal(nj_messages_store_open(((struct fixture *)*state)->path, NJ_STORE_OPEN, &store, NULL), NJ_OK);
	both[0] = enqueue_op(3, 4, "tppshared", 9);
	both[0].type = NJ_MESSAGES_RELEASE;
	apply(store, both[0]);
	page_reads(store, 3, 0, 10, "4:9: end");
	nj_messages_store_close(store);
	assert_int_equal(number(*state, "SELECT count(*) FROM bodies"), 0);
}

static void a_group_is_whole_or_not_at_all(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op ops[3] = { enqueue_op(1, 1, "tppone", 0), enqueue_op(1, 2, "tpptwo", 0),
					 enqueue_op(1, 1, "tppone", 0) };

	put_session(store, 1);
	assert_int_equal(try(store, ops, 3), NJ_ERR_EXISTS);
	counted(store, 1, 0, 0);
	page_reads(store, 1, 0, 10, "end");
	assert_int_equal(try(store, ops, 2), NJ_OK);
	counted(store, 1, 2, 12);
	nj_messages_store_close(store);
}

static enum nj_err count_filter(void *arg, const struct nj_messages_subscription *row)
{
	assert_int_equal(row->session, 2);
	assert_int_equal(row->options, 0x0a);
	assert_int_equal(row->id, 5);
	assert_true(nj_view_equal(row->filter, nj_view_str("a/+")));
	++*(int *)arg;
	return NJ_OK;
}

static enum nj_err count_received(void *arg, uint32_t session, uint16_t packet_id)
{
	assert_int_equal(session, 2);
	assert_int_equal(packet_id, 65535);
	++*(int *)arg;
	return NJ_OK;
}

static void a_dropped_session_goes_piece_by_piece(void **state)
{
	struct nj_messages_store *store = create(*state);
	bool more = true;
	int rounds = 0;
	int seen = 0;

	for (uint32_t no = 1; no <= 2; no++) {
		put_session(store, no);
		apply(store, (struct nj_messages_op){ .type = NJ_MESSAGES_SUBSCRIBE,
						      .session = no,
						      .flags = 0x0a,
						      .value = 5,
						      .text = nj_view_str("a/+") });
		apply(store,
		      (struct nj_messages_op){ .type = NJ_MESSAGES_RECEIVE, .session = no, .value = UINT16_MAX });
	}
	for (uint64_t i = 1; i <= 300; i++)
		enqueue(store, 1, i, "tppbody", i % 3 == 0 ? i : 0);
	enqueue(store, 2, 1, "tppbody", 3);
	apply(store, (struct nj_messages_op){ .type = NJ_MESSAGES_SESSION_DROP, .session = 1 });
	assert_int_equal(session_of(store, 1).no, 0);
	while (more) {
		assert_int_equal(nj_messages_store_begin(store), NJ_OK);
		assert_int_equal(nj_messages_store_purge(store, 100, &more), NJ_OK);
		assert_int_equal(nj_messages_store_commit(store), NJ_OK);
		rounds++;
	}
	assert_in_range(rounds, 3, 5);
	assert_int_equal(nj_messages_store_subscription_each(store, count_filter, &seen), NJ_OK);
	assert_int_equal(nj_messages_store_received_each(store, count_received, &seen), NJ_OK);
	assert_int_equal(seen, 2);
	page_reads(store, 2, 0, 10, "1:1:tppbody end");
	nj_messages_store_close(store);
	assert_int_equal(number(*state, "SELECT count(*) FROM queue"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM sessions"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM bodies"), 1);
}

/* Another broker's group may bring a row when its session is gone. */
static void rows_without_a_session_do_not_stay(void **state)
{
	struct nj_messages_store *store = create(*state);

	put_session(store, 2);
	enqueue(store, 1, 1, "tppbody", 0);
	enqueue(store, 2, 1, "tppbody", 0);
	page_reads(store, 1, 0, 10, "end");
	page_reads(store, 2, 0, 10, "1:1:tppbody end");
	nj_messages_store_close(store);
}

static void a_will_and_the_times_survive(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_session row = { .no = 4,
					   .uid = { 4 },
					   .client_id = nj_view_str("client"),
					   .expiry_s = UINT32_MAX,
					   .ends_ms = NJ_MESSAGES_NEVER,
					   .sent = 12,
					   .will = { .present = true,
						     .flags = 2 | NJ_MESSAGES_RETAINED,
						     .expires = true,
						     .expiry_s = 0,
						     .delay_s = 30,
						     .due_ms = 5000,
						     .body = body_of("willpayload", 4, 0) } };
	struct nj_messages_op op = { .type = NJ_MESSAGES_SESSION_PUT, .session = 4, .row = &row };

	assert_int_equal(try(store, &op, 1), NJ_OK);
	store = reopen(*state, store);
	row = session_of(store, 4);
	assert_int_equal(row.expiry_s, UINT32_MAX);
	assert_int_equal(row.ends_ms, NJ_MESSAGES_NEVER);
	assert_int_equal(row.sent, 12);
	assert_true(row.will.present && row.will.expires);
	assert_int_equal(row.will.expiry_s, 0);
	assert_int_equal(row.will.delay_s, 30);
	assert_int_equal(row.will.due_ms, 5000);
	assert_int_equal(row.will.flags, 6);
	assert_int_equal(row.will.body.payload_bytes, 7);
	row = (struct nj_messages_session){ .uid = { 4 }, .client_id = nj_view_str("client"), .sent = 3 };
	op.row = &row;
	assert_int_equal(try(store, &op, 1), NJ_OK);
	assert_false(session_of(store, 4).will.present);
	assert_int_equal(session_of(store, 4).sent, 12); /* never falls */
	nj_messages_store_close(store);
}

static enum nj_err take_retained(void *arg, struct nj_view customer, uint8_t flags, const struct nj_messages_body *body)
{
	char *text = arg;

	assert_true(nj_view_equal(customer, nj_view_str("acme")));
	assert_int_equal(body->expires_ms, 77);
	snprintf(text + strlen(text), 64, "%u:%u:%.*s ", flags, body->topic_bytes, (int)nj_messages_body_bytes(body),
		 (const char *)body->bytes);
	return NJ_OK;
}

static void the_last_retained_message_of_a_topic_stays(void **state)
{
	struct nj_messages_store *store = create(*state);
	struct nj_messages_op op = { .type = NJ_MESSAGES_RETAIN, .flags = 1, .text = nj_view_str("acme") };
	char text[256] = "";

	op.body = body_of("topicfirst", 5, 0);
	op.body.expires_ms = 77;
	apply(store, op);
	op.body = body_of("topicPsecond", 5, 1);
	op.body.expires_ms = 77;
	apply(store, op);
	op.body = body_of("gonex", 4, 0);
	apply(store, op);
	op.type = NJ_MESSAGES_UNRETAIN;
	apply(store, op);
	assert_int_equal(nj_messages_store_retained_each(store, take_retained, text), NJ_OK);
	assert_string_equal(text, "1:5:topicPsecond ");
	nj_messages_store_close(store);
}

static void numbers_go_on(void **state)
{
	struct nj_messages_store *store = create(*state);
	uint32_t session = 9;
	uint64_t shared = 9;

	assert_int_equal(nj_messages_store_numbers(store, &session, &shared), NJ_OK);
	assert_int_equal(session, 0);
	assert_int_equal(shared, 0);
	put_session(store, 6);
	enqueue(store, 6, NJ_MESSAGES_POSITION_MAX, "tppbody", 55);
	page_reads(store, 6, NJ_MESSAGES_POSITION_MAX - 1, 1, "34359738367:1:tppbody end");
	assert_int_equal(nj_messages_store_numbers(store, &session, &shared), NJ_OK);
	assert_int_equal(session, 6);
	assert_int_equal(shared, 55);
	nj_messages_store_close(store);
}

/* ---- the committer ---- */

static struct nj_messages_group *wait_for(struct nj_committer_port *port)
{
	struct pollfd ready = { .fd = nj_committer_port_fd(port), .events = POLLIN };
	struct nj_commit_group *group;

	while ((group = nj_committer_finished(port)) == NULL)
		assert_int_equal(poll(&ready, 1, 60000), 1);
	return nj_messages_group_of(group);
}

static void groups_come_back_when_they_are_on_disk(void **state)
{
	struct fixture *f = *state;
	struct nj_messages_store *store = create(f);
	struct nj_committer *committer;
	struct nj_committer_port *ports[2];
	struct nj_messages_group groups[2];
	struct nj_messages_op ops[2] = { enqueue_op(1, 1, "tppone", 0), enqueue_op(1, 2, "tpptwo", 0) };
	struct nj_messages_page page = { .session = 1, .max_rows = 9, .max_bytes = 999 };

	put_session(store, 1);
	assert_int_equal(nj_committer_new(nj_messages_store_committed(store), &committer), NJ_OK);
	assert_int_equal(nj_committer_port_new(committer, &ports[0]), NJ_OK);
	assert_int_equal(nj_committer_port_new(committer, &ports[1]), NJ_OK);
	assert_int_equal(nj_committer_start(committer), NJ_OK);
	for (size_t i = 0; i < 2; i++) {
		nj_messages_group_init(&groups[i]);
		nj_list_push_back(&groups[i].ops, &ops[i].link);
		groups[i].commit.operations = 1;
	}
	nj_committer_submit(ports[0], &groups[0].commit);
	assert_ptr_equal(wait_for(ports[0]), &groups[0]);
	assert_int_equal(groups[0].commit.result, NJ_OK);
	nj_list_push_back(&groups[1].pages, &page.link);
	groups[1].commit.reads = true;
	nj_committer_submit(ports[1], &groups[1].commit);
	nj_committer_drain(committer);
	assert_null(nj_committer_finished(ports[0]));
	assert_ptr_equal(wait_for(ports[1]), &groups[1]);
	assert_int_equal(page.result, NJ_OK);
	assert_false(nj_list_empty(&page.rows));
	nj_messages_page_done(&page);
	assert_int_equal(nj_committer_stats_of(committer).operations, 2);
	nj_committer_free(committer);
	assert_int_equal(number(f, "SELECT count(*) FROM queue"), 2);
}

static void a_bad_group_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct nj_messages_store *store = create(f);
	struct nj_committer *committer;
	struct nj_committer_port *port;
	struct nj_messages_group groups[3];
	struct nj_messages_op ops[3] = { enqueue_op(1, 1, "tppone", 0), enqueue_op(1, 1, "tppone", 0),
					 enqueue_op(1, 2, "tpptwo", 0) };

	put_session(store, 1);
	assert_int_equal(nj_committer_new(nj_messages_store_committed(store), &committer), NJ_OK);
	assert_int_equal(nj_committer_port_new(committer, &port), NJ_OK);
	/* They are one batch, as the thread comes after them. */
	for (size_t i = 0; i < 3; i++) {
		nj_messages_group_init(&groups[i]);
		nj_list_push_back(&groups[i].ops, &ops[i].link);
		groups[i].commit.operations = 1;
		nj_committer_submit(port, &groups[i].commit);
	}
	assert_int_equal(nj_committer_start(committer), NJ_OK);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(wait_for(port), &groups[i]);
	assert_int_equal(groups[0].commit.result, NJ_OK);
	assert_int_equal(groups[1].commit.result, NJ_ERR_EXISTS);
	assert_int_equal(groups[2].commit.result, NJ_OK);
	nj_committer_free(committer);
	assert_int_equal(number(f, "SELECT count(*) FROM queue"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_queue_is_read_back_in_order, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_is_acknowledged_is_gone_and_not_counted, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(the_oldest_go_for_want_of_room, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(many_go_for_want_of_room, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(an_older_store_is_taken_over, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_shared_body_lives_as_long_as_its_last_row, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_group_is_whole_or_not_at_all, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_dropped_session_goes_piece_by_piece, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(rows_without_a_session_do_not_stay, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_will_and_the_times_survive, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_last_retained_message_of_a_topic_stays, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(numbers_go_on, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(groups_come_back_when_they_are_on_disk, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_bad_group_fails_alone, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
