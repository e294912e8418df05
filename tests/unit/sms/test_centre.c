/* The SMS centre over a real store that commits when the test says so, with a bearer that answers when the test says
 * so: what is acknowledged, in what order it goes, what is tried again, what a crash leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sms/centre/centre.h"
#include "store/sms_store.h"

#define START_MS UINT64_C(1700000000000)
#define HOUR_MS UINT64_C(3600000)
#define SENDS 64

struct gate {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_reactor *reactor;
	struct nj_sms_centre *centre;
	struct nj_sms_store *store;
	char path[64];
	/* the disk */
	struct nj_sms_group *out;
	struct nj_sms_group *back;
	enum nj_err fails;
	/* the bearer */
	struct nj_sms_bearer bearers[2];
	size_t bearer_count;
	struct nj_sms_send *sends[SENDS]; /* not answered yet, in order */
	size_t send_count;
	uint32_t window;
	char log[4096]; /* what was sent, and what became of it */
	struct nj_sms_ticket ticket;
	uint64_t acked, refused, last_id;
	struct nj_sms_centre_limits limits;
};

NJ_PRINTF(2, 3) static void note(struct gate *g, const char *format, ...)
{
	size_t len = strlen(g->log);
	va_list args;

	va_start(args, format);
	vsnprintf(g->log + len, sizeof(g->log) - len, format, args);
	va_end(args);
}

static void log_is(struct gate *g, const char *want)
{
	assert_string_equal(g->log, want);
	g->log[0] = '\0';
}

/* ---- the disk ---- */

static void disk_submit(void *arg, struct nj_sms_group *group)
{
	struct gate *g = arg;

	assert_null(g->out);
	assert_null(g->back);
	g->out = group;
}

static struct nj_sms_group *disk_finished(void *arg)
{
	struct gate *g = arg;
	struct nj_sms_group *group = g->back;

	g->back = NULL;
	return group;
}

static enum nj_err write_group(struct gate *g, struct nj_sms_group *group)
{
	const struct nj_committed_ops *ops = nj_sms_store_committed(g->store).ops;
	enum nj_err err = ops->begin(g->store);

	if (err == NJ_OK)
		err = ops->apply(g->store, &group->commit);
	if (err == NJ_OK)
		err = ops->commit(g->store);
	if (err != NJ_OK)
		ops->rollback(g->store);
	return err;
}

/* One group, if there is one. */
static bool commit(struct gate *g)
{
	struct nj_sms_group *group = g->out;

	if (group == NULL)
		return false;
	g->out = NULL;
	group->commit.result = group->commit.operations == 0 ? NJ_OK : g->fails;
	if (group->commit.operations > 0 && g->fails == NJ_OK)
		group->commit.result = write_group(g, group);
	if (g->fails == NJ_OK)
		assert_int_equal(group->commit.result, NJ_OK);
	nj_sms_store_committed(g->store).ops->read(g->store, &group->commit);
	g->back = group;
	nj_sms_centre_collect(g->centre);
	return true;
}

static void pass(struct gate *g, uint64_t ms)
{
	nj_clock_fake_advance_ms(&g->clock, ms);
	assert_int_equal(nj_reactor_turn(g->reactor, 0), NJ_OK);
}

/* Until nothing more happens by itself. */
static void settle(struct gate *g)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		pass(g, 2);
		if (commit(g))
			quiet = 0;
	}
}

/* ---- the owner and its bearer ---- */

/* What is final on disk is not sent any more. */
static void must_be_due(struct gate *g, const struct nj_sms_message *message)
{
	struct nj_sms_ask ask = { .type = NJ_SMS_ASK_ONE, .id = message->id };

	assert_int_equal(nj_sms_store_ask(g->store, &ask), NJ_OK);
	assert_int_equal(NJ_CONTAINER(ask.rows.next, struct nj_sms_row, link)->message.state, NJ_SMS_IS_ENROUTE);
	assert_int_equal(NJ_CONTAINER(ask.rows.next, struct nj_sms_row, link)->message.parts_done, message->parts_done);
	nj_sms_ask_done(&ask);
}

