/*
 * The store of messages over disks that fail: groups go through the committer while the n-th write, truncation or sync
 * fails, once or for good, or the process dies in the midst of it. What was acknowledged is there, each group is whole
 * or not at all, nothing is there twice, counters agree with rows, and the store opens and works again.
 */
#include "store/committer.h"
#include "store/messages_store.h"
#include "unit/store/fault_vfs.h"
#include "unit/store/store_fixture.h"

#include <poll.h>
#include <sys/wait.h>

#define GROUPS 12
#define OPS_MAX 4
#define TEXT_BYTES 4096
#define BODY_BYTES 3000 /* a few to a page of the log */

/* ---- what is done: groups, each of which means something without the others ---- */

struct work {
	struct nj_messages_group group;
	struct nj_messages_op ops[OPS_MAX];
	struct nj_messages_trim trim;
	size_t count;
};

static uint8_t letters[BODY_BYTES];

static const struct nj_messages_session rows[] = {
	{ .no = 1, .uid = { 1 }, .client_id = { (const uint8_t *)"one", 3 }, .expiry_s = 60 },
	{ .no = 2, .uid = { 2 }, .client_id = { (const uint8_t *)"two", 3 }, .expiry_s = 60 },
};

static struct nj_messages_op *add(struct work *w, enum nj_messages_op_type type, uint32_t session, uint64_t position)
{
	struct nj_messages_op *op = &w->ops[w->count++];

	*op = (struct nj_messages_op){ .type = (uint8_t)type, .session = session, .position = position };
	nj_list_init(&op->link);
	return op;
}

static void add_row(struct work *w, enum nj_messages_op_type type, uint32_t session, uint64_t position, uint32_t bytes,
		    uint64_t shared)
{
	struct nj_messages_op *op = add(w, type, session, position);

	op->shared = shared;
	op->body = (struct nj_messages_body){ .bytes = letters, .topic_bytes = 1, .payload_bytes = bytes - 1 };
}

static void put(struct work *w, uint32_t session, uint64_t position, uint32_t bytes, uint64_t shared)
{
	add_row(w, NJ_MESSAGES_ENQUEUE, session, position, bytes, shared);
	w->ops[w->count - 1].flags = 1;
}

static void take(struct work *w, uint32_t session, uint64_t position, uint32_t bytes, uint64_t shared)
{
	add_row(w, NJ_MESSAGES_DEQUEUE, session, position, bytes, shared);
}

static void retain(struct work *w, enum nj_messages_op_type type, uint32_t bytes)
{
	add_row(w, type, 0, 0, bytes, 0);
	w->ops[w->count - 1].text = nj_view_str("acme");
}

static void plan(struct work *w, size_t which)
{
	memset(w, 0, sizeof(*w));
	switch (which) {
	case 0:
		add(w, NJ_MESSAGES_SESSION_PUT, 1, 0)->row = &rows[0];
		add(w, NJ_MESSAGES_SESSION_PUT, 2, 0)->row = &rows[1];
		add(w, NJ_MESSAGES_SUBSCRIBE, 1, 0)->text = nj_view_str("t");
		return;
	case 1:
		put(w, 1, 1, 2000, 9);
		put(w, 2, 1, 2000, 9);
		return;
	case 2: /* a QoS 2 message: its identifier and its rows */
		add(w, NJ_MESSAGES_RECEIVE, 1, 0)->value = 5;
		put(w, 1, 2, BODY_BYTES, 0);
		put(w, 2, 2, 10, 0);
		return;
	case 3:
		retain(w, NJ_MESSAGES_RETAIN, 1000);
		return;
	case 4:
		put(w, 1, 3, 100, 0);
		put(w, 1, 4, 200, 0);
		put(w, 2, 3, 300, 0);
		return;
	case 5:
		add_row(w, NJ_MESSAGES_RELEASE, 2, 2, 10, 0);
		return;
	case 6:
		take(w, 1, 1, 2000, 9);
		take(w, 2, 1, 2000, 9);
		return;
	case 7:
		add(w, NJ_MESSAGES_FORGET, 1, 0)->value = 5;
		put(w, 1, 5, 50, 0);
		return;
	case 8:
		put(w, 1, 6, 60, 0);
		w->trim = (struct nj_messages_trim){ .messages = 1, .bytes = 200 };
		add(w, NJ_MESSAGES_TRIM, 1, 2)->trim = &w->trim;
		return;
	case 9:
		retain(w, NJ_MESSAGES_UNRETAIN, 1);
		retain(w, NJ_MESSAGES_RETAIN, 20);
		return;
	case 10:
		add(w, NJ_MESSAGES_SESSION_DROP, 2, 0);
		return;
	default:
		take(w, 1, 2, BODY_BYTES, 0);
		w->ops[0].flags = NJ_MESSAGES_DISCARDED;
		put(w, 1, 7, 70, 0);
		return;
	}
}

