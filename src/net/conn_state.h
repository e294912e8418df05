/*
 * A connection's inside, shared by conn.c (its life, its output, its owner's calls) and conn_input.c (reading and
 * delivering) alone. Belongs to one reactor's thread.
 */
#ifndef NJ_NET_CONN_STATE_H
#define NJ_NET_CONN_STATE_H

#include "base/buf.h"
#include "net/carriage.h"
#include "net/conn.h"
#include "net/internal.h"

enum conn_state {
	STATE_OPENING,   /* accepted; plain: until the first event, TLS: until the handshake finished */
	STATE_OPEN,      /* on_open was called */
	STATE_FINISHING, /* no more reading; closes when the output is written or the time is up */
	STATE_DEAD,      /* socket closed; on_close comes at the end of the turn */
};

struct nj_conn {
	struct nj_io io;
	struct nj_reactor *reactor;
	const struct nj_conn_ops *ops;
	void *user;
	struct nj_tls *tls;                   /* NULL: plain */
	const struct nj_ws_policy *may_carry; /* a WebSocket, if the first byte wants it; NULL: no longer, or never */
	struct nj_carriage *carriage;         /* NULL: no WebSocket */
	struct nj_buf in;                     /* what on_data left; no memory while empty */
	struct nj_buf out;
	struct nj_timer limit;     /* the earlier of the two times below */
	struct nj_timer resume;    /* reading goes on: in the next turn, or after a pause */
	struct nj_deferred at_end; /* flush, or the last call */
	uint64_t first_due_ms;     /* of the hello; of the finish, once finishing; 0 = none */
	uint64_t bind_due_ms;      /* 0 = none */
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t mark;
	uint64_t held_until_ms; /* its toll is not paid; 0 = nothing is owed */
	const struct nj_conn_toll *toll;
	void *toll_arg;
	struct nj_addr peer;
	struct nj_addr local;
	size_t counted; /* bytes of both buffers, as the reactor knows them */
	uint8_t state;  /* enum conn_state */
	uint8_t why;    /* enum nj_close */
	bool paused : 1;
	bool readable : 1;   /* the socket may hold unread input */
	bool writable : 1;   /* the socket took all that was offered */
	bool hung_up : 1;    /* epoll reported an end: input ends after what is unread */
	bool redeliver : 1;  /* on_data may eat what it left, though nothing arrived */
	bool delivering : 1; /* on_data is on the stack */
	bool over_half : 1;  /* on_drained is owed */
};

static inline bool conn_is_live(const struct nj_conn *conn)
{
	return conn->state == STATE_OPENING || conn->state == STATE_OPEN;
}

static inline void conn_request_flush(struct nj_conn *conn)
{
	nj_defer(conn->reactor, &conn->at_end);
}

/* conn.c */
/* The socket goes at once; the object stays until the end of the turn, as callers up the stack still hold it. */
void conn_die(struct nj_conn *conn, enum nj_close why, bool reset);
/* To be called whenever a buffer may have grown or gone. */
void conn_count_held(struct nj_conn *conn);
void conn_hello_arrived(struct nj_conn *conn);

/* conn_input.c */
bool conn_may_read(const struct nj_conn *conn);
/* Reads and delivers one turn's share. */
void conn_pump_in(struct nj_conn *conn);
void conn_on_resume(struct nj_timer *timer);
/* Reads nothing for so long, or for what is left of a longer time. */
void conn_hold(struct nj_conn *conn, uint32_t ms);
/* What was read is delivered all the same: it is here already. */
void conn_charge(struct nj_conn *conn, uint32_t messages, size_t bytes);
enum nj_close conn_close_reason(enum nj_err err);

#endif
