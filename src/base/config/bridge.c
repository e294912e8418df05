#include "base/config/bridge.h"

#include "base/config/config.h"
#include "base/config/settings.h"

#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define PORT_PLAIN 1883
#define PORT_TLS 8883

static const char *const direction_names[] = {
	[NJ_BRIDGE_OUT] = "out",
	[NJ_BRIDGE_IN] = "in",
	[NJ_BRIDGE_BOTH] = "both",
	NULL,
};
static const char *const protocol_names[] = {
	[NJ_BRIDGE_AUTO] = "auto",
	[NJ_BRIDGE_V5] = "v5",
	[NJ_BRIDGE_V311] = "v311",
	NULL,
};

/* clang-format off */
#define TEXT(name) .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_bridge, name), .min = 1, \
	.max = sizeof(((struct nj_settings_bridge *)0)->name) - 1
#define TOPIC_TEXT(name) .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_bridge_topic, name), .min = 1, \
	.max = sizeof(((struct nj_settings_bridge_topic *)0)->name) - 1

static const struct nj_config_row topic_rows[] = {
	{ "filter", "Topic filter behind the prefixes; without it, the prefixes are one topic on either side.",
	  .example = "\"sensors/#\"", TOPIC_TEXT(filter) },
	{ "direction", "out: what is published here goes there; in: the other way; both.", .example = "out",
	  .names = direction_names, .required = true,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_bridge_topic, direction) },
	{ "qos", "The highest QoS; messages of a lower one keep theirs.", "1",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_bridge_topic, qos), .max = 2 },
	{ "local", "What topics here begin with, and those there do not.", .example = "plant/", TOPIC_TEXT(local) },
	{ "remote", "What topics there begin with, and those here do not.", .example = "site7/", TOPIC_TEXT(remote) },
};

static const struct nj_config_section topic_section = NJ_CONFIG_SECTION_OF(struct nj_settings_bridge_topic, topic_rows);

static const struct nj_config_row bridge_rows[] = {
	{ "name", "What people call it; also of its session here, $bridge/NAME.", .example = "plant", .required = true,
	  TEXT(name) },
	{ "address", "The other broker, HOST or HOST:PORT; without a port 1883, with TLS 8883.",
	  .example = "\"broker.example:8883\"", .required = true, TEXT(address) },
	{ "as", "Name of the application whose rights and queue the bridge has here.", .example = "my-application",
	  .required = true, TEXT(as) },
	{ "protocol", "MQTT 5.0, 3.1.1, or the one of them that the peer takes.", "auto", .names = protocol_names,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_bridge, protocol) },
	{ "client_id", "Client identifier at the peer; without it nightjar-NAME. No two bridges to one peer may share it.",
	  .example = "nightjar-plant", TEXT(client_id) },
	{ "username", "User name at the peer.", .example = "plant", TEXT(username) },
	{ "password_file", "Absolute path of a file whose first line is the password.",
	  .example = "/etc/nightjar/plant.password", TEXT(password_file) },
	{ "keep_alive", "How often the peer is asked whether it is there, when nothing else is said.", "60s",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_bridge, keep_alive_ms), .min = 1 * SECOND,
	  .max = 65535 * SECOND },
	{ "clean", "Whether the peer forgets the bridge when it is away: what comes in meanwhile is lost then, and what "
	  "goes out with QoS 2 may come twice.", "false",
	  .type = NJ_CONFIG_BOOL, NJ_CONFIG_AT(struct nj_settings_bridge, clean) },
	{ "session_expiry", "How long a peer of MQTT 5 keeps the bridge's session when it is away.", "30d",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_bridge, session_expiry_ms), .min = 1 * SECOND,
	  .max = 3650 * DAY },
	{ "retry_min", "The wait after the first failure; each further one doubles it, with chance in it.", "1s",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_bridge, retry_min_ms), .min = 100, .max = 1 * HOUR },
	{ "retry_max", "The longest wait.", "1min",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_bridge, retry_max_ms), .min = 100, .max = 1 * DAY },
	{ "tls", "TLS 1.3, with the peer proved by ca_file or psk_file.", "false",
	  .type = NJ_CONFIG_BOOL, NJ_CONFIG_AT(struct nj_settings_bridge, tls) },
	{ "ca_file", "Absolute path of the CA's certificates (PEM), one of which must have certified the peer.",
	  .example = "/etc/nightjar/plant-ca.pem", TEXT(ca_file) },
	{ "certificate_file", "Absolute path of the bridge's own certificate (PEM, with those between it and its CA).",
	  .example = "/etc/nightjar/plant.pem", TEXT(certificate_file) },
	{ "key_file", "Absolute path of that certificate's private key (PEM, not encrypted).",
	  .example = "/etc/nightjar/plant.key", TEXT(key_file) },
	{ "server_name", "Name or address in the peer's certificate; without it, the host of `address`.",
	  .example = "broker.example", TEXT(server_name) },
	{ "psk_identity", "Identity of a key that both sides share, in place of certificates.", .example = "plant",
	  TEXT(psk_identity) },
	{ "psk_file", "Absolute path of a file whose first line is that key, as 64 hex digits.",
	  .example = "/etc/nightjar/plant.psk", TEXT(psk_file) },
	{ "topics", "Which topics go which way; the first that fits a message renames it.", .type = NJ_CONFIG_SECTIONS,
	  .section = &topic_section, NJ_CONFIG_LIST_AT(struct nj_settings_bridge, topics, topic_count) },
};
/* clang-format on */

