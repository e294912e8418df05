#include "keeper/spares.h"

#include "base/map.h"
#include "crypto/crypto.h"

/* A device that has any. */
struct owner {
	uint8_t uid[NJ_UID_BYTES];
	struct nj_list spares; /* in the order in which they came: tombstones by age */
	size_t count;
};

struct nj_spares {
	struct nj_window *window; /* under names made of uid and epoch */
	struct nj_map owners;
	struct nj_spare **by_place;
	size_t places;
	size_t pending_count;
	struct nj_list dug; /* oldest first */
	size_t dug_count;
	size_t recovery_count;
};

static struct nj_view owner_key(const void *entry)
{
	return nj_view_of(((const struct owner *)entry)->uid, NJ_UID_BYTES);
}

enum nj_err nj_spares_new(size_t max, struct nj_random *random, struct nj_spares **out_spares)
{
	struct nj_spares *spares = calloc(1, sizeof(*spares));
	enum nj_err err;

	if (spares == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_window_new(0, max, &spares->window);
	if (err != NJ_OK) {
		free(spares);
		return err;
	}
	nj_map_init(&spares->owners, owner_key, max, random);
	nj_list_init(&spares->dug);
	*out_spares = spares;
	return NJ_OK;
}

void nj_spares_free(struct nj_spares *spares)
{
	struct owner *owner;
	size_t cursor = 0;

	if (spares == NULL)
		return;
	for (size_t i = 0; i < spares->places; i++)
		free(spares->by_place[i]);
	while ((owner = nj_map_next(&spares->owners, &cursor)) != NULL)
		free(owner);
	nj_map_done(&spares->owners);
	nj_window_free(spares->window);
	free(spares->by_place);
	free(spares);
}

void nj_spares_on_hint(struct nj_spares *spares, nj_window_hint_fn fn, void *arg)
{
	nj_window_on_hint(spares->window, fn, arg);
}

/* ---- owners ---- */

static struct owner *owner_of(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	return nj_map_get(&spares->owners, nj_view_of(uid, NJ_UID_BYTES));
}

static struct owner *owner_take(struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	struct owner *owner = owner_of(spares, uid);

	if (owner != NULL)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (owner == NULL)
		return NULL;
	memcpy(owner->uid, uid, sizeof(owner->uid));
	nj_list_init(&owner->spares);
	if (nj_map_put(&spares->owners, owner) == NJ_OK)
		return owner;
	free(owner);
	return NULL;
}

static void owner_give(struct nj_spares *spares, struct owner *owner)
{
	if (owner->count > 0)
		return;
	(void)nj_map_remove(&spares->owners, owner_key(owner));
	free(owner);
}

/* ---- adding and removing ---- */

static enum nj_err place_room(struct nj_spares *spares, uint32_t place)
{
	size_t places = spares->places == 0 ? 64 : spares->places;
	struct nj_spare **by_place;

	while (places <= place)
		places *= 2;
	if (places == spares->places)
		return NJ_OK;
	by_place = reallocarray(spares->by_place, places, sizeof(*by_place));
	if (by_place == NULL)
		return NJ_ERR_NO_MEMORY;
	memset(by_place + spares->places, 0, (places - spares->places) * sizeof(*by_place));
	spares->by_place = by_place;
	spares->places = places;
	return NJ_OK;
}

/* The name under which it lies in the table. */
static void name_of(const struct nj_spare *spare, uint8_t out_name[NJ_UID_BYTES])
{
	uint8_t epoch[4];
	uint8_t digest[NJ_SHA256_BYTES];

	nj_put_u32(epoch, spare->epoch);
	nj_sha256((struct nj_view[]){ nj_view_of(spare->uid, sizeof(spare->uid)), nj_view_of(epoch, sizeof(epoch)) }, 2,
		  digest);
	memcpy(out_name, digest, NJ_UID_BYTES);
}

static enum nj_err enter(struct nj_spares *spares, struct nj_spare *spare, uint64_t floor,
			 const uint8_t hint_key[NJ_KNOCK_KEY_BYTES])
{
	struct nj_window_device row = { .floor = floor };
	enum nj_err err;

	name_of(spare, row.uid);
	memcpy(row.hint_key, hint_key, sizeof(row.hint_key));
	err = nj_window_add(spares->window, &row, &spare->place);
	nj_wipe(&row, sizeof(row));
	if (err != NJ_OK)
		return err;
	err = place_room(spares, spare->place);
	if (err != NJ_OK)
		nj_window_remove(spares->window, spare->place);
	return err;
}

enum nj_err nj_spares_add(struct nj_spares *spares, const struct nj_spare *model, uint64_t floor,
			  const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], struct nj_spare **out_spare)
{
	struct owner *owner = owner_take(spares, model->uid);
	struct nj_spare *spare = owner == NULL ? NULL : calloc(1, sizeof(*spare));
	enum nj_err err = spare == NULL ? NJ_ERR_NO_MEMORY : NJ_OK;

	if (err == NJ_OK && owner->count >= NJ_SPARES_OF_ONE && !model->recovery)
		err = NJ_ERR_LIMIT;
	if (err == NJ_OK) {
		*spare = *model;
		err = enter(spares, spare, floor, hint_key);
	}
	if (err != NJ_OK) {
		free(spare);
		if (owner != NULL)
			owner_give(spares, owner);
		return err;
	}
	spares->by_place[spare->place] = spare;
	nj_list_push_back(&owner->spares, &spare->of_owner);
	owner->count++;
	spares->pending_count += spare->pending;
	nj_list_init(&spare->of_dug);
	if (spare->until_ms != 0) {
		nj_list_push_back(&spares->dug, &spare->of_dug);
		spares->dug_count++;
	}
	spares->recovery_count += spare->recovery;
	if (out_spare != NULL)
		*out_spare = spare;
	return NJ_OK;
}

