#include <unistd.h>

#include "base/log.h"
#include "bus/apply.h"
#include "crypto/crypto.h"
#include "daemon/gateway_recover.h"
#include "daemon/gateway_rekey.h"
#include "daemon/gateway_state.h"
#include "mqtt/inspect.h"

#define QUEUE_BYTES (1024 * 1024)

enum nj_err gateway_keeper_send(struct gateway *g, const struct nj_ipc *message)
{
	static uint8_t bytes[NJ_IPC_MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	size_t len;

	if (!g->keeper_up)
		return NJ_ERR_CLOSED;
	NJ_TRY(nj_ipc_encode(message, &w));
	NJ_TRY(nj_writer_end(&w, &len));
	return nj_channel_send(&g->keeper, nj_view_of(bytes, len));
}

static void on_closed(struct nj_channel *channel)
{
	struct gateway *g = channel->user;

	g->keeper_up = false;
	if (!g->stopping)
		NJ_LOG(NJ_LOG_WARN, "keeper.gone", NJ_S("meaning", "sessions go on, no new connection opens"));
}

/* An answer that cannot be sent leaves the keeper to its own time limit. */
static void answer(struct gateway *g, const struct nj_ipc *message)
{
	enum nj_err err = gateway_keeper_send(g, message);

	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_WARN, "keeper.unanswered", NJ_S("message", nj_ipc_name(message->type)), NJ_E(err));
}

static void take_grant(struct gateway *g, struct nj_grant *grant)
{
	struct nj_ipc ack = { .type = NJ_IPC_GRANT_ACK, .as.grant_id = grant->id };
	enum nj_err err = nj_door_grant(g->door, grant);

	nj_wipe(grant, sizeof(*grant));
	if (err == NJ_OK)
		answer(g, &ack);
	else
		NJ_LOG(NJ_LOG_WARN, "grant.refused", NJ_U("grant", ack.as.grant_id), NJ_E(err));
}

/* Before the directory changes, and whether or not it can: a full disk must not keep a revoked party in. */
static void cut_party(struct gateway *g, const uint8_t uid[NJ_UID_BYTES])
{
	const struct nj_party *party = nj_directory_by_uid(g->directory, uid);

	nj_door_end_uid(g->door, uid);
	gateway_posture_forget(g, uid);
	size_t cut = nj_mqtt_cut(g->broker, uid) + gateway_recover_cut(g, uid);
	if (party == NULL)
		return;
	NJ_LOG(NJ_LOG_INFO, "party.revoked", NJ_S("kind", nj_party_kind_name(party->kind)),
	       NJ_S("name", party->names.name), NJ_U("connections_cut", cut));
	if (cut > 0)
		gateway_audit_write(g, NJ_AUDIT_SESSION_CUT, party, NULL, "revoked");
}

/* The number of connections is the answer's text. */
static void kick(struct gateway *g, const struct nj_ipc_kick *request)
{
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };
	char text[24];
	size_t count =
	    nj_mqtt_kick(g->broker, request->uid, request->one ? &request->client_id : NULL, request->forget);

	snprintf(text, sizeof(text), "%zu", count);
	reply.as.result = (struct nj_ipc_result){ .request = request->request, .text = nj_view_str(text) };
	answer(g, &reply);
}

static void apply(struct gateway *g, const struct nj_ipc *request)
{
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };
	struct nj_why why = { "" };

	if (request->type == NJ_IPC_PARTY_CUT)
		cut_party(g, request->as.uid.uid);
	if (request->type == NJ_IPC_TRUST_PUT)
		gateway_trust_put(g, &request->as.trust, &reply.as.result, &why);
	else
		nj_ipc_apply(g->directory, request, nj_clock_wall_ms(nj_clock_system()), &reply.as.result, NULL, &why);
	answer(g, &reply);
}

/* The keeper is trusted, its messages are checked all the same: a mistake ends the channel, not the process. */
static enum nj_err handle(struct gateway *g, struct nj_ipc *message)
{
	switch (message->type) {
	case NJ_IPC_HELLO:
		return gateway_hello(g, &message->as.hello);
	case NJ_IPC_GRANT:
		take_grant(g, &message->as.grant);
		return NJ_OK;
	case NJ_IPC_GRANT_END:
		nj_door_end(g->door, message->as.grant_id);
		return NJ_OK;
	case NJ_IPC_PROFILE_PUT:
	case NJ_IPC_PARTIES_PUT:
	case NJ_IPC_PARTY_CUT:
	case NJ_IPC_PARTY_QUERY:
	case NJ_IPC_TRUST_PUT:
		apply(g, message);
		return NJ_OK;
	case NJ_IPC_REKEY_OFFER:
	case NJ_IPC_REKEY_DONE:
		if (!gateway_recover_tell(g, message))
			gateway_rekey_tell(g, message);
		return NJ_OK;
	case NJ_IPC_KICK:
		kick(g, &message->as.kick);
		return NJ_OK;
	case NJ_IPC_REKEY_CUT:
		gateway_rekey_cut(g, &message->as.rekey_cut);
		return NJ_OK;
	case NJ_IPC_REKEY_READY:
	case NJ_IPC_REKEY_STORED:
	case NJ_IPC_GRANT_ACK:
	case NJ_IPC_BOUND:
	case NJ_IPC_FLOW_END:
	case NJ_IPC_AUDIT:
	case NJ_IPC_RESULT:
		return NJ_ERR_STATE;
	}
	return NJ_ERR_STATE;
}

static void on_message(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct gateway *g = channel->user;
	static struct nj_ipc message;

	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	enum nj_err err = nj_ipc_decode(bytes, &message);
	if (err == NJ_OK)
		err = handle(g, &message);
	if (err == NJ_OK)
		return;
	/* Two programs that do not understand each other: the supervisor starts this one anew. */
	NJ_LOG(NJ_LOG_ERROR, "keeper.violation", NJ_E(err));
	g->failed = err;
	nj_reactor_stop(g->reactor);
}

void gateway_keeper_attach(struct gateway *g, int fd)
{
	if (g->keeper_up)
		nj_channel_stop(&g->keeper);
	g->keeper = (struct nj_channel){ .on_message = on_message, .on_closed = on_closed, .user = g };
	enum nj_err err = nj_channel_start(g->reactor, &g->keeper, fd, QUEUE_BYTES);
	g->keeper_up = err == NJ_OK;
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "keeper.channel", NJ_E(err));
	else
		nj_defer(g->reactor, &g->audit.flush);
}
