/*
 * A group of operations that goes to disk whole or not at all, and the store that it goes to, as the committer sees
 * them (store/committer.h): what the operations are is the store's and its submitters' business. A submitter fills a
 * group and may not touch it, nor what it points to, until it has come back.
 */
#ifndef NJ_STORE_COMMIT_H
#define NJ_STORE_COMMIT_H

#include "base/list.h"
#include "store/store.h"

struct nj_committer_port;

/* Embedded in the store's own kind of group. */
struct nj_commit_group {
	struct nj_list link;
	size_t operations; /* 0: there is nothing to write */
	bool reads;        /* there is something to read back, once what came before is on disk */
	enum nj_err result;
	struct nj_committer_port *port; /* whose it is; set by submitting */
};

/* All but `close` on the committer's thread. */
struct nj_committed_ops {
	void (*close)(void *store);
	/* One transaction round any number of groups; rolled back after a failure. */
	enum nj_err (*begin)(void *store);
	enum nj_err (*apply)(void *store, struct nj_commit_group *group);
	enum nj_err (*commit)(void *store);
	void (*rollback)(void *store);
	/* Answers what the group asks; errors are in the answers. */
	void (*read)(void *store, struct nj_commit_group *group);
	/* A bounded piece of work that nobody waits for, in a transaction of its own. It is asked for until there is
	 * no `more`, and again after a group when `wants` says so. */
	enum nj_err (*tidy)(void *store, bool *out_more);
	bool (*wants)(const void *store);
	/* Pages that the log has taken since its start; moves them into the file, so that it starts again. */
	uint32_t (*log_pages)(const void *store);
	enum nj_err (*checkpoint)(void *store);
};

struct nj_committed {
	void *store;
	const struct nj_committed_ops *ops;
};

#endif
