/*
 * Who keeps the port dark: an ops table over the backends `bpf`, `cbpf` and `fake`. What needs a privilege (loading the
 * programs, making maps) happens once, in the supervisor's set-up stage (keeper/cloak/setup.h); the keeper gets the
 * descriptors and drives them here without any capability. Fails closed: without a fresh lease every SYN is dropped.
 * The keeper's main thread only.
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
	uint64_t syn_passed; /* retransmitted ones too */
	uint64_t syn_dropped;
	uint64_t other_dropped; /* segments to a listener that are neither a SYN nor of a noted flow */
	uint64_t knock_passed;
	uint64_t knock_dropped;
	uint64_t hint_bits;   /* size of the active bit array */
	uint64_t hints_added; /* to it; rebuild when hints_added × 16 > hint_bits: false positives reach 1.4 % there */
};

struct nj_cloak {
	const struct nj_cloak_ops *ops;
};

struct nj_cloak_ops {
	const char *name;
	bool dark;                 /* false: the ports can be seen, and `status` says so */
	const char *const *cannot; /* what `status` says that it cannot do, ended by NULL; NULL: nothing */
	/* Ends the lease, empties grants and flows: a new keeper's first act. Hints stay until a rebuild. */
	enum nj_err (*clear)(struct nj_cloak *cloak);
	/* Lets SYNs from `source` (first `prefix` bits of the 128; 128 = exact, an IPv4 /24 is 120) to local TCP
	 * `port` pass until `expires_boot_ns`; repeating replaces the expiry. An expired grant holds its place until
	 * it is shut. NJ_ERR_LIMIT when the table is full or NJ_CLOAK_PREFIXES lengths other than 128 are there,
	 * NJ_ERR_RANGE for port 0, prefix 0 or over 128, or all of IPv4. */
	enum nj_err (*open)(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			    uint64_t expires_boot_ns);
	/* Ends it; harmless when it is not there. */
	enum nj_err (*shut)(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port);
	/* Forgets one connection's flow (at its binding and its close). */
	enum nj_err (*flow_end)(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port);
	enum nj_err (*renew)(struct nj_cloak *cloak, uint64_t now_boot_ns);
	/* Hint filter of the knock socket; nothing passes before the first rebuild_end. add: from now on the hint
	 * passes. A hint that left stays a false positive until the next rebuild. */
	void (*hint_add)(struct nj_cloak *cloak, const uint8_t hint[8]);
	/* rebuild_begin empties the second array and sizes it for `expected` hints (more than was planned for at
	 * set-up: as large as there is); rebuild_add fills it, hint_add goes to both, rebuild_end switches
	 * (NJ_ERR_STATE without a begin). A begin before the end starts again. A million adds take 0.1–0.3 s: spread
	 * them over turns of the loop, with `renew` between them. */
	enum nj_err (*rebuild_begin)(struct nj_cloak *cloak, uint64_t expected);
	void (*rebuild_add)(struct nj_cloak *cloak, const uint8_t hint[8]);
	enum nj_err (*rebuild_end)(struct nj_cloak *cloak);
	void (*stats)(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats);
	void (*free)(struct nj_cloak *cloak);
};

struct nj_cloak_fds;

/* Drives what nj_cloak_bpf_setup made. Borrows the descriptors, which must outlive it; the lease, grants and hints of a
 * keeper before this one stay in force until `clear` and a rebuild. NJ_ERR_STATE for maps of another shape. */
NJ_MUST_USE enum nj_err nj_cloak_bpf_from_fds(const struct nj_cloak_fds *fds, struct nj_cloak **out_cloak);

/* The backend that needs no capability is made by keeper/cloak/cbpf.h. */

/* Opens no door, remembers everything; ports are NOT dark. For tests and for machines without the capability. */
NJ_MUST_USE enum nj_err nj_cloak_fake_new(struct nj_cloak **out_cloak);
/* Test's view of the fake: would a SYN pass at this time (lease and grant)? Is a hint in the active array? */
bool nj_cloak_fake_would_pass(struct nj_cloak *cloak, const struct nj_addr *source, uint16_t port,
			      uint64_t now_boot_ns);
bool nj_cloak_fake_has_hint(struct nj_cloak *cloak, const uint8_t hint[8]);

#endif
