#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "net/internal.h"

#define ACCEPTS_PER_EVENT 64
#define PAUSE_MS 100
#define UNIX_BACKLOG 128

static int socket_of(enum nj_socket_kind kind, const struct sockaddr_storage *sa, socklen_t len)
{
	int type = kind == NJ_SOCKET_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(sa->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	const int on = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
	    (sa->ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
	    bind(fd, (const struct sockaddr *)sa, len) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

enum nj_err nj_socket_bind(enum nj_socket_kind kind, const struct nj_addr *addr, int *out_fd, struct nj_why *why)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(addr, &sa);
	int fd = socket_of(kind, &sa, len);
	if (fd < 0) {
		int cause = errno;
		char text[NJ_ADDR_TEXT_BYTES];
		return nj_why(why, nj_err_from_errno(cause), "%s %s cannot be bound: %s",
			      kind == NJ_SOCKET_TCP ? "TCP" : "UDP", nj_addr_text(addr, text), strerror(cause));
	}
	*out_fd = fd;
	return NJ_OK;
}

/* Only a socket is ever replaced: a wrong path in the configuration must not delete a file. */
static int remove_old_socket(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	return unlink(path);
}

/* The mode goes on the socket before it has a name, so that no moment is laxer; the second call undoes the umask. */
static int bind_unix(int fd, const struct sockaddr_un *sa, unsigned mode)
{
	if (fchmod(fd, mode) != 0 || remove_old_socket(sa->sun_path) != 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)sa, sizeof *sa) != 0)
		return -1;
	return chmod(sa->sun_path, mode) != 0 ? -1 : listen(fd, UNIX_BACKLOG);
}

enum nj_err nj_socket_unix(const char *path, unsigned mode, int *out_fd, struct nj_why *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if (nj_text_copy(sa.sun_path, sizeof sa.sun_path, path) != NJ_OK)
		return nj_why(why, NJ_ERR_TOO_LARGE, "socket path %s is longer than %zu bytes", path,
			      sizeof sa.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_unix(fd, &sa, mode) != 0) {
		int cause = errno;
		if (fd >= 0)
			close(fd);
		return nj_why(why, nj_err_from_errno(cause), "socket %s cannot be made: %s", path, strerror(cause));
	}
	*out_fd = fd;
	return NJ_OK;
}

static void on_pause_over(struct nj_timer *timer)
{
	struct nj_listener *listener = NJ_CONTAINER(timer, struct nj_listener, pause);
	if (nj_io_change(&listener->io, EPOLLIN) != NJ_OK)
		nj_timer_arm(listener->io.reactor, timer, PAUSE_MS);
}

/* Out of descriptors or memory, the backlog stays readable: waiting for it would spin. */
static void pause_accepting(struct nj_listener *listener)
{
	nj_timer_arm(listener->io.reactor, &listener->pause, PAUSE_MS);
	/* If this fails, the loop spins until the timer, and nothing worse. */
	(void)!nj_io_change(&listener->io, 0);
}

/* Accepts one. False when the batch is over. */
static bool accept_one(struct nj_listener *listener)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	int fd = accept4(listener->io.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(listener);
		/* Everything else but an empty backlog is that one peer's failure (accept(2), "Error handling"). */
		return errno == ECONNABORTED || errno == EINTR || errno == EPROTO || errno == EPERM;
	}
	struct nj_addr peer = { 0 };
	if (sa.ss_family != AF_UNIX && nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &peer) != NJ_OK) {
		close(fd);
		return true;
	}
	listener->on_accept(listener, fd, &peer);
	return true;
}

static void on_readable(struct nj_io *io, uint32_t events)
{
	struct nj_listener *listener = NJ_CONTAINER(io, struct nj_listener, io);
	struct nj_io_token token = nj_io_token(io);
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++)
		if (!accept_one(listener) || !nj_io_token_alive(token))
			return;
}

enum nj_err nj_listener_start(struct nj_reactor *reactor, struct nj_listener *listener, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return nj_err_from_errno(errno);
	listener->local = (struct nj_addr){ 0 };
	if (sa.ss_family != AF_UNIX)
		NJ_TRY(nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &listener->local));
	listener->io = (struct nj_io){ .fd = fd, .on_event = on_readable };
	listener->pause = (struct nj_timer){ .on_timer = on_pause_over };
	return nj_io_add(reactor, &listener->io, EPOLLIN);
}

void nj_listener_stop(struct nj_listener *listener)
{
	nj_timer_cancel(&listener->pause);
	nj_io_remove(&listener->io);
}
