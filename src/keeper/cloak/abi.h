/*
 * What the kernel's programs (bpf/cloak.bpf.c) and the keeper share: keys, the control block, the hint filter's
 * arithmetic. Included by both sides, so plain kernel types and no libc. Addresses are in the byte order of the wire,
 * IPv4 as v4-mapped; ports are in host order; times are CLOCK_BOOTTIME in nanoseconds.
 */
#ifndef NJ_KEEPER_CLOAK_ABI_H
#define NJ_KEEPER_CLOAK_ABI_H

#include <linux/types.h>

#define NJ_CLOAK_KNOCK_BYTES 112
#define NJ_CLOAK_FLOW_NS 64000000000ULL /* a handshake's retransmissions end within it */
#define NJ_CLOAK_GRANT_PREFIXES 4       /* lengths shorter than 128 that grants of profiles may have at one time */
#define NJ_CLOAK_PREFIXES 8             /* and with those of proxies that are always let in */
#define NJ_CLOAK_IP_WORDS 2

/* A grant's key: `extra` is the number of compared bits. A flow's key: `extra` is the peer's port. */
struct nj_cloak_key {
	__u64 ip[NJ_CLOAK_IP_WORDS];
	__u16 local_port;
	__u16 extra;
	__u32 zero;
};

struct nj_cloak_prefix {
	__u64 mask[NJ_CLOAK_IP_WORDS];
	__u64 bits;
};

/* One of the two bit arrays inside the map "hints". */
struct nj_cloak_hint_array {
	__u64 first_word;
	__u64 mask; /* number of bits in use, a power of two, minus one */
};

/* `prefixes` is not the last member: a loop's pointer past the end of a map value is refused without CAP_PERFMON. */
struct nj_cloak_control {
	__u64 lease_boot_ns; /* SYNs are dropped from here on */
	__u64 prefix_count;
	struct nj_cloak_prefix prefixes[NJ_CLOAK_PREFIXES];
	__u64 seed[2]; /* of nj_cloak_hint_hash; random, fixed for the life of the maps */
	__u64 active;  /* which of `hints` the program reads */
	struct nj_cloak_hint_array hints[2];
	__u64 clock_boot_ns; /* the kernel's clock as cloak_clock saw it */
};

/* One a CPU, alone on its cache line; only that CPU writes it. */
struct nj_cloak_counters {
	__u64 syn_passed;
	__u64 syn_dropped;
	__u64 other_dropped;
	__u64 knock_passed;
	__u64 knock_dropped;
	__u64 spare[3];
};

/*
 * Spreads a hint over 64 bits with a secret seed, so that nobody outside can aim at bits that are set: the lower and
 * the upper half are the two positions. Speed matters more than strength: no answer ever tells a stranger the result.
 */
static inline __u64 nj_cloak_hint_hash(__u64 hint, const __u64 seed[2])
{
	__u64 hash = hint ^ seed[0];

	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= seed[1] | 1;
	hash ^= hash >> 29;
	return hash;
}

#endif
