/* The recovery key as typed by a person: what is accepted formats and parses to the same key. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ready;
	uint8_t key[NJ_KEY_BYTES];
	uint8_t again[NJ_KEY_BYTES];
	char text[NJ_RECOVERY_TEXT_BYTES];

	if (!ready && nj_crypto_init() != NJ_OK)
		return 0;
	ready = 1;
	if (nj_recovery_parse(nj_view_of(data, size), key) == NJ_OK) {
		nj_recovery_format(key, text);
		assert(nj_recovery_parse(nj_view_str(text), again) == NJ_OK);
		assert(memcmp(key, again, sizeof(key)) == 0);
	}
	if (size >= sizeof(key)) {
		memcpy(key, data, sizeof(key));
		nj_recovery_format(key, text);
		assert(nj_recovery_parse(nj_view_str(text), again) == NJ_OK);
		assert(memcmp(key, again, sizeof(key)) == 0);
	}
	return 0;
}
