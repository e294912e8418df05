#include "unit/keeper/keeper_fixture.h"

#include "keeper/internal.h"

static struct fixture fx;

static int set_up(void **state)
{
	(void)state;
	fixture_new(&fx);
	fixture_start(&fx);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_free(&fx);
	return 0;
}

static struct nj_ipc_audit_record denied(const char *detail)
{
	return (struct nj_ipc_audit_record){ .event = NJ_AUDIT_DENIED,
					     .customer = nj_view_str("main"),
					     .subject = nj_view_str("d1"),
					     .source = nj_view_str("198.51.100.7"),
					     .detail = nj_view_str(detail) };
}

/* Sends `count` records and commits them; returns how many records the log grew by. */
static uint64_t report(size_t count)
{
	static struct nj_ipc_audit batch;
	uint64_t before = nj_audit_seq(fx.keeper->audit);

	while (count > 0) {
		batch.count = (uint16_t)(count < NJ_IPC_AUDIT_MAX ? count : NJ_IPC_AUDIT_MAX);
		for (uint16_t i = 0; i < batch.count; i++)
			batch.records[i] = denied("publish elsewhere");
		assert_true(nj_keeper_gateway_audit(fx.keeper, &batch));
		count -= batch.count;
	}
	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	return nj_audit_seq(fx.keeper->audit) - before;
}

static void a_burst_is_kept_and_a_flood_is_counted(void **state)
{
	(void)state;
	assert_int_equal(report(NJ_KEEPER_REPORTS_BURST), NJ_KEEPER_REPORTS_BURST);
	/* Nothing more at this moment, however much is sent; then what the time has earned, and one record of the loss.
	 */
	assert_int_equal(report(100000), 0);
	nj_clock_fake_advance_ms(&fx.clock, 10 * NJ_KEEPER_REPORT_MS);
	assert_int_equal(report(9), 9 + 1);
	assert_int_equal(report(2), 1 + 1);
	nj_clock_fake_advance_ms(&fx.clock, UINT64_C(1000) * NJ_KEEPER_REPORTS_BURST);
	assert_int_equal(report(NJ_KEEPER_REPORTS_BURST + 1), NJ_KEEPER_REPORTS_BURST + 1);
}

/* Nothing of a batch with a record that is not the gateway's to write, or that is no text. */
static void a_bad_record_spoils_its_batch(void **state)
{
	struct nj_ipc_audit batch = { .count = 2 };
	uint64_t before = nj_audit_seq(fx.keeper->audit);

	(void)state;
	batch.records[0] = denied("well");
	batch.records[1] = denied("cut in a character: \xe2\x82");
	assert_false(nj_keeper_gateway_audit(fx.keeper, &batch));
	batch.records[1] = denied("well");
	batch.records[1].event = NJ_AUDIT_BOUND;
	assert_false(nj_keeper_gateway_audit(fx.keeper, &batch));
	assert_int_equal(nj_keeper_flush(fx.keeper), NJ_OK);
	assert_int_equal(nj_audit_seq(fx.keeper->audit), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_is_kept_and_a_flood_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_record_spoils_its_batch, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
