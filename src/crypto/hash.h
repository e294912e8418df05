/* SHA-256 for this folder's own use: made ready by nj_crypto_init. Any thread. */
#ifndef NJ_CRYPTO_HASH_H
#define NJ_CRYPTO_HASH_H

#include "base/err.h"

/* Fetches the algorithm (OpenSSL may read files for it) and makes the key that frees a thread's context. Once. */
NJ_MUST_USE enum nj_err nj_hash_init(void);

#endif