/* ---- what is there ---- */

static void remove_store(const struct fixture *f)
{
	char wal[sizeof(f->path) + 8];

	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	unlink(f->path);
	unlink(wal);
}

static struct nj_messages_store *open_store(const struct fixture *f, enum nj_store_mode mode)
{
	struct nj_messages_store *store = NULL;
	struct nj_why why = { "" };

	if (nj_messages_store_open(f->path, mode, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return store;
}

/* Whatever order it was dropped in, a session is gone. */
static void purge(struct nj_messages_store *store)
{
	bool more = true;

	while (more) {
		assert_int_equal(nj_messages_store_begin(store), NJ_OK);
		assert_int_equal(nj_messages_store_purge(store, 64, &more), NJ_OK);
		assert_int_equal(nj_messages_store_commit(store), NJ_OK);
	}
}

static void query(sqlite3 *db, const char *sql, char *text, size_t *len)
{
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		*len += (size_t)snprintf(text + *len, TEXT_BYTES - *len, "%s\n",
					 (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
}

/* All of it as text, from a store that was closed. */
static void read_all(const struct fixture *f, char text[TEXT_BYTES])
{
	static const char *const queries[] = {
		"PRAGMA integrity_check",
		"SELECT 'session ' || no || ' ' || tail || ' ' || messages || ' ' || bytes || ' ' || discarded "
		"FROM sessions",
		"SELECT 'row ' || key || ' ' || head || ' ' || coalesce(shared, 0) || ' ' || coalesce(length(body), 0) "
		"FROM queue",
		"SELECT 'body ' || id || ' ' || refs FROM bodies",
		"SELECT 'received ' || key FROM received",
		"SELECT 'retained ' || length(body) FROM retained",
		"SELECT 'filter ' || session FROM subscriptions",
		"SELECT 'wrong' FROM sessions s WHERE messages <> (SELECT count(*) FROM queue WHERE key >> 35 = s.no)",
	};
	size_t len = 0;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, real_vfs->zName), SQLITE_OK);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		query(db, queries[i], text, &len);
	sqlite3_close(db);
}

/* What groups come to, a bit each. */
static void reference(const struct fixture *f, unsigned done, char text[TEXT_BYTES])
{
	struct nj_messages_store *store;

	remove_store(f);
	store = open_store(f, NJ_STORE_CREATE);
	for (size_t i = 0; i < GROUPS; i++) {
		struct work w;

		if ((done & 1u << i) == 0)
			continue;
		plan(&w, i);
		assert_int_equal(nj_messages_store_begin(store), NJ_OK);
		for (size_t n = 0; n < w.count; n++)
			assert_int_equal(nj_messages_store_apply(store, &w.ops[n]), NJ_OK);
		assert_int_equal(nj_messages_store_commit(store), NJ_OK);
	}
	purge(store);
	nj_messages_store_close(store);
	read_all(f, text);
	remove_store(f);
}

/* The store opens, and works. */
static void survivor(const struct fixture *f, char text[TEXT_BYTES])
{
	struct nj_messages_store *store = open_store(f, NJ_STORE_OPEN);

	purge(store);
	nj_messages_store_close(store);
	read_all(f, text);
}

/* ---- faults ---- */

static enum nj_err commit_one(struct nj_committer_port *port, struct work *w)
{
	struct pollfd ready = { .fd = nj_committer_port_fd(port), .events = POLLIN };

	nj_messages_group_init(&w->group);
	for (size_t i = 0; i < w->count; i++)
		nj_list_push_back(&w->group.ops, &w->ops[i].link);
	w->group.commit.operations = w->count;
	nj_committer_submit(port, &w->group.commit);
	while (nj_committer_finished(port) == NULL)
		if (poll(&ready, 1, 60000) != 1)
			abort();
	return w->group.commit.result;
}

/* From an empty store, with the fault at the n-th operation of the disk. Returns what was acknowledged, a bit a group;
 * writes them, one byte each, to `tell`, where that is a descriptor. */
static unsigned run(const struct fixture *f, int nth, int tell)
{
	struct nj_messages_store *store = open_store(f, NJ_STORE_CREATE);
	struct nj_committer *committer;
	struct nj_committer_port *port;
	unsigned done = 0;

	assert_int_equal(nj_committer_new(nj_messages_store_committed(store), &committer), NJ_OK);
	assert_int_equal(nj_committer_port_new(committer, &port), NJ_OK);
	fault.failed = 0;
	fault.countdown = nth;
	assert_int_equal(nj_committer_start(committer), NJ_OK);
	for (size_t i = 0; i < GROUPS; i++) {
		struct work w;

		plan(&w, i);
		enum nj_err err = commit_one(port, &w);
		if (err == NJ_OK)
			done |= 1u << i;
		else if (err != NJ_ERR_IO && err != NJ_ERR_FULL)
			fail_msg("group %zu: %s", i, nj_err_name(err));
		/* What comes after is built on what may be there. */
		if (err != NJ_OK && !fault.once)
			break;
		if (err == NJ_OK && tell >= 0 && write(tell, "", 1) != 1)
			abort();
	}
	nj_committer_free(committer);
	fault.countdown = 0;
	return done;
}

/* What is there is what was acknowledged, or that with the first group that was not: nobody knows of a group whose last
 * sync failed whether it is there. */
static void same(const struct fixture *f, unsigned done, int nth)
{
	char is[TEXT_BYTES] = "", want[TEXT_BYTES] = "", more[TEXT_BYTES] = "";
	unsigned with_next = done | (done + 1);

	survivor(f, is);
	reference(f, done, want);
	if (strcmp(is, want) == 0)
		return;
	reference(f, with_next & ((1u << GROUPS) - 1), more);
	if (strcmp(is, more) != 0)
		fail_msg("fault at %d, acknowledged %x: is\n%swant\n%s", nth, done, is, want);
}

static void each_fault(const struct fixture *f, int code, bool once)
{
	int nth = 1;

	fault.code = code;
	fault.once = once;
	do {
		remove_store(f);
		unsigned done = run(f, nth, -1);
		if (fault.failed == 0)
			assert_int_equal(done, (1u << GROUPS) - 1);
		int failed = fault.failed;
		same(f, done, nth);
		fault.failed = failed;
		nth++;
	} while (fault.failed > 0);
	assert_true(nth > 3 * GROUPS);
}

static void the_disk_fails(void **state)
{
	each_fault(*state, SQLITE_IOERR_WRITE, false);
}

static void the_disk_fails_once(void **state)
{
	each_fault(*state, SQLITE_IOERR_WRITE, true);
}

static void the_disk_is_full(void **state)
{
	each_fault(*state, SQLITE_FULL, false);
}

static void the_disk_is_full_once(void **state)
{
	each_fault(*state, SQLITE_FULL, true);
}

/* Returns whether it died. */
static bool run_and_die(const struct fixture *f, int nth, unsigned *out_done)
{
	uint8_t acknowledged[GROUPS + 1];
	int ends[2];
	int status;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		fault.kills = true;
		(void)run(f, nth, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	ssize_t count = read(ends[0], acknowledged, sizeof(acknowledged));
	close(ends[0]);
	assert_in_range(count, 0, GROUPS);
	*out_done = (1u << count) - 1;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void the_process_dies(void **state)
{
	unsigned done = 0;
	bool died = true;
	int nth = 1;

	for (; died; nth++) {
		remove_store(*state);
		died = run_and_die(*state, nth, &done);
		same(*state, done, nth);
	}
	assert_int_equal(done, (1u << GROUPS) - 1);
	assert_true(nth > 3 * GROUPS);
}

static int setup(void **state)
{
	fault_vfs_begin();
	fault.quick = true;
	memset(letters, 'x', sizeof(letters));
	return fixture_setup(state);
}

static int teardown(void **state)
{
	fault_vfs_end();
	return fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_disk_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(the_disk_fails_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_disk_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(the_disk_is_full_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_process_dies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
