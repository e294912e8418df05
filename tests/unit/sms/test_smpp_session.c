/* SMPP sessions of both sides: state × PDU × side, responses, timers, windows, throttling, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "sms/smpp/session.h"
#include "sms/smpp/window.h"
#include "unit/sms/smpp_samples.h"

#define CAP 4096
#define RESP NJ_SMPP_RESPONSE

/* A session and what it said: one word an event, PDUs as "name:status:sequence". */
struct fixture {
	struct nj_clock_fake clock;
	struct nj_smpp_session *session;
	uint8_t scratch[CAP];
	char said[2048];
	uint32_t answer_bind; /* at once; UINT32_MAX: not */
	bool answer;          /* requests, at once */
	unsigned ended;
	struct nj_smpp_token token; /* of the last request */
	uint32_t last_sequence;     /* of the last request that we sent */
};

static void say(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct fixture *f, const char *format, ...)
{
	va_list args;
	size_t len = strlen(f->said);
	if (len > 0)
		f->said[len++] = ' ';
	va_start(args, format);
	(void)vsnprintf(f->said + len, sizeof(f->said) - len, format, args);
	va_end(args);
}

static void on_send(void *user, struct nj_view bytes)
{
	struct fixture *f = user;
	struct nj_smpp_pdu pdu;
	assert_int_equal(nj_smpp_decode(bytes, &pdu).kind, NJ_SMPP_FAULT_NONE);
	if ((pdu.command & RESP) == 0)
		f->last_sequence = pdu.sequence;
	say(f, "%s:%x:%u", nj_smpp_command_name(pdu.command), pdu.status, pdu.sequence);
}
static void on_bind(void *user, const struct nj_smpp_pdu *pdu)
{
	struct fixture *f = user;
	if (f->answer_bind != UINT32_MAX)
		assert_int_equal(nj_smpp_session_bind_answer(f->session, f->answer_bind), NJ_OK);
	else
		say(f, "bind");
}
static void on_outbind(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "outbind");
}
static void on_bound(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "bound(%x)", pdu->status);
}
static void on_request(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu)
{
	struct fixture *f = user;
	struct nj_smpp_pdu answer;
	f->token = token;
	if (!f->answer) {
		say(f, "request(%u)", token.sequence);
		return;
	}
	nj_smpp_pdu_init(&answer, 0, NJ_SMPP_ROK, 0);
	answer.message_id = nj_view_str("1");
	assert_int_equal(nj_smpp_session_answer(f->session, token, &answer), NJ_OK);
}
static void on_alert(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "alert");
}
static void on_response(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu)
{
	say(user, "response(%llu,%x)", (unsigned long long)cookie, pdu->status);
}
static void on_lost(void *user, uint64_t cookie, enum nj_smpp_end why)
{
	say(user, "lost(%llu,%u)", (unsigned long long)cookie, why);
}
static void on_ready(void *user)
{
	say(user, "ready");
}
static void on_fault(void *user, const struct nj_smpp_pdu *pdu, const struct nj_smpp_fault *fault)
{
	say(user, "fault(%u,%s)", fault->kind, fault->field);
}
static void on_ended(void *user, enum nj_smpp_end why)
{
	struct fixture *f = user;
	f->ended++;
	say(f, "ended(%u)", why);
}

static const struct nj_smpp_session_ops ops = { on_send,     on_bind, on_outbind, on_bound, on_request, on_alert,
						on_response, on_lost, on_ready,   on_fault, on_ended };

static void open_with(struct fixture *f, enum nj_smpp_side side, uint32_t window)
{
	*f = (struct fixture){ .answer = true };
	nj_clock_fake_init(&f->clock, UINT64_C(1000000000000), 0);
	struct nj_smpp_session_config config = {
		.side = side,
		.ops = &ops,
		.user = f,
		.clock = &f->clock.clock,
		.scratch = f->scratch,
		.scratch_bytes = sizeof(f->scratch),
		.max_pdu_bytes = 1024,
		.window = window,
		.peer_window = 2,
		.max_binds = 3,
		.init_ms = 5000,
		.enquire_ms = 30000,
		.inactive_ms = 300000,
		.response_ms = 10000,
		.hold_ms = 1000,
		.system_id = "nightjar",
	};
	assert_int_equal(nj_smpp_session_new(&config, &f->session), NJ_OK);
}

