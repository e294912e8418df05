/* The backup's file: what is written reads back; every flipped bit and every cut is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/archive.h"

static char folder[64];
static char paths[4][96]; /* two sources, the archive, what is extracted */
static struct nj_archive archive;

static int set_up(void **state)
{
	static char big[200000];

	assert_int_equal(nj_crypto_init(), NJ_OK);
	(void)snprintf(folder, sizeof(folder), "/tmp/nj-archive-XXXXXX");
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 4; i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%d", folder, i);
	memset(big, 'b', sizeof(big));
	assert_int_equal(nj_file_create(paths[0], "small", 5, 0600, NULL), NJ_OK);
	assert_int_equal(nj_file_create(paths[1], big, sizeof(big), 0600, NULL), NJ_OK);
	archive = (struct nj_archive){ .created_ms = 77,
				       .version = "1.2",
				       .count = 2,
				       .entries = { { .name = "a", .source = paths[0] },
						    { .name = "b.db", .source = paths[1] } } };
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void reads_back(void **state)
{
	struct nj_archive again;
	struct stat status;
	char *data;
	size_t len;
	int fd;

	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_OK);
	assert_int_equal(stat(paths[2], &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_ERR_EXISTS);
	assert_int_equal(nj_archive_write(&archive, paths[2], true, NULL), NJ_OK);
	assert_int_equal(nj_archive_open(paths[2], &again, &fd, NULL), NJ_OK);
	assert_int_equal(again.created_ms, 77);
	assert_string_equal(again.version, "1.2");
	assert_int_equal(again.count, 2);
	assert_null(nj_archive_find(&again, "b"));
	assert_int_equal(nj_archive_extract(&again, fd, nj_archive_find(&again, "b.db"), paths[3], NULL), NJ_OK);
	assert_int_equal(nj_file_read(paths[3], 1 << 20, &data, &len, NULL), NJ_OK);
	assert_int_equal(len, 200000);
	assert_int_equal(data[199999], 'b');
	free(data);
	assert_int_equal(nj_archive_extract(&again, fd, nj_archive_find(&again, "a"), paths[3], NULL), NJ_OK);
	assert_int_equal(nj_file_read(paths[3], 1 << 20, &data, &len, NULL), NJ_OK);
	assert_int_equal(len, 5);
	free(data);
	close(fd);
}

/* Whoever makes a backup may read anything: what a folder's owner points at is not taken for a store. */
static void a_link_is_no_store(void **state)
{
	char other[96];

	(void)snprintf(other, sizeof(other), "%s/link", folder);
	archive.entries[1].source = other;
	archive.entries[1].untrusted = true;
	assert_int_equal(symlink(paths[0], other), 0);
	assert_int_not_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_OK);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(paths[0], other), 0);
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_ERR_DENIED);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_ERR_DENIED);
	assert_int_equal(access(paths[2], F_OK), -1);
}

/* Of a newer format nothing but its number is known. */
static void a_newer_format_is_said(void **state)
{
	uint8_t header[NJ_ARCHIVE_HEADER_MAX];
	struct nj_archive again;
	size_t len;
	size_t end;

	assert_int_equal(nj_archive_format(&archive, header, &len), NJ_OK);
	assert_int_equal(header[19], 1);
	header[19] = 2;
	memset(header + 20, 0xff, len - 20);
	assert_int_equal(nj_archive_parse(nj_view_of(header, len), &again, &end), NJ_ERR_NEWER);
}

static bool folder_synced;

/* In place of libc's: notes that a folder was made durable. */
int fsync(int fd)
{
	struct stat status;

	folder_synced = folder_synced || (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode));
	return (int)syscall(SYS_fsync, fd);
}

static void its_name_is_durable(void **state)
{
	folder_synced = false;
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_OK);
	assert_true(folder_synced);
}

static void a_missing_source_leaves_nothing(void **state)
{
	archive.entries[1].source = "/nowhere";
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(access(paths[2], F_OK), -1);
}

static void every_damage_is_found(void **state)
{
	struct nj_archive again;
	char *data;
	size_t len;
	int fd;

	archive.count = 1;
	assert_int_equal(nj_archive_write(&archive, paths[2], false, NULL), NJ_OK);
	assert_int_equal(nj_file_read(paths[2], 1 << 20, &data, &len, NULL), NJ_OK);
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << (bit % 8)));
		assert_int_equal(nj_file_write(paths[2], data, len, 0600, NULL), NJ_OK);
		assert_int_not_equal(nj_archive_open(paths[2], &again, &fd, NULL), NJ_OK);
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << (bit % 8)));
	}
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(nj_file_write(paths[2], data, cut, 0600, NULL), NJ_OK);
		assert_int_equal(nj_archive_open(paths[2], &again, &fd, NULL), NJ_ERR_CORRUPT);
	}
	free(data);
}

static void headers_have_limits(void **state)
{
	uint8_t header[NJ_ARCHIVE_HEADER_MAX];
	struct nj_archive full = { .version = "1", .count = NJ_ARCHIVE_ENTRIES_MAX };
	struct nj_archive again;
	size_t len;
	size_t end;

	for (size_t i = 0; i < full.count; i++)
		(void)snprintf(full.entries[i].name, sizeof(full.entries[i].name), "%031zu", i);
	assert_int_equal(nj_archive_format(&full, header, &len), NJ_OK);
	assert_int_equal(nj_archive_parse(nj_view_of(header, len), &again, &end), NJ_OK);
	assert_int_equal(end, len);
	assert_int_equal(again.count, NJ_ARCHIVE_ENTRIES_MAX);
	(void)snprintf(full.entries[0].name, sizeof(full.entries[0].name), "../x");
	assert_int_equal(nj_archive_format(&full, header, &len), NJ_OK);
	assert_int_equal(nj_archive_parse(nj_view_of(header, len), &again, &end), NJ_ERR_MALFORMED);
	(void)snprintf(full.entries[0].name, sizeof(full.entries[0].name), "%s", full.entries[1].name);
	assert_int_equal(nj_archive_format(&full, header, &len), NJ_OK);
	assert_int_equal(nj_archive_parse(nj_view_of(header, len), &again, &end), NJ_ERR_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_back),
		TEST(a_link_is_no_store),
		TEST(a_newer_format_is_said),
		TEST(its_name_is_durable),
		TEST(a_missing_source_leaves_nothing),
		TEST(every_damage_is_found),
		cmocka_unit_test(headers_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
