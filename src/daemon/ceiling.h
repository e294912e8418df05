/* Ceilings that follow from the configured number of devices; several parts must agree on them. */
#ifndef NJ_DAEMON_CEILING_H
#define NJ_DAEMON_CEILING_H

#include <stdint.h>

#define NJ_CEILING_GRANTS_MIN 4096
#define NJ_CEILING_GRANTS_MAX 262144

/* Knocks that may wait for their connection at one time: a sixteenth of the fleet within 30 s. */
static inline uint32_t nj_ceiling_grants(uint32_t devices)
{
	uint32_t grants = devices / 16;

	if (grants < NJ_CEILING_GRANTS_MIN)
		return NJ_CEILING_GRANTS_MIN;
	return grants > NJ_CEILING_GRANTS_MAX ? NJ_CEILING_GRANTS_MAX : grants;
}

#endif
