#include "bus/apply.h"

#include "base/file.h"
#include "base/text.h"

#define RULES_MAX (NJ_RIGHTS_MAX_PATTERNS * 4)

/* Names of a message as the directory wants them. */
static enum nj_err name_from(struct nj_view view, char out[NJ_NAME_BYTES], struct nj_why *why)
{
	if (nj_text_copy_view(out, NJ_NAME_BYTES, view) != NJ_OK || !nj_name_valid(out))
		return nj_why(why, NJ_ERR_MALFORMED, "a name is not valid");
	return NJ_OK;
}

static enum nj_err need_customer(struct nj_directory *directory, const char *name, uint64_t now_ms)
{
	return nj_directory_has_customer(directory, name) ? NJ_OK : nj_directory_put_customer(directory, name, now_ms);
}

/* With its end, into the block that all texts of a message fit. */
static enum nj_err text_from(struct nj_view view, char **text, const char **out_text, struct nj_why *why)
{
	if (nj_text_copy_view(*text, view.len + 1, view) != NJ_OK)
		return nj_why(why, NJ_ERR_MALFORMED, "a pattern or contract holds a zero byte");
	*out_text = *text;
	*text += view.len + 1;
	return NJ_OK;
}

static enum nj_err rules_from(const struct nj_ipc_profile *profile, struct nj_rights_rule *rules, char *text,
			      struct nj_why *why)
{
	for (uint16_t i = 0; i < profile->rule_count; i++) {
		rules[i] = (struct nj_rights_rule){
			.direction = profile->rules[i].direction,
			.deny = profile->rules[i].deny,
		};
		NJ_TRY(text_from(profile->rules[i].pattern, &text, &rules[i].pattern, why));
		NJ_TRY(text_from(profile->rules[i].contract, &text, &rules[i].contract, why));
	}
	return NJ_OK;
}

static size_t texts_bytes(const struct nj_ipc_profile *profile)
{
	size_t bytes = 1;

	for (uint16_t i = 0; i < profile->rule_count; i++)
		bytes += profile->rules[i].pattern.len + profile->rules[i].contract.len + 2;
	return bytes;
}

static enum nj_err put_profile(struct nj_directory *directory, const struct nj_ipc_profile *profile, uint64_t now_ms,
			       struct nj_why *why)
{
	NJ_CLEANUP_FREE char *text = malloc(texts_bytes(profile));
	struct nj_rights_rule rules[RULES_MAX];
	char customer[NJ_NAME_BYTES];
	char name[NJ_NAME_BYTES];
	struct nj_profile_spec spec = {
		.name = name,
		.services = profile->services,
		.plain = profile->plain,
		.rules = rules,
		.rule_count = profile->rule_count,
	};

	if (text == NULL)
		return NJ_ERR_NO_MEMORY;
	NJ_TRY(name_from(profile->customer, customer, why));
	NJ_TRY(name_from(profile->name, name, why));
	NJ_TRY(rules_from(profile, rules, text, why));
	NJ_TRY(need_customer(directory, customer, now_ms));
	return nj_directory_put_profile(directory, &spec, why);
}

static enum nj_err put_parties(struct nj_directory *directory, const struct nj_ipc_parties *parties, uint64_t now_ms,
			       struct nj_why *why)
{
	struct nj_party_spec specs[NJ_IPC_PARTIES_MAX];
	char names[NJ_IPC_PARTIES_MAX][NJ_NAME_BYTES];
	char customer[NJ_NAME_BYTES];
	char profile[NJ_NAME_BYTES];

	NJ_TRY(name_from(parties->customer, customer, why));
	NJ_TRY(name_from(parties->profile, profile, why));
	for (uint16_t i = 0; i < parties->count; i++) {
		NJ_TRY(name_from(parties->rows[i].name, names[i], why));
		specs[i] = (struct nj_party_spec){
			.kind = parties->rows[i].kind,
			.customer = customer,
			.name = names[i],
			.profile = profile,
			.created_ms = parties->created_ms,
		};
		memcpy(specs[i].uid, parties->rows[i].uid, sizeof(specs[i].uid));
	}
	NJ_TRY(need_customer(directory, customer, now_ms));
	return nj_directory_put_parties(directory, specs, parties->count, why);
}

static enum nj_err cut(struct nj_directory *directory, const uint8_t uid[NJ_PARTY_UID_BYTES], uint64_t now_ms,
		       struct nj_party **out_cut)
{
	enum nj_err err = nj_directory_cut(directory, uid, now_ms, out_cut);

	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

void nj_ipc_apply(struct nj_directory *directory, const struct nj_ipc *request, uint64_t now_ms,
		  struct nj_ipc_result *out_result, struct nj_party **out_cut, struct nj_why *out_why)
{
	enum nj_err err = NJ_ERR_UNSUPPORTED;
	uint32_t number = 0;

	out_why->text[0] = '\0';
	if (out_cut != NULL)
		*out_cut = NULL;
	switch (request->type) {
	case NJ_IPC_PROFILE_PUT:
		number = request->as.profile.request;
		err = put_profile(directory, &request->as.profile, now_ms, out_why);
		break;
	case NJ_IPC_PARTIES_PUT:
		number = request->as.parties.request;
		err = put_parties(directory, &request->as.parties, now_ms, out_why);
		break;
	case NJ_IPC_PARTY_CUT:
		number = request->as.uid.request;
		err = cut(directory, request->as.uid.uid, now_ms, out_cut);
		break;
	case NJ_IPC_PARTY_QUERY:
		number = request->as.uid.request;
		err = nj_directory_by_uid(directory, request->as.uid.uid) != NULL ? NJ_OK : NJ_ERR_NOT_FOUND;
		break;
	case NJ_IPC_TRUST_PUT:
		/* Lives in a running gateway alone, which gets it when it starts. */
		number = request->as.trust.request;
		err = NJ_OK;
		break;
	case NJ_IPC_CERTIFICATE_PUT:
		number = request->as.certificate.request;
		err = NJ_OK;
		break;
	case NJ_IPC_KICK:
		/* A stopped gateway has nobody to kick. */
		number = request->as.kick.request;
		err = NJ_ERR_STATE;
		break;
	case NJ_IPC_HELLO:
	case NJ_IPC_GRANT:
	case NJ_IPC_GRANT_END:
	case NJ_IPC_REKEY_OFFER:
	case NJ_IPC_REKEY_DONE:
	case NJ_IPC_REKEY_CUT:
	case NJ_IPC_REKEY_READY:
	case NJ_IPC_REKEY_STORED:
	case NJ_IPC_GRANT_ACK:
	case NJ_IPC_BOUND:
	case NJ_IPC_FLOW_END:
	case NJ_IPC_AUDIT:
	case NJ_IPC_RESULT:
		break;
	}
	*out_result = (struct nj_ipc_result){
		.request = number,
		.err = (uint16_t)err,
		.text = nj_view_str(out_why->text),
	};
}
