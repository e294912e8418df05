/*
 * A secret from the person who runs a command: asked for on the terminal without echo, or one line of standard input
 * where that is no terminal. Never from the command's words: other users of the machine see those. Main thread.
 */
#ifndef NJ_CLI_SECRET_INPUT_H
#define NJ_CLI_SECRET_INPUT_H

#include <stddef.h>

#include "base/err.h"

/* Without the line's end; the caller wipes `out`. NJ_ERR_USAGE for nothing, NJ_ERR_TOO_LARGE. */
NJ_MUST_USE enum nj_err nj_secret_ask(const char *prompt, char *out, size_t out_bytes, struct nj_why *why);

#endif
