#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int value;
	struct nj_list node;
};

static int value_of(struct nj_list *node)
{
	return NJ_CONTAINER(node, struct item, node)->value;
}

static void keeps_its_order_while_items_leave(void **state)
{
	struct item items[6];
	struct nj_list head;
	int want = 0;

	nj_list_init(&head);
	assert_true(nj_list_empty(&head));
	for (int i = 0; i < 6; i++) {
		items[i].value = i;
		nj_list_push_back(&head, &items[i].node);
	}
	NJ_LIST_EACH (&head, node) {
		assert_int_equal(value_of(node), want++);
		if (value_of(node) % 2 == 0)
			nj_list_remove(node);
	}
	nj_list_remove(&items[0].node);
	nj_list_push_front(&head, &items[0].node);
	assert_int_equal(value_of(head.next), 0);
	assert_int_equal(value_of(head.next->next), 1);
	assert_int_equal(value_of(head.prev), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_order_while_items_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
