/* The tree of topic levels: which filters a topic name finds, and which topics a filter finds (4.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/rights.h"
#include "mqtt/tree.h"

struct fixture {
	struct nj_mqtt_tree tree;
	struct nj_mqtt_budget budget;
	struct nj_random_fake random;
	uint64_t ids;
	struct nj_mqtt_node *found[32];
	size_t found_count;
};

static void open_tree(struct fixture *f)
{
	*f = (struct fixture){ .budget = { .max = 1 << 20 } };
	nj_random_fake_init(&f->random, 1);
	assert_int_equal(nj_mqtt_tree_init(&f->tree, &f->budget, &f->ids, 64, &f->random.random), NJ_OK);
}

static void close_tree(struct fixture *f)
{
	nj_mqtt_tree_done(&f->tree);
	assert_int_equal(f->budget.used, 0);
}

static void note(void *arg, struct nj_mqtt_node *node)
{
	struct fixture *f = arg;
	f->found[f->found_count++] = node;
}

static bool was_found(const struct fixture *f, const struct nj_mqtt_node *node)
{
	for (size_t i = 0; i < f->found_count; i++)
		if (f->found[i] == node)
			return true;
	return false;
}

static const struct row {
	const char *filter;
	const char *topic;
	bool want;
} rows[] = {
	{ "a", "a", true },
	{ "a", "b", false },
	{ "a", "a/b", false },
	{ "a/b", "a", false },
	{ "a/", "a", false },
	{ "a/", "a/", true },
	{ "/a", "a", false },
	{ "/a", "/a", true },
	{ "+", "a", true },
	{ "+", "/a", false },
	{ "+/+", "/a", true },
	{ "/+", "/a", true },
	{ "+", "", true },
	{ "sport/+", "sport", false },
	{ "sport/+", "sport/", true },
	{ "sport/tennis/player1/#", "sport/tennis/player1", true },
	{ "sport/tennis/player1/#", "sport/tennis/player1/ranking", true },
	{ "sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true },
	{ "sport/tennis/player1/#", "sport/tennis/player2", false },
	{ "sport/tennis/+", "sport/tennis/player1", true },
	{ "sport/tennis/+", "sport/tennis/player1/ranking", false },
	{ "+/tennis/#", "sport/tennis", true },
	{ "a/+/c/#", "a/b/c/d/e", true },
	{ "a/+/+/d", "a/b/c/d", true },
	{ "#", "a/b/c", true },
	{ "#", "$SYS/a", false },
	{ "+/a", "$SYS/a", false },
	{ "$SYS/#", "$SYS/a", true },
	{ "$SYS/+", "$SYS/a", true },
	{ "a/#", "a/$b", true },
	{ "a/+", "a/$b", true },
};

static void subscribed(struct fixture *f, const struct row *row)
{
	struct nj_mqtt_node *node;
	struct nj_list entry;
	f->found_count = 0;
	assert_int_equal(nj_mqtt_tree_make(&f->tree, nj_view_str(row->filter), &node), NJ_OK);
	nj_list_push_back(&node->entries, &entry);
	nj_mqtt_tree_match(&f->tree, nj_view_str(row->topic), note, f);
	if (was_found(f, node) != row->want || f->found_count > 1)
		fail_msg("'%s' and '%s'", row->filter, row->topic);
	nj_list_remove(&entry);
	nj_mqtt_tree_prune(&f->tree, node);
}

static void retained(struct fixture *f, const struct row *row)
{
	struct nj_mqtt_node *node;
	struct nj_mqtt_message message;
	f->found_count = 0;
	assert_int_equal(nj_mqtt_tree_make(&f->tree, nj_view_str(row->topic), &node), NJ_OK);
	node->retained = &message;
	nj_mqtt_tree_find(&f->tree, nj_view_str(row->filter), note, f);
	if (was_found(f, node) != row->want || f->found_count > 1)
		fail_msg("retained '%s' and '%s'", row->filter, row->topic);
	node->retained = NULL;
	nj_mqtt_tree_prune(&f->tree, node);
}

static void each_row_matches_or_not(void **state)
{
	struct fixture f;
	open_tree(&f);
	uint64_t empty = f.budget.used;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		subscribed(&f, &rows[i]);
		retained(&f, &rows[i]);
		assert_int_equal(f.budget.used, empty);
	}
	close_tree(&f);
}

/* All filters of the table at once, against the definition of the rights' side. */
static void many_filters_agree_with_the_matcher(void **state)
{
	enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
	struct fixture f;
	struct nj_list entries[COUNT];
	struct nj_mqtt_node *nodes[COUNT];
	open_tree(&f);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(nj_mqtt_tree_make(&f.tree, nj_view_str(rows[i].filter), &nodes[i]), NJ_OK);
		nj_list_push_back(&nodes[i]->entries, &entries[i]);
	}
	for (size_t t = 0; t < COUNT; t++) {
		struct nj_view topic = nj_view_str(rows[t].topic);
		f.found_count = 0;
		nj_mqtt_tree_match(&f.tree, topic, note, &f);
		for (size_t i = 0; i < COUNT && topic.len > 0; i++)
			if (was_found(&f, nodes[i]) != nj_topic_matches(nj_view_str(rows[i].filter), topic))
				fail_msg("'%s' and '%s'", rows[i].filter, rows[t].topic);
	}
	close_tree(&f);
}

