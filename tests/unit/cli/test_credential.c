/* Credentials on disk: made, taken, proven. */
#include "cli/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/crypto.h"

static char folder[64];
static char path[96];

static struct nj_credfile sample(void)
{
	struct nj_credfile file = { .kind = NJ_CREDFILE_DEVICE, .name = "d1", .customer = "main", .knock_port = 62201 };

	memset(file.uid, 1, sizeof(file.uid));
	memset(file.key, 2, sizeof(file.key));
	file.port[NJ_SERVICE_MQTTS] = 8883;
	return file;
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/nj-credential-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/d1.cred", folder);
	return nj_crypto_init() == NJ_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* fails when anything else was left */
}

static void make(void)
{
	struct nj_credfile content = sample();
	struct nj_new_file file;

	assert_int_equal(nj_new_file_begin(path, false, &file, NULL), NJ_OK);
	assert_int_equal(nj_new_file_commit(&file, &content, NULL), NJ_OK);
}

static bool folder_synced;

/* In place of libc's: notes that a folder was made durable. */
int fsync(int fd)
{
	struct stat status;

	folder_synced = folder_synced || (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode));
	return (int)syscall(SYS_fsync, fd);
}

/* The gateway has the device; after a power cut its file must be there too. */
static void test_a_new_files_name_is_durable(void **state)
{
	folder_synced = false;
	make();
	assert_true(folder_synced);
}

static void test_new_file(void **state)
{
	struct nj_credfile content = sample();
	struct nj_credfile read;
	struct nj_new_file file;
	struct nj_why why;
	struct stat st;

	(void)state;
	make();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(nj_new_file_begin(path, false, &file, &why), NJ_ERR_EXISTS);
	/* An older file survives a replacement that is given up, and goes with one that is not. */
	assert_int_equal(nj_new_file_begin(path, true, &file, &why), NJ_OK);
	nj_new_file_abort(&file);
	assert_int_equal(nj_credential_load(path, &read, &why), NJ_OK);
	snprintf(content.name, sizeof(content.name), "d2");
	assert_int_equal(nj_new_file_begin(path, true, &file, &why), NJ_OK);
	assert_int_equal(nj_new_file_commit(&file, &content, &why), NJ_OK);
	assert_int_equal(nj_credential_load(path, &read, &why), NJ_OK);
	assert_string_equal(read.name, "d2");
}

static void test_nothing_is_left(void **state)
{
	struct nj_credfile bad = sample();
	struct nj_new_file file;

	(void)state;
	assert_int_equal(nj_new_file_begin(path, false, &file, NULL), NJ_OK);
	nj_new_file_abort(&file);
	assert_int_not_equal(access(path, F_OK), 0);
	bad.name[0] = '\0';
	assert_int_equal(nj_new_file_begin(path, false, &file, NULL), NJ_OK);
	assert_int_not_equal(nj_new_file_commit(&file, &bad, NULL), NJ_OK);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(nj_new_file_begin("/nonexistent/d1.cred", false, &file, NULL), NJ_ERR_NOT_FOUND);
}

