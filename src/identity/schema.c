/* The compiler: one row a keyword. */
#include "identity/schema.h"

#include "base/text.h"
#include "identity/schema_check.h"

#define KEYWORDS_MAX 32

struct builder {
	struct nj_schema *schema;
	unsigned depth;
	struct nj_why *why;
};

static struct nj_schema_node *node_of(const struct builder *b, uint16_t node)
{
	return &b->schema->nodes[node];
}

static enum nj_err bad(const struct builder *b, uint16_t node, const char *keyword, const char *fault)
{
	const struct nj_view name = node_of(b, node)->name;

	return nj_why(b->why, NJ_ERR_MALFORMED, "payload contract%s%.*s: \"%s\" %s", name.len > 0 ? ", property " : "",
		      (int)name.len, name.len > 0 ? (const char *)name.data : "", keyword, fault);
}

static struct nj_view text_view(const json_t *text)
{
	return nj_view_of(json_string_value(text), json_string_length(text));
}

static enum nj_err compile(struct builder *b, uint16_t parent, struct nj_view name, const json_t *json,
			   uint16_t *out_node);

/* ---- type ---- */

static const struct {
	const char *name;
	enum nj_schema_type type;
} types[] = {
	{ "null", NJ_SCHEMA_NULL },     { "boolean", NJ_SCHEMA_BOOLEAN }, { "integer", NJ_SCHEMA_INTEGER },
	{ "number", NJ_SCHEMA_NUMBER }, { "string", NJ_SCHEMA_STRING },   { "bytes", NJ_SCHEMA_BYTES },
	{ "array", NJ_SCHEMA_ARRAY },   { "object", NJ_SCHEMA_OBJECT },
};

static enum nj_err add_type(struct builder *b, uint16_t node, const json_t *name)
{
	for (size_t i = 0; json_is_string(name) && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, json_string_value(name)) != 0)
			continue;
		if (types[i].type == NJ_SCHEMA_BYTES && b->schema->format != NJ_PAYLOAD_CBOR)
			return bad(b, node, "type", "bytes are of CBOR alone");
		node_of(b, node)->types |= (uint16_t)types[i].type;
		return NJ_OK;
	}
	return bad(b, node, "type",
		   "is null, boolean, integer, number, string, array or object (CBOR: bytes too), or a list of these");
}

static enum nj_err read_type(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return add_type(b, node, value);
	if (json_array_size(value) == 0)
		return bad(b, node, keyword, "is an empty list");
	json_array_foreach(value, i, item)
	{
		NJ_TRY(add_type(b, node, item));
	}
	return NJ_OK;
}

/* ---- numbers and lengths ---- */

static enum nj_err read_bound(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	struct nj_schema_node *n = node_of(b, node);
	bool open = strncmp(keyword, "exclusive", 9) == 0;
	bool min = strcmp(keyword, "minimum") == 0 || strcmp(keyword, "exclusiveMinimum") == 0;

	if (!json_is_number(value))
		return bad(b, node, keyword, "is a number");
	if (min ? n->has_min : n->has_max)
		return bad(b, node, keyword, "stands beside its other form");
	if (min) {
		n->has_min = true;
		n->open_min = open;
		n->min = json_number_value(value);
	} else {
		n->has_max = true;
		n->open_max = open;
		n->max = json_number_value(value);
	}
	return NJ_OK;
}

static enum nj_err read_length(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	struct nj_schema_node *n = node_of(b, node);
	const struct {
		const char *keyword;
		uint32_t *at;
	} rows[] = {
		{ "minLength", &n->min_length },         { "maxLength", &n->max_length },
		{ "minItems", &n->min_items },           { "maxItems", &n->max_items },
		{ "minProperties", &n->min_properties }, { "maxProperties", &n->max_properties },
	};
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
		return bad(b, node, keyword, "is a whole number from 0 to 4294967295");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].keyword, keyword) == 0)
			*rows[i].at = (uint32_t)number;
	return NJ_OK;
}

/* ---- enum and const ---- */

static enum nj_err add_value(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	struct nj_schema_node *n = node_of(b, node);
	struct nj_schema_value *at = &n->values[n->value_count];

	if (json_is_string(value) && json_string_length(value) <= NJ_SCHEMA_WORD_MAX)
		*at = (struct nj_schema_value){ .type = NJ_SCHEMA_STRING, .text = text_view(value) };
	else if (json_is_number(value))
		*at = (struct nj_schema_value){ .type = NJ_SCHEMA_NUMBER, .number = json_number_value(value) };
	else if (json_is_boolean(value))
		*at = (struct nj_schema_value){ .type = NJ_SCHEMA_BOOLEAN, .number = json_is_true(value) ? 1 : 0 };
	else if (json_is_null(value))
		*at = (struct nj_schema_value){ .type = NJ_SCHEMA_NULL };
	else
		return bad(b, node, keyword, "lists texts of at most 128 bytes, numbers, true, false and null");
	n->value_count++;
	return NJ_OK;
}

