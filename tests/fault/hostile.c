/*
 * nightjar with a traitor inside: the same program, but after the gateway process entered its sandbox it runs what an
 * attacker who took that process over would try. Each attempt must fail; what succeeds is printed as ALLOWED.
 * Driven by tests/fault/hostile.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "daemon/child.h"
#include "net/channel.h"

static const struct nj_handles *handles;
static const struct nj_paths *paths;

static int listener(void)
{
	return nj_handles_find(handles, NJ_HANDLE_LISTENER);
}

/* Each returns true when the attacker got what it wanted. */

static bool detach_filter(void)
{
	int zero = 0;

	return setsockopt(listener(), SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero)) == 0;
}

static bool unlock_filter(void)
{
	int zero = 0;

	return setsockopt(listener(), SOL_SOCKET, SO_LOCK_FILTER, &zero, sizeof(zero)) == 0;
}

static bool replace_filter(void)
{
	struct sock_filter pass = { BPF_RET | BPF_K, 0, 0, 0xffffffff };
	struct sock_fprog program = { 1, &pass };

	return setsockopt(listener(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

static bool reuseport_program(void)
{
	struct sock_filter first = { BPF_RET | BPF_K, 0, 0, 0 };
	struct sock_fprog program = { 1, &first };

	return setsockopt(listener(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}

static bool shut_listener(void)
{
	return shutdown(listener(), SHUT_RD) == 0;
}

/* The kernel takes the lower half of the number for the descriptor, a filter may look at all of it. */
static bool shut_by_wide_number(void)
{
	return syscall(SYS_shutdown, (1L << 32) | listener(), SHUT_RD) == 0;
}

/* The next gateway would wait in accept(2) for ever. */
static bool make_listener_block(void)
{
	return fcntl(listener(), F_SETFL, 0) == 0 ||
	       syscall(SYS_fcntl, (long)listener(), (1L << 32) | F_SETFL, 0L) == 0;
}

/* To the supervisor, which closes it: with output that nobody takes and SO_LINGER that would keep it busy. */
static bool pass_descriptor(void)
{
	int fd = listener();
	char byte = 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct mmsghdr batch = { .msg_hdr = message };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	return sendmsg(3, &message, 0) > 0 || sendmmsg(3, &batch, 1, 0) > 0;
}

static bool change_configuration(void)
{
	int fd = nj_handles_find(handles, NJ_HANDLE_CONFIG);

	return pwrite(fd, "#", 1, 0) == 1 || ftruncate(fd, 1 << 20) == 0 || fallocate(fd, 0, 0, 1 << 20) == 0 ||
	       mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED || ftruncate(fd, 0) == 0;
}

static bool disconnect_listener(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	return connect(listener(), &nobody, sizeof(nobody)) == 0;
}

static bool listen_again(void)
{
	return listen(listener(), 1) == 0;
}

static bool duplicate_listener(void)
{
	return dup(listener()) >= 0 || dup2(listener(), 200) >= 0 || dup3(listener(), 201, O_CLOEXEC) >= 0 ||
	       fcntl(listener(), F_DUPFD, 0) >= 0 || fcntl(listener(), F_DUPFD_CLOEXEC, 0) >= 0;
}

static bool new_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_INET6, SOCK_STREAM, 0) >= 0 ||
	       socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_INET, SOCK_DGRAM, 0) >= 0 ||
	       socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool bind_listener(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	return bind(listener(), (const struct sockaddr *)&any, sizeof(any)) == 0;
}

static bool load_bpf(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)insns,
		.insn_cnt = 2,
		.license = (uint64_t)(uintptr_t) "GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) >= 0;
}

static bool make_or_find_map(void)
{
	union bpf_attr make = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	union bpf_attr next = { .start_id = 0 };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &make, sizeof(make)) >= 0 ||
	       syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &next, sizeof(next)) >= 0;
}

static bool can_open(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool read_keeper_store(void)
{
	return can_open(paths->keeper_db);
}

static bool read_vault_key(void)
{
	return can_open(paths->key_file);
}

static bool read_config(void)
{
	return can_open(paths->config);
}

static bool read_elsewhere(void)
{
	return can_open("/etc/passwd") || can_open("/proc/self/maps") || can_open("/");
}

static bool write_elsewhere(void)
{
	int fd = open("/tmp/nightjar-hostile", O_WRONLY | O_CREAT, 0600);

	return fd >= 0;
}

static bool replace_folder(void)
{
	return rename(paths->gateway_dir, "/tmp/nightjar-hostile-dir") == 0 || symlink(paths->keeper_db, "link") == 0 ||
	       mkdir("made", 0700) == 0;
}

static bool start_program(void)
{
	char *argv[] = { (char *)"sh", NULL };

	execve("/bin/sh", argv, argv + 1);
	return syscall(SYS_execveat, AT_FDCWD, "/bin/sh", argv, argv + 1, 0) == 0;
}

static bool make_process(void)
{
	long pid = syscall(SYS_fork);

	if (pid == 0)
		_exit(0);
	return pid > 0 || syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) > 0 || syscall(SYS_clone3, NULL, 0) > 0;
}