static void on_send(void *arg, struct nj_sms_send *send)
{
	struct gate *g = arg;

	must_be_due(g, send->message);
	note(g, "%llu.%u ", (unsigned long long)send->message->id, send->part);
	assert_true(g->send_count < SENDS);
	g->sends[g->send_count++] = send;
}

static void on_send_refused(void *arg, struct nj_sms_send *send)
{
	struct gate *g = arg;
	const struct nj_sms_outcome outcome = { .what = NJ_SMS_SENT_ELSEWHERE };

	note(g, "x%llu ", (unsigned long long)send->message->id);
	nj_sms_sent(g->centre, send, &outcome);
}

static const struct nj_sms_bearer *route(void *arg, const struct nj_sms_message *message, uint8_t target, unsigned turn)
{
	struct gate *g = arg;

	return turn < g->bearer_count ? &g->bearers[turn] : NULL;
}

static uint32_t window(void *arg, uint8_t target, struct nj_view customer, struct nj_view name)
{
	assert_int_equal(customer.len, target == NJ_SMS_TO_NUMBER ? 0 : 4);
	return target == NJ_SMS_TO_NUMBER ? 1 : ((struct gate *)arg)->window;
}

static bool receipt_target(void *arg, const struct nj_sms_message *message, uint8_t *out_target,
			   struct nj_view *out_name)
{
	*out_target = NJ_SMS_TO_ACCOUNT;
	*out_name = message->account;
	return message->account.len > 0;
}

static void on_state(void *arg, const struct nj_sms_message *message)
{
	if (nj_sms_final(message->state))
		note(arg, "=%llu:%u ", (unsigned long long)message->id, message->state);
}

static void on_done(struct nj_sms_ticket *ticket, enum nj_err err, uint64_t id)
{
	struct gate *g = NJ_CONTAINER(ticket, struct gate, ticket);

	g->acked += err == NJ_OK;
	g->refused += err != NJ_OK;
	g->last_id = id;
}

static void answer(struct gate *g, size_t i, enum nj_sms_sent what, const char *name)
{
	struct nj_sms_send *send = g->sends[i];
	const struct nj_sms_outcome outcome = { .what = what, .cause = 9, .name = nj_view_str(name) };

	assert_true(i < g->send_count);
	memmove(&g->sends[i], &g->sends[i + 1], (g->send_count - i - 1) * sizeof(g->sends[0]));
	g->send_count--;
	nj_sms_sent(g->centre, send, &outcome);
}

static void delivered(struct gate *g)
{
	answer(g, 0, NJ_SMS_SENT_DELIVERED, "");
}

/* ---- life and death ---- */

static enum nj_err on_lane(void *arg, const struct nj_sms_lane *lane, uint64_t messages)
{
	return nj_sms_centre_lane(((struct gate *)arg)->centre, lane, messages);
}

static void start(struct gate *g)
{
	const struct nj_sms_disk disk = { .arg = g, .fd = -1, .submit = disk_submit, .finished = disk_finished };
	const struct nj_sms_owner owner = {
		.arg = g, .route = route, .window = window, .receipt_target = receipt_target, .on_state = on_state
	};
	struct nj_sms_numbers numbers;
	struct nj_why why = { "" };

	if (nj_sms_store_open(g->path, access(g->path, F_OK) == 0 ? NJ_STORE_OPEN : NJ_STORE_CREATE, &g->store, &why) !=
	    NJ_OK)
		fail_msg("%s", why.text);
	assert_int_equal(nj_sms_centre_new(g->reactor, &g->random.random, &disk, &owner, &g->limits, &g->centre),
			 NJ_OK);
	assert_int_equal(nj_sms_store_numbers(g->store, &numbers), NJ_OK);
	nj_sms_centre_numbers(g->centre, &numbers);
	assert_int_equal(nj_sms_store_lane_each(g->store, on_lane, g), NJ_OK);
}

