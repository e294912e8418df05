#include "cli/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/crypto.h"

#define FILE_MODE 0600

/* ---- from an answer ---- */

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool port_in(const json_t *object, const char *key, uint16_t *out_port)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	if (value < 0 || value > UINT16_MAX)
		return false;
	*out_port = (uint16_t)value;
	return true;
}

static bool read_shared(const json_t *shared, struct nj_credfile *file)
{
	const json_t *ports = json_object_get(shared, "ports");

	if (!port_in(shared, "knock_port", &file->knock_port) ||
	    nj_text_copy(file->host, sizeof(file->host), text_in(shared, "host")) != NJ_OK ||
	    nj_text_copy(file->ca, sizeof(file->ca), text_in(shared, "ca")) != NJ_OK)
		return false;
	for (uint16_t service = 1; service < NJ_SERVICE_END; service++) {
		if (!port_in(ports, nj_service_name(service), &file->port[service]))
			return false;
	}
	return true;
}

/* A gateway of before there were recovery keys sends none. */
static bool read_recovery(const json_t *item, struct nj_credfile *file)
{
	const char *text = text_in(item, "recovery");

	return text[0] == '\0' || nj_hex_decode(nj_view_str(text), file->recovery, sizeof(file->recovery)) == NJ_OK;
}

static bool read_own(const json_t *item, struct nj_credfile *file)
{
	json_int_t epoch = json_integer_value(json_object_get(item, "epoch"));

	if (epoch < 0 || epoch > UINT32_MAX)
		return false;
	file->epoch = (uint32_t)epoch;
	file->kind = strcmp(text_in(item, "kind"), "application") == 0 ? NJ_CREDFILE_APPLICATION : NJ_CREDFILE_DEVICE;
	return nj_text_copy(file->name, sizeof(file->name), text_in(item, "name")) == NJ_OK &&
	       nj_text_copy(file->customer, sizeof(file->customer), text_in(item, "customer")) == NJ_OK &&
	       nj_text_copy(file->cert, sizeof(file->cert), text_in(item, "cert")) == NJ_OK &&
	       nj_hex_decode(nj_view_str(text_in(item, "uid")), file->uid, sizeof(file->uid)) == NJ_OK &&
	       nj_hex_decode(nj_view_str(text_in(item, "key")), file->key, sizeof(file->key)) == NJ_OK &&
	       read_recovery(item, file);
}

enum nj_err nj_credential_read(const json_t *item, const json_t *shared, struct nj_credfile *out_file,
			       struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };

	if (!read_own(item, &file) || !read_shared(shared, &file))
		return nj_why(why, NJ_ERR_MALFORMED, "the gateway's answer holds no credentials for \"%.64s\"",
			      text_in(item, "name"));
	*out_file = file;
	return NJ_OK;
}

/* ---- a new file ---- */

/* A file whose blocks exist cannot run out of space while it is written. */
static enum nj_err reserve(int fd, const char *path, struct nj_why *why)
{
	int failed = posix_fallocate(fd, 0, NJ_CREDFILE_MAX_BYTES);

	if (failed == 0 || failed == EOPNOTSUPP || failed == EINVAL)
		return NJ_OK;
	errno = failed;
	return nj_why(why, nj_err_from_errno(failed), "cannot write %s: %m", path);
}

enum nj_err nj_new_file_begin(const char *path, bool replace, struct nj_new_file *out_file, struct nj_why *why)
{
	const char *made;
	enum nj_err err;

	out_file->fd = -1;
	out_file->temp[0] = '\0';
	if (nj_text_copy(out_file->path, sizeof(out_file->path), path) != NJ_OK ||
	    (replace && nj_text_format(out_file->temp, sizeof(out_file->temp), "%s.new", path) != NJ_OK))
		return nj_why(why, NJ_ERR_TOO_LARGE, "the path %.64s… is too long", path);
	if (replace)
		(void)unlink(out_file->temp);
	made = replace ? out_file->temp : out_file->path;
	out_file->fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (out_file->fd < 0 && errno == EEXIST)
		return nj_why(why, NJ_ERR_EXISTS, "%s exists already; write elsewhere, or say --force to replace it",
			      path);
	if (out_file->fd < 0)
		return nj_why(why, nj_err_from_errno(errno), "cannot make %s: %m", path);
	err = reserve(out_file->fd, path, why);
	if (err != NJ_OK)
		nj_new_file_abort(out_file);
	return err;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		data += put;
		len -= (size_t)put;
	}
	return true;
}

enum nj_err nj_new_file_commit(struct nj_new_file *file, const struct nj_credfile *content, struct nj_why *why)
{
	char text[NJ_CREDFILE_MAX_BYTES];
	size_t len = 0;
	enum nj_err err = nj_credfile_format(content, text, sizeof(text), &len);

	if (err != NJ_OK)
		err = nj_why(why, err, "the credentials cannot be written: %s", nj_err_text(err));
	else if (!write_all(file->fd, text, len) || ftruncate(file->fd, (off_t)len) != 0 || fsync(file->fd) != 0 ||
		 (file->temp[0] != '\0' && rename(file->temp, file->path) != 0))
		err = nj_why(why, nj_err_from_errno(errno), "cannot write %s: %m", file->path);
	nj_wipe(text, sizeof(text));
	if (err != NJ_OK) {
		nj_new_file_abort(file);
		return err;
	}
	nj_file_close_fd(&file->fd);
	err = nj_file_sync_folder(file->path, why);
	if (err != NJ_OK)
		(void)unlink(file->path);
	return err;
}

