// SPDX-License-Identifier: Apache-2.0
/*
 * The cloak: filters of the gateway's own sockets. cloak_tcp sits on every TCP listener and cloak_udp on the knock
 * socket; what they drop never reaches the socket and is never answered. They read packets and their own maps, no
 * kernel structure, so the object runs on any kernel from 6.1 on. Kept small: every accepted connection is charged
 * for the filter that it inherits.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "keeper/cloak/abi.h"

#define DROP 0
#define PASS 0xffffffff /* bytes to keep: all */

#define ETH_P_IP 0x0800
#define IP4_SOURCE_OFFSET 12
#define IP6_SOURCE_OFFSET 8
#define V4_MAPPED_BITS 96
#define TCP_HEAD_BYTES 14 /* ports … flags */
#define TCP_FLAGS_OFFSET 13
#define TCP_FLAGS_TESTED 0x17 /* ACK RST SYN FIN */
#define TCP_SYN 0x02
#define UDP_HEAD_BYTES 8
#define UDP_LENGTH_OFFSET 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nj_cloak_control);
} control SEC(".maps");

/* The set-up stage sizes the maps below. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct nj_cloak_key);
	__type(value, __u64);
} grants SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct nj_cloak_key);
	__type(value, __u64);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nj_cloak_counters);
} counters SEC(".maps");

#define COUNT(member)                                                                        \
	do {                                                                                 \
		__u32 cpu_ = bpf_get_smp_processor_id();                                     \
		struct nj_cloak_counters *counters_ = bpf_map_lookup_elem(&counters, &cpu_); \
		if (counters_)                                                               \
			counters_->member++;                                                 \
	} while (0)

static __always_inline struct nj_cloak_control *control_block(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

/* The source address as 128 bits; the network header lies before the data that a socket filter sees. */
static __always_inline long read_source(struct __sk_buff *skb, __u64 ip[NJ_CLOAK_IP_WORDS])
{
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return bpf_skb_load_bytes_relative(skb, IP6_SOURCE_OFFSET, ip, 16, BPF_HDR_START_NET);
	ip[0] = 0;
	ip[1] = bpf_cpu_to_be64(0xffff00000000ULL);
	return bpf_skb_load_bytes_relative(skb, IP4_SOURCE_OFFSET, (__u8 *)ip + 12, 4, BPF_HDR_START_NET);
}

static __always_inline int is_live(void *map, const struct nj_cloak_key *key, __u64 now)
{
	const __u64 *expires = bpf_map_lookup_elem(map, key);

	return expires && now < *expires;
}

/* A live grant for the exact source, or for one of the prefix lengths in use. */
static __always_inline int is_granted(const struct nj_cloak_control *ctl, const struct nj_cloak_key *flow, int v4,
				      __u64 now)
{
	struct nj_cloak_key key = *flow;

	key.extra = 128;
	if (is_live(&grants, &key, now))
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < NJ_CLOAK_PREFIXES; i++) {
		const struct nj_cloak_prefix *prefix = &ctl->prefixes[i];

		if (i >= ctl->prefix_count)
			break;
		if (v4 && prefix->bits <= V4_MAPPED_BITS)
			continue;
		key.ip[0] = flow->ip[0] & prefix->mask[0];
		key.ip[1] = flow->ip[1] & prefix->mask[1];
		key.extra = prefix->bits;
		if (is_live(&grants, &key, now))
			return 1;
	}
	return 0;
}

/* A segment for a listener: 1 lets it in. */
static __always_inline int admit(struct __sk_buff *skb, int *out_is_syn)
{
	struct nj_cloak_control *ctl = control_block();
	struct nj_cloak_key flow = { 0 };
	__u8 tcp[TCP_HEAD_BYTES];
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 expires;
	int is_syn;

	if (!ctl || bpf_skb_load_bytes(skb, 0, tcp, sizeof(tcp)) || read_source(skb, flow.ip))
		return 0;
	is_syn = (tcp[TCP_FLAGS_OFFSET] & TCP_FLAGS_TESTED) == TCP_SYN;
	*out_is_syn = is_syn;
	if (is_syn && now >= ctl->lease_boot_ns)
		return 0;
	flow.extra = (__u16)(tcp[0] << 8 | tcp[1]);
	flow.local_port = (__u16)(tcp[2] << 8 | tcp[3]);
	if (is_live(&flows, &flow, now))
		return 1;
	if (!is_syn || !is_granted(ctl, &flow, skb->protocol == bpf_htons(ETH_P_IP), now))
		return 0;
	expires = now + NJ_CLOAK_FLOW_NS;
	return bpf_map_update_elem(&flows, &flow, &expires, BPF_ANY) == 0;
}

SEC("socket")
int cloak_tcp(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	int is_syn = 0;

	/* Accepted children inherit the filter and never depend on a map; a request's socket here is its listener. */
	if (sk && sk->state != BPF_TCP_LISTEN)
		return PASS;
	if (admit(skb, &is_syn)) {
		if (is_syn)
			COUNT(syn_passed);
		return PASS;
	}
	if (is_syn)
		COUNT(syn_dropped);
	else
		COUNT(other_dropped);
	return DROP;
}

static __always_inline int bit_is_set(const struct nj_cloak_hint_array *array, __u32 position)
{
	__u64 bit = position & array->mask;
	__u32 word = array->first_word + (bit >> 6);
	const __u64 *bits = bpf_map_lookup_elem(&hints, &word);

	return bits && (*bits >> (bit & 63) & 1);
}

static __always_inline int is_knock(struct __sk_buff *skb)
{
	const struct nj_cloak_control *ctl = control_block();
	const struct nj_cloak_hint_array *array;
	__u16 udp_length;
	__u64 hint, hash;

	if (!ctl || skb->len != UDP_HEAD_BYTES + NJ_CLOAK_KNOCK_BYTES)
		return 0;
	if (bpf_skb_load_bytes(skb, UDP_LENGTH_OFFSET, &udp_length, sizeof(udp_length)) ||
	    bpf_skb_load_bytes(skb, UDP_HEAD_BYTES, &hint, sizeof(hint)))
		return 0;
	if (udp_length != bpf_htons(UDP_HEAD_BYTES + NJ_CLOAK_KNOCK_BYTES))
		return 0;
	array = &ctl->hints[ctl->active & 1];
	hash = nj_cloak_hint_hash(hint, ctl->seed);
	return bit_is_set(array, (__u32)hash) && bit_is_set(array, (__u32)(hash >> 32));
}

SEC("socket")
int cloak_udp(struct __sk_buff *skb)
{
	if (is_knock(skb)) {
		COUNT(knock_passed);
		return PASS;
	}
	COUNT(knock_dropped);
	return DROP;
}

/* Run once by the set-up stage: shows whether the kernel's boot clock is the one that this process reads. */
SEC("socket")
int cloak_clock(struct __sk_buff *skb)
{
	struct nj_cloak_control *ctl = control_block();

	if (ctl)
		ctl->clock_boot_ns = bpf_ktime_get_boot_ns();
	return DROP;
}

char LICENSE[] SEC("license") = "Apache-2.0";
