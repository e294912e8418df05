#include "crypto/crypto.h"
#include "identity/vault_recovery.h"
#include "keeper/internal.h"

/*
 * Devices and applications enter in two stores by order: the keeper's rows pending, the gateway's rows, the keeper's
 * rows live. Between the steps a crash leaves what reconcile.c finishes or undoes.
 */

#define IMPORT_MAX 1000

struct adding {
	struct nj_keeper *keeper;
	struct nj_admin_call *call;
	struct nj_secret *root_keys; /* 32 bytes a row */
	struct nj_secret *recovery_keys;
	bool many;
	uint8_t kind;
	size_t count;
	size_t sent;  /* rows that the gateway has, or may have */
	size_t chunk; /* rows in the request on its way */
	uint64_t created_ms;
	char customer[NJ_NAME_BYTES];
	char profile[NJ_NAME_BYTES];
	struct {
		uint8_t uid[NJ_UID_BYTES];
		char name[NJ_NAME_BYTES];
		const char *request; /* for a certificate; lives as long as the call. NULL: none is made */
		char *certificate;   /* of the built-in CA, owned */
	} rows[];
};

static void adding_free(struct adding *adding)
{
	nj_secret_free(adding->root_keys);
	for (size_t i = 0; i < adding->count; i++)
		free(adding->rows[i].certificate);
	nj_secret_free(adding->recovery_keys);
	free(adding);
}

static void fail(struct adding *adding, enum nj_err err, const char *text)
{
	nj_admin_fail(adding->call, err, "%s", text[0] != '\0' ? text : nj_err_text(err));
	adding_free(adding);
}

static const uint8_t *root_key(const struct adding *adding, size_t row)
{
	return nj_secret_bytes(adding->root_keys) + row * NJ_KEY_BYTES;
}

static const uint8_t *recovery_key(const struct adding *adding, size_t row)
{
	return nj_secret_bytes(adding->recovery_keys) + row * NJ_KEY_BYTES;
}

static void row_fill(const struct adding *adding, size_t at, struct nj_keeper_device *row)
{
	*row = (struct nj_keeper_device){
		.kind = adding->kind,
		.state = NJ_DEVICE_PENDING,
		.epoch = 1,
		.created_ms = adding->created_ms,
		.sealed_key_len = NJ_KEY_BYTES + NJ_VAULT_OVERHEAD,
	};
	memcpy(row->uid, adding->rows[at].uid, sizeof(row->uid));
	memcpy(row->customer, adding->customer, sizeof(row->customer));
	memcpy(row->name, adding->rows[at].name, sizeof(row->name));
	memcpy(row->profile, adding->profile, sizeof(row->profile));
}

/* ---- answers ---- */

static json_t *ports_json(const struct nj_keeper *keeper)
{
	json_t *ports = json_object();

	for (uint16_t service = 1; service < NJ_SERVICE_END; service++)
		if (keeper->ports[service] != 0)
			json_object_set_new(ports, nj_service_name(service), json_integer(keeper->ports[service]));
	return ports;
}

/* What every credentials file has in common. */
static void add_common(const struct nj_keeper *keeper, json_t *object)
{
	json_object_set_new(object, "host", json_string(keeper->host));
	json_object_set_new(object, "knock_port", json_integer(keeper->knock_port));
	json_object_set_new(object, "ports", ports_json(keeper));
	json_object_set_new(object, "ca", json_string(nj_authority_ca_pem(keeper->authority)));
}

static json_t *credentials(const struct adding *adding, size_t row)
{
	char uid[NJ_UID_BYTES * 2 + 1];
	char key[NJ_KEY_BYTES * 2 + 1];
	char recovery[NJ_KEY_BYTES * 2 + 1];
	json_t *object;

	nj_hex_encode(adding->rows[row].uid, NJ_UID_BYTES, uid);
	nj_hex_encode(root_key(adding, row), NJ_KEY_BYTES, key);
	nj_hex_encode(recovery_key(adding, row), NJ_KEY_BYTES, recovery);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "recovery", recovery, "kind",
			   nj_party_kind_name(adding->kind), "name", adding->rows[row].name, "customer",
			   adding->customer, "uid", uid, "key", key, "epoch", 1);
	nj_wipe(key, sizeof(key));
	if (object != NULL && adding->rows[row].certificate != NULL)
		json_object_set_new(object, "cert", json_string(adding->rows[row].certificate));
	nj_wipe(recovery, sizeof(recovery));
	return object;
}

