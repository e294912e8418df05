#include "net/reactor.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/internal.h"

#define EVENTS_PER_TURN 256
#define HEAP_WIDTH 4
/* Deferred work may defer more; past this many rounds the rest waits for the next turn, which then does not sleep. */
#define DEFERRED_ROUNDS 16
/* epoll's mark for the descriptor that wakes; no registration has this generation and descriptor at once. */
#define WAKE_MARK UINT64_MAX

/* `order` grows with each arming: equal times fire in the order of arming, and what is armed within a turn sorts
 * behind all that was due at its start. */
struct heap_entry {
	uint64_t due_ms;
	uint64_t order;
	struct nj_timer *timer;
};

struct nj_reactor {
	const struct nj_clock *clock;
	int epoll_fd;
	int wake_fd;
	atomic_bool stopping;
	uint64_t now_ms;
	struct nj_io **registrations; /* by descriptor; NULL while it is not registered */
	size_t registration_count;
	uint32_t next_generation;
	struct heap_entry *heap;
	size_t heap_len;
	size_t heap_cap;
	uint64_t next_order;
	struct nj_list deferred;
	uint8_t *scratch;
	uint64_t held_bytes;          /* in the buffers of its connections */
	_Atomic uint64_t *held_total; /* they are part of; NULL: of none */
	struct epoll_event events[EVENTS_PER_TURN];
	struct nj_inbox inbox;
};

static enum nj_err open_descriptors(struct nj_reactor *reactor)
{
	reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reactor->epoll_fd < 0)
		return nj_err_from_errno(errno);
	reactor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reactor->wake_fd < 0)
		return nj_err_from_errno(errno);
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE_MARK };
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, reactor->wake_fd, &event) != 0)
		return nj_err_from_errno(errno);
	return NJ_OK;
}

enum nj_err nj_reactor_new(const struct nj_clock *clock, struct nj_reactor **out_reactor)
{
	struct nj_reactor *reactor = aligned_alloc(alignof(struct nj_reactor), sizeof *reactor);
	if (reactor == NULL)
		return NJ_ERR_NO_MEMORY;
	memset(reactor, 0, sizeof *reactor);
	reactor->clock = clock;
	reactor->epoll_fd = -1;
	reactor->wake_fd = -1;
	nj_list_init(&reactor->deferred);
	reactor->now_ms = nj_clock_boot_ms(clock);
	reactor->scratch = malloc(NJ_SCRATCH_BYTES);
	enum nj_err err = reactor->scratch == NULL ? NJ_ERR_NO_MEMORY : open_descriptors(reactor);
	if (err != NJ_OK) {
		nj_reactor_free(reactor);
		return err;
	}
	*out_reactor = reactor;
	return NJ_OK;
}

/* What is still registered learns that it no longer is, so that its owner may be taken down after the reactor. */
static void orphan_all(struct nj_reactor *reactor)
{
	for (size_t fd = 0; fd < reactor->registration_count; fd++)
		if (reactor->registrations[fd] != NULL)
			reactor->registrations[fd]->reactor = NULL;
	for (size_t i = 0; i < reactor->heap_len; i++)
		reactor->heap[i].timer->reactor = NULL;
	NJ_LIST_EACH (&reactor->deferred, node)
		nj_defer_cancel(NJ_CONTAINER(node, struct nj_deferred, link));
}

void nj_reactor_free(struct nj_reactor *reactor)
{
	if (reactor == NULL)
		return;
	orphan_all(reactor);
	if (reactor->epoll_fd >= 0)
		close(reactor->epoll_fd);
	if (reactor->wake_fd >= 0)
		close(reactor->wake_fd);
	free(reactor->registrations);
	free(reactor->heap);
	free(reactor->scratch);
	free(reactor);
}

/* --- timers: a heap of HEAP_WIDTH children a node; a timer knows its place in it --- */

