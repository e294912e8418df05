/* Parameters of a passphrase slot: what reads is within its limits, and is written as it was read. */
#include "identity/passphrase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_passphrase_params params;
	uint8_t again[NJ_PASSPHRASE_PARAMS_BYTES];

	if (nj_passphrase_params_read(nj_view_of(data, size), &params) != NJ_OK)
		return 0;
	nj_passphrase_params_write(&params, again);
	if (size != sizeof(again) || memcmp(again, data, size) != 0 || params.memory_kib < NJ_PASSPHRASE_MEMORY_MIN_KIB)
		abort();
	return 0;
}
