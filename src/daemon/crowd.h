/*
 * Who is here and how much each takes: connections, connects, connections that proved nothing, messages and bytes, by
 * address, listener, device and customer, each against a limit of the configuration. What is too many is refused before
 * it costs anything; what is too fast is read more slowly; a client that comes and goes is put off for longer each
 * time. Any thread: connects and ends take a lock, messages and bytes take none. Never logs: it counts, and keeps one
 * note a kind for whoever tells of it.
 */
#ifndef NJ_DAEMON_CROWD_H
#define NJ_DAEMON_CROWD_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/config/settings.h"
#include "base/random.h"
#include "base/wire.h"
#include "net/conn.h"

/* X(name, text): whose. */
#define NJ_CROWD_SCOPE_TABLE(X)          \
	X(NJ_CROWD_ADDRESS, "address")   \
	X(NJ_CROWD_LISTENER, "listener") \
	X(NJ_CROWD_DEVICE, "device")     \
	X(NJ_CROWD_CUSTOMER, "customer")
enum nj_crowd_scope {
#define NJ_CROWD_ENUM(name, text) name,
	NJ_CROWD_SCOPE_TABLE(NJ_CROWD_ENUM) NJ_CROWD_SCOPES
};

/* X(name, text): what of. */
#define NJ_CROWD_WHAT_TABLE(X)                 \
	X(NJ_CROWD_CONNECTIONS, "connections") \
	X(NJ_CROWD_CONNECTS, "connects")       \
	X(NJ_CROWD_UNPROVEN, "unproven")       \
	X(NJ_CROWD_FLAPPING, "flapping")       \
	X(NJ_CROWD_MESSAGES, "messages")       \
	X(NJ_CROWD_BYTES, "bytes")
enum nj_crowd_what { NJ_CROWD_WHAT_TABLE(NJ_CROWD_ENUM) NJ_CROWD_WHATS };
#undef NJ_CROWD_ENUM
const char *nj_crowd_scope_name(enum nj_crowd_scope scope);
const char *nj_crowd_what_name(enum nj_crowd_what what);

/* Why somebody was refused; `within` is true for nobody. */
struct nj_crowd_verdict {
	bool within;
	enum nj_crowd_scope scope;
	enum nj_crowd_what what;
};

struct nj_crowd;
struct nj_ticket; /* one connection's share of it */

NJ_MUST_USE enum nj_err nj_crowd_new(const struct nj_clock *clock, struct nj_random *random,
				     struct nj_crowd **out_crowd);
/* After every ticket. */
void nj_crowd_free(struct nj_crowd *crowd);
/* From now on; what is here stays. */
void nj_crowd_set_limits(struct nj_crowd *crowd, const struct nj_settings_limits *limits);

/* A connection comes. `peer` NULL: of this machine, no address counts. NJ_ERR_LIMIT: `out_verdict` says which;
 * NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_crowd_enter(struct nj_crowd *crowd, uint16_t listener, const struct nj_addr *peer,
				       struct nj_ticket **out_ticket, struct nj_crowd_verdict *out_verdict);
/* The same for a connection that was accepted at `local`: a listener is known by its port, and addresses of this
 * machine do not count. */
NJ_MUST_USE enum nj_err nj_crowd_toll(struct nj_crowd *crowd, const struct nj_addr *local, const struct nj_addr *peer,
				      struct nj_ticket **out_ticket);
/* The connection pays for what it sends, and leaves when it ends: the ticket is its toll's argument from now on. */
void nj_crowd_pay(struct nj_ticket *ticket, struct nj_conn *conn);
/* It has proved itself; harmless when it had. */
void nj_crowd_proven(struct nj_ticket *ticket);

/* Whose connection it turned out to be. */
struct nj_crowd_who {
	const uint8_t *uid; /* 16 bytes */
	const char *customer;
	const char *name;
	bool device;
	struct nj_view client_id; /* empty: the client has no name of its own, and cannot flap */
	bool takes_over;          /* another connection goes for it: numbers do not grow */
};
/* Once. NJ_ERR_LIMIT as above; the ticket stays valid either way. */
NJ_MUST_USE enum nj_err nj_crowd_admit(struct nj_ticket *ticket, const struct nj_crowd_who *who,
				       struct nj_crowd_verdict *out_verdict);
/* Takes so many messages or bytes: returns for how many milliseconds no more should be read; 0: go on. */
uint32_t nj_crowd_charge(struct nj_ticket *ticket, uint32_t messages, size_t bytes);
/* The connection ended; the ticket is gone. */
void nj_crowd_leave(struct nj_ticket *ticket);

/* Forgets who is gone and owes nothing; every few seconds. */
void nj_crowd_sweep(struct nj_crowd *crowd);
/* How often a limit was met since the start. */
uint64_t nj_crowd_count(const struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what);
/* Tells of each limit that was met since the last call: how often, and who was the last. */
typedef void (*nj_crowd_note_fn)(void *arg, enum nj_crowd_scope scope, enum nj_crowd_what what, uint64_t times,
				 const char *who);
void nj_crowd_notes(struct nj_crowd *crowd, nj_crowd_note_fn fn, void *arg);

#endif
