#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "daemon/init.h"

static char dir[64];

static int folder_make(void **state)
{
	(void)state;
	(void)!nj_text_format(dir, sizeof(dir), "/tmp/njinit.XXXXXX");
	return nj_crypto_init() == NJ_OK && mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st;
	(void)type;
	(void)place;
	return remove(path);
}

static int folder_remove(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_PHYS | FTW_DEPTH);
}

static void put(const char *name, const char *text)
{
	char path[128];

	(void)!nj_text_format(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(nj_file_create(path, text, strlen(text), 0600, NULL), NJ_OK);
}

static bool is_there(const char *name)
{
	char path[128];

	(void)!nj_text_format(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* A key that is all that is left of a gateway (its store is on another disk, or to be restored) stays. */
static void refused_init_keeps_a_key(void **state)
{
	struct nj_init_options options = { .dir = dir, .cloak = "fake" };
	struct nj_init_result result;
	struct nj_paths paths;
	struct nj_why why = { "" };

	(void)state;
	assert_int_equal(nj_paths_for(dir, &paths, &why), NJ_OK);
	assert_int_equal(nj_paths_make(&paths, &why), NJ_OK);
	put("keys/vault.key", "the key of another store");
	assert_int_equal(nj_daemon_init(&options, &result, &why), NJ_ERR_EXISTS);
	assert_non_null(strstr(why.text, "vault.key"));
	assert_true(is_there("keys/vault.key"));
	assert_false(is_there("keeper/keeper.db"));
}

/* Nothing of a finished gateway is undone. */
static void init_twice_is_refused(void **state)
{
	struct nj_init_options options = { .dir = dir, .cloak = "fake" };
	struct nj_init_result result;
	struct nj_why why = { "" };

	(void)state;
	assert_int_equal(nj_daemon_init(&options, &result, &why), NJ_OK);
	nj_wipe(&result, sizeof(result));
	assert_int_equal(nj_daemon_init(&options, &result, &why), NJ_ERR_EXISTS);
	assert_true(is_there("keys/vault.key"));
	assert_true(is_there("keeper/keeper.db"));
	assert_true(is_there("nightjar.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refused_init_keeps_a_key, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(init_twice_is_refused, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
