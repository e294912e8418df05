#include "base/config/yaml_event.h"

#include <stdbool.h>

static enum nj_err fail(const char *name, size_t line, const char *text, struct nj_why *why)
{
	return nj_why(why, NJ_ERR_CONFIG, "%s: line %zu: %s", name, line + 1, text);
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
	default:
		return event->type == YAML_ALIAS_EVENT;
	}
}

static bool has_directive(const yaml_event_t *event)
{
	return event->type == YAML_DOCUMENT_START_EVENT &&
	       (event->data.document_start.version_directive != NULL ||
		event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end);
}

enum nj_err nj_yaml_next(yaml_parser_t *parser, const char *name, yaml_event_t *event, struct nj_why *why)
{
	if (yaml_parser_parse(parser, event) == 0) {
		if (parser->error == YAML_MEMORY_ERROR)
			return nj_why(why, NJ_ERR_NO_MEMORY, "%s: out of memory", name);
		return fail(name, parser->problem_mark.line,
			    parser->problem == NULL ? "this is no YAML" : parser->problem, why);
	}
	if (has_anchor_or_tag(event))
		return fail(name, event->start_mark.line, "anchors (&), aliases (*) and tags (!) are not allowed", why);
	if (has_directive(event))
		return fail(name, event->start_mark.line, "directives (%) are not allowed", why);
	return NJ_OK;
}
