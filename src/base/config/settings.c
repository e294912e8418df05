#include "base/config/settings.h"

#include "base/config/config.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const char *const cloak_names[] = {
	[NJ_SETTINGS_CLOAK_BPF] = "bpf",
	[NJ_SETTINGS_CLOAK_CBPF] = "cbpf",
	[NJ_SETTINGS_CLOAK_FAKE] = "fake",
	NULL,
};
static const char *const durability_names[] = {
	[NJ_SETTINGS_DURABILITY_STRICT] = "strict", [NJ_SETTINGS_DURABILITY_RELAXED] = "relaxed", NULL
};
static const char *const queue_full_names[] = {
	[NJ_SETTINGS_QUEUE_REFUSE] = "refuse", [NJ_SETTINGS_QUEUE_DROP_OLDEST] = "drop-oldest", NULL
};
static const char *const local_cloak_names[] = { [NJ_SETTINGS_LOCAL_CLOAK_NONE] = "none", NULL };
static const char *const local_service_names[] = {
	[NJ_SETTINGS_LOCAL_MQTT] = "mqtt",
	[NJ_SETTINGS_LOCAL_MQTTS] = "mqtts",
	[NJ_SETTINGS_LOCAL_SMPP] = "smpp",
	[NJ_SETTINGS_LOCAL_HTTPS] = "https",
	NULL,
};
static const char *const proxied_names[] = {
	[NJ_SETTINGS_PROXIED_MQTTS] = "mqtts",
	[NJ_SETTINGS_PROXIED_MQTT] = "mqtt",
	[NJ_SETTINGS_PROXIED_ENROLMENT] = "enrolment",
	NULL,
};
static const char *const guard_protocol_names[] = {
	[NJ_SETTINGS_GUARD_TCP] = "tcp",
	[NJ_SETTINGS_GUARD_UDP] = "udp",
	NULL,
};
static const char *const perimeter_mode_names[] = {
	[NJ_SETTINGS_PERIMETER_OFF] = "off",
	[NJ_SETTINGS_PERIMETER_DROP_ALL] = "drop-all",
	NULL,
};
static const char *const share_names[] = {
	[NJ_SETTINGS_SHARE_ROUND_ROBIN] = "round-robin",
	[NJ_SETTINGS_SHARE_LEAST_QUEUED] = "least-queued",
	[NJ_SETTINGS_SHARE_PUBLISHER] = "publisher",
	[NJ_SETTINGS_SHARE_TOPIC] = "topic",
	NULL,
};
static const char *const log_level_names[] = {
	[NJ_LOG_ERROR] = "error", [NJ_LOG_WARN] = "warn", [NJ_LOG_INFO] = "info", [NJ_LOG_DEBUG] = "debug", NULL,
};
static const char *const log_format_names[] = { [NJ_LOG_LOGFMT] = "logfmt", [NJ_LOG_JSON] = "json", NULL };

/* clang-format off */
#define PORT(name, port, words) \
	{ #name, words, .text = port, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_ports, name), .max = 65535 }

static const struct nj_config_row ports_rows[] = {
	PORT(knock, "62201", "UDP port of the knock."),
	PORT(mqtts, "8883", "MQTT over TLS."),
	PORT(mqtt, "1883", "MQTT without TLS, for devices whose payloads are sealed or whose policy allows it."),
	PORT(smpp, "2775", "SMPP without TLS."),
	PORT(smpps, "3550", "SMPP over TLS."),
	PORT(https, "8443", "The portal and its API."),
	PORT(enrolment, "8844", "Where devices get a new root key by their recovery key, in the operator's window."),
};

static const struct nj_config_row log_rows[] = {
	{ "level", "What is logged: this and all that is graver.", "info", .names = log_level_names,
	  .live = true, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_log, level) },
	{ "format", "A line of log on standard error as logfmt or JSON.", "logfmt", .names = log_format_names,
	  .live = true, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_log, format) },
};

