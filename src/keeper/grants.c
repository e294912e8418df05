#include "keeper/grants.h"

#include "base/list.h"
#include "base/map.h"

/* What the cloak knows: a source and a port, with all open grants for it. */
struct gap {
	struct {
		uint8_t source[16]; /* masked */
		uint32_t scope;
		uint16_t port;
		uint16_t prefix;
	} key;
	struct nj_list open; /* of grants */
	uint64_t expires_ms;
	bool stands; /* open without a grant */
};

struct grant {
	struct nj_list link; /* in its gap's list while open */
	uint64_t id;         /* 0: free place */
	uint64_t expires_ms;
	uint64_t ack_due_ms;
	struct gap *gap; /* NULL until acknowledged */
	uint32_t next_free;
	struct nj_grant_spec spec;
};

#define NO_PLACE UINT32_MAX
#define NEVER_MS (UINT64_MAX / 1000000)
#define STANDING_MAX 64 /* beside the gaps of grants */

struct nj_grants {
	const struct nj_clock *clock;
	struct nj_cloak *cloak;
	nj_grant_ended_fn ended;
	void *arg;
	struct grant *grants;
	struct gap *gaps_block;
	struct gap **gaps_free;
	struct nj_map gaps;
	uint32_t max;
	uint32_t made;
	uint32_t count;
	uint32_t first_free;
	uint32_t gaps_free_count;
	uint32_t standing;
	uint64_t sequence;
};

const char *nj_grant_end_text(enum nj_grant_end end)
{
	static const char *const texts[] = {
#define END_TEXT(name, text) text,
		NJ_GRANT_END_TABLE(END_TEXT)
#undef END_TEXT
	};

	return texts[end];
}

static struct nj_view gap_key(const void *entry)
{
	const struct gap *gap = entry;

	return nj_view_of(&gap->key, sizeof(gap->key));
}

enum nj_err nj_grants_new(const struct nj_clock *clock, struct nj_cloak *cloak, uint32_t max, nj_grant_ended_fn ended,
			  void *arg, struct nj_grants **out_grants)
{
	struct nj_grants *grants;

	if (max == 0 || max >= NO_PLACE - STANDING_MAX)
		return NJ_ERR_RANGE;
	grants = calloc(1, sizeof(*grants));
	if (grants == NULL)
		return NJ_ERR_NO_MEMORY;
	grants->clock = clock;
	grants->cloak = cloak;
	grants->ended = ended;
	grants->arg = arg;
	grants->max = max;
	/* A keeper that starts again does not give out the ids of the one before it. */
	grants->sequence = nj_clock_boot_ns(clock) / 1000;
	grants->first_free = NO_PLACE;
	nj_map_init(&grants->gaps, gap_key, max + STANDING_MAX, nj_random_system());
	grants->grants = calloc(max, sizeof(*grants->grants));
	grants->gaps_block = calloc(max + STANDING_MAX, sizeof(*grants->gaps_block));
	grants->gaps_free = calloc(max + STANDING_MAX, sizeof(struct gap *));
	if (grants->grants == NULL || grants->gaps_block == NULL || grants->gaps_free == NULL) {
		nj_grants_free(grants);
		return NJ_ERR_NO_MEMORY;
	}
	*out_grants = grants;
	return NJ_OK;
}

void nj_grants_free(struct nj_grants *grants)
{
	if (grants == NULL)
		return;
	nj_map_done(&grants->gaps);
	free(grants->grants);
	free(grants->gaps_block);
	free(grants->gaps_free);
	free(grants);
}

/* ---- places ---- */

/* The place is the id's remainder, so that a grant is found at once and ids never repeat. */
static struct grant *find(const struct nj_grants *grants, uint64_t id)
{
	struct grant *grant = &grants->grants[id % grants->max];

	return id != 0 && grant->id == id ? grant : NULL;
}

enum nj_err nj_grants_add(struct nj_grants *grants, const struct nj_grant_spec *spec, uint64_t *out_id)
{
	uint64_t now_ms = nj_clock_boot_ms(grants->clock);
	uint32_t place = grants->first_free;
	struct grant *grant;

