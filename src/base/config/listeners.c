#include "base/config/listeners.h"

#include <string.h>
#include <sys/un.h>

#include "base/config/settings.h"

#define EXACT_BITS 128
#define V4_PREFIX_MIN (96 + 8) /* shorter is no list of proxies */
#define V6_PREFIX_MIN 16

enum nj_service nj_settings_proxied_service(enum nj_settings_proxied proxied)
{
	static const enum nj_service services[] = {
		[NJ_SETTINGS_PROXIED_MQTTS] = NJ_SERVICE_MQTTS,
		[NJ_SETTINGS_PROXIED_MQTT] = NJ_SERVICE_MQTT,
		[NJ_SETTINGS_PROXIED_ENROLMENT] = NJ_SERVICE_ENROLMENT,
	};

	return services[proxied];
}

const struct nj_settings_proxies *nj_settings_proxies_of(const struct nj_settings *settings, uint16_t service)
{
	for (size_t i = 0; i < settings->proxy_count; i++)
		if (nj_settings_proxied_service(settings->proxy[i].service) == service)
			return &settings->proxy[i].from;
	return NULL;
}

/* ---- lists ---- */

static enum nj_err check_proxies(struct nj_settings_proxies *proxies, const char *of, struct nj_why *why)
{
	for (size_t i = 0; i < proxies->count; i++) {
		struct nj_net *net = &proxies->net[i];

		if (nj_net_parse(proxies->at[i], net) != NJ_OK)
			return nj_why(why, NJ_ERR_CONFIG,
				      "%s: '%s' is neither ADDRESS nor ADDRESS/BITS (no bits beyond the prefix)", of,
				      proxies->at[i]);
		if (net->prefix < (nj_addr_is_v4(&net->addr) ? V4_PREFIX_MIN : V6_PREFIX_MIN))
			return nj_why(why, NJ_ERR_CONFIG, "%s: '%s' is too wide: name your proxies", of,
				      proxies->at[i]);
	}
	return NJ_OK;
}

static enum nj_err check_origins(const struct nj_origins *origins, const char *of, struct nj_why *why)
{
	for (size_t i = 0; i < origins->count; i++)
		if (!nj_origin_valid(origins->at[i]))
			return nj_why(why, NJ_ERR_CONFIG,
				      "%s: '%s' is not an origin as browsers send it: scheme://host in lower case, "
				      ":port only where it is not the scheme's own, nothing behind it",
				      of, origins->at[i]);
	return NJ_OK;
}

/* ---- local listeners ---- */

static enum nj_err check_local_address(struct nj_settings_local *local, struct nj_why *why)
{
	static const char scheme[] = "unix:";
	const size_t scheme_len = sizeof(scheme) - 1;

	memset(&local->addr, 0, sizeof(local->addr));
	local->unix_path_at = 0;
	if (strncmp(local->address, scheme, scheme_len) == 0) {
		const char *path = local->address + scheme_len;

		if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return nj_why(why, NJ_ERR_CONFIG, "local: '%s' needs an absolute path of at most %zu bytes",
				      local->address, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		local->unix_path_at = scheme_len;
		return NJ_OK;
	}
	if (nj_addr_parse(local->address, &local->addr) != NJ_OK || local->addr.port == 0)
		return nj_why(why, NJ_ERR_CONFIG, "local: '%s' is neither an IP address with port nor unix:/path",
			      local->address);
	return NJ_OK;
}

/* Who can reach it is said by `exposed`, and by nothing else. */
static enum nj_err check_reach(const struct nj_settings_local *local, struct nj_why *why)
{
	bool inside = local->unix_path_at != 0 || nj_addr_is_loopback(&local->addr);