static const struct nj_config_row users_rows[] = {
	{ "keeper", "User name or uid of the keeper process.", .example = "nightjar-keeper",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_users, keeper), .min = 1, .max = 32 },
	{ "gateway", "User name or uid of the gateway process.", .example = "nightjar",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_users, gateway), .min = 1, .max = 32 },
};

static const struct nj_config_row vault_rows[] = {
	{ "key_file", "Absolute path of the vault's master key. Without it the key lies with the state.",
	  .example = "/etc/nightjar/vault.key",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_vault, key_file), .min = 2, .max = 511 },
};

static const struct nj_config_row knock_rows[] = {
	{ "grant", "How long a port stays open for the source of an accepted knock.", "30s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_knock, grant_ms),
	  .min = 1 * SECOND, .max = 300 * SECOND },
	{ "time_window", "How far the clock of a knock that carries the time may be off.", "60s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_knock, time_window_ms),
	  .min = 1 * SECOND, .max = 1 * HOUR },
	{ "rate_device_burst", "Knocks that one device may send at once.", "8",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_knock, rate_device_burst), .min = 1, .max = 255 },
	{ "rate_device_refill", "After the burst, a device may knock once in this time.", "5s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_knock, rate_device_refill_ms),
	  .min = 100, .max = 1 * HOUR },
	{ "rate_global", "Knocks of all devices together that are taken up in a second.", "20000",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_knock, rate_global), .min = 1, .max = 1000000 },
	{ "rekey", "Whether devices that can are given new root keys in their sessions.", "true",
	  .type = NJ_CONFIG_BOOL, NJ_CONFIG_AT(struct nj_settings_knock, rekey) },
	{ "rekey_interval", "A device gets a new root key at most once in this time.", "1h",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_knock, rekey_interval_ms),
	  .min = 1 * SECOND, .max = 1000 * HOUR },
};

#define CROWD_NUMBER(key, words, number, scope, member) \
	{ key, words, number, .live = true, .type = NJ_CONFIG_UINT, \
	  NJ_CONFIG_AT(struct nj_settings_limits, scope.member), .max = 10000000 }
/* What one of a kind may have, and take in a second. */
#define CROWD(scope, whose, at_once, in_a_second, told, sized) \
	CROWD_NUMBER("connections_per_" #scope, "Connections of " whose " at once; 0: no limit.", at_once, \
		     scope, connections), \
	CROWD_NUMBER("connects_per_" #scope, "New connections of " whose " in a second; 0: no limit.", in_a_second, scope, \
		     connects), \
	CROWD_NUMBER("messages_per_" #scope, "Messages of " whose " that are read in a second, all connections together; " \
		     "what is more waits; 0: no limit.", told, scope, messages), \
	{ "bytes_per_" #scope, "The same in bytes.", sized, .live = true, .type = NJ_CONFIG_BYTES, \
	  NJ_CONFIG_AT(struct nj_settings_limits, scope.bytes), .max = 1024 * GIB }

