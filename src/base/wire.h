/*
 * Cursors over bytes: the only way in which untrusted bytes are read and messages are laid out.
 * Both cursors are sticky: after the first failure every read gives zero and every write does nothing, so a
 * parser reads straight through and asks once, at the end. All integers are big-endian.
 * Any thread; borrow the caller's memory; never allocate.
 */
#ifndef NJ_BASE_WIRE_H
#define NJ_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Borrowed bytes. `data` may be NULL only when `len` is 0. */
struct nj_view {
	const uint8_t *data;
	size_t len;
};

struct nj_reader {
	const uint8_t *data;
	size_t len;
	size_t pos;
	enum nj_err err;
};

struct nj_writer {
	uint8_t *data;
	size_t cap;
	size_t pos;
	enum nj_err err;
};

struct nj_view nj_view_of(const void *data, size_t len);
struct nj_view nj_view_str(const char *text);
bool nj_view_equal(struct nj_view a, struct nj_view b);

struct nj_reader nj_reader_of(const void *data, size_t len);
struct nj_reader nj_reader_view(struct nj_view view);
uint8_t nj_read_u8(struct nj_reader *r);
uint16_t nj_read_u16(struct nj_reader *r);
uint32_t nj_read_u32(struct nj_reader *r);
uint64_t nj_read_u64(struct nj_reader *r);
/* Borrows the next `len` bytes; an empty view after failure. */
struct nj_view nj_read_view(struct nj_reader *r, size_t len);
/* Copies the next `len` bytes to `out`; zeroes `out` after failure. */
void nj_read_bytes(struct nj_reader *r, void *out, size_t len);
/* A u16 length, then that many bytes. */
struct nj_view nj_read_view16(struct nj_reader *r);
/* A reader over the next `len` bytes, which this one skips; a failed reader when there are fewer. */
struct nj_reader nj_read_sub(struct nj_reader *r, size_t len);
size_t nj_reader_left(const struct nj_reader *r);
/* Marks the reader failed with `err` unless it has failed already. */
void nj_reader_fail(struct nj_reader *r, enum nj_err err);
/* NJ_OK only if nothing failed and every byte was eaten (else NJ_ERR_TRAILING or the first failure). */
NJ_MUST_USE enum nj_err nj_reader_end(const struct nj_reader *r);

struct nj_writer nj_writer_of(void *data, size_t cap);
void nj_write_u8(struct nj_writer *w, uint8_t value);
void nj_write_u16(struct nj_writer *w, uint16_t value);
void nj_write_u32(struct nj_writer *w, uint32_t value);
void nj_write_u64(struct nj_writer *w, uint64_t value);
void nj_write_bytes(struct nj_writer *w, const void *data, size_t len);
void nj_write_zero(struct nj_writer *w, size_t len);
/* A u16 length, then the bytes; NJ_ERR_TOO_LARGE over 65,535. */
void nj_write_view16(struct nj_writer *w, struct nj_view view);
/* Reserves `len` bytes to be filled later; NULL after failure. */
uint8_t *nj_write_reserve(struct nj_writer *w, size_t len);
/* Fails with NJ_ERR_FULL when something did not fit. `out_len` is untouched on failure. */
NJ_MUST_USE enum nj_err nj_writer_end(const struct nj_writer *w, size_t *out_len);

/* Fixed-place helpers for a reserved field. */
void nj_put_u16(uint8_t *at, uint16_t value);
void nj_put_u32(uint8_t *at, uint32_t value);
void nj_put_u64(uint8_t *at, uint64_t value);

#endif
