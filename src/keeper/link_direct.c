#include "bus/apply.h"
#include "keeper/link.h"

struct direct {
	struct nj_link link;
	struct nj_directory *directory;
	const struct nj_clock *clock;
};

static bool direct_connected(const struct nj_link *link)
{
	return true;
}

static void direct_request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	struct direct *direct = NJ_CONTAINER(link, struct direct, link);
	struct nj_ipc_result result;
	struct nj_why why;

	nj_ipc_apply(direct->directory, message, nj_clock_wall_ms(direct->clock), &result, NULL, &why);
	done(arg, (enum nj_err)result.err, why.text);
}

static enum nj_err direct_grant(struct nj_link *link, const struct nj_grant *grant)
{
	return NJ_ERR_CLOSED;
}

static void direct_grant_end(struct nj_link *link, uint64_t id)
{
}

static bool direct_rekey(struct nj_link *link, const struct nj_ipc *message)
{
	return false;
}

static void direct_tick(struct nj_link *link)
{
}

static void direct_free(struct nj_link *link)
{
	free(NJ_CONTAINER(link, struct direct, link));
}

enum nj_err nj_link_direct_new(struct nj_directory *directory, const struct nj_clock *clock, struct nj_link **out_link)
{
	static const struct nj_link_ops ops = {
		.connected = direct_connected,
		.request = direct_request,
		.grant = direct_grant,
		.grant_end = direct_grant_end,
		.rekey = direct_rekey,
		.tick = direct_tick,
		.free = direct_free,
	};
	struct direct *direct = calloc(1, sizeof(*direct));

	if (direct == NULL)
		return NJ_ERR_NO_MEMORY;
	direct->link.ops = &ops;
	direct->directory = directory;
	direct->clock = clock;
	*out_link = &direct->link;
	return NJ_OK;
}