static void nodes_are_pruned_up_to_what_is_used(void **state)
{
	struct fixture f;
	struct nj_mqtt_node *deep;
	struct nj_mqtt_node *upper;
	struct nj_list entry;
	open_tree(&f);
	assert_int_equal(nj_mqtt_tree_make(&f.tree, nj_view_str("a/b/c/#"), &deep), NJ_OK);
	upper = nj_mqtt_tree_get(&f.tree, nj_view_str("a/b"));
	assert_non_null(upper);
	nj_list_push_back(&upper->entries, &entry);
	nj_mqtt_tree_prune(&f.tree, deep);
	assert_null(nj_mqtt_tree_get(&f.tree, nj_view_str("a/b/c")));
	assert_ptr_equal(nj_mqtt_tree_get(&f.tree, nj_view_str("a/b")), upper);
	nj_list_remove(&entry);
	nj_mqtt_tree_prune(&f.tree, upper);
	assert_null(nj_mqtt_tree_get(&f.tree, nj_view_str("a")));
	close_tree(&f);
}

static void without_room_nothing_is_made(void **state)
{
	struct fixture f;
	struct nj_mqtt_node *node;
	open_tree(&f);
	uint64_t empty = f.budget.used;
	assert_int_equal(nj_mqtt_tree_make(&f.tree, nj_view_str("a/b/c"), &node), NJ_OK);
	uint64_t needed = f.budget.used;
	nj_mqtt_tree_prune(&f.tree, node);
	f.budget.max = needed - 1;
	assert_int_equal(nj_mqtt_tree_make(&f.tree, nj_view_str("a/b/c"), &node), NJ_ERR_LIMIT);
	assert_int_equal(f.budget.used, empty);
	f.budget.max = needed;
	assert_int_equal(nj_mqtt_tree_make(&f.tree, nj_view_str("a/b/c"), &node), NJ_OK);
	close_tree(&f);
}

static void levels_are_counted(void **state)
{
	assert_int_equal(nj_mqtt_topic_levels(nj_view_str("a")), 1);
	assert_int_equal(nj_mqtt_topic_levels(nj_view_str("a/b")), 2);
	assert_int_equal(nj_mqtt_topic_levels(nj_view_str("/")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_matches_or_not),
		cmocka_unit_test(many_filters_agree_with_the_matcher),
		cmocka_unit_test(nodes_are_pruned_up_to_what_is_used),
		cmocka_unit_test(without_room_nothing_is_made),
		cmocka_unit_test(levels_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
