/*
 * The part of the settings that says who may come to a listener in another way than by a knock of its own: local
 * listeners, and proxies in front of cloaked ones. Values without pointers, as settings.h. Pure; any thread.
 */
#ifndef NJ_BASE_CONFIG_LISTENERS_H
#define NJ_BASE_CONFIG_LISTENERS_H

#include "base/addr.h"
#include "base/origin.h"
#include "base/service.h"
#include "base/text.h"

#define NJ_SETTINGS_LOCAL_MAX 16
#define NJ_SETTINGS_LOCAL_VERIFIER_BYTES 160
#define NJ_SETTINGS_LOCAL_ADDRESS_BYTES 128 /* "unix:" and sun_path */
#define NJ_SETTINGS_USER_BYTES 33
#define NJ_SETTINGS_PROXIED_MAX 3 /* services that proxies may stand before */
#define NJ_SETTINGS_PROXIES_MAX 16
#define NJ_SETTINGS_PROXY_LENGTHS_MAX 4 /* prefix lengths of all proxies, beside single addresses */

enum nj_settings_local_cloak { NJ_SETTINGS_LOCAL_CLOAK_NONE };
enum nj_settings_local_service {
	NJ_SETTINGS_LOCAL_MQTT,
	NJ_SETTINGS_LOCAL_MQTTS,
	NJ_SETTINGS_LOCAL_SMPP,
	NJ_SETTINGS_LOCAL_HTTPS
};
enum nj_settings_proxied { NJ_SETTINGS_PROXIED_MQTTS, NJ_SETTINGS_PROXIED_MQTT, NJ_SETTINGS_PROXIED_ENROLMENT };

/* Who must begin with a PROXY header; from nobody else is one read. */
struct nj_settings_proxies {
	size_t count;
	char at[NJ_SETTINGS_PROXIES_MAX][NJ_ADDR_TEXT_BYTES];
	struct nj_net net[NJ_SETTINGS_PROXIES_MAX]; /* filled by nj_settings_check */
};

/* Proxies before a cloaked service. */
struct nj_settings_proxy {
	enum nj_settings_proxied service;
	struct nj_settings_proxies from;
};

/* A listener without a cloak, for applications on this machine. */
struct nj_settings_local {
	enum nj_settings_local_service service;
	char address[NJ_SETTINGS_LOCAL_ADDRESS_BYTES];
	char as[NJ_NAME_BYTES];             /* the application that connects here */
	char group[NJ_SETTINGS_USER_BYTES]; /* of a Unix socket; empty: only the user who started the gateway */
	char verifier[NJ_SETTINGS_LOCAL_VERIFIER_BYTES]; /* of a password; empty: none is asked */
	enum nj_settings_local_cloak cloak;
	bool exposed; /* other machines may reach it */
	struct nj_settings_proxies proxy;
	struct nj_origins origins;
	/* Filled by nj_settings_check: the Unix path inside `address` begins at `unix_path_at`, or 0 and `addr` is it.
	 */
	struct nj_addr addr;
	size_t unix_path_at;
};

/* The service of a row, as knocks number it. */
enum nj_service nj_settings_proxied_service(enum nj_settings_proxied proxied);

struct nj_settings;
/* The proxies before a cloaked service, or NULL. */
const struct nj_settings_proxies *nj_settings_proxies_of(const struct nj_settings *settings, uint16_t service);
/* The rules of local listeners, proxies and origins that span keys; fills what is parsed. nj_settings_check calls it.
 */
NJ_MUST_USE enum nj_err nj_settings_check_listeners(struct nj_settings *settings, struct nj_why *why);

#endif
