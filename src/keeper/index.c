#include "keeper/index.h"

#include <sys/mman.h>
#include <unistd.h>

/* At 80 % full a run that leaves the tail is rarer than once in 10^19 tables; an entry that found no place is refused,
 * or lost when the table grows: a hint that is not there opens nothing. */
#define TAIL 2048
#define STEP_PLACES 64          /* moved with each insertion: done long before the new table is full */
#define RETURN_BYTES (1u << 20) /* of the old table, given back at once */
#define HUGE_FROM_BYTES (8u << 20)

static size_t table_bytes(const struct nj_index_table *table)
{
	return table->places == NULL ? 0 : (table->homes + TAIL + 1) * sizeof(*table->places);
}

/* Pages of zeros that cost memory once they are touched. */
static enum nj_err table_new(size_t homes, struct nj_index_table *out_table)
{
	struct nj_index_table table = { .homes = homes };
	const size_t bytes = (homes + TAIL + 1) * sizeof(*table.places);
	void *at;

	if (homes > UINT32_MAX)
		return NJ_ERR_NO_MEMORY;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NJ_ERR_NO_MEMORY;
	/* Every access is to a random place: large pages halve its time, where the kernel has them. */
	if (bytes >= HUGE_FROM_BYTES)
		(void)madvise(at, bytes, MADV_HUGEPAGE);
	table.places = at;
	*out_table = table;
	return NJ_OK;
}

static void table_free(struct nj_index_table *table)
{
	if (table->places != NULL)
		(void)munmap(table->places, table_bytes(table));
	*table = (struct nj_index_table){ 0 };
}

/* In the order of the bits: growing reads and writes from front to back. */
static size_t home_of(const struct nj_index_table *table, uint32_t bits)
{
	return (size_t)(((uint64_t)bits * table->homes) >> 32);
}

static bool table_insert(struct nj_index_table *table, struct nj_index_place place)
{
	const size_t end = table->homes + TAIL;
	size_t i = home_of(table, place.bits);

	while (table->places[i].value != 0)
		i++;
	if (i == end)
		return false;
	table->places[i] = place;
	return true;
}

static void table_close_hole(struct nj_index_table *table, size_t hole)
{
	for (size_t i = hole + 1; table->places[i].value != 0; i++) {
		if (home_of(table, table->places[i].bits) <= hole) {
			table->places[hole] = table->places[i];
			hole = i;
		}
	}
	table->places[hole] = (struct nj_index_place){ 0 };
}

/* Where entries with these bits are. */
static const struct nj_index_table *table_of(const struct nj_index *index, uint32_t bits)
{
	if (index->old.places != NULL && home_of(&index->old, bits) >= index->moved)
		return &index->old;
	return &index->now;
}

/* ---- growing ---- */

static size_t homes_for(size_t count)
{
	return count + count / 2 + 16;
}

static enum nj_err grow_begin(struct nj_index *index)
{
	struct nj_index_table next;

	NJ_TRY(table_new(homes_for(index->count + 1), &next));
	index->old = index->now;
	index->now = next;
	index->moved = 0;
	index->returned_bytes = 0;
	return NJ_OK;
}

static void give_back(struct nj_index *index)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t done = index->moved * sizeof(*index->old.places) / page * page;

	if (done - index->returned_bytes < RETURN_BYTES)
		return;
	(void)madvise((uint8_t *)index->old.places + index->returned_bytes, done - index->returned_bytes,
		      MADV_DONTNEED);
	index->returned_bytes = done;
}

/* Stops at a free place alone: no run reaches over it, so that homes tell what was moved. */
void nj_index_settle(struct nj_index *index, size_t places)
{
	const struct nj_index_place *from = index->old.places;
	size_t i = index->moved;
	size_t end;

	if (from == NULL)
		return;
	end = index->old.homes + TAIL;
	for (; i < end && (places > 0 || from[i].value != 0); i++) {
		if (from[i].value != 0 && !table_insert(&index->now, from[i]))
			index->count--;
		places -= places > 0;
	}
	index->moved = i;
	if (i == end)
		table_free(&index->old);
	else
		give_back(index);
}

/* ---- the whole ---- */

enum nj_err nj_index_init(struct nj_index *index, size_t expected)
{
	struct nj_index fresh = { .count = 0 };

	NJ_TRY(table_new(expected + expected / 3 + 64, &fresh.now));
	*index = fresh;
	return NJ_OK;
}

void nj_index_done(struct nj_index *index)
{
	table_free(&index->now);
	table_free(&index->old);
	index->count = 0;
}

enum nj_err nj_index_insert(struct nj_index *index, uint32_t bits, uint32_t value)
{
	if (index->old.places != NULL)
		nj_index_settle(index, STEP_PLACES);
	else if (index->count + 1 > index->now.homes / 5 * 4)
		NJ_TRY(grow_begin(index));
	if (!table_insert((struct nj_index_table *)table_of(index, bits), (struct nj_index_place){ bits, value }))
		return NJ_ERR_NO_MEMORY;
	index->count++;
	return NJ_OK;
}

bool nj_index_remove(struct nj_index *index, uint32_t bits, uint32_t value)
{
	struct nj_index_table *table = (struct nj_index_table *)table_of(index, bits);

	for (size_t i = home_of(table, bits); table->places[i].value != 0; i++) {
		if (table->places[i].value == value && table->places[i].bits == bits) {
			table_close_hole(table, i);
			index->count--;
			return true;
		}
	}
	return false;
}

const struct nj_index_place *nj_index_find(const struct nj_index *index, uint32_t bits,
					   const struct nj_index_place *after)
{
	const struct nj_index_table *table = table_of(index, bits);
	const struct nj_index_place *place = after == NULL ? &table->places[home_of(table, bits)] : after + 1;

	for (; place->value != 0; place++)
		if (place->bits == bits)
			return place;
	return NULL;
}

void nj_index_prefetch(const struct nj_index *index, uint32_t bits)
{
	const struct nj_index_table *table = table_of(index, bits);

	__builtin_prefetch(&table->places[home_of(table, bits)], 1);
}

size_t nj_index_bytes(const struct nj_index *index)
{
	return table_bytes(&index->now) + table_bytes(&index->old) -
	       (index->old.places == NULL ? 0 : index->returned_bytes);
}
