/* Questions for secrets, on a terminal of the test's own and from a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include "cli/secret_input.h"

#define TURNS_MAX 5000 /* of a millisecond */

struct terminal {
	int master, slave;
	pid_t child;
};

static bool echoes(const struct terminal *t)
{
	struct termios now;

	assert_int_equal(tcgetattr(t->slave, &now), 0);
	return (now.c_lflag & ECHO) != 0;
}

static void until_silent(const struct terminal *t)
{
	const struct timespec turn = { .tv_nsec = 1000000 };

	for (int i = 0; echoes(t); i++) {
		assert_true(i < TURNS_MAX);
		(void)nanosleep(&turn, NULL);
	}
}

/* A process at the terminal that asks; 0 when it was told "open sesame". */
static void ask_at(struct terminal *t)
{
	char answer[32];
	struct nj_why why;

	assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, NULL), 0);
	t->child = fork();
	assert_true(t->child >= 0);
	if (t->child > 0)
		return;
	if (login_tty(dup(t->slave)) != 0)
		_exit(9);
	(void)signal(SIGINT, SIG_DFL);
	_exit(nj_secret_ask("Secret", answer, sizeof(answer), &why) == NJ_OK && strcmp(answer, "open sesame") == 0 ? 0
														   : 1);
}

static int ended(struct terminal *t)
{
	int status = 0;

	assert_int_equal(waitpid(t->child, &status, 0), t->child);
	return status;
}

static void terminal_done(const struct terminal *t)
{
	close(t->master);
	close(t->slave);
}

static void what_is_typed_is_not_shown(void **state)
{
	struct terminal t;
	char shown[256] = "";
	int status;

	ask_at(&t);
	until_silent(&t);
	assert_int_equal(write(t.master, "open sesame\n", 12), 12);
	status = ended(&t);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(echoes(&t));
	assert_true(read(t.master, shown, sizeof(shown) - 1) > 0);
	assert_null(strstr(shown, "sesame"));
	terminal_done(&t);
}

static void who_gives_up_sees_again_what_he_types(void **state)
{
	static const struct {
		const char *key;
		int signal_number;
	} rows[] = { { "\003", SIGINT }, { "\034", SIGQUIT }, { NULL, SIGTERM }, { NULL, SIGHUP } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct terminal t;
		int status;

		ask_at(&t);
		until_silent(&t);
		if (rows[i].key != NULL)
			assert_int_equal(write(t.master, rows[i].key, 1), 1);
		else
			assert_int_equal(kill(t.child, rows[i].signal_number), 0);
		status = ended(&t);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signal_number);
		assert_true(echoes(&t));
		terminal_done(&t);
	}
}

static enum nj_err piped(const char *bytes, size_t len, char *out, size_t out_bytes)
{
	struct nj_why why;
	int kept = dup(STDIN_FILENO);
	int ends[2];
	enum nj_err err;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), (ssize_t)len);
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	err = nj_secret_ask("Secret", out, out_bytes, &why);
	assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
	close(kept);
	return err;
}

static void from_a_pipe(void **state)
{
	char out[8];

	assert_int_equal(piped("abc\nrest", 8, out, sizeof(out)), NJ_OK);
	assert_string_equal(out, "abc");
	assert_int_equal(piped("abc\r\n", 5, out, sizeof(out)), NJ_OK);
	assert_string_equal(out, "abc");
	assert_int_equal(piped("1234567", 7, out, sizeof(out)), NJ_OK);
	assert_string_equal(out, "1234567");
	assert_int_equal(piped("12345678\n", 9, out, sizeof(out)), NJ_ERR_TOO_LARGE);
	assert_int_equal(piped("\n", 1, out, sizeof(out)), NJ_ERR_USAGE);
	assert_int_equal(piped("", 0, out, sizeof(out)), NJ_ERR_USAGE);
	/* Not what stands before it. */
	assert_int_equal(piped("ab\0cd\n", 6, out, sizeof(out)), NJ_ERR_MALFORMED);
	assert_memory_equal(out, "\0\0\0\0\0\0\0\0", sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_is_not_shown),
		cmocka_unit_test(who_gives_up_sees_again_what_he_types),
		cmocka_unit_test(from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
