/*
 * Structured log on standard error: one event a line, as logfmt or JSON, an event name and typed fields.
 * Libraries never log; whoever handles an error logs it once. Values from outside are escaped: no line breaks, no
 * control bytes, no terminal sequences. Any thread: one write(2) a line.
 *
 *   NJ_LOG(NJ_LOG_INFO, "knock.accepted", NJ_S("device", name), NJ_A("source", &addr), NJ_U("grant_ms", 30000));
 */
#ifndef NJ_BASE_LOG_H
#define NJ_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/wire.h"

enum nj_log_level { NJ_LOG_ERROR, NJ_LOG_WARN, NJ_LOG_INFO, NJ_LOG_DEBUG };
enum nj_log_format { NJ_LOG_LOGFMT, NJ_LOG_JSON };

struct nj_log_field {
	const char *name;
	enum {
		NJ_FIELD_STR,
		NJ_FIELD_VIEW,
		NJ_FIELD_UINT,
		NJ_FIELD_INT,
		NJ_FIELD_BOOL,
		NJ_FIELD_HEX,
		NJ_FIELD_ADDR
	} type;
	union {
		const char *str;
		struct nj_view view;
		uint64_t u;
		int64_t i;
		const struct nj_addr *addr;
	} as;
};

#define NJ_S(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_STR, .as.str = (v) })
#define NJ_V(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_VIEW, .as.view = (v) })
#define NJ_U(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_UINT, .as.u = (v) })
#define NJ_I(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_INT, .as.i = (v) })
#define NJ_B(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_BOOL, .as.u = (v) })
#define NJ_X(n, v, l) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_HEX, .as.view = nj_view_of((v), (l)) })
#define NJ_A(n, v) ((struct nj_log_field){ .name = (n), .type = NJ_FIELD_ADDR, .as.addr = (v) })
#define NJ_E(e) NJ_S("error", nj_err_text(e))

/* Process-wide: set once at start, before the first thread. `process` is the value of the field "process". */
void nj_log_setup(enum nj_log_level level, enum nj_log_format format, const char *process);
void nj_log_write(enum nj_log_level level, const char *event, const struct nj_log_field *fields, size_t count);

#define NJ_LOG(level, event, ...)                                                    \
	nj_log_write((level), (event), (const struct nj_log_field[]){ __VA_ARGS__ }, \
		     sizeof((const struct nj_log_field[]){ __VA_ARGS__ }) / sizeof(struct nj_log_field))

/* One line before it is formatted. */
struct nj_log_line {
	enum nj_log_level level;
	enum nj_log_format format;
	uint64_t wall_ms;
	const char *process;
	const char *event;
	const struct nj_log_field *fields;
	size_t count;
};
#define NJ_LOG_LINE_BYTES 4096 /* PIPE_BUF: a line is written whole or not at all */
#define NJ_LOG_LINE_MIN 256
/*
 * Writes the line with its line feed, not terminated, and returns its length (≤ cap; cap ≥ NJ_LOG_LINE_MIN). What does
 * not fit is cut at a character's border, and the field truncated=true ends the line: it stays valid logfmt or JSON.
 */
size_t nj_log_line_format(const struct nj_log_line *line, char *out, size_t cap);

/*
 * A brake for events that strangers can cause: `burst` lines, then one a `period_ms`; the next line that passes
 * carries the number that was held back (to be logged as the field "suppressed").
 */
struct nj_log_brake {
	uint64_t period_ms;
	uint32_t burst;
	uint32_t tokens;
	uint64_t last_ms;
	uint64_t suppressed;
};
#define NJ_LOG_BRAKE(burst_lines, period)                                              \
	{                                                                              \
		.period_ms = (period), .burst = (burst_lines), .tokens = (burst_lines) \
	}
/* True when a line may be written now; `out_suppressed` gets what was held back since the last one. */
bool nj_log_brake_pass(struct nj_log_brake *brake, const struct nj_clock *clock, uint64_t *out_suppressed);

#endif
