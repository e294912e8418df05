#include "identity/directory.h"

#include "base/map.h"
#include "identity/customer.h"

/* Of the longest unasked parties, how many are looked at for one that may go: most are in use where all are. */
#define EVICTION_TRIES 4

struct nj_directory {
	struct nj_gateway_store *store;
	size_t max_parties;
	size_t count;            /* parties in the store that are not revoked */
	struct nj_map customers; /* struct nj_customer by name */
	struct nj_map profiles;  /* struct nj_profile by name */
	struct nj_map parties; /* struct nj_party by uid: those in use and the last ones asked for; holds a reference */
	struct nj_list by_use; /* the same, the longest unasked first */
	nj_rights_fn retire;
	void *retire_arg;
};

static struct nj_view customer_key(const void *entry)
{
	return nj_view_str(((const struct nj_customer *)entry)->name);
}

static struct nj_view profile_key(const void *entry)
{
	return nj_view_str(((const struct nj_profile *)entry)->name);
}

static struct nj_view party_key(const void *entry)
{
	return nj_view_of(((const struct nj_party *)entry)->uid, NJ_PARTY_UID_BYTES);
}

static struct nj_customer *customer_of(const struct nj_directory *directory, const char *name)
{
	return nj_map_get(&directory->customers, nj_view_str(name));
}

static bool kind_valid(uint8_t kind)
{
	return kind == NJ_PARTY_DEVICE || kind == NJ_PARTY_APPLICATION;
}

/* ---- what is in memory ---- */

static enum nj_err add_customer(struct nj_directory *directory, const char *name)
{
	struct nj_customer *customer;
	enum nj_err err;

	NJ_TRY(nj_customer_new(name, &customer));
	err = nj_map_put(&directory->customers, customer);
	if (err != NJ_OK)
		nj_customer_unref(customer);
	return err;
}

/* The caller gets the directory's reference. */
static void forget_party(struct nj_directory *directory, struct nj_party *party)
{
	nj_map_remove(&directory->parties, party_key(party));
	nj_list_remove(&party->by_use);
}

/* Lets go of the longest unasked, as far as nobody else holds them. */
static void make_room(struct nj_directory *directory)
{
	for (int tries = 0; tries < EVICTION_TRIES && directory->parties.count >= NJ_DIRECTORY_KEPT; tries++) {
		struct nj_party *oldest = NJ_CONTAINER(directory->by_use.next, struct nj_party, by_use);

		nj_list_remove(&oldest->by_use);
		if (nj_party_shared(oldest)) {
			nj_list_push_back(&directory->by_use, &oldest->by_use);
			continue;
		}
		nj_map_remove(&directory->parties, party_key(oldest));
		nj_party_unref(oldest);
	}
}

static enum nj_err keep_party(struct nj_directory *directory, const struct nj_party_row *row,
			      struct nj_party **out_party)
{
	struct nj_customer *customer = customer_of(directory, row->customer);
	struct nj_profile *profile = nj_directory_profile(directory, row->profile);
	struct nj_party *party;
	enum nj_err err;

	if (customer == NULL || profile == NULL || !kind_valid(row->kind) || !nj_name_valid(row->name))
		return NJ_ERR_CORRUPT;
	make_room(directory);
	NJ_TRY(nj_party_new(customer, profile, row->uid, row->kind, row->name, row->created_ms, &party));
	err = nj_map_put(&directory->parties, party);
	if (err != NJ_OK) {
		nj_party_unref(party);
		return err;
	}
	nj_list_push_back(&directory->by_use, &party->by_use);
	*out_party = party;
	return NJ_OK;
}

/* ---- reading the store ---- */

static enum nj_err load_customer(void *arg, const char *name, uint64_t created_ms)
{
	return nj_name_valid(name) ? add_customer(arg, name) : NJ_ERR_CORRUPT;
}

static enum nj_err load_profile(void *arg, const struct nj_profile_row *row)
{
	struct nj_directory *directory = arg;
	struct nj_rights_rule rules[NJ_PROFILE_RULES_MAX];
	struct nj_profile_spec spec = { .name = row->name,
					.services = row->services,
					.grant_ms = row->grant_ms,
					.plain = row->plain,
					.rules = rules,
					.rule_count = row->rule_count };
	struct nj_profile *profile;
	enum nj_err err;

