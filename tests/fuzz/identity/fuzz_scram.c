/*
 * Any text as the client's side of SCRAM: client-first, then client-final, split at the first zero. Held: no crash,
 * answers are text within their room, and nobody gets in who does not know the password.
 */
#include "identity/scram.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct nj_scram_verifier verifier = { .iterations = NJ_SCRAM_ITERATIONS };
	static struct nj_scram scram;
	static bool ready;
	struct nj_view said;
	if (!ready)
		CHECK(nj_crypto_init() == NJ_OK);
	ready = true;
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t first = zero != NULL ? (size_t)(zero - data) : size;
	size_t rest = zero != NULL ? first + 1 : size;
	struct nj_scram_verifier parsed;
	char text[NJ_SCRAM_TEXT_BYTES];
	if (zero != NULL && nj_scram_verifier_parse((const char *)data, &parsed) == NJ_OK) {
		nj_scram_verifier_text(&parsed, text);
		CHECK(nj_view_equal(nj_view_str(text), nj_view_of(data, first)));
	}
	if (nj_scram_begin(&scram, &verifier, "user", "nonce", nj_view_of(data, first), &said) != NJ_OK)
		return 0;
	CHECK(said.len < NJ_SCRAM_MESSAGE_BYTES);
	CHECK(nj_scram_end(&scram, nj_view_of(data + rest, size - rest), &said) != NJ_OK);
	return 0;
}
