/* SMPP sessions of both sides: state × PDU × side, binds, responses, what is wrong. */
#include "unit/sms/smpp_talk.h"

/* Section 2.3, read from the standard: who may send what in which state (OUTBOUND and UNBOUND as in 5.0). */
#define O NJ_SMPP_OPEN
#define B NJ_SMPP_OUTBOUND
#define T NJ_SMPP_BOUND_TX
#define R NJ_SMPP_BOUND_RX
#define X NJ_SMPP_BOUND_TRX
static const struct place {
	uint32_t command;
	unsigned esme;
	unsigned smsc;
} places[] = {
	{ 0x00000001, O | B, 0 },             /* bind_receiver */
	{ 0x00000002, O | B, 0 },             /* bind_transmitter */
	{ 0x00000009, O | B, 0 },             /* bind_transceiver */
	{ 0x0000000b, 0, O },                 /* outbind */
	{ 0x00000006, T | R | X, T | R | X }, /* unbind */
	{ 0x00000004, T | X, 0 },             /* submit_sm */
	{ 0x00000021, T | X, 0 },             /* submit_multi */
	{ 0x00000103, T | R | X, T | R | X }, /* data_sm */
	{ 0x00000005, 0, R | X },             /* deliver_sm */
	{ 0x00000003, T | X, 0 },             /* query_sm */
	{ 0x00000008, T | X, 0 },             /* cancel_sm */
	{ 0x00000007, T | X, 0 },             /* replace_sm */
	{ 0x00000015, T | R | X, T | R | X }, /* enquire_link */
	{ 0x00000102, 0, R | X },             /* alert_notification */
};
#undef O
#undef B
#undef T
#undef R
#undef X

static const enum nj_smpp_state all_states[] = { NJ_SMPP_OPEN,     NJ_SMPP_OUTBOUND,  NJ_SMPP_BOUND_TX,
						 NJ_SMPP_BOUND_RX, NJ_SMPP_BOUND_TRX, NJ_SMPP_UNBOUND };

/* What comes back for a PDU of the peer: its own response, with its sequence number. */
static void expected_answer(const struct place *place, enum nj_smpp_state state, enum nj_smpp_side peer, char *out,
			    size_t cap)
{
	unsigned states = peer == NJ_SMPP_ESME ? place->esme : place->smsc;
	const char *name = nj_smpp_command_name(place->command | RESP);
	bool bind = nj_smpp_is_bind(place->command);
	unsigned status = states == 0                            ? NJ_SMPP_RINVCMDID
			  : (states & state) != 0                ? NJ_SMPP_ROK
			  : bind && (state & NJ_SMPP_BOUND) != 0 ? NJ_SMPP_RALYBND
								 : NJ_SMPP_RINVBNDSTS;
	*out = '\0';
	if (place->command == NJ_SMPP_OUTBIND || place->command == NJ_SMPP_ALERT_NOTIFICATION)
		(void)snprintf(out, cap, "%s",
			       status != 0                         ? ""
			       : place->command == NJ_SMPP_OUTBIND ? "outbind"
								   : "alert");
	else
		(void)snprintf(out, cap, "%s:%x:77", name, status);
}

static void state_by_pdu_by_side(void **state)
{
	for (size_t side = 0; side < 2; side++)
		for (size_t s = 0; s < sizeof(all_states) / sizeof(all_states[0]); s++)
			for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
				enum nj_smpp_side ours = side == 0 ? NJ_SMPP_SMSC : NJ_SMPP_ESME;
				struct fixture f;
				char want[128];
				lead(&f, ours, all_states[s]);
				expected_answer(&places[p], all_states[s], side == 0 ? NJ_SMPP_ESME : NJ_SMPP_SMSC,
						want, sizeof(want));
				feed(&f, places[p].command, 0, 77);
				if (strcmp(f.said, want) != 0)
					fail_msg("%s, %s: said \"%s\", not \"%s\"", nj_smpp_state_name(all_states[s]),
						 nj_smpp_command_name(places[p].command), f.said, want);
				done(&f);
			}
}

/* The same table for what we may send. */
static void what_we_may_send(void **state)
{
	for (size_t side = 0; side < 2; side++)
		for (size_t s = 0; s < sizeof(all_states) / sizeof(all_states[0]); s++)
			for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
				enum nj_smpp_side ours = side == 0 ? NJ_SMPP_SMSC : NJ_SMPP_ESME;
				unsigned states = ours == NJ_SMPP_ESME ? places[p].esme : places[p].smsc;
				struct fixture f;
				if (places[p].command == NJ_SMPP_ENQUIRE_LINK || places[p].command == NJ_SMPP_UNBIND)
					continue;
				lead(&f, ours, all_states[s]);
				enum nj_err err = ask(&f, places[p].command, 1);
				if ((err == NJ_OK) != ((states & all_states[s]) != 0))
					fail_msg("%s, %s: %s", nj_smpp_state_name(all_states[s]),
						 nj_smpp_command_name(places[p].command), nj_err_name(err));
				if (err != NJ_OK) {
					assert_int_equal(err, NJ_ERR_STATE);
					said(&f, "");
				}
				done(&f);
			}
}

