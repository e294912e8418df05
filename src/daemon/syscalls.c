#include "daemon/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPER (1u << NJ_ROLE_KEEPER)
#define GATEWAY (1u << NJ_ROLE_GATEWAY)
#define WARDEN (1u << NJ_ROLE_WARDEN)
#define DIALLER (1u << NJ_ROLE_DIALLER)
#define ALL (KEEPER | GATEWAY | WARDEN | DIALLER)

/* Without a condition, by role. Files are confined by Landlock, descriptors by what START handed over. */
struct plain_rule {
	int call;
	unsigned roles;
};

static const struct plain_rule plain_rules[] = {
	/* Sockets that exist already. No sendmsg: a descriptor passed on could come back under another number, and one
	 * that lingers would hold its receiver in close(2). No shutdown: a listener could be shut for good. */
	{ SCMP_SYS(accept4), ALL },
	{ SCMP_SYS(recvfrom), ALL },
	{ SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(recvmmsg), KEEPER },
	{ SCMP_SYS(sendto), ALL },
	{ SCMP_SYS(getsockname), ALL },
	{ SCMP_SYS(getpeername), ALL },
	{ SCMP_SYS(getsockopt), ALL },
	/* the loop */
	{ SCMP_SYS(epoll_wait), ALL },
	{ SCMP_SYS(epoll_pwait), ALL },
	{ SCMP_SYS(epoll_ctl), ALL },
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(nanosleep), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(clock_getres), ALL },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	/* descriptors and files */
	{ SCMP_SYS(read), ALL },
	{ SCMP_SYS(readv), ALL },
	{ SCMP_SYS(write), ALL },
	{ SCMP_SYS(writev), ALL },
	{ SCMP_SYS(pread64), ALL },
	{ SCMP_SYS(pwrite64), ALL },
	{ SCMP_SYS(close), ALL },
	{ SCMP_SYS(lseek), ALL },
	{ SCMP_SYS(fsync), ALL },
	{ SCMP_SYS(fdatasync), ALL },
	{ SCMP_SYS(ftruncate), ALL },
	{ SCMP_SYS(fallocate), ALL },
	{ SCMP_SYS(fstat), ALL },
	{ SCMP_SYS(stat), ALL },
	{ SCMP_SYS(lstat), ALL },
	{ SCMP_SYS(newfstatat), ALL },
	{ SCMP_SYS(statx), ALL },
	{ SCMP_SYS(open), ALL },
	{ SCMP_SYS(openat), ALL },
	{ SCMP_SYS(unlink), ALL },
	{ SCMP_SYS(unlinkat), ALL },
	{ SCMP_SYS(access), ALL },
	{ SCMP_SYS(faccessat), ALL },
	{ SCMP_SYS(faccessat2), ALL },
	{ SCMP_SYS(getcwd), ALL },
	{ SCMP_SYS(readlink), ALL },
	{ SCMP_SYS(readlinkat), ALL },
	/* memory and the process itself */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },
	{ SCMP_SYS(mlock), ALL },
	{ SCMP_SYS(mlock2), ALL },
	{ SCMP_SYS(munlock), ALL },
	{ SCMP_SYS(memfd_secret), ALL },
	{ SCMP_SYS(getrandom), ALL },
	{ SCMP_SYS(futex), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(sched_getaffinity), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(getppid), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getuid), ALL },
	{ SCMP_SYS(geteuid), ALL },
	{ SCMP_SYS(getgid), ALL },
	{ SCMP_SYS(getegid), ALL },
	{ SCMP_SYS(getrusage), ALL },
	{ SCMP_SYS(getrlimit), ALL },
	{ SCMP_SYS(sysinfo), ALL },
	{ SCMP_SYS(uname), ALL },
	{ SCMP_SYS(rt_sigaction), ALL },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(sigaltstack), ALL },
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
	/* libnftables talks to the kernel, and waits, so */
	{ SCMP_SYS(sendmsg), WARDEN | DIALLER },
	{ SCMP_SYS(select), WARDEN },
	{ SCMP_SYS(pselect6), WARDEN },
	/* the dialler's work, and that of the resolver in it */
	{ SCMP_SYS(connect), DIALLER },
	{ SCMP_SYS(sendmmsg), DIALLER },
};

/* With a condition on one argument (masked) and, where `and_arg` is set, on a second. */
struct argument_rule {
	int call;
	unsigned roles;
	struct scmp_arg_cmp first;
	struct scmp_arg_cmp second;
	unsigned conditions;
};

#define IS(arg, value)                         \
	{                                      \
		(arg), SCMP_CMP_EQ, (value), 0 \
	}

