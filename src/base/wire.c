#include "base/wire.h"

#include <assert.h>

struct nj_view nj_view_of(const void *data, size_t len)
{
	assert(data != NULL || len == 0);
	return (struct nj_view){ .data = data, .len = len };
}

struct nj_view nj_view_str(const char *text)
{
	return nj_view_of(text, strlen(text));
}

bool nj_view_equal(struct nj_view a, struct nj_view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct nj_reader nj_reader_of(const void *data, size_t len)
{
	assert(data != NULL || len == 0);
	return (struct nj_reader){ .data = data, .len = len };
}

struct nj_reader nj_reader_view(struct nj_view view)
{
	return nj_reader_of(view.data, view.len);
}

/* The next `len` bytes, or NULL after the first failure. Never NULL for len > 0 on success. */
static const uint8_t *take(struct nj_reader *r, size_t len)
{
	const uint8_t *at;

	if (r->err != NJ_OK)
		return NULL;
	if (len > r->len - r->pos) {
		r->err = NJ_ERR_TRUNCATED;
		return NULL;
	}
	if (len == 0)
		return NULL;
	at = r->data + r->pos;
	r->pos += len;
	return at;
}

static uint64_t read_uint(struct nj_reader *r, size_t len)
{
	const uint8_t *at = take(r, len);
	uint64_t value = 0;

	if (at == NULL)
		return 0;
	for (size_t i = 0; i < len; i++)
		value = value << 8 | at[i];
	return value;
}

uint8_t nj_read_u8(struct nj_reader *r)
{
	return (uint8_t)read_uint(r, 1);
}

uint16_t nj_read_u16(struct nj_reader *r)
{
	return (uint16_t)read_uint(r, 2);
}

uint32_t nj_read_u32(struct nj_reader *r)
{
	return (uint32_t)read_uint(r, 4);
}

uint64_t nj_read_u64(struct nj_reader *r)
{
	return read_uint(r, 8);
}

struct nj_view nj_read_view(struct nj_reader *r, size_t len)
{
	const uint8_t *at = take(r, len);

	if (at == NULL)
		return (struct nj_view){ .data = NULL, .len = 0 };
	return (struct nj_view){ .data = at, .len = len };
}

void nj_read_bytes(struct nj_reader *r, void *out, size_t len)
{
	const uint8_t *at = take(r, len);

	if (at != NULL)
		memcpy(out, at, len);
	else if (len > 0)
		memset(out, 0, len);
}

struct nj_view nj_read_view16(struct nj_reader *r)
{
	return nj_read_view(r, nj_read_u16(r));
}

struct nj_reader nj_read_sub(struct nj_reader *r, size_t len)
{
	struct nj_reader sub = nj_reader_view(nj_read_view(r, len));

	sub.err = r->err;
	return sub;
}

size_t nj_reader_left(const struct nj_reader *r)
{
	return r->err == NJ_OK ? r->len - r->pos : 0;
}

void nj_reader_fail(struct nj_reader *r, enum nj_err err)
{
	if (r->err == NJ_OK)
		r->err = err;
}

enum nj_err nj_reader_end(const struct nj_reader *r)
{
	if (r->err != NJ_OK)
		return r->err;
	return r->pos == r->len ? NJ_OK : NJ_ERR_TRAILING;
}

struct nj_writer nj_writer_of(void *data, size_t cap)
{
	assert(data != NULL || cap == 0);
	return (struct nj_writer){ .data = data, .cap = cap };
}

uint8_t *nj_write_reserve(struct nj_writer *w, size_t len)
{
	uint8_t *at;

	if (w->err != NJ_OK)
		return NULL;
	if (len > w->cap - w->pos) {
		w->err = NJ_ERR_FULL;
		return NULL;
	}
	if (w->data == NULL)
		return NULL;
	at = w->data + w->pos;
	w->pos += len;
	return at;
}

void nj_put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void nj_put_u32(uint8_t *at, uint32_t value)
{
	nj_put_u16(at, (uint16_t)(value >> 16));
	nj_put_u16(at + 2, (uint16_t)value);
}

void nj_put_u64(uint8_t *at, uint64_t value)
{
	nj_put_u32(at, (uint32_t)(value >> 32));
	nj_put_u32(at + 4, (uint32_t)value);
}

void nj_write_u8(struct nj_writer *w, uint8_t value)
{
	uint8_t *at = nj_write_reserve(w, 1);

	if (at != NULL)
		*at = value;
}

void nj_write_u16(struct nj_writer *w, uint16_t value)
{
	uint8_t *at = nj_write_reserve(w, 2);

	if (at != NULL)
		nj_put_u16(at, value);
}

void nj_write_u32(struct nj_writer *w, uint32_t value)
{
	uint8_t *at = nj_write_reserve(w, 4);

	if (at != NULL)
		nj_put_u32(at, value);
}

void nj_write_u64(struct nj_writer *w, uint64_t value)
{
	uint8_t *at = nj_write_reserve(w, 8);

	if (at != NULL)
		nj_put_u64(at, value);
}

void nj_write_bytes(struct nj_writer *w, const void *data, size_t len)
{
	uint8_t *at = nj_write_reserve(w, len);

	if (at != NULL && len > 0)
		memcpy(at, data, len);
}

void nj_write_zero(struct nj_writer *w, size_t len)
{
	uint8_t *at = nj_write_reserve(w, len);

	if (at != NULL)
		memset(at, 0, len);
}

void nj_write_view16(struct nj_writer *w, struct nj_view view)
{
	if (view.len > UINT16_MAX) {
		if (w->err == NJ_OK)
			w->err = NJ_ERR_TOO_LARGE;
		return;
	}
	nj_write_u16(w, (uint16_t)view.len);
	nj_write_bytes(w, view.data, view.len);
}

enum nj_err nj_writer_end(const struct nj_writer *w, size_t *out_len)
{
	if (w->err != NJ_OK)
		return w->err;
	*out_len = w->pos;
	return NJ_OK;
}
