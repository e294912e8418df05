/* What differs between two configurations, and what of it can be taken over while the gateway runs. */
#include <string.h>

#include "base/config/config.h"
#include "base/text.h"

#define PATH_BYTES 128

static bool same_section(const struct nj_config_section *section, const char *a, const char *b);

static bool same_value(const struct nj_config_row *row, const char *a, const char *b)
{
	if (row->type == NJ_CONFIG_STRING || row->type == NJ_CONFIG_STRINGS)
		return strcmp(a, b) == 0;
	if (row->section != NULL)
		return same_section(row->section, a, b);
	return memcmp(a, b, row->size) == 0;
}

static bool same_row(const struct nj_config_row *row, const char *a, const char *b)
{
	size_t counts[2];

	if (row->type != NJ_CONFIG_STRINGS && row->type != NJ_CONFIG_SECTIONS)
		return same_value(row, a + row->offset, b + row->offset);
	memcpy(&counts[0], a + row->count_offset, sizeof(counts[0]));
	memcpy(&counts[1], b + row->count_offset, sizeof(counts[1]));
	if (counts[0] != counts[1])
		return false;
	for (size_t i = 0; i < counts[0]; i++)
		if (!same_value(row, a + row->offset + i * row->size, b + row->offset + i * row->size))
			return false;
	return true;
}

static bool same_section(const struct nj_config_section *section, const char *a, const char *b)
{
	for (size_t i = 0; i < section->count; i++)
		if (!same_row(&section->rows[i], a, b))
			return false;
	return true;
}

bool nj_config_same(const struct nj_config_section *section, const void *a, const void *b)
{
	return same_section(section, a, b);
}

static void tell_changes(const struct nj_config_section *section, const char *prefix, const char *before,
			 const char *after, nj_config_change_fn fn, void *arg)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < section->count; i++) {
		const struct nj_config_row *row = &section->rows[i];

		if (nj_text_format(path, sizeof(path), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", row->key) !=
		    NJ_OK)
			continue;
		if (row->type == NJ_CONFIG_SECTION)
			tell_changes(row->section, path, before + row->offset, after + row->offset, fn, arg);
		else if (!same_row(row, before, after))
			fn(arg, path, row->live);
	}
}

void nj_config_changes(const struct nj_config_section *schema, const void *before, const void *after,
		       nj_config_change_fn fn, void *arg)
{
	tell_changes(schema, "", before, after, fn, arg);
}

static void take_row(const struct nj_config_row *row, const char *from, char *to)
{
	bool list = row->type == NJ_CONFIG_STRINGS || row->type == NJ_CONFIG_SECTIONS;

	memcpy(to + row->offset, from + row->offset, list ? row->size * row->max_count : row->size);
	if (list)
		memcpy(to + row->count_offset, from + row->count_offset, sizeof(size_t));
}

void nj_config_take_live(const struct nj_config_section *schema, const void *from, void *to)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct nj_config_row *row = &schema->rows[i];

		if (row->type == NJ_CONFIG_SECTION)
			nj_config_take_live(row->section, (const char *)from + row->offset, (char *)to + row->offset);
		else if (row->live)
			take_row(row, from, to);
	}
}
