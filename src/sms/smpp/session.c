#include "sms/smpp/session.h"

#include "base/text.h"
#include "sms/smpp/session_state.h"

static const char *const end_texts[] = {
#define END_ROW(name, text) text,
	NJ_SMPP_END_TABLE(END_ROW)
#undef END_ROW
};

const char *nj_smpp_end_text(enum nj_smpp_end why)
{
	return end_texts[why];
}

const char *nj_smpp_state_name(enum nj_smpp_state state)
{
	static const char *const names[] = { "open",      "outbound", "bound-tx", "bound-rx",
					     "bound-trx", "unbound",  "closed" };
	return names[__builtin_ctz(state)];
}

enum nj_smpp_state nj_smpp_session_bound_as(uint32_t command)
{
	return command == NJ_SMPP_BIND_TRANSMITTER ? NJ_SMPP_BOUND_TX
	       : command == NJ_SMPP_BIND_RECEIVER  ? NJ_SMPP_BOUND_RX
						   : NJ_SMPP_BOUND_TRX;
}

uint64_t nj_smpp_session_now(const struct nj_smpp_session *session)
{
	return nj_clock_boot_ms(session->config.clock);
}

enum nj_err nj_smpp_session_new(const struct nj_smpp_session_config *config, struct nj_smpp_session **out_session)
{
	if (config->window == 0 || config->window > NJ_SMPP_WINDOW_MAX - NJ_SMPP_WINDOW_OWN ||
	    config->peer_window == 0 || config->response_ms == 0 || config->max_pdu_bytes < NJ_SMPP_HEADER ||
	    config->scratch_bytes < NJ_SMPP_SCRATCH_MIN)
		return NJ_ERR_RANGE;
	struct nj_smpp_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NJ_ERR_NO_MEMORY;
	enum nj_err err = nj_smpp_window_init(&session->window, config->window + NJ_SMPP_WINDOW_OWN);
	if (err != NJ_OK) {
		free(session);
		return err;
	}
	session->config = *config;
	session->state = NJ_SMPP_OPEN;
	session->peer_version = NJ_SMPP_VERSION_34;
	session->end_why = NJ_SMPP_END_UNBOUND;
	session->opened_ms = nj_smpp_session_now(session);
	session->heard_ms = session->opened_ms;
	session->active_ms = session->opened_ms;
	*out_session = session;
	return NJ_OK;
}

void nj_smpp_session_free(struct nj_smpp_session *session)
{
	if (session == NULL)
		return;
	nj_smpp_window_done(&session->window);
	free(session);
}

enum nj_err nj_smpp_session_put(struct nj_smpp_session *session, const struct nj_smpp_pdu *pdu)
{
	size_t len = 0;
	NJ_TRY(nj_smpp_encode(pdu, session->config.scratch, session->config.scratch_bytes, &len));
	session->stats.sent++;
	if (pdu->command != NJ_SMPP_ENQUIRE_LINK && pdu->command != (NJ_SMPP_ENQUIRE_LINK | NJ_SMPP_RESPONSE))
		session->active_ms = nj_smpp_session_now(session);
	session->config.ops->send(session->config.user, nj_view_of(session->config.scratch, len));
	return NJ_OK;
}

void nj_smpp_session_reply(struct nj_smpp_session *session, uint32_t command, uint32_t sequence, uint32_t status)
{
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, command | NJ_SMPP_RESPONSE, status, sequence);
	if (status == NJ_SMPP_RTHROTTLED)
		session->stats.throttled++;
	/* NJ_SMPP_SCRATCH_MIN is room for it. */
	(void)!nj_smpp_session_put(session, &pdu);
}

/* What the owner did not send by nj_smpp_session_request. */
static bool is_own(uint32_t command)
{
	return command == NJ_SMPP_ENQUIRE_LINK || command == NJ_SMPP_UNBIND || nj_smpp_is_bind(command);
}

void nj_smpp_session_finish(struct nj_smpp_session *session, enum nj_smpp_end why)
{
	const struct nj_smpp_waiting *oldest = NULL;
	struct nj_smpp_waiting waiting;
	if (session->state == NJ_SMPP_CLOSED)
		return;
	session->state = NJ_SMPP_CLOSED;
	while ((oldest = nj_smpp_window_oldest(&session->window)) != NULL) {
		(void)nj_smpp_window_take(&session->window, oldest->sequence, &waiting);
		if (!is_own(waiting.command))
			session->config.ops->lost(session->config.user, waiting.cookie, why);
	}
	session->config.ops->ended(session->config.user, why);
}

