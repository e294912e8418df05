/*
 * What both stores have in common: one SQLite file in WAL mode, every commit on disk before it returns
 * (synchronous FULL), held under an exclusive lock by one process. All files are opened by open: afterwards a sandbox
 * may forbid every path. A damaged store, a foreign file and a store of a newer version are refused with a sentence
 * that says what to do, and are never rewritten. A store belongs to one thread. Never logs.
 */
#ifndef NJ_STORE_STORE_H
#define NJ_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "base/wire.h"

#define NJ_STORE_UID_BYTES 16
#define NJ_STORE_NAME_BYTES NJ_NAME_BYTES
#define NJ_STORE_HASH_BYTES 32
#define NJ_STORE_SIGNATURE_BYTES 64

enum nj_store_mode {
	NJ_STORE_OPEN,   /* NJ_ERR_NOT_FOUND when it is not there */
	NJ_STORE_CREATE, /* NJ_ERR_EXISTS when it is; the file gets mode 0600 */
	NJ_STORE_PEEK,   /* of this or an older version; nothing is written, and only what says so may be read */
};

/*
 * Group commit is the caller's: begin, any number of operations, commit. Without begin every operation is a
 * transaction of its own. After a failed operation the caller rolls back; a failed commit has rolled back. No
 * operation changes anything but the store, so a rollback leaves the caller's memory as consistent as it was.
 *
 * Errors that any operation may return: NJ_ERR_FULL (disk), NJ_ERR_IO, NJ_ERR_CORRUPT, NJ_ERR_NO_MEMORY. Opening adds
 * NJ_ERR_BUSY (another process holds it), NJ_ERR_NEWER, NJ_ERR_DENIED.
 */

#endif
