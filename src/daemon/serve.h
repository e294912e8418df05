/* `nightjar serve`: the supervisor in the foreground. */
#ifndef NJ_DAEMON_SERVE_H
#define NJ_DAEMON_SERVE_H

#include <stddef.h>

#include "base/err.h"

struct nj_serve_options {
	const char *dir;           /* NULL: the system's places */
	const char *const *locals; /* "mqtt=127.0.0.1:1883,as=NAME", added to the configuration's */
	size_t local_count;
};

/* Runs until SIGTERM or SIGINT. Writes the line "ready", alone, to standard output when all is up, logs to standard
 * error. Returns an exit code of sysexits.h; what went wrong was logged. */
int nj_daemon_serve(const struct nj_serve_options *options);

#endif