	for (size_t i = 0; i < row->rule_count; i++) {
		if (row->rules[i].direction > NJ_SUBSCRIBE)
			return NJ_ERR_CORRUPT;
		rules[i].direction = (enum nj_direction)row->rules[i].direction;
		rules[i].deny = row->rules[i].deny;
		rules[i].pattern = row->rules[i].pattern;
		rules[i].contract = row->rules[i].contract;
	}
	err = nj_profile_new(&spec, &profile, NULL);
	if (err != NJ_OK)
		return err == NJ_ERR_NO_MEMORY ? err : NJ_ERR_CORRUPT;
	profile->version = row->version;
	err = nj_map_put(&directory->profiles, profile);
	if (err != NJ_OK)
		nj_profile_unref(profile);
	return err;
}

static enum nj_err load(struct nj_directory *directory, struct nj_why *why)
{
	enum nj_err err = nj_gateway_store_customer_each(directory->store, load_customer, directory);

	if (err == NJ_OK)
		err = nj_gateway_store_profile_each(directory->store, load_profile, directory);
	if (err == NJ_OK)
		err = nj_gateway_store_party_count(directory->store, &directory->count);
	if (err == NJ_OK && directory->count > directory->max_parties)
		err = NJ_ERR_LIMIT;
	if (err == NJ_ERR_LIMIT)
		return nj_why(why, err, "the store has more than %zu devices and applications: raise the limit",
			      directory->max_parties);
	if (err == NJ_ERR_CORRUPT)
		return nj_why(why, err, "the gateway's store is damaged: restore the latest backup of its file");
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "cannot read the gateway's store: %s", nj_err_text(err));
}

static void retire_now(void *arg, struct nj_rights *rights)
{
	(void)arg;
	nj_rights_unref(rights);
}

void nj_directory_on_retired(struct nj_directory *directory, nj_rights_fn retire, void *arg)
{
	directory->retire = retire;
	directory->retire_arg = arg;
}

enum nj_err nj_directory_new(struct nj_gateway_store *store, size_t max_parties, struct nj_random *random,
			     struct nj_directory **out_directory, struct nj_why *why)
{
	struct nj_directory *directory = calloc(1, sizeof(*directory));
	enum nj_err err;

	if (directory == NULL)
		return NJ_ERR_NO_MEMORY;
	directory->store = store;
	directory->max_parties = max_parties;
	directory->retire = retire_now;
	nj_map_init(&directory->customers, customer_key, NJ_DIRECTORY_CUSTOMERS_MAX, random);
	nj_map_init(&directory->profiles, profile_key, NJ_DIRECTORY_PROFILES_MAX, random);
	nj_map_init(&directory->parties, party_key, max_parties, random);
	nj_list_init(&directory->by_use);
	err = load(directory, why);
	if (err != NJ_OK) {
		nj_directory_free(directory);
		return err;
	}
	*out_directory = directory;
	return NJ_OK;
}

void nj_directory_free(struct nj_directory *directory)
{
	size_t cursor = 0;
	void *entry;

	if (directory == NULL)
		return;
	NJ_LIST_EACH (&directory->by_use, at) {
		nj_list_remove(at);
		nj_party_unref(NJ_CONTAINER(at, struct nj_party, by_use));
	}
	while ((entry = nj_map_next(&directory->customers, &cursor)) != NULL)
		nj_customer_unref(entry);
	cursor = 0;
	while ((entry = nj_map_next(&directory->profiles, &cursor)) != NULL)
		nj_profile_unref(entry);
	nj_map_done(&directory->parties);
	nj_map_done(&directory->customers);
	nj_map_done(&directory->profiles);
	free(directory);
}

/* ---- customers and profiles ---- */

enum nj_err nj_directory_put_customer(struct nj_directory *directory, const char *name, uint64_t now_ms)
{
	enum nj_err err;

	if (!nj_name_valid(name))
		return NJ_ERR_MALFORMED;
	NJ_TRY(add_customer(directory, name));
	err = nj_gateway_store_customer_insert(directory->store, name, now_ms);
	if (err != NJ_OK)
		nj_customer_unref(nj_map_remove(&directory->customers, nj_view_str(name)));
	return err;
}

bool nj_directory_has_customer(const struct nj_directory *directory, const char *name)
{
	return customer_of(directory, name) != NULL;
}