	if (!inside && !local->exposed)
		return nj_why(
		    why, NJ_ERR_CONFIG,
		    "local: '%s': cloak: none is refused on any address but loopback or a Unix socket, unless "
		    "`exposed: true` says that others may come",
		    local->address);
	if (inside && local->exposed)
		return nj_why(why, NJ_ERR_CONFIG, "local: '%s': exposed: nobody else can reach that address",
			      local->address);
	if (local->unix_path_at != 0 && local->proxy.count > 0)
		return nj_why(why, NJ_ERR_CONFIG, "local: '%s': proxy: a Unix socket tells no address", local->address);
	return NJ_OK;
}

static bool same_endpoint(const struct nj_settings_local *a, const struct nj_settings_local *b)
{
	if (a->unix_path_at != b->unix_path_at)
		return false;
	if (a->unix_path_at != 0)
		return strcmp(a->address, b->address) == 0;
	return a->addr.port == b->addr.port && nj_addr_same_host(&a->addr, &b->addr);
}

static enum nj_err check_local(struct nj_settings *s, struct nj_why *why)
{
	for (size_t i = 0; i < s->local_count; i++) {
		NJ_TRY(check_local_address(&s->local[i], why));
		NJ_TRY(check_reach(&s->local[i], why));
		NJ_TRY(check_proxies(&s->local[i].proxy, "local: proxy", why));
		NJ_TRY(check_origins(&s->local[i].origins, "local: origins", why));
		if (!nj_name_valid(s->local[i].as))
			return nj_why(why, NJ_ERR_CONFIG, "local: as: '%s' is not a valid name", s->local[i].as);
		for (size_t j = 0; j < i; j++)
			if (same_endpoint(&s->local[i], &s->local[j]))
				return nj_why(why, NJ_ERR_CONFIG, "local: '%s' is there twice", s->local[i].address);
	}
	return NJ_OK;
}

/* ---- proxies before cloaked services ---- */

static uint16_t port_of(const struct nj_settings *s, enum nj_settings_proxied proxied)
{
	const uint16_t ports[] = {
		[NJ_SETTINGS_PROXIED_MQTTS] = s->ports.mqtts,
		[NJ_SETTINGS_PROXIED_MQTT] = s->ports.mqtt,
		[NJ_SETTINGS_PROXIED_ENROLMENT] = s->ports.enrolment,
	};

	return ports[proxied];
}

/* The kernel's filter tries each length that is in use, and grants of profiles need some too. */
static enum nj_err check_lengths(const struct nj_settings *s, struct nj_why *why)
{
	uint8_t lengths[NJ_SETTINGS_PROXY_LENGTHS_MAX];
	size_t used = 0;

	for (size_t i = 0; i < s->proxy_count; i++) {
		const struct nj_settings_proxies *from = &s->proxy[i].from;
		for (size_t j = 0; j < from->count; j++) {
			uint8_t prefix = from->net[j].prefix;
			if (prefix == EXACT_BITS || memchr(lengths, prefix, used) != NULL)
				continue;
			if (used == NJ_SETTINGS_PROXY_LENGTHS_MAX)
				return nj_why(why, NJ_ERR_CONFIG,
					      "proxy: from: more than %d lengths of prefixes: make some alike",
					      NJ_SETTINGS_PROXY_LENGTHS_MAX);
			lengths[used++] = prefix;
		}
	}
	return NJ_OK;
}

static enum nj_err check_proxied(struct nj_settings *s, struct nj_why *why)
{
	for (size_t i = 0; i < s->proxy_count; i++) {
		struct nj_settings_proxy *proxy = &s->proxy[i];
		const char *service = nj_service_name((uint16_t)nj_settings_proxied_service(proxy->service));

		if (proxy->from.count == 0)
			return nj_why(why, NJ_ERR_CONFIG, "proxy: %s: from: at least one address is needed", service);
		if (port_of(s, proxy->service) == 0)
			return nj_why(why, NJ_ERR_CONFIG, "proxy: %s: the service is off", service);
		for (size_t j = 0; j < i; j++)
			if (s->proxy[j].service == proxy->service)
				return nj_why(why, NJ_ERR_CONFIG, "proxy: %s is there twice", service);
		NJ_TRY(check_proxies(&proxy->from, "proxy: from", why));
	}
	return check_lengths(s, why);
}

enum nj_err nj_settings_check_listeners(struct nj_settings *settings, struct nj_why *why)
{
	NJ_TRY(check_local(settings, why));
	NJ_TRY(check_proxied(settings, why));
	return check_origins(&settings->mqtt.origins, "mqtt: origins", why);
}
