/*
 * The settings of a gateway: what /etc/nightjar/nightjar.yaml says, as one struct without pointers. Read once by the
 * supervisor, handed to the other processes by copy; a reload builds a new one. Any thread may read it.
 * Holds names of secrets' files, never a secret.
 */
#ifndef NJ_BASE_CONFIG_SETTINGS_H
#define NJ_BASE_CONFIG_SETTINGS_H

#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/config/bridge.h"
#include "base/config/listeners.h"
#include "base/config/perimeter.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"

#define NJ_SETTINGS_LISTEN_MAX 16
#define NJ_SETTINGS_HOST_BYTES 254 /* a DNS name (RFC 1035 2.3.4) and its end */
#define NJ_SETTINGS_PATH_BYTES 512

enum nj_settings_cloak { NJ_SETTINGS_CLOAK_BPF, NJ_SETTINGS_CLOAK_CBPF, NJ_SETTINGS_CLOAK_FAKE };

/* 0: the service is off. */
struct nj_settings_ports {
	uint16_t knock; /* UDP; the others are TCP */
	uint16_t mqtts;
	uint16_t mqtt;
	uint16_t smpp;
	uint16_t smpps;
	uint16_t https;
	uint16_t enrolment;
};

struct nj_settings_log {
	enum nj_log_level level;
	enum nj_log_format format;
};

/* User names or numeric uids; empty: the uid stays. */
struct nj_settings_users {
	char keeper[NJ_SETTINGS_USER_BYTES];
	char gateway[NJ_SETTINGS_USER_BYTES];
};

struct nj_settings_vault {
	char key_file[NJ_SETTINGS_PATH_BYTES]; /* absolute; empty: where the state is */
};

struct nj_settings_knock {
	uint32_t grant_ms;
	uint32_t time_window_ms;
	uint32_t rate_device_burst;
	uint32_t rate_device_refill_ms;
	uint32_t rate_global; /* a second */
	bool rekey;
	uint32_t rekey_interval_ms;
};

/* Of one address, listener, device or customer; 0: no limit. Rates are of a second. */
struct nj_settings_crowd {
	uint32_t connections;
	uint32_t connects;
	uint32_t unproven;
	uint32_t messages;
	uint64_t bytes;
};

struct nj_settings_limits {
	uint32_t devices;
	uint32_t connections;
	uint32_t unproven_per_source;
	uint32_t hello_timeout_ms;
	uint32_t bind_timeout_ms;
	uint64_t memory_bytes;
	struct nj_settings_crowd address, listener, device, customer;
	uint32_t flapping; /* connects of one client a minute; 0: no limit */
	uint64_t flapping_max_ms;
};

#define NJ_SETTINGS_MQTT_TEXT_BYTES 256
enum nj_settings_share {
	NJ_SETTINGS_SHARE_ROUND_ROBIN,
	NJ_SETTINGS_SHARE_LEAST_QUEUED,
	NJ_SETTINGS_SHARE_PUBLISHER,
	NJ_SETTINGS_SHARE_TOPIC,
};

enum nj_settings_queue_full { NJ_SETTINGS_QUEUE_REFUSE, NJ_SETTINGS_QUEUE_DROP_OLDEST };
enum nj_settings_durability { NJ_SETTINGS_DURABILITY_STRICT, NJ_SETTINGS_DURABILITY_RELAXED };

struct nj_settings_mqtt {
	uint32_t max_packet_bytes;
	uint32_t max_queued_messages; /* of a session */
	uint64_t max_queued_bytes;
	uint64_t customer_queued_bytes; /* of all sessions of a customer */
	uint64_t total_queued_bytes;
	enum nj_settings_queue_full queue_full;
	enum nj_settings_durability durability;
	uint16_t max_inflight;
	uint32_t max_topic_levels;
	uint32_t max_topic_bytes;
	uint32_t max_subscriptions; /* of a session */
	uint32_t max_sessions;
	uint64_t keep_alive_max_ms;
	uint64_t session_expiry_max_ms;
	uint32_t retained_max;
	uint64_t retained_max_bytes;
	uint64_t sys_interval_ms; /* 0: off */
	enum nj_settings_share share;
	char server_reference[NJ_SETTINGS_MQTT_TEXT_BYTES];
	char response_topic[NJ_SETTINGS_MQTT_TEXT_BYTES];
	uint32_t reactors; /* threads; 0: one a core */
	struct nj_origins origins;
};

struct nj_settings {
	char host[NJ_SETTINGS_HOST_BYTES];
	size_t listen_count;
	char listen[NJ_SETTINGS_LISTEN_MAX][NJ_ADDR_TEXT_BYTES];
	struct nj_addr listen_addr[NJ_SETTINGS_LISTEN_MAX]; /* filled by nj_settings_check; port 0 */
	struct nj_settings_ports ports;
	enum nj_settings_cloak cloak;
	struct nj_settings_log log;
	struct nj_settings_users users;
	struct nj_settings_vault vault;
	struct nj_settings_knock knock;
	struct nj_settings_limits limits;
	struct nj_settings_mqtt mqtt;
	size_t local_count;
	struct nj_settings_local local[NJ_SETTINGS_LOCAL_MAX];
	size_t proxy_count;
	struct nj_settings_proxy proxy[NJ_SETTINGS_PROXIED_MAX];
	size_t guard_count;
	struct nj_settings_guard guard[NJ_GUARDS_MAX];
	struct nj_settings_perimeter perimeter;
	size_t bridge_count;
	struct nj_settings_bridge bridges[NJ_BRIDGES_MAX];
};

/* Every key at its default, checked. */
void nj_settings_default(struct nj_settings *out_settings);

/* NJ_ERR_CONFIG with a sentence that names the line, or an error of nj_file_read; `out_settings` is untouched then. */
NJ_MUST_USE enum nj_err nj_settings_load(const char *path, struct nj_settings *out_settings, struct nj_why *why);

/* The same from memory; `name` is what errors call the text. */
NJ_MUST_USE enum nj_err nj_settings_parse(const char *name, const char *text, size_t len,
					  struct nj_settings *out_settings, struct nj_why *why);

/* The rules that span keys (addresses, ports, local listeners); fills the parsed addresses. Load and parse call it. */
NJ_MUST_USE enum nj_err nj_settings_check(struct nj_settings *settings, struct nj_why *why);

/* Of a reload: what differs between the running settings and those of the file, as two lists for people, parted by
 * ", " and cut at their ends. */
#define NJ_SETTINGS_CHANGES_BYTES 1000
struct nj_settings_changes {
	char live[NJ_SETTINGS_CHANGES_BYTES];    /* taken over */
	char restart[NJ_SETTINGS_CHANGES_BYTES]; /* wait for the next start */
};
void nj_settings_changes(const struct nj_settings *running, const struct nj_settings *wanted,
			 struct nj_settings_changes *out_changes);
/* `running` with the live values of `wanted`, checked as a whole; NJ_ERR_CONFIG when the mixture breaks a rule. */
NJ_MUST_USE enum nj_err nj_settings_merge(const struct nj_settings *running, const struct nj_settings *wanted,
					  struct nj_settings *out_settings, struct nj_why *why);

/* A commented file that reads back as `settings`. */
void nj_settings_print(const struct nj_settings *settings, FILE *out);

/* The same of the defaults: the reference of all keys. */
void nj_settings_print_reference(FILE *out);

/* The table, for documentation and tests. */
struct nj_config_section;
const struct nj_config_section *nj_settings_schema(void);

#endif
