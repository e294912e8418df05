/* The open log's inside, for the files of the audit alone. */
#ifndef NJ_IDENTITY_AUDIT_STATE_H
#define NJ_IDENTITY_AUDIT_STATE_H

#include "identity/audit_chain.h"

/* Where the chain has got to: what a rollback puts back. */
struct nj_audit_chain {
	uint64_t seq;
	uint64_t checkpoint_seq;
	uint64_t checkpoint_boot_ms;
	uint8_t hash[NJ_SHA256_BYTES];
};

struct nj_audit {
	struct nj_keeper_store *store;
	const struct nj_clock *clock;
	struct nj_audit_keys keys;
	struct nj_audit_chain chain;
	struct nj_audit_chain before; /* at begin */
};

#endif
