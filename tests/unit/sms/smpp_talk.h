/* An SMPP session without a socket for tests: what it says is one line of words. */
#ifndef NJ_TESTS_SMPP_TALK_H
#define NJ_TESTS_SMPP_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/smpp/session.h"
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

static inline void say(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void say(struct fixture *f, const char *format, ...)
{
	va_list args;
	size_t len = strlen(f->said);
	if (len > 0)
		f->said[len++] = ' ';
	va_start(args, format);
	(void)vsnprintf(f->said + len, sizeof(f->said) - len, format, args);
	va_end(args);
}

static inline void on_send(void *user, struct nj_view bytes)
{
	struct fixture *f = user;
	struct nj_smpp_pdu pdu;
	assert_int_equal(nj_smpp_decode(bytes, &pdu).kind, NJ_SMPP_FAULT_NONE);
	if ((pdu.command & RESP) == 0)
		f->last_sequence = pdu.sequence;
	say(f, "%s:%x:%u", nj_smpp_command_name(pdu.command), pdu.status, pdu.sequence);
}
static inline void on_bind(void *user, const struct nj_smpp_pdu *pdu)
{
	struct fixture *f = user;
	if (f->answer_bind != UINT32_MAX)
		assert_int_equal(nj_smpp_session_bind_answer(f->session, f->answer_bind), NJ_OK);
	else
		say(f, "bind");
}
static inline void on_outbind(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "outbind");
}
static inline void on_bound(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "bound(%x)", pdu->status);
}
static inline void on_request(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu)
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
static inline void on_alert(void *user, const struct nj_smpp_pdu *pdu)
{
	say(user, "alert");
}
static inline void on_response(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu)
{
	say(user, "response(%llu,%x)", (unsigned long long)cookie, pdu->status);
}
static inline void on_lost(void *user, uint64_t cookie, enum nj_smpp_end why)
{
	say(user, "lost(%llu,%u)", (unsigned long long)cookie, why);
}
static inline void on_ready(void *user)
{
	say(user, "ready");
}
static inline void on_fault(void *user, const struct nj_smpp_pdu *pdu, const struct nj_smpp_fault *fault)
{
	say(user, "fault(%u,%s)", fault->kind, fault->field);
}
static inline void on_ended(void *user, enum nj_smpp_end why)
{
	struct fixture *f = user;
	f->ended++;
	say(f, "ended(%u)", why);
}

static const struct nj_smpp_session_ops ops = { on_send,     on_bind, on_outbind, on_bound, on_request, on_alert,
						on_response, on_lost, on_ready,   on_fault, on_ended };

static inline void open_with(struct fixture *f, enum nj_smpp_side side, uint32_t window)
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

static inline void done(struct fixture *f)
{
	nj_smpp_session_free(f->session);
	assert_true(f->ended <= 1);
}

static inline void said(struct fixture *f, const char *want)
{
	if (strcmp(f->said, want) != 0)
		fail_msg("said \"%s\", not \"%s\"", f->said, want);
	f->said[0] = '\0';
}

/* The sample of a command with a status, as bytes of the peer. */
static inline size_t bytes_of(uint32_t command, uint32_t status, uint32_t sequence, uint8_t out[CAP])
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

static inline void feed(struct fixture *f, uint32_t command, uint32_t status, uint32_t sequence)
{
	uint8_t bytes[CAP];
	size_t len = bytes_of(command, status, sequence, bytes);
	assert_int_equal(nj_smpp_session_feed(f->session, nj_view_of(bytes, len)), len);
}

static inline enum nj_err ask(struct fixture *f, uint32_t command, uint64_t cookie)
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

static inline void advance(struct fixture *f, uint64_t ms)
{
	nj_clock_fake_advance_ms(&f->clock, ms);
	nj_smpp_session_tick(f->session);
}

static inline uint32_t bind_of(enum nj_smpp_state state)
{
	return state == NJ_SMPP_BOUND_TX   ? NJ_SMPP_BIND_TRANSMITTER
	       : state == NJ_SMPP_BOUND_RX ? NJ_SMPP_BIND_RECEIVER
					   : NJ_SMPP_BIND_TRANSCEIVER;
}

/* Leads a new session to a state. */
static inline void lead(struct fixture *f, enum nj_smpp_side side, enum nj_smpp_state state)
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

#endif
