/* The verb mqtt.kick: an operator ends connections of one device or application. Audited before it is done. */
#include "keeper/internal.h"
#include "keeper/verbs.h"

#define CLIENT_MAX NJ_IPC_TEXT_MAX

struct kick {
	struct nj_keeper *keeper;
	struct nj_admin_call *call;
	struct nj_keeper_device row;
	const char *client; /* of the call's; NULL: all */
	bool forget;
};

static enum nj_err note(const struct kick *kick)
{
	char detail[CLIENT_MAX + 64];
	enum nj_err err;

	NJ_TRY(nj_text_format(detail, sizeof(detail), "%s%s%s", kick->client != NULL ? "client " : "all clients",
			      kick->client != NULL ? kick->client : "", kick->forget ? ", session forgotten" : ""));
	NJ_TRY(nj_keeper_begin(kick->keeper));
	err = nj_audit_append(kick->keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_SESSION_KICKED,
									      .customer = kick->row.customer,
									      .subject = kick->row.name,
									      .source = nj_admin_caller(kick->call),
									      .detail = detail });
	return nj_keeper_end(kick->keeper, err);
}

/* `text` is the number of connections. */
static void on_kicked(void *arg, enum nj_err err, const char *text)
{
	struct kick *kick = arg;
	uint64_t count = 0;

	if (err == NJ_OK)
		err = nj_number_parse(text, 0, UINT32_MAX, &count);
	if (err == NJ_OK)
		nj_admin_ok(kick->call,
			    json_pack("{s:s, s:I}", "name", kick->row.name, "connections", (json_int_t)count));
	else
		nj_admin_fail(kick->call, err, "%s", text[0] != '\0' ? text : nj_err_text(err));
	free(kick);
}

static void ask_gateway(struct kick *kick)
{
	struct nj_ipc message = { .type = NJ_IPC_KICK };

	memcpy(message.as.kick.uid, kick->row.uid, sizeof(message.as.kick.uid));
	message.as.kick.forget = kick->forget;
	message.as.kick.one = kick->client != NULL;
	message.as.kick.client_id = nj_view_str(kick->client != NULL ? kick->client : "");
	kick->keeper->link->ops->request(kick->keeper->link, &message, on_kicked, kick);
}

static bool kick_read(struct kick *kick)
{
	struct nj_admin_call *call = kick->call;
	const char *customer = NULL;
	const char *name = NULL;
	bool application = false;

	if (!nj_admin_text(call, "customer", false, &customer) || !nj_admin_text(call, "name", true, &name) ||
	    !nj_admin_text(call, "client", false, &kick->client) || !nj_admin_flag(call, "application", &application) ||
	    !nj_admin_flag(call, "forget", &kick->forget))
		return false;
	uint8_t kind = application ? NJ_PARTY_APPLICATION : NJ_PARTY_DEVICE;
	enum nj_err err = nj_keeper_store_device_find(
	    kick->keeper->store, customer != NULL ? customer : NJ_CUSTOMER_DEFAULT, kind, name, &kick->row);
	if (kick->client != NULL && strlen(kick->client) > CLIENT_MAX)
		nj_admin_fail(call, NJ_ERR_TOO_LARGE, "a client identifier has at most %d bytes here", CLIENT_MAX);
	else if (err == NJ_ERR_NOT_FOUND)
		nj_admin_fail(call, err, "there is no %s named %.64s", nj_party_kind_name(kind), name);
	else if (err != NJ_OK)
		nj_admin_fail(call, err, "the keeper's store cannot be read: %s", nj_err_text(err));
	else if (!kick->keeper->link->ops->connected(kick->keeper->link))
		nj_admin_fail(call, NJ_ERR_AGAIN, "the gateway process is not up, try again in a moment");
	else
		return true;
	return false;
}

void nj_keeper_verb_kick(void *arg, struct nj_admin_call *call)
{
	struct kick *kick = calloc(1, sizeof(*kick));
	enum nj_err err;

	if (kick == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	kick->keeper = arg;
	kick->call = call;
	if (!kick_read(kick)) {
		free(kick);
		return;
	}
	err = note(kick);
	if (err == NJ_OK) {
		ask_gateway(kick);
		return;
	}
	nj_admin_fail(call, err, "what cannot be audited is not done: %s", nj_err_text(err));
	free(kick);
}
