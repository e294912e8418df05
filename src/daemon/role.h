/* What a child knows when it starts; filled by child.c, lives as long as the process. */
#ifndef NJ_DAEMON_ROLE_H
#define NJ_DAEMON_ROLE_H

#include "daemon/child.h"

struct nj_role_config {
	struct nj_settings settings;
	struct nj_paths paths;
	struct nj_handles handles;
	bool separate_users;
	uid_t owner_uid;
	int control_fd; /* to the supervisor, bus/control.h */
	const struct nj_child_hooks *hooks;
};

#endif
