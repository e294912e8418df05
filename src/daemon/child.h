/*
 * Starting keeper and gateway: fork and exec of this same program, so that each start has an address space laid out
 * anew, under its own uid where one is configured. A child is told what it needs by START, then by bus/control.h.
 */
#ifndef NJ_DAEMON_CHILD_H
#define NJ_DAEMON_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/config/settings.h"
#include "daemon/handles.h"
#include "daemon/paths.h"
#include "net/channel.h"

struct nj_users {
	uid_t keeper_uid, gateway_uid;
	gid_t keeper_gid, gateway_gid;
	bool separate; /* both configured, and different */
};

/* By the configuration's names or numbers; without them everything stays what this process is. */
NJ_MUST_USE enum nj_err nj_users_resolve(const struct nj_settings *settings, struct nj_users *out_users,
					 struct nj_why *why);

/* What START says beside the handles. */
struct nj_child_start {
	enum nj_role role;
	char dir[NJ_PATH_BYTES]; /* empty: the system's places */
	bool separate_users;
	uid_t owner_uid; /* whose programs may use the administration sockets, beside root */
};

/* Starts the process and sends START; `out_channel` is the supervisor's end. */
NJ_MUST_USE enum nj_err nj_child_spawn(const struct nj_child_start *start, const struct nj_users *users,
				       const struct nj_handles *handles, pid_t *out_pid, int *out_channel,
				       struct nj_why *why);

/* Code that runs in the gateway right after it entered its sandbox; only test programs set one. */
struct nj_child_hooks {
	void (*gateway_after_sandbox)(const struct nj_handles *handles, const struct nj_paths *paths);
};

/* True when this process was started by nj_child_spawn: main() then calls nj_child_main and nothing else. */
bool nj_child_is(int argc, char **argv);
/* The whole life of a child; returns its exit code. `hooks` may be NULL. */
int nj_child_main(int argc, char **argv, const struct nj_child_hooks *hooks);

#endif
