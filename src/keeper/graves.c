#include "keeper/graves.h"

#include "crypto/crypto.h"
#include "keeper/internal.h"
#include "keeper/tombstone.h"

#define BURIAL_MS (60 * 60 * 1000) /* between two looks for what is old enough */
#define BURIAL_SLICE 256           /* tombstones of one commit */
#define HINTS_SLICE 4096           /* rows of one slice: a few milliseconds */
#define META_INDEXED "tombstones.indexed"

void nj_keeper_spare_forget(struct nj_keeper *keeper, struct nj_spare *spare)
{
	if (spare == NULL)
		return;
	nj_knocks_forget_spare(keeper->knocks, spare);
	nj_spares_remove(keeper->rekeying.spares, spare);
}

/* ---- into memory ---- */

/* What cannot enter for want of memory is found in the store when its hint is seen. */
static bool enter(struct nj_keeper *keeper, const struct nj_tombstone *tombstone,
		  const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t until_ms)
{
	struct nj_spare model = { .epoch = tombstone->epoch, .proven = tombstone->proven, .until_ms = until_ms };

	memcpy(model.uid, tombstone->uid, sizeof(model.uid));
	return nj_spares_add(keeper->rekeying.spares, &model, tombstone->floor, hint_key, NULL) == NJ_OK;
}

static size_t tombstones_of(const struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	const struct nj_spares *spares = keeper->rekeying.spares;

	return nj_spares_count_of(spares, uid) - (nj_spares_pending(spares, uid) != NULL) -
	       (nj_spares_recovery(spares, uid) != NULL);
}

void nj_keeper_graves_enter(struct nj_keeper *keeper, const struct nj_tombstone *tombstone,
			    const uint8_t hint_key[NJ_KNOCK_KEY_BYTES])
{
	const uint8_t *uid = tombstone->uid;

	keeper->graves.count++;
	while (tombstones_of(keeper, uid) >= NJ_GRAVES_RESIDENT)
		nj_keeper_spare_forget(keeper, nj_spares_oldest_tombstone(keeper->rekeying.spares, uid));
	(void)enter(keeper, tombstone, hint_key, 0);
}

/* Opens a row and enters it; false when that cannot be. */
static bool enter_row(struct nj_keeper *keeper, const struct nj_tombstone *tombstone, uint64_t until_ms)
{
	struct nj_knock_keys keys;
	bool entered;

	if (nj_window_find(keeper->window, tombstone->uid) == NJ_WINDOW_NO_DEVICE)
		return false;
	if (nj_tombstone_open_row(keeper->vault, tombstone, &keys) != NJ_OK) {
		keeper->rekeying.damaged++;
		return false;
	}
	entered = enter(keeper, tombstone, keys.hint, until_ms);
	nj_wipe(&keys, sizeof(keys));
	return entered;
}

/* ---- start ---- */

static enum nj_err index_one(void *arg, const struct nj_tombstone *tombstone)
{
	struct nj_keeper *keeper = arg;
	struct nj_knock_keys keys;
	enum nj_err err;

	if (nj_tombstone_open_row(keeper->vault, tombstone, &keys) != NJ_OK)
		return NJ_OK;
	err = nj_tombstone_index(keeper->store, tombstone, keys.hint);
	nj_wipe(&keys, sizeof(keys));
	return err;
}

static enum nj_err index_all(struct nj_keeper *keeper)
{
	NJ_TRY(nj_keeper_store_tombstone_each(keeper->store, index_one, keeper));
	return nj_keeper_store_meta_put(keeper->store, META_INDEXED, "yes");
}

/* A store of a release that kept all of them in memory: once. */
static enum nj_err index_once(struct nj_keeper *keeper)
{
	char indexed[8];
	enum nj_err err = nj_keeper_store_meta_get(keeper->store, META_INDEXED, indexed, sizeof(indexed));

	if (err != NJ_ERR_NOT_FOUND)
		return err;
	NJ_TRY(nj_keeper_store_begin(keeper->store));
	err = index_all(keeper);
	if (err == NJ_OK)
		return nj_keeper_store_commit(keeper->store);
	nj_keeper_store_rollback(keeper->store);
	return err;
}

static enum nj_err newest_loaded(void *arg, const struct nj_tombstone *tombstone)
{
	(void)enter_row(arg, tombstone, 0);
	return NJ_OK;
}

enum nj_err nj_keeper_graves_load(struct nj_keeper *keeper)
{
	NJ_TRY(index_once(keeper));
	keeper->graves.filling = keeper->graves.count > 0;
	if (!keeper->graves.filling)
		return NJ_OK;
	return nj_keeper_store_tombstones_newest(keeper->store, NJ_GRAVES_RESIDENT, newest_loaded, keeper);
}

/* ---- the filter ---- */

void nj_keeper_graves_walk_begin(struct nj_keeper *keeper)
{
	keeper->graves.walk_at = (struct nj_store_hint_at){ 0 };
}

enum nj_err nj_keeper_graves_walk(struct nj_keeper *keeper, nj_window_hint_fn fn, void *arg)
{
	return nj_keeper_store_hints_walk(keeper->store, &keeper->graves.walk_at, HINTS_SLICE, fn, arg);
}

/* A store that cannot be read leaves the rest to the next start: their use is not seen until then, nothing opens. */
void nj_keeper_graves_fill(struct nj_keeper *keeper, nj_window_hint_fn fn, void *arg)
{
	enum nj_err err = nj_keeper_store_hints_walk(keeper->store, &keeper->graves.fill_at, HINTS_SLICE, fn, arg);

	keeper->graves.filling = err == NJ_ERR_AGAIN;
}

