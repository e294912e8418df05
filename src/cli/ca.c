/* Certificates: the built-in CA, and customers' own CAs with their revocation lists. */
#include "base/file.h"
#include "cli/command.h"
#include "cli/print.h"

#define PEM_FILE_MAX_BYTES (128 * 1024)

static void tell_pem(const struct nj_cli *cli, const json_t *ok, const char *key)
{
	const char *pem = json_string_value(json_object_get(ok, key));

	if (cli->json)
		nj_print_json(ok);
	else
		fputs(pem != NULL ? pem : "", stdout);
}

static enum nj_err ask(struct nj_cli *cli, const char *verb, json_t *args, json_t **out_ok)
{
	return nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb, args, NULL, NULL, out_ok, &cli->why);
}

enum nj_err nj_run_ca_show(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(ask(cli, "ca.show", json_object(), &ok));
	tell_pem(cli, ok, "ca");
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_ca_crl(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(ask(cli, "ca.crl", json_object(), &ok));
	tell_pem(cli, ok, "crl");
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_ca_renew(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(ask(cli, "ca.renew", json_object(), &ok));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("The gateway has a new certificate%s; sessions go on.\n",
		       json_is_true(json_object_get(ok, "running")) ? "" : ", from its next start");
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_ca_revoke(struct nj_cli *cli)
{
	const char *serial = nj_args_text(cli->args, "serial");
	const char *name = cli->args->operand_count > 0 ? cli->args->operands[0] : NULL;
	json_t *ok = NULL;

	NJ_TRY(
	    ask(cli, "ca.revoke",
		json_pack("{s:s*, s:s*, s:s*, s:b}", "name", name, "serial", serial, "customer",
			  nj_args_text(cli->args, "customer"), "application", nj_args_flag(cli->args, "application")),
		&ok));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("revoked; a session that it proved is cut\n");
	json_decref(ok);
	return NJ_OK;
}

/* A file's text into the request. */
static enum nj_err add_file(struct nj_cli *cli, const char *option, const char *key, json_t *args)
{
	const char *path = nj_args_text(cli->args, option);
	NJ_CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	json_t *value;

	if (path == NULL)
		return NJ_OK;
	NJ_TRY(nj_file_read(path, PEM_FILE_MAX_BYTES, &text, &len, &cli->why));
	value = strlen(text) == len ? json_string(text) : NULL;
	if (value == NULL)
		return nj_why(&cli->why, NJ_ERR_CONFIG, "%s is not a PEM file", path);
	json_object_set_new(args, key, value);
	return NJ_OK;
}

static json_t *of_customer(const struct nj_cli *cli)
{
	return json_pack("{s:s*}", "customer", nj_args_text(cli->args, "customer"));
}

static enum nj_err need_file(struct nj_cli *cli)
{
	if (nj_args_text(cli->args, "file") != NULL)
		return NJ_OK;
	return nj_why(&cli->why, NJ_ERR_USAGE, "say --file FILE");
}

/* `verb` with the files that `keys` name by option. */
static enum nj_err set(struct nj_cli *cli, const char *verb, const char *const keys[][2], size_t count)
{
	json_t *args = of_customer(cli);
	json_t *ok = NULL;
	enum nj_err err = need_file(cli);

	for (size_t i = 0; i < count && err == NJ_OK; i++)
		err = add_file(cli, keys[i][0], keys[i][1], args);
	if (err != NJ_OK) {
		json_decref(args);
		return err;
	}
	NJ_TRY(ask(cli, verb, args, &ok));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("set for customer \"%s\"; it acts at once\n",
		       json_string_value(json_object_get(ok, "customer")));
	json_decref(ok);
	return NJ_OK;
}

static enum nj_err set_ca(struct nj_cli *cli)
{
	static const char *const keys[][2] = { { "file", "ca" }, { "crl", "crl" } };

	return set(cli, "customer.ca.set", keys, 2);
}

static enum nj_err set_crl(struct nj_cli *cli)
{
	static const char *const keys[][2] = { { "file", "crl" } };

	return set(cli, "customer.crl.set", keys, 1);
}

static enum nj_err show_part(struct nj_cli *cli, const char *key)
{
	json_t *ok = NULL;

	NJ_TRY(ask(cli, "customer.ca.show", of_customer(cli), &ok));
	tell_pem(cli, ok, key);
	json_decref(ok);
	return NJ_OK;
}

static enum nj_err show_ca(struct nj_cli *cli)
{
	return show_part(cli, "ca");
}

static enum nj_err show_crl(struct nj_cli *cli)
{
	return show_part(cli, "crl");
}

static enum nj_err remove_ca(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(ask(cli, "customer.ca.remove", of_customer(cli), &ok));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("customer \"%s\" has no CA of its own any more; the built-in CA certifies its devices\n",
		       json_string_value(json_object_get(ok, "customer")));
	json_decref(ok);
	return NJ_OK;
}

struct action {
	const char *name;
	enum nj_err (*run)(struct nj_cli *cli);
};

static enum nj_err run_action(struct nj_cli *cli, const struct action *actions, size_t count, const char *names)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(actions[i].name, cli->args->operands[0]) == 0)
			return actions[i].run(cli);
	return nj_why(&cli->why, NJ_ERR_USAGE, "say one of %s", names);
}

enum nj_err nj_run_customer_ca(struct nj_cli *cli)
{
	static const struct action actions[] = { { "set", set_ca }, { "show", show_ca }, { "remove", remove_ca } };

	return run_action(cli, actions, 3, "set, show and remove");
}

enum nj_err nj_run_customer_crl(struct nj_cli *cli)
{
	static const struct action actions[] = { { "set", set_crl }, { "show", show_crl } };

	return run_action(cli, actions, 2, "set and show");
}
