#include "daemon/dialler.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/control.h"
#include "bus/dial.h"
#include "daemon/sandbox.h"

#define CONTROL_QUEUE_BYTES 4096
#define GATEWAY_QUEUE_BYTES 65536
#define ADDRESSES_MAX 8 /* of one name that are tried */
#define ADDRESS_MS 5000 /* for one of them; the gateway waits for all */
/* A name server that does not answer holds all bridges up for so long. */
#define RESOLVER_OPTIONS "timeout:2 attempts:2"

/* One bridge's way to its peer. */
struct attempt {
	struct dialler *dialler;
	char name[NJ_NAME_BYTES]; /* empty: none is made */
	struct nj_addr addresses[ADDRESSES_MAX];
	size_t count, next;
	struct nj_io io; /* fd -1: none */
	struct nj_timer limit;
	char why[NJ_DIAL_TEXT_MAX + 1]; /* the last failure */
};

struct dialler {
	const struct nj_role_config *config;
	struct nj_reactor *reactor;
	struct nj_channel control;
	struct nj_channel gateway;
	bool gateway_up;
	struct attempt attempts[NJ_BRIDGES_MAX];
};

bool nj_dialler_wanted(const struct nj_settings *settings)
{
	return settings->bridge_count > 0;
}

/* ---- answers ---- */

static void answer(struct dialler *d, const struct nj_dial *message, const int *fd)
{
	uint8_t bytes[NJ_DIAL_MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

	/* A gateway that does not hear it asks again. */
	if (d->gateway_up && nj_dial_encode(message, &w) == NJ_OK)
		(void)!nj_channel_send_fds(d->gateway.io.fd, nj_view_of(bytes, w.pos), fd, fd == NULL ? 0 : 1);
}

static void close_socket(struct attempt *a)
{
	nj_timer_cancel(&a->limit);
	if (a->io.fd < 0)
		return;
	nj_io_remove(&a->io);
	close(a->io.fd);
	a->io.fd = -1;
}

static void end(struct attempt *a)
{
	close_socket(a);
	a->name[0] = '\0';
}

static void failed(struct attempt *a)
{
	const struct nj_dial message = {
		.type = NJ_DIAL_FAILED,
		.name = nj_view_str(a->name),
		.text = nj_view_str(a->why),
	};

	answer(a->dialler, &message, NULL);
	end(a);
}

static void connected(struct attempt *a)
{
	const struct nj_dial message = {
		.type = NJ_DIAL_STREAM,
		.name = nj_view_str(a->name),
		.peer = a->addresses[a->next - 1],
	};

	answer(a->dialler, &message, &a->io.fd);
	end(a);
}

/* ---- one address after the other ---- */

static void try_next(struct attempt *a);

static void note_failure(struct attempt *a, int error)
{
	char text[NJ_ADDR_TEXT_BYTES];

	(void)!nj_text_format(a->why, sizeof(a->why), "%s: %s", nj_addr_text(&a->addresses[a->next - 1], text),
			      strerror(error));
	close_socket(a);
	try_next(a);
}

static void on_limit(struct nj_timer *timer)
{
	note_failure(NJ_CONTAINER(timer, struct attempt, limit), ETIMEDOUT);
}

static void on_outcome(struct nj_io *io, uint32_t events)
{
	struct attempt *a = NJ_CONTAINER(io, struct attempt, io);
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		note_failure(a, error);
	else
		connected(a);
}

/* 0, or an error number. */
static int open_socket(struct attempt *a, const struct nj_addr *addr)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(addr, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		return error;
	}
	a->io = (struct nj_io){ .fd = fd, .on_event = on_outcome };
	if (nj_io_add(a->dialler->reactor, &a->io, EPOLLOUT) == NJ_OK)
		return 0;
	close(fd);
	a->io.fd = -1;
	return ENOMEM;
}

static void try_next(struct attempt *a)
{
	while (a->next < a->count) {
		int error = open_socket(a, &a->addresses[a->next++]);
		if (error == 0) {
			nj_timer_arm(a->dialler->reactor, &a->limit, ADDRESS_MS);
			return;
		}
		char text[NJ_ADDR_TEXT_BYTES];
		(void)!nj_text_format(a->why, sizeof(a->why), "%s: %s", nj_addr_text(&a->addresses[a->next - 1], text),
				      strerror(error));
	}
	failed(a);
}

/* ---- names ---- */

