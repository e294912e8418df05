/*
 * The keeper process: one reactor with the knock sockets, keeper.sock, the channel to the gateway and the one to the
 * supervisor (bus/control.h), round a struct nj_keeper. The only place of this folder that logs. Main thread.
 */
#ifndef NJ_KEEPER_PROCESS_H
#define NJ_KEEPER_PROCESS_H

#include "keeper/core.h"

struct nj_keeper_process_config {
	struct nj_keeper_config keeper;
	struct nj_cloak *cloak; /* borrowed; NULL: the warden's (cbpf) */
	int control_fd;         /* channel to the supervisor; taken over */
	int admin_fd;           /* listening keeper.sock; taken over */
	uid_t owner_uid;        /* may administer, beside root and this uid */
	const int *knock_fds;   /* borrowed */
	size_t knock_fd_count;
	/* Called when everything is open, before the first byte of a stranger is read: enter the sandbox. */
	enum nj_err (*before_loop)(void *arg, struct nj_why *why);
	void *before_loop_arg;
	/* Reads a new configuration from a descriptor; what was logged by the old one's rules goes by the new ones. */
	enum nj_err (*read_config)(void *arg, int fd, struct nj_keeper_config *out_config, struct nj_why *why);
	void *read_config_arg;
};

/* Serves until the supervisor says stop (or is gone), then ends in order. NJ_OK, or why it could not serve. */
NJ_MUST_USE enum nj_err nj_keeper_serve(const struct nj_keeper_process_config *config, struct nj_why *why);

#endif
