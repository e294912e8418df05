#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* Kept free at the end of a line for what must close it: a quote, ,"truncated":true} and the line feed. */
#define TAIL_BYTES 32

static const char *const level_names[] = {
	[NJ_LOG_ERROR] = "error",
	[NJ_LOG_WARN] = "warn",
	[NJ_LOG_INFO] = "info",
	[NJ_LOG_DEBUG] = "debug",
};
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static struct {
	enum nj_log_level level;
	enum nj_log_format format;
	const char *process;
} setup = { .level = NJ_LOG_INFO, .format = NJ_LOG_LOGFMT, .process = "nightjar" };

struct sink {
	char *out;
	size_t limit;
	size_t pos;
	bool json;
	bool full;
};

/*
 * All of it or, from the first piece that does not fit, nothing more: pieces are never split. A closer may have gone
 * past the limit before.
 */
static bool put(struct sink *s, const char *text, size_t len)
{
	if (s->full || s->pos > s->limit || len > s->limit - s->pos) {
		s->full = true;
		return false;
	}
	memcpy(s->out + s->pos, text, len);
	s->pos += len;
	return true;
}

static bool NJ_PRINTF(2, 3) put_format(struct sink *s, const char *format, ...)
{
	char piece[128];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(piece)) {
		s->full = true;
		return false;
	}
	return put(s, piece, (size_t)len);
}

/* Past the limit: closers have the tail to themselves. */
static void put_closer(struct sink *s, const char *text)
{
	size_t len = strlen(text);

	memcpy(s->out + s->pos, text, len);
	s->pos += len;
}

/* Characters that steer a terminal or the order of display, or break a line somewhere: C0, C1, DEL, bidi, U+2028/9. */
static bool steers(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
	       (code >= 0xe0000 && code <= 0xe007f);
}

