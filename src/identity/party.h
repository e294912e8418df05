/*
 * A party: a device or an application of a customer, as the gateway process knows it. Owned by the directory; a
 * connection holds a reference, so a party that is removed stays readable until its connections are cut.
 * The gateway's main thread alone changes it; any thread that holds a reference reads it, and takes and gives
 * references. `revoked` and the rights act at once on whatever is checked next, on every thread.
 */
#ifndef NJ_IDENTITY_PARTY_H
#define NJ_IDENTITY_PARTY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "identity/rights.h"

#define NJ_PARTY_UID_BYTES 16

enum nj_party_kind { NJ_PARTY_DEVICE = 1, NJ_PARTY_APPLICATION = 2 };

struct nj_party {
	uint8_t uid[NJ_PARTY_UID_BYTES];
	_Atomic uint32_t refs;
	uint8_t kind; /* enum nj_party_kind */
	atomic_bool revoked;
	_Atomic uint32_t rights_version; /* changes after the rights did: cached verdicts are stale then */
	struct nj_profile *profile;
	struct nj_names names; /* customer's and its own; owned */
	uint64_t created_ms;
	struct nj_list by_use;            /* the directory's */
	_Atomic uint32_t sessions;        /* of MQTT, connected or not: the brokers' to count */
	struct nj_meters *_Atomic meters; /* of contracts with a rate; NULL until one is asked */
};

struct nj_party *nj_party_ref(struct nj_party *party);
void nj_party_unref(struct nj_party *party);
/* The profile's compiled rules: good until the thread's reactor takes its next posts, longer with a reference. */
const struct nj_rights *nj_party_rights(const struct nj_party *party);
const char *nj_party_kind_name(uint8_t kind);
/* Where the party's rates are counted, made at the first call. NULL without memory. Any thread. */
struct nj_meters *nj_party_meters(struct nj_party *party);

#endif
