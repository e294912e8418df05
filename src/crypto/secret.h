/*
 * Memory for secrets: guarded pages from memfd_secret(2) where the kernel offers it (invisible to other processes and
 * to the kernel's own direct map), else sodium_malloc (locked, guard pages, left out of core dumps). Wiped when freed.
 * A child of fork(2) does not inherit it. The type is opaque and has no text form, so no log can print it. Owner frees;
 * any thread may read.
 */
#ifndef NJ_CRYPTO_SECRET_H
#define NJ_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct nj_secret;

/* `len` zero bytes; NJ_ERR_RANGE for none. NJ_ERR_NO_MEMORY also when the lock limit (RLIMIT_MEMLOCK) is reached. */
NJ_MUST_USE enum nj_err nj_secret_new(size_t len, struct nj_secret **out_secret);
void nj_secret_free(struct nj_secret *secret);
uint8_t *nj_secret_bytes(struct nj_secret *secret);
size_t nj_secret_len(const struct nj_secret *secret);
void nj_secret_cleanup(struct nj_secret **secret);
#define NJ_CLEANUP_SECRET __attribute__((cleanup(nj_secret_cleanup)))

#endif
