#include "cli/secret_input.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/crypto.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define ENDING_COUNT (sizeof(ending) / sizeof(ending[0]))

static volatile sig_atomic_t caught;

static void on_signal(int signal_number)
{
	caught = signal_number;
}

/* What a terminal and this process were before a question, so that both are as they were after it. */
struct quiet {
	struct termios terminal;
	struct sigaction actions[ENDING_COUNT];
	sigset_t mask;
};

/* The signals that end a process are held back from here on but while it waits for a key: whoever gives up at the
 * question must not be left with a terminal that shows nothing. */
static bool quiet_begin(struct quiet *before)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct termios silent;
	sigset_t set;

	if (tcgetattr(STDIN_FILENO, &before->terminal) != 0)
		return false;
	sigemptyset(&set);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		sigaddset(&set, ending[i]);
	if (sigprocmask(SIG_BLOCK, &set, &before->mask) != 0)
		return false;
	caught = 0;
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaction(ending[i], &action, &before->actions[i]);
	silent = before->terminal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	return true;
}

/* A signal that came meanwhile does now what it would have done then. */
static void quiet_end(const struct quiet *before)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before->terminal);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaction(ending[i], &before->actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
	if (caught != 0)
		(void)raise(caught);
}

/* One byte; 0 at the end, -1 for an error or a signal that ends the question. */
static ssize_t read_byte(char *out, const sigset_t *mask)
{
	struct pollfd entry = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got = -1;

	do {
		if (ppoll(&entry, 1, NULL, mask) >= 0)
			got = read(STDIN_FILENO, out, 1);
	} while (got < 0 && errno == EINTR && caught == 0);
	return got;
}

/* Byte by byte: what follows the line stays in the pipe for whoever reads on. */
static enum nj_err read_line(char *out, size_t out_bytes, const sigset_t *mask)
{
	size_t len = 0;
	char byte = '\0';
	ssize_t got;

	while ((got = read_byte(&byte, mask)) == 1 && byte != '\n') {
		if (byte == '\0')
			return NJ_ERR_MALFORMED;
		if (len + 1 == out_bytes)
			return NJ_ERR_TOO_LARGE;
		out[len++] = byte;
	}
	if (got < 0)
		return NJ_ERR_IO;
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return len > 0 ? NJ_OK : NJ_ERR_USAGE;
}

static const char *fault(enum nj_err err)
{
	if (err == NJ_ERR_USAGE)
		return "nothing was given";
	if (err == NJ_ERR_TOO_LARGE)
		return "it is too long";
	return err == NJ_ERR_MALFORMED ? "a zero byte is in it" : "it cannot be read";
}

enum nj_err nj_secret_ask(const char *prompt, char *out, size_t out_bytes, struct nj_why *why)
{
	struct quiet before;
	bool terminal = isatty(STDIN_FILENO) != 0;
	bool hidden = false;
	enum nj_err err;

	if (terminal) {
		fprintf(stderr, "%s: ", prompt);
		hidden = quiet_begin(&before);
	}
	err = read_line(out, out_bytes, hidden ? &before.mask : NULL);
	if (err != NJ_OK)
		nj_wipe(out, out_bytes);
	if (terminal)
		fputc('\n', stderr);
	if (hidden)
		quiet_end(&before);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "%s: %s", prompt, fault(err));
}