static void test_take_and_prove(void **state)
{
	struct nj_credfile file;
	uint64_t counter = 0;
	struct stat st;

	(void)state;
	make();
	assert_int_equal(chmod(path, 0640), 0);
	for (uint64_t want = 1; want <= 3; want++) {
		assert_int_equal(nj_credential_take(path, &file, &counter, NULL), NJ_OK);
		assert_int_equal(counter, want);
		assert_int_equal(file.attempt, want);
	}
	assert_int_equal(nj_credential_prove(path, 3, NULL), NJ_OK);
	assert_int_equal(nj_credential_load(path, &file, NULL), NJ_OK);
	assert_int_equal(file.counter, 3);
	assert_int_equal(file.attempt, 0);
	/* A proof that comes late changes nothing. */
	assert_int_equal(nj_credential_prove(path, 2, NULL), NJ_OK);
	assert_int_equal(nj_credential_take(path, &file, &counter, NULL), NJ_OK);
	assert_int_equal(counter, 4);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_settle(void **state)
{
	static const struct {
		const char *what;
		uint64_t counter, attempt, proven, want_counter, want_attempt;
	} rows[] = {
		{ "the last one sent", 10, 1, 11, 11, 0 },         { "after failures", 10, 5, 15, 15, 0 },
		{ "two more were sent since", 10, 3, 11, 11, 2 },  { "at the window's end", 10, 16, 26, 26, 0 },
		{ "first of a whole window", 10, 16, 11, 11, 15 }, { "in the sweep", 10, 20, 26, 26, 0 },
		{ "older than the bound one", 10, 2, 9, 10, 2 },   { "the bound one itself", 10, 2, 10, 10, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_credfile file = sample();

		file.counter = rows[i].counter;
		file.attempt = rows[i].attempt;
		nj_credential_settle(&file, rows[i].proven);
		if (file.counter != rows[i].want_counter || file.attempt != rows[i].want_attempt)
			fail_msg("%s: %lu %lu", rows[i].what, file.counter, file.attempt);
	}
}

static void test_used_up(void **state)
{
	struct nj_credfile content = sample();
	struct nj_credfile file;
	struct nj_new_file made;
	struct nj_why why;
	uint64_t counter = 7;

	(void)state;
	content.counter = NJ_KNOCK_COUNTER_MAX;
	assert_int_equal(nj_new_file_begin(path, false, &made, NULL), NJ_OK);
	assert_int_equal(nj_new_file_commit(&made, &content, NULL), NJ_OK);
	assert_int_equal(nj_credential_take(path, &file, &counter, &why), NJ_ERR_RANGE);
	assert_int_equal(counter, 7);
	assert_int_equal(nj_credential_load(path, &file, NULL), NJ_OK);
	assert_int_equal(file.attempt, 0);
}

/* Knocks with one file at the same time never take the same counter. */
static void test_concurrent(void **state)
{
	enum { CHILDREN = 4, TAKES = 4 };
	struct nj_credfile file;
	int ends[2];
	bool seen[CHILDREN * TAKES + 1] = { false };
	uint8_t got;

	(void)state;
	make();
	assert_int_equal(pipe(ends), 0);
	for (int child = 0; child < CHILDREN; child++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < TAKES; i++) {
			uint64_t counter = 0;
			uint8_t told = nj_credential_take(path, &file, &counter, NULL) == NJ_OK ? (uint8_t)counter : 0;

			if (write(ends[1], &told, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < CHILDREN * TAKES; i++) {
		assert_int_equal(read(ends[0], &got, 1), 1);
		assert_in_range(got, 1, CHILDREN * TAKES);
		assert_false(seen[got]);
		seen[got] = true;
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_true(wait(NULL) > 0);
	close(ends[0]);
	close(ends[1]);
}

static void test_from_answer(void **state)
{
	static const char good[] = "{\"kind\":\"application\",\"name\":\"a\",\"customer\":\"main\","
				   "\"uid\":\"00112233445566778899aabbccddeeff\",\"epoch\":1,\"key\":"
				   "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}";
	json_t *item = json_loads(good, 0, NULL);
	json_t *shared = json_loads("{\"host\":\"h\",\"knock_port\":62201,\"ports\":{\"mqtts\":8883}}", 0, NULL);
	struct nj_credfile file;

	(void)state;
	assert_int_equal(nj_credential_read(item, shared, &file, NULL), NJ_OK);
	assert_int_equal(file.kind, NJ_CREDFILE_APPLICATION);
	assert_int_equal(file.port[NJ_SERVICE_MQTTS], 8883);
	assert_int_equal(file.port[NJ_SERVICE_SMPP], 0);
	assert_int_equal(file.key[31], 0xff);
	json_object_set_new(item, "key", json_string("00"));
	assert_int_equal(nj_credential_read(item, shared, &file, NULL), NJ_ERR_MALFORMED);
	json_object_del(item, "key");
	assert_int_equal(nj_credential_read(item, shared, &file, NULL), NJ_ERR_MALFORMED);
	json_decref(item);
	json_decref(shared);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DISK(test_new_file),        ON_DISK(test_a_new_files_name_is_durable),
		ON_DISK(test_nothing_is_left), ON_DISK(test_take_and_prove),
		ON_DISK(test_used_up),         ON_DISK(test_concurrent),
		cmocka_unit_test(test_settle), cmocka_unit_test(test_from_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
