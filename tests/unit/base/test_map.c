#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"

struct entry {
	uint32_t key;
};

static struct nj_view key_of(const void *entry)
{
	return nj_view_of(&((const struct entry *)entry)->key, sizeof(uint32_t));
}

/* From CPython 3.11, whose hash() of bytes is SipHash-1-3; PYTHONHASHSEED=0 makes its key zero. */
static void siphash_agrees_with_another_implementation(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} rows[] = {
		{ 7, UINT64_C(0x2f098ab0c751325a) },
		{ 8, UINT64_C(0xead411e67ebe2eea) },
		{ 9, UINT64_C(0x75927f9d95124362) },
		{ 63, UINT64_C(0x385d3e39e5f37359) },
	};
	static const uint8_t zero[16];
	uint8_t in[63];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(nj_siphash13(zero, in, rows[i].len) == rows[i].want);
	assert_true(nj_siphash13(zero, "knock", 5) == UINT64_C(0xdc19b59fe5848c10));
}

static void the_seed_matters(void **state)
{
	uint8_t seed[16] = { 0 };
	uint64_t before = nj_siphash13(seed, NULL, 0);

	seed[15] = 1;
	assert_true(nj_siphash13(seed, NULL, 0) != before);
}

#define ENTRIES 2000

/* Puts, removes and looks up at random, beside a plain array that says what must be there. */
static void behaves_like_an_array(void **state)
{
	static struct entry entries[ENTRIES];
	static bool there[ENTRIES];
	struct nj_random_fake random;
	struct nj_map map;
	size_t count = 0;

	nj_random_fake_init(&random, 1);
	nj_map_init(&map, key_of, ENTRIES, &random.random);
	for (uint32_t i = 0; i < ENTRIES; i++)
		entries[i].key = i;
	for (int step = 0; step < 60000; step++) {
		uint32_t i = (uint32_t)(nj_random_u64(&random.random) % ENTRIES);

		if (nj_random_u64(&random.random) % 5 < 3) {
			assert_int_equal(nj_map_put(&map, &entries[i]), there[i] ? NJ_ERR_EXISTS : NJ_OK);
			count += !there[i];
			there[i] = true;
		} else {
			assert_ptr_equal(nj_map_remove(&map, key_of(&entries[i])), there[i] ? &entries[i] : NULL);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(map.count, count);
	}
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_ptr_equal(nj_map_get(&map, key_of(&entries[i])), there[i] ? &entries[i] : NULL);
	nj_map_done(&map);
}

static void stops_at_its_maximum(void **state)
{
	struct entry entries[14];
	struct nj_map map;

	nj_map_init(&map, key_of, 13, nj_random_system());
	for (uint32_t i = 0; i < 14; i++) {
		entries[i].key = i;
		assert_int_equal(nj_map_put(&map, &entries[i]), i < 13 ? NJ_OK : NJ_ERR_LIMIT);
	}
	assert_int_equal(nj_map_put(&map, &entries[0]), NJ_ERR_EXISTS);
	assert_non_null(nj_map_remove(&map, key_of(&entries[3])));
	assert_int_equal(nj_map_put(&map, &entries[13]), NJ_OK);
	nj_map_done(&map);
}

static void iteration_meets_each_entry_once(void **state)
{
	struct entry entries[100];
	int met[100] = { 0 };
	struct nj_map map;
	struct entry *entry;
	size_t cursor = 0;

	nj_map_init(&map, key_of, 100, nj_random_system());
	assert_null(nj_map_next(&map, &cursor));
	assert_null(nj_map_get(&map, nj_view_str("none")));
	assert_null(nj_map_remove(&map, nj_view_str("none")));
	for (uint32_t i = 0; i < 100; i++) {
		entries[i].key = i;
		assert_int_equal(nj_map_put(&map, &entries[i]), NJ_OK);
	}
	cursor = 0;
	while ((entry = nj_map_next(&map, &cursor)) != NULL)
		met[entry->key]++;
	for (int i = 0; i < 100; i++)
		assert_int_equal(met[i], 1);
	nj_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_agrees_with_another_implementation),
		cmocka_unit_test(the_seed_matters),
		cmocka_unit_test(behaves_like_an_array),
		cmocka_unit_test(stops_at_its_maximum),
		cmocka_unit_test(iteration_meets_each_entry_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
