#include "daemon/gateway_recover.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "wire/recover.h"

#define SESSIONS_MAX 4096
#define SESSION_MS (120 * 1000) /* from the binding to the end, for the slowest device */
#define LINGER_MS (5 * 1000)    /* after DONE: the device closes first */

struct session {
	struct gateway *g;
	struct nj_conn *conn;
	struct nj_timer limit;
	uint64_t grant_id;
	uint8_t uid[NJ_UID_BYTES];
	bool offered; /* STORED may come, once */
};

static struct nj_view session_key(const void *entry)
{
	const struct session *session = entry;

	return nj_view_of(&session->grant_id, sizeof(session->grant_id));
}

static struct session *session_of(const struct gateway *g, uint64_t grant_id)
{
	return nj_map_get(&g->recoveries, nj_view_of(&grant_id, sizeof(grant_id)));
}

void gateway_recover_init(struct gateway *g)
{
	nj_map_init(&g->recoveries, session_key, SESSIONS_MAX, nj_random_system());
}

void gateway_recover_done(struct gateway *g)
{
	struct session *session;
	size_t cursor = 0;

	while ((session = nj_map_next(&g->recoveries, &cursor)) != NULL)
		free(session);
	nj_map_done(&g->recoveries);
}

/* ---- the connection ---- */

static void on_open(struct nj_conn *conn)
{
	(void)conn;
}

/* STORED alone may come, whole or in parts, and after OFFER; whatever else does ends the session. */
static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	struct session *session = nj_conn_user(conn);
	struct nj_ipc message = { .type = NJ_IPC_REKEY_STORED };
	struct nj_recover_message stored;
	size_t len = 0;
	enum nj_err err = nj_recover_decode(in, &stored, &len);

	if (err == NJ_ERR_TRUNCATED)
		return 0;
	if (err != NJ_OK || stored.type != NJ_RECOVER_STORED || !session->offered) {
		nj_conn_abort(conn, NJ_CLOSE_PROTOCOL);
		return 0;
	}
	session->offered = false;
	message.as.rekey.grant_id = session->grant_id;
	message.as.rekey.epoch = stored.epoch;
	memcpy(message.as.rekey.value, stored.proof, sizeof(message.as.rekey.value));
	/* An answer that does not arrive is as one that was lost on its way: the next session settles it. */
	(void)!gateway_keeper_send(session->g, &message);
	return len;
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	struct session *session = nj_conn_user(conn);

	NJ_LOG(NJ_LOG_INFO, "recovery.session", NJ_A("peer", nj_conn_peer(conn)), NJ_S("why", nj_close_name(why)));
	nj_timer_cancel(&session->limit);
	(void)nj_map_remove(&session->g->recoveries, session_key(session));
	free(session);
}

static void on_limit(struct nj_timer *timer)
{
	struct session *session = NJ_CONTAINER(timer, struct session, limit);

	nj_conn_abort(session->conn, NJ_CLOSE_IDLE);
}

/* The keeper makes the offer of its own nonce: it needs no exporter, and is told none. */
static enum nj_err say_ready(const struct session *session)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_READY };

	message.as.rekey.grant_id = session->grant_id;
	return gateway_keeper_send(session->g, &message);
}

static struct session *session_new(struct gateway *g, struct nj_conn *conn, const struct nj_grant *grant)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	*session = (struct session){ .g = g, .conn = conn, .grant_id = grant->id, .limit.on_timer = on_limit };
	memcpy(session->uid, grant->uid, sizeof(session->uid));
	if (nj_map_put(&g->recoveries, session) == NJ_OK)
		return session;
	free(session);
	return NULL;
}

void gateway_recover_serve(struct gateway *g, struct nj_conn *conn, const struct nj_grant *grant)
{
	static const struct nj_conn_ops ops = {
		.on_open = on_open,
		.on_data = on_data,
		.on_drained = on_open,
		.on_close = on_close,
	};
	struct session *session = session_new(g, conn, grant);

	if (session == NULL) {
		nj_conn_abort(conn, NJ_CLOSE_UNBOUND);
		return;
	}
	nj_conn_set_ops(conn, &ops, session);
	nj_timer_arm(g->reactor, &session->limit, SESSION_MS);
	if (say_ready(session) != NJ_OK)
		nj_conn_abort(conn, NJ_CLOSE_SHUTDOWN);
}

/* ---- the keeper ---- */

bool gateway_recover_tell(struct gateway *g, const struct nj_ipc *message)
{
	const struct nj_ipc_rekey *rekey = &message->as.rekey;
	struct session *session = session_of(g, rekey->grant_id);
	bool offer = message->type == NJ_IPC_REKEY_OFFER;
	struct nj_recover_message told = { .type = offer ? NJ_RECOVER_OFFER : NJ_RECOVER_DONE, .epoch = rekey->epoch };
	uint8_t bytes[NJ_RECOVER_MESSAGE_MAX_BYTES];

	if (session == NULL)
		return false;
	told.floor = rekey->floor;
	memcpy(offer ? told.nonce : told.proof, rekey->value, sizeof(rekey->value));
	session->offered = session->offered || offer;
	if (nj_conn_send(session->conn, bytes, nj_recover_encode(&told, bytes)) != NJ_OK)
		nj_conn_abort(session->conn, NJ_CLOSE_OVERFLOW);
	else if (!offer)
		nj_timer_arm(g->reactor, &session->limit, LINGER_MS);
	nj_wipe(&told, sizeof(told));
	nj_wipe(bytes, sizeof(bytes));
	return true;
}

size_t gateway_recover_cut(struct gateway *g, const uint8_t uid[NJ_UID_BYTES])
{
	const struct session *session;
	size_t cursor = 0;
	size_t cut = 0;

	while ((session = nj_map_next(&g->recoveries, &cursor)) != NULL) {
		if (memcmp(session->uid, uid, sizeof(session->uid)) != 0)
			continue;
		nj_conn_abort(session->conn, NJ_CLOSE_REVOKED);
		cut++;
	}
	return cut;
}

size_t gateway_recover_connections(const struct gateway *g)
{
	return g->recoveries.count;
}
