/* `nightjar init`: makes a gateway's folder: keys, vault, CA, stores, configuration. Refuses to touch one that is
 * there. */
#ifndef NJ_DAEMON_INIT_H
#define NJ_DAEMON_INIT_H

#include "daemon/paths.h"
#include "keeper/init.h"

struct nj_init_options {
	const char *dir;   /* NULL: the system's places */
	const char *host;  /* NULL: "localhost"; a name or address that devices will use */
	const char *ports; /* NULL, or "knock=62201,mqtts=8883,…"; 0 turns a service off */
	const char *cloak; /* NULL, "bpf" or "fake" */
};

/* Shown once; the caller wipes it. */
struct nj_init_result {
	struct nj_paths paths;
	struct nj_keeper_init_result secrets;
};

/* NJ_ERR_EXISTS when there is a gateway already. Needs nj_crypto_init. */
NJ_MUST_USE enum nj_err nj_daemon_init(const struct nj_init_options *options, struct nj_init_result *out_result,
				       struct nj_why *why);

#endif
