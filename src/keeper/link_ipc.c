#include <unistd.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "keeper/link.h"

struct request {
	uint32_t number; /* 0: free */
	uint64_t due_ms;
	nj_link_done_fn done;
	void *arg;
};

struct ipc_link {
	struct nj_link link;
	struct nj_reactor *reactor;
	struct nj_link_events events;
	struct nj_channel channel;
	bool connected;
	uint32_t next_number;
	uint32_t open_requests;
	struct request requests[NJ_LINK_REQUESTS_MAX]; /* by number modulo their count */
	struct nj_ipc incoming;
	uint8_t outgoing[NJ_IPC_MAX_BYTES];
};

static struct ipc_link *self(struct nj_link *link)
{
	return NJ_CONTAINER(link, struct ipc_link, link);
}

/* ---- requests ---- */

static void answer(struct ipc_link *ipc, struct request *request, enum nj_err err, const char *text)
{
	struct request done = *request;

	*request = (struct request){ 0 };
	ipc->open_requests--;
	done.done(done.arg, err, text);
}

static void fail_requests(struct ipc_link *ipc, enum nj_err err)
{
	for (size_t i = 0; i < NJ_LINK_REQUESTS_MAX; i++)
		if (ipc->requests[i].number != 0)
			answer(ipc, &ipc->requests[i], err, "the gateway process went away");
}

static struct request *request_take(struct ipc_link *ipc)
{
	struct request *request;

	if (ipc->open_requests == NJ_LINK_REQUESTS_MAX)
		return NULL;
	do {
		if (++ipc->next_number == 0)
			ipc->next_number = 1;
		request = &ipc->requests[ipc->next_number % NJ_LINK_REQUESTS_MAX];
	} while (request->number != 0);
	return request;
}

static enum nj_err send_message(struct ipc_link *ipc, const struct nj_ipc *message)
{
	struct nj_writer w = nj_writer_of(ipc->outgoing, sizeof(ipc->outgoing));
	enum nj_err err = nj_ipc_encode(message, &w);

	if (err == NJ_OK)
		err = nj_channel_send(&ipc->channel, nj_view_of(w.data, w.pos));
	nj_wipe(ipc->outgoing, w.pos);
	return err;
}

static void number_set(struct nj_ipc *message, uint32_t number)
{
	if (message->type == NJ_IPC_PROFILE_PUT)
		message->as.profile.request = number;
	else if (message->type == NJ_IPC_PARTIES_PUT)
		message->as.parties.request = number;
	else if (message->type == NJ_IPC_TRUST_PUT)
		message->as.trust.request = number;
	else if (message->type == NJ_IPC_CERTIFICATE_PUT)
		message->as.certificate.request = number;
	else if (message->type == NJ_IPC_KICK)
		message->as.kick.request = number;
	else
		message->as.uid.request = number;
}

static void ipc_request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	struct ipc_link *ipc = self(link);
	struct request *request;
	enum nj_err err;

	if (!ipc->connected) {
		done(arg, NJ_ERR_CLOSED, "the gateway process is not running");
		return;
	}
	request = request_take(ipc);
	if (request == NULL) {
		done(arg, NJ_ERR_LIMIT, "too many requests wait for the gateway process");
		return;
	}
	number_set(message, ipc->next_number);
	err = send_message(ipc, message);
	if (err != NJ_OK) {
		done(arg, err, "the gateway process does not take requests");
		return;
	}
	*request = (struct request){
		.number = ipc->next_number,
		.due_ms = nj_reactor_now_ms(ipc->reactor) + NJ_LINK_TIMEOUT_MS,
		.done = done,
		.arg = arg,
	};
	ipc->open_requests++;
}

/* An answer to nothing is late, not wrong: its request timed out. */
static void on_result(struct ipc_link *ipc, const struct nj_ipc_result *result)
{
	struct request *request = &ipc->requests[result->request % NJ_LINK_REQUESTS_MAX];
	char text[NJ_IPC_TEXT_MAX + 1];

	if (result->request == 0 || request->number != result->request)
		return;
	if (!nj_utf8_valid(result->text) || nj_text_copy_view(text, sizeof(text), result->text) != NJ_OK)
		text[0] = '\0';
	answer(ipc, request, (enum nj_err)result->err, text);
}

static void ipc_tick(struct nj_link *link)
{
	struct ipc_link *ipc = self(link);
	uint64_t now_ms = nj_reactor_now_ms(ipc->reactor);

	if (ipc->open_requests == 0)
		return;
	for (size_t i = 0; i < NJ_LINK_REQUESTS_MAX; i++)
		if (ipc->requests[i].number != 0 && now_ms >= ipc->requests[i].due_ms)
			answer(ipc, &ipc->requests[i], NJ_ERR_TIMEOUT, "the gateway process did not answer in time");
}

/* ---- grants ---- */

static bool ipc_connected(const struct nj_link *link)
{
	return NJ_CONTAINER(link, const struct ipc_link, link)->connected;
}

static enum nj_err ipc_grant(struct nj_link *link, const struct nj_grant *grant)
{
	struct ipc_link *ipc = self(link);
	struct nj_ipc message = { .type = NJ_IPC_GRANT, .as.grant = *grant };
	enum nj_err err = ipc->connected ? send_message(ipc, &message) : NJ_ERR_CLOSED;

