/*
 * The committer: one thread that writes groups of operations (store/commit.h) to one store, one after the other. What
 * arrives while a commit runs is the next commit, whoever sent it: one flush serves all submitters. A submitter has a
 * port, with an eventfd that is readable when groups have come back; groups of one port come back in their order.
 * Started before the filter of system calls (it must not be able to start another) and after Landlock. Functions that
 * take a port are its submitter's thread's; the rest are the main thread's. Never logs.
 */
#ifndef NJ_STORE_COMMITTER_H
#define NJ_STORE_COMMITTER_H

#include "store/commit.h"

struct nj_committer;

struct nj_committer_stats {
	uint64_t commits;
	uint64_t operations;
	uint64_t failures; /* groups that came back with an error */
	uint64_t checkpoints;
	uint64_t commit_us;     /* in all */
	uint64_t commit_us_max; /* a commit, or a move of the log, that a group had to wait for */
	enum nj_err last_error; /* NJ_OK after a commit that went well */
};

/* Takes the store over, also on failure. */
NJ_MUST_USE enum nj_err nj_committer_new(struct nj_committed to, struct nj_committer **out_committer);
/* Starts the thread, which runs when this returns. */
NJ_MUST_USE enum nj_err nj_committer_start(struct nj_committer *committer);
/* Writes what was submitted, moves the log, ends the thread, closes the store, frees the ports. What came back and was
 * not taken is the submitters': they take it before. */
void nj_committer_free(struct nj_committer *committer);
/* Waits until everything that was submitted has come back. */
void nj_committer_drain(struct nj_committer *committer);
struct nj_committer_stats nj_committer_stats_of(struct nj_committer *committer);

/* Before start. */
NJ_MUST_USE enum nj_err nj_committer_port_new(struct nj_committer *committer, struct nj_committer_port **out_port);
int nj_committer_port_fd(const struct nj_committer_port *port);
/* Lends a group to the committer until it comes back. */
void nj_committer_submit(struct nj_committer_port *port, struct nj_commit_group *group);
/* The next group that has come back; NULL when there is none, and the eventfd is quiet. */
struct nj_commit_group *nj_committer_finished(struct nj_committer_port *port);

#endif
