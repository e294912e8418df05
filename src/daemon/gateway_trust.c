#include "base/log.h"
#include "daemon/gateway_fabric.h"

#define TRUSTS_MAX 10000

struct gateway_trust {
	char customer[NJ_NAME_BYTES]; /* "": the built-in CA */
	struct nj_tls_trust *trust;
};

static struct nj_view trust_key(const void *entry)
{
	return nj_view_str(((const struct gateway_trust *)entry)->customer);
}

void gateway_trust_init(struct gateway *g, struct nj_random *random)
{
	nj_map_init(&g->trusts, trust_key, TRUSTS_MAX, random);
}

static void trust_free(struct gateway_trust *entry)
{
	nj_tls_trust_unref(entry->trust);
	free(entry);
}

void gateway_trust_done(struct gateway *g)
{
	struct gateway_trust *entry;
	size_t cursor = 0;

	while ((entry = nj_map_next(&g->trusts, &cursor)) != NULL)
		trust_free(entry);
	nj_map_done(&g->trusts);
}

const struct nj_tls_trust *gateway_trust_of(void *arg, const char *customer, bool *out_own)
{
	const struct gateway *g = arg;
	const struct gateway_trust *entry = nj_map_get(&g->trusts, nj_view_str(customer));

	*out_own = entry != NULL;
	if (entry == NULL)
		entry = nj_map_get(&g->trusts, nj_view_str(""));
	return entry == NULL ? NULL : entry->trust;
}

/* ---- what a new list means for sessions ---- */
/* A CA's list speaks for those whom that CA certifies now; copied, as it is asked on the brokers' threads. */
struct judging {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	struct nj_tls_trust *trust;
	char customer[NJ_NAME_BYTES]; /* whose CA it is; "": the built-in one, of everybody without an own */
	size_t other_count;
	char others[][NJ_NAME_BYTES]; /* customers with an own CA */
};

static bool certifies(const struct judging *judging, const char *customer)
{
	if (judging->customer[0] != '\0')
		return strcmp(judging->customer, customer) == 0;
	for (size_t i = 0; i < judging->other_count; i++)
		if (strcmp(judging->others[i], customer) == 0)
			return false;
	return true;
}

static void audit_cut(struct gateway_notice *notice)
{
	gateway_audit_write(notice->gateway, NJ_AUDIT_SESSION_CUT, notice->party, &notice->peer,
			    "its certificate is revoked");
}

static void report_cut(struct judging *judging, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct nj_mqtt_seen seen = { .party = party, .peer = nj_conn_peer(conn) };
	struct gateway_notice *notice = gateway_notice_new(judging->gateway, &seen, false, audit_cut);

	NJ_LOG(NJ_LOG_INFO, "certificate.revoked", NJ_S("name", party->names.name), NJ_A("peer", nj_conn_peer(conn)));
	if (notice != NULL)
		gateway_notice_send(notice);
}

static bool is_revoked(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct judging *judging = arg;

	return nj_conn_revoked_by(conn, judging->trust) && certifies(judging, party->names.customer);
}

static void on_cut(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	report_cut(arg, conn, party);
}

static bool is_revoked_waiting(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	bool revoked = is_revoked(arg, conn, party);

	if (revoked)
		report_cut(arg, conn, party);
	return revoked;
}

static void visit_judge(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	(void)nj_mqtt_cut_chosen(broker, is_revoked, on_cut, NJ_CONTAINER(round, struct judging, round));
}

static void done_judge(struct nj_mqtt_round *round)
{
	struct judging *judging = NJ_CONTAINER(round, struct judging, round);

	nj_tls_trust_unref(judging->trust);
	free(judging);
}

static void name_others(const struct gateway *g, struct judging *judging)
{
	const struct gateway_trust *entry;
	size_t cursor = 0;

	while ((entry = nj_map_next(&g->trusts, &cursor)) != NULL)
		if (entry->customer[0] != '\0')
			memcpy(judging->others[judging->other_count++], entry->customer, NJ_NAME_BYTES);
}

