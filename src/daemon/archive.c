#include "daemon/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define MAGIC "nightjar backup\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define FORMAT 1
#define BLOCK_BYTES (64 * 1024)
#define SIZE_MAX_BYTES (UINT64_C(1) << 40)

/* ---- the header ---- */

static bool plain_name(struct nj_view name)
{
	if (name.len == 0 || name.len >= NJ_ARCHIVE_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+';

		if (!fine)
			return false;
	}
	return true;
}

static enum nj_err parse_entry(struct nj_reader *r, struct nj_archive *archive)
{
	struct nj_archive_entry *entry = &archive->entries[archive->count];
	struct nj_view name = nj_read_view16(r);

	entry->size = nj_read_u64(r);
	nj_read_bytes(r, entry->hash, sizeof(entry->hash));
	if (r->err != NJ_OK)
		return r->err;
	if (!plain_name(name) || entry->size > SIZE_MAX_BYTES)
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_text_copy_view(entry->name, sizeof(entry->name), name));
	for (size_t i = 0; i < archive->count; i++)
		if (strcmp(archive->entries[i].name, entry->name) == 0)
			return NJ_ERR_MALFORMED;
	archive->count++;
	return NJ_OK;
}

/* What another format holds after its number is not known here. */
static enum nj_err parse_format(struct nj_reader *r)
{
	struct nj_view magic = nj_read_view(r, MAGIC_BYTES);
	uint32_t format = nj_read_u32(r);

	if (r->err != NJ_OK)
		return r->err;
	if (!nj_view_equal(magic, nj_view_str(MAGIC)))
		return NJ_ERR_MALFORMED;
	return format == FORMAT ? NJ_OK : NJ_ERR_NEWER;
}

static void header_hash(const uint8_t *header, size_t len, uint8_t out_hash[NJ_SHA256_BYTES])
{
	const struct nj_view part = nj_view_of(header, len);

	nj_sha256(&part, 1, out_hash);
}

enum nj_err nj_archive_parse(struct nj_view bytes, struct nj_archive *out_archive, size_t *out_len)
{
	struct nj_reader r = nj_reader_of(bytes.data, bytes.len);
	struct nj_archive archive = { 0 };
	uint8_t hash[NJ_SHA256_BYTES];
	uint8_t want[NJ_SHA256_BYTES];
	struct nj_view version;
	uint8_t count;

	NJ_TRY(parse_format(&r));
	archive.created_ms = nj_read_u64(&r);
	version = nj_read_view16(&r);
	count = nj_read_u8(&r);
	if (r.err != NJ_OK)
		return r.err;
	if (count > NJ_ARCHIVE_ENTRIES_MAX || !plain_name(version))
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_text_copy_view(archive.version, sizeof(archive.version), version));
	for (uint8_t i = 0; i < count; i++)
		NJ_TRY(parse_entry(&r, &archive));
	header_hash(bytes.data, r.pos, want);
	nj_read_bytes(&r, hash, sizeof(hash));
	if (r.err != NJ_OK)
		return r.err;
	if (memcmp(hash, want, sizeof(hash)) != 0)
		return NJ_ERR_CORRUPT;
	*out_archive = archive;
	*out_len = r.pos;
	return NJ_OK;
}

enum nj_err nj_archive_format(const struct nj_archive *archive, uint8_t out[NJ_ARCHIVE_HEADER_MAX], size_t *out_len)
{
	struct nj_writer w = nj_writer_of(out, NJ_ARCHIVE_HEADER_MAX);
	uint8_t hash[NJ_SHA256_BYTES];

	nj_write_bytes(&w, MAGIC, MAGIC_BYTES);
	nj_write_u32(&w, FORMAT);
	nj_write_u64(&w, archive->created_ms);
	nj_write_view16(&w, nj_view_str(archive->version));
	nj_write_u8(&w, (uint8_t)archive->count);
	for (size_t i = 0; i < archive->count; i++) {
		nj_write_view16(&w, nj_view_str(archive->entries[i].name));
		nj_write_u64(&w, archive->entries[i].size);
		nj_write_bytes(&w, archive->entries[i].hash, NJ_SHA256_BYTES);
	}
	header_hash(out, w.pos, hash);
	nj_write_bytes(&w, hash, sizeof(hash));
	return nj_writer_end(&w, out_len);
}

const struct nj_archive_entry *nj_archive_find(const struct nj_archive *archive, const char *name)
{
	for (size_t i = 0; i < archive->count; i++)
		if (strcmp(archive->entries[i].name, name) == 0)
			return &archive->entries[i];
	return NULL;
}

