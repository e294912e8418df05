#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/carriage.h"
#include "net/internal.h"

/* What one connection may read in a turn before the others have theirs. */
#define TURN_IN_BYTES (256 * 1024)
/* Growth step of an input buffer that holds an unfinished message. */
#define IN_STEP_BYTES (16 * 1024)
#define FINISH_MS 2000
#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

enum state {
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
	struct nj_tls *tls;           /* NULL: plain */
	struct nj_carriage *carriage; /* NULL: no WebSocket */
	struct nj_buf in;             /* what on_data left; no memory while empty */
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
	struct nj_conn_toll toll;
	struct nj_addr peer;
	struct nj_addr local;
	size_t counted; /* bytes of both buffers, as the reactor knows them */
	enum state state;
	enum nj_close why;
	bool may_carry; /* a WebSocket, if the first byte wants it */
	bool paused;
	bool readable;   /* the socket may hold unread input */
	bool writable;   /* the socket took all that was offered */
	bool hung_up;    /* epoll reported an end: input ends after what is unread */
	bool redeliver;  /* on_data may eat what it left, though nothing arrived */
	bool delivering; /* on_data is on the stack */
	bool over_half;  /* on_drained is owed */
};

const char *nj_close_name(enum nj_close why)
{
	switch (why) {
#define NJ_CLOSE_NAME(name, text) \
	case name:                \
		return text;
		NJ_CLOSE_TABLE(NJ_CLOSE_NAME)
#undef NJ_CLOSE_NAME
	}
	return "unknown";
}

static bool is_live(const struct nj_conn *conn)
{
	return conn->state == STATE_OPENING || conn->state == STATE_OPEN;
}

static void request_flush(struct nj_conn *conn)
{
	nj_defer(conn->reactor, &conn->at_end);
}

/* --- the end --- */

static void reset_on_close(int fd)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	/* Fails for Unix sockets alone, which have no reset. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/* The socket goes at once; the object stays until the end of the turn, as callers up the stack still hold it. */
static void die(struct nj_conn *conn, enum nj_close why, bool reset)
{
	if (conn->state == STATE_DEAD)
		return;
	conn->state = STATE_DEAD;
	conn->why = why;
	nj_timer_cancel(&conn->limit);
	nj_timer_cancel(&conn->resume);
	nj_io_remove(&conn->io);
	if (reset)
		reset_on_close(conn->io.fd);
	close(conn->io.fd);
	conn->io.fd = -1;
	nj_defer(conn->reactor, &conn->at_end);
}

/* To be called whenever a buffer may have grown or gone. */
static void count_held(struct nj_conn *conn)
{
	size_t held = conn->in.cap + conn->out.cap + (conn->tls != NULL ? nj_tls_held_bytes(conn->tls) : 0) +
		      (conn->carriage != NULL ? nj_carriage_held_bytes(conn->carriage) : 0);
	if (held == conn->counted)
		return;
	nj_reactor_count_held(conn->reactor, conn->counted, held);
	conn->counted = held;
}

static void free_conn(struct nj_conn *conn)
{
	nj_tls_free(conn->tls);
	conn->tls = NULL;
	nj_carriage_free(conn->carriage);
	conn->carriage = NULL;
	nj_buf_done(&conn->in);
	nj_buf_done(&conn->out);
	count_held(conn);
	free(conn);
}

/* Input that nobody read would turn the close into a reset, which can destroy the output on its way. */
static void discard_input(struct nj_conn *conn)
{
	(void)!recv(conn->io.fd, nj_reactor_scratch(conn->reactor), NJ_SCRATCH_BYTES, MSG_DONTWAIT);
}

static void close_orderly(struct nj_conn *conn)
{
	if (conn->tls != NULL)
		nj_tls_close_notify(conn->tls);
	discard_input(conn);
	die(conn, conn->why, false);
}