void nj_smpp_session_end(struct nj_smpp_session *session)
{
	nj_smpp_session_finish(session,
			       session->state == NJ_SMPP_UNBOUND ? NJ_SMPP_END_UNBOUND : NJ_SMPP_END_TRANSPORT);
}

static uint32_t next_sequence(struct nj_smpp_session *session)
{
	do
		session->sequence = session->sequence < NJ_SMPP_SEQUENCE_MAX ? session->sequence + 1 : 1;
	while (nj_smpp_window_has(&session->window, session->sequence));
	return session->sequence;
}

/* Sends what is answered. Its slot is taken first: the response may come from within `send`. */
static enum nj_err ask(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu, uint64_t cookie)
{
	struct nj_smpp_waiting waiting = { .command = pdu->command,
					   .sent_ms = nj_smpp_session_now(session),
					   .cookie = cookie };
	uint32_t before = session->sequence;
	pdu->sequence = next_sequence(session);
	waiting.sequence = pdu->sequence;
	NJ_TRY(nj_smpp_window_put(&session->window, &waiting));
	enum nj_err err = nj_smpp_session_put(session, pdu);
	if (err != NJ_OK) {
		(void)nj_smpp_window_take(&session->window, waiting.sequence, &waiting);
		session->sequence = before;
	}
	return err;
}

/* bind, enquire_link, unbind: beyond the window. */
static enum nj_err ask_own(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu)
{
	session->own++;
	enum nj_err err = ask(session, pdu, 0);
	if (err != NJ_OK)
		session->own--;
	return err;
}

enum nj_err nj_smpp_session_bind(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu)
{
	if (!nj_smpp_is_bind(pdu->command) || session->config.side != NJ_SMPP_ESME || session->binding ||
	    (session->state & NJ_SMPP_UNTIED) == 0)
		return NJ_ERR_STATE;
	session->binding = true;
	enum nj_err err = ask_own(session, pdu);
	if (err != NJ_OK)
		session->binding = false;
	return err;
}

enum nj_err nj_smpp_session_outbind(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu)
{
	if (pdu->command != NJ_SMPP_OUTBIND || session->config.side != NJ_SMPP_SMSC || session->state != NJ_SMPP_OPEN ||
	    session->bind.command != 0)
		return NJ_ERR_STATE;
	pdu->sequence = next_sequence(session);
	NJ_TRY(nj_smpp_session_put(session, pdu));
	session->state = NJ_SMPP_OUTBOUND;
	return NJ_OK;
}

enum nj_err nj_smpp_session_bind_answer(struct nj_smpp_session *session, uint32_t status)
{
	struct nj_smpp_token bind = session->bind;
	struct nj_smpp_pdu pdu;
	if (bind.command == 0 || (session->state & NJ_SMPP_UNTIED) == 0)
		return NJ_ERR_STATE;
	session->bind = (struct nj_smpp_token){ 0 };
	if (status != NJ_SMPP_ROK) {
		nj_smpp_session_reply(session, bind.command, bind.sequence, status);
		if (++session->failed_binds == session->config.max_binds)
			nj_smpp_session_finish(session, NJ_SMPP_END_BINDS_FAILED);
		return NJ_OK;
	}
	nj_smpp_pdu_init(&pdu, bind.command | NJ_SMPP_RESPONSE, NJ_SMPP_ROK, bind.sequence);
	pdu.system_id = nj_view_of(session->config.system_id,
				   strnlen(session->config.system_id, sizeof(session->config.system_id) - 1));
	if (session->peer_version >= NJ_SMPP_VERSION_34)
		nj_smpp_tlv_set_number(&pdu.tlvs, NJ_SMPP_TLV_SC_INTERFACE_VERSION, NJ_SMPP_VERSION_34);
	session->state = nj_smpp_session_bound_as(bind.command);
	return nj_smpp_session_put(session, &pdu);
}

/* 3.4 section 3.4: an SMSC sends no optional parameters to a peer of an earlier version. A text in one cannot be sent.
 */
