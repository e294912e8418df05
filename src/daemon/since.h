/*
 * What happened between a backup and its restore, as well as it can be known: exactly, where the store that the backup
 * replaces is there, is of the same gateway and not behind the backup; else how many devices may have changed their key
 * at all. One thread; the process is the command line's.
 */
#ifndef NJ_DAEMON_SINCE_H
#define NJ_DAEMON_SINCE_H

#include "store/keeper_store.h"

struct nj_since {
	bool known;          /* the rest but `may_rekey` is exact */
	uint64_t rekeyed;    /* devices whose root key is another one now */
	uint64_t revoked;    /* devices that were revoked, and live in the backup */
	uint64_t added;      /* devices that the backup does not have */
	uint64_t moved_most; /* counters that the busiest device has used */
	uint64_t may_rekey;  /* devices that had changed their key before the backup, and may have since */
};

/* Inside a transaction of the backup's store, whose floors have been raised by `raise`. Floors rise further to those of
 * `old_path`, where that is known, those of recovery keys too: no knock that the old store has burnt is accepted again.
 * An old store that is not there, or cannot be read, is no error. */
NJ_MUST_USE enum nj_err nj_since_settle(struct nj_keeper_store *backup, uint64_t raise, const char *old_path,
					struct nj_since *out_since);

#endif
