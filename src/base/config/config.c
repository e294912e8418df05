#include "base/config/config.h"

#include <assert.h>
#include <stdarg.h>

#include "base/config/value.h"
#include "base/config/yaml_event.h"
#include "base/file.h"
#include "base/text.h"

struct source {
	yaml_parser_t parser;
	const char *name;
	struct nj_why *why;
};

static void *member(void *target, size_t offset)
{
	return (char *)target + offset;
}

static size_t *counter(const struct nj_config_row *row, void *target)
{
	return member(target, row->count_offset);
}

/* Our own table disagrees with itself: a unit test's business, never a user's. */
static void default_set(const struct nj_config_row *row, const char *text, void *at)
{
	if (nj_config_value_parse(row, text, at) != NJ_OK)
		abort();
}

static void default_list(const struct nj_config_row *row, void *target)
{
	const char *at = row->text;

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, " ");
		size_t *count = counter(row, target);
		char item[256];

		if (*count == row->max_count || nj_text_copy_view(item, sizeof(item), nj_view_of(at, len)) != NJ_OK)
			abort();
		default_set(row, item, member(target, row->offset + *count * row->size));
		(*count)++;
		at += len + strspn(at + len, " ");
	}
}

void nj_config_defaults(const struct nj_config_section *schema, void *target)
{
	memset(target, 0, schema->bytes);
	for (size_t i = 0; i < schema->count; i++) {
		const struct nj_config_row *row = &schema->rows[i];

		if (row->type == NJ_CONFIG_SECTION)
			nj_config_defaults(row->section, member(target, row->offset));
		else if (row->type == NJ_CONFIG_STRINGS)
			default_list(row, target);
		else if (row->text != NULL)
			default_set(row, row->text, member(target, row->offset));
	}
}

static enum nj_err NJ_PRINTF(3, 4) fail(const struct source *s, size_t line, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	return nj_why(s->why, NJ_ERR_CONFIG, "%s: line %zu: %s", s->name, line, text);
}

static size_t line_of(const yaml_event_t *event)
{
	return event->start_mark.line + 1;
}

static enum nj_err next(struct source *s, yaml_event_t *event)
{
	return nj_yaml_next(&s->parser, s->name, event, s->why);
}

/* The event's scalar as text; NULL when it is none or holds a zero byte ("\0" in double quotes). */
static const char *scalar_text(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT || strlen(text) != event->data.scalar.length)
		return NULL;
	return text;
}

