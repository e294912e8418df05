/* A command in our place, and where a knock goes. */
#include "cli/then.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/target.h"

static int status_of(const char *script)
{
	const char *words[] = { "sh", "-c", script, NULL };
	int status = -1;

	assert_int_equal(nj_then_run(words, &status, NULL), NJ_OK);
	return status;
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(status_of("exit 0"), 0);
	assert_int_equal(status_of("exit 7"), 7);
	assert_int_equal(status_of("kill -KILL $$"), 128 + SIGKILL);
}

static void test_not_started(void **state)
{
	const char *unknown[] = { "nightjar-no-such-command", NULL };
	const char *forbidden[] = { "/etc/passwd", NULL };
	struct nj_why why = { 0 };
	int status = 42;

	(void)state;
	assert_int_equal(nj_then_run(unknown, &status, &why), NJ_ERR_NOT_FOUND);
	assert_non_null(strstr(why.text, "nightjar-no-such-command"));
	assert_int_equal(nj_then_run(forbidden, &status, &why), NJ_ERR_DENIED);
	assert_int_equal(status, 42);
}

/* The command sends us a signal and ends only when it comes back to it. */
static void test_signal_passed_on(void **state)
{
	(void)state;
	assert_int_equal(status_of("trap 'exit 9' TERM; kill -TERM $PPID; while :; do :; done"), 9);
	assert_int_equal(status_of("trap 'exit 8' USR1; kill -USR1 $PPID; while :; do :; done"), 8);
}

/* The command starts with the signals as they were before. */
static void test_mask_is_restored(void **state)
{
	sigset_t before;
	sigset_t after;

	(void)state;
	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(status_of("kill -TERM $$; exit 0"), 128 + SIGTERM);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void test_split(void **state)
{
	static const struct {
		const char *text;
		enum nj_err want;
		const char *host;
		uint16_t port;
	} rows[] = {
		{ "gateway.example", NJ_OK, "gateway.example", 0 },
		{ "gateway:1", NJ_OK, "gateway", 1 },
		{ "gateway:65535", NJ_OK, "gateway", 65535 },
		{ "gateway:65536", NJ_ERR_MALFORMED, NULL, 0 },
		{ "gateway:0", NJ_ERR_MALFORMED, NULL, 0 },
		{ "gateway:", NJ_ERR_MALFORMED, NULL, 0 },
		{ ":1", NJ_ERR_MALFORMED, NULL, 0 },
		{ "a:b:1", NJ_ERR_MALFORMED, NULL, 0 },
		{ "", NJ_ERR_MALFORMED, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[64];
		uint16_t port = 0;
		enum nj_err err = nj_target_split(rows[i].text, host, sizeof(host), &port);

		assert_int_equal(err == NJ_OK, rows[i].want == NJ_OK);
		if (err != NJ_OK)
			continue;
		assert_string_equal(host, rows[i].host);
		assert_int_equal(port, rows[i].port);
	}
}

static void test_literals(void **state)
{
	struct nj_targets targets;
	char text[NJ_ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(nj_targets_resolve("192.0.2.1", 62201, &targets, NULL), NJ_OK);
	assert_string_equal(nj_addr_text(&targets.at[0], text), "192.0.2.1:62201");
	assert_int_equal(nj_targets_resolve("[2001:db8::1]:7", 62201, &targets, NULL), NJ_OK);
	assert_string_equal(nj_addr_text(&targets.at[0], text), "[2001:db8::1]:7");
	assert_int_equal(nj_targets_resolve("2001:db8::1", 62201, &targets, NULL), NJ_OK);
	assert_string_equal(nj_addr_text(&targets.at[0], text), "[2001:db8::1]:62201");
	assert_int_equal(nj_targets_resolve("localhost:9", 62201, &targets, NULL), NJ_OK);
	assert_true(nj_addr_is_loopback(&targets.at[0]));
	assert_int_equal(targets.at[0].port, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_signal_passed_on),
		cmocka_unit_test(test_mask_is_restored),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
