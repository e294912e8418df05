/* Starts the keeper process's loop (keeper/process.h) with what the supervisor handed over, inside its sandbox. */
#ifndef NJ_DAEMON_KEEPER_H
#define NJ_DAEMON_KEEPER_H

#include "daemon/role.h"

/* Returns when the supervisor says stop, or with the reason why it cannot serve. */
NJ_MUST_USE enum nj_err nj_keeper_role_run(struct nj_role_config *config, struct nj_why *why);

#endif
