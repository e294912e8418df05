#include "net/conn_state.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FINISH_MS 2000
#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

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

/* --- the end --- */

static void reset_on_close(int fd)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	/* Fails for Unix sockets alone, which have no reset. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void conn_die(struct nj_conn *conn, enum nj_close why, bool reset)
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

void conn_count_held(struct nj_conn *conn)
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
	conn_count_held(conn);
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
	conn_die(conn, conn->why, false);
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
		conn_die(conn, conn->why, true);
	else if (conn->first_due_ms != 0 && conn->first_due_ms <= now_ms)
		conn_die(conn, NJ_CLOSE_HELLO_TIMEOUT, true);
	else
		conn_die(conn, NJ_CLOSE_BIND_TIMEOUT, true);
}

void conn_hello_arrived(struct nj_conn *conn)
{
	if (conn->first_due_ms == 0 || !conn_is_live(conn))
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
	conn_count_held(conn);
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
		conn_die(conn, conn->state == STATE_FINISHING ? conn->why : NJ_CLOSE_IO, true);
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
	if (conn->toll != NULL)
		conn->toll->left(conn->toll_arg);
	free_conn(conn);
}

/* --- events --- */

static void open_conn(struct nj_conn *conn)
{
	conn->state = STATE_OPEN;
	if (nj_buf_len(&conn->out) > 0)
		conn_request_flush(conn);
	conn->ops->on_open(conn);
}

static void advance_handshake(struct nj_conn *conn)
{
	enum nj_err err = nj_tls_handshake(conn->tls);
	if (nj_tls_hello_seen(conn->tls))
		conn_hello_arrived(conn);
	/* What came with the end of the handshake is in OpenSSL's buffer by now, and the socket may never tell of it:
	 * an event says what is unread when it is fetched. */
	conn->readable |= err == NJ_OK;
	if (err == NJ_OK)
		open_conn(conn);
	else if (err != NJ_ERR_AGAIN)
		conn_die(conn, conn_close_reason(err), true);
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
		conn_die(conn, NJ_CLOSE_PEER, true);
	conn_pump_in(conn);
	if (conn->state == STATE_FINISHING || (conn->state == STATE_OPEN && (events & EPOLLOUT)))
		conn_request_flush(conn);
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
				  .resume = { .on_timer = conn_on_resume },
				  .at_end = { .on_turn_end = on_turn_end },
				  .peer = config->peer,
				  .local = config->local,
				  .may_carry = config->websocket,
				  .writable = true };
	nj_buf_init(&conn->in, config->max_in_bytes);
	nj_buf_init(&conn->out, config->max_out_bytes);
	if (config->secret) {
		nj_buf_wipes(&conn->in);
		nj_buf_wipes(&conn->out);
	}
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
	if (!conn_is_live(conn))
		return NJ_ERR_CLOSED;
	size_t room = conn->out.max - nj_buf_len(&conn->out);
	if (head.len > room || body.len > room - head.len)
		return NJ_ERR_LIMIT;
	/* Both or nothing: after this the appends cannot fail. */
	uint8_t *at;
	size_t reserved;
	NJ_TRY(nj_buf_reserve(&conn->out, head.len + body.len, &at, &reserved));
	conn_count_held(conn);
	NJ_TRY(nj_buf_append(&conn->out, head.data, head.len));
	NJ_TRY(nj_buf_append(&conn->out, body.data, body.len));
	if (nj_buf_len(&conn->out) > conn->out.max / 2)
		conn->over_half = true;
	conn_request_flush(conn);
	return NJ_OK;
}

size_t nj_conn_unsent(const struct nj_conn *conn)
{
	return nj_buf_len(&conn->out);
}

void nj_conn_pause(struct nj_conn *conn, bool paused)
{
	if (!conn_is_live(conn) || conn->paused == paused)
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
	if (ms > 0 && conn_is_live(conn))
		conn_hold(conn, ms);
}

void nj_conn_finish(struct nj_conn *conn, enum nj_close why)
{
	if (!conn_is_live(conn))
		return;
	/* Before the handshake is over there is nothing to say that a stranger may hear. */
	if (conn->state == STATE_OPENING && conn->tls != NULL) {
		conn_die(conn, why, true);
		return;
	}
	conn->state = STATE_FINISHING;
	conn->why = why;
	conn->bind_due_ms = 0;
	conn->first_due_ms = due_in(conn, FINISH_MS);
	nj_timer_cancel(&conn->resume);
	rearm_limit(conn);
	conn_request_flush(conn);
}

void nj_conn_abort(struct nj_conn *conn, enum nj_close why)
{
	conn_die(conn, why, true);
}

void nj_conn_bind_deadline(struct nj_conn *conn, uint32_t ms)
{
	if (!conn_is_live(conn))
		return;
	conn->bind_due_ms = due_in(conn, ms);
	rearm_limit(conn);
}

void nj_conn_proven(struct nj_conn *conn)
{
	nj_conn_bind_deadline(conn, 0);
}

void nj_conn_set_toll(struct nj_conn *conn, const struct nj_conn_toll *toll, void *arg)
{
	conn->toll = toll;
	conn->toll_arg = arg;
}

void *nj_conn_toll_arg(const struct nj_conn *conn)
{
	return conn->toll_arg;
}

void nj_conn_charge(struct nj_conn *conn, uint32_t messages)
{
	conn_charge(conn, messages, 0);
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

void nj_conn_set_ops(struct nj_conn *conn, const struct nj_conn_ops *ops, void *user)
{
	conn->ops = ops;
	conn->user = user;
	/* What the old owner left unread is the new one's; from inside on_data it is offered on return. */
	if (conn->delivering || nj_buf_len(&conn->in) == 0 || !conn_may_read(conn))
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
	conn_count_held(conn);
	/* What the socket is ready for is a new edge here. */
	if (nj_io_add(reactor, &conn->io, EVENTS) != NJ_OK) {
		conn_die(conn, NJ_CLOSE_IO, true);
		return;
	}
	rearm_limit(conn);
	if (nj_buf_len(&conn->out) > 0)
		conn_request_flush(conn);
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

const struct nj_tls_facts *nj_conn_tls_facts(const struct nj_conn *conn)
{
	if (conn->tls == NULL || conn->state == STATE_OPENING)
		return NULL;
	return nj_tls_facts(conn->tls);
}

void nj_conn_forget_offer(struct nj_conn *conn)
{
	if (conn->tls != NULL)
		nj_tls_forget_offer(conn->tls);
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
