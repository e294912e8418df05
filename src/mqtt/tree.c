#include "mqtt/tree.h"

#define KEY_HEAD sizeof(uint64_t)

/* The levels of a topic, one after the other. */
struct levels {
	struct nj_view rest;
	bool more;
};

static struct levels levels_of(struct nj_view topic)
{
	return (struct levels){ .rest = topic, .more = true };
}

static bool next_level(struct levels *levels, struct nj_view *out_level)
{
	if (!levels->more)
		return false;
	struct nj_view rest = levels->rest;
	const uint8_t *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
	size_t len = slash != NULL ? (size_t)(slash - rest.data) : rest.len;
	*out_level = nj_view_of(rest.data, len);
	levels->more = slash != NULL;
	if (levels->more)
		levels->rest = nj_view_of(slash + 1, rest.len - len - 1);
	return true;
}

size_t nj_mqtt_topic_levels(struct nj_view topic)
{
	size_t count = 1;
	for (size_t i = 0; i < topic.len; i++)
		count += topic.data[i] == '/';
	return count;
}

static bool is_char(struct nj_view level, char c)
{
	return level.len == 1 && level.data[0] == (uint8_t)c;
}

static struct nj_view key_of(const void *entry)
{
	const struct nj_mqtt_node *node = entry;
	return nj_view_of((const uint8_t *)entry + offsetof(struct nj_mqtt_node, parent_id),
			  KEY_HEAD + node->level_bytes);
}

static struct nj_mqtt_node *child(struct nj_mqtt_tree *tree, const struct nj_mqtt_node *parent, struct nj_view level)
{
	if (parent->named_children == 0 || level.len > tree->key_cap - KEY_HEAD)
		return NULL;
	memcpy(tree->key, &parent->id, KEY_HEAD);
	if (level.len > 0)
		memcpy(tree->key + KEY_HEAD, level.data, level.len);
	return nj_map_get(&tree->nodes, nj_view_of(tree->key, KEY_HEAD + level.len));
}

static struct nj_mqtt_node *any_child(struct nj_mqtt_tree *tree, struct nj_mqtt_node *parent, struct nj_view level)
{
	if (is_char(level, '+'))
		return parent->plus;
	if (is_char(level, '#'))
		return parent->hash;
	return child(tree, parent, level);
}

/* Writes through the flexible member by the object's own address, as `parent_id` and `level` are one key. */
static struct nj_mqtt_node *alloc_node(struct nj_mqtt_tree *tree, struct nj_view level)
{
	size_t bytes = sizeof(struct nj_mqtt_node) + level.len;
	if (nj_mqtt_budget_take(tree->budget, bytes) != NJ_OK)
		return NULL;
	struct nj_mqtt_node *node = calloc(1, bytes);
	if (node == NULL) {
		nj_mqtt_budget_give(tree->budget, bytes);
		return NULL;
	}
	node->id = ++*tree->ids;
	node->level_bytes = (uint16_t)level.len;
	if (level.len > 0)
		memcpy((uint8_t *)node + offsetof(struct nj_mqtt_node, level), level.data, level.len);
	nj_list_init(&node->children);
	nj_list_init(&node->sibling);
	nj_list_init(&node->entries);
	return node;
}

static void free_node(struct nj_mqtt_tree *tree, struct nj_mqtt_node *node)
{
	nj_mqtt_budget_give(tree->budget, sizeof(*node) + node->level_bytes);
	free(node);
}

static struct nj_mqtt_node *add_child(struct nj_mqtt_tree *tree, struct nj_mqtt_node *parent, struct nj_view level)
{
	struct nj_mqtt_node *node = level.len <= tree->key_cap - KEY_HEAD ? alloc_node(tree, level) : NULL;
	if (node == NULL)
		return NULL;
	node->parent = parent;
	node->parent_id = parent->id;
	if (is_char(level, '+')) {
		parent->plus = node;
	} else if (is_char(level, '#')) {
		parent->hash = node;
	} else if (nj_map_put(&tree->nodes, node) == NJ_OK) {
		parent->named_children++;
	} else {
		free_node(tree, node);
		return NULL;
	}
	nj_list_push_back(&parent->children, &node->sibling);
	return node;
}

