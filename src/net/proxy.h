/*
 * The PROXY protocol, version 2 (haproxy.org, doc/proxy-protocol.txt, 2.2): what a proxy says, before the first byte
 * that it passes on, of who is behind it. Version 1 and everything else is malformed. Fills a struct, allocates
 * nothing, does nothing. Pure; any thread.
 */
#ifndef NJ_NET_PROXY_H
#define NJ_NET_PROXY_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/wire.h"

#define NJ_PROXY_HEAD_BYTES 16
#define NJ_PROXY_MAX_BYTES 1536 /* in all: a header is to fit into one segment (2.2) */

struct nj_proxy {
	bool local; /* LOCAL: the proxy speaks for itself, to see whether we live; no addresses */
	struct nj_addr source;
	struct nj_addr destination;
};

/*
 * `in` is what has come so far; what stands behind the header is not looked at. NJ_ERR_AGAIN: so far it may become one.
 * NJ_ERR_MALFORMED: it is none, or an address, length or extension (2.2.1 to 2.2.8) breaks the rules, or the source is
 * no host's address; NJ_ERR_TOO_LARGE: over NJ_PROXY_MAX_BYTES; NJ_ERR_UNSUPPORTED: not TCP over IPv4 or IPv6;
 * NJ_ERR_FORGED: its checksum (PP2_TYPE_CRC32C) is wrong. What begins wrong is refused at its first wrong byte.
 */
NJ_MUST_USE enum nj_err nj_proxy_parse(struct nj_view in, struct nj_proxy *out_proxy, size_t *out_len);
/* How many bytes of a header that has begun with `in` are known to belong to it: to read so many is never too much. */
size_t nj_proxy_wants(struct nj_view in);

#endif
