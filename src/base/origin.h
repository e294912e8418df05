/*
 * Origins of web pages (RFC 6454), as browsers write them: "https://app.example", "http://localhost:8080". A list of
 * those that may open a WebSocket. Pure; any thread.
 */
#ifndef NJ_BASE_ORIGIN_H
#define NJ_BASE_ORIGIN_H

#include <stdbool.h>

#include "base/wire.h"

#define NJ_ORIGIN_BYTES 160
#define NJ_ORIGINS_MAX 8

struct nj_origins {
	size_t count;
	char at[NJ_ORIGINS_MAX][NJ_ORIGIN_BYTES];
};

/* Is it one as a browser would send it (6.2): scheme, host in lower case, a port only where it is not the scheme's own?
 * Never "null", which every sandboxed page has, and never a pattern. */
bool nj_origin_valid(const char *text);
/* Byte by byte: nobody else's comes close. */
bool nj_origins_have(const struct nj_origins *origins, struct nj_view origin);

#endif
