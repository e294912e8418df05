/*
 * `nightjar restore`: puts a backup's stores and configuration in place, and prepares them for devices that have moved
 * on since (docs/protocol/knock.md, Restore). Under the gateway's lock; one thread; the process is the command line's.
 * Needs nj_crypto_init.
 */
#ifndef NJ_DAEMON_RESTORE_H
#define NJ_DAEMON_RESTORE_H

#include "daemon/archive.h"
#include "daemon/paths.h"
#include "daemon/since.h"

#define NJ_RESTORE_RAISE 256 /* counters, by default */
#define NJ_RESTORE_RAISE_MAX 1000000

#define NJ_BACKUP_CONFIG "nightjar.yaml"
#define NJ_BACKUP_KEEPER "keeper.db"
#define NJ_BACKUP_GATEWAY "gateway.db"

struct nj_restore_options {
	const char *from;
	bool replace;   /* a gateway that is there is moved aside */
	uint64_t raise; /* how far every floor rises */
	bool strict;    /* until it has proved itself, a device's knock must carry a time, or be of its recovery key */
};

struct nj_restored {
	uint64_t created_ms; /* of the backup */
	uint64_t devices;    /* and applications, live: their counters may have moved on since */
	uint64_t unmatched;  /* parties that one store had and the other had not: taken out */
	struct nj_since since;
	char key_file[NJ_PATH_BYTES * 2];
	bool key_there;
	char aside[32]; /* suffix of what was there before; empty: nothing */
};

/* NJ_ERR_BUSY over a running gateway, NJ_ERR_EXISTS over one that is there unless told, NJ_ERR_CORRUPT for a damaged
 * file. Nothing is changed then. */
NJ_MUST_USE enum nj_err nj_daemon_restore(const struct nj_paths *paths, const struct nj_restore_options *options,
					  struct nj_restored *out_restored, struct nj_why *why);

#endif
