/* `nightjar knock`: one attempt, and what to do with the door while it is open. */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/credential.h"
#include "cli/print.h"
#include "cli/target.h"
#include "cli/template.h"
#include "cli/then.h"
#include "crypto/crypto.h"

#define DEFAULT_WAIT_MS 150
#define SECRET_HEX_BYTES 65
#define PATH_BYTES 128
#define KNOCK_FILES 3

/* One knock. Holds keys: wiped as a whole. */
struct knock {
	struct nj_cli *cli;
	const char *path;
	struct nj_credfile file;
	struct nj_targets targets;
	struct nj_addr target; /* the one that was knocked at */
	uint16_t service;
	uint64_t counter;
	char host[NJ_ADDR_TEXT_BYTES];
	char port[8];
	char hint[2 * NJ_KNOCK_HINT_BYTES + 1]; /* identity, or user name */
	char secret[SECRET_HEX_BYTES];          /* PSK, or password */
	char paths[KNOCK_FILES][PATH_BYTES];    /* "" while there is no such file */
};

/* What a command can only take as a file. */
static const struct {
	enum nj_placeholder placeholder;
	size_t offset; /* of its text in struct nj_credfile */
	const char *lacks;
} files[KNOCK_FILES] = {
	{ NJ_PLACEHOLDER_ca, offsetof(struct nj_credfile, ca), "these credentials hold no CA certificate" },
	{ NJ_PLACEHOLDER_cert, offsetof(struct nj_credfile, cert), "these credentials hold no certificate" },
	{ NJ_PLACEHOLDER_certkey, offsetof(struct nj_credfile, cert_key), "these credentials hold no certificate" },
};

static enum nj_err read_service(struct knock *knock)
{
	const char *name = nj_args_text(knock->cli->args, "service");
	const char *names[NJ_SERVICE_END];
	const char *nearest;
	size_t count = 0;

	knock->service = nj_service_from_name(name != NULL ? name : "mqtts");
	if (knock->service != 0)
		return NJ_OK;
	for (uint16_t i = 1; i < NJ_SERVICE_END; i++)
		names[count++] = nj_service_name(i);
	nearest = nj_text_nearest(name, names, count);
	return nj_why(&knock->cli->why, NJ_ERR_USAGE, "there is no service \"%.32s\"%s%s%s", name,
		      nearest != NULL ? "; did you mean " : "; there are mqtts, mqtt, smpps, smpp and https",
		      nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

/* Everything that can fail before an attempt is spent. */
static enum nj_err prepare(struct knock *knock)
{
	struct nj_why *why = &knock->cli->why;
	const char *to = nj_args_text(knock->cli->args, "to");

	NJ_TRY(read_service(knock));
	NJ_TRY(nj_credential_load(knock->path, &knock->file, why));
	if (knock->file.port[knock->service] == 0)
		return nj_why(why, NJ_ERR_UNSUPPORTED, "the gateway of these credentials does not offer %s",
			      nj_service_name(knock->service));
	if (to == NULL && knock->file.host[0] == '\0')
		return nj_why(why, NJ_ERR_USAGE, "say --to HOST: these credentials name no gateway");
	if (snprintf(knock->port, sizeof(knock->port), "%u", knock->file.port[knock->service]) < 0)
		return NJ_ERR_STATE;
	return nj_targets_resolve(to != NULL ? to : knock->file.host, knock->file.knock_port, &knock->targets, why);
}

/* ---- the datagram ---- */

static void derive_proof(struct knock *knock, const struct nj_knock_keys *keys, const uint8_t datagram[NJ_KNOCK_BYTES])
{
	uint8_t secret[32];

	if (nj_service_is_tls(knock->service))
		nj_knock_psk(keys, datagram, secret);
	else
		nj_knock_password(keys, knock->counter, datagram, knock->service, secret);
	nj_hex_encode(datagram, NJ_KNOCK_HINT_BYTES, knock->hint);
	nj_hex_encode(secret, sizeof(secret), knock->secret);
	nj_wipe(secret, sizeof(secret));
}

static enum nj_err send_to(struct knock *knock, const struct nj_knock_keys *keys, const struct nj_addr *target,
			   enum nj_sent *out_sent)
{
	struct nj_knock_body body = { .version = NJ_KNOCK_VERSION, .service = knock->service };
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];
	uint8_t datagram[NJ_KNOCK_BYTES];

	memcpy(body.uid, knock->file.uid, sizeof(body.uid));
	nj_random_fill(nj_random_system(), fresh, sizeof(fresh));
	nj_knock_seal(keys, knock->counter, fresh, &body, datagram);
	NJ_TRY(nj_target_send(target, datagram, (uint32_t)nj_args_number(knock->cli->args, "wait-ms", DEFAULT_WAIT_MS),
			      out_sent, &knock->cli->why));
	derive_proof(knock, keys, datagram);
	knock->target = *target;
	nj_addr_host_text(target, knock->host);
	return NJ_OK;
}

/* The first address that takes the datagram; one that says "port unreachable" makes room for the next. */
static enum nj_err send_knock(struct knock *knock)
{
	enum nj_err err = NJ_ERR_NOT_FOUND;
	enum nj_sent sent = NJ_SENT_SILENT;
	struct nj_knock_keys keys;
	char text[NJ_ADDR_TEXT_BYTES];

