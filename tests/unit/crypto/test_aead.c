#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"

/* draft-irtf-cfrg-xchacha-03 appendix A.3.1. */
static const char plain_text[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";
#define PLAIN_BYTES (sizeof(plain_text) - 1)
#define SEALED_BYTES (PLAIN_BYTES + NJ_AEAD_TAG_BYTES)
static const char sealed_hex[] = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
				 "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
				 "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
				 "21f9664c97637da9768812f615c68b13b52e"
				 "c0875924c1c7987947deafd8780acf49";

struct fixture {
	uint8_t key[NJ_KEY_BYTES];
	uint8_t nonce[NJ_XCHACHA_NONCE_BYTES];
	uint8_t ad[12];
	uint8_t sealed[SEALED_BYTES];
};

static struct fixture fixture(void)
{
	struct fixture f;
	assert_int_equal(nj_hex_decode(nj_view_str("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
				       f.key, sizeof(f.key)),
			 NJ_OK);
	assert_int_equal(nj_hex_decode(nj_view_str("404142434445464748494a4b4c4d4e4f5051525354555657"), f.nonce,
				       sizeof(f.nonce)),
			 NJ_OK);
	assert_int_equal(nj_hex_decode(nj_view_str("50515253c0c1c2c3c4c5c6c7"), f.ad, sizeof(f.ad)), NJ_OK);
	assert_int_equal(nj_hex_decode(nj_view_str(sealed_hex), f.sealed, sizeof(f.sealed)), NJ_OK);
	return f;
}

static enum nj_err open_fixture(const struct fixture *f, uint8_t *out)
{
	return nj_xchacha_open(f->key, f->nonce, nj_view_of(f->ad, sizeof(f->ad)),
			       nj_view_of(f->sealed, sizeof(f->sealed)), out);
}

static void test_standard_vector(void **state)
{
	struct fixture f = fixture();
	uint8_t out[SEALED_BYTES];
	nj_xchacha_seal(f.key, f.nonce, nj_view_of(f.ad, sizeof(f.ad)), nj_view_str(plain_text), out);
	assert_memory_equal(out, f.sealed, sizeof(out));
	uint8_t opened[PLAIN_BYTES];
	assert_int_equal(open_fixture(&f, opened), NJ_OK);
	assert_memory_equal(opened, plain_text, PLAIN_BYTES);
}

static void assert_forged(const struct fixture *f)
{
	uint8_t opened[PLAIN_BYTES];
	uint8_t zero[PLAIN_BYTES] = { 0 };
	memset(opened, 0xee, sizeof(opened));
	assert_int_equal(open_fixture(f, opened), NJ_ERR_FORGED);
	assert_memory_equal(opened, zero, sizeof(zero));
}

static void test_every_flipped_bit(void **state)
{
	for (size_t bit = 0; bit < SEALED_BYTES * 8; bit++) {
		struct fixture f = fixture();
		f.sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_forged(&f);
	}
	struct fixture f = fixture();
	f.ad[0] ^= 1;
	assert_forged(&f);
	f = fixture();
	f.nonce[23] ^= 1;
	assert_forged(&f);
	f = fixture();
	f.key[0] ^= 1;
	assert_forged(&f);
}

static void test_lengths(void **state)
{
	struct fixture f = fixture();
	uint8_t none = 0xee;
	for (size_t len = 0; len < NJ_AEAD_TAG_BYTES; len++)
		assert_int_equal(nj_xchacha_open(f.key, f.nonce, nj_view_of(NULL, 0), nj_view_of(f.sealed, len), &none),
				 NJ_ERR_FORGED);
	assert_int_equal(none, 0xee);
	uint8_t tag[NJ_AEAD_TAG_BYTES];
	nj_xchacha_seal(f.key, f.nonce, nj_view_of(NULL, 0), nj_view_of(NULL, 0), tag);
	assert_int_equal(nj_xchacha_open(f.key, f.nonce, nj_view_of(NULL, 0), nj_view_of(tag, sizeof(tag)), &none),
			 NJ_OK);
	assert_int_equal(none, 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard_vector),
		cmocka_unit_test(test_every_flipped_bit),
		cmocka_unit_test(test_lengths),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