static void answer(struct adding *adding)
{
	json_t *ok;

	if (adding->many) {
		for (size_t i = 0; i < adding->count; i++)
			nj_admin_item(adding->call, credentials(adding, i));
		ok = json_pack("{s:I}", "count", (json_int_t)adding->count);
	} else {
		ok = credentials(adding, 0);
	}
	if (ok != NULL)
		add_common(adding->keeper, ok);
	nj_admin_ok(adding->call, ok);
	adding_free(adding);
}

/* ---- third step: live ---- */

static enum nj_err audit_added(const struct adding *adding)
{
	enum nj_audit_event one = adding->kind == NJ_PARTY_DEVICE ? NJ_AUDIT_DEVICE_ADDED : NJ_AUDIT_APPLICATION_ADDED;
	char detail[160];

	if (adding->many)
		(void)!nj_text_format(detail, sizeof(detail), "%zu devices, profile %s", adding->count,
				      adding->profile);
	else
		(void)!nj_text_format(detail, sizeof(detail), "profile %s", adding->profile);
	return nj_audit_append(adding->keeper->audit, &(struct nj_audit_record){
							  .event = adding->many ? NJ_AUDIT_DEVICE_IMPORTED : one,
							  .customer = adding->customer,
							  .subject = adding->many ? "" : adding->rows[0].name,
							  .source = nj_admin_caller(adding->call),
							  .detail = detail,
						      });
}

static enum nj_err record_certificate(const struct adding *adding, size_t row)
{
	return nj_keeper_certificate_record(adding->keeper, &(struct nj_keeper_certified){
								.uid = adding->rows[row].uid,
								.customer = adding->customer,
								.name = adding->rows[row].name,
								.pem = adding->rows[row].certificate,
								.caller = nj_admin_caller(adding->call),
							    });
}

static enum nj_err set_live(const struct adding *adding)
{
	for (size_t i = 0; i < adding->count; i++) {
		if (adding->rows[i].certificate != NULL)
			NJ_TRY(record_certificate(adding, i));
		NJ_TRY(nj_keeper_store_device_set_live(adding->keeper->store, adding->rows[i].uid));
	}
	return audit_added(adding);
}

static enum nj_err admit(const struct adding *adding)
{
	struct nj_keeper_device row;

	for (size_t i = 0; i < adding->count; i++) {
		row_fill(adding, i, &row);
		NJ_TRY(nj_keeper_admit(adding->keeper, &row, root_key(adding, i)));
	}
	return NJ_OK;
}

static void go_live(struct adding *adding)
{
	struct nj_keeper *keeper = adding->keeper;
	enum nj_err err = nj_keeper_begin(keeper);

	if (err == NJ_OK)
		err = nj_keeper_end(keeper, set_live(adding));
	if (err != NJ_OK) {
		keeper->unsettled = true;
		fail(adding, err,
		     "the keeper's store refused the last step; it is undone or finished at the next start");
		return;
	}
	err = admit(adding);
	if (err == NJ_OK)
		answer(adding);
	else
		fail(adding, err,
		     "stored, but the keeper has no memory to serve it: restart the gateway, revoke, add anew");
}

/* ---- second step: the gateway ---- */

static void ignore_answer(void *arg, enum nj_err err, const char *text)
{
}

/* The gateway said no: what it took of earlier chunks is withdrawn, the pending rows go. */
static void undo(struct adding *adding, enum nj_err err, const char *text)
{
	struct nj_keeper *keeper = adding->keeper;
	struct nj_ipc message = { .type = NJ_IPC_PARTY_CUT };
	enum nj_err undone = nj_keeper_begin(keeper);

	for (size_t i = 0; i < adding->sent; i++) {
		memcpy(message.as.uid.uid, adding->rows[i].uid, NJ_UID_BYTES);
		keeper->link->ops->request(keeper->link, &message, ignore_answer, NULL);
	}
	if (undone == NJ_OK) {
		for (size_t i = 0; i < adding->count && undone == NJ_OK; i++)
			undone = nj_keeper_store_device_delete_pending(keeper->store, adding->rows[i].uid);
		undone = nj_keeper_end(keeper, undone);
	}
	if (undone != NJ_OK)
		keeper->unsettled = true;
	fail(adding, err, text);
}

static void send_chunk(struct adding *adding);

static void on_stored(void *arg, enum nj_err err, const char *text)
{
	struct adding *adding = arg;

	if (err == NJ_ERR_CLOSED || err == NJ_ERR_TIMEOUT) {
		adding->keeper->unsettled = true;
		fail(adding, err,
		     "the gateway process did not answer; the change is undone or finished when it is back: "
		     "look with 'list', then try again");
		return;
	}
	if (err != NJ_OK) {
		undo(adding, err, text);
		return;
	}
	adding->sent += adding->chunk;
	if (adding->sent < adding->count)
		send_chunk(adding);
	else
		go_live(adding);
}

