/*
 * Verbs asked of a gateway, running or not: over its sockets when it serves, else in place under its lock. Blocking;
 * main thread. Opens nothing before the first question.
 */
#ifndef NJ_CLI_SESSION_H
#define NJ_CLI_SESSION_H

#include "bus/admin.h"
#include "daemon/paths.h"

struct nj_offline;

enum nj_side { NJ_SIDE_KEEPER, NJ_SIDE_GATEWAY };

struct nj_session {
	struct nj_paths paths;
	struct nj_offline *offline; /* the stores opened in place; NULL until needed */
	bool asked_running;         /* the last answer came from a running gateway */
};

/* `dir` NULL: the system's places. */
NJ_MUST_USE enum nj_err nj_session_open(const char *dir, struct nj_session *out_session, struct nj_why *why);
void nj_session_close(struct nj_session *session);
/* Takes over `args` (NULL: out of memory). `out_ok` may be NULL, else a new reference. */
NJ_MUST_USE enum nj_err nj_session_ask(struct nj_session *session, enum nj_side side, const char *verb, json_t *args,
				       nj_admin_item_fn on_item, void *item_arg, json_t **out_ok, struct nj_why *why);
/* Is a gateway serving at this moment? */
bool nj_session_running(const struct nj_session *session);

#endif