/* ---- bytes ---- */

static enum nj_err write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return nj_err_from_errno(written < 0 ? errno : EIO);
		data += written;
		len -= (size_t)written;
	}
	return NJ_OK;
}

/* Fills the block whatever read gives at a time: blocks are of one size, but the last. */
static enum nj_err read_block(int fd, uint8_t *block, size_t want)
{
	size_t have = 0;

	while (have < want) {
		ssize_t got = read(fd, block + have, want - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? nj_err_from_errno(errno) : NJ_ERR_TRUNCATED;
		have += (size_t)got;
	}
	return NJ_OK;
}

/* Copies `size` bytes from the place of `from` (to nowhere when `to` is -1). Their hash is a chain over blocks, so that
 * it needs no more memory than one. */
static enum nj_err copy_hashed(int from, int to, uint64_t size, uint8_t out_hash[NJ_SHA256_BYTES])
{
	static uint8_t block[BLOCK_BYTES];
	uint8_t chain[NJ_SHA256_BYTES] = { 0 };
	uint8_t next[NJ_SHA256_BYTES];

	while (size > 0) {
		size_t len = size < sizeof(block) ? (size_t)size : sizeof(block);
		const struct nj_view parts[] = { nj_view_of(chain, sizeof(chain)), nj_view_of(block, len) };

		NJ_TRY(read_block(from, block, len));
		nj_sha256(parts, 2, next);
		memcpy(chain, next, sizeof(chain));
		if (to >= 0)
			NJ_TRY(write_all(to, block, len));
		size -= len;
	}
	memcpy(out_hash, chain, sizeof(chain));
	return NJ_OK;
}

/* ---- writing ---- */

static enum nj_err open_source(const struct nj_archive_entry *entry, int *out_fd, uint64_t *out_size,
			       struct nj_why *why)
{
	/* Non-blocking, so that a FIFO put in the file's place cannot hold the command. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (entry->untrusted ? O_NOFOLLOW : 0);
	NJ_CLEANUP_FD int fd = open(entry->source, flags);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		return nj_why(why, nj_err_from_errno(errno), "%s: %s", entry->source, strerror(errno));
	if (!S_ISREG(status.st_mode) || (entry->untrusted && status.st_nlink != 1))
		return nj_why(why, NJ_ERR_DENIED, "%s is not a file of its own", entry->source);
	*out_size = (uint64_t)status.st_size;
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

static enum nj_err measure(struct nj_archive_entry *entry, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = -1;
	enum nj_err err;

	NJ_TRY(open_source(entry, &fd, &entry->size, why));
	err = copy_hashed(fd, -1, entry->size, entry->hash);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "%s: %s", entry->source, nj_err_text(err));
}

static enum nj_err append(const struct nj_archive_entry *entry, int to, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = -1;
	uint8_t hash[NJ_SHA256_BYTES];
	uint64_t size;
	enum nj_err err;

	NJ_TRY(open_source(entry, &fd, &size, why));
	err = copy_hashed(fd, to, entry->size, hash);
	if (err == NJ_OK && memcmp(hash, entry->hash, sizeof(hash)) != 0)
		err = NJ_ERR_AGAIN;
	return err == NJ_OK
		   ? NJ_OK
		   : nj_why(why, err, "%s changed or could not be copied: %s", entry->source, nj_err_text(err));
}

static enum nj_err write_parts(struct nj_archive *archive, int fd, struct nj_why *why)
{
	uint8_t header[NJ_ARCHIVE_HEADER_MAX];
	size_t len;
	enum nj_err err;

	for (size_t i = 0; i < archive->count; i++)
		NJ_TRY(measure(&archive->entries[i], why));
	NJ_TRY(nj_archive_format(archive, header, &len));
	err = write_all(fd, header, len);
	if (err != NJ_OK)
		return nj_why(why, err, "the backup cannot be written: %s", nj_err_text(err));
	for (size_t i = 0; i < archive->count; i++)
		NJ_TRY(append(&archive->entries[i], fd, why));
	if (fsync(fd) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the backup cannot be written: %s", strerror(errno));
	return NJ_OK;
}

enum nj_err nj_archive_write(struct nj_archive *archive, const char *path, bool replace, struct nj_why *why)
{
	char part[4096];
	NJ_CLEANUP_FD int fd = -1;
	enum nj_err err;

	if (!replace && access(path, F_OK) == 0)
		return nj_why(why, NJ_ERR_EXISTS, "%s is there already", path);
	NJ_TRY(nj_text_format(part, sizeof(part), "%s.part", path));
	(void)unlink(part);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return nj_why(why, nj_err_from_errno(errno), "%s: %s", part, strerror(errno));
	err = write_parts(archive, fd, why);
	if (err == NJ_OK && renameat2(AT_FDCWD, part, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) != 0)
		err = nj_why(why, nj_err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (err != NJ_OK) {
		(void)unlink(part);
		return err;
	}
	return nj_file_sync_folder(path, why);
}

/* ---- reading ---- */

static enum nj_err check_parts(const struct nj_archive *archive, int fd, size_t header_len, uint64_t size)
{
	uint64_t want = header_len;

