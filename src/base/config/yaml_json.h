/*
 * A YAML document of any shape as JSON text, for files whose shape another reader checks (topic contracts). Anchors,
 * aliases, tags and a second document are refused. Plain scalars are null, true, false, a number as JSON writes it, or
 * text; what is quoted is text. No state; any thread.
 */
#ifndef NJ_BASE_CONFIG_YAML_JSON_H
#define NJ_BASE_CONFIG_YAML_JSON_H

#include <stdio.h>

#include "base/err.h"

#define NJ_YAML_JSON_DEPTH_MAX 40

/* `name` is what errors call the text. NJ_ERR_CONFIG, NJ_ERR_NO_MEMORY: `why` names the line; `out` holds a part then.
 */
NJ_MUST_USE enum nj_err nj_yaml_to_json(const char *name, const char *text, size_t len, FILE *out, struct nj_why *why);

#endif
