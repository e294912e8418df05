/* The audit log: what is written is found again; what somebody changes behind its back is found too, and where. */
#include "unit/identity/identity_fixture.h"

#include <sqlite3.h>

#include "base/clock.h"
#include "identity/audit_chain.h"
#include "identity/audit_verify.h"

static struct nj_clock_fake clock_fake;

static int audit_setup(void **state)
{
	struct vault_fixture *f;

	vault_setup(state);
	f = *state;
	nj_clock_fake_init(&clock_fake, 0, 1000);
	assert_int_equal(nj_audit_create(f->vault, nj_random_system()), NJ_OK);
	return 0;
}

static struct nj_audit *open_log(struct vault_fixture *f)
{
	struct nj_audit *audit = NULL;
	struct nj_why why = { "" };

	if (nj_audit_open(f->vault, &clock_fake.clock, &audit, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return audit;
}

static struct nj_audit_record record_of(uint32_t number, char *subject, size_t cap)
{
	snprintf(subject, cap, "dev-%u", number);
	return (struct nj_audit_record){ .event = number % 3 == 0 ? NJ_AUDIT_DENIED : NJ_AUDIT_KNOCK_ACCEPTED,
					 .customer = "acme",
					 .subject = subject,
					 .source = "127.0.0.1",
					 .detail = "service=mqtts" };
}

/* `count` records in one commit. */
static void write_some(struct nj_audit *audit, uint32_t count)
{
	char subject[32];

	assert_int_equal(nj_audit_begin(audit), NJ_OK);
	for (uint32_t i = 0; i < count; i++) {
		struct nj_audit_record record = record_of(i, subject, sizeof(subject));

		assert_int_equal(nj_audit_append(audit, &record), NJ_OK);
	}
	assert_int_equal(nj_audit_commit(audit), NJ_OK);
}

static struct nj_audit_report verify(struct vault_fixture *f)
{
	struct nj_audit_report report = { 0 };

	assert_int_equal(nj_audit_verify(f->vault, &report), NJ_OK);
	return report;
}

static uint64_t checkpoints(struct vault_fixture *f)
{
	struct nj_audit_checkpoint_row row = { 0 };
	uint64_t count = 0;

	while (nj_keeper_store_checkpoint_after(f->store, row.seq, &row) == NJ_OK)
		count++;
	return count;
}

static void an_empty_log_is_intact(void **state)
{
	struct nj_audit_report report = verify(*state);
	struct vault_fixture *f = *state;

	assert_true(report.intact);
	assert_int_equal(report.records, 0);
	assert_int_equal(nj_audit_create(f->vault, nj_random_system()), NJ_ERR_EXISTS);
}

static void goes_on_after_a_restart(void **state)
{
	struct vault_fixture *f = *state;

	for (uint64_t i = 1; i <= 3; i++) {
		struct nj_audit *audit = open_log(f);

		assert_int_equal(nj_audit_seq(audit), (i - 1) * 10);
		write_some(audit, 10);
		nj_audit_close(audit);
		vault_reopen(f);
	}
	assert_true(verify(f).intact);
	assert_int_equal(verify(f).records, 30);
}

static void checkpoints_by_number(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);

	write_some(audit, NJ_AUDIT_CHECKPOINT_RECORDS - 1);
	assert_int_equal(checkpoints(f), 0);
	write_some(audit, 1);
	assert_int_equal(checkpoints(f), 1);
	write_some(audit, 2 * NJ_AUDIT_CHECKPOINT_RECORDS + 1);
	assert_int_equal(checkpoints(f), 3);
	assert_true(verify(f).intact);
	assert_int_equal(verify(f).checkpoints, 3);
	nj_audit_close(audit);
}

static void checkpoints_by_time_and_at_stop(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);

	nj_clock_fake_advance_ms(&clock_fake, NJ_AUDIT_CHECKPOINT_MS);
	assert_int_equal(nj_audit_tick(audit), NJ_OK);
	assert_int_equal(checkpoints(f), 0);
	nj_audit_close(audit);
	audit = open_log(f);
	write_some(audit, 1);
	nj_clock_fake_advance_ms(&clock_fake, NJ_AUDIT_CHECKPOINT_MS - 1);
	assert_int_equal(nj_audit_tick(audit), NJ_OK);
	assert_int_equal(checkpoints(f), 0);
	nj_clock_fake_advance_ms(&clock_fake, 1);
	assert_int_equal(nj_audit_tick(audit), NJ_OK);
	assert_int_equal(checkpoints(f), 1);
	write_some(audit, 1);
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	assert_int_equal(checkpoints(f), 2);
	assert_true(verify(f).intact);
	nj_audit_close(audit);
}

