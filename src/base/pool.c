#include "base/pool.h"

#include <assert.h>
#include <stdint.h>

#define CHUNK_BYTES 65536
#define CHUNK_MIN_OBJECTS 8

/* Header of every chunk; its size keeps the objects behind it aligned for any type. */
struct chunk {
	_Alignas(max_align_t) struct chunk *next;
};

struct spare {
	struct spare *next;
};

void nj_pool_init(struct nj_pool *pool, size_t object_bytes, size_t max_objects)
{
	const size_t align = _Alignof(max_align_t);
	size_t bytes = object_bytes < sizeof(struct spare) ? sizeof(struct spare) : object_bytes;

	assert(bytes <= SIZE_MAX / 2);
	*pool = (struct nj_pool){
		.object_bytes = (bytes + align - 1) / align * align,
		.max_objects = max_objects,
	};
}

void nj_pool_done(struct nj_pool *pool)
{
	struct chunk *chunk = pool->chunks;

	while (chunk != NULL) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	*pool = (struct nj_pool){ .object_bytes = pool->object_bytes, .max_objects = pool->max_objects };
}

static size_t chunk_objects(const struct nj_pool *pool)
{
	size_t want = CHUNK_BYTES / pool->object_bytes;
	size_t left = pool->max_objects - pool->made;

	if (want < CHUNK_MIN_OBJECTS)
		want = CHUNK_MIN_OBJECTS;
	return want < left ? want : left;
}

static void push_spare(struct nj_pool *pool, void *object)
{
	struct spare *spare = object;

	spare->next = pool->free_list;
	pool->free_list = spare;
}

static void grow(struct nj_pool *pool)
{
	size_t count = chunk_objects(pool);
	struct chunk *chunk;

	if (count == 0 || count > (SIZE_MAX - sizeof(*chunk)) / pool->object_bytes)
		return;
	chunk = malloc(sizeof(*chunk) + count * pool->object_bytes);
	if (chunk == NULL)
		return;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->made += count;
	for (size_t i = count; i > 0; i--)
		push_spare(pool, (char *)(chunk + 1) + (i - 1) * pool->object_bytes);
}

void *nj_pool_take(struct nj_pool *pool)
{
	struct spare *object;

	if (pool->free_list == NULL)
		grow(pool);
	object = pool->free_list;
	if (object == NULL)
		return NULL;
	pool->free_list = object->next;
	pool->in_use++;
	return memset(object, 0, pool->object_bytes);
}

void nj_pool_give(struct nj_pool *pool, void *object)
{
	if (object == NULL)
		return;
	assert(pool->in_use > 0);
	pool->in_use--;
	push_spare(pool, object);
}
