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

static json_t *answer(const struct nj_party *party, enum nj_direction direction, const char *topic)
{
	struct nj_verdict verdict =
	    nj_rights_check(nj_party_rights(party), &party->names, direction, nj_view_str(topic));

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s?}", "name", party->names.name, "kind",
			 nj_party_kind_name(party->kind), "profile", party->profile->name, "direction",
			 direction == NJ_PUBLISH ? "publish" : "subscribe", "topic", topic, "allowed", verdict.allowed,
			 "partly", verdict.partly, "rule", verdict.pattern);
}

void nj_explain(struct nj_directory *directory, struct nj_admin_call *call)
{
	const char *name = NULL;
	const char *customer = NULL;
	const char *topic = NULL;
	enum nj_direction direction = NJ_PUBLISH;
	uint8_t kind = NJ_PARTY_DEVICE;

	if (!nj_admin_text(call, "name", true, &name) || !nj_admin_text(call, "customer", false, &customer) ||
	    !kind_of(call, &kind) || !topic_of(call, &direction, &topic))
		return;
	const struct nj_party *party =
	    nj_directory_by_name(directory, customer != NULL ? customer : NJ_CUSTOMER_DEFAULT, kind, name);
	if (party == NULL) {
		nj_admin_fail(call, NJ_ERR_NOT_FOUND, "there is no %s '%s', or it is revoked", nj_party_kind_name(kind),
			      name);
		return;
	}
	nj_admin_ok(call, answer(party, direction, topic));
}
