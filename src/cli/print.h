/*
 * What people and scripts see: aligned tables, records and progress for a terminal, JSON lines for programs. Bytes from
 * outside are shown without control characters. Colour only on a terminal, and never with NO_COLOR. Main thread.
 */
#ifndef NJ_CLI_PRINT_H
#define NJ_CLI_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum nj_tone { NJ_TONE_PLAIN, NJ_TONE_BOLD, NJ_TONE_DIM, NJ_TONE_GOOD, NJ_TONE_WARN, NJ_TONE_BAD };

/* The sequence that begins a tone, and the one that ends it; "" where colour is not wanted. */
const char *nj_tone(FILE *stream, enum nj_tone tone);
const char *nj_tone_end(FILE *stream);
/* Copies text with control characters replaced; cut at the end of `out`. Returns `out`. */
const char *nj_plain_text(const char *text, char *out, size_t out_bytes);

/* One JSON value as a line on standard output. */
void nj_print_json(const json_t *value);

enum nj_column_kind {
	NJ_COLUMN_TEXT,  /* numbers and lists too; absent: "-" */
	NJ_COLUMN_TIME,  /* Unix time in ms, shown in UTC */
	NJ_COLUMN_STATE, /* a word with a tone */
};

struct nj_column {
	const char *title;
	const char *key; /* of the item's object */
	enum nj_column_kind kind;
};

#define NJ_TABLE_MAX_COLUMNS 10

struct nj_table {
	const struct nj_column *columns;
	size_t count;
	bool json;
	bool titled;
	int widths[NJ_TABLE_MAX_COLUMNS];
	json_t *rows;
	uint64_t total;
};

void nj_table_init(struct nj_table *table, const struct nj_column *columns, size_t count, bool json);
/* An nj_admin_item_fn: keeps the row (at once a line when `json`). */
void nj_table_add(void *table, const json_t *item);
/* Prints the rows kept so far; columns keep their width from page to page. */
void nj_table_flush(struct nj_table *table);
void nj_table_done(struct nj_table *table);
/* One object, a line a column: "title  value". Absent values are left out. */
void nj_record_print(const struct nj_column *columns, size_t count, const json_t *object);

/* A bar on standard error, where that is a terminal. */
struct nj_progress {
	const char *what;
	uint64_t total;
	uint64_t began_ms;
	uint64_t drawn_ms;
	bool shown;
};
void nj_progress_begin(struct nj_progress *progress, const char *what, uint64_t total);
void nj_progress_step(struct nj_progress *progress, uint64_t done);
void nj_progress_end(struct nj_progress *progress);

#define NJ_DATE_BYTES 32
/* "2026-01-31 12:00 UTC"; empty for a time that is none. Returns `out`. */
const char *nj_date_text(json_int_t time_ms, char out[NJ_DATE_BYTES]);

#endif
