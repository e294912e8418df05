/*
 * Error facts. Every fallible function of the project returns `enum nj_err`; what the fact means to a
 * peer (a reason code, an HTTP status, an exit code) is decided at that protocol's edge in one switch.
 * Any thread. Never allocates, never logs.
 */
#ifndef NJ_BASE_ERR_H
#define NJ_BASE_ERR_H

#include <sysexits.h>

#define NJ_MUST_USE __attribute__((warn_unused_result))
#define NJ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(name, text for people, exit code of sysexits.h) */
#define NJ_ERR_TABLE(X)                                                   \
	X(NJ_OK, "ok", EX_OK)                                             \
	X(NJ_ERR_TRUNCATED, "the input ends too early", EX_DATAERR)       \
	X(NJ_ERR_TRAILING, "the input goes on after its end", EX_DATAERR) \
	X(NJ_ERR_MALFORMED, "the input is malformed", EX_DATAERR)         \
	X(NJ_ERR_UNSUPPORTED, "not supported", EX_UNAVAILABLE)            \
	X(NJ_ERR_TOO_LARGE, "larger than the limit", EX_DATAERR)          \
	X(NJ_ERR_RANGE, "out of range", EX_DATAERR)                       \
	X(NJ_ERR_NO_MEMORY, "out of memory", EX_OSERR)                    \
	X(NJ_ERR_LIMIT, "a configured limit is reached", EX_TEMPFAIL)     \
	X(NJ_ERR_AGAIN, "not ready yet, try again", EX_TEMPFAIL)          \
	X(NJ_ERR_TIMEOUT, "timed out", EX_TEMPFAIL)                       \
	X(NJ_ERR_CLOSED, "the other side closed", EX_IOERR)               \
	X(NJ_ERR_IO, "input or output failed", EX_IOERR)                  \
	X(NJ_ERR_FULL, "no space left", EX_IOERR)                         \
	X(NJ_ERR_NOT_FOUND, "not found", EX_NOINPUT)                      \
	X(NJ_ERR_EXISTS, "exists already", EX_CANTCREAT)                  \
	X(NJ_ERR_DENIED, "denied", EX_NOPERM)                             \
	X(NJ_ERR_FORGED, "authentication failed", EX_NOPERM)              \
	X(NJ_ERR_REPLAYED, "was used before", EX_NOPERM)                  \
	X(NJ_ERR_EXPIRED, "has expired", EX_NOPERM)                       \
	X(NJ_ERR_CONFIG, "the configuration is wrong", EX_CONFIG)         \
	X(NJ_ERR_USAGE, "wrong usage", EX_USAGE)                          \
	X(NJ_ERR_STATE, "not possible in this state", EX_SOFTWARE)        \
	X(NJ_ERR_CORRUPT, "the stored data is damaged", EX_DATAERR)       \
	X(NJ_ERR_NEWER, "written by a newer version", EX_CONFIG)          \
	X(NJ_ERR_BUSY, "in use by another process", EX_TEMPFAIL)          \
	X(NJ_ERR_CRYPTO, "a cryptographic operation failed", EX_SOFTWARE)

enum nj_err {
#define NJ_ERR_ENUM(name, text, exit_code) name,
	NJ_ERR_TABLE(NJ_ERR_ENUM)
#undef NJ_ERR_ENUM
};

/* Text for people, never NULL. */
const char *nj_err_text(enum nj_err err);

/* Constant's name without the prefix, lower case with dashes ("too-large"), for logs and JSON. */
const char *nj_err_name(enum nj_err err);

/* Exit code of sysexits.h. */
int nj_err_exit_code(enum nj_err err);

/* The fact that errno stands for (ENOENT → NJ_ERR_NOT_FOUND, ENOSPC → NJ_ERR_FULL, …, else NJ_ERR_IO). */
enum nj_err nj_err_from_errno(int errno_value);

/* Returns from the calling function when `call` fails. */
#define NJ_TRY(call)                              \
	do {                                      \
		enum nj_err nj_try_err_ = (call); \
		if (nj_try_err_ != NJ_OK)         \
			return nj_try_err_;       \
	} while (0)

/*
 * A sentence for the person who can mend it, filled beside an `enum nj_err` where the fact alone does not
 * tell what to do (configuration, files, stores). Caller's storage; truncated, always terminated.
 */
struct nj_why {
	char text[512];
};

/* Fills `why` (may be NULL) and returns `err`, so that a failing function ends with one line. */
enum nj_err nj_why(struct nj_why *why, enum nj_err err, const char *format, ...) NJ_PRINTF(3, 4);

#endif
