/*
 * The supervisor's loop: keeps the handles, starts keeper, gateway and warden, introduces them to each other, starts
 * again with growing delays what died, reads the configuration again when asked (SIGHUP), and stops all in order.
 * Parses nothing of a stranger.
 */
#ifndef NJ_DAEMON_SUPERVISOR_H
#define NJ_DAEMON_SUPERVISOR_H

#include "daemon/child.h"

struct nj_supervisor_config {
	struct nj_settings *settings; /* what runs; a reload changes it */
	const struct nj_paths *paths;
	const struct nj_users *users;
	const struct nj_handles *handles;
	/* Reads and checks the configuration whole. */
	enum nj_err (*load)(void *arg, struct nj_settings *out_settings, struct nj_why *why);
	void *load_arg;
};

/* Returns when stopped by a signal (NJ_OK), or when a child cannot start at all (its reason; it logged it). */
NJ_MUST_USE enum nj_err nj_supervisor_run(const struct nj_supervisor_config *config, int *out_exit_code,
					  struct nj_why *why);

#endif
