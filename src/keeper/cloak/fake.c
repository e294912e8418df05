#include "base/list.h"
#include "base/map.h"
#include "keeper/cloak/cloak.h"
#include "keeper/cloak/key.h"

#define GRANTS_MAX 65536
#define HINTS_MAX (1u << 24)
#define EXACT_BITS 128
#define NS_PER_MS UINT64_C(1000000)
#define HINT_BYTES 8
#define BITS_A_HINT 32 /* as the real one would have it, so that a caller's rule for rebuilding can be tried */

struct fake_grant {
	struct nj_cloak_key key;
	uint64_t expires_boot_ns;
};

struct fake_hint {
	uint8_t bytes[HINT_BYTES];
};

struct fake_hints {
	struct nj_map map; /* of struct fake_hint */
	uint64_t bits;
	uint64_t added;
};

struct fake_cloak {
	struct nj_cloak cloak;
	uint64_t lease_boot_ns;
	struct nj_map grants; /* of struct fake_grant */
	struct fake_hints hints[2];
	unsigned active;
	bool building;
};

static struct fake_cloak *of(struct nj_cloak *cloak)
{
	return NJ_CONTAINER(cloak, struct fake_cloak, cloak);
}

static struct nj_view grant_key(const void *entry)
{
	const struct fake_grant *grant = entry;

	return nj_view_of(&grant->key, sizeof(grant->key));
}

static struct nj_view hint_key(const void *entry)
{
	const struct fake_hint *hint = entry;

	return nj_view_of(hint->bytes, sizeof(hint->bytes));
}

static void drop_all(struct nj_map *map)
{
	size_t cursor = 0;
	nj_map_key_fn key_of = map->key_of;
	size_t max = map->max;
	void *entry;

	while ((entry = nj_map_next(map, &cursor)))
		free(entry);
	nj_map_done(map);
	nj_map_init(map, key_of, max, nj_random_system());
}

static enum nj_err fake_clear(struct nj_cloak *cloak)
{
	of(cloak)->lease_boot_ns = 0;
	drop_all(&of(cloak)->grants);
	return NJ_OK;
}

static enum nj_err fake_open(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			     uint64_t expires_boot_ns)
{
	struct fake_cloak *f = of(cloak);
	struct fake_grant *grant;
	struct nj_cloak_key key;
	enum nj_err err;

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &key));
	grant = nj_map_get(&f->grants, nj_view_of(&key, sizeof(key)));
	if (grant) {
		grant->expires_boot_ns = expires_boot_ns;
		return NJ_OK;
	}
	grant = malloc(sizeof(*grant));
	if (!grant)
		return NJ_ERR_NO_MEMORY;
	*grant = (struct fake_grant){ .key = key, .expires_boot_ns = expires_boot_ns };
	err = nj_map_put(&f->grants, grant);
	if (err != NJ_OK)
		free(grant);
	return err;
}

static enum nj_err fake_shut(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port)
{
	struct nj_cloak_key key;

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &key));
	free(nj_map_remove(&of(cloak)->grants, nj_view_of(&key, sizeof(key))));
	return NJ_OK;
}

static enum nj_err fake_flow_end(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port)
{
	return NJ_OK;
}

static enum nj_err fake_renew(struct nj_cloak *cloak, uint64_t now_boot_ns)
{
	of(cloak)->lease_boot_ns = now_boot_ns + NJ_CLOAK_LEASE_VALID_MS * NS_PER_MS;
	return NJ_OK;
}

/* Out of memory or past its maximum the fake forgets a hint: the interface has no error for it, and no door opens. */
static void add_to(struct fake_hints *hints, const uint8_t bytes[HINT_BYTES])
{
	struct fake_hint *hint = malloc(sizeof(*hint));

	hints->added++;
	if (!hint)
		return;
	memcpy(hint->bytes, bytes, HINT_BYTES);
	if (nj_map_put(&hints->map, hint) != NJ_OK)
		free(hint);
}

