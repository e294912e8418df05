/* Customers, profiles and parties: in memory and on disk alike, and a failure changes neither. */
#include "unit/store/store_fixture.h"

#include "identity/directory.h"
#include "wire/knock.h"

struct world {
	struct fixture *files;
	struct nj_gateway_store *store;
	struct nj_directory *directory;
};

#define MAX_PARTIES 50

static const struct nj_rights_rule first_rules[] = { { NJ_PUBLISH, false, "dev/{device}/#" } };
static const struct nj_rights_rule second_rules[] = { { NJ_PUBLISH, false, "new/{device}", "{\"max_qos\":1}" },
						      { NJ_SUBSCRIBE, true, "cmd/#" } };

static struct nj_profile_spec profile_of(const char *name)
{
	return (struct nj_profile_spec){
		.name = name, .services = NJ_SERVICE_BIT(NJ_SERVICE_MQTTS), .rules = first_rules, .rule_count = 1
	};
}

static struct nj_party_spec party_of(uint8_t number)
{
	static char names[256][16];

	snprintf(names[number], sizeof(names[number]), "d%u", number);
	return (struct nj_party_spec){ .uid = { number, 1 },
				       .kind = NJ_PARTY_DEVICE,
				       .customer = "acme",
				       .name = names[number],
				       .profile = "sensor",
				       .created_ms = number };
}

static void load(struct world *w)
{
	struct nj_why why = { "" };

	if (nj_directory_new(w->store, MAX_PARTIES, nj_random_system(), &w->directory, &why) != NJ_OK)
		fail_msg("%s", why.text);
}

static void reload(struct world *w)
{
	nj_directory_free(w->directory);
	nj_gateway_store_close(w->store);
	assert_int_equal(nj_gateway_store_open(w->files->path, NJ_STORE_OPEN, &w->store, NULL), NJ_OK);
	load(w);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct nj_profile_spec profile = profile_of("sensor");
	void *files;

	fixture_setup(&files);
	w->files = files;
	assert_int_equal(nj_gateway_store_open(w->files->path, NJ_STORE_CREATE, &w->store, NULL), NJ_OK);
	load(w);
	assert_int_equal(nj_directory_put_customer(w->directory, "acme", 1), NJ_OK);
	assert_int_equal(nj_directory_put_profile(w->directory, &profile, NULL), NJ_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *files = w->files;

	nj_directory_free(w->directory);
	nj_gateway_store_close(w->store);
	fixture_teardown(&files);
	free(w);
	return 0;
}

static void put_one(struct world *w, uint8_t number)
{
	struct nj_party_spec spec = party_of(number);
	struct nj_why why = { "" };

	if (nj_directory_put_parties(w->directory, &spec, 1, &why) != NJ_OK)
		fail_msg("%s", why.text);
}

static void survives_a_restart(void **state)
{
	struct world *w = *state;
	const uint8_t uid[16] = { 3, 1 };
	struct nj_party *party;

	for (uint8_t i = 0; i < 10; i++)
		put_one(w, i);
	reload(w);
	assert_int_equal(nj_directory_count(w->directory), 10);
	assert_true(nj_directory_has_customer(w->directory, "acme"));
	party = nj_directory_by_uid(w->directory, uid);
	assert_non_null(party);
	assert_ptr_equal(party, nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "d3"));
	assert_null(nj_directory_by_name(w->directory, "acme", NJ_PARTY_APPLICATION, "d3"));
	assert_null(nj_directory_by_name(w->directory, "acme", 0, "d3"));
	assert_null(nj_directory_by_name(w->directory, "acme", 3, "d3"));
	assert_null(nj_directory_by_name(w->directory, "other", NJ_PARTY_DEVICE, "d3"));
	assert_string_equal(party->names.customer, "acme");
	assert_string_equal(party->names.name, "d3");
	assert_string_equal(party->profile->name, "sensor");
	assert_int_equal(party->profile->services, NJ_SERVICE_BIT(NJ_SERVICE_MQTTS));
	assert_int_equal(party->profile->grant_ms, NJ_PROFILE_GRANT_MS_DEFAULT);
	assert_true(
	    nj_rights_check(nj_party_rights(party), &party->names, NJ_PUBLISH, nj_view_str("dev/d3/x")).allowed);
	assert_string_equal(nj_party_kind_name(party->kind), "device");
}

