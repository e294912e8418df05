#include "base/map.h"

#include <endian.h>

#define FIRST_SLOTS 16

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t load_le64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* Aumasson, Bernstein: SipHash, with one compression and three finalisation rounds. */
uint64_t nj_siphash13(const uint8_t seed[16], const void *data, size_t len)
{
	const uint64_t k0 = load_le64(seed);
	const uint64_t k1 = load_le64(seed + 8);
	struct sip s = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *at = data;
	uint64_t last = (uint64_t)(len & 0xff) << 56;

	for (size_t left = len; left >= 8; left -= 8, at += 8) {
		uint64_t m = load_le64(at);

		s.v3 ^= m;
		sip_round(&s);
		s.v0 ^= m;
	}
	for (size_t i = 0; i < (len & 7); i++)
		last |= (uint64_t)at[i] << (8 * i);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void nj_map_init(struct nj_map *map, nj_map_key_fn key_of, size_t max_entries, struct nj_random *random)
{
	*map = (struct nj_map){ .key_of = key_of, .max = max_entries };
	nj_random_fill(random, map->seed, sizeof(map->seed));
}

void nj_map_done(struct nj_map *map)
{
	free(map->slots);
	map->slots = NULL;
	map->cap = 0;
	map->count = 0;
}

static size_t home_of(const struct nj_map *map, struct nj_view key)
{
	return (size_t)nj_siphash13(map->seed, key.data, key.len) & (map->cap - 1);
}

/* The slot that holds `key`, or the free slot where it belongs. The table is never full. */
static size_t find_slot(const struct nj_map *map, struct nj_view key)
{
	size_t i = home_of(map, key);

	while (map->slots[i] != NULL && !nj_view_equal(map->key_of(map->slots[i]), key))
		i = (i + 1) & (map->cap - 1);
	return i;
}

void *nj_map_get(const struct nj_map *map, struct nj_view key)
{
	return map->count == 0 ? NULL : map->slots[find_slot(map, key)];
}

/* Keeps at least a quarter of the slots free, so that probes stay short and end. */
static enum nj_err make_room(struct nj_map *map)
{
	struct nj_map bigger = *map;

	if (map->count + 1 <= map->cap / 4 * 3)
		return NJ_OK;
	bigger.cap = map->cap == 0 ? FIRST_SLOTS : map->cap * 2;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return NJ_ERR_NO_MEMORY;
	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i] != NULL)
			bigger.slots[find_slot(&bigger, map->key_of(map->slots[i]))] = map->slots[i];
	free(map->slots);
	*map = bigger;
	return NJ_OK;
}

enum nj_err nj_map_put(struct nj_map *map, void *entry)
{
	struct nj_view key = map->key_of(entry);

	if (nj_map_get(map, key) != NULL)
		return NJ_ERR_EXISTS;
	if (map->count >= map->max)
		return NJ_ERR_LIMIT;
	NJ_TRY(make_room(map));
	map->slots[find_slot(map, key)] = entry;
	map->count++;
	return NJ_OK;
}

/* Moves later entries of the same run back into the hole, so that no probe ends early (no tombstones). */
static void close_hole(struct nj_map *map, size_t hole)
{
	const size_t mask = map->cap - 1;

	for (size_t i = (hole + 1) & mask; map->slots[i] != NULL; i = (i + 1) & mask) {
		size_t home = home_of(map, map->key_of(map->slots[i]));

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = NULL;
}

void *nj_map_remove(struct nj_map *map, struct nj_view key)
{
	size_t i;
	void *entry;

	if (map->count == 0)
		return NULL;
	i = find_slot(map, key);
	entry = map->slots[i];
	if (entry == NULL)
		return NULL;
	close_hole(map, i);
	map->count--;
	return entry;
}

void *nj_map_next(const struct nj_map *map, size_t *cursor)
{
	while (*cursor < map->cap) {
		void *entry = map->slots[(*cursor)++];

		if (entry != NULL)
			return entry;
	}
	return NULL;
}
