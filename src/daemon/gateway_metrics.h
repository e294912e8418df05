/* What the gateway process counts, as metrics. The gateway's main thread; the table is constant. */
#ifndef NJ_DAEMON_GATEWAY_METRICS_H
#define NJ_DAEMON_GATEWAY_METRICS_H

#include "base/metrics.h"

extern const struct nj_metric gateway_metrics[];
extern const size_t gateway_metric_count;

#endif
