/*
 * A configuration on its way: the supervisor reads and checks the file whole, mixes what a running gateway can take
 * over into what it runs with, and hands the result to its children as a descriptor. Nothing changes where anything is
 * wrong. Main thread of each process.
 */
#ifndef NJ_DAEMON_RELOAD_H
#define NJ_DAEMON_RELOAD_H

#include "base/config/settings.h"

/* The settings' text in a memfd of its own, close-on-exec; the caller's to close. */
NJ_MUST_USE enum nj_err nj_config_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why);
/* Reads it back. The descriptor stays open. */
NJ_MUST_USE enum nj_err nj_config_fd_read(int fd, struct nj_settings *out_settings, struct nj_why *why);

#endif
