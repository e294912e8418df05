/* Profiles: what a class of devices or applications may do. */
#include "cli/command.h"
#include "cli/contract.h"
#include "cli/print.h"

static const struct nj_column columns[] = {
	{ "NAME", "name", NJ_COLUMN_TEXT },
	{ "SERVICES", "services", NJ_COLUMN_TEXT },
	{ "PLAIN", "plain", NJ_COLUMN_TEXT },
	{ "PUBLISH", "publish", NJ_COLUMN_TEXT },
	{ "SUBSCRIBE", "subscribe", NJ_COLUMN_TEXT },
	{ "DENY PUBLISH", "deny_publish", NJ_COLUMN_TEXT },
	{ "DENY SUBSCRIBE", "deny_subscribe", NJ_COLUMN_TEXT },
};

static const struct nj_column record[] = {
	{ "name", "name", NJ_COLUMN_TEXT },
	{ "customer", "customer", NJ_COLUMN_TEXT },
	{ "services", "services", NJ_COLUMN_TEXT },
	{ "plain", "plain", NJ_COLUMN_TEXT },
	{ "bind", "bind", NJ_COLUMN_TEXT },
	{ "tls floor", "tls_floor", NJ_COLUMN_TEXT },
	{ "source", "source", NJ_COLUMN_TEXT },
	{ "source, IPv6", "source6", NJ_COLUMN_TEXT },
	{ "grant seconds", "grant_seconds", NJ_COLUMN_TEXT },
	{ "bind seconds", "bind_seconds", NJ_COLUMN_TEXT },
	{ "publish", "publish", NJ_COLUMN_TEXT },
	{ "deny publish", "deny_publish", NJ_COLUMN_TEXT },
	{ "subscribe", "subscribe", NJ_COLUMN_TEXT },
	{ "deny subscribe", "deny_subscribe", NJ_COLUMN_TEXT },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* All values of a repeatable option, a new array. */
static json_t *values_of(const struct nj_args *args, const char *option)
{
	json_t *list = json_array();
	size_t cursor = 0;
	const char *value;

	while ((value = nj_args_next(args, option, &cursor)) != NULL)
		(void)json_array_append_new(list, json_string(value));
	return list;
}

/* Lists that were not given are left out where the gateway has a default of its own. */
static void add_optional(const struct nj_args *args, json_t *request)
{
	static const struct {
		const char *option, *key;
	} texts[] = {
		{ "customer", "customer" }, { "bind", "bind" },       { "tls-floor", "tls_floor" },
		{ "source", "source" },     { "source6", "source6" },
	};
	static const struct {
		const char *option, *key;
	} numbers[] = { { "grant-seconds", "grant_seconds" }, { "bind-seconds", "bind_seconds" } };
	json_t *services = values_of(args, "service");

	if (json_array_size(services) > 0)
		(void)json_object_set(request, "services", services);
	json_decref(services);
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *text = nj_args_text(args, texts[i].option);

		if (text != NULL)
			(void)json_object_set_new(request, texts[i].key, json_string(text));
	}
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (nj_args_flag(args, numbers[i].option))
			(void)json_object_set_new(request, numbers[i].key,
						  json_integer((json_int_t)nj_args_number(args, numbers[i].option, 0)));
}

enum nj_err nj_run_profile_set(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	json_t *request = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "name", args->operands[0], "publish",
				    values_of(args, "publish"), "subscribe", values_of(args, "subscribe"),
				    "deny_publish", values_of(args, "deny-publish"), "deny_subscribe",
				    values_of(args, "deny-subscribe"), "plain", nj_args_flag(args, "plain"));
	json_t *ok = NULL;

	if (request == NULL)
		return nj_why(&cli->why, NJ_ERR_USAGE, "the words must be UTF-8 text");
	add_optional(args, request);
	if (nj_args_text(args, "contract") != NULL) {
		enum nj_err err = nj_contract_file_add(nj_args_text(args, "contract"), request, &cli->why);

		if (err != NJ_OK) {
			json_decref(request);
			return err;
		}
	}
	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "profile.set", request, NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("profile \"%s\" is %s\n", args->operands[0],
		       json_is_true(json_object_get(ok, "created")) ? "made" : "replaced");
	json_decref(ok);
	return NJ_OK;
}

static void add_row(void *arg, const json_t *item)
{
	struct nj_table *table = arg;
	json_t *row = table->json ? json_incref((json_t *)(uintptr_t)item) : json_deep_copy(item);

	if (!table->json)
		nj_contract_words(row);
	nj_table_add(table, row);
	json_decref(row);
}

enum nj_err nj_run_profile_list(struct nj_cli *cli)
{
	struct nj_table table;
	enum nj_err err;
	json_t *args = json_pack("{s:s*}", "customer", nj_args_text(cli->args, "customer"));

	nj_table_init(&table, columns, COUNT(columns), cli->json);
	err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "profile.list", args, add_row, &table, NULL, &cli->why);
	nj_table_flush(&table);
	if (err == NJ_OK && table.total == 0 && !cli->json)
		printf("no profiles yet: make one with nightjar profile set\n");
	nj_table_done(&table);
	return err;
}

enum nj_err nj_run_profile_show(struct nj_cli *cli)
{
	json_t *ok = NULL;
	json_t *args =
	    json_pack("{s:s, s:s*}", "name", cli->args->operands[0], "customer", nj_args_text(cli->args, "customer"));

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "profile.show", args, NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		nj_contract_words(ok);
	if (!cli->json)
		nj_record_print(record, COUNT(record), ok);
	json_decref(ok);
	return NJ_OK;
}
