/*
 * The part of the settings that speaks of other brokers: bridges, and which topics each carries. Values without
 * pointers, as settings.h; names of secrets' files, never a secret. Pure; any thread.
 */
#ifndef NJ_BASE_CONFIG_BRIDGE_H
#define NJ_BASE_CONFIG_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/text.h"

#define NJ_BRIDGES_MAX 8
#define NJ_BRIDGE_TOPICS_MAX 16
#define NJ_BRIDGE_FILTER_BYTES 257
#define NJ_BRIDGE_PREFIX_BYTES 129
#define NJ_BRIDGE_HOST_BYTES 254
#define NJ_BRIDGE_ADDRESS_BYTES (NJ_BRIDGE_HOST_BYTES + 8) /* "[host]:65535" */
#define NJ_BRIDGE_TEXT_BYTES 129
#define NJ_BRIDGE_PATH_BYTES 512
#define NJ_BRIDGE_IDENTITY_BYTES 65

enum nj_bridge_direction { NJ_BRIDGE_OUT, NJ_BRIDGE_IN, NJ_BRIDGE_BOTH };
enum nj_bridge_protocol { NJ_BRIDGE_AUTO, NJ_BRIDGE_V5, NJ_BRIDGE_V311 };

struct nj_settings_bridge_topic {
	char filter[NJ_BRIDGE_FILTER_BYTES];
	enum nj_bridge_direction direction;
	uint8_t qos;
	char local[NJ_BRIDGE_PREFIX_BYTES];  /* prefix here */
	char remote[NJ_BRIDGE_PREFIX_BYTES]; /* prefix at the peer */
};

struct nj_settings_bridge {
	char name[NJ_NAME_BYTES];
	char address[NJ_BRIDGE_ADDRESS_BYTES];
	char as[NJ_NAME_BYTES]; /* the application whose rights and queue it has */
	enum nj_bridge_protocol protocol;
	char client_id[NJ_BRIDGE_TEXT_BYTES]; /* empty: "nightjar-NAME" */
	char username[NJ_BRIDGE_TEXT_BYTES];
	char password_file[NJ_BRIDGE_PATH_BYTES];
	uint64_t keep_alive_ms;
	bool clean; /* the peer keeps no session */
	uint64_t session_expiry_ms;
	uint64_t retry_min_ms, retry_max_ms;
	bool tls;
	char ca_file[NJ_BRIDGE_PATH_BYTES];
	char certificate_file[NJ_BRIDGE_PATH_BYTES];
	char key_file[NJ_BRIDGE_PATH_BYTES];
	char server_name[NJ_BRIDGE_HOST_BYTES]; /* empty: the host of `address` */
	char psk_identity[NJ_BRIDGE_IDENTITY_BYTES];
	char psk_file[NJ_BRIDGE_PATH_BYTES];
	size_t topic_count;
	struct nj_settings_bridge_topic topics[NJ_BRIDGE_TOPICS_MAX];
	/* Filled by nj_settings_check: the parts of `address`; `host` is a name or an IP address without brackets. */
	char host[NJ_BRIDGE_HOST_BYTES];
	uint16_t port;
};

struct nj_config_section;
extern const struct nj_config_section nj_bridge_section;

struct nj_settings;
/* The rules of bridges that span keys; fills hosts and ports. nj_settings_check calls it. What is in the files, and
 * whether a filter is one, is checked by who reads them (daemon/bridge_files.h). */
NJ_MUST_USE enum nj_err nj_settings_check_bridges(struct nj_settings *settings, struct nj_why *why);

#endif
