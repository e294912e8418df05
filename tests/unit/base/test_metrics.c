/* Metrics as OpenMetrics text, and the rules of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metrics.h"

struct snapshot {
	uint64_t a, b, c;
};
#define AT(member) offsetof(struct snapshot, member)

static void text(void **state)
{
	static const struct nj_metric rows[] = {
		{ "nightjar_a", NJ_METRIC_COUNTER, "", "Help \"with\" \\ and\nmore", NULL, AT(a) },
		{ "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "B", "x=\"1\"", AT(b) },
		{ "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "B", "x=\"2\"", AT(c) },
		{ "nightjar_i", NJ_METRIC_INFO, "", "I", "v=\"1\"", AT(a) },
	};
	const struct snapshot s = { 1, 2, UINT64_MAX };
	char *got = nj_metrics_text(rows, 4, &s);

	assert_string_equal(got, "# TYPE nightjar_a counter\n"
				 "# HELP nightjar_a Help \\\"with\\\" \\\\ and\\nmore.\n"
				 "nightjar_a_total 1\n"
				 "# TYPE nightjar_b_bytes gauge\n"
				 "# UNIT nightjar_b_bytes bytes\n"
				 "# HELP nightjar_b_bytes B.\n"
				 "nightjar_b_bytes{x=\"1\"} 2\n"
				 "nightjar_b_bytes{x=\"2\"} 18446744073709551615\n"
				 "# TYPE nightjar_i info\n"
				 "# HELP nightjar_i I.\n"
				 "nightjar_i_info{v=\"1\"} 1\n");
	free(got);
}

static void rules_of_names(void **state)
{
	static const struct nj_metric good = { "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "B", "x=\"1\"", 0 };
	static const struct nj_metric bad[] = {
		{ "b", NJ_METRIC_GAUGE, "", "B", NULL, 0 },
		{ "nightjar_B", NJ_METRIC_GAUGE, "", "B", NULL, 0 },
		{ "nightjar_b_total", NJ_METRIC_COUNTER, "", "B", NULL, 0 },
		{ "nightjar_b", NJ_METRIC_GAUGE, "bytes", "B", NULL, 0 },
		{ "nightjar_bbytes", NJ_METRIC_GAUGE, "bytes", "B", NULL, 0 },
		{ "nightjar_b", NJ_METRIC_GAUGE, "", "B.", NULL, 0 },
		{ "nightjar_b", NJ_METRIC_GAUGE, "", "", NULL, 0 },
		{ "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "B", "x=\"1\"", 0 },
		{ "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "C", "x=\"2\"", 0 },
		{ "nightjar_b_bytes", NJ_METRIC_COUNTER, "bytes", "B", "x=\"2\"", 0 },
		{ "nightjar_b_bytes", NJ_METRIC_GAUGE, "bytes", "B", NULL, 0 },
	};

	assert_null(nj_metric_fault(&good, NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (nj_metric_fault(&bad[i], &good) == NULL)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(text), cmocka_unit_test(rules_of_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