/* ---- a hint that nobody else has ---- */

static bool may_dig(struct nj_keeper_graves *graves, uint64_t now_ms)
{
	uint64_t back = (now_ms - graves->dig_at_ms) / NJ_GRAVES_DIG_MS;

	if (back >= graves->spent) {
		graves->spent = 0;
		graves->dig_at_ms = now_ms;
	} else {
		graves->spent -= (uint32_t)back;
		graves->dig_at_ms += back * NJ_GRAVES_DIG_MS;
	}
	if (graves->spent >= NJ_GRAVES_DIG_BURST)
		return false;
	graves->spent++;
	return true;
}

struct digging {
	struct nj_keeper *keeper;
	uint64_t until_ms;
	bool found;
};

static enum nj_err dug_out(void *arg, const struct nj_tombstone *tombstone)
{
	struct digging *digging = arg;
	const struct nj_spares *spares = digging->keeper->rekeying.spares;

	if (nj_spares_tombstone(spares, tombstone->uid, tombstone->epoch) == NULL)
		digging->found |= enter_row(digging->keeper, tombstone, digging->until_ms);
	return NJ_OK;
}

bool nj_keeper_graves_dig(struct nj_keeper *keeper, const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	struct nj_keeper_graves *graves = &keeper->graves;
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);
	uint64_t wall_ms = nj_clock_wall_ms(keeper->clock);
	struct digging digging = { .keeper = keeper, .until_ms = now_ms + NJ_GRAVES_DUG_MS };

	if (graves->count == 0 || nj_spares_dug_count(keeper->rekeying.spares) >= NJ_GRAVES_DUG_MAX ||
	    !may_dig(graves, now_ms))
		return false;
	graves->look_ups++;
	if (nj_keeper_store_hints_find(keeper->store, hint, wall_ms > NJ_TOMBSTONE_MS ? wall_ms - NJ_TOMBSTONE_MS : 0,
				       wall_ms, dug_out, &digging) != NJ_OK)
		return false;
	return digging.found;
}

/* ---- time ---- */

static void fill_in_again(struct nj_keeper *keeper, uint64_t now_ms)
{
	struct nj_spare *spare;

	/* What is staged may point at one. */
	if (nj_knocks_staged(keeper->knocks) > 0)
		return;
	while ((spare = nj_spares_first_dug(keeper->rekeying.spares)) != NULL && now_ms >= spare->until_ms)
		nj_keeper_spare_forget(keeper, spare);
}

struct burial {
	size_t count;
	struct {
		uint8_t uid[NJ_UID_BYTES];
		uint32_t epoch;
	} at[BURIAL_SLICE];
};

static enum nj_err note_old(void *arg, const struct nj_tombstone *tombstone)
{
	struct burial *burial = arg;

	memcpy(burial->at[burial->count].uid, tombstone->uid, NJ_UID_BYTES);
	burial->at[burial->count++].epoch = tombstone->epoch;
	return NJ_OK;
}

static enum nj_err delete_rows(struct nj_keeper_store *store, const struct burial *burial)
{
	enum nj_err err = nj_keeper_store_begin(store);

	if (err != NJ_OK)
		return err;
	for (size_t i = 0; i < burial->count && err == NJ_OK; i++)
		err = nj_keeper_store_tombstone_delete(store, burial->at[i].uid, burial->at[i].epoch);
	if (err == NJ_OK)
		return nj_keeper_store_commit(store);
	nj_keeper_store_rollback(store);
	return err;
}

/* Returns whether there may be more. */
static bool delete_old(struct nj_keeper *keeper, uint64_t before_ms)
{
	struct burial burial = { 0 };

	if (nj_keeper_store_tombstones_before(keeper->store, before_ms, BURIAL_SLICE, note_old, &burial) != NJ_OK ||
	    burial.count == 0 || delete_rows(keeper->store, &burial) != NJ_OK)
		return false;
	for (size_t i = 0; i < burial.count; i++)
		nj_keeper_spare_forget(keeper, nj_spares_tombstone(keeper->rekeying.spares, burial.at[i].uid,
								   burial.at[i].epoch));
	keeper->graves.count -= keeper->graves.count < burial.count ? keeper->graves.count : burial.count;
	return true;
}

static bool delete_old_hints(struct nj_keeper *keeper, uint64_t before_ms)
{
	uint64_t deleted = 0;

	return nj_keeper_store_hints_delete_before(keeper->store, before_ms, HINTS_SLICE, &deleted) == NJ_OK &&
	       deleted > 0;
}

void nj_keeper_graves_tick(struct nj_keeper *keeper)
{
	uint64_t now_ms = nj_clock_boot_ms(keeper->clock);
	uint64_t wall_ms = nj_clock_wall_ms(keeper->clock);

	fill_in_again(keeper, now_ms);
	if (now_ms < keeper->graves.burial_due_ms || wall_ms < NJ_TOMBSTONE_MS)
		return;
	if (nj_keeper_flush(keeper) != NJ_OK || delete_old(keeper, wall_ms - NJ_TOMBSTONE_MS) ||
	    delete_old_hints(keeper, wall_ms - NJ_TOMBSTONE_MS))
		return;
	/* Those of revoked devices went with them. */
	(void)!nj_keeper_store_tombstones_count(keeper->store, &keeper->graves.count);
	keeper->graves.burial_due_ms = now_ms + BURIAL_MS;
}
