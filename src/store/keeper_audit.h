/*
 * The keeper store's rows of the audit log: records, signed checkpoints, and the one head row. What the hashes and
 * signatures are is identity/audit's, which alone uses this. Thread rule and errors: store/keeper_store.h.
 */
#ifndef NJ_STORE_KEEPER_AUDIT_H
#define NJ_STORE_KEEPER_AUDIT_H

#include "store/keeper_store.h"

/* Texts are never NULL; borrowed until the call returns. */
struct nj_audit_row {
	uint64_t seq; /* from 1, without gaps */
	uint64_t time_ms;
	struct nj_view event, customer, subject, source, detail;
	uint8_t hash[NJ_STORE_HASH_BYTES];
	bool damaged; /* reading only: a column has not its type or length */
};
typedef enum nj_err (*nj_audit_row_fn)(void *arg, const struct nj_audit_row *row);

struct nj_audit_checkpoint_row {
	uint64_t seq;
	uint64_t previous_seq; /* of the checkpoint before it, 0 for the first */
	uint64_t time_ms;
	uint8_t hash[NJ_STORE_HASH_BYTES];
	uint8_t signature[NJ_STORE_SIGNATURE_BYTES];
	bool damaged;
};

struct nj_audit_head_row {
	uint64_t seq;            /* newest record, 0 = none */
	uint64_t checkpoint_seq; /* newest checkpoint, 0 = none */
	uint8_t hash[NJ_STORE_HASH_BYTES];
	uint8_t mac[NJ_STORE_HASH_BYTES];
};

NJ_MUST_USE enum nj_err nj_keeper_store_audit_append(struct nj_keeper_store *store, const struct nj_audit_row *row);
/* Up to `limit` records with seq > `after`, oldest first. */
NJ_MUST_USE enum nj_err nj_keeper_store_audit_after(struct nj_keeper_store *store, uint64_t after, uint32_t limit,
						    nj_audit_row_fn fn, void *arg);
/* Up to `limit` records with seq < `before`, newest first. */
NJ_MUST_USE enum nj_err nj_keeper_store_audit_before(struct nj_keeper_store *store, uint64_t before, uint32_t limit,
						     nj_audit_row_fn fn, void *arg);

NJ_MUST_USE enum nj_err nj_keeper_store_checkpoint_append(struct nj_keeper_store *store,
							  const struct nj_audit_checkpoint_row *row);
/* The first checkpoint with seq > `after`; NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_checkpoint_after(struct nj_keeper_store *store, uint64_t after,
							 struct nj_audit_checkpoint_row *out_row);

/* Replaces the only row. */
NJ_MUST_USE enum nj_err nj_keeper_store_head_put(struct nj_keeper_store *store, const struct nj_audit_head_row *head);
/* NJ_ERR_NOT_FOUND before the first put, NJ_ERR_CORRUPT for a row of other shapes. */
NJ_MUST_USE enum nj_err nj_keeper_store_head_get(struct nj_keeper_store *store, struct nj_audit_head_row *out_head);

#endif
