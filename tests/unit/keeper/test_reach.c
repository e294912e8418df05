/* What stands open for listed proxies, beside grants and through a restart; and what the audit says of it. */
#include "keeper_fixture.h"

#include "keeper/grants.h"

static struct fixture f;

/* ---- the table alone ---- */

static void on_ended(void *arg, uint64_t id, const struct nj_grant_spec *spec, enum nj_grant_end end)
{
}

static int table_set_up(void **state)
{
	struct nj_grants *grants;

	f = (struct fixture){ .keeper = NULL };
	nj_clock_fake_init(&f.clock, UINT64_C(5000000000), 0);
	if (nj_cloak_fake_new(&f.cloak) != NJ_OK ||
	    nj_grants_new(&f.clock.clock, f.cloak, 4, on_ended, NULL, &grants) != NJ_OK)
		return -1;
	*state = grants;
	return f.cloak->ops->renew(f.cloak, UINT64_MAX / 2) == NJ_OK ? 0 : -1;
}

static int table_tear_down(void **state)
{
	nj_grants_free(*state);
	f.cloak->ops->free(f.cloak);
	return 0;
}

static void stand(struct nj_grants *grants, const char *text, enum nj_err want)
{
	struct nj_net net;

	assert_int_equal(nj_net_parse(text, &net), NJ_OK);
	assert_int_equal(nj_grants_stand(grants, &net, PORT), want);
}

static uint64_t grant_open(struct nj_grants *grants, const char *source)
{
	const struct nj_grant_spec spec = {
		.source = address(source), .source_prefix = 128, .port = PORT, .lifetime_ms = 1000
	};
	uint64_t id;

	assert_int_equal(nj_grants_add(grants, &spec, &id), NJ_OK);
	assert_int_equal(nj_grants_ack(grants, id), NJ_OK);
	return id;
}

static void what_stands_has_no_end(void **state)
{
	stand(*state, "10.0.0.0/8", NJ_OK);
	stand(*state, "2001:db8::1", NJ_OK);
	nj_clock_fake_advance_ms(&f.clock, UINT64_C(1000) * 86400 * 3650);
	nj_grants_tick(*state);
	assert_true(passes(&f, "10.255.255.255", PORT));
	assert_true(passes(&f, "2001:db8::1", PORT));
	assert_false(passes(&f, "11.0.0.0", PORT));
	assert_false(passes(&f, "10.0.0.1", PORT + 1));
	assert_int_equal(nj_grants_open_count(*state), 2);
	assert_int_equal(nj_grants_count(*state), 0);
}

/* A device at a proxy's own address: neither its grant's beginning nor any end of it shuts the proxy out. */
static void grants_come_and_go_beside_it(void **state)
{
	stand(*state, "10.0.0.1", NJ_OK);
	uint64_t id = grant_open(*state, "10.0.0.1");
	assert_int_equal(nj_grants_open_count(*state), 1);
	nj_grants_end(*state, id, NJ_GRANT_REVOKED);
	assert_true(passes(&f, "10.0.0.1", PORT));
	(void)grant_open(*state, "10.0.0.1");
	nj_clock_fake_advance_ms(&f.clock, 1000);
	nj_grants_tick(*state);
	assert_int_equal(nj_grants_count(*state), 0);
	assert_true(passes(&f, "10.0.0.1", PORT));
	/* And the other way round. */
	id = grant_open(*state, "10.0.0.2");
	stand(*state, "10.0.0.2", NJ_OK);
	nj_grants_end(*state, id, NJ_GRANT_REVOKED);
	assert_true(passes(&f, "10.0.0.2", PORT));
	nj_grants_end_all(*state, NJ_GRANT_GATEWAY_GONE);
	assert_true(passes(&f, "10.0.0.1", PORT));
}

static void what_the_cloak_forgot_is_opened_again(void **state)
{
	stand(*state, "10.0.0.1", NJ_OK);
	assert_int_equal(f.cloak->ops->clear(f.cloak), NJ_OK);
	assert_int_equal(f.cloak->ops->renew(f.cloak, UINT64_MAX / 2), NJ_OK);
	assert_false(passes(&f, "10.0.0.1", PORT));
	stand(*state, "10.0.0.1", NJ_OK);
	assert_true(passes(&f, "10.0.0.1", PORT));
	assert_int_equal(nj_grants_open_count(*state), 1);
}

