#include "daemon/since.h"

#include <string.h>

#include "daemon/restore.h"
#include "store/keeper_keys.h"

struct comparing {
	struct nj_keeper_store *backup;
	uint64_t raise;
	uint64_t matched;
	bool behind;        /* the old store is older than the backup, in one device at least */
	enum nj_err failed; /* of the backup's store, which is no matter of what the old one knows */
	struct nj_since since;
};

static enum nj_err count_rekeying(void *arg, const struct nj_keeper_device *row)
{
	struct nj_since *since = arg;

	since->may_rekey += row->state == NJ_DEVICE_LIVE && (row->epoch > 1 || row->sealed_pending_len > 0);
	return NJ_OK;
}

static enum nj_err of_backup(struct comparing *comparing, enum nj_err err)
{
	if (err != NJ_OK && err != NJ_ERR_NOT_FOUND)
		comparing->failed = err;
	return err;
}

static enum nj_err compare(void *arg, const struct nj_keeper_peek *old)
{
	struct comparing *comparing = arg;
	struct nj_since *since = &comparing->since;
	struct nj_keeper_device now;
	uint64_t floor;
	enum nj_err err = of_backup(comparing, nj_keeper_store_device_get(comparing->backup, old->uid, &now));

	if (err == NJ_ERR_NOT_FOUND) {
		since->added += old->state == NJ_DEVICE_LIVE;
		return NJ_OK;
	}
	NJ_TRY(err);
	if (now.state != NJ_DEVICE_LIVE)
		return NJ_OK;
	comparing->matched++;
	since->revoked += old->state == NJ_DEVICE_REVOKED;
	if (old->state != NJ_DEVICE_LIVE)
		return NJ_OK;
	floor = now.floor - comparing->raise;
	if (old->floor < floor || old->epoch < now.epoch)
		comparing->behind = true;
	else if (old->floor - floor > since->moved_most)
		since->moved_most = old->floor - floor;
	since->rekeyed += old->epoch > now.epoch;
	return NJ_OK;
}

/* A floor that is out of all reason would shut its device out: it is a damaged store's. */
static bool is_ahead(uint64_t old, uint64_t now)
{
	return old > now && old - now <= NJ_RESTORE_RAISE_MAX;
}

static enum nj_err take_floors(void *arg, const struct nj_keeper_peek *old)
{
	struct comparing *comparing = arg;
	struct nj_keeper_device now;
	enum nj_err err = of_backup(comparing, nj_keeper_store_device_get(comparing->backup, old->uid, &now));

	if (err == NJ_ERR_NOT_FOUND)
		return NJ_OK;
	NJ_TRY(err);
	if (now.state != NJ_DEVICE_LIVE || old->state != NJ_DEVICE_LIVE)
		return NJ_OK;
	if (is_ahead(old->floor, now.floor))
		err = nj_keeper_store_device_raise_floor(comparing->backup, old->uid, old->floor);
	if (err == NJ_OK && is_ahead(old->recovery_floor, now.recovery_floor))
		err = nj_keeper_store_device_raise_recovery_floor(comparing->backup, old->uid, old->recovery_floor);
	return of_backup(comparing, err);
}

static enum nj_err compare_with(struct comparing *comparing, const char *old_path)
{
	struct nj_keeper_store *old = NULL;
	struct nj_why ignored;
	enum nj_err err = nj_keeper_store_open(old_path, NJ_STORE_PEEK, &old, &ignored);

	if (err == NJ_OK)
		err = nj_keeper_store_peek_each(old, compare, comparing);
	comparing->since.known = err == NJ_OK && comparing->matched > 0 && !comparing->behind;
	/* Also of a store that is behind in one device: what it has burnt is burnt. */
	if (err == NJ_OK && comparing->matched > 0)
		err = nj_keeper_store_peek_each(old, take_floors, comparing);
	nj_keeper_store_close(old);
	return err;
}

enum nj_err nj_since_settle(struct nj_keeper_store *backup, uint64_t raise, const char *old_path,
			    struct nj_since *out_since)
{
	struct comparing comparing = { .backup = backup, .raise = raise };

	NJ_TRY(nj_keeper_store_device_each(backup, count_rekeying, &comparing.since));
	if (compare_with(&comparing, old_path) != NJ_OK)
		comparing.since.known = false;
	NJ_TRY(comparing.failed);
	if (!comparing.since.known)
		comparing.since = (struct nj_since){ .may_rekey = comparing.since.may_rekey };
	*out_since = comparing.since;
	return NJ_OK;
}
