/* What a running gateway counts, as OpenMetrics text. */
#include "base/metrics.h"

#include "cli/command.h"

static enum nj_err print_part(struct nj_cli *cli, enum nj_side side, const char *verb)
{
	json_t *ok = NULL;
	const char *text;

	NJ_TRY(nj_session_ask(&cli->session, side, verb, json_object(), NULL, NULL, &ok, &cli->why));
	text = json_string_value(json_object_get(ok, "text"));
	fputs(text != NULL ? text : "", stdout);
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_metrics(struct nj_cli *cli)
{
	if (!nj_session_running(&cli->session))
		return nj_why(&cli->why, NJ_ERR_NOT_FOUND, "no gateway is running here");
	NJ_TRY(print_part(cli, NJ_SIDE_GATEWAY, "gateway.metrics"));
	NJ_TRY(print_part(cli, NJ_SIDE_KEEPER, "keeper.metrics"));
	nj_metrics_end(stdout);
	return NJ_OK;
}