static const struct nj_config_row limits_rows[] = {
	{ "devices", "Devices that may be registered.", "100000",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_limits, devices), .min = 1, .max = 4000000 },
	{ "connections", "Connections open at once, proven or not.", "10000",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_limits, connections), .min = 1, .max = 1000000 },
	{ "unproven_per_source", "Connections of one source that have not yet proven who they are; the oldest gives way.",
	  "64",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_limits, unproven_per_source), .min = 1, .max = 10000 },
	{ "hello_timeout", "From the connection to its first complete message.", "3s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_limits, hello_timeout_ms),
	  .min = 100, .max = 5 * MINUTE },
	{ "bind_timeout", "From the connection to the proof of who it is.", "10s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_limits, bind_timeout_ms),
	  .min = 100, .max = 5 * MINUTE },
	{ "memory", "What connections, queues and messages may take together; past it, back-pressure and refusal.",
	  "256MiB",
	  .live = true, .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_limits, memory_bytes), .min = 16 * MIB,
	  .max = 1024 * GIB },
	CROWD(address, "one address (of IPv6, one /64), but not of this machine's own,", "0", "2000", "0", "0"),
	CROWD(listener, "one listener", "0", "0", "0", "0"),
	CROWD_NUMBER("unproven_per_listener", "Connections to one listener that have not yet proven who they are; 0: no limit.",
		     "4096", listener, unproven),
	CROWD(device, "one device", "16", "20", "10000", "16MiB"),
	CROWD(customer, "one customer", "0", "0", "0", "0"),
	{ "flapping", "Connects of one client in a minute, by its client identifier; who comes more often is put off, for "
	  "twice as long each time; 0: no limit.", "1200",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_limits, flapping), .max = 100000 },
	{ "flapping_max", "The longest time for which a client is put off.", "5min",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_limits, flapping_max_ms),
	  .min = 1 * SECOND, .max = 1 * DAY },
};

static const struct nj_config_row mqtt_rows[] = {
	{ "reactors", "Threads that serve MQTT clients; 0: one for each core.", "1",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, reactors), .max = 16 },
	{ "max_packet", "Largest MQTT packet that is taken or sent.", "256KiB",
	  .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, max_packet_bytes), .min = KIB, .max = 255 * MIB },
	{ "max_queued_messages", "Messages waiting for one session.", "10000",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, max_queued_messages), .min = 1, .max = 1000000 },
	{ "max_queued_bytes", "Bytes of the messages waiting for one session.", "8MiB",
	  .live = true, .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, max_queued_bytes), .min = KIB, .max = 16 * GIB },
	{ "customer_queued_bytes", "Bytes of the messages on disk that wait for all sessions of one customer.", "1GiB",
	  .live = true, .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, customer_queued_bytes), .min = KIB, .max = 1024 * GIB },
	{ "total_queued_bytes", "Bytes of all messages on disk that wait for sessions.", "4GiB",
	  .live = true, .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, total_queued_bytes), .min = KIB, .max = 1024 * GIB },
	{ "queue_full",
	  "What happens to a message for a session that has reached one of these ceilings: refuse, it does not get it, and a "
	  "publisher whom nobody takes it from is told so (0x97); drop-oldest, what waits longest for that session and was "
	  "never sent goes for it, and is counted.",
	  "refuse", .names = queue_full_names, .live = true,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_mqtt, queue_full) },
	{ "durability",
	  "When a message is acknowledged to its publisher: strict, when it is on disk or every receiver has "
	  "acknowledged it; relaxed, at once: a crash loses up to a second of QoS 1 messages (QoS 2 stays strict).",
	  "strict", .names = durability_names,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_mqtt, durability) },
	{ "max_inflight", "Messages sent to one session and not yet acknowledged.", "100",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, max_inflight), .min = 1, .max = 65535 },
	{ "max_topic_levels", "Levels of a topic or filter.", "16",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, max_topic_levels), .min = 1, .max = 128 },
	{ "max_topic_bytes", "Length of a topic or filter.", "1024",
	  .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, max_topic_bytes), .min = 1, .max = 65535 },
	{ "max_subscriptions", "Subscriptions of one session.", "100",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, max_subscriptions), .min = 1, .max = 100000 },
	{ "max_sessions", "Sessions, connected or kept for a client that will be back.", "20000",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, max_sessions), .min = 1, .max = 4000000 },
	{ "keep_alive_max", "Longest keep-alive; a client that asks for more, or for none, gets this.", "1h",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_mqtt, keep_alive_max_ms),
	  .min = 1 * SECOND, .max = 65535 * SECOND },
	{ "session_expiry_max", "Longest time that a session outlives its connection.", "1d",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_mqtt, session_expiry_max_ms), .max = 365 * DAY },
	{ "retained_max", "Retained messages.", "100000",
	  .live = true, .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_mqtt, retained_max), .max = 10000000 },
	{ "retained_max_bytes", "Bytes of all retained messages.", "64MiB",
	  .live = true, .type = NJ_CONFIG_BYTES, NJ_CONFIG_AT(struct nj_settings_mqtt, retained_max_bytes), .max = 64 * GIB },
	{ "sys_interval", "How often $SYS topics tell a customer its own numbers; 0 turns them off. Profiles must allow them by "
	  "name: no leading wildcard reaches them.", "10s",
	  .live = true, .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_mqtt, sys_interval_ms), .max = 1 * DAY },
	{ "shared", "Who of a shared subscription gets a message: each in turn, whoever has least to do, or the same one for "
	  "each publisher or topic.", "round-robin", .names = share_names,
	  .live = true, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_mqtt, share) },
	{ "server_reference", "Where else clients may go, told to those of MQTT 5 when this gateway stops or is full.",
	  .example = "other.example:8883",
	  .live = true, .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_mqtt, server_reference), .min = 1, .max = 255 },
	{ "response_topic", "Where clients of MQTT 5 that ask may have responses sent; {customer} and {name} are filled in. "
	  "Told only to those who may subscribe below it.",
	  .example = "\"reply/{name}\"",
	  .live = true, .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_mqtt, response_topic), .min = 1, .max = 255 },
	{ "origins", "Web pages (SCHEME://HOST, with :PORT where it is not the scheme's own) that may open a WebSocket to the "
	  "services behind a knock. Without any, no page may; programs that name no origin are not asked.",
	  .example = "[\"https://app.example\"]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_mqtt, origins.at, origins.count), .min = 1,
	  .max = NJ_ORIGIN_BYTES - 1 },
};

