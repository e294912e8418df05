/*
 * The privileged stage of the backend `bpf`: loads the programs, makes the maps, attaches filters to sockets. Run by
 * the supervisor at start (CAP_BPF), which keeps the descriptors for its whole life and hands duplicates to every new
 * keeper: a second set of maps would never reach a listener that carries the first one's program. Attaching needs no
 * capability. One thread, before the sandbox; never touches a socket that it is not given.
 */
#ifndef NJ_KEEPER_CLOAK_SETUP_H
#define NJ_KEEPER_CLOAK_SETUP_H

#include <stdint.h>

#include "base/err.h"

#define NJ_CLOAK_GRANTS_MAX (1u << 22)
#define NJ_CLOAK_FLOWS_MAX (1u << 22)
#define NJ_CLOAK_HINTS_MAX (UINT64_C(1) << 27)
#define NJ_CLOAK_BITS_A_HINT 16 /* to twice as many: at most 1.5 % of junk passes, in 64 to 128 bytes a device */

/* Ceilings, fixed for the life of the maps. Kernel memory: about 100 bytes a grant in use, 120 a flow (at once), and
 * 4 to 8 bytes a hint (at once; two bit arrays of a power of two, at least 64 KiB each). */
struct nj_cloak_limits {
	uint32_t grants_max;
	uint32_t flows_max; /* handshakes at one time; past it the longest unused is forgotten */
	uint64_t hints_max; /* more work too, with more false positives */
};

enum nj_cloak_fd {
	NJ_CLOAK_FD_TCP_PROGRAM,
	NJ_CLOAK_FD_UDP_PROGRAM,
	NJ_CLOAK_FD_CONTROL,
	NJ_CLOAK_FD_GRANTS,
	NJ_CLOAK_FD_FLOWS,
	NJ_CLOAK_FD_HINTS,
	NJ_CLOAK_FD_COUNTERS,
	NJ_CLOAK_FD_COUNT
};

/* An array, so that it crosses a socketpair as it is. */
struct nj_cloak_fds {
	int fd[NJ_CLOAK_FD_COUNT];
};

/* Descriptors of the caller's own, close-on-exec. The lease is dead and no hint is known: everything is dropped.
 * NJ_ERR_DENIED without the capability, NJ_ERR_RANGE for limits of 0 or over the maxima, NJ_ERR_UNSUPPORTED for a
 * kernel that refuses the program or a process in a time namespace of its own. */
NJ_MUST_USE enum nj_err nj_cloak_bpf_setup(const struct nj_cloak_limits *limits, struct nj_cloak_fds *out_fds,
					   struct nj_why *why);
/* Closes what is open (≥ 0) and marks it closed. */
void nj_cloak_fds_close(struct nj_cloak_fds *fds);
/* Puts a program on a socket and locks it there for the socket's life. NJ_ERR_STATE for a TCP socket that listens
 * already: it may have taken connections. Best before bind for the knock socket. */
NJ_MUST_USE enum nj_err nj_cloak_bpf_attach(int program_fd, int socket_fd, struct nj_why *why);

#endif
