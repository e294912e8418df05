/* The operator's window. The printed recovery key never comes here: the caller derives the pair's private half. */
#include "base/text.h"
#include "keeper/internal.h"

json_t *nj_keeper_recovery_json(const struct nj_keeper *keeper)
{
	const struct nj_keeper_recovery *recovery = &keeper->recovery;
	uint64_t waiting = keeper->rekeying.spares == NULL ? 0 : nj_spares_recovery_count(keeper->rekeying.spares);

	return json_pack("{s:b, s:b, s:I, s:I, s:I, s:I}", "open", (int)(recovery->private_key != NULL), "filling",
			 (int)(recovery->private_key != NULL && recovery->filling), "ends_ms",
			 (json_int_t)recovery->ends_wall_ms, "waiting", (json_int_t)waiting, "recovered",
			 (json_int_t)recovery->recovered, "left_out", (json_int_t)recovery->left_out);
}

/* Device or application by name; answers the call and returns false when there is none. */
static bool take_one(struct nj_keeper *keeper, struct nj_admin_call *call, struct nj_keeper_device *out_row,
		     bool *out_named)
{
	const char *device;
	const char *application;
	const char *customer;
	enum nj_err err;

	if (!nj_admin_text(call, "device", false, &device) ||
	    !nj_admin_text(call, "application", false, &application) ||
	    !nj_admin_text(call, "customer", false, &customer))
		return false;
	*out_named = device != NULL || application != NULL;
	if (!*out_named)
		return true;
	err = nj_keeper_store_device_find(keeper->store, customer != NULL ? customer : NJ_CUSTOMER_DEFAULT,
					  device != NULL ? NJ_PARTY_DEVICE : NJ_PARTY_APPLICATION,
					  device != NULL ? device : application, out_row);
	if (err == NJ_OK)
		return true;
	nj_admin_fail(call, err, "there is no %s named %.64s", device != NULL ? "device" : "application",
		      device != NULL ? device : application);
	return false;
}

static bool take_private(struct nj_admin_call *call, uint8_t out_key[NJ_KEY_BYTES])
{
	const char *text;

	if (!nj_admin_text(call, "private", true, &text))
		return false;
	if (strlen(text) == NJ_KEY_BYTES * 2 && nj_hex_decode(nj_view_str(text), out_key, NJ_KEY_BYTES) == NJ_OK)
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"private\" must be %d bytes in hex", NJ_KEY_BYTES);
	return false;
}

void nj_keeper_verb_recovery_open(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_keeper_device row;
	struct nj_recovery_asked asked = { .caller = nj_admin_caller(call) };
	struct nj_why why = { "" };
	uint8_t private_key[NJ_KEY_BYTES];
	uint64_t minutes = 0;
	bool named = false;
	enum nj_err err;

	if (!nj_admin_uint(call, "minutes", NJ_RECOVERY_MINUTES, NJ_RECOVERY_MINUTES_MAX, &minutes) ||
	    !take_one(keeper, call, &row, &named) || !take_private(call, private_key))
		return;
	asked.private_key = private_key;
	asked.minutes = minutes == 0 ? NJ_RECOVERY_MINUTES : (uint32_t)minutes;
	asked.whom = named ? NJ_RECOVERY_ONE : NJ_RECOVERY_RESTORED;
	if (!named && json_is_true(json_object_get(nj_admin_args(call), "all")))
		asked.whom = NJ_RECOVERY_ALL;
	if (named) {
		asked.uid = row.uid;
		asked.name = row.name;
	}
	err = nj_keeper_recovery_open(keeper, &asked, &why);
	nj_wipe(private_key, sizeof(private_key));
	if (err == NJ_OK)
		nj_admin_ok(call, nj_keeper_recovery_json(keeper));
	else
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
}

void nj_keeper_verb_recovery_close(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	bool was_open = keeper->recovery.private_key != NULL;

	nj_keeper_recovery_shut(keeper, nj_admin_caller(call), "closed");
	nj_admin_ok(call, json_pack("{s:b, s:I}", "was_open", (int)was_open, "recovered",
				    (json_int_t)keeper->recovery.recovered));
}

void nj_keeper_verb_recovery_status(void *arg, struct nj_admin_call *call)
{
	nj_admin_ok(call, nj_keeper_recovery_json(arg));
}
