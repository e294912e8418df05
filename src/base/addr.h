/*
 * A network endpoint: IPv6 address (IPv4 as v4-mapped, RFC 4291 2.5.5.2) and port. Any thread, no allocation,
 * never resolves names.
 */
#ifndef NJ_BASE_ADDR_H
#define NJ_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct nj_addr {
	uint8_t ip[16];
	uint16_t port;  /* host order; 0 when it means the host alone */
	uint32_t scope; /* of a link-local IPv6 address, else 0 */
};

#define NJ_ADDR_TEXT_BYTES 64 /* "[2001:db8::1%eth0]:65535" and its end */

bool nj_addr_is_v4(const struct nj_addr *addr);
bool nj_addr_is_loopback(const struct nj_addr *addr);
bool nj_addr_is_any(const struct nj_addr *addr);
/* Same host; ports are not compared. */
bool nj_addr_same_host(const struct nj_addr *a, const struct nj_addr *b);
NJ_MUST_USE enum nj_err nj_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct nj_addr *out_addr);
/* AF_INET for v4-mapped addresses, else AF_INET6. Returns the length. */
socklen_t nj_addr_to_sockaddr(const struct nj_addr *addr, struct sockaddr_storage *out_sa);
/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; port 0 when none is given. */
NJ_MUST_USE enum nj_err nj_addr_parse(const char *text, struct nj_addr *out_addr);
/* Writes the address, with ":port" unless port is 0, and returns `out`. */
const char *nj_addr_text(const struct nj_addr *addr, char out[NJ_ADDR_TEXT_BYTES]);
/* The address without its port. */
const char *nj_addr_host_text(const struct nj_addr *addr, char out[NJ_ADDR_TEXT_BYTES]);

/* Addresses that begin alike. */
struct nj_net {
	struct nj_addr addr; /* port 0 */
	uint8_t prefix;      /* compared bits of the 128: an IPv4 /24 is 120 */
};

/* "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". NJ_ERR_MALFORMED; also for bits beyond the prefix, a prefix of 0, a
 * port and a zone. */
NJ_MUST_USE enum nj_err nj_net_parse(const char *text, struct nj_net *out_net);
/* A net of IPv6 addresses holds no IPv4 address, however short its prefix; one of 0 bits holds all of both. */
bool nj_net_has(const struct nj_net *net, const struct nj_addr *addr);
/* One of them has it. */
bool nj_nets_have(const struct nj_net *nets, size_t count, const struct nj_addr *addr);

#endif
