/*
 * A PROXY header. Input: the bytes of a stream.
 *
 * Holds: the verdict on any beginning is "not yet", or already that on the whole; what is wanted next is more than is
 * there and never more than the header has; a header that is accepted is as long as it says, and what stands behind it
 * changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "net/proxy.h"

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_proxy whole = { .local = false };
	size_t whole_len = 0;
	enum nj_err want = nj_proxy_parse(nj_view_of(data, size), &whole, &whole_len);

	must((want == NJ_OK) == (whole_len > 0) && whole_len <= size && whole_len <= NJ_PROXY_MAX_BYTES);
	for (size_t have = 0; have <= size; have++) {
		uint8_t *part = malloc(have > 0 ? have : 1);
		struct nj_proxy got = { .local = false };
		size_t len = 0;
		if (have > 0)
			memcpy(part, data, have);
		enum nj_err err = nj_proxy_parse(nj_view_of(part, have), &got, &len);
		must(err == NJ_ERR_AGAIN ||
		     (err == want && len == whole_len && memcmp(&got, &whole, sizeof(got)) == 0));
		must(err == NJ_OK ? have >= whole_len : true);
		if (err == NJ_ERR_AGAIN) {
			size_t wants = nj_proxy_wants(nj_view_of(part, have));
			must(wants > have && (want != NJ_OK || wants <= whole_len));
		}
		free(part);
	}
	return 0;
}