static void remove_child(struct nj_mqtt_tree *tree, struct nj_mqtt_node *node)
{
	struct nj_mqtt_node *parent = node->parent;
	nj_list_remove(&node->sibling);
	if (parent->plus == node)
		parent->plus = NULL;
	else if (parent->hash == node)
		parent->hash = NULL;
	else if (nj_map_remove(&tree->nodes, key_of(node)) != NULL)
		parent->named_children--;
	free_node(tree, node);
}

enum nj_err nj_mqtt_tree_init(struct nj_mqtt_tree *tree, struct nj_mqtt_budget *budget, uint64_t *ids,
			      size_t max_topic_bytes, struct nj_random *random)
{
	*tree = (struct nj_mqtt_tree){ .budget = budget, .ids = ids, .key_cap = KEY_HEAD + max_topic_bytes };
	nj_map_init(&tree->nodes, key_of, NJ_MQTT_NODES_MAX, random);
	tree->key = malloc(tree->key_cap);
	tree->root = tree->key != NULL ? alloc_node(tree, nj_view_of(NULL, 0)) : NULL;
	if (tree->root != NULL)
		return NJ_OK;
	free(tree->key);
	tree->key = NULL;
	return NJ_ERR_NO_MEMORY;
}

void nj_mqtt_tree_done(struct nj_mqtt_tree *tree)
{
	struct nj_mqtt_node *at = tree->root;
	while (at != NULL) {
		if (!nj_list_empty(&at->children)) {
			at = NJ_CONTAINER(at->children.next, struct nj_mqtt_node, sibling);
			continue;
		}
		struct nj_mqtt_node *parent = at->parent;
		nj_list_remove(&at->sibling);
		free_node(tree, at);
		at = parent;
	}
	nj_map_done(&tree->nodes);
	free(tree->key);
	*tree = (struct nj_mqtt_tree){ .root = NULL };
}

struct nj_mqtt_node *nj_mqtt_tree_get(struct nj_mqtt_tree *tree, struct nj_view topic)
{
	struct levels levels = levels_of(topic);
	struct nj_mqtt_node *at = tree->root;
	struct nj_view level;
	while (at != NULL && next_level(&levels, &level))
		at = any_child(tree, at, level);
	return at;
}

enum nj_err nj_mqtt_tree_make(struct nj_mqtt_tree *tree, struct nj_view topic, struct nj_mqtt_node **out_node)
{
	struct levels levels = levels_of(topic);
	struct nj_mqtt_node *at = tree->root;
	struct nj_view level;
	while (next_level(&levels, &level)) {
		struct nj_mqtt_node *next = any_child(tree, at, level);
		if (next == NULL)
			next = add_child(tree, at, level);
		if (next == NULL) {
			nj_mqtt_tree_prune(tree, at);
			return NJ_ERR_LIMIT;
		}
		at = next;
	}
	*out_node = at;
	return NJ_OK;
}

void nj_mqtt_tree_prune(struct nj_mqtt_tree *tree, struct nj_mqtt_node *node)
{
	while (node->parent != NULL && nj_list_empty(&node->entries) && node->groups == NULL &&
	       nj_list_empty(&node->children) && node->retained == NULL && node->reactors == 0) {
		struct nj_mqtt_node *parent = node->parent;
		remove_child(tree, node);
		node = parent;
	}
}

/* A walk over the tree: what is asked for, and who is told. Recursion is as deep as the topic has levels, which the
 * broker limits. */
struct walk {
	struct nj_mqtt_tree *tree;
	nj_mqtt_node_fn fn;
	void *arg;
};

