#include "crypto/crypto.h"
#include "keeper/internal.h"

#define LIST_DEFAULT 100
#define LIST_MAX 1000

static const char *state_name(uint8_t state)
{
	switch (state) {
	case NJ_DEVICE_PENDING:
		return "pending";
	case NJ_DEVICE_LIVE:
		return "live";
	case NJ_DEVICE_REVOKED:
		return "revoked";
	default:
		return "unknown";
	}
}

/* What is known of the root key, beside itself. */
static void key_json(json_t *object, const struct nj_keeper_device *row)
{
	json_object_set_new(object, "epoch", json_integer((json_int_t)row->epoch));
	if (row->rekeyed_ms != 0)
		json_object_set_new(object, "rekeyed_ms", json_integer((json_int_t)row->rekeyed_ms));
	if (row->cloned_ms != 0)
		json_object_set_new(object, "cloned_ms", json_integer((json_int_t)row->cloned_ms));
}

static json_t *row_json(const struct nj_keeper_device *row)
{
	char uid[NJ_UID_BYTES * 2 + 1];
	json_t *object;

	nj_hex_encode(row->uid, NJ_UID_BYTES, uid);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "kind", nj_party_kind_name(row->kind), "name",
			   row->name, "uid", uid, "profile", row->profile, "customer", row->customer, "state",
			   state_name(row->state), "created_ms", (json_int_t)row->created_ms, "knocks_floor",
			   (json_int_t)row->floor);
	if (object != NULL)
		key_json(object, row);
	if (object != NULL && row->revoked_ms != 0)
		json_object_set_new(object, "revoked_ms", json_integer((json_int_t)row->revoked_ms));
	return object;
}

static bool customer_from(struct nj_admin_call *call, const char **out_customer)
{
	if (!nj_admin_text(call, "customer", false, out_customer))
		return false;
	if (*out_customer == NULL)
		*out_customer = NJ_CUSTOMER_DEFAULT;
	return true;
}

/* ---- list ---- */

struct listing {
	struct nj_admin_call *call;
	uint64_t count;
	char last[NJ_NAME_BYTES];
};

static enum nj_err list_row(void *arg, const struct nj_keeper_device *row)
{
	struct listing *listing = arg;

	nj_admin_item(listing->call, row_json(row));
	listing->count++;
	memcpy(listing->last, row->name, sizeof(listing->last));
	return NJ_OK;
}

static void list(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct listing listing = { .call = call };
	const char *customer;
	const char *after;
	uint64_t limit;
	json_t *ok;
	enum nj_err err;

	if (!customer_from(call, &customer) || !nj_admin_text(call, "after", false, &after) ||
	    !nj_admin_uint(call, "limit", LIST_DEFAULT, LIST_MAX, &limit))
		return;
	err = nj_keeper_store_device_page(keeper->store, customer, kind, after == NULL ? "" : after, (uint32_t)limit,
					  list_row, &listing);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "the keeper's store cannot be read: %s", nj_err_text(err));
		return;
	}
	ok = json_object();
	if (listing.count == limit && limit > 0)
		json_object_set_new(ok, "next", json_string(listing.last));
	nj_admin_ok(call, ok);
}

