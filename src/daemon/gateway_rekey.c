#include "daemon/gateway_rekey.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "wire/rekey.h"

#define SESSIONS_MAX 1000000

/* A session that may be offered a new root key. */
struct session {
	uint64_t grant_id;
	struct nj_mqtt_client *client;
};

static struct nj_view session_key(const void *entry)
{
	const struct session *session = entry;

	return nj_view_of(&session->grant_id, sizeof(session->grant_id));
}

static struct session *session_of(const struct gateway *g, uint64_t grant_id)
{
	return nj_map_get(&g->rekeys, nj_view_of(&grant_id, sizeof(grant_id)));
}

void gateway_rekey_init(struct gateway *g)
{
	nj_map_init(&g->rekeys, session_key, SESSIONS_MAX, nj_random_system());
}

void gateway_rekey_done(struct gateway *g)
{
	struct session *session;
	size_t cursor = 0;

	while ((session = nj_map_next(&g->rekeys, &cursor)) != NULL)
		free(session);
	nj_map_done(&g->rekeys);
}

void gateway_rekey_ready(struct gateway *g, const struct nj_mqtt_seen *seen)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_READY };
	struct session *session = seen->tag == 0 ? NULL : calloc(1, sizeof(*session));

	if (session == NULL)
		return;
	session->grant_id = seen->tag;
	session->client = seen->client;
	if (nj_map_put(&g->rekeys, session) != NJ_OK) {
		free(session);
		return;
	}
	message.as.rekey.grant_id = seen->tag;
	/* Without the keeper this session keeps its key; the next one is asked anew. */
	if (nj_conn_export(seen->conn, NJ_REKEY_EXPORTER_LABEL, message.as.rekey.value,
			   sizeof(message.as.rekey.value)) == NJ_OK)
		(void)!gateway_keeper_send(g, &message);
	nj_wipe(&message, sizeof(message));
}

void gateway_rekey_end(struct gateway *g, const struct nj_mqtt_seen *seen)
{
	if (seen->tag != 0)
		free(nj_map_remove(&g->rekeys, nj_view_of(&seen->tag, sizeof(seen->tag))));
}

bool gateway_rekey_message(void *gateway, const struct nj_mqtt_seen *seen, struct nj_view topic, struct nj_view payload)
{
	struct gateway *g = gateway;
	struct nj_ipc message = { .type = NJ_IPC_REKEY_STORED };
	struct nj_rekey_message stored;

	if (seen->tag == 0 || nj_rekey_decode(topic, payload, &stored) != NJ_OK || stored.type != NJ_REKEY_STORED)
		return false;
	message.as.rekey.grant_id = seen->tag;
	message.as.rekey.epoch = stored.epoch;
	memcpy(message.as.rekey.value, stored.proof, sizeof(message.as.rekey.value));
	/* An answer that does not arrive is as one that was lost on its way: the next session settles it. */
	(void)!gateway_keeper_send(g, &message);
	return true;
}

void gateway_rekey_tell(struct gateway *g, const struct nj_ipc *message)
{
	const struct nj_ipc_rekey *rekey = &message->as.rekey;
	bool offer = message->type == NJ_IPC_REKEY_OFFER;
	struct nj_rekey_message told = { .type = offer ? NJ_REKEY_OFFER : NJ_REKEY_DONE, .epoch = rekey->epoch };
	struct session *session = session_of(g, rekey->grant_id);
	uint8_t payload[NJ_REKEY_MESSAGE_MAX_BYTES];

	if (session == NULL)
		return;
	memcpy(told.proof, rekey->value, sizeof(told.proof));
	size_t len = nj_rekey_encode(&told, payload);
	enum nj_err err =
	    nj_mqtt_tell(session->client, nj_view_str(nj_rekey_topic(told.type)), nj_view_of(payload, len));
	NJ_LOG(err == NJ_OK ? NJ_LOG_DEBUG : NJ_LOG_INFO, offer ? "rekey.offer" : "rekey.done",
	       NJ_U("epoch", rekey->epoch), NJ_E(err));
}

/* ---- sessions under a key that is no more ---- */

struct cutting {
	struct gateway *gateway;
	const struct nj_ipc_rekey_cut *cut;
};

static bool under_old_key(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct nj_ipc_rekey_cut *cut = ((const struct cutting *)arg)->cut;

	return party != NULL && memcmp(party->uid, cut->uid, sizeof(cut->uid)) == 0 &&
	       nj_conn_mark_of(conn) != cut->grant_id;
}

static void on_cut(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct cutting *cutting = arg;

	NJ_LOG(NJ_LOG_WARN, "session.cut", NJ_S("name", party->names.name), NJ_A("peer", nj_conn_peer(conn)),
	       NJ_S("reason", "its key was replaced"));
	gateway_audit_write(cutting->gateway, NJ_AUDIT_SESSION_CUT, party, nj_conn_peer(conn), "its key was replaced");
}

void gateway_rekey_cut(struct gateway *g, const struct nj_ipc_rekey_cut *cut)
{
	struct cutting cutting = { .gateway = g, .cut = cut };

	(void)nj_mqtt_cut_chosen(g->broker, under_old_key, on_cut, &cutting);
}
