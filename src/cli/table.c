/* All subcommands. One row here is all that dispatch, help, manual and completion know. */
#include "cli/command.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SET(rows, words, min, max)                                                                          \
	{                                                                                                   \
		.options = (rows), .option_count = COUNT(rows), .operands = (words), .min_operands = (min), \
		.max_operands = (max)                                                                       \
	}

#define DIR_OPTION                                                                                     \
	{                                                                                              \
		"dir", "DIR", "the gateway's folder, instead of the system's places", NJ_OPTION_FOLDER \
	}
#define JSON_OPTION                                                                     \
	{                                                                               \
		"json", NULL, "JSON instead of text, one object a line", NJ_OPTION_FLAG \
	}
#define CUSTOMER_OPTION                                                            \
	{                                                                          \
		"customer", "NAME", "the customer (default: main)", NJ_OPTION_TEXT \
	}

static const struct nj_option init_options[] = {
	{ "host", "NAME", "the name or address at which devices reach the gateway", NJ_OPTION_TEXT },
	{ "ports", "LIST", "as knock=62201,mqtts=8883, … (mqtt, smpp, smpps, https, enrolment); 0 turns one off",
	  NJ_OPTION_TEXT },
	{ "cloak", "NAME",
	  "bpf (default); cbpf: needs no privilege and does less; or fake: nothing is dark, for trials",
	  NJ_OPTION_TEXT },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option plain_options[] = { DIR_OPTION, JSON_OPTION };

static const struct nj_option json_only_options[] = { JSON_OPTION };

static const struct nj_option serve_options[] = {
	{ "local", "LISTENER",
	  "mqtt=ADDRESS:PORT,as=APPLICATION: a listener for programs of this machine, without a knock", NJ_OPTION_TEXT,
	  .repeatable = true },
	DIR_OPTION,
};

static const struct nj_option profile_set_options[] = {
	{ "publish", "TOPIC", "topics that may be published to", NJ_OPTION_TEXT, .repeatable = true },
	{ "subscribe", "TOPIC", "topics that may be subscribed to", NJ_OPTION_TEXT, .repeatable = true },
	{ "deny-publish", "TOPIC", "exceptions, which win over --publish", NJ_OPTION_TEXT, .repeatable = true },
	{ "deny-subscribe", "TOPIC", "exceptions, which win over --subscribe", NJ_OPTION_TEXT, .repeatable = true },
	{ "contract", "FILE",
	  "rules with limits and payload contracts, YAML or JSON; they come before those of the options",
	  NJ_OPTION_FILE },
	{ "service", "SERVICE", "mqtts, mqtt, smpps, smpp or https (default: mqtts)", NJ_OPTION_TEXT,
	  .repeatable = true },
	{ "plain", NULL, "allow services without encryption, for devices that cannot encrypt", NJ_OPTION_FLAG },
	{ "bind", "HOW", "what proves a TLS connection: psk (default), certificate, or either", NJ_OPTION_TEXT },
	{ "tls-floor", "VERSION", "1.3 (default), or 1.2, with certificates only", NJ_OPTION_TEXT },
	{ "source", "WIDTH",
	  "how near to the knock's IPv4 source the connection comes from: exact (default), or /8 to /32 for carriers' "
	  "NAT",
	  NJ_OPTION_TEXT },
	{ "source6", "WIDTH", "the same for IPv6: exact (default), or /32 to /128 for privacy addresses",
	  NJ_OPTION_TEXT },
	{ "grant-seconds", "N", "how long a knock keeps the door open (default: the configuration's)", NJ_OPTION_NUMBER,
	  .max = 3600 },
	{ "bind-seconds", "N",
	  "how long a connection may take for its proof, for links that are slow (default: the configuration's "
	  "limits.bind_timeout)",
	  NJ_OPTION_NUMBER, .max = 300 },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option customer_options[] = { CUSTOMER_OPTION, DIR_OPTION, JSON_OPTION };

static const struct nj_option add_options[] = {
	{ "profile", "PROFILE", "what it may do", NJ_OPTION_TEXT, .required = true },
	{ "out", "FILE", "where its credentials are written, mode 0600", NJ_OPTION_FILE, .required = true },
	{ "force", NULL, "replace FILE if it is there", NJ_OPTION_FLAG },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option certificate_options[] = {
	{ "credentials", "FILE", "its credentials file, in which certificate and key are replaced", NJ_OPTION_FILE },
	{ "out", "FILE", "instead: a PEM file for certificate and key, mode 0600", NJ_OPTION_FILE },
	{ "csr", "FILE", "a certificate request (PEM) of a key that it has; only the certificate is written",
	  NJ_OPTION_FILE },
	{ "force", NULL, "replace the file of --out if it is there", NJ_OPTION_FLAG },
	{ "revoke-old", NULL, "revoke the certificates that it has (default: they are valid until they lapse)",
	  NJ_OPTION_FLAG },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option revoke_options[] = {
	{ "serial", "HEX", "one certificate, by its number, instead of all of NAME's", NJ_OPTION_TEXT },
	{ "application", NULL, "NAME is an application", NJ_OPTION_FLAG },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option customer_ca_options[] = {
	{ "file", "FILE", "set: one or more CA certificates, PEM", NJ_OPTION_FILE },
	{ "crl", "FILE", "set: revocation lists that go with them, PEM", NJ_OPTION_FILE },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option customer_crl_options[] = {
	{ "file", "FILE", "set: a revocation list of each CA certificate, PEM", NJ_OPTION_FILE },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option import_options[] = {
	{ "csv", "FILE", "names in the first column; a first line \"name\" is a header", NJ_OPTION_FILE },
	{ "count", "N", "make N names instead: PREFIX1 to PREFIXN", NJ_OPTION_NUMBER, .max = 1000000 },
	{ "prefix", "PREFIX", "of the names made by --count (default: device-)", NJ_OPTION_TEXT },
	{ "profile", "PROFILE", "what they may do", NJ_OPTION_TEXT, .required = true },
	{ "out", "DIR", "the folder for the credentials, NAME.cred each, mode 0600", NJ_OPTION_FOLDER,
	  .required = true },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option knock_options[] = {
	{ "credentials", "FILE", "who knocks", NJ_OPTION_FILE, .required = true },
	{ "to", "HOST[:PORT]", "the gateway and its knock port (default: as in the credentials)", NJ_OPTION_TEXT },
	{ "service", "SERVICE", "which door: mqtts, mqtt, smpps, smpp, https (default: mqtts), or guard:NAME, guard:ID",
	  NJ_OPTION_TEXT },
	{ "wait-ms", "MS", "how long to wait before the door is used (default: 150)", NJ_OPTION_NUMBER, .max = 60000 },
	{ "connect", "WHERE",
	  "listen at PORT or ADDRESS:PORT of loopback, or unix:PATH, and pass connections on over TLS",
	  NJ_OPTION_TEXT },
	{ "once", NULL, "with --connect: end when the first connection has ended", NJ_OPTION_FLAG },
	{ "show-key", NULL, "print the one-time key too", NJ_OPTION_FLAG },
	JSON_OPTION,
	{ "then", "COMMAND [ARGS…]", "run this while the door is open; takes the rest of the line", NJ_OPTION_REST },
};

static const struct nj_option tail_options[] = {
	{ "count", "N", "how many records (default: 20)", NJ_OPTION_NUMBER, .max = 100000 },
	{ "after", "SEQ", "only records after this number", NJ_OPTION_NUMBER, .max = INT64_MAX },
	{ "event", "PREFIX", "only events that begin so, as in knock", NJ_OPTION_TEXT },
	{ "subject", "NAME", "only records about this device, application or profile", NJ_OPTION_TEXT },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option why_options[] = {
	{ "device", "NAME", "the device that asks", NJ_OPTION_TEXT },
	{ "application", "NAME", "or the application", NJ_OPTION_TEXT },
	{ "publish", "TOPIC", "may it publish to this topic?", NJ_OPTION_TEXT },
	{ "subscribe", "TOPIC", "or subscribe to this filter?", NJ_OPTION_TEXT },
	{ "qos", "N", "with this QoS (default: 0)", NJ_OPTION_NUMBER, .max = 2 },
	{ "retain", NULL, "publish: retained", NJ_OPTION_FLAG },
	{ "payload", "TEXT", "publish: this payload; without one the payload's contract is not asked", NJ_OPTION_TEXT },
	{ "payload-file", "FILE", "publish: the payload in this file", NJ_OPTION_FILE },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

#define LIMIT_OPTION                                                                              \
	{                                                                                         \
		"limit", "N", "show at most N (default: all)", NJ_OPTION_NUMBER, .max = INT64_MAX \
	}
#define APPLICATION_OPTION                                                    \
	{                                                                     \
		"application", NULL, "NAME is an application", NJ_OPTION_FLAG \
	}

static const struct nj_option mqtt_sessions_options[] = {
	{ "connected", NULL, "only those with a connection", NJ_OPTION_FLAG },
	{ "client", "ID", "only those of this client identifier", NJ_OPTION_TEXT },
	LIMIT_OPTION,
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option mqtt_list_options[] = { LIMIT_OPTION, CUSTOMER_OPTION, DIR_OPTION, JSON_OPTION };

static const struct nj_option mqtt_bridges_options[] = { DIR_OPTION, JSON_OPTION };

static const struct nj_option mqtt_session_options[] = {
	{ "client", "ID", "only the session of this client identifier", NJ_OPTION_TEXT },
	APPLICATION_OPTION,
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option mqtt_kick_options[] = {
	{ "client", "ID", "only the connection of this client identifier", NJ_OPTION_TEXT },
	{ "forget", NULL, "end its sessions too, connected or not, with all that waits for them", NJ_OPTION_FLAG },
	APPLICATION_OPTION,
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option mqtt_tail_options[] = {
	{ "count", "N", "end after N messages (default: 100)", NJ_OPTION_NUMBER, .max = 100000 },
	{ "seconds", "N", "end after N seconds (default: 60)", NJ_OPTION_NUMBER, .max = 3600 },
	{ "bytes", "N", "show at most N bytes of a payload (default: 256)", NJ_OPTION_NUMBER, .max = 65536 },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option slot_add_options[] = {
	{ "own", NULL, "ask for a passphrase of your own (16 characters or more) instead of making one",
	  NJ_OPTION_FLAG },
	{ "memory-mib", "N", "memory that a try costs (default: 256, at least 64)", NJ_OPTION_NUMBER, .max = 4096 },
	{ "passes", "N", "how often that memory is gone over (default: 3)", NJ_OPTION_NUMBER, .max = 64 },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option rekey_options[] = {
	{ "keep", NULL, "ask for each passphrase, and keep it", NJ_OPTION_FLAG },
	{ "drop", NULL, "let the passphrase slots go", NJ_OPTION_FLAG },
	{ "recovery", NULL, "ask for the recovery key until now: devices' recovery keys are sealed to the new one",
	  NJ_OPTION_FLAG },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option recovery_options[] = {
	{ "minutes", "N", "how long it stays open (default: 1440, a day)", NJ_OPTION_NUMBER, .max = 43200 },
	{ "device", "NAME", "for this device alone", NJ_OPTION_TEXT },
	{ "application", "NAME", "or for this application alone", NJ_OPTION_TEXT },
	{ "all", NULL, "for everybody, not only who has not been seen since a restore", NJ_OPTION_FLAG },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option raise_options[] = {
	{ "by", "N", "how many counters", NJ_OPTION_NUMBER, .required = true, .max = 1000000 },
	CUSTOMER_OPTION,
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option backup_options[] = {
	{ "out", "FILE", "the archive, mode 0600", NJ_OPTION_FILE, .required = true },
	{ "force", NULL, "replace FILE if it is there", NJ_OPTION_FLAG },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option restore_options[] = {
	{ "from", "FILE", "an archive made by nightjar backup", NJ_OPTION_FILE, .required = true },
	{ "replace", NULL, "move the gateway that is there aside", NJ_OPTION_FLAG },
	{ "raise", "N", "counters that every device is moved on by (default: 256)", NJ_OPTION_NUMBER, .max = 1000000 },
	{ "strict", NULL, "until a device has proved itself, only knocks that are certainly newer open a port",
	  NJ_OPTION_FLAG },
	DIR_OPTION,
	JSON_OPTION,
};

static const struct nj_option version_options[] = { JSON_OPTION };

static const struct nj_option help_options[] = {
	{ "man", NULL, "the manual page, as troff", NJ_OPTION_FLAG },
};

const struct nj_command_group nj_command_groups[] = {
	{ "profile", "what a class of devices or applications may do" },
	{ "device", "things in the field" },
	{ "application", "programs that own the devices' data" },
	{ "ca", "the built-in certificate authority" },
	{ "customer", "what belongs to a customer as a whole" },
	{ "mqtt", "the broker, and what it holds" },
	{ "audit", "what happened, chained and signed" },
	{ "perimeter", "the whole host, silent" },
	{ "vault", "where every secret is sealed" },
	{ "recovery", "a window for devices that lost their root key" },
};
const size_t nj_command_group_count = COUNT(nj_command_groups);

#define CERTIFICATE_DETAILS                                                                                         \
	"For a profile that binds by certificate, and the built-in CA. The private key is made here and never "     \
	"reaches the "                                                                                              \
	"gateway. The old certificates go on until they lapse, at most eight of one party; with --revoke-old they " \
	"are "                                                                                                      \
	"revoked at once, and sessions that came with them are cut."
#define ADD_DETAILS                                                                                               \
	"The credentials file is the only copy of its root key outside the vault: bring it to the device over a " \
	"safe way and delete it here. If the file cannot be written, nothing stays registered."
#define PATTERN_DETAILS                                                                                                \
	"Topics are MQTT topic filters; {customer} and {device} (or {name}) stand for the party's own names. What no " \
	"rule allows is denied. The whole profile is replaced, and acts at once on connections that are up.\n\n"       \
	"A file of contracts has the lists publish, subscribe, deny_publish and deny_subscribe. A rule in it is a "    \
	"pattern, or an object: topic, max_qos, retain, max_bytes, and for publishing rate (10/s, 60/min, 5/h), "      \
	"burst, and json or cbor, a payload contract in a subset of JSON Schema. The first rule that covers the "      \
	"topic decides."
#define KNOCK_DETAILS                                                                                                 \
	"Sends one datagram. The gateway never answers it, right or wrong: only the door that opens, or stays shut, " \
	"tells. In COMMAND's words {host} (the numeric address that was knocked), {port}, {identity}, {key}, "        \
	"{username}, {password}, and the paths of files {ca}, {cert} and {certkey} are replaced: identity and key "   \
	"for TLS services, user "                                                                                     \
	"name and password for the others. They are one-time values, but other users of this machine can see a "      \
	"command's words.\n\n"                                                                                        \
	"The exit status is COMMAND's. Status 0 proves that the connection was bound, and the counter in FILE moves " \
	"on; anything else counts as an attempt, after which the next knock tries further on. Signals are passed on " \
	"to COMMAND. Without --then it prints what to connect with, and counts as an attempt.\n\n"                    \
	"With --connect it is a proxy for clients that cannot do TLS with a PSK, or that verify nobody: each "        \
	"connection "                                                                                                 \
	"to WHERE knocks and goes on over TLS 1.3 to a gateway that has proved itself, by the one-time key, or, "     \
	"where "                                                                                                      \
	"FILE holds a certificate, by a certificate of FILE's CA as well. One handshake at a time; after a failure "  \
	"it "                                                                                                         \
	"waits before the next. Whoever reaches WHERE acts as the device."
#define CUSTOMER_CA_DETAILS                                                                                            \
	"A customer's own CA takes the built-in CA's place for its devices and applications: their certificates name " \
	"them by the subject's serialNumber (the uid in hex), or, where the CA writes none, by the common name. What " \
	"is wrong is refused whole and the old one stays. Sessions go on, but for those whose certificate is "         \
	"revoked. "                                                                                                    \
	"With a revocation list there must be one for each CA certificate; without any, nothing is revoked."
#define PERIMETER_DETAILS                                                                                              \
	"From then on this host answers nobody but who is on the list perimeter.allow of the configuration, which is " \
	"read anew, and who has knocked. Connections that stand go on, some only once this host has sent in them. "    \
	"Refuses to cut off the SSH session that it is "                                                               \
	"run from. Turns itself off after 60 s unless it is confirmed, or goes back to the list that was confirmed "   \
	"before: try a second login meanwhile. A list with a mistake is refused whole, and what was in force stays."
#define SERVE_DETAILS                                                                                                \
	"Runs in the foreground until SIGTERM or SIGINT. Writes the line \"ready\", alone, to standard output when " \
	"all is up, and its log to standard error."

#define RELOAD_DETAILS                                                                                              \
	"The file is read and checked whole. If anything in it is wrong, nothing changes and the reason is shown. " \
	"Limits, the log and the rules of knocks are taken over at once; for what needs a new start (ports, "       \
	"addresses, users, cloak, …) it says so, and goes on with the old values. SIGHUP to serve does the same."
#define RAISE_DETAILS                                                                                                \
	"For one that stays out after a restore, because it had knocked more often since the backup than restore "   \
	"--raise allowed for. No knock with a counter up to the new one is accepted; it gets in by its attempts if " \
	"its own counter is below that. Harmless if given too much: each 16 cost it some attempts."
#define BACKUP_DETAILS                                                                                              \
	"Of a gateway that runs or is stopped. The vault's key file is never in it: without that, a passphrase or " \
	"the recovery key the secrets in it stay sealed."
#define RESTORE_DETAILS                                                                                                \
	"Of a stopped gateway, or into an empty folder. The file is checked whole before anything is changed. What "   \
	"devices have done since the backup is not in it: every counter is raised by --raise, so that no knock "       \
	"recorded since opens a port again, and devices find the gateway by their attempts. Give more than the "       \
	"knocks of the busiest device since the backup; each 16 cost a device some attempts more. Where the store "    \
	"that is replaced can be read, its counters are taken over besides, and what happened since is told exactly. " \
	"Revocations since the backup are forgotten. With --strict the knock of a device that has not proved itself "  \
	"since opens a port only if it carries the time, or is made with its recovery key (nightjar recovery open): "  \
	"then nothing that was recorded opens anything, and a device without a clock comes back after a day."
#define SLOT_DETAILS                                                                                                  \
	"The vault's key lies in slots, sixteen at most: one for the key file, one for the recovery key, the others " \
	"for passphrases. A gateway whose key file is not there (or does not open the vault) starts locked, every "   \
	"port "                                                                                                       \
	"dark, and waits for nightjar vault unlock. The passphrase is turned into the slot's key by Argon2id, here; " \
	"it never reaches the gateway. Without --own six words are made and shown once; with it one line is read "    \
	"from the terminal or from standard input."
#define REKEY_DETAILS                                                                                                 \
	"For a stopped gateway, when somebody may have had the key file or a copy of it. Every secret is sealed "     \
	"anew in one commit, the key file is replaced, a new recovery key is shown once. Where there are passphrase " \
	"slots, say whether to keep them (each passphrase is asked for) or to let them go. Root keys of devices "     \
	"stay what they are; their recovery keys stay sealed to the recovery key until now, which then is still "     \
	"good for nightjar recovery open, unless --recovery asks for it and seals them to the new one."
#define WINDOW_DETAILS                                                                                                 \
	"For devices that changed their root key after the backup that was put back, or lost it otherwise. Asks for "  \
	"the recovery key that init (or vault rekey) showed. While the window is open, knocks under the devices' "     \
	"recovery keys open the enrolment service, and nothing else does: there a device gets a new root key. "        \
	"Devices try their recovery key after 24 h of failure. The window ends with its time, with nightjar recovery " \
	"close, and with the gateway."
#define RECOVER_DETAILS                                                                                            \
	"For a stopped gateway whose key file is lost or does not open the vault. Asks for the recovery key that " \
	"init (or vault rekey) showed, makes a new key file, and tells what it did."

#define MQTT_VERIFIER_DETAILS                                                                                          \
	"Asks for the password, printable ASCII, and prints one line for `verifier` in the `local` section. The line " \
	"does not hold the password, but guesses can be tried on it: keep the configuration unreadable to others. "    \
	"Clients then authenticate as the application's name: by SCRAM-SHA-256 in MQTT 5, or with user name and "      \
	"password in either version."
#define KICK_DETAILS                                                                                                \
	"They are told so (DISCONNECT 0x98 in MQTT 5), their wills are published, and they may come back: to shut " \
	"one out, revoke it. Audited."
#define TAIL_DETAILS                                                                                            \
	"Shows payloads, and is audited before it shows any. Text as text, other payloads in hex; at most 500 " \
	"messages a second and reactor, the rest is counted."

const struct nj_command nj_commands[] = {
	{ "init", SET(init_options, "", 0, 0), "make a new gateway: keys, CA, configuration, vault",
	  "Prints the set-up token and the recovery key, once. Refuses a folder that holds a gateway already.",
	  nj_run_init },
	{ "check", SET(plain_options, "", 0, 0), "check the configuration file", NULL, nj_run_check },
	{ "status", SET(plain_options, "", 0, 0), "what the gateway is doing, on one page", NULL, nj_run_status },
	{ "serve", SET(serve_options, "", 0, 0), "run the gateway", SERVE_DETAILS, nj_run_serve },
	{ "reload", SET(plain_options, "", 0, 0), "read the configuration again, without cutting a session",
	  RELOAD_DETAILS, nj_run_reload },
	{ "profile set", SET(profile_set_options, "NAME", 1, 1), "make or replace a profile", PATTERN_DETAILS,
	  nj_run_profile_set },
	{ "profile list", SET(customer_options, "", 0, 0), "all profiles", NULL, nj_run_profile_list },
	{ "profile show", SET(customer_options, "NAME", 1, 1), "one profile", NULL, nj_run_profile_show },
	{ "device add", SET(add_options, "NAME", 1, 1), "enrol a device and write its credentials", ADD_DETAILS,
	  nj_run_party_add },
	{ "device import", SET(import_options, "", 0, 0), "enrol many devices",
	  "Goes on where an interrupted import stopped: devices that have their file in DIR are kept.",
	  nj_run_device_import },
	{ "device list", SET(customer_options, "", 0, 0), "all devices", NULL, nj_run_party_list },
	{ "device show", SET(customer_options, "NAME", 1, 1), "one device", NULL, nj_run_party_show },
	{ "device certificate", SET(certificate_options, "NAME", 1, 1), "give a device a new certificate",
	  CERTIFICATE_DETAILS, nj_run_party_certificate },
	{ "device raise", SET(raise_options, "NAME", 1, 1), "move a device's counter on, after a restore",
	  RAISE_DETAILS, nj_run_party_raise },
	{ "device revoke", SET(customer_options, "NAME", 1, 1), "shut a device out and cut its connections", NULL,
	  nj_run_party_revoke },
	{ "application add", SET(add_options, "NAME", 1, 1), "enrol an application and write its credentials",
	  ADD_DETAILS, nj_run_party_add },
	{ "application list", SET(customer_options, "", 0, 0), "all applications", NULL, nj_run_party_list },
	{ "application show", SET(customer_options, "NAME", 1, 1), "one application", NULL, nj_run_party_show },
	{ "application certificate", SET(certificate_options, "NAME", 1, 1), "give an application a new certificate",
	  CERTIFICATE_DETAILS, nj_run_party_certificate },
	{ "application raise", SET(raise_options, "NAME", 1, 1), "move an application's counter on, after a restore",
	  RAISE_DETAILS, nj_run_party_raise },
	{ "application revoke", SET(customer_options, "NAME", 1, 1), "shut an application out and cut its connections",
	  NULL, nj_run_party_revoke },
	{ "knock", SET(knock_options, "", 0, 0), "open a door to this machine, once", KNOCK_DETAILS, nj_run_knock },
	{ "ca show", SET(plain_options, "", 0, 0), "the CA's certificate, PEM", NULL, nj_run_ca_show },
	{ "ca crl", SET(plain_options, "", 0, 0), "its revocation list, PEM, new each time", NULL, nj_run_ca_crl },
	{ "ca renew", SET(plain_options, "", 0, 0), "a new certificate for the gateway itself",
	  "Connections from then on are shown it; sessions go on. The gateway gets a new one by itself when a third of "
	  "its "
	  "life is left.",
	  nj_run_ca_renew },
	{ "ca revoke", SET(revoke_options, "[NAME]", 0, 1), "revoke certificates and cut their sessions",
	  "The device stays: what its profile allows without a certificate it may still do. To shut it out, revoke it.",
	  nj_run_ca_revoke },
	{ "customer ca", SET(customer_ca_options, "set|show|remove", 1, 1), "a customer's own CA", CUSTOMER_CA_DETAILS,
	  nj_run_customer_ca },
	{ "customer crl", SET(customer_crl_options, "set|show", 1, 1), "the revocation list of a customer's own CA",
	  CUSTOMER_CA_DETAILS, nj_run_customer_crl },
	{ "mqtt sessions", SET(mqtt_sessions_options, "", 0, 0), "all sessions, connected or not", NULL,
	  nj_run_mqtt_sessions },
	{ "mqtt session", SET(mqtt_session_options, "NAME", 1, 1),
	  "the sessions of one device, with what they subscribe to", NULL, nj_run_mqtt_session },
	{ "mqtt kick", SET(mqtt_kick_options, "NAME", 1, 1), "end a device's connections", KICK_DETAILS,
	  nj_run_mqtt_kick },
	{ "mqtt retained", SET(mqtt_list_options, "[FILTER]", 0, 1), "retained messages, without their payloads", NULL,
	  nj_run_mqtt_retained },
	{ "mqtt topics", SET(mqtt_list_options, "", 0, 0), "filters, and how many sessions subscribe to each", NULL,
	  nj_run_mqtt_topics },
	{ "mqtt bridges", SET(mqtt_bridges_options, "", 0, 0),
	  "bridges to other brokers: state, queue, counters, last error", NULL, nj_run_mqtt_bridges },
	{ "mqtt tail", SET(mqtt_tail_options, "FILTER", 1, 1), "messages as they come in", TAIL_DETAILS,
	  nj_run_mqtt_tail },
	{ "mqtt verifier", SET(json_only_options, "", 0, 0),
	  "turn a password into what a local listener's `verifier` takes", MQTT_VERIFIER_DETAILS,
	  nj_run_mqtt_verifier },
	{ "audit tail", SET(tail_options, "", 0, 0), "the last records of the audit log", NULL, nj_run_audit_tail },
	{ "audit verify", SET(plain_options, "", 0, 0), "find any edit, deletion, reordering or cut of the audit log",
	  NULL, nj_run_audit_verify },
	{ "vault slot add", SET(slot_add_options, "", 0, 0), "add a passphrase that opens the vault", SLOT_DETAILS,
	  nj_run_slot_add },
	{ "vault slot list", SET(plain_options, "", 0, 0), "what opens the vault", NULL, nj_run_slot_list },
	{ "vault slot remove", SET(plain_options, "SLOT", 1, 1), "take a slot away",
	  "Refused where nothing could open the vault at start any more, or only one way in would be left.",
	  nj_run_slot_remove },
	{ "vault unlock", SET(plain_options, "", 0, 0), "open the locked vault of a running gateway",
	  "Asks for the passphrase. After five wrong ones there is one try in 30 s.", nj_run_unlock },
	{ "vault rekey", SET(rekey_options, "", 0, 0), "a new vault key, key file and recovery key", REKEY_DETAILS,
	  nj_run_vault_rekey },
	{ "recover", SET(plain_options, "", 0, 0), "a new key file, by the recovery key", RECOVER_DETAILS,
	  nj_run_recover },
	{ "recovery open", SET(recovery_options, "", 0, 0), "let devices in by their recovery keys, for a while",
	  WINDOW_DETAILS, nj_run_recovery_open },
	{ "recovery close", SET(plain_options, "", 0, 0), "end that", NULL, nj_run_recovery_close },
	{ "recovery status", SET(plain_options, "", 0, 0), "is the window open, and for how many", NULL,
	  nj_run_recovery_status },
	{ "backup", SET(backup_options, "", 0, 0), "write configuration and both stores to one file", BACKUP_DETAILS,
	  nj_run_backup },
	{ "restore", SET(restore_options, "", 0, 0), "put a backup back", RESTORE_DETAILS, nj_run_restore },
	{ "perimeter on", SET(plain_options, "", 0, 0), "drop all that is not let in, for 60 s", PERIMETER_DETAILS,
	  nj_run_perimeter_on },
	{ "perimeter confirm", SET(plain_options, "", 0, 0), "keep it on", NULL, nj_run_perimeter_confirm },
	{ "perimeter off", SET(plain_options, "", 0, 0), "back to the host's own face", NULL, nj_run_perimeter_off },
	{ "perimeter status", SET(plain_options, "", 0, 0), "is it on, and who is let in", NULL,
	  nj_run_perimeter_status },
	{ "metrics", SET(plain_options, "", 0, 0), "what a running gateway counts, as OpenMetrics text",
	  "For a scraper's textfile folder, or behind a socket of its choice. --json: an object a sample.",
	  nj_run_metrics },
	{ "why", SET(why_options, "", 0, 0), "the rule that allows or denies a topic",
	  "The exit status is 0 for either answer; --json has it as \"allowed\".", nj_run_why },
	{ "version", SET(version_options, "", 0, 0), "the program's version", NULL, nj_run_version },
	{ "completion",
	  { .operands = "bash", .min_operands = 1, .max_operands = 1 },
	  "shell completion, for bash to source",
	  "Put it to use with: source <(nightjar completion bash)",
	  nj_run_completion },
	{ "help", SET(help_options, "[COMMAND…]", 0, 3), "help about a command", NULL, nj_run_help },
};
const size_t nj_command_count = COUNT(nj_commands);
