#include "cli/connect.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/list.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/ports.h"

#define PAIRS_MAX 256
#define BUFFER_BYTES (64 * 1024)
#define BIND_MS 10000         /* from the SYN to the gateway's proof */
#define BACK_OFF_MS 1000      /* after the first failure, doubled with each … */
#define BACK_OFF_MAX_MS 60000 /* … up to this */

/* A client's connection and the gateway's, side by side. */
struct pair {
	struct nj_list link;
	struct proxy *proxy;
	struct nj_conn *local;  /* NULL when gone */
	struct nj_conn *remote; /* NULL before the SYN, and when gone */
	bool bound;
};

struct proxy {
	struct nj_attempt *attempt;
	struct nj_reactor *reactor;
	struct nj_listener listener;
	struct nj_list pairs; /* oldest first */
	size_t count;
	struct pair *knocking; /* the one handshake that is on its way */
	struct nj_timer wait;  /* for the door after a knock, or for the next try */
	uint32_t failures;     /* one after the other */
	bool backing_off;
	bool once;
	enum nj_err outcome; /* of `once` */
};

static void start_next(struct proxy *proxy);

/* ---- pairs ---- */

static void pair_check(struct pair *pair)
{
	struct proxy *proxy = pair->proxy;

	if (pair->local != NULL || pair->remote != NULL || proxy->knocking == pair)
		return;
	if (proxy->once) {
		proxy->outcome = pair->bound ? NJ_OK : NJ_ERR_CLOSED;
		nj_reactor_stop(proxy->reactor);
	}
	nj_list_remove(&pair->link);
	proxy->count--;
	free(pair);
}

/* As much as the other side has room for; the rest waits here, and its sender with it. */
static size_t relay(struct nj_conn *from, struct nj_conn *to, struct nj_view in)
{
	size_t room = to == NULL ? 0 : BUFFER_BYTES - nj_conn_unsent(to);
	size_t len = in.len < room ? in.len : room;

	if (len > 0 && nj_conn_send(to, in.data, len) != NJ_OK)
		len = 0;
	if (len < in.len)
		nj_conn_pause(from, true);
	return len;
}

/* ---- the client's side ---- */

static void local_open(struct nj_conn *conn)
{
	(void)conn;
}

static size_t local_data(struct nj_conn *conn, struct nj_view in)
{
	const struct pair *pair = nj_conn_user(conn);

	return relay(conn, pair->remote, in);
}

static void local_drained(struct nj_conn *conn)
{
	const struct pair *pair = nj_conn_user(conn);

	if (pair->remote != NULL)
		nj_conn_pause(pair->remote, false);
}

static void local_close(struct nj_conn *conn, enum nj_close why)
{
	struct pair *pair = nj_conn_user(conn);

	(void)why;
	pair->local = NULL;
	if (pair->remote != NULL)
		nj_conn_finish(pair->remote, NJ_CLOSE_LOCAL);
	pair_check(pair);
}

static const struct nj_conn_ops local_ops = {
	.on_open = local_open,
	.on_data = local_data,
	.on_drained = local_drained,
	.on_close = local_close,
};

/* ---- the handshake ---- */

static uint64_t back_off_ms(const struct proxy *proxy)
{
	uint64_t ms = BACK_OFF_MS;
	uint8_t jitter = 0;

	for (uint32_t i = 1; i < proxy->failures && ms < BACK_OFF_MAX_MS; i++)
		ms *= 2;
	nj_random_fill(nj_random_system(), &jitter, sizeof(jitter));
	return (ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS) * (192 + jitter / 2) / 256;
}

/* The handshake on its way is over; what comes next may have to wait. */
static void settled(struct proxy *proxy, bool bound)
{
	proxy->knocking = NULL;
	proxy->failures = bound ? 0 : proxy->failures + 1;
	proxy->backing_off = !bound;
	if (!bound)
		nj_timer_arm(proxy->reactor, &proxy->wait, back_off_ms(proxy));
	start_next(proxy);
}

static void fail(struct pair *pair, const char *reason)
{
	struct proxy *proxy = pair->proxy;

	fprintf(stderr, "nightjar: not connected: %s\n", reason);
	if (proxy->attempt->file.attempt > NJ_KNOCK_WINDOW)
		fprintf(stderr,
			"nightjar: no connection was proven in %" PRIu64 " attempts; the search for the gateway's "
			"counter goes on with each try\n",
			proxy->attempt->file.attempt);
	if (pair->local != NULL)
		nj_conn_abort(pair->local, NJ_CLOSE_UNBOUND);
	settled(proxy, false);
	pair_check(pair);
}

static void remote_open(struct nj_conn *conn)
{
	struct pair *pair = nj_conn_user(conn);
	struct proxy *proxy = pair->proxy;
	const struct nj_tls_facts *facts = nj_conn_tls_facts(conn);

	/* The context accepts no other end of a handshake; who forwards bytes asks all the same. */
	if (facts == NULL || (!facts->psk_bound && !facts->certificate_bound)) {
		nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
		return;
	}
	pair->bound = true;
	nj_conn_proven(conn);
	if (nj_credential_prove(proxy->attempt->path, proxy->attempt->counter, &proxy->attempt->cli->why) != NJ_OK)
		fprintf(stderr, "nightjar: %s\n", proxy->attempt->cli->why.text);
	fprintf(stderr, "nightjar: connected; the gateway is verified by %s\n",
		facts->psk_bound ? "the one-time key" : "its certificate");
	if (pair->local != NULL)
		nj_conn_pause(pair->local, false);
	else
		nj_conn_finish(conn, NJ_CLOSE_LOCAL);
	settled(proxy, true);
}