const struct nj_config_section nj_bridge_section = NJ_CONFIG_SECTION_OF(struct nj_settings_bridge, bridge_rows);

/* ---- addresses ---- */

static bool host_valid(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	return host[0] != '\0' && host[0] != '-' && host[strspn(host, letters)] == '\0';
}

/* "name", "name:port", "192.0.2.1:port", "2001:db8::1", "[2001:db8::1]:port" */
static enum nj_err split_address(struct nj_settings_bridge *b)
{
	const char *colon = strrchr(b->address, ':');
	struct nj_addr addr;
	uint64_t port = b->tls ? PORT_TLS : PORT_PLAIN;
	char text[NJ_ADDR_TEXT_BYTES];

	if (nj_addr_parse(b->address, &addr) == NJ_OK) {
		b->port = addr.port != 0 ? addr.port : (uint16_t)port;
		return nj_text_copy(b->host, sizeof(b->host), nj_addr_host_text(&addr, text));
	}
	size_t len = colon != NULL ? (size_t)(colon - b->address) : strlen(b->address);
	if (colon != NULL)
		NJ_TRY(nj_number_parse(colon + 1, 1, UINT16_MAX, &port));
	NJ_TRY(nj_text_copy_view(b->host, sizeof(b->host), nj_view_of(b->address, len)));
	b->port = (uint16_t)port;
	return host_valid(b->host) ? NJ_OK : NJ_ERR_MALFORMED;
}

/* ---- rules ---- */

static enum nj_err check_paths(const struct nj_settings_bridge *b, struct nj_why *why)
{
	const char *const paths[] = { b->password_file, b->ca_file, b->certificate_file, b->key_file, b->psk_file };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i][0] != '\0' && paths[i][0] != '/')
			return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: '%s' is not an absolute path", b->name,
				      paths[i]);
	return NJ_OK;
}

static enum nj_err check_tls(const struct nj_settings_bridge *b, struct nj_why *why)
{
	bool psk = b->psk_file[0] != '\0';
	bool any = psk || b->ca_file[0] != '\0' || b->certificate_file[0] != '\0' || b->server_name[0] != '\0';

	if (!b->tls && any)
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: files of TLS without `tls: true`", b->name);
	if (b->tls && !psk && b->ca_file[0] == '\0')
		return nj_why(why, NJ_ERR_CONFIG,
			      "bridges: %s: tls: ca_file or psk_file must say how the peer is known", b->name);
	if (psk && b->ca_file[0] != '\0')
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: ca_file and psk_file: one of them", b->name);
	if (psk != (b->psk_identity[0] != '\0'))
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: psk_file and psk_identity go together", b->name);
	if ((b->certificate_file[0] != '\0') != (b->key_file[0] != '\0'))
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: certificate_file and key_file go together", b->name);
	return NJ_OK;
}

static enum nj_err check_topics(const struct nj_settings_bridge *b, struct nj_why *why)
{
	if (b->topic_count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: topics: at least one is needed", b->name);
	for (size_t i = 0; i < b->topic_count; i++) {
		const struct nj_settings_bridge_topic *t = &b->topics[i];
		if (t->filter[0] == '\0' && (t->local[0] == '\0' || t->remote[0] == '\0'))
			return nj_why(why, NJ_ERR_CONFIG,
				      "bridges: %s: topics: without `filter`, `local` and `remote` are both needed",
				      b->name);
	}
	return NJ_OK;
}

static enum nj_err check_one(struct nj_settings_bridge *b, struct nj_why *why)
{
	if (!nj_name_valid(b->name))
		return nj_why(why, NJ_ERR_CONFIG, "bridges: name: '%s' is not a valid name", b->name);
	if (!nj_name_valid(b->as))
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: as: '%s' is not a valid name", b->name, b->as);
	if (split_address(b) != NJ_OK)
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: '%s' is neither HOST nor HOST:PORT", b->name,
			      b->address);
	if (b->retry_min_ms > b->retry_max_ms)
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: retry_min is longer than retry_max", b->name);
	if (b->password_file[0] != '\0' && b->username[0] == '\0')
		return nj_why(why, NJ_ERR_CONFIG, "bridges: %s: password_file without username", b->name);
	NJ_TRY(check_paths(b, why));
	NJ_TRY(check_tls(b, why));
	return check_topics(b, why);
}

enum nj_err nj_settings_check_bridges(struct nj_settings *settings, struct nj_why *why)
{
	for (size_t i = 0; i < settings->bridge_count; i++) {
		NJ_TRY(check_one(&settings->bridges[i], why));
		for (size_t j = 0; j < i; j++)
			if (strcmp(settings->bridges[i].name, settings->bridges[j].name) == 0)
				return nj_why(why, NJ_ERR_CONFIG, "bridges: '%s' is there twice",
					      settings->bridges[i].name);
	}
	return NJ_OK;
}
