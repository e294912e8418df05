/*
 * Metrics as tables, written as OpenMetrics text (OpenMetrics 1.0). A row says all there is to know about a number that
 * a snapshot holds; rows of one name follow each other and differ in their labels. No state; any thread.
 */
#ifndef NJ_BASE_METRICS_H
#define NJ_BASE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum nj_metric_type {
	NJ_METRIC_COUNTER, /* samples get "_total" */
	NJ_METRIC_GAUGE,
	NJ_METRIC_INFO, /* samples get "_info"; the number is 1 */
};

struct nj_metric {
	const char *name; /* without a suffix of its type; ends with the unit where there is one */
	enum nj_metric_type type;
	const char *unit;   /* "bytes", "seconds"; "": none */
	const char *help;   /* a sentence without its full stop */
	const char *labels; /* as written between the braces; NULL: none */
	size_t offset;      /* of a uint64_t in the snapshot */
};

/* The families of a table. */
void nj_metrics_print(const struct nj_metric *rows, size_t count, const void *snapshot, FILE *out);
/* The same as a new text; NULL without memory. */
char *nj_metrics_text(const struct nj_metric *rows, size_t count, const void *snapshot);
/* The last line of an exposition. */
void nj_metrics_end(FILE *out);
/* What is wrong with a row by the rules of names; NULL: nothing. For tests of tables. `before`: the row before it, or
 * NULL. */
const char *nj_metric_fault(const struct nj_metric *row, const struct nj_metric *before);

#endif
