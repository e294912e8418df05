/*
 * The sandbox of keeper, gateway, warden and dialler: entered once, before the first byte of a stranger. Threads start
 * inside it, when all but the filter of system calls is in force, which then holds for every one of them. No new
 * privileges, no capabilities (the warden: CAP_NET_ADMIN alone), no core dumps, not traceable; Landlock confines files
 * to the process's own folder and (where the kernel offers it) TCP and signals to nothing; seccomp allows a list of
 * system calls, so that the gateway can neither bind, listen, connect, shut down a listener, attach or detach a filter,
 * load BPF, start a program, nor make a thread. What is not allowed fails with EPERM. There is no way back.
 */
#ifndef NJ_DAEMON_SANDBOX_H
#define NJ_DAEMON_SANDBOX_H

#include "base/err.h"
#include "daemon/handles.h"

struct nj_sandbox {
	enum nj_role role;
	const char *data_dir; /* the only folder that stays readable and writable; NULL: none */
	/* Starts the threads that there will be; none can be made later. NULL: the main thread is alone. */
	enum nj_err (*start_threads)(void *arg, struct nj_why *why);
	void *arg;
};

/* Refuses to run (NJ_ERR_UNSUPPORTED, with what to do) on a kernel without Landlock or seccomp filters. */
NJ_MUST_USE enum nj_err nj_sandbox_enter(const struct nj_sandbox *sandbox, struct nj_why *why);

/* The parts that every process of the gateway takes, the supervisor too: no core dumps, not traceable. */
NJ_MUST_USE enum nj_err nj_sandbox_harden(struct nj_why *why);
/* Drops every capability but those in `keep` (CAP_*), also from the bounding set, and forbids new privileges. */
NJ_MUST_USE enum nj_err nj_sandbox_drop_capabilities(const int *keep, size_t keep_count, struct nj_why *why);

#endif
