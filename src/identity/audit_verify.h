/*
 * Checks the whole audit log in slices, so that the keeper can do it while it serves: finds an edited, deleted,
 * inserted or reordered record, a changed or missing checkpoint, and a cut tail, and names the record. It checks up to
 * the record that was newest when it began. The keeper's main thread, outside a transaction. Changes nothing.
 */
#ifndef NJ_IDENTITY_AUDIT_VERIFY_H
#define NJ_IDENTITY_AUDIT_VERIFY_H

#include "identity/audit.h"

struct nj_audit_report {
	bool intact;
	uint64_t records;     /* checked */
	uint64_t checkpoints; /* checked */
	uint64_t bad_seq;     /* the first record that is wrong, 0 = none in particular */
	char text[256];       /* what was found, for people */
};

struct nj_audit_verifier;

NJ_MUST_USE enum nj_err nj_audit_verifier_new(struct nj_vault *vault, struct nj_audit_verifier **out_verifier);
void nj_audit_verifier_free(struct nj_audit_verifier *verifier);
/* Checks up to `max_records` more. NJ_ERR_AGAIN: call again; NJ_OK: finished, and `out_report` says what was found. */
NJ_MUST_USE enum nj_err nj_audit_verifier_step(struct nj_audit_verifier *verifier, uint32_t max_records,
					       struct nj_audit_report *out_report);
/* All at once. NJ_OK whenever it could be checked: ask `out_report->intact`. */
NJ_MUST_USE enum nj_err nj_audit_verify(struct nj_vault *vault, struct nj_audit_report *out_report);

#endif
