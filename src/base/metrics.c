#include "base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	const char *suffix;
} types[] = {
	[NJ_METRIC_COUNTER] = { "counter", "_total" },
	[NJ_METRIC_GAUGE] = { "gauge", "" },
	[NJ_METRIC_INFO] = { "info", "_info" },
};

/* Backslash, line feed and quote are escaped in help. */
static void put_help(const char *help, FILE *out)
{
	for (; *help != '\0'; help++) {
		if (*help == '\n')
			fputs("\\n", out);
		else if (*help == '\\' || *help == '"')
			fprintf(out, "\\%c", *help);
		else
			putc(*help, out);
	}
}

static void put_family(const struct nj_metric *row, FILE *out)
{
	fprintf(out, "# TYPE %s %s\n", row->name, types[row->type].name);
	if (row->unit[0] != '\0')
		fprintf(out, "# UNIT %s %s\n", row->name, row->unit);
	fprintf(out, "# HELP %s ", row->name);
	put_help(row->help, out);
	fputs(".\n", out);
}

static void put_sample(const struct nj_metric *row, const void *snapshot, FILE *out)
{
	bool labelled = row->labels != NULL;
	uint64_t value;

	memcpy(&value, (const char *)snapshot + row->offset, sizeof(value));
	fprintf(out, "%s%s%s%s%s %" PRIu64 "\n", row->name, types[row->type].suffix, labelled ? "{" : "",
		labelled ? row->labels : "", labelled ? "}" : "", value);
}

void nj_metrics_print(const struct nj_metric *rows, size_t count, const void *snapshot, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
			put_family(&rows[i], out);
		put_sample(&rows[i], snapshot, out);
	}
}

char *nj_metrics_text(const struct nj_metric *rows, size_t count, const void *snapshot)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	nj_metrics_print(rows, count, snapshot, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

void nj_metrics_end(FILE *out)
{
	fputs("# EOF\n", out);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

const char *nj_metric_fault(const struct nj_metric *row, const struct nj_metric *before)
{
	if (strncmp(row->name, "nightjar_", 9) != 0 ||
	    strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(row->name))
		return "a name is nightjar_ and lower case";
	if (ends_with(row->name, "_total") || ends_with(row->name, "_info") || ends_with(row->name, "_count"))
		return "a suffix of a type is not the row's to write";
	if (row->unit[0] != '\0' &&
	    (!ends_with(row->name, row->unit) || row->name[strlen(row->name) - strlen(row->unit) - 1] != '_'))
		return "a name ends with its unit";
	if (row->help[0] == '\0' || ends_with(row->help, "."))
		return "help is a sentence without its full stop";
	if (before == NULL || strcmp(before->name, row->name) != 0)
		return NULL;
	if (before->type != row->type || strcmp(before->help, row->help) != 0 || strcmp(before->unit, row->unit) != 0)
		return "rows of one name agree";
	if (before->labels == NULL || row->labels == NULL || strcmp(before->labels, row->labels) == 0)
		return "rows of one name differ in labels";
	return NULL;
}