static const struct nj_config_row local_rows[] = {
	{ "service", "What is spoken here; mqtts is TLS 1.3 by the gateway's certificate, asking for none.", .example = "mqtt", .names = local_service_names, .required = true,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_local, service) },
	{ "address", "Loopback address with port, or unix:/absolute/path. Another address with port, where `exposed` says so.", .example = "\"127.0.0.1:11883\"",
	  .required = true,
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_local, address), .min = 1, .max = 127 },
	{ "as", "Name of the application that connects here.", .example = "my-application", .required = true,
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_local, as), .min = 1, .max = 64 },
	{ "group", "Group whose members may use a unix: socket, beside the user who started the gateway.",
	  .example = "sensors",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_local, group), .min = 1, .max = 32 },
	{ "verifier", "What `nightjar mqtt verifier` printed: clients must prove that they know the password, with the "
	  "application's name as user name, by SCRAM-SHA-256 (MQTT 5) or plainly. Without it nobody is asked.",
	  .example = "SCRAM-SHA-256$4096:...",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_local, verifier), .min = 1, .max = 159 },
	{ "cloak", "A local listener has no cloak.", "none", .names = local_cloak_names,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_local, cloak) },
	{ "exposed", "true: the address is one that other machines can reach, and whoever reaches it is that application. "
	  "Status and audit log show it.", "false",
	  .type = NJ_CONFIG_BOOL, NJ_CONFIG_AT(struct nj_settings_local, exposed) },
	{ "proxy", "Addresses, or ADDRESS/BITS, whose connections here begin with a PROXY header (version 2); from nobody else "
	  "is one read.", .example = "[\"127.0.0.1\"]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_local, proxy.at, proxy.count), .min = 1,
	  .max = NJ_ADDR_TEXT_BYTES - 1 },
	{ "origins", "Web pages that may open a WebSocket here, as `mqtt.origins`.", .example = "[\"http://localhost:3000\"]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_local, origins.at, origins.count), .min = 1,
	  .max = NJ_ORIGIN_BYTES - 1 },
};