void nj_new_file_abort(struct nj_new_file *file)
{
	if (file->fd < 0)
		return;
	(void)unlink(file->temp[0] != '\0' ? file->temp : file->path);
	nj_file_close_fd(&file->fd);
}

/* ---- knocking ---- */

/* Opens and locks the file that has the name `path` now: a rewrite by another process gives the name to a new file. */
static enum nj_err open_locked(const char *path, int *out_fd, mode_t *out_mode, struct nj_why *why)
{
	for (;;) {
		NJ_CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
		struct stat opened;
		struct stat named;

		if (fd < 0)
			return nj_why(why, nj_err_from_errno(errno), "cannot open %s: %m", path);
		while (flock(fd, LOCK_EX) != 0) {
			if (errno != EINTR)
				return nj_why(why, nj_err_from_errno(errno), "cannot lock %s: %m", path);
		}
		if (fstat(fd, &opened) != 0 || stat(path, &named) != 0)
			return nj_why(why, nj_err_from_errno(errno), "cannot read %s: %m", path);
		if (opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
			*out_mode = opened.st_mode & 07777;
			*out_fd = fd;
			fd = -1;
			return NJ_OK;
		}
	}
}

enum nj_err nj_credential_load(const char *path, struct nj_credfile *out_file, struct nj_why *why)
{
	NJ_CLEANUP_FREE char *text = NULL;
	struct nj_why fault = { 0 };
	size_t len = 0;
	enum nj_err err;

	NJ_TRY(nj_file_read(path, NJ_CREDFILE_MAX_BYTES, &text, &len, why));
	err = nj_credfile_parse(text, len, out_file, &fault);
	nj_wipe(text, len);
	if (err != NJ_OK)
		return nj_why(why, err, "%s: %s", path, fault.text[0] != '\0' ? fault.text : nj_err_text(err));
	return NJ_OK;
}

static enum nj_err store(const char *path, mode_t mode, const struct nj_credfile *file, struct nj_why *why)
{
	char text[NJ_CREDFILE_MAX_BYTES];
	size_t len = 0;
	enum nj_err err = nj_credfile_format(file, text, sizeof(text), &len);

	if (err == NJ_OK)
		err = nj_file_write(path, text, len, mode, why);
	else
		err = nj_why(why, err, "%s cannot be written again: %s", path, nj_err_text(err));
	nj_wipe(text, sizeof(text));
	return err;
}

enum nj_err nj_credential_take(const char *path, struct nj_credfile *out_file, uint64_t *out_counter,
			       struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };
	NJ_CLEANUP_FD int lock = -1;
	mode_t mode = 0;
	uint64_t counter;

	NJ_TRY(open_locked(path, &lock, &mode, why));
	NJ_TRY(nj_credential_load(path, &file, why));
	if (nj_knock_attempt_counter(file.counter, file.attempt, &counter) != NJ_OK)
		return nj_why(why, NJ_ERR_RANGE, "%s: its counters are used up; enrol \"%s\" again", path, file.name);
	file.attempt++;
	NJ_TRY(store(path, mode, &file, why));
	*out_file = file;
	*out_counter = counter;
	return NJ_OK;
}

void nj_credential_settle(struct nj_credfile *file, uint64_t counter)
{
	uint64_t sent = file->counter + file->attempt;

	if (counter <= file->counter)
		return;
	/* In the first attempts counters follow each other: those that another knock took meanwhile stay taken. */
	file->attempt = file->attempt <= NJ_KNOCK_WINDOW && sent > counter ? sent - counter : 0;
	file->counter = counter;
}

enum nj_err nj_credential_prove(const char *path, uint64_t counter, struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };
	NJ_CLEANUP_FD int lock = -1;
	mode_t mode = 0;

	NJ_TRY(open_locked(path, &lock, &mode, why));
	NJ_TRY(nj_credential_load(path, &file, why));
	if (counter <= file.counter)
		return NJ_OK;
	nj_credential_settle(&file, counter);
	return store(path, mode, &file, why);
}

/* ---- a new certificate ---- */

enum nj_err nj_credential_is_of(const char *path, enum nj_credfile_kind kind, const char *customer, const char *name,
				struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };

	NJ_TRY(nj_credential_load(path, &file, why));
	if (file.kind != kind || strcmp(file.name, name) != 0 ||
	    (customer != NULL && strcmp(file.customer, customer) != 0))
		return nj_why(why, NJ_ERR_USAGE, "%s is the file of %s \"%s\" of customer %s", path,
			      file.kind == NJ_CREDFILE_APPLICATION ? "application" : "device", file.name,
			      file.customer);
	if (access(path, W_OK) != 0)
		return nj_why(why, nj_err_from_errno(errno), "cannot write %s: %m", path);
	return NJ_OK;
}

enum nj_err nj_credential_certify(const char *path, const char *cert, const char *cert_key, struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };
	NJ_CLEANUP_FD int lock = -1;
	mode_t mode = 0;

	NJ_TRY(open_locked(path, &lock, &mode, why));
	NJ_TRY(nj_credential_load(path, &file, why));
	if (nj_text_copy(file.cert, sizeof(file.cert), cert) != NJ_OK ||
	    nj_text_copy(file.cert_key, sizeof(file.cert_key), cert_key) != NJ_OK)
		return nj_why(why, NJ_ERR_TOO_LARGE, "the certificate does not fit into %s", path);
	return store(path, mode, &file, why);
}
