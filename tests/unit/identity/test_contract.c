/* Contracts of rules: what compiles, each limit at n − 1, n and n + 1, and the rate on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/rights.h"

static void what_compiles(void **state)
{
	static const struct {
		const char *text;
		bool subscribe;
		const char *says; /* in the refusal; NULL: it compiles */
	} rows[] = {
		{ "{}", false, NULL },
		{ "[]", false, "not a JSON object" },
		{ "{\"max_qos\":2}", false, NULL },
		{ "{\"max_qos\":3}", false, "0, 1 or 2" },
		{ "{\"max_qos\":\"1\"}", false, "0, 1 or 2" },
		{ "{\"retain\":0}", false, "true or false" },
		{ "{\"max_bytes\":268435455}", false, NULL },
		{ "{\"max_bytes\":268435456}", false, "268435455" },
		{ "{\"rate\":\"1/s\"}", false, NULL },
		{ "{\"rate\":\"1000000/s\"}", false, NULL },
		{ "{\"rate\":\"1000001/s\"}", false, "\"rate\" is" },
		{ "{\"rate\":\"0/s\"}", false, "\"rate\" is" },
		{ "{\"rate\":\"60/min\",\"burst\":5}", false, NULL },
		{ "{\"rate\":\"1/h\"}", false, NULL },
		{ "{\"rate\":\"1/day\"}", false, "\"rate\" is" },
		{ "{\"rate\":5}", false, "\"rate\" is" },
		{ "{\"burst\":5}", false, "goes with \"rate\"" },
		{ "{\"rate\":\"1/s\",\"burst\":0}", false, "1 to 1000000" },
		{ "{\"json\":{\"type\":\"object\"}}", false, NULL },
		{ "{\"cbor\":{\"type\":\"bytes\"}}", false, NULL },
		{ "{\"json\":{},\"cbor\":{}}", false, "beside" },
		{ "{\"max_quos\":1}", false, "did you mean \"max_qos\"" },
		{ "{\"max_qos\":0,\"retain\":false,\"max_bytes\":9}", true, NULL },
		{ "{\"rate\":\"1/s\"}", true, "about publishing" },
		{ "{\"json\":{}}", true, "about publishing" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_contract *contract = NULL;
		struct nj_why why = { "" };
		enum nj_err err = nj_contract_new(rows[i].text, rows[i].subscribe, &contract, &why);

		if (err == NJ_OK)
			nj_contract_free(contract);
		if ((err == NJ_OK) != (rows[i].says == NULL))
			fail_msg("%s: %s", rows[i].text, why.text);
		if (err != NJ_OK && strstr(why.text, rows[i].says) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, why.text, rows[i].says);
	}
}

static enum nj_breach offered(const char *contract_text, uint8_t qos, bool retain, const char *payload)
{
	struct nj_contract *contract = NULL;
	struct nj_why why = { "" };
	char fault[NJ_SCHEMA_FAULT_BYTES];
	struct nj_offer offer = { .qos = qos, .retain = retain, .payload = nj_view_str(payload) };
	enum nj_breach breach;

	assert_int_equal(nj_contract_new(contract_text, false, &contract, &why), NJ_OK);
	breach = nj_contract_check(contract, &offer, fault);
	assert_int_equal(breach == NJ_BREACH_NONE, fault[0] == '\0');
	nj_contract_free(contract);
	return breach;
}

static void limits(void **state)
{
	assert_int_equal(offered("{}", 2, true, "anything"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"max_qos\":1}", 0, false, ""), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"max_qos\":1}", 1, false, ""), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"max_qos\":1}", 2, false, ""), NJ_BREACH_QOS);
	assert_int_equal(offered("{\"retain\":false}", 0, false, "x"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"retain\":false}", 0, true, "x"), NJ_BREACH_RETAIN);
	assert_int_equal(offered("{\"retain\":false}", 0, true, ""), NJ_BREACH_RETAIN);
	assert_int_equal(offered("{\"max_bytes\":3}", 0, false, "12"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"max_bytes\":3}", 0, false, "123"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"max_bytes\":3}", 0, false, "1234"), NJ_BREACH_SIZE);
	assert_int_equal(offered("{\"json\":{\"type\":\"object\"}}", 0, false, "{}"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"json\":{\"type\":\"object\"}}", 0, false, "1"), NJ_BREACH_PAYLOAD);
	assert_int_equal(offered("{\"json\":{\"type\":\"object\"}}", 0, false, ""), NJ_BREACH_PAYLOAD);
	/* It takes the retained message away. */
	assert_int_equal(offered("{\"json\":{\"type\":\"object\"}}", 0, true, ""), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"cbor\":{\"type\":\"integer\"}}", 0, false, "\x05"), NJ_BREACH_NONE);
	assert_int_equal(offered("{\"cbor\":{\"type\":\"integer\"}}", 0, false, "a"), NJ_BREACH_PAYLOAD);
}

/* How many of `tries` pass at this moment. */
static unsigned pass(const struct nj_contract *contract, struct nj_meters *meters, uint64_t now_ms, unsigned tries)
{
	struct nj_offer offer = { .now_ms = now_ms, .meters = meters };
	char fault[NJ_SCHEMA_FAULT_BYTES];
	unsigned passed = 0;

	while (tries-- > 0)
		passed += nj_contract_check(contract, &offer, fault) == NJ_BREACH_NONE;
	return passed;
}

static struct nj_contract *compiled(const char *text)
{
	struct nj_contract *contract = NULL;
	struct nj_why why = { "" };

