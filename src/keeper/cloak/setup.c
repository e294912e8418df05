#include "keeper/cloak/setup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "keeper/cloak/abi.h"
#include "keeper/cloak/cloak.h"

#include "cloak.skel.h"

#define HINT_BITS_MIN (UINT64_C(64) * 1024 * 8)
#define WORD_BITS 64
#define CLOCK_TOLERANCE_NS (UINT64_C(100) * 1000 * 1000)

static void programs_close(struct cloak_programs **programs)
{
	if (*programs)
		cloak_programs__destroy(*programs);
}

/* The library's own messages are for its developers; the facts reach `why` through errno. */
static int no_output(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static bool limits_ok(const struct nj_cloak_limits *limits)
{
	return limits->grants_max > 0 && limits->grants_max <= NJ_CLOAK_GRANTS_MAX && limits->flows_max > 0 &&
	       limits->flows_max <= NJ_CLOAK_FLOWS_MAX && limits->hints_max > 0 &&
	       limits->hints_max <= NJ_CLOAK_HINTS_MAX;
}

static uint64_t hint_words(uint64_t hints)
{
	uint64_t bits = HINT_BITS_MIN;

	while (bits < hints * NJ_CLOAK_BITS_A_HINT)
		bits *= 2;
	return bits / WORD_BITS;
}

static int size_maps(struct cloak_programs *programs, const struct nj_cloak_limits *limits)
{
	int cpus = libbpf_num_possible_cpus();
	int rc;

	if (cpus <= 0)
		return cpus ? cpus : -EINVAL;
	rc = bpf_map__set_max_entries(programs->maps.grants, limits->grants_max);
	if (rc == 0)
		rc = bpf_map__set_max_entries(programs->maps.flows, limits->flows_max);
	if (rc == 0)
		rc = bpf_map__set_max_entries(programs->maps.hints, (uint32_t)(2 * hint_words(limits->hints_max)));
	if (rc == 0)
		rc = bpf_map__set_max_entries(programs->maps.counters, (uint32_t)cpus);
	return rc;
}

static enum nj_err load(struct cloak_programs *programs, const struct nj_cloak_limits *limits, struct nj_why *why)
{
	int rc = size_maps(programs, limits);

	if (rc == 0)
		rc = cloak_programs__load(programs);
	if (rc == -EPERM || rc == -EACCES)
		return nj_why(why, NJ_ERR_DENIED, "the kernel refuses to load the cloak: CAP_BPF is needed");
	if (rc == -ENOMEM)
		return nj_why(why, NJ_ERR_NO_MEMORY, "no kernel memory for the cloak's maps");
	if (rc != 0)
		return nj_why(why, NJ_ERR_UNSUPPORTED,
			      "the kernel refuses the cloak: %s (Linux 6.1 or later is needed)", strerror(-rc));
	return NJ_OK;
}

/* A time namespace shifts this process's boot clock, not the programs': leases and expiries would be wrong by it. */
static enum nj_err check_clock(struct cloak_programs *programs, const struct nj_cloak_control *control,
			       struct nj_why *why)
{
	uint8_t packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
	uint64_t before = nj_clock_boot_ns(nj_clock_system());
	int rc = bpf_prog_test_run_opts(bpf_program__fd(programs->progs.cloak_clock), &run);
	uint64_t after = nj_clock_boot_ns(nj_clock_system());

	if (rc != 0)
		return nj_why(why, NJ_ERR_UNSUPPORTED, "the cloak cannot be tried: %s", strerror(-rc));
	if (control->clock_boot_ns + CLOCK_TOLERANCE_NS < before || control->clock_boot_ns > after + CLOCK_TOLERANCE_NS)
		return nj_why(why, NJ_ERR_UNSUPPORTED,
			      "this process has a time namespace of its own: the cloak needs the machine's boot clock");
	return NJ_OK;
}

static enum nj_err prepare_control(struct cloak_programs *programs, struct nj_why *why)
{
	struct nj_cloak_control *control =
	    mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(programs->maps.control), 0);
	enum nj_err err;

	if (control == MAP_FAILED)
		return nj_why(why, nj_err_from_errno(errno), "the cloak's control map: %s", strerror(errno));
	nj_random_fill(nj_random_system(), control->seed, sizeof(control->seed));
	control->hints[1].first_word = bpf_map__max_entries(programs->maps.hints) / 2;
	err = check_clock(programs, control, why);
	munmap(control, sizeof(*control));
	return err;
}

