/*
 * The broker's file (messages.db), typed: lasting sessions with their subscriptions, queues, wills and packet
 * identifiers, and retained messages. What an operation means is in store/messages.h. It is opened and read by the main
 * thread, then belongs to the committer's thread (store/committer.h); common rules and errors: store/store.h.
 */
#ifndef NJ_STORE_MESSAGES_STORE_H
#define NJ_STORE_MESSAGES_STORE_H

#include "store/messages.h"

struct nj_messages_store;

NJ_MUST_USE enum nj_err nj_messages_store_open(const char *path, enum nj_store_mode mode,
					       struct nj_messages_store **out_store, struct nj_why *why);
void nj_messages_store_close(struct nj_messages_store *store);
/* For a committer, which takes the store over. */
struct nj_committed nj_messages_store_committed(struct nj_messages_store *store);

/* One transaction round any number of operations; the sessions' counters and shared bodies are settled by commit. After
 * a failure the caller rolls back. */
NJ_MUST_USE enum nj_err nj_messages_store_begin(struct nj_messages_store *store);
NJ_MUST_USE enum nj_err nj_messages_store_apply(struct nj_messages_store *store, struct nj_messages_op *op);
NJ_MUST_USE enum nj_err nj_messages_store_commit(struct nj_messages_store *store);
void nj_messages_store_rollback(struct nj_messages_store *store);

/* Fills the answer; what was read before a failure stays in it. */
NJ_MUST_USE enum nj_err nj_messages_store_page(struct nj_messages_store *store, struct nj_messages_page *page);
void nj_messages_page_done(struct nj_messages_page *page);
/* Removes up to `rows` rows of dropped sessions, inside the caller's transaction. */
NJ_MUST_USE enum nj_err nj_messages_store_purge(struct nj_messages_store *store, uint32_t rows, bool *out_more);

/* ---- what start-up reads ---- */

/* Views are borrowed until the callback returns; anything but NJ_OK stops an iteration, which returns it. */
typedef enum nj_err (*nj_messages_session_fn)(void *arg, const struct nj_messages_session *row);
NJ_MUST_USE enum nj_err nj_messages_store_session_each(struct nj_messages_store *store, nj_messages_session_fn fn,
						       void *arg);
struct nj_messages_subscription {
	uint32_t session;
	uint8_t options;
	uint32_t id;
	struct nj_view filter;
};
typedef enum nj_err (*nj_messages_subscription_fn)(void *arg, const struct nj_messages_subscription *row);
/* In order of session. */
NJ_MUST_USE enum nj_err nj_messages_store_subscription_each(struct nj_messages_store *store,
							    nj_messages_subscription_fn fn, void *arg);
typedef enum nj_err (*nj_messages_received_fn)(void *arg, uint32_t session, uint16_t packet_id);
NJ_MUST_USE enum nj_err nj_messages_store_received_each(struct nj_messages_store *store, nj_messages_received_fn fn,
							void *arg);
typedef enum nj_err (*nj_messages_retained_fn)(void *arg, struct nj_view customer, uint8_t flags,
					       const struct nj_messages_body *body);
NJ_MUST_USE enum nj_err nj_messages_store_retained_each(struct nj_messages_store *store, nj_messages_retained_fn fn,
							void *arg);
/* The highest numbers in use, of sessions and of shared bodies; 0: none. */
NJ_MUST_USE enum nj_err nj_messages_store_numbers(struct nj_messages_store *store, uint32_t *out_session,
						  uint64_t *out_shared);

#endif
