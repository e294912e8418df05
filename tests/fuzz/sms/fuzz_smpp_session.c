/*
 * A session of either side. The input's first byte is the side and what the owner is like; then chunks: a length, what
 * the owner does after it, bytes of the peer. Held: the same bytes in two pieces, cut anywhere, say the same; what is
 * said is whole PDUs that decode; no more is owed and waits than the windows allow; every request of ours gets a
 * response or is lost, once; the end is told once, and nothing after it.
 */
#include "sms/smpp/session.h"
#include "unit/sms/smpp_samples.h"

#define SCRATCH 4096
#define WINDOW 3
#define MAX_BYTES 4096

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct nj_clock_fake clock;
	struct nj_smpp_session *session;
	uint8_t scratch[SCRATCH];
	uint8_t salt;
	uint64_t hash; /* of all that was told */
	unsigned asked;
	unsigned told; /* responses and losses */
	unsigned ended;
	struct nj_smpp_token tokens[8];
	unsigned token_count;
};

static void mix(struct run *run, uint64_t what)
{
	CHECK(run->ended == 0);
	run->hash = (run->hash ^ what) * UINT64_C(0x100000001b3);
}

static void on_send(void *user, struct nj_view bytes)
{
	struct run *run = user;
	struct nj_smpp_pdu pdu;
	CHECK(nj_smpp_decode(bytes, &pdu).kind == NJ_SMPP_FAULT_NONE);
	mix(run, (uint64_t)pdu.command << 32 | pdu.sequence);
	mix(run, pdu.status);
}
static void on_bind(void *user, const struct nj_smpp_pdu *pdu)
{
	struct run *run = user;
	mix(run, pdu->system_id.len);
	if ((run->salt & 4) == 0)
		CHECK(nj_smpp_session_bind_answer(run->session, run->salt & 8 ? NJ_SMPP_RINVPASWD : NJ_SMPP_ROK) ==
		      NJ_OK);
}
static void on_pdu(void *user, const struct nj_smpp_pdu *pdu)
{
	mix(user, pdu->command);
}
static void answer(struct run *run, struct nj_smpp_token token)
{
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, 0, token.sequence & 1 ? NJ_SMPP_RSYSERR : NJ_SMPP_ROK, 0);
	pdu.message_id = nj_view_str("1");
	(void)!nj_smpp_session_answer(run->session, token, &pdu);
}
static void on_request(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu)
{
	struct run *run = user;
	mix(run, (uint64_t)token.command << 32 | token.sequence);
	if ((run->salt & 16) == 0)
		answer(run, token);
	else if (run->token_count < 8)
		run->tokens[run->token_count++] = token;
}
static void on_response(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu)
{
	struct run *run = user;
	CHECK(cookie < run->asked);
	run->told++;
	mix(run, cookie << 32 | pdu->status);
}
static void on_lost(void *user, uint64_t cookie, enum nj_smpp_end why)
{
	struct run *run = user;
	CHECK(cookie < run->asked);
	run->told++;
	mix(run, cookie << 8 | why);
}
static void on_ready(void *user)
{
	mix(user, 1);
}
static void on_fault(void *user, const struct nj_smpp_pdu *pdu, const struct nj_smpp_fault *fault)
{
	CHECK(fault->status != NJ_SMPP_ROK);
	mix(user, fault->status);
}
static void on_ended(void *user, enum nj_smpp_end why)
{
	struct run *run = user;
	mix(run, why);
	run->ended++;
}

static const struct nj_smpp_session_ops ops = { on_send,     on_bind, on_pdu,   on_pdu,   on_request, on_pdu,
						on_response, on_lost, on_ready, on_fault, on_ended };

/* What the owner does in between: one step a byte. */
static void step(struct run *run, uint8_t what)
{
	struct nj_smpp_pdu pdu;
	struct sample_room room;
	const struct sample *sample = &samples[(what >> 2) % SAMPLE_COUNT];
	switch (what & 3) {
	case 0:
		nj_clock_fake_advance_ms(&run->clock, (uint64_t)what * 20);
		nj_smpp_session_tick(run->session);
		return;
	case 1:
		nj_smpp_pdu_init(&pdu, sample->command, sample->status, 0);
		sample->fill(&pdu, &room);
		if (nj_smpp_is_bind(pdu.command))
			(void)!nj_smpp_session_bind(run->session, &pdu);
		else if (nj_smpp_session_request(run->session, &pdu, run->asked) == NJ_OK)
			run->asked += nj_smpp_command_answered(pdu.command) ? 1 : 0;
		return;
	case 2:
		if (run->token_count > 0)
			answer(run, run->tokens[--run->token_count]);
		else
			(void)!nj_smpp_session_bind_answer(run->session, what);
		return;
	default:
		if (what == 0xff)
			(void)!nj_smpp_session_unbind(run->session);
		return;
	}
}

