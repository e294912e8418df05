#include "base/file.h"
#include "keeper/internal.h"

/* Certificates of the built-in CA for parties that live: a new one, for a key that stays with whoever asked. */

bool nj_keeper_certifies(const struct nj_keeper *keeper, const char *customer)
{
	uint64_t all = 0;
	uint64_t others = 0;

	return nj_keeper_store_trust_bytes(keeper->store, "", &all) == NJ_OK &&
	       nj_keeper_store_trust_bytes(keeper->store, customer, &others) == NJ_OK && all == others;
}

enum nj_err nj_keeper_certify(struct nj_keeper *keeper, const char *request, const char *name,
			      const uint8_t uid[NJ_UID_BYTES], char **out_pem, struct nj_why *why)
{
	enum nj_err err = nj_authority_certify(keeper->authority, request, name, uid,
					       nj_clock_wall_ms(keeper->clock) / 1000, out_pem);

	if (err == NJ_OK)
		return NJ_OK;
	return nj_why(why, err,
		      "the certificate request is refused (%s): it must be signed by its own P-256 or Ed25519 key",
		      nj_err_text(err));
}

enum nj_err nj_keeper_certificate_record(struct nj_keeper *keeper, const struct nj_keeper_certified *what)
{
	struct nj_certificate_row row = { 0 };

	_Static_assert(NJ_STORE_SERIAL_BYTES == NJ_X509_SERIAL_BYTES, "one length of serial numbers");
	memcpy(row.uid, what->uid, sizeof(row.uid));
	NJ_TRY(nj_x509_serial(what->pem, row.serial));
	NJ_TRY(nj_x509_not_after(what->pem, &row.not_after_s));
	NJ_TRY(nj_keeper_store_certificate_put(keeper->store, &row));
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_CERTIFICATE_ISSUED,
									 .customer = what->customer,
									 .subject = what->name,
									 .source = what->caller,
									 .detail = row.serial });
}

/* ---- device.certificate, application.certificate ---- */

struct reissue {
	struct nj_keeper_device row;
	const char *request;
	bool revoke_old;
	uint64_t now_s;
	size_t valid;   /* that the party has already */
	size_t revoked; /* of them, by this */
	char *pem;      /* owned */
};

static enum nj_err count_valid(void *arg, const struct nj_certificate_row *row)
{
	struct reissue *reissue = arg;

	reissue->valid += row->revoked_s == 0 && row->not_after_s >= reissue->now_s;
	return NJ_OK;
}

static enum nj_err check(struct nj_keeper *keeper, struct reissue *reissue, struct nj_why *why)
{
	const struct nj_keeper_device *row = &reissue->row;
	const struct nj_door_policy *policy = nj_keeper_policy(keeper, row->profile);

	if (row->state != NJ_DEVICE_LIVE)
		return nj_why(why, NJ_ERR_STATE, "%s is not live", row->name);
	if (policy == NULL || (policy->bind & NJ_BINDING_CERTIFICATE) == 0)
		return nj_why(why, NJ_ERR_USAGE, "its profile %s does not bind by certificate", row->profile);
	if (!nj_keeper_certifies(keeper, row->customer))
		return nj_why(why, NJ_ERR_USAGE, "customer %s has a CA of its own: that one issues its certificates",
			      row->customer);
	NJ_TRY(nj_keeper_store_certificate_of(keeper->store, row->uid, count_valid, reissue));
	if (!reissue->revoke_old && reissue->valid >= NJ_KEEPER_CERTIFICATES_OF_ONE)
		return nj_why(why, NJ_ERR_LIMIT,
			      "%s has %zu valid certificates, as many as it may: revoke the old ones", row->name,
			      reissue->valid);
	return NJ_OK;
}

static enum nj_err revoke_old(struct nj_keeper *keeper, struct reissue *reissue, const char *caller, struct nj_why *why)
{
	NJ_CLEANUP_FREE char *list = NULL;
	enum nj_err err = nj_keeper_store_certificate_revoke_uid(keeper->store, reissue->row.uid, reissue->now_s);

