/* The gateway's own certificate: with its HELLO, and while it runs whenever there is a newer one. */
#include "keeper/internal.h"

#define LOOK_MS 3600000 /* whether it is time for a new one */

static uint64_t now_s(const struct nj_keeper *keeper)
{
	return nj_clock_wall_ms(keeper->clock) / 1000;
}

static size_t names_of(const struct nj_keeper *keeper, const char *out_names[NJ_AUTHORITY_NAMES_MAX])
{
	for (size_t i = 0; i < keeper->name_count; i++)
		out_names[i] = keeper->names[i];
	return keeper->name_count;
}

static void note_issue(struct nj_keeper *keeper, const char *caller)
{
	nj_keeper_note(keeper, &(struct nj_audit_record){ .event = NJ_AUDIT_CERTIFICATE_ISSUED,
							  .subject = keeper->host,
							  .source = caller,
							  .detail = "server" });
}

static enum nj_err current_pair(struct nj_keeper *keeper, struct nj_x509_pair *out_pair, bool *out_renewed)
{
	const char *names[NJ_AUTHORITY_NAMES_MAX];

	NJ_TRY(nj_authority_server(keeper->authority, names, names_of(keeper, names), now_s(keeper), out_pair,
				   out_renewed));
	if (*out_renewed)
		note_issue(keeper, "keeper");
	return NJ_OK;
}

enum nj_err nj_keeper_server_pair(struct nj_keeper *keeper, struct nj_x509_pair *out_pair, const char **out_ca_pem)
{
	bool renewed = false;

	NJ_TRY(current_pair(keeper, out_pair, &renewed));
	*out_ca_pem = nj_authority_ca_pem(keeper->authority);
	return NJ_OK;
}

/* Handshakes from now on are made with it; sessions keep the one that they began with. */
static void put(struct nj_keeper *keeper, const struct nj_x509_pair *pair, nj_link_done_fn done, void *arg)
{
	struct nj_ipc message = { .type = NJ_IPC_CERTIFICATE_PUT };

	message.as.certificate.cert_pem = nj_view_str(pair->cert_pem);
	message.as.certificate.key_pem = nj_view_str(pair->key_pem);
	keeper->link->ops->request(keeper->link, &message, done, arg);
}

/* ---- by itself ---- */

/* A gateway that refuses it says so in the log, and goes on with the one that it has. */
static void ignore_answer(void *arg, enum nj_err err, const char *text)
{
}

void nj_keeper_server_tick(struct nj_keeper *keeper)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);
	struct nj_x509_pair pair = { 0 };
	bool renewed = false;

	if (keeper->server_due_ms == 0)
		keeper->server_due_ms = now_ms + LOOK_MS;
	if (now_ms < keeper->server_due_ms || keeper->link == NULL || !keeper->link->ops->connected(keeper->link))
		return;
	keeper->server_due_ms = now_ms + LOOK_MS;
	if (current_pair(keeper, &pair, &renewed) != NJ_OK)
		return;
	if (renewed)
		put(keeper, &pair, ignore_answer, NULL);
	nj_x509_pair_done(&pair);
}

/* ---- ca.renew ---- */

static void on_put(void *arg, enum nj_err err, const char *text)
{
	struct nj_admin_call *call = arg;

	/* A gateway that is away gets it when it is back. */
	if (err == NJ_OK || err == NJ_ERR_CLOSED)
		nj_admin_ok(call, json_pack("{s:b}", "running", err == NJ_OK));
	else
		nj_admin_fail(call, err, "stored, but the gateway process did not take it: %s",
			      text[0] != '\0' ? text : nj_err_text(err));
}

void nj_keeper_verb_ca_renew(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	const char *names[NJ_AUTHORITY_NAMES_MAX];
	struct nj_x509_pair pair = { 0 };
	enum nj_err err =
	    nj_authority_renew_server(keeper->authority, names, names_of(keeper, names), now_s(keeper), &pair);

	nj_keeper_store_result(keeper, err);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "no certificate was made: %s", nj_err_text(err));
		return;
	}
	note_issue(keeper, nj_admin_caller(call));
	put(keeper, &pair, on_put, call);
	nj_x509_pair_done(&pair);
}
