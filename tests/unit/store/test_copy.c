/* Copies of open stores: whole, of one moment, also while the store is written. */
#include "unit/store/store_fixture.h"

#include "store/copy.h"

static void insert(struct nj_keeper_store *store, uint32_t number)
{
	struct nj_keeper_device row = {
		.kind = 1, .state = NJ_DEVICE_LIVE, .customer = "main", .profile = "p", .sealed_key_len = 72
	};

	memcpy(row.uid, &number, sizeof(number));
	(void)snprintf(row.name, sizeof(row.name), "device-%u", number);
	assert_int_equal(nj_keeper_store_device_insert(store, &row), NJ_OK);
}

static void fill(struct nj_keeper_store *store, uint32_t from, uint32_t to)
{
	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	for (uint32_t i = from; i < to; i++)
		insert(store, i);
	assert_int_equal(nj_keeper_store_commit(store), NJ_OK);
}

static uint64_t count_at(const char *path)
{
	struct nj_keeper_store *store = NULL;
	struct nj_why why = { "" };
	uint64_t count = 0;

	if (nj_keeper_store_open(path, NJ_STORE_OPEN, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	assert_int_equal(nj_keeper_store_device_count(store, &count), NJ_OK);
	nj_keeper_store_close(store);
	return count;
}

static void a_copy_is_whole(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_store_copy *copy = NULL;
	struct stat status;
	char path[128];

	fill(store, 0, 1000);
	assert_int_equal(nj_keeper_store_copy(store, &copy, NULL), NJ_OK);
	assert_int_equal(nj_store_copy_step(copy, -1), NJ_OK);
	(void)snprintf(path, sizeof(path), "%s" NJ_STORE_COPY_SUFFIX, f->path);
	nj_store_copy_free(copy);
	nj_keeper_store_close(store);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(count_at(path), 1000);
}

static void writes_go_on_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_store_copy *copy = NULL;
	uint32_t written = 2000;
	enum nj_err err;
	char path[128];

	fill(store, 0, written);
	assert_int_equal(nj_keeper_store_copy(store, &copy, NULL), NJ_OK);
	while ((err = nj_store_copy_step(copy, 4)) == NJ_ERR_AGAIN) {
		insert(store, written++);
		assert_true(written < 100000);
	}
	assert_int_equal(err, NJ_OK);
	assert_true(written > 2010);
	(void)snprintf(path, sizeof(path), "%s" NJ_STORE_COPY_SUFFIX, f->path);
	nj_store_copy_free(copy);
	insert(store, written);
	nj_keeper_store_close(store);
	assert_int_equal(count_at(path), written);
}

static void an_unfinished_copy_goes(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_store_copy *copy = NULL;
	char path[128];

	fill(store, 0, 1000);
	assert_int_equal(nj_keeper_store_begin(store), NJ_OK);
	assert_int_equal(nj_keeper_store_copy(store, &copy, NULL), NJ_ERR_STATE);
	nj_keeper_store_rollback(store);
	assert_int_equal(nj_keeper_store_copy(store, &copy, NULL), NJ_OK);
	assert_int_equal(nj_store_copy_step(copy, 1), NJ_ERR_AGAIN);
	(void)snprintf(path, sizeof(path), "%s" NJ_STORE_COPY_SUFFIX, f->path);
	assert_int_equal(access(path, F_OK), 0);
	nj_store_copy_free(copy);
	assert_int_equal(access(path, F_OK), -1);
	nj_keeper_store_close(store);
}

static enum nj_err see(void *arg, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	++*(unsigned *)arg;
	return NJ_OK;
}

static void restored_marks(void **state)
{
	struct fixture *f = *state;
	struct nj_keeper_store *store = create_keeper(f);
	struct nj_keeper_device row;
	uint8_t uid[NJ_STORE_UID_BYTES] = { 1 };
	uint64_t count = 99;
	unsigned seen = 0;

	fill(store, 0, 3);
	assert_int_equal(nj_keeper_store_device_raise_floor(store, uid, 40), NJ_OK);
	assert_int_equal(nj_keeper_store_device_revoke(store, (uint8_t[NJ_STORE_UID_BYTES]){ 2 }, 1), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_mark(store, (uint64_t)UINT32_MAX + 1), NJ_ERR_RANGE);
	assert_int_equal(nj_keeper_store_restored_mark(store, 256), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_count(store, &count), NJ_OK);
	assert_int_equal(count, 2);
	assert_int_equal(nj_keeper_store_device_get(store, uid, &row), NJ_OK);
	assert_int_equal(row.floor, 296);
	assert_int_equal(nj_keeper_store_restored_clear(store, uid), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_clear(store, uid), NJ_OK);
	assert_int_equal(nj_keeper_store_restored_each(store, see, &seen), NJ_OK);
	assert_int_equal(seen, 1);
	nj_keeper_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_is_whole),
		TEST(writes_go_on_meanwhile),
		TEST(an_unfinished_copy_goes),
		TEST(restored_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