static size_t remote_data(struct nj_conn *conn, struct nj_view in)
{
	const struct pair *pair = nj_conn_user(conn);

	return relay(conn, pair->local, in);
}

static void remote_drained(struct nj_conn *conn)
{
	const struct pair *pair = nj_conn_user(conn);

	if (pair->local != NULL)
		nj_conn_pause(pair->local, false);
}

static const char *failure(enum nj_close why)
{
	switch (why) {
	case NJ_CLOSE_TLS:
		return "the gateway did not prove itself, or refused the proof";
	case NJ_CLOSE_BIND_TIMEOUT:
		return "the door stayed shut (is the knock's port reachable, the device known, its clock right?)";
	default:
		return nj_close_name(why);
	}
}

static void remote_close(struct nj_conn *conn, enum nj_close why)
{
	struct pair *pair = nj_conn_user(conn);

	pair->remote = NULL;
	if (!pair->bound) {
		fail(pair, failure(why));
		return;
	}
	if (pair->local != NULL)
		nj_conn_finish(pair->local, NJ_CLOSE_PEER);
	pair_check(pair);
}

static const struct nj_conn_ops remote_ops = {
	.on_open = remote_open,
	.on_data = remote_data,
	.on_drained = remote_drained,
	.on_close = remote_close,
};

/* The key is offered always; certificate and CA where the credentials hold a certificate. Without one nothing but the
 * key proves the gateway. */
static enum nj_err make_context(struct nj_attempt *attempt, struct nj_tls_ctx **out_ctx)
{
	const struct nj_credfile *file = &attempt->file;
	bool certified = file->cert[0] != '\0' && file->ca[0] != '\0';
	struct nj_tls_client_config config = {
		.psk_identity = attempt->hint,
		.cert_pem = certified ? file->cert : NULL,
		.key_pem = certified ? file->cert_key : NULL,
		.ca_pem = certified ? file->ca : NULL,
		.server_name = file->host[0] != '\0' ? file->host : attempt->host,
	};
	enum nj_err err = nj_hex_decode(nj_view_str(attempt->secret), config.psk, sizeof(config.psk));

	if (err == NJ_OK)
		err = nj_tls_client_ctx_new(&config, out_ctx, &attempt->cli->why);
	nj_wipe(&config, sizeof(config));
	return err;
}

static enum nj_err begin_connect(const struct nj_addr *to, int *out_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(to, &sa);
	NJ_CLEANUP_FD int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS))
		return nj_err_from_errno(errno);
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

static enum nj_err connect_remote(struct pair *pair)
{
	struct proxy *proxy = pair->proxy;
	struct nj_attempt *attempt = proxy->attempt;
	struct nj_tls_ctx *ctx = NULL;
	struct nj_conn_config config = {
		.peer = attempt->target,
		.max_in_bytes = BUFFER_BYTES,
		.max_out_bytes = BUFFER_BYTES,
		.ops = &remote_ops,
		.user = pair,
	};

	config.peer.port = attempt->file.port[attempt->service];
	NJ_TRY(make_context(attempt, &ctx));
	config.tls = ctx;
	enum nj_err err = begin_connect(&config.peer, &config.fd);
	if (err == NJ_OK)
		err = nj_conn_new(proxy->reactor, &config, &pair->remote);
	nj_tls_ctx_free(ctx);
	nj_wipe(attempt->secret, sizeof(attempt->secret));
	if (err == NJ_OK)
		nj_conn_bind_deadline(pair->remote, BIND_MS);
	return err;
}

static void on_wait(struct nj_timer *timer)
{
	struct proxy *proxy = NJ_CONTAINER(timer, struct proxy, wait);
	enum nj_err err;

	if (proxy->backing_off) {
		proxy->backing_off = false;
		start_next(proxy);
		return;
	}
	if (proxy->knocking == NULL)
		return;
	err = connect_remote(proxy->knocking);
	if (err != NJ_OK)
		fail(proxy->knocking, nj_err_text(err));
}

static struct pair *next_pair(const struct proxy *proxy)
{
	NJ_LIST_EACH (&proxy->pairs, at) {
		struct pair *pair = NJ_CONTAINER(at, struct pair, link);

		if (pair->local != NULL && pair->remote == NULL && !pair->bound)
			return pair;
	}
	return NULL;
}

