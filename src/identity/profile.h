/*
 * A profile: what a class of parties may do. Owned by the directory, reference-counted; `profile set` changes it in
 * place, so that every party of it follows at once. The gateway's main thread, but for `rights` and references.
 */
#ifndef NJ_IDENTITY_PROFILE_H
#define NJ_IDENTITY_PROFILE_H

#include "base/text.h"
#include "identity/rights.h"

#define NJ_PROFILE_GRANT_MS_DEFAULT 30000
#define NJ_PROFILE_GRANT_MS_MIN 1000
#define NJ_PROFILE_GRANT_MS_MAX 300000

struct nj_profile {
	_Atomic uint32_t refs;
	uint32_t version;  /* one higher with every change */
	uint32_t services; /* NJ_SERVICE_BIT each */
	uint32_t grant_ms;
	bool plain;                       /* the plain MQTT binding is allowed */
	struct nj_rights *_Atomic rights; /* replaced whole; any thread reads it through nj_party_rights */
	char name[NJ_NAME_BYTES];
};

/* As the operator states it. */
struct nj_profile_spec {
	const char *name;
	uint32_t services;
	uint32_t grant_ms; /* 0 = the default */
	bool plain;
	const struct nj_rights_rule *rules;
	size_t rule_count;
};

/* Checks names, services, limits and patterns without making anything; `why` says what is wrong. */
NJ_MUST_USE enum nj_err nj_profile_check(const struct nj_profile_spec *spec, struct nj_why *why);
/* Version 1, one reference. */
NJ_MUST_USE enum nj_err nj_profile_new(const struct nj_profile_spec *spec, struct nj_profile **out_profile,
				       struct nj_why *why);
struct nj_profile *nj_profile_ref(struct nj_profile *profile);
void nj_profile_unref(struct nj_profile *profile);

#endif
