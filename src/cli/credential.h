/*
 * Credentials files on disk: made once for a new party, and kept in step by knocking: the next attempt is on the disk
 * before its datagram leaves, and concurrent knocks with one file take turns. Blocking; main thread. Whoever holds a
 * struct nj_credfile wipes it.
 */
#ifndef NJ_CLI_CREDENTIAL_H
#define NJ_CLI_CREDENTIAL_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "wire/credfile.h"

/* From a gateway's answer. `shared` (may be `item`) has host, knock_port, ports and ca. */
NJ_MUST_USE enum nj_err nj_credential_read(const json_t *item, const json_t *shared, struct nj_credfile *out_file,
					   struct nj_why *why);

/* A file that is made before what goes into it exists, so that a full or forbidden disk is known first. */
struct nj_new_file {
	char path[PATH_MAX];
	char temp[PATH_MAX]; /* "" unless an older file is replaced */
	int fd;
};

/* NJ_ERR_EXISTS when `path` is there, unless `replace`. Room for a credentials file is reserved. */
NJ_MUST_USE enum nj_err nj_new_file_begin(const char *path, bool replace, struct nj_new_file *out_file,
					  struct nj_why *why);
/* Writes durably and puts the file in place, mode 0600. On failure nothing is left. */
NJ_MUST_USE enum nj_err nj_new_file_commit(struct nj_new_file *file, const struct nj_credfile *content,
					   struct nj_why *why);
/* Leaves nothing behind. */
void nj_new_file_abort(struct nj_new_file *file);

/* Reads the file. */
NJ_MUST_USE enum nj_err nj_credential_load(const char *path, struct nj_credfile *out_file, struct nj_why *why);
/* Takes the next attempt: under the file's lock reads it, finds the counter, writes attempt + 1 durably.
 * NJ_ERR_RANGE when the counters are used up: rekey or enrol again. */
NJ_MUST_USE enum nj_err nj_credential_take(const char *path, struct nj_credfile *out_file, uint64_t *out_counter,
					   struct nj_why *why);
/* The knock with `counter` led to a bound connection. Nothing happens when a later one was proven before. */
NJ_MUST_USE enum nj_err nj_credential_prove(const char *path, uint64_t counter, struct nj_why *why);

/* The file is that party's (`customer` NULL: any) and can be written; NJ_ERR_USAGE, or what opening it says. */
NJ_MUST_USE enum nj_err nj_credential_is_of(const char *path, enum nj_credfile_kind kind, const char *customer,
					    const char *name, struct nj_why *why);
/* Certificate and private key, as PEM, take the place of those in it, under its lock. */
NJ_MUST_USE enum nj_err nj_credential_certify(const char *path, const char *cert, const char *cert_key,
					      struct nj_why *why);

/* Pure: the state of `file` after `counter` was proven. Attempts already sent past `counter` are not sent again. */
void nj_credential_settle(struct nj_credfile *file, uint64_t counter);

#endif
