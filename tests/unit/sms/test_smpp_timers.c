/* SMPP sessions: timers, windows both ways, throttling, sequence numbers, the end. */
#include "sms/smpp/session_state.h"
#include "unit/sms/smpp_talk.h"

static void requests_without_a_response(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_OK);
	advance(&f, 4000);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 2), NJ_OK);
	assert_int_equal(nj_smpp_session_next_ms(f.session), nj_clock_boot_ms(&f.clock.clock) + 6000);
	f.said[0] = '\0';
	advance(&f, 5999);
	said(&f, "");
	advance(&f, 1);
	said(&f, "lost(1,4)");
	advance(&f, 4000);
	said(&f, "lost(2,4)");
	assert_int_equal(nj_smpp_session_stats(f.session)->unanswered, 2);
	/* A late one is foreign; the session goes on. */
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, 0, 2);
	assert_int_equal(nj_smpp_session_stats(f.session)->foreign, 1);
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_BOUND_TRX);
	done(&f);
}

static void throttling_holds(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_OK);
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, NJ_SMPP_RTHROTTLED, 2);
	said(&f, "submit_sm:0:2 response(1,58)");
	assert_int_equal(nj_smpp_session_next_ms(f.session), nj_clock_boot_ms(&f.clock.clock) + 30000);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_ERR_AGAIN);
	assert_int_equal(nj_smpp_session_next_ms(f.session), nj_clock_boot_ms(&f.clock.clock) + 1000);
	advance(&f, 999);
	said(&f, "");
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_ERR_AGAIN);
	advance(&f, 1);
	said(&f, "ready");
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_OK);
	done(&f);
}

static void the_peers_window(void **state)
{
	struct fixture f;
	struct nj_smpp_pdu answer;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
	f.answer = false;
	for (uint32_t i = 1; i <= 4; i++)
		feed(&f, NJ_SMPP_SUBMIT_SM, 0, i);
	said(&f, "request(1) request(2) submit_sm_resp:58:3 submit_sm_resp:58:4");
	feed(&f, NJ_SMPP_ENQUIRE_LINK, 0, 5);
	said(&f, "enquire_link_resp:0:5");
	nj_smpp_pdu_init(&answer, 0, NJ_SMPP_ROK, 0);
	answer.message_id = nj_view_str("id-2");
	assert_int_equal(nj_smpp_session_answer(f.session, f.token, &answer), NJ_OK);
	said(&f, "submit_sm_resp:0:2");
	assert_int_equal(nj_smpp_session_owed(f.session), 1);
	feed(&f, NJ_SMPP_QUERY_SM, 0, 6);
	said(&f, "request(6)");
	assert_int_equal(nj_smpp_session_answer(f.session, f.token, &answer), NJ_OK);
	said(&f, "query_sm_resp:0:6");
	/* What cannot be encoded is answered all the same. */
	char long_id[70];
	memset(long_id, 'x', sizeof(long_id));
	answer.message_id = nj_view_of(long_id, sizeof(long_id));
	assert_int_equal(nj_smpp_session_answer(f.session, (struct nj_smpp_token){ NJ_SMPP_SUBMIT_SM, 1 }, &answer),
			 NJ_ERR_TOO_LARGE);
	said(&f, "submit_sm_resp:8:1");
	assert_int_equal(nj_smpp_session_answer(f.session, f.token, &answer), NJ_ERR_STATE);
	done(&f);
}

static void nobody_binds(void **state)
{
	for (size_t side = 0; side < 2; side++) {
		struct fixture f;
		open_with(&f, side == 0 ? NJ_SMPP_SMSC : NJ_SMPP_ESME, 4);
		assert_int_equal(nj_smpp_session_next_ms(f.session), nj_clock_boot_ms(&f.clock.clock) + 5000);
		feed(&f, NJ_SMPP_ENQUIRE_LINK, 0, 1);
		said(&f, "enquire_link_resp:4:1");
		advance(&f, 4999);
		said(&f, "");
		advance(&f, 1);
		said(&f, "ended(3)");
		assert_int_equal(nj_smpp_session_next_ms(f.session), UINT64_MAX);
		done(&f);
	}
}

static void silence_is_enquired(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
	assert_int_equal(nj_smpp_session_next_ms(f.session), nj_clock_boot_ms(&f.clock.clock) + 30000);
	advance(&f, 29999);
	said(&f, "");
	advance(&f, 1);
	said(&f, "enquire_link:0:1");
	advance(&f, 5000);
	said(&f, "");
	/* It counts outside of the window. */
	assert_int_equal(nj_smpp_session_room(f.session), 4);
	feed(&f, NJ_SMPP_ENQUIRE_LINK | RESP, 0, 1);
	said(&f, "");
	advance(&f, 30000);
	said(&f, "enquire_link:0:2");
	/* Anything but an answer is a sign of life, and no answer. */
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 9);
	said(&f, "submit_sm_resp:0:9");
	assert_int_equal(ask(&f, NJ_SMPP_DELIVER_SM, 33), NJ_OK);
	f.said[0] = '\0';
	advance(&f, 10000);
	said(&f, "lost(33,4) ended(4)");
	done(&f);
}