/* --- time limits --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return a < b ? a : b;
}

static void rearm_limit(struct nj_conn *conn)
{
	uint64_t due_ms = earlier(conn->first_due_ms, conn->bind_due_ms);
	uint64_t now_ms = nj_reactor_now_ms(conn->reactor);
	if (due_ms == 0)
		nj_timer_cancel(&conn->limit);
	else
		nj_timer_arm(conn->reactor, &conn->limit, due_ms > now_ms ? due_ms - now_ms : 0);
}

static uint64_t due_in(const struct nj_conn *conn, uint32_t ms)
{
	return ms == 0 ? 0 : nj_reactor_now_ms(conn->reactor) + ms;
}

static void on_limit(struct nj_timer *timer)
{
	struct nj_conn *conn = NJ_CONTAINER(timer, struct nj_conn, limit);
	uint64_t now_ms = nj_reactor_now_ms(conn->reactor);
	if (conn->state == STATE_FINISHING)
		die(conn, conn->why, true);
	else if (conn->first_due_ms != 0 && conn->first_due_ms <= now_ms)
		die(conn, NJ_CLOSE_HELLO_TIMEOUT, true);
	else
		die(conn, NJ_CLOSE_BIND_TIMEOUT, true);
}

static void hello_arrived(struct nj_conn *conn)
{
	if (conn->first_due_ms == 0 || !is_live(conn))
		return;
	conn->first_due_ms = 0;
	rearm_limit(conn);
}

/* --- output --- */