/* What was not committed is gone, and so is what the bearer had. */
static void crash(struct gate *g)
{
	nj_sms_centre_free(g->centre);
	nj_sms_store_close(g->store);
	g->out = g->back = NULL;
	g->send_count = 0;
}

static int setup(void **state)
{
	struct gate *g = calloc(1, sizeof(*g));
	int fd;

	nj_clock_fake_init(&g->clock, 1000000, START_MS);
	nj_random_fake_init(&g->random, 1);
	assert_int_equal(nj_reactor_new(&g->clock.clock, &g->reactor), NJ_OK);
	/* In memory where that can be: nothing here depends on a disk. */
	snprintf(g->path, sizeof(g->path), "%s/nj-centre-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	fd = mkstemp(g->path);
	assert_true(fd >= 0);
	close(fd);
	unlink(g->path);
	g->bearers[0] = (struct nj_sms_bearer){ .name = "one", .arg = g, .send = on_send };
	g->bearers[1] = (struct nj_sms_bearer){ .name = "two", .arg = g, .send = on_send };
	g->bearer_count = 1;
	g->window = 4;
	g->ticket.on_done = on_done;
	g->limits = (struct nj_sms_centre_limits){ .max_messages = 1000, .max_lane = 100, .report_ms = 60000 };
	start(g);
	*state = g;
	return 0;
}

static void remove_store(struct gate *g)
{
	char beside[80];

	unlink(g->path);
	snprintf(beside, sizeof(beside), "%s-wal", g->path);
	unlink(beside);
}

static int teardown(void **state)
{
	struct gate *g = *state;

	crash(g);
	nj_reactor_free(g->reactor);
	remove_store(g);
	free(g);
	return 0;
}

static struct nj_sms_submission text_to(struct gate *g, const char *number)
{
	return (struct nj_sms_submission){ .message = { .kind = NJ_SMS_A2P,
							.parts = 1,
							.created_ms = nj_clock_wall_ms(&g->clock.clock),
							.expires_ms = nj_clock_wall_ms(&g->clock.clock) + HOUR_MS,
							.customer = nj_view_str("acme"),
							.account = nj_view_str("app"),
							.source = nj_view_str("12345"),
							.destination = nj_view_str(number),
							.body = nj_view_str("hello") },
					   .target = NJ_SMS_TO_NUMBER,
					   .name = nj_view_str(number) };
}

static enum nj_err submit(struct gate *g, struct nj_sms_submission s)
{
	return nj_sms_submit(g->centre, &s, &g->ticket);
}

static void submit_text(struct gate *g, const char *number)
{
	assert_int_equal(submit(g, text_to(g, number)), NJ_OK);
}

static void counts(struct gate *g, uint64_t messages, uint64_t scheduled, uint64_t under_way)
{
	struct nj_sms_counters counters = nj_sms_counters_of(g->centre);

	assert_int_equal(counters.messages, messages);
	assert_int_equal(counters.scheduled, scheduled);
	assert_int_equal(counters.under_way, under_way);
}

/* ---- the way of a message ---- */

static void acknowledged_when_on_disk_and_sent_after(void **state)
{
	struct gate *g = *state;

	submit_text(g, "4915112345678");
	pass(g, 2);
	assert_int_equal(g->acked, 0);
	assert_int_equal(g->send_count, 0);
	assert_true(commit(g));
	assert_int_equal(g->acked, 1);
	assert_int_equal(g->last_id, 1);
	log_is(g, "1.0 ");
	delivered(g);
	log_is(g, "");
	counts(g, 1, 0, 1);
	settle(g);
	log_is(g, "=1:2 ");
	counts(g, 0, 0, 0);
}

static void what_the_disk_refuses_is_refused(void **state)
{
	struct gate *g = *state;

	submit_text(g, "1");
	settle(g);
	log_is(g, "1.0 ");
	/* The outcome must get to disk; the submission need not. */
	g->fails = NJ_ERR_FULL;
	delivered(g);
	submit_text(g, "2");
	pass(g, 2);
	assert_true(commit(g));
	assert_int_equal(g->refused, 1);
	counts(g, 1, 0, 1);
	for (int i = 0; i < 3; i++) {
		pass(g, 200);
		assert_true(commit(g));
	}
	submit_text(g, "3");
	log_is(g, "");
	g->fails = NJ_OK;
	pass(g, 200);
	settle(g);
	/* It was not sent again, and is final once. */
	log_is(g, "=1:2 3.0 ");
	assert_int_equal(g->acked, 2);
	counts(g, 1, 0, 1);
}

static void one_at_a_time_and_in_order(void **state)
{
	struct gate *g = *state;

	for (int i = 0; i < 3; i++)
		submit_text(g, "1");
	submit_text(g, "2");
	settle(g);
	log_is(g, "1.0 4.0 ");
	delivered(g);
	/* Not before the outcome is on disk. */
	pass(g, 2);
	log_is(g, "");
	settle(g);
	log_is(g, "=1:2 2.0 ");
	answer(g, 1, NJ_SMS_SENT_NEVER, "");
	settle(g);
	log_is(g, "=2:5 3.0 ");
}

static void an_account_has_a_window(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "12345");

	s.target = NJ_SMS_TO_ACCOUNT;
	s.name = nj_view_str("app");
	for (int i = 0; i < 6; i++)
		assert_int_equal(submit(g, s), NJ_OK);
	settle(g);
	log_is(g, "1.0 2.0 3.0 4.0 ");
	answer(g, 2, NJ_SMS_SENT_DELIVERED, "");
	settle(g);
	log_is(g, "=3:2 5.0 ");
}