void nj_spares_remove(struct nj_spares *spares, struct nj_spare *spare)
{
	struct owner *owner = owner_of(spares, spare->uid);

	nj_window_remove(spares->window, spare->place);
	spares->by_place[spare->place] = NULL;
	nj_list_remove(&spare->of_owner);
	nj_list_remove(&spare->of_dug);
	spares->dug_count -= spare->until_ms != 0;
	spares->pending_count -= spare->pending;
	spares->recovery_count -= spare->recovery;
	free(spare);
	owner->count--;
	owner_give(spares, owner);
}

/* ---- finding ---- */

bool nj_spare_is_tombstone(const struct nj_spare *spare)
{
	return !spare->pending && !spare->recovery;
}

/* The first of a device's of this kind. */
static struct nj_spare *first_of(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES], bool pending,
				 bool recovery)
{
	const struct owner *owner = owner_of(spares, uid);

	if (owner == NULL)
		return NULL;
	NJ_LIST_EACH (&owner->spares, at) {
		struct nj_spare *spare = NJ_CONTAINER(at, struct nj_spare, of_owner);

		if (spare->pending == pending && spare->recovery == recovery)
			return spare;
	}
	return NULL;
}

struct nj_spare *nj_spares_pending(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	return first_of(spares, uid, true, false);
}

struct nj_spare *nj_spares_recovery(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	return first_of(spares, uid, false, true);
}

struct nj_spare *nj_spares_oldest_tombstone(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	return first_of(spares, uid, false, false);
}

struct nj_spare *nj_spares_tombstone(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch)
{
	const struct owner *owner = owner_of(spares, uid);

	if (owner == NULL)
		return NULL;
	NJ_LIST_EACH (&owner->spares, at) {
		struct nj_spare *spare = NJ_CONTAINER(at, struct nj_spare, of_owner);

		if (nj_spare_is_tombstone(spare) && spare->epoch == epoch)
			return spare;
	}
	return NULL;
}

struct nj_spare *nj_spares_first_dug(const struct nj_spares *spares)
{
	return nj_list_empty(&spares->dug) ? NULL : NJ_CONTAINER(spares->dug.next, struct nj_spare, of_dug);
}

size_t nj_spares_dug_count(const struct nj_spares *spares)
{
	return spares->dug_count;
}

size_t nj_spares_count_of(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	const struct owner *owner = owner_of(spares, uid);

	return owner == NULL ? 0 : owner->count;
}

bool nj_spares_unproven(const struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	const struct owner *owner = owner_of(spares, uid);

	if (owner == NULL)
		return false;
	NJ_LIST_EACH (&owner->spares, at) {
		const struct nj_spare *spare = NJ_CONTAINER(at, struct nj_spare, of_owner);

		if (nj_spare_is_tombstone(spare) && !spare->proven)
			return true;
	}
	return false;
}

bool nj_spares_set_proven(struct nj_spares *spares, const uint8_t uid[NJ_UID_BYTES])
{
	bool changed = nj_spares_unproven(spares, uid);
	const struct owner *owner = owner_of(spares, uid);

	if (owner == NULL)
		return false;
	NJ_LIST_EACH (&owner->spares, at)
		NJ_CONTAINER(at, struct nj_spare, of_owner)->proven = true;
	return changed;
}

size_t nj_spares_lookup(const struct nj_spares *spares, const uint8_t hint[NJ_KNOCK_HINT_BYTES],
			struct nj_spare_candidate out[NJ_WINDOW_CANDIDATES])
{
	struct nj_window_candidate candidates[NJ_WINDOW_CANDIDATES];
	size_t count;

	if (nj_window_hints(spares->window) == 0)
		return 0;
	count = nj_window_lookup(spares->window, hint, candidates);
	for (size_t i = 0; i < count; i++) {
		out[i].spare = spares->by_place[candidates[i].device];
		out[i].counter = candidates[i].counter;
	}
	return count;
}

enum nj_err nj_spares_slide(struct nj_spares *spares, struct nj_spare *spare, uint64_t floor)
{
	return nj_window_slide(spares->window, spare->place, floor);
}

struct nj_window_device *nj_spares_row(const struct nj_spares *spares, const struct nj_spare *spare)
{
	return nj_window_device(spares->window, spare->place);
}

void nj_spares_settle(struct nj_spares *spares)
{
	nj_window_settle(spares->window);
}

const struct nj_window *nj_spares_window(const struct nj_spares *spares)
{
	return spares->window;
}

size_t nj_spares_count(const struct nj_spares *spares)
{
	return nj_window_count(spares->window);
}

size_t nj_spares_pending_count(const struct nj_spares *spares)
{
	return spares->pending_count;
}

size_t nj_spares_recovery_count(const struct nj_spares *spares)
{
	return spares->recovery_count;
}

struct nj_spare *nj_spares_next_recovery(const struct nj_spares *spares, size_t *cursor)
{
	while (*cursor < spares->places) {
		struct nj_spare *spare = spares->by_place[(*cursor)++];

		if (spare != NULL && spare->recovery)
			return spare;
	}
	return NULL;
}
