#include "base/config/perimeter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken has no bits beyond its prefix, never lets everybody in everywhere, and covers its own first address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[NJ_ALLOW_TEXT_BYTES + 8];
	struct nj_allow allow;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (nj_allow_parse(text, &allow) != NJ_OK)
		return 0;
	if ((allow.prefix == 0 && allow.port == 0) || allow.prefix > 128)
		abort();
	if (!nj_allow_covers(&allow, 1, &allow.source, allow.protocol == 0 ? NJ_PROTOCOL_TCP : allow.protocol,
			     allow.port == 0 ? 1 : allow.port))
		abort();
	return 0;
}
