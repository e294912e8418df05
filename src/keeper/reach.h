/*
 * Who can reach a listener without a knock of his own, as the configuration has it: proxies before cloaked services,
 * for whom the cloak stands open, and whoever reaches an exposed local listener. Part of struct nj_keeper; shared by
 * the files of this folder.
 */
#ifndef NJ_KEEPER_REACH_H
#define NJ_KEEPER_REACH_H

#include "base/config/listeners.h"
#include "base/err.h"

struct nj_keeper_exposed {
	char address[NJ_SETTINGS_LOCAL_ADDRESS_BYTES];
	char as[NJ_NAME_BYTES];
};

struct nj_keeper_reach {
	size_t proxy_count;
	struct nj_settings_proxy proxies[NJ_SETTINGS_PROXIED_MAX];
	size_t exposed_count;
	struct nj_keeper_exposed exposed[NJ_SETTINGS_LOCAL_MAX];
};

struct nj_keeper;
struct nj_keeper_config;
void nj_keeper_reach_init(struct nj_keeper *keeper, const struct nj_keeper_config *config);
/* What an operation of the cloak gave: a failure is told. */
void nj_keeper_cloak_result(struct nj_keeper *keeper, enum nj_err err);
/* Audits the start, and what of the ports is not dark for whom. */
NJ_MUST_USE enum nj_err nj_keeper_note_start(struct nj_keeper *keeper);

#endif
