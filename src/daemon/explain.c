#include "daemon/explain.h"

#include "bus/defaults.h"

static bool kind_of(struct nj_admin_call *call, uint8_t *out_kind)
{
	const char *text = NULL;

	if (!nj_admin_text(call, "kind", false, &text))
		return false;
	*out_kind = text != NULL && strcmp(text, "application") == 0 ? NJ_PARTY_APPLICATION : NJ_PARTY_DEVICE;
	if (text == NULL || *out_kind == NJ_PARTY_APPLICATION || strcmp(text, "device") == 0)
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "kind is device or application, not '%s'", text);
	return false;
}

static bool topic_of(struct nj_admin_call *call, enum nj_direction *out_direction, const char **out_topic)
{
	const char *publish = NULL;
	const char *subscribe = NULL;

	if (!nj_admin_text(call, "publish", false, &publish) || !nj_admin_text(call, "subscribe", false, &subscribe))
		return false;
	if ((publish == NULL) == (subscribe == NULL)) {
		nj_admin_fail(call, NJ_ERR_USAGE, "name one topic: --publish TOPIC or --subscribe FILTER");
		return false;
	}
	*out_direction = publish != NULL ? NJ_PUBLISH : NJ_SUBSCRIBE;
	*out_topic = publish != NULL ? publish : subscribe;
	struct nj_view topic = nj_view_str(*out_topic);
	if (publish != NULL ? nj_topic_name_valid(topic) : nj_topic_filter_valid(topic))
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "'%s' is no valid %s", *out_topic,
		      publish != NULL ? "topic name (wildcards cannot be published to)" : "topic filter");
	return false;
}

/* What would be published or subscribed, beside the topic. */
struct asked {
	enum nj_direction direction;
	const char *topic;
	uint64_t qos;
	bool retain;
	bool has_payload;
	uint8_t *payload; /* owned */
	size_t payload_bytes;
};

static bool payload_of(struct nj_admin_call *call, struct asked *asked)
{
	const char *hex = NULL;

	if (!nj_admin_text(call, "payload", false, &hex))
		return false;
	asked->has_payload = hex != NULL;
	if (hex == NULL)
		return true;
	asked->payload_bytes = strlen(hex) / 2;
	asked->payload = malloc(asked->payload_bytes + 1);
	if (asked->payload == NULL || nj_hex_decode(nj_view_str(hex), asked->payload, asked->payload_bytes) != NJ_OK) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"payload\" must be hex");
		return false;
	}
	return true;
}

static bool asked_of(struct nj_admin_call *call, struct asked *asked)
{
	return topic_of(call, &asked->direction, &asked->topic) && nj_admin_uint(call, "qos", 0, 2, &asked->qos) &&
	       nj_admin_flag(call, "retain", &asked->retain) && payload_of(call, asked);
}

/* No rate is counted for a question. Without a payload neither is its contract asked, nor its size. */
static void judge(struct nj_verdict *verdict, const struct asked *asked, char fault[NJ_SCHEMA_FAULT_BYTES])
{
	struct nj_contract contract;
	struct nj_offer offer = {
		.qos = (uint8_t)asked->qos,
		.retain = asked->retain,
		.payload = nj_view_of(asked->payload, asked->payload_bytes),
	};

	if (verdict->contract == NULL || !verdict->allowed || asked->direction != NJ_PUBLISH)
		return;
	contract = *verdict->contract;
	if (!asked->has_payload)
		contract.schema = NULL;
	verdict->breach = nj_contract_check(&contract, &offer, fault);
	verdict->allowed = verdict->breach == NJ_BREACH_NONE;
	verdict->fault = verdict->allowed ? NULL : fault;
}

static const char *contract_text(const struct nj_rights *rights, const struct nj_verdict *verdict)
{
	for (size_t i = 0; verdict->contract != NULL && i < nj_rights_count(rights); i++)
		if (nj_rights_at(rights, i).pattern == verdict->pattern)
			return nj_rights_at(rights, i).contract;
	return NULL;
}

static json_t *answer(const struct nj_party *party, const struct asked *asked)
{
	char fault[NJ_SCHEMA_FAULT_BYTES];
	struct nj_verdict verdict =
	    nj_rights_check(nj_party_rights(party), &party->names, asked->direction, nj_view_str(asked->topic));
	const char *contract = contract_text(nj_party_rights(party), &verdict);

	judge(&verdict, asked, fault);
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s?, s:s*, s:s*, s:s*}", "name", party->names.name, "kind",
		      nj_party_kind_name(party->kind), "profile", party->profile->name, "direction",
		      asked->direction == NJ_PUBLISH ? "publish" : "subscribe", "topic", asked->topic, "allowed",
		      (int)verdict.allowed, "partly", (int)verdict.partly, "rule", verdict.pattern, "contract",
		      contract, "breach", verdict.allowed ? NULL : nj_breach_name(verdict.breach), "fault",
		      verdict.fault);
	if (json != NULL && asked->direction == NJ_SUBSCRIBE && verdict.contract != NULL) {
		uint64_t most = verdict.contract->max_qos;

		json_object_set_new(json, "granted_qos",
				    json_integer((json_int_t)(asked->qos < most ? asked->qos : most)));
	}
	return json;
}

static void tell(struct nj_directory *directory, struct nj_admin_call *call, const char *customer, uint8_t kind,
		 const char *name, const struct asked *asked)
{
	const struct nj_party *party =
	    nj_directory_by_name(directory, customer != NULL ? customer : NJ_CUSTOMER_DEFAULT, kind, name);

	if (party == NULL) {
		nj_admin_fail(call, NJ_ERR_NOT_FOUND, "there is no %s '%s', or it is revoked", nj_party_kind_name(kind),
			      name);
		return;
	}
	nj_admin_ok(call, answer(party, asked));
}

void nj_explain(struct nj_directory *directory, struct nj_admin_call *call)
{
	const char *name = NULL;
	const char *customer = NULL;
	struct asked asked = { .direction = NJ_PUBLISH };
	uint8_t kind = NJ_PARTY_DEVICE;

	if (nj_admin_text(call, "name", true, &name) && nj_admin_text(call, "customer", false, &customer) &&
	    kind_of(call, &kind) && asked_of(call, &asked))
		tell(directory, call, customer, kind, name, &asked);
	free(asked.payload);
}
