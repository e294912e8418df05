/*
 * An event loop over epoll with timers, end-of-turn work and an inbox. One thread owns a reactor and everything
 * registered with it; only nj_reactor_stop (also from a signal handler) and nj_reactor_post may be called from another
 * thread. Callbacks may add and remove anything, also themselves: what was removed is never called again, even if its
 * event was already fetched.
 *
 * The inbox is how reactors speak to each other, without a lock: a post is its sender's memory, so that posting never
 * fails and never waits, and each sender bounds what it has under way. Posts are taken at the start of each turn and
 * again whenever a connection has read something, before that is handled: what was posted before an answer left is
 * seen before what the answer led to.
 */
#ifndef NJ_NET_REACTOR_H
#define NJ_NET_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct nj_reactor;

/* A registered descriptor, embedded in its owner. `events` are EPOLL* bits. */
struct nj_io {
	void (*on_event)(struct nj_io *io, uint32_t events);
	struct nj_reactor *reactor; /* NULL while not registered */
	int fd;
	uint32_t generation;
};

/* A one-shot timer, embedded in its owner; arm it again in its callback to repeat. Zero-initialised = idle. */
struct nj_timer {
	void (*on_timer)(struct nj_timer *timer);
	struct nj_reactor *reactor; /* NULL while idle */
	uint32_t slot;
};

/* Work done once at the end of the current turn, before the loop sleeps (flushing output). Zero-initialised = idle. */
struct nj_deferred {
	struct nj_list link; /* `next` NULL while idle */
	void (*on_turn_end)(struct nj_deferred *work);
};

/* Work for the thread of another reactor, embedded in its owner; under way at most once at a time. `on_post` may free
 * it or post it on, and runs between other callbacks, never inside one's use of its own objects but nj_conn's reading:
 * it may close any connection. */
struct nj_post {
	struct nj_post *next;
	void (*on_post)(struct nj_post *post);
};

NJ_MUST_USE enum nj_err nj_reactor_new(const struct nj_clock *clock, struct nj_reactor **out_reactor);
void nj_reactor_free(struct nj_reactor *reactor);
/* Runs until nj_reactor_stop. */
NJ_MUST_USE enum nj_err nj_reactor_run(struct nj_reactor *reactor);
/* One turn that sleeps at most `wait_ms`; tests and start-up. */
NJ_MUST_USE enum nj_err nj_reactor_turn(struct nj_reactor *reactor, int wait_ms);
/* Async-signal-safe. */
void nj_reactor_stop(struct nj_reactor *reactor);
/* Any thread: `post` is called on the reactor's. Posts of one thread keep their order. A sleeping reactor is woken. */
void nj_reactor_post(struct nj_reactor *reactor, struct nj_post *post);
/* Calls what has been posted. The reactor's thread; or, once that has ended, the one that takes everything down. */
void nj_reactor_take_posts(struct nj_reactor *reactor);
/* Time at the start of this turn, boot clock. */
uint64_t nj_reactor_now_ms(const struct nj_reactor *reactor);
/* How many bytes the buffers of its connections take; the pointer is good as long as the reactor. */
const uint64_t *nj_reactor_held_bytes(const struct nj_reactor *reactor);
/* From now on they are added to `total`, which several reactors may share; NULL: no longer. */
void nj_reactor_share_held(struct nj_reactor *reactor, _Atomic uint64_t *total);
const struct nj_clock *nj_reactor_clock(const struct nj_reactor *reactor);

NJ_MUST_USE enum nj_err nj_io_add(struct nj_reactor *reactor, struct nj_io *io, uint32_t events);
NJ_MUST_USE enum nj_err nj_io_change(struct nj_io *io, uint32_t events);
/* Forgets the descriptor and does not close it. Harmless when not registered. */
void nj_io_remove(struct nj_io *io);

/* (Re)arms; never fails (storage is reserved when the timer is first armed; without memory the process ends). */
void nj_timer_arm(struct nj_reactor *reactor, struct nj_timer *timer, uint64_t in_ms);
void nj_timer_cancel(struct nj_timer *timer);
/* When it rings, boot clock; 0 while idle. */
uint64_t nj_timer_due_ms(const struct nj_timer *timer);

void nj_defer(struct nj_reactor *reactor, struct nj_deferred *work);
/* The same, before what is deferred already: what must be on its way before output is. */
void nj_defer_first(struct nj_reactor *reactor, struct nj_deferred *work);
void nj_defer_cancel(struct nj_deferred *work);

#endif
