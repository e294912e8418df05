/*
 * What the files of this folder share and no other folder includes: the reactor's inbox and scratch memory, the check
 * whether a registration survived a callback, and TLS as a byte transform on a socket. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_INTERNAL_H
#define NJ_NET_INTERNAL_H

#include <stdatomic.h>

#include "net/reactor.h"
#include "net/tls.h"

/* Posts on their way to one reactor. On lines of its own: other threads write here. */
struct nj_inbox {
	_Alignas(64) struct nj_post *_Atomic top; /* newest first */
	atomic_bool asleep;
};
/* Any thread. True: the consumer slept, and the caller wakes it. */
bool nj_inbox_push(struct nj_inbox *inbox, struct nj_post *post);
/* The consumer alone, as all below. False: there is something already, so do not sleep. */
bool nj_inbox_sleep(struct nj_inbox *inbox);
void nj_inbox_awake(struct nj_inbox *inbox);
bool nj_inbox_empty(const struct nj_inbox *inbox);
void nj_inbox_run(struct nj_inbox *inbox);

#define NJ_SCRATCH_BYTES (64 * 1024)

/* NJ_SCRATCH_BYTES of memory, valid until the next callback of another descriptor: input is parsed in it in place. */
uint8_t *nj_reactor_scratch(struct nj_reactor *reactor);
/* A connection's buffers were `before` bytes large and are `after` now. */
void nj_reactor_count_held(struct nj_reactor *reactor, size_t before, size_t after);

/* Names one registration, so that it can be recognised after a callback that may have freed its owner. */
struct nj_io_token {
	struct nj_reactor *reactor;
	int fd;
	uint32_t generation;
};
struct nj_io_token nj_io_token(const struct nj_io *io);
bool nj_io_token_alive(struct nj_io_token token);

/* The descriptor stays the caller's. Holds a reference to the context, whose callbacks get `who`. */
NJ_MUST_USE enum nj_err nj_tls_new(struct nj_tls_ctx *ctx, int fd, void *who, struct nj_tls **out_tls);
void nj_tls_free(struct nj_tls *tls);
/* NJ_OK: finished. NJ_ERR_AGAIN: wants input or room for output. NJ_ERR_CLOSED, NJ_ERR_IO, NJ_ERR_FORGED: failed, and
 * nothing of this call (no alert) was written. */
NJ_MUST_USE enum nj_err nj_tls_handshake(struct nj_tls *tls);
/* A whole ClientHello has arrived. */
bool nj_tls_hello_seen(const struct nj_tls *tls);
/* One record's plain text at most. NJ_ERR_AGAIN: no input; NJ_ERR_BUSY: output must drain first; else as above, with
 * NJ_ERR_CLOSED also for the peer's close_notify. */
NJ_MUST_USE enum nj_err nj_tls_read(struct nj_tls *tls, void *out, size_t cap, size_t *out_len);
/* After NJ_ERR_AGAIN the same bytes, possibly more of them and elsewhere in memory, are offered again. What was written
 * may still be held: nj_tls_flush sends it. */
NJ_MUST_USE enum nj_err nj_tls_write(struct nj_tls *tls, const void *data, size_t len, size_t *out_written);
/* Sends what is held; NJ_ERR_AGAIN while some remains. */
NJ_MUST_USE enum nj_err nj_tls_flush(struct nj_tls *tls);
/* Memory that it takes. */
size_t nj_tls_held_bytes(const struct nj_tls *tls);
/* Best effort, does not wait for the peer's. */
void nj_tls_close_notify(struct nj_tls *tls);
/* RFC 8446 7.5 without a context; after the handshake. NJ_ERR_CRYPTO. */
NJ_MUST_USE enum nj_err nj_tls_export(struct nj_tls *tls, const char *label, void *out, size_t len);
/* The certificate that the peer proved is in a list of `trust`. */
bool nj_tls_peer_revoked(const struct nj_tls *tls, const struct nj_tls_trust *trust);
void nj_tls_forget_offer(struct nj_tls *tls);
/* Valid once nj_tls_handshake gave NJ_OK. */
const struct nj_tls_facts *nj_tls_facts(const struct nj_tls *tls);

#endif
