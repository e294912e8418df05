/* SCRAM-SHA-256: the standard's own example, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "identity/scram.h"

/* RFC 7677 section 3. */
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=rOprNGfwEbeRWgbNEkqO" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL_BARE "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE
#define FINAL FINAL_BARE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static int begin_crypto(void **state)
{
	return nj_crypto_init() == NJ_OK ? 0 : -1;
}

static struct nj_scram_verifier example(void)
{
	struct nj_scram_verifier verifier;
	uint8_t salt[NJ_SCRAM_SALT_BYTES];
	size_t len;
	assert_int_equal(nj_base64_decode(nj_view_str("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof(salt), &len), NJ_OK);
	assert_int_equal(nj_scram_verifier_make(nj_view_str("pencil"), salt, 4096, &verifier), NJ_OK);
	return verifier;
}

static void the_standards_example(void **state)
{
	struct nj_scram_verifier verifier = example();
	static struct nj_scram scram;
	struct nj_view said;
	assert_int_equal(nj_scram_begin(&scram, &verifier, "user", NONCE, nj_view_str(FIRST), &said), NJ_OK);
	assert_true(nj_view_equal(said, nj_view_str(SERVER_FIRST)));
	assert_int_equal(nj_scram_end(&scram, nj_view_str(FINAL), &said), NJ_OK);
	assert_true(nj_view_equal(said, nj_view_str(SERVER_FINAL)));
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *what;
		const char *first;
		const char *final;
		enum nj_err begins;
		enum nj_err ends;
	} rows[] = {
		{ "nothing", "", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "channel binding", "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "an extension that is demanded", "n,,m=x,n=user,r=rOprNGfwEbeRWgbNEkqO", FINAL, NJ_ERR_MALFORMED,
		  NJ_OK },
		{ "no nonce", "n,,n=user", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "an empty nonce", "n,,n=user,r=", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "a nonce with a blank", "n,,n=user,r=a b", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "another's authority", "n,x,n=user,r=a", FINAL, NJ_ERR_MALFORMED, NJ_OK },
		{ "another user", "n,,n=other,r=rOprNGfwEbeRWgbNEkqO", FINAL, NJ_OK, NJ_ERR_FORGED },
		{ "another's name to act under", "n,a=other,n=user,r=rOprNGfwEbeRWgbNEkqO",
		  "c=bixhPW90aGVyLA==,r=rOprNGfwEbeRWgbNEkqO" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		  NJ_OK, NJ_ERR_FORGED },
		{ "a header that was not said", "y,,n=user,r=rOprNGfwEbeRWgbNEkqO", FINAL, NJ_OK, NJ_ERR_FORGED },
		{ "half of the nonce", FIRST,
		  "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", NJ_OK,
		  NJ_ERR_FORGED },
		{ "no proof", FIRST, FINAL_BARE, NJ_OK, NJ_ERR_MALFORMED },
		{ "half a proof", FIRST, FINAL_BARE ",p=dHzbZapW", NJ_OK, NJ_ERR_MALFORMED },
		{ "a wrong proof", FIRST, FINAL_BARE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", NJ_OK,
		  NJ_ERR_MALFORMED },
		{ "another proof", FIRST, FINAL_BARE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", NJ_OK,
		  NJ_ERR_FORGED },
		{ "an extension that was not signed", FIRST,
		  FINAL_BARE ",x=1,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", NJ_OK, NJ_ERR_FORGED },
	};
	struct nj_scram_verifier verifier = example();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct nj_scram scram;
		struct nj_view said;
		enum nj_err err = nj_scram_begin(&scram, &verifier, "user", NONCE, nj_view_str(rows[i].first), &said);
		if (err == NJ_OK && rows[i].begins == NJ_OK)
			err = nj_scram_end(&scram, nj_view_str(rows[i].final), &said);
		enum nj_err wanted = rows[i].begins != NJ_OK ? rows[i].begins : rows[i].ends;
		if (err != wanted)
			fail_msg("%s: %d, not %d", rows[i].what, (int)err, (int)wanted);
	}
}

static void a_message_has_a_greatest_length(void **state)
{
	struct nj_scram_verifier verifier = example();
	static struct nj_scram scram;
	struct nj_view said;
	char first[NJ_SCRAM_MESSAGE_BYTES + 1];
	memset(first, 'x', sizeof(first));
	memcpy(first, "n,,n=", 5);
	assert_int_equal(nj_scram_begin(&scram, &verifier, "user", NONCE, nj_view_of(first, NJ_SCRAM_MESSAGE_BYTES - 1),
					&said),
			 NJ_ERR_MALFORMED);
	assert_int_equal(nj_scram_begin(&scram, &verifier, "user", NONCE, nj_view_of(first, NJ_SCRAM_MESSAGE_BYTES),
					&said),
			 NJ_ERR_TOO_LARGE);
}

static void a_verifier_is_written_and_read(void **state)
{
	struct nj_scram_verifier verifier = example();
	struct nj_scram_verifier again;
	char text[NJ_SCRAM_TEXT_BYTES];
	nj_scram_verifier_text(&verifier, text);
	assert_int_equal(nj_scram_verifier_parse(text, &again), NJ_OK);
	assert_memory_equal(&again, &verifier, sizeof(again));
	assert_true(nj_scram_verifier_accepts(&again, nj_view_str("pencil")));
	assert_false(nj_scram_verifier_accepts(&again, nj_view_str("pencils")));
	assert_false(nj_scram_verifier_accepts(&again, nj_view_str("")));
	text[strlen(text) - 2] = '!';
	assert_int_equal(nj_scram_verifier_parse(text, &again), NJ_ERR_MALFORMED);
	assert_int_not_equal(nj_scram_verifier_parse("", &again), NJ_OK);
	assert_int_not_equal(nj_scram_verifier_parse("SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$x:x", &again), NJ_OK);
}

static void passwords_are_printable_ascii_of_any_length(void **state)
{
	struct nj_scram_verifier verifier;
	uint8_t salt[NJ_SCRAM_SALT_BYTES] = { 1 };
	char longest[65 + 1];
	assert_int_equal(nj_scram_verifier_make(nj_view_str("p\xc3\xa4ss"), salt, 4096, &verifier), NJ_ERR_MALFORMED);
	assert_int_equal(nj_scram_verifier_make(nj_view_str("a\tb"), salt, 4096, &verifier), NJ_ERR_MALFORMED);
	memset(longest, 'x', sizeof(longest));
	longest[65] = '\0';
	assert_int_equal(nj_scram_verifier_make(nj_view_str(longest), salt, 4096, &verifier), NJ_OK);
	assert_true(nj_scram_verifier_accepts(&verifier, nj_view_str(longest)));
	longest[64] = '\0';
	assert_false(nj_scram_verifier_accepts(&verifier, nj_view_str(longest)));
}

static void nonces_differ(void **state)
{
	struct nj_random_fake random;
	char a[NJ_SCRAM_NONCE_BYTES];
	char b[NJ_SCRAM_NONCE_BYTES];
	nj_random_fake_init(&random, 1);
	nj_scram_nonce(&random.random, a);
	nj_scram_nonce(&random.random, b);
	assert_int_equal(strlen(a), NJ_SCRAM_NONCE_BYTES - 1);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standards_example),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_message_has_a_greatest_length),
		cmocka_unit_test(a_verifier_is_written_and_read),
		cmocka_unit_test(passwords_are_printable_ascii_of_any_length),
		cmocka_unit_test(nonces_differ),
	};
	return cmocka_run_group_tests(tests, begin_crypto, NULL);
}
