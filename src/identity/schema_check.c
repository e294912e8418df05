#include "identity/schema_check.h"

#include "base/text.h"

#define PATH_BYTES 80 /* with any of the words here it fits NJ_SCHEMA_FAULT_BYTES */
#define PATH_NODES 8

static const struct nj_schema_node *node_at(const struct nj_schema_run *run, uint16_t node)
{
	return node == NJ_SCHEMA_ANY ? NULL : &run->schema->nodes[node];
}

/* ---- faults ---- */

/* Where a node stands, as in "/readings/[]/t"; the deepest levels when all do not fit. */
static void path_of(const struct nj_schema_run *run, uint16_t node, char out[PATH_BYTES])
{
	const struct nj_schema_node *chain[PATH_NODES];
	size_t count = 0;
	size_t len = 0;

	for (uint16_t at = node; at != NJ_SCHEMA_ANY && at != 0 && count < PATH_NODES; at = chain[count - 1]->parent)
		chain[count++] = node_at(run, at);
	while (count > 0 && len + 2 < PATH_BYTES) {
		const struct nj_schema_node *n = chain[--count];
		struct nj_view word = n->name.len > 0 ? n->name : nj_view_str("[]");
		struct nj_view cut = nj_utf8_cut(word, PATH_BYTES - len - 2);

		out[len++] = '/';
		memcpy(out + len, cut.data, cut.len);
		len += cut.len;
	}
	out[len] = '\0';
}

bool nj_schema_fail(struct nj_schema_run *run, uint16_t node, const char *what)
{
	char path[PATH_BYTES];

	if (run->fault[0] != '\0')
		return false;
	path_of(run, node, path);
	snprintf(run->fault, NJ_SCHEMA_FAULT_BYTES, "%s: %s", path[0] != '\0' ? path : "the payload", what);
	return false;
}

static bool fail_bound(struct nj_schema_run *run, uint16_t node, const char *what, double bound, struct nj_view unit)
{
	char text[96];

	snprintf(text, sizeof(text), "%s %.15g%s%.*s", what, bound, unit.len > 0 ? " " : "", (int)unit.len,
		 unit.len > 0 ? (const char *)unit.data : "");
	return nj_schema_fail(run, node, text);
}

static const char *type_word(enum nj_schema_type type)
{
	switch (type) {
	case NJ_SCHEMA_NULL:
		return "null stands where the contract wants another type";
	case NJ_SCHEMA_BOOLEAN:
		return "true or false stands where the contract wants another type";
	case NJ_SCHEMA_INTEGER:
	case NJ_SCHEMA_NUMBER:
		return "a number stands where the contract wants another type";
	case NJ_SCHEMA_STRING:
		return "a text stands where the contract wants another type";
	case NJ_SCHEMA_BYTES:
		return "bytes stand where the contract wants another type";
	case NJ_SCHEMA_ARRAY:
		return "an array stands where the contract wants another type";
	case NJ_SCHEMA_OBJECT:
		return "an object stands where the contract wants another type";
	}
	return "another type than the contract wants";
}

bool nj_schema_is(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type)
{
	const struct nj_schema_node *n = node_at(run, node);

	if (n == NULL || n->types == 0 || (n->types & type) != 0)
		return true;
	return nj_schema_fail(run, node, type_word(type));
}

bool nj_schema_enter(struct nj_schema_run *run, uint16_t node)
{
	if (run->depth == NJ_SCHEMA_DEPTH_MAX)
		return nj_schema_fail(run, node, "nested too deep");
	run->depth++;
	return true;
}

void nj_schema_leave(struct nj_schema_run *run)
{
	run->depth--;
}

/* ---- values ---- */

static bool value_is(const struct nj_schema_value *value, enum nj_schema_type type, double number,
		     const struct nj_schema_text *text)
{
	if (value->type != type)
		return false;
	if (type == NJ_SCHEMA_STRING)
		return text->bytes == text->head_bytes &&
		       nj_view_equal(value->text, nj_view_of(text->head, text->head_bytes));
	return type == NJ_SCHEMA_NULL || value->number == number;
}

static bool listed(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type, double number,
		   const struct nj_schema_text *text)
{
	const struct nj_schema_node *n = node_at(run, node);

	if (n == NULL || n->values == NULL)
		return true;
	for (uint16_t i = 0; i < n->value_count; i++)
		if (value_is(&n->values[i], type, number, text))
			return true;
	return nj_schema_fail(run, node, "none of the values that the contract lists");
}

bool nj_schema_plain(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type, bool value)
{
	return nj_schema_is(run, node, type) && listed(run, node, type, value ? 1 : 0, NULL);
}

/* From 2^53 on a double has no fraction. */
static bool integral(double value)
{
	const double exact = 9007199254740992.0;

	if (value >= exact || value <= -exact)
		return true;
	return (double)(int64_t)value == value;
}

