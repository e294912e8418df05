/*
 * An event loop over epoll with timers and end-of-turn work. One thread owns a reactor and everything registered with
 * it; only nj_reactor_stop may be called from a signal handler or another thread. Callbacks may add and remove
 * anything, also themselves: what was removed is never called again, even if its event was already fetched.
 */
#ifndef NJ_NET_REACTOR_H
#define NJ_NET_REACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct nj_reactor;

/* A registered descriptor, embedded in its owner. `events` are EPOLL* bits. */
struct nj_io {
	int fd;
	void (*on_event)(struct nj_io *io, uint32_t events);
	struct nj_reactor *reactor; /* NULL while not registered */
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
	struct nj_list link;
	void (*on_turn_end)(struct nj_deferred *work);
	bool queued;
};

NJ_MUST_USE enum nj_err nj_reactor_new(const struct nj_clock *clock, struct nj_reactor **out_reactor);
void nj_reactor_free(struct nj_reactor *reactor);
/* Runs until nj_reactor_stop. */
NJ_MUST_USE enum nj_err nj_reactor_run(struct nj_reactor *reactor);
/* One turn that sleeps at most `wait_ms`; tests and start-up. */
NJ_MUST_USE enum nj_err nj_reactor_turn(struct nj_reactor *reactor, int wait_ms);
/* Async-signal-safe. */
void nj_reactor_stop(struct nj_reactor *reactor);
/* Time at the start of this turn, boot clock. */
uint64_t nj_reactor_now_ms(const struct nj_reactor *reactor);
/* How many bytes the buffers of its connections take; the pointer is good as long as the reactor. */
const uint64_t *nj_reactor_held_bytes(const struct nj_reactor *reactor);
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
void nj_defer_cancel(struct nj_deferred *work);

#endif