static bool put_escaped(struct sink *s, uint32_t code)
{
	switch (code) {
	case '\n':
		return put(s, "\\n", 2);
	case '\r':
		return put(s, "\\r", 2);
	case '\t':
		return put(s, "\\t", 2);
	default:
		break;
	}
	if (code <= 0xffff)
		return put_format(s, "\\u%04x", code);
	code -= 0x10000;
	return put_format(s, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

/* One character, or one byte that is no UTF-8. Returns how many bytes it took, 0 when the line is full. */
static size_t put_char(struct sink *s, struct nj_view text)
{
	uint32_t code;
	size_t len = nj_utf8_decode(text, &code);
	bool fits;

	if (len == 0) {
		/* JSON has no escape for a byte, so there the text \xNN stands for it. */
		fits = put_format(s, s->json ? "\\\\x%02x" : "\\x%02x", text.data[0]);
		len = 1;
	} else if (code == '"' || code == '\\') {
		fits = put_format(s, "\\%c", (int)code);
	} else if (steers(code)) {
		fits = put_escaped(s, code);
	} else {
		fits = put(s, (const char *)text.data, len);
	}
	return fits ? len : 0;
}

/* False when not even the opening quote fits. */
static bool put_quoted(struct sink *s, struct nj_view text)
{
	if (!put(s, "\"", 1))
		return false;
	while (text.len > 0) {
		size_t len = put_char(s, text);

		if (len == 0)
			break;
		text = nj_view_of(text.data + len, text.len - len);
	}
	put_closer(s, "\"");
	return true;
}

static bool needs_quotes(struct nj_view text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return text.len == 0;
}

static bool put_text(struct sink *s, struct nj_view text)
{
	/* A bare value that does not fit is cut inside quotes. */
	if (s->json || needs_quotes(text) || text.len > s->limit - s->pos)
		return put_quoted(s, text);
	return put(s, (const char *)text.data, text.len);
}

static bool put_str(struct sink *s, const char *text)
{
	return put_text(s, nj_view_str(text == NULL ? "" : text));
}

static bool put_hex(struct sink *s, struct nj_view bytes)
{
	if (!put(s, "\"", s->json))
		return false;
	for (size_t i = 0; i < bytes.len; i++)
		if (!put_format(s, "%02x", bytes.data[i]))
			break;
	put_closer(s, s->json ? "\"" : "");
	return true;
}

/* False when nothing of the value could be written. */
static bool put_value(struct sink *s, const struct nj_log_field *field)
{
	char text[NJ_ADDR_TEXT_BYTES];

	switch (field->type) {
	case NJ_FIELD_STR:
		return put_str(s, field->as.str);
	case NJ_FIELD_VIEW:
		return put_text(s, field->as.view);
	case NJ_FIELD_UINT:
		return put_format(s, "%llu", (unsigned long long)field->as.u);
	case NJ_FIELD_INT:
		return put_format(s, "%lld", (long long)field->as.i);
	case NJ_FIELD_BOOL:
		return put_format(s, "%s", field->as.u != 0 ? "true" : "false");
	case NJ_FIELD_HEX:
		return put_hex(s, field->as.view);
	case NJ_FIELD_ADDR:
		return put_str(s, nj_addr_text(field->as.addr, text));
	}
	return false;
}

static bool put_name(struct sink *s, const char *name)
{
	if (s->json)
		return put_format(s, "%c\"%s\":", s->pos == 0 ? '{' : ',', name);
	return put_format(s, "%s%s=", s->pos == 0 ? "" : " ", name);
}

static void put_field(struct sink *s, struct nj_log_field field)
{
	size_t start = s->pos;

	if (!put_name(s, field.name) || !put_value(s, &field))
		s->pos = start;
}

/* RFC 3339, UTC. */
static void put_time(struct sink *s, uint64_t wall_ms)
{
	char text[64];
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };

	if (gmtime_r(&seconds, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ms % 1000));
	put_field(s, NJ_S("time", text));
}

size_t nj_log_line_format(const struct nj_log_line *line, char *out, size_t cap)
{
	struct sink s = { .out = out, .limit = cap - TAIL_BYTES, .json = line->format == NJ_LOG_JSON };

	assert(cap >= NJ_LOG_LINE_MIN);
	put_time(&s, line->wall_ms);
	put_field(&s, NJ_S("level", level_names[line->level]));
	put_field(&s, NJ_S("event", line->event));
	put_field(&s, NJ_S("process", line->process));
	for (size_t i = 0; i < line->count && !s.full; i++)
		put_field(&s, line->fields[i]);
	if (s.full)
		put_closer(&s, s.json ? ",\"truncated\":true" : " truncated=true");
	put_closer(&s, s.json ? "}\n" : "\n");
	return s.pos;
}

void nj_log_setup(enum nj_log_level level, enum nj_log_format format, const char *process)
{
	setup.level = level;
	setup.format = format;
	setup.process = process;
}

/* A line that standard error does not take is lost: the log never stops the work. */
void nj_log_write(enum nj_log_level level, const char *event, const struct nj_log_field *fields, size_t count)
{
	char text[NJ_LOG_LINE_BYTES];
	struct nj_log_line line = {
		.level = level,
		.format = setup.format,
		.process = setup.process,
		.event = event,
		.fields = fields,
		.count = count,
	};
	int saved_errno = errno;
	ssize_t wrote;
	size_t len;

	if (level > setup.level)
		return;
	line.wall_ms = nj_clock_wall_ms(nj_clock_system());
	len = nj_log_line_format(&line, text, sizeof(text));
	do
		wrote = write(STDERR_FILENO, text, len);
	while (wrote < 0 && errno == EINTR);
	errno = saved_errno;
}

static void refill(struct nj_log_brake *brake, uint64_t now_ms)
{
	uint64_t earned;

	if (brake->period_ms == 0)
		earned = brake->burst;
	else
		earned = (now_ms - brake->last_ms) / brake->period_ms;
	if (earned >= brake->burst - brake->tokens) {
		brake->tokens = brake->burst;
		brake->last_ms = now_ms;
	} else {
		brake->tokens += (uint32_t)earned;
		brake->last_ms += earned * brake->period_ms;
	}
}

bool nj_log_brake_pass(struct nj_log_brake *brake, const struct nj_clock *clock, uint64_t *out_suppressed)
{
	refill(brake, nj_clock_boot_ms(clock));
	if (brake->tokens == 0) {
		brake->suppressed++;
		return false;
	}
	brake->tokens--;
	*out_suppressed = brake->suppressed;
	brake->suppressed = 0;
	return true;
}
