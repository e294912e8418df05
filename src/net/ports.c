#include "net/ports.h"

#include <string.h>

#include "base/text.h"

#define STATE_LISTEN 0x0a
#define LINE_BYTES 512

/* Addresses are printed as 32-bit words of the host's order; the port and the state as plain hexadecimal numbers. */
static bool read_address(struct nj_view hex, struct nj_addr *out_addr)
{
	uint8_t raw[16];
	bool v4 = hex.len == 8;

	memset(out_addr, 0, sizeof(*out_addr));
	if ((!v4 && hex.len != 32) || nj_hex_decode(hex, raw, hex.len / 2) != NJ_OK)
		return false;
	if (v4)
		out_addr->ip[10] = out_addr->ip[11] = 0xff;
	for (size_t i = 0; i < hex.len / 2; i++) {
		size_t in_word = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 3 - i % 4 : i % 4;
		out_addr->ip[(v4 ? 12 : 0) + i / 4 * 4 + in_word] = raw[i];
	}
	return true;
}

static struct nj_view next_word(const char **at)
{
	*at += strspn(*at, " ");
	struct nj_view word = nj_view_of(*at, strcspn(*at, " \n"));
	*at += word.len;
	return word;
}

static bool covers(const struct nj_addr *a, const struct nj_addr *b)
{
	return nj_addr_is_v4(a) == nj_addr_is_v4(b) &&
	       (nj_addr_same_host(a, b) || nj_addr_is_any(a) || nj_addr_is_any(b));
}

bool nj_port_line_matches(const char *line, const struct nj_addr *addr, unsigned state)
{
	const char *at = line;
	struct nj_addr local;
	uint8_t port[2];
	uint8_t found_state;

	(void)next_word(&at);
	struct nj_view endpoint = next_word(&at);
	(void)next_word(&at);
	struct nj_view state_word = next_word(&at);
	if (endpoint.len < 5 || endpoint.data[endpoint.len - 5] != ':')
		return false;
	if (nj_hex_decode(nj_view_of(endpoint.data + endpoint.len - 4, 4), port, 2) != NJ_OK ||
	    nj_hex_decode(state_word, &found_state, 1) != NJ_OK ||
	    !read_address(nj_view_of(endpoint.data, endpoint.len - 5), &local))
		return false;
	return (port[0] << 8 | port[1]) == addr->port && (state == 0 || found_state == state) && covers(&local, addr);
}

bool nj_port_taken(enum nj_socket_kind kind, const struct nj_addr *addr)
{
	const char *table = kind == NJ_SOCKET_TCP ? (nj_addr_is_v4(addr) ? "/proc/net/tcp" : "/proc/net/tcp6")
						  : (nj_addr_is_v4(addr) ? "/proc/net/udp" : "/proc/net/udp6");
	FILE *in = fopen(table, "re");
	char line[LINE_BYTES];
	bool taken = false;

	if (in == NULL)
		return false;
	while (!taken && fgets(line, sizeof(line), in) != NULL)
		taken = nj_port_line_matches(line, addr, kind == NJ_SOCKET_TCP ? STATE_LISTEN : 0);
	(void)fclose(in);
	return taken;
}
