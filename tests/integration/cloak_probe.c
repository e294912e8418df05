/*
 * A gateway, a device or a flood in miniature, driven by a script: reads one command a line from standard input and
 * answers each with one line ("ok …" or "error …"). As a gateway it has the supervisor's stage ("setup"), then gives
 * up every capability ("unprivileged") and does the keeper's work.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "keeper/cloak/cloak.h"
#include "keeper/cloak/setup.h"

#define NS_PER_MS UINT64_C(1000000)
#define KNOCK_BYTES 112
#define NOBODY 65534
#define SOCKETS_MAX 8
#define ARGS_MAX 8
#define LINE_MAX_BYTES 512
#define BATCH 64

struct probe {
	struct nj_cloak_fds fds;
	struct nj_cloak *cloak;
	bool renewing;
	int listeners[SOCKETS_MAX];
	int listener_count;
	int knocks[SOCKETS_MAX]; /* UDP sockets */
	int knock_count;
	int peers[SOCKETS_MAX];
	int peer_count;
};

typedef void (*command_fn)(struct probe *probe, char **args);

static void answer(const char *format, ...) NJ_PRINTF(1, 2);
static void answer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void answer_err(enum nj_err err)
{
	answer(err == NJ_OK ? "ok" : "error %s", nj_err_name(err));
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	if (nj_number_parse(text ? text : "", 0, UINT64_MAX, &value) != NJ_OK)
		answer("error not a number");
	return value;
}

static uint64_t now(void)
{
	return nj_clock_boot_ns(nj_clock_system());
}

static bool addr_arg(const char *text, struct nj_addr *out_addr)
{
	if (text && nj_addr_parse(text, out_addr) == NJ_OK)
		return true;
	answer("error not an address");
	return false;
}

/* setup GRANTS FLOWS HINTS */
static void do_setup(struct probe *probe, char **args)
{
	struct nj_cloak_limits limits = { (uint32_t)number(args[1]), (uint32_t)number(args[2]), number(args[3]) };
	struct nj_why why = { 0 };
	enum nj_err err = nj_cloak_bpf_setup(&limits, &probe->fds, &why);

	answer(err == NJ_OK ? "ok" : "error %s: %s", nj_err_name(err), why.text);
}

static void do_unprivileged(struct probe *probe, char **args)
{
	cap_t caps = cap_init();

	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) != 0))
		answer("error %s", strerror(errno));
	else if (!caps || cap_set_proc(caps) != 0)
		answer("error %s", strerror(errno));
	else
		answer("ok uid %u", getuid());
	cap_free(caps);
}

static void do_drive(struct probe *probe, char **args)
{
	if (probe->cloak)
		probe->cloak->ops->free(probe->cloak);
	probe->cloak = NULL;
	answer_err(nj_cloak_bpf_from_fds(&probe->fds, &probe->cloak));
}

