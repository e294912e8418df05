/* A connection's input: read, unwrapped, paid for, delivered. */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "net/conn_state.h"

/* What one connection may read in a turn before the others have theirs. */
#define TURN_IN_BYTES (256 * 1024)
/* Growth step of an input buffer that holds an unfinished message. */
#define IN_STEP_BYTES (16 * 1024)

enum nj_close conn_close_reason(enum nj_err err)
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
		conn_die(conn, conn_close_reason(err), true);
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
	} while (conn->ops != asked && eaten < in.len && conn_is_live(conn) && !conn->paused);
	conn->delivering = false;
	return eaten;
}

/* A callee that eats nothing of a full buffer will never eat: the message is too large for it. */
static void check_stuck(struct nj_conn *conn, size_t eaten)
{
	if (eaten == 0 && !conn->paused && !nj_conn_held(conn) && conn_is_live(conn) &&
	    nj_buf_len(&conn->in) >= conn->in.max)
		conn_die(conn, NJ_CLOSE_PROTOCOL, true);
}

static void deliver_in_place(struct nj_conn *conn, struct nj_view in)
{
	size_t eaten = offer(conn, in);
	if (!conn_is_live(conn) || eaten == in.len)
		return;
	if (nj_buf_append(&conn->in, in.data + eaten, in.len - eaten) != NJ_OK)
		conn_die(conn, NJ_CLOSE_IO, true);
	conn_count_held(conn);
	check_stuck(conn, eaten);
}

static void deliver_buffered(struct nj_conn *conn)
{
	size_t eaten = offer(conn, nj_buf_view(&conn->in));
	nj_buf_eat(&conn->in, eaten);
	if (nj_buf_len(&conn->in) == 0)
		nj_buf_release(&conn->in);
	conn_count_held(conn);
	check_stuck(conn, eaten);
}

static void keep_unread(struct nj_conn *conn, struct nj_view in)
{
	if (nj_buf_append(&conn->in, in.data, in.len) != NJ_OK)
		conn_die(conn, NJ_CLOSE_IO, true);
	conn_count_held(conn);
}

/* What other threads said before the peer could say this comes first; it may end or pause the connection. */
static void deliver_by(struct nj_conn *conn, struct nj_view in, bool fresh)
{
	nj_reactor_take_posts(conn->reactor);
	if (!conn_is_live(conn))
		return;
	if (conn->paused && fresh)
		keep_unread(conn, in);
	else if (!conn->paused && fresh)
		deliver_in_place(conn, in);
	else if (!conn->paused)
		deliver_buffered(conn);
}

static void deliver(struct nj_conn *conn, struct nj_view in)
{
	bool fresh = nj_buf_len(&conn->in) == 0;
	uint8_t *scratch = fresh && conn->in.wipes ? nj_reactor_scratch(conn->reactor) : NULL;
	if (in.len == 0)
		return;
	if (!fresh)
		nj_buf_commit(&conn->in, in.len);
	deliver_by(conn, in, fresh);
	if (scratch != NULL)
		explicit_bzero(scratch, in.len);
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
	conn_count_held(conn);
	return err;
}

void conn_hold(struct nj_conn *conn, uint32_t ms)
{
	uint64_t until_ms = nj_reactor_now_ms(conn->reactor) + ms;

	if (until_ms > conn->held_until_ms)
		conn->held_until_ms = until_ms;
	nj_timer_arm(conn->reactor, &conn->resume, ms);
}

void conn_charge(struct nj_conn *conn, uint32_t messages, size_t bytes)
{
	uint32_t ms = conn->toll == NULL ? 0 : conn->toll->charge(conn->toll_arg, messages, bytes);

	if (ms == 0 || !conn_is_live(conn))
		return;
	conn_hold(conn, ms);
}

/* What was read becomes what it carries. */
static enum nj_err unwrap(struct nj_conn *conn, uint8_t *data, size_t *len)
{
	if (conn->may_carry != NULL && nj_carriage_wanted(data[0])) {
		conn->carriage = nj_carriage_new(conn->may_carry, &conn->peer);
		if (conn->carriage == NULL)
			return NJ_ERR_NO_MEMORY;
	}
	conn->may_carry = NULL;
	if (conn->carriage == NULL)
		return NJ_OK;
	enum nj_err err = nj_carriage_take(conn->carriage, data, *len, len);
	conn_count_held(conn);
	conn_request_flush(conn);
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
		conn_hello_arrived(conn);
		conn_charge(conn, 0, got);
		size_t len = got;
		broken = unwrap(conn, at, &len);
		deliver(conn, nj_view_of(at, len));
	}
	if (broken != NJ_OK && conn_is_live(conn))
		nj_conn_finish(conn, broken == NJ_ERR_CLOSED ? NJ_CLOSE_PEER : NJ_CLOSE_PROTOCOL);
	if (err != NJ_OK && err != NJ_ERR_AGAIN && err != NJ_ERR_BUSY && conn_is_live(conn))
		input_ended(conn, err);
	return got;
}

bool conn_may_read(const struct nj_conn *conn)
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

void conn_pump_in(struct nj_conn *conn)
{
	/* One share a turn, whether an event or the timer brought us here. */
	nj_timer_cancel(&conn->resume);
	if (conn->held_until_ms != 0 && !is_paid(conn))
		return;
	if (conn_may_read(conn) && conn->redeliver && nj_buf_len(&conn->in) > 0)
		deliver_buffered(conn);
	size_t budget = TURN_IN_BYTES;
	while (conn_may_read(conn) && conn->readable && budget > 0) {
		size_t got = read_once(conn, budget);
		if (got == 0)
			break;
		budget -= got;
	}
	if (conn_may_read(conn) && conn->readable && budget == 0)
		nj_timer_arm(conn->reactor, &conn->resume, 0);
}

void conn_on_resume(struct nj_timer *timer)
{
	conn_pump_in(NJ_CONTAINER(timer, struct nj_conn, resume));
}
