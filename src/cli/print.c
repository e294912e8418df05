#include "cli/print.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define CELL_BYTES 512
#define REDRAW_MS 100
#define BAR_CELLS 30

static bool wants_colour(FILE *stream)
{
	const char *refused = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(fileno(stream)) && (refused == NULL || refused[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

const char *nj_tone(FILE *stream, enum nj_tone tone)
{
	static const char *const sequences[] = {
		[NJ_TONE_PLAIN] = "",        [NJ_TONE_BOLD] = "\033[1m",  [NJ_TONE_DIM] = "\033[2m",
		[NJ_TONE_GOOD] = "\033[32m", [NJ_TONE_WARN] = "\033[33m", [NJ_TONE_BAD] = "\033[31m",
	};

	return wants_colour(stream) ? sequences[tone] : "";
}

const char *nj_tone_end(FILE *stream)
{
	return wants_colour(stream) ? "\033[0m" : "";
}

const char *nj_plain_text(const char *text, char *out, size_t out_bytes)
{
	struct nj_view left = nj_view_str(text);
	size_t at = 0;

	while (left.len > 0) {
		uint32_t code = 0;
		size_t len = nj_utf8_decode(left, &code);
		bool bad = len == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0);
		size_t put = bad ? 1 : len;

		if (at + put >= out_bytes)
			break;
		if (bad)
			out[at] = '?';
		else
			memcpy(out + at, left.data, len);
		at += put;
		left = nj_view_of(left.data + (len > 0 ? len : 1), left.len - (len > 0 ? len : 1));
	}
	out[at] = '\0';
	return out;
}

void nj_print_json(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		putchar('\n');
}

/* ---- cells ---- */

static void format_time(uint64_t ms, char out[CELL_BYTES])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(out, CELL_BYTES, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		snprintf(out, CELL_BYTES, "%" PRIu64, ms);
}

static void format_list(const json_t *list, char out[CELL_BYTES])
{
	size_t at = 0;
	size_t index;
	json_t *entry;

	out[0] = '\0';
	json_array_foreach((json_t *)list, index, entry)
	{
		const char *text = json_string_value(entry);
		char plain[CELL_BYTES];
		int len;

		if (text == NULL)
			continue;
		len = snprintf(out + at, CELL_BYTES - at, "%s%s", at > 0 ? ", " : "",
			       nj_plain_text(text, plain, sizeof(plain)));
		if (len < 0 || (size_t)len >= CELL_BYTES - at)
			return;
		at += (size_t)len;
	}
}

/* False when there is nothing to show. */
static bool format_cell(const struct nj_column *column, const json_t *object, char out[CELL_BYTES])
{
	const json_t *value = json_object_get(object, column->key);

	if (value == NULL || json_is_null(value))
		return false;
	if (json_is_string(value)) {
		nj_plain_text(json_string_value(value), out, CELL_BYTES);
	} else if (json_is_integer(value) && column->kind == NJ_COLUMN_TIME) {
		format_time((uint64_t)json_integer_value(value), out);
	} else if (json_is_array(value)) {
		format_list(value, out);
	} else {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		nj_plain_text(text != NULL ? text : "", out, CELL_BYTES);
		free(text);
	}
	return out[0] != '\0';
}

static int width_of(const char *text)
{
	struct nj_view left = nj_view_str(text);
	int width = 0;

	while (left.len > 0) {
		uint32_t code;
		size_t len = nj_utf8_decode(left, &code);

		len = len > 0 ? len : 1;
		left = nj_view_of(left.data + len, left.len - len);
		width++;
	}
	return width;
}

static enum nj_tone state_tone(const char *word)
{
	if (strcmp(word, "live") == 0 || strcmp(word, "active") == 0)
		return NJ_TONE_GOOD;
	return strcmp(word, "revoked") == 0 ? NJ_TONE_BAD : NJ_TONE_WARN;
}

/* ---- tables ---- */

void nj_table_init(struct nj_table *table, const struct nj_column *columns, size_t count, bool json)
{
	*table = (struct nj_table){ .columns = columns, .count = count, .json = json, .rows = json_array() };
	for (size_t i = 0; i < count; i++)
		table->widths[i] = width_of(columns[i].title);
}

void nj_table_add(void *arg, const json_t *item)
{
	struct nj_table *table = arg;

	table->total++;
	if (table->json)
		nj_print_json(item);
	else
		(void)json_array_append(table->rows, (json_t *)item);
}

static void widen(struct nj_table *table)
{
	size_t index;
	json_t *row;

	json_array_foreach(table->rows, index, row)
	{
		for (size_t i = 0; i < table->count; i++) {
			char cell[CELL_BYTES];
			int width = format_cell(&table->columns[i], row, cell) ? width_of(cell) : 1;

			if (width > table->widths[i])
				table->widths[i] = width;
		}
	}
}

/* The last column is not padded: no blanks at a line's end. */
static void print_cell(const struct nj_table *table, size_t i, const char *text, enum nj_tone tone)
{
	int pad = i + 1 < table->count ? table->widths[i] - width_of(text) + 2 : 0;

	printf("%s%s%s%*s", nj_tone(stdout, tone), text, tone != NJ_TONE_PLAIN ? nj_tone_end(stdout) : "", pad, "");
}

static void print_titles(struct nj_table *table)
{
	if (table->titled)
		return;
	table->titled = true;
	for (size_t i = 0; i < table->count; i++)
		print_cell(table, i, table->columns[i].title, NJ_TONE_BOLD);
	putchar('\n');
}

void nj_table_flush(struct nj_table *table)
{
	size_t index;
	json_t *row;

	if (json_array_size(table->rows) == 0)
		return;
	widen(table);
	print_titles(table);
	json_array_foreach(table->rows, index, row)
	{
		for (size_t i = 0; i < table->count; i++) {
			char cell[CELL_BYTES];
			bool there = format_cell(&table->columns[i], row, cell);
			bool state = there && table->columns[i].kind == NJ_COLUMN_STATE;

			print_cell(table, i, there ? cell : "-", state ? state_tone(cell) : NJ_TONE_PLAIN);
		}
		putchar('\n');
	}
	(void)json_array_clear(table->rows);
}

void nj_table_done(struct nj_table *table)
{
	json_decref(table->rows);
	table->rows = NULL;
}

void nj_record_print(const struct nj_column *columns, size_t count, const json_t *object)
{
	int width = 0;

	for (size_t i = 0; i < count; i++)
		width = width_of(columns[i].title) > width ? width_of(columns[i].title) : width;
	for (size_t i = 0; i < count; i++) {
		char cell[CELL_BYTES];

		if (!format_cell(&columns[i], object, cell))
			continue;
		printf("%s%s%s%*s", nj_tone(stdout, NJ_TONE_BOLD), columns[i].title, nj_tone_end(stdout),
		       width - width_of(columns[i].title) + 2, "");
		if (columns[i].kind == NJ_COLUMN_STATE)
			printf("%s%s%s\n", nj_tone(stdout, state_tone(cell)), cell, nj_tone_end(stdout));
		else
			printf("%s\n", cell);
	}
}

/* ---- progress ---- */

static void draw(struct nj_progress *progress, uint64_t done)
{
	uint64_t elapsed_ms = nj_clock_boot_ms(nj_clock_system()) - progress->began_ms;
	uint64_t total = progress->total > 0 ? progress->total : 1;
	int filled = (int)(done * BAR_CELLS / total);

	fprintf(stderr, "\r%s  [", progress->what);
	for (int i = 0; i < BAR_CELLS; i++)
		fputs(i < filled ? "\xe2\x96\x88" : " ", stderr);
	fprintf(stderr, "]  %" PRIu64 " of %" PRIu64, done, progress->total);
	if (elapsed_ms > 500 && done > 0)
		fprintf(stderr, "  %" PRIu64 "/s ", done * 1000 / elapsed_ms);
	fflush(stderr);
}

void nj_progress_begin(struct nj_progress *progress, const char *what, uint64_t total)
{
	*progress = (struct nj_progress){ .what = what, .total = total, .shown = isatty(STDERR_FILENO) == 1 };
	progress->began_ms = nj_clock_boot_ms(nj_clock_system());
	if (progress->shown)
		draw(progress, 0);
}

void nj_progress_step(struct nj_progress *progress, uint64_t done)
{
	uint64_t now_ms = nj_clock_boot_ms(nj_clock_system());

	if (!progress->shown || (now_ms - progress->drawn_ms < REDRAW_MS && done < progress->total))
		return;
	progress->drawn_ms = now_ms;
	draw(progress, done);
}

void nj_progress_end(struct nj_progress *progress)
{
	if (progress->shown)
		fputc('\n', stderr);
	progress->shown = false;
}

const char *nj_date_text(json_int_t time_ms, char out[NJ_DATE_BYTES])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(out, NJ_DATE_BYTES, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		out[0] = '\0';
	return out;
}
