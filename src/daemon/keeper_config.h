/* How settings and paths become the keeper's configuration: for the process and for administration in place. */
#ifndef NJ_DAEMON_KEEPER_CONFIG_H
#define NJ_DAEMON_KEEPER_CONFIG_H

#include "base/config/settings.h"
#include "daemon/paths.h"
#include "keeper/core.h"

/* Borrows from both, which outlive what is made of it. */
struct nj_keeper_config nj_keeper_config_of(const struct nj_settings *settings, const struct nj_paths *paths);

/* Where the vault's key file is: the configuration's word, else the gateway's own folder. */
const char *nj_key_file_of(const struct nj_settings *settings, const struct nj_paths *paths);

#endif
