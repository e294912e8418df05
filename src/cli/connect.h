/*
 * `nightjar knock --connect`: a local proxy for clients that speak a service's protocol without TLS. Each connection
 * that it accepts on loopback or a Unix socket knocks, and goes on over TLS 1.3 to a gateway that has proved itself: by
 * the one-time key, or by a certificate of the pinned CA. Main thread.
 */
#ifndef NJ_CLI_CONNECT_H
#define NJ_CLI_CONNECT_H

#include "cli/attempt.h"

/* Listens at `where` ("PORT", "ADDRESS:PORT" of loopback, "unix:PATH") until a signal ends the program; with the option
 * `once` until the first connection has ended. Credentials and options are those of `attempt`. */
NJ_MUST_USE enum nj_err nj_connect_run(struct nj_attempt *attempt, const char *where);

#endif
