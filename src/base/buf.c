#include "base/buf.h"

#include <assert.h>

#define FIRST_BYTES 256

void nj_buf_init(struct nj_buf *b, size_t max_bytes)
{
	*b = (struct nj_buf){ .max = max_bytes < UINT32_MAX ? (uint32_t)max_bytes : UINT32_MAX };
}

void nj_buf_wipes(struct nj_buf *b)
{
	b->wipes = true;
}

static void give_back(const struct nj_buf *b)
{
	if (b->wipes && b->data != NULL)
		explicit_bzero(b->data, b->cap);
	free(b->data);
}

void nj_buf_done(struct nj_buf *b)
{
	give_back(b);
	*b = (struct nj_buf){ .max = b->max, .wipes = b->wipes };
}

size_t nj_buf_len(const struct nj_buf *b)
{
	return b->end - b->start;
}

struct nj_view nj_buf_view(const struct nj_buf *b)
{
	if (b->start == b->end)
		return (struct nj_view){ .data = NULL, .len = 0 };
	return nj_view_of(b->data + b->start, nj_buf_len(b));
}

static void move_to_front(struct nj_buf *b)
{
	size_t len = nj_buf_len(b);

	if (len > 0)
		memmove(b->data, b->data + b->start, len);
	b->start = 0;
	b->end = (uint32_t)len;
}

/* Doubling keeps appends linear; the last step goes to the maximum itself. */
static size_t next_cap(const struct nj_buf *b, size_t need)
{
	size_t cap = b->cap < FIRST_BYTES ? FIRST_BYTES : b->cap;

	if (b->cap == 0 && b->usual > need)
		need = b->usual;
	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	return cap < b->max ? cap : b->max;
}

static enum nj_err grow(struct nj_buf *b, size_t need)
{
	size_t cap = next_cap(b, need);
	size_t len = nj_buf_len(b);
	uint8_t *data = malloc(cap);

	if (data == NULL)
		return NJ_ERR_NO_MEMORY;
	if (len > 0)
		memcpy(data, b->data + b->start, len);
	give_back(b);
	b->data = data;
	b->cap = (uint32_t)cap;
	b->start = 0;
	b->end = (uint32_t)len;
	return NJ_OK;
}

enum nj_err nj_buf_reserve(struct nj_buf *b, size_t want, uint8_t **out_at, size_t *out_room)
{
	size_t len = nj_buf_len(b);
	size_t room;

	if (want > b->max - len)
		return NJ_ERR_LIMIT;
	if (want > b->cap - b->end) {
		if (len + want > b->cap)
			NJ_TRY(grow(b, len + want));
		else
			move_to_front(b);
	}
	room = b->cap - b->end;
	*out_room = room < b->max - len ? room : b->max - len;
	*out_at = b->data == NULL ? NULL : b->data + b->end;
	return NJ_OK;
}

void nj_buf_commit(struct nj_buf *b, size_t len)
{
	assert(len <= b->cap - b->end && len <= b->max - nj_buf_len(b));
	b->end += (uint32_t)len;
	if (b->end > b->peak)
		b->peak = b->end;
}

enum nj_err nj_buf_append(struct nj_buf *b, const void *data, size_t len)
{
	uint8_t *at;
	size_t room;

	if (len == 0)
		return NJ_OK;
	NJ_TRY(nj_buf_reserve(b, len, &at, &room));
	memcpy(at, data, len);
	nj_buf_commit(b, len);
	return NJ_OK;
}

void nj_buf_eat(struct nj_buf *b, size_t len)
{
	assert(len <= nj_buf_len(b));
	b->start += (uint32_t)len;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void nj_buf_release(struct nj_buf *b)
{
	uint32_t usual = b->peak & INT32_MAX;

	if (nj_buf_len(b) > 0 || b->data == NULL)
		return;
	nj_buf_done(b);
	b->usual = usual;
}
