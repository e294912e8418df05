#include "bus/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nj_ipc message;
	static uint8_t again[NJ_IPC_MAX_BYTES * 2];
	struct nj_writer w = nj_writer_of(again, sizeof(again));

	if (nj_ipc_decode(nj_view_of(data, size), &message) != NJ_OK)
		return 0;
	if (nj_ipc_encode(&message, &w) != NJ_OK || w.pos != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
