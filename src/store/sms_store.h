/*
 * The SMS centre's file (sms.db), typed: messages, lanes, the schedule, names of messages at bearers, idempotency keys.
 * What an operation means is in store/sms.h. It is opened and read by the main thread, then belongs to the committer's
 * thread (store/committer.h); common rules and errors: store/store.h.
 */
#ifndef NJ_STORE_SMS_STORE_H
#define NJ_STORE_SMS_STORE_H

#include "store/sms.h"

struct nj_sms_store;

NJ_MUST_USE enum nj_err nj_sms_store_open(const char *path, enum nj_store_mode mode, struct nj_sms_store **out_store,
					  struct nj_why *why);
void nj_sms_store_close(struct nj_sms_store *store);
/* For a committer, which takes the store over. */
struct nj_committed nj_sms_store_committed(struct nj_sms_store *store);

/* One transaction round any number of operations; after a failure the caller rolls back. */
NJ_MUST_USE enum nj_err nj_sms_store_begin(struct nj_sms_store *store);
NJ_MUST_USE enum nj_err nj_sms_store_apply(struct nj_sms_store *store, const struct nj_sms_op *op);
NJ_MUST_USE enum nj_err nj_sms_store_commit(struct nj_sms_store *store);
void nj_sms_store_rollback(struct nj_sms_store *store);
/* Fills the answer; what was read before a failure stays in it. */
NJ_MUST_USE enum nj_err nj_sms_store_ask(struct nj_sms_store *store, struct nj_sms_ask *ask);
/* What is final since before `until_ms`, and keys that are over, go from now on, piece by piece, as the committer has
 * time: to be called now and then, with a later time. Any thread. */
void nj_sms_store_keep_since(struct nj_sms_store *store, uint64_t until_ms);

/* ---- what start-up reads ---- */

/* Views are borrowed until the callback returns; anything but NJ_OK stops it, and is returned. */
typedef enum nj_err (*nj_sms_lane_fn)(void *arg, const struct nj_sms_lane *lane, uint64_t messages);
NJ_MUST_USE enum nj_err nj_sms_store_lane_each(struct nj_sms_store *store, nj_sms_lane_fn fn, void *arg);
NJ_MUST_USE enum nj_err nj_sms_store_numbers(struct nj_sms_store *store, struct nj_sms_numbers *out_numbers);

#endif