	assert_int_equal(nj_contract_new(text, false, &contract, &why), NJ_OK);
	return contract;
}

static void rates(void **state)
{
	struct nj_contract *contract = compiled("{\"rate\":\"10/s\",\"burst\":3}");
	struct nj_contract *slow = compiled("{\"rate\":\"1/h\"}");
	struct nj_meters meters = { 0 };
	uint64_t now = 1000000;

	assert_int_equal(pass(contract, &meters, now, 10), 3);
	assert_int_equal(pass(contract, &meters, now + 99, 10), 0);
	assert_int_equal(pass(contract, &meters, now + 100, 10), 1);
	assert_int_equal(pass(contract, &meters, now + 100, 10), 0);
	assert_int_equal(pass(contract, &meters, now + 399, 10), 2);
	assert_int_equal(pass(contract, &meters, now + 400, 10), 1);
	/* However long it rests, no more than a burst. */
	assert_int_equal(pass(contract, &meters, now + 3600000, 10), 3);
	/* What was refused used nothing up, and the default of a burst is a second's worth. */
	assert_int_equal(pass(slow, &meters, now + 7200000, 10), 1);
	assert_int_equal(pass(slow, &meters, now + 7200000 + 3599999, 10), 0);
	assert_int_equal(pass(slow, &meters, now + 7200000 + 3600000, 10), 1);
	/* Another rule took over the meter: it does not wait for the old one's hour. */
	assert_int_equal(pass(contract, &meters, now + 10800000, 10), 0);
	assert_int_equal(pass(contract, &meters, now + 10800000 + 300, 10), 3);
	nj_contract_free(contract);
	nj_contract_free(slow);
	contract = compiled("{\"rate\":\"1000000/s\"}");
	assert_int_equal(contract->burst, 1000000);
	nj_contract_free(contract);
}

static const struct nj_names names = { .customer = "acme", .name = "d1" };

/* The first rule that covers the topic decides, with its contract. */
static void rules_with_contracts(void **state)
{
	static const struct nj_rights_rule rules[] = {
		{ NJ_PUBLISH, false, "dev/{device}/t", "{\"rate\":\"5/s\",\"max_bytes\":10}" },
		{ NJ_PUBLISH, false, "dev/{device}/#", "" },
		{ NJ_PUBLISH, false, "log/#", "{\"rate\":\"1/s\"}" },
		{ NJ_SUBSCRIBE, false, "cmd/#", "{\"max_qos\":1}" },
	};
	struct nj_rights *rights = NULL;
	struct nj_why why = { "" };
	struct nj_verdict verdict;

	assert_int_equal(nj_rights_new(rules, 4, &rights, &why), NJ_OK);
	verdict = nj_rights_check(rights, &names, NJ_PUBLISH, nj_view_str("dev/d1/t"));
	assert_true(verdict.allowed);
	assert_int_equal(verdict.contract->max_bytes, 10);
	assert_int_equal(verdict.contract->meter, 0);
	verdict = nj_rights_check(rights, &names, NJ_PUBLISH, nj_view_str("dev/d1/u"));
	assert_true(verdict.allowed);
	assert_null(verdict.contract);
	assert_int_equal(nj_rights_check(rights, &names, NJ_PUBLISH, nj_view_str("log/a")).contract->meter, 1);
	assert_int_equal(nj_rights_check(rights, &names, NJ_SUBSCRIBE, nj_view_str("cmd/+")).contract->max_qos, 1);
	assert_int_equal(nj_rights_check_delivery(rights, &names, nj_view_str("cmd/a")).contract->max_qos, 1);
	verdict = nj_rights_check(rights, &names, NJ_PUBLISH, nj_view_str("other"));
	assert_int_equal(verdict.breach, NJ_BREACH_TOPIC);
	assert_string_equal(nj_rights_at(rights, 0).contract, rules[0].contract);
	assert_null(nj_rights_at(rights, 1).contract);
	nj_rights_unref(rights);
}

static enum nj_err with_rates(unsigned count)
{
	struct nj_rights_rule rules[NJ_CONTRACT_METERS + 1];
	struct nj_rights *rights = NULL;
	struct nj_why why;
	enum nj_err err;

	for (unsigned i = 0; i < count; i++)
		rules[i] = (struct nj_rights_rule){ NJ_PUBLISH, false, "a", "{\"rate\":\"1/s\"}" };
	err = nj_rights_new(rules, count, &rights, &why);
	if (err == NJ_OK)
		nj_rights_unref(rights);
	return err;
}

static void refused_rules(void **state)
{
	const struct nj_rights_rule exception = { NJ_PUBLISH, true, "a", "{\"max_qos\":1}" };
	const struct nj_rights_rule wrong = { NJ_PUBLISH, false, "a/b", "{\"max_qos\":7}" };
	struct nj_rights *rights = NULL;
	struct nj_why why = { "" };

	assert_int_equal(nj_rights_new(&exception, 1, &rights, &why), NJ_ERR_MALFORMED);
	assert_int_equal(nj_rights_new(&wrong, 1, &rights, &why), NJ_ERR_MALFORMED);
	assert_non_null(strstr(why.text, "a/b"));
	assert_int_equal(with_rates(NJ_CONTRACT_METERS), NJ_OK);
	assert_int_equal(with_rates(NJ_CONTRACT_METERS + 1), NJ_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_compiles),        cmocka_unit_test(limits),        cmocka_unit_test(rates),
		cmocka_unit_test(rules_with_contracts), cmocka_unit_test(refused_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
