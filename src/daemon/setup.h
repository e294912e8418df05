/*
 * The set-up stage: a short-lived process that does, once, what needs a privilege or the keeper's uid (load the cloak's
 * program, make listeners, holds, knock sockets, administration sockets), hands the descriptors to the supervisor and
 * is gone. So neither supervisor nor children ever link what they loaded, or hold what they needed.
 */
#ifndef NJ_DAEMON_SETUP_H
#define NJ_DAEMON_SETUP_H

#include "base/config/settings.h"
#include "daemon/child.h"

/* The TCP ports that get a cloaked listener with these settings. Returns how many. */
size_t nj_setup_ports(const struct nj_settings *settings, uint16_t *out_ports, size_t cap);

/* Runs the stage and collects its handles, the configuration's text among them. */
NJ_MUST_USE enum nj_err nj_setup_run(const struct nj_settings *settings, const struct nj_paths *paths,
				     const struct nj_users *users, struct nj_handles *out_handles, struct nj_why *why);

#endif
