/* A reactor's inbox: order, waking, many producers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net/reactor.h"

#define PRODUCERS 4
#define POSTS 20000

/* --- posts --- */

struct note {
	struct nj_post post;
	struct box *box;
	unsigned producer;
	unsigned number;
};

struct box {
	struct nj_reactor *reactor;
	unsigned next[PRODUCERS]; /* that must come from each */
	unsigned count;
	unsigned until;
	char log[32];
};

static void on_numbered(struct nj_post *post)
{
	const struct note *note = NJ_CONTAINER(post, struct note, post);
	struct box *box = note->box;

	if (note->number != box->next[note->producer]++)
		fail_msg("post %u of producer %u came out of order", note->number, note->producer);
	if (++box->count == box->until)
		nj_reactor_stop(box->reactor);
}

static void on_lettered(struct nj_post *post)
{
	const struct note *note = NJ_CONTAINER(post, struct note, post);

	note->box->log[strlen(note->box->log)] = (char)note->number;
}

static void posts_come_in_order_in_the_next_turn(void **state)
{
	struct box box = { .count = 0 };
	struct note notes[3];

	assert_int_equal(nj_reactor_new(nj_clock_system(), &box.reactor), NJ_OK);
	for (unsigned i = 0; i < 3; i++) {
		notes[i] = (struct note){ .post = { .on_post = on_lettered }, .box = &box, .number = 'a' + i };
		nj_reactor_post(box.reactor, &notes[i].post);
	}
	assert_string_equal(box.log, "");
	/* It does not sleep over them. */
	assert_int_equal(nj_reactor_turn(box.reactor, 10000), NJ_OK);
	assert_string_equal(box.log, "abc");
	nj_reactor_take_posts(box.reactor);
	assert_string_equal(box.log, "abc");
	nj_reactor_free(box.reactor);
}

static void on_again(struct nj_post *post)
{
	struct note *note = NJ_CONTAINER(post, struct note, post);

	if (++note->number < 3)
		nj_reactor_post(note->box->reactor, post);
}

static void a_post_may_post_itself_on(void **state)
{
	struct box box = { .count = 0 };
	struct note note = { .post = { .on_post = on_again }, .box = &box };

	assert_int_equal(nj_reactor_new(nj_clock_system(), &box.reactor), NJ_OK);
	nj_reactor_post(box.reactor, &note.post);
	/* Once a turn: it cannot hold it. */
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(nj_reactor_turn(box.reactor, 10000), NJ_OK);
		assert_int_equal(note.number, i);
	}
	nj_reactor_free(box.reactor);
}

struct producer {
	pthread_t thread;
	struct box *box;
	struct note *notes;
};

static void *produce(void *arg)
{
	struct producer *producer = arg;

	for (unsigned i = 0; i < POSTS; i++)
		nj_reactor_post(producer->box->reactor, &producer->notes[i].post);
	return NULL;
}

static void many_producers_lose_nothing(void **state)
{
	struct box box = { .until = PRODUCERS * POSTS };
	struct producer producers[PRODUCERS];

	assert_int_equal(nj_reactor_new(nj_clock_system(), &box.reactor), NJ_OK);
	for (unsigned p = 0; p < PRODUCERS; p++) {
		producers[p] = (struct producer){ .box = &box, .notes = calloc(POSTS, sizeof(struct note)) };
		assert_non_null(producers[p].notes);
		for (unsigned i = 0; i < POSTS; i++)
			producers[p].notes[i] = (struct note){
				.post = { .on_post = on_numbered }, .box = &box, .producer = p, .number = i
			};
		assert_int_equal(pthread_create(&producers[p].thread, NULL, produce, &producers[p]), 0);
	}
	/* Ends only if a sleeping reactor is woken by each post that finds it asleep. */
	assert_int_equal(nj_reactor_run(box.reactor), NJ_OK);
	assert_int_equal(box.count, PRODUCERS * POSTS);
	for (unsigned p = 0; p < PRODUCERS; p++) {
		assert_int_equal(pthread_join(producers[p].thread, NULL), 0);
		free(producers[p].notes);
	}
	nj_reactor_free(box.reactor);
}

/* Two reactors that hand one post to and fro: every hop finds the other asleep, or just going to sleep. */
struct rally {
	struct nj_post post;
	struct nj_reactor *sides[2];
	unsigned left;
};

static void on_hop(struct nj_post *post)
{
	struct rally *rally = NJ_CONTAINER(post, struct rally, post);

	if (rally->left-- > 0) {
		nj_reactor_post(rally->sides[rally->left % 2], post);
		return;
	}
	nj_reactor_stop(rally->sides[0]);
	nj_reactor_stop(rally->sides[1]);
}

static void *run(void *reactor)
{
	assert_int_equal(nj_reactor_run(reactor), NJ_OK);
	return NULL;
}

static void no_wake_is_lost(void **state)
{
	struct rally rally = { .post = { .on_post = on_hop }, .left = 5000 };
	pthread_t other;

	for (int i = 0; i < 2; i++)
		assert_int_equal(nj_reactor_new(nj_clock_system(), &rally.sides[i]), NJ_OK);
	nj_reactor_post(rally.sides[0], &rally.post);
	assert_int_equal(pthread_create(&other, NULL, run, rally.sides[1]), 0);
	run(rally.sides[0]);
	assert_int_equal(pthread_join(other, NULL), 0);
	for (int i = 0; i < 2; i++)
		nj_reactor_free(rally.sides[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_come_in_order_in_the_next_turn),
		cmocka_unit_test(a_post_may_post_itself_on),
		cmocka_unit_test(many_producers_lose_nothing),
		cmocka_unit_test(no_wake_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
