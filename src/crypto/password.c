#include <sodium.h>

#include "crypto/crypto.h"

_Static_assert(NJ_ARGON2_SALT_BYTES == crypto_pwhash_SALTBYTES, "Argon2id takes this salt");

enum nj_err nj_argon2id(struct nj_view password, const uint8_t salt[NJ_ARGON2_SALT_BYTES], uint32_t memory_kib,
			uint32_t passes, uint8_t out_key[NJ_KEY_BYTES])
{
	if (password.len > crypto_pwhash_PASSWD_MAX || (uint64_t)memory_kib * 1024 < crypto_pwhash_MEMLIMIT_MIN ||
	    passes < crypto_pwhash_OPSLIMIT_MIN)
		return NJ_ERR_RANGE;
	if (crypto_pwhash(out_key, NJ_KEY_BYTES, (const char *)password.data, password.len, salt, passes,
			  (size_t)memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return NJ_ERR_NO_MEMORY;
	return NJ_OK;
}
