#include "base/origin.h"

#include <string.h>

#include "base/text.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* "[2001:db8::1]" or "app.example"; returns how long it is, 0 for none. */
static size_t host_bytes(const char *text)
{
	if (text[0] != '[')
		return strspn(text, LOWER DIGITS "-._");
	size_t inside = strspn(text + 1, DIGITS "abcdef:");
	return inside > 0 && text[1 + inside] == ']' ? inside + 2 : 0;
}

static bool port_valid(const char *text, struct nj_view scheme)
{
	uint64_t port;

	if (text[0] == '0' || nj_number_parse(text, 1, UINT16_MAX, &port) != NJ_OK)
		return false;
	return !(port == 443 && nj_view_equal(scheme, nj_view_str("https"))) &&
	       !(port == 80 && nj_view_equal(scheme, nj_view_str("http")));
}

bool nj_origin_valid(const char *text)
{
	static const char apart[] = "://";
	size_t scheme = strspn(text, LOWER DIGITS "+-.");

	if (strlen(text) >= NJ_ORIGIN_BYTES || scheme == 0 || strchr(LOWER, text[0]) == NULL ||
	    strncmp(text + scheme, apart, sizeof(apart) - 1) != 0)
		return false;
	const char *host = text + scheme + sizeof(apart) - 1;
	const char *end = host + host_bytes(host);
	if (end == host)
		return false;
	return *end == '\0' || (*end == ':' && port_valid(end + 1, nj_view_of(text, scheme)));
}

bool nj_origins_have(const struct nj_origins *origins, struct nj_view origin)
{
	for (size_t i = 0; i < origins->count; i++)
		if (nj_view_equal(nj_view_str(origins->at[i]), origin))
			return true;
	return false;
}
