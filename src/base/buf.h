/*
 * A growable byte queue with a mandatory maximum: appended at the back, eaten at the front.
 * Owns its memory; one owner, no locking. An empty buffer holds no memory after nj_buf_release; when it is filled again
 * it begins as large as it was needed before, so that steady use neither grows nor copies.
 */
#ifndef NJ_BASE_BUF_H
#define NJ_BASE_BUF_H

#include "base/wire.h"

struct nj_buf {
	uint8_t *data;
	uint32_t cap;
	uint32_t start;      /* first unread byte */
	uint32_t end;        /* one past the last */
	uint32_t max;        /* never holds more than this many unread bytes */
	uint32_t peak;       /* the greatest end since memory was taken */
	uint32_t usual : 31; /* the peak of the time before */
	uint32_t wipes : 1;  /* what it held is overwritten before its memory goes */
};

/* At most UINT32_MAX bytes. */
void nj_buf_init(struct nj_buf *b, size_t max_bytes);
/* For secrets, from now on: no memory is given back as it was. */
void nj_buf_wipes(struct nj_buf *b);
void nj_buf_done(struct nj_buf *b);
size_t nj_buf_len(const struct nj_buf *b);
struct nj_view nj_buf_view(const struct nj_buf *b);
/* NJ_ERR_LIMIT past the maximum, NJ_ERR_NO_MEMORY; the buffer is unchanged then. */
NJ_MUST_USE enum nj_err nj_buf_append(struct nj_buf *b, const void *data, size_t len);
/* Room for at least `want` more bytes at `*out_at`; commit what was filled with nj_buf_commit. */
NJ_MUST_USE enum nj_err nj_buf_reserve(struct nj_buf *b, size_t want, uint8_t **out_at, size_t *out_room);
void nj_buf_commit(struct nj_buf *b, size_t len);
/* Eats `len` bytes (≤ nj_buf_len) at the front. */
void nj_buf_eat(struct nj_buf *b, size_t len);
/* Gives the memory back when nothing is held. */
void nj_buf_release(struct nj_buf *b);

#endif
