/*
 * A hash's state that is kept and copied by assignment. OpenSSL's digest contexts have none (a copy allocates), so this
 * one file uses its older functions, which are the same assembly and are marked deprecated for want of providers.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <assert.h>
#include <openssl/sha.h>

#include "crypto/crypto.h"

#define BLOCK_BYTES 64
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

struct states {
	SHA256_CTX inner;
	SHA256_CTX outer;
};
_Static_assert(sizeof(struct states) == sizeof(struct nj_hmac_key), "the public struct has room for both states");

static void pad(SHA256_CTX *state, const uint8_t *key, size_t key_len, uint8_t with)
{
	uint8_t block[BLOCK_BYTES];

	memset(block, with, sizeof(block));
	for (size_t i = 0; i < key_len; i++)
		block[i] ^= key[i];
	(void)SHA256_Init(state);
	(void)SHA256_Update(state, block, sizeof(block));
	nj_wipe(block, sizeof(block));
}

void nj_hmac_key_init(struct nj_hmac_key *out_hmac, const uint8_t *key, size_t key_len)
{
	struct states *states = (struct states *)(void *)out_hmac->states;

	assert(key_len <= BLOCK_BYTES);
	pad(&states->inner, key, key_len, INNER_PAD);
	pad(&states->outer, key, key_len, OUTER_PAD);
}

void nj_hmac_key_of(const struct nj_hmac_key *hmac, const uint8_t *data, size_t len, uint8_t out[NJ_SHA256_BYTES])
{
	struct states states;

	memcpy(&states, hmac->states, sizeof(states));
	(void)SHA256_Update(&states.inner, data, len);
	(void)SHA256_Final(out, &states.inner);
	(void)SHA256_Update(&states.outer, out, NJ_SHA256_BYTES);
	(void)SHA256_Final(out, &states.outer);
	nj_wipe(&states, sizeof(states));
}
