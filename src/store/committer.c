#include "store/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_PAGES_MAX 2000 /* the log is moved when it has grown to this, so that no group waits long for it */
#define PORTS_MAX 64

struct nj_committer_port {
	struct nj_committer *committer;
	int fd;
	struct nj_list finished; /* under the committer's lock */
};

struct nj_committer {
	struct nj_committed to;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something was submitted, or the end was asked for */
	pthread_cond_t quiet;   /* nothing is queued or being written */
	struct nj_list queue;
	bool running, busy, ending;
	struct nj_committer_stats stats;
	struct nj_committer_port *ports[PORTS_MAX];
	size_t port_count;
	bool tidying; /* the thread's alone */
};

static uint64_t now_us(void)
{
	return nj_clock_boot_ns(nj_clock_system()) / 1000;
}

/* ---- the thread ---- */

static struct nj_commit_group *group_at(struct nj_list *link)
{
	return NJ_CONTAINER(link, struct nj_commit_group, link);
}

static enum nj_err apply_batch(struct nj_committer *c, struct nj_list *batch)
{
	NJ_LIST_EACH (batch, at)
		NJ_TRY(c->to.ops->apply(c->to.store, group_at(at)));
	return NJ_OK;
}

static enum nj_err commit_batch(struct nj_committer *c, struct nj_list *batch)
{
	enum nj_err err = c->to.ops->begin(c->to.store);

	if (err == NJ_OK)
		err = apply_batch(c, batch);
	if (err == NJ_OK)
		err = c->to.ops->commit(c->to.store);
	if (err != NJ_OK)
		c->to.ops->rollback(c->to.store);
	return err;
}

static void set_results(struct nj_list *batch, enum nj_err err)
{
	NJ_LIST_EACH (batch, at)
		group_at(at)->result = err;
}

/* One group's failure is not the others', unless it is the disk's. */
static void commit_each(struct nj_committer *c, struct nj_list *batch)
{
	struct nj_list one;

	NJ_LIST_EACH (batch, at) {
		struct nj_commit_group *group = group_at(at);
		struct nj_list *next = at->next;

		nj_list_remove(at);
		nj_list_init(&one);
		nj_list_push_back(&one, at);
		group->result = commit_batch(c, &one);
		nj_list_remove(at);
		nj_list_insert_before(next, at);
	}
}

static bool has_work(const struct nj_list *batch)
{
	NJ_LIST_EACH ((struct nj_list *)batch, at) {
		if (group_at(at)->operations > 0)
			return true;
	}
	return false;
}

static void move_log(struct nj_committer *c, uint32_t at_least)
{
	if (c->to.ops->log_pages(c->to.store) <= at_least || c->to.ops->checkpoint(c->to.store) != NJ_OK)
		return;
	pthread_mutex_lock(&c->lock);
	c->stats.checkpoints++;
	pthread_mutex_unlock(&c->lock);
}

static enum nj_err write_batch(struct nj_committer *c, struct nj_list *batch)
{
	enum nj_err err = has_work(batch) ? commit_batch(c, batch) : NJ_OK;

	/* A full disk may have room for a log that starts again. */
	if (err == NJ_ERR_FULL)
		move_log(c, 0);
	set_results(batch, err);
	if (err != NJ_OK && err != NJ_ERR_FULL && err != NJ_ERR_IO)
		commit_each(c, batch);
	return err;
}