bool nj_schema_number(struct nj_schema_run *run, uint16_t node, double value)
{
	const struct nj_schema_node *n = node_at(run, node);

	if (!(value - value == 0.0))
		return nj_schema_fail(run, node, "a number that is infinite or none");
	if (n == NULL)
		return true;
	if (n->types != 0 && (n->types & NJ_SCHEMA_NUMBER) == 0 &&
	    ((n->types & NJ_SCHEMA_INTEGER) == 0 || !integral(value)))
		return nj_schema_fail(run, node,
				      (n->types & NJ_SCHEMA_INTEGER) != 0 ? "not a whole number"
									  : type_word(NJ_SCHEMA_NUMBER));
	if (n->has_min && (value < n->min || (n->open_min && !(value > n->min))))
		return fail_bound(run, node, n->open_min ? "not above" : "below", n->min, n->unit);
	if (n->has_max && (value > n->max || (n->open_max && !(value < n->max))))
		return fail_bound(run, node, n->open_max ? "not below" : "above", n->max, n->unit);
	return listed(run, node, NJ_SCHEMA_NUMBER, value, NULL);
}

void nj_schema_text_add(struct nj_schema_text *text, const void *data, size_t len)
{
	size_t room = sizeof(text->head) - text->head_bytes;

	if (len > 0 && text->bytes == text->head_bytes)
		memcpy(text->head + text->head_bytes, data, len < room ? len : room);
	if (text->bytes == text->head_bytes)
		text->head_bytes += len < room ? len : room;
	text->bytes += len;
}

bool nj_schema_text(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type,
		    const struct nj_schema_text *text)
{
	const struct nj_schema_node *n = node_at(run, node);

	if (!nj_schema_is(run, node, type))
		return false;
	if (n != NULL && text->length < n->min_length)
		return nj_schema_fail(run, node, "shorter than minLength");
	if (n != NULL && text->length > n->max_length)
		return nj_schema_fail(run, node, "longer than maxLength");
	return listed(run, node, type, 0, text);
}

/* ---- arrays and objects ---- */

/* What stands in "enum" is no array and no object. */
static bool container_listed(struct nj_schema_run *run, uint16_t node, enum nj_schema_type type)
{
	return listed(run, node, type, 0, NULL);
}

bool nj_schema_array_end(struct nj_schema_run *run, uint16_t node, uint32_t count)
{
	const struct nj_schema_node *n = node_at(run, node);

	if (n == NULL)
		return true;
	if (count < n->min_items)
		return nj_schema_fail(run, node, "fewer items than minItems");
	if (count > n->max_items)
		return nj_schema_fail(run, node, "more items than maxItems");
	return container_listed(run, node, NJ_SCHEMA_ARRAY);
}

uint16_t nj_schema_items(const struct nj_schema_run *run, uint16_t node)
{
	const struct nj_schema_node *n = node_at(run, node);

	return n == NULL ? NJ_SCHEMA_ANY : n->items;
}

static bool key_is(const struct nj_schema_property *property, const struct nj_schema_text *name, int64_t number)
{
	if (name == NULL)
		return property->numbered && property->number == number;
	return !property->numbered && name->bytes == property->name.len && name->bytes == name->head_bytes &&
	       nj_view_equal(property->name, nj_view_of(name->head, name->head_bytes));
}

bool nj_schema_key(struct nj_schema_run *run, struct nj_schema_object *object, const struct nj_schema_text *name,
		   int64_t number, uint16_t *out_node)
{
	const struct nj_schema_node *n = node_at(run, object->node);

	object->count++;
	*out_node = NJ_SCHEMA_ANY;
	for (uint16_t i = 0; n != NULL && i < n->property_count; i++) {
		if (!key_is(&n->properties[i], name, number))
			continue;
		*out_node = n->properties[i].node;
		if ((object->seen & UINT64_C(1) << i) != 0)
			return nj_schema_fail(run, *out_node, "stands twice");
		object->seen |= UINT64_C(1) << i;
		return true;
	}
	if (n != NULL && n->closed)
		return nj_schema_fail(run, object->node, "a property that the contract does not name");
	return true;
}

static bool fail_missing(struct nj_schema_run *run, const struct nj_schema_node *n, uint64_t missing)
{
	for (uint16_t i = 0; i < n->property_count; i++)
		if ((missing & UINT64_C(1) << i) != 0)
			return nj_schema_fail(run, n->properties[i].node, "is missing");
	return false;
}

bool nj_schema_object_end(struct nj_schema_run *run, const struct nj_schema_object *object)
{
	const struct nj_schema_node *n = node_at(run, object->node);

	if (n == NULL)
		return true;
	if ((n->required & ~object->seen) != 0)
		return fail_missing(run, n, n->required & ~object->seen);
	if (object->count < n->min_properties)
		return nj_schema_fail(run, object->node, "fewer properties than minProperties");
	if (object->count > n->max_properties)
		return nj_schema_fail(run, object->node, "more properties than maxProperties");
	return container_listed(run, object->node, NJ_SCHEMA_OBJECT);
}

bool nj_schema_check(const struct nj_schema *schema, struct nj_view payload, char out_fault[NJ_SCHEMA_FAULT_BYTES])
{
	struct nj_schema_run run = { .schema = schema, .reader = nj_reader_view(payload), .fault = out_fault };

	out_fault[0] = '\0';
	return schema->format == NJ_PAYLOAD_CBOR ? nj_schema_read_cbor(&run) : nj_schema_read_json(&run);
}
