/* Single values of the configuration: parse, describe, print. Used by config.c and print.c alone. Any thread. */
#ifndef NJ_BASE_CONFIG_VALUE_H
#define NJ_BASE_CONFIG_VALUE_H

#include "base/config/config.h"
#include "base/wire.h"

#define NJ_CONFIG_ALLOWED_BYTES 256
#define NJ_CONFIG_VALUE_BYTES 32 /* a number with its unit */

/* Every character may stand in a value: no control characters, no line breaks of any kind, well-formed UTF-8. */
bool nj_config_text_clean(struct nj_view text);

/* Parses a scalar by its row (or one item of a STRINGS row) into the member at `at`, which is untouched on failure. */
NJ_MUST_USE enum nj_err nj_config_value_parse(const struct nj_config_row *row, const char *text, void *at);

/* What the row allows, to follow "must be": "a whole number from 0 to 65535". Returns `out`. */
const char *nj_config_value_allowed(const struct nj_config_row *row, char out[NJ_CONFIG_ALLOWED_BYTES]);

/* The unsigned integer of row->size bytes at `at`. */
uint64_t nj_config_uint_get(const struct nj_config_row *row, const void *at);

/* A number with the largest unit that divides it: 300000 of a DURATION is "5min". Returns `out`. */
const char *nj_config_number_text(enum nj_config_type type, uint64_t value, char out[NJ_CONFIG_VALUE_BYTES]);

/* Writes the scalar at `at` as YAML, texts in double quotes. */
void nj_config_value_print(const struct nj_config_row *row, const void *at, FILE *out);

#endif
