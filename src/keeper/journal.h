/*
 * Audit records that wait for the next group commit: what happened at the door and what the gateway reports, so that
 * a thousand connections do not cost a thousand commits. Bounded; what does not fit is counted, and the count is
 * recorded. Texts are copied. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_JOURNAL_H
#define NJ_KEEPER_JOURNAL_H

#include "base/buf.h"
#include "identity/audit.h"

#define NJ_JOURNAL_BYTES (1u << 20)

struct nj_journal {
	struct nj_buf waiting;
	uint64_t lost;
};

void nj_journal_init(struct nj_journal *journal);
void nj_journal_done(struct nj_journal *journal);
/* Takes the record, or counts it as lost. Longer texts are cut as the log would. */
void nj_journal_add(struct nj_journal *journal, const struct nj_audit_record *record);
bool nj_journal_empty(const struct nj_journal *journal);
/* Appends all of it inside the caller's audit transaction; it keeps them until nj_journal_clear. */
NJ_MUST_USE enum nj_err nj_journal_write(const struct nj_journal *journal, struct nj_audit *audit);
/* After the commit. */
void nj_journal_clear(struct nj_journal *journal);

#endif
