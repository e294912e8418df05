#include <sodium.h>

#include "crypto/crypto.h"

void nj_xchacha_seal(const uint8_t key[NJ_KEY_BYTES], const uint8_t nonce[NJ_XCHACHA_NONCE_BYTES], struct nj_view ad,
		     struct nj_view plain, uint8_t *out)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.len, ad.data, ad.len, NULL, nonce, key);
}

enum nj_err nj_xchacha_open(const uint8_t key[NJ_KEY_BYTES], const uint8_t nonce[NJ_XCHACHA_NONCE_BYTES],
			    struct nj_view ad, struct nj_view sealed, uint8_t *out)
{
	if (sealed.len < NJ_AEAD_TAG_BYTES)
		return NJ_ERR_FORGED;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.len, ad.data, ad.len, nonce,
						       key) != 0) {
		nj_wipe(out, sealed.len - NJ_AEAD_TAG_BYTES);
		return NJ_ERR_FORGED;
	}
	return NJ_OK;
}
