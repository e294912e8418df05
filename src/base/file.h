/* Whole files: bounded reads, atomic writes, directories. Blocking; not for a reactor's loop. */
#ifndef NJ_BASE_FILE_H
#define NJ_BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Reads a regular file of at most `max` bytes into a new, zero-terminated block (freed by the caller). */
NJ_MUST_USE enum nj_err nj_file_read(const char *path, size_t max, char **out_data, size_t *out_len,
				     struct nj_why *why);
/* Writes beside it, fsync, rename, fsync of the folder: after a crash the old or the new file is there, whole.
 * A file that was there keeps its owner, and a link to it stays a link. */
NJ_MUST_USE enum nj_err nj_file_write(const char *path, const void *data, size_t len, mode_t mode, struct nj_why *why);
/* Creates `path`; NJ_ERR_EXISTS when it is there. Durable like nj_file_write. */
NJ_MUST_USE enum nj_err nj_file_create(const char *path, const void *data, size_t len, mode_t mode, struct nj_why *why);
/* Makes durable that `path` has its name, or has it no more: the fsync of the folder which holds it. */
NJ_MUST_USE enum nj_err nj_file_sync_folder(const char *path, struct nj_why *why);
/* mkdir that accepts an existing folder of ours. */
NJ_MUST_USE enum nj_err nj_dir_make(const char *path, mode_t mode, struct nj_why *why);
/* Close on scope exit: NJ_CLEANUP_FD int fd = -1; */
void nj_file_close_fd(int *fd);
void nj_file_free(char **data);
#define NJ_CLEANUP_FD __attribute__((cleanup(nj_file_close_fd)))
#define NJ_CLEANUP_FREE __attribute__((cleanup(nj_file_free)))

#endif
