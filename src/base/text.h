/* Text helpers: bounded copies, hex, numbers, names, the nearest name for a misspelt one. Any thread, no allocation. */
#ifndef NJ_BASE_TEXT_H
#define NJ_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"

/* Copies with termination; NJ_ERR_TOO_LARGE (and an empty `out`) when it does not fit. */
NJ_MUST_USE enum nj_err nj_text_copy(char *out, size_t out_bytes, const char *text);
/* The same for bytes; NJ_ERR_MALFORMED when they hold a zero, which would cut the text short. */
NJ_MUST_USE enum nj_err nj_text_copy_view(char *out, size_t out_bytes, struct nj_view view);
/* snprintf that reports truncation. */
NJ_MUST_USE enum nj_err nj_text_format(char *out, size_t out_bytes, const char *format, ...) NJ_PRINTF(3, 4);
/* 2·len lower-case digits and the end. */
void nj_hex_encode(const void *data, size_t len, char *out);
/* Exactly `len` bytes from exactly 2·len digits, either case. */
NJ_MUST_USE enum nj_err nj_hex_decode(struct nj_view text, void *out, size_t len);
/* Base64 with padding (RFC 4648 section 4): 4 digits for 3 bytes, and the end. */
void nj_base64_encode(const void *data, size_t len, char *out);
/* Strict: padding where it belongs, unused bits 0, nothing else. NJ_ERR_MALFORMED, NJ_ERR_TOO_LARGE. */
NJ_MUST_USE enum nj_err nj_base64_decode(struct nj_view text, void *out, size_t cap, size_t *out_len);
/* The whole text is a decimal number in [min, max]. */
NJ_MUST_USE enum nj_err nj_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out_value);
/* "90", "500ms", "30s", "10min", "2h", "7d" as milliseconds; a bare number is seconds. */
NJ_MUST_USE enum nj_err nj_duration_parse(const char *text, uint64_t *out_ms);
/* "4096", "64KiB", "16MiB", "1GiB". */
NJ_MUST_USE enum nj_err nj_bytes_parse(const char *text, uint64_t *out_bytes);
/* Names of devices, applications, profiles, customers: 1–64 of A–Z a–z 0–9 . _ : - and not starting with '-' or '.'. */
bool nj_name_valid(const char *text);
#define NJ_NAME_BYTES 65
/* Well-formed UTF-8 by RFC 3629 (no surrogates, no overlong forms); U+0000 is not allowed. */
bool nj_utf8_valid(struct nj_view text);
/* The same without characters that nobody can read: controls (U+0001 – U+001F, U+007F – U+009F) and non-characters. */
bool nj_utf8_plain(struct nj_view text);
/* Length of the first character and its code point; 0 when it is ill-formed or `text` is empty. */
size_t nj_utf8_decode(struct nj_view text, uint32_t *out_code);
/* Appends one code point: not a surrogate, at most U+10FFFF. */
void nj_utf8_write(struct nj_writer *w, uint32_t code);
/* The start of well-formed `text`: at most `max` bytes, and no character cut in two. */
struct nj_view nj_utf8_cut(struct nj_view text, size_t max);
/* The candidate nearest to `text` by edit distance, or NULL when none is near (over a third of the length of `text`).
 */
const char *nj_text_nearest(const char *text, const char *const *candidates, size_t count);

#endif
