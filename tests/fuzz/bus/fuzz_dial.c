#include "bus/dial.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[NJ_DIAL_MAX_BYTES];
	struct nj_writer w = nj_writer_of(again, sizeof(again));
	struct nj_dial message;

	if (nj_dial_decode(nj_view_of(data, size), &message) != NJ_OK)
		return 0;
	if (nj_dial_encode(&message, &w) != NJ_OK || w.pos != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