static void a_bind_is_answered_later(void **state)
{
	struct fixture f;
	open_with(&f, NJ_SMPP_SMSC, 4);
	f.answer_bind = UINT32_MAX;
	feed(&f, NJ_SMPP_BIND_TRANSMITTER, 0, 5);
	said(&f, "bind");
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 6);
	feed(&f, NJ_SMPP_BIND_RECEIVER, 0, 7);
	said(&f, "submit_sm_resp:4:6 bind_receiver_resp:5:7");
	assert_int_equal(nj_smpp_session_bind_answer(f.session, NJ_SMPP_ROK), NJ_OK);
	said(&f, "bind_transmitter_resp:0:5");
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_BOUND_TX);
	assert_int_equal(nj_smpp_session_bind_answer(f.session, NJ_SMPP_ROK), NJ_ERR_STATE);
	done(&f);
}

static void binds_may_fail_so_often(void **state)
{
	struct fixture f;
	open_with(&f, NJ_SMPP_SMSC, 4);
	f.answer_bind = NJ_SMPP_RINVPASWD;
	feed(&f, NJ_SMPP_BIND_TRANSCEIVER, 0, 1);
	feed(&f, NJ_SMPP_BIND_TRANSCEIVER, 0, 2);
	said(&f, "bind_transceiver_resp:e:1 bind_transceiver_resp:e:2");
	feed(&f, NJ_SMPP_BIND_TRANSCEIVER, 0, 3);
	said(&f, "bind_transceiver_resp:e:3 ended(6)");
	assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of("\0\0\0\x10", 4)), 0);
	done(&f);
}

static void versions(void **state)
{
	static const uint8_t given[] = { 0x00, 0x33, 0x34, 0x50 };
	for (size_t i = 0; i < sizeof(given); i++) {
		struct fixture f;
		uint8_t bytes[CAP];
		struct nj_smpp_pdu pdu;
		size_t len = 0;
		open_with(&f, NJ_SMPP_SMSC, 4);
		nj_smpp_pdu_init(&pdu, NJ_SMPP_BIND_RECEIVER, 0, 1);
		pdu.interface_version = given[i];
		assert_int_equal(nj_smpp_encode(&pdu, bytes, sizeof(bytes), &len), NJ_OK);
		assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of(bytes, len)), len);
		assert_int_equal(nj_smpp_session_version(f.session), given[i]);
		assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_BOUND_RX);
		/* An earlier version gets no optional parameters. */
		struct sample_room room;
		nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, 0, 0);
		fill_receipt(&pdu, &room);
		assert_int_equal(nj_smpp_session_request(f.session, &pdu, 1), NJ_OK);
		assert_int_equal(pdu.tlvs.present != 0, given[i] >= 0x34);
		/* A text that would be lost with them is not sent. */
		nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, 0, 0);
		nj_smpp_tlv_set_data(&pdu.tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD, nj_view_str("text"));
		assert_int_equal(nj_smpp_session_request(f.session, &pdu, 1),
				 given[i] >= 0x34 ? NJ_OK : NJ_ERR_UNSUPPORTED);
		done(&f);
	}
}

static void bad_bodies_get_their_own_response(void **state)
{
	struct fixture f;
	uint8_t bytes[CAP];
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
	/* Each request, cut behind its header. */
	static const uint32_t with_bodies[] = { 3, 4, 7, 8, 0x21, 0x103 };
	for (size_t i = 0; i < sizeof(with_bodies) / sizeof(with_bodies[0]); i++) {
		char want[128];
		(void)bytes_of(with_bodies[i], 0, 30, bytes);
		nj_put_u32(bytes, NJ_SMPP_HEADER);
		assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of(bytes, NJ_SMPP_HEADER)), NJ_SMPP_HEADER);
		(void)snprintf(want, sizeof(want), "%s:2:30", nj_smpp_command_name(with_bodies[i] | RESP));
		assert_non_null(strstr(f.said, want));
		assert_null(strstr(f.said, "generic_nack"));
		f.said[0] = '\0';
	}
	/* A value: esm_class of a receipt. */
	size_t len = bytes_of(NJ_SMPP_DATA_SM, 0, 31, bytes);
	struct nj_smpp_pdu pdu;
	assert_int_equal(nj_smpp_decode(nj_view_of(bytes, len), &pdu).kind, 0);
	uint8_t again[CAP];
	pdu.esm_class = NJ_SMPP_ESM_RECEIPT;
	assert_int_equal(nj_smpp_encode(&pdu, again, sizeof(again), &len), NJ_OK);
	assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of(again, len)), len);
	said(&f, "fault(5,esm_class) data_sm_resp:43:31");
	/* Once more whole: the session has gone on. */
	feed(&f, NJ_SMPP_SUBMIT_SM, 0, 32);
	said(&f, "submit_sm_resp:0:32");
	assert_int_equal(nj_smpp_session_stats(f.session)->faults, 7);
	done(&f);
}

