#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/nj-test-file.XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

/* Removes what is there; fails when a test left something that it did not name. */
static int remove_folder(void **state)
{
	static const char *const names[] = { "a", "fifo", "made/x", "made", "open", "link" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(path_of(names[i]));
	return rmdir(folder);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void reads_up_to_its_limit(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 20000 };
	static char in[20000];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		NJ_CLEANUP_FREE char *data = NULL;
		struct nj_why why = { "" };
		size_t len = 99999;

		memset(in, 'x', sizeof(in));
		assert_int_equal(nj_file_write(path_of("a"), in, sizes[i], 0600, NULL), NJ_OK);
		if (sizes[i] > 0) {
			assert_int_equal(nj_file_read(path_of("a"), sizes[i] - 1, &data, &len, &why), NJ_ERR_TOO_LARGE);
			assert_null(data);
			assert_non_null(strstr(why.text, "larger than"));
		}
		assert_int_equal(nj_file_read(path_of("a"), sizes[i], &data, &len, NULL), NJ_OK);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(data, in, len);
		assert_int_equal(data[len], '\0');
	}
}

static void reads_regular_files_only(void **state)
{
	char *data = NULL;
	size_t len = 0;
	struct nj_why why;

	assert_int_equal(nj_file_read(path_of("absent"), 10, &data, &len, &why), NJ_ERR_NOT_FOUND);
	assert_non_null(strstr(why.text, "absent"));
	assert_int_equal(nj_file_read(folder, 10, &data, &len, &why), NJ_ERR_UNSUPPORTED);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	assert_int_equal(nj_file_read(path_of("fifo"), 10, &data, &len, &why), NJ_ERR_UNSUPPORTED);
	assert_null(data);
}

static void files_of_proc_say_no_size(void **state)
{
	NJ_CLEANUP_FREE char *data = NULL;
	size_t len = 0;

	assert_int_equal(nj_file_read("/proc/self/status", 65536, &data, &len, NULL), NJ_OK);
	assert_true(len > 0);
}

static void writes_whole_with_the_exact_mode(void **state)
{
	NJ_CLEANUP_FREE char *data = NULL;
	size_t len = 0;
	mode_t mask = umask(0077);

	assert_int_equal(nj_file_write(path_of("a"), "old", 3, 0600, NULL), NJ_OK);
	assert_int_equal(nj_file_write(path_of("a"), "newer", 5, 0644, NULL), NJ_OK);
	umask(mask);
	assert_int_equal(mode_of(path_of("a")), 0644);
	assert_int_equal(nj_file_read(path_of("a"), 10, &data, &len, NULL), NJ_OK);
	assert_string_equal(data, "newer");
}

static void create_refuses_what_exists(void **state)
{
	NJ_CLEANUP_FREE char *data = NULL;
	size_t len = 0;

	assert_int_equal(nj_file_create(path_of("a"), "one", 3, 0600, NULL), NJ_OK);
	assert_int_equal(nj_file_create(path_of("a"), "two", 3, 0600, NULL), NJ_ERR_EXISTS);
	assert_int_equal(nj_file_read(path_of("a"), 10, &data, &len, NULL), NJ_OK);
	assert_string_equal(data, "one");
}

/* The temporary file of a write that failed is gone: the folder holds what it held. */
static void failures_leave_nothing_behind(void **state)
{
	char longest[5000];
	DIR *dir;
	int entries = 0;

	memset(longest, 'x', sizeof(longest));
	longest[4999] = '\0';
	assert_int_equal(nj_file_write(longest, "x", 1, 0600, NULL), NJ_ERR_TOO_LARGE);
	assert_int_equal(nj_file_write(path_of("absent/x"), "x", 1, 0600, NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_dir_make(path_of("made"), 0700, NULL), NJ_OK);
	assert_int_not_equal(nj_file_write(path_of("made"), "x", 1, 0600, NULL), NJ_OK);
	assert_int_equal(nj_file_create(path_of("made"), "x", 1, 0600, NULL), NJ_ERR_EXISTS);
	dir = opendir(folder);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		entries++;
	closedir(dir);
	assert_int_equal(entries, 3);
}

static void a_link_stays_a_link(void **state)
{
	struct stat st;

	assert_int_equal(nj_file_write(path_of("a"), "old", 3, 0600, NULL), NJ_OK);
	assert_int_equal(symlink("a", path_of("link")), 0);
	assert_int_equal(nj_file_write(path_of("link"), "new!", 4, 0600, NULL), NJ_OK);
	assert_int_equal(lstat(path_of("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_size, 4);
}

static void the_owner_stays(void **state)
{
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(nj_file_write(path_of("a"), "old", 3, 0600, NULL), NJ_OK);
	assert_int_equal(chown(path_of("a"), 1234, 4321), 0);
	assert_int_equal(nj_file_write(path_of("a"), "new!", 4, 0640, NULL), NJ_OK);
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void folders(void **state)
{
	struct nj_why why;

	assert_int_equal(nj_dir_make(path_of("made"), 0750, &why), NJ_OK);
	assert_int_equal(mode_of(path_of("made")), 0750);
	assert_int_equal(nj_dir_make(path_of("made"), 0700, &why), NJ_OK);
	assert_int_equal(chmod(path_of("made"), 0777), 0);
	assert_int_equal(nj_dir_make(path_of("made"), 0700, &why), NJ_ERR_DENIED);
	assert_int_equal(nj_file_write(path_of("a"), "x", 1, 0600, &why), NJ_OK);
	assert_int_equal(nj_dir_make(path_of("a"), 0700, &why), NJ_ERR_EXISTS);
	assert_int_equal(symlink("made", path_of("link")), 0);
	assert_int_equal(nj_dir_make(path_of("link"), 0700, &why), NJ_ERR_EXISTS);
	assert_int_equal(nj_dir_make(path_of("absent/x"), 0700, &why), NJ_ERR_NOT_FOUND);
}

static void descriptors_close_once(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int was = fd;

	nj_file_close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(was, F_GETFD), -1);
	nj_file_close_fd(&fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		TEST(reads_up_to_its_limit),
		TEST(reads_regular_files_only),
		TEST(files_of_proc_say_no_size),
		TEST(writes_whole_with_the_exact_mode),
		TEST(create_refuses_what_exists),
		TEST(failures_leave_nothing_behind),
		TEST(a_link_stays_a_link),
		TEST(the_owner_stays),
		TEST(folders),
		TEST(descriptors_close_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