static void a_changed_profile_reaches_its_parties(void **state)
{
	struct world *w = *state;
	struct nj_profile_spec spec = profile_of("other");
	struct nj_party_spec other = party_of(2);
	struct nj_party *party;
	struct nj_party *outsider;
	uint32_t version;

	assert_int_equal(nj_directory_put_profile(w->directory, &spec, NULL), NJ_OK);
	put_one(w, 1);
	other.profile = "other";
	assert_int_equal(nj_directory_put_parties(w->directory, &other, 1, NULL), NJ_OK);
	party = nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "d1");
	outsider = nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "d2");
	version = party->rights_version;
	spec = profile_of("sensor");
	spec.rules = second_rules;
	spec.rule_count = 2;
	spec.plain = true;
	assert_int_equal(nj_directory_put_profile(w->directory, &spec, NULL), NJ_OK);
	assert_int_equal(party->rights_version, version + 1);
	assert_int_equal(outsider->rights_version, version);
	assert_true(party->profile->plain);
	assert_int_equal(party->profile->version, 2);
	assert_true(nj_rights_check(nj_party_rights(party), &party->names, NJ_PUBLISH, nj_view_str("new/d1")).allowed);
	assert_false(
	    nj_rights_check(nj_party_rights(party), &party->names, NJ_PUBLISH, nj_view_str("dev/d1/x")).allowed);
	reload(w);
	assert_int_equal(nj_rights_count(nj_directory_profile(w->directory, "sensor")->rights), 2);
	assert_string_equal(nj_rights_at(nj_directory_profile(w->directory, "sensor")->rights, 0).contract,
			    second_rules[0].contract);
	assert_true(nj_directory_profile(w->directory, "sensor")->plain);
	assert_int_equal(nj_directory_profile(w->directory, "sensor")->version, 2);
}

static void a_bad_profile_changes_nothing(void **state)
{
	static const struct nj_rights_rule bad_rules[] = { { NJ_PUBLISH, false, "a/#/b" } };
	struct world *w = *state;
	struct nj_profile_spec spec = profile_of("sensor");
	struct nj_why why = { "" };

	spec.rules = bad_rules;
	assert_int_equal(nj_directory_put_profile(w->directory, &spec, &why), NJ_ERR_MALFORMED);
	assert_non_null(strstr(why.text, "a/#/b"));
	assert_int_equal(nj_profile_check(&spec, NULL), NJ_ERR_MALFORMED);
	spec = profile_of("-x");
	assert_int_equal(nj_directory_put_profile(w->directory, &spec, &why), NJ_ERR_MALFORMED);
	spec = profile_of("sensor");
	spec.services = NJ_SERVICE_BIT(NJ_SERVICE_END);
	assert_int_equal(nj_directory_put_profile(w->directory, &spec, &why), NJ_ERR_RANGE);
	spec.services = 1;
	assert_int_equal(nj_directory_put_profile(w->directory, &spec, &why), NJ_ERR_RANGE);
	spec = profile_of("sensor");
	spec.grant_ms = NJ_PROFILE_GRANT_MS_MIN - 1;
	assert_int_equal(nj_profile_check(&spec, NULL), NJ_ERR_RANGE);
	spec.grant_ms = NJ_PROFILE_GRANT_MS_MAX + 1;
	assert_int_equal(nj_profile_check(&spec, NULL), NJ_ERR_RANGE);
	spec.grant_ms = NJ_PROFILE_GRANT_MS_MAX;
	assert_int_equal(nj_profile_check(&spec, NULL), NJ_OK);
	assert_int_equal(nj_directory_profile(w->directory, "sensor")->version, 1);
}