static void tell_entries(const struct walk *walk, struct nj_mqtt_node *node)
{
	if (node != NULL && (!nj_list_empty(&node->entries) || node->groups != NULL || node->reactors != 0))
		walk->fn(walk->arg, node);
}

static void match_below(const struct walk *walk, struct nj_mqtt_node *node, struct levels levels, bool wild)
{
	struct nj_view level;
	if (wild)
		tell_entries(walk, node->hash); /* the parent level too: 4.7.1.2 */
	if (!next_level(&levels, &level)) {
		tell_entries(walk, node);
		return;
	}
	if (wild && node->plus != NULL)
		match_below(walk, node->plus, levels, true);
	struct nj_mqtt_node *exact = child(walk->tree, node, level);
	if (exact != NULL)
		match_below(walk, exact, levels, true);
}

static bool is_dollar(struct nj_view topic)
{
	return topic.len > 0 && topic.data[0] == '$';
}

void nj_mqtt_tree_match(struct nj_mqtt_tree *tree, struct nj_view topic, nj_mqtt_node_fn fn, void *arg)
{
	struct walk walk = { .tree = tree, .fn = fn, .arg = arg };
	match_below(&walk, tree->root, levels_of(topic), !is_dollar(topic));
}

static void tell_retained(const struct walk *walk, struct nj_mqtt_node *node)
{
	if (node->retained != NULL)
		walk->fn(walk->arg, node);
}

static bool hidden(const struct nj_mqtt_node *parent, const struct nj_mqtt_node *node)
{
	return parent->parent == NULL && node->level_bytes > 0 && node->level[0] == '$';
}

static void find_all(const struct walk *walk, struct nj_mqtt_node *node, bool with_hidden)
{
	walk->tree->visited++;
	tell_retained(walk, node);
	NJ_LIST_EACH (&node->children, at) {
		struct nj_mqtt_node *below = NJ_CONTAINER(at, struct nj_mqtt_node, sibling);
		if (with_hidden || !hidden(node, below))
			find_all(walk, below, with_hidden);
	}
}

static void find_below(const struct walk *walk, struct nj_mqtt_node *node, struct levels levels)
{
	struct nj_view level;
	walk->tree->visited++;
	if (!next_level(&levels, &level)) {
		tell_retained(walk, node);
		return;
	}
	if (is_char(level, '#')) {
		find_all(walk, node, false);
		return;
	}
	if (!is_char(level, '+')) {
		struct nj_mqtt_node *exact = child(walk->tree, node, level);
		if (exact != NULL)
			find_below(walk, exact, levels);
		return;
	}
	NJ_LIST_EACH (&node->children, at) {
		struct nj_mqtt_node *below = NJ_CONTAINER(at, struct nj_mqtt_node, sibling);
		if (!hidden(node, below))
			find_below(walk, below, levels);
	}
}

void nj_mqtt_tree_find(struct nj_mqtt_tree *tree, struct nj_view filter, nj_mqtt_node_fn fn, void *arg)
{
	struct walk walk = { .tree = tree, .fn = fn, .arg = arg };
	find_below(&walk, tree->root, levels_of(filter));
}

void nj_mqtt_tree_each(struct nj_mqtt_tree *tree, nj_mqtt_node_fn fn, void *arg)
{
	struct walk walk = { .tree = tree, .fn = fn, .arg = arg };
	find_all(&walk, tree->root, true);
}

static void walk_all(const struct walk *walk, struct nj_mqtt_node *node)
{
	walk->fn(walk->arg, node);
	NJ_LIST_EACH (&node->children, at)
		walk_all(walk, NJ_CONTAINER(at, struct nj_mqtt_node, sibling));
}

void nj_mqtt_tree_walk(struct nj_mqtt_tree *tree, nj_mqtt_node_fn fn, void *arg)
{
	const struct walk walk = { .tree = tree, .fn = fn, .arg = arg };
	walk_all(&walk, tree->root);
}