static int bound_socket(const struct nj_addr *addr, int type, int program_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(addr, &sa);
	struct nj_why why;
	int on = 1;
	int fd = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (sa.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		goto fail;
	if (nj_cloak_bpf_attach(program_fd, fd, &why) != NJ_OK || bind(fd, (struct sockaddr *)&sa, len) != 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

/* listen ADDR:PORT */
static void do_listen(struct probe *probe, char **args)
{
	struct nj_addr addr;
	int fd;

	if (!addr_arg(args[1], &addr))
		return;
	fd = bound_socket(&addr, SOCK_STREAM, probe->fds.fd[NJ_CLOAK_FD_TCP_PROGRAM]);
	if (fd < 0 || probe->listener_count == SOCKETS_MAX || listen(fd, 64) != 0) {
		answer("error %s", strerror(errno));
		return;
	}
	probe->listeners[probe->listener_count++] = fd;
	answer("ok");
}

/* udp ADDR:PORT */
static void do_udp(struct probe *probe, char **args)
{
	struct nj_addr addr;
	int fd;

	if (!addr_arg(args[1], &addr))
		return;
	fd = bound_socket(&addr, SOCK_DGRAM, probe->fds.fd[NJ_CLOAK_FD_UDP_PROGRAM]);
	if (fd < 0 || probe->knock_count == SOCKETS_MAX) {
		answer("error %s", strerror(errno));
		return;
	}
	probe->knocks[probe->knock_count++] = fd;
	answer("ok");
}

/* open ADDR PREFIX PORT MS */
static void do_open(struct probe *probe, char **args)
{
	struct nj_addr addr;

	if (addr_arg(args[1], &addr))
		answer_err(probe->cloak->ops->open(probe->cloak, &addr, (uint8_t)number(args[2]),
						   (uint16_t)number(args[3]), now() + number(args[4]) * NS_PER_MS));
}

/* fill N: grants for N addresses of 10.0.0.0/8, one microsecond long */
static void do_fill(struct probe *probe, char **args)
{
	struct nj_addr addr;
	uint64_t wanted = number(args[1]);
	uint64_t opened = 0;
	uint64_t start = now();

	if (nj_addr_parse("10.0.0.0", &addr) != NJ_OK)
		return;
	while (opened < wanted) {
		nj_put_u32(&addr.ip[12], UINT32_C(0x0a000000) + (uint32_t)opened);
		if (probe->cloak->ops->open(probe->cloak, &addr, 128, 1, start + 1000) != NJ_OK)
			break;
		opened++;
	}
	answer("ok opened %lu ns_each %lu", (unsigned long)opened,
	       (unsigned long)((now() - start) / (opened ? opened : 1)));
}

/* shut ADDR PREFIX PORT */
static void do_shut(struct probe *probe, char **args)
{
	struct nj_addr addr;

	if (addr_arg(args[1], &addr))
		answer_err(
		    probe->cloak->ops->shut(probe->cloak, &addr, (uint8_t)number(args[2]), (uint16_t)number(args[3])));
}

/* flow-end ADDR:PORT LOCAL-PORT */
static void do_flow_end(struct probe *probe, char **args)
{
	struct nj_addr addr;

	if (addr_arg(args[1], &addr))
		answer_err(probe->cloak->ops->flow_end(probe->cloak, &addr, (uint16_t)number(args[2])));
}

static void do_clear(struct probe *probe, char **args)
{
	answer_err(probe->cloak->ops->clear(probe->cloak));
}

/* renew on|off */
static void do_renew(struct probe *probe, char **args)
{
	probe->renewing = args[1] && strcmp(args[1], "on") == 0;
	answer_err(probe->renewing ? probe->cloak->ops->renew(probe->cloak, now()) : NJ_OK);
}

/* hints COUNT SEED: a rebuild with COUNT predictable hints */
static void do_hints(struct probe *probe, char **args)
{
	struct nj_random_fake random;
	uint64_t count = number(args[1]);
	uint64_t start = now();
	uint8_t hint[8];

	nj_random_fake_init(&random, number(args[2]));
	if (probe->cloak->ops->rebuild_begin(probe->cloak, count) != NJ_OK) {
		answer("error rebuild");
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		nj_random_fill(&random.random, hint, sizeof(hint));
		probe->cloak->ops->rebuild_add(probe->cloak, hint);
	}
	if (probe->cloak->ops->rebuild_end(probe->cloak) != NJ_OK)
		answer("error rebuild");
	else
		answer("ok ms %lu", (unsigned long)((now() - start) / NS_PER_MS));
}

/* hint HEX: one more */
static void do_hint(struct probe *probe, char **args)
{
	uint8_t hint[8];

	if (!args[1] || nj_hex_decode(nj_view_str(args[1]), hint, sizeof(hint)) != NJ_OK) {
		answer("error not a hint");
		return;
	}
	probe->cloak->ops->hint_add(probe->cloak, hint);
	answer("ok");
}

static void do_stats(struct probe *probe, char **args)
{
	struct nj_cloak_stats s;

	probe->cloak->ops->stats(probe->cloak, &s);
	answer(
	    "ok syn_passed=%lu syn_dropped=%lu other_dropped=%lu knock_passed=%lu knock_dropped=%lu bits=%lu added=%lu",
	    (unsigned long)s.syn_passed, (unsigned long)s.syn_dropped, (unsigned long)s.other_dropped,
	    (unsigned long)s.knock_passed, (unsigned long)s.knock_dropped, (unsigned long)s.hint_bits,
	    (unsigned long)s.hints_added);
}

/* accept: takes what waits and keeps it */
static void do_accept(struct probe *probe, char **args)
{
	int before = probe->peer_count;

	for (int i = 0; i < probe->listener_count; i++)
		while (probe->peer_count < SOCKETS_MAX) {
			int fd = accept4(probe->listeners[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd < 0)
				break;
			probe->peers[probe->peer_count++] = fd;
		}
	answer("ok accepted %d", probe->peer_count - before);
}

/* received: how many datagrams reached the knock sockets, and how many were not 112 bytes */
static void do_received(struct probe *probe, char **args)
{
	uint8_t bytes[2048];
	unsigned long count = 0, odd = 0;
	ssize_t n;

	for (int i = 0; i < probe->knock_count; i++)
		while ((n = recv(probe->knocks[i], bytes, sizeof(bytes), 0)) >= 0) {
			count++;
			odd += n != KNOCK_BYTES;
		}
	answer("ok received %lu odd %lu", count, odd);
}

/* undo [udp]: what somebody who holds a socket might try; every answer should be "refused". */
static void do_undo(struct probe *probe, char **args)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog program = { .len = 1, .filter = &all };
	int fd = args[1] ? probe->knocks[0] : probe->listeners[0];
	int off = 0;
	int other = probe->fds.fd[NJ_CLOAK_FD_UDP_PROGRAM];
	bool detached = setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof(off)) == 0;
	bool replaced = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
	bool changed = setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &other, sizeof(other)) == 0;
	bool unlocked = setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &off, sizeof(off)) == 0;
	enum nj_err again = nj_cloak_bpf_attach(other, fd, NULL);

	answer("ok detach %s replace %s change %s unlock %s attach %s", detached ? "DONE" : "refused",
	       replaced ? "DONE" : "refused", changed ? "DONE" : "refused", unlocked ? "DONE" : "refused",
	       again == NJ_OK ? "DONE" : "refused");
}

