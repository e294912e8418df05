/* Landlock (landlock(7)): the file, network and signal part of the sandbox. Used by sandbox.c alone. */
#ifndef NJ_DAEMON_LANDLOCK_H
#define NJ_DAEMON_LANDLOCK_H

#include <stdbool.h>

#include "base/err.h"

/* Leaves the process one folder (NULL: none) to read and write files in, and nothing else of what the kernel's ABI can
 * withhold; but with `dials` also the files that a resolver of names reads, and connecting by TCP. */
NJ_MUST_USE enum nj_err nj_landlock_enter(const char *data_dir, bool dials, struct nj_why *why);

#endif