static void a_batch_is_all_or_nothing(void **state)
{
	struct world *w = *state;
	struct nj_party_spec specs[3] = { party_of(1), party_of(2), party_of(3) };
	static const struct {
		const char *name;
		const char *customer;
		const char *profile;
		uint8_t kind;
		enum nj_err want;
	} last[] = {
		{ "d1", "acme", "sensor", NJ_PARTY_DEVICE, NJ_ERR_EXISTS },
		{ "a/b", "acme", "sensor", NJ_PARTY_DEVICE, NJ_ERR_MALFORMED },
		{ "d3", "nobody", "sensor", NJ_PARTY_DEVICE, NJ_ERR_NOT_FOUND },
		{ "d3", "acme", "nothing", NJ_PARTY_DEVICE, NJ_ERR_NOT_FOUND },
		{ "d3", "acme", "sensor", 3, NJ_ERR_RANGE },
		{ "d3", "acme", "sensor", 0, NJ_ERR_RANGE },
	};

	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		struct nj_why why = { "" };

		specs[2].name = last[i].name;
		specs[2].customer = last[i].customer;
		specs[2].profile = last[i].profile;
		specs[2].kind = last[i].kind;
		assert_int_equal(nj_directory_put_parties(w->directory, specs, 3, &why), last[i].want);
		assert_true(strlen(why.text) > 0);
		assert_int_equal(nj_directory_count(w->directory), 0);
	}
	reload(w);
	assert_int_equal(nj_directory_count(w->directory), 0);
	specs[2] = party_of(3);
	assert_int_equal(nj_directory_put_parties(w->directory, specs, 3, NULL), NJ_OK);
	/* Asking again does no harm; the same uid under another name does. */
	assert_int_equal(nj_directory_put_parties(w->directory, specs, 3, NULL), NJ_OK);
	assert_int_equal(nj_directory_count(w->directory), 3);
	specs[2].name = "renamed";
	assert_int_equal(nj_directory_put_parties(w->directory, specs, 3, NULL), NJ_ERR_EXISTS);
	assert_int_equal(nj_directory_count(w->directory), 3);
}

/* The store refuses what memory would take: the maps are as before. */
static void a_store_that_fails_changes_nothing(void **state)
{
	struct world *w = *state;
	struct nj_party_spec spec = party_of(1);
	struct nj_profile_spec profile = profile_of("late");

	assert_int_equal(nj_gateway_store_begin(w->store), NJ_OK);
	assert_int_equal(nj_directory_put_parties(w->directory, &spec, 1, NULL), NJ_ERR_STATE);
	nj_gateway_store_rollback(w->store);
	assert_int_equal(nj_directory_count(w->directory), 0);
	assert_null(nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "d1"));
	assert_int_equal(nj_gateway_store_customer_insert(w->store, "ghost", 1), NJ_OK);
	assert_int_equal(nj_directory_put_customer(w->directory, "ghost", 1), NJ_ERR_EXISTS);
	assert_false(nj_directory_has_customer(w->directory, "ghost"));
	assert_int_equal(nj_directory_put_profile(w->directory, &profile, NULL), NJ_OK);
}

static void limit_of_parties(void **state)
{
	struct world *w = *state;
	struct nj_party_spec spec;
	struct nj_why why;

	for (uint8_t i = 0; i < MAX_PARTIES; i++)
		put_one(w, i);
	spec = party_of(MAX_PARTIES);
	assert_int_equal(nj_directory_put_parties(w->directory, &spec, 1, &why), NJ_ERR_LIMIT);
	assert_int_equal(nj_directory_count(w->directory), MAX_PARTIES);
	nj_directory_free(w->directory);
	w->directory = NULL;
	assert_int_equal(nj_directory_new(w->store, MAX_PARTIES - 1, nj_random_system(), &w->directory, &why),
			 NJ_ERR_LIMIT);
	load(w);
}

