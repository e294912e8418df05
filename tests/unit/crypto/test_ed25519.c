#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"

struct row {
	const char *seed, *public_key, *message, *signature;
};

/* RFC 8032 section 7.1, TEST 1 to TEST 3. */
static const struct row rows[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
	  "d25bf5f0595bbe24655141438e7a100b" },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
	  "387b2eaeb4302aeeb00d291612bb0c00" },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
	  "4a7c15e9716ed28dc027beceea1ec40a" },
};

static void decode(const char *hex, uint8_t *out)
{
	assert_int_equal(nj_hex_decode(nj_view_str(hex), out, strlen(hex) / 2), NJ_OK);
}

static void test_standard_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t seed[32], want_public[32], want[64], message[8];
		uint8_t public_key[32], secret[64], signature[64];
		decode(rows[i].seed, seed);
		decode(rows[i].public_key, want_public);
		decode(rows[i].signature, want);
		decode(rows[i].message, message);
		struct nj_view view = nj_view_of(message, strlen(rows[i].message) / 2);
		nj_ed25519_from_seed(seed, public_key, secret);
		assert_memory_equal(public_key, want_public, sizeof(public_key));
		nj_ed25519_sign(secret, view, signature);
		assert_memory_equal(signature, want, sizeof(signature));
		assert_int_equal(nj_ed25519_verify(public_key, view, signature), NJ_OK);
	}
}

static void test_every_flipped_bit(void **state)
{
	uint8_t seed[32] = { 7 }, public_key[32], secret[64], signature[64];
	struct nj_view message = nj_view_str("checkpoint 1");
	nj_ed25519_from_seed(seed, public_key, secret);
	nj_ed25519_sign(secret, message, signature);
	for (size_t bit = 0; bit < sizeof(signature) * 8; bit++) {
		uint8_t forged[64];
		memcpy(forged, signature, sizeof(forged));
		forged[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(nj_ed25519_verify(public_key, message, forged), NJ_ERR_FORGED);
	}
	assert_int_equal(nj_ed25519_verify(public_key, nj_view_str("checkpoint 2"), signature), NJ_ERR_FORGED);
	public_key[0] ^= 1;
	assert_int_equal(nj_ed25519_verify(public_key, message, signature), NJ_ERR_FORGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard_vectors),
		cmocka_unit_test(test_every_flipped_bit),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
