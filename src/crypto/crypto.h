/*
 * The algorithms that Nightjar uses, thin and typed over libsodium and OpenSSL, which are included nowhere else but
 * here and in net/tls.c. Call nj_crypto_init once a process, before the first thread and before the sandbox.
 * Functions without an error cannot fail for valid shapes. Any thread. Never logs.
 */
#ifndef NJ_CRYPTO_CRYPTO_H
#define NJ_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"

#define NJ_KEY_BYTES 32
#define NJ_SHA1_BYTES 20
#define NJ_SHA256_BYTES 32
#define NJ_XCHACHA_NONCE_BYTES 24
#define NJ_AEAD_TAG_BYTES 16
#define NJ_ARGON2_SALT_BYTES 16
#define NJ_BOX_OVERHEAD 48
#define NJ_ED25519_PUBLIC_BYTES 32
#define NJ_ED25519_SECRET_BYTES 64
#define NJ_ED25519_SIGNATURE_BYTES 64

NJ_MUST_USE enum nj_err nj_crypto_init(void);

/* Overwrites memory in a way that the compiler keeps. */
void nj_wipe(void *data, size_t len);
/* Compares in constant time. */
bool nj_equal_ct(const void *a, const void *b, size_t len);

/* FIPS 180-4, for RFC 6455 alone, where nothing hangs on it. */
void nj_sha1(struct nj_view data, uint8_t out[NJ_SHA1_BYTES]);
/* FIPS 180-4 and RFC 2104. `parts` are hashed one after the other. */
void nj_sha256(const struct nj_view *parts, size_t count, uint8_t out[NJ_SHA256_BYTES]);
void nj_hmac_sha256(const uint8_t *key, size_t key_len, const struct nj_view *parts, size_t count,
		    uint8_t out[NJ_SHA256_BYTES]);
/* HMAC-SHA-256 under one key for many short messages: the key's blocks are hashed once, which makes each message two
 * and a half times as fast. As secret as the key: wipe it. */
struct nj_hmac_key {
	uint64_t states[28];
};
/* key_len ≤ 64. */
void nj_hmac_key_init(struct nj_hmac_key *out_hmac, const uint8_t *key, size_t key_len);
void nj_hmac_key_of(const struct nj_hmac_key *hmac, const uint8_t *data, size_t len, uint8_t out[NJ_SHA256_BYTES]);
/* RFC 5869 with SHA-256; out_len ≤ 255·32. An empty salt is 32 zero bytes. */
void nj_hkdf_sha256(struct nj_view ikm, struct nj_view salt, struct nj_view info, uint8_t *out, size_t out_len);

/* XChaCha20-Poly1305 (IETF construction, draft-irtf-cfrg-xchacha-03). `out` holds len + 16 bytes. */
void nj_xchacha_seal(const uint8_t key[NJ_KEY_BYTES], const uint8_t nonce[NJ_XCHACHA_NONCE_BYTES], struct nj_view ad,
		     struct nj_view plain, uint8_t *out);
/* NJ_ERR_FORGED leaves `out` (sealed.len − 16 bytes) zeroed. */
NJ_MUST_USE enum nj_err nj_xchacha_open(const uint8_t key[NJ_KEY_BYTES], const uint8_t nonce[NJ_XCHACHA_NONCE_BYTES],
					struct nj_view ad, struct nj_view sealed, uint8_t *out);

/* Sealed boxes of libsodium (X25519, XSalsa20-Poly1305, a fresh key pair for each box): whoever has the public key
 * writes, only the private key reads. Any 32 random bytes are a private key. `out` holds plain.len + NJ_BOX_OVERHEAD
 * bytes; NJ_ERR_CRYPTO for a public key that is none. */
void nj_box_public(const uint8_t private_key[NJ_KEY_BYTES], uint8_t out_public[NJ_KEY_BYTES]);
NJ_MUST_USE enum nj_err nj_box_seal(const uint8_t public_key[NJ_KEY_BYTES], struct nj_view plain, uint8_t *out);
/* NJ_ERR_FORGED (another key's, or damaged) leaves `out` (sealed.len − NJ_BOX_OVERHEAD bytes) zeroed;
 * NJ_ERR_TRUNCATED. */
NJ_MUST_USE enum nj_err nj_box_open(const uint8_t private_key[NJ_KEY_BYTES], struct nj_view sealed, uint8_t *out);

/* RFC 9106, one lane. NJ_ERR_RANGE below 8 KiB or one pass, NJ_ERR_NO_MEMORY. Blocks for as long as it takes. */
NJ_MUST_USE enum nj_err nj_argon2id(struct nj_view password, const uint8_t salt[NJ_ARGON2_SALT_BYTES],
				    uint32_t memory_kib, uint32_t passes, uint8_t out_key[NJ_KEY_BYTES]);

/* RFC 8032. The seed is 32 random bytes. */
void nj_ed25519_from_seed(const uint8_t seed[32], uint8_t out_public[NJ_ED25519_PUBLIC_BYTES],
			  uint8_t out_secret[NJ_ED25519_SECRET_BYTES]);
void nj_ed25519_sign(const uint8_t secret[NJ_ED25519_SECRET_BYTES], struct nj_view message,
		     uint8_t out_signature[NJ_ED25519_SIGNATURE_BYTES]);
NJ_MUST_USE enum nj_err nj_ed25519_verify(const uint8_t public_key[NJ_ED25519_PUBLIC_BYTES], struct nj_view message,
					  const uint8_t signature[NJ_ED25519_SIGNATURE_BYTES]);

#endif