	if (place != NO_PLACE)
		grants->first_free = grants->grants[place].next_free;
	else if (grants->made < grants->max)
		place = grants->made++;
	else
		return NJ_ERR_LIMIT;
	grant = &grants->grants[place];
	*grant = (struct grant){
		.id = ++grants->sequence * grants->max + place,
		.expires_ms = now_ms + spec->lifetime_ms,
		.ack_due_ms = now_ms + NJ_GRANT_ACK_MS,
		.spec = *spec,
	};
	nj_list_init(&grant->link);
	grants->count++;
	*out_id = grant->id;
	return NJ_OK;
}

/* ---- gaps ---- */

static void mask_source(const struct nj_grant_spec *spec, uint8_t out[16])
{
	const unsigned prefix = spec->source_prefix;

	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;
		uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);

		out[i] = spec->source.ip[i] & mask;
	}
}

static struct gap *gap_get(struct nj_grants *grants, const struct nj_grant_spec *spec)
{
	struct gap model = { .key = {
				 .scope = spec->source.scope, .port = spec->port, .prefix = spec->source_prefix } };
	struct gap *gap;

	mask_source(spec, model.key.source);
	gap = nj_map_get(&grants->gaps, gap_key(&model));
	if (gap != NULL)
		return gap;
	gap = grants->gaps_free_count > 0 ? grants->gaps_free[--grants->gaps_free_count]
					  : &grants->gaps_block[grants->gaps.count];
	*gap = model;
	nj_list_init(&gap->open);
	if (nj_map_put(&grants->gaps, gap) == NJ_OK)
		return gap;
	grants->gaps_free[grants->gaps_free_count++] = gap;
	return NULL;
}

static void gap_drop(struct nj_grants *grants, struct gap *gap)
{
	(void)nj_map_remove(&grants->gaps, gap_key(gap));
	grants->gaps_free[grants->gaps_free_count++] = gap;
}

static uint64_t gap_latest(const struct gap *gap)
{
	uint64_t latest_ms = gap->stands ? NEVER_MS : 0;

	NJ_LIST_EACH (&gap->open, node) {
		const struct grant *grant = NJ_CONTAINER(node, struct grant, link);

		if (grant->expires_ms > latest_ms)
			latest_ms = grant->expires_ms;
	}
	return latest_ms;
}

static enum nj_err gap_open(struct nj_grants *grants, struct gap *gap, const struct nj_grant_spec *spec,
			    uint64_t expires_ms)
{
	if (expires_ms == gap->expires_ms)
		return NJ_OK;
	gap->expires_ms = expires_ms;
	return grants->cloak->ops->open(grants->cloak, &spec->source, spec->source_prefix, spec->port,
					expires_ms * 1000000);
}

/* A grant left the gap's list. Thousands may share one address: they are looked through only when the last one went. */
static enum nj_err gap_settle(struct nj_grants *grants, struct gap *gap, const struct grant *gone)
{
	const struct nj_grant_spec *spec = &gone->spec;
	enum nj_err err = NJ_OK;

	if (nj_list_empty(&gap->open) && !gap->stands) {
		err = grants->cloak->ops->shut(grants->cloak, &spec->source, spec->source_prefix, spec->port);
		gap_drop(grants, gap);
	} else if (gone->expires_ms == gap->expires_ms) {
		err = gap_open(grants, gap, spec, gap_latest(gap));
	}
	return err;
}

/* ---- ends ---- */

static void finish(struct nj_grants *grants, struct grant *grant, enum nj_grant_end end)
{
	if (grant->gap != NULL) {
		nj_list_remove(&grant->link);
		/* An entry that the kernel will not take out ends by its own expiry. */
		(void)gap_settle(grants, grant->gap, grant);
	}
	grants->ended(grants->arg, grant->id, &grant->spec, end);
	*grant = (struct grant){ .next_free = grants->first_free };
	grants->first_free = (uint32_t)(grant - grants->grants);
	grants->count--;
}

enum nj_err nj_grants_ack(struct nj_grants *grants, uint64_t id)
{
	struct grant *grant = find(grants, id);
	enum nj_err err;

