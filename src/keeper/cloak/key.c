#include "keeper/cloak/key.h"

#include <endian.h>
#include <string.h>

#define V4_MAPPED_BITS 96
#define EXACT_BITS 128
#define WORD_BITS 64

static uint64_t mask_of_word(unsigned bits)
{
	if (bits == 0)
		return 0;
	if (bits >= WORD_BITS)
		return UINT64_MAX;
	return htobe64(UINT64_MAX << (WORD_BITS - bits));
}

void nj_cloak_mask(uint8_t bits, uint64_t out_mask[NJ_CLOAK_IP_WORDS])
{
	out_mask[0] = mask_of_word(bits);
	out_mask[1] = mask_of_word(bits > WORD_BITS ? bits - WORD_BITS : 0);
}

enum nj_err nj_cloak_grant_key(const struct nj_addr *source, uint8_t prefix, uint16_t port,
			       struct nj_cloak_key *out_key)
{
	struct nj_cloak_key key = { .local_port = port, .extra = prefix };
	uint64_t mask[NJ_CLOAK_IP_WORDS];

	if (port == 0 || prefix == 0 || prefix > EXACT_BITS)
		return NJ_ERR_RANGE;
	if (nj_addr_is_v4(source) && prefix <= V4_MAPPED_BITS)
		return NJ_ERR_RANGE;
	nj_cloak_mask(prefix, mask);
	memcpy(key.ip, source->ip, sizeof(key.ip));
	for (unsigned i = 0; i < NJ_CLOAK_IP_WORDS; i++)
		key.ip[i] &= mask[i];
	*out_key = key;
	return NJ_OK;
}

void nj_cloak_flow_key(const struct nj_addr *peer, uint16_t local_port, struct nj_cloak_key *out_key)
{
	*out_key = (struct nj_cloak_key){ .local_port = local_port, .extra = peer->port };
	memcpy(out_key->ip, peer->ip, sizeof(out_key->ip));
}
