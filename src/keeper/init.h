/*
 * Makes a keeper's store, once: vault with a key file and a recovery slot, CA, the gateway's certificate, audit log,
 * set-up token. One thread; files only where it is told. Needs nj_crypto_init.
 */
#ifndef NJ_KEEPER_INIT_H
#define NJ_KEEPER_INIT_H

#include "base/clock.h"
#include "identity/vault.h"

#define NJ_KEEPER_TOKEN_BYTES 33 /* 128 random bits as hex, and the end */

struct nj_keeper_init_config {
	const char *store_path; /* created, 0600; the folder is there */
	const char *key_file;   /* created, 0600 */
	const char *host;       /* what devices knock at: the certificate's first name */
	const char *const *names;
	size_t name_count;
	const struct nj_clock *clock;
	struct nj_random *random;
};

/* Shown once; the caller wipes it. Only the token's SHA-256 is stored (meta "setup.token"). */
struct nj_keeper_init_result {
	char setup_token[NJ_KEEPER_TOKEN_BYTES];
	char recovery[NJ_RECOVERY_TEXT_BYTES];
};

/* NJ_ERR_EXISTS touches nothing; any other failure takes away what was made. */
NJ_MUST_USE enum nj_err nj_keeper_init(const struct nj_keeper_init_config *config,
				       struct nj_keeper_init_result *out_result, struct nj_why *why);

#endif
