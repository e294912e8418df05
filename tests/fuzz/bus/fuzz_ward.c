#include "bus/ward.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[NJ_WARD_MAX_BYTES];
	struct nj_writer w = nj_writer_of(again, sizeof(again));
	struct nj_ward message;

	if (nj_ward_decode(nj_view_of(data, size), &message) != NJ_OK)
		return 0;
	if (nj_ward_encode(&message, &w) != NJ_OK || w.pos != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
