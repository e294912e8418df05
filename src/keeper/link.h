/*
 * The keeper's view of the gateway, an ops table over two backends: `ipc` speaks bus/ipc.h over a channel to the
 * gateway process, `direct` changes the directory of a stopped gateway in place. Requests are answered exactly once,
 * also when the gateway dies or is silent. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_LINK_H
#define NJ_KEEPER_LINK_H

#include "bus/ipc.h"
#include "net/channel.h"

#define NJ_LINK_TIMEOUT_MS 5000
#define NJ_LINK_REQUESTS_MAX 1024
#define NJ_LINK_QUEUE_BYTES (4u << 20)

/* The outcome of a request; `text` is empty or says more, borrowed. NJ_ERR_CLOSED: no gateway, or it went away;
 * NJ_ERR_TIMEOUT: whether it was done is not known. */
typedef void (*nj_link_done_fn)(void *arg, enum nj_err err, const char *text);

struct nj_link {
	const struct nj_link_ops *ops;
};

struct nj_link_ops {
	bool (*connected)(const struct nj_link *link);
	/* PROFILE_PUT, PARTIES_PUT, PARTY_CUT, PARTY_QUERY, TRUST_PUT, KICK; sets the request's number. May answer
	 * before it returns. */
	void (*request)(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg);
	/* NJ_ERR_CLOSED, NJ_ERR_LIMIT: nothing was handed over. */
	enum nj_err (*grant)(struct nj_link *link, const struct nj_grant *grant);
	void (*grant_end)(struct nj_link *link, uint64_t id);
	/* REKEY_OFFER, REKEY_DONE, REKEY_CUT: no answer. False: it was not handed over. */
	bool (*rekey)(struct nj_link *link, const struct nj_ipc *message);
	/* Gives up requests that are overdue. */
	void (*tick)(struct nj_link *link);
	void (*free)(struct nj_link *link);
};

/* ---- direct ---- */

struct nj_directory;
/* Borrows the directory. Grants need a gateway that runs: NJ_ERR_CLOSED. */
NJ_MUST_USE enum nj_err nj_link_direct_new(struct nj_directory *directory, const struct nj_clock *clock,
					   struct nj_link **out_link);

/* ---- ipc ---- */

/* What the gateway tells of itself. Decoded and allowed; the callee checks what it means. */
struct nj_link_events {
	void (*ack)(void *arg, uint64_t grant_id);
	void (*bound)(void *arg, const struct nj_ipc_bound *bound);
	void (*flow_end)(void *arg, const struct nj_ipc_flow *flow);
	void (*rekey_ready)(void *arg, const struct nj_ipc_rekey *ready);
	void (*rekey_stored)(void *arg, const struct nj_ipc_rekey *stored);
	/* False when a record breaks the rules: the channel is dropped then. */
	bool (*audit)(void *arg, const struct nj_ipc_audit *audit);
	/* The gateway is gone, or (violation not NULL) was dropped because it broke the rules. */
	void (*gone)(void *arg, const char *violation);
	void *arg;
};

/* Without a gateway at first. */
NJ_MUST_USE enum nj_err nj_link_ipc_new(struct nj_reactor *reactor, const struct nj_link_events *events,
					struct nj_link **out_link);
/* A new gateway at the other end of `fd` (taken over, also on failure): requests to the one before fail, `gone` is told
 * if there was one, HELLO is sent. */
NJ_MUST_USE enum nj_err nj_link_ipc_connect(struct nj_link *link, int fd, const struct nj_ipc_hello *hello);
/* Drops the gateway; `gone` is told. Harmless without one. */
void nj_link_ipc_drop(struct nj_link *link, const char *violation);

#endif
