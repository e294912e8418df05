/*
 * The verb "tls.show": what a party's last TLS handshake offered and agreed, told by names. Answered by the gateway
 * process, or in place while it is stopped. The thread that owns the store.
 */
#ifndef NJ_DAEMON_POSTURE_H
#define NJ_DAEMON_POSTURE_H

#include "bus/admin.h"
#include "store/gateway_store.h"

void nj_posture_tell(struct nj_gateway_store *store, struct nj_admin_call *call);

#endif
