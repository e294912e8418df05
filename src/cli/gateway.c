/* Commands about a gateway as a whole, and about this program. */
#include <inttypes.h>
#include <string.h>

#include "base/config/settings.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/print.h"
#include "crypto/crypto.h"
#include "daemon/bridge_files.h"
#include "daemon/init.h"
#include "daemon/serve.h"
#include "identity/scram.h"

#define MAX_LOCALS NJ_SETTINGS_LOCAL_MAX

static void tell_init(const struct nj_cli *cli, const struct nj_init_result *made)
{
	const char *bold = nj_tone(stdout, NJ_TONE_BOLD);
	const char *warn = nj_tone(stdout, NJ_TONE_WARN);
	const char *end = nj_tone_end(stdout);
	const char *dir = nj_args_text(cli->args, "dir");
	const char *option = dir != NULL ? " --dir " : "";

	printf("A new gateway is made.\n\n");
	printf("  configuration  %s\n  keeper         %s\n  gateway        %s\n  vault's key    %s\n\n",
	       made->paths.config, made->paths.keeper_dir, made->paths.gateway_dir, made->paths.key_file);
	printf("  set-up token   %s%s%s\n  recovery key   %s%s%s\n\n", bold, made->secrets.setup_token, end, bold,
	       made->secrets.recovery, end);
	printf("%sBoth are shown this once and kept nowhere.%s Write the recovery key down and lock it away:\n"
	       "it opens the vault when its key file is lost. The token makes the first user of the portal.\n\n",
	       warn, end);
	dir = dir != NULL ? dir : "";
	printf("Next:\n  nightjar profile set sensor --publish 'dev/{device}/#'%s%s\n"
	       "  nightjar device add NAME --profile sensor --out NAME.cred%s%s\n  nightjar serve%s%s\n",
	       option, dir, option, dir, option, dir);
}

enum nj_err nj_run_init(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	const struct nj_init_options options = { .dir = nj_args_text(args, "dir"),
						 .host = nj_args_text(args, "host"),
						 .ports = nj_args_text(args, "ports"),
						 .cloak = nj_args_text(args, "cloak") };
	struct nj_init_result made = { 0 };
	enum nj_err err = nj_daemon_init(&options, &made, &cli->why);

	if (err == NJ_OK && cli->json) {
		json_t *told = json_pack("{s:s, s:s, s:s}", "config", made.paths.config, "setup_token",
					 made.secrets.setup_token, "recovery_key", made.secrets.recovery);

		nj_print_json(told);
		json_decref(told);
	} else if (err == NJ_OK) {
		tell_init(cli, &made);
	}
	nj_wipe(&made, sizeof(made));
	return err;
}

static enum nj_err check_verifiers(const struct nj_settings *settings, struct nj_why *why)
{
	struct nj_scram_verifier verifier;

	for (size_t i = 0; i < settings->local_count; i++)
		if (settings->local[i].verifier[0] != '\0' &&
		    nj_scram_verifier_parse(settings->local[i].verifier, &verifier) != NJ_OK)
			return nj_why(why, NJ_ERR_CONFIG,
				      "local: verifier of '%s' is not what `nightjar mqtt verifier` printed",
				      settings->local[i].address);
	return NJ_OK;
}

enum nj_err nj_run_check(struct nj_cli *cli)
{
	const char *path = cli->session.paths.config;
	struct nj_settings *settings = calloc(1, sizeof(*settings));
	enum nj_err err = settings != NULL ? nj_settings_load(path, settings, &cli->why)
					   : nj_why(&cli->why, NJ_ERR_NO_MEMORY, "out of memory");

	if (err == NJ_OK)
		err = check_verifiers(settings, &cli->why);
	if (err == NJ_OK)
		err = nj_bridges_check(settings, &cli->why);
	if (err == NJ_OK && cli->json) {
		json_t *told = json_pack("{s:b, s:s, s:s, s:i}", "good", 1, "config", path, "host", settings->host,
					 "knock_port", (int)settings->ports.knock);

		nj_print_json(told);
		json_decref(told);
	} else if (err == NJ_OK) {
		printf("%sgood%s: %s\n", nj_tone(stdout, NJ_TONE_GOOD), nj_tone_end(stdout), path);
	}
	free(settings);
	return err;
}

enum nj_err nj_run_serve(struct nj_cli *cli)
{
	const char *locals[MAX_LOCALS];
	struct nj_serve_options options = { .dir = nj_args_text(cli->args, "dir"), .locals = locals };
	size_t cursor = 0;
	const char *local;

	while ((local = nj_args_next(cli->args, "local", &cursor)) != NULL) {
		if (options.local_count == MAX_LOCALS)
			return nj_why(&cli->why, NJ_ERR_USAGE, "more than %d local listeners", MAX_LOCALS);
		locals[options.local_count++] = local;
	}
	cli->exit_code = nj_daemon_serve(&options);
	return NJ_OK;
}

enum nj_err nj_run_reload(struct nj_cli *cli)
{
	const char *changed;
	const char *later;
	json_t *ok = NULL;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "reload", json_object(), NULL, NULL, &ok, &cli->why));
	changed = json_string_value(json_object_get(ok, "changed"));
	later = json_string_value(json_object_get(ok, "after_restart"));
	if (cli->json) {
		nj_print_json(ok);
	} else {
		printf("The configuration is read: %s%s.\n",
		       changed != NULL && changed[0] != '\0' ? "in effect is " : "",
		       changed != NULL && changed[0] != '\0' ? changed : "nothing to take over");
		if (later != NULL && later[0] != '\0')
			printf("%sAfter a restart only:%s %s.\n", nj_tone(stdout, NJ_TONE_WARN), nj_tone_end(stdout),
			       later);
	}
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_version(struct nj_cli *cli)
{
	if (cli->json)
		printf("{\"version\":\"%s\"}\n", NJ_VERSION);
	else
		printf("nightjar %s\n", NJ_VERSION);
	return NJ_OK;
}

enum nj_err nj_run_completion(struct nj_cli *cli)
{
	if (strcmp(cli->args->operands[0], "bash") != 0)
		return nj_why(&cli->why, NJ_ERR_USAGE, "only bash is known here, not \"%.32s\"",
			      cli->args->operands[0]);
	nj_help_bash(stdout);
	return NJ_OK;
}

/* "help", "help device", "help device add". */
enum nj_err nj_run_help(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	char path[128];

	if (nj_args_flag(args, "man")) {
		nj_help_manual(stdout);
		return NJ_OK;
	}
	if (args->operand_count == 0) {
		nj_help_program(stdout);
		return NJ_OK;
	}
	for (size_t i = 0; args->operand_count == 1 && i < nj_command_group_count; i++) {
		if (strcmp(nj_command_groups[i].name, args->operands[0]) == 0) {
			nj_help_group(stdout, args->operands[0]);
			return NJ_OK;
		}
	}
	snprintf(path, sizeof(path), "%s%s%s%s%s", args->operands[0], args->operand_count > 1 ? " " : "",
		 args->operand_count > 1 ? args->operands[1] : "", args->operand_count > 2 ? " " : "",
		 args->operand_count > 2 ? args->operands[2] : "");
	for (size_t i = 0; i < nj_command_count; i++) {
		if (strcmp(nj_commands[i].path, path) == 0) {
			nj_help_command(stdout, &nj_commands[i]);
			return NJ_OK;
		}
	}
	return nj_why(&cli->why, NJ_ERR_USAGE, "there is no command \"%.64s\"; nightjar --help lists them", path);
}
