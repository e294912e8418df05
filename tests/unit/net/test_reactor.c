#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reactor.h"

struct fixture {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	char log[512];
	size_t log_len;
};

static struct fixture f;

static int setup(void **state)
{
	f = (struct fixture){ 0 };
	nj_clock_fake_init(&f.clock, 1000ULL * 1000000, 0);
	return nj_reactor_new(&f.clock.clock, &f.reactor) == NJ_OK ? 0 : -1;
}

static int teardown(void **state)
{
	nj_reactor_free(f.reactor);
	return 0;
}

static void note(char c)
{
	f.log[f.log_len++] = c;
	f.log[f.log_len] = '\0';
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(f.reactor, 0), NJ_OK);
}

/* --- timers --- */

struct named_timer {
	struct nj_timer timer;
	char name;
	struct nj_timer *cancels;
	uint64_t rearms_in_ms;
	int rearms_left;
};

static void on_named(struct nj_timer *timer)
{
	struct named_timer *named = NJ_CONTAINER(timer, struct named_timer, timer);
	note(named->name);
	assert_null(timer->reactor);
	if (named->cancels != NULL)
		nj_timer_cancel(named->cancels);
	if (named->rearms_left-- > 0)
		nj_timer_arm(f.reactor, timer, named->rearms_in_ms);
}

static struct named_timer named(char name)
{
	return (struct named_timer){ .timer = { .on_timer = on_named }, .name = name };
}

static void timers_fire_at_their_millisecond(void **state)
{
	struct named_timer a = named('a');
	nj_timer_arm(f.reactor, &a.timer, 10);
	nj_clock_fake_advance_ms(&f.clock, 9);
	turn();
	assert_string_equal(f.log, "");
	nj_clock_fake_advance_ms(&f.clock, 1);
	turn();
	assert_string_equal(f.log, "a");
	nj_clock_fake_advance_ms(&f.clock, 1000);
	turn();
	assert_string_equal(f.log, "a");
}

static void equal_times_fire_in_order_of_arming(void **state)
{
	struct named_timer timers[5];
	for (int i = 0; i < 5; i++) {
		timers[i] = named((char)('a' + i));
		nj_timer_arm(f.reactor, &timers[i].timer, 5);
	}
	nj_clock_fake_advance_ms(&f.clock, 5);
	turn();
	assert_string_equal(f.log, "abcde");
}

static void rearming_moves_a_timer(void **state)
{
	struct named_timer a = named('a');
	struct named_timer b = named('b');
	nj_timer_arm(f.reactor, &a.timer, 10);
	nj_timer_arm(f.reactor, &b.timer, 20);
	nj_timer_arm(f.reactor, &a.timer, 30);
	nj_clock_fake_advance_ms(&f.clock, 20);
	turn();
	assert_string_equal(f.log, "b");
	nj_clock_fake_advance_ms(&f.clock, 10);
	turn();
	assert_string_equal(f.log, "ba");
}

static void a_timer_may_cancel_another_that_is_due(void **state)
{
	struct named_timer a = named('a');
	struct named_timer b = named('b');
	a.cancels = &b.timer;
	nj_timer_arm(f.reactor, &a.timer, 1);
	nj_timer_arm(f.reactor, &b.timer, 1);
	nj_clock_fake_advance_ms(&f.clock, 1);
	turn();
	assert_string_equal(f.log, "a");
}

/* A timer that is always due must not keep the loop from its descriptors. */
static void a_zero_timer_waits_for_the_next_turn(void **state)
{
	struct named_timer a = named('a');
	a.rearms_left = 2;
	nj_timer_arm(f.reactor, &a.timer, 0);
	turn();
	assert_string_equal(f.log, "a");
	/* Would sleep for good if the pending timer were overlooked. */
	assert_int_equal(nj_reactor_turn(f.reactor, -1), NJ_OK);
	assert_int_equal(nj_reactor_turn(f.reactor, -1), NJ_OK);
	assert_string_equal(f.log, "aaa");
}

static void the_largest_delay_does_not_wrap(void **state)
{
	struct named_timer a = named('a');
	nj_timer_arm(f.reactor, &a.timer, UINT64_MAX);
	nj_clock_fake_advance_ms(&f.clock, 1000000);
	turn();
	assert_string_equal(f.log, "");
	nj_timer_cancel(&a.timer);
}

static void cancelling_an_idle_timer_is_harmless(void **state)
{
	struct nj_timer idle = { 0 };
	nj_timer_cancel(&idle);
	nj_timer_cancel(&idle);
}

/* 2,000 timers, a third cancelled, a third moved: each fires once, never early, in order. */
struct counted_timer {
	struct nj_timer timer;
	uint64_t due_ms;
	int fired;
};

static uint64_t last_due_ms;

static void on_counted(struct nj_timer *timer)
{
	struct counted_timer *counted = NJ_CONTAINER(timer, struct counted_timer, timer);
	counted->fired++;
	assert_true(counted->due_ms <= nj_reactor_now_ms(f.reactor));
	assert_true(counted->due_ms >= last_due_ms);
	last_due_ms = counted->due_ms;
}

