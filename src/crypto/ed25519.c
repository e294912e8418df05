#include <sodium.h>

#include "crypto/crypto.h"

void nj_ed25519_from_seed(const uint8_t seed[32], uint8_t out_public[NJ_ED25519_PUBLIC_BYTES],
			  uint8_t out_secret[NJ_ED25519_SECRET_BYTES])
{
	crypto_sign_seed_keypair(out_public, out_secret, seed);
}

void nj_ed25519_sign(const uint8_t secret[NJ_ED25519_SECRET_BYTES], struct nj_view message,
		     uint8_t out_signature[NJ_ED25519_SIGNATURE_BYTES])
{
	crypto_sign_detached(out_signature, NULL, message.data, message.len, secret);
}

enum nj_err nj_ed25519_verify(const uint8_t public_key[NJ_ED25519_PUBLIC_BYTES], struct nj_view message,
			      const uint8_t signature[NJ_ED25519_SIGNATURE_BYTES])
{
	return crypto_sign_verify_detached(signature, message.data, message.len, public_key) == 0 ? NJ_OK
												  : NJ_ERR_FORGED;
}