	if (err == NJ_ERR_NOT_FOUND)
		return NJ_OK;
	if (err != NJ_OK)
		return err;
	reissue->revoked = reissue->valid;
	NJ_TRY(nj_keeper_list(keeper, true, &list));
	if (strlen(list) > NJ_IPC_TRUST_LIST_MAX)
		return nj_why(
		    why, NJ_ERR_LIMIT,
		    "the revocation list of living devices is full: let the old ones lapse, or revoke devices "
		    "that are not needed any more");
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_CERTIFICATE_REVOKED,
									 .customer = reissue->row.customer,
									 .subject = reissue->row.name,
									 .source = caller,
									 .detail = "replaced" });
}

static enum nj_err write_all(struct nj_keeper *keeper, struct reissue *reissue, const char *caller, struct nj_why *why)
{
	const struct nj_keeper_device *row = &reissue->row;
	struct nj_keeper_certified what = {
		.uid = row->uid, .customer = row->customer, .name = row->name, .caller = caller
	};

	NJ_TRY(check(keeper, reissue, why));
	NJ_TRY(nj_keeper_certify(keeper, reissue->request, row->name, row->uid, &reissue->pem, why));
	if (reissue->revoke_old)
		NJ_TRY(revoke_old(keeper, reissue, caller, why));
	what.pem = reissue->pem;
	return nj_keeper_certificate_record(keeper, &what);
}

static json_t *told(const struct reissue *reissue)
{
	char serial[NJ_X509_SERIAL_BYTES] = "";
	uint64_t not_after_s = 0;
	char uid[NJ_UID_BYTES * 2 + 1];

	nj_hex_encode(reissue->row.uid, NJ_UID_BYTES, uid);
	(void)!nj_x509_serial(reissue->pem, serial);
	(void)!nj_x509_not_after(reissue->pem, &not_after_s);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "name", reissue->row.name, "customer",
			 reissue->row.customer, "uid", uid, "cert", reissue->pem, "serial", serial, "not_after_ms",
			 (json_int_t)not_after_s * 1000, "revoked", (json_int_t)reissue->revoked, "valid",
			 (json_int_t)(reissue->valid - reissue->revoked + 1));
}

/* Answers the call itself when what it asks for is wrong. */
static bool reissue_read(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind, struct reissue *out)
{
	const char *name;
	const char *customer;
	enum nj_err err;

	if (!nj_admin_text(call, "name", true, &name) || !nj_admin_text(call, "customer", false, &customer) ||
	    !nj_admin_text(call, "csr", true, &out->request) || !nj_admin_flag(call, "revoke_old", &out->revoke_old))
		return false;
	err = nj_keeper_store_device_find(keeper->store, customer == NULL ? NJ_CUSTOMER_DEFAULT : customer, kind, name,
					  &out->row);
	if (err != NJ_OK)
		nj_admin_fail(call, err, "%s %.64s: %s", nj_party_kind_name(kind), name, nj_err_text(err));
	return err == NJ_OK;
}

static void reissue_one(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct reissue reissue = { .now_s = nj_clock_wall_ms(keeper->clock) / 1000 };
	struct nj_why why = { "" };
	enum nj_err err;

	if (!reissue_read(keeper, call, kind, &reissue))
		return;
	err = nj_keeper_begin(keeper);
	if (err == NJ_OK)
		err = nj_keeper_end(keeper, write_all(keeper, &reissue, nj_admin_caller(call), &why));
	if (err != NJ_OK)
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
	else if (reissue.revoked > 0)
		nj_keeper_trust_then_answer(keeper, call, told(&reissue));
	else
		nj_admin_ok(call, told(&reissue));
	free(reissue.pem);
}

void nj_keeper_verb_device_certificate(void *keeper, struct nj_admin_call *call)
{
	reissue_one(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_certificate(void *keeper, struct nj_admin_call *call)
{
	reissue_one(keeper, call, NJ_PARTY_APPLICATION);
}
