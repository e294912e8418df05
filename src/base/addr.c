#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include "base/text.h"

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool nj_addr_is_v4(const struct nj_addr *addr)
{
	return memcmp(addr->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool nj_addr_is_loopback(const struct nj_addr *addr)
{
	if (nj_addr_is_v4(addr))
		return addr->ip[12] == 127;
	return memcmp(addr->ip, &in6addr_loopback, sizeof(addr->ip)) == 0;
}

bool nj_addr_is_any(const struct nj_addr *addr)
{
	static const uint8_t zero[4];

	if (nj_addr_is_v4(addr))
		return memcmp(addr->ip + 12, zero, sizeof(zero)) == 0;
	return memcmp(addr->ip, &in6addr_any, sizeof(addr->ip)) == 0;
}

bool nj_addr_same_host(const struct nj_addr *a, const struct nj_addr *b)
{
	return a->scope == b->scope && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void set_v4(struct nj_addr *addr, const struct in_addr *ip)
{
	memcpy(addr->ip, v4_prefix, sizeof(v4_prefix));
	memcpy(addr->ip + 12, ip, sizeof(*ip));
}

enum nj_err nj_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct nj_addr *out_addr)
{
	struct nj_addr addr = { 0 };

	if (len < (socklen_t)sizeof(sa_family_t))
		return NJ_ERR_TRUNCATED;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		if (len < (socklen_t)sizeof(in))
			return NJ_ERR_TRUNCATED;
		memcpy(&in, sa, sizeof(in));
		set_v4(&addr, &in.sin_addr);
		addr.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		if (len < (socklen_t)sizeof(in6))
			return NJ_ERR_TRUNCATED;
		memcpy(&in6, sa, sizeof(in6));
		memcpy(addr.ip, &in6.sin6_addr, sizeof(addr.ip));
		addr.port = ntohs(in6.sin6_port);
		addr.scope = IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? in6.sin6_scope_id : 0;
	} else {
		return NJ_ERR_UNSUPPORTED;
	}
	*out_addr = addr;
	return NJ_OK;
}

socklen_t nj_addr_to_sockaddr(const struct nj_addr *addr, struct sockaddr_storage *out_sa)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(addr->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(addr->port),
				    .sin6_scope_id = addr->scope };

	memset(out_sa, 0, sizeof(*out_sa));
	if (nj_addr_is_v4(addr)) {
		memcpy(&in.sin_addr, addr->ip + 12, sizeof(in.sin_addr));
		memcpy(out_sa, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, addr->ip, sizeof(in6.sin6_addr));
	memcpy(out_sa, &in6, sizeof(in6));
	return sizeof(in6);
}

/* "fe80::1%eth0" and "fe80::1%2": a zone is for link-local addresses alone (RFC 4007 11). */
static enum nj_err parse_v6(const char *host, struct nj_addr *addr)
{
	char text[NJ_ADDR_TEXT_BYTES];
	struct in6_addr ip;
	char *zone;
	uint64_t index;

	NJ_TRY(nj_text_copy(text, sizeof(text), host));
	zone = strchr(text, '%');
	if (zone != NULL)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, text, &ip) != 1)
		return NJ_ERR_MALFORMED;
	memcpy(addr->ip, &ip, sizeof(addr->ip));
	if (zone == NULL)
		return NJ_OK;
	if (!IN6_IS_ADDR_LINKLOCAL(&ip))
		return NJ_ERR_MALFORMED;
	if (nj_number_parse(zone, 1, UINT32_MAX, &index) != NJ_OK)
		index = if_nametoindex(zone);
	if (index == 0)
		return NJ_ERR_NOT_FOUND;
	addr->scope = (uint32_t)index;
	return NJ_OK;
}

static enum nj_err parse_host(const char *host, bool v6, struct nj_addr *addr)
{
	struct in_addr ip;

	if (v6)
		return parse_v6(host, addr);
	if (inet_pton(AF_INET, host, &ip) != 1)
		return NJ_ERR_MALFORMED;
	set_v4(addr, &ip);
	return NJ_OK;
}

/* Splits in place; *out_port points at the port's digits, or is NULL. Brackets mean IPv6, and so do two colons. */
static enum nj_err split(char *text, char **out_host, char **out_port, bool *out_v6)
{
	char *colon = strchr(text, ':');
	char *close;

