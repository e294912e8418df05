/* The gateway's own certificate, while it runs: when somebody asks for a newer one, and when it is time for one. */
#include "keeper_fixture.h"

#define DAY_S UINT64_C(86400)
#define LIFE_DAYS 397

static struct fixture f;
static struct {
	unsigned puts;
	enum nj_err answer;
	char cert[4096];
} gateway;

static void on_request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	const struct nj_ipc_certificate *put = &message->as.certificate;

	if (message->type == NJ_IPC_CERTIFICATE_PUT) {
		gateway.puts++;
		assert_int_equal(nj_text_copy_view(gateway.cert, sizeof(gateway.cert), put->cert_pem), NJ_OK);
		assert_true(put->key_pem.len > 0);
		done(arg, played_connected(link) ? gateway.answer : NJ_ERR_CLOSED, "");
		return;
	}
	played_request(link, message, done, arg);
}

static struct nj_link_ops ops;

static int set_up(void **state)
{
	memset(&gateway, 0, sizeof(gateway));
	fixture_new(&f);
	ops = played_ops;
	ops.request = on_request;
	f.gateway.link.ops = &ops;
	fixture_start(&f);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(&f);
	return 0;
}

/* What a gateway would be greeted with now. */
static void current(char out[4096])
{
	struct nj_x509_pair pair = { 0 };
	const char *ca;

	assert_int_equal(nj_keeper_server_pair(f.keeper, &pair, &ca), NJ_OK);
	assert_int_equal(nj_text_copy(out, 4096, pair.cert_pem), NJ_OK);
	nj_x509_pair_done(&pair);
}

static void a_newer_one_reaches_the_gateway_and_stays(void **state)
{
	char before[4096];
	char after[4096];
	json_t *ok = NULL;

	current(before);
	assert_int_equal(ask(&f, "ca.renew", json_object(), &ok), NJ_OK);
	assert_true(json_is_true(json_object_get(ok, "running")));
	json_decref(ok);
	assert_int_equal(gateway.puts, 1);
	current(after);
	assert_string_equal(gateway.cert, after);
	assert_string_not_equal(before, after);
}

static void a_gateway_that_is_away_gets_it_later(void **state)
{
	char before[4096];
	char after[4096];
	json_t *ok = NULL;

	current(before);
	f.gateway.connected = false;
	assert_int_equal(ask(&f, "ca.renew", json_object(), &ok), NJ_OK);
	assert_true(json_is_false(json_object_get(ok, "running")));
	json_decref(ok);
	current(after);
	assert_string_not_equal(before, after);
}

static void a_gateway_that_refuses_is_told_of(void **state)
{
	gateway.answer = NJ_ERR_CONFIG;
	assert_int_equal(ask(&f, "ca.renew", json_object(), NULL), NJ_ERR_CONFIG);
}

/* An hour of the machine's clock; the wall clock is set. */
static void an_hour_later(uint64_t days)
{
	f.clock.wall_ms = UINT64_C(1790000000000) + days * DAY_S * 1000;
	nj_clock_fake_advance_ms(&f.clock, 3600 * 1000);
	nj_keeper_tick(f.keeper);
}

/* A third of its life is left: n−1, n, n+1 days. */
static void when_it_is_time_it_comes_by_itself(void **state)
{
	nj_keeper_tick(f.keeper);
	an_hour_later(1);
	assert_int_equal(gateway.puts, 0);
	an_hour_later(LIFE_DAYS * 2 / 3 - 1);
	assert_int_equal(gateway.puts, 0);
	f.gateway.connected = false;
	an_hour_later(LIFE_DAYS * 2 / 3 + 1);
	assert_int_equal(gateway.puts, 0);
	f.gateway.connected = true;
	an_hour_later(LIFE_DAYS * 2 / 3 + 1);
	assert_int_equal(gateway.puts, 1);
	an_hour_later(LIFE_DAYS * 2 / 3 + 2);
	assert_int_equal(gateway.puts, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_newer_one_reaches_the_gateway_and_stays),
		TEST(a_gateway_that_is_away_gets_it_later),
		TEST(a_gateway_that_refuses_is_told_of),
		TEST(when_it_is_time_it_comes_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