static enum nj_err suit(const struct nj_smpp_session *session, struct nj_smpp_pdu *pdu)
{
	if (session->config.side != NJ_SMPP_SMSC || session->peer_version >= NJ_SMPP_VERSION_34)
		return NJ_OK;
	if (nj_smpp_has(&pdu->tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD))
		return NJ_ERR_UNSUPPORTED;
	nj_smpp_tlvs_clear(&pdu->tlvs);
	return NJ_OK;
}

enum nj_err nj_smpp_session_request(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu, uint64_t cookie)
{
	if ((nj_smpp_command_states(pdu->command, session->config.side) & session->state & NJ_SMPP_BOUND) == 0 ||
	    session->unbinding || session->unbind.command != 0 || pdu->command == NJ_SMPP_UNBIND ||
	    pdu->command == NJ_SMPP_ENQUIRE_LINK)
		return NJ_ERR_STATE;
	NJ_TRY(suit(session, pdu));
	if (!nj_smpp_command_answered(pdu->command)) {
		pdu->sequence = next_sequence(session);
		return nj_smpp_session_put(session, pdu);
	}
	if (nj_smpp_session_room(session) == 0) {
		session->refused = true;
		return nj_smpp_session_now(session) < session->held_until_ms ? NJ_ERR_AGAIN : NJ_ERR_LIMIT;
	}
	return ask(session, pdu, cookie);
}

enum nj_err nj_smpp_session_answer(struct nj_smpp_session *session, struct nj_smpp_token token, struct nj_smpp_pdu *pdu)
{
	if (session->owed == 0 || (session->state & NJ_SMPP_BOUND) == 0)
		return NJ_ERR_STATE;
	session->owed--;
	pdu->command = token.command | NJ_SMPP_RESPONSE;
	pdu->sequence = token.sequence;
	if (pdu->status == NJ_SMPP_RTHROTTLED)
		session->stats.throttled++;
	enum nj_err err = suit(session, pdu);
	if (err == NJ_OK)
		err = nj_smpp_session_put(session, pdu);
	if (err != NJ_OK)
		nj_smpp_session_reply(session, token.command, token.sequence, NJ_SMPP_RSYSERR);
	nj_smpp_session_unbind_answer(session, false);
	return err;
}

static enum nj_err say_unbind(struct nj_smpp_session *session, enum nj_smpp_end why)
{
	struct nj_smpp_pdu pdu;
	if ((session->state & NJ_SMPP_BOUND) == 0 || session->unbinding || session->unbind.command != 0)
		return NJ_ERR_STATE;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_UNBIND, NJ_SMPP_ROK, 0);
	session->unbinding = true;
	session->end_why = (uint8_t)why;
	return ask_own(session, &pdu);
}

enum nj_err nj_smpp_session_unbind(struct nj_smpp_session *session)
{
	return say_unbind(session, NJ_SMPP_END_UNBOUND);
}

void nj_smpp_session_unbind_answer(struct nj_smpp_session *session, bool anyway)
{
	struct nj_smpp_token token = session->unbind;
	if (token.command == 0 || (session->owed > 0 && !anyway))
		return;
	session->unbind = (struct nj_smpp_token){ 0 };
	session->unbind_ms = nj_smpp_session_now(session);
	session->owed = 0;
	session->state = NJ_SMPP_UNBOUND;
	nj_smpp_session_reply(session, token.command, token.sequence, NJ_SMPP_ROK);
}

void nj_smpp_session_tell_ready(struct nj_smpp_session *session)
{
	if (!session->refused || (session->state & NJ_SMPP_BOUND) == 0 || nj_smpp_session_room(session) == 0)
		return;
	session->refused = false;
	if (session->config.ops->ready != NULL)
		session->config.ops->ready(session->config.user);
}

/* Those that waited too long. */
static void expire(struct nj_smpp_session *session, uint64_t now_ms)
{
	const struct nj_smpp_waiting *oldest = NULL;
	struct nj_smpp_waiting waiting;
	while (session->state != NJ_SMPP_CLOSED && (oldest = nj_smpp_window_oldest(&session->window)) != NULL &&
	       now_ms - oldest->sent_ms >= session->config.response_ms) {
		if (is_own(oldest->command)) {
			nj_smpp_session_finish(session, oldest->command == NJ_SMPP_UNBIND ? session->end_why
											  : NJ_SMPP_END_NO_RESPONSE);
			return;
		}
		(void)nj_smpp_window_take(&session->window, oldest->sequence, &waiting);
		session->stats.unanswered++;
		session->config.ops->lost(session->config.user, waiting.cookie, NJ_SMPP_END_NO_RESPONSE);
	}
}

