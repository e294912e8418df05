#include "unit/keeper/keeper_fixture.h"

/* The keeper's end of the channel against a gateway that the test plays on the other. */
static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_link *link;
	int peer;
	unsigned acks, gone, done, rekeys;
	const char *violation;
	enum nj_err result;
	bool audit_ok;
	uint8_t bytes[NJ_IPC_MAX_BYTES];
} t;

static void on_ack(void *arg, uint64_t grant_id)
{
	t.acks++;
}

static void on_bound(void *arg, const struct nj_ipc_bound *bound)
{
}

static void on_flow_end(void *arg, const struct nj_ipc_flow *flow)
{
}

static void on_ready(void *arg, const struct nj_ipc_rekey *ready)
{
	t.rekeys += ready->epoch == 0;
}

static void on_stored(void *arg, const struct nj_ipc_rekey *stored)
{
	t.rekeys += 10 * stored->epoch;
}

static bool on_audit(void *arg, const struct nj_ipc_audit *audit)
{
	return t.audit_ok;
}

static void on_gone(void *arg, const char *violation)
{
	t.gone++;
	t.violation = violation;
}

static void on_done(void *arg, enum nj_err err, const char *text)
{
	t.done++;
	t.result = err;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(nj_reactor_turn(t.reactor, 0), NJ_OK);
}

static void receive(struct nj_ipc *out)
{
	size_t len;
	size_t fd_count;

	assert_int_equal(nj_channel_receive_fds(t.peer, t.bytes, sizeof(t.bytes), &len, NULL, 0, &fd_count), NJ_OK);
	assert_int_equal(nj_ipc_decode(nj_view_of(t.bytes, len), out), NJ_OK);
}

static void send_back(const struct nj_ipc *message)
{
	struct nj_writer w = nj_writer_of(t.bytes, sizeof(t.bytes));

	assert_int_equal(nj_ipc_encode(message, &w), NJ_OK);
	assert_int_equal(nj_channel_send_fds(t.peer, nj_view_of(t.bytes, w.pos), NULL, 0), NJ_OK);
	turn();
}

static void connect_gateway(void)
{
	const struct nj_ipc_hello hello = { nj_view_str("c"), nj_view_str("k"), nj_view_str("a") };
	struct nj_ipc message;
	int fds[2];

	assert_int_equal(nj_channel_pair(fds), NJ_OK);
	assert_int_equal(nj_link_ipc_connect(t.link, fds[0], &hello), NJ_OK);
	if (t.peer >= 0)
		(void)close(t.peer);
	t.peer = fds[1];
	receive(&message);
	assert_int_equal(message.type, NJ_IPC_HELLO);
}

static int set_up(void **state)
{
	const struct nj_link_events events = { on_ack,    on_bound, on_flow_end, on_ready,
					       on_stored, on_audit, on_gone,     NULL };

	memset(&t, 0, sizeof(t));
	t.peer = -1;
	t.audit_ok = true;
	nj_clock_fake_init(&t.clock, UINT64_C(1000000000), 0);
	if (nj_reactor_new(&t.clock.clock, &t.reactor) != NJ_OK ||
	    nj_link_ipc_new(t.reactor, &events, &t.link) != NJ_OK)
		return 1;
	return 0;
}

static int tear_down(void **state)
{
	t.link->ops->free(t.link);
	nj_reactor_free(t.reactor);
	if (t.peer >= 0)
		(void)close(t.peer);
	return 0;
}

static void ask_query(struct nj_ipc *message)
{
	*message = (struct nj_ipc){ .type = NJ_IPC_PARTY_QUERY };
	t.link->ops->request(t.link, message, on_done, NULL);
}

static void answered(void **state)
{
	struct nj_ipc message;
	struct nj_ipc result = { .type = NJ_IPC_RESULT };

	ask_query(&message);
	assert_int_equal(t.result, NJ_ERR_CLOSED);
	connect_gateway();
	ask_query(&message);
	receive(&message);
	assert_int_equal(t.done, 1);
	result.as.result.request = message.as.uid.request + 1; /* of nobody */
	send_back(&result);
	assert_int_equal(t.done, 1);
	result.as.result.request = message.as.uid.request;
	result.as.result.err = NJ_ERR_NOT_FOUND;
	send_back(&result);
	assert_int_equal(t.done, 2);
	assert_int_equal(t.result, NJ_ERR_NOT_FOUND);
	send_back(&result); /* again: late */
	assert_int_equal(t.done, 2);
	assert_int_equal(t.gone, 0);
}

