#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>

#define COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct row {
	const char *constant;
	const char *text;
	int exit_code;
} rows[] = {
#define ROW(name, text, exit_code) { #name, text, exit_code },
	NJ_ERR_TABLE(ROW)
#undef ROW
};

static char names[COUNT][24];

/* The table holds the constants alone, so that a name cannot disagree with its constant. */
static void make_names(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		const char *from = rows[i].constant + (i == NJ_OK ? strlen("NJ_") : strlen("NJ_ERR_"));

		for (size_t n = 0; from[n] != '\0' && n < sizeof(names[i]) - 1; n++)
			names[i][n] = from[n] == '_' ? '-' : (char)tolower((unsigned char)from[n]);
	}
}

const char *nj_err_text(enum nj_err err)
{
	return (size_t)err < COUNT ? rows[err].text : "an unknown error";
}

const char *nj_err_name(enum nj_err err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if ((size_t)err >= COUNT || pthread_once(&once, make_names) != 0)
		return "unknown";
	return names[err];
}

int nj_err_exit_code(enum nj_err err)
{
	return (size_t)err < COUNT ? rows[err].exit_code : EX_SOFTWARE;
}

enum nj_err nj_err_from_errno(int errno_value)
{
	static const struct {
		int value;
		enum nj_err err;
	} known[] = {
		{ 0, NJ_OK },
		{ ENOENT, NJ_ERR_NOT_FOUND },
		{ ENOTDIR, NJ_ERR_NOT_FOUND },
		{ EEXIST, NJ_ERR_EXISTS },
		{ EACCES, NJ_ERR_DENIED },
		{ EPERM, NJ_ERR_DENIED },
		{ EROFS, NJ_ERR_DENIED },
		{ ENOSPC, NJ_ERR_FULL },
		{ EDQUOT, NJ_ERR_FULL },
		{ ENOMEM, NJ_ERR_NO_MEMORY },
		{ EMFILE, NJ_ERR_LIMIT },
		{ ENFILE, NJ_ERR_LIMIT },
		{ ENOBUFS, NJ_ERR_LIMIT },
		{ EFBIG, NJ_ERR_TOO_LARGE },
		{ EMSGSIZE, NJ_ERR_TOO_LARGE },
		{ ENAMETOOLONG, NJ_ERR_TOO_LARGE },
		{ ERANGE, NJ_ERR_RANGE },
		{ EAGAIN, NJ_ERR_AGAIN },
		{ EINTR, NJ_ERR_AGAIN },
		{ EINPROGRESS, NJ_ERR_AGAIN },
		{ ETIMEDOUT, NJ_ERR_TIMEOUT },
		{ ECONNRESET, NJ_ERR_CLOSED },
		{ ECONNREFUSED, NJ_ERR_CLOSED },
		{ ECONNABORTED, NJ_ERR_CLOSED },
		{ ENOTCONN, NJ_ERR_CLOSED },
		{ EPIPE, NJ_ERR_CLOSED },
		{ EBUSY, NJ_ERR_BUSY },
		{ EADDRINUSE, NJ_ERR_BUSY },
		{ ETXTBSY, NJ_ERR_BUSY },
		{ ENOSYS, NJ_ERR_UNSUPPORTED },
		{ EOPNOTSUPP, NJ_ERR_UNSUPPORTED },
		{ EAFNOSUPPORT, NJ_ERR_UNSUPPORTED },
		{ EPROTONOSUPPORT, NJ_ERR_UNSUPPORTED },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].value == errno_value)
			return known[i].err;
	return NJ_ERR_IO;
}

enum nj_err nj_why(struct nj_why *why, enum nj_err err, const char *format, ...)
{
	va_list args;

	if (why == NULL)
		return err;
	va_start(args, format);
	if (vsnprintf(why->text, sizeof(why->text), format, args) < 0)
		why->text[0] = '\0';
	va_end(args);
	return err;
}
