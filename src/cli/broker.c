/* What the broker of a running gateway holds, and messages as they pass. */
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/print.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE 500

static const struct nj_column sessions[] = {
	{ "NAME", "name", NJ_COLUMN_TEXT },     { "KIND", "kind", NJ_COLUMN_TEXT },
	{ "CLIENT", "client", NJ_COLUMN_TEXT }, { "STATE", "state", NJ_COLUMN_STATE },
	{ "PEER", "peer", NJ_COLUMN_TEXT },     { "PROOF", "proof", NJ_COLUMN_TEXT },
	{ "MQTT", "version", NJ_COLUMN_TEXT },  { "FILTERS", "subscriptions", NJ_COLUMN_TEXT },
	{ "QUEUED", "queued", NJ_COLUMN_TEXT }, { "IN FLIGHT", "inflight", NJ_COLUMN_TEXT },
};

static const struct nj_column session[] = {
	{ "name", "name", NJ_COLUMN_TEXT },
	{ "kind", "kind", NJ_COLUMN_TEXT },
	{ "client", "client", NJ_COLUMN_TEXT },
	{ "state", "state", NJ_COLUMN_TEXT },
	{ "peer", "peer", NJ_COLUMN_TEXT },
	{ "proof", "proof", NJ_COLUMN_TEXT },
	{ "knock", "knock", NJ_COLUMN_TEXT },
	{ "certificate", "certificate", NJ_COLUMN_TEXT },
	{ "tls", "tls", NJ_COLUMN_TEXT },
	{ "cipher", "cipher", NJ_COLUMN_TEXT },
	{ "mqtt", "version", NJ_COLUMN_TEXT },
	{ "keep alive, s", "keep_alive_s", NJ_COLUMN_TEXT },
	{ "silent, ms", "silent_ms", NJ_COLUMN_TEXT },
	{ "bytes in", "bytes_in", NJ_COLUMN_TEXT },
	{ "bytes out", "bytes_out", NJ_COLUMN_TEXT },
	{ "kept for, s", "expiry_s", NJ_COLUMN_TEXT },
	{ "will", "will", NJ_COLUMN_TEXT },
	{ "queued", "queued", NJ_COLUMN_TEXT },
	{ "queued bytes", "queued_bytes", NJ_COLUMN_TEXT },
	{ "in flight", "inflight", NJ_COLUMN_TEXT },
	{ "discarded", "discarded", NJ_COLUMN_TEXT },
};

static const struct nj_column topics[] = {
	{ "FILTER", "filter", NJ_COLUMN_TEXT },
	{ "SESSIONS", "sessions", NJ_COLUMN_TEXT },
	{ "CONNECTED", "connected", NJ_COLUMN_TEXT },
};

static const struct nj_column retained[] = {
	{ "TOPIC", "topic", NJ_COLUMN_TEXT },
	{ "BYTES", "bytes", NJ_COLUMN_TEXT },
	{ "QOS", "qos", NJ_COLUMN_TEXT },
	{ "EXPIRES IN, S", "expires_in_s", NJ_COLUMN_TEXT },
};

static const struct nj_column bridges[] = {
	{ "NAME", "name", NJ_COLUMN_TEXT },        { "STATE", "state", NJ_COLUMN_STATE },
	{ "SINCE", "since_ms", NJ_COLUMN_TIME },   { "PEER", "address", NJ_COLUMN_TEXT },
	{ "MQTT", "version", NJ_COLUMN_TEXT },     { "QUEUED", "queued", NJ_COLUMN_TEXT },
	{ "OUT", "messages_out", NJ_COLUMN_TEXT }, { "IN", "messages_in", NJ_COLUMN_TEXT },
	{ "LAST ERROR", "error", NJ_COLUMN_TEXT },
};

static enum nj_err need_running(struct nj_cli *cli)
{
	return nj_session_running(&cli->session)
		   ? NJ_OK
		   : nj_why(&cli->why, NJ_ERR_NOT_FOUND,
			    "no gateway is running here: what MQTT holds is a running one's");
}

