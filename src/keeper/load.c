#include "crypto/crypto.h"
#include "keeper/internal.h"
#include "keeper/loader.h"
#include "keeper/rekey.h"

#define WALK_DEVICES 1000 /* a slice of a rebuild: some milliseconds */
#define SPARES_A_DEVICE 4 /* pending keys and tombstones in memory, on average at most */

/* ---- policies ---- */

const struct nj_door_policy *nj_keeper_policy(const struct nj_keeper *keeper, const char *profile)
{
	const struct nj_keeper_policy *policy = nj_map_get(&keeper->policies, nj_view_str(profile));

	return policy == NULL ? NULL : &policy->door;
}

enum nj_err nj_keeper_policy_set(struct nj_keeper *keeper, const struct nj_door_policy *door)
{
	struct nj_keeper_policy *policy = nj_map_get(&keeper->policies, nj_view_str(door->profile));
	enum nj_err err;

	if (policy != NULL) {
		policy->door = *door;
		return NJ_OK;
	}
	policy = calloc(1, sizeof(*policy));
	if (policy == NULL)
		return NJ_ERR_NO_MEMORY;
	policy->door = *door;
	err = nj_map_put(&keeper->policies, policy);
	if (err != NJ_OK)
		free(policy);
	return err;
}

static enum nj_err policy_loaded(void *arg, const struct nj_door_policy *policy)
{
	return nj_keeper_policy_set(arg, policy);
}

enum nj_err nj_keeper_load_policies(struct nj_keeper *keeper)
{
	return nj_keeper_store_policy_each(keeper->store, policy_loaded, keeper);
}

/* ---- devices ---- */

enum nj_err nj_keeper_admit(struct nj_keeper *keeper, const struct nj_keeper_device *row,
			    const uint8_t root_key[NJ_KEY_BYTES])
{
	struct nj_window_device model = { .floor = row->floor, .kind = row->kind };
	uint32_t device;
	enum nj_err err;

	if (keeper->window == NULL)
		return NJ_OK;
	memcpy(model.uid, row->uid, sizeof(model.uid));
	nj_knock_derive_hint_key(root_key, row->uid, model.hint_key);
	err = nj_window_add(keeper->window, &model, &device);
	nj_wipe(&model, sizeof(model));
	if (err == NJ_OK && row->kind <= NJ_PARTY_APPLICATION)
		keeper->kinds[row->kind]++;
	return err == NJ_ERR_EXISTS ? NJ_OK : err;
}

void nj_keeper_expel(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES])
{
	uint32_t device;

	if (keeper->window == NULL)
		return;
	device = nj_window_find(keeper->window, uid);
	if (device == NJ_WINDOW_NO_DEVICE)
		return;
	keeper->kinds[nj_window_device(keeper->window, device)->kind]--;
	nj_window_remove(keeper->window, device);
	nj_knocks_forget(keeper->knocks, device);
	nj_keeper_rekey_expel(keeper, uid);
	nj_grants_end_uid(keeper->grants, uid, NJ_GRANT_REVOKED);
	if (keeper->guard.grants != NULL)
		nj_grants_end_uid(keeper->guard.grants, uid, NJ_GRANT_REVOKED);
}

struct loading {
	struct nj_keeper *keeper;
	struct nj_loader *loader;
	struct nj_why *why;
};

static enum nj_err device_read(void *arg, const struct nj_keeper_device *row)
{
	struct loading *loading = arg;

	if (row->state == NJ_DEVICE_PENDING || (row->state == NJ_DEVICE_REVOKED && !row->cut_done))
		loading->keeper->unsettled = true;
	return row->state == NJ_DEVICE_LIVE ? nj_loader_put(loading->loader, row) : NJ_OK;
}

static enum nj_err device_loaded(void *arg, const struct nj_loaded *loaded)
{
	struct loading *loading = arg;
	struct nj_keeper *keeper = loading->keeper;
	uint32_t device;
	enum nj_err err;

	if (loaded->err != NJ_OK)
		return nj_why(loading->why, NJ_ERR_CORRUPT,
			      "the sealed key of %s is damaged: restore a backup, or revoke it and add it anew",
			      loaded->name);
	err = nj_window_add_hinted(keeper->window, &loaded->model, &loaded->hints, &device);
	if (err != NJ_OK)
		return nj_why(loading->why, err, "%s cannot be loaded: %s", loaded->name, nj_err_text(err));
	if (loaded->model.kind <= NJ_PARTY_APPLICATION)
		keeper->kinds[loaded->model.kind]++;
	return NJ_OK;
}

static enum nj_err devices_load(struct nj_keeper *keeper, struct nj_why *why)
{
	struct loading loading = { .keeper = keeper, .why = why };

	NJ_TRY(nj_loader_new(keeper->vault, device_loaded, &loading, &loading.loader));
	return nj_loader_finish(loading.loader, nj_keeper_store_device_each(keeper->store, device_read, &loading));
}

static void hint_rebuilt(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	struct nj_keeper *keeper = arg;

	keeper->cloak->ops->rebuild_add(keeper->cloak, hint);
}

