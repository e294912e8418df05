/*
 * Is somebody using a port already? SO_REUSEPORT would let a second gateway of the same user share it silently, each
 * getting half of the connections; this asks the kernel's socket tables (proc_net_tcp(5)) first. Before the sandbox;
 * any thread.
 */
#ifndef NJ_NET_PORTS_H
#define NJ_NET_PORTS_H

#include <stdbool.h>

#include "net/listener.h"

/* A listening TCP socket, or any UDP socket, at the port of `addr` and at its address, or either at "any". False also
 * when the tables cannot be read. */
bool nj_port_taken(enum nj_socket_kind kind, const struct nj_addr *addr);

/* One line of such a table: true when it is a socket in `state` (0: any) at the address. For tests. */
bool nj_port_line_matches(const char *line, const struct nj_addr *addr, unsigned state);

#endif