static bool entry_before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_put(struct nj_reactor *reactor, size_t slot, struct heap_entry entry)
{
	reactor->heap[slot] = entry;
	entry.timer->slot = (uint32_t)slot;
}

static void heap_up(struct nj_reactor *reactor, size_t slot, struct heap_entry entry)
{
	while (slot > 0) {
		size_t parent = (slot - 1) / HEAP_WIDTH;
		if (!entry_before(&entry, &reactor->heap[parent]))
			break;
		heap_put(reactor, slot, reactor->heap[parent]);
		slot = parent;
	}
	heap_put(reactor, slot, entry);
}

static size_t heap_first_child(const struct nj_reactor *reactor, size_t slot)
{
	size_t best = slot * HEAP_WIDTH + 1;
	size_t end = best + HEAP_WIDTH < reactor->heap_len ? best + HEAP_WIDTH : reactor->heap_len;
	for (size_t child = best + 1; child < end; child++)
		if (entry_before(&reactor->heap[child], &reactor->heap[best]))
			best = child;
	return best;
}

static void heap_down(struct nj_reactor *reactor, size_t slot, struct heap_entry entry)
{
	while (slot * HEAP_WIDTH + 1 < reactor->heap_len) {
		size_t child = heap_first_child(reactor, slot);
		if (!entry_before(&reactor->heap[child], &entry))
			break;
		heap_put(reactor, slot, reactor->heap[child]);
		slot = child;
	}
	heap_put(reactor, slot, entry);
}

static void heap_reserve(struct nj_reactor *reactor)
{
	if (reactor->heap_len < reactor->heap_cap)
		return;
	size_t cap = reactor->heap_cap == 0 ? 64 : reactor->heap_cap * 2;
	struct heap_entry *heap = reallocarray(reactor->heap, cap, sizeof *heap);
	/* A time limit that silently never fires would hold a door open: better no process at all. */
	if (heap == NULL || cap > UINT32_MAX)
		abort();
	reactor->heap = heap;
	reactor->heap_cap = cap;
}

void nj_timer_arm(struct nj_reactor *reactor, struct nj_timer *timer, uint64_t in_ms)
{
	nj_timer_cancel(timer);
	heap_reserve(reactor);
	timer->reactor = reactor;
	uint64_t due_ms = in_ms > UINT64_MAX - reactor->now_ms ? UINT64_MAX : reactor->now_ms + in_ms;
	struct heap_entry entry = { .due_ms = due_ms, .order = reactor->next_order++, .timer = timer };
	heap_up(reactor, reactor->heap_len++, entry);
}

void nj_timer_cancel(struct nj_timer *timer)
{
	struct nj_reactor *reactor = timer->reactor;
	if (reactor == NULL)
		return;
	timer->reactor = NULL;
	size_t slot = timer->slot;
	struct heap_entry last = reactor->heap[--reactor->heap_len];
	if (slot == reactor->heap_len)
		return;
	if (slot > 0 && entry_before(&last, &reactor->heap[(slot - 1) / HEAP_WIDTH]))
		heap_up(reactor, slot, last);
	else
		heap_down(reactor, slot, last);
}

uint64_t nj_timer_due_ms(const struct nj_timer *timer)
{
	return timer->reactor == NULL ? 0 : timer->reactor->heap[timer->slot].due_ms;
}

/* Only what was armed before this turn, so that a timer of no delay cannot hold the turn. */
static void run_timers(struct nj_reactor *reactor, uint64_t armed_before)
{
	while (reactor->heap_len > 0) {
		struct heap_entry top = reactor->heap[0];
		if (top.due_ms > reactor->now_ms || top.order >= armed_before)
			break;
		nj_timer_cancel(top.timer);
		top.timer->on_timer(top.timer);
	}
}

/* --- descriptors: epoll carries descriptor and generation, never a pointer, so a stale event finds nobody --- */

static uint64_t event_mark(int fd, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint32_t)fd;
}

