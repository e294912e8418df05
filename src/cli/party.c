/* Devices and applications: the same commands for both; the command's first word is the kind. */
#include "base/text.h"
#include "cli/command.h"
#include "cli/credential.h"
#include "cli/print.h"
#include "crypto/crypto.h"
#include "crypto/x509.h"

#define PAGE_ROWS 1000
#define VERB_BYTES 64

static const struct nj_column list_columns[] = {
	{ "NAME", "name", NJ_COLUMN_TEXT },         { "PROFILE", "profile", NJ_COLUMN_TEXT },
	{ "STATE", "state", NJ_COLUMN_STATE },      { "CREATED (UTC)", "created_ms", NJ_COLUMN_TIME },
	{ "CUSTOMER", "customer", NJ_COLUMN_TEXT }, { "UID", "uid", NJ_COLUMN_TEXT },
};

static const struct nj_column show_columns[] = {
	{ "name", "name", NJ_COLUMN_TEXT },
	{ "kind", "kind", NJ_COLUMN_TEXT },
	{ "customer", "customer", NJ_COLUMN_TEXT },
	{ "profile", "profile", NJ_COLUMN_TEXT },
	{ "state", "state", NJ_COLUMN_STATE },
	{ "uid", "uid", NJ_COLUMN_TEXT },
	{ "created (UTC)", "created_ms", NJ_COLUMN_TIME },
	{ "revoked (UTC)", "revoked_ms", NJ_COLUMN_TIME },
	{ "last counter", "knocks_floor", NJ_COLUMN_TEXT },
	{ "key", "epoch", NJ_COLUMN_TEXT },
	{ "rekeyed (UTC)", "rekeyed_ms", NJ_COLUMN_TIME },
	{ "CLONED (UTC)", "cloned_ms", NJ_COLUMN_TIME },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "device add" → "device.add" */
static const char *verb_of(const struct nj_cli *cli, char out[VERB_BYTES])
{
	snprintf(out, VERB_BYTES, "%s", cli->command->path);
	*strchr(out, ' ') = '.';
	return out;
}

static const char *kind_of(const struct nj_cli *cli)
{
	return strncmp(cli->command->path, "device", 6) == 0 ? "device" : "application";
}

static json_t *args_of_name(const struct nj_cli *cli)
{
	return json_pack("{s:s, s:s*}", "name", cli->args->operands[0], "customer",
			 nj_args_text(cli->args, "customer"));
}

/* A party without its file would be of no use to anybody, and nobody could add the name again. */
static void take_back(struct nj_cli *cli)
{
	char verb[VERB_BYTES];
	struct nj_why ignored;

	snprintf(verb, sizeof(verb), "%s.revoke", kind_of(cli));
	if (nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb, args_of_name(cli), NULL, NULL, NULL, &ignored) == NJ_OK)
		fprintf(stderr, "nightjar: %s \"%s\" was revoked again\n", kind_of(cli), cli->args->operands[0]);
}

/* For a profile that binds by certificate: a key, which stays here, and the request for it. NJ_OK without one when the
 * profile needs none; one that is not there is for the gateway to refuse. */
static enum nj_err make_request(struct nj_cli *cli, json_t *args, struct nj_x509_pair *out_pair)
{
	json_t *profile = NULL;
	struct nj_why ignored;
	const char *bind;
	enum nj_err err = NJ_OK;

	if (nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "profile.show",
			   json_pack("{s:s}", "name", nj_args_text(cli->args, "profile")), NULL, NULL, &profile,
			   &ignored) != NJ_OK)
		return NJ_OK;
	bind = json_string_value(json_object_get(profile, "bind"));
	if (bind != NULL && strcmp(bind, "psk") != 0) {
		err = nj_x509_make_request(cli->args->operands[0], out_pair);
		if (err == NJ_OK)
			json_object_set_new(args, "csr", json_string(out_pair->cert_pem));
		else
			err = nj_why(&cli->why, err, "no certificate request can be made: %s", nj_err_text(err));
	}
	json_decref(profile);
	return err;
}

static enum nj_err write_answer(struct nj_cli *cli, const json_t *ok, const struct nj_x509_pair *request,
				struct nj_new_file *file)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile content = { 0 };

	NJ_TRY(nj_credential_read(ok, ok, &content, &cli->why));
	if (content.cert[0] != '\0' && request->key_pem != NULL)
		NJ_TRY(nj_text_copy(content.cert_key, sizeof(content.cert_key), request->key_pem));
	return nj_new_file_commit(file, &content, &cli->why);
}

