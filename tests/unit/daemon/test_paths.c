#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/paths.h"

static void test_system_places(void **state)
{
	struct nj_paths paths;

	(void)state;
	assert_int_equal(nj_paths_for(NULL, &paths, NULL), NJ_OK);
	assert_string_equal(paths.config, "/etc/nightjar/nightjar.yaml");
	assert_string_equal(paths.keeper_sock, "/run/nightjar/keeper.sock");
	assert_string_equal(paths.dir, "");
}

static void test_below_a_folder(void **state)
{
	struct nj_paths paths;

	(void)state;
	assert_int_equal(nj_paths_for("/srv/nj//", &paths, NULL), NJ_OK);
	assert_string_equal(paths.dir, "/srv/nj");
	assert_string_equal(paths.config, "/srv/nj/nightjar.yaml");
	assert_string_equal(paths.keeper_db, "/srv/nj/keeper/keeper.db");
}

static void test_relative_becomes_absolute(void **state)
{
	struct nj_paths paths;
	char here[NJ_PATH_BYTES];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(nj_paths_for("gw", &paths, NULL), NJ_OK);
	assert_int_equal(strncmp(paths.dir, here, strlen(here)), 0);
	assert_string_equal(paths.dir + strlen(here), "/gw");
}

/* "/" + n + "/run/keeper.sock" must fit the 107 bytes of a Unix socket's path. */
static void test_socket_path_limit(void **state)
{
	struct nj_paths paths;
	struct nj_why why = { "" };
	char dir[128];
	size_t fits = 107 - strlen("/run/keeper.sock");

	(void)state;
	memset(dir, 'a', sizeof(dir));
	dir[0] = '/';
	dir[fits] = '\0';
	assert_int_equal(nj_paths_for(dir, &paths, &why), NJ_OK);
	dir[fits] = 'a';
	dir[fits + 1] = '\0';
	assert_int_equal(nj_paths_for(dir, &paths, &why), NJ_ERR_TOO_LARGE);
	assert_non_null(strstr(why.text, "shorter --dir"));
	assert_int_equal(nj_paths_for("", &paths, &why), NJ_ERR_USAGE);
}

static void test_lock_is_exclusive(void **state)
{
	char template[] = "/tmp/nj-paths-XXXXXX";
	struct nj_paths paths;
	int first = -1;
	int second = -1;

	(void)state;
	assert_non_null(mkdtemp(template));
	assert_int_equal(nj_paths_for(template, &paths, NULL), NJ_OK);
	assert_int_equal(nj_paths_make(&paths, NULL), NJ_OK);
	assert_int_equal(nj_paths_lock(&paths, &first, NULL), NJ_OK);
	assert_int_equal(nj_paths_lock(&paths, &second, NULL), NJ_ERR_BUSY);
	assert_int_equal(second, -1);
	close(first);
	assert_int_equal(nj_paths_lock(&paths, &second, NULL), NJ_OK);
	close(second);
	unlink(paths.lock);
	rmdir(paths.keeper_dir);
	rmdir(paths.gateway_dir);
	rmdir(paths.keys_dir);
	rmdir(paths.run_dir);
	assert_int_equal(rmdir(paths.dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_system_places),
		cmocka_unit_test(test_below_a_folder),
		cmocka_unit_test(test_relative_becomes_absolute),
		cmocka_unit_test(test_socket_path_limit),
		cmocka_unit_test(test_lock_is_exclusive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
