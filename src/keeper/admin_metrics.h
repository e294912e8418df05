/* What the keeper counts, as metrics. The keeper's main thread; the table is constant. */
#ifndef NJ_KEEPER_ADMIN_METRICS_H
#define NJ_KEEPER_ADMIN_METRICS_H

#include "base/metrics.h"

extern const struct nj_metric nj_keeper_metrics[];
extern const size_t nj_keeper_metric_count;

#endif