static void times_out(void **state)
{
	struct nj_ipc message;

	connect_gateway();
	ask_query(&message);
	nj_clock_fake_advance_ms(&t.clock, NJ_LINK_TIMEOUT_MS - 1);
	turn();
	t.link->ops->tick(t.link);
	assert_int_equal(t.done, 0);
	nj_clock_fake_advance_ms(&t.clock, 1);
	turn();
	t.link->ops->tick(t.link);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.result, NJ_ERR_TIMEOUT);
}

static void death_fails_all(void **state)
{
	struct nj_ipc message;

	connect_gateway();
	for (int i = 0; i < 5; i++)
		ask_query(&message);
	(void)close(t.peer);
	t.peer = -1;
	turn();
	assert_int_equal(t.done, 5);
	assert_int_equal(t.result, NJ_ERR_CLOSED);
	assert_int_equal(t.gone, 1);
	assert_null(t.violation);
	connect_gateway();
	assert_true(t.link->ops->connected(t.link));
	ask_query(&message);
	/* A new gateway takes the place of one that lives. */
	connect_gateway();
	assert_int_equal(t.done, 6);
	assert_int_equal(t.gone, 2);
}

static void violations_drop_it(void **state)
{
	static const uint8_t junk[] = { 0, 99, 1, 2, 3 };
	struct nj_ipc message = { .type = NJ_IPC_GRANT_END, .as.grant_id = 1 };

	connect_gateway();
	send_back(&message);
	assert_int_equal(t.gone, 1);
	assert_non_null(t.violation);
	connect_gateway();
	assert_int_equal(nj_channel_send_fds(t.peer, nj_view_of(junk, sizeof(junk)), NULL, 0), NJ_OK);
	turn();
	assert_int_equal(t.gone, 2);
	connect_gateway();
	assert_int_equal(nj_channel_send_fds(t.peer, nj_view_of(junk, 1), &t.peer, 1), NJ_OK);
	turn();
	assert_int_equal(t.gone, 3);
	connect_gateway();
	t.audit_ok = false;
	message = (struct nj_ipc){ .type = NJ_IPC_AUDIT };
	send_back(&message);
	assert_int_equal(t.gone, 4);
	assert_false(t.link->ops->connected(t.link));
}

static void grants_pass(void **state)
{
	const struct nj_grant grant = { .id = 5, .service = NJ_SERVICE_MQTTS, .source_prefix = 128 };
	struct nj_ipc message = { .type = NJ_IPC_GRANT_ACK, .as.grant_id = 5 };
	struct nj_ipc got;

	assert_int_equal(t.link->ops->grant(t.link, &grant), NJ_ERR_CLOSED);
	connect_gateway();
	assert_int_equal(t.link->ops->grant(t.link, &grant), NJ_OK);
	receive(&got);
	assert_int_equal(got.type, NJ_IPC_GRANT);
	assert_int_equal(got.as.grant.id, 5);
	send_back(&message);
	assert_int_equal(t.acks, 1);
	t.link->ops->grant_end(t.link, 5);
	receive(&got);
	assert_int_equal(got.type, NJ_IPC_GRANT_END);
}

static void rekeys_pass(void **state)
{
	struct nj_ipc message = { .type = NJ_IPC_REKEY_OFFER, .as.rekey = { .grant_id = 5, .epoch = 2 } };
	struct nj_ipc got;

	assert_false(t.link->ops->rekey(t.link, &message));
	connect_gateway();
	assert_true(t.link->ops->rekey(t.link, &message));
	receive(&got);
	assert_int_equal(got.type, NJ_IPC_REKEY_OFFER);
	assert_int_equal(got.as.rekey.epoch, 2);
	message = (struct nj_ipc){ .type = NJ_IPC_REKEY_READY, .as.rekey.grant_id = 5 };
	send_back(&message);
	message = (struct nj_ipc){ .type = NJ_IPC_REKEY_STORED, .as.rekey = { .grant_id = 5, .epoch = 3 } };
	send_back(&message);
	assert_int_equal(t.rekeys, 31);
	/* Not the gateway's to send. */
	message = (struct nj_ipc){ .type = NJ_IPC_REKEY_DONE, .as.rekey.grant_id = 5 };
	send_back(&message);
	assert_int_equal(t.gone, 1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(answered),           ROW(times_out),   ROW(death_fails_all),
		ROW(violations_drop_it), ROW(grants_pass), ROW(rekeys_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
