#include "keeper/ward.h"

#include <stdlib.h>
#include <unistd.h>

#include "keeper/cloak/cbpf.h"

#define QUEUE_BYTES (1u << 20)

struct remote {
	struct nj_cloak cloak;
	struct nj_ward_link *link;
	uint8_t kind; /* enum nj_ward_kind */
};

struct nj_ward_link {
	struct nj_reactor *reactor;
	struct nj_ward_events events;
	struct nj_channel channel;
	bool connected;
	struct remote remotes[NJ_WARD_KINDS];
};

static struct remote *of(struct nj_cloak *cloak)
{
	return NJ_CONTAINER(cloak, struct remote, cloak);
}

/* ---- to the warden ---- */

static enum nj_err tell(struct nj_ward_link *link, const struct nj_ward *message)
{
	uint8_t bytes[NJ_WARD_MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

	if (!link->connected)
		return NJ_ERR_CLOSED;
	NJ_TRY(nj_ward_encode(message, &w));
	return nj_channel_send(&link->channel, nj_view_of(bytes, w.pos));
}

/* A warden that is not there has nothing open. */
static enum nj_err tell_if_there(struct nj_ward_link *link, const struct nj_ward *message)
{
	return link->connected ? tell(link, message) : NJ_OK;
}

static enum nj_err remote_clear(struct nj_cloak *cloak)
{
	const struct nj_ward message = { .type = NJ_WARD_CLEAR, .kind = of(cloak)->kind };

	return tell_if_there(of(cloak)->link, &message);
}

static enum nj_err remote_open(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			       uint64_t expires_boot_ns)
{
	const struct nj_ward message = {
		.type = NJ_WARD_OPEN,
		.kind = of(cloak)->kind,
		.port = port,
		.source = *source,
		.prefix = prefix,
		.expires_boot_ns = expires_boot_ns,
	};

	return tell(of(cloak)->link, &message);
}

static enum nj_err remote_shut(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port)
{
	const struct nj_ward message = {
		.type = NJ_WARD_SHUT, .kind = of(cloak)->kind, .port = port, .source = *source, .prefix = prefix
	};

	return tell_if_there(of(cloak)->link, &message);
}

/* One word for all kinds. */
static enum nj_err remote_renew(struct nj_cloak *cloak, uint64_t now_boot_ns)
{
	const struct nj_ward message = { .type = NJ_WARD_RENEW };

	return tell_if_there(of(cloak)->link, &message);
}

static enum nj_err no_flow_end(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port)
{
	return NJ_OK;
}

static void no_hint(struct nj_cloak *cloak, const uint8_t hint[8])
{
}

static enum nj_err no_rebuild_begin(struct nj_cloak *cloak, uint64_t expected)
{
	return NJ_OK;
}

static enum nj_err no_rebuild_end(struct nj_cloak *cloak)
{
	return NJ_OK;
}

static void no_stats(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats)
{
	*out_stats = (struct nj_cloak_stats){ 0 };
}

static void no_free(struct nj_cloak *cloak)
{
}

/* ---- from the warden ---- */

static const char *deliver(struct nj_ward_link *link, const struct nj_ward *message)
{
	const struct nj_ward_events *events = &link->events;

	switch (message->type) {
	case NJ_WARD_FAILED:
		events->failed(events->arg, (enum nj_ward_kind)message->kind, message->port, (enum nj_err)message->err);
		return NULL;
	case NJ_WARD_CHANGED:
		events->changed(events->arg, message->caller, message->detail);
		return NULL;
	case NJ_WARD_OPEN:
	case NJ_WARD_SHUT:
	case NJ_WARD_CLEAR:
	case NJ_WARD_RENEW:
		break;
	}
	return "a message that is not its to send";
}

static void drop(struct nj_ward_link *link, const char *violation)
{
	if (!link->connected)
		return;
	link->connected = false;
	nj_channel_stop(&link->channel);
	link->events.gone(link->events.arg, violation);
}

static void on_message(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct nj_ward_link *link = channel->user;
	const char *violation = fd_count > 0 ? "descriptors" : NULL;
	struct nj_ward message;

	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]);
	if (violation == NULL && nj_ward_decode(bytes, &message) != NJ_OK)
		violation = "a message that does not decode";
	if (violation == NULL)
		violation = deliver(link, &message);
	if (violation != NULL)
		drop(link, violation);
}

static void on_closed(struct nj_channel *channel)
{
	struct nj_ward_link *link = channel->user;

	link->connected = false;
	link->events.gone(link->events.arg, NULL);
}

enum nj_err nj_ward_link_connect(struct nj_ward_link *link, int fd)
{
	if (link->connected)
		nj_channel_stop(&link->channel);
	link->connected = false;
	link->channel = (struct nj_channel){ .on_message = on_message, .on_closed = on_closed, .user = link };
	NJ_TRY(nj_channel_start(link->reactor, &link->channel, fd, QUEUE_BYTES));
	link->connected = true;
	return NJ_OK;
}

/* ---- the object ---- */

struct nj_cloak *nj_ward_link_cloak(struct nj_ward_link *link, enum nj_ward_kind kind)
{
	return &link->remotes[kind].cloak;
}

#define REMOTE_OPS                                                                                              \
	.dark = true, .clear = remote_clear, .open = remote_open, .shut = remote_shut, .flow_end = no_flow_end, \
	.renew = remote_renew, .hint_add = no_hint, .rebuild_begin = no_rebuild_begin, .rebuild_add = no_hint,  \
	.rebuild_end = no_rebuild_end, .stats = no_stats, .free = no_free

enum nj_err nj_ward_link_new(struct nj_reactor *reactor, const struct nj_ward_events *events,
			     struct nj_ward_link **out_link)
{
	static const struct nj_cloak_ops guards = { .name = "nft", REMOTE_OPS };
	static const struct nj_cloak_ops listeners = { .name = "cbpf", .cannot = nj_cloak_cbpf_cannot, REMOTE_OPS };
	struct nj_ward_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NJ_ERR_NO_MEMORY;
	link->reactor = reactor;
	link->events = *events;
	for (uint8_t kind = 0; kind < NJ_WARD_KINDS; kind++) {
		link->remotes[kind].link = link;
		link->remotes[kind].kind = kind;
	}
	link->remotes[NJ_WARD_GUARDS].cloak.ops = &guards;
	link->remotes[NJ_WARD_LISTENERS].cloak.ops = &listeners;
	*out_link = link;
	return NJ_OK;
}

void nj_ward_link_free(struct nj_ward_link *link)
{
	if (link == NULL)
		return;
	if (link->connected)
		nj_channel_stop(&link->channel);
	free(link);
}
