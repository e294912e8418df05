/* `nightjar knock`: one attempt, and what to do with the door while it is open. */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/attempt.h"
#include "cli/connect.h"
#include "cli/print.h"
#include "cli/template.h"
#include "cli/then.h"
#include "crypto/crypto.h"

#define PATH_BYTES 128
#define KNOCK_FILES 3

/* One knock. Holds keys: wiped as a whole. */
struct knock {
	struct nj_attempt attempt;
	char paths[KNOCK_FILES][PATH_BYTES]; /* "" while there is no such file */
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

/* ---- without a command ---- */

static void tell_guard(const struct nj_attempt *attempt)
{
	json_t *told = json_pack("{s:i, s:s}", "service", (int)attempt->service, "host", attempt->host);

	if (attempt->cli->json)
		nj_print_json(told);
	else
		printf("knocked at %s for guarded service %u\n", attempt->host, attempt->service);
	json_decref(told);
}

static void tell(const struct knock *knock)
{
	bool tls = nj_service_is_tls(knock->attempt.service);
	bool show = nj_args_flag(knock->attempt.cli->args, "show-key");
	json_t *told = json_pack("{s:s, s:s, s:i, s:s, s:s*}", "service", nj_service_name(knock->attempt.service),
				 "host", knock->attempt.host, "port",
				 (int)knock->attempt.file.port[knock->attempt.service], tls ? "identity" : "username",
				 knock->attempt.hint, tls ? "key" : "password", show ? knock->attempt.secret : NULL);

	static const struct nj_column columns[] = {
		{ "service", "service", NJ_COLUMN_TEXT },   { "host", "host", NJ_COLUMN_TEXT },
		{ "port", "port", NJ_COLUMN_TEXT },         { "identity", "identity", NJ_COLUMN_TEXT },
		{ "username", "username", NJ_COLUMN_TEXT }, { "key", "key", NJ_COLUMN_TEXT },
		{ "password", "password", NJ_COLUMN_TEXT },
	};

	if (knock->attempt.cli->json) {
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
	return (const char *)&knock->attempt.file + files[file].offset;
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
		return nj_why(&knock->attempt.cli->why, NJ_ERR_TOO_LARGE, "TMPDIR is too long");
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		path[0] = '\0';
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return nj_why(&knock->attempt.cli->why, NJ_ERR_IO, "cannot write a temporary file: %m");
	return NJ_OK;
}

static enum nj_err write_files(struct knock *knock)
{
	for (size_t i = 0; i < KNOCK_FILES; i++)
		if (nj_template_uses(knock->attempt.cli->args->rest, files[i].placeholder))
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

/* A guarded service has its own port and its own way to know people. */
static void take_away(struct nj_placeholders *values)
{
	static const enum nj_placeholder own[] = { NJ_PLACEHOLDER_identity, NJ_PLACEHOLDER_key, NJ_PLACEHOLDER_username,
						   NJ_PLACEHOLDER_password };

	values->value[NJ_PLACEHOLDER_port] = NULL;
	values->lacks[NJ_PLACEHOLDER_port] = "credentials do not say the port of a guarded service: write it";
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		values->value[own[i]] = NULL;
		values->lacks[own[i]] = "a guarded service knows its people by itself";
	}
}

static struct nj_placeholders placeholders_of(const struct knock *knock)
{
	bool tls = nj_service_is_tls(knock->attempt.service);
	struct nj_placeholders values = { 0 };

	values.value[NJ_PLACEHOLDER_host] = knock->attempt.host;
	values.value[NJ_PLACEHOLDER_port] = knock->attempt.port;
	values.value[NJ_PLACEHOLDER_identity] = tls ? knock->attempt.hint : NULL;
	values.value[NJ_PLACEHOLDER_key] = tls ? knock->attempt.secret : NULL;
	values.value[NJ_PLACEHOLDER_username] = tls ? NULL : knock->attempt.hint;
	values.value[NJ_PLACEHOLDER_password] = tls ? NULL : knock->attempt.secret;
	for (size_t i = 0; i < KNOCK_FILES; i++) {
		values.value[files[i].placeholder] = file_text(knock, i)[0] != '\0' ? knock->paths[i] : NULL;
		values.lacks[files[i].placeholder] = files[i].lacks;
	}
	values.lacks[NJ_PLACEHOLDER_identity] = "the service is not TLS; use {username} and {password}";
	values.lacks[NJ_PLACEHOLDER_key] = values.lacks[NJ_PLACEHOLDER_identity];
	values.lacks[NJ_PLACEHOLDER_username] = "the service is TLS; use {identity} and {key}";
	values.lacks[NJ_PLACEHOLDER_password] = values.lacks[NJ_PLACEHOLDER_username];
	if (nj_attempt_is_guard(&knock->attempt))
		take_away(&values);
	return values;
}

/* A wrong placeholder is found before an attempt is spent. */
static enum nj_err check_words(struct knock *knock)
{
	struct nj_placeholders values = placeholders_of(knock);
	char **words = NULL;

	NJ_TRY(nj_template_expand(knock->attempt.cli->args->rest, &values, &words, &knock->attempt.cli->why));
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
	NJ_TRY(nj_template_expand(knock->attempt.cli->args->rest, &values, &words, &knock->attempt.cli->why));
	err = nj_then_run((const char *const *)words, out_status, &knock->attempt.cli->why);
	nj_template_free(words);
	return err;
}

static void advise(const struct knock *knock)
{
	if (knock->attempt.file.attempt <= NJ_KNOCK_WINDOW)
		return;
	fprintf(stderr,
		"nightjar: no connection was proven in %" PRIu64 " attempts; the device now searches for the gateway's "
		"counter, which can take some tries more\n",
		knock->attempt.file.attempt);
}

static enum nj_err run_then(struct knock *knock)
{
	int status = 0;
	enum nj_err err = run_words(knock, &status);

	remove_files(knock);
	NJ_TRY(err);
	knock->attempt.cli->exit_code = status;
	if (status == 0)
		return nj_credential_prove(knock->attempt.path, knock->attempt.counter, &knock->attempt.cli->why);
	advise(knock);
	return NJ_OK;
}

static enum nj_err run_knock(struct knock *knock)
{
	struct nj_cli *cli = knock->attempt.cli;
	bool then = cli->args->rest != NULL;

	NJ_TRY(nj_attempt_prepare(&knock->attempt));
	if (then)
		NJ_TRY(check_words(knock));
	NJ_TRY(nj_attempt_send(&knock->attempt, (uint32_t)nj_args_number(cli->args, "wait-ms", NJ_ATTEMPT_WAIT_MS)));
	if (then)
		return run_then(knock);
	if (nj_attempt_is_guard(&knock->attempt))
		tell_guard(&knock->attempt);
	else
		tell(knock);
	return NJ_OK;
}

enum nj_err nj_run_knock(struct nj_cli *cli)
{
	struct knock knock = { .attempt = { .cli = cli, .path = nj_args_text(cli->args, "credentials") } };
	const char *connect = nj_args_text(cli->args, "connect");
	enum nj_err err;

	if (connect != NULL && cli->args->rest != NULL)
		return nj_why(&cli->why, NJ_ERR_USAGE, "--connect and --then exclude each other");
	err = connect != NULL ? nj_connect_run(&knock.attempt, connect) : run_knock(&knock);
	nj_wipe(&knock, sizeof(knock));
	return err;
}