	if (text[0] != '[') {
		bool v6 = colon != NULL && strchr(colon + 1, ':') != NULL;

		if (!v6 && colon != NULL)
			*colon++ = '\0';
		*out_host = text;
		*out_port = v6 ? NULL : colon;
		*out_v6 = v6;
		return NJ_OK;
	}
	close = strchr(text, ']');
	if (close == NULL || (close[1] != '\0' && close[1] != ':'))
		return NJ_ERR_MALFORMED;
	*out_port = close[1] == ':' ? close + 2 : NULL;
	*close = '\0';
	*out_host = text + 1;
	*out_v6 = true;
	return NJ_OK;
}

enum nj_err nj_addr_parse(const char *text, struct nj_addr *out_addr)
{
	struct nj_addr addr = { 0 };
	char copy[NJ_ADDR_TEXT_BYTES];
	char *host;
	char *digits;
	uint64_t port = 0;
	bool v6;

	if (nj_text_copy(copy, sizeof(copy), text) != NJ_OK)
		return NJ_ERR_MALFORMED;
	NJ_TRY(split(copy, &host, &digits, &v6));
	NJ_TRY(parse_host(host, v6, &addr));
	if (digits != NULL)
		NJ_TRY(nj_number_parse(digits, 1, UINT16_MAX, &port));
	addr.port = (uint16_t)port;
	*out_addr = addr;
	return NJ_OK;
}

/* Zones are written as numbers: a name would need a system call, and this runs in the log. */
const char *nj_addr_host_text(const struct nj_addr *addr, char out[NJ_ADDR_TEXT_BYTES])
{
	bool v4 = nj_addr_is_v4(addr);
	size_t used;

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr->ip + 12 : addr->ip, out, NJ_ADDR_TEXT_BYTES) == NULL)
		out[0] = '\0';
	used = strlen(out);
	if (!v4 && addr->scope != 0)
		snprintf(out + used, NJ_ADDR_TEXT_BYTES - used, "%%%u", addr->scope);
	return out;
}

const char *nj_addr_text(const struct nj_addr *addr, char out[NJ_ADDR_TEXT_BYTES])
{
	const bool brackets = addr->port != 0 && !nj_addr_is_v4(addr);
	size_t used;

	out[0] = '\0';
	if (brackets) {
		char host[NJ_ADDR_TEXT_BYTES];

		if (nj_text_format(out, NJ_ADDR_TEXT_BYTES, "[%s]", nj_addr_host_text(addr, host)) != NJ_OK)
			out[0] = '\0';
	} else {
		nj_addr_host_text(addr, out);
	}
	used = strlen(out);
	if (addr->port != 0)
		snprintf(out + used, NJ_ADDR_TEXT_BYTES - used, ":%u", addr->port);
	return out;
}

/* ---- networks ---- */

#define ALL_BITS 128
#define V4_MAPPED_BITS 96

static bool zero_beyond(const uint8_t *ip, unsigned bits)
{
	for (unsigned bit = bits; bit < ALL_BITS; bit++)
		if ((ip[bit / 8] & (0x80 >> bit % 8)) != 0)
			return false;
	return true;
}

enum nj_err nj_net_parse(const char *text, struct nj_net *out_net)
{
	struct nj_net net = { .prefix = 0 };
	char copy[NJ_ADDR_TEXT_BYTES];

	if (nj_text_copy(copy, sizeof(copy), text) != NJ_OK)
		return NJ_ERR_MALFORMED;
	char *slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	if (nj_addr_parse(copy, &net.addr) != NJ_OK || net.addr.port != 0 || net.addr.scope != 0)
		return NJ_ERR_MALFORMED;
	unsigned before = nj_addr_is_v4(&net.addr) ? V4_MAPPED_BITS : 0;
	uint64_t bits = ALL_BITS - before;
	if (slash != NULL && nj_number_parse(slash + 1, 1, ALL_BITS - before, &bits) != NJ_OK)
		return NJ_ERR_MALFORMED;
	net.prefix = (uint8_t)(before + bits);
	if (!zero_beyond(net.addr.ip, net.prefix))
		return NJ_ERR_MALFORMED;
	*out_net = net;
	return NJ_OK;
}

bool nj_net_has(const struct nj_net *net, const struct nj_addr *addr)
{
	unsigned whole = net->prefix / 8;
	unsigned rest = net->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (net->prefix > 0 && nj_addr_is_v4(&net->addr) != nj_addr_is_v4(addr))
		return false;
	return memcmp(net->addr.ip, addr->ip, whole) == 0 &&
	       (rest == 0 || ((net->addr.ip[whole] ^ addr->ip[whole]) & mask) == 0);
}

bool nj_nets_have(const struct nj_net *nets, size_t count, const struct nj_addr *addr)
{
	for (size_t i = 0; i < count; i++)
		if (nj_net_has(&nets[i], addr))
			return true;
	return false;
}