static void arm_counted(struct counted_timer *counted, uint64_t in_ms)
{
	counted->due_ms = nj_reactor_now_ms(f.reactor) + in_ms;
	nj_timer_arm(f.reactor, &counted->timer, in_ms);
}

static void many_timers_keep_their_order(void **state)
{
	enum { COUNT = 2000 };
	struct counted_timer *timers = calloc(COUNT, sizeof *timers);
	uint64_t x = 88172645463325252ULL;
	last_due_ms = 0;
	for (int i = 0; i < COUNT; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		timers[i].timer.on_timer = on_counted;
		arm_counted(&timers[i], x % 500);
	}
	for (int i = 0; i < COUNT; i += 3)
		nj_timer_cancel(&timers[i].timer);
	for (int i = 1; i < COUNT; i += 3)
		arm_counted(&timers[i], (uint64_t)(i * 7 % 500));
	for (int ms = 0; ms <= 510; ms += 7) {
		turn();
		nj_clock_fake_advance_ms(&f.clock, 7);
	}
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(timers[i].fired, i % 3 == 0 ? 0 : 1);
	free(timers);
}

/* --- descriptors --- */

struct pipe_end {
	struct nj_io io;
	int other;
	char name;
	struct pipe_end *removes;
};

static void on_pipe(struct nj_io *io, uint32_t events)
{
	struct pipe_end *end = NJ_CONTAINER(io, struct pipe_end, io);
	char byte;
	assert_int_equal(read(io->fd, &byte, 1), 1);
	note(end->name);
	if (end->removes != NULL)
		nj_io_remove(&end->removes->io);
}

static struct pipe_end open_pipe(char name)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	return (struct pipe_end){ .io = { .fd = fds[0], .on_event = on_pipe }, .other = fds[1], .name = name };
}

static void poke(const struct pipe_end *end)
{
	assert_int_equal(write(end->other, "x", 1), 1);
}

static void close_pipe(struct pipe_end *end)
{
	nj_io_remove(&end->io);
	close(end->io.fd);
	close(end->other);
}

static void events_reach_their_owner(void **state)
{
	struct pipe_end a = open_pipe('a');
	assert_int_equal(nj_io_add(f.reactor, &a.io, EPOLLIN), NJ_OK);
	turn();
	assert_string_equal(f.log, "");
	poke(&a);
	turn();
	assert_string_equal(f.log, "a");
	assert_int_equal(nj_io_change(&a.io, 0), NJ_OK);
	poke(&a);
	turn();
	assert_string_equal(f.log, "a");
	assert_int_equal(nj_io_change(&a.io, EPOLLIN), NJ_OK);
	turn();
	assert_string_equal(f.log, "aa");
	close_pipe(&a);
	assert_int_equal(nj_io_change(&a.io, EPOLLIN), NJ_ERR_STATE);
}

/* Whichever of the two comes first removes the other, whose event is already fetched. */
static void a_fetched_event_of_a_removed_descriptor_is_dropped(void **state)
{
	struct pipe_end a = open_pipe('a');
	struct pipe_end b = open_pipe('b');
	a.removes = &b;
	b.removes = &a;
	assert_int_equal(nj_io_add(f.reactor, &a.io, EPOLLIN), NJ_OK);
	assert_int_equal(nj_io_add(f.reactor, &b.io, EPOLLIN), NJ_OK);
	poke(&a);
	poke(&b);
	turn();
	turn();
	assert_int_equal(f.log_len, 1);
	close_pipe(&a);
	close_pipe(&b);
}

/* The stale event's descriptor number has a new owner by then. */
static struct pipe_end reused;
static struct pipe_end first;
static struct pipe_end second;

static void on_replace(struct nj_io *io, uint32_t events)
{
	struct pipe_end *self = NJ_CONTAINER(io, struct pipe_end, io);
	struct pipe_end *victim = self == &first ? &second : &first;
	note(self->name);
	nj_io_remove(&victim->io);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[0], victim->io.fd), victim->io.fd);
	close(fds[0]);
	reused = (struct pipe_end){ .io = { .fd = victim->io.fd, .on_event = on_pipe }, .other = fds[1], .name = 'r' };
	assert_int_equal(nj_io_add(f.reactor, &reused.io, EPOLLIN), NJ_OK);
	nj_io_remove(&self->io);
}

static void a_stale_event_does_not_reach_the_numbers_new_owner(void **state)
{
	first = open_pipe('f');
	second = open_pipe('s');
	first.io.on_event = on_replace;
	second.io.on_event = on_replace;
	assert_int_equal(nj_io_add(f.reactor, &first.io, EPOLLIN), NJ_OK);
	assert_int_equal(nj_io_add(f.reactor, &second.io, EPOLLIN), NJ_OK);
	poke(&first);
	poke(&second);
	turn();
	assert_int_equal(f.log_len, 1);
	poke(&reused);
	turn();
	assert_int_equal(f.log_len, 2);
	assert_int_equal(f.log[1], 'r');
	nj_io_remove(&reused.io);
	close(reused.other);
	close_pipe(&first);
	close_pipe(&second);
}

