/*
 * `nightjar why`: which rule of a party's profile allows or denies a topic. The same answer from the running gateway
 * and in place on a stopped one. Main thread.
 */
#ifndef NJ_DAEMON_EXPLAIN_H
#define NJ_DAEMON_EXPLAIN_H

#include "bus/admin.h"
#include "identity/directory.h"

/* Answers a call with arguments name, kind?, customer?, and publish or subscribe. */
void nj_explain(struct nj_directory *directory, struct nj_admin_call *call);

#endif
