/*
 * What a schema's compiler and its two readers (JSON, CBOR) share: the compiled nodes, and the judgement of one value
 * against one node. Only identity/schema*.c include this. Any thread.
 */
#ifndef NJ_IDENTITY_SCHEMA_CHECK_H
#define NJ_IDENTITY_SCHEMA_CHECK_H

#include "identity/schema.h"

enum nj_schema_type {
	NJ_SCHEMA_NULL = 1,
	NJ_SCHEMA_BOOLEAN = 2,
	NJ_SCHEMA_INTEGER = 4,
	NJ_SCHEMA_NUMBER = 8,
	NJ_SCHEMA_STRING = 16,
	NJ_SCHEMA_BYTES = 32,
	NJ_SCHEMA_ARRAY = 64,
	NJ_SCHEMA_OBJECT = 128,
};

#define NJ_SCHEMA_ANY 0xffff /* no node: whatever is well-formed */

struct nj_schema_property {
	struct nj_view name;
	bool numbered; /* CBOR: the key is the number */
	int64_t number;
	uint16_t node;
};

struct nj_schema_value {
	uint8_t type;  /* NULL, BOOLEAN, NUMBER or STRING */
	double number; /* booleans: 0 or 1 */
	struct nj_view text;
};

struct nj_schema_node {
	uint16_t types; /* 0: all */
	uint16_t parent;
	struct nj_view name; /* in the parent; empty: an item of it */
	struct nj_view unit;
	bool has_min, has_max, open_min, open_max;
	bool closed; /* no other properties */
	uint16_t items;
	uint16_t property_count, value_count;
	uint32_t min_length, max_length;
	uint32_t min_items, max_items;
	uint32_t min_properties, max_properties;
	uint64_t required; /* bits of properties */
	double min, max;
	struct nj_schema_property *properties; /* owned */
	struct nj_schema_value *values;        /* owned; "enum" or "const" */
};

struct nj_schema {
	json_t *json; /* owned: names and texts are views of it */
	enum nj_payload_format format;
	uint16_t count;
	struct nj_schema_node *nodes; /* the first is the payload */
};

/* One payload being judged. */
struct nj_schema_run {
	const struct nj_schema *schema;
	struct nj_reader reader;
	unsigned depth;
	char *fault; /* NJ_SCHEMA_FAULT_BYTES */
};

/* A text as it is read: its first bytes for comparing, and its length in characters (bytes for NJ_SCHEMA_BYTES). */
struct nj_schema_text {
	uint8_t head[NJ_SCHEMA_WORD_MAX];
	size_t head_bytes;
	size_t bytes;
	size_t length;
};

/* An object as it is read. */
struct nj_schema_object {
	uint16_t node;
	uint64_t seen;
	uint32_t count;
};

/* Each is false with the fault told once something is wrong, so that readers end with the first false. */
bool nj_schema_fail(struct nj_schema_run *run, uint16_t node, const char *what);
bool nj_schema_enter(struct nj_schema_run *run, uint16_t node); /* a container; nj_schema_leave ends it */
void nj_schema_leave(struct nj_schema_run *run);
bool nj_schema_plain(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type, bool value);
bool nj_schema_number(struct nj_schema_run *run, uint16_t node, double value);
void nj_schema_text_add(struct nj_schema_text *text, const void *data, size_t len);
bool nj_schema_text(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type,
		    const struct nj_schema_text *text);
bool nj_schema_array_end(struct nj_schema_run *run, uint16_t node, uint32_t count);
uint16_t nj_schema_items(const struct nj_schema_run *run, uint16_t node);
/* A key was read: finds what its value must be. `name` NULL: the key is `number`. */
bool nj_schema_key(struct nj_schema_run *run, struct nj_schema_object *object, const struct nj_schema_text *name,
		   int64_t number, uint16_t *out_node);
bool nj_schema_object_end(struct nj_schema_run *run, const struct nj_schema_object *object);
bool nj_schema_is(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type);

/* One value, and nothing after it. */
bool nj_schema_read_json(struct nj_schema_run *run);
bool nj_schema_read_cbor(struct nj_schema_run *run);

#endif
