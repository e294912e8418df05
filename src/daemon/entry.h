/*
 * The entry: connections that a cloaked listener accepted and that have proved nothing yet. Bounds them by source and
 * in all, evicts the oldest, gives each its time to prove itself, takes the proof (the one-time key of a knock, or a
 * certificate that names who knocked) to the door, and hands what is bound to its service, marked with the grant that
 * it consumed (nj_conn_mark_of). What fails is closed without a word. The gateway's main thread only.
 */
#ifndef NJ_DAEMON_ENTRY_H
#define NJ_DAEMON_ENTRY_H

#include "base/config/settings.h"
#include "bus/door.h"
#include "daemon/crowd.h"
#include "identity/directory.h"
#include "net/conn.h"

struct nj_entry;

/* How a connection's try ended, for log and audit. */
struct nj_entry_event {
	const struct nj_addr *peer;
	const struct nj_addr *local;
	const struct nj_addr *via; /* the proxy that named `peer`; NULL: none */
	uint16_t service;
	const struct nj_grant *grant;   /* what was proven; NULL for a failure */
	const struct nj_party *party;   /* NULL for a failure */
	const char *reason;             /* of a failure */
	const struct nj_tls_facts *tls; /* may be NULL */
};

struct nj_entry_config {
	struct nj_reactor *reactor;
	struct nj_door *door;
	struct nj_directory *directory;
	struct nj_crowd *crowd;
	const struct nj_settings_limits *limits;
	size_t max_in_bytes, max_out_bytes; /* of a connection's buffers */
	const struct nj_ws_policy *websocket;
	void *arg;
	/* Hands a connection that `grant` bound to its service, which now owns it. */
	void (*serve)(void *arg, struct nj_conn *conn, const struct nj_grant *grant, struct nj_party *party);
	void (*on_bound)(void *arg, const struct nj_entry_event *event);
	void (*on_failed)(void *arg, const struct nj_entry_event *event);
	/* What certifies the parties of a customer; `*out_own`: its own CA, whose certificates may name them by name.
	 */
	const struct nj_tls_trust *(*trust)(void *arg, const char *customer, bool *out_own);
	/* Connections that services hold: they count against limits.connections. */
	size_t (*served)(void *arg);
};

NJ_MUST_USE enum nj_err nj_entry_new(const struct nj_entry_config *config, struct nj_random *random,
				     struct nj_entry **out_entry);
void nj_entry_free(struct nj_entry *entry);
/* What came in. */
struct nj_arrival {
	int fd; /* taken over */
	const struct nj_addr *peer;
	const struct nj_addr *local;
	const struct nj_addr *via; /* the proxy that named `peer`; NULL: none */
	uint16_t service;
};
/* Takes over an accepted descriptor of a TLS service. */
void nj_entry_accept(struct nj_entry *entry, const struct nj_arrival *arrival, struct nj_tls_ctx *tls);

/* ---- services that take the proof themselves, inside their protocol ---- */

struct nj_visitor;

/* Takes over an accepted descriptor; NULL: there is no room, and it is closed. Its service becomes the owner of the
 * connection and says how it ended: proven or not. One that is evicted ends as all do, by its owner's on_close. */
struct nj_visitor *nj_entry_lend(struct nj_entry *entry, const struct nj_arrival *arrival, struct nj_conn **out_conn);
/* From the connection to its proof. */
uint32_t nj_visitor_bind_ms(const struct nj_visitor *visitor);
/* The proof by user name and password; consumes the grant and reports, also what failed. Borrowed party. After NJ_OK
 * the visitor is gone. */
NJ_MUST_USE enum nj_err nj_visitor_prove(struct nj_visitor *visitor, struct nj_view username, struct nj_view password,
					 struct nj_party **out_party);
/* Its connection ended unproven: reports that if nothing was reported, and frees the visitor. */
void nj_visitor_ended(struct nj_visitor *visitor, enum nj_close why);

/* What a TLS context of the entry's connections asks about client certificates. */
struct nj_tls_certificates nj_entry_certificates(struct nj_entry *entry);
size_t nj_entry_count(const struct nj_entry *entry);

#endif
