/*
 * A stream connection, plain or TLS, accepted or (with a client's TLS context) on its way out: owns the socket, its
 * input buffer, its output ring and its time limits. Output is queued by nj_conn_send and written once at the end of
 * the reactor's turn, so that many small packets leave in one system call and one TLS record. Registered with epoll
 * once, edge-triggered, for both directions. Where it is allowed, the stream may be carried by a WebSocket. Belongs to
 * one reactor's thread, and moves to another's only by nj_conn_detach here and nj_conn_attach there. Never resolves
 * names, never logs.
 */
#ifndef NJ_NET_CONN_H
#define NJ_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"
#include "net/reactor.h"
#include "net/tls.h"
#include "net/ws.h"

struct nj_conn;

/* X(name, text): why a connection ended. */
#define NJ_CLOSE_TABLE(X)                          \
	X(NJ_CLOSE_PEER, "peer-closed")            \
	X(NJ_CLOSE_LOCAL, "closed")                \
	X(NJ_CLOSE_IO, "io-error")                 \
	X(NJ_CLOSE_TLS, "tls-failed")              \
	X(NJ_CLOSE_HELLO_TIMEOUT, "hello-timeout") \
	X(NJ_CLOSE_BIND_TIMEOUT, "bind-timeout")   \
	X(NJ_CLOSE_EVICTED, "evicted")             \
	X(NJ_CLOSE_UNBOUND, "unbound")             \
	X(NJ_CLOSE_PROTOCOL, "protocol-error")     \
	X(NJ_CLOSE_IDLE, "idle-timeout")           \
	X(NJ_CLOSE_OVERFLOW, "output-overflow")    \
	X(NJ_CLOSE_REVOKED, "revoked")             \
	X(NJ_CLOSE_KICKED, "kicked")               \
	X(NJ_CLOSE_SHUTDOWN, "shutdown")

enum nj_close {
#define NJ_CLOSE_ENUM(name, text) name,
	NJ_CLOSE_TABLE(NJ_CLOSE_ENUM)
#undef NJ_CLOSE_ENUM
};
const char *nj_close_name(enum nj_close why);

struct nj_conn_ops {
	/* The transport is ready: accepted (plain) or handshake finished (TLS). May close the connection. */
	void (*on_open)(struct nj_conn *conn);
	/* All unread bytes, borrowed; returns how many were eaten. Called again when more arrive, or when the rest grew
	 * to the input limit (then eating nothing closes the connection with NJ_CLOSE_PROTOCOL). May close the
	 * connection. */
	size_t (*on_data)(struct nj_conn *conn, struct nj_view in);
	/* The output queue fell below half after having been over it. */
	void (*on_drained)(struct nj_conn *conn);
	/* Once, as the last call; the connection is gone when it returns. */
	void (*on_close)(struct nj_conn *conn, enum nj_close why);
};

struct nj_conn_config {
	int fd; /* accepted, or connecting; non-blocking; taken over, also on failure */
	struct nj_addr peer;
	struct nj_addr local;
	struct nj_tls_ctx *tls; /* NULL: plain */
	size_t max_in_bytes;
	size_t max_out_bytes;
	/* The stream may be a WebSocket's (ws.h), which its first byte tells: `ops` sees the bytes that it carries.
	 * NULL: it is none. Outlives the connection. */
	const struct nj_ws_policy *websocket;
	/* Secrets go over it: no memory that its bytes were in is used for anything else as it is. */
	bool secret;
	uint32_t hello_timeout_ms; /* to the first complete ClientHello or first byte of plain; 0 = none */
	const struct nj_conn_ops *ops;
	void *user; /* also what the TLS context's callbacks get as `who` */
};

/* What a connection's input costs: asked on the connection's thread for what it takes, it says for how many
 * milliseconds nothing more is to be taken. `left` is called once, with the connection's end, after on_close. */
struct nj_conn_toll {
	uint32_t (*charge)(void *arg, uint32_t messages, size_t bytes);
	void (*left)(void *arg);
};

