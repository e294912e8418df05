#include "cli/secret_input.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/crypto.h"

static bool echo_off(struct termios *before)
{
	struct termios quiet;

	if (tcgetattr(STDIN_FILENO, before) != 0)
		return false;
	quiet = *before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

/* Byte by byte: what follows the line stays in the pipe for whoever reads on. */
static enum nj_err read_line(char *out, size_t out_bytes)
{
	size_t len = 0;
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
		if (len + 1 == out_bytes)
			return NJ_ERR_TOO_LARGE;
		out[len++] = byte;
	}
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return len > 0 ? NJ_OK : NJ_ERR_USAGE;
}

enum nj_err nj_secret_ask(const char *prompt, char *out, size_t out_bytes, struct nj_why *why)
{
	struct termios before;
	bool terminal = isatty(STDIN_FILENO) != 0;
	bool hidden = false;
	enum nj_err err;

	if (terminal) {
		fprintf(stderr, "%s: ", prompt);
		hidden = echo_off(&before);
	}
	err = read_line(out, out_bytes);
	if (hidden)
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	if (terminal)
		fputc('\n', stderr);
	if (err == NJ_OK)
		return NJ_OK;
	nj_wipe(out, out_bytes);
	return nj_why(why, err, "%s: %s", prompt, err == NJ_ERR_USAGE ? "nothing was given" : "it is too long");
}