static enum nj_err read_values(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	struct nj_schema_node *n = node_of(b, node);
	bool list = strcmp(keyword, "enum") == 0;
	size_t count = list ? json_array_size(value) : 1;

	if (n->values != NULL)
		return bad(b, node, keyword, "stands beside its other form");
	if (count == 0 || count > 256)
		return bad(b, node, keyword, "is a list of 1 to 256 values");
	n->values = calloc(count, sizeof(*n->values));
	if (n->values == NULL)
		return NJ_ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		NJ_TRY(add_value(b, node, keyword, list ? json_array_get(value, i) : value));
	return NJ_OK;
}

/* ---- properties ---- */

static bool whole_number(struct nj_view name, int64_t *out_number)
{
	char text[24];
	bool negative = name.len > 0 && name.data[0] == '-';
	uint64_t number;

	if (nj_text_copy_view(text, sizeof(text), name) != NJ_OK ||
	    nj_number_parse(text + negative, negative, INT64_MAX, &number) != NJ_OK)
		return false;
	*out_number = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static enum nj_err add_property(struct builder *b, uint16_t node, struct nj_view name, const json_t *json)
{
	struct nj_schema_property property = { .name = name };

	if (name.len > NJ_SCHEMA_WORD_MAX || !nj_utf8_valid(name))
		return bad(b, node, "properties", "has a name over 128 bytes");
	property.numbered = b->schema->format == NJ_PAYLOAD_CBOR && whole_number(name, &property.number);
	NJ_TRY(compile(b, node, name, json, &property.node));
	struct nj_schema_node *n = node_of(b, node);
	n->properties[n->property_count++] = property;
	return NJ_OK;
}

static enum nj_err read_properties(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	const char *name;
	size_t name_len;
	json_t *json;

	if (!json_is_object(value) || json_object_size(value) > NJ_SCHEMA_PROPERTIES_MAX)
		return bad(b, node, keyword, "is an object of at most 64 properties");
	node_of(b, node)->properties = calloc(json_object_size(value) + 1, sizeof(struct nj_schema_property));
	if (node_of(b, node)->properties == NULL)
		return NJ_ERR_NO_MEMORY;
	json_object_keylen_foreach((json_t *)(uintptr_t)value, name, name_len, json)
	{
		NJ_TRY(add_property(b, node, nj_view_of(name, name_len), json));
	}
	return NJ_OK;
}

/* After the properties, whatever the order in the text. */
static enum nj_err read_required(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	struct nj_schema_node *n = node_of(b, node);
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return bad(b, node, keyword, "is a list of properties");
	json_array_foreach(value, i, item)
	{
		uint16_t at = 0;

		while (json_is_string(item) && at < n->property_count &&
		       !nj_view_equal(n->properties[at].name, text_view(item)))
			at++;
		if (!json_is_string(item) || at == n->property_count)
			return bad(b, node, keyword, "names what is not among its properties");
		n->required |= UINT64_C(1) << at;
	}
	return NJ_OK;
}

static enum nj_err read_additional(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	if (!json_is_boolean(value))
		return bad(b, node, keyword, "is true or false");
	node_of(b, node)->closed = json_is_false(value);
	return NJ_OK;
}

static enum nj_err read_items(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	uint16_t items = NJ_SCHEMA_ANY;

	(void)keyword;
	NJ_TRY(compile(b, node, nj_view_of(NULL, 0), value, &items));
	node_of(b, node)->items = items;
	return NJ_OK;
}

static enum nj_err read_unit(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) > 16 || !nj_utf8_valid(text_view(value)))
		return bad(b, node, keyword, "is a text of at most 16 bytes");
	node_of(b, node)->unit = text_view(value);
	return NJ_OK;
}

static enum nj_err read_annotation(struct builder *b, uint16_t node, const char *keyword, const json_t *value)
{
	return json_is_string(value) ? NJ_OK : bad(b, node, keyword, "is a text");
}