static const struct nj_config_row proxy_rows[] = {
	{ "service", "Whose port it is.", .example = "mqtts", .names = proxied_names, .required = true,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_proxy, service) },
	{ "from", "Addresses of the proxies, or ADDRESS/BITS. They reach the port without a knock, and each of their "
	  "connections begins with a PROXY header (version 2): who it names must have knocked.",
	  .example = "[\"10.0.0.7\"]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_proxy, from.at, from.count), .min = 1,
	  .max = NJ_ADDR_TEXT_BYTES - 1 },
};

static const struct nj_config_row guard_rows[] = {
	{ "name", "What people call the service; nightjar knock --service guard:NAME.", .example = "ssh", .required = true,
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings_guard, name), .min = 1, .max = 64 },
	{ "protocol", "What its port speaks.", "tcp", .names = guard_protocol_names,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_guard, protocol) },
	{ "port", "Its port on this host.", .example = "22", .required = true,
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_guard, port), .min = 1, .max = 65535 },
	{ "profiles", "Profiles whose devices and applications may knock for it.", .example = "[operators]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_guard, profiles, profile_count), .min = 1,
	  .max = 64 },
	{ "parties", "Single devices or applications that may: NAME, or CUSTOMER/NAME.", .example = "[laptop-7]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_guard, parties, party_count), .min = 1,
	  .max = 129 },
	{ "grant", "How long a knock opens it; connections that stand go on.", "30s",
	  .type = NJ_CONFIG_DURATION, NJ_CONFIG_AT(struct nj_settings_guard, grant_ms), .min = 1 * SECOND,
	  .max = 300 * SECOND },
	{ "id", "Its number in a knock, from 256 to 32767; 0: one that follows from the name.", "0",
	  .type = NJ_CONFIG_UINT, NJ_CONFIG_AT(struct nj_settings_guard, id), .max = 65535 },
};

static const struct nj_config_row perimeter_rows[] = {
	{ "mode", "drop-all: from the start, the host answers nobody but whom this file lets in. off: until "
	  "`nightjar perimeter on`.", "off", .names = perimeter_mode_names,
	  .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings_perimeter, mode) },
	{ "allow", "Who is let in without a knock: ADDRESS, ADDRESS/BITS, with tcp/PORT or udp/PORT behind it; or any "
	  "tcp/PORT.", .example = "[\"192.0.2.0/24 tcp/22\"]",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings_perimeter, allow, allow_count), .min = 1,
	  .max = 79 },
};

#define SECTION(name, table) NJ_CONFIG_SECTION_OF(struct nj_settings_##name, table)
static const struct nj_config_section ports_section = SECTION(ports, ports_rows);
static const struct nj_config_section log_section = SECTION(log, log_rows);
static const struct nj_config_section users_section = SECTION(users, users_rows);
static const struct nj_config_section vault_section = SECTION(vault, vault_rows);
static const struct nj_config_section knock_section = SECTION(knock, knock_rows);
static const struct nj_config_section limits_section = SECTION(limits, limits_rows);
static const struct nj_config_section mqtt_section = SECTION(mqtt, mqtt_rows);
static const struct nj_config_section local_section = SECTION(local, local_rows);
static const struct nj_config_section proxy_section = SECTION(proxy, proxy_rows);
static const struct nj_config_section guard_section = SECTION(guard, guard_rows);
static const struct nj_config_section perimeter_section = SECTION(perimeter, perimeter_rows);

#define IN(name) .type = NJ_CONFIG_SECTION, .section = &name##_section, NJ_CONFIG_AT(struct nj_settings, name)

