#include "daemon/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPER (1u << NJ_ROLE_KEEPER)
#define GATEWAY (1u << NJ_ROLE_GATEWAY)
#define BOTH (KEEPER | GATEWAY)

/* Without a condition, by role. Files are confined by Landlock, descriptors by what START handed over. */
struct plain_rule {
	int call;
	unsigned roles;
};

static const struct plain_rule plain_rules[] = {
	/* Sockets that exist already. No sendmsg: a descriptor passed on could come back under another number, and one
	 * that lingers would hold its receiver in close(2). No shutdown: a listener could be shut for good. */
	{ SCMP_SYS(accept4), BOTH },
	{ SCMP_SYS(recvfrom), BOTH },
	{ SCMP_SYS(recvmsg), BOTH },
	{ SCMP_SYS(recvmmsg), KEEPER },
	{ SCMP_SYS(sendto), BOTH },
	{ SCMP_SYS(getsockname), BOTH },
	{ SCMP_SYS(getpeername), BOTH },
	{ SCMP_SYS(getsockopt), BOTH },
	/* the loop */
	{ SCMP_SYS(epoll_wait), BOTH },
	{ SCMP_SYS(epoll_pwait), BOTH },
	{ SCMP_SYS(epoll_ctl), BOTH },
	{ SCMP_SYS(poll), BOTH },
	{ SCMP_SYS(ppoll), BOTH },
	{ SCMP_SYS(nanosleep), BOTH },
	{ SCMP_SYS(clock_nanosleep), BOTH },
	{ SCMP_SYS(clock_gettime), BOTH },
	{ SCMP_SYS(clock_getres), BOTH },
	{ SCMP_SYS(gettimeofday), BOTH },
	{ SCMP_SYS(restart_syscall), BOTH },
	/* descriptors and files */
	{ SCMP_SYS(read), BOTH },
	{ SCMP_SYS(readv), BOTH },
	{ SCMP_SYS(write), BOTH },
	{ SCMP_SYS(writev), BOTH },
	{ SCMP_SYS(pread64), BOTH },
	{ SCMP_SYS(pwrite64), BOTH },
	{ SCMP_SYS(close), BOTH },
	{ SCMP_SYS(lseek), BOTH },
	{ SCMP_SYS(fsync), BOTH },
	{ SCMP_SYS(fdatasync), BOTH },
	{ SCMP_SYS(ftruncate), BOTH },
	{ SCMP_SYS(fallocate), BOTH },
	{ SCMP_SYS(fstat), BOTH },
	{ SCMP_SYS(stat), BOTH },
	{ SCMP_SYS(lstat), BOTH },
	{ SCMP_SYS(newfstatat), BOTH },
	{ SCMP_SYS(statx), BOTH },
	{ SCMP_SYS(open), BOTH },
	{ SCMP_SYS(openat), BOTH },
	{ SCMP_SYS(unlink), BOTH },
	{ SCMP_SYS(unlinkat), BOTH },
	{ SCMP_SYS(access), BOTH },
	{ SCMP_SYS(faccessat), BOTH },
	{ SCMP_SYS(faccessat2), BOTH },
	{ SCMP_SYS(getcwd), BOTH },
	{ SCMP_SYS(readlink), BOTH },
	{ SCMP_SYS(readlinkat), BOTH },
	/* memory and the process itself */
	{ SCMP_SYS(brk), BOTH },
	{ SCMP_SYS(munmap), BOTH },
	{ SCMP_SYS(mremap), BOTH },
	{ SCMP_SYS(madvise), BOTH },
	{ SCMP_SYS(mlock), BOTH },
	{ SCMP_SYS(mlock2), BOTH },
	{ SCMP_SYS(munlock), BOTH },
	{ SCMP_SYS(memfd_secret), BOTH },
	{ SCMP_SYS(getrandom), BOTH },
	{ SCMP_SYS(futex), BOTH },
	{ SCMP_SYS(sched_yield), BOTH },
	{ SCMP_SYS(sched_getaffinity), BOTH },
	{ SCMP_SYS(getpid), BOTH },
	{ SCMP_SYS(getppid), BOTH },
	{ SCMP_SYS(gettid), BOTH },
	{ SCMP_SYS(getuid), BOTH },
	{ SCMP_SYS(geteuid), BOTH },
	{ SCMP_SYS(getgid), BOTH },
	{ SCMP_SYS(getegid), BOTH },
	{ SCMP_SYS(getrusage), BOTH },
	{ SCMP_SYS(getrlimit), BOTH },
	{ SCMP_SYS(sysinfo), BOTH },
	{ SCMP_SYS(uname), BOTH },
	{ SCMP_SYS(rt_sigaction), BOTH },
	{ SCMP_SYS(rt_sigprocmask), BOTH },
	{ SCMP_SYS(rt_sigreturn), BOTH },
	{ SCMP_SYS(sigaltstack), BOTH },
	{ SCMP_SYS(exit), BOTH },
	{ SCMP_SYS(exit_group), BOTH },
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
#define OPTION(level, name) TWO(setsockopt, BOTH, IS(1, level), IS(2, name))

static const struct argument_rule argument_rules[] = {
	ONE(mmap, BOTH, LACKS(2, PROT_EXEC)),
	ONE(mprotect, BOTH, LACKS(2, PROT_EXEC)),
	/* No F_DUPFD: a listener keeps the number it came under. No F_SETFL: a flag on a listener or on standard error
	 * is the other processes' too, and the next gateway's. */
	ONE(fcntl, BOTH, IS(1, F_GETFD)),
	ONE(fcntl, BOTH, IS(1, F_SETFD)),
	ONE(fcntl, BOTH, IS(1, F_GETFL)),
	ONE(fcntl, BOTH, IS(1, F_GETLK)),
	ONE(fcntl, BOTH, IS(1, F_SETLK)),
	ONE(fcntl, BOTH, IS(1, F_SETLKW)),
	OPTION(SOL_SOCKET, SO_LINGER),
	OPTION(IPPROTO_TCP, TCP_NODELAY),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
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
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx != NULL)
		seccomp_release(ctx);
	if (rc == 0)
		return NJ_OK;
	return nj_why(why, rc == -EINVAL ? NJ_ERR_UNSUPPORTED : nj_err_from_errno(-rc),
		      "the system call filter cannot be set up: %s", strerror(-rc));
}
