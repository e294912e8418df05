#include "mqtt/post.h"

/*
 * A connection from its hand-over to its home: it waits on the main thread until its CONNECT is there, which says who
 * it is and so where it belongs. Nothing is answered here, and nothing eaten: the broker reads the CONNECT again. Only
 * a plain connection is bound here, as what knows its password is on this thread.
 */
struct guest {
	struct nj_list link;
	struct nj_mqtt_fabric *fabric;
	struct nj_conn *conn;
	struct nj_mqtt_entry entry;
	struct nj_party *party; /* NULL before plain binding */
	struct nj_timer limit;
	struct nj_deferred leave;
	struct nj_post post;
	size_t home;
	bool leaving;
};

static void free_guest(struct guest *guest)
{
	nj_timer_cancel(&guest->limit);
	nj_defer_cancel(&guest->leave);
	nj_list_remove(&guest->link);
	atomic_fetch_sub(&guest->fabric->waiting_count, 1);
	if (guest->party != NULL)
		nj_party_unref(guest->party);
	free(guest);
}

/* ---- on its way ---- */

static void on_landed(struct nj_post *post)
{
	struct guest *guest = NJ_CONTAINER(post, struct guest, post);
	atomic_fetch_sub(&guest->fabric->errands, 1);
	free_guest(guest);
}

static void on_home(struct nj_post *post)
{
	struct guest *guest = NJ_CONTAINER(post, struct guest, post);
	struct nj_mqtt_entry entry = guest->entry;
	entry.party = guest->party;
	entry.authenticate = NULL;
	entry.unbound = NULL;
	nj_mqtt_accept_moved(guest->fabric->brokers[guest->home], guest->conn, &entry);
	guest->post.on_post = on_landed;
	nj_reactor_post(guest->fabric->main_reactor, &guest->post);
}

static void on_leave(struct nj_deferred *work)
{
	struct guest *guest = NJ_CONTAINER(work, struct guest, leave);
	/* One that has just ended stays, and is told so. */
	if (nj_conn_detach(guest->conn) != NJ_OK)
		return;
	nj_timer_cancel(&guest->limit);
	nj_list_remove(&guest->link);
	guest->post.on_post = on_home;
	atomic_fetch_add(&guest->fabric->errands, 1);
	nj_reactor_post(guest->fabric->brokers[guest->home]->reactor, &guest->post);
}

static void send_home(struct guest *guest, size_t home)
{
	guest->home = home;
	guest->leaving = true;
	nj_conn_pause(guest->conn, true);
	nj_defer(guest->fabric->main_reactor, &guest->leave);
}

/* ---- waiting ---- */

static void tell_error(const struct guest *guest, uint8_t version, enum nj_mqtt_reason reason, const char *text)
{
	const struct nj_mqtt_hooks *hooks = &guest->fabric->hooks;
	struct nj_mqtt_seen seen = { .party = guest->party,
				     .peer = nj_conn_peer(guest->conn),
				     .version = version,
				     .tag = guest->entry.tag,
				     .conn = guest->conn };
	if (hooks->on_error != NULL)
		hooks->on_error(hooks->arg, &seen, (uint8_t)reason, text);
}

/* Whoever has not proved a knock hears nothing. */
static void turn_away(struct guest *guest, uint8_t version, enum nj_mqtt_reason reason, const char *text)
{
	tell_error(guest, version, reason, text);
	guest->leaving = true;
	nj_conn_abort(guest->conn, NJ_CLOSE_UNBOUND);
}

/* What is wrong with a bound client's first packet, its broker says. */
static void misunderstood(struct guest *guest, uint8_t version, enum nj_mqtt_fault fault)
{
	if (guest->party != NULL)
		send_home(guest, 0);
	else
		turn_away(guest, version, nj_mqtt_fault_reason(fault), nj_mqtt_fault_text(fault));
}

static bool bind_plain(struct guest *guest, const struct nj_mqtt_connect *c)
{
	const struct nj_mqtt_entry *entry = &guest->entry;
	struct nj_party *party = NULL;
	if (guest->party != NULL)
		return true;
	if (entry->authenticate == NULL ||
	    entry->authenticate(entry->arg, guest->conn, c->username, c->password, &party) != NJ_OK)
		return false;
	guest->party = party;
	return true;
}