static void inactivity_unbinds(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_RX);
	for (unsigned i = 1; i <= 9; i++) {
		advance(&f, 30000);
		feed(&f, NJ_SMPP_ENQUIRE_LINK | RESP, 0, i);
	}
	f.said[0] = '\0';
	advance(&f, 29999);
	said(&f, "");
	advance(&f, 1);
	said(&f, "unbind:0:10");
	feed(&f, NJ_SMPP_UNBIND | RESP, 0, 10);
	said(&f, "ended(5)");
	done(&f);
}

static void unbind_waits_for_what_is_owed(void **state)
{
	struct fixture f;
	struct nj_smpp_pdu answer;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
	assert_int_equal(ask(&f, NJ_SMPP_DELIVER_SM, 7), NJ_OK);
	f.answer = false;
	f.said[0] = '\0';
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 1);
	feed(&f, NJ_SMPP_UNBIND, 0, 2);
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 3);
	feed(&f, NJ_SMPP_UNBIND, 0, 4);
	said(&f, "request(1) submit_sm_resp:4:3 unbind_resp:4:4");
	assert_int_equal(ask(&f, NJ_SMPP_DELIVER_SM, 8), NJ_ERR_STATE);
	assert_int_equal(nj_smpp_session_unbind(f.session), NJ_ERR_STATE);
	assert_int_equal(nj_smpp_session_room(f.session), 0);
	nj_smpp_pdu_init(&answer, 0, NJ_SMPP_ROK, 0);
	assert_int_equal(nj_smpp_session_answer(f.session, f.token, &answer), NJ_OK);
	said(&f, "submit_sm_resp:0:1 unbind_resp:0:2");
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_UNBOUND);
	/* The peer closes, or is made to. */
	advance(&f, 9999);
	said(&f, "");
	advance(&f, 1);
	said(&f, "lost(7,4) ended(1)");
	done(&f);
}

static void unbind_does_not_wait_for_ever(void **state)
{
	struct fixture f;
	struct nj_smpp_pdu answer;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
	f.answer = false;
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 1);
	feed(&f, NJ_SMPP_UNBIND, 0, 2);
	said(&f, "request(1)");
	advance(&f, 10000);
	said(&f, "unbind_resp:0:2");
	assert_int_equal(nj_smpp_session_owed(f.session), 0);
	nj_smpp_pdu_init(&answer, 0, NJ_SMPP_ROK, 0);
	assert_int_equal(nj_smpp_session_answer(f.session, f.token, &answer), NJ_ERR_STATE);
	nj_smpp_session_end(f.session);
	nj_smpp_session_end(f.session);
	said(&f, "ended(1)");
	done(&f);
}

static void we_unbind(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 7), NJ_OK);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 8), NJ_OK);
	assert_int_equal(nj_smpp_session_unbind(f.session), NJ_OK);
	assert_int_equal(nj_smpp_session_unbind(f.session), NJ_ERR_STATE);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 9), NJ_ERR_STATE);
	said(&f, "submit_sm:0:2 submit_sm:0:3 unbind:0:4");
	/* What was asked before may still be answered; nothing new begins. */
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, 0, 2);
	feed(&f, NJ_SMPP_DELIVER_SM, 0, 50);
	feed(&f, NJ_SMPP_ENQUIRE_LINK, 0, 51);
	said(&f, "response(7,0) deliver_sm_resp:4:50 enquire_link_resp:0:51");
	feed(&f, NJ_SMPP_UNBIND | RESP, 0, 4);
	said(&f, "lost(8,1) ended(1)");
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_CLOSED);
	assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of("x", 1)), 0);
	done(&f);
}

/* Both say it at once. */
static void unbinds_cross(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	assert_int_equal(nj_smpp_session_unbind(f.session), NJ_OK);
	feed(&f, NJ_SMPP_UNBIND, 0, 6);
	feed(&f, NJ_SMPP_UNBIND | RESP, 0, 2);
	said(&f, "unbind:0:2 unbind_resp:0:6 ended(1)");
	done(&f);
}

static void the_transport_ends(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_RX);
	assert_int_equal(ask(&f, NJ_SMPP_DELIVER_SM, 1), NJ_OK);
	assert_int_equal(ask(&f, NJ_SMPP_DATA_SM, 2), NJ_OK);
	assert_int_equal(ask(&f, NJ_SMPP_ALERT_NOTIFICATION, 3), NJ_OK);
	f.said[0] = '\0';
	nj_smpp_session_end(f.session);
	said(&f, "lost(1,0) lost(2,0) ended(0)");
	nj_smpp_session_tick(f.session);
	assert_int_equal(ask(&f, NJ_SMPP_DELIVER_SM, 1), NJ_ERR_STATE);
	done(&f);
}

