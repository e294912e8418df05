#include "identity/profile.h"

#include "base/service.h"

#define SERVICES_KNOWN (NJ_SERVICE_BIT(NJ_SERVICE_END) - NJ_SERVICE_BIT(NJ_SERVICE_MQTTS))

static enum nj_err check_head(const struct nj_profile_spec *spec, struct nj_why *why)
{
	if (!nj_name_valid(spec->name))
		return nj_why(
		    why, NJ_ERR_MALFORMED,
		    "a profile's name has 1 to 64 of letters, digits and _ . : -, and does not start with - or .");
	if ((spec->services & ~SERVICES_KNOWN) != 0)
		return nj_why(why, NJ_ERR_RANGE, "profile '%s': unknown service", spec->name);
	if (spec->grant_ms != 0 &&
	    (spec->grant_ms < NJ_PROFILE_GRANT_MS_MIN || spec->grant_ms > NJ_PROFILE_GRANT_MS_MAX))
		return nj_why(why, NJ_ERR_RANGE, "profile '%s': a grant lasts 1 to 300 seconds", spec->name);
	return NJ_OK;
}

enum nj_err nj_profile_check(const struct nj_profile_spec *spec, struct nj_why *why)
{
	struct nj_rights *rights;

	NJ_TRY(check_head(spec, why));
	NJ_TRY(nj_rights_new(spec->rules, spec->rule_count, &rights, why));
	nj_rights_unref(rights);
	return NJ_OK;
}

enum nj_err nj_profile_new(const struct nj_profile_spec *spec, struct nj_profile **out_profile, struct nj_why *why)
{
	struct nj_profile *profile;
	struct nj_rights *rights = NULL;
	enum nj_err err;

	NJ_TRY(check_head(spec, why));
	profile = calloc(1, sizeof(*profile));
	if (profile == NULL)
		return NJ_ERR_NO_MEMORY;
	profile->refs = 1;
	profile->version = 1;
	profile->services = spec->services;
	profile->grant_ms = spec->grant_ms == 0 ? NJ_PROFILE_GRANT_MS_DEFAULT : spec->grant_ms;
	profile->plain = spec->plain;
	err = nj_text_copy(profile->name, sizeof(profile->name), spec->name);
	if (err == NJ_OK)
		err = nj_rights_new(spec->rules, spec->rule_count, &rights, why);
	profile->rights = rights;
	if (err != NJ_OK) {
		free(profile);
		return err;
	}
	*out_profile = profile;
	return NJ_OK;
}

struct nj_profile *nj_profile_ref(struct nj_profile *profile)
{
	profile->refs++;
	return profile;
}

void nj_profile_unref(struct nj_profile *profile)
{
	if (profile == NULL || --profile->refs > 0)
		return;
	nj_rights_unref(profile->rights);
	free(profile);
}
