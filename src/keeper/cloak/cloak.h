/*
 * Who keeps the port dark: an ops table over the backends `bpf` and `fake`. What needs a privilege (loading the
 * program, making maps) happens once, in the supervisor's set-up stage (cloak_setup.h of the backend); the keeper gets
 * the descriptors and drives them here without any capability. Fails closed: without a fresh lease every SYN is
 * dropped. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_CLOAK_CLOAK_H
#define NJ_KEEPER_CLOAK_CLOAK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define NJ_CLOAK_LEASE_MS 200        /* renewed this often … */
#define NJ_CLOAK_LEASE_VALID_MS 1000 /* … and dead after this */

struct nj_cloak_stats {
	uint64_t syn_passed, syn_dropped, other_dropped, knock_passed, knock_dropped;
};

struct nj_cloak {
	const struct nj_cloak_ops *ops;
};

struct nj_cloak_ops {
	const char *name;
	bool dark; /* false: the ports can be seen, and `status` says so */
	/* Empties grants and flows: a new keeper's first act. */
	enum nj_err (*clear)(struct nj_cloak *cloak);
	/* Lets SYNs from `source` (first `prefix` bits) to local TCP `port` pass until `expires_boot_ns`; repeating
	 * replaces the expiry. NJ_ERR_LIMIT when the table is full. */
	enum nj_err (*open)(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			    uint64_t expires_boot_ns);
	/* Ends it; harmless when it is not there. */
	enum nj_err (*shut)(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port);
	/* Forgets one connection's flow (at its binding and its close). */
	enum nj_err (*flow_end)(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port);
	enum nj_err (*renew)(struct nj_cloak *cloak, uint64_t now_boot_ns);
	/* Hint filter of the knock socket. add: from now on the hint passes. A hint that left stays a false positive
	 * until the next rebuild. rebuild_begin starts a second array for `expected` hints, adds go to both until
	 * rebuild_end switches. */
	void (*hint_add)(struct nj_cloak *cloak, const uint8_t hint[8]);
	enum nj_err (*rebuild_begin)(struct nj_cloak *cloak, uint64_t expected);
	void (*rebuild_add)(struct nj_cloak *cloak, const uint8_t hint[8]);
	enum nj_err (*rebuild_end)(struct nj_cloak *cloak);
	void (*stats)(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats);
	void (*free)(struct nj_cloak *cloak);
};

/* Does nothing, remembers everything; ports are NOT dark. For tests and for machines without the capability. */
NJ_MUST_USE enum nj_err nj_cloak_fake_new(struct nj_cloak **out_cloak);
/* Test's view of the fake: would a SYN pass at this time? */
bool nj_cloak_fake_would_pass(struct nj_cloak *cloak, const struct nj_addr *source, uint16_t port,
			      uint64_t now_boot_ns);
bool nj_cloak_fake_has_hint(struct nj_cloak *cloak, const uint8_t hint[8]);

#endif
