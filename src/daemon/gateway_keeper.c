#include <unistd.h>

#include "base/log.h"
#include "bus/apply.h"
#include "crypto/crypto.h"
#include "daemon/gateway_fabric.h"
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

static void report_cut(struct gateway *g, const struct gateway_cut *cut)
{
	const struct nj_party *party = cut->party;

	if (party == NULL)
		return;
	NJ_LOG(NJ_LOG_INFO, "party.revoked", NJ_S("kind", nj_party_kind_name(party->kind)),
	       NJ_S("name", party->names.name), NJ_U("connections_cut", cut->count));
	if (cut->count > 0)
		gateway_audit_write(g, NJ_AUDIT_SESSION_CUT, party, NULL, "revoked");
}

/* A kick, on its way through the brokers. */
struct kicking {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	struct nj_ipc_kick request; /* its client identifier lies behind */
	size_t count;
	uint8_t client_id[];
};

static void visit_kick(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct kicking *kicking = NJ_CONTAINER(round, struct kicking, round);
	const struct nj_ipc_kick *request = &kicking->request;

	kicking->count +=
	    nj_mqtt_kick(broker, request->uid, request->one ? &request->client_id : NULL, request->forget);
}

/* The number of connections is the answer's text. */
static void done_kick(struct nj_mqtt_round *round)
{
	struct kicking *kicking = NJ_CONTAINER(round, struct kicking, round);
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };
	char text[24];

	snprintf(text, sizeof(text), "%zu", kicking->count);
	reply.as.result = (struct nj_ipc_result){ .request = kicking->request.request, .text = nj_view_str(text) };
	answer(kicking->gateway, &reply);
	free(kicking);
}

static void kick(struct gateway *g, const struct nj_ipc_kick *request)
{
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };
	struct kicking *kicking = calloc(1, sizeof(*kicking) + request->client_id.len);

	if (kicking == NULL) {
		reply.as.result = (struct nj_ipc_result){ .request = request->request, .err = NJ_ERR_NO_MEMORY };
		answer(g, &reply);
		return;
	}
	kicking->gateway = g;
	kicking->request = *request;
	if (request->client_id.len > 0)
		memcpy(kicking->client_id, request->client_id.data, request->client_id.len);
	kicking->request.client_id = nj_view_of(kicking->client_id, request->client_id.len);
	kicking->round.visit = visit_kick;
	kicking->round.done = done_kick;
	nj_mqtt_fabric_round(g->fabric, &kicking->round);
}

static void done_cut(struct nj_mqtt_round *round)
{
	struct gateway_cut *cut = NJ_CONTAINER(round, struct gateway_cut, round);
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };

	report_cut(cut->gateway, cut);
	reply.as.result = (struct nj_ipc_result){ .request = cut->request,
						  .err = (uint16_t)cut->err,
						  .text = nj_view_str(cut->why.text) };
	answer(cut->gateway, &reply);
	nj_party_unref(cut->party);
	free(cut);
}

/* Sessions are ended whether or not the directory could be changed: a full disk must not keep a revoked party in. It
 * is changed before, so that no new session can come while they are ended; the keeper hears when all is over. */
static void cut_party(struct gateway *g, const struct nj_ipc *request)
{
	struct gateway_cut *cut = calloc(1, sizeof(*cut));
	struct nj_party *party = nj_directory_by_uid(g->directory, request->as.uid.uid);
	struct nj_ipc_result result;

	if (cut == NULL)
		abort();
	cut->gateway = g;
	cut->party = party == NULL ? NULL : nj_party_ref(party);
	memcpy(cut->uid, request->as.uid.uid, sizeof(cut->uid));
	nj_door_end_uid(g->door, cut->uid);
	gateway_posture_forget(g, cut->uid);
	cut->count = gateway_recover_cut(g, cut->uid);
	nj_ipc_apply(g->directory, request, nj_clock_wall_ms(nj_clock_system()), &result, NULL, &cut->why);
	cut->request = result.request;
	cut->err = (enum nj_err)result.err;
	gateway_fabric_cut(cut, done_cut);
}

static void apply(struct gateway *g, const struct nj_ipc *request)
{
	struct nj_ipc reply = { .type = NJ_IPC_RESULT };
	struct nj_why why = { "" };

	if (request->type == NJ_IPC_TRUST_PUT)
		gateway_trust_put(g, &request->as.trust, &reply.as.result, &why);
	else if (request->type == NJ_IPC_CERTIFICATE_PUT)
		gateway_certificate_put(g, &request->as.certificate, &reply.as.result, &why);
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
	case NJ_IPC_PARTY_CUT:
		cut_party(g, message);
		return NJ_OK;
	case NJ_IPC_PROFILE_PUT:
	case NJ_IPC_PARTIES_PUT:
	case NJ_IPC_PARTY_QUERY:
	case NJ_IPC_TRUST_PUT:
	case NJ_IPC_CERTIFICATE_PUT:
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