static enum nj_err write_some(struct nj_conn *conn, struct nj_view out, bool more, size_t *out_written)
{
	if (conn->tls != NULL)
		return nj_tls_write(conn->tls, out.data, out.len, out_written);
	ssize_t n;
	do
		n = send(conn->io.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? NJ_ERR_AGAIN : NJ_ERR_IO;
	*out_written = (size_t)n;
	return NJ_OK;
}

static enum nj_err write_payload(struct nj_conn *conn, size_t len)
{
	struct nj_view out = nj_buf_view(&conn->out);
	size_t written = 0;
	NJ_TRY(write_some(conn, nj_view_of(out.data, len), false, &written));
	nj_buf_eat(&conn->out, written);
	conn->bytes_out += written;
	if (conn->carriage != NULL)
		nj_carriage_wrote_payload(conn->carriage, written);
	return NJ_OK;
}

/* Frames and what stands between them. */
static enum nj_err write_carriage(struct nj_conn *conn)
{
	for (;;) {
		size_t payload = 0;
		struct nj_view head = nj_carriage_head(conn->carriage, nj_buf_len(&conn->out), &payload);
		if (head.len == 0 && payload == 0)
			return NJ_OK;
		if (head.len > 0) {
			size_t written = 0;
			NJ_TRY(write_some(conn, head, payload > 0, &written));
			nj_carriage_wrote_head(conn->carriage, written);
		} else {
			NJ_TRY(write_payload(conn, payload));
		}
	}
}

static enum nj_err write_all(struct nj_conn *conn)
{
	if (conn->tls != NULL)
		NJ_TRY(nj_tls_flush(conn->tls));
	if (conn->carriage != NULL)
		NJ_TRY(write_carriage(conn));
	while (conn->carriage == NULL && nj_buf_len(&conn->out) > 0)
		NJ_TRY(write_payload(conn, nj_buf_len(&conn->out)));
	if (conn->carriage != NULL && conn->state == STATE_FINISHING) {
		nj_carriage_goodbye(conn->carriage);
		NJ_TRY(write_carriage(conn));
	}
	return conn->tls != NULL ? nj_tls_flush(conn->tls) : NJ_OK;
}

/* Writes until all is out or the socket is full. */
static enum nj_err write_out(struct nj_conn *conn)
{
	enum nj_err err = write_all(conn);
	nj_buf_release(&conn->out);
	count_held(conn);
	return err;
}

static void tell_drained(struct nj_conn *conn)
{
	if (!conn->over_half || nj_buf_len(&conn->out) >= conn->out.max / 2)
		return;
	conn->over_half = false;
	if (conn->state == STATE_OPEN && conn->ops->on_drained != NULL)
		conn->ops->on_drained(conn);
}

static void flush(struct nj_conn *conn)
{
	if (conn->state == STATE_OPENING || !conn->writable)
		return;
	enum nj_err err = write_out(conn);
	if (err == NJ_ERR_AGAIN)
		conn->writable = false;
	else if (err != NJ_OK)
		die(conn, conn->state == STATE_FINISHING ? conn->why : NJ_CLOSE_IO, true);
	else if (conn->state == STATE_FINISHING)
		close_orderly(conn);
	if (conn->state != STATE_DEAD)
		tell_drained(conn);
}

static void on_turn_end(struct nj_deferred *work)
{
	struct nj_conn *conn = NJ_CONTAINER(work, struct nj_conn, at_end);
	if (conn->state != STATE_DEAD) {
		flush(conn);
		return;
	}
	conn->ops->on_close(conn, conn->why);
	nj_defer_cancel(&conn->at_end);
	if (conn->toll.left != NULL)
		conn->toll.left(conn->toll.arg);
	free_conn(conn);
}

/* --- input --- */

static enum nj_close close_reason(const struct nj_conn *conn, enum nj_err err)
{
	if (err == NJ_ERR_CLOSED)
		return NJ_CLOSE_PEER;
	return err == NJ_ERR_FORGED ? NJ_CLOSE_TLS : NJ_CLOSE_IO;
}

/* The peer sends no more: what we owe it is still written. */
static void input_ended(struct nj_conn *conn, enum nj_err err)
{
	if (err == NJ_ERR_CLOSED)
		nj_conn_finish(conn, NJ_CLOSE_PEER);
	else
		die(conn, close_reason(conn, err), true);
}

static enum nj_err read_plain(struct nj_conn *conn, uint8_t *out, size_t cap, size_t *out_len)
{
	ssize_t n;
	do
		n = recv(conn->io.fd, out, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? NJ_ERR_AGAIN : NJ_ERR_IO;
	if (n == 0)
		return NJ_ERR_CLOSED;
	*out_len = (size_t)n;
	/* A short read emptied the socket, and more input is a new edge (epoll(7)); only an end that epoll reported
	 * already has no edge to come. */
	return (size_t)n < cap && !conn->hung_up ? NJ_ERR_AGAIN : NJ_OK;
}

/* Records one after the other, so that on_data sees them as one piece. */
static enum nj_err read_tls(struct nj_conn *conn, uint8_t *out, size_t cap, size_t *out_len)
{
	enum nj_err err = NJ_OK;
	while (err == NJ_OK && *out_len < cap) {
		size_t n = 0;
		err = nj_tls_read(conn->tls, out + *out_len, cap - *out_len, &n);
		*out_len += n;
	}
	return err;
}

/* Offers unread bytes; a callee that hands the connection on leaves the rest to its successor. */
static size_t offer(struct nj_conn *conn, struct nj_view in)
{
	size_t eaten = 0;
	const struct nj_conn_ops *asked;
	conn->redeliver = false;
	conn->delivering = true;
	do {
		asked = conn->ops;
		size_t n = asked->on_data(conn, nj_view_of(in.data + eaten, in.len - eaten));
		assert(n <= in.len - eaten);
		eaten += n;
	} while (conn->ops != asked && eaten < in.len && is_live(conn) && !conn->paused);
	conn->delivering = false;
	return eaten;
}

/* A callee that eats nothing of a full buffer will never eat: the message is too large for it. */
static void check_stuck(struct nj_conn *conn, size_t eaten)
{
	if (eaten == 0 && !conn->paused && !nj_conn_held(conn) && is_live(conn) &&
	    nj_buf_len(&conn->in) >= conn->in.max)
		die(conn, NJ_CLOSE_PROTOCOL, true);
}

static void deliver_in_place(struct nj_conn *conn, struct nj_view in)
{
	size_t eaten = offer(conn, in);
	if (!is_live(conn) || eaten == in.len)
		return;
	if (nj_buf_append(&conn->in, in.data + eaten, in.len - eaten) != NJ_OK)
		die(conn, NJ_CLOSE_IO, true);
	count_held(conn);
	check_stuck(conn, eaten);
}

static void deliver_buffered(struct nj_conn *conn)
{
	size_t eaten = offer(conn, nj_buf_view(&conn->in));
	nj_buf_eat(&conn->in, eaten);
	if (nj_buf_len(&conn->in) == 0)
		nj_buf_release(&conn->in);
	count_held(conn);
	check_stuck(conn, eaten);
}

static void keep_unread(struct nj_conn *conn, struct nj_view in)
{
	if (nj_buf_append(&conn->in, in.data, in.len) != NJ_OK)
		die(conn, NJ_CLOSE_IO, true);
	count_held(conn);
}

/* What other threads said before the peer could say this comes first; it may end or pause the connection. */
static void deliver(struct nj_conn *conn, struct nj_view in)
{
	bool fresh = nj_buf_len(&conn->in) == 0;
	if (in.len == 0)
		return;
	if (!fresh)
		nj_buf_commit(&conn->in, in.len);
	nj_reactor_take_posts(conn->reactor);
	if (!is_live(conn))
		return;
	if (conn->paused && fresh)
		keep_unread(conn, in);
	else if (!conn->paused && fresh)
		deliver_in_place(conn, in);
	else if (!conn->paused)
		deliver_buffered(conn);
}

/* Where the next input goes: the reactor's scratch when nothing is held, else behind what is. */
static enum nj_err input_room(struct nj_conn *conn, size_t budget, uint8_t **out_at, size_t *out_room)
{
	size_t held = nj_buf_len(&conn->in);
	size_t room = conn->in.max - held < budget ? conn->in.max - held : budget;
	if (held == 0) {
		*out_at = nj_reactor_scratch(conn->reactor);
		*out_room = room < NJ_SCRATCH_BYTES ? room : NJ_SCRATCH_BYTES;
		return NJ_OK;
	}
	size_t had;
	*out_room = room < IN_STEP_BYTES ? room : IN_STEP_BYTES;
	enum nj_err err = nj_buf_reserve(&conn->in, *out_room, out_at, &had);
	count_held(conn);
	return err;
}

/* Reads nothing for so long, or for what is left of a longer time. */
static void hold(struct nj_conn *conn, uint32_t ms)
{
	uint64_t until_ms = nj_reactor_now_ms(conn->reactor) + ms;

	if (until_ms > conn->held_until_ms)
		conn->held_until_ms = until_ms;
	nj_timer_arm(conn->reactor, &conn->resume, ms);
}

/* What was read is delivered all the same: it is here already. */
static void charge(struct nj_conn *conn, uint32_t messages, size_t bytes)
{
	uint32_t ms = conn->toll.charge == NULL ? 0 : conn->toll.charge(conn->toll.arg, messages, bytes);

	if (ms == 0 || !is_live(conn))
		return;
	hold(conn, ms);
}

/* What was read becomes what it carries. */
static enum nj_err unwrap(struct nj_conn *conn, uint8_t *data, size_t *len)
{
	if (conn->may_carry && nj_carriage_wanted(data[0])) {
		conn->carriage = nj_carriage_new();
		if (conn->carriage == NULL)
			return NJ_ERR_NO_MEMORY;
	}
	conn->may_carry = false;
	if (conn->carriage == NULL)
		return NJ_OK;
	enum nj_err err = nj_carriage_take(conn->carriage, data, *len, len);
	count_held(conn);
	request_flush(conn);
	return err;
}

/* Reads once and delivers. Returns the bytes read. */
static size_t read_once(struct nj_conn *conn, size_t budget)
{
	uint8_t *at;
	size_t room;
	size_t got = 0;
	enum nj_err broken = NJ_OK;
	enum nj_err err = input_room(conn, budget, &at, &room);
	if (err == NJ_OK)
		err = conn->tls != NULL ? read_tls(conn, at, room, &got) : read_plain(conn, at, room, &got);
	if (err != NJ_OK)
		conn->readable = err == NJ_ERR_BUSY;
	if (got > 0) {
		conn->bytes_in += got;
		hello_arrived(conn);
		charge(conn, 0, got);
		size_t len = got;
		broken = unwrap(conn, at, &len);
		deliver(conn, nj_view_of(at, len));
	}
	if (broken != NJ_OK && is_live(conn))
		nj_conn_finish(conn, broken == NJ_ERR_CLOSED ? NJ_CLOSE_PEER : NJ_CLOSE_PROTOCOL);
	if (err != NJ_OK && err != NJ_ERR_AGAIN && err != NJ_ERR_BUSY && is_live(conn))
		input_ended(conn, err);
	return got;
}

static bool may_read(const struct nj_conn *conn)
{
	return conn->state == STATE_OPEN && !conn->paused && conn->held_until_ms == 0;
}

/* Looks whether the time is over; else comes again. */
static bool is_paid(struct nj_conn *conn)
{
	uint64_t now_ms = nj_reactor_now_ms(conn->reactor);

	if (now_ms < conn->held_until_ms) {
		nj_timer_arm(conn->reactor, &conn->resume, conn->held_until_ms - now_ms);
		return false;
	}
	conn->held_until_ms = 0;
	conn->redeliver = true;
	return true;
}

static void pump_in(struct nj_conn *conn)
{
	/* One share a turn, whether an event or the timer brought us here. */
	nj_timer_cancel(&conn->resume);
	if (conn->held_until_ms != 0 && !is_paid(conn))
		return;
	if (may_read(conn) && conn->redeliver && nj_buf_len(&conn->in) > 0)
		deliver_buffered(conn);
	size_t budget = TURN_IN_BYTES;
	while (may_read(conn) && conn->readable && budget > 0) {
		size_t got = read_once(conn, budget);
		if (got == 0)
			break;
		budget -= got;
	}
	if (may_read(conn) && conn->readable && budget == 0)
		nj_timer_arm(conn->reactor, &conn->resume, 0);
}

static void on_resume(struct nj_timer *timer)
{
	pump_in(NJ_CONTAINER(timer, struct nj_conn, resume));
}

/* --- events --- */

static void open_conn(struct nj_conn *conn)
{
	conn->state = STATE_OPEN;
	if (nj_buf_len(&conn->out) > 0)
		request_flush(conn);
	conn->ops->on_open(conn);
}

static void advance_handshake(struct nj_conn *conn)
{
	enum nj_err err = nj_tls_handshake(conn->tls);
	if (nj_tls_hello_seen(conn->tls))
		hello_arrived(conn);
	/* What came with the end of the handshake is in OpenSSL's buffer by now, and the socket may never tell of it:
	 * an event says what is unread when it is fetched. */
	conn->readable |= err == NJ_OK;
	if (err == NJ_OK)
		open_conn(conn);
	else if (err != NJ_ERR_AGAIN)
		die(conn, close_reason(conn, err), true);
}

static void on_event(struct nj_io *io, uint32_t events)
{
	struct nj_conn *conn = NJ_CONTAINER(io, struct nj_conn, io);
	bool failed = (events & (EPOLLHUP | EPOLLERR)) != 0;
	conn->writable |= (events & EPOLLOUT) != 0;
	conn->hung_up |= failed || (events & EPOLLRDHUP) != 0;
	conn->readable |= conn->hung_up || (events & EPOLLIN) != 0;
	if (conn->state == STATE_OPENING && conn->tls != NULL)
		advance_handshake(conn);
	else if (conn->state == STATE_OPENING)
		open_conn(conn);
	/* Who does not read would not learn of the end. */
	if (failed && conn->paused)
		die(conn, NJ_CLOSE_PEER, true);
	pump_in(conn);
	if (conn->state == STATE_FINISHING || (conn->state == STATE_OPEN && (events & EPOLLOUT)))
		request_flush(conn);
}

/* --- for the owner --- */

/* A turn's output leaves in one write, so Nagle has nothing to gather and would only wait for an ACK. */
static void send_without_delay(int fd)
{
	const int on = 1;
	/* Fails for Unix sockets alone, which do not delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static enum nj_err start(struct nj_reactor *reactor, struct nj_conn *conn, const struct nj_conn_config *config)
{
	if (config->tls != NULL)
		NJ_TRY(nj_tls_new(config->tls, config->fd, config->user, &conn->tls));
	send_without_delay(config->fd);
	NJ_TRY(nj_io_add(reactor, &conn->io, EVENTS));
	conn->first_due_ms = due_in(conn, config->hello_timeout_ms);
	rearm_limit(conn);
	return NJ_OK;
}

enum nj_err nj_conn_new(struct nj_reactor *reactor, const struct nj_conn_config *config, struct nj_conn **out_conn)
{
	assert(config->max_in_bytes > 0 && config->max_out_bytes > 0 && config->ops != NULL);
	struct nj_conn *conn = malloc(sizeof *conn);
	if (conn == NULL) {
		close(config->fd);
		return NJ_ERR_NO_MEMORY;
	}
	*conn = (struct nj_conn){ .io = { .fd = config->fd, .on_event = on_event },
				  .reactor = reactor,
				  .ops = config->ops,
				  .user = config->user,
				  .limit = { .on_timer = on_limit },
				  .resume = { .on_timer = on_resume },
				  .at_end = { .on_turn_end = on_turn_end },
				  .peer = config->peer,
				  .local = config->local,
				  .may_carry = config->websocket,
				  .writable = true };
	nj_buf_init(&conn->in, config->max_in_bytes);
	nj_buf_init(&conn->out, config->max_out_bytes);
	enum nj_err err = start(reactor, conn, config);
	if (err != NJ_OK) {
		close(config->fd);
		free_conn(conn);
		return err;
	}
	*out_conn = conn;
	return NJ_OK;
}

enum nj_err nj_conn_send(struct nj_conn *conn, const void *data, size_t len)
{
	return nj_conn_send2(conn, nj_view_of(data, len), nj_view_of(NULL, 0));
}

enum nj_err nj_conn_send2(struct nj_conn *conn, struct nj_view head, struct nj_view body)
{
	if (!is_live(conn))
		return NJ_ERR_CLOSED;
	size_t room = conn->out.max - nj_buf_len(&conn->out);
	if (head.len > room || body.len > room - head.len)
		return NJ_ERR_LIMIT;
	/* Both or nothing: after this the appends cannot fail. */
	uint8_t *at;
	size_t reserved;
	NJ_TRY(nj_buf_reserve(&conn->out, head.len + body.len, &at, &reserved));
	count_held(conn);
	NJ_TRY(nj_buf_append(&conn->out, head.data, head.len));
	NJ_TRY(nj_buf_append(&conn->out, body.data, body.len));
	if (nj_buf_len(&conn->out) > conn->out.max / 2)
		conn->over_half = true;
	request_flush(conn);
	return NJ_OK;
}

size_t nj_conn_unsent(const struct nj_conn *conn)
{
	return nj_buf_len(&conn->out);
}

void nj_conn_pause(struct nj_conn *conn, bool paused)
{
	if (!is_live(conn) || conn->paused == paused)
		return;
	conn->paused = paused;
	if (paused) {
		nj_timer_cancel(&conn->resume);
		return;
	}
	conn->redeliver = true;
	nj_timer_arm(conn->reactor, &conn->resume, 0);
}

void nj_conn_pause_for(struct nj_conn *conn, uint32_t ms)
{
	if (is_live(conn))
		hold(conn, ms);
}

void nj_conn_finish(struct nj_conn *conn, enum nj_close why)
{
	if (!is_live(conn))
		return;
	/* Before the handshake is over there is nothing to say that a stranger may hear. */
	if (conn->state == STATE_OPENING && conn->tls != NULL) {
		die(conn, why, true);
		return;
	}
	conn->state = STATE_FINISHING;
	conn->why = why;
	conn->bind_due_ms = 0;
	conn->first_due_ms = due_in(conn, FINISH_MS);
	nj_timer_cancel(&conn->resume);
	rearm_limit(conn);
	request_flush(conn);
}

void nj_conn_abort(struct nj_conn *conn, enum nj_close why)
{
	die(conn, why, true);
}

void nj_conn_bind_deadline(struct nj_conn *conn, uint32_t ms)
{
	if (!is_live(conn))
		return;
	conn->bind_due_ms = due_in(conn, ms);
	rearm_limit(conn);
}

void nj_conn_proven(struct nj_conn *conn)
{
	nj_conn_bind_deadline(conn, 0);
}

void nj_conn_set_toll(struct nj_conn *conn, const struct nj_conn_toll *toll)
{
	conn->toll = *toll;
}

void *nj_conn_toll_arg(const struct nj_conn *conn)
{
	return conn->toll.arg;
}

void nj_conn_charge(struct nj_conn *conn, uint32_t messages)
{
	charge(conn, messages, 0);
}

bool nj_conn_held(const struct nj_conn *conn)
{
	return conn->held_until_ms != 0;
}

void nj_conn_mark(struct nj_conn *conn, uint64_t mark)
{
	conn->mark = mark;
}

uint64_t nj_conn_mark_of(const struct nj_conn *conn)
{
	return conn->mark;
}

void *nj_conn_user(const struct nj_conn *conn)
{
	return conn->user;
}

void nj_conn_set_user(struct nj_conn *conn, void *user)
{
	conn->user = user;
}

void nj_conn_set_ops(struct nj_conn *conn, const struct nj_conn_ops *ops, void *user)
{
	conn->ops = ops;
	conn->user = user;
	/* What the old owner left unread is the new one's; from inside on_data it is offered on return. */
	if (conn->delivering || nj_buf_len(&conn->in) == 0 || !may_read(conn))
		return;
	conn->redeliver = true;
	nj_timer_arm(conn->reactor, &conn->resume, 0);
}

enum nj_err nj_conn_detach(struct nj_conn *conn)
{
	if (conn->state != STATE_OPEN || conn->delivering)
		return NJ_ERR_STATE;
	nj_timer_cancel(&conn->limit);
	nj_timer_cancel(&conn->resume);
	nj_defer_cancel(&conn->at_end);
	nj_io_remove(&conn->io);
	nj_reactor_count_held(conn->reactor, conn->counted, 0);
	conn->counted = 0;
	conn->reactor = NULL;
	return NJ_OK;
}

void nj_conn_attach(struct nj_conn *conn, struct nj_reactor *reactor, const struct nj_conn_ops *ops, void *user)
{
	conn->reactor = reactor;
	conn->ops = ops;
	conn->user = user;
	conn->paused = false;
	count_held(conn);
	/* What the socket is ready for is a new edge here. */
	if (nj_io_add(reactor, &conn->io, EVENTS) != NJ_OK) {
		die(conn, NJ_CLOSE_IO, true);
		return;
	}
	rearm_limit(conn);
	if (nj_buf_len(&conn->out) > 0)
		request_flush(conn);
	/* What is unread, or owed, is seen to in the next turn. */
	conn->redeliver = nj_buf_len(&conn->in) > 0;
	if (conn->redeliver || conn->held_until_ms != 0)
		nj_timer_arm(reactor, &conn->resume, 0);
}

const struct nj_addr *nj_conn_peer(const struct nj_conn *conn)
{
	return &conn->peer;
}

const struct nj_addr *nj_conn_local(const struct nj_conn *conn)
{
	return &conn->local;
}

struct nj_reactor *nj_conn_reactor(const struct nj_conn *conn)
{
	return conn->reactor;
}

const struct nj_tls_facts *nj_conn_tls_facts(const struct nj_conn *conn)
{
	if (conn->tls == NULL || conn->state == STATE_OPENING)
		return NULL;
	return nj_tls_facts(conn->tls);
}

enum nj_err nj_conn_export(const struct nj_conn *conn, const char *label, void *out, size_t len)
{
	if (conn->tls == NULL || conn->state == STATE_OPENING)
		return NJ_ERR_STATE;
	return nj_tls_export(conn->tls, label, out, len);
}

bool nj_conn_revoked_by(const struct nj_conn *conn, const struct nj_tls_trust *trust)
{
	return conn->tls != NULL && nj_tls_peer_revoked(conn->tls, trust);
}

uint64_t nj_conn_bytes_in(const struct nj_conn *conn)
{
	return conn->bytes_in;
}

uint64_t nj_conn_bytes_out(const struct nj_conn *conn)
{
	return conn->bytes_out;
}
