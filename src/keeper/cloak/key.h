/* Keys of grants and flows, shared by the backends. Pure; any thread. */
#ifndef NJ_KEEPER_CLOAK_KEY_H
#define NJ_KEEPER_CLOAK_KEY_H

#include "base/addr.h"
#include "base/err.h"
#include "keeper/cloak/abi.h"

/* The mask of the first `bits` (0–128) of an address. */
void nj_cloak_mask(uint8_t bits, uint64_t out_mask[NJ_CLOAK_IP_WORDS]);
/* NJ_ERR_RANGE for port 0, a prefix of 0 or over 128, and one that would cover all of IPv4 (96 bits or fewer). */
NJ_MUST_USE enum nj_err nj_cloak_grant_key(const struct nj_addr *source, uint8_t prefix, uint16_t port,
					   struct nj_cloak_key *out_key);
void nj_cloak_flow_key(const struct nj_addr *peer, uint16_t local_port, struct nj_cloak_key *out_key);

#endif