/* When what runs from `since_ms` for `ms` ends; 0 ms: never. */
static uint64_t due(uint64_t since_ms, uint32_t ms)
{
	return ms == 0 ? UINT64_MAX : since_ms + ms;
}

static void enquire(struct nj_smpp_session *session)
{
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_ENQUIRE_LINK, NJ_SMPP_ROK, 0);
	session->enquiring = true;
	(void)!ask_own(session, &pdu);
}

static void tick_bound(struct nj_smpp_session *session, uint64_t now_ms)
{
	const struct nj_smpp_session_config *config = &session->config;
	if (session->unbind.command != 0 && now_ms >= due(session->unbind_ms, config->response_ms)) {
		nj_smpp_session_unbind_answer(session, true);
		return;
	}
	if (session->unbinding || session->unbind.command != 0)
		return;
	if (now_ms >= due(session->active_ms, config->inactive_ms)) {
		(void)!say_unbind(session, NJ_SMPP_END_INACTIVE);
		return;
	}
	if (!session->enquiring && now_ms >= due(session->heard_ms, config->enquire_ms))
		enquire(session);
}

void nj_smpp_session_tick(struct nj_smpp_session *session)
{
	uint64_t now_ms = nj_smpp_session_now(session);
	expire(session, now_ms);
	if ((session->state & NJ_SMPP_BOUND) != 0)
		tick_bound(session, now_ms);
	else if ((session->state & NJ_SMPP_UNTIED) != 0 && now_ms >= due(session->opened_ms, session->config.init_ms))
		nj_smpp_session_finish(session, NJ_SMPP_END_INIT_TIMEOUT);
	else if (session->state == NJ_SMPP_UNBOUND && now_ms >= due(session->unbind_ms, session->config.response_ms))
		nj_smpp_session_finish(session, NJ_SMPP_END_UNBOUND);
	nj_smpp_session_tell_ready(session);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t nj_smpp_session_next_ms(const struct nj_smpp_session *session)
{
	const struct nj_smpp_session_config *config = &session->config;
	const struct nj_smpp_waiting *oldest = nj_smpp_window_oldest(&session->window);
	uint64_t next = UINT64_MAX;
	if (session->state == NJ_SMPP_CLOSED)
		return next;
	if (oldest != NULL)
		next = due(oldest->sent_ms, config->response_ms);
	if ((session->state & NJ_SMPP_UNTIED) != 0)
		return sooner(next, due(session->opened_ms, config->init_ms));
	if (session->state == NJ_SMPP_UNBOUND || session->unbind.command != 0)
		return sooner(next, due(session->unbind_ms, config->response_ms));
	if (session->unbinding)
		return next;
	next = sooner(next, due(session->active_ms, config->inactive_ms));
	if (!session->enquiring)
		next = sooner(next, due(session->heard_ms, config->enquire_ms));
	if (session->refused && session->held_until_ms > nj_smpp_session_now(session))
		next = sooner(next, session->held_until_ms);
	return next;
}

enum nj_smpp_state nj_smpp_session_state(const struct nj_smpp_session *session)
{
	return session->state;
}

uint32_t nj_smpp_session_room(const struct nj_smpp_session *session)
{
	uint32_t used = session->window.count - session->own;
	if ((session->state & NJ_SMPP_BOUND) == 0 || session->unbinding || session->unbind.command != 0 ||
	    nj_smpp_session_now(session) < session->held_until_ms)
		return 0;
	return used < session->config.window ? session->config.window - used : 0;
}

uint32_t nj_smpp_session_owed(const struct nj_smpp_session *session)
{
	return session->owed;
}

uint8_t nj_smpp_session_version(const struct nj_smpp_session *session)
{
	return session->peer_version;
}

const struct nj_smpp_session_stats *nj_smpp_session_stats(const struct nj_smpp_session *session)
{
	return &session->stats;
}