static const struct nj_config_row rows[] = {
	{ "host", "Name or address under which devices and people reach this gateway.", "localhost",
	  .type = NJ_CONFIG_STRING, NJ_CONFIG_AT(struct nj_settings, host), .min = 1, .max = 253 },
	{ "listen", "Addresses of this machine on which the ports are served.", "0.0.0.0 ::",
	  .type = NJ_CONFIG_STRINGS, NJ_CONFIG_LIST_AT(struct nj_settings, listen, listen_count), .min = 1, .max = 63 },
	{ "ports", "A port for each service; 0 turns the service off.", IN(ports) },
	{ "cloak", "What keeps the ports dark: bpf, a filter in the kernel; cbpf, a lesser one that needs no privilege; "
	  "fake, nothing at all, for trials only.", "bpf",
	  .names = cloak_names, .type = NJ_CONFIG_ENUM, NJ_CONFIG_AT(struct nj_settings, cloak) },
	{ "log", "The service's log.", IN(log) },
	{ "users", "Whom the processes become when they are started by root.", IN(users) },
	{ "vault", "Where secrets are kept.", IN(vault) },
	{ "knock", "The knock and what it opens.", IN(knock) },
	{ "limits", "Ceilings of the whole gateway.", IN(limits) },
	{ "mqtt", "Limits of MQTT.", IN(mqtt) },
	{ "local", "Listeners without a cloak for applications on this machine.", .type = NJ_CONFIG_SECTIONS,
	  .section = &local_section, NJ_CONFIG_LIST_AT(struct nj_settings, local, local_count) },
	{ "proxy", "Proxies (HAProxy with send-proxy-v2, or alike) before a cloaked service.", .type = NJ_CONFIG_SECTIONS,
	  .section = &proxy_section, NJ_CONFIG_LIST_AT(struct nj_settings, proxy, proxy_count) },
	{ "guard", "Services of this host that are not Nightjar's and answer only who has knocked for them.",
	  .type = NJ_CONFIG_SECTIONS,
	  .section = &guard_section, NJ_CONFIG_LIST_AT(struct nj_settings, guard, guard_count) },
	{ "perimeter", "The whole host.", IN(perimeter) },
	{ "bridges", "Other brokers, and which topics go there and come from there.", .type = NJ_CONFIG_SECTIONS,
	  .live = true, .section = &nj_bridge_section, NJ_CONFIG_LIST_AT(struct nj_settings, bridges, bridge_count) },
};
/* clang-format on */

static const struct nj_config_section schema = NJ_CONFIG_SECTION_OF(struct nj_settings, rows);

const struct nj_config_section *nj_settings_schema(void)
{
	return &schema;
}

static enum nj_err check_host(const struct nj_settings *s, struct nj_why *why)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-";

	if (s->host[strspn(s->host, letters)] != '\0')
		return nj_why(why, NJ_ERR_CONFIG, "host: '%s' is neither a host name nor an address", s->host);
	return NJ_OK;
}

static enum nj_err check_listen(struct nj_settings *s, struct nj_why *why)
{
	if (s->listen_count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "listen: at least one address is needed");
	for (size_t i = 0; i < s->listen_count; i++) {
		if (nj_addr_parse(s->listen[i], &s->listen_addr[i]) != NJ_OK || s->listen_addr[i].port != 0)
			return nj_why(why, NJ_ERR_CONFIG, "listen: '%s' is not an IP address without port",
				      s->listen[i]);
		for (size_t j = 0; j < i; j++)
			if (nj_addr_same_host(&s->listen_addr[i], &s->listen_addr[j]))
				return nj_why(why, NJ_ERR_CONFIG, "listen: '%s' is there twice", s->listen[i]);
	}
	return NJ_OK;
}

static uint16_t port_of(const struct nj_settings *s, const struct nj_config_row *row)
{
	return *(const uint16_t *)(const void *)((const char *)&s->ports + row->offset);
}

static enum nj_err check_ports(const struct nj_settings *s, struct nj_why *why)
{
	for (size_t i = 0; i < ports_section.count; i++)
		for (size_t j = 0; j < i; j++)
			if (port_of(s, &ports_rows[i]) != 0 && port_of(s, &ports_rows[i]) == port_of(s, &ports_rows[j]))
				return nj_why(why, NJ_ERR_CONFIG, "ports: %s and %s are both %u", ports_rows[j].key,
					      ports_rows[i].key, port_of(s, &ports_rows[i]));
	return NJ_OK;
}