#define LACKS(arg, bits)                             \
	{                                            \
		(arg), SCMP_CMP_MASKED_EQ, (bits), 0 \
	}
#define ONE(call, roles, first)                          \
	{                                                \
		SCMP_SYS(call), (roles), first, { 0 }, 1 \
	}
#define TWO(call, roles, first, second)                   \
	{                                                 \
		SCMP_SYS(call), (roles), first, second, 2 \
	}
#define OPTION(level, name) TWO(setsockopt, ALL, IS(1, level), IS(2, name))

static const struct argument_rule argument_rules[] = {
	ONE(mmap, ALL, LACKS(2, PROT_EXEC)),
	ONE(mprotect, ALL, LACKS(2, PROT_EXEC)),
	/* No F_DUPFD: a listener keeps the number it came under. No F_SETFL: a flag on a listener or on standard error
	 * is the other processes' too, and the next gateway's. */
	ONE(fcntl, ALL, IS(1, F_GETFD)),
	ONE(fcntl, ALL, IS(1, F_SETFD)),
	ONE(fcntl, ALL, IS(1, F_GETFL)),
	ONE(fcntl, ALL, IS(1, F_GETLK)),
	ONE(fcntl, ALL, IS(1, F_SETLK)),
	ONE(fcntl, ALL, IS(1, F_SETLKW)),
	OPTION(SOL_SOCKET, SO_LINGER),
	OPTION(IPPROTO_TCP, TCP_NODELAY),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	/* The netlink socket's buffers; and filters of listeners, which are replaced, never taken off. */
	TWO(setsockopt, WARDEN, IS(1, SOL_SOCKET), IS(2, SO_SNDBUFFORCE)),
	TWO(setsockopt, WARDEN, IS(1, SOL_SOCKET), IS(2, SO_RCVBUFFORCE)),
	TWO(setsockopt, WARDEN, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
	TWO(setsockopt, WARDEN, IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
	TWO(setsockopt, WARDEN, IS(1, SOL_SOCKET), IS(2, SO_ATTACH_FILTER)),
	/* Name servers and peers; nothing local, nothing raw. A pair of ends that reach nobody else, for the gateway's
	 * bridges. */
	ONE(socket, DIALLER, IS(0, AF_INET)),
	ONE(socket, DIALLER, IS(0, AF_INET6)),
	ONE(ioctl, DIALLER, IS(1, FIONREAD)),
	TWO(setsockopt, DIALLER, IS(1, IPPROTO_IP), IS(2, IP_RECVERR)),
	TWO(setsockopt, DIALLER, IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVERR)),
	ONE(socketpair, GATEWAY, IS(0, AF_UNIX)),
	/* The cloak's maps, by descriptor. Programs, links and new maps are out of reach. */
	ONE(bpf, KEEPER, IS(0, BPF_MAP_LOOKUP_ELEM)),
	ONE(bpf, KEEPER, IS(0, BPF_MAP_UPDATE_ELEM)),
	ONE(bpf, KEEPER, IS(0, BPF_MAP_DELETE_ELEM)),
	ONE(bpf, KEEPER, IS(0, BPF_MAP_GET_NEXT_KEY)),
};

static int add_plain(scmp_filter_ctx ctx, unsigned role)
{
	for (size_t i = 0; i < sizeof(plain_rules) / sizeof(plain_rules[0]); i++) {
		if ((plain_rules[i].roles & role) == 0)
			continue;
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, plain_rules[i].call, 0, NULL);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int add_with_arguments(scmp_filter_ctx ctx, unsigned role)
{
	for (size_t i = 0; i < sizeof(argument_rules) / sizeof(argument_rules[0]); i++) {
		const struct argument_rule *rule = &argument_rules[i];
		const struct scmp_arg_cmp conditions[2] = { rule->first, rule->second };
		if ((rule->roles & role) == 0)
			continue;
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->call, rule->conditions, conditions);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* abort(3) must still end the process: a signal to itself, and to nobody else. */
static int add_own_signals(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp self = { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);
}

enum nj_err nj_syscalls_enter(enum nj_role role, struct nj_why *why)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = ctx == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = add_plain(ctx, 1u << role);
	if (rc == 0)
		rc = add_with_arguments(ctx, 1u << role);
	if (rc == 0)
		rc = add_own_signals(ctx);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* All threads, not the caller alone. */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx != NULL)
		seccomp_release(ctx);
	if (rc == 0)
		return NJ_OK;
	return nj_why(why, rc == -EINVAL ? NJ_ERR_UNSUPPORTED : nj_err_from_errno(-rc),
		      "the system call filter cannot be set up: %s", strerror(-rc));
}
