/* Verbs about certificates: the built-in CA, and customers' own. */
#include "base/file.h"
#include "keeper/internal.h"

/* What all customers' CAs and lists may take: a gateway that starts gets them at once. */
#define TRUSTS_MAX_BYTES (3u << 20)

static uint64_t now_s(const struct nj_keeper *keeper)
{
	return nj_clock_wall_ms(keeper->clock) / 1000;
}

/* A change that is stored, on its way to the gateway. */
struct changing {
	struct nj_admin_call *call;
	json_t *ok; /* owned */
};

static void on_put(void *arg, enum nj_err err, const char *text)
{
	struct changing *changing = arg;

	/* A gateway that is away gets it when it is back. */
	if (err == NJ_OK || err == NJ_ERR_CLOSED)
		nj_admin_ok(changing->call, changing->ok);
	else {
		nj_admin_fail(changing->call, err, "stored, but the gateway process did not take it: %s",
			      text[0] != '\0' ? text : nj_err_text(err));
		json_decref(changing->ok);
	}
	free(changing);
}

/* Takes over `ok`; answers the call itself and returns NULL without memory. */
static struct changing *changing_new(struct nj_admin_call *call, json_t *ok)
{
	struct changing *changing = ok == NULL ? NULL : calloc(1, sizeof(*changing));

	if (changing == NULL) {
		json_decref(ok);
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	changing->call = call;
	changing->ok = ok;
	return changing;
}

void nj_keeper_trust_then_answer(struct nj_keeper *keeper, struct nj_admin_call *call, json_t *ok)
{
	struct changing *changing = changing_new(call, ok);

	if (changing != NULL)
		nj_keeper_trust_own(keeper, on_put, changing);
}

/* ---- ca.show, ca.crl ---- */

void nj_keeper_verb_ca_show(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	const char *pem = nj_authority_ca_pem(keeper->authority);
	uint64_t not_after_s = 0;
	uint64_t count = 0;
	enum nj_err err = nj_x509_not_after(pem, &not_after_s);

	if (err == NJ_OK)
		err = nj_keeper_store_certificate_count(keeper->store, now_s(keeper), &count);
	if (err == NJ_OK)
		nj_admin_ok(call, json_pack("{s:s, s:I, s:I}", "ca", pem, "not_after_ms",
					    (json_int_t)not_after_s * 1000, "certificates", (json_int_t)count));
	else
		nj_admin_fail(call, err, "the CA cannot be read: %s", nj_err_text(err));
}

void nj_keeper_verb_ca_crl(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	NJ_CLEANUP_FREE char *list = NULL;
	enum nj_err err = nj_keeper_list(keeper, false, &list);

	if (err == NJ_OK)
		nj_admin_ok(call, json_pack("{s:s}", "crl", list));
	else
		nj_admin_fail(call, err, "the revocation list cannot be made: %s", nj_err_text(err));
}

/* ---- ca.revoke ---- */

struct revoking {
	const char *serial; /* NULL: all of the party */
	struct nj_keeper_device row;
};

static enum nj_err revoke_rows(struct nj_keeper *keeper, const struct revoking *what, const char *caller)
{
	NJ_CLEANUP_FREE char *list = NULL;

	if (what->serial != NULL)
		NJ_TRY(nj_keeper_store_certificate_revoke(keeper->store, what->serial, now_s(keeper)));
	else
		NJ_TRY(nj_keeper_store_certificate_revoke_uid(keeper->store, what->row.uid, now_s(keeper)));
	NJ_TRY(nj_keeper_list(keeper, true, &list));
	if (strlen(list) > NJ_IPC_TRUST_LIST_MAX)
		return NJ_ERR_LIMIT;
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_CERTIFICATE_REVOKED,
									 .customer = what->row.customer,
									 .subject = what->row.name,
									 .source = caller,
									 .detail = what->serial });
}

static const char *revoke_fault(enum nj_err err)
{
	if (err == NJ_ERR_NOT_FOUND)
		return "there is no such certificate, or it is revoked already";
	if (err == NJ_ERR_LIMIT)
		return "the revocation list of living devices is full: revoke devices that are not needed any more";
	return nj_err_text(err);
}

