/* The tables of metrics keep the rules of names, and no name stands in both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/gateway_metrics.h"
#include "keeper/admin_metrics.h"

static void check(const struct nj_metric *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *fault = nj_metric_fault(&rows[i], i == 0 ? NULL : &rows[i - 1]);

		if (fault != NULL)
			fail_msg("%s: %s", rows[i].name, fault);
		/* Rows of one name stand together. */
		for (size_t j = 0; j + 1 < i; j++)
			if (strcmp(rows[j].name, rows[i].name) == 0 && strcmp(rows[i - 1].name, rows[i].name) != 0)
				fail_msg("%s stands apart", rows[i].name);
	}
}

static void tables_keep_the_rules(void **state)
{
	check(gateway_metrics, gateway_metric_count);
	check(nj_keeper_metrics, nj_keeper_metric_count);
	for (size_t i = 0; i < gateway_metric_count; i++)
		for (size_t j = 0; j < nj_keeper_metric_count; j++)
			assert_string_not_equal(gateway_metrics[i].name, nj_keeper_metrics[j].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tables_keep_the_rules) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
