/*
 * The dialler process: makes connections to the peers of bridges, so that the gateway, which has neither socket(2) nor
 * connect(2), can reach those that the configuration names and nobody else. It is asked by a bridge's name and gives a
 * connected descriptor. The only process that resolves names: what an answer of a name server could break is here,
 * where there is no secret, no other descriptor, and no file but those that the resolver reads. It runs while there are
 * bridges; a new configuration reaches it by a new start.
 */
#ifndef NJ_DAEMON_DIALLER_H
#define NJ_DAEMON_DIALLER_H

#include "daemon/role.h"

bool nj_dialler_wanted(const struct nj_settings *settings);
/* Its whole life after START; returns when the supervisor said stop, or is gone. */
NJ_MUST_USE enum nj_err nj_dialler_role_run(struct nj_role_config *config, struct nj_why *why);

#endif
