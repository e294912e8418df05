/*
 * One attempt at a door: the credentials, the datagram, and the one-time proof that a connection takes to the gateway.
 * Blocking, but for nj_attempt_send without a wait. Holds keys: its owner wipes it as a whole. Main thread.
 */
#ifndef NJ_CLI_ATTEMPT_H
#define NJ_CLI_ATTEMPT_H

#include "cli/command.h"
#include "cli/credential.h"
#include "cli/target.h"

#define NJ_ATTEMPT_WAIT_MS 150 /* before the door is used: a SYN that overtakes the grant costs a second */
#define NJ_ATTEMPT_SECRET_BYTES 65

struct nj_attempt {
	struct nj_cli *cli; /* options: service, to */
	const char *path;   /* of the credentials */
	struct nj_credfile file;
	struct nj_targets targets;
	struct nj_addr target; /* the one that was knocked at */
	uint16_t service;      /* from NJ_SERVICE_GUARD_MIN on: a guarded one, with neither port nor proof here */
	uint64_t counter;
	char host[NJ_ADDR_TEXT_BYTES];
	char port[8];
	char hint[2 * NJ_KNOCK_HINT_BYTES + 1]; /* identity, or user name */
	char secret[NJ_ATTEMPT_SECRET_BYTES];   /* PSK, or password, in hex */
};

/* Everything that can fail before an attempt is spent. `cli` and `path` are set. */
NJ_MUST_USE enum nj_err nj_attempt_prepare(struct nj_attempt *attempt);
/* Is it for a service that is not Nightjar's own? */
bool nj_attempt_is_guard(const struct nj_attempt *attempt);
/* Takes the next counter, sends, waits. The root key is wiped; the proof is in `hint` and `secret`. */
NJ_MUST_USE enum nj_err nj_attempt_send(struct nj_attempt *attempt, uint32_t wait_ms);

#endif
