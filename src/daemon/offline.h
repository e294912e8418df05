/*
 * Administration of a stopped gateway: opens its stores in place, under the lock that a running one holds, and answers
 * the same verbs by the same handlers. One thread; the process is the command line's.
 */
#ifndef NJ_DAEMON_OFFLINE_H
#define NJ_DAEMON_OFFLINE_H

#include "bus/admin.h"
#include "daemon/paths.h"

struct nj_offline;

/* NJ_ERR_BUSY when a gateway (or another command) holds the lock; NJ_ERR_NOT_FOUND where no gateway was made. Needs
 * nj_crypto_init. */
NJ_MUST_USE enum nj_err nj_offline_open(const struct nj_paths *paths, struct nj_offline **out_offline,
					struct nj_why *why);
void nj_offline_close(struct nj_offline *offline);
/* Any verb of keeper.sock, and `why`. As nj_admin_ask. */
NJ_MUST_USE enum nj_err nj_offline_ask(struct nj_offline *offline, const char *verb, const json_t *args,
				       nj_admin_item_fn on_item, void *item_arg, json_t **out_ok, struct nj_why *why);

#endif