static enum nj_err store_profile(struct nj_directory *directory, const struct nj_profile *profile)
{
	struct nj_profile_rule_row rules[NJ_PROFILE_RULES_MAX];
	struct nj_profile_row row = { .name = profile->name,
				      .services = profile->services,
				      .plain = profile->plain,
				      .grant_ms = profile->grant_ms,
				      .version = profile->version,
				      .rules = rules,
				      .rule_count = nj_rights_count(profile->rights) };

	if (row.rule_count > NJ_PROFILE_RULES_MAX)
		return NJ_ERR_LIMIT;
	for (size_t i = 0; i < row.rule_count; i++) {
		struct nj_rights_rule rule = nj_rights_at(profile->rights, i);

		rules[i].direction = (uint8_t)rule.direction;
		rules[i].deny = rule.deny;
		rules[i].pattern = rule.pattern;
		rules[i].contract = rule.contract != NULL ? rule.contract : "";
	}
	return nj_gateway_store_profile_put(directory->store, &row);
}

static enum nj_err add_profile(struct nj_directory *directory, struct nj_profile *profile)
{
	enum nj_err err = nj_map_put(&directory->profiles, profile);

	if (err != NJ_OK)
		return err;
	err = store_profile(directory, profile);
	if (err != NJ_OK)
		nj_map_remove(&directory->profiles, profile_key(profile));
	return err;
}

/* Gives the old object the new one's content: every party of it points to the old one. */
static void adopt_profile(struct nj_directory *directory, struct nj_profile *old, struct nj_profile *fresh)
{
	struct nj_rights *rights = old->rights;

	old->version = fresh->version;
	old->services = fresh->services;
	old->grant_ms = fresh->grant_ms;
	old->plain = fresh->plain;
	old->rights = fresh->rights;
	fresh->rights = NULL;
	NJ_LIST_EACH (&directory->by_use, at) {
		struct nj_party *party = NJ_CONTAINER(at, struct nj_party, by_use);

		if (party->profile == old)
			party->rights_version++;
	}
	directory->retire(directory->retire_arg, rights);
}

enum nj_err nj_directory_put_profile(struct nj_directory *directory, const struct nj_profile_spec *spec,
				     struct nj_why *why)
{
	struct nj_profile *old = nj_directory_profile(directory, spec->name);
	struct nj_profile *fresh;
	enum nj_err err;

	NJ_TRY(nj_profile_new(spec, &fresh, why));
	if (old != NULL)
		fresh->version = old->version + 1;
	err = old == NULL ? add_profile(directory, fresh) : store_profile(directory, fresh);
	if (err == NJ_OK && old != NULL)
		adopt_profile(directory, old, fresh);
	if (err != NJ_OK || old != NULL)
		nj_profile_unref(fresh);
	return err == NJ_OK ? NJ_OK
			    : nj_why(why, err, "profile '%s' could not be stored: %s", spec->name, nj_err_text(err));
}

struct nj_profile *nj_directory_profile(const struct nj_directory *directory, const char *name)
{
	return nj_map_get(&directory->profiles, nj_view_str(name));
}

/* ---- parties ---- */

static enum nj_err check_spec(const struct nj_directory *directory, const struct nj_party_spec *spec,
			      struct nj_why *why)
{
	if (!kind_valid(spec->kind))
		return nj_why(why, NJ_ERR_RANGE, "unknown kind of party");
	if (!nj_name_valid(spec->name))
		return nj_why(why, NJ_ERR_MALFORMED,
			      "a name has 1 to 64 of letters, digits and _ . : -, and does not start with - or .");
	if (customer_of(directory, spec->customer) == NULL)
		return nj_why(why, NJ_ERR_NOT_FOUND, "there is no customer '%s'", spec->customer);
	if (nj_directory_profile(directory, spec->profile) == NULL)
		return nj_why(why, NJ_ERR_NOT_FOUND, "there is no profile '%s'", spec->profile);
	return NJ_OK;
}

static enum nj_err is_same(void *arg, const struct nj_party_row *row)
{
	const struct nj_party_spec *spec = arg;

	return row->kind == spec->kind && strcmp(row->name, spec->name) == 0 &&
		       strcmp(row->customer, spec->customer) == 0
		   ? NJ_OK
		   : NJ_ERR_EXISTS;
}

