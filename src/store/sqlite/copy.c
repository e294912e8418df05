#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "store/sqlite/copy.h"

struct nj_store_copy {
	sqlite3 *to;
	sqlite3_backup *backup;
	bool whole;
	char path[4096];
};

static enum nj_err open_target(struct nj_store_copy *copy)
{
	NJ_CLEANUP_FD int fd = -1;
	int code;

	if (unlink(copy->path) != 0 && errno != ENOENT)
		return nj_err_from_errno(errno);
	fd = open(copy->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return nj_err_from_errno(errno);
	code = sqlite3_open_v2(copy->path, &copy->to,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(copy->to,
				    "PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE;"
				    "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
				    NULL, NULL, NULL);
	return nj_db_err(code);
}

static enum nj_err begin(struct nj_store_copy *copy, struct nj_db *from)
{
	const char *name = sqlite3_db_filename(from->sql, "main");

	if (from->in_transaction)
		return NJ_ERR_STATE;
	NJ_TRY(nj_text_format(copy->path, sizeof(copy->path), "%s" NJ_STORE_COPY_SUFFIX, name));
	NJ_TRY(open_target(copy));
	copy->backup = sqlite3_backup_init(copy->to, "main", from->sql, "main");
	return copy->backup != NULL ? NJ_OK : nj_db_err(sqlite3_extended_errcode(copy->to));
}

enum nj_err nj_db_copy(struct nj_db *from, struct nj_store_copy **out_copy, struct nj_why *why)
{
	struct nj_store_copy *copy = calloc(1, sizeof(*copy));
	enum nj_err err;

	if (copy == NULL)
		return NJ_ERR_NO_MEMORY;
	err = begin(copy, from);
	if (err != NJ_OK) {
		err = nj_why(why, err, "%s: a copy of the store cannot be made: %s", copy->path, nj_err_text(err));
		nj_store_copy_free(copy);
		return err;
	}
	*out_copy = copy;
	return NJ_OK;
}

enum nj_err nj_store_copy_step(struct nj_store_copy *copy, int pages)
{
	int code = sqlite3_backup_step(copy->backup, pages);

	if (code == SQLITE_OK)
		return NJ_ERR_AGAIN;
	if (code != SQLITE_DONE)
		return nj_db_err(code);
	code = sqlite3_backup_finish(copy->backup);
	copy->backup = NULL;
	if (code == SQLITE_OK)
		code = sqlite3_close(copy->to);
	copy->to = NULL;
	copy->whole = code == SQLITE_OK;
	return nj_db_err(code);
}

void nj_store_copy_free(struct nj_store_copy *copy)
{
	if (copy == NULL)
		return;
	if (copy->backup != NULL)
		sqlite3_backup_finish(copy->backup);
	sqlite3_close(copy->to);
	if (!copy->whole && copy->path[0] != '\0')
		(void)unlink(copy->path);
	free(copy);
}
