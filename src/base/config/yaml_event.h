/*
 * The next event of a YAML text that may hold nothing which a reader of a configuration would not expect: no anchors,
 * aliases, tags and directives. For the parsers of this folder alone. Any thread; no state of its own.
 */
#ifndef NJ_BASE_CONFIG_YAML_EVENT_H
#define NJ_BASE_CONFIG_YAML_EVENT_H

#include <yaml.h>

#include "base/err.h"

#define NJ_CLEANUP_YAML_EVENT __attribute__((cleanup(yaml_event_delete)))

/* `event` is zeroed on entry and to be deleted by the caller in any case. NJ_ERR_CONFIG with a sentence that names the
 * line of `name`, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_yaml_next(yaml_parser_t *parser, const char *name, yaml_event_t *event, struct nj_why *why);

#endif