static bool trace_supervisor(void)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)&handles, 1 };

	return ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0 ||
	       process_vm_readv(getppid(), &local, 1, &remote, 1, 0) == 1;
}

static bool take_descriptor(void)
{
	long fd = syscall(SYS_pidfd_open, getppid(), 0);

	return fd >= 0 && syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0;
}

static bool signal_supervisor(void)
{
	return kill(getppid(), 0) == 0;
}

static bool regain_privilege(void)
{
	return setuid(0) == 0 || setresuid(0, 0, 0) == 0 || setgid(0) == 0;
}

static bool loosen_itself(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 || prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0 ||
	       unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER) == 0 || mount("none", "/tmp", "tmpfs", 0, "") == 0;
}

static bool run_made_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
	       mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool other_kernel_doors(void)
{
	char params[256] = { 0 };

	return syscall(SYS_io_uring_setup, 4, params) >= 0 || syscall(SYS_userfaultfd, 0) >= 0 ||
	       syscall(SYS_perf_event_open, params, 0, -1, -1, 0) >= 0 || syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0;
}

static const struct {
	const char *name;
	bool (*attempt)(void);
} attempts[] = {
	{ "detach the filter", detach_filter },
	{ "unlock the filter", unlock_filter },
	{ "replace the filter", replace_filter },
	{ "attach a reuseport program", reuseport_program },
	{ "shut the listener down", shut_listener },
	{ "shut the listener down by a wide number", shut_by_wide_number },
	{ "make the listener block", make_listener_block },
	{ "pass a descriptor on", pass_descriptor },
	{ "change the configuration", change_configuration },
	{ "disconnect the listener", disconnect_listener },
	{ "listen again", listen_again },
	{ "duplicate the listener", duplicate_listener },
	{ "make a socket", new_socket },
	{ "bind a socket", bind_listener },
	{ "load BPF", load_bpf },
	{ "make or find a BPF map", make_or_find_map },
	{ "read the keeper's store", read_keeper_store },
	{ "read the vault's key", read_vault_key },
	{ "read the configuration", read_config },
	{ "read elsewhere", read_elsewhere },
	{ "write elsewhere", write_elsewhere },
	{ "replace folders", replace_folder },
	{ "start a program", start_program },
	{ "make a process", make_process },
	{ "trace the supervisor", trace_supervisor },
	{ "take a descriptor", take_descriptor },
	{ "signal the supervisor", signal_supervisor },
	{ "regain privilege", regain_privilege },
	{ "loosen itself", loosen_itself },
	{ "run made code", run_made_code },
	{ "use other kernel doors", other_kernel_doors },
};

/* Asked for by an empty file in the gateway's own folder, and used up by being taken. */
static bool take_mode(const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", paths->gateway_dir, name) > 0 && unlink(path) == 0;
}

/* Takes the channel that was meant for the gateway, and says to the keeper what only the keeper may say. */
static void break_rules(void)
{
	static const uint8_t grant_end[] = { 0, 3, 0, 0, 0, 0, 0, 0, 0, 1 };
	int keeper = -1;
	uint8_t byte;
	size_t len;
	size_t fd_count = 0;

	while (fd_count == 0 && nj_channel_receive_fds(3, &byte, 1, &len, &keeper, 1, &fd_count) == NJ_OK)
		continue;
	(void)!write(keeper, grant_end, sizeof(grant_end));
}

/* Reads nothing any more, not even that it is to stop. */
static void hang(void)
{
	for (;;)
		(void)poll(NULL, 0, 1000);
}

/* Answers whoever asks for the store's copy with the place of a file that only root may read. */
static void lie_about_copy(void)
{
	const int admin = nj_handles_find(handles, NJ_HANDLE_ADMIN_SOCK);
	char request[4096];
	bool lied = false;

	while (!lied) {
		struct pollfd wait = { .fd = admin, .events = POLLIN };
		int fd = poll(&wait, 1, -1) == 1 ? accept4(admin, NULL, NULL, 0) : -1;

		if (fd < 0)
			continue;
		lied = read(fd, request, sizeof(request)) > 0;
		if (lied)
			dprintf(fd, "{\"ok\":{\"path\":\"%s\"}}\n", paths->key_file);
		close(fd);
	}
}

static void turn_hostile(const struct nj_handles *given_handles, const struct nj_paths *given_paths)
{
	handles = given_handles;
	paths = given_paths;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		errno = 0;
		bool allowed = attempts[i].attempt();
		dprintf(STDERR_FILENO, "hostile: %s: %s\n", attempts[i].name, allowed ? "ALLOWED" : "denied");
	}
	dprintf(STDERR_FILENO, "hostile: %zu attempts\n", sizeof(attempts) / sizeof(attempts[0]));
	if (take_mode("lie-about-copy"))
		lie_about_copy();
	if (take_mode("break-rules"))
		break_rules();
	if (take_mode("hang"))
		hang();
}

int main(int argc, char **argv)
{
	static const struct nj_child_hooks hooks = { .gateway_after_sandbox = turn_hostile };

	if (nj_child_is(argc, argv))
		return nj_child_main(argc, argv, &hooks);
	return nj_cli_main(argc, argv);
}