static void a_rollback_leaves_no_trace(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);
	char subject[32];
	struct nj_audit_record record = record_of(1, subject, sizeof(subject));

	write_some(audit, 5);
	assert_int_equal(nj_audit_begin(audit), NJ_OK);
	for (int i = 0; i < 1500; i++)
		assert_int_equal(nj_audit_append(audit, &record), NJ_OK);
	nj_audit_rollback(audit);
	assert_int_equal(nj_audit_seq(audit), 5);
	assert_int_equal(checkpoints(f), 0);
	write_some(audit, 5);
	assert_true(verify(f).intact);
	assert_int_equal(verify(f).records, 10);
	record.event = NJ_AUDIT_EVENT_COUNT;
	assert_int_equal(nj_audit_write(audit, &record), NJ_ERR_RANGE);
	assert_int_equal(nj_audit_seq(audit), 10);
	nj_audit_close(audit);
}

/* A failed operation of the same commit takes the record with it. */
static void a_burn_and_its_record_are_one(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);
	struct nj_keeper_device device = device_row(1);
	char subject[32];
	struct nj_audit_record record = record_of(1, subject, sizeof(subject));
	struct nj_keeper_device out;

	assert_int_equal(nj_keeper_store_device_insert(f->store, &device), NJ_OK);
	assert_int_equal(nj_audit_begin(audit), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(f->store, device.uid, 5), NJ_OK);
	assert_int_equal(nj_audit_append(audit, &record), NJ_OK);
	assert_int_equal(nj_audit_commit(audit), NJ_OK);
	assert_int_equal(nj_audit_begin(audit), NJ_OK);
	assert_int_equal(nj_audit_append(audit, &record), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(f->store, device.uid, 5), NJ_ERR_REPLAYED);
	nj_audit_rollback(audit);
	assert_int_equal(nj_keeper_store_device_get(f->store, device.uid, &out), NJ_OK);
	assert_int_equal(out.floor, 5);
	assert_int_equal(nj_audit_seq(audit), 1);
	nj_audit_close(audit);
}

/* ---- tampering ---- */

