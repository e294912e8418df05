#include "base/config/yaml_json.h"

#include <stdbool.h>
#include <string.h>

#include "base/config/yaml_event.h"

struct source {
	yaml_parser_t parser;
	const char *name;
	FILE *out;
	struct nj_why *why;
	unsigned depth;
};

static enum nj_err fail(struct source *s, size_t line, const char *text)
{
	return nj_why(s->why, NJ_ERR_CONFIG, "%s: line %zu: %s", s->name, line + 1, text);
}

static enum nj_err next(struct source *s, yaml_event_t *event)
{
	return nj_yaml_next(&s->parser, s->name, event, s->why);
}

static void put_text(FILE *out, const char *text, size_t len)
{
	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			putc('\\', out);
		if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static size_t digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* As RFC 8259 writes a number. */
static bool is_number(const char *text)
{
	size_t len;

	text += *text == '-';
	len = digits(text);
	if (len == 0 || (len > 1 && *text == '0'))
		return false;
	text += len;
	if (*text == '.') {
		len = digits(++text);
		if (len == 0)
			return false;
		text += len;
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '+' || *text == '-';
		len = digits(text);
		if (len == 0)
			return false;
		text += len;
	}
	return *text == '\0';
}

static void put_scalar(struct source *s, const yaml_event_t *event, bool key)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool plain = !key && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strlen(text) == len;

	if (plain && (len == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
		fputs("null", s->out);
	else if (plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || is_number(text)))
		fputs(text, s->out);
	else
		put_text(s->out, text, len);
}

static enum nj_err put_value(struct source *s, const yaml_event_t *event);

static enum nj_err put_list(struct source *s)
{
	for (size_t count = 0;; count++) {
		NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };

		NJ_TRY(next(s, &event));
		if (event.type == YAML_SEQUENCE_END_EVENT)
			return NJ_OK;
		if (count > 0)
			putc(',', s->out);
		NJ_TRY(put_value(s, &event));
	}
}

static enum nj_err put_member(struct source *s, const yaml_event_t *key)
{
	NJ_CLEANUP_YAML_EVENT yaml_event_t value = { 0 };

	if (key->type != YAML_SCALAR_EVENT)
		return fail(s, key->start_mark.line, "a key is a text (a pattern that begins with { wants quotes)");
	put_scalar(s, key, true);
	putc(':', s->out);
	NJ_TRY(next(s, &value));
	return put_value(s, &value);
}

static enum nj_err put_mapping(struct source *s)
{
	for (size_t count = 0;; count++) {
		NJ_CLEANUP_YAML_EVENT yaml_event_t key = { 0 };

		NJ_TRY(next(s, &key));
		if (key.type == YAML_MAPPING_END_EVENT)
			return NJ_OK;
		if (count > 0)
			putc(',', s->out);
		NJ_TRY(put_member(s, &key));
	}
}

static enum nj_err put_value(struct source *s, const yaml_event_t *event)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;

	if (event->type == YAML_SCALAR_EVENT) {
		put_scalar(s, event, false);
		return NJ_OK;
	}
	if (s->depth == NJ_YAML_JSON_DEPTH_MAX)
		return fail(s, event->start_mark.line, "nested too deep");
	s->depth++;
	putc(list ? '[' : '{', s->out);
	NJ_TRY(list ? put_list(s) : put_mapping(s));
	putc(list ? ']' : '}', s->out);
	s->depth--;
	return NJ_OK;
}

/* Start of stream and document, the value, their ends. */
static enum nj_err put_document(struct source *s)
{
	for (bool seen = false;;) {
		NJ_CLEANUP_YAML_EVENT yaml_event_t event = { 0 };

		NJ_TRY(next(s, &event));
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (seen)
				return fail(s, event.start_mark.line, "a second document");
			seen = true;
			break;
		case YAML_STREAM_END_EVENT:
			return seen ? NJ_OK : fail(s, 0, "the file is empty");
		default:
			NJ_TRY(put_value(s, &event));
		}
	}
}

enum nj_err nj_yaml_to_json(const char *name, const char *text, size_t len, FILE *out, struct nj_why *why)
{
	struct source s = { .name = name, .out = out, .why = why };
	enum nj_err err;

	if (yaml_parser_initialize(&s.parser) == 0)
		return NJ_ERR_NO_MEMORY;
	yaml_parser_set_input_string(&s.parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&s.parser, YAML_UTF8_ENCODING);
	err = put_document(&s);
	yaml_parser_delete(&s.parser);
	return err;
}