static void resolve(struct attempt *a, const struct nj_settings_bridge *bridge)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	a->count = a->next = 0;
	if (nj_addr_parse(bridge->host, &a->addresses[0]) == NJ_OK) {
		a->addresses[0].port = bridge->port;
		a->count = 1;
		return;
	}
	int rc = getaddrinfo(bridge->host, NULL, &hints, &found);
	(void)!nj_text_format(a->why, sizeof(a->why), "%.100s: %s", bridge->host,
			      rc != 0 ? gai_strerror(rc) : "no address");
	for (const struct addrinfo *at = found; at != NULL && a->count < ADDRESSES_MAX; at = at->ai_next)
		if (nj_addr_from_sockaddr(at->ai_addr, at->ai_addrlen, &a->addresses[a->count]) == NJ_OK)
			a->addresses[a->count++].port = bridge->port;
	if (found != NULL)
		freeaddrinfo(found);
}

/* ---- what the gateway asks ---- */

static void begin(struct dialler *d, struct nj_view name)
{
	const struct nj_settings *settings = &d->config->settings;
	size_t i = 0;

	while (i < settings->bridge_count && !nj_view_equal(name, nj_view_str(settings->bridges[i].name)))
		i++;
	if (i == settings->bridge_count) {
		const struct nj_dial message = {
			.type = NJ_DIAL_FAILED,
			.name = name,
			.text = nj_view_str("the dialler does not know it yet"),
		};
		answer(d, &message, NULL);
		return;
	}
	struct attempt *a = &d->attempts[i];
	/* One that is under way goes on, and answers both. */
	if (a->name[0] != '\0')
		return;
	(void)!nj_text_copy(a->name, sizeof(a->name), settings->bridges[i].name);
	resolve(a, &settings->bridges[i]);
	try_next(a);
}

static void on_gateway(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct dialler *d = channel->user;
	struct nj_dial message;

	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (nj_dial_decode(bytes, &message) == NJ_OK && message.type == NJ_DIAL_ASK)
		begin(d, message.name);
}

static void on_gateway_closed(struct nj_channel *channel)
{
	((struct dialler *)channel->user)->gateway_up = false;
}

static void attach(struct dialler *d, int fd)
{
	if (d->gateway_up)
		nj_channel_stop(&d->gateway);
	for (size_t i = 0; i < NJ_BRIDGES_MAX; i++)
		end(&d->attempts[i]);
	d->gateway = (struct nj_channel){ .on_message = on_gateway, .on_closed = on_gateway_closed, .user = d };
	d->gateway_up = nj_channel_start(d->reactor, &d->gateway, fd, GATEWAY_QUEUE_BYTES) == NJ_OK;
}

/* ---- the supervisor ---- */

static void on_control(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	struct dialler *d = channel->user;
	uint8_t type = message.len >= 1 ? message.data[0] : 0;

	if (type == NJ_CONTROL_PEER && fd_count == 1) {
		attach(d, fds[0]);
		return;
	}
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (type == NJ_CONTROL_STOP)
		nj_reactor_stop(d->reactor);
}

static void on_control_closed(struct nj_channel *channel)
{
	nj_reactor_stop(((struct dialler *)channel->user)->reactor);
}

/* The resolver reads its files, and loads what they name, before the sandbox takes that away. */
static void warm_up(void)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	(void)setenv("RES_OPTIONS", RESOLVER_OPTIONS, 1);
	if (getaddrinfo("localhost", NULL, &hints, &found) == 0)
		freeaddrinfo(found);
}

static enum nj_err open_all(struct dialler *d)
{
	for (size_t i = 0; i < NJ_BRIDGES_MAX; i++) {
		d->attempts[i].dialler = d;
		d->attempts[i].io.fd = -1;
		d->attempts[i].limit.on_timer = on_limit;
	}
	NJ_TRY(nj_reactor_new(nj_clock_system(), &d->reactor));
	d->control = (struct nj_channel){ .on_message = on_control, .on_closed = on_control_closed, .user = d };
	return nj_channel_start(d->reactor, &d->control, d->config->control_fd, CONTROL_QUEUE_BYTES);
}

enum nj_err nj_dialler_role_run(struct nj_role_config *config, struct nj_why *why)
{
	static struct dialler d;
	static const uint8_t ready = NJ_CONTROL_READY;
	const struct nj_sandbox sandbox = { .role = NJ_ROLE_DIALLER };

	d.config = config;
	warm_up();
	NJ_TRY(open_all(&d));
	NJ_TRY(nj_sandbox_enter(&sandbox, why));
	NJ_TRY(nj_channel_send(&d.control, nj_view_of(&ready, 1)));
	return nj_reactor_run(d.reactor);
}