static void on_first_packet(struct guest *guest, const struct nj_mqtt_frame *frame)
{
	struct nj_mqtt_fabric *fabric = guest->fabric;
	struct nj_mqtt_packet packet;
	const struct nj_mqtt_connect *c = &packet.as.connect;
	if (frame->type != NJ_MQTT_CONNECT) {
		misunderstood(guest, 0, NJ_MQTT_FAULT_NOT_CONNECTED);
		return;
	}
	enum nj_mqtt_fault fault = nj_mqtt_decode(frame, 0, NJ_MQTT_FROM_CLIENT, &packet);
	if (fault != NJ_MQTT_FAULT_NONE)
		misunderstood(guest, c->version, fault);
	else if (!bind_plain(guest, c))
		turn_away(guest, c->version, NJ_MQTT_R_BAD_LOGIN, "not the party that knocked");
	else if (c->client_id.len == 0)
		send_home(guest, fabric->next_home++ % fabric->count);
	else
		send_home(guest, nj_mqtt_home(fabric, guest->party->uid, c->client_id));
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	struct guest *guest = nj_conn_user(conn);
	struct nj_mqtt_frame frame;
	size_t need = 0;
	if (guest->leaving)
		return 0;
	enum nj_mqtt_fault fault = nj_mqtt_frame(in, guest->fabric->limits.max_packet_bytes, &frame, &need);
	if (fault != NJ_MQTT_FAULT_NONE)
		misunderstood(guest, 0, fault);
	else if (need == 0)
		on_first_packet(guest, &frame);
	return 0;
}

static void on_event(struct nj_conn *conn)
{
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	struct guest *guest = nj_conn_user(conn);
	if (guest->party == NULL && guest->entry.unbound != NULL)
		guest->entry.unbound(guest->entry.arg, why);
	free_guest(guest);
}

static const struct nj_conn_ops guest_ops = {
	.on_open = on_event,
	.on_data = on_data,
	.on_drained = on_event,
	.on_close = on_close,
};

static void on_limit(struct nj_timer *timer)
{
	struct guest *guest = NJ_CONTAINER(timer, struct guest, limit);
	const enum nj_mqtt_fault fault = NJ_MQTT_FAULT_CONNECT_TIMEOUT;
	if (guest->party == NULL) {
		turn_away(guest, 0, nj_mqtt_fault_reason(fault), nj_mqtt_fault_text(fault));
		return;
	}
	tell_error(guest, 0, nj_mqtt_fault_reason(fault), nj_mqtt_fault_text(fault));
	guest->leaving = true;
	nj_conn_finish(guest->conn, NJ_CLOSE_IDLE);
}

enum nj_err nj_mqtt_fabric_accept(struct nj_mqtt_fabric *fabric, struct nj_conn *conn,
				  const struct nj_mqtt_entry *entry)
{
	if (fabric->count == 1)
		return nj_mqtt_accept(fabric->brokers[0], conn, entry);
	struct guest *guest = calloc(1, sizeof(*guest));
	if (guest == NULL) {
		nj_conn_abort(conn, NJ_CLOSE_IO);
		return NJ_ERR_NO_MEMORY;
	}
	guest->fabric = fabric;
	guest->conn = conn;
	guest->entry = *entry;
	guest->party = entry->party != NULL ? nj_party_ref(entry->party) : NULL;
	guest->limit.on_timer = on_limit;
	guest->leave.on_turn_end = on_leave;
	nj_list_push_back(&fabric->waiting, &guest->link);
	atomic_fetch_add(&fabric->waiting_count, 1);
	uint32_t limit_ms =
	    entry->connect_timeout_ms != 0 ? entry->connect_timeout_ms : fabric->limits.connect_timeout_ms;
	if (limit_ms > 0)
		nj_timer_arm(fabric->main_reactor, &guest->limit, limit_ms);
	nj_conn_set_ops(conn, &guest_ops, guest);
	return NJ_OK;
}

size_t nj_mqtt_fabric_cut_waiting(struct nj_mqtt_fabric *fabric,
				  bool (*chosen)(void *arg, const struct nj_conn *conn, const struct nj_party *party),
				  void *arg)
{
	size_t count = 0;
	NJ_LIST_EACH (&fabric->waiting, at) {
		struct guest *guest = NJ_CONTAINER(at, struct guest, link);
		if (guest->party == NULL || !chosen(arg, guest->conn, guest->party))
			continue;
		guest->leaving = true;
		nj_conn_abort(guest->conn, NJ_CLOSE_REVOKED);
		count++;
	}
	return count;
}

void nj_mqtt_greeter_done(struct nj_mqtt_fabric *fabric)
{
	while (!nj_list_empty(&fabric->waiting)) {
		struct guest *guest = NJ_CONTAINER(fabric->waiting.next, struct guest, link);
		nj_conn_set_ops(guest->conn, &nj_mqtt_orphan_ops, NULL);
		nj_conn_abort(guest->conn, NJ_CLOSE_SHUTDOWN);
		free_guest(guest);
	}
}