static void do_cpu(struct probe *probe, char **args)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	answer("ok cpu_us %ld", (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec +
				    usage.ru_stime.tv_usec);
}

static int connected_socket(const struct nj_addr *from, const struct nj_addr *to, bool ip_options, int timeout_ms)
{
	static const uint8_t nops[4] = { 1, 1, 1, 1 }; /* IPv4 option "no operation" */
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(from, &sa);
	struct pollfd wait = { .events = POLLOUT };
	int error = ETIMEDOUT;
	socklen_t error_len = sizeof(error);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0)
		goto fail;
	if (ip_options && setsockopt(fd, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops)) != 0)
		goto fail;
	len = nj_addr_to_sockaddr(to, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
		goto fail;
	wait.fd = fd;
	if (poll(&wait, 1, timeout_ms) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	errno = error;
	if (error == 0)
		return fd;
fail:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* connect FROM[:PORT] TO:PORT TIMEOUT-MS [options]; the connection is kept */
static void do_connect(struct probe *probe, char **args)
{
	struct nj_addr from, to;
	int fd;

	if (!addr_arg(args[1], &from) || !addr_arg(args[2], &to))
		return;
	fd = connected_socket(&from, &to, args[4] != NULL, (int)number(args[3]));
	if (fd < 0 || probe->peer_count == SOCKETS_MAX) {
		answer("error %s", errno == ETIMEDOUT ? "timeout" : strerror(errno));
		return;
	}
	probe->peers[probe->peer_count++] = fd;
	answer("ok");
}

/* say: one byte on every kept connection */
static void do_say(struct probe *probe, char **args)
{
	int said = 0;

	for (int i = 0; i < probe->peer_count; i++)
		said += send(probe->peers[i], "x", 1, MSG_NOSIGNAL) == 1;
	answer("ok said %d", said);
}

/* hear TIMEOUT-MS: how many kept connections have a byte */
static void do_hear(struct probe *probe, char **args)
{
	int timeout_ms = (int)number(args[1]);
	int heard = 0;

	for (int i = 0; i < probe->peer_count; i++) {
		struct pollfd wait = { .fd = probe->peers[i], .events = POLLIN };
		char byte;

		heard += poll(&wait, 1, timeout_ms) == 1 && recv(wait.fd, &byte, 1, 0) == 1;
	}
	answer("ok heard %d", heard);
}

static void do_hang_up(struct probe *probe, char **args)
{
	while (probe->peer_count > 0)
		close(probe->peers[--probe->peer_count]);
	answer("ok");
}

/* knock FROM TO:PORT BYTES SEED-OF-HINT SKIP: a datagram that starts with one of the hints of "hints … SEED" */
static void do_knock(struct probe *probe, char **args)
{
	struct nj_random_fake random;
	struct sockaddr_storage sa;
	struct nj_addr from, to;
	uint8_t bytes[2048] = { 0 };
	size_t len = number(args[3]);
	int fd;

	if (!addr_arg(args[1], &from) || !addr_arg(args[2], &to) || len > sizeof(bytes))
		return;
	nj_random_fake_init(&random, number(args[4]));
	for (uint64_t i = 0; i <= number(args[5]); i++)
		nj_random_fill(&random.random, bytes, 8);
	fd = socket(nj_addr_is_v4(&to) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, nj_addr_to_sockaddr(&from, &sa)) != 0 ||
	    connect(fd, (struct sockaddr *)&sa, nj_addr_to_sockaddr(&to, &sa)) != 0 ||
	    send(fd, bytes, len, 0) != (ssize_t)len) {
		answer("error %s", strerror(errno));
	} else {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		/* An ICMP error or an answer would wake it. */
		answer("ok %s", poll(&wait, 1, 50) == 0 ? "silence" : "ANSWERED");
	}
	if (fd >= 0)
		close(fd);
}

static bool send_junk(int fd, uint8_t bytes[BATCH][KNOCK_BYTES], uint64_t count)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];

	for (uint64_t sent = 0; sent < count;) {
		unsigned batch = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;
		int n;

		nj_random_fill(nj_random_system(), bytes, batch * KNOCK_BYTES);
		for (unsigned i = 0; i < batch; i++) {
			parts[i] = (struct iovec){ bytes[i], KNOCK_BYTES };
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		n = sendmmsg(fd, messages, batch, 0);
		if (n <= 0)
			return false;
		sent += (uint64_t)n;
	}
	return true;
}

