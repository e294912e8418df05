/*
 * A command run as a child that takes the program's place in the eyes of whoever started it: same terminal, signals
 * passed on, its exit status is ours. Main thread; one at a time.
 */
#ifndef NJ_CLI_THEN_H
#define NJ_CLI_THEN_H

#include "base/err.h"

/* Runs words[0] (searched in PATH) and waits. `out_status` is its exit status, or 128 + signal. NJ_ERR_NOT_FOUND and
 * NJ_ERR_DENIED when it could not be started. */
NJ_MUST_USE enum nj_err nj_then_run(const char *const *words, int *out_status, struct nj_why *why);

#endif
