/* The audit log: its last records, and whether anybody changed it. */
#include <inttypes.h>

#include "cli/command.h"
#include "cli/print.h"

static const struct nj_column columns[] = {
	{ "SEQ", "seq", NJ_COLUMN_TEXT },       { "TIME", "time", NJ_COLUMN_TEXT },
	{ "EVENT", "event", NJ_COLUMN_TEXT },   { "SUBJECT", "subject", NJ_COLUMN_TEXT },
	{ "SOURCE", "source", NJ_COLUMN_TEXT }, { "DETAIL", "detail", NJ_COLUMN_TEXT },
};

enum nj_err nj_run_audit_tail(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	struct nj_table table;
	enum nj_err err;
	json_t *request = json_pack("{s:I, s:s*, s:s*}", "count", (json_int_t)nj_args_number(args, "count", 20),
				    "event", nj_args_text(args, "event"), "subject", nj_args_text(args, "subject"));

	if (nj_args_flag(args, "after"))
		(void)json_object_set_new(request, "after", json_integer((json_int_t)nj_args_number(args, "after", 0)));
	nj_table_init(&table, columns, sizeof(columns) / sizeof(columns[0]), cli->json);
	err =
	    nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "audit.tail", request, nj_table_add, &table, NULL, &cli->why);
	nj_table_flush(&table);
	nj_table_done(&table);
	return err;
}

enum nj_err nj_run_audit_verify(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(
	    nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "audit.verify", json_object(), NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("%swhole%s: %" JSON_INTEGER_FORMAT " records (%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
		       "), signed checkpoints: %" JSON_INTEGER_FORMAT "\n",
		       nj_tone(stdout, NJ_TONE_GOOD), nj_tone_end(stdout),
		       json_integer_value(json_object_get(ok, "records")),
		       json_integer_value(json_object_get(ok, "first_seq")),
		       json_integer_value(json_object_get(ok, "last_seq")),
		       json_integer_value(json_object_get(ok, "checkpoints")));
	json_decref(ok);
	return NJ_OK;
}
