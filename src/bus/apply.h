/*
 * What the keeper asks of the gateway's directory, done: by the gateway process for a message that came over the
 * channel, and in place by the command line while the gateway is stopped. The thread that owns the directory.
 */
#ifndef NJ_BUS_APPLY_H
#define NJ_BUS_APPLY_H

#include "bus/ipc.h"
#include "identity/directory.h"

/*
 * Applies PROFILE_PUT, PARTIES_PUT, PARTY_CUT, PARTY_QUERY or TRUST_PUT (nothing to do in a directory); `out_result`
 * carries the request's number, the outcome, and a text that is empty or lies in `out_why`. A customer that is new is
 * made. Cutting a party that is not there (or no longer) is done already: NJ_OK. Any other type gives
 * NJ_ERR_UNSUPPORTED. `now_ms` is Unix time. `out_cut` (may be NULL) gets a reference to the party that was cut, for
 * ending its sessions, else NULL.
 */
void nj_ipc_apply(struct nj_directory *directory, const struct nj_ipc *request, uint64_t now_ms,
		  struct nj_ipc_result *out_result, struct nj_party **out_cut, struct nj_why *out_why);

#endif