/* An ESME takes what an SMSC sends, as long as it can be read. */
static void a_client_is_lenient_about_values(void **state)
{
	struct fixture f;
	uint8_t bytes[CAP];
	struct nj_smpp_pdu pdu;
	size_t len = 0;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, 0, 3);
	pdu.source.ton = 99;
	pdu.esm_class = 0x3c;
	pdu.validity = nj_view_str("nonsense");
	assert_int_equal(nj_smpp_encode(&pdu, bytes, sizeof(bytes), &len), NJ_OK);
	(void)nj_smpp_session_feed(f.session, nj_view_of(bytes, len));
	said(&f, "deliver_sm_resp:0:3");
	done(&f);
}

static void lengths_end_it(void **state)
{
	static const struct {
		uint32_t length;
		const char *want;
	} rows[] = {
		{ 15, "fault(1,command_length) generic_nack:2:0 ended(2)" },
		{ 0, "fault(1,command_length) generic_nack:2:0 ended(2)" },
		{ 1025, "fault(1,command_length) generic_nack:2:7 ended(2)" },
		{ 0xffffffff, "fault(1,command_length) generic_nack:2:7 ended(2)" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		uint8_t bytes[NJ_SMPP_HEADER] = { 0, 0, 0, 0, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 7 };
		lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
		nj_put_u32(bytes, rows[i].length);
		(void)nj_smpp_session_feed(f.session, nj_view_of(bytes, sizeof(bytes)));
		said(&f, rows[i].want);
		done(&f);
	}
}

static void unknown_commands_are_nacked(void **state)
{
	struct fixture f;
	static const uint32_t unknown[] = { 0, 0x0a, 0x99, 0x10001, 0x8000000b, 0x80000099 };
	lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_RX);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		uint8_t bytes[NJ_SMPP_HEADER + 3] = { 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78 };
		nj_put_u32(bytes + 4, unknown[i]);
		assert_int_equal(nj_smpp_session_feed(f.session, nj_view_of(bytes, sizeof(bytes))), sizeof(bytes));
		said(&f, "fault(2,command_id) generic_nack:3:305419896");
	}
	/* A nack is not answered. */
	feed(&f, NJ_SMPP_GENERIC_NACK, NJ_SMPP_RINVCMDID, 4);
	said(&f, "");
	done(&f);
}

static void responses_find_their_requests(void **state)
{
	struct fixture f;
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TRX);
	assert_int_equal(nj_smpp_session_room(f.session), 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 10 + i), NJ_OK);
	said(&f, "submit_sm:0:2 submit_sm:0:3 submit_sm:0:4 submit_sm:0:5");
	assert_int_equal(nj_smpp_session_room(f.session), 0);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 14), NJ_ERR_LIMIT);
	/* In any order; `ready` once. */
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, 0, 4);
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, NJ_SMPP_RMSGQFUL, 2);
	said(&f, "response(12,0) ready response(10,14)");
	/* Another command's id, and a nack, are responses too. */
	feed(&f, NJ_SMPP_DATA_SM | RESP, 0, 5);
	feed(&f, NJ_SMPP_GENERIC_NACK, 0, 3);
	said(&f, "response(13,0) response(11,ff)");
	assert_int_equal(nj_smpp_session_stats(f.session)->wrong_ids, 1);
	/* Twice, never asked, or 0: counted, and no more. */
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, 0, 4);
	feed(&f, NJ_SMPP_SUBMIT_SM | RESP, 0, 4711);
	feed(&f, NJ_SMPP_GENERIC_NACK, NJ_SMPP_RINVCMDLEN, 0);
	feed(&f, NJ_SMPP_GENERIC_NACK, NJ_SMPP_RINVCMDID, 16);
	said(&f, "");
	assert_int_equal(nj_smpp_session_stats(f.session)->foreign, 4);
	assert_int_equal(nj_smpp_session_room(f.session), 4);
	done(&f);
}

