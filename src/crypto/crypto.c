#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <sodium.h>

#include "crypto/hash.h"

enum nj_err nj_crypto_init(void)
{
	if (sodium_init() < 0)
		return NJ_ERR_CRYPTO;
	/* Everything that OpenSSL reads from files is read here, before the sandbox closes them. */
	uint64_t want = OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS |
			OPENSSL_INIT_NO_LOAD_CONFIG;
	if (OPENSSL_init_crypto(want, NULL) != 1)
		return NJ_ERR_CRYPTO;
	return nj_hash_init();
}

void nj_wipe(void *data, size_t len)
{
	if (len > 0)
		sodium_memzero(data, len);
}

bool nj_equal_ct(const void *a, const void *b, size_t len)
{
	return len == 0 || sodium_memcmp(a, b, len) == 0;
}