static void hand_back(struct nj_committer *c, struct nj_commit_group *group)
{
	struct nj_committer_port *port = group->port;
	const uint64_t one = 1;
	bool first;

	nj_list_remove(&group->link);
	pthread_mutex_lock(&c->lock);
	first = nj_list_empty(&port->finished);
	nj_list_push_back(&port->finished, &group->link);
	pthread_mutex_unlock(&c->lock);
	if (first)
		while (write(port->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
		}
}

/* Those that wait for a flush alone come first: reading must not hold an acknowledgement back. A port has one group
 * that reads at a time, behind which its next ones wait. */
static void hand_back_all(struct nj_committer *c, struct nj_list *batch)
{
	NJ_LIST_EACH (batch, at) {
		struct nj_commit_group *group = group_at(at);

		if (!group->reads)
			hand_back(c, group);
	}
	NJ_LIST_EACH (batch, at) {
		struct nj_commit_group *group = group_at(at);

		c->to.ops->read(c->to.store, group);
		hand_back(c, group);
	}
}

static void tidy(struct nj_committer *c)
{
	bool more = false;
	enum nj_err err;

	if (!c->tidying && !c->to.ops->wants(c->to.store))
		return;
	err = c->to.ops->begin(c->to.store);
	if (err == NJ_OK)
		err = c->to.ops->tidy(c->to.store, &more);
	if (err == NJ_OK)
		err = c->to.ops->commit(c->to.store);
	if (err != NJ_OK)
		c->to.ops->rollback(c->to.store);
	/* Without room it waits until it is wanted again, or for the next start. */
	c->tidying = err == NJ_OK && more;
}

static void note(struct nj_committer *c, size_t groups, size_t operations, uint64_t us, enum nj_err err)
{
	struct nj_committer_stats *stats = &c->stats;

	pthread_mutex_lock(&c->lock);
	stats->commits++;
	stats->operations += operations;
	stats->failures += err == NJ_OK ? 0 : groups;
	stats->commit_us += us;
	stats->commit_us_max = us > stats->commit_us_max ? us : stats->commit_us_max;
	stats->last_error = err;
	pthread_mutex_unlock(&c->lock);
}

static void serve(struct nj_committer *c, struct nj_list *batch)
{
	uint64_t started_us = now_us();
	size_t operations = 0;
	size_t groups = 0;

	NJ_LIST_EACH (batch, at) {
		operations += group_at(at)->operations;
		groups++;
	}
	if (groups > 0) {
		enum nj_err err = write_batch(c, batch);

		note(c, groups, operations, now_us() - started_us, err);
		hand_back_all(c, batch);
	}
	tidy(c);
	move_log(c, LOG_PAGES_MAX);
}

/* Everything that is queued; false when the end has come. */
static bool take_batch(struct nj_committer *c, struct nj_list *out_batch)
{
	bool more;

	nj_list_init(out_batch);
	pthread_mutex_lock(&c->lock);
	c->busy = false;
	if (nj_list_empty(&c->queue))
		pthread_cond_broadcast(&c->quiet);
	while (nj_list_empty(&c->queue) && !c->ending && !c->tidying)
		pthread_cond_wait(&c->changed, &c->lock);
	while (!nj_list_empty(&c->queue)) {
		struct nj_list *first = c->queue.next;

		nj_list_remove(first);
		nj_list_push_back(out_batch, first);
	}
	more = !nj_list_empty(out_batch) || !c->ending;
	c->busy = more;
	pthread_mutex_unlock(&c->lock);
	return more;
}

static void *run(void *arg)
{
	struct nj_committer *c = arg;
	struct nj_list batch;

	pthread_mutex_lock(&c->lock);
	c->running = true;
	pthread_cond_broadcast(&c->quiet);
	pthread_mutex_unlock(&c->lock);
	while (take_batch(c, &batch))
		serve(c, &batch);
	move_log(c, 0);
	return NULL;
}

/* ---- the main thread ---- */

enum nj_err nj_committer_new(struct nj_committed to, struct nj_committer **out_committer)
{
	struct nj_committer *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		to.ops->close(to.store);
		return NJ_ERR_NO_MEMORY;
	}
	c->to = to;
	c->tidying = true; /* what the last run left */
	nj_list_init(&c->queue);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	pthread_cond_init(&c->quiet, NULL);
	*out_committer = c;
	return NJ_OK;
}

enum nj_err nj_committer_start(struct nj_committer *c)
{
	int code = pthread_create(&c->thread, NULL, run, c);

	if (code != 0)
		return nj_err_from_errno(code);
	pthread_mutex_lock(&c->lock);
	while (!c->running)
		pthread_cond_wait(&c->quiet, &c->lock);
	pthread_mutex_unlock(&c->lock);
	return NJ_OK;
}

void nj_committer_drain(struct nj_committer *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->running && (c->busy || !nj_list_empty(&c->queue)))
		pthread_cond_wait(&c->quiet, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void nj_committer_free(struct nj_committer *c)
{
	if (c == NULL)
		return;
	if (c->running) {
		pthread_mutex_lock(&c->lock);
		c->ending = true;
		pthread_cond_signal(&c->changed);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	for (size_t i = 0; i < c->port_count; i++) {
		close(c->ports[i]->fd);
		free(c->ports[i]);
	}
	c->to.ops->close(c->to.store);
	pthread_cond_destroy(&c->quiet);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct nj_committer_stats nj_committer_stats_of(struct nj_committer *c)
{
	struct nj_committer_stats stats;

	pthread_mutex_lock(&c->lock);
	stats = c->stats;
	pthread_mutex_unlock(&c->lock);
	return stats;
}

/* ---- ports ---- */

enum nj_err nj_committer_port_new(struct nj_committer *c, struct nj_committer_port **out_port)
{
	struct nj_committer_port *port;

	if (c->port_count == PORTS_MAX)
		return NJ_ERR_LIMIT;
	port = calloc(1, sizeof(*port));
	if (port == NULL)
		return NJ_ERR_NO_MEMORY;
	port->committer = c;
	nj_list_init(&port->finished);
	port->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->fd < 0) {
		free(port);
		return nj_err_from_errno(errno);
	}
	c->ports[c->port_count++] = port;
	*out_port = port;
	return NJ_OK;
}

int nj_committer_port_fd(const struct nj_committer_port *port)
{
	return port->fd;
}

void nj_committer_submit(struct nj_committer_port *port, struct nj_commit_group *group)
{
	struct nj_committer *c = port->committer;

	group->port = port;
	pthread_mutex_lock(&c->lock);
	nj_list_push_back(&c->queue, &group->link);
	if (!c->busy)
		pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

struct nj_commit_group *nj_committer_finished(struct nj_committer_port *port)
{
	struct nj_committer *c = port->committer;
	struct nj_commit_group *group = NULL;
	uint64_t count;

	pthread_mutex_lock(&c->lock);
	if (!nj_list_empty(&port->finished)) {
		group = group_at(port->finished.next);
		nj_list_remove(&group->link);
	} else if (read(port->fd, &count, sizeof(count)) < 0) {
		count = 0; /* quiet already */
	}
	pthread_mutex_unlock(&c->lock);
	return group;
}
