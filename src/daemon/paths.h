/*
 * Where a gateway keeps its files: all below one folder with `--dir`, else the system's places. Computed once; holds
 * no resource. Any thread.
 */
#ifndef NJ_DAEMON_PATHS_H
#define NJ_DAEMON_PATHS_H

#include "base/err.h"

#define NJ_PATH_BYTES 256

struct nj_paths {
	char dir[NJ_PATH_BYTES]; /* empty: system places */
	char config[NJ_PATH_BYTES];
	char keeper_dir[NJ_PATH_BYTES];
	char keeper_db[NJ_PATH_BYTES];
	char gateway_dir[NJ_PATH_BYTES];
	char gateway_db[NJ_PATH_BYTES];
	char messages_db[NJ_PATH_BYTES];
	char keys_dir[NJ_PATH_BYTES];
	char key_file[NJ_PATH_BYTES]; /* the default; the config may name another */
	char run_dir[NJ_PATH_BYTES];
	char keeper_sock[NJ_PATH_BYTES];
	char admin_sock[NJ_PATH_BYTES];
	char warden_sock[NJ_PATH_BYTES];
	char guards_mark[NJ_PATH_BYTES]; /* there: this gateway made the guards' table */
	char lock[NJ_PATH_BYTES];
};

/* `dir` NULL: /etc/nightjar, /var/lib/nightjar, /run/nightjar. A relative `dir` is made absolute.
 * NJ_ERR_TOO_LARGE when a path would not fit (Unix sockets: 107 bytes). */
NJ_MUST_USE enum nj_err nj_paths_for(const char *dir, struct nj_paths *out_paths, struct nj_why *why);
/* mkdir -p of everything that a gateway writes; folders are 0700. */
NJ_MUST_USE enum nj_err nj_paths_make(const struct nj_paths *paths, struct nj_why *why);

/* Removes copies of the stores that a backup left when it died. Under the lock. */
void nj_paths_tidy(const struct nj_paths *paths);

/* The lock of this gateway's stores: held by a running supervisor, or by a command that works on a stopped one.
 * NJ_ERR_BUSY when another holds it; the descriptor is close-on-exec and unlocks when closed. */
NJ_MUST_USE enum nj_err nj_paths_lock(const struct nj_paths *paths, int *out_fd, struct nj_why *why);

#endif