static enum nj_err check_rest(const struct nj_settings *s, struct nj_why *why)
{
	if (s->users.keeper[0] != '\0' && strcmp(s->users.keeper, s->users.gateway) == 0)
		return nj_why(why, NJ_ERR_CONFIG, "users: keeper and gateway must differ, both are '%s'",
			      s->users.keeper);
	if (s->vault.key_file[0] != '\0' && s->vault.key_file[0] != '/')
		return nj_why(why, NJ_ERR_CONFIG, "vault: key_file: '%s' is not an absolute path", s->vault.key_file);
	if (s->limits.hello_timeout_ms > s->limits.bind_timeout_ms)
		return nj_why(why, NJ_ERR_CONFIG, "limits: hello_timeout is longer than bind_timeout");
	return NJ_OK;
}

enum nj_err nj_settings_check(struct nj_settings *settings, struct nj_why *why)
{
	NJ_TRY(check_host(settings, why));
	NJ_TRY(check_listen(settings, why));
	NJ_TRY(check_ports(settings, why));
	NJ_TRY(nj_settings_check_listeners(settings, why));
	NJ_TRY(nj_settings_check_perimeter(settings, why));
	NJ_TRY(nj_settings_check_bridges(settings, why));
	return check_rest(settings, why);
}

void nj_settings_default(struct nj_settings *out_settings)
{
	nj_config_defaults(&schema, out_settings);
	/* A default that breaks a rule is our own mistake. */
	if (nj_settings_check(out_settings, NULL) != NJ_OK)
		abort();
}

static enum nj_err finish(const char *name, struct nj_settings *aside, struct nj_settings *out_settings,
			  struct nj_why *why)
{
	struct nj_why cause = { "" };
	enum nj_err err = nj_settings_check(aside, &cause);

	if (err != NJ_OK)
		return nj_why(why, err, "%s: %.400s", name, cause.text);
	*out_settings = *aside;
	return NJ_OK;
}

enum nj_err nj_settings_load(const char *path, struct nj_settings *out_settings, struct nj_why *why)
{
	struct nj_settings aside;

	NJ_TRY(nj_config_load(&schema, path, &aside, why));
	return finish(path, &aside, out_settings, why);
}

enum nj_err nj_settings_parse(const char *name, const char *text, size_t len, struct nj_settings *out_settings,
			      struct nj_why *why)
{
	struct nj_settings aside;

	NJ_TRY(nj_config_parse(&schema, name, text, len, &aside, why));
	return finish(name, &aside, out_settings, why);
}

static void change_add(void *arg, const char *path, bool live)
{
	struct nj_settings_changes *changes = arg;
	char *list = live ? changes->live : changes->restart;
	size_t len = strlen(list);

	/* A list that is full names the first ones. */
	(void)!nj_text_format(list + len, NJ_SETTINGS_CHANGES_BYTES - len, "%s%s", len > 0 ? ", " : "", path);
}

void nj_settings_changes(const struct nj_settings *running, const struct nj_settings *wanted,
			 struct nj_settings_changes *out_changes)
{
	*out_changes = (struct nj_settings_changes){ "", "" };
	nj_config_changes(&schema, running, wanted, change_add, out_changes);
}

enum nj_err nj_settings_merge(const struct nj_settings *running, const struct nj_settings *wanted,
			      struct nj_settings *out_settings, struct nj_why *why)
{
	struct nj_settings mixed = *running;

	nj_config_take_live(&schema, wanted, &mixed);
	NJ_TRY(nj_settings_check(&mixed, why));
	*out_settings = mixed;
	return NJ_OK;
}

void nj_settings_print(const struct nj_settings *settings, FILE *out)
{
	nj_config_print(&schema, settings, out);
}

void nj_settings_print_reference(FILE *out)
{
	struct nj_settings defaults;

	nj_settings_default(&defaults);
	nj_settings_print(&defaults, out);
}
