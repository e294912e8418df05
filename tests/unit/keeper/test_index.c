#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/random.h"
#include "keeper/index.h"

#define ENTRIES 3000
#define STEPS 60000

struct entry {
	uint32_t bits;
	bool in;
};

/* How often the entry is found among those with its bits. */
static int found(const struct nj_index *index, uint32_t bits, uint32_t value)
{
	int count = 0;

	for (const struct nj_index_place *p = nj_index_find(index, bits, NULL); p != NULL;
	     p = nj_index_find(index, bits, p)) {
		assert_int_equal(p->bits, bits);
		count += p->value == value;
	}
	return count;
}

static void check_all(const struct nj_index *index, const struct entry *entries)
{
	size_t count = 0;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		assert_int_equal(found(index, entries[i].bits, i + 1), entries[i].in);
		count += entries[i].in;
	}
	assert_int_equal(index->count, count);
}

/* Entries come and go while it grows from nothing, some with the bits of others; looked at after each change. */
static void by_model(void **state)
{
	static struct entry entries[ENTRIES];
	struct nj_random_fake random;
	struct nj_index index;
	size_t grown = 0;

	nj_random_fake_init(&random, 11);
	assert_int_equal(nj_index_init(&index, 0), NJ_OK);
	for (uint32_t i = 0; i < ENTRIES; i++)
		entries[i].bits = i % 10 == 9 ? entries[i - 1].bits : (uint32_t)nj_random_u64(&random.random);
	for (int step = 0; step < STEPS; step++) {
		const uint32_t i =
		    (uint32_t)(nj_random_u64(&random.random) % (uint64_t)(step * 2 < ENTRIES ? step * 2 + 1 : ENTRIES));

		if (entries[i].in)
			assert_true(nj_index_remove(&index, entries[i].bits, i + 1));
		else
			assert_int_equal(nj_index_insert(&index, entries[i].bits, i + 1), NJ_OK);
		entries[i].in = !entries[i].in;
		assert_int_equal(found(&index, entries[i].bits, i + 1), entries[i].in);
		assert_false(nj_index_remove(&index, entries[i].bits ^ 1, i + 1));
		grown += index.old.places != NULL;
		if (step % 97 == 0 || index.old.places != NULL)
			check_all(&index, entries);
	}
	assert_true(grown > 0);
	nj_index_done(&index);
}

/* It begins to grow when it is full to four fifths, and not before; nothing is lost on the way, whoever moves it. */
static void grows_bit_by_bit(void **state)
{
	struct nj_random_fake random;
	struct nj_index index;
	uint32_t *bits;
	uint32_t count = 0;

	nj_random_fake_init(&random, 12);
	bits = calloc(200000, sizeof(*bits));
	assert_non_null(bits);
	assert_int_equal(nj_index_init(&index, 90000), NJ_OK);
	for (; count < index.now.homes / 5 * 4; count++) {
		bits[count] = (uint32_t)nj_random_u64(&random.random);
		assert_int_equal(nj_index_insert(&index, bits[count], count + 1), NJ_OK);
		assert_null(index.old.places);
	}
	for (int more = 0; more < 100; more++, count++) {
		bits[count] = (uint32_t)nj_random_u64(&random.random);
		assert_int_equal(nj_index_insert(&index, bits[count], count + 1), NJ_OK);
		assert_non_null(index.old.places);
		for (uint32_t i = 0; i < count; i += 777)
			assert_int_equal(found(&index, bits[i], i + 1), 1);
	}
	assert_true(index.moved < 100 * 64 * 2);
	while (index.old.places != NULL)
		nj_index_settle(&index, 1000);
	assert_int_equal(index.count, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(found(&index, bits[i], i + 1), 1);
	nj_index_done(&index);
	free(bits);
}

/* Bits that are not spread: the run ends at the table's end, and what finds no place is refused. */
static void crowded_end(void **state)
{
	struct nj_index index;
	uint32_t value = 0;
	enum nj_err err = NJ_OK;

	assert_int_equal(nj_index_init(&index, 10000), NJ_OK);
	while (err == NJ_OK)
		err = nj_index_insert(&index, UINT32_MAX, ++value);
	assert_int_equal(err, NJ_ERR_NO_MEMORY);
	assert_int_equal(index.count, value - 1);
	assert_int_equal(found(&index, UINT32_MAX, value), 0);
	assert_int_equal(found(&index, UINT32_MAX, value - 1), 1);
	assert_true(nj_index_remove(&index, UINT32_MAX, 1));
	assert_int_equal(nj_index_insert(&index, UINT32_MAX, value), NJ_OK);
	nj_index_done(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_model),
		cmocka_unit_test(grows_bit_by_bit),
		cmocka_unit_test(crowded_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