void nj_keeper_verb_device_list(void *keeper, struct nj_admin_call *call)
{
	list(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_list(void *keeper, struct nj_admin_call *call)
{
	list(keeper, call, NJ_PARTY_APPLICATION);
}

/* ---- show ---- */

/* Answers the call itself when there is none. */
static bool find(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind, struct nj_keeper_device *row)
{
	const char *customer;
	const char *name;
	enum nj_err err;

	if (!customer_from(call, &customer) || !nj_admin_text(call, "name", true, &name))
		return false;
	err = nj_keeper_store_device_find(keeper->store, customer, kind, name, row);
	if (err == NJ_OK)
		return true;
	if (err == NJ_ERR_NOT_FOUND)
		nj_admin_fail(call, err, "there is no %s named %.64s (or it is revoked)", nj_party_kind_name(kind),
			      name);
	else
		nj_admin_fail(call, err, "the keeper's store cannot be read: %s", nj_err_text(err));
	return false;
}

static void show(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct nj_keeper_device row;

	if (find(keeper, call, kind, &row))
		nj_admin_ok(call, row_json(&row));
}

void nj_keeper_verb_device_show(void *keeper, struct nj_admin_call *call)
{
	show(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_show(void *keeper, struct nj_admin_call *call)
{
	show(keeper, call, NJ_PARTY_APPLICATION);
}

/* ---- revoke: the keeper first, then the gateway cuts ---- */

struct revoking {
	struct nj_keeper *keeper;
	struct nj_admin_call *call;
	uint8_t uid[NJ_UID_BYTES];
	char name[NJ_NAME_BYTES];
};

static void on_cut(void *arg, enum nj_err err, const char *text)
{
	struct revoking *revoking = arg;
	char uid[NJ_UID_BYTES * 2 + 1];

	if (err == NJ_OK)
		err = nj_keeper_store_device_set_cut_done(revoking->keeper->store, revoking->uid);
	/* Asked again, of this gateway and of the next one, until it confirms. */
	if (err != NJ_OK) {
		revoking->keeper->unsettled = true;
		revoking->keeper->uncut = true;
	}
	nj_hex_encode(revoking->uid, NJ_UID_BYTES, uid);
	nj_admin_ok(revoking->call,
		    json_pack("{s:s, s:s, s:b}", "name", revoking->name, "uid", uid, "cut", (int)(err == NJ_OK)));
	free(revoking);
}

static enum nj_err revoke_rows(struct nj_keeper *keeper, const struct nj_keeper_device *row, const char *caller)
{
	uint64_t now_ms = nj_clock_wall_ms(keeper->clock);
	enum nj_err err = nj_keeper_store_certificate_revoke_uid(keeper->store, row->uid, now_ms / 1000);

	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND)
		return err;
	NJ_TRY(nj_keeper_store_device_revoke(keeper->store, row->uid, now_ms));
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){
						  .event = row->kind == NJ_PARTY_DEVICE ? NJ_AUDIT_DEVICE_REVOKED
											: NJ_AUDIT_APPLICATION_REVOKED,
						  .customer = row->customer,
						  .subject = row->name,
						  .source = caller,
					      });
}

static enum nj_err revoke_commit(struct nj_keeper *keeper, const struct nj_keeper_device *row, const char *caller)
{
	enum nj_err err = nj_keeper_begin(keeper);

	if (err != NJ_OK)
		return err;
	return nj_keeper_end(keeper, revoke_rows(keeper, row, caller));
}

static void revoke(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct nj_ipc message = { .type = NJ_IPC_PARTY_CUT };
	struct nj_keeper_device row;
	struct revoking *revoking;
	enum nj_err err;

	if (!find(keeper, call, kind, &row))
		return;
	revoking = calloc(1, sizeof(*revoking));
	err = revoking == NULL ? NJ_ERR_NO_MEMORY : revoke_commit(keeper, &row, nj_admin_caller(call));
	if (err != NJ_OK) {
		free(revoking);
		nj_admin_fail(call, err, "not revoked: %s", nj_err_text(err));
		return;
	}
	nj_keeper_expel(keeper, row.uid);
	revoking->keeper = keeper;
	revoking->call = call;
	memcpy(revoking->uid, row.uid, sizeof(revoking->uid));
	memcpy(revoking->name, row.name, sizeof(revoking->name));
	memcpy(message.as.uid.uid, row.uid, sizeof(message.as.uid.uid));
	keeper->link->ops->request(keeper->link, &message, on_cut, revoking);
}

void nj_keeper_verb_device_revoke(void *keeper, struct nj_admin_call *call)
{
	revoke(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_revoke(void *keeper, struct nj_admin_call *call)
{
	revoke(keeper, call, NJ_PARTY_APPLICATION);
}
