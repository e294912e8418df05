/* Keys beside the current one: found by hint, bounded, forgotten as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "keeper/spares.h"

static struct nj_random_fake source;
static struct nj_spares *spares;

static int set_up(void **state)
{
	nj_random_fake_init(&source, 3);
	return nj_spares_new(100, &source.random, &spares) == NJ_OK ? 0 : 1;
}

static int tear_down(void **state)
{
	nj_spares_free(spares);
	return 0;
}

static enum nj_err add(uint8_t owner, uint32_t epoch, bool pending, uint64_t floor)
{
	const struct nj_spare model = { .uid = { owner }, .epoch = epoch, .pending = pending };
	const uint8_t key[NJ_KNOCK_KEY_BYTES] = { owner, (uint8_t)epoch };

	return nj_spares_add(spares, &model, floor, key, NULL);
}

static size_t find(uint8_t owner, uint32_t epoch, uint64_t counter, struct nj_spare_candidate *out)
{
	const uint8_t key[NJ_KNOCK_KEY_BYTES] = { owner, (uint8_t)epoch };
	struct nj_spare_candidate found[NJ_WINDOW_CANDIDATES];
	uint8_t hint[NJ_KNOCK_HINT_BYTES];
	size_t count;

	nj_knock_hint(key, counter, hint);
	count = nj_spares_lookup(spares, hint, found);
	if (count > 0)
		*out = found[0];
	return count;
}

static void found_by_their_next_16_hints(void **state)
{
	const uint8_t uid[NJ_UID_BYTES] = { 1 };
	struct nj_spare_candidate got = { 0 };

	assert_int_equal(find(1, 1, 11, &got), 0);
	assert_int_equal(add(1, 1, false, 10), NJ_OK);
	assert_int_equal(add(1, 1, false, 10), NJ_ERR_EXISTS);
	assert_int_equal(add(1, 3, true, 20), NJ_OK);
	assert_int_equal(find(1, 1, 10, &got), 0);
	assert_int_equal(find(1, 1, 11, &got), 1);
	assert_int_equal(got.counter, 11);
	assert_int_equal(got.spare->epoch, 1);
	assert_false(got.spare->pending);
	assert_int_equal(find(1, 1, 26, &got), 1);
	assert_int_equal(find(1, 1, 27, &got), 0);
	assert_int_equal(find(1, 3, 21, &got), 1);
	assert_ptr_equal(got.spare, nj_spares_pending(spares, uid));
	assert_int_equal(nj_spares_slide(spares, got.spare, 30), NJ_OK);
	assert_int_equal(find(1, 3, 30, &got), 0);
	assert_int_equal(find(1, 3, 46, &got), 1);
	assert_int_equal(nj_spares_pending_count(spares), 1);
	assert_int_equal(nj_spares_count(spares), 2);
}

static void one_device_may_have_so_many(void **state)
{
	const uint8_t uid[NJ_UID_BYTES] = { 1 };

	for (uint32_t i = 1; i <= NJ_SPARES_OF_ONE; i++)
		assert_int_equal(add(1, i, false, 0), NJ_OK);
	assert_int_equal(add(1, 200, false, 0), NJ_ERR_LIMIT);
	assert_int_equal(nj_spares_count_of(spares, uid), NJ_SPARES_OF_ONE);
	assert_int_equal(nj_spares_oldest_tombstone(spares, uid)->epoch, 1);
	nj_spares_remove(spares, nj_spares_oldest_tombstone(spares, uid));
	assert_int_equal(nj_spares_oldest_tombstone(spares, uid)->epoch, 2);
	assert_int_equal(add(1, 200, false, 0), NJ_OK);
	for (uint8_t owner = 2; nj_spares_count(spares) < 100; owner++)
		assert_int_equal(add(owner, 1, false, 0), NJ_OK);
	assert_int_equal(add(250, 1, false, 0), NJ_ERR_LIMIT);
	for (struct nj_spare *spare; (spare = nj_spares_oldest_tombstone(spares, uid)) != NULL;)
		nj_spares_remove(spares, spare);
	assert_int_equal(nj_spares_count(spares), 100 - NJ_SPARES_OF_ONE);
}

static void proven_from_a_binding_on(void **state)
{
	const uint8_t uid[NJ_UID_BYTES] = { 1 };

	assert_false(nj_spares_unproven(spares, uid));
	assert_int_equal(add(1, 2, true, 0), NJ_OK);
	assert_false(nj_spares_unproven(spares, uid));
	assert_int_equal(add(1, 1, false, 0), NJ_OK);
	assert_true(nj_spares_unproven(spares, uid));
	assert_true(nj_spares_set_proven(spares, uid));
	assert_false(nj_spares_set_proven(spares, uid));
	assert_true(nj_spares_oldest_tombstone(spares, uid)->proven);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(found_by_their_next_16_hints),
		ROW(one_device_may_have_so_many),
		ROW(proven_from_a_binding_on),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
