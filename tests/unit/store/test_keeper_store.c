/* The keeper's store: what each operation does and refuses. */
#include "store/keeper_certificates.h"
#include "unit/store/store_fixture.h"

#include "store/keeper_audit.h"
#include "store/keeper_vault.h"

static void create_twice_and_missing(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = NULL;
	struct nj_why why = { "" };
	struct stat status;

	assert_int_equal(nj_keeper_store_open(f->path, NJ_STORE_OPEN, &store, &why), NJ_ERR_NOT_FOUND);
	assert_non_null(strstr(why.text, "nightjar init"));
	assert_int_equal(access(f->path, F_OK), -1);
	store = create_keeper(f);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	nj_keeper_store_close(store);
	assert_int_equal(nj_keeper_store_open(f->path, NJ_STORE_CREATE, &store, &why), NJ_ERR_EXISTS);
	nj_keeper_store_close(open_keeper(f));
}

static void device_round_trip(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device in = device_row(7);
	struct nj_keeper_device out;

	in.state = NJ_DEVICE_PENDING;
	in.epoch = 3;
	in.floor = INT64_MAX;
	memset(in.name, 'n', NJ_STORE_NAME_BYTES - 1);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_memory_equal(in.uid, out.uid, sizeof(in.uid));
	assert_int_equal(out.state, NJ_DEVICE_PENDING);
	assert_int_equal(out.epoch, 3);
	assert_int_equal(out.floor, INT64_MAX);
	assert_string_equal(in.name, out.name);
	assert_string_equal(out.customer, "acme");
	assert_string_equal(out.profile, "sensor");
	assert_int_equal(out.sealed_key_len, 72);
	assert_memory_equal(in.sealed_key, out.sealed_key, 72);
	assert_int_equal(nj_keeper_store_device_find(store, "acme", 1, in.name, &out), NJ_OK);
	assert_int_equal(nj_keeper_store_device_find(store, "acme", 2, in.name, &out), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_find(store, "other", 1, in.name, &out), NJ_ERR_NOT_FOUND);
	in.floor = (uint64_t)INT64_MAX + 1;
	in.uid[0] = 9;
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_ERR_RANGE);
	nj_keeper_store_close(store);
}

static void device_states(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;

	in.state = NJ_DEVICE_PENDING;
	assert_int_equal(nj_keeper_store_device_set_live(store, in.uid), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, in.uid, 1), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_device_set_live(store, in.uid), NJ_OK);
	assert_int_equal(nj_keeper_store_device_set_live(store, in.uid), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_delete_pending(store, in.uid), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_set_cut_done(store, in.uid), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_revoke(store, in.uid, 5000), NJ_OK);
	assert_int_equal(nj_keeper_store_device_revoke(store, in.uid, 6000), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.revoked_ms, 5000);
	assert_int_equal(out.sealed_key_len, 0);
	assert_false(out.cut_done);
	assert_int_equal(nj_keeper_store_device_find(store, "acme", 1, in.name, &out), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, in.uid, 100), NJ_ERR_REPLAYED);
	assert_int_equal(nj_keeper_store_device_set_cut_done(store, in.uid), NJ_OK);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_true(out.cut_done);
	nj_keeper_store_close(store);
}

static void names_are_unique_until_revoked(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device first = device_row(1);
	struct nj_keeper_device second = device_row(2);

	memcpy(second.name, first.name, sizeof(first.name));
	assert_int_equal(nj_keeper_store_device_insert(store, &first), NJ_OK);
	assert_int_equal(nj_keeper_store_device_insert(store, &first), NJ_ERR_EXISTS);
	assert_int_equal(nj_keeper_store_device_insert(store, &second), NJ_ERR_EXISTS);
	second.kind = 2;
	assert_int_equal(nj_keeper_store_device_insert(store, &second), NJ_OK);
	assert_int_equal(nj_keeper_store_device_revoke(store, first.uid, 1), NJ_OK);
	second = device_row(3);
	memcpy(second.name, first.name, sizeof(first.name));
	assert_int_equal(nj_keeper_store_device_insert(store, &second), NJ_OK);
	nj_keeper_store_close(store);
}

static void floor_only_rises(void **state)
{
	static const struct {
		uint64_t floor;
		enum nj_err want;
	} rows[] = { { 0, NJ_ERR_REPLAYED },
		     { 1, NJ_OK },
		     { 1, NJ_ERR_REPLAYED },
		     { 16, NJ_OK },
		     { 15, NJ_ERR_REPLAYED },
		     { 17, NJ_OK },
		     { INT64_MAX, NJ_OK },
		     { INT64_MAX, NJ_ERR_REPLAYED },
		     { (uint64_t)INT64_MAX + 1, NJ_ERR_RANGE } };
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device other = device_row(2);
	struct nj_keeper_device out;

	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_device_insert(store, &other), NJ_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_keeper_store_device_raise_floor(store, in.uid, rows[i].floor), rows[i].want);
	assert_int_equal(nj_keeper_store_device_get(store, other.uid, &out), NJ_OK);
	assert_int_equal(out.floor, 0);
	nj_keeper_store_close(store);
}