	for (size_t i = 0; i < archive->count; i++)
		want += archive->entries[i].size;
	if (want != size)
		return NJ_ERR_CORRUPT;
	if (lseek(fd, (off_t)header_len, SEEK_SET) < 0)
		return NJ_ERR_IO;
	for (size_t i = 0; i < archive->count; i++) {
		uint8_t hash[NJ_SHA256_BYTES];

		NJ_TRY(copy_hashed(fd, -1, archive->entries[i].size, hash));
		if (memcmp(hash, archive->entries[i].hash, sizeof(hash)) != 0)
			return NJ_ERR_CORRUPT;
	}
	return NJ_OK;
}

static enum nj_err explain(const char *path, enum nj_err err, struct nj_why *why)
{
	if (err == NJ_ERR_NEWER)
		return nj_why(why, err, "%s was made by a newer Nightjar: use that version", path);
	if (err == NJ_ERR_CORRUPT || err == NJ_ERR_MALFORMED || err == NJ_ERR_TRUNCATED)
		return nj_why(why, NJ_ERR_CORRUPT, "%s is damaged or no backup of Nightjar: nothing was changed", path);
	return nj_why(why, err, "%s: %s", path, nj_err_text(err));
}

enum nj_err nj_archive_open(const char *path, struct nj_archive *out_archive, int *out_fd, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t header[NJ_ARCHIVE_HEADER_MAX];
	struct nj_archive archive;
	struct stat status;
	size_t header_len = 0;
	ssize_t got;
	enum nj_err err;

	if (fd < 0 || fstat(fd, &status) != 0)
		return nj_why(why, nj_err_from_errno(errno), "%s: %s", path, strerror(errno));
	got = read(fd, header, sizeof(header));
	err = got < 0 ? nj_err_from_errno(errno)
		      : nj_archive_parse(nj_view_of(header, (size_t)got), &archive, &header_len);
	if (err == NJ_OK)
		err = check_parts(&archive, fd, header_len, (uint64_t)status.st_size);
	if (err != NJ_OK)
		return explain(path, err, why);
	*out_archive = archive;
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

static enum nj_err entry_place(const struct nj_archive *archive, const struct nj_archive_entry *entry, off_t *out_place)
{
	uint8_t header[NJ_ARCHIVE_HEADER_MAX];
	size_t place;

	NJ_TRY(nj_archive_format(archive, header, &place));
	for (size_t i = 0; &archive->entries[i] != entry; i++)
		place += archive->entries[i].size;
	*out_place = (off_t)place;
	return NJ_OK;
}

enum nj_err nj_archive_extract(const struct nj_archive *archive, int fd, const struct nj_archive_entry *entry,
			       const char *path, struct nj_why *why)
{
	NJ_CLEANUP_FD int to = -1;
	uint8_t hash[NJ_SHA256_BYTES];
	off_t place;
	enum nj_err err;

	NJ_TRY(entry_place(archive, entry, &place));
	(void)unlink(path);
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return nj_why(why, nj_err_from_errno(errno), "%s: %s", path, strerror(errno));
	err = lseek(fd, place, SEEK_SET) < 0 ? NJ_ERR_IO : copy_hashed(fd, to, entry->size, hash);
	if (err == NJ_OK && memcmp(hash, entry->hash, sizeof(hash)) != 0)
		err = NJ_ERR_CORRUPT;
	if (err == NJ_OK && fsync(to) != 0)
		err = nj_err_from_errno(errno);
	if (err == NJ_OK)
		return NJ_OK;
	(void)unlink(path);
	return nj_why(why, err, "%s cannot be written: %s", path, nj_err_text(err));
}
