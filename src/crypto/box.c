#include <sodium.h>

#include "crypto/crypto.h"

_Static_assert(NJ_BOX_OVERHEAD == crypto_box_SEALBYTES, "a sealed box: the sender's public key and the tag");
_Static_assert(NJ_KEY_BYTES == crypto_box_SECRETKEYBYTES && NJ_KEY_BYTES == crypto_box_PUBLICKEYBYTES,
	       "X25519 keys have the length of all keys");

void nj_box_public(const uint8_t private_key[NJ_KEY_BYTES], uint8_t out_public[NJ_KEY_BYTES])
{
	(void)crypto_scalarmult_base(out_public, private_key);
}

enum nj_err nj_box_seal(const uint8_t public_key[NJ_KEY_BYTES], struct nj_view plain, uint8_t *out)
{
	return crypto_box_seal(out, plain.data, plain.len, public_key) == 0 ? NJ_OK : NJ_ERR_CRYPTO;
}

enum nj_err nj_box_open(const uint8_t private_key[NJ_KEY_BYTES], struct nj_view sealed, uint8_t *out)
{
	uint8_t public_key[NJ_KEY_BYTES];

	if (sealed.len < NJ_BOX_OVERHEAD)
		return NJ_ERR_TRUNCATED;
	nj_box_public(private_key, public_key);
	if (crypto_box_seal_open(out, sealed.data, sealed.len, public_key, private_key) == 0)
		return NJ_OK;
	nj_wipe(out, sealed.len - NJ_BOX_OVERHEAD);
	return NJ_ERR_FORGED;
}
