/*
 * The enrolment service as far as recovery needs it: a session that a recovery key has bound, in which the keeper and
 * the device pass three messages (wire/recover.h), and nothing else. This process passes them on, as in a rekey; what
 * it sees of them is worth nothing without the device's recovery key. The gateway's main thread only.
 */
#ifndef NJ_DAEMON_GATEWAY_RECOVER_H
#define NJ_DAEMON_GATEWAY_RECOVER_H

#include "daemon/gateway_state.h"

void gateway_recover_init(struct gateway *g);
void gateway_recover_done(struct gateway *g);
/* Takes over a connection that the grant bound. */
void gateway_recover_serve(struct gateway *g, struct nj_conn *conn, const struct nj_grant *grant);
/* OFFER or DONE from the keeper. False: it is not for a session of this service. */
bool gateway_recover_tell(struct gateway *g, const struct nj_ipc *message);
/* Cuts the sessions of a party; returns how many. */
size_t gateway_recover_cut(struct gateway *g, const uint8_t uid[NJ_UID_BYTES]);
size_t gateway_recover_connections(const struct gateway *g);

#endif
