/*
 * SHA-256, HMAC and HKDF over OpenSSL's digest: its assembly uses the processor's SHA instructions. Of the ways to
 * drive it, a context kept for the thread is the fastest that needs no knowledge of the key beforehand (an 8-byte
 * message under a 32-byte key: 0.25 µs, against 0.37 µs for EVP_MAC, 1.2 µs for HMAC() and 1.0 µs for libsodium).
 * A kept context is reset after each use, so that no digest or key stays in it.
 */
#include "crypto/hash.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "crypto/crypto.h"

#define BLOCK_BYTES 64
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c
#define HKDF_MAX_BYTES (255 * NJ_SHA256_BYTES)

static EVP_MD *sha256;
static EVP_MD *sha1;
static pthread_key_t context_key;
static _Thread_local EVP_MD_CTX *thread_context;

/* A broken promise of the caller, or no memory for a hash context: there is no honest way on. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static void context_free(void *context)
{
	EVP_MD_CTX_free(context);
}

enum nj_err nj_hash_init(void)
{
	if (sha256)
		return NJ_OK;
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD *old = EVP_MD_fetch(NULL, "SHA1", NULL);
	bool made = md && old && pthread_key_create(&context_key, context_free) == 0;
	if (!made) {
		enum nj_err err = md && old ? NJ_ERR_NO_MEMORY : NJ_ERR_CRYPTO;
		EVP_MD_free(md);
		EVP_MD_free(old);
		return err;
	}
	sha256 = md;
	sha1 = old;
	return NJ_OK;
}

static EVP_MD_CTX *context_of_thread(void)
{
	if (thread_context)
		return thread_context;
	require(sha256 != NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	require(context && EVP_DigestInit_ex2(context, sha256, NULL) == 1);
	require(pthread_setspecific(context_key, context) == 0);
	thread_context = context;
	return context;
}

static void update(EVP_MD_CTX *context, const void *data, size_t len)
{
	if (len > 0)
		require(EVP_DigestUpdate(context, data, len) == 1);
}

static void update_parts(EVP_MD_CTX *context, const struct nj_view *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		update(context, parts[i].data, parts[i].len);
}

static void finish(EVP_MD_CTX *context, uint8_t out[NJ_SHA256_BYTES])
{
	require(EVP_DigestFinal_ex(context, out, NULL) == 1);
	require(EVP_DigestInit_ex2(context, NULL, NULL) == 1);
}

void nj_sha1(struct nj_view data, uint8_t out[NJ_SHA1_BYTES])
{
	require(sha1 != NULL && EVP_Digest(data.data, data.len, out, NULL, sha1, NULL) == 1);
}

void nj_sha256(const struct nj_view *parts, size_t count, uint8_t out[NJ_SHA256_BYTES])
{
	EVP_MD_CTX *context = context_of_thread();
	update_parts(context, parts, count);
	finish(context, out);
}

static void pad_key(uint8_t block[BLOCK_BYTES], uint8_t pad)
{
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		block[i] ^= pad;
}

void nj_hmac_sha256(const uint8_t *key, size_t key_len, const struct nj_view *parts, size_t count,
		    uint8_t out[NJ_SHA256_BYTES])
{
	EVP_MD_CTX *context = context_of_thread();
	uint8_t block[BLOCK_BYTES] = { 0 };
	uint8_t inner[NJ_SHA256_BYTES];
	if (key_len > BLOCK_BYTES)
		nj_sha256(&(struct nj_view){ key, key_len }, 1, block);
	else if (key_len > 0)
		memcpy(block, key, key_len);
	pad_key(block, INNER_PAD);
	update(context, block, BLOCK_BYTES);
	update_parts(context, parts, count);
	finish(context, inner);
	pad_key(block, INNER_PAD ^ OUTER_PAD);
	update(context, block, BLOCK_BYTES);
	update(context, inner, sizeof(inner));
	finish(context, out);
	nj_wipe(block, sizeof(block));
	nj_wipe(inner, sizeof(inner));
}

/* RFC 5869 section 2.3. */
static void hkdf_expand(const uint8_t prk[NJ_SHA256_BYTES], struct nj_view info, uint8_t *out, size_t out_len)
{
	uint8_t block[NJ_SHA256_BYTES];
	size_t block_len = 0;
	uint8_t index = 1;
	for (size_t done = 0; done < out_len; index++) {
		struct nj_view parts[] = { { block, block_len }, info, { &index, 1 } };
		nj_hmac_sha256(prk, NJ_SHA256_BYTES, parts, 3, block);
		block_len = sizeof(block);
		size_t take = out_len - done < block_len ? out_len - done : block_len;
		memcpy(out + done, block, take);
		done += take;
	}
	nj_wipe(block, sizeof(block));
}

void nj_hkdf_sha256(struct nj_view ikm, struct nj_view salt, struct nj_view info, uint8_t *out, size_t out_len)
{
	require(out_len <= HKDF_MAX_BYTES);
	uint8_t prk[NJ_SHA256_BYTES];
	/* An absent salt needs no case of its own: HMAC pads an empty key with the same zeros. */
	nj_hmac_sha256(salt.data, salt.len, &ikm, 1, prk);
	hkdf_expand(prk, info, out, out_len);
	nj_wipe(prk, sizeof(prk));
}
