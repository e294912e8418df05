/*
 * Who is who, in the gateway process: customers and profiles in memory, parties read from the gateway store when they
 * are asked for and kept while somebody holds them, so that a device at rest takes no memory here. Every change is on
 * disk before it takes effect, and changes nothing when it fails. Profiles that it hands out are borrowed until the
 * next change; parties until the next change or NJ_DIRECTORY_KEPT look-ups of others, unless referenced. The gateway's
 * main thread only. Never logs.
 */
#ifndef NJ_IDENTITY_DIRECTORY_H
#define NJ_IDENTITY_DIRECTORY_H

#include "base/random.h"
#include "identity/party.h"
#include "identity/profile.h"
#include "store/gateway_store.h"

#define NJ_DIRECTORY_CUSTOMERS_MAX 10000
#define NJ_DIRECTORY_PROFILES_MAX 10000
#define NJ_DIRECTORY_KEPT 512 /* parties in memory before those that nobody holds are let go */

struct nj_directory;

/* Reads customers and profiles. The store is borrowed and outlives the directory. NJ_ERR_LIMIT for more than
 * `max_parties`. */
NJ_MUST_USE enum nj_err nj_directory_new(struct nj_gateway_store *store, size_t max_parties, struct nj_random *random,
					 struct nj_directory **out_directory, struct nj_why *why);
/* Parties that connections still hold stay readable. */
void nj_directory_free(struct nj_directory *directory);

/* NJ_ERR_EXISTS, NJ_ERR_MALFORMED (name). */
NJ_MUST_USE enum nj_err nj_directory_put_customer(struct nj_directory *directory, const char *name, uint64_t now_ms);
bool nj_directory_has_customer(const struct nj_directory *directory, const char *name);

/* What becomes of rights that were replaced: `retire` takes the reference, and gives it back when no thread reads them
 * any more. Without it they go at once, as they may where one thread does everything. */
typedef void (*nj_rights_fn)(void *arg, struct nj_rights *rights);
void nj_directory_on_retired(struct nj_directory *directory, nj_rights_fn retire, void *arg);
/* Creates or changes; `rights_version` of every party of it rises. */
NJ_MUST_USE enum nj_err nj_directory_put_profile(struct nj_directory *directory, const struct nj_profile_spec *spec,
						 struct nj_why *why);
struct nj_profile *nj_directory_profile(const struct nj_directory *directory, const char *name);

struct nj_party_spec {
	uint8_t uid[NJ_PARTY_UID_BYTES];
	uint8_t kind;
	const char *customer;
	const char *name;
	const char *profile;
	uint64_t created_ms;
};
/* All of them in one commit, or none. A party that is there with the same uid, kind and names is left as it is, so that
 * a repeated request does no harm. NJ_ERR_EXISTS, NJ_ERR_NOT_FOUND (customer or profile), NJ_ERR_MALFORMED,
 * NJ_ERR_LIMIT. */
NJ_MUST_USE enum nj_err nj_directory_put_parties(struct nj_directory *directory, const struct nj_party_spec *specs,
						 size_t count, struct nj_why *why);
/* Revokes: marks the party (its connections see it at once), takes it out of all look-ups. `out_party` gets a reference
 * for cutting its sessions (may be NULL). NJ_ERR_NOT_FOUND when it is not there. */
NJ_MUST_USE enum nj_err nj_directory_cut(struct nj_directory *directory, const uint8_t uid[NJ_PARTY_UID_BYTES],
					 uint64_t now_ms, struct nj_party **out_party);

/* NULL when absent or revoked, or when the store cannot be read. */
struct nj_party *nj_directory_by_uid(struct nj_directory *directory, const uint8_t uid[NJ_PARTY_UID_BYTES]);
struct nj_party *nj_directory_by_name(struct nj_directory *directory, const char *customer, uint8_t kind,
				      const char *name);
/* Parties in the store that are not revoked. */
size_t nj_directory_count(const struct nj_directory *directory);

#endif