/* junk TO:PORT COUNT: random datagrams of a knock's length */
static void do_junk(struct probe *probe, char **args)
{
	static uint8_t bytes[BATCH][KNOCK_BYTES];
	struct sockaddr_storage sa;
	struct nj_addr to;
	uint64_t start = now();
	int fd;

	if (!addr_arg(args[1], &to))
		return;
	fd = socket(nj_addr_is_v4(&to) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, nj_addr_to_sockaddr(&to, &sa)) != 0 ||
	    !send_junk(fd, bytes, number(args[2])))
		answer("error %s", strerror(errno));
	else
		answer("ok ms %lu", (unsigned long)((now() - start) / NS_PER_MS));
	if (fd >= 0)
		close(fd);
}

static const struct {
	const char *name;
	int args;
	bool needs_cloak;
	command_fn run;
} commands[] = {
	{ "setup", 3, false, do_setup },      { "unprivileged", 0, false, do_unprivileged },
	{ "drive", 0, false, do_drive },      { "listen", 1, true, do_listen },
	{ "udp", 1, true, do_udp },           { "open", 4, true, do_open },
	{ "fill", 1, true, do_fill },         { "shut", 3, true, do_shut },
	{ "flow-end", 2, true, do_flow_end }, { "clear", 0, true, do_clear },
	{ "renew", 1, true, do_renew },       { "hints", 2, true, do_hints },
	{ "hint", 1, true, do_hint },         { "stats", 0, true, do_stats },
	{ "accept", 0, true, do_accept },     { "received", 0, true, do_received },
	{ "undo", 0, true, do_undo },         { "cpu", 0, false, do_cpu },
	{ "connect", 3, false, do_connect },  { "say", 0, false, do_say },
	{ "hear", 1, false, do_hear },        { "hang-up", 0, false, do_hang_up },
	{ "knock", 5, false, do_knock },      { "junk", 2, false, do_junk },
};

static void obey(struct probe *probe, char *line)
{
	char *args[ARGS_MAX + 1] = { 0 };
	char *rest = line;
	int count = 0;

	for (char *word = strsep(&rest, " "); word && count < ARGS_MAX; word = strsep(&rest, " "))
		args[count++] = word;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, args[0]) != 0)
			continue;
		if (count - 1 < commands[i].args || (commands[i].needs_cloak && !probe->cloak))
			answer("error not now, or not so");
		else
			commands[i].run(probe, args);
		return;
	}
	answer("error unknown command");
}

/* Takes whole lines off the front of what was read. */
static void eat_lines(struct probe *probe, char *buffer, size_t *len)
{
	char *end;

	while ((end = memchr(buffer, '\n', *len))) {
		*end = '\0';
		obey(probe, buffer);
		*len -= (size_t)(end + 1 - buffer);
		memmove(buffer, end + 1, *len);
	}
}

int main(void)
{
	struct probe probe = { 0 };
	char buffer[LINE_MAX_BYTES];
	size_t len = 0;

	for (int i = 0; i < NJ_CLOAK_FD_COUNT; i++)
		probe.fds.fd[i] = -1;
	for (;;) {
		struct pollfd wait = { .fd = STDIN_FILENO, .events = POLLIN };
		int ready = poll(&wait, 1, probe.renewing ? NJ_CLOAK_LEASE_MS : -1);
		ssize_t n;

		if (probe.renewing && probe.cloak->ops->renew(probe.cloak, now()) != NJ_OK)
			return 1;
		if (ready <= 0)
			continue;
		n = read(STDIN_FILENO, buffer + len, sizeof(buffer) - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		eat_lines(&probe, buffer, &len);
	}
	if (probe.cloak)
		probe.cloak->ops->free(probe.cloak);
	nj_cloak_fds_close(&probe.fds);
	return 0;
}
