/* `nightjar perimeter`: the whole host behind one table, turned on with a way back. */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/config/settings.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/print.h"

#define ANSWER_MS 15000
#define ENVIRONMENT_BYTES (256 * 1024)
#define STAT_BYTES 1024
#define ANCESTORS_MAX 64
#define SSH_BYTES 256

static const char ssh_variable[] = "SSH_CONNECTION=";

/* ---- the session that this is run from ---- */

static size_t read_proc(pid_t pid, const char *file, char *out, size_t cap)
{
	char path[64];
	size_t len = 0;
	ssize_t got;

	if (nj_text_format(path, sizeof(path), "/proc/%d/%s", (int)pid, file) != NJ_OK)
		return 0;
	NJ_CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len + 1 < cap && (got = read(fd, out + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	return len;
}

/* "pid (name) S ppid …"; the name may hold anything. */
static pid_t parent_of(pid_t pid)
{
	char stat[STAT_BYTES];
	uint64_t parent = 0;

	(void)read_proc(pid, "stat", stat, sizeof(stat));
	char *at = strrchr(stat, ')');
	if (at == NULL || strlen(at) < 5)
		return 0;
	char *end = strchr(at + 4, ' ');
	if (end != NULL)
		*end = '\0';
	return nj_number_parse(at + 4, 1, INT32_MAX, &parent) == NJ_OK ? (pid_t)parent : 0;
}

static bool find_in_environment(pid_t pid, char *bytes, char out[SSH_BYTES])
{
	size_t len = read_proc(pid, "environ", bytes, ENVIRONMENT_BYTES);

	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1)
		if (strncmp(bytes + at, ssh_variable, sizeof(ssh_variable) - 1) == 0)
			return nj_text_copy(out, SSH_BYTES, bytes + at + sizeof(ssh_variable) - 1) == NJ_OK;
	return false;
}

/* sudo takes the variable away, its ancestors still have it. */
static bool find_ssh(char out[SSH_BYTES])
{
	NJ_CLEANUP_FREE char *bytes = malloc(ENVIRONMENT_BYTES);
	pid_t pid = getpid();

	for (int i = 0; bytes != NULL && i < ANCESTORS_MAX && pid > 1; i++, pid = parent_of(pid))
		if (find_in_environment(pid, bytes, out))
			return true;
	return false;
}

/* "ADDRESS PORT" as one text. */
static enum nj_err endpoint(const char *host, const char *port, char out[NJ_ADDR_TEXT_BYTES])
{
	struct nj_addr addr;
	uint64_t number;

	NJ_TRY(nj_addr_parse(host, &addr));
	NJ_TRY(nj_number_parse(port, 1, UINT16_MAX, &number));
	addr.port = (uint16_t)number;
	nj_addr_text(&addr, out);
	return NJ_OK;
}

/* "peer-address peer-port local-address local-port" */
static enum nj_err add_session(json_t *args, struct nj_why *why)
{
	char ssh[SSH_BYTES];
	char *words[4] = { ssh };
	char peer[NJ_ADDR_TEXT_BYTES];
	char local[NJ_ADDR_TEXT_BYTES];

	if (!find_ssh(ssh))
		return NJ_OK;
	for (size_t i = 1; i < 4; i++) {
		words[i] = strchr(words[i - 1], ' ');
		if (words[i] == NULL)
			return nj_why(why, NJ_ERR_MALFORMED, "SSH_CONNECTION is not what sshd writes: \"%.80s\"", ssh);
		*words[i]++ = '\0';
	}
	if (endpoint(words[0], words[1], peer) != NJ_OK || endpoint(words[2], words[3], local) != NJ_OK)
		return nj_why(why, NJ_ERR_MALFORMED, "SSH_CONNECTION names no connection: \"%.80s\"", words[0]);
	json_object_set_new(args, "peer", json_string(peer));
	json_object_set_new(args, "local", json_string(local));
	return NJ_OK;
}

/* ---- asking the warden ---- */

static void tell(const struct nj_cli *cli, const json_t *answer)
{
	const char *state = json_string_value(json_object_get(answer, "state"));
	const json_t *left = json_object_get(answer, "seconds_left");
	size_t index;
	json_t *row;

	if (cli->json) {
		nj_print_json(answer);
		return;
	}
	printf("perimeter %s\n", state != NULL ? state : "?");
	if (left != NULL)
		printf("It turns itself off in %" JSON_INTEGER_FORMAT
		       " s. See that you can still log in, then: nightjar perimeter confirm%s%s\n",
		       json_integer_value(left), cli->session.paths.dir[0] != '\0' ? " --dir " : "",
		       cli->session.paths.dir);
	json_array_foreach(json_object_get(answer, "allow"), index, row)
	    printf("allow     %s\n", json_string_value(row));
}

static enum nj_err ask(struct nj_cli *cli, const char *verb, json_t *args)
{
	json_t *answer = NULL;
	enum nj_err err;

	if (args == NULL)
		return nj_why(&cli->why, NJ_ERR_NO_MEMORY, "out of memory");
	err = nj_session_running(&cli->session)
		  ? nj_admin_ask(cli->session.paths.warden_sock, verb, args, ANSWER_MS, NULL, NULL, &answer, &cli->why)
		  : nj_why(&cli->why, NJ_ERR_NOT_FOUND,
			   "the gateway does not run: the perimeter is off, and comes and goes with it");
	json_decref(args);
	if (err == NJ_OK)
		tell(cli, answer);
	json_decref(answer);
	return err;
}

/* The list is read from the file as it is now, whole; a wrong one changes nothing. */
enum nj_err nj_run_perimeter_on(struct nj_cli *cli)
{
	struct nj_settings *settings = calloc(1, sizeof(*settings));
	json_t *args = json_object();
	json_t *allow = json_array();
	enum nj_err err =
	    settings == NULL ? NJ_ERR_NO_MEMORY : nj_settings_load(cli->session.paths.config, settings, &cli->why);

	for (size_t i = 0; err == NJ_OK && i < settings->perimeter.allow_count; i++)
		json_array_append_new(allow, json_string(settings->perimeter.allow[i]));
	json_object_set_new(args, "allow", allow);
	free(settings);
	if (err == NJ_OK)
		err = add_session(args, &cli->why);
	if (err != NJ_OK) {
		json_decref(args);
		return err;
	}
	return ask(cli, "perimeter.on", args);
}

enum nj_err nj_run_perimeter_off(struct nj_cli *cli)
{
	return ask(cli, "perimeter.off", json_object());
}

enum nj_err nj_run_perimeter_confirm(struct nj_cli *cli)
{
	NJ_TRY(ask(cli, "perimeter.confirm", json_object()));
	if (!cli->json)
		printf(
		    "It stays on until the gateway stops. To have it on from every start: perimeter: mode: drop-all, "
		    "in %s\n",
		    cli->session.paths.config);
	return NJ_OK;
}

enum nj_err nj_run_perimeter_status(struct nj_cli *cli)
{
	return ask(cli, "perimeter.status", json_object());
}