	nj_knock_derive(knock->file.key, knock->file.uid, &keys);
	for (size_t i = 0; i < knock->targets.count; i++) {
		err = send_to(knock, &keys, &knock->targets.at[i], &sent);
		if (err == NJ_OK && sent == NJ_SENT_SILENT)
			break;
	}
	nj_wipe(&keys, sizeof(keys));
	if (err == NJ_OK && sent == NJ_SENT_REFUSED)
		return nj_why(&knock->cli->why, NJ_ERR_CLOSED,
			      "%s answers \"port unreachable\": no gateway takes knocks there (is the port right?)",
			      nj_addr_text(&knock->target, text));
	return err;
}

/* ---- without a command ---- */

static void tell(const struct knock *knock)
{
	bool tls = nj_service_is_tls(knock->service);
	bool show = nj_args_flag(knock->cli->args, "show-key");
	json_t *told =
	    json_pack("{s:s, s:s, s:i, s:s, s:s*}", "service", nj_service_name(knock->service), "host", knock->host,
		      "port", (int)knock->file.port[knock->service], tls ? "identity" : "username", knock->hint,
		      tls ? "key" : "password", show ? knock->secret : NULL);

	static const struct nj_column columns[] = {
		{ "service", "service", NJ_COLUMN_TEXT },   { "host", "host", NJ_COLUMN_TEXT },
		{ "port", "port", NJ_COLUMN_TEXT },         { "identity", "identity", NJ_COLUMN_TEXT },
		{ "username", "username", NJ_COLUMN_TEXT }, { "key", "key", NJ_COLUMN_TEXT },
		{ "password", "password", NJ_COLUMN_TEXT },
	};

	if (knock->cli->json) {
		nj_print_json(told);
	} else {
		nj_record_print(columns, sizeof(columns) / sizeof(columns[0]), told);
		if (!show)
			fprintf(stderr, "The one-time %s is shown with --show-key.\n", tls ? "key" : "password");
	}
	json_decref(told);
}

/* ---- with a command ---- */

static const char *file_text(const struct knock *knock, size_t file)
{
	return (const char *)&knock->file + files[file].offset;
}

/* A private file for the command's time. */
static enum nj_err write_file(struct knock *knock, size_t file)
{
	const char *folder = getenv("TMPDIR");
	const char *text = file_text(knock, file);
	char *path = knock->paths[file];
	size_t len = strlen(text);
	NJ_CLEANUP_FD int fd = -1;

	if (nj_text_format(path, PATH_BYTES, "%s/nightjar-%s-XXXXXX",
			   folder != NULL && folder[0] == '/' ? folder : "/tmp",
			   nj_placeholder_name(files[file].placeholder)) != NJ_OK) {
		path[0] = '\0';
		return nj_why(&knock->cli->why, NJ_ERR_TOO_LARGE, "TMPDIR is too long");
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		path[0] = '\0';
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return nj_why(&knock->cli->why, NJ_ERR_IO, "cannot write a temporary file: %m");
	return NJ_OK;
}

static enum nj_err write_files(struct knock *knock)
{
	for (size_t i = 0; i < KNOCK_FILES; i++)
		if (nj_template_uses(knock->cli->args->rest, files[i].placeholder))
			NJ_TRY(write_file(knock, i));
	return NJ_OK;
}

static void remove_files(struct knock *knock)
{
	for (size_t i = 0; i < KNOCK_FILES; i++)
		if (knock->paths[i][0] != '\0')
			(void)unlink(knock->paths[i]);
	memset(knock->paths, 0, sizeof(knock->paths));
}

static struct nj_placeholders placeholders_of(const struct knock *knock)
{
	bool tls = nj_service_is_tls(knock->service);
	struct nj_placeholders values = { 0 };

