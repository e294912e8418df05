/* A backup's header: what reads is written as it was read. The hash at its end is put right, so that parsing goes on.
 */
#include "daemon/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void parse(const uint8_t *data, size_t size)
{
	struct nj_archive archive;
	uint8_t again[NJ_ARCHIVE_HEADER_MAX];
	size_t len = 0;
	size_t again_len = 0;

	if (nj_archive_parse(nj_view_of(data, size), &archive, &len) != NJ_OK)
		return;
	check(len <= size && archive.count <= NJ_ARCHIVE_ENTRIES_MAX);
	check(nj_archive_format(&archive, again, &again_len) == NJ_OK);
	check(again_len == len && memcmp(again, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t hashed[NJ_ARCHIVE_HEADER_MAX];
	struct nj_view part = nj_view_of(data, size);

	parse(data, size);
	if (size + NJ_SHA256_BYTES > sizeof(hashed))
		return 0;
	(void)!nj_crypto_init();
	memcpy(hashed, data, size);
	nj_sha256(&part, 1, hashed + size);
	parse(hashed, size + NJ_SHA256_BYTES);
	return 0;
}