static void send_chunk(struct adding *adding)
{
	struct nj_ipc message = { .type = NJ_IPC_PARTIES_PUT };
	struct nj_ipc_parties *parties = &message.as.parties;
	size_t left = adding->count - adding->sent;

	adding->chunk = left < NJ_IPC_PARTIES_MAX ? left : NJ_IPC_PARTIES_MAX;
	parties->customer = nj_view_str(adding->customer);
	parties->profile = nj_view_str(adding->profile);
	parties->created_ms = adding->created_ms;
	parties->count = (uint16_t)adding->chunk;
	for (size_t i = 0; i < adding->chunk; i++) {
		memcpy(parties->rows[i].uid, adding->rows[adding->sent + i].uid, NJ_UID_BYTES);
		parties->rows[i].kind = adding->kind;
		parties->rows[i].name = nj_view_str(adding->rows[adding->sent + i].name);
	}
	adding->keeper->link->ops->request(adding->keeper->link, &message, on_stored, adding);
}

/* ---- first step: pending ---- */

/* A vault from before there were recovery pairs gets one by its next rekey; until then there is nothing to seal to. */
static enum nj_err seal_recovery(struct nj_keeper *keeper, const uint8_t key[NJ_KEY_BYTES],
				 struct nj_keeper_device *row)
{
	enum nj_err err = nj_vault_recovery_seal(keeper->vault, row->uid, key, row->sealed_recovery);

	if (err == NJ_OK)
		row->sealed_recovery_len = NJ_RECOVERY_SEALED_BYTES;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err insert_one(struct adding *adding, size_t at, struct nj_why *why)
{
	struct nj_keeper *keeper = adding->keeper;
	struct nj_keeper_device row;
	uint8_t *key = nj_secret_bytes(adding->root_keys) + at * NJ_KEY_BYTES;
	enum nj_err err;

	nj_random_fill(keeper->random, adding->rows[at].uid, NJ_UID_BYTES);
	nj_random_fill(keeper->random, key, NJ_KEY_BYTES);
	nj_random_fill(keeper->random, nj_secret_bytes(adding->recovery_keys) + at * NJ_KEY_BYTES, NJ_KEY_BYTES);
	row_fill(adding, at, &row);
	nj_vault_seal_root_key(keeper->vault, row.uid, row.epoch, key, row.sealed_key);
	err = seal_recovery(keeper, recovery_key(adding, at), &row);
	if (err == NJ_OK)
		err = nj_keeper_store_device_insert(keeper->store, &row);
	if (err == NJ_ERR_EXISTS)
		return nj_why(why, err, "there is a %s named %s already: revoke it first, or choose another name",
			      nj_party_kind_name(adding->kind), adding->rows[at].name);
	return err;
}

/* A certificate where the profile binds by one. The private key stays with whoever made the request. */
static enum nj_err certify(struct adding *adding, size_t at, struct nj_why *why)
{
	struct nj_keeper *keeper = adding->keeper;
	const struct nj_door_policy *policy = nj_keeper_policy(keeper, adding->profile);
	const char *request = adding->rows[at].request;

	if (policy == NULL || (policy->bind & NJ_BINDING_CERTIFICATE) == 0 ||
	    !nj_keeper_certifies(keeper, adding->customer))
		return NJ_OK;
	if (request == NULL && (policy->bind & NJ_BINDING_PSK) != 0)
		return NJ_OK;
	if (request == NULL)
		return nj_why(why, NJ_ERR_USAGE,
			      "profile %s binds by certificate alone: each of its devices needs a certificate request",
			      adding->profile);
	return nj_keeper_certify(keeper, request, adding->rows[at].name, adding->rows[at].uid,
				 &adding->rows[at].certificate, why);
}

static enum nj_err insert_all(struct adding *adding, struct nj_why *why)
{
	enum nj_err err = nj_keeper_begin(adding->keeper);