static enum nj_err registration_reserve(struct nj_reactor *reactor, int fd)
{
	size_t need = (size_t)fd + 1;
	if (need <= reactor->registration_count)
		return NJ_OK;
	size_t count = need + need / 4 + 64;
	struct nj_io **table = reallocarray(reactor->registrations, count, sizeof(struct nj_io *));
	if (table == NULL)
		return NJ_ERR_NO_MEMORY;
	for (size_t i = reactor->registration_count; i < count; i++)
		table[i] = NULL;
	reactor->registrations = table;
	reactor->registration_count = count;
	return NJ_OK;
}

enum nj_err nj_io_add(struct nj_reactor *reactor, struct nj_io *io, uint32_t events)
{
	assert(io->fd >= 0 && io->on_event != NULL);
	NJ_TRY(registration_reserve(reactor, io->fd));
	uint32_t generation = reactor->next_generation++;
	struct epoll_event event = { .events = events, .data.u64 = event_mark(io->fd, generation) };
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, io->fd, &event) != 0)
		return nj_err_from_errno(errno);
	io->reactor = reactor;
	io->generation = generation;
	reactor->registrations[io->fd] = io;
	return NJ_OK;
}

enum nj_err nj_io_change(struct nj_io *io, uint32_t events)
{
	if (io->reactor == NULL)
		return NJ_ERR_STATE;
	struct epoll_event event = { .events = events, .data.u64 = event_mark(io->fd, io->generation) };
	if (epoll_ctl(io->reactor->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) != 0)
		return nj_err_from_errno(errno);
	return NJ_OK;
}