/* One handshake at a time: two knocks of one device in flight could overtake each other. */
static void start_next(struct proxy *proxy)
{
	struct pair *pair = next_pair(proxy);
	struct nj_attempt *attempt = proxy->attempt;

	if (pair == NULL || proxy->knocking != NULL || proxy->backing_off)
		return;
	proxy->knocking = pair;
	attempt->cli->why.text[0] = '\0';
	enum nj_err err = nj_attempt_send(attempt, 0);
	if (err == NJ_OK)
		nj_timer_arm(proxy->reactor, &proxy->wait,
			     nj_args_number(attempt->cli->args, "wait-ms", NJ_ATTEMPT_WAIT_MS));
	else
		fail(pair, attempt->cli->why.text[0] != '\0' ? attempt->cli->why.text : nj_err_text(err));
}

/* ---- accepting ---- */

static void on_accept(struct nj_listener *listener, int fd, const struct nj_addr *peer)
{
	struct proxy *proxy = listener->user;
	struct pair *pair = proxy->count < PAIRS_MAX ? calloc(1, sizeof(*pair)) : NULL;
	const struct nj_conn_config config = {
		.fd = fd,
		.peer = *peer,
		.max_in_bytes = BUFFER_BYTES,
		.max_out_bytes = BUFFER_BYTES,
		.ops = &local_ops,
		.user = pair,
	};

	if (pair == NULL) {
		close(fd);
		return;
	}
	pair->proxy = proxy;
	if (nj_conn_new(proxy->reactor, &config, &pair->local) != NJ_OK) {
		free(pair);
		return;
	}
	/* Read when there is somebody to tell. */
	nj_conn_pause(pair->local, true);
	nj_list_push_back(&proxy->pairs, &pair->link);
	proxy->count++;
	if (proxy->once)
		nj_listener_stop(&proxy->listener);
	start_next(proxy);
}

static enum nj_err listen_tcp(const char *where, int *out_fd, struct nj_addr *out_addr, struct nj_why *why)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	uint64_t port;
	char text[NJ_ADDR_TEXT_BYTES];
	struct nj_addr addr;
	NJ_CLEANUP_FD int fd = -1;

	if (nj_number_parse(where, 0, UINT16_MAX, &port) == NJ_OK &&
	    nj_text_format(text, sizeof(text), "127.0.0.1:%s", where) == NJ_OK)
		where = text;
	if (nj_addr_parse(where, &addr) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "--connect wants PORT, ADDRESS:PORT or unix:PATH");
	if (!nj_addr_is_loopback(&addr))
		return nj_why(why, NJ_ERR_USAGE,
			      "--connect listens on loopback alone: whoever reaches it acts as the device");
	if (addr.port != 0 && nj_port_taken(NJ_SOCKET_TCP, &addr))
		return nj_why(why, NJ_ERR_EXISTS, "%s is in use", where);
	NJ_TRY(nj_socket_bind(NJ_SOCKET_TCP, &addr, &fd, why));
	if (listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
	    nj_addr_from_sockaddr((struct sockaddr *)&sa, len, out_addr) != NJ_OK)
		return nj_why(why, NJ_ERR_IO, "cannot listen at %s: %m", where);
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

static enum nj_err open_listener(const char *where, int *out_fd, struct nj_why *why)
{
	static const char unix_prefix[] = "unix:";
	struct nj_addr addr = { 0 };
	char text[NJ_ADDR_TEXT_BYTES];
	bool local = strncmp(where, unix_prefix, sizeof(unix_prefix) - 1) == 0;

	if (local)
		NJ_TRY(nj_socket_unix(where + sizeof(unix_prefix) - 1, 0600, out_fd, why));
	else
		NJ_TRY(listen_tcp(where, out_fd, &addr, why));
	printf("listening at %s\n", local ? where : nj_addr_text(&addr, text));
	(void)fflush(stdout);
	return NJ_OK;
}

static enum nj_err run(struct proxy *proxy, const char *where)
{
	struct nj_why *why = &proxy->attempt->cli->why;
	NJ_CLEANUP_FD int fd = -1;

	NJ_TRY(nj_tls_init());
	NJ_TRY(nj_reactor_new(nj_clock_system(), &proxy->reactor));
	NJ_TRY(open_listener(where, &fd, why));
	proxy->listener.on_accept = on_accept;
	proxy->listener.user = proxy;
	NJ_TRY(nj_listener_start(proxy->reactor, &proxy->listener, fd));
	NJ_TRY(nj_reactor_run(proxy->reactor));
	if (proxy->outcome != NJ_OK)
		return nj_why(why, proxy->outcome, "the connection was not made");
	return NJ_OK;
}

enum nj_err nj_connect_run(struct nj_attempt *attempt, const char *where)
{
	struct proxy proxy = {
		.attempt = attempt,
		.wait = { .on_timer = on_wait },
		.once = nj_args_flag(attempt->cli->args, "once"),
	};

	nj_list_init(&proxy.pairs);
	NJ_TRY(nj_attempt_prepare(attempt));
	if (!nj_service_is_tls(attempt->service))
		return nj_why(&attempt->cli->why, NJ_ERR_USAGE,
			      "--connect is for services over TLS; %s has none to verify the gateway by",
			      nj_attempt_is_guard(attempt) ? "a guarded service" : nj_service_name(attempt->service));
	enum nj_err err = run(&proxy, where);
	nj_reactor_free(proxy.reactor);
	return err;
}