/* Starts serving; calls back from the reactor's next turn on, never from inside. */
NJ_MUST_USE enum nj_err nj_conn_new(struct nj_reactor *reactor, const struct nj_conn_config *config,
				    struct nj_conn **out_conn);
/* Copies to the output queue. NJ_ERR_LIMIT when it would pass the maximum (nothing is queued then). */
NJ_MUST_USE enum nj_err nj_conn_send(struct nj_conn *conn, const void *data, size_t len);
/* Two parts as one: a header and a shared payload, without joining them first. */
NJ_MUST_USE enum nj_err nj_conn_send2(struct nj_conn *conn, struct nj_view head, struct nj_view body);
size_t nj_conn_unsent(const struct nj_conn *conn);
/* Stops and resumes reading (back-pressure). */
void nj_conn_pause(struct nj_conn *conn, bool paused);
/* Stops reading for so long. */
void nj_conn_pause_for(struct nj_conn *conn, uint32_t ms);
/* Writes what is queued (at most 2 s), then closes; TLS with close_notify. on_close comes later. */
void nj_conn_finish(struct nj_conn *conn, enum nj_close why);
/* Closes at once with a reset (SO_LINGER 0) and without an alert: what fails or is revoked. on_close comes at the end
 * of this turn. */
void nj_conn_abort(struct nj_conn *conn, enum nj_close why);

/* Once, before anything is read; `toll` is static. Bytes are charged as they are read, messages by whoever parses them.
 */
void nj_conn_set_toll(struct nj_conn *conn, const struct nj_conn_toll *toll, void *arg);
void *nj_conn_toll_arg(const struct nj_conn *conn);
void nj_conn_charge(struct nj_conn *conn, uint32_t messages);
/* Nothing is to be taken now: on_data leaves the rest, and is called again in time. */
bool nj_conn_held(const struct nj_conn *conn);

/* Time limit until nj_conn_proven is called (binding); 0 = none. */
void nj_conn_bind_deadline(struct nj_conn *conn, uint32_t ms);
void nj_conn_proven(struct nj_conn *conn);

/* A number of the owner's that stays with the connection whoever serves it; 0 at first. */
void nj_conn_mark(struct nj_conn *conn, uint64_t mark);
uint64_t nj_conn_mark_of(const struct nj_conn *conn);

void *nj_conn_user(const struct nj_conn *conn);
/* Hands the connection to another protocol layer (after binding). */
void nj_conn_set_ops(struct nj_conn *conn, const struct nj_conn_ops *ops, void *user);
/* Takes an open connection off its reactor, with its TLS and all that it holds, to be attached by another thread. Not
 * from inside its own callbacks. NJ_ERR_STATE when it is not open (any more): then it stays, and on_close comes. */
NJ_MUST_USE enum nj_err nj_conn_detach(struct nj_conn *conn);
/* On the thread of its new reactor: served there from the next turn on, not paused, unread bytes first. One that cannot
 * be registered is aborted. */
void nj_conn_attach(struct nj_conn *conn, struct nj_reactor *reactor, const struct nj_conn_ops *ops, void *user);
const struct nj_addr *nj_conn_peer(const struct nj_conn *conn);
const struct nj_addr *nj_conn_local(const struct nj_conn *conn);
/* NULL for plain connections and before the handshake finished. */
const struct nj_tls_facts *nj_conn_tls_facts(const struct nj_conn *conn);
/* What the peer offered has been noted: gives its memory back, and facts have none from now on. */
void nj_conn_forget_offer(struct nj_conn *conn);
/* Keying material of the finished TLS session (RFC 8446 7.5, RFC 5705), without a context: the same on both sides.
 * NJ_ERR_STATE for plain connections and before the handshake finished. */
NJ_MUST_USE enum nj_err nj_conn_export(const struct nj_conn *conn, const char *label, void *out, size_t len);
/* The certificate that the peer proved is in a revocation list of `trust`; false without one. */
bool nj_conn_revoked_by(const struct nj_conn *conn, const struct nj_tls_trust *trust);
uint64_t nj_conn_bytes_in(const struct nj_conn *conn);
uint64_t nj_conn_bytes_out(const struct nj_conn *conn);

#endif
