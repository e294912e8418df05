/* What a keeper knows of the services that it guards. Part of struct nj_keeper; shared by the files of this folder. */
#ifndef NJ_KEEPER_GUARDS_H
#define NJ_KEEPER_GUARDS_H

#include "base/config/perimeter.h"
#include "keeper/grants.h"

struct nj_keeper_guards {
	struct nj_settings_guard at[NJ_GUARDS_MAX];
	size_t count;
	struct nj_cloak *cloak;   /* borrowed; NULL: nobody guards */
	struct nj_grants *grants; /* NULL without guards; a port is a guard's id there */
};

#endif