static void parts_go_one_after_the_other_and_go_on_after_a_crash(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	s.message.parts = 3;
	assert_int_equal(submit(g, s), NJ_OK);
	settle(g);
	log_is(g, "1.0 ");
	delivered(g);
	settle(g);
	log_is(g, "1.1 ");
	crash(g);
	start(g);
	settle(g);
	log_is(g, "1.1 ");
	delivered(g);
	settle(g);
	delivered(g);
	settle(g);
	log_is(g, "1.2 =1:2 ");
}

/* ---- trying again ---- */

static void a_lane_waits_longer_each_time_and_remembers(void **state)
{
	struct gate *g = *state;

	submit_text(g, "1");
	submit_text(g, "1");
	settle(g);
	answer(g, 0, NJ_SMS_SENT_LATER, "");
	settle(g);
	log_is(g, "1.0 ");
	pass(g, 4900);
	settle(g);
	log_is(g, "");
	pass(g, 100);
	settle(g);
	log_is(g, "1.0 ");
	answer(g, 0, NJ_SMS_SENT_LATER, "");
	settle(g);
	crash(g);
	start(g);
	pass(g, 14000);
	settle(g);
	log_is(g, "");
	pass(g, 1000);
	settle(g);
	log_is(g, "1.0 ");
	/* Who was reached starts anew. */
	delivered(g);
	settle(g);
	log_is(g, "=1:2 2.0 ");
	answer(g, 0, NJ_SMS_SENT_LATER, "");
	settle(g);
	pass(g, 5000);
	settle(g);
	log_is(g, "2.0 ");
}

static void who_is_away_is_woken(void **state)
{
	struct gate *g = *state;

	submit_text(g, "1");
	settle(g);
	answer(g, 0, NJ_SMS_SENT_ABSENT, "");
	settle(g);
	pass(g, 250000);
	settle(g);
	log_is(g, "1.0 ");
	nj_sms_centre_ready(g->centre, NJ_SMS_TO_NUMBER, nj_view_str("acme"), nj_view_str("2"));
	settle(g);
	log_is(g, "");
	nj_sms_centre_ready(g->centre, NJ_SMS_TO_NUMBER, nj_view_str("acme"), nj_view_str("1"));
	settle(g);
	log_is(g, "1.0 ");
	/* One that never says so is tried all the same. */
	answer(g, 0, NJ_SMS_SENT_ABSENT, "");
	settle(g);
	pass(g, 900000);
	settle(g);
	log_is(g, "1.0 ");
}