/* Names a party or a serial number, one of them. Answers the call itself when it does not. */
static bool revoking_read(struct nj_keeper *keeper, struct nj_admin_call *call, struct revoking *out_what)
{
	const char *name;
	const char *customer;
	bool application = false;
	enum nj_err err;

	*out_what = (struct revoking){ 0 };
	if (!nj_admin_text(call, "name", false, &name) || !nj_admin_text(call, "customer", false, &customer) ||
	    !nj_admin_text(call, "serial", false, &out_what->serial) ||
	    !nj_admin_flag(call, "application", &application))
		return false;
	if ((name == NULL) == (out_what->serial == NULL)) {
		nj_admin_fail(call, NJ_ERR_USAGE, "say whose certificate (a name), or which (a serial number)");
		return false;
	}
	if (name == NULL)
		return true;
	err = nj_keeper_store_device_find(keeper->store, customer == NULL ? NJ_CUSTOMER_DEFAULT : customer,
					  application ? NJ_PARTY_APPLICATION : NJ_PARTY_DEVICE, name, &out_what->row);
	if (err != NJ_OK)
		nj_admin_fail(call, err, "%s %.64s: %s", application ? "application" : "device", name,
			      nj_err_text(err));
	return err == NJ_OK;
}

void nj_keeper_verb_ca_revoke(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct revoking what;
	enum nj_err err;

	if (!revoking_read(keeper, call, &what))
		return;
	err = nj_keeper_begin(keeper);
	if (err == NJ_OK)
		err = nj_keeper_end(keeper, revoke_rows(keeper, &what, nj_admin_caller(call)));
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "not revoked: %s", revoke_fault(err));
		return;
	}
	nj_keeper_trust_then_answer(keeper, call, json_pack("{s:b}", "revoked", 1));
}

/* ---- a customer's own CA ---- */

struct texts {
	char *ca;
	char *list;
};

static void texts_done(struct texts *texts)
{
	free(texts->ca);
	free(texts->list);
}

static enum nj_err take_texts(void *arg, const struct nj_trust_row *row)
{
	struct texts *texts = arg;

	texts->ca = strdup(row->ca_pem);
	texts->list = strdup(row->list_pem);
	return texts->ca == NULL || texts->list == NULL ? NJ_ERR_NO_MEMORY : NJ_OK;
}

/* The whole of what would be stored, judged: the CA, and the list that goes with it. */
static enum nj_err judge(struct nj_keeper *keeper, const struct nj_trust_row *row, struct nj_why *why)
{
	uint64_t others = 0;

	if (strlen(row->ca_pem) > NJ_IPC_TRUST_CA_MAX)
		return nj_why(why, NJ_ERR_TOO_LARGE, "the CA certificates take more than %d KiB",
			      NJ_IPC_TRUST_CA_MAX / 1024);
	if (strlen(row->list_pem) > NJ_IPC_TRUST_LIST_MAX)
		return nj_why(why, NJ_ERR_TOO_LARGE, "the revocation lists take more than %d KiB",
			      NJ_IPC_TRUST_LIST_MAX / 1024);
	NJ_TRY(nj_x509_check_ca(row->ca_pem, now_s(keeper), why));
	if (row->list_pem[0] != '\0')
		NJ_TRY(nj_x509_check_lists(row->list_pem, row->ca_pem, now_s(keeper), why));
	NJ_TRY(nj_keeper_store_trust_bytes(keeper->store, row->customer, &others));
	if (others + strlen(row->ca_pem) + strlen(row->list_pem) > TRUSTS_MAX_BYTES)
		return nj_why(why, NJ_ERR_LIMIT, "the CAs and revocation lists of all customers take more than %u MiB",
			      TRUSTS_MAX_BYTES >> 20);
	return NJ_OK;
}

static enum nj_err audit_set(struct nj_keeper *keeper, struct nj_admin_call *call, const char *customer,
			     const char *detail)
{
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_CUSTOMER_CA_SET,
									 .customer = customer,
									 .subject = customer,
									 .source = nj_admin_caller(call),
									 .detail = detail });
}

static enum nj_err store_rows(struct nj_keeper *keeper, struct nj_admin_call *call, const struct nj_trust_row *row,
			      const char *detail)
{
	NJ_TRY(nj_keeper_store_trust_put(keeper->store, row));
	return audit_set(keeper, call, row->customer, detail);
}

static void store_trust(struct nj_keeper *keeper, struct nj_admin_call *call, const struct nj_trust_row *row,
			const char *detail)
{
	struct nj_why why = { "" };
	struct changing *changing;
	enum nj_err err = judge(keeper, row, &why);

	if (err == NJ_OK)
		err = nj_keeper_begin(keeper);
	if (err == NJ_OK)
		err = nj_keeper_end(keeper, store_rows(keeper, call, row, detail));
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "nothing is changed: %s", why.text[0] != '\0' ? why.text : nj_err_text(err));
		return;
	}
	changing = changing_new(call, json_pack("{s:s, s:b}", "customer", row->customer, "list",
						(int)(row->list_pem[0] != '\0')));
	if (changing != NULL)
		nj_keeper_trust_of(keeper, row->customer, on_put, changing);
}