/* In the order in which they are read. */
static const struct {
	const char *name;
	enum nj_err (*read)(struct builder *b, uint16_t node, const char *keyword, const json_t *value);
} keywords[] = {
	{ "type", read_type },
	{ "unit", read_unit },
	{ "properties", read_properties },
	{ "required", read_required },
	{ "additionalProperties", read_additional },
	{ "minProperties", read_length },
	{ "maxProperties", read_length },
	{ "items", read_items },
	{ "minItems", read_length },
	{ "maxItems", read_length },
	{ "minimum", read_bound },
	{ "maximum", read_bound },
	{ "exclusiveMinimum", read_bound },
	{ "exclusiveMaximum", read_bound },
	{ "minLength", read_length },
	{ "maxLength", read_length },
	{ "enum", read_values },
	{ "const", read_values },
	{ "title", read_annotation },
	{ "description", read_annotation },
	{ "$schema", read_annotation },
	{ "$id", read_annotation },
	{ "$comment", read_annotation },
};
#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))
_Static_assert(KEYWORDS <= KEYWORDS_MAX, "room for the names");

/* A keyword that is not read would be a rule that does not hold. */
static enum nj_err check_keywords(const struct builder *b, uint16_t node, const json_t *json)
{
	const char *names[KEYWORDS_MAX];
	const char *key;
	json_t *value;

	for (size_t i = 0; i < KEYWORDS; i++)
		names[i] = keywords[i].name;
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		const char *nearest = nj_text_nearest(key, names, KEYWORDS);
		char fault[96];

		if (nearest != NULL && strcmp(nearest, key) == 0)
			continue;
		snprintf(fault, sizeof(fault), "is not known here%s%s%s", nearest != NULL ? "; did you mean \"" : "",
			 nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
		return bad(b, node, key, fault);
	}
	return NJ_OK;
}

static enum nj_err check_sense(const struct builder *b, uint16_t node)
{
	const struct nj_schema_node *n = node_of(b, node);

	if (n->has_min && n->has_max && n->min > n->max)
		return bad(b, node, "maximum", "is below \"minimum\"");
	if (n->min_length > n->max_length || n->min_items > n->max_items || n->min_properties > n->max_properties)
		return bad(b, node, "type", "can never be met: a largest number is below its smallest");
	return NJ_OK;
}

static enum nj_err compile(struct builder *b, uint16_t parent, struct nj_view name, const json_t *json,
			   uint16_t *out_node)
{
	uint16_t node = b->schema->count;

	if (!json_is_object(json))
		return nj_why(b->why, NJ_ERR_MALFORMED, "payload contract: what stands for a value is an object");
	if (node == NJ_SCHEMA_NODES_MAX || b->depth == NJ_SCHEMA_DEPTH_MAX)
		return nj_why(b->why, NJ_ERR_LIMIT, "payload contract: more than %d values, or deeper than %d",
			      NJ_SCHEMA_NODES_MAX, NJ_SCHEMA_DEPTH_MAX);
	b->schema->count++;
	b->depth++;
	b->schema->nodes[node] = (struct nj_schema_node){
		.parent = parent,
		.name = name,
		.items = NJ_SCHEMA_ANY,
		.max_length = UINT32_MAX,
		.max_items = UINT32_MAX,
		.max_properties = UINT32_MAX,
	};
	NJ_TRY(check_keywords(b, node, json));
	for (size_t i = 0; i < KEYWORDS; i++) {
		const json_t *value = json_object_get(json, keywords[i].name);

		if (value != NULL)
			NJ_TRY(keywords[i].read(b, node, keywords[i].name, value));
	}
	b->depth--;
	*out_node = node;
	return check_sense(b, node);
}

static void shrink(struct nj_schema *schema)
{
	struct nj_schema_node *nodes = realloc(schema->nodes, schema->count * sizeof(*nodes));

	if (nodes != NULL)
		schema->nodes = nodes;
}

enum nj_err nj_schema_new(const json_t *json, enum nj_payload_format format, struct nj_schema **out_schema,
			  struct nj_why *why)
{
	struct builder b = { .schema = calloc(1, sizeof(struct nj_schema)), .why = why };
	enum nj_err err = NJ_ERR_NO_MEMORY;
	uint16_t root;

	if (b.schema == NULL)
		return NJ_ERR_NO_MEMORY;
	b.schema->format = format;
	b.schema->json = json_deep_copy(json);
	b.schema->nodes = calloc(NJ_SCHEMA_NODES_MAX, sizeof(*b.schema->nodes));
	if (b.schema->json != NULL && b.schema->nodes != NULL)
		err = compile(&b, NJ_SCHEMA_ANY, nj_view_of(NULL, 0), b.schema->json, &root);
	if (err != NJ_OK) {
		nj_schema_free(b.schema);
		return err;
	}
	shrink(b.schema);
	*out_schema = b.schema;
	return NJ_OK;
}

void nj_schema_free(struct nj_schema *schema)
{
	if (schema == NULL)
		return;
	for (uint16_t i = 0; i < schema->count; i++) {
		free(schema->nodes[i].properties);
		free(schema->nodes[i].values);
	}
	free(schema->nodes);
	json_decref(schema->json);
	free(schema);
}
