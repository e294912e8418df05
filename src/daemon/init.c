#include "daemon/init.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config/settings.h"
#include "base/file.h"
#include "base/text.h"
#include "bus/defaults.h"
#include "daemon/keeper_config.h"
#include "identity/directory.h"
#include "keeper/init.h"

#define CONFIG_MODE 0600

static const struct {
	const char *name;
	size_t offset;
} port_names[] = {
	{ "knock", offsetof(struct nj_settings_ports, knock) },
	{ "mqtts", offsetof(struct nj_settings_ports, mqtts) },
	{ "mqtt", offsetof(struct nj_settings_ports, mqtt) },
	{ "smpp", offsetof(struct nj_settings_ports, smpp) },
	{ "smpps", offsetof(struct nj_settings_ports, smpps) },
	{ "https", offsetof(struct nj_settings_ports, https) },
	{ "enrolment", offsetof(struct nj_settings_ports, enrolment) },
};

#define PORT_NAMES (sizeof(port_names) / sizeof(port_names[0]))

static enum nj_err unknown_service(const char *name, struct nj_why *why)
{
	const char *known[PORT_NAMES];

	for (size_t i = 0; i < PORT_NAMES; i++)
		known[i] = port_names[i].name;
	const char *nearest = nj_text_nearest(name, known, PORT_NAMES);
	return nj_why(why, NJ_ERR_USAGE, "--ports: there is no service '%s'%s%s%s", name,
		      nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "",
		      nearest != NULL ? "'?" : " (knock, mqtts, mqtt, smpp, smpps, https, enrolment)");
}

/* "NAME=PORT", in place. */
static enum nj_err set_port(char *pair, struct nj_settings_ports *ports, struct nj_why *why)
{
	char *equals = strchr(pair, '=');
	uint64_t port = 0;

	if (equals == NULL)
		return nj_why(why, NJ_ERR_USAGE, "--ports: '%s' is not of the form SERVICE=PORT", pair);
	*equals = '\0';
	if (nj_number_parse(equals + 1, 0, UINT16_MAX, &port) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "--ports: '%s' is no port for %s (1 to 65535, 0 = off)", equals + 1,
			      pair);
	for (size_t i = 0; i < PORT_NAMES; i++)
		if (strcmp(port_names[i].name, pair) == 0) {
			uint16_t value = (uint16_t)port;
			memcpy((char *)ports + port_names[i].offset, &value, sizeof(value));
			return NJ_OK;
		}
	return unknown_service(pair, why);
}

static enum nj_err set_ports(const char *text, struct nj_settings_ports *ports, struct nj_why *why)
{
	NJ_CLEANUP_FREE char *copy = strdup(text);

	if (copy == NULL)
		return NJ_ERR_NO_MEMORY;
	for (char *pair = copy, *next; pair != NULL; pair = next) {
		next = strchr(pair, ',');
		if (next != NULL)
			*next++ = '\0';
		NJ_TRY(set_port(pair, ports, why));
	}
	return NJ_OK;
}

static enum nj_err settings_of(const struct nj_init_options *options, struct nj_settings *settings, struct nj_why *why)
{
	nj_settings_default(settings);
	if (options->host != NULL && nj_text_copy(settings->host, sizeof(settings->host), options->host) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "--host is too long");
	if (options->ports != NULL)
		NJ_TRY(set_ports(options->ports, &settings->ports, why));
	if (options->cloak != NULL && strcmp(options->cloak, "fake") == 0)
		settings->cloak = NJ_SETTINGS_CLOAK_FAKE;
	else if (options->cloak != NULL && strcmp(options->cloak, "cbpf") == 0)
		settings->cloak = NJ_SETTINGS_CLOAK_CBPF;
	else if (options->cloak != NULL && strcmp(options->cloak, "bpf") != 0)
		return nj_why(why, NJ_ERR_USAGE, "--cloak is bpf, cbpf or fake, not '%s'", options->cloak);
	return nj_settings_check(settings, why);
}

static enum nj_err refuse_existing(const struct nj_paths *paths, struct nj_why *why)
{
	const char *const files[] = { paths->config, paths->keeper_db, paths->gateway_db, paths->key_file };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], F_OK) == 0)
			return nj_why(why, NJ_ERR_EXISTS, "%s is there already: this folder holds a gateway", files[i]);
	return NJ_OK;
}

static enum nj_err make_gateway_store(const struct nj_paths *paths, struct nj_why *why)
{
	struct nj_gateway_store *store = NULL;
	struct nj_directory *directory = NULL;

	NJ_TRY(nj_gateway_store_open(paths->gateway_db, NJ_STORE_CREATE, &store, why));
	enum nj_err err = nj_directory_new(store, 1, nj_random_system(), &directory, why);
	if (err == NJ_OK && !nj_directory_has_customer(directory, NJ_CUSTOMER_DEFAULT))
		err = nj_directory_put_customer(directory, NJ_CUSTOMER_DEFAULT, nj_clock_wall_ms(nj_clock_system()));
	nj_directory_free(directory);
	nj_gateway_store_close(store);
	return err;
}

static enum nj_err write_config(const struct nj_settings *settings, const char *path, struct nj_why *why)
{
	NJ_CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_settings_print(settings, out);
	if (fclose(out) != 0)
		return NJ_ERR_NO_MEMORY;
	return nj_file_create(path, text, len, CONFIG_MODE, why);
}

/* The configuration comes last: a folder without one was never finished. */
static enum nj_err make_all(const struct nj_settings *settings, struct nj_init_result *result, struct nj_why *why)
{
	struct nj_keeper_init_config config = {
		.store_path = result->paths.keeper_db,
		.key_file = nj_key_file_of(settings, &result->paths),
		.host = settings->host,
		.clock = nj_clock_system(),
		.random = nj_random_system(),
	};

	NJ_TRY(nj_keeper_init(&config, &result->secrets, why));
	NJ_TRY(make_gateway_store(&result->paths, why));
	return write_config(settings, result->paths.config, why);
}

static void remove_store(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char name[NJ_PATH_BYTES + 8];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (nj_text_format(name, sizeof(name), "%s%s", path, suffixes[i]) == NJ_OK)
			(void)unlink(name);
}

/* Only what this call made: it was refused if any of it had been there. */
static void undo(const struct nj_paths *paths)
{
	remove_store(paths->keeper_db);
	remove_store(paths->gateway_db);
	(void)unlink(paths->key_file);
}

enum nj_err nj_daemon_init(const struct nj_init_options *options, struct nj_init_result *out_result, struct nj_why *why)
{
	struct nj_settings settings;
	struct nj_init_result result = { 0 };
	NJ_CLEANUP_FD int lock = -1;

	NJ_TRY(settings_of(options, &settings, why));
	NJ_TRY(nj_paths_for(options->dir, &result.paths, why));
	NJ_TRY(refuse_existing(&result.paths, why));
	NJ_TRY(nj_paths_make(&result.paths, why));
	NJ_TRY(nj_paths_lock(&result.paths, &lock, why));
	NJ_TRY(refuse_existing(&result.paths, why));
	enum nj_err err = make_all(&settings, &result, why);
	if (err == NJ_OK)
		*out_result = result;
	else
		undo(&result.paths);
	nj_wipe(&result, sizeof(result));
	return err;
}