	nj_wipe(&message, sizeof(message));
	return err;
}

static void ipc_grant_end(struct nj_link *link, uint64_t id)
{
	struct ipc_link *ipc = self(link);
	struct nj_ipc message = { .type = NJ_IPC_GRANT_END, .as.grant_id = id };

	/* The gateway's own entry expires too: what does not reach it does no harm. */
	if (ipc->connected)
		(void)!send_message(ipc, &message);
}

static bool ipc_rekey(struct nj_link *link, const struct nj_ipc *message)
{
	struct ipc_link *ipc = self(link);

	return ipc->connected && send_message(ipc, message) == NJ_OK;
}

/* ---- the channel ---- */

static void gone(struct ipc_link *ipc, const char *violation)
{
	ipc->connected = false;
	fail_requests(ipc, NJ_ERR_CLOSED);
	ipc->events.gone(ipc->events.arg, violation);
}

void nj_link_ipc_drop(struct nj_link *link, const char *violation)
{
	struct ipc_link *ipc = self(link);

	if (!ipc->connected)
		return;
	nj_channel_stop(&ipc->channel);
	gone(ipc, violation);
}

static void on_closed(struct nj_channel *channel)
{
	gone(channel->user, NULL);
}

static const char *deliver(struct ipc_link *ipc, const struct nj_ipc *message)
{
	const struct nj_link_events *events = &ipc->events;

	switch (message->type) {
	case NJ_IPC_GRANT_ACK:
		events->ack(events->arg, message->as.grant_id);
		return NULL;
	case NJ_IPC_BOUND:
		events->bound(events->arg, &message->as.bound);
		return NULL;
	case NJ_IPC_FLOW_END:
		events->flow_end(events->arg, &message->as.flow);
		return NULL;
	case NJ_IPC_REKEY_READY:
		events->rekey_ready(events->arg, &message->as.rekey);
		return NULL;
	case NJ_IPC_REKEY_STORED:
		events->rekey_stored(events->arg, &message->as.rekey);
		return NULL;
	case NJ_IPC_AUDIT:
		return events->audit(events->arg, &message->as.audit) ? NULL : "an audit record that it may not write";
	case NJ_IPC_RESULT:
		on_result(ipc, &message->as.result);
		return NULL;
	case NJ_IPC_HELLO:
	case NJ_IPC_GRANT:
	case NJ_IPC_GRANT_END:
	case NJ_IPC_PROFILE_PUT:
	case NJ_IPC_PARTIES_PUT:
	case NJ_IPC_PARTY_CUT:
	case NJ_IPC_PARTY_QUERY:
	case NJ_IPC_TRUST_PUT:
	case NJ_IPC_CERTIFICATE_PUT:
	case NJ_IPC_REKEY_OFFER:
	case NJ_IPC_REKEY_DONE:
	case NJ_IPC_REKEY_CUT:
	case NJ_IPC_KICK:
		break;
	}
	return "a message that is not its to send";
}

static void on_message(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct ipc_link *ipc = channel->user;
	const char *violation;

	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]);
	if (fd_count > 0)
		violation = "descriptors";
	else if (nj_ipc_decode(bytes, &ipc->incoming) != NJ_OK)
		violation = "a message that does not decode";
	else
		violation = deliver(ipc, &ipc->incoming);
	if (violation != NULL)
		nj_link_ipc_drop(&ipc->link, violation);
}

enum nj_err nj_link_ipc_connect(struct nj_link *link, int fd, const struct nj_ipc_hello *hello)
{
	struct ipc_link *ipc = self(link);
	struct nj_ipc message = { .type = NJ_IPC_HELLO, .as.hello = *hello };
	enum nj_err err;

	nj_link_ipc_drop(link, NULL);
	ipc->channel = (struct nj_channel){ .on_message = on_message, .on_closed = on_closed, .user = ipc };
	err = nj_channel_start(ipc->reactor, &ipc->channel, fd, NJ_LINK_QUEUE_BYTES);
	if (err != NJ_OK)
		return err;
	err = send_message(ipc, &message);
	if (err != NJ_OK) {
		nj_channel_stop(&ipc->channel);
		return err;
	}
	ipc->connected = true;
	return NJ_OK;
}

static void ipc_free(struct nj_link *link)
{
	struct ipc_link *ipc = self(link);

	if (ipc->connected)
		nj_channel_stop(&ipc->channel);
	ipc->connected = false;
	fail_requests(ipc, NJ_ERR_CLOSED);
	free(ipc);
}

enum nj_err nj_link_ipc_new(struct nj_reactor *reactor, const struct nj_link_events *events, struct nj_link **out_link)
{
	static const struct nj_link_ops ops = {
		.connected = ipc_connected,
		.request = ipc_request,
		.grant = ipc_grant,
		.grant_end = ipc_grant_end,
		.rekey = ipc_rekey,
		.tick = ipc_tick,
		.free = ipc_free,
	};
	struct ipc_link *ipc = calloc(1, sizeof(*ipc));

	if (ipc == NULL)
		return NJ_ERR_NO_MEMORY;
	ipc->link.ops = &ops;
	ipc->reactor = reactor;
	ipc->events = *events;
	*out_link = &ipc->link;
	return NJ_OK;
}
