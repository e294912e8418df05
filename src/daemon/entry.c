#include "daemon/entry.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"
#include "base/text.h"

#define VISITORS_MAX 65536

/* The unproven connections of one source address. */
struct source {
	uint8_t ip[16];
	struct nj_list visitors; /* oldest first */
	uint32_t count;
};

struct nj_visitor {
	struct nj_entry *entry;
	struct source *source;
	struct nj_list of_source;
	struct nj_list of_all;
	struct nj_conn *conn;
	struct nj_ticket *ticket; /* the connection's toll, and with it gone */
	struct nj_addr via;       /* any: nobody stood between */
	uint16_t service;
	uint32_t bind_ms;
	bool lent;     /* its service owns the connection */
	bool reported; /* why it failed was said */
	bool named;    /* a certificate named `uid`, which had a grant then */
	uint8_t uid[NJ_UID_BYTES];
	const char *rejected; /* why a certificate was not accepted; NULL: none was shown */
};

struct nj_entry {
	struct nj_entry_config config;
	struct nj_map sources;
	struct nj_list all; /* oldest first */
	size_t count;
	size_t lent; /* of them: services count these as theirs, too */
};

static struct nj_view source_key(const void *entry)
{
	const struct source *source = entry;

	return nj_view_of(source->ip, sizeof(source->ip));
}

enum nj_err nj_entry_new(const struct nj_entry_config *config, struct nj_random *random, struct nj_entry **out_entry)
{
	struct nj_entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NJ_ERR_NO_MEMORY;
	entry->config = *config;
	nj_map_init(&entry->sources, source_key, VISITORS_MAX, random);
	nj_list_init(&entry->all);
	*out_entry = entry;
	return NJ_OK;
}

size_t nj_entry_count(const struct nj_entry *entry)
{
	return entry->count;
}

static struct source *source_of(struct nj_entry *entry, const struct nj_addr *peer)
{
	struct source *source = nj_map_get(&entry->sources, nj_view_of(peer->ip, sizeof(peer->ip)));

	if (source != NULL)
		return source;
	source = calloc(1, sizeof(*source));
	if (source == NULL)
		return NULL;
	memcpy(source->ip, peer->ip, sizeof(source->ip));
	nj_list_init(&source->visitors);
	if (nj_map_put(&entry->sources, source) == NJ_OK)
		return source;
	free(source);
	return NULL;
}

static void source_release(struct nj_entry *entry, struct source *source)
{
	if (source->count > 0)
		return;
	nj_map_remove(&entry->sources, source_key(source));
	free(source);
}

/* Its connection is gone or has been handed on. */
static void visitor_free(struct nj_visitor *visitor)
{
	struct nj_entry *entry = visitor->entry;

	nj_list_remove(&visitor->of_source);
	nj_list_remove(&visitor->of_all);
	visitor->source->count--;
	entry->count--;
	entry->lent -= visitor->lent;
	source_release(entry, visitor->source);
	free(visitor);
}

/* ---- the proof ---- */

static struct nj_entry_event event_of(const struct nj_visitor *visitor)
{
	return (struct nj_entry_event){
		.peer = nj_conn_peer(visitor->conn),
		.local = nj_conn_local(visitor->conn),
		.via = nj_addr_is_any(&visitor->via) ? NULL : &visitor->via,
		.service = visitor->service,
		.tls = nj_conn_tls_facts(visitor->conn),
	};
}

static void fail(struct nj_visitor *visitor, const char *reason)
{
	struct nj_entry_event event = event_of(visitor);

	if (visitor->reported)
		return;
	visitor->reported = true;
	event.reason = reason;
	visitor->entry->config.on_failed(visitor->entry->config.arg, &event);
}

static const char *bind_failure(enum nj_err err)
{
	switch (err) {
	case NJ_ERR_NOT_FOUND:
		return "the grant is used up or withdrawn, or its TLS floor is higher";
	case NJ_ERR_EXPIRED:
		return "the grant has expired";
	case NJ_ERR_DENIED:
		return "the grant is for another service or source";
	default:
		return nj_err_text(err);
	}
}

static enum nj_err consume(struct nj_visitor *visitor, const struct nj_entry_event *event, struct nj_grant *out_grant)
{
	struct nj_door *door = visitor->entry->config.door;
	const struct nj_tls_facts *tls = event->tls;

	if (tls->psk_bound)
		return nj_door_bind_psk(door, tls->psk_identity, visitor->service, event->peer, out_grant);
	return nj_door_bind_certificate(door, visitor->uid, strcmp(tls->version, "TLSv1.3") != 0, visitor->service,
					event->peer, out_grant);
}

static bool proved(const struct nj_visitor *visitor, const struct nj_tls_facts *tls)
{
	return tls != NULL && (tls->psk_bound || (tls->certificate_bound && visitor->named));
}