static void edit(struct vault_fixture *f, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	vault_close(f);
	assert_int_equal(sqlite3_open(f->files.path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	f->store = open_keeper(&f->files);
	assert_int_equal(nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &f->vault, NULL, NULL), NJ_OK);
}

/* 2,500 records: checkpoints at 1,000, 2,000, 2,300 and 2,400; 100 behind the last. */
static void fill(struct vault_fixture *f)
{
	struct nj_audit *audit = open_log(f);

	write_some(audit, 2300);
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	write_some(audit, 100);
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	write_some(audit, 100);
	nj_audit_close(audit);
	assert_int_equal(verify(f).checkpoints, 4);
}

/* Each on a log of its own: {what somebody does, the record that verify must name, what it must say}. */
static const struct {
	const char *sql;
	uint64_t bad_seq;
	const char *words;
	bool opens; /* opening looks at the newest record only */
} tamperings[] = {
	{ "UPDATE audit SET detail = 'service=mqtt' WHERE seq = 1", 1, "changed", true },
	{ "UPDATE audit SET time_ms = time_ms + 1 WHERE seq = 1234", 1234, "changed", true },
	{ "UPDATE audit SET subject = '', detail = subject || detail WHERE seq = 7", 7, "changed", true },
	{ "UPDATE audit SET hash = zeroblob(32) WHERE seq = 500", 500, "changed", true },
	{ "UPDATE audit SET hash = x'00' WHERE seq = 500", 500, "changed", true },
	{ "DELETE FROM audit WHERE seq = 1", 1, "missing", true },
	{ "DELETE FROM audit WHERE seq = 1000", 1000, "missing", true },
	{ "DELETE FROM audit WHERE seq BETWEEN 2100 AND 2150", 2100, "missing", true },
	{ "DELETE FROM audit WHERE seq = 600; UPDATE audit SET seq = seq - 1 WHERE seq > 600", 600, "changed", false },
	{ "UPDATE audit SET seq = 9999 WHERE seq = 10; UPDATE audit SET seq = 10 WHERE seq = 11;"
	  "UPDATE audit SET seq = 11 WHERE seq = 9999",
	  10, "changed", true },
	{ "DELETE FROM audit WHERE seq = 2500", 2500, "tail was cut", false },
	{ "DELETE FROM audit WHERE seq > 2300", 2301, "tail was cut", false },
	{ "DELETE FROM audit WHERE seq > 2300; UPDATE audit_head SET seq = 2300,"
	  "hash = (SELECT hash FROM audit WHERE seq = 2300)",
	  0, "head", false },
	{ "DELETE FROM audit WHERE seq > 1500; DELETE FROM audit_checkpoints WHERE seq > 1500", 1501, "tail was cut",
	  false },
	{ "DELETE FROM audit; DELETE FROM audit_checkpoints", 1, "tail was cut", false },
	{ "DELETE FROM audit_head", 0, "head", false },
	{ "UPDATE audit_head SET mac = zeroblob(32)", 0, "head", false },
	{ "UPDATE audit_head SET checkpoint_seq = 2000", 0, "head", false },
	{ "UPDATE audit_checkpoints SET signature = zeroblob(64) WHERE seq = 2000", 2000, "checkpoint at record 2000",
	  true },
	{ "UPDATE audit_checkpoints SET time_ms = time_ms + 1 WHERE seq = 2000", 2000, "checkpoint at record 2000",
	  true },
	{ "UPDATE audit_checkpoints SET signature = x'00' WHERE seq = 2300", 2300, "checkpoint at record 2300", true },
	{ "DELETE FROM audit_checkpoints WHERE seq = 1000", 1000, "checkpoint at record 1000", true },
	{ "DELETE FROM audit_checkpoints WHERE seq = 2300", 2300, "checkpoint at record 2300", true },
	{ "DELETE FROM audit_checkpoints WHERE seq = 2400", 2400, "checkpoint at record 2400", true },
	{ "INSERT INTO audit SELECT 2501, time_ms, event, customer, subject, source, detail, hash FROM audit "
	  "WHERE seq = 2500",
	  2501, "changed", false },
	{ "INSERT INTO audit_checkpoints SELECT 2450, 2400, time_ms, hash, signature FROM audit_checkpoints "
	  "WHERE seq = 2400",
	  2450, "checkpoint at record 2450", true },
};

static void every_tampering_is_found(void **state)
{
	for (size_t i = 0; i < sizeof(tamperings) / sizeof(tamperings[0]); i++) {
		struct nj_audit *audit = NULL;
		struct nj_audit_report report;
		struct vault_fixture *f;
		struct nj_why why = { "" };
		void *inner;
		enum nj_err err;

		audit_setup(&inner);
		f = inner;
		fill(f);
		edit(f, tamperings[i].sql);
		report = verify(f);
		if (report.intact || report.bad_seq != tamperings[i].bad_seq ||
		    strstr(report.text, tamperings[i].words) == NULL)
			fail_msg("%s: intact %d, record %llu, '%s'", tamperings[i].sql, report.intact,
				 (unsigned long long)report.bad_seq, report.text);
		err = nj_audit_open(f->vault, &clock_fake.clock, &audit, &why);
		assert_int_equal(err, tamperings[i].opens ? NJ_OK : NJ_ERR_CORRUPT);
		if (err != NJ_OK)
			assert_non_null(strstr(why.text, report.text));
		nj_audit_close(audit);
		vault_teardown(&inner);
	}
}

/* Somebody who writes the whole chain anew, without the keys, meets the signed checkpoint, or the head. */
static void rewrite_from(struct vault_fixture *f, uint64_t from)
{
	struct nj_audit_row row = { .time_ms = 1,
				    .event = nj_view_str("denied"),
				    .customer = nj_view_str(""),
				    .subject = nj_view_str("forged"),
				    .source = nj_view_str(""),
				    .detail = nj_view_str("") };
	uint8_t previous[32];
	char sql[256];
	sqlite3 *db;
	sqlite3_stmt *stmt;

	vault_close(f);
	assert_int_equal(sqlite3_open(f->files.path, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "SELECT hash FROM audit WHERE seq = %llu", (unsigned long long)from - 1);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	memcpy(previous, sqlite3_column_blob(stmt, 0), 32);
	sqlite3_finalize(stmt);
	sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "UPDATE audit SET time_ms = 1, event = 'denied', customer = '', subject = "
					    "'forged', source = '', detail = '', hash = ? WHERE seq = ?",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	for (uint64_t seq = from; seq <= 2500; seq++) {
		row.seq = seq;
		nj_audit_record_hash(previous, &row, row.hash);
		memcpy(previous, row.hash, 32);
		sqlite3_bind_blob(stmt, 1, row.hash, 32, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)seq);
		assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
	f->store = open_keeper(&f->files);
	assert_int_equal(nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &f->vault, NULL, NULL), NJ_OK);
}

static void a_rewritten_chain_is_found(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit_report report;

	fill(f);
	rewrite_from(f, 2450);
	report = verify(f);
	assert_false(report.intact);
	assert_int_equal(report.bad_seq, 2401);
	rewrite_from(f, 1500);
	report = verify(f);
	assert_false(report.intact);
	assert_int_equal(report.bad_seq, 2000);
	assert_non_null(strstr(report.text, "between 1001 and 2000"));
}

static void verifies_in_slices_while_it_is_written(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit_report report = { .intact = false };
	struct nj_audit_verifier *verifier = NULL;
	struct nj_audit *audit = open_log(f);
	enum nj_err err;
	int steps = 0;

	/* Signed after the check began, of its last record: it belongs to the log. */
	write_some(audit, 3);
	assert_int_equal(nj_audit_verifier_new(f->vault, &verifier), NJ_OK);
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	assert_int_equal(nj_audit_verifier_step(verifier, 100000, &report), NJ_OK);
	assert_true(report.intact);
	nj_audit_verifier_free(verifier);

	write_some(audit, 1700);
	assert_int_equal(nj_audit_verifier_new(f->vault, &verifier), NJ_OK);
	/* A checkpoint of the very record that was newest, then more records. */
	assert_int_equal(nj_audit_checkpoint(audit), NJ_OK);
	while ((err = nj_audit_verifier_step(verifier, 100, &report)) == NJ_ERR_AGAIN)
		if (++steps > 5)
			write_some(audit, 90);
	assert_int_equal(err, NJ_OK);
	assert_true(report.intact);
	assert_int_equal(report.records, 1703);
	nj_audit_verifier_free(verifier);
	assert_true(verify(f).intact);
	nj_audit_close(audit);
}

/* ---- reading ---- */

struct page {
	uint32_t count;
	uint64_t first;
	uint64_t last;
};

static enum nj_err see(void *arg, const struct nj_audit_entry *entry)
{
	struct page *page = arg;

	if (page->count++ == 0)
		page->first = entry->seq;
	assert_true(entry->seq > page->last);
	page->last = entry->seq;
	assert_string_equal(entry->customer, "acme");
	assert_string_equal(entry->source, "127.0.0.1");
	assert_string_equal(entry->detail, "service=mqtts");
	return NJ_OK;
}

static enum nj_err stop(void *arg, const struct nj_audit_entry *entry)
{
	return NJ_ERR_CLOSED;
}

static void lists_and_tails(void **state)
{
	static const struct nj_audit_filter knocks = { .event_prefix = "knock." };
	static const struct nj_audit_filter one = { .subject = "dev-42", .customer = "acme" };
	static const struct nj_audit_filter none = { .subject = "dev-42x" };
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);
	struct page page = { 0 };
	uint64_t next = 0;

	write_some(audit, 99);
	assert_int_equal(nj_audit_list(audit, 0, NULL, 10, 1000, see, &page, &next), NJ_OK);
	assert_int_equal(page.count, 10);
	assert_int_equal(next, 10);
	assert_int_equal(nj_audit_list(audit, next, NULL, 1000, 1000, see, &page, &next), NJ_OK);
	assert_int_equal(page.count, 99);
	assert_int_equal(next, 99);
	assert_int_equal(nj_audit_list(audit, next, NULL, 1000, 1000, see, &page, &next), NJ_OK);
	assert_int_equal(next, 99);

	page = (struct page){ 0 };
	assert_int_equal(nj_audit_list(audit, 0, &knocks, 1000, 1000, see, &page, &next), NJ_OK);
	assert_int_equal(page.count, 66);
	page = (struct page){ 0 };
	assert_int_equal(nj_audit_list(audit, 0, &one, 1000, 1000, see, &page, &next), NJ_OK);
	assert_int_equal(page.count, 1);
	assert_int_equal(page.first, 43);
	page = (struct page){ 0 };
	assert_int_equal(nj_audit_list(audit, 0, &none, 1000, 50, see, &page, &next), NJ_OK);
	assert_int_equal(page.count, 0);
	assert_int_equal(next, 50);

	assert_int_equal(nj_audit_tail_start(audit, NULL, 10, 1000, &next), NJ_OK);
	assert_int_equal(next, 89);
	assert_int_equal(nj_audit_tail_start(audit, NULL, 0, 1000, &next), NJ_OK);
	assert_int_equal(next, 99);
	assert_int_equal(nj_audit_tail_start(audit, NULL, 1000, 1000, &next), NJ_OK);
	assert_int_equal(next, 0);
	assert_int_equal(nj_audit_tail_start(audit, &one, 1, 1000, &next), NJ_OK);
	assert_int_equal(next, 42);
	assert_int_equal(nj_audit_list(audit, 0, NULL, 10, 1000, stop, NULL, &next), NJ_ERR_CLOSED);
	nj_audit_close(audit);
}