static void without_a_bearer_it_is_kept(void **state)
{
	struct gate *g = *state;

	g->bearers[0].send = on_send_refused;
	submit_text(g, "1");
	settle(g);
	log_is(g, "x1 ");
	counts(g, 1, 0, 0);
	g->bearer_count = 2;
	pass(g, 300000);
	settle(g);
	log_is(g, "x1 1.0 ");
	delivered(g);
	settle(g);
	log_is(g, "=1:2 ");
}

static void what_is_too_late_expires(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	submit_text(g, "1");
	s.message.expires_ms = nj_clock_wall_ms(&g->clock.clock) + 10000;
	assert_int_equal(submit(g, s), NJ_OK);
	assert_int_equal(submit(g, text_to(g, "1")), NJ_OK);
	settle(g);
	log_is(g, "1.0 ");
	answer(g, 0, NJ_SMS_SENT_ABSENT, "");
	settle(g);
	/* The first one ends by itself, without being tried; the lane rests on. */
	pass(g, HOUR_MS);
	settle(g);
	log_is(g, "=1:3 =2:3 =3:3 ");
	counts(g, 0, 0, 0);
}

/* ---- receipts ---- */

static void who_asked_is_told(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	s.message.flags = NJ_SMS_RECEIPT_SUCCESS | NJ_SMS_RECEIPT_FAILURE;
	assert_int_equal(submit(g, s), NJ_OK);
	settle(g);
	log_is(g, "1.0 ");
	delivered(g);
	pass(g, 2);
	crash(g);
	/* Neither was on disk; both are. */
	start(g);
	settle(g);
	log_is(g, "1.0 ");
	delivered(g);
	pass(g, 2);
	assert_true(commit(g));
	crash(g);
	start(g);
	settle(g);
	log_is(g, "=1:2 2.0 2.0 ");
	assert_int_equal(g->sends[0]->message->kind, NJ_SMS_RECEIPT);
	assert_int_equal(g->sends[0]->message->about, 1);
	assert_int_equal(g->sends[0]->message->flags, NJ_SMS_IS_DELIVERED);
	assert_int_equal(g->sends[0]->message->cause, 9);
	assert_true(nj_view_equal(g->sends[0]->message->source, nj_view_str("1")));
	assert_true(nj_view_equal(g->sends[0]->message->destination, nj_view_str("12345")));
	/* A receipt has none. */
	delivered(g);
	settle(g);
	log_is(g, "=2:2 ");
	counts(g, 0, 0, 0);
}

static void who_did_not_ask_is_not_told(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	submit_text(g, "1");
	s.message.flags = NJ_SMS_RECEIPT_FAILURE;
	assert_int_equal(submit(g, s), NJ_OK);
	s.message.flags = NJ_SMS_RECEIPT_SUCCESS;
	assert_int_equal(submit(g, s), NJ_OK);
	settle(g);
	delivered(g);
	settle(g);
	delivered(g);
	settle(g);
	answer(g, 0, NJ_SMS_SENT_NEVER, "");
	settle(g);
	log_is(g, "1.0 =1:2 2.0 =2:2 3.0 =3:5 ");
}

/* ---- a bearer that says later ---- */

static void what_is_accepted_makes_room_and_is_given_up_in_the_end(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	s.message.flags = NJ_SMS_RECEIPT_FAILURE;
	assert_int_equal(submit(g, s), NJ_OK);
	submit_text(g, "1");
	settle(g);
	answer(g, 0, NJ_SMS_SENT_ACCEPTED, "one\nabc");
	settle(g);
	log_is(g, "1.0 2.0 ");
	counts(g, 1, 1, 1);
	delivered(g);
	settle(g);
	log_is(g, "=2:2 ");
	crash(g);
	start(g);
	pass(g, HOUR_MS + 59000);
	settle(g);
	log_is(g, "");
	pass(g, 1000);
	settle(g);
	log_is(g, "=1:7 3.0 ");
	counts(g, 1, 0, 1);
}

/* ---- later ---- */