static void on_open(struct nj_conn *conn)
{
	struct nj_visitor *visitor = nj_conn_user(conn);
	struct nj_entry *entry = visitor->entry;
	struct nj_entry_event event = event_of(visitor);
	struct nj_grant grant;

	if (!proved(visitor, event.tls)) {
		fail(visitor, "the handshake proved no knock");
		nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
		return;
	}
	enum nj_err err = consume(visitor, &event, &grant);
	struct nj_party *party = err == NJ_OK ? nj_directory_by_uid(entry->config.directory, grant.uid) : NULL;
	if (party == NULL) {
		fail(visitor, err == NJ_OK ? "the device is unknown or revoked" : bind_failure(err));
		nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
		return;
	}
	event.grant = &grant;
	event.party = party;
	nj_conn_proven(conn);
	nj_conn_mark(conn, grant.id);
	nj_crowd_proven(visitor->ticket);
	entry->config.on_bound(entry->config.arg, &event);
	nj_conn_forget_offer(conn);
	visitor_free(visitor);
	entry->config.serve(entry->config.arg, conn, &grant, party);
}

/* Bytes before the proof are nobody's; the transport calls this only after on_open. */
static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	(void)in;
	nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
	return 0;
}

static void on_drained(struct nj_conn *conn)
{
	(void)conn;
}

void nj_visitor_ended(struct nj_visitor *visitor, enum nj_close why)
{
	if (why != NJ_CLOSE_UNBOUND && why != NJ_CLOSE_SHUTDOWN)
		fail(visitor, visitor->rejected != NULL ? visitor->rejected : nj_close_name(why));
	visitor_free(visitor);
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	nj_visitor_ended(nj_conn_user(conn), why);
}

static const struct nj_conn_ops unproven_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_drained = on_drained,
	.on_close = on_close,
};

/* ---- client certificates: asked about while the handshake is on its way ---- */

static enum nj_tls_admission certificate_admit(void *arg, void *who)
{
	const struct nj_entry *entry = arg;
	const struct nj_visitor *visitor = who;
	const struct nj_addr *peer = nj_conn_peer(visitor->conn);
	enum nj_tls_admission admission = NJ_TLS_REFUSE;
	const struct nj_grant *grant;
	uint32_t cursor = 0;

	while ((grant = nj_door_next_certificate(entry->config.door, visitor->service, peer, &cursor)) != NULL) {
		admission = NJ_TLS_FROM_13;
		if (grant->tls12)
			return NJ_TLS_FROM_12;
	}
	return admission;
}

/* The subject is a claim until the certificate is verified by what this returns. A party of a customer with a CA of its
 * own is named by its uid, or, where that CA writes no uid, by its name. */
static bool subject_names(const struct nj_tls_subject *subject, const struct nj_party *party, bool own)
{
	char uid[2 * NJ_UID_BYTES + 1];

	nj_hex_encode(party->uid, sizeof(party->uid), uid);
	if (subject->serial_number[0] != '\0')
		return strcasecmp(subject->serial_number, uid) == 0;
	return own && strcmp(subject->common_name, party->names.name) == 0;
}

static const struct nj_tls_trust *certificate_trust(void *arg, void *who, const struct nj_tls_subject *subject)
{
	const struct nj_entry *entry = arg;
	struct nj_visitor *visitor = who;
	const struct nj_addr *peer = nj_conn_peer(visitor->conn);
	const struct nj_grant *grant;
	uint32_t cursor = 0;

	while ((grant = nj_door_next_certificate(entry->config.door, visitor->service, peer, &cursor)) != NULL) {
		const struct nj_party *party = nj_directory_by_uid(entry->config.directory, grant->uid);
		const struct nj_tls_trust *trust;
		bool own = false;

		if (party == NULL)
			continue;
		trust = entry->config.trust(entry->config.arg, party->names.customer, &own);
		if (trust == NULL || !subject_names(subject, party, own))
			continue;
		visitor->named = true;
		memcpy(visitor->uid, party->uid, sizeof(visitor->uid));
		return trust;
	}
	visitor->named = false;
	return NULL;
}

static void certificate_rejected(void *arg, void *who, const char *reason)
{
	struct nj_visitor *visitor = who;

	(void)arg;
	visitor->rejected = reason;
}

struct nj_tls_certificates nj_entry_certificates(struct nj_entry *entry)
{
	return (struct nj_tls_certificates){
		.admit = certificate_admit,
		.trust = certificate_trust,
		.rejected = certificate_rejected,
		.arg = entry,
	};
}

/* ---- accepting ---- */

static void evict(struct nj_visitor *visitor)
{
	nj_conn_abort(visitor->conn, NJ_CLOSE_EVICTED);
	/* Gone from the counts at once; its close follows at the end of the turn. */
	nj_list_remove(&visitor->of_source);
	nj_list_remove(&visitor->of_all);
}

static bool make_room(struct nj_entry *entry, struct source *source)
{
	size_t held = entry->count - entry->lent + entry->config.served(entry->config.arg);

	if (source->count >= entry->config.limits->unproven_per_source && !nj_list_empty(&source->visitors))
		evict(NJ_CONTAINER(source->visitors.next, struct nj_visitor, of_source));
	else if (held >= entry->config.limits->connections && !nj_list_empty(&entry->all))
		evict(NJ_CONTAINER(entry->all.next, struct nj_visitor, of_all));
	else if (held >= entry->config.limits->connections)
		return false;
	return entry->count < VISITORS_MAX;
}

