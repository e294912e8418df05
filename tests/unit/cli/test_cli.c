/* Whole command lines against a stopped gateway: exit codes, and the files that are there afterwards. */
#include "cli/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli/credential.h"
#include "cli/then.h"

static char root[64];

/* The line's words are divided by blanks; "%" stands for the scratch folder. Output goes to `<root>/out`. */
static int run(const char *line)
{
	char text[1024];
	char *argv[32] = { text };
	char out[96];
	int argc = 1;
	int before = dup(STDOUT_FILENO);
	int fd;
	int exit_code;
	size_t at = (size_t)snprintf(text, sizeof(text), "nightjar") + 1;

	for (const char *c = line; *c != '\0' && at < sizeof(text) - sizeof(root); c++) {
		if (c == line || c[-1] == ' ')
			argv[argc++] = text + at;
		if (*c == '%')
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", root);
		else
			text[at++] = *c == ' ' ? '\0' : *c;
	}
	text[at] = '\0';
	snprintf(out, sizeof(out), "%s/out", root);
	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0 && before >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	exit_code = nj_cli_main(argc, argv);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	return exit_code;
}

/* The last run's output holds `text`. */
static bool told(const char *text)
{
	NJ_CLEANUP_FREE char *data = NULL;
	char out[96];
	size_t len = 0;

	snprintf(out, sizeof(out), "%s/out", root);
	assert_int_equal(nj_file_read(out, 1 << 20, &data, &len, NULL), NJ_OK);
	return strstr(data, text) != NULL;
}

static bool exists(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/nj-cli-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(run("init --dir %/gw --host gw.example --cloak fake"), EX_OK);
	assert_int_equal(run("profile set p --publish dev/{device}/# --deny-publish dev/{device}/x --dir %/gw"), EX_OK);
	return 0;
}

static int teardown(void **state)
{
	const char *words[] = { "rm", "-rf", root, NULL };

	int status = 0;

	(void)state;
	return nj_then_run(words, &status, NULL) == NJ_OK ? status : -1;
}

static void test_words(void **state)
{
	static const struct {
		const char *line;
		int want;
	} rows[] = {
		{ "", EX_USAGE },
		{ "--help", EX_OK },
		{ "-h", EX_OK },
		{ "--version", EX_OK },
		{ "version --json", EX_OK },
		{ "nonsense", EX_USAGE },
		{ "device", EX_USAGE },
		{ "device --help", EX_OK },
		{ "device nonsense", EX_USAGE },
		{ "device add --help", EX_OK },
		{ "device add", EX_USAGE },
		{ "help", EX_OK },
		{ "help device", EX_OK },
		{ "help device add", EX_OK },
		{ "help nonsense", EX_USAGE },
		{ "help --man", EX_OK },
		{ "completion bash", EX_OK },
		{ "completion fish", EX_USAGE },
		{ "status --dir %/nowhere", EX_NOINPUT },
		{ "check --dir %/nowhere", EX_NOINPUT },
		{ "check --dir %/gw", EX_OK },
		{ "status --dir %/gw --json", EX_OK },
		{ "init --dir %/gw", EX_CANTCREAT },
		{ "why --device d --dir %/gw", EX_USAGE },
		{ "why --device d --application d --publish t --dir %/gw", EX_USAGE },
		{ "device show nobody --dir %/gw", EX_NOINPUT },
		{ "device import --count 2 --csv f --profile p --out %/o --dir %/gw", EX_USAGE },
		{ "device import --profile p --out %/o --dir %/gw", EX_USAGE },
		{ "knock --credentials %/nowhere --to localhost", EX_NOINPUT },
		{ "audit verify --dir %/gw", EX_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got = run(rows[i].line);

		if (got != rows[i].want)
			fail_msg("\"%s\": %d, not %d", rows[i].line, got, rows[i].want);
	}
}

static void test_party(void **state)
{
	char path[160];
	struct nj_credfile file;

	(void)state;
	assert_int_equal(run("device add d1 --profile p --out %/d1.cred --dir %/gw"), EX_OK);
	snprintf(path, sizeof(path), "%s/d1.cred", root);
	assert_int_equal(nj_credential_load(path, &file, NULL), NJ_OK);
	assert_string_equal(file.name, "d1");
	assert_string_equal(file.host, "gw.example");
	assert_int_equal(file.port[NJ_SERVICE_MQTTS], 8883);
	nj_credfile_wipe(&file);
	/* The file is in the way: nothing is registered. The profile is unknown: nothing is written. */
	assert_int_equal(run("device add d2 --profile p --out %/d1.cred --dir %/gw"), EX_CANTCREAT);
	assert_int_equal(run("device show d2 --dir %/gw"), EX_NOINPUT);
	assert_int_equal(run("device add d2 --profile nope --out %/d2.cred --dir %/gw"), EX_NOINPUT);
	assert_false(exists("d2.cred"));
	assert_int_equal(run("device add d1 --profile p --out %/again.cred --dir %/gw"), EX_CANTCREAT);
	assert_false(exists("again.cred"));
	assert_int_equal(run("device list --json --dir %/gw"), EX_OK);
	assert_true(told("\"name\":\"d1\""));
	assert_int_equal(run("why --device d1 --publish dev/d1/t --dir %/gw --json"), EX_OK);
	assert_true(told("\"allowed\":true"));
	assert_int_equal(run("why --device d1 --publish dev/d1/x --dir %/gw --json"), EX_OK);
	assert_true(told("\"allowed\":false"));
	assert_int_equal(run("device revoke d1 --dir %/gw"), EX_OK);
	assert_int_equal(run("device revoke d1 --dir %/gw"), EX_NOINPUT);
	assert_int_equal(run("application add a1 --profile p --out %/a1.cred --dir %/gw --json"), EX_OK);
	assert_true(told("\"kind\":\"application\""));
	assert_false(told("\"key\""));
}

static void test_import(void **state)
{
	char path[160];
	static const char csv[] = "name,place\r\nroof,\"a, b\"\r\ncellar,c\r\n";

	(void)state;
	assert_int_equal(run("device import --count 1001 --profile p --out %/o --dir %/gw --json"), EX_OK);
	assert_true(told("{\"added\":1001,\"kept\":0,\"refused\":0}"));
	assert_true(exists("o/device-1.cred") && exists("o/device-1001.cred"));
	assert_int_equal(run("device import --count 1002 --profile p --out %/o --dir %/gw --json"), EX_OK);
	assert_true(told("{\"added\":1,\"kept\":1001,\"refused\":0}"));
	/* A device whose file is lost is told, and the others go on. */
	snprintf(path, sizeof(path), "%s/o/device-7.cred", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run("device import --count 1003 --profile p --out %/o --dir %/gw --json"), EX_CANTCREAT);
	assert_true(told("{\"added\":1,\"kept\":1001,\"refused\":1}"));
	/* Its name is free again once it is revoked. */
	assert_int_equal(run("device revoke device-7 --dir %/gw"), EX_OK);
	assert_int_equal(run("device import --count 7 --profile p --out %/o --dir %/gw --json"), EX_OK);
	assert_true(told("{\"added\":1,\"kept\":6,\"refused\":0}"));
	snprintf(path, sizeof(path), "%s/names.csv", root);
	assert_int_equal(nj_file_create(path, csv, sizeof(csv) - 1, 0600, NULL), NJ_OK);
	assert_int_equal(run("device import --csv %/names.csv --profile p --out %/o --dir %/gw --json"), EX_OK);
	assert_true(exists("o/roof.cred") && exists("o/cellar.cred"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_party),
		cmocka_unit_test(test_import),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
