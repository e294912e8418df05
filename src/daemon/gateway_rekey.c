#include "daemon/gateway_rekey.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "daemon/gateway_fabric.h"
#include "wire/rekey.h"

static void send_ready(struct gateway_notice *notice)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_READY };

	message.as.rekey.grant_id = notice->tag;
	memcpy(message.as.rekey.value, notice->value, sizeof(message.as.rekey.value));
	/* Without the keeper this session keeps its key; the next one is asked anew. */
	(void)!gateway_keeper_send(notice->gateway, &message);
	nj_wipe(&message, sizeof(message));
}

void gateway_rekey_ready(struct gateway *g, const struct nj_mqtt_seen *seen)
{
	uint8_t value[32];

	_Static_assert(sizeof(value) == sizeof(((struct gateway_notice *)NULL)->value), "one size");
	if (seen->tag == 0 || nj_conn_export(seen->conn, NJ_REKEY_EXPORTER_LABEL, value, sizeof(value)) != NJ_OK)
		return;
	struct gateway_notice *notice = gateway_notice_new(g, seen, false, send_ready);
	if (notice != NULL) {
		memcpy(notice->value, value, sizeof(value));
		gateway_notice_send(notice);
	}
	nj_wipe(value, sizeof(value));
}

static void send_stored(struct gateway_notice *notice)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_STORED };

	message.as.rekey.grant_id = notice->tag;
	message.as.rekey.epoch = notice->epoch;
	memcpy(message.as.rekey.value, notice->value, sizeof(message.as.rekey.value));
	/* An answer that does not arrive is as one that was lost on its way: the next session settles it. */
	(void)!gateway_keeper_send(notice->gateway, &message);
}

bool gateway_rekey_message(void *gateway, const struct nj_mqtt_seen *seen, struct nj_view topic, struct nj_view payload)
{
	struct nj_rekey_message stored;

	if (seen->tag == 0 || nj_rekey_decode(topic, payload, &stored) != NJ_OK || stored.type != NJ_REKEY_STORED)
		return false;
	struct gateway_notice *notice = gateway_notice_new(gateway, seen, true, send_stored);
	if (notice == NULL)
		return true;
	notice->epoch = stored.epoch;
	memcpy(notice->value, stored.proof, sizeof(notice->value));
	gateway_notice_send(notice);
	return true;
}

void gateway_rekey_tell(struct gateway *g, const struct nj_ipc *message)
{
	const struct nj_ipc_rekey *rekey = &message->as.rekey;
	bool offer = message->type == NJ_IPC_REKEY_OFFER;
	struct nj_rekey_message told = { .type = offer ? NJ_REKEY_OFFER : NJ_REKEY_DONE, .epoch = rekey->epoch };
	uint8_t payload[NJ_REKEY_MESSAGE_MAX_BYTES];

	memcpy(told.proof, rekey->value, sizeof(told.proof));
	size_t len = nj_rekey_encode(&told, payload);
	gateway_fabric_tell(g, rekey->grant_id, nj_rekey_topic(told.type), nj_view_of(payload, len));
	NJ_LOG(NJ_LOG_DEBUG, offer ? "rekey.offer" : "rekey.done", NJ_U("epoch", rekey->epoch));
}

/* ---- sessions under a key that is no more ---- */

struct cutting {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	struct nj_ipc_rekey_cut cut;
};

static bool under_old_key(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct nj_ipc_rekey_cut *cut = &((const struct cutting *)arg)->cut;

	return party != NULL && memcmp(party->uid, cut->uid, sizeof(cut->uid)) == 0 &&
	       nj_conn_mark_of(conn) != cut->grant_id;
}

static void audit_cut(struct gateway_notice *notice)
{
	gateway_audit_write(notice->gateway, NJ_AUDIT_SESSION_CUT, notice->party, &notice->peer,
			    "its key was replaced");
}

static void on_cut(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	const struct cutting *cutting = arg;
	const struct nj_mqtt_seen seen = { .party = party, .peer = nj_conn_peer(conn) };
	struct gateway_notice *notice = gateway_notice_new(cutting->gateway, &seen, false, audit_cut);

	NJ_LOG(NJ_LOG_WARN, "session.cut", NJ_S("name", party->names.name), NJ_A("peer", nj_conn_peer(conn)),
	       NJ_S("reason", "its key was replaced"));
	if (notice != NULL)
		gateway_notice_send(notice);
}

static bool cuts_waiting(void *arg, const struct nj_conn *conn, const struct nj_party *party)
{
	bool old = under_old_key(arg, conn, party);

	if (old)
		on_cut(arg, conn, party);
	return old;
}

static void visit_cut(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	(void)nj_mqtt_cut_chosen(broker, under_old_key, on_cut, NJ_CONTAINER(round, struct cutting, round));
}

static void done_cut(struct nj_mqtt_round *round)
{
	free(NJ_CONTAINER(round, struct cutting, round));
}

void gateway_rekey_cut(struct gateway *g, const struct nj_ipc_rekey_cut *cut)
{
	struct cutting *cutting = calloc(1, sizeof(*cutting));

	/* Better no process than one that lets a copied key go on. */
	if (cutting == NULL)
		abort();
	cutting->gateway = g;
	cutting->cut = *cut;
	cutting->round.visit = visit_cut;
	cutting->round.done = done_cut;
	(void)nj_mqtt_fabric_cut_waiting(g->fabric, cuts_waiting, cutting);
	nj_mqtt_fabric_round(g->fabric, &cutting->round);
}
