#include <time.h>

#include "keeper/internal.h"

#define TAIL_DEFAULT 20
#define TAIL_MAX 10000
#define SCAN_MAX 1000000
#define VERIFY_SLICE 5000

static void time_text(uint64_t time_ms, char out[32])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;
	char text[32];

	if (gmtime_r(&seconds, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		text[0] = '\0';
	(void)!nj_text_format(out, 32, "%s.%03uZ", text, (unsigned)(time_ms % 1000));
}

static enum nj_err entry_item(void *arg, const struct nj_audit_entry *entry)
{
	char time[32];

	time_text(entry->time_ms, time);
	nj_admin_item(arg, json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "seq", (json_int_t)entry->seq, "time",
				     time, "time_ms", (json_int_t)entry->time_ms, "event", entry->event, "customer",
				     entry->customer, "subject", entry->subject, "source", entry->source, "detail",
				     entry->detail));
	return NJ_OK;
}

static bool filter_from(struct nj_admin_call *call, struct nj_audit_filter *filter)
{
	return nj_admin_text(call, "event", false, &filter->event_prefix) &&
	       nj_admin_text(call, "subject", false, &filter->subject) &&
	       nj_admin_text(call, "customer", false, &filter->customer);
}

void nj_keeper_verb_audit_tail(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_audit_filter filter = { 0 };
	uint64_t count;
	uint64_t after;
	uint64_t next = 0;
	enum nj_err err;

	if (!filter_from(call, &filter) || !nj_admin_uint(call, "count", TAIL_DEFAULT, TAIL_MAX, &count) ||
	    !nj_admin_uint(call, "after", UINT64_MAX, UINT64_MAX, &after))
		return;
	err = nj_keeper_flush(keeper);
	if (err == NJ_OK && after == UINT64_MAX)
		err = nj_audit_tail_start(keeper->audit, &filter, (uint32_t)count, SCAN_MAX, &after);
	if (err == NJ_OK)
		err = nj_audit_list(keeper->audit, after, &filter, (uint32_t)count, SCAN_MAX, entry_item, call, &next);
	if (err != NJ_OK)
		nj_admin_fail(call, err, "the audit log cannot be read: %s", nj_err_text(err));
	else
		nj_admin_ok(call, json_pack("{s:I}", "next", (json_int_t)next));
}

static void answer(struct nj_keeper *keeper, const struct nj_audit_report *report)
{
	struct nj_admin_call *call = keeper->verify_call;

	keeper->verify_call = NULL;
	if (!report->intact) {
		nj_admin_fail(call, NJ_ERR_CORRUPT, "%s", report->text);
		return;
	}
	nj_admin_ok(call,
		    json_pack("{s:I, s:I, s:I, s:I, s:s}", "records", (json_int_t)report->records, "checkpoints",
			      (json_int_t)report->checkpoints, "first_seq", (json_int_t)(report->records == 0 ? 0 : 1),
			      "last_seq", (json_int_t)report->records, "head", "ok"));
}

void nj_keeper_verify_step(struct nj_keeper *keeper)
{
	struct nj_audit_report report = { 0 };
	struct nj_admin_call *call = keeper->verify_call;
	enum nj_err err;

	if (keeper->verifier == NULL)
		return;
	err = nj_audit_verifier_step(keeper->verifier, VERIFY_SLICE, &report);
	if (err == NJ_ERR_AGAIN)
		return;
	nj_audit_verifier_free(keeper->verifier);
	keeper->verifier = NULL;
	if (err == NJ_OK) {
		answer(keeper, &report);
		return;
	}
	keeper->verify_call = NULL;
	nj_admin_fail(call, err, "the audit log cannot be read: %s", nj_err_text(err));
}

void nj_keeper_verify_abort(struct nj_keeper *keeper)
{
	struct nj_admin_call *call = keeper->verify_call;

	if (keeper->verifier == NULL)
		return;
	nj_audit_verifier_free(keeper->verifier);
	keeper->verifier = NULL;
	keeper->verify_call = NULL;
	nj_admin_fail(call, NJ_ERR_CLOSED, "the gateway is stopping: ask again when it is up or stopped");
}

/* In slices while the keeper serves, so that knocks and lease go on; at once in place. */
void nj_keeper_verb_audit_verify(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	enum nj_err err;

	if (keeper->verifier != NULL) {
		nj_admin_fail(call, NJ_ERR_BUSY, "the audit log is being verified already, try again");
		return;
	}
	err = nj_keeper_flush(keeper);
	if (err == NJ_OK)
		err = nj_audit_verifier_new(keeper->vault, &keeper->verifier);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "the audit log cannot be read: %s", nj_err_text(err));
		return;
	}
	keeper->verify_call = call;
	while (keeper->started_ms == 0 && keeper->verifier != NULL)
		nj_keeper_verify_step(keeper);
}