/* One page. `*next` is the place after it, owned; NULL: there is no more. */
static enum nj_err ask_page(struct nj_cli *cli, const char *verb, const json_t *base, uint64_t limit, char **next,
			    nj_admin_item_fn fn, void *arg)
{
	json_t *request = json_copy((json_t *)(uintptr_t)base);
	json_t *ok = NULL;
	const char *text;
	enum nj_err err;

	(void)json_object_set_new(request, "limit", json_integer((json_int_t)limit));
	if (*next != NULL)
		(void)json_object_set_new(request, "after", json_string(*next));
	free(*next);
	*next = NULL;
	err = nj_session_ask(&cli->session, NJ_SIDE_GATEWAY, verb, request, fn, arg, &ok, &cli->why);
	if (err != NJ_OK)
		return err;
	text = json_string_value(json_object_get(ok, "next"));
	*next = text != NULL ? strdup(text) : NULL;
	json_decref(ok);
	return NJ_OK;
}

/* All of it, a page at a time, or --limit of it. Takes over `request`. */
static enum nj_err list(struct nj_cli *cli, const char *verb, json_t *request, const struct nj_column *columns,
			size_t count, const char *nothing)
{
	uint64_t left = nj_args_number(cli->args, "limit", UINT64_MAX);
	enum nj_err err = request == NULL ? NJ_ERR_USAGE : need_running(cli);
	struct nj_table table;
	char *next = NULL;

	nj_table_init(&table, columns, count, cli->json);
	while (err == NJ_OK && left > 0) {
		uint64_t before = table.total;

		err = ask_page(cli, verb, request, left < PAGE ? left : PAGE, &next, nj_table_add, &table);
		nj_table_flush(&table);
		left -= table.total - before;
		if (next == NULL)
			break;
	}
	if (err == NJ_OK && table.total == 0 && !cli->json)
		printf("%s\n", nothing);
	nj_table_done(&table);
	free(next);
	json_decref(request);
	return err;
}

static json_t *base_of(const struct nj_args *args)
{
	return json_pack("{s:s*, s:s*, s:b}", "customer", nj_args_text(args, "customer"), "client",
			 nj_args_text(args, "client"), "connected", (int)nj_args_flag(args, "connected"));
}

enum nj_err nj_run_mqtt_sessions(struct nj_cli *cli)
{
	return list(cli, "mqtt.sessions", base_of(cli->args), sessions, COUNT(sessions), "no sessions");
}

enum nj_err nj_run_mqtt_topics(struct nj_cli *cli)
{
	return list(cli, "mqtt.topics", base_of(cli->args), topics, COUNT(topics), "no subscriptions");
}

enum nj_err nj_run_mqtt_retained(struct nj_cli *cli)
{
	json_t *request = base_of(cli->args);

	if (cli->args->operand_count > 0)
		(void)json_object_set_new(request, "filter", json_string(cli->args->operands[0]));
	return list(cli, "mqtt.retained", request, retained, COUNT(retained), "no retained messages");
}

enum nj_err nj_run_mqtt_bridges(struct nj_cli *cli)
{
	struct nj_table table;
	enum nj_err err = need_running(cli);
	json_t *ok = NULL;

	nj_table_init(&table, bridges, COUNT(bridges), cli->json);
	if (err == NJ_OK)
		err = nj_session_ask(&cli->session, NJ_SIDE_GATEWAY, "mqtt.bridges", json_object(), nj_table_add,
				     &table, &ok, &cli->why);
	nj_table_flush(&table);
	if (err == NJ_OK && table.total == 0 && !cli->json)
		printf("no bridges\n");
	nj_table_done(&table);
	json_decref(ok);
	return err;
}

/* ---- one party's sessions ---- */

static void print_session(void *arg, const json_t *item)
{
	struct nj_cli *cli = arg;
	const json_t *filters = json_object_get(item, "filters");
	const json_t *filter;
	size_t i;

	cli->exit_code = 0;
	if (cli->json) {
		nj_print_json(item);
		return;
	}
	nj_record_print(session, COUNT(session), item);
	json_array_foreach(filters, i, filter)
	{
		const char *text = json_string_value(json_object_get(filter, "filter"));
		char plain[512];

		printf("subscribed     %s  QoS %lld%s\n", nj_plain_text(text != NULL ? text : "", plain, sizeof(plain)),
		       (long long)json_integer_value(json_object_get(filter, "qos")),
		       json_is_true(json_object_get(filter, "allowed")) ? "" : "  (no rule allows it any more)");
	}
	putchar('\n');
}

