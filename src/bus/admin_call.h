/*
 * A call as the two ways of answering share it (bus/admin.h is the face): the line of a socket's client, and the caller
 * in place. Whoever makes a call supplies the sink. Inside this folder alone; thread of the call's maker.
 */
#ifndef NJ_BUS_ADMIN_CALL_H
#define NJ_BUS_ADMIN_CALL_H

#include "base/wire.h"
#include "bus/admin.h"

struct nj_admin_sink {
	/* Borrows `value`. */
	void (*item)(struct nj_admin_call *call, const json_t *value);
	/* The answer, once; the sink may free the call. `err` NJ_OK: `value` is the final object (borrowed), else
	 * `text` says what to do. */
	void (*done)(struct nj_admin_call *call, const json_t *value, enum nj_err err, const char *text);
};

struct nj_admin_call {
	const struct nj_admin_sink *sink;
	json_t *args; /* an object; owned */
	const char *caller;
	bool answered;
	bool gone; /* who asked is not there any more */
};

/* Reads {"verb":…,"args":{…}}. `out_request` is a new reference and owns the verb; `out_args` another, never NULL. */
NJ_MUST_USE enum nj_err nj_admin_request_read(struct nj_view line, json_t **out_request, const char **out_verb,
					      json_t **out_args, struct nj_why *why);
/* Calls the handler of `verb`, or fails the call with the nearest name. */
void nj_admin_dispatch(const struct nj_admin_verb *verbs, size_t verb_count, void *arg, const char *verb,
		       struct nj_admin_call *call);
/* Of json_dumps: overwrites it first. */
void nj_admin_free_text(char *text, size_t len);
/* The fact whose name the other side sent; NJ_ERR_STATE for one that this version does not know. */
enum nj_err nj_admin_err_from_name(const char *name);

#endif
