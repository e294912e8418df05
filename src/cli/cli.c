/* The command line as a whole: finds the command, reads its words, runs it, and tells what went wrong. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/print.h"
#include "crypto/crypto.h"

#define MAX_NAMES 64

static bool is_group(const char *word)
{
	for (size_t i = 0; i < nj_command_group_count; i++) {
		if (strcmp(nj_command_groups[i].name, word) == 0)
			return true;
	}
	return false;
}

static const struct nj_command *command_of(const char *first, const char *second)
{
	char path[128];

	if (nj_text_format(path, sizeof(path), "%s%s%s", first, second != NULL ? " " : "",
			   second != NULL ? second : "") != NJ_OK)
		return NULL;
	for (size_t i = 0; i < nj_command_count; i++) {
		if (strcmp(nj_commands[i].path, path) == 0)
			return &nj_commands[i];
	}
	return NULL;
}

/* The known word nearest to one that is not: a first word, or a second after `group`. */
static const char *nearest_word(const char *word, const char *group)
{
	const char *names[MAX_NAMES] = { NULL };
	const char *nearest;
	size_t count = 0;
	size_t skip = group != NULL ? strlen(group) + 1 : 0;

	for (size_t i = 0; group == NULL && i < nj_command_group_count; i++)
		names[count++] = nj_command_groups[i].name;
	for (size_t i = 0; i < nj_command_count && count < MAX_NAMES; i++) {
		const char *path = nj_commands[i].path;

		if (group != NULL ? strncmp(path, group, skip - 1) == 0 && path[skip - 1] == ' '
				  : strchr(path, ' ') == NULL)
			names[count++] = path + skip;
	}
	nearest = nj_text_nearest(word, names, count);
	/* What was cut short is too far by distance. */
	for (size_t i = 0; nearest == NULL && i < count; i++) {
		if (word[0] != '\0' && strncmp(names[i], word, strlen(word)) == 0)
			nearest = names[i];
	}
	return nearest;
}

static int fail_word(const char *word, const char *group)
{
	const char *nearest = nearest_word(word, group);
	char plain[128];

	fprintf(stderr, "nightjar: there is no command \"%s%s%s\"", group != NULL ? group : "",
		group != NULL ? " " : "", nj_plain_text(word, plain, sizeof(plain)));
	if (nearest != NULL)
		fprintf(stderr, "; did you mean \"%s%s%s\"?\n", group != NULL ? group : "", group != NULL ? " " : "",
			nearest);
	else
		fprintf(stderr, "; nightjar %s%s--help lists them\n", group != NULL ? group : "",
			group != NULL ? " " : "");
	return EX_USAGE;
}

static int fail(const struct nj_command *command, enum nj_err err, const struct nj_why *why)
{
	char plain[sizeof(why->text)];

	nj_plain_text(why->text[0] != '\0' ? why->text : nj_err_text(err), plain, sizeof(plain));
	fflush(stdout);
	fprintf(stderr, "%snightjar %s:%s %s\n", nj_tone(stderr, NJ_TONE_BAD), command->path, nj_tone_end(stderr),
		plain);
	if (err == NJ_ERR_USAGE)
		fprintf(stderr, "nightjar %s --help tells more\n", command->path);
	return nj_err_exit_code(err);
}

/* What was printed must have arrived: a full disk or a closed pipe is not success. */
static int flush_output(int exit_code)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return exit_code;
	fprintf(stderr, "nightjar: cannot write the output: %m\n");
	return exit_code == EX_OK ? EX_IOERR : exit_code;
}

static int run(const struct nj_command *command, const struct nj_args *args)
{
	struct nj_cli cli = { .command = command, .args = args, .json = nj_args_flag(args, "json") };
	enum nj_err err = nj_session_open(nj_args_text(args, "dir"), &cli.session, &cli.why);

	if (err == NJ_OK)
		err = command->run(&cli);
	nj_session_close(&cli.session);
	if (err != NJ_OK)
		return fail(command, err, &cli.why);
	return flush_output(cli.exit_code);
}

static int run_command(const struct nj_command *command, int argc, char **argv)
{
	struct nj_args *args = calloc(1, sizeof(*args));
	struct nj_why why = { 0 };
	enum nj_err err;
	int exit_code;

	if (args == NULL)
		return EX_OSERR;
	err = nj_args_parse(&command->set, argc, (const char *const *)argv, args, &why);
	if (err != NJ_OK) {
		exit_code = fail(command, err, &why);
	} else if (args->help) {
		nj_help_command(stdout, command);
		exit_code = flush_output(EX_OK);
	} else {
		exit_code = run(command, args);
	}
	free(args);
	return exit_code;
}

static bool asks_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Commands of three words: is "vault slot" a word pair that stands before others? */
static bool is_pair(const char *first, const char *second, char out[128])
{
	size_t len;

	if (nj_text_format(out, 128, "%s %s", first, second) != NJ_OK)
		return false;
	len = strlen(out);
	for (size_t i = 0; i < nj_command_count; i++)
		if (strncmp(nj_commands[i].path, out, len) == 0 && nj_commands[i].path[len] == ' ')
			return true;
	return false;
}

static int run_pair(const char *pair, int argc, char **argv)
{
	const struct nj_command *command;

	if (argc < 4 || asks_help(argv[3])) {
		nj_help_group(argc < 4 ? stderr : stdout, pair);
		return argc < 4 ? EX_USAGE : flush_output(EX_OK);
	}
	command = command_of(pair, argv[3]);
	if (command == NULL)
		return fail_word(argv[3], pair);
	return run_command(command, argc - 4, argv + 4);
}

static int run_group(int argc, char **argv)
{
	const struct nj_command *command;
	char pair[128];

	if (argc < 3 || asks_help(argv[2])) {
		nj_help_group(argc < 3 ? stderr : stdout, argv[1]);
		return argc < 3 ? EX_USAGE : flush_output(EX_OK);
	}
	if (is_pair(argv[1], argv[2], pair))
		return run_pair(pair, argc, argv);
	command = command_of(argv[1], argv[2]);
	if (command == NULL)
		return fail_word(argv[2], argv[1]);
	return run_command(command, argc - 3, argv + 3);
}

/* Started with one of them closed, the next file or socket would take its number, and messages go into it. */
static bool have_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

int nj_cli_main(int argc, char **argv)
{
	const struct nj_command *command;

	if (!have_standard_descriptors())
		return EX_OSERR;
	nj_admin_wipe_json();
	if (nj_crypto_init() != NJ_OK) {
		fprintf(stderr, "nightjar: the cryptographic libraries cannot be used\n");
		return EX_SOFTWARE;
	}
	if (argc < 2 || asks_help(argv[1])) {
		nj_help_program(argc < 2 ? stderr : stdout);
		return argc < 2 ? EX_USAGE : flush_output(EX_OK);
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] += 2;
	if (is_group(argv[1]))
		return run_group(argc, argv);
	command = command_of(argv[1], NULL);
	if (command == NULL)
		return fail_word(argv[1], NULL);
	return run_command(command, argc - 2, argv + 2);
}
