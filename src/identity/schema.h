/*
 * Payload contracts: a subset of JSON Schema, compiled once, that JSON and CBOR payloads are checked against in one
 * pass. The payload is hostile: it is read through the cursors of base/wire.h, checked whole for well-formedness,
 * nested at most NJ_SCHEMA_DEPTH_MAX deep, and nothing is allocated. A fault's text holds words of the schema, never of
 * the payload. Immutable once made; any thread.
 *
 * Keywords: type, properties, required, additionalProperties (true or false), minProperties, maxProperties, items,
 * minItems, maxItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, enum, const; unit,
 * title, description, $schema, $id and $comment are annotations. CBOR has the type "bytes" besides; there a property
 * whose name is a whole number is that number as a key. A property that the schema names may stand once.
 */
#ifndef NJ_IDENTITY_SCHEMA_H
#define NJ_IDENTITY_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "base/wire.h"

#define NJ_SCHEMA_DEPTH_MAX 16
#define NJ_SCHEMA_NODES_MAX 256
#define NJ_SCHEMA_PROPERTIES_MAX 64 /* of one object */
#define NJ_SCHEMA_WORD_MAX 128      /* bytes of a property's name and of a text in "enum" */
#define NJ_SCHEMA_FAULT_BYTES 192

enum nj_payload_format { NJ_PAYLOAD_ANY, NJ_PAYLOAD_JSON, NJ_PAYLOAD_CBOR };

struct nj_schema;

/* Borrows `json` during the call. NJ_ERR_MALFORMED, NJ_ERR_LIMIT: `why` names the place and the fault. */
NJ_MUST_USE enum nj_err nj_schema_new(const json_t *json, enum nj_payload_format format, struct nj_schema **out_schema,
				      struct nj_why *why);
void nj_schema_free(struct nj_schema *schema);

/* Is the payload one well-formed value as the schema wants it? Else `out_fault` says where and what, in one line. */
bool nj_schema_check(const struct nj_schema *schema, struct nj_view payload, char out_fault[NJ_SCHEMA_FAULT_BYTES]);

#endif