	if (grant == NULL || nj_clock_boot_ms(grants->clock) >= grant->expires_ms)
		return NJ_ERR_NOT_FOUND;
	if (grant->gap != NULL)
		return NJ_OK;
	grant->gap = gap_get(grants, &grant->spec);
	if (grant->gap == NULL) {
		finish(grants, grant, NJ_GRANT_CLOAK_FAILED);
		return NJ_ERR_NO_MEMORY;
	}
	nj_list_push_back(&grant->gap->open, &grant->link);
	err = gap_open(grants, grant->gap, &grant->spec,
		       grant->expires_ms > grant->gap->expires_ms ? grant->expires_ms : grant->gap->expires_ms);
	if (err != NJ_OK)
		finish(grants, grant, NJ_GRANT_CLOAK_FAILED);
	return err;
}

enum nj_err nj_grants_stand(struct nj_grants *grants, const struct nj_net *net, uint16_t port)
{
	const struct nj_grant_spec spec = { .source = net->addr, .source_prefix = net->prefix, .port = port };
	struct gap *gap = gap_get(grants, &spec);

	if (gap == NULL)
		return NJ_ERR_LIMIT;
	if (!gap->stands && grants->standing == STANDING_MAX) {
		if (nj_list_empty(&gap->open))
			gap_drop(grants, gap);
		return NJ_ERR_LIMIT;
	}
	grants->standing += !gap->stands;
	gap->stands = true;
	gap->expires_ms = 0;
	enum nj_err err = gap_open(grants, gap, &spec, NEVER_MS);
	if (err != NJ_OK)
		gap->expires_ms = 0;
	return err;
}

enum nj_err nj_grants_bound(struct nj_grants *grants, uint64_t id)
{
	struct grant *grant = find(grants, id);

	if (grant == NULL)
		return NJ_ERR_NOT_FOUND;
	if (grant->gap == NULL)
		return NJ_ERR_STATE;
	finish(grants, grant, NJ_GRANT_BOUND);
	return NJ_OK;
}

void nj_grants_end(struct nj_grants *grants, uint64_t id, enum nj_grant_end end)
{
	struct grant *grant = find(grants, id);

	if (grant != NULL)
		finish(grants, grant, end);
}

void nj_grants_end_uid(struct nj_grants *grants, const uint8_t uid[NJ_UID_BYTES], enum nj_grant_end end)
{
	for (uint32_t i = 0; i < grants->made; i++)
		if (grants->grants[i].id != 0 && memcmp(grants->grants[i].spec.uid, uid, NJ_UID_BYTES) == 0)
			finish(grants, &grants->grants[i], end);
}

void nj_grants_end_other_keys(struct nj_grants *grants, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch)
{
	for (uint32_t i = 0; i < grants->made; i++) {
		struct grant *grant = &grants->grants[i];

		if (grant->id != 0 && grant->spec.epoch != epoch && memcmp(grant->spec.uid, uid, NJ_UID_BYTES) == 0)
			finish(grants, grant, NJ_GRANT_OLD_KEY);
	}
}

void nj_grants_end_service(struct nj_grants *grants, uint16_t service, enum nj_grant_end end)
{
	for (uint32_t i = 0; i < grants->made; i++)
		if (grants->grants[i].id != 0 && grants->grants[i].spec.service == service)
			finish(grants, &grants->grants[i], end);
}

void nj_grants_end_all(struct nj_grants *grants, enum nj_grant_end end)
{
	for (uint32_t i = 0; i < grants->made; i++)
		if (grants->grants[i].id != 0)
			finish(grants, &grants->grants[i], end);
}

void nj_grants_tick(struct nj_grants *grants)
{
	uint64_t now_ms = nj_clock_boot_ms(grants->clock);

	if (grants->count == 0)
		return;
	for (uint32_t i = 0; i < grants->made; i++) {
		struct grant *grant = &grants->grants[i];

		if (grant->id == 0)
			continue;
		if (now_ms >= grant->expires_ms)
			finish(grants, grant, grant->gap == NULL ? NJ_GRANT_UNANSWERED : NJ_GRANT_EXPIRED);
		else if (grant->gap == NULL && now_ms >= grant->ack_due_ms)
			finish(grants, grant, NJ_GRANT_UNANSWERED);
	}
}

uint32_t nj_grants_count(const struct nj_grants *grants)
{
	return grants->count;
}

uint32_t nj_grants_open_count(const struct nj_grants *grants)
{
	return (uint32_t)grants->gaps.count;
}
