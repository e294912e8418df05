#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/text.h"
#include "crypto/crypto.h"

#define VALUE_BYTES 256

struct bytes {
	uint8_t data[VALUE_BYTES];
	size_t len;
};

static struct bytes from_hex(const char *hex)
{
	struct bytes b = { .len = strlen(hex) / 2 };
	assert_true(b.len <= VALUE_BYTES);
	assert_int_equal(nj_hex_decode(nj_view_str(hex), b.data, b.len), NJ_OK);
	return b;
}

static struct bytes repeated(uint8_t value, size_t len)
{
	struct bytes b = { .len = len };
	memset(b.data, value, len);
	return b;
}

static struct nj_view view(const struct bytes *b)
{
	return nj_view_of(b->data, b->len);
}

static void assert_hex(const uint8_t *data, size_t len, const char *want)
{
	char hex[2 * VALUE_BYTES + 1];
	nj_hex_encode(data, len, hex);
	assert_string_equal(hex, want);
}

/* FIPS 180-4; examples of NIST's "SHA256.pdf". */
static void test_sha256(void **state)
{
	uint8_t out[NJ_SHA256_BYTES];
	nj_sha256(NULL, 0, out);
	assert_hex(out, sizeof(out), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	struct nj_view parts[] = { nj_view_str("a"), nj_view_str(""), nj_view_str("bc") };
	nj_sha256(parts, 3, out);
	assert_hex(out, sizeof(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct hmac_row {
	const char *what;
	struct bytes key;
	const char *message;
	const char *want;
};

static void check_hmac(const struct hmac_row *row, struct nj_view message)
{
	uint8_t out[NJ_SHA256_BYTES];
	nj_hmac_sha256(row->key.data, row->key.len, &message, 1, out);
	assert_hex(out, strlen(row->want) / 2, row->want);
	/* However the message is cut, the result is the same. */
	for (size_t cut = 0; cut <= message.len; cut++) {
		struct nj_view parts[] = { { message.data, cut }, { message.data + cut, message.len - cut } };
		nj_hmac_sha256(row->key.data, row->key.len, parts, 2, out);
		assert_hex(out, strlen(row->want) / 2, row->want);
	}
}

/* RFC 4231 section 4. */
static void test_hmac(void **state)
{
	const struct hmac_row rows[] = {
		{ "4.2", repeated(0x0b, 20), "Hi There",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "4.3", from_hex("4a656665"), "what do ya want for nothing?",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "4.6", repeated(0x0c, 20), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b" },
		{ "4.7", repeated(0xaa, 131), "Test Using Larger Than Block-Size Key - Hash Key First",
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ "4.8", repeated(0xaa, 131),
		  "This is a test using a larger than block-size key and a larger than block-size data. The key needs "
		  "to be hashed before being used by the HMAC algorithm.",
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_hmac(&rows[i], nj_view_str(rows[i].message));
	struct bytes dd = repeated(0xdd, 50);
	const struct hmac_row row_4_4 = { "4.4", repeated(0xaa, 20), NULL,
					  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" };
	check_hmac(&row_4_4, view(&dd));
	struct bytes cd = repeated(0xcd, 50);
	const struct hmac_row row_4_5 = { "4.5", from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), NULL,
					  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" };
	check_hmac(&row_4_5, view(&cd));
}

/* Keys of 64 bytes are used as they are, longer ones are hashed (RFC 2104 section 2). */
static void test_hmac_key_block(void **state)
{
	struct nj_view message = nj_view_str("m");
	for (size_t len = 63; len <= 65; len++) {
		struct bytes key = repeated(0x11, len);
		struct bytes same = { .len = 64 };
		memcpy(same.data, key.data, len < 64 ? len : 64);
		uint8_t a[NJ_SHA256_BYTES];
		uint8_t b[NJ_SHA256_BYTES];
		nj_hmac_sha256(key.data, key.len, &message, 1, a);
		nj_hmac_sha256(same.data, same.len, &message, 1, b);
		assert_int_equal(memcmp(a, b, sizeof(a)) == 0, len <= 64);
	}
}

struct hkdf_row {
	const char *ikm, *salt, *info, *want;
};

/* RFC 5869 appendix A.1 to A.3. */
static const struct hkdf_row hkdf_rows[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
	  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
	{ "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
	  "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
	  "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
	  "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
	  "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
	  "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
};

static void test_hkdf(void **state)
{
	for (size_t i = 0; i < sizeof(hkdf_rows) / sizeof(hkdf_rows[0]); i++) {
		const struct hkdf_row *row = &hkdf_rows[i];
		struct bytes ikm = from_hex(row->ikm);
		struct bytes salt = from_hex(row->salt);
		struct bytes info = from_hex(row->info);
		uint8_t out[VALUE_BYTES];
		size_t len = strlen(row->want) / 2;
		nj_hkdf_sha256(view(&ikm), view(&salt), view(&info), out, len);
		assert_hex(out, len, row->want);
	}
}

/* The output for a length begins the output for each greater one; nothing is written past it. */
static void test_hkdf_lengths(void **state)
{
	static uint8_t whole[255 * NJ_SHA256_BYTES];
	struct nj_view ikm = nj_view_str("key");
	nj_hkdf_sha256(ikm, nj_view_str("salt"), nj_view_str("info"), whole, sizeof(whole));
	const size_t lens[] = { 0, 1, 31, 32, 33, 63, 64, 65, sizeof(whole) - 1 };
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		static uint8_t part[sizeof(whole)];
		memset(part, 0xee, sizeof(part));
		nj_hkdf_sha256(ikm, nj_view_str("salt"), nj_view_str("info"), part, lens[i]);
		assert_memory_equal(part, whole, lens[i]);
		assert_int_equal(part[lens[i]], 0xee);
	}
}

static void *hash_in_thread(void *arg)
{
	struct nj_view message = nj_view_str("abc");
	for (int i = 0; i < 1000; i++)
		nj_sha256(&message, 1, arg);
	return NULL;
}

static void test_threads(void **state)
{
	uint8_t out[4][NJ_SHA256_BYTES];
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_in_thread, out[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_hex(out[i], sizeof(out[i]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	}
}

static void test_equal_and_wipe(void **state)
{
	uint8_t a[] = { 1, 2, 3, 4 };
	uint8_t b[] = { 1, 2, 3, 5 };
	assert_true(nj_equal_ct(a, b, 3));
	assert_false(nj_equal_ct(a, b, 4));
	assert_true(nj_equal_ct(a, b, 0));
	nj_wipe(a, 3);
	assert_memory_equal(a, ((uint8_t[]){ 0, 0, 0, 4 }), 4);
}

/* The kept key gives what nj_hmac_sha256 gives, again and again, for every length around a block. */
static void test_hmac_key(void **state)
{
	uint8_t key[64];
	uint8_t data[200];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11);
	static const size_t key_lens[] = { 0, 1, 32, 63, 64 };
	for (size_t k = 0; k < sizeof(key_lens) / sizeof(key_lens[0]); k++) {
		struct nj_hmac_key hmac;
		nj_hmac_key_init(&hmac, key, key_lens[k]);
		for (size_t len = 0; len <= sizeof(data); len++) {
			uint8_t want[NJ_SHA256_BYTES];
			uint8_t got[NJ_SHA256_BYTES];
			struct nj_view part = nj_view_of(data, len);
			nj_hmac_sha256(key, key_lens[k], &part, 1, want);
			nj_hmac_key_of(&hmac, data, len, got);
			assert_memory_equal(got, want, sizeof(want));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),         cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hmac_key_block), cmocka_unit_test(test_hkdf),
		cmocka_unit_test(test_hkdf_lengths),   cmocka_unit_test(test_threads),
		cmocka_unit_test(test_equal_and_wipe), cmocka_unit_test(test_hmac_key),
	};
	if (nj_crypto_init() != NJ_OK || nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