static enum nj_err take_fds(struct cloak_programs *programs, struct nj_cloak_fds *out_fds, struct nj_why *why)
{
	const int from[NJ_CLOAK_FD_COUNT] = {
		[NJ_CLOAK_FD_TCP_PROGRAM] = bpf_program__fd(programs->progs.cloak_tcp),
		[NJ_CLOAK_FD_UDP_PROGRAM] = bpf_program__fd(programs->progs.cloak_udp),
		[NJ_CLOAK_FD_CONTROL] = bpf_map__fd(programs->maps.control),
		[NJ_CLOAK_FD_GRANTS] = bpf_map__fd(programs->maps.grants),
		[NJ_CLOAK_FD_FLOWS] = bpf_map__fd(programs->maps.flows),
		[NJ_CLOAK_FD_HINTS] = bpf_map__fd(programs->maps.hints),
		[NJ_CLOAK_FD_COUNTERS] = bpf_map__fd(programs->maps.counters),
	};
	struct nj_cloak_fds fds;

	for (int i = 0; i < NJ_CLOAK_FD_COUNT; i++)
		fds.fd[i] = -1;
	for (int i = 0; i < NJ_CLOAK_FD_COUNT; i++) {
		fds.fd[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (fds.fd[i] < 0) {
			int saved = errno;

			nj_cloak_fds_close(&fds);
			return nj_why(why, nj_err_from_errno(saved), "descriptors of the cloak: %s", strerror(saved));
		}
	}
	*out_fds = fds;
	return NJ_OK;
}

enum nj_err nj_cloak_bpf_setup(const struct nj_cloak_limits *limits, struct nj_cloak_fds *out_fds, struct nj_why *why)
{
	__attribute__((cleanup(programs_close))) struct cloak_programs *programs = NULL;

	if (!limits_ok(limits))
		return nj_why(why, NJ_ERR_RANGE, "the cloak's limits must be 1 to %u grants, %u flows, %llu hints",
			      NJ_CLOAK_GRANTS_MAX, NJ_CLOAK_FLOWS_MAX, (unsigned long long)NJ_CLOAK_HINTS_MAX);
	libbpf_set_print(no_output);
	programs = cloak_programs__open();
	if (!programs)
		return nj_why(why, NJ_ERR_UNSUPPORTED, "the cloak's programs cannot be read: %s", strerror(errno));
	NJ_TRY(load(programs, limits, why));
	NJ_TRY(prepare_control(programs, why));
	return take_fds(programs, out_fds, why);
}

void nj_cloak_fds_close(struct nj_cloak_fds *fds)
{
	for (int i = 0; i < NJ_CLOAK_FD_COUNT; i++) {
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
		fds->fd[i] = -1;
	}
}

enum nj_err nj_cloak_bpf_attach(int program_fd, int socket_fd, struct nj_why *why)
{
	int listening = 0;
	int on = 1;
	socklen_t len = sizeof(listening);

	if (getsockopt(socket_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		return nj_why(why, nj_err_from_errno(errno), "not a socket: %s", strerror(errno));
	if (listening)
		return nj_why(why, NJ_ERR_STATE, "the socket listens already, without a cloak");
	if (setsockopt(socket_fd, SOL_SOCKET, SO_ATTACH_BPF, &program_fd, sizeof(program_fd)) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the cloak cannot be put on a socket: %s",
			      strerror(errno));
	if (setsockopt(socket_fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the cloak cannot be locked: %s", strerror(errno));
	return NJ_OK;
}