static void tell_added(const struct nj_cli *cli, const json_t *ok)
{
	const char *path = nj_args_text(cli->args, "out");

	if (cli->json) {
		json_t *told = json_pack("{s:s, s:O*, s:O*, s:s, s:s}", "name", cli->args->operands[0], "customer",
					 json_object_get(ok, "customer"), "uid", json_object_get(ok, "uid"), "kind",
					 kind_of(cli), "credentials", path);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("%s \"%s\" is added; its credentials are in %s (keep them secret)\n", kind_of(cli),
	       cli->args->operands[0], path);
}

enum nj_err nj_run_party_add(struct nj_cli *cli)
{
	struct nj_new_file file;
	char verb[VERB_BYTES];
	json_t *args = json_pack("{s:s, s:s, s:s*}", "name", cli->args->operands[0], "profile",
				 nj_args_text(cli->args, "profile"), "customer", nj_args_text(cli->args, "customer"));
	struct nj_x509_pair request = { 0 };
	json_t *ok = NULL;
	enum nj_err err =
	    nj_new_file_begin(nj_args_text(cli->args, "out"), nj_args_flag(cli->args, "force"), &file, &cli->why);

	if (err != NJ_OK) {
		json_decref(args);
		return err;
	}
	err = make_request(cli, args, &request);
	if (err == NJ_OK)
		err =
		    nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb_of(cli, verb), args, NULL, NULL, &ok, &cli->why);
	else
		json_decref(args);
	if (err != NJ_OK) {
		nj_x509_pair_done(&request);
		nj_new_file_abort(&file);
		return err;
	}
	err = write_answer(cli, ok, &request, &file);
	nj_x509_pair_done(&request);
	if (err == NJ_OK) {
		tell_added(cli, ok);
	} else {
		nj_new_file_abort(&file);
		take_back(cli);
	}
	json_decref(ok);
	return err;
}

enum nj_err nj_run_party_list(struct nj_cli *cli)
{
	struct nj_table table;
	char verb[VERB_BYTES];
	json_t *cursor = NULL;
	enum nj_err err;

	nj_table_init(&table, list_columns, COUNT(list_columns), cli->json);
	do {
		json_t *args = json_pack("{s:i, s:o*, s:s*}", "limit", PAGE_ROWS, "after", cursor, "customer",
					 nj_args_text(cli->args, "customer"));
		json_t *ok = NULL;

		cursor = NULL;
		err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb_of(cli, verb), args, nj_table_add, &table, &ok,
				     &cli->why);
		if (err == NJ_OK)
			cursor = json_incref(json_object_get(ok, "next"));
		json_decref(ok);
		nj_table_flush(&table);
	} while (cursor != NULL && !json_is_null(cursor));
	json_decref(cursor);
	if (err == NJ_OK && table.total == 0 && !cli->json)
		printf("no %ss yet\n", kind_of(cli));
	nj_table_done(&table);
	return err;
}

static const struct nj_column tls_columns[] = {
	{ "last TLS (UTC)", "seen_ms", NJ_COLUMN_TIME },
	{ "proved by", "proof", NJ_COLUMN_TEXT },
	{ "TLS version", "version", NJ_COLUMN_TEXT },
	{ "suite", "cipher", NJ_COLUMN_TEXT },
	{ "group", "group", NJ_COLUMN_TEXT },
	{ "offers versions", "versions", NJ_COLUMN_TEXT },
	{ "offers suites", "suites", NJ_COLUMN_TEXT },
	{ "offers groups", "groups", NJ_COLUMN_TEXT },
	{ "offers signatures", "signatures", NJ_COLUMN_TEXT },
};

/* What its TLS could do and did; NULL when it was not seen, or the gateway process is down. */
static json_t *tls_of(struct nj_cli *cli, const json_t *party)
{
	const char *uid = json_string_value(json_object_get(party, "uid"));
	struct nj_why ignored;
	json_t *tls = NULL;

	if (uid == NULL || nj_session_ask(&cli->session, NJ_SIDE_GATEWAY, "tls.show", json_pack("{s:s}", "uid", uid),
					  NULL, NULL, &tls, &ignored) != NJ_OK)
		return NULL;
	return tls;
}

enum nj_err nj_run_party_show(struct nj_cli *cli)
{
	json_t *tls;
	char verb[VERB_BYTES];
	json_t *ok = NULL;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb_of(cli, verb), args_of_name(cli), NULL, NULL, &ok,
			      &cli->why));
	tls = tls_of(cli, ok);
	if (tls != NULL)
		json_object_set(ok, "tls", tls);
	if (cli->json)
		nj_print_json(ok);
	else
		nj_record_print(show_columns, COUNT(show_columns), ok);
	if (!cli->json && tls != NULL)
		nj_record_print(tls_columns, COUNT(tls_columns), tls);
	json_decref(tls);
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_party_raise(struct nj_cli *cli)
{
	char verb[VERB_BYTES];
	json_t *request = args_of_name(cli);
	json_t *ok = NULL;

	if (request != NULL)
		(void)json_object_set_new(request, "by", json_integer((json_int_t)nj_args_number(cli->args, "by", 0)));
	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb_of(cli, verb), request, NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("%s \"%s\": counters up to %" JSON_INTEGER_FORMAT " are used up\n", kind_of(cli),
		       cli->args->operands[0], json_integer_value(json_object_get(ok, "knocks_floor")));
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_party_revoke(struct nj_cli *cli)
{
	char verb[VERB_BYTES];
	json_t *ok = NULL;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb_of(cli, verb), args_of_name(cli), NULL, NULL, &ok,
			      &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("%s \"%s\" is revoked%s\n", kind_of(cli), cli->args->operands[0],
		       json_is_true(json_object_get(ok, "cut")) ? "; its connections are cut" : "");
	json_decref(ok);
	return NJ_OK;
}
