/* The allow-list of system calls by role. Used by sandbox.c alone. */
#ifndef NJ_DAEMON_SYSCALLS_H
#define NJ_DAEMON_SYSCALLS_H

#include "daemon/handles.h"

NJ_MUST_USE enum nj_err nj_syscalls_enter(enum nj_role role, struct nj_why *why);

#endif
