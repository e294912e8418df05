/* A reload as people see it: who asked, what came of it. The supervisor reads the file (daemon/reload.h). */
#include <string.h>

#include "base/text.h"
#include "keeper/internal.h"

#define LIST_BYTES 1024

void nj_keeper_reconfigure(struct nj_keeper *keeper, const struct nj_keeper_config *config)
{
	keeper->limits = config->limits;
	if (config->grant_ms != 0)
		keeper->grant_ms = config->grant_ms;
	if (keeper->knocks != NULL)
		nj_knocks_set_limits(keeper->knocks, &config->limits);
}

void nj_keeper_verb_reload(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;

	if (keeper->watch.reload == NULL) {
		nj_admin_fail(call, NJ_ERR_STATE, "the gateway is stopped: it reads its configuration when it starts");
		return;
	}
	if (keeper->reload_call != NULL) {
		nj_admin_fail(call, NJ_ERR_BUSY, "a reload is under way: try again");
		return;
	}
	keeper->reload_call = call;
	(void)!nj_text_copy(keeper->reload_caller, sizeof(keeper->reload_caller), nj_admin_caller(call));
	keeper->watch.reload(keeper->watch.arg);
}

/* Without a caller it was a signal. */
static void record(struct nj_keeper *keeper, enum nj_audit_event event, const char *detail)
{
	if (keeper->audit == NULL)
		return;
	nj_keeper_note(keeper, &(struct nj_audit_record){
				   .event = event,
				   .source = keeper->reload_caller[0] != '\0' ? keeper->reload_caller : "signal",
				   .detail = detail });
}

static struct nj_admin_call *take_call(struct nj_keeper *keeper)
{
	struct nj_admin_call *call = keeper->reload_call;

	keeper->reload_call = NULL;
	keeper->reload_caller[0] = '\0';
	return call;
}

void nj_keeper_reloaded(struct nj_keeper *keeper, struct nj_view changes)
{
	const uint8_t *feed = changes.len > 0 ? memchr(changes.data, '\n', changes.len) : NULL;
	size_t live_len = feed != NULL ? (size_t)(feed - changes.data) : changes.len;
	char live[LIST_BYTES] = "";
	char restart[LIST_BYTES] = "";
	char detail[2 * LIST_BYTES + 64];
	struct nj_admin_call *call;

	(void)!nj_text_copy_view(live, sizeof(live), nj_view_of(changes.data, live_len));
	if (feed != NULL)
		(void)!nj_text_copy_view(restart, sizeof(restart), nj_view_of(feed + 1, changes.len - live_len - 1));
	(void)!nj_text_format(detail, sizeof(detail), "changed: %s%s%s", live[0] != '\0' ? live : "nothing",
			      restart[0] != '\0' ? "; after a restart: " : "", restart);
	record(keeper, NJ_AUDIT_RELOAD, detail);
	call = take_call(keeper);
	if (call != NULL)
		nj_admin_ok(call, json_pack("{s:s, s:s}", "changed", live, "after_restart", restart));
}

void nj_keeper_reload_refused(struct nj_keeper *keeper, struct nj_view reason)
{
	char text[LIST_BYTES] = "";
	struct nj_admin_call *call;

	(void)!nj_text_copy_view(text, sizeof(text), nj_utf8_cut(reason, sizeof(text) - 1));
	record(keeper, NJ_AUDIT_RELOAD_REFUSED, text);
	call = take_call(keeper);
	if (call != NULL)
		nj_admin_fail(call, NJ_ERR_CONFIG, "refused, nothing was changed: %s", text);
}

void nj_keeper_reload_abort(struct nj_keeper *keeper)
{
	struct nj_admin_call *call = take_call(keeper);

	if (call != NULL)
		nj_admin_fail(call, NJ_ERR_CLOSED, "the gateway is stopping");
}