static void what_is_scheduled_goes_at_its_time(void **state)
{
	struct gate *g = *state;
	struct nj_sms_submission s = text_to(g, "1");

	s.message.due_ms = nj_clock_wall_ms(&g->clock.clock) + 20000;
	assert_int_equal(submit(g, s), NJ_OK);
	s.message.due_ms -= 10000;
	assert_int_equal(submit(g, s), NJ_OK);
	settle(g);
	assert_int_equal(g->acked, 2);
	counts(g, 0, 2, 0);
	pass(g, 9900);
	settle(g);
	log_is(g, "");
	pass(g, 100);
	settle(g);
	log_is(g, "2.0 ");
	counts(g, 1, 1, 1);
	crash(g);
	start(g);
	submit_text(g, "1");
	settle(g);
	/* It is older than what is in the lane: it goes next. */
	pass(g, 20000);
	settle(g);
	log_is(g, "2.0 ");
	delivered(g);
	settle(g);
	delivered(g);
	settle(g);
	log_is(g, "=2:2 1.0 =1:2 3.0 ");
}

/* ---- many ---- */

static void a_long_lane_is_read_piece_by_piece(void **state)
{
	struct gate *g = *state;
	char want[4096] = "";

	for (int i = 1; i <= 40; i++) {
		submit_text(g, "1");
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%d.0 =%d:2 ", i, i);
	}
	settle(g);
	for (int i = 1; i <= 40; i++) {
		delivered(g);
		settle(g);
		if (i == 20) {
			crash(g);
			/* The one that was under way goes again. */
			g->log[strlen(g->log) - strlen("21.0 ")] = '\0';
			start(g);
			settle(g);
		}
	}
	log_is(g, want);
	counts(g, 0, 0, 0);
}

static void queues_have_limits(void **state)
{
	struct gate *g = *state;

	crash(g);
	g->limits.max_lane = 3;
	g->limits.max_messages = 5;
	start(g);
	for (int i = 0; i < 3; i++)
		submit_text(g, "1");
	assert_int_equal(submit(g, text_to(g, "1")), NJ_ERR_LIMIT);
	submit_text(g, "2");
	submit_text(g, "3");
	assert_int_equal(submit(g, text_to(g, "4")), NJ_ERR_LIMIT);
	settle(g);
	delivered(g);
	settle(g);
	submit_text(g, "1");
	assert_int_equal(submit(g, text_to(g, "1")), NJ_ERR_LIMIT);
}

static void an_empty_lane_goes_after_a_while(void **state)
{
	struct gate *g = *state;

	submit_text(g, "1");
	settle(g);
	delivered(g);
	settle(g);
	assert_int_equal(nj_sms_counters_of(g->centre).lanes, 1);
	pass(g, 60000);
	settle(g);
	assert_int_equal(nj_sms_counters_of(g->centre).lanes, 0);
	submit_text(g, "1");
	settle(g);
	log_is(g, "1.0 =1:2 2.0 ");
	crash(g);
	start(g);
	assert_int_equal(nj_sms_counters_of(g->centre).lanes, 1);
}

/* ---- any history ---- */

#define NUMBERS 4
#define HISTORY 1500

static uint32_t draw(struct gate *g, uint32_t below)
{
	uint32_t value;

	nj_random_fill(&g->random.random, &value, sizeof(value));
	return value % below;
}

static void random_answer(struct gate *g)
{
	static const enum nj_sms_sent all[] = { NJ_SMS_SENT_DELIVERED, NJ_SMS_SENT_DELIVERED, NJ_SMS_SENT_ACCEPTED,
						NJ_SMS_SENT_LATER,     NJ_SMS_SENT_ABSENT,    NJ_SMS_SENT_NEVER,
						NJ_SMS_SENT_ELSEWHERE };

	if (g->send_count > 0)
		answer(g, draw(g, (uint32_t)g->send_count), all[draw(g, sizeof(all) / sizeof(all[0]))], "one\nx");
}