static void hint_entered(void *arg, const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	struct nj_keeper *keeper = arg;

	keeper->cloak->ops->hint_add(keeper->cloak, hint);
}

/* The filter is planned with room for what will be burnt and added until the next rebuild. */
static uint64_t hints_expected(uint64_t hints)
{
	return hints + hints / 2 + 4096;
}

enum nj_err nj_keeper_load(struct nj_keeper *keeper, struct nj_why *why)
{
	uint64_t count = 0;
	size_t expected;

	NJ_TRY(nj_keeper_store_device_count(keeper->store, &count));
	if (count > keeper->max_devices)
		return nj_why(why, NJ_ERR_LIMIT, "%llu devices are stored, and the limit is %u: raise it",
			      (unsigned long long)count, keeper->max_devices);
	expected = (size_t)(count + count / 16);
	NJ_TRY(nj_window_new(expected < keeper->max_devices ? expected : keeper->max_devices, keeper->max_devices,
			     &keeper->window));
	NJ_TRY(nj_spares_new(SPARES_A_DEVICE * (size_t)keeper->max_devices, keeper->random, &keeper->rekeying.spares));
	NJ_TRY(nj_keeper_store_tombstones_count(keeper->store, &keeper->graves.count));
	keeper->planned_hints = hints_expected((count + keeper->graves.count) * NJ_KNOCK_WINDOW);
	NJ_TRY(keeper->cloak->ops->rebuild_begin(keeper->cloak, keeper->planned_hints));
	nj_window_on_hint(keeper->window, hint_rebuilt, keeper);
	nj_spares_on_hint(keeper->rekeying.spares, hint_rebuilt, keeper);
	keeper->unsettled = false;
	NJ_TRY(devices_load(keeper, why));
	NJ_TRY(nj_keeper_rekey_load(keeper));
	nj_window_on_hint(keeper->window, hint_entered, keeper);
	nj_spares_on_hint(keeper->rekeying.spares, hint_entered, keeper);
	return keeper->cloak->ops->rebuild_end(keeper->cloak);
}

/* ---- the kernel's filter ---- */

static uint64_t hints_held(const struct nj_keeper *keeper)
{
	return nj_window_hints(keeper->window) + nj_window_hints(nj_spares_window(keeper->rekeying.spares)) +
	       keeper->graves.count * NJ_KNOCK_WINDOW;
}

static bool rebuild_due(const struct nj_keeper *keeper)
{
	struct nj_cloak_stats stats = { 0 };
	uint64_t hints = hints_held(keeper);

	keeper->cloak->ops->stats(keeper->cloak, &stats);
	if (stats.hints_added * 16 <= stats.hint_bits)
		return false;
	/* Too full for its size. It helps when a quarter has left the window, or when more was asked for than planned.
	 */
	return stats.hints_added > hints + hints / 4 + 4096 || hints > keeper->planned_hints;
}

static void rebuild_start(struct nj_keeper *keeper)
{
	uint64_t expected = hints_expected(hints_held(keeper));

	keeper->planned_hints = expected;
	if (keeper->cloak->ops->rebuild_begin(keeper->cloak, expected) != NJ_OK)
		return;
	nj_window_walk_begin(&keeper->walk);
	keeper->rebuilding = true;
	keeper->rebuild_part = NJ_REBUILD_DEVICES;
}

/* A slice of the part that is on; NJ_OK: the part is done. */
static enum nj_err rebuild_part_step(struct nj_keeper *keeper)
{
	switch (keeper->rebuild_part) {
	case NJ_REBUILD_DEVICES:
		return nj_window_walk_step(keeper->window, &keeper->walk, WALK_DEVICES, hint_rebuilt, keeper);
	case NJ_REBUILD_SPARES:
		return nj_window_walk_step(nj_spares_window(keeper->rekeying.spares), &keeper->walk, WALK_DEVICES,
					   hint_rebuilt, keeper);
	case NJ_REBUILD_GRAVES:
		return nj_keeper_graves_walk(keeper, hint_rebuilt, keeper);
	}
	return NJ_OK;
}

static void rebuild_step(struct nj_keeper *keeper)
{
	enum nj_err err = rebuild_part_step(keeper);

	if (err == NJ_ERR_AGAIN)
		return;
	if (err == NJ_OK && keeper->rebuild_part != NJ_REBUILD_GRAVES) {
		keeper->rebuild_part++;
		nj_window_walk_begin(&keeper->walk);
		nj_keeper_graves_walk_begin(keeper);
		return;
	}
	keeper->rebuilding = false;
	if (err == NJ_OK)
		err = keeper->cloak->ops->rebuild_end(keeper->cloak);
	if (err != NJ_OK && keeper->watch.cloak_failed != NULL)
		keeper->watch.cloak_failed(keeper->watch.arg, err);
}

void nj_keeper_rebuild_step(struct nj_keeper *keeper)
{
	nj_window_settle(keeper->window);
	nj_spares_settle(keeper->rekeying.spares);
	if (keeper->rebuilding)
		rebuild_step(keeper);
	else if (keeper->graves.filling)
		nj_keeper_graves_fill(keeper, hint_entered, keeper);
	else if (rebuild_due(keeper))
		rebuild_start(keeper);
}