static void rollback_undoes_and_commit_keeps(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_keeper_device in = device_row(1);
	struct nj_keeper_device out;

	assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	assert_int_equal(nj_keeper_store_commit(store), NJ_ERR_STATE);
	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	assert_int_equal(nj_keeper_store_begin(store), NJ_ERR_STATE);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, in.uid, 9), NJ_OK);
	nj_keeper_store_rollback(store);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.floor, 0);
	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, in.uid, 9), NJ_OK);
	assert_int_equal(nj_keeper_store_commit(store), NJ_OK);
	nj_keeper_store_close(store);
	store = open_keeper(f);
	assert_int_equal(nj_keeper_store_device_get(store, in.uid, &out), NJ_OK);
	assert_int_equal(out.floor, 9);
	nj_keeper_store_close(store);
}

struct seen {
	uint32_t count;
	char last[NJ_STORE_NAME_BYTES];
	struct nj_keeper_store *store;
};

static enum nj_err see(void *arg, const struct nj_keeper_device *device)
{
	struct seen *seen = arg;

	seen->count++;
	memcpy(seen->last, device->name, sizeof(seen->last));
	return NJ_OK;
}

static enum nj_err iterate_again(void *arg, const struct nj_keeper_device *device)
{
	struct seen *seen = arg;

	return nj_keeper_store_device_each(seen->store, see, seen);
}

static void iterations(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct seen seen = { .store = store };
	uint64_t count;

	for (uint32_t i = 0; i < 25; i++) {
		struct nj_keeper_device in = device_row(i);

		assert_int_equal(nj_keeper_store_device_insert(store, &in), NJ_OK);
	}
	assert_int_equal(nj_keeper_store_device_each(store, see, &seen), NJ_OK);
	assert_int_equal(seen.count, 25);
	assert_int_equal(nj_keeper_store_device_count(store, &count), NJ_OK);
	assert_int_equal(count, 25);
	seen.count = 0;
	for (uint32_t before = 1; before != seen.count;) {
		before = seen.count;
		assert_int_equal(
		    nj_keeper_store_device_page(store, "acme", 1, before == 0 ? "" : seen.last, 10, see, &seen), NJ_OK);
	}
	assert_int_equal(seen.count, 25);
	assert_string_equal(seen.last, "dev-000024");
	assert_int_equal(nj_keeper_store_device_each(store, iterate_again, &seen), NJ_ERR_STATE);
	nj_keeper_store_close(store);
}

static enum nj_err count_policy(void *arg, const struct nj_door_policy *policy)
{
	++*(int *)arg;
	return NJ_OK;
}