/* osmo-msc answers bind_receiver as a bind_transmitter. */
static void a_bind_with_another_binds_response(void **state)
{
	struct fixture f;
	open_with(&f, NJ_SMPP_ESME, 4);
	assert_int_equal(ask(&f, NJ_SMPP_BIND_RECEIVER, 0), NJ_OK);
	assert_int_equal(ask(&f, NJ_SMPP_BIND_RECEIVER, 0), NJ_ERR_STATE);
	feed(&f, NJ_SMPP_BIND_TRANSMITTER | RESP, 0, 1);
	said(&f, "bind_receiver:0:1 bound(0)");
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_BOUND_RX);
	done(&f);
}

static void a_refused_bind_may_be_tried_again(void **state)
{
	struct fixture f;
	open_with(&f, NJ_SMPP_ESME, 4);
	assert_int_equal(ask(&f, NJ_SMPP_BIND_TRANSCEIVER, 0), NJ_OK);
	feed(&f, NJ_SMPP_BIND_TRANSCEIVER | RESP, NJ_SMPP_RINVPASWD, 1);
	said(&f, "bind_transceiver:0:1 bound(e)");
	assert_int_equal(nj_smpp_session_state(f.session), NJ_SMPP_OPEN);
	assert_int_equal(ask(&f, NJ_SMPP_BIND_TRANSCEIVER, 0), NJ_OK);
	feed(&f, NJ_SMPP_GENERIC_NACK, NJ_SMPP_RSYSERR, 2);
	said(&f, "bind_transceiver:0:2 bound(8)");
	done(&f);
}

static void an_unreadable_response_is_one(void **state)
{
	struct fixture f;
	uint8_t bytes[NJ_SMPP_HEADER + 2] = { 0, 0, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b' };
	lead(&f, NJ_SMPP_ESME, NJ_SMPP_BOUND_TX);
	assert_int_equal(ask(&f, NJ_SMPP_SUBMIT_SM, 10), NJ_OK);
	(void)nj_smpp_session_feed(f.session, nj_view_of(bytes, sizeof(bytes)));
	said(&f, "submit_sm:0:2 fault(3,message_id) response(10,0)");
	done(&f);
}

/* A conversation of samples, split at every byte: as if it came whole. */
static void a_stream_split_anywhere(void **state)
{
	static const uint32_t talk[] = { NJ_SMPP_SUBMIT_SM, NJ_SMPP_ENQUIRE_LINK, NJ_SMPP_SUBMIT_MULTI, 0x99,
					 NJ_SMPP_QUERY_SM };
	uint8_t bytes[CAP];
	char want[2048];
	size_t len = 0;
	for (size_t i = 0; i < sizeof(talk) / sizeof(talk[0]); i++) {
		uint8_t one[CAP] = { 0, 0, 0, 16, 0, 0, 0, 0x99 };
		size_t one_len = talk[i] == 0x99 ? 16 : bytes_of(talk[i], 0, (uint32_t)i, one);
		memcpy(bytes + len, one, one_len);
		len += one_len;
	}
	for (size_t cut = 0; cut <= len; cut++) {
		struct fixture f;
		lead(&f, NJ_SMPP_SMSC, NJ_SMPP_BOUND_TRX);
		size_t eaten = nj_smpp_session_feed(f.session, nj_view_of(bytes, cut));
		assert_true(eaten <= cut);
		eaten += nj_smpp_session_feed(f.session, nj_view_of(bytes + eaten, len - eaten));
		assert_int_equal(eaten, len);
		if (cut == 0)
			memcpy(want, f.said, sizeof(want));
		assert_string_equal(f.said, want);
		done(&f);
	}
	assert_non_null(strstr(want, "submit_multi_resp:0:2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_by_pdu_by_side),
		cmocka_unit_test(what_we_may_send),
		cmocka_unit_test(a_bind_is_answered_later),
		cmocka_unit_test(binds_may_fail_so_often),
		cmocka_unit_test(versions),
		cmocka_unit_test(bad_bodies_get_their_own_response),
		cmocka_unit_test(a_client_is_lenient_about_values),
		cmocka_unit_test(lengths_end_it),
		cmocka_unit_test(unknown_commands_are_nacked),
		cmocka_unit_test(responses_find_their_requests),
		cmocka_unit_test(a_bind_with_another_binds_response),
		cmocka_unit_test(a_refused_bind_may_be_tried_again),
		cmocka_unit_test(an_unreadable_response_is_one),
		cmocka_unit_test(a_stream_split_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