/* 64 may stand; grants have room of their own beside them. */
static void the_limit(void **state)
{
	char text[32];

	for (int i = 0; i < 65; i++) {
		snprintf(text, sizeof(text), "10.0.1.%d", i);
		stand(*state, text, i < 64 ? NJ_OK : NJ_ERR_LIMIT);
	}
	assert_false(passes(&f, "10.0.1.64", PORT));
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i + 1);
		(void)grant_open(*state, text);
		assert_true(passes(&f, text, PORT));
	}
	assert_int_equal(nj_grants_open_count(*state), 68);
}

/* ---- the keeper ---- */

static struct nj_settings_proxy proxy;
static struct nj_settings_local locals[2];

static void open_with_reach(void)
{
	struct nj_keeper_config config = fixture_config(&f);
	struct nj_why why = { "" };

	config.proxies = &proxy;
	config.proxy_count = 1;
	config.locals = locals;
	config.local_count = 2;
	assert_int_equal(nj_keeper_open(&config, &f.keeper, NULL, &why), NJ_OK);
	nj_keeper_set_link(f.keeper, &f.gateway.link);
	assert_int_equal(nj_cloak_fake_new(&f.cloak), NJ_OK);
	assert_int_equal(nj_keeper_start(f.keeper, f.cloak, &why), NJ_OK);
}

static int set_up(void **state)
{
	fixture_new(&f);
	proxy = (struct nj_settings_proxy){ .service = NJ_SETTINGS_PROXIED_MQTTS,
					    .from = { .count = 2, .at = { "10.0.0.0/24", "10.1.0.1" } } };
	for (size_t i = 0; i < proxy.from.count; i++)
		assert_int_equal(nj_net_parse(proxy.from.at[i], &proxy.from.net[i]), NJ_OK);
	locals[0] = (struct nj_settings_local){ .address = "127.0.0.1:1", .as = "inside" };
	locals[1] = (struct nj_settings_local){ .address = "192.0.2.1:1", .as = "outside", .exposed = true };
	open_with_reach();
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&f);
	return 0;
}

static void proxies_are_let_in_while_the_keeper_lives(void **state)
{
	assert_true(passes(&f, "10.0.0.77", PORT));
	assert_true(passes(&f, "10.1.0.1", PORT));
	assert_false(passes(&f, "10.1.0.2", PORT));
	assert_false(passes(&f, "10.0.0.77", 1883));
	nj_keeper_gateway_gone(f.keeper);
	assert_true(passes(&f, "10.0.0.77", PORT));
	/* Its lease is over: nobody comes in any more. */
	nj_clock_fake_advance_ms(&f.clock, NJ_CLOAK_LEASE_VALID_MS);
	assert_false(passes(&f, "10.0.0.77", PORT));
	nj_keeper_tick(f.keeper);
	assert_true(passes(&f, "10.0.0.77", PORT));
	assert_int_equal(nj_keeper_stop(f.keeper), NJ_OK);
	assert_false(passes(&f, "10.0.0.77", PORT));
}

static void a_new_keeper_lets_them_in_again(void **state)
{
	fixture_drop(&f);
	open_with_reach();
	assert_true(passes(&f, "10.0.0.77", PORT));
}

static void keep_item(void *arg, const json_t *item)
{
	assert_int_equal(json_array_append((json_t *)arg, (json_t *)item), 0);
}

static void the_audit_says_so(void **state)
{
	json_t *args = json_pack("{s:s, s:i}", "event", "cloak.weak", "count", 10);
	json_t *items = json_array();
	struct nj_why why;

	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, f.keeper, "audit.tail", args,
					   keep_item, items, NULL, &why),
			 NJ_OK);
	char *said = json_dumps(items, JSON_COMPACT);
	assert_non_null(strstr(said, "mqtts answers the proxies 10.0.0.0/24, 10.1.0.1 without a knock"));
	assert_non_null(strstr(said, "whoever reaches 192.0.2.1:1 is the application outside"));
	assert_null(strstr(said, "inside"));
	free(said);
	json_decref(args);
	json_decref(items);
}

int main(void)
{
#define TABLE(test) cmocka_unit_test_setup_teardown(test, table_set_up, table_tear_down)
#define KEEPER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TABLE(what_stands_has_no_end),
		TABLE(grants_come_and_go_beside_it),
		TABLE(what_the_cloak_forgot_is_opened_again),
		TABLE(the_limit),
		KEEPER(proxies_are_let_in_while_the_keeper_lives),
		KEEPER(a_new_keeper_lets_them_in_again),
		KEEPER(the_audit_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