static void adding_a_closed_descriptor_fails(void **state)
{
	struct pipe_end a = open_pipe('a');
	close_pipe(&a);
	assert_int_not_equal(nj_io_add(f.reactor, &a.io, EPOLLIN), NJ_OK);
	assert_null(a.io.reactor);
}

/* --- end of turn --- */

struct named_work {
	struct nj_deferred work;
	char name;
	struct named_work *defers;
	struct named_work *cancels;
	int times;
};

static void on_work(struct nj_deferred *work)
{
	struct named_work *self = NJ_CONTAINER(work, struct named_work, work);
	note(self->name);
	if (self->cancels != NULL)
		nj_defer_cancel(&self->cancels->work);
	if (self->defers != NULL && self->times-- > 0)
		nj_defer(f.reactor, &self->defers->work);
}

static void deferred_work_runs_once_in_order(void **state)
{
	struct named_work a = { .work = { .on_turn_end = on_work }, .name = 'a' };
	struct named_work b = { .work = { .on_turn_end = on_work }, .name = 'b' };
	nj_defer(f.reactor, &a.work);
	nj_defer(f.reactor, &b.work);
	nj_defer(f.reactor, &a.work);
	assert_int_equal(nj_reactor_turn(f.reactor, -1), NJ_OK);
	assert_string_equal(f.log, "ab");
	turn();
	assert_string_equal(f.log, "ab");
}

static void deferred_work_may_cancel_and_defer_more(void **state)
{
	struct named_work c = { .work = { .on_turn_end = on_work }, .name = 'c' };
	struct named_work b = { .work = { .on_turn_end = on_work }, .name = 'b' };
	struct named_work a = {
		.work = { .on_turn_end = on_work }, .name = 'a', .defers = &c, .cancels = &b, .times = 1
	};
	nj_defer(f.reactor, &a.work);
	nj_defer(f.reactor, &b.work);
	turn();
	assert_string_equal(f.log, "ac");
}

static void endless_deferring_does_not_hold_the_turn(void **state)
{
	struct named_work a = { .work = { .on_turn_end = on_work }, .name = 'a', .times = 100 };
	a.defers = &a;
	nj_defer(f.reactor, &a.work);
	turn();
	assert_true(f.log_len < 100);
	while (f.log_len < 101)
		assert_int_equal(nj_reactor_turn(f.reactor, -1), NJ_OK);
}

/* --- stop and end --- */

static void on_stop(struct nj_timer *timer)
{
	note('s');
	nj_reactor_stop(f.reactor);
}

static void run_ends_with_stop(void **state)
{
	struct nj_timer timer = { .on_timer = on_stop };
	nj_timer_arm(f.reactor, &timer, 0);
	assert_int_equal(nj_reactor_run(f.reactor), NJ_OK);
	assert_string_equal(f.log, "s");
	nj_reactor_stop(f.reactor);
	assert_int_equal(nj_reactor_run(f.reactor), NJ_OK);
}

static void *stop_from_thread(void *arg)
{
	nj_reactor_stop(arg);
	return NULL;
}

/* Nothing is registered and no timer armed: run sleeps for good unless the stop wakes it. */
static void another_thread_wakes_the_sleeper(void **state)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, f.reactor), 0);
	assert_int_equal(nj_reactor_run(f.reactor), NJ_OK);
	pthread_join(thread, NULL);
}

static void what_outlives_the_reactor_can_be_taken_down(void **state)
{
	struct nj_reactor *reactor;
	assert_int_equal(nj_reactor_new(&f.clock.clock, &reactor), NJ_OK);
	struct pipe_end a = open_pipe('a');
	struct named_timer t = named('t');
	struct named_work w = { .work = { .on_turn_end = on_work }, .name = 'w' };
	assert_int_equal(nj_io_add(reactor, &a.io, EPOLLIN), NJ_OK);
	nj_timer_arm(reactor, &t.timer, 1);
	nj_defer(reactor, &w.work);
	nj_reactor_free(reactor);
	nj_timer_cancel(&t.timer);
	nj_defer_cancel(&w.work);
	close_pipe(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_at_their_millisecond),
		TEST(equal_times_fire_in_order_of_arming),
		TEST(rearming_moves_a_timer),
		TEST(a_timer_may_cancel_another_that_is_due),
		TEST(a_zero_timer_waits_for_the_next_turn),
		TEST(the_largest_delay_does_not_wrap),
		TEST(cancelling_an_idle_timer_is_harmless),
		TEST(many_timers_keep_their_order),
		TEST(events_reach_their_owner),
		TEST(a_fetched_event_of_a_removed_descriptor_is_dropped),
		TEST(a_stale_event_does_not_reach_the_numbers_new_owner),
		TEST(adding_a_closed_descriptor_fails),
		TEST(deferred_work_runs_once_in_order),
		TEST(deferred_work_may_cancel_and_defer_more),
		TEST(endless_deferring_does_not_hold_the_turn),
		TEST(run_ends_with_stop),
		TEST(another_thread_wakes_the_sleeper),
		TEST(what_outlives_the_reactor_can_be_taken_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
