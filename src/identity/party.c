#include "identity/party.h"

#include "identity/customer.h"

enum nj_err nj_customer_new(const char *name, struct nj_customer **out_customer)
{
	struct nj_customer *customer = calloc(1, sizeof(*customer));
	enum nj_err err;

	if (customer == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_text_copy(customer->name, sizeof(customer->name), name);
	if (err != NJ_OK) {
		free(customer);
		return err;
	}
	customer->refs = 1;
	*out_customer = customer;
	return NJ_OK;
}

struct nj_customer *nj_customer_ref(struct nj_customer *customer)
{
	customer->refs++;
	return customer;
}

void nj_customer_unref(struct nj_customer *customer)
{
	if (customer != NULL && --customer->refs == 0)
		free(customer);
}

enum nj_err nj_party_new(struct nj_customer *customer, struct nj_profile *profile,
			 const uint8_t uid[NJ_PARTY_UID_BYTES], uint8_t kind, const char *name, uint64_t created_ms,
			 struct nj_party **out_party)
{
	size_t name_bytes = strlen(name) + 1;
	struct nj_party *party = malloc(sizeof(*party) + name_bytes);
	char *own_name;

	if (party == NULL)
		return NJ_ERR_NO_MEMORY;
	own_name = (char *)(party + 1);
	memcpy(own_name, name, name_bytes);
	*party = (struct nj_party){
		.refs = 1,
		.kind = kind,
		.rights_version = 1,
		.profile = nj_profile_ref(profile),
		.names = { .customer = nj_customer_ref(customer)->name, .name = own_name },
		.created_ms = created_ms,
	};
	nj_list_init(&party->by_use);
	memcpy(party->uid, uid, sizeof(party->uid));
	*out_party = party;
	return NJ_OK;
}

static struct nj_customer *customer_of(const struct nj_party *party)
{
	return NJ_CONTAINER((void *)(uintptr_t)party->names.customer, struct nj_customer, name);
}

bool nj_party_shared(const struct nj_party *party)
{
	return party->refs > 1;
}

struct nj_party *nj_party_ref(struct nj_party *party)
{
	party->refs++;
	return party;
}

void nj_party_unref(struct nj_party *party)
{
	if (party == NULL || --party->refs > 0)
		return;
	nj_profile_unref(party->profile);
	nj_customer_unref(customer_of(party));
	free(party->meters);
	free(party);
}

struct nj_meters *nj_party_meters(struct nj_party *party)
{
	struct nj_meters *meters = atomic_load_explicit(&party->meters, memory_order_acquire);
	struct nj_meters *fresh;

	if (meters != NULL)
		return meters;
	fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL || atomic_compare_exchange_strong(&party->meters, &meters, fresh))
		return fresh;
	free(fresh);
	return meters;
}

const struct nj_rights *nj_party_rights(const struct nj_party *party)
{
	return party->profile->rights;
}

const char *nj_party_kind_name(uint8_t kind)
{
	switch (kind) {
	case NJ_PARTY_DEVICE:
		return "device";
	case NJ_PARTY_APPLICATION:
		return "application";
	default:
		return "unknown";
	}
}