	values.value[NJ_PLACEHOLDER_host] = knock->host;
	values.value[NJ_PLACEHOLDER_port] = knock->port;
	values.value[NJ_PLACEHOLDER_identity] = tls ? knock->hint : NULL;
	values.value[NJ_PLACEHOLDER_key] = tls ? knock->secret : NULL;
	values.value[NJ_PLACEHOLDER_username] = tls ? NULL : knock->hint;
	values.value[NJ_PLACEHOLDER_password] = tls ? NULL : knock->secret;
	for (size_t i = 0; i < KNOCK_FILES; i++) {
		values.value[files[i].placeholder] = file_text(knock, i)[0] != '\0' ? knock->paths[i] : NULL;
		values.lacks[files[i].placeholder] = files[i].lacks;
	}
	values.lacks[NJ_PLACEHOLDER_identity] = "the service is not TLS; use {username} and {password}";
	values.lacks[NJ_PLACEHOLDER_key] = values.lacks[NJ_PLACEHOLDER_identity];
	values.lacks[NJ_PLACEHOLDER_username] = "the service is TLS; use {identity} and {key}";
	values.lacks[NJ_PLACEHOLDER_password] = values.lacks[NJ_PLACEHOLDER_username];
	return values;
}

/* A wrong placeholder is found before an attempt is spent. */
static enum nj_err check_words(struct knock *knock)
{
	struct nj_placeholders values = placeholders_of(knock);
	char **words = NULL;

	NJ_TRY(nj_template_expand(knock->cli->args->rest, &values, &words, &knock->cli->why));
	nj_template_free(words);
	return NJ_OK;
}

static enum nj_err run_words(struct knock *knock, int *out_status)
{
	struct nj_placeholders values;
	char **words = NULL;
	enum nj_err err;

	NJ_TRY(write_files(knock));
	values = placeholders_of(knock);
	NJ_TRY(nj_template_expand(knock->cli->args->rest, &values, &words, &knock->cli->why));
	err = nj_then_run((const char *const *)words, out_status, &knock->cli->why);
	nj_template_free(words);
	return err;
}

static void advise(const struct knock *knock)
{
	if (knock->file.attempt <= NJ_KNOCK_WINDOW)
		return;
	fprintf(stderr,
		"nightjar: no connection was proven in %" PRIu64 " attempts; the device now searches for the gateway's "
		"counter, which can take some tries more\n",
		knock->file.attempt);
}

static enum nj_err run_then(struct knock *knock)
{
	int status = 0;
	enum nj_err err = run_words(knock, &status);

	remove_files(knock);
	NJ_TRY(err);
	knock->cli->exit_code = status;
	if (status == 0)
		return nj_credential_prove(knock->path, knock->counter, &knock->cli->why);
	advise(knock);
	return NJ_OK;
}

static enum nj_err run_knock(struct knock *knock)
{
	bool then = knock->cli->args->rest != NULL;

	NJ_TRY(prepare(knock));
	if (then)
		NJ_TRY(check_words(knock));
	NJ_TRY(nj_credential_take(knock->path, &knock->file, &knock->counter, &knock->cli->why));
	NJ_TRY(send_knock(knock));
	nj_wipe(knock->file.key, sizeof(knock->file.key));
	if (then)
		return run_then(knock);
	tell(knock);
	return NJ_OK;
}

enum nj_err nj_run_knock(struct nj_cli *cli)
{
	struct knock knock = { .cli = cli, .path = nj_args_text(cli->args, "credentials") };
	enum nj_err err = run_knock(&knock);

	nj_wipe(&knock, sizeof(knock));
	return err;
}
