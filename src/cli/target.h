/*
 * Where a knock goes: host names and literals as numeric addresses, and the one datagram sent there. Blocking; main
 * thread.
 */
#ifndef NJ_CLI_TARGET_H
#define NJ_CLI_TARGET_H

#include "base/addr.h"
#include "wire/knock.h"

#define NJ_TARGETS_MAX 8

struct nj_targets {
	struct nj_addr at[NJ_TARGETS_MAX]; /* in the resolver's order, with the knock port */
	size_t count;
};

/* "HOST", "HOST:PORT", "[IPV6]:PORT", IPv6 literals without a port bare. */
NJ_MUST_USE enum nj_err nj_targets_resolve(const char *text, uint16_t default_port, struct nj_targets *out_targets,
					   struct nj_why *why);
/* "HOST" and its port, 0 when none; `out_host` holds `host_bytes`. */
NJ_MUST_USE enum nj_err nj_target_split(const char *text, char *out_host, size_t host_bytes, uint16_t *out_port);

enum nj_sent {
	NJ_SENT_SILENT,  /* no word came back in the time: as it should be */
	NJ_SENT_REFUSED, /* "port unreachable": no gateway takes knocks there */
};
/* Sends to one address, then waits `wait_ms`. An error means that nothing was sent. */
NJ_MUST_USE enum nj_err nj_target_send(const struct nj_addr *target, const uint8_t datagram[NJ_KNOCK_BYTES],
				       uint32_t wait_ms, enum nj_sent *out_sent, struct nj_why *why);

#endif