static void fake_rebuild_add(struct nj_cloak *cloak, const uint8_t hint[HINT_BYTES])
{
	struct fake_cloak *f = of(cloak);

	if (f->building)
		add_to(&f->hints[!f->active], hint);
}

static void fake_hint_add(struct nj_cloak *cloak, const uint8_t hint[HINT_BYTES])
{
	struct fake_cloak *f = of(cloak);

	if (f->hints[f->active].bits != 0)
		add_to(&f->hints[f->active], hint);
	fake_rebuild_add(cloak, hint);
}

static enum nj_err fake_rebuild_begin(struct nj_cloak *cloak, uint64_t expected)
{
	struct fake_cloak *f = of(cloak);
	struct fake_hints *next = &f->hints[!f->active];

	drop_all(&next->map);
	next->added = 0;
	next->bits = (expected ? expected : 1) * BITS_A_HINT;
	f->building = true;
	return NJ_OK;
}

static enum nj_err fake_rebuild_end(struct nj_cloak *cloak)
{
	struct fake_cloak *f = of(cloak);

	if (!f->building)
		return NJ_ERR_STATE;
	f->active = !f->active;
	f->building = false;
	return NJ_OK;
}

static void fake_stats(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats)
{
	const struct fake_cloak *f = of(cloak);

	*out_stats = (struct nj_cloak_stats){
		.hint_bits = f->hints[f->active].bits,
		.hints_added = f->hints[f->active].added,
	};
}

static void fake_free(struct nj_cloak *cloak)
{
	struct fake_cloak *f = of(cloak);

	drop_all(&f->grants);
	drop_all(&f->hints[0].map);
	drop_all(&f->hints[1].map);
	free(f);
}

static const struct nj_cloak_ops fake_ops = {
	.name = "fake",
	.dark = false,
	.clear = fake_clear,
	.open = fake_open,
	.shut = fake_shut,
	.flow_end = fake_flow_end,
	.renew = fake_renew,
	.hint_add = fake_hint_add,
	.rebuild_begin = fake_rebuild_begin,
	.rebuild_add = fake_rebuild_add,
	.rebuild_end = fake_rebuild_end,
	.stats = fake_stats,
	.free = fake_free,
};

enum nj_err nj_cloak_fake_new(struct nj_cloak **out_cloak)
{
	struct fake_cloak *f = calloc(1, sizeof(*f));

	if (!f)
		return NJ_ERR_NO_MEMORY;
	f->cloak.ops = &fake_ops;
	nj_map_init(&f->grants, grant_key, GRANTS_MAX, nj_random_system());
	nj_map_init(&f->hints[0].map, hint_key, HINTS_MAX, nj_random_system());
	nj_map_init(&f->hints[1].map, hint_key, HINTS_MAX, nj_random_system());
	*out_cloak = &f->cloak;
	return NJ_OK;
}

bool nj_cloak_fake_would_pass(struct nj_cloak *cloak, const struct nj_addr *source, uint16_t port, uint64_t now_boot_ns)
{
	struct fake_cloak *f = of(cloak);

	if (now_boot_ns >= f->lease_boot_ns)
		return false;
	for (unsigned prefix = 1; prefix <= EXACT_BITS; prefix++) {
		const struct fake_grant *grant;
		struct nj_cloak_key key;

		if (nj_cloak_grant_key(source, (uint8_t)prefix, port, &key) != NJ_OK)
			continue;
		grant = nj_map_get(&f->grants, nj_view_of(&key, sizeof(key)));
		if (grant && now_boot_ns < grant->expires_boot_ns)
			return true;
	}
	return false;
}

bool nj_cloak_fake_has_hint(struct nj_cloak *cloak, const uint8_t hint[HINT_BYTES])
{
	struct fake_cloak *f = of(cloak);

	return nj_map_get(&f->hints[f->active].map, nj_view_of(hint, HINT_BYTES)) != NULL;
}