static enum nj_err take_detail(void *arg, const struct nj_audit_entry *entry)
{
	snprintf(arg, 2 * NJ_AUDIT_TEXT_MAX, "%s", entry->detail);
	return NJ_OK;
}

static void long_texts_are_cut_at_a_character(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_audit *audit = open_log(f);
	char detail[2 * NJ_AUDIT_TEXT_MAX];
	char got[2 * NJ_AUDIT_TEXT_MAX];
	struct nj_audit_record record = { .event = NJ_AUDIT_START, .detail = detail };
	uint64_t next;

	for (size_t shift = 0; shift < 3; shift++) {
		memset(detail, 'x', sizeof(detail));
		detail[NJ_AUDIT_TEXT_MAX + 10] = '\0';
		memcpy(detail + NJ_AUDIT_TEXT_MAX - shift, "\xe2\x82\xac", 3);
		assert_int_equal(nj_audit_write(audit, &record), NJ_OK);
		assert_int_equal(nj_audit_list(audit, shift, NULL, 1, 1, take_detail, got, &next), NJ_OK);
		assert_int_equal(strlen(got), NJ_AUDIT_TEXT_MAX - shift);
	}
	detail[NJ_AUDIT_TEXT_MAX] = '\0';
	memset(detail, 'y', NJ_AUDIT_TEXT_MAX);
	assert_int_equal(nj_audit_write(audit, &record), NJ_OK);
	assert_int_equal(nj_audit_list(audit, 3, NULL, 1, 1, take_detail, got, &next), NJ_OK);
	assert_int_equal(strlen(got), NJ_AUDIT_TEXT_MAX);
	assert_true(verify(f).intact);
	nj_audit_close(audit);
}

static void event_names(void **state)
{
	for (unsigned i = 0; i < NJ_AUDIT_EVENT_COUNT; i++) {
		assert_true(strlen(nj_audit_event_name(i)) > 0);
		assert_true(strlen(nj_audit_event_help(i)) > 10);
	}
	assert_null(nj_audit_event_name(NJ_AUDIT_EVENT_COUNT));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, audit_setup, vault_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_log_is_intact),
		TEST(goes_on_after_a_restart),
		TEST(checkpoints_by_number),
		TEST(checkpoints_by_time_and_at_stop),
		TEST(a_rollback_leaves_no_trace),
		TEST(a_burn_and_its_record_are_one),
		cmocka_unit_test(every_tampering_is_found),
		TEST(a_rewritten_chain_is_found),
		TEST(verifies_in_slices_while_it_is_written),
		TEST(lists_and_tails),
		TEST(long_texts_are_cut_at_a_character),
		cmocka_unit_test(event_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