static void cut_is_seen_by_those_who_hold_it(void **state)
{
	struct world *w = *state;
	struct nj_party_spec spec = party_of(1);
	struct nj_party *held;
	struct nj_party *cut = NULL;

	put_one(w, 1);
	held = nj_party_ref(nj_directory_by_uid(w->directory, spec.uid));
	assert_false(held->revoked);
	assert_int_equal(nj_directory_cut(w->directory, spec.uid, 99, &cut), NJ_OK);
	assert_ptr_equal(held, cut);
	assert_true(held->revoked);
	assert_null(nj_directory_by_uid(w->directory, spec.uid));
	assert_null(nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "d1"));
	assert_int_equal(nj_directory_cut(w->directory, spec.uid, 99, &cut), NJ_ERR_NOT_FOUND);
	nj_party_unref(cut);
	/* The name is free again, the uid is not. */
	assert_int_equal(nj_directory_put_parties(w->directory, &spec, 1, NULL), NJ_ERR_EXISTS);
	spec.uid[15] = 9;
	assert_int_equal(nj_directory_put_parties(w->directory, &spec, 1, NULL), NJ_OK);
	reload(w);
	assert_int_equal(nj_directory_count(w->directory), 1);
	/* Still readable, though the directory that made it is gone. */
	assert_string_equal(held->names.name, "d1");
	assert_string_equal(held->names.customer, "acme");
	assert_string_equal(held->profile->name, "sensor");
	nj_party_unref(held);
}

static struct nj_party *ask(struct world *w, uint32_t number)
{
	const uint8_t uid[16] = { (uint8_t)number, (uint8_t)(number >> 8), 7 };
	struct nj_party *party = nj_directory_by_uid(w->directory, uid);

	assert_non_null(party);
	assert_memory_equal(party->uid, uid, sizeof(uid));
	return party;
}

/* Many more than are kept: who is held stays the same object, and hears of changes; the others are read anew. */
static void only_those_in_use_stay_in_memory(void **state)
{
	enum { MANY = 3 * NJ_DIRECTORY_KEPT };
	struct world *w = *state;
	struct nj_profile_spec profile = profile_of("sensor");
	struct nj_party *held;

	nj_directory_free(w->directory);
	assert_int_equal(nj_directory_new(w->store, MANY, nj_random_system(), &w->directory, NULL), NJ_OK);
	for (uint32_t i = 0; i < MANY; i++) {
		char name[16];
		struct nj_party_spec spec = party_of(0);

		snprintf(name, sizeof(name), "n%u", i);
		spec.name = name;
		memcpy(spec.uid, (uint8_t[3]){ (uint8_t)i, (uint8_t)(i >> 8), 7 }, 3);
		assert_int_equal(nj_directory_put_parties(w->directory, &spec, 1, NULL), NJ_OK);
	}
	held = nj_party_ref(ask(w, 1));
	for (uint32_t i = 2; i < MANY; i++)
		ask(w, i);
	assert_int_equal(held->rights_version, 1);
	assert_int_equal(nj_directory_put_profile(w->directory, &profile, NULL), NJ_OK);
	assert_int_equal(held->rights_version, 2);
	assert_ptr_equal(ask(w, 1), held);
	assert_ptr_equal(nj_directory_by_name(w->directory, "acme", NJ_PARTY_DEVICE, "n1"), held);
	/* It was let go in between: a fresh one. */
	assert_int_equal(ask(w, 2)->rights_version, 1);
	assert_int_equal(ask(w, MANY - 1)->rights_version, 2);
	nj_party_unref(held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(survives_a_restart),
		TEST(a_changed_profile_reaches_its_parties),
		TEST(a_bad_profile_changes_nothing),
		TEST(a_batch_is_all_or_nothing),
		TEST(a_store_that_fails_changes_nothing),
		TEST(limit_of_parties),
		TEST(cut_is_seen_by_those_who_hold_it),
		TEST(only_those_in_use_stay_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