static void check(struct run *run)
{
	const struct nj_smpp_session_stats *stats = nj_smpp_session_stats(run->session);
	CHECK(nj_smpp_session_room(run->session) <= WINDOW && nj_smpp_session_owed(run->session) <= WINDOW);
	CHECK(stats->faults <= stats->received + 1);
	CHECK((nj_smpp_session_state(run->session) == NJ_SMPP_CLOSED) == (run->ended == 1));
	CHECK(run->told <= run->asked && run->asked - run->told <= WINDOW);
}

static void open_run(struct run *run, uint8_t salt)
{
	memset(run, 0, sizeof(*run));
	run->salt = salt;
	nj_clock_fake_init(&run->clock, 1000000, 0);
	struct nj_smpp_session_config config = {
		.side = salt & 1 ? NJ_SMPP_ESME : NJ_SMPP_SMSC,
		.ops = &ops,
		.user = run,
		.clock = &run->clock.clock,
		.scratch = run->scratch,
		.scratch_bytes = sizeof(run->scratch),
		.max_pdu_bytes = 2048,
		.window = WINDOW,
		.peer_window = WINDOW,
		.max_binds = 3,
		.init_ms = 20000,
		.enquire_ms = 4000,
		.inactive_ms = 30000,
		.response_ms = 2500,
		.hold_ms = 1000,
		.system_id = "fuzz",
	};
	CHECK(nj_smpp_session_new(&config, &run->session) == NJ_OK);
}

/* In two pieces, the first of at most `first` bytes; the second begins with what was left of it. */
static void feed(struct run *run, struct nj_view in, size_t first)
{
	size_t cut = first < in.len ? first : in.len;
	size_t eaten = nj_smpp_session_feed(run->session, nj_view_of(in.data, cut));
	CHECK(eaten <= cut);
	check(run);
	CHECK(nj_smpp_session_feed(run->session, nj_view_of(in.data + eaten, in.len - eaten)) <= in.len - eaten);
	check(run);
}

/* Chunks: length, step, bytes. Fed whole or in pieces, the owner's steps come at the same places. */
static uint64_t run_all(const uint8_t *data, size_t size, size_t first)
{
	struct run run;
	struct nj_reader r = nj_reader_of(data, size);
	open_run(&run, nj_read_u8(&r));
	static uint8_t pending[MAX_BYTES];
	size_t len = 0;
	if (run.salt & 2) { /* bound from the start */
		static const uint8_t bind[] = "\0\0\0\x17\0\0\0\x09\0\0\0\0\0\0\0\1\0\0\0\x34\0\0";
		if ((run.salt & 1) == 0)
			(void)nj_smpp_session_feed(run.session, nj_view_of(bind, sizeof(bind)));
	}
	while (nj_reader_left(&r) > 0) {
		size_t want = nj_read_u8(&r);
		uint8_t what = nj_read_u8(&r);
		struct nj_view chunk = nj_read_view(&r, want < nj_reader_left(&r) ? want : nj_reader_left(&r));
		if (len + chunk.len > sizeof(pending))
			break;
		if (chunk.len > 0)
			memcpy(pending + len, chunk.data, chunk.len);
		len += chunk.len;
		feed(&run, nj_view_of(pending, len), first);
		/* The whole PDUs are gone; the same rest stays, however they were fed. */
		size_t start = 0;
		size_t got = 0;
		size_t need = 0;
		uint32_t sequence = 0;
		while (start < len &&
		       nj_smpp_frame(nj_view_of(pending + start, len - start), 2048, &got, &need, &sequence).kind ==
			   NJ_SMPP_FAULT_NONE &&
		       need == 0 && got > 0)
			start += got;
		memmove(pending, pending + start, len - start);
		len -= start;
		step(&run, what);
		check(&run);
	}
	nj_smpp_session_end(run.session);
	CHECK(run.ended == 1 && run.told == run.asked);
	nj_smpp_session_free(run.session);
	return run.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > MAX_BYTES)
		return 0;
	uint64_t whole = run_all(data, size, 0);
	CHECK(run_all(data, size, 1 + data[size - 1] % 64) == whole);
	return 0;
}