/* Customer from the arguments, and what is stored of it; empty texts when nothing is. */
static bool current(struct nj_keeper *keeper, struct nj_admin_call *call, const char **out_customer,
		    struct texts *out_texts)
{
	enum nj_err err;

	if (!nj_admin_text(call, "customer", false, out_customer))
		return false;
	if (*out_customer == NULL)
		*out_customer = NJ_CUSTOMER_DEFAULT;
	if (!nj_name_valid(*out_customer)) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the customer's name is not valid");
		return false;
	}
	err = nj_keeper_store_trust_get(keeper->store, *out_customer, take_texts, out_texts);
	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND) {
		nj_admin_fail(call, err, "the customer's CA cannot be read: %s", nj_err_text(err));
		return false;
	}
	return true;
}

void nj_keeper_verb_customer_ca_set(void *arg, struct nj_admin_call *call)
{
	__attribute__((cleanup(texts_done))) struct texts texts = { 0 };
	struct nj_keeper *keeper = arg;
	const char *customer;
	const char *ca;
	const char *crl;

	if (!nj_admin_text(call, "ca", true, &ca) || !nj_admin_text(call, "crl", false, &crl) ||
	    !current(keeper, call, &customer, &texts))
		return;
	/* What is revoked stays revoked: the list that is there must fit the new CA, or come with it. */
	if (crl == NULL)
		crl = texts.list != NULL ? texts.list : "";
	store_trust(keeper, call, &(struct nj_trust_row){ .customer = customer, .ca_pem = ca, .list_pem = crl }, "CA");
}

void nj_keeper_verb_customer_crl_set(void *arg, struct nj_admin_call *call)
{
	__attribute__((cleanup(texts_done))) struct texts texts = { 0 };
	struct nj_keeper *keeper = arg;
	const char *customer;
	const char *crl;

	if (!nj_admin_text(call, "crl", true, &crl) || !current(keeper, call, &customer, &texts))
		return;
	if (texts.ca == NULL)
		nj_admin_fail(call, NJ_ERR_NOT_FOUND, "customer %s has no CA of its own: set it first", customer);
	else if (crl[0] == '\0')
		nj_admin_fail(call, NJ_ERR_CONFIG, "nothing is changed: the revocation list is empty");
	else
		store_trust(keeper, call,
			    &(struct nj_trust_row){ .customer = customer, .ca_pem = texts.ca, .list_pem = crl },
			    "revocation list");
}

void nj_keeper_verb_customer_ca_show(void *arg, struct nj_admin_call *call)
{
	__attribute__((cleanup(texts_done))) struct texts texts = { 0 };
	struct nj_keeper *keeper = arg;
	const char *customer;

	if (!current(keeper, call, &customer, &texts))
		return;
	if (texts.ca == NULL)
		nj_admin_fail(call, NJ_ERR_NOT_FOUND, "customer %s has no CA of its own", customer);
	else
		nj_admin_ok(call,
			    json_pack("{s:s, s:s, s:s}", "customer", customer, "ca", texts.ca, "crl", texts.list));
}

static enum nj_err remove_rows(struct nj_keeper *keeper, struct nj_admin_call *call, const char *customer)
{
	NJ_TRY(nj_keeper_store_trust_remove(keeper->store, customer));
	return audit_set(keeper, call, customer, "removed");
}

void nj_keeper_verb_customer_ca_remove(void *arg, struct nj_admin_call *call)
{
	__attribute__((cleanup(texts_done))) struct texts texts = { 0 };
	struct nj_keeper *keeper = arg;
	struct changing *changing;
	const char *customer;
	enum nj_err err;

	if (!current(keeper, call, &customer, &texts))
		return;
	err = nj_keeper_begin(keeper);
	if (err == NJ_OK)
		err = nj_keeper_end(keeper, remove_rows(keeper, call, customer));
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "customer %s: %s", customer,
			      err == NJ_ERR_NOT_FOUND ? "it has no CA of its own" : nj_err_text(err));
		return;
	}
	changing = changing_new(call, json_pack("{s:s}", "customer", customer));
	if (changing != NULL)
		nj_keeper_trust_of(keeper, customer, on_put, changing);
}