static bool is_plain(const yaml_event_t *event)
{
	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A plain empty value, "~" or "null": the key is there and its value was forgotten. */
static bool is_null(const yaml_event_t *event)
{
	const char *text = scalar_text(event);

	return text != NULL && is_plain(event) &&
	       (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static bool wants_plain(enum nj_config_type type)
{
	return type == NJ_CONFIG_UINT || type == NJ_CONFIG_BOOL;
}

static enum nj_err read_scalar(struct source *s, const struct nj_config_row *row, const yaml_event_t *event, void *at)
{
	const char *text = scalar_text(event);
	char allowed[NJ_CONFIG_ALLOWED_BYTES];
	size_t names = 0;
	const char *near;

	if (text != NULL && !is_null(event) && (!wants_plain(row->type) || is_plain(event)) &&
	    nj_config_value_parse(row, text, at) == NJ_OK)
		return NJ_OK;
	nj_config_value_allowed(row, allowed);
	if (row->type != NJ_CONFIG_ENUM || text == NULL)
		return fail(s, line_of(event), "'%s' must be %s", row->key, allowed);
	while (row->names[names] != NULL)
		names++;
	near = nj_text_nearest(text, row->names, names);
	return fail(s, line_of(event), "'%s' must be %s%s%s%s", row->key, allowed,
		    near == NULL ? "" : "; did you mean '", near == NULL ? "" : near, near == NULL ? "" : "'?");
}

static enum nj_err read_section(struct source *s, const struct nj_config_section *section, size_t line, void *target);
static enum nj_err check_absent(const struct source *s, const struct nj_config_section *section, size_t line);

/* One item of a list, whose first event has been read. */
static enum nj_err read_item(struct source *s, const struct nj_config_row *row, const yaml_event_t *event, void *at)
{
	if (row->type == NJ_CONFIG_STRINGS)
		return read_scalar(s, row, event, at);
	if (event->type != YAML_MAPPING_START_EVENT)
		return fail(s, line_of(event), "an item of '%s' must be a section with keys of its own", row->key);
	nj_config_defaults(row->section, at);
	return read_section(s, row->section, line_of(event), at);
}

static enum nj_err read_list(struct source *s, const struct nj_config_row *row, const yaml_event_t *start, void *target)
{
	size_t *count = counter(row, target);

	if (start->type != YAML_SEQUENCE_START_EVENT)
		return fail(s, line_of(start), "'%s' must be a list", row->key);
	*count = 0;
	for (;;) {
		NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };

		NJ_TRY(next(s, &event));
		if (event.type == YAML_SEQUENCE_END_EVENT)
			return NJ_OK;
		if (*count == row->max_count)
			return fail(s, line_of(&event), "'%s' may have at most %zu items", row->key, row->max_count);
		NJ_TRY(read_item(s, row, &event, member(target, row->offset + *count * row->size)));
		(*count)++;
	}
}

static enum nj_err read_value(struct source *s, const struct nj_config_row *row, void *target)
{
	NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };

	NJ_TRY(next(s, &event));
	if (row->type == NJ_CONFIG_STRINGS || row->type == NJ_CONFIG_SECTIONS)
		return read_list(s, row, &event, target);
	if (row->type != NJ_CONFIG_SECTION)
		return read_scalar(s, row, &event, member(target, row->offset));
	if (event.type == YAML_MAPPING_START_EVENT)
		return read_section(s, row->section, line_of(&event), member(target, row->offset));
	/* A section whose keys are all commented out leaves a null behind: its defaults stand. */
	if (is_null(&event))
		return check_absent(s, row->section, line_of(&event));
	return fail(s, line_of(&event), "'%s' must be a section with keys of its own", row->key);
}

static enum nj_err unknown_key(const struct source *s, const struct nj_config_section *section, size_t line,
			       const char *key)
{
	const char *names[NJ_CONFIG_MAX_KEYS];
	const char *near;

	for (size_t i = 0; i < section->count; i++)
		names[i] = section->rows[i].key;
	near = nj_text_nearest(key, names, section->count);
	if (near == NULL)
		return fail(s, line, "unknown key '%.64s'", key);
	return fail(s, line, "unknown key '%.64s', did you mean '%s'?", key, near);
}

/* Finds the row of a key and notes its line in `lines`; a key may stand once. */
static enum nj_err find_row(const struct source *s, const struct nj_config_section *section, const yaml_event_t *event,
			    size_t lines[NJ_CONFIG_MAX_KEYS], const struct nj_config_row **out_row)
{
	const char *key = scalar_text(event);
	size_t line = line_of(event);

	if (key == NULL || !nj_config_text_clean(nj_view_str(key)))
		return fail(s, line, "a key must be a plain name");
	for (size_t i = 0; i < section->count; i++) {
		if (strcmp(section->rows[i].key, key) != 0)
			continue;
		if (lines[i] != 0)
			return fail(s, line, "the key '%s' is there twice, first on line %zu", key, lines[i]);
		lines[i] = line;
		*out_row = &section->rows[i];
		return NJ_OK;
	}
	return unknown_key(s, section, line, key);
}

/* `lines` says on which line each key stood, 0 where it did not; `line` is where the section begins. */
static enum nj_err check_required(const struct source *s, const struct nj_config_section *section,
				  const size_t lines[NJ_CONFIG_MAX_KEYS], size_t line)
{
	for (size_t i = 0; i < section->count; i++) {
		if (lines[i] != 0)
			continue;
		if (section->rows[i].required)
			return fail(s, line, "the key '%s' is missing", section->rows[i].key);
		if (section->rows[i].type == NJ_CONFIG_SECTION)
			NJ_TRY(check_absent(s, section->rows[i].section, line));
	}
	return NJ_OK;
}

static enum nj_err check_absent(const struct source *s, const struct nj_config_section *section, size_t line)
{
	const size_t lines[NJ_CONFIG_MAX_KEYS] = { 0 };

	return check_required(s, section, lines, line);
}

/*
 * The keys of a section, up to the end of its mapping. Recursion ends with the schema, whatever the file's depth: a
 * key without a row ends the reading.
 */
static enum nj_err read_section(struct source *s, const struct nj_config_section *section, size_t line, void *target)
{
	size_t lines[NJ_CONFIG_MAX_KEYS] = { 0 };

	assert(section->count <= NJ_CONFIG_MAX_KEYS);
	for (;;) {
		NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };
		const struct nj_config_row *row = NULL;

		NJ_TRY(next(s, &event));
		if (event.type == YAML_MAPPING_END_EVENT)
			return check_required(s, section, lines, line);
		NJ_TRY(find_row(s, section, &event, lines, &row));
		NJ_TRY(read_value(s, row, target));
	}
}