static enum nj_err store_party(struct nj_directory *directory, const struct nj_party_spec *spec, size_t *added,
			       struct nj_why *why)
{
	struct nj_party_row row = { .kind = spec->kind,
				    .customer = spec->customer,
				    .name = spec->name,
				    .profile = spec->profile,
				    .created_ms = spec->created_ms };
	enum nj_err err;

	NJ_TRY(check_spec(directory, spec, why));
	memcpy(row.uid, spec->uid, sizeof(row.uid));
	err = nj_gateway_store_party_insert(directory->store, &row);
	*added += err == NJ_OK;
	if (directory->count + *added > directory->max_parties)
		return nj_why(why, NJ_ERR_LIMIT, "no more than %zu devices and applications", directory->max_parties);
	if (err == NJ_OK || (err == NJ_ERR_EXISTS && nj_gateway_store_party_get(directory->store, spec->uid, is_same,
										(void *)(uintptr_t)spec) == NJ_OK))
		return NJ_OK;
	if (err == NJ_ERR_EXISTS)
		return nj_why(why, err, "%s '%s' exists already", nj_party_kind_name(spec->kind), spec->name);
	return nj_why(why, err, "the gateway's store: %s", nj_err_text(err));
}

enum nj_err nj_directory_put_parties(struct nj_directory *directory, const struct nj_party_spec *specs, size_t count,
				     struct nj_why *why)
{
	enum nj_err err = nj_gateway_store_begin(directory->store);
	size_t added = 0;

	if (err != NJ_OK)
		return nj_why(why, err, "the gateway's store: %s", nj_err_text(err));
	for (size_t i = 0; i < count && err == NJ_OK; i++)
		err = store_party(directory, &specs[i], &added, why);
	if (err != NJ_OK) {
		nj_gateway_store_rollback(directory->store);
		return err;
	}
	err = nj_gateway_store_commit(directory->store);
	if (err != NJ_OK)
		return nj_why(why, err, "the gateway's store: %s", nj_err_text(err));
	directory->count += added;
	return NJ_OK;
}

enum nj_err nj_directory_cut(struct nj_directory *directory, const uint8_t uid[NJ_PARTY_UID_BYTES], uint64_t now_ms,
			     struct nj_party **out_party)
{
	struct nj_party *party = nj_directory_by_uid(directory, uid);

	if (party == NULL)
		return NJ_ERR_NOT_FOUND;
	NJ_TRY(nj_gateway_store_party_revoke(directory->store, uid, now_ms));
	directory->count--;
	party->revoked = true;
	forget_party(directory, party);
	if (out_party != NULL)
		*out_party = party;
	else
		nj_party_unref(party);
	return NJ_OK;
}

struct find {
	struct nj_directory *directory;
	struct nj_party *found;
};

static enum nj_err found(void *arg, const struct nj_party_row *row)
{
	struct find *find = arg;

	find->found = nj_map_get(&find->directory->parties, nj_view_of(row->uid, sizeof(row->uid)));
	return find->found != NULL ? NJ_OK : keep_party(find->directory, row, &find->found);
}

/* Now the last that was asked for. */
static struct nj_party *asked(struct nj_directory *directory, struct nj_party *party)
{
	if (party != NULL) {
		nj_list_remove(&party->by_use);
		nj_list_push_back(&directory->by_use, &party->by_use);
	}
	return party;
}

struct nj_party *nj_directory_by_uid(struct nj_directory *directory, const uint8_t uid[NJ_PARTY_UID_BYTES])
{
	struct find find = { .directory = directory };

	find.found = nj_map_get(&directory->parties, nj_view_of(uid, NJ_PARTY_UID_BYTES));
	if (find.found == NULL && nj_gateway_store_party_get(directory->store, uid, found, &find) != NJ_OK)
		return NULL;
	return asked(directory, find.found);
}

struct nj_party *nj_directory_by_name(struct nj_directory *directory, const char *customer, uint8_t kind,
				      const char *name)
{
	struct find find = { .directory = directory };

	if (nj_gateway_store_party_named(directory->store, customer, kind, name, found, &find) != NJ_OK)
		return NULL;
	return asked(directory, find.found);
}

size_t nj_directory_count(const struct nj_directory *directory)
{
	return directory->count;
}
