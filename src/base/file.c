#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define FIRST_BYTES 4096

void nj_file_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void nj_file_free(char **data)
{
	free(*data);
	*data = NULL;
}

/* The fact behind errno, told with the path and what was tried. */
static enum nj_err fail(struct nj_why *why, const char *what, const char *path)
{
	int cause = errno;

	return nj_why(why, nj_err_from_errno(cause), "cannot %s %s: %s", what, path, strerror(cause));
}

/* One read(2) of what is left of `cap`; *out_got 0 at the end. */
static enum nj_err read_some(int fd, char *data, size_t cap, size_t *out_got)
{
	ssize_t got;

	do
		got = read(fd, data, cap);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return nj_err_from_errno(errno);
	*out_got = (size_t)got;
	return NJ_OK;
}

/* Reads to the end, trusting no size that the file system names: it may grow, and files of /proc say 0. */
static enum nj_err read_all(int fd, size_t max, char **data, size_t *out_len)
{
	size_t cap = max < FIRST_BYTES ? max : FIRST_BYTES;
	size_t len = 0;

	for (;;) {
		char *bigger = realloc(*data, cap + 1);
		size_t got = 0;

		if (bigger == NULL)
			return NJ_ERR_NO_MEMORY;
		*data = bigger;
		/* One byte more than allowed tells a file at the limit from one past it. */
		NJ_TRY(read_some(fd, *data + len, cap + 1 - len, &got));
		if (got == 0)
			break;
		len += got;
		if (len > max)
			return NJ_ERR_TOO_LARGE;
		if (len > cap)
			cap = cap > max / 2 ? max : cap * 2;
	}
	(*data)[len] = '\0';
	*out_len = len;
	return NJ_OK;
}

enum nj_err nj_file_read(const char *path, size_t max, char **out_data, size_t *out_len, struct nj_why *why)
{
	/* Non-blocking, so that a FIFO put in the file's place cannot hold the process. */
	NJ_CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	NJ_CLEANUP_FREE char *data = NULL;
	struct stat st;
	enum nj_err err;

	if (fd < 0 || fstat(fd, &st) != 0)
		return fail(why, "read", path);
	if (!S_ISREG(st.st_mode))
		return nj_why(why, NJ_ERR_UNSUPPORTED, "cannot read %s: it is not a regular file", path);
	err = read_all(fd, max, &data, out_len);
	if (err == NJ_ERR_TOO_LARGE)
		return nj_why(why, err, "cannot read %s: it is larger than %zu bytes", path, max);
	if (err != NJ_OK)
		return nj_why(why, err, "cannot read %s: %s", path, nj_err_text(err));
	*out_data = data;
	data = NULL;
	return NJ_OK;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t wrote = write(fd, data, len);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		data += wrote;
		len -= (size_t)wrote;
	}
	return true;
}

enum nj_err nj_file_sync_folder(const char *path, struct nj_why *why)
{
	char folder[PATH_MAX];
	NJ_CLEANUP_FD int fd = -1;
	char *slash;

	if (nj_text_copy(folder, sizeof(folder), path) != NJ_OK)
		return nj_why(why, NJ_ERR_TOO_LARGE, "the path %.64s… is too long", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		folder[0] = '.', folder[1] = '\0';
	else
		slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return fail(why, "make durable the folder", folder);
	return NJ_OK;
}

/* The file that takes another's place belongs to whom that belonged; a new one to us. */
static bool keep_owner(int fd, const char *path)
{
	struct stat former;
	struct stat ours;

	if (lstat(path, &former) != 0)
		return errno == ENOENT;
	if (fstat(fd, &ours) != 0)
		return false;
	return (former.st_uid == ours.st_uid && former.st_gid == ours.st_gid) ||
	       fchown(fd, former.st_uid, former.st_gid) == 0;
}

/* Writes a new file beside `path` and makes it durable; its name goes to `temp`, empty when nothing was made. */
static enum nj_err write_beside(const char *path, struct nj_view data, mode_t mode, char temp[PATH_MAX],
				struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = -1;

	if (nj_text_format(temp, PATH_MAX, "%s.XXXXXX", path) != NJ_OK) {
		temp[0] = '\0';
		return nj_why(why, NJ_ERR_TOO_LARGE, "the path %.64s… is too long", path);
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		temp[0] = '\0';
		return fail(why, "write", path);
	}
	/* The owner before the mode, which a change of owner may take bits from. */
	if (!keep_owner(fd, path) || fchmod(fd, mode) != 0 || !write_all(fd, (const char *)data.data, data.len) ||
	    fsync(fd) != 0)
		return fail(why, "write", path);
	return NJ_OK;
}

static enum nj_err put_file(const char *path, struct nj_view data, mode_t mode, unsigned int rename_flags,
			    struct nj_why *why)
{
	char temp[PATH_MAX];
	enum nj_err err = write_beside(path, data, mode, temp, why);

	if (err == NJ_OK && renameat2(AT_FDCWD, temp, AT_FDCWD, path, rename_flags) != 0)
		err = fail(why, rename_flags == RENAME_NOREPLACE ? "create" : "write", path);
	else if (err == NJ_OK)
		return nj_file_sync_folder(path, why);
	if (temp[0] != '\0')
		unlink(temp);
	return err;
}

enum nj_err nj_file_write(const char *path, const void *data, size_t len, mode_t mode, struct nj_why *why)
{
	char real[PATH_MAX];

	return put_file(realpath(path, real) != NULL ? real : path, nj_view_of(data, len), mode, 0, why);
}

enum nj_err nj_file_create(const char *path, const void *data, size_t len, mode_t mode, struct nj_why *why)
{
	return put_file(path, nj_view_of(data, len), mode, RENAME_NOREPLACE, why);
}

/* Ours: a folder itself (no link), owned by this user unless that is root, and not everybody's to write. */
static enum nj_err check_folder(const char *path, struct nj_why *why)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return fail(why, "look at", path);
	if (!S_ISDIR(st.st_mode))
		return nj_why(why, NJ_ERR_EXISTS, "%s exists and is not a folder", path);
	if (geteuid() != 0 && st.st_uid != geteuid())
		return nj_why(why, NJ_ERR_DENIED, "the folder %s belongs to uid %u", path, st.st_uid);
	if ((st.st_mode & S_IWOTH) != 0)
		return nj_why(why, NJ_ERR_DENIED, "everybody may write to the folder %s", path);
	return NJ_OK;
}

enum nj_err nj_dir_make(const char *path, mode_t mode, struct nj_why *why)
{
	if (mkdir(path, mode) == 0) {
		/* The umask may have taken bits away. */
		if (chmod(path, mode) != 0)
			return fail(why, "set the mode of", path);
		return nj_file_sync_folder(path, why);
	}
	if (errno != EEXIST)
		return fail(why, "create the folder", path);
	return check_folder(path, why);
}
