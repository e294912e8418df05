/*
 * Work on the vault of a stopped gateway, under its lock: a new key file in place of a lost one, and a new vault key.
 * One thread; the process is the command line's. Needs nj_crypto_init.
 */
#ifndef NJ_DAEMON_VAULT_OPS_H
#define NJ_DAEMON_VAULT_OPS_H

#include "daemon/paths.h"
#include "identity/vault.h"

struct nj_recovered {
	char key_file[NJ_VAULT_PATH_BYTES];
	char set_aside[NJ_VAULT_PATH_BYTES];    /* where a file that stood in its place went; empty: there was none */
	uint32_t replaced;                      /* key-file slots that were taken out */
	uint64_t devices;                       /* whose keys open under the recovered vault */
	uint64_t damaged;                       /* whose keys do not */
	char damaged_name[NJ_STORE_NAME_BYTES]; /* of the first of them */
};

/* With the recovery key: a new key file and its slot, in one commit; the slots of lost key files go. NJ_ERR_EXISTS when
 * the key file that is there opens the vault; NJ_ERR_BUSY when the gateway runs. */
NJ_MUST_USE enum nj_err nj_daemon_recover(const struct nj_paths *paths, const char *recovery_key,
					  struct nj_recovered *out_recovered, struct nj_why *why);

struct nj_vault_rekey_options {
	bool keep; /* passphrases: `ask` is asked for each, and its slot is made anew */
	bool drop; /* passphrases go */
	/* The printed recovery key until now, so that devices' recovery keys are sealed to the new one; may be NULL. */
	const char *recovery;
	enum nj_err (*ask)(void *arg, uint32_t slot, char out[NJ_PASSPHRASE_MAX_BYTES + 1], struct nj_why *why);
	void *arg;
};

struct nj_vault_rekey_result {
	struct nj_vault_rekeyed vault;
	uint32_t kept; /* passphrase slots */
};

/* A new vault key, key file and recovery key. Passphrase slots are kept or dropped as the options say; NJ_ERR_STATE
 * when there are some and they say neither. The caller wipes the result. */
NJ_MUST_USE enum nj_err nj_daemon_vault_rekey(const struct nj_paths *paths,
					      const struct nj_vault_rekey_options *options,
					      struct nj_vault_rekey_result *out_result, struct nj_why *why);

#endif
