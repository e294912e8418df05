#include "daemon/restore.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config/settings.h"
#include "base/file.h"
#include "base/text.h"
#include "daemon/keeper_config.h"
#include "store/gateway_store.h"
#include "store/keeper_store.h"

#define COMING ".restoring"
#define NAME_BYTES (NJ_PATH_BYTES + 64)

/* What is put back, in this order: a folder without a configuration is no gateway yet. */
struct piece {
	const char *entry;
	const char *path;
	char coming[NAME_BYTES];
};

struct work {
	const struct nj_restore_options *options;
	struct nj_archive archive;
	int fd;
	int lock;
	struct piece pieces[3];
	struct nj_keeper_store *keeper;
	struct nj_gateway_store *gateway;
	struct nj_restored result;
	struct nj_why *why;
};

static const char *const suffixes[] = { "", "-wal", "-shm" };
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static void remove_coming(struct work *work)
{
	char name[NAME_BYTES + 8];

	for (size_t i = 0; i < 3; i++)
		for (size_t s = 0; s < SUFFIXES; s++)
			if (work->pieces[i].coming[0] != '\0' &&
			    nj_text_format(name, sizeof(name), "%s%s", work->pieces[i].coming, suffixes[s]) == NJ_OK)
				(void)unlink(name);
}

static void work_done(struct work *work)
{
	nj_keeper_store_close(work->keeper);
	nj_gateway_store_close(work->gateway);
	remove_coming(work);
	if (work->fd >= 0)
		close(work->fd);
	if (work->lock >= 0)
		close(work->lock);
}

/* ---- before anything is changed ---- */

static enum nj_err refuse_existing(struct work *work)
{
	for (size_t i = 0; i < 3 && !work->options->replace; i++)
		if (access(work->pieces[i].path, F_OK) == 0)
			return nj_why(work->why, NJ_ERR_EXISTS,
				      "%s is there already: --replace moves the gateway that is here aside",
				      work->pieces[i].path);
	return NJ_OK;
}

static enum nj_err extract(struct work *work)
{
	for (size_t i = 0; i < 3; i++) {
		struct piece *piece = &work->pieces[i];
		const struct nj_archive_entry *entry = nj_archive_find(&work->archive, piece->entry);

		if (entry == NULL)
			return nj_why(work->why, NJ_ERR_CORRUPT, "%s holds no %s: nothing was changed",
				      work->options->from, piece->entry);
		NJ_TRY(nj_text_format(piece->coming, sizeof(piece->coming), "%s" COMING, piece->path));
		NJ_TRY(nj_archive_extract(&work->archive, work->fd, entry, piece->coming, work->why));
	}
	return NJ_OK;
}

/* ---- the stores made ready ---- */

struct pruning {
	struct work *work;
	enum nj_err err;
	uint8_t (*uids)[NJ_STORE_UID_BYTES];
	size_t count;
	size_t cap;
};

static enum nj_err remember(struct pruning *pruning, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	if (pruning->count == pruning->cap) {
		size_t cap = pruning->cap == 0 ? 64 : pruning->cap * 2;
		void *more = reallocarray(pruning->uids, cap, NJ_STORE_UID_BYTES);

		if (more == NULL)
			return NJ_ERR_NO_MEMORY;
		pruning->uids = more;
		pruning->cap = cap;
	}
	memcpy(pruning->uids[pruning->count++], uid, NJ_STORE_UID_BYTES);
	return NJ_OK;
}

/* The gateway's copy was made a moment after the keeper's: what the keeper does not know was added in between. */
static enum nj_err check_party(void *arg, const struct nj_party_row *row)
{
	struct pruning *pruning = arg;
	struct nj_keeper_device device;
	enum nj_err err = nj_keeper_store_device_get(pruning->work->keeper, row->uid, &device);

	if (err == NJ_ERR_NOT_FOUND || (err == NJ_OK && device.state == NJ_DEVICE_REVOKED))
		return remember(pruning, row->uid);
	return err;
}

static enum nj_err prune_parties(struct work *work)
{
	struct pruning pruning = { .work = work };
	enum nj_err err = nj_gateway_store_party_each(work->gateway, check_party, &pruning);

	for (size_t i = 0; i < pruning.count && err == NJ_OK; i++)
		err = nj_gateway_store_party_delete(work->gateway, pruning.uids[i]);
	work->result.unmatched = pruning.count;
	free(pruning.uids);
	return err;
}

static enum nj_err note(struct work *work)
{
	char text[160];
	char number[32];

	NJ_TRY(nj_text_format(number, sizeof(number), "%llu", (unsigned long long)nj_clock_wall_ms(nj_clock_system())));
	NJ_TRY(nj_keeper_store_meta_put(work->keeper, "restored.at_ms", number));
	NJ_TRY(nj_keeper_store_meta_put(work->keeper, "restored.strict", work->options->strict ? "yes" : "no"));
	NJ_TRY(nj_text_format(text, sizeof(text), "backup of %llu (Unix time in ms), floors raised by %llu%s",
			      (unsigned long long)work->archive.created_ms, (unsigned long long)work->options->raise,
			      work->options->strict ? ", strict" : ""));
	/* The vault may be closed to us: the keeper writes the record when it has opened it. */
	return nj_keeper_store_meta_put(work->keeper, "restored.unrecorded", text);
}