	if (err != NJ_OK)
		return err;
	for (size_t i = 0; i < adding->count && err == NJ_OK; i++)
		err = insert_one(adding, i, why);
	for (size_t i = 0; i < adding->count && err == NJ_OK; i++)
		err = certify(adding, i, why);
	return nj_keeper_end(adding->keeper, err);
}

static enum nj_err room(const struct nj_keeper *keeper, size_t more, struct nj_why *why)
{
	if (keeper->link == NULL || !keeper->link->ops->connected(keeper->link))
		return nj_why(why, NJ_ERR_AGAIN, "the gateway process is not up, try again in a moment");
	if (keeper->window != NULL && nj_window_count(keeper->window) + more > keeper->max_devices)
		return nj_why(why, NJ_ERR_LIMIT, "the limit of %u devices and applications is reached",
			      keeper->max_devices);
	return NJ_OK;
}

static void start(struct adding *adding)
{
	struct nj_why why = { "" };
	enum nj_err err = nj_secret_new(adding->count * NJ_KEY_BYTES, &adding->root_keys);

	if (err == NJ_OK)
		err = nj_secret_new(adding->count * NJ_KEY_BYTES, &adding->recovery_keys);
	if (err == NJ_OK)
		err = room(adding->keeper, adding->count, &why);
	if (err == NJ_OK && nj_keeper_policy(adding->keeper, adding->profile) == NULL)
		err = nj_why(&why, NJ_ERR_NOT_FOUND, "there is no profile %s: make it with 'nightjar profile set %s …'",
			     adding->profile, adding->profile);
	if (err == NJ_OK)
		err = insert_all(adding, &why);
	if (err == NJ_OK)
		send_chunk(adding);
	else
		fail(adding, err, why.text);
}

/* Profile and customer from the arguments; answers the call and returns NULL when they are wrong. */
static struct adding *adding_new(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind, size_t count)
{
	const char *profile;
	const char *customer;
	struct adding *adding;

	if (!nj_admin_text(call, "profile", true, &profile) || !nj_admin_text(call, "customer", false, &customer))
		return NULL;
	if (customer == NULL)
		customer = NJ_CUSTOMER_DEFAULT;
	if (!nj_name_valid(profile) || !nj_name_valid(customer)) {
		nj_admin_fail(call, NJ_ERR_USAGE, "profile or customer is not a valid name");
		return NULL;
	}
	adding = calloc(1, sizeof(*adding) + count * sizeof(adding->rows[0]));
	if (adding == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	adding->keeper = keeper;
	adding->call = call;
	adding->kind = kind;
	adding->count = count;
	adding->created_ms = nj_clock_wall_ms(keeper->clock);
	/* Valid names fit. */
	(void)!nj_text_copy(adding->profile, sizeof(adding->profile), profile);
	(void)!nj_text_copy(adding->customer, sizeof(adding->customer), customer);
	return adding;
}

static bool name_take(struct adding *adding, size_t row, const char *name)
{
	if (name != NULL && nj_name_valid(name) &&
	    nj_text_copy(adding->rows[row].name, sizeof(adding->rows[row].name), name) == NJ_OK)
		return true;
	fail(adding, NJ_ERR_USAGE,
	     "names are 1 to 64 letters, digits, '.', '_', ':' or '-', and start with neither '-' nor '.'");
	return false;
}

static void add_one(struct nj_keeper *keeper, struct nj_admin_call *call, uint8_t kind)
{
	struct adding *adding;
	const char *name;
	const char *request;

	if (!nj_admin_text(call, "name", true, &name))
		return;
	if (!nj_admin_text(call, "csr", false, &request))
		return;
	adding = adding_new(keeper, call, kind, 1);
	if (adding == NULL || !name_take(adding, 0, name))
		return;
	adding->rows[0].request = request;
	start(adding);
}

void nj_keeper_verb_device_add(void *keeper, struct nj_admin_call *call)
{
	add_one(keeper, call, NJ_PARTY_DEVICE);
}

void nj_keeper_verb_application_add(void *keeper, struct nj_admin_call *call)
{
	add_one(keeper, call, NJ_PARTY_APPLICATION);
}

/* A request a name, or none at all. */
static bool requests_take(struct adding *adding, const json_t *requests)
{
	if (requests == NULL || json_is_null(requests))
		return true;
	for (size_t i = 0; i < adding->count; i++) {
		adding->rows[i].request = json_string_value(json_array_get(requests, i));
		if (json_array_size(requests) == adding->count && adding->rows[i].request != NULL)
			continue;
		fail(adding, NJ_ERR_USAGE,
		     "\"csrs\" must be a list of as many certificate requests as there are names");
		return false;
	}
	return true;
}

void nj_keeper_verb_device_import(void *keeper, struct nj_admin_call *call)
{
	const json_t *names = json_object_get(nj_admin_args(call), "names");
	size_t count = json_array_size(names);
	struct adding *adding;

	if (count == 0 || count > IMPORT_MAX) {
		nj_admin_fail(call, NJ_ERR_USAGE, "\"names\" must be a list of 1 to %d names", IMPORT_MAX);
		return;
	}
	adding = adding_new(keeper, call, NJ_PARTY_DEVICE, count);
	if (adding == NULL)
		return;
	adding->many = true;
	for (size_t i = 0; i < count; i++)
		if (!name_take(adding, i, json_string_value(json_array_get(names, i))))
			return;
	if (requests_take(adding, json_object_get(nj_admin_args(call), "csrs")))
		start(adding);
}