void nj_io_remove(struct nj_io *io)
{
	if (io->reactor == NULL)
		return;
	/* Fails only for a descriptor that was closed already, which is gone from epoll then. */
	(void)epoll_ctl(io->reactor->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->reactor->registrations[io->fd] = NULL;
	io->reactor = NULL;
}

static struct nj_io *find_registered(const struct nj_reactor *reactor, uint32_t fd, uint32_t generation)
{
	struct nj_io *io = fd < reactor->registration_count ? reactor->registrations[fd] : NULL;
	return io != NULL && io->generation == generation ? io : NULL;
}

struct nj_io_token nj_io_token(const struct nj_io *io)
{
	return (struct nj_io_token){ .reactor = io->reactor, .fd = io->fd, .generation = io->generation };
}

bool nj_io_token_alive(struct nj_io_token token)
{
	return find_registered(token.reactor, (uint32_t)token.fd, token.generation) != NULL;
}

static void drain_wake(struct nj_reactor *reactor)
{
	uint64_t count;
	/* Level-triggered: an unread count is reported again. */
	(void)!read(reactor->wake_fd, &count, sizeof count);
}

static void run_events(struct nj_reactor *reactor, int count)
{
	for (int i = 0; i < count; i++) {
		uint64_t mark = reactor->events[i].data.u64;
		if (mark == WAKE_MARK) {
			drain_wake(reactor);
			continue;
		}
		struct nj_io *io = find_registered(reactor, (uint32_t)mark, (uint32_t)(mark >> 32));
		if (io != NULL)
			io->on_event(io, reactor->events[i].events);
	}
}

/* --- end of turn --- */

void nj_defer(struct nj_reactor *reactor, struct nj_deferred *work)
{
	if (work->link.next != NULL)
		return;
	nj_list_push_back(&reactor->deferred, &work->link);
}

void nj_defer_first(struct nj_reactor *reactor, struct nj_deferred *work)
{
	if (work->link.next != NULL)
		return;
	nj_list_push_front(&reactor->deferred, &work->link);
}

void nj_defer_cancel(struct nj_deferred *work)
{
	if (work->link.next == NULL)
		return;
	nj_list_remove(&work->link);
	work->link.next = NULL;
}

static void run_deferred(struct nj_reactor *reactor)
{
	for (int round = 0; round < DEFERRED_ROUNDS && !nj_list_empty(&reactor->deferred); round++) {
		/* The mark ends the round: what is deferred meanwhile stands behind it. */
		struct nj_list mark;
		nj_list_push_back(&reactor->deferred, &mark);
		while (reactor->deferred.next != &mark) {
			struct nj_deferred *work = NJ_CONTAINER(reactor->deferred.next, struct nj_deferred, link);
			nj_defer_cancel(work);
			work->on_turn_end(work);
		}
		nj_list_remove(&mark);
	}
}

/* --- the loop --- */

/* How long epoll may sleep: to the next timer, not at all with work left over, at most `wait_ms` (< 0: no bound). */
static int sleep_ms(const struct nj_reactor *reactor, int wait_ms)
{
	if (!nj_list_empty(&reactor->deferred) || !nj_inbox_empty(&reactor->inbox))
		return 0;
	if (reactor->heap_len == 0)
		return wait_ms;
	uint64_t now_ms = nj_clock_boot_ms(reactor->clock);
	uint64_t due_ms = reactor->heap[0].due_ms;
	uint64_t left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	int bounded_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;
	return wait_ms >= 0 && wait_ms < bounded_ms ? wait_ms : bounded_ms;
}

enum nj_err nj_reactor_turn(struct nj_reactor *reactor, int wait_ms)
{
	int wait = sleep_ms(reactor, wait_ms);
	if (wait != 0 && !nj_inbox_sleep(&reactor->inbox))
		wait = 0;
	int count = epoll_wait(reactor->epoll_fd, reactor->events, EVENTS_PER_TURN, wait);
	nj_inbox_awake(&reactor->inbox);
	if (count < 0 && errno != EINTR)
		return nj_err_from_errno(errno);
	reactor->now_ms = nj_clock_boot_ms(reactor->clock);
	uint64_t armed_before = reactor->next_order;
	nj_inbox_run(&reactor->inbox);
	run_events(reactor, count);
	run_timers(reactor, armed_before);
	run_deferred(reactor);
	return NJ_OK;
}

enum nj_err nj_reactor_run(struct nj_reactor *reactor)
{
	while (!atomic_exchange(&reactor->stopping, false))
		NJ_TRY(nj_reactor_turn(reactor, -1));
	return NJ_OK;
}

static void wake(struct nj_reactor *reactor)
{
	uint64_t one = 1;
	/* A full counter wakes the loop just as well. */
	(void)!write(reactor->wake_fd, &one, sizeof one);
}

void nj_reactor_stop(struct nj_reactor *reactor)
{
	int saved = errno;
	atomic_store(&reactor->stopping, true);
	wake(reactor);
	errno = saved;
}

void nj_reactor_post(struct nj_reactor *reactor, struct nj_post *post)
{
	if (nj_inbox_push(&reactor->inbox, post))
		wake(reactor);
}

void nj_reactor_take_posts(struct nj_reactor *reactor)
{
	nj_inbox_run(&reactor->inbox);
}

uint64_t nj_reactor_now_ms(const struct nj_reactor *reactor)
{
	return reactor->now_ms;
}

const struct nj_clock *nj_reactor_clock(const struct nj_reactor *reactor)
{
	return reactor->clock;
}

const uint64_t *nj_reactor_held_bytes(const struct nj_reactor *reactor)
{
	return &reactor->held_bytes;
}

void nj_reactor_share_held(struct nj_reactor *reactor, _Atomic uint64_t *total)
{
	reactor->held_total = total;
	if (total != NULL)
		atomic_fetch_add(total, reactor->held_bytes);
}

void nj_reactor_count_held(struct nj_reactor *reactor, size_t before, size_t after)
{
	reactor->held_bytes -= before;
	reactor->held_bytes += after;
	if (reactor->held_total != NULL)
		atomic_fetch_add_explicit(reactor->held_total, (uint64_t)after - before, memory_order_relaxed);
}

uint8_t *nj_reactor_scratch(struct nj_reactor *reactor)
{
	return reactor->scratch;
}