static json_t *party_request(const struct nj_args *args)
{
	json_t *request = base_of(args);
	bool application = nj_args_flag(args, "application");

	if (request == NULL)
		return NULL;
	(void)json_object_set_new(request, "name", json_string(args->operands[0]));
	(void)json_object_set_new(request, "kind", json_string(application ? "application" : "device"));
	(void)json_object_set_new(request, "application", json_boolean(application));
	(void)json_object_set_new(request, "forget", json_boolean(nj_args_flag(args, "forget")));
	return request;
}

enum nj_err nj_run_mqtt_session(struct nj_cli *cli)
{
	json_t *request = party_request(cli->args);
	enum nj_err err = request == NULL ? NJ_ERR_USAGE : need_running(cli);
	char *next = NULL;
	const int none = nj_err_exit_code(NJ_ERR_NOT_FOUND);

	cli->exit_code = none;
	do {
		if (err == NJ_OK)
			err = ask_page(cli, "mqtt.session", request, PAGE, &next, print_session, cli);
	} while (err == NJ_OK && next != NULL);
	if (err == NJ_OK && cli->exit_code == none)
		err = nj_why(&cli->why, NJ_ERR_NOT_FOUND, "%s has no session", cli->args->operands[0]);
	free(next);
	json_decref(request);
	return err;
}

enum nj_err nj_run_mqtt_kick(struct nj_cli *cli)
{
	json_t *request = party_request(cli->args);
	json_t *ok = NULL;

	if (request == NULL)
		return nj_why(&cli->why, NJ_ERR_USAGE, "the words must be UTF-8 text");
	enum nj_err err = need_running(cli);
	if (err != NJ_OK) {
		json_decref(request);
		return err;
	}
	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "mqtt.kick", request, NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("connections ended: %lld\n", (long long)json_integer_value(json_object_get(ok, "connections")));
	json_decref(ok);
	return NJ_OK;
}

/* ---- tail ---- */

static void print_message(void *arg, const json_t *item)
{
	const struct nj_cli *cli = arg;
	const char *topic = json_string_value(json_object_get(item, "topic"));
	const char *text = json_string_value(json_object_get(item, "payload"));
	const char *hex = json_string_value(json_object_get(item, "payload_hex"));
	const char *name = json_string_value(json_object_get(item, "name"));
	NJ_CLEANUP_FREE char *room = NULL;
	char plain_topic[512];

	if (cli->json) {
		nj_print_json(item);
		fflush(stdout);
		return;
	}
	text = text != NULL ? text : hex != NULL ? hex : "";
	room = malloc(4 * strlen(text) + 1);
	printf("%s%s%s  %s  QoS %lld%s  %lld bytes  %s%s\n", nj_tone(stdout, NJ_TONE_BOLD),
	       nj_plain_text(topic != NULL ? topic : "", plain_topic, sizeof(plain_topic)), nj_tone_end(stdout),
	       name != NULL && name[0] != '\0' ? name : "gateway",
	       (long long)json_integer_value(json_object_get(item, "qos")),
	       json_is_true(json_object_get(item, "retain")) ? " retained" : "",
	       (long long)json_integer_value(json_object_get(item, "bytes")), hex != NULL ? "hex " : "",
	       room != NULL ? nj_plain_text(text, room, 4 * strlen(text) + 1) : "");
	fflush(stdout);
}

enum nj_err nj_run_mqtt_tail(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	uint64_t seconds = nj_args_number(args, "seconds", 60);
	json_t *request =
	    json_pack("{s:s*, s:s, s:I, s:I, s:I}", "customer", nj_args_text(args, "customer"), "filter",
		      args->operands[0], "count", (json_int_t)nj_args_number(args, "count", 100), "seconds",
		      (json_int_t)seconds, "bytes", (json_int_t)nj_args_number(args, "bytes", 256));
	json_t *ok = NULL;
	enum nj_err err = request == NULL ? NJ_ERR_USAGE : need_running(cli);

	if (err == NJ_OK)
		err = nj_admin_ask(cli->session.paths.admin_sock, "mqtt.tail", request,
				   (uint32_t)seconds * 1000 + 10000, print_message, cli, &ok, &cli->why);
	json_decref(request);
	if (err != NJ_OK)
		return err;
	if (!cli->json)
		fprintf(stderr, "shown: %lld, not shown: %lld\n",
			(long long)json_integer_value(json_object_get(ok, "shown")),
			(long long)json_integer_value(json_object_get(ok, "missed")));
	json_decref(ok);
	return NJ_OK;
}