static void sequence_numbers_go_round(void **state)
{
	struct nj_smpp_window window;
	struct nj_smpp_waiting waiting = { .sequence = 1 };
	struct nj_smpp_waiting taken;
	assert_int_equal(nj_smpp_window_init(&window, 0), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_window_init(&window, NJ_SMPP_WINDOW_MAX + 1), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_window_init(&window, 5), NJ_OK);
	for (uint32_t round = 0; round < 1000; round++) {
		/* Numbers of one bucket, too. */
		for (uint32_t i = 0; i < 5; i++) {
			waiting = (struct nj_smpp_waiting){ .sequence = 1 + round + i * 8, .cookie = i };
			assert_int_equal(nj_smpp_window_put(&window, &waiting), NJ_OK);
		}
		assert_int_equal(nj_smpp_window_put(&window, &waiting), NJ_ERR_EXISTS);
		waiting.sequence++;
		assert_int_equal(nj_smpp_window_put(&window, &waiting), NJ_ERR_LIMIT);
		for (uint32_t i = 0; i < 5; i++) {
			uint32_t k = (i * 3 + round) % 5;
			assert_true(nj_smpp_window_take(&window, 1 + round + k * 8, &taken));
			assert_int_equal(taken.cookie, k);
			assert_false(nj_smpp_window_has(&window, 1 + round + k * 8));
			assert_false(nj_smpp_window_take(&window, 1 + round + k * 8, &taken));
		}
		assert_null(nj_smpp_window_oldest(&window));
	}
	/* The oldest first, whatever was taken out of the middle. */
	for (uint32_t i = 1; i <= 5; i++) {
		waiting.sequence = i;
		assert_int_equal(nj_smpp_window_put(&window, &waiting), NJ_OK);
	}
	assert_true(nj_smpp_window_take(&window, 3, &taken));
	assert_true(nj_smpp_window_take(&window, 1, &taken));
	assert_int_equal(nj_smpp_window_oldest(&window)->sequence, 2);
	assert_true(nj_smpp_window_take(&window, 5, &taken));
	assert_true(nj_smpp_window_take(&window, 2, &taken));
	assert_int_equal(nj_smpp_window_oldest(&window)->sequence, 4);
	nj_smpp_window_done(&window);
}

/* 3.2: 1 to 0x7fffffff, and past those that still wait. */
static void our_numbers_go_round(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	f.session->sequence = NJ_SMPP_SEQUENCE_MAX - 1;
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 1), NJ_OK);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 2), NJ_OK);
	said(&f, "submit_sm:0:2147483647 submit_sm:0:1");
	f.session->sequence = NJ_SMPP_SEQUENCE_MAX - 1;
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 3), NJ_OK);
	said(&f, "submit_sm:0:2");
	done(&f);
}

/* What could not be written has taken no number and no place. */
static void a_request_that_cannot_be_written(void **state)
{
	struct fixture f;
	struct nj_smpp_pdu pdu;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	nj_smpp_pdu_init(&pdu, NJ_SMPP_SUBMIT_SM, 0, 0);
	pdu.service_type = nj_view_str("TOOLONG");
	assert_int_equal(nj_smpp_session_request(f.session, &pdu, 1), NJ_ERR_TOO_LARGE);
	assert_int_equal(nj_smpp_session_room(f.session), 4);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 2), NJ_OK);
	said(&f, "submit_sm:0:2");
	done(&f);
}

static void limits_of_a_session(void **state)
{
	struct fixture f;
	struct nj_smpp_session *session = NULL;
	open_with(&f, NJ_SMPP_SMSC, 1);
	struct nj_smpp_session_config good = { .ops = &ops,
					       .user = &f,
					       .clock = &f.clock.clock,
					       .max_pdu_bytes = 16,
					       .window = 1,
					       .peer_window = 1,
					       .response_ms = 1,
					       .scratch = f.scratch,
					       .scratch_bytes = NJ_SMPP_SCRATCH_MIN };
	struct nj_smpp_session_config config = good;
	config.window = 0;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	config.window = NJ_SMPP_WINDOW_MAX - 2;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	config = good;
	config.peer_window = 0;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	config = good;
	config.response_ms = 0;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	config = good;
	config.max_pdu_bytes = 15;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	config = good;
	config.scratch_bytes = NJ_SMPP_SCRATCH_MIN - 1;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_session_new(&good, &session), NJ_OK);
	nj_smpp_session_free(session);
	nj_smpp_session_free(NULL);
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_without_a_response),
		cmocka_unit_test(throttling_holds),
		cmocka_unit_test(the_peers_window),
		cmocka_unit_test(nobody_binds),
		cmocka_unit_test(silence_is_enquired),
		cmocka_unit_test(inactivity_unbinds),
		cmocka_unit_test(unbind_waits_for_what_is_owed),
		cmocka_unit_test(unbind_does_not_wait_for_ever),
		cmocka_unit_test(we_unbind),
		cmocka_unit_test(unbinds_cross),
		cmocka_unit_test(the_transport_ends),
		cmocka_unit_test(sequence_numbers_go_round),
		cmocka_unit_test(our_numbers_go_round),
		cmocka_unit_test(a_request_that_cannot_be_written),
		cmocka_unit_test(limits_of_a_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
