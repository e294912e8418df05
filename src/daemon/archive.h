/*
 * A backup as one file: a header that names its entries with sizes and hashes (SHA-256, chained over blocks of 64 KiB),
 * then their bytes, and nothing after.
 * Whoever reads it checks all of it before any of it is used. The hashes find damage, not a forger: a backup is kept as
 * safely as the gateway. Blocking; one thread.
 */
#ifndef NJ_DAEMON_ARCHIVE_H
#define NJ_DAEMON_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "crypto/crypto.h"

#define NJ_ARCHIVE_ENTRIES_MAX 8
#define NJ_ARCHIVE_NAME_BYTES 32
#define NJ_ARCHIVE_HEADER_MAX 1024

struct nj_archive_entry {
	char name[NJ_ARCHIVE_NAME_BYTES];
	uint64_t size;
	uint8_t hash[NJ_SHA256_BYTES];
	const char *source; /* writing only: the file's path */
	bool untrusted;     /* writing only: its folder is another user's to write: a link there is refused */
};

struct nj_archive {
	uint64_t created_ms;
	char version[NJ_ARCHIVE_NAME_BYTES]; /* of the program that wrote it */
	size_t count;
	struct nj_archive_entry entries[NJ_ARCHIVE_ENTRIES_MAX];
};

/* The header alone, with its own hash. NJ_ERR_MALFORMED, NJ_ERR_TRUNCATED, NJ_ERR_CORRUPT, NJ_ERR_NEWER; `out_len` is
 * where the first entry begins. */
NJ_MUST_USE enum nj_err nj_archive_parse(struct nj_view bytes, struct nj_archive *out_archive, size_t *out_len);
NJ_MUST_USE enum nj_err nj_archive_format(const struct nj_archive *archive, uint8_t out[NJ_ARCHIVE_HEADER_MAX],
					  size_t *out_len);

/* Makes `path` (mode 0600, on disk with its name) of the entries' sources; sizes and hashes are filled. NJ_ERR_EXISTS
 * unless `replace`. On failure nothing is left of it, and a file that was there is as it was. */
NJ_MUST_USE enum nj_err nj_archive_write(struct nj_archive *archive, const char *path, bool replace,
					 struct nj_why *why);
/* Opens and checks the whole file. `out_fd` is the caller's to close. NJ_ERR_CORRUPT: damaged, or not a backup. */
NJ_MUST_USE enum nj_err nj_archive_open(const char *path, struct nj_archive *out_archive, int *out_fd,
					struct nj_why *why);
const struct nj_archive_entry *nj_archive_find(const struct nj_archive *archive, const char *name);
/* Writes one entry of an opened archive to a new file (mode 0600, on disk), checked once more on the way. */
NJ_MUST_USE enum nj_err nj_archive_extract(const struct nj_archive *archive, int fd,
					   const struct nj_archive_entry *entry, const char *path, struct nj_why *why);

#endif