static struct nj_visitor *admit(struct nj_entry *entry, const struct nj_addr *peer)
{
	struct source *source = source_of(entry, peer);

	if (source == NULL)
		return NULL;
	struct nj_visitor *visitor = make_room(entry, source) ? calloc(1, sizeof(*visitor)) : NULL;
	if (visitor == NULL) {
		source_release(entry, source);
		return NULL;
	}
	visitor->entry = entry;
	visitor->source = source;
	nj_list_push_back(&source->visitors, &visitor->of_source);
	nj_list_push_back(&entry->all, &visitor->of_all);
	source->count++;
	entry->count++;
	return visitor;
}

/* The first whole message has its part of a longer time. */
static uint32_t hello_ms(const struct nj_settings_limits *limits, uint32_t bind_ms)
{
	return (uint32_t)((uint64_t)limits->hello_timeout_ms * bind_ms / limits->bind_timeout_ms);
}

static struct nj_visitor *accept_one(struct nj_entry *entry, const struct nj_arrival *arrival, struct nj_tls_ctx *tls)
{
	const struct nj_addr *peer = arrival->peer;
	const int one = 1;
	struct nj_ticket *ticket = NULL;
	struct nj_visitor *visitor = NULL;

	if (nj_crowd_toll(entry->config.crowd, arrival->local, peer, &ticket) == NJ_OK)
		visitor = admit(entry, peer);
	if (visitor == NULL) {
		if (ticket != NULL)
			nj_crowd_leave(ticket);
		close(arrival->fd);
		return NULL;
	}
	visitor->ticket = ticket;
	if (arrival->via != NULL)
		visitor->via = *arrival->via;
	(void)setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	visitor->service = arrival->service;
	visitor->bind_ms =
	    nj_door_bind_ms(entry->config.door, arrival->service, peer, entry->config.limits->bind_timeout_ms);
	struct nj_conn_config config = {
		.fd = arrival->fd,
		.peer = *peer,
		.local = *arrival->local,
		.tls = tls,
		/* Nothing is said over it before the proof. */
		.websocket = tls != NULL ? entry->config.websocket : NULL,
		.max_in_bytes = entry->config.max_in_bytes,
		.max_out_bytes = entry->config.max_out_bytes,
		.hello_timeout_ms = hello_ms(entry->config.limits, visitor->bind_ms),
		.ops = &unproven_ops,
		.user = visitor,
	};
	if (nj_conn_new(entry->config.reactor, &config, &visitor->conn) != NJ_OK) {
		nj_crowd_leave(ticket);
		visitor_free(visitor);
		return NULL;
	}
	nj_crowd_pay(ticket, visitor->conn);
	nj_conn_bind_deadline(visitor->conn, visitor->bind_ms);
	return visitor;
}

void nj_entry_accept(struct nj_entry *entry, const struct nj_arrival *arrival, struct nj_tls_ctx *tls)
{
	(void)accept_one(entry, arrival, tls);
}

struct nj_visitor *nj_entry_lend(struct nj_entry *entry, const struct nj_arrival *arrival, struct nj_conn **out_conn)
{
	struct nj_visitor *visitor = accept_one(entry, arrival, NULL);

	if (visitor == NULL)
		return NULL;
	visitor->lent = true;
	entry->lent++;
	*out_conn = visitor->conn;
	return visitor;
}

uint32_t nj_visitor_bind_ms(const struct nj_visitor *visitor)
{
	return visitor->bind_ms;
}

enum nj_err nj_visitor_prove(struct nj_visitor *visitor, struct nj_view username, struct nj_view password,
			     struct nj_party **out_party)
{
	struct nj_entry *entry = visitor->entry;
	struct nj_entry_event event = event_of(visitor);
	struct nj_grant grant;
	enum nj_err err =
	    nj_door_bind_password(entry->config.door, username, password, visitor->service, event.peer, &grant);
	struct nj_party *party = err == NJ_OK ? nj_directory_by_uid(entry->config.directory, grant.uid) : NULL;

	if (party == NULL) {
		fail(visitor, err == NJ_OK ? "the device is unknown or revoked"
					   : "the one-time user name and password of no knock");
		return err == NJ_OK ? NJ_ERR_NOT_FOUND : err;
	}
	event.grant = &grant;
	event.party = party;
	nj_conn_proven(visitor->conn);
	nj_conn_mark(visitor->conn, grant.id);
	nj_crowd_proven(visitor->ticket);
	entry->config.on_bound(entry->config.arg, &event);
	visitor_free(visitor);
	*out_party = party;
	return NJ_OK;
}

void nj_entry_free(struct nj_entry *entry)
{
	if (entry == NULL)
		return;
	nj_map_done(&entry->sources);
	free(entry);
}
