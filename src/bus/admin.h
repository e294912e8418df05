/*
 * Administration: verbs with JSON arguments, answered over a Unix socket to people entitled by file mode and peer
 * credentials, or called in place by the command line when the gateway is stopped: the same handlers.
 * On the wire one JSON object a line: request {"verb":…,"args":{…}}; answers {"item":…}*, then {"ok":…} or
 * {"error":{"name":…,"text":…}}. Lines are at most 4 MiB. Main thread of the process that serves.
 */
#ifndef NJ_BUS_ADMIN_H
#define NJ_BUS_ADMIN_H

#include <jansson.h>
#include <sys/types.h>

#include "net/listener.h"

#define NJ_ADMIN_LINE_MAX (4u << 20)

/* One request in progress. Handlers may keep it and answer later; it is answered exactly once. */
struct nj_admin_call;

struct nj_admin_verb {
	const char *name; /* "device.add" */
	void (*handle)(void *arg, struct nj_admin_call *call);
};

/* Arguments, borrowed until the call is answered. Never NULL: an empty object when none were sent. */
const json_t *nj_admin_args(const struct nj_admin_call *call);
/* Who asks, for the audit: "uid 1000 (alice)"; "local" in place. */
const char *nj_admin_caller(const struct nj_admin_call *call);
/* Takes over `value`. */
void nj_admin_item(struct nj_admin_call *call, json_t *value);
void nj_admin_ok(struct nj_admin_call *call, json_t *value);
void nj_admin_fail(struct nj_admin_call *call, enum nj_err err, const char *format, ...) NJ_PRINTF(3, 4);
/* Whether nobody is there any more to hear the answer, which is due all the same. */
bool nj_admin_gone(const struct nj_admin_call *call);
/* Typed access with an error that names the argument; answers the call itself on failure and returns false. */
bool nj_admin_text(struct nj_admin_call *call, const char *key, bool required, const char **out_text);
bool nj_admin_uint(struct nj_admin_call *call, const char *key, uint64_t fallback, uint64_t max, uint64_t *out_value);
bool nj_admin_flag(struct nj_admin_call *call, const char *key, bool *out_value);

/* JSON of this process is overwritten when it is freed: requests and answers hold keys. By the server by itself; else
 * once, before the first. */
void nj_admin_wipe_json(void);

/* ---- server ---- */
struct nj_admin_server;
/* `listen_fd` is a listening Unix socket (taken over). Callers must be root, this uid, or `owner_uid`. */
NJ_MUST_USE enum nj_err nj_admin_server_new(struct nj_reactor *reactor, int listen_fd, uid_t owner_uid,
					    const struct nj_admin_verb *verbs, size_t verb_count, void *arg,
					    struct nj_admin_server **out_server);
/* Answers these from now on, also to callers that are connected. */
void nj_admin_server_set_verbs(struct nj_admin_server *server, const struct nj_admin_verb *verbs, size_t verb_count);
void nj_admin_server_free(struct nj_admin_server *server);

/* ---- callers ---- */
typedef void (*nj_admin_item_fn)(void *arg, const json_t *item);
/* Does a process listen at `path` (also one that would refuse this user)? */
bool nj_admin_serves(const char *path);
/* Blocking, over the socket at `path`. `out_ok` (may be NULL) gets the final object, a new reference; on failure `why`
 * gets the text. NJ_ERR_NOT_FOUND when nobody serves there, NJ_ERR_DENIED. */
NJ_MUST_USE enum nj_err nj_admin_ask(const char *path, const char *verb, const json_t *args, uint32_t timeout_ms,
				     nj_admin_item_fn on_item, void *item_arg, json_t **out_ok, struct nj_why *why);
/* In place. Handlers must answer before they return. */
NJ_MUST_USE enum nj_err nj_admin_ask_here(const struct nj_admin_verb *verbs, size_t verb_count, void *arg,
					  const char *verb, const json_t *args, nj_admin_item_fn on_item,
					  void *item_arg, json_t **out_ok, struct nj_why *why);

#endif
