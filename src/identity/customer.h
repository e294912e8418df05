/*
 * A customer in memory, and how its parties are made. The name is kept once for all of them; a party keeps its customer
 * alive. The gateway's main thread, but for references, which any thread gives and takes. Only identity includes this.
 */
#ifndef NJ_IDENTITY_CUSTOMER_H
#define NJ_IDENTITY_CUSTOMER_H

#include "base/text.h"
#include "identity/party.h"
#include "identity/profile.h"

struct nj_customer {
	_Atomic uint32_t refs;
	char name[NJ_NAME_BYTES];
};

NJ_MUST_USE enum nj_err nj_customer_new(const char *name, struct nj_customer **out_customer);
struct nj_customer *nj_customer_ref(struct nj_customer *customer);
void nj_customer_unref(struct nj_customer *customer);

/* One reference; takes references of customer and profile. In no map yet. */
NJ_MUST_USE enum nj_err nj_party_new(struct nj_customer *customer, struct nj_profile *profile,
				     const uint8_t uid[NJ_PARTY_UID_BYTES], uint8_t kind, const char *name,
				     uint64_t created_ms, struct nj_party **out_party);
/* Somebody but the directory holds it. */
bool nj_party_shared(const struct nj_party *party);

#endif