static void random_step(struct gate *g)
{
	struct nj_sms_submission s = text_to(g, (const char *[]){ "1", "2", "3", "4" }[draw(g, NUMBERS)]);

	switch (draw(g, 10)) {
	case 0:
	case 1:
	case 2:
		s.message.parts = (uint16_t)(1 + draw(g, 2));
		s.message.flags = draw(g, 2) != 0 ? NJ_SMS_RECEIPT_SUCCESS | NJ_SMS_RECEIPT_FAILURE : 0;
		s.message.due_ms = draw(g, 4) == 0 ? s.message.created_ms + draw(g, 100000) : 0;
		(void)submit(g, s);
		break;
	case 3:
	case 4:
	case 5:
		random_answer(g);
		break;
	case 6:
		pass(g, draw(g, 2000));
		break;
	case 7:
		(void)commit(g);
		break;
	case 8:
		g->fails = draw(g, 4) == 0 ? NJ_ERR_FULL : NJ_OK;
		pass(g, 2);
		break;
	default:
		if (draw(g, 20) == 0) {
			crash(g);
			start(g);
		}
	}
}

static uint64_t rows(struct gate *g, bool but_receipts, uint16_t states)
{
	struct nj_sms_ask ask = { .type = NJ_SMS_ASK_LIST, .max_rows = 10000, .max_bytes = 1 << 30 };
	uint64_t count = 0;

	ask.filter.states = states;
	assert_int_equal(nj_sms_store_ask(g->store, &ask), NJ_OK);
	NJ_LIST_EACH (&ask.rows, at)
		count += !but_receipts || NJ_CONTAINER(at, struct nj_sms_row, link)->message.kind != NJ_SMS_RECEIPT;
	nj_sms_ask_done(&ask);
	return count;
}

static void one_history(struct gate *g)
{
	for (int i = 0; i < HISTORY; i++) {
		random_step(g);
		g->log[0] = '\0';
	}
	g->fails = NJ_OK;
	settle(g);
	for (int i = 0; i < 400; i++) {
		while (g->send_count > 0)
			delivered(g);
		settle(g);
		pass(g, 60000);
		g->log[0] = '\0';
	}
	/* What a bearer accepted and never spoke of again. */
	pass(g, 8 * 24 * HOUR_MS);
	settle(g);
	g->log[0] = '\0';
	/* One whose acknowledgement was lost in a crash may be there besides; none is missing. */
	assert_true(rows(g, true, 0) >= g->acked);
	assert_int_equal(rows(g, false, 1u << NJ_SMS_IS_ENROUTE | 1u << NJ_SMS_IS_SCHEDULED | 1u << NJ_SMS_IS_ACCEPTED),
			 0);
	counts(g, 0, 0, 0);
	pass(g, 60000);
	settle(g);
	assert_int_equal(nj_sms_counters_of(g->centre).lanes, 0);
}

/* Whatever happened: all that was acknowledged is there, and comes to one end once everything works. */
static void any_history_ends_well(void **state)
{
	struct gate *g = *state;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		crash(g);
		remove_store(g);
		nj_random_fake_init(&g->random, seed);
		g->acked = 0;
		start(g);
		one_history(g);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(acknowledged_when_on_disk_and_sent_after),
		TEST(what_the_disk_refuses_is_refused),
		TEST(one_at_a_time_and_in_order),
		TEST(an_account_has_a_window),
		TEST(parts_go_one_after_the_other_and_go_on_after_a_crash),
		TEST(a_lane_waits_longer_each_time_and_remembers),
		TEST(who_is_away_is_woken),
		TEST(without_a_bearer_it_is_kept),
		TEST(what_is_too_late_expires),
		TEST(who_asked_is_told),
		TEST(who_did_not_ask_is_not_told),
		TEST(what_is_accepted_makes_room_and_is_given_up_in_the_end),
		TEST(what_is_scheduled_goes_at_its_time),
		TEST(a_long_lane_is_read_piece_by_piece),
		TEST(queues_have_limits),
		TEST(an_empty_lane_goes_after_a_while),
		TEST(any_history_ends_well),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
