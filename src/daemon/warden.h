/*
 * The warden process: the only one that may change what the kernel lets in, and nothing else. It holds the perimeter's
 * table (which goes with it), the guards' table and the classic filters of listeners; does what the keeper asks, by
 * number; and answers `nightjar perimeter`. Parses nothing of a stranger.
 */
#ifndef NJ_DAEMON_WARDEN_H
#define NJ_DAEMON_WARDEN_H

#include "daemon/role.h"

/* Must it be there from the start, with these settings? Else it starts when somebody calls at its socket. */
bool nj_warden_wanted(const struct nj_settings *settings);
/* Returns when the supervisor says stop, or with the reason why it cannot serve. */
NJ_MUST_USE enum nj_err nj_warden_role_run(struct nj_role_config *config, struct nj_why *why);

#endif