static enum nj_err ready_keeper(struct work *work)
{
	enum nj_err err;

	NJ_TRY(nj_keeper_store_begin(work->keeper));
	err = nj_keeper_store_restored_mark(work->keeper, work->options->raise);
	if (err == NJ_OK)
		err = nj_since_settle(work->keeper, work->options->raise, work->pieces[0].path, &work->result.since);
	if (err == NJ_OK)
		err = note(work);
	if (err == NJ_OK)
		err = nj_keeper_store_commit(work->keeper);
	else
		nj_keeper_store_rollback(work->keeper);
	if (err == NJ_OK)
		err = nj_keeper_store_restored_count(work->keeper, &work->result.devices);
	return err;
}

static enum nj_err ready_stores(struct work *work)
{
	enum nj_err err;

	NJ_TRY(nj_keeper_store_open(work->pieces[0].coming, NJ_STORE_OPEN, &work->keeper, work->why));
	NJ_TRY(nj_gateway_store_open(work->pieces[1].coming, NJ_STORE_OPEN, &work->gateway, work->why));
	err = ready_keeper(work);
	if (err == NJ_OK)
		err = prune_parties(work);
	nj_keeper_store_close(work->keeper);
	nj_gateway_store_close(work->gateway);
	work->keeper = NULL;
	work->gateway = NULL;
	return err == NJ_OK ? NJ_OK
			    : nj_why(work->why, err, "the backup's stores cannot be made ready: %s", nj_err_text(err));
}

static enum nj_err read_settings(struct work *work, const struct nj_paths *paths)
{
	struct nj_settings settings;

	NJ_TRY(nj_settings_load(work->pieces[2].coming, &settings, work->why));
	NJ_TRY(nj_text_copy(work->result.key_file, sizeof(work->result.key_file), nj_key_file_of(&settings, paths)));
	work->result.key_there = access(work->result.key_file, F_OK) == 0;
	return NJ_OK;
}

/* ---- into place ---- */

static enum nj_err move_aside(struct work *work)
{
	char from[NAME_BYTES];
	char to[NAME_BYTES];

	for (size_t i = 3; i-- > 0;)
		for (size_t s = 0; s < SUFFIXES; s++) {
			NJ_TRY(nj_text_format(from, sizeof(from), "%s%s", work->pieces[i].path, suffixes[s]));
			NJ_TRY(nj_text_format(to, sizeof(to), "%s%s%s", work->pieces[i].path, work->result.aside,
					      suffixes[s]));
			if (rename(from, to) != 0 && errno != ENOENT)
				return nj_why(work->why, nj_err_from_errno(errno), "%s: %s", from, strerror(errno));
		}
	/* A power cut must not leave the old configuration beside a store that was put back. */
	for (size_t i = 3; i-- > 0;)
		NJ_TRY(nj_file_sync_folder(work->pieces[i].path, work->why));
	return NJ_OK;
}

static enum nj_err move_in(struct work *work)
{
	for (size_t i = 0; i < 3; i++) {
		const struct piece *piece = &work->pieces[i];

		if (rename(piece->coming, piece->path) != 0)
			return nj_why(work->why, nj_err_from_errno(errno), "%s: %s", piece->path, strerror(errno));
		NJ_TRY(nj_file_sync_folder(piece->path, work->why));
	}
	return NJ_OK;
}

static enum nj_err restore(struct work *work, const struct nj_paths *paths)
{
	NJ_TRY(nj_archive_open(work->options->from, &work->archive, &work->fd, work->why));
	work->result.created_ms = work->archive.created_ms;
	NJ_TRY(nj_paths_make(paths, work->why));
	NJ_TRY(nj_paths_lock(paths, &work->lock, work->why));
	NJ_TRY(refuse_existing(work));
	NJ_TRY(extract(work));
	NJ_TRY(read_settings(work, paths));
	NJ_TRY(ready_stores(work));
	if (work->options->replace) {
		NJ_TRY(nj_text_format(work->result.aside, sizeof(work->result.aside), ".replaced-%llu",
				      (unsigned long long)(nj_clock_wall_ms(nj_clock_system()) / 1000)));
		NJ_TRY(move_aside(work));
	}
	return move_in(work);
}

enum nj_err nj_daemon_restore(const struct nj_paths *paths, const struct nj_restore_options *options,
			      struct nj_restored *out_restored, struct nj_why *why)
{
	struct work work = {
		.options = options,
		.fd = -1,
		.lock = -1,
		.pieces = { { .entry = NJ_BACKUP_KEEPER, .path = paths->keeper_db },
			    { .entry = NJ_BACKUP_GATEWAY, .path = paths->gateway_db },
			    { .entry = NJ_BACKUP_CONFIG, .path = paths->config } },
		.why = why,
	};
	enum nj_err err;

	why->text[0] = '\0';
	err = restore(&work, paths);
	work_done(&work);
	if (err == NJ_OK)
		*out_restored = work.result;
	else if (why->text[0] == '\0')
		(void)nj_why(why, err, "the backup cannot be restored: %s", nj_err_text(err));
	return err;
}