static enum nj_err judge(struct gateway *g, const struct gateway_trust *entry)
{
	struct judging *judging = calloc(1, sizeof(*judging) + g->trusts.count * NJ_NAME_BYTES);

	if (judging == NULL)
		return NJ_ERR_NO_MEMORY;
	judging->gateway = g;
	judging->trust = nj_tls_trust_ref(entry->trust);
	memcpy(judging->customer, entry->customer, sizeof(judging->customer));
	name_others(g, judging);
	judging->round.visit = visit_judge;
	judging->round.done = done_judge;
	(void)nj_mqtt_fabric_cut_waiting(g->fabric, is_revoked_waiting, judging);
	nj_mqtt_fabric_round(g->fabric, &judging->round);
	return NJ_OK;
}

/* ---- putting ---- */

static enum nj_err forget(struct gateway *g, const char *customer)
{
	struct gateway_trust *entry = nj_map_remove(&g->trusts, nj_view_str(customer));

	if (entry != NULL)
		trust_free(entry);
	return NJ_OK;
}

static enum nj_err place(struct gateway *g, const char *customer, struct nj_tls_trust *trust,
			 struct gateway_trust **out_entry)
{
	struct gateway_trust *entry = nj_map_get(&g->trusts, nj_view_str(customer));
	enum nj_err err;

	if (entry != NULL) {
		nj_tls_trust_unref(entry->trust);
		entry->trust = trust;
		*out_entry = entry;
		return NJ_OK;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NJ_ERR_NO_MEMORY;
	entry->trust = trust;
	err = nj_text_copy(entry->customer, sizeof(entry->customer), customer);
	if (err == NJ_OK)
		err = nj_map_put(&g->trusts, entry);
	if (err == NJ_OK)
		*out_entry = entry;
	else
		free(entry);
	return err;
}

static enum nj_err replace(struct gateway *g, const char *customer, const char *ca_pem, const char *list_pem,
			   struct nj_why *why)
{
	struct nj_tls_trust *trust = NULL;
	struct gateway_trust *entry = NULL;

	NJ_TRY(nj_tls_trust_new(ca_pem, list_pem, &trust, why));
	enum nj_err err = place(g, customer, trust, &entry);
	if (err != NJ_OK) {
		nj_tls_trust_unref(trust);
		return err;
	}
	return judge(g, entry);
}

static char *text_of(struct nj_view view)
{
	char *text = calloc(1, view.len + 1);

	if (text != NULL && view.len > 0)
		memcpy(text, view.data, view.len);
	return text;
}

static enum nj_err put(struct gateway *g, const struct nj_ipc_trust *put, struct nj_why *why)
{
	char customer[NJ_NAME_BYTES];
	char *ca_pem = NULL;
	char *list_pem = NULL;
	enum nj_err err;

	if (nj_text_copy_view(customer, sizeof(customer), put->customer) != NJ_OK ||
	    (customer[0] != '\0' && !nj_name_valid(customer)))
		return nj_why(why, NJ_ERR_MALFORMED, "the customer's name is not valid");
	if (put->ca_pem.len == 0)
		return forget(g, customer);
	ca_pem = text_of(put->ca_pem);
	list_pem = text_of(put->list_pem);
	err = ca_pem == NULL || list_pem == NULL ? NJ_ERR_NO_MEMORY : replace(g, customer, ca_pem, list_pem, why);
	free(ca_pem);
	free(list_pem);
	return err;
}

void gateway_trust_put(struct gateway *g, const struct nj_ipc_trust *trust, struct nj_ipc_result *out_result,
		       struct nj_why *out_why)
{
	out_why->text[0] = '\0';
	enum nj_err err = put(g, trust, out_why);

	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "trust.refused", NJ_V("customer", trust->customer), NJ_E(err),
		       NJ_S("reason", out_why->text));
	*out_result = (struct nj_ipc_result){
		.request = trust->request,
		.err = (uint16_t)err,
		.text = nj_view_str(out_why->text),
	};
}