/* Reads one event and gives its kind and line. */
static enum nj_err next_kind(struct source *s, yaml_event_type_t *out_kind, size_t *out_line)
{
	NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };

	NJ_TRY(next(s, &event));
	/* A document of nothing but "---" holds one null. */
	*out_kind = is_null(&event) ? YAML_NO_EVENT : event.type;
	*out_line = line_of(&event);
	return NJ_OK;
}

static enum nj_err read_stream(struct source *s, const struct nj_config_section *schema, void *target)
{
	yaml_event_type_t kind = YAML_NO_EVENT;
	size_t line = 0;

	NJ_TRY(next_kind(s, &kind, &line));
	NJ_TRY(next_kind(s, &kind, &line));
	if (kind == YAML_DOCUMENT_START_EVENT)
		NJ_TRY(next_kind(s, &kind, &line));
	if (kind == YAML_STREAM_END_EVENT || kind == YAML_NO_EVENT)
		return nj_why(s->why, NJ_ERR_CONFIG, "%s: the file is empty", s->name);
	if (kind != YAML_MAPPING_START_EVENT)
		return fail(s, line, "a configuration is a list of 'key: value' lines");
	NJ_TRY(read_section(s, schema, line, target));
	NJ_TRY(next_kind(s, &kind, &line));
	NJ_TRY(next_kind(s, &kind, &line));
	if (kind != YAML_STREAM_END_EVENT)
		return fail(s, line, "a second document is not allowed");
	return NJ_OK;
}

/* libyaml would let some of them pass; here they are refused before it sees them. */
static enum nj_err check_bytes(const struct source *s, struct nj_view text)
{
	size_t line = 1;

	if (text.len > NJ_CONFIG_MAX_BYTES)
		return nj_why(s->why, NJ_ERR_CONFIG, "%s: larger than %d bytes", s->name, NJ_CONFIG_MAX_BYTES);
	while (text.len > 0) {
		uint32_t code;
		size_t len = nj_utf8_decode(text, &code);

		if (len == 0)
			return fail(s, line, "a byte that is no UTF-8");
		if (code == '\n')
			line++;
		else if (code == '\r' ? text.len < 2 || text.data[1] != '\n'
				      : code != '\t' && !nj_config_text_clean(nj_view_of(text.data, len)))
			return fail(s, line, "the control character U+%04X is not allowed", code);
		text = nj_view_of(text.data + len, text.len - len);
	}
	return NJ_OK;
}

static enum nj_err parse_into(struct source *s, const struct nj_config_section *schema, struct nj_view text,
			      void *aside)
{
	enum nj_err err;

	NJ_TRY(check_bytes(s, text));
	if (yaml_parser_initialize(&s->parser) == 0)
		return nj_why(s->why, NJ_ERR_NO_MEMORY, "%s: out of memory", s->name);
	yaml_parser_set_encoding(&s->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&s->parser, text.data, text.len);
	err = read_stream(s, schema, aside);
	yaml_parser_delete(&s->parser);
	return err;
}

enum nj_err nj_config_parse(const struct nj_config_section *schema, const char *name, const char *text, size_t len,
			    void *out_target, struct nj_why *why)
{
	struct source s = { .name = name, .why = why };
	NJ_CLEANUP_FREE char *aside = calloc(1, schema->bytes);

	if (aside == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "%s: out of memory", name);
	nj_config_defaults(schema, aside);
	NJ_TRY(parse_into(&s, schema, nj_view_of(text, len), aside));
	memcpy(out_target, aside, schema->bytes);
	return NJ_OK;
}

enum nj_err nj_config_load(const struct nj_config_section *schema, const char *path, void *out_target,
			   struct nj_why *why)
{
	NJ_CLEANUP_FREE char *text = NULL;
	size_t len = 0;

	NJ_TRY(nj_file_read(path, NJ_CONFIG_MAX_BYTES, &text, &len, why));
	return nj_config_parse(schema, path, text, len, out_target, why);
}
