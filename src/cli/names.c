#include "cli/names.h"

#include <inttypes.h>
#include <strings.h>

#include "cli/csv.h"

#define FIRST_CAP 1024

static struct nj_view key_of(const void *entry)
{
	return nj_view_str(((const struct nj_name_entry *)entry)->text);
}

void nj_names_init(struct nj_names *names)
{
	*names = (struct nj_names){ 0 };
	nj_map_init(&names->by_text, key_of, NJ_NAMES_MAX, nj_random_system());
}

void nj_names_done(struct nj_names *names)
{
	nj_map_done(&names->by_text);
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

static enum nj_err grow(struct nj_names *names)
{
	size_t cap = names->cap > 0 ? names->cap * 2 : FIRST_CAP;
	struct nj_name_entry **at;

	if (names->count < names->cap)
		return NJ_OK;
	at = reallocarray(names->at, cap, sizeof(struct nj_name_entry *));
	if (at == NULL)
		return NJ_ERR_NO_MEMORY;
	names->at = at;
	names->cap = cap;
	return NJ_OK;
}

enum nj_err nj_names_add(struct nj_names *names, const char *text, uint32_t line)
{
	struct nj_name_entry *entry;
	enum nj_err err;

	if (!nj_name_valid(text))
		return NJ_ERR_MALFORMED;
	NJ_TRY(grow(names));
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NJ_ERR_NO_MEMORY;
	entry->line = line;
	err = nj_text_copy(entry->text, sizeof(entry->text), text);
	if (err == NJ_OK)
		err = nj_map_put(&names->by_text, entry);
	if (err != NJ_OK) {
		free(entry);
		return err;
	}
	names->at[names->count++] = entry;
	return NJ_OK;
}

bool nj_names_has(const struct nj_names *names, const char *text)
{
	return nj_map_get(&names->by_text, nj_view_str(text)) != NULL;
}

static bool is_header(const char *text)
{
	return strcasecmp(text, "name") == 0 || strcasecmp(text, "device") == 0 || strcasecmp(text, "id") == 0;
}

static enum nj_err explain(const struct nj_names *names, enum nj_err err, const char *text, uint32_t line,
			   struct nj_why *why)
{
	const struct nj_name_entry *first;

	switch (err) {
	case NJ_ERR_EXISTS:
		first = nj_map_get(&names->by_text, nj_view_str(text));
		return nj_why(why, NJ_ERR_EXISTS, "line %u: \"%s\" is there already, on line %u", line, text,
			      first != NULL ? first->line : 0);
	case NJ_ERR_MALFORMED:
		return nj_why(why, NJ_ERR_MALFORMED,
			      "line %u: a name is 1 to 64 of A-Z a-z 0-9 . _ : - and begins with none of . and -",
			      line);
	case NJ_ERR_LIMIT:
		return nj_why(why, NJ_ERR_LIMIT, "line %u: more than %d names at once", line, NJ_NAMES_MAX);
	default:
		return nj_why(why, err, "line %u: %s", line, nj_err_text(err));
	}
}

enum nj_err nj_names_from_csv(struct nj_names *names, struct nj_view text, struct nj_why *why)
{
	struct nj_csv csv = nj_csv_of(text);
	char first[NJ_NAME_BYTES];
	bool at_start = true;
	uint32_t line = 0;
	enum nj_err err;

	while ((err = nj_csv_next(&csv, first, sizeof(first), &line, why)) == NJ_OK) {
		bool skip = at_start && is_header(first);

		at_start = false;
		if (skip)
			continue;
		err = nj_names_add(names, first, line);
		if (err != NJ_OK)
			return explain(names, err, first, line, why);
	}
	if (err != NJ_ERR_CLOSED)
		return err;
	if (names->count == 0)
		return nj_why(why, NJ_ERR_TRUNCATED, "the file has no names in its first column");
	return NJ_OK;
}

enum nj_err nj_names_from_count(struct nj_names *names, const char *prefix, uint64_t count, struct nj_why *why)
{
	for (uint64_t i = 1; i <= count; i++) {
		char text[NJ_NAME_BYTES];

		if (nj_text_format(text, sizeof(text), "%s%" PRIu64, prefix, i) != NJ_OK ||
		    nj_names_add(names, text, 0) != NJ_OK)
			return nj_why(why, NJ_ERR_USAGE,
				      "\"%.80s%" PRIu64
				      "\" cannot be a name: at most 64 of A-Z a-z 0-9 . _ : -, and at "
				      "most %d at once",
				      prefix, i, NJ_NAMES_MAX);
	}
	return NJ_OK;
}
