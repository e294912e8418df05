/*
 * Connections of listed proxies whose PROXY header (net/proxy.h) has not come yet: read up to the header's last byte
 * and not one further, so that what follows is still the socket's when it is handed on. Bounded in number, in time and
 * in bytes; when there is no room the oldest gives way. Never speaks to anybody, knows nothing of who is listed. One
 * reactor's thread.
 */
#ifndef NJ_NET_PROXIED_H
#define NJ_NET_PROXIED_H

#include "base/addr.h"
#include "net/proxy.h"
#include "net/reactor.h"

struct nj_proxied;

struct nj_proxied_config {
	struct nj_reactor *reactor;
	size_t max; /* waiting at one time */
	void *arg;
	/* The header has come: `fd` is the callee's now. `origin` is what nj_proxied_take was given. */
	void (*come)(void *arg, void *origin, int fd, const struct nj_addr *proxy, const struct nj_proxy *header);
	/* It has not, or is none; `fd` is closed. NJ_ERR_TIMEOUT, NJ_ERR_CLOSED (the proxy went away), NJ_ERR_LIMIT
	 * (there was no room), NJ_ERR_IO, or an error of nj_proxy_parse. */
	void (*refused)(void *arg, void *origin, const struct nj_addr *proxy, enum nj_err err);
};

NJ_MUST_USE enum nj_err nj_proxied_new(const struct nj_proxied_config *config, struct nj_proxied **out_proxied);
/* Closes those that wait; tells nobody. */
void nj_proxied_free(struct nj_proxied *proxied);
/* Takes over `fd`, accepted from `proxy`. May call back before it returns: the header may be there already. */
void nj_proxied_take(struct nj_proxied *proxied, void *origin, int fd, const struct nj_addr *proxy,
		     uint32_t timeout_ms);
size_t nj_proxied_count(const struct nj_proxied *proxied);

#endif