static void done(struct fixture *f)
{
	nj_smpp_session_free(f->session);
	assert_true(f->ended <= 1);
}

static void said(struct fixture *f, const char *want)
{
	if (strcmp(f->said, want) != 0)
		fail_msg("said \"%s\", not \"%s\"", f->said, want);
	f->said[0] = '\0';
}

/* The sample of a command with a status, as bytes of the peer. */
static size_t bytes_of(uint32_t command, uint32_t status, uint32_t sequence, uint8_t out[CAP])
{
	struct nj_smpp_pdu pdu;
	struct sample_room room;
	size_t len = 0;
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		if (samples[i].command != command)
			continue;
		nj_smpp_pdu_init(&pdu, command, status, sequence);
		if (status == NJ_SMPP_ROK)
			samples[i].fill(&pdu, &room);
		assert_int_equal(nj_smpp_encode(&pdu, out, CAP, &len), NJ_OK);
		return len;
	}
	fail_msg("no sample of %x", command);
	return 0;
}

static void feed(struct fixture *f, uint32_t command, uint32_t status, uint32_t sequence)
{
	uint8_t bytes[CAP];
	size_t len = bytes_of(command, status, sequence, bytes);
	assert_int_equal(nj_smpp_session_feed(f->session, nj_view_of(bytes, len)), len);
}

static enum nj_err ask(struct fixture *f, uint32_t command, uint64_t cookie)
{
	struct nj_smpp_pdu pdu;
	struct sample_room room;
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		if (samples[i].command != command)
			continue;
		nj_smpp_pdu_init(&pdu, command, 0, 0);
		samples[i].fill(&pdu, &room);
		if (nj_smpp_is_bind(command))
			return nj_smpp_session_bind(f->session, &pdu);
		if (command == NJ_SMPP_OUTBIND)
			return nj_smpp_session_outbind(f->session, &pdu);
		return nj_smpp_session_request(f->session, &pdu, cookie);
	}
	return NJ_ERR_NOT_FOUND;
}

static void advance(struct fixture *f, uint64_t ms)
{
	nj_clock_fake_advance_ms(&f->clock, ms);
	nj_smpp_session_tick(f->session);
}

static uint32_t bind_of(enum nj_smpp_state state)
{
	return state == NJ_SMPP_BOUND_TX   ? NJ_SMPP_BIND_TRANSMITTER
	       : state == NJ_SMPP_BOUND_RX ? NJ_SMPP_BIND_RECEIVER
					   : NJ_SMPP_BIND_TRANSCEIVER;
}

/* Leads a new session to a state. */
static void lead(struct fixture *f, enum nj_smpp_side side, enum nj_smpp_state state)
{
	open_with(f, side, 4);
	if (state == NJ_SMPP_OUTBOUND) {
		if (side == NJ_SMPP_SMSC)
			assert_int_equal(ask(f, NJ_SMPP_OUTBIND, 0), NJ_OK);
		else
			feed(f, NJ_SMPP_OUTBIND, 0, 900);
	} else if (state != NJ_SMPP_OPEN) {
		uint32_t command = bind_of(state == NJ_SMPP_UNBOUND ? NJ_SMPP_BOUND_TRX : state);
		if (side == NJ_SMPP_SMSC) {
			feed(f, command, 0, 900);
		} else {
			assert_int_equal(ask(f, command, 0), NJ_OK);
			feed(f, command | RESP, 0, f->last_sequence);
		}
		if (state == NJ_SMPP_UNBOUND)
			feed(f, NJ_SMPP_UNBIND, 0, 901);
	}
	assert_int_equal(nj_smpp_session_state(f->session), state);
	f->said[0] = '\0';
}

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
					       .scratch_bytes = 16 };
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
	config.scratch_bytes = 15;
	assert_int_equal(nj_smpp_session_new(&config, &session), NJ_ERR_RANGE);
	assert_int_equal(nj_smpp_session_new(&good, &session), NJ_OK);
	nj_smpp_session_free(session);
	nj_smpp_session_free(NULL);
	done(&f);
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
		cmocka_unit_test(a_stream_split_anywhere),
		cmocka_unit_test(sequence_numbers_go_round),
		cmocka_unit_test(limits_of_a_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