static void policies_meta_records(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_door_policy policy = {
		.profile = "p", .services = 2, .grant_ms = 30000, .source_bits_v4 = 32, .source_bits_v6 = 64
	};
	struct nj_door_policy out;
	char value[4];
	uint8_t big[NJ_RECORD_MAX_BYTES + 1] = { 1 };
	uint64_t version;
	uint8_t *sealed;
	size_t len;
	int count = 0;

	assert_int_equal(nj_keeper_store_policy_get(store, "p", &out), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_policy_put(store, &policy), NJ_OK);
	policy.plain = true;
	policy.bind = NJ_BINDING_CERTIFICATE;
	policy.tls12 = true;
	policy.bind_ms = 60000;
	assert_int_equal(nj_keeper_store_policy_put(store, &policy), NJ_OK);
	assert_int_equal(nj_keeper_store_policy_get(store, "p", &out), NJ_OK);
	assert_true(out.plain);
	assert_int_equal(out.services, 2);
	assert_int_equal(out.grant_ms, 30000);
	assert_int_equal(out.source_bits_v6, 64);
	assert_int_equal(out.bind, NJ_BINDING_CERTIFICATE);
	assert_true(out.tls12);
	assert_int_equal(out.bind_ms, 60000);
	assert_int_equal(nj_keeper_store_policy_each(store, count_policy, &count), NJ_OK);
	assert_int_equal(count, 1);

	assert_int_equal(nj_keeper_store_meta_get(store, "k", value, sizeof(value)), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_meta_put(store, "k", "abc"), NJ_OK);
	assert_int_equal(nj_keeper_store_meta_get(store, "k", value, sizeof(value)), NJ_OK);
	assert_string_equal(value, "abc");
	assert_int_equal(nj_keeper_store_meta_get(store, "k", value, 3), NJ_ERR_TOO_LARGE);

	assert_int_equal(nj_keeper_store_record_put(store, "r", 1, nj_view_of(big, sizeof(big))), NJ_ERR_TOO_LARGE);
	assert_int_equal(nj_keeper_store_record_put(store, "r", 4, nj_view_of(big, sizeof(big) - 1)), NJ_OK);
	assert_int_equal(nj_keeper_store_record_get(store, "r", &version, &sealed, &len), NJ_OK);
	assert_int_equal(version, 4);
	assert_int_equal(len, NJ_RECORD_MAX_BYTES);
	free(sealed);
	nj_keeper_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

struct counted {
	unsigned rows;
	struct nj_certificate_row last;
};

static enum nj_err count_certificate(void *arg, const struct nj_certificate_row *row)
{
	struct counted *counted = arg;

	counted->rows++;
	counted->last = *row;
	return NJ_OK;
}

static unsigned revoked(struct nj_keeper_store *store, bool live, uint64_t now_s)
{
	struct counted counted = { 0 };

	assert_int_equal(nj_keeper_store_certificate_revoked(store, live, now_s, count_certificate, &counted), NJ_OK);
	return counted.rows;
}

static void certificates(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_keeper_device device = device_row(1);
	struct nj_certificate_row a = { .serial = "aa", .not_after_s = 100 };
	struct nj_certificate_row b = { .serial = "bb", .not_after_s = 200, .uid = { 9 } };
	struct counted counted = { 0 };
	uint64_t count = 0;

	memcpy(a.uid, device.uid, sizeof(a.uid));
	assert_int_equal(nj_keeper_store_device_insert(store, &device), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_put(store, &a), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_put(store, &b), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_count(store, 100, &count), NJ_OK);
	assert_int_equal(count, 2);
	assert_int_equal(nj_keeper_store_certificate_count(store, 101, &count), NJ_OK);
	assert_int_equal(count, 1);
	assert_int_equal(nj_keeper_store_certificate_revoke(store, "cc", 50), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_certificate_revoke(store, "bb", 50), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_revoke(store, "bb", 60), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_certificate_revoke_uid(store, a.uid, 70), NJ_OK);
	assert_int_equal(nj_keeper_store_certificate_revoke_uid(store, a.uid, 70), NJ_ERR_NOT_FOUND);
	assert_int_equal(revoked(store, false, 100), 2);
	assert_int_equal(revoked(store, false, 101), 1);
	assert_int_equal(revoked(store, true, 100), 1);
	assert_int_equal(nj_keeper_store_certificate_of(store, a.uid, count_certificate, &counted), NJ_OK);
	assert_int_equal(counted.rows, 1);
	assert_int_equal(counted.last.revoked_s, 70);
	nj_keeper_store_close(store);
}

static enum nj_err check_trust(void *arg, const struct nj_trust_row *row)
{
	assert_string_equal(row->customer, "acme");
	assert_string_equal(row->ca_pem, "ca");
	assert_string_equal(row->list_pem, arg);
	return NJ_OK;
}

static void trusts(void **state)
{
	struct nj_keeper_store *store = create_keeper(*state);
	struct nj_trust_row row = { .customer = "acme", .ca_pem = "ca", .list_pem = "" };
	uint64_t bytes = 9;

	assert_int_equal(nj_keeper_store_trust_get(store, "acme", check_trust, NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_keeper_store_trust_put(store, &row), NJ_OK);
	row.list_pem = "list";
	assert_int_equal(nj_keeper_store_trust_put(store, &row), NJ_OK);
	assert_int_equal(nj_keeper_store_trust_get(store, "acme", check_trust, (void *)(uintptr_t) "list"), NJ_OK);
	assert_int_equal(nj_keeper_store_trust_each(store, check_trust, (void *)(uintptr_t) "list"), NJ_OK);
	assert_int_equal(nj_keeper_store_trust_bytes(store, "", &bytes), NJ_OK);
	assert_int_equal(bytes, 6);
	assert_int_equal(nj_keeper_store_trust_bytes(store, "acme", &bytes), NJ_OK);
	assert_int_equal(bytes, 0);
	assert_int_equal(nj_keeper_store_trust_remove(store, "acme"), NJ_OK);
	assert_int_equal(nj_keeper_store_trust_remove(store, "acme"), NJ_ERR_NOT_FOUND);
	nj_keeper_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_twice_and_missing),
		TEST(device_round_trip),
		TEST(device_states),
		TEST(names_are_unique_until_revoked),
		TEST(floor_only_rises),
		TEST(rollback_undoes_and_commit_keeps),
		TEST(iterations),
		TEST(policies_meta_records),
		TEST(certificates),
		TEST(trusts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
